/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/reach/packet.h"

#include "policy/reach/source.h"

#include <errno.h>

/* Tests: which of the sources in hand pass. What is asked of one and the same for all of them is
 * decided by value; what is asked of the source splits the set. */

static const struct ng_region nobody;
static const struct ng_interval every_addr = {0, ~(ng_u128)0};

static ng_u128 masked(const struct ng_operand *operand, ng_u128 value) {
    return (value & operand->mask) ^ operand->flip;
}

/* -- values under a mask ------------------------------------------------------------- */

/* Addresses or ports whose masked value lies in a set: `(x & mask) ^ flip`. A mask that does not
 * keep leading bits breaks them into many stretches. */
struct unmasking {
    ng_u128 mask, flip;
    struct ng_addrset values;
    struct ng_arena *arena;
    struct ng_interval *intervals;
    size_t count, capacity;
    unsigned steps; /* left */
};

/* Bits that a mask leaves open above one that it keeps double the stretches. No mask that anybody
 * writes has many; of others it is not told who passes. */
enum { OPEN_BITS_MAX = 12, UNMASKING_STEPS = 1 << 18 };

static unsigned count_open_bits(ng_u128 mask, unsigned bits) {
    unsigned low = 0, open = 0;
    while (low < bits && !(mask >> low & 1))
        low++;
    for (unsigned bit = low; bit < bits; bit++)
        open += !(mask >> bit & 1);
    return open;
}

/* Does the set hold all of an interval, or some of it? */
static void overlap(struct ng_addrset set, struct ng_interval with, bool *ret_all, bool *ret_some) {
    size_t lo = 0, hi = set.count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (set.intervals[middle].hi < with.lo)
            lo = middle + 1;
        else
            hi = middle;
    }
    *ret_some = lo < set.count && set.intervals[lo].lo <= with.hi;
    *ret_all = *ret_some && set.intervals[lo].lo <= with.lo && set.intervals[lo].hi >= with.hi;
}

/* Of the numbers that begin as `start` does and go on in `bits` free bits. -ERANGE: too many
 * stretches. */
static int unmask_from(struct unmasking *work, ng_u128 start, unsigned bits) {
    if (work->steps-- == 0)
        return -ERANGE;
    ng_u128 rest = bits == 128 ? ~(ng_u128)0 : ((ng_u128)1 << bits) - 1;
    ng_u128 open = work->mask & rest;
    ng_u128 least = (((start & work->mask) ^ work->flip) & ~open);
    bool all, some;
    overlap(work->values, (struct ng_interval){least, least | open}, &all, &some);
    if (!some)
        return 0;
    if (!all && open) {
        ng_u128 half = (ng_u128)1 << (bits - 1);
        int r = unmask_from(work, start, bits - 1);
        return r < 0 ? r : unmask_from(work, start | half, bits - 1);
    }
    if (!all)
        return 0;
    struct ng_interval *last = work->count ? &work->intervals[work->count - 1] : NULL;
    if (last && last->hi + 1 == start) {
        last->hi = start | rest;
        return 0;
    }
    struct ng_interval *own =
        NG_ARENA_APPEND(work->arena, work->intervals, work->count, work->capacity);
    if (!own)
        return -ENOMEM;
    *own = (struct ng_interval){start, start | rest};
    return 0;
}

/* -- sources ------------------------------------------------------------------------- */

/* Sources as a test tells them apart: who passes, and of whom it cannot be said. */
struct split {
    struct ng_addrset in, unsure;
};

static const struct ng_interval everything[] = {{0, ~(ng_u128)0}};

static int split_by_mask(const struct place *place, const struct ng_operand *operand, unsigned bits,
                         struct ng_addrset values, struct split *ret_split) {
    ng_u128 ones = bits == 128 ? ~(ng_u128)0 : ((ng_u128)1 << bits) - 1;
    *ret_split = (struct split){.in = values};
    if ((operand->mask & ones) == ones && operand->flip == 0)
        return 0;
    struct unmasking work = {
        .mask = operand->mask & ones,
        .flip = operand->flip,
        .values = values,
        .arena = place->arena,
        .steps = UNMASKING_STEPS,
    };
    bool many = bits > 16 && count_open_bits(operand->mask, bits) > OPEN_BITS_MAX;
    int r = many ? -ERANGE : unmask_from(&work, 0, bits);
    if (r == -ERANGE)
        *ret_split = (struct split){.unsure = {everything, 1}};
    else
        ret_split->in = (struct ng_addrset){work.intervals, work.count};
    return r == -ERANGE ? 0 : r;
}

