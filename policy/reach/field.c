/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/reach/packet.h"

#include "policy/reach/route.h"
#include "policy/reach/source.h"

/* linux/netfilter.h, linux/if_ether.h, linux/if_packet.h, linux/if_arp.h,
 * linux/netfilter/nf_conntrack_common.h: kernel ABI. */
enum {
    NFPROTO_IPV4_ = 2,
    NFPROTO_IPV6_ = 10,
    ETHERTYPE_IP4 = 0x0800,
    ETHERTYPE_IP6 = 0x86dd,
    CT_INVALID = 1,
    CT_ESTABLISHED = 2,
    CT_RELATED = 4,
    CT_NEW = 8,
    CT_UNTRACKED = 64,
    CT_STATUS_EXPECTED = 1 << 0,
    CT_STATUS_DST_NAT = 1 << 5,
    CT_STATUS_SRC_NAT_DONE = 1 << 7,
    CT_STATUS_DST_NAT_DONE = 1 << 8,
    TCP_FIN = 1,
    TCP_SYN = 2,
    TCP_RST = 4,
    TCP_ACK = 16,
    TCP_URG = 32,
    PACKET_HOST_ = 0,
    PACKET_BROADCAST_ = 1,
    PACKET_MULTICAST_ = 2,
    ARPHRD_ETHER_ = 1,
};

static enum knowledge known(ng_u128 value, ng_u128 *ret_value) {
    *ret_value = value;
    return KNOWN;
}

bool ng_has_ports(uint8_t proto) {
    switch (proto) {
    case NG_TCP:
    case NG_UDP:
    case NG_SCTP:
    case 33:  /* DCCP */
    case 136: /* UDP-Lite */
        return true;
    default:
        return false;
    }
}

static bool is_icmp(uint8_t proto) {
    return proto == NG_ICMP || proto == NG_ICMP6;
}

/* Of one source the address is a number like any other; of everybody it is a set. */
static enum knowledge saddr_value(const struct place *place, ng_u128 *ret_value) {
    return place->question->one_source ? known(place->question->saddr, ret_value) : SOURCE_ADDR;
}

static enum knowledge sport_value(const struct place *place, ng_u128 *ret_value) {
    return place->question->one_source ? known(place->question->sport, ret_value) : SOURCE_PORT;
}

/* -- conntrack ----------------------------------------------------------------------- */

/* nf_conntrack_proto_tcp.c: tcp_valid_flags, and tcp_conntracks in the original direction from
 * no connection at all. A packet in the middle of a stream may begin one (loose). */
static uint8_t tcp_state(const struct ng_world *world, const struct ng_question *question) {
    uint8_t flags = question->has_tcp_flags ? question->tcp_flags : TCP_SYN;
    switch (flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK | TCP_URG)) {
    case TCP_SYN:
    case TCP_SYN | TCP_URG:
        return CT_NEW;
    case TCP_ACK:
    case TCP_ACK | TCP_URG:
        return world->conntrack_strict ? CT_INVALID : CT_NEW;
    default:
        return CT_INVALID;
    }
}

/* nf_conntrack_proto_icmp.c and icmpv6.c: requests begin a connection; errors about none that is
 * known, and answers that nobody asked for, are invalid. */
static uint8_t icmp_state(const struct ng_question *question) {
    uint8_t type = question->icmp_type;
    if (question->proto == NG_ICMP)
        return type == 8 || type == 13 || type == 15 || type == 17 ? CT_NEW : CT_INVALID;
    if ((type >= 130 && type <= 136) || type == 143)
        return CT_UNTRACKED; /* neighbours and listeners */
    return type == 128 || type == 139 ? CT_NEW : CT_INVALID;
}

uint8_t ng_first_state(const struct ng_world *world, const struct ng_question *question) {
    if (question->ct_state)
        return question->ct_state;
    if (question->proto == NG_TCP)
        return tcp_state(world, question);
    bool own_icmp = question->proto == (question->family == NG_IP4 ? NG_ICMP : NG_ICMP6);
    return own_icmp ? icmp_state(question) : CT_NEW;
}

/* Conntrack looks at a packet that comes in once, in prerouting: a chain of a later hook has
 * it behind itself whatever its priority. */
