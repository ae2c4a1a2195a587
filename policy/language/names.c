/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/language/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netguard/cis.h"

const struct ng_name *ng_names_find(const struct ng_names *names, const char *id) {
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i].id, id) == 0)
            return &names->names[i];
    return NULL;
}

void ng_names_add(struct ng_names *names, struct ng_name name, struct ng_faults *faults) {
    struct ng_name *slot =
        NG_ARENA_APPEND(names->arena, names->names, names->count, names->capacity);
    if (slot)
        *slot = name;
    else
        ng_faults_no_memory(faults);
}

void ng_names_add_cis(struct ng_names *names, struct ng_faults *faults) {
    for (size_t i = 0; i < ng_cis_rules_count; i++)
        ng_names_add(names, (struct ng_name){.id = ng_cis_rules[i], .what = "check"}, faults);
}

void ng_names_read(struct ng_names *names, const struct ng_node *node, struct ng_name name,
                   const char **ret_id, struct ng_faults *faults) {
    char what[32];

    snprintf(what, sizeof(what), "the id of a %s", name.what);
    if (!node || ng_read_id(names->arena, node, what, &name.id, faults) < 0) {
        names->incomplete = true;
        return;
    }
    const struct ng_name *first = ng_names_find(names, name.id);
    if (strcmp(name.id, NG_DEFAULT_ID) == 0)
        ng_node_fault(faults, node, -EINVAL,
                      "the id 'default' stands for the policy's default; choose another");
    else if (strncmp(name.id, NG_USAGE_ID_PREFIX, strlen(NG_USAGE_ID_PREFIX)) == 0)
        ng_node_fault(faults, node, -EINVAL,
                      "ids that begin with '" NG_USAGE_ID_PREFIX
                      "' stand for what is said in 'usage'; choose another");
    else if (strncmp(name.id, NG_CIS_ID_PREFIX, strlen(NG_CIS_ID_PREFIX)) == 0)
        ng_node_fault(faults, node, -EINVAL,
                      "ids that begin with '" NG_CIS_ID_PREFIX
                      "' stand for what the profile cis asks; choose another");
    else if (first)
        ng_node_fault(faults, node, -EINVAL, "there is already a %s '%s' at %s:%u", first->what,
                      name.id, first->place.source, first->place.line);
    if (!first)
        ng_names_add(names, name, faults);
    *ret_id = name.id;
}
