/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_RULESET_PARTS_H
#define NETGUARD_RULESET_PARTS_H

/* What the files of the decoder share: nft_decode.c (nf_tables' messages, tables, chains,
 * rules), nft_expr.c (expressions of one rule), nft_set.c (sets and maps), xt_decode.c
 * (iptables' extensions, in nf_tables rules and legacy tables alike), ruleset_ops.c (how
 * operations are made). */

#include "agent/observe/attributes.h"
#include "netguard/ruleset.h"
#include "netguard/world.h"

#include <libmnl/libmnl.h>

struct raw_set; /* nft_set.h */

struct decoder {
    struct ng_arena *arena;   /* of the ruleset that is being made */
    struct ng_arena *scratch; /* gone when decoding is done */
    struct ng_table *tables;
    size_t n_tables, tables_capacity;
    struct ng_chain *chains;
    size_t n_chains, chains_capacity;
    uint32_t *tables_by_name; /* sorted by family, name; made when all tables are known */
    uint32_t *chains_by_name; /* sorted by table, name; made when all chains are known */
    struct raw_set *sets;     /* sorted by table, name when all are known */
    size_t n_sets, sets_capacity;
    struct ng_rule *rules;
    size_t n_rules, rules_capacity;
    const struct ng_ipsets *ipsets; /* NULL: not known */
    bool sets_label, sets_zone;     /* some rule does, see struct op_list */
};

/* Reads `len` bytes (at most 16) as a number. */
ng_u128 ng_wire_number(const uint8_t *bytes, size_t len, bool host_order);

/* The same the other way round. */
void ng_number_wire(ng_u128 number, bool host_order, uint8_t *ret_bytes, size_t len);

/* Brings a test of one field into its simplest form: a mask that keeps the leading bits
 * turns into intervals of the whole field. -EOPNOTSUPP where the mask cannot be expressed
 * as intervals; the test then stays as it is. */
int ng_unmask(struct ng_arena *arena, struct ng_operand *operand, unsigned field_bits,
              struct ng_addrset *values) _must_check_;

/* Does the mask keep just the leading bits of a field that is so wide? *ret_rest: the others. */
bool ng_mask_is_prefix(ng_u128 mask, unsigned field_bits, ng_u128 *ret_rest);

/* The values of a whole field whose leading bits lie between lo and hi: what a mask that takes
 * `rest` away stands for. False: there are none. */
bool ng_interval_unmask(struct ng_interval *interval, ng_u128 max, ng_u128 rest);

/* Width of a field in bits, 0 for one that has none of its own. */
unsigned ng_field_bits(enum ng_field field, uint8_t family);

/* All of these return 0 or -ENOMEM. */

/* All tables, chains, sets and rules of a dump; -EBADMSG and `error` where it is torn or
 * contradicts itself. */
int ng_nft_decode(struct decoder *decoder, const struct ng_nft_dump *dump,
                  struct ng_error *error) _must_check_;

/* Appends to the operations of the rule at hand. */
struct op_list {
    struct ng_arena *arena;
    struct ng_op *ops;
    size_t count, capacity;
    bool tracks; /* one of them makes the kernel track connections: struct ng_rule */
    /* One of them gives connections a label or a zone: who reads it gets no value from us. */
    bool sets_label, sets_zone;
    const struct ng_ipsets *ipsets; /* that xt rules may name; NULL: not known */
};
int ng_op_add(struct op_list *list, struct ng_op op) _must_check_;
int ng_op_add_text(struct op_list *list, enum ng_op_kind kind, const char *format, ...) _must_check_
    _printf_(3, 4);
/* An NG_OP_UNDECIDED or NG_OP_UNKNOWN for what the decoder does not know. */
int ng_op_add_undecoded(struct op_list *list, enum ng_op_kind kind, const char *format,
                        ...) _must_check_ _printf_(3, 4);
/* Puts some words behind a text in a buffer of that size; what is too long is cut. */
void ng_append(char *text, size_t size_bytes, const char *format, ...) _printf_(3, 4);
/* A test of one operand. `values` are intervals of the field, after mask and flip. */
int ng_op_add_match(struct op_list *list, struct ng_operand operand, struct ng_addrset values,
                    bool negate) _must_check_;
int ng_op_add_interval(struct op_list *list, struct ng_operand operand, ng_u128 lo, ng_u128 hi,
                       bool negate) _must_check_;

/* Destination NAT or a redirect to what is known. */
int ng_op_add_nat(struct op_list *list, enum ng_op_kind kind, struct ng_nat nat) _must_check_;

/* Copies the terms. */
int ng_op_add_assign(struct op_list *list, struct ng_assign assign) _must_check_;

/* The expressions of one rule (NFTA_RULE_EXPRESSIONS) become operations. -EBADMSG for a
 * torn attribute. */
int ng_decode_expressions(struct decoder *decoder, uint32_t table, const struct nlattr *expressions,
                          struct op_list *list) _must_check_;

/* xt_decode.c: `name` and `revision` of the extension, `info` its kernel structure. */
int ng_decode_xt_match(struct op_list *list, uint8_t family, const char *name, uint32_t revision,
                       const void *info, size_t len_bytes) _must_check_;
int ng_decode_xt_target(struct op_list *list, uint8_t family, const char *name, uint32_t revision,
                        const void *info, size_t len_bytes) _must_check_;

/* ipset_decode.c: what lies in the ipsets, for the xt extensions, which know them by index. */
struct ng_ipsets;
/* In the decoder's scratch, and it borrows the dump; *ret_ipsets stays NULL where they were not
 * read. -EBADMSG, -ENOMEM. */
int ng_ipsets_decode(struct ng_arena *scratch, const struct ng_ipset_dump *dump,
                     const struct ng_ipsets **ret_ipsets, struct ng_error *error) _must_check_;

/* ipset_match.c: the test that xt_set's match does, in a table of `family` (NFPROTO_…): `dim` and
 * `flags` as in struct xt_set_info (linux/netfilter/xt_set.h). Revisions 3 and 4 of the match have
 * IPSET_RETURN_NOMATCH not there but in their own flags (IPSET_FLAG_RETURN_NOMATCH, the same
 * value): the caller puts it there. An undecided operation where it cannot be told. */
int ng_decode_ipset_match(struct op_list *list, uint8_t family, uint16_t index, uint8_t dim,
                          uint8_t flags) _must_check_;
/* The same for a match that asks for the counters of the element, too: no element is certain to
 * be found, and where it is not, a wider network may be. */
int ng_decode_ipset_counted(struct op_list *list, uint8_t family, uint16_t index, uint8_t dim,
                            uint8_t flags) _must_check_;
/* A SET target adds packets to a set or removes them from it (IPSET_INVALID_ID: neither): what was
 * and will be decoded of the set then says so. */
int ng_decode_ipset_change(struct op_list *list, uint16_t index, bool removes) _must_check_;

/* xt_table.c: one table of iptables-legacy becomes a table with chains and rules. -EBADMSG and
 * `error` where it is torn or contradicts itself. */
int ng_xt_table_decode(struct decoder *decoder, const struct ng_xt_table *table,
                       struct ng_error *error) _must_check_;

/* NFTA_DATA_VERDICT to a verdict; the chain is looked up in `table`. -EBADMSG. */
int ng_decode_verdict(struct decoder *decoder, uint32_t table, const struct nlattr *data,
                      struct ng_verdict *ret_verdict) _must_check_;

#endif
