/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "agent/observe/traffic_control.h"
#include "tests/unit/fixture_answer.h"

static void put_tc(union answer *answer, uint16_t type, const char *kind, uint32_t handle) {
    struct tcmsg *header = begin_answer(answer, type, sizeof(*header));

    header->tcm_ifindex = 4;
    header->tcm_handle = handle;
    if (kind)
        mnl_attr_put_strz(&answer->message, TCA_KIND, kind);
}

static void filters_hang_on_disciplines(void **state) {
    const struct {
        const char *kind;
        uint32_t handle;
        size_t n;
        uint32_t parents[2];
        bool queue;
    } cases[] = {
        {"ingress", 0xffff0000, 1, {0xfffffff2}, false},
        {"clsact", 0xffff0000, 2, {0xfffffff2, 0xfffffff3}, false},
        {"htb", 0x10000, 1, {0x10000}, true},
        {"fq_codel", 0, 0, {0}, false},
        {"mq", 0, 0, {0}, false},
    };
    struct ng_tc_place places[2];
    union answer answer;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t n = 9;

        put_tc(&answer, RTM_NEWQDISC, cases[i].kind, cases[i].handle);
        assert_int_equal(ng_traffic_control_decode_qdisc(&answer.message, places, &n), 0);
        assert_int_equal(n, cases[i].n);
        for (size_t j = 0; j < n; j++) {
            assert_int_equal(places[j].link, 4);
            assert_int_equal(places[j].parent, cases[i].parents[j]);
            assert_int_equal(places[j].queue, cases[i].queue);
        }
    }
}

static bool judges(union answer *answer, bool queue) {
    bool result = false;

    assert_int_equal(ng_traffic_control_decode_filter(&answer->message, queue, &result), 0);
    return result;
}

static void put_option(union answer *answer, uint16_t type) {
    struct nlattr *options = mnl_attr_nest_start(&answer->message, TCA_OPTIONS);

    mnl_attr_put_u32(&answer->message, type, 0);
    mnl_attr_nest_end(&answer->message, options);
}

static void a_filter_of_a_queue_only_sorts_without_an_action(void **state) {
    static const char *const kinds[] = {"basic", "cgroup",   "flow",  "flower",
                                        "fw",    "matchall", "route", "u32"};
    static const uint16_t acts[] = {TCA_BASIC_ACT, TCA_CGROUP_ACT,   TCA_FLOW_ACT,   TCA_FLOWER_ACT,
                                    TCA_FW_ACT,    TCA_MATCHALL_ACT, TCA_ROUTE4_ACT, TCA_U32_ACT};
    union answer answer;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        put_tc(&answer, RTM_NEWTFILTER, kinds[i], 0);
        assert_false(judges(&answer, true));
        assert_true(judges(&answer, false));
        put_option(&answer, acts[i]);
        assert_true(judges(&answer, true));
    }
    put_tc(&answer, RTM_NEWTFILTER, "u32", 0);
    put_option(&answer, TCA_U32_CLASSID);
    assert_false(judges(&answer, true));
    put_tc(&answer, RTM_NEWTFILTER, "u32", 0);
    put_option(&answer, TCA_U32_POLICE);
    assert_true(judges(&answer, true));
    /* A program may do anything, and so may what is not known. */
    put_tc(&answer, RTM_NEWTFILTER, "bpf", 0);
    assert_true(judges(&answer, true));
    put_tc(&answer, RTM_NEWTFILTER, "new", 0);
    assert_true(judges(&answer, true));
}

static void other_messages_are_neither(void **state) {
    struct ng_tc_place places[2];
    union answer answer;
    bool result = true;
    size_t n = 9;

    (void)state;
    put_tc(&answer, RTM_NEWTCLASS, "htb", 1);
    assert_int_equal(ng_traffic_control_decode_qdisc(&answer.message, places, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(ng_traffic_control_decode_filter(&answer.message, false, &result), 0);
    assert_false(result);
}

static void malformed_messages_are_refused(void **state) {
    struct ng_tc_place places[2];
    union answer answer;
    bool result;
    size_t n;

    (void)state;
    put_tc(&answer, RTM_NEWQDISC, NULL, 1);
    assert_int_equal(ng_traffic_control_decode_qdisc(&answer.message, places, &n), -EBADMSG);
    put_tc(&answer, RTM_NEWQDISC, NULL, 1);
    mnl_attr_put(&answer.message, TCA_KIND, 3, "htb");
    assert_int_equal(ng_traffic_control_decode_qdisc(&answer.message, places, &n), -EBADMSG);
    put_tc(&answer, RTM_NEWTFILTER, NULL, 1);
    assert_int_equal(ng_traffic_control_decode_filter(&answer.message, true, &result), -EBADMSG);
    put_tc(&answer, RTM_NEWTFILTER, "u32", 1);
    mnl_attr_put(&answer.message, TCA_OPTIONS, 3, "abc");
    assert_int_equal(ng_traffic_control_decode_filter(&answer.message, true, &result), -EBADMSG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_hang_on_disciplines),
        cmocka_unit_test(a_filter_of_a_queue_only_sorts_without_an_action),
        cmocka_unit_test(other_messages_are_neither),
        cmocka_unit_test(malformed_messages_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
