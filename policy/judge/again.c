/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"
#include "policy/reach/packet.h"

#include <errno.h>
#include <string.h>

/* A few rules have changed: to which exposures can that matter? Their packets had the headers that
 * stand in the trail of each. A rule that none of them can meet has no say in what becomes of them:
 * with it or without it they go the same way, and so their headers stay the same, too. For all
 * others is asked anew.
 *
 * What a rule does by being there at all, for packets that it is not about, is among the traits:
 * where one is not as it was, everything is asked anew. */

enum {
    HEADERS_MAX = 32,     /* of one exposure; with more, every rule is taken to concern it */
    EXPOSURES_MAX = 4096, /* that are asked for anew: others wait for whoever does that */
    CT_NEW = 8,           /* of NG_FIELD_CT_STATE */
};

/* -- trails -------------------------------------------------------------------------- */

static bool same_header(const struct header *a, const struct header *b) {
    return a->daddr == b->daddr && a->dport == b->dport && a->ct_daddr == b->ct_daddr &&
           a->ct_dport == b->ct_dport;
}

int ng_trail_add(struct ng_arena *arena, struct trail *trail, struct header header) {
    for (size_t i = 0; i < trail->n_headers; i++)
        if (same_header(&trail->headers[i], &header))
            return 0;
    if (trail->n_headers == HEADERS_MAX) {
        trail->anywhere = true;
        return 0;
    }
    struct header *own =
        NG_ARENA_APPEND(arena, trail->headers, trail->n_headers, trail->headers_capacity);
    if (!own)
        return -ENOMEM;
    *own = header;
    return 0;
}

/* -- traits -------------------------------------------------------------------------- */

static int add_trait(struct ng_arena *arena, struct traits *traits, uint8_t trait) {
    uint8_t *own = NG_ARENA_APPEND(arena, traits->bytes, traits->count, traits->capacity);
    if (!own)
        return -ENOMEM;
    *own = trait;
    return 0;
}

static int add_classes(struct ng_arena *arena, struct traits *traits,
                       const struct address_classes *classes) {
    int r = add_trait(arena, traits, classes->all_distinct);
    for (size_t i = 0; r == 0 && i < classes->count; i++)
        for (unsigned shift = 0; r == 0 && shift < 32; shift += 8)
            r = add_trait(arena, traits, (uint8_t)(classes->class[i] >> shift));
    return r;
}

static int add_hook(struct ng_arena *arena, struct traits *traits, const struct hook_chains *hook) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < hook->count; i++)
        r = add_trait(arena, traits, hook->tied[i]);
    return r;
}

/* An index leaves out rules, and with them what would have been told to be undecided on the way to
 * the test that they fail. Where nothing can be, it makes no difference. */
enum chain_trait {
    INDEXED = 1,
    CLEAR = 2, /* no rule has a test that may not be decided before one that the index knows */
};

static bool is_clear_test(const struct ng_match *match, bool one_family) {
    const struct ng_operand *operand = &match->operands[0];
    if (match->n_operands != 1 || match->boxes || match->dynamic || match->expiring.count ||
        operand->mask != ~(ng_u128)0 || operand->flip)
        return false;
    switch (operand->field) {
    case NG_FIELD_SADDR:
    case NG_FIELD_DADDR:
        return one_family;
    case NG_FIELD_SPORT:
    case NG_FIELD_DPORT:
    case NG_FIELD_L4PROTO:
    case NG_FIELD_NFPROTO:
    case NG_FIELD_IIF:
    case NG_FIELD_OIF:
    case NG_FIELD_IIFNAME:
    case NG_FIELD_OIFNAME:
    case NG_FIELD_FRAGMENT:
    case NG_FIELD_CT_DIRECTION:
    case NG_FIELD_CT_L4PROTO:
    case NG_FIELD_CT_DPORT:
        return true;
    default:
        return false;
    }
}

