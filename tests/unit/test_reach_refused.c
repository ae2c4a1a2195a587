/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sources that IP refuses: impossible ones, and those whose way back is another. */
#include "tests/unit/fixture_reach.h"

static void test_source_validation(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    lab->links[ETH1 - 1].rp_filter = 1;
    /* Behind eth1 is 10.0.0.0/24 alone; what IPv4 refuses anyway is counted in: see
     * ng_route_sources. */
    assert_string_equal(
        ask(lab, ETH1, "10.0.0.1", NG_TCP, 80),
        "no-route 1.0.0.0-9.255.255.255,10.0.1.0-126.255.255.255,128.0.0.0-172.17.0.0,"
        "172.17.0.2-172.17.255.254,172.18.0.0-192.0.2.0,192.0.2.2-192.0.2.254,"
        "192.0.3.0-223.255.255.255; local 0.0.0.0/8,10.0.0.0/24,127.0.0.0/8,"
        "172.17.0.1,172.17.255.255,192.0.2.1,192.0.2.255,224.0.0.0/3");
    lab->links[ETH1 - 1].rp_filter = 2; /* anywhere will do */
    assert_string_equal(ask(lab, ETH1, "10.0.0.1", NG_TCP, 80), "local all");
    lab->links[ETH1 - 1].rp_filter = 1;
    assert_string_equal(ask(lab, ETH1, "2001:db8::1", NG_TCP, 80), "local all");
}

/* How a link treats its sources. */
struct strictness {
    uint8_t rp_filter;
    bool accept_local, route_localnet, send_redirects;
};

static void be_strict(struct ng_link *link, struct strictness how) {
    link->rp_filter = how.rp_filter;
    link->accept_local = how.accept_local;
    link->route_localnet = how.route_localnet;
    link->send_redirects = how.send_redirects;
}

struct source_case {
    uint32_t iif;
    const char *saddr, *daddr;
    bool in; /* is it let in? */
};

static void assert_sources(struct lab *lab, const struct source_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct ng_question question = question_to(cases[i].iif, cases[i].daddr, NG_UDP, 80);
        question = asked_from(question, cases[i].saddr, 1024);
        if (lets_in(lab, question) != cases[i].in)
            fail_msg("%s to %s: %s", cases[i].saddr, cases[i].daddr, ask_this(lab, question));
    }
}

/* As every host is at first: no validation, no rules of routing. */
static void test_impossible_sources(void **state) {
    static const struct source_case cases[] = {
        {ETH0, "127.0.0.1", "192.0.2.1", false},
        {ETH0, "127.0.0.1", "172.17.0.2", false},
        {ETH0, "0.0.0.0", "192.0.2.1", false},
        {ETH0, "0.0.0.0", "255.255.255.255", true},
        {ETH0, "0.0.0.0", "192.0.2.255", false},
        {ETH0, "0.0.0.0", "0.0.0.0", true},
        {ETH0, "0.0.0.0", "224.0.0.1", true},
        {ETH0, "0.0.0.0", "239.1.2.3", false},
        {ETH0, "10.0.0.7", "0.0.0.0", false},
        {ETH0, "224.0.0.1", "192.0.2.1", false},
        {ETH0, "239.255.255.255", "172.17.0.2", false},
        {ETH0, "255.255.255.255", "192.0.2.1", false},
        {ETH0, "192.0.2.1", "192.0.2.1", false},
        {ETH0, "10.0.0.1", "172.17.0.2", false},
        {ETH0, "0.1.2.3", "192.0.2.1", true},
        {ETH0, "240.0.0.1", "192.0.2.1", true},
        {ETH0, "126.255.255.255", "192.0.2.1", true},
        {ETH0, "128.0.0.1", "192.0.2.1", true},
        {ETH0, "192.0.2.255", "192.0.2.1", true},
        {ETH0, "10.0.0.255", "172.17.0.2", true},
        {ETH0, "10.0.0.7", "192.0.2.1", true},
        {ETH0, "198.51.100.7", "192.0.2.1", true}, /* a blackhole */
    };
    _lab_ lab = lab_new();
    (void)state;
    lab_route(lab, NG_ROUTE_BLACKHOLE, 254, "198.51.100.0/24", 0);
    assert_sources(lab, cases, ARRAY_SIZE(cases));
}

