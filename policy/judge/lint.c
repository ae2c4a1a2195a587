/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a policy says and hardly means. Nothing is said that is not certain: where it cannot be
 * seen that a rule never decides, it is taken to decide. */
#include "netguard/policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/judge/lint.h"

/* Protocols that ports are told apart by; the last stands for those without ports, as ESP. */
static const uint8_t protos[] = {NG_TCP, NG_UDP, NG_SCTP, 0};

/* -- what covers what ------------------------------------------------------------------ */

/* Does every text that matches `inner` match `outer`? A star of `inner` stands for any text, which
 * only a star takes; so `outer` may hold no `?` that could take the star itself. */
static bool glob_covers(const char *outer, const char *inner) {
    return strcmp(outer, inner) == 0 ||
           ((!strchr(outer, '?') || !strchr(inner, '*')) && ng_glob_match(outer, inner));
}

static bool any_covers(struct ng_linter *linter, struct ng_strings outer, const char *inner) {
    for (size_t i = 0; i < outer.count && !ng_lint_is_tired(linter); i++)
        if (glob_covers(outer.items[i], inner))
            return true;
    return false;
}

/* Patterns under one key: none asks for nothing. */
static bool key_covers(struct ng_linter *linter, struct ng_strings outer, struct ng_strings inner) {
    if (outer.count == 0)
        return true;
    for (size_t i = 0; i < inner.count; i++)
        if (!any_covers(linter, outer, inner.items[i]))
            return false;
    return inner.count > 0;
}

/* Entries of one key stand together, and are alternatives. */
static bool label_allows(struct ng_linter *linter, const struct ng_selector *outer, size_t first,
                         const struct ng_label *inner) {
    const char *key = outer->labels[first].key;
    for (size_t i = first; i < outer->n_labels && strcmp(outer->labels[i].key, key) == 0; i++)
        if (!ng_lint_is_tired(linter) && glob_covers(outer->labels[i].value, inner->value))
            return true;
    return false;
}

/* What the label under the key of the first entry may be in `inner` is allowed in `outer`, too. */
static bool label_covers(struct ng_linter *linter, const struct ng_selector *outer, size_t first,
                         const struct ng_selector *inner) {
    bool asked = false;
    for (size_t i = 0; i < inner->n_labels && !ng_lint_is_tired(linter); i++) {
        if (strcmp(inner->labels[i].key, outer->labels[first].key) != 0)
            continue;
        asked = true;
        if (!label_allows(linter, outer, first, &inner->labels[i]))
            return false;
    }
    return asked && !ng_lint_is_tired(linter);
}

static bool labels_cover(struct ng_linter *linter, const struct ng_selector *outer,
                         const struct ng_selector *inner) {
    for (size_t i = 0; i < outer->n_labels; i++)
        if ((i == 0 || strcmp(outer->labels[i].key, outer->labels[i - 1].key) != 0) &&
            !label_covers(linter, outer, i, inner))
            return false;
    return true;
}

/* Every container has a name. */
static bool names_cover(struct ng_linter *linter, struct ng_strings outer,
                        struct ng_strings inner) {
    for (size_t i = 0; i < outer.count && !ng_lint_is_tired(linter); i++)
        if (strcmp(outer.items[i], "*") == 0)
            return true;
    return key_covers(linter, outer, inner);
}

static bool selector_covers(struct ng_linter *linter, const struct ng_selector *outer,
                            const struct ng_selector *inner) {
    if (outer->host != inner->host)
        return false;
    if (outer->host)
        return key_covers(linter, outer->process, inner->process);
    return names_cover(linter, outer->name, inner->name) &&
           key_covers(linter, outer->image, inner->image) &&
           key_covers(linter, outer->service, inner->service) &&
           key_covers(linter, outer->stack, inner->stack) &&
           key_covers(linter, outer->network, inner->network) && labels_cover(linter, outer, inner);
}

/* -- zones ----------------------------------------------------------------------------- */

static bool interfaces_cover(struct ng_linter *linter, struct ng_strings outer,
                             struct ng_strings inner) {
    for (size_t i = 0; i < outer.count && !ng_lint_is_tired(linter); i++)
        if (strcmp(outer.items[i], "*") == 0)
            return true;
    return key_covers(linter, outer, inner);
}

static const struct ng_interval all4 = {0, UINT32_MAX}, all6 = {0, ~(ng_u128)0};

/* Of the addresses, those that no alternative of the zones before `before` takes on these
 * interfaces. */
