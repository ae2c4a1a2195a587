/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"

#include <errno.h>

/* Has its table a say about IP packets? An empty table of iptables-legacy is left behind by any
 * `iptables-legacy -L`. */
static bool judges(const struct ng_ruleset *ruleset, const struct ng_chain *chain) {
    const struct ng_table *table = &ruleset->tables[chain->table];
    return chain->base && (chain->n_rules || chain->policy_drop) && !table->dormant &&
           table->family != NG_TABLE_ARP;
}

int ng_find_backends(struct ng_arena *arena, const struct ng_ruleset *ruleset,
                     struct ng_strings *ret_backends) {
    static const char *const names[] = {"nf_tables", "iptables-legacy"};
    bool live[ARRAY_SIZE(names)] = {false};
    for (size_t i = 0; i < ruleset->n_chains; i++)
        if (judges(ruleset, &ruleset->chains[i]))
            live[ruleset->tables[ruleset->chains[i].table].legacy] = true;

    const char **items = ng_arena_alloc(arena, ARRAY_SIZE(names), sizeof(*items));
    if (!items)
        return -ENOMEM;
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (live[i])
            items[count++] = names[i];
    *ret_backends = (struct ng_strings){items, count};
    return 0;
}
