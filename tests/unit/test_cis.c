/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The profile `cis`, on hosts that a look at the engine's settings alone gets wrong. */
#include "tests/unit/fixture_host.h"

#include "netguard/catalog.h"
#include "netguard/cis.h"

/* A host as engines leave it, that nothing is to be said of but what the test adds. */
static struct host *host_cis(const char *policy) {
    struct host *host = host_new(policy);
    chain(host->lab, 0, "DOCKER"); /* the engine's rules */
    assert_int_equal(ng_policy_for_cis(host->policy), 0);
    return host;
}

#define ALLOW_ALL "version: 1\nrules: [{id: all, allow: [\"@any\"]}]\n"

/* "NG033 cis.5.14 medium open web:80 public", a line each. */
static const char *cis_text(struct host *host) {
    const struct ng_result *result = judge(host);
    struct ng_arena *arena = host->lab->arena;
    const char *text = "";
    for (size_t i = 0; i < result->n_findings; i++) {
        const struct ng_finding *finding = &result->findings[i];
        text = ng_arena_printf(arena, "%s%s %s %s %s %s", text, finding->id, finding->rule,
                               ng_severity_text(finding->severity),
                               ng_finding_state_text(finding->state), finding->subject);
        if (finding->exposure)
            text = ng_arena_printf(arena, "%s:%u", text, finding->exposure->host_port);
        for (size_t k = 0; k < finding->zones.count; k++)
            text = ng_arena_printf(arena, "%s%s%s", text, k ? "," : " ", finding->zones.items[k]);
        text = ng_arena_printf(arena, "%s\n", text);
    }
    return text;
}

static struct ng_cis_item item_of(struct host *host, const char *item) {
    const struct ng_cis_item *items;
    size_t count;
    judge(host);
    assert_int_equal(ng_cis_items(host->result, host->lab->arena, &items, &count), 0);
    for (size_t i = 0; i < count; i++)
        if (strcmp(items[i].item, item) == 0)
            return items[i];
    fail_msg("no item %s", item);
    return (struct ng_cis_item){0};
}

static void assert_item(struct host *host, const char *name, enum ng_cis_verdict verdict,
                        size_t n_findings) {
    struct ng_cis_item item = item_of(host, name);
    if (item.verdict != verdict || item.n_findings != n_findings)
        fail_msg("%s: %s, %zu findings (%s)", name, ng_cis_verdict_text(item.verdict),
                 item.n_findings, item.note ? item.note : "");
    assert_true((verdict == NG_CIS_UNKNOWN) == (item.note != NULL));
}

/* Answers on [::] as docker-proxy does: nothing of it is forwarded. */
static void publish6(struct host *host, const char *host_addr, uint16_t port) {
    struct ng_container *container = &host->containers[host->engine.n_containers - 1];
    host->published[host->n_published++] = (struct ng_published){
        .host_addr = addr(host_addr), .host_port = port, .container_port = 80, .proto = NG_TCP};
    container->n_published++;
    listen_on(host, host_addr, port, "docker-proxy", NULL);
}

/* -- 5.14: bound to one address -------------------------------------------------------- */

static void test_bound_to_any_address_of_ipv6_alone(void **state) {
    _host_ host = host_cis(ALLOW_ALL);
    (void)state;
    add_container(host, ID_A, "web");
    publish6(host, "::", 8080);
    assert_string_equal(cis_text(host), "NG033 cis.5.14 medium open web:8080 public\n"
                                        "NG031 cis.2.16 low open docker-proxy\n");
    assert_item(host, "5.14", NG_CIS_FAIL, 1);
    assert_item(host, "2.16", NG_CIS_FAIL, 1);
    assert_item(host, "5.9", NG_CIS_PASS, 0);
}

static void test_bound_to_one_address(void **state) {
    _host_ host = host_cis(ALLOW_ALL);
    (void)state;
    add_container(host, ID_A, "web");
    publish(host, "192.0.2.1", 8080, 80);
    publish6(host, "::1", 8080);
    host->listeners[0].process = "dockerd";
    assert_string_equal(cis_text(host), "");
    assert_item(host, "5.14", NG_CIS_PASS, 0);
    assert_item(host, "2.16", NG_CIS_PASS, 0);
}

