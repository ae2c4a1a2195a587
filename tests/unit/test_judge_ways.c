/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ways to a container beside published ports: its own address, the LAN, the swarm, links; and the
 * engine's own ports. */
#include "tests/unit/fixture_host.h"

#define BOTH_LINKS(verdict) "[public eth0 " verdict "] [public eth1 " verdict "]\n"

/* -- a container's own address --------------------------------------------------------- */

static const struct ng_port redis_port[] = {{6379, NG_TCP}};

static struct ng_container *add_redis(struct host *host) {
    struct ng_container *container = add_container(host, ID_A, "redis");
    container->exposed = redis_port;
    container->n_exposed = 1;
    host->shows_direct = true;
    return container;
}

static void test_direct(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: no-redis, deny: [6379]}]\n");
    (void)state;
    add_redis(host);
    assert_string_equal(exposures_text(host), ""); /* forward drops it: nothing to tell */
    assert_string_equal(findings_text(host), "");
    RULE(host->lab, host->forward, from(host->lab, "10.0.0.0/8"), ACCEPT);
    assert_string_equal(exposures_text(host),
                        "direct tcp 172.17.0.2:0 redis:6379 route [public eth0 partly 10.0.0.0/8] "
                        "[public eth1 partly 10.0.0.0/8]\n");
    assert_string_equal(findings_text(host), "NG001 no-redis high alert open redis:0 public\n");
    assert_non_null(strstr(host->result->findings[0].message, "at its own address 172.17.0.2,"));
    assert_non_null(strstr(host->result->findings[0].fix, "FORWARD"));
}

/* A rule before the one that forwards may stop it, or send it elsewhere. */
static void test_direct_is_stopped_early(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    add_redis(host);
    RULE(host->lab, host->forward, ACCEPT);
    uint32_t raw = filter_chain(host->lab, NG_HOOK_PREROUTING, -300, false);
    RULE(host->lab, raw, to(host->lab, "172.17.0.2"), named(host->lab, NG_FIELD_IIFNAME, "eth0"),
         DROP);
    assert_string_equal(exposures_text(host), "direct tcp 172.17.0.2:0 redis:6379 route [public "
                                              "eth0 blocked ] [public eth1 reachable all]\n");
    RULE(host->lab, host->nat, to(host->lab, "172.17.0.2"), dnat(host->lab, "172.17.0.9", 0));
    assert_string_equal(exposures_text(host), "");
}

static void test_direct_ports(void **state) {
    _host_ host = host_new(QUIET);
    static const struct ng_listener inside[] = {
        {.addr = {.family = NG_IP4}, .port = 53, .proto = NG_UDP},
        {.addr = {.family = NG_IP4}, .port = 6379, .proto = NG_TCP},
        {.addr = {.family = NG_IP4, .value = 0xac110003}, .port = 99, .proto = NG_TCP},
        {.addr = {.family = NG_IP6}, .port = 100, .proto = NG_TCP, .v6only = true},
        {.addr = {.family = NG_IP6}, .port = 101, .proto = NG_TCP},
    };
    (void)state;
    struct ng_container *container = add_redis(host);
    container->listeners = inside;
    container->n_listeners = ARRAY_SIZE(inside);
    RULE(host->lab, host->forward, ACCEPT);
    /* 99 is not at its address, 100 not of its family. */
    assert_string_equal(
        exposures_text(host),
        "direct tcp 172.17.0.2:0 redis:101 route " BOTH_LINKS(
            "reachable all") "direct tcp 172.17.0.2:0 redis:6379 "
                             "route " BOTH_LINKS("reachable all") "direct "
                                                                  "udp "
                                                                  "172.17.0."
                                                                  "2:0 "
                                                                  "redis:53 "
                                                                  "route"
                                                                  " " BOTH_LINKS("reachable all"));
}

