/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_USAGE_H
#define NETGUARD_LANGUAGE_USAGE_H

/* `usage:`: how the engine may be used, and by whom. */

#include "policy/language/rules.h"

enum { NG_USAGE_KEYS = NG_HABITS + 3 }; /* and those that come to rules */

/* One way to use the engine, over all files. */
struct ng_way_usage {
    const struct ng_node *place;     /* where it was first said; NULL: it was not */
    struct ng_strings zones;         /* who may: zones, */
    const struct ng_selector *allow; /* containers, */
    size_t n_allow;
    struct ng_strings allow_names; /* or what is no container */
    bool has_action, has_severity;
    enum ng_action action;
    enum ng_severity severity;
};

struct ng_usage_list {
    struct ng_arena *arena;
    const struct ng_zone_list *zones;
    struct ng_names *names;
    struct ng_way_usage ways[NG_USAGE_KEYS];
};

/* After the last zone: adds one file's `usage:`. Lists append, the last scalar stands. */
void ng_usage_add(struct ng_usage_list *list, const struct ng_node *node, struct ng_faults *faults);

/* After the last file, before its rules: what it comes to, as rules and habits, and under which
 * names. */
void ng_usage_finish(const struct ng_usage_list *list, struct ng_rule_list *rules,
                     struct ng_habit_policy ret_habits[static NG_HABITS], struct ng_faults *faults);

#endif
