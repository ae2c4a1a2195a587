/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a policy that is right means: every field. */
#include "tests/unit/fixture_policy.h"

#include <errno.h>

static const struct ng_addrset nothing;

static void assert_strings(struct ng_strings strings, const char *const *expected, size_t count) {
    assert_int_equal(strings.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(strings.items[i], expected[i]);
}

#define assert_texts(strings, ...)                                                                 \
    assert_strings((strings), (const char *const[]){__VA_ARGS__},                                  \
                   ARRAY_SIZE(((const char *const[]){__VA_ARGS__})))

static void assert_port(const struct ng_port_match *found, struct ng_port_match expected) {
    assert_int_equal(found->any, expected.any);
    assert_int_equal(found->pair, expected.pair);
    assert_int_equal(found->proto, expected.proto);
    assert_int_equal(found->lo, expected.lo);
    assert_int_equal(found->hi, expected.hi);
    assert_int_equal(found->to, expected.to);
    if (expected.group)
        assert_string_equal(found->group, expected.group);
    else
        assert_null(found->group);
}

static bool has_port(const struct ng_rule_policy *rule, uint8_t proto, uint16_t port) {
    for (size_t i = 0; i < rule->n_ports; i++) {
        const struct ng_port_match *match = &rule->ports[i];
        if ((match->proto == 0 || match->proto == proto) && port >= match->lo && port <= match->hi)
            return true;
    }
    return false;
}

static void assert_interval(struct ng_addrset set, ng_u128 lo, ng_u128 hi) {
    const struct ng_interval one = {lo, hi};
    assert_true(ng_addrset_equal(set, (struct ng_addrset){&one, 1}));
}

/* -- the contract's example ---------------------------------------------------------- */

static void check_zones(const struct ng_policy *policy) {
    assert_int_equal(policy->n_zones, 1);
    const struct ng_zone *zone = &policy->zones[0];
    assert_string_equal(zone->id, "private");
    assert_int_equal(zone->n_matches, 2);
    assert_texts(zone->matches[0].interfaces, "eth1", "wg*");
    assert_false(zone->matches[0].has_sources);
    assert_texts(zone->matches[1].interfaces, "eth0");
    assert_true(zone->matches[1].has_sources);
    assert_interval(zone->matches[1].sources4, 0x0a080000, 0x0a08ffff);
    assert_true(ng_addrset_equal(zone->matches[1].sources6, nothing));
}

static void check_edge(const struct ng_rule_policy *rule) {
    assert_string_equal(rule->id, "edge");
    assert_true(rule->allow);
    assert_int_equal(rule->n_ports, 2);
    assert_port(&rule->ports[0], (struct ng_port_match){.lo = 80, .hi = 80});
    assert_port(&rule->ports[1], (struct ng_port_match){.lo = 443, .hi = 443});
    assert_texts(rule->from, "public");
    assert_int_equal(rule->n_to, 1);
    assert_false(rule->to[0].host);
    assert_int_equal(rule->to[0].n_labels, 1);
    assert_string_equal(rule->to[0].labels[0].key, "role");
    assert_string_equal(rule->to[0].labels[0].value, "gateway");
    assert_int_equal(rule->to[0].name.count, 0);
    assert_int_equal(rule->action, NG_ALLOW);
    assert_int_equal(rule->severity, NG_INFO);
    assert_null(rule->reason);
}

static void check_ops(const struct ng_rule_policy *rule) {
    assert_string_equal(rule->id, "ops");
    assert_true(rule->allow);
    assert_int_equal(rule->n_ports, 1);
    assert_port(&rule->ports[0], (struct ng_port_match){.any = true, .hi = 65535, .group = "@any"});
    assert_texts(rule->from, "private");
    assert_int_equal(rule->n_to, 0);
}

static void check_no_stores(const struct ng_rule_policy *rule, const char *source) {
    assert_string_equal(rule->id, "no-stores");
    assert_false(rule->allow);
    assert_true(rule->n_ports > 3);
    assert_string_equal(rule->ports[0].group, "@databases");
    assert_true(has_port(rule, NG_TCP, 5432));
    const struct ng_port_match *cache = &rule->ports[rule->n_ports - 3];
    assert_port(&cache[0], (struct ng_port_match){.lo = 6379, .hi = 6379, .group = "cache"});
    assert_port(&cache[1], (struct ng_port_match){
                               .proto = NG_UDP, .lo = 11211, .hi = 11211, .group = "cache"});
    assert_port(&cache[2], (struct ng_port_match){.lo = 7000, .hi = 7005, .group = "cache"});
    assert_string_equal(cache[-1].group, "@databases");
    assert_texts(rule->from, "public");
    assert_int_equal(rule->n_to, 0);
    assert_int_equal(rule->action, NG_BLOCK);
    assert_int_equal(rule->severity, NG_CRITICAL);
    assert_string_equal(rule->reason, "data stores live on the backend network");
    assert_string_equal(rule->place.source, source);
    assert_int_equal(rule->place.line, 16);
}

static void test_contract_example(void **state) {
    size_t len;
    char *bytes = read_policy_file(POLICY_DATA "/supported.yaml", &len), name[] = "supported.yaml";
    struct ng_policy_text text = {.name = name, .bytes = bytes, .len_bytes = len};
    struct ng_policy *policy = parse_texts(&text, 1);

    (void)state;
    /* The policy lives alone: nothing of what it was made from may be needed any more. */
    memset(bytes, 'x', len);
    memset(name, 'x', sizeof(name) - 1);
    free(bytes);

    assert_false(policy->built_in);
    assert_int_equal(policy->mode, NG_MONITOR);
    assert_int_equal(policy->default_action, NG_ALERT);
    assert_int_equal(policy->default_severity, NG_HIGH);
    check_zones(policy);
    assert_int_equal(policy->n_rules, 5);
    assert_string_equal(policy->rules[0].id, "usage.docker_api");
    assert_string_equal(policy->rules[1].id, "usage.cluster");
    check_edge(&policy->rules[2]);
    check_ops(&policy->rules[3]);
    check_no_stores(&policy->rules[4], "supported.yaml");
    assert_int_equal(policy->n_exceptions, 1);
    assert_string_equal(policy->exceptions[0].rule, "no-stores");
    assert_int_equal(policy->exceptions[0].n_to, 1);
    assert_texts(policy->exceptions[0].to[0].name, "legacy-redis");
    assert_true(policy->exceptions[0].until_s == 1801440000); /* 2027-02-01T00:00:00Z */
    assert_string_equal(policy->exceptions[0].reason, "ticket 4711");
    ng_policy_free(policy);
}

/* -- what is not written ------------------------------------------------------------- */

static void test_smallest(void **state) {
    struct ng_policy *policy = parse_good("version: 1\n");

    (void)state;
    assert_false(policy->built_in);
    assert_int_equal(policy->mode, NG_MONITOR);
    assert_int_equal(policy->default_action, NG_ALERT);
    assert_int_equal(policy->default_severity, NG_HIGH);
    assert_int_equal(policy->n_zones, 0);
    assert_int_equal(policy->n_rules, 0);
    assert_int_equal(policy->n_exceptions, 0);
    ng_policy_free(policy);
}

static void test_defaults_of_rules(void **state) {
    struct ng_policy *policy = parse_good("version: 1\n"
                                          "rules:\n"
                                          "  - {id: plain, deny: 1}\n"
                                          "  - {id: own, deny: 2, action: alert, severity: info}\n"
                                          "defaults: {action: block, severity: low}\n");

    (void)state;
    assert_int_equal(policy->rules[0].action, NG_BLOCK);
    assert_int_equal(policy->rules[0].severity, NG_LOW);
    assert_int_equal(policy->rules[1].action, NG_ALERT);
    assert_int_equal(policy->rules[1].severity, NG_INFO);
    assert_int_equal(policy->default_severity, NG_LOW);
    assert_int_equal(policy->default_action, NG_ALERT);
    assert_int_equal(policy->rules[0].place.line, 3);
    ng_policy_free(policy);

    policy = parse_good("version: 1\nrules: [{id: plain, deny: 1}]\n");
    assert_int_equal(policy->rules[0].action, NG_ALERT);
    assert_int_equal(policy->rules[0].severity, NG_HIGH);
    ng_policy_free(policy);
}

static void test_built_in(void **state) {
    struct ng_policy *policy = parse_texts(NULL, 0);

    (void)state;
    assert_true(policy->built_in);
    assert_int_equal(policy->mode, NG_MONITOR);
    assert_int_equal(policy->default_action, NG_ALLOW);
    assert_int_equal(policy->n_rules, 3);
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct ng_rule_policy *rule = &policy->rules[i];
        assert_false(rule->allow);
        assert_int_equal(rule->action, NG_ALERT);
        assert_texts(rule->from, "public");
        assert_int_equal(rule->n_to, 0);
        assert_non_null(rule->reason);
        /* What hardly anyone publishes by mistake, and what must stay reachable to work with. */
        static const uint16_t harmless[] = {22, 80, 443, 8000, 8080, 8443, 9000, 9090, 9443, 5000};
        for (size_t j = 0; j < ARRAY_SIZE(harmless); j++)
            assert_false(has_port(rule, NG_TCP, harmless[j]));
    }
    assert_int_equal(policy->rules[0].severity, NG_CRITICAL);
    assert_true(has_port(&policy->rules[0], NG_TCP, 2375));
    assert_true(has_port(&policy->rules[0], NG_TCP, 2376));
    assert_string_equal(policy->rules[0].ports[0].group, "@docker-api");

    static const uint16_t stores[] = {6379,  26379, 5432, 3306, 33060, 27017, 27019,
                                      11211, 9200,  9300, 9042, 5984,  8086,  8123,
                                      1433,  1521,  7474, 7687, 28015, 9092};
    assert_int_equal(policy->rules[1].severity, NG_CRITICAL);
    for (size_t i = 0; i < ARRAY_SIZE(stores); i++)
        assert_true(has_port(&policy->rules[1], NG_TCP, stores[i]));
    assert_true(has_port(&policy->rules[1], NG_UDP, 11211));
    assert_false(has_port(&policy->rules[1], NG_UDP, 6379));

    assert_int_equal(policy->rules[2].severity, NG_HIGH);
    assert_true(has_port(&policy->rules[2], NG_TCP, 2377));
    assert_true(has_port(&policy->rules[2], NG_TCP, 7946));
    assert_true(has_port(&policy->rules[2], NG_UDP, 7946));
    assert_true(has_port(&policy->rules[2], NG_UDP, 4789));
    assert_true(has_port(&policy->rules[2], NG_TCP, 2379));
    ng_policy_free(policy);
}

