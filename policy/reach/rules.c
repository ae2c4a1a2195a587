/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/reach/walk.h"

#include <errno.h>

enum {
    MAX_DEPTH = 128, /* of jumps; the kernel allows 16 (nft) or as many as chains (legacy) */
    /* What one question may cost. Real rulesets take some thousand rules and some hundred KiB;
     * jumps that fan out at every level could ask for more than there is. */
    MAX_RULES_RUN = 200000,
};

#define MAX_MEMORY ((size_t)192 << 20)

static bool is_too_much(const struct walk *walk) {
    return walk->rules_run > MAX_RULES_RUN ||
           ng_arena_used(walk->place.arena) - walk->memory_before > MAX_MEMORY;
}

/* -- one rule ------------------------------------------------------------------------ */

/* One rule at work on one flow: who is still in it, and where the others go. */
struct run {
    struct walk *walk;
    uint32_t index; /* of the rule */
    size_t at;      /* of its operations: the one at work */
    struct flow flow;
    /* Who did not match, or ended the rule: goes on to the next, and takes along what the rule
     * did to the packet before that. */
    struct flow unmatched;
    struct ng_region doubt; /* for whom it is not certain that the rule has come this far */
    bool done;
    struct flows *next;     /* to the rule after it */
    struct flows *returned; /* out of the chain */
    unsigned depth;
};

static int record(const struct run *run, enum ng_effect effect, const struct flow *flow) {
    const struct ng_rule *rule = &run->walk->place.state->ruleset->rules[run->index];
    return ng_walk_record(run->walk, effect, rule->chain, run->index, run->depth, flow);
}

/* The rule decides something, for some perhaps. */
static int decide(const struct run *run, enum ng_effect effect, const struct flow *flow) {
    int r = ng_walk_doubt(run->walk, run->doubt);
    return r < 0 ? r : record(run, effect, flow);
}

/* Somebody else decides. */
static int either_way(struct walk *walk, uint32_t rule, const char *what, struct flow flow) {
    int r = ng_walk_add_undecided(walk, NULL, rule, what, flow.region);
    if (r == 0)
        r = ng_walk_doubt(walk, flow.region);
    if (r == 0)
        r = ng_walk_drop(walk, flow, rule, NG_NONE);
    flow.by_rule = rule;
    flow.by_chain = NG_NONE;
    return r < 0 ? r : ng_walk_add_flow(walk, &walk->accepted, &flow);
}

static int apply_verdict(struct run *run, const struct ng_verdict *verdict, struct flow flow) {
    static const enum ng_effect effects[] = {
        [NG_VERDICT_CONTINUE] = NG_EFFECT_CONTINUE, [NG_VERDICT_ACCEPT] = NG_EFFECT_ACCEPT,
        [NG_VERDICT_DROP] = NG_EFFECT_DROP,         [NG_VERDICT_RETURN] = NG_EFFECT_RETURN,
        [NG_VERDICT_JUMP] = NG_EFFECT_JUMP,         [NG_VERDICT_GOTO] = NG_EFFECT_GOTO,
        [NG_VERDICT_UNKNOWN] = NG_EFFECT_UNKNOWN,
    };
    struct walk *walk = run->walk;
    int r = decide(run, effects[verdict->kind], &flow);
    if (r < 0)
        return r;
    switch (verdict->kind) {
    case NG_VERDICT_CONTINUE:
        return ng_walk_add_flow(walk, run->next, &flow);
    case NG_VERDICT_ACCEPT:
        flow.by_rule = run->index;
        flow.by_chain = NG_NONE;
        return ng_walk_add_flow(walk, &walk->accepted, &flow);
    case NG_VERDICT_DROP:
        return ng_walk_drop(walk, flow, run->index, NG_NONE);
    case NG_VERDICT_RETURN:
        return ng_walk_add_flow(walk, run->returned, &flow);
    case NG_VERDICT_JUMP:
        return ng_run_chain(walk, verdict->chain, flow, run->depth + 1, run->next);
    case NG_VERDICT_GOTO:
        return ng_run_chain(walk, verdict->chain, flow, run->depth + 1, run->returned);
    case NG_VERDICT_UNKNOWN:
        break;
    }
    /* A program behind a queue may drop or accept. */
    return either_way(walk, run->index, verdict->text ? verdict->text : "verdict", flow);
}

