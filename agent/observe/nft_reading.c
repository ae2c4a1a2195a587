/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_set.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

/* Markers of an interval set, in the order of their keys; where an interval ends and the
 * next begins, the end comes first. */
static int compare_markers(const void *left, const void *right, void *context) {
    const struct raw_element *a = left, *b = right;
    const struct raw_set *set = context;
    if (a->catch_all || b->catch_all)
        return (int)a->catch_all - (int)b->catch_all;
    int order = memcmp(a->key, b->key, set->key_len_bytes);
    return order ? order : (int)b->interval_end - (int)a->interval_end;
}

/* The key before one, in the order of bytes. False: there is none. */
static bool key_before(const uint8_t *key, size_t len, uint8_t *ret_key) {
    bool borrow = true;
    for (size_t i = len; i-- > 0;) {
        ret_key[i] = (uint8_t)(key[i] - borrow);
        borrow = borrow && key[i] == 0;
    }
    return !borrow;
}

/* Each element marks where an interval begins or ends; an open last one runs to the highest key. */
static int read_markers(struct raw_set *set, struct rows *rows) {
    uint8_t last[KEY_MAX_BYTES];
    int r = 0;
    if (!set->sorted && set->n_elements)
        qsort_r(set->elements, set->n_elements, sizeof(*set->elements), compare_markers, set);
    set->sorted = true;
    for (size_t i = 0; r == 0 && i < set->n_elements; i++) {
        const struct raw_element *element = &set->elements[i], *next = element + 1;
        if (element->interval_end || element->catch_all)
            continue;
        if (element->key_end)
            memcpy(last, element->key_end, set->key_len_bytes);
        else if (i + 1 == set->n_elements || next->catch_all)
            memset(last, 0xff, sizeof(last));
        else if (!key_before(next->key, set->key_len_bytes, last) ||
                 memcmp(last, element->key, set->key_len_bytes) < 0)
            continue; /* two intervals begin there: the later one counts */
        r = ng_rows_add_range(rows, element->key, last, element);
    }
    return r;
}

static int read_elements(struct raw_set *set, struct rows *rows) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < set->n_elements; i++) {
        const struct raw_element *element = &set->elements[i];
        if (!element->catch_all && !element->interval_end)
            r = ng_rows_add_box(rows, element->key,
                                element->key_end ? element->key_end : element->key, element, set);
    }
    return r;
}

/* The catch-all element stands for what no other matched: it goes last. */
static int read_catch_all(const struct raw_set *set, struct rows *rows) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < set->n_elements; i++)
        if (set->elements[i].catch_all)
            r = ng_rows_add_any(rows, &set->elements[i]);
    return r;
}

static bool same_operand(const struct ng_operand *a, const struct ng_operand *b) {
    bool same_name = a->name == b->name || (a->name && b->name && strcmp(a->name, b->name) == 0);
    return a->field == b->field && a->mask == b->mask && a->flip == b->flip &&
           a->family == b->family && a->fib == b->fib && same_name;
}

static const struct reading *find_reading(const struct raw_set *set, const struct rows *rows,
                                          bool negate) {
    for (const struct reading *reading = set->readings; reading; reading = reading->next) {
        const struct ng_match *match = reading->match;
        bool same = !reading->own && match->n_operands == rows->n_parts && match->negate == negate;
        for (size_t i = 0; same && i < rows->n_parts; i++)
            same = same_operand(&match->operands[i], &rows->parts[i].operand);
        if (same)
            return reading;
    }
    return NULL;
}

/* Only what asks for whole fields is there for the next rule: other masks go into the boxes. */
static bool asks_whole(const struct rows *rows) {
    for (size_t i = 0; i < rows->n_parts; i++)
        if (rows->parts[i].operand.mask != ~(ng_u128)0)
            return false;
    return true;
}

static int keep_reading(struct run *run, struct raw_set *set, const struct rows *rows, bool negate,
                        bool own, const struct reading **ret_reading) {
    struct ng_arena *arena = run->decoder->arena;
    struct reading *reading = ng_arena_alloc(run->decoder->scratch, 1, sizeof(*reading));
    struct ng_match *match = ng_arena_alloc(arena, 1, sizeof(*match));
    if (!reading || !match)
        return -ENOMEM;
    *match = (struct ng_match){
        .negate = negate,
        .ordered = (set->flags & NFT_SET_INTERVAL) && (set->flags & NFT_SET_CONCAT),
        /* By its name it would look as if whole fields were looked up. */
        .set_name = (set->flags & NFT_SET_ANONYMOUS) || own ? NULL : set->name,
    };
    bool map = set->flags & NFT_SET_MAP;
    int r = ng_rows_match(rows, arena, match, map ? &reading->boxes : NULL);
    if (r < 0)
        return r;
    reading->set = set;
    reading->own = own;
    reading->match = match;
    reading->elements = rows->elements;
    reading->next = set->readings;
    set->readings = reading;
    *ret_reading = reading;
    return 0;
}

int ng_set_read(struct run *run, struct raw_set *set, const struct value *key, bool negate,
                const struct reading **ret_reading) {
    struct rows rows;
    int r = ng_rows_start(run, key, &rows);
    if (r < 0)
        return r;
    bool whole = asks_whole(&rows);
    const struct reading *known = whole ? find_reading(set, &rows, negate) : NULL;
    if (known) {
        *ret_reading = known;
        return 0;
    }
    bool markers = (set->flags & NFT_SET_INTERVAL) && !(set->flags & NFT_SET_CONCAT);
    r = markers ? read_markers(set, &rows) : read_elements(set, &rows);
    if (r == 0)
        r = read_catch_all(set, &rows);
    if (r < 0)
        return r;
    ng_rows_finish(&rows);
    return keep_reading(run, set, &rows, negate, !whole, ret_reading);
}

int ng_reading_copy(struct run *run, const struct reading *reading, struct reading **ret_reading) {
    struct ng_arena *arena = run->decoder->arena;
    struct reading *copy = ng_arena_alloc(run->decoder->scratch, 1, sizeof(*copy));
    struct ng_match *match = ng_arena_alloc(arena, 1, sizeof(*match));
    struct ng_box *boxes = ng_arena_alloc(arena, reading->match->n_boxes, sizeof(*boxes));
    if (!copy || !match || !boxes)
        return -ENOMEM;
    if (reading->match->n_boxes)
        memcpy(boxes, reading->match->boxes, reading->match->n_boxes * sizeof(*boxes));
    *match = *reading->match;
    match->boxes = boxes;
    *copy = *reading;
    copy->match = match;
    copy->boxes = boxes;
    copy->own = true;
    copy->next = reading->set->readings;
    reading->set->readings = copy;
    *ret_reading = copy;
    return 0;
}

/* -- sets that packets change --------------------------------------------------------------- */

static int forget_elements(struct decoder *decoder, struct reading *reading) {
    struct ng_match *match = reading->match;
    struct ng_box *boxes = (struct ng_box *)match->boxes; /* of ng_rows_match, for this set alone */
    for (size_t i = 0; i < match->n_boxes; i++)
        boxes[i].expires = true;
    int r = ng_addrset_union(decoder->arena, match->expiring, match->values, &match->expiring);
    match->values = (struct ng_addrset){0};
    return r;
}

int ng_sets_finish(struct decoder *decoder) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < decoder->n_sets; i++) {
        const struct raw_set *set = &decoder->sets[i];
        for (struct reading *reading = set->readings; r == 0 && reading; reading = reading->next) {
            reading->match->dynamic = set->adds;
            if (set->removes)
                r = forget_elements(decoder, reading);
        }
    }
    return r;
}