static bool is_clear_rule(const struct ng_rule *rule, bool one_family) {
    for (size_t i = 0; i < rule->n_ops; i++) {
        const struct ng_op *op = &rule->ops[i];
        if (op->kind == NG_OP_NOTHING)
            continue;
        if (op->kind != NG_OP_MATCH)
            return op->kind != NG_OP_UNDECIDED;
        if (!is_clear_test(op->match, one_family))
            return false;
    }
    return true;
}

static uint8_t chain_traits(const struct ng_engine_state *engine, size_t index) {
    const struct ng_ruleset *ruleset = engine->ruleset;
    const struct ng_chain *chain = &ruleset->chains[index];
    enum ng_table_family family = ruleset->tables[chain->table].family;
    bool one_family = family == NG_TABLE_IP || family == NG_TABLE_IP6, clear = true;
    for (size_t i = 0; clear && i < chain->n_rules; i++)
        clear = is_clear_rule(&ruleset->rules[chain->first_rule + i], one_family);
    return (engine->indexes[index].keys ? INDEXED : 0) | (clear ? CLEAR : 0);
}

int ng_find_traits(const struct ng_engine_state *engine, struct ng_arena *arena,
                   struct traits *ret_traits) {
    struct traits traits = {.n_chains = engine->ruleset->n_chains};
    traits.chains = ng_arena_alloc(arena, traits.n_chains, sizeof(*traits.chains));
    int r = traits.chains ? add_trait(arena, &traits, engine->rewrites) : -ENOMEM;
    for (unsigned ip6 = 0; r == 0 && ip6 < 2; ip6++) {
        r = add_trait(arena, &traits, engine->tracks[ip6]);
        if (r == 0)
            r = add_classes(arena, &traits, &engine->classes[ip6]);
        for (enum ng_hook hook = 0; r == 0 && hook < NG_HOOK_COUNT; hook++)
            r = add_hook(arena, &traits, &engine->hooks[ip6][hook]);
    }
    for (enum ng_hook hook = 0; r == 0 && hook < NG_HOOK_COUNT; hook++)
        r = add_hook(arena, &traits, &engine->bridge_hooks[hook]);
    for (size_t i = 0; r == 0 && i < traits.n_chains; i++) {
        traits.chains[i] = chain_traits(engine, i);
        r = add_trait(arena, &traits, engine->beside_conntrack[i]);
    }
    *ret_traits = traits;
    return r;
}

static bool same_chains(const struct traits *a, const struct traits *b) {
    bool same = a->n_chains == b->n_chains;
    for (size_t i = 0; same && i < a->n_chains; i++)
        same = !((a->chains[i] ^ b->chains[i]) & INDEXED) || a->chains[i] & b->chains[i] & CLEAR;
    return same;
}

static bool same_traits(const struct judgement *a, const struct judgement *b) {
    return same_chains(&a->traits, &b->traits) && a->traits.count == b->traits.count &&
           (a->traits.count == 0 ||
            memcmp(a->traits.bytes, b->traits.bytes, a->traits.count) == 0) &&
           a->ufw[0] == b->ufw[0] && a->ufw[1] == b->ufw[1] && a->firewalld == b->firewalld;
}

/* -- can a rule concern an exposure? ----------------------------------------------------- */

enum meeting { CANNOT, MAY, UNDECIDED };

/* By what is the same for all sources. */
static enum meeting meets_value(const struct ng_match *match, const struct ng_exposure *exposure,
                                const struct header *header) {
    const struct ng_operand *operand = &match->operands[0];
    const struct ng_question question = {.family = exposure->family, .proto = exposure->proto};
    const struct place place = {
        .question = &question, .hook = NG_HOOK_FORWARD, .first_state = CT_NEW};
    const struct flow flow = {
        .daddr = header->daddr,
        .dport = header->dport,
        .ct_daddr = header->ct_daddr,
        .ct_dport = header->ct_dport,
    };
    ng_u128 value = 0;
    if (ng_field_value(&place, &flow, operand, &value) != KNOWN)
        return UNDECIDED;
    value = (value & operand->mask) ^ operand->flip;
    bool in = ng_addrset_contains(match->values, value);
    if (!in && ng_addrset_contains(match->expiring, value))
        return UNDECIDED;
    return in != match->negate ? MAY : CANNOT;
}

