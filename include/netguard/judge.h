/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_JUDGE_H
#define NETGUARD_JUDGE_H

/* The decision: a world and a policy give exposures and findings. Pure: the same arguments
 * give the same answer, byte for byte, on any machine. */

#include "netguard/policy.h"
#include "netguard/ruleset.h"

enum ng_kind {
    NG_KIND_PUBLISHED,
    NG_KIND_INGRESS,
    NG_KIND_HOST_NETWORK,
    NG_KIND_HOST,
    NG_KIND_DIRECT,
    NG_KIND_L2,
};

/* What a port that is the engine's own is for. */
enum ng_role {
    NG_ROLE_NONE,
    NG_ROLE_DOCKER_API,       /* without TLS: whoever gets there is root */
    NG_ROLE_DOCKER_API_TLS,   /* with TLS; `unverified` tells whether it asks for a certificate */
    NG_ROLE_SWARM_MANAGEMENT, /* 2377/tcp of a manager */
    NG_ROLE_SWARM_GOSSIP,     /* 7946, TCP and UDP */
    NG_ROLE_SWARM_DATA_PATH,  /* VXLAN of the overlay networks, or the ESP of encrypted ones */
};

enum ng_path { /* bits: how packets get there */
               NG_PATH_DNAT = 1 << 0,
               NG_PATH_PROXY = 1 << 1,
               NG_PATH_LOCAL = 1 << 2,
               NG_PATH_ROUTE = 1 << 3,
               NG_PATH_IPVS = 1 << 4,
               NG_PATH_L2 = 1 << 5,
};

enum ng_reach_verdict {
    NG_REACHABLE, /* every source of the zone that routing lets arrive gets in; of IPv6
                     sources link-local ones do not count */
    NG_PARTLY,    /* some do, for certain */
    NG_BLOCKED,   /* none does, for certain */
    NG_UNKNOWN,   /* none for certain, some perhaps */
};

enum ng_host_firewall {
    NG_FIREWALL_ABSENT,
    NG_FIREWALL_HONOURED, /* what gets in, it has let in; what is closed does not pass around it */
    NG_FIREWALL_BYPASSED, /* packets get in without having been admitted by it */
};

/* A rule or chain policy that decided, ready to print. */
struct ng_decider {
    const char *table; /* "ip filter" */
    const char *chain;
    uint64_t handle;  /* of the rule; 0: the chain's policy */
    const char *rule; /* text as nft prints it; "policy drop" for a policy */
    bool legacy;      /* of iptables-legacy: `handle` is the rule's number in its chain */
};

struct ng_port_range {
    uint16_t lo, hi; /* inclusive */
};

struct ng_reach {
    const char *zone;
    const char *interface;
    enum ng_reach_verdict verdict;
    struct ng_addrset
        sources;             /* certainly get in (by some source port); of the exposure's family */
    struct ng_addrset maybe; /* could not be decided for some source port: where `source_ports`
                                tells the certain ones, an address may stand in both */
    const struct ng_port_range *source_ports; /* of `sources`; only where restricted, else NULL */
    size_t n_source_ports;
    const struct ng_decider *decided_by; /* NULL: routing or the absence of any rule decided */
    const struct ng_decider *deciders;   /* all of them, sorted by table, chain, handle */
    size_t n_deciders;
    struct ng_strings unsure; /* the expressions that could not be decided, sorted */
};

struct ng_exposure {
    char id[17]; /* 16 hex digits + NUL; see product contract */
    enum ng_kind kind;
    uint8_t family, proto;
    struct ng_addr host_addr;             /* family 0: none */
    uint16_t host_port;                   /* 0: none */
    const struct ng_container *container; /* NULL: the machine itself. Of an ingress port the
                                             service: without id and image, under its name */
    struct ng_addr container_addr;        /* family 0: none */
    uint16_t container_port;              /* 0: none */
    uint32_t link;                        /* of NG_KIND_L2: index of the link it stands on */
    const char *process;                  /* of the listener, for host kinds; NULL: not known */
    enum ng_role role;
    /* Of NG_KIND_HOST: it is not known to be the machine's own. Its process is not known and it is
     * no tunnel's, or the process serves containers or is in one that no engine tells of. */
    bool unidentified;
    bool unverified;              /* of NG_ROLE_DOCKER_API_TLS: asks for no certificate */
    unsigned paths;               /* enum ng_path bits */
    const struct ng_reach *reach; /* sorted by zone order, interface */
    size_t n_reach;
    enum ng_host_firewall ufw, firewalld;
};

