/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fixture_docker.h"

/* A container with what every test needs and whatever members the test adds. */
#define CONTAINER(id, names, ports, more)                                                          \
    "{\"Id\":\"" id "\",\"Names\":" names ",\"Image\":\"img\",\"Command\":\"run --key hunter2\","  \
    "\"HostConfig\":{\"NetworkMode\":\"default\"},\"Ports\":" ports more "}"
#define PORTS(ports)     "[" CONTAINER(ID_A, "[\"/a\"]", "[" ports "]", "") "]"
#define MEMBERS(members) "[" CONTAINER(ID_A, "[\"/a\"]", "null", "," members) "]"

static const struct ng_docker_api api_1_41 = {1, 41};

static int decode_containers_n(struct fixture *f, const char *text, size_t len,
                               struct ng_docker_api spoken) {
    memset(&f->error, 0, sizeof(f->error));
    struct ng_docker_body body = body_of(text, len);
    int r = ng_docker_decode_containers(f->arena, body, spoken, &f->containers, &f->n_containers,
                                        &f->error);
    free(body.bytes);
    assert_int_equal(r < 0 && r != -ENOMEM, f->error.message[0] != '\0');
    return r;
}

static int decode_containers(struct fixture *f, const char *text) {
    return decode_containers_n(f, text, strlen(text), api_1_41);
}

static int decode_version(struct fixture *f, const char *text, struct ng_docker_version *version) {
    memset(&f->error, 0, sizeof(f->error));
    struct ng_docker_body body = body_of(text, strlen(text));
    int r = ng_docker_decode_version(f->arena, body, version, &f->error);
    free(body.bytes);
    return r;
}

static const struct ng_container *decode_one(struct fixture *f, const char *text) {
    assert_int_equal(decode_containers(f, text), 0);
    assert_int_equal(f->n_containers, 1);
    return &f->containers[0];
}

static void assert_published(const struct ng_published *p, const char *expected) {
    char text[160], addr[NG_ADDR_TEXT];
    snprintf(text, sizeof(text), "%u %s:%u>%u", p->proto, ng_addr_text(p->host_addr, addr),
             p->host_port, p->container_port);
    assert_string_equal(text, expected);
}

/* -- version ------------------------------------------------------------------------- */

static void version_is_read(void **state) {
    struct ng_docker_version v;
    assert_int_equal(decode_version(*state,
                                    "{\"Version\":\"20.10.24+dfsg1\",\"ApiVersion\":\"1.41\","
                                    "\"MinAPIVersion\":\"1.12\"}\n",
                                    &v),
                     0);
    assert_string_equal(v.engine, "20.10.24+dfsg1");
    assert_int_equal(v.newest.major, 1);
    assert_int_equal(v.newest.minor, 41);
    assert_int_equal(v.oldest.minor, 12);

    /* Engines before 1.25 do not tell their oldest. */
    assert_int_equal(decode_version(*state, "{\"ApiVersion\":\"1.24\"}", &v), 0);
    assert_string_equal(v.engine, "");
    assert_int_equal(v.oldest.major, 0);
}

static void podman_names_itself(void **state) {
    struct ng_docker_version v;
#define COMPONENTS(list) "{\"ApiVersion\":\"1.41\",\"Components\":" list "}"
    assert_int_equal(decode_version(*state, COMPONENTS("[{\"Name\":\"Podman Engine\"},{}]"), &v),
                     0);
    assert_true(v.podman);
    static const char *const others[] = {"null", "[]", "[{\"Name\":\"Engine\"},3,{\"Name\":4}]"};
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        char text[160];
        snprintf(text, sizeof(text), COMPONENTS("%s"), others[i]);
        assert_int_equal(decode_version(*state, text, &v), 0);
        assert_false(v.podman);
    }
    assert_int_equal(decode_version(*state, COMPONENTS("{}"), &v), -EPROTO);
}

