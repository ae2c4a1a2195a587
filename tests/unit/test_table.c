/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fixture_print.h"
#include "tests/unit/fixture_result.h"

/* clang-format off */
static const char whole_table[] =
    "host      web-1, 2026-10-03 14:02:11 UTC\n"
    "engine    Docker 20.10.24 at unix:///var/run/docker.sock, 6 containers running\n"
    "policy    built-in: no data store, cluster-control or Docker API port reachable\n"
    "          from outside\n"
    "\n"
    "FINDINGS (3)\n"
    "CRITICAL  redis is reachable from public on 6379/tcp, a port of @databases\n"
    "  port      0.0.0.0:6379/tcp -> 172.17.0.2:6379 (dnat)\n"
    "            [::]:6379/tcp -> 172.17.0.2:6379 (proxy)\n"
    "  from      IPv4: public (eth0, eth1): any address\n"
    "            IPv6: public (eth0): any address\n"
    "  because   ip filter DOCKER handle 12: iifname != \"docker0\" oifname \"docker0\"\n"
    "            ip daddr 172.17.0.2 tcp dport 6379 accept\n"
    "            ip6 filter INPUT: policy accept\n"
    "  ufw       IPv4: does not see it: these packets go around its rules\n"
    "            IPv6: lets it in\n"
    "  policy    rule no-stores, action block, NG001\n"
    "  fix       publish it on one address only: -p 127.0.0.1:6379:6379\n"
    "            or drop the -p: containers on the same network reach it without\n"
    "\n"
    "HIGH      [excepted] node-exporter: no rule allows 9100/udp\n"
    "  port      0.0.0.0:9100/udp (host net)\n"
    "  from      public (eth0): perhaps any address (source ports 53, 1024-65535\n"
    "            only)\n"
    "  because   it depends on what cannot be decided\n"
    "  unsure    xt match \"bpf\"\n"
    "  policy    rule default, action alert, NG002\n"
    "  fix       add a rule that allows it\n"
    "\n"
    "EXPOSURES (8)\n"
    "WHO            WHAT                      FROM                REACH      VIA\n"
    "admin          127.0.0.1:8080/tcp -> 80  public eth0         blocked    dnat\n"
    "node-exporter  0.0.0.0:9100/udp          public eth0:        unknown    host net\n"
    "                                         perhaps any\n"
    "                                         address (source\n"
    "                                         ports 53,\n"
    "                                         1024-65535 only)\n"
    "redis          0.0.0.0:6379/tcp -> 6379  public eth0, eth1   reachable  dnat\n"
    "               [::]:6379/tcp -> 6379     public eth0         reachable  proxy\n"
    "sts            0.0.0.0:8443-8445/tcp     public eth0: any    partly     dnat,\n"
    "               -> 8443-8445              but 203.0.113.0/24             proxy\n"
    "sshd (host)    0.0.0.0:22/tcp            public eth0         reachable  local\n"
    "\n"
    "CONTAINERS (6)\n"
    "app            links to redis as db\n"
    "node-exporter  uses the host's network: whatever listens in it is a port of this\n"
    "               machine\n"
    "sidecar        shares the network of sts\n"
    "no port        app\n"
    "\n"
    "result    2 open findings (2 critical), 1 excepted in 8 exposures\n"
    "help      what a finding means: netguard explain NG001\n";
/* clang-format on */

static void test_whole(void **state) {
    (void)state;
    const struct ng_result result = fixture_result();
    char *text = fixture_print(&result, &fixture_plain);

    assert_string_equal(text, whole_table);
    assert_tidy(text, NG_TABLE_WIDTH);
    free(text);
}

static void test_widths(void **state) {
    (void)state;
    const struct ng_result result = fixture_result();

    for (unsigned width = NG_TABLE_WIDTH_MIN; width <= 200; width++) {
        const struct ng_print_options options = {.width = width, .verbose = width % 2};
        char *text = fixture_print(&result, &options);

        assert_tidy(text, width);
        free(text);
    }
    const struct ng_print_options wide = {.width = 160};
    char *text = fixture_print(&result, &wide);
    assert_has(text, "0.0.0.0:8443-8445/tcp -> 8443-8445  public eth0: any but 203.0.113.0/24 ");
    free(text);
}

