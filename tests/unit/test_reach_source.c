/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sources as sets: what tests of them let through, and what routing says of them. */
#include "tests/unit/fixture_reach.h"

#include "policy/reach/source.h"
#include "tests/unit/fixture_random.h"

/* -- tests of the source -------------------------------------------------------------- */

static void test_source_ports(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    const struct ng_interval two[] = {{53, 53}, {1024, 0xffffff}};
    struct ng_addrset ports;
    (void)state;
    assert_int_equal(ng_addrset_from(lab->arena, two, 2, &ports), 0);
    RULE(lab, input, from(lab, "128.0.0.0/1"), match_set(lab, operand(NG_FIELD_SPORT), ports),
         ACCEPT);
    assert_string_equal(ask_host(lab),
                        "dropped all:0-52+0.0.0.0/1:53-53+all:54-1023+0.0.0.0/1:1024-65535 by "
                        "policy of 0; local 128.0.0.0/1:53-53+128.0.0.0/1:1024-65535 by 1");
}

static void test_source_of_another_family(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, false);
    (void)state;
    RULE(lab, input, is(lab, NG_FIELD_NFPROTO, 2), not(from(lab, "10.0.0.0/8")), DROP);
    assert_string_equal(ask(lab, ETH0, "2001:db8::1", NG_TCP, 80), "local all by policy of 0");
}

/* A mask that keeps no leading bits breaks the addresses into many stretches: exactly those. */
static void test_scattered_masks_of_an_address(void **state) {
    static const struct {
        ng_u128 mask, flip, lo, hi;
        const char *matching;
    } table_[] = {
        {0x40000000, 0, 0x40000000, 0x40000000, "64.0.0.0/2,192.0.0.0/2"},
        {0x40000000, 0x40000000, 0, 0, "64.0.0.0/2,192.0.0.0/2"},
        {0x40000000, 0, 1, lab_whole, "64.0.0.0/2,192.0.0.0/2"},
        {0x50000000, 0, 0x10000000, 0x40000000,
         "16.0.0.0/4,48.0.0.0-79.255.255.255,96.0.0.0/4,144.0.0.0/4,176.0.0.0-207.255.255.255,"
         "224.0.0.0/4"},
        {0x50000000, 0xa0000000, 0xb0000000, 0xb0000000,
         "16.0.0.0/4,48.0.0.0/4,144.0.0.0/4,176.0.0.0/4"},
        {lab_whole, 0x80000000, 0x0a000000, 0x0affffff, "138.0.0.0/8"},
        {0xffffff00, 0, 0x0a000100, 0x0a000100, "10.0.1.0/24"},
        {0xffffff00, 0, 0x0a000101, 0x0a0001ff, ""},
        {0, 0, 0, 0, "all"},
        {0, 5, 5, 5, "all"},
        {0, 5, 4, 4, ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t input = filter_chain(lab, INPUT, 0, true);
        RULE(lab, input,
             masked_match(lab, NG_FIELD_SADDR, table_[i].mask, table_[i].flip, table_[i].lo,
                          table_[i].hi),
             ACCEPT);
        const char *answer = ask_host(lab), *local = strstr(answer, "local ");
        const char *wanted = *table_[i].matching
                                 ? ng_arena_printf(lab->arena, "local %s by 1", table_[i].matching)
                                 : NULL;
        if (wanted ? !local || strcmp(local, wanted) != 0 : local != NULL)
            fail_msg("%zu: %s", i, answer);
    }
}

/* The whole of an IPv6 address under a mask in its middle. */
static void test_scattered_masks_of_an_ip6_address(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, input,
         masked_match(lab, NG_FIELD_SADDR, (ng_u128)0x4010 << 112, 0, (ng_u128)0x4010 << 112,
                      lab_whole),
         ACCEPT);
    struct ng_question question = question_to(ETH0, "2001:db8::1", NG_TCP, 80);
    assert_true(lets_in(lab, asked_from(question, "4010::1", 1)));
    assert_true(lets_in(lab, asked_from(question, "f01f:ffff::1", 1)));
    assert_false(lets_in(lab, asked_from(question, "4020::1", 1)));
    struct ng_answer answer = lab_ask(lab, &question);
    assert_int_equal(answer.n_outcomes, 2);
    assert_int_equal(answer.outcomes[1].fate, NG_FATE_LOCAL);
    /* Every second /12 of two quarters. */
    assert_int_equal(answer.outcomes[1].region.bands[0].addrs.count, 1024);
}

