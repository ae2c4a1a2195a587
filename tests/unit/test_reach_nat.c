/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NAT: where packets are sent, who still looks at them after that, and who never does. */
#include "tests/unit/fixture_reach.h"

/* -- destinations --------------------------------------------------------------------- */

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

/* An element for the other family is none: the chain goes on. */
static void test_a_map_of_the_other_family(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    const struct ng_operand by[] = {operand(NG_FIELD_SADDR)};
    const struct ng_interval sides[] = {{0, 0x7fffffff}, {0x80000000, 0xffffffff}};
    struct ng_match *map = box_match(lab, by, 1, sides, 2);
    (void)state;
    box_of(map, 0)->nat = nat_to("fd00::2", 0);
    box_of(map, 1)->nat = nat_to("172.17.0.3", 0);
    RULE(lab, nat, (struct ng_op){.kind = NG_OP_DNAT, .match = map});
    RULE(lab, nat, dnat(lab, "10.0.0.9", 0));
    assert_string_equal(ask_host(lab), "forwarded 172.17.0.3:80 docker0 128.0.0.0/1; forwarded "
                                       "10.0.0.9:80 eth1 0.0.0.0/1");
}

/* What counts is the connection: a rule has written the header, and NAT to the address that
 * conntrack knows leaves it there; to any other it writes all of the destination. */
static void test_nat_of_a_rewritten_header(void **state) {
    _lab_ lab = lab_new();
    uint32_t mangle = filter_chain(lab, PREROUTING, -150, false);
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    (void)state;
    RULE(lab, mangle, set_field(lab, NG_FIELD_DADDR, 0xac110003));
    RULE(lab, mangle, set_field(lab, NG_FIELD_DPORT, 90));
    RULE(lab, nat, dport(lab, 1), dnat(lab, "10.0.0.9", 0));
    RULE(lab, nat, in_prefix_of(lab, NG_FIELD_CT_DADDR, "192.0.2.1"), dnat(lab, "192.0.2.1", 0));
    RULE(lab, nat, dnat(lab, "10.0.0.9", 0));
    assert_string_equal(ask_host(lab), "forwarded docker0 all"); /* not by NAT */
    assert_string_equal(ask(lab, ETH0, "192.0.2.2", NG_TCP, 80), "forwarded 10.0.0.9:80 eth1 all");
}

/* Translated to what it was: no later nat chain sees it, and yet nothing has changed. */
static void test_mapped_to_itself(void **state) {
    _lab_ lab = lab_new();
    uint32_t first = nat_chain(lab, PREROUTING, -110, false);
    uint32_t later = nat_chain(lab, PREROUTING, -90, false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, first, dnat(lab, "192.0.2.1", 80));
    RULE(lab, later, DROP);
    RULE(lab, input, not(has_bit(lab, NG_FIELD_CT_STATUS, 32)),
         in_prefix_of(lab, NG_FIELD_CT_REPLY_SADDR, "192.0.2.1"), ACCEPT);
    assert_string_equal(ask_host(lab), "local all by 3");
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_TCP, 81),
                        "dropped 192.0.2.1:80 all by policy of 2");
    assert_string_equal(ask(lab, ETH0, "10.0.0.1", NG_TCP, 80),
                        "dropped 192.0.2.1:80 all by policy of 2");
}

/* Where there are no ports, none is written. */
static void test_dnat_of_protocols_without_ports(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    (void)state;
    RULE(lab, nat, dnat(lab, "172.17.0.2", 0));
    struct ng_question ping = question_to(ETH0, "192.0.2.1", NG_ICMP, 0);
    ping.icmp_type = 8;
    assert_string_equal(ask_this(lab, ping), "forwarded 172.17.0.2:0 docker0 all");
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", 47, 0), "forwarded 172.17.0.2:0 docker0 all");
    lab->ruleset.n_rules = 0;
    RULE(lab, nat, dnat(lab, "172.17.0.2", 80));
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", 47, 0), "forwarded 172.17.0.2:0 docker0 all");
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_SCTP, 9),
                        "forwarded 172.17.0.2:80 docker0 all");
}

