/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/segregation.h"

#include <errno.h>
#include <stdlib.h>

/* Which ports of a container to ask for: those that it is known to have, those that some rule on
 * the way tells from others, and one that stands for all the rest. */

enum { PORT_LAST = UINT16_MAX };

/* -- what rules name ----------------------------------------------------------------- */

bool ng_tests_port(const struct ng_operand *operand) {
    return operand->field == NG_FIELD_DPORT || operand->field == NG_FIELD_CT_DPORT ||
           operand->field == NG_FIELD_CT_REPLY_SPORT;
}

/* Of some bits alone: any port may be told from its neighbours. */
static bool tests_bits(const struct ng_operand *operand) {
    return (operand->mask & PORT_LAST) != PORT_LAST || operand->flip;
}

bool ng_tests_addr(const struct ng_operand *operand) {
    return operand->field == NG_FIELD_DADDR && operand->mask == ~(ng_u128)0 && !operand->flip;
}

static int add_named(struct segregating *segregating, struct named_port named,
                     struct ng_interval ports, size_t *capacity) {
    struct named_port *all = (struct named_port *)segregating->named;
    struct named_port *own =
        NG_ARENA_APPEND(segregating->arena, all, segregating->n_named, *capacity);
    segregating->named = all;
    if (!own)
        return -ENOMEM;
    named.lo = ports.lo > PORT_LAST ? PORT_LAST : ports.lo ? (uint16_t)ports.lo : 1;
    named.hi = ports.hi > PORT_LAST ? PORT_LAST : (uint16_t)ports.hi;
    *own = named;
    return 0;
}

/* Addresses to which the rule confines itself. */
static void confine(const struct ng_op *op, struct named_port *named) {
    if (op->kind != NG_OP_MATCH || op->match->n_operands != 1 || op->match->negate ||
        op->match->dynamic || !op->match->values.count || !ng_tests_addr(&op->match->operands[0]))
        return;
    const struct ng_addrset *values = &op->match->values;
    if (op->match->operands[0].family)
        named->family = op->match->operands[0].family;
    named->from = values->intervals[0].lo;
    named->to = values->intervals[values->count - 1].hi;
}

/* Whom it holds for it drops, or sends elsewhere: that lets nobody through to the address that was
 * asked for. */
static bool opens_nothing(const struct ng_rule *rule) {
    bool negated = false, drops = false, translates = false;
    for (size_t i = 0; i < rule->n_ops; i++) {
        const struct ng_op *op = &rule->ops[i];
        if (op->kind == NG_OP_MATCH && op->match->negate)
            negated = negated || ng_tests_port(&op->match->operands[0]);
        drops = drops || (op->kind == NG_OP_VERDICT && op->verdict.kind == NG_VERDICT_DROP);
        translates = translates || op->kind == NG_OP_DNAT || op->kind == NG_OP_REDIRECT ||
                     op->kind == NG_OP_SNAT;
    }
    return !negated && (drops || translates);
}

/* Every port, so that none is like another; and one that has the bits, where there is but one test
 * of them. */
static int add_bits(struct segregating *segregating, const struct ng_match *match, size_t operand,
                    const struct named_port *named, size_t *capacity) {
    const ng_u128 mask = match->operands[operand].mask, free = ~mask & PORT_LAST;
    int r = add_named(segregating, *named, (struct ng_interval){1, PORT_LAST}, capacity);
    for (size_t i = 0; r == 0 && i < match->values.count; i++) {
        ng_u128 port = match->values.intervals[i].lo & PORT_LAST;
        for (ng_u128 bit = 1; !port && bit <= free; bit <<= 1)
            port = free & bit;
        if (port)
            r = add_named(segregating, *named, (struct ng_interval){port, port}, capacity);
    }
    return r;
}

static int add_match(struct segregating *segregating, const struct ng_match *match,
                     const struct named_port *named, size_t *capacity) {
    int r = 0;
    for (size_t i = 0; i < match->n_operands; i++) {
        if (!ng_tests_port(&match->operands[i]))
            continue;
        if (tests_bits(&match->operands[i]))
            r = add_bits(segregating, match, i, named, capacity);
        for (size_t k = 0; r == 0 && k < match->values.count; k++)
            r = add_named(segregating, *named, match->values.intervals[k], capacity);
        for (size_t k = 0; r == 0 && k < match->expiring.count; k++)
            r = add_named(segregating, *named, match->expiring.intervals[k], capacity);
        for (size_t k = 0; r == 0 && k < match->n_boxes; k++) {
            struct named_port own = *named;
            for (size_t side = 0; side < match->n_operands; side++)
                if (ng_tests_addr(&match->operands[side]) && !match->negate) {
                    own.from = match->boxes[k].sides[side].lo;
                    own.to = match->boxes[k].sides[side].hi;
                }
            r = add_named(segregating, own, match->boxes[k].sides[i], capacity);
        }
    }
    return r;
}

