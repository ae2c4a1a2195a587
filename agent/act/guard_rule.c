/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/guard_parts.h"

/* Rules by libnftnl, which is used here and nowhere else: it knows how each expression is laid out,
 * and brings what the kernel tells of one into a form that can be compared. Its setters take any
 * number of bytes for any attribute, or end the process over them: so each is called through a
 * function below that is of the attribute's own type. Its parser believes what it is told: it is
 * given what the kernel has answered, and never what stands in a file. */

#include <endian.h>
#include <errno.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

enum {
    REGISTER_BYTES = 4,
    /* More than the expressions of one test need, names apart; of a rule without its tests. */
    TEST_BYTES = 1024,
    RULE_BYTES = 2048,
};

/* A rule that is being made; after the first failure nothing is added. */
struct rule {
    struct nftnl_rule *rule;
    uint8_t nfproto; /* the packet is known to be of this family; 0: of any */
    int error;
};

static void free_rule(struct nftnl_rule **rule) {
    if (*rule)
        nftnl_rule_free(*rule);
}

static struct nftnl_expr *add(struct rule *rule, const char *name) {
    struct nftnl_expr *expr = rule->error == 0 ? nftnl_expr_alloc(name) : NULL;
    if (expr)
        nftnl_rule_add_expr(rule->rule, expr);
    else
        rule->error = -ENOMEM;
    return expr;
}

static void put_u8(struct nftnl_expr *expr, uint16_t attribute, uint8_t value) {
    if (expr)
        nftnl_expr_set_u8(expr, attribute, value);
}

static void put_u16(struct nftnl_expr *expr, uint16_t attribute, uint16_t value) {
    if (expr)
        nftnl_expr_set_u16(expr, attribute, value);
}

static void put_u32(struct nftnl_expr *expr, uint16_t attribute, uint32_t value) {
    if (expr)
        nftnl_expr_set_u32(expr, attribute, value);
}

static void put_u64(struct nftnl_expr *expr, uint16_t attribute, uint64_t value) {
    if (expr)
        nftnl_expr_set_u64(expr, attribute, value);
}

static void put_bytes(struct rule *rule, struct nftnl_expr *expr, uint16_t attribute,
                      const void *bytes, size_t len) {
    if (expr && nftnl_expr_set(expr, attribute, bytes, (uint32_t)len) < 0)
        rule->error = -ENOMEM;
}

static void put_text(struct rule *rule, struct nftnl_expr *expr, uint16_t attribute,
                     const char *text) {
    if (expr && nftnl_expr_set_str(expr, attribute, text) < 0)
        rule->error = -ENOMEM;
}

/* -- expressions ----------------------------------------------------------------------- */

static void load_meta(struct rule *rule, uint32_t key, uint32_t to) {
    struct nftnl_expr *expr = add(rule, "meta");
    put_u32(expr, NFTNL_EXPR_META_KEY, key);
    put_u32(expr, NFTNL_EXPR_META_DREG, to);
}

static void load_ct(struct rule *rule, uint32_t key, uint32_t to) {
    struct nftnl_expr *expr = add(rule, "ct");
    put_u32(expr, NFTNL_EXPR_CT_KEY, key);
    put_u32(expr, NFTNL_EXPR_CT_DREG, to);
}

static void load_ct_original(struct rule *rule, uint32_t key, uint32_t to) {
    struct nftnl_expr *expr = add(rule, "ct");
    put_u32(expr, NFTNL_EXPR_CT_KEY, key);
    put_u8(expr, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
    put_u32(expr, NFTNL_EXPR_CT_DREG, to);
}

static void load_payload(struct rule *rule, uint32_t base, uint32_t offset, size_t len,
                         uint32_t to) {
    struct nftnl_expr *expr = add(rule, "payload");
    put_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
    put_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
    put_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, (uint32_t)len);
    put_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, to);
}

