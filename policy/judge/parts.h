/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_JUDGE_PARTS_H
#define NETGUARD_JUDGE_PARTS_H

/* What the files of the judgement share, in the order the data runs: arrival.c (from where),
 * exposure.c (what is there to reach; with direct.c: containers at their own addresses, ingress.c:
 * ports of the swarm, role.c: what the engine's own ports are for), admission.c (who gets in),
 * talk.c (what links come to), findings.c (may he); again.c (all that once more, when a few rules
 * have changed). */

#include "netguard/judge.h"
#include "netguard/trace.h"

/* Packets of one zone coming in by one interface. */
struct arrival {
    const char *zone;
    const struct ng_link *link;
    struct ng_addrset sources[2]; /* [family == NG_IP6]: who belongs to the zone */
    /* Those of them that have to get in for the port to count as reachable from the zone:
     * routing lets them in by this interface, and on to a container. */
    struct ng_addrset routable[2];
};

/* Where packets for an exposure were for while rules saw them, and as conntrack knew them. */
struct header {
    ng_u128 daddr, ct_daddr;
    uint16_t dport, ct_dport;
};

/* What is left behind when it has been decided who gets to an exposure: which rules can have a say
 * in that. */
struct trail {
    struct ng_addr container_addr; /* of the exposure, before it was decided which is open */
    struct header *headers;
    size_t n_headers, headers_capacity;
    bool anywhere; /* packets may have been for others, too */
    bool shown;    /* the exposure is no closed way */
};

/* What the rules bring about as a whole, for packets that none of them is about. */
struct traits {
    uint8_t *bytes;
    size_t count, capacity;
    uint8_t *chains; /* of each, bits of enum chain_trait (again.c) */
    size_t n_chains;
};

/* It is kept with its result, without what does not last as long: scratch, deciders, ruleset and
 * engine. */
struct judgement {
    struct ng_arena *arena;             /* of the result */
    struct ng_arena *scratch;           /* of the exposure at hand */
    const struct ng_decider **deciders; /* those that were already put in words, by rule */
    const struct ng_world *world;
    const struct ng_ruleset *ruleset;
    const struct ng_policy *policy;
    const struct ng_engine_state *engine;
    struct ng_gap *gaps; /* the world's, then those that show only when judging */
    size_t n_gaps, gaps_capacity;
    const char *blind;      /* why nothing can be decided at all, NULL: it can */
    bool ufw[2], firewalld; /* is it in force; ufw per family */

    struct arrival *arrivals; /* sorted by zone order, interface */
    size_t n_arrivals, arrivals_capacity;
    struct ng_exposure *exposures;
    size_t n_exposures, exposures_capacity;
    struct ng_exposure *all; /* with closed ways */
    size_t n_all;
    struct trail *trails; /* one for each of all */
    struct traits traits;
    struct ng_talk *talks;
    size_t n_talks, talks_capacity;
    const uint64_t *naming; /* which of the policy's rules name which ports (findings.c) */
    struct ng_finding *findings;
    size_t n_findings, findings_capacity;
};

/* All return 0 or -ENOMEM. */
int ng_find_arrivals(struct judgement *judgement) _must_check_;
int ng_find_exposures(struct judgement *judgement) _must_check_;
int ng_decide_reach(struct judgement *judgement, struct ng_exposure *exposure,
                    struct trail *trail) _must_check_;
int ng_find_talks(struct judgement *judgement) _must_check_;
int ng_find_findings(struct judgement *judgement) _must_check_;

/* exposure.c: takes it over, with its id. */
int ng_add_exposure(struct judgement *judgement, struct ng_exposure exposure) _must_check_;

/* direct.c: ports of containers at their own addresses. Who gets there is asked before it is known
 * whether anybody does: those where nobody does are dropped when reach has been decided. */
int ng_find_direct(struct judgement *judgement) _must_check_;
int ng_leave_out_closed_ways(struct judgement *judgement) _must_check_;
/* All the container's addresses of the exposure's family that a route of this host leads to. */
int ng_direct_destinations(const struct ng_world *world, const struct ng_exposure *exposure,
                           struct ng_arena *arena, ng_u128 **ret_addrs,
                           size_t *ret_count) _must_check_;
/* The ports of a container that are known: exposed, published, or listened on at its address of
 * this family; sorted by proto, port, none twice. */
int ng_known_ports(struct ng_arena *arena, const struct ng_container *container, uint8_t family,
                   struct ng_port **ret_ports, size_t *ret_count) _must_check_;
/* Has the container an address of this family there, on the LAN, or (not on_lan) on a bridge? */
bool ng_is_endpoint(const struct ng_engine *engine, const struct ng_endpoint *endpoint,
                    uint8_t family, bool on_lan);

