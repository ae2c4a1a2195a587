/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_ROUTES_H
#define NETGUARD_AGENT_OBSERVE_ROUTES_H

/* The routes of all tables, and the rules that choose among the tables, both families. */

#include <linux/netlink.h>

#include "netguard/world.h"

/* Fills routes and rules of `world` and sets routes_read; leaves all three alone on failure.
 * `ret_left_out`: how many routes there are that the model does not carry: those for some sources
 * or types of service only. */
int ng_routes_read(struct ng_world *world, size_t *ret_left_out,
                   struct ng_error *error) _must_check_;

enum {
    NG_ROUTES_NOT_ONE = 1,  /* another message, a cached or a dead route */
    NG_ROUTES_LEFT_OUT = 2, /* a route that the model cannot carry */
};

/* The message of a route as one of the model; one of the above with nothing returned, -EBADMSG.
 * `hop`: which of the living hops of a multipath route, from 0; past the last one, and past 0 of
 * a plain route, it is NG_ROUTES_NOT_ONE. `ret_nexthop`: the id of the nexthop object that the
 * message names in place of an interface, 0: it names none. */
int ng_routes_decode_route(const struct nlmsghdr *message, size_t hop, struct ng_route *ret_route,
                           uint32_t *ret_nexthop) _must_check_;

/* AF_… as enum ng_family, 0: neither IPv4 nor IPv6. */
uint8_t ng_routes_family(uint8_t address_family);

/* The attribute of a prefix, without the bits past `len`; NULL: the address of all zeroes, where
 * the length says so. -EBADMSG. */
int ng_routes_decode_prefix(const struct nlattr *attr, uint8_t family, unsigned len,
                            struct ng_addr *ret_addr) _must_check_;

#endif
