/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_COMPILE_H
#define NETGUARD_COMPILE_H

#include "netguard/reach.h"

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

struct hook_chains {
    const uint32_t *chains; /* base chains of one family at one hook, in running order */
    size_t count;
};

struct link_names {
    ng_u128 name, kind; /* as numbers of netguard/ruleset.h */
};

struct ng_engine_state {
    struct ng_arena *arena;
    const struct ng_world *world;
    const struct ng_ruleset *ruleset;
    struct hook_chains hooks[2][NG_HOOK_COUNT]; /* [family == NG_IP6] */
    const struct chain_index *indexes;          /* one per chain */
    const struct link_names *links;             /* one per link of the world */
    struct ng_addrset *rp_sources; /* one per link: what IPv4 source validation lets in */
    const ng_u128 *cuts[2];        /* where rules begin to tell destinations apart */
    size_t n_cuts[2];
    bool all_distinct; /* a rule tells destinations apart by other means */
};

/* Rules of a chain that can match a packet for `daddr` and `dport`, in order. */
struct rule_walk {
    const struct chain_index *index;
    uint32_t next, end; /* of a chain without index */
    /* Up to four runs of equal keys apply: for this address or any, this port or any. */
    struct {
        struct rule_key key;
        size_t at;
        uint32_t rule; /* the next one of the run, NG_NONE: at its end */
    } runs[4];
};

void ng_walk_start(const struct ng_engine_state *state, uint32_t chain, ng_u128 daddr,
                   uint32_t dport, struct rule_walk *ret_walk);
/* NG_NONE: no more. */
uint32_t ng_walk_next(struct rule_walk *walk);

/* A name of at most 16 bytes as a number; longer ones are cut. */
ng_u128 ng_name_number(const char *name);

#endif
