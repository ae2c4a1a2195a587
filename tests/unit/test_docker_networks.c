/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fixture_docker.h"

static int decode(struct fixture *f, const char *text, bool podman) {
    memset(&f->error, 0, sizeof(f->error));
    struct ng_docker_body body = body_of(text, strlen(text));
    int r =
        ng_docker_decode_networks(f->arena, body, podman, &f->networks, &f->n_networks, &f->error);
    free(body.bytes);
    return r;
}

static int decode_networks(struct fixture *f, const char *text) {
    return decode(f, text, false);
}

#define NETWORK(name, id, driver, more)                                                            \
    "{\"Name\":\"" name "\",\"Id\":\"" id "\",\"Driver\":\"" driver "\"" more "}"

#define WEB NETWORK("web", ID_B, "bridge", ",\"Internal\":true,\"EnableIPv6\":true,\"Options\":{}")
#define DOCKER0                                                                                    \
    NETWORK("bridge", ID_A, "bridge",                                                              \
            ",\"Options\":{\"com.docker.network.bridge.name\":\"docker0\"}")
#define INGRESS                                                                                    \
    NETWORK("ingress", "x1y2z3", "overlay",                                                        \
            ",\"Ingress\":true,\"Attachable\":true,\"Options\":null")
#define MACVLAN                                                                                    \
    NETWORK("mac", ID_C, "macvlan", ",\"Options\":{\"com.docker.network.bridge.name\":\"eth0\"}")

static void networks_are_read(void **state) {
    struct fixture *f = *state;
    assert_int_equal(decode_networks(f, "[" WEB "," DOCKER0 "," INGRESS "," MACVLAN "]"), 0);
    assert_int_equal(f->n_networks, 4);
    const struct ng_network *n = f->networks;
    assert_string_equal(n[0].name, "bridge");
    assert_string_equal(n[0].bridge, "docker0");
    assert_false(n[0].internal || n[0].ingress || n[0].attachable || n[0].ipv6);
    assert_string_equal(n[1].name, "ingress");
    assert_string_equal(n[1].id, "x1y2z3");
    assert_string_equal(n[1].driver, "overlay");
    assert_null(n[1].bridge);
    assert_true(n[1].ingress && n[1].attachable && !n[1].internal && !n[1].ipv6);
    assert_null(n[2].bridge); /* an option that its driver does not know names no bridge */
    assert_string_equal(n[3].name, "web");
    assert_string_equal(n[3].bridge, "br-bbbbbbbbbbbb");
    assert_true(n[3].internal && n[3].ipv6 && !n[3].ingress && !n[3].attachable);
}

static void gateway_modes_are_read(void **state) {
    static const struct {
        const char *option, *mode;
        uint8_t gateway4, gateway6;
    } cases[] = {
        {"gateway_mode_ipv4", "routed", NG_GATEWAY_ROUTED, 0},
        {"gateway_mode_ipv4", "nat-unprotected", NG_GATEWAY_NAT_UNPROTECTED, 0},
        {"gateway_mode_ipv6", "routed", 0, NG_GATEWAY_ROUTED},
        {"gateway_mode_ipv4", "nat", 0, 0},
        {"gateway_mode_ipv6", "isolated", 0, NG_GATEWAY_ISOLATED},
        {"gateway_mode_ipv6", "of the future", 0, 0},
        {"gateway_mode", "routed", 0, 0},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char json[512];
        snprintf(json, sizeof(json),
                 "[{\"Id\":\"" ID_C "\",\"Name\":\"n\",\"Driver\":\"bridge\",\"Options\":"
                 "{\"com.docker.network.bridge.%s\":\"%s\"}}]",
                 cases[i].option, cases[i].mode);
        assert_int_equal(decode_networks(f, json), 0);
        assert_int_equal(f->networks[0].gateway4, cases[i].gateway4);
        assert_int_equal(f->networks[0].gateway6, cases[i].gateway6);
    }
}

