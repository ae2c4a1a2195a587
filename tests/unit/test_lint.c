/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fixture_policy.h"
#include "fixture_random.h"
#include "fixture_world.h"

#include "policy/judge/parts.h"

enum { TEXT_BYTES = 16384 };

struct linted {
    struct ng_policy *policy;
    struct ng_arena *arena;
    const struct ng_error *warnings;
    size_t count;
};

static void linted_free(struct linted *linted) {
    ng_policy_free(linted->policy);
    ng_arena_free(linted->arena);
}

#define _linted_ _cleanup_(linted_free) struct linted

/* 2026-10-03 */
static struct linted lint(const char *text, const struct ng_world *world) {
    struct linted linted = {.policy = parse_good(text), .arena = ng_arena_new()};

    assert_non_null(linted.arena);
    assert_int_equal(ng_policy_lint(linted.policy, world, 1791036131, linted.arena,
                                    &linted.warnings, &linted.count),
                     0);
    return linted;
}

/* "line: message" of each, one a line. */
static void assert_warned(const char *text, const struct ng_world *world, const char *expected) {
    _linted_ linted = lint(text, world);
    char found[2048] = "";

    for (size_t i = 0; i < linted.count; i++)
        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%u: %s\n",
                 linted.warnings[i].line, linted.warnings[i].message);
    assert_string_equal(found, expected);
}

#define RULES(...) "version: 1\nrules:\n" __VA_ARGS__

static void test_shadowed(void **state) {
    (void)state;
    assert_warned(RULES("  - {id: a, allow: [80, 443]}\n"
                        "  - {id: b, allow: 80}\n"),
                  NULL,
                  "4: the rule 'b' never decides: 'a' at policy.yaml:3 comes first and matches all "
                  "that it does\n");
    assert_warned(RULES("  - {id: a, deny: 1-100}\n"
                        "  - {id: b, deny: 90-200/tcp}\n"
                        "  - {id: c, deny: 50-150/tcp}\n"
                        "  - {id: d, allow: \"60->40000/tcp\"}\n"),
                  NULL,
                  "5: the rule 'c' never decides: earlier rules together match all that it does\n"
                  "6: the rule 'd' never decides: 'a' at policy.yaml:3 comes first and matches all "
                  "that it does\n");
    assert_warned(RULES("  - {id: a, deny: [\"@any\"], to: {name: \"red*\"}}\n"
                        "  - {id: b, deny: 6379, to: {name: [redis, red2], label: {a: b}}}\n"),
                  NULL,
                  "4: the rule 'b' never decides: 'a' at policy.yaml:3 comes first and matches all "
                  "that it does\n");
}

