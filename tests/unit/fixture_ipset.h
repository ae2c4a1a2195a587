/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_FIXTURE_IPSET_H
#define NETGUARD_FIXTURE_IPSET_H

/* Ipsets as the kernel lists them (net/netfilter/ipset: ip_set_dump_do, and _head and _list of the
 * types), made by hand, what they are decoded to, and the packets that a match finds. */

#include "agent/observe/ruleset_parts.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

enum { LISTING_BYTES = 8 << 20 };

struct listing {
    uint8_t *bytes; /* LISTING_BYTES */
    size_t len_bytes;
    struct nlmsghdr *message;
    struct nlattr *header, *elements;
    struct nlattr *element; /* the first attribute of the last one */
};

/* What an element says; what is zero or NULL is left out. */
struct member {
    const char *ip, *ip2; /* "192.0.2.0/24", "2001:db8::1" */
    uint8_t proto;
    bool has_port;
    uint16_t port;
    bool has_mark;
    uint32_t mark;
    const char *mac; /* six bytes */
    const char *iface, *set;
    uint32_t flags;   /* IPSET_FLAG_… of an element */
    uint32_t timeout; /* seconds left */
};

static inline void listing_begin(struct listing *listing, uint16_t command) {
    listing->message = mnl_nlmsg_put_header(listing->bytes + listing->len_bytes);
    listing->message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_IPSET << 8 | command);
    struct nfgenmsg *family = mnl_nlmsg_put_extra_header(listing->message, sizeof(*family));
    family->nfgen_family = AF_INET;
    mnl_attr_put_u8(listing->message, IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL);
}

static inline void put_be32(struct nlmsghdr *message, uint16_t type, uint32_t value) {
    mnl_attr_put_u32(message, type | NLA_F_NET_BYTEORDER, htonl(value));
}

static inline void put_be16(struct nlmsghdr *message, uint16_t type, uint16_t value) {
    mnl_attr_put_u16(message, type | NLA_F_NET_BYTEORDER, htons(value));
}

/* The first message of a set, up to its header; more attributes of the header may follow. */
static inline void begin_set(struct listing *listing, uint16_t index, const char *name,
                             const char *type, uint8_t family) {
    listing_begin(listing, IPSET_CMD_LIST);
    mnl_attr_put_strz(listing->message, IPSET_ATTR_SETNAME, name);
    mnl_attr_put_strz(listing->message, IPSET_ATTR_TYPENAME, type);
    mnl_attr_put_u8(listing->message, IPSET_ATTR_FAMILY, family);
    mnl_attr_put_u8(listing->message, IPSET_ATTR_REVISION, 0);
    put_be16(listing->message, IPSET_ATTR_INDEX, index);
    listing->header = mnl_attr_nest_start(listing->message, IPSET_ATTR_DATA);
    put_be32(listing->message, IPSET_ATTR_HASHSIZE, 1024);
    put_be32(listing->message, IPSET_ATTR_MAXELEM, 65536);
}

static inline void begin_elements(struct listing *listing) {
    if (listing->header)
        mnl_attr_nest_end(listing->message, listing->header);
    listing->header = NULL;
    listing->elements = mnl_attr_nest_start(listing->message, IPSET_ATTR_ADT);
}

static inline void put_ip(struct nlmsghdr *message, uint16_t type, uint16_t cidr_type,
                          const char *text) {
    char ip[64];
    snprintf(ip, sizeof(ip), "%s", text);
    char *slash = strchr(ip, '/');
    if (slash)
        *slash = '\0';
    uint8_t bytes[16];
    bool v6 = strchr(ip, ':');
    if (inet_pton(v6 ? AF_INET6 : AF_INET, ip, bytes) != 1)
        abort();
    struct nlattr *nest = mnl_attr_nest_start(message, type);
    mnl_attr_put(message,
                 (v6 ? IPSET_ATTR_IPADDR_IPV6 : IPSET_ATTR_IPADDR_IPV4) | NLA_F_NET_BYTEORDER,
                 v6 ? 16 : 4, bytes);
    mnl_attr_nest_end(message, nest);
    if (slash)
        mnl_attr_put_u8(message, cidr_type, (uint8_t)atoi(slash + 1));
}

