/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/xt_parts.h"

#include <errno.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_devgroup.h>
#include <linux/netfilter/xt_owner.h>
#include <linux/netfilter/xt_physdev.h>
#include <linux/netfilter/xt_policy.h>
#include <linux/netfilter/xt_rpfilter.h>

/* What the host knows of a packet: its routes, links, sockets and security associations. */

/* -- addrtype ------------------------------------------------------------------------ */

/* RTN_… of linux/rtnetlink.h, of which XT_ADDRTYPE_… are the bits. */
enum { TYPES = 12, UNREACHABLE_FIRST = 6, UNREACHABLE_LAST = 9 };

struct addrtype {
    const struct xt *xt;
    uint8_t fib; /* enum ng_fib */
};

static struct ng_operand type_operand(const struct addrtype *asked) {
    struct ng_operand operand = xt_field(NG_FIELD_FIB_TYPE);
    operand.fib = asked->fib;
    return operand;
}

static int types4(const struct addrtype *asked, uint16_t types, bool negate) {
    struct ng_interval intervals[16];
    size_t n = 0;
    for (unsigned type = 0; type < ARRAY_SIZE(intervals); type++)
        if (types >> type & 1)
            intervals[n++] = (struct ng_interval){type, type};
    struct ng_addrset values;
    int r = ng_addrset_from(asked->xt->list->arena, intervals, n, &values);
    return r < 0 ? r : ng_op_add_match(asked->xt->list, type_operand(asked), values, negate);
}

/* Addresses that are of each of the kinds listed, going by what they look like. At most three
 * stretches; none: they contradict each other. */
static size_t kinds6(uint16_t types, struct ng_interval *ret_addrs) {
    static const ng_u128 multicast = (ng_u128)0xff << 120, mapped = (ng_u128)0xffff << 32;
    static const uint16_t kinds = XT_ADDRTYPE_UNSPEC | XT_ADDRTYPE_UNICAST | XT_ADDRTYPE_MULTICAST;
    switch (types & kinds) {
    case 0:
        ret_addrs[0] = (struct ng_interval){0, XT_WHOLE};
        return 1;
    case XT_ADDRTYPE_UNSPEC:
        ret_addrs[0] = (struct ng_interval){0, 0};
        return 1;
    case XT_ADDRTYPE_MULTICAST:
        ret_addrs[0] = (struct ng_interval){multicast, XT_WHOLE};
        return 1;
    case XT_ADDRTYPE_UNICAST: /* neither ::, an IPv4-mapped address nor a group */
        ret_addrs[0] = (struct ng_interval){1, mapped - 1};
        ret_addrs[1] = (struct ng_interval){mapped + ((ng_u128)1 << 32), multicast - 1};
        return 2;
    default:
        return 0;
    }
}

/* IPv6 asks a list of types in another way (match_type6 of the kernel): the address has to be
 * of each of the kinds that it shows by itself, and of one of those that routing tells. So
 * "UNICAST" holds for local addresses too, and "LOCAL,MULTICAST" for none. */
static int types6(const struct addrtype *asked, uint16_t types, bool negate) {
    static const struct ng_interval routed[] = {
        [0] = {2, 2}, [1] = {4, 4}, [2] = {UNREACHABLE_FIRST, UNREACHABLE_LAST}};
    static const uint16_t bits[] = {XT_ADDRTYPE_LOCAL, XT_ADDRTYPE_ANYCAST,
                                    XT_ADDRTYPE_UNREACHABLE};
    struct ng_interval addrs[2] = {0}, ways[ARRAY_SIZE(routed)], sides[2 * 2 * ARRAY_SIZE(routed)];
    size_t n_addrs = kinds6(types, addrs), n_ways = 0, n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(routed); i++)
        if (types & bits[i])
            ways[n_ways++] = routed[i];
    if (n_ways == 0)
        ways[n_ways++] = (struct ng_interval){0, XT_WHOLE};
    for (size_t i = 0; i < n_addrs; i++)
        for (size_t k = 0; k < n_ways; k++) {
            sides[n++] = addrs[i];
            sides[n++] = ways[k];
        }

    enum ng_field addr = asked->fib & NG_FIB_SADDR ? NG_FIELD_SADDR : NG_FIELD_DADDR;
    const struct ng_operand operands[] = {xt_family_field(asked->xt, addr), type_operand(asked)};
    struct ng_addrset values;
    bool any_addr = addrs[0].lo == 0 && addrs[0].hi == XT_WHOLE;
    bool any_way = ways[0].hi == XT_WHOLE;
    if (n_addrs == 0 || (!any_addr && !any_way))
        return xt_add_boxes(asked->xt->list, operands, 2, sides, n / 2, negate);
    int r = any_way ? ng_addrset_from(asked->xt->list->arena, addrs, n_addrs, &values)
                    : ng_addrset_from(asked->xt->list->arena, ways, n_ways, &values);
    return r < 0 ? r : ng_op_add_match(asked->xt->list, operands[any_way ? 0 : 1], values, negate);
}

