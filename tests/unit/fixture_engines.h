/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TESTS_FIXTURE_ENGINES_H
#define NETGUARD_TESTS_FIXTURE_ENGINES_H

/* A manager of a swarm with something of every kind, made by hand: an ingress port, the cluster's
 * own ports and the API's, a container that a neighbour routes to, one on the LAN by macvlan,
 * links, gateway modes, and registries without TLS. */

#include "tests/unit/fixture_result.h"

static const struct ng_endpoint fixture_app_on[] = {
    {.network = "bridge", .network_id = "n1", .addr4 = FIXTURE_ADDR4(172, 17, 0, 3)}};
static const struct ng_endpoint fixture_camera_on[] = {
    {.network = "lan", .network_id = "n3", .addr4 = FIXTURE_ADDR4(192, 0, 2, 50)}};
static const struct ng_endpoint fixture_redis_on[] = {
    {.network = "bridge", .network_id = "n1", .addr4 = FIXTURE_ADDR4(172, 17, 0, 2)}};
/* By an engine that tells no ids of networks. */
static const struct ng_endpoint fixture_route_on[] = {{.network = "routes", .network_id = ""}};
static const struct ng_endpoint fixture_web_on[] = {{.network = "ingress", .network_id = "n2"}};
static const struct ng_link_to fixture_app_links[] = {{.to = "redis", .alias = "cache"},
                                                      {.to = "gone", .alias = "old"}};

enum {
    FIXTURE_E_APP,
    FIXTURE_E_CAMERA,
    FIXTURE_E_REDIS,
    FIXTURE_E_ROUTE,
    FIXTURE_E_WEB,
};
#define FIXTURE_ON(endpoints_) .endpoints = (endpoints_), .n_endpoints = ARRAY_SIZE(endpoints_)
static const struct ng_container fixture_e_containers[] = {
    [FIXTURE_E_APP] = {.id = "aa",
                       .name = "app",
                       .image = "app:1",
                       .network_mode = "default",
                       .links = fixture_app_links,
                       .n_links = ARRAY_SIZE(fixture_app_links),
                       FIXTURE_ON(fixture_app_on)},
    [FIXTURE_E_CAMERA] = {.id = "bb",
                          .name = "camera",
                          .image = "camera:1",
                          .network_mode = "lan",
                          FIXTURE_ON(fixture_camera_on)},
    [FIXTURE_E_REDIS] = {.id = "cc",
                         .name = "redis",
                         .image = "redis:7",
                         .network_mode = "default",
                         FIXTURE_ON(fixture_redis_on)},
    [FIXTURE_E_ROUTE] = {.id = "dd",
                         .name = "route",
                         .image = "route:1",
                         .network_mode = "routes",
                         FIXTURE_ON(fixture_route_on)},
    [FIXTURE_E_WEB] = {.id = "ee",
                       .name = "shop_web.1.x",
                       .image = "web:1",
                       .service = "shop_web",
                       .stack = "shop",
                       .network_mode = "ingress",
                       FIXTURE_ON(fixture_web_on)},
};

enum {
    FIXTURE_N_BRIDGE,
    FIXTURE_N_HIDDEN,
    FIXTURE_N_INGRESS,
    FIXTURE_N_LAN,
    FIXTURE_N_ROUTES,
    FIXTURE_N_SECRET,
    FIXTURE_N_SHOP,
};
static const struct ng_network fixture_e_networks[] = {
    [FIXTURE_N_BRIDGE] = {.id = "n1",
                          .name = "bridge",
                          .driver = "bridge",
                          .bridge = "docker0",
                          .is_default = true,
                          .icc_off = true},
    /* Nobody is on it: it is not spoken of. */
    [FIXTURE_N_HIDDEN] = {.id = "n7",
                          .name = "hidden",
                          .driver = "bridge",
                          .bridge = "br-7",
                          .gateway4 = NG_GATEWAY_ROUTED},
    [FIXTURE_N_INGRESS] = {.id = "n2", .name = "ingress", .driver = "overlay", .ingress = true},
    [FIXTURE_N_LAN] = {.id = "n3", .name = "lan", .driver = "macvlan", .parent = "eth0"},
    [FIXTURE_N_ROUTES] = {.id = "n4",
                          .name = "routes",
                          .driver = "bridge",
                          .bridge = "br-4",
                          .ipv6 = true,
                          .gateway4 = NG_GATEWAY_NAT_UNPROTECTED,
                          .gateway6 = NG_GATEWAY_ROUTED},
    [FIXTURE_N_SECRET] = {.id = "n5", .name = "secret", .driver = "overlay", .encrypted = true},
    [FIXTURE_N_SHOP] = {.id = "n6", .name = "shop_back", .driver = "overlay", .attachable = true},
};