static inline void put_member(struct listing *listing, struct member member) {
    struct nlmsghdr *message = listing->message;
    struct nlattr *nest = mnl_attr_nest_start(message, IPSET_ATTR_DATA);
    listing->element = mnl_nlmsg_get_payload_tail(message);
    if (member.ip)
        put_ip(message, IPSET_ATTR_IP, IPSET_ATTR_CIDR, member.ip);
    if (member.ip2)
        put_ip(message, IPSET_ATTR_IP2, IPSET_ATTR_CIDR2, member.ip2);
    if (member.has_port)
        put_be16(message, IPSET_ATTR_PORT, member.port);
    if (member.proto)
        mnl_attr_put_u8(message, IPSET_ATTR_PROTO, member.proto);
    if (member.has_mark)
        put_be32(message, IPSET_ATTR_MARK, member.mark);
    if (member.mac)
        mnl_attr_put(message, IPSET_ATTR_ETHER, 6, member.mac);
    if (member.iface)
        mnl_attr_put_strz(message, IPSET_ATTR_IFACE, member.iface);
    if (member.set)
        mnl_attr_put_strz(message, IPSET_ATTR_NAME, member.set);
    if (member.flags)
        put_be32(message, IPSET_ATTR_CADT_FLAGS, member.flags);
    if (member.timeout)
        put_be32(message, IPSET_ATTR_TIMEOUT, member.timeout);
    mnl_attr_nest_end(message, nest);
}

static inline void end_set(struct listing *listing) {
    if (listing->elements)
        mnl_attr_nest_end(listing->message, listing->elements);
    else if (listing->header)
        mnl_attr_nest_end(listing->message, listing->header);
    listing->header = listing->elements = NULL;
    listing->len_bytes += MNL_ALIGN(listing->message->nlmsg_len);
    if (listing->len_bytes > LISTING_BYTES - 65536)
        abort();
}

