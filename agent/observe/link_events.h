/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_OBSERVE_LINK_EVENTS_H
#define NETGUARD_OBSERVE_LINK_EVENTS_H

/* Follows links, addresses, routes, routing rules, nexthop objects, forwarding and rp_filter of
 * this network namespace, from within an sd-event loop.
 *
 * The kernel tells more than that something has changed: of a link whenever anything of it does,
 * and of addresses and routes each time that a router, or who listens to it for the kernel, has
 * prolonged their lives. So what was last said of a link, an address or a route is kept, as far as
 * the model (netguard/world.h) carries it, and the same once more is not told of. Of two routes to
 * one destination with one priority, only the last is known. */

#include <systemd/sd-event.h>

#include "netguard/base.h"

struct ng_link_listener {
    /* Once for all that came at a time. `overrun`: some of it was missed. */
    void (*changed)(bool overrun, void *context);
    void *context;
};

struct ng_link_events;

int ng_link_events_new(sd_event *loop, const struct ng_link_listener *listener,
                       struct ng_link_events **ret_events, struct ng_error *error) _must_check_;
void ng_link_events_free(struct ng_link_events *events);
void ng_link_events_freep(struct ng_link_events **events);

#endif
