/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_set.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

int ng_register_at(const struct nlattr *attribute, size_t len_bytes, size_t *ret_at) {
    uint32_t number = ng_attribute_be32(attribute, UINT32_MAX);
    size_t at;
    if (number >= NFT_REG_1 && number <= NFT_REG_4)
        at = (size_t)(number - NFT_REG_1) * NFT_REG_SIZE;
    else if (number >= NFT_REG32_00 && number <= NFT_REG32_15)
        at = (size_t)(number - NFT_REG32_00) * NFT_REG32_SIZE;
    else
        return -EBADMSG;
    if (len_bytes == 0 || len_bytes > REGISTERS_BYTES - at)
        return -EBADMSG;
    *ret_at = at;
    return 0;
}

/* -- pieces -------------------------------------------------------------------------------- */

static struct part unknown_part(const char *name, size_t len_bytes) {
    struct part part = ng_whole_field(NG_FIELD_OTHER, len_bytes, false);
    part.operand.name = name;
    return part;
}

/* Some bytes out of the middle of a part. */
static void slice_part(struct part *part, size_t skip, size_t len_bytes) {
    if (len_bytes == part->len_bytes)
        return;
    bool low_first = part->host_order && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    size_t below = low_first ? skip : part->len_bytes - skip - len_bytes;
    part->shift_bits = (uint8_t)(part->shift_bits + 8 * below);
    part->len_bytes = (uint8_t)len_bytes;
    part->operand.mask &= part_ones(part);
    part->operand.flip &= part_ones(part);
}

/* Leaves those bytes of a piece that lie between `from` and `to`. */
static void slice(struct piece *piece, size_t from, size_t to) {
    size_t skip = from > piece->at ? from - piece->at : 0;
    size_t end = piece->at + (size_t)piece->len_bytes;
    size_t len = (end < to ? end : to) - (piece->at + skip);
    if (len == piece->len_bytes)
        return;
    piece->at = (uint8_t)(piece->at + skip);
    piece->len_bytes = (uint8_t)len;
    switch (piece->content) {
    case CONTENT_FIELD:
        slice_part(&piece->part, skip, len);
        break;
    case CONTENT_FOUND:
        piece->found_at = (uint8_t)(piece->found_at + skip);
        break;
    case CONTENT_SUM:
        piece->content = CONTENT_FIELD;
        piece->part = unknown_part("a part of two marks", len);
        break;
    case CONTENT_CONSTANT:
        break;
    }
}

static bool overlaps(const struct piece *piece, size_t from, size_t to) {
    return piece->at < to && piece->at + (size_t)piece->len_bytes > from;
}

static void insert(struct run *run, size_t index, const struct piece *piece) {
    memmove(&run->pieces[index + 1], &run->pieces[index],
            (run->n_pieces - index) * sizeof(*run->pieces));
    run->pieces[index] = *piece;
    run->n_pieces++;
}

/* Every piece has a byte of its own, so that there is room for all. */
void ng_registers_put(struct run *run, struct piece piece) {
    size_t index = run->n_pieces;
    while (index > 0 && run->pieces[index - 1].at > piece.at)
        index--;
    insert(run, index, &piece);
}

static void cut_out(struct run *run, size_t from, size_t to) {
    for (size_t i = 0; i < run->n_pieces;) {
        struct piece *piece = &run->pieces[i];
        size_t end = piece->at + (size_t)piece->len_bytes;
        if (!overlaps(piece, from, to)) {
            i++;
        } else if (piece->at < from) {
            struct piece after = *piece;
            slice(piece, piece->at, from);
            if (end > to) {
                slice(&after, to, end);
                insert(run, i + 1, &after);
            }
            i++;
        } else if (end > to) {
            slice(piece, to, end);
            i++;
        } else {
            memmove(piece, piece + 1, (run->n_pieces - i - 1) * sizeof(*piece));
            run->n_pieces--;
        }
    }
}

void ng_registers_put_constant(struct run *run, size_t at, const uint8_t *bytes, size_t len_bytes) {
    memmove(&run->constants[at], bytes, len_bytes);
    ng_registers_put(run, (struct piece){
                              .content = CONTENT_CONSTANT,
                              .at = (uint8_t)at,
                              .len_bytes = (uint8_t)len_bytes,
                          });
}

void ng_registers_cut(struct run *run, size_t at, size_t len_bytes) {
    cut_out(run, at, at + len_bytes);
    run->at_least.len_bytes = 0;
}

void ng_registers_clear(struct run *run, size_t at, size_t len_bytes) {
    static const uint8_t zeroes[REGISTER_BYTES];
    size_t padding = -len_bytes % REGISTER_BYTES;
    ng_registers_cut(run, at, len_bytes + padding);
    if (padding)
        ng_registers_put_constant(run, at + len_bytes, zeroes, padding);
}

