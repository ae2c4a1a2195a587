/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What is asked about beside the lists: services, nodes, the ingress network, one container. */

#include "tests/unit/fixture_docker.h"

/* -- services ------------------------------------------------------------------------ */

typedef int decode_fn(struct ng_arena *, struct ng_docker_body, struct ng_engine *,
                      struct ng_error *);

static int decode_n(struct fixture *f, decode_fn *decode, const char *text, size_t len) {
    memset(&f->error, 0, sizeof(f->error));
    struct ng_docker_body body = body_of(text, len);
    int r = decode(f->arena, body, &f->engine, &f->error);
    free(body.bytes);
    assert_int_equal(r < 0, f->error.message[0] != '\0');
    return r;
}

static int decode_services(struct fixture *f, const char *text) {
    return decode_n(f, ng_docker_decode_services, text, strlen(text));
}

static int decode_nodes(struct fixture *f, const char *text) {
    return decode_n(f, ng_docker_decode_nodes, text, strlen(text));
}

static int decode_ingress(struct fixture *f, const char *text) {
    return decode_n(f, ng_docker_decode_ingress, text, strlen(text));
}

/* "name stack: port/proto>target …" of each, in lines. */
static void assert_services(const struct fixture *f, const char *expected) {
    char text[512] = "";
#define ADD(...) snprintf(text + strlen(text), sizeof(text) - strlen(text), __VA_ARGS__)
    for (size_t i = 0; i < f->engine.n_services; i++) {
        const struct ng_service *s = &f->engine.services[i];
        ADD("%s %s:", s->name, s->stack ? s->stack : "-");
        for (size_t k = 0; k < s->n_ports; k++)
            ADD(" %u/%u>%u", s->ports[k].port, s->ports[k].proto, s->ports[k].target);
        ADD("\n");
    }
    assert_string_equal(text, expected);
}

#define SERVICE(spec, ports) "{\"ID\":\"x\",\"Spec\":{" spec "},\"Endpoint\":{\"Ports\":" ports "}}"
#define PORT(proto, target, published, mode)                                                       \
    "{\"Protocol\":\"" proto "\",\"TargetPort\":" target ",\"PublishedPort\":" published           \
    ",\"PublishMode\":\"" mode "\"}"
#define NAMED(name) "\"Name\":\"" name "\""

#define WEB_PORTS                                                                                  \
    PORT("udp", "53", "5353", "ingress")                                                           \
    "," PORT("tcp", "80", "8080", "ingress") "," PORT("tcp", "80", "8080", "ingress")
#define WEB_SPEC                                                                                   \
    NAMED("web")                                                                                   \
    ",\"TaskTemplate\":{\"ContainerSpec\":{\"Env\":[\"KEY=hunter2\"]}},"                           \
    "\"Labels\":{\"com.docker.stack.namespace\":\"shop\"}"
#define WEB        SERVICE(WEB_SPEC, "[" WEB_PORTS "]")
#define HOST       SERVICE(NAMED("host"), "[" PORT("tcp", "80", "80", "host") "]")
#define WITHOUT    SERVICE(NAMED("none"), "null")
#define ZERO_PORTS "{\"TargetPort\":7,\"PublishedPort\":0},{\"TargetPort\":8},"
#define SCTP_PORT  "{\"PublishedPort\":9,\"Protocol\":\"sctp\"},"
#define APP        SERVICE(NAMED("app"), "[" SCTP_PORT ZERO_PORTS "{\"PublishedPort\":10}]")

static void services_are_read(void **state) {
    struct fixture *f = *state;
    assert_int_equal(decode_services(f, "[" WEB "," HOST ", " WITHOUT ",\n" APP "]"), 0);
    assert_services(f, "app -: 10/6>0 9/132>0\nweb shop: 8080/6>80 5353/17>53\n");

    assert_int_equal(decode_services(f, "null"), 0);
    assert_int_equal(f->engine.n_services, 0);
    assert_int_equal(decode_services(f, " [] "), 0);
    assert_int_equal(decode_services(f, "[{},{\"Endpoint\":null},{\"Endpoint\":{\"Ports\":[]}}]"),
                     0);
    assert_int_equal(f->engine.n_services, 0);
}