/* What a rule of others closes to everybody outside is closed, whatever it is bound to. */
static void test_published_and_out_of_reach(void **state) {
    _host_ host = host_cis("version: 1\n");
    (void)state;
    uint32_t user = chain(host->lab, 0, "DOCKER-USER");
    RULE(host->lab, user, DROP);
    RULE(host->lab, host->forward, JUMP(user));
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 443, 443);
    assert_string_equal(cis_text(host), "");
    assert_item(host, "5.14", NG_CIS_PASS, 0);
    assert_item(host, "5.8", NG_CIS_PASS, 0);
    assert_item(host, "5.9", NG_CIS_PASS, 0);
}

/* -- 5.14, 7.2: the swarm ---------------------------------------------------------------- */

static void add_service(struct host *host, struct ng_service *service) {
    host->engine.swarm = host->engine.manager = true;
    host->engine.services = service;
    host->engine.n_services = 1;
    RULE(host->lab, host->nat, dport(host->lab, 8080), dnat(host->lab, "172.18.0.2", 8080));
    RULE(host->lab, host->forward, to(host->lab, "172.18.0.2"), ACCEPT);
    lab_link(host->lab, "docker_gwbridge", "bridge");
    lab_addr(host->lab, DOCKER0 + 1, "172.18.0.1", 16);
}

static void test_an_ingress_port_is_in_no_container_s_settings(void **state) {
    static const struct ng_ingress_port port = {NG_TCP, 8080, 80};
    struct ng_service web = {.name = "shop_web", .ports = &port, .n_ports = 1};
    _host_ host = host_cis(ALLOW_ALL);
    (void)state;
    add_service(host, &web);
    assert_string_equal(cis_text(host), "NG034 cis.7.2 medium open shop_web:8080 public\n");
    assert_item(host, "5.14", NG_CIS_FAIL, 1);
    assert_item(host, "7.2", NG_CIS_FAIL, 1);
    assert_item(host, "7.9", NG_CIS_UNKNOWN, 0); /* two addresses outside */
}

static void test_a_service_in_mode_host(void **state) {
    _host_ host = host_cis(ALLOW_ALL);
    (void)state;
    add_container(host, ID_A, "web.1.x")->service = "web";
    publish(host, "0.0.0.0", 8080, 80);
    assert_string_equal(cis_text(host), "NG034 cis.7.2 medium open web.1.x:8080 public\n");
}

/* The swarm's own ports, which 7.2 is about in the first place. */
static void test_where_the_swarm_itself_listens(void **state) {
    _host_ host = host_cis("version: 1\nusage: {cluster: {zones: [private], action: block}}\n"
                           "zones: [{id: private, match: [{interfaces: [eth1]}]}]\n");
    (void)state;
    host->engine.swarm = host->engine.manager = true;
    listen_on(host, "0.0.0.0", 2377, "dockerd", NULL);
    listen_on(host, "10.0.0.1", 7946, "dockerd", NULL);
    assert_string_equal(cis_text(host), "NG005 cis.7.2 medium open dockerd:2377 public\n");
    assert_item(host, "7.2", NG_CIS_FAIL, 1);
    assert_item(host, "5.14", NG_CIS_PASS, 0);
}

static void test_one_address_is_one_plane(void **state) {
    _host_ host = host_cis("version: 1\n");
    (void)state;
    host->engine.node_addr = addr("192.0.2.1");
    assert_item(host, "7.9", NG_CIS_PASS, 0); /* no swarm */
    host->engine.swarm = true;
    assert_item(host, "7.9", NG_CIS_UNKNOWN, 0);
    host->lab->links[ETH1 - 1].up = false;
    assert_string_equal(cis_text(host), "NG035 cis.7.9 low open lab\n");
    assert_item(host, "7.9", NG_CIS_FAIL, 1);
    host->engine.node_addr = addr("192.0.2.2"); /* behind NAT */
    assert_item(host, "7.9", NG_CIS_UNKNOWN, 0);
    host->engine.data_path_addr = addr("192.0.2.2");
    assert_item(host, "7.9", NG_CIS_FAIL, 1);
    host->engine.data_path_addr = addr("192.0.2.1");
    assert_item(host, "7.9", NG_CIS_PASS, 0);
}