/* Each pair differs in the one thing that lets the second rule decide. */
static void test_not_shadowed(void **state) {
    static const char *const policies[] = {
        RULES("  - {id: a, allow: 80}\n  - {id: a2, allow: 443}\n  - {id: b, allow: [80, 443]}\n"),
        RULES("  - {id: a, allow: 80/tcp}\n  - {id: b, allow: 80}\n"),
        RULES("  - {id: a, deny: 80-442}\n  - {id: b, deny: 80-443}\n"),
        RULES("  - {id: a, allow: 80}\n  - {id: b, deny: 80}\n"),
        RULES("  - {id: a, allow: [\"@any\"]}\n  - {id: b, deny: 80}\n"),
        RULES("  - {id: a, deny: 80, from: [containers]}\n  - {id: b, deny: 80}\n"),
        RULES("  - {id: a, deny: 80, to: {name: \"r?\"}}\n"
              "  - {id: b, deny: 80, to: {name: \"r*\"}}\n"),
        RULES("  - {id: a, deny: 80, to: {name: \"*\"}}\n  - {id: b, deny: 80}\n"),
        RULES("  - {id: a, deny: 80, to: {image: \"*\"}}\n"
              "  - {id: b, deny: 80, to: {name: x}}\n"),
        RULES("  - {id: a, deny: 80, to: {label: {a: b}}}\n"
              "  - {id: b, deny: 80, to: {label: {a: [b, c]}}}\n"),
        RULES("  - {id: a, allow: 80}\n  - {id: b, deny: \"80->81\"}\n"),
        RULES("  - {id: a, allow: \"80->81\"}\n  - {id: b, deny: \"80->82\"}\n"),
        RULES("  - {id: a, allow: 80}\n  - {id: b, deny: 80, to: {host: {}}}\n"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
        assert_warned(policies[i], NULL, "");
}

static void test_zones(void **state) {
    (void)state;
    assert_warned("version: 1\n"
                  "zones:\n"
                  "  - {id: a, match: [{interfaces: [\"eth*\"], sources: [10.0.0.0/9]}]}\n"
                  "  - {id: b, match: [{interfaces: [\"eth?\"], sources: [10.128.0.0/9]}]}\n"
                  "  - {id: c, match: [{interfaces: [eth1], sources: [10.0.0.0/8]}]}\n"
                  "  - {id: d, match: [{interfaces: [\"eth*\"], sources: [10.0.0.0/8]}]}\n"
                  "rules:\n"
                  "  - {id: r, allow: 80, from: [c]}\n"
                  "  - {id: s, allow: 80, from: [c, d]}\n",
                  NULL,
                  "5: the zone 'c' is always empty: the zones before it take every packet that it "
                  "matches\n"
                  "8: the rule 'r' never matches: no packet comes from the zones in its 'from'\n");
    assert_warned("version: 1\n"
                  "zones:\n  - {id: all, match: [{interfaces: [\"*\"]}]}\n"
                  "rules:\n  - {id: r, allow: 80}\n",
                  NULL,
                  "5: the rule 'r' never matches: no packet comes from the zones in its 'from'\n");
}

static void test_rest(void **state) {
    (void)state;
    assert_warned("version: 1\nmode: enforce\n"
                  "rules:\n  - {id: r, deny: 80}\n"
                  "exceptions:\n"
                  "  - {rule: r, to: {name: x}, until: 2026-10-02}\n"
                  "  - {rule: r, to: {name: x}, until: 2026-10-03}\n"
                  "  - {rule: r, to: {name: x}, until: 2024-02-29}\n",
                  NULL,
                  "0: the mode is 'enforce', but nothing says 'action: block': nothing is blocked\n"
                  "6: this exception from 'r' has ended: 2026-10-02 was its last day\n"
                  "8: this exception from 'r' has ended: 2024-02-29 was its last day\n");
    assert_warned("version: 1\nusage:\n  cluster: {zones: []}\n", NULL,
                  "3: 'cluster' names no zone: a swarm needs one in which its nodes reach each "
                  "other\n");
    assert_warned("version: 1\nusage:\n  cluster: {zones: [public]}\n", NULL, "");
    assert_warned(
        "version: 1\nsegregation:\n"
        "  - {id: s, apart: [\"*back*\", \"front\", \"my_back*\"]}\n",
        NULL,
        "3: no network belongs to \"my_back*\" in 'apart' of 's': what matches it matches "
        "\"*back*\" before\n");
}

static void test_names(void **state) {
    _lab_ lab = lab_new();
    static const struct ng_label labels[] = {{"role", "db"}};
    static const struct ng_endpoint endpoints[] = {{.network = "backend", .network_id = ""}};
    const struct ng_container containers[] = {{.id = "1",
                                               .name = "redis",
                                               .image = "redis:7",
                                               .network_mode = "backend",
                                               .labels = labels,
                                               .n_labels = 1,
                                               .endpoints = endpoints,
                                               .n_endpoints = 1}};
    const struct ng_network networks[] = {{.id = "", .name = "backend", .driver = "bridge"},
                                          {.id = "", .name = "backfront", .driver = "bridge"}};
    const struct ng_service services[] = {{.name = "web", .stack = "shop"}};
    const struct ng_engine engine = {.endpoint = "",
                                     .containers = containers,
                                     .n_containers = ARRAY_SIZE(containers),
                                     .networks = networks,
                                     .n_networks = ARRAY_SIZE(networks),
                                     .services = services,
                                     .n_services = ARRAY_SIZE(services)};
    (void)state;

    lab->world.engines = &engine;
    lab->world.n_engines = 1;
    assert_warned(RULES("  - {id: a, deny: 1, to: {name: [\"red*\", rdis], image: \"redis:*\"}}\n"
                        "  - {id: b, deny: 2, to: {service: web, stack: [shop, shp]}}\n"
                        "  - {id: c, deny: 3, to: {label: {role: [db, web], tier: \"*\"}}}\n"
                        "  - {id: d, deny: 4, to: {network: [backend, backnd]}}\n"
                        "  - {id: e, deny: 5, to: {host: {process: nobody-has-it}}}\n"
                        "segregation:\n"
                        "  - {id: s, apart: [\"back*\", \"*front\", gone], "
                        "gateways: {name: gw}, unpublished: nope}\n"
                        "usage:\n"
                        "  host_network: {allow: {name: exporter}}\n"
                        "  insecure_registry: {allow: \"reg:5000\"}\n"
                        "exceptions:\n"
                        "  - {rule: a, to: {name: legacy}}\n"),
                  &lab->world,
                  "3: nothing here matches the name \"rdis\"\n"
                  "4: nothing here matches the stack \"shp\"\n"
                  "5: no container here has the label role: \"web\"\n"
                  "5: no container here has the label tier: \"*\"\n"
                  "6: nothing here matches the network \"backnd\"\n"
                  "9: nothing here matches the network \"gone\"\n"
                  "9: nothing here matches the network \"nope\"\n"
                  "9: nothing here matches the name \"gw\"\n"
                  "9: the network backfront matches \"back*\" and \"*front\" in 'apart' of 's': it "
                  "counts as one of the first\n"
                  "11: nothing here matches the name \"exporter\"\n"
                  "12: nothing here matches the registry \"reg:5000\"\n"
                  "14: nothing here matches the name \"legacy\"\n");
}

/* -- what is called dead never decides ---------------------------------------------------- */

static void add(char *text, const char *format, ...) _printf_(2, 3);

static void add(char *text, const char *format, ...) {
    size_t used = strlen(text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text + used, TEXT_BYTES - used, format, arguments);
    va_end(arguments);
}

static void draw_ports(struct dice *dice, char *text) {
    static const char *const protos[] = {"", "", "", "/tcp", "/udp"};
    unsigned count = 1 + roll(dice, 3);

    add(text, "[");
    for (unsigned i = 0; i < count; i++) {
        unsigned lo = 1 + roll(dice, 5), hi = lo + roll(dice, 4);
        const char *proto = protos[roll(dice, ARRAY_SIZE(protos))];

        add(text, "%s", i ? ", " : "");
        if (roll(dice, 8) == 0)
            add(text, "\"@any\"");
        else if (roll(dice, 4) == 0)
            add(text, "\"%u-%u->%u%s\"", lo, hi, 1 + roll(dice, 6), proto);
        else
            add(text, "\"%u-%u%s\"", lo, hi, proto);
    }
    add(text, "]");
}

static void draw_selector(struct dice *dice, char *text) {
    static const char *const names[] = {"\"*\"", "a", "\"a*\"", "\"?b\"", "[ab, b]", "\"*b\""};
    static const char *const networks[] = {"front", "\"f*\"", "[front, back]", "\"*\""};
    static const char *const labels[] = {"{r: x}", "{r: \"*\"}", "{r: [x, y]}", "{r: x, s: \"*\"}"};

    switch (roll(dice, 6)) {
    case 0:
        add(text, roll(dice, 2) ? "{host: {}}" : "{host: {process: \"a*\"}}");
        return;
    case 1:
        add(text, "{network: %s}", networks[roll(dice, ARRAY_SIZE(networks))]);
        return;
    case 2:
        add(text, "{label: %s}", labels[roll(dice, ARRAY_SIZE(labels))]);
        return;
    case 3:
        add(text, "{name: %s, label: %s}", names[roll(dice, ARRAY_SIZE(names))],
            labels[roll(dice, ARRAY_SIZE(labels))]);
        return;
    default:
        add(text, "{name: %s}", names[roll(dice, ARRAY_SIZE(names))]);
    }
}

enum { FIRST_RULE_LINE = 8 }; /* of what is drawn: each rule has a line of its own */

static unsigned draw_policy(struct dice *dice, char *text) {
    static const char *const interfaces[] = {"eth0", "eth1", "\"eth*\"", "\"*\"", "\"eth?\""};
    static const char *const sources[] = {"10.0.0.0/8", "10.0.0.0/9", "[10.128.0.0/9, \"::/0\"]",
                                          "[\"0.0.0.0/0\", \"::/0\"]"};
    static const char *const from[] = {"public", "z0",           "z1",          "[z0, z1]",
                                       "z2",     "[z2, public]", "[containers]"};
    unsigned count = 3 + roll(dice, 8);

    *text = '\0';
    add(text, "version: 1\nusage: {docker_api: {}}\nzones:\n");
    for (unsigned i = 0; i < 3; i++) {
        add(text, "  - {id: z%u, match: [{interfaces: %s", i,
            interfaces[roll(dice, ARRAY_SIZE(interfaces))]);
        if (roll(dice, 3))
            add(text, ", sources: %s", sources[roll(dice, ARRAY_SIZE(sources))]);
        add(text, "}]}\n");
    }
    add(text, "rules:\n");
    for (unsigned i = 0; i < count; i++) {
        add(text, "  - {id: r%u, %s: ", i, roll(dice, 2) ? "deny" : "allow");
        draw_ports(dice, text);
        add(text, ", from: %s", from[roll(dice, ARRAY_SIZE(from))]);
        if (roll(dice, 2)) {
            add(text, ", to: [");
            draw_selector(dice, text);
            if (roll(dice, 2)) {
                add(text, ", ");
                draw_selector(dice, text);
            }
            add(text, "]");
        }
        add(text, "}\n");
    }
    return count;
}

static struct ng_exposure draw_exposure(struct dice *dice) {
    static const struct ng_label labels[] = {{"r", "x"}, {"s", ""}}, other[] = {{"r", "y"}};
    static const struct ng_endpoint front[] = {{.network = "front"}},
                                    back[] = {{.network = "back"}};
    static const struct ng_container containers[] = {
        {.id = "1", .name = "a", .labels = labels, .n_labels = 2},
        {.id = "2", .name = "ab", .endpoints = front, .n_endpoints = 1},
        {.id = "3",
         .name = "b",
         .labels = labels,
         .n_labels = 1,
         .endpoints = back,
         .n_endpoints = 1},
        {.id = "", .name = "cb", .labels = other, .n_labels = 1},
    };
    static const char *const processes[] = {NULL, "a", "ab", "b"};
    static const uint8_t protos[] = {NG_TCP, NG_UDP, NG_SCTP, NG_ESP};
    struct ng_exposure exposure = {.kind = NG_KIND_PUBLISHED,
                                   .proto = protos[roll(dice, ARRAY_SIZE(protos))],
                                   .host_port = (uint16_t)roll(dice, 10),
                                   .container_port = (uint16_t)roll(dice, 10)};

    if (roll(dice, 4) == 0) {
        exposure.kind = NG_KIND_HOST;
        exposure.container_port = 0;
        exposure.process = processes[roll(dice, ARRAY_SIZE(processes))];
    } else {
        exposure.container = &containers[roll(dice, ARRAY_SIZE(containers))];
    }
    return exposure;
}

static void test_sound(void **state) {
    static char text[TEXT_BYTES];
    _lab_ lab = lab_new();
    struct dice dice = {.state = 0x5eed};
    static const char *const addresses[] = {"10.0.0.9", "10.200.0.9", "198.51.100.9",
                                            "2001:db8::9"};
    unsigned n_dead = 0, n_decided = 0;
    (void)state;

    for (unsigned round = 0; round < 300; round++) {
        unsigned count = draw_policy(&dice, text);
        _linted_ linted = lint(text, NULL);
        const char *why[16] = {NULL};

        for (size_t i = 0; i < linted.count; i++)
            if (linted.warnings[i].line >= FIRST_RULE_LINE) {
                why[linted.warnings[i].line - FIRST_RULE_LINE] = linted.warnings[i].message;
                n_dead++;
            }
        for (unsigned draw = 0; draw < 1000; draw++) {
            struct ng_exposure exposure = draw_exposure(&dice);
            const struct ng_link *link = &lab->links[ETH0 - 1 + roll(&dice, 2)];
            const char *zone = roll(&dice, 6)
                                   ? ng_zone_of(&lab->world, linted.policy, link,
                                                addr(addresses[roll(&dice, ARRAY_SIZE(addresses))]))
                                   : NG_ZONE_CONTAINERS;
            struct offence offence = {.exposure = &exposure};

            ng_policy_objects(linted.policy, &exposure, zone, &offence);
            if (!offence.rule || offence.rule->usage)
                continue;
            unsigned at = offence.rule->place.line - FIRST_RULE_LINE;
            n_decided++;
            assert_true(at < count);
            if (why[at])
                fail_msg("%s\n%s\nyet it decides %u -> %u of protocol %u of %s from %s", text,
                         why[at], exposure.host_port, exposure.container_port, exposure.proto,
                         exposure.container ? exposure.container->name : "the host", zone);
        }
    }
    assert_true(n_dead > 150);
    assert_true(n_decided > 30000);
}

/* A policy that is made to take long. */
static void test_bounded(void **state) {
    enum { RULES_MAX = 2000 };
    char *text = calloc(1, RULES_MAX * 128 + 64), *end = text;
    (void)state;

    assert_non_null(text);
    end += sprintf(end, "version: 1\nrules:\n");
    for (unsigned i = 0; i < RULES_MAX; i++)
        end += sprintf(end, "  - {id: r%u, allow: [%u, %u], to: {name: \"*a*b*c%u\"}}\n", i, i + 1,
                       i + 5000, i);
    _linted_ linted = lint(text, NULL);
    assert_int_equal(linted.count, 0);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shadowed), cmocka_unit_test(test_not_shadowed),
        cmocka_unit_test(test_zones),    cmocka_unit_test(test_rest),
        cmocka_unit_test(test_names),    cmocka_unit_test(test_sound),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
