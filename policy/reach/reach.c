/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/reach.h"

#include "policy/reach/compile.h"
#include "policy/reach/packet.h"
#include "policy/reach/route.h"

#include <errno.h>
#include <string.h>

enum {
    MAX_DEPTH = 128, /* of jumps; the kernel allows 16 (nft) or as many as chains (legacy) */
    /* Chains that one question runs through. Real rulesets need some hundreds; jumps that fan
     * out at every level could ask for more than there is time. */
    MAX_CHAINS_RUN = 100000,
    MAX_MARKED_FLOWS = 256, /* that differ; beyond, marks are forgotten */
};

struct flows {
    struct flow *items;
    size_t count, capacity;
};

/* One question on its way through the hooks. */
struct walk {
    struct place place;
    unsigned chains_run;
    struct flows accepted; /* by the base chain that runs */
    struct ng_outcome *outcomes;
    size_t n_outcomes, outcomes_capacity;
    struct ng_undecided *undecided;
    size_t n_undecided, undecided_capacity;
};

/* -- bookkeeping --------------------------------------------------------------------- */

static bool same_packet(const struct flow *a, const struct flow *b) {
    return a->daddr == b->daddr && a->dport == b->dport && a->mark == b->mark &&
           a->mark_known == b->mark_known && a->untracked == b->untracked &&
           a->translated == b->translated && a->source_mapped == b->source_mapped &&
           a->by_rule == b->by_rule && a->by_chain == b->by_chain;
}

static bool same_but_for_mark(const struct flow *a, const struct flow *b) {
    struct flow unmarked = *a;
    unmarked.mark = b->mark;
    unmarked.mark_known = b->mark_known;
    return same_packet(&unmarked, b);
}

/* Marks that are set bit by bit on doubtful tests could ask for as many flows as there are
 * marks: from some number on any mark may be meant. */
static struct flow *forget_mark(struct flows *flows, const struct flow *flow) {
    for (size_t i = 0; flows->count >= MAX_MARKED_FLOWS && i < flows->count; i++)
        if (same_but_for_mark(&flows->items[i], flow)) {
            flows->items[i].mark = 0;
            flows->items[i].mark_known = false;
            return &flows->items[i];
        }
    return NULL;
}

/* Packets that are alike go on as one. */
static int add_flow(struct walk *walk, struct flows *flows, const struct flow *flow) {
    if (ng_region_empty(flow->region))
        return 0;
    for (size_t i = 0; i < flows->count; i++)
        if (same_packet(&flows->items[i], flow))
            return ng_region_union(walk->place.arena, flows->items[i].region, flow->region,
                                   &flows->items[i].region);
    struct flow *crowd = forget_mark(flows, flow);
    if (crowd)
        return ng_region_union(walk->place.arena, crowd->region, flow->region, &crowd->region);
    struct flow *own =
        NG_ARENA_APPEND(walk->place.arena, flows->items, flows->count, flows->capacity);
    if (!own)
        return -ENOMEM;
    *own = *flow;
    return 0;
}

static int add_outcome(struct walk *walk, enum ng_fate fate, const struct flow *flow) {
    if (ng_region_empty(flow->region))
        return 0;
    struct ng_outcome outcome = {
        .fate = fate,
        .hook = walk->place.hook,
        .region = flow->region,
        .daddr = flow->daddr,
        .dport = flow->dport,
        .translated = flow->translated,
        .oif = fate == NG_FATE_FORWARDED ? walk->place.oif->index : 0,
        .by_rule = flow->by_rule,
        .by_chain = flow->by_chain,
    };
    struct ng_outcome *own = NG_ARENA_APPEND(walk->place.arena, walk->outcomes, walk->n_outcomes,
                                             walk->outcomes_capacity);
    if (!own)
        return -ENOMEM;
    *own = outcome;
    return 0;
}

static int add_undecided(struct walk *walk, const struct ng_op *op, uint32_t rule, const char *what,
                         struct ng_region region) {
    if (ng_region_empty(region))
        return 0;
    struct ng_undecided *own = NG_ARENA_APPEND(walk->place.arena, walk->undecided,
                                               walk->n_undecided, walk->undecided_capacity);
    if (!own)
        return -ENOMEM;
    *own = (struct ng_undecided){op, rule, what, region};
    return 0;
}

static int drop(struct walk *walk, struct flow flow, uint32_t rule, uint32_t chain) {
    flow.by_rule = rule;
    flow.by_chain = chain;
    return add_outcome(walk, NG_FATE_DROPPED, &flow);
}

