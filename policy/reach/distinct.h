/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_DISTINCT_H
#define NETGUARD_DISTINCT_H

#include "netguard/reach.h"

/* Which addresses of one family neither a rule nor routing tells apart. */
struct address_classes {
    const ng_u128 *addrs; /* sorted */
    uint32_t *class;      /* of each */
    size_t count;
    uint32_t n_classes;
    bool all_distinct; /* they are told apart by other means than sets of them */
};

/* Of the addresses of this host. 0 or -ENOMEM. */
int ng_classes_make(struct ng_arena *arena, const struct ng_world *world,
                    const struct ng_ruleset *ruleset, uint8_t family,
                    struct address_classes *ret_classes) _must_check_;

/* The same of any addresses but those of this host: sorted, none twice. */
int ng_classes_make_remote(struct ng_arena *arena, const struct ng_world *world,
                           const struct ng_ruleset *ruleset, uint8_t family, const ng_u128 *addrs,
                           size_t count, struct address_classes *ret_classes) _must_check_;

/* UINT32_MAX: not one of these addresses, or they are all told apart. */
uint32_t ng_class_of(const struct address_classes *classes, ng_u128 addr);

/* Of `addrs`, local ones, keeps the first of each class; returns how many. */
size_t ng_classes_distinct(const struct address_classes *classes, ng_u128 *addrs, size_t count);

#endif
