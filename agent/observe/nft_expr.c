/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_parts.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <stdio.h>
#include <string.h>

/* The kernel runs expressions over registers: one loads a field, the next masks it, a third
 * compares. Here each register remembers what it was loaded with, so that the comparison
 * can be said as a test of that field.
 *
 * There are sixteen registers of 4 bytes; the four old 16-byte ones are four of them each
 * (NFT_REG_1 = NFT_REG32_00…03, linux/netfilter/nf_tables.h). */

enum {
    REGISTERS = 16,
    REGISTER_BYTES = 4,
    MAX_PARTS = 8, /* fields in one load or one concatenation */
};

enum content {
    CONTENT_NOTHING,
    CONTENT_FIELDS,
    CONTENT_IMMEDIATE,
    CONTENT_MAPPED, /* the result of a map lookup */
};

struct loaded {
    enum content content;
    uint8_t len_bytes;
    struct part parts[MAX_PARTS];
    size_t n_parts;
    uint8_t bytes[16];          /* of an immediate */
    const struct ng_match *map; /* of a lookup */
};

struct run {
    struct decoder *decoder;
    uint32_t table;
    uint8_t family; /* NFPROTO_… of the table */
    struct op_list *list;
    struct loaded registers[REGISTERS];
};

/* -- registers -----------------------------------------------------------------------------------
 */