/* Addresses that routing answers for in one of the ways listed. */
static int split_by_map(const struct place *place, const struct flow *flow,
                        const struct ng_operand *operand, struct ng_addrset values,
                        struct split *ret_split) {
    struct source_map map;
    int r = ng_fib_map(place, flow, operand, &map);
    if (r < 0)
        return r;
    struct ng_interval *in = ng_arena_alloc(place->arena, map.count, sizeof(*in));
    struct ng_interval *unsure = ng_arena_alloc(place->arena, map.count, sizeof(*unsure));
    if (!in || !unsure)
        return -ENOMEM;
    size_t n_in = 0, n_unsure = 0;
    for (size_t i = 0; i < map.count; i++) {
        ng_u128 hi = i + 1 < map.count ? map.stretches[i + 1].lo - 1
                                       : ng_family_max(place->question->family);
        struct ng_interval stretch = {map.stretches[i].lo, hi};
        if (map.stretches[i].value == NG_FIB_UNSURE)
            unsure[n_unsure++] = stretch;
        else if (ng_addrset_contains(values, masked(operand, map.stretches[i].value)))
            in[n_in++] = stretch;
    }
    r = ng_addrset_from(place->arena, in, n_in, &ret_split->in);
    return r < 0 ? r : ng_addrset_from(place->arena, unsure, n_unsure, &ret_split->unsure);
}

static int split_sources(const struct place *place, const struct flow *flow,
                         const struct ng_operand *operand, enum knowledge knowledge,
                         struct ng_addrset values, struct split *ret_split) {
    if (knowledge == SOURCE_MAP)
        return split_by_map(place, flow, operand, values, ret_split);
    unsigned bits = knowledge == SOURCE_PORT ? 16 : ng_family_bits(place->question->family);
    return split_by_mask(place, operand, bits, values, ret_split);
}

/* Every address from the ports of a set, which stand in order and never touch. */
static int from_ports(const struct place *place, struct ng_addrset ports,
                      struct ng_region *ret_region) {
    struct ng_band *bands = ng_arena_alloc(place->arena, ports.count, sizeof(*bands));
    size_t n = 0;
    if (!bands)
        return -ENOMEM;
    for (; n < ports.count && ports.intervals[n].lo <= UINT16_MAX; n++) {
        ng_u128 hi = ports.intervals[n].hi;
        bands[n].lo = (uint16_t)ports.intervals[n].lo;
        bands[n].hi = hi > UINT16_MAX ? UINT16_MAX : (uint16_t)hi;
        bands[n].addrs = (struct ng_addrset){&every_addr, 1};
    }
    *ret_region = (struct ng_region){bands, n};
    return 0;
}

/* The pairs of one region whose source address or port lies in `values`. */
static int select_source(const struct place *place, struct ng_region from, bool port,
                         struct ng_addrset values, struct ng_region *ret_region) {
    struct ng_region chosen;
    if (ng_addrset_empty(values)) {
        *ret_region = nobody;
        return 0;
    }
    int r = port ? from_ports(place, values, &chosen)
                 : ng_region_make(place->arena, 0, UINT16_MAX, values, &chosen);
    return r < 0 ? r : ng_region_intersect(place->arena, from, chosen, ret_region);
}

/* Of `from`: who passes a test of the source, and who may. */
static int select_split(const struct place *place, const struct flow *flow,
                        const struct ng_operand *operand, enum knowledge knowledge,
                        struct ng_addrset values, struct ng_region from,
                        struct ng_region *ret_certain, struct ng_region *ret_possible) {
    struct split split = {0};
    bool port = knowledge == SOURCE_PORT;
    int r = split_sources(place, flow, operand, knowledge, values, &split);
    if (r == 0)
        r = select_source(place, from, port, split.in, ret_certain);
    *ret_possible = *ret_certain;
    if (r < 0 || ng_addrset_empty(split.unsure))
        return r;
    struct ng_region unsure;
    r = select_source(place, from, port, split.unsure, &unsure);
    return r < 0 ? r : ng_region_union(place->arena, *ret_certain, unsure, ret_possible);
}

static bool is_open(struct ng_interval side) {
    return side.lo == 0 && side.hi == ~(ng_u128)0;
}

/* -- tests of one field by value ----------------------------------------------------- */

