/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/reach.h"

#include "policy/reach/route.h"
#include "policy/reach/source.h"
#include "policy/reach/walk.h"

#include <errno.h>
#include <string.h>

/* -- hooks --------------------------------------------------------------------------- */

static const struct hook_chains *chains_at(const struct walk *walk, enum ng_hook hook) {
    return &walk->place.state->hooks[walk->place.question->family == NG_IP6][hook];
}

/* Who has admitted a packet is told by the hooks that are there to admit: input, forward.
 * What earlier ones let pass counts only as long as nobody else has spoken. */
static int run_chains(struct walk *walk, const struct hook_chains *at, struct flows *flows) {
    int r = 0;
    for (size_t i = 0; r == 0 && flows->count && i < at->count; i += at->tied[i])
        r = ng_run_base_chains(walk, &at->chains[i], at->tied[i], flows);
    return r;
}

static int run_hook(struct walk *walk, enum ng_hook hook, struct flows *flows) {
    walk->place.hook = hook;
    return run_chains(walk, chains_at(walk, hook), flows);
}

static bool has_device(const struct ng_chain *chain, const char *name) {
    for (size_t i = 0; i < chain->n_devices; i++) {
        size_t len = strlen(chain->devices[i]);
        bool wildcard = len && chain->devices[i][len - 1] == '*';
        if (wildcard ? strncmp(chain->devices[i], name, len - 1) == 0
                     : strcmp(chain->devices[i], name) == 0)
            return true;
    }
    return false;
}

static bool hook_has_device(const struct walk *walk, enum ng_hook hook, const char *name) {
    const struct hook_chains *at = chains_at(walk, hook);
    for (size_t i = 0; i < at->count; i++)
        if (has_device(&walk->place.state->ruleset->chains[at->chains[i]], name))
            return true;
    return false;
}

static void be_at(struct walk *walk, enum ng_hook hook, const struct ng_link *link) {
    const struct ng_engine_state *state = walk->place.state;
    const struct link_names *names = link ? &state->links[link - state->world->links] : NULL;
    walk->place.hook = hook;
    if (hook == NG_HOOK_INGRESS) {
        walk->place.iif = link;
        walk->place.iif_names = names;
    } else {
        walk->place.oif = link;
        walk->place.oif_names = names;
    }
}

/* Of chains that have their turn together, those that see this link. */
static size_t of_device(const struct walk *walk, const struct hook_chains *at, size_t first,
                        const char *name, uint32_t ret_chains[static UINT8_MAX]) {
    size_t n = 0;
    for (size_t i = first; i < first + at->tied[first]; i++)
        if (has_device(&walk->place.state->ruleset->chains[at->chains[i]], name))
            ret_chains[n++] = at->chains[i];
    return n;
}

/* The chains of one link's ingress or egress. */
static int run_device(struct walk *walk, enum ng_hook hook, const struct ng_link *link,
                      struct flows *flows) {
    const struct hook_chains *at = chains_at(walk, hook);
    int r = 0;
    be_at(walk, hook, link);
    for (size_t i = 0; r == 0 && flows->count && i < at->count; i += at->tied[i]) {
        uint32_t chains[UINT8_MAX];
        size_t n = of_device(walk, at, i, link->name, chains);
        r = ng_run_base_chains(walk, chains, n, flows);
    }
    return r;
}

/* A port of a bridge or bond that has chains of its own: the packet may come or go by it. */
static int run_port(struct walk *walk, enum ng_hook hook, const struct ng_link *port,
                    struct flows *flows) {
    struct flows by_port = {0};
    int r = ng_walk_add_flows(walk, &by_port, flows);
    if (r == 0)
        r = ng_walk_leave_open(walk, "which port of a bridge a packet goes by", flows);
    if (r == 0)
        r = run_device(walk, hook, port, &by_port);
    return r < 0 ? r : ng_walk_add_flows(walk, flows, &by_port);
}

