/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fixture_policy.h"

#include "netguard/expect.h"

/* -- a world, and what was judged of it ----------------------------------------------------- */

static const struct ng_decider drop = {
    .table = "ip filter", .chain = "INPUT", .handle = 7, .rule = "drop"};
static const char *const limit[] = {"limit rate 5/second"};

#define REACH(of_zone, what)                                                                       \
    { .zone = (of_zone), .interface = "eth0", .verdict = (what), .decided_by = &drop }

static const struct ng_reach closed[] = {REACH("public", NG_BLOCKED)};
static const struct ng_reach open[] = {REACH("office", NG_REACHABLE),
                                       REACH("public", NG_REACHABLE)};
static const struct ng_reach doubted[] = {
    {.zone = "public", .interface = "eth0", .verdict = NG_UNKNOWN, .unsure = {limit, 1}}};

enum { REDIS, SIDECAR, EXPORTER, UNSEEN, TASK, N_CONTAINERS };

static const struct ng_container containers[N_CONTAINERS] = {
    [REDIS] = {.id = "1", .name = "redis", .network_mode = "bridge", .listeners_read = true},
    [SIDECAR] = {.id = "2", .name = "sidecar", .network_mode = "container:1", .network_of = "1"},
    [EXPORTER] = {.id = "3", .name = "exporter", .network_mode = "host"},
    [UNSEEN] = {.id = "4", .name = "unseen", .network_mode = "bridge"},
    [TASK] = {.id = "5",
              .name = "web.1.x",
              .service = "web",
              .network_mode = "net",
              .listeners_read = true},
};
static const struct ng_container service = {.id = "", .name = "web", .network_mode = ""};

static const struct ng_exposure exposures[] = {
    {.kind = NG_KIND_PUBLISHED,
     .family = NG_IP4,
     .proto = NG_TCP,
     .host_port = 16379,
     .container = &containers[REDIS],
     .container_port = 6379,
     .reach = closed,
     .n_reach = 1},
    {.kind = NG_KIND_PUBLISHED,
     .family = NG_IP6,
     .proto = NG_TCP,
     .host_port = 16379,
     .container = &containers[REDIS],
     .container_port = 6379,
     .reach = open,
     .n_reach = 2},
    {.kind = NG_KIND_PUBLISHED,
     .family = NG_IP4,
     .proto = NG_UDP,
     .host_port = 53,
     .container = &containers[REDIS],
     .container_port = 53,
     .reach = doubted,
     .n_reach = 1},
    {.kind = NG_KIND_PUBLISHED,
     .family = NG_IP4,
     .proto = NG_TCP,
     .host_port = 53,
     .container = &containers[REDIS],
     .container_port = 53,
     .reach = closed,
     .n_reach = 1},
    {.kind = NG_KIND_INGRESS,
     .family = NG_IP4,
     .proto = NG_TCP,
     .host_port = 8080,
     .container = &service,
     .reach = open,
     .n_reach = 2},
    {.kind = NG_KIND_HOST,
     .family = NG_IP4,
     .proto = NG_TCP,
     .host_port = 9100,
     .reach = open,
     .n_reach = 2},
    {.kind = NG_KIND_HOST,
     .family = NG_IP4,
     .proto = NG_TCP,
     .host_port = 22,
     .reach = closed,
     .n_reach = 1},
};

static struct ng_fulfilment ask(const char *sentence, bool complete) {
    struct ng_policy *policy =
        parse_good("version: 1\nzones:\n  - {id: office, match: {interfaces: eth1}}\n"
                   "rules:\n  - {id: stores, deny: 6379}\n  - {id: ssh, deny: 22}\n"
                   "exceptions:\n  - {rule: ssh, to: {host: {}}}\n");
    static const struct ng_engine engine = {.containers = containers, .n_containers = N_CONTAINERS};
    const struct ng_world world = {.time_s = 1, .engines = &engine, .n_engines = 1};
    const struct ng_result result = {.world = &world,
                                     .policy = policy,
                                     .complete = complete,
                                     .exposures = exposures,
                                     .n_exposures = ARRAY_SIZE(exposures)};
    struct ng_arena *arena = ng_arena_new();
    struct ng_expectations expectations = {0};
    const struct ng_error *faults = NULL;
    size_t n_faults = 0;
    struct ng_fulfilment fulfilment;
    char text[256];

    snprintf(text, sizeof(text), "version: 1\nexpect: [{%s}]\n", sentence);
    struct ng_policy_text one = policy_text(text);
    if (ng_expectations_parse(&one, policy, arena, &expectations, &faults, &n_faults) < 0)
        fail_msg("%s", faults[0].message);
    assert_int_equal(expectations.count, 1);
    assert_int_equal(ng_expectation_test(&result, &(struct ng_ruleset){0}, &expectations.items[0],
                                         arena, &fulfilment),
                     0);
    fulfilment.rule = NULL; /* of the policy, which goes */
    ng_policy_free(policy);
    ng_arena_free(arena);
    return fulfilment;
}

