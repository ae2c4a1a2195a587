/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_RULESET_H
#define NETGUARD_RULESET_H

/* The packet filter as one small language, whatever wrote it: nft, iptables-nft with its xt
 * extensions, Docker. Decoders (agent/observe) produce it, one evaluator (policy/reach)
 * runs it, one printer (rule_text.c) shows it.
 *
 * A rule is a list of operations, run in order as the kernel runs expressions: tests that
 * end the rule when they fail, and effects. What a decoder does not understand becomes an
 * operation that says so (NG_OP_UNDECIDED, NG_OP_UNKNOWN), never nothing. */

#include "netguard/addr.h"

/* What a packet, its connection or the host can be asked for. Values are numbers in host
 * byte order; interface names are numbers too: the 16 bytes of IFNAMSIZ, NUL-padded, first
 * byte most significant, so that "wg*" is an interval. */
enum ng_field {
    NG_FIELD_OTHER, /* anything the evaluator has no value for; `name` says what */
    NG_FIELD_SADDR,
    NG_FIELD_DADDR,
    NG_FIELD_SPORT, /* TCP, UDP, SCTP, DCCP, UDP-Lite */
    NG_FIELD_DPORT,
    NG_FIELD_L4PROTO,
    NG_FIELD_NFPROTO,   /* 2 IPv4, 10 IPv6 (NFPROTO_…) */
    NG_FIELD_ETHERTYPE, /* 0x0800, 0x86dd */
    NG_FIELD_IIF,       /* link index */
    NG_FIELD_OIF,
    NG_FIELD_IIFNAME,
    NG_FIELD_OIFNAME,
    NG_FIELD_IIFTYPE, /* ARPHRD_… */
    NG_FIELD_OIFTYPE,
    NG_FIELD_IIFKIND, /* rtnl_link_ops kind, as a name number */
    NG_FIELD_OIFKIND,
    NG_FIELD_MARK,
    NG_FIELD_PKTTYPE,        /* PACKET_HOST, … */
    NG_FIELD_FRAGMENT,       /* fragment offset of IPv4; a first packet is no fragment: 0 */
    NG_FIELD_EXTHDR,         /* an IPv6 extension header's field; a plain first packet has none */
    NG_FIELD_EXTHDR_PRESENT, /* 0: it is not there */
    NG_FIELD_TCP_FLAGS,
    NG_FIELD_ICMP_TYPE, /* ICMP or ICMPv6, as NG_FIELD_L4PROTO says */
    NG_FIELD_ICMP_CODE,
    NG_FIELD_CT_STATE,  /* bits: invalid 1, established 2, related 4, new 8, untracked 64 */
    NG_FIELD_CT_STATUS, /* IPS_… bits */
    NG_FIELD_CT_DIRECTION,
    NG_FIELD_CT_MARK,
    NG_FIELD_CT_SADDR, /* original direction */
    NG_FIELD_CT_DADDR,
    NG_FIELD_CT_SPORT,
    NG_FIELD_CT_DPORT,
    NG_FIELD_CT_L4PROTO,
    NG_FIELD_CT_REPLY_SADDR, /* as a first answer would have it */
    NG_FIELD_CT_REPLY_DADDR,
    NG_FIELD_CT_REPLY_SPORT,
    NG_FIELD_CT_REPLY_DPORT,
    NG_FIELD_CT_EXPIRATION, /* of a new connection: not yet set */
    NG_FIELD_CT_LABEL,      /* 0 until a rule sets one */
    NG_FIELD_CT_ZONE,
    NG_FIELD_ETHER_SADDR, /* 48 bits */
    NG_FIELD_ETHER_DADDR,
    NG_FIELD_IIFGROUP,
    NG_FIELD_OIFGROUP,
    NG_FIELD_FIB_TYPE,    /* RTN_… of what `fib` of the operand asks about */
    NG_FIELD_FIB_OIF,     /* link index of the way there, 0: none */
    NG_FIELD_FIB_OIFNAME, /* its name, empty: none */
    NG_FIELD_FIB_PRESENT, /* 1: there is a way, 0: none */
    NG_FIELD_SECPATH,     /* 1: decrypted from an IPsec tunnel */
    NG_FIELD_RT_IPSEC,    /* 1: to be encrypted on its way out */
    NG_FIELD_SKUID,       /* of the socket that sent it: a packet that arrives has none */
    NG_FIELD_SKGID,
    NG_FIELD_COUNT,
};

/* What a question to the routing tables is about: NFTA_FIB_F_… of linux/netfilter/nf_tables.h,
 * and one of iptables' rpfilter. */
