/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings about how the engine is used: no port is in them. */
#include "tests/unit/fixture_host.h"

/* "NG010 usage.host_network medium alert open web: message", a line each. */
static const char *habits_text(struct host *host) {
    const struct ng_result *result = judge(host);
    struct ng_arena *arena = host->lab->arena;
    const char *text = "";
    for (size_t i = 0; i < result->n_findings; i++) {
        const struct ng_finding *finding = &result->findings[i];
        assert_null(finding->exposure);
        assert_non_null(finding->about);
        assert_true(*finding->fix);
        text = ng_arena_printf(arena, "%s%s %s %s %s %s %s: %s\n", text, finding->id, finding->rule,
                               ng_severity_text(finding->severity), ng_action_text(finding->action),
                               ng_finding_state_text(finding->state), finding->subject,
                               finding->message);
    }
    return text;
}

static struct host *host_asked(const char *usage) {
    char policy[512];
    snprintf(policy, sizeof(policy), QUIET "%s\n", usage);
    struct host *host = host_new(policy);
    host->network.is_default = true;
    return host;
}

static struct ng_container *add_joined(struct host *host, const char *id, const char *name,
                                       const char *of) {
    struct ng_container *container = add_container(host, id, name);
    container->n_endpoints = 0;
    container->network_mode = "container:";
    container->network_of = of;
    return container;
}

static struct ng_container *add_on_host(struct host *host, const char *id, const char *name) {
    struct ng_container *container = add_container(host, id, name);
    container->n_endpoints = 0;
    container->network_mode = "host";
    container->capabilities_read = true;
    return container;
}

/* -- the network of the host ------------------------------------------------------------ */

#define HAS_HOST_NETWORK " has the network of the host"
#define FREELY                                                                                     \
    ": it may listen at any of its addresses, loopback too, and is "                               \
    "apart from nobody\n"

static void test_host_network(void **state) {
    _host_ host = host_asked("usage: {host_network: {allow: [{name: exporter}], severity: high}}");
    (void)state;
    add_on_host(host, "e", "exporter");
    add_joined(host, "r", "probe", "s"); /* of one that joined another */
    add_joined(host, "s", "sidecar", ID_A);
    add_container(host, "w", "web");
    add_on_host(host, ID_A, "zabbix");
    assert_string_equal(
        habits_text(host),
        "NG010 usage.host_network high alert open probe: container probe" HAS_HOST_NETWORK
        " by way of container zabbix" FREELY
        "NG010 usage.host_network high alert open sidecar: container sidecar" HAS_HOST_NETWORK
        " by way of container zabbix" FREELY
        "NG010 usage.host_network high alert open zabbix: container zabbix" HAS_HOST_NETWORK
            FREELY);
}

static void test_host_network_of_a_rootless_engine(void **state) {
    _host_ host = host_asked("usage: {host_network: {}}");
    (void)state;
    add_on_host(host, ID_A, "web");
    host->engine.rootless = true; /* Docker's is the user's own */
    assert_string_equal(habits_text(host), "");
    host->engine.podman = true; /* Podman's is this host's */
    assert_string_equal(
        habits_text(host),
        "NG010 usage.host_network medium alert open web: container web" HAS_HOST_NETWORK FREELY);
}

/* The tasks of a service are one thing, and its name tells it from others. */
static void test_tasks_are_one(void **state) {
    _host_ host = host_asked("usage: {host_network: {}}");
    char key[17];
    (void)state;
    add_on_host(host, ID_A, "agent.1.x")->service = "agent";
    add_on_host(host, ID_B, "agent.2.y")->service = "agent";
    assert_int_equal(judge(host)->n_findings, 1);
    memcpy(key, host->result->findings[0].key, sizeof(key));
    host->containers[0].name = "agent.3.z";
    assert_string_equal(judge(host)->findings[0].key, key);
}

/* In a ring nobody has a network; it must end all the same. */
static void test_a_ring_of_joined_ones_ends(void **state) {
    _host_ host = host_asked("usage: {host_network: {}, default_bridge: {}}");
    (void)state;
    add_joined(host, ID_A, "a", ID_B);
    add_joined(host, ID_B, "b", ID_A);
    assert_string_equal(habits_text(host), "");
}

static void test_what_is_not_asked_is_not_found(void **state) {
    _host_ host = host_asked("");
    (void)state;
    add_on_host(host, ID_A, "web")->privileged = true;
    add_container(host, ID_B, "x")->engine_socket = true;
    assert_string_equal(habits_text(host), "");
    assert_true(host->result->complete);
}

static void test_an_exception(void **state) {
    _host_ host = host_asked("usage: {host_network: {}}\nexceptions: [{rule: usage.host_network, "
                             "to: {name: web}}]");
    (void)state;
    add_on_host(host, ID_A, "web");
    assert_string_equal(
        habits_text(host),
        "NG010 usage.host_network medium alert excepted web: container web" HAS_HOST_NETWORK
            FREELY);
}

