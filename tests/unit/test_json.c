/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "agent/print/print.h"
#include "tests/unit/fixture_engines.h"
#include "tests/unit/fixture_result.h"

static char *print_text(const struct ng_result *result) {
    const struct ng_print_options options = {.width = NG_TABLE_WIDTH};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    assert_int_equal(ng_print_json(out, result, &options), 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(strlen(text), len);
    return text;
}

static json_t *print_document(const struct ng_result *result) {
    json_error_t error;
    char *text = print_text(result);
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, &error);

    if (!document)
        fail_msg("line %d: %s", error.line, error.text);
    free(text);
    return document;
}

static const char *text_of(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

/* Members in the order in which they are written. */
static void assert_keys(json_t *object, const char *const *keys) {
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value) {
        assert_non_null(*keys);
        assert_string_equal(key, *keys++);
    }
    assert_null(*keys);
}

static void assert_json(const json_t *value, const char *expected) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void test_top(void **state) {
    (void)state;
    static const char *const keys[] = {"schema",   "host",    "time",     "complete",  "gaps",
                                       "warnings", "engines", "backends", "exposures", "links",
                                       "findings", "summary", NULL};
    static const char *const both[] = {"nf_tables", "iptables-legacy"};
    struct ng_result result = fixture_result();
    result.backends = (struct ng_strings){both, ARRAY_SIZE(both)};
    json_t *document = print_document(&result);

    assert_keys(document, keys);
    assert_json(json_object_get(document, "backends"), "[\"nf_tables\",\"iptables-legacy\"]");
    assert_string_equal(text_of(document, "schema"), "netguard.check/1");
    assert_string_equal(text_of(document, "host"), "web-1");
    assert_string_equal(text_of(document, "time"), "2026-10-03T14:02:11Z");
    assert_json(json_object_get(document, "complete"), "true");
    assert_json(json_object_get(document, "gaps"), "[]");
    assert_json(json_object_get(document, "warnings"), "[]");
    assert_json(json_object_get(document, "links"), "[]");
    assert_json(json_object_get(document, "engines"),
                "[{\"endpoint\":\"unix:///var/run/docker.sock\",\"product\":\"Docker\","
                "\"version\":\"20.10.24\",\"api_version\":\"1.41\",\"name\":\"web-1\","
                "\"firewall_backend\":null,\"rootless\":false,\"userns\":false,\"swarm\":null,"
                "\"open_apis\":[],\"insecure_registries\":[],\"networks\":[]}]");
    assert_json(json_object_get(document, "summary"),
                "{\"exposures\":8,\"findings\":3,\"by_severity\":{\"critical\":2,\"high\":1}}");
    json_decref(document);
}

static void test_exposure(void **state) {
    (void)state;
    const struct ng_result result = fixture_result();
    json_t *document = print_document(&result);
    json_t *redis = json_array_get(json_object_get(document, "exposures"), FIXTURE_X_REDIS4);

    assert_json(
        redis,
        "{\"id\":\"0000000000000003\",\"kind\":\"published\",\"family\":\"ip\",\"proto\":\"tcp\","
        "\"host_addr\":\"0.0.0.0\",\"host_port\":6379,"
        "\"container\":{\"id\":\"" FIXTURE_REDIS_ID "\",\"name\":\"redis\",\"image\":\"redis:7\","
        "\"service\":null,\"stack\":null,\"networks\":[\"bridge\"]},"
        "\"container_addr\":\"172.17.0.2\",\"container_port\":6379,\"process\":null,"
        "\"role\":null,\"verified\":null,\"paths\":[\"dnat\"],"
        "\"reach\":[{\"zone\":\"public\",\"interface\":\"eth0\",\"verdict\":\"reachable\","
        "\"sources\":[\"0.0.0.0/0\"],\"source_ports\":null,"
        "\"decided_by\":{\"table\":\"ip filter\",\"chain\":\"DOCKER\",\"handle\":12,\"rule\":"
        "\"iifname != \\\"docker0\\\" oifname \\\"docker0\\\" ip daddr 172.17.0.2 tcp dport 6379 "
        "accept\"},"
        "\"deciders\":[{\"table\":\"ip filter\",\"chain\":\"DOCKER\",\"handle\":12,\"rule\":"
        "\"iifname != \\\"docker0\\\" oifname \\\"docker0\\\" ip daddr 172.17.0.2 tcp dport 6379 "
        "accept\"}],\"unsure\":[],\"maybe\":[]},"
        "{\"zone\":\"public\",\"interface\":\"eth1\",\"verdict\":\"reachable\","
        "\"sources\":[\"0.0.0.0/0\"],\"source_ports\":null,"
        "\"decided_by\":{\"table\":\"ip filter\",\"chain\":\"DOCKER\",\"handle\":12,\"rule\":"
        "\"iifname != \\\"docker0\\\" oifname \\\"docker0\\\" ip daddr 172.17.0.2 tcp dport 6379 "
        "accept\"},"
        "\"deciders\":[{\"table\":\"ip filter\",\"chain\":\"DOCKER\",\"handle\":12,\"rule\":"
        "\"iifname != \\\"docker0\\\" oifname \\\"docker0\\\" ip daddr 172.17.0.2 tcp dport 6379 "
        "accept\"}],\"unsure\":[],\"maybe\":[]}],"
        "\"host_firewall\":{\"ufw\":\"bypassed\",\"firewalld\":\"absent\"}}");
    json_decref(document);
}