static int addrtype_of(const struct xt *xt, const struct xt_addrtype_info_v1 *match) {
    uint8_t limit = match->flags & XT_ADDRTYPE_LIMIT_IFACE_IN    ? NG_FIB_IIF
                    : match->flags & XT_ADDRTYPE_LIMIT_IFACE_OUT ? NG_FIB_OIF
                                                                 : 0;
    const struct addrtype source = {xt, NG_FIB_XTABLES | NG_FIB_SADDR | limit};
    const struct addrtype dest = {xt, NG_FIB_XTABLES | NG_FIB_DADDR | limit};
    int (*types)(const struct addrtype *, uint16_t, bool) =
        xt->family == NFPROTO_IPV6 ? types6 : types4;
    int r = 0;
    if (match->source)
        r = types(&source, match->source, match->flags & XT_ADDRTYPE_INVERT_SOURCE);
    if (r == 0 && match->dest)
        r = types(&dest, match->dest, match->flags & XT_ADDRTYPE_INVERT_DEST);
    return r;
}

static int addrtype(const struct xt *xt) {
    return addrtype_of(xt, xt->info);
}

static int addrtype_0(const struct xt *xt) {
    const struct xt_addrtype_info *old = xt->info;
    const struct xt_addrtype_info_v1 match = {
        .source = old->source,
        .dest = old->dest,
        .flags = (old->invert_source ? XT_ADDRTYPE_INVERT_SOURCE : 0) |
                 (old->invert_dest ? XT_ADDRTYPE_INVERT_DEST : 0),
    };
    return addrtype_of(xt, &match);
}

/* -- routes and links ---------------------------------------------------------------- */

static int rpfilter(const struct xt *xt) {
    const struct xt_rpfilter_info *match = xt->info;
    struct ng_operand way = xt_field(NG_FIELD_FIB_OIF);
    way.fib = NG_FIB_XTABLES | NG_FIB_SADDR | (match->flags & XT_RPFILTER_LOOSE ? 0 : NG_FIB_IIF) |
              (match->flags & XT_RPFILTER_VALID_MARK ? NG_FIB_MARK : 0) |
              (match->flags & XT_RPFILTER_ACCEPT_LOCAL ? NG_FIB_ACCEPT_LOCAL : 0);
    return ng_op_add_interval(xt->list, way, 1, XT_WHOLE, match->flags & XT_RPFILTER_INVERT);
}

static int link_group(const struct xt *xt, enum ng_field which, uint32_t group, uint32_t mask,
                      bool negate) {
    struct ng_operand operand = mask == UINT32_MAX ? xt_field(which) : xt_masked(which, mask);
    return ng_op_add_interval(xt->list, operand, group & mask, group & mask, negate);
}

static int devgroup(const struct xt *xt) {
    const struct xt_devgroup_info *match = xt->info;
    int r = 0;
    if (match->flags & XT_DEVGROUP_MATCH_SRC)
        r = link_group(xt, NG_FIELD_IIFGROUP, match->src_group, match->src_mask,
                       match->flags & XT_DEVGROUP_INVERT_SRC);
    if (r == 0 && match->flags & XT_DEVGROUP_MATCH_DST)
        r = link_group(xt, NG_FIELD_OIFGROUP, match->dst_group, match->dst_mask,
                       match->flags & XT_DEVGROUP_INVERT_DST);
    return r;
}

static void physdev_words(const struct xt_physdev_info *match, struct xt_text *text) {
    xt_put(text, "physdev");
    if (match->bitmask & XT_PHYSDEV_OP_ISIN)
        xt_put(text, "%s --physdev-is-in", xt_not(match->invert & XT_PHYSDEV_OP_ISIN));
    if (match->bitmask & XT_PHYSDEV_OP_IN)
        xt_put(text, "%s --physdev-in %.*s", xt_not(match->invert & XT_PHYSDEV_OP_IN),
               XT_CHARS(match->physindev));
    if (match->bitmask & XT_PHYSDEV_OP_ISOUT)
        xt_put(text, "%s --physdev-is-out", xt_not(match->invert & XT_PHYSDEV_OP_ISOUT));
    if (match->bitmask & XT_PHYSDEV_OP_OUT)
        xt_put(text, "%s --physdev-out %.*s", xt_not(match->invert & XT_PHYSDEV_OP_OUT),
               XT_CHARS(match->physoutdev));
    if (match->bitmask & XT_PHYSDEV_OP_BRIDGED)
        xt_put(text, "%s --physdev-is-bridged", xt_not(match->invert & XT_PHYSDEV_OP_BRIDGED));
}

