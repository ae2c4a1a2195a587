/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_JUDGE_SEGREGATION_H
#define NETGUARD_JUDGE_SEGREGATION_H

/* What the files of segregation share: segregation.c (who is on which side, and on both),
 * segregation_ports.c (which ports to ask for), segregation_reach.c (who gets across all the
 * same), segregation_words.c (that in words). */

#include "policy/judge/parts.h"
#include "policy/reach/distinct.h"

enum side { SIDE_NONE = -1, SIDE_SEVERAL = -2 }; /* others count from 0 */

enum { NO_ORIGIN = -1 };

/* By which containers of overlay networks get out, and to each other unless its ICC is off. */
#define NG_GATEWAY_BRIDGE "docker_gwbridge"

/* One of the engines' networks. */
struct net {
    const struct ng_engine *engine;
    const struct ng_network *network;
    const struct ng_link *bridge; /* NULL: has none on this host */
    const struct pod **pods;      /* on it */
    size_t n_pods, pods_capacity;
    int side;   /* in the segregation at hand */
    int origin; /* index of its bridge among the origins, or NO_ORIGIN */
};

/* Where a pod is on a network. */
struct place {
    struct net *net;
    const struct ng_endpoint *endpoint;
};

/* Containers that share one network namespace. */
struct pod {
    const struct ng_container *home;     /* whose it is */
    const struct ng_container **members; /* it, and those that joined */
    size_t n_members, members_capacity;
    struct place *places; /* without networks that no engine tells of */
    size_t n_places;
    bool on_host;                         /* the network namespace is the host's */
    const struct ng_exposure **exposures; /* ports of this host that lead to it */
    size_t n_exposures, exposures_capacity;
    /* In the segregation at hand: */
    int side;                            /* of all its networks */
    const struct ng_container *outsider; /* the first member that is no gateway, NULL: all are */
};

struct segregating {
    struct judgement *judgement;
    struct ng_arena *arena; /* of what is found before anybody is asked about */
    struct net *nets;
    size_t n_nets;
    struct pod *pods;
    size_t n_pods;
    const struct named_port *named; /* segregation_ports.c */
    size_t n_named;
    bool names_sctp; /* a rule does */
    /* Containers' addresses that no rule tells apart, and how many are of each class; [family ==
     * NG_IP6]. */
    struct address_classes classes[2];
    uint32_t *class_sizes[2];
    const struct ng_segregation *segregation; /* at hand */
};

bool ng_is_gateway(const struct ng_segregation *segregation, const struct ng_container *container);

/* -- segregation_ports.c --------------------------------------------------------------------------
 */

/* Ports that a rule tells from others, of packets for some addresses. */
struct named_port {
    uint8_t family;   /* 0: both */
    uint8_t proto;    /* 0: every one */
    ng_u128 from, to; /* addresses, inclusive */
    uint16_t lo, hi;  /* inclusive */
    bool opens;       /* who it holds for may get through by it */
};

/* Those of the ruleset; and what ng_follow_translation() follows. */
int ng_find_named_ports(struct segregating *segregating) _must_check_;

bool ng_tests_port(const struct ng_operand *operand);
bool ng_tests_addr(const struct ng_operand *operand); /* the destination, to the bit */

enum port_sort {
    PORT_KNOWN, /* the container is known to have it */
    PORT_NAMED, /* a rule tells it from others */
    PORT_OTHER, /* stands in for all others of its protocol */
};

struct asked_port {
    struct ng_port port;
    enum port_sort sort;
    size_t like; /* index of the one whose answer is the same; its own: it has to be asked for */
};

/* Of a pod at one of its addresses, in the order of enum port_sort. */
int ng_list_asked_ports(const struct segregating *segregating, const struct pod *pod,
                        struct ng_addr addr, struct ng_arena *arena, struct asked_port **ret_ports,
                        size_t *ret_count) _must_check_;

/* -- segregation_nat.c ----------------------------------------------------------------------------
 */

/* Ports by which this DNAT of a rule leads to pods become exposures of theirs, without an id;
 * `named`: the addresses and protocol that the rule is for. Once those that engines tell of are
 * there. */
int ng_follow_translation(struct segregating *segregating, const struct ng_rule *rule,
                          const struct ng_op *op, const struct named_port *named) _must_check_;

/* -- segregation_reach.c --------------------------------------------------------------------------
 */

enum way {
    WAY_ROUTED,  /* to its own address, from another bridge */
    WAY_BRIDGED, /* from port to port of a bridge that both are on */
    WAY_PORT,    /* by a port of this host that leads to it */
    WAY_SIDECAR, /* by a container on the host's network */
    WAY_HOST,    /* the source is on the host's network itself */
    WAY_LAN,     /* both stand on one link, beside this host */
};

/* Where those who send by one bridge may get to a pod. */
struct opening {
    enum way way;
    uint8_t family;
    bool free;           /* no rule is asked, everybody gets through */
    struct ng_addr addr; /* that is asked for, and its port */
    uint16_t port;
    const struct ng_exposure *exposure; /* of PORT and SIDECAR */
    const struct place *place;          /* of the pod: ROUTED, BRIDGED, LAN */
    struct asked_port inner;            /* of the pod; port 0: every one */
    struct passage passage;
};

/* One who gets to a pod, and how. */
struct step {
    const struct pod *pod;
    const struct place *place; /* that he sends from */
    const struct opening *opening;
    enum ng_reach_verdict verdict;
};

/* All who get from one network to one pod. */
struct crossing {
    const struct net *from;
    const struct pod *to;
    struct step *steps; /* one for each of them: the best that he has */
    size_t n_steps, steps_capacity;
    struct asked_port *ports; /* that they get to, none twice */
    size_t n_ports, ports_capacity;
    bool every_port;
};

int ng_keep_exposure(struct segregating *segregating, struct pod *pod,
                     const struct ng_exposure *exposure) _must_check_;

/* Once for all segregations. */
int ng_prepare_crossings(struct segregating *segregating) _must_check_;
int ng_find_crossings(struct segregating *segregating) _must_check_;

/* -- segregation_words.c --------------------------------------------------------------------------
 */

int ng_tell_crossing(const struct segregating *segregating,
                     const struct crossing *crossing) _must_check_;
/* Nobody can say who gets across. `about`: what tells it from others of the segregation. */
int ng_tell_untold(const struct segregating *segregating, const char *about,
                   const char *reason) _must_check_;

#endif