#define ONE(port) "[" SERVICE(NAMED("a"), "[" port "]") "]"

static void bad_services_are_refused(void **state) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{}", "services: expected an array, found an object"},
        {"[3]", "services[0]: no object at byte 0"},
        {"[{\"Endpoint\":[]}]", "services[0].Endpoint: expected an object, found an array"},
        {"[{\"Endpoint\":{\"Ports\":{}}}]",
         "services[0].Endpoint.Ports: expected an array, found an object"},
        {ONE("3"), "services[0].Endpoint.Ports[0]: expected an object, found the number 3"},
        {ONE(PORT("icmp", "1", "1", "")), "Protocol: expected tcp, udp or sctp"},
        {ONE(PORT("tcp", "1", "65536", "")), "PublishedPort: expected a number 1..65535"},
        {ONE(PORT("tcp", "-1", "1", "")), "TargetPort: expected a number 1..65535"},
        {ONE("{\"PublishMode\":1}"), "PublishMode: expected a string"},
        {"[" SERVICE("", "[" PORT("tcp", "1", "1", "") "]") "]",
         "services[0].Spec.Name: expected a string, found nothing"},
        {"[" SERVICE("\"Name\":1", "[" PORT("tcp", "1", "1", "") "]") "]",
         "services[0].Spec.Name: expected a string, found the number 1"},
        {"[" SERVICE(NAMED("a") ",\"Labels\":[]", "[" PORT("tcp", "1", "1", "") "]") "]",
         "services[0].Spec.Labels: expected an object, found an array"},
        {"[{\"Endpoint\":{\"Ports\":[" PORT("tcp", "1", "1", "") "]}}]",
         "services[0].Spec: expected an object, found nothing"},
        {"[{\"Endpoint\":{\"Ports\":[" PORT("tcp", "1", "1", "") "]},\"Spec\":7}]",
         "services[0].Spec: no object"},
        {"[{\"a\":1 \"b\":2}]", "services[0]: no valid JSON"},
        {"[{\"a\"}]", "services[0]: no valid JSON"},
        {"[{1:2}]", "services[0]: no valid JSON"},
        {"[{},]", "services[1]: no valid JSON"},
        {"[{}}]", "services: no valid JSON"},
    };
    struct fixture *f = *state;
    f->engine.n_services = 99;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(decode_services(f, cases[i].text), -EPROTO);
        if (!strstr(f->error.message, cases[i].message))
            fail_msg("%s\n  gave: %s", cases[i].text, f->error.message);
        assert_int_equal(f->engine.n_services, 99);
    }
}

static void every_cut_of_services_is_an_error(void **state) {
    struct fixture *f = *state;
    static const char text[] =
        "[" SERVICE("\"x\":\"a\\\"]}\"," NAMED("a"), "[" PORT("tcp", "80", "80", "") "]") "]";
    for (size_t len = 0; len < sizeof(text) - 1; len++)
        assert_int_equal(decode_n(f, ng_docker_decode_services, text, len), -EPROTO);
    assert_int_equal(decode_services(f, text), 0);
    assert_services(f, "a -: 80/6>80\n");
}

static void errors_do_not_quote_specs(void **state) {
    struct fixture *f = *state;
    assert_int_equal(
        decode_services(f, "[" SERVICE("\"Env\":[\"KEY=hunter2\",\"\x01\"],\"Name\":{}",
                                       "[" PORT("tcp", "80", "80", "") "]") "]"),
        -EPROTO);
    assert_null(strstr(f->error.message, "hunter"));
}

/* -- nodes --------------------------------------------------------------------------- */

#define NODE(status, manager)                                                                      \
    "{\"ID\":\"x\",\"Description\":{\"Engine\":{\"Plugins\":[{\"Name\":\"]}\"}]}},"                \
    "\"Status\":" status ",\"ManagerStatus\":" manager "}"
#define AT(addr) "{\"State\":\"ready\",\"Addr\":\"" addr "\"}"

