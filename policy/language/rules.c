/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules: which ports may be reached from where. */
#include "policy/language/rules.h"
#include "policy/language/selector.h"
#include "policy/language/words.h"

#include <errno.h>
#include <string.h>

/* Every rule is held against every exposure: far more than anyone writes, far less than
 * would make that slow. */
#define MAX_RULES 4096

enum rule_key { ID, ALLOW, DENY, FROM, TO, ACTION, SEVERITY, REASON, N_RULE_KEYS };

static const char *const rule_keys[N_RULE_KEYS] = {
    [ID] = "id", [ALLOW] = "allow",   [DENY] = "deny",         [FROM] = "from",
    [TO] = "to", [ACTION] = "action", [SEVERITY] = "severity", [REASON] = "reason",
};

int ng_read_action(const struct ng_node *node, enum ng_action *ret_action,
                   struct ng_faults *faults) {
    size_t i;
    int r = ng_read_word(node, "'action'", &ng_action_words[NG_ALERT], NG_ACTION_WORDS - NG_ALERT,
                         &i, faults);
    if (r == 0)
        *ret_action = (enum ng_action)(NG_ALERT + i);
    return r;
}

void ng_read_alert(const struct ng_node *node, const char *why, struct ng_faults *faults) {
    enum ng_action action = NG_ALERT;
    ng_read_action(node, &action, faults);
    if (action == NG_BLOCK)
        ng_node_fault(faults, node, -EINVAL, "%s", why);
}

int ng_read_severity(const struct ng_node *node, enum ng_severity *ret_severity,
                     struct ng_faults *faults) {
    size_t i;
    int r = ng_read_word(node, "'severity'", ng_severity_words, NG_SEVERITY_WORDS, &i, faults);
    if (r == 0)
        *ret_severity = (enum ng_severity)i;
    return r;
}

/* -- rules --------------------------------------------------------------------------- */

static void read_ports(struct ng_rule_list *list, const struct ng_node *const *values,
                       struct ng_rule_policy *rule, struct ng_faults *faults) {
    static const enum rule_key keys[] = {ALLOW, DENY};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (values[keys[i]])
            ng_ports_read(list->groups, values[keys[i]], &rule->ports, &rule->n_ports, faults);
}

static void read_scope(struct ng_rule_list *list, const struct ng_node *const *values,
                       struct ng_rule_policy *rule, struct ng_faults *faults) {
    static const char *const from_public[] = {NG_ZONE_PUBLIC};

    rule->from = (struct ng_strings){.items = from_public, .count = ARRAY_SIZE(from_public)};
    if (values[FROM])
        ng_zones_read(list->zones, values[FROM], "'from'", &rule->from, faults);
    if (values[TO])
        ng_selectors_read(list->arena, values[TO], "'to'", &rule->to, &rule->n_to, faults);
}

/* An action or severity at an allow rule would look like it did something. */
static void refuse_consequence(const struct ng_node *const *values, struct ng_faults *faults) {
    static const enum rule_key of_deny[] = {ACTION, SEVERITY};
    for (size_t i = 0; i < ARRAY_SIZE(of_deny); i++)
        if (values[of_deny[i]])
            ng_node_fault(faults, values[of_deny[i]]->key, -EINVAL,
                          "'%s' belongs to deny rules: what is allowed makes no finding; remove it",
                          rule_keys[of_deny[i]]);
}

static void read_consequence(const struct ng_node *const *values, struct ng_rule_policy *rule,
                             struct ng_faults *faults) {
    if (values[ACTION])
        ng_read_action(values[ACTION], &rule->action, faults);
    if (values[SEVERITY])
        ng_read_severity(values[SEVERITY], &rule->severity, faults);
}

static void add_rule(struct ng_rule_list *list, const struct ng_node *node,
                     struct ng_faults *faults) {
    const struct ng_node *values[N_RULE_KEYS];
    int r = ng_read_mapping(node, "a rule", rule_keys, N_RULE_KEYS, values, faults);
    bool allow = values[ALLOW] && !values[DENY];
    struct ng_rule_policy rule = {
        .allow = allow,
        .action = allow ? NG_ALLOW : list->defaults.action,
        .severity = allow ? NG_INFO : list->defaults.severity,
        .place = ng_node_place(node),
    };
    const struct ng_name name = {.what = "rule", .allows = allow, .place = rule.place};

    if (r == 0 && !values[ID])
        ng_node_fault(faults, node, -EINVAL,
                      "a rule needs an 'id': findings and exceptions name it");
    if (r == 0 && !values[ALLOW] && !values[DENY])
        ng_node_fault(faults, node, -EINVAL, "a rule needs 'allow' or 'deny' with a list of ports");
    if (values[ALLOW] && values[DENY])
        ng_node_fault(faults, node, -EINVAL,
                      "a rule has 'allow' or 'deny', and this one both; make it two rules");
    ng_names_read(list->names, values[ID], name, &rule.id, faults);
    read_ports(list, values, &rule, faults);
    read_scope(list, values, &rule, faults);
    if (allow)
        refuse_consequence(values, faults);
    else
        read_consequence(values, &rule, faults);
    if (values[REASON])
        ng_read_prose(list->arena, values[REASON], "'reason'", &rule.reason, faults);
    ng_rules_append(list, &rule, faults);
}

void ng_rules_append(struct ng_rule_list *list, const struct ng_rule_policy *rule,
                     struct ng_faults *faults) {
    struct ng_rule_policy *slot =
        NG_ARENA_APPEND(list->arena, list->rules, list->n_rules, list->rules_capacity);
    if (slot)
        *slot = *rule;
    else
        ng_faults_no_memory(faults);
}

void ng_rules_add(struct ng_rule_list *list, const struct ng_node *node, struct ng_faults *faults) {
    size_t count = ng_expect_list(node, "'rules'", faults);
    list->names->incomplete = list->names->incomplete || node->type != NG_NODE_LIST;
    for (size_t i = 0; i < count && ng_faults_go_on(faults); i++) {
        if (list->n_rules == MAX_RULES) {
            ng_node_fault(faults, node->items[i], -E2BIG, "more than %d rules", MAX_RULES);
            return;
        }
        add_rule(list, node->items[i], faults);
    }
}
