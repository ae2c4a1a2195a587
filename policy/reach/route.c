/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/reach/route.h"

#include <string.h>

/* linux/rtnetlink.h and linux/fib_rules.h: kernel ABI. */
enum {
    TABLE_DEFAULT = 253,
    TABLE_MAIN = 254,
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

/* Among the routes from `from` to before `end`, which have one prefix length, the first to `want`
 * that counts. */
static const struct ng_route *route_to(const struct ng_world *world, size_t from, size_t end,
                                       ng_u128 want, uint32_t only_oif) {
    size_t lo = from, hi = end;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (world->routes[middle].dst.value < want)
            lo = middle + 1;
        else
            hi = middle;
    }
    for (; lo < end && world->routes[lo].dst.value == want; lo++)
        if (!only_oif || world->routes[lo].oif == only_oif)
            return &world->routes[lo];
    return NULL;
}

/* Longest prefix, then lowest metric: routes stand in that order. */
static const struct ng_route *table_lookup(const struct ng_world *world, uint8_t family,
                                           uint32_t table, ng_u128 daddr, uint32_t only_oif) {
    size_t i = table_start(world, family, table);
    while (i < world->n_routes && compare_route(&world->routes[i], family, table) == 0) {
        uint8_t len = world->routes[i].prefix_len;
        size_t end = next_length(world, i, family, table, len);
        const struct ng_route *route =
            route_to(world, i, end, daddr & ng_prefix_mask(family, len), only_oif);
        if (route)
            return route;
        i = end;
    }
    return NULL;
}

/* The rules with which every machine begins: to the tables local, main and default. */
bool ng_has_custom_rules(const struct ng_world *world) {
    for (size_t i = 0; i < world->n_route_rules; i++) {
        const struct ng_route_rule *rule = &world->route_rules[i];
        bool first = rule->priority == 0 && rule->table == TABLE_LOCAL;
        bool last = (rule->priority == 32766 && rule->table == TABLE_MAIN) ||
                    (rule->priority == 32767 && rule->table == TABLE_DEFAULT);
        if (rule->family == NG_IP4 && !first && !last)
            return true;
    }
    return false;
}

/* As long as nobody has added a rule, IPv4 has the tables local and main in one, where the longest
 * prefix wins whosever it is (fib_trie_unmerge). */
static const struct ng_route *find_route(const struct ng_world *world, uint8_t family,
                                         uint32_t table, ng_u128 daddr, uint32_t only_oif) {
    const struct ng_route *route = table_lookup(world, family, table, daddr, only_oif);
    if (family != NG_IP4 || table != TABLE_LOCAL || ng_has_custom_rules(world))
        return route;
    const struct ng_route *main = table_lookup(world, family, TABLE_MAIN, daddr, only_oif);
    return main && (!route || main->prefix_len > route->prefix_len) ? main : route;
}

/* -- routing rules ------------------------------------------------------------------- */

enum answer { NO, YES, PERHAPS };

static bool in_prefix(ng_u128 value, struct ng_addr prefix, unsigned len) {
    return ((value ^ prefix.value) & ng_prefix_mask(prefix.family, len)) == 0;
}

static bool asks_port(uint16_t lo, uint16_t hi) {
    return lo || hi;
}

static bool port_differs(uint16_t port, uint16_t lo, uint16_t hi) {
    return asks_port(lo, hi) && (port < lo || port > hi);
}

static bool transport_differs(const struct ng_route_rule *rule,
                              const struct ng_route_query *query) {
    return (rule->proto && rule->proto != query->proto) ||
           port_differs(query->sport, rule->sport_lo, rule->sport_hi) ||
           port_differs(query->dport, rule->dport_lo, rule->dport_hi);
}

static bool asks_transport(const struct ng_route_rule *rule) {
    return rule->proto || asks_port(rule->sport_lo, rule->sport_hi) ||
           asks_port(rule->dport_lo, rule->dport_hi);
}

static bool asks_mark(const struct ng_route_rule *rule) {
    return rule->fwmark || rule->fwmask;
}

static enum answer rule_applies(const struct ng_route_rule *rule,
                                const struct ng_route_query *query) {
    enum answer answer = YES;
    if (rule->dst.family && !in_prefix(query->daddr, rule->dst, rule->dst_len))
        answer = NO;
    else if (rule->src.family && query->saddr_known &&
             !in_prefix(query->saddr, rule->src, rule->src_len))
        answer = NO;
    else if (rule->iif && query->iif_name && strcmp(rule->iif, query->iif_name) != 0)
        answer = NO;
    else if (rule->oif) /* only for what the machine itself sends */
        answer = NO;
    else if (asks_mark(rule) && query->mark_known &&
             ((query->mark ^ rule->fwmark) & rule->fwmask) != 0)
        answer = NO;
    else if (query->ports_known && transport_differs(rule, query))
        answer = NO;
    else if ((asks_transport(rule) && !query->ports_known) ||
             (rule->src.family && !query->saddr_known) || rule->other_selectors ||
             (rule->iif && !query->iif_name) || (asks_mark(rule) && !query->mark_known))
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
    bool doubtful; /* from here on */
};

