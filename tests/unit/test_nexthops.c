/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "agent/observe/nexthops.h"
#include "tests/unit/fixture_answer.h"

static struct nhmsg *put_nexthop(union answer *answer, uint32_t id) {
    struct nhmsg *header = begin_answer(answer, RTM_NEWNEXTHOP, sizeof(*header));

    mnl_attr_put_u32(&answer->message, NHA_ID, id);
    return header;
}

static void put_group(union answer *answer, uint32_t id, uint32_t one, uint32_t other) {
    const struct nexthop_grp members[] = {{.id = one}, {.id = other, .weight = 5}};

    put_nexthop(answer, id);
    mnl_attr_put(&answer->message, NHA_GROUP, sizeof(members), members);
}

/* In the order of their ids: 1 by link 11, 2 by link 12 and a gateway, 3 to nowhere, 4 dead, 5 of
 * 1 and 2, 6 of 4 and 2, 7 of 1 and one that is not there. */
static struct ng_nexthops some(void) {
    struct ng_nexthops nexthops = {.arena = ng_arena_new()};
    union answer answer;

    put_nexthop(&answer, 1);
    mnl_attr_put_u32(&answer.message, NHA_OIF, 11);
    assert_int_equal(ng_nexthops_decode(&nexthops, &answer.message), 0);
    put_nexthop(&answer, 2);
    mnl_attr_put_u32(&answer.message, NHA_OIF, 12);
    put_addr(&answer, NHA_GATEWAY, AF_INET, "192.0.2.1");
    assert_int_equal(ng_nexthops_decode(&nexthops, &answer.message), 0);
    put_nexthop(&answer, 3);
    mnl_attr_put(&answer.message, NHA_BLACKHOLE, 0, NULL);
    assert_int_equal(ng_nexthops_decode(&nexthops, &answer.message), 0);
    put_nexthop(&answer, 4)->nh_flags = RTNH_F_DEAD;
    mnl_attr_put_u32(&answer.message, NHA_OIF, 14);
    assert_int_equal(ng_nexthops_decode(&nexthops, &answer.message), 0);
    put_group(&answer, 5, 1, 2);
    assert_int_equal(ng_nexthops_decode(&nexthops, &answer.message), 0);
    put_group(&answer, 6, 4, 2);
    assert_int_equal(ng_nexthops_decode(&nexthops, &answer.message), 0);
    put_group(&answer, 7, 1, 99);
    assert_int_equal(ng_nexthops_decode(&nexthops, &answer.message), 0);
    assert_int_equal(nexthops.count, 7);
    return nexthops;
}

static void a_nexthop_gives_a_route_its_way(void **state) {
    const struct {
        uint32_t id;
        size_t hop;
        int r;
        uint32_t oif;
        bool has_gateway;
        uint8_t type;
    } cases[] = {
        {1, 0, 0, 11, false, NG_ROUTE_UNICAST},
        {1, 1, 1, 0, false, 0},
        {2, 0, 0, 12, true, NG_ROUTE_UNICAST},
        {3, 0, 0, 0, false, NG_ROUTE_BLACKHOLE},
        {4, 0, 1, 0, false, 0},
        {5, 0, 0, 11, false, NG_ROUTE_UNICAST},
        {5, 1, 0, 12, true, NG_ROUTE_UNICAST},
        {5, 2, 1, 0, false, 0},
        {6, 0, 0, 12, true, NG_ROUTE_UNICAST},
        {6, 1, 1, 0, false, 0},
        {7, 1, -ENOENT, 0, false, 0},
        {8, 0, -ENOENT, 0, false, 0},
    };
    struct ng_nexthops nexthops = some();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ng_route route = {.type = NG_ROUTE_UNICAST};

        assert_int_equal(ng_nexthops_resolve(&nexthops, cases[i].id, cases[i].hop, &route),
                         cases[i].r);
        if (cases[i].r != 0)
            continue;
        assert_int_equal(route.oif, cases[i].oif);
        assert_int_equal(route.has_gateway, cases[i].has_gateway);
        assert_int_equal(route.type, cases[i].type);
    }
    ng_arena_free(nexthops.arena);
}

static void malformed_nexthops_are_refused(void **state) {
    struct ng_nexthops nexthops = {.arena = ng_arena_new()};
    union answer answer;

    (void)state;
    put_nexthop(&answer, 0);
    assert_int_equal(ng_nexthops_decode(&nexthops, &answer.message), -EBADMSG);
    put_nexthop(&answer, 1);
    mnl_attr_put(&answer.message, NHA_GROUP, 3, "abc");
    assert_int_equal(ng_nexthops_decode(&nexthops, &answer.message), -EBADMSG);
    put_nexthop(&answer, 1);
    answer.message.nlmsg_type = RTM_DELNEXTHOP;
    assert_int_equal(ng_nexthops_decode(&nexthops, &answer.message), 0);
    assert_int_equal(nexthops.count, 0);
    ng_arena_free(nexthops.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nexthop_gives_a_route_its_way),
        cmocka_unit_test(malformed_nexthops_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
