/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's messages to rules: dumps of real rulesets against what they must read as
 * (data/nft, made by the script `record` there), and dumps that are torn, cut or forged. */
#include "tests/unit/fixture_nft.h"

/* -- what real dumps read as ---------------------------------------------------------------- */

static void print_chain(FILE *out, const struct ng_ruleset *ruleset, const struct ng_chain *chain) {
    static const char *const hooks[] = {"ingress", "prerouting",  "input", "forward",
                                        "output",  "postrouting", "egress"};
    static const char *const types[] = {"filter", "nat", "route"};
    const struct ng_table *table = &ruleset->tables[chain->table];
    fprintf(out, "%s %s %s", ng_table_family_text(table->family), table->name, chain->name);
    if (chain->base)
        fprintf(out, " (%s %s %d, policy %s)", types[chain->type], hooks[chain->hook],
                (int)chain->priority, chain->policy_drop ? "drop" : "accept");
    for (size_t i = 0; i < chain->n_devices; i++)
        fprintf(out, " device %s", chain->devices[i]);
    fprintf(out, "%s\n", table->dormant ? " dormant" : "");
    for (size_t i = 0; i < chain->n_rules; i++) {
        const struct ng_rule *rule = &ruleset->rules[chain->first_rule + i];
        const char *text = ng_rule_text(ruleset->arena, ruleset, rule);
        assert_non_null(text);
        fprintf(out, "    %llu: %s\n", (unsigned long long)rule->handle, text);
    }
}

static char *print_ruleset(const struct ng_ruleset *ruleset) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    for (size_t i = 0; i < ruleset->n_chains; i++)
        print_chain(out, ruleset, &ruleset->chains[i]);
    fclose(out);
    return text;
}

static void assert_reads_as_expected(const char *name) {
    size_t len, expected_len;
    uint8_t *bytes = read_file(name, ".dump", &len);
    uint8_t *expected = read_file(name, ".expect.txt", &expected_len);
    _cleanup_(ng_ruleset_freep) struct ng_ruleset *ruleset = NULL;
    struct ng_error error = {0};
    if (decode(bytes, len, &ruleset, &error) < 0)
        fail_msg("%s: %s", name, error.message);
    free(bytes); /* nothing that was decoded points into it */
    char *found = print_ruleset(ruleset);
    assert_string_equal(found, (const char *)expected);
    free(found);
    free(expected);
}

static void test_native(void **state) {
    (void)state;
    assert_reads_as_expected("native");
}

static void test_docker(void **state) {
    (void)state;
    assert_reads_as_expected("docker");
}

static void test_xtables(void **state) {
    (void)state;
    assert_reads_as_expected("xtables");
}

static void test_nothing(void **state) {
    _cleanup_(ng_ruleset_freep) struct ng_ruleset *ruleset = NULL;
    struct ng_error error = {0};
    (void)state;
    assert_int_equal(decode(NULL, 0, &ruleset, &error), 0);
    assert_int_equal(ruleset->n_tables + ruleset->n_chains + ruleset->n_rules, 0);
    assert_string_equal(error.message, "");
}

/* -- what is torn ------------------------------------------------------------------------------ */

/* Decodes a copy of the exact size, so that a sanitizer sees every step outside. Returns what
 * ng_ruleset_decode did; whoever fails says why, whoever does not says nothing. */
static int decode_copy(const uint8_t *bytes, size_t len) {
    uint8_t *copy = malloc(len ? len : 1);
    struct ng_ruleset untouched, *ruleset = &untouched;
    struct ng_error error = {0};
    assert_non_null(copy);
    if (len)
        memcpy(copy, bytes, len);
    int r = decode(copy, len, &ruleset, &error);
    free(copy);
    assert_true(r == 0 || r == -EBADMSG);
    assert_int_equal(r < 0, error.message[0] != '\0');
    if (r == 0) {
        free(print_ruleset(ruleset));
        ng_ruleset_free(ruleset);
    } else {
        assert_ptr_equal(ruleset, &untouched);
        assert_string_equal(error.source, "nftables");
    }
    return r;
}

static const char *const dumps[] = {"native", "docker", "xtables"};

/* Only between messages may a dump end. */
static void test_cut_anywhere(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(dumps); i++) {
        size_t len, message = 0;
        uint8_t *bytes = read_file(dumps[i], ".dump", &len);
        for (size_t at = 0; at < len; at++) {
            if (at == message) {
                uint32_t step;
                memcpy(&step, bytes + at, sizeof(step));
                message += MNL_ALIGN(step);
                decode_copy(bytes, at);
            } else if (decode_copy(bytes, at) != -EBADMSG) {
                fail_msg("%s cut at byte %zu was taken", dumps[i], at);
            }
        }
        free(bytes);
    }
}

/* Runs `each` over all attributes of a dump, nested ones too: whatever looks like attributes
 * is taken for such. */
typedef void (*attribute_fn)(uint8_t *dump, size_t len, struct nlattr *attribute);

