/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_set.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

enum { NAT_TEXT = 256 };

/* -- where to ------------------------------------------------------------------------------- */

/* The four registers that say it, each a constant or some bytes of what a map has. */
enum end { ADDR_LO, ADDR_HI, PORT_LO, PORT_HI, ENDS };

struct target {
    uint8_t family; /* of the addresses */
    bool has_addr, has_port;
    bool known;
    bool netmap;
    ng_u128 constant[ENDS];
    const struct found *found; /* the one map that is asked, NULL: none */
    bool from_map[ENDS];
    uint8_t found_at[ENDS];
};

static size_t end_bytes(const struct target *target, enum end end) {
    return end == PORT_LO || end == PORT_HI ? 2 : target->family == NG_IP4 ? 4 : 16;
}

static int read_end(struct run *run, const struct nlattr *attribute, enum end end,
                    struct target *target) {
    size_t len = end_bytes(target, end), at;
    struct value value;
    int r = ng_register_at(attribute, len, &at);
    if (r < 0)
        return r;
    ng_registers_read(run, at, len, &value);
    const uint8_t *bytes = ng_value_constant(&value);
    const struct piece *piece = &value.pieces[0];
    if (bytes) {
        target->constant[end] = ng_wire_number(bytes, len, false);
    } else if (value.n_pieces == 1 && piece->content == CONTENT_FOUND && piece->found->reading &&
               (!target->found || target->found == piece->found)) {
        target->found = piece->found;
        target->from_map[end] = true;
        target->found_at[end] = piece->found_at;
    } else {
        target->known = false;
        return ng_require_value(run, &value);
    }
    return 0;
}

/* The attributes of a pair: without a highest, the lowest is both. */
static int read_pair(struct run *run, const struct nlattr *min, const struct nlattr *max,
                     enum end lo, struct target *target) {
    int r = min ? read_end(run, min, lo, target) : 0;
    if (r == 0 && min)
        r = read_end(run, max ? max : min, lo + 1, target);
    return r;
}

static struct ng_nat make_nat(const struct target *target, const uint8_t *data) {
    ng_u128 ends[ENDS];
    for (enum end end = ADDR_LO; end < ENDS; end++)
        ends[end] = target->from_map[end] && data ? ng_wire_number(data + target->found_at[end],
                                                                   end_bytes(target, end), false)
                                                  : target->constant[end];
    struct ng_nat nat = {
        .has_addr = target->has_addr, .has_port = target->has_port, .netmap = target->netmap};
    if (nat.has_addr) {
        nat.addr_lo = (struct ng_addr){target->family, ends[ADDR_LO]};
        nat.addr_hi = (struct ng_addr){target->family, ends[ADDR_HI]};
    }
    if (nat.has_port) {
        nat.port_lo = (uint16_t)ends[PORT_LO];
        nat.port_hi = (uint16_t)ends[PORT_HI];
    }
    return nat;
}

/* -- words ---------------------------------------------------------------------------------- */

/* "random,persistent" */
static void append_flags(char *text, uint32_t flags) {
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {
        {NF_NAT_RANGE_PROTO_RANDOM, "random"},
        {NF_NAT_RANGE_PROTO_RANDOM_FULLY, "fully-random"},
        {NF_NAT_RANGE_PERSISTENT, "persistent"},
    };
    const char *before = text[0] ? " " : "";
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (flags & names[i].flag) {
            ng_append(text, NAT_TEXT, "%s%s", before, names[i].name);
            before = ",";
        }
}

static void append_target(char *text, const struct target *target) {
    char lo[NG_ADDR_TEXT], hi[NG_ADDR_TEXT];
    struct ng_nat nat = make_nat(target, NULL);
    if (!nat.has_addr && !nat.has_port)
        return;
    if (target->known && target->found) {
        bool named = !(target->found->set->flags & NFT_SET_ANONYMOUS);
        ng_append(text, NAT_TEXT, " to map %s%s", named ? "@" : "",
                  named ? target->found->set->name : "{ … }");
        return;
    }
    if (!target->known) {
        ng_append(text, NAT_TEXT, " to a computed %s", nat.has_addr ? "address" : "port");
        return;
    }
    ng_append(text, NAT_TEXT, " to ");
    if (nat.has_addr) {
        bool bracket = target->family == NG_IP6 && nat.has_port;
        bool range = nat.addr_lo.value != nat.addr_hi.value;
        const char *open = bracket ? "[" : "", *closed = bracket ? "]" : "";
        ng_append(text, NAT_TEXT, "%s%s%s", open, ng_addr_text(nat.addr_lo, lo), closed);
        if (range)
            ng_append(text, NAT_TEXT, "-%s%s%s", open, ng_addr_text(nat.addr_hi, hi), closed);
    }
    if (nat.has_port)
        ng_append(text, NAT_TEXT, ":%u", nat.port_lo);
    if (nat.has_port && nat.port_lo != nat.port_hi)
        ng_append(text, NAT_TEXT, "-%u", nat.port_hi);
}

