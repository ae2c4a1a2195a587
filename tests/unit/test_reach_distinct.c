/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is told apart by destination: the rules of long chains, and the addresses of this host. */
#include "tests/unit/fixture_reach.h"

/* -- rules ---------------------------------------------------------------------------- */

/* Chains of many rules are looked through by destination: no rule is overlooked that may hold. */
static void test_rules_that_an_index_could_overlook(void **state) {
    for (unsigned way = 0; way < 8; way++) {
        _lab_ lab = lab_new();
        uint32_t input = filter_chain(lab, INPUT, 0, true);
        struct ng_op op = dport(lab, 81);
        struct ng_match *match = (struct ng_match *)op.match;
        struct ng_operand *of = (struct ng_operand *)match->operands;
        bool doubt = way == 1 || way == 2;
        (void)state;
        match->set_name = doubt ? "s" : NULL;
        match->negate = way == 0;
        match->dynamic = way == 1;
        match->expiring = way == 2 ? one_interval(lab, 80, 80) : match->expiring;
        of->flip = way == 3 ? 1 : 0;
        match->values = way == 4   ? one_interval(lab, 79, 81)
                        : way == 5 ? one_interval(lab, 80, 80)
                                   : match->values;
        of->mask = way == 6 ? 0x0f : lab_whole;
        match->values = way == 6 ? one_interval(lab, 0, 0) : match->values;
        for (unsigned i = 0; i < 10; i++)
            RULE(lab, input, dport(lab, 9), DROP);
        if (way == 7) /* the verdict of the first comes before the second's test */
            RULE(lab, input, ACCEPT, op, DROP);
        else
            RULE(lab, input, op, ACCEPT);
        const char *answer = ask_host(lab);
        if (!strstr(answer, "local all by 11") || (strstr(answer, "dropped") != NULL) != doubt)
            fail_msg("%u: %s", way, answer);
    }
}

/* "ip daddr" in a table of both families is a number that IPv6 packets may hold as well. */
static void test_addresses_in_a_table_of_both_families(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    for (unsigned k = 0; k < 10; k++)
        RULE(lab, input, to(lab, "192.0.2.9"), ACCEPT);
    /* Whatever is read there, nobody knows. */
    assert_non_null(strstr(ask(lab, ETH0, "2001:db8::1", NG_TCP, 80), "local all by 1"));
    assert_string_equal(ask_host(lab), "dropped all by policy of 0");
    lab->ruleset.n_rules = 0;
    for (unsigned k = 0; k < 10; k++)
        RULE(lab, input, is(lab, NG_FIELD_NFPROTO, 2), to(lab, "192.0.2.9"), ACCEPT);
    assert_string_equal(ask(lab, ETH0, "2001:db8::1", NG_TCP, 80), "dropped all by policy of 0");
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_TCP, 80), "dropped all by policy of 0");
    lab_addr(lab, ETH0, "192.0.2.9", 24);
    assert_string_equal(ask(lab, ETH0, "192.0.2.9", NG_TCP, 80), "local all by 1");
}

/* -- addresses ------------------------------------------------------------------------ */

static void test_distinct(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    ng_u128 addrs[] = {addr("192.0.2.1").value,   addr("10.0.0.1").value, addr("172.17.0.1").value,
                       addr("127.0.0.1").value,   addr("10.0.0.2").value, addr("10.0.1.1").value,
                       addr("198.51.100.1").value};
    const ng_u128 kept[] = {addrs[0], addrs[1], addrs[3], addrs[6]};
    (void)state;
    lab_addr(lab, ETH1, "10.0.0.2", 24);
    lab_addr(lab, ETH1, "10.0.1.1", 24);
    lab_addr(lab, LO, "127.0.0.1", 8);
    RULE(lab, input, from(lab, "10.0.0.2"), ACCEPT); /* of no importance here */
    RULE(lab, input, to(lab, "10.0.0.0/24"), ACCEPT);
    assert_int_equal(ng_reach_new(&lab->world, lab_ruleset(lab), &lab->engine), 0);
    /* The last is none of this host's: nothing is known of it. */
    assert_int_equal(ng_reach_distinct(lab->engine, NG_IP4, addrs, ARRAY_SIZE(addrs)), 4);
    assert_memory_equal(addrs, kept, sizeof(kept));
}

