/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_FIXTURE_GUARD_H
#define NETGUARD_FIXTURE_GUARD_H

/* Guards that are made up: every test, field and kind of set is in them, and a seed chooses among
 * elements and rules, so that one is so and so far from the next. */

#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "netguard/guard.h"

struct made_guard {
    struct ng_arena *arena;
    uint64_t random;
    struct ng_guard guard;
    struct ng_guard_set *sets;
    struct ng_guard_chain *chains;
    size_t sets_capacity, chains_capacity;
};

/* Marsaglia's xorshift64. */
static inline uint64_t guard_random(struct made_guard *made, uint64_t below) {
    made->random ^= made->random << 13;
    made->random ^= made->random >> 7;
    made->random ^= made->random << 17;
    return made->random % below;
}

/* -- values ---------------------------------------------------------------------------- */

enum { GUARD_VALUES = 6 };

#define ADDR6(low) ((ng_u128)0x20010db8 << 96 | (low))

/* Sorted. */
static const ng_u128 guard_ports[] = {0, 1, 22, 80, 81, 65535};
static const ng_u128 guard_addrs4[] = {0,          0x0a000000, 0x0a0000ff,
                                       0x0a000100, 0xc0000201, 0xffffffff};
static const char *const guard_names[] = {"br-lan", "docker0", "eth0", "eth0.100", "wg0", "wlan0"};

static inline bool guard_is_name(enum ng_guard_field field) {
    return field == NG_GUARD_IIFNAME || field == NG_GUARD_OIFNAME;
}

static inline struct ng_guard_value guard_value(enum ng_guard_field field, size_t i) {
    const ng_u128 addrs6[] = {0, 1, ADDR6(0), ADDR6(1), ADDR6(2), ~(ng_u128)0};
    switch (field) {
    case NG_GUARD_NFPROTO:
        return (struct ng_guard_value){.number = i % 2 ? NFPROTO_IPV6 : NFPROTO_IPV4};
    case NG_GUARD_IIFNAME:
    case NG_GUARD_OIFNAME:
        return (struct ng_guard_value){.name = guard_names[i]};
    case NG_GUARD_SADDR4:
    case NG_GUARD_DADDR4:
    case NG_GUARD_ASKED4:
        return (struct ng_guard_value){.number = guard_addrs4[i]};
    case NG_GUARD_SADDR6:
    case NG_GUARD_DADDR6:
    case NG_GUARD_ASKED6:
        return (struct ng_guard_value){.number = addrs6[i]};
    case NG_GUARD_L4PROTO:
        return (struct ng_guard_value){.number = (ng_u128[]){1, 6, 17, 50, 58, 132}[i]};
    default:
        return (struct ng_guard_value){.number = guard_ports[i]};
    }
}

static inline size_t guard_n_values(enum ng_guard_field field) {
    return field == NG_GUARD_NFPROTO ? 2 : GUARD_VALUES;
}

/* -- sets ------------------------------------------------------------------------------ */

static inline struct ng_guard_element *guard_element(struct ng_guard_set *set) {
    struct ng_guard_element *element = (struct ng_guard_element *)&set->elements[set->n_elements++];
    if (set->is_map)
        element->chain = "rule_no-stores";
    return element;
}

static inline void guard_fill_intervals(struct made_guard *made, struct ng_guard_set *set) {
    for (size_t i = 0; i < GUARD_VALUES; i++) {
        if (guard_random(made, 2) == 0)
            continue;
        struct ng_guard_element *element = guard_element(set);
        element->key[0] = guard_value(set->fields[0], i);
        i += guard_random(made, GUARD_VALUES - i) / 2;
        element->end = guard_value(set->fields[0], i).number;
        if (set->is_map && guard_random(made, 2))
            element->chain = "rule_other";
    }
}

/* Some of all combinations, in the order of the fields. */
static inline void guard_fill(struct made_guard *made, struct ng_guard_set *set,
                              struct ng_guard_element *so_far, size_t field) {
    if (field == set->n_fields) {
        if (guard_random(made, set->n_fields == 1 ? 2 : 20 * set->n_fields) == 0) {
            struct ng_guard_element *element = guard_element(set);
            memcpy(element->key, so_far->key, sizeof(element->key));
            if (set->is_map && guard_random(made, 2))
                element->chain = "rule_other";
        }
        return;
    }
    for (size_t i = 0; i < guard_n_values(set->fields[field]); i++) {
        so_far->key[field] = guard_value(set->fields[field], i);
        guard_fill(made, set, so_far, field + 1);
    }
}

enum guard_set_kind { KEYS, RANGES, MAP, RANGE_MAP };

