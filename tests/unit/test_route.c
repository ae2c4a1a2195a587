/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which way a packet goes: rules and tables of routing, kinds of addresses, valid sources. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/reach/route.h"
#include "tests/unit/fixture_random.h"
#include "tests/unit/fixture_world.h"

/* "unicast eth0", or several of them where it is not certain. */
static const char *look_up_marked(struct lab *lab, const char *daddr, bool mark_known,
                                  uint32_t mark) {
    static const char *const types[] = {"none",      "unicast",     "local",
                                        "broadcast", "anycast",     "multicast",
                                        "blackhole", "unreachable", "prohibit"};
    struct ng_addr destination = addr(daddr);
    const struct ng_route_query query = {.family = destination.family,
                                         .iif = ETH0,
                                         .iif_name = "eth0",
                                         .daddr = destination.value,
                                         .mark_known = mark_known,
                                         .mark = mark};
    struct ng_route_result results[4];
    const char *text = "";
    size_t n = ng_route_lookup(&lab->world, &query, results, ARRAY_SIZE(results));
    assert_true(n > 0 && n <= ARRAY_SIZE(results));
    for (size_t i = 0; i < n; i++) {
        text = ng_arena_printf(lab->arena, "%s%s%s", text, i ? ", " : "", types[results[i].type]);
        if (results[i].oif)
            text = ng_arena_printf(lab->arena, "%s %s", text, lab->links[results[i].oif - 1].name);
    }
    return text;
}

static const char *look_up(struct lab *lab, const char *daddr) {
    return look_up_marked(lab, daddr, true, 0);
}

static void test_lookup(void **state) {
    static const struct {
        const char *daddr, *result;
    } table_[] = {
        {"192.0.2.1", "local eth0"},       {"10.0.0.1", "local eth1"},
        {"127.0.0.1", "local lo"},         {"127.9.9.9", "local lo"},
        {"192.0.2.255", "broadcast eth0"}, {"192.0.2.77", "unicast eth0"},
        {"10.0.0.255", "broadcast eth1"},  {"172.17.3.4", "unicast docker0"},
        {"8.8.8.8", "unicast eth0"},       {"::1", "local lo"},
        {"2001:db8::1", "local eth0"},     {"fd00::9", "unicast docker0"},
        {"2001:db8:9::1", "unicast eth0"},
    };
    _lab_ lab = lab_new();
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++)
        assert_string_equal(look_up(lab, table_[i].daddr), table_[i].result);
}

static void test_longest_prefix_and_metric(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    lab_route(lab, NG_ROUTE_UNICAST, 254, "198.51.0.0/16", ETH1);
    lab_route(lab, NG_ROUTE_PROHIBIT, 254, "198.51.100.0/24", 0);
    assert_string_equal(look_up(lab, "198.51.99.1"), "unicast eth1");
    assert_string_equal(look_up(lab, "198.51.100.1"), "prohibit");
    assert_string_equal(look_up(lab, "198.52.0.1"), "unicast eth0");
    for (size_t i = 0; i < lab->world.n_routes; i++)
        if (lab->routes[i].prefix_len == 16 && lab->routes[i].oif == ETH1)
            lab->routes[i].priority = 10;
    lab_route(lab, NG_ROUTE_UNICAST, 254, "198.51.0.0/16", DOCKER0); /* of a better metric */
    assert_string_equal(look_up(lab, "198.51.99.1"), "unicast docker0");
}

