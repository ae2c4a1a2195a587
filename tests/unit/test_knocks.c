/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/knocks.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* What nfnetlink_log sends: in `room` a message with this prefix and the start of a packet. */
struct room {
    union {
        struct nlmsghdr message;
        uint8_t bytes[4096];
    };
};

static const struct nlmsghdr *logged(struct room *room, const char *prefix, const uint8_t *packet,
                                     size_t len) {
    struct nlmsghdr *message = mnl_nlmsg_put_header(room->bytes);
    message->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;
    memset(mnl_nlmsg_put_extra_header(message, sizeof(struct nfgenmsg)), 0,
           sizeof(struct nfgenmsg));
    if (prefix)
        mnl_attr_put_strz(message, NFULA_PREFIX, prefix);
    if (packet)
        mnl_attr_put(message, NFULA_PAYLOAD, len, packet);
    return message;
}

#define DECODE(packet, ret_knock)                                                                  \
    ng_knock_decode(logged(&(struct room){0}, "no-stores", (packet), sizeof(packet)), (ret_knock))

/* 192.0.2.2 port 40000 to 198.51.100.1 port 6379, TCP. */
static const uint8_t tcp4[] = {0x45, 0, 0, 40, 0,   0,  0,   0, 64,   6,    0,    0,
                               192,  0, 2, 2,  198, 51, 100, 1, 0x9c, 0x40, 0x18, 0xeb};
/* 2001:db8::2 to 2001:db8::1 port 53, UDP, behind destination options of 16 bytes. */
static const uint8_t udp6[] = {0x60, 0, 0, 0, 0, 24, 60, 64, 0x20, 1,    0x0d, 0xb8, 0,    0, 0,
                               0,    0, 0, 0, 0, 0,  0,  0,  2,    0x20, 1,    0x0d, 0xb8, 0, 0,
                               0,    0, 0, 0, 0, 0,  0,  0,  0,    1,    17,   1,    0,    0, 0,
                               0,    0, 0, 0, 0, 0,  0,  0,  0,    0,    0,    0x9c, 0x40, 0, 53};

static void tells_of_ipv4(void **state) {
    struct ng_knock knock;
    char text[NG_ADDR_TEXT];
    (void)state;
    assert_int_equal(DECODE(tcp4, &knock), 0);
    assert_string_equal(knock.rule, "no-stores");
    assert_string_equal(ng_addr_text(knock.source, text), "192.0.2.2");
    assert_string_equal(ng_addr_text(knock.destination, text), "198.51.100.1");
    assert_int_equal(knock.proto, NG_TCP);
    assert_int_equal(knock.port, 6379);
    assert_int_equal(knock.count, 1);
}

static void tells_of_ipv6(void **state) {
    struct ng_knock knock;
    char text[NG_ADDR_TEXT];
    (void)state;
    assert_int_equal(DECODE(udp6, &knock), 0);
    assert_string_equal(ng_addr_text(knock.source, text), "2001:db8::2");
    assert_string_equal(ng_addr_text(knock.destination, text), "2001:db8::1");
    assert_int_equal(knock.proto, NG_UDP);
    assert_int_equal(knock.port, 53);
}

static void has_no_port_that_is_not_there(void **state) {
    struct ng_knock knock;
    uint8_t packet[sizeof(tcp4)];
    (void)state;
    memcpy(packet, tcp4, sizeof(packet));
    packet[7] = 1; /* a later fragment */
    assert_int_equal(DECODE(packet, &knock), 0);
    assert_int_equal(knock.port, 0);
    memcpy(packet, tcp4, sizeof(packet));
    packet[0] = 0x4f; /* a header that is longer than what is there */
    assert_int_equal(DECODE(packet, &knock), 0);
    assert_int_equal(knock.port, 0);
    packet[0] = 0x44;
    assert_int_equal(DECODE(packet, &knock), -EBADMSG);
}

/* However short a packet was cut, and whatever the length of its extensions. */
static void reads_no_further_than_there_is(void **state) {
    struct ng_knock knock;
    (void)state;
    for (size_t len = 0; len < sizeof(udp6); len++) {
        struct room room;
        int r = ng_knock_decode(logged(&room, "x", udp6, len), &knock);
        assert_int_equal(r, len < 40 ? -EBADMSG : 0);
        if (r == 0)
            assert_int_equal(knock.port, 0);
    }
    uint8_t packet[sizeof(udp6)];
    memcpy(packet, udp6, sizeof(packet));
    packet[41] = 255;
    assert_int_equal(DECODE(packet, &knock), 0);
    assert_int_equal(knock.port, 0);
}

static void refuses_what_is_none(void **state) {
    static const uint8_t neither[] = {0x50, 0, 0, 0};
    char long_prefix[NG_KNOCK_RULE + 1];
    struct ng_knock knock;
    struct room room;
    (void)state;
    memset(long_prefix, 'x', NG_KNOCK_RULE);
    long_prefix[NG_KNOCK_RULE] = '\0';
    assert_int_equal(DECODE(neither, &knock), -EBADMSG);
    assert_int_equal(ng_knock_decode(logged(&room, NULL, tcp4, sizeof(tcp4)), &knock), -EBADMSG);
    assert_int_equal(ng_knock_decode(logged(&room, "x", NULL, 0), &knock), -EBADMSG);
    assert_int_equal(ng_knock_decode(logged(&room, long_prefix, tcp4, sizeof(tcp4)), &knock),
                     -EBADMSG);
    logged(&room, "x", tcp4, sizeof(tcp4));
    room.message.nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
    assert_int_equal(ng_knock_decode(&room.message, &knock), -EBADMSG);
}

/* -- whose door ---------------------------------------------------------------------------- */

static void names_the_container(void **state) {
    static const struct ng_endpoint endpoint = {.addr4 = {NG_IP4, 0xc6336401}};
    static const struct ng_container redis = {
        .name = "redis", .endpoints = &endpoint, .n_endpoints = 1};
    static const struct ng_container web = {.name = "web"};
    const struct ng_exposure exposures[] = {
        {.container = &web,
         .family = NG_IP6,
         .proto = NG_UDP,
         .host_addr = {NG_IP6, 0},
         .host_port = 53},
        {.family = NG_IP4, .proto = NG_TCP, .host_addr = {NG_IP4, 0}, .host_port = 6379},
        {.container = &redis, .family = NG_IP4, .proto = NG_TCP},
    };
    const struct ng_result result = {.exposures = exposures, .n_exposures = 3};
    struct ng_knock knock;
    (void)state;
    assert_int_equal(DECODE(tcp4, &knock), 0);
    assert_string_equal(ng_knock_container(&knock, &result), "redis");
    knock.destination.value++;
    assert_null(ng_knock_container(&knock, &result));
    assert_int_equal(DECODE(udp6, &knock), 0);
    assert_string_equal(ng_knock_container(&knock, &result), "web");
    knock.port++;
    assert_null(ng_knock_container(&knock, &result));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_of_ipv4),
        cmocka_unit_test(tells_of_ipv6),
        cmocka_unit_test(has_no_port_that_is_not_there),
        cmocka_unit_test(reads_no_further_than_there_is),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(names_the_container),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
