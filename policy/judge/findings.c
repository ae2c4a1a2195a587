/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netguard/catalog.h"

static const char default_rule[] = "default";

/* -- which rule speaks --------------------------------------------------------------- */

/* `port` 0: it has none, and no range tells of it. */
static bool port_listed(const struct ng_port_match *match, uint8_t proto, uint16_t port) {
    return match->any || (port && (match->proto == 0 || match->proto == proto) &&
                          port >= match->lo && port <= match->hi);
}

static bool pair_listed(const struct ng_port_match *match, const struct ng_exposure *exposure,
                        uint16_t container_port) {
    return (match->proto == 0 || match->proto == exposure->proto) && exposure->host_port &&
           exposure->host_port >= match->lo && exposure->host_port <= match->hi &&
           container_port == match->to;
}

/* A deny speaks if the host port or the container port is listed; an allow only if both
 * are, else `allow: [80]` would admit 80:6379. */
static const struct ng_port_match *ports_match(const struct ng_rule_policy *rule,
                                               const struct ng_exposure *exposure) {
    uint16_t inner = exposure->container_port ? exposure->container_port : exposure->host_port;
    uint16_t outer = exposure->host_port ? exposure->host_port : inner;
    const struct ng_port_match *host = NULL, *container = NULL;
    for (size_t i = 0; i < rule->n_ports; i++) {
        const struct ng_port_match *match = &rule->ports[i];
        if (match->pair) {
            if (pair_listed(match, exposure, inner))
                return match;
            continue;
        }
        if (!host && port_listed(match, exposure->proto, outer))
            host = match;
        if (!container && port_listed(match, exposure->proto, inner))
            container = match;
    }
    if (rule->allow)
        return host && container ? host : NULL;
    return container ? container : host;
}

bool ng_rule_is_from(const struct ng_rule_policy *rule, const char *zone) {
    return ng_strings_contain(rule->from, zone);
}

/* Without `to` a rule is about containers; a deny is about the machine's own services as
 * well, but only ever to tell of them. */
static bool target_matches(const struct ng_rule_policy *rule, const struct ng_exposure *exposure) {
    if (rule->n_to == 0)
        return exposure->container || !rule->allow;
    return ng_selector_match(rule->to, rule->n_to, exposure->container, exposure->process);
}

/* Whatever the port's number: an API may listen anywhere, ESP has none, and at a container's own
 * address any will do. */
static bool is_for(const struct ng_rule_policy *rule, const struct ng_exposure *exposure) {
    if (rule->usage == NG_USAGE_DIRECT)
        return exposure->kind == NG_KIND_DIRECT && target_matches(rule, exposure);
    return ng_role_usage(exposure->role) == rule->usage;
}

/* Which rules name any port of a range, as bits: a thousand rules are not all asked about each of
 * ten thousand ports. Those it tells of may still be about others of these ports. */
enum { PORTS_TOGETHER = 64, RANGES = (UINT16_MAX + 1) / PORTS_TOGETHER, WORD_BITS = 64 };

static size_t words_of(const struct ng_policy *policy) {
    return (policy->n_rules + WORD_BITS - 1) / WORD_BITS;
}

static void note_naming(uint64_t *naming, const struct ng_policy *policy, size_t rule, size_t lo,
                        size_t hi) {
    for (size_t range = lo / PORTS_TOGETHER; range <= hi / PORTS_TOGETHER; range++)
        naming[range * words_of(policy) + rule / WORD_BITS] |= UINT64_C(1) << rule % WORD_BITS;
}

static int find_naming(struct judgement *judgement) {
    const struct ng_policy *policy = judgement->policy;
    uint64_t *naming = ng_arena_alloc(judgement->arena, RANGES * words_of(policy), sizeof(*naming));
    if (!naming)
        return -ENOMEM;
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct ng_rule_policy *rule = &policy->rules[i];
        if (rule->usage) /* whatever the port */
            note_naming(naming, policy, i, 0, UINT16_MAX);
        for (size_t k = 0; k < rule->n_ports; k++) {
            const struct ng_port_match *match = &rule->ports[k];
            note_naming(naming, policy, i, match->any ? 0 : match->lo,
                        match->any ? UINT16_MAX : match->hi);
        }
    }
    judgement->naming = naming;
    return 0;
}

/* Of the rules in that word of the bits those that may name a port of the exposure. */
static uint64_t candidates(const struct ng_policy *policy, const uint64_t *naming,
                           const struct ng_exposure *exposure, size_t word) {
    size_t words = words_of(policy), rest = policy->n_rules - word * WORD_BITS;
    if (!naming)
        return rest < WORD_BITS ? (UINT64_C(1) << rest) - 1 : UINT64_MAX;
    return naming[exposure->host_port / PORTS_TOGETHER * words + word] |
           naming[exposure->container_port / PORTS_TOGETHER * words + word];
}

