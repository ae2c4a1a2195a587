/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_FUZZ_RULESET_H
#define NETGUARD_FUZZ_RULESET_H

/* What is done to a ruleset in the kernel's words, as a snapshot file may carry it from anywhere:
 * it is decoded, printed, and asked who gets in. */

#include "agent/observe/ruleset_decode.h"
#include "tests/unit/fixture_world.h"

#include <errno.h>

static inline void print_all(const struct ng_ruleset *ruleset) {
    for (size_t i = 0; i < ruleset->n_rules; i++) {
        const char *text = ng_rule_text(ruleset->arena, ruleset, &ruleset->rules[i]);
        assert(text && ruleset->rules[i].chain < ruleset->n_chains);
    }
}

/* Every source has some fate. */
static inline void check_answer(struct lab *lab, const struct ng_answer *answer, uint8_t family) {
    struct ng_addrset everyone = {0}, addrs;
    for (size_t i = 0; i < answer->n_outcomes; i++)
        if (ng_region_addrs(lab->arena, answer->outcomes[i].region, &addrs) < 0 ||
            ng_addrset_union(lab->arena, everyone, addrs, &everyone) < 0)
            abort();
    assert(everyone.count == 1 && everyone.intervals[0].lo == 0);
    assert(everyone.intervals[0].hi == ng_family_max(family));
}

static inline void ask_some(const struct ng_ruleset *ruleset) {
    static const struct {
        const char *daddr;
        uint8_t proto;
        uint16_t port;
    } questions[] = {
        {"192.0.2.1", NG_TCP, 80},
        {"172.17.0.2", NG_UDP, 53},
        {"2001:db8::1", NG_TCP, 443},
        {"fd00::2", NG_TCP, 80},
    };
    struct lab *lab = lab_new();
    if (ng_reach_new(&lab->world, ruleset, &lab->engine) < 0)
        abort();
    for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
        struct ng_addr daddr = addr(questions[i].daddr);
        const struct ng_question question = {.family = daddr.family,
                                             .proto = questions[i].proto,
                                             .iif = ETH0,
                                             .daddr = daddr.value,
                                             .dport = questions[i].port};
        struct ng_answer answer;
        if (ng_reach_ask(lab->engine, &question, lab->arena, &answer) < 0)
            abort();
        check_answer(lab, &answer, daddr.family);
    }
    lab_free(lab);
}

static inline void try_ruleset(const struct ng_world *world) {
    struct ng_ruleset *ruleset = NULL;
    struct ng_error error = {0};
    int r = ng_ruleset_decode(world, &ruleset, &error);
    assert(r == 0 || r == -EBADMSG);
    assert((r < 0) == (error.message[0] != '\0'));
    if (r == 0) {
        print_all(ruleset);
        ask_some(ruleset);
    }
    ng_ruleset_free(ruleset);
}

#endif
