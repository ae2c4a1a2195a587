/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_FIXTURE_XT_H
#define NETGUARD_FIXTURE_XT_H

/* What an extension of iptables or ebtables is decoded to, in words that leave nothing out. */

#include "agent/observe/ruleset_parts.h"

#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- operations in words ------------------------------------------------------------- */

static inline void put_number(FILE *out, ng_u128 number) {
    if (number == ~(ng_u128)0)
        fprintf(out, "max");
    else if (number >> 64)
        fprintf(out, "0x%llx%016llx", (unsigned long long)(number >> 64),
                (unsigned long long)number);
    else
        fprintf(out, "0x%llx", (unsigned long long)number);
}

static inline void put_interval(FILE *out, struct ng_interval interval) {
    put_number(out, interval.lo);
    if (interval.lo != interval.hi) {
        fputc('-', out);
        put_number(out, interval.hi);
    }
}

static inline void put_operand(FILE *out, const struct ng_operand *operand) {
    static const char *const names[NG_FIELD_COUNT] = {
        [NG_FIELD_OTHER] = "other",
        [NG_FIELD_SADDR] = "saddr",
        [NG_FIELD_DADDR] = "daddr",
        [NG_FIELD_SPORT] = "sport",
        [NG_FIELD_DPORT] = "dport",
        [NG_FIELD_L4PROTO] = "l4proto",
        [NG_FIELD_IIFKIND] = "iifkind",
        [NG_FIELD_IIFGROUP] = "iifgroup",
        [NG_FIELD_OIFGROUP] = "oifgroup",
        [NG_FIELD_MARK] = "mark",
        [NG_FIELD_PKTTYPE] = "pkttype",
        [NG_FIELD_EXTHDR] = "exthdr",
        [NG_FIELD_TCP_FLAGS] = "tcp_flags",
        [NG_FIELD_ICMP_TYPE] = "icmp_type",
        [NG_FIELD_ICMP_CODE] = "icmp_code",
        [NG_FIELD_CT_STATE] = "ct_state",
        [NG_FIELD_CT_STATUS] = "ct_status",
        [NG_FIELD_CT_DIRECTION] = "ct_direction",
        [NG_FIELD_CT_MARK] = "ct_mark",
        [NG_FIELD_CT_SADDR] = "ct_saddr",
        [NG_FIELD_CT_DADDR] = "ct_daddr",
        [NG_FIELD_CT_SPORT] = "ct_sport",
        [NG_FIELD_CT_DPORT] = "ct_dport",
        [NG_FIELD_CT_L4PROTO] = "ct_l4proto",
        [NG_FIELD_CT_REPLY_SADDR] = "ct_reply_saddr",
        [NG_FIELD_CT_REPLY_DADDR] = "ct_reply_daddr",
        [NG_FIELD_CT_REPLY_SPORT] = "ct_reply_sport",
        [NG_FIELD_CT_REPLY_DPORT] = "ct_reply_dport",
        [NG_FIELD_CT_EXPIRATION] = "ct_expiration",
        [NG_FIELD_CT_LABEL] = "ct_label",
        [NG_FIELD_ETHER_SADDR] = "ether_saddr",
        [NG_FIELD_FIB_TYPE] = "fib_type",
        [NG_FIELD_FIB_OIF] = "fib_oif",
        [NG_FIELD_SECPATH] = "secpath",
        [NG_FIELD_RT_IPSEC] = "rt_ipsec",
        [NG_FIELD_SKUID] = "skuid",
        [NG_FIELD_SKGID] = "skgid",
    };
    assert_non_null(names[operand->field]);
    fprintf(out, "%s", names[operand->field]);
    if (operand->family)
        fprintf(out, "/%u", operand->family);
    if (operand->fib)
        fprintf(out, "/fib%u", operand->fib);
    if (operand->name)
        fprintf(out, "'%s'", operand->name);
    if (operand->mask != ~(ng_u128)0) {
        fputc('&', out);
        put_number(out, operand->mask);
    }
    assert_true(operand->flip == 0);
}

static inline void put_match(FILE *out, const struct ng_match *match) {
    fprintf(out, "%s%s", match->negate ? "not " : "", match->any_of ? "any-of " : "");
    for (size_t i = 0; i < match->n_operands; i++) {
        fprintf(out, "%s", i ? " . " : "");
        put_operand(out, &match->operands[i]);
    }
    assert_int_equal(match->boxes != NULL, match->any_of);
    for (size_t i = 0; i < match->values.count; i++) {
        fprintf(out, "%s", i ? ", " : " in ");
        put_interval(out, match->values.intervals[i]);
    }
    for (size_t i = 0; i < match->expiring.count; i++) {
        fprintf(out, "%s", i ? ", " : " maybe in ");
        put_interval(out, match->expiring.intervals[i]);
    }
    for (size_t i = 0; i < match->n_boxes; i++)
        for (size_t k = 0; k < match->n_operands; k++) {
            fprintf(out, "%s", k ? " . " : i ? ", " : " in ");
            put_interval(out, match->boxes[i].sides[k]);
        }
}

