/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/snapshot_shape.h"

#define FIELD(type, member, field_kind)                                                            \
    { .name = #member, .kind = NG_SNAPSHOT_##field_kind, .offset = offsetof(struct type, member) }

#define LATER(type, member, field_kind)                                                            \
    {                                                                                              \
        .name = #member, .later = true, .kind = NG_SNAPSHOT_##field_kind,                          \
        .offset = offsetof(struct type, member)                                                    \
    }

#define LIST(type, member, shape)                                                                  \
    {                                                                                              \
        .name = #member, .kind = NG_SNAPSHOT_LIST, .offset = offsetof(struct type, member),        \
        .count_offset = offsetof(struct type, n_##member), .of = &(shape)                          \
    }

#define LATER_LIST(type, member, shape)                                                            \
    {                                                                                              \
        .name = #member, .later = true, .kind = NG_SNAPSHOT_LIST,                                  \
        .offset = offsetof(struct type, member),                                                   \
        .count_offset = offsetof(struct type, n_##member), .of = &(shape)                          \
    }

#define SHAPE(type, shape_fields, shape_fault)                                                     \
    { .size_bytes = sizeof(struct type), .fields = (shape_fields), .fault = (shape_fault) }

static bool fits(struct ng_addr addr, unsigned len) {
    return len <= ng_family_bits(addr.family);
}

static bool has_host_bits(struct ng_addr addr, unsigned len) {
    return (addr.value & ~ng_prefix_mask(addr.family, len)) != 0;
}

static const char *fault_of_endpoint(const void *object) {
    const struct ng_endpoint *endpoint = object;

    if (endpoint->addr4.family == NG_IP6)
        return "addr4 is an IPv6 address";
    return endpoint->addr6.family == NG_IP4 ? "addr6 is an IPv4 address" : NULL;
}

static const char *fault_of_published(const void *object) {
    const struct ng_published *published = object;

    return published->host_port == 0 ? "host_port is 0" : NULL;
}

static const char *fault_of_port(const void *object) {
    const struct ng_port *port = object;

    return port->port == 0 ? "port is 0" : NULL;
}

static const char *fault_of_ingress_port(const void *object) {
    const struct ng_ingress_port *port = object;

    return port->port == 0 ? "port is 0" : NULL;
}

static const char *fault_of_network(const void *object) {
    const struct ng_network *network = object;
    bool known =
        network->gateway4 <= NG_GATEWAY_ISOLATED && network->gateway6 <= NG_GATEWAY_ISOLATED;

    return known ? NULL : "gateway4 or gateway6 is no gateway mode";
}

static const char *fault_of_link(const void *object) {
    const struct ng_link *link = object;

    return link->index == 0 ? "index is 0" : NULL;
}

static const char *fault_of_ifaddr(const void *object) {
    const struct ng_ifaddr *ifaddr = object;

    return fits(ifaddr->addr, ifaddr->prefix_len) ? NULL : "prefix_len is longer than the address";
}

static const char *fault_of_route(const void *object) {
    const struct ng_route *route = object;

    if (!fits(route->dst, route->prefix_len))
        return "prefix_len is longer than the address";
    return has_host_bits(route->dst, route->prefix_len) ? "dst is more than prefix_len bits long"
                                                        : NULL;
}

static const char *fault_of_selector(uint8_t family, struct ng_addr addr, unsigned len) {
    if (addr.family == 0)
        return len == 0 ? NULL : "a prefix length without an address";
    if (addr.family != family)
        return "src or dst is of another family than the rule";
    if (!fits(addr, len))
        return "src_len or dst_len is longer than the address";
    return has_host_bits(addr, len) ? "src or dst is longer than src_len or dst_len bits" : NULL;
}

static const char *fault_of_route_rule(const void *object) {
    const struct ng_route_rule *rule = object;
    const char *fault = fault_of_selector(rule->family, rule->src, rule->src_len);

    return fault ? fault : fault_of_selector(rule->family, rule->dst, rule->dst_len);
}

static const char *fault_of_listener(const void *object) {
    const struct ng_listener *listener = object;

    return listener->port == 0 ? "port is 0" : NULL;
}

static const struct ng_snapshot_field label_fields[] = {
    FIELD(ng_label, key, STRING),
    FIELD(ng_label, value, STRING),
    {0},
};
static const struct ng_snapshot_shape label = SHAPE(ng_label, label_fields, NULL);

static const struct ng_snapshot_field gap_fields[] = {
    FIELD(ng_gap, source, STRING),
    FIELD(ng_gap, reason, STRING),
    {0},
};
static const struct ng_snapshot_shape gap = SHAPE(ng_gap, gap_fields, NULL);

static const struct ng_snapshot_field warning_fields[] = {
    FIELD(ng_warning, source, STRING),
    FIELD(ng_warning, text, STRING),
    {0},
};
static const struct ng_snapshot_shape warning = SHAPE(ng_warning, warning_fields, NULL);

static const struct ng_snapshot_field endpoint_fields[] = {
    FIELD(ng_endpoint, network, STRING),
    FIELD(ng_endpoint, network_id, STRING),
    FIELD(ng_endpoint, addr4, ADDR_OR_NULL),
    FIELD(ng_endpoint, addr6, ADDR_OR_NULL),
    {0},
};
static const struct ng_snapshot_shape endpoint =
    SHAPE(ng_endpoint, endpoint_fields, fault_of_endpoint);

static const struct ng_snapshot_field published_fields[] = {
    FIELD(ng_published, host_addr, ADDR),
    FIELD(ng_published, host_port, U16),
    FIELD(ng_published, container_port, U16),
    FIELD(ng_published, proto, PROTO),
    {0},
};
static const struct ng_snapshot_shape published =
    SHAPE(ng_published, published_fields, fault_of_published);

static const struct ng_snapshot_field link_to_fields[] = {
    FIELD(ng_link_to, to, STRING),
    FIELD(ng_link_to, alias, STRING),
    {0},
};
static const struct ng_snapshot_shape link_to = SHAPE(ng_link_to, link_to_fields, NULL);

static const struct ng_snapshot_field port_fields[] = {
    FIELD(ng_port, port, U16),
    FIELD(ng_port, proto, PROTO),
    {0},
};
static const struct ng_snapshot_shape port = SHAPE(ng_port, port_fields, fault_of_port);

static const struct ng_snapshot_field listener_fields[] = {
    FIELD(ng_listener, addr, ADDR),
    FIELD(ng_listener, port, U16),
    FIELD(ng_listener, proto, PROTO),
    FIELD(ng_listener, v6only, BOOL),
    FIELD(ng_listener, link, U32),
    FIELD(ng_listener, pid, U32),
    FIELD(ng_listener, process, STRING_OR_NULL),
    FIELD(ng_listener, container_id, STRING_OR_NULL),
    {0},
};
static const struct ng_snapshot_shape listener =
    SHAPE(ng_listener, listener_fields, fault_of_listener);

static const struct ng_snapshot_field container_fields[] = {
    FIELD(ng_container, id, STRING),
    FIELD(ng_container, name, STRING),
    FIELD(ng_container, image, STRING),
    FIELD(ng_container, service, STRING_OR_NULL),
    FIELD(ng_container, stack, STRING_OR_NULL),
    FIELD(ng_container, network_mode, STRING),
    FIELD(ng_container, network_of, STRING_OR_NULL),
    LIST(ng_container, labels, label),
    LIST(ng_container, endpoints, endpoint),
    LIST(ng_container, published, published),
    LIST(ng_container, links, link_to),
    LATER_LIST(ng_container, exposed, port),
    LATER(ng_container, listeners_read, BOOL),
    LATER_LIST(ng_container, listeners, listener),
    LATER(ng_container, engine_socket, BOOL),
    LATER(ng_container, capabilities_read, BOOL),
    LATER(ng_container, privileged, BOOL),
    LATER(ng_container, net_admin, BOOL),
    LATER(ng_container, net_raw, BOOL),
    {0},
};
static const struct ng_snapshot_shape container = SHAPE(ng_container, container_fields, NULL);

static const struct ng_snapshot_field network_fields[] = {
    FIELD(ng_network, id, STRING),
    FIELD(ng_network, name, STRING),
    FIELD(ng_network, driver, STRING),
    FIELD(ng_network, bridge, STRING_OR_NULL),
    FIELD(ng_network, internal, BOOL),
    FIELD(ng_network, ingress, BOOL),
    FIELD(ng_network, attachable, BOOL),
    FIELD(ng_network, ipv6, BOOL),
    LATER(ng_network, gateway, ADDR_OR_NULL),
    LATER(ng_network, parent, STRING_OR_NULL),
    LATER(ng_network, is_default, BOOL),
    LATER(ng_network, icc_off, BOOL),
    LATER(ng_network, encrypted, BOOL),
    LATER(ng_network, gateway4, U8),
    LATER(ng_network, gateway6, U8),
    {0},
};
static const struct ng_snapshot_shape network = SHAPE(ng_network, network_fields, fault_of_network);

static const struct ng_snapshot_field ingress_port_fields[] = {
    FIELD(ng_ingress_port, proto, U8),
    FIELD(ng_ingress_port, port, U16),
    FIELD(ng_ingress_port, target, U16),
    {0},
};
static const struct ng_snapshot_shape ingress_port =
    SHAPE(ng_ingress_port, ingress_port_fields, fault_of_ingress_port);

static const struct ng_snapshot_field service_fields[] = {
    FIELD(ng_service, name, STRING),
    FIELD(ng_service, stack, STRING_OR_NULL),
    LIST(ng_service, ports, ingress_port),
    {0},
};
static const struct ng_snapshot_shape service = SHAPE(ng_service, service_fields, NULL);

static const struct ng_snapshot_field open_api_fields[] = {
    FIELD(ng_open_api, addr, ADDR),
    FIELD(ng_open_api, port, U16),
    FIELD(ng_open_api, tls, BOOL),
    {0},
};
static const struct ng_snapshot_shape open_api = SHAPE(ng_open_api, open_api_fields, NULL);

static const struct ng_snapshot_field registry_fields[] = {
    FIELD(ng_registry, name, STRING),
    {0},
};
static const struct ng_snapshot_shape registry = SHAPE(ng_registry, registry_fields, NULL);

static const struct ng_snapshot_field peer_fields[] = {
    {.name = "addr", .kind = NG_SNAPSHOT_ADDR, .offset = 0},
    {0},
};
static const struct ng_snapshot_shape peer = SHAPE(ng_addr, peer_fields, NULL);

static const struct ng_snapshot_field engine_fields[] = {
    FIELD(ng_engine, endpoint, STRING),
    FIELD(ng_engine, version, STRING),
    FIELD(ng_engine, api_version, STRING),
    FIELD(ng_engine, name, STRING),
    FIELD(ng_engine, firewall_backend, STRING_OR_NULL),
    FIELD(ng_engine, swarm, BOOL),
    FIELD(ng_engine, rootless, BOOL),
    LATER(ng_engine, podman, BOOL),
    LATER(ng_engine, manager, BOOL),
    LATER(ng_engine, node_addr, ADDR_OR_NULL),
    LATER(ng_engine, data_path_addr, ADDR_OR_NULL),
    LATER(ng_engine, data_path_port, U16),
    LATER_LIST(ng_engine, peers, peer),
    LATER(ng_engine, userns, BOOL),
    LIST(ng_engine, containers, container),
    LIST(ng_engine, networks, network),
    LATER_LIST(ng_engine, services, service),
    LATER_LIST(ng_engine, open_apis, open_api),
    LATER_LIST(ng_engine, insecure_registries, registry),
    {0},
};
static const struct ng_snapshot_shape engine = SHAPE(ng_engine, engine_fields, NULL);

static const struct ng_snapshot_field link_fields[] = {
    FIELD(ng_link, name, STRING),
    FIELD(ng_link, index, U32),
    FIELD(ng_link, master, U32),
    FIELD(ng_link, kind, STRING),
    FIELD(ng_link, type, U16),
    LATER(ng_link, udp_port4, U16),
    LATER(ng_link, udp_port6, U16),
    FIELD(ng_link, up, BOOL),
    FIELD(ng_link, loopback, BOOL),
    LATER(ng_link, lower, U32),
    LATER(ng_link, group, U32),
    LATER(ng_link, vrf_table, U32),
    FIELD(ng_link, xdp, BOOL),
    LATER(ng_link, tc, BOOL),
    FIELD(ng_link, rp_filter, U8),
    FIELD(ng_link, route_localnet, BOOL),
    LATER(ng_link, accept_local, BOOL),
    LATER(ng_link, src_valid_mark, BOOL),
    LATER(ng_link, send_redirects, BOOL),
    FIELD(ng_link, forwarding4, BOOL),
    FIELD(ng_link, forwarding6, BOOL),
    LATER(ng_link, bridge_calls4, BOOL),
    LATER(ng_link, bridge_calls6, BOOL),
    {0},
};
static const struct ng_snapshot_shape link = SHAPE(ng_link, link_fields, fault_of_link);

static const struct ng_snapshot_field ifaddr_fields[] = {
    FIELD(ng_ifaddr, addr, ADDR),
    FIELD(ng_ifaddr, prefix_len, U8),
    FIELD(ng_ifaddr, link, U32),
    {0},
};
static const struct ng_snapshot_shape ifaddr = SHAPE(ng_ifaddr, ifaddr_fields, fault_of_ifaddr);

static const struct ng_snapshot_field route_fields[] = {
    FIELD(ng_route, dst, ADDR),     FIELD(ng_route, prefix_len, U8),    FIELD(ng_route, type, U8),
    FIELD(ng_route, scope, U8),     FIELD(ng_route, has_gateway, BOOL), FIELD(ng_route, table, U32),
    FIELD(ng_route, priority, U32), FIELD(ng_route, oif, U32),          {0},
};
static const struct ng_snapshot_shape route = SHAPE(ng_route, route_fields, fault_of_route);

static const struct ng_snapshot_field route_rule_fields[] = {
    FIELD(ng_route_rule, family, FAMILY),
    FIELD(ng_route_rule, action, U8),
    FIELD(ng_route_rule, invert, BOOL),
    FIELD(ng_route_rule, other_selectors, BOOL),
    FIELD(ng_route_rule, priority, U32),
    FIELD(ng_route_rule, table, U32),
    LATER(ng_route_rule, target, U32),
    LATER(ng_route_rule, proto, U8),
    LATER(ng_route_rule, sport_lo, U16),
    LATER(ng_route_rule, sport_hi, U16),
    LATER(ng_route_rule, dport_lo, U16),
    LATER(ng_route_rule, dport_hi, U16),
    LATER(ng_route_rule, suppresses, BOOL),
    LATER(ng_route_rule, suppress_len, U8),
    FIELD(ng_route_rule, fwmark, U32),
    FIELD(ng_route_rule, fwmask, U32),
    FIELD(ng_route_rule, src, ADDR_OR_NULL),
    FIELD(ng_route_rule, dst, ADDR_OR_NULL),
    FIELD(ng_route_rule, src_len, U8),
    FIELD(ng_route_rule, dst_len, U8),
    FIELD(ng_route_rule, iif, STRING_OR_NULL),
    FIELD(ng_route_rule, oif, STRING_OR_NULL),
    {0},
};
static const struct ng_snapshot_shape route_rule =
    SHAPE(ng_route_rule, route_rule_fields, fault_of_route_rule);

static const struct ng_snapshot_field nft_fields[] = {
    FIELD(ng_nft_dump, generation, U32),
    FIELD(ng_nft_dump, read, BOOL),
    {.name = "byte_order", .kind = NG_SNAPSHOT_BYTE_ORDER},
    {.name = "dump",
     .kind = NG_SNAPSHOT_BYTES,
     .offset = offsetof(struct ng_nft_dump, bytes),
     .count_offset = offsetof(struct ng_nft_dump, len_bytes)},
    {0},
};
static const struct ng_snapshot_shape nft = SHAPE(ng_nft_dump, nft_fields, NULL);

static const struct ng_snapshot_field xt_table_fields[] = {
    FIELD(ng_xt_table, family, FAMILY),
    FIELD(ng_xt_table, name, STRING),
    {.name = "byte_order", .kind = NG_SNAPSHOT_BYTE_ORDER},
    {.name = "entries",
     .kind = NG_SNAPSHOT_BYTES,
     .offset = offsetof(struct ng_xt_table, bytes),
     .count_offset = offsetof(struct ng_xt_table, len_bytes)},
    {0},
};
static const struct ng_snapshot_shape xt_table = SHAPE(ng_xt_table, xt_table_fields, NULL);

static const struct ng_snapshot_field ipset_fields[] = {
    FIELD(ng_ipset_dump, read, BOOL),
    {.name = "byte_order", .kind = NG_SNAPSHOT_BYTE_ORDER},
    {.name = "dump",
     .kind = NG_SNAPSHOT_BYTES,
     .offset = offsetof(struct ng_ipset_dump, bytes),
     .count_offset = offsetof(struct ng_ipset_dump, len_bytes)},
    {0},
};
static const struct ng_snapshot_shape ipsets = SHAPE(ng_ipset_dump, ipset_fields, NULL);

static const struct ng_snapshot_field world_fields[] = {
    {.name = "schema", .kind = NG_SNAPSHOT_SCHEMA},
    FIELD(ng_world, host, STRING),
    {.name = "time", .kind = NG_SNAPSHOT_TIME, .offset = offsetof(struct ng_world, time_s)},
    LIST(ng_world, gaps, gap),
    LATER_LIST(ng_world, warnings, warning),
    FIELD(ng_world, no_engine, STRING_OR_NULL),
    LIST(ng_world, engines, engine),
    FIELD(ng_world, links_read, BOOL),
    LIST(ng_world, links, link),
    {.name = "addresses",
     .kind = NG_SNAPSHOT_LIST,
     .offset = offsetof(struct ng_world, ifaddrs),
     .count_offset = offsetof(struct ng_world, n_ifaddrs),
     .of = &ifaddr},
    FIELD(ng_world, routes_read, BOOL),
    LIST(ng_world, routes, route),
    LIST(ng_world, route_rules, route_rule),
    FIELD(ng_world, listeners_read, BOOL),
    LIST(ng_world, listeners, listener),
    {.name = "nftables",
     .kind = NG_SNAPSHOT_OBJECT,
     .offset = offsetof(struct ng_world, nft),
     .of = &nft},
    {.name = "xtables",
     .later = true,
     .kind = NG_SNAPSHOT_LIST,
     .offset = offsetof(struct ng_world, xt_tables),
     .count_offset = offsetof(struct ng_world, n_xt_tables),
     .of = &xt_table},
    {.name = "ipsets",
     .later = true,
     .kind = NG_SNAPSHOT_OBJECT,
     .offset = offsetof(struct ng_world, ipsets),
     .of = &ipsets},
    LATER(ng_world, ipsec, BOOL),
    LATER(ng_world, conntrack_strict, BOOL),
    LATER(ng_world, local_port_lo, U16),
    LATER(ng_world, local_port_hi, U16),
    {0},
};

const struct ng_snapshot_shape ng_snapshot_world = SHAPE(ng_world, world_fields, NULL);