static void bad_networks_are_refused(void **state) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{}", "networks: expected an array, found an object"},
        {"[{\"Id\":\"x\"}]", "networks[0].Name: expected a string, found nothing"},
        {"[" NETWORK("a", "b", "bridge", ",\"Internal\":\"no\"") "]",
         "networks[0].Internal: expected true or false, found the string \"no\""},
        {"[" NETWORK("a", "b", "bridge", ",\"Options\":[]") "]",
         "networks[0].Options: expected an object, found an array"},
        {"[" NETWORK("a", "b", "bridge", ",\"Options\":{\"com.docker.network.bridge.name\":1}") "]",
         "networks[0].Options.com.docker.network.bridge.name: expected a string, found the number "
         "1"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(decode_networks(f, cases[i].text), -EPROTO);
        if (!strstr(f->error.message, cases[i].message))
            fail_msg("%s\n  gave: %s", cases[i].text, f->error.message);
    }
    assert_int_equal(decode_networks(f, "null"), 0);
}

/* One network with these options. */
static const struct ng_network *with_options(struct fixture *f, const char *driver,
                                             const char *options) {
    char text[512];
    snprintf(text, sizeof(text),
             "[{\"Id\":\"" ID_C "\",\"Name\":\"n\",\"Driver\":\"%s\",\"Options\":{%s}}]", driver,
             options);
    assert_int_equal(decode_networks(f, text), 0);
    assert_int_equal(f->n_networks, 1);
    return &f->networks[0];
}

#define BRIDGE_OPTION(name, value) "\"com.docker.network.bridge." name "\":\"" value "\""

static void options_of_bridges_are_read(void **state) {
    struct fixture *f = *state;
    const struct ng_network *n = with_options(f, "bridge", "");
    assert_false(n->is_default || n->icc_off || n->encrypted);
    assert_true(with_options(f, "bridge", BRIDGE_OPTION("default_bridge", "true"))->is_default);
    assert_false(with_options(f, "bridge", BRIDGE_OPTION("default_bridge", "false"))->is_default);
    assert_true(with_options(f, "bridge", BRIDGE_OPTION("enable_icc", "false"))->icc_off);
    assert_true(with_options(f, "bridge", BRIDGE_OPTION("enable_icc", "0"))->icc_off);
    assert_false(with_options(f, "bridge", BRIDGE_OPTION("enable_icc", "true"))->icc_off);
    assert_false(with_options(f, "bridge", BRIDGE_OPTION("enable_icc", "no"))->icc_off);
    n = with_options(f, "overlay", BRIDGE_OPTION("enable_icc", "false") ",\"parent\":\"eth0\"");
    assert_false(n->icc_off);
    assert_null(n->parent);
}

static void parents_are_read(void **state) {
    struct fixture *f = *state;
    assert_string_equal(with_options(f, "macvlan", "\"parent\":\"eth0.50\"")->parent, "eth0.50");
    assert_string_equal(with_options(f, "ipvlan", "\"parent\":\"eth0\"")->parent, "eth0");
    assert_null(with_options(f, "macvlan", "\"parent\":\"\"")->parent);
    assert_null(with_options(f, "macvlan", "")->parent);
    assert_null(with_options(f, "bridge", "\"parent\":\"eth0\"")->parent);
}

static void encryption_is_read(void **state) {
    struct fixture *f = *state;
    assert_true(with_options(f, "overlay", "\"encrypted\":\"\"")->encrypted);
    assert_true(with_options(f, "overlay", "\"encrypted\":\"true\"")->encrypted);
    assert_false(with_options(f, "overlay", "\"encrypted\":\"false\"")->encrypted);
    assert_false(with_options(f, "overlay", "\"encrypted\":null")->encrypted);
    assert_false(with_options(f, "overlay", "")->encrypted);
    assert_false(with_options(f, "bridge", "\"encrypted\":\"\"")->encrypted);
}

/* Podman's default network has one name here and another everywhere else, and its bridges are not
 * named after networks. */
static void podman_names_networks_otherwise(void **state) {
    struct fixture *f = *state;
    assert_int_equal(decode(f, "[" NETWORK("bridge", ID_A, "bridge", "") "," WEB "]", true), 0);
    assert_string_equal(f->networks[0].name, "podman");
    assert_null(f->networks[0].bridge);
    assert_string_equal(f->networks[1].name, "web");
    assert_null(f->networks[1].bridge);
    assert_int_equal(decode(f, "[" DOCKER0 "]", true), 0);
    assert_string_equal(f->networks[0].bridge, "docker0");
}