/* -- ports --------------------------------------------------------------------------- */

static void test_ports(void **state) {
    struct ng_policy *policy = parse_good(
        "version: 1\n"
        "ports:\n"
        "  web: [80, https]\n"
        "  https: 443/tcp\n"
        "  stores: [\"@docker-api\", 0]\n"
        "rules:\n"
        "  - {id: a, deny: [0600, 0o600, 0x50, \"443\", 53/udp, 132/sctp, 65535, 0-1023/tcp]}\n"
        "  - {id: b, deny: [8443->443, \"8000-8010->80\", 53->5353/udp]}\n"
        "  - {id: c, deny: [web, stores]}\n");
    const struct ng_port_match *ports = policy->rules[0].ports;

    (void)state;
    assert_int_equal(policy->rules[0].n_ports, 8);
    assert_port(&ports[0], (struct ng_port_match){.lo = 600, .hi = 600});
    assert_port(&ports[1], (struct ng_port_match){.lo = 384, .hi = 384});
    assert_port(&ports[2], (struct ng_port_match){.lo = 80, .hi = 80});
    assert_port(&ports[3], (struct ng_port_match){.lo = 443, .hi = 443});
    assert_port(&ports[4], (struct ng_port_match){.proto = NG_UDP, .lo = 53, .hi = 53});
    assert_port(&ports[5], (struct ng_port_match){.proto = NG_SCTP, .lo = 132, .hi = 132});
    assert_port(&ports[6], (struct ng_port_match){.lo = 65535, .hi = 65535});
    assert_port(&ports[7], (struct ng_port_match){.proto = NG_TCP, .lo = 0, .hi = 1023});

    ports = policy->rules[1].ports;
    assert_int_equal(policy->rules[1].n_ports, 3);
    assert_port(&ports[0], (struct ng_port_match){.pair = true, .lo = 8443, .hi = 8443, .to = 443});
    assert_port(&ports[1], (struct ng_port_match){.pair = true, .lo = 8000, .hi = 8010, .to = 80});
    assert_port(&ports[2], (struct ng_port_match){
                               .pair = true, .proto = NG_UDP, .lo = 53, .hi = 53, .to = 5353});

    /* A group of groups: what the rule names is what its ports are known by. */
    ports = policy->rules[2].ports;
    assert_int_equal(policy->rules[2].n_ports, 4);
    assert_port(&ports[0], (struct ng_port_match){.lo = 80, .hi = 80, .group = "web"});
    assert_port(&ports[1],
                (struct ng_port_match){.proto = NG_TCP, .lo = 443, .hi = 443, .group = "web"});
    assert_port(&ports[2],
                (struct ng_port_match){.proto = NG_TCP, .lo = 2375, .hi = 2376, .group = "stores"});
    assert_port(&ports[3], (struct ng_port_match){.lo = 0, .hi = 0, .group = "stores"});
    ng_policy_free(policy);
}