/* Takes the SGR sequences out of `text`, in place; returns how many there were. */
static size_t strip_color(char *text) {
    size_t count = 0;
    char *to = text;

    for (const char *from = text; *from; from++) {
        if (*from == '\x1b') {
            from += strcspn(from, "m");
            count++;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return count;
}

static void test_color_changes_nothing_else(void **state) {
    (void)state;
    const struct ng_result result = fixture_result();
    const struct ng_print_options options = {.width = NG_TABLE_WIDTH, .color = true};
    char *text = fixture_print(&result, &options);

    assert_has(text, "\x1b[1;31mCRITICAL\x1b[0m");
    assert_has(text, "\x1b[32mblocked\x1b[0m");
    assert_true(strip_color(text) > 20);
    assert_string_equal(text, whole_table);
    free(text);
}

static void test_verbose(void **state) {
    (void)state;
    const struct ng_result result = fixture_result();
    char *text = fixture_print(&result, &fixture_verbose);

    assert_has(text, FIXTURE_REDIS_ID);
    assert_has(text, "all rules ip filter DOCKER-USER handle 40: ip saddr 203.0.113.0/24 drop");
    assert_has(text, "key       aaaaaaaaaaaaaaa1, exposure 0000000000000003");
    assert_has(text, "unsure    xt match \"bpf\"");
    assert_has(text, "public (eth0): partly any but 203.0.113.0/24");
    free(text);
}

/* Nothing a container chose gets to the terminal as it is. */
static void test_hostile_strings(void **state) {
    (void)state;
    static const char hostile[] = "x\x1b[2J\n\u202eevil\u200b\xff";
    static const char safe[] = "x\\x1b[2J\\x0a\\u202eevil\\u200b\\xff";
    static const char *const hostile_list[] = {hostile};
    const struct ng_decider decider = {
        .table = hostile, .chain = hostile, .handle = 1, .rule = hostile};
    const struct ng_link_to link = {.to = hostile, .alias = hostile};
    const struct ng_container containers[] = {
        {.id = hostile,
         .name = hostile,
         .image = hostile,
         .network_mode = hostile,
         .links = &link,
         .n_links = 1},
        {.id = "2", .name = "b", .image = "", .network_mode = "", .network_of = hostile},
    };
    const struct ng_engine engine = {
        .endpoint = hostile, .version = hostile, .containers = containers, .n_containers = 2};
    const struct ng_world world = {.host = hostile, .engines = &engine, .n_engines = 1};
    const struct ng_reach reach = {.zone = hostile,
                                   .interface = hostile,
                                   .verdict = NG_UNKNOWN,
                                   .maybe = {fixture_all4, 1},
                                   .decided_by = &decider,
                                   .deciders = &decider,
                                   .n_deciders = 1,
                                   .unsure = {hostile_list, 1}};
    const struct ng_exposure exposures[] = {
        {.id = "1",
         .kind = NG_KIND_PUBLISHED,
         .family = NG_IP4,
         .proto = NG_TCP,
         .host_port = 1,
         .container = &containers[0],
         .container_port = 1,
         .reach = &reach,
         .n_reach = 1},
        {.id = "2", .kind = NG_KIND_HOST, .family = NG_IP4, .host_port = 2, .process = hostile},
    };
    const struct ng_finding finding = {.id = "NG001",
                                       .rule = hostile,
                                       .action = NG_ALERT,
                                       .exposure = &exposures[0],
                                       .subject = hostile,
                                       .zones = {hostile_list, 1},
                                       .message = hostile,
                                       .fix = hostile};
    const struct ng_gap gap = {.source = hostile, .reason = hostile};
    const struct ng_result result = {.world = &world,
                                     .gaps = &gap,
                                     .n_gaps = 1,
                                     .exposures = exposures,
                                     .n_exposures = 2,
                                     .findings = &finding,
                                     .n_findings = 1};
    const struct ng_print_options options = {.policy = hostile, .width = 200, .verbose = true};
    char *text = fixture_print(&result, &options);

    assert_tidy(text, 200);
    assert_has(text, safe);
    assert_has(text, "incomplete");
    free(text);
}

static void test_wide_characters_align(void **state) {
    (void)state;
    struct ng_container container = fixture_containers[FIXTURE_REDIS];
    struct ng_exposure exposures[2] = {fixture_exposures[FIXTURE_X_REDIS4],
                                       fixture_exposures[FIXTURE_X_SSHD]};
    struct ng_result result = fixture_result();

    container.name = "\u6771\u4eac\u30c7\u30fc\u30bf\u30d9\u30fc\u30b9";
    exposures[0].container = &container;
    result.exposures = exposures;
    result.n_exposures = 2;
    result.n_findings = 0;
    char *text = fixture_print(&result, &fixture_plain);
    assert_has(text, "\n\u6771\u4eac\u30c7\u30fc\u30bf\u30d9\u30fc\u30b9  0.0.0.0:6379/tcp");
    assert_has(text, "\nsshd (host)       0.0.0.0:22/tcp");
    free(text);
}

/* Which of the packet filters hold rules, where that may surprise or all is told. */
static void test_backends(void **state) {
    (void)state;
    static const char *const both[] = {"nf_tables", "iptables-legacy"};
    const struct ng_world world = {.host = "h"};
    struct ng_result result = {.world = &world, .complete = true, .backends = {both, 2}};
    char *text = fixture_print(&result, &fixture_plain);
    assert_has(text,
               "filter    nf_tables and iptables-legacy both hold rules: a packet has to pass\n"
               "          both\n");
    free(text);

    result.backends.count = 1;
    text = fixture_print(&result, &fixture_plain);
    assert_null(strstr(text, "filter"));
    free(text);
    text = fixture_print(&result, &fixture_verbose);
    assert_has(text, "filter    nf_tables\n");
    free(text);
}

/* Rules of iptables-legacy have numbers and no handles. */
static void test_legacy_decider(void **state) {
    (void)state;
    const struct ng_decider decider = {
        .table = "ip filter", .chain = "web", .handle = 3, .rule = "drop", .legacy = true};
    const struct ng_reach reach = {
        .zone = "public", .interface = "eth0", .verdict = NG_BLOCKED, .decided_by = &decider};
    const struct ng_exposure exposure = {.id = "1",
                                         .kind = NG_KIND_HOST,
                                         .family = NG_IP4,
                                         .proto = NG_TCP,
                                         .reach = &reach,
                                         .n_reach = 1};
    const struct ng_world world = {.host = "h"};
    const struct ng_result result = {
        .world = &world, .complete = true, .exposures = &exposure, .n_exposures = 1};
    char *text = fixture_print(&result, &fixture_verbose);
    assert_has(text, "ip filter web (legacy) rule 3: drop");
    free(text);
}

static void test_no_engine_and_gaps(void **state) {
    (void)state;
    const struct ng_gap gaps[] = {
        {.source = "nftables", .reason = "not permitted; run netguard as root"}};
    struct ng_world world = {.host = "h", .no_engine = "/var/run/docker.sock"};
    struct ng_result result = {.world = &world, .complete = true};
    char *text = fixture_print(&result, &fixture_plain);

    assert_string_equal(text, "host      h, 1970-01-01 00:00:00 UTC\n"
                              "engine    no container engine found (looked for "
                              "/var/run/docker.sock)\n"
                              "policy    built-in: no data store, cluster-control or Docker API "
                              "port reachable\n"
                              "          from outside\n\n"
                              "EXPOSURES (0)\n\n"
                              "result    no open finding in 0 exposures\n");
    free(text);

    world.no_engine = NULL;
    result.complete = false;
    result.gaps = gaps;
    result.n_gaps = 1;
    const struct ng_print_options options = {.width = NG_TABLE_WIDTH, .policy = "p.yaml"};
    text = fixture_print(&result, &options);
    assert_has(text, "engine    not observed\n");
    assert_has(text, "policy    p.yaml\n");
    assert_has(text, "NOT SEEN (1)\nnftables  not permitted; run netguard as root\n");
    assert_has(text, "incomplete: ");
    free(text);
}

/* Where they are not overlooked: beside the result. */
static void test_warnings(void **state) {
    (void)state;
    const struct ng_warning warnings[] = {
        {.source = "/etc/nftables.conf", .text = "holds a copy; take it out"},
        {.source = "/etc/x\x1b", .text = "y\x1b"}};
    struct ng_world world = fixture_world;
    struct ng_result result = fixture_result();

    char *text = fixture_print(&result, &fixture_plain);
    assert_null(strstr(text, "WARNINGS"));
    free(text);
    world.warnings = warnings;
    world.n_warnings = ARRAY_SIZE(warnings);
    result.world = &world;
    text = fixture_print(&result, &fixture_plain);
    assert_has(text, "\n\nWARNINGS (2)\n/etc/nftables.conf holds a copy; take it out\n"
                     "/etc/x\\x1b y\\x1b\n\nresult    ");
    free(text);
}

static void test_groups_only_what_is_alike(void **state) {
    (void)state;
    struct ng_finding findings[2] = {fixture_findings[0], fixture_findings[1]};
    struct ng_result result = fixture_result();

    result.findings = findings;
    result.n_findings = 2;
    findings[1].rule = "other";
    char *text = fixture_print(&result, &fixture_plain);
    assert_has(text, "rule no-stores,");
    assert_has(text, "rule other,");
    free(text);

    findings[1].rule = findings[0].rule;
    findings[1].message = "redis says something else of IPv6";
    findings[1].fix = "a third way";
    text = fixture_print(&result, &fixture_plain);
    assert_has_not(text, "\n\nCRITICAL");
    assert_has(text, "\nCRITICAL  redis is reachable from public on 6379/tcp");
    assert_has_not(text, "something else");
    assert_has(text,
               "\n            or drop the -p: containers on the same network reach it without\n"
               "            a third way\n");
    free(text);
}

/* Who gets in is said once where both families are alike, and of each where they differ. */
static void test_families(void **state) {
    (void)state;
    struct ng_exposure exposures[2] = {fixture_exposures[FIXTURE_X_REDIS4],
                                       fixture_exposures[FIXTURE_X_REDIS6]};
    struct ng_finding findings[2] = {fixture_findings[0], fixture_findings[1]};
    struct ng_result result = fixture_result();

    for (size_t i = 0; i < 2; i++)
        findings[i].exposure = &exposures[i];
    result.exposures = exposures;
    result.n_exposures = 2;
    result.findings = findings;
    result.n_findings = 2;
    exposures[0].n_reach = 1;
    char *text = fixture_print(&result, &fixture_plain);
    assert_has(text, "\n  from      public (eth0): any address\n  because");
    free(text);

    exposures[0].n_reach = 2;
    text = fixture_print(&result, &fixture_plain);
    assert_has(text, "\n  from      IPv4: public (eth0, eth1): any address\n"
                     "            IPv6: public (eth0): any address\n");
    free(text);
}

static void test_port_range_is_one_block(void **state) {
    (void)state;
    struct ng_finding findings[3];
    char messages[3][32];
    struct ng_result result = fixture_result();

    for (size_t i = 0; i < ARRAY_SIZE(findings); i++) {
        snprintf(messages[i], sizeof(messages[i]), "sts opens port %zu", 8443 + i);
        findings[i] = fixture_findings[2];
        findings[i].state = NG_OPEN;
        findings[i].exposure = &fixture_exposures[FIXTURE_X_STS1 + i];
        findings[i].subject = "sts";
        findings[i].message = messages[i];
    }
    result.findings = findings;
    result.n_findings = ARRAY_SIZE(findings);
    char *text = fixture_print(&result, &fixture_plain);
    assert_has(text, "HIGH      sts opens port 8443 (and the same of the next 2 ports)\n"
                     "  ports     0.0.0.0:8443-8445/tcp -> 172.18.0.2:8443-8445 (dnat, proxy)\n"
                     "  from      public (eth0): partly: any but 203.0.113.0/24\n");
    assert_has(text, "result    3 open findings (3 high) in 8 exposures\n");
    free(text);

    findings[1].rule = "other";
    text = fixture_print(&result, &fixture_plain);
    assert_has_not(text, "the same of");
    free(text);
}

/* Which items there are, and what they come to, tests/unit/test_cis.c tells. */
static void test_profile(void **state) {
    (void)state;
    struct ng_policy policy = {.cis = true};
    struct ng_result result = fixture_result();

    result.policy = &policy;
    char *text = fixture_print(&result, &fixture_plain);
    assert_has(text,
               "profile   CIS Docker Benchmark 1.6.0, what it says of networks; the policy says\n"
               "          what is excepted\n");
    assert_has(text, "  policy    rule no-stores, action block, NG001, CIS 5.9\n");
    assert_has(text, "\nCIS DOCKER BENCHMARK 1.6.0 (13)\n");
    assert_has(text, "\nCIS 5.9   fail");
    assert_tidy(text, NG_TABLE_WIDTH);
    free(text);
}

static void test_blocked_says_by_what(void **state) {
    (void)state;
    const struct ng_decider guard = {
        .table = "inet netguard", .chain = "forward", .handle = 7, .rule = "drop"};
    struct ng_reach reach = fixture_reach_blocked[0];
    struct ng_exposure exposure = fixture_exposures[FIXTURE_X_REDIS4];
    struct ng_finding finding = fixture_findings[0];
    struct ng_result result = fixture_result();

    reach.decided_by = &guard;
    exposure.reach = &reach;
    exposure.n_reach = 1;
    finding.exposure = &exposure;
    finding.state = NG_STATE_BLOCKED;
    result.exposures = &exposure;
    result.n_exposures = 1;
    result.findings = &finding;
    result.n_findings = 1;
    char *text = fixture_print(&result, &fixture_plain);
    assert_has(text, "CRITICAL  [blocked] redis is reachable");
    assert_has(text, "  from      public (eth0): blocked\n"
                     "  because   inet netguard forward handle 7: drop\n");
    assert_has(text, "no open finding, 1 blocked in 1 exposure\n");
    free(text);
}

static void test_port_runs_end_where_something_differs(void **state) {
    (void)state;
    struct ng_exposure exposures[4];
    struct ng_result result = fixture_result();

    for (size_t i = 0; i < ARRAY_SIZE(exposures); i++) {
        exposures[i] = fixture_exposures[FIXTURE_X_STS1];
        exposures[i].host_port = (uint16_t)(7000 + i);
        exposures[i].container_port = (uint16_t)(80 + i);
    }
    exposures[2].reach = fixture_reach_blocked;
    result.exposures = exposures;
    result.n_exposures = ARRAY_SIZE(exposures);
    result.n_findings = 0;
    const struct ng_print_options wide = {.width = 160};
    char *text = fixture_print(&result, &wide);
    assert_has(text, " 0.0.0.0:7000-7001/tcp -> 80-81 ");
    assert_has(text, " 0.0.0.0:7002/tcp -> 82 ");
    assert_has(text, " 0.0.0.0:7003/tcp -> 83 ");
    free(text);

    exposures[3].paths = NG_PATH_PROXY;
    exposures[2].reach = exposures[3].reach;
    text = fixture_print(&result, &wide);
    assert_has(text, " 0.0.0.0:7000-7002/tcp -> 80-82 ");
    assert_has(text, " 0.0.0.0:7003/tcp -> 83 ");
    free(text);

    exposures[2] = exposures[3];
    exposures[2].host_port = 7002;
    exposures[2].container_port = 80; /* consecutive outside, not inside */
    text = fixture_print(&result, &wide);
    assert_has(text, " 0.0.0.0:7000-7001/tcp -> 80-81 ");
    assert_has(text, " 0.0.0.0:7002/tcp -> 80 ");
    free(text);
}

static void test_many_unexposed_are_counted(void **state) {
    (void)state;
    struct ng_container containers[40];
    char names[40][16];
    const struct ng_engine engine = {.endpoint = "unix:///x",
                                     .version = "1",
                                     .containers = containers,
                                     .n_containers = ARRAY_SIZE(containers)};
    const struct ng_world world = {.host = "h", .engines = &engine, .n_engines = 1};
    const struct ng_result result = {.world = &world, .complete = true};

    for (size_t i = 0; i < ARRAY_SIZE(containers); i++) {
        snprintf(names[i], sizeof(names[i]), "c%02zu", i);
        containers[i] =
            (struct ng_container){.id = "", .name = names[i], .image = "", .network_mode = ""};
    }
    char *text = fixture_print(&result, &fixture_plain);
    assert_has(text, "no port  c00, c01, ");
    assert_has(text, "c11 and 28 more\n");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_color_changes_nothing_else),
        cmocka_unit_test(test_verbose),
        cmocka_unit_test(test_hostile_strings),
        cmocka_unit_test(test_wide_characters_align),
        cmocka_unit_test(test_backends),
        cmocka_unit_test(test_legacy_decider),
        cmocka_unit_test(test_no_engine_and_gaps),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_groups_only_what_is_alike),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_port_range_is_one_block),
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_blocked_says_by_what),
        cmocka_unit_test(test_port_runs_end_where_something_differs),
        cmocka_unit_test(test_many_unexposed_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