static inline void guard_add_set(struct made_guard *made, const char *name,
                                 enum guard_set_kind kind, const enum ng_guard_field *fields,
                                 size_t n_fields) {
    struct ng_guard_set *set =
        NG_ARENA_APPEND(made->arena, made->sets, made->guard.n_sets, made->sets_capacity);
    size_t most = 1;
    struct ng_guard_element element = {0};
    for (size_t i = 0; i < n_fields; i++) {
        set->fields[i] = fields[i];
        most *= guard_n_values(fields[i]);
    }
    set->name = name;
    set->n_fields = n_fields;
    set->intervals = kind == RANGES || kind == RANGE_MAP;
    set->is_map = kind == MAP || kind == RANGE_MAP;
    set->elements = ng_arena_alloc(made->arena, most, sizeof(*set->elements));
    if (set->intervals)
        guard_fill_intervals(made, set);
    else
        guard_fill(made, set, &element, 0);
}

#define GUARD_SET(made, name, kind, ...)                                                           \
    guard_add_set(made, name, kind, (const enum ng_guard_field[]){__VA_ARGS__},                    \
                  ARRAY_SIZE(((const enum ng_guard_field[]){__VA_ARGS__})))

static inline void guard_make_sets(struct made_guard *made) {
    static const char *const names[] = {
        [NG_GUARD_NFPROTO] = "one_nfproto", [NG_GUARD_IIFNAME] = "one_iifname",
        [NG_GUARD_OIFNAME] = "one_oifname", [NG_GUARD_SADDR4] = "one_saddr4",
        [NG_GUARD_SADDR6] = "one_saddr6",   [NG_GUARD_DADDR4] = "one_daddr4",
        [NG_GUARD_DADDR6] = "one_daddr6",   [NG_GUARD_ASKED4] = "one_asked4",
        [NG_GUARD_ASKED6] = "one_asked6",   [NG_GUARD_L4PROTO] = "one_l4proto",
        [NG_GUARD_DPORT] = "one_dport",     [NG_GUARD_ASKED_PORT] = "one_asked_port",
    };
    GUARD_SET(made, "bound4", KEYS, NG_GUARD_L4PROTO, NG_GUARD_ASKED4, NG_GUARD_DADDR4,
              NG_GUARD_DPORT);
    GUARD_SET(made, "bound6", KEYS, NG_GUARD_L4PROTO, NG_GUARD_ASKED6, NG_GUARD_DADDR6,
              NG_GUARD_DPORT);
    GUARD_SET(made, "longest", KEYS, NG_GUARD_IIFNAME, NG_GUARD_OIFNAME, NG_GUARD_SADDR6,
              NG_GUARD_DADDR6);
    for (enum ng_guard_field field = NG_GUARD_NFPROTO; field <= NG_GUARD_ASKED_PORT; field++)
        GUARD_SET(made, names[field], KEYS, field);
    GUARD_SET(made, "map_iifname", MAP, NG_GUARD_IIFNAME);
    GUARD_SET(made, "map_nfproto_oifname", MAP, NG_GUARD_NFPROTO, NG_GUARD_OIFNAME);
    GUARD_SET(made, "map_to4", MAP, NG_GUARD_L4PROTO, NG_GUARD_DADDR4, NG_GUARD_DPORT);
    GUARD_SET(made, "ranges_daddr4", RANGE_MAP, NG_GUARD_DADDR4);
    GUARD_SET(made, "ranges_dport", RANGE_MAP, NG_GUARD_DPORT);
    GUARD_SET(made, "ranges_saddr4", RANGES, NG_GUARD_SADDR4);
    GUARD_SET(made, "ranges_saddr6", RANGES, NG_GUARD_SADDR6);
    GUARD_SET(made, "range_ports", RANGES, NG_GUARD_ASKED_PORT);
}

/* -- chains ---------------------------------------------------------------------------- */

static inline struct ng_guard_chain *guard_add_chain(struct made_guard *made, const char *name,
                                                     size_t most_rules) {
    struct ng_guard_chain *chain =
        NG_ARENA_APPEND(made->arena, made->chains, made->guard.n_chains, made->chains_capacity);
    chain->name = name;
    chain->rules = ng_arena_alloc(made->arena, most_rules, sizeof(*chain->rules));
    return chain;
}

/* A rule that begins with `meta l4proto tcp`, as one about ports has to. */
static inline struct ng_guard_test *guard_add_rule(struct made_guard *made,
                                                   struct ng_guard_chain *chain,
                                                   enum ng_guard_test_kind kind,
                                                   enum ng_guard_verdict verdict) {
    struct ng_guard_test *tests = ng_arena_alloc(made->arena, 2, sizeof(*tests));
    tests[0] = (struct ng_guard_test){.kind = NG_GUARD_IS,
                                      .fields = {NG_GUARD_L4PROTO},
                                      .n_fields = 1,
                                      .value = {.number = NG_TCP}};
    tests[1].kind = kind;
    struct ng_guard_rule *rule = (struct ng_guard_rule *)&chain->rules[chain->n_rules++];
    *rule = (struct ng_guard_rule){
        .tests = tests, .n_tests = 2, .verdict = verdict, .chain = "rule_other"};
    return &tests[1];
}

