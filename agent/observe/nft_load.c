/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_registers.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* Since Linux 6.5 and 6.18, and not in older headers. */
enum {
    META_BRI_BROUTE = 35,
    META_BRI_IIFHWADDR = 37,
};

struct key_field {
    enum ng_field field; /* NG_FIELD_OTHER: only `name` is known */
    uint8_t len_bytes;   /* 0: there is no such key */
    bool host_order;
    bool may_lack;
    enum format format;
    const char *name;
};

static struct part key_part(const struct key_field *key) {
    struct part part = ng_whole_field(key->field, key->len_bytes, key->host_order);
    part.operand.name = key->name;
    part.may_lack = key->may_lack;
    part.format = key->format;
    return part;
}

static int load_key(struct run *run, const struct nlattr *dreg, const struct key_field *key) {
    size_t at;
    int r = ng_register_at(dreg, key->len_bytes, &at);
    if (r < 0)
        return r;
    ng_registers_load(run, at, key_part(key));
    return 0;
}

/* A key that a later kernel has: of what width, nobody tells. */
static int load_undecoded(struct run *run, const struct nlattr *dreg, const char *name) {
    struct part part = ng_whole_field(NG_FIELD_OTHER, NUMBER_BYTES, false);
    size_t at;
    int r = ng_register_at(dreg, 1, &at);
    if (r < 0)
        return r;
    part.operand.name = name;
    part.may_lack = part.undecoded = true;
    size_t left = REGISTERS_BYTES - at;
    return ng_load_other(run, dreg, left < NUMBER_BYTES ? left : NUMBER_BYTES, part);
}

/* -- meta ---------------------------------------------------------------------------------- */

/* nft_meta_get_eval of the kernel: what has which width and order, and what may be lacking. */
static const struct key_field meta_keys[] = {
    [NFT_META_LEN] = {NG_FIELD_OTHER, 4, true, false, FORMAT_NUMBER, "meta length"},
    [NFT_META_PROTOCOL] = {NG_FIELD_ETHERTYPE, 2, false, false, FORMAT_HEX, NULL},
    [NFT_META_PRIORITY] = {NG_FIELD_OTHER, 4, true, false, FORMAT_HEX, "meta priority"},
    [NFT_META_MARK] = {NG_FIELD_MARK, 4, true, false, FORMAT_HEX, NULL},
    [NFT_META_IIF] = {NG_FIELD_IIF, 4, true, false, FORMAT_NUMBER, NULL},
    [NFT_META_OIF] = {NG_FIELD_OIF, 4, true, false, FORMAT_NUMBER, NULL},
    [NFT_META_IIFNAME] = {NG_FIELD_IIFNAME, 16, false, false, FORMAT_STRING, NULL},
    [NFT_META_OIFNAME] = {NG_FIELD_OIFNAME, 16, false, false, FORMAT_STRING, NULL},
    [NFT_META_IIFTYPE] = {NG_FIELD_IIFTYPE, 2, true, true, FORMAT_NUMBER, NULL},
    [NFT_META_OIFTYPE] = {NG_FIELD_OIFTYPE, 2, true, true, FORMAT_NUMBER, NULL},
    [NFT_META_SKUID] = {NG_FIELD_OTHER, 4, true, true, FORMAT_NUMBER, "meta skuid"},
    [NFT_META_SKGID] = {NG_FIELD_OTHER, 4, true, true, FORMAT_NUMBER, "meta skgid"},
    [NFT_META_NFTRACE] = {NG_FIELD_OTHER, 1, false, false, FORMAT_NUMBER, "meta nftrace"},
    [NFT_META_RTCLASSID] = {NG_FIELD_OTHER, 4, true, true, FORMAT_NUMBER, "meta rtclassid"},
    [NFT_META_SECMARK] = {NG_FIELD_OTHER, 4, true, false, FORMAT_HEX, "meta secmark"},
    [NFT_META_NFPROTO] = {NG_FIELD_NFPROTO, 1, false, false, FORMAT_NUMBER, NULL},
    [NFT_META_L4PROTO] = {NG_FIELD_L4PROTO, 1, false, false, FORMAT_NUMBER, NULL},
    [NFT_META_BRI_IIFNAME] = {NG_FIELD_OTHER, 16, false, true, FORMAT_STRING, "meta ibrname"},
    [NFT_META_BRI_OIFNAME] = {NG_FIELD_OTHER, 16, false, true, FORMAT_STRING, "meta obrname"},
    [NFT_META_PKTTYPE] = {NG_FIELD_PKTTYPE, 1, false, false, FORMAT_NUMBER, NULL},
    [NFT_META_CPU] = {NG_FIELD_OTHER, 4, true, false, FORMAT_NUMBER, "meta cpu"},
    [NFT_META_IIFGROUP] = {NG_FIELD_IIFGROUP, 4, true, true, FORMAT_NUMBER, NULL},
    [NFT_META_OIFGROUP] = {NG_FIELD_OIFGROUP, 4, true, true, FORMAT_NUMBER, NULL},
    [NFT_META_CGROUP] = {NG_FIELD_OTHER, 4, true, true, FORMAT_NUMBER, "meta cgroup"},
    [NFT_META_PRANDOM] = {NG_FIELD_OTHER, 4, false, false, FORMAT_NUMBER, "meta random"},
    [NFT_META_SECPATH] = {NG_FIELD_SECPATH, 1, false, false, FORMAT_EXISTS, NULL},
    [NFT_META_IIFKIND] = {NG_FIELD_IIFKIND, 16, false, true, FORMAT_STRING, NULL},
    [NFT_META_OIFKIND] = {NG_FIELD_OIFKIND, 16, false, true, FORMAT_STRING, NULL},
    [NFT_META_BRI_IIFPVID] = {NG_FIELD_OTHER, 2, true, true, FORMAT_NUMBER, "meta ibrpvid"},
    [NFT_META_BRI_IIFVPROTO] = {NG_FIELD_OTHER, 2, false, true, FORMAT_HEX, "meta ibrvproto"},
    [NFT_META_TIME_NS] = {NG_FIELD_OTHER, 8, true, false, FORMAT_NUMBER, "meta time"},
    [NFT_META_TIME_DAY] = {NG_FIELD_OTHER, 1, false, false, FORMAT_NUMBER, "meta day"},
    [NFT_META_TIME_HOUR] = {NG_FIELD_OTHER, 4, true, false, FORMAT_NUMBER, "meta hour"},
    [NFT_META_SDIF] = {NG_FIELD_OTHER, 4, true, false, FORMAT_NUMBER, "meta sdif"},
    [NFT_META_SDIFNAME] = {NG_FIELD_OTHER, 16, false, true, FORMAT_STRING, "meta sdifname"},
    [META_BRI_IIFHWADDR] = {NG_FIELD_OTHER, 6, false, true, FORMAT_HEX, "meta ibrhwaddr"},
};

