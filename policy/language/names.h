/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_NAMES_H
#define NETGUARD_LANGUAGE_NAMES_H

/* What findings go by, and exceptions name: rules, segregations and the keys of `usage:`. */

#include "policy/language/tree.h"

/* Begins the names of what is said in `usage:`. */
#define NG_USAGE_ID_PREFIX "usage."

/* Begins the names of what the profile `cis` finds beside all that. */
#define NG_CIS_ID_PREFIX "cis."

/* Stands for the policy's `default:`. */
#define NG_DEFAULT_ID "default"

struct ng_name {
    const char *id;
    const char *what; /* "rule" */
    bool allows;      /* a rule that makes no findings */
    struct ng_place place;
};

struct ng_names {
    struct ng_arena *arena;
    struct ng_name *names;
    size_t count, capacity;
    bool incomplete; /* there may be more: some could not be read */
};

/* The `id:` of a rule or segregation (`name.what`), NULL where it has none, for the owner to tell
 * of: unlike any before, and known from now on. */
void ng_names_read(struct ng_names *names, const struct ng_node *node, struct ng_name name,
                   const char **ret_id, struct ng_faults *faults);

/* One that nobody wrote as an id. */
void ng_names_add(struct ng_names *names, struct ng_name name, struct ng_faults *faults);

/* Those of the profile `cis` (netguard/cis.h), which every policy may except from. */
void ng_names_add_cis(struct ng_names *names, struct ng_faults *faults);

const struct ng_name *ng_names_find(const struct ng_names *names, const char *id);

#endif
