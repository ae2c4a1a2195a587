/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/xt_parts.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_cluster.h>
#include <linux/netfilter/xt_connbytes.h>
#include <linux/netfilter/xt_connlabel.h>
#include <linux/netfilter/xt_connlimit.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_helper.h>
#include <linux/netfilter/xt_state.h>

/* What conntrack knows of a packet. One that belongs to no connection (invalid, untracked, or
 * before conntrack has seen it) has a state and nothing else. */

/* As NG_FIELD_CT_STATE has them: the bits of packets without a connection. */
enum { NO_CONNECTION = 1 | 64, HAS_MASTER = 2 | 4 };

/* -- conntrack ----------------------------------------------------------------------- */

struct conntrack {
    const struct xt *xt;
    const struct xt_conntrack_mtinfo3 *match;
    /* The state lets packets without a connection through; they are asked for nothing else. */
    bool lets_no_connection;
};

/* One test: not asked of packets that are let through without a connection, and failed by them
 * where they are not. */
static int test(const struct conntrack *ct, uint16_t bit, struct ng_operand operand, ng_u128 lo,
                ng_u128 hi) {
    if (!(ct->match->match_flags & bit))
        return 0;
    bool negate = ct->match->invert_flags & bit;
    if (!ct->lets_no_connection)
        return ng_op_add_interval(ct->xt->list, operand, lo, hi, negate);

    static const struct ng_interval any = {0, XT_WHOLE}, some = {1, XT_WHOLE};
    const struct ng_operand operands[] = {xt_masked(NG_FIELD_CT_STATE, NO_CONNECTION), operand};
    struct ng_interval sides[6] = {some, any};
    size_t n = 1;
    if (!negate && lo <= hi) {
        sides[2 * n] = any;
        sides[2 * n++ + 1] = (struct ng_interval){lo, hi};
    }
    /* Inverted: what lies before and what lies behind, or everything if nothing is between. */
    if (negate && (lo > hi || lo > 0)) {
        sides[2 * n] = any;
        sides[2 * n++ + 1] = (struct ng_interval){0, lo > hi ? XT_WHOLE : lo - 1};
    }
    if (negate && lo <= hi && hi < XT_WHOLE) {
        sides[2 * n] = any;
        sides[2 * n++ + 1] = (struct ng_interval){hi + 1, XT_WHOLE};
    }
    return xt_add_boxes(ct->xt->list, operands, 2, sides, n, false);
}

static int test_addr(const struct conntrack *ct, uint16_t bit, enum ng_field which,
                     const union nf_inet_addr *addr, const union nf_inet_addr *mask) {
    struct ng_operand operand = xt_family_field(ct->xt, which);
    ng_u128 kept = xt_addr(ct->xt, mask), value = xt_addr(ct->xt, addr) & kept;
    bool whole = kept == ng_family_max(operand.family);
    operand.mask = whole ? XT_WHOLE : kept;
    struct ng_addrset values;
    int r = ng_addrset_range(ct->xt->list->arena, value, value, &values);
    if (r == 0)
        r = ng_unmask(ct->xt->list->arena, &operand, ng_family_bits(operand.family), &values);
    if (r < 0 && r != -EOPNOTSUPP)
        return r;
    struct ng_interval only = values.intervals[0];
    return test(ct, bit, operand, only.lo, only.hi);
}

/* xt_conntrack.h counts from IP_CT_NUMBER for what is not a state; nf_tables has "untracked"
 * where xt has "snat". */
static uint32_t state_bits(uint16_t mask) {
    uint32_t states = mask & (XT_CONNTRACK_STATE_INVALID | 2 | 4 | 8);
    return states | (mask & XT_CONNTRACK_STATE_UNTRACKED ? 64 : 0);
}

