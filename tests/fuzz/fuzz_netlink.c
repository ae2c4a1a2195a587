/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a datagram of the kernel's, every message of it as everything we decode. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/observe/ipsec.h"
#include "agent/observe/links.h"
#include "agent/observe/netlink.h"
#include "agent/observe/nexthops.h"
#include "agent/observe/route_rules.h"
#include "agent/observe/routes.h"
#include "agent/observe/sockets.h"
#include "agent/observe/traffic_control.h"
#include "agent/observe/wireguard.h"
#include "netguard/world.h"
#include "tests/fuzz/fuzz.h"

static void require(bool condition) {
    if (!condition)
        abort();
}

static void check(int r) {
    require(r == -EBADMSG || (r >= 0 && r <= 2));
}

static void decode_routing(struct ng_arena *arena, const struct nlmsghdr *message) {
    struct ng_nexthops nexthops = {.arena = arena};
    struct ng_route_rule rule;
    struct ng_route route;
    uint32_t nexthop;
    int r = ng_routes_decode_route(message, 0, &route, &nexthop);

    check(r);
    require(r != 0 || route.prefix_len <= ng_family_bits(route.dst.family));
    r = ng_route_rules_decode(arena, message, &rule);
    check(r);
    require(r != 0 || rule.suppress_len <= 128);
    check(ng_nexthops_decode(&nexthops, message));
    for (size_t i = 0; i < nexthops.count; i++) {
        r = ng_nexthops_resolve(&nexthops, nexthops.items[i].id, 0, &route);
        require(r == 0 || r == 1 || r == -ENOENT);
    }
}

static void decode_traffic_control(const struct nlmsghdr *message) {
    struct ng_tc_place places[2];
    size_t n = 0;
    bool judges;

    check(ng_traffic_control_decode_qdisc(message, places, &n));
    require(n <= ARRAY_SIZE(places));
    check(ng_traffic_control_decode_filter(message, true, &judges));
    check(ng_traffic_control_decode_filter(message, false, &judges));
}

static int decode(const struct nlmsghdr *message, void *context) {
    static const uint8_t protos[] = {NG_TCP, NG_UDP, NG_SCTP};
    const struct ng_links_all all = {0};
    struct ng_sockets sockets = {.arena = context};
    struct ng_ifaddr ifaddr;
    struct ng_link link;
    uint16_t number;
    bool some;
    int r;

    check(ng_links_decode_link(context, message, &all, &link));
    r = ng_links_decode_address(message, &ifaddr);
    check(r);
    require(r != 0 || ifaddr.prefix_len <= ng_family_bits(ifaddr.addr.family));
    decode_routing(context, message);
    decode_traffic_control(message);
    check(ng_ipsec_decode(message, &some));
    check(ng_wireguard_decode_family(message, &number));
    check(ng_wireguard_decode_port(message, 7, &number));
    for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
        check(ng_sockets_decode(&sockets, protos[i], message));
    for (size_t i = 0; i < sockets.count; i++)
        require(sockets.items[i].listener.port != 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ng_netlink_answer answer = {.source = "fuzz", .what = "everything"};
    struct ng_arena *arena = ng_arena_new();
    struct ng_error error = {0};
    uint8_t *aligned = malloc(size ? size : 1);
    int r;

    require(arena && aligned);
    if (size)
        memcpy(aligned, data, size);
    r = ng_netlink_walk(&answer, aligned, size, decode, arena, &error);
    require(r <= 0);
    require((r < 0 && r != -EINTR) == (error.message[0] != '\0'));
    free(aligned);
    ng_arena_free(arena);
    return 0;
}