static void nodes_are_peers(void **state) {
    struct fixture *f = *state;
    assert_int_equal(decode_nodes(f, "null"), 0);
    assert_int_equal(decode_nodes(f, "[]"), 0);
    assert_int_equal(decode_nodes(f, "[{},{\"Status\":null},{\"Status\":{}}]"), 0);
    assert_peers(&f->engine, "");
    assert_int_equal(decode_nodes(f, "[" NODE(AT("192.0.2.7"), "null") "]"), 0);
    assert_peers(&f->engine, "192.0.2.7");

    /* Added to those that are known; 0.0.0.0 is nobody's. */
    assert_int_equal(
        decode_nodes(f, "[" NODE(AT("0.0.0.0"), AT("192.0.2.1:2377")) "," NODE(
                            AT("2001:db8::2"), AT("[2001:db8::3]:2377")) "," NODE(AT("192.0.2.7"),
                                                                                  AT("")) "]"),
        0);
    assert_peers(&f->engine, "192.0.2.1 192.0.2.7 2001:db8::2 2001:db8::3");
}

static void bad_nodes_are_refused(void **state) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{}", "nodes: expected an array, found an object"},
        {"[3]", "nodes[0]: no object at byte 0"},
        {"[{\"Status\":[]}]", "nodes[0].Status: expected an object, found an array"},
        {"[{\"Status\":{\"Addr\":7}}]",
         "nodes[0].Status.Addr: expected a string, found the number 7"},
        {"[" NODE(AT("192.0.2.9"), AT("")) ",{\"ManagerStatus\":\"\"}]",
         "nodes[1].ManagerStatus: expected an object, found the string \"\""},
        {"[{\"Status\":{\"Addr\"}}]", "nodes[0].Status: no valid JSON"},
        {"[{}", "cut short"},
    };
    struct fixture *f = *state;
    assert_int_equal(decode_nodes(f, "[" NODE(AT("192.0.2.7"), "null") "]"), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(decode_nodes(f, cases[i].text), -EPROTO);
        if (!strstr(f->error.message, cases[i].message))
            fail_msg("%s\n  gave: %s", cases[i].text, f->error.message);
        assert_peers(&f->engine, "192.0.2.7");
    }
}

/* -- the ingress network ------------------------------------------------------------- */

#define INGRESS(services) "{\"Name\":\"ingress\",\"Services\":" services ",\"Peers\":[]}"

static void ports_of_the_ingress_network_are_read(void **state) {
    struct fixture *f = *state;
    struct ng_container container = {.service = "web", .stack = "shop"};
    f->engine.containers = &container;
    f->engine.n_containers = 1;
    assert_int_equal(
        decode_ingress(
            f, INGRESS("{\"web\":{\"VIP\":\"10.0.0.4\",\"Ports\":[\"Target: 80, Publish: 8080\","
                       "\"Target: 53, Publish: 5353\",\"Target: 53, Publish: 5353\"]},"
                       "\"\":{\"Ports\":[\"Publish: 7\"]},\"api\":{\"Ports\":[\"Publish: 9\"]},"
                       "\"quiet\":{\"Ports\":null},\"silent\":{}}")),
        0);
    assert_services(f, "api -: 9/0>0\nweb shop: 5353/0>53 8080/0>80\n");
}

#define ON_IT(peers) "{\"Peers\":" peers ",\"Services\":{}}"

static void who_is_on_the_ingress_network_is_a_peer(void **state) {
    struct fixture *f = *state;
    assert_int_equal(decode_nodes(f, "[" NODE(AT("192.0.2.9"), "null") "]"), 0);
    assert_int_equal(decode_ingress(f, ON_IT("[{\"Name\":\"x\",\"IP\":\"192.0.2.2\"},"
                                             "{\"IP\":\"2001:db8::1\"},{\"IP\":\"192.0.2.1\"},"
                                             "{\"IP\":\"192.0.2.2\"},{\"IP\":\"0.0.0.0\"},{}]")),
                     0);
    assert_peers(&f->engine, "192.0.2.1 192.0.2.2 192.0.2.9 2001:db8::1");
    assert_int_equal(decode_ingress(f, ON_IT("null")), 0);
    assert_peers(&f->engine, "192.0.2.1 192.0.2.2 192.0.2.9 2001:db8::1");
    static const char *const bad[] = {ON_IT("{}"), ON_IT("[\"192.0.2.3\"]"), ON_IT("[{\"IP\":1}]")};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(decode_ingress(f, bad[i]), -EPROTO);
        assert_peers(&f->engine, "192.0.2.1 192.0.2.2 192.0.2.9 2001:db8::1");
    }
}

