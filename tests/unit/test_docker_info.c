/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fixture_docker.h"

static int decode_info(struct fixture *f, const char *text, struct ng_engine *engine) {
    memset(&f->error, 0, sizeof(f->error));
    struct ng_docker_body body = body_of(text, strlen(text));
    int r = ng_docker_decode_info(f->arena, body, engine, &f->error);
    free(body.bytes);
    return r;
}

/* What is told beside the name. */
static struct ng_engine read_info(struct fixture *f, const char *members) {
    struct ng_engine engine = {0};
    char *text = ng_arena_printf(f->arena, "{\"Name\":\"vm\",%s}", members);
    if (decode_info(f, text, &engine) != 0)
        fail_msg("%s", f->error.message);
    return engine;
}

static void info_is_read(void **state) {
    struct ng_engine info = {0};
    assert_int_equal(decode_info(*state,
                                 "{\"Name\":\"vm\",\"Swarm\":{\"LocalNodeState\":\"inactive\"},"
                                 "\"SecurityOptions\":[\"name=seccomp,profile=default\"]}",
                                 &info),
                     0);
    assert_string_equal(info.name, "vm");
    assert_null(info.firewall_backend);
    assert_false(info.swarm);
    assert_false(info.rootless);

    info = (struct ng_engine){0};
    assert_int_equal(decode_info(*state,
                                 "{\"Name\":\"vm\",\"Swarm\":{\"LocalNodeState\":\"active\"},"
                                 "\"SecurityOptions\":[\"name=seccomp\",\"name=rootless\"],"
                                 "\"FirewallBackend\":{\"Driver\":\"nftables\"}}",
                                 &info),
                     0);
    assert_string_equal(info.firewall_backend, "nftables");
    assert_true(info.swarm);
    assert_true(info.rootless);

    info = (struct ng_engine){0};
    assert_int_equal(
        decode_info(*state, "{\"Name\":\"\",\"SecurityOptions\":[\"name=rootlessish\"]}", &info),
        0);
    assert_false(info.rootless);
}

