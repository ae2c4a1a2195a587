/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_COMPILE_H
#define NETGUARD_COMPILE_H

#include "policy/reach/distinct.h"

/* The ruleset made ready for many questions: which base chains run at each hook, in which
 * order, and which rules of a chain can concern a packet at all. */

/* A rule that can only match packets for one address, one port, or both. */
struct rule_key {
    ng_u128 daddr;
    uint32_t dport; /* ANY_PORT: the rule does not ask */
    bool any_addr;
    uint32_t rule; /* index in the ruleset */
};

#define ANY_PORT UINT32_MAX

struct chain_index {
    const struct rule_key *keys; /* sorted; NULL: too short to need it */
    size_t n_keys;
};

/* Base chains of one family at one hook, in running order. */
struct hook_chains {
    const uint32_t *chains;
    /* How many from this one on have the same priority, run in an order that the ruleset does not
     * tell, and change what the others see; 1: the order is known, or does not matter. */
    const uint8_t *tied;
    size_t count;
};

enum { TIED_MAX = 4 }; /* that are tried in every order */

/* Where conntrack and NAT have hooks of their own (NF_IP_PRI_… of linux/netfilter_ipv4.h: kernel
 * ABI): conntrack at prerouting, NAT of destinations there, of sources at input and postrouting. */
enum {
    PRIORITY_CONNTRACK = -200,
    PRIORITY_NAT_DST = -100,
    PRIORITY_NAT_SRC = 100,
};

struct link_names {
    ng_u128 name, kind; /* as numbers of netguard/ruleset.h */
};

struct ng_engine_state {
    struct ng_arena *arena;
    const struct ng_world *world;
    const struct ng_ruleset *ruleset;
    struct hook_chains hooks[2][NG_HOOK_COUNT]; /* [family == NG_IP6] */
    struct hook_chains bridge_hooks[NG_HOOK_COUNT];
    const struct chain_index *indexes; /* one per chain */
    const bool *beside_conntrack;      /* one per chain: has its turn before conntrack or after it,
                                          and that makes a difference */
    const struct link_names *links;    /* one per link of the world */
    struct ng_addrset *rp_sources;     /* one per link: what IPv4 source validation lets in */
    struct kept_maps *kept_maps;       /* of source.c; grows as questions need it */
    bool has_nat[2];                   /* a nat chain is in force */
    bool tracks[2];                    /* a rule makes the kernel track connections */
    bool rewrites;                     /* a rule writes destinations without NAT: no index holds */
    bool routed_by_source;             /* a routing rule asks for it */
    struct address_classes classes[2];
};

/* Rules of a chain that can match a packet for `daddr` and `dport`, in order. */
struct rule_walk {
    const struct chain_index *index; /* NULL: none that helps */
    uint32_t next, end;              /* of a chain without index */
    /* Up to four runs of equal keys apply: for this address or any, this port or any. */
    struct {
        struct rule_key key;
        size_t at;
        uint32_t rule; /* the next one of the run, NG_NONE: at its end */
    } runs[4];
};

/* `dport` ANY_PORT: of a packet that has none. */
void ng_walk_start(const struct ng_engine_state *state, uint32_t chain, ng_u128 daddr,
                   uint32_t dport, struct rule_walk *ret_walk);
/* NG_NONE: no more. */
uint32_t ng_walk_next(struct rule_walk *walk);

/* nat chains of all tables run inside NAT's hooks; their own priority only orders them among
 * themselves. */
int32_t ng_running_priority(const struct ng_chain *chain);

/* source.c */
int ng_source_prepare(struct ng_engine_state *state) _must_check_;

/* A name of at most 16 bytes as a number; longer ones are cut. */
ng_u128 ng_name_number(const char *name);

#endif
