/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_ROUTES_H
#define NETGUARD_AGENT_OBSERVE_ROUTES_H

/* The routes of all tables and the rules that choose among the tables, both families. */

#include <linux/netlink.h>

#include "netguard/world.h"

/* Fills routes and rules of `world` and sets routes_read; leaves all three alone on failure.
 * `ret_left_out`: how many routes there are that the model does not carry: those for some sources
 * or types of service only, and those through a nexthop object that the kernel only names. */
int ng_routes_read(struct ng_world *world, size_t *ret_left_out,
                   struct ng_error *error) _must_check_;

enum {
    NG_ROUTES_NOT_ONE = 1,  /* another message, a cached or a dead route */
    NG_ROUTES_LEFT_OUT = 2, /* a route that the model cannot carry */
};

/* The message of a route or rule as one of the model; one of the above with nothing returned,
 * -EBADMSG, -ENOMEM. `hop`: which of the living hops of a multipath route, from 0; past the last
 * one, and past 0 of a plain route, it is NG_ROUTES_NOT_ONE. */
int ng_routes_decode_route(const struct nlmsghdr *message, size_t hop,
                           struct ng_route *ret_route) _must_check_;
int ng_routes_decode_rule(struct ng_arena *arena, const struct nlmsghdr *message,
                          struct ng_route_rule *ret_rule) _must_check_;

#endif