/* `naming` NULL: every rule is asked. */
static const struct ng_rule_policy *deciding_rule(const struct ng_policy *policy,
                                                  const uint64_t *naming,
                                                  const struct ng_exposure *exposure,
                                                  const char *zone,
                                                  const struct ng_port_match **ret_port) {
    for (size_t word = 0; word < words_of(policy); word++)
        for (uint64_t left = candidates(policy, naming, exposure, word); left; left &= left - 1) {
            const struct ng_rule_policy *rule =
                &policy->rules[word * WORD_BITS + (size_t)__builtin_ctzll(left)];
            const struct ng_port_match *port = rule->usage ? NULL : ports_match(rule, exposure);
            bool matches =
                rule->usage ? is_for(rule, exposure) : port && target_matches(rule, exposure);
            if (matches && ng_rule_is_from(rule, zone)) {
                *ret_port = port;
                return rule;
            }
        }
    return NULL;
}

/* -- one port, two ways --------------------------------------------------------------- */

static bool is_part(struct ng_strings zones, struct ng_strings of) {
    for (size_t i = 0; i < zones.count; i++)
        if (!ng_strings_contain(of, zones.items[i]))
            return false;
    return true;
}

/* What is said of a published port and again of the container's own address is said once, if no
 * zone gets to the address that does not get to the port: both are among the exposures, and the
 * message about the first tells of the second. Exposures without a host port come last of their
 * container's, so the first has been said by now. */
static bool is_told(const struct judgement *judgement, const struct ng_finding *own) {
    for (size_t i = judgement->n_findings; i-- > 0;) {
        const struct ng_finding *finding = &judgement->findings[i];
        if (!finding->container || strcmp(finding->container->name, own->container->name) != 0)
            return false;
        if (finding->exposure && finding->exposure->kind == NG_KIND_PUBLISHED &&
            finding->state == own->state && strcmp(finding->rule, own->rule) == 0 &&
            ng_is_same_port(finding->exposure, own->exposure) &&
            is_part(own->zones, finding->zones))
            return true;
    }
    return false;
}

/* -- findings ------------------------------------------------------------------------ */

/* Closed, and by the guard: then the finding stays, in state blocked. */
static bool guard_blocks(const struct offence *offence) {
    for (size_t i = 0; i < offence->n_reaches; i++) {
        const struct ng_decider *by = offence->reaches[i]->decided_by;
        if (by && strcmp(by->table, NG_GUARD_TABLE) == 0)
            return true;
    }
    return false;
}

static bool is_excepted(const struct ng_policy *policy, int64_t time_s, const char *rule,
                        const struct ng_container *container, const char *process) {
    for (size_t i = 0; i < policy->n_exceptions; i++) {
        const struct ng_exception *exception = &policy->exceptions[i];
        if (strcmp(exception->rule, rule) == 0 && time_s < exception->until_s &&
            ng_selector_match(exception->to, exception->n_to, container, process))
            return true;
    }
    return false;
}

