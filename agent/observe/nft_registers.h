/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_NFT_REGISTERS_H
#define NETGUARD_NFT_REGISTERS_H

/* The kernel runs expressions over registers: one loads a field, the next masks it, a third
 * compares. Here the registers remember, byte by byte, what they were loaded with, so that the
 * comparison can be said as a test of that field.
 *
 * There are sixteen registers of 4 bytes, one behind the other; the four old 16-byte ones are four
 * of them each (NFT_REG_1 = NFT_REG32_00…03, linux/netfilter/nf_tables.h). */

#include "agent/observe/ruleset_parts.h"

enum {
    REGISTER_BYTES = 4,
    REGISTERS_BYTES = 64,
    MAX_PIECES = REGISTERS_BYTES,
    NUMBER_BYTES = 16, /* that a field's number has at most */
};

struct header;
struct reading; /* nft_set.h */

/* How a value that the evaluator does not know reads. */
enum format {
    FORMAT_NUMBER,
    FORMAT_HEX,
    FORMAT_STRING,
    FORMAT_ADDR,
    FORMAT_EXISTS,
};

/* Some bytes are some bits of one field. */
struct part {
    struct ng_operand operand; /* mask: bits of the field that are there and not masked out */
    uint8_t len_bytes;
    uint8_t shift_bits; /* where those bytes stand in the field */
    bool host_order;    /* in the machine's byte order, not the network's */
    bool may_lack;      /* there are packets without it: loading it ends the rule */
    bool undecoded;     /* what it is is not known */
    bool masked;        /* its name ends in a mask */
    enum format format;
    /* Of a field that only its place in a header names (nft_header.c). */
    const struct header *header;
    uint16_t header_bit, header_bits; /* first bit and width of the field */
};

/* A number of `len_bytes` bytes that was compared with `part`, in the place of the field. */
static inline ng_u128 part_number(const struct part *part, const uint8_t *bytes) {
    return ng_wire_number(bytes, part->len_bytes, part->host_order) << part->shift_bits;
}

/* The bits of the field that the part's bytes can hold. */
static inline ng_u128 part_ones(const struct part *part) {
    ng_u128 ones =
        part->len_bytes >= NUMBER_BYTES ? ~(ng_u128)0 : ((ng_u128)1 << (8 * part->len_bytes)) - 1;
    return ones << part->shift_bits;
}

/* What a map gave for a packet. */
struct found {
    struct raw_set *set;
    const struct reading *reading; /* NULL: how the map was asked is not understood */
    size_t op;                     /* the test that the lookup is: an element must be there */
};

enum content {
    CONTENT_FIELD,
    CONTENT_CONSTANT,
    CONTENT_FOUND,
    CONTENT_SUM, /* the exclusive or of two marks */
};

/* A run of bytes that came from one place. */
struct piece {
    enum content content;
    uint8_t at, len_bytes; /* in the registers, or in the value that was read of them */
    union {
        struct part part;
        const uint8_t *bytes;       /* of a constant that was read; inside, they are in `run` */
        struct ng_operand terms[2]; /* SUM */
        struct {
            const struct found *found;
            uint8_t found_at; /* in the element's data */
        };
    };
};

/* What a rule has said so far about the packet, which tells what the bytes of headers are. */
struct said {
    uint8_t family;   /* enum ng_family, 0: nothing */
    int transport;    /* IPPROTO_…, -1: nothing */
    bool link_header; /* there is one */
};

/* A comparison that may turn out to be the first half of a range. */
struct at_least {
    uint8_t at, len_bytes; /* 0: none, or its bytes have been written since */
    size_t op;             /* the test it became */
    uint8_t bytes[REGISTERS_BYTES];
};

struct run {
    struct decoder *decoder;
    uint32_t table;
    uint8_t family; /* NFPROTO_… of the table */
    struct op_list *list;
    struct said said;
    struct at_least at_least;
    size_t n_pieces;
    uint8_t constants[REGISTERS_BYTES];
    struct piece pieces[MAX_PIECES]; /* in order, disjoint; constants have their bytes above */
};

/* What stands in some bytes of the registers: pieces without a gap. Borrowed from `run` until
 * something is written. */
struct value {
    size_t n_pieces;
    struct piece pieces[MAX_PIECES];
};

/* -- nft_registers.c ----------------------------------------------------------------------- */

/* All that return int: 0, -ENOMEM, or -EBADMSG for a register that does not exist or attributes
 * that contradict themselves. */

