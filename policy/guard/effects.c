/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the guard comes to, told by the two results: with it and as it is. */

struct key {
    const char *id;
    const struct ng_exposure *exposure;
};

static int compare_keys(const void *left, const void *right) {
    const struct key *a = left, *b = right;
    return strcmp(a->id, b->id);
}

/* An exposure of the other result that is not listed there: of a container's own address, where
 * nobody gets in. */
static enum ng_reach_verdict verdict_in(const struct ng_exposure *exposure,
                                        const struct ng_reach *reach) {
    for (size_t i = 0; exposure && i < exposure->n_reach; i++)
        if (strcmp(exposure->reach[i].zone, reach->zone) == 0 &&
            strcmp(exposure->reach[i].interface, reach->interface) == 0)
            return exposure->reach[i].verdict;
    return NG_BLOCKED;
}

int ng_guard_effects(const struct ng_result *now, const struct ng_result *then,
                     struct ng_arena *arena, struct ng_guard_effect **ret_effects,
                     size_t *ret_count) {
    struct key *keys = ng_arena_alloc(arena, then->n_exposures, sizeof(*keys));
    struct ng_guard_effect *effects = NULL;
    size_t count = 0, capacity = 0;
    if (!keys)
        return -ENOMEM;
    for (size_t i = 0; i < then->n_exposures; i++)
        keys[i] = (struct key){then->exposures[i].id, &then->exposures[i]};
    if (then->n_exposures)
        qsort(keys, then->n_exposures, sizeof(*keys), compare_keys);
    for (size_t i = 0; i < now->n_exposures; i++) {
        const struct ng_exposure *exposure = &now->exposures[i];
        const struct key sought = {.id = exposure->id};
        const struct key *found = then->n_exposures ? bsearch(&sought, keys, then->n_exposures,
                                                              sizeof(*keys), compare_keys)
                                                    : NULL;
        for (size_t k = 0; k < exposure->n_reach; k++) {
            const struct ng_reach *reach = &exposure->reach[k];
            enum ng_reach_verdict verdict = verdict_in(found ? found->exposure : NULL, reach);
            if (verdict == reach->verdict)
                continue;
            struct ng_guard_effect *own = NG_ARENA_APPEND(arena, effects, count, capacity);
            if (!own)
                return -ENOMEM;
            *own = (struct ng_guard_effect){exposure, reach, verdict};
        }
    }
    *ret_effects = effects;
    *ret_count = count;
    return 0;
}