/* -- one rule ------------------------------------------------------------------------ */

static int run_chain(struct walk *walk, uint32_t chain, struct flow flow, unsigned depth,
                     struct flows *returned);

/* Somebody else decides. */
static int either_way(struct walk *walk, uint32_t rule, const char *what, struct flow flow) {
    int r = add_undecided(walk, NULL, rule, what, flow.region);
    if (r == 0)
        r = drop(walk, flow, rule, NG_NONE);
    flow.by_rule = rule;
    flow.by_chain = NG_NONE;
    return r < 0 ? r : add_flow(walk, &walk->accepted, &flow);
}

/* Where the flows of one rule go. */
struct exits {
    struct flows *next;     /* to the rule after it */
    struct flows *returned; /* out of the chain */
    unsigned depth;
};

static int apply_verdict(struct walk *walk, uint32_t rule, const struct ng_verdict *verdict,
                         struct flow flow, const struct exits *exits) {
    switch (verdict->kind) {
    case NG_VERDICT_CONTINUE:
        return add_flow(walk, exits->next, &flow);
    case NG_VERDICT_ACCEPT:
        flow.by_rule = rule;
        flow.by_chain = NG_NONE;
        return add_flow(walk, &walk->accepted, &flow);
    case NG_VERDICT_DROP:
        return drop(walk, flow, rule, NG_NONE);
    case NG_VERDICT_RETURN:
        return add_flow(walk, exits->returned, &flow);
    case NG_VERDICT_JUMP:
        return run_chain(walk, verdict->chain, flow, exits->depth + 1, exits->next);
    case NG_VERDICT_GOTO:
        return run_chain(walk, verdict->chain, flow, exits->depth + 1, exits->returned);
    case NG_VERDICT_UNKNOWN:
        break;
    }
    /* A program behind a queue may drop or accept. */
    return either_way(walk, rule, verdict->text ? verdict->text : "verdict", flow);
}

/* Takes those who match out of `flow` and hands them to `each`; who may match is in both. */
typedef int (*box_fn)(struct walk *walk, uint32_t rule, const struct ng_box *box, struct flow flow,
                      const struct exits *exits);

static int apply_map(struct walk *walk, uint32_t rule, const struct ng_op *op, struct flow *flow,
                     const struct exits *exits, box_fn each) {
    for (size_t i = 0; i < op->match->n_boxes && !ng_region_empty(flow->region); i++) {
        const struct ng_box *box = &op->match->boxes[i];
        struct ng_region certain, possible, doubt;
        int r = ng_box_region(&walk->place, flow, op->match, box, &certain, &possible);
        if (r == 0)
            r = ng_region_subtract(walk->place.arena, possible, certain, &doubt);
        if (r == 0)
            r = add_undecided(walk, op, rule, NULL, doubt);
        if (r == 0 && !ng_region_empty(possible)) {
            struct flow taken = *flow;
            taken.region = possible;
            r = each(walk, rule, box, taken, exits);
        }
        if (r == 0)
            r = ng_region_subtract(walk->place.arena, flow->region, certain, &flow->region);
        if (r < 0)
            return r;
    }
    return 0;
}

static int take_verdict(struct walk *walk, uint32_t rule, const struct ng_box *box,
                        struct flow flow, const struct exits *exits) {
    return apply_verdict(walk, rule, &box->verdict, flow, exits);
}

/* Destination NAT ends its chain; the packet goes on translated. */
static int translate(struct walk *walk, uint32_t rule, const struct ng_op *op,
                     const struct ng_nat *nat, struct flow flow) {
    bool range = (nat->has_addr && nat->addr_lo.value != nat->addr_hi.value) ||
                 (nat->has_port && nat->port_lo != nat->port_hi);
    if (range) {
        /* Which of the range is a matter of a hash or of what is free: the first stands for
         * all, and nothing is certain. */
        int r = add_undecided(walk, op, rule, "dnat to a range", flow.region);
        if (r == 0)
            r = add_outcome(walk, NG_FATE_ANYWHERE, &flow);
        if (r < 0)
            return r;
    }
    if (nat->has_addr)
        flow.daddr = nat->addr_lo.value;
    if (nat->has_port)
        flow.dport = nat->port_lo;
    flow.translated = true;
    return add_flow(walk, &walk->accepted, &flow);
}