/* Of other kinds, the packets of the link below are wrapped or enciphered: not these. */
static bool sees_lower(const struct ng_link *link) {
    static const char *const kinds[] = {"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"};
    bool sees = false;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        sees = sees || strcmp(link->kind, kinds[i]) == 0;
    return sees && link->lower;
}

/* Of its own on Ethernet, beside that of the link below. */
static bool has_own_address(const struct ng_link *link) {
    return strcmp(link->kind, "macvlan") == 0 || strcmp(link->kind, "macvtap") == 0;
}

/* Ingress of a link and of those it stands on, which have the packet before it; egress the other
 * way round. Chains of no link that is here cost nothing. */
static int run_devices(struct walk *walk, enum ng_hook hook, const struct ng_link *link,
                       struct flows *flows, unsigned depth) {
    enum { STACKED_MAX = 8 };
    const struct ng_world *world = walk->place.state->world;
    if (chains_at(walk, hook)->count == 0 || depth > STACKED_MAX)
        return 0;
    const struct ng_link *lower = sees_lower(link) ? ng_link_find(world, link->lower) : NULL;
    bool own_first = hook == NG_HOOK_EGRESS, for_upper = walk->place.for_upper;
    int r = own_first ? run_device(walk, hook, link, flows) : 0;
    walk->place.for_upper = for_upper || (lower && has_own_address(link));
    if (r == 0 && lower)
        r = run_devices(walk, hook, lower, flows, depth + 1);
    walk->place.for_upper = for_upper;
    for (size_t i = 0; r == 0 && i < world->n_links; i++)
        if (world->links[i].master == link->index &&
            hook_has_device(walk, hook, world->links[i].name))
            r = run_port(walk, hook, &world->links[i], flows);
    return r < 0 || own_first ? r : run_device(walk, hook, link, flows);
}

/* -- bridges ------------------------------------------------------------------------- */

static bool is_bridge(const struct ng_link *link) {
    return strcmp(link->kind, "bridge") == 0;
}

static void go_by_port(struct walk *walk, const struct ng_link *in, const struct ng_link *out) {
    const struct ng_world *world = walk->place.state->world;
    const struct link_names *names = walk->place.state->links;
    walk->place.iif = in;
    walk->place.iif_names = in ? &names[in - world->links] : NULL;
    walk->place.oif = out;
    walk->place.oif_names = out ? &names[out - world->links] : NULL;
}

/* What comes in by a bridge passes two hooks of the bridge before IP sees it, and what goes out by
 * one passes two after. There the link is the port, and any port may be meant. */
static int run_bridge(struct walk *walk, const struct ng_link *bridge, bool incoming,
                      struct flows *flows) {
    enum ng_hook hooks[] = {incoming ? NG_HOOK_PREROUTING : NG_HOOK_OUTPUT,
                            incoming ? NG_HOOK_INPUT : NG_HOOK_POSTROUTING};
    const struct ng_world *world = walk->place.state->world;
    const struct hook_chains *bridge_hooks = walk->place.state->bridge_hooks;
    const struct place before = walk->place;
    struct flows after = {0};
    unsigned ports = 0;
    int r = 0;
    if (!is_bridge(bridge) || (!bridge_hooks[hooks[0]].count && !bridge_hooks[hooks[1]].count))
        return 0;
    walk->place.in_bridge = true;
    for (size_t i = 0; r == 0 && i < world->n_links; i++) {
        const struct ng_link *port = &world->links[i];
        struct flows by_port = {0};
        if (port->master != bridge->index)
            continue;
        go_by_port(walk, incoming ? port : NULL, incoming ? NULL : port);
        r = ng_walk_add_flows(walk, &by_port, flows);
        for (unsigned k = 0; r == 0 && k < ARRAY_SIZE(hooks); k++) {
            walk->place.hook = hooks[k];
            r = run_chains(walk, &bridge_hooks[hooks[k]], &by_port);
        }
        if (r == 0)
            r = ng_walk_add_flows(walk, &after, &by_port);
        ports++;
    }
    walk->place = before;
    for (size_t i = 0; r == 0 && ports > 1 && i < flows->count; i++)
        r = ng_walk_add_undecided(walk, NULL, NG_NONE, "which port of a bridge a packet goes by",
                                  flows->items[i].region);
    if (ports > 0)
        *flows = after;
    return r;
}

