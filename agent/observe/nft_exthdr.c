/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_registers.h"

#include <errno.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/netfilter/nf_tables.h>

/* Since Linux 6.5, and not in older headers. */
enum { EXTHDR_OP_DCCP = NFT_EXTHDR_OP_SCTP + 1 };

/* Extension headers, options and chunks, as nft names them and their fields. */

struct names {
    uint8_t type;
    const char *name;
};

struct field_name {
    uint8_t type;
    uint8_t offset, len;
    const char *name;
};

static const struct names ip6_headers[] = {
    {IPPROTO_HOPOPTS, "hbh"}, {IPPROTO_ROUTING, "rt"},  {IPPROTO_FRAGMENT, "frag"},
    {IPPROTO_AH, "auth"},     {IPPROTO_DSTOPTS, "dst"}, {135, "mh"},
};

static const struct field_name ip6_fields[] = {
    {IPPROTO_HOPOPTS, 0, 1, "nexthdr"},
    {IPPROTO_HOPOPTS, 1, 1, "hdrlength"},
    {IPPROTO_ROUTING, 0, 1, "nexthdr"},
    {IPPROTO_ROUTING, 1, 1, "hdrlength"},
    {IPPROTO_ROUTING, 2, 1, "type"},
    {IPPROTO_ROUTING, 3, 1, "seg-left"},
    {IPPROTO_FRAGMENT, 0, 1, "nexthdr"},
    {IPPROTO_FRAGMENT, 2, 2, "frag-off"},
    {IPPROTO_FRAGMENT, 3, 1, "more-fragments"},
    {IPPROTO_FRAGMENT, 4, 4, "id"},
    {IPPROTO_DSTOPTS, 0, 1, "nexthdr"},
    {IPPROTO_DSTOPTS, 1, 1, "hdrlength"},
    {135, 0, 1, "nexthdr"},
    {135, 1, 1, "hdrlength"},
    {135, 2, 1, "type"},
    {135, 4, 2, "checksum"},
};

static const struct names tcp_options[] = {
    {0, "eol"},  {1, "nop"},       {2, "maxseg"},  {3, "window"}, {4, "sack-perm"},
    {5, "sack"}, {8, "timestamp"}, {19, "md5sig"}, {30, "mptcp"}, {34, "fastopen"},
};

static const struct field_name tcp_fields[] = {
    {2, 2, 2, "size"},  {3, 2, 1, "count"}, {5, 2, 4, "left"},     {5, 6, 4, "right"},
    {8, 2, 4, "tsval"}, {8, 6, 4, "tsecr"}, {30, 2, 1, "subtype"},
};

static const struct names ip4_options[] = {
    {7, "rr"},
    {131, "lsrr"},
    {137, "ssrr"},
    {148, "ra"},
};

static const struct field_name ip4_fields[] = {
    {7, 2, 1, "ptr"},   {7, 3, 4, "addr"},   {131, 2, 1, "ptr"},   {131, 3, 4, "addr"},
    {137, 2, 1, "ptr"}, {137, 3, 4, "addr"}, {148, 2, 2, "value"},
};

static const struct names sctp_chunks[] = {
    {0, "data"},         {1, "init"},          {2, "init-ack"},
    {3, "sack"},         {4, "heartbeat"},     {5, "heartbeat-ack"},
    {6, "abort"},        {7, "shutdown"},      {8, "shutdown-ack"},
    {9, "error"},        {10, "cookie-echo"},  {11, "cookie-ack"},
    {12, "ecne"},        {13, "cwr"},          {14, "shutdown-complete"},
    {128, "asconf-ack"}, {192, "forward-tsn"}, {193, "asconf"},
};

static const struct {
    const char *before;
    const struct names *names;
    size_t n_names;
    const struct field_name *fields;
    size_t n_fields;
} kinds[] = {
    [NFT_EXTHDR_OP_IPV6] = {"", ip6_headers, ARRAY_SIZE(ip6_headers), ip6_fields,
                            ARRAY_SIZE(ip6_fields)},
    [NFT_EXTHDR_OP_TCPOPT] = {"tcp option ", tcp_options, ARRAY_SIZE(tcp_options), tcp_fields,
                              ARRAY_SIZE(tcp_fields)},
    [NFT_EXTHDR_OP_IPV4] = {"ip option ", ip4_options, ARRAY_SIZE(ip4_options), ip4_fields,
                            ARRAY_SIZE(ip4_fields)},
    [NFT_EXTHDR_OP_SCTP] = {"sctp chunk ", sctp_chunks, ARRAY_SIZE(sctp_chunks), NULL, 0},
    [EXTHDR_OP_DCCP] = {"dccp option ", NULL, 0, NULL, 0},
};