/* What came to everybody is not carried on, translated or not. */
static void test_dnat_of_broadcast_frames(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    (void)state;
    RULE(lab, nat, dport(lab, 1), dnat(lab, "172.17.0.2", 0));
    RULE(lab, nat, dport(lab, 2), dnat(lab, "10.0.0.1", 0));
    assert_string_equal(ask(lab, ETH0, "192.0.2.255", NG_UDP, 1), "no-route 172.17.0.2:1 all");
    assert_string_equal(ask(lab, ETH0, "224.0.0.1", NG_UDP, 1), "no-route 172.17.0.2:1 all");
    assert_string_equal(ask(lab, ETH0, "192.0.2.255", NG_UDP, 2), "local 10.0.0.1:2 all");
    assert_string_equal(ask(lab, ETH0, "192.0.2.9", NG_UDP, 1), "forwarded 172.17.0.2:1 docker0 "
                                                                "all");
}

/* -- ranges --------------------------------------------------------------------------- */

static void test_dnat_to_a_range_is_not_certain(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    struct ng_nat range = nat_to("172.17.0.2", 80);
    (void)state;
    range.addr_hi.value++;
    RULE(lab, nat, nat_op(lab, NG_OP_DNAT, range));
    assert_string_equal(ask_host(lab), "forwarded 172.17.0.2:80 docker0 all; forwarded "
                                       "172.17.0.3:80 docker0 all ? dnat to a range");
    /* Of many the ends stand for all. */
    range.addr_hi.value += 100;
    lab->ruleset.n_rules = 0;
    RULE(lab, nat, nat_op(lab, NG_OP_DNAT, range));
    assert_string_equal(ask_host(lab), "anywhere all; forwarded 172.17.0.103:80 docker0 all; "
                                       "forwarded 172.17.0.2:80 docker0 all ? dnat to a range");
}

static const char *ask_nat(struct ng_nat nat, const char *daddr, uint16_t port) {
    static char text[4096];
    _lab_ lab = lab_new();
    uint32_t own = nat_chain(lab, PREROUTING, -100, false);
    RULE(lab, own, nat_op(lab, NG_OP_DNAT, nat));
    snprintf(text, sizeof(text), "%s", ask(lab, ETH0, daddr, NG_TCP, port));
    return text;
}

/* A port of the range is kept; else the first is taken, unless it is in use. */
static void test_ranges_of_ports(void **state) {
    struct ng_nat nat = nat_to("172.17.0.2", 80);
    (void)state;
    nat.port_hi = 82;
    assert_string_equal(ask_nat(nat, "192.0.2.1", 443),
                        "forwarded 172.17.0.2:80 docker0 all; forwarded 172.17.0.2:81 docker0 all; "
                        "forwarded 172.17.0.2:82 docker0 all ? dnat to a range");
    assert_string_equal(ask_nat(nat, "192.0.2.1", 82),
                        "forwarded 172.17.0.2:82 docker0 all; forwarded 172.17.0.2:80 docker0 all; "
                        "forwarded 172.17.0.2:81 docker0 all ? dnat to a range");
    nat.port_lo = 82;
    nat.port_hi = 80; /* the kernel takes it for the same */
    assert_string_equal(ask_nat(nat, "192.0.2.1", 79),
                        "forwarded 172.17.0.2:80 docker0 all; forwarded 172.17.0.2:81 docker0 all; "
                        "forwarded 172.17.0.2:82 docker0 all ? dnat to a range");
    nat = nat_to(NULL, 80);
    nat.port_hi = 81;
    assert_string_equal(ask_nat(nat, "192.0.2.1", 80),
                        "local all; local 192.0.2.1:81 all ? dnat to a range");
}

