/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_registers.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/netfilter/nf_tables.h>

/* -- layouts ------------------------------------------------------------------------------- */

/* Loads are split into the fields of whole bytes; smaller ones stand in a nameless group of whole
 * bytes, and which of them is meant shows in the mask. */
struct header_field {
    uint16_t bit;
    uint8_t bits;
    enum ng_field field;
    const char *name; /* as nft prints it */
    bool inert;       /* a rule may change it without a change of where packets go */
};

struct header {
    const char *base; /* nft's letters for where it starts */
    uint8_t family;
    const struct header_field *fields;
    size_t n_fields;
};

#define HEADER(base_, family_, fields_)                                                            \
    { .base = (base_), .family = (family_), .fields = (fields_), .n_fields = ARRAY_SIZE(fields_) }

/* IEEE 802.3 and 802.1Q. */
static const struct header_field ether_fields[] = {
    {0, 48, NG_FIELD_ETHER_DADDR, "ether daddr", false},
    {48, 48, NG_FIELD_ETHER_SADDR, "ether saddr", false},
    {96, 16, NG_FIELD_ETHERTYPE, "ether type", false},
    {112, 16, NG_FIELD_OTHER, NULL, false},
    {112, 3, NG_FIELD_OTHER, "vlan pcp", true},
    {115, 1, NG_FIELD_OTHER, "vlan dei", true},
    {116, 12, NG_FIELD_OTHER, "vlan id", false},
    {128, 16, NG_FIELD_OTHER, "vlan type", false},
};

/* RFC 791 */
static const struct header_field ip4_fields[] = {
    {0, 8, NG_FIELD_OTHER, NULL, false},
    {0, 4, NG_FIELD_OTHER, "ip version", false},
    {4, 4, NG_FIELD_OTHER, "ip hdrlength", false},
    {8, 8, NG_FIELD_OTHER, NULL, false},
    {8, 6, NG_FIELD_OTHER, "ip dscp", true},
    {14, 2, NG_FIELD_OTHER, "ip ecn", true},
    {16, 16, NG_FIELD_OTHER, "ip length", false},
    {32, 16, NG_FIELD_OTHER, "ip id", true},
    {48, 16, NG_FIELD_FRAGMENT, "ip frag-off", false},
    {64, 8, NG_FIELD_OTHER, "ip ttl", true},
    {72, 8, NG_FIELD_L4PROTO, "ip protocol", false},
    {80, 16, NG_FIELD_OTHER, "ip checksum", true},
    {96, 32, NG_FIELD_SADDR, NULL, false},
    {128, 32, NG_FIELD_DADDR, NULL, false},
};

/* RFC 8200; what follows is the first header only, but a plain first packet has no other. */
static const struct header_field ip6_fields[] = {
    {0, 32, NG_FIELD_OTHER, NULL, false},
    {0, 4, NG_FIELD_OTHER, "ip6 version", false},
    {4, 6, NG_FIELD_OTHER, "ip6 dscp", true},
    {10, 2, NG_FIELD_OTHER, "ip6 ecn", true},
    {12, 20, NG_FIELD_OTHER, "ip6 flowlabel", true},
    {32, 16, NG_FIELD_OTHER, "ip6 length", false},
    {48, 8, NG_FIELD_L4PROTO, "ip6 nexthdr", false},
    {56, 8, NG_FIELD_OTHER, "ip6 hoplimit", true},
    {64, 128, NG_FIELD_SADDR, NULL, false},
    {192, 128, NG_FIELD_DADDR, NULL, false},
};

#define PORTS                                                                                      \
    {0, 16, NG_FIELD_SPORT, NULL, false}, {                                                        \
        16, 16, NG_FIELD_DPORT, NULL, false                                                        \
    }

