/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_PORTS_H
#define NETGUARD_LANGUAGE_PORTS_H

/* Port items and their groups: text to struct ng_port_match. */

#include "policy/language/tree.h"

#define NG_ANY_PORT "@any"

struct ng_port_group {
    const char *name;
    const struct ng_port_match *ports;
    size_t n_ports;
    const char *also[2]; /* of a built-in one: others that it holds, too; NULL: none */
};

/* The groups that are there without being written, sorted by name; @any is not among them. */
extern const struct ng_port_group ng_built_in_groups[];
extern const size_t ng_n_built_in_groups;

/* The groups of a policy while it is read. */
struct ng_port_groups;

struct ng_port_groups *ng_port_groups_new(struct ng_arena *arena) _must_check_;

/* Adds one file's `ports:`. A group that another file has begun gets longer. */
void ng_port_groups_add(struct ng_port_groups *groups, const struct ng_node *node,
                        struct ng_faults *faults);

/* There may be more: some could not be read. */
void ng_port_groups_may_be_more(struct ng_port_groups *groups);

/* After the last file: what the names stand for. */
void ng_port_groups_resolve(struct ng_port_groups *groups, struct ng_faults *faults);

/* The list of a rule, groups expanded; what came from one carries its name. */
void ng_ports_read(struct ng_port_groups *groups, const struct ng_node *node,
                   const struct ng_port_match **ret_ports, size_t *ret_count,
                   struct ng_faults *faults);

#endif