static bool lets_no_connection(const struct xt_conntrack_mtinfo3 *match) {
    uint32_t listed = state_bits(match->state_mask) & NO_CONNECTION;
    bool inverted = match->invert_flags & XT_CONNTRACK_STATE;
    return match->match_flags & XT_CONNTRACK_STATE &&
           (inverted ? listed != NO_CONNECTION : listed != 0);
}

/* "--ctstate ESTABLISHED,DNAT" is an or. */
static int test_state(const struct conntrack *ct) {
    uint16_t mask = ct->match->state_mask;
    bool negate = ct->match->invert_flags & XT_CONNTRACK_STATE;
    uint32_t status = (mask & XT_CONNTRACK_STATE_SNAT ? IPS_SRC_NAT : 0U) |
                      (mask & XT_CONNTRACK_STATE_DNAT ? IPS_DST_NAT : 0U);
    const struct ng_operand operands[] = {xt_masked(NG_FIELD_CT_STATE, state_bits(mask)),
                                          xt_masked(NG_FIELD_CT_STATUS, status)};
    if (!(ct->match->match_flags & XT_CONNTRACK_STATE))
        return 0;
    if (!status)
        return ng_op_add_interval(ct->xt->list, operands[0], 1, XT_WHOLE, negate);
    static const struct ng_interval sides[] = {
        {1, XT_WHOLE}, {0, XT_WHOLE}, {0, XT_WHOLE}, {1, XT_WHOLE}};
    return xt_add_boxes(ct->xt->list, operands, 2, sides, 2, negate);
}

static int test_addrs(const struct conntrack *ct) {
    const struct xt_conntrack_mtinfo3 *match = ct->match;
    int r = test_addr(ct, XT_CONNTRACK_ORIGSRC, NG_FIELD_CT_SADDR, &match->origsrc_addr,
                      &match->origsrc_mask);
    if (r == 0)
        r = test_addr(ct, XT_CONNTRACK_ORIGDST, NG_FIELD_CT_DADDR, &match->origdst_addr,
                      &match->origdst_mask);
    if (r == 0)
        r = test_addr(ct, XT_CONNTRACK_REPLSRC, NG_FIELD_CT_REPLY_SADDR, &match->replsrc_addr,
                      &match->replsrc_mask);
    if (r == 0)
        r = test_addr(ct, XT_CONNTRACK_REPLDST, NG_FIELD_CT_REPLY_DADDR, &match->repldst_addr,
                      &match->repldst_mask);
    return r;
}

static int test_ports(const struct conntrack *ct) {
    const struct xt_conntrack_mtinfo3 *match = ct->match;
    int r =
        test(ct, XT_CONNTRACK_PROTO, xt_field(NG_FIELD_CT_L4PROTO), match->l4proto, match->l4proto);
    if (r == 0)
        r = test(ct, XT_CONNTRACK_ORIGSRC_PORT, xt_field(NG_FIELD_CT_SPORT), match->origsrc_port,
                 match->origsrc_port_high);
    if (r == 0)
        r = test(ct, XT_CONNTRACK_ORIGDST_PORT, xt_field(NG_FIELD_CT_DPORT), match->origdst_port,
                 match->origdst_port_high);
    if (r == 0)
        r = test(ct, XT_CONNTRACK_REPLSRC_PORT, xt_field(NG_FIELD_CT_REPLY_SPORT),
                 match->replsrc_port, match->replsrc_port_high);
    if (r == 0)
        r = test(ct, XT_CONNTRACK_REPLDST_PORT, xt_field(NG_FIELD_CT_REPLY_DPORT),
                 match->repldst_port, match->repldst_port_high);
    return r;
}

