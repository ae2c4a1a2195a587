/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/xt_parts.h"

#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_dccp.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/netfilter_ipv6/ip6t_frag.h>
#include <linux/netfilter_ipv6/ip6t_ipv6header.h>
#include <linux/netfilter_ipv6/ip6t_mh.h>
#include <linux/netfilter_ipv6/ip6t_opts.h>
#include <linux/netfilter_ipv6/ip6t_rt.h>

/* What the packet's headers and its mark say. The kernel refuses a match on a transport protocol
 * in a rule that does not ask for that protocol first. */

/* -- ports --------------------------------------------------------------------------- */

static int port_range(const struct xt *xt, enum ng_field which, const uint16_t range[static 2],
                      bool negate) {
    /* 0 to 65535 is how "any port" is written. */
    if (range[0] == 0 && range[1] == UINT16_MAX && !negate)
        return 0;
    return ng_op_add_interval(xt->list, xt_field(which), range[0], range[1], negate);
}

static int port_ranges(const struct xt *xt, const uint16_t *sports, bool not_sports,
                       const uint16_t *dports, bool not_dports) {
    int r = sports ? port_range(xt, NG_FIELD_SPORT, sports, not_sports) : 0;
    return r < 0 || !dports ? r : port_range(xt, NG_FIELD_DPORT, dports, not_dports);
}

static int tcp(const struct xt *xt) {
    const struct xt_tcp *match = xt->info;
    uint8_t invert = match->invflags;
    int r = port_ranges(xt, match->spts, invert & XT_TCP_INV_SRCPT, match->dpts,
                        invert & XT_TCP_INV_DSTPT);
    if (r == 0 && (match->flg_mask || match->flg_cmp || invert & XT_TCP_INV_FLAGS))
        r = ng_op_add_interval(xt->list, xt_masked(NG_FIELD_TCP_FLAGS, match->flg_mask),
                               match->flg_cmp, match->flg_cmp, invert & XT_TCP_INV_FLAGS);
    if (r == 0 && match->option)
        r = ng_op_add_text(xt->list, NG_OP_UNDECIDED, "tcp option %u %s", match->option,
                           invert & XT_TCP_INV_OPTION ? "missing" : "exists");
    return r;
}

static int udp(const struct xt *xt) {
    const struct xt_udp *match = xt->info;
    return port_ranges(xt, match->spts, match->invflags & XT_UDP_INV_SRCPT, match->dpts,
                       match->invflags & XT_UDP_INV_DSTPT);
}

static int sctp(const struct xt *xt) {
    const struct xt_sctp_info *match = xt->info;
    uint32_t flags = match->flags, invert = match->invflags;
    int r =
        port_ranges(xt, flags & XT_SCTP_SRC_PORTS ? match->spts : NULL, invert & XT_SCTP_SRC_PORTS,
                    flags & XT_SCTP_DEST_PORTS ? match->dpts : NULL, invert & XT_SCTP_DEST_PORTS);
    return r < 0 || !(flags & XT_SCTP_CHUNK_TYPES)
               ? r
               : ng_op_add_text(xt->list, NG_OP_UNDECIDED, "sctp%s --chunk-types",
                                xt_not(invert & XT_SCTP_CHUNK_TYPES));
}

static int dccp(const struct xt *xt) {
    const struct xt_dccp_info *match = xt->info;
    uint16_t flags = match->flags, invert = match->invflags;
    int r =
        port_ranges(xt, flags & XT_DCCP_SRC_PORTS ? match->spts : NULL, invert & XT_DCCP_SRC_PORTS,
                    flags & XT_DCCP_DEST_PORTS ? match->dpts : NULL, invert & XT_DCCP_DEST_PORTS);
    if (r == 0 && flags & XT_DCCP_TYPE)
        r = ng_op_add_text(xt->list, NG_OP_UNDECIDED, "dccp%s --dccp-types 0x%x",
                           xt_not(invert & XT_DCCP_TYPE), match->typemask);
    if (r == 0 && flags & XT_DCCP_OPTION)
        r = ng_op_add_text(xt->list, NG_OP_UNDECIDED, "dccp%s --dccp-option %u",
                           xt_not(invert & XT_DCCP_OPTION), match->option);
    return r;
}

