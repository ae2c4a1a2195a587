/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rules do to a packet, and what later ones see of it: marks, headers, connections, sockets.
 */
#include "tests/unit/fixture_reach.h"

/* -- marks ---------------------------------------------------------------------------- */

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
    RULE(lab, mangle, from(lab, "128.0.0.0/1"), forget_mark(lab));
    RULE(lab, input, is(lab, NG_FIELD_MARK, 1), ACCEPT);
    assert_string_equal(ask_host(lab),
                        "dropped 0.0.0.0/1 by policy of 1; dropped 128.0.0.0/1 by policy of 1; "
                        "local 128.0.0.0/1 by 2 ? meta mark 0x00000001");
}

static void test_the_mark_it_arrives_with(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_question question = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
    (void)state;
    RULE(lab, input, is(lab, NG_FIELD_MARK, 0x105), ACCEPT);
    assert_string_equal(ask_this(lab, question), "dropped all by policy of 0");
    question.mark = 0x105;
    assert_string_equal(ask_this(lab, question), "local all by 1");
    question.mark = 0x1;
    RULE(lab, filter_chain(lab, PREROUTING, 0, false), set_mark(lab, 0x0f, 0x104));
    assert_string_equal(ask_this(lab, question), "local all by 1");
}

/* Saved with the connection in prerouting, restored from it later. */
static void test_the_mark_of_a_connection(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    uint32_t mangle = filter_chain(lab, PREROUTING, -150, false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, raw, set_field(lab, NG_FIELD_CT_MARK, 0x99)); /* there is no connection yet */
    RULE(lab, raw, from(lab, "192.0.0.0/2"), NOTRACK);
    RULE(lab, mangle, set_mark(lab, 0, 0x1234));
    RULE(lab, mangle, from(lab, "128.0.0.0/1"),
         copy_field(lab, NG_FIELD_CT_MARK, NG_FIELD_MARK, 0xff, 0x100));
    RULE(lab, mangle, set_mark(lab, 0, 0));
    RULE(lab, input, copy_field(lab, NG_FIELD_MARK, NG_FIELD_CT_MARK, lab_whole, 0),
         is(lab, NG_FIELD_MARK, 0x134), ACCEPT);
    RULE(lab, input, is(lab, NG_FIELD_MARK, 0), is(lab, NG_FIELD_CT_MARK, 0), ACCEPT);
    RULE(lab, input, is(lab, NG_FIELD_MARK, 0), ACCEPT);
    /* Without a connection there is no mark of it: the rule that asks ends. */
    assert_string_equal(ask_host(lab), "local 0.0.0.0/1 by 7; local 128.0.0.0/2 by 6; "
                                       "local 192.0.0.0/2 by 8");
}

/* The mark of an invalid packet's connection cannot be read either, nor be set. */
static void test_marks_without_a_connection(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_question question = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
    (void)state;
    question.has_tcp_flags = true;
    question.tcp_flags = 4;
    RULE(lab, input, copy_field(lab, NG_FIELD_MARK, NG_FIELD_CT_MARK, lab_whole, 1), ACCEPT);
    RULE(lab, input, set_field(lab, NG_FIELD_CT_MARK, 1), set_mark(lab, 0, 7));
    RULE(lab, input, is(lab, NG_FIELD_MARK, 7), ACCEPT);
    assert_string_equal(ask_this(lab, question), "local all by 3");
    question.ct_state = 2; /* known, but not its mark */
    RULE(lab, input, copy_field(lab, NG_FIELD_MARK, NG_FIELD_CT_MARK, lab_whole, 0),
         is(lab, NG_FIELD_MARK, 1), ACCEPT);
    lab->rules[0].n_ops = lab->rules[1].n_ops = 0;
    assert_string_equal(ask_this(lab, question),
                        "dropped all by policy of 0; local all by 4 ? meta mark 0x00000001");
}