/* -EBADMSG for a register that does not exist or does not hold `len_bytes`. */
static int register_slot(const struct nlattr *attribute, size_t len_bytes, size_t *ret_slot) {
    uint32_t number = ng_attr_u32(attribute, UINT32_MAX);
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
static struct loaded *overwrite(struct run *run, size_t slot, size_t len_bytes) {
    size_t count = (len_bytes + REGISTER_BYTES - 1) / REGISTER_BYTES;
    for (size_t i = slot; i < slot + count && i < REGISTERS; i++) {
        run->registers[i].content = CONTENT_NOTHING;
        run->registers[i].n_parts = 0;
    }
    run->registers[slot].len_bytes = (uint8_t)len_bytes;
    return &run->registers[slot];
}

static struct part whole_field(enum ng_field field, size_t len_bytes, bool host_order) {
    return (struct part){
        .operand = {.field = field, .mask = ~(ng_u128)0},
        .len_bytes = (uint8_t)(len_bytes > 16 ? 16 : len_bytes),
        .host_order = host_order,
    };
}

static void load_part(struct run *run, size_t slot, struct part part, size_t len_bytes) {
    struct loaded *loaded = overwrite(run, slot, len_bytes);
    loaded->content = CONTENT_FIELDS;
    loaded->parts[0] = part;
    loaded->n_parts = 1;
}

/* A field that the evaluator knows no value for, by the name a person would look it up. */
static int load_other(struct run *run, const struct nlattr *dreg, size_t len_bytes,
                      const char *name) {
    size_t slot;
    int r = register_slot(dreg, len_bytes, &slot);
    if (r < 0)
        return r;
    struct part part = whole_field(NG_FIELD_OTHER, len_bytes, false);
    part.operand.name = name;
    load_part(run, slot, part, len_bytes);
    return 0;
}

/* The parts of `len_bytes` bytes from a register on, as one key: values stand one after the
 * other, each padded to whole registers. False when something unknown is among them. */
static bool gather(const struct run *run, size_t slot, size_t len_bytes, struct part *ret_parts,
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

/* -- loads --------------------------------------------------------------------------- */

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

static int decode_payload(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_PAYLOAD_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_PAYLOAD_MAX);
    if (r < 0)
        return r;
    if (attributes[NFTA_PAYLOAD_SREG])
        return ng_op_add_text(run->list, NG_OP_UNKNOWN, "payload write");

    uint32_t base = ng_attr_u32(attributes[NFTA_PAYLOAD_BASE], UINT32_MAX);
    uint32_t offset = ng_attr_u32(attributes[NFTA_PAYLOAD_OFFSET], 0);
    uint32_t len = ng_attr_u32(attributes[NFTA_PAYLOAD_LEN], 0);
    size_t slot;
    r = register_slot(attributes[NFTA_PAYLOAD_DREG], len, &slot);
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
        return name ? load_other(run, attributes[NFTA_PAYLOAD_DREG], len, name) : -ENOMEM;
    }
    struct loaded *loaded = overwrite(run, slot, len);
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

static int decode_meta(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_META_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_META_MAX);
    if (r < 0)
        return r;
    uint32_t key = ng_attr_u32(attributes[NFTA_META_KEY], UINT32_MAX);
    size_t slot;

    if (attributes[NFTA_META_SREG]) {
        if (key == NFT_META_PKTTYPE || key == NFT_META_SECMARK)
            return ng_op_add_text(run->list, NG_OP_UNKNOWN, "meta write");
        if (key != NFT_META_MARK)
            return ng_op_add_text(run->list, NG_OP_NOTHING, NULL);
        r = register_slot(attributes[NFTA_META_SREG], 4, &slot);
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
        return load_other(run, attributes[NFTA_META_DREG], 4, "meta");
    const struct key_field *known = &meta_keys[key];
    r = register_slot(attributes[NFTA_META_DREG], known->len_bytes, &slot);
    if (r < 0)
        return r;
    struct part part = whole_field(known->field, known->len_bytes, known->host_order);
    part.operand.name = known->name;
    load_part(run, slot, part, known->len_bytes);
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

static int decode_ct(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_CT_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_CT_MAX);
    if (r < 0)
        return r;
    uint32_t key = ng_attr_u32(attributes[NFTA_CT_KEY], UINT32_MAX);
    if (attributes[NFTA_CT_SREG])
        /* A connection's mark is never read back as known, a zone changes nothing for its
         * first packet, an event mask or label nothing at all. */
        return ng_op_add_text(run->list, NG_OP_NOTHING, NULL);
    if (key >= ARRAY_SIZE(ct_keys))
        return load_other(run, attributes[NFTA_CT_DREG], 4, "ct");

    struct key_field known = ct_keys[key];
    if (known.len_bytes == 0)
        known.len_bytes = run->family == NFPROTO_IPV4 ? 4 : 16;
    /* The reply direction of a connection that has no reply yet: not modelled. */
    bool reply = attributes[NFTA_CT_DIRECTION] &&
                 mnl_attr_get_payload_len(attributes[NFTA_CT_DIRECTION]) == 1 &&
                 mnl_attr_get_u8(attributes[NFTA_CT_DIRECTION]) == IP_CT_DIR_REPLY;
    if (reply)
        return load_other(run, attributes[NFTA_CT_DREG], known.len_bytes, "ct reply");

    size_t slot;
    r = register_slot(attributes[NFTA_CT_DREG], known.len_bytes, &slot);
    if (r < 0)
        return r;
    struct part part = whole_field(known.field, known.len_bytes, known.host_order);
    part.operand.name = known.name;
    if (known.field == NG_FIELD_CT_SADDR || known.field == NG_FIELD_CT_DADDR)
        part.operand.family = known.len_bytes == 4 ? NG_IP4 : NG_IP6;
    load_part(run, slot, part, known.len_bytes);
    return 0;
}

static int decode_fib(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_FIB_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_FIB_MAX);
    if (r < 0)
        return r;
    uint32_t result = ng_attr_u32(attributes[NFTA_FIB_RESULT], 0);
    uint32_t flags = ng_attr_u32(attributes[NFTA_FIB_FLAGS], 0);
    if (result == NFT_FIB_RESULT_ADDRTYPE &&
        (flags == NFTA_FIB_F_DADDR || flags == (NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF))) {
        size_t slot;
        r = register_slot(attributes[NFTA_FIB_DREG], 4, &slot);
        if (r < 0)
            return r;
        load_part(run, slot,
                  whole_field(flags & NFTA_FIB_F_IIF ? NG_FIELD_FIB_DADDR_IIF_TYPE
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
    return load_other(run, attributes[NFTA_FIB_DREG],
                      result == NFT_FIB_RESULT_OIFNAME && !(flags & NFTA_FIB_F_PRESENT) ? 16 : 4,
                      name);
}

static int decode_immediate(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_IMMEDIATE_MAX + 1], *value[NFTA_DATA_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_IMMEDIATE_MAX);
    if (r < 0)
        return r;
    if (!attributes[NFTA_IMMEDIATE_DATA])
        return -EBADMSG;
    r = ng_nested(attributes[NFTA_IMMEDIATE_DATA], value, NFTA_DATA_MAX);
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
    r = register_slot(attributes[NFTA_IMMEDIATE_DREG], len, &slot);
    if (r < 0 || len > 16)
        return -EBADMSG;
    struct loaded *loaded = overwrite(run, slot, len);
    loaded->content = CONTENT_IMMEDIATE;
    memset(loaded->bytes, 0, sizeof(loaded->bytes));
    memcpy(loaded->bytes, mnl_attr_get_payload(value[NFTA_DATA_VALUE]), len);
    return 0;
}

/* -- transformations ----------------------------------------------------------------- */

static const uint8_t *constant(const struct nlattr *nest, size_t want_bytes) {
    const struct nlattr *attributes[NFTA_DATA_MAX + 1];
    if (!nest || ng_nested(nest, attributes, NFTA_DATA_MAX) < 0 || !attributes[NFTA_DATA_VALUE] ||
        mnl_attr_get_payload_len(attributes[NFTA_DATA_VALUE]) != want_bytes)
        return NULL;
    return mnl_attr_get_payload(attributes[NFTA_DATA_VALUE]);
}

static int decode_bitwise(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_BITWISE_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_BITWISE_MAX);
    if (r < 0)
        return r;
    uint32_t len = ng_attr_u32(attributes[NFTA_BITWISE_LEN], 0);
    size_t from, to;
    if (len == 0 || register_slot(attributes[NFTA_BITWISE_SREG], len, &from) < 0 ||
        register_slot(attributes[NFTA_BITWISE_DREG], len, &to) < 0)
        return -EBADMSG;

    struct part parts[MAX_PARTS];
    size_t n_parts;
    const uint8_t *mask = constant(attributes[NFTA_BITWISE_MASK], len);
    const uint8_t *flip = constant(attributes[NFTA_BITWISE_XOR], len);
    bool mask_xor =
        ng_attr_u32(attributes[NFTA_BITWISE_OP], NFT_BITWISE_MASK_XOR) == NFT_BITWISE_MASK_XOR;
    if (!mask_xor || !mask || !flip || !gather(run, from, len, parts, &n_parts))
        return load_other(run, attributes[NFTA_BITWISE_DREG], len, "a computed value");

    struct loaded *loaded = overwrite(run, to, len);
    loaded->content = CONTENT_FIELDS;
    for (size_t i = 0; i < n_parts; i++) {
        struct ng_operand *operand = &parts[i].operand;
        ng_u128 part_mask = part_number(&parts[i], mask + parts[i].offset_bytes);
        operand->flip =
            (operand->flip & part_mask) ^ part_number(&parts[i], flip + parts[i].offset_bytes);
        operand->mask &= part_mask;
        loaded->parts[i] = parts[i];
    }
    loaded->n_parts = n_parts;
    return 0;
}

static int decode_byteorder(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_BYTEORDER_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_BYTEORDER_MAX);
    if (r < 0)
        return r;
    uint32_t len = ng_attr_u32(attributes[NFTA_BYTEORDER_LEN], 0);
    uint32_t size = ng_attr_u32(attributes[NFTA_BYTEORDER_SIZE], 0);
    size_t from, to;
    if (len == 0 || register_slot(attributes[NFTA_BYTEORDER_SREG], len, &from) < 0 ||
        register_slot(attributes[NFTA_BYTEORDER_DREG], len, &to) < 0)
        return -EBADMSG;
    struct loaded source = run->registers[from];
    /* ntoh and hton are the same turn. */
    if (source.content != CONTENT_FIELDS || source.n_parts != 1 || size != len ||
        source.parts[0].len_bytes != len)
        return load_other(run, attributes[NFTA_BYTEORDER_DREG], len, "a byte-swapped value");
    source.parts[0].host_order = !source.parts[0].host_order;
    load_part(run, to, source.parts[0], len);
    return 0;
}

