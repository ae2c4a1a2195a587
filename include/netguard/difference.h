/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_DIFFERENCE_H
#define NETGUARD_DIFFERENCE_H

/* What differs between two answers of the judge. */

#include "netguard/judge.h"

/* Who gets at an exposure that is in both, from one zone by one interface, and is not who got there
 * before. */
struct ng_difference {
    const struct ng_exposure *exposure; /* of the later one */
    const struct ng_reach *before, *after;
    bool opens;    /* somebody gets in who did not, or perhaps */
    bool by_guard; /* the guard's rules decide in one of them */
};

/* In the order of the later one's exposures; borrowed from both. 0 or -ENOMEM. */
int ng_difference_make(const struct ng_result *before, const struct ng_result *after,
                       struct ng_arena *arena, struct ng_difference **ret_items,
                       size_t *ret_count) _must_check_;

/* As much of a result as is needed for `before`, all of it in `arena`. 0 or -ENOMEM. */
int ng_difference_keep(const struct ng_result *result, struct ng_arena *arena,
                       struct ng_result *ret_kept) _must_check_;

#endif