/* 12 bits free above the last one that is asked for: as many stretches as are taken apart. */
static void test_a_mask_that_takes_too_much(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_question question = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
    (void)state;
    RULE(lab, input, masked_match(lab, NG_FIELD_SADDR, 0x00080000, 0, 0x80000, 0x80000), ACCEPT);
    struct ng_answer answer = lab_ask(lab, &question);
    assert_int_equal(answer.n_undecided, 0);
    assert_int_equal(answer.outcomes[1].region.bands[0].addrs.count, 4096);
    assert_int_equal(answer.outcomes[1].region.bands[0].addrs.intervals[1].lo, 0x180000);
    assert_int_equal(answer.outcomes[1].region.bands[0].addrs.intervals[1].hi, 0x1fffff);

    lab->ruleset.n_rules = 0;
    RULE(lab, input, masked_match(lab, NG_FIELD_SADDR, 0x00004000, 0, 0x4000, 0x4000), ACCEPT);
    assert_string_equal(ask_host(lab), "dropped all by policy of 0; local all by 1 ? ip saddr & "
                                       "0.0.64.0 == 0.0.64.0");
    /* Of one source it is a matter of arithmetic. */
    assert_string_equal(ask_this(lab, asked_from(question, "1.2.64.1", 9)),
                        "local 1.2.64.1:9-9 by 1");
    assert_string_equal(ask_this(lab, asked_from(question, "1.2.63.1", 9)),
                        "dropped 1.2.63.1:9-9 by policy of 0");
    /* Nor does its negation claim to know. */
    lab->ruleset.n_rules = 0;
    RULE(lab, input, not(masked_match(lab, NG_FIELD_SADDR, 0x00004000, 0, 0x4000, 0x4000)), ACCEPT);
    assert_non_null(strstr(ask_host(lab), "dropped all by policy of 0; local all by 1 ?"));
}

/* A set that falls to pieces under the mask: the work is bounded, not the answer wrong. */
static void test_a_mask_and_a_set_that_take_too_much(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_interval even[1024];
    struct ng_addrset values;
    struct ng_operand of = operand(NG_FIELD_SADDR);
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(even); i++)
        even[i] = (struct ng_interval){2 * i, 2 * i};
    assert_int_equal(ng_addrset_from(lab->arena, even, ARRAY_SIZE(even), &values), 0);
    of.mask = 0x07ffffff;
    RULE(lab, input, match_set(lab, of, values), ACCEPT);
    struct ng_question question = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
    struct ng_answer answer = lab_ask(lab, &question);
    assert_int_equal(answer.n_undecided, 0);
    assert_int_equal(answer.outcomes[1].region.bands[0].addrs.count, 32 * ARRAY_SIZE(even));
    of.mask = 0xff8007ff; /* as many free bits as are taken apart, and a thousand values in each */
    lab->ruleset.n_rules = 0;
    RULE(lab, input, match_set(lab, of, values), ACCEPT);
    assert_memory_equal(ask_host(lab), "dropped all by policy of 0; local all by 1 ?", 43);
}