void ng_registers_load(struct run *run, size_t at, struct part part) {
    ng_registers_clear(run, at, part.len_bytes);
    ng_registers_put(run, (struct piece){
                              .content = CONTENT_FIELD,
                              .at = (uint8_t)at,
                              .len_bytes = part.len_bytes,
                              .part = part,
                          });
}

static void put_unknown(struct run *run, size_t at, size_t end) {
    while (at < end) {
        size_t len = end - at < NUMBER_BYTES ? end - at : NUMBER_BYTES;
        struct piece piece = {.at = (uint8_t)at, .len_bytes = (uint8_t)len};
        piece.part = unknown_part("what was before", len);
        ng_registers_put(run, piece);
        at += len;
    }
}

static bool depends_on(const struct piece *piece, enum ng_field field) {
    if (piece->content == CONTENT_SUM)
        return piece->terms[0].field == field || piece->terms[1].field == field;
    if (piece->content == CONTENT_FIELD)
        return piece->part.operand.field == field;
    if (piece->content != CONTENT_FOUND || !piece->found->reading)
        return false;
    const struct ng_match *match = piece->found->reading->match;
    for (size_t i = 0; i < match->n_operands; i++)
        if (match->operands[i].field == field)
            return true;
    return false;
}

void ng_registers_forget(struct run *run, enum ng_field field) {
    for (size_t i = 0; i < run->n_pieces; i++) {
        size_t at = run->pieces[i].at, end = at + run->pieces[i].len_bytes;
        if (!depends_on(&run->pieces[i], field))
            continue;
        cut_out(run, at, end);
        put_unknown(run, at, end);
    }
}

/* -- values -------------------------------------------------------------------------------- */

static void append(struct value *value, size_t at, struct piece piece) {
    piece.at = (uint8_t)at;
    value->pieces[value->n_pieces++] = piece;
}

/* Bytes that nothing was loaded into: the kernel refuses such rules. */
static void append_gap(struct value *value, size_t at, size_t end) {
    while (at < end) {
        size_t len = end - at < NUMBER_BYTES ? end - at : NUMBER_BYTES;
        struct part part = unknown_part("an empty register", len);
        part.undecoded = true;
        append(value, at, (struct piece){.len_bytes = (uint8_t)len, .part = part});
        at += len;
    }
}

void ng_registers_read(const struct run *run, size_t at, size_t len_bytes,
                       struct value *ret_value) {
    size_t end = at + len_bytes, done = at;
    ret_value->n_pieces = 0;
    for (size_t i = 0; i < run->n_pieces; i++) {
        struct piece piece = run->pieces[i];
        if (!overlaps(&piece, at, end))
            continue;
        slice(&piece, at, end);
        append_gap(ret_value, done - at, piece.at - at);
        done = piece.at + (size_t)piece.len_bytes;
        if (piece.content == CONTENT_CONSTANT)
            piece.bytes = &run->constants[piece.at];
        append(ret_value, piece.at - at, piece);
    }
    append_gap(ret_value, done - at, len_bytes);
}

const uint8_t *ng_value_constant(const struct value *value) {
    for (size_t i = 0; i < value->n_pieces; i++)
        if (value->pieces[i].content != CONTENT_CONSTANT)
            return NULL;
    return value->pieces[0].bytes; /* pieces of one value have their bytes side by side */
}

const struct part *ng_value_field(const struct value *value) {
    return value->n_pieces == 1 && value->pieces[0].content == CONTENT_FIELD
               ? &value->pieces[0].part
               : NULL;
}

struct part ng_whole_field(enum ng_field field, size_t len_bytes, bool host_order) {
    return (struct part){
        .operand = {.field = field, .mask = ~(ng_u128)0},
        .len_bytes = (uint8_t)len_bytes,
        .host_order = host_order,
    };
}

int ng_load_other(struct run *run, const struct nlattr *dreg, size_t len_bytes, struct part part) {
    size_t at;
    int r = ng_register_at(dreg, len_bytes, &at);
    if (r < 0)
        return r;
    ng_registers_clear(run, at, len_bytes);
    for (size_t done = 0; done < len_bytes; done += part.len_bytes) {
        size_t left = len_bytes - done;
        part.len_bytes = (uint8_t)(left < NUMBER_BYTES ? left : NUMBER_BYTES);
        ng_registers_put(run, (struct piece){
                                  .content = CONTENT_FIELD,
                                  .at = (uint8_t)(at + done),
                                  .len_bytes = part.len_bytes,
                                  .part = part,
                              });
    }
    return 0;
}

int ng_require_value(struct run *run, const struct value *value) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < value->n_pieces; i++) {
        const struct part *part = &value->pieces[i].part;
        if (value->pieces[i].content != CONTENT_FIELD || !part->may_lack)
            continue;
        struct ng_operand operand = {
            .field = part->operand.field,
            .mask = ~(ng_u128)0,
            .family = part->operand.family,
            .name = part->operand.name,
        };
        r = ng_op_add_interval(run->list, operand, 0, ~(ng_u128)0, false);
    }
    return r;
}
