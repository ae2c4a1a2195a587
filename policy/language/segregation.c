/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/language/segregation.h"
#include "policy/language/rules.h"
#include "policy/language/selector.h"

#include <errno.h>

#define MAX_SEGREGATIONS 256

enum segregation_key { ID, APART, GATEWAYS, UNPUBLISHED, ACTION, SEVERITY, REASON, N_KEYS };

static const char *const segregation_keys[N_KEYS] = {
    [ID] = "id",
    [APART] = "apart",
    [GATEWAYS] = "gateways",
    [UNPUBLISHED] = "unpublished",
    [ACTION] = "action",
    [SEVERITY] = "severity",
    [REASON] = "reason",
};

static void add_segregation(struct ng_segregation_list *list, const struct ng_node *node,
                            struct ng_faults *faults) {
    const struct ng_node *values[N_KEYS];
    struct ng_segregation own = {.severity = list->severity, .place = ng_node_place(node)};
    const struct ng_name name = {.what = "segregation", .place = own.place};

    int r = ng_read_mapping(node, "a segregation", segregation_keys, N_KEYS, values, faults);
    if (r == 0 && !values[ID])
        ng_node_fault(faults, node, -EINVAL,
                      "a segregation needs an 'id': findings and exceptions name it");
    if (r == 0 && !values[APART] && !values[UNPUBLISHED])
        ng_node_fault(faults, node, -EINVAL,
                      "a segregation needs 'apart', 'unpublished' or both, with names of networks");
    ng_names_read(list->names, values[ID], name, &own.id, faults);
    if (values[APART])
        ng_read_texts(list->arena, values[APART], "'apart'", &own.apart, faults);
    if (values[GATEWAYS])
        ng_selectors_read(list->arena, values[GATEWAYS], "'gateways'", &own.gateways,
                          &own.n_gateways, faults);
    if (values[UNPUBLISHED])
        ng_read_texts(list->arena, values[UNPUBLISHED], "'unpublished'", &own.unpublished, faults);
    if (values[ACTION])
        ng_read_alert(values[ACTION],
                      "netguard does not close what is between networks; alert is what there is",
                      faults);
    if (values[SEVERITY])
        ng_read_severity(values[SEVERITY], &own.severity, faults);
    if (values[REASON])
        ng_read_prose(list->arena, values[REASON], "'reason'", &own.reason, faults);
    struct ng_segregation *slot =
        NG_ARENA_APPEND(list->arena, list->items, list->count, list->capacity);
    if (slot)
        *slot = own;
    else
        ng_faults_no_memory(faults);
}

void ng_segregation_add(struct ng_segregation_list *list, const struct ng_node *node,
                        struct ng_faults *faults) {
    size_t count = ng_expect_list(node, "'segregation'", faults);
    list->names->incomplete = list->names->incomplete || node->type != NG_NODE_LIST;
    for (size_t i = 0; i < count && ng_faults_go_on(faults); i++) {
        if (list->count == MAX_SEGREGATIONS) {
            ng_node_fault(faults, node->items[i], -E2BIG, "more than %d segregations",
                          MAX_SEGREGATIONS);
            return;
        }
        add_segregation(list, node->items[i], faults);
    }
}
