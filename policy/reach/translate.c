/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/reach/walk.h"

/* Where destination NAT sends a packet. Which of a range it takes is a matter of a hash over the
 * source, or of what is free: the packet goes on in each of the ways, and where they come to the
 * same the answer is certain all the same. */

enum { WAYS_MAX = 64 };

/* NAT maps the connection, not the packet: what leaves the connection as it is leaves the packet
 * alone, whatever a rule has written into its header since conntrack has seen it; everything else
 * writes both address and port (nf_nat_core.c: nf_nat_setup_info, nf_nat_manip_pkt). */
static bool is_as_before(const struct walk *walk, const struct flow *flow, ng_u128 daddr,
                         uint16_t dport) {
    return flow->ct_daddr == daddr &&
           (!ng_has_ports(walk->place.question->proto) || flow->ct_dport == dport);
}

static void set_destination(const struct walk *walk, struct flow *flow, ng_u128 daddr,
                            uint16_t dport, bool writes) {
    bool ports = ng_has_ports(walk->place.question->proto);
    flow->mapped = true;
    if (!writes)
        return;
    flow->translated = true;
    flow->nat_daddr = flow->daddr = daddr;
    flow->nat_dport = dport;
    if (ports)
        flow->dport = dport;
}

static int go_on(struct walk *walk, const struct nat_site *site, const struct flow *flow,
                 ng_u128 daddr, uint16_t dport, bool writes) {
    struct flow own = *flow;
    set_destination(walk, &own, daddr, dport, writes);
    uint32_t chain = walk->place.state->ruleset->rules[site->rule].chain;
    int r = ng_walk_record(walk, site->effect, chain, site->rule, site->depth, &own);
    return r < 0 ? r : ng_walk_add_flow(walk, &walk->accepted, &own);
}

static int map(struct walk *walk, const struct nat_site *site, const struct flow *flow,
               ng_u128 daddr, uint16_t dport) {
    return go_on(walk, site, flow, daddr, dport, !is_as_before(walk, flow, daddr, dport));
}

struct ports {
    uint32_t lo, hi, likely; /* the last is the one that is taken while it is free */
};

/* A port that lies in the range is kept; else the first is taken, or one as far behind it. */
static struct ports find_ports(const struct ng_nat *nat, uint16_t dport) {
    struct ports ports = {.lo = dport, .hi = dport, .likely = dport};
    if (!nat->has_port)
        return ports;
    ports.lo = nat->port_lo < nat->port_hi ? nat->port_lo : nat->port_hi;
    ports.hi = nat->port_lo < nat->port_hi ? nat->port_hi : nat->port_lo;
    if (nat->shifted)
        ports.likely = ports.lo + (uint16_t)(dport - nat->port_base) % (ports.hi - ports.lo + 1);
    else if (dport < ports.lo || dport > ports.hi)
        ports.likely = ports.lo;
    return ports;
}

static int each_port(struct walk *walk, const struct nat_site *site, const struct flow *flow,
                     ng_u128 daddr, const struct ports *ports) {
    int r = map(walk, site, flow, daddr, (uint16_t)ports->likely);
    for (uint32_t port = ports->lo; r == 0 && port <= ports->hi; port++)
        if (port != ports->likely)
            r = map(walk, site, flow, daddr, (uint16_t)port);
    return r;
}

static int each_way(struct walk *walk, const struct nat_site *site, const struct flow *flow,
                    struct ng_interval addrs, const struct ports *ports) {
    int r = 0;
    for (ng_u128 addr = addrs.lo; r == 0; addr++) {
        r = each_port(walk, site, flow, addr, ports);
        if (addr == addrs.hi)
            break;
    }
    return r;
}

int ng_translate(struct walk *walk, const struct nat_site *site, const struct ng_nat *nat,
                 const struct flow *flow) {
    struct ng_interval addrs = {flow->ct_daddr, flow->ct_daddr};
    struct ports ports = find_ports(nat, flow->ct_dport);
    if (nat->has_addr && nat->netmap) {
        ng_u128 kept = nat->addr_lo.value ^ nat->addr_hi.value;
        addrs.lo = addrs.hi = (nat->addr_lo.value & ~kept) | (flow->daddr & kept);
    } else if (nat->has_addr && nat->addr_lo.value <= nat->addr_hi.value) {
        addrs = (struct ng_interval){nat->addr_lo.value, nat->addr_hi.value};
    } else if (nat->has_addr) {
        addrs = (struct ng_interval){nat->addr_hi.value, nat->addr_lo.value};
    }
    int r = 0;
    bool range = addrs.lo != addrs.hi || ports.lo != ports.hi;
    /* An IPv4 address is compared as if it were an IPv6 one, and nft_nat_setup_netmap leaves the
     * rest of it as it was on the stack: whether the connection is taken to stay as it is depends
     * on how the kernel was built. */
    if (nat->netmap && walk->place.question->family == NG_IP4 &&
        is_as_before(walk, flow, addrs.lo, (uint16_t)ports.lo)) {
        r = ng_walk_add_undecided(walk, site->op, site->rule, "a prefix mapped to itself",
                                  flow->region);
        if (r == 0)
            r = go_on(walk, site, flow, addrs.lo, (uint16_t)ports.lo, true);
        if (r < 0)
            return r;
    }
    if (addrs.hi - addrs.lo >= WAYS_MAX || ports.hi - ports.lo >= WAYS_MAX ||
        (uint32_t)(addrs.hi - addrs.lo + 1) * (ports.hi - ports.lo + 1) > WAYS_MAX) {
        /* The ends stand for all, and nothing is certain. */
        r = ng_walk_anything(walk, site->op, site->rule, "dnat to a range", flow);
        if (r == 0)
            r = map(walk, site, flow, addrs.hi, (uint16_t)ports.hi);
        return r < 0 ? r : map(walk, site, flow, addrs.lo, (uint16_t)ports.likely);
    }
    if (range)
        r = ng_walk_add_undecided(walk, site->op, site->rule, "dnat to a range", flow->region);
    return r < 0 ? r : each_way(walk, site, flow, addrs, &ports);
}

/* To an address of the incoming interface: the primary one, which the world does not tell from
 * the others (nf_nat_redirect.c of the kernel); an interface without one drops the packet. */
int ng_redirect(struct walk *walk, const struct nat_site *site, const struct ng_nat *ports,
                const struct flow *flow) {
    const struct ng_world *world = walk->place.state->world;
    unsigned ways = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < world->n_ifaddrs && ways < WAYS_MAX; i++) {
        const struct ng_ifaddr *ifaddr = &world->ifaddrs[i];
        if (ifaddr->link != walk->place.iif->index ||
            ifaddr->addr.family != walk->place.question->family)
            continue;
        struct ng_nat nat = *ports;
        nat.has_addr = true;
        nat.addr_lo = nat.addr_hi = ifaddr->addr;
        r = ng_translate(walk, site, &nat, flow);
        ways++;
    }
    if (r == 0 && ways > 1)
        r = ng_walk_add_undecided(walk, site->op, site->rule,
                                  "redirect to one of several addresses", flow->region);
    return r < 0 || ways ? r : ng_walk_drop(walk, *flow, site->rule, NG_NONE);
}