/* -- tests ---------------------------------------------------------------------------------------
 */

/* Something is tested that the evaluator cannot follow. */
static int add_undecided(struct run *run, const struct part *parts, size_t n_parts) {
    const char *name = "an unknown value";
    for (size_t i = 0; i < n_parts; i++)
        if (parts[i].operand.name)
            name = parts[i].operand.name;
    return ng_op_add_text(run->list, NG_OP_UNDECIDED, "%s", name);
}

/* Equality of several fields at once: all of them, or (negated) not all of them. */
static int add_equality(struct run *run, const struct part *parts, size_t n_parts,
                        const uint8_t *bytes, bool negate) {
    if (n_parts == 1) {
        ng_u128 value = part_number(&parts[0], bytes + parts[0].offset_bytes);
        return ng_op_add_interval(run->list, parts[0].operand, value, value, negate);
    }
    struct ng_arena *arena = run->decoder->arena;
    struct ng_match *match = ng_arena_alloc(arena, 1, sizeof(*match));
    struct ng_operand *operands = ng_arena_alloc(arena, n_parts, sizeof(*operands));
    struct ng_interval *sides = ng_arena_alloc(arena, n_parts, sizeof(*sides));
    struct ng_box *box = ng_arena_alloc(arena, 1, sizeof(*box));
    if (!match || !operands || !sides || !box)
        return -ENOMEM;
    for (size_t i = 0; i < n_parts; i++) {
        operands[i] = parts[i].operand;
        sides[i].lo = sides[i].hi = part_number(&parts[i], bytes + parts[i].offset_bytes);
    }
    box->sides = sides;
    *match = (struct ng_match){
        .operands = operands, .n_operands = n_parts, .negate = negate, .boxes = box, .n_boxes = 1};
    return ng_op_add(run->list, (struct ng_op){.kind = NG_OP_MATCH, .match = match});
}