enum ng_fib {
    NG_FIB_SADDR = 1 << 0,
    NG_FIB_DADDR = 1 << 1,
    NG_FIB_MARK = 1 << 2,         /* with the packet's mark; without: as if it had none */
    NG_FIB_IIF = 1 << 3,          /* only a way through the incoming interface counts */
    NG_FIB_OIF = 1 << 4,          /* the outgoing one */
    NG_FIB_ACCEPT_LOCAL = 1 << 6, /* this machine's own addresses have a way, too */
    /* As iptables' addrtype and rpfilter ask: an IPv6 link-local address is local whatever link it
     * stands on, and to a broadcast address there is no way. */
    NG_FIB_XTABLES = 1 << 7,
};

/* One side of a test: a field, after `(value & mask) ^ flip`. */
struct ng_operand {
    enum ng_field field;
    ng_u128 mask; /* ~0: whole */
    ng_u128 flip;
    uint8_t family;   /* read from an IPv4 or IPv6 header: has no value for the other; 0: both */
    uint8_t fib;      /* enum ng_fib, of a NG_FIELD_FIB_…; 0 else */
    const char *name; /* of an NG_FIELD_OTHER, NULL else */
};

enum ng_verdict_kind {
    NG_VERDICT_CONTINUE,
    NG_VERDICT_ACCEPT,
    NG_VERDICT_DROP,
    NG_VERDICT_RETURN,
    NG_VERDICT_JUMP,
    NG_VERDICT_GOTO,
    NG_VERDICT_UNKNOWN, /* queue and the like: somebody else decides */
};

struct ng_verdict {
    enum ng_verdict_kind kind;
    uint32_t chain;   /* index, of a jump or goto */
    const char *text; /* how it prints when the kind does not say ("reject", "queue"), or NULL */
};

/* Where NAT sends a packet. Ranges have lo != hi. */
struct ng_nat {
    bool has_addr, has_port;
    bool netmap; /* the bits in which addr_lo and addr_hi differ stay the packet's own */
    struct ng_addr addr_lo, addr_hi;
    uint16_t port_lo, port_hi;
    /* Of a port range: any of it, not the packet's own or the first that is free; or the one that
     * is as far behind port_lo (counted round) as the packet's own is behind port_base. */
    bool random, shifted;
    uint16_t port_base;
};

/* One element of a set or map: an interval per operand, all of which must hold. */
struct ng_box {
    const struct ng_interval *sides; /* as many as the match has operands */
    struct ng_verdict verdict;       /* of a verdict map */
    struct ng_nat nat;               /* of a NAT map */
    ng_u128 value;                   /* of a map to be assigned, in the byte order of fields */
    bool expires;                    /* has a timeout: may be gone, or come back */
};

struct ng_match {
    const struct ng_operand *operands;
    size_t n_operands;
    bool negate;
    bool any_of;  /* an operand that the packet lacks fails the boxes that ask for it (a whole
                     side does not ask), and not the test: its negation then holds */
    bool dynamic; /* packets add to the set: what is not in it now may be in a moment */
    const char *set_name; /* printed as @name; NULL: printed by value */
    /* One operand and no data: the union of all elements, and of those that have a timeout
     * and may be gone in a moment. */
    struct ng_addrset values;
    struct ng_addrset expiring;
    /* Several operands, or data behind each element. Boxes of a map have no key in common, but
     * for one that holds them all and counts for what no other holds; or they are `ordered`, as
     * nft lets those of concatenated ranges overlap: the first that holds a key counts. */
    const struct ng_box *boxes;
    size_t n_boxes;
    bool ordered;
};

/* A new value for something of the packet: the exclusive or of masked fields and a constant, or
 * what a map has for the packet. */
struct ng_assign {
    /* MARK, CT_MARK; SADDR, DADDR, SPORT, DPORT for a header that is rewritten without NAT. */
    enum ng_field target;
    bool unknown;                   /* to something the evaluator has no value for */
    const struct ng_operand *terms; /* at most NG_ASSIGN_TERMS; one that the packet lacks: nothing
                                       is assigned, and a rule of nft ends */
    size_t n_terms;
    ng_u128 constant;
    const struct ng_match *map; /* instead: `value` of the box that matches; none: ends the rule */
};

enum { NG_ASSIGN_TERMS = 2 };

/* To a socket of this machine without translation. */
struct ng_tproxy {
    struct ng_nat to;             /* without an address: that of the packet or the interface */
    const struct ng_assign *mark; /* when a socket is there; NULL: none */
    bool xtables; /* iptables' target: accepts with a socket and drops without; that of nft goes on
                     or ends the rule */
};

