/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_DISTINCT_H
#define NETGUARD_DISTINCT_H

#include "netguard/reach.h"

/* Which local addresses of one family neither a rule nor routing tells apart. */
struct address_classes {
    const ng_u128 *addrs; /* those of this host, sorted */
    uint32_t *class;      /* of each */
    size_t count;
    uint32_t n_classes;
    bool all_distinct; /* they are told apart by other means than sets of them */
};

/* 0 or -ENOMEM. */
int ng_classes_make(struct ng_arena *arena, const struct ng_world *world,
                    const struct ng_ruleset *ruleset, uint8_t family,
                    struct address_classes *ret_classes) _must_check_;

/* Of `addrs`, local ones, keeps the first of each class; returns how many. */
size_t ng_classes_distinct(const struct address_classes *classes, ng_u128 *addrs, size_t count);

#endif