static void test_what_is_not_there_is_null(void **state) {
    (void)state;
    const struct ng_result result = fixture_result();
    json_t *document = print_document(&result);
    json_t *exposures = json_object_get(document, "exposures");
    json_t *sshd = json_array_get(exposures, FIXTURE_X_SSHD);
    json_t *redis6 = json_array_get(exposures, FIXTURE_X_REDIS6);
    json_t *by = json_object_get(json_array_get(json_object_get(redis6, "reach"), 0), "decided_by");

    assert_true(json_is_null(json_object_get(sshd, "container")));
    assert_true(json_is_null(json_object_get(sshd, "container_addr")));
    assert_true(json_is_null(json_object_get(sshd, "container_port")));
    assert_string_equal(text_of(sshd, "process"), "sshd");
    assert_true(json_is_null(
        json_object_get(json_array_get(json_object_get(sshd, "reach"), 0), "decided_by")));
    assert_string_equal(text_of(redis6, "host_addr"), "::");
    assert_true(json_is_null(json_object_get(by, "handle"))); /* a policy is no rule */
    json_decref(document);
}

static void test_partly_and_unknown(void **state) {
    (void)state;
    const struct ng_result result = fixture_result();
    json_t *document = print_document(&result);
    json_t *exposures = json_object_get(document, "exposures");
    json_t *sts =
        json_array_get(json_object_get(json_array_get(exposures, FIXTURE_X_STS1), "reach"), 0);
    json_t *exporter =
        json_array_get(json_object_get(json_array_get(exposures, FIXTURE_X_EXPORTER), "reach"), 0);
    json_t *sources = json_object_get(sts, "sources");

    assert_int_equal(json_array_size(sources), 24); /* a /24 out of all: one prefix a bit */
    assert_string_equal(json_string_value(json_array_get(sources, 0)), "0.0.0.0/1");
    assert_json(json_object_get(exporter, "sources"), "[]");
    assert_json(json_object_get(exporter, "maybe"), "[\"0.0.0.0/0\"]");
    assert_json(json_object_get(exporter, "source_ports"), "[[53,53],[1024,65535]]");
    assert_json(json_object_get(exporter, "unsure"), "[\"xt match \\\"bpf\\\"\"]");
    json_decref(document);
}

/* -- engines and what is their own --------------------------------------------------- */

/* Those of its members that `keys` name. */
static void assert_members(const json_t *object, const char *const *keys, const char *expected) {
    json_t *some = json_object();

    for (; *keys; keys++)
        assert_int_equal(json_object_set(some, *keys, json_object_get(object, *keys)), 0);
    assert_json(some, expected);
    json_decref(some);
}