enum ng_op_kind {
    NG_OP_MATCH,     /* goes on if it matches */
    NG_OP_UNDECIDED, /* goes on or not, as something decides that no ruleset tells: a rate, a clock
                      */
    NG_OP_VMAP,      /* verdict of the element that matches; none: ends the rule */
    NG_OP_VERDICT,
    NG_OP_DNAT,     /* to `nat`, or by map (`match` with boxes; no element: ends the rule) */
    NG_OP_REDIRECT, /* DNAT to the address of the incoming interface, port of `nat` or by map */
    NG_OP_SNAT,     /* source NAT of any sort: ends the nat chain, and the source is not known after
                       it; of `nat` only the family counts that it is for */
    NG_OP_ASSIGN,
    NG_OP_TPROXY,
    NG_OP_NOTRACK,
    NG_OP_NOTHING, /* counter, log, comment: no effect on where packets go */
    NG_OP_UNKNOWN, /* an effect that is not understood: from here on anything may happen */
};

struct ng_op {
    enum ng_op_kind kind;
    bool undecoded;   /* of UNDECIDED and UNKNOWN: the decoder does not know what it is; else the
                         thing is known, and not decidable by its nature */
    const char *text; /* for the kinds that cannot be printed from their data, of DNAT and REDIRECT
                         the flags ("random,persistent"); NULL else */
    union {
        const struct ng_match *match;   /* MATCH, VMAP, DNAT by map */
        struct ng_verdict verdict;      /* VERDICT */
        const struct ng_assign *assign; /* ASSIGN */
        const struct ng_tproxy *tproxy; /* TPROXY */
    };
    const struct ng_nat *nat; /* DNAT, REDIRECT; SNAT, or NULL */
};

struct ng_rule {
    uint32_t chain;
    uint64_t handle; /* of a legacy table, which has none: the rule's number in its chain */
    const struct ng_op *ops;
    size_t n_ops;
    const char *comment; /* UTF-8, NULL: none */
    bool tracks;         /* while it is there, the kernel tracks connections */
};

enum ng_hook {
    NG_HOOK_INGRESS,
    NG_HOOK_PREROUTING,
    NG_HOOK_INPUT,
    NG_HOOK_FORWARD,
    NG_HOOK_OUTPUT,
    NG_HOOK_POSTROUTING,
    NG_HOOK_EGRESS,
    NG_HOOK_COUNT,
};

enum ng_table_family {
    NG_TABLE_IP,
    NG_TABLE_IP6,
    NG_TABLE_INET,
    NG_TABLE_NETDEV,
    NG_TABLE_BRIDGE,
    NG_TABLE_ARP,
};

enum ng_chain_type {
    NG_CHAIN_FILTER,
    NG_CHAIN_NAT,
    NG_CHAIN_ROUTE,
};

struct ng_table {
    enum ng_table_family family;
    const char *name;
    bool dormant; /* listed, but its chains see no packet */
    bool legacy;  /* of iptables-legacy */
};

struct ng_chain {
    uint32_t table; /* index */
    const char *name;
    uint64_t handle; /* grows with each chain of a table; 0: of a legacy table */
    bool base;
    /* of a base chain: */
    enum ng_hook hook;
    enum ng_chain_type type;
    int32_t priority;
    bool policy_drop;
    const char *const *devices; /* of an ingress or egress chain; a final '*' is a wildcard */
    size_t n_devices;
    /* its rules stand together: */
    size_t first_rule, n_rules;
};

struct ng_link; /* netguard/world.h */

struct ng_ruleset {
    struct ng_arena *arena;
    const struct ng_link *links; /* the world's, which rules name by their index; may be empty */
    size_t n_links;
    const struct ng_table *tables; /* in the order of the dump */
    size_t n_tables;
    const struct ng_chain *chains; /* in the order of the dump */
    size_t n_chains;
    const struct ng_rule *rules; /* by chain, in the order the kernel runs them */
    size_t n_rules;
};

void ng_ruleset_free(struct ng_ruleset *ruleset);
void ng_ruleset_freep(struct ng_ruleset **ruleset);

/* "ip", "ip6", "inet", … */
const char *ng_table_family_text(enum ng_table_family family);

/* The single value that a test demands of a field; false: it does not demand one. */
bool ng_op_demands(const struct ng_op *op, enum ng_field field, ng_u128 *ret_value);

/* The rule as nft would print it, without handle and counters' values; in `arena`.
 * NULL: out of memory. */
const char *ng_rule_text(struct ng_arena *arena, const struct ng_ruleset *ruleset,
                         const struct ng_rule *rule) _must_check_;

/* One operation of it, for the places that name what could not be decided. */
const char *ng_op_text(struct ng_arena *arena, const struct ng_ruleset *ruleset,
                       const struct ng_op *op) _must_check_;

#endif