/* -- the way of a packet ------------------------------------------------------------- */

static void forget_who(struct flows *flows) {
    for (size_t i = 0; i < flows->count; i++)
        flows->items[i].by_rule = flows->items[i].by_chain = NG_NONE;
}

static int refuse(struct walk *walk, const struct flow *flow) {
    struct flow own = *flow;
    own.by_rule = own.by_chain = NG_NONE;
    int r = ng_walk_record(walk, NG_EFFECT_NO_ROUTE, NG_NONE, NG_NONE, 0, &own);
    return r < 0 ? r : ng_walk_add_outcome(walk, NG_FATE_NO_ROUTE, &own);
}

static int deliver(struct walk *walk, const struct flow *flow) {
    struct flows flows = {0};
    int r = ng_walk_record(walk, NG_EFFECT_TO_HOST, NG_NONE, NG_NONE, 0, flow);
    if (r == 0)
        r = ng_walk_add_flow(walk, &flows, flow);
    if (r < 0)
        return r;
    forget_who(&flows);
    walk->place.oif = NULL;
    r = run_hook(walk, NG_HOOK_INPUT, &flows);
    for (size_t i = 0; r == 0 && i < flows.count; i++)
        r = ng_walk_add_outcome(walk, NG_FATE_LOCAL, &flows.items[i]);
    return r;
}

/* Behind IP: there a packet has come from nowhere. */
static int leave_by(struct walk *walk, const struct ng_link *link, struct flows *flows) {
    const struct place before = walk->place;
    go_by_port(walk, NULL, link);
    int r = run_devices(walk, NG_HOOK_EGRESS, link, flows, 0);
    if (r == 0)
        r = run_bridge(walk, link, false, flows);
    walk->place = before;
    return r;
}

static int forward(struct walk *walk, const struct flow *flow, uint32_t oif) {
    const struct ng_link *link = ng_link_find(walk->place.state->world, oif);
    struct flows flows = {0};
    if (!link || !link->up)
        return refuse(walk, flow);
    be_at(walk, NG_HOOK_FORWARD, link);
    int r = ng_walk_record(walk, NG_EFFECT_FORWARD, NG_NONE, NG_NONE, 0, flow);
    if (r == 0)
        r = ng_walk_add_flow(walk, &flows, flow);
    if (r < 0)
        return r;
    forget_who(&flows);
    r = run_hook(walk, NG_HOOK_FORWARD, &flows);
    if (r == 0)
        r = run_hook(walk, NG_HOOK_POSTROUTING, &flows);
    if (r == 0)
        r = leave_by(walk, link, &flows);
    for (size_t i = 0; r == 0 && i < flows.count; i++)
        r = ng_walk_add_outcome(walk, NG_FATE_FORWARDED, &flows.items[i]);
    return r;
}

/* Takes from a flow those whom IP refuses, and tells so. */
static int take_away(struct walk *walk, struct flow *flow, struct ng_region refused) {
    struct flow gone = *flow;
    gone.region = refused;
    int r = ng_region_subtract(walk->place.arena, flow->region, refused, &flow->region);
    return r < 0 || ng_region_empty(refused) ? r : refuse(walk, &gone);
}

/* Sources that IP refuses: exactly for one source, and for everybody what a firewall question
 * can be about (see source.h). */