static void test_kinds(void **state) {
    (void)state;
    static const char *const keys[] = {"kind",           "proto",          "host_addr", "host_port",
                                       "container_addr", "container_port", "paths",     NULL};
    static const struct {
        size_t which;
        const char *expected;
    } cases[] = {
        {FIXTURE_X_INGRESS,
         "{\"kind\":\"ingress\",\"proto\":\"tcp\",\"host_addr\":\"0.0.0.0\",\"host_port\":8080,"
         "\"container_addr\":null,\"container_port\":80,\"paths\":[\"dnat\",\"ipvs\"]}"},
        {FIXTURE_X_INGRESS_BARE,
         "{\"kind\":\"ingress\",\"proto\":\"udp\",\"host_addr\":\"0.0.0.0\",\"host_port\":53,"
         "\"container_addr\":null,\"container_port\":null,\"paths\":[\"dnat\",\"ipvs\"]}"},
        {FIXTURE_X_DIRECT,
         "{\"kind\":\"direct\",\"proto\":\"tcp\",\"host_addr\":null,\"host_port\":null,"
         "\"container_addr\":\"172.17.0.2\",\"container_port\":6379,\"paths\":[\"route\"]}"},
        {FIXTURE_X_CAMERA,
         "{\"kind\":\"l2\",\"proto\":\"tcp\",\"host_addr\":null,\"host_port\":null,"
         "\"container_addr\":\"192.0.2.50\",\"container_port\":80,\"paths\":[\"l2\"]}"},
        {FIXTURE_X_ESP,
         "{\"kind\":\"host\",\"proto\":\"esp\",\"host_addr\":\"0.0.0.0\",\"host_port\":null,"
         "\"container_addr\":null,\"container_port\":null,\"paths\":[\"local\"]}"},
    };
    const struct ng_result result = fixture_manager_result();
    json_t *document = print_document(&result);
    json_t *exposures = json_object_get(document, "exposures");

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_members(json_array_get(exposures, cases[i].which), keys, cases[i].expected);
    assert_json(json_object_get(json_array_get(exposures, FIXTURE_X_INGRESS), "container"),
                "{\"id\":null,\"name\":\"shop_web\",\"image\":null,\"service\":\"shop_web\","
                "\"stack\":\"shop\",\"networks\":[\"ingress\"]}");
    json_decref(document);
}

static void test_roles(void **state) {
    (void)state;
    static const char *const keys[] = {"role", "verified", NULL};
    static const struct {
        size_t which;
        const char *expected;
    } cases[] = {
        {FIXTURE_X_DIRECT, "{\"role\":null,\"verified\":null}"},
        {FIXTURE_X_API, "{\"role\":\"docker-api\",\"verified\":null}"},
        {FIXTURE_X_API_TLS, "{\"role\":\"docker-api-tls\",\"verified\":false}"},
        {FIXTURE_X_MANAGEMENT, "{\"role\":\"swarm-management\",\"verified\":null}"},
        {FIXTURE_X_GOSSIP, "{\"role\":\"swarm-gossip\",\"verified\":null}"},
        {FIXTURE_X_DATA_PATH, "{\"role\":\"swarm-data-path\",\"verified\":null}"},
        {FIXTURE_X_ESP, "{\"role\":\"swarm-data-path\",\"verified\":null}"},
    };
    struct ng_result result = fixture_manager_result();
    json_t *document = print_document(&result);
    json_t *exposures = json_object_get(document, "exposures");

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_members(json_array_get(exposures, cases[i].which), keys, cases[i].expected);
    json_decref(document);

    struct ng_exposure verified = fixture_e_exposures[FIXTURE_X_API_TLS];
    verified.unverified = false;
    result.exposures = &verified;
    result.n_exposures = 1;
    document = print_document(&result);
    assert_members(json_array_get(json_object_get(document, "exposures"), 0), keys,
                   "{\"role\":\"docker-api-tls\",\"verified\":true}");
    json_decref(document);
}

static void test_engine(void **state) {
    (void)state;
    const struct ng_result result = fixture_manager_result();
    json_t *document = print_document(&result);
    json_t *engine = json_array_get(json_object_get(document, "engines"), 0);

    assert_string_equal(text_of(engine, "product"), "Docker");
    assert_string_equal(text_of(engine, "firewall_backend"), "iptables");
    assert_json(json_object_get(engine, "rootless"), "false");
    assert_json(json_object_get(engine, "userns"), "true");
    assert_json(json_object_get(engine, "swarm"),
                "{\"manager\":true,\"node_addr\":\"192.0.2.1\",\"data_path_port\":4789,"
                "\"peers\":[\"192.0.2.2\",\"2001:db8::1\"]}");
    assert_json(json_object_get(engine, "open_apis"),
                "[{\"addr\":\"0.0.0.0\",\"port\":2375,\"tls\":false},"
                "{\"addr\":\"192.0.2.1\",\"port\":2376,\"tls\":true}]");
    assert_json(json_object_get(engine, "insecure_registries"), "[\"10.0.0.0/8\",\"reg:5000\"]");
    json_decref(document);

    struct ng_engine worker = fixture_manager;
    struct ng_world world = fixture_manager_world;
    struct ng_result other = {.world = &world};
    worker.podman = worker.rootless = true;
    worker.manager = worker.userns = false;
    worker.node_addr.family = 0;
    worker.data_path_port = 9000;
    worker.n_peers = 0;
    world.engines = &worker;
    document = print_document(&other);
    engine = json_array_get(json_object_get(document, "engines"), 0);
    assert_string_equal(text_of(engine, "product"), "Podman");
    assert_json(json_object_get(engine, "rootless"), "true");
    assert_json(json_object_get(engine, "userns"), "false");
    assert_json(json_object_get(engine, "swarm"),
                "{\"manager\":false,\"node_addr\":null,\"data_path_port\":9000,\"peers\":[]}");
    json_decref(document);
}

