/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `usage:` of a policy: the engine's own ports, who may reach them, and how they are closed. */
#include "tests/unit/fixture_guarded.h"

#define ZONES "zones: [{id: private, match: [{interfaces: [eth1]}]}]\n"

/* -- the language ----------------------------------------------------------------------- */

static const char *rules_text(struct ng_arena *arena, const struct ng_policy *policy) {
    const char *text = "";
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct ng_rule_policy *rule = &policy->rules[i];
        text = ng_arena_printf(arena, "%s%s %s %s", text, rule->id, ng_action_text(rule->action),
                               ng_severity_text(rule->severity));
        for (size_t k = 0; k < rule->from.count; k++)
            text = ng_arena_printf(arena, "%s %s", text, rule->from.items[k]);
        text = ng_arena_printf(arena, "%s\n", text);
    }
    return text;
}

static void test_becomes_rules_before_all_others(void **state) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    _cleanup_(ng_policy_freep) struct ng_policy *policy =
        parse_good("version: 1\ndefaults: {action: block}\nrules: [{id: a, deny: [1]}]\n" ZONES
                   "usage: {cluster: {zones: [private, containers]}, docker_api: {}}\n");
    (void)state;
    assert_string_equal(rules_text(arena, policy),
                        "usage.docker_api block critical containers private public\n"
                        "usage.cluster block high public\n"
                        "a block high public\n");
    assert_int_equal(policy->rules[0].usage, NG_USAGE_DOCKER_API);
    assert_int_equal(policy->rules[1].usage, NG_USAGE_CLUSTER);
}

static void test_files_add_up(void **state) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    const struct ng_policy_text texts[] = {
        policy_text("version: 1\nusage: {cluster: {zones: private, action: block}}\n"),
        policy_text(ZONES "usage: {cluster: {zones: [containers], severity: low}}\n"),
        policy_text("usage: {cluster: {zones: []}, docker_api: {zones: [], action: alert}}\n"),
    };
    _cleanup_(ng_policy_freep) struct ng_policy *policy = parse_texts(texts, ARRAY_SIZE(texts));
    (void)state;
    assert_string_equal(rules_text(arena, policy),
                        "usage.docker_api alert critical containers private public\n"
                        "usage.cluster block low public\n");
}

static void test_zones_that_may_all_leave_nothing_to_say(void **state) {
    _cleanup_(ng_policy_freep) struct ng_policy *policy =
        parse_good("version: 1\nusage: {cluster: {zones: [public, containers]}}\n");
    (void)state;
    assert_int_equal(policy->n_rules, 0);
}

static const struct bad bad_usages[] = {
    BAD("version: 1\nusage: []\n",
        "2:8: expected a mapping for 'usage' (host_network, links, default_bridge, "
        "capabilities, unencrypted_overlay, insecure_registry, direct_routing, docker_api or "
        "cluster), found an "
        "empty list"),
    BAD("version: 1\nusage: {clustr: {}}\n",
        "2:9: unknown key \"clustr\" in 'usage'; expected host_network, links, default_bridge, "
        "capabilities, unencrypted_overlay, insecure_registry, direct_routing, docker_api or "
        "cluster; did you mean \"cluster\"?"),
    BAD("version: 1\nusage: {cluster: {zone: []}}\n",
        "2:19: unknown key \"zone\" in 'cluster'; expected zones, action or severity; did you "
        "mean \"zones\"?"),
    BAD("version: 1\nusage: {cluster: {zones: [privat]}}\n" ZONES,
        "2:27: there is no zone \"privat\"; expected private, containers or public; did you mean "
        "\"private\"?"),
    BAD("version: 1\nusage: {docker_api: {zones: [host]}}\n",
        "2:30: 'host' cannot stand in 'zones': what this machine sends to itself is not judged"),
    BAD("version: 1\nusage: {cluster: {action: allow}}\n",
        "2:27: expected alert or block for 'action', found \"allow\""),
    BAD("version: 1\nrules: [{id: usage.cluster, deny: [1]}]\n",
        "2:14: ids that begin with 'usage.' stand for what is said in 'usage'; choose another"),
};

static void test_mistakes_are_told(void **state) {
    (void)state;
    assert_all_refused(bad_usages, ARRAY_SIZE(bad_usages));
}

/* -- findings --------------------------------------------------------------------------- */

static void add_swarm(struct host *host) {
    host->engine.swarm = host->engine.manager = true;
    listen_on(host, "0.0.0.0", 2377, "dockerd", NULL);
    listen_on(host, "0.0.0.0", 7946, "dockerd", NULL);
    listen_on(host, "0.0.0.0", 7946, "dockerd", NULL);
    host->listeners[2].proto = NG_UDP;
    listen_on(host, "0.0.0.0", 4789, NULL, NULL);
    host->listeners[3].proto = NG_UDP;
}