/* RFC 9293 */
static const struct header_field tcp_fields[] = {
    PORTS,
    {32, 32, NG_FIELD_OTHER, "tcp sequence", false},
    {64, 32, NG_FIELD_OTHER, "tcp ackseq", false},
    {96, 8, NG_FIELD_OTHER, NULL, false},
    {96, 4, NG_FIELD_OTHER, "tcp doff", false},
    {100, 4, NG_FIELD_OTHER, "tcp reserved", false},
    {104, 8, NG_FIELD_TCP_FLAGS, "tcp flags", false},
    {112, 16, NG_FIELD_OTHER, "tcp window", true},
    {128, 16, NG_FIELD_OTHER, "tcp checksum", true},
    {144, 16, NG_FIELD_OTHER, "tcp urgptr", true},
};

/* RFC 768 */
static const struct header_field udp_fields[] = {
    PORTS,
    {32, 16, NG_FIELD_OTHER, "udp length", false},
    {48, 16, NG_FIELD_OTHER, "udp checksum", true},
};

/* RFC 3828 */
static const struct header_field udplite_fields[] = {
    PORTS,
    {32, 16, NG_FIELD_OTHER, "udplite csumcov", false},
    {48, 16, NG_FIELD_OTHER, "udplite checksum", true},
};

/* RFC 9260 */
static const struct header_field sctp_fields[] = {
    PORTS,
    {32, 32, NG_FIELD_OTHER, "sctp vtag", false},
    {64, 32, NG_FIELD_OTHER, "sctp checksum", true},
};

/* RFC 4340 */
static const struct header_field dccp_fields[] = {
    PORTS,
    {64, 8, NG_FIELD_OTHER, NULL, false},
    {67, 4, NG_FIELD_OTHER, "dccp type", false},
};

/* RFC 792 */
static const struct header_field icmp_fields[] = {
    {0, 8, NG_FIELD_ICMP_TYPE, "icmp type", false},
    {8, 8, NG_FIELD_ICMP_CODE, "icmp code", false},
    {16, 16, NG_FIELD_OTHER, "icmp checksum", true},
    {32, 16, NG_FIELD_OTHER, "icmp id", false},
    {48, 16, NG_FIELD_OTHER, "icmp sequence", false},
};

/* RFC 4443 */
static const struct header_field icmp6_fields[] = {
    {0, 8, NG_FIELD_ICMP_TYPE, "icmpv6 type", false},
    {8, 8, NG_FIELD_ICMP_CODE, "icmpv6 code", false},
    {16, 16, NG_FIELD_OTHER, "icmpv6 checksum", true},
    {32, 16, NG_FIELD_OTHER, "icmpv6 id", false},
    {48, 16, NG_FIELD_OTHER, "icmpv6 sequence", false},
};

/* RFC 9776, 4303, 4302, 3173, 2784 */
static const struct header_field igmp_fields[] = {
    {0, 8, NG_FIELD_OTHER, "igmp type", false},
    {8, 8, NG_FIELD_OTHER, "igmp mrt", false},
    {16, 16, NG_FIELD_OTHER, "igmp checksum", true},
    {32, 32, NG_FIELD_OTHER, "igmp group", false},
};
static const struct header_field esp_fields[] = {
    {0, 32, NG_FIELD_OTHER, "esp spi", false},
    {32, 32, NG_FIELD_OTHER, "esp sequence", false},
};
static const struct header_field ah_fields[] = {
    {8, 8, NG_FIELD_OTHER, "ah hdrlength", false},
    {32, 32, NG_FIELD_OTHER, "ah spi", false},
    {64, 32, NG_FIELD_OTHER, "ah sequence", false},
};
static const struct header_field comp_fields[] = {
    {0, 8, NG_FIELD_OTHER, "comp nexthdr", false},
    {16, 16, NG_FIELD_OTHER, "comp cpi", false},
};
static const struct header_field gre_fields[] = {
    {0, 8, NG_FIELD_OTHER, NULL, false},
    {0, 5, NG_FIELD_OTHER, "gre flags", false},
    {16, 16, NG_FIELD_OTHER, "gre protocol", false},
};

/* Not told which: the ports that all have in common, and the flags of TCP. */
static const struct header_field th_fields[] = {
    PORTS,
    {104, 8, NG_FIELD_TCP_FLAGS, "tcp flags", false},
};
static const struct header_field th_byte_fields[] = {
    {0, 8, NG_FIELD_ICMP_TYPE, NULL, false},
    {8, 8, NG_FIELD_ICMP_CODE, NULL, false},
};

