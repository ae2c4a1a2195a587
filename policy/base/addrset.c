/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/addr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int ng_addrset_range(struct ng_arena *arena, ng_u128 lo, ng_u128 hi, struct ng_addrset *ret_set) {
    struct ng_interval *one = ng_arena_alloc(arena, 1, sizeof(*one));
    if (!one)
        return -ENOMEM;
    *one = (struct ng_interval){lo, hi};
    *ret_set = (struct ng_addrset){one, 1};
    return 0;
}

static int compare_intervals(const void *left, const void *right) {
    const struct ng_interval *a = left, *b = right;
    if (a->lo != b->lo)
        return a->lo < b->lo ? -1 : 1;
    return a->hi < b->hi ? -1 : a->hi > b->hi;
}

/* Joins what overlaps or touches, in place; returns the new count. */
static size_t normalise(struct ng_interval *sorted, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct ng_interval *last = kept ? &sorted[kept - 1] : NULL;
        if (last && (last->hi == ~(ng_u128)0 || sorted[i].lo <= last->hi + 1)) {
            if (sorted[i].hi > last->hi)
                last->hi = sorted[i].hi;
        } else {
            sorted[kept++] = sorted[i];
        }
    }
    return kept;
}

int ng_addrset_from(struct ng_arena *arena, const struct ng_interval *any_order, size_t count,
                    struct ng_addrset *ret_set) {
    struct ng_interval *own = ng_arena_alloc(arena, count, sizeof(*own));
    if (!own)
        return -ENOMEM;
    if (count)
        memcpy(own, any_order, count * sizeof(*own));
    if (count > 1)
        qsort(own, count, sizeof(*own), compare_intervals);
    *ret_set = (struct ng_addrset){own, normalise(own, count)};
    return 0;
}

int ng_addrset_union(struct ng_arena *arena, struct ng_addrset a, struct ng_addrset b,
                     struct ng_addrset *ret_set) {
    if (!a.count || !b.count) {
        *ret_set = a.count ? a : b;
        return 0;
    }
    struct ng_interval *merged = ng_arena_alloc(arena, a.count + b.count, sizeof(*merged));
    if (!merged)
        return -ENOMEM;
    size_t i = 0, j = 0, n = 0;
    while (i < a.count || j < b.count) {
        bool from_a = j == b.count || (i < a.count && a.intervals[i].lo <= b.intervals[j].lo);
        merged[n++] = from_a ? a.intervals[i++] : b.intervals[j++];
    }
    *ret_set = (struct ng_addrset){merged, normalise(merged, n)};
    return 0;
}

/* Nearly always one of two sets is everybody: then nothing needs copying. */
static bool covers(struct ng_addrset outer, struct ng_addrset inner) {
    return outer.count == 1 && outer.intervals[0].lo <= inner.intervals[0].lo &&
           outer.intervals[0].hi >= inner.intervals[inner.count - 1].hi;
}

int ng_addrset_intersect(struct ng_arena *arena, struct ng_addrset a, struct ng_addrset b,
                         struct ng_addrset *ret_set) {
    if (!a.count || !b.count) {
        *ret_set = (struct ng_addrset){0};
        return 0;
    }
    if (covers(a, b) || covers(b, a)) {
        *ret_set = covers(a, b) ? b : a;
        return 0;
    }
    struct ng_interval *common = ng_arena_alloc(arena, a.count + b.count, sizeof(*common));
    if (!common)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0, j = 0; i < a.count && j < b.count;) {
        ng_u128 lo = a.intervals[i].lo > b.intervals[j].lo ? a.intervals[i].lo : b.intervals[j].lo;
        ng_u128 hi = a.intervals[i].hi < b.intervals[j].hi ? a.intervals[i].hi : b.intervals[j].hi;
        if (lo <= hi)
            common[n++] = (struct ng_interval){lo, hi};
        if (a.intervals[i].hi < b.intervals[j].hi)
            i++;
        else
            j++;
    }
    *ret_set = (struct ng_addrset){common, n};
    return 0;
}

int ng_addrset_subtract(struct ng_arena *arena, struct ng_addrset a, struct ng_addrset b,
                        struct ng_addrset *ret_set) {
    if (!a.count || !b.count) {
        *ret_set = a;
        return 0;
    }
    struct ng_interval *rest = ng_arena_alloc(arena, a.count + b.count, sizeof(*rest));
    if (!rest)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0, j = 0; i < a.count; i++) {
        ng_u128 lo = a.intervals[i].lo, hi = a.intervals[i].hi;
        bool eaten = false;
        /* An interval of b may reach into the next one of a: j only moves past those that
         * end before this one begins. */
        while (j < b.count && b.intervals[j].hi < lo)
            j++;
        for (size_t k = j; k < b.count && b.intervals[k].lo <= hi; k++) {
            if (b.intervals[k].lo > lo)
                rest[n++] = (struct ng_interval){lo, b.intervals[k].lo - 1};
            if (b.intervals[k].hi >= hi) {
                eaten = true;
                break;
            }
            lo = b.intervals[k].hi + 1;
        }
        if (!eaten)
            rest[n++] = (struct ng_interval){lo, hi};
    }
    *ret_set = (struct ng_addrset){rest, n};
    return 0;
}

bool ng_addrset_contains(struct ng_addrset set, ng_u128 value) {
    size_t lo = 0, hi = set.count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (set.intervals[middle].hi < value)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo < set.count && set.intervals[lo].lo <= value;
}

bool ng_addrset_equal(struct ng_addrset a, struct ng_addrset b) {
    if (a.count != b.count)
        return false;
    for (size_t i = 0; i < a.count; i++)
        if (a.intervals[i].lo != b.intervals[i].lo || a.intervals[i].hi != b.intervals[i].hi)
            return false;
    return true;
}

bool ng_addrset_subset(struct ng_addrset inner, struct ng_addrset outer) {
    for (size_t i = 0, j = 0; i < inner.count; i++) {
        while (j < outer.count && outer.intervals[j].hi < inner.intervals[i].lo)
            j++;
        /* Intervals never touch, so one of outer must hold the whole of one of inner. */
        if (j == outer.count || outer.intervals[j].lo > inner.intervals[i].lo ||
            outer.intervals[j].hi < inner.intervals[i].hi)
            return false;
    }
    return true;
}

void ng_addrset_each_prefix(struct ng_addrset set, uint8_t family,
                            void (*each)(struct ng_addr prefix, unsigned len, void *context),
                            void *context) {
    unsigned bits = ng_family_bits(family);
    for (size_t i = 0; i < set.count; i++) {
        ng_u128 lo = set.intervals[i].lo, hi = set.intervals[i].hi;
        for (;;) {
            /* The largest aligned block that begins at lo and does not pass hi. */
            unsigned len = bits;
            while (len > 0) {
                ng_u128 host = ~ng_prefix_mask(family, len - 1) & ng_family_max(family);
                if ((lo & host) != 0 || (lo | host) > hi)
                    break;
                len--;
            }
            each((struct ng_addr){family, lo}, len, context);
            ng_u128 last = lo | (~ng_prefix_mask(family, len) & ng_family_max(family));
            if (last >= hi)
                break;
            lo = last + 1;
        }
    }
}