static void what_is_no_port_is_no_port(void **state) {
    struct fixture *f = *state;
    assert_int_equal(
        decode_ingress(f,
                       INGRESS("{\"a\":{\"Ports\":[\"\",\"Publish\",\"Publish: \",\"Publish: x\","
                               "\"Publish: 0\",\"Publish: 65536\",\"Publish: 123456\",7,null,"
                               "\"Publish: -1\",\"Target: 70000, Publish: 65535\"]}}")),
        0);
    assert_services(f, "a -: 65535/0>0\n");
    static const char *const none[] = {"{}", "{\"Services\":null}", "{\"Services\":{}}"};
    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        assert_int_equal(decode_ingress(f, none[i]), 0);
        assert_int_equal(f->engine.n_services, 0);
    }
    static const char *const bad[] = {"",
                                      "null",
                                      "[]",
                                      "{\"Services\":[]}",
                                      "{\"Services\":{\"a\":1}}",
                                      "{\"Services\":{\"a\":{\"Ports\":{}}}}"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(decode_ingress(f, bad[i]), -EPROTO);
}

/* -- the ends of tunnels ------------------------------------------------------------- */

static int decode_overlay(struct fixture *f, const char *text) {
    return decode_n(f, ng_docker_decode_overlay, text, strlen(text));
}

static void assert_data_path(const struct fixture *f, const char *expected) {
    char text[NG_ADDR_TEXT];
    assert_string_equal(
        f->engine.data_path_addr.family ? ng_addr_text(f->engine.data_path_addr, text) : "none",
        expected);
}

#define TASK(endpoint, ip)                                                                         \
    "{\"Name\":\"t\",\"EndpointID\":\"" endpoint "\",\"EndpointIP\":\"10.0.1.3\","                 \
    "\"Info\":{\"Host IP\":\"" ip "\"}}"
#define HERE(endpoint) "\"Containers\":{\"" ID_A "\":{\"EndpointID\":\"" endpoint "\"}}"
#define OVERLAY(more, tasks)                                                                       \
    "{\"Name\":\"plain\"," more ",\"Peers\":[{\"IP\":\"192.0.2.1\"},{\"IP\":\"192.0.2.2\"}],"      \
    "\"Services\":{\"\":{\"Tasks\":null},\"quiet\":{\"Tasks\":[" tasks "]}}}"
#define BOTH TASK("e2", "192.0.2.12") "," TASK("e1", "192.0.2.11")

/* As `swarm init --advertise-addr 192.0.2.1 --data-path-addr 192.0.2.11` makes it. */
static void tunnels_end_where_tasks_are(void **state) {
    struct fixture *f = *state;
    assert_int_equal(decode_overlay(f, OVERLAY(HERE("e3"), BOTH)), 0);
    assert_data_path(f, "none");
    assert_peers(&f->engine, "192.0.2.1 192.0.2.2 192.0.2.11 192.0.2.12");
    assert_int_equal(decode_overlay(f, OVERLAY(HERE("e1"), BOTH)), 0);
    assert_data_path(f, "192.0.2.11");

    /* What is known stays so, whoever tells less. */
    assert_int_equal(decode_overlay(f, OVERLAY("\"Containers\":null", BOTH)), 0);
    assert_int_equal(decode_overlay(f, OVERLAY(HERE("e9"), TASK("e9", "") "," TASK("e9", "x"))), 0);
    assert_int_equal(decode_overlay(f, OVERLAY(HERE("e1"), "{},{\"Info\":null}")), 0);
    assert_int_equal(decode_overlay(f, "{\"Services\":null}"), 0);
    assert_data_path(f, "192.0.2.11");
    assert_int_equal(decode_ingress(f, OVERLAY(HERE("e2"), BOTH)), 0);
    assert_data_path(f, "192.0.2.12");
}