static void test_impossible_ip6_sources(void **state) {
    static const struct source_case cases[] = {
        {ETH0, "ff02::1", "2001:db8::1", false},
        {ETH0, "::1", "2001:db8::1", false},
        {LO, "::1", "::1", true},
        {ETH0, "::", "2001:db8::1", true},
        {ETH0, "::ffff:1.2.3.4", "2001:db8::1", true},
        {ETH0, "2001:db8::1", "2001:db8::1", true},
        {ETH0, "fe80::1", "2001:db8::1", true},
        {ETH0, "fe80::1", "fd00::2", false},
        {ETH0, "::", "fd00::2", false},
        {ETH0, "::2", "fd00::2", true},
        {ETH0, "2001:db8::1", "fd00::2", true},
        {ETH0, "febf::1", "fd00::2", false},
        {ETH0, "fec0::1", "fd00::2", true},
        {ETH0, "fe80::1", "2001:db8::2", true},
        {ETH0, "::", "2001:db8::2", true},
    };
    _lab_ lab = lab_new();
    (void)state;
    assert_sources(lab, cases, ARRAY_SIZE(cases));
}

/* IPv6 looks at sources before any hook, IPv4 when it routes. */
static void test_when_sources_are_refused(void **state) {
    _lab_ lab = lab_new();
    struct ng_question question4 = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
    struct ng_question question6 = question_to(ETH0, "2001:db8::1", NG_TCP, 80);
    (void)state;
    filter_chain(lab, PREROUTING, 0, true);
    assert_string_equal(ask_this(lab, asked_from(question6, "ff02::1", 9)), "no-route ff02::1:9-9");
    assert_string_equal(ask_this(lab, asked_from(question6, "2001:db8::2", 9)),
                        "dropped 2001:db8::2:9-9 by policy of 0");
    assert_string_equal(ask_this(lab, asked_from(question4, "224.0.0.1", 9)),
                        "dropped 224.0.0.1:9-9 by policy of 0");
}

static void test_strict_and_loose_validation(void **state) {
    static const struct source_case strict[] = {
        {ETH1, "10.0.0.7", "10.0.0.1", true},       {ETH1, "10.0.1.7", "10.0.0.1", false},
        {ETH1, "192.0.2.7", "172.17.0.2", false},   {ETH1, "10.0.0.255", "10.0.0.1", false},
        {ETH1, "10.0.0.1", "10.0.0.1", false},      {ETH1, "198.51.100.7", "10.0.0.1", false},
        {ETH1, "0.0.0.0", "255.255.255.255", true},
    };
    static const struct source_case loose[] = {
        {ETH1, "10.0.0.7", "10.0.0.1", true},    {ETH1, "10.0.1.7", "10.0.0.1", true},
        {ETH1, "192.0.2.7", "172.17.0.2", true}, {ETH1, "10.0.0.255", "10.0.0.1", false},
        {ETH1, "192.0.2.1", "10.0.0.1", false},  {ETH1, "198.51.100.7", "10.0.0.1", false},
    };
    static const struct source_case none[] = {{ETH1, "1.2.3.4", "10.0.0.1", false},
                                              {ETH0, "1.2.3.4", "192.0.2.1", true}};
    _lab_ lab = lab_new();
    (void)state;
    lab_route(lab, NG_ROUTE_BLACKHOLE, 254, "198.51.100.0/24", 0);
    be_strict(&lab->links[ETH1 - 1], (struct strictness){.rp_filter = 1});
    assert_sources(lab, strict, ARRAY_SIZE(strict));
    be_strict(&lab->links[ETH1 - 1], (struct strictness){.rp_filter = 2});
    assert_sources(lab, loose, ARRAY_SIZE(loose));
    for (size_t i = 0; i < lab->world.n_routes; i++) /* no way back at all */
        if (lab->routes[i].prefix_len == 0)
            lab->routes[i].table = 1000;
    qsort(lab->routes, lab->world.n_routes, sizeof(lab->routes[0]), compare_lab_routes);
    assert_sources(lab, none, ARRAY_SIZE(none));
}

