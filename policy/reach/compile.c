/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/reach/compile.h"

#include "policy/reach/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Below this many rules a walk over all of them is as quick as a search. */
enum { INDEX_FROM_RULES = 8 };

ng_u128 ng_name_number(const char *name) {
    ng_u128 number = 0;
    size_t i = 0;
    for (; i < 16 && name[i]; i++)
        number = number << 8 | (unsigned char)name[i];
    return i ? number << (8 * (16 - i)) : 0;
}

/* -- which rules can concern a packet ------------------------------------------------------------
 */

static int compare_key(const struct rule_key *a, const struct rule_key *b) {
    if (a->any_addr != b->any_addr)
        return a->any_addr ? 1 : -1;
    if (!a->any_addr && a->daddr != b->daddr)
        return a->daddr < b->daddr ? -1 : 1;
    if (a->dport != b->dport)
        return a->dport < b->dport ? -1 : 1;
    return 0;
}

static int compare_keys(const void *left, const void *right) {
    const struct rule_key *a = left, *b = right;
    int order = compare_key(a, b);
    return order ? order : a->rule < b->rule ? -1 : a->rule > b->rule;
}

/* The single value a test demands of a field; false: it does not demand one. */
static bool demands(const struct ng_op *op, enum ng_field field, ng_u128 *ret_value) {
    if (op->kind != NG_OP_MATCH)
        return false;
    const struct ng_match *match = op->match;
    if (match->n_operands != 1 || match->boxes || match->negate || match->dynamic ||
        match->expiring.count || match->values.count != 1 || match->operands[0].field != field ||
        match->operands[0].mask != ~(ng_u128)0 || match->operands[0].flip ||
        match->values.intervals[0].lo != match->values.intervals[0].hi)
        return false;
    *ret_value = match->values.intervals[0].lo;
    return true;
}

/* Tests at the beginning of a rule, before it has had any effect. `one_family`: its table sees
 * packets of one family, so that an address it reads is one. */
static struct rule_key key_of(const struct ng_rule *rule, uint32_t index, bool one_family) {
    struct rule_key key = {.dport = ANY_PORT, .any_addr = true, .rule = index};
    for (size_t i = 0; i < rule->n_ops; i++) {
        const struct ng_op *op = &rule->ops[i];
        ng_u128 value;
        if (op->kind != NG_OP_MATCH && op->kind != NG_OP_NOTHING && op->kind != NG_OP_UNDECIDED)
            break;
        if (demands(op, NG_FIELD_NFPROTO, &value) || demands(op, NG_FIELD_ETHERTYPE, &value))
            one_family = true;
        else if (demands(op, NG_FIELD_DPORT, &value))
            key.dport = (uint32_t)value;
        else if (one_family && demands(op, NG_FIELD_DADDR, &value)) {
            key.daddr = value;
            key.any_addr = false;
        }
    }
    return key;
}

static int index_chain(struct ng_engine_state *state, const struct ng_chain *chain,
                       struct chain_index *ret_index) {
    if (chain->n_rules < INDEX_FROM_RULES)
        return 0;
    struct rule_key *keys = ng_arena_alloc(state->arena, chain->n_rules, sizeof(*keys));
    if (!keys)
        return -ENOMEM;
    enum ng_table_family family = state->ruleset->tables[chain->table].family;
    bool one_family = family == NG_TABLE_IP || family == NG_TABLE_IP6;
    for (size_t i = 0; i < chain->n_rules; i++) {
        size_t rule = chain->first_rule + i;
        keys[i] = key_of(&state->ruleset->rules[rule], (uint32_t)rule, one_family);
    }
    qsort(keys, chain->n_rules, sizeof(*keys), compare_keys);
    *ret_index = (struct chain_index){keys, chain->n_rules};
    return 0;
}

/* The first key that is not less. */
static size_t find_key(const struct chain_index *index, const struct rule_key *key) {
    size_t lo = 0, hi = index->n_keys;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (compare_key(&index->keys[middle], key) < 0)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

/* The rule at `at`, if its key is still that of the run. */
static uint32_t rule_of_run(const struct chain_index *index, const struct rule_key *key,
                            size_t at) {
    return at < index->n_keys && compare_key(&index->keys[at], key) == 0 ? index->keys[at].rule
                                                                         : NG_NONE;
}

void ng_walk_start(const struct ng_engine_state *state, uint32_t chain, ng_u128 daddr,
                   uint32_t dport, struct rule_walk *ret_walk) {
    const struct ng_chain *of = &state->ruleset->chains[chain];
    const struct chain_index *index = &state->indexes[chain];
    ret_walk->index = index;
    ret_walk->next = (uint32_t)of->first_rule;
    ret_walk->end = (uint32_t)(of->first_rule + of->n_rules);
    if (!index->keys)
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(ret_walk->runs); i++) {
        struct rule_key key = {
            .any_addr = i & 1, .daddr = daddr, .dport = i & 2 ? ANY_PORT : dport};
        size_t at = find_key(index, &key);
        ret_walk->runs[i].key = key;
        ret_walk->runs[i].at = at;
        ret_walk->runs[i].rule = rule_of_run(index, &key, at);
    }
}

