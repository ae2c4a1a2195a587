/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/xt_parts.h"

#include <errno.h>
#include <linux/netfilter/xt_CLASSIFY.h>
#include <linux/netfilter/xt_CONNMARK.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_DSCP.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_MARK.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netfilter/xt_SYNPROXY.h>
#include <linux/netfilter/xt_TCPMSS.h>
#include <linux/netfilter/xt_TEE.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv4/ipt_TTL.h>
#include <linux/netfilter_ipv6/ip6t_REJECT.h>

/* -- verdicts ------------------------------------------------------------------------ */

static int verdict(const struct xt *xt, enum ng_verdict_kind kind, const char *text) {
    return ng_op_add(
        xt->list, (struct ng_op){.kind = NG_OP_VERDICT, .verdict = {.kind = kind, .text = text}});
}

/* Whatever it answers, the packet is gone. */
static int reject(const struct xt *xt) {
    static const char *const texts[] = {
        [IPT_ICMP_NET_UNREACHABLE] = "reject with icmp net-unreachable",
        [IPT_ICMP_HOST_UNREACHABLE] = "reject with icmp host-unreachable",
        [IPT_ICMP_PROT_UNREACHABLE] = "reject with icmp prot-unreachable",
        [IPT_ICMP_PORT_UNREACHABLE] = "reject",
        [IPT_ICMP_NET_PROHIBITED] = "reject with icmp net-prohibited",
        [IPT_ICMP_HOST_PROHIBITED] = "reject with icmp host-prohibited",
        [IPT_TCP_RESET] = "reject with tcp reset",
        [IPT_ICMP_ADMIN_PROHIBITED] = "reject with icmp admin-prohibited",
    };
    const struct ipt_reject_info *target = xt->info;
    const char *text = target->with < ARRAY_SIZE(texts) ? texts[target->with] : NULL;
    return verdict(xt, NG_VERDICT_DROP, text ? text : "reject");
}

static int reject6(const struct xt *xt) {
    static const char *const texts[] = {
        [IP6T_ICMP6_NO_ROUTE] = "reject with icmpv6 no-route",
        [IP6T_ICMP6_ADM_PROHIBITED] = "reject with icmpv6 admin-prohibited",
        [IP6T_ICMP6_ADDR_UNREACH] = "reject with icmpv6 addr-unreachable",
        [IP6T_ICMP6_PORT_UNREACH] = "reject",
        [IP6T_TCP_RESET] = "reject with tcp reset",
        [IP6T_ICMP6_POLICY_FAIL] = "reject with icmpv6 policy-fail",
        [IP6T_ICMP6_REJECT_ROUTE] = "reject with icmpv6 reject-route",
    };
    const struct ip6t_reject_info *target = xt->info;
    const char *text = target->with < ARRAY_SIZE(texts) ? texts[target->with] : NULL;
    return verdict(xt, NG_VERDICT_DROP, text ? text : "reject");
}

/* A program decides; without one the packet is dropped, or goes on with "bypass". */
static int queue(const struct xt *xt, uint32_t first, uint32_t total, bool bypass, bool fanout) {
    const char *flags = bypass && fanout ? " flags bypass,fanout"
                        : bypass         ? " flags bypass"
                        : fanout         ? " flags fanout"
                                         : "";
    const char *text = total > 1 ? ng_arena_printf(xt->list->arena, "queue%s to %u-%u", flags,
                                                   first, first + total - 1)
                                 : ng_arena_printf(xt->list->arena, "queue%s to %u", flags, first);
    return text ? verdict(xt, NG_VERDICT_UNKNOWN, text) : -ENOMEM;
}

static int nfqueue_0(const struct xt *xt) {
    const struct xt_NFQ_info *target = xt->info;
    return queue(xt, target->queuenum, 1, false, false);
}

static int nfqueue_1(const struct xt *xt) {
    const struct xt_NFQ_info_v1 *target = xt->info;
    return queue(xt, target->queuenum, target->queues_total, false, false);
}

static int nfqueue_2(const struct xt *xt) {
    const struct xt_NFQ_info_v2 *target = xt->info;
    return queue(xt, target->queuenum, target->queues_total, target->bypass, false);
}