bool ng_is_excepted(const struct ng_policy *policy, int64_t time_s, const struct offence *offence) {
    return is_excepted(policy, time_s, offence->rule ? offence->rule->id : default_rule,
                       offence->exposure->container, offence->exposure->process);
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

enum ng_action ng_offence_action(const struct ng_policy *policy, const struct offence *offence) {
    const struct ng_rule_policy *rule = offence->rule;
    bool named_host = rule && (rule->n_to || rule->usage);
    if (!offence->exposure->container && !named_host)
        return NG_ALERT;
    return rule ? rule->action : policy->default_action;
}

static const char *finding_id(const struct ng_exposure *exposure,
                              const struct ng_rule_policy *rule) {
    if (!rule)
        return NG_ID_UNNAMED;
    switch (rule->usage) {
    case NG_USAGE_DOCKER_API:
        return NG_ID_DOCKER_API;
    case NG_USAGE_CLUSTER:
        return NG_ID_CLUSTER;
    case NG_USAGE_DIRECT:
        return NG_ID_DIRECT;
    case NG_USAGE_NONE:
        break;
    }
    return exposure->container ? NG_ID_DENIED_CONTAINER : NG_ID_DENIED_HOST;
}

static int append(struct judgement *judgement, const struct ng_finding *finding) {
    struct ng_finding *own = NG_ARENA_APPEND(judgement->arena, judgement->findings,
                                             judgement->n_findings, judgement->findings_capacity);
    if (!own)
        return -ENOMEM;
    *own = *finding;
    return 0;
}

int ng_add_finding(struct judgement *judgement, struct ng_finding finding) {
    const char *key[] = {finding.id, finding.rule, finding.about};
    ng_hash_text(finding.key, key, ARRAY_SIZE(key));
    if (is_excepted(judgement->policy, judgement->world->time_s, finding.rule, finding.container,
                    NULL))
        finding.state = NG_EXCEPTED;
    return append(judgement, &finding);
}

/* Where it is closed there is nothing to tell, unless it is closed everywhere. */
static void leave_out_closed(struct offence *offence) {
    size_t open = 0;
    if (ng_offence_verdict(offence) == NG_BLOCKED)
        return;
    for (size_t i = 0; i < offence->n_reaches; i++)
        if (offence->reaches[i]->verdict != NG_BLOCKED)
            offence->reaches[open++] = offence->reaches[i];
    offence->n_reaches = open;
}

int ng_add_offence(struct judgement *judgement, struct offence *offence) {
    enum ng_finding_state state = NG_OPEN;
    leave_out_closed(offence);
    if (ng_offence_verdict(offence) == NG_BLOCKED) {
        if (!guard_blocks(offence))
            return 0;
        state = NG_STATE_BLOCKED;
    } else if (ng_is_excepted(judgement->policy, judgement->world->time_s, offence)) {
        state = NG_EXCEPTED;
    }

    const struct ng_exposure *exposure = offence->exposure;
    const struct ng_rule_policy *rule = offence->rule;
    enum ng_action action = ng_offence_action(judgement->policy, offence);
    struct ng_finding finding = {
        .id = offence->id ? offence->id : finding_id(exposure, rule),
        .rule = rule ? rule->id : default_rule,
        .severity = rule ? rule->severity : judgement->policy->default_severity,
        .action = action,
        .state = state,
        .exposure = exposure,
        .container = exposure->container,
        .verdict = ng_offence_verdict(offence),
        .subject = ng_exposure_who(exposure),
        .message = ng_finding_message(judgement, offence),
        .fix = offence->fix ? offence->fix : ng_finding_fix(judgement, offence, action),
    };
    const char *key[] = {finding.id, finding.rule, exposure->id};
    ng_hash_text(finding.key, key, ARRAY_SIZE(key));
    int r = zones_of(judgement->arena, offence, &finding.zones);
    if (r < 0 || !finding.message || !finding.fix)
        return -ENOMEM;
    if (exposure->kind == NG_KIND_DIRECT && is_told(judgement, &finding))
        return 0;
    return append(judgement, &finding);
}

static bool objects(const struct ng_policy *policy, const uint64_t *naming,
                    const struct ng_exposure *exposure, const char *zone,
                    struct offence *ret_offence) {
    const struct ng_port_match *port = NULL;
    const struct ng_rule_policy *rule = deciding_rule(policy, naming, exposure, zone, &port);
    bool by_default = !rule && exposure->container && strcmp(zone, NG_ZONE_PUBLIC) == 0 &&
                      policy->default_action != NG_ALLOW;
    ret_offence->rule = rule;
    ret_offence->port = port;
    return rule ? !rule->allow : by_default;
}

bool ng_policy_objects(const struct ng_policy *policy, const struct ng_exposure *exposure,
                       const char *zone, struct offence *ret_offence) {
    return objects(policy, NULL, exposure, zone, ret_offence);
}

int ng_judge_exposure(struct judgement *judgement, const struct ng_exposure *exposure) {
    struct offence *offences =
        ng_arena_alloc(judgement->arena, exposure->n_reach, sizeof(*offences));
    if (!offences)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < exposure->n_reach; i++) {
        struct offence found = {.exposure = exposure};
        if (!objects(judgement->policy, judgement->naming, exposure, exposure->reach[i].zone,
                     &found))
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
        own->reaches[own->n_reaches++] = &exposure->reach[i];
    }
    for (size_t i = 0; i < n; i++) {
        int r = ng_add_offence(judgement, &offences[i]);
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
    order = strcmp(a->rule, b->rule);
    if (order == 0)
        order = strcmp(a->id, b->id);
    return order || a->exposure ? order : strcmp(a->about, b->about);
}

void ng_sort_findings(struct judgement *judgement) {
    if (judgement->n_findings)
        qsort(judgement->findings, judgement->n_findings, sizeof(*judgement->findings),
              compare_findings);
}

int ng_find_others(struct judgement *judgement) {
    int r = ng_find_habits(judgement);
    if (r == 0)
        r = ng_find_segregation(judgement);
    return r < 0 || !judgement->policy->cis ? r : ng_find_cis(judgement);
}

int ng_find_findings(struct judgement *judgement) {
    int r = find_naming(judgement);
    for (size_t i = 0; r == 0 && i < judgement->n_exposures; i++)
        if (!judgement->policy->cis || ng_cis_asks(&judgement->exposures[i]))
            r = ng_judge_exposure(judgement, &judgement->exposures[i]);
    if (r == 0)
        r = ng_find_others(judgement);
    ng_sort_findings(judgement);
    return r;
}
