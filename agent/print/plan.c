/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/plan.h"

#include <errno.h>

#include "agent/act/guard_text.h"
#include "agent/print/escape.h"
#include "agent/print/json_writer.h"

/* -- in words ------------------------------------------------------------------------- */

static void put_escaped(FILE *out, const char *text) {
    char escaped[512];

    ng_escape(escaped, sizeof(escaped), text);
    fputs(escaped, out);
}

static const char *subject_of(const struct ng_exposure *exposure) {
    if (exposure->container)
        return exposure->container->name;
    return exposure->process ? exposure->process : "this host";
}

static void put_port(FILE *out, const struct ng_exposure *exposure) {
    char addr[NG_ADDR_TEXT];
    struct ng_addr at = exposure->host_addr.family ? exposure->host_addr : exposure->container_addr;

    if (at.family) {
        ng_addr_text(at, addr);
        fprintf(out, at.family == NG_IP6 ? "[%s]:" : "%s:", addr);
    }
    fprintf(out, "%u/%s", exposure->host_port ? exposure->host_port : exposure->container_port,
            ng_proto_text(exposure->proto));
    if (exposure->host_port && exposure->container_port)
        fprintf(out, " -> %u", exposure->container_port);
}

void ng_print_effects(FILE *out, const char *prefix, const struct ng_guard_effect *effects,
                      size_t count) {
    for (size_t i = 0; i < count; i++) {
        fputs(prefix, out);
        put_escaped(out, subject_of(effects[i].exposure));
        fputc(' ', out);
        put_port(out, effects[i].exposure);
        fputs(" from ", out);
        put_escaped(out, effects[i].now->zone);
        fputs(" (", out);
        put_escaped(out, effects[i].now->interface);
        fprintf(out, "): %s, then %s\n", ng_reach_verdict_text(effects[i].now->verdict),
                ng_reach_verdict_text(effects[i].then));
    }
}

static unsigned long long seconds_left(const struct ng_guard_installed *installed) {
    return (installed->armed_ms + 999) / 1000;
}

static const char *hold_words(enum ng_guard_hold hold) {
    switch (hold) {
    case NG_GUARD_ABSENT:
        return "not installed";
    case NG_GUARD_FOREIGN:
        return "a table of that name is somebody else's";
    case NG_GUARD_FREE:
        return "installed, and held by nobody: whoever flushes the ruleset takes it away";
    case NG_GUARD_OWN:
    case NG_GUARD_HELD:
        return "installed, and held by a running netguard";
    }
    return "";
}

static void put_change(FILE *out, const struct ng_guard_change *change) {
    fputs("#   ", out);
    switch (change->kind) {
    case NG_CHANGE_TABLE:
        fputs("the table is made anew\n", out);
        break;
    case NG_CHANGE_CHAIN:
        fprintf(out, "chain %s: other rules\n", change->name);
        break;
    case NG_CHANGE_ADD:
    case NG_CHANGE_DELETE:
        fprintf(out, "%s %s: ", change->kind == NG_CHANGE_ADD ? "+" : "-", change->name);
        put_escaped(out, change->text);
        fputc('\n', out);
    }
}

static void put_list(FILE *out, const char *title, struct ng_strings texts) {
    if (texts.count)
        fprintf(out, "# %s:\n", title);
    for (size_t i = 0; i < texts.count; i++) {
        fputs("#   ", out);
        put_escaped(out, texts.items[i]);
        fputc('\n', out);
    }
}

static void put_counts(FILE *out, const struct ng_guard_installed *installed) {
    for (size_t i = 0; i < installed->n_counts; i++)
        if (installed->counts[i].packets)
            fprintf(out, "#   %s has dropped %llu packets\n", installed->counts[i].chain,
                    (unsigned long long)installed->counts[i].packets);
}

/* What `apply --for` has installed. */
static void put_time(FILE *out, const struct ng_guard_installed *installed) {
    if (installed->expired)
        fputs("# Its time has run out: it is not in force.\n", out);
    else if (installed->armed_ms)
        fprintf(out, "# It goes out of force by itself in %llu s.\n", seconds_left(installed));
}

static void put_difference(FILE *out, const struct ng_plan *plan) {
    fprintf(out, "# The guard is %s.\n", hold_words(plan->installed.hold));
    put_time(out, &plan->installed);
    put_counts(out, &plan->installed);
    fputs(plan->n_changes ? "# What has to change for it:\n" : "# Nothing has to change for it.\n",
          out);
    for (size_t i = 0; i < plan->n_changes; i++)
        put_change(out, &plan->changes[i]);
}