/* "dnat ip to" in an inet table is nothing to IPv6 packets, and the other way round. */
static bool other_family(const struct walk *walk, const struct ng_nat *nat) {
    return nat->has_addr && nat->addr_lo.family != walk->place.question->family;
}

static int take_nat(struct walk *walk, uint32_t rule, const struct ng_box *box, struct flow flow,
                    const struct exits *exits) {
    if (other_family(walk, &box->nat))
        return add_flow(walk, exits->next, &flow);
    return translate(walk, rule, NULL, &box->nat, flow);
}

/* The primary address of the incoming interface (nf_nat_redirect.c of the kernel). */
static bool redirect_addr(const struct walk *walk, ng_u128 *ret_addr) {
    const struct ng_world *world = walk->place.state->world;
    for (size_t i = 0; i < world->n_ifaddrs; i++)
        if (world->ifaddrs[i].link == walk->place.iif->index &&
            world->ifaddrs[i].addr.family == walk->place.question->family) {
            *ret_addr = world->ifaddrs[i].addr.value;
            return true;
        }
    return false;
}

static int redirect(struct walk *walk, uint32_t rule, const struct ng_op *op, struct flow flow) {
    struct ng_nat nat = *op->nat;
    if (!redirect_addr(walk, &nat.addr_lo.value))
        return drop(walk, flow, rule, NG_NONE);
    nat.has_addr = true;
    nat.addr_hi = nat.addr_lo;
    return translate(walk, rule, op, &nat, flow);
}

static void set_mark(struct flow *flow, const struct ng_operand *operand) {
    if (!operand) {
        flow->mark_known = false;
        return;
    }
    bool whole_new = (operand->mask & UINT32_MAX) == 0;
    if (flow->mark_known || whole_new) {
        ng_u128 old = flow->mark_known ? flow->mark : 0;
        flow->mark = (uint32_t)((old & operand->mask) ^ operand->flip);
        flow->mark_known = true;
    }
}

/* A test splits the flow: who does not match leaves for the next rule. */
static int apply_test(struct walk *walk, uint32_t rule, const struct ng_op *op, struct flow *flow,
                      struct ng_region *unmatched) {
    struct ng_arena *arena = walk->place.arena;
    struct ng_region certain, possible, doubt, not_certain;
    int r = 0;
    if (op->kind == NG_OP_MATCH)
        r = ng_match_region(&walk->place, flow, op->match, &certain, &possible);
    else
        certain = (struct ng_region){0}, possible = flow->region;
    if (r == 0)
        r = ng_region_subtract(arena, flow->region, certain, &not_certain);
    if (r == 0)
        r = ng_region_subtract(arena, possible, certain, &doubt);
    if (r == 0)
        r = add_undecided(walk, op, rule, NULL, doubt);
    if (r == 0)
        r = ng_region_union(arena, *unmatched, not_certain, unmatched);
    flow->region = possible;
    return r;
}

/* Who is left ends the rule here and goes on to the next. */
static int leave(struct walk *walk, struct flow *flow, struct ng_region *unmatched) {
    int r = ng_region_union(walk->place.arena, *unmatched, flow->region, unmatched);
    flow->region = (struct ng_region){0};
    return r;
}

static struct flow without_region(struct flow flow) {
    flow.region = (struct ng_region){0};
    return flow;
}