/* Against a walk over all routes. */
static void test_many_routes(void **state) {
    struct dice dice = {0x707e5};
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        _lab_ lab = lab_new();
        for (unsigned n = roll(&dice, 40); n > 0; n--) {
            unsigned len = roll(&dice, 33);
            char text[NG_ADDR_TEXT];
            struct ng_addr net = {NG_IP4, dice_next(&dice) & 0xf00ff00f & ng_prefix_mask(4, len)};
            lab_route(lab, NG_ROUTE_UNICAST, 254, ng_prefix_text(net, len, text),
                      ETH0 + roll(&dice, 3));
        }
        for (unsigned n = 0; n < 50; n++) {
            char text[NG_ADDR_TEXT];
            struct ng_addr to_addr = {NG_IP4, dice_next(&dice) & 0xf00ff00f};
            const struct ng_route *best = NULL;
            for (size_t i = 0; i < lab->world.n_routes; i++) {
                const struct ng_route *route = &lab->routes[i];
                ng_u128 rest = ng_family_max(NG_IP4) ^ ng_prefix_mask(NG_IP4, route->prefix_len);
                if (route->dst.family == NG_IP4 && route->table == 254 &&
                    (to_addr.value | rest) == (route->dst.value | rest) &&
                    (!best || route->prefix_len > best->prefix_len))
                    best = route;
            }
            if (to_addr.value >> 24 == 127) /* the local table's */
                continue;
            /* Equal prefixes by other links are hops of one route: any of them. */
            const char *wanted = "";
            for (size_t i = 0; i < lab->world.n_routes; i++) {
                const struct ng_route *route = &lab->routes[i];
                const char *name = lab->links[route->oif - 1].name;
                if (ng_addr_equal(route->dst, best->dst) && route->table == best->table &&
                    route->prefix_len == best->prefix_len && !strstr(wanted, name))
                    wanted = ng_arena_printf(lab->arena, "%s%sunicast %s", wanted,
                                             *wanted ? ", " : "", name);
            }
            assert_string_equal(look_up(lab, ng_addr_text(to_addr, text)), wanted);
        }
    }
}

static void test_rules(void **state) {
    static const struct {
        struct ng_route_rule rule;
        const char *result;
    } table_[] = {
        {{.iif = "eth0"}, "unicast eth1"},
        {{.iif = "eth1"}, "unicast eth0"},
        {{.iif = "eth1", .invert = true}, "unicast eth1"},
        {{.oif = "eth0"}, "unicast eth0"}, /* of what the machine itself sends */
        {{.dst = {NG_IP4, 0xc6336400}, .dst_len = 24}, "unicast eth1"},
        {{.dst = {NG_IP4, 0xc6336500}, .dst_len = 24}, "unicast eth0"},
        {{.fwmark = 5, .fwmask = 0xff}, "unicast eth1"},
        {{.fwmark = 6, .fwmask = 0xff}, "unicast eth0"},
        {{.fwmark = 4, .fwmask = 0x4}, "unicast eth1"},
        {{.src = {NG_IP4, 0x0a000000}, .src_len = 8}, "unicast eth1, unicast eth0"},
        {{.other_selectors = true}, "unicast eth1, unicast eth0"},
        {{.other_selectors = true, .invert = true}, "unicast eth1, unicast eth0"},
        {{.action = 8}, "unreachable"},   /* FR_ACT_PROHIBIT */
        {{.action = 3}, "unicast eth0"},  /* FR_ACT_NOP */
        {{.table = 101}, "unicast eth0"}, /* empty */
        {{.table = 102}, "unicast eth0"}, /* throws */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        struct ng_route_rule rule = table_[i].rule;
        lab_route(lab, NG_ROUTE_UNICAST, 100, "0.0.0.0/0", ETH1);
        lab_route(lab, NG_ROUTE_THROW, 102, "0.0.0.0/0", 0);
        rule.family = NG_IP4;
        rule.action = rule.action ? rule.action : 1;
        rule.table = rule.table ? rule.table : 100;
        lab_route_rule(lab, rule);
        assert_string_equal(look_up_marked(lab, "198.51.100.1", true, 0x105), table_[i].result);
        assert_string_equal(look_up(lab, "2001:db8:9::1"), "unicast eth0");
    }
}

static void test_unknown_mark(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    lab_route(lab, NG_ROUTE_UNICAST, 100, "0.0.0.0/0", ETH1);
    lab_route_rule(lab, (struct ng_route_rule){
                            .family = NG_IP4, .action = 1, .table = 100, .fwmark = 1, .fwmask = 1});
    assert_string_equal(look_up_marked(lab, "198.51.100.1", false, 0),
                        "unicast eth1, unicast eth0");
}