/* As far behind the first as the packet's own is behind the base, counted round. */
static void test_shifted_ranges_of_ports(void **state) {
    struct ng_nat nat = nat_to(NULL, 80);
    (void)state;
    nat.port_hi = 82;
    nat.shifted = true;
    nat.port_base = 8000;
    assert_string_equal(ask_nat(nat, "192.0.2.1", 8001),
                        "local 192.0.2.1:81 all; local 192.0.2.1:80 all; local 192.0.2.1:82 all ? "
                        "dnat to a range");
    assert_memory_equal(ask_nat(nat, "192.0.2.1", 8003), "local 192.0.2.1:80 all;", 23);
    assert_memory_equal(ask_nat(nat, "192.0.2.1", 8005), "local 192.0.2.1:82 all;", 23);
    assert_memory_equal(ask_nat(nat, "192.0.2.1", 7999), "local 192.0.2.1:80 all;", 23);
    assert_memory_equal(ask_nat(nat, "192.0.2.1", 81), "local 192.0.2.1:82 all;", 23);
    /* Ports are numbers of 16 bits: 65535 behind the base is 1 of 7 counted round. */
    nat.port_hi = 86;
    assert_memory_equal(ask_nat(nat, "192.0.2.1", 7999), "local 192.0.2.1:81 all;", 23);
}

/* How many ways are followed one by one, and from when on the ends stand for all. */
static void test_as_many_ways_as_are_followed(void **state) {
    static const struct {
        unsigned addrs, ports;
        bool each;
    } table_[] = {{64, 1, true}, {65, 1, false}, {1, 64, true},    {1, 65, false},
                  {8, 8, true},  {8, 9, false},  {9, 8, false},    {64, 2, false},
                  {2, 32, true}, {1, 1, true},   {1, 65000, false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t own = nat_chain(lab, PREROUTING, -100, false);
        struct ng_nat nat = nat_to("172.17.0.2", 80);
        struct ng_question question = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
        nat.addr_hi.value += table_[i].addrs - 1;
        nat.port_hi = (uint16_t)(nat.port_hi + table_[i].ports - 1);
        RULE(lab, own, nat_op(lab, NG_OP_DNAT, nat));
        struct ng_answer answer = lab_ask(lab, &question);
        size_t ways = (size_t)table_[i].addrs * table_[i].ports;
        assert_int_equal(answer.n_outcomes, table_[i].each ? ways : 3);
        assert_int_equal(answer.outcomes[0].fate == NG_FATE_ANYWHERE, !table_[i].each);
        assert_int_equal(answer.n_undecided, ways > 1);
    }
}

/* Elements of a map that lead to different ranges, with one end in common. */
static void test_ranges_by_map(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    const struct ng_operand by[] = {operand(NG_FIELD_SADDR)};
    const struct ng_interval sides[] = {{0, 0x7fffffff}, {0x80000000, 0xffffffff}};
    struct ng_match *map = box_match(lab, by, 1, sides, 2);
    (void)state;
    box_of(map, 0)->nat = box_of(map, 1)->nat = nat_to("10.0.0.1", 9);
    box_of(map, 1)->nat.port_lo = 8;
    RULE(lab, nat, (struct ng_op){.kind = NG_OP_DNAT, .match = map});
    assert_string_equal(ask_host(lab),
                        "local 10.0.0.1:9 all; local 10.0.0.1:8 128.0.0.0/1 ? dnat to a range");
}

static void test_a_range_of_addresses_either_way_round(void **state) {
    struct ng_nat nat = nat_to("172.17.0.3", 80);
    (void)state;
    nat.addr_hi = addr("172.17.0.2");
    assert_string_equal(ask_nat(nat, "192.0.2.1", 80),
                        "forwarded 172.17.0.2:80 docker0 all; forwarded 172.17.0.3:80 docker0 all "
                        "? dnat to a range");
}

static void test_all_addresses_there_are(void **state) {
    struct ng_nat nat = nat_to("::", 0);
    (void)state;
    nat.addr_hi.value = lab_whole;
    assert_memory_equal(ask_nat(nat, "2001:db8::1", 80), "anywhere all;", 13);
}

/* Bits in which the ends differ stay the packet's own. */
static void test_netmap(void **state) {
    struct ng_nat nat = nat_to("172.17.3.0", 0);
    (void)state;
    nat.netmap = true;
    nat.addr_hi = addr("172.17.3.255");
    assert_string_equal(ask_nat(nat, "192.0.2.77", 80), "forwarded 172.17.3.77:80 docker0 all");
    nat.addr_lo = nat.addr_hi = addr("172.17.3.9"); /* of one address */
    assert_string_equal(ask_nat(nat, "192.0.2.77", 80), "forwarded 172.17.3.9:80 docker0 all");
}

/* iptables writes NETMAP alike for sources: there it changes no destination. */
/* What replies are expected from is as NAT has made it, whatever a rule writes into the packet. */
static void test_written_after_nat(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, nat, dnat(lab, "192.0.2.1", 8080));
    RULE(lab, input, is(lab, NG_FIELD_CT_REPLY_SPORT, 22), ACCEPT);
    RULE(lab, input, set_field(lab, NG_FIELD_DPORT, 22));
    RULE(lab, input, is(lab, NG_FIELD_DPORT, 22), is(lab, NG_FIELD_CT_REPLY_SPORT, 8080), ACCEPT);
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_TCP, 81), "local 192.0.2.1:22 all by 4");
}