/* ingress.c: ports of the swarm's services. Adds their exposures after the published ones. */
int ng_find_ingress(struct judgement *judgement) _must_check_;

/* role.c: what a socket of the machine is for, if it is the engine's own. */
enum ng_role ng_listener_role(const struct ng_world *world, const struct ng_listener *listener,
                              bool *ret_unverified);
/* What `usage:` calls it. */
enum ng_usage ng_role_usage(enum ng_role role);
int ng_find_encrypted_paths(struct judgement *judgement) _must_check_;

/* advice.c: findings in words. */
/* One exposure against one rule, over all the zones and interfaces where it matters. */
struct offence {
    const struct ng_exposure *exposure;
    const struct ng_rule_policy *rule; /* NULL: the policy's default */
    const struct ng_port_match *port;
    const struct ng_reach **reaches;
    size_t n_reaches;
    const char *id, *fix; /* of what the profile `cis` finds beside the policy; NULL: by the rule */
};
const char *ng_exposure_who(const struct ng_exposure *exposure);
enum ng_reach_verdict ng_offence_verdict(const struct offence *offence); /* the worst of them */
bool ng_is_same_port(const struct ng_exposure *a, const struct ng_exposure *b);
/* In the result's arena; NULL: out of memory. */
const char *ng_finding_message(const struct judgement *judgement, const struct offence *offence);
const char *ng_finding_fix(const struct judgement *judgement, const struct offence *offence,
                           enum ng_action action);

/* findings.c: unless it is closed, and not by the guard. */
int ng_add_offence(struct judgement *judgement, struct offence *offence) _must_check_;
/* findings.c: takes over one that is about no exposure, with its key; state is OPEN or, by the
 * policy's exceptions for its rule and container, EXCEPTED. */
int ng_add_finding(struct judgement *judgement, struct ng_finding finding) _must_check_;
/* habits.c: how the engine is used; and what of that was not told. */
int ng_find_habits(struct judgement *judgement) _must_check_;
int ng_find_habit_gaps(struct judgement *judgement) _must_check_;
/* segregation.c: networks that are to be apart and are not (with between.c: who gets from one
 * container to another). */
int ng_find_segregation(struct judgement *judgement) _must_check_;
/* cis.c: what the profile asks beside all that; and does it ask what the policy's rules say of the
 * exposure? */
int ng_find_cis(struct judgement *judgement) _must_check_;
bool ng_cis_asks(const struct ng_exposure *exposure);

/* findings.c: all that are about no exposure. */
int ng_find_others(struct judgement *judgement) _must_check_;

/* findings.c: those of one exposure; when all are there they are sorted. */
int ng_judge_exposure(struct judgement *judgement, const struct ng_exposure *exposure) _must_check_;
void ng_sort_findings(struct judgement *judgement);

/* again.c: packets for the exposure had this header while rules saw them. */
int ng_trail_add(struct ng_arena *arena, struct trail *trail, struct header header) _must_check_;
int ng_find_traits(const struct ng_engine_state *engine, struct ng_arena *arena,
                   struct traits *ret_traits) _must_check_;

/* judge.c: takes over `reason`; NULL is -ENOMEM. */
int ng_add_gap(struct judgement *judgement, const char *source, const char *reason) _must_check_;
/* judge.c: host firewalls that are in force. */
void ng_find_host_firewalls(struct judgement *judgement);
/* Puts a judgement into words, and keeps it with them. */
int ng_conclude(struct judgement *judgement, struct ng_result **ret_result) _must_check_;

/* findings.c: the table that the guard owns. */
#define NG_GUARD_TABLE "inet netguard"
/* Does the rule speak of who comes from this zone? */
bool ng_rule_is_from(const struct ng_rule_policy *rule, const char *zone);
/* Does a rule, or the default, object to this zone's reach? Fills in rule and port, also of the
 * rule that allows it. */
bool ng_policy_objects(const struct ng_policy *policy, const struct ng_exposure *exposure,
                       const char *zone, struct offence *ret_offence);
enum ng_action ng_offence_action(const struct ng_policy *policy, const struct offence *offence);
bool ng_is_excepted(const struct ng_policy *policy, int64_t time_s, const struct offence *offence);

/* Does a socket that is bound like this take the packet? */
bool ng_listener_takes(const struct ng_listener *listener, uint8_t family, uint8_t proto,
                       ng_u128 daddr, uint16_t dport, uint32_t iif);

/* admission.c: which addresses lead to the exposure: its own, or (bound to any) every address of
 * this host, since each answers on each interface; those that no rule tells apart count once. */
int ng_exposure_destinations(const struct ng_world *world, const struct ng_engine_state *engine,
                             const struct ng_exposure *exposure, const struct ng_link *link,
                             struct ng_arena *arena, ng_u128 **ret_addrs,
                             size_t *ret_count) _must_check_;

