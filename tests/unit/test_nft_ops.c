/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every expression of nf_tables to operations: dumps of real rulesets (data/nft) against what they
 * mean, number by number (*.ops.txt), and by hand what no kernel here can be made to say. */
#include "tests/unit/fixture_nft.h"

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>

/* -- recorded -------------------------------------------------------------------------------- */

static struct ng_ruleset *decode_recorded(const char *name) {
    size_t len;
    uint8_t *bytes = read_file(name, ".dump", &len);
    struct ng_ruleset *ruleset = NULL;
    struct ng_error error = {0};
    if (decode(bytes, len, &ruleset, &error) < 0)
        fail_msg("%s: %s", name, error.message);
    free(bytes); /* nothing that was decoded points into it */
    return ruleset;
}

static void assert_means(const char *name) {
    size_t len;
    _cleanup_(ng_ruleset_freep) struct ng_ruleset *ruleset = decode_recorded(name);
    char *found = in_words(ruleset);
    uint8_t *expected = read_file(name, ".ops.txt", &len);
    assert_string_equal(found, (const char *)expected);
    free(found);
    free(expected);
}

static void test_loads(void **state) {
    (void)state;
    assert_means("loads");
}

static void test_sets(void **state) {
    (void)state;
    assert_means("sets");
}

static void test_nat(void **state) {
    (void)state;
    assert_means("nat");
}

static void test_newer(void **state) {
    (void)state;
    assert_means("newer");
}

/* -- by hand --------------------------------------------------------------------------------- */

static const uint32_t five = 5, eight = 8; /* in the machine's order */

static void test_bytes_of_several_loads(void **state) {
    struct rule rule;
    const uint8_t wanted[] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 5, 0, 0, 0, 0, 0, 0, 2};
    (void)state;
    start(&rule);
    payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 8, 16, R0);
    meta(&rule, NFT_META_MARK, R2); /* into the middle of the address */
    cmp(&rule, R0, NFT_CMP_EQ, wanted, sizeof(wanted));
    assert_ops(&rule, "    0\n"
                      "        match saddr/6 20010db8000000010000000000000000-"
                      "20010db800000001ffffffffffffffff\n"
                      "        match mark 5\n"
                      "        match saddr/6&ffffffff 2\n");
}

static void test_bytes_behind_a_load(void **state) {
    static const uint8_t zeroes[] = {0, 80, 0, 0}, others[] = {0, 80, 0, 1}, far[8] = {0, 80};
    struct rule rule;
    (void)state;
    start(&rule);
    payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, R0);
    cmp(&rule, R0, NFT_CMP_EQ, zeroes, sizeof(zeroes));
    cmp(&rule, R0, NFT_CMP_EQ, others, sizeof(others));
    cmp(&rule, R0, NFT_CMP_NEQ, others, sizeof(others));
    cmp(&rule, R0, NFT_CMP_EQ, far, sizeof(far));
    assert_ops(&rule, "    0\n"
                      "        match dport 50\n"
                      "        match dport\n"     /* never */
                      "        match dport not\n" /* wherever there is one */
                      "        UNDECODED undecided 'an empty register'\n");
}

static void test_registers_that_are_not_there(void **state) {
    struct rule rule;
    (void)state;
    start(&rule);
    meta(&rule, NFT_META_MARK, R15 + 1);
    assert_rule_refused(&rule, "contradicts the rest");
    start(&rule);
    payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 8, 16, R15);
    assert_rule_refused(&rule, "contradicts the rest");
    start(&rule);
    payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 0, 65, R0);
    assert_rule_refused(&rule, "contradicts the rest");
    start(&rule);
    payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, UINT32_MAX, 4, R0);
    assert_rule_refused(&rule, "contradicts the rest");
    start(&rule);
    payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 12, 4, NFT_REG_VERDICT);
    assert_rule_refused(&rule, "contradicts the rest");
}

