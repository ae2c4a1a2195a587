/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/reach/compile.h"

#include "policy/reach/source.h"

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

/* Tests at the beginning of a rule, before it has had any effect. `one_family`: its table sees
 * packets of one family, so that an address it reads is one. */
static struct rule_key key_of(const struct ng_rule *rule, uint32_t index, bool one_family) {
    struct rule_key key = {.dport = ANY_PORT, .any_addr = true, .rule = index};
    for (size_t i = 0; i < rule->n_ops; i++) {
        const struct ng_op *op = &rule->ops[i];
        ng_u128 value;
        if (op->kind != NG_OP_MATCH && op->kind != NG_OP_NOTHING && op->kind != NG_OP_UNDECIDED)
            break;
        if (ng_op_demands(op, NG_FIELD_NFPROTO, &value) ||
            ng_op_demands(op, NG_FIELD_ETHERTYPE, &value))
            one_family = true;
        else if (ng_op_demands(op, NG_FIELD_DPORT, &value))
            key.dport = (uint32_t)value;
        else if (one_family && ng_op_demands(op, NG_FIELD_DADDR, &value)) {
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
    bool helps = index->keys && dport != ANY_PORT && !state->rewrites;
    ret_walk->index = helps ? index : NULL;
    ret_walk->next = (uint32_t)of->first_rule;
    ret_walk->end = (uint32_t)(of->first_rule + of->n_rules);
    if (!helps)
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
    if (!walk->index)
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

int32_t ng_running_priority(const struct ng_chain *chain) {
    if (chain->type != NG_CHAIN_NAT)
        return chain->priority;
    return chain->hook == NG_HOOK_PREROUTING || chain->hook == NG_HOOK_OUTPUT ? PRIORITY_NAT_DST
                                                                              : PRIORITY_NAT_SRC;
}

static int compare_running(const void *left, const void *right, void *context) {
    const struct ng_ruleset *ruleset = context;
    uint32_t index_a = *(const uint32_t *)left, index_b = *(const uint32_t *)right;
    const struct ng_chain *a = &ruleset->chains[index_a], *b = &ruleset->chains[index_b];
    /* All nat chains stand together. */
    int32_t pa = ng_running_priority(a), pb = ng_running_priority(b);
    if (pa != pb)
        return pa < pb ? -1 : 1;
    if ((a->type == NG_CHAIN_NAT) != (b->type == NG_CHAIN_NAT))
        return a->type == NG_CHAIN_NAT ? 1 : -1;
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    /* Of equals in one table the one that was made last runs first; of those in several the
     * dump does not tell. */
    if (a->table == b->table && a->handle != b->handle)
        return a->handle > b->handle ? -1 : 1;
    return index_a < index_b ? -1 : 1;
}

/* NAT's own hook stands among the chains of its priority where its first chain was registered. */
static bool same_turn(const struct ng_chain *a, const struct ng_chain *b) {
    bool alike = (a->type == NG_CHAIN_NAT) == (b->type == NG_CHAIN_NAT);
    return ng_running_priority(a) == ng_running_priority(b) &&
           (!alike || a->priority == b->priority);
}

/* Does a chain, or one that it jumps to, have such an operation? `seen`: one per chain, those that
 * have been looked through. */
typedef bool (*op_fn)(const struct ng_op *op);

static bool chain_has(const struct ng_ruleset *ruleset, uint32_t index, op_fn is_such, bool *seen,
                      unsigned depth);

static bool leads_to(const struct ng_ruleset *ruleset, const struct ng_verdict *verdict,
                     op_fn is_such, bool *seen, unsigned depth) {
    return (verdict->kind == NG_VERDICT_JUMP || verdict->kind == NG_VERDICT_GOTO) &&
           chain_has(ruleset, verdict->chain, is_such, seen, depth + 1);
}

static bool op_has(const struct ng_ruleset *ruleset, const struct ng_op *op, op_fn is_such,
                   bool *seen, unsigned depth) {
    if (op->kind == NG_OP_VERDICT)
        return leads_to(ruleset, &op->verdict, is_such, seen, depth);
    bool has = is_such(op);
    for (size_t i = 0; op->kind == NG_OP_VMAP && i < op->match->n_boxes && !has; i++)
        has = leads_to(ruleset, &op->match->boxes[i].verdict, is_such, seen, depth);
    return has;
}

static bool chain_has(const struct ng_ruleset *ruleset, uint32_t index, op_fn is_such, bool *seen,
                      unsigned depth) {
    enum { FAR = 128 }; /* further than any kernel follows: perhaps */
    if (seen[index] || depth > FAR)
        return depth > FAR;
    seen[index] = true;
    const struct ng_chain *chain = &ruleset->chains[index];
    bool has = false;
    for (size_t i = chain->first_rule; i < chain->first_rule + chain->n_rules && !has; i++)
        for (size_t k = 0; k < ruleset->rules[i].n_ops && !has; k++)
            has = op_has(ruleset, &ruleset->rules[i].ops[k], is_such, seen, depth);
    return has;
}

/* Does it change what a later chain sees of the packet? */
static bool changes_packets(const struct ng_op *op) {
    return op->kind >= NG_OP_DNAT && op->kind != NG_OP_NOTHING;
}

/* How many from `first` on may run in any order, with different results. */
static int count_tied(const struct ng_engine_state *state, const uint32_t *chains, size_t count,
                      size_t first, uint8_t *ret_tied) {
    const struct ng_ruleset *ruleset = state->ruleset;
    const struct ng_chain *one = &ruleset->chains[chains[first]];
    size_t n = 1;
    bool untold = false, changes = false;
    for (; first + n < count && same_turn(one, &ruleset->chains[chains[first + n]]); n++) {
        const struct ng_chain *other = &ruleset->chains[chains[first + n]];
        untold = untold || other->table != one->table || other->handle == one->handle ||
                 (other->type == NG_CHAIN_NAT) != (one->type == NG_CHAIN_NAT);
    }
    *ret_tied = 1;
    if (!untold)
        return 0;
    bool *seen = calloc(ruleset->n_chains, sizeof(*seen));
    if (!seen)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        changes = chain_has(ruleset, chains[first + i], changes_packets, seen, 0) || changes;
    free(seen);
    if (changes)
        *ret_tied = n > UINT8_MAX ? UINT8_MAX : (uint8_t)n;
    return 0;
}

static bool asks_connection(const struct ng_operand *operands, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (operands[i].field >= NG_FIELD_CT_STATE && operands[i].field <= NG_FIELD_CT_ZONE)
            return true;
    return false;
}

/* Is a value assigned that conntrack keeps, sees, or is asked for? */
static bool assigns_for_connection(const struct ng_assign *assign) {
    const struct ng_match *map = assign->map;
    return assign->target == NG_FIELD_CT_MARK || assign->target == NG_FIELD_DADDR ||
           assign->target == NG_FIELD_DPORT || asks_connection(assign->terms, assign->n_terms) ||
           (map && asks_connection(map->operands, map->n_operands));
}

/* Does it come to something else once conntrack has seen the packet? */
static bool depends_on_conntrack(const struct ng_op *op) {
    switch (op->kind) {
    case NG_OP_MATCH:
    case NG_OP_VMAP:
        return asks_connection(op->match->operands, op->match->n_operands);
    case NG_OP_ASSIGN:
        return assigns_for_connection(op->assign);
    default:
        return op->kind == NG_OP_NOTRACK;
    }
}

static int find_beside_conntrack(struct ng_engine_state *state) {
    const struct ng_ruleset *ruleset = state->ruleset;
    bool *beside = ng_arena_alloc(state->arena, ruleset->n_chains, sizeof(*beside));
    bool *seen = ng_arena_alloc(state->arena, ruleset->n_chains, sizeof(*seen));
    if (!beside || !seen)
        return -ENOMEM;
    for (uint32_t i = 0; i < ruleset->n_chains; i++) {
        const struct ng_chain *chain = &ruleset->chains[i];
        if (!chain->base || chain->hook != NG_HOOK_PREROUTING ||
            ruleset->tables[chain->table].family == NG_TABLE_BRIDGE ||
            ng_running_priority(chain) != PRIORITY_CONNTRACK)
            continue;
        memset(seen, 0, ruleset->n_chains * sizeof(*seen));
        beside[i] = chain_has(ruleset, i, depends_on_conntrack, seen, 0);
    }
    state->beside_conntrack = beside;
    return 0;
}

static bool of_family(const struct ng_table *table, uint8_t family) {
    return table->family == NG_TABLE_INET || table->family == NG_TABLE_NETDEV ||
           table->family == (family == NG_IP4 ? NG_TABLE_IP : NG_TABLE_IP6);
}

static bool sees(const struct ng_table *table, uint8_t family) {
    return !table->dormant && of_family(table, family);
}

static bool sees_bridge(const struct ng_table *table, uint8_t family) {
    (void)family;
    return !table->dormant && table->family == NG_TABLE_BRIDGE;
}

typedef bool (*sees_fn)(const struct ng_table *table, uint8_t family);

static int collect_hook(struct ng_engine_state *state, sees_fn is_seen, uint8_t family,
                        enum ng_hook hook, struct hook_chains *ret_hook) {
    const struct ng_ruleset *ruleset = state->ruleset;
    uint32_t *chains = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < ruleset->n_chains; i++) {
        const struct ng_chain *chain = &ruleset->chains[i];
        if (!chain->base || chain->hook != hook || !is_seen(&ruleset->tables[chain->table], family))
            continue;
        uint32_t *slot = NG_ARENA_APPEND(state->arena, chains, count, capacity);
        if (!slot)
            return -ENOMEM;
        *slot = (uint32_t)i;
    }
    if (count)
        qsort_r(chains, count, sizeof(*chains), compare_running, (void *)ruleset);
    uint8_t *tied = ng_arena_alloc(state->arena, count, sizeof(*tied));
    if (!tied)
        return -ENOMEM;
    for (size_t i = 0; i < count; i += tied[i]) {
        int r = count_tied(state, chains, count, i, &tied[i]);
        if (r < 0)
            return r;
    }
    *ret_hook = (struct hook_chains){chains, tied, count};
    return 0;
}

/* -- what the rules as a whole bring about -------------------------------------------- */

static bool rule_tracks(const struct ng_rule *rule) {
    bool tracks = rule->tracks;
    for (size_t i = 0; i < rule->n_ops && !tracks; i++)
        tracks = rule->ops[i].kind == NG_OP_DNAT || rule->ops[i].kind == NG_OP_REDIRECT ||
                 rule->ops[i].kind == NG_OP_SNAT;
    return tracks;
}

static bool rule_rewrites(const struct ng_rule *rule) {
    for (size_t i = 0; i < rule->n_ops; i++)
        if (rule->ops[i].kind == NG_OP_ASSIGN && (rule->ops[i].assign->target == NG_FIELD_DADDR ||
                                                  rule->ops[i].assign->target == NG_FIELD_DPORT))
            return true;
    return false;
}

static void look_through(struct ng_engine_state *state) {
    const struct ng_ruleset *ruleset = state->ruleset;
    for (unsigned ip6 = 0; ip6 < 2; ip6++) {
        uint8_t family = ip6 ? NG_IP6 : NG_IP4;
        for (size_t i = 0; i < ruleset->n_chains; i++) {
            const struct ng_chain *chain = &ruleset->chains[i];
            if (chain->base && chain->type == NG_CHAIN_NAT &&
                sees(&ruleset->tables[chain->table], family))
                state->has_nat[ip6] = true;
        }
        /* Also the rules of a dormant table count. */
        for (size_t i = 0; i < ruleset->n_rules && !state->tracks[ip6]; i++) {
            const struct ng_chain *chain = &ruleset->chains[ruleset->rules[i].chain];
            state->tracks[ip6] = of_family(&ruleset->tables[chain->table], family) &&
                                 rule_tracks(&ruleset->rules[i]);
        }
    }
    for (size_t i = 0; i < ruleset->n_rules; i++)
        state->rewrites = state->rewrites || rule_rewrites(&ruleset->rules[i]);
    for (size_t i = 0; i < state->world->n_route_rules; i++) {
        const struct ng_route_rule *rule = &state->world->route_rules[i];
        if (rule->src.family || rule->sport_lo || rule->sport_hi || rule->dport_lo ||
            rule->dport_hi)
            state->routed_by_source = true;
    }
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
        int r = ng_route_sources(state->world, link, state->arena, &state->rp_sources[i]);
        if (r < 0)
            return r;
    }
    state->links = links;
    return 0;
}

static int prepare(struct ng_engine_state *state) {
    int r = prepare_links(state);
    if (r == 0)
        r = ng_source_prepare(state);
    if (r == 0)
        r = find_beside_conntrack(state);
    look_through(state);
    for (enum ng_hook hook = 0; r == 0 && hook < NG_HOOK_COUNT; hook++) {
        r = collect_hook(state, sees, NG_IP4, hook, &state->hooks[0][hook]);
        if (r == 0)
            r = collect_hook(state, sees, NG_IP6, hook, &state->hooks[1][hook]);
        if (r == 0)
            r = collect_hook(state, sees_bridge, NG_IP4, hook, &state->bridge_hooks[hook]);
    }
    struct chain_index *indexes =
        ng_arena_alloc(state->arena, state->ruleset->n_chains, sizeof(*indexes));
    if (!indexes)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < state->ruleset->n_chains; i++)
        r = index_chain(state, &state->ruleset->chains[i], &indexes[i]);
    state->indexes = indexes;
    for (unsigned ip6 = 0; r == 0 && ip6 < 2; ip6++)
        r = ng_classes_make(state->arena, state->world, state->ruleset, ip6 ? NG_IP6 : NG_IP4,
                            &state->classes[ip6]);
    return r;
}

size_t ng_reach_distinct(const struct ng_engine_state *state, uint8_t family, ng_u128 *addrs,
                         size_t count) {
    return ng_classes_distinct(&state->classes[family == NG_IP6], addrs, count);
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
