/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fixture_policy.h"
#include "fixture_random.h"

#include <glob.h>

#include "agent/print/policy_text.h"
#include "policy/language/built_in.h"
#include "policy/language/faults.h"

enum { TEXT_BYTES = 32768 };

/* -- do two policies mean the same? -------------------------------------------------------- */

static void assert_same_text(const char *a, const char *b) {
    assert_int_equal(!a, !b);
    if (a)
        assert_string_equal(a, b);
}

static void assert_same_texts(struct ng_strings a, struct ng_strings b) {
    assert_int_equal(a.count, b.count);
    for (size_t i = 0; i < a.count; i++)
        assert_string_equal(a.items[i], b.items[i]);
}

static void assert_same_selectors(const struct ng_selector *a, size_t n_a,
                                  const struct ng_selector *b, size_t n_b) {
    assert_int_equal(n_a, n_b);
    for (size_t i = 0; i < n_a; i++) {
        assert_int_equal(a[i].host, b[i].host);
        assert_same_texts(a[i].process, b[i].process);
        assert_same_texts(a[i].name, b[i].name);
        assert_same_texts(a[i].image, b[i].image);
        assert_same_texts(a[i].service, b[i].service);
        assert_same_texts(a[i].stack, b[i].stack);
        assert_same_texts(a[i].network, b[i].network);
        assert_int_equal(a[i].n_labels, b[i].n_labels);
        for (size_t k = 0; k < a[i].n_labels; k++) {
            assert_string_equal(a[i].labels[k].key, b[i].labels[k].key);
            assert_string_equal(a[i].labels[k].value, b[i].labels[k].value);
        }
    }
}

static void assert_same_zone(const struct ng_zone *a, const struct ng_zone *b) {
    assert_string_equal(a->id, b->id);
    assert_int_equal(a->n_matches, b->n_matches);
    for (size_t i = 0; i < a->n_matches; i++) {
        assert_same_texts(a->matches[i].interfaces, b->matches[i].interfaces);
        assert_int_equal(a->matches[i].has_sources, b->matches[i].has_sources);
        assert_true(ng_addrset_equal(a->matches[i].sources4, b->matches[i].sources4));
        assert_true(ng_addrset_equal(a->matches[i].sources6, b->matches[i].sources6));
    }
}

static void assert_same_rule(const struct ng_rule_policy *a, const struct ng_rule_policy *b) {
    assert_string_equal(a->id, b->id);
    assert_int_equal(a->allow, b->allow);
    assert_int_equal(a->usage, b->usage);
    assert_int_equal(a->action, b->action);
    assert_int_equal(a->severity, b->severity);
    assert_same_text(a->reason, b->reason);
    assert_same_texts(a->from, b->from);
    assert_same_selectors(a->to, a->n_to, b->to, b->n_to);
    assert_int_equal(a->n_ports, b->n_ports);
    for (size_t i = 0; i < a->n_ports; i++) {
        const struct ng_port_match *m = &a->ports[i], *n = &b->ports[i];

        assert_true(m->any == n->any && m->pair == n->pair && m->proto == n->proto &&
                    m->lo == n->lo && m->hi == n->hi && m->to == n->to);
        assert_same_text(m->group, n->group);
    }
}

static void assert_same_rest(const struct ng_policy *a, const struct ng_policy *b) {
    assert_int_equal(a->n_segregations, b->n_segregations);
    for (size_t i = 0; i < a->n_segregations; i++) {
        const struct ng_segregation *s = &a->segregations[i], *t = &b->segregations[i];

        assert_string_equal(s->id, t->id);
        assert_same_texts(s->apart, t->apart);
        assert_same_texts(s->unpublished, t->unpublished);
        assert_same_selectors(s->gateways, s->n_gateways, t->gateways, t->n_gateways);
        assert_int_equal(s->severity, t->severity);
        assert_same_text(s->reason, t->reason);
    }
    for (size_t i = 0; i < NG_HABITS; i++) {
        assert_int_equal(a->habits[i].asked, b->habits[i].asked);
        assert_int_equal(a->habits[i].severity, b->habits[i].severity);
        assert_same_selectors(a->habits[i].allow, a->habits[i].n_allow, b->habits[i].allow,
                              b->habits[i].n_allow);
        assert_same_texts(a->habits[i].allow_names, b->habits[i].allow_names);
    }
    assert_int_equal(a->n_exceptions, b->n_exceptions);
    for (size_t i = 0; i < a->n_exceptions; i++) {
        const struct ng_exception *e = &a->exceptions[i], *f = &b->exceptions[i];

        assert_string_equal(e->rule, f->rule);
        assert_same_selectors(e->to, e->n_to, f->to, f->n_to);
        assert_int_equal(e->until_s, f->until_s);
        assert_same_text(e->reason, f->reason);
    }
}