/* "10.0.0.0/8" */
static inline void net_text(char *text, uint32_t ip, uint8_t len) {
    snprintf(text, 32, "%u.%u.%u.%u/%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255, len);
}

/* The set goes on in another message, as an attribute holds 64 KiB at most. */
static inline void next_message(struct listing *listing, const char *name) {
    end_set(listing);
    listing_begin(listing, IPSET_CMD_LIST);
    mnl_attr_put_strz(listing->message, IPSET_ATTR_SETNAME, name);
    begin_elements(listing);
}

/* -- packets ------------------------------------------------------------------------- */

struct packet {
    const char *src, *dst;
    uint8_t proto;
    uint16_t sport, dport;
    uint8_t icmp_type, icmp_code;
    uint32_t mark;
    uint64_t mac;
    const char *iif, *oif; /* NULL: none */
};

enum { NO = 1, YES = 2, MAYBE = 3 };

static inline ng_u128 name_number(const char *name) {
    uint8_t bytes[16] = {0};
    memcpy(bytes, name, strlen(name));
    return ng_wire_number(bytes, sizeof(bytes), false);
}

static inline ng_u128 addr_number(const char *text) {
    struct ng_addr addr;
    if (ng_addr_parse(text, &addr) < 0)
        abort();
    return addr.value;
}

static inline bool packet_ports(const struct packet *packet) {
    return packet->proto == 6 || packet->proto == 17 || packet->proto == 132 ||
           packet->proto == 136;
}

static inline bool packet_icmp(const struct packet *packet) {
    return packet->proto == 1 || packet->proto == 58;
}

/* False: the packet has no such thing. */
static inline bool packet_value(const struct packet *packet, const struct ng_operand *operand,
                                ng_u128 *ret_value) {
    bool has = true;
    ng_u128 value = 0;
    switch (operand->field) {
    case NG_FIELD_SADDR:
        value = addr_number(packet->src);
        break;
    case NG_FIELD_DADDR:
        value = addr_number(packet->dst);
        break;
    case NG_FIELD_L4PROTO:
        value = packet->proto;
        break;
    case NG_FIELD_SPORT:
        has = packet_ports(packet);
        value = packet->sport;
        break;
    case NG_FIELD_DPORT:
        has = packet_ports(packet);
        value = packet->dport;
        break;
    case NG_FIELD_ICMP_TYPE:
        has = packet_icmp(packet);
        value = packet->icmp_type;
        break;
    case NG_FIELD_ICMP_CODE:
        has = packet_icmp(packet);
        value = packet->icmp_code;
        break;
    case NG_FIELD_MARK:
        value = packet->mark;
        break;
    case NG_FIELD_ETHER_SADDR:
        has = packet->mac != 0;
        value = packet->mac;
        break;
    case NG_FIELD_IIFNAME:
        value = packet->iif ? name_number(packet->iif) : 0;
        break;
    case NG_FIELD_OIFNAME:
        value = packet->oif ? name_number(packet->oif) : 0;
        break;
    default:
        abort();
    }
    *ret_value = value & operand->mask;
    return has;
}

static inline bool in_box(const struct packet *packet, const struct ng_match *match,
                          const struct ng_box *box) {
    for (size_t i = 0; i < match->n_operands; i++) {
        struct ng_interval side = box->sides[i];
        ng_u128 value;
        if (side.lo == 0 && side.hi == ~(ng_u128)0)
            continue;
        if (!packet_value(packet, &match->operands[i], &value) || value < side.lo ||
            value > side.hi)
            return false;
    }
    return true;
}

/* What the contract says of a test (netguard/ruleset.h): NO, YES or MAYBE. */
static inline unsigned matches(const struct ng_match *match, const struct packet *packet) {
    bool certain = false, possible = match->dynamic;
    ng_u128 value;
    for (size_t i = 0; !match->any_of && i < match->n_operands; i++)
        if (!packet_value(packet, &match->operands[i], &value))
            return NO;
    if (!match->boxes) {
        (void)packet_value(packet, &match->operands[0], &value);
        certain = ng_addrset_contains(match->values, value);
        possible = possible || ng_addrset_contains(match->expiring, value);
    }
    for (size_t i = 0; i < match->n_boxes; i++)
        if (in_box(packet, match, &match->boxes[i])) {
            certain = certain || !match->boxes[i].expires;
            possible = true;
        }
    unsigned result = certain ? YES : possible ? MAYBE : NO;
    return match->negate && result != MAYBE ? YES + NO - result : result;
}

/* -- a decoder ----------------------------------------------------------------------- */

/* Directions, dimension by dimension. */
enum {
    SRC_ANY = IPSET_DIM_ONE_SRC,
    DST_SRC = IPSET_DIM_TWO_SRC,
    SRC_SRC = IPSET_DIM_ONE_SRC | IPSET_DIM_TWO_SRC,
};

struct lab {
    struct ng_arena *arena, *scratch;
    struct listing listing;
    const struct ng_ipsets *ipsets;
    struct op_list list;
};

static inline struct lab *lab_new(void) {
    struct lab *lab = calloc(1, sizeof(*lab));
    assert_non_null(lab);
    lab->arena = ng_arena_new();
    lab->scratch = ng_arena_new();
    lab->listing.bytes = calloc(1, LISTING_BYTES);
    assert_true(lab->arena && lab->scratch && lab->listing.bytes);
    return lab;
}

static inline void lab_free(struct lab *lab) {
    ng_arena_free(lab->arena);
    ng_arena_free(lab->scratch);
    free(lab->listing.bytes);
    free(lab);
}

static inline int decode(struct lab *lab, struct ng_error *error) {
    const struct ng_ipset_dump dump = {
        .bytes = lab->listing.bytes, .len_bytes = lab->listing.len_bytes, .read = true};
    int r = ng_ipsets_decode(lab->scratch, &dump, &lab->ipsets, error);
    lab->list = (struct op_list){.arena = lab->arena, .ipsets = lab->ipsets};
    return r;
}

/* A world of one set, index 0. */
static inline struct lab *lab_set(const char *type, uint8_t family, const struct member *members,
                                  size_t count) {
    struct lab *lab = lab_new();
    begin_set(&lab->listing, 0, "it", type, family);
    begin_elements(&lab->listing);
    for (size_t i = 0; i < count; i++)
        put_member(&lab->listing, members[i]);
    end_set(&lab->listing);
    assert_int_equal(decode(lab, NULL), 0);
    return lab;
}

#define LAB(type, family, ...)                                                                     \
    lab_set(type, family, (const struct member[]){__VA_ARGS__},                                    \
            sizeof((const struct member[]){__VA_ARGS__}) / sizeof(struct member))

static inline const struct ng_op *ask_at(struct lab *lab, uint8_t family, uint16_t index,
                                         uint8_t dim, uint8_t flags) {
    assert_int_equal(ng_decode_ipset_match(&lab->list, family, index, dim, flags), 0);
    return &lab->list.ops[lab->list.count - 1];
}

static inline const struct ng_match *last_match(const struct lab *lab) {
    const struct ng_op *op = &lab->list.ops[lab->list.count - 1];
    if (op->kind != NG_OP_MATCH)
        fail_msg("undecided: %s", op->text);
    return op->match;
}

static inline const struct ng_match *ask(struct lab *lab, uint8_t dim, uint8_t flags) {
    (void)ask_at(lab, NFPROTO_IPV4, 0, dim, flags);
    return last_match(lab);
}

/* The same with a look at the counters. */
static inline const struct ng_match *ask_counted(struct lab *lab, uint8_t dim, uint8_t flags) {
    assert_int_equal(ng_decode_ipset_counted(&lab->list, NFPROTO_IPV4, 0, dim, flags), 0);
    return last_match(lab);
}

/* One answer to one packet, IPv4. */
static inline unsigned answer(struct lab *lab, uint8_t dim, uint8_t flags, struct packet packet) {
    return matches(ask(lab, dim, flags), &packet);
}

#endif
