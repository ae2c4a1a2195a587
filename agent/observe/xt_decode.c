/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_parts.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_CONNMARK.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_MARK.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <string.h>

/* iptables' extensions: each carries the kernel's own structure of one revision. A name,
 * revision or size that is not known here is not guessed at: the match is undecided, the
 * target unknown. */

static const ng_u128 whole = ~(ng_u128)0;

static struct ng_operand field(enum ng_field which) {
    return (struct ng_operand){.field = which, .mask = whole};
}

static struct ng_operand masked(enum ng_field which, ng_u128 mask) {
    return (struct ng_operand){.field = which, .mask = mask};
}

/* (value & bits) != 0, or == 0 */
static int any_bit(struct op_list *list, enum ng_field which, ng_u128 bits, bool none) {
    return ng_op_add_interval(list, masked(which, bits), 1, whole, none);
}

static int port_range(struct op_list *list, enum ng_field which, const uint16_t range[static 2],
                      bool negate) {
    /* 0 to 65535 is how "any port" is written. */
    if (range[0] == 0 && range[1] == UINT16_MAX && !negate)
        return 0;
    return ng_op_add_interval(list, field(which), range[0], range[1], negate);
}

/* -- matches ------------------------------------------------------------------------- */

static int type_bits(struct op_list *list, uint16_t types, bool negate, bool this_interface) {
    enum ng_field which = this_interface ? NG_FIELD_FIB_DADDR_IIF_TYPE : NG_FIELD_FIB_DADDR_TYPE;
    struct ng_interval intervals[16];
    size_t n = 0;
    for (unsigned type = 0; type < 16; type++)
        if (types >> type & 1)
            intervals[n++] = (struct ng_interval){type, type};
    struct ng_addrset values;
    int r = ng_addrset_from(list->arena, intervals, n, &values);
    return r < 0 ? r : ng_op_add_match(list, field(which), values, negate);
}

/* IPv6 asks a list of types in another way (match_type6 of the kernel): the address has to be
 * of each of the kinds that it shows by itself, and of one of those that routing tells. So
 * "UNICAST" holds for local addresses too, and "LOCAL,MULTICAST" for none. */
static int type_bits6(struct op_list *list, uint16_t types, bool negate, bool this_interface) {
    static const ng_u128 multicast = (ng_u128)0xff << 120, mapped = (ng_u128)0xffff << 32;
    static const uint16_t routed = XT_ADDRTYPE_LOCAL | XT_ADDRTYPE_ANYCAST;
    if (types & ~(routed | XT_ADDRTYPE_UNICAST | XT_ADDRTYPE_MULTICAST))
        return ng_op_add_text(list, NG_OP_UNDECIDED, "addrtype dst-type");
    if (!(types & (XT_ADDRTYPE_UNICAST | XT_ADDRTYPE_MULTICAST)))
        return type_bits(list, types, negate, this_interface);

    /* Neither ::, an IPv4-mapped address nor a multicast group is unicast. */
    const struct ng_interval addrs[] = {
        {1, mapped - 1}, {mapped + ((ng_u128)1 << 32), multicast - 1}, {multicast, whole}};
    bool unicast = types & XT_ADDRTYPE_UNICAST, group = types & XT_ADDRTYPE_MULTICAST;
    struct ng_match *match = ng_arena_alloc(list->arena, 1, sizeof(*match));
    struct ng_operand *operands = ng_arena_alloc(list->arena, 2, sizeof(*operands));
    struct ng_box *boxes = ng_arena_alloc(list->arena, 4, sizeof(*boxes));
    struct ng_interval *sides = ng_arena_alloc(list->arena, 8, sizeof(*sides));
    if (!match || !operands || !boxes || !sides)
        return -ENOMEM;
    operands[0] = field(NG_FIELD_DADDR);
    operands[0].family = NG_IP6;
    operands[1] = field(this_interface ? NG_FIELD_FIB_DADDR_IIF_TYPE : NG_FIELD_FIB_DADDR_TYPE);
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
        bool is_group = addrs[i].lo == multicast;
        if ((unicast && is_group) || (group && !is_group))
            continue;
        for (unsigned type = 0; type < 16; type++) {
            /* Without a kind that routing tells there is one box, for any. */
            if (types & routed ? !(types & routed & 1U << type) : type > 0)
                continue;
            sides[2 * n] = addrs[i];
            sides[2 * n + 1] =
                types & routed ? (struct ng_interval){type, type} : (struct ng_interval){0, whole};
            boxes[n].sides = &sides[2 * n];
            n++;
        }
    }
    *match = (struct ng_match){
        .operands = operands, .n_operands = 2, .negate = negate, .boxes = boxes, .n_boxes = n};
    return ng_op_add(list, (struct ng_op){.kind = NG_OP_MATCH, .match = match});
}

