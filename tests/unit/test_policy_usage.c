/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `usage:` and `segregation:` come to in a policy. */
#include "tests/unit/fixture_policy.h"

static const struct ng_habit_policy *habit(const struct ng_policy *policy, enum ng_habit which) {
    return &policy->habits[which];
}

static void test_no_habit_is_asked_about_unless_it_is_said(void **state) {
    _cleanup_(ng_policy_freep) struct ng_policy *policy =
        parse_good("version: 1\nusage: {links: {}}\n");
    (void)state;
    for (size_t i = 0; i < NG_HABITS; i++)
        assert_int_equal(policy->habits[i].asked, i == NG_HABIT_LINKS);
    assert_int_equal(policy->n_rules, 0);
}

static void test_habits_have_severities_of_their_own(void **state) {
    static const enum ng_severity severities[NG_HABITS] = {
        [NG_HABIT_HOST_NETWORK] = NG_MEDIUM,        [NG_HABIT_LINKS] = NG_LOW,
        [NG_HABIT_DEFAULT_BRIDGE] = NG_LOW,         [NG_HABIT_CAPABILITIES] = NG_HIGH,
        [NG_HABIT_UNENCRYPTED_OVERLAY] = NG_MEDIUM, [NG_HABIT_INSECURE_REGISTRY] = NG_MEDIUM,
    };
    _cleanup_(ng_policy_freep) struct ng_policy *policy =
        parse_good("version: 1\ndefaults: {severity: critical}\n"
                   "usage: {host_network: {}, links: {}, default_bridge: {}, capabilities: {},\n"
                   "        unencrypted_overlay: {}, insecure_registry: {action: alert}}\n");
    (void)state;
    for (size_t i = 0; i < NG_HABITS; i++)
        assert_int_equal(policy->habits[i].severity, severities[i]);
}

static void test_habits_add_up_over_files(void **state) {
    const struct ng_policy_text texts[] = {
        policy_text("version: 1\n"
                    "usage:\n"
                    "  host_network: {allow: {name: a}, severity: low}\n"
                    "  insecure_registry: {allow: [\"10.*\"]}\n"),
        policy_text("usage:\n"
                    "  host_network: {allow: [{name: b}, {name: c}], severity: info}\n"
                    "  insecure_registry: {allow: localhost}\n"
                    "  links: {allow: []}\n"),
    };
    _cleanup_(ng_policy_freep) struct ng_policy *policy = parse_texts(texts, ARRAY_SIZE(texts));
    const struct ng_habit_policy *host = habit(policy, NG_HABIT_HOST_NETWORK);
    const struct ng_habit_policy *registry = habit(policy, NG_HABIT_INSECURE_REGISTRY);
    (void)state;
    assert_int_equal(host->severity, NG_INFO);
    assert_int_equal(host->n_allow, 3);
    assert_string_equal(host->allow[0].name.items[0], "a");
    assert_string_equal(host->allow[2].name.items[0], "c");
    assert_int_equal(host->place.line, 3);
    assert_int_equal(host->place.column, 17);
    assert_int_equal(registry->allow_names.count, 2);
    assert_string_equal(registry->allow_names.items[1], "localhost");
    assert_int_equal(habit(policy, NG_HABIT_LINKS)->n_allow, 0);
}

static void test_direct_routing_becomes_rules(void **state) {
    _cleanup_(ng_policy_freep) struct ng_policy *policy =
        parse_good("version: 1\n"
                   "zones: [{id: lan, match: {interfaces: eth1}}]\n"
                   "rules: [{id: a, deny: [1]}]\n"
                   "usage: {direct_routing: {allow: {label: {routed: \"*\"}}, action: block}, "
                   "docker_api: {}}\n");
    (void)state;
    assert_int_equal(policy->n_rules, 4);
    const struct ng_rule_policy *allow = &policy->rules[0], *deny = &policy->rules[1];
    assert_string_equal(allow->id, "usage.direct_routing.allow");
    assert_true(allow->allow);
    assert_int_equal(allow->usage, NG_USAGE_DIRECT);
    assert_int_equal(allow->n_to, 1);
    assert_string_equal(deny->id, "usage.direct_routing");
    assert_false(deny->allow);
    assert_int_equal(deny->usage, NG_USAGE_DIRECT);
    assert_int_equal(deny->action, NG_BLOCK);
    assert_int_equal(deny->severity, NG_HIGH);
    assert_int_equal(deny->n_ports, 0);
    assert_int_equal(deny->from.count, 2);
    assert_string_equal(deny->from.items[0], "lan");
    assert_string_equal(deny->from.items[1], "public");
}

static void test_segregation(void **state) {
    const struct ng_policy_text texts[] = {
        policy_text(
            "version: 1\n"
            "defaults: {severity: low}\n"
            "segregation:\n"
            "  - {id: tiers, apart: [\"*front*\", \"*back*\"], gateways: {label: {role: gw}},\n"
            "     unpublished: \"*back*\", action: alert, reason: as it was drawn}\n"),
        policy_text("segregation: [{id: quiet, unpublished: [a, b], severity: critical}]\n"
                    "exceptions: [{rule: tiers, to: {name: x}}]\n"),
    };
    _cleanup_(ng_policy_freep) struct ng_policy *policy = parse_texts(texts, ARRAY_SIZE(texts));
    (void)state;
    assert_int_equal(policy->n_segregations, 2);
    const struct ng_segregation *tiers = &policy->segregations[0], *quiet = &tiers[1];
    assert_string_equal(tiers->id, "tiers");
    assert_int_equal(tiers->apart.count, 2);
    assert_int_equal(tiers->n_gateways, 1);
    assert_int_equal(tiers->unpublished.count, 1);
    assert_int_equal(tiers->severity, NG_LOW);
    assert_string_equal(tiers->reason, "as it was drawn");
    assert_string_equal(tiers->place.source, "policy.yaml");
    assert_int_equal(tiers->place.line, 4);
    assert_int_equal(tiers->place.column, 5);
    assert_int_equal(quiet->apart.count, 0);
    assert_int_equal(quiet->severity, NG_CRITICAL);
    assert_null(quiet->reason);
    assert_string_equal(policy->exceptions[0].rule, "tiers");
}

