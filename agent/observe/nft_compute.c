/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_registers.h"
#include "agent/observe/nft_set.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* Since Linux 6.13, and not in older headers. */
enum {
    BITWISE_AND = 3,
    BITWISE_OR = 4,
    BITWISE_XOR = 5,
    BITWISE_SREG2 = 8,
};

/* The bytes of an NFTA_DATA_VALUE. NULL: there are none, or not so many. */
static const uint8_t *constant(const struct nlattr *nest, size_t want_bytes) {
    const struct nlattr *attributes[NFTA_DATA_MAX + 1];
    if (!nest || ng_attributes_in(nest, attributes, NFTA_DATA_MAX) < 0 ||
        !attributes[NFTA_DATA_VALUE] ||
        mnl_attr_get_payload_len(attributes[NFTA_DATA_VALUE]) != want_bytes)
        return NULL;
    return mnl_attr_get_payload(attributes[NFTA_DATA_VALUE]);
}

int ng_decode_immediate(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_IMMEDIATE_MAX + 1], *value[NFTA_DATA_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_IMMEDIATE_MAX);
    if (r < 0)
        return r;
    if (!attributes[NFTA_IMMEDIATE_DATA])
        return -EBADMSG;
    r = ng_attributes_in(attributes[NFTA_IMMEDIATE_DATA], value, NFTA_DATA_MAX);
    if (r < 0)
        return r;
    if (value[NFTA_DATA_VERDICT]) {
        struct ng_op op = {.kind = NG_OP_VERDICT};
        r = ng_decode_verdict(run->decoder, run->table, value[NFTA_DATA_VERDICT], &op.verdict);
        return r < 0 ? r : ng_op_add(run->list, op);
    }
    if (!value[NFTA_DATA_VALUE])
        return -EBADMSG;
    size_t len = mnl_attr_get_payload_len(value[NFTA_DATA_VALUE]), at;
    r = ng_register_at(attributes[NFTA_IMMEDIATE_DREG], len, &at);
    if (r < 0)
        return r;
    ng_registers_clear(run, at, len);
    ng_registers_put_constant(run, at, mnl_attr_get_payload(value[NFTA_DATA_VALUE]), len);
    return 0;
}

/* -- bitwise ------------------------------------------------------------------------------- */

/* Some result of `len` bytes that cannot be said as bits of a field. */
static int load_computed(struct run *run, const struct nlattr *dreg, const struct value *from,
                         size_t len) {
    struct part part = ng_whole_field(NG_FIELD_OTHER, 1, false);
    part.operand.name = "a computed value";
    part.format = FORMAT_HEX;
    for (size_t i = 0; i < from->n_pieces; i++)
        part.undecoded = part.undecoded || (from->pieces[i].content == CONTENT_FIELD &&
                                            from->pieces[i].part.undecoded);
    int r = ng_require_value(run, from);
    return r < 0 ? r : ng_load_other(run, dreg, len, part);
}

static void mask_operand(struct ng_operand *operand, ng_u128 mask, ng_u128 flip) {
    operand->mask &= mask;
    operand->flip = (operand->flip & mask) ^ flip;
}

/* A piece after (value & mask) ^ flip; `bytes` gets the result where it is a constant. False: that
 * cannot be said. */
static bool mask_piece(struct piece *piece, const uint8_t *mask, const uint8_t *flip,
                       uint8_t *bytes) {
    size_t len = piece->len_bytes;
    struct part *part = &piece->part;
    switch (piece->content) {
    case CONTENT_CONSTANT:
        for (size_t i = 0; i < len; i++)
            bytes[i] = (piece->bytes[i] & mask[i]) ^ flip[i];
        return true;
    case CONTENT_FOUND:
        for (size_t i = 0; i < len; i++)
            if (mask[i] != 0xff || flip[i] != 0)
                return false;
        return true;
    case CONTENT_SUM:
        mask_operand(&piece->terms[0], ng_wire_number(mask, len, true),
                     ng_wire_number(flip, len, true));
        mask_operand(&piece->terms[1], ng_wire_number(mask, len, true), 0);
        return true;
    case CONTENT_FIELD:
        mask_operand(&part->operand, part_number(part, mask), part_number(part, flip));
        if ((part->operand.mask & part_ones(part)) == 0 && !part->may_lack) {
            ng_number_wire(part->operand.flip >> part->shift_bits, part->host_order, bytes, len);
            piece->content = CONTENT_CONSTANT;
        }
        return true;
    }
    return false;
}

/* Into bytes that are free; `bytes` are those of the constants in the value. */
static void put_value(struct run *run, size_t to, const struct value *value, const uint8_t *bytes) {
    for (size_t i = 0; i < value->n_pieces; i++) {
        struct piece piece = value->pieces[i];
        size_t at = to + piece.at;
        if (piece.content == CONTENT_CONSTANT) {
            ng_registers_put_constant(run, at, bytes + piece.at, piece.len_bytes);
        } else {
            piece.at = (uint8_t)at;
            ng_registers_put(run, piece);
        }
    }
}