static int addrtype(struct op_list *list, uint8_t family, const void *info) {
    struct xt_addrtype_info_v1 type;
    memcpy(&type, info, sizeof(type));
    if (type.source) {
        int r = ng_op_add_text(list, NG_OP_UNDECIDED, "addrtype src-type");
        if (r < 0)
            return r;
    }
    bool negate = type.flags & XT_ADDRTYPE_INVERT_DEST;
    bool this_interface = type.flags & XT_ADDRTYPE_LIMIT_IFACE_IN;
    if (!type.dest)
        return 0;
    return (family == NFPROTO_IPV6 ? type_bits6 : type_bits)(list, type.dest, negate,
                                                             this_interface);
}

static int addrtype_0(struct op_list *list, uint8_t family, const void *info) {
    struct xt_addrtype_info old;
    memcpy(&old, info, sizeof(old));
    struct xt_addrtype_info_v1 type = {
        .source = old.source,
        .dest = old.dest,
        .flags = (old.invert_source ? XT_ADDRTYPE_INVERT_SOURCE : 0) |
                 (old.invert_dest ? XT_ADDRTYPE_INVERT_DEST : 0),
    };
    return addrtype(list, family, &type);
}

static int tcp(struct op_list *list, uint8_t family, const void *info) {
    struct xt_tcp match;
    (void)family;
    memcpy(&match, info, sizeof(match));
    int r = port_range(list, NG_FIELD_SPORT, match.spts, match.invflags & XT_TCP_INV_SRCPT);
    if (r == 0)
        r = port_range(list, NG_FIELD_DPORT, match.dpts, match.invflags & XT_TCP_INV_DSTPT);
    if (r == 0 && match.flg_mask)
        r = ng_op_add_interval(list, masked(NG_FIELD_TCP_FLAGS, match.flg_mask), match.flg_cmp,
                               match.flg_cmp, match.invflags & XT_TCP_INV_FLAGS);
    if (r == 0 && match.option)
        r = ng_op_add_text(list, NG_OP_UNDECIDED, "tcp option");
    return r;
}

static int udp(struct op_list *list, uint8_t family, const void *info) {
    struct xt_udp match;
    (void)family;
    memcpy(&match, info, sizeof(match));
    int r = port_range(list, NG_FIELD_SPORT, match.spts, match.invflags & XT_UDP_INV_SRCPT);
    return r < 0 ? r
                 : port_range(list, NG_FIELD_DPORT, match.dpts, match.invflags & XT_UDP_INV_DSTPT);
}

static int sctp(struct op_list *list, uint8_t family, const void *info) {
    struct xt_sctp_info match;
    (void)family;
    memcpy(&match, info, sizeof(match));
    int r = 0;
    if (match.flags & XT_SCTP_SRC_PORTS)
        r = port_range(list, NG_FIELD_SPORT, match.spts, match.invflags & XT_SCTP_SRC_PORTS);
    if (r == 0 && match.flags & XT_SCTP_DEST_PORTS)
        r = port_range(list, NG_FIELD_DPORT, match.dpts, match.invflags & XT_SCTP_DEST_PORTS);
    if (r == 0 && match.flags & XT_SCTP_CHUNK_TYPES)
        r = ng_op_add_text(list, NG_OP_UNDECIDED, "sctp chunk-types");
    return r;
}