/* -- 5.8, 5.9: which ports --------------------------------------------------------------- */

static void test_privileged_ports(void **state) {
    static const char *const edge = "edge";
    static const struct ng_selector to = {.name = {&edge, 1}};
    static const struct ng_exception exception = {
        .rule = "cis.5.8", .to = &to, .n_to = 1, .until_s = INT64_MAX};
    _host_ host = host_cis(ALLOW_ALL);
    (void)state;
    host->policy->exceptions = &exception;
    host->policy->n_exceptions = 1;
    add_container(host, ID_A, "app");
    publish(host, "192.0.2.1", 1023, 80);
    publish(host, "192.0.2.1", 1024, 80);
    add_container(host, ID_B, "edge");
    publish(host, "192.0.2.1", 443, 443);
    assert_non_null(strstr(cis_text(host), "NG032 cis.5.8 low open app:1023 public\n"));
    assert_non_null(strstr(cis_text(host), "NG032 cis.5.8 low excepted edge:443 public\n"));
    assert_null(strstr(cis_text(host), "app:1024"));
    assert_non_null(strstr(host->result->findings[0].fix, "cis.5.8"));
}

/* Ports that nothing of the policy says are needed; its exceptions hold. */
static void test_needed_ports(void **state) {
    _host_ host = host_cis("version: 1\ndefault: allow\n"
                           "rules: [{id: web, allow: [8080, 80]}, {id: no-stores, deny: "
                           "[\"@databases\"]}, {id: no-ssh, deny: [22]}]\n"
                           "exceptions: [{rule: no-stores, to: {name: old}}]\n"
                           "usage: {docker_api: {zones: [public]}, direct_routing: {}}\n");
    (void)state;
    add_container(host, ID_A, "app");
    publish(host, "192.0.2.1", 8080, 80);
    publish(host, "192.0.2.1", 8081, 81);
    add_container(host, ID_B, "old");
    publish(host, "192.0.2.1", 6379, 6379);
    listen_on(host, "0.0.0.0", 22, "sshd", NULL); /* no container's */
    const char *text = cis_text(host);
    assert_non_null(strstr(text, "NG002 default high open app:8081 public\n"));
    assert_non_null(strstr(text, "NG001 no-stores high excepted old:6379 public\n"));
    assert_null(strstr(text, "8080"));
    assert_null(strstr(text, "sshd"));
    assert_null(strstr(text, "direct_routing"));
    assert_item(host, "5.9", NG_CIS_FAIL, 1);
}

static void test_the_built_in_policy_knows_no_needs(void **state) {
    _host_ host = host_new("version: 1\n");
    struct ng_error error = {0};
    (void)state;
    chain(host->lab, 0, "DOCKER");
    ng_policy_free(host->policy);
    assert_int_equal(ng_policy_parse(NULL, 0, &host->policy, &error), 0);
    assert_int_equal(ng_policy_for_cis(host->policy), 0);
    add_container(host, ID_A, "web");
    publish(host, "192.0.2.1", 8080, 80);
    assert_string_equal(cis_text(host), "");
    assert_item(host, "5.9", NG_CIS_UNKNOWN, 0);
    publish(host, "192.0.2.1", 6379, 6379);
    assert_item(host, "5.9", NG_CIS_FAIL, 1);
}

/* -- the engine -------------------------------------------------------------------------- */