static void test_all_distinct(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_op odd = to(lab, "0.0.0.1");
    ng_u128 addrs[] = {1, 2, 3, 4};
    (void)state;
    ((struct ng_operand *)odd.match->operands)->mask = 1;
    RULE(lab, input, odd, ACCEPT);
    assert_int_equal(ng_reach_new(&lab->world, lab_ruleset(lab), &lab->engine), 0);
    assert_int_equal(ng_reach_distinct(lab->engine, NG_IP4, addrs, ARRAY_SIZE(addrs)), 4);
}

/* One engine's classes for this rule, of 10.0.0.1, 10.0.0.2 and 10.0.0.3. */
static size_t classes(struct ng_op (*make)(struct lab *lab)) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, PREROUTING, 0, true);
    ng_u128 addrs[] = {addr("10.0.0.1").value, addr("10.0.0.2").value, addr("10.0.0.3").value};
    lab_addr(lab, ETH1, "10.0.0.2", 24);
    lab_addr(lab, ETH1, "10.0.0.3", 24);
    if (make)
        RULE(lab, input, make(lab), ACCEPT);
    assert_int_equal(ng_reach_new(&lab->world, lab_ruleset(lab), &lab->engine), 0);
    return ng_reach_distinct(lab->engine, NG_IP4, addrs, ARRAY_SIZE(addrs));
}

static struct ng_op to_one(struct lab *lab) {
    return to(lab, "10.0.0.2");
}
static struct ng_op to_one_by_ct(struct lab *lab) {
    return in_prefix_of(lab, NG_FIELD_CT_DADDR, "10.0.0.2");
}
static struct ng_op to_one_by_answer(struct lab *lab) {
    return in_prefix_of(lab, NG_FIELD_CT_REPLY_SADDR, "10.0.0.2");
}
static struct ng_op to_odd(struct lab *lab) {
    return masked_match(lab, NG_FIELD_DADDR, 1, 0, 1, 1);
}
static struct ng_op local_type(struct lab *lab) {
    return fib_type(lab, NG_FIB_DADDR, NG_ROUTE_LOCAL);
}
static struct ng_op local_type_by_link(struct lab *lab) {
    return fib_type(lab, NG_FIB_DADDR | NG_FIB_IIF, NG_ROUTE_LOCAL);
}
static struct ng_op way(struct lab *lab) {
    return fib_is(lab, NG_FIELD_FIB_OIF, NG_FIB_DADDR, 1);
}
static struct ng_op back(struct lab *lab) {
    return fib_is(lab, NG_FIELD_FIB_OIF, NG_FIB_SADDR, 1);
}
static struct ng_op nat_to_one(struct lab *lab) {
    return dnat(lab, "10.0.0.2", 0);
}
static struct ng_op netmap_(struct lab *lab) {
    struct ng_nat nat = nat_to("172.17.0.0", 0);
    nat.netmap = true;
    return nat_op(lab, NG_OP_DNAT, nat);
}
static struct ng_op redirect_(struct lab *lab) {
    return redirect(lab, 1);
}
static struct ng_op mark_by_destination(struct lab *lab) {
    return copy_field(lab, NG_FIELD_MARK, NG_FIELD_DADDR, lab_whole, 0);
}
static struct ng_op mark_by_way(struct lab *lab) {
    struct ng_op op = copy_field(lab, NG_FIELD_MARK, NG_FIELD_FIB_OIF, lab_whole, 0);
    ((struct ng_operand *)op.assign->terms)->fib = NG_FIB_DADDR;
    return op;
}
static struct ng_op mark_by_map(struct lab *lab) {
    const struct ng_operand by[] = {operand(NG_FIELD_DADDR)};
    const struct ng_interval sides[] = {{0x0a000003, 0x0a000003}};
    return assign_op(
        lab, (struct ng_assign){.target = NG_FIELD_MARK, .map = box_match(lab, by, 1, sides, 1)});
}
static struct ng_op expiring(struct lab *lab) {
    struct ng_op op = to(lab, "198.51.100.0/24");
    ((struct ng_match *)op.match)->expiring = one_interval(lab, 0x0a000002, 0x0a000002);
    return op;
}