/* A test that holds if either of two does. */
static int either(struct op_list *list, struct ng_operand a, struct ng_addrset a_values,
                  struct ng_operand b, struct ng_addrset b_values, bool negate) {
    size_t n = a_values.count + b_values.count;
    struct ng_match *match = ng_arena_alloc(list->arena, 1, sizeof(*match));
    struct ng_operand *operands = ng_arena_alloc(list->arena, 2, sizeof(*operands));
    struct ng_box *boxes = ng_arena_alloc(list->arena, n, sizeof(*boxes));
    struct ng_interval *sides = ng_arena_alloc(list->arena, 2 * n, sizeof(*sides));
    if (!match || !operands || !boxes || !sides)
        return -ENOMEM;
    operands[0] = a;
    operands[1] = b;
    for (size_t i = 0; i < n; i++) {
        bool first = i < a_values.count;
        sides[2 * i] = first ? a_values.intervals[i] : (struct ng_interval){0, whole};
        sides[2 * i + 1] =
            first ? (struct ng_interval){0, whole} : b_values.intervals[i - a_values.count];
        boxes[i].sides = &sides[2 * i];
    }
    *match = (struct ng_match){.operands = operands,
                               .n_operands = 2,
                               .negate = negate,
                               .any_of = true,
                               .boxes = boxes,
                               .n_boxes = n};
    return ng_op_add(list, (struct ng_op){.kind = NG_OP_MATCH, .match = match});
}

static int multiport(struct op_list *list, uint8_t family, const void *info) {
    struct xt_multiport_v1 match;
    (void)family;
    memcpy(&match, info, sizeof(match));
    if (match.count > XT_MULTI_PORTS)
        return -EBADMSG;
    struct ng_interval intervals[XT_MULTI_PORTS];
    size_t n = 0;
    for (unsigned i = 0; i < match.count; i++) {
        intervals[n].lo = intervals[n].hi = match.ports[i];
        /* A flagged port begins a range that the next one ends. */
        if (match.pflags[i] && i + 1U < match.count)
            intervals[n].hi = match.ports[++i];
        n++;
    }
    struct ng_addrset ports;
    int r = ng_addrset_from(list->arena, intervals, n, &ports);
    if (r < 0)
        return r;
    struct ng_operand source = field(NG_FIELD_SPORT), destination = field(NG_FIELD_DPORT);
    if (match.flags == XT_MULTIPORT_SOURCE)
        return ng_op_add_match(list, source, ports, match.invert);
    if (match.flags == XT_MULTIPORT_DESTINATION)
        return ng_op_add_match(list, destination, ports, match.invert);
    return either(list, source, ports, destination, ports, match.invert);
}

static int conntrack_state(struct op_list *list, uint16_t mask, bool negate) {
    /* xt_conntrack.h counts from IP_CT_NUMBER for what is not a state; nf_tables has
     * "untracked" where xt has "snat". "--ctstate ESTABLISHED,DNAT" is an or. */
    uint32_t state = mask & (XT_CONNTRACK_STATE_INVALID | 2 | 4 | 8);
    if (mask & XT_CONNTRACK_STATE_UNTRACKED)
        state |= 64;
    uint32_t status = (mask & XT_CONNTRACK_STATE_SNAT ? IPS_SRC_NAT : 0U) |
                      (mask & XT_CONNTRACK_STATE_DNAT ? IPS_DST_NAT : 0U);
    if (!status)
        return any_bit(list, NG_FIELD_CT_STATE, state, negate);
    struct ng_addrset some;
    int r = ng_addrset_range(list->arena, 1, whole, &some);
    return r < 0 ? r
                 : either(list, masked(NG_FIELD_CT_STATE, state), some,
                          masked(NG_FIELD_CT_STATUS, status), some, negate);
}

static int conntrack_addr(struct op_list *list, uint8_t family, enum ng_field which,
                          const union nf_inet_addr *addr, const union nf_inet_addr *mask,
                          bool negate) {
    size_t len = family == NFPROTO_IPV4 ? 4 : 16;
    struct ng_operand operand = masked(which, ng_wire_number((const uint8_t *)mask, len, false));
    operand.family = len == 4 ? NG_IP4 : NG_IP6;
    ng_u128 value = ng_wire_number((const uint8_t *)addr, len, false);
    return ng_op_add_interval(list, operand, value, value, negate);
}

static bool holds_untracked(const struct xt_conntrack_mtinfo3 *match) {
    uint16_t without = XT_CONNTRACK_STATE_INVALID | XT_CONNTRACK_STATE_UNTRACKED;
    uint16_t listed = match->state_mask & without;
    bool inverted = match->invert_flags & XT_CONNTRACK_STATE;
    return match->match_flags & XT_CONNTRACK_STATE && (inverted ? listed != without : listed != 0);
}