static int set_meta(struct run *run, uint32_t key, const struct nlattr *sreg) {
    size_t len =
        key == NFT_META_NFTRACE || key == NFT_META_PKTTYPE || key == META_BRI_BROUTE ? 1 : 4;
    struct value value;
    size_t at;
    int r = ng_register_at(sreg, len, &at);
    if (r < 0)
        return r;
    if (key == NFT_META_MARK)
        return ng_add_assign(run, NG_FIELD_MARK, at, len, true);
    ng_registers_read(run, at, len, &value);
    r = ng_require_value(run, &value);
    if (r < 0)
        return r;
    const uint8_t *bytes = ng_value_constant(&value);
    unsigned long long number = bytes ? (unsigned long long)ng_wire_number(bytes, len, true) : 0;
    switch (key) {
    case NFT_META_NFTRACE:
        return ng_op_add_text(run->list, NG_OP_NOTHING, "meta nftrace set %llu", number);
    case NFT_META_PRIORITY:
        if (bytes)
            return ng_op_add_text(run->list, NG_OP_NOTHING, "meta priority set %llx:%llx",
                                  number >> 16, number & 0xffff);
        return ng_op_add_text(run->list, NG_OP_NOTHING, "meta priority set");
    case NFT_META_SECMARK:
        return ng_op_add_text(run->list, NG_OP_NOTHING, "meta secmark set");
    case NFT_META_PKTTYPE:
        /* To a packet that is for this machine anyway (PACKET_HOST) nothing happens. */
        return ng_op_add_text(run->list, bytes && number == 0 ? NG_OP_NOTHING : NG_OP_UNKNOWN,
                              "meta pkttype set%s", bytes && number == 0 ? " host" : "");
    case META_BRI_BROUTE:
        return ng_op_add_text(run->list, NG_OP_UNKNOWN, "meta broute set %llu", number);
    default:
        return ng_op_add_undecoded(run->list, NG_OP_UNKNOWN, "meta key %u set", key);
    }
}