static int load_masked(struct run *run, const struct nlattr *dreg, struct value *value, size_t len,
                       const uint8_t *mask, const uint8_t *flip) {
    uint8_t bytes[REGISTERS_BYTES];
    size_t to;
    int r = ng_register_at(dreg, len, &to);
    if (r < 0)
        return r;
    for (size_t i = 0; i < value->n_pieces; i++) {
        struct piece *piece = &value->pieces[i];
        if (!mask_piece(piece, mask + piece->at, flip + piece->at, bytes + piece->at))
            return load_computed(run, dreg, value, len);
    }
    ng_registers_clear(run, to, len);
    put_value(run, to, value, bytes);
    return 0;
}

/* The kernel shifts numbers of 32 bits in the machine's order. */
static int load_shifted(struct run *run, const struct nlattr *dreg, struct value *value, size_t len,
                        bool left, uint32_t by) {
    const uint8_t *bytes = ng_value_constant(value);
    uint32_t number;
    size_t to;
    int r = ng_register_at(dreg, len, &to);
    if (r < 0)
        return r;
    if (len != sizeof(number) || by >= 32)
        return load_computed(run, dreg, value, len);
    if (bytes) {
        memcpy(&number, bytes, sizeof(number));
        number = left ? number << by : number >> by;
        ng_registers_clear(run, to, len);
        ng_registers_put_constant(run, to, (const uint8_t *)&number, sizeof(number));
        return 0;
    }
    const struct part *field = ng_value_field(value);
    if (!field || left || !field->host_order || field->len_bytes != len || field->operand.flip ||
        field->shift_bits + by + 8 * len > 128)
        return load_computed(run, dreg, value, len);
    struct part part = *field;
    part.operand.mask &= part_ones(&part) & ~(((ng_u128)1 << (part.shift_bits + by)) - 1);
    part.shift_bits = (uint8_t)(part.shift_bits + by);
    ng_registers_load(run, to, part);
    return 0;
}

static bool is_mark(const struct part *part) {
    return part &&
           (part->operand.field == NG_FIELD_MARK || part->operand.field == NG_FIELD_CT_MARK) &&
           part->len_bytes == 4 && part->shift_bits == 0 && part->host_order;
}

/* Two marks: xor is what the language of rules has, and or is the same where no bit meets one. */
static bool is_sum(const struct part *a, const struct part *b, uint32_t op) {
    if (!is_mark(a) || !is_mark(b) || op == BITWISE_AND)
        return false;
    ng_u128 both = (a->operand.mask | a->operand.flip) & (b->operand.mask | b->operand.flip);
    return op == BITWISE_XOR || both == 0;
}

static int load_sum(struct run *run, const struct nlattr *dreg, const struct value *a,
                    const struct value *b, size_t len, uint32_t op) {
    const struct part *left = ng_value_field(a), *right = ng_value_field(b);
    size_t to;
    int r = ng_register_at(dreg, len, &to);
    if (r < 0)
        return r;
    if (!is_sum(left, right, op)) {
        r = ng_require_value(run, b);
        return r < 0 ? r : load_computed(run, dreg, a, len);
    }
    struct piece sum = {
        .content = CONTENT_SUM,
        .at = (uint8_t)to,
        .len_bytes = (uint8_t)len,
        .terms = {left->operand, right->operand},
    };
    ng_registers_clear(run, to, len);
    ng_registers_put(run, sum);
    return 0;
}

/* and, or, xor with a constant, as mask and flip. */
static void as_mask(uint32_t op, const uint8_t *with, size_t len, uint8_t *mask, uint8_t *flip) {
    for (size_t i = 0; i < len; i++) {
        mask[i] = op == BITWISE_AND ? with[i] : op == BITWISE_OR ? (uint8_t)~with[i] : 0xff;
        flip[i] = op == BITWISE_AND ? 0 : with[i];
    }
}

static int decode_boolean(struct run *run, const struct nlattr *attributes[], struct value *value,
                          size_t len, uint32_t op) {
    const struct nlattr *dreg = attributes[NFTA_BITWISE_DREG];
    uint8_t mask[REGISTERS_BYTES], flip[REGISTERS_BYTES];
    struct value second;
    size_t at;
    if (!attributes[BITWISE_SREG2]) {
        const uint8_t *with = constant(attributes[NFTA_BITWISE_DATA], len);
        if (!with)
            return -EBADMSG;
        as_mask(op, with, len, mask, flip);
        return load_masked(run, dreg, value, len, mask, flip);
    }
    int r = ng_register_at(attributes[BITWISE_SREG2], len, &at);
    if (r < 0)
        return r;
    ng_registers_read(run, at, len, &second);
    const uint8_t *first_bytes = ng_value_constant(value), *bytes = ng_value_constant(&second);
    if (!bytes && !first_bytes)
        return load_sum(run, dreg, value, &second, len, op);
    as_mask(op, bytes ? bytes : first_bytes, len, mask, flip);
    return load_masked(run, dreg, bytes ? value : &second, len, mask, flip);
}