static int conntrack(struct op_list *list, uint8_t family,
                     const struct xt_conntrack_mtinfo3 *match) {
    uint16_t flags = match->match_flags, invert = match->invert_flags;
    int r = 0;
    if (flags & XT_CONNTRACK_STATE)
        r = conntrack_state(list, match->state_mask, invert & XT_CONNTRACK_STATE);
    /* A packet without a connection whose state matches is asked for nothing else. */
    if (r == 0 && flags & ~XT_CONNTRACK_STATE && holds_untracked(match))
        return ng_op_add_text(list, NG_OP_UNDECIDED, "conntrack of an untracked packet");
    if (r == 0 && flags & XT_CONNTRACK_DIRECTION) /* inverted: the original direction */
        r = ng_op_add_interval(list, field(NG_FIELD_CT_DIRECTION), 0, 0,
                               invert & XT_CONNTRACK_DIRECTION);
    if (r == 0 && flags & XT_CONNTRACK_ORIGSRC)
        r = conntrack_addr(list, family, NG_FIELD_CT_SADDR, &match->origsrc_addr,
                           &match->origsrc_mask, invert & XT_CONNTRACK_ORIGSRC);
    if (r == 0 && flags & XT_CONNTRACK_ORIGDST)
        r = conntrack_addr(list, family, NG_FIELD_CT_DADDR, &match->origdst_addr,
                           &match->origdst_mask, invert & XT_CONNTRACK_ORIGDST);
    if (r == 0 && flags & XT_CONNTRACK_PROTO)
        r = ng_op_add_interval(list, field(NG_FIELD_CT_L4PROTO), match->l4proto, match->l4proto,
                               invert & XT_CONNTRACK_PROTO);
    if (r == 0 && flags & XT_CONNTRACK_ORIGSRC_PORT)
        r = ng_op_add_interval(list, field(NG_FIELD_CT_SPORT), match->origsrc_port,
                               match->origsrc_port_high, invert & XT_CONNTRACK_ORIGSRC_PORT);
    if (r == 0 && flags & XT_CONNTRACK_ORIGDST_PORT)
        r = ng_op_add_interval(list, field(NG_FIELD_CT_DPORT), match->origdst_port,
                               match->origdst_port_high, invert & XT_CONNTRACK_ORIGDST_PORT);
    if (r == 0 && flags & XT_CONNTRACK_STATUS)
        r = any_bit(list, NG_FIELD_CT_STATUS, match->status_mask, invert & XT_CONNTRACK_STATUS);
    if (r == 0 && flags & (XT_CONNTRACK_REPLSRC | XT_CONNTRACK_REPLDST | XT_CONNTRACK_EXPIRES |
                           XT_CONNTRACK_REPLSRC_PORT | XT_CONNTRACK_REPLDST_PORT))
        r = ng_op_add_text(list, NG_OP_UNDECIDED, "conntrack reply or expiry");
    return r;
}

static int conntrack_3(struct op_list *list, uint8_t family, const void *info) {
    struct xt_conntrack_mtinfo3 match;
    memcpy(&match, info, sizeof(match));
    return conntrack(list, family, &match);
}

/* Revisions 1 and 2 have single ports, in network order. */
static int conntrack_2(struct op_list *list, uint8_t family, const void *info) {
    struct xt_conntrack_mtinfo3 match = {0};
    memcpy(&match, info, sizeof(struct xt_conntrack_mtinfo2));
    match.origsrc_port = match.origsrc_port_high = __builtin_bswap16(match.origsrc_port);
    match.origdst_port = match.origdst_port_high = __builtin_bswap16(match.origdst_port);
    return conntrack(list, family, &match);
}

static int conntrack_1(struct op_list *list, uint8_t family, const void *info) {
    struct xt_conntrack_mtinfo1 old;
    struct xt_conntrack_mtinfo2 match = {0};
    memcpy(&old, info, sizeof(old));
    memcpy(&match, &old, offsetof(struct xt_conntrack_mtinfo1, state_mask));
    match.state_mask = old.state_mask;
    match.status_mask = old.status_mask;
    return conntrack_2(list, family, &match);
}

static int state(struct op_list *list, uint8_t family, const void *info) {
    struct xt_state_info match;
    (void)family;
    memcpy(&match, info, sizeof(match));
    return any_bit(list, NG_FIELD_CT_STATE, match.statemask, false);
}