static void test_a_mark_made_of_two(void **state) {
    _lab_ lab = lab_new();
    uint32_t mangle = filter_chain(lab, PREROUTING, -150, false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    const struct ng_operand both[] = {{.field = NG_FIELD_MARK, .mask = 0xf0f, .flip = 0x1000},
                                      {.field = NG_FIELD_CT_MARK, .mask = 0x0ff}};
    (void)state;
    RULE(lab, mangle, set_mark(lab, 0, 0x321), set_field(lab, NG_FIELD_CT_MARK, 0x456));
    RULE(lab, mangle,
         assign_op(lab,
                   (struct ng_assign){
                       .target = NG_FIELD_MARK, .terms = both, .n_terms = 2, .constant = 0x20000}));
    /* 0x301 ^ 0x1000 ^ 0x056 ^ 0x20000 */
    RULE(lab, input, is(lab, NG_FIELD_MARK, 0x21357), ACCEPT);
    assert_string_equal(ask_host(lab), "local all by 3");
}

/* A field of which nothing is taken need not be known. */
static void test_a_mark_made_of_something_unknown(void **state) {
    _lab_ lab = lab_new();
    uint32_t mangle = filter_chain(lab, PREROUTING, -150, false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, mangle, copy_field(lab, NG_FIELD_MARK, NG_FIELD_SADDR, 0, 5));
    RULE(lab, input, is(lab, NG_FIELD_MARK, 5), ACCEPT);
    assert_string_equal(ask_host(lab), "local all by 2");
    lab->ruleset.n_rules = 0;
    RULE(lab, mangle, copy_field(lab, NG_FIELD_MARK, NG_FIELD_SADDR, 0xff, 0));
    RULE(lab, input, is(lab, NG_FIELD_MARK, 5), ACCEPT);
    assert_string_equal(ask_host(lab), "dropped all by policy of 1; local all by 2 ? meta mark "
                                       "0x00000005");
    /* Of one source it is known. */
    struct ng_question question = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
    assert_string_equal(ask_this(lab, asked_from(question, "1.2.3.5", 9)),
                        "local 1.2.3.5:9-9 by 2");
    assert_string_equal(ask_this(lab, asked_from(question, "1.2.3.6", 9)),
                        "dropped 1.2.3.6:9-9 by policy of 1");
}

/* -- values by map -------------------------------------------------------------------- */

/* A map of sources to values: the element that holds, or the end of the rule. */
static struct ng_match *source_map(struct lab *lab) {
    const struct ng_operand by[] = {operand(NG_FIELD_SADDR)};
    const struct ng_interval sides[] = {{0, 0x3fffffff}, {0x80000000, 0xbfffffff}};
    struct ng_match *map = box_match(lab, by, 1, sides, 2);
    box_of(map, 0)->value = 1;
    box_of(map, 1)->value = 2;
    return map;
}

static struct ng_op assign_by(struct lab *lab, enum ng_field target, const struct ng_match *map) {
    return assign_op(lab, (struct ng_assign){.target = target, .map = map});
}

static void test_a_mark_by_map(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    /* The rest of the rule sees each value; who is in no element is not in it any more. */
    RULE(lab, input, assign_by(lab, NG_FIELD_MARK, source_map(lab)), is(lab, NG_FIELD_MARK, 2),
         ACCEPT);
    RULE(lab, input, is(lab, NG_FIELD_MARK, 1), ACCEPT);
    RULE(lab, input, is(lab, NG_FIELD_MARK, 0), is(lab, NG_FIELD_DPORT, 80), DROP);
    assert_string_equal(ask_host(lab), "dropped 64.0.0.0/2,192.0.0.0/2 by 3; local 128.0.0.0/2 by "
                                       "1; local 0.0.0.0/2 by 2");
}

static void test_a_map_whose_elements_expire(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_match *map = source_map(lab);
    (void)state;
    map->set_name = "m";
    box_of(map, 1)->expires = true;
    RULE(lab, input, from(lab, "128.0.0.0/1"), assign_by(lab, NG_FIELD_MARK, map), ACCEPT);
    assert_string_equal(ask_host(lab),
                        "dropped all by policy of 0; local 128.0.0.0/2 by 1 ? meta mark set ip "
                        "saddr map @m");
}

static void test_a_map_of_something_that_is_not_there(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    const struct ng_operand by[] = {operand(NG_FIELD_CT_STATUS)};
    const struct ng_interval sides[] = {{0, lab_whole}};
    (void)state;
    RULE(lab, raw, assign_by(lab, NG_FIELD_MARK, box_match(lab, by, 1, sides, 1)), DROP);
    assert_string_equal(ask_host(lab), "local all");
}

/* What packets have put into a map since, nobody knows. */
static void test_a_map_that_packets_fill(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_match *map = source_map(lab);
    (void)state;
    map->set_name = "m";
    map->dynamic = true;
    RULE(lab, input, assign_by(lab, NG_FIELD_MARK, map), ACCEPT);
    assert_string_equal(ask_host(lab),
                        "anywhere all; dropped 64.0.0.0/2,192.0.0.0/2 by policy "
                        "of 0; local 0.0.0.0/2 by 1; local 128.0.0.0/2 by 1 ? meta mark set ip "
                        "saddr map @m");
}

/* Header and mark by one map each, in one rule. */
static void test_a_destination_by_map(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    struct ng_match *map = source_map(lab);
    (void)state;
    box_of(map, 0)->value = addr("172.17.0.2").value;
    box_of(map, 1)->value = addr("10.0.0.9").value;
    RULE(lab, raw, assign_by(lab, NG_FIELD_DADDR, map),
         assign_by(lab, NG_FIELD_MARK, source_map(lab)), is(lab, NG_FIELD_MARK, 2), DROP);
    assert_string_equal(ask_host(lab), "dropped 128.0.0.0/2 by 1; forwarded docker0 0.0.0.0/2; "
                                       "local 64.0.0.0/2,192.0.0.0/2");
}

/* -- headers -------------------------------------------------------------------------- */

/* Written before conntrack looks, an address is what conntrack knows. */
static void test_headers_written_early_and_late(void **state) {
    static const struct {
        int32_t priority;
        const char *daddr;
        uint16_t port;
    } table_[] = {{-300, "172.17.0.2", 8080},
                  {-201, "172.17.0.2", 8080},
                  {-199, "192.0.2.1", 80},
                  {-150, "192.0.2.1", 80}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t own = filter_chain(lab, PREROUTING, table_[i].priority, false);
        uint32_t forward = filter_chain(lab, FORWARD, 0, true);
        RULE(lab, own, set_field(lab, NG_FIELD_DADDR, addr("172.17.0.2").value),
             set_field(lab, NG_FIELD_DPORT, 8080));
        RULE(lab, forward, in_prefix_of(lab, NG_FIELD_CT_DADDR, table_[i].daddr),
             in_prefix_of(lab, NG_FIELD_CT_REPLY_SADDR, table_[i].daddr),
             is(lab, NG_FIELD_CT_DPORT, table_[i].port),
             is(lab, NG_FIELD_CT_REPLY_SPORT, table_[i].port), to(lab, "172.17.0.2"),
             dport(lab, 8080), has_bit(lab, NG_FIELD_CT_STATE, 8),
             not(has_bit(lab, NG_FIELD_CT_STATUS, 32)), ACCEPT);
        /* It counts as no translation. */
        assert_string_equal(ask_host(lab), "forwarded docker0 all by 2");
    }
}

/* Two that are alike again, but for what conntrack knows of them. */
static void test_headers_that_differ_only_for_conntrack(void **state) {
    static const struct {
        enum ng_field field, ct_field;
        ng_u128 first, later;
    } table_[] = {{NG_FIELD_DPORT, NG_FIELD_CT_DPORT, 8080, 9},
                  {NG_FIELD_DADDR, NG_FIELD_CT_DADDR, 0xac110002, 0x0a000001}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
        uint32_t mangle = filter_chain(lab, PREROUTING, -150, false);
        uint32_t input = filter_chain(lab, INPUT, 0, true);
        RULE(lab, raw, from(lab, "128.0.0.0/1"), set_field(lab, table_[i].field, table_[i].first));
        RULE(lab, mangle, set_field(lab, table_[i].field, table_[i].later));
        RULE(lab, input, is(lab, table_[i].ct_field, table_[i].first), ACCEPT);
        assert_string_equal(ask_host(lab),
                            "dropped 0.0.0.0/1 by policy of 2; local 128.0.0.0/1 by 3");
    }
}

static void test_sources_that_are_written(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, raw, from(lab, "128.0.0.0/1"), set_field(lab, NG_FIELD_SADDR, 0x0a000007),
         set_field(lab, NG_FIELD_SPORT, 53));
    RULE(lab, input, from(lab, "10.0.0.7"), is(lab, NG_FIELD_SPORT, 53), ACCEPT);
    assert_string_equal(ask_host(lab),
                        "dropped 0.0.0.0/1:0-52+0.0.0.0-10.0.0.6,10.0.0.8-127.255.255.255:53-53+"
                        "0.0.0.0/1:54-65535 by policy of 1; local 10.0.0.7:53-53 by 2; "
                        "local 128.0.0.0/1 by 2");
    lab->ruleset.n_rules = 0;
    RULE(lab, raw, set_field(lab, NG_FIELD_SADDR, 0x0a000007), set_field(lab, NG_FIELD_SPORT, 53));
    /* What the connection remembers is not worked out. */
    RULE(lab, input, in_prefix_of(lab, NG_FIELD_CT_SADDR, "10.0.0.0/8"), ACCEPT);
    RULE(lab, input, is(lab, NG_FIELD_CT_SPORT, 53), ACCEPT);
    RULE(lab, input, is(lab, NG_FIELD_FIB_OIF, 0), ACCEPT);
    assert_non_null(strstr(ask_host(lab), "local all by 2; local all by 3"));
    lab->ruleset.n_rules = 0;
    RULE(lab, raw, set_field(lab, NG_FIELD_SADDR, 0x0a000007));
    RULE(lab, input, fib_is(lab, NG_FIELD_FIB_OIF, NG_FIB_SADDR, ETH1), ACCEPT);
    assert_string_equal(ask_host(lab), "local all by 2");
}

