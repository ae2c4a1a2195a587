/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a packet in chains and hooks: verdicts, jumps, the order of base chains, doubt.
 */
#include "tests/unit/fixture_reach.h"

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

/* -- verdicts ------------------------------------------------------------------------- */

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

/* What it did to the packet before is done, whatever it does to it now. */
static void test_an_unknown_effect_in_the_middle(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, input, from(lab, "128.0.0.0/1"), set_mark(lab, 0, 1), UNKNOWN("what"), ACCEPT);
    RULE(lab, input, is(lab, NG_FIELD_MARK, 1), ACCEPT);
    assert_string_equal(ask_host(lab),
                        "anywhere 128.0.0.0/1; dropped 0.0.0.0/1 by policy of 0; local "
                        "128.0.0.0/1; local 128.0.0.0/1 by 1; local 128.0.0.0/1 by 2 ? what");
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
    assert_string_equal(ask_host(lab), "anywhere all ? a ruleset of more ways than can be tried");
}

/* As deep as any kernel goes, and one more. */
static void test_how_deep_jumps_are_followed(void **state) {
    (void)state;
    for (unsigned jumps = 48; jumps <= 60; jumps += 12) {
        _lab_ lab = lab_new();
        uint32_t level = filter_chain(lab, INPUT, 0, true);
        for (unsigned i = 0; i < jumps; i++) {
            uint32_t deeper = chain(lab, 0, "deeper");
            RULE(lab, level, JUMP(deeper));
            level = deeper;
        }
        RULE(lab, level, ACCEPT);
        const char *wanted = ng_arena_printf(lab->arena, "local all by %u", jumps + 1);
        assert_string_equal(ask_host(lab), wanted);
    }
}

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
    RULE(lab, input, vmap_op(map), ACCEPT);          /* a miss ends the rule */
    RULE(lab, input, from(lab, "64.0.0.0/3"), DROP); /* where the jump comes back to */
    RULE(lab, user, from(lab, "64.0.0.0/4"), ACCEPT);
    assert_string_equal(ask_host(lab),
                        "dropped 0.0.0.0/2 by 1; dropped 80.0.0.0/4 by 2; dropped "
                        "96.0.0.0-255.255.255.255 by policy of 0; local 64.0.0.0/4 by 3");
}

/* Whatever no other element matches is the catch-all's, even where that leads to the same. */
static void test_vmap_with_a_catch_all(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    const struct ng_operand by[] = {operand(NG_FIELD_SADDR)};
    const struct ng_interval sides[] = {
        {0, 0x3fffffff}, {0x40000000, 0x7fffffff}, {0x80000000, 0x80000000}, {0, lab_whole}};
    struct ng_match *map = box_match(lab, by, 1, sides, 4);
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        box_of(map, i)->verdict.kind = i % 2 ? NG_VERDICT_DROP : NG_VERDICT_ACCEPT;
    RULE(lab, input, vmap_op(map));
    assert_string_equal(ask_host(lab), "dropped 64.0.0.0/2 by 1; dropped 128.0.0.1-255.255.255.255 "
                                       "by 1; local 0.0.0.0/2,128.0.0.0 by 1");
    box_of(map, 3)->verdict.kind = NG_VERDICT_ACCEPT;
    assert_string_equal(ask_host(lab), "dropped 64.0.0.0/2 by 1; local "
                                       "0.0.0.0/2,128.0.0.0/1 by 1");
}

/* Of concatenated ranges the first that holds a key counts, whatever those behind it lead to. */
static void test_vmap_of_ranges_that_overlap(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, false);
    const struct ng_operand by[] = {operand(NG_FIELD_SADDR), operand(NG_FIELD_DPORT)};
    const struct ng_interval sides[] = {{0, 9},  {80, 90}, {10, 19},         {80, 80},
                                        {5, 29}, {1, 100}, {0, ~(ng_u128)0}, {0, ~(ng_u128)0}};
    struct ng_match *map = box_match(lab, by, 2, sides, 4);
    (void)state;
    map->ordered = true;
    box_of(map, 0)->verdict.kind = box_of(map, 2)->verdict.kind = NG_VERDICT_DROP;
    box_of(map, 1)->verdict.kind = box_of(map, 3)->verdict.kind = NG_VERDICT_ACCEPT;
    RULE(lab, input, vmap_op(map));
    assert_string_equal(ask_host(lab),
                        "dropped 0.0.0.0-0.0.0.9 by 1; dropped 0.0.0.20-0.0.0.29 by 1; local "
                        "0.0.0.10-0.0.0.19,0.0.0.30-255.255.255.255 by 1");
}

