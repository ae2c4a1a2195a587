/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TESTS_MADE_HOST_H
#define NETGUARD_TESTS_MADE_HOST_H

/* A host and a ruleset made of a fuzzer's bytes: everything that the contracts of world.h and
 * ruleset.h allow, sensible or not. Values are few, so that rules, addresses and questions meet.
 * Where the bytes end all choices are the first one, which is always the tamest. */

#include "tests/unit/fixture_world.h"

struct feed {
    const uint8_t *at;
    size_t left;
};

/* 0 … choices - 1 */
static inline unsigned choose(struct feed *feed, unsigned choices) {
    if (!feed->left)
        return 0;
    feed->left--;
    return *feed->at++ % choices;
}

/* True about once in `times`. */
static inline bool rarely(struct feed *feed, unsigned times) {
    return choose(feed, times) == times - 1;
}

static inline uint32_t take_u32(struct feed *feed) {
    uint32_t value = 0;
    for (unsigned i = 0; i < sizeof(value); i++)
        value = value << 8 | choose(feed, 256);
    return value;
}

/* -- values -------------------------------------------------------------------------- */

static inline struct ng_addr make_addr(struct feed *feed, uint8_t family) {
    static const char *const ip4[] = {
        "192.0.2.1", "192.0.2.9",   "10.0.0.1",    "10.0.0.7",     "172.17.0.1", "172.17.0.2",
        "127.0.0.1", "203.0.113.5", "192.0.2.255", "198.51.100.0", "0.0.0.0",    "255.255.255.255"};
    static const char *const ip6[] = {"2001:db8::1", "2001:db8::9",   "fd00::1", "fd00::2", "::1",
                                      "fe80::7",     "2001:db8:9::5", "ff02::1", "::"};
    if (rarely(feed, 16))
        return (struct ng_addr){.family = family, .value = take_u32(feed)};
    return family == NG_IP4 ? addr(ip4[choose(feed, ARRAY_SIZE(ip4))])
                            : addr(ip6[choose(feed, ARRAY_SIZE(ip6))]);
}

static inline uint16_t make_port(struct feed *feed) {
    static const uint16_t ports[] = {80, 8080, 53, 22, 1, 0, 1024, 32768, 65535};
    return ports[choose(feed, ARRAY_SIZE(ports))];
}

static inline ng_u128 make_name(struct feed *feed, bool end) {
    static const char *const names[] = {"eth0", "eth1", "docker0", "lo", "absent", "", "eth"};
    return name_number(names[choose(feed, ARRAY_SIZE(names))], end ? 0xff : 0);
}

static inline bool is_addr_field(enum ng_field field) {
    return field == NG_FIELD_SADDR || field == NG_FIELD_DADDR || field == NG_FIELD_CT_SADDR ||
           field == NG_FIELD_CT_DADDR || field == NG_FIELD_CT_REPLY_SADDR ||
           field == NG_FIELD_CT_REPLY_DADDR;
}

static inline bool is_fib_field(enum ng_field field) {
    return field == NG_FIELD_FIB_TYPE || field == NG_FIELD_FIB_OIF ||
           field == NG_FIELD_FIB_OIFNAME || field == NG_FIELD_FIB_PRESENT;
}

static inline struct ng_interval make_interval(struct feed *feed, const struct ng_operand *of) {
    static const ng_u128 lengths[] = {0, 1, 3, 255, 65535, UINT32_MAX};
    struct ng_interval one = {0};
    switch (of->field) {
    case NG_FIELD_SADDR:
    case NG_FIELD_DADDR:
    case NG_FIELD_CT_SADDR:
    case NG_FIELD_CT_DADDR:
    case NG_FIELD_CT_REPLY_SADDR:
    case NG_FIELD_CT_REPLY_DADDR:
        one.lo = make_addr(feed, of->family ? of->family : NG_IP4).value;
        break;
    case NG_FIELD_SPORT:
    case NG_FIELD_DPORT:
    case NG_FIELD_CT_SPORT:
    case NG_FIELD_CT_DPORT:
        one.lo = make_port(feed);
        break;
    case NG_FIELD_IIFNAME:
    case NG_FIELD_OIFNAME:
    case NG_FIELD_FIB_OIFNAME:
        one.lo = make_name(feed, false);
        break;
    case NG_FIELD_L4PROTO:
    case NG_FIELD_CT_L4PROTO:
        one.lo = (const uint8_t[]){NG_TCP, NG_UDP, NG_ICMP, NG_ICMP6, NG_SCTP}[choose(feed, 5)];
        break;
    default:
        one.lo = choose(feed, 16);
    }
    if (rarely(feed, 8))
        return (struct ng_interval){0, lab_whole}; /* it is not asked */
    one.hi = one.lo + (rarely(feed, 4) ? lengths[choose(feed, ARRAY_SIZE(lengths))] : 0);
    if (one.hi < one.lo)
        one.hi = lab_whole;
    return one;
}