uint32_t ng_walk_next(struct rule_walk *walk) {
    if (!walk->index->keys)
        return walk->next < walk->end ? walk->next++ : NG_NONE;
    unsigned best = 0;
    for (unsigned i = 1; i < ARRAY_SIZE(walk->runs); i++)
        if (walk->runs[i].rule < walk->runs[best].rule)
            best = i;
    uint32_t rule = walk->runs[best].rule;
    if (rule != NG_NONE)
        walk->runs[best].rule =
            rule_of_run(walk->index, &walk->runs[best].key, ++walk->runs[best].at);
    return rule;
}

/* -- which chains run ----------------------------------------------------------------------------
 */

/* nat chains of all tables run inside one hook of the kernel's, at these priorities
 * (NF_IP_PRI_NAT_DST, NF_IP_PRI_NAT_SRC); their own only order them among themselves. */
static int32_t running_priority(const struct ng_chain *chain) {
    if (chain->type != NG_CHAIN_NAT)
        return chain->priority;
    return chain->hook == NG_HOOK_PREROUTING || chain->hook == NG_HOOK_OUTPUT ? -100 : 100;
}

static int compare_running(const void *left, const void *right, void *context) {
    const struct ng_ruleset *ruleset = context;
    uint32_t index_a = *(const uint32_t *)left, index_b = *(const uint32_t *)right;
    const struct ng_chain *a = &ruleset->chains[index_a], *b = &ruleset->chains[index_b];
    /* A netdev chain sees the packet before an inet chain at the same place does; all nat
     * chains stand together. */
    int32_t pa = running_priority(a), pb = running_priority(b);
    if (pa != pb)
        return pa < pb ? -1 : 1;
    if ((a->type == NG_CHAIN_NAT) != (b->type == NG_CHAIN_NAT))
        return a->type == NG_CHAIN_NAT ? 1 : -1;
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    return index_a < index_b ? -1 : 1;
}

static bool sees(const struct ng_table *table, uint8_t family) {
    if (table->dormant)
        return false;
    return table->family == NG_TABLE_INET || table->family == NG_TABLE_NETDEV ||
           table->family == (family == NG_IP4 ? NG_TABLE_IP : NG_TABLE_IP6);
}

static int collect_hook(struct ng_engine_state *state, uint8_t family, enum ng_hook hook) {
    const struct ng_ruleset *ruleset = state->ruleset;
    uint32_t *chains = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < ruleset->n_chains; i++) {
        const struct ng_chain *chain = &ruleset->chains[i];
        if (!chain->base || chain->hook != hook || !sees(&ruleset->tables[chain->table], family))
            continue;
        uint32_t *slot = NG_ARENA_APPEND(state->arena, chains, count, capacity);
        if (!slot)
            return -ENOMEM;
        *slot = (uint32_t)i;
    }
    if (count)
        qsort_r(chains, count, sizeof(*chains), compare_running, (void *)ruleset);
    state->hooks[family == NG_IP6][hook] = (struct hook_chains){chains, count};
    return 0;
}

/* -- which destinations differ -------------------------------------------------------------------
 */

struct cut_list {
    ng_u128 *values;
    size_t count, capacity;
};

static int add_cut(struct ng_arena *arena, struct cut_list *cuts, ng_u128 value) {
    ng_u128 *slot = NG_ARENA_APPEND(arena, cuts->values, cuts->count, cuts->capacity);
    if (!slot)
        return -ENOMEM;
    *slot = value;
    return 0;
}

static int add_interval(struct ng_arena *arena, struct cut_list *cuts, struct ng_interval one) {
    int r = add_cut(arena, cuts, one.lo);
    if (r == 0 && one.hi != ~(ng_u128)0)
        r = add_cut(arena, cuts, one.hi + 1);
    return r;
}

