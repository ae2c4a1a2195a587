/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_REACH_H
#define NETGUARD_REACH_H

/* The reach engine: what becomes of the first packet of a connection that arrives on an
 * interface for an address, protocol and port - for all sources and source ports at once.
 *
 * The packet is concrete but for its source address and source port, which are sets. A test
 * on them splits the set in hand; a test that cannot be decided sends the set both ways. At
 * the end every source stands under each outcome it may have: one outcome is certainty,
 * several are doubt. So the answer is exact where the ruleset can be decided and contains
 * the truth everywhere else. */

#include "netguard/ruleset.h"
#include "netguard/world.h"

/* Pairs of source address and source port: for each band of source ports, the addresses.
 * Bands are sorted, disjoint and non-empty; neighbours with equal addresses are one band. */
struct ng_band {
    uint16_t lo, hi;
    struct ng_addrset addrs;
};

struct ng_region {
    const struct ng_band *bands;
    size_t count;
};

static inline bool ng_region_empty(struct ng_region region) {
    return region.count == 0;
}

/* 0 or -ENOMEM; results may share memory with the arguments. */
int ng_region_make(struct ng_arena *arena, uint16_t port_lo, uint16_t port_hi,
                   struct ng_addrset addrs, struct ng_region *ret_region) _must_check_;
int ng_region_union(struct ng_arena *arena, struct ng_region a, struct ng_region b,
                    struct ng_region *ret_region) _must_check_;
int ng_region_intersect(struct ng_arena *arena, struct ng_region a, struct ng_region b,
                        struct ng_region *ret_region) _must_check_;
int ng_region_subtract(struct ng_arena *arena, struct ng_region a, struct ng_region b,
                       struct ng_region *ret_region) _must_check_;
/* The addresses that stand in some band. */
int ng_region_addrs(struct ng_arena *arena, struct ng_region region,
                    struct ng_addrset *ret_addrs) _must_check_;

/* The packet that is asked about: the first of a connection, unless it says otherwise. */
struct ng_question {
    uint8_t family; /* enum ng_family */
    uint8_t proto;  /* IP protocol number */
    uint32_t iif;   /* link index */
    ng_u128 daddr;
    uint16_t dport;               /* of a protocol that has ports */
    uint8_t icmp_type, icmp_code; /* of ICMP and ICMPv6 */
    bool has_tcp_flags;           /* else a plain SYN */
    uint8_t tcp_flags;
    uint32_t mark;    /* that it arrives with */
    bool has_smac;    /* else unknown */
    uint64_t smac;    /* Ethernet source address, 48 bits */
    uint8_t ct_state; /* one bit of NG_FIELD_CT_STATE; 0: what conntrack makes of the packet */
    bool one_source;  /* from `saddr` and `sport` alone, and refused where IP refuses them; else
                         from everybody */
    ng_u128 saddr;
    uint16_t sport;
    bool record;   /* tell every step */
    bool below_ip; /* a frame for a link that stands on `iif` and has its own address (macvlan,
                      ipvlan): of this host's rules the ingress chains of `iif` alone see it, and
                      who passes them is forwarded, oif 0 */
};

enum ng_fate {
    NG_FATE_DROPPED,   /* by a rule or chain policy */
    NG_FATE_NO_ROUTE,  /* routing refuses the destination or the source */
    NG_FATE_LOCAL,     /* passed the input hooks: a socket may take it */
    NG_FATE_FORWARDED, /* passed the forward and postrouting hooks */
    NG_FATE_ANYWHERE,  /* a rule may have sent it wherever, or dropped it: nothing is excluded */
};

struct ng_outcome {
    enum ng_fate fate;
    enum ng_hook hook; /* the last one that it came to */
    struct ng_region region;
    ng_u128 daddr; /* after NAT */
    uint16_t dport;
    bool translated;   /* by DNAT or redirect */
    uint32_t oif;      /* of a forwarded packet */
    uint32_t by_rule;  /* index of the rule that decided, NG_NONE: none */
    uint32_t by_chain; /* the base chain whose policy decided, NG_NONE: none */
};

#define NG_NONE UINT32_MAX

/* A test that could not be decided, and for whom. */
struct ng_undecided {
    const struct ng_op *op; /* NULL: no operation, `what` says it */
    uint32_t rule;          /* NG_NONE with op == NULL */
    const char *what;
    struct ng_region region;
};

enum ng_effect {
    NG_EFFECT_CONTINUE, /* matched, and did nothing to the packet's way */
    NG_EFFECT_ACCEPT,
    NG_EFFECT_DROP,
    NG_EFFECT_RETURN,
    NG_EFFECT_JUMP,
    NG_EFFECT_GOTO,
    NG_EFFECT_DNAT,
    NG_EFFECT_REDIRECT,
    NG_EFFECT_SNAT,
    NG_EFFECT_ASSIGN, /* a mark is set, or a header rewritten */
    NG_EFFECT_NOTRACK,
    NG_EFFECT_TPROXY,
    NG_EFFECT_UNKNOWN,
    NG_EFFECT_TO_HOST,  /* routing: to this machine */
    NG_EFFECT_FORWARD,  /* routing: out by `oif` */
    NG_EFFECT_NO_ROUTE, /* routing refuses */
};

/* One thing that happened on the way, in the order in which it happened. */
struct ng_step {
    enum ng_hook hook; /* of a routing decision: the last one before it */
    uint32_t chain;    /* NG_NONE: routing */
    uint32_t rule;     /* NG_NONE: the policy of a base chain, or routing */
    unsigned depth;    /* of jumps: 0 in the base chain */
    enum ng_effect effect;
    bool doubtful;            /* somebody is among `doubted` */
    struct ng_region region;  /* to whom */
    struct ng_region doubted; /* of them those for whom it may also not have happened */
    ng_u128 daddr;            /* after it */
    uint16_t dport;
    uint32_t oif; /* of FORWARD */
};

struct ng_answer {
    const struct ng_outcome *outcomes;
    size_t n_outcomes;
    const struct ng_undecided *undecided;
    size_t n_undecided;
    const struct ng_step *steps; /* where the question asks to record */
    size_t n_steps;
};

/* Ruleset and routes, made ready for many questions. Borrows both. */
struct ng_engine_state;
int ng_reach_new(const struct ng_world *world, const struct ng_ruleset *ruleset,
                 struct ng_engine_state **ret_state) _must_check_;
void ng_reach_free(struct ng_engine_state *state);
void ng_reach_freep(struct ng_engine_state **state);

/* The answer lives in `arena`. 0, -ENOMEM, or -EINVAL for a link that is not there. */
int ng_reach_ask(const struct ng_engine_state *state, const struct ng_question *question,
                 struct ng_arena *arena, struct ng_answer *ret_answer) _must_check_;

/* Local addresses that no rule tells apart give the same answer: of `addrs` (host byte
 * order, one family) keeps one per class, in the order given. Returns how many. */
size_t ng_reach_distinct(const struct ng_engine_state *state, uint8_t family, ng_u128 *addrs,
                         size_t count);

#endif
