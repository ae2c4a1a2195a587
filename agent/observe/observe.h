/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_OBSERVE_H
#define NETGUARD_AGENT_OBSERVE_OBSERVE_H

#include "netguard/world.h"

struct ng_observe_options {
    /* Of the engines: "unix:///path" or "tcp://host:port". None: look where an engine usually
     * listens, and find nothing wrong with there being none. */
    const char *const *endpoints;
    size_t n_endpoints;
    struct ng_docker_connections *const *connections; /* for each of them, or NULL */
    /* Of every container and not only of those on the host's network: a request for each. */
    bool capabilities;
    bool without_engines; /* connect to none: before the guard is in force, or where all are away */
    /* What was seen before: an engine in it that is not asked, or does not answer, counts as it was
     * then. It is borrowed, and has to outlive the world that is observed. */
    const struct ng_world *told;
};

/* Source of a gap: an engine does not answer, and counts as in what was told before. Of one that
 * never told anything it is "docker". */
#define NG_GAP_ENGINE "engine"

/* Observes this host as it is now and changes nothing on it. What cannot be read becomes a
 * gap in the world; only -ENOMEM is an error. */
int ng_observe(const struct ng_observe_options *options, struct ng_world **ret_world,
               struct ng_error *error) _must_check_;

#endif