int ng_print_plan(FILE *out, const struct ng_plan *plan) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    const char *text = arena ? ng_guard_text(arena, plan->guard) : NULL;

    if (!text)
        return -ENOMEM;
    if (plan->policy->mode == NG_MONITOR)
        fputs("# The policy's mode is monitor: nothing of this is installed. So it would be:\n",
              out);
    if (plan->compared)
        put_difference(out, plan);
    else
        fputs("# For a recorded world, whose own guard is not compared with it.\n", out);
    if (plan->n_effects)
        fputs("# What it comes to:\n", out);
    ng_print_effects(out, "#   ", plan->effects, plan->n_effects);
    put_list(out, "What it cannot do", plan->guard->limits);
    for (size_t i = 0; i < plan->n_gaps; i++) {
        fprintf(out, "# Not known: %s: ", plan->gaps[i].source);
        put_escaped(out, plan->gaps[i].reason);
        fputc('\n', out);
    }
    fputs(text, out);
    return 0;
}

/* -- for programs --------------------------------------------------------------------- */

static const char *const hold_names[] = {
    [NG_GUARD_ABSENT] = "absent", [NG_GUARD_FOREIGN] = "foreign", [NG_GUARD_FREE] = "free",
    [NG_GUARD_OWN] = "held",      [NG_GUARD_HELD] = "held",
};

static const char *const change_names[] = {
    [NG_CHANGE_TABLE] = "table",
    [NG_CHANGE_CHAIN] = "chain",
    [NG_CHANGE_ADD] = "add",
    [NG_CHANGE_DELETE] = "delete",
};

static void put_changes(struct ng_json *json, const struct ng_plan *plan) {
    ng_json_open(json, '[');
    for (size_t i = 0; i < plan->n_changes; i++) {
        ng_json_open(json, '{');
        ng_json_key(json, "kind");
        ng_json_string(json, change_names[plan->changes[i].kind]);
        ng_json_key(json, "name");
        ng_json_string_or_null(json, plan->changes[i].name);
        ng_json_key(json, "element");
        ng_json_string_or_null(json, plan->changes[i].text);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

static void put_effects(struct ng_json *json, const struct ng_plan *plan) {
    ng_json_open(json, '[');
    for (size_t i = 0; i < plan->n_effects; i++) {
        const struct ng_guard_effect *effect = &plan->effects[i];

        ng_json_open(json, '{');
        ng_json_key(json, "exposure");
        ng_json_string(json, effect->exposure->id);
        ng_json_key(json, "subject");
        ng_json_string(json, subject_of(effect->exposure));
        ng_json_key(json, "zone");
        ng_json_string(json, effect->now->zone);
        ng_json_key(json, "interface");
        ng_json_string(json, effect->now->interface);
        ng_json_key(json, "now");
        ng_json_string(json, ng_reach_verdict_text(effect->now->verdict));
        ng_json_key(json, "then");
        ng_json_string(json, ng_reach_verdict_text(effect->then));
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

static void put_dropped(struct ng_json *json, const struct ng_plan *plan) {
    ng_json_open(json, '[');
    for (size_t i = 0; i < plan->installed.n_counts; i++) {
        const struct ng_guard_count *count = &plan->installed.counts[i];

        ng_json_open(json, '{');
        ng_json_key(json, "chain");
        ng_json_string(json, count->chain);
        ng_json_key(json, "packets");
        ng_json_number(json, count->packets);
        ng_json_key(json, "bytes");
        ng_json_number(json, count->bytes);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

int ng_print_plan_json(FILE *out, const struct ng_plan *plan) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    const char *text = arena ? ng_guard_text(arena, plan->guard) : NULL;
    struct ng_json json = {.out = out};

    if (!text)
        return -ENOMEM;
    ng_json_open(&json, '{');
    ng_json_key(&json, "schema");
    ng_json_string(&json, "netguard.plan/1");
    ng_json_key(&json, "mode");
    ng_json_string(&json, plan->policy->mode == NG_MONITOR ? "monitor" : "enforce");
    ng_json_key(&json, "installed");
    ng_json_string_or_null(&json, plan->compared ? hold_names[plan->installed.hold] : NULL);
    ng_json_key(&json, "seconds_left");
    if (plan->installed.armed_ms || plan->installed.expired)
        ng_json_number(&json, seconds_left(&plan->installed));
    else
        ng_json_null(&json);
    ng_json_key(&json, "dropped");
    put_dropped(&json, plan);
    ng_json_key(&json, "changes");
    put_changes(&json, plan);
    ng_json_key(&json, "effects");
    put_effects(&json, plan);
    ng_json_key(&json, "limits");
    ng_json_strings(&json, plan->guard->limits);
    ng_json_key(&json, "gaps");
    ng_json_gaps(&json, plan->gaps, plan->n_gaps);
    ng_json_key(&json, "nft");
    ng_json_string(&json, text);
    ng_json_close(&json, '}');
    fputc('\n', out);
    return 0;
}
