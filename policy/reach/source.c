/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/reach/source.h"

#include "policy/reach/route.h"

#include <errno.h>
#include <stdlib.h>

/* -- functions of the address ------------------------------------------------------------ */

static int compare_numbers(const void *left, const void *right) {
    ng_u128 a = *(const ng_u128 *)left, b = *(const ng_u128 *)right;
    return a < b ? -1 : a > b;
}

static void cut_prefix(ng_u128 *cuts, size_t *n, struct ng_addr prefix, unsigned len) {
    ng_u128 rest = ng_family_max(prefix.family) ^ ng_prefix_mask(prefix.family, len);
    cuts[(*n)++] = prefix.value & ~rest;
    cuts[(*n)++] = (prefix.value | rest) + 1;
}

/* Where routing may begin to say something else; sorted, the first is 0. */
static int find_cuts(const struct ng_world *world, uint8_t family, struct ng_arena *arena,
                     ng_u128 **ret_cuts, size_t *ret_count) {
    /* What the kernel knows without a route: this network, loopback, multicast and above;
     * loopback, what stands for IPv4, link-local, and again multicast. */
    static const ng_u128 fixed4[] = {0,          1,          0x01000000, 0x7f000000,
                                     0x80000000, 0xe0000000, 0xf0000000, 0xffffffff};
    const struct ng_interval local6 = ng_link_local6();
    const ng_u128 fixed6[] = {0,
                              1,
                              2,
                              (ng_u128)0xffff << 32,
                              (ng_u128)1 << 48,
                              local6.lo,
                              local6.hi + 1,
                              (ng_u128)0xff << 120};
    _Static_assert(ARRAY_SIZE(fixed6) <= ARRAY_SIZE(fixed4), "there is room for either");
    size_t most = 2 * world->n_routes + 4 * world->n_route_rules + ARRAY_SIZE(fixed4), n = 0;
    ng_u128 *cuts = ng_arena_alloc(arena, most, sizeof(*cuts));
    if (!cuts)
        return -ENOMEM;
    if (family == NG_IP4)
        for (; n < ARRAY_SIZE(fixed4); n++)
            cuts[n] = fixed4[n];
    else
        for (; n < ARRAY_SIZE(fixed6); n++)
            cuts[n] = fixed6[n];
    for (size_t i = 0; i < world->n_routes; i++)
        if (world->routes[i].dst.family == family)
            cut_prefix(cuts, &n, world->routes[i].dst, world->routes[i].prefix_len);
    for (size_t i = 0; i < world->n_route_rules; i++) {
        const struct ng_route_rule *rule = &world->route_rules[i];
        if (rule->family == family && rule->dst.family)
            cut_prefix(cuts, &n, rule->dst, rule->dst_len);
        if (rule->family == family && rule->src.family)
            cut_prefix(cuts, &n, rule->src, rule->src_len);
    }
    qsort(cuts, n, sizeof(*cuts), compare_numbers);
    size_t kept = 0;
    for (size_t i = 0; i < n && cuts[i] <= ng_family_max(family); i++)
        if (i == 0 || cuts[i] != cuts[kept - 1])
            cuts[kept++] = cuts[i];
    *ret_cuts = cuts;
    *ret_count = kept;
    return 0;
}

/* -- what `fib` is told ---------------------------------------------------------------------- */

/* To everybody on its link, or of ICMPv6 to a link-local address: such a packet may come from
 * nowhere, whatever the addresses `fib` is asked about. */
static bool is_to_link(const struct place *place, const struct flow *flow) {
    if (place->question->family == NG_IP4)
        return flow->daddr == UINT32_MAX || flow->daddr >> 8 == 0xe00000;
    return place->question->proto == NG_ICMP6 && ng_is_link_local6(flow->daddr);
}

bool ng_fib_asks_source(const struct place *place, const struct flow *flow,
                        const struct ng_operand *operand) {
    bool way = operand->field != NG_FIELD_FIB_TYPE;
    return operand->fib & NG_FIB_SADDR || (way && is_to_link(place, flow));
}

/* nft_fib4_eval, nft_fib6_eval and the rpfilter matches: a packet of this machine's own is its own
 * way, and so is one from nowhere: to everybody on its link, to ip6t_rpfilter, and of ICMPv6 to a
 * link-local address (nft_fib_v6_skip_icmpv6). */