/* The first byte of a register that holds `len_bytes`. */
int ng_register_at(const struct nlattr *attribute, size_t len_bytes, size_t *ret_at) _must_check_;
void ng_registers_read(const struct run *run, size_t at, size_t len_bytes, struct value *ret_value);
/* Whatever was there is gone, zeroes fill the last register. */
void ng_registers_clear(struct run *run, size_t at, size_t len_bytes);
/* The same, but what is behind in the last register stays. */
void ng_registers_cut(struct run *run, size_t at, size_t len_bytes);
/* Into bytes that were cleared or cut. */
void ng_registers_put(struct run *run, struct piece piece);
void ng_registers_put_constant(struct run *run, size_t at, const uint8_t *bytes, size_t len_bytes);
/* What was loaded of a field, or found by it, is not to be had of the packet any more. */
void ng_registers_forget(struct run *run, enum ng_field field);
/* One field or a part of one. */
void ng_registers_load(struct run *run, size_t at, struct part part);
struct part ng_whole_field(enum ng_field field, size_t len_bytes, bool host_order);
/* A field that the evaluator knows no value for, by the name a person would look it up; of any
 * length that registers hold. */
int ng_load_other(struct run *run, const struct nlattr *dreg, size_t len_bytes,
                  struct part part) _must_check_;
/* The bytes of a constant. NULL: it is none. They last until `run` is written. */
const uint8_t *ng_value_constant(const struct value *value);
/* The one field, or NULL. */
const struct part *ng_value_field(const struct value *value);
/* Where a value is used and not compared, its load still ends the rule for packets that lack it. */
int ng_require_value(struct run *run, const struct value *value) _must_check_;

/* -- nft_header.c: fields by their place in the packet ------------------------------------- */

int ng_decode_payload(struct run *run, const struct nlattr *data) _must_check_;
/* "@nh,64,8": bytes of a header, as nft prints them where they have no name. NULL: out of memory.
 */
const char *ng_place_text(struct ng_arena *arena, uint32_t base, uint32_t offset,
                          uint32_t len) _must_check_;
/* Makes a part an operand: the name of a field that only its place tells, numbers and mask as nft
 * shows them. *ret_shift: by how many bits values go right for it. */
int ng_name_part(struct run *run, struct part *part, unsigned *ret_shift) _must_check_;

/* -- nft_load.c, nft_exthdr.c ---------------------------------------------------------------- */

int ng_decode_meta(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_ct(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_fib(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_rt(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_socket(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_numgen(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_hash(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_xfrm(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_tunnel(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_osf(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_inner(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_exthdr(struct run *run, const struct nlattr *data) _must_check_;

/* -- nft_compute.c --------------------------------------------------------------------------- */

int ng_decode_immediate(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_bitwise(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_byteorder(struct run *run, const struct nlattr *data) _must_check_;

/* -- nft_test.c ------------------------------------------------------------------------------- */

int ng_decode_cmp(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_range(struct run *run, const struct nlattr *data) _must_check_;
/* A test of one field, after ng_name_part: `values` are intervals of it after mask and flip. */
int ng_add_test(struct run *run, const struct part *part, struct ng_addrset values,
                bool negate) _must_check_;

/* -- nft_lookup.c ----------------------------------------------------------------------------- */

int ng_decode_lookup(struct run *run, const struct nlattr *data) _must_check_;
/* The test that a lookup is. *ret_reading NULL: it is not understood, and an operation says so. */
int ng_add_lookup(struct run *run, struct raw_set *set, const struct nlattr *sreg, bool negate,
                  const struct reading **ret_reading) _must_check_;
/* Who does with what a map found what fails without it need not test for it before. */
void ng_absorb_lookup(struct run *run, const struct found *found);

/* -- nft_assign.c ----------------------------------------------------------------------------- */

/* `target` gets what stands in the registers. */
int ng_add_assign(struct run *run, enum ng_field target, size_t at, size_t len_bytes,
                  bool host_order) _must_check_;

/* -- nft_nat.c -------------------------------------------------------------------------------- */

int ng_decode_nat(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_masq(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_redir(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_tproxy(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_dup(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_fwd(struct run *run, const struct nlattr *data) _must_check_;

/* -- nft_effect.c ----------------------------------------------------------------------------- */

int ng_decode_limit(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_quota(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_connlimit(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_log(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_queue(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_reject(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_synproxy(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_dynset(struct run *run, const struct nlattr *data) _must_check_;
int ng_decode_objref(struct run *run, const struct nlattr *data) _must_check_;

#endif