/* -- tests --------------------------------------------------------------------------- */

static int note_doubt(struct run *run, const struct ng_op *op, struct ng_region doubt) {
    int r = ng_walk_add_undecided(run->walk, op, run->index, NULL, doubt);
    return r < 0 ? r : ng_region_union(run->walk->place.arena, run->doubt, doubt, &run->doubt);
}

/* A test splits the flow: who does not match leaves for the next rule. */
static int apply_test(struct run *run, const struct ng_op *op) {
    struct ng_arena *arena = run->walk->place.arena;
    struct ng_region certain = {0}, possible = run->flow.region, doubt, not_certain;
    int r = 0;
    if (op->kind == NG_OP_MATCH)
        r = ng_match_region(&run->walk->place, &run->flow, op->match, &certain, &possible);
    if (r == 0)
        r = ng_region_subtract(arena, run->flow.region, certain, &not_certain);
    if (r == 0)
        r = ng_region_subtract(arena, possible, certain, &doubt);
    if (r == 0)
        r = note_doubt(run, op, doubt);
    if (r == 0)
        r = ng_region_union(arena, run->unmatched.region, not_certain, &run->unmatched.region);
    run->flow.region = possible;
    return r;
}

/* Who is left ends the rule here and goes on to the next. */
static int leave(struct run *run) {
    int r = ng_region_union(run->walk->place.arena, run->unmatched.region, run->flow.region,
                            &run->unmatched.region);
    run->flow.region = (struct ng_region){0};
    return r;
}

/* The packet is about to change: who has left the rule before goes on unchanged. */
static int part_ways(struct run *run) {
    int r = ng_walk_add_flow(run->walk, run->next, &run->unmatched);
    run->unmatched.region = (struct ng_region){0};
    return r;
}

/* -- maps ---------------------------------------------------------------------------- */

/* Takes those who match an element out of the flow and hands them to `each`; who may match is in
 * both. */
typedef int (*box_fn)(struct run *run, const struct ng_op *op, const struct ng_box *box,
                      struct flow flow);

static bool same_result(const struct ng_box *a, const struct ng_box *b) {
    const struct ng_nat *x = &a->nat, *y = &b->nat;
    return a->verdict.kind == b->verdict.kind && a->verdict.chain == b->verdict.chain &&
           a->verdict.text == b->verdict.text && a->value == b->value &&
           x->has_addr == y->has_addr && x->has_port == y->has_port && x->netmap == y->netmap &&
           ng_addr_equal(x->addr_lo, y->addr_lo) && ng_addr_equal(x->addr_hi, y->addr_hi) &&
           x->port_lo == y->port_lo && x->port_hi == y->port_hi && x->random == y->random &&
           x->shifted == y->shifted && x->port_base == y->port_base;
}

/* The element for whatever no other matched has its turn last. */
static bool is_catch_all(const struct ng_match *match, const struct ng_box *box) {
    for (size_t i = 0; i < match->n_operands; i++)
        if (box->sides[i].lo != 0 || box->sides[i].hi != ~(ng_u128)0)
            return false;
    return true;
}

/* Brings those that lead to the same as the first one before the others, where that makes no
 * difference; returns how many. */
static size_t gather_same(const struct ng_match *match, uint32_t *boxes, size_t count) {
    const struct ng_box *first = &match->boxes[boxes[0]];
    size_t n = 1;
    if (is_catch_all(match, first))
        return 1;
    for (size_t i = 1; i < count; i++) {
        const struct ng_box *box = &match->boxes[boxes[i]];
        bool same = same_result(first, box) && !is_catch_all(match, box);
        if (!same && match->ordered)
            break;
        if (!same)
            continue;
        uint32_t swap = boxes[n];
        boxes[n++] = boxes[i];
        boxes[i] = swap;
    }
    return n;
}