static void test_direct_ip6(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    struct ng_container *container = add_redis(host);
    ((struct ng_endpoint *)container->endpoints)->addr6 = addr("fd00::2");
    uint32_t ip6 = base_chain(host->lab, table(host->lab, NG_TABLE_IP, "only4"), "FORWARD",
                              NG_HOOK_FORWARD, NG_CHAIN_FILTER, 1, true);
    (void)ip6;
    RULE(host->lab, host->forward, ACCEPT);
    judge(host);
    assert_int_equal(host->result->n_exposures, 1);
    assert_int_equal(host->result->exposures[0].family, NG_IP6);
    assert_int_equal(host->result->exposures[0].reach[0].verdict, NG_REACHABLE);
}

/* The one who gets in by the second address is told of by that address. */
static void test_several_addresses(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    struct ng_container *container = add_redis(host);
    struct ng_endpoint both[] = {{.network = "a", .network_id = "", .addr4 = addr("172.17.0.2")},
                                 {.network = "b", .network_id = "", .addr4 = addr("172.17.0.3")}};
    container->endpoints = both;
    container->n_endpoints = 2;
    RULE(host->lab, host->forward, to(host->lab, "172.17.0.3"), ACCEPT);
    assert_string_equal(exposures_text(host),
                        "direct tcp 172.17.0.3:0 redis:6379 route " BOTH_LINKS("reachable all"));
}

/* What the guard closes stays in sight. */
static void test_direct_behind_the_guard(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: no-redis, deny: [6379], action: block}]\n");
    (void)state;
    add_redis(host);
    uint32_t guard = base_chain(host->lab, table(host->lab, NG_TABLE_INET, "netguard"), "forward",
                                NG_HOOK_FORWARD, NG_CHAIN_FILTER, -10, false);
    RULE(host->lab, guard, dport(host->lab, 6379), DROP);
    RULE(host->lab, host->forward, ACCEPT);
    assert_string_equal(exposures_text(host),
                        "direct tcp 172.17.0.2:0 redis:6379 route " BOTH_LINKS("blocked "));
    assert_string_equal(findings_text(host), "NG001 no-redis high block blocked redis:0 public\n");
}

/* What is to be done depends on what opens the address. */
static void test_gateway_modes(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: no-redis, deny: [6379]}]\n");
    (void)state;
    add_redis(host);
    RULE(host->lab, host->forward, ACCEPT);
    judge(host);
    assert_non_null(strstr(host->result->findings[0].fix, "from 28 on"));
    host->network.gateway4 = NG_GATEWAY_ROUTED;
    judge(host);
    assert_null(strstr(host->result->findings[0].fix, "from 28 on"));
    assert_non_null(
        strstr(host->result->findings[0].fix, "network bridge is in gateway mode routed"));
}

/* One port by two ways is two exposures and one finding. */
static void test_published_and_direct(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: no-redis, deny: [6379]}]\n");
    (void)state;
    add_container(host, ID_A, "redis");
    publish(host, "0.0.0.0", 16379, 6379);
    assert_string_equal(findings_text(host), "NG001 no-redis high alert open redis:16379 public\n");
    assert_int_equal(host->result->n_exposures, 2);
    assert_non_null(strstr(host->result->findings[0].message, "so is the container's own address"));
}

/* Containers of one engine do not route to each other; rootless ones nobody reaches so. */
static void test_nobody_routes_there(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: a, deny: [6379], from: [containers]}]\n");
    (void)state;
    add_redis(host);
    RULE(host->lab, host->forward, ACCEPT);
    assert_string_equal(exposures_text(host),
                        "direct tcp 172.17.0.2:0 redis:6379 route " BOTH_LINKS("reachable all"));
    host->engine.rootless = true;
    assert_string_equal(exposures_text(host), "");
}

/* -- on the LAN ------------------------------------------------------------------------ */

