/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a packet: rulesets by hand, answers in words (see outcome_text). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "tests/unit/fixture_world.h"

#define PREROUTING NG_HOOK_PREROUTING
#define INPUT      NG_HOOK_INPUT
#define FORWARD    NG_HOOK_FORWARD

#define NOT_LINK_LOCAL                                                                             \
    "::-fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff,fec0::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

/* From outside to this host's port 80. */
static const char *ask_host(struct lab *lab) {
    return ask(lab, ETH0, "192.0.2.1", NG_TCP, 80);
}

static void test_no_rules(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    assert_string_equal(ask_host(lab), "local all");
    assert_string_equal(ask(lab, ETH0, "2001:db8::1", NG_TCP, 80), "local all");
    assert_string_equal(ask(lab, ETH0, "172.17.0.2", NG_TCP, 80), "forwarded docker0 all");
    /* Nobody forwards for a link-local source. */
    assert_string_equal(ask(lab, ETH0, "fd00::2", NG_UDP, 53),
                        "no-route fe80::/10; forwarded docker0 " NOT_LINK_LOCAL);
}

static void test_no_such_link(void **state) {
    _lab_ lab = lab_new();
    const struct ng_question question = {.family = NG_IP4, .proto = NG_TCP, .iif = 99};
    struct ng_answer answer;
    (void)state;
    assert_int_equal(ng_reach_new(&lab->world, lab_ruleset(lab), &lab->engine), 0);
    assert_int_equal(ng_reach_ask(lab->engine, &question, lab->arena, &answer), -EINVAL);
    ng_reach_free(NULL);
}

/* -- verdicts ------------------------------------------------------------------------------- */

static void test_policies(void **state) {
    _lab_ open = lab_new();
    _lab_ closed = lab_new();
    (void)state;
    filter_chain(open, INPUT, 0, false);
    filter_chain(closed, INPUT, 0, true);
    assert_string_equal(ask_host(open), "local all by policy of 0");
    assert_string_equal(ask_host(closed), "dropped all by policy of 0");
}

static void test_first_verdict_counts(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, input, from(lab, "10.0.0.0/8"), dport(lab, 80), ACCEPT);
    RULE(lab, input, from(lab, "10.0.0.0/9"), DROP);
    RULE(lab, input, from(lab, "192.168.0.0/16"), dport(lab, 81), ACCEPT);
    assert_string_equal(ask_host(lab), "dropped 0.0.0.0-9.255.255.255,11.0.0.0-255.255.255.255 "
                                       "by policy of 0; local 10.0.0.0/8 by 1");
}

static void test_a_rule_without_verdict_goes_on(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, false);
    (void)state;
    RULE(lab, input, from(lab, "10.0.0.0/8"), NOTHING);
    RULE(lab, input, NOTHING, VERDICT(NG_VERDICT_CONTINUE));
    RULE(lab, input, from(lab, "10.0.0.0/8"), DROP);
    assert_string_equal(ask_host(lab),
                        "dropped 10.0.0.0/8 by 3; local "
                        "0.0.0.0-9.255.255.255,11.0.0.0-255.255.255.255 by policy of 0");
}

static void test_return_in_a_base_chain_is_the_policy(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, input, RETURN);
    RULE(lab, input, ACCEPT);
    assert_string_equal(ask_host(lab), "dropped all by policy of 0");
}

static void test_jump_comes_back(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    uint32_t user = chain(lab, 0, "user"), deeper = chain(lab, 0, "deeper");
    (void)state;
    RULE(lab, input, JUMP(user));
    RULE(lab, input, ACCEPT);
    RULE(lab, user, JUMP(deeper));
    RULE(lab, user, from(lab, "128.0.0.0/1"), DROP);
    RULE(lab, deeper, RETURN);
    RULE(lab, deeper, DROP);
    assert_string_equal(ask_host(lab), "dropped 128.0.0.0/1 by 4; local 0.0.0.0/1 by 2");
}

/* The end of a goto's target is the end of the chain that held the goto: its caller goes on. */
static void test_goto_comes_back_to_the_caller(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    uint32_t user = chain(lab, 0, "user"), target = chain(lab, 0, "target");
    (void)state;
    RULE(lab, input, JUMP(user));
    RULE(lab, input, ACCEPT);
    RULE(lab, user, GOTO(target));
    RULE(lab, user, DROP);
    RULE(lab, target, from(lab, "128.0.0.0/1"), RETURN);
    assert_string_equal(ask_host(lab), "local all by 2");
}

static void test_goto_in_a_base_chain_ends_in_its_policy(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    uint32_t target = chain(lab, 0, "target");
    (void)state;
    RULE(lab, input, GOTO(target));
    RULE(lab, input, ACCEPT);
    RULE(lab, target, from(lab, "128.0.0.0/1"), ACCEPT);
    assert_string_equal(ask_host(lab), "dropped 0.0.0.0/1 by policy of 0; local 128.0.0.0/1 by 3");
}

static void test_somebody_else_decides(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, input, from(lab, "128.0.0.0/1"),
         (struct ng_op){.kind = NG_OP_VERDICT,
                        .verdict = {.kind = NG_VERDICT_UNKNOWN, .text = "queue"}});
    assert_string_equal(ask_host(lab), "dropped 128.0.0.0/1 by 1; dropped 0.0.0.0/1 by policy of "
                                       "0; local 128.0.0.0/1 by 1 ? queue");
}

