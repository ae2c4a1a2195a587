/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/routes.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "agent/observe/netlink.h"
#include "agent/observe/nexthops.h"
#include "agent/observe/route_rules.h"

#define SOURCE "routes"

uint8_t ng_routes_family(uint8_t address_family) {
    return address_family == AF_INET ? NG_IP4 : address_family == AF_INET6 ? NG_IP6 : 0;
}

int ng_routes_decode_prefix(const struct nlattr *attr, uint8_t family, unsigned len,
                            struct ng_addr *ret_addr) {
    size_t len_bytes = ng_family_bits(family) / 8;

    if (len > ng_family_bits(family))
        return -EBADMSG;
    if (!attr) {
        *ret_addr = (struct ng_addr){.family = family};
        return len == 0 ? 0 : -EBADMSG;
    }
    if (mnl_attr_get_payload_len(attr) != len_bytes)
        return -EBADMSG;
    *ret_addr = ng_addr_from_wire(mnl_attr_get_payload(attr), len_bytes);
    ret_addr->value &= ng_prefix_mask(family, len);
    return 0;
}

static int decode_hop(const struct rtnexthop *hop, struct ng_route *route) {
    const struct nlattr *attrs[RTA_VIA + 1];
    int r = ng_attributes_collect(hop + 1, hop->rtnh_len - sizeof(*hop), attrs, RTA_VIA);

    if (r < 0)
        return r;
    route->oif = (uint32_t)hop->rtnh_ifindex;
    route->has_gateway = attrs[RTA_GATEWAY] || attrs[RTA_VIA];
    return 0;
}

/* One living hop of a multipath route, counted from 0; NG_ROUTES_NOT_ONE when there are fewer. */
static int decode_hops(const struct nlattr *multipath, size_t wanted, struct ng_route *route) {
    const uint8_t *at = mnl_attr_get_payload(multipath);
    size_t left = mnl_attr_get_payload_len(multipath);

    while (left >= sizeof(struct rtnexthop)) {
        const struct rtnexthop *hop = (const struct rtnexthop *)(const void *)at;
        size_t step = MNL_ALIGN((size_t)hop->rtnh_len);

        if (hop->rtnh_len < sizeof(*hop) || hop->rtnh_len > left)
            return -EBADMSG;
        if (!(hop->rtnh_flags & RTNH_F_DEAD) && wanted-- == 0)
            return decode_hop(hop, route);
        if (step >= left)
            break;
        at += step;
        left -= step;
    }
    return NG_ROUTES_NOT_ONE;
}

int ng_routes_decode_route(const struct nlmsghdr *message, size_t hop, struct ng_route *ret_route,
                           uint32_t *ret_nexthop) {
    const struct rtmsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[RTA_NH_ID + 1];
    struct ng_route route = {0};
    uint8_t family;
    int r;

    if (message->nlmsg_type != RTM_NEWROUTE)
        return NG_ROUTES_NOT_ONE;
    r = ng_attributes_of(message, sizeof(*header), attrs, RTA_NH_ID);
    if (r < 0)
        return r;
    family = ng_routes_family(header->rtm_family);
    if (family == 0 || header->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD))
        return NG_ROUTES_NOT_ONE;
    if (header->rtm_tos != 0 || header->rtm_src_len != 0)
        return NG_ROUTES_LEFT_OUT;

    r = ng_routes_decode_prefix(attrs[RTA_DST], family, header->rtm_dst_len, &route.dst);
    if (r < 0)
        return r;
    route.prefix_len = header->rtm_dst_len;
    route.type = header->rtm_type;
    route.scope = header->rtm_scope;
    route.has_gateway = attrs[RTA_GATEWAY] || attrs[RTA_VIA];
    route.table = ng_attribute_u32(attrs[RTA_TABLE], header->rtm_table);
    route.priority = ng_attribute_u32(attrs[RTA_PRIORITY], 0);
    route.oif = ng_attribute_u32(attrs[RTA_OIF], 0);
    if (attrs[RTA_MULTIPATH]) {
        r = decode_hops(attrs[RTA_MULTIPATH], hop, &route);
        if (r != 0)
            return r;
    } else if (hop > 0) {
        return NG_ROUTES_NOT_ONE;
    }
    *ret_route = route;
    /* A nexthop object alone comes where net.ipv4.nexthop_compat_mode is 0. */
    *ret_nexthop = attrs[RTA_OIF] || attrs[RTA_MULTIPATH] || route.type != RTN_UNICAST
                       ? 0
                       : ng_attribute_u32(attrs[RTA_NH_ID], 0);
    return 0;
}

/* -- asking -------------------------------------------------------------------------- */

/* A route that names a nexthop object. */
struct named {
    struct ng_route route;
    uint32_t nexthop;
};

struct reading {
    struct ng_arena *arena;
    struct ng_route *routes;
    size_t n_routes, routes_capacity;
    struct named *named;
    size_t n_named, named_capacity;
    struct ng_route_rule *rules;
    size_t n_rules, rules_capacity;
    size_t left_out;
    uint8_t family; /* asked for */
};

