/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_ZONES_H
#define NETGUARD_LANGUAGE_ZONES_H

#include "policy/language/tree.h"

/* The zones of a policy while it is read, in order over all files. */
struct ng_zone_list {
    struct ng_arena *arena;
    struct ng_zone *zones;
    size_t count, capacity;
    bool incomplete; /* there may be more: some could not be read */
};

/* Adds one file's `zones:`. */
void ng_zones_add(struct ng_zone_list *list, const struct ng_node *node, struct ng_faults *faults);

/* After the last file: one zone or several, each of which must exist; `what` is the key: "'from'".
 */
int ng_zones_read(const struct ng_zone_list *list, const struct ng_node *node, const char *what,
                  struct ng_strings *ret_zones, struct ng_faults *faults);

#endif
