/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_NEXTHOPS_H
#define NETGUARD_AGENT_OBSERVE_NEXTHOPS_H

/* Nexthop objects (ip nexthop), by which routes may name the way they lead
 * (linux/nexthop.h). */

#include "agent/observe/netlink.h"
#include "netguard/world.h"

struct ng_nexthop {
    uint32_t id;
    uint32_t oif; /* link index, 0: none */
    bool has_gateway, blackhole;
    bool dead;
    const uint32_t *members; /* ids: of a group, which is nothing else */
    size_t n_members;
};

/* Sorted by id; starts with all zeroes but for the arena. */
struct ng_nexthops {
    struct ng_arena *arena;
    struct ng_nexthop *items;
    size_t count, capacity;
};

/* All there are; none on a kernel that knows none. Errors as those of ng_netlink_dump(). */
int ng_nexthops_read(struct ng_netlink *netlink, struct ng_nexthops *nexthops,
                     struct ng_error *error) _must_check_;

/* The message of a nexthop, added to the others; other messages add none. -EBADMSG, -ENOMEM. */
int ng_nexthops_decode(struct ng_nexthops *nexthops, const struct nlmsghdr *message) _must_check_;

/* Gives `route` the way that nexthop `id` tells: the living one that is the `hop`th of a group,
 * from 0. 1 past the last one, -ENOENT where `id` or the members it names are not there. */
int ng_nexthops_resolve(const struct ng_nexthops *nexthops, uint32_t id, size_t hop,
                        struct ng_route *route) _must_check_;

#endif