static void compare(struct rule *rule, uint32_t op, const void *bytes, size_t len) {
    struct nftnl_expr *expr = add(rule, "cmp");
    put_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
    put_u32(expr, NFTNL_EXPR_CMP_OP, op);
    put_bytes(rule, expr, NFTNL_EXPR_CMP_DATA, bytes, len);
}

/* Is any of these bits set (or none) in what has been loaded? */
static void compare_bits(struct rule *rule, uint32_t bits, bool set) {
    const uint32_t nothing = 0;
    struct nftnl_expr *expr = add(rule, "bitwise");
    put_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
    put_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
    put_u32(expr, NFTNL_EXPR_BITWISE_LEN, sizeof(bits));
    put_bytes(rule, expr, NFTNL_EXPR_BITWISE_MASK, &bits, sizeof(bits));
    put_bytes(rule, expr, NFTNL_EXPR_BITWISE_XOR, &nothing, sizeof(nothing));
    compare(rule, set ? NFT_CMP_NEQ : NFT_CMP_EQ, &nothing, sizeof(nothing));
}

static void look_up(struct rule *rule, const struct ng_guard_test *test) {
    struct nftnl_expr *expr = add(rule, "lookup");
    put_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
    put_text(rule, expr, NFTNL_EXPR_LOOKUP_SET, test->set);
    if (test->kind == NG_GUARD_VMAP)
        put_u32(expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
    put_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, test->kind == NG_GUARD_NOT_IN ? NFT_LOOKUP_F_INV : 0);
}

/* -- tests ----------------------------------------------------------------------------- */

static uint8_t header_of(enum ng_guard_field field) {
    switch (field) {
    case NG_GUARD_SADDR4:
    case NG_GUARD_DADDR4:
        return NFPROTO_IPV4;
    case NG_GUARD_SADDR6:
    case NG_GUARD_DADDR6:
        return NFPROTO_IPV6;
    default:
        return 0;
    }
}

/* Of an address in the header: which header it is has to be known first. */
static void know_header(struct rule *rule, enum ng_guard_field field) {
    uint8_t nfproto = header_of(field);
    if (!nfproto || nfproto == rule->nfproto)
        return;
    load_meta(rule, NFT_META_NFPROTO, NFT_REG_1);
    compare(rule, NFT_CMP_EQ, &nfproto, sizeof(nfproto));
    rule->nfproto = nfproto;
}

static void load(struct rule *rule, enum ng_guard_field field, uint32_t to) {
    size_t len = ng_guard_field_len(field);
    switch (field) {
    case NG_GUARD_NO_FIELD:
        break;
    case NG_GUARD_NFPROTO:
        load_meta(rule, NFT_META_NFPROTO, to);
        break;
    case NG_GUARD_IIFNAME:
        load_meta(rule, NFT_META_IIFNAME, to);
        break;
    case NG_GUARD_OIFNAME:
        load_meta(rule, NFT_META_OIFNAME, to);
        break;
    case NG_GUARD_SADDR4:
        load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 12, len, to);
        break;
    case NG_GUARD_DADDR4:
        load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 16, len, to);
        break;
    case NG_GUARD_SADDR6:
        load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 8, len, to);
        break;
    case NG_GUARD_DADDR6:
        load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 24, len, to);
        break;
    case NG_GUARD_ASKED4:
        load_ct_original(rule, NFT_CT_DST_IP, to);
        break;
    case NG_GUARD_ASKED6:
        load_ct_original(rule, NFT_CT_DST_IP6, to);
        break;
    case NG_GUARD_L4PROTO:
        load_meta(rule, NFT_META_L4PROTO, to);
        break;
    case NG_GUARD_DPORT:
        load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, len, to);
        break;
    case NG_GUARD_ASKED_PORT:
        load_ct_original(rule, NFT_CT_PROTO_DST, to);
        break;
    }
}