static void assert_same_alerts(const struct ng_alerts *a, const struct ng_alerts *b) {
    assert_int_equal(a->journal, b->journal);
    assert_same_text(a->syslog_address, b->syslog_address);
    assert_int_equal(a->syslog_facility, b->syslog_facility);
    assert_int_equal(!a->webhook_url, !b->webhook_url); /* of which not all is shown */
    assert_same_text(a->webhook_token_file, b->webhook_token_file);
    assert_int_equal(a->webhook_format, b->webhook_format);
    assert_int_equal(a->min_severity, b->min_severity);
    assert_int_equal(a->repeat_s, b->repeat_s);
}

static void assert_same(const struct ng_policy *a, const struct ng_policy *b) {
    assert_int_equal(a->mode, b->mode);
    assert_int_equal(a->default_action, b->default_action);
    assert_int_equal(a->default_severity, b->default_severity);
    assert_int_equal(a->n_zones, b->n_zones);
    for (size_t i = 0; i < a->n_zones; i++)
        assert_same_zone(&a->zones[i], &b->zones[i]);
    assert_int_equal(a->n_rules, b->n_rules);
    for (size_t i = 0; i < a->n_rules; i++)
        assert_same_rule(&a->rules[i], &b->rules[i]);
    assert_same_rest(a, b);
    assert_same_alerts(&a->alerts, &b->alerts);
}

/* -- what is shown -------------------------------------------------------------------------- */

static char *show(const struct ng_policy *policy, const struct ng_policy_text *texts,
                  size_t count) {
    struct ng_arena *arena = ng_arena_new();
    struct ng_faults faults = {.arena = arena};
    const struct ng_node *roots[4] = {NULL};
    struct ng_policy_trees trees = {roots, count};
    char *shown = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&shown, &len);

    assert_true(arena && out && count <= ARRAY_SIZE(roots));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ng_tree_parse(arena, &texts[i], &roots[i], &faults), 0);
    assert_int_equal(ng_print_policy(out, policy, &trees), 0);
    fclose(out);
    ng_arena_free(arena);
    return shown;
}

static void assert_comes_back(const struct ng_policy_text *texts, size_t count) {
    struct ng_policy *policy = parse_texts(texts, count);
    char *shown = show(policy, texts, count);
    struct ng_policy *again = parse_good(shown);

    assert_same(policy, again);
    free(shown);
    ng_policy_free(again);
    ng_policy_free(policy);
}