static int decode_cmp(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_CMP_MAX + 1], *value[NFTA_DATA_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_CMP_MAX);
    if (r < 0)
        return r;
    if (!attributes[NFTA_CMP_DATA] ||
        ng_nested(attributes[NFTA_CMP_DATA], value, NFTA_DATA_MAX) < 0 || !value[NFTA_DATA_VALUE])
        return -EBADMSG;
    size_t len = mnl_attr_get_payload_len(value[NFTA_DATA_VALUE]), slot;
    const uint8_t *bytes = mnl_attr_get_payload(value[NFTA_DATA_VALUE]);
    if (len == 0 || register_slot(attributes[NFTA_CMP_SREG], len, &slot) < 0)
        return -EBADMSG;

    struct part parts[MAX_PARTS];
    size_t n_parts = 0;
    if (!gather(run, slot, len, parts, &n_parts))
        return add_undecided(run, parts, 0);
    uint32_t op = ng_attr_u32(attributes[NFTA_CMP_OP], UINT32_MAX);
    if (op == NFT_CMP_EQ || op == NFT_CMP_NEQ)
        return add_equality(run, parts, n_parts, bytes, op == NFT_CMP_NEQ);

    /* The kernel orders by memcmp: that is the order of numbers only in network order. */
    if (n_parts != 1 || parts[0].host_order)
        return add_undecided(run, parts, n_parts);
    ng_u128 number = part_number(&parts[0], bytes + parts[0].offset_bytes);
    ng_u128 ones = len >= 16 ? ~(ng_u128)0 : ((ng_u128)1 << (8 * len)) - 1;
    ng_u128 highest = ones << parts[0].shift_bits;
    switch (op) {
    case NFT_CMP_LT:
        return ng_op_add_interval(run->list, parts[0].operand, number, highest, true);
    case NFT_CMP_LTE:
        return ng_op_add_interval(run->list, parts[0].operand, 0, number, false);
    case NFT_CMP_GT:
        return ng_op_add_interval(run->list, parts[0].operand, 0, number, true);
    case NFT_CMP_GTE:
        return ng_op_add_interval(run->list, parts[0].operand, number, highest, false);
    default:
        return add_undecided(run, parts, n_parts);
    }
}