static void bad_overlays_are_refused(void **state) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[]", "network: no object"},
        {"{\"Services\":[]}", "network.Services: expected an object, found an array"},
        {"{\"Services\":{\"a\":3}}", "network.Services.a: expected an object"},
        {"{\"Services\":{\"a\":{\"Tasks\":{}}}}", "network.Services.a.Tasks: expected an array"},
        {OVERLAY(HERE("e1"), "7"), "quiet.Tasks[0]: expected an object, found the number 7"},
        {OVERLAY(HERE("e1"), "{\"Info\":\"x\"}"), "Tasks[0].Info: expected an object"},
        {OVERLAY(HERE("e1"), TASK("e1", "192.0.2.3") ",{\"Info\":{\"Host IP\":{}}}"),
         "Tasks[1].Info.Host IP: expected a string, found an object"},
        {OVERLAY("\"Containers\":[]", BOTH), "network.Containers: expected an object"},
        {"{\"Services\":{}", "no valid JSON"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(decode_overlay(f, cases[i].text), -EPROTO);
        if (!strstr(f->error.message, cases[i].message))
            fail_msg("%s\n  gave: %s", cases[i].text, f->error.message);
        assert_data_path(f, "none");
        assert_peers(&f->engine, "");
    }
}

/* -- one container ------------------------------------------------------------------- */

static int inspect(struct fixture *f, size_t about, const char *text) {
    memset(&f->error, 0, sizeof(f->error));
    struct ng_docker_body body = body_of(text, strlen(text));
    int r = ng_docker_decode_inspect(f->arena, body, f->containers, f->n_containers,
                                     &f->containers[about], &f->error);
    free(body.bytes);
    assert_int_equal(r < 0, f->error.message[0] != '\0');
    return r;
}

static void assert_links(const struct ng_container *c, const char *expected) {
    char text[256] = "";
    for (size_t i = 0; i < c->n_links; i++)
        ADD(" %s=%s", c->links[i].alias, c->links[i].to);
    assert_string_equal(text, expected);
}

static struct ng_container three[3];
static const struct ng_link_to legacy[] = {{"db", "old"}};

static void fill(struct fixture *f) {
    three[0] = (struct ng_container){.id = ID_A, .name = "app", .network_mode = "net"};
    three[1] = (struct ng_container){.id = ID_B, .name = "db", .network_mode = "net"};
    three[2] =
        (struct ng_container){.id = "bbbbbbbbbbbbbc" ID_B, .name = "web", .network_mode = ""};
    f->containers = three;
    f->n_containers = 3;
}

#define SETTINGS(networks)                                                                         \
    "{\"Config\":{\"Env\":[\"KEY=hunter2\"]},\"NetworkSettings\":{\"Networks\":" networks "}}"

static void links_are_read(void **state) {
    struct fixture *f = *state;
    fill(f);
    three[0].links = legacy;
    three[0].n_links = 1;
    assert_int_equal(
        inspect(f, 0,
                SETTINGS("{\"net\":{\"Links\":[\"db:store\",\"db\",\"/db:/app/deep\"]},"
                         "\"other\":{\"Links\":[\"db:store\",\"gone:g\",\":x\",\"y:\",\"\"]},"
                         "\"third\":{\"Links\":null},\"fourth\":{},\"fifth\":null}")),
        0);
    assert_links(&three[0], " db=db deep=db g=gone old=db store=db");

    /* Ids and their beginnings, as long as they are one container's and no name. */
    three[0].n_links = 0;
    assert_int_equal(inspect(f, 0,
                             SETTINGS("{\"net\":{\"Links\":[\"" ID_B ":a\",\"bbbbbbbbbbbbbb:b\","
                                      "\"bbbbbbbbbbbb:c\",\"aa:d\",\"bbbbbbbbbbbbbc:e\"]}}")),
                     0);
    assert_links(&three[0], " a=db b=db c=bbbbbbbbbbbb d=aa e=web");
}