static void bad_infos_are_refused(void **state) {
    static const char *const bad[] = {
        "{}",
        "null",
        "[{\"Name\":\"vm\"}]",
        "{\"Name\":1}",
        "{\"Name\":\"vm\",\"Swarm\":[]}",
        "{\"Name\":\"vm\",\"Swarm\":{\"LocalNodeState\":true}}",
        "{\"Name\":\"vm\",\"Swarm\":{\"LocalNodeState\":\"active\",\"ControlAvailable\":1}}",
        "{\"Name\":\"vm\",\"Swarm\":{\"LocalNodeState\":\"active\",\"NodeAddr\":[]}}",
        "{\"Name\":\"vm\",\"Swarm\":{\"LocalNodeState\":\"active\",\"Cluster\":[]}}",
        "{\"Name\":\"vm\",\"Swarm\":{\"LocalNodeState\":\"active\",\"Cluster\":{\"DataPathPort\":-"
        "1}}}",
        "{\"Name\":\"vm\",\"Swarm\":{\"LocalNodeState\":\"active\","
        "\"Cluster\":{\"DataPathPort\":\"4789\"}}}",
        "{\"Name\":\"vm\",\"Swarm\":{\"LocalNodeState\":\"active\",\"RemoteManagers\":{}}}",
        "{\"Name\":\"vm\",\"Swarm\":{\"LocalNodeState\":\"active\",\"RemoteManagers\":[\"\"]}}",
        "{\"Name\":\"vm\",\"Swarm\":{\"LocalNodeState\":\"active\",\"RemoteManagers\":"
        "[{\"Addr\":1}]}}",
        "{\"Name\":\"vm\",\"SecurityOptions\":{}}",
        "{\"Name\":\"vm\",\"Warnings\":\"none\"}",
        "{\"Name\":\"vm\",\"RegistryConfig\":[]}",
        "{\"Name\":\"vm\",\"RegistryConfig\":{\"InsecureRegistryCIDRs\":{}}}",
        "{\"Name\":\"vm\",\"RegistryConfig\":{\"InsecureRegistryCIDRs\":[1]}}",
        "{\"Name\":\"vm\",\"RegistryConfig\":{\"IndexConfigs\":[]}}",
        "{\"Name\":\"vm\",\"FirewallBackend\":\"nftables\"}",
    };
    struct fixture *f = *state;
    struct ng_engine info = {.name = "untouched"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(decode_info(f, bad[i], &info), -EPROTO);
    assert_string_equal(info.name, "untouched");
    assert_string_equal(
        f->error.message,
        "GET /x: info.FirewallBackend: expected an object, found the string \"nftables\"");
}

#define SWARM(members) "\"Swarm\":{\"LocalNodeState\":\"active\"," members "}"

static void swarm_is_read(void **state) {
    char text[NG_ADDR_TEXT];
    struct ng_engine e =
        read_info(*state, SWARM("\"ControlAvailable\":true,\"NodeAddr\":\"192.0.2.1\","
                                "\"Cluster\":{\"DataPathPort\":4790}"));
    assert_true(e.swarm && e.manager);
    assert_string_equal(ng_addr_text(e.node_addr, text), "192.0.2.1");
    assert_int_equal(e.data_path_port, 4790);

    e = read_info(*state, SWARM("\"ControlAvailable\":false,\"NodeAddr\":\"fe80::1%eth0\","
                                "\"Cluster\":null"));
    assert_true(e.swarm && !e.manager);
    assert_string_equal(ng_addr_text(e.node_addr, text), "fe80::1");
    assert_int_equal(e.data_path_port, 0);

    e = read_info(*state, SWARM("\"NodeAddr\":\"\",\"Cluster\":{\"DataPathPort\":0}"));
    assert_int_equal(e.node_addr.family, 0);
    assert_int_equal(e.data_path_port, 0);
    e = read_info(*state, SWARM("\"NodeAddr\":\"node-1\""));
    assert_int_equal(e.node_addr.family, 0);

    /* What a node that has left, or is locked, says of its swarm is past. */
    e = read_info(*state, "\"Swarm\":{\"LocalNodeState\":\"locked\",\"ControlAvailable\":true,"
                          "\"NodeAddr\":\"192.0.2.1\"}");
    assert_false(e.swarm || e.manager);
    assert_int_equal(e.node_addr.family, 0);
}

static void managers_are_peers(void **state) {
    static const struct {
        const char *first, *second, *peers;
    } cases[] = {
        {"192.0.2.10:2377", "192.0.2.9:2377", "192.0.2.9 192.0.2.10"},
        {"192.0.2.9:2377", "192.0.2.9:4000", "192.0.2.9"},
        {"[2001:db8::2]:2377", "192.0.2.9:2377", "192.0.2.9 2001:db8::2"},
        {"[fe80::1%eth0]:2377", "fe80::2%eth0", "fe80::1 fe80::2"},
        {"2001:db8::1", "192.0.2.9", "192.0.2.9 2001:db8::1"},
        /* Where no node can be asked: */
        {"0.0.0.0:2377", "[::]:2377", ""},
        {"", "node-2:2377", ""},
    };
    struct fixture *f = *state;
    struct ng_engine e;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        e = read_info(f, ng_arena_printf(f->arena,
                                         SWARM("\"RemoteManagers\":[{\"NodeID\":\"x\",\"Addr\":"
                                               "\"%s\"},{\"Addr\":\"%s\"},{}]"),
                                         cases[i].first, cases[i].second));
        assert_peers(&e, cases[i].peers);
    }
    e = read_info(f, SWARM("\"RemoteManagers\":null"));
    assert_peers(&e, "");
    e = read_info(f, "\"Swarm\":{\"LocalNodeState\":\"inactive\",\"RemoteManagers\":"
                     "[{\"Addr\":\"192.0.2.1:2377\"}]}");
    assert_peers(&e, "");
}

static void security_options_are_read(void **state) {
    static const struct {
        const char *options;
        bool rootless, userns;
    } cases[] = {
        {"null", false, false},
        {"[\"name=userns\"]", false, true},
        {"[\"name=seccomp,profile=builtin\",\"name=rootless\",\"name=cgroupns\"]", true, false},
        {"[\"name=userns,x=y\",\"name=rootless,x=y\"]", true, true},
        {"[\"seccomp\",\"userns\"]", false, true}, /* before API 1.25 */
        {"[\"name=usernsish\",\"profile=rootless\",1,null]", false, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[200];
        snprintf(text, sizeof(text), "\"SecurityOptions\":%s", cases[i].options);
        struct ng_engine e = read_info(*state, text);
        assert_int_equal(e.rootless, cases[i].rootless);
        assert_int_equal(e.userns, cases[i].userns);
    }
}

static void insecure_registries_are_read(void **state) {
    struct ng_engine e = read_info(
        *state, "\"RegistryConfig\":{\"InsecureRegistryCIDRs\":[\"198.51.100.0/24\",\"::1/128\","
                "\"127.0.0.0/8\",\"10.0.0.0/8\",\"0.0.0.0/0\",\"\"],\"IndexConfigs\":{"
                "\"docker.io\":{\"Secure\":true},\"reg.example:5000\":{\"Secure\":false},"
                "\"10.0.0.0/8\":{\"Secure\":false},\"127.0.0.1:5000\":{\"Secure\":false},"
                "\"[::1]:5000\":{\"Secure\":false},\"localhost\":{\"Secure\":false},"
                "\"[2001:db8::1]:5000\":{\"Secure\":false},\"untold\":{},\"odd\":7}}");
    static const char *const expected[] = {"0.0.0.0/0", "10.0.0.0/8", "198.51.100.0/24",
                                           "[2001:db8::1]:5000", "reg.example:5000"};
    assert_int_equal(e.n_insecure_registries, ARRAY_SIZE(expected));
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        assert_string_equal(e.insecure_registries[i].name, expected[i]);

    static const char *const none[] = {"null", "{}", "{\"InsecureRegistryCIDRs\":null}",
                                       "{\"IndexConfigs\":null,\"InsecureRegistryCIDRs\":[]}"};
    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        char text[100];
        snprintf(text, sizeof(text), "\"RegistryConfig\":%s", none[i]);
        assert_int_equal(read_info(*state, text).n_insecure_registries, 0);
    }
}