static int nfqueue_3(const struct xt *xt) {
    const struct xt_NFQ_info_v3 *target = xt->info;
    return queue(xt, target->queuenum, target->queues_total, target->flags & NFQ_FLAG_BYPASS,
                 target->flags & NFQ_FLAG_CPU_FANOUT);
}

/* It answers in the place of the server, and lets through what has answered back. */
static int synproxy(const struct xt *xt) {
    const struct xt_synproxy_info *target = xt->info;
    return ng_op_add_text(xt->list, NG_OP_UNKNOWN, "synproxy mss %u wscale %u", target->mss,
                          target->wscale);
}

/* -- logs ---------------------------------------------------------------------------- */

static int log_(const struct xt *xt) {
    static const char *const levels[] = {"emerg", "alert",  "crit", "err",
                                         "warn",  "notice", "info", "debug"};
    const struct xt_log_info *target = xt->info;
    struct xt_text text = {.len = 0};
    xt_put(&text, "log");
    if (target->prefix[0])
        xt_put(&text, " prefix \"%.*s\"", XT_CHARS(target->prefix));
    if (target->level < ARRAY_SIZE(levels) && target->level != 4)
        xt_put(&text, " level %s", levels[target->level]);
    return xt_add_words(xt->list, NG_OP_NOTHING, &text);
}

static int nflog(const struct xt *xt) {
    const struct xt_nflog_info *target = xt->info;
    struct xt_text text = {.len = 0};
    xt_put(&text, "log");
    if (target->prefix[0])
        xt_put(&text, " prefix \"%.*s\"", XT_CHARS(target->prefix));
    xt_put(&text, " group %u", target->group);
    return xt_add_words(xt->list, NG_OP_NOTHING, &text);
}

/* -- marks --------------------------------------------------------------------------- */

static int assign(const struct xt *xt, enum ng_field target, enum ng_field a, uint32_t a_mask,
                  enum ng_field b, uint32_t b_mask, uint32_t constant) {
    struct ng_operand terms[NG_ASSIGN_TERMS];
    size_t n = 0;
    if (a_mask)
        terms[n++] = xt_masked(a, a_mask);
    if (b_mask)
        terms[n++] = xt_masked(b, b_mask);
    return ng_op_add_assign(
        xt->list,
        (struct ng_assign){.target = target, .terms = terms, .n_terms = n, .constant = constant});
}

static int any_value(const struct xt *xt, enum ng_field target) {
    return ng_op_add_assign(xt->list, (struct ng_assign){.target = target, .unknown = true});
}

static int mark(const struct xt *xt) {
    const struct xt_mark_tginfo2 *target = xt->info;
    return assign(xt, NG_FIELD_MARK, NG_FIELD_MARK, ~target->mask, NG_FIELD_MARK, 0, target->mark);
}

/* Without a connection none of this does anything; then it is the end of the rule, too. */
static int connmark_of(const struct xt *xt, unsigned mode, uint32_t ct_mark, uint32_t ct_mask,
                       uint32_t nf_mask) {
    switch (mode) {
    case XT_CONNMARK_SET:
        return assign(xt, NG_FIELD_CT_MARK, NG_FIELD_CT_MARK, ~ct_mask, NG_FIELD_MARK, 0, ct_mark);
    case XT_CONNMARK_SAVE:
        return assign(xt, NG_FIELD_CT_MARK, NG_FIELD_CT_MARK, ~ct_mask, NG_FIELD_MARK, nf_mask, 0);
    case XT_CONNMARK_RESTORE:
        return assign(xt, NG_FIELD_MARK, NG_FIELD_MARK, ~nf_mask, NG_FIELD_CT_MARK, ct_mask, 0);
    default: /* the kernel does nothing */
        return ng_op_add_text(xt->list, NG_OP_NOTHING, NULL);
    }
}

static int connmark_1(const struct xt *xt) {
    const struct xt_connmark_tginfo1 *target = xt->info;
    return connmark_of(xt, target->mode, target->ctmark, target->ctmask, target->nfmask);
}

