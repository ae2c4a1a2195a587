/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/reach/packet.h"

#include "policy/reach/route.h"

/* linux/netfilter.h, linux/if_ether.h, linux/netfilter/nf_conntrack_common.h: kernel ABI. */
enum {
    NFPROTO_IPV4_ = 2,
    NFPROTO_IPV6_ = 10,
    ETHERTYPE_IP4 = 0x0800,
    ETHERTYPE_IP6 = 0x86dd,
    CT_INVALID = 1,
    CT_NEW = 8,
    CT_UNTRACKED = 64,
    CT_STATUS_DST_NAT = 1 << 5,
    CT_PRIORITY = -200, /* NF_IP_PRI_CONNTRACK: no connection is known before it */
    TCP_SYN = 2,
    PACKET_HOST_ = 0,
};

enum knowledge {
    KNOWN,
    SOURCE_ADDR, /* it is the source address: a set */
    SOURCE_PORT,
    UNKNOWN,
    ABSENT, /* the packet has none: the kernel ends the rule there, negated or not */
};

static enum knowledge known(ng_u128 value, ng_u128 *ret_value) {
    *ret_value = value;
    return KNOWN;
}

static bool has_ports(uint8_t proto) {
    return proto == NG_TCP || proto == NG_UDP || proto == NG_SCTP;
}

static enum knowledge link_value(const struct ng_link *link, const struct link_names *names,
                                 enum ng_field field, ng_u128 *ret_value) {
    switch (field) {
    case NG_FIELD_IIF:
    case NG_FIELD_OIF:
        return known(link ? link->index : 0, ret_value);
    case NG_FIELD_IIFNAME:
    case NG_FIELD_OIFNAME:
        /* Without a device the kernel compares with the empty name. */
        return known(link ? names->name : 0, ret_value);
    case NG_FIELD_IIFKIND:
    case NG_FIELD_OIFKIND:
        return link && names->kind ? known(names->kind, ret_value) : ABSENT;
    default:
        return link ? known(link->type, ret_value) : ABSENT;
    }
}

/* Conntrack looks at a packet that comes in once, in prerouting: a chain of a later hook has
 * it behind itself whatever its priority. */
bool ng_past_conntrack(const struct place *place) {
    if (place->hook == NG_HOOK_INGRESS)
        return false;
    return place->hook != NG_HOOK_PREROUTING || place->priority >= CT_PRIORITY;
}

/* The connection's own fields; a packet that is not tracked has none but its state. */
static enum knowledge connection_value(const struct place *place, const struct flow *flow,
                                       enum ng_field field, ng_u128 *ret_value) {
    bool early = !ng_past_conntrack(place);
    if (field == NG_FIELD_CT_STATE)
        return known(flow->untracked ? CT_UNTRACKED : early ? CT_INVALID : CT_NEW, ret_value);
    if (flow->untracked || early)
        return ABSENT;
    switch (field) {
    case NG_FIELD_CT_STATUS:
        return known(flow->translated ? CT_STATUS_DST_NAT : 0, ret_value);
    case NG_FIELD_CT_DIRECTION:
        return known(0, ret_value);
    case NG_FIELD_CT_L4PROTO:
        return known(place->question->proto, ret_value);
    case NG_FIELD_CT_SADDR:
        return SOURCE_ADDR;
    case NG_FIELD_CT_SPORT:
        return has_ports(place->question->proto) ? SOURCE_PORT : UNKNOWN;
    case NG_FIELD_CT_DADDR:
        return known(place->question->daddr, ret_value);
    case NG_FIELD_CT_DPORT:
        return has_ports(place->question->proto) ? known(place->question->dport, ret_value)
                                                 : UNKNOWN;
    default: /* the mark: rules may set it, and that is not followed */
        return UNKNOWN;
    }
}