static bool is_at_home(const struct place *place, const struct flow *flow,
                       const struct ng_operand *operand, const ng_u128 *saddr) {
    bool ip6 = place->question->family == NG_IP6;
    if (!place->iif)
        return false;
    if (place->iif->loopback)
        return place->hook == NG_HOOK_PREROUTING;
    if (!saddr || *saddr != 0)
        return false;
    if (ip6 && operand->fib & NG_FIB_XTABLES)
        return true;
    return is_to_link(place, flow) &&
           (!ip6 || place->hook == NG_HOOK_PREROUTING || place->hook == NG_HOOK_INGRESS);
}

static bool is_way(const struct ng_route_result *result, const struct ng_operand *operand) {
    if (result->type == NG_ROUTE_LOCAL)
        return operand->fib & NG_FIB_ACCEPT_LOCAL;
    if (operand->fib & NG_FIB_XTABLES)
        return result->type == NG_ROUTE_UNICAST;
    return result->type != 0 && result->type < NG_ROUTE_BLACKHOLE &&
           result->type != NG_ROUTE_ANYCAST;
}

/* Link-local, and groups of the link: ff02::/16 with any flags. */
static bool is_of_link(ng_u128 addr) {
    return ng_is_link_local6(addr) || (addr >> 112 & 0xff0f) == 0xff02;
}

/* The link of the way to the address that it is asked about, 0: none. */
static ng_u128 find_way(const struct place *place, const struct flow *flow,
                        const struct ng_operand *operand, const ng_u128 *saddr) {
    bool about_source = operand->fib & NG_FIB_SADDR;
    ng_u128 addr = about_source ? *saddr : flow->daddr;
    const struct ng_link *only = operand->fib & NG_FIB_IIF   ? place->iif
                                 : operand->fib & NG_FIB_OIF ? place->oif
                                                             : NULL;
    if (is_at_home(place, flow, operand, saddr))
        return place->iif->index;
    bool forward = place->hook == NG_HOOK_FORWARD && about_source && operand->fib & NG_FIB_IIF;
    /* Of all three only ipt_rpfilter does not tell routing rules the protocol. */
    bool ip6 = place->question->family == NG_IP6, xtables = operand->fib & NG_FIB_XTABLES;
    struct ng_route_query query = {
        .family = place->question->family,
        .iif_name = forward && place->oif ? place->oif->name : "lo",
        .vrf_table = place->iif ? place->iif->vrf_table : 0,
        .daddr = addr,
        .saddr_known = about_source || saddr,
        .saddr = about_source ? flow->daddr
                 : saddr      ? *saddr
                              : 0,
        .ports_known = true, /* there are none */
        .proto = xtables && !ip6 ? 0 : place->question->proto,
        .mark_known = operand->fib & NG_FIB_MARK ? flow->mark_known : true,
        .mark = operand->fib & NG_FIB_MARK ? flow->mark : 0,
    };
    if (query.family == NG_IP6 && is_of_link(addr))
        query.only_oif = only ? only->index : place->iif ? place->iif->index : 0;
    struct ng_route_result results[NG_ROUTES_MAX];
    size_t n = ng_route_lookup(place->state->world, &query, results, NG_ROUTES_MAX);
    ng_u128 found = NG_FIB_UNSURE;
    bool hops = true; /* of one route: any of them may be used */
    for (size_t i = 0; i < n; i++) {
        ng_u128 way = 0;
        /* ip6t_rpfilter takes this machine's own addresses for what they are on any link. */
        bool own = ip6 && xtables && results[i].type == NG_ROUTE_LOCAL;
        if (is_way(&results[i], operand) && (own || !only || results[i].oif == only->index))
            way = results[i].oif;
        hops = hops && results[i].type == NG_ROUTE_UNICAST && !results[i].doubtful;
        if (only && way && hops)
            return way;
        if (i > 0 && way != found)
            return NG_FIB_UNSURE;
        found = way;
    }
    return found;
}

/* Its name as a number of netguard/ruleset.h. */
static ng_u128 name_of(const struct place *place, ng_u128 index) {
    const struct ng_world *world = place->state->world;
    const struct ng_link *link = ng_link_find(world, (uint32_t)index);
    return link ? place->state->links[link - world->links].name : 0;
}

