/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_registers.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>

/* -- transformations ----------------------------------------------------------------- */

static const uint8_t *constant(const struct nlattr *nest, size_t want_bytes) {
    const struct nlattr *attributes[NFTA_DATA_MAX + 1];
    if (!nest || ng_attributes_in(nest, attributes, NFTA_DATA_MAX) < 0 ||
        !attributes[NFTA_DATA_VALUE] ||
        mnl_attr_get_payload_len(attributes[NFTA_DATA_VALUE]) != want_bytes)
        return NULL;
    return mnl_attr_get_payload(attributes[NFTA_DATA_VALUE]);
}

int ng_decode_bitwise(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_BITWISE_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_BITWISE_MAX);
    if (r < 0)
        return r;
    uint32_t len = ng_attribute_be32(attributes[NFTA_BITWISE_LEN], 0);
    size_t from, to;
    if (len == 0 || ng_register_slot(attributes[NFTA_BITWISE_SREG], len, &from) < 0 ||
        ng_register_slot(attributes[NFTA_BITWISE_DREG], len, &to) < 0)
        return -EBADMSG;

    struct part parts[MAX_PARTS];
    size_t n_parts;
    const uint8_t *mask = constant(attributes[NFTA_BITWISE_MASK], len);
    const uint8_t *flip = constant(attributes[NFTA_BITWISE_XOR], len);
    bool mask_xor = ng_attribute_be32(attributes[NFTA_BITWISE_OP], NFT_BITWISE_MASK_XOR) ==
                    NFT_BITWISE_MASK_XOR;
    if (!mask_xor || !mask || !flip || !ng_gather(run, from, len, parts, &n_parts))
        return ng_load_other(run, attributes[NFTA_BITWISE_DREG], len, "a computed value");

    struct loaded *loaded = ng_register_write(run, to, len);
    loaded->content = CONTENT_FIELDS;
    for (size_t i = 0; i < n_parts; i++) {
        struct ng_operand *operand = &parts[i].operand;
        ng_u128 part_mask = part_number(&parts[i], mask + parts[i].offset_bytes);
        operand->flip =
            (operand->flip & part_mask) ^ part_number(&parts[i], flip + parts[i].offset_bytes);
        operand->mask &= part_mask;
        loaded->parts[i] = parts[i];
    }
    loaded->n_parts = n_parts;
    return 0;
}

int ng_decode_byteorder(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_BYTEORDER_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_BYTEORDER_MAX);
    if (r < 0)
        return r;
    uint32_t len = ng_attribute_be32(attributes[NFTA_BYTEORDER_LEN], 0);
    uint32_t size = ng_attribute_be32(attributes[NFTA_BYTEORDER_SIZE], 0);
    size_t from, to;
    if (len == 0 || ng_register_slot(attributes[NFTA_BYTEORDER_SREG], len, &from) < 0 ||
        ng_register_slot(attributes[NFTA_BYTEORDER_DREG], len, &to) < 0)
        return -EBADMSG;
    struct loaded source = run->registers[from];
    /* ntoh and hton are the same turn. */
    if (source.content != CONTENT_FIELDS || source.n_parts != 1 || size != len ||
        source.parts[0].len_bytes != len)
        return ng_load_other(run, attributes[NFTA_BYTEORDER_DREG], len, "a byte-swapped value");
    source.parts[0].host_order = !source.parts[0].host_order;
    ng_load_part(run, to, source.parts[0], len);
    return 0;
}

/* -- comparisons --------------------------------------------------------------------- */

/* Something is tested that the evaluator cannot follow. */
static int add_undecided(struct run *run, const struct part *parts, size_t n_parts) {
    const char *name = "an unknown value";
    for (size_t i = 0; i < n_parts; i++)
        if (parts[i].operand.name)
            name = parts[i].operand.name;
    return ng_op_add_text(run->list, NG_OP_UNDECIDED, "%s", name);
}

/* Equality of several fields at once: all of them, or (negated) not all of them. */
static int add_equality(struct run *run, const struct part *parts, size_t n_parts,
                        const uint8_t *bytes, bool negate) {
    if (n_parts == 1) {
        ng_u128 value = part_number(&parts[0], bytes + parts[0].offset_bytes);
        return ng_op_add_interval(run->list, parts[0].operand, value, value, negate);
    }
    struct ng_arena *arena = run->decoder->arena;
    struct ng_match *match = ng_arena_alloc(arena, 1, sizeof(*match));
    struct ng_operand *operands = ng_arena_alloc(arena, n_parts, sizeof(*operands));
    struct ng_interval *sides = ng_arena_alloc(arena, n_parts, sizeof(*sides));
    struct ng_box *box = ng_arena_alloc(arena, 1, sizeof(*box));
    if (!match || !operands || !sides || !box)
        return -ENOMEM;
    for (size_t i = 0; i < n_parts; i++) {
        operands[i] = parts[i].operand;
        sides[i].lo = sides[i].hi = part_number(&parts[i], bytes + parts[i].offset_bytes);
    }
    box->sides = sides;
    *match = (struct ng_match){
        .operands = operands, .n_operands = n_parts, .negate = negate, .boxes = box, .n_boxes = 1};
    return ng_op_add(run->list, (struct ng_op){.kind = NG_OP_MATCH, .match = match});
}