/* A destination that nobody knows leads anywhere. */
static void test_headers_that_nobody_knows(void **state) {
    static const enum ng_field targets[] = {NG_FIELD_DADDR, NG_FIELD_DPORT, NG_FIELD_SADDR,
                                            NG_FIELD_SPORT};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        _lab_ lab = lab_new();
        uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
        RULE(lab, raw, from(lab, "128.0.0.0/1"), forget_field(lab, targets[i]));
        assert_memory_equal(ask_host(lab), "anywhere 128.0.0.0/1;", 21);
    }
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    RULE(lab, raw, from(lab, "128.0.0.0/1"), forget_mark(lab), forget_field(lab, NG_FIELD_CT_MARK));
    assert_string_equal(ask_host(lab), "local 0.0.0.0/1; local 128.0.0.0/1");
}

/* Chains find their rules by destination, which a rule may have written a moment before. */
static void test_rules_behind_one_that_writes(void **state) {
    static const enum ng_field targets[] = {NG_FIELD_DADDR, NG_FIELD_DPORT};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        _lab_ lab = lab_new();
        table(lab, NG_TABLE_IP, "t");
        uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
        RULE(lab, raw, set_field(lab, targets[i], i ? 9 : addr("10.0.0.1").value));
        for (unsigned n = 10; n < 30; n++)
            RULE(lab, raw, to(lab, "192.0.2.77"), dport(lab, (uint16_t)n), DROP);
        RULE(lab, raw, i ? dport(lab, 9) : to(lab, "10.0.0.1"), DROP);
        assert_string_equal(ask_host(lab), "dropped all by 22");
    }
}

