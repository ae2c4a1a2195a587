/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TESTS_FIXTURE_WORLD_H
#define NETGUARD_TESTS_FIXTURE_WORLD_H

/* A small host, and rulesets put together by hand.
 *
 * The host: lo, eth0 (192.0.2.1/24, 2001:db8::1/64, the default routes), eth1 (10.0.0.1/24) and
 * docker0 (172.17.0.1/16, fd00::1/64), a bridge. It forwards, and validates no source. A test
 * changes what it wants otherwise in `lab->links` and the like before it asks. */

#include "netguard/reach.h"
#include "netguard/ruleset.h"
#include "netguard/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LO = 1, ETH0, ETH1, DOCKER0 };

enum { LAB_LINKS = 12, LAB_ROUTES = 64, LAB_CHAINS = 64, LAB_RULES = 4096 };

struct lab {
    struct ng_arena *arena; /* of all that the test makes */
    struct ng_world world;
    struct ng_link links[LAB_LINKS];
    struct ng_ifaddr ifaddrs[12];
    struct ng_route routes[LAB_ROUTES];
    struct ng_route_rule route_rules[16];
    struct ng_table tables[8];
    struct ng_chain chains[LAB_CHAINS];
    struct ng_rule rules[LAB_RULES]; /* in the order written */
    struct ng_ruleset ruleset;
    bool no_conntrack;              /* no rule asks for connections */
    struct ng_engine_state *engine; /* of the last question */
};

static inline void *lab_alloc(struct lab *lab, size_t count, size_t size_bytes) {
    void *piece = ng_arena_alloc(lab->arena, count, size_bytes);
    if (!piece)
        abort();
    return piece;
}

static inline struct ng_addr addr(const char *text) {
    struct ng_addr parsed;
    if (ng_addr_parse(text, &parsed) < 0)
        abort();
    return parsed;
}

/* -- the host ------------------------------------------------------------------------ */

static inline int compare_lab_routes(const void *left, const void *right) {
    const struct ng_route *a = left, *b = right;
    if (a->dst.family != b->dst.family)
        return a->dst.family < b->dst.family ? -1 : 1;
    if (a->table != b->table)
        return a->table < b->table ? -1 : 1;
    if (a->prefix_len != b->prefix_len)
        return a->prefix_len > b->prefix_len ? -1 : 1;
    if (a->dst.value != b->dst.value)
        return a->dst.value < b->dst.value ? -1 : 1;
    return a->priority < b->priority ? -1 : a->priority > b->priority;
}

static inline void lab_route(struct lab *lab, uint8_t type, uint32_t table, const char *prefix,
                             uint32_t oif) {
    struct ng_route route = {.type = type, .table = table, .oif = oif};
    unsigned len;
    if (lab->world.n_routes == LAB_ROUTES || ng_prefix_parse(prefix, &route.dst, &len) < 0)
        abort();
    route.prefix_len = (uint8_t)len;
    lab->routes[lab->world.n_routes++] = route;
    qsort(lab->routes, lab->world.n_routes, sizeof(lab->routes[0]), compare_lab_routes);
}

static inline void lab_addr(struct lab *lab, uint32_t link, const char *own, unsigned len) {
    char text[NG_ADDR_TEXT];
    struct ng_addr parsed = addr(own), net = parsed;
    net.value &= ng_prefix_mask(parsed.family, len);
    lab->ifaddrs[lab->world.n_ifaddrs++] =
        (struct ng_ifaddr){.addr = parsed, .prefix_len = (uint8_t)len, .link = link};
    lab_route(lab, NG_ROUTE_LOCAL, 255, own, link);
    lab_route(lab, NG_ROUTE_UNICAST, 254, ng_prefix_text(net, len, text), link);
    if (parsed.family == NG_IP4) {
        net.value |= ng_family_max(NG_IP4) ^ ng_prefix_mask(NG_IP4, len);
        lab_route(lab, NG_ROUTE_BROADCAST, 255, ng_addr_text(net, text), link);
    }
}

/* The next link; its index is the number of links. */
static inline struct ng_link *lab_link(struct lab *lab, const char *name, const char *kind) {
    if (lab->world.n_links == LAB_LINKS)
        abort();
    struct ng_link *own = &lab->links[lab->world.n_links];
    *own = (struct ng_link){.name = name,
                            .index = (uint32_t)++lab->world.n_links,
                            .kind = kind,
                            .type = 1, /* ARPHRD_ETHER */
                            .up = true,
                            .forwarding4 = true,
                            .forwarding6 = true};
    return own;
}