int ng_decode_meta(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_META_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_META_MAX);
    if (r < 0)
        return r;
    uint32_t key = ng_attribute_be32(attributes[NFTA_META_KEY], UINT32_MAX);
    if (attributes[NFTA_META_SREG])
        return set_meta(run, key, attributes[NFTA_META_SREG]);
    const struct nlattr *dreg = attributes[NFTA_META_DREG];
    if (key >= ARRAY_SIZE(meta_keys) || meta_keys[key].len_bytes == 0)
        return load_undecoded(run, dreg, "an unknown meta key");
    return load_key(run, dreg, &meta_keys[key]);
}

/* -- ct ------------------------------------------------------------------------------------ */

/* nft_ct_get_eval. Everything but the state is lacking where no connection is known. */
static const struct key_field ct_keys[] = {
    [NFT_CT_STATE] = {NG_FIELD_CT_STATE, 4, true, false, FORMAT_HEX, NULL},
    [NFT_CT_DIRECTION] = {NG_FIELD_CT_DIRECTION, 1, false, true, FORMAT_NUMBER, NULL},
    [NFT_CT_STATUS] = {NG_FIELD_CT_STATUS, 4, true, true, FORMAT_HEX, NULL},
    [NFT_CT_MARK] = {NG_FIELD_CT_MARK, 4, true, true, FORMAT_HEX, NULL},
    [NFT_CT_SECMARK] = {NG_FIELD_OTHER, 4, true, true, FORMAT_HEX, "ct secmark"},
    [NFT_CT_EXPIRATION] = {NG_FIELD_CT_EXPIRATION, 4, true, true, FORMAT_NUMBER, NULL},
    /* That of the connection which announced this one: a new one was not announced. */
    [NFT_CT_HELPER] = {NG_FIELD_EXTHDR, 16, false, true, FORMAT_STRING, "ct helper"},
    [NFT_CT_L3PROTOCOL] = {NG_FIELD_NFPROTO, 1, false, true, FORMAT_NUMBER, NULL},
    [NFT_CT_SRC] = {NG_FIELD_CT_SADDR, 16, false, true, FORMAT_ADDR, NULL},
    [NFT_CT_DST] = {NG_FIELD_CT_DADDR, 16, false, true, FORMAT_ADDR, NULL},
    [NFT_CT_PROTOCOL] = {NG_FIELD_CT_L4PROTO, 1, false, true, FORMAT_NUMBER, NULL},
    [NFT_CT_PROTO_SRC] = {NG_FIELD_CT_SPORT, 2, false, true, FORMAT_NUMBER, NULL},
    [NFT_CT_PROTO_DST] = {NG_FIELD_CT_DPORT, 2, false, true, FORMAT_NUMBER, NULL},
    [NFT_CT_LABELS] = {NG_FIELD_CT_LABEL, 16, true, true, FORMAT_HEX, NULL},
    [NFT_CT_PKTS] = {NG_FIELD_OTHER, 8, true, true, FORMAT_NUMBER, "ct packets"},
    [NFT_CT_BYTES] = {NG_FIELD_OTHER, 8, true, true, FORMAT_NUMBER, "ct bytes"},
    [NFT_CT_AVGPKT] = {NG_FIELD_OTHER, 8, true, true, FORMAT_NUMBER, "ct avgpkt"},
    [NFT_CT_ZONE] = {NG_FIELD_CT_ZONE, 2, true, true, FORMAT_NUMBER, NULL},
    [NFT_CT_EVENTMASK] = {NG_FIELD_OTHER, 4, true, true, FORMAT_HEX, "ct event"},
    [NFT_CT_SRC_IP] = {NG_FIELD_CT_SADDR, 4, false, true, FORMAT_ADDR, NULL},
    [NFT_CT_DST_IP] = {NG_FIELD_CT_DADDR, 4, false, true, FORMAT_ADDR, NULL},
    [NFT_CT_SRC_IP6] = {NG_FIELD_CT_SADDR, 16, false, true, FORMAT_ADDR, NULL},
    [NFT_CT_DST_IP6] = {NG_FIELD_CT_DADDR, 16, false, true, FORMAT_ADDR, NULL},
    [NFT_CT_ID] = {NG_FIELD_OTHER, 4, false, true, FORMAT_HEX, "ct id"},
};