static enum knowledge field_value(const struct place *place, const struct flow *flow,
                                  const struct ng_operand *operand, ng_u128 *ret_value) {
    const struct ng_question *question = place->question;
    bool ports = has_ports(question->proto), ip4 = question->family == NG_IP4;
    if (operand->family && operand->family != question->family) {
        /* The kernel reads a header's bytes whatever they are, but knows whose addresses a
         * connection has (nft_ct.c). */
        bool connection =
            operand->field == NG_FIELD_CT_SADDR || operand->field == NG_FIELD_CT_DADDR;
        return connection ? ABSENT : UNKNOWN;
    }
    switch (operand->field) {
    case NG_FIELD_SADDR:
        return SOURCE_ADDR;
    case NG_FIELD_DADDR:
        return known(flow->daddr, ret_value);
    case NG_FIELD_SPORT:
        return ports ? SOURCE_PORT : UNKNOWN;
    case NG_FIELD_DPORT:
        return ports ? known(flow->dport, ret_value) : UNKNOWN;
    case NG_FIELD_L4PROTO:
        return known(question->proto, ret_value);
    case NG_FIELD_NFPROTO:
        return known(ip4 ? NFPROTO_IPV4_ : NFPROTO_IPV6_, ret_value);
    case NG_FIELD_ETHERTYPE:
        return known(ip4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6, ret_value);
    case NG_FIELD_IIF:
    case NG_FIELD_IIFNAME:
    case NG_FIELD_IIFTYPE:
    case NG_FIELD_IIFKIND:
        return link_value(place->iif, place->iif_names, operand->field, ret_value);
    case NG_FIELD_OIF:
    case NG_FIELD_OIFNAME:
    case NG_FIELD_OIFTYPE:
    case NG_FIELD_OIFKIND:
        return link_value(place->oif, place->oif_names, operand->field, ret_value);
    case NG_FIELD_MARK:
        return flow->mark_known ? known(flow->mark, ret_value) : UNKNOWN;
    case NG_FIELD_PKTTYPE:
        return known(PACKET_HOST_, ret_value);
    case NG_FIELD_FRAGMENT:
        return known(0, ret_value);
    case NG_FIELD_EXTHDR:
        return ABSENT;
    case NG_FIELD_EXTHDR_PRESENT:
        return known(0, ret_value);
    case NG_FIELD_TCP_FLAGS:
        return question->proto == NG_TCP ? known(TCP_SYN, ret_value) : UNKNOWN;
    case NG_FIELD_FIB_DADDR_TYPE:
        return known(ng_route_addr_type(place->state->world, question->family, flow->daddr, 0),
                     ret_value);
    case NG_FIELD_FIB_DADDR_IIF_TYPE:
        return known(ng_route_addr_type(place->state->world, question->family, flow->daddr,
                                        place->iif->index),
                     ret_value);
    case NG_FIELD_OTHER:
    case NG_FIELD_ICMP_TYPE:
    case NG_FIELD_ICMP_CODE:
    case NG_FIELD_COUNT:
        return UNKNOWN;
    default:
        return connection_value(place, flow, operand->field, ret_value);
    }
}

static ng_u128 masked(const struct ng_operand *operand, ng_u128 value) {
    return (value & operand->mask) ^ operand->flip;
}

static bool plain(const struct ng_operand *operand) {
    return operand->mask == ~(ng_u128)0 && operand->flip == 0;
}

static const struct ng_interval every_addr = {0, ~(ng_u128)0};

/* The pairs of one region whose source address or port lies in `values`. */
static int select_source(const struct place *place, struct ng_region from, bool port,
                         struct ng_addrset values, struct ng_region *ret_region) {
    struct ng_region chosen = {0};
    if (!port) {
        int r = ng_region_make(place->arena, 0, UINT16_MAX, values, &chosen);
        return r < 0 ? r : ng_region_intersect(place->arena, from, chosen, ret_region);
    }
    for (size_t i = 0; i < values.count; i++) {
        struct ng_interval ports = values.intervals[i];
        struct ng_region band;
        if (ports.lo > UINT16_MAX)
            break;
        if (ports.hi > UINT16_MAX)
            ports.hi = UINT16_MAX;
        int r = ng_region_make(place->arena, (uint16_t)ports.lo, (uint16_t)ports.hi,
                               (struct ng_addrset){&every_addr, 1}, &band);
        if (r == 0)
            r = ng_region_union(place->arena, chosen, band, &chosen);
        if (r < 0)
            return r;
    }
    return ng_region_intersect(place->arena, from, chosen, ret_region);
}

static const struct ng_region nobody;

