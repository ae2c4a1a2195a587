/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/ruleset_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool reversed(bool host_order) {
    return host_order && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
}

ng_u128 ng_wire_number(const uint8_t *bytes, size_t len, bool host_order) {
    ng_u128 value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | bytes[reversed(host_order) ? len - 1 - i : i];
    return value;
}

void ng_number_wire(ng_u128 number, bool host_order, uint8_t *ret_bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        ret_bytes[reversed(host_order) ? i : len - 1 - i] = (uint8_t)number;
        number >>= 8;
    }
}

unsigned ng_field_bits(enum ng_field field, uint8_t family) {
    switch (field) {
    case NG_FIELD_SADDR:
    case NG_FIELD_DADDR:
    case NG_FIELD_CT_SADDR:
    case NG_FIELD_CT_DADDR:
    case NG_FIELD_CT_REPLY_SADDR:
    case NG_FIELD_CT_REPLY_DADDR:
        return family ? ng_family_bits(family) : 0;
    case NG_FIELD_SPORT:
    case NG_FIELD_DPORT:
    case NG_FIELD_CT_SPORT:
    case NG_FIELD_CT_DPORT:
    case NG_FIELD_CT_REPLY_SPORT:
    case NG_FIELD_CT_REPLY_DPORT:
        return 16;
    case NG_FIELD_IIFNAME:
    case NG_FIELD_OIFNAME:
    case NG_FIELD_IIFKIND:
    case NG_FIELD_OIFKIND:
    case NG_FIELD_FIB_OIFNAME:
        return 128;
    case NG_FIELD_ETHER_SADDR:
    case NG_FIELD_ETHER_DADDR:
        return 48;
    default:
        return 0;
    }
}

static ng_u128 ones(unsigned bits) {
    return bits >= 128 ? ~(ng_u128)0 : ((ng_u128)1 << bits) - 1;
}

bool ng_mask_is_prefix(ng_u128 mask, unsigned field_bits, ng_u128 *ret_rest) {
    ng_u128 max = ones(field_bits);
    ng_u128 rest = max ^ (mask & max);
    /* Leading ones, then zeros: the rest is one less than a power of two. */
    if (field_bits == 0 || rest & (rest + 1))
        return false;
    *ret_rest = rest;
    return true;
}

bool ng_interval_unmask(struct ng_interval *interval, ng_u128 max, ng_u128 rest) {
    /* A masked value is a multiple of rest + 1: the ones between lo and hi, each with
     * everything that the mask takes away. */
    ng_u128 lo = interval->lo, hi = interval->hi < max ? interval->hi : max;
    if (lo > max || ((lo & rest) && (lo | rest) == max))
        return false;
    interval->lo = lo & rest ? (lo | rest) + 1 : lo;
    interval->hi = hi | rest;
    return interval->lo <= (hi & ~rest);
}

int ng_unmask(struct ng_arena *arena, struct ng_operand *operand, unsigned field_bits,
              struct ng_addrset *values) {
    ng_u128 rest;
    if (operand->mask == ~(ng_u128)0 && operand->flip == 0)
        return 0;
    if (operand->flip != 0 || !ng_mask_is_prefix(operand->mask, field_bits, &rest))
        return -EOPNOTSUPP;

    struct ng_interval *wide = ng_arena_alloc(arena, values->count, sizeof(*wide));
    if (!wide)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < values->count; i++) {
        wide[n] = values->intervals[i];
        n += ng_interval_unmask(&wide[n], ones(field_bits), rest);
    }
    int r = ng_addrset_from(arena, wide, n, values);
    if (r < 0)
        return r;
    operand->mask = ~(ng_u128)0;
    return 0;
}

void ng_append(char *text, size_t size_bytes, const char *format, ...) {
    size_t len = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + len, size_bytes - len, format, arguments);
    va_end(arguments);
}

int ng_op_add(struct op_list *list, struct ng_op op) {
    struct ng_op *own = NG_ARENA_APPEND(list->arena, list->ops, list->count, list->capacity);
    if (!own)
        return -ENOMEM;
    *own = op;
    return 0;
}

static int add_text(struct op_list *list, struct ng_op op, const char *format, va_list arguments)
    _printf_(3, 0);

static int add_text(struct op_list *list, struct ng_op op, const char *format, va_list arguments) {
    char text[640]; /* two names at their longest, and some */
    vsnprintf(text, sizeof(text), format, arguments);
    op.text = ng_arena_strdup(list->arena, text);
    return op.text ? ng_op_add(list, op) : -ENOMEM;
}

int ng_op_add_text(struct op_list *list, enum ng_op_kind kind, const char *format, ...) {
    va_list arguments;
    if (!format)
        return ng_op_add(list, (struct ng_op){.kind = kind});
    va_start(arguments, format);
    int r = add_text(list, (struct ng_op){.kind = kind}, format, arguments);
    va_end(arguments);
    return r;
}

int ng_op_add_undecoded(struct op_list *list, enum ng_op_kind kind, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int r = add_text(list, (struct ng_op){.kind = kind, .undecoded = true}, format, arguments);
    va_end(arguments);
    return r;
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

int ng_op_add_assign(struct op_list *list, struct ng_assign assign) {
    struct {
        struct ng_assign assign;
        struct ng_operand terms[NG_ASSIGN_TERMS];
    } *own = ng_arena_alloc(list->arena, 1, sizeof(*own));
    if (!own)
        return -ENOMEM;
    own->assign = assign;
    for (size_t i = 0; i < assign.n_terms; i++)
        own->terms[i] = assign.terms[i];
    own->assign.terms = own->terms;
    return ng_op_add(list, (struct ng_op){.kind = NG_OP_ASSIGN, .assign = &own->assign});
}
