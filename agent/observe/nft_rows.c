/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_set.h"

#include <errno.h>
#include <string.h>

static const struct ng_interval any = {0, ~(ng_u128)0};

int ng_rows_start(struct run *run, const struct value *key, struct rows *ret_rows) {
    ret_rows->arena = run->decoder->scratch;
    ret_rows->key = key;
    ret_rows->n_parts = ret_rows->n = ret_rows->n_sides = 0;
    ret_rows->sides_capacity = ret_rows->elements_capacity = 0;
    ret_rows->sides = NULL;
    ret_rows->elements = NULL;
    for (size_t i = 0; i < key->n_pieces; i++) {
        const struct piece *piece = &key->pieces[i];
        size_t n = ret_rows->n_parts;
        unsigned shift;
        if (piece->content == CONTENT_CONSTANT)
            continue;
        if (piece->content != CONTENT_FIELD || piece->part.undecoded)
            return -EOPNOTSUPP;
        ret_rows->parts[n] = piece->part;
        int r = ng_name_part(run, &ret_rows->parts[n], &shift);
        if (r < 0)
            return r;
        ret_rows->at[n] = piece->at;
        ret_rows->shift[n] = (uint8_t)shift;
        ret_rows->n_parts++;
    }
    return ret_rows->n_parts > 0 ? 0 : -EOPNOTSUPP;
}

/* Room for the sides of one more row, NULL: out of memory. They count when add_row is called. */
static struct ng_interval *next_row(struct rows *rows) {
    size_t end = rows->n_sides + rows->n_parts;
    if (end > rows->sides_capacity) {
        size_t capacity = 2 * rows->sides_capacity + rows->n_parts;
        struct ng_interval *sides = ng_arena_alloc(rows->arena, capacity, sizeof(*sides));
        if (!sides)
            return NULL;
        if (rows->n_sides)
            memcpy(sides, rows->sides, rows->n_sides * sizeof(*sides));
        rows->sides = sides;
        rows->sides_capacity = capacity;
    }
    return &rows->sides[rows->n_sides];
}

static int add_row(struct rows *rows, const struct raw_element *element) {
    const struct raw_element **slot =
        NG_ARENA_APPEND(rows->arena, rows->elements, rows->n, rows->elements_capacity);
    if (!slot)
        return -ENOMEM;
    *slot = element;
    rows->n_sides += rows->n_parts;
    return 0;
}

static ng_u128 number(const struct rows *rows, size_t i, const uint8_t *key) {
    return part_number(&rows->parts[i], key + rows->at[i]) >> rows->shift[i];
}

int ng_rows_add_any(struct rows *rows, const struct raw_element *element) {
    struct ng_interval *row = next_row(rows);
    if (!row)
        return -ENOMEM;
    for (size_t i = 0; i < rows->n_parts; i++)
        row[i] = any;
    return add_row(rows, element);
}

/* -- boxes ---------------------------------------------------------------------------------- */

/* Some bytes of the key that are a range by themselves: is that the range of a single field of
 * ours? Zeroes may follow, which fill the last register. */
static bool is_side(const struct rows *rows, const uint8_t *lo, const uint8_t *hi, size_t from,
                    size_t end) {
    size_t fields = 0;
    for (size_t i = 0; i < rows->key->n_pieces; i++) {
        const struct piece *piece = &rows->key->pieces[i];
        size_t at = piece->at, len = piece->len_bytes;
        if (at >= end || at + len <= from)
            continue;
        if (at < from || at + len > end)
            return false;
        bool field = piece->content != CONTENT_CONSTANT && at == from;
        if (!field &&
            (piece->content != CONTENT_CONSTANT || memcmp(piece->bytes, lo + at, len) != 0 ||
             memcmp(piece->bytes, hi + at, len) != 0))
            return false;
        fields += field;
    }
    return fields == 1;
}

/* A range is a box only where each field of the concatenation that has different ends is one of
 * ours. */
static bool is_box(const struct rows *rows, const uint8_t *lo, const uint8_t *hi,
                   const struct raw_set *set) {
    size_t from = 0;
    for (size_t i = 0; i < set->n_fields; i++) {
        size_t len = set->field_bytes[i];
        size_t padded = (len + REGISTER_BYTES - 1) / REGISTER_BYTES * REGISTER_BYTES;
        if (memcmp(lo + from, hi + from, len) != 0 && !is_side(rows, lo, hi, from, from + padded))
            return false;
        from += padded;
    }
    return true;
}