/* The kernel looks more closely once somebody has touched its routing. */
static void test_sources_of_a_host_with_custom_routing(void **state) {
    static const struct source_case custom[] = {
        {ETH0, "192.0.2.255", "192.0.2.1", false}, {ETH0, "10.0.0.255", "172.17.0.2", false},
        {ETH0, "192.0.2.1", "192.0.2.1", false},   {ETH0, "198.51.100.7", "192.0.2.1", true},
        {ETH0, "10.0.0.7", "192.0.2.1", true},     {ETH0, "240.0.0.1", "192.0.2.1", true},
    };
    static const struct source_case own[] = {{ETH0, "203.0.113.66", "192.0.2.1", false},
                                             {ETH0, "192.0.2.255", "192.0.2.1", false},
                                             {ETH0, "203.0.113.166", "192.0.2.1", true}};
    static const struct source_case accepted[] = {{ETH0, "203.0.113.66", "192.0.2.1", true},
                                                  {ETH0, "192.0.2.255", "192.0.2.1", true},
                                                  {ETH0, "192.0.2.1", "192.0.2.1", true}};
    _lab_ by_rule = lab_new();
    _lab_ by_route = lab_new();
    (void)state;
    lab_route(by_rule, NG_ROUTE_BLACKHOLE, 254, "198.51.100.0/24", 0);
    lab_route_rule(by_rule, (struct ng_route_rule){
                                .family = NG_IP4, .action = 3, .priority = 5, .fwmark = 99});
    assert_sources(by_rule, custom, ARRAY_SIZE(custom));

    lab_route(by_route, NG_ROUTE_LOCAL, 255, "203.0.113.0/25", LO);
    assert_sources(by_route, own, ARRAY_SIZE(own));
    /* For everybody those count that are no address of ours. */
    assert_string_equal(ask_host(by_route),
                        "no-route 203.0.113.0/25; local 0.0.0.0-203.0.112.255,203.0.113.128-"
                        "255.255.255.255");
    by_route->links[ETH0 - 1].accept_local = true;
    assert_sources(by_route, accepted, ARRAY_SIZE(accepted));
}

/* A single address that is local by a route and is nobody's. */
static void test_a_local_route_for_one_address(void **state) {
    static const struct source_case cases[] = {{ETH0, "203.0.113.66", "192.0.2.1", false},
                                               {ETH0, "192.0.2.255", "192.0.2.1", false}};
    _lab_ lab = lab_new();
    (void)state;
    lab_route(lab, NG_ROUTE_LOCAL, 255, "203.0.113.66/32", LO);
    assert_sources(lab, cases, ARRAY_SIZE(cases));
}

static void test_own_addresses_as_sources(void **state) {
    static const struct source_case any[] = {{ETH1, "192.0.2.1", "10.0.0.1", true},
                                             {ETH1, "10.0.0.1", "10.0.0.1", true}};
    static const struct source_case strict[] = {{ETH1, "192.0.2.1", "10.0.0.1", false},
                                                {ETH1, "10.0.0.1", "10.0.0.1", true},
                                                {ETH1, "10.0.0.255", "10.0.0.1", false}};
    _lab_ lab = lab_new();
    (void)state;
    be_strict(&lab->links[ETH1 - 1], (struct strictness){.accept_local = true});
    assert_sources(lab, any, ARRAY_SIZE(any));
    be_strict(&lab->links[ETH1 - 1], (struct strictness){.accept_local = true, .rp_filter = 2});
    assert_sources(lab, any, ARRAY_SIZE(any));
    be_strict(&lab->links[ETH1 - 1], (struct strictness){.accept_local = true, .rp_filter = 1});
    assert_sources(lab, strict, ARRAY_SIZE(strict));
}

static void test_loopback_sources(void **state) {
    static const struct source_case closed[] = {{ETH0, "127.8.0.1", "192.0.2.1", false},
                                                {ETH0, "127.8.0.1", "127.0.0.1", false},
                                                {LO, "127.8.0.1", "127.0.0.1", true}};
    static const struct source_case open[] = {{ETH0, "127.8.0.1", "192.0.2.1", true},
                                              {ETH0, "127.8.0.1", "127.0.0.1", true},
                                              {ETH0, "127.0.0.1", "192.0.2.1", false}};
    static const struct source_case all[] = {{ETH0, "127.0.0.1", "192.0.2.1", true}};
    _lab_ lab = lab_new();
    (void)state;
    lab_addr(lab, LO, "127.0.0.1", 8);
    assert_sources(lab, closed, ARRAY_SIZE(closed));
    be_strict(&lab->links[ETH0 - 1], (struct strictness){.route_localnet = true});
    assert_sources(lab, open, ARRAY_SIZE(open));
    lab->links[ETH0 - 1].accept_local = true;
    assert_sources(lab, all, ARRAY_SIZE(all));
}