static void test_what_no_decoder_knows(void **state) {
    struct rule rule;
    (void)state;
    start(&rule);
    meta(&rule, 200, R0);
    cmp(&rule, R0, NFT_CMP_EQ, &five, 4);
    ct(&rule, 200, R0);
    cmp(&rule, R0, NFT_CMP_EQ, &five, 4);
    meta(&rule, NFT_META_MARK, R0);
    expression(&rule, "teleport"); /* which may write any register */
    cmp(&rule, R0, NFT_CMP_EQ, &five, 4);
    meta(&rule, NFT_META_MARK, R0);
    cmp(&rule, R0, 99, &five, 4);
    bitwise(&rule, R0, 4, 99);
    cmp(&rule, R0, NFT_CMP_EQ, &five, 4);
    meta_set(&rule, 200, R0);
    assert_ops(&rule, "    0 tracks\n"
                      "        UNDECODED undecided 'an unknown meta key'\n"
                      "        UNDECODED undecided 'an unknown ct key'\n"
                      "        UNDECODED unknown 'teleport'\n"
                      "        UNDECODED undecided 'an empty register'\n"
                      "        UNDECODED undecided 'an unknown comparison'\n"
                      "        UNDECODED undecided 'a computed value'\n"
                      "        UNDECODED unknown 'meta key 200 set'\n");
}

static void test_orders_of_bytes(void **state) {
    static const uint8_t port[] = {0, 80};
    struct rule rule;
    (void)state;
    start(&rule);
    meta(&rule, NFT_META_MARK, R0); /* the kernel orders its bytes, which are no order of marks */
    cmp(&rule, R0, NFT_CMP_LT, &five, 4);
    payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, R1);
    cmp(&rule, R1, NFT_CMP_LT, port, 2);
    cmp(&rule, R1, NFT_CMP_GTE, port, 2);
    cmp(&rule, R1, NFT_CMP_LTE, "\1\2", 2); /* up from there: one range */
    cmp(&rule, R1, NFT_CMP_GT, "\xff\xff", 2);
    cmp(&rule, R1, NFT_CMP_LT, "\0", 2);
    payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 4, R1);
    cmp(&rule, R1, NFT_CMP_GTE, "\0\5\0\7", 4);
    assert_ops(&rule, __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
                          ? "?"
                          : "    0\n"
                            "        undecided 'an unknown value'\n"
                            "        match dport 0-4f\n"
                            "        match dport 50-102\n"
                            "        match dport not 0-ffff\n"
                            "        match dport not 0-ffff\n"
                            "        match sport . dport (5 . 7-ffff) (6-ffff . any)\n");
}

static void range(struct rule *rule, uint32_t sreg, uint32_t op, const char *lo, const char *hi) {
    expression(rule, "range");
    number(rule, NFTA_RANGE_SREG, sreg);
    number(rule, NFTA_RANGE_OP, op);
    bytes(rule, NFTA_RANGE_FROM_DATA, lo, 2);
    bytes(rule, NFTA_RANGE_TO_DATA, hi, 2);
}

static void test_ranges(void **state) {
    struct rule rule;
    (void)state;
    start(&rule);
    payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, R0);
    range(&rule, R0, NFT_RANGE_EQ, "\0\1", "\0\5");
    range(&rule, R0, NFT_RANGE_NEQ, "\0\1", "\0\5");
    range(&rule, R0, NFT_RANGE_EQ, "\0\5", "\0\1"); /* iptables 60000:29 comes so */
    range(&rule, R0, NFT_RANGE_NEQ, "\0\5", "\0\1");
    assert_ops(&rule, "    0\n"
                      "        match dport 1-5\n"
                      "        match dport not 1-5\n"
                      "        match dport\n"
                      "        match dport not\n");
}

static void test_shifts(void **state) {
    struct rule rule;
    (void)state;
    start(&rule);
    immediate(&rule, R0, &five, 4);
    bitwise(&rule, R0, 4, NFT_BITWISE_LSHIFT);
    bytes(&rule, NFTA_BITWISE_DATA, &eight, 4);
    meta_set(&rule, NFT_META_MARK, R0);
    bitwise(&rule, R0, 4, NFT_BITWISE_RSHIFT);
    bytes(&rule, NFTA_BITWISE_DATA, &eight, 4);
    meta_set(&rule, NFT_META_MARK, R0);
    meta(&rule, NFT_META_MARK, R0);
    bitwise(&rule, R0, 4, NFT_BITWISE_RSHIFT);
    bytes(&rule, NFTA_BITWISE_DATA, &eight, 4);
    cmp(&rule, R0, NFT_CMP_EQ, &five, 4);
    meta_set(&rule, NFT_META_MARK, R0);
    ct(&rule, NFT_CT_MARK, R0);
    bitwise(&rule, R0, 4, NFT_BITWISE_LSHIFT);
    bytes(&rule, NFTA_BITWISE_DATA, &eight, 4);
    meta_set(&rule, NFT_META_MARK, R0);
    assert_ops(&rule, "    0 tracks\n"
                      "        assign mark = 500\n"
                      "        assign mark = 5\n"
                      "        match mark&ffffff00 500\n"
                      "        assign mark = unknown\n"
                      "        match ct-mark any\n"
                      "        assign mark = unknown\n");
}