static void test_scattered_masks_of_a_port(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_question question = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
    (void)state;
    RULE(lab, input, masked_match(lab, NG_FIELD_SPORT, 0x8010, 0, 0x8010, 0x8010), ACCEPT);
    struct ng_answer answer = lab_ask(lab, &question);
    assert_int_equal(answer.n_outcomes, 2);
    const struct ng_region region = answer.outcomes[1].region;
    assert_int_equal(region.count, 1024); /* every second 16 of the upper half */
    assert_int_equal(region.bands[0].lo, 32784);
    assert_int_equal(region.bands[0].hi, 32799);
    assert_int_equal(region.bands[1023].hi, 65535);
    lab->ruleset.n_rules = 0;
    RULE(lab, input, not(masked_match(lab, NG_FIELD_SPORT, 0x8000, 0x8000, 0, 0)), ACCEPT);
    assert_string_equal(ask_host(lab),
                        "dropped all:32768-65535 by policy of 0; local all:0-32767 by 1");
}

/* An element that a set may have lost, or have got, under a mask too. */
static void test_expiring_elements_under_a_mask(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_op op = masked_match(lab, NG_FIELD_SADDR, 0xc0000000, 0, 0, 0);
    (void)state;
    ((struct ng_match *)op.match)->set_name = "s";
    ((struct ng_match *)op.match)->expiring = one_interval(lab, 0x80000000, 0x80000000);
    RULE(lab, input, op, ACCEPT);
    assert_string_equal(ask_host(lab), "dropped 64.0.0.0-255.255.255.255 by policy of 0; local "
                                       "0.0.0.0/2,128.0.0.0/2 by 1 ? ip saddr & 192.0.0.0 @s");
}

static void test_masked_sources_in_a_map(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_operand by[] = {operand(NG_FIELD_SADDR), operand(NG_FIELD_SPORT)};
    const struct ng_interval sides[] = {{0x40000000, 0x40000000}, {0, 1}, {0, lab_whole}, {8, 8}};
    (void)state;
    by[0].mask = 0x40000000;
    by[1].mask = 0xfff8;
    struct ng_match *map = box_match(lab, by, 2, sides, 2);
    box_of(map, 0)->verdict.kind = NG_VERDICT_ACCEPT;
    box_of(map, 1)->verdict.kind = NG_VERDICT_ACCEPT;
    RULE(lab, input, vmap_op(map));
    assert_string_equal(ask_host(lab),
                        "dropped 0.0.0.0/2,128.0.0.0/2:0-7+all:16-65535 by policy of 0; local "
                        "64.0.0.0/2,192.0.0.0/2:0-7+all:8-15 by 1");
}

/* -- what routing says of the source -------------------------------------------------- */

/* Does a rule with this test match everything that is asked? */
static void test_rpfilter_by_fib(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    (void)state;
    RULE(lab, raw, fib_is(lab, NG_FIELD_FIB_OIF, NG_FIB_SADDR | NG_FIB_IIF, 0), DROP);
    assert_string_equal(ask(lab, ETH1, "192.0.2.1", NG_TCP, 80),
                        "dropped 0.0.0.0-9.255.255.255,10.0.0.1,10.0.1.0-255.255.255.255 by 1; "
                        "local 10.0.0.0,10.0.0.2-10.0.0.255");
    assert_string_equal(ask(lab, DOCKER0, "fd00::1", NG_TCP, 80),
                        "dropped ::-fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,fd00::1,"
                        "fd00:0:0:1::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff by 1; local "
                        "fd00::,fd00::2-fd00::ffff:ffff:ffff:ffff");
    /* Without a link to come back by, any way will do. */
    lab->ruleset.n_rules = 0;
    RULE(lab, raw, fib_is(lab, NG_FIELD_FIB_PRESENT, NG_FIB_SADDR, 0), DROP);
    assert_string_equal(ask(lab, ETH1, "192.0.2.1", NG_TCP, 80),
                        "dropped 10.0.0.1,127.0.0.0/8,172.17.0.1,192.0.2.1 by 1; local "
                        "0.0.0.0-10.0.0.0,10.0.0.2-126.255.255.255,128.0.0.0-172.17.0.0,"
                        "172.17.0.2-192.0.2.0,192.0.2.2-255.255.255.255");
    /* Of iptables' rpfilter --accept-local. */
    lab->ruleset.n_rules = 0;
    RULE(lab, raw,
         fib_is(lab, NG_FIELD_FIB_PRESENT, NG_FIB_SADDR | NG_FIB_IIF | NG_FIB_ACCEPT_LOCAL, 0),
         DROP);
    assert_string_equal(ask(lab, ETH1, "192.0.2.1", NG_TCP, 80),
                        "dropped 0.0.0.0-9.255.255.255,10.0.1.0-255.255.255.255 by 1; "
                        "local 10.0.0.0/24");
}