/* -- conntrack ------------------------------------------------------------------------ */

/* Only those whom the rule meets are untracked. */
/* An invalid packet has no connection to keep: notrack makes it untracked behind conntrack, too. */
static void test_notrack_of_an_invalid_packet(void **state) {
    _lab_ lab = lab_new();
    uint32_t mangle = filter_chain(lab, PREROUTING, -150, false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_question question = {.family = NG_IP4,
                                   .proto = NG_TCP,
                                   .iif = ETH0,
                                   .dport = 80,
                                   .daddr = addr("192.0.2.1").value,
                                   .has_tcp_flags = true,
                                   .tcp_flags = 0x12}; /* SYN, ACK */
    (void)state;
    RULE(lab, mangle, NOTRACK);
    RULE(lab, input, has_bit(lab, NG_FIELD_CT_STATE, 64), ACCEPT);
    assert_string_equal(ask_this(lab, question), "local all by 2");
    question.tcp_flags = 0x02;
    assert_string_equal(ask_this(lab, question), "dropped all by policy of 1");
}

static void test_notrack_for_some(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, raw, from(lab, "128.0.0.0/1"), NOTRACK, dport(lab, 81), DROP);
    RULE(lab, input, has_bit(lab, NG_FIELD_CT_STATE, 64), ACCEPT);
    RULE(lab, input, is(lab, NG_FIELD_CT_DIRECTION, 0), DROP);
    assert_string_equal(ask_host(lab), "dropped 0.0.0.0/1 by 3; local 128.0.0.0/1 by 2");
}

