/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_set.h"

#include <errno.h>

static bool is_mark(enum ng_field field) {
    return field == NG_FIELD_MARK || field == NG_FIELD_CT_MARK;
}

/* A whole mark, under whatever mask. */
static bool is_mark_part(const struct part *part) {
    return part && is_mark(part->operand.field) && part->len_bytes == 4 && part->shift_bits == 0 &&
           part->host_order;
}

/* What the map gives, in the numbers of the field. */
static int add_found(struct run *run, struct ng_assign assign, const struct piece *piece,
                     bool host_order) {
    const struct found *found = piece->found;
    struct reading *own;
    int r = ng_reading_copy(run, found->reading, &own);
    if (r < 0)
        return r;
    for (size_t i = 0; i < own->match->n_boxes; i++)
        if (own->elements[i]->data)
            own->boxes[i].value = ng_wire_number(own->elements[i]->data + piece->found_at,
                                                 piece->len_bytes, host_order);
    ng_absorb_lookup(run, found);
    assign.map = own->match;
    return ng_op_add_assign(run->list, assign);
}

int ng_add_assign(struct run *run, enum ng_field target, size_t at, size_t len_bytes,
                  bool host_order) {
    struct ng_assign assign = {.target = target};
    struct value value;
    ng_registers_read(run, at, len_bytes, &value);
    /* What the registers have of it is what it was before. */
    ng_registers_forget(run, target);
    const struct piece *first = &value.pieces[0];
    const uint8_t *bytes = ng_value_constant(&value);
    if (bytes) {
        assign.constant = ng_wire_number(bytes, len_bytes, host_order);
    } else if (value.n_pieces == 1 && first->content == CONTENT_SUM && is_mark(target)) {
        assign.terms = first->terms;
        assign.n_terms = 2;
    } else if (is_mark(target) && is_mark_part(ng_value_field(&value))) {
        assign.terms = &first->part.operand;
        assign.n_terms = 1;
    } else if (value.n_pieces == 1 && first->content == CONTENT_FOUND && first->found->reading) {
        return add_found(run, assign, first, host_order);
    } else {
        int r = ng_require_value(run, &value);
        if (r < 0)
            return r;
        assign.unknown = true;
    }
    return ng_op_add_assign(run->list, assign);
}
