/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/xt_parts.h"

#include <linux/if_ether.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter_bridge/ebt_ip.h>
#include <linux/netfilter_bridge/ebt_ip6.h>
#include <linux/netfilter_bridge/ebt_limit.h>
#include <linux/netfilter_bridge/ebt_mark_m.h>
#include <linux/netfilter_bridge/ebt_mark_t.h>
#include <linux/netfilter_bridge/ebt_nat.h>
#include <linux/netfilter_bridge/ebt_pkttype.h>
#include <linux/netfilter_bridge/ebtables.h>

/* ebtables' extensions, in bridge tables. */

/* -- matches ------------------------------------------------------------------------- */

/* struct ebt_ip_info and struct ebt_ip6_info ask the same in the same bits. */
struct header {
    const struct xt *xt;
    uint8_t bits, inverted; /* EBT_IP_… */
};

static int test(const struct header *header, uint8_t bit, struct ng_operand operand, ng_u128 lo,
                ng_u128 hi) {
    return header->bits & bit
               ? ng_op_add_interval(header->xt->list, operand, lo, hi, header->inverted & bit)
               : 0;
}

/* (address & mask) == what is asked for, whatever lies outside the mask */
static int test_addr(const struct header *header, uint8_t bit, enum ng_field which,
                     const void *addr, const void *mask, size_t len_bytes) {
    struct ng_operand operand = xt_masked(which, ng_wire_number(mask, len_bytes, false));
    operand.family = len_bytes == 4 ? NG_IP4 : NG_IP6;
    ng_u128 value = ng_wire_number(addr, len_bytes, false);
    return test(header, bit, operand, value, value);
}

static int test_transport(const struct header *header, uint8_t protocol,
                          const uint16_t sport[static 2], const uint16_t dport[static 2]) {
    int r = test(header, EBT_IP_PROTO, xt_field(NG_FIELD_L4PROTO), protocol, protocol);
    if (r == 0)
        r = test(header, EBT_IP_SPORT, xt_field(NG_FIELD_SPORT), sport[0], sport[1]);
    return r < 0 ? r : test(header, EBT_IP_DPORT, xt_field(NG_FIELD_DPORT), dport[0], dport[1]);
}

/* What a question leaves open: the service class, ICMP's types (they stand where ports do). */
static int test_rest(const struct header *header, const char *name) {
    uint8_t rest = EBT_IP_TOS | EBT_IP_ICMP | EBT_IP_IGMP;
    return header->bits & rest
               ? ng_op_add_text(header->xt->list, NG_OP_UNDECIDED, "ebtables %s with%s%s", name,
                                header->bits & EBT_IP_TOS ? " class" : "",
                                header->bits & (EBT_IP_ICMP | EBT_IP_IGMP) ? " type" : "")
               : 0;
}

static int ip(const struct xt *xt) {
    const struct ebt_ip_info *match = xt->info;
    const struct header header = {xt, match->bitmask, match->invflags};
    int r = test_addr(&header, EBT_IP_SOURCE, NG_FIELD_SADDR, &match->saddr, &match->smsk, 4);
    if (r == 0)
        r = test_addr(&header, EBT_IP_DEST, NG_FIELD_DADDR, &match->daddr, &match->dmsk, 4);
    if (r == 0)
        r = test_transport(&header, match->protocol, match->sport, match->dport);
    return r < 0 ? r : test_rest(&header, "ip");
}

static int ip6(const struct xt *xt) {
    const struct ebt_ip6_info *match = xt->info;
    const struct header header = {xt, match->bitmask, match->invflags};
    int r = test_addr(&header, EBT_IP_SOURCE, NG_FIELD_SADDR, &match->saddr, &match->smsk, 16);
    if (r == 0)
        r = test_addr(&header, EBT_IP_DEST, NG_FIELD_DADDR, &match->daddr, &match->dmsk, 16);
    if (r == 0)
        r = test_transport(&header, match->protocol, match->sport, match->dport);
    return r < 0 ? r : test_rest(&header, "ip6");
}

static int mark_m(const struct xt *xt) {
    const struct ebt_mark_m_info *match = xt->info;
    const struct ng_operand operand = xt_masked(NG_FIELD_MARK, match->mask);
    return match->bitmask & EBT_MARK_OR
               ? ng_op_add_interval(xt->list, operand, 1, XT_WHOLE, match->invert)
               : ng_op_add_interval(xt->list, operand, match->mark, match->mark, match->invert);
}

static int pkttype(const struct xt *xt) {
    const struct ebt_pkttype_info *match = xt->info;
    return ng_op_add_interval(xt->list, xt_field(NG_FIELD_PKTTYPE), match->pkt_type,
                              match->pkt_type, match->invert);
}

#define BY_NATURE(function, word)                                                                  \
    static int function(const struct xt *xt) {                                                     \
        return ng_op_add_text(xt->list, NG_OP_UNDECIDED, word);                                    \
    }