enum { AND = 3, OR = 4, XOR = 5, SREG2 = 8 }; /* linux/netfilter/nf_tables.h since 6.13 */

static void test_booleans(void **state) {
    static const uint32_t low = 0xff, high = 0xff00;
    static const uint32_t ops[] = {AND, OR, XOR};
    struct rule rule;
    (void)state;
    start(&rule);
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        meta(&rule, NFT_META_MARK, R0);
        bitwise(&rule, R0, 4, ops[i]);
        bytes(&rule, NFTA_BITWISE_DATA, &low, 4);
        meta_set(&rule, NFT_META_MARK, R0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        meta(&rule, NFT_META_MARK, R0);
        ct(&rule, NFT_CT_MARK, R1);
        bitwise(&rule, R0, 4, ops[i]);
        number(&rule, SREG2, R1);
        meta_set(&rule, NFT_META_MARK, R0);
    }
    meta(&rule, NFT_META_MARK, R0);
    bitwise(&rule, R0, 4, AND);
    bytes(&rule, NFTA_BITWISE_DATA, &low, 4);
    ct(&rule, NFT_CT_MARK, R1);
    bitwise(&rule, R1, 4, AND);
    bytes(&rule, NFTA_BITWISE_DATA, &high, 4);
    bitwise(&rule, R0, 4, OR); /* no bit meets one */
    number(&rule, SREG2, R1);
    meta_set(&rule, NFT_META_MARK, R0);
    assert_ops(&rule, "    0 tracks\n"
                      "        assign mark = mark&ff\n"
                      "        assign mark = mark&ffffff00^ff\n"
                      "        assign mark = mark&ffffffff^ff\n"
                      "        match ct-mark any\n"
                      "        assign mark = unknown\n"
                      "        match ct-mark any\n"
                      "        assign mark = unknown\n"
                      "        assign mark = mark ^ ct-mark\n"
                      "        assign mark = mark&ff ^ ct-mark&ff00\n");
}

static void test_headers_by_what_was_said(void **state) {
    static const uint8_t icmp[] = {8, 0}, tcp = 6, udp = 17, icmp_proto = 1, ipv6 = NFPROTO_IPV6;
    static const uint16_t ip6_type = 0xdd86; /* in network order */
    struct rule rule;
    (void)state;
    start(&rule); /* nobody said which header */
    payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 6, 2, R0);
    cmp(&rule, R0, NFT_CMP_EQ, "\x20\0", 2);
    payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 12, 8, R0);
    cmp(&rule, R0, NFT_CMP_EQ, "\12\0\0\1\12\0\0\2", 8);
    payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, R0);
    cmp(&rule, R0, NFT_CMP_EQ, icmp, 2);
    meta(&rule, NFT_META_L4PROTO, R1);
    cmp(&rule, R1, NFT_CMP_EQ, &icmp_proto, 1);
    payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, R0);
    cmp(&rule, R0, NFT_CMP_EQ, icmp, 2);
    cmp(&rule, R1, NFT_CMP_EQ, &udp, 1);
    payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, R0);
    cmp(&rule, R0, NFT_CMP_EQ, "\2", 1);
    cmp(&rule, R1, NFT_CMP_EQ, &tcp, 1);
    payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 12, 2, R0);
    cmp(&rule, R0, NFT_CMP_EQ, "\x50\2", 2);
    meta(&rule, NFT_META_NFPROTO, R1);
    cmp(&rule, R1, NFT_CMP_EQ, &ipv6, 1);
    payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 6, 2, R0);
    cmp(&rule, R0, NFT_CMP_EQ, "\6\x40", 2);
    meta(&rule, NFT_META_PROTOCOL, R1);
    cmp(&rule, R1, NFT_CMP_NEQ, &ip6_type, 2); /* says nothing of what it is */
    payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 12, 4, R0);
    cmp(&rule, R0, NFT_CMP_EQ, "\0\0\0\1", 4);
    assert_ops(&rule, "    0\n"
                      "        undecided 'ip frag-off 8192'\n"
                      "        match saddr/4 a000001\n"
                      "        match daddr/4 a000002\n"
                      "        match sport 800\n"
                      "        match l4proto 1\n"
                      "        match icmp-type/4 8\n"
                      "        match icmp-code/4 0\n"
                      "        match l4proto 11\n"
                      "        undecided '@th,104,8 0x2'\n"
                      "        match l4proto 6\n"
                      "        undecided '@th,96,8 80'\n"
                      "        match tcp-flags 2\n"
                      "        match nfproto a\n"
                      "        match l4proto/6 6\n"
                      "        undecided 'ip6 hoplimit 64'\n"
                      "        match ethertype not 86dd\n"
                      "        match saddr/6&ffffffff0000000000000000 10000000000000000\n");
}

