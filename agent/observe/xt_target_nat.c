/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/xt_parts.h"

#include <errno.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_TPROXY.h>

/* Targets that say where a packet goes. */

/* As both forms of the kernel's structure have it: addresses and ports in network order. */
struct range {
    uint32_t flags; /* NF_NAT_RANGE_… */
    const void *min_addr, *max_addr;
    uint16_t min_port, max_port, base_port;
};

/* struct nf_nat_range2 begins as the older struct nf_nat_range; IPv4's own is older still. */
enum form { RANGE4, RANGE, RANGE2 };

static struct range range_of(const struct xt *xt, enum form form) {
    if (form == RANGE4) {
        const struct nf_nat_ipv4_multi_range_compat *multi = xt->info;
        const struct nf_nat_ipv4_range *one = &multi->range[0];
        return (struct range){one->flags,   &one->min_ip, &one->max_ip,
                              one->min.all, one->max.all, 0};
    }
    const struct nf_nat_range2 *range = xt->info;
    return (struct range){range->flags,         &range->min_addr,
                          &range->max_addr,     range->min_proto.all,
                          range->max_proto.all, form == RANGE2 ? range->base_proto.all : 0};
}

static uint16_t host_port(uint16_t wire) {
    return (uint16_t)ng_wire_number((const uint8_t *)&wire, 2, false);
}

static struct ng_nat nat_of(const struct xt *xt, enum form form) {
    const struct range range = range_of(xt, form);
    struct ng_nat nat = {.random = range.flags & NF_NAT_RANGE_PROTO_RANDOM_ALL};
    if (range.flags & NF_NAT_RANGE_MAP_IPS) {
        nat.has_addr = true;
        nat.addr_lo = ng_addr_from_wire(range.min_addr, xt_addr_len(xt));
        nat.addr_hi = ng_addr_from_wire(range.max_addr, xt_addr_len(xt));
    }
    if (range.flags & NF_NAT_RANGE_PROTO_SPECIFIED) {
        uint16_t lo = host_port(range.min_port), hi = host_port(range.max_port);
        nat.has_port = true;
        nat.port_lo = lo < hi ? lo : hi; /* the kernel takes them in either order */
        nat.port_hi = lo < hi ? hi : lo;
        nat.shifted = form == RANGE2 && range.flags & NF_NAT_RANGE_PROTO_OFFSET;
        nat.port_base = nat.shifted ? host_port(range.base_port) : 0;
    }
    return nat;
}

static int add_nat(const struct xt *xt, enum ng_op_kind kind, struct ng_nat nat) {
    if (nat.has_addr && nat.addr_lo.value > nat.addr_hi.value)
        return ng_op_add_text(xt->list, NG_OP_UNKNOWN,
                              "dnat to a range that ends before it begins");
    return ng_op_add_nat(xt->list, kind, nat);
}

static int dnat_0(const struct xt *xt) {
    return add_nat(xt, NG_OP_DNAT, nat_of(xt, RANGE4));
}

static int dnat_1(const struct xt *xt) {
    return add_nat(xt, NG_OP_DNAT, nat_of(xt, RANGE));
}

static int dnat_2(const struct xt *xt) {
    return add_nat(xt, NG_OP_DNAT, nat_of(xt, RANGE2));
}

static int redirect4(const struct xt *xt) {
    struct ng_nat nat = nat_of(xt, RANGE4);
    nat.has_addr = false;
    return add_nat(xt, NG_OP_REDIRECT, nat);
}

static int redirect6(const struct xt *xt) {
    struct ng_nat nat = nat_of(xt, RANGE);
    nat.has_addr = false;
    return add_nat(xt, NG_OP_REDIRECT, nat);
}

/* One target for both directions: where the source is translated (input, postrouting) it is source
 * NAT, and no other DNAT is possible there. */
static int netmap4(const struct xt *xt) {
    struct ng_nat nat = nat_of(xt, RANGE4);
    nat.netmap = true;
    return ng_op_add_nat(xt->list, NG_OP_DNAT, nat);
}

static int netmap6(const struct xt *xt) {
    struct ng_nat nat = nat_of(xt, RANGE);
    nat.netmap = true;
    return ng_op_add_nat(xt->list, NG_OP_DNAT, nat);
}

/* -- source NAT ---------------------------------------------------------------------- */