static int conntrack_of(const struct xt *xt, const struct xt_conntrack_mtinfo3 *match) {
    const struct conntrack ct = {xt, match, lets_no_connection(match)};
    int r = test_state(&ct);
    if (r == 0)
        r = test(&ct, XT_CONNTRACK_DIRECTION, xt_field(NG_FIELD_CT_DIRECTION), 0, 0);
    if (r == 0)
        r = test_addrs(&ct);
    if (r == 0)
        r = test_ports(&ct);
    if (r == 0)
        r = test(&ct, XT_CONNTRACK_STATUS, xt_masked(NG_FIELD_CT_STATUS, match->status_mask), 1,
                 XT_WHOLE);
    /* In whole seconds; nf_tables counts milliseconds. */
    if (r == 0)
        r = test(&ct, XT_CONNTRACK_EXPIRES, xt_field(NG_FIELD_CT_EXPIRATION),
                 (ng_u128)match->expires_min * 1000, (ng_u128)match->expires_max * 1000 + 999);
    return r;
}

static int conntrack(const struct xt *xt) {
    return conntrack_of(xt, xt->info);
}

/* Revisions 1 and 2 have single ports, in network order. */
static int conntrack_old(const struct xt *xt, const struct xt_conntrack_mtinfo2 *old) {
    struct xt_conntrack_mtinfo3 match = {0};
    memcpy(&match, old, sizeof(*old));
    uint16_t *const ports[][2] = {{&match.origsrc_port, &match.origsrc_port_high},
                                  {&match.origdst_port, &match.origdst_port_high},
                                  {&match.replsrc_port, &match.replsrc_port_high},
                                  {&match.repldst_port, &match.repldst_port_high}};
    for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
        *ports[i][0] = *ports[i][1] =
            (uint16_t)ng_wire_number((const uint8_t *)ports[i][0], 2, false);
    return conntrack_of(xt, &match);
}

static int conntrack_2(const struct xt *xt) {
    return conntrack_old(xt, xt->info);
}

static int conntrack_1(const struct xt *xt) {
    const struct xt_conntrack_mtinfo1 *old = xt->info;
    struct xt_conntrack_mtinfo2 match = {0};
    memcpy(&match, old, offsetof(struct xt_conntrack_mtinfo1, state_mask));
    match.state_mask = old->state_mask;
    match.status_mask = old->status_mask;
    return conntrack_old(xt, &match);
}

/* Its bits are those of nf_tables. */
static int state(const struct xt *xt) {
    const struct xt_state_info *match = xt->info;
    return ng_op_add_interval(xt->list, xt_masked(NG_FIELD_CT_STATE, match->statemask), 1, XT_WHOLE,
                              false);
}

/* -- marks, labels, helpers ---------------------------------------------------------- */

static int connmark(const struct xt *xt) {
    const struct xt_connmark_mtinfo1 *match = xt->info;
    return ng_op_add_interval(xt->list, xt_masked(NG_FIELD_CT_MARK, match->mask), match->mark,
                              match->mark, match->invert);
}

/* Without a connection it has no label, and the inverse holds. */
static int connlabel(const struct xt *xt) {
    const struct xt_connlabel_mtinfo *match = xt->info;
    const ng_u128 bit = (ng_u128)1 << (match->bit & XT_CONNLABEL_MAXBIT);
    bool invert = match->options & XT_CONNLABEL_OP_INVERT;
    if (!(match->options & XT_CONNLABEL_OP_SET))
        return xt_add_present(xt->list, xt_masked(NG_FIELD_CT_LABEL, bit), bit, bit, invert);
    /* It labels whatever has a connection, finds the label there, and so says no inverted. */
    xt->list->sets_label = true;
    int r = invert
                ? ng_op_add_interval(xt->list, xt_masked(NG_FIELD_CT_STATE, NO_CONNECTION), 1,
                                     XT_WHOLE, false)
                : ng_op_add_interval(xt->list, xt_field(NG_FIELD_CT_DIRECTION), 0, XT_WHOLE, false);
    return r < 0 ? r
                 : ng_op_add_text(xt->list, NG_OP_NOTHING, "connlabel%s --label %u --set",
                                  xt_not(invert), match->bit);
}

/* Only a connection that another one has announced (a RELATED one, and what it grows into) is
 * that of a helper. */
