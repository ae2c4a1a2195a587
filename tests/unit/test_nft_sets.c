/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets and maps made by hand: elements and markers of every sort, and what a dump must not have. */
#include "tests/unit/fixture_nft.h"

static const uint8_t five[] = {5, 0, 0, 0};

static void make_set(struct rule *rule, const char *name, uint32_t flags, uint32_t key_len,
                     uint32_t data_len) {
    struct nlmsghdr *message = begin(&rule->made, NFT_MSG_NEWSET);
    mnl_attr_put_strz(message, NFTA_SET_TABLE, "t");
    mnl_attr_put_strz(message, NFTA_SET_NAME, name);
    mnl_attr_put_u32(message, NFTA_SET_FLAGS, htonl(flags));
    mnl_attr_put_u32(message, NFTA_SET_KEY_LEN, htonl(key_len));
    if (data_len)
        mnl_attr_put_u32(message, NFTA_SET_DATA_LEN, htonl(data_len));
    end(&rule->made, message);
}

/* `key` NULL: the catch-all; `data` NULL: none. */
static void make_element(struct rule *rule, const char *name, uint32_t flags, const void *key,
                         size_t key_len, const void *data, size_t data_len) {
    struct nlmsghdr *message = begin(&rule->made, NFT_MSG_NEWSETELEM);
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, "t");
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, name);
    struct nlattr *list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
    struct nlattr *element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
    mnl_attr_put_u32(message, NFTA_SET_ELEM_FLAGS,
                     htonl(flags | (key ? 0 : NFT_SET_ELEM_CATCHALL)));
    if (key)
        put_value(message, NFTA_SET_ELEM_KEY, key, key_len);
    if (data)
        put_value(message, NFTA_SET_ELEM_DATA, data, data_len);
    mnl_attr_nest_end(message, element);
    mnl_attr_nest_end(message, list);
    end(&rule->made, message);
}

static void lookup(struct rule *rule, const char *set, uint32_t sreg, bool negate) {
    expression(rule, "lookup");
    mnl_attr_put_strz(rule->at.message, NFTA_LOOKUP_SET, set);
    number(rule, NFTA_LOOKUP_SREG, sreg);
    if (negate)
        number(rule, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

static void test_catch_all(void **state) {
    struct rule rule;
    (void)state;
    start(&rule);
    make_set(&rule, "s", 0, 2, 0);
    make_element(&rule, "s", 0, "\0\5", 2, NULL, 0);
    make_element(&rule, "s", 0, NULL, 0, NULL, 0);
    payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, R0);
    lookup(&rule, "s", R0, false);
    lookup(&rule, "s", R0, true); /* kernels differ */
    assert_ops(&rule, "    0\n"
                      "        match dport @s any\n"
                      "        undecided '!= @s'\n");
}

/* Intervals that are open, empty, doubled or end before they begin. */
static void test_markers(void **state) {
    enum { END = NFT_SET_ELEM_INTERVAL_END };
    struct rule rule;
    (void)state;
    start(&rule);
    make_set(&rule, "s", NFT_SET_INTERVAL, 2, 0);
    make_element(&rule, "s", END, "\0\0", 2, NULL, 0);
    make_element(&rule, "s", 0, "\xff\0", 2, NULL, 0);
    make_element(&rule, "s", END, "\0\x0a", 2, NULL, 0);
    make_element(&rule, "s", 0, "\0\5", 2, NULL, 0);
    make_element(&rule, "s", 0, "\0\x0a", 2, NULL, 0);
    make_element(&rule, "s", END, "\0\x0c", 2, NULL, 0);
    make_element(&rule, "s", END, "\0\x0d", 2, NULL, 0);
    payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, R0);
    lookup(&rule, "s", R0, false);
    assert_ops(&rule, "    0\n"
                      "        match dport @s 5-b ff00-ffff\n");
}