/* A test of one field by value. */
static int match_values(const struct place *place, const struct flow *flow,
                        const struct ng_match *match, struct ng_region *ret_certain,
                        struct ng_region *ret_possible) {
    const struct ng_operand *operand = &match->operands[0];
    ng_u128 value = 0;
    enum knowledge knowledge = field_value(place, flow, operand, &value);
    bool source = knowledge == SOURCE_ADDR || knowledge == SOURCE_PORT;
    if (knowledge == UNKNOWN || (source && !plain(operand))) {
        *ret_certain = nobody;
        *ret_possible = flow->region;
        return 0;
    }
    if (!source) {
        bool in = ng_addrset_contains(match->values, masked(operand, value));
        bool may = in || ng_addrset_contains(match->expiring, masked(operand, value));
        *ret_certain = in ? flow->region : nobody;
        *ret_possible = may ? flow->region : nobody;
        return 0;
    }
    bool port = knowledge == SOURCE_PORT;
    int r = select_source(place, flow->region, port, match->values, ret_certain);
    if (r < 0 || ng_addrset_empty(match->expiring)) {
        *ret_possible = *ret_certain;
        return r;
    }
    r = select_source(place, flow->region, port, match->expiring, ret_possible);
    return r < 0 ? r : ng_region_union(place->arena, *ret_certain, *ret_possible, ret_possible);
}

int ng_box_region(const struct place *place, const struct flow *flow, const struct ng_match *match,
                  const struct ng_box *box, struct ng_region *ret_certain,
                  struct ng_region *ret_possible) {
    struct ng_region possible = flow->region;
    bool certain = !box->expires;
    for (size_t i = 0; i < match->n_operands && !ng_region_empty(possible); i++) {
        const struct ng_operand *operand = &match->operands[i];
        struct ng_interval side = box->sides[i];
        if (side.lo == 0 && side.hi == ~(ng_u128)0)
            continue;
        ng_u128 value = 0;
        enum knowledge knowledge = field_value(place, flow, operand, &value);
        bool source = knowledge == SOURCE_ADDR || knowledge == SOURCE_PORT;
        if (knowledge == ABSENT) {
            possible = nobody;
        } else if (knowledge == UNKNOWN || (source && !plain(operand))) {
            certain = false;
        } else if (source) {
            int r = select_source(place, possible, knowledge == SOURCE_PORT,
                                  (struct ng_addrset){&side, 1}, &possible);
            if (r < 0)
                return r;
        } else if (masked(operand, value) < side.lo || masked(operand, value) > side.hi) {
            possible = nobody;
        }
    }
    *ret_possible = possible;
    *ret_certain = certain ? possible : nobody;
    return 0;
}

static int match_boxes(const struct place *place, const struct flow *flow,
                       const struct ng_match *match, struct ng_region *ret_certain,
                       struct ng_region *ret_possible) {
    struct ng_region certain = nobody, possible = nobody;
    for (size_t i = 0; i < match->n_boxes; i++) {
        struct ng_region here_certain, here_possible;
        int r = ng_box_region(place, flow, match, &match->boxes[i], &here_certain, &here_possible);
        if (r == 0)
            r = ng_region_union(place->arena, certain, here_certain, &certain);
        if (r == 0)
            r = ng_region_union(place->arena, possible, here_possible, &possible);
        if (r < 0)
            return r;
    }
    *ret_certain = certain;
    *ret_possible = possible;
    return 0;
}

bool ng_match_absent(const struct place *place, const struct flow *flow,
                     const struct ng_match *match) {
    if (match->any_of)
        return false;
    for (size_t i = 0; i < match->n_operands; i++) {
        ng_u128 value;
        if (field_value(place, flow, &match->operands[i], &value) == ABSENT)
            return true;
    }
    return false;
}

int ng_match_region(const struct place *place, const struct flow *flow,
                    const struct ng_match *match, struct ng_region *ret_certain,
                    struct ng_region *ret_possible) {
    if (ng_match_absent(place, flow, match)) {
        *ret_certain = *ret_possible = nobody;
        return 0;
    }
    struct ng_region certain, possible;
    int r = (match->boxes ? match_boxes : match_values)(place, flow, match, &certain, &possible);
    if (r < 0)
        return r;
    /* A set that packets fill may hold the next one already. */
    if (match->dynamic)
        possible = flow->region;
    if (!match->negate) {
        *ret_certain = certain;
        *ret_possible = possible;
        return 0;
    }
    r = ng_region_subtract(place->arena, flow->region, possible, ret_certain);
    return r < 0 ? r : ng_region_subtract(place->arena, flow->region, certain, ret_possible);
}
