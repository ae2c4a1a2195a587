/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/route_rules.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "agent/observe/attributes.h"
#include "agent/observe/proc.h"
#include "agent/observe/routes.h"

/* Attributes later kernels may send; whatever is above what we know has to be noticed. */
#define RULE_ATTRS 63

/* Attributes of Linux 6.15, which older headers lack. */
enum {
    ATTR_SPORT_MASK = 28,
    ATTR_DPORT_MASK = 29,
};

/* Whether a rule also asks for something the model does not carry. Attributes that do not select,
 * or that the model has a place for, are named; any other counts, above all those of later
 * kernels. */
static bool has_other_selectors(const struct fib_rule_hdr *header,
                                const struct nlattr *const attrs[]) {
    if (header->tos != 0)
        return true;
    for (unsigned type = 1; type <= RULE_ATTRS; type++) {
        if (!attrs[type])
            continue;
        switch (type) {
        case FRA_DST:
        case FRA_SRC:
        case FRA_IIFNAME:
        case FRA_OIFNAME:
        case FRA_GOTO:
        case FRA_PRIORITY:
        case FRA_FWMARK:
        case FRA_FWMASK:
        case FRA_FLOW: /* a realm for accounting */
        case FRA_TABLE:
        case FRA_PAD:
        case FRA_PROTOCOL: /* who wrote the rule */
        case FRA_IP_PROTO:
        case FRA_SPORT_RANGE:
        case FRA_DPORT_RANGE:
        case ATTR_SPORT_MASK:
        case ATTR_DPORT_MASK:
        case FRA_SUPPRESS_PREFIXLEN:
        case FRA_UID_RANGE:
        case FRA_L3MDEV:
            break;
        case FRA_SUPPRESS_IFGROUP:
            if (ng_attribute_u32(attrs[type], UINT32_MAX) != UINT32_MAX)
                return true;
            break;
        default:
            return true;
        }
    }
    return false;
}

