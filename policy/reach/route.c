/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/reach/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* linux/rtnetlink.h and linux/fib_rules.h: kernel ABI. */
enum {
    TABLE_LOCAL = 255,
    ACTION_TO_TABLE = 1,
    ACTION_GOTO = 2,
    ACTION_NOP = 3,
    ACTION_BLACKHOLE = 6,
    ACTION_UNREACHABLE = 7,
    ACTION_PROHIBIT = 8,
};

const struct ng_link *ng_link_find(const struct ng_world *world, uint32_t index) {
    size_t lo = 0, hi = world->n_links;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (world->links[middle].index == index)
            return &world->links[middle];
        if (world->links[middle].index < index)
            lo = middle + 1;
        else
            hi = middle;
    }
    return NULL;
}

/* Order of the routes of a world up to what `key` fills in. */
static int compare_route(const struct ng_route *route, uint8_t family, uint32_t table) {
    if (route->dst.family != family)
        return route->dst.family < family ? -1 : 1;
    if (route->table != table)
        return route->table < table ? -1 : 1;
    return 0;
}

static size_t table_start(const struct ng_world *world, uint8_t family, uint32_t table) {
    size_t lo = 0, hi = world->n_routes;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (compare_route(&world->routes[middle], family, table) < 0)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

/* The first route at or after `from` whose prefix is shorter than `len`. */
static size_t next_length(const struct ng_world *world, size_t from, uint8_t family, uint32_t table,
                          uint8_t len) {
    size_t lo = from, hi = world->n_routes;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        const struct ng_route *route = &world->routes[middle];
        if (compare_route(route, family, table) == 0 && route->prefix_len >= len)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

/* Longest prefix, then lowest metric: routes stand in that order. */
static const struct ng_route *table_lookup(const struct ng_world *world, uint8_t family,
                                           uint32_t table, ng_u128 daddr) {
    size_t i = table_start(world, family, table);
    while (i < world->n_routes && compare_route(&world->routes[i], family, table) == 0) {
        uint8_t len = world->routes[i].prefix_len;
        size_t end = next_length(world, i, family, table, len);
        ng_u128 want = daddr & ng_prefix_mask(family, len);
        size_t lo = i, hi = end;
        while (lo < hi) {
            size_t middle = lo + (hi - lo) / 2;
            if (world->routes[middle].dst.value < want)
                lo = middle + 1;
            else
                hi = middle;
        }
        if (lo < end && world->routes[lo].dst.value == want)
            return &world->routes[lo];
        i = end;
    }
    return NULL;
}

enum answer { NO, YES, PERHAPS };

static bool in_prefix(ng_u128 value, struct ng_addr prefix, unsigned len) {
    return ((value ^ prefix.value) & ng_prefix_mask(prefix.family, len)) == 0;
}

static enum answer rule_applies(const struct ng_route_rule *rule,
                                const struct ng_route_query *query) {
    enum answer answer = YES;
    if (rule->dst.family && !in_prefix(query->daddr, rule->dst, rule->dst_len))
        answer = NO;
    else if (rule->iif && query->iif_name && strcmp(rule->iif, query->iif_name) != 0)
        answer = NO;
    else if (rule->oif) /* only for what the machine itself sends */
        answer = NO;
    else if ((rule->fwmark || rule->fwmask) && query->mark_known &&
             ((query->mark ^ rule->fwmark) & rule->fwmask) != 0)
        answer = NO;
    else if (rule->src.family || rule->other_selectors || (rule->iif && !query->iif_name) ||
             ((rule->fwmark || rule->fwmask) && !query->mark_known))
        answer = PERHAPS;
    if (!rule->invert || answer == PERHAPS)
        return answer;
    return answer == YES ? NO : YES;
}

/* Results as they come in. Many routing rules often lead to few interfaces: an answer that is
 * there already does not take the place of one that is not. */
struct results {
    struct ng_route_result *items;
    size_t count, max;
};

static void add_result(struct results *results, uint8_t type, uint32_t oif) {
    for (size_t i = 0; i < results->count; i++)
        if (results->items[i].type == type && results->items[i].oif == oif)
            return;
    if (results->count < results->max)
        results->items[results->count++] = (struct ng_route_result){.type = type, .oif = oif};
}

/* A route and its equals: the hops of a multipath route, of which the kernel takes one by a
 * hash. Only unicast routes have any. */
static void add_routes(const struct ng_world *world, const struct ng_route *route,
                       struct results *results) {
    const struct ng_route *end = world->routes + world->n_routes;
    for (const struct ng_route *same = route;
         same < end && ng_addr_equal(same->dst, route->dst) && same->table == route->table &&
         same->prefix_len == route->prefix_len && same->priority == route->priority;
         same++) {
        add_result(results, same->type, same->oif);
        if (same->type != NG_ROUTE_UNICAST)
            return;
    }
}

/* Adds what one rule answers; false: it has none and goes on to the next. */
static bool add_rule_results(const struct ng_world *world, const struct ng_route_rule *rule,
                             const struct ng_route_query *query, struct results *results) {
    switch (rule->action) {
    case ACTION_BLACKHOLE:
    case ACTION_UNREACHABLE:
    case ACTION_PROHIBIT:
        add_result(results, NG_ROUTE_UNREACHABLE, 0);
        return true;
    case ACTION_TO_TABLE: {
        const struct ng_route *route =
            table_lookup(world, query->family, rule->table, query->daddr);
        if (!route || route->type == NG_ROUTE_THROW)
            return false;
        add_routes(world, route, results);
        return true;
    }
    default: /* ACTION_NOP; ACTION_GOTO only skips rules and is taken as not skipping */
        return false;
    }
}

size_t ng_route_lookup(const struct ng_world *world, const struct ng_route_query *query,
                       struct ng_route_result *ret_results, size_t max) {
    struct results results = {.items = ret_results, .max = max};
    for (size_t i = 0; i < world->n_route_rules; i++) {
        const struct ng_route_rule *rule = &world->route_rules[i];
        if (rule->family != query->family)
            continue;
        enum answer applies = rule_applies(rule, query);
        if (applies != NO && add_rule_results(world, rule, query, &results) && applies == YES)
            return results.count;
    }
    add_result(&results, 0, 0);
    return results.count;
}

static uint8_t addr_type4(const struct ng_world *world, ng_u128 daddr, uint32_t iif) {
    if (daddr >> 24 == 0 || daddr == UINT32_MAX)
        return NG_ROUTE_BROADCAST;
    if (daddr >> 28 == 0xe)
        return NG_ROUTE_MULTICAST;
    /* inet_dev_addr_type asks the local table alone; all else is unicast. */
    const struct ng_route *route = table_lookup(world, NG_IP4, TABLE_LOCAL, daddr);
    return route && (!iif || route->oif == iif) ? route->type : NG_ROUTE_UNICAST;
}

static uint8_t addr_type6(const struct ng_world *world, ng_u128 daddr, uint32_t iif) {
    if (daddr >> 120 == 0xff)
        return NG_ROUTE_MULTICAST;
    const struct ng_route *local = table_lookup(world, NG_IP6, TABLE_LOCAL, daddr);
    if (local && (!iif || local->oif == iif))
        return local->type;
    const struct ng_link *link = ng_link_find(world, iif);
    struct ng_route_query query = {
        .family = NG_IP6,
        .iif = iif,
        .iif_name = link ? link->name : "",
        .daddr = daddr,
        .mark_known = true,
    };
    struct ng_route_result result[NG_ROUTES_MAX];
    size_t n = ng_route_lookup(world, &query, result, ARRAY_SIZE(result));
    return n == 1 && result[0].type ? result[0].type : NG_ROUTE_UNREACHABLE;
}

uint8_t ng_route_addr_type(const struct ng_world *world, uint8_t family, ng_u128 daddr,
                           uint32_t iif) {
    return family == NG_IP4 ? addr_type4(world, daddr, iif) : addr_type6(world, daddr, iif);
}

static int compare_numbers(const void *left, const void *right) {
    ng_u128 a = *(const ng_u128 *)left, b = *(const ng_u128 *)right;
    return a < b ? -1 : a > b;
}

/* Does the way back to this source go out by `link` (strict), or anywhere at all (loose)? */
static bool source_valid(const struct ng_world *world, const struct ng_link *link, ng_u128 saddr) {
    /* 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/3: see the header. */
    if (saddr >> 24 == 0 || saddr >> 24 == 127 || saddr >> 29 == 7)
        return true;
    /* The kernel asks as if the packet came from where it would go to, or from lo when that is
     * here (__fib_validate_source): rules for an interface may hold or not. */
    struct ng_route_query query = {.family = NG_IP4, .daddr = saddr, .mark_known = true};
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

    /* Between two neighbouring ends of prefixes all addresses have the same route: ask for
     * one of each such stretch. */
    ng_u128 *cuts = ng_arena_alloc(arena, 2 * world->n_routes + 5, sizeof(*cuts));
    struct ng_interval *valid = ng_arena_alloc(arena, 2 * world->n_routes + 5, sizeof(*valid));
    if (!cuts || !valid)
        return -ENOMEM;
    static const ng_u128 fixed[] = {0, 0x01000000, 0x7f000000, 0x80000000, 0xe0000000};
    size_t n_cuts = 0, n = 0;
    for (; n_cuts < ARRAY_SIZE(fixed); n_cuts++)
        cuts[n_cuts] = fixed[n_cuts];
    for (size_t i = 0; i < world->n_routes; i++) {
        const struct ng_route *route = &world->routes[i];
        if (route->dst.family != NG_IP4)
            continue;
        cuts[n_cuts++] = route->dst.value;
        cuts[n_cuts++] =
            (route->dst.value | (~ng_prefix_mask(NG_IP4, route->prefix_len) & UINT32_MAX)) + 1;
    }
    qsort(cuts, n_cuts, sizeof(*cuts), compare_numbers);
    for (size_t i = 0; i < n_cuts; i++) {
        ng_u128 end = i + 1 < n_cuts ? cuts[i + 1] : (ng_u128)UINT32_MAX + 1;
        if (cuts[i] < end && cuts[i] <= UINT32_MAX && source_valid(world, link, cuts[i]))
            valid[n++] = (struct ng_interval){cuts[i], end - 1};
    }
    return ng_addrset_from(arena, valid, n, ret_sources);
}
