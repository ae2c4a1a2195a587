/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_registers.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* -- registers ----------------------------------------------------------------------- */

/* -EBADMSG for a register that does not exist or does not hold `len_bytes`. */
int ng_register_slot(const struct nlattr *attribute, size_t len_bytes, size_t *ret_slot) {
    uint32_t number = ng_attribute_be32(attribute, UINT32_MAX);
    size_t slot;
    if (number >= NFT_REG_1 && number <= NFT_REG_4)
        slot = (number - NFT_REG_1) * (NFT_REG_SIZE / NFT_REG32_SIZE);
    else if (number >= NFT_REG32_00 && number <= NFT_REG32_15)
        slot = number - NFT_REG32_00;
    else
        return -EBADMSG;
    if (slot * REGISTER_BYTES + len_bytes > REGISTERS * REGISTER_BYTES)
        return -EBADMSG;
    *ret_slot = slot;
    return 0;
}

/* Makes room for a value and returns its place; what stood there is gone. */
struct loaded *ng_register_write(struct run *run, size_t slot, size_t len_bytes) {
    size_t count = (len_bytes + REGISTER_BYTES - 1) / REGISTER_BYTES;
    for (size_t i = slot; i < slot + count && i < REGISTERS; i++) {
        run->registers[i].content = CONTENT_NOTHING;
        run->registers[i].n_parts = 0;
    }
    run->registers[slot].len_bytes = (uint8_t)len_bytes;
    return &run->registers[slot];
}

struct part ng_whole_field(enum ng_field field, size_t len_bytes, bool host_order) {
    return (struct part){
        .operand = {.field = field, .mask = ~(ng_u128)0},
        .len_bytes = (uint8_t)(len_bytes > 16 ? 16 : len_bytes),
        .host_order = host_order,
    };
}

void ng_load_part(struct run *run, size_t slot, struct part part, size_t len_bytes) {
    struct loaded *loaded = ng_register_write(run, slot, len_bytes);
    loaded->content = CONTENT_FIELDS;
    loaded->parts[0] = part;
    loaded->n_parts = 1;
}

/* A field that the evaluator knows no value for, by the name a person would look it up. */
int ng_load_other(struct run *run, const struct nlattr *dreg, size_t len_bytes, const char *name) {
    size_t slot;
    int r = ng_register_slot(dreg, len_bytes, &slot);
    if (r < 0)
        return r;
    struct part part = ng_whole_field(NG_FIELD_OTHER, len_bytes, false);
    part.operand.name = name;
    ng_load_part(run, slot, part, len_bytes);
    return 0;
}

/* The parts of `len_bytes` bytes from a register on, as one key: values stand one after the
 * other, each padded to whole registers. False when something unknown is among them. */
bool ng_gather(const struct run *run, size_t slot, size_t len_bytes, struct part *ret_parts,
               size_t *ret_n_parts) {
    size_t at = 0, n = 0;
    while (at < len_bytes) {
        if (slot >= REGISTERS)
            return false;
        const struct loaded *loaded = &run->registers[slot];
        if (loaded->content != CONTENT_FIELDS)
            return false;
        for (size_t i = 0; i < loaded->n_parts; i++) {
            struct part part = loaded->parts[i];
            size_t offset = at + part.offset_bytes;
            if (offset >= len_bytes)
                break; /* a comparison may be shorter than what was loaded */
            if (n == MAX_PARTS || offset > UINT8_MAX)
                return false;
            if (offset + part.len_bytes > len_bytes) {
                /* The leading bytes only: of a field in network order that is a prefix. */
                size_t cut = offset + part.len_bytes - len_bytes;
                if (part.host_order)
                    return false;
                part.len_bytes = (uint8_t)(part.len_bytes - cut);
                part.shift_bits = (uint8_t)(part.shift_bits + 8 * cut);
                part.operand.mask &= ~(((ng_u128)1 << part.shift_bits) - 1);
            }
            part.offset_bytes = (uint8_t)offset;
            ret_parts[n++] = part;
        }
        size_t count = (loaded->len_bytes + REGISTER_BYTES - 1U) / REGISTER_BYTES;
        slot += count;
        at += count * REGISTER_BYTES;
    }
    *ret_n_parts = n;
    return n > 0;
}