static int mark(struct op_list *list, uint8_t family, const void *info) {
    struct xt_mark_mtinfo1 match;
    (void)family;
    memcpy(&match, info, sizeof(match));
    return ng_op_add_interval(list, masked(NG_FIELD_MARK, match.mask), match.mark, match.mark,
                              match.invert);
}

static int iprange(struct op_list *list, uint8_t family, const void *info) {
    struct xt_iprange_mtinfo match;
    memcpy(&match, info, sizeof(match));
    size_t len = family == NFPROTO_IPV4 ? 4 : 16;
    const struct {
        uint8_t asked, inverted;
        enum ng_field which;
        const union nf_inet_addr *min, *max;
    } sides[] = {
        {IPRANGE_SRC, IPRANGE_SRC_INV, NG_FIELD_SADDR, &match.src_min, &match.src_max},
        {IPRANGE_DST, IPRANGE_DST_INV, NG_FIELD_DADDR, &match.dst_min, &match.dst_max},
    };
    for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
        if (!(match.flags & sides[i].asked))
            continue;
        struct ng_operand operand = field(sides[i].which);
        operand.family = len == 4 ? NG_IP4 : NG_IP6;
        int r = ng_op_add_interval(list, operand,
                                   ng_wire_number((const uint8_t *)sides[i].min, len, false),
                                   ng_wire_number((const uint8_t *)sides[i].max, len, false),
                                   match.flags & sides[i].inverted);
        if (r < 0)
            return r;
    }
    return 0;
}

static int pkttype(struct op_list *list, uint8_t family, const void *info) {
    struct xt_pkttype_info match;
    (void)family;
    memcpy(&match, info, sizeof(match));
    ng_u128 type = (uint32_t)match.pkttype;
    return ng_op_add_interval(list, field(NG_FIELD_PKTTYPE), type, type, match.invert);
}

/* struct ipt_icmp and struct ip6t_icmp are alike; type 255 is how IPv4 writes "any". */
static int icmp(struct op_list *list, uint8_t family, const void *info) {
    struct ipt_icmp match;
    memcpy(&match, info, sizeof(match));
    if (family == NFPROTO_IPV4 && match.type == 0xff)
        return 0;
    bool negate = match.invflags & IPT_ICMP_INV;
    if (match.code[0] == 0 && match.code[1] == 0xff)
        return ng_op_add_interval(list, field(NG_FIELD_ICMP_TYPE), match.type, match.type, negate);
    if (negate) /* not (type and code): two fields under one negation */
        return ng_op_add_text(list, NG_OP_UNDECIDED, "icmp type and code");
    int r = ng_op_add_interval(list, field(NG_FIELD_ICMP_TYPE), match.type, match.type, false);
    return r < 0 ? r
                 : ng_op_add_interval(list, field(NG_FIELD_ICMP_CODE), match.code[0], match.code[1],
                                      false);
}

/* Matches on an IPv6 extension header hold only where there is one, inverted or not. */
static int extension_header(struct op_list *list, uint8_t family, const void *info) {
    (void)family, (void)info;
    struct ng_operand header = field(NG_FIELD_EXTHDR);
    header.name = "exthdr";
    return ng_op_add_interval(list, header, 0, whole, false);
}

static int limit(struct op_list *list, uint8_t family, const void *info) {
    struct xt_rateinfo rate;
    (void)family;
    memcpy(&rate, info, sizeof(rate));
    /* `avg` is the time between packets, in 1/10000 s. */
    static const struct {
        uint32_t unit;
        const char *name;
    } units[] = {{1, "second"}, {60, "minute"}, {3600, "hour"}, {86400, "day"}};
    for (size_t i = 0; rate.avg && i < ARRAY_SIZE(units); i++) {
        uint64_t ticks = (uint64_t)units[i].unit * XT_LIMIT_SCALE;
        if (ticks / rate.avg > 0)
            return ng_op_add_text(list, NG_OP_UNDECIDED, "limit rate %llu/%s",
                                  (unsigned long long)(ticks / rate.avg), units[i].name);
    }
    return ng_op_add_text(list, NG_OP_UNDECIDED, "limit");
}

static int comment(struct op_list *list, uint8_t family, const void *info) {
    (void)list, (void)family, (void)info;
    return 0;
}

