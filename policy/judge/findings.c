/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Catalog of findings; packaging/man/netguard.md explains each. */
#define ID_DENIED_CONTAINER "NG001"
#define ID_UNNAMED          "NG002"
#define ID_DENIED_HOST      "NG003"

static const char default_rule[] = "default";

/* The table that the guard owns: what it blocks stays a finding, in state blocked. */
static const char guard_table[] = "inet netguard";

/* -- which rule speaks --------------------------------------------------------------- */

static bool port_listed(const struct ng_port_match *match, uint8_t proto, uint16_t port) {
    return match->any ||
           ((match->proto == 0 || match->proto == proto) && port >= match->lo && port <= match->hi);
}

static bool pair_listed(const struct ng_port_match *match, const struct ng_exposure *exposure,
                        uint16_t container_port) {
    return (match->proto == 0 || match->proto == exposure->proto) &&
           exposure->host_port >= match->lo && exposure->host_port <= match->hi &&
           container_port == match->to;
}

/* A deny speaks if the host port or the container port is listed; an allow only if both
 * are, else `allow: [80]` would admit 80:6379. */
static const struct ng_port_match *ports_match(const struct ng_rule_policy *rule,
                                               const struct ng_exposure *exposure) {
    uint16_t inner = exposure->container_port ? exposure->container_port : exposure->host_port;
    const struct ng_port_match *host = NULL, *container = NULL;
    for (size_t i = 0; i < rule->n_ports; i++) {
        const struct ng_port_match *match = &rule->ports[i];
        if (match->pair) {
            if (pair_listed(match, exposure, inner))
                return match;
            continue;
        }
        if (!host && port_listed(match, exposure->proto, exposure->host_port))
            host = match;
        if (!container && port_listed(match, exposure->proto, inner))
            container = match;
    }
    if (rule->allow)
        return host && container ? host : NULL;
    return container ? container : host;
}

static bool zone_listed(const struct ng_rule_policy *rule, const char *zone) {
    for (size_t i = 0; i < rule->from.count; i++)
        if (strcmp(rule->from.items[i], zone) == 0)
            return true;
    return false;
}

/* Without `to` a rule is about containers; a deny is about the machine's own services as
 * well, but only ever to tell of them. */
static bool target_matches(const struct ng_rule_policy *rule, const struct ng_exposure *exposure) {
    if (rule->n_to == 0)
        return exposure->container || !rule->allow;
    return ng_selector_match(rule->to, rule->n_to, exposure->container, exposure->process);
}

static const struct ng_rule_policy *deciding_rule(const struct ng_policy *policy,
                                                  const struct ng_exposure *exposure,
                                                  const char *zone,
                                                  const struct ng_port_match **ret_port) {
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct ng_rule_policy *rule = &policy->rules[i];
        const struct ng_port_match *port = ports_match(rule, exposure);
        if (port && zone_listed(rule, zone) && target_matches(rule, exposure)) {
            *ret_port = port;
            return rule;
        }
    }
    return NULL;
}

/* -- what to say --------------------------------------------------------------------- */

/* One exposure against one rule, over all the zones and interfaces where it matters. */
struct offence {
    const struct ng_exposure *exposure;
    const struct ng_rule_policy *rule; /* NULL: the policy's default */
    const struct ng_port_match *port;
    const struct ng_reach **reaches;
    size_t n_reaches;
};

static const char *who(const struct ng_exposure *exposure) {
    if (exposure->container)
        return exposure->container->name;
    return exposure->process ? exposure->process : "this host";
}

static enum ng_reach_verdict worst_verdict(const struct offence *offence) {
    enum ng_reach_verdict worst = NG_BLOCKED;
    static const int badness[] = {
        [NG_BLOCKED] = 0, [NG_UNKNOWN] = 1, [NG_PARTLY] = 2, [NG_REACHABLE] = 3};
    for (size_t i = 0; i < offence->n_reaches; i++)
        if (badness[offence->reaches[i]->verdict] > badness[worst])
            worst = offence->reaches[i]->verdict;
    return worst;
}

