/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules: which ports may be reached from where; and the exceptions from them. */
#include "policy/language/rules.h"
#include "policy/language/selector.h"
#include "policy/language/words.h"

#include <errno.h>
#include <string.h>

/* Every rule is held against every exposure: far more than anyone writes, far less than
 * would make that slow. */
#define MAX_RULES      4096
#define MAX_EXCEPTIONS 4096

enum rule_key { ID, ALLOW, DENY, FROM, TO, ACTION, SEVERITY, REASON, N_RULE_KEYS };

static const char *const rule_keys[N_RULE_KEYS] = {
    [ID] = "id", [ALLOW] = "allow",   [DENY] = "deny",         [FROM] = "from",
    [TO] = "to", [ACTION] = "action", [SEVERITY] = "severity", [REASON] = "reason",
};

enum exception_key { OF_RULE, OF_TO, OF_UNTIL, OF_REASON, N_EXCEPTION_KEYS };

static const char *const exception_keys[N_EXCEPTION_KEYS] = {
    [OF_RULE] = "rule", [OF_TO] = "to", [OF_UNTIL] = "until", [OF_REASON] = "reason"};

/* The id that stands for the policy's `default:` in findings and exceptions. */
#define DEFAULT_ID "default"

static int no_memory(const struct ng_node *node, struct ng_error *error) {
    return ng_error_set(error, -ENOMEM, node->source, "out of memory");
}

int ng_read_action(const struct ng_node *node, enum ng_action *ret_action, struct ng_error *error) {
    size_t i;
    int r = ng_read_word(node, "'action'", &ng_action_words[NG_ALERT], NG_ACTION_WORDS - NG_ALERT,
                         &i, error);
    if (r == 0)
        *ret_action = (enum ng_action)(NG_ALERT + i);
    return r;
}

int ng_read_severity(const struct ng_node *node, enum ng_severity *ret_severity,
                     struct ng_error *error) {
    size_t i;
    int r = ng_read_word(node, "'severity'", ng_severity_words, NG_SEVERITY_WORDS, &i, error);
    if (r == 0)
        *ret_severity = (enum ng_severity)i;
    return r;
}

/* -- rules --------------------------------------------------------------------------- */

static const struct ng_rule_policy *find_rule(const struct ng_rule_list *list, const char *id) {
    for (size_t i = 0; i < list->n_rules; i++)
        if (strcmp(list->rules[i].id, id) == 0)
            return &list->rules[i];
    return NULL;
}

static int read_rule_id(const struct ng_rule_list *list, const struct ng_node *rule,
                        const struct ng_node *node, const char **ret_id, struct ng_error *error) {
    if (!node)
        return ng_node_error(error, rule, -EINVAL,
                             "a rule needs an 'id': findings and exceptions name it");
    int r = ng_read_id(list->arena, node, "the id of a rule", ret_id, error);
    if (r < 0)
        return r;
    if (strcmp(*ret_id, DEFAULT_ID) == 0)
        return ng_node_error(error, node, -EINVAL,
                             "the id 'default' stands for the policy's default; choose another");
    if (strncmp(*ret_id, NG_USAGE_ID_PREFIX, strlen(NG_USAGE_ID_PREFIX)) == 0)
        return ng_node_error(error, node, -EINVAL,
                             "ids that begin with '" NG_USAGE_ID_PREFIX
                             "' stand for what is said in 'usage'; choose another");
    const struct ng_rule_policy *first = find_rule(list, *ret_id);
    if (first)
        return ng_node_error(error, node, -EINVAL, "there is already a rule '%s' at %s:%u", *ret_id,
                             first->place.source, first->place.line);
    return 0;
}

static int read_verdict(struct ng_rule_list *list, const struct ng_node *node,
                        const struct ng_node *const *values, struct ng_rule_policy *rule,
                        struct ng_error *error) {
    if (!values[ALLOW] && !values[DENY])
        return ng_node_error(error, node, -EINVAL,
                             "the rule '%s' needs 'allow' or 'deny' with a list of ports",
                             rule->id);
    if (values[ALLOW] && values[DENY])
        return ng_node_error(error, node, -EINVAL,
                             "the rule '%s' has both 'allow' and 'deny'; make it two rules",
                             rule->id);
    rule->allow = values[ALLOW] != NULL;
    return ng_ports_read(list->groups, rule->allow ? values[ALLOW] : values[DENY], &rule->ports,
                         &rule->n_ports, error);
}