/* Whether it has mapped a prefix to itself the kernel tells by what was on its stack; of IPv6 it
 * has not. */
static void test_netmap_to_itself(void **state) {
    _lab_ lab = lab_new();
    struct ng_nat nat = nat_to("192.0.2.0", 0);
    uint32_t own = nat_chain(lab, PREROUTING, -100, false);
    uint32_t input = filter_chain(lab, INPUT, 0, false);
    (void)state;
    nat.netmap = true;
    nat.addr_hi = addr("192.0.2.255");
    RULE(lab, own, nat_op(lab, NG_OP_DNAT, nat));
    RULE(lab, input, has_bit(lab, NG_FIELD_CT_STATUS, 32), DROP);
    assert_string_equal(ask_host(lab), "dropped 192.0.2.1:80 all by 2; local all by policy of 1 ? "
                                       "a prefix mapped to itself");
}

static void test_netmap_of_sources(void **state) {
    static const enum ng_hook hooks[] = {POSTROUTING, INPUT};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
        _lab_ lab = lab_new();
        uint32_t own = nat_chain(lab, hooks[i], 100, false);
        uint32_t later = nat_chain(lab, hooks[i], 110, false);
        struct ng_nat nat = nat_to("10.0.0.0", 0);
        nat.netmap = true;
        nat.addr_hi = addr("10.0.0.255");
        RULE(lab, own, from(lab, "128.0.0.0/1"), nat_op(lab, NG_OP_DNAT, nat));
        RULE(lab, later, DROP);
        const char *answer = i ? ask_host(lab) : ask_container(lab);
        assert_string_equal(answer, i ? "dropped 0.0.0.0/1 by 2; local 128.0.0.0/1"
                                      : "dropped 0.0.0.0/1 by 2; forwarded docker0 128.0.0.0/1");
    }
}

/* -- redirection ---------------------------------------------------------------------- */

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

/* The primary address is meant, and which one that is nobody tells. */
static void test_redirect_where_there_are_several_addresses(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    (void)state;
    lab_addr(lab, ETH1, "10.0.1.1", 24);
    RULE(lab, nat, redirect(lab, 3128));
    assert_string_equal(ask(lab, ETH1, "198.51.100.7", NG_TCP, 80),
                        "local 10.0.0.1:3128 all; local 10.0.1.1:3128 all ? redirect to one of "
                        "several addresses");
    assert_string_equal(ask(lab, ETH0, "198.51.100.7", NG_TCP, 80), "local 192.0.2.1:3128 all");
    lab->ruleset.n_rules = 0;
    RULE(lab, nat, redirect(lab, 0));
    assert_string_equal(ask(lab, ETH0, "198.51.100.7", NG_TCP, 80), "local 192.0.2.1:80 all");
}

/* By map: a miss ends the rule, not the chain. */
static void test_redirect_by_map(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    const struct ng_operand by[] = {operand(NG_FIELD_DPORT)};
    const struct ng_interval sides[] = {{80, 80}, {22, 22}};
    struct ng_match *map = box_match(lab, by, 1, sides, 2);
    (void)state;
    box_of(map, 0)->nat = nat_to(NULL, 8080);
    box_of(map, 1)->nat = nat_to(NULL, 2222);
    RULE(lab, nat, (struct ng_op){.kind = NG_OP_REDIRECT, .match = map}, DROP);
    RULE(lab, nat, dnat(lab, "10.0.0.9", 0));
    assert_string_equal(ask(lab, ETH0, "198.51.100.7", NG_TCP, 22), "local 192.0.2.1:2222 all");
    assert_string_equal(ask(lab, ETH0, "198.51.100.7", NG_TCP, 80), "local 192.0.2.1:8080 all");
    assert_string_equal(ask(lab, ETH0, "198.51.100.7", NG_TCP, 81), "forwarded 10.0.0.9:81 eth1 "
                                                                    "all");
}