static inline struct lab *lab_new(void) {
    struct lab *lab = calloc(1, sizeof(*lab));
    if (!lab || !(lab->arena = ng_arena_new()))
        abort();
    lab_link(lab, "lo", "")->loopback = true;
    lab->links[LO - 1].type = 772; /* ARPHRD_LOOPBACK */
    lab_link(lab, "eth0", "");
    lab_link(lab, "eth1", "");
    lab_link(lab, "docker0", "bridge");
    static const uint8_t families[] = {NG_IP4, NG_IP6};
    static const uint32_t tables[] = {255, 254, 253}, priorities[] = {0, 32766, 32767};
    for (size_t f = 0; f < ARRAY_SIZE(families); f++)
        for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
            lab->route_rules[lab->world.n_route_rules++] =
                (struct ng_route_rule){.family = families[f],
                                       .action = 1, /* FR_ACT_TO_TBL */
                                       .table = tables[i],
                                       .priority = priorities[i]};
    lab->world.host = "lab";
    lab->world.time_s = 1791036131; /* 2026-10-03 14:02:11 UTC */
    lab->world.links = lab->links;
    lab->world.ifaddrs = lab->ifaddrs;
    lab->world.routes = lab->routes;
    lab->world.route_rules = lab->route_rules;
    lab->world.links_read = lab->world.routes_read = lab->world.listeners_read = true;
    lab->world.nft.read = true;

    lab_route(lab, NG_ROUTE_LOCAL, 255, "127.0.0.0/8", LO);
    lab_route(lab, NG_ROUTE_LOCAL, 255, "::1", LO);
    lab_addr(lab, ETH0, "192.0.2.1", 24);
    lab_addr(lab, ETH0, "2001:db8::1", 64);
    lab_addr(lab, ETH1, "10.0.0.1", 24);
    lab_addr(lab, DOCKER0, "172.17.0.1", 16);
    lab_addr(lab, DOCKER0, "fd00::1", 64);
    lab_route(lab, NG_ROUTE_UNICAST, 254, "0.0.0.0/0", ETH0);
    lab_route(lab, NG_ROUTE_UNICAST, 254, "::/0", ETH0);
    return lab;
}

static inline void lab_free(struct lab *lab) {
    ng_reach_free(lab->engine);
    ng_arena_free(lab->arena);
    free(lab);
}

static inline void lab_freep(struct lab **lab) {
    lab_free(*lab);
}

#define _lab_ _cleanup_(lab_freep) struct lab *

/* A routing rule before those of a fresh host. */
static inline void lab_route_rule(struct lab *lab, struct ng_route_rule rule) {
    memmove(&lab->route_rules[1], &lab->route_rules[0],
            lab->world.n_route_rules * sizeof(lab->route_rules[0]));
    lab->route_rules[0] = rule;
    lab->world.n_route_rules++;
}

/* -- chains and rules ---------------------------------------------------------------- */

static inline uint32_t table(struct lab *lab, enum ng_table_family family, const char *name) {
    if (lab->ruleset.n_tables == ARRAY_SIZE(lab->tables))
        abort();
    lab->tables[lab->ruleset.n_tables] = (struct ng_table){.family = family, .name = name};
    return (uint32_t)lab->ruleset.n_tables++;
}

static inline uint32_t chain(struct lab *lab, uint32_t of, const char *name) {
    if (lab->ruleset.n_chains == LAB_CHAINS)
        abort();
    lab->chains[lab->ruleset.n_chains] = (struct ng_chain){.table = of, .name = name};
    return (uint32_t)lab->ruleset.n_chains++;
}

static inline uint32_t base_chain(struct lab *lab, uint32_t of, const char *name, enum ng_hook hook,
                                  enum ng_chain_type type, int32_t priority, bool policy_drop) {
    uint32_t own = chain(lab, of, name);
    lab->chains[own].base = true;
    lab->chains[own].hook = hook;
    lab->chains[own].type = type;
    lab->chains[own].priority = priority;
    lab->chains[own].policy_drop = policy_drop;
    return own;
}

static inline uint32_t filter_chain(struct lab *lab, enum ng_hook hook, int32_t priority,
                                    bool policy_drop) {
    if (!lab->ruleset.n_tables)
        table(lab, NG_TABLE_INET, "filter");
    return base_chain(lab, 0, "filter", hook, NG_CHAIN_FILTER, priority, policy_drop);
}