bool ng_past_conntrack(const struct place *place) {
    if (place->hook == NG_HOOK_INGRESS)
        return false;
    return place->hook != NG_HOOK_PREROUTING || place->priority >= PRIORITY_CONNTRACK;
}

bool ng_has_connection(const struct place *place, const struct flow *flow) {
    return ng_past_conntrack(place) && !flow->untracked &&
           place->first_state & (CT_NEW | CT_RELATED | CT_ESTABLISHED);
}

static uint8_t state_of(const struct place *place, const struct flow *flow) {
    if (flow->untracked)
        return CT_UNTRACKED;
    return ng_past_conntrack(place) ? place->first_state : CT_INVALID;
}

/* NAT marks a connection that it has looked at when the last chain of its hook has run. Which
 * other chains of that priority run before, nobody tells: then the mark is in `ret_open`. */
static ng_u128 nat_marks(const struct place *place, const struct flow *flow, ng_u128 *ret_open) {
    bool destination = place->hook == NG_HOOK_PREROUTING;
    bool source = place->hook == NG_HOOK_INPUT || place->hook == NG_HOOK_POSTROUTING;
    int32_t turn = destination ? PRIORITY_NAT_DST : PRIORITY_NAT_SRC;
    ng_u128 before = destination ? 0 : CT_STATUS_DST_NAT_DONE;
    ng_u128 own = destination ? CT_STATUS_DST_NAT_DONE : source ? CT_STATUS_SRC_NAT_DONE : 0;
    *ret_open = 0;
    if (place->type == NG_CHAIN_NAT)
        return before;
    if (place->priority > turn || (destination && flow->mapped))
        return before | own;
    if (place->priority == turn)
        *ret_open = own;
    return before;
}

/* NAT's hooks are there when any nat chain is. */
static enum knowledge status_of(const struct place *place, const struct flow *flow,
                                ng_u128 asked_bits, ng_u128 *ret_value) {
    const struct ng_question *question = place->question;
    if (place->first_state == CT_ESTABLISHED || flow->source_mapped)
        return UNKNOWN;
    ng_u128 status = place->first_state == CT_RELATED ? CT_STATUS_EXPECTED : 0, open = 0;
    if (place->state->has_nat[question->family == NG_IP6])
        status |= nat_marks(place, flow, &open);
    if (flow->translated)
        status |= CT_STATUS_DST_NAT;
    return open & asked_bits ? UNKNOWN : known(status, ret_value);
}

static enum knowledge ct_port(const struct place *place, uint16_t port, ng_u128 *ret_value) {
    return ng_has_ports(place->question->proto) ? known(port, ret_value) : UNKNOWN;
}

/* The connection's own fields; a packet that has none has no values for them. */
static enum knowledge connection_value(const struct place *place, const struct flow *flow,
                                       const struct ng_operand *operand, ng_u128 *ret_value) {
    const struct ng_question *question = place->question;
    enum ng_field field = operand->field;
    /* A bridge tracks connections by itself, if rules there ask for them. */
    if (place->in_bridge)
        return UNKNOWN;
    if (field == NG_FIELD_CT_STATE)
        return known(state_of(place, flow), ret_value);
    if (!ng_has_connection(place, flow))
        return ABSENT;
    bool ports = ng_has_ports(question->proto);
    switch (field) {
    case NG_FIELD_CT_STATUS:
        return status_of(place, flow, operand->mask, ret_value);
    case NG_FIELD_CT_DIRECTION:
        return known(0, ret_value);
    case NG_FIELD_CT_L4PROTO:
        return known(question->proto, ret_value);
    case NG_FIELD_CT_SADDR:
    case NG_FIELD_CT_REPLY_DADDR:
        if (field == NG_FIELD_CT_REPLY_DADDR && flow->source_mapped)
            return UNKNOWN;
        return flow->saddr_set ? UNKNOWN : saddr_value(place, ret_value);
    case NG_FIELD_CT_SPORT:
    case NG_FIELD_CT_REPLY_DPORT:
        if (field == NG_FIELD_CT_REPLY_DPORT && flow->source_mapped)
            return UNKNOWN;
        return !ports || flow->sport_set ? UNKNOWN : sport_value(place, ret_value);
    case NG_FIELD_CT_DADDR:
        return known(flow->ct_daddr, ret_value);
    case NG_FIELD_CT_DPORT:
        /* Where ports would stand, the tuple of a ping has type and code. */
        if (is_icmp(question->proto))
            return known((ng_u128)question->icmp_type << 8 | question->icmp_code, ret_value);
        return ct_port(place, flow->ct_dport, ret_value);
    case NG_FIELD_CT_REPLY_SADDR:
        return known(flow->translated ? flow->nat_daddr : flow->ct_daddr, ret_value);
    case NG_FIELD_CT_REPLY_SPORT:
        return ct_port(place, flow->translated ? flow->nat_dport : flow->ct_dport, ret_value);
    case NG_FIELD_CT_MARK:
        return flow->ct_mark_known ? known(flow->ct_mark, ret_value) : UNKNOWN;
    case NG_FIELD_CT_LABEL:
    case NG_FIELD_CT_ZONE:
        return place->first_state == CT_ESTABLISHED ? UNKNOWN : known(0, ret_value);
    default: /* when it ends */
        return UNKNOWN;
    }
}