static void test_an_effect_nobody_understands(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, input, from(lab, "128.0.0.0/1"), UNKNOWN("synproxy"));
    assert_string_equal(ask_host(lab), "anywhere 128.0.0.0/1; dropped all by policy of 0; "
                                       "local 128.0.0.0/1 ? synproxy");
}

/* The kernel refuses loops; a forged dump must neither hang nor be believed. */
static void test_a_loop_of_jumps(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    uint32_t user = chain(lab, 0, "user");
    (void)state;
    RULE(lab, input, JUMP(user));
    RULE(lab, user, JUMP(user));
    assert_string_equal(ask_host(lab), "dropped all; local all ? a loop of jumps");
}

/* What the kernel may refuse as well, for its cost: two jumps at each of 24 levels. */
static void test_jumps_that_fan_out(void **state) {
    _lab_ lab = lab_new();
    uint32_t level = filter_chain(lab, INPUT, 0, true);
    (void)state;
    for (unsigned i = 0; i < 24; i++) {
        uint32_t deeper = chain(lab, 0, "deeper");
        RULE(lab, level, JUMP(deeper));
        RULE(lab, level, JUMP(deeper));
        level = deeper;
    }
    assert_string_equal(ask_host(lab), "dropped all; local all ? too many jumps");
}

/* -- hooks ------------------------------------------------------------------------------------ */

static void test_base_chains_by_priority(void **state) {
    _lab_ lab = lab_new();
    uint32_t late = filter_chain(lab, INPUT, 10, false);
    uint32_t early = filter_chain(lab, INPUT, -10, false);
    (void)state;
    RULE(lab, late, from(lab, "128.0.0.0/1"), DROP);
    RULE(lab, early, ACCEPT); /* ends its own chain only */
    assert_string_equal(ask_host(lab), "dropped 128.0.0.0/1 by 1; local 0.0.0.0/1 by 2");
    RULE(lab, early, NOTHING);
    lab->chains[late].priority = -20;
    RULE(lab, late, ACCEPT);
    assert_string_equal(ask_host(lab), "dropped 128.0.0.0/1 by 1; local 0.0.0.0/1 by 2");
}

static void test_drop_is_final(void **state) {
    _lab_ lab = lab_new();
    uint32_t late = filter_chain(lab, INPUT, 10, false);
    uint32_t early = filter_chain(lab, INPUT, -10, false);
    (void)state;
    RULE(lab, late, ACCEPT);
    RULE(lab, early, DROP);
    assert_string_equal(ask_host(lab), "dropped all by 2");
}

static void test_families_see_their_packets(void **state) {
    static const struct {
        enum ng_table_family family;
        const char *ip4, *ip6;
    } seen[] = {
        {NG_TABLE_IP, "dropped all by policy of 0", "local all"},
        {NG_TABLE_IP6, "local all", "dropped all by policy of 0"},
        {NG_TABLE_INET, "dropped all by policy of 0", "dropped all by policy of 0"},
        {NG_TABLE_BRIDGE, "local all", "local all"},
        {NG_TABLE_ARP, "local all", "local all"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
        _lab_ lab = lab_new();
        uint32_t own = table(lab, seen[i].family, "t");
        base_chain(lab, own, "c", INPUT, NG_CHAIN_FILTER, 0, true);
        assert_string_equal(ask_host(lab), seen[i].ip4);
        assert_string_equal(ask(lab, ETH0, "2001:db8::1", NG_TCP, 80), seen[i].ip6);
        lab->tables[own].dormant = true;
        assert_string_equal(ask_host(lab), "local all");
    }
}

static void test_which_hooks(void **state) {
    static const struct {
        enum ng_hook hook;
        bool local, forwarded;
    } hooks[] = {
        {NG_HOOK_INGRESS, false, false}, /* of no device */
        {NG_HOOK_PREROUTING, true, true},   {NG_HOOK_INPUT, true, false},
        {NG_HOOK_FORWARD, false, true},     {NG_HOOK_OUTPUT, false, false},
        {NG_HOOK_POSTROUTING, false, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
        _lab_ lab = lab_new();
        filter_chain(lab, hooks[i].hook, 0, true);
        assert_string_equal(ask_host(lab),
                            hooks[i].local ? "dropped all by policy of 0" : "local all");
        assert_string_equal(ask(lab, ETH0, "172.17.0.2", NG_TCP, 80),
                            hooks[i].forwarded ? "dropped all by policy of 0"
                                               : "forwarded docker0 all");
    }
}

static void test_ingress_devices(void **state) {
    static const char *const eth0[] = {"eth0"}, *const any_eth[] = {"lo", "eth*"};
    _lab_ lab = lab_new();
    uint32_t ingress = filter_chain(lab, NG_HOOK_INGRESS, 0, true);
    (void)state;
    lab->chains[ingress].devices = eth0;
    lab->chains[ingress].n_devices = 1;
    assert_string_equal(ask_host(lab), "dropped all by policy of 0");
    assert_string_equal(ask(lab, ETH1, "192.0.2.1", NG_TCP, 80), "local all");
    lab->chains[ingress].devices = any_eth;
    lab->chains[ingress].n_devices = 2;
    assert_string_equal(ask(lab, ETH1, "192.0.2.1", NG_TCP, 80), "dropped all by policy of 0");
    assert_string_equal(ask(lab, DOCKER0, "192.0.2.1", NG_TCP, 80), "local all");
}

/* -- nat ---------------------------------------------------------------------------------------- */

static void test_dnat_leads_to_the_container(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    uint32_t forward = filter_chain(lab, FORWARD, 0, true);
    (void)state;
    RULE(lab, nat, dport(lab, 8080), dnat(lab, "172.17.0.2", 80));
    RULE(lab, forward, to(lab, "172.17.0.2"), dport(lab, 80),
         named(lab, NG_FIELD_OIFNAME, "docker0"), is(lab, NG_FIELD_CT_DPORT, 8080),
         in_prefix_of(lab, NG_FIELD_CT_DADDR, "192.0.2.1"),
         has_bit(lab, NG_FIELD_CT_STATUS, 1 << 5), ACCEPT);
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_TCP, 8080),
                        "forwarded 172.17.0.2:80 docker0 all by 2");
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_TCP, 80), "local all");
    /* Sent there directly it has no translation. */
    assert_string_equal(ask(lab, ETH0, "172.17.0.2", NG_TCP, 80), "dropped all by policy of 1");
}