/* By what each source or link has an answer to, one or the other. */
static enum meeting meets_some(const struct ng_operand *operand,
                               const struct ng_exposure *exposure) {
    bool plain = operand->mask == ~(ng_u128)0 && !operand->flip;
    switch (operand->field) {
    case NG_FIELD_SADDR:
    case NG_FIELD_SPORT:
        return plain && (!operand->family || operand->family == exposure->family) ? MAY : UNDECIDED;
    case NG_FIELD_TCP_FLAGS:
        return exposure->proto == NG_TCP ? MAY : UNDECIDED;
    case NG_FIELD_IIF:
    case NG_FIELD_OIF:
    case NG_FIELD_IIFNAME:
    case NG_FIELD_OIFNAME:
    case NG_FIELD_FRAGMENT:
    case NG_FIELD_CT_STATE:
        return MAY;
    default:
        return UNDECIDED;
    }
}

static enum meeting meets(const struct ng_match *match, const struct ng_exposure *exposure,
                          const struct header *header) {
    if (match->n_operands != 1 || match->boxes || match->dynamic)
        return UNDECIDED;
    switch (match->operands[0].field) {
    case NG_FIELD_DADDR:
    case NG_FIELD_DPORT:
    case NG_FIELD_L4PROTO:
    case NG_FIELD_NFPROTO:
    case NG_FIELD_CT_DIRECTION:
    case NG_FIELD_CT_DADDR:
    case NG_FIELD_CT_DPORT:
    case NG_FIELD_CT_L4PROTO:
        return meets_value(match, exposure, header);
    default:
        return meets_some(&match->operands[0], exposure);
    }
}

/* What could not be decided is told, even where the rule does not match in the end: with such a
 * test before the one that it fails, a rule concerns the exposure all the same. */
static bool concerns_header(const struct ng_rule *rule, const struct ng_exposure *exposure,
                            const struct header *header) {
    for (size_t i = 0; i < rule->n_ops; i++) {
        const struct ng_op *op = &rule->ops[i];
        if (op->kind == NG_OP_NOTHING)
            continue;
        if (op->kind != NG_OP_MATCH)
            return true;
        enum meeting meeting = meets(op->match, exposure, header);
        if (meeting != MAY)
            return meeting == UNDECIDED;
    }
    return true;
}

static bool concerns(const struct ng_ruleset *ruleset, const struct ng_rule *rule,
                     const struct ng_exposure *exposure, const struct trail *trail) {
    enum ng_table_family family = ruleset->tables[ruleset->chains[rule->chain].table].family;
    uint8_t other = exposure->family == NG_IP4 ? NG_TABLE_IP6 : NG_TABLE_IP;
    if (family == other)
        return false;
    bool concerned = trail->anywhere || !ng_has_ports(exposure->proto);
    for (size_t i = 0; i < trail->n_headers && !concerned; i++)
        concerned = concerns_header(rule, exposure, &trail->headers[i]);
    return concerned;
}

/* Behind source NAT the source is not known any more: so is not whether a test of it would have
 * been met. That can be asked where a chain has its turn after NAT. */
static bool asks_after_nat(const struct ng_ruleset *ruleset) {
    for (size_t i = 0; i < ruleset->n_chains; i++) {
        const struct ng_chain *chain = &ruleset->chains[i];
        bool late = chain->hook == NG_HOOK_INPUT || chain->hook == NG_HOOK_POSTROUTING;
        if (chain->base && chain->type != NG_CHAIN_NAT &&
            (chain->hook == NG_HOOK_EGRESS || (late && chain->priority >= PRIORITY_NAT_SRC)))
            return true;
    }
    return false;
}

