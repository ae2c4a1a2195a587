/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TEST_FIXTURE_GUARDED_H
#define NETGUARD_TEST_FIXTURE_GUARDED_H

/* A host, and the guard that its policy makes; in nft's words. */

#include "tests/unit/fixture_host.h"

#include "agent/act/guard_text.h"
#include "netguard/guard.h"

static inline struct ng_guard make_guard(struct host *host, unsigned armed_s) {
    struct ng_guard guard;
    assert_int_equal(ng_guard_make(judge(host), &(struct ng_guard_options){.armed_s = armed_s},
                                   host->lab->arena, &guard),
                     0);
    return guard;
}

/* "ports_tcp_public: 6379 : goto rule_no-stores", a line for each set that has elements. */
static inline const char *sets_text(struct host *host) {
    struct ng_arena *arena = host->lab->arena;
    struct ng_guard guard = make_guard(host, 0);
    const char *text = "";
    for (size_t i = 0; i < guard.n_sets; i++) {
        const struct ng_guard_set *set = &guard.sets[i];
        for (size_t k = 0; k < set->n_elements; k++)
            text = ng_arena_printf(arena, "%s%s%s", text,
                                   k ? ", " : ng_arena_printf(arena, "%s: ", set->name),
                                   ng_guard_element_text(arena, set, &set->elements[k]));
        if (set->n_elements)
            text = ng_arena_printf(arena, "%s\n", text);
    }
    return text;
}

/* The rules of one chain, a line each. */
static inline const char *chain_text(struct host *host, const char *name) {
    struct ng_arena *arena = host->lab->arena;
    struct ng_guard guard = make_guard(host, 0);
    const char *text = "";
    for (size_t i = 0; i < guard.n_chains; i++)
        for (size_t k = 0; strcmp(guard.chains[i].name, name) == 0 && k < guard.chains[i].n_rules;
             k++)
            text = ng_arena_printf(arena, "%s%s\n", text,
                                   ng_guard_rule_text(arena, &guard.chains[i].rules[k]));
    return text;
}

/* The one of its limits that has this in it; NULL: none has. */
static inline const char *limit_with(const struct ng_guard *guard, const char *text) {
    for (size_t i = 0; i < guard->limits.count; i++)
        if (strstr(guard->limits.items[i], text))
            return guard->limits.items[i];
    return NULL;
}

#endif