/* Data as wide as a register file, and a name as long as names get. */
static void test_widest(void **state) {
    char name[NFT_NAME_MAXLEN], expected[NFT_NAME_MAXLEN + 200];
    static const uint8_t wide[64] = {10, 0, 0, 1, [16] = 0x1f, [17] = 0x90};
    struct rule rule;
    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    start(&rule);
    make_set(&rule, name, NFT_SET_MAP, 64, 64);
    make_element(&rule, name, 0, wide, 64, wide, 64);
    payload(&rule, NFT_PAYLOAD_INNER_HEADER, 0, 64, R0);
    lookup(&rule, name, R0, false);
    number(&rule, NFTA_LOOKUP_DREG, R0);
    expression(&rule, "nat");
    number(&rule, NFTA_NAT_TYPE, NFT_NAT_DNAT);
    number(&rule, NFTA_NAT_FAMILY, NFPROTO_IPV4);
    number(&rule, NFTA_NAT_REG_ADDR_MIN, R0);
    number(&rule, NFTA_NAT_REG_PROTO_MIN, R4);
    snprintf(expected, sizeof(expected),
             "    0 tracks\n"
             "        dnat '@ih,0,512' . '@ih,0,512' . '@ih,0,512' . '@ih,0,512' @%s "
             "(a000001000000000000000000000000 . 1f900000000000000000000000000000 . 0 . 0 : "
             "10.0.0.1 :8080)\n",
             name);
    assert_ops(&rule, expected);
}

/* Only ranges of concatenations may overlap: then the order counts. */
static void test_order(void **state) {
    static const uint32_t flags[] = {0, NFT_SET_INTERVAL, NFT_SET_CONCAT,
                                     NFT_SET_INTERVAL | NFT_SET_CONCAT};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        struct ng_ruleset *ruleset = NULL;
        struct ng_error error = {0};
        struct rule rule;
        start(&rule);
        make_set(&rule, "m", NFT_SET_MAP | flags[i], 2, 4);
        make_element(&rule, "m", 0, "\0\5", 2, five, 4);
        payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, R0);
        lookup(&rule, "m", R0, false);
        number(&rule, NFTA_LOOKUP_DREG, R0);
        meta_set(&rule, NFT_META_MARK, R0);
        close_rule(&rule);
        assert_int_equal(decode((const uint8_t *)rule.made.bytes, rule.made.len, &ruleset, &error),
                         0);
        assert_int_equal(ruleset->rules[0].ops[0].kind, NG_OP_ASSIGN);
        assert_int_equal(ruleset->rules[0].ops[0].assign->map->ordered, i == 3);
        ng_ruleset_free(ruleset);
    }
}

/* Two maps for one translation, a map that another expression sees first, and a mark of one. */
static void test_maps_in_other_places(void **state) {
    struct rule rule;
    (void)state;
    start(&rule);
    make_set(&rule, "m", NFT_SET_MAP, 2, 4);
    make_element(&rule, "m", 0, "\0\5", 2, five, 4);
    payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, R0);
    lookup(&rule, "m", R0, false);
    number(&rule, NFTA_LOOKUP_DREG, R1);
    payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, R0);
    lookup(&rule, "m", R0, false);
    number(&rule, NFTA_LOOKUP_DREG, R2);
    expression(&rule, "nat");
    number(&rule, NFTA_NAT_TYPE, NFT_NAT_DNAT);
    number(&rule, NFTA_NAT_FAMILY, NFPROTO_IPV4);
    number(&rule, NFTA_NAT_REG_ADDR_MIN, R1);
    number(&rule, NFTA_NAT_REG_PROTO_MIN, R2);
    meta_set(&rule, NFT_META_MARK, R1);
    cmp(&rule, R1, NFT_CMP_EQ, five, 4);
    assert_ops(&rule, "    0 tracks\n"
                      "        match dport @m (5)\n"
                      "        match sport @m (5)\n"
                      "        unknown 'dnat to a computed address'\n"
                      "        assign mark = dport @m (5 : 5)\n"
                      "        undecided 'what a map has'\n");
}