static void bad_versions_are_refused(void **state) {
    static const char *const bad[] = {"",       "1",    "1.",       ".1",   "1.x",
                                      "1.41.2", "1.-1", "1.123456", " 1.41"};
    struct fixture *f = *state;
    struct ng_docker_version v = {.engine = "untouched"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char text[80];
        snprintf(text, sizeof(text), "{\"ApiVersion\":\"%s\"}", bad[i]);
        assert_int_equal(decode_version(f, text, &v), -EPROTO);
    }
    assert_int_equal(decode_version(f, "{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":1}", &v),
                     -EPROTO);
    assert_non_null(strstr(f->error.message, "version.MinAPIVersion: expected a version like"));
    assert_int_equal(decode_version(f, "[]", &v), -EPROTO);
    assert_int_equal(decode_version(f, "{}", &v), -EPROTO);
    assert_int_equal(decode_version(f, "", &v), -EPROTO);
    assert_int_equal(decode_version(f, "{\"ApiVersion\":\"1.41\"} x", &v), -EPROTO);
    assert_string_equal(v.engine, "untouched");
}

static void negotiation_follows_the_engine(void **state) {
    static const struct {
        struct ng_docker_api newest, oldest;
        int result;
        struct ng_docker_api spoken;
    } cases[] = {
        {{1, 41}, {1, 12}, 0, {1, 41}}, /* 20.10 */
        {{1, 45}, {1, 24}, 0, {1, 45}}, /* 26.1 */
        {{1, 52}, {1, 44}, 0, {1, 52}}, /* 29.0 */
        {{1, 60}, {1, 40}, 0, {1, 52}}, /* newer than this code */
        {{1, 60}, {1, 55}, 0, {1, 55}}, /* and no longer speaks what this code knows */
        {{2, 0}, {2, 0}, 0, {2, 0}},
        {{1, 24}, {0, 0}, 0, {1, 24}},
        {{1, 23}, {0, 0}, -EPROTONOSUPPORT, {0, 0}},
        {{0, 90}, {0, 0}, -EPROTONOSUPPORT, {0, 0}},
        {{1, 41}, {1, 42}, -EPROTO, {0, 0}},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ng_docker_version v = {"9.9", cases[i].newest, cases[i].oldest, false};
        struct ng_docker_api spoken = {0};
        memset(&f->error, 0, sizeof(f->error));
        assert_int_equal(ng_docker_negotiate(&v, "unix:///e", &spoken, &f->error), cases[i].result);
        assert_int_equal(spoken.major, cases[i].spoken.major);
        assert_int_equal(spoken.minor, cases[i].spoken.minor);
    }
}

/* -- containers ---------------------------------------------------------------------- */

static void a_container_is_read(void **state) {
    const struct ng_container *c = decode_one(
        *state,
        "[{\"Id\":\"" ID_B "\",\"Names\":[\"/web\"],\"Image\":\"nginx:1\",\"Command\":\"hunter2\","
        "\"HostConfig\":{\"NetworkMode\":\"app\"},\"Labels\":{\"z\":\"1\",\"a\":\"2\","
        "\"com.docker.swarm.service.name\":\"st_web\",\"com.docker.stack.namespace\":\"st\"},"
        "\"Ports\":[{\"IP\":\"0.0.0.0\",\"PrivatePort\":80,\"PublicPort\":8080,\"Type\":\"tcp\"},"
        "{\"PrivatePort\":443,\"Type\":\"tcp\"}],"
        "\"NetworkSettings\":{\"Networks\":{\"db\":{\"NetworkID\":\"n2\",\"IPAddress\":\"172.19.0."
        "2\","
        "\"GlobalIPv6Address\":\"\"},\"app\":{\"NetworkID\":\"n1\",\"IPAddress\":\"\","
        "\"GlobalIPv6Address\":\"2001:db8::2\"}}}}]");
    assert_string_equal(c->id, ID_B);
    assert_string_equal(c->name, "web");
    assert_string_equal(c->image, "nginx:1");
    assert_string_equal(c->network_mode, "app");
    assert_null(c->network_of);
    assert_string_equal(c->service, "st_web");
    assert_string_equal(c->stack, "st");
    assert_int_equal(c->n_labels, 4);
    assert_string_equal(c->labels[0].key, "a");
    assert_string_equal(c->labels[0].value, "2");
    assert_string_equal(c->labels[3].key, "z");
    assert_int_equal(c->n_published, 1);
    assert_published(&c->published[0], "6 0.0.0.0:8080>80");
    assert_int_equal(c->n_endpoints, 2);
    assert_string_equal(c->endpoints[0].network, "app");
    assert_int_equal(c->endpoints[0].addr4.family, 0);
    assert_int_equal(c->endpoints[0].addr6.family, NG_IP6);
    assert_string_equal(c->endpoints[1].network_id, "n2");
    assert_int_equal(c->endpoints[1].addr4.value, 0xac130002);
    assert_int_equal(c->n_links, 0);
}