static void test_no_rules_at_all(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    lab->world.n_route_rules = 0;
    assert_string_equal(look_up(lab, "192.0.2.1"), "none");
}

static void test_address_types(void **state) {
    static const struct {
        const char *daddr;
        uint32_t iif;
        uint8_t type;
    } table_[] = {
        {"192.0.2.1", 0, NG_ROUTE_LOCAL},       {"192.0.2.1", ETH0, NG_ROUTE_LOCAL},
        {"192.0.2.1", ETH1, NG_ROUTE_UNICAST},  {"127.0.0.1", 0, NG_ROUTE_LOCAL},
        {"192.0.2.255", 0, NG_ROUTE_BROADCAST}, {"255.255.255.255", 0, NG_ROUTE_BROADCAST},
        {"0.0.0.0", 0, NG_ROUTE_BROADCAST},     {"224.0.0.1", 0, NG_ROUTE_MULTICAST},
        {"8.8.8.8", 0, NG_ROUTE_UNICAST},       {"198.51.100.1", 0, NG_ROUTE_UNICAST},
        {"2001:db8::1", 0, NG_ROUTE_LOCAL},     {"ff02::1", 0, NG_ROUTE_MULTICAST},
        {"2001:db8::2", 0, NG_ROUTE_UNICAST},
    };
    _lab_ lab = lab_new();
    (void)state;
    lab_route(lab, NG_ROUTE_BLACKHOLE, 254, "198.51.100.0/24", 0); /* not of the local table */
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        struct ng_addr destination = addr(table_[i].daddr);
        if (ng_route_addr_type(&lab->world, destination.family, destination.value, table_[i].iif) !=
            table_[i].type)
            fail_msg("%s", table_[i].daddr);
    }
}

static const char *sources(struct lab *lab, uint32_t link) {
    struct ng_addrset set;
    assert_int_equal(ng_route_sources(&lab->world, &lab->links[link - 1], lab->arena, &set), 0);
    return addrs_text(lab, set, NG_IP4);
}

static void test_valid_sources(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    assert_string_equal(sources(lab, ETH0), "all");
    lab->world.n_routes = 0;
    lab->world.n_ifaddrs = 0;
    lab_route(lab, NG_ROUTE_UNICAST, 254, "10.0.0.0/8", ETH0);
    lab_route(lab, NG_ROUTE_UNICAST, 254, "10.1.0.0/16", ETH1);
    lab_route(lab, NG_ROUTE_BLACKHOLE, 254, "10.2.0.0/16", 0);
    lab->links[ETH0 - 1].rp_filter = 1;
    assert_string_equal(sources(lab, ETH0), "0.0.0.0/8,10.0.0.0/16,10.3.0.0-10.255.255.255,"
                                            "127.0.0.0/8,224.0.0.0/3");
    lab->links[ETH0 - 1].rp_filter = 2;
    assert_string_equal(sources(lab, ETH0), "0.0.0.0/8,10.0.0.0/15,10.3.0.0-10.255.255.255,"
                                            "127.0.0.0/8,224.0.0.0/3");
    lab_route(lab, NG_ROUTE_UNICAST, 254, "0.0.0.0/0", ETH1);
    assert_string_equal(sources(lab, ETH0), "0.0.0.0-10.1.255.255,10.3.0.0-255.255.255.255");
}

static void test_find_link(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    for (uint32_t i = LO; i <= DOCKER0; i++)
        assert_ptr_equal(ng_link_find(&lab->world, i), &lab->links[i - 1]);
    assert_null(ng_link_find(&lab->world, 0));
    assert_null(ng_link_find(&lab->world, 99));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup),        cmocka_unit_test(test_longest_prefix_and_metric),
        cmocka_unit_test(test_many_routes),   cmocka_unit_test(test_rules),
        cmocka_unit_test(test_unknown_mark),  cmocka_unit_test(test_no_rules_at_all),
        cmocka_unit_test(test_address_types), cmocka_unit_test(test_valid_sources),
        cmocka_unit_test(test_find_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