static int add_source_nat(struct run *run, const char *name, const struct target *target,
                          uint32_t flags) {
    char text[NAT_TEXT];
    snprintf(text, sizeof(text), "%s", name);
    append_target(text, target);
    append_flags(text, flags);
    int r = ng_op_add_text(run->list, NG_OP_SNAT, "%s", text);
    if (r < 0 || !target->has_addr)
        return r;
    struct ng_nat *nat = ng_arena_alloc(run->list->arena, 1, sizeof(*nat));
    if (!nat)
        return -ENOMEM;
    nat->has_addr = true;
    nat->addr_lo.family = nat->addr_hi.family = target->family;
    run->list->ops[run->list->count - 1].nat = nat;
    return 0;
}

/* -- effects -------------------------------------------------------------------------------- */

static int add_op(struct run *run, struct ng_op op, uint32_t flags) {
    char text[NAT_TEXT] = "";
    append_flags(text, flags);
    if (text[0]) {
        op.text = ng_arena_strdup(run->decoder->arena, text);
        if (!op.text)
            return -ENOMEM;
    }
    return ng_op_add(run->list, op);
}

/* By map: each element's data becomes a place to go. */
static int add_mapped(struct run *run, enum ng_op_kind kind, const struct target *target,
                      uint32_t flags) {
    struct reading *own;
    int r = ng_reading_copy(run, target->found->reading, &own);
    if (r < 0)
        return r;
    for (size_t i = 0; i < own->match->n_boxes; i++)
        own->boxes[i].nat = make_nat(target, own->elements[i]->data);
    ng_absorb_lookup(run, target->found);
    return add_op(run, (struct ng_op){.kind = kind, .match = own->match}, flags);
}

static int add_destination_nat(struct run *run, enum ng_op_kind kind, const struct target *target,
                               uint32_t flags) {
    if (!target->known)
        return ng_op_add_text(run->list, NG_OP_UNKNOWN, "%s to a computed %s",
                              kind == NG_OP_DNAT ? "dnat" : "redirect",
                              target->has_addr ? "address" : "port");
    if (target->found)
        return add_mapped(run, kind, target, flags);
    struct ng_nat *nat = ng_arena_alloc(run->decoder->arena, 1, sizeof(*nat));
    if (!nat)
        return -ENOMEM;
    *nat = make_nat(target, NULL);
    return add_op(run, (struct ng_op){.kind = kind, .nat = nat}, flags);
}

int ng_decode_nat(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_NAT_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_NAT_MAX);
    if (r < 0)
        return r;
    uint32_t family = ng_attribute_be32(attributes[NFTA_NAT_FAMILY], NFPROTO_UNSPEC);
    uint32_t flags = ng_attribute_be32(attributes[NFTA_NAT_FLAGS], 0);
    const struct nlattr *addr = attributes[NFTA_NAT_REG_ADDR_MIN];
    const struct nlattr *port = attributes[NFTA_NAT_REG_PROTO_MIN];
    if (addr && family != NFPROTO_IPV4 && family != NFPROTO_IPV6)
        return -EBADMSG;
    struct target target = {
        .family = family == NFPROTO_IPV6 ? NG_IP6 : NG_IP4,
        .has_addr = addr != NULL,
        .has_port = port != NULL,
        .known = true,
        .netmap = flags & NF_NAT_RANGE_NETMAP,
    };
    run->list->tracks = true;
    r = read_pair(run, addr, attributes[NFTA_NAT_REG_ADDR_MAX], ADDR_LO, &target);
    if (r == 0)
        r = read_pair(run, port, attributes[NFTA_NAT_REG_PROTO_MAX], PORT_LO, &target);
    if (r < 0)
        return r;
    bool source = ng_attribute_be32(attributes[NFTA_NAT_TYPE], NFT_NAT_DNAT) == NFT_NAT_SNAT;
    return source ? add_source_nat(run, target.netmap ? "snat prefix" : "snat", &target, flags)
                  : add_destination_nat(run, NG_OP_DNAT, &target, flags);
}

static int read_ports(struct run *run, const struct nlattr *min, const struct nlattr *max,
                      struct target *ret_target) {
    *ret_target = (struct target){.has_port = min != NULL, .known = true};
    run->list->tracks = true;
    return read_pair(run, min, max, PORT_LO, ret_target);
}

