/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TESTS_FIXTURE_RESULT_H
#define NETGUARD_TESTS_FIXTURE_RESULT_H

/* A result made by hand, for the tests of what is printed: Redis published past ufw over IPv4
 * (DNAT) and IPv6 (docker-proxy), a port range that a rule keeps one network out of, a port
 * on 127.0.0.1, a service in the host's network, sshd, a sidecar and a linked container. */

#include "netguard/judge.h"

#define FIXTURE_ADDR4(a, b, c, d)                                                                  \
    { .family = NG_IP4, .value = (ng_u128)(a) << 24 | (b) << 16 | (c) << 8 | (d) }
#define FIXTURE_ANY6                                                                               \
    { .family = NG_IP6, .value = 0 }
#define FIXTURE_REDIS_ID "1111111111111111111111111111111111111111111111111111111111111111"
#define FIXTURE_STS_ID   "2222222222222222222222222222222222222222222222222222222222222222"

static const struct ng_interval fixture_all4[] = {{0, 0xffffffff}};
static const struct ng_interval fixture_all6[] = {{0, ~(ng_u128)0}};
/* All but 203.0.113.0/24. */
static const struct ng_interval fixture_most4[] = {{0, 0xcb0070ff}, {0xcb007200, 0xffffffff}};

static const struct ng_endpoint fixture_on_bridge[] = {
    {.network = "bridge", .network_id = "", .addr4 = FIXTURE_ADDR4(172, 17, 0, 2)},
};
static const struct ng_link_to fixture_links[] = {{.to = "redis", .alias = "db"}};

/* Sorted by name. */
enum {
    FIXTURE_ADMIN,
    FIXTURE_APP,
    FIXTURE_EXPORTER,
    FIXTURE_REDIS,
    FIXTURE_SIDECAR,
    FIXTURE_STS,
};
static const struct ng_container fixture_containers[] = {
    [FIXTURE_ADMIN] = {.id = "aa", .name = "admin", .image = "admin:1", .network_mode = "default"},
    [FIXTURE_APP] = {.id = "bb",
                     .name = "app",
                     .image = "app:1",
                     .network_mode = "default",
                     .links = fixture_links,
                     .n_links = ARRAY_SIZE(fixture_links)},
    [FIXTURE_EXPORTER] = {.id = "cc",
                          .name = "node-exporter",
                          .image = "exporter:1",
                          .network_mode = "host"},
    [FIXTURE_REDIS] = {.id = FIXTURE_REDIS_ID,
                       .name = "redis",
                       .image = "redis:7",
                       .network_mode = "default",
                       .endpoints = fixture_on_bridge,
                       .n_endpoints = ARRAY_SIZE(fixture_on_bridge)},
    [FIXTURE_SIDECAR] = {.id = "dd",
                         .name = "sidecar",
                         .image = "proxy:1",
                         .network_mode = "container:" FIXTURE_STS_ID,
                         .network_of = FIXTURE_STS_ID},
    [FIXTURE_STS] = {.id = FIXTURE_STS_ID,
                     .name = "sts",
                     .image = "sts:1",
                     .service = "orders_sts",
                     .stack = "orders",
                     .network_mode = "orders"},
};

static const struct ng_engine fixture_engines[] = {
    {.endpoint = "unix:///var/run/docker.sock",
     .version = "20.10.24",
     .api_version = "1.41",
     .name = "web-1",
     .containers = fixture_containers,
     .n_containers = ARRAY_SIZE(fixture_containers)},
};

static const struct ng_world fixture_world = {
    .host = "web-1",
    .time_s = 1791036131, /* 2026-10-03 14:02:11 UTC */
    .engines = fixture_engines,
    .n_engines = ARRAY_SIZE(fixture_engines),
};

static const struct ng_decider fixture_docker_accept = {
    .table = "ip filter",
    .chain = "DOCKER",
    .handle = 12,
    .rule = "iifname != \"docker0\" oifname \"docker0\" ip daddr 172.17.0.2 tcp dport 6379 accept",
};
static const struct ng_decider fixture_input_policy = {
    .table = "ip6 filter",
    .chain = "INPUT",
    .rule = "policy accept",
};
static const struct ng_decider fixture_user_drop = {
    .table = "ip filter",
    .chain = "DOCKER-USER",
    .handle = 40,
    .rule = "ip saddr 203.0.113.0/24 drop",
};

