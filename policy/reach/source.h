/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_SOURCE_H
#define NETGUARD_SOURCE_H

#include "policy/reach/packet.h"

/* What routing knows of source addresses: which it refuses, and what `fib saddr`, addrtype and
 * rpfilter are told about them. Each is a function of the address that stays the same between
 * two neighbouring ends of prefixes. */

/* A function of the address: `value` from `lo` up to the next stretch. The first is at 0. */
struct stretch {
    ng_u128 lo, value;
};

struct source_map {
    const struct stretch *stretches;
    size_t count;
};

/* Routing may say one thing or another: by a mark, a user or a hash. */
#define NG_FIB_UNSURE (~(ng_u128)0)

/* Does what `operand`, a NG_FIELD_FIB_…, is told depend on the packet's source? */
bool ng_fib_asks_source(const struct place *place, const struct flow *flow,
                        const struct ng_operand *operand);

/* What it is told about a packet from `saddr`; NULL: not known which, and not asked for. */
ng_u128 ng_fib_value(const struct place *place, const struct flow *flow,
                     const struct ng_operand *operand, const ng_u128 *saddr);

/* The same for all sources of the family; lives as long as the engine's state or the
 * place's arena. 0 or -ENOMEM. */
int ng_fib_map(const struct place *place, const struct flow *flow, const struct ng_operand *operand,
               struct source_map *ret_map) _must_check_;

/* IPv4 source validation (rp_filter) of a packet that came in by `link`: the sources that
 * routing lets in. Sources that IPv4 refuses whatever the rules say (loopback, multicast,
 * our own) are counted in: no firewall question is about them, and leaving them out would
 * break every answer into splinters. 0 or -ENOMEM. */
int ng_route_sources(const struct ng_world *world, const struct ng_link *link,
                     struct ng_arena *arena, struct ng_addrset *ret_sources) _must_check_;

/* What IPv4 source validation refuses of everybody in `flow`, for a packet that would leave by
 * `oif` (0: it is for this machine); who is counted in by ng_route_sources is not among them. All
 * of the flow's source ports are alike to routing rules. 0 or -ENOMEM. */
int ng_refused_sources(const struct place *place, const struct flow *flow, uint32_t oif,
                       struct ng_addrset *ret_refused) _must_check_;

/* Does IP refuse this one source of a packet for `daddr`? `oif`: link it would leave by, 0: it
 * is for this machine. Unlike ng_route_sources exact, to the address. */
bool ng_source_refused(const struct place *place, const struct flow *flow, ng_u128 saddr,
                       uint32_t oif);

#endif