/* -- tests --------------------------------------------------------------------------- */

static inline struct ng_operand make_operand(struct feed *feed) {
    static const enum ng_field common[] = {NG_FIELD_DPORT,   NG_FIELD_SADDR,    NG_FIELD_DADDR,
                                           NG_FIELD_IIFNAME, NG_FIELD_CT_STATE, NG_FIELD_MARK,
                                           NG_FIELD_SPORT};
    static const ng_u128 masks[] = {0xff, 1, 8, 0xffffff00, 0, UINT32_MAX};
    struct ng_operand of = operand(rarely(feed, 2) ? (enum ng_field)choose(feed, NG_FIELD_COUNT)
                                                   : common[choose(feed, ARRAY_SIZE(common))]);
    if (is_addr_field(of.field))
        of.family = rarely(feed, 3) ? NG_IP6 : NG_IP4;
    if (is_fib_field(of.field))
        of.fib = (uint8_t)choose(feed, 128);
    if (of.field == NG_FIELD_OTHER)
        of.name = "other";
    if (rarely(feed, 8))
        of.mask = masks[choose(feed, ARRAY_SIZE(masks))];
    if (rarely(feed, 16))
        of.flip = choose(feed, 16) & of.mask;
    return of;
}

static inline struct ng_addrset make_set(struct lab *lab, struct feed *feed,
                                         const struct ng_operand *of, unsigned most) {
    struct ng_interval any_order[8];
    struct ng_addrset set;
    size_t n = 1 + choose(feed, most);
    for (size_t i = 0; i < n; i++)
        any_order[i] = make_interval(feed, of);
    if (ng_addrset_from(lab->arena, any_order, n, &set) < 0)
        abort();
    return set;
}

static inline struct ng_nat make_nat(struct feed *feed) {
    uint8_t family = rarely(feed, 4) ? NG_IP6 : NG_IP4;
    struct ng_nat nat = {.has_addr = !rarely(feed, 4), .has_port = rarely(feed, 2)};
    nat.addr_lo = nat.addr_hi = make_addr(feed, family);
    nat.port_lo = nat.port_hi = make_port(feed);
    if (nat.has_addr && rarely(feed, 4)) {
        nat.addr_hi.value |= 3;
        nat.netmap = rarely(feed, 2);
    }
    if (nat.has_port && rarely(feed, 4)) {
        nat.port_hi = (uint16_t)(nat.port_lo | 7);
        nat.random = rarely(feed, 2);
        nat.shifted = rarely(feed, 2);
        nat.port_base = make_port(feed);
    }
    return nat;
}

static inline struct ng_verdict make_verdict(struct lab *lab, struct feed *feed) {
    static const enum ng_verdict_kind kinds[] = {
        NG_VERDICT_CONTINUE, NG_VERDICT_ACCEPT, NG_VERDICT_DROP,    NG_VERDICT_RETURN,
        NG_VERDICT_JUMP,     NG_VERDICT_GOTO,   NG_VERDICT_UNKNOWN, NG_VERDICT_JUMP};
    struct ng_verdict verdict = {.kind = kinds[choose(feed, ARRAY_SIZE(kinds))]};
    bool jump = verdict.kind == NG_VERDICT_JUMP || verdict.kind == NG_VERDICT_GOTO;
    if (jump)
        verdict.chain = choose(feed, (unsigned)lab->ruleset.n_chains);
    if (verdict.kind == NG_VERDICT_UNKNOWN)
        verdict.text = "queue";
    if (verdict.kind == NG_VERDICT_DROP && rarely(feed, 2))
        verdict.text = "reject";
    return verdict;
}

