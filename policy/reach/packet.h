/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PACKET_H
#define NETGUARD_PACKET_H

#include "policy/reach/compile.h"

/* A packet on its way: what is known of it, and the sources it may have come from. */
struct flow {
    struct ng_region region; /* by address and port as they were sent */
    ng_u128 daddr;           /* as it is now: NAT changes it */
    uint16_t dport;
    ng_u128 ct_daddr; /* as conntrack has first seen it */
    uint16_t ct_dport;
    bool saddr_set, sport_set; /* a rule has written the header: */
    ng_u128 saddr;
    uint16_t sport;
    uint32_t mark, ct_mark;
    bool mark_known, ct_mark_known;
    bool untracked;    /* a rule said notrack */
    bool mapped;       /* by destination NAT, if only to itself: no later nat chain sees it */
    bool translated;   /* by destination NAT, to something else: */
    ng_u128 nat_daddr; /* what conntrack expects replies from, whatever a rule writes since */
    uint16_t nat_dport;
    bool has_socket;            /* tproxy has given it to one of this machine's */
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
    bool in_bridge;          /* a hook of the bridge, not of IP */
    bool for_upper;          /* at a link that another one stands on, to whom the frame goes */
    enum ng_chain_type type; /* of the base chain that runs */
    int32_t priority;        /* at which it runs */
    uint8_t first_state;     /* what conntrack makes of the packet: a bit of NG_FIELD_CT_STATE */
    struct ng_arena *arena;
};

enum knowledge {
    KNOWN,
    SOURCE_ADDR, /* it is the source address: a set */
    SOURCE_PORT,
    SOURCE_MAP, /* it follows from the source address: see source.h */
    UNKNOWN,
    ABSENT, /* the packet has none: the kernel ends the rule there, negated or not */
};

/* field.c: what the packet answers. `ret_value` is set where it is KNOWN. */
enum knowledge ng_field_value(const struct place *place, const struct flow *flow,
                              const struct ng_operand *operand, ng_u128 *ret_value);

/* Are there ports in packets of this protocol? */
bool ng_has_ports(uint8_t proto);

/* Did it come as a frame to all, or to a group? */
bool ng_is_for_many(const struct place *place);

/* What conntrack makes of the first packet of a connection: a bit of NG_FIELD_CT_STATE. */
uint8_t ng_first_state(const struct ng_world *world, const struct ng_question *question);

/* Is the packet past conntrack? Before that no connection is known, and notrack counts. */
bool ng_past_conntrack(const struct place *place);

/* Has the packet a connection? None before conntrack, nor one that is untracked or invalid. */
bool ng_has_connection(const struct place *place, const struct flow *flow);

/* match.c. Of `flow->region`: who matches for certain, and who may. 0 or -ENOMEM. */
int ng_match_region(const struct place *place, const struct flow *flow,
                    const struct ng_match *match, struct ng_region *ret_certain,
                    struct ng_region *ret_possible) _must_check_;

/* Does the packet lack a field that is asked for? Then the kernel ends the rule there. */
bool ng_match_absent(const struct place *place, const struct flow *flow,
                     const struct ng_match *match);

/* What the packet answers to each operand of a test; in the arena, NULL: out of memory. */
struct answer {
    enum knowledge knowledge;
    ng_u128 value; /* where KNOWN, masked as the operand says */
};
struct answer *ng_match_answers(const struct place *place, const struct flow *flow,
                                const struct ng_match *match) _must_check_;

/* The elements of a test or map that the packet may meet, by index and in their order. 0 or
 * -ENOMEM. */
int ng_find_boxes(const struct ng_match *match, const struct answer *answers,
                  struct ng_arena *arena, uint32_t **ret_boxes, size_t *ret_count) _must_check_;

/* The same as ng_match_region for some elements of a map; `answers` are of the same flow but for
 * its region. */
int ng_boxes_region(const struct place *place, const struct flow *flow,
                    const struct ng_match *match, const struct answer *answers,
                    const uint32_t *boxes, size_t count, struct ng_region *ret_certain,
                    struct ng_region *ret_possible) _must_check_;

/* A new value for one of the packet's fields. False: it is not known. */
bool ng_assigned_value(const struct place *place, const struct flow *flow,
                       const struct ng_assign *assign, ng_u128 *ret_value);

#endif
