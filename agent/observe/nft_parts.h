/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_NFT_PARTS_H
#define NETGUARD_NFT_PARTS_H

/* What the files of the nf_tables decoder share: nft_decode.c (messages, tables, chains,
 * rules), nft_expr.c (expressions of one rule), nft_set.c (sets and maps), xt_decode.c
 * (iptables' extensions inside nf_tables rules). */

#include "agent/observe/attributes.h"
#include "netguard/ruleset.h"

#include <libmnl/libmnl.h>

/* An element as the kernel told it, not yet understood: what its bytes mean is known only
 * where a rule looks something up in the set. */
struct raw_element {
    const uint8_t *key, *key_end; /* key_end NULL: not a concatenated interval */
    uint16_t key_len_bytes;
    uint16_t data_len_bytes;
    const uint8_t *data;       /* of a map */
    struct ng_verdict verdict; /* of a verdict map */
    bool interval_end, catch_all, expires;
};

struct raw_set {
    uint32_t table;
    const char *name;
    uint32_t flags; /* NFT_SET_… */
    uint32_t key_len_bytes;
    struct raw_element *elements;
    size_t n_elements, elements_capacity;
    /* The last way it was understood; rules that ask the same get the same answer. */
    const struct ng_match *understood;
};

struct decoder {
    struct ng_arena *arena;   /* of the ruleset that is being made */
    struct ng_arena *scratch; /* gone when decoding is done */
    struct ng_table *tables;
    size_t n_tables, tables_capacity;
    struct ng_chain *chains;
    size_t n_chains, chains_capacity;
    uint32_t *chains_by_name; /* sorted by table, name; made when all chains are known */
    struct raw_set *sets;     /* sorted by table, name when all are known */
    size_t n_sets, sets_capacity;
    struct ng_rule *rules;
    size_t n_rules, rules_capacity;
};

/* Part of a register: some bytes of it are some bits of one field. */
struct part {
    struct ng_operand operand; /* mask: bits of the field that were loaded and not masked out */
    uint8_t offset_bytes;      /* in the loaded value */
    uint8_t len_bytes;
    uint8_t shift_bits; /* where those bytes stand in the field */
    bool host_order;    /* in the machine's byte order, not the network's */
};

/* Reads `len` bytes (at most 16) as a number. */
ng_u128 ng_wire_number(const uint8_t *bytes, size_t len, bool host_order);

/* A number of `len_bytes` bytes that was compared with `part`, in the place of the field. */
static inline ng_u128 part_number(const struct part *part, const uint8_t *bytes) {
    return ng_wire_number(bytes, part->len_bytes, part->host_order) << part->shift_bits;
}

/* Brings a test of one field into its simplest form: a mask that keeps the leading bits
 * turns into intervals of the whole field. -EOPNOTSUPP where the mask cannot be expressed
 * as intervals; the test then stays as it is. */
int ng_unmask(struct ng_arena *arena, struct ng_operand *operand, unsigned field_bits,
              struct ng_addrset *values) _must_check_;

/* Width of a field in bits, 0 for one that has none of its own. */
unsigned ng_field_bits(enum ng_field field, uint8_t family);

/* All of these return 0 or -ENOMEM. */

/* Appends to the operations of the rule at hand. */
struct op_list {
    struct ng_arena *arena;
    struct ng_op *ops;
    size_t count, capacity;
};
int ng_op_add(struct op_list *list, struct ng_op op) _must_check_;
int ng_op_add_text(struct op_list *list, enum ng_op_kind kind, const char *format, ...) _must_check_
    _printf_(3, 4);
/* A test of one operand. `values` are intervals of the field, after mask and flip. */
int ng_op_add_match(struct op_list *list, struct ng_operand operand, struct ng_addrset values,
                    bool negate) _must_check_;
int ng_op_add_interval(struct op_list *list, struct ng_operand operand, ng_u128 lo, ng_u128 hi,
                       bool negate) _must_check_;

/* Destination NAT or a redirect to what is known. */
int ng_op_add_nat(struct op_list *list, enum ng_op_kind kind, struct ng_nat nat) _must_check_;

/* The expressions of one rule (NFTA_RULE_EXPRESSIONS) become operations. -EBADMSG for a
 * torn attribute. */
int ng_decode_expressions(struct decoder *decoder, uint32_t table, const struct nlattr *expressions,
                          struct op_list *list) _must_check_;

/* xt_decode.c: `name` and `revision` of the extension, `info` its kernel structure. */
int ng_decode_xt_match(struct op_list *list, uint8_t family, const char *name, uint32_t revision,
                       const void *info, size_t len_bytes) _must_check_;
int ng_decode_xt_target(struct op_list *list, uint8_t family, const char *name, uint32_t revision,
                        const void *info, size_t len_bytes) _must_check_;

/* nft_set.c */
int ng_decode_set(struct decoder *decoder, uint32_t table,
                  const struct nlmsghdr *message) _must_check_;
int ng_decode_set_elements(struct decoder *decoder, uint32_t table,
                           const struct nlmsghdr *message) _must_check_;
void ng_sets_sort(struct decoder *decoder);
struct raw_set *ng_set_find(struct decoder *decoder, uint32_t table, const char *name);
/* What a lookup of `parts` in `set` asks. -EOPNOTSUPP where it cannot be told. */
int ng_set_understand(struct decoder *decoder, struct raw_set *set, const struct part *parts,
                      size_t n_parts, bool negate, const struct ng_match **ret_match) _must_check_;

/* NFTA_DATA_VERDICT to a verdict; the chain is looked up in `table`. -EBADMSG. */
int ng_decode_verdict(struct decoder *decoder, uint32_t table, const struct nlattr *data,
                      struct ng_verdict *ret_verdict) _must_check_;

#endif