/* Can the change be followed at all? */
static bool is_plain(const struct judgement *judgement, const struct ng_rule *const *changed,
                     size_t n_changed) {
    const struct ng_ruleset *ruleset = judgement->ruleset;
    for (size_t i = 0; i < n_changed; i++) {
        const struct ng_table *table = &ruleset->tables[ruleset->chains[changed[i]->chain].table];
        if (table->family > NG_TABLE_INET || table->legacy)
            return false;
    }
    return !judgement->blind && !judgement->engine->rewrites && !asks_after_nat(ruleset);
}

/* -- asking anew --------------------------------------------------------------------- */

static bool is_concerned(const struct judgement *judgement, size_t i,
                         const struct ng_rule *const *changed, size_t n_changed) {
    bool concerned = false;
    for (size_t k = 0; k < n_changed && !concerned; k++)
        concerned =
            concerns(judgement->ruleset, changed[k], &judgement->all[i], &judgement->trails[i]);
    return concerned;
}

/* As it was before anybody knew who gets there. */
static void begin_anew(struct ng_exposure *exposure, struct trail *trail) {
    exposure->container_addr = trail->container_addr;
    exposure->paths = 0;
    *trail = (struct trail){.container_addr = trail->container_addr};
}

/* `anew`: for each, whether it is asked for. */
static int decide(struct judgement *judgement, const struct judgement *before,
                  const struct ng_rule *const *changed, size_t n_changed, bool *anew) {
    size_t n = judgement->n_all, asked = 0;
    judgement->all = ng_arena_alloc(judgement->arena, n, sizeof(*judgement->all));
    judgement->trails = ng_arena_alloc(judgement->arena, n, sizeof(*judgement->trails));
    if (!judgement->all || !judgement->trails)
        return -ENOMEM;
    if (n) {
        memcpy(judgement->all, before->all, n * sizeof(*judgement->all));
        memcpy(judgement->trails, before->trails, n * sizeof(*judgement->trails));
    }
    for (size_t i = 0; i < n; i++) {
        anew[i] = is_concerned(judgement, i, changed, n_changed);
        asked += anew[i];
    }
    int r = asked > EXPOSURES_MAX ? -EAGAIN : 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (!anew[i])
            continue;
        begin_anew(&judgement->all[i], &judgement->trails[i]);
        r = ng_decide_reach(judgement, &judgement->all[i], &judgement->trails[i]);
    }
    return r < 0 ? r : ng_leave_out_closed_ways(judgement);
}

/* -- findings ------------------------------------------------------------------------ */

static bool same_container(const struct ng_exposure *a, const struct ng_exposure *b) {
    return a->container && b->container && strcmp(a->container->name, b->container->name) == 0;
}

/* What is said of one port of a container tells of the other ways to it: of exposures that stand
 * together for being one container's, all or none. */
static void spread(const struct judgement *judgement, bool *anew) {
    const struct ng_exposure *all = judgement->all;
    for (size_t i = 0, end; i < judgement->n_all; i = end) {
        bool any = anew[i];
        for (end = i + 1; end < judgement->n_all && same_container(&all[end], &all[i]); end++)
            any = any || anew[end];
        for (size_t k = i; k < end; k++)
            anew[k] = any;
    }
}

/* The findings of a result, by exposure: those of number i are items[first[i]] … items[first[i +
 * 1] - 1]. */
struct by_exposure {
    size_t *first;
    const struct ng_finding **items;
};

static int sort_by_exposure(const struct ng_result *result, struct ng_arena *arena,
                            struct by_exposure *ret_by) {
    size_t *first = ng_arena_alloc(arena, result->n_exposures + 2, sizeof(*first));
    const struct ng_finding **items = ng_arena_alloc(arena, result->n_findings, sizeof(*items));
    if (!first || !items)
        return -ENOMEM;
    /* Counted two places on, and placed one on: then each begins where it should. */
    for (size_t i = 0; i < result->n_findings; i++)
        if (result->findings[i].exposure)
            first[result->findings[i].exposure - result->exposures + 2]++;
    for (size_t i = 2; i < result->n_exposures + 2; i++)
        first[i] += first[i - 1];
    for (size_t i = 0; i < result->n_findings; i++)
        if (result->findings[i].exposure)
            items[first[result->findings[i].exposure - result->exposures + 1]++] =
                &result->findings[i];
    *ret_by = (struct by_exposure){first, items};
    return 0;
}