/* -- headers ------------------------------------------------------------------------- */

struct header_field {
    uint8_t offset_bytes, len_bytes;
    enum ng_field field;
    uint8_t family;
};

/* RFC 791 and RFC 8200. The two layouts are told apart by the offsets that nft loads: a
 * load of 4 bytes at 12 is an IPv4 source, of 16 at 8 an IPv6 one. */
static const struct header_field ip4_header[] = {
    {6, 2, NG_FIELD_FRAGMENT, NG_IP4},
    {9, 1, NG_FIELD_L4PROTO, NG_IP4},
    {12, 4, NG_FIELD_SADDR, NG_IP4},
    {16, 4, NG_FIELD_DADDR, NG_IP4},
};

static const struct header_field ip6_header[] = {
    {6, 1, NG_FIELD_L4PROTO, NG_IP6},
    {8, 16, NG_FIELD_SADDR, NG_IP6},
    {24, 16, NG_FIELD_DADDR, NG_IP6},
};

/* RFC 9293, 768, 9260. ICMP's type and code (RFC 792, 4443) stand where the source port of
 * the others begins; they are loaded as single bytes. */
static const struct header_field transport_header[] = {
    {0, 2, NG_FIELD_SPORT, 0},
    {2, 2, NG_FIELD_DPORT, 0},
    {13, 1, NG_FIELD_TCP_FLAGS, 0},
};

static const struct header_field icmp_header[] = {
    {0, 1, NG_FIELD_ICMP_TYPE, 0},
    {1, 1, NG_FIELD_ICMP_CODE, 0},
};

/* Splits a load into the fields of `header` that it covers; false unless they cover all of
 * it. A part of a field is fine: iptables-nft loads 3 bytes for a /24. */
static bool split_load(const struct header_field *header, size_t count, uint32_t offset,
                       uint32_t len, struct loaded *loaded) {
    size_t n = 0;
    uint32_t at = offset, end = offset + len;
    for (size_t i = 0; i < count && at < end; i++) {
        uint32_t field_end = header[i].offset_bytes + (uint32_t)header[i].len_bytes;
        if (at < header[i].offset_bytes || at >= field_end)
            continue;
        uint32_t take = (field_end < end ? field_end : end) - at;
        uint32_t shift = 8 * (field_end - at - take);
        ng_u128 ones = take == 16 ? ~(ng_u128)0 : ((ng_u128)1 << (8 * take)) - 1;
        loaded->parts[n++] = (struct part){
            .operand =
                {
                    .field = header[i].field,
                    .mask = take == header[i].len_bytes ? ~(ng_u128)0 : ones << shift,
                    .family = header[i].family,
                },
            .offset_bytes = (uint8_t)(at - offset),
            .len_bytes = (uint8_t)take,
            .shift_bits = (uint8_t)shift,
        };
        at += take;
    }
    loaded->n_parts = n;
    return at == end;
}

static bool split_network(uint8_t table_family, uint32_t offset, uint32_t len,
                          struct loaded *loaded) {
    if (table_family == NFPROTO_IPV6)
        return split_load(ip6_header, ARRAY_SIZE(ip6_header), offset, len, loaded);
    if (table_family == NFPROTO_IPV4)
        return split_load(ip4_header, ARRAY_SIZE(ip4_header), offset, len, loaded);
    /* inet, netdev, bridge. An IPv6 address is loaded whole or as a prefix from its start. */
    bool ip6 = (offset == 8 || offset == 24) && len > 0;
    return ip6 ? split_load(ip6_header, ARRAY_SIZE(ip6_header), offset, len, loaded)
               : offset >= 9 && split_load(ip4_header, ARRAY_SIZE(ip4_header), offset, len, loaded);
}