static const struct ng_reach fixture_reach_redis4[] = {
    {.zone = "public",
     .interface = "eth0",
     .verdict = NG_REACHABLE,
     .sources = {fixture_all4, 1},
     .decided_by = &fixture_docker_accept,
     .deciders = &fixture_docker_accept,
     .n_deciders = 1},
    {.zone = "public",
     .interface = "eth1",
     .verdict = NG_REACHABLE,
     .sources = {fixture_all4, 1},
     .decided_by = &fixture_docker_accept,
     .deciders = &fixture_docker_accept,
     .n_deciders = 1},
};
static const struct ng_reach fixture_reach_redis6[] = {
    {.zone = "public",
     .interface = "eth0",
     .verdict = NG_REACHABLE,
     .sources = {fixture_all6, 1},
     .decided_by = &fixture_input_policy,
     .deciders = &fixture_input_policy,
     .n_deciders = 1},
};
static const char *const fixture_unsure[] = {"xt match \"bpf\""};
static const struct ng_reach fixture_reach_sts[] = {
    {.zone = "public",
     .interface = "eth0",
     .verdict = NG_PARTLY,
     .sources = {fixture_most4, ARRAY_SIZE(fixture_most4)},
     .decided_by = &fixture_docker_accept,
     .deciders = &fixture_user_drop,
     .n_deciders = 1},
};
static const struct ng_reach fixture_reach_blocked[] = {
    {.zone = "public", .interface = "eth0", .verdict = NG_BLOCKED},
};
static const struct ng_port_range fixture_source_ports[] = {{53, 53}, {1024, 65535}};
static const struct ng_reach fixture_reach_exporter[] = {
    {.zone = "public",
     .interface = "eth0",
     .verdict = NG_UNKNOWN,
     .maybe = {fixture_all4, 1},
     .source_ports = fixture_source_ports,
     .n_source_ports = ARRAY_SIZE(fixture_source_ports),
     .unsure = {fixture_unsure, ARRAY_SIZE(fixture_unsure)}},
};
static const struct ng_reach fixture_reach_sshd[] = {
    {.zone = "public", .interface = "eth0", .verdict = NG_REACHABLE, .sources = {fixture_all4, 1}},
};

#define FIXTURE_REACH(reaches) .reach = (reaches), .n_reach = ARRAY_SIZE(reaches)

enum {
    FIXTURE_X_ADMIN,
    FIXTURE_X_EXPORTER,
    FIXTURE_X_REDIS4,
    FIXTURE_X_REDIS6,
    FIXTURE_X_STS1,
    FIXTURE_X_STS2,
    FIXTURE_X_STS3,
    FIXTURE_X_SSHD,
};

#define FIXTURE_STS_EXPOSURE(digit, port)                                                          \
    {                                                                                              \
        .id = "000000000000000" digit, .kind = NG_KIND_PUBLISHED, .family = NG_IP4,                \
        .proto = NG_TCP, .host_addr = FIXTURE_ADDR4(0, 0, 0, 0), .host_port = (port),              \
        .container = &fixture_containers[FIXTURE_STS],                                             \
        .container_addr = FIXTURE_ADDR4(172, 18, 0, 2), .container_port = (port),                  \
        .paths = NG_PATH_DNAT | NG_PATH_PROXY, FIXTURE_REACH(fixture_reach_sts)                    \
    }