/* -- zones, selectors, dates --------------------------------------------------------- */

static void test_zone_sources(void **state) {
    struct ng_policy *policy =
        parse_good("version: 1\n"
                   "zones:\n"
                   "  - id: office\n"
                   "    match:\n"
                   "      sources: [10.0.1.0/24, 10.0.0.0/24, 192.0.2.7, \"2001:db8::/32\"]\n"
                   "  - {id: six, match: {sources: \"fe80::1\"}}\n"
                   "rules: [{id: a, deny: 1, from: [six, containers, office, public]}]\n");
    const struct ng_zone_match *match = policy->zones[0].matches;
    const struct ng_interval v4[] = {{0x0a000000, 0x0a0001ff}, {0xc0000207, 0xc0000207}};
    const ng_u128 v6 = (ng_u128)0x20010db8 << 96;

    (void)state;
    assert_int_equal(policy->n_zones, 2);
    assert_int_equal(policy->zones[0].n_matches, 1);
    assert_int_equal(match->interfaces.count, 0);
    assert_true(ng_addrset_equal(match->sources4, (struct ng_addrset){v4, 2}));
    assert_interval(match->sources6, v6, v6 | (((ng_u128)1 << 96) - 1));
    assert_true(policy->zones[1].matches->has_sources);
    assert_true(ng_addrset_empty(policy->zones[1].matches->sources4));
    assert_texts(policy->rules[0].from, "six", "containers", "office", "public");
    ng_policy_free(policy);
}