static void test_the_api(void **state) {
    static const struct ng_open_api apis[] = {
        {.addr = {.family = NG_IP4}, .port = 2376, .tls = true},
        {.addr = {.family = NG_IP4}, .port = 9000}};
    _host_ host = host_cis("version: 1\nusage: {docker_api: {zones: [public, containers]}}\n");
    (void)state;
    listen_on(host, "0.0.0.0", 2376, "dockerd", NULL); /* asks for certificates */
    assert_item(host, "2.7", NG_CIS_PASS, 0);
    host->engine.open_apis = apis;
    host->engine.n_open_apis = 2;
    listen_on(host, "0.0.0.0", 9000, "dockerd", NULL);
    assert_string_equal(cis_text(host),
                        "NG004 usage.docker_api critical open dockerd:2376 containers,public\n"
                        "NG004 usage.docker_api critical open dockerd:9000 containers,public\n");
    assert_item(host, "2.7", NG_CIS_FAIL, 2);
    host->listeners[0].addr = host->listeners[1].addr = addr("127.0.0.1");
    assert_item(host, "2.7", NG_CIS_PASS, 0);
}

static void test_habits_that_it_asks_for(void **state) {
    static const struct ng_registry registry = {"reg:5000"};
    static const struct ng_link_to link = {"gone", "x"};
    static const struct ng_network networks[] = {
        {.id = "", .name = "bridge", .driver = "bridge", .bridge = "docker0", .is_default = true},
        {.id = "1", .name = "ingress", .driver = "overlay", .ingress = true},
    };
    _host_ host = host_cis("version: 1\nusage: {host_network: {allow: [{name: exporter}], "
                           "severity: critical}, links: {}, capabilities: {}}\n");
    (void)state;
    add_container(host, ID_A, "app")->links = &link; /* links are none of its items */
    host->containers[0].n_links = 1;
    add_container(host, ID_B, "exporter")->network_mode = "host";
    host->containers[1].n_endpoints = 0;
    add_container(host, "c", "monitor")->network_mode = "host";
    host->containers[2].n_endpoints = 0;
    host->engine.networks = networks;
    host->engine.n_networks = ARRAY_SIZE(networks);
    host->engine.insecure_registries = &registry;
    host->engine.n_insecure_registries = 1;
    assert_string_equal(cis_text(host), "NG010 usage.host_network critical open monitor\n"
                                        "NG012 usage.default_bridge high open app\n"
                                        "NG016 usage.unencrypted_overlay high open ingress\n"
                                        "NG017 usage.insecure_registry high open reg:5000\n"
                                        "NG030 cis.2.2 medium open bridge\n");
    assert_true(host->result->complete); /* nobody asks for capabilities */
    assert_item(host, "2.2", NG_CIS_FAIL, 1);
    assert_item(host, "2.5", NG_CIS_FAIL, 1);
    assert_item(host, "5.10", NG_CIS_FAIL, 1);
    assert_item(host, "5.30", NG_CIS_FAIL, 1);
    assert_item(host, "7.3", NG_CIS_FAIL, 1);
}

static void test_icc(void **state) {
    _host_ host = host_cis("version: 1\n");
    (void)state;
    host->network.is_default = true;
    assert_string_equal(cis_text(host), "NG030 cis.2.2 info open bridge\n");
    assert_non_null(strstr(host->result->findings[0].message, "; none is on it now"));
    host->network.icc_off = true;
    assert_item(host, "2.2", NG_CIS_PASS, 0);
}

static void test_the_engine_s_rules(void **state) {
    _host_ host = host_new("version: 1\n");
    (void)state;
    assert_int_equal(ng_policy_for_cis(host->policy), 0);
    assert_string_equal(cis_text(host), "NG036 cis.2.4 high open lab\n");
    host->engine.podman = true; /* writes others */
    assert_item(host, "2.4", NG_CIS_PASS, 0);
    host->engine.podman = false;
    host->lab->tables[1].name = "docker-bridges";
    chain(host->lab, table(host->lab, NG_TABLE_IP, "docker-bridges"), "filter-FORWARD");
    assert_item(host, "2.4", NG_CIS_PASS, 0);
}