static void write_payload(struct rule *rule, uint32_t base, uint32_t offset, uint32_t len) {
    expression(rule, "payload");
    number(rule, NFTA_PAYLOAD_SREG, R0);
    number(rule, NFTA_PAYLOAD_BASE, base);
    number(rule, NFTA_PAYLOAD_OFFSET, offset);
    number(rule, NFTA_PAYLOAD_LEN, len);
}

static void test_writes(void **state) {
    static const uint8_t ipv4 = NFPROTO_IPV4;
    struct rule rule;
    (void)state;
    start(&rule);
    immediate(&rule, R0, "\12\0\0\1", 4);
    write_payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 16, 4); /* of which header? */
    meta(&rule, NFT_META_NFPROTO, R1);
    cmp(&rule, R1, NFT_CMP_EQ, &ipv4, 1);
    write_payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 16, 4);
    write_payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 8, 4); /* the protocol, too */
    write_payload(&rule, NFT_PAYLOAD_LL_HEADER, 6, 4);
    write_payload(&rule, NFT_PAYLOAD_INNER_HEADER, 0, 4);
    assert_ops(&rule, "    0\n"
                      "        unknown 'payload write'\n"
                      "        match nfproto 2\n"
                      "        assign daddr = a000001\n"
                      "        nothing 'ip ttl set'\n"
                      "        unknown 'ip protocol set'\n"
                      "        nothing 'ip checksum set'\n"
                      "        unknown 'ether saddr set'\n"
                      "        unknown 'payload write'\n");
}

static void test_link_headers(void **state) {
    static const uint16_t ether = ARPHRD_ETHER, ip = 8; /* the latter in network order */
    struct rule rule;
    (void)state;
    start(&rule); /* what came over no link with such a header has none to read */
    payload(&rule, NFT_PAYLOAD_LL_HEADER, 12, 2, R0);
    cmp(&rule, R0, NFT_CMP_NEQ, &ip, 2);
    cmp(&rule, R0, NFT_CMP_EQ, &ip, 2);
    close_rule(&rule);
    meta(&rule, NFT_META_IIFTYPE, R1);
    cmp(&rule, R1, NFT_CMP_EQ, &ether, 2);
    payload(&rule, NFT_PAYLOAD_LL_HEADER, 12, 2, R0);
    cmp(&rule, R0, NFT_CMP_EQ, &ip, 2);
    assert_ops(&rule, "    0\n"
                      "        match iiftype 1 304\n"
                      "        match ethertype not 800\n"
                      "        match ethertype 800\n"
                      "    0\n"
                      "        match iiftype 1\n"
                      "        match ethertype 800\n");
}