static const struct header ether = HEADER("ll", 0, ether_fields);
static const struct header ip4 = HEADER("nh", NG_IP4, ip4_fields);
static const struct header ip6 = HEADER("nh", NG_IP6, ip6_fields);
static const struct header any_transport = HEADER("th", 0, th_fields);
static const struct header any_transport_byte = HEADER("th", 0, th_byte_fields);
static const struct {
    int transport;
    struct header header;
} transports[] = {
    {IPPROTO_TCP, HEADER("th", 0, tcp_fields)},
    {IPPROTO_UDP, HEADER("th", 0, udp_fields)},
    {IPPROTO_UDPLITE, HEADER("th", 0, udplite_fields)},
    {IPPROTO_SCTP, HEADER("th", 0, sctp_fields)},
    {IPPROTO_DCCP, HEADER("th", 0, dccp_fields)},
    {IPPROTO_ICMP, HEADER("th", NG_IP4, icmp_fields)},
    {IPPROTO_ICMPV6, HEADER("th", NG_IP6, icmp6_fields)},
    {IPPROTO_IGMP, HEADER("th", 0, igmp_fields)},
    {IPPROTO_ESP, HEADER("th", 0, esp_fields)},
    {IPPROTO_AH, HEADER("th", 0, ah_fields)},
    {IPPROTO_COMP, HEADER("th", 0, comp_fields)},
    {IPPROTO_GRE, HEADER("th", 0, gre_fields)},
};

/* Where no test before has said which: the two IP headers are told apart by what can have been
 * meant. What is read as of one family has no value for packets of the other, so that a wrong
 * choice leaves open what it should decide, and decides nothing wrongly. */
static const struct header *network_header(const struct said *said, uint32_t offset, uint32_t len) {
    if (said->family)
        return said->family == NG_IP4 ? &ip4 : said->family == NG_IP6 ? &ip6 : NULL;
    bool like_ip6 = offset == 8 || offset >= 20 || offset + len > 20 || (offset == 6 && len == 1);
    return like_ip6 ? &ip6 : &ip4;
}

static const struct header *transport_header(const struct said *said, uint32_t offset,
                                             uint32_t len) {
    if (said->transport < 0)
        return len == 1 && offset < 2 ? &any_transport_byte : &any_transport;
    for (size_t i = 0; i < ARRAY_SIZE(transports); i++)
        if (transports[i].transport == said->transport)
            return &transports[i].header;
    return NULL;
}

static const struct header *find_header(const struct said *said, uint32_t base, uint32_t offset,
                                        uint32_t len) {
    switch (base) {
    case NFT_PAYLOAD_LL_HEADER:
        return &ether;
    case NFT_PAYLOAD_NETWORK_HEADER:
        return network_header(said, offset, len);
    case NFT_PAYLOAD_TRANSPORT_HEADER:
        return transport_header(said, offset, len);
    default:
        return NULL;
    }
}

/* The field or group of whole bytes at a bit, NULL: nothing that is known. */
static const struct header_field *field_at(const struct header *header, size_t bit) {
    for (size_t i = 0; header && i < header->n_fields; i++) {
        const struct header_field *field = &header->fields[i];
        if (field->bit % 8 == 0 && field->bits % 8 == 0 && field->bit <= bit &&
            bit < field->bit + (size_t)field->bits)
            return field;
    }
    return NULL;
}

/* -- loads --------------------------------------------------------------------------------- */

static struct part field_part(const struct header *header, const struct header_field *field,
                              size_t from_bit, size_t to_bit) {
    struct part part = ng_whole_field(field->field, (to_bit - from_bit) / 8, false);
    part.operand.family = header->family;
    part.header = header;
    part.header_bit = field->bit;
    part.header_bits = field->bits;
    part.shift_bits = (uint8_t)(field->bit + field->bits - to_bit);
    if (to_bit - from_bit < field->bits)
        part.operand.mask = part_ones(&part);
    return part;
}

