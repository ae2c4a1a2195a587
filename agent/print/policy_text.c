/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/policy_text.h"

#include <errno.h>
#include <string.h>

#include "agent/print/escape.h"
#include "netguard/judge.h"
#include "netguard/propose.h"

struct writer {
    FILE *out;
    struct ng_arena *arena; /* of texts as they are written */
    const struct ng_policy *policy;
    const struct ng_policy_trees *trees;
    bool failed; /* out of memory */
};

/* -- scalars, lists, comments ------------------------------------------------------------ */

#define put(writer, ...) fprintf((writer)->out, __VA_ARGS__)

/* A word that is no number, truth value or nothing needs no quotes. */
static bool is_plain(const char *text) {
    int64_t number;

    return ((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z')) &&
           !text[strspn(text,
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] &&
           ng_scalar_resolve(text, &number) == NG_NODE_TEXT;
}

static void put_text(struct writer *writer, const char *text) {
    const char *quoted = is_plain(text) ? text : ng_yaml_text(writer->arena, text);

    writer->failed = writer->failed || !quoted;
    fputs(quoted ? quoted : "\"\"", writer->out);
}

static void put_texts(struct writer *writer, struct ng_strings texts) {
    put(writer, "[");
    for (size_t i = 0; i < texts.count; i++) {
        put(writer, "%s", i ? ", " : "");
        put_text(writer, texts.items[i]);
    }
    put(writer, "]");
}

static void put_place(struct writer *writer, struct ng_place place) {
    char source[512];

    if (!place.source) {
        put(writer, "  # by default\n");
        return;
    }
    if (writer->policy->built_in) {
        put(writer, "  # built in\n");
        return;
    }
    ng_escape(source, sizeof(source), place.source);
    put(writer, "  # %s:%u\n", source, place.line);
}

static void put_place_of(struct writer *writer, const char *section, const char *inner,
                         const char *innermost) {
    put_place(writer, ng_place_of(writer->trees, section, inner, innermost));
}

/* -- zones ------------------------------------------------------------------------------- */

struct prefixes {
    struct writer *writer;
    size_t count;
};

static void put_prefix(struct ng_addr prefix, unsigned len, void *context) {
    struct prefixes *prefixes = context;
    char text[NG_ADDR_TEXT];

    put(prefixes->writer, "%s\"%s\"", prefixes->count++ ? ", " : "",
        ng_prefix_text(prefix, len, text));
}

static void put_match(struct writer *writer, const struct ng_zone_match *match) {
    struct prefixes prefixes = {.writer = writer};

    put(writer, "{");
    if (match->interfaces.count) {
        put(writer, "interfaces: ");
        put_texts(writer, match->interfaces);
    }
    if (match->has_sources) {
        put(writer, "%ssources: [", match->interfaces.count ? ", " : "");
        ng_addrset_each_prefix(match->sources4, NG_IP4, put_prefix, &prefixes);
        ng_addrset_each_prefix(match->sources6, NG_IP6, put_prefix, &prefixes);
        put(writer, "]");
    }
    put(writer, "}");
}

static void put_zones(struct writer *writer) {
    const struct ng_policy *policy = writer->policy;

    put(writer, "\nzones:%s\n", policy->n_zones ? "" : " []");
    for (size_t i = 0; i < policy->n_zones; i++) {
        const struct ng_zone *zone = &policy->zones[i];

        put(writer, "  - id: ");
        put_text(writer, zone->id);
        put_place(writer, zone->place);
        put(writer, "    match:\n");
        for (size_t k = 0; k < zone->n_matches; k++) {
            put(writer, "      - ");
            put_match(writer, &zone->matches[k]);
            put(writer, "\n");
        }
    }
}

/* -- ports ------------------------------------------------------------------------------- */

static void put_port(struct writer *writer, const struct ng_port_match *match) {
    char text[NG_PORT_TEXT];
    bool quoted = match->any || match->pair;

    put(writer, "%s%s%s", quoted ? "\"" : "", ng_port_text(match, text), quoted ? "\"" : "");
}

static void put_group(struct writer *writer, const struct ng_port_item *group) {
    put(writer, "[");
    for (size_t i = 0; i < group->n_matches; i++) {
        put(writer, "%s", i ? ", " : "");
        put_port(writer, &group->match[i]);
    }
    put(writer, "]");
}

static int put_groups(struct writer *writer) {
    struct ng_port_items built_in, own;
    int r = ng_find_groups(writer->arena, writer->policy, true, &built_in);

    if (r == 0)
        r = ng_find_groups(writer->arena, writer->policy, false, &own);
    if (r < 0)
        return r;
    put(writer, "%s", built_in.count || own.count ? "\n" : "");
    for (size_t i = 0; i < built_in.count; i++) {
        put(writer, "# built in: \"%s\": ", built_in.items[i].group);
        put_group(writer, &built_in.items[i]);
        put(writer, "\n");
    }
    put(writer, "%s", own.count ? "ports:\n" : "");
    for (size_t i = 0; i < own.count; i++) {
        put(writer, "  ");
        put_text(writer, own.items[i].group);
        put(writer, ": ");
        put_group(writer, &own.items[i]);
        put_place_of(writer, "ports", own.items[i].group, NULL);
    }
    return 0;
}

static void put_ports(struct writer *writer, const struct ng_rule_policy *rule) {
    put(writer, "[");
    for (size_t i = 0; i < rule->n_ports;) {
        struct ng_port_item item = ng_port_item_at(rule->ports, rule->n_ports, i);

        put(writer, "%s", i ? ", " : "");
        if (item.group)
            put_text(writer, item.group);
        else
            put_port(writer, item.match);
        i += item.n_matches;
    }
    put(writer, "]\n");
}

/* -- selectors --------------------------------------------------------------------------- */

/* Globs of one label stand together. */
static void put_labels(struct writer *writer, const struct ng_selector *selector) {
    put(writer, "label: {");
    for (size_t i = 0; i < selector->n_labels;) {
        const char *key = selector->labels[i].key;

        put(writer, "%s", i ? ", " : "");
        put_text(writer, key);
        put(writer, ": [");
        for (const char *comma = "";
             i < selector->n_labels && strcmp(selector->labels[i].key, key) == 0; comma = ", ") {
            put(writer, "%s", comma);
            put_text(writer, selector->labels[i++].value);
        }
        put(writer, "]");
    }
    put(writer, "}");
}

static void put_selector(struct writer *writer, const struct ng_selector *selector) {
    const struct {
        const char *key;
        struct ng_strings globs;
    } keys[] = {
        {"name", selector->name},   {"image", selector->image},     {"service", selector->service},
        {"stack", selector->stack}, {"network", selector->network},
    };
    const char *comma = "";

    put(writer, "{");
    if (selector->host) {
        put(writer, "host: {%s", selector->process.count ? "process: " : "");
        if (selector->process.count)
            put_texts(writer, selector->process);
        put(writer, "}");
    }
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (!keys[i].globs.count)
            continue;
        put(writer, "%s%s: ", comma, keys[i].key);
        put_texts(writer, keys[i].globs);
        comma = ", ";
    }
    put(writer, "%s", selector->n_labels ? comma : "");
    if (selector->n_labels)
        put_labels(writer, selector);
    put(writer, "}");
}

static void put_selectors(struct writer *writer, const struct ng_selector *any_of, size_t count) {
    put(writer, "[");
    for (size_t i = 0; i < count; i++) {
        put(writer, "%s", i ? ", " : "");
        put_selector(writer, &any_of[i]);
    }
    put(writer, "]");
}

static void put_to(struct writer *writer, const char *key, const struct ng_selector *any_of,
                   size_t count) {
    if (!count)
        return;
    put(writer, "    %s: ", key);
    put_selectors(writer, any_of, count);
    put(writer, "\n");
}

static void put_reason(struct writer *writer, const char *reason) {
    if (!reason)
        return;
    put(writer, "    reason: ");
    put_text(writer, reason);
    put(writer, "\n");
}

/* -- rules ------------------------------------------------------------------------------- */

static void put_rule(struct writer *writer, const struct ng_rule_policy *rule) {
    put(writer, "  - id: ");
    put_text(writer, rule->id);
    put_place(writer, rule->place);
    put(writer, "    %s: ", rule->allow ? "allow" : "deny");
    put_ports(writer, rule);
    put(writer, "    from: ");
    put_texts(writer, rule->from);
    put(writer, "\n");
    put_to(writer, "to", rule->to, rule->n_to);
    if (!rule->allow)
        put(writer, "    action: %s\n    severity: %s\n", ng_action_text(rule->action),
            ng_severity_text(rule->severity));
    put_reason(writer, rule->reason);
}

static void put_rules(struct writer *writer) {
    const struct ng_policy *policy = writer->policy;
    size_t count = 0;

    for (size_t i = 0; i < policy->n_rules; i++)
        count += policy->rules[i].usage == NG_USAGE_NONE;
    put(writer, "\nrules:%s\n", count ? "" : " []");
    for (size_t i = 0; i < policy->n_rules; i++)
        if (policy->rules[i].usage == NG_USAGE_NONE)
            put_rule(writer, &policy->rules[i]);
    put(writer, "\ndefault: %s", ng_action_text(policy->default_action));
    put_place_of(writer, "default", NULL, NULL);
}

/* -- segregation ------------------------------------------------------------------------- */

static void put_globs(struct writer *writer, const char *key, struct ng_strings globs) {
    if (!globs.count)
        return;
    put(writer, "    %s: ", key);
    put_texts(writer, globs);
    put(writer, "\n");
}

static void put_segregations(struct writer *writer) {
    const struct ng_policy *policy = writer->policy;

    put(writer, "%s", policy->n_segregations ? "\nsegregation:\n" : "");
    for (size_t i = 0; i < policy->n_segregations; i++) {
        const struct ng_segregation *segregation = &policy->segregations[i];

        put(writer, "  - id: ");
        put_text(writer, segregation->id);
        put_place(writer, segregation->place);
        put_globs(writer, "apart", segregation->apart);
        put_to(writer, "gateways", segregation->gateways, segregation->n_gateways);
        put_globs(writer, "unpublished", segregation->unpublished);
        put(writer, "    action: alert\n    severity: %s\n",
            ng_severity_text(segregation->severity));
        put_reason(writer, segregation->reason);
    }
}

/* -- usage ------------------------------------------------------------------------------- */

static const char *usage_key(const char *rule) {
    return rule + strlen("usage.");
}

static const struct ng_rule_policy *find_usage(const struct ng_policy *policy, enum ng_usage usage,
                                               bool allow) {
    for (size_t i = 0; i < policy->n_rules; i++)
        if (policy->rules[i].usage == usage && policy->rules[i].allow == allow)
            return &policy->rules[i];
    return NULL;
}

static bool is_excepted_from(const struct ng_policy *policy, const char *rule) {
    for (size_t i = 0; i < policy->n_exceptions; i++)
        if (strcmp(policy->exceptions[i].rule, rule) == 0)
            return true;
    return false;
}

static void put_consequence(struct writer *writer, const struct ng_rule_policy *rule) {
    put(writer, ", action: %s, severity: %s}", ng_action_text(rule->action),
        ng_severity_text(rule->severity));
    put_place(writer, rule->place);
}

/* Where everybody may there is no rule; but somebody may still make an exception from it. */
static void put_listeners(struct writer *writer, enum ng_usage usage, const char *id) {
    const struct ng_rule_policy *rule = find_usage(writer->policy, usage, false);

    if (!rule && !is_excepted_from(writer->policy, id))
        return;
    struct ng_strings zones = ng_zones_allowed(writer->arena, writer->policy, rule);
    writer->failed = writer->failed || !zones.items;
    put(writer, "  %s: {zones: ", usage_key(id));
    put_texts(writer, zones.items ? zones : (struct ng_strings){0});
    if (rule)
        put_consequence(writer, rule);
    else
        put(writer, "}\n");
}

static void put_direct_routing(struct writer *writer) {
    const struct ng_rule_policy *rule = find_usage(writer->policy, NG_USAGE_DIRECT, false);
    const struct ng_rule_policy *allow = find_usage(writer->policy, NG_USAGE_DIRECT, true);

    if (!rule)
        return;
    put(writer, "  %s: {allow: ", usage_key(rule->id));
    put_selectors(writer, allow ? allow->to : NULL, allow ? allow->n_to : 0);
    put_consequence(writer, rule);
}

static void put_habit(struct writer *writer, enum ng_habit habit) {
    const struct ng_habit_policy *own = &writer->policy->habits[habit];
    bool named = habit == NG_HABIT_UNENCRYPTED_OVERLAY || habit == NG_HABIT_INSECURE_REGISTRY;

    if (!own->asked)
        return;
    put(writer, "  %s: {allow: ", usage_key(ng_habit_rule(habit)));
    if (named)
        put_texts(writer, own->allow_names);
    else
        put_selectors(writer, own->allow, own->n_allow);
    put(writer, ", action: alert, severity: %s}", ng_severity_text(own->severity));
    put_place(writer, own->place);
}

static bool has_usage(const struct ng_policy *policy) {
    for (size_t i = 0; i < NG_HABITS; i++)
        if (policy->habits[i].asked)
            return true;
    return find_usage(policy, NG_USAGE_DOCKER_API, false) ||
           find_usage(policy, NG_USAGE_CLUSTER, false) ||
           find_usage(policy, NG_USAGE_DIRECT, false) ||
           is_excepted_from(policy, "usage.docker_api") ||
           is_excepted_from(policy, "usage.cluster");
}

static void put_usage(struct writer *writer) {
    if (!has_usage(writer->policy))
        return;
    put(writer, "\nusage:\n");
    put_listeners(writer, NG_USAGE_DOCKER_API, "usage.docker_api");
    put_listeners(writer, NG_USAGE_CLUSTER, "usage.cluster");
    put_direct_routing(writer);
    for (size_t i = 0; i < NG_HABITS; i++)
        put_habit(writer, (enum ng_habit)i);
}

/* -- exceptions and alerts ---------------------------------------------------------------- */

static void put_exceptions(struct writer *writer) {
    const struct ng_policy *policy = writer->policy;
    char day[NG_DATE_TEXT];

    put(writer, "\nexceptions:%s\n", policy->n_exceptions ? "" : " []");
    for (size_t i = 0; i < policy->n_exceptions; i++) {
        const struct ng_exception *exception = &policy->exceptions[i];

        put(writer, "  - rule: ");
        put_text(writer, exception->rule);
        put_place(writer, exception->place);
        put_to(writer, "to", exception->to, exception->n_to);
        if (exception->until_s != INT64_MAX)
            put(writer, "    until: %s\n", ng_until_text(exception->until_s, day));
        put_reason(writer, exception->reason);
    }
}

static void put_value(struct writer *writer, const char *key, const char *value,
                      const char *section, const char *inner) {
    put(writer, "    %s: ", key);
    put_text(writer, value);
    put_place_of(writer, section, inner, key);
}

static void put_webhook(struct writer *writer, const struct ng_alerts *alerts) {
    static const char *const formats[] = {
        [NG_WEBHOOK_JSON] = "json",
        [NG_WEBHOOK_ALERTMANAGER] = "alertmanager",
        [NG_WEBHOOK_SLACK] = "slack",
    };
    const char *url = ng_url_shown(writer->arena, alerts->webhook_url);

    writer->failed = writer->failed || !url;
    put(writer, "  webhook:\n");
    if (url && url != alerts->webhook_url)
        put(writer, "    # What follows the host is not shown: it may be a secret.\n");
    put_value(writer, "url", url ? url : "", "alerts", "webhook");
    if (alerts->webhook_token_file)
        put_value(writer, "token_file", alerts->webhook_token_file, "alerts", "webhook");
    put_value(writer, "format", formats[alerts->webhook_format], "alerts", "webhook");
}

static void put_alerts(struct writer *writer) {
    const struct ng_alerts *alerts = &writer->policy->alerts;

    put(writer, "\nalerts:\n");
    if (alerts->journal) {
        put(writer, "  journal: {}");
        put_place_of(writer, "alerts", "journal", NULL);
    }
    if (alerts->syslog_address) {
        put(writer, "  syslog:\n");
        put_value(writer, "address", alerts->syslog_address, "alerts", "syslog");
        put_value(writer, "facility", ng_facility_text(alerts->syslog_facility), "alerts",
                  "syslog");
    }
    if (alerts->webhook_url)
        put_webhook(writer, alerts);
    put(writer, "  min_severity: %s", ng_severity_text(alerts->min_severity));
    put_place_of(writer, "alerts", "min_severity", NULL);
    if (alerts->repeat_s) {
        put(writer, "  repeat: %llds", (long long)alerts->repeat_s);
        put_place_of(writer, "alerts", "repeat", NULL);
    }
}

int ng_print_policy(FILE *out, const struct ng_policy *policy,
                    const struct ng_policy_trees *trees) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct writer writer = {.out = out, .arena = arena, .policy = policy, .trees = trees};

    if (!arena)
        return -ENOMEM;
    put(&writer, "version: 1\nmode: %s", policy->mode == NG_ENFORCE ? "enforce" : "monitor");
    put_place_of(&writer, "mode", NULL, NULL);
    put(&writer, "defaults: {severity: %s}", ng_severity_text(policy->default_severity));
    put_place_of(&writer, "defaults", "severity", NULL);
    put_zones(&writer);
    if (put_groups(&writer) < 0)
        return -ENOMEM;
    put_rules(&writer);
    put_segregations(&writer);
    put_usage(&writer);
    put_exceptions(&writer);
    put_alerts(&writer);
    return writer.failed ? -ENOMEM : 0;
}