/* "snat to 192.0.2.1-192.0.2.9:1024-2047 random" */
static int source_nat(const struct xt *xt, const char *name, enum form form) {
    const struct ng_nat nat = nat_of(xt, form);
    const uint32_t flags = range_of(xt, form).flags;
    struct xt_text text = {.len = 0};
    char buffer[NG_ADDR_TEXT];
    bool bracket = nat.has_addr && nat.has_port && nat.addr_lo.family == NG_IP6;
    xt_put(&text, "%s%s", name, nat.has_addr || nat.has_port ? " to " : "");
    if (nat.has_addr)
        xt_put(&text, "%s%s%s", bracket ? "[" : "", ng_addr_text(nat.addr_lo, buffer),
               bracket ? "]" : "");
    if (nat.has_addr && nat.addr_lo.value != nat.addr_hi.value)
        xt_put(&text, "-%s%s%s", bracket ? "[" : "", ng_addr_text(nat.addr_hi, buffer),
               bracket ? "]" : "");
    if (nat.has_port)
        xt_put(&text, ":%u", nat.port_lo);
    if (nat.has_port && nat.port_lo != nat.port_hi)
        xt_put(&text, "-%u", nat.port_hi);
    xt_put(&text, "%s%s", nat.random ? " random" : "",
           flags & NF_NAT_RANGE_PERSISTENT ? " persistent" : "");
    return xt_add_words(xt->list, NG_OP_SNAT, &text);
}

static int snat_0(const struct xt *xt) {
    return source_nat(xt, "snat", RANGE4);
}

static int snat_1(const struct xt *xt) {
    return source_nat(xt, "snat", RANGE);
}

static int snat_2(const struct xt *xt) {
    return source_nat(xt, "snat", RANGE2);
}

static int masquerade4(const struct xt *xt) {
    return source_nat(xt, "masquerade", RANGE4);
}

static int masquerade6(const struct xt *xt) {
    return source_nat(xt, "masquerade", RANGE);
}

/* -- without translation ------------------------------------------------------------- */

/* `addr` and `port` in network order; of all zeros: the packet's own. */
static int tproxy(const struct xt *xt, struct ng_addr addr, uint16_t port, uint32_t mask,
                  uint32_t value) {
    struct {
        struct ng_tproxy tproxy;
        struct ng_assign mark;
        struct ng_operand rest;
    } *own = ng_arena_alloc(xt->list->arena, 1, sizeof(*own));
    if (!own)
        return -ENOMEM;
    own->tproxy.xtables = true;
    if (!ng_addr_is_any(addr)) {
        own->tproxy.to.has_addr = true;
        own->tproxy.to.addr_lo = own->tproxy.to.addr_hi = addr;
    }
    if (port) {
        own->tproxy.to.has_port = true;
        own->tproxy.to.port_lo = own->tproxy.to.port_hi = host_port(port);
    }
    if (mask || value) {
        own->rest = xt_masked(NG_FIELD_MARK, (uint32_t)~mask);
        own->mark = (struct ng_assign){.target = NG_FIELD_MARK,
                                       .terms = &own->rest,
                                       .n_terms = own->rest.mask ? 1 : 0,
                                       .constant = value};
        own->tproxy.mark = &own->mark;
    }
    return ng_op_add(xt->list, (struct ng_op){.kind = NG_OP_TPROXY, .tproxy = &own->tproxy});
}

static int tproxy_0(const struct xt *xt) {
    const struct xt_tproxy_target_info *target = xt->info;
    return tproxy(xt, ng_addr_from_wire(&target->laddr, 4), target->lport, target->mark_mask,
                  target->mark_value);
}

static int tproxy_1(const struct xt *xt) {
    const struct xt_tproxy_target_info_v1 *target = xt->info;
    return tproxy(xt, ng_addr_from_wire(&target->laddr, xt_addr_len(xt)), target->lport,
                  target->mark_mask, target->mark_value);
}

#define RANGE4_LEN sizeof(struct nf_nat_ipv4_multi_range_compat)

const struct xt_extension ng_xt_nat_targets[] = {
    {"DNAT", 2, NFPROTO_INET, true, sizeof(struct nf_nat_range2), dnat_2},
    {"DNAT", 1, NFPROTO_INET, true, sizeof(struct nf_nat_range), dnat_1},
    {"DNAT", 0, NFPROTO_IPV4, true, RANGE4_LEN, dnat_0},
    {"MASQUERADE", 0, NFPROTO_IPV4, true, RANGE4_LEN, masquerade4},
    {"MASQUERADE", 0, NFPROTO_IPV6, true, sizeof(struct nf_nat_range), masquerade6},
    {"REDIRECT", 0, NFPROTO_IPV4, true, RANGE4_LEN, redirect4},
    {"REDIRECT", 0, NFPROTO_IPV6, true, sizeof(struct nf_nat_range), redirect6},
    {"SNAT", 2, NFPROTO_INET, true, sizeof(struct nf_nat_range2), snat_2},
    {"SNAT", 1, NFPROTO_INET, true, sizeof(struct nf_nat_range), snat_1},
    {"SNAT", 0, NFPROTO_IPV4, true, RANGE4_LEN, snat_0},
    {"NETMAP", 0, NFPROTO_IPV4, true, RANGE4_LEN, netmap4},
    {"NETMAP", 0, NFPROTO_IPV6, true, sizeof(struct nf_nat_range), netmap6},
    {"TPROXY", 1, NFPROTO_INET, false, sizeof(struct xt_tproxy_target_info_v1), tproxy_1},
    {"TPROXY", 0, NFPROTO_IPV4, false, sizeof(struct xt_tproxy_target_info), tproxy_0},
    {.name = NULL},
};
