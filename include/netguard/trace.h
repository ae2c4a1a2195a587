/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TRACE_H
#define NETGUARD_TRACE_H

/* What an answer of the engine comes to: where one packet ends, or who gets in. */

#include "netguard/judge.h"
#include "netguard/reach.h"

enum ng_target {
    NG_TARGET_NONE,
    NG_TARGET_HOST,      /* a socket of this machine may take it */
    NG_TARGET_CONTAINER, /* forwarded to an address that an engine knows */
    NG_TARGET_FORWARDED, /* forwarded elsewhere */
};

enum ng_listening {
    NG_LISTENING_UNTOLD, /* sockets were not read, or this sort of them is not observed */
    NG_LISTENING_NO,
    NG_LISTENING_YES,
};

/* A place where packets of one question end. */
struct ng_ending {
    enum ng_target target;
    ng_u128 daddr; /* after NAT */
    uint16_t dport;
    uint32_t oif;                       /* of a forwarded packet, else 0 */
    enum ng_listening listening;        /* of the host */
    const struct ng_listener *listener; /* who takes it, NULL: nobody, or not told */
    const struct ng_container *container;
    const struct ng_outcome *outcome; /* the first that ends here */
    /* Of a question about everybody: */
    struct ng_region region;          /* who may end here */
    struct ng_addrset sources, maybe; /* who does for certain from some source port; who may from
                                         some other, or at all */
};

enum ng_trace_verdict {
    NG_DELIVERED, /* whatever may happen, it gets somewhere */
    NG_DROPPED,
    NG_TRACE_UNKNOWN,
};

/* What becomes of the packet of one question, or of those of everybody. */
struct ng_trace {
    struct ng_answer answer;
    enum ng_trace_verdict packet; /* of a question about one source */
    enum ng_reach_verdict reach;  /* of one about everybody */
    struct ng_addrset sources, maybe;
    const struct ng_port_range *source_ports; /* only where restricted, else NULL */
    size_t n_source_ports;
    const struct ng_ending *endings; /* none twice; of a question about one source empty when it is
                                        dropped */
    size_t n_endings;
    /* Tells who decided: of the ending that is told first, or of who is dropped; NULL: nothing
     * is known. */
    const struct ng_outcome *decisive;
    struct ng_strings unsure; /* what could not be decided and makes a difference, sorted */
};

/* World and ruleset made ready for many questions. Borrows both. */
struct ng_tracer;
int ng_tracer_new(const struct ng_world *world, const struct ng_ruleset *ruleset,
                  struct ng_tracer **ret_tracer) _must_check_;
void ng_tracer_free(struct ng_tracer *tracer);
void ng_tracer_freep(struct ng_tracer **tracer);

const struct ng_world *ng_tracer_world(const struct ng_tracer *tracer);
const struct ng_ruleset *ng_tracer_ruleset(const struct ng_tracer *tracer);
const struct ng_engine_state *ng_tracer_engine(const struct ng_tracer *tracer);

/* The first container that an engine knows at this address, NULL: none. */
const struct ng_container *ng_tracer_container(const struct ng_tracer *tracer, struct ng_addr addr);

/* Asks, and draws the conclusion; the result lives in `arena`. 0, -ENOMEM, or -EINVAL for a
 * link that is not there. */
int ng_trace(const struct ng_tracer *tracer, const struct ng_question *question,
             struct ng_arena *arena, struct ng_trace *ret_trace) _must_check_;

/* A question about everybody, answered for one source and all its source ports: `reach`,
 * `sources` and what else is said of everybody is said of it alone. */
int ng_trace_from(const struct ng_tracer *tracer, const struct ng_question *question,
                  ng_u128 source, struct ng_arena *arena, struct ng_trace *ret_trace) _must_check_;

const char *ng_target_text(enum ng_target target);                /* NULL for NONE */
const char *ng_trace_verdict_text(enum ng_trace_verdict verdict); /* "delivered", … */

/* NULL for a link that is not there. */
const struct ng_link *ng_world_link(const struct ng_world *world, uint32_t index);

/* The source ports of a region, where not every one of them is alike; else nothing is returned.
 * 0 or -ENOMEM. */
int ng_source_ports(struct ng_arena *arena, struct ng_region region,
                    const struct ng_port_range **ret_ports, size_t *ret_count) _must_check_;

/* Has the protocol ports? TCP, UDP, UDP-Lite, SCTP, DCCP. */
bool ng_proto_has_ports(uint8_t proto);

#endif
