/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "agent/observe/routes.h"

union answer {
    struct nlmsghdr message;
    uint8_t room[1024];
};

static void put_addr(union answer *answer, uint16_t type, int family, const char *text) {
    uint8_t wire[16];

    assert_int_equal(inet_pton(family, text, wire), 1);
    mnl_attr_put(&answer->message, type, family == AF_INET ? 4 : 16, wire);
}

static const char *text(struct ng_addr addr) {
    static char buffer[NG_ADDR_TEXT];

    return ng_addr_text(addr, buffer);
}

/* -- routes -------------------------------------------------------------------------- */

static struct rtmsg *put_route(union answer *answer, uint8_t family, const char *dst, uint8_t len) {
    struct rtmsg *header;

    memset(answer, 0, sizeof(*answer));
    mnl_nlmsg_put_header(answer);
    answer->message.nlmsg_type = RTM_NEWROUTE;
    header = mnl_nlmsg_put_extra_header(&answer->message, sizeof(*header));
    header->rtm_family = family;
    header->rtm_dst_len = len;
    header->rtm_type = RTN_UNICAST;
    header->rtm_table = RT_TABLE_MAIN;
    if (dst)
        put_addr(answer, RTA_DST, family, dst);
    return header;
}

static void a_route_is_read(void **state) {
    struct ng_route route;
    union answer answer;

    (void)state;
    put_route(&answer, AF_INET, "10.1.0.0", 16)->rtm_scope = RT_SCOPE_LINK;
    mnl_attr_put_u32(&answer.message, RTA_TABLE, 4000000000);
    mnl_attr_put_u32(&answer.message, RTA_PRIORITY, 100);
    mnl_attr_put_u32(&answer.message, RTA_OIF, 5);
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route), 0);
    assert_string_equal(text(route.dst), "10.1.0.0");
    assert_int_equal(route.prefix_len, 16);
    assert_int_equal(route.type, NG_ROUTE_UNICAST);
    assert_int_equal(route.scope, RT_SCOPE_LINK);
    assert_int_equal(route.table, 4000000000);
    assert_int_equal(route.priority, 100);
    assert_int_equal(route.oif, 5);
    assert_false(route.has_gateway);

    put_route(&answer, AF_INET6, NULL, 0);
    put_addr(&answer, RTA_GATEWAY, AF_INET6, "fe80::1");
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route), 0);
    assert_string_equal(text(route.dst), "::");
    assert_int_equal(route.table, RT_TABLE_MAIN);
    assert_true(route.has_gateway);
}

static void put_hop(union answer *answer, int oif, uint8_t flags, const char *gateway) {
    struct rtnexthop *hop = mnl_nlmsg_get_payload_tail(&answer->message);
    uint32_t len = answer->message.nlmsg_len;

    memset(hop, 0, sizeof(*hop));
    answer->message.nlmsg_len += sizeof(*hop);
    hop->rtnh_ifindex = oif;
    hop->rtnh_flags = flags;
    if (gateway)
        put_addr(answer, RTA_GATEWAY, AF_INET, gateway);
    hop->rtnh_len = (uint16_t)(answer->message.nlmsg_len - len);
}

static void the_first_living_hop_counts(void **state) {
    struct ng_route route;
    union answer answer;
    struct nlattr *nest;

    (void)state;
    put_route(&answer, AF_INET, "10.1.0.0", 16);
    nest = mnl_attr_nest_start(&answer.message, RTA_MULTIPATH);
    put_hop(&answer, 3, RTNH_F_DEAD, NULL);
    put_hop(&answer, 4, 0, "192.0.2.1");
    put_hop(&answer, 5, 0, NULL);
    mnl_attr_nest_end(&answer.message, nest);
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route), 0);
    assert_int_equal(route.oif, 4);
    assert_true(route.has_gateway);
    assert_int_equal(ng_routes_decode_route(&answer.message, 1, &route), 0);
    assert_int_equal(route.oif, 5);
    assert_string_equal(text(route.dst), "10.1.0.0");
    assert_int_equal(ng_routes_decode_route(&answer.message, 2, &route), NG_ROUTES_NOT_ONE);

    put_route(&answer, AF_INET, "10.1.0.0", 16);
    nest = mnl_attr_nest_start(&answer.message, RTA_MULTIPATH);
    put_hop(&answer, 3, RTNH_F_DEAD, NULL);
    mnl_attr_nest_end(&answer.message, nest);
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route), NG_ROUTES_NOT_ONE);

    put_route(&answer, AF_INET, "10.1.0.0", 16);
    nest = mnl_attr_nest_start(&answer.message, RTA_MULTIPATH);
    put_hop(&answer, 3, 0, NULL);
    mnl_attr_nest_end(&answer.message, nest);
    ((struct rtnexthop *)mnl_attr_get_payload(nest))->rtnh_len = 100;
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route), -EBADMSG);
}

static void what_is_no_route_of_the_table_is_left_out(void **state) {
    struct ng_route route;
    union answer answer;

    (void)state;
    put_route(&answer, AF_INET6, "2001:db8::1", 128)->rtm_flags = RTM_F_CLONED;
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route), NG_ROUTES_NOT_ONE);
    put_route(&answer, AF_INET, "10.0.0.0", 8)->rtm_flags = RTNH_F_DEAD;
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route), NG_ROUTES_NOT_ONE);
    put_route(&answer, AF_INET, "10.0.0.0", 8)->rtm_family = AF_BRIDGE;
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route), NG_ROUTES_NOT_ONE);
    put_route(&answer, AF_INET, "10.0.0.0", 8)->rtm_tos = 0x10;
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route), NG_ROUTES_LEFT_OUT);
    put_route(&answer, AF_INET6, "2001:db8::", 32)->rtm_src_len = 64;
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route), NG_ROUTES_LEFT_OUT);
    put_route(&answer, AF_INET, "10.0.0.0", 8);
    mnl_attr_put_u32(&answer.message, RTA_NH_ID, 1);
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route), NG_ROUTES_LEFT_OUT);
    mnl_attr_put_u32(&answer.message, RTA_OIF, 1);
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route), 0);
}