/* Source port or destination port, or either of them, is one of a list. */
static int any_port(const struct xt *xt, uint8_t which, const struct ng_interval *ports, size_t n,
                    bool negate) {
    const struct ng_operand operands[] = {xt_field(NG_FIELD_SPORT), xt_field(NG_FIELD_DPORT)};
    if (which == XT_MULTIPORT_EITHER) {
        struct ng_interval sides[4 * XT_MULTI_PORTS];
        for (size_t i = 0; i < n; i++) {
            sides[4 * i] = sides[4 * i + 3] = ports[i];
            sides[4 * i + 1] = sides[4 * i + 2] = (struct ng_interval){0, XT_WHOLE};
        }
        return xt_add_boxes(xt->list, operands, 2, sides, 2 * n, negate);
    }
    struct ng_addrset values;
    int r = ng_addrset_from(xt->list->arena, ports, n, &values);
    return r < 0 ? r
                 : ng_op_add_match(xt->list, operands[which == XT_MULTIPORT_SOURCE ? 0 : 1], values,
                                   negate);
}

static int multiport(const struct xt *xt) {
    const struct xt_multiport_v1 *match = xt->info;
    struct ng_interval ports[XT_MULTI_PORTS];
    size_t n = 0;
    for (unsigned i = 0; i < match->count && i < XT_MULTI_PORTS; i++) {
        uint16_t lo = match->ports[i], hi = lo;
        /* A flagged port begins a range that the next one ends. */
        if (match->pflags[i] && ++i < XT_MULTI_PORTS)
            hi = match->ports[i];
        if (lo <= hi)
            ports[n++] = (struct ng_interval){lo, hi};
    }
    return any_port(xt, match->flags, ports, n, match->invert);
}

static int multiport_0(const struct xt *xt) {
    const struct xt_multiport *match = xt->info;
    struct ng_interval ports[XT_MULTI_PORTS];
    size_t n = 0;
    for (; n < match->count && n < XT_MULTI_PORTS; n++)
        ports[n] = (struct ng_interval){match->ports[n], match->ports[n]};
    return any_port(xt, match->flags, ports, n, false);
}

/* -- ICMP ---------------------------------------------------------------------------- */

/* struct ipt_icmp and struct ip6t_icmp are alike. */
static int icmp_of(const struct xt *xt, const struct ipt_icmp *match) {
    bool negate = match->invflags & IPT_ICMP_INV;
    const struct ng_operand operands[] = {xt_family_field(xt, NG_FIELD_ICMP_TYPE),
                                          xt_family_field(xt, NG_FIELD_ICMP_CODE)};
    if (match->code[0] == 0 && match->code[1] == UINT8_MAX)
        return ng_op_add_interval(xt->list, operands[0], match->type, match->type, negate);
    if (negate) { /* not (type and code): two fields under one negation */
        const struct ng_interval sides[] = {{match->type, match->type},
                                            {match->code[0], match->code[1]}};
        return xt_add_boxes(xt->list, operands, 2, sides, sides[1].lo <= sides[1].hi ? 1 : 0, true);
    }
    int r = ng_op_add_interval(xt->list, operands[0], match->type, match->type, false);
    return r < 0 ? r
                 : ng_op_add_interval(xt->list, operands[1], match->code[0], match->code[1], false);
}

/* Type 255 is how IPv4 writes "any", whatever the codes. */
static int icmp(const struct xt *xt) {
    const struct ipt_icmp *match = xt->info;
    if (match->type != UINT8_MAX)
        return icmp_of(xt, match);
    return match->invflags & IPT_ICMP_INV
               ? ng_op_add_interval(xt->list, xt_family_field(xt, NG_FIELD_ICMP_TYPE), 0, XT_WHOLE,
                                    true)
               : 0;
}

static int icmp6(const struct xt *xt) {
    return icmp_of(xt, xt->info);
}

/* -- addresses, marks ---------------------------------------------------------------- */

static int addr_range(const struct xt *xt, enum ng_field which, const union nf_inet_addr *min,
                      const union nf_inet_addr *max, bool negate) {
    return ng_op_add_interval(xt->list, xt_family_field(xt, which), xt_addr(xt, min),
                              xt_addr(xt, max), negate);
}

static int iprange_of(const struct xt *xt, const struct xt_iprange_mtinfo *match) {
    int r = 0;
    if (match->flags & IPRANGE_SRC)
        r = addr_range(xt, NG_FIELD_SADDR, &match->src_min, &match->src_max,
                       match->flags & IPRANGE_SRC_INV);
    if (r == 0 && match->flags & IPRANGE_DST)
        r = addr_range(xt, NG_FIELD_DADDR, &match->dst_min, &match->dst_max,
                       match->flags & IPRANGE_DST_INV);
    return r;
}

static int iprange(const struct xt *xt) {
    return iprange_of(xt, xt->info);
}

/* struct ipt_iprange_info, which the kernel's headers no longer have. */
struct iprange_0 {
    uint32_t src_min, src_max, dst_min, dst_max; /* in network order */
    uint8_t flags;
};