static int helper(const struct xt *xt) {
    const struct xt_helper_info *match = xt->info;
    struct ng_operand operands[] = {xt_masked(NG_FIELD_CT_STATE, HAS_MASTER),
                                    xt_field(NG_FIELD_OTHER)};
    operands[1].name =
        ng_arena_printf(xt->list->arena, "helper --helper \"%.*s\"", XT_CHARS(match->name));
    if (!operands[1].name)
        return -ENOMEM;
    if (match->invert) {
        static const struct ng_interval sides[] = {{1, XT_WHOLE}, {0, 0}};
        return xt_add_boxes(xt->list, operands, 2, sides, 1, true);
    }
    int r = ng_op_add_interval(xt->list, operands[0], 1, XT_WHOLE, false);
    return r < 0 ? r : ng_op_add_text(xt->list, NG_OP_UNDECIDED, "%s", operands[1].name);
}

/* -- counts -------------------------------------------------------------------------- */

static int connbytes(const struct xt *xt) {
    static const char *const modes[] = {"packets", "bytes", "avgpkt"};
    static const char *const directions[] = {"original", "reply", "both"};
    const struct xt_connbytes_info *match = xt->info;
    bool inverted = match->count.to < match->count.from; /* that is how it is written */
    return ng_op_add_text(
        xt->list, NG_OP_UNDECIDED,
        "connbytes%s --connbytes %llu:%llu --connbytes-mode %s --connbytes-dir %s",
        xt_not(inverted), (unsigned long long)(inverted ? match->count.to : match->count.from),
        (unsigned long long)(inverted ? match->count.from : match->count.to),
        match->what < ARRAY_SIZE(modes) ? modes[match->what] : "?",
        match->direction < ARRAY_SIZE(directions) ? directions[match->direction] : "?");
}

static int connlimit(const struct xt *xt) {
    const struct xt_connlimit_info *match = xt->info;
    return ng_op_add_text(xt->list, NG_OP_UNDECIDED, "connlimit --connlimit-%s %u%s",
                          match->flags & XT_CONNLIMIT_INVERT ? "upto" : "above", match->limit,
                          match->flags & XT_CONNLIMIT_DADDR ? " --connlimit-daddr" : "");
}

static int cluster(const struct xt *xt) {
    const struct xt_cluster_match_info *match = xt->info;
    return ng_op_add_text(xt->list, NG_OP_UNDECIDED,
                          "cluster --cluster-total-nodes %u%s --cluster-local-nodemask 0x%x",
                          match->total_nodes, xt_not(match->flags & XT_CLUSTER_F_INV),
                          match->node_mask);
}

const struct xt_extension ng_xt_conntrack_matches[] = {
    {"conntrack", 3, NFPROTO_INET, true, sizeof(struct xt_conntrack_mtinfo3), conntrack},
    {"state", 0, NFPROTO_UNSPEC, true, sizeof(struct xt_state_info), state},
    {"connmark", 1, NFPROTO_UNSPEC, true, sizeof(struct xt_connmark_mtinfo1), connmark},
    {"connlimit", 1, NFPROTO_UNSPEC, true, sizeof(struct xt_connlimit_info), connlimit},
    {"connbytes", 0, NFPROTO_UNSPEC, true, sizeof(struct xt_connbytes_info), connbytes},
    {"connlabel", 0, NFPROTO_UNSPEC, true, sizeof(struct xt_connlabel_mtinfo), connlabel},
    {"helper", 0, NFPROTO_UNSPEC, true, sizeof(struct xt_helper_info), helper},
    {"cluster", 0, NFPROTO_UNSPEC, true, sizeof(struct xt_cluster_match_info), cluster},
    {"conntrack", 2, NFPROTO_INET, true, sizeof(struct xt_conntrack_mtinfo2), conntrack_2},
    {"conntrack", 1, NFPROTO_INET, true, sizeof(struct xt_conntrack_mtinfo1), conntrack_1},
    {.name = NULL},
};