/* -- transparent proxies -------------------------------------------------------------- */

static struct ng_op tproxy(struct lab *lab, uint16_t port, bool xtables) {
    struct ng_tproxy *own = lab_alloc(lab, 1, sizeof(*own));
    *own = (struct ng_tproxy){.to = nat_to(NULL, port), .xtables = xtables};
    return (struct ng_op){.kind = NG_OP_TPROXY, .tproxy = own, .text = "tproxy"};
}

static void listen_at(struct lab *lab, uint8_t proto, uint16_t port) {
    struct ng_listener *own = lab_alloc(lab, 1, sizeof(*own));
    *own = (struct ng_listener){.addr = addr("0.0.0.0"), .proto = proto, .port = port};
    lab->world.listeners = own;
    lab->world.n_listeners = 1;
}

/* Without a socket the target of iptables drops, and the statement of nft ends its rule. */
static void test_tproxy_without_a_socket(void **state) {
    _lab_ lab = lab_new();
    uint32_t mangle = filter_chain(lab, PREROUTING, -150, false);
    (void)state;
    RULE(lab, mangle, from(lab, "128.0.0.0/1"), tproxy(lab, 3128, false), DROP);
    assert_string_equal(ask_host(lab), "local all");
    lab->ruleset.n_rules = 0;
    RULE(lab, mangle, from(lab, "128.0.0.0/1"), tproxy(lab, 3128, true), ACCEPT);
    assert_string_equal(ask_host(lab), "dropped 128.0.0.0/1 by 1; local 0.0.0.0/1");
    /* One of another protocol or port is none. */
    listen_at(lab, NG_UDP, 3128);
    assert_string_equal(ask_host(lab), "dropped 128.0.0.0/1 by 1; local 0.0.0.0/1");
    listen_at(lab, NG_TCP, 3129);
    assert_string_equal(ask_host(lab), "dropped 128.0.0.0/1 by 1; local 0.0.0.0/1");
    /* Nobody has looked. */
    lab->world.n_listeners = 0;
    lab->world.listeners_read = false;
    assert_string_equal(ask_host(lab),
                        "dropped 128.0.0.0/1 by 1; local 0.0.0.0/1; local 128.0.0.0/1 ? "
                        "tproxy to :3128");
}

/* Whether a socket takes what is not its own is not observed. */
static void test_tproxy_with_a_socket(void **state) {
    _lab_ lab = lab_new();
    uint32_t mangle = filter_chain(lab, PREROUTING, -150, false);
    struct ng_op mark = set_mark(lab, 0, 7);
    (void)state;
    listen_at(lab, NG_TCP, 3128);
    lab_route(lab, NG_ROUTE_LOCAL, 100, "0.0.0.0/0", LO);
    lab_route_rule(lab, (struct ng_route_rule){
                            .family = NG_IP4, .action = 1, .table = 100, .fwmark = 7, .fwmask = 7});
    RULE(lab, mangle, tproxy(lab, 3128, false), mark, ACCEPT);
    /* With it the packet is routed here, without it goes its way. */
    assert_string_equal(ask_container(lab), "forwarded docker0 all; local all ? tproxy to :3128");
    lab->ruleset.n_rules = 0;
    struct ng_op with_mark = tproxy(lab, 3128, true);
    ((struct ng_tproxy *)with_mark.tproxy)->mark = mark.assign;
    RULE(lab, mangle, from(lab, "128.0.0.0/1"), with_mark);
    RULE(lab, mangle, DROP);
    assert_string_equal(ask_container(lab),
                        "dropped 128.0.0.0/1 by 1; dropped 0.0.0.0/1 by 2; local 128.0.0.0/1 ? "
                        "tproxy to :3128");
    /* At the packet's own port. */
    lab->ruleset.n_rules = 0;
    struct ng_op own_port = tproxy(lab, 0, true);
    RULE(lab, mangle, own_port);
    assert_string_equal(ask_container(lab), "dropped all by 1");
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_TCP, 3128),
                        "dropped all by 1; local all ? tproxy");
}