static void test_on_the_lan(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: no-redis, deny: [6379]}]\n");
    const char *devices[] = {"eth1"};
    (void)state;
    add_redis(host);
    host->network.driver = "macvlan";
    host->network.parent = "eth1";
    /* Neither forward nor input sees it. */
    RULE(host->lab, host->input, DROP);
    assert_string_equal(exposures_text(host),
                        "l2 tcp 172.17.0.2:0 redis:6379 l2 [public eth1 reachable all]\n");
    assert_string_equal(findings_text(host), "NG001 no-redis high alert open redis:0 public\n");
    assert_non_null(strstr(host->result->findings[0].fix, "ingress of eth1"));
    assert_true(host->result->complete);

    uint32_t ingress = base_chain(host->lab, table(host->lab, NG_TABLE_NETDEV, "t"), "c",
                                  NG_HOOK_INGRESS, NG_CHAIN_FILTER, 0, false);
    host->lab->chains[ingress].devices = devices;
    host->lab->chains[ingress].n_devices = 1;
    RULE(host->lab, ingress, from(host->lab, "10.0.0.0/8"), DROP);
    assert_string_equal(exposures_text(host), "l2 tcp 172.17.0.2:0 redis:6379 l2 [public eth1 "
                                              "partly 0.0.0.0-9.255.255.255,11.0.0.0-"
                                              "255.255.255.255]\n");
}

static void test_on_a_lan_that_is_not_here(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    add_redis(host);
    host->network.driver = "ipvlan";
    host->network.parent = "eth9";
    assert_string_equal(exposures_text(host), "");
    assert_false(host->result->complete);
    assert_non_null(strstr(host->result->gaps[0].reason, "stands on eth9"));
    host->network.parent = NULL; /* internal: on no link at all */
    assert_true(judge(host)->complete);
}

/* Of a task on an overlay network the address that ports lead to is that on the gateway bridge. */
static void test_a_task_on_an_overlay(void **state) {
    _host_ host = host_new(QUIET);
    struct ng_network networks[] = {
        {.id = "", .name = "a", .driver = "overlay"},
        {.id = "", .name = "docker_gwbridge", .driver = "bridge", .bridge = "docker0"}};
    struct ng_endpoint both[] = {
        {.network = "a", .network_id = "", .addr4 = addr("10.0.1.4")},
        {.network = "docker_gwbridge", .network_id = "", .addr4 = addr("172.17.0.2")}};
    (void)state;
    add_redis(host);
    publish(host, "0.0.0.0", 16379, 6379);
    host->engine.networks = networks;
    host->engine.n_networks = 2;
    host->containers[0].endpoints = both;
    host->containers[0].n_endpoints = 2;
    assert_string_equal(exposures_text(host),
                        "published tcp 0.0.0.0:16379 redis:6379 dnat " BOTH_LINKS(
                            "reachable all") "direct tcp 172.17.0.2:0 redis:6379 "
                                             "route " BOTH_LINKS("reachable all"));
    assert_int_equal(host->result->exposures[0].container_addr.value, 0xac110002);
}

/* -- the swarm ------------------------------------------------------------------------- */

static const struct ng_ingress_port web_port[] = {{NG_TCP, 8080, 80}};

static void ingress_rule(struct host *host, uint16_t port) {
    uint32_t own = table(host->lab, NG_TABLE_IP, "nat");
    uint32_t base =
        base_chain(host->lab, own, "PREROUTING", NG_HOOK_PREROUTING, NG_CHAIN_NAT, -100, false);
    uint32_t ingress = chain(host->lab, own, "DOCKER-INGRESS");
    RULE(host->lab, base, JUMP(ingress));
    RULE(host->lab, ingress, is(host->lab, NG_FIELD_L4PROTO, NG_TCP), dport(host->lab, port),
         dnat(host->lab, "172.17.0.200", port));
}

static void test_ingress_of_a_worker(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: edge, deny: [8080]}]\n");
    (void)state;
    host->engine.swarm = true;
    ingress_rule(host, 8080);
    assert_string_equal(
        exposures_text(host),
        "ingress tcp 0.0.0.0:8080 a service of the swarm:0 dnat ipvs " BOTH_LINKS("blocked "));
    RULE(host->lab, host->forward, to(host->lab, "172.17.0.200"), ACCEPT);
    assert_string_equal(
        exposures_text(host),
        "ingress tcp 0.0.0.0:8080 a service of the swarm:0 dnat ipvs " BOTH_LINKS("reachable all"));
    assert_string_equal(findings_text(host),
                        "NG001 edge high alert open a service of the swarm:8080 public\n");
    assert_non_null(strstr(host->result->findings[0].message, "on every address of every node"));
    assert_non_null(strstr(host->result->findings[0].fix, "mode=host,published=8080"));
}