static int take_over(struct judgement *judgement, const struct by_exposure *by, size_t old,
                     const struct ng_exposure *exposure) {
    for (size_t i = by->first[old]; i < by->first[old + 1]; i++) {
        struct ng_finding *own =
            NG_ARENA_APPEND(judgement->arena, judgement->findings, judgement->n_findings,
                            judgement->findings_capacity);
        if (!own)
            return -ENOMEM;
        *own = *by->items[i];
        own->exposure = exposure;
    }
    return 0;
}

static int find_findings(struct judgement *judgement, const struct ng_result *before,
                         const bool *anew) {
    struct by_exposure by;
    judgement->findings = NULL;
    judgement->n_findings = judgement->findings_capacity = 0;
    int r = sort_by_exposure(before, judgement->arena, &by);
    for (size_t i = 0, old = 0, own = 0; r == 0 && i < judgement->n_all; i++) {
        if (judgement->trails[i].shown) {
            const struct ng_exposure *exposure = &judgement->exposures[own++];
            r = anew[i] ? ng_judge_exposure(judgement, exposure)
                        : take_over(judgement, &by, old, exposure);
        }
        old += before->judgement->trails[i].shown;
    }
    if (r == 0)
        r = ng_find_others(judgement);
    ng_sort_findings(judgement);
    return r;
}

/* Who gets from network to network any rule has a say in, and it takes too long to find out beside
 * all else. */
static bool is_too_much(const struct ng_policy *policy) {
    for (size_t i = 0; i < policy->n_segregations; i++)
        if (policy->segregations[i].apart.count)
            return true;
    return false;
}

/* -- all of it ----------------------------------------------------------------------- */

static int judge_again(struct judgement *judgement, const struct ng_result *before,
                       const struct ng_rule *const *changed, size_t n_changed) {
    bool *anew = ng_arena_alloc(judgement->arena, judgement->n_all, sizeof(*anew));
    int r =
        anew ? ng_find_traits(judgement->engine, judgement->arena, &judgement->traits) : -ENOMEM;
    if (r < 0)
        return r;
    ng_find_host_firewalls(judgement);
    if (is_too_much(judgement->policy) || !same_traits(judgement, before->judgement) ||
        !is_plain(judgement, changed, n_changed))
        return -EAGAIN;
    r = decide(judgement, before->judgement, changed, n_changed, anew);
    judgement->talks = NULL;
    judgement->n_talks = judgement->talks_capacity = 0;
    if (r == 0)
        r = ng_find_talks(judgement);
    spread(judgement, anew);
    return r < 0 ? r : find_findings(judgement, before, anew);
}

int ng_judge_again(const struct ng_result *before, const struct ng_ruleset *ruleset,
                   const struct ng_rule *const *changed, size_t n_changed,
                   struct ng_result **ret_result, struct ng_error *error) {
    _cleanup_(ng_arena_freep) struct ng_arena *scratch = ng_arena_new();
    _cleanup_(ng_reach_freep) struct ng_engine_state *engine = NULL;
    struct judgement judgement = *before->judgement;
    judgement.scratch = scratch;
    judgement.ruleset = ruleset;
    judgement.deciders =
        ng_arena_alloc(judgement.arena, ruleset->n_rules, sizeof(*judgement.deciders));
    int r = scratch && judgement.deciders ? ng_reach_new(before->world, ruleset, &engine) : -ENOMEM;
    judgement.engine = engine;
    if (r == 0)
        r = judge_again(&judgement, before, changed, n_changed);
    if (r == 0)
        r = ng_conclude(&judgement, ret_result);
    if (r < 0)
        return ng_error_set(error, r, "judge",
                            r == -EAGAIN ? "too much has changed" : "out of memory");
    return 0;
}
