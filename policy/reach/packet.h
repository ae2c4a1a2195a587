/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PACKET_H
#define NETGUARD_PACKET_H

#include "policy/reach/compile.h"

/* A packet on its way: what is known of it, and the sources it may have come from. */
struct flow {
    struct ng_region region;
    ng_u128 daddr; /* as it is now: NAT changes it */
    uint16_t dport;
    uint32_t mark;
    bool mark_known;
    bool untracked;             /* a rule said notrack */
    bool translated;            /* by destination NAT */
    bool source_mapped;         /* by source NAT: no later nat chain sees it */
    uint32_t by_rule, by_chain; /* who has admitted it last, NG_NONE: nobody yet */
};

/* Where it is: what a rule can ask for beyond the packet itself. */
struct place {
    const struct ng_engine_state *state;
    const struct ng_question *question;
    const struct ng_link *iif;
    const struct link_names *iif_names;
    const struct ng_link *oif; /* NULL before routing and at input */
    const struct link_names *oif_names;
    enum ng_hook hook;
    int32_t priority; /* of the base chain that runs */
    struct ng_arena *arena;
};

/* Of `flow->region`: who matches for certain, and who may. 0 or -ENOMEM. */
int ng_match_region(const struct place *place, const struct flow *flow,
                    const struct ng_match *match, struct ng_region *ret_certain,
                    struct ng_region *ret_possible) _must_check_;

/* Is the packet past conntrack? Before that no connection is known, and notrack counts. */
bool ng_past_conntrack(const struct place *place);

/* Does the packet lack a field that is asked for? Then the kernel ends the rule there. */
bool ng_match_absent(const struct place *place, const struct flow *flow,
                     const struct ng_match *match);

/* The same for one element of a map. */
int ng_box_region(const struct place *place, const struct flow *flow, const struct ng_match *match,
                  const struct ng_box *box, struct ng_region *ret_certain,
                  struct ng_region *ret_possible) _must_check_;

#endif