static int subtract_zones(struct ng_linter *linter, size_t before, struct ng_strings interfaces,
                          struct ng_addrset left[static 2]) {
    for (size_t i = 0; i < before; i++)
        for (size_t k = 0; k < linter->policy->zones[i].n_matches; k++) {
            const struct ng_zone_match *match = &linter->policy->zones[i].matches[k];
            if (!interfaces_cover(linter, match->interfaces, interfaces))
                continue;
            struct ng_addrset taken[2] = {{&all4, 1}, {&all6, 1}};
            if (match->has_sources)
                taken[0] = match->sources4, taken[1] = match->sources6;
            for (size_t f = 0; f < 2; f++) {
                int r = ng_addrset_subtract(linter->arena, left[f], taken[f], &left[f]);
                if (r < 0)
                    return r;
            }
        }
    return 0;
}

/* Do the zones before it leave nothing of this alternative? */
static int match_is_taken(struct ng_linter *linter, size_t before,
                          const struct ng_zone_match *match, bool *ret_taken) {
    struct ng_addrset left[2] = {{&all4, 1}, {&all6, 1}};
    if (match->has_sources)
        left[0] = match->sources4, left[1] = match->sources6;
    int r = subtract_zones(linter, before, match->interfaces, left);
    if (r == 0)
        *ret_taken = ng_addrset_empty(left[0]) && ng_addrset_empty(left[1]);
    return r;
}