static int refuse_sources(struct walk *walk, struct flow *flow, uint32_t oif) {
    const struct ng_question *question = walk->place.question;
    if (question->one_source || flow->saddr_set) {
        ng_u128 saddr = flow->saddr_set ? flow->saddr : question->saddr;
        bool refused = ng_source_refused(&walk->place, flow, saddr, oif);
        return refused ? take_away(walk, flow, flow->region) : 0;
    }
    struct ng_interval link_local = ng_link_local6();
    struct ng_addrset addrs;
    struct ng_region refused;
    if (question->family == NG_IP6 && (!oif || oif == walk->place.iif->index))
        return 0;
    int r = question->family == NG_IP4
                ? ng_refused_sources(&walk->place, flow, oif, &addrs)
                : ng_addrset_range(walk->place.arena, link_local.lo, link_local.hi, &addrs);
    if (r == 0)
        r = ng_region_make(walk->place.arena, 0, UINT16_MAX, addrs, &refused);
    if (r == 0)
        r = ng_region_intersect(walk->place.arena, flow->region, refused, &refused);
    return r < 0 ? r : take_away(walk, flow, refused);
}

/* IPv6 asks for a link-local or multicast address, and for ::1, on the packet's link alone
 * (rt6_need_strict). */
static uint32_t only_link(const struct walk *walk, ng_u128 daddr) {
    bool here = walk->place.question->family == NG_IP6 &&
                (ng_is_link_local6(daddr) || ng_is_multicast(NG_IP6, daddr) || daddr == 1);
    return here ? walk->place.iif->index : 0;
}

static int route_one(struct walk *walk, struct flow flow, const struct ng_route_result *result) {
    const struct ng_link *iif = walk->place.iif;
    bool ip4 = walk->place.question->family == NG_IP4;
    bool here = result->type == NG_ROUTE_LOCAL || result->type == NG_ROUTE_BROADCAST ||
                result->type == NG_ROUTE_ANYCAST || result->type == NG_ROUTE_MULTICAST;
    bool carried = result->type == NG_ROUTE_UNICAST && (ip4 ? iif->forwarding4 : iif->forwarding6);
    /* What came to everybody, or is a socket's, is not carried on (ip_forward). */
    if (!here && (!carried || ng_is_for_many(&walk->place) || flow.has_socket))
        return refuse(walk, &flow);
    /* A martian destination. */
    if (ip4 && flow.daddr >> 24 == 127 && !iif->loopback && !iif->route_localnet)
        return refuse(walk, &flow);
    int r = refuse_sources(walk, &flow, here ? 0 : result->oif);
    if (r < 0 || ng_region_empty(flow.region))
        return r;
    return here ? deliver(walk, &flow) : forward(walk, &flow, result->oif);
}

/* Groups that every machine is in: all nodes, and those by which its own addresses are asked for.
 * Which others it has joined is not observed. */
static bool has_joined(const struct walk *walk, ng_u128 group) {
    const struct ng_world *world = walk->place.state->world;
    if (walk->place.question->family == NG_IP4)
        return group == 0xe0000001;
    ng_u128 nodes = ((ng_u128)0xff02 << 112) | 1;
    ng_u128 solicited = ((ng_u128)0xff02 << 112) | ((ng_u128)0x1ff000000);
    if (group == nodes)
        return true;
    for (size_t i = 0; i < world->n_ifaddrs; i++)
        if (world->ifaddrs[i].link == walk->place.iif->index &&
            world->ifaddrs[i].addr.family == NG_IP6 &&
            group == (solicited | (world->ifaddrs[i].addr.value & 0xffffff)))
            return true;
    return false;
}

static int route_group(struct walk *walk, const struct flow *flow) {
    const struct ng_route_result here = {.type = NG_ROUTE_MULTICAST};
    int r = 0;
    if (!has_joined(walk, flow->daddr)) {
        r = ng_walk_add_undecided(walk, NULL, NG_NONE, "who has joined a multicast group",
                                  flow->region);
        if (r == 0)
            r = ng_walk_doubt(walk, flow->region);
        if (r == 0)
            r = refuse(walk, flow);
    }
    return r < 0 ? r : route_one(walk, *flow, &here);
}

