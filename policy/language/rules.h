/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_RULES_H
#define NETGUARD_LANGUAGE_RULES_H

/* Rules: which ports may be reached from where. */

#include "policy/language/names.h"
#include "policy/language/ports.h"
#include "policy/language/zones.h"

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
    struct ng_names *names;
    struct ng_rule_defaults defaults;
    struct ng_rule_policy *rules;
    size_t n_rules, rules_capacity;
};

/* Adds one file's `rules:`. */
void ng_rules_add(struct ng_rule_list *list, const struct ng_node *node, struct ng_faults *faults);

/* Adds one that was not written as a rule. */
void ng_rules_append(struct ng_rule_list *list, const struct ng_rule_policy *rule,
                     struct ng_faults *faults);

/* An `action:` of a deny rule, and any `severity:`. */
int ng_read_action(const struct ng_node *node, enum ng_action *ret_action,
                   struct ng_faults *faults);
int ng_read_severity(const struct ng_node *node, enum ng_severity *ret_severity,
                     struct ng_faults *faults);
/* An `action:` where there is nothing to block; `why` says so. */
void ng_read_alert(const struct ng_node *node, const char *why, struct ng_faults *faults);

#endif