static int connmark_2(const struct xt *xt) {
    const struct xt_connmark_tginfo2 *target = xt->info;
    if (target->shift_bits)
        return any_value(xt,
                         target->mode == XT_CONNMARK_RESTORE ? NG_FIELD_MARK : NG_FIELD_CT_MARK);
    return connmark_of(xt, target->mode, target->ctmark, target->ctmask, target->nfmask);
}

/* To a hash. */
static int hmark(const struct xt *xt) {
    return any_value(xt, NG_FIELD_MARK);
}

/* -- conntrack ----------------------------------------------------------------------- */

static int notrack(const struct xt *xt) {
    return ng_op_add(xt->list, (struct ng_op){.kind = NG_OP_NOTRACK});
}

/* Revision 1 has a timeout policy's name behind what revision 0 has. */
static int ct_of(const struct xt *xt, const char *timeout, int timeout_len) {
    const struct xt_ct_target_info *target = xt->info;
    struct xt_text text = {.len = 0};
    if (target->flags & XT_CT_NOTRACK)
        return notrack(xt);
    xt->list->tracks = true;
    xt->list->sets_zone = xt->list->sets_zone || target->zone || target->flags & XT_CT_ZONE_MARK;
    xt_put(&text, "CT");
    if (target->helper[0])
        xt_put(&text, " --helper %.*s", XT_CHARS(target->helper));
    if (timeout_len)
        xt_put(&text, " --timeout %.*s", timeout_len, timeout);
    if (target->flags & XT_CT_ZONE_MARK)
        xt_put(&text, " --zone mark");
    else if (target->zone)
        xt_put(&text, " --zone %u", target->zone);
    return xt_add_words(xt->list, NG_OP_NOTHING, &text);
}

static int ct_0(const struct xt *xt) {
    return ct_of(xt, NULL, 0);
}

static int ct_1(const struct xt *xt) {
    const struct xt_ct_target_info_v1 *target = xt->info;
    return ct_of(xt, target->timeout, (int)strnlen(target->timeout, sizeof(target->timeout)));
}

/* -- ipsets -------------------------------------------------------------------------- */

static int set_of(const struct xt *xt, uint16_t add, uint16_t remove) {
    int r = ng_op_add_text(xt->list, NG_OP_NOTHING, "SET%s%s",
                           add != IPSET_INVALID_ID ? " --add-set" : "",
                           remove != IPSET_INVALID_ID ? " --del-set" : "");
    if (r == 0)
        r = ng_decode_ipset_change(xt->list, add, false);
    return r < 0 ? r : ng_decode_ipset_change(xt->list, remove, true);
}

static int set_0(const struct xt *xt) {
    const struct xt_set_info_target_v0 *target = xt->info;
    return set_of(xt, target->add_set.index, target->del_set.index);
}

/* Revision 2 appends a timeout. */
static int set_1(const struct xt *xt) {
    const struct xt_set_info_target_v1 *target = xt->info;
    return set_of(xt, target->add_set.index, target->del_set.index);
}

/* An ipset may carry marks to give to packets. */
static int set_3(const struct xt *xt) {
    const struct xt_set_info_target_v3 *target = xt->info;
    int r = set_of(xt, target->add_set.index, target->del_set.index);
    bool marks =
        target->map_set.index != IPSET_INVALID_ID && target->flags & IPSET_FLAG_MAP_SKBMARK;
    return r < 0 || !marks ? r : any_value(xt, NG_FIELD_MARK);
}

/* -- headers ------------------------------------------------------------------------- */

/* struct ipt_TTL_info and struct ip6t_HL_info are alike. A router drops what would live no
 * longer. */
static int hops(const struct xt *xt, const char *field) {
    static const char *const modes[] = {"set", "inc", "dec"};
    const struct ipt_TTL_info *target = xt->info;
    bool ends = target->mode == IPT_TTL_SET && target->ttl <= 1;
    return ng_op_add_text(xt->list, ends ? NG_OP_UNKNOWN : NG_OP_NOTHING, "%s %s %u", field,
                          target->mode < ARRAY_SIZE(modes) ? modes[target->mode] : "?",
                          target->ttl);
}

static int ttl(const struct xt *xt) {
    return hops(xt, "ip ttl");
}