static void test_types_and_names_of_the_way_back(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, true);
    (void)state;
    RULE(lab, raw, fib_type(lab, NG_FIB_SADDR, NG_ROUTE_LOCAL), ACCEPT);
    RULE(lab, raw, fib_type(lab, NG_FIB_SADDR | NG_FIB_IIF, NG_ROUTE_BROADCAST), ACCEPT);
    RULE(lab, raw, fib_is(lab, NG_FIELD_FIB_OIFNAME, NG_FIB_SADDR, name_number("eth1", 0)), ACCEPT);
    RULE(lab, raw, fib_is(lab, NG_FIELD_FIB_OIF, NG_FIB_SADDR, DOCKER0), ACCEPT);
    assert_string_equal(ask(lab, ETH1, "10.0.0.1", NG_TCP, 80),
                        "dropped 0.0.0.1-9.255.255.255,10.0.1.0-126.255.255.255,"
                        "128.0.0.0-172.16.255.255,172.18.0.0-192.0.2.0,"
                        "192.0.2.2-255.255.255.254 by policy of 0; "
                        "local 10.0.0.1,127.0.0.0/8,172.17.0.1,192.0.2.1; "
                        "local 0.0.0.0,10.0.0.255,255.255.255.255; "
                        "local 10.0.0.0,10.0.0.2-10.0.0.254; "
                        "local 172.17.0.0,172.17.0.2-172.17.255.255");
}

/* A packet from nowhere to everybody on the link counts as at home. */
static void test_from_nowhere_to_everybody(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, true);
    (void)state;
    RULE(lab, raw, fib_is(lab, NG_FIELD_FIB_OIF, NG_FIB_SADDR | NG_FIB_IIF, ETH1), ACCEPT);
    assert_non_null(strstr(ask(lab, ETH1, "255.255.255.255", NG_UDP, 67),
                           "local 0.0.0.0,10.0.0.0,10.0.0.2-10.0.0.255"));
    assert_non_null(strstr(ask(lab, ETH1, "224.0.0.1", NG_UDP, 67),
                           "local 0.0.0.0,10.0.0.0,10.0.0.2-10.0.0.255"));
    assert_non_null(
        strstr(ask(lab, ETH1, "192.0.2.1", NG_UDP, 67), "local 10.0.0.0,10.0.0.2-10.0.0.255"));
    /* What lo brings is this machine's own. */
    lab->ruleset.n_rules = 0;
    RULE(lab, raw, fib_is(lab, NG_FIELD_FIB_OIF, NG_FIB_SADDR | NG_FIB_IIF, LO), ACCEPT);
    assert_string_equal(ask(lab, LO, "192.0.2.1", NG_TCP, 80), "local all");
}