struct extension {
    const char *name;
    uint32_t revision;
    size_t len_bytes; /* of the structure; the message pads it to XT_ALIGN */
    uint8_t family;   /* NFPROTO_UNSPEC: both */
    int (*decode)(struct op_list *list, uint8_t family, const void *info);
};

static const struct extension matches[] = {
    {"tcp", 0, sizeof(struct xt_tcp), NFPROTO_UNSPEC, tcp},
    {"conntrack", 3, sizeof(struct xt_conntrack_mtinfo3), NFPROTO_UNSPEC, conntrack_3},
    {"addrtype", 1, sizeof(struct xt_addrtype_info_v1), NFPROTO_UNSPEC, addrtype},
    {"udp", 0, sizeof(struct xt_udp), NFPROTO_UNSPEC, udp},
    {"comment", 0, 0, NFPROTO_UNSPEC, comment},
    {"multiport", 1, sizeof(struct xt_multiport_v1), NFPROTO_UNSPEC, multiport},
    {"limit", 0, sizeof(struct xt_rateinfo), NFPROTO_UNSPEC, limit},
    {"icmp", 0, sizeof(struct ipt_icmp), NFPROTO_IPV4, icmp},
    {"icmp6", 0, sizeof(struct ip6t_icmp), NFPROTO_IPV6, icmp},
    {"rt", 0, 0, NFPROTO_IPV6, extension_header},
    {"frag", 0, 0, NFPROTO_IPV6, extension_header},
    {"hbh", 0, 0, NFPROTO_IPV6, extension_header},
    {"dst", 0, 0, NFPROTO_IPV6, extension_header},
    {"mark", 1, sizeof(struct xt_mark_mtinfo1), NFPROTO_UNSPEC, mark},
    {"state", 0, sizeof(struct xt_state_info), NFPROTO_UNSPEC, state},
    {"iprange", 1, sizeof(struct xt_iprange_mtinfo), NFPROTO_UNSPEC, iprange},
    {"pkttype", 0, sizeof(struct xt_pkttype_info), NFPROTO_UNSPEC, pkttype},
    {"sctp", 0, sizeof(struct xt_sctp_info), NFPROTO_UNSPEC, sctp},
    {"conntrack", 2, sizeof(struct xt_conntrack_mtinfo2), NFPROTO_UNSPEC, conntrack_2},
    {"conntrack", 1, sizeof(struct xt_conntrack_mtinfo1), NFPROTO_UNSPEC, conntrack_1},
    {"addrtype", 0, sizeof(struct xt_addrtype_info), NFPROTO_IPV4, addrtype_0},
};

/* -- targets ------------------------------------------------------------------------------------
 */

static struct ng_nat nat_of(uint32_t flags, const void *min, const void *max, size_t addr_len,
                            const void *min_port, const void *max_port) {
    struct ng_nat nat = {0};
    if (flags & NF_NAT_RANGE_MAP_IPS) {
        nat.has_addr = true;
        nat.addr_lo = ng_addr_from_wire(min, addr_len);
        nat.addr_hi = ng_addr_from_wire(max, addr_len);
    }
    if (flags & NF_NAT_RANGE_PROTO_SPECIFIED) {
        nat.has_port = true;
        nat.port_lo = (uint16_t)ng_wire_number(min_port, 2, false);
        nat.port_hi = (uint16_t)ng_wire_number(max_port, 2, false);
    }
    return nat;
}

static struct ng_nat nat_range4(const void *info) {
    struct nf_nat_ipv4_multi_range_compat range;
    memcpy(&range, info, sizeof(range));
    const struct nf_nat_ipv4_range *one = &range.range[0];
    return nat_of(one->flags, &one->min_ip, &one->max_ip, 4, &one->min.all, &one->max.all);
}

static struct ng_nat nat_range(uint8_t family, const void *info) {
    struct nf_nat_range range;
    memcpy(&range, info, sizeof(range));
    return nat_of(range.flags, &range.min_addr, &range.max_addr, family == NFPROTO_IPV4 ? 4 : 16,
                  &range.min_proto.all, &range.max_proto.all);
}

static int dnat_0(struct op_list *list, uint8_t family, const void *info) {
    (void)family;
    return ng_op_add_nat(list, NG_OP_DNAT, nat_range4(info));
}