/* The ingress or egress of one device. */
static inline uint32_t device_chain(struct lab *lab, enum ng_hook hook, const char *device,
                                    bool policy_drop) {
    const char **own = lab_alloc(lab, 1, sizeof(*own));
    uint32_t at = filter_chain(lab, hook, 0, policy_drop);
    *own = device;
    lab->chains[at].devices = own;
    lab->chains[at].n_devices = 1;
    return at;
}

static inline uint32_t nat_chain(struct lab *lab, enum ng_hook hook, int32_t priority,
                                 bool policy_drop) {
    if (!lab->ruleset.n_tables)
        table(lab, NG_TABLE_INET, "filter");
    return base_chain(lab, 0, "nat", hook, NG_CHAIN_NAT, priority, policy_drop);
}

/* Returns the handle: rules are numbered from 1 in the order they are written. */
static inline uint64_t add_rule(struct lab *lab, uint32_t to, const struct ng_op *ops,
                                size_t n_ops) {
    struct ng_op *own = lab_alloc(lab, n_ops, sizeof(*own));
    if (lab->ruleset.n_rules == LAB_RULES)
        abort();
    memcpy(own, ops, n_ops * sizeof(*own));
    lab->rules[lab->ruleset.n_rules] = (struct ng_rule){
        .chain = to, .handle = lab->ruleset.n_rules + 1, .ops = own, .n_ops = n_ops};
    return ++lab->ruleset.n_rules;
}

#define RULE(lab, chain, ...)                                                                      \
    add_rule(lab, chain, (const struct ng_op[]){__VA_ARGS__},                                      \
             ARRAY_SIZE(((const struct ng_op[]){__VA_ARGS__})))

/* Rules stand together by chain, as the contract says. */
static inline const struct ng_ruleset *lab_ruleset(struct lab *lab) {
    struct ng_rule *grouped = lab_alloc(lab, lab->ruleset.n_rules, sizeof(*grouped));
    size_t n = 0;
    for (uint32_t i = 0; i < lab->ruleset.n_chains; i++) {
        lab->chains[i].first_rule = n;
        for (size_t k = 0; k < lab->ruleset.n_rules; k++)
            if (lab->rules[k].chain == i)
                grouped[n++] = lab->rules[k];
        lab->chains[i].n_rules = n - lab->chains[i].first_rule;
    }
    /* As in any ruleset that has NAT at work. */
    for (size_t i = 0; i < n && !lab->no_conntrack; i++)
        grouped[i].tracks = true;
    lab->ruleset.tables = lab->tables;
    lab->ruleset.chains = lab->chains;
    lab->ruleset.rules = grouped;
    return &lab->ruleset;
}

/* -- operations ---------------------------------------------------------------------- */

static const ng_u128 lab_whole = ~(ng_u128)0;

static inline struct ng_operand operand(enum ng_field field) {
    return (struct ng_operand){.field = field, .mask = lab_whole};
}

static inline struct ng_op match_op(struct lab *lab, struct ng_match match) {
    struct ng_match *own = lab_alloc(lab, 1, sizeof(*own));
    *own = match;
    return (struct ng_op){.kind = NG_OP_MATCH, .match = own};
}

static inline struct ng_op match_set(struct lab *lab, struct ng_operand of,
                                     struct ng_addrset values) {
    struct ng_operand *own = lab_alloc(lab, 1, sizeof(*own));
    *own = of;
    return match_op(lab, (struct ng_match){.operands = own, .n_operands = 1, .values = values});
}

static inline struct ng_addrset one_interval(struct lab *lab, ng_u128 lo, ng_u128 hi) {
    struct ng_addrset set;
    if (ng_addrset_range(lab->arena, lo, hi, &set) < 0)
        abort();
    return set;
}

static inline struct ng_op is_between(struct lab *lab, enum ng_field field, ng_u128 lo,
                                      ng_u128 hi) {
    return match_set(lab, operand(field), one_interval(lab, lo, hi));
}

static inline struct ng_op is(struct lab *lab, enum ng_field field, ng_u128 value) {
    return is_between(lab, field, value, value);
}

/* (value & bits) != 0 */
static inline struct ng_op has_bit(struct lab *lab, enum ng_field field, ng_u128 bits) {
    struct ng_operand of = operand(field);
    of.mask = bits;
    return match_set(lab, of, one_interval(lab, 1, lab_whole));
}