/* "port address tls" of the one API that a warning tells of; "" when it tells of none. */
static void assert_open_api(struct fixture *f, const char *warning, const char *expected) {
    char text[600], found[100] = "", addr[NG_ADDR_TEXT];
    snprintf(text, sizeof(text), "\"Warnings\":[%s]", warning);
    struct ng_engine e = read_info(f, text);
    assert_in_range(e.n_open_apis, 0, 1);
    if (e.n_open_apis > 0)
        snprintf(found, sizeof(found), "%u %s %d", e.open_apis[0].port,
                 ng_addr_text(e.open_apis[0].addr, addr), e.open_apis[0].tls);
    if (strcmp(found, expected) != 0)
        fail_msg("%s: %s, expected %s", warning, found, expected);
}

static void open_apis_are_read(void **state) {
    static const struct {
        const char *warning, *expected;
    } cases[] = {
        {"\"WARNING: API is accessible on http://0.0.0.0:2375 without encryption.\\n Access\"",
         "2375 0.0.0.0 0"},
        {"\"[DEPRECATION NOTICE]: API is accessible on http://127.0.0.1:2375 without encryption.\"",
         "2375 127.0.0.1 0"},
        {"\"WARNING: API is accessible on https://[::]:2376 without TLS client verification.\"",
         "2376 :: 1"},
        {"\"API is accessible on http://localhost:2375 without\"", "2375 127.0.0.1 0"},
        {"\"API is accessible on http://[fe80::1%eth0]:2375\"", "2375 fe80::1 0"},
        {"\"API is accessible on http://192.0.2.1:2375/ without\"", "2375 192.0.2.1 0"},
        {"\"API is accessible on http://node-1.example:2375 without\"", ""},
        {"\"API is accessible on tcp://192.0.2.1:2375\"", ""},
        {"\"API is accessible on http://192.0.2.1\"", ""},
        {"\"API is accessible on http://192.0.2.1:0\"", ""},
        {"\"API is accessible on http://192.0.2.1:65536\"", ""},
        {"\"API is accessible on http://192.0.2.1:x\"", ""},
        {"\"API is accessible on http://[::1\"", ""},
        {"\"API is accessible on http://[::1]\"", ""},
        {"\"API is accessible on \"", ""},
        {"\"WARNING: No swap limit support\"", ""},
        {"7,null,{}", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_open_api(*state, cases[i].warning, cases[i].expected);
    assert_int_equal(read_info(*state, "\"Warnings\":null").n_open_apis, 0);
}

static void open_apis_are_sorted_and_unique(void **state) {
#define ON(url) "\"WARNING: API is accessible on " url " without\""
    struct ng_engine e = read_info(
        *state, "\"Warnings\":[" ON("https://0.0.0.0:2376") "," ON("http://192.0.2.1:2375") "," ON(
                    "http://127.0.0.1:2375") "," ON("http://192.0.2.1:2375") "]");
    assert_int_equal(e.n_open_apis, 3);
    assert_int_equal(e.open_apis[0].addr.value, 0x7f000001);
    assert_int_equal(e.open_apis[1].addr.value, 0xc0000201);
    assert_int_equal(e.open_apis[2].port, 2376);
    assert_true(e.open_apis[2].tls && !e.open_apis[1].tls);
}

/* A megabyte of text in the places that are read. */
static void long_texts_are_bounded(void **state) {
    struct fixture *f = *state;
    struct ng_engine e = {0};
    const size_t len = 300 * 1000;
    char *x = malloc(len + 1);
    assert_non_null(x);
    memset(x, '9', len);
    x[len] = '\0';
    char *text = ng_arena_printf(
        f->arena,
        "{\"Name\":\"%s\",\"Warnings\":[\"API is accessible on http://%s\"],\"RegistryConfig\":"
        "{\"InsecureRegistryCIDRs\":[\"%s\"]}}",
        x, x, x);
    free(x);
    assert_int_equal(decode_info(f, text, &e), 0);
    assert_int_equal(strlen(e.name), 255);
    assert_int_equal(strlen(e.insecure_registries[0].name), 255);
    assert_int_equal(e.n_open_apis, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(info_is_read),
        TEST(bad_infos_are_refused),
        TEST(swarm_is_read),
        TEST(managers_are_peers),
        TEST(security_options_are_read),
        TEST(insecure_registries_are_read),
        TEST(open_apis_are_read),
        TEST(open_apis_are_sorted_and_unique),
        TEST(long_texts_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