static enum ng_field reply_field(enum ng_field field) {
    switch (field) {
    case NG_FIELD_CT_SADDR:
        return NG_FIELD_CT_REPLY_SADDR;
    case NG_FIELD_CT_DADDR:
        return NG_FIELD_CT_REPLY_DADDR;
    case NG_FIELD_CT_SPORT:
        return NG_FIELD_CT_REPLY_SPORT;
    case NG_FIELD_CT_DPORT:
        return NG_FIELD_CT_REPLY_DPORT;
    default:
        return field;
    }
}

static int set_ct(struct run *run, uint32_t key, const struct nlattr *sreg) {
    size_t len = key == NFT_CT_LABELS ? 16 : key == NFT_CT_ZONE ? 2 : 4;
    const char *name = key == NFT_CT_LABELS      ? "ct label set"
                       : key == NFT_CT_ZONE      ? "ct zone set"
                       : key == NFT_CT_EVENTMASK ? "ct event set"
                       : key == NFT_CT_SECMARK   ? "ct secmark set"
                                                 : NULL;
    struct value value;
    size_t at;
    int r = ng_register_at(sreg, len, &at);
    if (r < 0)
        return r;
    if (key == NFT_CT_MARK)
        return ng_add_assign(run, NG_FIELD_CT_MARK, at, len, true);
    if (!name)
        return ng_op_add_undecoded(run->list, NG_OP_UNKNOWN, "ct key %u set", key);
    run->list->sets_label = run->list->sets_label || key == NFT_CT_LABELS;
    run->list->sets_zone = run->list->sets_zone || key == NFT_CT_ZONE;
    ng_registers_read(run, at, len, &value);
    r = ng_require_value(run, &value);
    if (r < 0)
        return r;
    const uint8_t *bytes = ng_value_constant(&value);
    if (!bytes)
        return ng_op_add_text(run->list, NG_OP_NOTHING, "%s", name);
    unsigned long long number = (unsigned long long)ng_wire_number(bytes, len, true);
    return ng_op_add_text(run->list, NG_OP_NOTHING, key == NFT_CT_ZONE ? "%s %llu" : "%s 0x%llx",
                          name, number);
}

int ng_decode_ct(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_CT_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_CT_MAX);
    if (r < 0)
        return r;
    uint32_t key = ng_attribute_be32(attributes[NFTA_CT_KEY], UINT32_MAX);
    run->list->tracks = true;
    if (attributes[NFTA_CT_SREG])
        return set_ct(run, key, attributes[NFTA_CT_SREG]);
    const struct nlattr *dreg = attributes[NFTA_CT_DREG];
    if (key >= ARRAY_SIZE(ct_keys) || ct_keys[key].len_bytes == 0)
        return load_undecoded(run, dreg, "an unknown ct key");

    struct key_field known = ct_keys[key];
    bool by_table = key == NFT_CT_SRC || key == NFT_CT_DST;
    if (by_table && run->family == NFPROTO_IPV4)
        known.len_bytes = 4;
    if (ng_attribute_u8(attributes[NFTA_CT_DIRECTION], IP_CT_DIR_ORIGINAL) == IP_CT_DIR_REPLY)
        known.field = reply_field(known.field);
    bool address = known.format == FORMAT_ADDR;
    if (by_table && run->family != NFPROTO_IPV4 && run->family != NFPROTO_IPV6) {
        /* Filled as far as the address is long, whatever family it is. */
        known.field = NG_FIELD_OTHER;
        known.name = key == NFT_CT_SRC ? "ct saddr" : "ct daddr";
    }
    if (key == NFT_CT_L3PROTOCOL) {
        /* The packet's own, where there is a connection to ask. */
        struct ng_operand connection = {.field = NG_FIELD_CT_DIRECTION, .mask = ~(ng_u128)0};
        r = ng_op_add_interval(run->list, connection, 0, 1, false);
        if (r < 0)
            return r;
    }
    size_t at;
    r = ng_register_at(dreg, known.len_bytes, &at);
    if (r < 0)
        return r;
    struct part part = key_part(&known);
    if (address && known.field != NG_FIELD_OTHER)
        part.operand.family = known.len_bytes == 4 ? NG_IP4 : NG_IP6;
    ng_registers_load(run, at, part);
    return 0;
}

/* -- fib ----------------------------------------------------------------------------------- */