/* Do the constants among the looked up bytes lie between the keys? */
static bool holds_constants(const struct rows *rows, const uint8_t *lo, const uint8_t *hi) {
    for (size_t i = 0; i < rows->key->n_pieces; i++) {
        const struct piece *piece = &rows->key->pieces[i];
        if (piece->content == CONTENT_CONSTANT &&
            (memcmp(piece->bytes, lo + piece->at, piece->len_bytes) < 0 ||
             memcmp(piece->bytes, hi + piece->at, piece->len_bytes) > 0))
            return false;
    }
    return true;
}

int ng_rows_add_box(struct rows *rows, const uint8_t *lo, const uint8_t *hi,
                    const struct raw_element *element, const struct raw_set *set) {
    if (lo != hi && !is_box(rows, lo, hi, set))
        return -EOPNOTSUPP;
    if (!holds_constants(rows, lo, hi))
        return 0;
    struct ng_interval *row = next_row(rows);
    if (!row)
        return -ENOMEM;
    for (size_t i = 0; i < rows->n_parts; i++) {
        const struct part *part = &rows->parts[i];
        /* The kernel orders bytes: those of a number only in network order. */
        if (part->host_order && part->len_bytes > 1 && lo != hi &&
            memcmp(lo + rows->at[i], hi + rows->at[i], part->len_bytes) != 0)
            return -EOPNOTSUPP;
        row[i] = (struct ng_interval){number(rows, i, lo), number(rows, i, hi)};
        if (row[i].lo > row[i].hi)
            return 0; /* empty: no key is in it */
    }
    return add_row(rows, element);
}

/* -- ranges --------------------------------------------------------------------------------- */

/* A range over several fields in the order of bytes falls apart into boxes: where the first fields
 * are at the range's low end the others start there, and so at its high end; in between they may be
 * anything. */

enum edge { LOW, HIGH };

static bool at_end(const struct rows *rows, size_t i, const uint8_t *key, enum edge edge) {
    for (; i < rows->n_parts; i++) {
        ng_u128 last = part_ones(&rows->parts[i]) >> rows->shift[i];
        if (number(rows, i, key) != (edge == LOW ? 0 : last))
            return false;
    }
    return true;
}

static int add_middle(struct rows *rows, const uint8_t *fixed, size_t i, struct ng_interval middle,
                      const struct raw_element *element) {
    if (middle.lo > middle.hi)
        return 0;
    struct ng_interval *row = next_row(rows);
    if (!row)
        return -ENOMEM;
    for (size_t k = 0; k < i; k++)
        row[k] = (struct ng_interval){number(rows, k, fixed), number(rows, k, fixed)};
    row[i] = middle;
    for (size_t k = i + 1; k < rows->n_parts; k++)
        row[k] = any;
    return add_row(rows, element);
}

/* Fields before `i` are as in `key`, those from it on are at or beyond it. */
static int add_edge(struct rows *rows, size_t i, const uint8_t *key, enum edge edge,
                    const struct raw_element *element) {
    int r = 0;
    for (; r == 0 && i < rows->n_parts; i++) {
        ng_u128 here = number(rows, i, key);
        ng_u128 step = (ng_u128)1 << (rows->parts[i].shift_bits - rows->shift[i]);
        ng_u128 last = part_ones(&rows->parts[i]) >> rows->shift[i];
        bool closed = at_end(rows, i + 1, key, edge);
        struct ng_interval beyond = edge == LOW
                                        ? (struct ng_interval){closed ? here : here + step, last}
                                        : (struct ng_interval){0, closed ? here : here - step};
        bool none = !closed && here == (edge == LOW ? last : 0);
        if (!none)
            r = add_middle(rows, key, i, beyond, element);
        if (closed)
            break;
    }
    return r;
}

static bool is_ordered(const struct rows *rows) {
    size_t at = 0;
    for (size_t i = 0; i < rows->n_parts; i++) {
        const struct part *part = &rows->parts[i];
        bool some_bits = rows->n_parts > 1 && part->shift_bits < rows->shift[i];
        if (rows->at[i] != at || (part->host_order && part->len_bytes > 1) || some_bits)
            return false;
        at += part->len_bytes;
    }
    return rows->key->n_pieces == rows->n_parts;
}