static void assert_is(const char *zone, const char *to, const char *found, const char *remark) {
    static const char *const words[] = {"reachable", "partly", "blocked", "unknown"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        char sentence[128];

        snprintf(sentence, sizeof(sentence), "from: %s, to: \"%s\", is: %s", zone, to, words[i]);
        struct ng_fulfilment fulfilment = ask(sentence, true);
        assert_string_equal(fulfilment.found, found);
        assert_int_equal(fulfilment.holds, strcmp(words[i], found) == 0);
        assert_int_equal(!fulfilment.remark, !remark);
        if (remark)
            assert_string_equal(fulfilment.remark, remark);
    }
}

/* -- tests ------------------------------------------------------------------------------------ */

/* Open by one way is open. */
static void test_ways(void **state) {
    (void)state;
    assert_is("public", "redis:6379", "reachable", NULL);
    assert_is("public", "redis:16379/tcp", "reachable", NULL);
    assert_is("public", "redis:53", "unknown", "limit rate 5/second");
    assert_is("public", "redis:53/tcp", "blocked", NULL);
    assert_is("public", "host:22", "blocked", NULL);
    assert_is("public", "host:16379", "reachable", NULL);
    assert_is("office", "redis:53", "blocked", "no packet comes from there");
    assert_is("public", "redis:1", "blocked", "nothing is there to reach");
    assert_is("public", "host:1", "blocked", "nothing is there to reach");
    assert_int_equal(ask("from: public, to: \"host:22\", is: blocked", true).by->handle, 7);
}

/* What listens there may be told of under another name. */
static void test_shared_networks(void **state) {
    (void)state;
    assert_is("public", "sidecar:6379", "reachable", NULL);
    assert_is("public", "exporter:9100", "reachable", NULL);
    assert_is("public", "exporter:1", "blocked", "nothing is there to reach");
}

static void test_doubt(void **state) {
    (void)state;
    assert_is("public", "unseen:1", "unknown",
              "what listens inside the container was not observed");
    assert_is("public", "web:8080", "reachable", NULL);
    assert_is("public", "web:80", "unknown",
              "to which port of the service its published ports lead is not told here");
    assert_false(ask("from: public, to: \"redis:1\", is: blocked", false).holds);
    assert_false(ask("from: office, to: \"redis:53\", is: blocked", false).holds);
    assert_true(ask("from: public, to: \"redis:53/tcp\", is: blocked", false).holds);
}

static void test_slip_of_the_pen(void **state) {
    (void)state;
    for (int complete = 0; complete < 2; complete++) {
        struct ng_fulfilment fulfilment =
            ask("from: public, to: \"redsi:6379\", is: blocked", complete);
        assert_false(fulfilment.holds);
        assert_string_equal(fulfilment.found, "no container or service of that name");
    }
}

static void test_policy(void **state) {
    (void)state;
    assert_true(ask("from: public, to: \"redis:6379\", is: denied", true).holds);
    assert_true(ask("from: office, to: \"redis:6379\", is: undecided", true).holds);
    assert_true(ask("from: public, to: \"host:22\", is: excepted", true).holds);
    assert_true(ask("from: public, to: \"redis:53\", is: denied", true).holds); /* by default */
    assert_false(ask("from: public, to: \"redis:1\", is: denied", true).holds);
    assert_true(ask("no_finding: any", true).holds);
    assert_false(ask("finding: ng001", true).holds);
}

static void test_faults(void **state) {
    static const struct {
        const char *text, *expected;
    } wrong[] = {
        {"", "1:1: the file is empty; expected 'version: 1' and 'expect'"},
        {"version: 1\n", "1:1: expected a list under 'expect'"},
        {"expect: [{no_finding: any}]\n",
         "1:1: the file does not say its version; expected 'version: 1'"},
        {"version: 1\nexpect: []\n", "2:9: expected at least one expectation, found an empty list"},
        {"version: 1\nexpect: [{from: public, is: blocked}]\n",
         "2:10: expected from, to and is in an expectation, or finding or no_finding, which may "
         "have on"},
        {"version: 1\nexpect: [{from: host, to: \"a:1\", is: blocked}]\n",
         "2:17: 'host' cannot stand in 'from': this is about who comes from outside"},
        {"version: 1\nexpect: [{from: public, to: \"a:65536\", is: blocked}]\n",
         "2:29: a port is 1 to 65535, found 65536"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct ng_policy *policy = parse_good("version: 1\n");
        struct ng_arena *arena = ng_arena_new();
        struct ng_policy_text text = policy_text(wrong[i].text);
        struct ng_expectations expectations;
        const struct ng_error *faults = NULL;
        size_t n_faults = 0;
        char found[512];

        assert_int_equal(
            ng_expectations_parse(&text, policy, arena, &expectations, &faults, &n_faults),
            -EINVAL);
        assert_int_equal(n_faults, 1);
        snprintf(found, sizeof(found), "%u:%u: %s", faults[0].line, faults[0].column,
                 faults[0].message);
        assert_string_equal(found, wrong[i].expected);
        ng_arena_free(arena);
        ng_policy_free(policy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ways),   cmocka_unit_test(test_shared_networks),
        cmocka_unit_test(test_doubt),  cmocka_unit_test(test_slip_of_the_pen),
        cmocka_unit_test(test_policy), cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
