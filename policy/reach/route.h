/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ROUTE_H
#define NETGUARD_ROUTE_H

#include "netguard/reach.h"

/* Routing as far as delivery and the outgoing interface need it. */

struct ng_route_query {
    uint8_t family;
    const char *iif_name; /* NULL: not known */
    ng_u128 daddr;
    bool saddr_known;
    ng_u128 saddr;
    bool ports_known;
    uint8_t proto;         /* 0: no rule that asks for a protocol applies */
    uint16_t sport, dport; /* 0: no rule that asks for ports applies */
    bool mark_known;
    uint32_t mark;
    uint32_t vrf_table; /* of the VRF that the packet came in by, 0: none */
    uint32_t only_oif;  /* only routes out of this link count, 0: all (IPv6: rt6_need_strict) */
};

struct ng_route_result {
    uint8_t type; /* enum ng_route_type; 0: no route */
    uint32_t oif;
    bool doubtful; /* a rule may hold or not, that led here or would have led elsewhere */
};

/* More different ways than a packet has on any real host. */
#define NG_ROUTES_MAX 64

/* Where a packet may be sent: one result where the rules and tables say so for certain,
 * several where a routing rule asks for what is not known here (a mark, a user, a type of
 * service) or a route has several hops.
 * At most `max` results, none twice; returns how many, never 0. */
size_t ng_route_lookup(const struct ng_world *world, const struct ng_route_query *query,
                       struct ng_route_result *ret_results, size_t max);

/* Has somebody added an IPv4 routing rule? */
bool ng_has_custom_rules(const struct ng_world *world);

/* Routing rules ask for more than the address. */
#define NG_ADDR_TYPE_UNSURE UINT8_MAX

/* The type of a local address as `fib daddr type` and xt addrtype see it (RTN_…); `iif`
 * other than 0 restricts to addresses of that link. */
uint8_t ng_route_addr_type(const struct ng_world *world, uint8_t family, ng_u128 daddr,
                           uint32_t iif);

const struct ng_link *ng_link_find(const struct ng_world *world, uint32_t index);

/* fe80::/10. The kernel carries no such source over to another link (ip6_forward). */
static inline struct ng_interval ng_link_local6(void) {
    ng_u128 first = (ng_u128)0xfe80 << 112;
    return (struct ng_interval){first, first | (((ng_u128)1 << 118) - 1)};
}

static inline bool ng_is_link_local6(ng_u128 addr) {
    return addr >> 118 == 0xfe80 >> 6;
}

static inline bool ng_is_multicast(uint8_t family, ng_u128 addr) {
    return family == NG_IP4 ? addr >> 28 == 0xe : addr >> 120 == 0xff;
}

#endif
