/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules as nft would print them; what real rulesets print as is in test_nft_decode.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fixture_random.h"
#include "tests/unit/fixture_world.h"

/* The text of the rule that was added last. */
static const char *last_text(struct lab *lab) {
    const struct ng_ruleset *ruleset = lab_ruleset(lab);
    const char *text = ng_rule_text(lab->arena, ruleset, &lab->rules[ruleset->n_rules - 1]);
    assert_non_null(text);
    return text;
}

#define assert_text(lab, expected, ...)                                                            \
    do {                                                                                           \
        RULE(lab, 0, __VA_ARGS__);                                                                 \
        assert_string_equal(last_text(lab), expected);                                             \
    } while (0)

static struct lab *setup(void) {
    struct lab *lab = lab_new();
    filter_chain(lab, NG_HOOK_INPUT, 0, false);
    chain(lab, 0, "user");
    return lab;
}

static void test_verdicts(void **state) {
    _lab_ lab = setup();
    (void)state;
    assert_text(lab, "accept", ACCEPT);
    assert_text(lab, "drop", DROP);
    assert_text(lab, "return", RETURN);
    assert_text(lab, "jump user", JUMP(1));
    assert_text(lab, "goto user", GOTO(1));
    assert_text(lab, "reject",
                (struct ng_op){.kind = NG_OP_VERDICT,
                               .verdict = {.kind = NG_VERDICT_DROP, .text = "reject"}});
    assert_text(lab, "", NOTHING);
    assert_text(lab, "limit rate 5/second drop", UNDECIDED("limit rate 5/second"), NOTHING, DROP);
}

static void test_fields(void **state) {
    _lab_ lab = setup();
    (void)state;
    assert_text(lab, "ip saddr 10.0.0.0/8", from(lab, "10.0.0.0/8"));
    assert_text(lab, "ip saddr != 10.0.0.1", not(from(lab, "10.0.0.1")));
    assert_text(lab, "ip6 daddr 2001:db8::/32", to(lab, "2001:db8::/32"));
    assert_text(lab, "ip saddr 0.0.0.0/0", from(lab, "0.0.0.0/0"));
    assert_text(lab, "th dport 80", dport(lab, 80));
    assert_text(lab, "th sport 1024-65535", is_between(lab, NG_FIELD_SPORT, 1024, 65535));
    assert_text(lab, "iifname \"eth0\"", named(lab, NG_FIELD_IIFNAME, "eth0"));
    assert_text(lab, "oifname != \"wg*\"", not(named(lab, NG_FIELD_OIFNAME, "wg*")));
    assert_text(lab, "meta l4proto udp", is(lab, NG_FIELD_L4PROTO, 17));
    assert_text(lab, "meta l4proto 200", is(lab, NG_FIELD_L4PROTO, 200));
    assert_text(lab, "meta nfproto ipv6", is(lab, NG_FIELD_NFPROTO, 10));
    assert_text(lab, "meta protocol ip", is(lab, NG_FIELD_ETHERTYPE, 0x800));
    assert_text(lab, "meta mark 0x00000010", is(lab, NG_FIELD_MARK, 16));
    assert_text(lab, "fib daddr type local", fib_type(lab, NG_FIB_DADDR, 2));
    assert_text(lab, "ct state new", has_bit(lab, NG_FIELD_CT_STATE, 8));
    assert_text(lab, "ct state ! invalid,untracked", not(has_bit(lab, NG_FIELD_CT_STATE, 65)));
    assert_text(lab, "ct status dnat", has_bit(lab, NG_FIELD_CT_STATUS, 32));
    assert_text(lab, "ct state == new", is(lab, NG_FIELD_CT_STATE, 8));
    assert_text(lab, "ct direction original", is(lab, NG_FIELD_CT_DIRECTION, 0));
    assert_text(lab, "meta pkttype { broadcast, multicast }",
                is_between(lab, NG_FIELD_PKTTYPE, 1, 2));
    assert_text(lab, "meta pkttype 4", is(lab, NG_FIELD_PKTTYPE, 4));
    assert_text(lab, "ether saddr 02:00:00:00:00:1f",
                is(lab, NG_FIELD_ETHER_SADDR, 0x02000000001f));
    assert_text(lab, "meta ipsec exists", is(lab, NG_FIELD_SECPATH, 1));
    assert_text(lab, "iif 77", is(lab, NG_FIELD_IIF, 77));
    lab->ruleset.links = lab->links;
    lab->ruleset.n_links = lab->world.n_links;
    assert_text(lab, "iif \"eth1\"", is(lab, NG_FIELD_IIF, ETH1));
}

