/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "agent/observe/route_rules.h"
#include "tests/unit/fixture_answer.h"

static struct fib_rule_hdr *put_rule(union answer *answer, uint8_t family) {
    struct fib_rule_hdr *header = begin_answer(answer, RTM_NEWRULE, sizeof(*header));

    header->family = family;
    header->action = FR_ACT_TO_TBL;
    header->table = RT_TABLE_MAIN;
    return header;
}

static int decode_rule(union answer *answer, struct ng_route_rule *ret_rule) {
    struct ng_arena *arena = ng_arena_new();
    int r = ng_route_rules_decode(arena, &answer->message, ret_rule);

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
    assert_string_equal(addr_text(rule.src), "10.0.0.0");
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
    static const uint16_t types[] = {FRA_TUN_ID, FRA_SUPPRESS_IFGROUP, 25 /* DSCP */, 40, 63};
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
    mnl_attr_put_u32(&answer.message, FRA_SUPPRESS_IFGROUP, UINT32_MAX);
    assert_int_equal(decode_rule(&answer, &rule), 0);
    assert_false(rule.other_selectors);
    put_rule(&answer, AF_INET)->tos = 4;
    assert_int_equal(decode_rule(&answer, &rule), 0);
    assert_true(rule.other_selectors);
}

static void put_ports(union answer *answer, uint16_t type, uint16_t lo, uint16_t hi) {
    const struct fib_rule_port_range range = {.start = lo, .end = hi};

    mnl_attr_put(&answer->message, type, sizeof(range), &range);
}

static void protocol_and_ports_are_read(void **state) {
    struct ng_route_rule rule;
    union answer answer;

    (void)state;
    put_rule(&answer, AF_INET);
    mnl_attr_put_u8(&answer.message, FRA_IP_PROTO, 6);
    put_ports(&answer, FRA_SPORT_RANGE, 80, 90);
    put_ports(&answer, FRA_DPORT_RANGE, 443, 443);
    mnl_attr_put_u16(&answer.message, 29, 0xffff);
    assert_int_equal(decode_rule(&answer, &rule), 0);
    assert_int_equal(rule.proto, 6);
    assert_int_equal(rule.sport_lo, 80);
    assert_int_equal(rule.sport_hi, 90);
    assert_int_equal(rule.dport_lo, 443);
    assert_int_equal(rule.dport_hi, 443);
    assert_false(rule.other_selectors);
}

static void ports_under_a_mask_are_a_range(void **state) {
    struct ng_route_rule rule;
    union answer answer;

    (void)state;
    put_rule(&answer, AF_INET6);
    put_ports(&answer, FRA_SPORT_RANGE, 0x1234, 0x1234);
    mnl_attr_put_u16(&answer.message, 28, 0xff00);
    assert_int_equal(decode_rule(&answer, &rule), 0);
    assert_int_equal(rule.sport_lo, 0x1200);
    assert_int_equal(rule.sport_hi, 0x12ff);
    assert_int_equal(rule.dport_hi, 0);
    assert_false(rule.other_selectors);

    /* Every other port is none. */
    put_rule(&answer, AF_INET6);
    put_ports(&answer, FRA_DPORT_RANGE, 1, 1);
    mnl_attr_put_u16(&answer.message, 29, 1);
    assert_int_equal(decode_rule(&answer, &rule), 0);
    assert_true(rule.other_selectors);
}

static void a_suppressor_is_read(void **state) {
    static const struct {
        uint32_t value;
        bool suppresses;
        uint8_t len;
    } cases[] = {{0, true, 0}, {24, true, 24}, {1000, true, 128}, {UINT32_MAX - 1, false, 0}};
    struct ng_route_rule rule;
    union answer answer;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        put_rule(&answer, AF_INET);
        mnl_attr_put_u32(&answer.message, FRA_SUPPRESS_PREFIXLEN, cases[i].value);
        assert_int_equal(decode_rule(&answer, &rule), 0);
        assert_int_equal(rule.suppresses, cases[i].suppresses);
        assert_int_equal(rule.suppress_len, cases[i].len);
        assert_false(rule.other_selectors);
    }
}