static void test_places(void **state) {
    _cleanup_(ng_policy_freep) struct ng_policy *policy =
        parse_good("version: 1\n"
                   "zones:\n"
                   "  - {id: lan, match: {interfaces: eth1}}\n"
                   "rules:\n"
                   "  - id: a\n"
                   "    deny: 1\n"
                   "exceptions:\n"
                   "  - {rule: usage.links, to: {name: a}}\n"
                   "usage: {links: {}}\n");
    (void)state;
    assert_int_equal(policy->zones[0].place.line, 3);
    assert_int_equal(policy->rules[0].place.line, 5);
    assert_int_equal(policy->rules[0].place.column, 5);
    assert_int_equal(policy->exceptions[0].place.line, 8);
    assert_string_equal(policy->exceptions[0].place.source, "policy.yaml");
}

static const struct bad bad_policies[] = {
    BAD("version: 1\nsegregation: {}\n",
        "2:14: expected a list for 'segregation', found a mapping"),
    BAD("version: 1\nsegregation: [{apart: a}]\n",
        "2:15: a segregation needs an 'id': findings and exceptions name it"),
    BAD("version: 1\nsegregation: [{id: a}]\n",
        "2:15: a segregation needs 'apart', 'unpublished' or both, with names of networks"),
    BAD("version: 1\nsegregation: [{id: a, apart: []}]\n",
        "2:30: expected at least one text for 'apart', found an empty list"),
    BAD("version: 1\nsegregation: [{id: a, apart: b, action: block}]\n",
        "2:41: netguard does not close what is between networks; alert is what there is"),
    BAD("version: 1\nsegregation: [{id: default, apart: b}]\n",
        "2:20: the id 'default' stands for the policy's default; choose another"),
    BAD("version: 1\nsegregation: [{id: usage.x, apart: b}]\n",
        "2:20: ids that begin with 'usage.' stand for what is said in 'usage'; choose another"),
    BAD("version: 1\nsegregation: [{id: a, apart: b}]\nrules: [{id: a, deny: 1}]\n",
        "2:20: there is already a rule 'a' at policy.yaml:3"),
    BAD("version: 1\nsegregation: [{id: a, apart: b, gateway: {name: c}}]\n",
        "2:33: unknown key \"gateway\" in a segregation; expected id, apart, gateways, "
        "unpublished, action, severity or reason; did you mean \"gateways\"?"),
    BAD("version: 1\nusage: {links: {action: block}}\n",
        "2:25: there is no packet to block here; alert is what there is"),
    BAD("version: 1\nusage: {links: {allow: [{}]}}\n",
        "2:25: an empty selector would match every container; expected at least one key, or "
        "{name: \"*\"} to say so"),
    BAD("version: 1\nusage: {insecure_registry: {allow: {name: a}}}\n",
        "2:36: expected text for 'allow', found a mapping"),
    BAD("version: 1\nusage: {direct_routing: {zones: []}}\n",
        "2:26: unknown key \"zones\" in 'direct_routing'; expected allow, action or severity"),
    BAD("version: 1\nusage: {links: {}}\nexceptions: [{rule: usage.link, to: {name: a}}]\n",
        "3:21: an exception names a rule, a segregation, usage.KEY of a key in 'usage', "
        "cis.ITEM of the profile, or default; there is no \"usage.link\"; did you mean "
        "\"usage.links\"?"),
    BAD("version: 1\nsegregation: [{id: tiers, apart: b}]\n"
        "exceptions: [{rule: tier, to: {name: a}}]\n",
        "3:21: an exception names a rule, a segregation, usage.KEY of a key in 'usage', "
        "cis.ITEM of the profile, or default; there is no \"tier\"; did you mean \"tiers\"?"),
};

static void test_mistakes_are_told(void **state) {
    (void)state;
    assert_all_refused(bad_policies, ARRAY_SIZE(bad_policies));
}

static void test_no_more_than_256_segregations(void **state) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    const char *text = "version: 1\nsegregation:\n";
    (void)state;
    for (int i = 0; i < 257; i++)
        text = ng_arena_printf(arena, "%s- {id: s%d, apart: a}\n", text, i);
    const struct ng_policy_text one = policy_text(text);
    assert_refused(&one, 1, -E2BIG, "259:3: more than 256 segregations");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_habit_is_asked_about_unless_it_is_said),
        cmocka_unit_test(test_habits_have_severities_of_their_own),
        cmocka_unit_test(test_habits_add_up_over_files),
        cmocka_unit_test(test_direct_routing_becomes_rules),
        cmocka_unit_test(test_segregation),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_mistakes_are_told),
        cmocka_unit_test(test_no_more_than_256_segregations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
