/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TESTS_FIXTURE_RANDOM_H
#define NETGUARD_TESTS_FIXTURE_RANDOM_H

/* Numbers for property tests: the same on every machine and in every run (xorshift64). */

#include <stdint.h>

struct dice {
    uint64_t state; /* the seed, not 0 */
};

static inline uint64_t dice_next(struct dice *dice) {
    dice->state ^= dice->state << 13;
    dice->state ^= dice->state >> 7;
    dice->state ^= dice->state << 17;
    return dice->state;
}

/* 0 … sides - 1 */
static inline unsigned roll(struct dice *dice, unsigned sides) {
    return (unsigned)(dice_next(dice) >> 20) % sides;
}

#endif