int ng_rows_add_range(struct rows *rows, const uint8_t *lo, const uint8_t *hi,
                      const struct raw_element *element) {
    size_t first = 0;
    if (!is_ordered(rows))
        return -EOPNOTSUPP;
    while (first + 1 < rows->n_parts && number(rows, first, lo) == number(rows, first, hi))
        first++;
    struct ng_interval middle = {number(rows, first, lo), number(rows, first, hi)};
    if (first + 1 == rows->n_parts)
        return add_middle(rows, lo, first, middle, element);

    ng_u128 step = (ng_u128)1 << (rows->parts[first].shift_bits - rows->shift[first]);
    bool low_closed = at_end(rows, first + 1, lo, LOW);
    bool high_closed = at_end(rows, first + 1, hi, HIGH);
    int r = low_closed ? 0 : add_edge(rows, first + 1, lo, LOW, element);
    middle.lo += low_closed ? 0 : step;
    middle.hi -= high_closed ? 0 : step;
    if (r == 0)
        r = add_middle(rows, lo, first, middle, element);
    if (r == 0 && !high_closed)
        r = add_edge(rows, first + 1, hi, HIGH, element);
    return r;
}

/* -- tests ---------------------------------------------------------------------------------- */

static bool is_any(const struct ng_interval *side) {
    return side->lo == any.lo && side->hi == any.hi;
}

/* One operand's sides in all rows; those without a value go. */
static void unmask(struct rows *rows, size_t operand, ng_u128 max, ng_u128 rest) {
    size_t n = rows->n_parts, kept = 0;
    for (size_t row = 0; row < rows->n; row++) {
        struct ng_interval *sides = &rows->sides[row * n];
        if (!is_any(&sides[operand]) && !ng_interval_unmask(&sides[operand], max, rest))
            continue;
        memmove(&rows->sides[kept * n], sides, n * sizeof(*sides));
        rows->elements[kept++] = rows->elements[row];
    }
    rows->n = kept;
    rows->n_sides = kept * n;
}

void ng_rows_finish(struct rows *rows) {
    for (size_t i = 0; i < rows->n_parts; i++) {
        struct ng_operand *operand = &rows->parts[i].operand;
        unsigned bits = ng_field_bits(operand->field, operand->family);
        ng_u128 rest, max = bits >= 128 ? ~(ng_u128)0 : ((ng_u128)1 << bits) - 1;
        if (operand->mask == ~(ng_u128)0 || operand->flip != 0 ||
            !ng_mask_is_prefix(operand->mask, bits, &rest))
            continue;
        unmask(rows, i, max, rest);
        operand->mask = ~(ng_u128)0;
    }
}

static int list_values(const struct rows *rows, struct ng_arena *arena, bool expiring,
                       struct ng_addrset *ret_set) {
    struct ng_interval *intervals = ng_arena_alloc(rows->arena, rows->n, sizeof(*intervals));
    if (!intervals)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++)
        if ((rows->elements[i] && rows->elements[i]->expires) == expiring)
            intervals[n++] = rows->sides[i];
    return ng_addrset_from(arena, intervals, n, ret_set);
}

int ng_rows_match(const struct rows *rows, struct ng_arena *arena, struct ng_match *ret_match,
                  struct ng_box **ret_boxes) {
    struct ng_operand *operands = ng_arena_alloc(arena, rows->n_parts, sizeof(*operands));
    if (!operands)
        return -ENOMEM;
    for (size_t i = 0; i < rows->n_parts; i++)
        operands[i] = rows->parts[i].operand;
    ret_match->operands = operands;
    ret_match->n_operands = rows->n_parts;
    if (rows->n_parts == 1 && !ret_boxes) {
        int r = list_values(rows, arena, false, &ret_match->values);
        return r < 0 ? r : list_values(rows, arena, true, &ret_match->expiring);
    }

    struct ng_interval *sides = ng_arena_alloc(arena, rows->n_sides, sizeof(*sides));
    struct ng_box *boxes = ng_arena_alloc(arena, rows->n, sizeof(*boxes));
    if (!sides || !boxes)
        return -ENOMEM;
    if (rows->n_sides)
        memcpy(sides, rows->sides, rows->n_sides * sizeof(*sides));
    for (size_t i = 0; i < rows->n; i++) {
        boxes[i].sides = &sides[i * rows->n_parts];
        boxes[i].expires = rows->elements[i] && rows->elements[i]->expires;
        if (rows->elements[i])
            boxes[i].verdict = rows->elements[i]->verdict;
    }
    ret_match->boxes = boxes;
    ret_match->n_boxes = rows->n;
    if (ret_boxes)
        *ret_boxes = boxes;
    return 0;
}