/* What goes out where it came in is validated in full, where redirects would be sent. */
static void test_sources_of_what_goes_back(void **state) {
    static const struct source_case off[] = {{ETH0, "10.0.0.255", "192.0.2.9", true},
                                             {ETH0, "10.0.0.255", "172.17.0.2", true}};
    static const struct source_case on[] = {{ETH0, "10.0.0.255", "192.0.2.9", false},
                                            {ETH0, "10.0.0.7", "192.0.2.9", true},
                                            {ETH0, "10.0.0.255", "172.17.0.2", true},
                                            {ETH0, "10.0.0.255", "192.0.2.1", true}};
    _lab_ lab = lab_new();
    (void)state;
    assert_sources(lab, off, ARRAY_SIZE(off));
    be_strict(&lab->links[ETH0 - 1], (struct strictness){.send_redirects = true});
    assert_sources(lab, on, ARRAY_SIZE(on));
}

/* The way back is looked for with the packet's ends swapped, as if it came from where this one
 * goes to. */
static void test_rules_of_the_way_back(void **state) {
    static const struct {
        struct ng_route_rule rule;
        bool host, container; /* are they reached from 10.0.0.7:1024 at port 80? */
    } table_[] = {
        {{.proto = NG_TCP}, false, false},
        {{.proto = NG_UDP}, true, true},
        {{.sport_lo = 80, .sport_hi = 80}, false, false},
        {{.sport_lo = 81, .sport_hi = 90}, true, true},
        {{.dport_lo = 1024, .dport_hi = 1024}, false, false},
        {{.dport_lo = 90, .dport_hi = 90}, true, true},
        {{.iif = "lo"}, false, true},
        {{.iif = "docker0"}, true, false},
        {{.iif = "eth2"}, true, true},
        {{.src = {NG_IP4, 0x0a000001}, .src_len = 32}, false, true},
        {{.src = {NG_IP4, 0xac110000}, .src_len = 16}, true, false},
        {{.dst = {NG_IP4, 0x0a000007}, .dst_len = 32}, false, false},
        {{.fwmark = 7, .fwmask = 7}, true, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        struct ng_route_rule rule = table_[i].rule;
        rule.family = NG_IP4;
        rule.action = 7; /* FR_ACT_UNREACHABLE */
        lab_route_rule(lab, rule);
        /* The way there is not what is asked about: it is found before. */
        struct ng_route_rule there = {.family = NG_IP4, .action = 1, .table = 100, .iif = "eth1"};
        lab_route(lab, NG_ROUTE_LOCAL, 100, "10.0.0.1/32", ETH1);
        lab_route(lab, NG_ROUTE_UNICAST, 100, "172.17.0.0/16", DOCKER0);
        lab_route_rule(lab, there);
        be_strict(&lab->links[ETH1 - 1], (struct strictness){.rp_filter = 1});
        struct ng_question host = question_to(ETH1, "10.0.0.1", NG_TCP, 80);
        struct ng_question container = question_to(ETH1, "172.17.0.2", NG_TCP, 80);
        host.mark = container.mark = 7;
        if (lets_in(lab, asked_from(host, "10.0.0.7", 1024)) != table_[i].host ||
            lets_in(lab, asked_from(container, "10.0.0.7", 1024)) != table_[i].container)
            fail_msg("%zu", i);
        lab->links[ETH1 - 1].src_valid_mark = true;
        if (rule.fwmark)
            assert_false(lets_in(lab, asked_from(host, "10.0.0.7", 1024)));
    }
}

/* All sources at once, validated as each of them would be. */
static void test_valid_sources_where_rules_ask_for_more(void **state) {
    _lab_ lab = lab_new();
    struct ng_question question = question_to(ETH1, "192.0.2.1", NG_TCP, 80);
    (void)state;
    lab_route(lab, NG_ROUTE_UNICAST, 100, "203.0.113.0/24", ETH1);
    lab_route_rule(lab, (struct ng_route_rule){
                            .family = NG_IP4, .action = 1, .table = 100, .fwmark = 1, .fwmask = 1});
    be_strict(&lab->links[ETH1 - 1], (struct strictness){.rp_filter = 1});
    /* Asked without a mark, and then with the packet's. */
    question.mark = 1;
    assert_null(strstr(ask_this(lab, question), "203.0.113.0/24,224.0.0.0/3"));
    assert_false(lets_in(lab, asked_from(question, "203.0.113.7", 1)));
    lab->links[ETH1 - 1].src_valid_mark = true;
    assert_non_null(strstr(ask_this(lab, question), "203.0.113.0/24,224.0.0.0/3"));
    assert_true(lets_in(lab, asked_from(question, "203.0.113.7", 1)));
    question.mark = 0;
    assert_null(strstr(ask_this(lab, question), "203.0.113.0/24,224.0.0.0/3"));
    assert_false(lets_in(lab, asked_from(question, "203.0.113.7", 1)));
    /* Ports of the way back are those of the packet, the other way round. */
    lab->route_rules[0] =
        (struct ng_route_rule){.family = NG_IP4, .action = 7, .dport_lo = 5000, .dport_hi = 5001};
    assert_true(lets_in(lab, asked_from(question, "10.0.0.7", 4999)));
    assert_false(lets_in(lab, asked_from(question, "10.0.0.7", 5000)));
    assert_non_null(
        strstr(ask_this(lab, question), "local 0.0.0.0/8,127.0.0.0/8,224.0.0.0/3:5000-5001"));
    lab->route_rules[0] = (struct ng_route_rule){
        .family = NG_IP4, .action = 1, .table = 100, .fwmark = 1, .fwmask = 1};
    /* Where nobody knows it, the way back may be there: it is counted in. */
    RULE(lab, filter_chain(lab, PREROUTING, 0, false), forget_mark(lab));
    assert_non_null(strstr(ask_this(lab, question), "203.0.113.0/24,224.0.0.0/3"));
}

/* What came to everybody is answered from no address: rules for that one do not count. */
static void test_the_way_back_of_a_broadcast(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    lab_route_rule(lab, (struct ng_route_rule){
                            .family = NG_IP4, .action = 7, .src = addr("10.0.0.0"), .src_len = 24});
    lab_route_rule(
        lab, (struct ng_route_rule){.family = NG_IP4, .action = 1, .table = 255, .priority = 1});
    be_strict(&lab->links[ETH1 - 1], (struct strictness){.rp_filter = 1});
    struct ng_question all = question_to(ETH1, "10.0.0.255", NG_UDP, 67);
    struct ng_question one = question_to(ETH1, "10.0.0.1", NG_UDP, 67);
    assert_true(lets_in(lab, asked_from(all, "10.0.0.7", 1024)));
    assert_false(lets_in(lab, asked_from(one, "10.0.0.7", 1024)));
}

/* A source that a rule has written is the one that is validated. */
static void test_a_source_that_was_written(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, raw, from(lab, "128.0.0.0/1"), set_field(lab, NG_FIELD_SADDR, 0x0a000007));
    RULE(lab, input, from(lab, "10.0.0.7"), ACCEPT);
    assert_string_equal(ask_host(lab), "dropped 0.0.0.0-10.0.0.6,10.0.0.8-127.255.255.255 by "
                                       "policy of 1; local 10.0.0.7 by 2; local 128.0.0.0/1 by 2");
    lab->rules[0].ops = &(struct ng_op){
        .kind = NG_OP_ASSIGN, .assign = set_field(lab, NG_FIELD_SADDR, 0x7f000001).assign};
    lab->rules[0].n_ops = 1;
    assert_string_equal(ask_host(lab), "no-route all");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source_validation),
        cmocka_unit_test(test_impossible_sources),
        cmocka_unit_test(test_impossible_ip6_sources),
        cmocka_unit_test(test_when_sources_are_refused),
        cmocka_unit_test(test_strict_and_loose_validation),
        cmocka_unit_test(test_sources_of_a_host_with_custom_routing),
        cmocka_unit_test(test_a_local_route_for_one_address),
        cmocka_unit_test(test_own_addresses_as_sources),
        cmocka_unit_test(test_loopback_sources),
        cmocka_unit_test(test_sources_of_what_goes_back),
        cmocka_unit_test(test_rules_of_the_way_back),
        cmocka_unit_test(test_valid_sources_where_rules_ask_for_more),
        cmocka_unit_test(test_the_way_back_of_a_broadcast),
        cmocka_unit_test(test_a_source_that_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