int ng_decode_payload(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_PAYLOAD_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_PAYLOAD_MAX);
    if (r < 0)
        return r;
    if (attributes[NFTA_PAYLOAD_SREG])
        return ng_op_add_text(run->list, NG_OP_UNKNOWN, "payload write");

    uint32_t base = ng_attribute_be32(attributes[NFTA_PAYLOAD_BASE], UINT32_MAX);
    uint32_t offset = ng_attribute_be32(attributes[NFTA_PAYLOAD_OFFSET], 0);
    uint32_t len = ng_attribute_be32(attributes[NFTA_PAYLOAD_LEN], 0);
    size_t slot;
    r = ng_register_slot(attributes[NFTA_PAYLOAD_DREG], len, &slot);
    if (r < 0 || len == 0)
        return -EBADMSG;

    struct loaded split = {0};
    bool known = false;
    if (base == NFT_PAYLOAD_NETWORK_HEADER)
        known = split_network(run->family, offset, len, &split);
    else if (base == NFT_PAYLOAD_TRANSPORT_HEADER)
        known =
            len == 1 && offset <= 1
                ? split_load(icmp_header, ARRAY_SIZE(icmp_header), offset, len, &split)
                : split_load(transport_header, ARRAY_SIZE(transport_header), offset, len, &split);
    if (!known) {
        static const char *const names[] = {"link layer", "network", "transport", "inner"};
        char *name = ng_arena_printf(run->decoder->arena, "@%s header,%u,%u",
                                     base < ARRAY_SIZE(names) ? names[base] : "unknown",
                                     offset * 8U, len * 8U);
        return name ? ng_load_other(run, attributes[NFTA_PAYLOAD_DREG], len, name) : -ENOMEM;
    }
    struct loaded *loaded = ng_register_write(run, slot, len);
    loaded->content = CONTENT_FIELDS;
    memcpy(loaded->parts, split.parts, sizeof(loaded->parts));
    loaded->n_parts = split.n_parts;
    return 0;
}

struct key_field {
    enum ng_field field; /* NG_FIELD_OTHER: only `name` is known */
    uint8_t len_bytes;
    bool host_order;
    const char *name;
};

/* nft_meta_get_eval of the kernel: what has which width and order. */
static const struct key_field meta_keys[] = {
    [NFT_META_LEN] = {NG_FIELD_OTHER, 4, true, "meta length"},
    [NFT_META_PROTOCOL] = {NG_FIELD_ETHERTYPE, 2, false, NULL},
    [NFT_META_PRIORITY] = {NG_FIELD_OTHER, 4, true, "meta priority"},
    [NFT_META_MARK] = {NG_FIELD_MARK, 4, true, NULL},
    [NFT_META_IIF] = {NG_FIELD_IIF, 4, true, NULL},
    [NFT_META_OIF] = {NG_FIELD_OIF, 4, true, NULL},
    [NFT_META_IIFNAME] = {NG_FIELD_IIFNAME, 16, false, NULL},
    [NFT_META_OIFNAME] = {NG_FIELD_OIFNAME, 16, false, NULL},
    [NFT_META_IIFTYPE] = {NG_FIELD_IIFTYPE, 2, true, NULL},
    [NFT_META_OIFTYPE] = {NG_FIELD_OIFTYPE, 2, true, NULL},
    [NFT_META_SKUID] = {NG_FIELD_OTHER, 4, true, "meta skuid"},
    [NFT_META_SKGID] = {NG_FIELD_OTHER, 4, true, "meta skgid"},
    [NFT_META_NFTRACE] = {NG_FIELD_OTHER, 1, true, "meta nftrace"},
    [NFT_META_RTCLASSID] = {NG_FIELD_OTHER, 4, true, "rt classid"},
    [NFT_META_NFPROTO] = {NG_FIELD_NFPROTO, 1, false, NULL},
    [NFT_META_L4PROTO] = {NG_FIELD_L4PROTO, 1, false, NULL},
    [NFT_META_PKTTYPE] = {NG_FIELD_PKTTYPE, 1, false, NULL},
    [NFT_META_CPU] = {NG_FIELD_OTHER, 4, true, "meta cpu"},
    [NFT_META_IIFGROUP] = {NG_FIELD_OTHER, 4, true, "meta iifgroup"},
    [NFT_META_OIFGROUP] = {NG_FIELD_OTHER, 4, true, "meta oifgroup"},
    [NFT_META_CGROUP] = {NG_FIELD_OTHER, 4, true, "meta cgroup"},
    [NFT_META_PRANDOM] = {NG_FIELD_OTHER, 4, false, "meta random"},
    [NFT_META_SECPATH] = {NG_FIELD_OTHER, 1, false, "meta secpath"},
    [NFT_META_IIFKIND] = {NG_FIELD_IIFKIND, 16, false, NULL},
    [NFT_META_OIFKIND] = {NG_FIELD_OIFKIND, 16, false, NULL},
    [NFT_META_BRI_IIFNAME] = {NG_FIELD_OTHER, 16, false, "meta ibrname"},
    [NFT_META_BRI_OIFNAME] = {NG_FIELD_OTHER, 16, false, "meta obrname"},
    [NFT_META_TIME_NS] = {NG_FIELD_OTHER, 8, true, "meta time"},
    [NFT_META_TIME_DAY] = {NG_FIELD_OTHER, 1, false, "meta day"},
    [NFT_META_TIME_HOUR] = {NG_FIELD_OTHER, 4, true, "meta hour"},
    [NFT_META_SDIF] = {NG_FIELD_OTHER, 4, true, "meta sdif"},
    [NFT_META_SDIFNAME] = {NG_FIELD_OTHER, 16, false, "meta sdifname"},
};