static int add_route(struct reading *reading, struct ng_route route) {
    struct ng_route *place = NG_ARENA_APPEND(reading->arena, reading->routes, reading->n_routes,
                                             reading->routes_capacity);

    if (!place)
        return -ENOMEM;
    *place = route;
    return 0;
}

static int add_named(struct reading *reading, struct ng_route route, uint32_t nexthop) {
    struct named *place =
        NG_ARENA_APPEND(reading->arena, reading->named, reading->n_named, reading->named_capacity);

    if (!place)
        return -ENOMEM;
    *place = (struct named){.route = route, .nexthop = nexthop};
    return 0;
}

/* Hops of one route become as many routes that are alike but for their interface. */
static int take_route(const struct nlmsghdr *message, void *context) {
    struct reading *reading = context;
    struct ng_route route;
    uint32_t nexthop;
    int r = 0;

    /* Asked for the routes of a family it does not have, a kernel gives those of all. */
    if (((const struct rtmsg *)mnl_nlmsg_get_payload(message))->rtm_family != reading->family)
        return 0;
    for (size_t hop = 0; r == 0; hop++) {
        r = ng_routes_decode_route(message, hop, &route, &nexthop);
        if (r == 0)
            r = nexthop ? add_named(reading, route, nexthop) : add_route(reading, route);
    }
    if (r == NG_ROUTES_LEFT_OUT)
        reading->left_out++;
    return r < 0 ? r : 0;
}

static int take_rule(const struct nlmsghdr *message, void *context) {
    struct reading *reading = context;
    struct ng_route_rule rule, *place;
    int r = ng_route_rules_decode(reading->arena, message, &rule);

    if (r != 0)
        return r < 0 ? r : 0;
    place =
        NG_ARENA_APPEND(reading->arena, reading->rules, reading->n_rules, reading->rules_capacity);
    if (!place)
        return -ENOMEM;
    *place = rule;
    return 0;
}

/* The headers of both requests begin with the family and are zero otherwise. */
static int dump(struct ng_netlink *netlink, uint16_t type, size_t header_bytes, uint8_t family,
                const char *what, ng_netlink_each *take, struct reading *reading,
                struct ng_error *error) {
    union {
        struct nlmsghdr message;
        uint8_t room[64];
    } request;
    struct ng_error refused = {0};
    uint8_t *header;
    int r;

    mnl_nlmsg_put_header(&request);
    request.message.nlmsg_type = type;
    header = mnl_nlmsg_put_extra_header(&request.message, header_bytes);
    header[0] = reading->family = family;
    r = ng_netlink_dump(netlink, &request.message, what, take, reading, &refused);
    /* A kernel without the family, or one without rules: nothing there to see. */
    if (r == -EAFNOSUPPORT || r == -EOPNOTSUPP)
        return 0;
    return r < 0 && r != -EINTR ? ng_error_set(error, r, SOURCE, "%s", refused.message) : r;
}

/* The routes that name nexthop objects, with the interfaces of these in their places. */
static int resolve(struct ng_netlink *netlink, struct reading *reading, struct ng_error *error) {
    struct ng_nexthops nexthops = {.arena = reading->arena};
    struct ng_route route;
    int r = reading->n_named ? ng_nexthops_read(netlink, &nexthops, error) : 0;

    for (size_t i = 0; r == 0 && i < reading->n_named; i++) {
        const struct named *named = &reading->named[i];

        for (size_t hop = 0; r == 0; hop++) {
            route = named->route;
            r = ng_nexthops_resolve(&nexthops, named->nexthop, hop, &route);
            if (r == 0)
                r = add_route(reading, route);
        }
        /* Objects take their routes with them when they go. */
        r = r == -ENOENT ? -EINTR : r > 0 ? 0 : r;
    }
    return r;
}

static int attempt(void *context, struct ng_error *error) {
    static const uint8_t families[] = {AF_INET, AF_INET6};
    struct reading *reading = context;
    _cleanup_(ng_netlink_closep) struct ng_netlink *netlink = NULL;
    int r;

    reading->n_routes = reading->n_named = reading->n_rules = reading->left_out = 0;
    r = ng_netlink_open(NETLINK_ROUTE, SOURCE, &netlink, error);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
        r = dump(netlink, RTM_GETROUTE, sizeof(struct rtmsg), families[i], "routes", take_route,
                 reading, error);
        if (r == 0)
            r = dump(netlink, RTM_GETRULE, sizeof(struct fib_rule_hdr), families[i],
                     "routing rules", take_rule, reading, error);
    }
    return r == 0 ? resolve(netlink, reading, error) : r;
}

int ng_routes_read(struct ng_world *world, size_t *ret_left_out, struct ng_error *error) {
    struct reading reading = {.arena = world->arena};
    int r = ng_netlink_settle(attempt, &reading, SOURCE, "routes and routing rules", error);

    if (r < 0)
        return r;
    world->routes = reading.routes;
    world->n_routes = reading.n_routes;
    world->route_rules = reading.rules;
    world->n_route_rules = reading.n_rules;
    world->routes_read = true;
    *ret_left_out = reading.left_out;
    return 0;
}
