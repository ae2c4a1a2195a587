/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All faults of a policy at once: each at its place, and nothing that only follows from another. */
#include "tests/unit/fixture_policy.h"

#define GROUPS                                                                                     \
    ", @caches, @cluster, @databases, @docker-api, @metrics, @orchestration, @queues or "          \
    "@remote-admin"

static void assert_faults(const struct ng_policy_text *texts, size_t count, const char *expected) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_policy *policy = NULL;
    struct ng_error first = {0};
    const char *found = faults_text(arena, texts, count);
    assert_string_equal(found, expected);
    assert_true(ng_policy_parse(texts, count, &policy, &first) < 0);
    const char *line = ng_arena_printf(arena, "%s:%u:%u: %s\n", first.source, first.line,
                                       first.column, first.message);
    assert_memory_equal(found, line, strlen(line));
}

static void assert_faults_of(const char *text, const char *expected) {
    const struct ng_policy_text one = policy_text(text);
    assert_faults(&one, 1, expected);
}

static void test_all_at_once(void **state) {
    (void)state;
    assert_faults_of(
        "version: 2\n"
        "mode: enforced\n"
        "zones:\n"
        "  - {id: lan, match: {interfaces: [eth1, 7], sources: [10.8.0.1/16, 10.9.0.0/16, x]}}\n"
        "  - {id: lan, match: []}\n"
        "ports: {cache: [6379, 70000, unknown], loop: [loop]}\n"
        "rules:\n"
        "  - {id: a, deny: [cache, loop, dbs], from: [lan, wan], sevrity: high}\n"
        "  - {id: a, allow: [80], action: block, to: [{name: 1}, {}, {host: {}, name: x}]}\n"
        "  - {deny: 1, severity: hgih}\n"
        "segregation: [{id: s}]\n"
        "usage: {cluster: {zones: [wan]}, links: {action: block}}\n"
        "exceptions:\n"
        "  - {rule: a, until: 2027-02-30}\n"
        "alerts: {webhook: {format: xml}, repeat: never}\n",
        "policy.yaml:1:10: expected 1 for 'version', the policy language this netguard reads, "
        "found the number 2\n"
        "policy.yaml:2:7: expected monitor or enforce for 'mode', found \"enforced\"; did you mean "
        "\"enforce\"?\n"
        "policy.yaml:4:42: expected text for 'interfaces', found the number 7; put it in quotes\n"
        "policy.yaml:4:56: the address bits behind the prefix length must be zero, found "
        "\"10.8.0.1/16\"; write 10.8.0.0/16\n"
        "policy.yaml:4:82: expected an address or prefix for 'sources', such as 10.8.0.0/16 or "
        "\"2001:db8::/32\", found \"x\"\n"
        "policy.yaml:5:10: there is already a zone 'lan'; write its alternatives in one 'match'\n"
        "policy.yaml:5:22: expected at least one alternative for 'match', found an empty list\n"
        "policy.yaml:6:23: a port is 0 to 65535, found the number 70000\n"
        "policy.yaml:6:30: there is no port group \"unknown\"; expected cache, loop, @any" GROUPS
        "\n"
        "policy.yaml:6:47: the port group 'loop' contains itself\n"
        "policy.yaml:8:33: there is no port group \"dbs\"; expected cache, loop, @any" GROUPS "\n"
        "policy.yaml:8:51: there is no zone \"wan\"; expected lan, containers or public; did "
        "you mean \"lan\"?\n"
        "policy.yaml:8:57: unknown key \"sevrity\" in a rule; expected id, allow, deny, from, to, "
        "action, severity or reason; did you mean \"severity\"?\n"
        "policy.yaml:9:10: there is already a rule 'a' at policy.yaml:8\n"
        "policy.yaml:9:26: 'action' belongs to deny rules: what is allowed makes no finding; "
        "remove it\n"
        "policy.yaml:9:53: expected text for 'name', found the number 1; put it in quotes\n"
        "policy.yaml:9:57: an empty selector would match every container; expected at least one "
        "key, or {name: \"*\"} to say so\n"
        "policy.yaml:9:62: 'host' stands alone in a selector: the machine's own services have no "
        "name, image, network or label\n"
        "policy.yaml:10:5: a rule needs an 'id': findings and exceptions name it\n"
        "policy.yaml:10:25: expected info, low, medium, high or critical for 'severity', found "
        "\"hgih\"; did you mean \"high\"?\n"
        "policy.yaml:11:15: a segregation needs 'apart', 'unpublished' or both, with names of "
        "networks\n"
        "policy.yaml:12:27: there is no zone \"wan\"; expected lan, containers or public; did "
        "you mean \"lan\"?\n"
        "policy.yaml:12:50: there is no packet to block here; alert is what there is\n"
        "policy.yaml:14:5: an exception needs 'to': which containers it is for\n"
        "policy.yaml:14:22: expected a date for 'until', such as 2027-01-31 (the last day, UTC), "
        "found \"2027-02-30\"\n"
        "policy.yaml:15:19: 'webhook' needs a 'url', such as https://alerts.example/hook\n"
        "policy.yaml:15:28: expected json, alertmanager or slack for 'format', found \"xml\"\n"
        "policy.yaml:15:42: expected a time such as 90s, 30m, 1h or 7d for 'repeat', found "
        "\"never\"\n");
}