static const struct ng_exposure fixture_exposures[] = {
    [FIXTURE_X_ADMIN] = {.id = "0000000000000001",
                         .kind = NG_KIND_PUBLISHED,
                         .family = NG_IP4,
                         .proto = NG_TCP,
                         .host_addr = FIXTURE_ADDR4(127, 0, 0, 1),
                         .host_port = 8080,
                         .container = &fixture_containers[FIXTURE_ADMIN],
                         .container_addr = FIXTURE_ADDR4(172, 17, 0, 4),
                         .container_port = 80,
                         .paths = NG_PATH_DNAT,
                         FIXTURE_REACH(fixture_reach_blocked)},
    [FIXTURE_X_EXPORTER] = {.id = "0000000000000002",
                            .kind = NG_KIND_HOST_NETWORK,
                            .family = NG_IP4,
                            .proto = NG_UDP,
                            .host_addr = FIXTURE_ADDR4(0, 0, 0, 0),
                            .host_port = 9100,
                            .container = &fixture_containers[FIXTURE_EXPORTER],
                            .process = "exporter",
                            .paths = NG_PATH_LOCAL,
                            FIXTURE_REACH(fixture_reach_exporter)},
    [FIXTURE_X_REDIS4] = {.id = "0000000000000003",
                          .kind = NG_KIND_PUBLISHED,
                          .family = NG_IP4,
                          .proto = NG_TCP,
                          .host_addr = FIXTURE_ADDR4(0, 0, 0, 0),
                          .host_port = 6379,
                          .container = &fixture_containers[FIXTURE_REDIS],
                          .container_addr = FIXTURE_ADDR4(172, 17, 0, 2),
                          .container_port = 6379,
                          .paths = NG_PATH_DNAT,
                          .ufw = NG_FIREWALL_BYPASSED,
                          FIXTURE_REACH(fixture_reach_redis4)},
    [FIXTURE_X_REDIS6] = {.id = "0000000000000004",
                          .kind = NG_KIND_PUBLISHED,
                          .family = NG_IP6,
                          .proto = NG_TCP,
                          .host_addr = FIXTURE_ANY6,
                          .host_port = 6379,
                          .container = &fixture_containers[FIXTURE_REDIS],
                          .container_addr = FIXTURE_ADDR4(172, 17, 0, 2),
                          .container_port = 6379,
                          .paths = NG_PATH_PROXY,
                          .ufw = NG_FIREWALL_HONOURED,
                          FIXTURE_REACH(fixture_reach_redis6)},
    [FIXTURE_X_STS1] = FIXTURE_STS_EXPOSURE("5", 8443),
    [FIXTURE_X_STS2] = FIXTURE_STS_EXPOSURE("6", 8444),
    [FIXTURE_X_STS3] = FIXTURE_STS_EXPOSURE("7", 8445),
    [FIXTURE_X_SSHD] = {.id = "0000000000000008",
                        .kind = NG_KIND_HOST,
                        .family = NG_IP4,
                        .proto = NG_TCP,
                        .host_addr = FIXTURE_ADDR4(0, 0, 0, 0),
                        .host_port = 22,
                        .process = "sshd",
                        .paths = NG_PATH_LOCAL,
                        FIXTURE_REACH(fixture_reach_sshd)},
};

static const char *const fixture_public[] = {"public"};
#define FIXTURE_REDIS_FIX                                                                          \
    "publish it on one address only: -p 127.0.0.1:6379:6379\n"                                     \
    "or drop the -p: containers on the same network reach it without"

static const struct ng_finding fixture_findings[] = {
    {.id = "NG001",
     .key = "aaaaaaaaaaaaaaa1",
     .rule = "no-stores",
     .severity = NG_CRITICAL,
     .action = NG_BLOCK,
     .exposure = &fixture_exposures[FIXTURE_X_REDIS4],
     .subject = "redis",
     .zones = {fixture_public, 1},
     .message = "redis is reachable from public on 6379/tcp, a port of @databases",
     .fix = FIXTURE_REDIS_FIX},
    {.id = "NG001",
     .key = "aaaaaaaaaaaaaaa2",
     .rule = "no-stores",
     .severity = NG_CRITICAL,
     .action = NG_BLOCK,
     .exposure = &fixture_exposures[FIXTURE_X_REDIS6],
     .subject = "redis",
     .zones = {fixture_public, 1},
     .message = "redis is reachable from public on 6379/tcp, a port of @databases",
     .fix = FIXTURE_REDIS_FIX},
    {.id = "NG002",
     .key = "aaaaaaaaaaaaaaa3",
     .rule = "default",
     .severity = NG_HIGH,
     .action = NG_ALERT,
     .state = NG_EXCEPTED,
     .exposure = &fixture_exposures[FIXTURE_X_EXPORTER],
     .subject = "node-exporter",
     .zones = {fixture_public, 1},
     .message = "no rule allows 9100/udp",
     .fix = "add a rule that allows it"},
};

static inline struct ng_result fixture_result(void) {
    return (struct ng_result){
        .world = &fixture_world,
        .complete = true,
        .exposures = fixture_exposures,
        .n_exposures = ARRAY_SIZE(fixture_exposures),
        .findings = fixture_findings,
        .n_findings = ARRAY_SIZE(fixture_findings),
    };
}

#endif