/* By the name that the kernel tells in a dump: every fourth is one of the old registers. */
static uint32_t register_at(size_t bytes) {
    size_t number = bytes / REGISTER_BYTES, old = NFT_REG_SIZE / REGISTER_BYTES;
    return (uint32_t)(number % old ? NFT_REG32_00 + number : NFT_REG_1 + number / old);
}

static void load_key(struct rule *rule, const struct ng_guard_test *test) {
    for (size_t i = 0; i < test->n_fields; i++)
        know_header(rule, test->fields[i]);
    for (size_t i = 0, at = 0; i < test->n_fields; i++) {
        load(rule, test->fields[i], register_at(at));
        at += MNL_ALIGN(ng_guard_field_len(test->fields[i]));
    }
}

/* Of names that end in * only what stands before it. */
static void compare_value(struct rule *rule, const struct ng_guard_test *test) {
    enum ng_guard_field field = test->fields[0];
    bool is = test->kind == NG_GUARD_IS;
    uint8_t bytes[16];
    size_t len = ng_guard_value_bytes(field, test->value, bytes);
    if (ng_guard_field_is_name(field)) {
        size_t given = strnlen(test->value.name, len);
        if (given > 0 && test->value.name[given - 1] == '*')
            len = given - 1;
    }
    load_key(rule, test);
    compare(rule, is ? NFT_CMP_EQ : NFT_CMP_NEQ, bytes, len);
    if (field == NG_GUARD_NFPROTO && is)
        rule->nfproto = (uint8_t)test->value.number;
}

static void compare_range(struct rule *rule, const struct ng_guard_test *test) {
    uint8_t bytes[16];
    size_t len = ng_guard_value_bytes(test->fields[0], test->value, bytes);
    load_key(rule, test);
    compare(rule, NFT_CMP_GTE, bytes, len);
    len =
        ng_guard_value_bytes(test->fields[0], (struct ng_guard_value){.number = test->end}, bytes);
    compare(rule, NFT_CMP_LTE, bytes, len);
}

static void compare_bridge(struct rule *rule, uint32_t op) {
    static const char kind[NFT_REG_SIZE] = "bridge";
    load_meta(rule, NFT_META_OIFKIND, NFT_REG_1);
    compare(rule, op, kind, sizeof(kind));
}

static void compare_direction(struct rule *rule, uint8_t direction) {
    load_ct(rule, NFT_CT_DIRECTION, NFT_REG_1);
    compare(rule, NFT_CMP_EQ, &direction, sizeof(direction));
}

static void add_test(struct rule *rule, const struct ng_guard_test *test) {
    switch (test->kind) {
    case NG_GUARD_IS:
    case NG_GUARD_IS_NOT:
        compare_value(rule, test);
        break;
    case NG_GUARD_IN:
    case NG_GUARD_NOT_IN:
    case NG_GUARD_VMAP:
        load_key(rule, test);
        look_up(rule, test);
        break;
    case NG_GUARD_BETWEEN:
        compare_range(rule, test);
        break;
    case NG_GUARD_TO_BRIDGE:
        compare_bridge(rule, NFT_CMP_EQ);
        break;
    case NG_GUARD_TO_NO_BRIDGE:
        compare_bridge(rule, NFT_CMP_NEQ);
        break;
    case NG_GUARD_TRANSLATED:
    case NG_GUARD_UNTRANSLATED:
        load_ct(rule, NFT_CT_STATUS, NFT_REG_1);
        compare_bits(rule, IPS_DST_NAT, test->kind == NG_GUARD_TRANSLATED);
        break;
    case NG_GUARD_REPLY:
        compare_direction(rule, IP_CT_DIR_REPLY);
        break;
    case NG_GUARD_ORIGINAL:
        compare_direction(rule, IP_CT_DIR_ORIGINAL);
        break;
    case NG_GUARD_UNTRACKED:
        load_ct(rule, NFT_CT_STATE, NFT_REG_1);
        compare_bits(rule, NF_CT_STATE_UNTRACKED_BIT, true);
        break;
    }
}