int ng_decode_bitwise(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[BITWISE_SREG2 + 1];
    int r = ng_attributes_in(data, attributes, BITWISE_SREG2);
    if (r < 0)
        return r;
    const struct nlattr *dreg = attributes[NFTA_BITWISE_DREG];
    uint32_t len = ng_attribute_be32(attributes[NFTA_BITWISE_LEN], 0);
    uint32_t op = ng_attribute_be32(attributes[NFTA_BITWISE_OP], NFT_BITWISE_MASK_XOR);
    size_t at;
    r = ng_register_at(attributes[NFTA_BITWISE_SREG], len, &at);
    if (r < 0)
        return r;
    struct value value;
    ng_registers_read(run, at, len, &value);
    switch (op) {
    case NFT_BITWISE_MASK_XOR: {
        const uint8_t *mask = constant(attributes[NFTA_BITWISE_MASK], len);
        const uint8_t *flip = constant(attributes[NFTA_BITWISE_XOR], len);
        return mask && flip ? load_masked(run, dreg, &value, len, mask, flip) : -EBADMSG;
    }
    case NFT_BITWISE_LSHIFT:
    case NFT_BITWISE_RSHIFT: {
        const uint8_t *by = constant(attributes[NFTA_BITWISE_DATA], sizeof(uint32_t));
        uint32_t bits;
        if (!by)
            return -EBADMSG;
        memcpy(&bits, by, sizeof(bits));
        return load_shifted(run, dreg, &value, len, op == NFT_BITWISE_LSHIFT, bits);
    }
    case BITWISE_AND:
    case BITWISE_OR:
    case BITWISE_XOR:
        return decode_boolean(run, attributes, &value, len, op);
    default:
        for (size_t i = 0; i < value.n_pieces; i++)
            if (value.pieces[i].content == CONTENT_FIELD)
                value.pieces[i].part.undecoded = true;
        return load_computed(run, dreg, &value, len);
    }
}

/* -- byteorder ------------------------------------------------------------------------------ */

/* The pieces of one number of `size` bytes, the other way round. False: one reaches out of it. */
static bool turn_pieces(struct value *value, size_t start, size_t size, uint8_t *bytes) {
    for (size_t i = 0; i < value->n_pieces; i++) {
        struct piece *piece = &value->pieces[i];
        size_t len = piece->len_bytes;
        if (piece->at < start || piece->at >= start + size)
            continue;
        if (piece->at + len > start + size || piece->content == CONTENT_SUM ||
            (piece->content == CONTENT_FOUND && len > 1))
            return false;
        piece->at = (uint8_t)(2 * start + size - piece->at - len);
        if (piece->content == CONTENT_FIELD)
            piece->part.host_order = !piece->part.host_order;
        for (size_t k = 0; piece->content == CONTENT_CONSTANT && k < len; k++)
            bytes[piece->at + k] = piece->bytes[len - 1 - k];
    }
    return true;
}

int ng_decode_byteorder(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_BYTEORDER_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_BYTEORDER_MAX);
    if (r < 0)
        return r;
    uint32_t len = ng_attribute_be32(attributes[NFTA_BYTEORDER_LEN], 0);
    uint32_t size = ng_attribute_be32(attributes[NFTA_BYTEORDER_SIZE], 0);
    size_t from, to;
    r = ng_register_at(attributes[NFTA_BYTEORDER_SREG], len, &from);
    if (r == 0)
        r = ng_register_at(attributes[NFTA_BYTEORDER_DREG], len, &to);
    if (r < 0)
        return r;
    if (size != 2 && size != 4 && size != 8)
        return -EBADMSG;
    len -= len % size; /* the kernel leaves alone what is no whole number */
    if (len == 0)
        return 0;
    uint8_t bytes[REGISTERS_BYTES];
    struct value value;
    ng_registers_read(run, from, len, &value);
    /* ntoh and hton are the same turn, and none on a machine of network order. */
    bool turned = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    for (size_t start = 0; turned && start < len; start += size)
        turned = turn_pieces(&value, start, size, bytes);
    if (!turned)
        return load_computed(run, attributes[NFTA_BYTEORDER_DREG], &value, len);
    ng_registers_cut(run, to, len);
    put_value(run, to, &value, bytes);
    return 0;
}