static int run_rule(struct walk *walk, uint32_t index, struct flow flow,
                    const struct exits *exits) {
    const struct ng_rule *rule = &walk->place.state->ruleset->rules[index];
    /* Who did not match takes along what the rule did to the packet before that test. */
    struct flow unmatched = without_region(flow);
    int r = 0;
    bool done = false;
    for (size_t i = 0; r == 0 && !done && i < rule->n_ops && !ng_region_empty(flow.region); i++) {
        const struct ng_op *op = &rule->ops[i];
        switch (op->kind) {
        case NG_OP_NOTHING:
            break;
        case NG_OP_MATCH:
        case NG_OP_UNDECIDED:
            r = apply_test(walk, index, op, &flow, &unmatched.region);
            break;
        case NG_OP_VMAP:
            if (ng_match_absent(&walk->place, &flow, op->match)) {
                r = leave(walk, &flow, &unmatched.region);
                break;
            }
            r = apply_map(walk, index, op, &flow, exits, take_verdict);
            break;
        case NG_OP_VERDICT:
            r = apply_verdict(walk, index, &op->verdict, flow, exits);
            done = true;
            break;
        case NG_OP_DNAT:
            if (op->match) {
                if (!ng_match_absent(&walk->place, &flow, op->match))
                    r = apply_map(walk, index, op, &flow, exits, take_nat);
                if (r == 0)
                    r = leave(walk, &flow, &unmatched.region);
            } else if (!other_family(walk, op->nat)) {
                r = translate(walk, index, op, op->nat, flow);
                done = true;
            }
            break;
        case NG_OP_REDIRECT:
            r = redirect(walk, index, op, flow);
            done = true;
            break;
        case NG_OP_SNAT:
            flow.source_mapped = true;
            r = add_flow(walk, &walk->accepted, &flow);
            done = true;
            break;
        case NG_OP_SET_MARK:
            r = add_flow(walk, exits->next, &unmatched);
            set_mark(&flow, op->operand);
            unmatched = without_region(flow);
            break;
        case NG_OP_NOTRACK:
            /* Once the connection is known there is nothing left to untrack. */
            r = add_flow(walk, exits->next, &unmatched);
            if (!ng_past_conntrack(&walk->place))
                flow.untracked = true;
            unmatched = without_region(flow);
            break;
        case NG_OP_UNKNOWN:
            /* Anything may happen: it is dropped, sent elsewhere, admitted, goes on here or does
             * not match. */
            r = add_undecided(walk, op, index, NULL, flow.region);
            if (r == 0)
                r = add_outcome(walk, NG_FATE_ANYWHERE, &flow);
            if (r == 0)
                r = add_flow(walk, &walk->accepted, &flow);
            if (r == 0)
                r = ng_region_union(walk->place.arena, unmatched.region, flow.region,
                                    &unmatched.region);
            break;
        }
    }
    if (r == 0 && !done)
        r = add_flow(walk, exits->next, &flow);
    return r < 0 ? r : add_flow(walk, exits->next, &unmatched);
}

/* -- chains -------------------------------------------------------------------------- */

static int run_chain(struct walk *walk, uint32_t chain, struct flow flow, unsigned depth,
                     struct flows *returned) {
    if (ng_region_empty(flow.region))
        return 0;
    /* The kernel refuses loops; a dump that holds one is not to be trusted. */
    if (depth > MAX_DEPTH)
        return either_way(walk, NG_NONE, "a loop of jumps", flow);
    if (++walk->chains_run > MAX_CHAINS_RUN)
        return either_way(walk, NG_NONE, "too many jumps", flow);
    struct flows here = {0}, next = {0};
    int r = add_flow(walk, &here, &flow);
    struct rule_walk rules;
    ng_walk_start(walk->place.state, chain, flow.daddr, flow.dport, &rules);
    for (uint32_t rule; r == 0 && here.count && (rule = ng_walk_next(&rules)) != NG_NONE;) {
        struct exits exits = {.next = &next, .returned = returned, .depth = depth};
        next.count = 0;
        for (size_t i = 0; r == 0 && i < here.count; i++)
            r = run_rule(walk, rule, here.items[i], &exits);
        struct flows swap = here;
        here = next;
        next = swap;
    }
    for (size_t i = 0; r == 0 && i < here.count; i++)
        r = add_flow(walk, returned, &here.items[i]);
    return r;
}

static bool has_device(const struct ng_chain *chain, const char *name) {
    for (size_t i = 0; i < chain->n_devices; i++) {
        size_t len = strlen(chain->devices[i]);
        bool wildcard = len && chain->devices[i][len - 1] == '*';
        if (wildcard ? strncmp(chain->devices[i], name, len - 1) == 0
                     : strcmp(chain->devices[i], name) == 0)
            return true;
    }
    return false;
}

/* Runs one base chain over all flows; who passes stays in `flows`. */
static int run_base_chain(struct walk *walk, uint32_t index, struct flows *flows) {
    const struct ng_chain *chain = &walk->place.state->ruleset->chains[index];
    bool nat = chain->type == NG_CHAIN_NAT;
    walk->place.priority = nat ? 0 : chain->priority;
    walk->accepted = (struct flows){0};
    struct flows ended = {0}, passed = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < flows->count; i++) {
        const struct flow *flow = &flows->items[i];
        /* nat chains see only the first packet of a tracked connection, and none after one
         * of them has decided where it goes. */
        bool skip =
            nat && (flow->untracked ||
                    (chain->hook == NG_HOOK_PREROUTING ? flow->translated : flow->source_mapped));
        r = skip ? add_flow(walk, &passed, flow) : run_chain(walk, index, *flow, 0, &ended);
    }
    for (size_t i = 0; r == 0 && i < ended.count; i++) {
        struct flow flow = ended.items[i];
        if (chain->policy_drop) {
            r = drop(walk, flow, NG_NONE, index);
            continue;
        }
        if (flow.by_rule == NG_NONE && flow.by_chain == NG_NONE && !nat)
            flow.by_chain = index;
        r = add_flow(walk, &passed, &flow);
    }
    for (size_t i = 0; r == 0 && i < walk->accepted.count; i++)
        r = add_flow(walk, &passed, &walk->accepted.items[i]);
    *flows = passed;
    return r;
}

