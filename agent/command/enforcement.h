/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_COMMAND_ENFORCEMENT_H
#define NETGUARD_COMMAND_ENFORCEMENT_H

/* What plan and apply share: the policy, what is observed, the table that follows from
 * both, and what that would come to. */

#include "agent/act/guard_table.h"
#include "agent/command/command.h"
#include "agent/prediction.h"

struct ng_enforcement {
    struct ng_law *law;
    struct ng_view *view; /* as it is, and the guard; its arena is that of the effects, too */
    /* With the guard in force: */
    struct ng_prediction then;
    struct ng_result *then_result;
    struct ng_guard_effect *effects;
    size_t n_effects;
};

/* Observes, judges and makes the guard. Starts with all zeroes; to be freed whatever it returns,
 * which is NG_EXIT_CLEAN or why not, with `error`. */
enum ng_exit ng_enforcement_make(const struct ng_options *options,
                                 struct ng_enforcement *enforcement, struct ng_error *error);
void ng_enforcement_free(struct ng_enforcement *enforcement);

#endif
