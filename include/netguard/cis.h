/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_CIS_H
#define NETGUARD_CIS_H

/* The profile `cis`: what the CIS Docker Benchmark (NG_CIS_VERSION in catalog.h) has to say about
 * networks, judged by what can really be reached. */

#include "netguard/judge.h"

enum ng_cis_verdict {
    NG_CIS_PASS,
    NG_CIS_FAIL,
    NG_CIS_UNKNOWN,
};

struct ng_cis_item {
    const char *item; /* its number, "5.14" */
    const char *what; /* it asks for, in our words */
    enum ng_cis_verdict verdict;
    size_t n_findings; /* that are open */
    const char *note;  /* of UNKNOWN, why that is; else NULL */
};

const char *ng_cis_verdict_text(enum ng_cis_verdict verdict); /* "pass" … */

/* The rules that findings of the profile alone name, "cis.5.14": exceptions may be from them. */
extern const char *const ng_cis_rules[];
extern const size_t ng_cis_rules_count;

/* Leaves of the policy its zones, exceptions, allow lists and rules about containers, and makes it
 * ask what the profile asks. 0 or -ENOMEM. */
int ng_policy_for_cis(struct ng_policy *policy) _must_check_;

/* What the profile came to, in the order of the benchmark; of a result by such a policy. In
 * `arena`. 0 or -ENOMEM. */
int ng_cis_items(const struct ng_result *result, struct ng_arena *arena,
                 const struct ng_cis_item **ret_items, size_t *ret_count) _must_check_;

#endif