int ng_decode_meta(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_META_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_META_MAX);
    if (r < 0)
        return r;
    uint32_t key = ng_attribute_be32(attributes[NFTA_META_KEY], UINT32_MAX);
    size_t slot;

    if (attributes[NFTA_META_SREG]) {
        if (key == NFT_META_PKTTYPE || key == NFT_META_SECMARK)
            return ng_op_add_text(run->list, NG_OP_UNKNOWN, "meta write");
        if (key != NFT_META_MARK)
            return ng_op_add_text(run->list, NG_OP_NOTHING, NULL);
        r = ng_register_slot(attributes[NFTA_META_SREG], 4, &slot);
        if (r < 0)
            return r;
        const struct loaded *source = &run->registers[slot];
        struct ng_operand mark = {.field = NG_FIELD_MARK};
        bool known = true;
        if (source->content == CONTENT_IMMEDIATE)
            mark.flip = ng_wire_number(source->bytes, 4, true);
        else if (source->content == CONTENT_FIELDS && source->n_parts == 1 &&
                 source->parts[0].operand.field == NG_FIELD_MARK)
            mark = source->parts[0].operand;
        else
            known = false;
        struct ng_operand *own = NULL;
        if (known) {
            own = ng_arena_alloc(run->decoder->arena, 1, sizeof(*own));
            if (!own)
                return -ENOMEM;
            *own = mark;
        }
        return ng_op_add(run->list, (struct ng_op){.kind = NG_OP_SET_MARK, .operand = own});
    }

    if (key >= ARRAY_SIZE(meta_keys) || meta_keys[key].len_bytes == 0)
        return ng_load_other(run, attributes[NFTA_META_DREG], 4, "meta");
    const struct key_field *known = &meta_keys[key];
    r = ng_register_slot(attributes[NFTA_META_DREG], known->len_bytes, &slot);
    if (r < 0)
        return r;
    struct part part = ng_whole_field(known->field, known->len_bytes, known->host_order);
    part.operand.name = known->name;
    ng_load_part(run, slot, part, known->len_bytes);
    return 0;
}

