/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_FIXTURE_OPS_H
#define NETGUARD_FIXTURE_OPS_H

/* Operations in words, number by number: what a rule means, not how it reads. */

#include "netguard/ruleset.h"

#include <stdio.h>

static const char *const field_names[NG_FIELD_COUNT] = {
    [NG_FIELD_SADDR] = "saddr",
    [NG_FIELD_DADDR] = "daddr",
    [NG_FIELD_SPORT] = "sport",
    [NG_FIELD_DPORT] = "dport",
    [NG_FIELD_L4PROTO] = "l4proto",
    [NG_FIELD_NFPROTO] = "nfproto",
    [NG_FIELD_ETHERTYPE] = "ethertype",
    [NG_FIELD_IIF] = "iif",
    [NG_FIELD_OIF] = "oif",
    [NG_FIELD_IIFNAME] = "iifname",
    [NG_FIELD_OIFNAME] = "oifname",
    [NG_FIELD_IIFTYPE] = "iiftype",
    [NG_FIELD_OIFTYPE] = "oiftype",
    [NG_FIELD_IIFKIND] = "iifkind",
    [NG_FIELD_OIFKIND] = "oifkind",
    [NG_FIELD_MARK] = "mark",
    [NG_FIELD_PKTTYPE] = "pkttype",
    [NG_FIELD_FRAGMENT] = "fragment",
    [NG_FIELD_EXTHDR] = "exthdr",
    [NG_FIELD_EXTHDR_PRESENT] = "exthdr-present",
    [NG_FIELD_TCP_FLAGS] = "tcp-flags",
    [NG_FIELD_ICMP_TYPE] = "icmp-type",
    [NG_FIELD_ICMP_CODE] = "icmp-code",
    [NG_FIELD_CT_STATE] = "ct-state",
    [NG_FIELD_CT_STATUS] = "ct-status",
    [NG_FIELD_CT_DIRECTION] = "ct-direction",
    [NG_FIELD_CT_MARK] = "ct-mark",
    [NG_FIELD_CT_SADDR] = "ct-saddr",
    [NG_FIELD_CT_DADDR] = "ct-daddr",
    [NG_FIELD_CT_SPORT] = "ct-sport",
    [NG_FIELD_CT_DPORT] = "ct-dport",
    [NG_FIELD_CT_L4PROTO] = "ct-l4proto",
    [NG_FIELD_CT_REPLY_SADDR] = "ct-reply-saddr",
    [NG_FIELD_CT_REPLY_DADDR] = "ct-reply-daddr",
    [NG_FIELD_CT_REPLY_SPORT] = "ct-reply-sport",
    [NG_FIELD_CT_REPLY_DPORT] = "ct-reply-dport",
    [NG_FIELD_CT_EXPIRATION] = "ct-expiration",
    [NG_FIELD_CT_LABEL] = "ct-label",
    [NG_FIELD_CT_ZONE] = "ct-zone",
    [NG_FIELD_ETHER_SADDR] = "ether-saddr",
    [NG_FIELD_ETHER_DADDR] = "ether-daddr",
    [NG_FIELD_IIFGROUP] = "iifgroup",
    [NG_FIELD_OIFGROUP] = "oifgroup",
    [NG_FIELD_FIB_TYPE] = "fib-type",
    [NG_FIELD_FIB_OIF] = "fib-oif",
    [NG_FIELD_FIB_OIFNAME] = "fib-oifname",
    [NG_FIELD_FIB_PRESENT] = "fib-present",
    [NG_FIELD_SECPATH] = "secpath",
};

static inline void put_number(FILE *out, ng_u128 number) {
    unsigned long long high = (unsigned long long)(number >> 64);
    unsigned long long low = (unsigned long long)number;
    if (high)
        fprintf(out, "%llx%016llx", high, low);
    else
        fprintf(out, "%llx", low);
}

static inline void put_interval(FILE *out, struct ng_interval interval) {
    if (interval.lo == 0 && interval.hi == ~(ng_u128)0) {
        fputs("any", out);
        return;
    }
    put_number(out, interval.lo);
    if (interval.lo != interval.hi) {
        fputc('-', out);
        put_number(out, interval.hi);
    }
}

static inline void put_operand(FILE *out, const struct ng_operand *operand) {
    if (operand->field == NG_FIELD_OTHER || operand->field == NG_FIELD_EXTHDR ||
        operand->field == NG_FIELD_EXTHDR_PRESENT)
        fprintf(out, "'%s'", operand->name);
    if (operand->field != NG_FIELD_OTHER)
        fputs(field_names[operand->field], out);
    if (operand->family)
        fprintf(out, "/%u", operand->family);
    if (operand->fib)
        fprintf(out, "/fib%x", operand->fib);
    if (operand->mask != ~(ng_u128)0) {
        fputc('&', out);
        put_number(out, operand->mask);
    }
    if (operand->flip) {
        fputc('^', out);
        put_number(out, operand->flip);
    }
}

static inline void put_nat(FILE *out, const struct ng_nat *nat) {
    char text[NG_ADDR_TEXT];
    if (nat->has_addr)
        fprintf(out, " %s", ng_addr_text(nat->addr_lo, text));
    if (nat->has_addr && !ng_addr_equal(nat->addr_lo, nat->addr_hi))
        fprintf(out, "-%s", ng_addr_text(nat->addr_hi, text));
    if (nat->has_port)
        fprintf(out, " :%u", nat->port_lo);
    if (nat->has_port && nat->port_lo != nat->port_hi)
        fprintf(out, "-%u", nat->port_hi);
    if (nat->netmap)
        fputs(" netmap", out);
}