int ng_decode_cmp(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_CMP_MAX + 1], *value[NFTA_DATA_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_CMP_MAX);
    if (r < 0)
        return r;
    if (!attributes[NFTA_CMP_DATA] ||
        ng_attributes_in(attributes[NFTA_CMP_DATA], value, NFTA_DATA_MAX) < 0 ||
        !value[NFTA_DATA_VALUE])
        return -EBADMSG;
    size_t len = mnl_attr_get_payload_len(value[NFTA_DATA_VALUE]), slot;
    const uint8_t *bytes = mnl_attr_get_payload(value[NFTA_DATA_VALUE]);
    if (len == 0 || ng_register_slot(attributes[NFTA_CMP_SREG], len, &slot) < 0)
        return -EBADMSG;

    struct part parts[MAX_PARTS];
    size_t n_parts = 0;
    if (!ng_gather(run, slot, len, parts, &n_parts))
        return add_undecided(run, parts, 0);
    uint32_t op = ng_attribute_be32(attributes[NFTA_CMP_OP], UINT32_MAX);
    if (op == NFT_CMP_EQ || op == NFT_CMP_NEQ)
        return add_equality(run, parts, n_parts, bytes, op == NFT_CMP_NEQ);

    /* The kernel orders by memcmp: that is the order of numbers only in network order. */
    if (n_parts != 1 || parts[0].host_order)
        return add_undecided(run, parts, n_parts);
    ng_u128 number = part_number(&parts[0], bytes + parts[0].offset_bytes);
    ng_u128 ones = len >= 16 ? ~(ng_u128)0 : ((ng_u128)1 << (8 * len)) - 1;
    ng_u128 highest = ones << parts[0].shift_bits;
    switch (op) {
    case NFT_CMP_LT:
        return ng_op_add_interval(run->list, parts[0].operand, number, highest, true);
    case NFT_CMP_LTE:
        return ng_op_add_interval(run->list, parts[0].operand, 0, number, false);
    case NFT_CMP_GT:
        return ng_op_add_interval(run->list, parts[0].operand, 0, number, true);
    case NFT_CMP_GTE:
        return ng_op_add_interval(run->list, parts[0].operand, number, highest, false);
    default:
        return add_undecided(run, parts, n_parts);
    }
}

int ng_decode_range(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_RANGE_MAX + 1], *from[NFTA_DATA_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_RANGE_MAX);
    if (r < 0)
        return r;
    if (!attributes[NFTA_RANGE_FROM_DATA] ||
        ng_attributes_in(attributes[NFTA_RANGE_FROM_DATA], from, NFTA_DATA_MAX) < 0 ||
        !from[NFTA_DATA_VALUE])
        return -EBADMSG;
    size_t len = mnl_attr_get_payload_len(from[NFTA_DATA_VALUE]), slot;
    const uint8_t *lo = mnl_attr_get_payload(from[NFTA_DATA_VALUE]);
    const uint8_t *hi = constant(attributes[NFTA_RANGE_TO_DATA], len);
    if (!hi || len == 0 || ng_register_slot(attributes[NFTA_RANGE_SREG], len, &slot) < 0)
        return -EBADMSG;

    struct part parts[MAX_PARTS];
    size_t n_parts = 0;
    if (!ng_gather(run, slot, len, parts, &n_parts) || n_parts != 1 || parts[0].host_order)
        return add_undecided(run, parts, n_parts);
    return ng_op_add_interval(run->list, parts[0].operand,
                              part_number(&parts[0], lo + parts[0].offset_bytes),
                              part_number(&parts[0], hi + parts[0].offset_bytes),
                              ng_attribute_be32(attributes[NFTA_RANGE_OP], 0) == NFT_RANGE_NEQ);
}

int ng_decode_lookup(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_LOOKUP_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_LOOKUP_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attributes[NFTA_LOOKUP_SET]);
    struct raw_set *set = name ? ng_set_find(run->decoder, run->table, name) : NULL;
    size_t slot;
    if (!set || ng_register_slot(attributes[NFTA_LOOKUP_SREG], set->key_len_bytes, &slot) < 0)
        return -EBADMSG;

    bool negate = ng_attribute_be32(attributes[NFTA_LOOKUP_FLAGS], 0) & NFT_LOOKUP_F_INV;
    struct part parts[MAX_PARTS];
    size_t n_parts = 0;
    const struct ng_match *match = NULL;
    r = ng_gather(run, slot, set->key_len_bytes, parts, &n_parts)
            ? ng_set_understand(run->decoder, set, parts, n_parts, negate, &match)
            : -EOPNOTSUPP;
    if (r < 0 && r != -EOPNOTSUPP)
        return r;

    bool to_verdict = attributes[NFTA_LOOKUP_DREG] &&
                      ng_attribute_be32(attributes[NFTA_LOOKUP_DREG], 0) == NFT_REG_VERDICT;
    if (to_verdict)
        return match ? ng_op_add(run->list, (struct ng_op){.kind = NG_OP_VMAP, .match = match})
                     : ng_op_add_text(run->list, NG_OP_UNKNOWN, "vmap @%s", set->name);
    if (attributes[NFTA_LOOKUP_DREG]) {
        if (ng_register_slot(attributes[NFTA_LOOKUP_DREG], 1, &slot) < 0)
            return -EBADMSG;
        struct loaded *loaded = ng_register_write(run, slot, REGISTER_BYTES);
        loaded->content = CONTENT_MAPPED;
        loaded->map = match; /* NULL: a map that could not be followed */
        return 0;
    }
    return match ? ng_op_add(run->list, (struct ng_op){.kind = NG_OP_MATCH, .match = match})
                 : ng_op_add_text(run->list, NG_OP_UNDECIDED, "@%s", set->name);
}
