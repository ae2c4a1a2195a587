/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/difference.h"
#include "netguard/guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_exposures(const void *left, const void *right) {
    const struct ng_exposure *const *a = left, *const *b = right;
    return strcmp((*a)->id, (*b)->id);
}

/* Sorted by id; of several with the same one it is not known which is which: left out. */
static int index_exposures(const struct ng_result *result, struct ng_arena *arena,
                           const struct ng_exposure ***ret_index, size_t *ret_count) {
    const struct ng_exposure **index = ng_arena_alloc(arena, result->n_exposures, sizeof(*index));
    size_t n = 0;
    if (!index)
        return -ENOMEM;
    for (size_t i = 0; i < result->n_exposures; i++)
        index[i] = &result->exposures[i];
    if (result->n_exposures)
        qsort(index, result->n_exposures, sizeof(*index), compare_exposures);
    for (size_t i = 0, end; i < result->n_exposures; i = end) {
        for (end = i + 1;
             end < result->n_exposures && compare_exposures(&index[end], &index[i]) == 0;)
            end++;
        if (end == i + 1)
            index[n++] = index[i];
    }
    *ret_index = index;
    *ret_count = n;
    return 0;
}

static const struct ng_reach *reach_of(const struct ng_exposure *exposure,
                                       const struct ng_reach *like) {
    for (size_t i = 0; i < exposure->n_reach; i++)
        if (strcmp(exposure->reach[i].zone, like->zone) == 0 &&
            strcmp(exposure->reach[i].interface, like->interface) == 0)
            return &exposure->reach[i];
    return NULL;
}

static bool is_same(const struct ng_reach *a, const struct ng_reach *b) {
    return a->verdict == b->verdict && ng_addrset_equal(a->sources, b->sources) &&
           ng_addrset_equal(a->maybe, b->maybe) && a->n_source_ports == b->n_source_ports &&
           (a->n_source_ports == 0 || memcmp(a->source_ports, b->source_ports,
                                             a->n_source_ports * sizeof(*a->source_ports)) == 0);
}

static bool lets_in_more(const struct ng_reach *before, const struct ng_reach *after) {
    /* From the least to the most that may get in. */
    static const unsigned order[] = {
        [NG_BLOCKED] = 0, [NG_UNKNOWN] = 1, [NG_PARTLY] = 2, [NG_REACHABLE] = 3};
    if (order[before->verdict] != order[after->verdict])
        return order[after->verdict] > order[before->verdict];
    return !ng_addrset_subset(after->sources, before->sources) ||
           !ng_addrset_subset(after->maybe, before->maybe) ||
           (before->n_source_ports != 0 && after->n_source_ports != before->n_source_ports);
}

static bool is_of_guard(const struct ng_reach *reach) {
    for (size_t i = 0; i < reach->n_deciders; i++)
        if (strcmp(reach->deciders[i].table, "inet " NG_GUARD_TABLE_NAME) == 0)
            return true;
    return false;
}

int ng_difference_make(const struct ng_result *before, const struct ng_result *after,
                       struct ng_arena *arena, struct ng_difference **ret_items,
                       size_t *ret_count) {
    const struct ng_exposure **index;
    struct ng_difference *items = NULL;
    size_t n_index, count = 0, capacity = 0;
    int r = index_exposures(before, arena, &index, &n_index);
    for (size_t i = 0; r == 0 && i < after->n_exposures; i++) {
        const struct ng_exposure *exposure = &after->exposures[i];
        const struct ng_exposure *const *found =
            n_index ? bsearch(&exposure, index, n_index, sizeof(*index), compare_exposures) : NULL;
        for (size_t k = 0; found && k < exposure->n_reach; k++) {
            const struct ng_reach *now = &exposure->reach[k], *then = reach_of(*found, now);
            if (!then || is_same(then, now))
                continue;
            struct ng_difference *item = NG_ARENA_APPEND(arena, items, count, capacity);
            if (!item)
                return -ENOMEM;
            *item = (struct ng_difference){
                .exposure = exposure,
                .before = then,
                .after = now,
                .opens = lets_in_more(then, now),
                .by_guard = is_of_guard(then) || is_of_guard(now),
            };
        }
    }
    if (r == 0) {
        *ret_items = items;
        *ret_count = count;
    }
    return r;
}

/* -- what is kept ---------------------------------------------------------------------- */

static void *copy(struct ng_arena *arena, const void *items, size_t count, size_t size_bytes) {
    void *own = ng_arena_alloc(arena, count, size_bytes);
    if (own && count)
        memcpy(own, items, count * size_bytes);
    return own;
}

static int keep_set(struct ng_addrset set, struct ng_arena *arena, struct ng_addrset *ret_set) {
    struct ng_interval *own = copy(arena, set.intervals, set.count, sizeof(*own));
    if (!own)
        return -ENOMEM;
    *ret_set = (struct ng_addrset){own, set.count};
    return 0;
}

static int keep_reach(const struct ng_reach *reach, struct ng_arena *arena,
                      struct ng_reach *ret_reach) {
    static const struct ng_decider guard = {.table = "inet " NG_GUARD_TABLE_NAME};
    struct ng_reach own = {
        .zone = ng_arena_strdup(arena, reach->zone),
        .interface = ng_arena_strdup(arena, reach->interface),
        .verdict = reach->verdict,
        .source_ports =
            copy(arena, reach->source_ports, reach->n_source_ports, sizeof(*reach->source_ports)),
        .n_source_ports = reach->n_source_ports,
        .deciders = &guard,
        .n_deciders = is_of_guard(reach),
    };
    if (!own.zone || !own.interface || !own.source_ports ||
        keep_set(reach->sources, arena, &own.sources) < 0 ||
        keep_set(reach->maybe, arena, &own.maybe) < 0)
        return -ENOMEM;
    *ret_reach = own;
    return 0;
}

int ng_difference_keep(const struct ng_result *result, struct ng_arena *arena,
                       struct ng_result *ret_kept) {
    struct ng_exposure *exposures = ng_arena_alloc(arena, result->n_exposures, sizeof(*exposures));
    if (!exposures)
        return -ENOMEM;
    for (size_t i = 0; i < result->n_exposures; i++) {
        const struct ng_exposure *exposure = &result->exposures[i];
        struct ng_reach *reach = ng_arena_alloc(arena, exposure->n_reach, sizeof(*reach));
        if (!reach)
            return -ENOMEM;
        for (size_t k = 0; k < exposure->n_reach; k++)
            if (keep_reach(&exposure->reach[k], arena, &reach[k]) < 0)
                return -ENOMEM;
        memcpy(exposures[i].id, exposure->id, sizeof(exposure->id));
        exposures[i].reach = reach;
        exposures[i].n_reach = exposure->n_reach;
    }
    *ret_kept = (struct ng_result){.exposures = exposures, .n_exposures = result->n_exposures};
    return 0;
}