static int read_scope(struct ng_rule_list *list, const struct ng_node *const *values,
                      struct ng_rule_policy *rule, struct ng_error *error) {
    static const char *const from_public[] = {NG_ZONE_PUBLIC};

    rule->from = (struct ng_strings){.items = from_public, .count = ARRAY_SIZE(from_public)};
    int r =
        values[FROM] ? ng_zones_read(list->zones, values[FROM], "'from'", &rule->from, error) : 0;
    if (r < 0 || !values[TO])
        return r;
    return ng_selectors_read(list->arena, values[TO], "'to'", &rule->to, &rule->n_to, error);
}

/* An action or severity at an allow rule would look like it did something. */
static int read_consequence(const struct ng_rule_list *list, const struct ng_node *const *values,
                            struct ng_rule_policy *rule, struct ng_error *error) {
    static const enum rule_key of_deny[] = {ACTION, SEVERITY};

    if (rule->allow) {
        for (size_t i = 0; i < ARRAY_SIZE(of_deny); i++)
            if (values[of_deny[i]])
                return ng_node_error(error, values[of_deny[i]]->key, -EINVAL,
                                     "'%s' belongs to deny rules: what '%s' allows makes no "
                                     "finding; remove it",
                                     rule_keys[of_deny[i]], rule->id);
        rule->action = NG_ALLOW;
        rule->severity = NG_INFO;
        return 0;
    }
    rule->action = list->defaults.action;
    rule->severity = list->defaults.severity;
    int r = values[ACTION] ? ng_read_action(values[ACTION], &rule->action, error) : 0;
    if (r < 0 || !values[SEVERITY])
        return r;
    return ng_read_severity(values[SEVERITY], &rule->severity, error);
}

static int add_rule(struct ng_rule_list *list, const struct ng_node *node, const char *source,
                    struct ng_error *error) {
    const struct ng_node *values[N_RULE_KEYS];
    struct ng_rule_policy rule = {.place = {source, node->line, node->column}};

    int r = ng_read_mapping(node, "a rule", rule_keys, N_RULE_KEYS, values, error);
    if (r < 0)
        return r;
    r = read_rule_id(list, node, values[ID], &rule.id, error);
    if (r < 0)
        return r;
    r = read_verdict(list, node, values, &rule, error);
    if (r < 0)
        return r;
    r = read_scope(list, values, &rule, error);
    if (r < 0)
        return r;
    r = read_consequence(list, values, &rule, error);
    if (r < 0)
        return r;
    r = values[REASON] ? ng_read_prose(list->arena, values[REASON], "'reason'", &rule.reason, error)
                       : 0;
    if (r < 0)
        return r;
    if (list->n_rules == MAX_RULES)
        return ng_node_error(error, node, -E2BIG, "more than %d rules", MAX_RULES);
    return ng_rules_append(list, &rule) < 0 ? no_memory(node, error) : 0;
}

int ng_rules_append(struct ng_rule_list *list, const struct ng_rule_policy *rule) {
    struct ng_rule_policy *slot =
        NG_ARENA_APPEND(list->arena, list->rules, list->n_rules, list->rules_capacity);
    if (!slot)
        return -ENOMEM;
    *slot = *rule;
    return 0;
}

int ng_rules_add(struct ng_rule_list *list, const struct ng_node *node, const char *source,
                 struct ng_error *error) {
    int r = ng_expect_list(node, "'rules'", error);
    for (size_t i = 0; r == 0 && i < node->count; i++)
        r = add_rule(list, node->items[i], source, error);
    return r;
}

/* -- exceptions ---------------------------------------------------------------------- */

/* Days since 1970-01-01 of a date of the Gregorian calendar: years counted from March, so
 * that the leap day is the last of its year. */
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
    int64_t shifted_year = month > 2 ? year : year - 1;
    int64_t shifted_month = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    int64_t leap_days = shifted_year / 4 - shifted_year / 100 + shifted_year / 400;
    return shifted_year * 365 + leap_days + day_of_year - 719468;
}

static int64_t days_in_month(int64_t year, int64_t month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (leap && month == 2);
}