/* "tcp dport" says it all: what only led there is left out, what stands alone is not. */
static void test_transport(void **state) {
    _lab_ lab = setup();
    (void)state;
    assert_text(lab, "tcp dport 80 accept", is(lab, NG_FIELD_L4PROTO, 6), dport(lab, 80), ACCEPT);
    assert_text(lab, "meta l4proto tcp accept", is(lab, NG_FIELD_L4PROTO, 6), ACCEPT);
    assert_text(lab, "meta l4proto != tcp th dport 80", not(is(lab, NG_FIELD_L4PROTO, 6)),
                dport(lab, 80));
    assert_text(lab, "icmp type echo-request", is(lab, NG_FIELD_L4PROTO, 1),
                is(lab, NG_FIELD_ICMP_TYPE, 8));
    assert_text(lab, "ip saddr 10.0.0.1 tcp dport 80", is(lab, NG_FIELD_NFPROTO, 2),
                from(lab, "10.0.0.1"), is(lab, NG_FIELD_L4PROTO, 6), dport(lab, 80));
    assert_text(lab, "meta nfproto ipv6 tcp dport 80", is(lab, NG_FIELD_NFPROTO, 10),
                is(lab, NG_FIELD_L4PROTO, 6), dport(lab, 80));
    assert_text(lab, "ip6 saddr ::1", is(lab, NG_FIELD_ETHERTYPE, 0x86dd), from(lab, "::1"));
    assert_text(lab, "meta nfproto ipv6 ip saddr 10.0.0.1", is(lab, NG_FIELD_NFPROTO, 10),
                from(lab, "10.0.0.1"));
    assert_text(lab, "meta nfproto ipv4 accept", is(lab, NG_FIELD_NFPROTO, 2), ACCEPT);
}

/* What reject says if it is not told what goes without saying, in each family's own way. */
static void test_reject(void **state) {
    static const struct {
        enum ng_table_family family;
        const char *text;
    } cases[] = {{NG_TABLE_IP, "reject with icmp port-unreachable"},
                 {NG_TABLE_IP6, "reject with icmpv6 port-unreachable"},
                 {NG_TABLE_INET, "reject with icmpx port-unreachable"}};
    _lab_ lab = setup();
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
            lab->tables[0].family = cases[k].family;
            assert_text(lab, i == k ? "reject" : cases[i].text,
                        (struct ng_op){.kind = NG_OP_VERDICT,
                                       .verdict = {NG_VERDICT_DROP, 0, cases[i].text}});
        }
}

static void test_comment(void **state) {
    _lab_ lab = setup();
    (void)state;
    RULE(lab, 0, ACCEPT);
    lab->rules[lab->ruleset.n_rules - 1].comment = "let it in";
    assert_string_equal(last_text(lab), "accept comment \"let it in\"");
}

/* A name of all 16 bytes, and intervals of names that are no prefix. */
static void test_odd_names(void **state) {
    _lab_ lab = setup();
    (void)state;
    assert_text(lab, "iifname \"abcdefghijklmnop\"",
                is(lab, NG_FIELD_IIFNAME, name_number("abcdefghijklmnop", 0)));
    assert_text(lab, "iifname \"abcdefghijklmnop\"",
                is_between(lab, NG_FIELD_IIFNAME, name_number("abcdefghijklmnop", 0), lab_whole));
    assert_text(lab, "iifname \"abcdefghijklmno*\"",
                is_between(lab, NG_FIELD_IIFNAME, name_number("abcdefghijklmno", 0),
                           name_number("abcdefghijklmno", 0xff)));
    assert_text(lab, "iifname \"\"", is(lab, NG_FIELD_IIFNAME, 0));
}

static void test_sets_and_maps(void **state) {
    _lab_ lab = setup();
    const struct ng_interval two_ports[] = {{22, 22}, {80, 90}};
    const struct ng_operand by[] = {operand(NG_FIELD_DPORT), operand(NG_FIELD_L4PROTO)};
    const struct ng_interval sides[] = {{22, 22}, {6, 6}, {0, lab_whole}, {17, 17}};
    struct ng_match *map = box_match(lab, by, 2, sides, 2);
    struct ng_addrset ports;
    (void)state;
    assert_int_equal(ng_addrset_from(lab->arena, two_ports, 2, &ports), 0);
    assert_text(lab, "th dport { 22, 80-90 }", match_set(lab, operand(NG_FIELD_DPORT), ports));
    box_of(map, 0)->verdict.kind = NG_VERDICT_ACCEPT;
    box_of(map, 1)->verdict = (struct ng_verdict){.kind = NG_VERDICT_JUMP, .chain = 1};
    assert_text(lab, "th dport . meta l4proto vmap { 22 . tcp : accept, * . udp : jump user }",
                vmap_op(map));
    map->set_name = "known";
    assert_text(lab, "th dport . meta l4proto vmap @known", vmap_op(map));
    assert_text(lab, "th dport . meta l4proto @known", match_op(lab, *map));
}