/* nft_ct_get_eval. Addresses have their width from the key or the table's family. */
static const struct key_field ct_keys[] = {
    [NFT_CT_STATE] = {NG_FIELD_CT_STATE, 4, true, NULL},
    [NFT_CT_DIRECTION] = {NG_FIELD_CT_DIRECTION, 1, false, NULL},
    [NFT_CT_STATUS] = {NG_FIELD_CT_STATUS, 4, true, NULL},
    [NFT_CT_MARK] = {NG_FIELD_CT_MARK, 4, true, NULL},
    [NFT_CT_SECMARK] = {NG_FIELD_OTHER, 4, true, "ct secmark"},
    [NFT_CT_EXPIRATION] = {NG_FIELD_OTHER, 4, true, "ct expiration"},
    [NFT_CT_HELPER] = {NG_FIELD_OTHER, 16, false, "ct helper"},
    [NFT_CT_L3PROTOCOL] = {NG_FIELD_NFPROTO, 1, false, NULL},
    [NFT_CT_SRC] = {NG_FIELD_CT_SADDR, 0, false, NULL},
    [NFT_CT_DST] = {NG_FIELD_CT_DADDR, 0, false, NULL},
    [NFT_CT_PROTOCOL] = {NG_FIELD_CT_L4PROTO, 1, false, NULL},
    [NFT_CT_PROTO_SRC] = {NG_FIELD_CT_SPORT, 2, false, NULL},
    [NFT_CT_PROTO_DST] = {NG_FIELD_CT_DPORT, 2, false, NULL},
    [NFT_CT_LABELS] = {NG_FIELD_OTHER, 16, false, "ct label"},
    [NFT_CT_PKTS] = {NG_FIELD_OTHER, 8, true, "ct packets"},
    [NFT_CT_BYTES] = {NG_FIELD_OTHER, 8, true, "ct bytes"},
    [NFT_CT_AVGPKT] = {NG_FIELD_OTHER, 8, true, "ct avgpkt"},
    [NFT_CT_ZONE] = {NG_FIELD_OTHER, 2, true, "ct zone"},
    [NFT_CT_EVENTMASK] = {NG_FIELD_OTHER, 4, true, "ct event"},
    [NFT_CT_SRC_IP] = {NG_FIELD_CT_SADDR, 4, false, NULL},
    [NFT_CT_DST_IP] = {NG_FIELD_CT_DADDR, 4, false, NULL},
    [NFT_CT_SRC_IP6] = {NG_FIELD_CT_SADDR, 16, false, NULL},
    [NFT_CT_DST_IP6] = {NG_FIELD_CT_DADDR, 16, false, NULL},
    [NFT_CT_ID] = {NG_FIELD_OTHER, 4, false, "ct id"},
};

int ng_decode_ct(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_CT_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_CT_MAX);
    if (r < 0)
        return r;
    uint32_t key = ng_attribute_be32(attributes[NFTA_CT_KEY], UINT32_MAX);
    if (attributes[NFTA_CT_SREG])
        /* A connection's mark is never read back as known, a zone changes nothing for its
         * first packet, an event mask or label nothing at all. */
        return ng_op_add_text(run->list, NG_OP_NOTHING, NULL);
    if (key >= ARRAY_SIZE(ct_keys))
        return ng_load_other(run, attributes[NFTA_CT_DREG], 4, "ct");

    struct key_field known = ct_keys[key];
    if (known.len_bytes == 0)
        known.len_bytes = run->family == NFPROTO_IPV4 ? 4 : 16;
    /* The reply direction of a connection that has no reply yet: not modelled. */
    bool reply = attributes[NFTA_CT_DIRECTION] &&
                 mnl_attr_get_payload_len(attributes[NFTA_CT_DIRECTION]) == 1 &&
                 mnl_attr_get_u8(attributes[NFTA_CT_DIRECTION]) == IP_CT_DIR_REPLY;
    if (reply)
        return ng_load_other(run, attributes[NFTA_CT_DREG], known.len_bytes, "ct reply");

    size_t slot;
    r = ng_register_slot(attributes[NFTA_CT_DREG], known.len_bytes, &slot);
    if (r < 0)
        return r;
    struct part part = ng_whole_field(known.field, known.len_bytes, known.host_order);
    part.operand.name = known.name;
    if (known.field == NG_FIELD_CT_SADDR || known.field == NG_FIELD_CT_DADDR)
        part.operand.family = known.len_bytes == 4 ? NG_IP4 : NG_IP6;
    ng_load_part(run, slot, part, known.len_bytes);
    return 0;
}

