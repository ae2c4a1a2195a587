/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_ZONES_H
#define NETGUARD_LANGUAGE_ZONES_H

#include "policy/language/tree.h"

/* The zones of a policy while it is read, in order over all files. */
struct ng_zone_list {
    struct ng_arena *arena;
    struct ng_zone *zones;
    size_t count, capacity;
};

/* Adds one file's `zones:`. */
int ng_zones_add(struct ng_zone_list *list, const struct ng_node *node,
                 struct ng_error *error) _must_check_;

/* After the last file: one zone or several, each of which must exist; `what` is the key: "'from'".
 */
int ng_zones_read(const struct ng_zone_list *list, const struct ng_node *node, const char *what,
                  struct ng_strings *ret_zones, struct ng_error *error) _must_check_;

#endif