static void test_the_proxy(void **state) {
    _host_ host = host_cis(ALLOW_ALL);
    (void)state;
    assert_item(host, "2.16", NG_CIS_UNKNOWN, 0); /* nothing is published */
    add_container(host, ID_A, "web");
    publish(host, "192.0.2.1", 8080, 80);
    assert_item(host, "2.16", NG_CIS_PASS, 0);
    listen_on(host, "192.0.2.1", 8080, NULL, NULL);
    assert_item(host, "2.16", NG_CIS_UNKNOWN, 0);
    host->listeners[0].process = "docker-proxy";
    assert_item(host, "2.16", NG_CIS_FAIL, 1);
    host->listeners[0].container_id = ID_A; /* of an engine in a container */
    assert_item(host, "2.16", NG_CIS_PASS, 0);
    host->engine.podman = true;
    assert_item(host, "2.16", NG_CIS_PASS, 0);
}

/* -- what is not known ------------------------------------------------------------------- */

static void test_nothing_passes_unseen(void **state) {
    static const struct ng_gap gap = {"docker", "did not answer"};
    _host_ host = host_cis(ALLOW_ALL);
    const struct ng_cis_item *items;
    size_t count;
    (void)state;
    host->lab->world.gaps = &gap;
    host->lab->world.n_gaps = 1;
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 8080, 80);
    assert_item(host, "5.14", NG_CIS_FAIL, 1);
    assert_item(host, "5.10", NG_CIS_UNKNOWN, 0);
    host->lab->world.n_gaps = 0;
    assert_item(host, "5.10", NG_CIS_PASS, 0);
    host->lab->world.n_engines = 0;
    judge(host);
    assert_int_equal(ng_cis_items(host->result, host->lab->arena, &items, &count), 0);
    assert_int_equal(count, 13);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(items[i].verdict, NG_CIS_UNKNOWN);
}

/* Who gets there perhaps does not fail it. */
static void test_what_cannot_be_decided(void **state) {
    _host_ host = host_cis(ALLOW_ALL);
    (void)state;
    RULE(host->lab, host->forward, UNKNOWN("a test of nobody's"), DROP);
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 8080, 80);
    assert_string_equal(cis_text(host), "NG033 cis.5.14 medium open web:8080 public\n");
    assert_item(host, "5.14", NG_CIS_UNKNOWN, 1);
}

/* Every item that a page names is one that the profile tells of, and the other way round. */
static void test_items_are_those_of_the_pages(void **state) {
    _host_ host = host_cis("version: 1\n");
    const struct ng_cis_item *items;
    size_t count;
    (void)state;
    judge(host);
    assert_int_equal(ng_cis_items(host->result, host->lab->arena, &items, &count), 0);
    bool *named = lab_alloc(host->lab, count, sizeof(*named));
    for (size_t i = 0; i < ng_catalog_count; i++)
        for (size_t k = 0; ng_catalog[i].cis && ng_catalog[i].cis[k]; k++) {
            size_t at = 0;
            while (at < count && strcmp(items[at].item, ng_catalog[i].cis[k]) != 0)
                at++;
            assert_true(at < count);
            named[at] = true;
        }
    for (size_t i = 0; i < count; i++)
        assert_true(named[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound_to_any_address_of_ipv6_alone),
        cmocka_unit_test(test_bound_to_one_address),
        cmocka_unit_test(test_published_and_out_of_reach),
        cmocka_unit_test(test_an_ingress_port_is_in_no_container_s_settings),
        cmocka_unit_test(test_a_service_in_mode_host),
        cmocka_unit_test(test_where_the_swarm_itself_listens),
        cmocka_unit_test(test_one_address_is_one_plane),
        cmocka_unit_test(test_privileged_ports),
        cmocka_unit_test(test_needed_ports),
        cmocka_unit_test(test_the_built_in_policy_knows_no_needs),
        cmocka_unit_test(test_the_api),
        cmocka_unit_test(test_habits_that_it_asks_for),
        cmocka_unit_test(test_icc),
        cmocka_unit_test(test_the_engine_s_rules),
        cmocka_unit_test(test_the_proxy),
        cmocka_unit_test(test_nothing_passes_unseen),
        cmocka_unit_test(test_what_cannot_be_decided),
        cmocka_unit_test(test_items_are_those_of_the_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