/* -- the packet itself --------------------------------------------------------------- */

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
    case NG_FIELD_IIFGROUP:
    case NG_FIELD_OIFGROUP:
        return link ? known(link->group, ret_value) : ABSENT;
    default:
        return link ? known(link->type, ret_value) : ABSENT;
    }
}

/* How a frame for this address is sent on Ethernet. */
static ng_u128 pkttype(const struct place *place) {
    uint8_t family = place->question->family;
    ng_u128 daddr = place->question->daddr;
    if (ng_is_multicast(family, daddr))
        return PACKET_MULTICAST_;
    bool broadcast = family == NG_IP4 && ng_route_addr_type(place->state->world, family, daddr,
                                                            0) == NG_ROUTE_BROADCAST;
    return broadcast ? PACKET_BROADCAST_ : PACKET_HOST_;
}

bool ng_is_for_many(const struct place *place) {
    return pkttype(place) != PACKET_HOST_;
}

static enum knowledge ether_value(const struct place *place, enum ng_field field,
                                  ng_u128 *ret_value) {
    /* On its way out it bears the address of the link that it goes out by. */
    bool leaves = place->hook == NG_HOOK_EGRESS;
    const struct ng_link *link = leaves ? place->oif : place->iif;
    if (!link || (link->type != ARPHRD_ETHER_ && !link->loopback))
        return ABSENT;
    if (field == NG_FIELD_ETHER_SADDR && place->question->has_smac && !leaves)
        return known(place->question->smac, ret_value);
    return UNKNOWN;
}

/* Ports, and what stands in their place in other protocols. */
static enum knowledge transport_value(const struct place *place, const struct flow *flow,
                                      enum ng_field field, ng_u128 *ret_value) {
    const struct ng_question *question = place->question;
    bool ports = ng_has_ports(question->proto), icmp = is_icmp(question->proto);
    switch (field) {
    case NG_FIELD_SPORT:
        if (icmp)
            return known((ng_u128)question->icmp_type << 8 | question->icmp_code, ret_value);
        if (ports && flow->source_mapped)
            return UNKNOWN;
        if (ports && flow->sport_set)
            return known(flow->sport, ret_value);
        return ports ? sport_value(place, ret_value) : UNKNOWN;
    case NG_FIELD_DPORT:
        return ports ? known(flow->dport, ret_value) : UNKNOWN;
    case NG_FIELD_TCP_FLAGS:
        return question->proto != NG_TCP
                   ? UNKNOWN
                   : known(question->has_tcp_flags ? question->tcp_flags : TCP_SYN, ret_value);
    case NG_FIELD_ICMP_TYPE:
        return icmp ? known(question->icmp_type, ret_value) : UNKNOWN;
    default: /* NG_FIELD_ICMP_CODE */
        return icmp ? known(question->icmp_code, ret_value) : UNKNOWN;
    }
}

static enum knowledge fib_value(const struct place *place, const struct flow *flow,
                                const struct ng_operand *operand, ng_u128 *ret_value) {
    bool asked = ng_fib_asks_source(place, flow, operand);
    const ng_u128 *saddr = flow->source_mapped           ? NULL
                           : flow->saddr_set             ? &flow->saddr
                           : place->question->one_source ? &place->question->saddr
                                                         : NULL;
    if (asked && !saddr)
        return flow->source_mapped ? UNKNOWN : SOURCE_MAP;
    ng_u128 value = ng_fib_value(place, flow, operand, saddr);
    return value == NG_FIB_UNSURE ? UNKNOWN : known(value, ret_value);
}