ng_u128 ng_fib_value(const struct place *place, const struct flow *flow,
                     const struct ng_operand *operand, const ng_u128 *saddr) {
    if (operand->field == NG_FIELD_FIB_TYPE) {
        ng_u128 addr = operand->fib & NG_FIB_SADDR ? *saddr : flow->daddr;
        const struct ng_link *only = operand->fib & NG_FIB_IIF   ? place->iif
                                     : operand->fib & NG_FIB_OIF ? place->oif
                                                                 : NULL;
        /* An IPv6 link-local address is asked for on the link of the hook. */
        bool any_link = operand->fib & NG_FIB_XTABLES;
        if (!only && !any_link && place->question->family == NG_IP6 && ng_is_link_local6(addr))
            only = place->iif ? place->iif : place->oif;
        uint8_t type = ng_route_addr_type(place->state->world, place->question->family, addr,
                                          only ? only->index : 0);
        return type == NG_ADDR_TYPE_UNSURE ? NG_FIB_UNSURE : type;
    }
    ng_u128 way = find_way(place, flow, operand, saddr);
    if (way == NG_FIB_UNSURE || operand->field == NG_FIELD_FIB_OIF)
        return way;
    return operand->field == NG_FIELD_FIB_PRESENT ? way != 0 : name_of(place, way);
}

/* -- for all sources at once ------------------------------------------------------------------ */

/* A map is the same for every packet with this key, where no routing rule asks for more. */
struct kept_map {
    struct source_map map;
    enum ng_field field;
    uint8_t fib, family;
    enum ng_hook hook;
    uint32_t iif, oif;
};

struct kept_maps {
    struct kept_map *items;
    size_t count, capacity;
    ng_u128 *cuts[2];
    size_t n_cuts[2];
    bool by_packet[2]; /* routing rules ask for marks or addresses */
    bool local_routes; /* somebody has added some: looked for once, not for each packet */
};

static bool is_own(const struct ng_world *world, ng_u128 saddr) {
    for (size_t i = 0; i < world->n_ifaddrs; i++)
        if (world->ifaddrs[i].addr.family == NG_IP4 && world->ifaddrs[i].addr.value == saddr)
            return true;
    return false;
}

/* A local route that is no address of this machine's, nor loopback: somebody has added it. */
static bool has_custom_local_routes(const struct ng_world *world) {
    for (size_t i = 0; i < world->n_routes; i++) {
        const struct ng_route *route = &world->routes[i];
        if (route->dst.family != NG_IP4 || route->type != NG_ROUTE_LOCAL ||
            route->dst.value >> 24 == 127)
            continue;
        if (route->prefix_len != 32 || !is_own(world, route->dst.value))
            return true;
    }
    return false;
}

int ng_source_prepare(struct ng_engine_state *state) {
    struct kept_maps *kept = ng_arena_alloc(state->arena, 1, sizeof(*kept));
    if (!kept)
        return -ENOMEM;
    for (size_t i = 0; i < state->world->n_route_rules; i++) {
        const struct ng_route_rule *rule = &state->world->route_rules[i];
        if (rule->src.family || rule->fwmark || rule->fwmask || rule->proto)
            kept->by_packet[rule->family == NG_IP6] = true;
    }
    kept->local_routes = has_custom_local_routes(state->world);
    state->kept_maps = kept;
    return 0;
}

static int kept_cuts(const struct ng_engine_state *state, uint8_t family, ng_u128 **ret_cuts,
                     size_t *ret_count) {
    struct kept_maps *kept = state->kept_maps;
    bool ip6 = family == NG_IP6;
    int r = kept->cuts[ip6] ? 0
                            : find_cuts(state->world, family, state->arena, &kept->cuts[ip6],
                                        &kept->n_cuts[ip6]);
    *ret_cuts = kept->cuts[ip6];
    *ret_count = kept->n_cuts[ip6];
    return r;
}

static int make_map(const struct place *place, const struct flow *flow,
                    const struct ng_operand *operand, struct ng_arena *arena,
                    struct source_map *ret_map) {
    ng_u128 *cuts;
    size_t n_cuts, n = 0;
    int r = kept_cuts(place->state, place->question->family, &cuts, &n_cuts);
    struct stretch *stretches = r < 0 ? NULL : ng_arena_alloc(arena, n_cuts, sizeof(*stretches));
    if (!stretches)
        return r < 0 ? r : -ENOMEM;
    for (size_t i = 0; i < n_cuts; i++) {
        ng_u128 value = ng_fib_value(place, flow, operand, &cuts[i]);
        if (n == 0 || stretches[n - 1].value != value)
            stretches[n++] = (struct stretch){cuts[i], value};
    }
    *ret_map = (struct source_map){stretches, n};
    return 0;
}

static bool is_kept(const struct kept_map *kept, const struct kept_map *key) {
    return kept->field == key->field && kept->fib == key->fib && kept->family == key->family &&
           kept->hook == key->hook && kept->iif == key->iif && kept->oif == key->oif;
}