static void nulls_are_empty(void **state) {
    const struct ng_container *c =
        decode_one(*state, "[" CONTAINER(ID_A, "null", "null",
                                         ",\"Labels\":null,\"NetworkSettings\":null") "]");
    assert_string_equal(c->name, "aaaaaaaaaaaa");
    assert_int_equal(c->n_labels + c->n_published + c->n_endpoints, 0);
    assert_null(c->service);
    decode_one(*state, MEMBERS("\"NetworkSettings\":{\"Networks\":null}"));

    struct fixture *f = *state;
    static const char *const none[] = {"null", " null\n", "[]", " [ ] "};
    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        f->n_containers = 99;
        assert_int_equal(decode_containers(f, none[i]), 0);
        assert_int_equal(f->n_containers, 0);
    }
}

static void published_ports_are_sorted_and_unique(void **state) {
    const struct ng_container *c = decode_one(
        *state,
        PORTS("{\"IP\":\"::\",\"PrivatePort\":53,\"PublicPort\":53,\"Type\":\"udp\"},"
              "{\"IP\":\"::\",\"PrivatePort\":80,\"PublicPort\":8080,\"Type\":\"tcp\"},"
              "{\"IP\":\"192.0.2.1\",\"PrivatePort\":80,\"PublicPort\":8080,\"Type\":\"tcp\"},"
              "{\"IP\":\"127.0.0.1\",\"PrivatePort\":81,\"PublicPort\":8080,\"Type\":\"tcp\"},"
              "{\"IP\":\"127.0.0.1\",\"PrivatePort\":80,\"PublicPort\":8080,\"Type\":\"tcp\"},"
              "{\"IP\":\"192.0.2.1\",\"PrivatePort\":80,\"PublicPort\":8080,\"Type\":\"tcp\"},"
              "{\"IP\":\"0.0.0.0\",\"PrivatePort\":9,\"PublicPort\":9,\"Type\":\"sctp\"},"
              "{\"IP\":\"0.0.0.0\",\"PrivatePort\":7,\"PublicPort\":7,\"Type\":\"tcp\"}"));
    static const char *const expected[] = {
        "6 0.0.0.0:7>7", "6 127.0.0.1:8080>80", "6 127.0.0.1:8080>81", "6 192.0.2.1:8080>80",
        "6 :::8080>80",  "17 :::53>53",         "132 0.0.0.0:9>9",
    };
    assert_int_equal(c->n_published, ARRAY_SIZE(expected));
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        assert_published(&c->published[i], expected[i]);
}

static void no_address_means_both_families(void **state) {
    const struct ng_container *c = decode_one(
        *state, PORTS("{\"IP\":\"\",\"PrivatePort\":80,\"PublicPort\":80,\"Type\":\"tcp\"},"
                      "{\"PrivatePort\":81,\"PublicPort\":81,\"Type\":\"tcp\"}"));
    assert_int_equal(c->n_published, 4);
    assert_published(&c->published[0], "6 0.0.0.0:80>80");
    assert_published(&c->published[1], "6 :::80>80");
    assert_published(&c->published[3], "6 :::81>81");
}

