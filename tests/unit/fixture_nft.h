/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_FIXTURE_NFT_H
#define NETGUARD_FIXTURE_NFT_H

/* Dumps of nf_tables: recorded ones (data/nft), and messages made by hand. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "agent/observe/ruleset_decode.h"
#include "tests/unit/fixture_ops.h"

#define DATA "tests/unit/data/nft/"

static inline uint8_t *read_file(const char *name, const char *suffix, size_t *ret_len) {
    enum { LARGEST = 1 << 20 };
    char path[256];
    snprintf(path, sizeof(path), DATA "%s%s", name, suffix);
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = calloc(1, LARGEST);
    if (!file || !bytes)
        fail_msg("cannot read %s", path);
    *ret_len = fread(bytes, 1, LARGEST - 1, file);
    fclose(file);
    assert_true(*ret_len > 0);
    return bytes;
}

static inline int decode(const uint8_t *bytes, size_t len, struct ng_ruleset **ret_ruleset,
                         struct ng_error *error) {
    const struct ng_world world = {.nft = {.bytes = bytes, .len_bytes = len, .read = true}};
    return ng_ruleset_decode(&world, ret_ruleset, error);
}

/* -- messages by hand -------------------------------------------------------------------------- */

struct made {
    char bytes[8192];
    size_t len;
};

static inline struct nlmsghdr *begin(struct made *made, uint16_t type) {
    struct nlmsghdr *message = mnl_nlmsg_put_header(made->bytes + made->len);
    message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->nfgen_family = NFPROTO_INET;
    return message;
}

static inline void end(struct made *made, const struct nlmsghdr *message) {
    made->len += MNL_ALIGN(message->nlmsg_len);
}

static inline void make_table(struct made *made, const char *name) {
    struct nlmsghdr *message = begin(made, NFT_MSG_NEWTABLE);
    mnl_attr_put_strz(message, NFTA_TABLE_NAME, name);
    end(made, message);
}

static inline void make_chain(struct made *made, const char *table, const char *name) {
    struct nlmsghdr *message = begin(made, NFT_MSG_NEWCHAIN);
    mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, table);
    mnl_attr_put_strz(message, NFTA_CHAIN_NAME, name);
    struct nlattr *hook = mnl_attr_nest_start(message, NFTA_CHAIN_HOOK);
    mnl_attr_put_u32(message, NFTA_HOOK_HOOKNUM, htonl(NF_INET_LOCAL_IN));
    mnl_attr_put_u32(message, NFTA_HOOK_PRIORITY, 0);
    mnl_attr_nest_end(message, hook);
    end(made, message);
}

/* A rule of one expression, whose data the caller fills in. */
struct expression {
    struct nlmsghdr *message;
    struct nlattr *list, *element, *data;
};

static inline struct expression begin_rule(struct made *made, const char *table, const char *chain,
                                           const char *name) {
    struct expression expression = {.message = begin(made, NFT_MSG_NEWRULE)};
    mnl_attr_put_strz(expression.message, NFTA_RULE_TABLE, table);
    mnl_attr_put_strz(expression.message, NFTA_RULE_CHAIN, chain);
    expression.list = mnl_attr_nest_start(expression.message, NFTA_RULE_EXPRESSIONS);
    expression.element = mnl_attr_nest_start(expression.message, NFTA_LIST_ELEM);
    mnl_attr_put_strz(expression.message, NFTA_EXPR_NAME, name);
    expression.data = mnl_attr_nest_start(expression.message, NFTA_EXPR_DATA);
    return expression;
}

/* One more of the same rule. */
static inline void next_expression(struct expression *expression, const char *name) {
    mnl_attr_nest_end(expression->message, expression->data);
    mnl_attr_nest_end(expression->message, expression->element);
    expression->element = mnl_attr_nest_start(expression->message, NFTA_LIST_ELEM);
    mnl_attr_put_strz(expression->message, NFTA_EXPR_NAME, name);
    expression->data = mnl_attr_nest_start(expression->message, NFTA_EXPR_DATA);
}

static inline void end_rule(struct made *made, const struct expression *expression) {
    mnl_attr_nest_end(expression->message, expression->data);
    mnl_attr_nest_end(expression->message, expression->element);
    mnl_attr_nest_end(expression->message, expression->list);
    end(made, expression->message);
}

/* Expressions of one rule, in `inet t c`. */
struct rule {
    struct made made;
    struct expression at;
    bool open;
};