/* Whatever a rule says of the port; but not of whom `allow` selects, nor of what is published. */
static void test_own_addresses_from_outside_are_findings(void **state) {
    static const struct ng_port exposed[] = {{.port = 80, .proto = NG_TCP}};
    _host_ host = host_new("version: 1\nrules: [{id: all, allow: [\"@any\"]}]\n"
                           "usage: {direct_routing: {allow: {name: router}}}\n");
    (void)state;
    struct ng_container *web = add_container(host, ID_A, "web");
    web->exposed = exposed;
    web->n_exposed = ARRAY_SIZE(exposed);
    publish(host, "0.0.0.0", 8080, 80);
    struct ng_container *router = add_container(host, ID_B, "router");
    router->exposed = exposed;
    router->n_exposed = ARRAY_SIZE(exposed);
    assert_string_equal(findings_text(host),
                        "NG006 usage.direct_routing high alert open web:0 public\n");
}

static void test_cluster_ports_outside_their_zones_are_findings(void **state) {
    _host_ host = host_new("version: 1\n" ZONES "usage: {cluster: {zones: [private, containers]}}\n"
                           "rules: [{id: all, allow: [\"@any\"], to: {host: {}}}]\n");
    (void)state;
    add_swarm(host);
    listen_on(host, "0.0.0.0", 22, "sshd", NULL);
    assert_string_equal(findings_text(host),
                        "NG005 usage.cluster high alert open dockerd:2377 public\n"
                        "NG005 usage.cluster high alert open dockerd:7946 public\n"
                        "NG005 usage.cluster high alert open dockerd:7946 public\n"
                        "NG005 usage.cluster high alert open this host:4789 public\n");
    assert_non_null(strstr(host->result->findings[0].fix, "`action: block` in usage.cluster"));
}

/* Whatever port it listens on; and what others have on the usual ones is none. */
static void test_the_api_is_known_wherever_it_listens(void **state) {
    static const struct ng_open_api api = {.addr = {.family = NG_IP4}, .port = 9000};
    _host_ host = host_new("version: 1\nusage: {docker_api: {action: block}}\n");
    (void)state;
    host->engine.open_apis = &api;
    host->engine.n_open_apis = 1;
    listen_on(host, "0.0.0.0", 9000, "dockerd", NULL);
    listen_on(host, "0.0.0.0", 2375, "nginx", NULL);
    assert_string_equal(
        findings_text(host),
        "NG004 usage.docker_api critical block open dockerd:9000 containers,public\n");
}

/* The bridges are asked about no more than that. */
static void test_containers_are_asked_about_the_engine_alone(void **state) {
    _host_ host = host_new("version: 1\nusage: {docker_api: {}}\n");
    (void)state;
    listen_on(host, "0.0.0.0", 2375, "dockerd", NULL);
    listen_on(host, "0.0.0.0", 22, "sshd", NULL);
    assert_string_equal(exposures_text(host),
                        "host tcp 0.0.0.0:22 local [public eth0 reachable all] [public eth1 "
                        "reachable all]\n"
                        "host tcp 0.0.0.0:2375 docker-api local [containers docker0 reachable "
                        "all] [public eth0 reachable all] [public eth1 reachable all]\n");
}

static void test_an_exception_names_it_like_a_rule(void **state) {
    _host_ host = host_new("version: 1\nusage: {docker_api: {zones: [containers]}}\nexceptions: "
                           "[{rule: usage.docker_api, to: {host: {process: dockerd}}}]\n");
    (void)state;
    listen_on(host, "0.0.0.0", 2375, "dockerd", NULL);
    assert_string_equal(findings_text(host),
                        "NG004 usage.docker_api critical alert excepted dockerd:2375 public\n");
}

/* -- the guard -------------------------------------------------------------------------- */

#define CLUSTER                                                                                    \
    "version: 1\nmode: enforce\n" ZONES                                                            \
    "usage: {cluster: {zones: [private, containers], action: block}}\n"

#define CLOSED                                                                                     \
    "engine_tcp_public: 2377 : goto closed_public/usage.cluster, 7946 : goto "                     \
    "closed_public/usage.cluster\n"                                                                \
    "engine_udp_public: 4789 : goto closed_public/usage.cluster, 7946 : goto "                     \
    "closed_public/usage.cluster\n"

/* At input alone: a container may publish a port of the same number. */
static void test_the_usual_ports_are_closed_before_the_engine_runs(void **state) {
    _host_ host = host_new(CLUSTER);
    (void)state;
    assert_string_equal(sets_text(host), "bridges: \"docker0\"\n" CLOSED);
    assert_string_equal(chain_text(host, "forward"), "iifname \"lo\" accept\n"
                                                     "iifname @bridges accept\n"
                                                     "iifname \"eth1\" accept\n");
    assert_string_equal(chain_text(host, "input"), "iifname \"lo\" accept\n"
                                                   "iifname @bridges accept\n"
                                                   "iifname \"eth1\" accept\n"
                                                   "goto input_public\n");
    assert_non_null(strstr(chain_text(host, "input_public"),
                           "meta l4proto tcp th dport vmap @engine_tcp_public\n"
                           "meta l4proto udp th dport vmap @engine_udp_public\n"
                           "meta nfproto . meta l4proto vmap @tunnels_public\n"));
    assert_string_equal(chain_text(host, "closed_public/usage.cluster"),
                        "jump listeners_public\n"
                        "goto rule_usage.cluster\n");
}