BY_NATURE(limit, "ebtables limit")
BY_NATURE(among, "ebtables among")
BY_NATURE(vlan, "ebtables vlan")
BY_NATURE(stp, "ebtables stp")
BY_NATURE(arp, "ebtables arp")
BY_NATURE(ieee, "ebtables 802_3")

const struct xt_extension ng_xt_bridge_matches[] = {
    {"ip", 0, NFPROTO_BRIDGE, false, sizeof(struct ebt_ip_info), ip},
    {"ip6", 0, NFPROTO_BRIDGE, false, sizeof(struct ebt_ip6_info), ip6},
    {"mark_m", 0, NFPROTO_BRIDGE, false, sizeof(struct ebt_mark_m_info), mark_m},
    {"pkttype", 0, NFPROTO_BRIDGE, false, sizeof(struct ebt_pkttype_info), pkttype},
    {"limit", 0, NFPROTO_BRIDGE, false, sizeof(struct ebt_limit_info), limit},
    {"among", 0, NFPROTO_BRIDGE, false, XT_ANY_LEN, among},
    {"vlan", 0, NFPROTO_BRIDGE, false, XT_ANY_LEN, vlan},
    {"stp", 0, NFPROTO_BRIDGE, false, XT_ANY_LEN, stp},
    {"arp", 0, NFPROTO_BRIDGE, false, XT_ANY_LEN, arp},
    {"802_3", 0, NFPROTO_BRIDGE, false, XT_ANY_LEN, ieee},
    {.name = NULL},
};

/* -- targets ------------------------------------------------------------------------- */

/* What each target ends in (EBT_ACCEPT, …), in the low bits. */
static int end(const struct xt *xt, int target) {
    static const enum ng_verdict_kind kinds[] = {NG_VERDICT_ACCEPT, NG_VERDICT_DROP,
                                                 NG_VERDICT_CONTINUE, NG_VERDICT_RETURN};
    unsigned number = ~(unsigned)target & EBT_VERDICT_BITS;
    if (number >= ARRAY_SIZE(kinds))
        return ng_op_add_undecoded(xt->list, NG_OP_UNKNOWN, "ebtables verdict %d", target);
    if (kinds[number] == NG_VERDICT_CONTINUE)
        return 0;
    return ng_op_add(xt->list,
                     (struct ng_op){.kind = NG_OP_VERDICT, .verdict = {.kind = kinds[number]}});
}

static int mark(const struct xt *xt) {
    const struct ebt_mark_t_info *target = xt->info;
    const uint32_t value = (uint32_t)target->mark;
    struct ng_operand rest = xt_masked(NG_FIELD_MARK, 0);
    struct ng_assign assign = {.target = NG_FIELD_MARK, .terms = &rest, .constant = value};
    switch ((uint32_t)target->target & ~(uint32_t)EBT_VERDICT_BITS) {
    case MARK_SET_VALUE:
        break;
    case MARK_OR_VALUE:
        rest.mask = (uint32_t)~value;
        break;
    case MARK_AND_VALUE:
        rest.mask = value;
        assign.constant = 0;
        break;
    default: /* exclusive or */
        rest.mask = UINT32_MAX;
        break;
    }
    assign.n_terms = rest.mask ? 1 : 0;
    int r = ng_op_add_assign(xt->list, assign);
    return r < 0 ? r : end(xt, target->target);
}

/* Only the address of the Ethernet header changes. */
static int snat(const struct xt *xt) {
    const struct ebt_nat_info *target = xt->info;
    int r = ng_op_add_text(xt->list, NG_OP_NOTHING, "ebtables snat");
    return r < 0 ? r : end(xt, target->target);
}

/* To another port of the bridge, or up to this host. */
static int dnat(const struct xt *xt) {
    return ng_op_add_text(xt->list, NG_OP_UNKNOWN, "ebtables dnat");
}

static int redirect(const struct xt *xt) {
    return ng_op_add_text(xt->list, NG_OP_UNKNOWN, "ebtables redirect");
}

/* Answers ARP, and leaves everything else alone. */
static int arpreply(const struct xt *xt) {
    return ng_op_add_text(xt->list, NG_OP_UNKNOWN, "ebtables arpreply");
}

static int log_(const struct xt *xt) {
    return ng_op_add_text(xt->list, NG_OP_NOTHING, "log");
}

const struct xt_extension ng_xt_bridge_targets[] = {
    {"mark", 0, NFPROTO_BRIDGE, false, sizeof(struct ebt_mark_t_info), mark},
    {"snat", 0, NFPROTO_BRIDGE, false, sizeof(struct ebt_nat_info), snat},
    {"dnat", 0, NFPROTO_BRIDGE, false, XT_ANY_LEN, dnat},
    {"redirect", 0, NFPROTO_BRIDGE, false, XT_ANY_LEN, redirect},
    {"arpreply", 0, NFPROTO_BRIDGE, false, XT_ANY_LEN, arpreply},
    {"log", 0, NFPROTO_BRIDGE, false, XT_ANY_LEN, log_},
    {"nflog", 0, NFPROTO_BRIDGE, false, XT_ANY_LEN, log_},
    {.name = NULL},
};