/* No kernel takes a redirection where there is no incoming link; a forged dump may hold one. */
static void test_redirect_where_nothing_comes_in(void **state) {
    _lab_ lab = lab_new();
    uint32_t egress = device_chain(lab, NG_HOOK_EGRESS, "docker0", false);
    (void)state;
    RULE(lab, egress, redirect(lab, 3128));
    assert_string_equal(ask_container(lab), "anywhere all; forwarded docker0 all by policy of 0; "
                                            "forwarded docker0 all ? redirect to :3128");
}

/* -- who looks at what ---------------------------------------------------------------- */

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

/* What conntrack does not know, NAT does not see: its drops do not count. */
static void test_packets_without_connection_skip_nat(void **state) {
    _lab_ lab = lab_new();
    struct ng_question question = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
    struct ng_question advert = question_to(ETH0, "2001:db8::1", NG_ICMP6, 0);
    (void)state;
    nat_chain(lab, PREROUTING, -100, true);
    nat_chain(lab, INPUT, 100, true);
    filter_chain(lab, PREROUTING, 0, false);
    RULE(lab, 2, NOTHING); /* a rule, so that connections are tracked */
    assert_string_equal(ask_this(lab, question), "dropped all by policy of 0");
    question.has_tcp_flags = true;
    question.tcp_flags = 4;
    assert_string_equal(ask_this(lab, question), "local all");
    question.tcp_flags = 16;
    assert_string_equal(ask_this(lab, question), "dropped all by policy of 0");
    question.ct_state = 64;
    assert_string_equal(ask_this(lab, question), "local all");
    question.ct_state = 1;
    assert_string_equal(ask_this(lab, question), "local all");
    question.ct_state = 4;
    assert_string_equal(ask_this(lab, question), "dropped all by policy of 0");
    advert.icmp_type = 136;
    assert_string_equal(ask_this(lab, advert), "local all");
    advert.icmp_type = 128;
    assert_string_equal(ask_this(lab, advert), "dropped all by policy of 0");
}

/* nat chains alone do not make the kernel track connections: a rule must need it. */
static void test_nothing_is_translated_where_nothing_is_tracked(void **state) {
    static const enum ng_op_kind tracking[] = {NG_OP_DNAT, NG_OP_REDIRECT, NG_OP_SNAT};
    (void)state;
    for (size_t i = 0; i <= ARRAY_SIZE(tracking); i++) {
        _lab_ lab = lab_new();
        uint32_t nat = nat_chain(lab, PREROUTING, -100, true);
        uint32_t unused = chain(lab, 0, "unused");
        lab->no_conntrack = true;
        RULE(lab, nat, dport(lab, 81), ACCEPT);
        if (i < ARRAY_SIZE(tracking))
            RULE(lab, unused, nat_op(lab, tracking[i], nat_to(NULL, 1)));
        assert_string_equal(ask_host(lab),
                            i < ARRAY_SIZE(tracking) ? "dropped all by policy of 0" : "local all");
    }
    /* A rule of IPv6 makes it track IPv6. */
    _lab_ lab = lab_new();
    lab->no_conntrack = true;
    nat_chain(lab, PREROUTING, -100, true);
    uint32_t ip6 = table(lab, NG_TABLE_IP6, "t");
    uint32_t other = chain(lab, ip6, "unused");
    lab->tables[ip6].dormant = true; /* even if nobody runs it */
    RULE(lab, other, MASQUERADE);
    assert_string_equal(ask_host(lab), "local all");
    assert_string_equal(ask(lab, ETH0, "2001:db8::1", NG_TCP, 80), "dropped all by policy of 0");
}