static void a_goto_is_read(void **state) {
    struct fib_rule_hdr *header;
    struct ng_route_rule rule;
    union answer answer;

    (void)state;
    header = put_rule(&answer, AF_INET);
    header->action = FR_ACT_GOTO;
    mnl_attr_put_u32(&answer.message, FRA_GOTO, 200);
    assert_int_equal(decode_rule(&answer, &rule), 0);
    assert_int_equal(rule.action, FR_ACT_GOTO);
    assert_int_equal(rule.target, 200);
    assert_false(rule.other_selectors);

    header->flags = FIB_RULE_UNRESOLVED;
    assert_int_equal(decode_rule(&answer, &rule), 0);
    assert_int_equal(rule.action, FR_ACT_NOP);
    assert_int_equal(rule.target, 0);
}

static void put_uids(union answer *answer, uint32_t start, uint32_t end) {
    const struct fib_rule_uid_range range = {.start = start, .end = end};

    mnl_attr_put(&answer->message, FRA_UID_RANGE, sizeof(range), &range);
}

/* Packets from outside count as root's. */
static void rules_for_users_hold_for_root_alone(void **state) {
    struct fib_rule_hdr *header;
    struct ng_route_rule rule;
    union answer answer;

    (void)state;
    put_rule(&answer, AF_INET);
    put_uids(&answer, 0, 5);
    mnl_attr_put_u32(&answer.message, FRA_FWMARK, 1);
    assert_int_equal(decode_rule(&answer, &rule), 0);
    assert_int_equal(rule.action, FR_ACT_TO_TBL);
    assert_int_equal(rule.fwmark, 1);
    assert_false(rule.other_selectors);

    header = put_rule(&answer, AF_INET);
    put_uids(&answer, 1, 5);
    mnl_attr_put_u32(&answer.message, FRA_FWMARK, 1);
    mnl_attr_put_u32(&answer.message, FRA_PRIORITY, 9);
    assert_int_equal(decode_rule(&answer, &rule), 0);
    assert_int_equal(rule.action, FR_ACT_NOP);
    assert_int_equal(rule.priority, 9);

    /* Of what is not so, nothing else has to be so. */
    header->flags = FIB_RULE_INVERT;
    assert_int_equal(decode_rule(&answer, &rule), 0);
    assert_int_equal(rule.action, FR_ACT_TO_TBL);
    assert_int_equal(rule.table, RT_TABLE_MAIN);
    assert_int_equal(rule.fwmark, 0);
    assert_false(rule.invert);
}

static void the_table_of_a_vrf_is_none_of_its_own(void **state) {
    struct fib_rule_hdr *header;
    struct ng_route_rule rule;
    union answer answer;

    (void)state;
    header = put_rule(&answer, AF_INET);
    mnl_attr_put_u8(&answer.message, FRA_L3MDEV, 1);
    assert_int_equal(decode_rule(&answer, &rule), 0);
    assert_int_equal(rule.action, FR_ACT_TO_TBL);
    assert_int_equal(rule.table, 0);
    assert_false(rule.other_selectors);

    header->action = FR_ACT_PROHIBIT;
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
    for (uint16_t type = FRA_UID_RANGE; type <= FRA_DPORT_RANGE; type++) {
        if (type == FRA_PROTOCOL || type == FRA_IP_PROTO)
            continue;
        put_rule(&answer, AF_INET);
        mnl_attr_put_u16(&answer.message, type, 1);
        assert_int_equal(decode_rule(&answer, &rule), -EBADMSG);
    }
    put_rule(&answer, AF_INET);
    put_ports(&answer, FRA_DPORT_RANGE, 1, 1);
    mnl_attr_put_u8(&answer.message, 29, 1);
    assert_int_equal(decode_rule(&answer, &rule), -EBADMSG);
    put_rule(&answer, AF_BRIDGE);
    assert_int_equal(decode_rule(&answer, &rule), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_is_read),
        cmocka_unit_test(other_selectors_are_noticed),
        cmocka_unit_test(protocol_and_ports_are_read),
        cmocka_unit_test(ports_under_a_mask_are_a_range),
        cmocka_unit_test(a_suppressor_is_read),
        cmocka_unit_test(a_goto_is_read),
        cmocka_unit_test(rules_for_users_hold_for_root_alone),
        cmocka_unit_test(the_table_of_a_vrf_is_none_of_its_own),
        cmocka_unit_test(malformed_rules_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