static inline void start(struct rule *rule) {
    rule->made.len = 0;
    rule->open = false;
    make_table(&rule->made, "t");
    make_chain(&rule->made, "t", "c");
}

static inline void expression(struct rule *rule, const char *name) {
    if (rule->open)
        next_expression(&rule->at, name);
    else
        rule->at = begin_rule(&rule->made, "t", "c", name);
    rule->open = true;
}

static inline void number(struct rule *rule, uint16_t type, uint32_t value) {
    mnl_attr_put_u32(rule->at.message, type, htonl(value));
}

static inline void put_value(struct nlmsghdr *message, uint16_t type, const void *value,
                             size_t len) {
    struct nlattr *nest = mnl_attr_nest_start(message, type);
    mnl_attr_put(message, NFTA_DATA_VALUE, len, value);
    mnl_attr_nest_end(message, nest);
}

static inline void bytes(struct rule *rule, uint16_t type, const void *value, size_t len) {
    put_value(rule->at.message, type, value, len);
}

static inline void payload(struct rule *rule, uint32_t base, uint32_t offset, uint32_t len,
                           uint32_t dreg) {
    expression(rule, "payload");
    number(rule, NFTA_PAYLOAD_DREG, dreg);
    number(rule, NFTA_PAYLOAD_BASE, base);
    number(rule, NFTA_PAYLOAD_OFFSET, offset);
    number(rule, NFTA_PAYLOAD_LEN, len);
}

static inline void meta(struct rule *rule, uint32_t key, uint32_t dreg) {
    expression(rule, "meta");
    number(rule, NFTA_META_DREG, dreg);
    number(rule, NFTA_META_KEY, key);
}

static inline void meta_set(struct rule *rule, uint32_t key, uint32_t sreg) {
    expression(rule, "meta");
    number(rule, NFTA_META_SREG, sreg);
    number(rule, NFTA_META_KEY, key);
}

static inline void ct(struct rule *rule, uint32_t key, uint32_t dreg) {
    expression(rule, "ct");
    number(rule, NFTA_CT_DREG, dreg);
    number(rule, NFTA_CT_KEY, key);
}

static inline void cmp(struct rule *rule, uint32_t sreg, uint32_t op, const void *value,
                       size_t len) {
    expression(rule, "cmp");
    number(rule, NFTA_CMP_SREG, sreg);
    number(rule, NFTA_CMP_OP, op);
    bytes(rule, NFTA_CMP_DATA, value, len);
}

static inline void immediate(struct rule *rule, uint32_t dreg, const void *value, size_t len) {
    expression(rule, "immediate");
    number(rule, NFTA_IMMEDIATE_DREG, dreg);
    bytes(rule, NFTA_IMMEDIATE_DATA, value, len);
}

/* From a register to itself. */
static inline void bitwise(struct rule *rule, uint32_t reg, uint32_t len, uint32_t op) {
    expression(rule, "bitwise");
    number(rule, NFTA_BITWISE_SREG, reg);
    number(rule, NFTA_BITWISE_DREG, reg);
    number(rule, NFTA_BITWISE_LEN, len);
    number(rule, NFTA_BITWISE_OP, op);
}

static inline void close_rule(struct rule *rule) {
    end_rule(&rule->made, &rule->at);
    rule->open = false;
}

/* The operations of all rules, in words. */
static inline void assert_ops(struct rule *rule, const char *expected) {
    struct ng_ruleset *ruleset = NULL;
    struct ng_error error = {0};
    if (rule->open)
        close_rule(rule);
    if (decode((const uint8_t *)rule->made.bytes, rule->made.len, &ruleset, &error) < 0)
        fail_msg("%s", error.message);
    char *found = in_words(ruleset), *start_of_rule = strchr(found, '\n');
    assert_non_null(start_of_rule);
    assert_string_equal(start_of_rule + 1, expected);
    free(found);
    ng_ruleset_free(ruleset);
}

static inline void assert_rule_refused(struct rule *rule, const char *expected) {
    struct ng_ruleset *ruleset = NULL;
    struct ng_error error = {0};
    if (rule->open)
        close_rule(rule);
    assert_int_equal(decode((const uint8_t *)rule->made.bytes, rule->made.len, &ruleset, &error),
                     -EBADMSG);
    if (!strstr(error.message, expected))
        fail_msg("\"%s\" is not in \"%s\"", expected, error.message);
}

enum { R0 = NFT_REG32_00, R1 = R0 + 1, R2 = R0 + 2, R3 = R0 + 3, R4 = R0 + 4, R15 = NFT_REG32_15 };

#endif
