/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/rtnetlink.h>

#include "agent/observe/routes.h"
#include "tests/unit/fixture_answer.h"

static struct rtmsg *put_route(union answer *answer, uint8_t family, const char *dst, uint8_t len) {
    struct rtmsg *header = begin_answer(answer, RTM_NEWROUTE, sizeof(*header));

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
    uint32_t nexthop;
    union answer answer;

    (void)state;
    put_route(&answer, AF_INET, "10.1.0.0", 16)->rtm_scope = RT_SCOPE_LINK;
    mnl_attr_put_u32(&answer.message, RTA_TABLE, 4000000000);
    mnl_attr_put_u32(&answer.message, RTA_PRIORITY, 100);
    mnl_attr_put_u32(&answer.message, RTA_OIF, 5);
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop), 0);
    assert_string_equal(addr_text(route.dst), "10.1.0.0");
    assert_int_equal(route.prefix_len, 16);
    assert_int_equal(route.type, NG_ROUTE_UNICAST);
    assert_int_equal(route.scope, RT_SCOPE_LINK);
    assert_int_equal(route.table, 4000000000);
    assert_int_equal(route.priority, 100);
    assert_int_equal(route.oif, 5);
    assert_false(route.has_gateway);

    put_route(&answer, AF_INET6, NULL, 0);
    put_addr(&answer, RTA_GATEWAY, AF_INET6, "fe80::1");
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop), 0);
    assert_string_equal(addr_text(route.dst), "::");
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
    uint32_t nexthop;
    union answer answer;
    struct nlattr *nest;

    (void)state;
    put_route(&answer, AF_INET, "10.1.0.0", 16);
    nest = mnl_attr_nest_start(&answer.message, RTA_MULTIPATH);
    put_hop(&answer, 3, RTNH_F_DEAD, NULL);
    put_hop(&answer, 4, 0, "192.0.2.1");
    put_hop(&answer, 5, 0, NULL);
    mnl_attr_nest_end(&answer.message, nest);
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop), 0);
    assert_int_equal(route.oif, 4);
    assert_true(route.has_gateway);
    assert_int_equal(ng_routes_decode_route(&answer.message, 1, &route, &nexthop), 0);
    assert_int_equal(route.oif, 5);
    assert_string_equal(addr_text(route.dst), "10.1.0.0");
    assert_int_equal(ng_routes_decode_route(&answer.message, 2, &route, &nexthop),
                     NG_ROUTES_NOT_ONE);

    put_route(&answer, AF_INET, "10.1.0.0", 16);
    nest = mnl_attr_nest_start(&answer.message, RTA_MULTIPATH);
    put_hop(&answer, 3, RTNH_F_DEAD, NULL);
    mnl_attr_nest_end(&answer.message, nest);
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop),
                     NG_ROUTES_NOT_ONE);

    put_route(&answer, AF_INET, "10.1.0.0", 16);
    nest = mnl_attr_nest_start(&answer.message, RTA_MULTIPATH);
    put_hop(&answer, 3, 0, NULL);
    mnl_attr_nest_end(&answer.message, nest);
    ((struct rtnexthop *)mnl_attr_get_payload(nest))->rtnh_len = 100;
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop), -EBADMSG);
}

static void what_is_no_route_of_the_table_is_left_out(void **state) {
    struct ng_route route;
    uint32_t nexthop;
    union answer answer;

    (void)state;
    put_route(&answer, AF_INET6, "2001:db8::1", 128)->rtm_flags = RTM_F_CLONED;
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop),
                     NG_ROUTES_NOT_ONE);
    put_route(&answer, AF_INET, "10.0.0.0", 8)->rtm_flags = RTNH_F_DEAD;
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop),
                     NG_ROUTES_NOT_ONE);
    put_route(&answer, AF_INET, "10.0.0.0", 8)->rtm_family = AF_BRIDGE;
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop),
                     NG_ROUTES_NOT_ONE);
    put_route(&answer, AF_INET, "10.0.0.0", 8)->rtm_tos = 0x10;
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop),
                     NG_ROUTES_LEFT_OUT);
    put_route(&answer, AF_INET6, "2001:db8::", 32)->rtm_src_len = 64;
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop),
                     NG_ROUTES_LEFT_OUT);
}

static void a_nexthop_object_is_named(void **state) {
    struct ng_route route;
    uint32_t nexthop;
    union answer answer;
    struct nlattr *nest;

    (void)state;
    put_route(&answer, AF_INET, "10.0.0.0", 8);
    mnl_attr_put_u32(&answer.message, RTA_NH_ID, 7);
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop), 0);
    assert_int_equal(nexthop, 7);
    assert_int_equal(ng_routes_decode_route(&answer.message, 1, &route, &nexthop),
                     NG_ROUTES_NOT_ONE);

    /* The kernel tells the way, too, or there is none. */
    mnl_attr_put_u32(&answer.message, RTA_OIF, 1);
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop), 0);
    assert_int_equal(nexthop, 0);
    put_route(&answer, AF_INET, "10.0.0.0", 8);
    mnl_attr_put_u32(&answer.message, RTA_NH_ID, 7);
    nest = mnl_attr_nest_start(&answer.message, RTA_MULTIPATH);
    put_hop(&answer, 3, 0, NULL);
    mnl_attr_nest_end(&answer.message, nest);
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop), 0);
    assert_int_equal(nexthop, 0);
    put_route(&answer, AF_INET6, "2001:db8::", 32)->rtm_type = RTN_BLACKHOLE;
    mnl_attr_put_u32(&answer.message, RTA_NH_ID, 7);
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop), 0);
    assert_int_equal(nexthop, 0);
}

static void malformed_routes_are_refused(void **state) {
    struct ng_route route;
    uint32_t nexthop;
    union answer answer;

    (void)state;
    put_route(&answer, AF_INET, "10.0.0.0", 33);
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop), -EBADMSG);
    put_route(&answer, AF_INET, NULL, 8);
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop), -EBADMSG);
    put_route(&answer, AF_INET6, NULL, 8);
    put_addr(&answer, RTA_DST, AF_INET, "10.0.0.0");
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop), -EBADMSG);
    put_route(&answer, AF_INET, NULL, 0);
    answer.message.nlmsg_len -= 1;
    assert_int_equal(ng_routes_decode_route(&answer.message, 0, &route, &nexthop), -EBADMSG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_is_read),
        cmocka_unit_test(the_first_living_hop_counts),
        cmocka_unit_test(what_is_no_route_of_the_table_is_left_out),
        cmocka_unit_test(a_nexthop_object_is_named),
        cmocka_unit_test(malformed_routes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
