/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_OBSERVE_H
#define NETGUARD_AGENT_OBSERVE_OBSERVE_H

#include "netguard/world.h"

struct ng_observe_options {
    /* Of the engines: "unix:///path" or "tcp://host:port". None: look where an engine usually
     * listens, and find nothing wrong with there being none. */
    const char *const *endpoints;
    size_t n_endpoints;
    bool without_engines; /* connect to none: before the guard is in force, or where all are away */
};

/* Observes this host as it is now and changes nothing on it. What cannot be read becomes a
 * gap in the world; only -ENOMEM is an error. */
int ng_observe(const struct ng_observe_options *options, struct ng_world **ret_world,
               struct ng_error *error) _must_check_;

#endif
