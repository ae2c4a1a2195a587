/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/guard/chain.h"

#include <errno.h>

void ng_guard_add_rule(struct chain *chain, struct ng_guard_rule rule,
                       const struct ng_guard_test *tests, size_t count) {
    struct maker *maker = chain->maker;
    struct ng_guard_test *own_tests = ng_guard_alloc(maker, count, sizeof(*own_tests));
    struct ng_guard_rule *own =
        NG_ARENA_APPEND(maker->arena, chain->rules, chain->count, chain->capacity);
    if (!own || !own_tests) {
        maker->error = -ENOMEM;
        return;
    }
    if (count)
        memcpy(own_tests, tests, count * sizeof(*tests));
    rule.tests = own_tests;
    rule.n_tests = count;
    *own = rule;
}

void ng_guard_always(struct chain *chain, enum ng_guard_verdict verdict, const char *target) {
    ng_guard_add_rule(chain, (struct ng_guard_rule){.verdict = verdict, .chain = target}, NULL, 0);
}

void ng_guard_hand_over(struct chain *chain) {
    struct maker *maker = chain->maker;
    struct ng_guard_chain *own =
        NG_ARENA_APPEND(maker->arena, maker->chains, maker->n_chains, maker->chains_capacity);
    if (!own) {
        maker->error = -ENOMEM;
        return;
    }
    *own = chain->chain;
    own->rules = chain->rules;
    own->n_rules = chain->count;
}
