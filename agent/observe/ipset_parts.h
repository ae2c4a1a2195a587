/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_IPSET_PARTS_H
#define NETGUARD_IPSET_PARTS_H

/* What the files of the ipset decoder share: ipset_decode.c (messages to sets and elements),
 * ipset_region.c (elements to boxes: which of them a lookup finds), ipset_match.c (boxes to the
 * operations of a rule). */

#include "agent/observe/ruleset_parts.h"

/* What a dimension of an element is: IPSET_DIM_ONE to _THREE of linux/netfilter/ipset/ip_set.h. */
enum ng_ipset_kind {
    NG_IPSET_NONE, /* there is no such dimension */
    NG_IPSET_ADDR,
    NG_IPSET_NET,       /* the most specific one decides */
    NG_IPSET_PORT,      /* with a protocol: of TCP, UDP, …, or type and code of ICMP */
    NG_IPSET_BARE_PORT, /* of TCP or UDP */
    NG_IPSET_MAC,
    NG_IPSET_MARK,
    NG_IPSET_NAME, /* of an interface */
};

enum { NG_IPSET_DIMENSIONS = 3 };

struct ng_ipset_type {
    const char *name;
    enum ng_ipset_kind kinds[NG_IPSET_DIMENSIONS];
    bool list; /* of other sets */
};

struct ng_ipset_element {
    struct ng_interval sides[NG_IPSET_DIMENSIONS]; /* lo > hi: no packet has it */
    uint8_t lens[NG_IPSET_DIMENSIONS];             /* of a NET: the length of its prefix */
    uint8_t proto;                                 /* of a PORT */
    bool nomatch;
    bool physdev; /* asks for the port of a bridge, which no rule can name */
    bool expires;
};

struct ng_ipset_member {
    const char *name;
    bool expires;
};

/* What a rule asks: as in ng_decode_ipset_match(). */
struct ng_ipset_question {
    uint8_t family, dim, flags;
    bool counted;
};

/* What a lookup in a set is, for rules that ask the same. */
struct ng_ipset_answer {
    struct ng_ipset_question question;
    struct ng_match *match; /* NULL: it cannot be told, */
    const char *why;        /* because of this */
    bool undecoded;
    struct ng_ipset_answer *next;
};

struct ng_ipset {
    const char *name; /* all strings: in the dump */
    const char *type_name;
    const struct ng_ipset_type *type; /* NULL: not known */
    uint8_t family;                   /* NFPROTO_IPV4, NFPROTO_IPV6 or 0: both */
    uint8_t addr_bits;                /* of that family, 0: it has no addresses */
    bool has_index;
    uint16_t index;
    bool strange;      /* something in it is not known: what it holds cannot be told */
    bool has_timeouts; /* what is added to it again may get a timeout */
    bool evicts;       /* what is added to it may push out something else */
    ng_u128 addr_mask; /* that addresses are looked up under */
    uint32_t mark_mask;
    const struct nlattr **lists; /* IPSET_ATTR_ADT of each message */
    size_t n_lists, lists_capacity;
    /* What the lists hold, once somebody asks. */
    bool read;
    struct ng_ipset_element *elements;
    size_t n_elements, elements_capacity;
    struct ng_ipset_member *members; /* of a list of sets */
    size_t n_members, members_capacity;
    /* Rules add to it or remove from it. */
    bool grows, shrinks;
    struct ng_ipset_answer *answers;
};

struct ng_ipsets {
    struct ng_arena *scratch;
    struct ng_ipset *sets; /* sorted by name */
    size_t n_sets, sets_capacity;
    struct ng_ipset **by_index; /* sorted by index, those that have one */
    size_t n_by_index;
};

struct ng_ipset *ng_ipset_named(const struct ng_ipsets *ipsets, const char *name);
struct ng_ipset *ng_ipset_at(const struct ng_ipsets *ipsets, uint16_t index);

/* Reads the elements or members of a set, in the order of the dump; a second time does nothing.
 * What contradicts its type makes the set strange. 0 or -ENOMEM. */
int ng_ipset_read(const struct ng_ipsets *ipsets, struct ng_ipset *set) _must_check_;

/* -- elements to boxes --------------------------------------------------------------- */

/* What is asked of the packet, in the order in which the boxes have it. */
enum { NG_IPSET_COLUMNS = 12 };

struct ng_ipset_columns {
    struct ng_operand operands[NG_IPSET_COLUMNS];
    size_t count;
};

struct ng_ipset_box {
    struct ng_interval *sides; /* as many as there are columns */
    bool expires;
};

struct ng_ipset_region {
    struct ng_arena *scratch;
    struct ng_ipset_columns columns;
    struct ng_ipset_box *boxes;
    size_t count, capacity;
};

/* The place of an operand, a new one or one that is there; NG_IPSET_COLUMNS: there is the same
 * field under another mask. */
size_t ng_ipset_column(struct ng_ipset_columns *columns, struct ng_operand operand);
/* A box that asks for nothing yet, or NULL. */
struct ng_ipset_box *ng_ipset_box_new(struct ng_ipset_region *region);

/* The packets that a lookup in a set of elements finds, with `flags` as in struct xt_set_info.
 * Where it is `counted`, each element's counters may keep it from being found. -EOPNOTSUPP and a
 * reason where it cannot be told, -ENOMEM. */
int ng_ipset_find(struct ng_ipset *set, uint8_t flags, bool counted, struct ng_ipset_region *region,
                  const char **ret_why) _must_check_;

#endif