static inline void put_nat(FILE *out, const struct ng_nat *nat) {
    char lo[NG_ADDR_TEXT], hi[NG_ADDR_TEXT];
    if (nat->has_addr)
        fprintf(out, " addr %s-%s", ng_addr_text(nat->addr_lo, lo), ng_addr_text(nat->addr_hi, hi));
    if (nat->has_port)
        fprintf(out, " port %u-%u", nat->port_lo, nat->port_hi);
    if (nat->shifted)
        fprintf(out, " behind %u", nat->port_base);
    fprintf(out, "%s%s", nat->netmap ? " netmap" : "", nat->random ? " random" : "");
}

static inline void put_assign(FILE *out, const struct ng_assign *assign) {
    const struct ng_operand target = {.field = assign->target, .mask = ~(ng_u128)0};
    put_operand(out, &target);
    fprintf(out, " :=");
    for (size_t i = 0; i < assign->n_terms; i++) {
        fputc(' ', out);
        put_operand(out, &assign->terms[i]);
        fprintf(out, " ^");
    }
    fputc(' ', out);
    if (assign->unknown)
        fprintf(out, "unknown");
    else
        put_number(out, assign->constant);
}

static inline void put_verdict(FILE *out, const struct ng_verdict *verdict) {
    static const char *const names[] = {
        [NG_VERDICT_ACCEPT] = "accept",
        [NG_VERDICT_DROP] = "drop",
        [NG_VERDICT_RETURN] = "return",
        [NG_VERDICT_UNKNOWN] = "somebody decides",
    };
    fprintf(out, "%s", names[verdict->kind]);
    if (verdict->text)
        fprintf(out, ": %s", verdict->text);
}

static inline void put_op(FILE *out, const struct ng_op *op) {
    static const char *const kinds[] = {
        [NG_OP_MATCH] = "match ",    [NG_OP_UNDECIDED] = "undecided", [NG_OP_VERDICT] = "verdict ",
        [NG_OP_DNAT] = "dnat",       [NG_OP_REDIRECT] = "redirect",   [NG_OP_SNAT] = "source nat",
        [NG_OP_ASSIGN] = "assign ",  [NG_OP_TPROXY] = "tproxy",       [NG_OP_NOTRACK] = "notrack",
        [NG_OP_NOTHING] = "nothing", [NG_OP_UNKNOWN] = "unknown",
    };
    fprintf(out, "%s%s", op->undecoded ? "undecoded, " : "", kinds[op->kind]);
    if (op->text)
        fprintf(out, ": %s", op->text);
    if (op->kind == NG_OP_MATCH)
        put_match(out, op->match);
    if (op->kind == NG_OP_VERDICT)
        put_verdict(out, &op->verdict);
    if (op->kind == NG_OP_ASSIGN)
        put_assign(out, op->assign);
    if (op->nat)
        put_nat(out, op->nat);
    if (op->kind == NG_OP_TPROXY) {
        put_nat(out, &op->tproxy->to);
        fprintf(out, "%s", op->tproxy->xtables ? " xtables " : " ");
        if (op->tproxy->mark)
            put_assign(out, op->tproxy->mark);
    }
}

/* -- one extension ------------------------------------------------------------------- */

/* What it becomes, one line an operation; the caller frees it. */
static inline char *become(bool target, uint8_t family, const char *name, uint32_t revision,
                           const void *info, size_t len, const struct ng_ipsets *ipsets) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct op_list list = {.arena = arena, .ipsets = ipsets};
    /* Off by four, as netlink has it, and of the exact size for a sanitizer to see the end. */
    uint8_t *copy = malloc(len + 4);
    char *text = NULL;
    size_t text_len;
    assert_non_null(copy);
    memcpy(copy + 4, info, len);
    int r = (target ? ng_decode_xt_target : ng_decode_xt_match)(&list, family, name, revision,
                                                                copy + 4, len);
    assert_int_equal(r, 0);
    free(copy); /* nothing of it is kept */
    FILE *out = open_memstream(&text, &text_len);
    assert_non_null(out);
    fprintf(out, "%s%s%s", list.tracks ? "tracks\n" : "", list.sets_label ? "sets a label\n" : "",
            list.sets_zone ? "sets a zone\n" : "");
    for (size_t i = 0; i < list.count; i++) {
        put_op(out, &list.ops[i]);
        fputc('\n', out);
    }
    fclose(out);
    return text;
}

static inline void assert_becomes(bool target, uint8_t family, const char *name, uint32_t revision,
                                  const void *info, size_t len, const char *expected) {
    char *text = become(target, family, name, revision, info, len, NULL);
    assert_string_equal(text, expected);
    free(text);
    /* Padded as netlink and the blobs have it, and as nobody has it. */
    uint8_t *longer = calloc(1, len + 64);
    assert_non_null(longer);
    memcpy(longer, info, len);
    text = become(target, family, name, revision, longer, (len + 7) & ~(size_t)7, NULL);
    assert_string_equal(text, expected);
    free(text);
    free(longer);
}

#define MATCH(family, name, revision, info, expected)                                              \
    assert_becomes(false, family, name, revision, &(info), sizeof(info), expected)
#define TARGET(family, name, revision, info, expected)                                             \
    assert_becomes(true, family, name, revision, &(info), sizeof(info), expected)

#endif