/* admission.c: the way that leads to the exposure, for who is let through and for who is dropped on
 * it alike; 0: it leads elsewhere. -1 where it cannot be told. */
int ng_outcome_path(const struct judgement *judgement, const struct ng_exposure *exposure,
                    const struct ng_outcome *outcome, uint32_t iif, unsigned *ret_path);
/* admission.c: in words; of an outcome that a rule or a chain's policy decided. */
int ng_find_decider(const struct judgement *judgement, const struct ng_outcome *outcome,
                    const struct ng_decider **ret_decider) _must_check_;

/* between.c: who of those that send by one bridge gets to one destination. */
struct passage {
    struct ng_region certain, possible; /* by source */
    const struct ng_outcome **arrivals; /* those that get there */
    size_t n_arrivals;
    const struct ng_undecided *undecided;
    size_t n_undecided;
};
/* For the exposure at one address that leads to it; lives in `arena`. */
int ng_ask_passage(const struct judgement *judgement, const struct ng_exposure *exposure,
                   const struct ng_link *link, ng_u128 daddr, struct ng_arena *arena,
                   struct passage *ret_passage) _must_check_;
/* Of one source: REACHABLE from some source port at least, UNKNOWN or BLOCKED. */
enum ng_reach_verdict ng_passage_from(const struct passage *passage, ng_u128 source);
/* Who gets from port to port of a bridge passes the rules of IP only where it is called for. */
bool ng_bridge_asks_rules(const struct ng_link *bridge, uint8_t family);

/* arrival.c: is it an engine's bridge, and nothing but containers on it? */
bool ng_leads_to_containers(const struct ng_world *world, const struct ng_link *link);
/* Do packets from outside come in by this link? */
bool ng_leads_outside(const struct ng_world *world, const struct ng_link *link);
/* Does the policy want to know of this exposure who of the zone gets in? */
bool ng_is_asked_from(const struct ng_policy *policy, const struct ng_exposure *exposure,
                      const char *zone);
/* The id of the zone that a packet from `source` comes from, when it comes in by this link. */
const char *ng_zone_of(const struct ng_world *world, const struct ng_policy *policy,
                       const struct ng_link *link, struct ng_addr source);
/* The zone that the packets of a neighbour at this address come from and that the rule keeps out;
 * NULL: none. They come in where those to it leave. */
const char *ng_zone_kept_out(const struct ng_world *world, const struct ng_policy *policy,
                             const struct ng_rule_policy *rule, struct ng_addr neighbour);
/* Can packets for this exposure come in by this link? */
bool ng_comes_in_by(const struct ng_world *world, const struct ng_exposure *exposure,
                    const struct ng_link *link);

/* weigh.c: the packets of an answer that may get in and those that may not: for whom it is not
 * certain they are in both. Outcomes are taken one by one; those of fate ANYWHERE go to both sides
 * whatever is said. */
struct split {
    struct ng_region in, out;
};
int ng_split_take(struct ng_arena *arena, const struct ng_outcome *outcome, bool in, bool out,
                  struct split *split) _must_check_;
int ng_split_certain(struct ng_arena *arena, const struct split *split,
                     struct ng_region *ret_certain) _must_check_;

/* weigh.c: what regions of packets come to, for who comes from `who` and of them needs to get in
 * (`routable`). */
struct admitted {
    enum ng_reach_verdict verdict;
    struct ng_region certain;
    struct ng_addrset sources, maybe;
};
int ng_weigh(struct ng_arena *arena, struct ng_region certain, struct ng_region possible,
             struct ng_addrset who, struct ng_addrset routable,
             struct admitted *ret_admitted) _must_check_;
/* "limit rate 5/second (ip filter INPUT handle 4)" */
int ng_undecided_text(struct ng_arena *arena, const struct ng_ruleset *ruleset,
                      const struct ng_undecided *undecided, const char **ret_text) _must_check_;
/* Sorted, none twice; in the memory of `items`. */
struct ng_strings ng_sort_texts(const char **items, size_t count);

/* arrival.c: of those who come in by `link` those whom routing lets in, and on to a container;
 * [family == NG_IP6]. */
int ng_routable_sources(const struct ng_world *world, const struct ng_link *link,
                        struct ng_arena *arena, const struct ng_addrset sources[static 2],
                        struct ng_addrset ret_routable[static 2]) _must_check_;

/* backends.c: which of the kernel's packet filters judge IP packets: "nf_tables",
 * "iptables-legacy". */
int ng_find_backends(struct ng_arena *arena, const struct ng_ruleset *ruleset,
                     struct ng_strings *ret_backends) _must_check_;

/* 16 hex digits of FNV-1a (64 bits) over the texts, each ended by a NUL. */
void ng_hash_text(char ret_hex[static 17], const char *const *texts, size_t count);

#endif