/* Elements that lead to the same, at once. */
static int take_boxes(struct run *run, const struct ng_op *op, const struct ng_match *match,
                      const struct answer *answers, const uint32_t *boxes, size_t count,
                      box_fn each) {
    struct ng_region certain, possible, doubt;
    struct walk *walk = run->walk;
    int r = ng_boxes_region(&walk->place, &run->flow, match, answers, boxes, count, &certain,
                            &possible);
    if (r < 0 || ng_region_empty(possible))
        return r;
    r = ng_region_subtract(walk->place.arena, possible, certain, &doubt);
    if (r == 0)
        r = note_doubt(run, op, doubt);
    if (r == 0) {
        struct flow taken = run->flow;
        taken.region = possible;
        r = each(run, op, &match->boxes[boxes[0]], taken);
    }
    return r < 0 ? r
                 : ng_region_subtract(walk->place.arena, run->flow.region, certain,
                                      &run->flow.region);
}

static int apply_map(struct run *run, const struct ng_op *op, const struct ng_match *match,
                     box_fn each) {
    struct walk *walk = run->walk;
    if (ng_match_absent(&walk->place, &run->flow, match))
        return 0;
    struct answer *answers = ng_match_answers(&walk->place, &run->flow, match);
    uint32_t *boxes;
    size_t count;
    int r = answers ? ng_find_boxes(match, answers, walk->place.arena, &boxes, &count) : -ENOMEM;
    if (r == 0 && match->dynamic) /* the next packet may meet another map */
        r = ng_walk_anything(walk, op, run->index, NULL, &run->flow);
    /* Catch-all elements stand last in their set, and gathering leaves them behind the others. */
    while (r == 0 && count && !ng_region_empty(run->flow.region)) {
        size_t same = gather_same(match, boxes, count);
        walk->rules_run += (unsigned)(1 + count / 256); /* that took its time as well */
        r = is_too_much(walk) ? -E2BIG : take_boxes(run, op, match, answers, boxes, same, each);
        boxes += same;
        count -= same;
    }
    return r;
}

static int run_operations(struct run *run);

/* The rest of the rule, for some. */
static int run_rest(const struct run *run, struct flow flow) {
    struct run rest = *run;
    rest.at++;
    rest.flow = rest.unmatched = flow;
    rest.unmatched.region = (struct ng_region){0};
    return run_operations(&rest);
}

static int take_verdict(struct run *run, const struct ng_op *op, const struct ng_box *box,
                        struct flow flow) {
    (void)op;
    return box->verdict.kind == NG_VERDICT_CONTINUE ? run_rest(run, flow)
                                                    : apply_verdict(run, &box->verdict, flow);
}

/* -- effects ------------------------------------------------------------------------- */

/* "dnat ip to" in an inet table is nothing to IPv6 packets, and the other way round. */
static bool other_family(const struct run *run, const struct ng_nat *nat) {
    return nat->has_addr && nat->addr_lo.family != run->walk->place.question->family;
}

static int translate(const struct run *run, const struct ng_op *op, const struct ng_nat *nat,
                     const struct flow *flow) {
    struct nat_site site = {NG_EFFECT_DNAT, run->index, run->depth, op};
    int r = ng_walk_doubt(run->walk, run->doubt);
    return r < 0 ? r : ng_translate(run->walk, &site, nat, flow);
}

static int take_nat(struct run *run, const struct ng_op *op, const struct ng_box *box,
                    struct flow flow) {
    if (other_family(run, &box->nat))
        return ng_walk_add_flow(run->walk, run->next, &flow);
    return translate(run, op, &box->nat, &flow);
}

static int apply_snat(struct run *run, const struct ng_op *op) {
    if (op->nat && other_family(run, op->nat))
        return 0;
    run->done = true;
    int r = decide(run, NG_EFFECT_SNAT, &run->flow);
    run->flow.source_mapped = true;
    return r < 0 ? r : ng_walk_add_flow(run->walk, &run->walk->accepted, &run->flow);
}