/* -- the default bridge ----------------------------------------------------------------- */

static void test_default_bridge(void **state) {
    _host_ host = host_asked("usage: {default_bridge: {}}");
    (void)state;
    add_container(host, ID_A, "db");
    add_joined(host, ID_B, "helper", ID_A);
    add_container(host, "o", "other")->n_endpoints = 0;
    assert_string_equal(habits_text(host),
                        "NG012 usage.default_bridge low alert open db: container db is on bridge, "
                        "the engine's default bridge, where everybody gets to every port of "
                        "everybody\n"
                        "NG012 usage.default_bridge low alert open helper: container helper is on "
                        "bridge, the engine's default bridge by way of container db, where "
                        "everybody gets to every port of everybody\n");
    host->network.icc_off = true;
    assert_non_null(strstr(habits_text(host), ", where links alone let one get to another\n"));
    host->network.is_default = false;
    assert_string_equal(habits_text(host), "");
}

/* -- links ------------------------------------------------------------------------------ */

static void test_links(void **state) {
    static const struct ng_link_to links[] = {{"db", "cache"}, {"gone", "old"}};
    static const struct ng_port exposed[] = {{6379, NG_TCP}};
    _host_ host = host_asked("usage: {links: {}}");
    (void)state;
    struct ng_container *app = add_container(host, ID_A, "app");
    app->links = links;
    app->n_links = ARRAY_SIZE(links);
    struct ng_container *db = add_container(host, ID_B, "db");
    db->exposed = exposed;
    db->n_exposed = ARRAY_SIZE(exposed);
    assert_string_equal(habits_text(host),
                        "NG011 usage.links low alert open app: container app is linked to db as "
                        "cache: it is a name only, for all get to 6379/tcp on bridge anyway\n"
                        "NG011 usage.links low alert open app: container app is linked to gone as "
                        "old: they share no network now\n");
    assert_string_not_equal(host->result->findings[0].key, host->result->findings[1].key);
    host->lab->links[DOCKER0 - 1].bridge_calls4 = true; /* and forward drops */
    assert_non_null(
        strstr(habits_text(host), "cache: on bridge it does not get to 6379/tcp all the same\n"));
    RULE(host->lab, host->forward, from(host->lab, "172.17.0.2"), ACCEPT);
    assert_non_null(strstr(habits_text(host),
                           "cache: it opens 6379/tcp on bridge, which others do not get to\n"));
}

/* -- capabilities ----------------------------------------------------------------------- */

static void test_capabilities(void **state) {
    _host_ host = host_asked("usage: {capabilities: {allow: [{name: fine}]}}");
    (void)state;
    add_on_host(host, "1", "both")->net_admin = true;
    host->containers[0].net_raw = true;
    struct ng_container *bridged = add_container(host, "2", "bridged"); /* concerns it alone */
    bridged->capabilities_read = bridged->net_admin = bridged->net_raw = true;
    add_on_host(host, "3", "dropped");
    struct ng_container *fine = add_container(host, "4", "fine");
    fine->privileged = fine->capabilities_read = fine->engine_socket = true;
    struct ng_container *manager = add_container(host, "5", "manager");
    manager->engine_socket = manager->capabilities_read = true;
    add_on_host(host, "6", "raw")->net_raw = true;
    struct ng_container *vpn = add_container(host, "7", "vpn");
    vpn->capabilities_read = vpn->privileged = vpn->net_admin = vpn->net_raw = true;
    assert_string_equal(
        habits_text(host),
        "NG014 usage.capabilities high alert open both: container both has the network of the "
        "host with NET_ADMIN and NET_RAW: it can change the host's firewall and routes, and read "
        "and forge its packets\n"
        "NG015 usage.capabilities high alert open manager: a container engine's socket is mounted "
        "in container manager: who controls it rules that engine and all its containers, and so "
        "is root on this host\n"
        "NG014 usage.capabilities high alert open raw: container raw has the network of the host "
        "with NET_RAW: it can read what the host sends and receives, and forge packets\n"
        "NG013 usage.capabilities high alert open vpn: container vpn is privileged: it can undo "
        "every rule of the host's firewall, and be root on it\n");
    assert_true(host->result->complete);
    host->engine.rootless = true;
    assert_string_equal(habits_text(host),
                        "NG015 usage.capabilities high alert open manager: a container engine's "
                        "socket is mounted in container manager: who controls it rules that "
                        "engine and all its containers\n");
}

/* What was not told is a gap, where it could matter. */
static void test_capabilities_that_were_not_told(void **state) {
    _host_ host = host_asked("usage: {capabilities: {allow: [{name: a}]}}");
    (void)state;
    add_container(host, "1", "a");
    assert_true(judge(host)->complete);
    add_container(host, "2", "b");
    add_container(host, "3", "c");
    assert_int_equal(judge(host)->n_gaps, 1);
    assert_string_equal(host->result->gaps[0].source, "docker");
    assert_string_equal(host->result->gaps[0].reason,
                        "capabilities of container b and 1 more were not told, which the policy's "
                        "usage.capabilities asks for");
    host->engine.rootless = true;
    assert_true(judge(host)->complete);
}

