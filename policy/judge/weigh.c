/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Who gets in, put in the words of a verdict: of one exposure (admission.c) as of one question
 * (trace.c). */

int ng_split_take(struct ng_arena *arena, const struct ng_outcome *outcome, bool in, bool out,
                  struct split *split) {
    bool anywhere = outcome->fate == NG_FATE_ANYWHERE;
    int r = 0;
    if (in || anywhere)
        r = ng_region_union(arena, split->in, outcome->region, &split->in);
    if (r == 0 && (out || anywhere))
        r = ng_region_union(arena, split->out, outcome->region, &split->out);
    return r;
}

int ng_split_certain(struct ng_arena *arena, const struct split *split,
                     struct ng_region *ret_certain) {
    return ng_region_subtract(arena, split->in, split->out, ret_certain);
}

int ng_weigh(struct ng_arena *arena, struct ng_region certain, struct ng_region possible,
             struct ng_addrset who, struct ng_addrset routable, struct admitted *ret_admitted) {
    struct ng_region zone, needed, missing, doubtful;
    struct admitted admitted = {0};
    int r = ng_region_make(arena, 0, UINT16_MAX, who, &zone);
    if (r == 0)
        r = ng_region_make(arena, 0, UINT16_MAX, routable, &needed);
    if (r == 0)
        r = ng_region_intersect(arena, certain, zone, &admitted.certain);
    if (r == 0)
        r = ng_region_subtract(arena, needed, admitted.certain, &missing);
    if (r == 0)
        r = ng_region_addrs(arena, admitted.certain, &admitted.sources);
    /* By source port: who gets in from some ports for certain may do so from others perhaps. */
    if (r == 0)
        r = ng_region_intersect(arena, possible, zone, &doubtful);
    if (r == 0)
        r = ng_region_subtract(arena, doubtful, admitted.certain, &doubtful);
    if (r == 0)
        r = ng_region_addrs(arena, doubtful, &admitted.maybe);
    if (r < 0)
        return r;
    if (!ng_addrset_empty(admitted.sources))
        admitted.verdict = ng_region_empty(missing) ? NG_REACHABLE : NG_PARTLY;
    else
        admitted.verdict = ng_addrset_empty(admitted.maybe) ? NG_BLOCKED : NG_UNKNOWN;
    *ret_admitted = admitted;
    return 0;
}

int ng_source_ports(struct ng_arena *arena, struct ng_region region,
                    const struct ng_port_range **ret_ports, size_t *ret_count) {
    bool all_alike =
        region.count == 1 && region.bands[0].lo == 0 && region.bands[0].hi == UINT16_MAX;
    if (region.count == 0 || all_alike)
        return 0;
    struct ng_port_range *ports = ng_arena_alloc(arena, region.count, sizeof(*ports));
    if (!ports)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < region.count; i++) {
        const struct ng_band *band = &region.bands[i];
        if (n && ports[n - 1].hi + 1U == band->lo)
            ports[n - 1].hi = band->hi;
        else
            ports[n++] = (struct ng_port_range){band->lo, band->hi};
    }
    /* Every port gets somebody in, only not the same: no port is excluded. */
    if (n == 1 && ports[0].lo == 0 && ports[0].hi == UINT16_MAX)
        return 0;
    *ret_ports = ports;
    *ret_count = n;
    return 0;
}

int ng_undecided_text(struct ng_arena *arena, const struct ng_ruleset *ruleset,
                      const struct ng_undecided *undecided, const char **ret_text) {
    const char *what = undecided->what;
    if (!what && undecided->op)
        what = ng_op_text(arena, ruleset, undecided->op);
    if (what && undecided->rule != NG_NONE) {
        const struct ng_rule *rule = &ruleset->rules[undecided->rule];
        const struct ng_chain *chain = &ruleset->chains[rule->chain];
        const struct ng_table *table = &ruleset->tables[chain->table];
        what = ng_arena_printf(arena, "%s (%s %s %s %s %llu)", what,
                               ng_table_family_text(table->family), table->name, chain->name,
                               table->legacy ? "(legacy) rule" : "handle",
                               (unsigned long long)rule->handle);
    }
    if (!what)
        return -ENOMEM;
    *ret_text = what;
    return 0;
}

static int compare_texts(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

struct ng_strings ng_sort_texts(const char **items, size_t count) {
    size_t kept = 0;
    if (count)
        qsort(items, count, sizeof(*items), compare_texts);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(items[kept - 1], items[i]) != 0)
            items[kept++] = items[i];
    return (struct ng_strings){items, kept};
}
