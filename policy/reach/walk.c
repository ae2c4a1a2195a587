/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/reach/walk.h"

#include <errno.h>

enum {
    MAX_MARKED_FLOWS = 256, /* that differ; beyond, marks are forgotten */
};

static bool same_marks(const struct flow *a, const struct flow *b) {
    return a->mark == b->mark && a->mark_known == b->mark_known && a->ct_mark == b->ct_mark &&
           a->ct_mark_known == b->ct_mark_known;
}

static bool same_but_for_marks(const struct flow *a, const struct flow *b) {
    return a->daddr == b->daddr && a->dport == b->dport && a->ct_daddr == b->ct_daddr &&
           a->ct_dport == b->ct_dport && a->saddr_set == b->saddr_set && a->saddr == b->saddr &&
           a->sport_set == b->sport_set && a->sport == b->sport && a->untracked == b->untracked &&
           a->mapped == b->mapped && a->has_socket == b->has_socket &&
           a->translated == b->translated && a->nat_daddr == b->nat_daddr &&
           a->nat_dport == b->nat_dport && a->source_mapped == b->source_mapped &&
           a->by_rule == b->by_rule && a->by_chain == b->by_chain;
}

/* Marks that are set bit by bit on doubtful tests could ask for as many flows as there are
 * marks: from some number on any mark may be meant. */
static struct flow *forget_marks(struct flows *flows, const struct flow *flow) {
    for (size_t i = 0; flows->count >= MAX_MARKED_FLOWS && i < flows->count; i++)
        if (same_but_for_marks(&flows->items[i], flow)) {
            flows->items[i].mark = flows->items[i].ct_mark = 0;
            flows->items[i].mark_known = flows->items[i].ct_mark_known = false;
            return &flows->items[i];
        }
    return NULL;
}

int ng_walk_add_flow(struct walk *walk, struct flows *flows, const struct flow *flow) {
    if (ng_region_empty(flow->region))
        return 0;
    for (size_t i = 0; i < flows->count; i++)
        if (same_but_for_marks(&flows->items[i], flow) && same_marks(&flows->items[i], flow))
            return ng_region_union(walk->place.arena, flows->items[i].region, flow->region,
                                   &flows->items[i].region);
    struct flow *crowd = forget_marks(flows, flow);
    if (crowd)
        return ng_region_union(walk->place.arena, crowd->region, flow->region, &crowd->region);
    struct flow *own =
        NG_ARENA_APPEND(walk->place.arena, flows->items, flows->count, flows->capacity);
    if (!own)
        return -ENOMEM;
    *own = *flow;
    return 0;
}

int ng_walk_add_flows(struct walk *walk, struct flows *flows, const struct flows *more) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < more->count; i++)
        r = ng_walk_add_flow(walk, flows, &more->items[i]);
    return r;
}

int ng_walk_add_outcome(struct walk *walk, enum ng_fate fate, const struct flow *flow) {
    if (ng_region_empty(flow->region))
        return 0;
    struct ng_outcome outcome = {
        .fate = fate,
        .hook = walk->place.hook,
        .region = flow->region,
        .daddr = flow->daddr,
        .dport = flow->dport,
        .translated = flow->translated,
        .oif = fate == NG_FATE_FORWARDED && walk->place.oif ? walk->place.oif->index : 0,
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

int ng_walk_add_undecided(struct walk *walk, const struct ng_op *op, uint32_t rule,
                          const char *what, struct ng_region region) {
    if (ng_region_empty(region))
        return 0;
    struct ng_undecided *own = NG_ARENA_APPEND(walk->place.arena, walk->undecided,
                                               walk->n_undecided, walk->undecided_capacity);
    if (!own)
        return -ENOMEM;
    *own = (struct ng_undecided){op, rule, what, region};
    return 0;
}

int ng_walk_record(struct walk *walk, enum ng_effect effect, uint32_t chain, uint32_t rule,
                   unsigned depth, const struct flow *flow) {
    if (!walk->place.question->record || walk->silent || ng_region_empty(flow->region))
        return 0;
    struct ng_region doubted;
    int r = ng_region_intersect(walk->place.arena, flow->region, walk->doubted, &doubted);
    struct ng_step *own = r < 0 ? NULL
                                : NG_ARENA_APPEND(walk->place.arena, walk->steps, walk->n_steps,
                                                  walk->steps_capacity);
    if (!own)
        return -ENOMEM;
    *own = (struct ng_step){
        .hook = walk->place.hook,
        .chain = chain,
        .rule = rule,
        .depth = depth,
        .effect = effect,
        .doubtful = !ng_region_empty(doubted),
        .region = flow->region,
        .doubted = doubted,
        .daddr = flow->daddr,
        .dport = flow->dport,
        .oif = effect == NG_EFFECT_FORWARD ? walk->place.oif->index : 0,
    };
    return 0;
}

int ng_walk_doubt(struct walk *walk, struct ng_region region) {
    if (!walk->place.question->record || ng_region_empty(region))
        return 0;
    return ng_region_union(walk->place.arena, walk->doubted, region, &walk->doubted);
}

int ng_walk_leave_open(struct walk *walk, const char *what, const struct flows *flows) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < flows->count; i++) {
        r = ng_walk_add_undecided(walk, NULL, NG_NONE, what, flows->items[i].region);
        if (r == 0)
            r = ng_walk_doubt(walk, flows->items[i].region);
    }
    return r;
}

int ng_walk_drop(struct walk *walk, struct flow flow, uint32_t rule, uint32_t chain) {
    flow.by_rule = rule;
    flow.by_chain = chain;
    return ng_walk_add_outcome(walk, NG_FATE_DROPPED, &flow);
}

int ng_walk_anything(struct walk *walk, const struct ng_op *op, uint32_t rule, const char *what,
                     const struct flow *flow) {
    int r = ng_walk_add_undecided(walk, op, rule, what, flow->region);
    if (r == 0)
        r = ng_walk_doubt(walk, flow->region);
    return r < 0 ? r : ng_walk_add_outcome(walk, NG_FATE_ANYWHERE, flow);
}