/* NAT's hook stands among the chains of its priority wherever it was registered. */
static void test_filter_chains_at_the_priority_of_nat(void **state) {
    static const struct {
        int32_t priority;
        const char *answer;
    } table_[] = {
        {-101, "dropped all by 1"},
        {-99, "forwarded 172.17.0.2:80 docker0 all"},
        {-100, "dropped all by 1; forwarded 172.17.0.2:80 docker0 all ? the order of chains of "
               "equal priority in several tables"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t filter = filter_chain(lab, PREROUTING, table_[i].priority, false);
        uint32_t nat = nat_chain(lab, PREROUTING, 7, false); /* its own priority is of no account */
        lab->chains[filter].handle = 1; /* of one table: and yet it is not told */
        lab->chains[nat].handle = 2;
        RULE(lab, filter, to(lab, "192.0.2.1"), DROP);
        RULE(lab, nat, dnat(lab, "172.17.0.2", 0));
        assert_string_equal(ask_host(lab), table_[i].answer);
    }
}

/* However early its own priority, a nat chain has conntrack behind it; and it admits nobody. */
static void test_a_nat_chain_before_all_others(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -300, false);
    uint32_t input = nat_chain(lab, INPUT, -300, false);
    (void)state;
    RULE(lab, nat, has_bit(lab, NG_FIELD_CT_STATE, 8), dport(lab, 80), dnat(lab, "10.0.0.1", 0));
    RULE(lab, input, dport(lab, 1), DROP);
    assert_string_equal(ask_host(lab), "local 10.0.0.1:80 all");
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_TCP, 81), "local all");
}

static void test_source_nat_at_input(void **state) {
    _lab_ lab = lab_new();
    uint32_t first = nat_chain(lab, INPUT, 100, false);
    uint32_t later = nat_chain(lab, INPUT, 101, false);
    (void)state;
    RULE(lab, first, from(lab, "128.0.0.0/1"), MASQUERADE, DROP);
    RULE(lab, later, DROP);
    assert_string_equal(ask_host(lab), "dropped 0.0.0.0/1 by 2; local 128.0.0.0/1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dnat_leads_to_the_container),
        cmocka_unit_test(test_dnat_of_address_or_port_alone),
        cmocka_unit_test(test_dnat_of_the_other_family),
        cmocka_unit_test(test_dnat_by_map),
        cmocka_unit_test(test_a_map_of_the_other_family),
        cmocka_unit_test(test_nat_of_a_rewritten_header),
        cmocka_unit_test(test_mapped_to_itself),
        cmocka_unit_test(test_dnat_of_protocols_without_ports),
        cmocka_unit_test(test_dnat_of_broadcast_frames),
        cmocka_unit_test(test_dnat_to_a_range_is_not_certain),
        cmocka_unit_test(test_ranges_of_ports),
        cmocka_unit_test(test_shifted_ranges_of_ports),
        cmocka_unit_test(test_as_many_ways_as_are_followed),
        cmocka_unit_test(test_ranges_by_map),
        cmocka_unit_test(test_a_range_of_addresses_either_way_round),
        cmocka_unit_test(test_all_addresses_there_are),
        cmocka_unit_test(test_netmap),
        cmocka_unit_test(test_written_after_nat),
        cmocka_unit_test(test_netmap_to_itself),
        cmocka_unit_test(test_netmap_of_sources),
        cmocka_unit_test(test_redirect),
        cmocka_unit_test(test_redirect_where_there_are_several_addresses),
        cmocka_unit_test(test_redirect_by_map),
        cmocka_unit_test(test_redirect_where_nothing_comes_in),
        cmocka_unit_test(test_a_mapping_stops_later_nat_chains),
        cmocka_unit_test(test_nat_chains_stand_together),
        cmocka_unit_test(test_source_nat_stops_later_nat_chains),
        cmocka_unit_test(test_both_ends_translated),
        cmocka_unit_test(test_untracked_packets_skip_nat),
        cmocka_unit_test(test_packets_without_connection_skip_nat),
        cmocka_unit_test(test_nothing_is_translated_where_nothing_is_tracked),
        cmocka_unit_test(test_filter_chains_at_the_priority_of_nat),
        cmocka_unit_test(test_a_nat_chain_before_all_others),
        cmocka_unit_test(test_source_nat_at_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
