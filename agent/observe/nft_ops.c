/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_parts.h"

#include <errno.h>
#include <stdio.h>

ng_u128 ng_wire_number(const uint8_t *bytes, size_t len, bool host_order) {
    bool reversed = host_order && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    ng_u128 value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | bytes[reversed ? len - 1 - i : i];
    return value;
}

unsigned ng_field_bits(enum ng_field field, uint8_t family) {
    switch (field) {
    case NG_FIELD_SADDR:
    case NG_FIELD_DADDR:
    case NG_FIELD_CT_SADDR:
    case NG_FIELD_CT_DADDR:
        return family ? ng_family_bits(family) : 0;
    case NG_FIELD_SPORT:
    case NG_FIELD_DPORT:
    case NG_FIELD_CT_SPORT:
    case NG_FIELD_CT_DPORT:
        return 16;
    case NG_FIELD_IIFNAME:
    case NG_FIELD_OIFNAME:
        return 128;
    default:
        return 0;
    }
}

int ng_unmask(struct ng_arena *arena, struct ng_operand *operand, unsigned field_bits,
              struct ng_addrset *values) {
    if (operand->mask == ~(ng_u128)0 && operand->flip == 0)
        return 0;
    if (field_bits == 0 || operand->flip != 0)
        return -EOPNOTSUPP;
    ng_u128 max = field_bits == 128 ? ~(ng_u128)0 : ((ng_u128)1 << field_bits) - 1;
    ng_u128 mask = operand->mask & max, rest = max ^ mask;
    /* Leading ones, then zeros: the rest is one less than a power of two. */
    if (rest & (rest + 1))
        return -EOPNOTSUPP;

    struct ng_interval *wide = ng_arena_alloc(arena, values->count, sizeof(*wide));
    if (!wide)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < values->count; i++) {
        /* A masked value is a multiple of rest + 1: the ones between lo and hi, each with
         * everything that the mask takes away. */
        ng_u128 lo = values->intervals[i].lo, hi = values->intervals[i].hi;
        if (lo > max)
            continue;
        if (hi > max)
            hi = max;
        ng_u128 first = lo & rest ? (lo | rest) + 1 : lo;
        ng_u128 last = hi & mask;
        bool wrapped = (lo & rest) && (lo | rest) == max;
        if (!wrapped && first <= last)
            wide[n++] = (struct ng_interval){first, last | rest};
    }
    int r = ng_addrset_from(arena, wide, n, values);
    if (r < 0)
        return r;
    operand->mask = ~(ng_u128)0;
    return 0;
}

int ng_op_add(struct op_list *list, struct ng_op op) {
    struct ng_op *own = NG_ARENA_APPEND(list->arena, list->ops, list->count, list->capacity);
    if (!own)
        return -ENOMEM;
    *own = op;
    return 0;
}

int ng_op_add_text(struct op_list *list, enum ng_op_kind kind, const char *format, ...) {
    struct ng_op op = {.kind = kind};
    if (format) {
        char text[256];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        op.text = ng_arena_strdup(list->arena, text);
        if (!op.text)
            return -ENOMEM;
    }
    return ng_op_add(list, op);
}

int ng_op_add_match(struct op_list *list, struct ng_operand operand, struct ng_addrset values,
                    bool negate) {
    if (operand.field == NG_FIELD_OTHER)
        return ng_op_add_text(list, NG_OP_UNDECIDED, "%s", operand.name ? operand.name : "?");
    int r = ng_unmask(list->arena, &operand, ng_field_bits(operand.field, operand.family), &values);
    if (r < 0 && r != -EOPNOTSUPP)
        return r;

    struct {
        struct ng_match match;
        struct ng_operand operand;
    } *own = ng_arena_alloc(list->arena, 1, sizeof(*own));
    if (!own)
        return -ENOMEM;
    own->operand = operand;
    own->match = (struct ng_match){
        .operands = &own->operand,
        .n_operands = 1,
        .negate = negate,
        .values = values,
    };
    return ng_op_add(list, (struct ng_op){.kind = NG_OP_MATCH, .match = &own->match});
}

int ng_op_add_interval(struct op_list *list, struct ng_operand operand, ng_u128 lo, ng_u128 hi,
                       bool negate) {
    struct ng_addrset values = {0};
    if (lo <= hi) {
        int r = ng_addrset_range(list->arena, lo, hi, &values);
        if (r < 0)
            return r;
    }
    return ng_op_add_match(list, operand, values, negate);
}

int ng_op_add_nat(struct op_list *list, enum ng_op_kind kind, struct ng_nat nat) {
    struct ng_nat *own = ng_arena_alloc(list->arena, 1, sizeof(*own));
    if (!own)
        return -ENOMEM;
    *own = nat;
    return ng_op_add(list, (struct ng_op){.kind = kind, .nat = own});
}
