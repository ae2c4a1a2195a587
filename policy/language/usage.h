/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_USAGE_H
#define NETGUARD_LANGUAGE_USAGE_H

/* `usage:`: how the engine may be used, and by whom. */

#include "policy/language/rules.h"

/* The engine's own ports for one purpose, over all files. */
struct ng_listeners_usage {
    const struct ng_node *place; /* where it was first said; NULL: it was not */
    struct ng_strings zones;     /* who may reach them */
    bool has_action, has_severity;
    enum ng_action action;
    enum ng_severity severity;
};

struct ng_usage_list {
    struct ng_arena *arena;
    const struct ng_zone_list *zones;
    struct ng_listeners_usage docker_api, cluster;
};

/* After the last zone: adds one file's `usage:`. Lists append, the last scalar stands. */
int ng_usage_add(struct ng_usage_list *list, const struct ng_node *node,
                 struct ng_error *error) _must_check_;

/* After the last file, before its rules: what it comes to, as rules. */
int ng_usage_make_rules(const struct ng_usage_list *list, struct ng_rule_list *rules,
                        struct ng_error *error) _must_check_;

#endif