static void test_masks(void **state) {
    _lab_ lab = setup();
    struct ng_operand flags = operand(NG_FIELD_TCP_FLAGS), mark = operand(NG_FIELD_MARK);
    (void)state;
    flags.mask = 0x12;
    mark.mask = 0xff;
    assert_text(lab, "tcp flags syn / syn,ack", match_set(lab, flags, one_interval(lab, 2, 2)));
    assert_text(lab, "tcp flags ! syn,ack", match_set(lab, flags, one_interval(lab, 0, 0)));
    assert_text(lab, "meta mark & 0x000000ff != 0x00000001",
                not(match_set(lab, mark, one_interval(lab, 1, 1))));
}

static void test_effects(void **state) {
    _lab_ lab = setup();
    struct ng_nat range = nat_to("10.0.0.1", 80);
    (void)state;
    range.addr_hi.value = 0x0a000009;
    range.port_hi = 90;
    assert_text(lab, "dnat ip to 172.17.0.2:80", dnat(lab, "172.17.0.2", 80));
    assert_text(lab, "dnat ip6 to [fd00::2]:80", dnat(lab, "fd00::2", 80));
    assert_text(lab, "dnat ip6 to fd00::2", dnat(lab, "fd00::2", 0));
    assert_text(lab, "dnat ip to 10.0.0.1-10.0.0.9:80-90", nat_op(lab, NG_OP_DNAT, range));
    assert_text(lab, "redirect to :3128", redirect(lab, 3128));
    assert_text(lab, "redirect", redirect(lab, 0));
    assert_text(lab, "masquerade", MASQUERADE);
    assert_text(lab, "notrack", NOTRACK);
    assert_text(lab, "meta mark set 0x00000010", set_mark(lab, 0, 16));
    assert_text(lab, "meta mark set meta mark & 0x000001ff | 0x00000100",
                set_mark(lab, 0xff, 0x100));
    assert_text(lab, "meta mark set meta mark ^ 0x00000001", set_mark(lab, UINT32_MAX, 1));
    assert_text(lab, "meta mark set meta mark | 0x00000001", set_mark(lab, 0xfffffffe, 1));
    assert_text(lab, "meta mark set ?", forget_mark(lab));
    lab->tables[0].family = NG_TABLE_IP;
    assert_text(lab, "dnat to 172.17.0.2:80", dnat(lab, "172.17.0.2", 80));
}

/* Whatever is cut is said to be, and fits. */
static void test_long_rules(void **state) {
    _lab_ lab = setup();
    char long_text[3000];
    struct ng_interval ports[100];
    struct ng_addrset set;
    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    RULE(lab, 0, UNDECIDED(long_text), DROP);
    assert_true(strlen(last_text(lab)) < 1100);
    assert_non_null(strstr(last_text(lab), "…"));
    for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)
        ports[i] = (struct ng_interval){2 * i, 2 * i};
    assert_int_equal(ng_addrset_from(lab->arena, ports, ARRAY_SIZE(ports), &set), 0);
    assert_text(lab, "th dport { 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, … }",
                match_set(lab, operand(NG_FIELD_DPORT), set));
}

/* No field and no value that breaks it. */
static void test_anything(void **state) {
    struct dice dice = {0x7e87};
    _lab_ lab = setup();
    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        struct ng_operand of = operand((enum ng_field)roll(&dice, NG_FIELD_COUNT));
        ng_u128 lo = (ng_u128)dice_next(&dice) << (8 * roll(&dice, 9)) << (8 * roll(&dice, 9));
        ng_u128 hi = roll(&dice, 3) ? lo | dice_next(&dice) : lab_whole;
        of.family = (uint8_t[]){0, NG_IP4, NG_IP6}[roll(&dice, 3)];
        if (roll(&dice, 4) == 0)
            of.mask = dice_next(&dice);
        struct ng_op op = match_set(lab, of, one_interval(lab, lo, hi));
        assert_true(strlen(ng_op_text(lab->arena, lab_ruleset(lab), &op)) > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),      cmocka_unit_test(test_fields),
        cmocka_unit_test(test_transport),     cmocka_unit_test(test_reject),
        cmocka_unit_test(test_comment),       cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_sets_and_maps), cmocka_unit_test(test_masks),
        cmocka_unit_test(test_effects),       cmocka_unit_test(test_long_rules),
        cmocka_unit_test(test_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
