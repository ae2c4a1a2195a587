/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"
#include "policy/reach/route.h"
#include "policy/reach/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Is anything but containers plugged into this bridge: a port of the machine, a VLAN, a VM's tap?
 * Containers hang on veth pairs. */
static bool has_uplink(const struct ng_world *world, const struct ng_link *bridge) {
    for (size_t i = 0; i < world->n_links; i++)
        if (world->links[i].master == bridge->index && strcmp(world->links[i].kind, "veth") != 0)
            return true;
    return false;
}

/* IP sees the bridge or bond, not its ports; but the members of a VRF. */
static bool sees_packets(const struct ng_world *world, const struct ng_link *link) {
    const struct ng_link *master = link->master ? ng_link_find(world, link->master) : NULL;
    bool port = link->master && (!master || strcmp(master->kind, "vrf") != 0);
    return !link->loopback && link->up && !port;
}

/* An engine's network may sit on a bridge that leads outside: who comes in there is anybody. */
bool ng_leads_to_containers(const struct ng_world *world, const struct ng_link *link) {
    return ng_is_engine_bridge(world, link->name) && !has_uplink(world, link);
}

bool ng_leads_outside(const struct ng_world *world, const struct ng_link *link) {
    return sees_packets(world, link) && !ng_leads_to_containers(world, link);
}

bool ng_comes_in_by(const struct ng_world *world, const struct ng_exposure *exposure,
                    const struct ng_link *link) {
    switch (exposure->kind) {
    case NG_KIND_L2:
        return link->index == exposure->link;
    case NG_KIND_DIRECT: /* what containers of one engine say to each other goes by no route */
        return ng_leads_outside(world, link);
    default:
        return true;
    }
}

/* Traffic between containers is asked about only where the policy has a word on it: it
 * multiplies the questions by the number of networks. `exposure` NULL: on any. */
static bool policy_names_containers(const struct ng_policy *policy,
                                    const struct ng_exposure *exposure) {
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct ng_rule_policy *rule = &policy->rules[i];
        bool others = exposure && rule->usage && rule->usage != ng_role_usage(exposure->role);
        if (!others && ng_rule_is_from(rule, NG_ZONE_CONTAINERS))
            return true;
    }
    return false;
}

bool ng_is_asked_from(const struct ng_policy *policy, const struct ng_exposure *exposure,
                      const char *zone) {
    return strcmp(zone, NG_ZONE_CONTAINERS) != 0 || policy_names_containers(policy, exposure);
}

static bool interface_matches(const struct ng_zone_match *match, const char *name) {
    if (match->interfaces.count == 0)
        return true;
    for (size_t i = 0; i < match->interfaces.count; i++)
        if (ng_glob_match(match->interfaces.items[i], name))
            return true;
    return false;
}

int ng_routable_sources(const struct ng_world *world, const struct ng_link *link,
                        struct ng_arena *arena, const struct ng_addrset sources[static 2],
                        struct ng_addrset ret_routable[static 2]) {
    struct ng_addrset valid;
    struct ng_interval link_local = ng_link_local6();
    int r = ng_route_sources(world, link, arena, &valid);
    if (r == 0)
        r = ng_addrset_intersect(arena, sources[0], valid, &ret_routable[0]);
    if (r == 0)
        r = ng_addrset_subtract(arena, sources[1], (struct ng_addrset){&link_local, 1},
                                &ret_routable[1]);
    return r;
}

static int add_arrival(struct judgement *judgement, const char *zone, const struct ng_link *link,
                       const struct ng_addrset sources[static 2]) {
    if (ng_addrset_empty(sources[0]) && ng_addrset_empty(sources[1]))
        return 0;
    struct arrival *arrival = NG_ARENA_APPEND(judgement->arena, judgement->arrivals,
                                              judgement->n_arrivals, judgement->arrivals_capacity);
    if (!arrival)
        return -ENOMEM;
    *arrival = (struct arrival){
        .zone = zone,
        .link = link,
        .sources = {sources[0], sources[1]},
    };
    return ng_routable_sources(judgement->world, link, judgement->arena, sources,
                               arrival->routable);
}