static const char *from_where(struct ng_arena *arena, const struct offence *offence) {
    const char *text = "";
    for (size_t i = 0; text && i < offence->n_reaches; i++)
        text = ng_arena_printf(arena, "%s%s%s (%s)", text, i ? ", " : "", offence->reaches[i]->zone,
                               offence->reaches[i]->interface);
    return text;
}

static const char *firewall_clause(const struct ng_exposure *exposure) {
    if (exposure->ufw == NG_FIREWALL_BYPASSED)
        return "; ufw does not see this traffic";
    if (exposure->firewalld == NG_FIREWALL_BYPASSED)
        return "; firewalld lets it pass";
    return "";
}

static const char *message(struct ng_arena *arena, const struct offence *offence) {
    static const char *const how[] = {
        [NG_REACHABLE] = "is reachable from",
        [NG_PARTLY] = "is reachable by some sources from",
        [NG_UNKNOWN] = "may be reachable (it cannot be decided) from",
        [NG_BLOCKED] = "is blocked from",
    };
    const struct ng_exposure *exposure = offence->exposure;
    const char *from = from_where(arena, offence);
    const char *what;
    if (exposure->container && exposure->container_port != exposure->host_port)
        what = ng_arena_printf(arena, "port %u/%s, which leads to port %u of container %s,",
                               exposure->host_port, ng_proto_text(exposure->proto),
                               exposure->container_port, who(exposure));
    else
        what = ng_arena_printf(arena, "port %u/%s of %s%s", exposure->host_port,
                               ng_proto_text(exposure->proto),
                               exposure->container ? "container " : "", who(exposure));
    /* Why it matters: in the rule's own words, else by the group that lists the port. */
    const char *reason = offence->rule ? offence->rule->reason : NULL;
    const char *group = offence->port && !reason ? offence->port->group : NULL;
    if (!what || !from)
        return NULL;
    const char *link =
        ng_addr_is_loopback(exposure->host_addr) ? ", by neighbours on the link" : "";
    return ng_arena_printf(arena, "%s %s %s%s%s%s%s%s%s%s", what, how[worst_verdict(offence)], from,
                           link, firewall_clause(exposure), group ? "; it is one of " : "",
                           group ? group : "", !offence->rule ? "; no rule allows it" : "",
                           reason ? "; " : "", reason ? reason : "");
}

/* -- what to do ---------------------------------------------------------------------- */

static const char *port_flag(struct ng_arena *arena, const struct ng_exposure *exposure) {
    return ng_arena_printf(arena, "-p 127.0.0.1:%u:%u%s%s", exposure->host_port,
                           exposure->container_port, exposure->proto == NG_TCP ? "" : "/",
                           exposure->proto == NG_TCP ? "" : ng_proto_text(exposure->proto));
}

/* The guard is part of the language but not yet of this version: say both. */
static const char *guard_line(const struct judgement *judgement, const struct offence *offence,
                              enum ng_action action) {
    if (action == NG_BLOCK)
        return "the policy says block, but no guard is in force on this host (this version has "
               "none yet): the port stays open";
    const char *where = judgement->policy->built_in ? "a policy of your own"
                        : offence->rule             ? offence->rule->id
                                                    : "the policy's default";
    return ng_arena_printf(judgement->arena,
                           "or, once a guard is in force here (this version has none yet), let it "
                           "close the port: action: block in %s%s",
                           !judgement->policy->built_in && offence->rule ? "rule " : "", where);
}

/* Lines are what a fix consists of: a name that breaks one must not add its own. */
static const char *who_in_line(struct ng_arena *arena, const struct ng_exposure *exposure) {
    char *name = ng_arena_strdup(arena, who(exposure));
    for (char *c = name; c && (c = strchr(c, '\n'));)
        *c = '?';
    return name;
}