static void test_what_sets_cannot_be(void **state) {
    struct rule rule;
    (void)state;
    start(&rule);
    make_set(&rule, "s", 0, 65, 0);
    assert_rule_refused(&rule, "contradicts the rest");
    start(&rule);
    make_set(&rule, "s", 0, 2, 0);
    make_element(&rule, "s", 0, "\0\0\0\1", 4, NULL, 0);
    assert_rule_refused(&rule, "contradicts the rest");
    start(&rule);
    make_set(&rule, "m", NFT_SET_MAP, 2, 4);
    make_element(&rule, "m", 0, "\0\1", 2, NULL, 0);
    assert_rule_refused(&rule, "contradicts the rest");
    start(&rule);
    make_set(&rule, "m", NFT_SET_MAP, 2, 4);
    make_element(&rule, "m", 0, "\0\1", 2, "\0\1", 2);
    assert_rule_refused(&rule, "contradicts the rest");
    start(&rule);
    make_element(&rule, "s", 0, "\0\1", 2, NULL, 0);
    assert_rule_refused(&rule, "contradicts the rest");
    start(&rule);
    meta(&rule, NFT_META_MARK, R0);
    lookup(&rule, "nowhere", R0, false);
    assert_rule_refused(&rule, "contradicts the rest");
    start(&rule);
    make_set(&rule, "s", 0, 4, 0);
    meta(&rule, NFT_META_MARK, R0);
    lookup(&rule, "s", R0, false);
    number(&rule, NFTA_LOOKUP_DREG, R0);
    assert_rule_refused(&rule, "contradicts the rest");
}

static void test_twice(void **state) {
    struct rule rule;
    (void)state;
    start(&rule);
    make_table(&rule.made, "t");
    assert_rule_refused(&rule, "the dump has the same table twice");
    start(&rule);
    make_chain(&rule.made, "t", "c");
    assert_rule_refused(&rule, "the dump has the same chain twice");
    start(&rule);
    make_set(&rule, "s", 0, 4, 0);
    make_set(&rule, "s", 0, 4, 0);
    assert_rule_refused(&rule, "the dump has the same set twice");
}

/* -- comments --------------------------------------------------------------------------------- */

static void assert_comment(const void *data, size_t len, const char *expected) {
    struct rule rule;
    struct ng_ruleset *ruleset = NULL;
    start(&rule);
    struct nlmsghdr *message = begin(&rule.made, NFT_MSG_NEWRULE);
    mnl_attr_put_strz(message, NFTA_RULE_TABLE, "t");
    mnl_attr_put_strz(message, NFTA_RULE_CHAIN, "c");
    mnl_attr_put(message, NFTA_RULE_USERDATA, len, data);
    end(&rule.made, message);
    assert_int_equal(decode((const uint8_t *)rule.made.bytes, rule.made.len, &ruleset, NULL), 0);
    if (expected)
        assert_string_equal(ruleset->rules[0].comment, expected);
    else
        assert_null(ruleset->rules[0].comment);
    ng_ruleset_free(ruleset);
}

static void test_comments(void **state) {
    (void)state;
    assert_comment("\0\6hello", 8, "hello");
    assert_comment("\7\1x\0\3\xc3\xbc", 8, "\xc3\xbc"); /* behind something else */
    assert_comment("\0\5\xf0\x9f\x94\xa5", 7, "\xf0\x9f\x94\xa5");
    assert_comment("", 0, NULL);
    assert_comment("\0", 1, NULL);
    assert_comment("\0\1", 3, NULL);                 /* empty */
    assert_comment("\0\5hello", 7, NULL);            /* without an end */
    assert_comment("\0\6he\0lo", 8, NULL);           /* with two */
    assert_comment("\0\xffhello", 8, NULL);          /* longer than it is */
    assert_comment("\0\3\xc3\x28", 5, NULL);         /* no UTF-8 */
    assert_comment("\0\3\xc0\x80", 5, NULL);         /* overlong */
    assert_comment("\0\4\xed\xa0\x80", 6, NULL);     /* a surrogate */
    assert_comment("\0\5\xf4\x90\x80\x80", 7, NULL); /* beyond Unicode */
    assert_comment("\0\2\xc3", 4, NULL);             /* cut */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_catch_all),
        cmocka_unit_test(test_markers),
        cmocka_unit_test(test_widest),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_maps_in_other_places),
        cmocka_unit_test(test_what_sets_cannot_be),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_comments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