static int decode_range(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_RANGE_MAX + 1], *from[NFTA_DATA_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_RANGE_MAX);
    if (r < 0)
        return r;
    if (!attributes[NFTA_RANGE_FROM_DATA] ||
        ng_nested(attributes[NFTA_RANGE_FROM_DATA], from, NFTA_DATA_MAX) < 0 ||
        !from[NFTA_DATA_VALUE])
        return -EBADMSG;
    size_t len = mnl_attr_get_payload_len(from[NFTA_DATA_VALUE]), slot;
    const uint8_t *lo = mnl_attr_get_payload(from[NFTA_DATA_VALUE]);
    const uint8_t *hi = constant(attributes[NFTA_RANGE_TO_DATA], len);
    if (!hi || len == 0 || register_slot(attributes[NFTA_RANGE_SREG], len, &slot) < 0)
        return -EBADMSG;

    struct part parts[MAX_PARTS];
    size_t n_parts = 0;
    if (!gather(run, slot, len, parts, &n_parts) || n_parts != 1 || parts[0].host_order)
        return add_undecided(run, parts, n_parts);
    return ng_op_add_interval(run->list, parts[0].operand,
                              part_number(&parts[0], lo + parts[0].offset_bytes),
                              part_number(&parts[0], hi + parts[0].offset_bytes),
                              ng_attr_u32(attributes[NFTA_RANGE_OP], 0) == NFT_RANGE_NEQ);
}

static int decode_lookup(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_LOOKUP_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_LOOKUP_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attr_text(attributes[NFTA_LOOKUP_SET]);
    struct raw_set *set = name ? ng_set_find(run->decoder, run->table, name) : NULL;
    size_t slot;
    if (!set || register_slot(attributes[NFTA_LOOKUP_SREG], set->key_len_bytes, &slot) < 0)
        return -EBADMSG;

    bool negate = ng_attr_u32(attributes[NFTA_LOOKUP_FLAGS], 0) & NFT_LOOKUP_F_INV;
    struct part parts[MAX_PARTS];
    size_t n_parts = 0;
    const struct ng_match *match = NULL;
    r = gather(run, slot, set->key_len_bytes, parts, &n_parts)
            ? ng_set_understand(run->decoder, set, parts, n_parts, negate, &match)
            : -EOPNOTSUPP;
    if (r < 0 && r != -EOPNOTSUPP)
        return r;

    bool to_verdict = attributes[NFTA_LOOKUP_DREG] &&
                      ng_attr_u32(attributes[NFTA_LOOKUP_DREG], 0) == NFT_REG_VERDICT;
    if (to_verdict)
        return match ? ng_op_add(run->list, (struct ng_op){.kind = NG_OP_VMAP, .match = match})
                     : ng_op_add_text(run->list, NG_OP_UNKNOWN, "vmap @%s", set->name);
    if (attributes[NFTA_LOOKUP_DREG]) {
        if (register_slot(attributes[NFTA_LOOKUP_DREG], 1, &slot) < 0)
            return -EBADMSG;
        struct loaded *loaded = overwrite(run, slot, REGISTER_BYTES);
        loaded->content = CONTENT_MAPPED;
        loaded->map = match; /* NULL: a map that could not be followed */
        return 0;
    }
    return match ? ng_op_add(run->list, (struct ng_op){.kind = NG_OP_MATCH, .match = match})
                 : ng_op_add_text(run->list, NG_OP_UNDECIDED, "@%s", set->name);
}

/* -- effects ------------------------------------------------------------------------- */

/* Reads what stands in a register pair as an address or a port. False: not a constant. */
static bool nat_number(const struct run *run, const struct nlattr *attribute, size_t len_bytes,
                       ng_u128 *ret_value) {
    size_t slot;
    if (register_slot(attribute, len_bytes, &slot) < 0 ||
        run->registers[slot].content != CONTENT_IMMEDIATE)
        return false;
    *ret_value = ng_wire_number(run->registers[slot].bytes, len_bytes, false);
    return true;
}

static bool nat_ports(const struct run *run, const struct nlattr *min, const struct nlattr *max,
                      struct ng_nat *nat) {
    ng_u128 lo, hi;
    if (!min)
        return true;
    if (!nat_number(run, min, 2, &lo) || !nat_number(run, max ? max : min, 2, &hi))
        return false;
    nat->has_port = true;
    nat->port_lo = (uint16_t)lo;
    nat->port_hi = (uint16_t)hi;
    return true;
}