int ng_decode_fib(struct run *run, const struct nlattr *data) {
    static const struct key_field results[] = {
        [NFT_FIB_RESULT_OIF] = {NG_FIELD_FIB_OIF, 4, true, false, FORMAT_NUMBER, NULL},
        [NFT_FIB_RESULT_OIFNAME] = {NG_FIELD_FIB_OIFNAME, 16, false, false, FORMAT_STRING, NULL},
        [NFT_FIB_RESULT_ADDRTYPE] = {NG_FIELD_FIB_TYPE, 4, true, false, FORMAT_NUMBER, NULL},
    };
    static const struct key_field present = {NG_FIELD_FIB_PRESENT, 1,   false, false,
                                             FORMAT_EXISTS,        NULL};
    static const uint32_t known_flags = NFTA_FIB_F_SADDR | NFTA_FIB_F_DADDR | NFTA_FIB_F_MARK |
                                        NFTA_FIB_F_IIF | NFTA_FIB_F_OIF | NFTA_FIB_F_PRESENT;
    const struct nlattr *attributes[NFTA_FIB_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_FIB_MAX);
    if (r < 0)
        return r;
    uint32_t result = ng_attribute_be32(attributes[NFTA_FIB_RESULT], 0);
    uint32_t flags = ng_attribute_be32(attributes[NFTA_FIB_FLAGS], 0);
    const struct nlattr *dreg = attributes[NFTA_FIB_DREG];
    if (result >= ARRAY_SIZE(results) || results[result].len_bytes == 0 || (flags & ~known_flags))
        return load_undecoded(run, dreg, "an unknown fib question");
    bool exists = result != NFT_FIB_RESULT_ADDRTYPE && (flags & NFTA_FIB_F_PRESENT);
    struct part part = key_part(exists ? &present : &results[result]);
    part.operand.fib = (uint8_t)(flags & ~(uint32_t)NFTA_FIB_F_PRESENT);
    size_t at;
    r = ng_register_at(dreg, part.len_bytes, &at);
    if (r < 0)
        return r;
    ng_registers_load(run, at, part);
    return 0;
}

/* -- what has no value here ---------------------------------------------------------------- */

int ng_decode_rt(struct run *run, const struct nlattr *data) {
    static const struct key_field keys[] = {
        [NFT_RT_CLASSID] = {NG_FIELD_OTHER, 4, true, true, FORMAT_NUMBER, "rt classid"},
        [NFT_RT_NEXTHOP4] = {NG_FIELD_OTHER, 4, false, true, FORMAT_ADDR, "rt ip nexthop"},
        [NFT_RT_NEXTHOP6] = {NG_FIELD_OTHER, 16, false, true, FORMAT_ADDR, "rt ip6 nexthop"},
        [NFT_RT_TCPMSS] = {NG_FIELD_OTHER, 2, true, false, FORMAT_NUMBER, "rt mtu"},
        [NFT_RT_XFRM] = {NG_FIELD_OTHER, 1, false, true, FORMAT_EXISTS, "rt ipsec"},
    };
    const struct nlattr *attributes[NFTA_RT_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_RT_MAX);
    if (r < 0)
        return r;
    uint32_t key = ng_attribute_be32(attributes[NFTA_RT_KEY], UINT32_MAX);
    if (key >= ARRAY_SIZE(keys))
        return load_undecoded(run, attributes[NFTA_RT_DREG], "an unknown rt key");
    return load_key(run, attributes[NFTA_RT_DREG], &keys[key]);
}

int ng_decode_socket(struct run *run, const struct nlattr *data) {
    static const struct key_field keys[] = {
        [NFT_SOCKET_TRANSPARENT] = {NG_FIELD_OTHER, 1, false, true, FORMAT_NUMBER,
                                    "socket transparent"},
        [NFT_SOCKET_MARK] = {NG_FIELD_OTHER, 4, true, true, FORMAT_HEX, "socket mark"},
        [NFT_SOCKET_WILDCARD] = {NG_FIELD_OTHER, 1, false, true, FORMAT_NUMBER, "socket wildcard"},
        [NFT_SOCKET_CGROUPV2] = {NG_FIELD_OTHER, 8, true, true, FORMAT_NUMBER, "socket cgroupv2"},
    };
    const struct nlattr *attributes[NFTA_SOCKET_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_SOCKET_MAX);
    if (r < 0)
        return r;
    uint32_t key = ng_attribute_be32(attributes[NFTA_SOCKET_KEY], UINT32_MAX);
    const struct nlattr *dreg = attributes[NFTA_SOCKET_DREG];
    if (key >= ARRAY_SIZE(keys))
        return load_undecoded(run, dreg, "an unknown socket key");
    struct key_field known = keys[key];
    if (key == NFT_SOCKET_CGROUPV2)
        known.name = ng_arena_printf(run->decoder->arena, "socket cgroupv2 level %u",
                                     ng_attribute_be32(attributes[NFTA_SOCKET_LEVEL], 0));
    return known.name ? load_key(run, dreg, &known) : -ENOMEM;
}