static void any_address_means_both_before_1_41(void **state) {
    struct fixture *f = *state;
    static const char ports[] =
        PORTS("{\"IP\":\"0.0.0.0\",\"PrivatePort\":80,\"PublicPort\":80,\"Type\":\"tcp\"},"
              "{\"IP\":\"192.0.2.1\",\"PrivatePort\":81,\"PublicPort\":81,\"Type\":\"tcp\"}");
    assert_int_equal(decode_containers(f, ports), 0);
    assert_int_equal(f->containers[0].n_published, 2);
    assert_int_equal(decode_containers_n(f, ports, strlen(ports), (struct ng_docker_api){1, 40}),
                     0);
    assert_int_equal(f->containers[0].n_published, 3);
    assert_published(&f->containers[0].published[1], "6 :::80>80");
}

static void assert_exposed(const struct ng_container *c, const char *expected) {
    char text[160] = "";
    for (size_t i = 0; i < c->n_exposed; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), " %u/%u", c->exposed[i].port,
                 c->exposed[i].proto);
    assert_string_equal(text, expected);
}

static void exposed_ports_are_not_published(void **state) {
    const struct ng_container *c = decode_one(
        *state, PORTS("{\"PrivatePort\":53,\"Type\":\"udp\"},{\"PrivatePort\":82,\"Type\":\"tcp\"},"
                      "{\"PrivatePort\":9,\"PublicPort\":null,\"Type\":\"sctp\"},"
                      "{\"IP\":\"0.0.0.0\",\"PrivatePort\":81,\"PublicPort\":0,\"Type\":\"tcp\"},"
                      "{\"PrivatePort\":82,\"Type\":\"tcp\"}"));
    assert_int_equal(c->n_published, 0);
    assert_exposed(c, " 81/6 82/6 53/17 9/132");

    /* Any image may expose what it likes, and hides nothing with it. */
    c = decode_one(
        *state, PORTS("{\"PrivatePort\":82,\"Type\":\"icmp\"},{\"PrivatePort\":0,\"Type\":\"tcp\"},"
                      "{\"PrivatePort\":65536,\"Type\":\"tcp\"},{\"PrivatePort\":\"80\"},{},"
                      "{\"PrivatePort\":90,\"Type\":\"tcp\"}"));
    assert_exposed(c, " 90/6");

    /* As engine 28 lists a port on a network that is routed in one family. */
    c = decode_one(
        *state,
        PORTS("{\"IP\":\"0.0.0.0\",\"PrivatePort\":80,\"Type\":\"tcp\"},{\"PrivatePort\":80,"
              "\"Type\":\"udp\"},{\"IP\":\"::\",\"PrivatePort\":80,\"PublicPort\":8081,"
              "\"Type\":\"tcp\"}"));
    assert_int_equal(c->n_published, 1);
    assert_exposed(c, " 80/17");
}

static void ids_may_come_twice(void **state) {
    struct fixture *f = *state;
    assert_int_equal(decode_containers(f, "[" CONTAINER(ID_A, "[\"/new\"]", "[]", "") "," CONTAINER(
                                              ID_A, "[\"/app/old\",\"/old\"]", "[]", "") "]"),
                     0);
    assert_int_equal(f->n_containers, 2);
    assert_string_equal(f->containers[0].name, "new");
    assert_string_equal(f->containers[1].name, "old");
}

static void containers_are_sorted(void **state) {
    struct fixture *f = *state;
    assert_int_equal(decode_containers(f, "[" CONTAINER(ID_C, "[\"/b\"]", "[]", "") ",\n" CONTAINER(
                                              ID_B, "[\"/b\"]", "[]",
                                              "") " , " CONTAINER(ID_A, "[\"a\"]", "[]", "") "]\n"),
                     0);
    assert_int_equal(f->n_containers, 3);
    assert_string_equal(f->containers[0].id, ID_A);
    assert_string_equal(f->containers[1].id, ID_B);
    assert_string_equal(f->containers[2].id, ID_C);
}

