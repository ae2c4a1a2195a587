/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_set.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>

static bool has_undecoded(const struct value *key) {
    for (size_t i = 0; i < key->n_pieces; i++)
        if (key->pieces[i].content != CONTENT_FIELD ? key->pieces[i].content != CONTENT_CONSTANT
                                                    : key->pieces[i].part.undecoded)
            return true;
    return false;
}

/* A field that the evaluator has no value for, alone: shown by name and values. */
static const struct part *lone_other(const struct value *key) {
    const struct part *part = ng_value_field(key);
    return part && (part->operand.field == NG_FIELD_OTHER || part->operand.field == NG_FIELD_EXTHDR)
               ? part
               : NULL;
}

static int read_key(struct run *run, const struct raw_set *set, const struct nlattr *sreg,
                    struct value *ret_key) {
    size_t at;
    int r = ng_register_at(sreg, set->key_len_bytes, &at);
    if (r == 0)
        ng_registers_read(run, at, set->key_len_bytes, ret_key);
    return r;
}

/* *ret_reading NULL: no reading, and `key` says why. */
static int read_set(struct run *run, struct raw_set *set, const struct value *key, bool negate,
                    const struct reading **ret_reading) {
    *ret_reading = NULL;
    /* Kernels differ in what the negated lookup makes of an element that stands for all. */
    if (negate && set->catch_all)
        return 0;
    int r = ng_set_read(run, set, key, negate, ret_reading);
    return r == -EOPNOTSUPP ? 0 : r;
}

static int add_unread(struct run *run, const struct raw_set *set, const struct value *key,
                      bool negate, enum ng_op_kind kind, const char *before) {
    bool known = negate && set->catch_all && !has_undecoded(key);
    return (known ? ng_op_add_text : ng_op_add_undecoded)(run->list, kind, "%s@%s", before,
                                                          set->name);
}

static int add_match(struct run *run, const struct raw_set *set, const struct value *key,
                     const struct reading *reading) {
    struct part part;
    unsigned shift;
    if (!lone_other(key) || reading->match->boxes)
        return ng_op_add(run->list, (struct ng_op){.kind = NG_OP_MATCH, .match = reading->match});
    part = *lone_other(key);
    int r = ng_name_part(run, &part, &shift);
    if (r < 0)
        return r;
    if (reading->match->set_name && part.operand.field == NG_FIELD_OTHER)
        return ng_op_add_text(run->list, NG_OP_UNDECIDED, "%s %s@%s", part.operand.name,
                              reading->match->negate ? "!= " : "", set->name);
    return ng_add_test(run, &part, reading->match->values, reading->match->negate);
}

int ng_add_lookup(struct run *run, struct raw_set *set, const struct nlattr *sreg, bool negate,
                  const struct reading **ret_reading) {
    struct value key;
    int r = read_key(run, set, sreg, &key);
    if (r == 0)
        r = read_set(run, set, &key, negate, ret_reading);
    if (r < 0)
        return r;
    return *ret_reading ? add_match(run, set, &key, *ret_reading)
                        : add_unread(run, set, &key, negate, NG_OP_UNDECIDED, negate ? "!= " : "");
}

static int add_vmap(struct run *run, struct raw_set *set, const struct nlattr *sreg) {
    const struct reading *reading;
    struct value key;
    int r = read_key(run, set, sreg, &key);
    if (r == 0)
        r = read_set(run, set, &key, false, &reading);
    if (r < 0)
        return r;
    return reading
               ? ng_op_add(run->list, (struct ng_op){.kind = NG_OP_VMAP, .match = reading->match})
               : add_unread(run, set, &key, false, NG_OP_UNKNOWN, "vmap ");
}

void ng_absorb_lookup(struct run *run, const struct found *found) {
    struct op_list *list = run->list;
    if (found->reading && list->count == found->op + 1 &&
        list->ops[found->op].match == found->reading->match)
        list->count--;
}

static int load_found(struct run *run, struct raw_set *set, const struct nlattr *dreg,
                      const struct reading *reading) {
    size_t at;
    int r = ng_register_at(dreg, set->data_len_bytes, &at);
    struct found *found = ng_arena_alloc(run->decoder->scratch, 1, sizeof(*found));
    if (r < 0 || !found)
        return r < 0 ? r : -ENOMEM;
    *found = (struct found){.set = set, .reading = reading, .op = run->list->count - 1};
    ng_registers_clear(run, at, set->data_len_bytes);
    ng_registers_put(run, (struct piece){
                              .content = CONTENT_FOUND,
                              .at = (uint8_t)at,
                              .len_bytes = (uint8_t)set->data_len_bytes,
                              .found = found,
                          });
    return 0;
}

int ng_decode_lookup(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_LOOKUP_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_LOOKUP_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attributes[NFTA_LOOKUP_SET]);
    const struct nlattr *sreg = attributes[NFTA_LOOKUP_SREG], *dreg = attributes[NFTA_LOOKUP_DREG];
    struct raw_set *set = name ? ng_set_find(run->decoder, run->table, name) : NULL;
    if (!set || (dreg && !(set->flags & NFT_SET_MAP)))
        return -EBADMSG;
    if (dreg && ng_attribute_be32(dreg, UINT32_MAX) == NFT_REG_VERDICT)
        return add_vmap(run, set, sreg);
    bool negate = ng_attribute_be32(attributes[NFTA_LOOKUP_FLAGS], 0) & NFT_LOOKUP_F_INV;
    const struct reading *reading;
    r = ng_add_lookup(run, set, sreg, negate, &reading);
    return r < 0 || !dreg ? r : load_found(run, set, dreg, reading);
}