static int apply_dnat(struct run *run, const struct ng_op *op) {
    /* iptables' NETMAP is either, as its hook says. */
    if (run->walk->place.hook == NG_HOOK_INPUT || run->walk->place.hook == NG_HOOK_POSTROUTING)
        return apply_snat(run, op);
    if (op->match) {
        int r = apply_map(run, op, op->match, take_nat);
        return r < 0 ? r : leave(run);
    }
    if (other_family(run, op->nat))
        return 0;
    run->done = true;
    return translate(run, op, op->nat, &run->flow);
}

static int apply_unknown(struct run *run, const struct ng_op *op);

static int redirect(const struct run *run, const struct ng_op *op, const struct ng_nat *ports,
                    const struct flow *flow) {
    struct nat_site site = {NG_EFFECT_REDIRECT, run->index, run->depth, op};
    int r = ng_walk_doubt(run->walk, run->doubt);
    return r < 0 ? r : ng_redirect(run->walk, &site, ports, flow);
}

static int take_port(struct run *run, const struct ng_op *op, const struct ng_box *box,
                     struct flow flow) {
    return redirect(run, op, &box->nat, &flow);
}

static int apply_redirect(struct run *run, const struct ng_op *op) {
    if (!run->walk->place.iif) /* where no kernel takes such a rule */
        return apply_unknown(run, op);
    if (op->match) {
        int r = apply_map(run, op, op->match, take_port);
        return r < 0 ? r : leave(run);
    }
    run->done = true;
    return redirect(run, op, op->nat, &run->flow);
}

/* Rewritten before conntrack looks, an address is what conntrack knows. */
static void set_destination(const struct run *run, struct flow *flow, enum ng_field target,
                            ng_u128 value) {
    bool early = !ng_past_conntrack(&run->walk->place);
    if (target == NG_FIELD_DADDR) {
        flow->daddr = value;
        flow->ct_daddr = early ? value : flow->ct_daddr;
    } else {
        flow->dport = (uint16_t)value;
        flow->ct_dport = early ? (uint16_t)value : flow->ct_dport;
    }
}

static int assign(struct run *run, const struct ng_op *op, struct flow *flow, bool is_known,
                  ng_u128 value) {
    enum ng_field target = op->assign->target;
    switch (target) {
    case NG_FIELD_MARK:
        flow->mark = is_known ? (uint32_t)value : 0;
        flow->mark_known = is_known;
        return 0;
    case NG_FIELD_CT_MARK:
        if (!ng_has_connection(&run->walk->place, flow))
            return 0;
        flow->ct_mark = is_known ? (uint32_t)value : 0;
        flow->ct_mark_known = is_known;
        return 0;
    case NG_FIELD_SADDR:
        flow->saddr_set = true;
        flow->saddr = value;
        break;
    case NG_FIELD_SPORT:
        flow->sport_set = true;
        flow->sport = (uint16_t)value;
        break;
    default:
        set_destination(run, flow, target, value);
    }
    /* A header that says nobody knows what leads anywhere. */
    return is_known ? 0 : ng_walk_anything(run->walk, op, run->index, NULL, flow);
}

/* With each value the rest of the rule has another packet before it. */
static int take_value(struct run *run, const struct ng_op *op, const struct ng_box *box,
                      struct flow flow) {
    int r = assign(run, op, &flow, true, box->value);
    if (r == 0)
        r = record(run, NG_EFFECT_ASSIGN, &flow);
    return r < 0 ? r : run_rest(run, flow);
}

/* A value that is made of something the packet does not have ends the rule. */
static bool lacks_term(const struct run *run, const struct ng_assign *assign_) {
    for (size_t i = 0; i < assign_->n_terms; i++) {
        ng_u128 value;
        if (ng_field_value(&run->walk->place, &run->flow, &assign_->terms[i], &value) == ABSENT)
            return true;
    }
    return false;
}

