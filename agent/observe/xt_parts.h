/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_XT_PARTS_H
#define NETGUARD_XT_PARTS_H

/* What the decoders of iptables' and ebtables' extensions share. Each extension carries the
 * kernel's own structure (linux/netfilter/xt_….h and its kin) of one revision, and each decoder
 * says what the kernel's function of that name does with it. */

#include "agent/observe/ruleset_parts.h"

#include <linux/netfilter.h>
#include <string.h>

/* One extension of one rule. */
struct xt {
    struct op_list *list;
    uint8_t family;   /* NFPROTO_… of the table */
    const void *info; /* the structure, aligned for any type */
};

struct xt_extension {
    const char *name;
    uint8_t revision;
    uint8_t family;   /* NFPROTO_…; INET: IPv4 or IPv6, UNSPEC: any */
    bool tracks;      /* its check function makes the kernel track connections */
    size_t len_bytes; /* of the structure; messages pad it */
    int (*decode)(const struct xt *xt);
};

/* A structure that ends in an array: any length. */
enum { XT_ANY_LEN = 0 };

/* All of these end with an entry that has no name. */
extern const struct xt_extension ng_xt_header_matches[];
extern const struct xt_extension ng_xt_host_matches[];
extern const struct xt_extension ng_xt_conntrack_matches[];
extern const struct xt_extension ng_xt_undecided_matches[];
extern const struct xt_extension ng_xt_bridge_matches[];
extern const struct xt_extension ng_xt_nat_targets[];
extern const struct xt_extension ng_xt_plain_targets[];
extern const struct xt_extension ng_xt_bridge_targets[];

/* -- operands ------------------------------------------------------------------------ */

#define XT_WHOLE (~(ng_u128)0)

static inline struct ng_operand xt_masked(enum ng_field which, ng_u128 mask) {
    return (struct ng_operand){.field = which, .mask = mask};
}

static inline struct ng_operand xt_field(enum ng_field which) {
    return xt_masked(which, XT_WHOLE);
}

/* Something of an IPv4 or IPv6 header, in a table of that family. */
static inline struct ng_operand xt_family_field(const struct xt *xt, enum ng_field which) {
    struct ng_operand operand = xt_field(which);
    operand.family = xt->family == NFPROTO_IPV6 ? NG_IP6 : NG_IP4;
    return operand;
}

static inline size_t xt_addr_len(const struct xt *xt) {
    return xt->family == NFPROTO_IPV6 ? 16 : 4;
}

/* An address of the table's family, in network order. */
static inline ng_u128 xt_addr(const struct xt *xt, const void *wire) {
    return ng_wire_number(wire, xt_addr_len(xt), false);
}

/* Tests whose words are not those of one operand: an absent operand fails the boxes that ask for
 * it and nothing else (`any_of`). `sides` are n_boxes times n_operands. */
enum { XT_OPERANDS = 2 };
int xt_add_boxes(struct op_list *list, const struct ng_operand *operands, size_t n_operands,
                 const struct ng_interval *sides, size_t n_boxes, bool negate) _must_check_;

/* A test of one operand which a packet without it fails, or passes if it is negated. */
int xt_add_present(struct op_list *list, struct ng_operand operand, ng_u128 lo, ng_u128 hi,
                   bool negate) _must_check_;

/* A test of a header that a plain first packet does not have: `format` names it. */
int xt_add_missing_header(struct op_list *list, const char *format, ...) _must_check_
    _printf_(2, 3);

/* -- words --------------------------------------------------------------------------- */

/* A line of words that grows; what is too long is cut off. */
struct xt_text {
    char bytes[240];
    size_t len;
};

void xt_put(struct xt_text *text, const char *format, ...) _printf_(2, 3);

/* "%.*s" of a character array that may lack its NUL. */
#define XT_CHARS(array) (int)strnlen((array), sizeof(array)), (array)

/* " --name", " ! --name". */
static inline const char *xt_not(bool inverted) {
    return inverted ? " !" : "";
}

static inline int xt_add_words(struct op_list *list, enum ng_op_kind kind,
                               const struct xt_text *text) {
    return ng_op_add_text(list, kind, "%s", text->bytes);
}

#endif