/* What is a socket's is not carried on. */
static void test_tproxy_of_what_is_forwarded(void **state) {
    _lab_ lab = lab_new();
    uint32_t mangle = filter_chain(lab, PREROUTING, -150, false);
    (void)state;
    listen_at(lab, NG_TCP, 3128);
    RULE(lab, mangle, tproxy(lab, 3128, false), ACCEPT);
    assert_string_equal(ask_container(lab),
                        "forwarded docker0 all; no-route all ? tproxy to :3128");
    lab->ruleset.n_rules = 0;
    RULE(lab, mangle, tproxy(lab, 3128, false));
    assert_string_equal(ask_container(lab),
                        "forwarded docker0 all; no-route all ? tproxy to :3128");
}

/* -- beside conntrack ----------------------------------------------------------------- */

/* At its own priority conntrack may have its turn before or after a chain: nobody tells. */
static void test_beside_conntrack(void **state) {
    static const char untold[] = " ? whether conntrack has its turn before a chain of its priority";
    static const struct {
        unsigned bits; /* of ct state: invalid 1, new 8 */
        const char *answer;
    } table_[] = {{8, "dropped all by 1; local all"},
                  {1, "dropped all by 1; local all"},
                  {2, "local all"},
                  {9, "dropped all by 1; dropped all by 1"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t own = filter_chain(lab, PREROUTING, -200, false);
        RULE(lab, own, has_bit(lab, NG_FIELD_CT_STATE, table_[i].bits), DROP);
        assert_string_equal(ask_host(lab),
                            ng_arena_printf(lab->arena, "%s%s", table_[i].answer, untold));
    }
}

/* Whatever depends on it, there or further on. */
static void test_what_depends_on_conntrack(void **state) {
    const struct ng_operand by_state = operand(NG_FIELD_CT_STATE),
                            by_port = operand(NG_FIELD_DPORT);
    const struct ng_interval is_new = {8, 8}, is_80 = {80, 80};
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        _lab_ lab = lab_new();
        uint32_t own = filter_chain(lab, PREROUTING, -200, false);
        uint32_t input = filter_chain(lab, INPUT, 0, false);
        uint32_t user = chain(lab, 0, "user");
        struct ng_match *states = box_match(lab, &by_state, 1, &is_new, 1);
        struct ng_match *ports = box_match(lab, &by_port, 1, &is_80, 1);
        box_of(states, 0)->value = 7;
        box_of(states, 0)->verdict.kind = NG_VERDICT_DROP;
        box_of(ports, 0)->verdict = (struct ng_verdict){.kind = NG_VERDICT_GOTO, .chain = user};
        const struct ng_op ops[] = {
            NOTRACK,
            set_field(lab, NG_FIELD_CT_MARK, 7),
            set_field(lab, NG_FIELD_DADDR, addr("10.0.0.1").value),
            set_field(lab, NG_FIELD_DPORT, 81),
            copy_field(lab, NG_FIELD_MARK, NG_FIELD_CT_STATE, lab_whole, 0),
            assign_op(lab, (struct ng_assign){.target = NG_FIELD_MARK, .map = states}),
            vmap_op(states),
            vmap_op(ports),
        };
        RULE(lab, own, ops[i]);
        RULE(lab, user, NOTRACK);
        RULE(lab, input, has_bit(lab, NG_FIELD_CT_STATE, 64), DROP);
        RULE(lab, input, is(lab, NG_FIELD_CT_MARK, 7), DROP);
        RULE(lab, input, in_prefix_of(lab, NG_FIELD_CT_DADDR, "10.0.0.1"), DROP);
        RULE(lab, input, is(lab, NG_FIELD_CT_DPORT, 81), DROP);
        RULE(lab, input, is_between(lab, NG_FIELD_MARK, 7, 8), DROP);
        struct ng_question question = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
        struct ng_answer answer = lab_ask(lab, &question);
        assert_int_equal(answer.n_outcomes, 2);
        assert_int_not_equal(answer.outcomes[0].fate, answer.outcomes[1].fate);
    }
}