static void test_the_engine_s_own_ports_stay_closed(void **state) {
    _host_ host = host_new(CLUSTER);
    (void)state;
    add_swarm(host);
    host->engine.data_path_port = host->listeners[3].port = 5000;
    /* What others have on them is theirs. */
    listen_on(host, "192.0.2.1", 4789, "other", NULL);
    host->listeners[4].proto = NG_UDP;
    assert_string_equal(sets_text(host),
                        "bridges: \"docker0\"\n" CLOSED
                        "known_public: ipv4 . udp . 5000 : goto rule_usage.cluster\n"
                        "own4_public: udp . 192.0.2.1 . 4789\n");
}

static void test_esp_is_closed_where_an_overlay_needs_it(void **state) {
    _host_ host = host_new(CLUSTER);
    (void)state;
    host->engine.swarm = true;
    host->network.driver = "overlay";
    host->network.encrypted = true;
    assert_null(strstr(sets_text(host), "tunnels_public"));
    add_container(host, ID_A, "web");
    assert_non_null(strstr(sets_text(host),
                           "tunnels_public: ipv4 . esp : goto rule_usage.cluster, ipv6 . esp : "
                           "goto rule_usage.cluster\n"));
    struct ng_guard guard = make_guard(host, 0);
    assert_non_null(limit_with(&guard, "IPsec tunnels of this machine's own"));
}

/* -- nodes of the swarm ------------------------------------------------------------------ */

static void test_no_node_is_cut_off(void **state) {
    const struct ng_addr peers[] = {addr("10.0.0.7"), addr("192.0.2.1"), addr("192.0.2.7"),
                                    addr("192.0.2.8")};
    _host_ host = host_new(CLUSTER "rules: [{id: a, deny: [1/tcp], action: block}]\n");
    (void)state;
    add_swarm(host);
    host->engine.peers = peers;
    host->engine.n_peers = 2; /* of the private zone, and this node itself */
    assert_null(make_guard(host, 0).withheld);
    assert_non_null(strstr(sets_text(host), CLOSED));

    host->engine.n_peers = ARRAY_SIZE(peers);
    struct ng_guard guard = make_guard(host, 0);
    assert_string_equal(guard.withheld,
                        "the swarm's ports are not closed, for this node would lose others: "
                        "192.0.2.7 from zone public, 192.0.2.8 from zone public; let `usage: "
                        "cluster` name their zones");
    assert_string_equal(limit_with(&guard, "the swarm's ports"), guard.withheld);
    /* The rest of the policy stays in force. */
    assert_string_equal(sets_text(host), "bridges: \"docker0\"\n"
                                         "ports_tcp_public: 1 : goto closed_public/a\n");

    const struct ng_guard_options forced = {.cut_peers = true};
    assert_int_equal(ng_guard_make(host->result, &forced, host->lab->arena, &guard), 0);
    assert_null(guard.withheld);
    assert_null(limit_with(&guard, "the swarm's ports"));
}

/* An alert cuts nobody off. */
static void test_what_is_only_told_is_not_withheld(void **state) {
    const struct ng_addr peer = addr("192.0.2.7");
    _host_ host = host_new("version: 1\nmode: enforce\nusage: {cluster: {action: alert}}\n");
    (void)state;
    add_swarm(host);
    host->engine.peers = &peer;
    host->engine.n_peers = 1;
    assert_null(make_guard(host, 0).withheld);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_becomes_rules_before_all_others),
        cmocka_unit_test(test_files_add_up),
        cmocka_unit_test(test_zones_that_may_all_leave_nothing_to_say),
        cmocka_unit_test(test_mistakes_are_told),
        cmocka_unit_test(test_own_addresses_from_outside_are_findings),
        cmocka_unit_test(test_cluster_ports_outside_their_zones_are_findings),
        cmocka_unit_test(test_the_api_is_known_wherever_it_listens),
        cmocka_unit_test(test_containers_are_asked_about_the_engine_alone),
        cmocka_unit_test(test_an_exception_names_it_like_a_rule),
        cmocka_unit_test(test_the_usual_ports_are_closed_before_the_engine_runs),
        cmocka_unit_test(test_the_engine_s_own_ports_stay_closed),
        cmocka_unit_test(test_esp_is_closed_where_an_overlay_needs_it),
        cmocka_unit_test(test_no_node_is_cut_off),
        cmocka_unit_test(test_what_is_only_told_is_not_withheld),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
