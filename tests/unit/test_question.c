/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of JSON as questions, and what `explain` is asked about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/command/question.h"
#include "agent/command/target.h"

static const struct ng_link links[] = {
    {.name = "lo", .index = 1, .loopback = true, .up = true},
    {.name = "eth0", .index = 2, .up = true},
    {.name = "eth1", .index = 3},
};
static const struct ng_container containers[] = {
    {.id = "4f1c09aa", .name = "redis"},
    {.id = "4f1c0bbb", .name = "12345"},
};
static const struct ng_engine engine = {.containers = containers, .n_containers = 2};
static const struct ng_world world = {
    .links = links,
    .n_links = ARRAY_SIZE(links),
    .links_read = true,
    .engines = &engine,
    .n_engines = 1,
};

/* -- questions ----------------------------------------------------------------------- */

static struct ng_question question;
static struct ng_error error;

static int read_line(const char *line, bool one_source) {
    error = (struct ng_error){0};
    return ng_question_read(&world, line, strlen(line), one_source, &question, &error);
}

#define PACKET                                                                                     \
    "\"iif\":\"eth0\",\"src\":\"203.0.113.7\",\"sport\":40000,\"dst\":\"192.0.2.1\","              \
    "\"proto\":\"tcp\",\"dport\":6379"

static void test_a_packet(void **state) {
    (void)state;
    assert_int_equal(read_line("{" PACKET "}", true), 0);
    assert_int_equal(question.family, NG_IP4);
    assert_int_equal(question.proto, NG_TCP);
    assert_int_equal(question.iif, 2);
    assert_true(question.saddr == 0xcb007107 && question.daddr == 0xc0000201);
    assert_int_equal(question.sport, 40000);
    assert_int_equal(question.dport, 6379);
    assert_true(question.one_source);
    assert_false(question.has_tcp_flags || question.has_smac || question.mark || question.ct_state);
    assert_int_equal(read_line(" {" PACKET
                               ",\"note\":{\"x\":[1]},\"flags\":\"SA\",\"mark\":4294967295,"
                               "\"smac\":\"02:00:00:00:00:fF\",\"ct\":\"untracked\"}\r",
                               true),
                     0);
    assert_true(question.has_tcp_flags && question.tcp_flags == 0x12);
    assert_true(question.has_smac && question.smac == 0x0200000000ff);
    assert_int_equal(question.mark, UINT32_MAX);
    assert_int_equal(question.ct_state, 64);
    assert_int_equal(read_line("{" PACKET ",\"flags\":\"\"}", true), 0);
    assert_true(question.has_tcp_flags && question.tcp_flags == 0);
}

/* A question about everybody has no source; one that is there is like any other unknown key. */
static void test_everybody(void **state) {
    (void)state;
    assert_int_equal(
        read_line("{\"iif\":\"eth0\",\"dst\":\"2001:db8::1\",\"proto\":17,\"dport\":53,"
                  "\"src\":7,\"sport\":\"x\"}",
                  false),
        0);
    assert_int_equal(question.family, NG_IP6);
    assert_int_equal(question.proto, NG_UDP);
    assert_false(question.one_source);
    assert_true(question.saddr == 0 && question.sport == 0);
}

static void test_protocols(void **state) {
    static const struct {
        const char *dst, *proto;
        uint8_t number, icmp_type;
    } cases[] = {{"192.0.2.1", "\"icmp\"", 1, 8},  {"2001:db8::1", "\"icmpv6\"", 58, 128},
                 {"192.0.2.1", "1", 1, 8},         {"192.0.2.1", "\"gre\"", 47, 0},
                 {"192.0.2.1", "\"esp\"", 50, 0},  {"192.0.2.1", "\"ah\"", 51, 0},
                 {"192.0.2.1", "\"200\"", 200, 0}, {"192.0.2.1", "0", 0, 0}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char line[200];
        snprintf(line, sizeof(line), "{\"iif\":\"lo\",\"dst\":\"%s\",\"proto\":%s}", cases[i].dst,
                 cases[i].proto);
        assert_int_equal(read_line(line, false), 0);
        assert_int_equal(question.proto, cases[i].number);
        assert_int_equal(question.icmp_type, cases[i].icmp_type);
    }
    assert_int_equal(read_line("{\"iif\":\"lo\",\"dst\":\"192.0.2.1\",\"proto\":\"icmp\","
                               "\"icmp_type\":3,\"icmp_code\":255}",
                               false),
                     0);
    assert_int_equal(question.icmp_type, 3);
    assert_int_equal(question.icmp_code, 255);
    static const char *const with_ports[] = {"tcp", "udp", "sctp", "udplite", "dccp"};
    for (size_t i = 0; i < ARRAY_SIZE(with_ports); i++) {
        char line[200];
        snprintf(line, sizeof(line), "{\"iif\":\"lo\",\"dst\":\"192.0.2.1\",\"proto\":\"%s\"}",
                 with_ports[i]);
        assert_int_equal(read_line(line, false), -EINVAL);
        assert_string_equal(error.source, "dport");
    }
}