/* Revision 2 appends a base port for shifted ranges, which only moves the ports. */
static int dnat(struct op_list *list, uint8_t family, const void *info) {
    return ng_op_add_nat(list, NG_OP_DNAT, nat_range(family, info));
}

static int redirect(struct op_list *list, uint8_t family, const void *info) {
    return ng_op_add_nat(list, NG_OP_REDIRECT,
                         family == NFPROTO_IPV4 ? nat_range4(info) : nat_range(family, info));
}

static int snat(struct op_list *list, uint8_t family, const void *info) {
    (void)family, (void)info;
    return ng_op_add_text(list, NG_OP_SNAT, "snat");
}

static int masquerade(struct op_list *list, uint8_t family, const void *info) {
    (void)family, (void)info;
    return ng_op_add_text(list, NG_OP_SNAT, "masquerade");
}

static int reject(struct op_list *list, uint8_t family, const void *info) {
    (void)family, (void)info;
    return ng_op_add(list, (struct ng_op){.kind = NG_OP_VERDICT,
                                          .verdict = {.kind = NG_VERDICT_DROP, .text = "reject"}});
}

static int set_mark(struct op_list *list, uint8_t family, const void *info) {
    struct xt_mark_tginfo2 target;
    (void)family;
    memcpy(&target, info, sizeof(target));
    struct ng_operand *operand = ng_arena_alloc(list->arena, 1, sizeof(*operand));
    if (!operand)
        return -ENOMEM;
    *operand = masked(NG_FIELD_MARK, (uint32_t)~target.mask);
    operand->flip = target.mark;
    return ng_op_add(list, (struct ng_op){.kind = NG_OP_SET_MARK, .operand = operand});
}

/* To something that is not followed: a hash, or the connection's mark. */
static int any_mark(struct op_list *list, uint8_t family, const void *info) {
    (void)family, (void)info;
    return ng_op_add(list, (struct ng_op){.kind = NG_OP_SET_MARK});
}

/* An ipset may carry marks to give to packets. */
static int set_target(struct op_list *list, uint8_t family, const void *info) {
    struct xt_set_info_target_v3 target;
    memcpy(&target, info, sizeof(target));
    return target.map_set.index == IPSET_INVALID_ID ? ng_op_add_text(list, NG_OP_NOTHING, NULL)
                                                    : any_mark(list, family, info);
}

static int connmark_of(struct op_list *list, unsigned mode) {
    return mode == XT_CONNMARK_RESTORE ? any_mark(list, NFPROTO_UNSPEC, NULL)
                                       : ng_op_add_text(list, NG_OP_NOTHING, NULL);
}

static int connmark_1(struct op_list *list, uint8_t family, const void *info) {
    struct xt_connmark_tginfo1 target;
    (void)family;
    memcpy(&target, info, sizeof(target));
    return connmark_of(list, target.mode);
}

static int connmark_2(struct op_list *list, uint8_t family, const void *info) {
    struct xt_connmark_tginfo2 target;
    (void)family;
    memcpy(&target, info, sizeof(target));
    return connmark_of(list, target.mode);
}

static int ct(struct op_list *list, uint8_t family, const void *info) {
    uint16_t flags;
    (void)family;
    memcpy(&flags, info, sizeof(flags)); /* the first member of all revisions */
    return flags & XT_CT_NOTRACK ? ng_op_add(list, (struct ng_op){.kind = NG_OP_NOTRACK})
                                 : ng_op_add_text(list, NG_OP_NOTHING, NULL);
}

static int notrack(struct op_list *list, uint8_t family, const void *info) {
    (void)family, (void)info;
    return ng_op_add(list, (struct ng_op){.kind = NG_OP_NOTRACK});
}

static int log_(struct op_list *list, uint8_t family, const void *info) {
    struct xt_log_info target;
    (void)family;
    memcpy(&target, info, sizeof(target));
    return ng_op_add_text(list, NG_OP_NOTHING, "log prefix \"%.*s\"",
                          (int)strnlen(target.prefix, sizeof(target.prefix)), target.prefix);
}

static int nflog(struct op_list *list, uint8_t family, const void *info) {
    struct xt_nflog_info target;
    (void)family;
    memcpy(&target, info, sizeof(target));
    return ng_op_add_text(list, NG_OP_NOTHING, "log group %u", target.group);
}