int ng_fib_map(const struct place *place, const struct flow *flow, const struct ng_operand *operand,
               struct source_map *ret_map) {
    struct kept_maps *kept = place->state->kept_maps;
    if (kept->by_packet[place->question->family == NG_IP6] || is_to_link(place, flow))
        return make_map(place, flow, operand, place->arena, ret_map);
    struct kept_map key = {
        .field = operand->field,
        .fib = operand->fib,
        .family = place->question->family,
        .hook = place->hook,
        .iif = place->iif ? place->iif->index : 0,
        .oif = place->oif ? place->oif->index : 0,
    };
    for (size_t i = 0; i < kept->count; i++)
        if (is_kept(&kept->items[i], &key)) {
            *ret_map = kept->items[i].map;
            return 0;
        }
    int r = make_map(place, flow, operand, place->state->arena, &key.map);
    struct kept_map *own =
        r < 0 ? NULL
              : NG_ARENA_APPEND(place->state->arena, kept->items, kept->count, kept->capacity);
    if (!own)
        return r < 0 ? r : -ENOMEM;
    *own = key;
    *ret_map = key.map;
    return 0;
}

static const struct ng_interval every_addr4 = {0, UINT32_MAX};

/* -- what IP refuses ------------------------------------------------------------------ */

/* 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/3: no firewall question is about them. */
static bool is_special4(ng_u128 saddr) {
    return saddr >> 24 == 0 || saddr >> 24 == 127 || saddr >> 29 == 7;
}

/* Does the way back to this source go out by `link` (strict), or anywhere at all (loose)? */
static bool source_valid(const struct ng_world *world, const struct ng_link *link, ng_u128 saddr) {
    if (is_special4(saddr))
        return true;
    /* The kernel asks as if the packet came from where it would go to, or from lo when that is
     * here (__fib_validate_source): rules for an interface may hold or not, and so those for
     * where it comes from, which is where this packet goes to. */
    struct ng_route_query query = {
        .family = NG_IP4,
        .daddr = saddr,
        .vrf_table = link->vrf_table,
        .mark_known = !link->src_valid_mark,
    };
    struct ng_route_result results[NG_ROUTES_MAX];
    size_t n = ng_route_lookup(world, &query, results, ARRAY_SIZE(results));
    for (size_t i = 0; i < n; i++)
        if (results[i].type == NG_ROUTE_LOCAL || results[i].type == NG_ROUTE_BROADCAST ||
            (results[i].type == NG_ROUTE_UNICAST &&
             (link->rp_filter == 2 || results[i].oif == link->index)))
            return true;
    return false;
}

int ng_route_sources(const struct ng_world *world, const struct ng_link *link,
                     struct ng_arena *arena, struct ng_addrset *ret_sources) {
    if (link->rp_filter == 0)
        return ng_addrset_range(arena, 0, UINT32_MAX, ret_sources);

    ng_u128 *cuts;
    size_t n_cuts, n = 0;
    int r = find_cuts(world, NG_IP4, arena, &cuts, &n_cuts);
    if (r < 0)
        return r;
    struct ng_interval *valid = ng_arena_alloc(arena, n_cuts, sizeof(*valid));
    if (!valid)
        return -ENOMEM;
    for (size_t i = 0; i < n_cuts; i++) {
        ng_u128 end = i + 1 < n_cuts ? cuts[i + 1] : (ng_u128)UINT32_MAX + 1;
        if (source_valid(world, link, cuts[i]))
            valid[n++] = (struct ng_interval){cuts[i], end - 1};
    }
    return ng_addrset_from(arena, valid, n, ret_sources);
}

/* net/ipv4/route.c, ip_route_input_slow: before any route is asked for. */
static bool is_martian4(const struct place *place, ng_u128 saddr, ng_u128 daddr) {
    if (ng_is_multicast(NG_IP4, saddr) || saddr == UINT32_MAX)
        return true;
    if (daddr == UINT32_MAX || (saddr == 0 && daddr == 0))
        return false;
    if (saddr == 0)
        return daddr >> 8 != 0xe00000;
    return saddr >> 24 == 127 && daddr >> 24 != 127 && !place->iif->route_localnet &&
           !place->iif->loopback;
}

/* What comes for everybody, or a group, is answered from no address of its own. */
static bool is_for_one(const struct ng_world *world, ng_u128 daddr) {
    uint8_t type = ng_route_addr_type(world, NG_IP4, daddr, 0);
    return type != NG_ROUTE_BROADCAST && type != NG_ROUTE_MULTICAST;
}

/* An address of ours, or one by which all of a network of ours are called. */
static bool is_ours(const struct ng_world *world, ng_u128 saddr) {
    return is_own(world, saddr) ||
           ng_route_addr_type(world, NG_IP4, saddr, 0) == NG_ROUTE_BROADCAST;
}

