/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PROPOSE_H
#define NETGUARD_PROPOSE_H

/* A first policy for a host: one that objects to nothing that can be reached now, and to what
 * comes later. What hardly anybody means to be reachable it does not allow, but excepts for a
 * while. Pure: the same world gives the same proposal. */

#include "netguard/judge.h"

#define NG_PROPOSED_ZONE  "private"
#define NG_PROPOSED_APART "apart" /* id of the segregation */

/* A link by which packets come in from outside. */
struct ng_proposed_link {
    const char *name;
    bool is_private; /* else it is part of `public` */
    const char *why; /* one line */
};

struct ng_proposed_who {
    enum { NG_WHO_CONTAINER, NG_WHO_SERVICE, NG_WHO_HOST } kind;
    /* Matches its name and, as far as a glob can say so, no other; of the host that of the process,
     * NULL: whoever it is. */
    const char *glob;
};

struct ng_proposed_port {
    uint8_t proto;            /* enum ng_proto: TCP, UDP or SCTP */
    uint16_t host, container; /* the same where only one of them is there, or known */
};

struct ng_proposed_rule {
    const char *id;
    struct ng_proposed_who who;
    const struct ng_proposed_port *ports; /* sorted */
    size_t n_ports;
    bool own_address; /* some are open only at the container's own address */
    struct ng_strings from;
};

struct ng_proposed_exception {
    const char *rule;
    struct ng_proposed_who who;
    struct ng_strings risks; /* "6379/tcp from public", … ; sorted, none twice */
};

/* A key of `usage:`. */
struct ng_proposed_usage {
    const char *key;
    const char *zones;       /* who may: a zone, "" nobody; NULL: it takes no zones */
    struct ng_strings finds; /* what it finds now; where anything, it is not to be asked yet */
};

struct ng_proposal {
    struct ng_arena *arena;
    const struct ng_world *world;         /* must outlive the proposal */
    const struct ng_proposed_link *links; /* sorted by name */
    size_t n_links;
    bool has_private;                    /* any of them is */
    const struct ng_rule_policy *denied; /* the rules of the built-in policy */
    size_t n_denied;
    const struct ng_proposed_rule *rules; /* sorted by who, zones */
    size_t n_rules;
    const struct ng_proposed_exception *exceptions; /* sorted by rule, who */
    size_t n_exceptions;
    const struct ng_proposed_usage *usages;
    size_t n_usages;
    struct ng_strings apart;       /* networks that no container joins; fewer than two: none */
    struct ng_strings apart_finds; /* as of a usage */
    struct ng_strings joined;      /* networks that some container joins with another */
    int64_t until_s;               /* a moment of the last day of its exceptions */

    struct ng_policy *probe; /* what it was found out with, and what that gave */
    struct ng_result *probed;
};

/* 0 or -ENOMEM. */
int ng_propose(const struct ng_world *world, const struct ng_ruleset *ruleset,
               struct ng_proposal **ret_proposal, struct ng_error *error) _must_check_;
void ng_proposal_free(struct ng_proposal *proposal);
void ng_proposal_freep(struct ng_proposal **proposal);

/* `text` in double quotes, as YAML reads it back: whatever it holds. NULL: out of memory. */
const char *ng_yaml_text(struct ng_arena *arena, const char *text) _must_check_;

#endif