static void test_dnat_of_address_or_port_alone(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    (void)state;
    RULE(lab, nat, dport(lab, 1), dnat(lab, "10.0.0.9", 0));
    RULE(lab, nat, dport(lab, 2), dnat(lab, NULL, 22));
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_TCP, 1), "forwarded 10.0.0.9:1 eth1 all");
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_TCP, 2), "local 192.0.2.1:22 all");
}

static void test_a_mapping_stops_later_nat_chains(void **state) {
    _lab_ lab = lab_new();
    uint32_t later = nat_chain(lab, PREROUTING, -90, false);
    uint32_t first = nat_chain(lab, PREROUTING, -110, false);
    (void)state;
    RULE(lab, first, from(lab, "128.0.0.0/1"), dnat(lab, "10.0.0.9", 1));
    RULE(lab, first, ACCEPT); /* does not stop them */
    RULE(lab, later, dnat(lab, "172.17.0.2", 2));
    RULE(lab, later, DROP);
    assert_string_equal(ask_host(lab), "forwarded 10.0.0.9:1 eth1 128.0.0.0/1; "
                                       "forwarded 172.17.0.2:2 docker0 0.0.0.0/1");
}

/* However far apart their priorities, nat chains stand at -100 among the others. */
static void test_nat_chains_stand_together(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, 300, false);
    uint32_t before = filter_chain(lab, PREROUTING, -101, false);
    uint32_t after = filter_chain(lab, PREROUTING, -99, false);
    (void)state;
    RULE(lab, nat, dnat(lab, "172.17.0.2", 0));
    RULE(lab, before, to(lab, "172.17.0.2"), DROP);
    RULE(lab, after, to(lab, "192.0.2.1"), DROP);
    assert_string_equal(ask_host(lab), "forwarded 172.17.0.2:80 docker0 all");
}

static void test_source_nat_stops_later_nat_chains(void **state) {
    _lab_ lab = lab_new();
    uint32_t first = nat_chain(lab, NG_HOOK_POSTROUTING, 100, false);
    uint32_t later = nat_chain(lab, NG_HOOK_POSTROUTING, 110, false);
    (void)state;
    RULE(lab, first, from(lab, "128.0.0.0/1"), MASQUERADE);
    RULE(lab, later, DROP);
    assert_string_equal(ask(lab, ETH0, "172.17.0.2", NG_TCP, 80),
                        "dropped 0.0.0.0/1 by 2; forwarded docker0 128.0.0.0/1");
}

/* A destination that was translated may still have its source translated. */
static void test_both_ends_translated(void **state) {
    _lab_ lab = lab_new();
    uint32_t pre = nat_chain(lab, PREROUTING, -100, false);
    uint32_t post = nat_chain(lab, NG_HOOK_POSTROUTING, 100, false);
    (void)state;
    RULE(lab, pre, dnat(lab, "172.17.0.2", 0));
    RULE(lab, post, DROP);
    assert_string_equal(ask_host(lab), "dropped 172.17.0.2:80 all by 2");
}

static void test_untracked_packets_skip_nat(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    (void)state;
    RULE(lab, raw, from(lab, "128.0.0.0/1"), NOTRACK);
    RULE(lab, nat, DROP);
    assert_string_equal(ask_host(lab), "dropped 0.0.0.0/1 by 2; local 128.0.0.0/1");
}

static void test_redirect(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    (void)state;
    RULE(lab, nat, redirect(lab, 3128));
    /* Any destination becomes this host: the address of the interface it came in by. */
    assert_string_equal(ask(lab, ETH1, "198.51.100.7", NG_TCP, 80), "local 10.0.0.1:3128 all");
    assert_string_equal(ask(lab, ETH0, "2001:db8:9::1", NG_TCP, 80), "local 2001:db8::1:3128 all");
    /* Without one it is dropped. */
    assert_string_equal(ask(lab, ETH1, "2001:db8:9::1", NG_TCP, 80), "dropped all by 1");
}