/* -- effects --------------------------------------------------------------------------- */

static void add_log(struct rule *rule, const char *prefix) {
    struct nftnl_expr *limit = add(rule, "limit");
    put_u64(limit, NFTNL_EXPR_LIMIT_RATE, NG_GUARD_LOG_PER_S);
    put_u64(limit, NFTNL_EXPR_LIMIT_UNIT, 1); /* second */
    put_u32(limit, NFTNL_EXPR_LIMIT_BURST, NG_GUARD_LOG_BURST);
    put_u32(limit, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
    put_u32(limit, NFTNL_EXPR_LIMIT_FLAGS, 0);
    struct nftnl_expr *log = add(rule, "log");
    put_text(rule, log, NFTNL_EXPR_LOG_PREFIX, prefix);
    put_u16(log, NFTNL_EXPR_LOG_GROUP, NG_GUARD_LOG_GROUP);
}

static void add_verdict(struct rule *rule, int verdict, const char *chain) {
    struct nftnl_expr *expr = add(rule, "immediate");
    put_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    put_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
    if (chain)
        put_text(rule, expr, NFTNL_EXPR_IMM_CHAIN, chain);
}

static int make_rule(const struct ng_guard_rule *guard_rule, struct nftnl_rule **ret_rule) {
    _cleanup_(free_rule) struct nftnl_rule *made = nftnl_rule_alloc();
    if (!made)
        return -ENOMEM;
    struct rule rule = {.rule = made};
    for (size_t i = 0; i < guard_rule->n_tests; i++)
        add_test(&rule, &guard_rule->tests[i]);
    if (guard_rule->log)
        add_log(&rule, guard_rule->log);
    if (guard_rule->counter)
        add(&rule, "counter");
    switch (guard_rule->verdict) {
    case NG_GUARD_CONTINUE:
        break;
    case NG_GUARD_ACCEPT:
        add_verdict(&rule, NF_ACCEPT, NULL);
        break;
    case NG_GUARD_DROP:
        add_verdict(&rule, NF_DROP, NULL);
        break;
    case NG_GUARD_GOTO:
        add_verdict(&rule, NFT_GOTO, guard_rule->chain);
        break;
    case NG_GUARD_JUMP:
        add_verdict(&rule, NFT_JUMP, guard_rule->chain);
        break;
    }
    if (rule.error < 0)
        return rule.error;
    *ret_rule = TAKE_PTR(made);
    return 0;
}

/* -- messages -------------------------------------------------------------------------- */

/* libnftnl writes without asking how much room there is. */
static size_t most_bytes(const struct ng_guard_rule *rule) {
    size_t bytes = RULE_BYTES + rule->n_tests * TEST_BYTES;
    for (size_t i = 0; i < rule->n_tests; i++)
        bytes += rule->tests[i].set ? strlen(rule->tests[i].set) : 0;
    bytes += rule->log ? strlen(rule->log) : 0;
    return bytes + (rule->chain ? strlen(rule->chain) : 0);
}

void ng_guard_write_rule(struct ng_guard_writer *writer, const char *chain,
                         const struct ng_guard_rule *rule) {
    _cleanup_(free_rule) struct nftnl_rule *made = NULL;
    size_t most = most_bytes(rule);
    ng_guard_begin(writer, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    ng_guard_put_text(writer, NFTA_RULE_TABLE, ng_guard_table_of(writer));
    ng_guard_put_text(writer, NFTA_RULE_CHAIN, chain);
    if (writer->numbered)
        ng_guard_put_be64(writer, NFTA_RULE_HANDLE, ++writer->handle);
    if (writer->error == 0)
        writer->error = most > UINT16_MAX ? -E2BIG : make_rule(rule, &made);
    size_t end = writer->buffer.len_bytes;
    if (!ng_guard_extend(writer, most))
        return;
    struct nlmsghdr *message = (struct nlmsghdr *)(void *)(writer->buffer.bytes + writer->message);
    message->nlmsg_len = (uint32_t)(end - writer->message);
    nftnl_rule_nlmsg_build_payload(message, made);
    writer->buffer.len_bytes = writer->message + message->nlmsg_len;
}

/* -- what is installed ----------------------------------------------------------------- */

/* The expressions as libnftnl writes them for people, which is without counters' values; a value
 * that is compared reads the same with zeroes behind it, so its length is added. NULL: out of
 * memory. */
static char *rule_text(const struct nftnl_rule *rule) {
    char *text = NULL, line[1024];
    size_t len;
    FILE *out = open_memstream(&text, &len);
    struct nftnl_expr_iter *iter = out ? nftnl_expr_iter_create(rule) : NULL;
    struct nftnl_expr *expr;
    while (iter && (expr = nftnl_expr_iter_next(iter))) {
        const char *name = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME);
        uint32_t compared = 0;
        if (strcmp(name, "counter") == 0) {
            nftnl_expr_set_u64(expr, NFTNL_EXPR_CTR_PACKETS, 0);
            nftnl_expr_set_u64(expr, NFTNL_EXPR_CTR_BYTES, 0);
        } else if (strcmp(name, "cmp") == 0) {
            (void)nftnl_expr_get(expr, NFTNL_EXPR_CMP_DATA, &compared);
        }
        line[0] = '\0';
        (void)nftnl_expr_snprintf(line, sizeof(line), expr, NFTNL_OUTPUT_DEFAULT, 0);
        fprintf(out, "%s %s %u\n", name, line, compared);
    }
    bool complete = iter != NULL;
    if (iter)
        nftnl_expr_iter_destroy(iter);
    if (out && fclose(out) != 0)
        complete = false;
    if (complete)
        return text;
    free(text);
    return NULL;
}

static void free_text(char **text) {
    free(*text);
}

int ng_guard_rule_is(const struct ng_guard_rule *rule, const struct nlmsghdr *message,
                     bool *ret_same) {
    _cleanup_(free_rule) struct nftnl_rule *wanted = NULL;
    _cleanup_(free_rule) struct nftnl_rule *found = nftnl_rule_alloc();
    _cleanup_(free_text) char *wanted_text = NULL;
    _cleanup_(free_text) char *found_text = NULL;
    if (!found)
        return -ENOMEM;
    if (nftnl_rule_nlmsg_parse(message, found) < 0) {
        *ret_same = false; /* an expression that libnftnl does not know, which is none of ours */
        return 0;
    }
    int r = make_rule(rule, &wanted);
    if (r < 0)
        return r;
    wanted_text = rule_text(wanted);
    found_text = rule_text(found);
    if (!wanted_text || !found_text)
        return -ENOMEM;
    *ret_same = strcmp(wanted_text, found_text) == 0;
    return 0;
}

bool ng_guard_rule_counts(const struct nlmsghdr *message, uint64_t *packets, uint64_t *bytes) {
    _cleanup_(free_rule) struct nftnl_rule *rule = nftnl_rule_alloc();
    if (!rule || nftnl_rule_nlmsg_parse(message, rule) < 0)
        return false;
    struct nftnl_expr_iter *iter = nftnl_expr_iter_create(rule);
    struct nftnl_expr *expr;
    bool counts = false;
    while (iter && (expr = nftnl_expr_iter_next(iter))) {
        if (strcmp(nftnl_expr_get_str(expr, NFTNL_EXPR_NAME), "counter") != 0)
            continue;
        *packets += nftnl_expr_get_u64(expr, NFTNL_EXPR_CTR_PACKETS);
        *bytes += nftnl_expr_get_u64(expr, NFTNL_EXPR_CTR_BYTES);
        counts = true;
    }
    if (iter)
        nftnl_expr_iter_destroy(iter);
    return counts;
}
