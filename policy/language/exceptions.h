/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_EXCEPTIONS_H
#define NETGUARD_LANGUAGE_EXCEPTIONS_H

/* `exceptions:`: what is found and accepted, for now or for good. */

#include "policy/language/names.h"

struct ng_exception_list {
    struct ng_arena *arena;
    const struct ng_names *names;
    struct ng_exception *items;
    size_t count, capacity;
};

/* After the last rule and segregation: adds one file's `exceptions:`. */
void ng_exceptions_add(struct ng_exception_list *list, const struct ng_node *node,
                       struct ng_faults *faults);

#endif