static bool known_all(const struct header *header, size_t bit, size_t end) {
    while (bit < end) {
        const struct header_field *field = field_at(header, bit);
        if (!field)
            return false;
        bit = field->bit + (size_t)field->bits;
    }
    return true;
}

const char *ng_place_text(struct ng_arena *arena, uint32_t base, uint32_t offset, uint32_t len) {
    static const char *const names[] = {"ll", "nh", "th", "ih", "tunnel"};
    return ng_arena_printf(arena, "@%s,%u,%u", base < ARRAY_SIZE(names) ? names[base] : "unknown",
                           offset * 8U, len * 8U);
}

static int load_unknown(struct run *run, const struct nlattr *dreg, uint32_t base, uint32_t offset,
                        uint32_t len) {
    struct part part = {
        .operand =
            {
                .field = NG_FIELD_OTHER,
                .mask = ~(ng_u128)0,
                .name = ng_place_text(run->decoder->arena, base, offset, len),
            },
        .may_lack = base != NFT_PAYLOAD_NETWORK_HEADER,
        .undecoded = base > NFT_PAYLOAD_INNER_HEADER,
        .format = FORMAT_HEX,
    };
    return part.operand.name ? ng_load_other(run, dreg, len, part) : -ENOMEM;
}

static int load(struct run *run, const struct nlattr *attributes[]) {
    uint32_t base = ng_attribute_be32(attributes[NFTA_PAYLOAD_BASE], UINT32_MAX);
    uint32_t offset = ng_attribute_be32(attributes[NFTA_PAYLOAD_OFFSET], 0);
    uint32_t len = ng_attribute_be32(attributes[NFTA_PAYLOAD_LEN], 0);
    size_t at;
    int r = ng_register_at(attributes[NFTA_PAYLOAD_DREG], len, &at);
    if (r < 0 || offset > UINT16_MAX)
        return -EBADMSG;

    const struct header *header = find_header(&run->said, base, offset, len);
    size_t bit = offset * 8U, end = bit + len * 8U;
    if (!known_all(header, bit, end))
        return load_unknown(run, attributes[NFTA_PAYLOAD_DREG], base, offset, len);
    ng_registers_clear(run, at, len);
    while (bit < end) {
        const struct header_field *field = field_at(header, bit);
        size_t field_end = field->bit + (size_t)field->bits;
        size_t to = field_end < end ? field_end : end;
        struct part part = field_part(header, field, bit, to);
        part.may_lack = base == NFT_PAYLOAD_LL_HEADER && field->field == NG_FIELD_OTHER;
        ng_registers_put(run, (struct piece){
                                  .content = CONTENT_FIELD,
                                  .at = (uint8_t)(at + bit / 8 - offset),
                                  .len_bytes = part.len_bytes,
                                  .part = part,
                              });
        bit = to;
    }
    return 0;
}

/* -- names --------------------------------------------------------------------------------- */

static ng_u128 low_ones(unsigned bits) {
    return bits >= 128 ? ~(ng_u128)0 : ((ng_u128)1 << bits) - 1;
}

/* Is the field one with a name in the part's group? *ret_low: its lowest bit there. */
static bool field_in_group(const struct part *part, const struct header_field *field,
                           unsigned *ret_low) {
    unsigned end = part->header_bit + part->header_bits;
    if (!field->name || field->bit < part->header_bit || field->bit + field->bits > end)
        return false;
    *ret_low = end - (field->bit + field->bits);
    return true;
}

/* The one that consists of just these bits. */
static const struct header_field *named_field(const struct part *part, ng_u128 bits,
                                              unsigned *ret_low) {
    for (size_t i = 0; i < part->header->n_fields; i++) {
        const struct header_field *field = &part->header->fields[i];
        unsigned low;
        if (field_in_group(part, field, &low) && low_ones(field->bits) << low == bits) {
            *ret_low = low;
            return field;
        }
    }
    return NULL;
}