static inline void guard_add_compare(struct made_guard *made, struct ng_guard_chain *chain,
                                     enum ng_guard_test_kind kind, enum ng_guard_field field,
                                     struct ng_guard_value value, ng_u128 last) {
    struct ng_guard_test *test = guard_add_rule(made, chain, kind, NG_GUARD_ACCEPT);
    test->fields[0] = field;
    test->n_fields = 1;
    test->value = value;
    test->end = last;
    if (field == NG_GUARD_L4PROTO) { /* one protocol at a time */
        struct ng_guard_rule *rule = (struct ng_guard_rule *)&chain->rules[chain->n_rules - 1];
        rule->tests++;
        rule->n_tests--;
    }
}

static inline void guard_make_compares(struct made_guard *made, struct ng_guard_chain *chain) {
    for (enum ng_guard_field field = NG_GUARD_NFPROTO; field <= NG_GUARD_ASKED_PORT; field++) {
        struct ng_guard_value one = guard_value(field, 1), more = guard_value(field, 4);
        guard_add_compare(made, chain, NG_GUARD_IS, field, one, 0);
        guard_add_compare(made, chain, NG_GUARD_IS_NOT, field, one, 0);
        if (!guard_is_name(field) && field != NG_GUARD_NFPROTO)
            guard_add_compare(made, chain, NG_GUARD_BETWEEN, field, one, more.number);
    }
    const struct ng_guard_value tunnels = {.name = "wg*"};
    guard_add_compare(made, chain, NG_GUARD_IS, NG_GUARD_IIFNAME, tunnels, 0);
    guard_add_compare(made, chain, NG_GUARD_IS_NOT, NG_GUARD_OIFNAME, tunnels, 0);
}

static inline void guard_make_lookups(struct made_guard *made, struct ng_guard_chain *chain) {
    for (size_t i = 0; i < made->guard.n_sets; i++) {
        const struct ng_guard_set *set = &made->sets[i];
        for (enum ng_guard_test_kind kind = NG_GUARD_IN; kind <= NG_GUARD_VMAP; kind++) {
            if (set->is_map != (kind == NG_GUARD_VMAP))
                continue;
            struct ng_guard_test *test =
                guard_add_rule(made, chain, kind, set->is_map ? NG_GUARD_CONTINUE : NG_GUARD_JUMP);
            memcpy(test->fields, set->fields, sizeof(test->fields));
            test->n_fields = set->n_fields;
            test->set = set->name;
        }
    }
}

static inline void guard_make_effects(struct made_guard *made, struct ng_guard_chain *chain) {
    for (enum ng_guard_test_kind kind = NG_GUARD_TO_BRIDGE; kind <= NG_GUARD_UNTRACKED; kind++)
        guard_add_rule(made, chain, kind, NG_GUARD_ACCEPT);
    for (enum ng_guard_verdict verdict = NG_GUARD_CONTINUE; verdict <= NG_GUARD_JUMP; verdict++) {
        guard_add_rule(made, chain, NG_GUARD_ORIGINAL, verdict);
        ((struct ng_guard_rule *)&chain->rules[chain->n_rules - 1])->counter = true;
    }
    /* Headers are known once, and from a test of their own. */
    struct ng_guard_test *tests = ng_arena_alloc(made->arena, 3, sizeof(*tests));
    for (size_t i = 0; i < 3; i++) {
        enum ng_guard_field field =
            (enum ng_guard_field[]){NG_GUARD_NFPROTO, NG_GUARD_SADDR6, NG_GUARD_DADDR6}[i];
        tests[i] = (struct ng_guard_test){
            .kind = NG_GUARD_IS, .fields = {field}, .n_fields = 1, .value = guard_value(field, 1)};
    }
    ((struct ng_guard_rule *)chain->rules)[chain->n_rules++] =
        (struct ng_guard_rule){.tests = tests, .n_tests = 3, .verdict = NG_GUARD_DROP};
}

/* Logs and counts as the rules of a guard do. */
static inline void guard_make_rule_chain(struct made_guard *made, const char *name,
                                         const char *log) {
    struct ng_guard_chain *chain = guard_add_chain(made, name, 2);
    struct ng_guard_rule *rules = (struct ng_guard_rule *)chain->rules;
    rules[0].log = log;
    rules[1].counter = true;
    rules[1].verdict = NG_GUARD_DROP;
    chain->n_rules = 2;
}