/* A packet that did not come in by a bridge has no ports of it: then each thing asked must be
 * asked inverted. Which port a packet has that did come by one, no ruleset tells. */
static int physdev(const struct xt *xt) {
    const struct xt_physdev_info *match = xt->info;
    const ng_u128 bridge = ng_wire_number((const uint8_t *)"bridge\0\0\0\0\0\0\0\0\0\0", 16, false);
    struct ng_operand operands[] = {xt_field(NG_FIELD_IIFKIND), xt_field(NG_FIELD_OTHER)};
    struct xt_text text = {.len = 0};
    physdev_words(match, &text);
    if (match->bitmask & ~match->invert) {
        int r = ng_op_add_interval(xt->list, operands[0], bridge, bridge, false);
        return r < 0 ? r : xt_add_words(xt->list, NG_OP_UNDECIDED, &text);
    }
    operands[1].name = ng_arena_strdup(xt->list->arena, text.bytes);
    const struct ng_interval sides[] = {{bridge, bridge}, {0, 0}};
    return operands[1].name ? xt_add_boxes(xt->list, operands, 2, sides, 1, true) : -ENOMEM;
}

/* -- IPsec --------------------------------------------------------------------------- */

static bool asks_elements(const struct xt_policy_info *match) {
    static const struct xt_policy_spec nothing;
    bool strict = match->flags & XT_POLICY_MATCH_STRICT;
    return strict || match->len != 1 || memcmp(&match->pol[0].match, &nothing, sizeof(nothing));
}

static int policy(const struct xt *xt) {
    const struct xt_policy_info *match = xt->info;
    bool in = match->flags & XT_POLICY_MATCH_IN, none = match->flags & XT_POLICY_MATCH_NONE;
    ng_u128 value = none ? 0 : 1;
    int r = ng_op_add_interval(xt->list, xt_field(in ? NG_FIELD_SECPATH : NG_FIELD_RT_IPSEC), value,
                               value, false);
    if (r < 0 || none || !asks_elements(match))
        return r;
    struct xt_text text = {.len = 0};
    xt_put(&text, "policy --dir %s --pol ipsec%s", in ? "in" : "out",
           match->flags & XT_POLICY_MATCH_STRICT ? " --strict" : "");
    for (unsigned i = 0; i < match->len && i < XT_POLICY_MAX_ELEM; i++) {
        const struct xt_policy_elem *element = &match->pol[i];
        xt_put(&text, "%s", i ? " --next" : "");
        if (element->match.reqid)
            xt_put(&text, "%s --reqid %u", xt_not(element->invert.reqid), element->reqid);
        if (element->match.proto)
            xt_put(&text, "%s --proto %u", xt_not(element->invert.proto), element->proto);
    }
    return xt_add_words(xt->list, NG_OP_UNDECIDED, &text);
}

/* -- sockets ------------------------------------------------------------------------- */

/* A packet that no socket of this machine has sent fails what is asked of the socket, and passes
 * what is asked inverted. */
static int owner(const struct xt *xt) {
    const struct xt_owner_match_info *match = xt->info;
    const struct ng_operand uid = xt_field(NG_FIELD_SKUID), gid = xt_field(NG_FIELD_SKGID);
    int r = 0;
    if (match->match & XT_OWNER_SOCKET)
        r = xt_add_present(xt->list, uid, 0, UINT32_MAX, match->invert & XT_OWNER_SOCKET);
    if (r == 0 && match->match & XT_OWNER_UID)
        r = xt_add_present(xt->list, uid, match->uid_min, match->uid_max,
                           match->invert & XT_OWNER_UID);
    if (r == 0 && match->match & XT_OWNER_GID)
        r = xt_add_present(xt->list, gid, match->gid_min, match->gid_max,
                           match->invert & XT_OWNER_GID);
    /* It has no inverse, so that without a socket the whole fails. */
    if (r == 0 && match->match & XT_OWNER_SUPPL_GROUPS)
        r = xt_add_present(xt->list, gid, 0, UINT32_MAX, false);
    return r;
}

const struct xt_extension ng_xt_host_matches[] = {
    {"addrtype", 1, NFPROTO_INET, false, sizeof(struct xt_addrtype_info_v1), addrtype},
    {"policy", 0, NFPROTO_INET, false, sizeof(struct xt_policy_info), policy},
    {"physdev", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_physdev_info), physdev},
    {"rpfilter", 0, NFPROTO_INET, false, sizeof(struct xt_rpfilter_info), rpfilter},
    {"owner", 1, NFPROTO_INET, false, sizeof(struct xt_owner_match_info), owner},
    {"devgroup", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_devgroup_info), devgroup},
    {"addrtype", 0, NFPROTO_IPV4, false, sizeof(struct xt_addrtype_info), addrtype_0},
    {.name = NULL},
};