struct exthdr {
    uint32_t op, offset, len;
    uint8_t type;
    bool present; /* it is only asked whether it is there */
};

static const char *field_name(const struct exthdr *exthdr) {
    for (size_t i = 0; i < kinds[exthdr->op].n_fields; i++) {
        const struct field_name *field = &kinds[exthdr->op].fields[i];
        if (field->type == exthdr->type && field->offset == exthdr->offset &&
            field->len == exthdr->len)
            return field->name;
    }
    return NULL;
}

/* "tcp option maxseg size", "exthdr frag", "dccp option 7" */
static const char *exthdr_name(struct ng_arena *arena, const struct exthdr *exthdr) {
    const char *name = NULL, *before = kinds[exthdr->op].before;
    for (size_t i = 0; i < kinds[exthdr->op].n_names; i++)
        if (kinds[exthdr->op].names[i].type == exthdr->type)
            name = kinds[exthdr->op].names[i].name;
    if (exthdr->present && exthdr->op == NFT_EXTHDR_OP_IPV6)
        before = "exthdr ";
    const char *field = exthdr->present ? NULL : field_name(exthdr);
    if (name && (field || exthdr->present))
        return ng_arena_printf(arena, "%s%s%s%s", before, name, field ? " " : "",
                               field ? field : "");
    if (exthdr->present)
        return ng_arena_printf(arena, "%s%u", before, exthdr->type);
    return ng_arena_printf(arena, "%s@%u,%u,%u", before, exthdr->type, exthdr->offset * 8,
                           exthdr->len * 8);
}

/* A TCP option is changed, or taken away. */
static int write_option(struct run *run, const struct nlattr *attributes[],
                        const struct exthdr *exthdr) {
    const struct nlattr *sreg = attributes[NFTA_EXTHDR_SREG];
    const char *name = exthdr_name(run->decoder->arena, exthdr);
    struct value value;
    size_t at;
    if (!name)
        return -ENOMEM;
    if (!sreg)
        return ng_op_add_text(run->list, NG_OP_NOTHING, "reset %s", name);
    int r = ng_register_at(sreg, exthdr->len, &at);
    if (r < 0)
        return r;
    ng_registers_read(run, at, exthdr->len, &value);
    r = ng_require_value(run, &value);
    if (r < 0)
        return r;
    const uint8_t *bytes = ng_value_constant(&value);
    const struct part *part = ng_value_field(&value);
    if (bytes && exthdr->len <= sizeof(uint64_t))
        return ng_op_add_text(run->list, NG_OP_NOTHING, "%s set %llu", name,
                              (unsigned long long)ng_wire_number(bytes, exthdr->len, false));
    return ng_op_add_text(run->list, NG_OP_NOTHING, "%s set %s", name,
                          part && part->operand.name ? part->operand.name : "a computed value");
}

int ng_decode_exthdr(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_EXTHDR_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_EXTHDR_MAX);
    if (r < 0)
        return r;
    struct exthdr exthdr = {
        .op = ng_attribute_be32(attributes[NFTA_EXTHDR_OP], NFT_EXTHDR_OP_IPV6),
        .offset = ng_attribute_be32(attributes[NFTA_EXTHDR_OFFSET], 0),
        .len = ng_attribute_be32(attributes[NFTA_EXTHDR_LEN], 1),
        .type = ng_attribute_u8(attributes[NFTA_EXTHDR_TYPE], 0),
        .present = ng_attribute_be32(attributes[NFTA_EXTHDR_FLAGS], 0) & NFT_EXTHDR_F_PRESENT,
    };
    if (exthdr.op >= ARRAY_SIZE(kinds))
        return ng_op_add_undecoded(run->list, NG_OP_UNKNOWN, "exthdr");
    const struct nlattr *dreg = attributes[NFTA_EXTHDR_DREG];
    if (!dreg) {
        exthdr.present = !attributes[NFTA_EXTHDR_SREG];
        return write_option(run, attributes, &exthdr);
    }
    bool ip6 = exthdr.op == NFT_EXTHDR_OP_IPV6;
    uint32_t len = exthdr.present ? 1 : exthdr.len;
    struct part part = ng_whole_field(!ip6             ? NG_FIELD_OTHER
                                      : exthdr.present ? NG_FIELD_EXTHDR_PRESENT
                                                       : NG_FIELD_EXTHDR,
                                      len, false);
    part.operand.name = exthdr_name(run->decoder->arena, &exthdr);
    part.operand.family = ip6 ? NG_IP6 : 0;
    part.may_lack = !exthdr.present;
    part.format = exthdr.present ? FORMAT_EXISTS : FORMAT_NUMBER;
    return part.operand.name ? ng_load_other(run, dreg, len, part) : -ENOMEM;
}