static void links_come_from_names(void **state) {
    struct fixture *f = *state;
    assert_int_equal(
        decode_containers(
            f, "[" CONTAINER(ID_A, "[\"/app/cache\",\"/redis\",\"/gone/redis\"]", "[]",
                             "") "," CONTAINER(ID_B, "[\"/db\",\"/app/a\",\"/redis/store\"]", "[]",
                                               "") "," CONTAINER(ID_C, "[\"/app\"]", "[]", "") "]"),
        0);
    assert_string_equal(f->containers[0].name, "app");
    assert_string_equal(f->containers[1].name, "db");
    assert_string_equal(f->containers[2].name, "redis");
    assert_int_equal(f->containers[0].n_links, 2);
    assert_string_equal(f->containers[0].links[0].alias, "a");
    assert_string_equal(f->containers[0].links[0].to, "db");
    assert_string_equal(f->containers[0].links[1].alias, "cache");
    assert_string_equal(f->containers[0].links[1].to, "redis");
    assert_int_equal(f->containers[1].n_links, 0);
    assert_int_equal(f->containers[2].n_links, 1); /* "gone" does not run and has none */
    assert_string_equal(f->containers[2].links[0].alias, "store");
}

static void joined_containers_name_the_other(void **state) {
    const struct ng_container *c =
        decode_one(*state, "[{\"Id\":\"" ID_A "\",\"Ports\":[],\"HostConfig\":"
                           "{\"NetworkMode\":\"container:" ID_B "\"}}]");
    assert_string_equal(c->network_of, ID_B);
    assert_string_equal(c->network_mode, "container:" ID_B);
}

static void a_mode_not_told_is_no_mode(void **state) {
    static const char *const untold[] = {"", ",\"HostConfig\":null", ",\"HostConfig\":{}",
                                         ",\"HostConfig\":{\"NetworkMode\":null}"};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(untold); i++) {
        char text[200];
        snprintf(text, sizeof(text), "[{\"Id\":\"" ID_A "\",\"Ports\":[]%s}]", untold[i]);
        const struct ng_container *c = decode_one(f, text);
        assert_string_equal(c->network_mode, "");
        assert_null(c->network_of);
    }
}

/* -- hostile containers -------------------------------------------------------------- */

static void long_texts_are_cut_between_characters(void **state) {
    struct fixture *f = *state;
    char value[5000];
    memset(value, 'v', sizeof(value));
    memcpy(value + 4095, "\xe2\x82\xac", 3); /* one character across the limit of 4096 */
    char *text = ng_arena_printf(
        f->arena, "[" CONTAINER(ID_A, "[\"/%.*s\"]", "[]", ",\"Labels\":{\"k\":\"%.*s\"}") "]", 300,
        value, (int)sizeof(value), value);
    const struct ng_container *c = decode_one(f, text);
    assert_int_equal(strlen(c->labels[0].value), 4095);
    assert_int_equal(strlen(c->name), 255);
}

static void many_labels_are_cut(void **state) {
    struct fixture *f = *state;
    char *text = malloc(64 * 1024), *end = text;
    assert_non_null(text);
    end += sprintf(end, "[{\"Id\":\"" ID_A "\",\"HostConfig\":{},\"Ports\":[],\"Labels\":{");
    for (int i = 1500; i > 0; i--)
        end += sprintf(end, "\"a%04d\":\"\",", i);
    sprintf(end, "\"com.docker.stack.namespace\":\"st\"}}]");
    const struct ng_container *c = decode_one(f, text);
    free(text);
    assert_int_equal(c->n_labels, 1024);
    assert_string_equal(c->labels[0].key, "a0001");
    assert_string_equal(c->labels[1023].key, "a1024");
    assert_string_equal(c->stack, "st"); /* although it sorts behind the cut */
}

#define MOUNT(source) MEMBERS("\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"" source "\"}]")