static void test_keys_of_connections(void **state) {
    struct rule rule;
    (void)state;
    start(&rule);
    ct(&rule, NFT_CT_L3PROTOCOL, R0);
    cmp(&rule, R0, NFT_CMP_EQ, "\2", 1);
    ct(&rule, NFT_CT_SRC, R0); /* of an address as long as it happens to be */
    mnl_attr_put_u8(rule.at.message, NFTA_CT_DIRECTION, IP_CT_DIR_ORIGINAL);
    cmp(&rule, R0, NFT_CMP_EQ, "\12\0\0\1", 4);
    ct(&rule, NFT_CT_SRC_IP, R0);
    mnl_attr_put_u8(rule.at.message, NFTA_CT_DIRECTION, IP_CT_DIR_REPLY);
    cmp(&rule, R0, NFT_CMP_EQ, "\12\0\0\1", 4);
    ct(&rule, NFT_CT_LABELS, R0);
    cmp(&rule, R0, NFT_CMP_EQ, "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_ops(&rule, "    0 tracks\n"
                      "        match ct-direction 0-1\n"
                      "        match nfproto 2\n"
                      "        undecided 'ct saddr 10.0.0.1'\n"
                      "        match ct-reply-saddr/4 a000001\n"
                      "        match ct-label 1\n");
}

/* What this kernel has not, and others may say. */
static void test_other_effects(void **state) {
    struct rule rule;
    (void)state;
    start(&rule);
    expression(&rule, "queue");
    mnl_attr_put_u16(rule.at.message, NFTA_QUEUE_NUM, htons(1));
    mnl_attr_put_u16(rule.at.message, NFTA_QUEUE_TOTAL, htons(3));
    mnl_attr_put_u16(rule.at.message, NFTA_QUEUE_FLAGS, htons(3));
    expression(&rule, "flow_offload");
    mnl_attr_put_strz(rule.at.message, 1, "ft");
    meta(&rule, NFT_META_BRI_IIFNAME, NFT_REG_1);
    cmp(&rule, NFT_REG_1, NFT_CMP_EQ, "br0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    immediate(&rule, R0, "\1", 1);
    meta_set(&rule, 35, R0); /* NFT_META_BRI_BROUTE */
    expression(&rule, "exthdr");
    number(&rule, NFTA_EXTHDR_DREG, R0);
    number(&rule, NFTA_EXTHDR_OP, 4); /* NFT_EXTHDR_OP_DCCP */
    number(&rule, NFTA_EXTHDR_FLAGS, NFT_EXTHDR_F_PRESENT);
    mnl_attr_put_u8(rule.at.message, NFTA_EXTHDR_TYPE, 40);
    cmp(&rule, R0, NFT_CMP_EQ, "\1", 1);
    expression(&rule, "exthdr");
    number(&rule, NFTA_EXTHDR_DREG, R0);
    number(&rule, NFTA_EXTHDR_OP, 50);
    expression(&rule, "objref");
    number(&rule, NFTA_OBJREF_IMM_TYPE, 77);
    mnl_attr_put_strz(rule.at.message, NFTA_OBJREF_IMM_NAME, "o");
    expression(&rule, "notrack");
    assert_ops(&rule, "    0 tracks\n"
                      "        verdict unknown 'queue flags bypass,fanout to 1-3'\n"
                      "        nothing 'flow add @ft'\n"
                      "        undecided 'meta ibrname \"br0\"'\n"
                      "        unknown 'meta broute set 1'\n"
                      "        undecided 'dccp option 40 exists'\n"
                      "        UNDECODED unknown 'exthdr'\n"
                      "        UNDECODED unknown 'object \"o\"'\n"
                      "        notrack\n");
}

/* "test_nft_ops NAME" prints what NAME.dump means: after a look at it, NAME.ops.txt. */
static int print_recorded(const char *name) {
    _cleanup_(ng_ruleset_freep) struct ng_ruleset *ruleset = decode_recorded(name);
    char *found = in_words(ruleset);
    fputs(found, stdout);
    free(found);
    return 0;
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loads),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_nat),
        cmocka_unit_test(test_newer),
        cmocka_unit_test(test_bytes_of_several_loads),
        cmocka_unit_test(test_bytes_behind_a_load),
        cmocka_unit_test(test_registers_that_are_not_there),
        cmocka_unit_test(test_what_no_decoder_knows),
        cmocka_unit_test(test_orders_of_bytes),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_shifts),
        cmocka_unit_test(test_booleans),
        cmocka_unit_test(test_headers_by_what_was_said),
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_link_headers),
        cmocka_unit_test(test_keys_of_connections),
        cmocka_unit_test(test_other_effects),
    };
    return argc == 2 ? print_recorded(argv[1]) : cmocka_run_group_tests(tests, NULL, NULL);
}