static bool looks_nested(const struct nlattr *attribute) {
    const uint8_t *at = mnl_attr_get_payload(attribute);
    size_t left = mnl_attr_get_payload_len(attribute);
    while (left >= sizeof(struct nlattr)) {
        const struct nlattr *inner = (const struct nlattr *)at;
        size_t step = MNL_ALIGN(inner->nla_len);
        if (inner->nla_len < sizeof(*inner) || step > left || (inner->nla_type & 0x3fff) > 64)
            return false;
        at += step;
        left -= step;
    }
    return left == 0 && mnl_attr_get_payload_len(attribute) > 0;
}

static void each_attribute(uint8_t *dump, size_t len, uint8_t *at, size_t left, attribute_fn each) {
    while (left >= sizeof(struct nlattr)) {
        struct nlattr *attribute = (struct nlattr *)at;
        size_t step = MNL_ALIGN(attribute->nla_len);
        each(dump, len, attribute);
        if (looks_nested(attribute))
            each_attribute(dump, len, at + sizeof(*attribute), mnl_attr_get_payload_len(attribute),
                           each);
        at += step < left ? step : left;
        left -= step < left ? step : left;
    }
}

static void each_attribute_of_dump(const char *name, attribute_fn each) {
    size_t len;
    uint8_t *dump = read_file(name, ".dump", &len);
    for (size_t at = 0; at < len;) {
        const struct nlmsghdr *message = (const struct nlmsghdr *)(dump + at);
        size_t skip = MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg));
        each_attribute(dump, len, dump + at + skip, message->nlmsg_len - skip, each);
        at += MNL_ALIGN(message->nlmsg_len);
    }
    free(dump);
}

/* Of attributes that nobody reads (a counter's value) the inside is not looked at. */
static unsigned tried, refused;

static void try_dump(const uint8_t *dump, size_t len) {
    tried++;
    refused += decode_copy(dump, len) < 0;
}

static void cut_attribute(uint8_t *dump, size_t len, struct nlattr *attribute) {
    uint16_t whole = attribute->nla_len;
    for (uint16_t cut = 0; cut < whole; cut++) {
        attribute->nla_len = cut;
        try_dump(dump, len);
    }
    attribute->nla_len = whole;
}

static void lengthen_attribute(uint8_t *dump, size_t len, struct nlattr *attribute) {
    uint16_t whole = attribute->nla_len;
    for (unsigned more = 1; more <= 4; more++) {
        attribute->nla_len = (uint16_t)(whole + more);
        try_dump(dump, len);
    }
    attribute->nla_len = UINT16_MAX;
    try_dump(dump, len);
    attribute->nla_len = whole;
}

static void rename_attribute(uint8_t *dump, size_t len, struct nlattr *attribute) {
    uint16_t type = attribute->nla_type;
    for (uint16_t other = 0; other < 40; other += 3) {
        attribute->nla_type = other;
        try_dump(dump, len);
    }
    attribute->nla_type = type;
}

static void assert_survives(attribute_fn each) {
    tried = refused = 0;
    each_attribute_of_dump("docker", each);
    assert_true(tried > 1000);
    assert_true(refused > tried / 4);
}

static void test_attributes_cut_anywhere(void **state) {
    (void)state;
    assert_survives(cut_attribute);
}

static void test_attributes_too_long(void **state) {
    (void)state;
    assert_survives(lengthen_attribute);
}

static void test_attributes_of_other_types(void **state) {
    (void)state;
    assert_survives(rename_attribute);
}

/* -- messages by hand -------------------------------------------------------------------------- */

static void make_jump(struct made *made, const char *chain, const char *to) {
    struct expression expression = begin_rule(made, "t", chain, "immediate");
    mnl_attr_put_u32(expression.message, NFTA_IMMEDIATE_DREG, htonl(NFT_REG_VERDICT));
    struct nlattr *data = mnl_attr_nest_start(expression.message, NFTA_IMMEDIATE_DATA);
    struct nlattr *verdict = mnl_attr_nest_start(expression.message, NFTA_DATA_VERDICT);
    mnl_attr_put_u32(expression.message, NFTA_VERDICT_CODE, htonl((uint32_t)NFT_JUMP));
    mnl_attr_put_strz(expression.message, NFTA_VERDICT_CHAIN, to);
    mnl_attr_nest_end(expression.message, verdict);
    mnl_attr_nest_end(expression.message, data);
    end_rule(made, &expression);
}

static void assert_refused(const struct made *made, const char *expected) {
    struct ng_ruleset *ruleset = NULL;
    struct ng_error error = {0};
    assert_int_equal(decode((const uint8_t *)made->bytes, made->len, &ruleset, &error), -EBADMSG);
    assert_null(ruleset);
    assert_string_equal(error.message, expected);
}