enum ng_finding_state {
    NG_OPEN,
    NG_STATE_BLOCKED,
    NG_EXCEPTED,
};

struct ng_finding {
    const char *id;   /* catalog id, "NG001" … (agent/print documents them) */
    char key[17];     /* 16 hex digits of the hash of id, rule and exposure id */
    const char *rule; /* policy rule id, "default" for the policy's default */
    enum ng_severity severity;
    enum ng_action action; /* NG_ALERT or NG_BLOCK */
    enum ng_finding_state state;
    const struct ng_exposure *exposure; /* NULL: it is about no port, but about `container`, or the
                                           engine as a whole */
    const struct ng_container *container; /* of the exposure, or that it is about; NULL: none */
    /* Without an exposure: */
    const char *about; /* what tells it from others of the same id and rule, of names alone; else
                          NULL */
    enum ng_reach_verdict verdict; /* REACHABLE, or UNKNOWN: it may be so */

    const char *subject; /* container name, process name for the machine itself, or the name of what
                            else it is about: a network, a registry, an engine */
    struct ng_strings zones; /* the zones from which it is reachable against the policy */
    const char *message;     /* one line */
    const char *fix;         /* one line or several, separated by \n */
    struct ng_strings path;  /* how one gets there, hop by hop, for people; empty: not told */
};

/* What a link between two containers comes to, on a network that both are on. */
struct ng_talk {
    const struct ng_container *from, *to;
    const char *alias;
    const char *network;
    const struct ng_port *ports; /* of `to`, those known; sorted by proto, port */
    size_t n_ports;
    enum ng_reach_verdict verdict; /* of `from` at these ports: partly is some of them */
    bool opens; /* who is on the network without the link gets to fewer: the network has no ICC */
};

struct ng_result {
    struct ng_arena *arena; /* the world and the policy must outlive the result */
    const struct ng_world *world;
    const struct ng_policy *policy;
    bool complete;
    const struct ng_gap *gaps; /* the world's, and ways in that are not followed; sorted */
    size_t n_gaps;
    struct ng_strings backends; /* the packet filters of the kernel that have a say: "nf_tables",
                                   "iptables-legacy"; what both let through gets through */
    const struct ng_exposure *exposures; /* sorted: container name (host last), proto, host port
                                            (none last), family, host address */
    size_t n_exposures;
    const struct ng_talk *talks; /* sorted by names of `from` and `to`, network, alias */
    size_t n_talks;
    const struct ng_finding
        *findings; /* sorted: severity descending, subject, exposure order, rule */
    size_t n_findings;
    const struct judgement *judgement; /* how it was come to, for ng_judge_again() */
};

/* judge.c: why nothing can be decided at all, NULL: it can. */
const char *ng_blindness(const struct ng_world *world);

const char *ng_kind_text(enum ng_kind kind);
const char *ng_role_text(enum ng_role role); /* "docker-api" …; NULL of NG_ROLE_NONE */
const char *ng_path_text(enum ng_path one_bit);
const char *ng_reach_verdict_text(enum ng_reach_verdict verdict);
const char *ng_host_firewall_text(enum ng_host_firewall state);
const char *ng_finding_state_text(enum ng_finding_state state);
const char *ng_gateway_mode_text(uint8_t mode); /* "nat" … */
const char *ng_proto_text(uint8_t proto);       /* "tcp" … ; "?" for one we have no name for */
const char *ng_family_text(uint8_t family);     /* "ip", "ip6" */

/* 0 or -ENOMEM. */
int ng_judge(const struct ng_world *world, const struct ng_ruleset *ruleset,
             const struct ng_policy *policy, struct ng_result **ret_result,
             struct ng_error *error) _must_check_;

/* The same once a few rules have been added to or taken from the ruleset of `before`, and nothing
 * else is other than it was: what ng_judge() would give, at the cost of what those rules can have a
 * say in. `changed`: rules that were added, and as they were those that are gone. The new result
 * lives in the arena of the one before, which stays as it is. -EAGAIN: it takes ng_judge(). */
int ng_judge_again(const struct ng_result *before, const struct ng_ruleset *ruleset,
                   const struct ng_rule *const *changed, size_t n_changed,
                   struct ng_result **ret_result, struct ng_error *error) _must_check_;

void ng_result_free(struct ng_result *result);
void ng_result_freep(struct ng_result **result);

/* Is any finding open at or above `least`? */
bool ng_result_has_open(const struct ng_result *result, enum ng_severity least);

#endif