/* Each chain for itself, if they lead to the same one. */
static void test_two_that_depend_on_conntrack(void **state) {
    _lab_ lab = lab_new();
    uint32_t a = filter_chain(lab, PREROUTING, -200, false);
    uint32_t b = filter_chain(lab, PREROUTING, -200, false);
    uint32_t user = chain(lab, 0, "user");
    (void)state;
    lab->chains[a].handle = 1;
    lab->chains[b].handle = 2;
    RULE(lab, a, dport(lab, 81), JUMP(user));
    RULE(lab, b, dport(lab, 80), JUMP(user));
    RULE(lab, user, has_bit(lab, NG_FIELD_CT_STATE, 1), DROP);
    assert_non_null(strstr(ask_host(lab), "dropped all by 3; local all"));
}

/* To whom it makes no difference, nothing is in doubt. */
static void test_nothing_depends_on_conntrack(void **state) {
    _lab_ lab = lab_new();
    uint32_t own = filter_chain(lab, PREROUTING, -200, false);
    (void)state;
    RULE(lab, own, dport(lab, 80), set_mark(lab, 0, 1), NOTHING);
    RULE(lab, own, is(lab, NG_FIELD_MARK, 1), DROP);
    assert_string_equal(ask_host(lab), "dropped all by 2");
    /* Conntrack has no place there. */
    _lab_ late = lab_new();
    RULE(late, filter_chain(late, INPUT, -200, false), has_bit(late, NG_FIELD_CT_STATE, 8), DROP);
    assert_string_equal(ask_host(late), "dropped all by 1");
}

/* Of two such chains, in whatever order, each has its turn before conntrack or after it. */
static void test_ties_beside_conntrack(void **state) {
    _lab_ lab = lab_new();
    uint32_t a = base_chain(lab, table(lab, NG_TABLE_IP, "a"), "a", PREROUTING, NG_CHAIN_FILTER,
                            -200, false);
    uint32_t b = base_chain(lab, table(lab, NG_TABLE_IP, "b"), "b", PREROUTING, NG_CHAIN_FILTER,
                            -200, false);
    unsigned dropped[4] = {0};
    (void)state;
    RULE(lab, a, NOTRACK);
    RULE(lab, b, has_bit(lab, NG_FIELD_CT_STATE, 64), DROP);
    RULE(lab, b, has_bit(lab, NG_FIELD_CT_STATE, 8), DROP);
    RULE(lab, b, has_bit(lab, NG_FIELD_CT_STATE, 1), DROP);
    struct ng_question question = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
    struct ng_answer answer = lab_ask(lab, &question);
    for (size_t i = 0; i < answer.n_outcomes; i++) {
        assert_int_equal(answer.outcomes[i].fate, NG_FATE_DROPPED);
        dropped[answer.outcomes[i].by_rule]++;
    }
    assert_true(dropped[1] && dropped[2] && dropped[3]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_a_mark_before_a_test),
        cmocka_unit_test(test_marks_that_multiply),
        cmocka_unit_test(test_an_unknown_mark),
        cmocka_unit_test(test_the_mark_it_arrives_with),
        cmocka_unit_test(test_the_mark_of_a_connection),
        cmocka_unit_test(test_marks_without_a_connection),
        cmocka_unit_test(test_a_mark_made_of_two),
        cmocka_unit_test(test_a_mark_made_of_something_unknown),
        cmocka_unit_test(test_a_mark_by_map),
        cmocka_unit_test(test_a_map_whose_elements_expire),
        cmocka_unit_test(test_a_map_of_something_that_is_not_there),
        cmocka_unit_test(test_a_map_that_packets_fill),
        cmocka_unit_test(test_a_destination_by_map),
        cmocka_unit_test(test_headers_written_early_and_late),
        cmocka_unit_test(test_headers_that_differ_only_for_conntrack),
        cmocka_unit_test(test_sources_that_are_written),
        cmocka_unit_test(test_headers_that_nobody_knows),
        cmocka_unit_test(test_rules_behind_one_that_writes),
        cmocka_unit_test(test_notrack_of_an_invalid_packet),
        cmocka_unit_test(test_notrack_for_some),
        cmocka_unit_test(test_tproxy_without_a_socket),
        cmocka_unit_test(test_tproxy_with_a_socket),
        cmocka_unit_test(test_tproxy_of_what_is_forwarded),
        cmocka_unit_test(test_beside_conntrack),
        cmocka_unit_test(test_what_depends_on_conntrack),
        cmocka_unit_test(test_two_that_depend_on_conntrack),
        cmocka_unit_test(test_nothing_depends_on_conntrack),
        cmocka_unit_test(test_ties_beside_conntrack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