static void test_what_tells_addresses_apart(void **state) {
    static const struct {
        struct ng_op (*make)(struct lab *lab);
        size_t classes;
    } table_[] = {
        {NULL, 1},
        {to_one, 2},
        {to_one_by_ct, 2},
        {to_one_by_answer, 2},
        {to_odd, 2},
        {local_type, 1},
        {local_type_by_link, 3},
        {way, 3},
        {back, 1},
        {nat_to_one, 2},
        {netmap_, 3},
        {redirect_, 3},
        {mark_by_way, 3},
        {mark_by_map, 2},
        {mark_by_destination, 3},
        {expiring, 2},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++)
        if (classes(table_[i].make) != table_[i].classes)
            fail_msg("%zu: %zu", i, classes(table_[i].make));
}

/* Where routing itself tells them apart, nothing is taken for the same. */
static void test_addresses_that_routing_tells_apart(void **state) {
    static const struct {
        struct ng_route_rule rule;
        size_t kept;
    } table_[] = {
        {{.action = 3}, 2},
        {{.action = 1, .table = 255}, 1},
        {{.action = 1, .table = 255, .dst = {NG_IP4, 1}, .dst_len = 32}, 2},
        {{.action = 1, .table = 255, .iif = "eth0"}, 2},
        {{.action = 1, .table = 255, .fwmark = 1}, 2},
        {{.action = 1, .table = 255, .proto = 6}, 2},
        {{.action = 1, .table = 255, .sport_hi = 6}, 2},
        {{.action = 1, .table = 255, .dport_hi = 6}, 2},
        {{.action = 1, .table = 255, .invert = true}, 2},
        {{.action = 1, .table = 255, .suppresses = true}, 2},
        {{.action = 1, .table = 100}, 2},
        {{.family = NG_IP6, .action = 1, .table = 100}, 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        ng_u128 addrs[] = {addr("10.0.0.1").value, addr("192.0.2.1").value};
        struct ng_route_rule rule = table_[i].rule;
        rule.family = rule.family ? rule.family : NG_IP4;
        lab_route_rule(lab, rule);
        assert_int_equal(ng_reach_new(&lab->world, lab_ruleset(lab), &lab->engine), 0);
        if (ng_reach_distinct(lab->engine, NG_IP4, addrs, 2) != table_[i].kept)
            fail_msg("%zu", i);
    }
    /* An address that its route does not bring here. */
    _lab_ lab = lab_new();
    ng_u128 addrs[] = {addr("10.0.0.1").value, addr("192.0.2.1").value};
    lab_addr(lab, ETH1, "203.0.113.7", 24);
    for (size_t i = 0; i < lab->world.n_routes; i++)
        if (lab->routes[i].dst.value == addr("203.0.113.7").value)
            lab->routes[i].type = NG_ROUTE_BROADCAST;
    assert_int_equal(ng_reach_new(&lab->world, lab_ruleset(lab), &lab->engine), 0);
    assert_int_equal(ng_reach_distinct(lab->engine, NG_IP4, addrs, 2), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_that_an_index_could_overlook),
        cmocka_unit_test(test_addresses_in_a_table_of_both_families),
        cmocka_unit_test(test_distinct),
        cmocka_unit_test(test_all_distinct),
        cmocka_unit_test(test_what_tells_addresses_apart),
        cmocka_unit_test(test_addresses_that_routing_tells_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
