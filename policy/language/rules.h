/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_RULES_H
#define NETGUARD_LANGUAGE_RULES_H

/* Rules and the exceptions to them. */

#include "policy/language/ports.h"
#include "policy/language/zones.h"

/* Begins the ids of rules that come of `usage:`. */
#define NG_USAGE_ID_PREFIX "usage."

/* What a deny rule has that does not say itself. */
struct ng_rule_defaults {
    enum ng_action action;
    enum ng_severity severity;
};

/* What rules are read with: all that the files said before their rules. */
struct ng_rule_list {
    struct ng_arena *arena;
    struct ng_port_groups *groups;
    const struct ng_zone_list *zones;
    struct ng_rule_defaults defaults;
    struct ng_rule_policy *rules;
    size_t n_rules, rules_capacity;
    struct ng_exception *exceptions;
    size_t n_exceptions, exceptions_capacity;
};

/* Adds one file's `rules:`. `source` must live as long as the policy. */
int ng_rules_add(struct ng_rule_list *list, const struct ng_node *node, const char *source,
                 struct ng_error *error) _must_check_;

/* Adds one that was not written as a rule. 0 or -ENOMEM. */
int ng_rules_append(struct ng_rule_list *list, const struct ng_rule_policy *rule) _must_check_;

/* After the last rule: adds one file's `exceptions:`. */
int ng_exceptions_add(struct ng_rule_list *list, const struct ng_node *node,
                      struct ng_error *error) _must_check_;

/* An `action:` of a deny rule, and any `severity:`. */
int ng_read_action(const struct ng_node *node, enum ng_action *ret_action,
                   struct ng_error *error) _must_check_;
int ng_read_severity(const struct ng_node *node, enum ng_severity *ret_severity,
                     struct ng_error *error) _must_check_;

#endif