static int add_nat(struct run *run, enum ng_op_kind kind, struct ng_nat nat) {
    struct ng_nat *own = ng_arena_alloc(run->decoder->arena, 1, sizeof(*own));
    if (!own)
        return -ENOMEM;
    *own = nat;
    return ng_op_add(run->list, (struct ng_op){.kind = kind, .nat = own});
}

static int decode_nat(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_NAT_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_NAT_MAX);
    if (r < 0)
        return r;
    if (ng_attr_u32(attributes[NFTA_NAT_TYPE], NFT_NAT_DNAT) == NFT_NAT_SNAT)
        return ng_op_add_text(run->list, NG_OP_SNAT, "snat");

    const struct nlattr *min = attributes[NFTA_NAT_REG_ADDR_MIN];
    const struct nlattr *max = attributes[NFTA_NAT_REG_ADDR_MAX];
    size_t slot;
    /* Where the map's data is a range, its end stands in a register of its own. */
    bool range = max && ng_attr_u32(max, 0) != ng_attr_u32(min, 0);
    if (min && !range && register_slot(min, 1, &slot) == 0 &&
        run->registers[slot].content == CONTENT_MAPPED && run->registers[slot].map)
        return ng_op_add(run->list,
                         (struct ng_op){.kind = NG_OP_DNAT, .match = run->registers[slot].map});

    bool ip4 = ng_attr_u32(attributes[NFTA_NAT_FAMILY], NFPROTO_IPV4) == NFPROTO_IPV4;
    size_t len = ip4 ? 4 : 16;
    struct ng_nat nat = {0};
    bool known = true;
    if (min) {
        ng_u128 lo = 0, hi = 0;
        known = nat_number(run, min, len, &lo) && nat_number(run, max ? max : min, len, &hi);
        nat.has_addr = true;
        nat.addr_lo = (struct ng_addr){ip4 ? NG_IP4 : NG_IP6, lo};
        nat.addr_hi = (struct ng_addr){ip4 ? NG_IP4 : NG_IP6, hi};
    }
    if (!known || !nat_ports(run, attributes[NFTA_NAT_REG_PROTO_MIN],
                             attributes[NFTA_NAT_REG_PROTO_MAX], &nat))
        return ng_op_add_text(run->list, NG_OP_UNKNOWN, "dnat to a computed address");
    return add_nat(run, NG_OP_DNAT, nat);
}

static int decode_redir(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_REDIR_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_REDIR_MAX);
    if (r < 0)
        return r;
    struct ng_nat nat = {0};
    if (!nat_ports(run, attributes[NFTA_REDIR_REG_PROTO_MIN], attributes[NFTA_REDIR_REG_PROTO_MAX],
                   &nat))
        return ng_op_add_text(run->list, NG_OP_UNKNOWN, "redirect to a computed port");
    return add_nat(run, NG_OP_REDIRECT, nat);
}

static int decode_xt(struct run *run, const struct nlattr *data, bool target) {
    /* nf_tables_compat.h: NFTA_MATCH_… and NFTA_TARGET_… have the same numbers. */
    const struct nlattr *attributes[NFTA_MATCH_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_MATCH_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attr_text(attributes[NFTA_MATCH_NAME]);
    const struct nlattr *info = attributes[NFTA_MATCH_INFO];
    if (!name || !info)
        return -EBADMSG;
    uint32_t revision = ng_attr_u32(attributes[NFTA_MATCH_REV], 0);
    return (target ? ng_decode_xt_target : ng_decode_xt_match)(run->list, run->family, name,
                                                               revision, mnl_attr_get_payload(info),
                                                               mnl_attr_get_payload_len(info));
}

static int decode_limit(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_LIMIT_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_LIMIT_MAX);
    if (r < 0)
        return r;
    uint64_t unit_s = ng_attr_u64(attributes[NFTA_LIMIT_UNIT], 1);
    bool over = ng_attr_u32(attributes[NFTA_LIMIT_FLAGS], 0) & NFT_LIMIT_F_INV;
    const char *unit = unit_s == 60      ? "minute"
                       : unit_s == 3600  ? "hour"
                       : unit_s == 86400 ? "day"
                                         : "second";
    return ng_op_add_text(run->list, NG_OP_UNDECIDED, "limit rate %s%llu/%s", over ? "over " : "",
                          (unsigned long long)ng_attr_u64(attributes[NFTA_LIMIT_RATE], 0), unit);
}

