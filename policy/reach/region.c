/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/reach.h"

#include <errno.h>

typedef int (*combine_fn)(struct ng_arena *arena, struct ng_addrset a, struct ng_addrset b,
                          struct ng_addrset *ret_set);

int ng_region_make(struct ng_arena *arena, uint16_t port_lo, uint16_t port_hi,
                   struct ng_addrset addrs, struct ng_region *ret_region) {
    if (ng_addrset_empty(addrs) || port_lo > port_hi) {
        *ret_region = (struct ng_region){0};
        return 0;
    }
    struct ng_band *band = ng_arena_alloc(arena, 1, sizeof(*band));
    if (!band)
        return -ENOMEM;
    *band = (struct ng_band){port_lo, port_hi, addrs};
    *ret_region = (struct ng_region){band, 1};
    return 0;
}

/* The addresses at port `at`, and in `ret_until` the last port up to which they stay the
 * same. `i` is the first band that does not end before `at`. */
static struct ng_addrset addrs_at(struct ng_region region, size_t *i, uint32_t at,
                                  uint32_t *ret_until) {
    while (*i < region.count && region.bands[*i].hi < at)
        (*i)++;
    if (*i == region.count) {
        *ret_until = UINT16_MAX;
        return (struct ng_addrset){0};
    }
    const struct ng_band *band = &region.bands[*i];
    if (at < band->lo) {
        *ret_until = band->lo - 1U;
        return (struct ng_addrset){0};
    }
    *ret_until = band->hi;
    return band->addrs;
}

/* Nearly always no rule asks for source ports: then both are one band of all of them. */
static int combine_all_ports(struct ng_arena *arena, struct ng_region a, struct ng_region b,
                             combine_fn fn, struct ng_region *ret_region) {
    struct ng_addrset addrs;
    int r = fn(arena, a.bands[0].addrs, b.bands[0].addrs, &addrs);
    return r < 0 ? r : ng_region_make(arena, 0, UINT16_MAX, addrs, ret_region);
}

static bool all_ports(struct ng_region region) {
    return region.count == 1 && region.bands[0].lo == 0 && region.bands[0].hi == UINT16_MAX;
}

/* A mask on ports makes thousands of bands that take turns between a few sets: what two sets come
 * to is found out once. */
struct combined {
    struct ng_addrset a, b, result;
};

enum { COMBINED_KEPT = 8 };

struct combiner {
    struct ng_arena *arena;
    combine_fn fn;
    struct combined kept[COMBINED_KEPT];
    size_t next;
};

static bool is_same_set(struct ng_addrset a, struct ng_addrset b) {
    return a.intervals == b.intervals && a.count == b.count;
}

static int combine_sets(struct combiner *combiner, struct ng_addrset a, struct ng_addrset b,
                        struct ng_addrset *ret_set) {
    for (size_t i = 0; i < COMBINED_KEPT && i < combiner->next; i++)
        if (is_same_set(combiner->kept[i].a, a) && is_same_set(combiner->kept[i].b, b)) {
            *ret_set = combiner->kept[i].result;
            return 0;
        }
    int r = combiner->fn(combiner->arena, a, b, ret_set);
    if (r == 0)
        combiner->kept[combiner->next++ % COMBINED_KEPT] = (struct combined){a, b, *ret_set};
    return r;
}

/* Walks both along the source ports and combines what stands at each. */
static int combine(struct ng_arena *arena, struct ng_region a, struct ng_region b, combine_fn fn,
                   struct ng_region *ret_region) {
    if (all_ports(a) && all_ports(b))
        return combine_all_ports(arena, a, b, fn, ret_region);
    struct combiner combiner = {.arena = arena, .fn = fn};
    struct ng_band *bands = NULL;
    size_t count = 0, capacity = 0, i = 0, j = 0;
    for (uint32_t at = 0; at <= UINT16_MAX;) {
        uint32_t until_a, until_b;
        struct ng_addrset from_a = addrs_at(a, &i, at, &until_a);
        struct ng_addrset from_b = addrs_at(b, &j, at, &until_b);
        uint32_t until = until_a < until_b ? until_a : until_b;
        struct ng_addrset addrs;
        int r = combine_sets(&combiner, from_a, from_b, &addrs);
        if (r < 0)
            return r;
        struct ng_band *last = count ? &bands[count - 1] : NULL;
        bool same =
            last && (is_same_set(last->addrs, addrs) || ng_addrset_equal(last->addrs, addrs));
        if (same && last->hi + 1U == at) {
            last->hi = (uint16_t)until;
        } else if (!ng_addrset_empty(addrs)) {
            struct ng_band *band = NG_ARENA_APPEND(arena, bands, count, capacity);
            if (!band)
                return -ENOMEM;
            *band = (struct ng_band){(uint16_t)at, (uint16_t)until, addrs};
        }
        at = until + 1;
    }
    *ret_region = (struct ng_region){bands, count};
    return 0;
}

/* A test on what is concrete hands the set in hand back as it is: then nothing needs comparing. */
static bool is_same(struct ng_region a, struct ng_region b) {
    return a.bands == b.bands && a.count == b.count;
}

int ng_region_union(struct ng_arena *arena, struct ng_region a, struct ng_region b,
                    struct ng_region *ret_region) {
    if (!a.count || !b.count || is_same(a, b)) {
        *ret_region = a.count ? a : b;
        return 0;
    }
    return combine(arena, a, b, ng_addrset_union, ret_region);
}

int ng_region_intersect(struct ng_arena *arena, struct ng_region a, struct ng_region b,
                        struct ng_region *ret_region) {
    if (!a.count || !b.count) {
        *ret_region = (struct ng_region){0};
        return 0;
    }
    if (is_same(a, b)) {
        *ret_region = a;
        return 0;
    }
    return combine(arena, a, b, ng_addrset_intersect, ret_region);
}

int ng_region_subtract(struct ng_arena *arena, struct ng_region a, struct ng_region b,
                       struct ng_region *ret_region) {
    if (!a.count || !b.count) {
        *ret_region = a;
        return 0;
    }
    if (is_same(a, b)) {
        *ret_region = (struct ng_region){0};
        return 0;
    }
    return combine(arena, a, b, ng_addrset_subtract, ret_region);
}

int ng_region_addrs(struct ng_arena *arena, struct ng_region region, struct ng_addrset *ret_addrs) {
    struct ng_addrset all = {0}, seen[COMBINED_KEPT] = {{0}};
    size_t next = 0;
    for (size_t i = 0; i < region.count; i++) {
        bool known = false;
        for (size_t k = 0; k < COMBINED_KEPT && !known; k++)
            known = is_same_set(seen[k], region.bands[i].addrs);
        if (known)
            continue;
        seen[next++ % COMBINED_KEPT] = region.bands[i].addrs;
        int r = ng_addrset_union(arena, all, region.bands[i].addrs, &all);
        if (r < 0)
            return r;
    }
    *ret_addrs = all;
    return 0;
}