static inline struct ng_op in_prefix_of(struct lab *lab, enum ng_field field, const char *prefix) {
    struct ng_operand of = operand(field);
    struct ng_addr net;
    unsigned len;
    if (ng_prefix_parse(prefix, &net, &len) < 0)
        abort();
    of.family = net.family;
    ng_u128 rest = ng_family_max(net.family) ^ ng_prefix_mask(net.family, len);
    return match_set(lab, of, one_interval(lab, net.value, net.value | rest));
}

static inline struct ng_op from(struct lab *lab, const char *prefix) {
    return in_prefix_of(lab, NG_FIELD_SADDR, prefix);
}

static inline struct ng_op to(struct lab *lab, const char *prefix) {
    return in_prefix_of(lab, NG_FIELD_DADDR, prefix);
}

static inline struct ng_op dport(struct lab *lab, uint16_t port) {
    return is(lab, NG_FIELD_DPORT, port);
}

static inline ng_u128 name_number(const char *name, uint8_t fill) {
    ng_u128 number = 0;
    size_t len = strlen(name);
    for (size_t i = 0; i < 16; i++)
        number = number << 8 | (i < len ? (uint8_t)name[i] : fill);
    return number;
}

/* A final '*' is a wildcard. */
static inline struct ng_op named(struct lab *lab, enum ng_field field, const char *name) {
    size_t len = strlen(name);
    if (len == 0 || name[len - 1] != '*')
        return is(lab, field, name_number(name, 0));
    char prefix[17] = "";
    memcpy(prefix, name, len - 1);
    return is_between(lab, field, name_number(prefix, 0), name_number(prefix, 0xff));
}

static inline struct ng_op not(struct ng_op op) {
    ((struct ng_match *)op.match)->negate = !op.match->negate;
    return op;
}

/* A set or map over several fields: `sides` has an interval per operand and element. */
static inline struct ng_match *box_match(struct lab *lab, const struct ng_operand *operands,
                                         size_t n_operands, const struct ng_interval *sides,
                                         size_t n_boxes) {
    struct ng_match *own = lab_alloc(lab, 1, sizeof(*own));
    struct ng_operand *own_operands = lab_alloc(lab, n_operands, sizeof(*own_operands));
    struct ng_interval *own_sides = lab_alloc(lab, n_boxes * n_operands, sizeof(*own_sides));
    struct ng_box *boxes = lab_alloc(lab, n_boxes, sizeof(*boxes));
    memcpy(own_operands, operands, n_operands * sizeof(*operands));
    memcpy(own_sides, sides, n_boxes * n_operands * sizeof(*sides));
    for (size_t i = 0; i < n_boxes; i++)
        boxes[i].sides = &own_sides[i * n_operands];
    *own = (struct ng_match){
        .operands = own_operands, .n_operands = n_operands, .boxes = boxes, .n_boxes = n_boxes};
    return own;
}

static inline struct ng_box *box_of(struct ng_match *match, size_t i) {
    return (struct ng_box *)&match->boxes[i];
}

static inline struct ng_op vmap_op(const struct ng_match *match) {
    return (struct ng_op){.kind = NG_OP_VMAP, .match = match};
}

#define VERDICT(what) ((struct ng_op){.kind = NG_OP_VERDICT, .verdict = {.kind = (what)}})
#define ACCEPT        VERDICT(NG_VERDICT_ACCEPT)
#define DROP          VERDICT(NG_VERDICT_DROP)
#define RETURN        VERDICT(NG_VERDICT_RETURN)
#define JUMP(to)                                                                                   \
    ((struct ng_op){.kind = NG_OP_VERDICT, .verdict = {.kind = NG_VERDICT_JUMP, .chain = (to)}})
#define GOTO(to)                                                                                   \
    ((struct ng_op){.kind = NG_OP_VERDICT, .verdict = {.kind = NG_VERDICT_GOTO, .chain = (to)}})
#define UNDECIDED(what) ((struct ng_op){.kind = NG_OP_UNDECIDED, .text = (what)})
#define UNKNOWN(what)   ((struct ng_op){.kind = NG_OP_UNKNOWN, .text = (what)})
#define NOTHING         ((struct ng_op){.kind = NG_OP_NOTHING})
#define NOTRACK         ((struct ng_op){.kind = NG_OP_NOTRACK})
#define MASQUERADE      ((struct ng_op){.kind = NG_OP_SNAT, .text = "masquerade"})