static void test_selectors(void **state) {
    struct ng_policy *policy =
        parse_good("version: 1\n"
                   "rules:\n"
                   "  - id: a\n"
                   "    deny: 1\n"
                   "    to:\n"
                   "      - {name: [a, \"b*\"], image: c, service: d, stack: e, network: f}\n"
                   "      - label: {tier: [db, \"\"], com.example.role: \"*\"}\n"
                   "      - {host: {process: [sshd, \"ssh*\"]}}\n"
                   "      - host: {}\n"
                   "    reason: >\n"
                   "      two\n"
                   "      lines,\tone  text\n");
    const struct ng_selector *to = policy->rules[0].to;

    (void)state;
    assert_int_equal(policy->rules[0].n_to, 4);
    assert_texts(to[0].name, "a", "b*");
    assert_texts(to[0].image, "c");
    assert_texts(to[0].service, "d");
    assert_texts(to[0].stack, "e");
    assert_texts(to[0].network, "f");
    assert_int_equal(to[0].n_labels, 0);
    assert_false(to[0].host);
    assert_int_equal(to[1].n_labels, 3);
    assert_string_equal(to[1].labels[0].key, "tier");
    assert_string_equal(to[1].labels[0].value, "db");
    assert_string_equal(to[1].labels[1].key, "tier");
    assert_string_equal(to[1].labels[1].value, "");
    assert_string_equal(to[1].labels[2].key, "com.example.role");
    assert_true(to[2].host);
    assert_texts(to[2].process, "sshd", "ssh*");
    assert_true(to[3].host);
    assert_int_equal(to[3].process.count, 0);
    assert_string_equal(policy->rules[0].reason, "two lines, one text");
    ng_policy_free(policy);
}

static void assert_until(const char *date, int64_t until_s) {
    char text[160];

    snprintf(text, sizeof(text),
             "version: 1\nexceptions: [{rule: default, to: {name: a}, until: %s}]\n", date);
    struct ng_policy *policy = parse_good(text);
    assert_string_equal(policy->exceptions[0].rule, "default");
    assert_true(policy->exceptions[0].until_s == until_s);
    ng_policy_free(policy);
}

static void test_dates(void **state) {
    (void)state;
    assert_until("1970-01-01", 86400);
    assert_until("2000-02-29", 951868800);
    assert_until("2024-02-28", 1709164800);
    assert_until("\"2026-12-31\"", 1798761600);
    assert_until("9999-12-31", 253402300800);

    struct ng_policy *policy =
        parse_good("version: 1\nexceptions: [{rule: default, to: {name: a}}]\n");
    assert_true(policy->exceptions[0].until_s == INT64_MAX);
    assert_null(policy->exceptions[0].reason);
    ng_policy_free(policy);
}

/* -- several files, other writings --------------------------------------------------- */