/* Those that a container is on, and overlays. */
static void test_networks(void **state) {
    (void)state;
    static const char *const names[] = {"bridge", "ingress", "lan",
                                        "routes", "secret",  "shop_back"};
    const struct ng_result result = fixture_manager_result();
    json_t *document = print_document(&result);
    json_t *engine = json_array_get(json_object_get(document, "engines"), 0);
    json_t *networks = json_object_get(engine, "networks");

    assert_int_equal(json_array_size(networks), ARRAY_SIZE(names));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_string_equal(text_of(json_array_get(networks, i), "name"), names[i]);
    assert_json(json_array_get(networks, 0),
                "{\"name\":\"bridge\",\"driver\":\"bridge\",\"bridge\":\"docker0\","
                "\"parent\":null,\"internal\":false,\"ingress\":false,\"attachable\":false,"
                "\"encrypted\":false,\"ipv6\":false,\"icc\":false,\"default_bridge\":true,"
                "\"gateway_mode_ipv4\":\"nat\",\"gateway_mode_ipv6\":\"nat\"}");
    assert_json(json_array_get(networks, 2),
                "{\"name\":\"lan\",\"driver\":\"macvlan\",\"bridge\":null,"
                "\"parent\":\"eth0\",\"internal\":false,\"ingress\":false,\"attachable\":false,"
                "\"encrypted\":false,\"ipv6\":false,\"icc\":true,\"default_bridge\":false,"
                "\"gateway_mode_ipv4\":\"nat\",\"gateway_mode_ipv6\":\"nat\"}");
    assert_json(json_array_get(networks, 3),
                "{\"name\":\"routes\",\"driver\":\"bridge\",\"bridge\":\"br-4\","
                "\"parent\":null,\"internal\":false,\"ingress\":false,\"attachable\":false,"
                "\"encrypted\":false,\"ipv6\":true,\"icc\":true,\"default_bridge\":false,"
                "\"gateway_mode_ipv4\":\"nat-unprotected\",\"gateway_mode_ipv6\":\"routed\"}");
    assert_json(json_object_get(json_array_get(networks, 1), "ingress"), "true");
    assert_json(json_object_get(json_array_get(networks, 4), "encrypted"), "true");
    assert_json(json_object_get(json_array_get(networks, 5), "attachable"), "true");
    json_decref(document);
}

static void test_links(void **state) {
    (void)state;
    struct ng_talk talks[2] = {fixture_talks[0], fixture_talks[0]};
    struct ng_result result = fixture_manager_result();

    talks[0].n_ports = 2;
    talks[1].n_ports = 0;
    talks[1].alias = "store";
    talks[1].verdict = NG_UNKNOWN;
    talks[1].opens = false;
    result.talks = talks;
    result.n_talks = 2;
    json_t *document = print_document(&result);
    assert_json(json_object_get(document, "links"),
                "[{\"from\":\"app\",\"to\":\"redis\",\"alias\":\"cache\","
                "\"network\":\"bridge\",\"ports\":[\"6379/tcp\",\"16379/tcp\"],"
                "\"verdict\":\"reachable\",\"opens\":true},"
                "{\"from\":\"app\",\"to\":\"redis\",\"alias\":\"store\","
                "\"network\":\"bridge\",\"ports\":[],\"verdict\":\"unknown\",\"opens\":false}]");
    json_decref(document);
}

static void test_finding(void **state) {
    (void)state;
    const struct ng_result result = fixture_result();
    json_t *document = print_document(&result);

    assert_json(json_array_get(json_object_get(document, "findings"), 2),
                "{\"id\":\"NG002\",\"key\":\"aaaaaaaaaaaaaaa3\",\"rule\":\"default\","
                "\"severity\":\"high\",\"action\":\"alert\",\"state\":\"excepted\","
                "\"exposure\":\"0000000000000002\",\"subject\":\"node-exporter\","
                "\"zones\":[\"public\"],\"message\":\"no rule allows 9100/udp\","
                "\"fix\":\"add a rule that allows it\",\"path\":[],\"cis\":[\"5.9\"]}");
    json_decref(document);
}