/* The engine is asked at /engine. */
static void engine_sockets_are_seen(void **state) {
    static const char *const seen[] = {
        MOUNT("/run/docker.sock"),
        MOUNT("/var/run/docker.sock"),
        MOUNT("/srv/any where/docker.sock"),
        MOUNT("/run/user/1000/podman/podman.sock"),
        MOUNT("/x/containerd.sock"),
        MOUNT("/x/crio.sock"),
        MOUNT("/engine"),
        MOUNT("/"),
        MOUNT("//"),
        MOUNT("/run"),
        MOUNT("/run/"),
        MOUNT("/var/run"),
        MOUNT("/run/docker"),
        MOUNT("/run/docker/containerd"),
        MOUNT("/var/run/containerd"),
        MOUNT("/run/podman"),
        MEMBERS("\"Mounts\":[{\"Source\":\"/usr\"},{\"Source\":\"/run/docker.sock\"}]"),
    };
    static const char *const others[] = {
        MEMBERS("\"Mounts\":null"),
        MEMBERS("\"Mounts\":[]"),
        MEMBERS("\"Mounts\":[{},{\"Source\":null},{\"Source\":7}]"),
        MOUNT(""),
        MOUNT("run"),
        MOUNT("docker.sock"),
        MOUNT("/usr"),
        MOUNT("/var"), /* /var/run is a link in it, which leads elsewhere in a container */
        MOUNT("/runner"),
        MOUNT("/var/runner"),
        MOUNT("/run/dock"),
        MOUNT("/run/docker/plugins"),
        MOUNT("/run/docker.sock/x"),
        MOUNT("/run/docker.sock.d"),
        MOUNT("/run/mydocker.sock"),
        MOUNT("/engine2"),
        MOUNT("/var/engine"),
        MOUNT("/var/lib/docker/volumes/docker.sock/_data"),
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
        if (!decode_one(f, seen[i])->engine_socket)
            fail_msg("not seen: %s", seen[i]);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (decode_one(f, others[i])->engine_socket)
            fail_msg("seen: %s", others[i]);
}

static void nul_characters_hide_nothing(void **state) {
    const struct ng_container *c = decode_one(
        *state, MEMBERS("\"Labels\":{\"k\\u0000\":\"a\\u0000b\",\"p\\\\u0000\":\"\\\\\\u0000\"}"));
    assert_int_equal(c->n_labels, 2);
    assert_string_equal(c->labels[0].key, "k\xef\xbf\xbd");
    assert_string_equal(c->labels[0].value, "a\xef\xbf\xbd"
                                            "b");
    assert_string_equal(c->labels[1].key, "p\\u0000"); /* an escaped backslash before a word */
    assert_string_equal(c->labels[1].value, "\\\xef\xbf\xbd");
}

static void duplicate_keys_hide_nothing(void **state) {
    const struct ng_container *c =
        decode_one(*state, MEMBERS("\"Labels\":{\"k\":\"1\",\"k\":\"2\"}"));
    assert_int_equal(c->n_labels, 1);
}

static void errors_do_not_quote_commands(void **state) {
    struct fixture *f = *state;
    static const char text[] = PORTS("");
    const char *inside = strstr(text, "hunter2") + strlen("hunter2");
    char bad[sizeof(text)];
    assert_int_equal(decode_containers_n(f, text, (size_t)(inside - text), api_1_41), -EPROTO);
    assert_null(strstr(f->error.message, "hunter"));
    memcpy(bad, text, sizeof(text));
    bad[inside - text] = '\x01';
    assert_int_equal(decode_containers(f, bad), -EPROTO);
    assert_null(strstr(f->error.message, "hunter"));
    assert_non_null(strstr(f->error.message, "containers[0]: no valid JSON at byte"));
}

/* -- wrong shapes -------------------------------------------------------------------- */

static void wrong_shapes_are_named(void **state) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{}", "containers: expected an array, found an object"},
        {"3", "containers: expected an array, found the number 3"},
        {"[3.5]", "containers[0]: expected an object, found a fraction"},
        {"[null]", "containers[0]: expected an object, found null"},
        {"[{}]", "containers[0].Id: expected 64 hex digits, found nothing"},
        {"[{\"Id\":\"web\"}]",
         "containers[0].Id: expected 64 hex digits, found the string \"web\""},
        {"[" CONTAINER(ID_A, "[]", "[]", "") ",true]",
         "containers[1]: expected an object, found a boolean"},
        {"[" CONTAINER(ID_A, "\"/a\"", "[]", "") "]",
         "containers[0].Names: expected an array, found the string \"/a\""},
        {"[" CONTAINER(ID_A, "[\"/a\",7]", "[]", "") "]",
         "containers[0].Names[1]: expected a string, found the number 7"},
        {"[{\"Id\":\"" ID_A "\",\"HostConfig\":{}}]",
         "containers[0].Ports: expected an array or null, found nothing"},
        {"[{\"Id\":\"" ID_A "\",\"Ports\":[],\"HostConfig\":[]}]",
         "containers[0].HostConfig: expected an object, found an array"},
        {"[{\"Id\":\"" ID_A "\",\"Ports\":[],\"HostConfig\":{\"NetworkMode\":[]}}]",
         "containers[0].HostConfig.NetworkMode: expected a string, found an array"},
        {MEMBERS("\"Labels\":[]"), "containers[0].Labels: expected an object, found an array"},
        {MEMBERS("\"Labels\":{\"k\":1}"),
         "containers[0].Labels.k: expected a string, found the number 1"},
        {MEMBERS("\"NetworkSettings\":{\"Networks\":{\"n\":null}}"),
         "containers[0].NetworkSettings.Networks.n: expected an object, found null"},
        {MEMBERS("\"NetworkSettings\":{\"Networks\":{\"n\":{\"IPAddress\":\"::1\"}}}"),
         "Networks.n.IPAddress: expected an IPv4 address, found the string \"::1\""},
        {MEMBERS("\"NetworkSettings\":{\"Networks\":{\"n\":{\"GlobalIPv6Address\":\"1.2.3.4\"}}}"),
         "Networks.n.GlobalIPv6Address: expected an IPv6 address, found the string \"1.2.3.4\""},
        {PORTS("{\"PublicPort\":\"80\"}"),
         "containers[0].Ports[0].PublicPort: expected a number 1..65535, found the string \"80\""},
        {PORTS("{\"PublicPort\":65536}"),
         "containers[0].Ports[0].PublicPort: expected a number 1..65535, found the number 65536"},
        {PORTS("{\"PublicPort\":-1}"), "expected a number 1..65535, found the number -1"},
        {PORTS("{\"PublicPort\":80.0}"), "expected a number 1..65535, found a fraction"},
        {PORTS("{\"PublicPort\":80}"),
         "containers[0].Ports[0].PrivatePort: expected a number 1..65535, found nothing"},
        {PORTS("{\"PublicPort\":80,\"PrivatePort\":80}"),
         "containers[0].Ports[0].Type: expected tcp, udp or sctp, found nothing"},
        {PORTS("{\"PublicPort\":80,\"PrivatePort\":80,\"Type\":\"dccp\"}"),
         "containers[0].Ports[0].Type: expected tcp, udp or sctp, found the string \"dccp\""},
        {PORTS("{\"PublicPort\":80,\"PrivatePort\":80,\"Type\":\"tcp\",\"IP\":\"host\"}"),
         "containers[0].Ports[0].IP: expected an IP address, found the string \"host\""},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        f->n_containers = 99;
        assert_int_equal(decode_containers(f, cases[i].text), -EPROTO);
        if (!strstr(f->error.message, cases[i].message))
            fail_msg("%s\n  gave: %s", cases[i].text, f->error.message);
        assert_string_equal(f->error.source, "unix:///engine");
        assert_int_equal(f->n_containers, 99);
    }
}