static void test_routing_that_is_not_sure_of_the_source(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    struct ng_op with_mark =
        fib_is(lab, NG_FIELD_FIB_OIF, NG_FIB_SADDR | NG_FIB_IIF | NG_FIB_MARK, 0);
    (void)state;
    lab_route(lab, NG_ROUTE_UNICAST, 100, "192.0.0.0/8", ETH1);
    lab_route_rule(lab, (struct ng_route_rule){.family = NG_IP4,
                                               .action = 1,
                                               .table = 100,
                                               .priority = 1,
                                               .fwmark = 7,
                                               .fwmask = 0xff});
    RULE(lab, raw, forget_mark(lab));
    RULE(lab, raw, with_mark, DROP);
    assert_string_equal(ask(lab, ETH1, "10.0.0.1", NG_UDP, 80),
                        "dropped 0.0.0.0-9.255.255.255,10.0.0.1,10.0.1.0-255.255.255.255 by 2; "
                        "local 10.0.0.0,10.0.0.2-10.0.0.255,192.0.0.0/8 ? fib saddr . mark . iif "
                        "oif 0");
    /* Without the mark in the question the rule is never asked. */
    lab->rules[1].ops =
        &(struct ng_op[]){fib_is(lab, NG_FIELD_FIB_OIF, NG_FIB_SADDR | NG_FIB_IIF, 0), DROP}[0];
    const char *answer = ask(lab, ETH1, "10.0.0.1", NG_UDP, 80);
    assert_non_null(strstr(answer, "local 10.0.0.0,10.0.0.2-10.0.0.255"));
    assert_null(strstr(answer, "?"));
    /* A mark that is known. */
    lab->rules[0].ops = &(struct ng_op){.kind = NG_OP_NOTHING};
    lab->rules[1].ops = &(struct ng_op[]){with_mark, DROP}[0];
    struct ng_question question = question_to(ETH1, "10.0.0.1", NG_UDP, 80);
    assert_non_null(strstr(ask_this(lab, question), "local 10.0.0.0,10.0.0.2-10.0.0.255"));
    question.mark = 0x107;
    assert_non_null(
        strstr(ask_this(lab, question), "local 10.0.0.0,10.0.0.2-10.0.0.255,192.0.0.0/8"));
    lab->rules[1].ops =
        &(struct ng_op[]){fib_is(lab, NG_FIELD_FIB_OIF, NG_FIB_SADDR | NG_FIB_IIF, 0), DROP}[0];
    assert_null(strstr(ask_this(lab, question), "192.0.0.0/8"));
}

/* At forward the way back is asked for as if from where the packet goes to. */
static void test_the_way_back_at_forward(void **state) {
    static const struct {
        enum ng_hook hook;
        uint8_t about;
        bool by_rule; /* of the interface: does it hold? */
    } table_[] = {{FORWARD, NG_FIB_SADDR | NG_FIB_IIF, true},
                  {FORWARD, NG_FIB_SADDR, false},
                  {POSTROUTING, NG_FIB_SADDR | NG_FIB_IIF, false},
                  {PREROUTING, NG_FIB_SADDR | NG_FIB_IIF, false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t own = filter_chain(lab, table_[i].hook, 0, false);
        lab_route(lab, NG_ROUTE_UNICAST, 100, "192.0.0.0/8", ETH1);
        lab_route(lab, NG_ROUTE_UNICAST, 100, "172.17.0.0/16", DOCKER0);
        lab_route_rule(lab, (struct ng_route_rule){
                                .family = NG_IP4, .action = 1, .table = 100, .iif = "docker0"});
        /* Asked at forward before, without effect. */
        RULE(lab, filter_chain(lab, FORWARD, -1, false),
             fib_is(lab, NG_FIELD_FIB_OIF, table_[i].about, ETH1), NOTHING);
        RULE(lab, own, fib_is(lab, NG_FIELD_FIB_OIF, table_[i].about, ETH1),
             from(lab, "192.0.0.0/8"), DROP);
        bool dropped =
            strstr(ask(lab, ETH1, "172.17.0.2", NG_TCP, 80), "dropped 192.0.0.0/8 by 2") != NULL;
        assert_int_equal(dropped, table_[i].by_rule);
    }
}

static void test_an_anycast_address_is_no_way(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    (void)state;
    lab_route(lab, NG_ROUTE_ANYCAST, 255, "2001:db8::/128", ETH0);
    RULE(lab, raw, from(lab, "2001:db8::/64"), fib_is(lab, NG_FIELD_FIB_PRESENT, NG_FIB_SADDR, 0),
         DROP);
    assert_memory_equal(ask(lab, ETH0, "2001:db8::1", NG_TCP, 80), "dropped 2001:db8::/127 by 1;",
                        28);
}

/* ip6t_rpfilter asks in words of its own: this machine's addresses are its own on any link, a
 * packet from :: is let pass, and routing rules are told the protocol. */
static void test_rpfilter_of_ip6tables(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, true);
    uint8_t strict = NG_FIB_XTABLES | NG_FIB_SADDR | NG_FIB_IIF;
    (void)state;
    RULE(lab, raw, not(fib_is(lab, NG_FIELD_FIB_OIF, strict | NG_FIB_ACCEPT_LOCAL, 0)), ACCEPT);
    assert_non_null(
        strstr(ask(lab, DOCKER0, "fd00::1", NG_TCP, 80), "local ::/127,2001:db8::1,fd00::/64"));
    lab->ruleset.n_rules = 0;
    RULE(lab, raw, not(fib_is(lab, NG_FIELD_FIB_OIF, strict, 0)), ACCEPT);
    assert_non_null(strstr(ask(lab, DOCKER0, "fd00::1", NG_TCP, 80), "local ::,fd00::,"));

    lab_route(lab, NG_ROUTE_UNICAST, 100, "::/0", DOCKER0);
    lab_route_rule(
        lab, (struct ng_route_rule){.family = NG_IP6, .action = 1, .table = 100, .proto = NG_UDP});
    assert_string_equal(ask(lab, DOCKER0, "fd00::1", NG_UDP, 80), "forwarded docker0 all");
    assert_non_null(strstr(ask(lab, DOCKER0, "fd00::1", NG_TCP, 80), "dropped"));
}