/* One of a flow that no routing rule tells apart. */
static int route_piece(struct walk *walk, const struct flow *flow) {
    const struct ng_question *question = walk->place.question;
    bool ports = ng_has_ports(question->proto);
    struct ng_route_query query = {
        .family = question->family,
        .iif_name = walk->place.iif->name,
        .vrf_table = walk->place.iif->vrf_table,
        .daddr = flow->daddr,
        .saddr_known = true,
        .saddr = flow->saddr_set ? flow->saddr : flow->region.bands[0].addrs.intervals[0].lo,
        .ports_known = true,
        .proto = question->proto,
        .sport = !ports            ? 0
                 : flow->sport_set ? flow->sport
                                   : flow->region.bands[0].lo,
        .dport = ports ? flow->dport : 0,
        .mark_known = flow->mark_known,
        .mark = flow->mark,
        .only_oif = only_link(walk, flow->daddr),
    };
    struct ng_route_result results[NG_ROUTES_MAX];
    size_t n = ng_route_lookup(walk->place.state->world, &query, results, NG_ROUTES_MAX);
    int r = 0;
    if (n > 1)
        r = ng_walk_add_undecided(walk, NULL, NG_NONE,
                                  "routing by mark, user or type of service, or to one of several "
                                  "hops",
                                  flow->region);
    if (r == 0 && n > 1)
        r = ng_walk_doubt(walk, flow->region);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = route_one(walk, *flow, &results[i]);
    return r;
}

/* -- routing by source --------------------------------------------------------------- */

/* Those of each flow who lie in `region` and those who do not become flows of their own. */
static int split_flows(struct walk *walk, struct ng_region region, struct flows *flows) {
    size_t count = flows->count;
    for (size_t i = 0; i < count; i++) {
        struct flow in = flows->items[i];
        int r = ng_region_intersect(walk->place.arena, flows->items[i].region, region, &in.region);
        if (r < 0)
            return r;
        struct ng_region rest;
        r = ng_region_subtract(walk->place.arena, flows->items[i].region, region, &rest);
        if (r < 0)
            return r;
        if (ng_region_empty(in.region) || ng_region_empty(rest))
            continue;
        flows->items[i].region = rest;
        struct flow *own =
            NG_ARENA_APPEND(walk->place.arena, flows->items, flows->count, flows->capacity);
        if (!own)
            return -ENOMEM;
        *own = in;
    }
    return 0;
}

static int split_by_band(struct walk *walk, uint16_t lo, uint16_t hi, struct ng_addrset addrs,
                         struct flows *flows) {
    struct ng_region region;
    int r = ng_region_make(walk->place.arena, lo, hi, addrs, &region);
    return r < 0 ? r : split_flows(walk, region, flows);
}

/* Sources that one routing rule tells from others: by their address and port, and by their port
 * once more on the way back, which source validation asks about. */
static int split_by_rule(struct walk *walk, const struct ng_route_rule *rule, struct flows *flows) {
    struct ng_addrset addrs, all;
    bool ports = rule->sport_lo || rule->sport_hi;
    ng_u128 max = ng_family_max(rule->family);
    ng_u128 rest = rule->src.family ? max ^ ng_prefix_mask(rule->family, rule->src_len) : max;
    ng_u128 first = rule->src.family ? rule->src.value & ~rest : 0;
    int r = ng_addrset_range(walk->place.arena, first, first | rest, &addrs);
    if (r == 0)
        r = split_by_band(walk, ports ? rule->sport_lo : 0, ports ? rule->sport_hi : UINT16_MAX,
                          addrs, flows);
    if (r < 0 || (!rule->dport_lo && !rule->dport_hi))
        return r;
    r = ng_addrset_range(walk->place.arena, 0, max, &all);
    return r < 0 ? r : split_by_band(walk, rule->dport_lo, rule->dport_hi, all, flows);
}

