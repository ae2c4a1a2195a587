/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/routes.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "agent/observe/netlink.h"
#include "agent/observe/proc.h"

#define SOURCE   "routes"
#define ATTEMPTS 10

/* Attributes later kernels may send; whatever is above what we know has to be noticed. */
#define RULE_ATTRS 63

static uint8_t family_of(uint8_t address_family) {
    return address_family == AF_INET ? NG_IP4 : address_family == AF_INET6 ? NG_IP6 : 0;
}

/* `attr` NULL: the address of all zeroes, where the length says so. */
static int decode_addr(const struct nlattr *attr, uint8_t family, unsigned len,
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

int ng_routes_decode_route(const struct nlmsghdr *message, size_t hop, struct ng_route *ret_route) {
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
    family = family_of(header->rtm_family);
    if (family == 0 || header->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD))
        return NG_ROUTES_NOT_ONE;
    /* A nexthop object alone comes where net.ipv4.nexthop_compat_mode is 0. */
    if (header->rtm_tos != 0 || header->rtm_src_len != 0 ||
        (attrs[RTA_NH_ID] && !attrs[RTA_OIF] && !attrs[RTA_MULTIPATH]))
        return NG_ROUTES_LEFT_OUT;

    r = decode_addr(attrs[RTA_DST], family, header->rtm_dst_len, &route.dst);
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
    return 0;
}

/* Whether a rule also asks for something the model does not carry. Attributes that neither
 * select nor suppress are named; any other counts, above all those of later kernels. */
static bool has_other_selectors(const struct fib_rule_hdr *header,
                                const struct nlattr *const attrs[]) {
    if (header->tos != 0 || header->action == FR_ACT_GOTO)
        return true;
    for (unsigned type = 1; type <= RULE_ATTRS; type++) {
        if (!attrs[type])
            continue;
        switch (type) {
        case FRA_DST:
        case FRA_SRC:
        case FRA_IIFNAME:
        case FRA_OIFNAME:
        case FRA_PRIORITY:
        case FRA_FWMARK:
        case FRA_FWMASK:
        case FRA_FLOW: /* a realm for accounting */
        case FRA_TABLE:
        case FRA_PAD:
        case FRA_PROTOCOL: /* who wrote the rule */
            break;
        case FRA_SUPPRESS_PREFIXLEN:
        case FRA_SUPPRESS_IFGROUP:
            if (ng_attribute_u32(attrs[type], UINT32_MAX) != UINT32_MAX)
                return true;
            break;
        default:
            return true;
        }
    }
    return false;
}

static int decode_name(struct ng_arena *arena, const struct nlattr *attr, const char **ret_name) {
    if (!attr)
        return 0;
    *ret_name = ng_proc_utf8(arena, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
    return *ret_name ? 0 : -ENOMEM;
}

int ng_routes_decode_rule(struct ng_arena *arena, const struct nlmsghdr *message,
                          struct ng_route_rule *ret_rule) {
    const struct fib_rule_hdr *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[RULE_ATTRS + 1];
    struct ng_route_rule rule = {0};
    int r;

    if (message->nlmsg_type != RTM_NEWRULE)
        return NG_ROUTES_NOT_ONE;
    r = ng_attributes_of(message, sizeof(*header), attrs, RULE_ATTRS);
    if (r < 0)
        return r;
    rule.family = family_of(header->family);
    if (rule.family == 0)
        return NG_ROUTES_NOT_ONE;

    if (attrs[FRA_SRC] || header->src_len > 0)
        r = decode_addr(attrs[FRA_SRC], rule.family, header->src_len, &rule.src);
    if (r == 0 && (attrs[FRA_DST] || header->dst_len > 0))
        r = decode_addr(attrs[FRA_DST], rule.family, header->dst_len, &rule.dst);
    if (r == 0)
        r = decode_name(arena, attrs[FRA_IIFNAME], &rule.iif);
    if (r == 0)
        r = decode_name(arena, attrs[FRA_OIFNAME], &rule.oif);
    if (r < 0)
        return r;
    rule.src_len = header->src_len;
    rule.dst_len = header->dst_len;
    rule.action = header->action;
    rule.invert = header->flags & FIB_RULE_INVERT;
    rule.other_selectors = has_other_selectors(header, attrs);
    rule.priority = ng_attribute_u32(attrs[FRA_PRIORITY], 0);
    rule.table = ng_attribute_u32(attrs[FRA_TABLE], header->table);
    rule.fwmark = ng_attribute_u32(attrs[FRA_FWMARK], 0);
    rule.fwmask = ng_attribute_u32(attrs[FRA_FWMASK], 0);
    *ret_rule = rule;
    return 0;
}

/* -- asking -------------------------------------------------------------------------- */

struct reading {
    struct ng_arena *arena;
    struct ng_route *routes;
    size_t n_routes, routes_capacity;
    struct ng_route_rule *rules;
    size_t n_rules, rules_capacity;
    size_t left_out;
    uint8_t family; /* asked for */
};

/* Hops of one route become as many routes that are alike but for their interface. */
static int take_route(const struct nlmsghdr *message, void *context) {
    struct reading *reading = context;
    struct ng_route route, *place;
    int r = 0;

    /* Asked for the routes of a family it does not have, a kernel gives those of all. */
    if (((const struct rtmsg *)mnl_nlmsg_get_payload(message))->rtm_family != reading->family)
        return 0;
    for (size_t hop = 0; r == 0; hop++) {
        r = ng_routes_decode_route(message, hop, &route);
        if (r != 0)
            break;
        place = NG_ARENA_APPEND(reading->arena, reading->routes, reading->n_routes,
                                reading->routes_capacity);
        if (!place)
            return -ENOMEM;
        *place = route;
    }
    if (r == NG_ROUTES_LEFT_OUT)
        reading->left_out++;
    return r < 0 ? r : 0;
}

static int take_rule(const struct nlmsghdr *message, void *context) {
    struct reading *reading = context;
    struct ng_route_rule rule, *place;
    int r = ng_routes_decode_rule(reading->arena, message, &rule);

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

static int attempt(struct reading *reading, struct ng_error *error) {
    static const uint8_t families[] = {AF_INET, AF_INET6};
    _cleanup_(ng_netlink_closep) struct ng_netlink *netlink = NULL;
    int r;

    reading->n_routes = reading->n_rules = reading->left_out = 0;
    r = ng_netlink_open(NETLINK_ROUTE, SOURCE, &netlink, error);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
        r = dump(netlink, RTM_GETROUTE, sizeof(struct rtmsg), families[i], "routes", take_route,
                 reading, error);
        if (r == 0)
            r = dump(netlink, RTM_GETRULE, sizeof(struct fib_rule_hdr), families[i],
                     "routing rules", take_rule, reading, error);
    }
    return r;
}

int ng_routes_read(struct ng_world *world, size_t *ret_left_out, struct ng_error *error) {
    struct reading reading = {.arena = world->arena};
    int r = -EINTR;

    for (unsigned i = 0; i < ATTEMPTS && r == -EINTR; i++)
        r = attempt(&reading, error);
    if (r == -EINTR)
        return ng_error_set(error, -EAGAIN, SOURCE,
                            "routes and routing rules kept changing while they were read");
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