static void gateways_are_read(void **state) {
    struct fixture *f = *state;
#define IPAM(config) ",\"IPAM\":{\"Config\":" config "}"
    assert_int_equal(decode_networks(f, "[" NETWORK("a", "b", "bridge",
                                                    IPAM("[{},{\"Gateway\":\"10.88.0.1\"},"
                                                         "{\"Gateway\":\"10.89.0.1\"}]")) "]"),
                     0);
    assert_int_equal(f->networks[0].gateway.value, 0x0a580001);
    assert_int_equal(decode_networks(f, "[" NETWORK("a", "b", "bridge", IPAM("null")) "]"), 0);
    assert_int_equal(f->networks[0].gateway.family, 0);
    assert_int_equal(
        decode_networks(f, "[" NETWORK("a", "b", "bridge", IPAM("[{\"Gateway\":\"x\"}]")) "]"),
        -EPROTO);
    assert_int_equal(decode_networks(f, "[" NETWORK("a", "b", "bridge", IPAM("[1]")) "]"), -EPROTO);
}

static int decode_members(struct fixture *f, const char *text) {
    static const struct ng_network gateway = {.id = ID_C, .name = "docker_gwbridge"};
    memset(&f->error, 0, sizeof(f->error));
    struct ng_docker_body body = body_of(text, strlen(text));
    int r = ng_docker_decode_members(f->arena, body, &gateway, f->containers, f->n_containers,
                                     &f->error);
    free(body.bytes);
    return r;
}

/* What the list of containers does not tell of a swarm's tasks. */
static void members_are_added(void **state) {
    struct fixture *f = *state;
    struct ng_endpoint web[] = {{.network = "a"}, {.network = "z"}};
    struct ng_endpoint told[] = {{.network = "docker_gwbridge"}};
    struct ng_container containers[] = {{.id = ID_A, .endpoints = web, .n_endpoints = 2},
                                        {.id = ID_B, .endpoints = told, .n_endpoints = 1},
                                        {.id = ID_C}};
    f->containers = containers;
    f->n_containers = ARRAY_SIZE(containers);
    assert_int_equal(
        decode_members(f, "{\"Containers\":{\"ingress-sbox\":{\"IPv4Address\":\"172.18.0.2/16\"},"
                          "\"" ID_A "\":{\"IPv4Address\":\"172.18.0.3/16\",\"IPv6Address\":\"\"},"
                          "\"" ID_B "\":{\"IPv4Address\":\"172.18.0.4/16\"}}}"),
        0);
    assert_int_equal(containers[0].n_endpoints, 3);
    assert_string_equal(containers[0].endpoints[1].network, "docker_gwbridge");
    assert_string_equal(containers[0].endpoints[1].network_id, ID_C);
    assert_int_equal(containers[0].endpoints[1].addr4.value, 0xac120003);
    assert_int_equal(containers[0].endpoints[1].addr6.family, 0);
    assert_int_equal(containers[1].n_endpoints, 1);
    assert_int_equal(containers[2].n_endpoints, 0);
    assert_int_equal(decode_members(f, "{}"), 0);
    assert_int_equal(decode_members(f, "{\"Containers\":null}"), 0);
    assert_int_equal(decode_members(f, "[]"), -EPROTO);
    assert_int_equal(decode_members(f, "{\"Containers\":{\"" ID_A "\":3}}"), -EPROTO);
    assert_int_equal(
        decode_members(f, "{\"Containers\":{\"" ID_A "\":{\"IPv4Address\":\"here/16\"}}}"),
        -EPROTO);
    assert_non_null(strstr(f->error.message, "an address and its prefix length"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(members_are_added),           TEST(gateways_are_read),
        TEST(networks_are_read),           TEST(gateway_modes_are_read),
        TEST(options_of_bridges_are_read), TEST(parents_are_read),
        TEST(encryption_is_read),          TEST(podman_names_networks_otherwise),
        TEST(bad_networks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