static int hl(const struct xt *xt) {
    return hops(xt, "ip6 hoplimit");
}

static int dscp(const struct xt *xt) {
    const struct xt_DSCP_info *target = xt->info;
    return ng_op_add_text(xt->list, NG_OP_NOTHING, "%s dscp set 0x%02x",
                          xt->family == NFPROTO_IPV6 ? "ip6" : "ip", target->dscp);
}

static int tos(const struct xt *xt) {
    const struct xt_tos_target_info *target = xt->info;
    return ng_op_add_text(xt->list, NG_OP_NOTHING, "TOS --set-tos 0x%02x/0x%02x", target->tos_value,
                          target->tos_mask);
}

static int tcpmss(const struct xt *xt) {
    const struct xt_tcpmss_info *target = xt->info;
    return target->mss == XT_TCPMSS_CLAMP_PMTU
               ? ng_op_add_text(xt->list, NG_OP_NOTHING, "tcp option maxseg size set rt mtu")
               : ng_op_add_text(xt->list, NG_OP_NOTHING, "tcp option maxseg size set %u",
                                target->mss);
}

static int classify(const struct xt *xt) {
    const struct xt_classify_target_info *target = xt->info;
    return ng_op_add_text(xt->list, NG_OP_NOTHING, "meta priority set %x:%x",
                          target->priority >> 16, target->priority & 0xffff);
}

static int tee(const struct xt *xt) {
    const struct xt_tee_tginfo *target = xt->info;
    char buffer[NG_ADDR_TEXT];
    return ng_op_add_text(xt->list, NG_OP_NOTHING, "dup to %s",
                          ng_addr_text(ng_addr_from_wire(&target->gw, xt_addr_len(xt)), buffer));
}

static int trace(const struct xt *xt) {
    return ng_op_add_text(xt->list, NG_OP_NOTHING, "meta nftrace set 1");
}

/* Prefixes are translated without a connection, in a way that keeps checksums (RFC 6296). */
static int dnpt(const struct xt *xt) {
    return any_value(xt, NG_FIELD_DADDR);
}

static int snpt(const struct xt *xt) {
    return any_value(xt, NG_FIELD_SADDR);
}

/* -- the rest ------------------------------------------------------------------------ */

/* Change, count or mark something that no rule asks about, and let the packet go its way; their
 * names say it all. */
#define HARMLESS(function, word)                                                                   \
    static int function(const struct xt *xt) {                                                     \
        return ng_op_add_text(xt->list, NG_OP_NOTHING, word);                                      \
    }

HARMLESS(audit, "log level audit")
HARMLESS(checksum, "CHECKSUM --checksum-fill")
HARMLESS(connsecmark, "CONNSECMARK")
HARMLESS(ecn, "ECN --ecn-tcp-remove")
HARMLESS(idletimer, "IDLETIMER")
HARMLESS(led, "LED")
HARMLESS(rateest, "RATEEST")
HARMLESS(secmark, "SECMARK")
HARMLESS(tcpoptstrip, "TCPOPTSTRIP")
HARMLESS(ulog, "ULOG")

/* Each node of a cluster takes the packets of some sources and drops those of the others. */
static int clusterip(const struct xt *xt) {
    return ng_op_add_text(xt->list, NG_OP_UNKNOWN, "CLUSTERIP");
}