static void network_modes_are_read(void **state) {
    static const struct ng_endpoint endpoint = {.network = "net"};
    static const struct ng_published published = {.host_port = 1};
    struct fixture *f = *state;
    fill(f);
    three[2].endpoints = &endpoint;
    three[2].n_endpoints = three[2].n_published = 1;
    three[2].published = &published;
    assert_int_equal(inspect(f, 2, "{\"HostConfig\":{\"NetworkMode\":\"host\"}}"), 0);
    assert_string_equal(three[2].network_mode, "host");
    assert_int_equal(three[2].n_endpoints + three[2].n_published, 2);

    three[2].network_mode = "";
    assert_int_equal(inspect(f, 2, "{\"HostConfig\":{\"NetworkMode\":\"container:" ID_A "\"}}"), 0);
    assert_string_equal(three[2].network_of, ID_A);
    assert_int_equal(three[2].n_endpoints + three[2].n_published, 0);

    /* What the list told is not told otherwise. */
    assert_int_equal(inspect(f, 0, "{\"HostConfig\":{\"NetworkMode\":\"host\"}}"), 0);
    assert_string_equal(three[0].network_mode, "net");
    three[2].network_mode = "";
    assert_int_equal(inspect(f, 2, "{\"HostConfig\":{}}"), 0);
    assert_int_equal(inspect(f, 2, "{}"), 0);
    assert_string_equal(three[2].network_mode, "");
}

#define CONFIG(members) "{\"Config\":{\"Env\":[\"KEY=hunter2\"]},\"HostConfig\":{" members "}}"
#define CAPABILITIES(privileged, add, drop)                                                        \
    CONFIG("\"Privileged\":" privileged ",\"CapAdd\":" add ",\"CapDrop\":" drop)

static void capabilities_are_read(void **state) {
    static const struct {
        const char *text;
        bool privileged, net_admin, net_raw;
    } cases[] = {
        {CAPABILITIES("false", "null", "null"), false, false, true},
        {CAPABILITIES("false", "[]", "[]"), false, false, true},
        {CONFIG("\"Privileged\":false"), false, false, true},
        {CAPABILITIES("true", "null", "null"), true, true, true},
        {CAPABILITIES("true", "null", "[\"ALL\"]"), true, true, true},
        {CAPABILITIES("false", "[\"SYS_TIME\",\"NET_ADMIN\"]", "null"), false, true, true},
        {CAPABILITIES("false", "[\"cap_net_admin\"]", "[\"Cap_Net_Raw\"]"), false, true, false},
        {CAPABILITIES("false", "null", "[\"NET_RAW\"]"), false, false, false},
        {CAPABILITIES("false", "null", "[\"net_raw\"]"), false, false, false},
        {CAPABILITIES("false", "null", "[\"ALL\"]"), false, false, false},
        {CAPABILITIES("false", "[\"NET_RAW\"]", "[\"all\"]"), false, false, true},
        {CAPABILITIES("false", "[\"NET_RAW\"]", "[\"NET_RAW\"]"), false, false, true},
        {CAPABILITIES("false", "[\"NET_ADMIN\"]", "[\"NET_ADMIN\"]"), false, true, true},
        {CAPABILITIES("false", "[\"All\"]", "null"), false, true, true},
        {CAPABILITIES("false", "[\"ALL\"]", "[\"CAP_NET_RAW\"]"), false, true, false},
        {CAPABILITIES("false", "[\"ALL\",\"NET_ADMIN\"]", "[\"NET_ADMIN\"]"), false, false, true},
        {CAPABILITIES("false", "[\"ALL\"]", "[\"ALL\"]"), false, true, true},
        {CAPABILITIES("false", "[\"NET_ADMINS\",\"CAP_\",\"\"]", "[\"NET\"]"), false, false, true},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        fill(f);
        assert_int_equal(inspect(f, 0, cases[i].text), 0);
        if (!three[0].capabilities_read || three[0].privileged != cases[i].privileged ||
            three[0].net_admin != cases[i].net_admin || three[0].net_raw != cases[i].net_raw)
            fail_msg("%s gave: privileged %d, NET_ADMIN %d, NET_RAW %d", cases[i].text,
                     three[0].privileged, three[0].net_admin, three[0].net_raw);
    }
    static const char *const untold[] = {"{}", CONFIG(""), CONFIG("\"Privileged\":null"),
                                         CONFIG("\"CapAdd\":[\"NET_ADMIN\"]")};
    for (size_t i = 0; i < ARRAY_SIZE(untold); i++) {
        fill(f);
        assert_int_equal(inspect(f, 0, untold[i]), 0);
        assert_false(three[0].capabilities_read || three[0].net_admin || three[0].net_raw);
    }
}