/* Elements of a set over several fields, or with something behind each. */
static inline void make_boxes(struct lab *lab, struct feed *feed, struct ng_match *match) {
    size_t n = 1 + choose(feed, 4);
    struct ng_box *boxes = lab_alloc(lab, n, sizeof(*boxes));
    for (size_t i = 0; i < n; i++) {
        struct ng_interval *sides = lab_alloc(lab, match->n_operands, sizeof(*sides));
        for (size_t k = 0; k < match->n_operands; k++)
            sides[k] = make_interval(feed, &match->operands[k]);
        boxes[i] = (struct ng_box){.sides = sides,
                                   .verdict = make_verdict(lab, feed),
                                   .nat = make_nat(feed),
                                   .value = choose(feed, 16),
                                   .expires = rarely(feed, 8)};
    }
    match->boxes = boxes;
    match->n_boxes = n;
}

static inline const struct ng_match *make_match(struct lab *lab, struct feed *feed, bool boxes) {
    struct ng_match *match = lab_alloc(lab, 1, sizeof(*match));
    match->n_operands = boxes ? 1 + choose(feed, 3) : 1;
    struct ng_operand *operands = lab_alloc(lab, match->n_operands, sizeof(*operands));
    for (size_t i = 0; i < match->n_operands; i++)
        operands[i] = make_operand(feed);
    match->operands = operands;
    match->negate = rarely(feed, 4);
    match->dynamic = rarely(feed, 16);
    match->set_name = rarely(feed, 4) ? "set" : NULL;
    if (boxes) {
        match->any_of = rarely(feed, 4);
        make_boxes(lab, feed, match);
    } else {
        match->values = make_set(lab, feed, operands, 4);
        if (rarely(feed, 16))
            match->expiring = make_set(lab, feed, operands, 2);
    }
    return match;
}

/* -- effects ------------------------------------------------------------------------- */

static inline const struct ng_assign *make_assign(struct lab *lab, struct feed *feed) {
    static const enum ng_field targets[] = {NG_FIELD_MARK,  NG_FIELD_CT_MARK, NG_FIELD_DADDR,
                                            NG_FIELD_SADDR, NG_FIELD_DPORT,   NG_FIELD_SPORT};
    struct ng_assign *assign = lab_alloc(lab, 1, sizeof(*assign));
    assign->target = targets[choose(feed, ARRAY_SIZE(targets))];
    assign->unknown = rarely(feed, 16);
    assign->n_terms = choose(feed, NG_ASSIGN_TERMS + 1);
    struct ng_operand *terms = lab_alloc(lab, NG_ASSIGN_TERMS, sizeof(*terms));
    for (size_t i = 0; i < assign->n_terms; i++)
        terms[i] = make_operand(feed);
    assign->terms = terms;
    assign->constant = assign->target == NG_FIELD_DADDR || assign->target == NG_FIELD_SADDR
                           ? make_addr(feed, NG_IP4).value
                           : choose(feed, 16);
    if (rarely(feed, 8))
        assign->map = make_match(lab, feed, true);
    return assign;
}

static inline const struct ng_tproxy *make_tproxy(struct lab *lab, struct feed *feed) {
    struct ng_tproxy *tproxy = lab_alloc(lab, 1, sizeof(*tproxy));
    tproxy->to = make_nat(feed);
    tproxy->xtables = rarely(feed, 2);
    if (rarely(feed, 2))
        tproxy->mark = make_assign(lab, feed);
    return tproxy;
}

static inline struct ng_op make_op(struct lab *lab, struct feed *feed) {
    static const enum ng_op_kind kinds[] = {
        NG_OP_NOTHING, NG_OP_MATCH,    NG_OP_VERDICT,   NG_OP_MATCH, NG_OP_VMAP,   NG_OP_DNAT,
        NG_OP_MATCH,   NG_OP_REDIRECT, NG_OP_VERDICT,   NG_OP_SNAT,  NG_OP_ASSIGN, NG_OP_TPROXY,
        NG_OP_NOTRACK, NG_OP_UNKNOWN,  NG_OP_UNDECIDED, NG_OP_ASSIGN};
    struct ng_op op = {.kind = kinds[choose(feed, ARRAY_SIZE(kinds))]};
    struct ng_nat *nat;
    switch (op.kind) {
    case NG_OP_MATCH:
        op.match = make_match(lab, feed, rarely(feed, 4));
        break;
    case NG_OP_VMAP:
        op.match = make_match(lab, feed, true);
        break;
    case NG_OP_VERDICT:
        op.verdict = make_verdict(lab, feed);
        break;
    case NG_OP_ASSIGN:
        op.assign = make_assign(lab, feed);
        break;
    case NG_OP_TPROXY:
        op.tproxy = make_tproxy(lab, feed);
        break;
    case NG_OP_DNAT:
        if (rarely(feed, 4)) {
            op.match = make_match(lab, feed, true);
            break;
        } /* fall through */
        __attribute__((fallthrough));
    case NG_OP_REDIRECT:
        nat = lab_alloc(lab, 1, sizeof(*nat));
        *nat = make_nat(feed);
        if (op.kind == NG_OP_REDIRECT)
            nat->has_addr = false;
        op.nat = nat;
        break;
    default: /* known by their text alone */
        op.text = op.kind == NG_OP_UNDECIDED ? "limit rate 1/second" : "masquerade";
        op.undecoded = rarely(feed, 2);
    }
    return op;
}