static void bad_json_is_refused(void **state) {
    static const char *const bad[] = {
        "",      " ",   "[",    "[,]",       "[]x",           "[] []",      "nul",   "]",
        "[1 2]", "[{}", "\xff", "null null", "[\"\\ud800\"]", "[\"\xc3\"]", "<html>"};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(decode_containers(f, bad[i]), -EPROTO);
    assert_int_equal(decode_containers(f, "[" CONTAINER(ID_A, "[]", "[]", "") ",]"), -EPROTO);
    assert_int_equal(decode_containers(f, "[" CONTAINER(ID_A, "[]", "[]", "") " "), -EPROTO);
    assert_non_null(strstr(f->error.message, "cut short"));
}

/* A list cut at any byte is an error and never a shorter list. */
static void every_cut_is_an_error(void **state) {
    struct fixture *f = *state;
    static const char text[] = "[" CONTAINER(
        ID_A, "[\"/a\"]", "[{\"IP\":\"::\",\"PrivatePort\":1,\"PublicPort\":2,\"Type\":\"tcp\"}]",
        ",\"Labels\":{\"a\\u0000\":\"\xe2\x82\xac\"}") "," CONTAINER(ID_B, "[\"/b\"]", "null",
                                                                     "") "]";
    for (size_t len = 0; len < sizeof(text) - 1; len++)
        assert_int_equal(decode_containers_n(f, text, len, api_1_41), -EPROTO);
    assert_int_equal(decode_containers(f, text), 0);
}