static void bad_inspects_are_refused(void **state) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "container: no object at byte 0"},
        {"[]", "container: no object at byte 0"},
        {"{\"NetworkSettings\":[]}", "container.NetworkSettings: no object"},
        {SETTINGS("[]"), "container.NetworkSettings.Networks: expected an object, found an array"},
        {SETTINGS("{\"n\":{\"Links\":{}}}"),
         "Networks.n.Links: expected an array, found an object"},
        {SETTINGS("{\"n\":{\"Links\":[\"db\",7]}}"),
         "Networks.n.Links[1]: expected a string, found the number 7"},
        {SETTINGS("{\"n\":{\"Links\":[\"\xff\"]}}"), "no valid JSON"},
        {"{\"HostConfig\":[]}", "container.HostConfig: no object"},
        {"{\"HostConfig\":{\"NetworkMode\":7}}",
         "container.HostConfig.NetworkMode: expected a string, found the number 7"},
        {"{\"HostConfig\":{\"NetworkMode\":\"hos", "cut short"},
        {CONFIG("\"Privileged\":\"no\""),
         "container.HostConfig.Privileged: expected true or false, found the string \"no\""},
        {CONFIG("\"Privileged\":troo"), "container.HostConfig.Privileged: no valid JSON"},
        {CAPABILITIES("false", "{}", "null"), "HostConfig.CapAdd: expected an array"},
        {CAPABILITIES("false", "null", "[\"ALL\",7]"),
         "container.HostConfig.CapDrop[1]: expected a string, found the number 7"},
    };
    struct fixture *f = *state;
    fill(f);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(inspect(f, 2, cases[i].text), -EPROTO);
        if (!strstr(f->error.message, cases[i].message))
            fail_msg("%s\n  gave: %s", cases[i].text, f->error.message);
        assert_null(strstr(f->error.message, "hunter"));
        assert_string_equal(three[2].network_mode, "");
        assert_int_equal(three[2].n_links, 0);
        assert_false(three[2].capabilities_read);
    }
}

/* A megabyte of links, and brackets within the texts that are passed over. */
static void long_inspects_are_bounded(void **state) {
    struct fixture *f = *state;
    fill(f);
    const size_t len = 1024 * 1024;
    char *x = malloc(len + 1);
    assert_non_null(x);
    memset(x, 'x', len);
    x[len] = '\0';
    char *text = ng_arena_printf(
        f->arena,
        "{\"Env\":[\"]}\\\"%s\"],\"NetworkSettings\":{\"Networks\":{\"n\":{\"Links\":"
        "[\"db:%.*s\"]}}}}",
        x, 1000, x);
    assert_int_equal(inspect(f, 0, text), 0);
    assert_int_equal(strlen(three[0].links[0].alias), 255);
    text = ng_arena_printf(f->arena, "{\"NetworkSettings\":{\"Networks\":{\"n\":\"%s\"}}}", x);
    assert_int_equal(inspect(f, 0, text), -E2BIG);
    free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(services_are_read),
        TEST(bad_services_are_refused),
        TEST(every_cut_of_services_is_an_error),
        TEST(errors_do_not_quote_specs),
        TEST(nodes_are_peers),
        TEST(bad_nodes_are_refused),
        TEST(ports_of_the_ingress_network_are_read),
        TEST(who_is_on_the_ingress_network_is_a_peer),
        TEST(what_is_no_port_is_no_port),
        TEST(tunnels_end_where_tasks_are),
        TEST(bad_overlays_are_refused),
        TEST(links_are_read),
        TEST(network_modes_are_read),
        TEST(capabilities_are_read),
        TEST(bad_inspects_are_refused),
        TEST(long_inspects_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