static void test_merge(void **state) {
    struct ng_policy_text texts[] = {
        {.name = "policy.yaml",
         .bytes = "version: 1\n"
                  "mode: monitor\n"
                  "default: alert\n"
                  "defaults: {action: block, severity: low}\n"
                  "zones: [{id: one, match: {interfaces: a}}]\n"
                  "ports: {web: [80]}\n"
                  "rules: [{id: first, deny: web, from: two}]\n"
                  "exceptions: [{rule: second, to: {name: x}}]\n"},
        {.name = "policy.d/10.yaml", .bytes = "# nothing yet\n"},
        {.name = "policy.d/20.yaml",
         .bytes = "version: 1\n"
                  "mode: enforce\n"
                  "default: block\n"
                  "defaults: {severity: critical}\n"
                  "zones: [{id: two, match: {interfaces: b}}]\n"
                  "ports: {web: [443], late: web}\n"
                  "rules: [{id: second, deny: late}]\n"
                  "exceptions: [{rule: first, to: {name: y}}]\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        texts[i].len_bytes = strlen(texts[i].bytes);
    struct ng_policy *policy = parse_texts(texts, ARRAY_SIZE(texts));

    assert_int_equal(policy->mode, NG_ENFORCE);
    assert_int_equal(policy->default_action, NG_BLOCK);
    assert_int_equal(policy->default_severity, NG_CRITICAL);
    assert_int_equal(policy->n_zones, 2);
    assert_string_equal(policy->zones[0].id, "one");
    assert_string_equal(policy->zones[1].id, "two");
    assert_int_equal(policy->n_rules, 2);
    assert_string_equal(policy->rules[0].id, "first");
    assert_string_equal(policy->rules[0].place.source, "policy.yaml");
    assert_int_equal(policy->rules[0].action, NG_BLOCK);
    assert_int_equal(policy->rules[0].severity, NG_CRITICAL);
    assert_int_equal(policy->rules[0].n_ports, 2); /* the group got longer */
    assert_int_equal(policy->rules[0].ports[1].lo, 443);
    assert_texts(policy->rules[0].from, "two");
    assert_string_equal(policy->rules[1].place.source, "policy.d/20.yaml");
    assert_int_equal(policy->rules[1].n_ports, 2);
    assert_string_equal(policy->rules[1].ports[0].group, "late");
    assert_int_equal(policy->n_exceptions, 2);
    assert_string_equal(policy->exceptions[0].rule, "second");
    assert_string_equal(policy->exceptions[1].rule, "first");
    ng_policy_free(policy);
}

static void test_writings(void **state) {
    static const char *const same[] = {
        "{\"version\": 1, \"mode\": \"enforce\", \"rules\": [{\"id\": \"a\", \"deny\": [80], "
        "\"from\": [\"public\"]}], \"default\": \"allow\"}",
        "\xef\xbb\xbfversion: 1\r\nmode: enforce\r\nrules:\r\n- id: a\r\n  deny:\r\n  - 80\r\n"
        "default: allow\r\n",
        "%YAML 1.2\n---\nversion: 0x1\nmode: 'enforce'\nrules: [{id: a, deny: 80}]\n"
        "default: allow # all else\n...\n",
        "version: +1\nmode:\tenforce\nrules: [{id: \"\\x61\", deny: [80,],},]\ndefault: allow",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        struct ng_policy *policy = parse_good(same[i]);
        assert_int_equal(policy->mode, NG_ENFORCE);
        assert_int_equal(policy->default_action, NG_ALLOW);
        assert_int_equal(policy->n_rules, 1);
        assert_string_equal(policy->rules[0].id, "a");
        assert_int_equal(policy->rules[0].n_ports, 1);
        assert_int_equal(policy->rules[0].ports[0].lo, 80);
        ng_policy_free(policy);
    }
}

/* -- words --------------------------------------------------------------------------- */

static void test_words(void **state) {
    enum ng_severity severity = NG_LOW;

    (void)state;
    for (int i = NG_INFO; i <= NG_CRITICAL; i++) {
        assert_int_equal(ng_severity_parse(ng_severity_text((enum ng_severity)i), &severity), 0);
        assert_int_equal(severity, i);
    }
    assert_string_equal(ng_severity_text(NG_MEDIUM), "medium");
    assert_int_equal(ng_severity_parse("Medium", &severity), -EINVAL);
    assert_int_equal(ng_severity_parse("", &severity), -EINVAL);
    assert_int_equal(severity, NG_CRITICAL);
    assert_string_equal(ng_action_text(NG_ALLOW), "allow");
    assert_string_equal(ng_action_text(NG_ALERT), "alert");
    assert_string_equal(ng_action_text(NG_BLOCK), "block");
}

static void test_free_of_nothing(void **state) {
    struct ng_policy *none = NULL;

    (void)state;
    ng_policy_free(NULL);
    ng_policy_freep(&none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contract_example),
        cmocka_unit_test(test_smallest),
        cmocka_unit_test(test_defaults_of_rules),
        cmocka_unit_test(test_built_in),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_zone_sources),
        cmocka_unit_test(test_selectors),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_writings),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_free_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