static void test_dnat_to_a_range_is_not_certain(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    struct ng_nat range = nat_to("172.17.0.2", 80);
    (void)state;
    range.addr_hi.value++;
    RULE(lab, nat, nat_op(lab, NG_OP_DNAT, range));
    assert_string_equal(ask_host(lab), "anywhere all; forwarded 172.17.0.2:80 docker0 all ? dnat "
                                       "to a range");
}

/* "dnat ip to" in an inet table leaves IPv6 packets alone: the rules after it see them. */
static void test_dnat_of_the_other_family(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    (void)state;
    RULE(lab, nat, dnat(lab, "172.17.0.2", 80));
    RULE(lab, nat, DROP);
    assert_string_equal(ask_host(lab), "forwarded 172.17.0.2:80 docker0 all");
    assert_string_equal(ask(lab, ETH0, "2001:db8::1", NG_TCP, 80), "dropped all by 2");
}

static void test_dnat_by_map(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    const struct ng_operand by[] = {operand(NG_FIELD_DPORT)};
    const struct ng_interval sides[] = {{80, 80}, {8000, 8010}};
    struct ng_match *map = box_match(lab, by, 1, sides, 2);
    (void)state;
    box_of(map, 0)->nat = nat_to("172.17.0.2", 0);
    box_of(map, 1)->nat = nat_to("172.17.0.3", 90);
    RULE(lab, nat, (struct ng_op){.kind = NG_OP_DNAT, .match = map}, DROP);
    RULE(lab, nat, dnat(lab, "10.0.0.9", 0));
    assert_string_equal(ask_host(lab), "forwarded 172.17.0.2:80 docker0 all");
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_TCP, 8005),
                        "forwarded 172.17.0.3:90 docker0 all");
    /* A miss ends the rule, not the chain. */
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_TCP, 81), "forwarded 10.0.0.9:81 eth1 all");
}

/* -- verdict maps ------------------------------------------------------------------------------- */

static void test_vmap(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    uint32_t user = chain(lab, 0, "user");
    struct ng_operand saddr = operand(NG_FIELD_SADDR);
    saddr.family = NG_IP4;
    const struct ng_operand by[] = {saddr, operand(NG_FIELD_DPORT)};
    const struct ng_interval sides[] = {{0, 0x3fffffff}, {80, 80},        {0x40000000, 0x7fffffff},
                                        {0, 1024},       {0, 0x7fffffff}, {81, 81}};
    struct ng_match *map = box_match(lab, by, 2, sides, 3);
    (void)state;
    box_of(map, 0)->verdict.kind = NG_VERDICT_DROP;
    box_of(map, 1)->verdict = (struct ng_verdict){.kind = NG_VERDICT_JUMP, .chain = user};
    box_of(map, 2)->verdict.kind = NG_VERDICT_ACCEPT;
    RULE(lab, input, vmap_op(map), ACCEPT);          /* a miss goes on in the rule */
    RULE(lab, input, from(lab, "64.0.0.0/3"), DROP); /* where the jump comes back to */
    RULE(lab, user, from(lab, "64.0.0.0/4"), ACCEPT);
    assert_string_equal(ask_host(lab),
                        "dropped 0.0.0.0/2 by 1; dropped 80.0.0.0/4 by 2; dropped 96.0.0.0/3 by "
                        "policy of 0; local 64.0.0.0/4 by 3; local 128.0.0.0/1 by 1");
}

static void test_vmap_elements_that_expire(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    const struct ng_operand by[] = {operand(NG_FIELD_DPORT)};
    const struct ng_interval sides[] = {{80, 80}};
    struct ng_match *map = box_match(lab, by, 1, sides, 1);
    (void)state;
    map->set_name = "knocked";
    box_of(map, 0)->verdict.kind = NG_VERDICT_ACCEPT;
    box_of(map, 0)->expires = true;
    RULE(lab, input, vmap_op(map));
    assert_string_equal(ask_host(lab), "dropped all by policy of 0; local all by 1 ? "
                                       "th dport vmap @knocked");
}

/* A field that is not there ends the rule before anything is looked up, catch-all or not. */
static void test_maps_of_a_missing_field(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    const struct ng_operand direction[] = {operand(NG_FIELD_CT_DIRECTION)};
    const struct ng_operand header[] = {operand(NG_FIELD_EXTHDR)};
    const struct ng_interval zero[] = {{0, 0}}, all[] = {{0, lab_whole}};
    struct ng_match *zero_drops = box_match(lab, direction, 1, zero, 1);
    struct ng_match *all_drop = box_match(lab, direction, 1, all, 1);
    struct ng_match *to_container = box_match(lab, header, 1, zero, 1);
    (void)state;
    box_of(zero_drops, 0)->verdict.kind = NG_VERDICT_DROP;
    box_of(all_drop, 0)->verdict.kind = NG_VERDICT_DROP;
    box_of(to_container, 0)->nat = nat_to("172.17.0.2", 0);
    RULE(lab, raw, vmap_op(zero_drops), DROP);
    RULE(lab, raw, vmap_op(all_drop), DROP);
    RULE(lab, nat, (struct ng_op){.kind = NG_OP_DNAT, .match = to_container});
    assert_string_equal(ask_host(lab), "local all");
}