static int decode_log(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_LOG_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_LOG_MAX);
    if (r < 0)
        return r;
    const char *prefix = ng_attr_text(attributes[NFTA_LOG_PREFIX]);
    return prefix ? ng_op_add_text(run->list, NG_OP_NOTHING, "log prefix \"%s\"", prefix)
                  : ng_op_add_text(run->list, NG_OP_NOTHING, "log");
}

static int decode_objref(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_OBJREF_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_OBJREF_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attr_text(attributes[NFTA_OBJREF_IMM_NAME]);
    switch (ng_attr_u32(attributes[NFTA_OBJREF_IMM_TYPE], NFT_OBJECT_UNSPEC)) {
    case NFT_OBJECT_COUNTER:
    case NFT_OBJECT_CT_HELPER:
    case NFT_OBJECT_CT_TIMEOUT:
    case NFT_OBJECT_CT_EXPECT:
    case NFT_OBJECT_SECMARK:
    case NFT_OBJECT_TUNNEL:
        return ng_op_add_text(run->list, NG_OP_NOTHING, NULL);
    case NFT_OBJECT_QUOTA:
    case NFT_OBJECT_LIMIT:
    case NFT_OBJECT_CONNLIMIT:
        return ng_op_add_text(run->list, NG_OP_UNDECIDED, "object \"%s\"", name ? name : "?");
    default: /* synproxy, and objects chosen by a map */
        return ng_op_add_text(run->list, NG_OP_UNKNOWN, "object \"%s\"", name ? name : "?");
    }
}

static int decode_exthdr(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_EXTHDR_MAX + 1];
    int r = ng_nested(data, attributes, NFTA_EXTHDR_MAX);
    if (r < 0)
        return r;
    if (!attributes[NFTA_EXTHDR_DREG]) /* a TCP option is set or taken away */
        return ng_op_add_text(run->list, NG_OP_NOTHING, NULL);
    bool present = ng_attr_u32(attributes[NFTA_EXTHDR_FLAGS], 0) & NFT_EXTHDR_F_PRESENT;
    uint32_t len = present ? 1 : ng_attr_u32(attributes[NFTA_EXTHDR_LEN], 1);
    bool ip6 = ng_attr_u32(attributes[NFTA_EXTHDR_OP], NFT_EXTHDR_OP_IPV6) == NFT_EXTHDR_OP_IPV6;
    if (!ip6)
        return load_other(run, attributes[NFTA_EXTHDR_DREG], len, "tcp, ip or sctp option");
    size_t slot;
    r = register_slot(attributes[NFTA_EXTHDR_DREG], len, &slot);
    if (r < 0)
        return r;
    struct part part = whole_field(present ? NG_FIELD_EXTHDR_PRESENT : NG_FIELD_EXTHDR, len, false);
    part.operand.name = present ? "exthdr present" : "exthdr";
    load_part(run, slot, part, len);
    return 0;
}

/* -- dispatch ------------------------------------------------------------------------ */

typedef int (*decode_fn)(struct run *run, const struct nlattr *data);

static int decode_match(struct run *run, const struct nlattr *data) {
    return decode_xt(run, data, false);
}

static int decode_target(struct run *run, const struct nlattr *data) {
    return decode_xt(run, data, true);
}

static int decode_nothing(struct run *run, const struct nlattr *data) {
    (void)data;
    return ng_op_add_text(run->list, NG_OP_NOTHING, NULL);
}

static int decode_reject(struct run *run, const struct nlattr *data) {
    (void)data;
    return ng_op_add(run->list,
                     (struct ng_op){.kind = NG_OP_VERDICT,
                                    .verdict = {.kind = NG_VERDICT_DROP, .text = "reject"}});
}

static int decode_notrack(struct run *run, const struct nlattr *data) {
    (void)data;
    return ng_op_add(run->list, (struct ng_op){.kind = NG_OP_NOTRACK});
}

static int decode_masq(struct run *run, const struct nlattr *data) {
    (void)data;
    return ng_op_add_text(run->list, NG_OP_SNAT, "masquerade");
}