static inline struct ng_op assign_op(struct lab *lab, struct ng_assign assign) {
    struct ng_assign *own = lab_alloc(lab, 1, sizeof(*own));
    struct ng_operand *terms = lab_alloc(lab, NG_ASSIGN_TERMS, sizeof(*terms));
    if (assign.n_terms)
        memcpy(terms, assign.terms, assign.n_terms * sizeof(*terms));
    *own = assign;
    own->terms = terms;
    return (struct ng_op){.kind = NG_OP_ASSIGN, .assign = own};
}

/* target = (from & mask) ^ flip */
static inline struct ng_op copy_field(struct lab *lab, enum ng_field target, enum ng_field from_,
                                      ng_u128 mask, ng_u128 flip) {
    const struct ng_operand old = {.field = from_, .mask = mask};
    return assign_op(
        lab, (struct ng_assign){.target = target, .terms = &old, .n_terms = 1, .constant = flip});
}

static inline struct ng_op set_field(struct lab *lab, enum ng_field target, ng_u128 value) {
    return assign_op(lab, (struct ng_assign){.target = target, .constant = value});
}

static inline struct ng_op set_mark(struct lab *lab, uint32_t mask, uint32_t flip) {
    return mask ? copy_field(lab, NG_FIELD_MARK, NG_FIELD_MARK, mask, flip)
                : set_field(lab, NG_FIELD_MARK, flip);
}

static inline struct ng_op forget_field(struct lab *lab, enum ng_field target) {
    return assign_op(lab, (struct ng_assign){.target = target, .unknown = true});
}

static inline struct ng_op forget_mark(struct lab *lab) {
    return forget_field(lab, NG_FIELD_MARK);
}

static inline struct ng_op fib_is(struct lab *lab, enum ng_field field, uint8_t about,
                                  ng_u128 value) {
    struct ng_op op = is(lab, field, value);
    ((struct ng_operand *)op.match->operands)->fib = about;
    return op;
}

static inline struct ng_op fib_type(struct lab *lab, uint8_t about, uint8_t type) {
    return fib_is(lab, NG_FIELD_FIB_TYPE, about, type);
}

/* `to_addr` NULL: only the port; `port` 0: only the address. */
static inline struct ng_nat nat_to(const char *to_addr, uint16_t port) {
    struct ng_nat nat = {.has_addr = to_addr, .has_port = port, .port_lo = port, .port_hi = port};
    if (to_addr)
        nat.addr_lo = nat.addr_hi = addr(to_addr);
    return nat;
}

static inline struct ng_op nat_op(struct lab *lab, enum ng_op_kind kind, struct ng_nat nat) {
    struct ng_nat *own = lab_alloc(lab, 1, sizeof(*own));
    *own = nat;
    return (struct ng_op){.kind = kind, .nat = own};
}

static inline struct ng_op dnat(struct lab *lab, const char *to_addr, uint16_t port) {
    return nat_op(lab, NG_OP_DNAT, nat_to(to_addr, port));
}

static inline struct ng_op redirect(struct lab *lab, uint16_t port) {
    return nat_op(lab, NG_OP_REDIRECT, nat_to(NULL, port));
}

/* -- questions ----------------------------------------------------------------------- */

static inline struct ng_answer lab_ask(struct lab *lab, const struct ng_question *question) {
    struct ng_answer answer;
    ng_reach_free(lab->engine);
    lab->engine = NULL;
    if (ng_reach_new(&lab->world, lab_ruleset(lab), &lab->engine) < 0 ||
        ng_reach_ask(lab->engine, question, lab->arena, &answer) < 0)
        abort();
    return answer;
}

static inline const char *addrs_text(struct lab *lab, struct ng_addrset set, uint8_t family) {
    char buffer[NG_ADDR_TEXT];
    const char *text = "";
    for (size_t i = 0; text && i < set.count; i++) {
        struct ng_addr lo = {family, set.intervals[i].lo}, hi = {family, set.intervals[i].hi};
        if (lo.value == 0 && hi.value == ng_family_max(family))
            return "all";
        unsigned len = 0;
        ng_u128 rest = ng_family_max(family);
        while (rest && ((lo.value & rest) != 0 || (lo.value | rest) != hi.value))
            rest = ng_family_max(family) ^ ng_prefix_mask(family, ++len);
        bool prefix = (lo.value | rest) == hi.value;
        text = ng_arena_printf(lab->arena, "%s%s%s", text, i ? "," : "",
                               lo.value == hi.value ? ng_addr_text(lo, buffer)
                               : prefix             ? ng_prefix_text(lo, len, buffer)
                                                    : ng_addr_text(lo, buffer));
        if (text && lo.value != hi.value && !prefix)
            text = ng_arena_printf(lab->arena, "%s-%s", text, ng_addr_text(hi, buffer));
    }
    return text;
}