/* -- connections -------------------------------------------------------------------------------- */

static void test_state_of_a_first_packet(void **state) {
    static const struct {
        enum ng_hook hook;
        int32_t priority;
        unsigned expected;
    } places[] = {
        {NG_HOOK_PREROUTING, -300, 1}, {NG_HOOK_PREROUTING, -201, 1}, {NG_HOOK_PREROUTING, -200, 8},
        {NG_HOOK_PREROUTING, 0, 8},    {NG_HOOK_INPUT, -300, 8},      {NG_HOOK_INPUT, 0, 8},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        for (unsigned bit = 1; bit <= 64; bit <<= 1) {
            _lab_ lab = lab_new();
            uint32_t own = filter_chain(lab, places[i].hook, places[i].priority, false);
            RULE(lab, own, has_bit(lab, NG_FIELD_CT_STATE, bit), DROP);
            bool dropped = strcmp(ask_host(lab), "dropped all by 1") == 0;
            assert_int_equal(dropped, bit == places[i].expected);
        }
}

static void test_notrack_counts_only_before_conntrack(void **state) {
    static const struct {
        enum ng_hook hook;
        int32_t priority;
        bool untracked;
    } places[] = {{NG_HOOK_PREROUTING, -300, true},
                  {NG_HOOK_PREROUTING, -150, false},
                  {NG_HOOK_INPUT, -300, false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        _lab_ lab = lab_new();
        uint32_t own = filter_chain(lab, places[i].hook, places[i].priority, false);
        uint32_t input = filter_chain(lab, INPUT, 0, true);
        RULE(lab, own, NOTRACK);
        RULE(lab, input, has_bit(lab, NG_FIELD_CT_STATE, 64), ACCEPT);
        RULE(lab, input, has_bit(lab, NG_FIELD_CT_STATE, 8), DROP);
        assert_string_equal(ask_host(lab),
                            places[i].untracked ? "local all by 2" : "dropped all by 3");
    }
}

/* Not there means the rule ends, negated or not. */
static void test_missing_fields(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    (void)state;
    RULE(lab, raw, is(lab, NG_FIELD_CT_DIRECTION, 0), DROP);
    RULE(lab, raw, not(is(lab, NG_FIELD_CT_DIRECTION, 0)), DROP);
    RULE(lab, raw, is(lab, NG_FIELD_EXTHDR, 0), DROP);
    RULE(lab, raw, not(is(lab, NG_FIELD_EXTHDR, 0)), DROP);
    RULE(lab, raw, not(is(lab, NG_FIELD_OIFTYPE, 1)), DROP);
    RULE(lab, raw, not(named(lab, NG_FIELD_IIFKIND, "bridge")), DROP); /* eth0 has no kind */
    RULE(lab, raw, is(lab, NG_FIELD_EXTHDR_PRESENT, 1), DROP);
    assert_string_equal(ask_host(lab), "local all");
    RULE(lab, raw, is(lab, NG_FIELD_EXTHDR_PRESENT, 0), DROP);
    assert_string_equal(ask_host(lab), "dropped all by 8");
}

/* -- fields -------------------------------------------------------------------------------------- */

static void test_interfaces(void **state) {
    static const struct {
        enum ng_field field;
        const char *name;
        bool negate, host, container; /* does it match on the way there? */
    } table_[] = {
        {NG_FIELD_IIFNAME, "eth0", false, true, true},
        {NG_FIELD_IIFNAME, "eth1", false, false, false},
        {NG_FIELD_IIFNAME, "eth*", false, true, true},
        {NG_FIELD_IIFNAME, "eth", false, false, false},
        {NG_FIELD_IIFNAME, "absent", true, true, true},
        {NG_FIELD_IIFNAME, "eth0", true, false, false},
        {NG_FIELD_OIFNAME, "docker0", false, false, true},
        {NG_FIELD_OIFNAME, "docker0", true, true, false}, /* any `!=` at input */
        {NG_FIELD_OIFNAME, "docker*", true, true, false},
        {NG_FIELD_OIFKIND, "bridge", false, false, true},
        {NG_FIELD_OIFKIND, "vxlan", true, false, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t input = filter_chain(lab, INPUT, 0, true);
        uint32_t forward = filter_chain(lab, FORWARD, 0, true);
        struct ng_op test = named(lab, table_[i].field, table_[i].name);
        if (table_[i].negate)
            test = not(test);
        RULE(lab, input, test, ACCEPT);
        RULE(lab, forward, test, ACCEPT);
        const char *host = ask_host(lab), *container = ask(lab, ETH0, "172.17.0.2", NG_TCP, 80);
        if ((strncmp(host, "local", 5) == 0) != table_[i].host ||
            (strncmp(container, "forwarded", 9) == 0) != table_[i].container)
            fail_msg("%zu: %s, %s", i, host, container);
    }
}

static void test_other_fields(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, false);
    (void)state;
    RULE(lab, input, is(lab, NG_FIELD_L4PROTO, NG_UDP), DROP);
    RULE(lab, input, is(lab, NG_FIELD_NFPROTO, 10), DROP);
    RULE(lab, input, is(lab, NG_FIELD_ETHERTYPE, 0x86dd), DROP);
    RULE(lab, input, is(lab, NG_FIELD_IIF, ETH1), DROP);
    RULE(lab, input, is(lab, NG_FIELD_IIFTYPE, 772), DROP);
    RULE(lab, input, is(lab, NG_FIELD_MARK, 1), DROP);
    RULE(lab, input, is(lab, NG_FIELD_PKTTYPE, 1), DROP);
    RULE(lab, input, not(is(lab, NG_FIELD_FRAGMENT, 0)), DROP);
    RULE(lab, input, is(lab, NG_FIELD_TCP_FLAGS, 0x12), DROP);
    RULE(lab, input, has_bit(lab, NG_FIELD_TCP_FLAGS, 0x15), DROP);
    RULE(lab, input, is(lab, NG_FIELD_CT_L4PROTO, NG_UDP), DROP);
    RULE(lab, input, is(lab, NG_FIELD_CT_DIRECTION, 1), DROP);
    RULE(lab, input, not(is(lab, NG_FIELD_FIB_DADDR_TYPE, NG_ROUTE_LOCAL)), DROP);
    RULE(lab, input, not(is(lab, NG_FIELD_FIB_DADDR_IIF_TYPE, NG_ROUTE_LOCAL)), DROP);
    RULE(lab, input, is(lab, NG_FIELD_L4PROTO, NG_TCP), is(lab, NG_FIELD_NFPROTO, 2),
         is(lab, NG_FIELD_ETHERTYPE, 0x0800), is(lab, NG_FIELD_IIF, ETH0),
         is(lab, NG_FIELD_IIFTYPE, 1), is(lab, NG_FIELD_TCP_FLAGS, 2), ACCEPT);
    assert_string_equal(ask_host(lab), "local all by 15");
    /* eth0's address asked for on eth1: local, but not of that interface. */
    assert_string_equal(ask(lab, ETH1, "192.0.2.1", NG_TCP, 80), "dropped all by 4");
    lab->rules[3].n_ops = 1; /* goes on in its place */
    assert_string_equal(ask(lab, ETH1, "192.0.2.1", NG_TCP, 80), "dropped all by 14");
    assert_string_equal(ask(lab, ETH0, "2001:db8::1", NG_TCP, 80), "dropped all by 2");
}

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

/* -- marks ---------------------------------------------------------------------------------------- */

static void test_marks(void **state) {
    _lab_ lab = lab_new();
    uint32_t mangle = filter_chain(lab, PREROUTING, -150, false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, mangle, from(lab, "128.0.0.0/1"), set_mark(lab, 0, 0x10));
    RULE(lab, mangle, from(lab, "192.0.0.0/2"), set_mark(lab, 0xfff0, 0x1));
    RULE(lab, input, is(lab, NG_FIELD_MARK, 0x10), ACCEPT);
    RULE(lab, input, is(lab, NG_FIELD_MARK, 0x11), ACCEPT);
    assert_string_equal(ask_host(lab), "dropped 0.0.0.0/1 by policy of 1; local 128.0.0.0/2 by 3; "
                                       "local 192.0.0.0/2 by 4");
}

/* What a rule has done to the packet stays done when a later test of it fails. */
static void test_a_mark_before_a_test(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, input, from(lab, "128.0.0.0/1"), set_mark(lab, 0, 7), dport(lab, 81), DROP);
    RULE(lab, input, is(lab, NG_FIELD_MARK, 7), ACCEPT);
    assert_string_equal(ask_host(lab), "dropped 0.0.0.0/1 by policy of 0; local 128.0.0.0/1 by 2");
}

/* Doubt about each bit would be two flows, four, eight, …: at some number it is enough. */
static void test_marks_that_multiply(void **state) {
    _lab_ lab = lab_new();
    uint32_t mangle = filter_chain(lab, PREROUTING, -150, false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    for (unsigned bit = 0; bit < 32; bit++)
        RULE(lab, mangle, UNDECIDED("limit"), set_mark(lab, UINT32_MAX, 1U << bit));
    RULE(lab, input, is(lab, NG_FIELD_MARK, 0x12345678), ACCEPT);
    const char *answer = ask_host(lab);
    assert_non_null(strstr(answer, "dropped all by policy of 1"));
    assert_non_null(strstr(answer, "local all by 33"));
}

static void test_an_unknown_mark(void **state) {
    _lab_ lab = lab_new();
    uint32_t mangle = filter_chain(lab, PREROUTING, -150, false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, mangle, from(lab, "128.0.0.0/1"), (struct ng_op){.kind = NG_OP_SET_MARK});
    RULE(lab, input, is(lab, NG_FIELD_MARK, 1), ACCEPT);
    assert_string_equal(ask_host(lab),
                        "dropped 0.0.0.0/1 by policy of 1; dropped 128.0.0.0/1 by policy of 1; "
                        "local 128.0.0.0/1 by 2 ? meta mark 0x1");
}

/* -- doubt ------------------------------------------------------------------------------------- */

static void test_undecided_goes_both_ways(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, input, from(lab, "128.0.0.0/1"), UNDECIDED("limit rate 5/second"), ACCEPT);
    RULE(lab, input, from(lab, "0.0.0.0/2"), ACCEPT);
    assert_string_equal(ask_host(lab),
                        "dropped 64.0.0.0-255.255.255.255 by policy of 0; local 128.0.0.0/1 by 1; "
                        "local 0.0.0.0/2 by 2 ? limit rate 5/second");
}

static void test_a_field_without_value(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_operand other = operand(NG_FIELD_OTHER);
    (void)state;
    other.name = "meta skuid";
    RULE(lab, input, match_set(lab, other, one_interval(lab, 0, 0)), ACCEPT);
    assert_string_equal(ask_host(lab), "dropped all by policy of 0; local all by 1 ? meta skuid 0");
    RULE(lab, input, not(match_set(lab, other, one_interval(lab, 0, 0))), ACCEPT);
    assert_string_equal(ask_host(lab), "dropped all by policy of 0; local all by 1; local all by "
                                       "2 ? meta skuid 0 ? meta skuid != 0");
}

static void test_sets_that_change(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_op in = from(lab, "10.0.0.0/8"), out = not(from(lab, "10.0.0.0/8"));
    struct ng_match *expiring = (struct ng_match *)in.match;
    struct ng_match *dynamic = (struct ng_match *)out.match;
    (void)state;
    expiring->set_name = "allowed";
    expiring->expiring = one_interval(lab, 0x0b000000, 0x0b0000ff);
    RULE(lab, input, in, ACCEPT);
    assert_string_equal(ask_host(lab),
                        "dropped 0.0.0.0-9.255.255.255,11.0.0.0-255.255.255.255 by policy of 0; "
                        "local 10.0.0.0-11.0.0.255 by 1 ? ip saddr @allowed");
    dynamic->set_name = "banned";
    dynamic->dynamic = true;
    lab->ruleset.n_rules = 0;
    RULE(lab, input, out, ACCEPT); /* whoever is not in it may be in a moment */
    assert_string_equal(ask_host(lab),
                        "dropped all by policy of 0; local "
                        "0.0.0.0-9.255.255.255,11.0.0.0-255.255.255.255 by 1 ? ip saddr != "
                        "@banned");
}

/* -- routing -------------------------------------------------------------------------------------- */

static void test_forwarding_off(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    lab->links[ETH0 - 1].forwarding4 = false;
    assert_string_equal(ask(lab, ETH0, "172.17.0.2", NG_TCP, 80), "no-route all");
    assert_string_equal(ask(lab, ETH0, "fd00::2", NG_TCP, 80),
                        "no-route fe80::/10; forwarded docker0 " NOT_LINK_LOCAL);
    assert_string_equal(ask(lab, ETH1, "172.17.0.2", NG_TCP, 80), "forwarded docker0 all");
    assert_string_equal(ask_host(lab), "local all");
}

static void test_martian_destinations(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    (void)state;
    RULE(lab, nat, dport(lab, 8080), dnat(lab, "172.17.0.2", 80));
    RULE(lab, nat, dport(lab, 8081), dnat(lab, "127.0.0.1", 80));
    assert_string_equal(ask(lab, ETH0, "127.0.0.1", NG_TCP, 80), "no-route all");
    /* Translated before it is looked at. */
    assert_string_equal(ask(lab, ETH0, "127.0.0.1", NG_TCP, 8080),
                        "forwarded 172.17.0.2:80 docker0 all");
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_TCP, 8081), "no-route 127.0.0.1:80 all");
    lab->links[ETH0 - 1].route_localnet = true;
    assert_string_equal(ask(lab, ETH0, "127.0.0.1", NG_TCP, 80), "local all");
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_TCP, 8081), "local 127.0.0.1:80 all");
    assert_string_equal(ask(lab, LO, "127.0.0.1", NG_TCP, 80), "local all");
}