static inline void put_verdict(FILE *out, const struct ng_ruleset *ruleset,
                               const struct ng_verdict *verdict) {
    static const char *const names[] = {"continue", "accept", "drop",   "return",
                                        "jump",     "goto",   "unknown"};
    fputs(names[verdict->kind], out);
    if (verdict->kind == NG_VERDICT_JUMP || verdict->kind == NG_VERDICT_GOTO)
        fprintf(out, " %s", ruleset->chains[verdict->chain].name);
    if (verdict->text)
        fprintf(out, " '%s'", verdict->text);
}

/* What an element of a map stands for, as the operation wants it. */
enum wanted { NOTHING, VERDICT, NAT, VALUE };

static inline void put_boxes(FILE *out, const struct ng_ruleset *ruleset,
                             const struct ng_match *match, enum wanted wanted) {
    for (size_t i = 0; i < match->n_boxes; i++) {
        const struct ng_box *box = &match->boxes[i];
        fprintf(out, " %s(", box->expires ? "?" : "");
        for (size_t k = 0; k < match->n_operands; k++) {
            fputs(k ? " . " : "", out);
            put_interval(out, box->sides[k]);
        }
        if (wanted != NOTHING)
            fputs(wanted == NAT ? " :" : " : ", out);
        if (wanted == VERDICT)
            put_verdict(out, ruleset, &box->verdict);
        else if (wanted == NAT)
            put_nat(out, &box->nat);
        else if (wanted == VALUE)
            put_number(out, box->value);
        fputc(')', out);
    }
}

static inline void put_match(FILE *out, const struct ng_ruleset *ruleset,
                             const struct ng_match *match, enum wanted wanted) {
    for (size_t i = 0; i < match->n_operands; i++) {
        fputs(i ? " . " : " ", out);
        put_operand(out, &match->operands[i]);
    }
    fprintf(out, "%s%s%s%s", match->negate ? " not" : "", match->dynamic ? " dynamic" : "",
            match->set_name ? " @" : "", match->set_name ? match->set_name : "");
    if (match->boxes) {
        put_boxes(out, ruleset, match, wanted);
        return;
    }
    for (size_t i = 0; i < match->values.count; i++) {
        fputc(' ', out);
        put_interval(out, match->values.intervals[i]);
    }
    for (size_t i = 0; i < match->expiring.count; i++) {
        fputs(" ?", out);
        put_interval(out, match->expiring.intervals[i]);
    }
}

static inline void put_assign(FILE *out, const struct ng_ruleset *ruleset,
                              const struct ng_assign *assign) {
    fprintf(out, " %s =", field_names[assign->target]);
    if (assign->map) {
        put_match(out, ruleset, assign->map, VALUE);
        return;
    }
    for (size_t i = 0; i < assign->n_terms; i++) {
        fputs(i ? " ^ " : " ", out);
        put_operand(out, &assign->terms[i]);
    }
    if (assign->unknown)
        fputs(" unknown", out);
    else if (assign->constant || !assign->n_terms) {
        fputc(' ', out);
        put_number(out, assign->constant);
    }
}

static inline void put_op(FILE *out, const struct ng_ruleset *ruleset, const struct ng_op *op) {
    static const char *const kinds[] = {"match",  "undecided", "vmap",    "verdict",
                                        "dnat",   "redirect",  "snat",    "assign",
                                        "tproxy", "notrack",   "nothing", "unknown"};
    fprintf(out, "        %s%s", op->undecoded ? "UNDECODED " : "", kinds[op->kind]);
    if (op->kind == NG_OP_MATCH)
        put_match(out, ruleset, op->match, NOTHING);
    else if (op->kind == NG_OP_VMAP)
        put_match(out, ruleset, op->match, VERDICT);
    else if ((op->kind == NG_OP_DNAT || op->kind == NG_OP_REDIRECT) && op->match)
        put_match(out, ruleset, op->match, NAT);
    else if (op->kind == NG_OP_DNAT || op->kind == NG_OP_REDIRECT)
        put_nat(out, op->nat);
    else if (op->kind == NG_OP_ASSIGN)
        put_assign(out, ruleset, op->assign);
    else if (op->kind == NG_OP_TPROXY)
        put_nat(out, &op->tproxy->to);
    if (op->kind == NG_OP_VERDICT) {
        fputc(' ', out);
        put_verdict(out, ruleset, &op->verdict);
    }
    if (op->text)
        fprintf(out, " '%s'", op->text);
    fputc('\n', out);
}

static inline void put_rule(FILE *out, const struct ng_ruleset *ruleset,
                            const struct ng_rule *rule) {
    fprintf(out, "    %llu%s%s%s%s\n", (unsigned long long)rule->handle,
            rule->tracks ? " tracks" : "", rule->comment ? " \"" : "",
            rule->comment ? rule->comment : "", rule->comment ? "\"" : "");
    for (size_t i = 0; i < rule->n_ops; i++)
        put_op(out, ruleset, &rule->ops[i]);
}

static inline char *in_words(const struct ng_ruleset *ruleset) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    for (size_t i = 0; i < ruleset->n_chains; i++) {
        const struct ng_chain *chain = &ruleset->chains[i];
        const struct ng_table *table = &ruleset->tables[chain->table];
        fprintf(out, "%s %s %s %llu\n", ng_table_family_text(table->family), table->name,
                chain->name, (unsigned long long)chain->handle);
        for (size_t k = 0; k < chain->n_rules; k++)
            put_rule(out, ruleset, &ruleset->rules[chain->first_rule + k]);
    }
    fclose(out);
    return text;
}

#endif