/* -- the whole ----------------------------------------------------------------------- */

static inline void make_chain(struct lab *lab, struct feed *feed) {
    static const int32_t priorities[] = {0,    -100, 100, -150, -200, -201,
                                         -300, -400, 50,  300,  -99,  101};
    static const char *const devices[] = {"eth0", "eth1", "eth*", "*", "docker0"};
    static const enum ng_hook hooks[] = {NG_HOOK_INPUT,       NG_HOOK_FORWARD, NG_HOOK_PREROUTING,
                                         NG_HOOK_POSTROUTING, NG_HOOK_INGRESS, NG_HOOK_EGRESS,
                                         NG_HOOK_OUTPUT};
    uint32_t of = choose(feed, (unsigned)lab->ruleset.n_tables);
    if (rarely(feed, 2)) {
        chain(lab, of, "chain");
        return;
    }
    uint32_t own = base_chain(lab, of, "base", hooks[choose(feed, ARRAY_SIZE(hooks))],
                              (enum ng_chain_type)choose(feed, 3),
                              priorities[choose(feed, ARRAY_SIZE(priorities))], rarely(feed, 4));
    const char **names = lab_alloc(lab, 2, sizeof(*names));
    lab->chains[own].n_devices = choose(feed, 3);
    for (size_t i = 0; i < lab->chains[own].n_devices; i++)
        names[i] = devices[choose(feed, ARRAY_SIZE(devices))];
    lab->chains[own].devices = names;
    lab->chains[own].handle = own;
}

static inline void make_rule(struct lab *lab, struct feed *feed) {
    struct ng_op ops[6];
    size_t n = 1 + choose(feed, ARRAY_SIZE(ops));
    uint32_t to = choose(feed, (unsigned)lab->ruleset.n_chains);
    for (size_t i = 0; i < n; i++)
        ops[i] = make_op(lab, feed);
    add_rule(lab, to, ops, n);
}

static inline const struct ng_ruleset *make_ruleset(struct lab *lab, struct feed *feed) {
    static const enum ng_table_family families[] = {NG_TABLE_IP,     NG_TABLE_INET,   NG_TABLE_IP6,
                                                    NG_TABLE_NETDEV, NG_TABLE_BRIDGE, NG_TABLE_ARP};
    size_t n_tables = 1 + choose(feed, 3), n_chains = 1 + choose(feed, 10),
           n_rules = choose(feed, 48);
    lab->no_conntrack = rarely(feed, 8);
    for (size_t i = 0; i < n_tables; i++) {
        uint32_t own = table(lab, families[choose(feed, ARRAY_SIZE(families))], "table");
        lab->tables[own].dormant = rarely(feed, 16);
        lab->tables[own].legacy = rarely(feed, 8);
    }
    for (size_t i = 0; i < n_chains; i++)
        make_chain(lab, feed);
    for (size_t i = 0; i < n_rules && feed->left; i++)
        make_rule(lab, feed);
    return lab_ruleset(lab);
}