static int cuts_of_match(struct ng_engine_state *state, const struct ng_match *match,
                         struct cut_list cuts[static 2]) {
    for (size_t i = 0; i < match->n_operands; i++) {
        const struct ng_operand *operand = &match->operands[i];
        if (operand->field == NG_FIELD_FIB_DADDR_IIF_TYPE)
            state->all_distinct = true;
        if (operand->field != NG_FIELD_DADDR && operand->field != NG_FIELD_CT_DADDR)
            continue;
        if (operand->mask != ~(ng_u128)0 || operand->flip || !operand->family) {
            state->all_distinct = true;
            continue;
        }
        struct cut_list *list = &cuts[operand->family == NG_IP6];
        int r = 0;
        for (size_t k = 0; r == 0 && k < match->values.count; k++)
            r = add_interval(state->arena, list, match->values.intervals[k]);
        for (size_t k = 0; r == 0 && k < match->expiring.count; k++)
            r = add_interval(state->arena, list, match->expiring.intervals[k]);
        for (size_t k = 0; r == 0 && k < match->n_boxes; k++)
            r = add_interval(state->arena, list, match->boxes[k].sides[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int compare_numbers(const void *left, const void *right) {
    ng_u128 a = *(const ng_u128 *)left, b = *(const ng_u128 *)right;
    return a < b ? -1 : a > b;
}

static int collect_cuts(struct ng_engine_state *state) {
    struct cut_list cuts[2] = {0};
    /* Loopback is told apart by routing itself. */
    int r = add_interval(state->arena, &cuts[0], (struct ng_interval){0x7f000000, 0x7fffffff});
    if (r == 0)
        r = add_interval(state->arena, &cuts[1], (struct ng_interval){1, 1});
    for (size_t i = 0; r == 0 && i < state->ruleset->n_rules; i++) {
        const struct ng_rule *rule = &state->ruleset->rules[i];
        for (size_t k = 0; r == 0 && k < rule->n_ops; k++) {
            const struct ng_op *op = &rule->ops[k];
            bool tests =
                op->kind == NG_OP_MATCH || op->kind == NG_OP_VMAP || op->kind == NG_OP_DNAT;
            if (tests && op->match)
                r = cuts_of_match(state, op->match, cuts);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        if (cuts[i].count)
            qsort(cuts[i].values, cuts[i].count, sizeof(*cuts[i].values), compare_numbers);
        state->cuts[i] = cuts[i].values;
        state->n_cuts[i] = cuts[i].count;
    }
    return r;
}

/* How many cuts lie at or below an address: addresses with the same number are alike. */
static size_t class_of(const struct ng_engine_state *state, uint8_t family, ng_u128 addr) {
    unsigned which = family == NG_IP6;
    size_t lo = 0, hi = state->n_cuts[which];
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (state->cuts[which][middle] <= addr)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

size_t ng_reach_distinct(const struct ng_engine_state *state, uint8_t family, ng_u128 *addrs,
                         size_t count) {
    if (state->all_distinct)
        return count;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t class = class_of(state, family, addrs[i]);
        bool seen = false;
        for (size_t k = 0; k < kept && !seen; k++)
            seen = class_of(state, family, addrs[k]) == class;
        if (!seen)
            addrs[kept++] = addrs[i];
    }
    return kept;
}

/* -- all of it ----------------------------------------------------------------------- */

static int prepare_links(struct ng_engine_state *state) {
    size_t n = state->world->n_links;
    struct link_names *links = ng_arena_alloc(state->arena, n, sizeof(*links));
    state->rp_sources = ng_arena_alloc(state->arena, n, sizeof(*state->rp_sources));
    if (!links || !state->rp_sources)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct ng_link *link = &state->world->links[i];
        links[i].name = ng_name_number(link->name);
        links[i].kind = ng_name_number(link->kind);
        /* A port of a bridge is no interface that IP sees. */
        int r = link->master || !link->up
                    ? 0
                    : ng_route_sources(state->world, link, state->arena, &state->rp_sources[i]);
        if (r < 0)
            return r;
    }
    state->links = links;
    return 0;
}

static int prepare(struct ng_engine_state *state) {
    int r = prepare_links(state);
    for (enum ng_hook hook = 0; r == 0 && hook < NG_HOOK_COUNT; hook++) {
        r = collect_hook(state, NG_IP4, hook);
        if (r == 0)
            r = collect_hook(state, NG_IP6, hook);
    }
    struct chain_index *indexes =
        ng_arena_alloc(state->arena, state->ruleset->n_chains, sizeof(*indexes));
    if (!indexes)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < state->ruleset->n_chains; i++)
        r = index_chain(state, &state->ruleset->chains[i], &indexes[i]);
    state->indexes = indexes;
    return r < 0 ? r : collect_cuts(state);
}

int ng_reach_new(const struct ng_world *world, const struct ng_ruleset *ruleset,
                 struct ng_engine_state **ret_state) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_engine_state *state = arena ? ng_arena_alloc(arena, 1, sizeof(*state)) : NULL;
    if (!state)
        return -ENOMEM;
    state->arena = arena;
    state->world = world;
    state->ruleset = ruleset;
    int r = prepare(state);
    if (r < 0)
        return r;
    (void)TAKE_PTR(arena);
    *ret_state = state;
    return 0;
}

void ng_reach_free(struct ng_engine_state *state) {
    if (state)
        ng_arena_free(state->arena);
}

void ng_reach_freep(struct ng_engine_state **state) {
    ng_reach_free(*state);
    *state = NULL;
}