static int match_values(const struct place *place, const struct flow *flow,
                        const struct ng_match *match, struct ng_region *ret_certain,
                        struct ng_region *ret_possible) {
    const struct ng_operand *operand = &match->operands[0];
    ng_u128 value = 0;
    enum knowledge knowledge = ng_field_value(place, flow, operand, &value);
    /* Any value will do: only that there is one is asked. */
    bool any = match->values.count == 1 && is_open(match->values.intervals[0]);
    if (any && knowledge != ABSENT && operand->field != NG_FIELD_OTHER) {
        *ret_certain = *ret_possible = flow->region;
        return 0;
    }
    if (knowledge == UNKNOWN || knowledge == ABSENT) {
        *ret_certain = nobody;
        *ret_possible = knowledge == UNKNOWN ? flow->region : nobody;
        return 0;
    }
    if (knowledge == KNOWN) {
        bool in = ng_addrset_contains(match->values, masked(operand, value));
        bool may = in || ng_addrset_contains(match->expiring, masked(operand, value));
        *ret_certain = in ? flow->region : nobody;
        *ret_possible = may ? flow->region : nobody;
        return 0;
    }
    int r = select_split(place, flow, operand, knowledge, match->values, flow->region, ret_certain,
                         ret_possible);
    if (r < 0 || ng_addrset_empty(match->expiring))
        return r;
    struct ng_region ignored, expiring;
    r = select_split(place, flow, operand, knowledge, match->expiring, flow->region, &ignored,
                     &expiring);
    return r < 0 ? r : ng_region_union(place->arena, *ret_possible, expiring, ret_possible);
}

/* -- tests of several fields --------------------------------------------------------- */

/* Does the packet's part that is the same for all sources rule the element out? Most elements of
 * a large map go here, at the price of a comparison. */
static bool ruled_out(const struct ng_match *match, const struct ng_box *box,
                      const struct answer *answers) {
    for (size_t i = 0; i < match->n_operands; i++) {
        struct ng_interval side = box->sides[i];
        if (answers[i].knowledge == KNOWN &&
            (answers[i].value < side.lo || answers[i].value > side.hi))
            return true;
        if (answers[i].knowledge == ABSENT && !is_open(side))
            return true;
    }
    return false;
}

/* Of everybody: who meets one element, for certain and perhaps. */
static int meet_box(const struct place *place, const struct flow *flow,
                    const struct ng_match *match, const struct answer *answers,
                    const struct ng_box *box, struct ng_region *ret_certain,
                    struct ng_region *ret_possible) {
    static const struct ng_band everybody = {0, UINT16_MAX, {&every_addr, 1}};
    const struct ng_region all = {&everybody, 1};
    *ret_certain = *ret_possible = nobody;
    if (ruled_out(match, box, answers))
        return 0;
    struct ng_region certain = box->expires ? nobody : all, possible = all;
    for (size_t i = 0; i < match->n_operands && !ng_region_empty(possible); i++) {
        struct ng_interval side = box->sides[i];
        if (is_open(side) || answers[i].knowledge == KNOWN)
            continue;
        if (answers[i].knowledge == UNKNOWN) {
            certain = nobody;
            continue;
        }
        struct ng_addrset values = {&box->sides[i], 1}; /* results may share its memory */
        struct ng_region in, may;
        int r = select_split(place, flow, &match->operands[i], answers[i].knowledge, values,
                             possible, &in, &may);
        if (r == 0)
            r = ng_region_intersect(place->arena, certain, in, &certain);
        if (r < 0)
            return r;
        possible = may;
    }
    *ret_possible = possible;
    *ret_certain = certain;
    return 0;
}

/* What many elements cover is united in halves: one after the other would copy all that is there
 * for each that comes to it. */
static int meet_boxes(const struct place *place, const struct flow *flow,
                      const struct ng_match *match, const struct answer *answers,
                      const uint32_t *boxes, size_t count, struct ng_region *ret_certain,
                      struct ng_region *ret_possible) {
    if (count == 1)
        return meet_box(place, flow, match, answers, &match->boxes[boxes[0]], ret_certain,
                        ret_possible);
    struct ng_region certain[2], possible[2];
    size_t half = count / 2;
    int r = meet_boxes(place, flow, match, answers, boxes, half, &certain[0], &possible[0]);
    if (r == 0)
        r = meet_boxes(place, flow, match, answers, boxes + half, count - half, &certain[1],
                       &possible[1]);
    if (r == 0)
        r = ng_region_union(place->arena, certain[0], certain[1], ret_certain);
    return r < 0 ? r : ng_region_union(place->arena, possible[0], possible[1], ret_possible);
}