static inline void make_links(struct lab *lab, struct feed *feed) {
    for (size_t i = 0; i < lab->world.n_links; i++) {
        struct ng_link *link = &lab->links[i];
        unsigned odd = choose(feed, 256);
        link->up = !(odd & 1) || rarely(feed, 4);
        link->rp_filter = odd & 2 ? (uint8_t)choose(feed, 3) : 0;
        link->route_localnet = odd & 4;
        link->accept_local = odd & 8;
        link->src_valid_mark = odd & 16;
        link->forwarding4 = link->forwarding6 = !(odd & 32);
        link->vrf_table = odd & 64 ? 100 + choose(feed, 2) : 0;
        link->master = odd & 128 ? choose(feed, 5) : 0;
        link->group = odd & 3;
    }
}

/* Of a metric of its own, or with a further hop: the kernel takes no second route for the same
 * destination and metric. */
static inline void make_route(struct lab *lab, struct feed *feed, uint32_t metric) {
    static const uint32_t tables[] = {254, 100, 255, 253, 101};
    static const uint8_t lengths[] = {24, 32, 0, 8, 16, 25};
    uint8_t family = rarely(feed, 3) ? NG_IP6 : NG_IP4;
    struct ng_route route = {
        .type = (uint8_t)(1 + choose(feed, 9)),
        .table = tables[choose(feed, ARRAY_SIZE(tables))],
        .dst = make_addr(feed, family),
        .prefix_len = lengths[choose(feed, ARRAY_SIZE(lengths))],
        .priority = metric,
        .oif = choose(feed, 6),
    };
    route.dst.value &= ng_prefix_mask(family, route.prefix_len);
    lab->routes[lab->world.n_routes++] = route;
    route.oif = choose(feed, 5);
    if (route.type == NG_ROUTE_UNICAST && route.oif)
        lab->routes[lab->world.n_routes++] = route;
}

static inline int compare_made_rules(const void *left, const void *right) {
    const struct ng_route_rule *a = left, *b = right;
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    return a->priority < b->priority ? -1 : a->priority > b->priority;
}

static inline void make_route_rule(struct lab *lab, struct feed *feed) {
    static const uint8_t actions[] = {1, 2, 3, 6, 7, 8, 1, 0};
    static const char *const names[] = {"eth0", "docker0", "absent"};
    uint8_t family = rarely(feed, 3) ? NG_IP6 : NG_IP4;
    struct ng_route_rule rule = {
        .family = family,
        .action = actions[choose(feed, ARRAY_SIZE(actions))],
        .invert = rarely(feed, 8),
        .other_selectors = rarely(feed, 8),
        .priority = choose(feed, 8) * 8192,
        .table = (uint32_t[]){100, 101, 254, 255, 0}[choose(feed, 5)],
        .target = choose(feed, 2) ? 32766 : 32767,
    };
    unsigned selects = choose(feed, 256);
    if (selects & 1)
        rule.proto = NG_TCP;
    if (selects & 2)
        rule.dport_lo = 22, rule.dport_hi = 80;
    if (selects & 4)
        rule.sport_lo = 1024, rule.sport_hi = UINT16_MAX;
    if (selects & 8)
        rule.fwmark = choose(feed, 4), rule.fwmask = choose(feed, 2) ? 1 : UINT32_MAX;
    rule.src_len = selects & 16 ? 24 : 0;
    rule.dst_len = selects & 32 ? 24 : 0;
    if (rule.src_len)
        rule.src = make_addr(feed, family);
    if (rule.dst_len)
        rule.dst = make_addr(feed, family);
    rule.src.value &= ng_prefix_mask(family, rule.src_len);
    rule.dst.value &= ng_prefix_mask(family, rule.dst_len);
    rule.iif = selects & 64 ? names[choose(feed, ARRAY_SIZE(names))] : NULL;
    rule.suppresses = selects & 128;
    rule.suppress_len = (uint8_t)choose(feed, 2);
    lab_route_rule(lab, rule);
    qsort(lab->route_rules, lab->world.n_route_rules, sizeof(rule), compare_made_rules);
}

static inline void make_host(struct lab *lab, struct feed *feed) {
    size_t n_routes = choose(feed, 6), n_rules = choose(feed, 4);
    make_links(lab, feed);
    for (size_t i = 0; i < n_routes; i++)
        make_route(lab, feed, (uint32_t)i + 1);
    qsort(lab->routes, lab->world.n_routes, sizeof(lab->routes[0]), compare_lab_routes);
    for (size_t i = 0; i < n_rules; i++)
        make_route_rule(lab, feed);
    lab->world.ipsec = rarely(feed, 4);
    lab->world.conntrack_strict = rarely(feed, 4);
}

#endif
