/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_JUDGE_LINT_H
#define NETGUARD_JUDGE_LINT_H

/* Looking for what a policy hardly means: rules against rules (lint.c), names against what runs
 * (lint_names.c). */

#include "netguard/policy.h"

/* Patterns that are compared at most, after which nothing more is found: a policy that is made for
 * it could ask for billions. */
#define NG_LINT_WORK 20000000

/* Warnings that are told: nobody reads more at once. */
#define NG_LINT_MAX 100

struct ng_linter {
    struct ng_arena *arena;
    const struct ng_policy *policy;
    bool *empty;   /* of each zone, then of `public`: no packet comes from there */
    uint64_t work; /* patterns that were compared */
    struct ng_error *warnings;
    size_t n_warnings, capacity;
};

static inline bool ng_lint_is_tired(struct ng_linter *linter) {
    return linter->work++ >= NG_LINT_WORK;
}

/* lint.c: adds a warning. 0 or -ENOMEM. */
int ng_lint(struct ng_linter *linter, struct ng_place place, const char *format, ...) _must_check_
    _printf_(3, 4);

/* lint_names.c: patterns that nothing in the world matches. 0 or -ENOMEM. */
int ng_lint_names(struct ng_linter *linter, const struct ng_world *world) _must_check_;

#endif