/* "numgen random mod 4 offset 1" */
static int load_text(struct run *run, const struct nlattr *dreg, const char *name) {
    const struct key_field key = {NG_FIELD_OTHER, 4, true, false, FORMAT_NUMBER, name};
    return name ? load_key(run, dreg, &key) : -ENOMEM;
}

static const char *offset_text(struct run *run, uint32_t offset) {
    return offset ? ng_arena_printf(run->decoder->scratch, " offset %u", offset) : "";
}

int ng_decode_numgen(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_NG_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_NG_MAX);
    if (r < 0)
        return r;
    const char *offset = offset_text(run, ng_attribute_be32(attributes[NFTA_NG_OFFSET], 0));
    bool random = ng_attribute_be32(attributes[NFTA_NG_TYPE], NFT_NG_RANDOM) == NFT_NG_RANDOM;
    const char *name =
        offset
            ? ng_arena_printf(run->decoder->arena, "numgen %s mod %u%s", random ? "random" : "inc",
                              ng_attribute_be32(attributes[NFTA_NG_MODULUS], 0), offset)
            : NULL;
    return load_text(run, attributes[NFTA_NG_DREG], name);
}

int ng_decode_hash(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_HASH_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_HASH_MAX);
    if (r < 0)
        return r;
    const char *offset = offset_text(run, ng_attribute_be32(attributes[NFTA_HASH_OFFSET], 0));
    bool symmetric =
        ng_attribute_be32(attributes[NFTA_HASH_TYPE], NFT_HASH_JENKINS) == NFT_HASH_SYM;
    const char *name =
        offset
            ? ng_arena_printf(run->decoder->arena, "%s mod %u%s", symmetric ? "symhash" : "jhash",
                              ng_attribute_be32(attributes[NFTA_HASH_MODULUS], 0), offset)
            : NULL;
    uint32_t len = ng_attribute_be32(attributes[NFTA_HASH_LEN], 0);
    size_t at;
    struct value value;
    if (name && !symmetric) {
        r = ng_register_at(attributes[NFTA_HASH_SREG], len, &at);
        if (r < 0)
            return r;
        ng_registers_read(run, at, len, &value);
        r = ng_require_value(run, &value);
        if (r < 0)
            return r;
    }
    return load_text(run, attributes[NFTA_HASH_DREG], name);
}

int ng_decode_xfrm(struct run *run, const struct nlattr *data) {
    static const struct key_field keys[] = {
        [NFT_XFRM_KEY_DADDR_IP4] = {NG_FIELD_OTHER, 4, false, true, FORMAT_ADDR, "ip daddr"},
        [NFT_XFRM_KEY_DADDR_IP6] = {NG_FIELD_OTHER, 16, false, true, FORMAT_ADDR, "ip6 daddr"},
        [NFT_XFRM_KEY_SADDR_IP4] = {NG_FIELD_OTHER, 4, false, true, FORMAT_ADDR, "ip saddr"},
        [NFT_XFRM_KEY_SADDR_IP6] = {NG_FIELD_OTHER, 16, false, true, FORMAT_ADDR, "ip6 saddr"},
        [NFT_XFRM_KEY_REQID] = {NG_FIELD_OTHER, 4, true, true, FORMAT_NUMBER, "reqid"},
        [NFT_XFRM_KEY_SPI] = {NG_FIELD_OTHER, 4, false, true, FORMAT_HEX, "spi"},
    };
    const struct nlattr *attributes[NFTA_XFRM_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_XFRM_MAX);
    if (r < 0)
        return r;
    uint32_t key = ng_attribute_be32(attributes[NFTA_XFRM_KEY], UINT32_MAX);
    const struct nlattr *dreg = attributes[NFTA_XFRM_DREG];
    if (key >= ARRAY_SIZE(keys) || keys[key].len_bytes == 0)
        return load_undecoded(run, dreg, "an unknown ipsec key");
    struct key_field known = keys[key];
    bool out = ng_attribute_u8(attributes[NFTA_XFRM_DIR], 0) == 1; /* XFRM_POLICY_OUT */
    known.name =
        ng_arena_printf(run->decoder->arena, "ipsec %s %s", out ? "out" : "in", known.name);
    return known.name ? load_key(run, dreg, &known) : -ENOMEM;
}