int ng_decode_fib(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_FIB_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_FIB_MAX);
    if (r < 0)
        return r;
    uint32_t result = ng_attribute_be32(attributes[NFTA_FIB_RESULT], 0);
    uint32_t flags = ng_attribute_be32(attributes[NFTA_FIB_FLAGS], 0);
    if (result == NFT_FIB_RESULT_ADDRTYPE &&
        (flags == NFTA_FIB_F_DADDR || flags == (NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF))) {
        size_t slot;
        r = ng_register_slot(attributes[NFTA_FIB_DREG], 4, &slot);
        if (r < 0)
            return r;
        ng_load_part(run, slot,
                     ng_whole_field(flags & NFTA_FIB_F_IIF ? NG_FIELD_FIB_DADDR_IIF_TYPE
                                                           : NG_FIELD_FIB_DADDR_TYPE,
                                    4, true),
                     4);
        return 0;
    }
    char *name = ng_arena_printf(
        run->decoder->arena, "fib %s%s%s%s%s %s", flags & NFTA_FIB_F_SADDR ? "saddr" : "daddr",
        flags & NFTA_FIB_F_MARK ? " . mark" : "", flags & NFTA_FIB_F_IIF ? " . iif" : "",
        flags & NFTA_FIB_F_OIF ? " . oif" : "", flags & NFTA_FIB_F_PRESENT ? " check" : "",
        result == NFT_FIB_RESULT_OIF       ? "oif"
        : result == NFT_FIB_RESULT_OIFNAME ? "oifname"
                                           : "type");
    if (!name)
        return -ENOMEM;
    return ng_load_other(run, attributes[NFTA_FIB_DREG],
                         result == NFT_FIB_RESULT_OIFNAME && !(flags & NFTA_FIB_F_PRESENT) ? 16 : 4,
                         name);
}

int ng_decode_immediate(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_IMMEDIATE_MAX + 1], *value[NFTA_DATA_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_IMMEDIATE_MAX);
    if (r < 0)
        return r;
    if (!attributes[NFTA_IMMEDIATE_DATA])
        return -EBADMSG;
    r = ng_attributes_in(attributes[NFTA_IMMEDIATE_DATA], value, NFTA_DATA_MAX);
    if (r < 0)
        return r;
    if (value[NFTA_DATA_VERDICT]) {
        struct ng_op op = {.kind = NG_OP_VERDICT};
        r = ng_decode_verdict(run->decoder, run->table, value[NFTA_DATA_VERDICT], &op.verdict);
        return r < 0 ? r : ng_op_add(run->list, op);
    }
    if (!value[NFTA_DATA_VALUE])
        return -EBADMSG;
    size_t len = mnl_attr_get_payload_len(value[NFTA_DATA_VALUE]), slot;
    r = ng_register_slot(attributes[NFTA_IMMEDIATE_DREG], len, &slot);
    if (r < 0 || len > 16)
        return -EBADMSG;
    struct loaded *loaded = ng_register_write(run, slot, len);
    loaded->content = CONTENT_IMMEDIATE;
    memset(loaded->bytes, 0, sizeof(loaded->bytes));
    memcpy(loaded->bytes, mnl_attr_get_payload(value[NFTA_DATA_VALUE]), len);
    return 0;
}

int ng_decode_exthdr(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_EXTHDR_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_EXTHDR_MAX);
    if (r < 0)
        return r;
    if (!attributes[NFTA_EXTHDR_DREG]) /* a TCP option is set or taken away */
        return ng_op_add_text(run->list, NG_OP_NOTHING, NULL);
    bool present = ng_attribute_be32(attributes[NFTA_EXTHDR_FLAGS], 0) & NFT_EXTHDR_F_PRESENT;
    uint32_t len = present ? 1 : ng_attribute_be32(attributes[NFTA_EXTHDR_LEN], 1);
    bool ip6 =
        ng_attribute_be32(attributes[NFTA_EXTHDR_OP], NFT_EXTHDR_OP_IPV6) == NFT_EXTHDR_OP_IPV6;
    if (!ip6)
        return ng_load_other(run, attributes[NFTA_EXTHDR_DREG], len, "tcp, ip or sctp option");
    size_t slot;
    r = ng_register_slot(attributes[NFTA_EXTHDR_DREG], len, &slot);
    if (r < 0)
        return r;
    struct part part =
        ng_whole_field(present ? NG_FIELD_EXTHDR_PRESENT : NG_FIELD_EXTHDR, len, false);
    part.operand.name = present ? "exthdr present" : "exthdr";
    ng_load_part(run, slot, part, len);
    return 0;
}