/* Which items there are, and what they come to, tests/unit/test_cis.c tells. */
static void test_profile(void **state) {
    (void)state;
    struct ng_policy policy = {.cis = true};
    struct ng_result result = fixture_result();

    result.policy = &policy;
    result.complete = false;
    json_t *document = print_document(&result);
    json_t *profile = json_object_get(document, "profile");
    assert_string_equal(text_of(profile, "name"), "cis");
    assert_string_equal(text_of(profile, "version"), "1.6.0");
    assert_json(json_array_get(json_object_get(profile, "items"), 1),
                "{\"item\":\"2.4\",\"verdict\":\"unknown\",\"findings\":0,"
                "\"note\":\"not everything could be observed\"}");
    json_decref(document);

    policy.cis = false;
    document = print_document(&result);
    assert_null(json_object_get(document, "profile"));
    json_decref(document);
}

static void test_one_element_a_line(void **state) {
    (void)state;
    const struct ng_result result = fixture_result();
    char *text = print_text(&result);
    size_t lines = 0;

    for (const char *p = text; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 1 + result.world->n_engines + result.n_exposures + result.n_findings);
    assert_non_null(strstr(text, "\n{\"id\":\"0000000000000008\",\"kind\":\"host\""));
    assert_int_equal(text[strlen(text) - 1], '\n');
    free(text);
}

static void test_hostile_strings(void **state) {
    (void)state;
    static const char host[] = "a\"b\\c\n\x01\x1b\x7f\u2028\u202e\U000e0041\xff\u00e9";
    struct ng_world world = fixture_world;
    struct ng_result result = fixture_result();
    const struct ng_gap gaps[] = {{.source = "docker", .reason = "line\nbreak"}};
    const struct ng_warning warnings[] = {{.source = "/etc/a\nb", .text = "take it out\t"}};

    world.host = host;
    world.warnings = warnings;
    world.n_warnings = ARRAY_SIZE(warnings);
    result.world = &world;
    result.complete = false;
    result.gaps = gaps;
    result.n_gaps = ARRAY_SIZE(gaps);
    char *text = print_text(&result);
    assert_non_null(strstr(text, "\"host\":\"a\\\"b\\\\c\\n\\u0001\\u001b\\u007f\\u2028\\u202e"
                                 "\\udb40\\udc41\\ufffd\u00e9\""));
    free(text);

    struct ng_engine engine = fixture_engines[0];
    engine.endpoint = engine.version = engine.name = engine.firewall_backend = host;
    world.engines = &engine;
    json_t *document = print_document(&result);
    assert_string_equal(text_of(document, "host"),
                        "a\"b\\c\n\x01\x1b\x7f\u2028\u202e\U000e0041\ufffd\u00e9");
    assert_string_equal(
        text_of(json_array_get(json_object_get(document, "engines"), 0), "firewall_backend"),
        text_of(document, "host"));
    assert_json(json_object_get(document, "gaps"),
                "[{\"source\":\"docker\",\"reason\":\"line\\nbreak\"}]");
    assert_json(json_object_get(document, "warnings"),
                "[{\"source\":\"/etc/a\\nb\",\"text\":\"take it out\\t\"}]");
    assert_json(json_object_get(document, "complete"), "false");
    json_decref(document);
}

static void test_nothing(void **state) {
    (void)state;
    const struct ng_world world = {.host = "h", .no_engine = "/var/run/docker.sock"};
    const struct ng_result result = {.world = &world, .complete = true};
    char *text = print_text(&result);

    assert_string_equal(
        text, "{\"schema\":\"netguard.check/1\",\"host\":\"h\","
              "\"time\":\"1970-01-01T00:00:00Z\",\"complete\":true,\"gaps\":[],"
              "\"warnings\":[],\"engines\":[],\"backends\":[],\"exposures\":[],\"links\":[],"
              "\"findings\":[],\"summary\":{\"exposures\":0,\"findings\":0,\"by_severity\":{}}}\n");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_top),
        cmocka_unit_test(test_exposure),
        cmocka_unit_test(test_what_is_not_there_is_null),
        cmocka_unit_test(test_partly_and_unknown),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_engine),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_finding),
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_one_element_a_line),
        cmocka_unit_test(test_hostile_strings),
        cmocka_unit_test(test_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