/* Only what came in over a link with a header of its own has one to read. */
static int require_link_header(struct run *run) {
    static const struct ng_interval types[] = {{ARPHRD_ETHER, ARPHRD_ETHER},
                                               {ARPHRD_LOOPBACK, ARPHRD_LOOPBACK}};
    struct ng_operand operand = {.field = NG_FIELD_IIFTYPE, .mask = ~(ng_u128)0};
    if (run->said.link_header)
        return 0;
    run->said.link_header = true;
    return ng_op_add_match(run->list, operand, (struct ng_addrset){types, ARRAY_SIZE(types)},
                           false);
}

int ng_name_part(struct run *run, struct part *part, unsigned *ret_shift) {
    struct ng_operand *operand = &part->operand;
    ng_u128 bits = operand->mask & low_ones(part->header_bits);
    *ret_shift = 0;
    if (operand->field == NG_FIELD_ETHERTYPE && part->header == &ether)
        return require_link_header(run);
    /* May it be fragmented on its way? A first packet says either. */
    if (operand->field == NG_FIELD_FRAGMENT && (bits & 0xc000))
        operand->field = NG_FIELD_OTHER;
    if (operand->field != NG_FIELD_OTHER)
        return 0;
    if (!part->header) { /* numbers of its own: those of the bytes that are there */
        operand->mask = ~(ng_u128)0;
        operand->flip >>= part->shift_bits;
        part->shift_bits = 0;
        return 0;
    }

    struct ng_arena *arena = run->decoder->arena;
    ng_u128 all = low_ones(part->header_bits);
    const struct header_field *field = named_field(part, bits, ret_shift);
    if (field) {
        operand->name = field->name;
    } else {
        unsigned none;
        field = named_field(part, all, &none);
        operand->name = field ? field->name
                              : ng_arena_printf(arena, "@%s,%u,%u", part->header->base,
                                                part->header_bit, part->header_bits);
        part->masked = operand->name && bits != all;
        if (part->masked)
            operand->name =
                ng_arena_printf(arena, "%s & 0x%llx", operand->name, (unsigned long long)bits);
    }
    operand->mask = ~(ng_u128)0;
    operand->flip >>= *ret_shift;
    return operand->name ? 0 : -ENOMEM;
}

/* -- writes -------------------------------------------------------------------------------- */

/* What a write does to one field. */
struct change {
    ng_u128 bits;  /* that may be others afterwards */
    ng_u128 value; /* of those, where `known` */
    bool known;
};

static void add_piece(const struct part *own, size_t skip, const struct piece *piece,
                      struct change *change) {
    /* The bytes of the field that the piece becomes. */
    struct part target = *own;
    target.len_bytes = piece->len_bytes;
    target.shift_bits = (uint8_t)(own->shift_bits + 8 * (own->len_bytes - skip - piece->len_bytes));
    ng_u128 all = part_ones(&target);
    if (piece->content == CONTENT_CONSTANT) {
        change->bits |= all;
        change->value |= part_number(&target, piece->bytes);
        return;
    }
    const struct part *part = &piece->part;
    if (piece->content == CONTENT_FIELD && part->header == own->header &&
        part->header_bit == own->header_bit && part->shift_bits == target.shift_bits &&
        !part->host_order) {
        ng_u128 changed = all & ~(part->operand.mask & ~part->operand.flip);
        change->bits |= changed;
        change->value |= part->operand.flip & changed;
        change->known = change->known && (part->operand.flip & part->operand.mask) == 0;
        return;
    }
    change->bits |= all;
    change->known = false;
}

static struct change field_change(const struct part *own, const struct value *value,
                                  size_t at_bytes) {
    struct change change = {.known = true};
    for (size_t i = 0; i < value->n_pieces; i++) {
        struct piece piece = value->pieces[i];
        size_t end = at_bytes + own->len_bytes;
        if (piece.at >= at_bytes && piece.at + (size_t)piece.len_bytes <= end)
            add_piece(own, piece.at - at_bytes, &piece, &change);
        else if (piece.at < end && piece.at + (size_t)piece.len_bytes > at_bytes)
            change = (struct change){.bits = part_ones(own)}; /* across fields: whatever it is */
    }
    return change;
}