static void test_ingress_with_its_service(void **state) {
    _host_ host =
        host_new("version: 1\nrules:\n- {id: web, allow: [\"8080->80\"], to: {service: shop_web}}\n"
                 "default: alert\n");
    const struct ng_service service = {
        .name = "shop_web", .stack = "shop", .ports = web_port, .n_ports = 1};
    (void)state;
    host->engine.swarm = true;
    host->engine.services = &service;
    host->engine.n_services = 1;
    ingress_rule(host, 8080);
    RULE(host->lab, host->forward, ACCEPT);
    /* The engine's socket keeps the port from others and serves nobody, of neither family. */
    listen_on(host, "::", 8080, "dockerd", NULL);
    assert_string_equal(
        exposures_text(host),
        "ingress tcp 0.0.0.0:8080 shop_web:80 dnat ipvs " BOTH_LINKS("reachable all"));
    assert_string_equal(findings_text(host), "");
    /* Somebody else's on IPv6 is another thing. */
    host->listeners[0].process = "nginx";
    host->listeners[0].v6only = true;
    judge(host);
    assert_int_equal(host->result->n_exposures, 2);
}

/* A worker is not told of what protocol a port is: the rule knows. */
static void test_ingress_without_protocol(void **state) {
    _host_ host = host_new(QUIET);
    const struct ng_ingress_port ports[] = {{0, 53, 5353}, {0, 8080, 80}};
    const struct ng_service service = {.name = "dns", .ports = ports, .n_ports = ARRAY_SIZE(ports)};
    (void)state;
    host->engine.swarm = true;
    host->engine.services = &service;
    host->engine.n_services = 1;
    ingress_rule(host, 53);
    uint32_t ingress = (uint32_t)host->lab->ruleset.n_chains - 1;
    RULE(host->lab, ingress, is(host->lab, NG_FIELD_L4PROTO, NG_UDP), dport(host->lab, 53),
         dnat(host->lab, "172.17.0.200", 53));
    RULE(host->lab, host->forward, ACCEPT);
    assert_string_equal(
        exposures_text(host),
        "ingress tcp 0.0.0.0:53 dns:5353 dnat ipvs " BOTH_LINKS(
            "reachable all") "ingress tcp 0.0.0.0:8080 dns:80 " BOTH_LINKS("blocked ") "ingress "
                                                                                       "udp "
                                                                                       "0.0.0.0:53 "
                                                                                       "dns:5353 "
                                                                                       "dnat "
                                                                                       "ipvs"
                                                                                       " " BOTH_LINKS(
                                                                                           "reachab"
                                                                                           "le "
                                                                                           "all"));
}

static void test_swarm_ports(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: cluster, deny: [\"@cluster\"]}]\n");
    (void)state;
    host->engine.swarm = host->engine.manager = true;
    listen_on(host, "0.0.0.0", 2377, "dockerd", NULL);
    listen_on(host, "0.0.0.0", 7946, "dockerd", NULL);
    listen_on(host, "0.0.0.0", 7946, NULL, NULL);
    host->listeners[2].proto = NG_UDP;
    listen_on(host, "0.0.0.0", 4789, NULL, NULL);
    host->listeners[3].proto = NG_UDP;
    assert_string_equal(exposures_text(host),
                        "host tcp 0.0.0.0:2377 swarm-management local " BOTH_LINKS("reachable all") "host tcp 0.0.0.0:7946 swarm-gossip local " BOTH_LINKS(
                            "reachable all") "host udp 0.0.0.0:4789 swarm-data-path "
                                             "local " BOTH_LINKS("reachable all") "host udp "
                                                                                  "0.0.0.0:7946 "
                                                                                  "swarm-gossip "
                                                                                  "local"
                                                                                  " " BOTH_LINKS(
                                                                                      "r"
                                                                                      "e"
                                                                                      "a"
                                                                                      "c"
                                                                                      "h"
                                                                                      "a"
                                                                                      "b"
                                                                                      "l"
                                                                                      "e"
                                                                                      " "
                                                                                      "a"
                                                                                      "l"
                                                                                      "l"));
    judge(host);
    assert_int_equal(host->result->n_findings, 4);
    /* A data path of its own, and a worker: */
    host->engine.data_path_port = 5000;
    host->engine.manager = false;
    judge(host);
    assert_int_equal(host->result->exposures[0].role, NG_ROLE_NONE);
    assert_int_equal(host->result->exposures[2].role, NG_ROLE_NONE);
    host->listeners[3].port = 5000;
    judge(host);
    assert_int_equal(host->result->exposures[2].role, NG_ROLE_SWARM_DATA_PATH);
}