/* -- networks and registries ------------------------------------------------------------ */

static void test_overlays_and_registries(void **state) {
    static const struct ng_registry registries[] = {{"10.0.0.0/8"}, {"reg:5000"}};
    static const struct ng_network networks[] = {
        {.id = "1", .name = "back", .driver = "overlay"},
        {.id = "2", .name = "bridge", .driver = "bridge", .bridge = "docker0"},
        {.id = "3", .name = "ingress", .driver = "overlay", .ingress = true},
        {.id = "4", .name = "lab_x", .driver = "overlay"},
        {.id = "5", .name = "secret", .driver = "overlay", .encrypted = true},
    };
    _host_ host = host_asked("usage: {unencrypted_overlay: {allow: [lab_*]}, insecure_registry: "
                             "{allow: [10.*]}}");
    (void)state;
    host->engine.networks = networks;
    host->engine.n_networks = ARRAY_SIZE(networks);
    host->engine.swarm = true;
    host->engine.data_path_port = 5000;
    host->engine.insecure_registries = registries;
    host->engine.n_insecure_registries = ARRAY_SIZE(registries);
    assert_string_equal(
        habits_text(host),
        "NG016 usage.unencrypted_overlay medium alert open back: overlay network back is not "
        "encrypted: what its containers say to each other goes between the nodes in the clear, by "
        "UDP 5000\n"
        "NG016 usage.unencrypted_overlay medium alert open ingress: overlay network ingress is "
        "not encrypted: what clients say to the swarm's published ports goes between the nodes in "
        "the clear, by UDP 5000\n"
        "NG017 usage.insecure_registry medium alert open reg:5000: the engine does not demand TLS "
        "of registry reg:5000: whoever is on the way can put other images in place\n");
}

/* -- the swarm -------------------------------------------------------------------------- */

#define CLUSTER                                                                                    \
    "zones: [{id: private, match: [{interfaces: [eth1]}]}]\nusage: {cluster: {zones: "             \
    "[private]}}\n"

static void test_nodes_that_talk_by_a_wrong_zone(void **state) {
    _host_ host = host_asked(CLUSTER "exceptions: [{rule: usage.cluster, to: {host: {}}, until: "
                                     "2026-01-01}]");
    (void)state;
    struct ng_addr peers[] = {addr("10.0.0.2"), addr("192.0.2.1"), addr("192.0.2.9"),
                              addr("198.51.100.7")};
    host->engine.swarm = true;
    host->engine.node_addr = addr("192.0.2.1");
    host->engine.peers = peers;
    host->engine.n_peers = ARRAY_SIZE(peers);
    assert_string_equal(habits_text(host),
                        "NG007 usage.cluster high alert open lab: this node advertises 192.0.2.1 "
                        "to the swarm, and other nodes talk to it by way of zones that are not for "
                        "the cluster: 192.0.2.9 (public), 198.51.100.7 (public)\n");
    assert_int_equal(host->result->findings[0].zones.count, 1);
    assert_string_equal(host->result->findings[0].zones.items[0], "public");
    host->engine.n_peers = 2; /* the private one, and itself */
    assert_string_equal(habits_text(host), "");
    host->engine.n_peers = ARRAY_SIZE(peers);
    host->engine.swarm = false;
    assert_string_equal(habits_text(host), "");
}

static void test_an_exception_for_the_machine(void **state) {
    _host_ host = host_asked(CLUSTER "exceptions: [{rule: usage.cluster, to: {host: {}}}]");
    (void)state;
    struct ng_addr peer = addr("198.51.100.7");
    host->engine.swarm = true;
    host->engine.peers = &peer;
    host->engine.n_peers = 1;
    assert_int_equal(judge(host)->n_findings, 1);
    assert_int_equal(host->result->findings[0].state, NG_EXCEPTED);
    assert_non_null(strstr(host->result->findings[0].message, "an address that is not told"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_network),
        cmocka_unit_test(test_host_network_of_a_rootless_engine),
        cmocka_unit_test(test_tasks_are_one),
        cmocka_unit_test(test_a_ring_of_joined_ones_ends),
        cmocka_unit_test(test_what_is_not_asked_is_not_found),
        cmocka_unit_test(test_an_exception),
        cmocka_unit_test(test_default_bridge),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_capabilities),
        cmocka_unit_test(test_capabilities_that_were_not_told),
        cmocka_unit_test(test_overlays_and_registries),
        cmocka_unit_test(test_nodes_that_talk_by_a_wrong_zone),
        cmocka_unit_test(test_an_exception_for_the_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
