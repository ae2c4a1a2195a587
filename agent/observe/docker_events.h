/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_OBSERVE_DOCKER_EVENTS_H
#define NETGUARD_OBSERVE_DOCKER_EVENTS_H

/* Follows an engine's events from within an sd-event loop, and comes back to an engine that was
 * away: nothing here blocks. An engine that is stopped and whose socket systemd keeps open is not
 * connected to, for that would start it; it is looked after every second. */

#include "agent/observe/docker_events_codec.h"

#include <systemd/sd-event.h>

/* None of these may free the follower. */
struct ng_docker_listener {
    /* Subscribed: whatever changes from here on is told of, so that lists asked for now miss
     * nothing. What happened in the second before may be told of once more. */
    void (*connected)(void *context);
    void (*changed)(const struct ng_docker_event *event, void *context);
    /* Not subscribed, or not any more; what was known is out of date from here on. Told again only
     * where the reason has become another.
     *
     * -EHOSTDOWN   stopped, and systemd keeps its socket: not connected to
     * -ECONNRESET  the stream has ended
     * -ETIMEDOUT   connected, and no answer
     * and as ng_docker_list() (docker.h) lists them. */
    void (*lost)(int code, const struct ng_error *why, void *context);
    void *context;
};

struct ng_docker_events;

/* Nothing is connected to before `loop` runs. -EINVAL as ng_docker_endpoint_check(), -ENOMEM, and
 * what sd-event says. */
int ng_docker_events_new(sd_event *loop, const char *endpoint,
                         const struct ng_docker_listener *listener,
                         struct ng_docker_events **ret_events, struct ng_error *error) _must_check_;
void ng_docker_events_free(struct ng_docker_events *events);
void ng_docker_events_freep(struct ng_docker_events **events);

#endif