static int iprange_0(const struct xt *xt) {
    const struct iprange_0 *old = xt->info;
    const struct xt_iprange_mtinfo match = {.src_min = {.ip = old->src_min},
                                            .src_max = {.ip = old->src_max},
                                            .dst_min = {.ip = old->dst_min},
                                            .dst_max = {.ip = old->dst_max},
                                            .flags = old->flags};
    return iprange_of(xt, &match);
}

static int mark(const struct xt *xt) {
    const struct xt_mark_mtinfo1 *match = xt->info;
    return ng_op_add_interval(xt->list, xt_masked(NG_FIELD_MARK, match->mask), match->mark,
                              match->mark, match->invert);
}

/* A packet that did not come over Ethernet has no such address, and no match either way. */
static int mac(const struct xt *xt) {
    const struct xt_mac_info *match = xt->info;
    ng_u128 addr = ng_wire_number(match->srcaddr, sizeof(match->srcaddr), false);
    return ng_op_add_interval(xt->list, xt_field(NG_FIELD_ETHER_SADDR), addr, addr, match->invert);
}

static int pkttype(const struct xt *xt) {
    const struct xt_pkttype_info *match = xt->info;
    ng_u128 type = (uint32_t)match->pkttype;
    return ng_op_add_interval(xt->list, xt_field(NG_FIELD_PKTTYPE), type, type, match->invert);
}

/* -- ipsets -------------------------------------------------------------------------- */

/* Revision 0 has a list of directions; the kernel itself turns it into the later form. */
static int set_0(const struct xt *xt) {
    const struct xt_set_info_match_v0 *match = xt->info;
    const struct xt_set_info_v0 *set = &match->match_set;
    uint8_t dim = 0, flags = set->u.flags[0] & IPSET_MATCH_INV ? IPSET_INV_MATCH : 0;
    for (unsigned i = 0; i < IPSET_DIM_MAX - 1 && set->u.flags[i]; i++) {
        dim++;
        if (set->u.flags[i] & IPSET_SRC)
            flags |= (uint8_t)(1U << dim);
    }
    return ng_decode_ipset_match(xt->list, xt->family, set->index, dim, flags);
}

static int set_1(const struct xt *xt) {
    const struct xt_set_info_match_v1 *match = xt->info;
    return ng_decode_ipset_match(xt->list, xt->family, match->match_set.index, match->match_set.dim,
                                 match->match_set.flags);
}

/* What later revisions ask of the element that was found. */
static int set_counted(const struct xt *xt, const struct xt_set_info *set, uint32_t flags,
                       bool counted) {
    uint8_t nomatch = flags & IPSET_FLAG_RETURN_NOMATCH ? IPSET_RETURN_NOMATCH : 0;
    return (counted ? ng_decode_ipset_counted : ng_decode_ipset_match)(
        xt->list, xt->family, set->index, set->dim, (uint8_t)(set->flags | nomatch));
}

static int set_3(const struct xt *xt) {
    const struct xt_set_info_match_v3 *match = xt->info;
    bool counted = match->packets.op != IPSET_COUNTER_NONE || match->bytes.op != IPSET_COUNTER_NONE;
    return set_counted(xt, &match->match_set, match->flags, counted);
}

static int set_4(const struct xt *xt) {
    const struct xt_set_info_match_v4 *match = xt->info;
    bool counted = match->packets.op != IPSET_COUNTER_NONE || match->bytes.op != IPSET_COUNTER_NONE;
    return set_counted(xt, &match->match_set, match->flags, counted);
}

/* -- IPv6 extension headers ---------------------------------------------------------- */

/* Matches on an extension header hold only where there is one, inverted or not. */
static int rt(const struct xt *xt) {
    const struct ip6t_rt *match = xt->info;
    return match->flags & IP6T_RT_TYP
               ? xt_add_missing_header(xt->list, "rt%s --rt-type %u",
                                       xt_not(match->invflags & IP6T_RT_INV_TYP), match->rt_type)
               : xt_add_missing_header(xt->list, "rt");
}

static int frag(const struct xt *xt) {
    const struct ip6t_frag *match = xt->info;
    return xt_add_missing_header(xt->list, "frag%s%s%s",
                                 match->flags & IP6T_FRAG_FST ? " --fragfirst" : "",
                                 match->flags & IP6T_FRAG_MF ? " --fragmore" : "",
                                 match->flags & IP6T_FRAG_NMF ? " --fraglast" : "");
}

static int hbh(const struct xt *xt) {
    return xt_add_missing_header(xt->list, "hbh");
}

static int dst(const struct xt *xt) {
    return xt_add_missing_header(xt->list, "dst");
}