static const struct ng_open_api fixture_open_apis[] = {
    {.addr = FIXTURE_ADDR4(0, 0, 0, 0), .port = 2375},
    {.addr = FIXTURE_ADDR4(192, 0, 2, 1), .port = 2376, .tls = true},
};
static const struct ng_registry fixture_registries[] = {{"10.0.0.0/8"}, {"reg:5000"}};

static const struct ng_addr fixture_peers[] = {
    FIXTURE_ADDR4(192, 0, 2, 2),
    {.family = NG_IP6, .value = (ng_u128)0x20010db8 << 96 | 1},
};

static const struct ng_engine fixture_manager = {
    .endpoint = "unix:///run/docker.sock",
    .version = "28.5.2",
    .api_version = "1.51",
    .name = "node-1",
    .firewall_backend = "iptables",
    .swarm = true,
    .manager = true,
    .node_addr = FIXTURE_ADDR4(192, 0, 2, 1),
    .peers = fixture_peers,
    .n_peers = ARRAY_SIZE(fixture_peers),
    .userns = true,
    .containers = fixture_e_containers,
    .n_containers = ARRAY_SIZE(fixture_e_containers),
    .networks = fixture_e_networks,
    .n_networks = ARRAY_SIZE(fixture_e_networks),
    .open_apis = fixture_open_apis,
    .n_open_apis = ARRAY_SIZE(fixture_open_apis),
    .insecure_registries = fixture_registries,
    .n_insecure_registries = ARRAY_SIZE(fixture_registries),
};
static const struct ng_world fixture_manager_world = {
    .host = "node-1",
    .engines = &fixture_manager,
    .n_engines = 1,
};

/* -- exposures ----------------------------------------------------------------------- */

static const struct ng_reach fixture_open[] = {
    {.zone = "public", .interface = "eth0", .verdict = NG_REACHABLE, .sources = {fixture_all4, 1}}};
static const struct ng_reach fixture_doubt[] = {
    {.zone = "public", .interface = "eth0", .verdict = NG_UNKNOWN, .maybe = {fixture_all4, 1}},
    {.zone = "office", .interface = "wg0", .verdict = NG_REACHABLE, .sources = {fixture_all4, 1}}};

static const struct ng_endpoint fixture_service_on[] = {{.network = "ingress", .network_id = ""}};
static const struct ng_container fixture_service = {.id = "",
                                                    .name = "shop_web",
                                                    .image = "",
                                                    .service = "shop_web",
                                                    .stack = "shop",
                                                    .network_mode = "",
                                                    FIXTURE_ON(fixture_service_on)};

#define FIXTURE_OWN_PORT(id_, proto_, port_, role_, ways_)                                         \
    {                                                                                              \
        .id = (id_), .kind = NG_KIND_HOST, .family = NG_IP4, .proto = (proto_),                    \
        .host_addr = FIXTURE_ADDR4(0, 0, 0, 0), .host_port = (port_),                              \
        .process = (proto_) == NG_TCP ? "dockerd" : NULL, .role = (role_), .paths = NG_PATH_LOCAL, \
        FIXTURE_REACH(ways_)                                                                       \
    }