static bool is_target(enum ng_field field) {
    return field == NG_FIELD_SADDR || field == NG_FIELD_DADDR || field == NG_FIELD_SPORT ||
           field == NG_FIELD_DPORT;
}

/* The fields of a group that some bits belong to: the first, and whether all of them may be changed
 * without a change of where packets go. NULL: some bits belong to none. */
static const struct header_field *changed_fields(const struct part *own, ng_u128 bits,
                                                 unsigned *ret_low, bool *ret_inert) {
    const struct header_field *first = NULL;
    *ret_inert = true;
    for (size_t i = 0; bits && i < own->header->n_fields; i++) {
        const struct header_field *field = &own->header->fields[i];
        unsigned low;
        if (!field_in_group(own, field, &low) || !(low_ones(field->bits) << low & bits))
            continue;
        bits &= ~(low_ones(field->bits) << low);
        *ret_inert = *ret_inert && field->inert;
        if (!first)
            *ret_low = low;
        first = first ? first : field;
    }
    return bits ? NULL : first;
}

static int write_field(struct run *run, struct part own, const struct value *value, size_t at,
                       size_t skip) {
    struct change change = field_change(&own, value, skip);
    unsigned low;
    bool inert;
    if (change.bits == 0)
        return 0;
    if (is_target(own.operand.field)) {
        if (own.len_bytes * 8U == own.header_bits)
            return ng_add_assign(run, own.operand.field, at + skip, own.len_bytes, false);
        return ng_op_add_assign(run->list,
                                (struct ng_assign){.target = own.operand.field, .unknown = true});
    }
    const struct header_field *field = changed_fields(&own, change.bits, &low, &inert);
    if (!field)
        return ng_op_add_text(run->list, NG_OP_UNKNOWN, "@%s,%u,%u set", own.header->base,
                              own.header_bit, own.header_bits);
    /* It was no fragment before. */
    bool no_fragment =
        own.operand.field == NG_FIELD_FRAGMENT && change.known && (change.value & 0x3fff) == 0;
    enum ng_op_kind kind = inert || no_fragment ? NG_OP_NOTHING : NG_OP_UNKNOWN;
    if (!change.known || change.bits != low_ones(field->bits) << low)
        return ng_op_add_text(run->list, kind, "%s set", field->name);
    return ng_op_add_text(run->list, kind, "%s set %llu", field->name,
                          (unsigned long long)(change.value >> low));
}

static int write_header(struct run *run, const struct nlattr *attributes[]) {
    uint32_t base = ng_attribute_be32(attributes[NFTA_PAYLOAD_BASE], UINT32_MAX);
    uint32_t offset = ng_attribute_be32(attributes[NFTA_PAYLOAD_OFFSET], 0);
    uint32_t len = ng_attribute_be32(attributes[NFTA_PAYLOAD_LEN], 0);
    size_t at;
    int r = ng_register_at(attributes[NFTA_PAYLOAD_SREG], len, &at);
    if (r < 0 || offset > UINT16_MAX)
        return -EBADMSG;

    const struct header *header = find_header(&run->said, base, offset, len);
    size_t bit = offset * 8U, end = bit + len * 8U;
    bool guessed = base == NFT_PAYLOAD_NETWORK_HEADER && !run->said.family;
    if (guessed || !known_all(header, bit, end))
        return ng_op_add_text(run->list, NG_OP_UNKNOWN, "payload write");
    struct value value;
    ng_registers_read(run, at, len, &value);
    r = ng_require_value(run, &value);
    while (r == 0 && bit < end) {
        const struct header_field *field = field_at(header, bit);
        size_t field_end = field->bit + (size_t)field->bits;
        size_t to = field_end < end ? field_end : end;
        r = write_field(run, field_part(header, field, bit, to), &value, at, bit / 8 - offset);
        bit = to;
    }
    return r;
}

int ng_decode_payload(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_PAYLOAD_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_PAYLOAD_MAX);
    if (r < 0)
        return r;
    return attributes[NFTA_PAYLOAD_SREG] ? write_header(run, attributes) : load(run, attributes);
}
