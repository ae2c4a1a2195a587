/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/reach/walk.h"

#include <string.h>

/* Base chains: who has to pass them, in which order, and what becomes of those who come to their
 * end. */

/* nat chains see only the first packet of a tracked connection, and none after one of them has
 * decided where it goes. */
static bool skips_nat(const struct walk *walk, const struct ng_chain *chain,
                      const struct flow *flow) {
    bool ip6 = walk->place.question->family == NG_IP6;
    if (!walk->place.state->tracks[ip6] || !ng_has_connection(&walk->place, flow))
        return true;
    return chain->hook == NG_HOOK_PREROUTING ? flow->mapped : flow->source_mapped;
}

/* Who comes to the end of a base chain meets its policy. */
static int meet_policy(struct walk *walk, uint32_t index, struct flow flow, struct flows *passed) {
    const struct ng_chain *chain = &walk->place.state->ruleset->chains[index];
    int r = ng_walk_record(walk, chain->policy_drop ? NG_EFFECT_DROP : NG_EFFECT_ACCEPT, index,
                           NG_NONE, 0, &flow);
    if (r < 0)
        return r;
    if (chain->policy_drop)
        return ng_walk_drop(walk, flow, NG_NONE, index);
    if (flow.by_rule == NG_NONE && flow.by_chain == NG_NONE && chain->type != NG_CHAIN_NAT)
        flow.by_chain = index;
    return ng_walk_add_flow(walk, passed, &flow);
}

/* Runs one base chain over all flows; who passes stays in `flows`. */
static int run_at(struct walk *walk, uint32_t index, int32_t priority, struct flows *flows) {
    const struct ng_chain *chain = &walk->place.state->ruleset->chains[index];
    bool nat = chain->type == NG_CHAIN_NAT;
    walk->place.type = chain->type;
    walk->place.priority = priority;
    walk->accepted = (struct flows){0};
    struct flows ended = {0}, passed = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < flows->count; i++) {
        const struct flow *flow = &flows->items[i];
        r = nat && skips_nat(walk, chain, flow) ? ng_walk_add_flow(walk, &passed, flow)
                                                : ng_run_chain(walk, index, *flow, 0, &ended);
    }
    for (size_t i = 0; r == 0 && i < ended.count; i++)
        r = meet_policy(walk, index, ended.items[i], &passed);
    if (r == 0)
        r = ng_walk_add_flows(walk, &passed, &walk->accepted);
    *flows = passed;
    return r;
}

/* -- where nobody tells the order ---------------------------------------------------- */

/* Which of equals runs first is a matter of which was registered last. Where all orders come to
 * the same, nothing is in doubt. */

/* As if it stood right behind conntrack, and as if right before it. */
static int run_beside_conntrack(struct walk *walk, uint32_t index, struct flows *flows) {
    const bool silent = walk->silent;
    struct flows before = {0};
    int r = ng_walk_leave_open(
        walk, "whether conntrack has its turn before a chain of its priority", flows);
    if (r == 0)
        r = ng_walk_add_flows(walk, &before, flows);
    if (r == 0)
        r = run_at(walk, index, PRIORITY_CONNTRACK + 1, flows);
    walk->silent = true; /* one order is enough for the record */
    if (r == 0)
        r = run_at(walk, index, PRIORITY_CONNTRACK - 1, &before);
    walk->silent = silent;
    return r < 0 ? r : ng_walk_add_flows(walk, flows, &before);
}

static int run_base_chain(struct walk *walk, uint32_t index, struct flows *flows) {
    const struct ng_engine_state *state = walk->place.state;
    return state->beside_conntrack[index]
               ? run_beside_conntrack(walk, index, flows)
               : run_at(walk, index, ng_running_priority(&state->ruleset->chains[index]), flows);
}

/* Chains of equal priority in every order, by Heap's algorithm. */
static int run_every_order(struct walk *walk, uint32_t *chains, size_t count, size_t fixed,
                           const struct flows *before, struct flows *after) {
    int r = 0;
    if (fixed <= 1) {
        struct flows flows = {0};
        r = ng_walk_add_flows(walk, &flows, before);
        for (size_t i = 0; r == 0 && i < count; i++)
            r = run_base_chain(walk, chains[i], &flows);
        walk->silent = true;
        return r < 0 ? r : ng_walk_add_flows(walk, after, &flows);
    }
    for (size_t i = 0; r == 0 && i < fixed; i++) {
        r = run_every_order(walk, chains, count, fixed - 1, before, after);
        size_t other = fixed % 2 ? 0 : i;
        uint32_t swap = chains[other];
        chains[other] = chains[fixed - 1];
        chains[fixed - 1] = swap;
    }
    return r;
}

static int run_tied(struct walk *walk, const uint32_t *chains, size_t count, struct flows *flows) {
    struct flows after = {0};
    uint32_t order[TIED_MAX];
    int r =
        ng_walk_leave_open(walk, "the order of chains of equal priority in several tables", flows);
    if (count > TIED_MAX) {
        for (size_t i = 0; r == 0 && i < flows->count; i++)
            r = ng_walk_anything(walk, NULL, NG_NONE, "many chains of equal priority",
                                 &flows->items[i]);
        for (size_t i = 0; r == 0 && i < count; i++)
            r = run_base_chain(walk, chains[i], flows);
        return r;
    }
    memcpy(order, chains, count * sizeof(*chains));
    if (r == 0)
        r = run_every_order(walk, order, count, count, flows, &after);
    walk->silent = false;
    *flows = after;
    return r;
}

int ng_run_base_chains(struct walk *walk, const uint32_t *chains, size_t count,
                       struct flows *flows) {
    if (count > 1)
        return run_tied(walk, chains, count, flows);
    return count ? run_base_chain(walk, chains[0], flows) : 0;
}