/* ::1 is refused off the wire, before any hook could translate it. */
static void test_loopback6(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    (void)state;
    RULE(lab, nat, dnat(lab, "fd00::2", 0));
    assert_string_equal(ask(lab, ETH0, "::1", NG_TCP, 80), "no-route all");
    assert_string_equal(
        ask(lab, LO, "::1", NG_TCP, 80),
        "no-route fd00::2:80 fe80::/10; forwarded fd00::2:80 docker0 " NOT_LINK_LOCAL);
}

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

static void test_routing_by_mark(void **state) {
    _lab_ lab = lab_new();
    uint32_t mangle = filter_chain(lab, PREROUTING, -150, false);
    (void)state;
    lab_route(lab, NG_ROUTE_UNICAST, 100, "0.0.0.0/0", ETH1);
    lab_route_rule(lab,
                   (struct ng_route_rule){
                       .family = NG_IP4, .action = 1, .table = 100, .fwmark = 1, .fwmask = 0xff});
    RULE(lab, mangle, from(lab, "128.0.0.0/1"), set_mark(lab, 0, 0x101));
    assert_string_equal(ask(lab, ETH0, "172.17.0.2", NG_TCP, 80),
                        "forwarded docker0 0.0.0.0/1; forwarded eth1 128.0.0.0/1");
    RULE(lab, mangle, from(lab, "128.0.0.0/1"), (struct ng_op){.kind = NG_OP_SET_MARK});
    assert_string_equal(
        ask(lab, ETH0, "172.17.0.2", NG_TCP, 80),
        "forwarded docker0 0.0.0.0/1; forwarded eth1 128.0.0.0/1; forwarded "
        "docker0 128.0.0.0/1 ? routing by source, mark or port, or to one of several hops");
}