const struct xt_extension ng_xt_plain_targets[] = {
    {"LOG", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_log_info), log_},
    {"REJECT", 0, NFPROTO_IPV4, false, sizeof(struct ipt_reject_info), reject},
    {"REJECT", 0, NFPROTO_IPV6, false, sizeof(struct ip6t_reject_info), reject6},
    {"MARK", 2, NFPROTO_UNSPEC, false, sizeof(struct xt_mark_tginfo2), mark},
    {"CONNMARK", 2, NFPROTO_UNSPEC, true, sizeof(struct xt_connmark_tginfo2), connmark_2},
    {"CONNMARK", 1, NFPROTO_UNSPEC, true, sizeof(struct xt_connmark_tginfo1), connmark_1},
    {"NFLOG", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_nflog_info), nflog},
    {"SET", 3, NFPROTO_UNSPEC, false, sizeof(struct xt_set_info_target_v3), set_3},
    {"TCPMSS", 0, NFPROTO_INET, false, sizeof(struct xt_tcpmss_info), tcpmss},
    {"CT", 2, NFPROTO_UNSPEC, false, sizeof(struct xt_ct_target_info_v1), ct_1},
    {"CT", 1, NFPROTO_UNSPEC, false, sizeof(struct xt_ct_target_info_v1), ct_1},
    {"CT", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_ct_target_info), ct_0},
    {"NOTRACK", 0, NFPROTO_UNSPEC, false, XT_ANY_LEN, notrack},
    {"NFQUEUE", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_NFQ_info), nfqueue_0},
    {"NFQUEUE", 1, NFPROTO_UNSPEC, false, sizeof(struct xt_NFQ_info_v1), nfqueue_1},
    {"NFQUEUE", 2, NFPROTO_UNSPEC, false, sizeof(struct xt_NFQ_info_v2), nfqueue_2},
    {"NFQUEUE", 3, NFPROTO_UNSPEC, false, sizeof(struct xt_NFQ_info_v3), nfqueue_3},
    {"SET", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_set_info_target_v0), set_0},
    {"SET", 1, NFPROTO_UNSPEC, false, sizeof(struct xt_set_info_target_v1), set_1},
    {"SET", 2, NFPROTO_UNSPEC, false, sizeof(struct xt_set_info_target_v2), set_1},
    {"SYNPROXY", 0, NFPROTO_INET, true, sizeof(struct xt_synproxy_info), synproxy},
    {"HMARK", 0, NFPROTO_INET, false, XT_ANY_LEN, hmark},
    {"TTL", 0, NFPROTO_IPV4, false, sizeof(struct ipt_TTL_info), ttl},
    {"HL", 0, NFPROTO_IPV6, false, sizeof(struct ipt_TTL_info), hl},
    {"DSCP", 0, NFPROTO_INET, false, sizeof(struct xt_DSCP_info), dscp},
    {"TOS", 1, NFPROTO_INET, false, sizeof(struct xt_tos_target_info), tos},
    {"CLASSIFY", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_classify_target_info), classify},
    {"TEE", 1, NFPROTO_INET, false, sizeof(struct xt_tee_tginfo), tee},
    {"TRACE", 0, NFPROTO_UNSPEC, false, XT_ANY_LEN, trace},
    {"DNPT", 0, NFPROTO_IPV6, false, XT_ANY_LEN, dnpt},
    {"SNPT", 0, NFPROTO_IPV6, false, XT_ANY_LEN, snpt},
    {"AUDIT", 0, NFPROTO_UNSPEC, false, XT_ANY_LEN, audit},
    {"CHECKSUM", 0, NFPROTO_UNSPEC, false, XT_ANY_LEN, checksum},
    {"CONNSECMARK", 0, NFPROTO_UNSPEC, true, XT_ANY_LEN, connsecmark},
    {"ECN", 0, NFPROTO_IPV4, false, XT_ANY_LEN, ecn},
    {"IDLETIMER", 0, NFPROTO_UNSPEC, false, XT_ANY_LEN, idletimer},
    {"IDLETIMER", 1, NFPROTO_UNSPEC, false, XT_ANY_LEN, idletimer},
    {"LED", 0, NFPROTO_UNSPEC, false, XT_ANY_LEN, led},
    {"RATEEST", 0, NFPROTO_UNSPEC, false, XT_ANY_LEN, rateest},
    {"SECMARK", 0, NFPROTO_UNSPEC, false, XT_ANY_LEN, secmark},
    {"SECMARK", 1, NFPROTO_UNSPEC, false, XT_ANY_LEN, secmark},
    {"TCPOPTSTRIP", 0, NFPROTO_INET, false, XT_ANY_LEN, tcpoptstrip},
    {"ULOG", 0, NFPROTO_IPV4, false, XT_ANY_LEN, ulog},
    {"CLUSTERIP", 0, NFPROTO_IPV4, true, XT_ANY_LEN, clusterip},
    {.name = NULL},
};