static const struct {
    const char *name;
    decode_fn decode;
} expressions[] = {
    {"cmp", decode_cmp},
    {"payload", decode_payload},
    {"meta", decode_meta},
    {"counter", decode_nothing},
    {"immediate", decode_immediate},
    {"lookup", decode_lookup},
    {"bitwise", decode_bitwise},
    {"ct", decode_ct},
    {"match", decode_match},
    {"target", decode_target},
    {"nat", decode_nat},
    {"masq", decode_masq},
    {"redir", decode_redir},
    {"range", decode_range},
    {"fib", decode_fib},
    {"byteorder", decode_byteorder},
    {"reject", decode_reject},
    {"log", decode_log},
    {"limit", decode_limit},
    {"notrack", decode_notrack},
    {"objref", decode_objref},
    {"exthdr", decode_exthdr},
    {"last", decode_nothing},
    {"dup", decode_nothing},
    {"flow_offload", decode_nothing},
};

/* Expressions that let a packet on or not by something the ruleset does not tell. */
static const char *const undecided_expressions[] = {"quota", "connlimit", "dynset", "osf"};

/* Expressions that load what has no value here: { name, register attribute }. */
static const struct {
    const char *name, *field;
    uint16_t dreg;
    uint8_t len_bytes;
} other_loads[] = {
    {"rt", "rt", NFTA_RT_DREG, 16},        {"socket", "socket", NFTA_SOCKET_DREG, 8},
    {"numgen", "numgen", NFTA_NG_DREG, 4}, {"hash", "hash", NFTA_HASH_DREG, 4},
    {"xfrm", "ipsec", NFTA_XFRM_DREG, 16}, {"tunnel", "tunnel", NFTA_TUNNEL_DREG, 4},
};

static int decode_expression(struct run *run, const struct nlattr *nest) {
    const struct nlattr *attributes[NFTA_EXPR_MAX + 1];
    int r = ng_nested(nest, attributes, NFTA_EXPR_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attr_text(attributes[NFTA_EXPR_NAME]);
    const struct nlattr *data = attributes[NFTA_EXPR_DATA];
    if (!name)
        return -EBADMSG;
    if (data)
        for (size_t i = 0; i < ARRAY_SIZE(expressions); i++)
            if (strcmp(name, expressions[i].name) == 0)
                return expressions[i].decode(run, data);
    if (strcmp(name, "notrack") == 0)
        return decode_notrack(run, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(undecided_expressions); i++)
        if (strcmp(name, undecided_expressions[i]) == 0)
            return ng_op_add_text(run->list, NG_OP_UNDECIDED, "%s", name);
    for (size_t i = 0; data && i < ARRAY_SIZE(other_loads); i++)
        if (strcmp(name, other_loads[i].name) == 0) {
            const struct nlattr *inner[16];
            r = ng_nested(data, inner, ARRAY_SIZE(inner) - 1);
            if (r < 0)
                return r;
            return load_other(run, inner[other_loads[i].dreg], other_loads[i].len_bytes,
                              other_loads[i].field);
        }
    return ng_op_add_text(run->list, NG_OP_UNKNOWN, "%s", name);
}

int ng_decode_expressions(struct decoder *decoder, uint32_t table,
                          const struct nlattr *expressions_, struct op_list *list) {
    static const uint8_t nfproto[] = {
        [NG_TABLE_IP] = NFPROTO_IPV4,       [NG_TABLE_IP6] = NFPROTO_IPV6,
        [NG_TABLE_INET] = NFPROTO_INET,     [NG_TABLE_NETDEV] = NFPROTO_NETDEV,
        [NG_TABLE_BRIDGE] = NFPROTO_BRIDGE, [NG_TABLE_ARP] = NFPROTO_ARP,
    };
    struct run run;
    run.decoder = decoder;
    run.table = table;
    run.family = nfproto[decoder->tables[table].family];
    run.list = list;
    /* Only what says whether the rest counts: clearing it all costs more than decoding. */
    for (size_t i = 0; i < REGISTERS; i++)
        run.registers[i].content = CONTENT_NOTHING;
    int r = ng_list_check(expressions_);
    if (r < 0)
        return r;
    const struct nlattr *expression;
    mnl_attr_for_each_nested(expression, expressions_) {
        r = decode_expression(&run, expression);
        if (r < 0)
            return r;
    }
    return 0;
}
