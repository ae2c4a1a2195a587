/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ROUTE_H
#define NETGUARD_ROUTE_H

#include "netguard/reach.h"

/* Routing as far as delivery and the outgoing interface need it. */

struct ng_route_query {
    uint8_t family;
    uint32_t iif;
    const char *iif_name; /* NULL: not known */
    ng_u128 daddr;
    bool mark_known;
    uint32_t mark;
};

struct ng_route_result {
    uint8_t type; /* enum ng_route_type; 0: no route */
    uint32_t oif;
};

/* More different ways than a packet has on any real host. */
#define NG_ROUTES_MAX 64

/* Where a packet may be sent: one result where the rules and tables say so for certain,
 * several where a routing rule asks for what is not known here (the source, a port, a user) or
 * a route has several hops.
 * At most `max` results, none twice; returns how many, never 0. */
size_t ng_route_lookup(const struct ng_world *world, const struct ng_route_query *query,
                       struct ng_route_result *ret_results, size_t max);

/* The type of a local address as `fib daddr type` and xt addrtype see it (RTN_…); `iif`
 * other than 0 restricts to addresses of that link. */
uint8_t ng_route_addr_type(const struct ng_world *world, uint8_t family, ng_u128 daddr,
                           uint32_t iif);

/* IPv4 source validation (rp_filter) of a packet that came in by `link`: the sources that
 * routing lets in. Sources that IPv4 refuses whatever the rules say (loopback, multicast,
 * our own) are counted in: no firewall question is about them, and leaving them out would
 * break every answer into splinters. 0 or -ENOMEM. */
int ng_route_sources(const struct ng_world *world, const struct ng_link *link,
                     struct ng_arena *arena, struct ng_addrset *ret_sources) _must_check_;

/* fe80::/10. The kernel carries no such source over to another link (ip6_forward). */
static inline struct ng_interval ng_link_local6(void) {
    ng_u128 first = (ng_u128)0xfe80 << 112;
    return (struct ng_interval){first, first | (((ng_u128)1 << 118) - 1)};
}

const struct ng_link *ng_link_find(const struct ng_world *world, uint32_t index);

#endif