static void test_whole(void **state) {
    static const struct ng_policy_text texts[] = {
        {.name = "a.yaml",
         .bytes =
             "version: 1\nmode: enforce\n"
             "zones:\n  - {id: \"7\", match: {interfaces: eth1, sources: [10.0.0.1, \"::/0\"]}}\n"
             "ports: {cache: [6379, 80-81/udp], two: [80, 80], all: \"@any\"}\n"
             "rules:\n"
             "  - {id: a, allow: [80, \"1-2->3/tcp\", \"@any\"], from: [\"7\", public]}\n"
             "  - {id: b, deny: [cache, cache, two, 80, all, \"@cluster\"], action: block,\n"
             "     to: [{label: {r: [x, \"\"], \"a: b\": \"1\"}}, {host: {}}]}\n"},
        {.name = "b.yaml",
         .bytes =
             "defaults: {severity: low, action: block}\n"
             "default: allow\n"
             "segregation:\n"
             "  - {id: s, apart: [a, \"b*\"], gateways: {name: gw}, reason: \"x # y\"}\n"
             "  - {id: t, unpublished: c, severity: info}\n"
             "usage: {cluster: {zones: [public, \"7\", containers]}, docker_api: {},\n"
             "        direct_routing: {allow: {name: x}, action: alert},\n"
             "        links: {severity: critical}, unencrypted_overlay: {allow: [o]}}\n"
             "exceptions:\n"
             "  - {rule: usage.cluster, to: {host: {process: \"a'\\\"\\\\b\"}}}\n"
             "  - {rule: b, to: {name: \"é?\"}, until: 2028-02-29, reason: \"no\"}\n"
             "alerts:\n"
             "  syslog: {address: \"tcp://[::1]:1\", facility: local7}\n"
             "  webhook: {url: \"https://h.example:1/sec?ret\", token_file: /t, format: slack}\n"
             "  min_severity: low\n  repeat: 2d\n"},
    };
    struct ng_policy_text both[] = {texts[0], texts[1]};
    (void)state;

    for (size_t i = 0; i < ARRAY_SIZE(both); i++)
        both[i].len_bytes = strlen(both[i].bytes);
    assert_comes_back(both, ARRAY_SIZE(both));

    struct ng_policy *policy = parse_texts(both, ARRAY_SIZE(both));
    char *shown = show(policy, both, ARRAY_SIZE(both));
    static const char *const lines[] = {
        "mode: enforce  # a.yaml:2\n",
        "defaults: {severity: low}  # b.yaml:1\n",
        "  - id: \"7\"  # a.yaml:4\n",
        "  cache: [6379, 80-81/udp]  # a.yaml:5\n",
        "    deny: [cache, cache, two, two, 80, all, \"@cluster\"]\n",
        "  cluster: {zones: [containers, \"7\", public]}\n",
        "    url: \"https://h.example:1/...\"  # b.yaml:14\n",
        "    format: slack  # b.yaml:14\n",
        "  repeat: 172800s  # b.yaml:16\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        if (!strstr(shown, lines[i]))
            fail_msg("no line %s in\n%s", lines[i], shown);
    assert_null(strstr(shown, "sec?ret"));
    free(shown);
    ng_policy_free(policy);
}

static void test_built_in(void **state) {
    (void)state;
    assert_comes_back(&ng_built_in_policy, 1);
}

/* Whoever writes the files may choose their names. */
static void test_hostile_name(void **state) {
    struct ng_policy_text text = policy_text("version: 1\nrules: [{id: a, deny: 1}]\n");
    (void)state;

    text.name = "x\nrules: []  # \x1b[2J.yaml";
    assert_comes_back(&text, 1);
}

static void test_samples(void **state) {
    glob_t found;
    (void)state;

    assert_int_equal(glob("policy/samples/*.yaml", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct ng_policy_text text = {.name = found.gl_pathv[i]};
        if (strstr(text.name, ".test.yaml")) /* for `netguard policy test` */
            continue;
        char *bytes = read_policy_file(text.name, &text.len_bytes);

        text.bytes = bytes;
        assert_comes_back(&text, 1);
        free(bytes);
    }
    globfree(&found);
}

/* -- drawn policies -------------------------------------------------------------------------- */

static void add(char *text, const char *format, ...) _printf_(2, 3);

static void add(char *text, const char *format, ...) {
    size_t used = strlen(text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text + used, TEXT_BYTES - used, format, arguments);
    va_end(arguments);
}

/* Texts that YAML would take for something else. */
static const char *draw_text(struct dice *dice) {
    static const char *const texts[] = {
        "plain",         "\"1\"",        "\"true\"", "\"~\"",    "\"a: b\"",    "\"# c\"",
        "\" pad \"",     "\"\\\"\\\\\"", "\"*\"",    "\"&a\"",   "\"null\"",    "\"1e3\"",
        "\"日\\u00e9\"", "\"[x]\"",      "\"- y\"",  "\"0x1f\"", "\"\\u2028\"", "'it''s'",
        "\"@a\"",        "\"{b}\"",      "\"%c\"",
    };
    return texts[roll(dice, ARRAY_SIZE(texts))];
}

static void draw_list(struct dice *dice, char *text) {
    add(text, "[");
    for (unsigned i = 1 + roll(dice, 3); i; i--)
        add(text, "%s%s", draw_text(dice), i > 1 ? ", " : "");
    add(text, "]");
}

static void draw_selectors(struct dice *dice, char *text) {
    static const char *const selector_keys[] = {"name", "image", "service", "stack", "network"};

    add(text, "[");
    for (unsigned i = 1 + roll(dice, 3); i; i--) {
        if (roll(dice, 5) == 0) {
            add(text, "{host: {process: ");
            draw_list(dice, text);
            add(text, "}}");
        } else {
            add(text, "{%s: ", selector_keys[roll(dice, ARRAY_SIZE(selector_keys))]);
            draw_list(dice, text);
            add(text, roll(dice, 2) ? ", label: {? %s : x, k: " : ", label: {k: ", draw_text(dice));
            draw_list(dice, text);
            add(text, "}}");
        }
        add(text, "%s", i > 1 ? ", " : "");
    }
    add(text, "]");
}

static void draw_ports(struct dice *dice, char *text) {
    static const char *const items[] = {
        "80", "0-65535", "\"9->8\"",       "\"1-2->3/udp\"", "\"@any\"", "g",
        "g",  "h",       "\"@databases\"", "53/udp",         "i",        "\"@docker-api\""};

    add(text, "[");
    for (unsigned i = 1 + roll(dice, 5); i; i--)
        add(text, "%s%s", items[roll(dice, ARRAY_SIZE(items))], i > 1 ? ", " : "");
    add(text, "]");
}

static void draw_policy(struct dice *dice, char *text) {
    static const char *const groups[] = {"[1, 2, 1, 2]", "[5, 5]", "[7-8/tcp]", "[\"@any\", 3]"};
    unsigned n_rules = 1 + roll(dice, 6);

    *text = '\0';
    add(text, "version: 1\ndefault: %s\nzones:\n", roll(dice, 2) ? "block" : "allow");
    add(text, "  - {id: z, match: [{interfaces: ");
    draw_list(dice, text);
    add(text, "}, {sources: [10.0.0.0/8, 10.%u.0.0/16, \"2001:db8::%u\"]}]}\n", roll(dice, 256),
        roll(dice, 9));
    add(text, "ports: {g: %s, h: [g, 9, g], i: [\"@databases\"]}\n",
        groups[roll(dice, ARRAY_SIZE(groups))]);
    add(text, "usage: {host_network: {allow: ");
    draw_selectors(dice, text);
    add(text, "}, insecure_registry: {allow: ");
    draw_list(dice, text);
    add(text, "}}\nrules:\n");
    for (unsigned i = 0; i < n_rules; i++) {
        bool deny = i == 0 || roll(dice, 2);

        add(text, "  - {id: r%u, %s: ", i, deny ? "deny" : "allow");
        draw_ports(dice, text);
        add(text, "%s, to: ", roll(dice, 2) ? ", from: [z, public]" : "");
        draw_selectors(dice, text);
        add(text, "%s, reason: %s}\n", deny && roll(dice, 2) ? ", severity: low" : "",
            draw_text(dice));
    }
    add(text, "exceptions:\n  - {rule: r0, until: 20%02u-0%u-28, to: ", roll(dice, 100),
        1 + roll(dice, 9));
    draw_selectors(dice, text);
    add(text, "}\n");
}

static void test_drawn(void **state) {
    static char text[TEXT_BYTES];
    struct dice dice = {.state = 0xface};
    (void)state;

    for (unsigned round = 0; round < 200; round++) {
        draw_policy(&dice, text);
        struct ng_policy_text one = policy_text(text);
        assert_comes_back(&one, 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),        cmocka_unit_test(test_built_in),
        cmocka_unit_test(test_hostile_name), cmocka_unit_test(test_samples),
        cmocka_unit_test(test_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