/* Read from a header of the other family. The kernel reads its bytes whatever they are, but knows
 * whose addresses a connection has (nft_ct.c). */
static enum knowledge other_family(enum ng_field field) {
    switch (field) {
    case NG_FIELD_CT_SADDR:
    case NG_FIELD_CT_DADDR:
    case NG_FIELD_CT_REPLY_SADDR:
    case NG_FIELD_CT_REPLY_DADDR:
        return ABSENT;
    default:
        return UNKNOWN;
    }
}

enum knowledge ng_field_value(const struct place *place, const struct flow *flow,
                              const struct ng_operand *operand, ng_u128 *ret_value) {
    const struct ng_question *question = place->question;
    bool ip4 = question->family == NG_IP4;
    if (operand->family && operand->family != question->family)
        return other_family(operand->field);
    switch (operand->field) {
    case NG_FIELD_SADDR:
        if (flow->source_mapped) /* to what, is not followed */
            return UNKNOWN;
        return flow->saddr_set ? known(flow->saddr, ret_value) : saddr_value(place, ret_value);
    case NG_FIELD_DADDR:
        return known(flow->daddr, ret_value);
    case NG_FIELD_SPORT:
    case NG_FIELD_DPORT:
    case NG_FIELD_TCP_FLAGS:
    case NG_FIELD_ICMP_TYPE:
    case NG_FIELD_ICMP_CODE:
        return transport_value(place, flow, operand->field, ret_value);
    case NG_FIELD_L4PROTO:
        return known(question->proto, ret_value);
    case NG_FIELD_NFPROTO:
        return known(ip4 ? NFPROTO_IPV4_ : NFPROTO_IPV6_, ret_value);
    case NG_FIELD_ETHERTYPE:
        return known(ip4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6, ret_value);
    case NG_FIELD_IIF:
    case NG_FIELD_IIFNAME:
    case NG_FIELD_IIFKIND:
    case NG_FIELD_IIFGROUP:
        return link_value(place->iif, place->iif_names, operand->field, ret_value);
    case NG_FIELD_OIF:
    case NG_FIELD_OIFNAME:
    case NG_FIELD_OIFTYPE:
    case NG_FIELD_OIFKIND:
    case NG_FIELD_OIFGROUP:
        return link_value(place->oif, place->oif_names, operand->field, ret_value);
    case NG_FIELD_IIFTYPE: { /* of the link that has the packet, and be it on the way out */
        bool leaves = place->hook == NG_HOOK_POSTROUTING || place->hook == NG_HOOK_EGRESS;
        return leaves ? link_value(place->oif, place->oif_names, operand->field, ret_value)
                      : link_value(place->iif, place->iif_names, operand->field, ret_value);
    }
    case NG_FIELD_MARK:
        return flow->mark_known ? known(flow->mark, ret_value) : UNKNOWN;
    case NG_FIELD_PKTTYPE: /* the upper link's address may, or may not, be that of the lower one */
        return place->for_upper && !ng_is_for_many(place) ? UNKNOWN
                                                          : known(pkttype(place), ret_value);
    case NG_FIELD_FRAGMENT:
        return known(0, ret_value);
    case NG_FIELD_EXTHDR:
        return ABSENT;
    case NG_FIELD_EXTHDR_PRESENT:
        return known(0, ret_value);
    case NG_FIELD_ETHER_SADDR:
    case NG_FIELD_ETHER_DADDR:
        return ether_value(place, operand->field, ret_value);
    case NG_FIELD_FIB_TYPE:
    case NG_FIELD_FIB_OIF:
    case NG_FIELD_FIB_OIFNAME:
    case NG_FIELD_FIB_PRESENT:
        return fib_value(place, flow, operand, ret_value);
    case NG_FIELD_SKUID:
    case NG_FIELD_SKGID:
        return ABSENT;
    case NG_FIELD_SECPATH:
    case NG_FIELD_RT_IPSEC:
        return place->state->world->ipsec ? UNKNOWN : known(0, ret_value);
    case NG_FIELD_OTHER:
    case NG_FIELD_COUNT:
        return UNKNOWN;
    default:
        return connection_value(place, flow, operand, ret_value);
    }
}