/* 255.255.255.255 is for everybody; 0.0.0.0 is so too for who has no address yet. */
static int route_to_all(struct walk *walk, struct flow flow) {
    const struct ng_route_result here = {.type = NG_ROUTE_BROADCAST};
    struct ng_addrset nowhere;
    struct ng_region region;
    int r = 0;
    if (flow.daddr == 0) {
        r = ng_addrset_range(walk->place.arena, 1, UINT32_MAX, &nowhere);
        if (r == 0)
            r = ng_region_make(walk->place.arena, 0, UINT16_MAX, nowhere, &region);
        if (r == 0)
            r = ng_region_intersect(walk->place.arena, flow.region, region, &region);
        if (r == 0)
            r = take_away(walk, &flow, region);
    }
    return r < 0 || ng_region_empty(flow.region) ? r : route_one(walk, flow, &here);
}

static int route(struct walk *walk, const struct flow *flow) {
    const struct ng_world *world = walk->place.state->world;
    bool ip4 = walk->place.question->family == NG_IP4;
    if (ng_is_multicast(walk->place.question->family, flow->daddr))
        return route_group(walk, flow);
    if (ip4 && (flow->daddr == 0 || flow->daddr == UINT32_MAX))
        return route_to_all(walk, *flow);
    struct flows pieces = {0};
    int r = ng_walk_add_flow(walk, &pieces, flow);
    for (size_t i = 0; r == 0 && walk->place.state->routed_by_source && i < world->n_route_rules;
         i++)
        if (world->route_rules[i].family == walk->place.question->family)
            r = split_by_rule(walk, &world->route_rules[i], &pieces);
    for (size_t i = 0; r == 0 && i < pieces.count; i++)
        r = route_piece(walk, &pieces.items[i]);
    return r;
}

/* -- all of it ----------------------------------------------------------------------- */

/* ip6_rcv refuses ::1 and other impossible addresses off the wire before any hook; IPv4 asks
 * about them only when it routes, after NAT may have changed them. */
static bool refused_at_once(const struct walk *walk, const struct flow *flow) {
    const struct ng_question *question = walk->place.question;
    if (question->family != NG_IP6)
        return false;
    bool one = question->one_source || flow->saddr_set;
    ng_u128 saddr = flow->saddr_set ? flow->saddr : question->saddr;
    return (flow->daddr == 1 && !walk->place.iif->loopback) ||
           (flow->daddr >> 112 & 0xff0f) == 0xff01 || (flow->daddr >> 112 & 0xff0f) == 0xff00 ||
           (one && ng_source_refused(&walk->place, flow, saddr, 0));
}

static int refuse_at_once(struct walk *walk, struct flows *flows) {
    struct flows kept = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < flows->count; i++)
        r = refused_at_once(walk, &flows->items[i])
                ? refuse(walk, &flows->items[i])
                : ng_walk_add_flow(walk, &kept, &flows->items[i]);
    *flows = kept;
    return r;
}

/* Everybody, or the one who is asked about. */
static int first_flow(struct walk *walk, struct flow *ret_flow) {
    const struct ng_question *question = walk->place.question;
    struct flow flow = {
        .daddr = question->daddr,
        .dport = question->dport,
        .ct_daddr = question->daddr,
        .ct_dport = question->dport,
        .mark = question->mark,
        .mark_known = true,
        .ct_mark_known = walk->place.first_state != 2,
        .by_rule = NG_NONE,
        .by_chain = NG_NONE,
    };
    bool one = question->one_source;
    bool one_port = one && ng_has_ports(question->proto);
    struct ng_addrset addrs;
    int r = ng_addrset_range(walk->place.arena, one ? question->saddr : 0,
                             one ? question->saddr : ng_family_max(question->family), &addrs);
    if (r == 0)
        r = ng_region_make(walk->place.arena, one_port ? question->sport : 0,
                           one_port ? question->sport : UINT16_MAX, addrs, &flow.region);
    *ret_flow = flow;
    return r;
}