static void test_bad_lines(void **state) {
    static const struct {
        const char *line, *source, *message;
    } cases[] = {
        {"xx", "", "at byte 1: expected one JSON object a line"},
        {"[]", "", "at byte 1: expected one JSON object a line"},
        {"7", "", "expected one JSON object a line"},
        {"{\"a\":1", "", "at byte 7: expected \",\" or \"}\""},
        {"{\"a\":\"\\u0000\"}", "", "at byte 13: expected a character that may stand in a text"},
        {"{\"iif\":\"eth0\",\"iif\":\"lo\"}", "", "expected each key once"},
        {"{} {}", "", "at byte 4: expected nothing behind the object"},
        {"{}", "iif", "is missing; expected the name of the interface"},
        {"{\"iif\":2}", "iif", "found 2, expected the name"},
        {"{\"iif\":\"eth9\"}", "iif", "there is no interface \"eth9\"; did you mean \"eth"},
        {"{\"iif\":\"eth1\"}", "iif", "interface \"eth1\" is down"},
        {"{\"iif\":\"e\\u001b[1m\"}", "iif", "there is no interface \"e\\x1b[1m\""},
        {"{\"iif\":\"eth0\"}", "dst", "is missing; expected an IPv4 or IPv6 address"},
        {"{\"iif\":\"eth0\",\"dst\":\"192.0.2\"}", "dst", "found \"192.0.2\", expected an IPv4"},
        {"{\"iif\":\"eth0\",\"dst\":\"192.0.2.1\"}", "src", "is missing"},
        {"{\"iif\":\"eth0\",\"dst\":\"192.0.2.1\",\"src\":\"::1\"}", "src",
         "found \"::1\", expected an IPv4 address, as dst is one"},
        {"{\"iif\":\"eth0\",\"dst\":\"192.0.2.1\",\"src\":\"192.0.2.2\"}", "proto", "is missing"},
        {"{\"iif\":\"eth0\",\"dst\":\"192.0.2.1\",\"src\":\"192.0.2.2\",\"proto\":\"tpc\"}",
         "proto", "found \"tpc\", expected tcp, udp"},
        {"{\"iif\":\"eth0\",\"dst\":\"192.0.2.1\",\"src\":\"192.0.2.2\",\"proto\":256}", "proto",
         "found 256"},
        {"{\"iif\":\"eth0\",\"dst\":\"192.0.2.1\",\"src\":\"192.0.2.2\",\"proto\":-1}", "proto",
         "found -1"},
        {"{\"iif\":\"eth0\",\"dst\":\"192.0.2.1\",\"src\":\"192.0.2.2\",\"proto\":true}", "proto",
         "found something else"},
        {"{\"iif\":\"eth0\",\"dst\":\"192.0.2.1\",\"src\":\"192.0.2.2\",\"proto\":\"icmpv6\"}",
         "proto", "found \"icmpv6\", expected icmp, as dst"},
        {"{\"iif\":\"eth0\",\"dst\":\"192.0.2.1\",\"src\":\"192.0.2.2\",\"proto\":\"udp\","
         "\"dport\":1}",
         "sport", "is missing; expected a port"},
        {"{\"iif\":\"eth0\",\"dst\":\"192.0.2.1\",\"src\":\"192.0.2.2\",\"proto\":\"udp\","
         "\"sport\":65536,\"dport\":1}",
         "sport", "found 65536, expected a port, 0 to 65535"},
        {"{" PACKET ",\"flags\":\"X\"}", "flags", "found \"X\", expected TCP flags"},
        {"{" PACKET ",\"flags\":2}", "flags", "found 2"},
        {"{" PACKET ",\"mark\":4294967296}", "mark", "found 4294967296"},
        {"{" PACKET ",\"mark\":1.5}", "mark", "found something else"},
        {"{" PACKET ",\"smac\":\"02:00:00:00:00:0g\"}", "smac", "found"},
        {"{" PACKET ",\"smac\":\"02-00-00-00-00-00\"}", "smac", "found"},
        {"{" PACKET ",\"smac\":\"02:00:00:00:00\"}", "smac", "found"},
        {"{" PACKET ",\"ct\":\"NEW\"}", "ct", "found \"NEW\", expected new, established"},
        {"{" PACKET ",\"ct\":null}", "ct", "found something else"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        question = (struct ng_question){.dport = 4711};
        assert_int_equal(read_line(cases[i].line, true), -EINVAL);
        assert_string_equal(error.source, cases[i].source);
        if (!strstr(error.message, cases[i].message))
            fail_msg("%s: \"%s\", expected \"%s\"", cases[i].line, error.message, cases[i].message);
        assert_int_equal(question.dport, 4711); /* untouched */
    }
}

/* -- targets ------------------------------------------------------------------------- */

static struct ng_explain_target target;

static int parse(const char *text) {
    error = (struct ng_error){0};
    target = (struct ng_explain_target){0};
    return ng_target_parse(text, &world, &target, &error);
}

static void assert_target(const char *text, const char *addr, uint16_t port, uint8_t proto,
                          const struct ng_container *container) {
    char buffer[NG_ADDR_TEXT] = "";
    if (parse(text) < 0)
        fail_msg("%s: %s", text, error.message);
    if (target.addr.family)
        ng_addr_text(target.addr, buffer);
    assert_string_equal(buffer, addr);
    assert_int_equal(target.port, port);
    assert_int_equal(target.has_port, port != 0);
    assert_int_equal(target.proto, proto);
    assert_ptr_equal(target.container, container);
}

static void test_targets(void **state) {
    (void)state;
    assert_target("6379", "", 6379, 0, NULL);
    assert_target("53/udp", "", 53, NG_UDP, NULL);
    assert_target("192.0.2.1:6379/tcp", "192.0.2.1", 6379, NG_TCP, NULL);
    assert_target("192.0.2.1:6379", "192.0.2.1", 6379, 0, NULL);
    assert_target("[2001:db8::1]:443", "2001:db8::1", 443, 0, NULL);
    assert_target("192.0.2.1/icmp", "192.0.2.1", 0, NG_ICMP, NULL);
    assert_target("2001:db8::1/icmpv6", "2001:db8::1", 0, NG_ICMP6, NULL);
    assert_target("192.0.2.1/47", "192.0.2.1", 0, 47, NULL);
    assert_target("redis", "", 0, 0, &containers[0]);
    assert_target("redis:6379/sctp", "", 6379, NG_SCTP, &containers[0]);
    assert_target("4f1c09", "", 0, 0, &containers[0]);
    assert_target("12345", "", 12345, 0, NULL); /* a port comes first */
    assert_target("12345:1", "", 1, 0, &containers[1]);
}

static void test_bad_targets(void **state) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"0", "found \"0\", expected a port from 1 to 65535"},
        {"65536", "found \"65536\", expected a port"},
        {"80/tpc", "found \"tpc\", expected a protocol"},
        {"80/", "found \"\", expected a protocol"},
        {"192.0.2.1", "a port is missing: say 192.0.2.1:PORT"},
        {"2001:db8::1", "a port is missing: say [2001:db8::1]:PORT"},
        {"[2001:db8::1]", "a port is missing: say [2001:db8::1]:PORT"},
        {"[2001:db8::1", "expected [ADDRESS]:PORT"},
        {"[2001:db8::1]443", "expected [ADDRESS]:PORT"},
        {"[192.0.2.1]:443", "expected an IPv6 address in the brackets"},
        {"192.0.2.1:", "found \"\", expected a port"},
        {"192.0.2.1:80/icmp", "has no ports: leave out the port"},
        {"80/icmp", "has no ports: leave out the port"},
        {"redis/icmp", "has no ports: say ADDRESS/PROTOCOL"},
        {"rediss", "there is no running container \"rediss\"; did you mean \"redis\"?"},
        {"nginx", "there is no running container \"nginx\""},
        {"4f1c0", "the ids of 2 containers begin with \"4f1c0\": write more of it"},
        {"a\033[1m", "there is no running container \"a\\x1b[1m\""},
        {"", "the ids of 2 containers begin"},
    };
    char long_text[600];
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(parse(cases[i].text), -EINVAL);
        assert_string_equal(error.source, "explain");
        if (!strstr(error.message, cases[i].message))
            fail_msg("%s: \"%s\", expected \"%s\"", cases[i].text, error.message, cases[i].message);
    }
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_int_equal(parse(long_text), -EINVAL);
    const struct ng_world empty = {0};
    error = (struct ng_error){0};
    assert_int_equal(ng_target_parse("redis", &empty, &target, &error), -EINVAL);
    assert_non_null(strstr(error.message, "no container engine was found"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_packet),  cmocka_unit_test(test_everybody),
        cmocka_unit_test(test_protocols), cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_targets),   cmocka_unit_test(test_bad_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