static void add_result(struct results *results, uint8_t type, uint32_t oif) {
    for (size_t i = 0; i < results->count; i++)
        if (results->items[i].type == type && results->items[i].oif == oif)
            return;
    if (results->count < results->max)
        results->items[results->count++] =
            (struct ng_route_result){.type = type, .oif = oif, .doubtful = results->doubtful};
}

/* A route and its equals: the hops of a multipath route, of which the kernel takes one by a
 * hash. Only unicast routes have any. */
static void add_routes(const struct ng_world *world, const struct ng_route *route,
                       uint32_t only_oif, struct results *results) {
    const struct ng_route *end = world->routes + world->n_routes;
    for (const struct ng_route *same = route;
         same < end && ng_addr_equal(same->dst, route->dst) && same->table == route->table &&
         same->prefix_len == route->prefix_len && same->priority == route->priority;
         same++) {
        if (only_oif && same->oif != only_oif)
            continue;
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
        uint32_t table = rule->table ? rule->table : query->vrf_table;
        const struct ng_route *route =
            table ? find_route(world, query->family, table, query->daddr, query->only_oif) : NULL;
        if (!route || route->type == NG_ROUTE_THROW ||
            (rule->suppresses && route->prefix_len <= rule->suppress_len &&
             route->type < NG_ROUTE_BLACKHOLE))
            return false;
        add_routes(world, route, query->only_oif, results);
        return true;
    }
    default: /* ACTION_NOP */
        return false;
    }
}

/* Where a goto leads: the first rule of that priority further down; nowhere: to the next one,
 * as the kernel takes it. */
static size_t goto_target(const struct ng_world *world, size_t from) {
    const struct ng_route_rule *rules = world->route_rules;
    for (size_t i = from + 1; i < world->n_route_rules; i++)
        if (rules[i].family == rules[from].family && rules[i].priority == rules[from].target)
            return i;
    return from + 1;
}

size_t ng_route_lookup(const struct ng_world *world, const struct ng_route_query *query,
                       struct ng_route_result *ret_results, size_t max) {
    struct results results = {.items = ret_results, .max = max};
    size_t skipped = 0; /* by a goto that may be taken: rules before this one are not sure to run */
    for (size_t i = 0; i < world->n_route_rules;) {
        const struct ng_route_rule *rule = &world->route_rules[i];
        enum answer applies = rule->family == query->family ? rule_applies(rule, query) : NO;
        bool certain = applies == YES && i >= skipped;
        bool is_goto = applies != NO && rule->action == ACTION_GOTO;
        size_t target = is_goto ? goto_target(world, i) : i + 1;
        results.doubtful = results.doubtful || applies == PERHAPS;
        if (applies != NO && add_rule_results(world, rule, query, &results) && certain)
            return results.count;
        if (is_goto && !certain && target > skipped)
            skipped = target;
        i = certain ? target : i + 1;
    }
    add_result(&results, 0, 0);
    return results.count;
}

/* -- types of addresses -------------------------------------------------------------- */

static uint8_t addr_type4(const struct ng_world *world, ng_u128 daddr, uint32_t iif) {
    if (daddr == 0 || daddr == UINT32_MAX)
        return NG_ROUTE_BROADCAST;
    if (daddr >> 28 == 0xe)
        return NG_ROUTE_MULTICAST;
    /* inet_dev_addr_type asks the local table alone; all else is unicast. */
    const struct ng_route *route = find_route(world, NG_IP4, TABLE_LOCAL, daddr, 0);
    bool local = route && route->table == TABLE_LOCAL && route->type < NG_ROUTE_BLACKHOLE;
    return local && (!iif || route->oif == iif) ? route->type : NG_ROUTE_UNICAST;
}

static uint8_t addr_type6(const struct ng_world *world, ng_u128 daddr, uint32_t iif) {
    if (daddr >> 120 == 0xff)
        return NG_ROUTE_MULTICAST;
    const struct ng_route *local = table_lookup(world, NG_IP6, TABLE_LOCAL, daddr, iif);
    if (local)
        return local->type;
    const struct ng_link *link = ng_link_find(world, iif);
    struct ng_route_query query = {
        .family = NG_IP6,
        .iif_name = link ? link->name : "",
        .daddr = daddr,
        .ports_known = true,
        .mark_known = true,
        .only_oif = ng_is_link_local6(daddr) ? iif : 0,
    };
    struct ng_route_result result[NG_ROUTES_MAX];
    size_t n = ng_route_lookup(world, &query, result, ARRAY_SIZE(result));
    if (n == 1 && result[0].type == NG_ROUTE_LOCAL)
        return NG_ROUTE_UNICAST; /* of another link */
    if (n > 1)                   /* by its source, its mark or its ports */
        return NG_ADDR_TYPE_UNSURE;
    /* RTN_UNSPEC: :: and what stands for IPv4 are of no kind, whatever route covers them. */
    if ((daddr == 0 || daddr >> 32 == 0xffff) && result[0].type == NG_ROUTE_UNICAST)
        return 0;
    return result[0].type ? result[0].type : NG_ROUTE_UNREACHABLE;
}

uint8_t ng_route_addr_type(const struct ng_world *world, uint8_t family, ng_u128 daddr,
                           uint32_t iif) {
    return family == NG_IP4 ? addr_type4(world, daddr, iif) : addr_type6(world, daddr, iif);
}