static void test_encrypted_data_path(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    host->engine.swarm = true;
    host->network.driver = "overlay";
    host->network.encrypted = true;
    assert_string_equal(exposures_text(host), ""); /* nobody is on it */
    add_container(host, ID_A, "web");
    assert_string_equal(exposures_text(host),
                        "host esp 0.0.0.0:0 swarm-data-path local " BOTH_LINKS("reachable all"));
    RULE(host->lab, host->input, is(host->lab, NG_FIELD_L4PROTO, NG_ESP), DROP);
    assert_string_equal(exposures_text(host),
                        "host esp 0.0.0.0:0 swarm-data-path local " BOTH_LINKS("blocked "));
}

/* -- the engine's API ------------------------------------------------------------------ */

static void test_api(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: api, deny: [\"@docker-api\"]}]\n");
    const struct ng_open_api apis[] = {
        {.addr = {.family = NG_IP6}, .port = 2375},
        {.addr = {.family = NG_IP4, .value = 0x0a000001}, .port = 2376, .tls = true},
    };
    (void)state;
    host->engine.open_apis = apis;
    host->engine.n_open_apis = ARRAY_SIZE(apis);
    listen_on(host, "0.0.0.0", 2375, "dockerd", NULL);
    listen_on(host, "10.0.0.1", 2376, "dockerd", NULL);
    listen_on(host, "192.0.2.1", 2376, "dockerd", NULL);
    listen_on(host, "192.0.2.1", 2375, "nginx", NULL);
    assert_string_equal(
        exposures_text(host), "host tcp 0.0.0.0:2375 docker-api local " BOTH_LINKS("reachable all") "host tcp 192.0.2.1:2375 local " BOTH_LINKS(
                                  "reachable all") "host tcp 10.0.0.1:2376 "
                                                   "docker-api-tls unverified "
                                                   "local " BOTH_LINKS(
                                                       "reachable "
                                                       "all") "host"
                                                              " tcp"
                                                              " 192"
                                                              ".0."
                                                              "2.1:"
                                                              "2376"
                                                              " doc"
                                                              "ker-"
                                                              "api-"
                                                              "tls "
                                                              "loca"
                                                              "l"
                                                              " " BOTH_LINKS("reachable all"));
    judge(host);
    assert_int_equal(host->result->n_findings, 4);
    assert_non_null(strstr(host->result->findings[0].message, "the engine's API without TLS"));
}

/* -- links ----------------------------------------------------------------------------- */

static void link_app_to_redis(struct host *host) {
    static const struct ng_link_to link = {"redis", "cache"};
    struct ng_container *app = add_container(host, ID_B, "app");
    struct ng_container *redis = add_redis(host);
    app->links = &link;
    app->n_links = 1;
    (void)redis;
    host->lab->links[DOCKER0 - 1].bridge_calls4 = true;
}

static const struct ng_talk *only_talk(struct host *host) {
    assert_int_equal(judge(host)->n_talks, 1);
    return &host->result->talks[0];
}