/* A VRF hands the packets of its links to IP as its own, and prerouting sees them again
 * (drivers/net/vrf.c). */
static int enter_vrf(struct walk *walk, struct flows *flows) {
    const struct ng_world *world = walk->place.state->world;
    const struct ng_link *master =
        walk->place.iif->master ? ng_link_find(world, walk->place.iif->master) : NULL;
    if (!master || strcmp(master->kind, "vrf") != 0)
        return 0;
    go_by_port(walk, master, NULL);
    /* By then NAT has made up its mind. */
    for (size_t i = 0; i < flows->count; i++)
        flows->items[i].mapped = true;
    return run_hook(walk, NG_HOOK_PREROUTING, flows);
}

/* Frames for a link that stands on this one, in whatever namespace it is: nothing else of this host
 * sees them. */
static int send_below_ip(struct walk *walk) {
    struct flows flows = {0};
    struct flow flow;
    int r = first_flow(walk, &flow);
    if (r == 0)
        r = ng_walk_add_flow(walk, &flows, &flow);
    walk->place.for_upper = true;
    if (r == 0)
        r = run_devices(walk, NG_HOOK_INGRESS, walk->place.iif, &flows, 0);
    for (size_t i = 0; r == 0 && i < flows.count; i++)
        r = ng_walk_add_outcome(walk, NG_FATE_FORWARDED, &flows.items[i]);
    return r;
}

static int send_through(struct walk *walk) {
    const struct ng_link *iif = walk->place.iif;
    struct flows flows = {0};
    struct flow flow;
    int r = first_flow(walk, &flow);
    if (r == 0)
        r = ng_walk_add_flow(walk, &flows, &flow);
    if (r == 0)
        r = run_devices(walk, NG_HOOK_INGRESS, iif, &flows, 0);
    be_at(walk, NG_HOOK_INGRESS, iif);
    if (r == 0)
        r = run_bridge(walk, iif, true, &flows);
    if (r == 0)
        r = refuse_at_once(walk, &flows);
    if (r == 0)
        r = run_hook(walk, NG_HOOK_PREROUTING, &flows);
    if (r == 0)
        r = enter_vrf(walk, &flows);
    for (size_t i = 0; r == 0 && i < flows.count; i++) {
        walk->place.hook = NG_HOOK_PREROUTING;
        r = route(walk, &flows.items[i]);
    }
    return r;
}

/* No ruleset that somebody wrote by hand or program comes to this; a made up one may. */
static int give_up(struct walk *walk) {
    struct flow flow;
    walk->n_outcomes = walk->n_undecided = walk->n_steps = 0;
    int r = first_flow(walk, &flow);
    return r < 0 ? r
                 : ng_walk_anything(walk, NULL, NG_NONE, "a ruleset of more ways than can be tried",
                                    &flow);
}

int ng_reach_ask(const struct ng_engine_state *state, const struct ng_question *question,
                 struct ng_arena *arena, struct ng_answer *ret_answer) {
    const struct ng_link *iif = ng_link_find(state->world, question->iif);
    if (!iif)
        return -EINVAL;
    struct walk walk = {
        .place =
            {
                .state = state,
                .question = question,
                .iif = iif,
                .iif_names = &state->links[iif - state->world->links],
                .first_state = ng_first_state(state->world, question),
                .arena = arena,
            },
    };
    walk.memory_before = ng_arena_used(arena);
    int r = question->below_ip ? send_below_ip(&walk) : send_through(&walk);
    if (r == -E2BIG)
        r = give_up(&walk);
    if (r < 0)
        return r;
    *ret_answer = (struct ng_answer){
        .outcomes = walk.outcomes,
        .n_outcomes = walk.n_outcomes,
        .undecided = walk.undecided,
        .n_undecided = walk.n_undecided,
        .steps = walk.steps,
        .n_steps = walk.n_steps,
    };
    return 0;
}
