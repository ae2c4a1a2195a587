/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_EXPECT_H
#define NETGUARD_EXPECT_H

/* What somebody expects of a host, sentence by sentence, and whether it holds. The file is
 * documented in packaging/man/netguard.md. */

#include "netguard/judge.h"

enum ng_expected {
    NG_EXPECT_REACHABLE, /* what the kernel does, in the order of enum ng_reach_verdict */
    NG_EXPECT_PARTLY,
    NG_EXPECT_BLOCKED,
    NG_EXPECT_UNKNOWN,
    NG_EXPECT_ALLOWED, /* what the policy says */
    NG_EXPECT_DENIED,
    NG_EXPECT_EXCEPTED,
    NG_EXPECT_UNDECIDED, /* no rule speaks of it, nor does `default` */
    NG_EXPECT_FINDING,   /* there is an open one */
    NG_EXPECT_NO_FINDING,
};

struct ng_expectation {
    enum ng_expected is;
    struct ng_place place;
    /* Of a port: */
    const char *zone;
    const char *name; /* of a container or service; "host": whatever answers at that port of this
                         machine */
    uint16_t port;    /* of the host or of the container */
    uint8_t proto;    /* 0: whichever there is */
    /* Of findings: */
    const char *id; /* of the catalog; NULL: any */
    const char *on; /* subject; NULL: any */
};

struct ng_expectations {
    const struct ng_expectation *items;
    size_t count;
};

/* Everything lives in `arena`. -EINVAL with all faults, which are those of the text or of what it
 * names and the policy does not have; -E2BIG, -ENOMEM. */
int ng_expectations_parse(const struct ng_policy_text *text, const struct ng_policy *policy,
                          struct ng_arena *arena, struct ng_expectations *ret_expectations,
                          const struct ng_error **ret_faults, size_t *ret_n_faults) _must_check_;

/* The words of the file: "blocked" … */
const char *ng_expected_text(enum ng_expected expected);

struct ng_fulfilment {
    bool holds;
    const char *found;           /* what is so: "reachable", "no such container" … */
    const char *remark;          /* why it counts as that; NULL: nothing to add */
    const struct ng_decider *by; /* the kernel's rule, NULL: none decides */
    const char *rule;            /* the policy's, NULL: none */
};

/* Of one expectation; in `arena`. `ruleset` is what the result was judged by. 0 or -ENOMEM. */
int ng_expectation_test(const struct ng_result *result, const struct ng_ruleset *ruleset,
                        const struct ng_expectation *expectation, struct ng_arena *arena,
                        struct ng_fulfilment *ret_fulfilment) _must_check_;

#endif