static void test_contradictions(void **state) {
    struct made made = {.len = 0};
    (void)state;
    make_chain(&made, "t", "c");
    assert_refused(&made, "the message at byte 0 of the dump (type 3) contradicts the rest or is "
                          "torn");
    made.len = 0;
    make_table(&made, "t");
    make_chain(&made, "t", "c");
    make_jump(&made, "c", "nowhere");
    assert_refused(&made, "the message at byte 84 of the dump (type 6) contradicts the rest or is "
                          "torn");
    made.len = 0;
    make_table(&made, "t");
    make_chain(&made, "t", "c");
    make_jump(&made, "nowhere", "c");
    assert_refused(&made, "the message at byte 84 of the dump (type 6) contradicts the rest or is "
                          "torn");
}

static void test_a_message_that_claims_too_much(void **state) {
    struct made made = {.len = 0};
    (void)state;
    make_table(&made, "t");
    ((struct nlmsghdr *)made.bytes)->nlmsg_len = 1000;
    assert_refused(&made, "the dump is torn at byte 0: a message claims 1000 of 28 bytes");
    ((struct nlmsghdr *)made.bytes)->nlmsg_len = 0;
    assert_refused(&made, "the dump is torn at byte 0: a message claims 0 of 28 bytes");
    ((struct nlmsghdr *)made.bytes)->nlmsg_len = 28;
    made.len += 3;
    assert_refused(&made, "the dump ends inside a message");
}

/* What comes in another order than it refers to is read all the same. */
static void test_any_order(void **state) {
    struct made made = {.len = 0};
    struct ng_ruleset *ruleset = NULL;
    (void)state;
    make_jump(&made, "c", "d");
    make_chain(&made, "t", "c");
    make_chain(&made, "t", "d");
    make_table(&made, "t");
    assert_int_equal(decode((const uint8_t *)made.bytes, made.len, &ruleset, NULL), 0);
    assert_int_equal(ruleset->n_rules, 1);
    assert_int_equal(ruleset->rules[0].ops[0].verdict.chain, 1);
    ng_ruleset_free(ruleset);
}

/* A rule that loses its last expression would say something else: it is not read at all. */
static void test_a_torn_expression(void **state) {
    struct made made = {.len = 0};
    struct ng_ruleset *ruleset = NULL;
    (void)state;
    make_table(&made, "t");
    make_chain(&made, "t", "c");
    struct expression expression = begin_rule(&made, "t", "c", "counter");
    end_rule(&made, &expression);
    assert_int_equal(decode((const uint8_t *)made.bytes, made.len, &ruleset, NULL), 0);
    ng_ruleset_free(ruleset);
    ruleset = NULL;
    expression.element->nla_len = 2000;
    assert_int_equal(decode((const uint8_t *)made.bytes, made.len, &ruleset, NULL), -EBADMSG);
    expression.element->nla_len = 2;
    assert_int_equal(decode((const uint8_t *)made.bytes, made.len, &ruleset, NULL), -EBADMSG);
}

/* What is not understood is said, never left out. */
static void test_an_unknown_expression(void **state) {
    struct made made = {.len = 0};
    struct ng_ruleset *ruleset = NULL;
    (void)state;
    make_table(&made, "t");
    make_chain(&made, "t", "c");
    struct expression expression = begin_rule(&made, "t", "c", "teleport");
    end_rule(&made, &expression);
    assert_int_equal(decode((const uint8_t *)made.bytes, made.len, &ruleset, NULL), 0);
    assert_int_equal(ruleset->rules[0].n_ops, 1);
    assert_int_equal(ruleset->rules[0].ops[0].kind, NG_OP_UNKNOWN);
    assert_string_equal(ruleset->rules[0].ops[0].text, "teleport");
    ng_ruleset_free(ruleset);
}

/* A load of no bytes must not make a later comparison go round for ever. */
static void test_an_empty_load(void **state) {
    struct made made = {.len = 0};
    (void)state;
    make_table(&made, "t");
    make_chain(&made, "t", "c");
    struct expression load = begin_rule(&made, "t", "c", "exthdr");
    mnl_attr_put_u32(load.message, NFTA_EXTHDR_DREG, htonl(NFT_REG_1));
    mnl_attr_put_u32(load.message, NFTA_EXTHDR_LEN, 0);
    next_expression(&load, "cmp");
    mnl_attr_put_u32(load.message, NFTA_CMP_SREG, htonl(NFT_REG_1));
    mnl_attr_put_u32(load.message, NFTA_CMP_OP, htonl(NFT_CMP_EQ));
    struct nlattr *value = mnl_attr_nest_start(load.message, NFTA_CMP_DATA);
    mnl_attr_put(load.message, NFTA_DATA_VALUE, 16, "0123456789abcdef");
    mnl_attr_nest_end(load.message, value);
    end_rule(&made, &load);
    decode_copy((const uint8_t *)made.bytes, made.len);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_native),
        cmocka_unit_test(test_docker),
        cmocka_unit_test(test_xtables),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_attributes_cut_anywhere),
        cmocka_unit_test(test_attributes_too_long),
        cmocka_unit_test(test_attributes_of_other_types),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_a_message_that_claims_too_much),
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_a_torn_expression),
        cmocka_unit_test(test_an_unknown_expression),
        cmocka_unit_test(test_an_empty_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
