/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_MANAGER_H
#define NETGUARD_AGENT_MANAGER_H

/* The daemon: what happens outside changes one thing in here and asks for a refresh, many of which
 * become one; what that sees becomes the guard, of which the difference is installed. */

#include "agent/view.h"

struct ng_manager_options {
    const char *policy;           /* as ng_policy_files_read() */
    const char *const *endpoints; /* of the engines; their texts have to outlive it */
    size_t n_endpoints;           /* 0: where an engine usually listens */
    bool foreground;              /* by hand: every alert is a line on stderr, too */
    const char *metrics_file;     /* NULL: none; has to outlive it */
};

/* Returns when it is told to end (SIGTERM, SIGINT): the guard stays in force. `law` is what it
 * begins with. An error: it could not begin; nothing is said then of what was installed before,
 * which stays as it was. */
int ng_manager_run(const struct ng_manager_options *options, struct ng_law *law,
                   struct ng_error *error) _must_check_;

#endif