static void malformed_routes_are_refused(void **state) {
    struct ng_route route;
    union answer answer;

    (void)state;
    put_route(&answer, AF_INET, "10.0.0.0", 33);
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route), -EBADMSG);
    put_route(&answer, AF_INET, NULL, 8);
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route), -EBADMSG);
    put_route(&answer, AF_INET6, NULL, 8);
    put_addr(&answer, RTA_DST, AF_INET, "10.0.0.0");
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route), -EBADMSG);
    put_route(&answer, AF_INET, NULL, 0);
    answer.message.nlmsg_len -= 1;
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route), -EBADMSG);
}

/* -- rules --------------------------------------------------------------------------- */

static struct fib_rule_hdr *put_rule(union answer *answer, uint8_t family) {
    struct fib_rule_hdr *header;

    memset(answer, 0, sizeof(*answer));
    mnl_nlmsg_put_header(answer);
    answer->message.nlmsg_type = RTM_NEWRULE;
    header = mnl_nlmsg_put_extra_header(&answer->message, sizeof(*header));
    header->family = family;
    header->action = FR_ACT_TO_TBL;
    header->table = RT_TABLE_MAIN;
    return header;
}

static int decode_rule(union answer *answer, struct ng_route_rule *ret_rule) {
    struct ng_arena *arena = ng_arena_new();
    int r = ng_routes_decode_rule(arena, &answer->message, ret_rule);

    ng_arena_free(arena);
    return r;
}

static void a_rule_is_read(void **state) {
    struct ng_route_rule rule;
    struct fib_rule_hdr *header;
    union answer answer;

    (void)state;
    header = put_rule(&answer, AF_INET);
    header->src_len = 8;
    header->flags = FIB_RULE_INVERT;
    put_addr(&answer, FRA_SRC, AF_INET, "10.0.0.0");
    mnl_attr_put_u32(&answer.message, FRA_PRIORITY, 100);
    mnl_attr_put_u32(&answer.message, FRA_TABLE, 1000);
    mnl_attr_put_u32(&answer.message, FRA_FWMARK, 1);
    mnl_attr_put_u32(&answer.message, FRA_FWMASK, 255);
    mnl_attr_put_u32(&answer.message, FRA_SUPPRESS_PREFIXLEN, UINT32_MAX);
    mnl_attr_put_u8(&answer.message, FRA_PROTOCOL, 3);
    assert_int_equal(decode_rule(&answer, &rule), 0);
    assert_int_equal(rule.family, NG_IP4);
    assert_string_equal(text(rule.src), "10.0.0.0");
    assert_int_equal(rule.src_len, 8);
    assert_int_equal(rule.dst.family, 0);
    assert_true(rule.invert);
    assert_false(rule.other_selectors);
    assert_int_equal(rule.priority, 100);
    assert_int_equal(rule.table, 1000);
    assert_int_equal(rule.fwmark, 1);
    assert_int_equal(rule.fwmask, 255);
    assert_int_equal(rule.action, FR_ACT_TO_TBL);
    assert_null(rule.iif);
}

static void other_selectors_are_noticed(void **state) {
    static const uint16_t types[] = {
        FRA_TUN_ID, FRA_L3MDEV, FRA_UID_RANGE, FRA_IP_PROTO, FRA_DPORT_RANGE, FRA_SPORT_RANGE,
        40,         63};
    struct ng_route_rule rule;
    union answer answer;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        put_rule(&answer, AF_INET6);
        mnl_attr_put_u32(&answer.message, types[i], 1);
        assert_int_equal(decode_rule(&answer, &rule), 0);
        assert_true(rule.other_selectors);
    }
    put_rule(&answer, AF_INET);
    mnl_attr_put_u32(&answer.message, FRA_SUPPRESS_PREFIXLEN, 0);
    assert_int_equal(decode_rule(&answer, &rule), 0);
    assert_true(rule.other_selectors);
    put_rule(&answer, AF_INET)->tos = 4;
    assert_int_equal(decode_rule(&answer, &rule), 0);
    assert_true(rule.other_selectors);
    put_rule(&answer, AF_INET)->action = FR_ACT_GOTO;
    assert_int_equal(decode_rule(&answer, &rule), 0);
    assert_true(rule.other_selectors);
}

static void malformed_rules_are_refused(void **state) {
    struct ng_route_rule rule;
    union answer answer;

    (void)state;
    put_rule(&answer, AF_INET)->src_len = 8;
    assert_int_equal(decode_rule(&answer, &rule), -EBADMSG);
    put_rule(&answer, AF_INET)->dst_len = 33;
    put_addr(&answer, FRA_DST, AF_INET, "10.0.0.0");
    assert_int_equal(decode_rule(&answer, &rule), -EBADMSG);
    put_rule(&answer, AF_BRIDGE);
    assert_int_equal(decode_rule(&answer, &rule), NG_ROUTES_NOT_ONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_is_read),
        cmocka_unit_test(the_first_living_hop_counts),
        cmocka_unit_test(what_is_no_route_of_the_table_is_left_out),
        cmocka_unit_test(malformed_routes_are_refused),
        cmocka_unit_test(a_rule_is_read),
        cmocka_unit_test(other_selectors_are_noticed),
        cmocka_unit_test(malformed_rules_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