int ng_decode_masq(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_MASQ_MAX + 1];
    struct target target;
    int r = ng_attributes_in(data, attributes, NFTA_MASQ_MAX);
    if (r == 0)
        r = read_ports(run, attributes[NFTA_MASQ_REG_PROTO_MIN],
                       attributes[NFTA_MASQ_REG_PROTO_MAX], &target);
    if (r < 0)
        return r;
    return add_source_nat(run, "masquerade", &target,
                          ng_attribute_be32(attributes[NFTA_MASQ_FLAGS], 0));
}

int ng_decode_redir(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_REDIR_MAX + 1];
    struct target target;
    int r = ng_attributes_in(data, attributes, NFTA_REDIR_MAX);
    if (r == 0)
        r = read_ports(run, attributes[NFTA_REDIR_REG_PROTO_MIN],
                       attributes[NFTA_REDIR_REG_PROTO_MAX], &target);
    if (r < 0)
        return r;
    return add_destination_nat(run, NG_OP_REDIRECT, &target,
                               ng_attribute_be32(attributes[NFTA_REDIR_FLAGS], 0));
}

/* -- elsewhere ------------------------------------------------------------------------------ */

/* Packets of the other family end the rule. */
static int require_family(struct run *run, uint32_t family) {
    uint8_t want = family == NFPROTO_IPV4 ? NG_IP4 : NG_IP6;
    struct ng_operand operand = {.field = NG_FIELD_NFPROTO, .mask = ~(ng_u128)0};
    if (family == NFPROTO_UNSPEC || run->said.family == want)
        return 0;
    return ng_op_add_interval(run->list, operand, family, family, false);
}

int ng_decode_tproxy(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_TPROXY_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_TPROXY_MAX);
    if (r < 0)
        return r;
    uint32_t family = ng_attribute_be32(attributes[NFTA_TPROXY_FAMILY], NFPROTO_UNSPEC);
    const struct nlattr *addr = attributes[NFTA_TPROXY_REG_ADDR];
    const struct nlattr *port = attributes[NFTA_TPROXY_REG_PORT];
    struct target target = {
        .family = family == NFPROTO_IPV6 ? NG_IP6 : NG_IP4,
        .has_addr = addr != NULL,
        .has_port = port != NULL,
        .known = true,
    };
    r = require_family(run, family);
    if (r == 0)
        r = read_pair(run, addr, NULL, ADDR_LO, &target);
    if (r == 0)
        r = read_pair(run, port, NULL, PORT_LO, &target);
    if (r < 0)
        return r;
    if (!target.known || target.found)
        return ng_op_add_text(run->list, NG_OP_UNKNOWN, "tproxy to a computed port");
    struct ng_tproxy *tproxy = ng_arena_alloc(run->decoder->arena, 1, sizeof(*tproxy));
    if (!tproxy)
        return -ENOMEM;
    tproxy->to = make_nat(&target, NULL);
    return ng_op_add(run->list, (struct ng_op){.kind = NG_OP_TPROXY, .tproxy = tproxy});
}

/* A copy goes elsewhere: of the packet itself nothing changes. */
int ng_decode_dup(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_DUP_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_DUP_MAX);
    if (r < 0)
        return r;
    bool ip = run->family == NFPROTO_IPV4 || run->family == NFPROTO_IPV6;
    const struct nlattr *addr = attributes[NFTA_DUP_SREG_ADDR];
    struct target target = {
        .family = run->family == NFPROTO_IPV6 ? NG_IP6 : NG_IP4,
        .has_addr = ip && addr,
        .known = true,
    };
    char text[NAT_TEXT] = "dup";
    r = target.has_addr ? read_pair(run, addr, NULL, ADDR_LO, &target) : 0;
    if (r < 0)
        return r;
    append_target(text, &target);
    return ng_op_add_text(run->list, NG_OP_NOTHING, "%s", text);
}

/* The packet itself goes out of another interface, past every hook. */
int ng_decode_fwd(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_FWD_MAX + 1];
    size_t at;
    struct value value;
    int r = ng_attributes_in(data, attributes, NFTA_FWD_MAX);
    if (r == 0)
        r = ng_register_at(attributes[NFTA_FWD_SREG_DEV], 4, &at);
    if (r < 0)
        return r;
    ng_registers_read(run, at, 4, &value);
    const uint8_t *bytes = ng_value_constant(&value);
    r = ng_require_value(run, &value);
    if (r < 0)
        return r;
    return bytes ? ng_op_add_text(run->list, NG_OP_UNKNOWN, "fwd to %u",
                                  (unsigned)ng_wire_number(bytes, 4, true))
                 : ng_op_add_text(run->list, NG_OP_UNKNOWN, "fwd");
}