/* nf_tables leaves ICMPv6 from :: to a link-local address alone: a neighbour who looks for a
 * duplicate of his address. */
static void test_icmp6_from_nowhere(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    struct ng_question question = {.family = NG_IP6,
                                   .proto = NG_ICMP6,
                                   .iif = ETH0,
                                   .daddr = addr("fe80::9").value,
                                   .one_source = true};
    (void)state;
    lab_addr(lab, ETH0, "fe80::9", 64);
    RULE(lab, raw, not(fib_is(lab, NG_FIELD_FIB_OIF, NG_FIB_DADDR, 0)), DROP);
    assert_string_equal(ask_this(lab, question), "dropped :: by 1");
    question.proto = 99;
    assert_string_equal(ask_this(lab, question), "local ::");
}

/* Nor is one from nowhere to a group of the link looked up, at any hook, whichever of its addresses
 * is asked about. */
static void test_from_nowhere_to_the_link(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, false);
    struct ng_question question = {
        .family = NG_IP4, .proto = NG_UDP, .iif = ETH1, .daddr = addr("224.0.0.1").value};
    (void)state;
    RULE(lab, input, fib_is(lab, NG_FIELD_FIB_OIF, NG_FIB_DADDR, ETH1), DROP);
    assert_string_equal(ask_this(lab, question),
                        "dropped 0.0.0.0 by 1; local 0.0.0.1-255.255.255.255 by policy of 0");
    question.one_source = true;
    assert_string_equal(ask_this(lab, question), "dropped 0.0.0.0:0-0 by 1");
    question.saddr = addr("10.0.0.9").value;
    assert_string_equal(ask_this(lab, question), "local 10.0.0.9:0-0 by policy of 0");
}

static void test_the_unspecified_address_is_of_no_type(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, true);
    (void)state;
    RULE(lab, raw, from(lab, "::/96"), fib_type(lab, NG_FIB_SADDR, NG_ROUTE_UNICAST), ACCEPT);
    assert_non_null(strstr(ask(lab, ETH0, "2001:db8::1", NG_TCP, 80), "dropped ::/127,"));
    lab->ruleset.n_rules = 0;
    RULE(lab, raw, fib_type(lab, NG_FIB_SADDR, 0), ACCEPT);
    assert_string_equal(strstr(ask(lab, ETH0, "2001:db8::1", NG_TCP, 80), "local"),
                        "local ::,::ffff:0.0.0.0/96");
}