static inline const char *region_text(struct lab *lab, struct ng_region region, uint8_t family) {
    const char *text = "";
    for (size_t i = 0; text && i < region.count; i++) {
        const struct ng_band *band = &region.bands[i];
        text = ng_arena_printf(lab->arena, "%s%s%s", text, i ? "+" : "",
                               addrs_text(lab, band->addrs, family));
        if (text && (band->lo != 0 || band->hi != UINT16_MAX))
            text = ng_arena_printf(lab->arena, "%s:%u-%u", text, band->lo, band->hi);
    }
    return text;
}

/* One outcome for people: "forwarded 172.17.0.2:80 docker0 all by 3". Who decided is a rule's
 * handle, the index of the chain whose policy it was, or nobody. */
static inline const char *outcome_text(struct lab *lab, const struct ng_outcome *outcome,
                                       uint8_t family) {
    static const char *const fates[] = {
        [NG_FATE_DROPPED] = "dropped",   [NG_FATE_NO_ROUTE] = "no-route",
        [NG_FATE_LOCAL] = "local",       [NG_FATE_FORWARDED] = "forwarded",
        [NG_FATE_ANYWHERE] = "anywhere",
    };
    char buffer[NG_ADDR_TEXT];
    const char *text = fates[outcome->fate];
    if (outcome->translated)
        text = ng_arena_printf(lab->arena, "%s %s:%u", text,
                               ng_addr_text((struct ng_addr){family, outcome->daddr}, buffer),
                               outcome->dport);
    if (outcome->oif)
        text = ng_arena_printf(lab->arena, "%s %s", text, lab->links[outcome->oif - 1].name);
    text = ng_arena_printf(lab->arena, "%s %s", text, region_text(lab, outcome->region, family));
    if (outcome->by_rule != NG_NONE)
        text = ng_arena_printf(lab->arena, "%s by %llu", text,
                               (unsigned long long)lab->ruleset.rules[outcome->by_rule].handle);
    else if (outcome->by_chain != NG_NONE)
        text = ng_arena_printf(lab->arena, "%s by policy of %u", text, outcome->by_chain);
    return text;
}

/* The whole answer: outcomes, then what could not be decided: "local all by 1; dropped all by 2
 * ? limit". */
static inline const char *answer_text(struct lab *lab, const struct ng_answer *answer,
                                      uint8_t family) {
    const char *text = "";
    for (size_t i = 0; i < answer->n_outcomes; i++)
        text = ng_arena_printf(lab->arena, "%s%s%s", text, i ? "; " : "",
                               outcome_text(lab, &answer->outcomes[i], family));
    for (size_t i = 0; i < answer->n_undecided; i++) {
        const struct ng_undecided *undecided = &answer->undecided[i];
        const char *what = undecided->what ? undecided->what
                                           : ng_op_text(lab->arena, &lab->ruleset, undecided->op);
        text = ng_arena_printf(lab->arena, "%s ? %s", text, what);
    }
    if (!text)
        abort();
    return text;
}

static inline struct ng_question question_to(uint32_t iif, const char *daddr, uint8_t proto,
                                             uint16_t port) {
    struct ng_addr destination = addr(daddr);
    return (struct ng_question){.family = destination.family,
                                .proto = proto,
                                .iif = iif,
                                .daddr = destination.value,
                                .dport = port};
}

/* The same from one source. */
static inline struct ng_question asked_from(struct ng_question question, const char *saddr,
                                            uint16_t sport) {
    question.one_source = true;
    question.saddr = addr(saddr).value;
    question.sport = sport;
    return question;
}

static inline const char *ask_this(struct lab *lab, struct ng_question question) {
    struct ng_answer answer = lab_ask(lab, &question);
    return answer_text(lab, &answer, question.family);
}

static inline const char *ask(struct lab *lab, uint32_t iif, const char *daddr, uint8_t proto,
                              uint16_t port) {
    return ask_this(lab, question_to(iif, daddr, proto, port));
}

/* Is this packet delivered or forwarded for certain? */
static inline bool lets_in(struct lab *lab, struct ng_question question) {
    struct ng_answer answer = lab_ask(lab, &question);
    return answer.n_outcomes == 1 && (answer.outcomes[0].fate == NG_FATE_LOCAL ||
                                      answer.outcomes[0].fate == NG_FATE_FORWARDED);
}

#endif