/* Who has admitted a packet is told by the hooks that are there to admit: input, forward.
 * What earlier ones let pass counts only as long as nobody else has spoken. */
static int run_hook(struct walk *walk, enum ng_hook hook, struct flows *flows) {
    const struct ng_engine_state *state = walk->place.state;
    const struct hook_chains *chains = &state->hooks[walk->place.question->family == NG_IP6][hook];
    walk->place.hook = hook;
    int r = 0;
    for (size_t i = 0; r == 0 && flows->count && i < chains->count; i++) {
        const struct ng_chain *chain = &state->ruleset->chains[chains->chains[i]];
        bool other_device = hook == NG_HOOK_INGRESS && !has_device(chain, walk->place.iif->name);
        if (!other_device)
            r = run_base_chain(walk, chains->chains[i], flows);
    }
    return r;
}

static void forget_who(struct flows *flows) {
    for (size_t i = 0; i < flows->count; i++)
        flows->items[i].by_rule = flows->items[i].by_chain = NG_NONE;
}

/* -- the way of a packet ------------------------------------------------------------- */

static int deliver(struct walk *walk, struct flows flows) {
    forget_who(&flows);
    walk->place.oif = NULL;
    int r = run_hook(walk, NG_HOOK_INPUT, &flows);
    for (size_t i = 0; r == 0 && i < flows.count; i++)
        r = add_outcome(walk, NG_FATE_LOCAL, &flows.items[i]);
    return r;
}

static int forward(struct walk *walk, struct flows flows, uint32_t oif) {
    const struct ng_world *world = walk->place.state->world;
    const struct ng_link *link = ng_link_find(world, oif);
    int r = 0;
    if (!link || !link->up) {
        for (size_t i = 0; r == 0 && i < flows.count; i++)
            r = add_outcome(walk, NG_FATE_NO_ROUTE, &flows.items[i]);
        return r;
    }
    walk->place.oif = link;
    walk->place.oif_names = &walk->place.state->links[link - world->links];
    forget_who(&flows);
    r = run_hook(walk, NG_HOOK_FORWARD, &flows);
    /* A destination that is translated does not keep its source from being so. */
    struct flows leaving = flows;
    if (r == 0)
        r = run_hook(walk, NG_HOOK_POSTROUTING, &leaving);
    for (size_t i = 0; r == 0 && i < leaving.count; i++)
        r = add_outcome(walk, NG_FATE_FORWARDED, &leaving.items[i]);
    return r;
}

/* IPv6 carries no link-local source over to another link. */
static int stay_on_link(struct walk *walk, struct flow *flow, uint32_t oif) {
    if (walk->place.question->family != NG_IP6 || oif == walk->place.iif->index)
        return 0;
    struct ng_interval link_local = ng_link_local6();
    struct ng_region local;
    struct flow refused = *flow;
    int r = ng_region_make(walk->place.arena, 0, UINT16_MAX, (struct ng_addrset){&link_local, 1},
                           &local);
    if (r == 0)
        r = ng_region_intersect(walk->place.arena, flow->region, local, &refused.region);
    if (r == 0)
        r = ng_region_subtract(walk->place.arena, flow->region, local, &flow->region);
    return r < 0 ? r : add_outcome(walk, NG_FATE_NO_ROUTE, &refused);
}

/* IPv4 source validation refuses who could not be answered by the way he came. */
static int validate_source(struct walk *walk, struct flow *flow) {
    if (walk->place.question->family != NG_IP4)
        return 0;
    const struct ng_engine_state *state = walk->place.state;
    struct ng_addrset valid = state->rp_sources[walk->place.iif - state->world->links];
    struct ng_region lets_in;
    struct flow refused = *flow;
    int r = ng_region_make(walk->place.arena, 0, UINT16_MAX, valid, &lets_in);
    if (r == 0)
        r = ng_region_subtract(walk->place.arena, flow->region, lets_in, &refused.region);
    if (r == 0)
        r = ng_region_intersect(walk->place.arena, flow->region, lets_in, &flow->region);
    return r < 0 ? r : add_outcome(walk, NG_FATE_NO_ROUTE, &refused);
}