static int apply_assign(struct run *run, const struct ng_op *op) {
    int r = part_ways(run);
    if (r < 0)
        return r;
    if (op->assign->map) {
        r = apply_map(run, op, op->assign->map, take_value);
        return r < 0 ? r : leave(run);
    }
    if (lacks_term(run, op->assign))
        return leave(run);
    ng_u128 value = 0;
    bool is_known = ng_assigned_value(&run->walk->place, &run->flow, op->assign, &value);
    r = assign(run, op, &run->flow, is_known, value);
    if (r == 0)
        r = record(run, NG_EFFECT_ASSIGN, &run->flow);
    run->unmatched = run->flow;
    run->unmatched.region = (struct ng_region){0};
    return r;
}

static int apply_notrack(struct run *run) {
    int r = part_ways(run);
    if (r == 0)
        r = record(run, NG_EFFECT_NOTRACK, &run->flow);
    /* Once the connection is known there is nothing left to untrack; an invalid packet has none. */
    if (!ng_has_connection(&run->walk->place, &run->flow))
        run->flow.untracked = true;
    run->unmatched.untracked = run->flow.untracked;
    return r;
}

/* May a socket of this machine take what is sent to it without translation? Whether it asks for
 * that (IP_TRANSPARENT) is not observed; where nobody listens on the port, nobody does. */
static bool may_take(const struct run *run, const struct ng_tproxy *tproxy) {
    const struct ng_world *world = run->walk->place.state->world;
    uint16_t port = tproxy->to.has_port ? tproxy->to.port_lo : run->flow.dport;
    if (!world->listeners_read)
        return true;
    for (size_t i = 0; i < world->n_listeners; i++)
        if (world->listeners[i].proto == run->walk->place.question->proto &&
            world->listeners[i].port == port)
            return true;
    return false;
}

static int apply_tproxy(struct run *run, const struct ng_op *op) {
    const struct ng_tproxy *tproxy = op->tproxy;
    struct flow taken = run->flow;
    int r = 0;
    if (!may_take(run, tproxy)) {
        run->done = tproxy->xtables;
        r = tproxy->xtables ? decide(run, NG_EFFECT_DROP, &run->flow) : 0;
        if (r < 0)
            return r;
        return tproxy->xtables ? ng_walk_drop(run->walk, run->flow, run->index, NG_NONE)
                               : leave(run);
    }
    r = note_doubt(run, op, run->flow.region);
    if (r == 0)
        r = decide(run, NG_EFFECT_TPROXY, &run->flow);
    if (r == 0 && tproxy->xtables)
        r = ng_walk_drop(run->walk, run->flow, run->index, NG_NONE);
    else if (r == 0)
        r = ng_walk_add_flow(run->walk, run->next, &run->flow);
    if (r == 0 && tproxy->mark) {
        struct ng_op mark = {.kind = NG_OP_ASSIGN, .assign = tproxy->mark};
        ng_u128 value = 0;
        bool is_known = ng_assigned_value(&run->walk->place, &taken, tproxy->mark, &value);
        r = assign(run, &mark, &taken, is_known, value);
    }
    taken.has_socket = true;
    if (r < 0 || !tproxy->xtables) {
        run->flow = taken;
        return r;
    }
    run->done = true;
    taken.by_rule = run->index;
    taken.by_chain = NG_NONE;
    return ng_walk_add_flow(run->walk, &run->walk->accepted, &taken);
}

/* Anything may happen: it is dropped, sent elsewhere, admitted, goes on here or does not match. */
static int apply_unknown(struct run *run, const struct ng_op *op) {
    int r = record(run, NG_EFFECT_UNKNOWN, &run->flow);
    if (r == 0)
        r = ng_walk_anything(run->walk, op, run->index, NULL, &run->flow);
    if (r == 0)
        r = ng_walk_add_flow(run->walk, &run->walk->accepted, &run->flow);
    if (r == 0)
        r = ng_region_union(run->walk->place.arena, run->unmatched.region, run->flow.region,
                            &run->unmatched.region);
    return r;
}