static const char *fix_published(struct ng_arena *arena, const struct offence *offence) {
    const struct ng_exposure *exposure = offence->exposure;
    const char *flag = port_flag(arena, exposure), *name = who_in_line(arena, exposure);
    if (!flag || !name)
        return NULL;
    if (ng_addr_is_loopback(exposure->host_addr))
        return ng_arena_printf(
            arena,
            "neighbours on the link get in by sending to 127.0.0.1 through this host, "
            "which engines before 28 do not stop: upgrade the engine\n"
            "or drop the -p and let the containers that need it share a network with %s",
            name);
    return ng_arena_printf(
        arena,
        "%s\n"
        "    %s\n"
        "or drop the -p: containers that share a network with %s reach it without",
        ng_addr_is_any(exposure->host_addr)
            ? "publish it on one address only, not on all of them:"
            : "publish it on an address that only those who need it reach:",
        flag, name);
}

static const char *fix_socket(struct ng_arena *arena, const struct offence *offence) {
    const struct ng_exposure *exposure = offence->exposure;
    const char *name = who_in_line(arena, exposure);
    if (!name)
        return NULL;
    const char *alternative =
        exposure->kind == NG_KIND_HOST_NETWORK
            ? "\nor give the container a network of its own in place of --net host"
            : "";
    const char *command = "";
    if (exposure->ufw != NG_FIREWALL_ABSENT) /* else it would change nothing */
        command = ng_arena_printf(arena, ": ufw deny %u/%s", exposure->host_port,
                                  ng_proto_text(exposure->proto));
    if (!command)
        return NULL;
    return ng_arena_printf(arena,
                           "let %s listen on 127.0.0.1 or a private address only\n"
                           "or close it in the host's firewall, which sees this traffic%s%s",
                           name, command, alternative);
}

static const char *fix(const struct judgement *judgement, const struct offence *offence,
                       enum ng_action action) {
    struct ng_arena *arena = judgement->arena;
    const struct ng_exposure *exposure = offence->exposure;
    const char *text = exposure->kind == NG_KIND_PUBLISHED ? fix_published(arena, offence)
                                                           : fix_socket(arena, offence);
    if (!exposure->container || !text)
        return text;
    const char *guard = guard_line(judgement, offence, action);
    return guard ? ng_arena_printf(arena, "%s\n%s", text, guard) : NULL;
}

/* -- findings ------------------------------------------------------------------------ */

/* Closed, and by the guard: then the finding stays, as blocked. */
static bool guard_blocks(const struct offence *offence) {
    for (size_t i = 0; i < offence->n_reaches; i++) {
        const struct ng_decider *by = offence->reaches[i]->decided_by;
        if (by && strcmp(by->table, guard_table) == 0)
            return true;
    }
    return false;
}

static bool excepted(const struct judgement *judgement, const struct offence *offence) {
    const struct ng_policy *policy = judgement->policy;
    const char *rule = offence->rule ? offence->rule->id : default_rule;
    for (size_t i = 0; i < policy->n_exceptions; i++) {
        const struct ng_exception *exception = &policy->exceptions[i];
        if (strcmp(exception->rule, rule) == 0 && judgement->world->time_s < exception->until_s &&
            ng_selector_match(exception->to, exception->n_to, offence->exposure->container,
                              offence->exposure->process))
            return true;
    }
    return false;
}

static int zones_of(struct ng_arena *arena, const struct offence *offence,
                    struct ng_strings *ret_zones) {
    const char **zones = ng_arena_alloc(arena, offence->n_reaches, sizeof(*zones));
    if (!zones)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < offence->n_reaches; i++) /* they stand in the order of the zones */
        if (n == 0 || strcmp(zones[n - 1], offence->reaches[i]->zone) != 0)
            zones[n++] = offence->reaches[i]->zone;
    *ret_zones = (struct ng_strings){zones, n};
    return 0;
}