int ng_decode_tunnel(struct run *run, const struct nlattr *data) {
    static const struct key_field keys[] = {
        [NFT_TUNNEL_PATH] = {NG_FIELD_OTHER, 1, false, true, FORMAT_EXISTS, "tunnel path"},
        [NFT_TUNNEL_ID] = {NG_FIELD_OTHER, 4, true, true, FORMAT_NUMBER, "tunnel id"},
    };
    const struct nlattr *attributes[NFTA_TUNNEL_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_TUNNEL_MAX);
    if (r < 0)
        return r;
    uint32_t key = ng_attribute_be32(attributes[NFTA_TUNNEL_KEY], UINT32_MAX);
    if (key >= ARRAY_SIZE(keys))
        return load_undecoded(run, attributes[NFTA_TUNNEL_DREG], "an unknown tunnel key");
    return load_key(run, attributes[NFTA_TUNNEL_DREG], &keys[key]);
}

int ng_decode_osf(struct run *run, const struct nlattr *data) {
    static const struct key_field key = {NG_FIELD_OTHER, 16,        false, true,
                                         FORMAT_STRING,  "osf name"};
    const struct nlattr *attributes[NFTA_OSF_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_OSF_MAX);
    return r < 0 ? r : load_key(run, attributes[NFTA_OSF_DREG], &key);
}

/* What is inside a tunnel's packet: linux/netfilter/nf_tables.h since 6.2. */
int ng_decode_inner(struct run *run, const struct nlattr *data) {
    enum { INNER_EXPR = 5 };
    static const struct key_field l4proto = {NG_FIELD_OTHER,      1, false, true, FORMAT_NUMBER,
                                             "inner meta l4proto"};
    static const struct key_field protocol = {NG_FIELD_OTHER, 2,          false,
                                              true,           FORMAT_HEX, "inner meta protocol"};
    const struct nlattr *attributes[INNER_EXPR + 1], *expression[NFTA_EXPR_MAX + 1];
    const struct nlattr *inner[NFTA_PAYLOAD_MAX + 1];
    int r = ng_attributes_in(data, attributes, INNER_EXPR);
    if (r == 0)
        r = attributes[INNER_EXPR]
                ? ng_attributes_in(attributes[INNER_EXPR], expression, NFTA_EXPR_MAX)
                : -EBADMSG;
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(expression[NFTA_EXPR_NAME]), *what;
    if (!name || !expression[NFTA_EXPR_DATA])
        return -EBADMSG;
    r = ng_attributes_in(expression[NFTA_EXPR_DATA], inner, NFTA_PAYLOAD_MAX);
    if (r < 0)
        return r;
    uint32_t key = ng_attribute_be32(inner[NFTA_META_KEY], UINT32_MAX);
    if (strcmp(name, "meta") == 0 && key == NFT_META_L4PROTO)
        return load_key(run, inner[NFTA_META_DREG], &l4proto);
    if (strcmp(name, "meta") == 0 && key == NFT_META_PROTOCOL)
        return load_key(run, inner[NFTA_META_DREG], &protocol);
    if (strcmp(name, "payload") != 0)
        return load_undecoded(run, inner[NFTA_META_DREG], "an unknown inner field");
    uint32_t len = ng_attribute_be32(inner[NFTA_PAYLOAD_LEN], 0);
    what = ng_place_text(run->decoder->scratch,
                         ng_attribute_be32(inner[NFTA_PAYLOAD_BASE], UINT32_MAX),
                         ng_attribute_be32(inner[NFTA_PAYLOAD_OFFSET], 0), len);
    struct part part = key_part(&protocol);
    part.operand.name = what ? ng_arena_printf(run->decoder->arena, "inner %s", what) : NULL;
    return part.operand.name ? ng_load_other(run, inner[NFTA_PAYLOAD_DREG], len, part) : -ENOMEM;
}