static void test_link_that_opens(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    link_app_to_redis(host);
    assert_int_equal(only_talk(host)->verdict, NG_BLOCKED);
    host->containers[1].n_exposed = 0; /* no port is known to ask about */
    assert_int_equal(only_talk(host)->verdict, NG_UNKNOWN);
    host->containers[1].n_exposed = 1;
    RULE(host->lab, host->forward, from(host->lab, "172.17.0.2"), to(host->lab, "172.17.0.3"),
         dport(host->lab, 6379), ACCEPT);
    const struct ng_talk *talk = only_talk(host);
    assert_string_equal(talk->from->name, "app");
    assert_string_equal(talk->to->name, "redis");
    assert_string_equal(talk->alias, "cache");
    assert_string_equal(talk->network, "bridge");
    assert_int_equal(talk->n_ports, 1);
    assert_int_equal(talk->verdict, NG_REACHABLE);
    assert_true(talk->opens);
}

static void test_link_that_is_a_name(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    link_app_to_redis(host);
    RULE(host->lab, host->forward, named(host->lab, NG_FIELD_IIFNAME, "docker0"),
         named(host->lab, NG_FIELD_OIFNAME, "docker0"), ACCEPT);
    assert_int_equal(only_talk(host)->verdict, NG_REACHABLE);
    assert_false(only_talk(host)->opens);
}

/* Of two networks that both are on, the one that lets more through counts. */
static void test_link_on_two_networks(void **state) {
    _host_ host = host_new(QUIET);
    const char *silent = "a", *open = "b";
    struct ng_network networks[] = {
        {.id = "", .name = silent, .driver = "bridge", .bridge = "docker0"},
        {.id = "", .name = open, .driver = "bridge", .bridge = "eth1"}};
    struct ng_endpoint app[] = {{.network = silent, .network_id = "", .addr4 = addr("172.17.0.2")},
                                {.network = open, .network_id = "", .addr4 = addr("10.0.0.2")}};
    struct ng_endpoint redis[] = {
        {.network = silent, .network_id = "", .addr4 = addr("172.17.0.3")},
        {.network = open, .network_id = "", .addr4 = addr("10.0.0.3")}};
    (void)state;
    link_app_to_redis(host);
    host->engine.networks = networks;
    host->engine.n_networks = 2;
    host->containers[0].endpoints = app;
    host->containers[1].endpoints = redis;
    host->containers[0].n_endpoints = host->containers[1].n_endpoints = 2;
    assert_int_equal(only_talk(host)->verdict, NG_REACHABLE); /* eth1 calls for no rules */
    assert_string_equal(only_talk(host)->network, "b");
}

/* Where IP does not see what goes from port to port, nothing stops it. */
static void test_link_past_the_rules(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    link_app_to_redis(host);
    host->lab->links[DOCKER0 - 1].bridge_calls4 = false;
    assert_int_equal(only_talk(host)->verdict, NG_REACHABLE);
    assert_false(only_talk(host)->opens);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_direct_is_stopped_early),
        cmocka_unit_test(test_direct_ports),
        cmocka_unit_test(test_direct_ip6),
        cmocka_unit_test(test_several_addresses),
        cmocka_unit_test(test_direct_behind_the_guard),
        cmocka_unit_test(test_gateway_modes),
        cmocka_unit_test(test_published_and_direct),
        cmocka_unit_test(test_nobody_routes_there),
        cmocka_unit_test(test_on_the_lan),
        cmocka_unit_test(test_on_a_lan_that_is_not_here),
        cmocka_unit_test(test_a_task_on_an_overlay),
        cmocka_unit_test(test_ingress_of_a_worker),
        cmocka_unit_test(test_ingress_with_its_service),
        cmocka_unit_test(test_ingress_without_protocol),
        cmocka_unit_test(test_swarm_ports),
        cmocka_unit_test(test_encrypted_data_path),
        cmocka_unit_test(test_api),
        cmocka_unit_test(test_link_that_opens),
        cmocka_unit_test(test_link_that_is_a_name),
        cmocka_unit_test(test_link_on_two_networks),
        cmocka_unit_test(test_link_past_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