/* An element that says so goes on with what stands behind the map. */
static void test_vmap_that_continues(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    const struct ng_operand by[] = {operand(NG_FIELD_SADDR)};
    const struct ng_interval sides[] = {{0, 0x3fffffff}, {0x40000000, 0x7fffffff}};
    struct ng_match *map = box_match(lab, by, 1, sides, 2);
    (void)state;
    box_of(map, 0)->verdict.kind = NG_VERDICT_CONTINUE;
    box_of(map, 1)->verdict.kind = NG_VERDICT_RETURN;
    RULE(lab, input, vmap_op(map), VERDICT(NG_VERDICT_CONTINUE), set_mark(lab, 0, 1), ACCEPT);
    RULE(lab, input, is(lab, NG_FIELD_MARK, 0), from(lab, "192.0.0.0/2"), ACCEPT);
    assert_string_equal(ask_host(lab), "dropped 64.0.0.0-191.255.255.255 by policy of 0; local "
                                       "0.0.0.0/2 by 1; local 192.0.0.0/2 by 2");
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

/* -- hooks ---------------------------------------------------------------------------- */

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

/* -- equal priorities ----------------------------------------------------------------- */

/* Of one table the chain that was made last runs first. */
static void test_ties_in_one_table(void **state) {
    _lab_ lab = lab_new();
    uint32_t first = filter_chain(lab, INPUT, 0, false), last = filter_chain(lab, INPUT, 0, false);
    (void)state;
    lab->chains[first].handle = 1;
    lab->chains[last].handle = 2;
    RULE(lab, first, is(lab, NG_FIELD_MARK, 1), DROP);
    RULE(lab, last, set_mark(lab, 0, 1));
    assert_string_equal(ask_host(lab), "dropped all by 1");
    lab->chains[first].handle = 3;
    assert_string_equal(ask_host(lab), "local all by policy of 0");
    lab->chains[first].handle = 2; /* nobody tells */
    assert_string_equal(ask_host(lab),
                        "dropped all by 1; local all by policy of 0 ? the order of chains of equal "
                        "priority in several tables");
}

/* `n` chains of input at one priority, each in a table of its own. */
static void tie(struct lab *lab, uint32_t *chains, unsigned n) {
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (unsigned i = 0; i < n; i++)
        chains[i] = base_chain(lab, table(lab, NG_TABLE_INET, names[i]), names[i], INPUT,
                               NG_CHAIN_FILTER, 0, false);
}

/* Chains that only admit or drop come to the same in any order. */
static void test_ties_without_effect(void **state) {
    _lab_ lab = lab_new();
    uint32_t chains[3], user;
    (void)state;
    tie(lab, chains, 3);
    user = chain(lab, 1, "user");
    RULE(lab, chains[0], from(lab, "128.0.0.0/1"), DROP);
    RULE(lab, chains[1], JUMP(user));
    RULE(lab, chains[2], ACCEPT);
    RULE(lab, user, UNDECIDED("limit"), from(lab, "64.0.0.0/2"), DROP);
    assert_string_equal(ask_host(lab), "dropped 128.0.0.0/1 by 1; dropped 64.0.0.0/2 by 4; local "
                                       "0.0.0.0/1 by 3 ? limit");
}

/* Where the order counts, every order counts. */
static void test_ties_with_effect(void **state) {
    static const char untold[] = "the order of chains of equal priority in several tables";
    (void)state;
    for (unsigned way = 0; way < 3; way++) {
        _lab_ lab = lab_new();
        uint32_t chains[2], user;
        tie(lab, chains, 2);
        user = chain(lab, 1, "user");
        const struct ng_operand by[] = {operand(NG_FIELD_DPORT)};
        const struct ng_interval sides[] = {{80, 80}};
        struct ng_match *map = box_match(lab, by, 1, sides, 1);
        box_of(map, 0)->verdict = (struct ng_verdict){.kind = NG_VERDICT_JUMP, .chain = user};
        RULE(lab, chains[0], is(lab, NG_FIELD_MARK, 1), DROP);
        /* Also behind a jump, a goto or a map of verdicts. */
        RULE(lab, chains[1], way == 0 ? JUMP(user) : way == 1 ? GOTO(user) : vmap_op(map));
        RULE(lab, user, set_mark(lab, 0, 1));
        const char *answer = ask_host(lab);
        assert_non_null(strstr(answer, "dropped all by 1"));
        assert_non_null(strstr(answer, "local all by policy of 0"));
        assert_non_null(strstr(answer, untold));
        /* At other priorities the order is told. */
        lab->chains[chains[1]].priority = -1;
        assert_string_equal(ask_host(lab), "dropped all by 1");
    }
}

/* Three: a mark that is set, then changed, then asked for, in one order of six. */
static void test_every_order_of_a_tie(void **state) {
    for (unsigned n = 3; n <= 4; n++) {
        _lab_ lab = lab_new();
        uint32_t chains[4];
        (void)state;
        tie(lab, chains, n);
        RULE(lab, chains[0], is(lab, NG_FIELD_MARK, n - 1), DROP);
        for (unsigned i = 1; i < n; i++)
            RULE(lab, chains[i], is(lab, NG_FIELD_MARK, n - 1 - i), set_mark(lab, 0, n - i));
        const char *answer = ask_host(lab);
        assert_non_null(strstr(answer, "dropped all by 1"));
        assert_non_null(strstr(answer, "local all"));
        assert_null(strstr(answer, "anywhere"));
    }
}

/* Of chains at ingress only those of the packet's link can be tied. */
static void test_ties_at_a_device(void **state) {
    static const struct {
        const char *other;
        bool both;
    } table_[] = {{"eth0", true}, {"eth1", false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t a = device_chain(lab, NG_HOOK_INGRESS, "eth0", false);
        uint32_t b = device_chain(lab, NG_HOOK_INGRESS, table_[i].other, false);
        lab->chains[b].table = table(lab, NG_TABLE_NETDEV, "other");
        RULE(lab, a, is(lab, NG_FIELD_MARK, 1), DROP);
        RULE(lab, b, set_mark(lab, 0, 1));
        const char *answer = ask_host(lab);
        assert_non_null(strstr(answer, "local all"));
        assert_int_equal(strstr(answer, "dropped all by 1") != NULL, table_[i].both);
        assert_int_equal(strstr(answer, "? the order of chains") != NULL, table_[i].both);
    }
}

static void test_more_than_can_be_tried(void **state) {
    _lab_ lab = lab_new();
    uint32_t chains[5];
    (void)state;
    tie(lab, chains, 5);
    RULE(lab, chains[4], set_mark(lab, 0, 1));
    RULE(lab, chains[0], from(lab, "128.0.0.0/1"), DROP);
    assert_string_equal(ask_host(lab),
                        "anywhere all; dropped 128.0.0.0/1 by 2; local 0.0.0.0/1 by policy of 0 ? "
                        "the order of chains of equal priority in several tables ? many chains of "
                        "equal priority");
}

/* -- doubt ---------------------------------------------------------------------------- */

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
        cmocka_unit_test(test_an_unknown_effect_in_the_middle),
        cmocka_unit_test(test_a_loop_of_jumps),
        cmocka_unit_test(test_jumps_that_fan_out),
        cmocka_unit_test(test_how_deep_jumps_are_followed),
        cmocka_unit_test(test_vmap),
        cmocka_unit_test(test_vmap_with_a_catch_all),
        cmocka_unit_test(test_vmap_of_ranges_that_overlap),
        cmocka_unit_test(test_vmap_that_continues),
        cmocka_unit_test(test_vmap_elements_that_expire),
        cmocka_unit_test(test_maps_of_a_missing_field),
        cmocka_unit_test(test_base_chains_by_priority),
        cmocka_unit_test(test_drop_is_final),
        cmocka_unit_test(test_families_see_their_packets),
        cmocka_unit_test(test_which_hooks),
        cmocka_unit_test(test_ingress_devices),
        cmocka_unit_test(test_ties_in_one_table),
        cmocka_unit_test(test_ties_without_effect),
        cmocka_unit_test(test_ties_with_effect),
        cmocka_unit_test(test_every_order_of_a_tie),
        cmocka_unit_test(test_ties_at_a_device),
        cmocka_unit_test(test_more_than_can_be_tried),
        cmocka_unit_test(test_undecided_goes_both_ways),
        cmocka_unit_test(test_a_field_without_value),
        cmocka_unit_test(test_sets_that_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