/* What one zone takes of the sources that no zone before it has taken. */
static int take_zone(struct judgement *judgement, const struct ng_zone *zone,
                     const struct ng_link *link, struct ng_addrset left[static 2]) {
    struct ng_arena *arena = judgement->arena;
    struct ng_addrset taken[2] = {{0}, {0}};
    for (size_t i = 0; i < zone->n_matches; i++) {
        const struct ng_zone_match *match = &zone->matches[i];
        if (!interface_matches(match, link->name))
            continue;
        struct ng_addrset asked[2] = {left[0], left[1]};
        int r = 0;
        if (match->has_sources) {
            r = ng_addrset_intersect(arena, left[0], match->sources4, &asked[0]);
            if (r == 0)
                r = ng_addrset_intersect(arena, left[1], match->sources6, &asked[1]);
        }
        for (unsigned family = 0; r == 0 && family < 2; family++)
            r = ng_addrset_union(arena, taken[family], asked[family], &taken[family]);
        if (r < 0)
            return r;
    }
    for (unsigned family = 0; family < 2; family++) {
        int r = ng_addrset_subtract(arena, left[family], taken[family], &left[family]);
        if (r < 0)
            return r;
    }
    return add_arrival(judgement, zone->id, link, taken);
}

static int arrivals_of_link(struct judgement *judgement, const struct ng_link *link,
                            bool containers_asked) {
    struct ng_addrset left[2];
    int r = ng_addrset_range(judgement->arena, 0, ng_family_max(NG_IP4), &left[0]);
    if (r == 0)
        r = ng_addrset_range(judgement->arena, 0, ng_family_max(NG_IP6), &left[1]);
    if (r < 0)
        return r;
    if (ng_leads_to_containers(judgement->world, link))
        return containers_asked ? add_arrival(judgement, NG_ZONE_CONTAINERS, link, left) : 0;
    for (size_t i = 0; r == 0 && i < judgement->policy->n_zones; i++)
        r = take_zone(judgement, &judgement->policy->zones[i], link, left);
    return r < 0 ? r : add_arrival(judgement, NG_ZONE_PUBLIC, link, left);
}

const char *ng_zone_of(const struct ng_world *world, const struct ng_policy *policy,
                       const struct ng_link *link, struct ng_addr source) {
    bool ip6 = source.family == NG_IP6;
    if (ng_leads_to_containers(world, link))
        return NG_ZONE_CONTAINERS;
    for (size_t i = 0; i < policy->n_zones; i++)
        for (size_t k = 0; k < policy->zones[i].n_matches; k++) {
            const struct ng_zone_match *match = &policy->zones[i].matches[k];
            bool from = !match->has_sources ||
                        ng_addrset_contains(ip6 ? match->sources6 : match->sources4, source.value);
            if (from && interface_matches(match, link->name))
                return policy->zones[i].id;
        }
    return NG_ZONE_PUBLIC;
}

const char *ng_zone_kept_out(const struct ng_world *world, const struct ng_policy *policy,
                             const struct ng_rule_policy *rule, struct ng_addr neighbour) {
    const struct ng_route_query query = {.family = neighbour.family, .daddr = neighbour.value};
    struct ng_route_result ways[NG_ROUTES_MAX];
    size_t n = ng_route_lookup(world, &query, ways, NG_ROUTES_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct ng_link *link =
            ways[i].type == NG_ROUTE_UNICAST ? ng_link_find(world, ways[i].oif) : NULL;
        const char *zone = link ? ng_zone_of(world, policy, link, neighbour) : NULL;
        if (zone && ng_rule_is_from(rule, zone))
            return zone;
    }
    return NULL;
}

static size_t zone_order(const struct ng_policy *policy, const char *zone) {
    if (strcmp(zone, NG_ZONE_CONTAINERS) == 0)
        return 0;
    for (size_t i = 0; i < policy->n_zones; i++)
        if (strcmp(zone, policy->zones[i].id) == 0)
            return i + 1;
    return policy->n_zones + 1;
}

static int compare_arrivals(const void *left, const void *right, void *context) {
    const struct arrival *a = left, *b = right;
    size_t zone_a = zone_order(context, a->zone), zone_b = zone_order(context, b->zone);
    if (zone_a != zone_b)
        return zone_a < zone_b ? -1 : 1;
    return strcmp(a->link->name, b->link->name);
}

int ng_find_arrivals(struct judgement *judgement) {
    const struct ng_world *world = judgement->world;
    bool containers_asked = policy_names_containers(judgement->policy, NULL);
    for (size_t i = 0; i < world->n_links; i++) {
        const struct ng_link *link = &world->links[i];
        if (!sees_packets(world, link))
            continue;
        int r = arrivals_of_link(judgement, link, containers_asked);
        if (r < 0)
            return r;
    }
    if (judgement->n_arrivals)
        qsort_r(judgement->arrivals, judgement->n_arrivals, sizeof(*judgement->arrivals),
                compare_arrivals, (void *)judgement->policy);
    return 0;
}