static void test_nothing_follows_from_a_fault(void **state) {
    (void)state;
    /* A rule with faults has an id all the same, and so has a zone. */
    assert_faults_of("version: 1\n"
                     "zones: [{id: lan, match: {interface: eth1}}]\n"
                     "rules: [{id: a, dany: [80], from: lan}]\n"
                     "exceptions: [{rule: a, to: {name: x}}]\n",
                     "policy.yaml:2:27: unknown key \"interface\" in the 'match' of a zone; "
                     "expected interfaces or sources; did you mean \"interfaces\"?\n"
                     "policy.yaml:3:17: unknown key \"dany\" in a rule; expected id, allow, deny, "
                     "from, to, action, severity or reason; did you mean \"deny\"?\n");
    /* What cannot be read may have had a name. */
    assert_faults_of("version: 1\n"
                     "zons: [{id: lan, match: {interfaces: eth1}}]\n"
                     "rules: [{id: a, deny: [mine], from: lan}]\n",
                     "policy.yaml:2:1: unknown key \"zons\" in a policy; expected version, mode, "
                     "defaults, zones, ports, rules, default, segregation, usage, exceptions or "
                     "alerts; did you mean \"zones\"?\n");
    assert_faults_of("version: 1\n"
                     "rules: [{id: no stores, deny: 80}]\n"
                     "exceptions: [{rule: no stores, to: {name: x}}, {rule: b, to: []}]\n",
                     "policy.yaml:2:14: the id of a rule is 1 to 64 letters, digits, '.', '_' or "
                     "'-' and begins with a letter, a digit or '_', found \"no stores\"\n"
                     "policy.yaml:3:62: expected at least one selector for 'to', found an empty "
                     "list\n");
    assert_faults_of("version: 1\nusage: {clustr: {}}\nexceptions: [{rule: usage.cluster, "
                     "to: {host: {}}}]\n",
                     "policy.yaml:2:9: unknown key \"clustr\" in 'usage'; expected host_network, "
                     "links, default_bridge, capabilities, unencrypted_overlay, insecure_registry, "
                     "direct_routing, docker_api or cluster; did you mean \"cluster\"?\n");
    assert_faults_of("version: 1\nalerts: {webhook: {url: ftp://x}}\n",
                     "policy.yaml:2:25: expected a URL that begins with https:// or http:// for "
                     "'url'\n");
}

static void test_every_duplicate_is_told(void **state) {
    (void)state;
    assert_faults_of("version: 1\n"
                     "mode: on\n"
                     "rules: []\n"
                     "mode: monitor\n"
                     "rules: []\n"
                     "mode: off\n",
                     "policy.yaml:4:1: duplicate key \"mode\"; it already stands at line 2\n"
                     "policy.yaml:5:1: duplicate key \"rules\"; it already stands at line 3\n"
                     "policy.yaml:6:1: duplicate key \"mode\"; it already stands at line 2\n"
                     "policy.yaml:6:7: expected monitor or enforce for 'mode', found \"off\"\n");
}

/* What is no YAML ends its own file alone; names that may have stood in it are no faults of others.
 * Faults come in the order of the files, although sections are read across them. */
static void test_several_files(void **state) {
    struct ng_policy_text texts[] = {
        policy_text("version: 1\nrules: [{id: a, deny: 80, from: lan, action: no}]\nmode: x\n"),
        policy_text("zones: [{id: lan\nrules: []\n"),
        policy_text("mode: y\nexceptions: [{rule: b, to: {name: c, label: {}}}]\n"),
    };
    texts[1].name = "broken.yaml";
    texts[2].name = "more.yaml";
    (void)state;
    assert_faults(texts, ARRAY_SIZE(texts),
                  "policy.yaml:2:46: expected alert or block for 'action', found \"no\"\n"
                  "policy.yaml:3:7: expected monitor or enforce for 'mode', found \"x\"\n"
                  "broken.yaml:2:6: expected ',' or '}' (the mapping begins at line 1)\n"
                  "more.yaml:1:7: expected monitor or enforce for 'mode', found \"y\"\n"
                  "more.yaml:2:45: expected a mapping of label to glob for 'label', such as "
                  "{role: gateway}, found an empty mapping\n");
}

static void test_there_is_an_end_to_it(void **state) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_policy *policy = NULL;
    const struct ng_error *faults = NULL;
    size_t count = 0;
    char *text = ng_arena_alloc(arena, 1, 80000), *end = text;
    (void)state;
    end += sprintf(end, "version: 1\nrules: [{id: a, deny: [");
    for (int i = 0; i < 10000; i++)
        end += sprintf(end, "x%d,", i);
    sprintf(end, "0]}]\n");
    const struct ng_policy_text one = policy_text(text);
    assert_int_equal(ng_policy_check(&one, 1, arena, &policy, &faults, &count), -EINVAL);
    assert_int_equal(count, 101);
    assert_int_equal(faults[99].line, 2);
    assert_int_equal(faults[100].line, 0);
    assert_string_equal(faults[100].message,
                        "there may be more faults: after 100 of them the rest is not looked at");
}

static void test_a_good_policy_has_none(void **state) {
    const struct ng_policy_text one = policy_text("version: 1\n");
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    _cleanup_(ng_policy_freep) struct ng_policy *policy = NULL;
    const struct ng_error *faults = NULL;
    size_t count = 7;
    (void)state;
    assert_int_equal(ng_policy_check(&one, 1, arena, &policy, &faults, &count), 0);
    assert_int_equal(count, 0);
    assert_non_null(policy);
    assert_false(policy->built_in);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_nothing_follows_from_a_fault),
        cmocka_unit_test(test_every_duplicate_is_told),
        cmocka_unit_test(test_several_files),
        cmocka_unit_test(test_there_is_an_end_to_it),
        cmocka_unit_test(test_a_good_policy_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
