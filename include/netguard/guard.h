/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_GUARD_H
#define NETGUARD_GUARD_H

/* The guard: what the table `inet netguard` has to say, as plain data. `plan` prints it,
 * `apply` and the daemon install it, and what is installed is compared with it.
 *
 * Names of tables, chains, sets and matches are those of nftables; each test here is one
 * expression of nft, and reads in its syntax as the comment beside it says. */

#include "netguard/judge.h"

#define NG_GUARD_TABLE_NAME "netguard" /* of family inet */
/* Of the table: one of that name without it is somebody else's. */
#define NG_GUARD_COMMENT "made by netguard, see netguard(8)"

/* What a key is made of, in the order in which it is written. */
enum ng_guard_field {
    NG_GUARD_NO_FIELD,
    NG_GUARD_NFPROTO,    /* meta nfproto: NFPROTO_… of linux/netfilter.h */
    NG_GUARD_IIFNAME,    /* iifname */
    NG_GUARD_OIFNAME,    /* oifname */
    NG_GUARD_SADDR4,     /* ip saddr */
    NG_GUARD_SADDR6,     /* ip6 saddr */
    NG_GUARD_DADDR4,     /* ip daddr */
    NG_GUARD_DADDR6,     /* ip6 daddr */
    NG_GUARD_ASKED4,     /* ct original ip daddr */
    NG_GUARD_ASKED6,     /* ct original ip6 daddr */
    NG_GUARD_L4PROTO,    /* meta l4proto */
    NG_GUARD_DPORT,      /* th dport */
    NG_GUARD_ASKED_PORT, /* ct original proto-dst; alone in its key, and after a test of l4proto */
};

enum {
    NG_GUARD_FIELDS_MAX = 4,
    NG_GUARD_IPV4 = 2, /* NFPROTO_IPV4, NFPROTO_IPV6 */
    NG_GUARD_IPV6 = 10,
};

/* A number in host byte order, or the name of an interface. */
struct ng_guard_value {
    ng_u128 number;
    const char *name;
};

struct ng_guard_element {
    struct ng_guard_value key[NG_GUARD_FIELDS_MAX];
    ng_u128 end;       /* of a set of intervals: the last number of the first field */
    const char *chain; /* of a verdict map: goto it */
};

struct ng_guard_set {
    const char *name;
    enum ng_guard_field fields[NG_GUARD_FIELDS_MAX];
    size_t n_fields;
    bool intervals; /* flags interval; of one field */
    bool is_map;    /* to verdicts */
    bool
        of_policy; /* what is in it follows from the policy alone, and from nothing that was seen */
    bool timeout;  /* flags timeout; its elements are given NG_GUARD.armed_s when they are made */
    const struct ng_guard_element *elements; /* sorted by key, none twice, no two overlap */
    size_t n_elements;
};

enum ng_guard_test_kind {
    NG_GUARD_IS,           /* field value: equal to `value`; of an interface a name that ends in *
                              is a prefix */
    NG_GUARD_IS_NOT,       /* field != value */
    NG_GUARD_IN,           /* fields @set */
    NG_GUARD_NOT_IN,       /* fields != @set */
    NG_GUARD_VMAP,         /* fields vmap @set; the last test of a rule without a verdict */
    NG_GUARD_BETWEEN,      /* field value-end */
    NG_GUARD_TO_BRIDGE,    /* meta oifkind "bridge" */
    NG_GUARD_TO_NO_BRIDGE, /* meta oifkind != "bridge" */
    NG_GUARD_TRANSLATED,   /* ct status dnat */
    NG_GUARD_UNTRANSLATED, /* ct status & dnat == 0, as nft writes it: ct status ! dnat */
    NG_GUARD_REPLY,        /* ct direction reply */
    NG_GUARD_ORIGINAL,     /* ct direction original */
    NG_GUARD_UNTRACKED,    /* ct state untracked */
};

struct ng_guard_test {
    enum ng_guard_test_kind kind;
    enum ng_guard_field
        fields[NG_GUARD_FIELDS_MAX]; /* of IS … BETWEEN; of IN, VMAP those of the set */
    size_t n_fields;
    struct ng_guard_value value;
    ng_u128 end;     /* of BETWEEN */
    const char *set; /* of IN, NOT_IN and VMAP */
};

enum ng_guard_verdict {
    NG_GUARD_CONTINUE, /* none: a verdict map, or a log entry */
    NG_GUARD_ACCEPT,   /* which ends this base chain alone */
    NG_GUARD_DROP,
    NG_GUARD_GOTO,
    NG_GUARD_JUMP,
};

enum {
    /* Of log entries per rule, so that a flood of knocks fills no journal: limit rate
     * 10/second burst 20 packets. */
    NG_GUARD_LOG_PER_S = 10,
    NG_GUARD_LOG_BURST = 20,
    NG_GUARD_LOG_GROUP = 4789, /* NFLOG group that the daemon listens to */
};

struct ng_guard_rule {
    const struct ng_guard_test *tests;
    size_t n_tests;
    const char *log; /* NULL: none; else the prefix of: limit rate …, log prefix "…" group … */
    bool counter;
    enum ng_guard_verdict verdict;
    const char *chain; /* of GOTO, JUMP */
};

struct ng_guard_chain {
    const char *name;
    bool base;
    enum ng_hook hook; /* of a base chain: FORWARD or INPUT; type filter, policy accept */
    int priority;
    const struct ng_guard_rule *rules;
    size_t n_rules;
};

struct ng_guard {
    const struct ng_guard_set *sets; /* sorted by name */
    size_t n_sets;
    const struct ng_guard_chain *chains; /* whoever is jumped to stands before who jumps */
    size_t n_chains;
    unsigned armed_s;         /* how long elements with a timeout last; 0: there are none */
    struct ng_strings limits; /* what this policy asks for and the table cannot do, a line each */
    const char *withheld;     /* one of them: what it does not do so that the swarm lives */
};

struct ng_guard_options {
    unsigned armed_s; /* it goes out of force by itself after so many seconds, 0: never */
    bool cut_peers;   /* close the swarm's ports also to nodes that `usage: cluster` keeps out */
};

/* The table that enforces the policy in this world, as far as the world is known: what is not
 * known stays closed. Everything in `arena`; the result must outlive it. 0 or -ENOMEM. */
int ng_guard_make(const struct ng_result *result, const struct ng_guard_options *options,
                  struct ng_arena *arena, struct ng_guard *ret_guard) _must_check_;

/* What it comes to: who gets in now, and would with the guard in force. */
struct ng_guard_effect {
    const struct ng_exposure *exposure; /* as it is now */
    const struct ng_reach *now;
    enum ng_reach_verdict then;
};

/* Where the verdict of a zone and interface differs between two results of one host and policy, in
 * the order of the exposures. In `arena`. 0 or -ENOMEM. */
int ng_guard_effects(const struct ng_result *now, const struct ng_result *then,
                     struct ng_arena *arena, struct ng_guard_effect **ret_effects,
                     size_t *ret_count) _must_check_;

/* The size of a field in a packet, in bytes; IFNAMSIZ of an interface's name. */
size_t ng_guard_field_len(enum ng_guard_field field);

#endif