static const struct extension targets[] = {
    {"DNAT", 0, sizeof(struct nf_nat_ipv4_multi_range_compat), NFPROTO_IPV4, dnat_0},
    {"DNAT", 1, sizeof(struct nf_nat_range), NFPROTO_UNSPEC, dnat},
    {"DNAT", 2, sizeof(struct nf_nat_range2), NFPROTO_UNSPEC, dnat},
    {"LOG", 0, sizeof(struct xt_log_info), NFPROTO_UNSPEC, log_},
    {"NFLOG", 0, sizeof(struct xt_nflog_info), NFPROTO_UNSPEC, nflog},
    {"MARK", 2, sizeof(struct xt_mark_tginfo2), NFPROTO_UNSPEC, set_mark},
    {"CONNMARK", 1, sizeof(struct xt_connmark_tginfo1), NFPROTO_UNSPEC, connmark_1},
    {"CONNMARK", 2, sizeof(struct xt_connmark_tginfo2), NFPROTO_UNSPEC, connmark_2},
    {"SET", 3, sizeof(struct xt_set_info_target_v3), NFPROTO_UNSPEC, set_target},
    {"REDIRECT", 0, sizeof(struct nf_nat_ipv4_multi_range_compat), NFPROTO_IPV4, redirect},
    {"REDIRECT", 0, sizeof(struct nf_nat_range), NFPROTO_IPV6, redirect},
    {"CT", 0, sizeof(uint16_t), NFPROTO_UNSPEC, ct},
    {"CT", 1, sizeof(uint16_t), NFPROTO_UNSPEC, ct},
    {"CT", 2, sizeof(uint16_t), NFPROTO_UNSPEC, ct},
};

/* Of these every revision does the same. */
static const struct {
    const char *name;
    int (*decode)(struct op_list *list, uint8_t family, const void *info);
} plain_targets[] = {
    {"MASQUERADE", masquerade}, {"SNAT", snat},      {"REJECT", reject},
    {"NOTRACK", notrack},       {"HMARK", any_mark},
};

/* Targets that change, copy or record something, and let the packet go its way. */
static const char *const harmless_targets[] = {
    "AUDIT",  "CHECKSUM",    "CLASSIFY", "CONNSECMARK", "DSCP",    "ECN",
    "HL",     "IDLETIMER",   "LED",      "RATEEST",     "SECMARK", "SET",
    "TCPMSS", "TCPOPTSTRIP", "TEE",      "TOS",         "TRACE",   "TTL",
};

static const struct extension *find(const struct extension *extensions, size_t count,
                                    const char *name, uint32_t revision, uint8_t family,
                                    size_t len_bytes) {
    for (size_t i = 0; i < count; i++) {
        const struct extension *extension = &extensions[i];
        if (extension->revision == revision && strcmp(extension->name, name) == 0 &&
            (extension->family == NFPROTO_UNSPEC || extension->family == family) &&
            len_bytes >= extension->len_bytes)
            return extension;
    }
    return NULL;
}

int ng_decode_xt_match(struct op_list *list, uint8_t family, const char *name, uint32_t revision,
                       const void *info, size_t len_bytes) {
    const struct extension *extension =
        find(matches, ARRAY_SIZE(matches), name, revision, family, len_bytes);
    return extension ? extension->decode(list, family, info)
                     : ng_op_add_text(list, NG_OP_UNDECIDED, "xt match \"%s\"", name);
}

int ng_decode_xt_target(struct op_list *list, uint8_t family, const char *name, uint32_t revision,
                        const void *info, size_t len_bytes) {
    const struct extension *extension =
        find(targets, ARRAY_SIZE(targets), name, revision, family, len_bytes);
    if (extension)
        return extension->decode(list, family, info);
    for (size_t i = 0; i < ARRAY_SIZE(plain_targets); i++)
        if (strcmp(name, plain_targets[i].name) == 0)
            return plain_targets[i].decode(list, family, info);
    for (size_t i = 0; i < ARRAY_SIZE(harmless_targets); i++)
        if (strcmp(name, harmless_targets[i]) == 0)
            return ng_op_add_text(list, NG_OP_NOTHING, NULL);
    return ng_op_add_text(list, NG_OP_UNKNOWN, "xt target \"%s\"", name);
}
