/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which way a packet goes: rules and tables of routing, kinds of addresses, valid sources. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/reach/route.h"
#include "policy/reach/source.h"
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

/* Rules in the order written, before those of a fresh host. */
static void lead_with(struct lab *lab, const struct ng_route_rule *rules, size_t count) {
    while (count-- > 0) {
        lab_route_rule(lab, rules[count]);
        lab->route_rules[0].family = NG_IP4;
    }
}

/* Tables 100 and 101, by eth1 and docker0; rules that jump over others. */
static struct lab *with_two_tables(void) {
    struct lab *lab = lab_new();
    lab_route(lab, NG_ROUTE_UNICAST, 100, "0.0.0.0/0", ETH1);
    lab_route(lab, NG_ROUTE_UNICAST, 101, "0.0.0.0/0", DOCKER0);
    return lab;
}

static void test_goto(void **state) {
    const struct ng_route_rule rules[] = {
        {.action = 2, .target = 100, .priority = 1, .fwmark = 1, .fwmask = 1},
        {.action = 2, .target = 99, .priority = 2, .fwmark = 2, .fwmask = 2}, /* to nowhere */
        {.action = 8, .priority = 50},
        {.action = 1, .table = 100, .priority = 100},
    };
    _lab_ lab = with_two_tables();
    (void)state;
    lead_with(lab, rules, ARRAY_SIZE(rules));
    /* There may be a rule of that priority for the other family. */
    lab->route_rules[lab->world.n_route_rules++] =
        (struct ng_route_rule){.family = NG_IP6, .action = 3, .priority = 99};
    assert_string_equal(look_up_marked(lab, "198.51.100.1", true, 0), "unreachable");
    assert_string_equal(look_up_marked(lab, "198.51.100.1", true, 1), "unicast eth1");
    assert_string_equal(look_up_marked(lab, "198.51.100.1", true, 2), "unreachable");
    /* Where nobody knows the mark, both. */
    assert_string_equal(look_up_marked(lab, "198.51.100.1", false, 0), "unreachable, unicast eth1");
}

/* A goto that holds for certain, among rules that may be skipped, skips nothing for those who are
 * not there. */
static void test_a_goto_over_a_target(void **state) {
    const struct ng_route_rule rules[] = {
        {.action = 2, .target = 100, .priority = 1, .fwmark = 1, .fwmask = 1},
        {.action = 2, .target = 200, .priority = 2},
        {.action = 1, .table = 100, .priority = 100},
        {.action = 1, .table = 101, .priority = 200},
    };
    _lab_ lab = with_two_tables();
    (void)state;
    lead_with(lab, rules, ARRAY_SIZE(rules));
    assert_string_equal(look_up_marked(lab, "198.51.100.1", true, 0), "unicast docker0");
    assert_string_equal(look_up_marked(lab, "198.51.100.1", true, 1), "unicast eth1");
    assert_string_equal(look_up_marked(lab, "198.51.100.1", false, 0),
                        "unicast eth1, unicast docker0");
}

/* As WireGuard has it: the main table without its default route, then one of its own. */
static void test_suppressed_routes(void **state) {
    const struct ng_route_rule rules[] = {
        {.action = 1, .table = 254, .suppresses = true, .suppress_len = 16},
        {.action = 1, .table = 100},
    };
    _lab_ lab = with_two_tables();
    (void)state;
    lab_route(lab, NG_ROUTE_UNICAST, 254, "198.0.0.0/17", DOCKER0);
    lab_route(lab, NG_ROUTE_BLACKHOLE, 254, "203.0.0.0/8", 0);
    lead_with(lab, rules, ARRAY_SIZE(rules));
    assert_string_equal(look_up(lab, "8.8.8.8"), "unicast eth1");
    assert_string_equal(look_up(lab, "198.0.1.1"), "unicast docker0"); /* one bit more */
    assert_string_equal(look_up(lab, "172.17.0.9"), "unicast eth1");   /* as many */
    assert_string_equal(look_up(lab, "203.0.113.1"), "blackhole");     /* refuses all the same */
}