/* Rules that the seed chooses. */
static inline void guard_make_chosen(struct made_guard *made, struct ng_guard_chain *chain) {
    for (size_t i = 0; i < GUARD_VALUES; i++)
        if (guard_random(made, 2))
            guard_add_compare(made, chain, NG_GUARD_IS, NG_GUARD_DPORT,
                              guard_value(NG_GUARD_DPORT, i), 0);
}

static inline int guard_compare_sets(const void *left, const void *right) {
    const struct ng_guard_set *a = left, *b = right;
    return strcmp(a->name, b->name);
}

/* All there is. */
static inline void guard_make_all(struct made_guard *made, uint64_t seed) {
    made->random = seed * 2654435761u + 88172645463325252u;
    guard_make_sets(made);
    qsort(made->sets, made->guard.n_sets, sizeof(*made->sets), guard_compare_sets);
    guard_make_rule_chain(made, "rule_no-stores", "netguard no-stores ");
    guard_make_rule_chain(made, "rule_other", "netguard other ");
    guard_make_chosen(made, guard_add_chain(made, "chosen", GUARD_VALUES));
    guard_make_compares(made, guard_add_chain(made, "compares", 64));
    guard_make_lookups(made, guard_add_chain(made, "lookups", 64));
    guard_make_effects(made, guard_add_chain(made, "effects", 64));
    struct ng_guard_chain *base = guard_add_chain(made, "forward", 1);
    base->base = true;
    base->hook = NG_HOOK_FORWARD;
    base->priority = -1;
    base = guard_add_chain(made, "input", 2);
    base->base = true;
    base->hook = NG_HOOK_INPUT;
    base->priority = -1;
    guard_add_compare(made, base, NG_GUARD_IS, NG_GUARD_IIFNAME, guard_value(NG_GUARD_IIFNAME, 2),
                      0);
    made->guard.sets = made->sets;
    made->guard.chains = made->chains;
}

/* Two sets of so many elements. */
static inline void guard_make_many(struct made_guard *made, size_t count) {
    struct ng_guard_set *set =
        NG_ARENA_APPEND(made->arena, made->sets, made->guard.n_sets, made->sets_capacity);
    *set = (struct ng_guard_set){
        .name = "to4",
        .fields = {NG_GUARD_L4PROTO, NG_GUARD_DADDR4, NG_GUARD_DPORT},
        .n_fields = 3,
        .elements = ng_arena_alloc(made->arena, count, sizeof(*set->elements)),
    };
    for (size_t i = 0; i < count; i++) {
        struct ng_guard_element *element = guard_element(set);
        element->key[0].number = NG_TCP;
        element->key[1].number = 0xac110000 + i / 100;
        element->key[2].number = 1000 + i % 100;
    }
    set = NG_ARENA_APPEND(made->arena, made->sets, made->guard.n_sets, made->sets_capacity);
    *set = (struct ng_guard_set){
        .name = "zone4",
        .fields = {NG_GUARD_SADDR4},
        .n_fields = 1,
        .intervals = true,
        .elements = ng_arena_alloc(made->arena, count, sizeof(*set->elements)),
    };
    for (size_t i = 0; i < count; i++) {
        struct ng_guard_element *element = guard_element(set);
        element->key[0].number = 0x0a000000 + i * 256;
        element->end = 0x0a000000 + i * 256 + 127;
    }
    made->guard.sets = made->sets;
}

/* In force for so long. */
static inline void guard_make_armed(struct made_guard *made, unsigned armed_s) {
    struct ng_guard_set *set =
        NG_ARENA_APPEND(made->arena, made->sets, made->guard.n_sets, made->sets_capacity);
    *set = (struct ng_guard_set){
        .name = "armed",
        .fields = {NG_GUARD_NFPROTO},
        .n_fields = 1,
        .timeout = true,
        .elements = ng_arena_alloc(made->arena, 2, sizeof(*set->elements)),
    };
    guard_element(set)->key[0].number = NFPROTO_IPV4;
    guard_element(set)->key[0].number = NFPROTO_IPV6;
    made->guard.sets = made->sets;
    made->guard.armed_s = armed_s;
    guard_make_rule_chain(made, "rule_no-stores", "netguard no-stores ");
    struct ng_guard_chain *chain = guard_add_chain(made, "input", 2);
    chain->base = true;
    chain->hook = NG_HOOK_INPUT;
    chain->priority = -1;
    struct ng_guard_test *test = guard_add_rule(made, chain, NG_GUARD_NOT_IN, NG_GUARD_ACCEPT);
    test->fields[0] = NG_GUARD_NFPROTO;
    test->n_fields = 1;
    test->set = "armed";
    made->guard.chains = made->chains;
}

#endif