static int apply(struct run *run, const struct ng_op *op) {
    int r = 0;
    switch (op->kind) {
    case NG_OP_NOTHING:
        return 0;
    case NG_OP_MATCH:
    case NG_OP_UNDECIDED:
        return apply_test(run, op);
    case NG_OP_VMAP:
        r = apply_map(run, op, op->match, take_verdict);
        return r < 0 ? r : leave(run); /* a key that is not in the map ends the rule */
    case NG_OP_VERDICT:
        if (op->verdict.kind == NG_VERDICT_CONTINUE)
            return 0;
        run->done = true;
        return apply_verdict(run, &op->verdict, run->flow);
    case NG_OP_DNAT:
        return apply_dnat(run, op);
    case NG_OP_REDIRECT:
        return apply_redirect(run, op);
    case NG_OP_SNAT:
        return apply_snat(run, op);
    case NG_OP_ASSIGN:
        return apply_assign(run, op);
    case NG_OP_TPROXY:
        return apply_tproxy(run, op);
    case NG_OP_NOTRACK:
        return apply_notrack(run);
    case NG_OP_UNKNOWN:
        r = apply_unknown(run, op);
        break;
    }
    return r;
}

/* Has it an effect that is recorded by itself? */
static bool rule_changes(const struct ng_rule *rule) {
    for (size_t i = 0; i < rule->n_ops; i++) {
        const struct ng_op *op = &rule->ops[i];
        bool goes_on = op->kind == NG_OP_VERDICT && op->verdict.kind == NG_VERDICT_CONTINUE;
        if (op->kind != NG_OP_MATCH && op->kind != NG_OP_UNDECIDED && op->kind != NG_OP_NOTHING &&
            !goes_on)
            return true;
    }
    return false;
}

/* From the operation at work to the end; who is left then goes on to the next rule. */
static int run_operations(struct run *run) {
    const struct ng_rule *rule = &run->walk->place.state->ruleset->rules[run->index];
    int r = 0;
    for (; r == 0 && !run->done && run->at < rule->n_ops && !ng_region_empty(run->flow.region);
         run->at++)
        r = apply(run, &rule->ops[run->at]);
    if (r == 0 && !run->done && !rule_changes(rule))
        r = record(run, NG_EFFECT_CONTINUE, &run->flow);
    if (r == 0 && !run->done)
        r = ng_walk_add_flow(run->walk, run->next, &run->flow);
    return r < 0 ? r : ng_walk_add_flow(run->walk, run->next, &run->unmatched);
}

static int run_rule(struct walk *walk, uint32_t index, const struct flow *flow, unsigned depth,
                    struct flows *next, struct flows *returned) {
    struct run run = {
        .walk = walk,
        .index = index,
        .flow = *flow,
        .unmatched = *flow,
        .next = next,
        .returned = returned,
        .depth = depth,
    };
    run.unmatched.region = (struct ng_region){0};
    walk->rules_run++;
    return is_too_much(walk) ? -E2BIG : run_operations(&run);
}

/* -- a chain ------------------------------------------------------------------------- */

int ng_run_chain(struct walk *walk, uint32_t chain, struct flow flow, unsigned depth,
                 struct flows *returned) {
    if (ng_region_empty(flow.region))
        return 0;
    /* The kernel refuses loops; a dump that holds one is not to be trusted. */
    if (depth > MAX_DEPTH)
        return either_way(walk, NG_NONE, "a loop of jumps", flow);
    struct flows here = {0}, next = {0};
    int r = ng_walk_add_flow(walk, &here, &flow);
    bool ports = ng_has_ports(walk->place.question->proto);
    struct rule_walk rules;
    ng_walk_start(walk->place.state, chain, flow.daddr, ports ? flow.dport : ANY_PORT, &rules);
    for (uint32_t rule; r == 0 && here.count && (rule = ng_walk_next(&rules)) != NG_NONE;) {
        next.count = 0;
        for (size_t i = 0; r == 0 && i < here.count; i++)
            r = run_rule(walk, rule, &here.items[i], depth, &next, returned);
        struct flows swap = here;
        here = next;
        next = swap;
    }
    for (size_t i = 0; r == 0 && i < here.count; i++)
        r = ng_walk_add_flow(walk, returned, &here.items[i]);
    return r;
}