enum {
    FIXTURE_X_CAMERA,
    FIXTURE_X_DIRECT,
    FIXTURE_X_INGRESS,
    FIXTURE_X_INGRESS_BARE,
    FIXTURE_X_API,
    FIXTURE_X_API_TLS,
    FIXTURE_X_MANAGEMENT,
    FIXTURE_X_GOSSIP,
    FIXTURE_X_DATA_PATH,
    FIXTURE_X_ESP,
};
static const struct ng_exposure fixture_e_exposures[] = {
    [FIXTURE_X_CAMERA] = {.id = "e0",
                          .kind = NG_KIND_L2,
                          .family = NG_IP4,
                          .proto = NG_TCP,
                          .container = &fixture_e_containers[FIXTURE_E_CAMERA],
                          .container_addr = FIXTURE_ADDR4(192, 0, 2, 50),
                          .container_port = 80,
                          .paths = NG_PATH_L2,
                          FIXTURE_REACH(fixture_open)},
    [FIXTURE_X_DIRECT] = {.id = "e1",
                          .kind = NG_KIND_DIRECT,
                          .family = NG_IP4,
                          .proto = NG_TCP,
                          .container = &fixture_e_containers[FIXTURE_E_REDIS],
                          .container_addr = FIXTURE_ADDR4(172, 17, 0, 2),
                          .container_port = 6379,
                          .paths = NG_PATH_ROUTE,
                          FIXTURE_REACH(fixture_open)},
    [FIXTURE_X_INGRESS] = {.id = "e2",
                           .kind = NG_KIND_INGRESS,
                           .family = NG_IP4,
                           .proto = NG_TCP,
                           .host_addr = FIXTURE_ADDR4(0, 0, 0, 0),
                           .host_port = 8080,
                           .container = &fixture_service,
                           .container_port = 80,
                           .paths = NG_PATH_DNAT | NG_PATH_IPVS,
                           FIXTURE_REACH(fixture_open)},
    [FIXTURE_X_INGRESS_BARE] = {.id = "e3",
                                .kind = NG_KIND_INGRESS,
                                .family = NG_IP4,
                                .proto = NG_UDP,
                                .host_addr = FIXTURE_ADDR4(0, 0, 0, 0),
                                .host_port = 53,
                                .container = &fixture_service,
                                .paths = NG_PATH_DNAT | NG_PATH_IPVS,
                                FIXTURE_REACH(fixture_reach_blocked)},
    [FIXTURE_X_API] = FIXTURE_OWN_PORT("e4", NG_TCP, 2375, NG_ROLE_DOCKER_API, fixture_open),
    [FIXTURE_X_API_TLS] = {.id = "e5",
                           .kind = NG_KIND_HOST,
                           .family = NG_IP4,
                           .proto = NG_TCP,
                           .host_addr = FIXTURE_ADDR4(0, 0, 0, 0),
                           .host_port = 2376,
                           .process = "dockerd",
                           .role = NG_ROLE_DOCKER_API_TLS,
                           .unverified = true,
                           .paths = NG_PATH_LOCAL,
                           FIXTURE_REACH(fixture_reach_blocked)},
    [FIXTURE_X_MANAGEMENT] =
        FIXTURE_OWN_PORT("e6", NG_TCP, 2377, NG_ROLE_SWARM_MANAGEMENT, fixture_open),
    [FIXTURE_X_GOSSIP] = FIXTURE_OWN_PORT("e7", NG_TCP, 7946, NG_ROLE_SWARM_GOSSIP, fixture_open),
    [FIXTURE_X_DATA_PATH] =
        FIXTURE_OWN_PORT("e8", NG_UDP, 4789, NG_ROLE_SWARM_DATA_PATH, fixture_doubt),
    [FIXTURE_X_ESP] = FIXTURE_OWN_PORT("e9", NG_ESP, 0, NG_ROLE_SWARM_DATA_PATH, fixture_open),
};

static const struct ng_port fixture_redis_ports[] = {{6379, NG_TCP}, {16379, NG_TCP}};
static const struct ng_talk fixture_talks[] = {
    {.from = &fixture_e_containers[FIXTURE_E_APP],
     .to = &fixture_e_containers[FIXTURE_E_REDIS],
     .alias = "cache",
     .network = "bridge",
     .ports = fixture_redis_ports,
     .n_ports = 1,
     .verdict = NG_REACHABLE,
     .opens = true},
};

static inline struct ng_result fixture_manager_result(void) {
    return (struct ng_result){
        .world = &fixture_manager_world,
        .complete = true,
        .exposures = fixture_e_exposures,
        .n_exposures = ARRAY_SIZE(fixture_e_exposures),
        .talks = fixture_talks,
        .n_talks = ARRAY_SIZE(fixture_talks),
    };
}

#endif
