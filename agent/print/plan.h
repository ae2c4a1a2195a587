/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_PLAN_H
#define NETGUARD_PRINT_PLAN_H

/* What plan and apply print: the guard, what has to change for it, and what it comes to. */

#include <stdio.h>

#include "agent/act/guard_table.h"

struct ng_plan {
    const struct ng_policy *policy;
    const struct ng_guard *guard;
    bool compared; /* with what is installed; else it and the changes say nothing */
    struct ng_guard_installed installed;
    const struct ng_guard_change *changes;
    size_t n_changes;
    const struct ng_guard_effect *effects;
    size_t n_effects;
    const struct ng_gap *gaps;
    size_t n_gaps;
};

/* For `nft -f`, with everything else in comments. 0 or -ENOMEM. */
int ng_print_plan(FILE *out, const struct ng_plan *plan) _must_check_;
int ng_print_plan_json(FILE *out, const struct ng_plan *plan) _must_check_;

/* "redis 6379/tcp from public (eth0): reachable, then blocked", a line each, after `prefix`. */
void ng_print_effects(FILE *out, const char *prefix, const struct ng_guard_effect *effects,
                      size_t count);

#endif