/* Has any of them, or may he have, an address that the rule is about? */
static bool is_about_pods(const struct segregating *segregating, const struct ng_match *match) {
    const struct ng_operand *operand = &match->operands[0];
    if (match->n_operands != 1 || match->negate || match->dynamic || !match->values.count ||
        match->expiring.count || operand->field != NG_FIELD_SADDR || operand->mask != ~(ng_u128)0 ||
        operand->flip)
        return true;
    const ng_u128 link_local = (ng_u128)0xfe80 << 112;
    const ng_u128 last = match->values.intervals[match->values.count - 1].hi;
    if (last >= link_local) /* every container has one of these */
        return true;
    for (size_t i = 0; i < segregating->n_pods; i++)
        for (size_t k = 0; k < segregating->pods[i].n_places; k++)
            for (uint8_t ip6 = 0; ip6 < 2; ip6++) {
                const struct ng_endpoint *endpoint = segregating->pods[i].places[k].endpoint;
                struct ng_addr addr = ip6 ? endpoint->addr6 : endpoint->addr4;
                if (addr.family && ng_addrset_contains(match->values, addr.value))
                    return true;
            }
    return false;
}

static int add_rule(struct segregating *segregating, const struct ng_rule *rule, uint8_t family,
                    size_t *capacity) {
    struct named_port named = {
        .family = family, .to = ng_family_max(NG_IP6), .opens = !opens_nothing(rule)};
    ng_u128 proto;
    int r = 0;
    for (size_t i = 0; i < rule->n_ops; i++) {
        if (rule->ops[i].kind == NG_OP_MATCH && !is_about_pods(segregating, rule->ops[i].match))
            return 0;
        confine(&rule->ops[i], &named);
        if (ng_op_demands(&rule->ops[i], NG_FIELD_L4PROTO, &proto))
            named.proto = (uint8_t)proto;
    }
    segregating->names_sctp = segregating->names_sctp || named.proto == NG_SCTP;
    for (size_t i = 0; r == 0 && i < rule->n_ops; i++) {
        const struct ng_op *op = &rule->ops[i];
        if ((op->kind == NG_OP_MATCH || op->kind == NG_OP_VMAP || op->kind == NG_OP_DNAT) &&
            op->match)
            r = add_match(segregating, op->match, &named, capacity);
        if (r == 0 && op->kind == NG_OP_DNAT)
            r = ng_follow_translation(segregating, rule, op, &named);
        if (r == 0 && op->kind == NG_OP_ASSIGN && op->assign->map)
            r = add_match(segregating, op->assign->map, &named, capacity);
    }
    return r;
}

static bool is_on_the_way(const struct ng_chain *chain) {
    return chain->base && chain->hook != NG_HOOK_INPUT && chain->hook != NG_HOOK_OUTPUT;
}

/* Chains in which packets that are forwarded may be. */
static void follow_jumps(const struct ng_ruleset *ruleset, bool *on_the_way) {
    bool more = true;
    while (more) {
        more = false;
        for (size_t i = 0; i < ruleset->n_rules; i++) {
            const struct ng_rule *rule = &ruleset->rules[i];
            for (size_t k = 0; on_the_way[rule->chain] && k < rule->n_ops; k++) {
                const struct ng_op *op = &rule->ops[k];
                size_t n = op->kind == NG_OP_VMAP ? op->match->n_boxes : op->kind == NG_OP_VERDICT;
                for (size_t m = 0; m < n; m++) {
                    const struct ng_verdict *verdict =
                        op->kind == NG_OP_VMAP ? &op->match->boxes[m].verdict : &op->verdict;
                    bool leads =
                        verdict->kind == NG_VERDICT_JUMP || verdict->kind == NG_VERDICT_GOTO;
                    if (leads && !on_the_way[verdict->chain])
                        more = on_the_way[verdict->chain] = true;
                }
            }
        }
    }
}

int ng_find_named_ports(struct segregating *segregating) {
    const struct ng_ruleset *ruleset = segregating->judgement->ruleset;
    bool *on_the_way = ng_arena_alloc(segregating->arena, ruleset->n_chains, sizeof(*on_the_way));
    size_t capacity = 0;
    int r = on_the_way ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < ruleset->n_chains; i++)
        on_the_way[i] = is_on_the_way(&ruleset->chains[i]);
    if (r == 0)
        follow_jumps(ruleset, on_the_way);
    for (size_t i = 0; r == 0 && i < ruleset->n_rules; i++) {
        const struct ng_rule *rule = &ruleset->rules[i];
        enum ng_table_family table = ruleset->tables[ruleset->chains[rule->chain].table].family;
        uint8_t family = table == NG_TABLE_IP ? NG_IP4 : table == NG_TABLE_IP6 ? NG_IP6 : 0;
        if (on_the_way[rule->chain])
            r = add_rule(segregating, rule, family, &capacity);
    }
    return r;
}

/* -- of one container ---------------------------------------------------------------- */

/* How many rules begin to name, or no longer name, ports from this one on. */
struct edge {
    uint32_t at;
    int step; /* of those that may open it */
};