/* The rule for VRFs asks the table of the packet's own, and does not hold for others. */
static void test_the_table_of_a_vrf(void **state) {
    _lab_ lab = with_two_tables();
    struct ng_route_query query = {.family = NG_IP4, .daddr = 0xc6336401, .vrf_table = 100};
    struct ng_route_result result[4];
    (void)state;
    lab_route_rule(lab, (struct ng_route_rule){.family = NG_IP4, .action = 1});
    assert_int_equal(ng_route_lookup(&lab->world, &query, result, 4), 1);
    assert_int_equal(result[0].oif, ETH1);
    query.vrf_table = 0;
    assert_int_equal(ng_route_lookup(&lab->world, &query, result, 4), 1);
    assert_int_equal(result[0].oif, ETH0);
}

/* What is known of the packet decides; what is not, may hold. */
static void test_source_protocol_and_ports(void **state) {
    static const struct {
        struct ng_route_rule rule;
        const char *known, *unknown;
    } table_[] = {
        {{.src = {NG_IP4, 0x0a000000}, .src_len = 8}, "eth1", "eth1, eth0"},
        {{.src = {NG_IP4, 0x0b000000}, .src_len = 8}, "eth0", "eth1, eth0"},
        {{.src = {NG_IP4, 0x0b000000}, .src_len = 8, .invert = true}, "eth1", "eth1, eth0"},
        {{.proto = NG_TCP}, "eth1", "eth1, eth0"},
        {{.proto = NG_UDP}, "eth0", "eth1, eth0"},
        {{.sport_lo = 1000, .sport_hi = 1024}, "eth1", "eth1, eth0"},
        {{.sport_lo = 1024, .sport_hi = 1025}, "eth1", "eth1, eth0"},
        {{.sport_lo = 1025, .sport_hi = 1026}, "eth0", "eth1, eth0"},
        {{.dport_lo = 80, .dport_hi = 80}, "eth1", "eth1, eth0"},
        {{.dport_lo = 0, .dport_hi = 79}, "eth0", "eth1, eth0"},
        {{.fwmark = 0, .fwmask = 0xff}, "eth0", "eth1, eth0"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++)
        for (unsigned known = 0; known < 2; known++) {
            _lab_ lab = with_two_tables();
            struct ng_route_rule rule = table_[i].rule;
            const struct ng_route_query query = {.family = NG_IP4,
                                                 .daddr = 0xc6336401,
                                                 .saddr_known = known,
                                                 .saddr = 0x0a000007,
                                                 .ports_known = known,
                                                 .proto = NG_TCP,
                                                 .sport = 1024,
                                                 .dport = 80,
                                                 .mark_known = known,
                                                 .mark = 7};
            struct ng_route_result results[4];
            rule.action = 1;
            rule.table = 100;
            lead_with(lab, &rule, 1);
            size_t n = ng_route_lookup(&lab->world, &query, results, ARRAY_SIZE(results));
            const char *text = lab->links[results[0].oif - 1].name;
            if (n > 1)
                text = ng_arena_printf(lab->arena, "%s, %s", text,
                                       lab->links[results[1].oif - 1].name);
            assert_string_equal(text, known ? table_[i].known : table_[i].unknown);
            assert_int_equal(results[0].doubtful, !known);
        }
}

/* Until somebody adds a rule, the tables local and main are one: the longest prefix wins. */
static void test_local_and_main_in_one(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    lab_route(lab, NG_ROUTE_LOCAL, 255, "203.0.113.0/25", LO);
    lab_route(lab, NG_ROUTE_PROHIBIT, 254, "203.0.113.64/26", 0);
    lab_route(lab, NG_ROUTE_UNICAST, 254, "203.0.113.0/25", ETH1);
    assert_string_equal(look_up(lab, "203.0.113.1"), "local lo"); /* of equals the local one */
    assert_string_equal(look_up(lab, "203.0.113.77"), "prohibit");
    assert_int_equal(ng_route_addr_type(&lab->world, NG_IP4, 0xcb00714d, 0), NG_ROUTE_UNICAST);
    assert_false(ng_has_custom_rules(&lab->world));
    lab_route_rule(lab, (struct ng_route_rule){.family = NG_IP6, .action = 3, .priority = 5});
    assert_string_equal(look_up(lab, "203.0.113.77"), "prohibit");
    lab_route_rule(
        lab, (struct ng_route_rule){.family = NG_IP4, .action = 1, .table = 255, .priority = 5});
    assert_true(ng_has_custom_rules(&lab->world));
    assert_string_equal(look_up(lab, "203.0.113.77"), "local lo");
    /* IPv6 has them apart at all times. */
    lab_route(lab, NG_ROUTE_LOCAL, 255, "2001:db8:7::/48", LO);
    lab_route(lab, NG_ROUTE_PROHIBIT, 254, "2001:db8:7:7::/64", 0);
    assert_string_equal(look_up(lab, "2001:db8:7:7::1"), "local lo");
}

/* A route with several hops, and one link alone that counts. */
static void test_hops(void **state) {
    _lab_ lab = lab_new();
    struct ng_route_query query = {
        .family = NG_IP6, .iif_name = "eth0", .mark_known = true, .only_oif = DOCKER0};
    struct ng_route_result results[4];
    (void)state;
    query.daddr = addr("2001:db8:5::1").value;
    lab_route(lab, NG_ROUTE_UNICAST, 254, "2001:db8:5::/48", ETH0);
    lab_route(lab, NG_ROUTE_UNICAST, 254, "2001:db8:5::/48", DOCKER0);
    assert_string_equal(look_up(lab, "2001:db8:5::1"), "unicast eth0, unicast docker0");
    assert_int_equal(ng_route_lookup(&lab->world, &query, results, ARRAY_SIZE(results)), 1);
    assert_int_equal(results[0].oif, DOCKER0);
    assert_false(results[0].doubtful);
    query.only_oif = ETH1;
    assert_int_equal(ng_route_lookup(&lab->world, &query, results, ARRAY_SIZE(results)), 1);
    assert_int_equal(results[0].type, 0);
    /* No more results than there is room for. */
    assert_int_equal(
        ng_route_lookup(&lab->world, &(struct ng_route_query){.family = NG_IP4}, results, 1), 1);
    /* Only what is unicast has hops. */
    lab_route(lab, NG_ROUTE_BROADCAST, 255, "198.51.100.255/32", ETH0);
    lab_route(lab, NG_ROUTE_BROADCAST, 255, "198.51.100.255/32", ETH1);
    assert_string_equal(look_up(lab, "198.51.100.255"), "broadcast eth0");
    /* Of another metric it is another route. */
    for (size_t i = 0; i < lab->world.n_routes; i++)
        if (lab->routes[i].prefix_len == 48 && lab->routes[i].oif == DOCKER0)
            lab->routes[i].priority = 1024;
    assert_string_equal(look_up(lab, "2001:db8:5::1"), "unicast eth0");
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
        {"2001:db8::2", 0, NG_ROUTE_UNICAST},   {"2001:db8::1", ETH1, NG_ROUTE_UNICAST},
        {"fe80::1", ETH1, NG_ROUTE_LOCAL},      {"fe80::1", ETH0, NG_ROUTE_UNICAST},
        {"fe80::2", ETH1, NG_ROUTE_UNICAST},    {"fe80::2", DOCKER0, NG_ROUTE_UNREACHABLE},
        {"2001:db8::", 0, NG_ROUTE_ANYCAST},    {"2001:db8:6::1", 0, NG_ROUTE_PROHIBIT},
    };
    _lab_ lab = lab_new();
    (void)state;
    lab_addr(lab, ETH1, "fe80::1", 64);
    lab_route(lab, NG_ROUTE_UNICAST, 254, "fe80::/64", ETH0);
    lab_route(lab, NG_ROUTE_ANYCAST, 255, "2001:db8::/128", ETH0);
    lab_route(lab, NG_ROUTE_PROHIBIT, 254, "2001:db8:6::/48", 0);
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
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_longest_prefix_and_metric),
        cmocka_unit_test(test_many_routes),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_goto),
        cmocka_unit_test(test_a_goto_over_a_target),
        cmocka_unit_test(test_suppressed_routes),
        cmocka_unit_test(test_the_table_of_a_vrf),
        cmocka_unit_test(test_source_protocol_and_ports),
        cmocka_unit_test(test_local_and_main_in_one),
        cmocka_unit_test(test_hops),
        cmocka_unit_test(test_unknown_mark),
        cmocka_unit_test(test_no_rules_at_all),
        cmocka_unit_test(test_address_types),
        cmocka_unit_test(test_valid_sources),
        cmocka_unit_test(test_find_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