static int srh(const struct xt *xt) {
    return xt_add_missing_header(xt->list, "srh");
}

static int ah6(const struct xt *xt) {
    return xt_add_missing_header(xt->list, "ah");
}

static int mh(const struct xt *xt) {
    const struct ip6t_mh *match = xt->info;
    return xt_add_missing_header(xt->list, "mh%s --mh-type %u:%u",
                                 xt_not(match->invflags & IP6T_MH_INV_TYPE), match->types[0],
                                 match->types[1]);
}

/* Which headers there are: a plain packet has its transport protocol and nothing else. */
static int ipv6header(const struct xt *xt) {
    const struct ip6t_ipv6header_info *match = xt->info;
    static const char *const names[] = {"prot", "none",  "esp", "auth",
                                        "frag", "route", "dst", "hop"};
    struct xt_text text = {.len = 0};
    xt_put(&text, "ipv6header%s%s --header", match->modeflag ? " --soft" : "",
           xt_not(match->invflags));
    for (unsigned i = 0, n = 0; i < ARRAY_SIZE(names); i++)
        if (match->matchflags >> i & 1)
            xt_put(&text, "%s%s", n++ ? "," : " ", names[i]);
    bool holds = match->modeflag
                     ? !((MASK_PROTO ^ match->matchflags ^ match->invflags) & match->matchflags)
                     : (match->matchflags == MASK_PROTO) != !!match->invflags;
    return holds ? xt_add_words(xt->list, NG_OP_NOTHING, &text)
                 : xt_add_missing_header(xt->list, "%s", text.bytes);
}

/* Whoever wrote the rule says why: worth telling again. */
static int comment(const struct xt *xt) {
    const struct xt_comment_info *info = xt->info;

    return ng_op_add_text(xt->list, NG_OP_NOTHING, "comment \"%.*s\"",
                          (int)strnlen(info->comment, sizeof(info->comment)), info->comment);
}

/* The names that most rules have come first. */
const struct xt_extension ng_xt_header_matches[] = {
    {"tcp", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_tcp), tcp},
    {"udp", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_udp), udp},
    {"comment", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_comment_info), comment},
    {"multiport", 1, NFPROTO_UNSPEC, false, sizeof(struct xt_multiport_v1), multiport},
    {"icmp", 0, NFPROTO_IPV4, false, sizeof(struct ipt_icmp), icmp},
    {"icmp6", 0, NFPROTO_IPV6, false, sizeof(struct ip6t_icmp), icmp6},
    {"set", 4, NFPROTO_UNSPEC, false, sizeof(struct xt_set_info_match_v4), set_4},
    {"mark", 1, NFPROTO_UNSPEC, false, sizeof(struct xt_mark_mtinfo1), mark},
    {"mac", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_mac_info), mac},
    {"iprange", 1, NFPROTO_INET, false, sizeof(struct xt_iprange_mtinfo), iprange},
    {"pkttype", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_pkttype_info), pkttype},
    {"sctp", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_sctp_info), sctp},
    {"dccp", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_dccp_info), dccp},
    {"udplite", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_udp), udp},
    {"set", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_set_info_match_v0), set_0},
    {"set", 1, NFPROTO_UNSPEC, false, sizeof(struct xt_set_info_match_v1), set_1},
    {"set", 2, NFPROTO_UNSPEC, false, sizeof(struct xt_set_info_match_v1), set_1},
    {"set", 3, NFPROTO_UNSPEC, false, sizeof(struct xt_set_info_match_v3), set_3},
    {"rt", 0, NFPROTO_IPV6, false, sizeof(struct ip6t_rt), rt},
    {"frag", 0, NFPROTO_IPV6, false, sizeof(struct ip6t_frag), frag},
    {"hbh", 0, NFPROTO_IPV6, false, sizeof(struct ip6t_opts), hbh},
    {"dst", 0, NFPROTO_IPV6, false, sizeof(struct ip6t_opts), dst},
    {"srh", 0, NFPROTO_IPV6, false, XT_ANY_LEN, srh},
    {"srh", 1, NFPROTO_IPV6, false, XT_ANY_LEN, srh},
    {"ah", 0, NFPROTO_IPV6, false, XT_ANY_LEN, ah6},
    {"mh", 0, NFPROTO_IPV6, false, sizeof(struct ip6t_mh), mh},
    {"ipv6header", 0, NFPROTO_IPV6, false, sizeof(struct ip6t_ipv6header_info), ipv6header},
    {"multiport", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_multiport), multiport_0},
    {"iprange", 0, NFPROTO_IPV4, false, sizeof(struct iprange_0), iprange_0},
    {.name = NULL},
};