static int decode_name(struct ng_arena *arena, const struct nlattr *attr, const char **ret_name) {
    if (!attr)
        return 0;
    *ret_name = ng_proc_utf8(arena, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
    return *ret_name ? 0 : -ENOMEM;
}

/* A range of ports; with a mask (never on more than one port) those that are alike under it,
 * which are a range as well unless the mask has holes. */
static int decode_ports(const struct nlattr *attr, const struct nlattr *mask_attr, uint16_t *ret_lo,
                        uint16_t *ret_hi, bool *ret_other) {
    struct fib_rule_port_range range;
    uint16_t mask = UINT16_MAX, rest;

    if (!attr)
        return 0;
    if (mnl_attr_get_payload_len(attr) != sizeof(range))
        return -EBADMSG;
    memcpy(&range, mnl_attr_get_payload(attr), sizeof(range));
    if (mask_attr) {
        if (mnl_attr_get_payload_len(mask_attr) != sizeof(mask))
            return -EBADMSG;
        mask = mnl_attr_get_u16(mask_attr);
        if (mask == 0)
            mask = UINT16_MAX;
    }
    rest = (uint16_t)~mask;
    if (rest & (rest + 1))
        *ret_other = true;
    *ret_lo = range.start & mask;
    *ret_hi = range.end | rest;
    return 0;
}

/* Who sent it is asked of a packet that arrives, too: it counts as one of root's
 * (sock_net_uid without a socket). */
static int decode_uids(const struct nlattr *attr, bool *ret_never) {
    struct fib_rule_uid_range range;

    if (!attr)
        return 0;
    if (mnl_attr_get_payload_len(attr) != sizeof(range))
        return -EBADMSG;
    memcpy(&range, mnl_attr_get_payload(attr), sizeof(range));
    *ret_never = range.start > 0;
    return 0;
}

static int decode_selectors(struct ng_arena *arena, const struct fib_rule_hdr *header,
                            const struct nlattr *const attrs[], struct ng_route_rule *rule) {
    int r = 0;

    if (attrs[FRA_SRC] || header->src_len > 0)
        r = ng_routes_decode_prefix(attrs[FRA_SRC], rule->family, header->src_len, &rule->src);
    if (r == 0 && (attrs[FRA_DST] || header->dst_len > 0))
        r = ng_routes_decode_prefix(attrs[FRA_DST], rule->family, header->dst_len, &rule->dst);
    if (r == 0)
        r = decode_name(arena, attrs[FRA_IIFNAME], &rule->iif);
    if (r == 0)
        r = decode_name(arena, attrs[FRA_OIFNAME], &rule->oif);
    if (r == 0)
        r = decode_ports(attrs[FRA_SPORT_RANGE], attrs[ATTR_SPORT_MASK], &rule->sport_lo,
                         &rule->sport_hi, &rule->other_selectors);
    if (r == 0)
        r = decode_ports(attrs[FRA_DPORT_RANGE], attrs[ATTR_DPORT_MASK], &rule->dport_lo,
                         &rule->dport_hi, &rule->other_selectors);
    if (r < 0)
        return r;
    rule->src_len = header->src_len;
    rule->dst_len = header->dst_len;
    rule->invert = header->flags & FIB_RULE_INVERT;
    rule->fwmark = ng_attribute_u32(attrs[FRA_FWMARK], 0);
    rule->fwmask = ng_attribute_u32(attrs[FRA_FWMASK], 0);
    rule->proto = ng_attribute_u8(attrs[FRA_IP_PROTO], 0);
    return 0;
}

/* What a rule does, whomever it is for. */
static void decode_action(const struct fib_rule_hdr *header, const struct nlattr *const attrs[],
                          struct ng_route_rule *rule) {
    uint32_t suppressed = ng_attribute_u32(attrs[FRA_SUPPRESS_PREFIXLEN], UINT32_MAX);

    rule->priority = ng_attribute_u32(attrs[FRA_PRIORITY], 0);
    rule->action = header->action;
    rule->table = ng_attribute_u32(attrs[FRA_TABLE], header->table);
    rule->suppresses = suppressed <= INT32_MAX;
    if (rule->suppresses)
        rule->suppress_len = suppressed < 128 ? (uint8_t)suppressed : 128;
    rule->target = ng_attribute_u32(attrs[FRA_GOTO], 0);
    /* There is no rule where it leads to. */
    if (rule->action == FR_ACT_GOTO && header->flags & FIB_RULE_UNRESOLVED) {
        rule->action = FR_ACT_NOP;
        rule->target = 0;
    }
}

/* A rule with a selector that no packet holds which arrives: one for all, when it is inverted,
 * and else one for none. */
static struct ng_route_rule without_selectors(const struct ng_route_rule *rule) {
    return (struct ng_route_rule){
        .family = rule->family,
        .priority = rule->priority,
        .action = rule->invert ? rule->action : FR_ACT_NOP,
        .table = rule->table,
        .target = rule->invert ? rule->target : 0,
        .suppresses = rule->suppresses,
        .suppress_len = rule->suppress_len,
    };
}

int ng_route_rules_decode(struct ng_arena *arena, const struct nlmsghdr *message,
                          struct ng_route_rule *ret_rule) {
    const struct fib_rule_hdr *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[RULE_ATTRS + 1];
    struct ng_route_rule rule = {0};
    bool never = false;
    int r;

    if (message->nlmsg_type != RTM_NEWRULE)
        return 1;
    r = ng_attributes_of(message, sizeof(*header), attrs, RULE_ATTRS);
    if (r < 0)
        return r;
    rule.family = ng_routes_family(header->family);
    if (rule.family == 0)
        return 1;

    rule.other_selectors = has_other_selectors(header, attrs);
    decode_action(header, attrs, &rule);
    r = decode_selectors(arena, header, attrs, &rule);
    if (r == 0)
        r = decode_uids(attrs[FRA_UID_RANGE], &never);
    if (r < 0)
        return r;
    if (attrs[FRA_L3MDEV]) {
        /* What is done but to look into the VRF's table is done for packets of VRFs only. */
        rule.other_selectors |= rule.action != FR_ACT_TO_TBL;
        rule.table = 0;
    }
    *ret_rule = never ? without_selectors(&rule) : rule;
    return 0;
}