static int add_finding(struct judgement *judgement, const struct offence *offence) {
    enum ng_finding_state state = NG_OPEN;
    if (worst_verdict(offence) == NG_BLOCKED) {
        if (!guard_blocks(offence))
            return 0;
        state = NG_STATE_BLOCKED;
    } else if (excepted(judgement, offence)) {
        state = NG_EXCEPTED;
    }

    const struct ng_exposure *exposure = offence->exposure;
    const struct ng_rule_policy *rule = offence->rule;
    enum ng_action action = rule ? rule->action : judgement->policy->default_action;
    bool named_host = rule && rule->n_to;
    if (!exposure->container && !named_host)
        action = NG_ALERT;
    struct ng_finding finding = {
        .id = !rule                 ? ID_UNNAMED
              : exposure->container ? ID_DENIED_CONTAINER
                                    : ID_DENIED_HOST,
        .rule = rule ? rule->id : default_rule,
        .severity = rule ? rule->severity : judgement->policy->default_severity,
        .action = action,
        .state = state,
        .exposure = exposure,
        .subject = who(exposure),
        .message = message(judgement->arena, offence),
        .fix = fix(judgement, offence, action),
    };
    const char *key[] = {finding.id, finding.rule, exposure->id};
    ng_hash_text(finding.key, key, ARRAY_SIZE(key));
    int r = zones_of(judgement->arena, offence, &finding.zones);
    if (r < 0 || !finding.message || !finding.fix)
        return -ENOMEM;
    struct ng_finding *own = NG_ARENA_APPEND(judgement->arena, judgement->findings,
                                             judgement->n_findings, judgement->findings_capacity);
    if (!own)
        return -ENOMEM;
    *own = finding;
    return 0;
}

/* Does a rule, or the default, object to this zone's reach? */
static bool objects(const struct judgement *judgement, const struct ng_exposure *exposure,
                    const char *zone, struct offence *ret_offence) {
    const struct ng_port_match *port = NULL;
    const struct ng_rule_policy *rule = deciding_rule(judgement->policy, exposure, zone, &port);
    bool by_default = !rule && exposure->container && strcmp(zone, NG_ZONE_PUBLIC) == 0 &&
                      judgement->policy->default_action != NG_ALLOW;
    if ((!rule && !by_default) || (rule && rule->allow))
        return false;
    ret_offence->rule = rule;
    ret_offence->port = port;
    return true;
}

static int judge_exposure(struct judgement *judgement, const struct ng_exposure *exposure) {
    struct offence *offences =
        ng_arena_alloc(judgement->arena, exposure->n_reach, sizeof(*offences));
    if (!offences)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < exposure->n_reach; i++) {
        struct offence found = {.exposure = exposure};
        if (!objects(judgement, exposure, exposure->reach[i].zone, &found))
            continue;
        struct offence *own = NULL;
        for (size_t k = 0; k < n && !own; k++)
            if (offences[k].rule == found.rule)
                own = &offences[k];
        if (!own) {
            found.reaches =
                ng_arena_alloc(judgement->arena, exposure->n_reach, sizeof(*found.reaches));
            if (!found.reaches)
                return -ENOMEM;
            own = &offences[n++];
            *own = found;
        }
        /* Where it is closed there is nothing to tell, unless it is closed everywhere. */
        own->reaches[own->n_reaches++] = &exposure->reach[i];
    }
    for (size_t i = 0; i < n; i++) {
        struct offence *offence = &offences[i];
        if (worst_verdict(offence) != NG_BLOCKED) {
            size_t open = 0;
            for (size_t k = 0; k < offence->n_reaches; k++)
                if (offence->reaches[k]->verdict != NG_BLOCKED)
                    offence->reaches[open++] = offence->reaches[k];
            offence->n_reaches = open;
        }
        int r = add_finding(judgement, offence);
        if (r < 0)
            return r;
    }
    return 0;
}

static int compare_findings(const void *left, const void *right) {
    const struct ng_finding *a = left, *b = right;
    if (a->severity != b->severity)
        return a->severity > b->severity ? -1 : 1;
    int order = strcmp(a->subject, b->subject);
    if (order)
        return order;
    /* Exposures are sorted: their place in memory is their place in the order. */
    if (a->exposure != b->exposure)
        return a->exposure < b->exposure ? -1 : 1;
    return strcmp(a->rule, b->rule);
}

int ng_find_findings(struct judgement *judgement) {
    for (size_t i = 0; i < judgement->n_exposures; i++) {
        int r = judge_exposure(judgement, &judgement->exposures[i]);
        if (r < 0)
            return r;
    }
    if (judgement->n_findings)
        qsort(judgement->findings, judgement->n_findings, sizeof(*judgement->findings),
              compare_findings);
    return 0;
}
