/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_GUARD_CHAIN_H
#define NETGUARD_GUARD_CHAIN_H

/* Chains of the table while they are written: ACCEPT(&chain, is(NG_GUARD_L4PROTO, NG_TCP),
 * in(known)) is a rule. */

#include "policy/guard/parts.h"

#include <string.h>

static inline struct ng_guard_test test(enum ng_guard_test_kind kind) {
    return (struct ng_guard_test){.kind = kind};
}

static inline struct ng_guard_test is(enum ng_guard_field field, ng_u128 number) {
    return (struct ng_guard_test){
        .kind = NG_GUARD_IS, .fields = {field}, .n_fields = 1, .value = {.number = number}};
}

static inline struct ng_guard_test is_not(enum ng_guard_field field, ng_u128 number) {
    struct ng_guard_test test = is(field, number);
    test.kind = NG_GUARD_IS_NOT;
    return test;
}

static inline struct ng_guard_test is_link(enum ng_guard_field field, const char *name) {
    struct ng_guard_test test = is(field, 0);
    test.value.name = name;
    return test;
}

static inline struct ng_guard_test between(enum ng_guard_field field, ng_u128 lo, ng_u128 hi) {
    struct ng_guard_test test = is(field, lo);
    if (lo != hi)
        test.kind = NG_GUARD_BETWEEN;
    test.end = hi;
    return test;
}

static inline struct ng_guard_test by_set(enum ng_guard_test_kind kind, const struct list *list) {
    struct ng_guard_test test = {.kind = kind};
    if (!list) /* memory ran out */
        return test;
    memcpy(test.fields, list->set.fields, sizeof(test.fields));
    test.n_fields = list->set.n_fields;
    test.set = list->set.name;
    return test;
}

static inline struct ng_guard_test in(const struct list *list) {
    return by_set(NG_GUARD_IN, list);
}

static inline struct ng_guard_test vmap(const struct list *list) {
    return by_set(NG_GUARD_VMAP, list);
}

/* A chain while it is filled. */
struct chain {
    struct maker *maker;
    struct ng_guard_chain chain;
    struct ng_guard_rule *rules;
    size_t count, capacity;
};

void ng_guard_add_rule(struct chain *chain, struct ng_guard_rule rule,
                       const struct ng_guard_test *tests, size_t count);
/* One without tests. */
void ng_guard_always(struct chain *chain, enum ng_guard_verdict verdict, const char *target);
/* It is whole: into the table. Whoever is jumped to before who jumps. */
void ng_guard_hand_over(struct chain *chain);

#define RULE(target, ng_verdict, target_chain, ...)                                                \
    ng_guard_add_rule(                                                                             \
        (target), (struct ng_guard_rule){.verdict = (ng_verdict), .chain = (target_chain)},        \
        (const struct ng_guard_test[]){__VA_ARGS__},                                               \
        sizeof((const struct ng_guard_test[]){__VA_ARGS__}) / sizeof(struct ng_guard_test))
#define ACCEPT(target, ...)  RULE(target, NG_GUARD_ACCEPT, NULL, __VA_ARGS__)
#define LOOK_UP(target, ...) RULE(target, NG_GUARD_CONTINUE, NULL, __VA_ARGS__)

#endif