static void test_no_way_out(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    lab_route(lab, NG_ROUTE_BLACKHOLE, 254, "198.51.100.0/24", 0);
    lab_route(lab, NG_ROUTE_UNICAST, 254, "198.51.101.0/24", 99);
    assert_string_equal(ask(lab, ETH0, "198.51.100.1", NG_TCP, 80), "no-route all");
    assert_string_equal(ask(lab, ETH0, "198.51.101.1", NG_TCP, 80), "no-route all");
    lab->links[DOCKER0 - 1].up = false;
    assert_string_equal(ask(lab, ETH0, "172.17.0.2", NG_TCP, 80), "no-route all");
    lab->world.n_routes = 0;
    assert_string_equal(ask_host(lab), "no-route all");
}

static void test_broadcast_is_delivered(void **state) {
    _lab_ lab = lab_new();
    filter_chain(lab, INPUT, 0, true);
    (void)state;
    assert_string_equal(ask(lab, ETH0, "192.0.2.255", NG_UDP, 67), "dropped all by policy of 0");
}

/* -- which destinations differ --------------------------------------------------------------- */

static void test_distinct(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    ng_u128 addrs[] = {addr("192.0.2.1").value,  addr("10.0.0.1").value, addr("172.17.0.1").value,
                       addr("127.0.0.1").value,  addr("10.0.0.2").value, addr("10.0.1.1").value,
                       addr("127.0.0.53").value, addr("10.0.1.2").value};
    const ng_u128 kept[] = {addrs[0], addrs[1], addrs[3]};
    (void)state;
    RULE(lab, input, from(lab, "10.0.0.2"), ACCEPT); /* of no importance here */
    RULE(lab, input, to(lab, "10.0.0.0/24"), ACCEPT);
    assert_int_equal(ng_reach_new(&lab->world, lab_ruleset(lab), &lab->engine), 0);
    assert_int_equal(ng_reach_distinct(lab->engine, NG_IP4, addrs, ARRAY_SIZE(addrs)), 4);
    assert_memory_equal(addrs, kept, sizeof(kept[0]) * 2);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_rules),
        cmocka_unit_test(test_no_such_link),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_first_verdict_counts),
        cmocka_unit_test(test_a_rule_without_verdict_goes_on),
        cmocka_unit_test(test_return_in_a_base_chain_is_the_policy),
        cmocka_unit_test(test_jump_comes_back),
        cmocka_unit_test(test_goto_comes_back_to_the_caller),
        cmocka_unit_test(test_goto_in_a_base_chain_ends_in_its_policy),
        cmocka_unit_test(test_somebody_else_decides),
        cmocka_unit_test(test_an_effect_nobody_understands),
        cmocka_unit_test(test_a_loop_of_jumps),
        cmocka_unit_test(test_jumps_that_fan_out),
        cmocka_unit_test(test_base_chains_by_priority),
        cmocka_unit_test(test_drop_is_final),
        cmocka_unit_test(test_families_see_their_packets),
        cmocka_unit_test(test_which_hooks),
        cmocka_unit_test(test_ingress_devices),
        cmocka_unit_test(test_dnat_leads_to_the_container),
        cmocka_unit_test(test_dnat_of_address_or_port_alone),
        cmocka_unit_test(test_a_mapping_stops_later_nat_chains),
        cmocka_unit_test(test_nat_chains_stand_together),
        cmocka_unit_test(test_source_nat_stops_later_nat_chains),
        cmocka_unit_test(test_both_ends_translated),
        cmocka_unit_test(test_untracked_packets_skip_nat),
        cmocka_unit_test(test_redirect),
        cmocka_unit_test(test_dnat_to_a_range_is_not_certain),
        cmocka_unit_test(test_dnat_of_the_other_family),
        cmocka_unit_test(test_dnat_by_map),
        cmocka_unit_test(test_vmap),
        cmocka_unit_test(test_vmap_elements_that_expire),
        cmocka_unit_test(test_maps_of_a_missing_field),
        cmocka_unit_test(test_state_of_a_first_packet),
        cmocka_unit_test(test_notrack_counts_only_before_conntrack),
        cmocka_unit_test(test_missing_fields),
        cmocka_unit_test(test_interfaces),
        cmocka_unit_test(test_other_fields),
        cmocka_unit_test(test_source_ports),
        cmocka_unit_test(test_source_of_another_family),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_a_mark_before_a_test),
        cmocka_unit_test(test_marks_that_multiply),
        cmocka_unit_test(test_an_unknown_mark),
        cmocka_unit_test(test_undecided_goes_both_ways),
        cmocka_unit_test(test_a_field_without_value),
        cmocka_unit_test(test_sets_that_change),
        cmocka_unit_test(test_forwarding_off),
        cmocka_unit_test(test_martian_destinations),
        cmocka_unit_test(test_loopback6),
        cmocka_unit_test(test_source_validation),
        cmocka_unit_test(test_routing_by_mark),
        cmocka_unit_test(test_no_way_out),
        cmocka_unit_test(test_broadcast_is_delivered),
        cmocka_unit_test(test_distinct),
        cmocka_unit_test(test_all_distinct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
