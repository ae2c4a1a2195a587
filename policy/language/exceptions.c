/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/language/exceptions.h"
#include "policy/language/selector.h"

#include <errno.h>
#include <string.h>

#define MAX_EXCEPTIONS 4096

enum exception_key { RULE, TO, UNTIL, REASON, N_KEYS };

static const char *const exception_keys[N_KEYS] = {
    [RULE] = "rule", [TO] = "to", [UNTIL] = "until", [REASON] = "reason"};

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

static void read_until(const struct ng_node *node, int64_t *ret_until_s, struct ng_faults *faults) {
    char found[NG_FOUND_TEXT];
    int64_t days;

    if (node->type != NG_NODE_TEXT || !parse_date(node->text, &days))
        ng_node_fault(faults, node, -EINVAL,
                      "expected a date for 'until', such as 2027-01-31 (the last day, UTC), "
                      "found %s",
                      ng_node_found(node, found));
    else
        *ret_until_s = (days + 1) * 86400;
}

static void unknown_rule(const struct ng_exception_list *list, const struct ng_node *node,
                         struct ng_faults *faults) {
    char found[NG_FOUND_TEXT], hint[NG_HINT_TEXT];
    size_t count = list->names->count + 1;
    const char **names = ng_arena_alloc(list->arena, count, sizeof(*names));
    if (!names) {
        ng_faults_no_memory(faults);
        return;
    }
    names[0] = NG_DEFAULT_ID;
    for (size_t i = 1; i < count; i++)
        names[i] = list->names->names[i - 1].id;
    ng_node_fault(faults, node, -EINVAL,
                  "an exception names a rule, a segregation, usage.KEY of a key in 'usage', "
                  "cis.ITEM of the profile, or default; there is no %s%s",
                  ng_quote(node->text, found), ng_hint(node->text, names, count, hint));
}

static void read_rule(const struct ng_exception_list *list, const struct ng_node *node,
                      const char **ret_rule, struct ng_faults *faults) {
    if (ng_read_text(list->arena, node, "'rule'", ret_rule, faults) < 0 ||
        strcmp(*ret_rule, NG_DEFAULT_ID) == 0)
        return;
    const struct ng_name *name = ng_names_find(list->names, *ret_rule);
    if (!name && !list->names->incomplete)
        unknown_rule(list, node, faults);
    else if (name && name->allows)
        ng_node_fault(faults, node, -EINVAL,
                      "the rule '%s' allows: there is nothing to except from it", name->id);
}

static void add_exception(struct ng_exception_list *list, const struct ng_node *node,
                          struct ng_faults *faults) {
    const struct ng_node *values[N_KEYS];
    struct ng_exception exception = {.until_s = INT64_MAX, .place = ng_node_place(node)};

    int r = ng_read_mapping(node, "an exception", exception_keys, N_KEYS, values, faults);
    if (r == 0 && !values[RULE])
        ng_node_fault(faults, node, -EINVAL,
                      "an exception needs 'rule': the id of the rule it is from");
    if (r == 0 && !values[TO])
        ng_node_fault(faults, node, -EINVAL, "an exception needs 'to': which containers it is for");
    if (values[RULE])
        read_rule(list, values[RULE], &exception.rule, faults);
    if (values[TO])
        ng_selectors_read(list->arena, values[TO], "'to'", &exception.to, &exception.n_to, faults);
    if (values[UNTIL])
        read_until(values[UNTIL], &exception.until_s, faults);
    if (values[REASON])
        ng_read_prose(list->arena, values[REASON], "'reason'", &exception.reason, faults);
    struct ng_exception *slot =
        NG_ARENA_APPEND(list->arena, list->items, list->count, list->capacity);
    if (slot)
        *slot = exception;
    else
        ng_faults_no_memory(faults);
}

void ng_exceptions_add(struct ng_exception_list *list, const struct ng_node *node,
                       struct ng_faults *faults) {
    size_t count = ng_expect_list(node, "'exceptions'", faults);
    for (size_t i = 0; i < count && ng_faults_go_on(faults); i++) {
        if (list->count == MAX_EXCEPTIONS) {
            ng_node_fault(faults, node->items[i], -E2BIG, "more than %d exceptions",
                          MAX_EXCEPTIONS);
            return;
        }
        add_exception(list, node->items[i], faults);
    }
}