enum validity {
    VALID,
    OWN, /* one of ours, or a broadcast address: refused, and counted in for everybody */
    INVALID,
};

/* net/ipv4/fib_frontend.c, fib_validate_source. */
static enum validity validate4(const struct place *place, const struct flow *flow, ng_u128 saddr,
                               uint16_t sport, uint32_t oif) {
    const struct ng_world *world = place->state->world;
    const struct ng_link *link = place->iif, *out = oif ? ng_link_find(world, oif) : NULL;
    bool ports = ng_has_ports(place->question->proto);
    /* What goes back out where it came from is looked at more closely, for redirects. */
    bool goes_back = oif == link->index && link->send_redirects;
    if (link->rp_filter == 0 && link->accept_local && !goes_back)
        return VALID;
    if (link->rp_filter == 0 && !ng_has_custom_rules(world) &&
        !place->state->kept_maps->local_routes && !goes_back)
        return is_own(world, saddr) ? OWN : VALID;
    struct ng_route_query query = {
        .family = NG_IP4,
        .iif_name = out ? out->name : "lo",
        .vrf_table = link->vrf_table,
        .daddr = saddr,
        .saddr_known = true,
        .saddr = is_for_one(world, flow->daddr) ? flow->daddr : 0,
        .ports_known = true,
        .proto = place->question->proto,
        .sport = ports ? flow->dport : 0,
        .dport = ports ? sport : 0,
        .mark_known = !link->src_valid_mark || flow->mark_known,
        .mark = link->src_valid_mark ? flow->mark : 0,
    };
    struct ng_route_result results[NG_ROUTES_MAX];
    size_t n = ng_route_lookup(world, &query, results, ARRAY_SIZE(results));
    if (results[0].type == 0 || results[0].type >= NG_ROUTE_BLACKHOLE)
        return link->rp_filter ? INVALID : VALID;
    if (results[0].type != NG_ROUTE_UNICAST &&
        (results[0].type != NG_ROUTE_LOCAL || !link->accept_local))
        return is_ours(world, saddr) ? OWN : INVALID;
    for (size_t i = 0; i < n; i++)
        if (results[i].oif == link->index)
            return VALID;
    return link->rp_filter == 1 ? INVALID : VALID;
}

/* net/ipv6/ip6_input.c and, for what is forwarded, ip6_output.c. */
static bool is_martian6(const struct place *place, ng_u128 saddr, uint32_t oif) {
    if (ng_is_multicast(NG_IP6, saddr) || (saddr == 1 && !place->iif->loopback))
        return true;
    return oif && oif != place->iif->index && (saddr == 0 || ng_is_link_local6(saddr));
}

bool ng_source_refused(const struct place *place, const struct flow *flow, ng_u128 saddr,
                       uint32_t oif) {
    if (place->question->family == NG_IP6)
        return is_martian6(place, saddr, oif);
    /* From nowhere to everybody: nothing more is asked. */
    if (is_martian4(place, saddr, flow->daddr))
        return true;
    return saddr != 0 && validate4(place, flow, saddr, place->question->sport, oif) != VALID;
}

int ng_refused_sources(const struct place *place, const struct flow *flow, uint32_t oif,
                       struct ng_addrset *ret_refused) {
    const struct ng_world *world = place->state->world;
    *ret_refused = (struct ng_addrset){0};
    bool custom = ng_has_custom_rules(world) || place->state->kept_maps->local_routes;
    if (place->iif->rp_filter == 0 && !custom)
        return 0;
    if (!custom)
        return ng_addrset_subtract(place->arena, (struct ng_addrset){&every_addr4, 1},
                                   place->state->rp_sources[place->iif - world->links],
                                   ret_refused);
    ng_u128 *cuts;
    size_t n_cuts, n = 0;
    int r = kept_cuts(place->state, NG_IP4, &cuts, &n_cuts);
    struct ng_interval *refused =
        r < 0 ? NULL : ng_arena_alloc(place->arena, n_cuts, sizeof(*refused));
    if (!refused)
        return r < 0 ? r : -ENOMEM;
    uint16_t sport = flow->sport_set ? flow->sport : flow->region.bands[0].lo;
    for (size_t i = 0; i < n_cuts; i++) {
        ng_u128 end = i + 1 < n_cuts ? cuts[i + 1] - 1 : UINT32_MAX;
        if (!is_special4(cuts[i]) && validate4(place, flow, cuts[i], sport, oif) == INVALID)
            refused[n++] = (struct ng_interval){cuts[i], end};
    }
    return ng_addrset_from(place->arena, refused, n, ret_refused);
}
