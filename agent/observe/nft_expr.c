/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_registers.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <string.h>

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

static int decode_notrack(struct run *run, const struct nlattr *data) {
    (void)data;
    return ng_op_add(run->list, (struct ng_op){.kind = NG_OP_NOTRACK});
}

/* Later packets of the connection pass by the rules: this one does not. */
static int decode_flow(struct run *run, const struct nlattr *data) {
    enum { FLOW_TABLE_NAME = 1 }; /* NFTA_FLOW_TABLE_NAME, not in older headers */
    const struct nlattr *attributes[FLOW_TABLE_NAME + 1];
    int r = ng_attributes_in(data, attributes, FLOW_TABLE_NAME);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attributes[FLOW_TABLE_NAME]);
    run->list->tracks = true;
    return ng_op_add_text(run->list, NG_OP_NOTHING, "flow add @%s", name ? name : "?");
}

static const struct {
    const char *name;
    int (*decode)(struct run *run, const struct nlattr *data);
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
    {"nat", ng_decode_nat},
    {"masq", ng_decode_masq},
    {"redir", ng_decode_redir},
    {"range", ng_decode_range},
    {"fib", ng_decode_fib},
    {"byteorder", ng_decode_byteorder},
    {"reject", ng_decode_reject},
    {"log", ng_decode_log},
    {"limit", ng_decode_limit},
    {"objref", ng_decode_objref},
    {"exthdr", ng_decode_exthdr},
    {"dynset", ng_decode_dynset},
    {"quota", ng_decode_quota},
    {"connlimit", ng_decode_connlimit},
    {"queue", ng_decode_queue},
    {"tproxy", ng_decode_tproxy},
    {"synproxy", ng_decode_synproxy},
    {"dup", ng_decode_dup},
    {"fwd", ng_decode_fwd},
    {"flow_offload", decode_flow},
    {"rt", ng_decode_rt},
    {"socket", ng_decode_socket},
    {"numgen", ng_decode_numgen},
    {"hash", ng_decode_hash},
    {"xfrm", ng_decode_xfrm},
    {"tunnel", ng_decode_tunnel},
    {"osf", ng_decode_osf},
    {"inner", ng_decode_inner},
    {"last", decode_nothing},
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
    if (strcmp(name, "notrack") == 0) /* it has no data */
        return decode_notrack(run, data);
    for (size_t i = 0; i < ARRAY_SIZE(expressions); i++)
        if (strcmp(name, expressions[i].name) == 0)
            return data ? expressions[i].decode(run, data) : -EBADMSG;
    /* Whatever it did, the registers may hold something else now. */
    run->n_pieces = 0;
    run->at_least.len_bytes = 0;
    return ng_op_add_undecoded(run->list, NG_OP_UNKNOWN, "%s", name);
}

int ng_decode_expressions(struct decoder *decoder, uint32_t table,
                          const struct nlattr *expressions_, struct op_list *list) {
    static const uint8_t nfproto[] = {
        [NG_TABLE_IP] = NFPROTO_IPV4,       [NG_TABLE_IP6] = NFPROTO_IPV6,
        [NG_TABLE_INET] = NFPROTO_INET,     [NG_TABLE_NETDEV] = NFPROTO_NETDEV,
        [NG_TABLE_BRIDGE] = NFPROTO_BRIDGE, [NG_TABLE_ARP] = NFPROTO_ARP,
    };
    static const uint8_t family[] = {
        [NG_TABLE_IP] = NG_IP4,
        [NG_TABLE_IP6] = NG_IP6,
        [NG_TABLE_ARP] = UINT8_MAX,
    };
    enum ng_table_family of = decoder->tables[table].family;
    struct run run; /* the registers stay as they are: they are empty by their number */
    run.decoder = decoder;
    run.table = table;
    run.family = nfproto[of];
    run.list = list;
    run.said = (struct said){
        .family = of < ARRAY_SIZE(family) ? family[of] : 0,
        .transport = -1,
        .link_header = of == NG_TABLE_BRIDGE,
    };
    run.n_pieces = 0;
    run.at_least.len_bytes = 0;
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
