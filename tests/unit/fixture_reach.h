/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TESTS_FIXTURE_REACH_H
#define NETGUARD_TESTS_FIXTURE_REACH_H

/* What the tests of the reach engine have in common: rulesets by hand, answers in words (see
 * outcome_text). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "tests/unit/fixture_world.h"

#define PREROUTING  NG_HOOK_PREROUTING
#define INPUT       NG_HOOK_INPUT
#define FORWARD     NG_HOOK_FORWARD
#define POSTROUTING NG_HOOK_POSTROUTING

#define NOT_LINK_LOCAL                                                                             \
    "::-fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff,fec0::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

/* From outside to this host's port 80. */
static inline const char *ask_host(struct lab *lab) {
    return ask(lab, ETH0, "192.0.2.1", NG_TCP, 80);
}

/* From outside to a container's. */
static inline const char *ask_container(struct lab *lab) {
    return ask(lab, ETH0, "172.17.0.2", NG_TCP, 80);
}

/* `(value & mask) ^ flip` between two numbers. */
static inline struct ng_op masked_match(struct lab *lab, enum ng_field field, ng_u128 mask,
                                        ng_u128 flip, ng_u128 lo, ng_u128 hi) {
    struct ng_operand of = operand(field);
    of.mask = mask;
    of.flip = flip;
    return match_set(lab, of, one_interval(lab, lo, hi));
}

#endif