struct asking {
    struct ng_arena *arena;
    const struct named_port *named; /* those that concern the address */
    size_t n_named;
    struct asked_port *ports;
    size_t count, capacity;
};

static bool is_named(const struct asking *asking, uint8_t proto, uint32_t port) {
    for (size_t i = 0; i < asking->n_named; i++) {
        const struct named_port *named = &asking->named[i];
        if ((!named->proto || named->proto == proto) && port >= named->lo && port <= named->hi)
            return true;
    }
    return false;
}

static bool is_listed(const struct asking *asking, struct ng_port port) {
    for (size_t i = 0; i < asking->count; i++)
        if (ng_port_compare(&asking->ports[i].port, &port) == 0)
            return true;
    return false;
}

static int add_port(struct asking *asking, struct ng_port port, enum port_sort sort) {
    if (is_listed(asking, port))
        return 0;
    struct asked_port *own =
        NG_ARENA_APPEND(asking->arena, asking->ports, asking->count, asking->capacity);
    if (!own)
        return -ENOMEM;
    *own = (struct asked_port){.port = port, .sort = sort, .like = asking->count - 1};
    return 0;
}

static int compare_edges(const void *left, const void *right) {
    const struct edge *a = left, *b = right;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* One that neither the container nor a rule names; 0: there is none. */
static uint16_t find_unnamed(const struct asking *asking, uint8_t proto) {
    uint32_t port = PORT_LAST;
    while (port && (is_named(asking, proto, port) ||
                    is_listed(asking, (struct ng_port){(uint16_t)port, proto})))
        port--;
    return (uint16_t)port;
}

/* The first port of each stretch that the same rules name, one of them such as may open it: where
 * none may, an unnamed port gets at least as far; but there has to be one. */
static int add_named_ports(struct asking *asking, uint8_t proto) {
    bool stands_in = find_unnamed(asking, proto);
    struct edge *edges = ng_arena_alloc(asking->arena, 2 * asking->n_named, sizeof(*edges));
    size_t n = 0;
    int depth = 0, r = edges ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < asking->n_named; i++)
        if (!asking->named[i].proto || asking->named[i].proto == proto) {
            int step = asking->named[i].opens || !stands_in;
            edges[n++] = (struct edge){asking->named[i].lo, step};
            edges[n++] = (struct edge){asking->named[i].hi + 1U, -step};
        }
    if (n)
        qsort(edges, n, sizeof(*edges), compare_edges);
    for (size_t i = 0; r == 0 && i < n; i++) {
        depth += edges[i].step;
        bool last = i + 1 == n || edges[i + 1].at != edges[i].at;
        if (last && depth > 0)
            r = add_port(asking, (struct ng_port){(uint16_t)edges[i].at, proto}, PORT_NAMED);
    }
    return r;
}

/* Those that are known and unnamed are like an unnamed one. */
static int add_other(struct asking *asking, uint8_t proto) {
    uint16_t port = find_unnamed(asking, proto);
    if (!port)
        return 0;
    int r = add_port(asking, (struct ng_port){port, proto}, PORT_OTHER);
    for (size_t i = 0; r == 0 && i < asking->count; i++)
        if (asking->ports[i].port.proto == proto &&
            !is_named(asking, proto, asking->ports[i].port.port))
            asking->ports[i].like = asking->count - 1;
    return r;
}

static int find_concerning(const struct segregating *segregating, struct ng_addr addr,
                           struct asking *asking) {
    struct named_port *own = ng_arena_alloc(asking->arena, segregating->n_named, sizeof(*own));
    if (!own)
        return -ENOMEM;
    for (size_t i = 0; i < segregating->n_named; i++) {
        const struct named_port *named = &segregating->named[i];
        if ((!named->family || named->family == addr.family) && addr.value >= named->from &&
            addr.value <= named->to)
            own[asking->n_named++] = *named;
    }
    asking->named = own;
    return 0;
}

int ng_list_asked_ports(const struct segregating *segregating, const struct pod *pod,
                        struct ng_addr addr, struct ng_arena *arena, struct asked_port **ret_ports,
                        size_t *ret_count) {
    static const uint8_t protos[] = {NG_TCP, NG_UDP, NG_SCTP};
    const size_t n_protos = ARRAY_SIZE(protos) - !segregating->names_sctp;
    struct asking asking = {.arena = arena};
    int r = find_concerning(segregating, addr, &asking);
    for (size_t i = 0; r == 0 && i < pod->n_members; i++) {
        struct ng_port *known;
        size_t n = 0;
        r = ng_known_ports(arena, pod->members[i], addr.family, &known, &n);
        for (size_t k = 0; r == 0 && k < n; k++)
            r = add_port(&asking, known[k], PORT_KNOWN);
    }
    for (size_t i = 0; r == 0 && i < n_protos; i++)
        r = add_named_ports(&asking, protos[i]);
    for (size_t i = 0; r == 0 && i < n_protos; i++)
        r = add_other(&asking, protos[i]);
    *ret_ports = asking.ports;
    *ret_count = asking.count;
    return r;
}
