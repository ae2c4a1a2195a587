/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A first policy: which zones it has, what it allows and what it only excepts, in YAML that reads
 * back as it was meant. tests/replay/test_init.py holds whole worlds to it. */
#include "tests/unit/fixture_host.h"

#include "agent/print/policy_init.h"

static const struct ng_proposal *propose(struct host *host, struct ng_proposal **ret_proposal) {
    struct ng_error error = {0};
    *ret_proposal = NULL;
    if (ng_propose(&host->lab->world, lab_ruleset(host->lab), ret_proposal, &error) < 0)
        fail_msg("%s", error.message);
    return *ret_proposal;
}

/* The text of the policy, which has to be one. */
static char *text_of(struct host *host) {
    _cleanup_(ng_proposal_freep) struct ng_proposal *proposal = NULL;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_int_equal(ng_print_proposal(out, propose(host, &proposal)), 0);
    fclose(out);
    ng_policy_free(host->policy);
    host->policy = parse_good(text);
    return text;
}

static bool is_private(struct host *host, const char *name) {
    _cleanup_(ng_proposal_freep) struct ng_proposal *proposal = NULL;
    propose(host, &proposal);
    for (size_t i = 0; i < proposal->n_links; i++)
        if (strcmp(proposal->links[i].name, name) == 0)
            return proposal->links[i].is_private;
    fail_msg("nothing is said of %s", name);
    return false;
}

/* eth1 of the lab has 10.0.0.1/24 alone. */
static void test_zones(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    assert_false(is_private(host, "eth0"));
    assert_true(is_private(host, "eth1"));
    lab_addr(host->lab, ETH1, "fe80::1", 64);
    assert_true(is_private(host, "eth1"));
    lab_addr(host->lab, ETH1, "fd12::1", 64);
    assert_true(is_private(host, "eth1"));
    lab_route(host->lab, NG_ROUTE_UNICAST, 100, "198.51.100.0/24", ETH1);
    assert_false(is_private(host, "eth1"));
}

static void test_zones_public(void **state) {
    (void)state;
    static const char *const addrs[] = {"100.64.0.1", "172.32.0.1", "192.169.0.1", "2001:db8:5::1"};
    for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
        _host_ host = host_new(QUIET);
        lab_addr(host->lab, ETH1, addrs[i], 32);
        assert_false(is_private(host, "eth1"));
    }
    _host_ host = host_new(QUIET);
    host->lab->links[ETH1 - 1].name = "eth*";
    assert_false(is_private(host, "eth*"));
    host->lab->links[ETH1 - 1].name = "eth1";
    host->lab->world.routes_read = false;
    assert_false(is_private(host, "eth1"));
}

/* What a VPN for the internet has behind it is everybody. */
static void test_tunnels(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    lab_link(host->lab, "wg0", "wireguard");
    lab_link(host->lab, "tun0", "tun");
    lab_link(host->lab, "tailscale0", "tun");
    assert_true(is_private(host, "wg0"));
    assert_false(is_private(host, "tun0"));
    assert_true(is_private(host, "tailscale0"));
    lab_route(host->lab, NG_ROUTE_UNICAST, 51820, "128.0.0.0/1", DOCKER0 + 1);
    assert_false(is_private(host, "wg0"));
}

static void test_rules(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    add_container(host, ID_A, "cache");
    publish(host, "0.0.0.0", 16379, 6379);
    publish(host, "10.0.0.1", 9000, 9000);
    publish(host, "10.0.0.1", 9001, 9001);
    add_container(host, ID_B, "web");
    publish(host, "0.0.0.0", 8080, 80);
    RULE(host->lab, host->forward, named(host->lab, NG_FIELD_IIFNAME, "eth0"), DROP);
    listen_on(host, "0.0.0.0", 3306, "mysqld", NULL);
    listen_on(host, "0.0.0.0", 22, "sshd", NULL);
    char *text = text_of(host);
    assert_non_null(strstr(text, "  - id: \"web\"\n    allow: [80/tcp, \"8080->80/tcp\"]\n"
                                 "    from: [private, public]\n    to: {name: \"web\"}\n"));
    assert_non_null(strstr(text, "9000-9001/tcp"));
    assert_null(strstr(text, "sshd"));
    free(text);
    assert_string_equal(findings_text(host),
                        "NG001 no-data-stores critical alert excepted cache:16379 public\n"
                        "NG003 no-data-stores critical alert excepted mysqld:3306 public\n");
}

static void test_names(void **state) {
    static const char *const names[] = {"a\"b\\", "line\nbreak",      "*",           "- x",
                                        "# y",    "\xe2\x80\xaegnol", "usage.links", "default"};
    _host_ host = host_new(QUIET);
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        add_container(host, ID_A, names[i]);
        publish(host, "0.0.0.0", (uint16_t)(8000 + i), 80);
    }
    char *text = text_of(host);
    /* The built-in rules stand before those of the containers, which are sorted. */
    assert_int_equal(host->policy->n_rules, 2 + 3 + ARRAY_SIZE(names));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        size_t found = 0;
        for (size_t k = 5; k < host->policy->n_rules; k++)
            found += ng_selector_match(host->policy->rules[k].to, 1, &host->containers[i], NULL);
        assert_in_range(found, 1, 2); /* "?", which "*" has become, matches none of the others */
    }
    assert_string_equal(findings_text(host), "");
    free(text);
}

static void test_texts(void **state) {
    static const struct {
        const char *text, *quoted;
    } texts[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"\"\\", "\"\\\"\\\\\""},
        {"\n\x1b\x7f", "\"\\u000a\\u001b\\u007f\""},
        {"\xc3\xbc\xe6\x97\xa5", "\"\xc3\xbc\xe6\x97\xa5\""},
        {"\xc2\x85\xe2\x80\xa8\xef\xbb\xbf", "\"\\u0085\\u2028\\ufeff\""},
        {"\xf0\x9f\x98\x80", "\"\\U0001f600\""},
    };
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_string_equal(ng_yaml_text(arena, texts[i].text), texts[i].quoted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zones),   cmocka_unit_test(test_zones_public),
        cmocka_unit_test(test_tunnels), cmocka_unit_test(test_rules),
        cmocka_unit_test(test_names),   cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests_name("policy init", tests, NULL, NULL);
}
