/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_registers.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <string.h>

/* -- effects ------------------------------------------------------------------------- */

/* Reads what stands in a register pair as an address or a port. False: not a constant. */
static bool nat_number(const struct run *run, const struct nlattr *attribute, size_t len_bytes,
                       ng_u128 *ret_value) {
    size_t slot;
    if (ng_register_slot(attribute, len_bytes, &slot) < 0 ||
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

static int decode_nat(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_NAT_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_NAT_MAX);
    if (r < 0)
        return r;
    if (ng_attribute_be32(attributes[NFTA_NAT_TYPE], NFT_NAT_DNAT) == NFT_NAT_SNAT)
        return ng_op_add_text(run->list, NG_OP_SNAT, "snat");

    const struct nlattr *min = attributes[NFTA_NAT_REG_ADDR_MIN];
    const struct nlattr *max = attributes[NFTA_NAT_REG_ADDR_MAX];
    size_t slot;
    /* Where the map's data is a range, its end stands in a register of its own. */
    bool range = max && ng_attribute_be32(max, 0) != ng_attribute_be32(min, 0);
    if (min && !range && ng_register_slot(min, 1, &slot) == 0 &&
        run->registers[slot].content == CONTENT_MAPPED && run->registers[slot].map)
        return ng_op_add(run->list,
                         (struct ng_op){.kind = NG_OP_DNAT, .match = run->registers[slot].map});

    bool ip4 = ng_attribute_be32(attributes[NFTA_NAT_FAMILY], NFPROTO_IPV4) == NFPROTO_IPV4;
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
    return ng_op_add_nat(run->list, NG_OP_DNAT, nat);
}

static int decode_redir(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_REDIR_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_REDIR_MAX);
    if (r < 0)
        return r;
    struct ng_nat nat = {0};
    if (!nat_ports(run, attributes[NFTA_REDIR_REG_PROTO_MIN], attributes[NFTA_REDIR_REG_PROTO_MAX],
                   &nat))
        return ng_op_add_text(run->list, NG_OP_UNKNOWN, "redirect to a computed port");
    return ng_op_add_nat(run->list, NG_OP_REDIRECT, nat);
}

static int decode_xt(struct run *run, const struct nlattr *data, bool target) {
    /* nf_tables_compat.h: NFTA_MATCH_… and NFTA_TARGET_… have the same numbers. */
    const struct nlattr *attributes[NFTA_MATCH_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_MATCH_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attributes[NFTA_MATCH_NAME]);
    const struct nlattr *info = attributes[NFTA_MATCH_INFO];
    if (!name || !info)
        return -EBADMSG;
    uint32_t revision = ng_attribute_be32(attributes[NFTA_MATCH_REV], 0);
    return (target ? ng_decode_xt_target : ng_decode_xt_match)(run->list, run->family, name,
                                                               revision, mnl_attr_get_payload(info),
                                                               mnl_attr_get_payload_len(info));
}

static int decode_limit(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_LIMIT_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_LIMIT_MAX);
    if (r < 0)
        return r;
    uint64_t unit_s = ng_attribute_be64(attributes[NFTA_LIMIT_UNIT], 1);
    bool over = ng_attribute_be32(attributes[NFTA_LIMIT_FLAGS], 0) & NFT_LIMIT_F_INV;
    const char *unit = unit_s == 60      ? "minute"
                       : unit_s == 3600  ? "hour"
                       : unit_s == 86400 ? "day"
                                         : "second";
    return ng_op_add_text(run->list, NG_OP_UNDECIDED, "limit rate %s%llu/%s", over ? "over " : "",
                          (unsigned long long)ng_attribute_be64(attributes[NFTA_LIMIT_RATE], 0),
                          unit);
}

static int decode_log(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_LOG_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_LOG_MAX);
    if (r < 0)
        return r;
    const char *prefix = ng_attribute_text(attributes[NFTA_LOG_PREFIX]);
    return prefix ? ng_op_add_text(run->list, NG_OP_NOTHING, "log prefix \"%s\"", prefix)
                  : ng_op_add_text(run->list, NG_OP_NOTHING, "log");
}

static int decode_objref(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_OBJREF_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_OBJREF_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attributes[NFTA_OBJREF_IMM_NAME]);
    switch (ng_attribute_be32(attributes[NFTA_OBJREF_IMM_TYPE], NFT_OBJECT_UNSPEC)) {
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
    {"cmp", ng_decode_cmp},
    {"payload", ng_decode_payload},
    {"meta", ng_decode_meta},
    {"counter", decode_nothing},
    {"immediate", ng_decode_immediate},
    {"lookup", ng_decode_lookup},
    {"bitwise", ng_decode_bitwise},
    {"ct", ng_decode_ct},
    {"match", decode_match},
    {"target", decode_target},
    {"nat", decode_nat},
    {"masq", decode_masq},
    {"redir", decode_redir},
    {"range", ng_decode_range},
    {"fib", ng_decode_fib},
    {"byteorder", ng_decode_byteorder},
    {"reject", decode_reject},
    {"log", decode_log},
    {"limit", decode_limit},
    {"notrack", decode_notrack},
    {"objref", decode_objref},
    {"exthdr", ng_decode_exthdr},
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
    int r = ng_attributes_in(nest, attributes, NFTA_EXPR_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attributes[NFTA_EXPR_NAME]);
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
            r = ng_attributes_in(data, inner, ARRAY_SIZE(inner) - 1);
            if (r < 0)
                return r;
            return ng_load_other(run, inner[other_loads[i].dreg], other_loads[i].len_bytes,
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
    int r = ng_attributes_check(expressions_);
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
