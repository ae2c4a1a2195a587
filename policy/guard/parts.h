/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_GUARD_PARTS_H
#define NETGUARD_GUARD_PARTS_H

/* What the files of the guard share: guard.c (the table's sets and chains), ways.c (those at the
 * hooks), closed.c (what is closed before anything is known of a container), known.c (what is known
 * of containers and listeners, and opens or closes in turn), peers.c (whom the swarm cannot do
 * without); chain.h and sets.c write chains and sets. */

#include "netguard/guard.h"

enum {
    TCP,
    UDP,
    SCTP,
    PROTOS,
};
extern const uint8_t ng_guard_protos[PROTOS]; /* enum ng_proto */

/* A set while it is filled. */
struct list {
    struct ng_guard_set set;
    struct ng_guard_element *elements;
    size_t count, capacity;
};

/* A zone of which something is kept out, with the sets that are its own. */
struct zone {
    const char *id;
    bool by_default; /* whatever no rule names is closed */
    bool by_rules;   /* ports of containers are; else `usage:` alone closes the engine's */
    const struct ng_rule_policy *direct_by; /* closes containers' own addresses; NULL: none */
    /* [port]: 1 + index of the rule that closes it, 0: none. To containers and to this machine, and
     * what `usage:` closes to this machine alone. */
    uint16_t *closed_by[PROTOS], *engine_by[PROTOS];
    struct list *ports[PROTOS];  /* port : the chain of the rule that closes it */
    struct list *engine[PROTOS]; /* the same of `usage:` */
    struct list *tunnels;        /* and what has no ports: the ESP of encrypted overlays */
    /* What containers are asked for and get, in each family [family == NG_IP6]: */
    struct list *to[2];           /* container's address and port, published on any address */
    struct list *bound[2];        /* the same, on one: with the address that was asked for */
    struct list *asked[PROTOS];   /* the ports that are asked for */
    struct list *ingress[PROTOS]; /* of the swarm: published ports that are let be, */
    struct list *refused_ingress[PROTOS]; /* and that are not, by the service's own port */
    struct list *direct[2];               /* containers' own addresses */
    struct list *own, *own_at[2];         /* listeners that are let be: on any address, on one */
    struct list *input, *input_at[2];     /* and that are not */
    /* All that are not, also on a port that is closed anyway: several sockets may share one. */
    struct list *refused, *refused_at[2];
};

struct maker {
    const struct ng_result *result;
    struct ng_arena *arena;
    struct list **lists;
    size_t n_lists, lists_capacity;
    struct ng_guard_chain *chains;
    size_t n_chains, chains_capacity;
    const char **limits;
    size_t n_limits, limits_capacity;
    struct zone *zones; /* in the order of the policy */
    size_t n_zones, zones_capacity;
    int error; /* -ENOMEM once memory has run out: what is made from then on is thrown away */
};

/* sets.c */
void *ng_guard_alloc(struct maker *maker, size_t count, size_t size);
char *ng_guard_printf(struct maker *maker, const char *format, ...) _printf_(2, 3);
/* What the table cannot do; takes over `text`. */
void ng_guard_limit(struct maker *maker, const char *text);
struct list *ng_guard_add_set(struct maker *maker,
                              struct ng_guard_set set); /* NULL: out of memory */
#define SET(maker, set_name, ...)                                                                  \
    ng_guard_add_set((maker), (struct ng_guard_set){.name = (set_name), .fields = {__VA_ARGS__}})
void ng_guard_add(struct maker *maker, struct list *list, struct ng_guard_element element);
/* Sorts it, and leaves out what is there twice. */
void ng_guard_settle(struct list *list);
/* Leaves those out that are in the other one; both are settled. */
void ng_guard_leave_out(struct list *list, const struct list *others);
void ng_guard_hand_over_sets(struct maker *maker, struct ng_guard *guard);
/* The name of the chain in which a rule drops: rule_<id>; NULL: the policy's default. */
const char *ng_guard_rule_chain(struct maker *maker, const struct ng_rule_policy *rule);
/* Of the chain that asks who is known before that: closed_<zone>/<id>; ids may hold whatever else a
 * name may. */
const char *ng_guard_closed_chain(struct maker *maker, const struct zone *zone,
                                  const struct ng_rule_policy *rule);

/* closed.c */
/* Does the rule close anything to the zone? */
bool ng_guard_closes(const struct ng_rule_policy *rule, const char *zone);
void ng_guard_find_closed(struct maker *maker, struct zone *zone);
/* Ports that one rule closes, one after the other. */
struct run {
    uint16_t lo, hi, by; /* by: 1 + index of the rule */
};
/* The next one from port `*at` on, which moves on behind it; false: there is none. */
bool ng_guard_next_run(const uint16_t *closed_by, unsigned *at, struct run *ret_run);
/* A rule of its own, and no elements. */
bool ng_guard_is_long(const struct run *run);
/* Is this port closed in the zone as long as nothing is known: of containers, and of this machine?
 */
bool ng_guard_is_closed(const struct zone *zone, uint8_t proto, uint16_t port);
bool ng_guard_is_closed_here(const struct zone *zone, uint8_t proto, uint16_t port);

/* peers.c: the nodes of the swarm that the policy's `usage: cluster` would cut off, as a line;
 * NULL: none, or memory ran out. */
const char *ng_guard_cut_peers(struct maker *maker);

/* ways.c: the chains at the hooks, which ask for the zone. */
struct ways_in {
    const struct list *bridges, *armed;
    const char **targets; /* chain of each judged zone */
};
void ng_guard_add_base_chain(struct maker *maker, enum ng_hook hook, const struct ways_in *ways);
/* Where containers are, and the bridges of virtual machines, routers and others, which are none of
 * ours. Of a bridge without ports it is not yet known what it is for. */
void ng_guard_list_bridges(struct maker *maker, struct list *engines, struct list *others);

/* known.c */
void ng_guard_fill(struct maker *maker, struct zone *zone);

#endif