/* YYYY-MM-DD, a day that there is, from 1970 on. */
static bool parse_date(const char *text, int64_t *ret_days) {
    static const char shape[] = "dddd-dd-dd";
    int64_t parts[3] = {0};
    size_t part = 0;

    if (strlen(text) != sizeof(shape) - 1)
        return false;
    for (size_t i = 0; shape[i]; i++) {
        if (shape[i] == '-') {
            if (text[i] != '-')
                return false;
            part++;
        } else {
            if (text[i] < '0' || text[i] > '9')
                return false;
            parts[part] = parts[part] * 10 + (text[i] - '0');
        }
    }
    if (parts[0] < 1970 || parts[1] < 1 || parts[1] > 12 || parts[2] < 1 ||
        parts[2] > days_in_month(parts[0], parts[1]))
        return false;
    *ret_days = days_of(parts[0], parts[1], parts[2]);
    return true;
}

static int read_until(const struct ng_node *node, int64_t *ret_until_s, struct ng_error *error) {
    char found[NG_FOUND_TEXT];
    int64_t days;

    if (node->type != NG_NODE_TEXT || !parse_date(node->text, &days))
        return ng_node_error(error, node, -EINVAL,
                             "expected a date for 'until', such as 2027-01-31 (the last day, UTC), "
                             "found %s",
                             ng_node_found(node, found));
    *ret_until_s = (days + 1) * 86400;
    return 0;
}

static int unknown_rule(const struct ng_rule_list *list, const struct ng_node *node,
                        struct ng_error *error) {
    char found[NG_FOUND_TEXT], hint[NG_HINT_TEXT];
    const char **names = ng_arena_alloc(list->arena, list->n_rules + 1, sizeof(*names));
    if (!names)
        return no_memory(node, error);
    for (size_t i = 0; i < list->n_rules; i++)
        names[i] = list->rules[i].id;
    names[list->n_rules] = DEFAULT_ID;
    return ng_node_error(error, node, -EINVAL,
                         "an exception needs the id of a rule, or \"default\", but there is no "
                         "rule %s%s",
                         ng_quote(node->text, found),
                         ng_hint(node->text, names, list->n_rules + 1, hint));
}

static int read_excepted_rule(const struct ng_rule_list *list, const struct ng_node *exception,
                              const struct ng_node *node, const char **ret_rule,
                              struct ng_error *error) {
    if (!node)
        return ng_node_error(error, exception, -EINVAL,
                             "an exception needs 'rule': the id of the rule it is from");
    int r = ng_read_text(list->arena, node, "'rule'", ret_rule, error);
    if (r < 0 || strcmp(*ret_rule, DEFAULT_ID) == 0)
        return r;
    const struct ng_rule_policy *rule = find_rule(list, *ret_rule);
    if (!rule)
        return unknown_rule(list, node, error);
    if (rule->allow)
        return ng_node_error(error, node, -EINVAL,
                             "the rule '%s' allows: there is nothing to except from it", rule->id);
    return 0;
}

static int add_exception(struct ng_rule_list *list, const struct ng_node *node,
                         struct ng_error *error) {
    const struct ng_node *values[N_EXCEPTION_KEYS];
    struct ng_exception exception = {.until_s = INT64_MAX};

    int r = ng_read_mapping(node, "an exception", exception_keys, N_EXCEPTION_KEYS, values, error);
    if (r < 0)
        return r;
    r = read_excepted_rule(list, node, values[OF_RULE], &exception.rule, error);
    if (r < 0)
        return r;
    if (!values[OF_TO])
        return ng_node_error(error, node, -EINVAL,
                             "an exception needs 'to': which containers it is for");
    r = ng_selectors_read(list->arena, values[OF_TO], "'to'", &exception.to, &exception.n_to,
                          error);
    if (r < 0)
        return r;
    r = values[OF_UNTIL] ? read_until(values[OF_UNTIL], &exception.until_s, error) : 0;
    if (r < 0)
        return r;
    r = values[OF_REASON]
            ? ng_read_prose(list->arena, values[OF_REASON], "'reason'", &exception.reason, error)
            : 0;
    if (r < 0)
        return r;
    if (list->n_exceptions == MAX_EXCEPTIONS)
        return ng_node_error(error, node, -E2BIG, "more than %d exceptions", MAX_EXCEPTIONS);
    struct ng_exception *slot = NG_ARENA_APPEND(list->arena, list->exceptions, list->n_exceptions,
                                                list->exceptions_capacity);
    if (!slot)
        return no_memory(node, error);
    *slot = exception;
    return 0;
}

int ng_exceptions_add(struct ng_rule_list *list, const struct ng_node *node,
                      struct ng_error *error) {
    int r = ng_expect_list(node, "'exceptions'", error);
    for (size_t i = 0; r == 0 && i < node->count; i++)
        r = add_exception(list, node->items[i], error);
    return r;
}