/* What is remembered of one question is not the answer to another. */
static void test_questions_do_not_leak_into_each_other(void **state) {
    static const enum ng_hook hooks[] = {PREROUTING, INPUT, FORWARD, POSTROUTING};
    static const enum ng_field fields[] = {NG_FIELD_FIB_TYPE, NG_FIELD_FIB_OIF,
                                           NG_FIELD_FIB_PRESENT};
    static const uint8_t abouts[] = {NG_FIB_SADDR, NG_FIB_SADDR | NG_FIB_IIF,
                                     NG_FIB_SADDR | NG_FIB_MARK,
                                     NG_FIB_SADDR | NG_FIB_IIF | NG_FIB_ACCEPT_LOCAL};
    static const char *const prefixes[] = {"10.0.0.0/8", "192.0.0.0/9", "172.16.0.0/12"};
    static const char *const to_addrs[] = {"192.0.2.1", "172.17.0.2",  "255.255.255.255",
                                           "224.0.0.1", "2001:db8::1", "fd00::9",
                                           "10.0.0.9"};
    struct dice dice = {0xf1b};
    (void)state;
    for (unsigned marks = 0; marks < 2; marks++) {
        _lab_ lab = lab_new();
        struct ng_engine_state *kept;
        lab_route(lab, NG_ROUTE_UNICAST, 100, "192.0.0.0/8", ETH1);
        lab_route(lab, NG_ROUTE_UNICAST, 100, "172.17.0.0/16", DOCKER0);
        lab_route_rule(lab, (struct ng_route_rule){.family = NG_IP4,
                                                   .action = 1,
                                                   .table = 100,
                                                   .iif = marks ? NULL : "docker0",
                                                   .fwmark = marks,
                                                   .fwmask = marks});
        for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
            uint32_t own = filter_chain(lab, hooks[i], 0, false);
            for (size_t f = 0; f < ARRAY_SIZE(fields); f++)
                for (size_t a = 0; a < ARRAY_SIZE(abouts); a++)
                    RULE(lab, own, fib_is(lab, fields[f], abouts[a], f == 2 ? 1 : ETH0 + (a & 1)),
                         from(lab, prefixes[(f + a) % ARRAY_SIZE(prefixes)]), DROP);
        }
        assert_int_equal(ng_reach_new(&lab->world, lab_ruleset(lab), &kept), 0);
        for (unsigned n = 0; n < 60; n++) {
            struct ng_question question = question_to(
                LO + roll(&dice, 4), to_addrs[roll(&dice, ARRAY_SIZE(to_addrs))], NG_TCP, 80);
            struct ng_answer answer;
            question.mark = roll(&dice, 2);
            assert_int_equal(ng_reach_ask(kept, &question, lab->arena, &answer), 0);
            const char *remembered = answer_text(lab, &answer, question.family);
            assert_string_equal(remembered, ask_this(lab, question));
        }
        ng_reach_free(kept);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source_ports),
        cmocka_unit_test(test_source_of_another_family),
        cmocka_unit_test(test_scattered_masks_of_an_address),
        cmocka_unit_test(test_scattered_masks_of_an_ip6_address),
        cmocka_unit_test(test_a_mask_that_takes_too_much),
        cmocka_unit_test(test_a_mask_and_a_set_that_take_too_much),
        cmocka_unit_test(test_scattered_masks_of_a_port),
        cmocka_unit_test(test_expiring_elements_under_a_mask),
        cmocka_unit_test(test_masked_sources_in_a_map),
        cmocka_unit_test(test_rpfilter_by_fib),
        cmocka_unit_test(test_types_and_names_of_the_way_back),
        cmocka_unit_test(test_from_nowhere_to_everybody),
        cmocka_unit_test(test_routing_that_is_not_sure_of_the_source),
        cmocka_unit_test(test_the_way_back_at_forward),
        cmocka_unit_test(test_an_anycast_address_is_no_way),
        cmocka_unit_test(test_rpfilter_of_ip6tables),
        cmocka_unit_test(test_icmp6_from_nowhere),
        cmocka_unit_test(test_from_nowhere_to_the_link),
        cmocka_unit_test(test_the_unspecified_address_is_of_no_type),
        cmocka_unit_test(test_questions_do_not_leak_into_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