int ng_boxes_region(const struct place *place, const struct flow *flow,
                    const struct ng_match *match, const struct answer *answers,
                    const uint32_t *boxes, size_t count, struct ng_region *ret_certain,
                    struct ng_region *ret_possible) {
    struct ng_region certain = nobody, possible = nobody;
    int r = count ? meet_boxes(place, flow, match, answers, boxes, count, &certain, &possible) : 0;
    if (r == 0)
        r = ng_region_intersect(place->arena, flow->region, certain, ret_certain);
    return r < 0 ? r : ng_region_intersect(place->arena, flow->region, possible, ret_possible);
}

int ng_find_boxes(const struct ng_match *match, const struct answer *answers,
                  struct ng_arena *arena, uint32_t **ret_boxes, size_t *ret_count) {
    size_t n = 0;
    for (size_t i = 0; i < match->n_boxes; i++)
        n += !ruled_out(match, &match->boxes[i], answers);
    uint32_t *boxes = ng_arena_alloc(arena, n, sizeof(*boxes));
    if (!boxes)
        return -ENOMEM;
    n = 0;
    for (size_t i = 0; i < match->n_boxes; i++)
        if (!ruled_out(match, &match->boxes[i], answers))
            boxes[n++] = (uint32_t)i;
    *ret_boxes = boxes;
    *ret_count = n;
    return 0;
}

struct answer *ng_match_answers(const struct place *place, const struct flow *flow,
                                const struct ng_match *match) {
    struct answer *answers = ng_arena_alloc(place->arena, match->n_operands, sizeof(*answers));
    for (size_t i = 0; answers && i < match->n_operands; i++) {
        const struct ng_operand *operand = &match->operands[i];
        answers[i].knowledge = ng_field_value(place, flow, operand, &answers[i].value);
        answers[i].value = masked(operand, answers[i].value);
    }
    return answers;
}

static int match_boxes(const struct place *place, const struct flow *flow,
                       const struct ng_match *match, struct ng_region *ret_certain,
                       struct ng_region *ret_possible) {
    struct answer *answers = ng_match_answers(place, flow, match);
    uint32_t *boxes;
    size_t count;
    int r = answers ? ng_find_boxes(match, answers, place->arena, &boxes, &count) : -ENOMEM;
    return r < 0 ? r
                 : ng_boxes_region(place, flow, match, answers, boxes, count, ret_certain,
                                   ret_possible);
}

/* -- all of it ----------------------------------------------------------------------- */

bool ng_match_absent(const struct place *place, const struct flow *flow,
                     const struct ng_match *match) {
    if (match->any_of)
        return false;
    for (size_t i = 0; i < match->n_operands; i++) {
        ng_u128 value;
        if (ng_field_value(place, flow, &match->operands[i], &value) == ABSENT)
            return true;
    }
    return false;
}

int ng_match_region(const struct place *place, const struct flow *flow,
                    const struct ng_match *match, struct ng_region *ret_certain,
                    struct ng_region *ret_possible) {
    if (ng_match_absent(place, flow, match)) {
        *ret_certain = *ret_possible = nobody;
        return 0;
    }
    struct ng_region certain, possible;
    int r = (match->boxes ? match_boxes : match_values)(place, flow, match, &certain, &possible);
    if (r < 0)
        return r;
    /* A set that packets fill may hold the next one already. */
    if (match->dynamic)
        possible = flow->region;
    if (!match->negate) {
        *ret_certain = certain;
        *ret_possible = possible;
        return 0;
    }
    r = ng_region_subtract(place->arena, flow->region, possible, ret_certain);
    return r < 0 ? r : ng_region_subtract(place->arena, flow->region, certain, ret_possible);
}

bool ng_assigned_value(const struct place *place, const struct flow *flow,
                       const struct ng_assign *assign, ng_u128 *ret_value) {
    ng_u128 value = assign->constant;
    if (assign->unknown || assign->map)
        return false;
    for (size_t i = 0; i < assign->n_terms; i++) {
        const struct ng_operand *term = &assign->terms[i];
        ng_u128 field = 0;
        if (term->mask != 0 && ng_field_value(place, flow, term, &field) != KNOWN)
            return false;
        value ^= masked(term, field);
    }
    *ret_value = value;
    return true;
}