/* `len` bytes of which the middle is one long string. */
static char *long_json(const char *head, const char *tail, size_t len) {
    char *text = malloc(len + 1);
    assert_non_null(text);
    memset(text, 'x', len);
    memcpy(text, head, strlen(head));
    memcpy(text + len - strlen(tail), tail, strlen(tail));
    text[len] = '\0';
    return text;
}

static void giant_objects_are_refused(void **state) {
    struct fixture *f = *state;
    struct ng_docker_version version;
    char *text = long_json("{\"ApiVersion\":\"1.41\",\"x\":\"", "\"}", 1024 * 1024 + 1);
    assert_int_equal(decode_version(f, text, &version), -E2BIG);
    free(text);
    text = long_json("{\"ApiVersion\":\"1.41\",\"x\":\"", "\"}", 1024 * 1024);
    assert_int_equal(decode_version(f, text, &version), 0);
    free(text);
    text = long_json("[{\"x\":\"", "\"}]", 17 * 1024 * 1024);
    assert_int_equal(decode_containers(f, text), -E2BIG);
    free(text);
}

/* -- error answers ------------------------------------------------------------------- */

static void error_messages_are_made_safe(void **state) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{\"message\":\"no such thing\"}\n", "no such thing"},
        {"{\"message\":\"a\\u001b[31m\\nb\"}", "a?[31m"},
        {"Client sent an HTTP request to an HTTPS server.\n",
         "Client sent an HTTP request to an HTTPS ser"},
        {"\xff\x1b<html>\r\nmore", "?\?<html>"},
        {"", ""},
        {"{\"message\":\"\"}", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char said[44];
        ng_docker_error_message(cases[i].text, strlen(cases[i].text), said, sizeof(said));
        assert_string_equal(said, cases[i].message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(version_is_read),
        TEST(podman_names_itself),
        TEST(bad_versions_are_refused),
        TEST(negotiation_follows_the_engine),
        TEST(a_container_is_read),
        TEST(nulls_are_empty),
        TEST(published_ports_are_sorted_and_unique),
        TEST(no_address_means_both_families),
        TEST(any_address_means_both_before_1_41),
        TEST(exposed_ports_are_not_published),
        TEST(ids_may_come_twice),
        TEST(containers_are_sorted),
        TEST(links_come_from_names),
        TEST(joined_containers_name_the_other),
        TEST(a_mode_not_told_is_no_mode),
        TEST(long_texts_are_cut_between_characters),
        TEST(many_labels_are_cut),
        TEST(engine_sockets_are_seen),
        TEST(nul_characters_hide_nothing),
        TEST(duplicate_keys_hide_nothing),
        TEST(errors_do_not_quote_commands),
        TEST(wrong_shapes_are_named),
        TEST(bad_json_is_refused),
        TEST(every_cut_is_an_error),
        TEST(giant_objects_are_refused),
        TEST(error_messages_are_made_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