static int route_one(struct walk *walk, const struct flow *flow,
                     const struct ng_route_result *result) {
    const struct ng_question *question = walk->place.question;
    const struct ng_link *iif = walk->place.iif;
    bool ip4 = question->family == NG_IP4;
    bool carried = result->type == NG_ROUTE_UNICAST && (ip4 ? iif->forwarding4 : iif->forwarding6);
    struct flows one = {0};
    struct flow own = *flow;
    int r = carried ? stay_on_link(walk, &own, result->oif) : 0;
    if (r == 0)
        r = add_flow(walk, &one, &own);
    if (r < 0)
        return r;
    switch (result->type) {
    case NG_ROUTE_LOCAL:
        if (ip4 && flow->daddr >> 24 == 127 && !iif->loopback && !iif->route_localnet)
            return add_outcome(walk, NG_FATE_NO_ROUTE, flow); /* a martian destination */
        return deliver(walk, one);
    case NG_ROUTE_BROADCAST:
    case NG_ROUTE_MULTICAST:
    case NG_ROUTE_ANYCAST:
        return deliver(walk, one);
    default:
        return carried ? forward(walk, one, result->oif)
                       : add_outcome(walk, NG_FATE_NO_ROUTE, flow);
    }
}

static int route(struct walk *walk, struct flow flow) {
    int r = validate_source(walk, &flow);
    if (r < 0 || ng_region_empty(flow.region))
        return r;
    struct ng_route_query query = {
        .family = walk->place.question->family,
        .iif = walk->place.iif->index,
        .iif_name = walk->place.iif->name,
        .daddr = flow.daddr,
        .mark_known = flow.mark_known,
        .mark = flow.mark,
    };
    struct ng_route_result results[NG_ROUTES_MAX];
    size_t n = ng_route_lookup(walk->place.state->world, &query, results, NG_ROUTES_MAX);
    if (n > 1)
        r = add_undecided(walk, NULL, NG_NONE,
                          "routing by source, mark or port, or to one of several hops",
                          flow.region);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = route_one(walk, &flow, &results[i]);
    return r;
}

int ng_reach_ask(const struct ng_engine_state *state, const struct ng_question *question,
                 struct ng_arena *arena, struct ng_answer *ret_answer) {
    const struct ng_link *iif = ng_link_find(state->world, question->iif);
    if (!iif)
        return -EINVAL;
    struct walk walk = {
        .place =
            {
                .state = state,
                .question = question,
                .iif = iif,
                .iif_names = &state->links[iif - state->world->links],
                .arena = arena,
            },
    };
    struct flow flow = {
        .daddr = question->daddr,
        .dport = question->dport,
        .mark_known = true,
        .by_rule = NG_NONE,
        .by_chain = NG_NONE,
    };
    struct ng_addrset everyone;
    int r = ng_addrset_range(arena, 0, ng_family_max(question->family), &everyone);
    if (r == 0)
        r = ng_region_make(arena, 0, UINT16_MAX, everyone, &flow.region);
    struct flows flows = {0};
    if (r == 0)
        r = add_flow(&walk, &flows, &flow);

    /* ip6_rcv refuses ::1 off the wire before any hook; IPv4 asks about 127.0.0.0/8 only
     * when it routes, after NAT may have changed it. */
    bool refused = question->family == NG_IP6 && question->daddr == 1 && !iif->loopback;
    if (r == 0 && refused)
        r = add_outcome(&walk, NG_FATE_NO_ROUTE, &flow);
    if (r == 0 && !refused)
        r = run_hook(&walk, NG_HOOK_INGRESS, &flows);
    if (r == 0 && !refused)
        r = run_hook(&walk, NG_HOOK_PREROUTING, &flows);
    for (size_t i = 0; r == 0 && !refused && i < flows.count; i++)
        r = route(&walk, flows.items[i]);
    if (r < 0)
        return r;
    *ret_answer = (struct ng_answer){
        .outcomes = walk.outcomes,
        .n_outcomes = walk.n_outcomes,
        .undecided = walk.undecided,
        .n_undecided = walk.n_undecided,
    };
    return 0;
}