/* [n_zones] stands for `public`. */
static int find_empty_zones(struct ng_linter *linter) {
    const struct ng_policy *policy = linter->policy;
    static const struct ng_zone_match everything = {0};

    linter->empty = ng_arena_alloc(linter->arena, policy->n_zones + 1, sizeof(*linter->empty));
    if (!linter->empty)
        return -ENOMEM;
    for (size_t i = 0; i <= policy->n_zones; i++) {
        bool taken = true;
        size_t count = i < policy->n_zones ? policy->zones[i].n_matches : 1;
        for (size_t k = 0; k < count && taken; k++) {
            int r = match_is_taken(linter, i,
                                   i < policy->n_zones ? &policy->zones[i].matches[k] : &everything,
                                   &taken);
            if (r < 0)
                return r;
        }
        linter->empty[i] = taken;
        if (taken && i < policy->n_zones) {
            int r = ng_lint(linter, policy->zones[i].place,
                            "the zone '%s' is always empty: the zones before it take every packet "
                            "that it matches",
                            policy->zones[i].id);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static bool zone_is_empty(const struct ng_linter *linter, const char *id) {
    const struct ng_policy *policy = linter->policy;
    if (strcmp(id, NG_ZONE_PUBLIC) == 0)
        return linter->empty[policy->n_zones];
    for (size_t i = 0; i < policy->n_zones; i++)
        if (strcmp(policy->zones[i].id, id) == 0)
            return linter->empty[i];
    return false;
}

/* -- rules that an earlier one leaves nothing ------------------------------------------- */

/* Whom a rule speaks of, one after the other. */
struct subject {
    enum { CONTAINERS, HOST, SELECTED } kind; /* every container, every service of the machine */
    const struct ng_selector *selector;
};

/* The earlier rules that speak of the same subject and zone. */
struct earlier {
    const struct ng_rule_policy **rules;
    size_t count;
};

static bool rule_covers(struct ng_linter *linter, const struct ng_rule_policy *rule,
                        const struct subject *subject) {
    static const struct ng_selector containers = {0}, host = {.host = true};
    const struct ng_selector *inner = subject->kind == CONTAINERS ? &containers
                                      : subject->kind == HOST     ? &host
                                                                  : subject->selector;
    /* Without `to` an allow is about containers alone. */
    if (rule->n_to == 0)
        return !inner->host || !rule->allow;
    for (size_t i = 0; i < rule->n_to; i++)
        if (!ng_lint_is_tired(linter) && selector_covers(linter, &rule->to[i], inner))
            return true;
    return false;
}

static bool speaks_of(const struct ng_port_match *match, uint8_t proto) {
    return proto == 0 ? match->any : match->proto == 0 || match->proto == proto;
}

/* The first port from `from` on, up to `hi`, that the rule does not list; hi + 1: it lists them
 * all. */
static uint32_t skip_listed(struct ng_linter *linter, const struct ng_rule_policy *rule,
                            uint8_t proto, uint32_t from, uint32_t hi) {
    for (bool found = true; found && from <= hi;) {
        found = false;
        for (size_t i = 0; i < rule->n_ports && !ng_lint_is_tired(linter); i++) {
            const struct ng_port_match *match = &rule->ports[i];
            if (match->pair || !speaks_of(match, proto) || match->lo > from || match->hi < from)
                continue;
            from = (uint32_t)match->hi + 1;
            found = true;
        }
    }
    return from > hi ? hi + 1 : from;
}

/* The same of several rules: those that deny, and (unless NULL) this one. A deny speaks if it lists
 * one of the two ports, so that together they close what each of them does. */
static uint32_t skip_denied(struct ng_linter *linter, const struct earlier *earlier,
                            const struct ng_rule_policy *and_this, uint8_t proto, uint32_t from,
                            uint32_t hi) {
    for (uint32_t before = UINT32_MAX; before != from && from <= hi && !ng_lint_is_tired(linter);) {
        before = from;
        for (size_t i = 0; i < earlier->count; i++)
            if (!earlier->rules[i]->allow || earlier->rules[i] == and_this)
                from = skip_listed(linter, earlier->rules[i], proto, from, hi);
    }
    return from;
}

static bool is_listed(struct ng_linter *linter, const struct ng_rule_policy *rule, uint8_t proto,
                      uint16_t port) {
    return skip_listed(linter, rule, proto, port, port) > port;
}

/* All ports of the rule, but its pairs, of one protocol: a deny speaks of them whatever the other
 * port is, an allow where both are among them. */
static bool ports_covered(struct ng_linter *linter, const struct ng_rule_policy *rule,
                          const struct earlier *earlier, const struct ng_rule_policy *and_this,
                          uint8_t proto, uint16_t *ret_open) {
    for (size_t i = 0; i < rule->n_ports; i++) {
        const struct ng_port_match *match = &rule->ports[i];
        if (match->pair || !speaks_of(match, proto))
            continue;
        uint32_t open = skip_denied(linter, earlier, and_this, proto, match->lo, match->hi);
        if (open <= match->hi) {
            *ret_open = (uint16_t)open;
            return false;
        }
    }
    return true;
}

/* A rule that lists every port speaks of all there is, whatever it does. */
static bool is_total(struct ng_linter *linter, const struct ng_rule_policy *rule, uint8_t proto) {
    return skip_listed(linter, rule, proto, 0, UINT16_MAX) > UINT16_MAX;
}

static bool lists_covered(struct ng_linter *linter, const struct ng_rule_policy *rule,
                          const struct earlier *earlier, uint8_t proto) {
    uint16_t open = 0;
    if (ports_covered(linter, rule, earlier, NULL, proto, &open))
        return true;
    for (size_t i = 0; i < earlier->count && !ng_lint_is_tired(linter); i++) {
        const struct ng_rule_policy *allow = earlier->rules[i];
        uint16_t other;
        if (!allow->allow || !is_listed(linter, allow, proto, open))
            continue;
        /* Of two allows neither speaks of a port of the one that leads to a port of the other. */
        if (rule->allow ? ports_covered(linter, rule, earlier, allow, proto, &other)
                        : is_total(linter, allow, proto))
            return true;
    }
    return false;
}

/* What of the pair's host ports from `from` on this one rule speaks of. */
static uint32_t skip_pairs(struct ng_linter *linter, const struct ng_rule_policy *rule,
                           uint8_t proto, uint16_t to, uint32_t from, uint32_t hi) {
    for (size_t i = 0; i < rule->n_ports && !ng_lint_is_tired(linter); i++) {
        const struct ng_port_match *match = &rule->ports[i];
        if (match->pair && match->to == to && speaks_of(match, proto) && match->lo <= from &&
            match->hi >= from)
            from = (uint32_t)match->hi + 1;
    }
    bool inner = is_listed(linter, rule, proto, to);
    if (!rule->allow && inner)
        return hi + 1;
    return !rule->allow || inner ? skip_listed(linter, rule, proto, from, hi) : from;
}

static bool pair_covered(struct ng_linter *linter, const struct ng_port_match *pair,
                         const struct earlier *earlier, uint8_t proto) {
    uint32_t from = pair->lo;
    for (uint32_t before = UINT32_MAX;
         before != from && from <= pair->hi && !ng_lint_is_tired(linter);) {
        before = from;
        for (size_t i = 0; i < earlier->count && from <= pair->hi; i++)
            from = skip_pairs(linter, earlier->rules[i], proto, pair->to, from, pair->hi);
    }
    return from > pair->hi;
}

static bool all_ports_covered(struct ng_linter *linter, const struct ng_rule_policy *rule,
                              const struct earlier *earlier) {
    for (size_t p = 0; p < ARRAY_SIZE(protos); p++) {
        if (!lists_covered(linter, rule, earlier, protos[p]))
            return false;
        for (size_t i = 0; i < rule->n_ports; i++)
            if (rule->ports[i].pair && speaks_of(&rule->ports[i], protos[p]) &&
                !pair_covered(linter, &rule->ports[i], earlier, protos[p]))
                return false;
    }
    return true;
}

/* Do earlier rules decide whatever this one matches of the subject, from the zone? */
static bool subject_covered(struct ng_linter *linter, size_t at, const struct subject *subject,
                            const char *zone, struct earlier *earlier) {
    earlier->count = 0;
    for (size_t i = 0; i < at; i++) {
        const struct ng_rule_policy *rule = &linter->policy->rules[i];
        if (!ng_lint_is_tired(linter) && rule->usage == NG_USAGE_NONE &&
            ng_strings_contain(rule->from, zone) && rule_covers(linter, rule, subject))
            earlier->rules[earlier->count++] = rule;
    }
    return earlier->count > 0 && all_ports_covered(linter, &linter->policy->rules[at], earlier);
}

static bool zone_covered(struct ng_linter *linter, size_t at, const char *zone,
                         struct earlier *earlier) {
    static const struct subject containers = {.kind = CONTAINERS}, host = {.kind = HOST};
    const struct ng_rule_policy *rule = &linter->policy->rules[at];

    if (rule->n_to == 0)
        return subject_covered(linter, at, &containers, zone, earlier) &&
               (rule->allow || subject_covered(linter, at, &host, zone, earlier));
    for (size_t i = 0; i < rule->n_to; i++) {
        struct subject subject = {.kind = SELECTED, .selector = &rule->to[i]};
        if (!subject_covered(linter, at, &subject, zone, earlier))
            return false;
    }
    return true;
}

/* The one rule that does it alone, for the message; NULL: several do. */
static const struct ng_rule_policy *find_culprit(struct ng_linter *linter, size_t at,
                                                 struct earlier *earlier) {
    const struct ng_policy *policy = linter->policy;
    for (size_t i = 0; i < at && !ng_lint_is_tired(linter); i++) {
        struct ng_policy two = *policy;
        const struct ng_rule_policy pair[] = {policy->rules[i], policy->rules[at]};
        bool covered = policy->rules[i].usage == NG_USAGE_NONE;
        two.rules = pair;
        two.n_rules = ARRAY_SIZE(pair);
        linter->policy = &two;
        for (size_t k = 0; covered && k < policy->rules[at].from.count; k++)
            covered = zone_is_empty(linter, policy->rules[at].from.items[k]) ||
                      zone_covered(linter, 1, policy->rules[at].from.items[k], earlier);
        linter->policy = policy;
        if (covered)
            return &policy->rules[i];
    }
    return NULL;
}

static int lint_rule(struct ng_linter *linter, size_t at, struct earlier *earlier) {
    const struct ng_rule_policy *rule = &linter->policy->rules[at];
    bool empty = true;

    for (size_t i = 0; i < rule->from.count; i++) {
        bool is_empty = zone_is_empty(linter, rule->from.items[i]);
        empty = empty && is_empty;
        if (!is_empty && !zone_covered(linter, at, rule->from.items[i], earlier))
            return 0;
    }
    if (empty)
        return ng_lint(linter, rule->place,
                       "the rule '%s' never matches: no packet comes from the zones in its 'from'",
                       rule->id);
    const struct ng_rule_policy *culprit = find_culprit(linter, at, earlier);
    if (ng_lint_is_tired(linter))
        return 0;
    return culprit ? ng_lint(linter, rule->place,
                             "the rule '%s' never decides: '%s' at %s:%u comes first and matches "
                             "all that it does",
                             rule->id, culprit->id, culprit->place.source, culprit->place.line)
                   : ng_lint(linter, rule->place,
                             "the rule '%s' never decides: earlier rules together match all that "
                             "it does",
                             rule->id);
}

static int lint_rules(struct ng_linter *linter) {
    const struct ng_policy *policy = linter->policy;
    struct earlier earlier = {
        .rules = ng_arena_alloc(linter->arena, policy->n_rules, sizeof(*earlier.rules))};
    int r = earlier.rules ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < policy->n_rules; i++)
        if (policy->rules[i].usage == NG_USAGE_NONE)
            r = lint_rule(linter, i, &earlier);
    return r;
}

/* -- the rest -------------------------------------------------------------------------- */

static int lint_mode(struct ng_linter *linter) {
    const struct ng_policy *policy = linter->policy;
    if (policy->mode != NG_ENFORCE || policy->default_action == NG_BLOCK)
        return 0;
    for (size_t i = 0; i < policy->n_rules; i++)
        if (!policy->rules[i].allow && policy->rules[i].action == NG_BLOCK)
            return 0;
    return ng_lint(linter, (struct ng_place){0},
                   "the mode is 'enforce', but nothing says 'action: block': nothing is blocked");
}

static bool may_have_swarm(const struct ng_world *world) {
    for (size_t i = 0; world && i < world->n_engines; i++)
        if (world->engines[i].swarm)
            return true;
    return !world;
}

/* Nodes of a swarm that may not talk to one another are none. */
static int lint_usage(struct ng_linter *linter, const struct ng_world *world) {
    const struct ng_policy *policy = linter->policy;
    for (size_t i = 0; may_have_swarm(world) && i < policy->n_rules; i++)
        if (policy->rules[i].usage == NG_USAGE_CLUSTER &&
            policy->rules[i].from.count == policy->n_zones + 2)
            return ng_lint(linter, policy->rules[i].place,
                           "'cluster' names no zone: a swarm needs one in which its nodes reach "
                           "each other");
    return 0;
}

/* The Gregorian calendar, years counted from March. */
static void date_text(int64_t time_s, char ret_text[static 32]) {
    int64_t days = time_s / 86400 + 719468, era = days / 146097, of_era = days % 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t day = of_era - (365 * year + year / 4 - year / 100), month = (5 * day + 2) / 153;
    snprintf(ret_text, 32, "%04d-%02d-%02d", (int)(era * 400 + year + (month > 9)),
             (int)(month < 10 ? month + 3 : month - 9), (int)(day - (153 * month + 2) / 5 + 1));
}

static int lint_exceptions(struct ng_linter *linter, int64_t now_s) {
    const struct ng_policy *policy = linter->policy;
    for (size_t i = 0; i < policy->n_exceptions; i++) {
        const struct ng_exception *exception = &policy->exceptions[i];
        char day[32];
        if (now_s < exception->until_s)
            continue;
        date_text(exception->until_s - 1, day);
        int r = ng_lint(linter, exception->place,
                        "this exception from '%s' has ended: %s was its last day", exception->rule,
                        day);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A network belongs to the first item that it matches. */
static int lint_segregations(struct ng_linter *linter) {
    const struct ng_policy *policy = linter->policy;
    for (size_t i = 0; i < policy->n_segregations; i++) {
        struct ng_strings apart = policy->segregations[i].apart;
        for (size_t k = 1; k < apart.count; k++) {
            size_t j = 0;
            while (j < k && !ng_lint_is_tired(linter) &&
                   !glob_covers(apart.items[j], apart.items[k]))
                j++;
            if (j == k || ng_lint_is_tired(linter))
                continue;
            int r = ng_lint(linter, policy->segregations[i].place,
                            "no network belongs to \"%s\" in 'apart' of '%s': what matches it "
                            "matches \"%s\" before",
                            apart.items[k], policy->segregations[i].id, apart.items[j]);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

int ng_lint(struct ng_linter *linter, struct ng_place place, const char *format, ...) {
    if (linter->n_warnings > NG_LINT_MAX)
        return 0;
    struct ng_error *warning =
        NG_ARENA_APPEND(linter->arena, linter->warnings, linter->n_warnings, linter->capacity);
    char message[sizeof(warning->message)];
    va_list arguments;

    if (!warning)
        return -ENOMEM;
    if (linter->n_warnings > NG_LINT_MAX) {
        ng_error_set(warning, 0, "",
                     "there may be more: after %d warnings the rest is not looked at", NG_LINT_MAX);
        return 0;
    }
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    (void)ng_error_set_at(warning, 0, place.source, place.line, place.column, "%s", message);
    return 0;
}

int ng_policy_lint(const struct ng_policy *policy, const struct ng_world *world, int64_t now_s,
                   struct ng_arena *arena, const struct ng_error **ret_warnings,
                   size_t *ret_n_warnings) {
    struct ng_linter linter = {.arena = arena, .policy = policy};
    int r = find_empty_zones(&linter);
    if (r == 0)
        r = lint_mode(&linter);
    if (r == 0)
        r = lint_usage(&linter, world);
    if (r == 0)
        r = lint_rules(&linter);
    if (r == 0)
        r = lint_segregations(&linter);
    if (r == 0)
        r = lint_exceptions(&linter, now_s);
    if (r == 0 && world)
        r = ng_lint_names(&linter, world);
    if (r < 0)
        return r;
    *ret_warnings = linter.warnings;
    *ret_n_warnings = linter.n_warnings;
    return 0;
}
