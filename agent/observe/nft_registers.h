/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_NFT_REGISTERS_H
#define NETGUARD_NFT_REGISTERS_H

/* The kernel runs expressions over registers: one loads a field, the next masks it, a third
 * compares. Here each register remembers what it was loaded with, so that the comparison
 * can be said as a test of that field.
 *
 * There are sixteen registers of 4 bytes; the four old 16-byte ones are four of them each
 * (NFT_REG_1 = NFT_REG32_00…03, linux/netfilter/nf_tables.h). */

#include "agent/observe/nft_parts.h"

enum {
    REGISTERS = 16,
    REGISTER_BYTES = 4,
    MAX_PARTS = 8, /* fields in one load or one concatenation */
};

enum content {
    CONTENT_NOTHING,
    CONTENT_FIELDS,
    CONTENT_IMMEDIATE,
    CONTENT_MAPPED, /* the result of a map lookup */
};

struct loaded {
    enum content content;
    uint8_t len_bytes;
    struct part parts[MAX_PARTS];
    size_t n_parts;
    uint8_t bytes[16];          /* of an immediate */
    const struct ng_match *map; /* of a lookup */
};

struct run {
    struct decoder *decoder;
    uint32_t table;
    uint8_t family; /* NFPROTO_… of the table */
    struct op_list *list;
    struct loaded registers[REGISTERS];
};

/* nft_load.c: what stands where. All that return int: 0, -ENOMEM, or -EBADMSG for a register
 * that does not exist or attributes that contradict themselves. */

/* The first 4-byte register of one that holds `len_bytes`. */
int ng_register_slot(const struct nlattr *attribute, size_t len_bytes,
                     size_t *ret_slot) _must_check_;
/* Makes room for a value and returns its place; what stood there is gone. */
struct loaded *ng_register_write(struct run *run, size_t slot, size_t len_bytes);
struct part ng_whole_field(enum ng_field field, size_t len_bytes, bool host_order);
void ng_load_part(struct run *run, size_t slot, struct part part, size_t len_bytes);
/* A field that the evaluator knows no value for, by the name a person would look it up. */
int ng_load_other(struct run *run, const struct nlattr *dreg, size_t len_bytes,
                  const char *name) _must_check_;
/* The parts of `len_bytes` bytes from a register on, as one key: values stand one after the
 * other, each padded to whole registers. False when something unknown is among them. */
bool ng_gather(const struct run *run, size_t slot, size_t len_bytes, struct part *ret_parts,
               size_t *ret_n_parts);

/* Expressions, each from its NFTA_EXPR_DATA. nft_load.c: */
int ng_decode_payload(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_meta(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_ct(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_fib(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_exthdr(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_immediate(struct run *run, const struct nlattr *data) _must_check_;
/* nft_test.c: */
int ng_decode_bitwise(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_byteorder(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_cmp(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_range(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_lookup(struct run *run, const struct nlattr *data) _must_check_;

#endif
