/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_SEGREGATION_H
#define NETGUARD_LANGUAGE_SEGREGATION_H

/* `segregation:`: networks that must stay apart. */

#include "policy/language/names.h"

struct ng_segregation_list {
    struct ng_arena *arena;
    struct ng_names *names;
    enum ng_severity severity; /* where none is said */
    struct ng_segregation *items;
    size_t count, capacity;
};

/* Adds one file's `segregation:`. */
void ng_segregation_add(struct ng_segregation_list *list, const struct ng_node *node,
                        struct ng_faults *faults);

#endif
