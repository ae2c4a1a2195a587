/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_WALK_H
#define NETGUARD_WALK_H

#include "policy/reach/packet.h"

/* One question on its way through the hooks: the flows it has become, and what is written down
 * about them. */

struct flows {
    struct flow *items;
    size_t count, capacity;
};

struct walk {
    struct place place;
    unsigned rules_run;
    size_t memory_before;     /* of the arena, when the question was asked */
    bool silent;              /* what happens is not recorded: it has been already */
    struct flows accepted;    /* by the base chain that runs */
    struct ng_region doubted; /* for whom something recorded may not have happened */
    struct ng_outcome *outcomes;
    size_t n_outcomes, outcomes_capacity;
    struct ng_undecided *undecided;
    size_t n_undecided, undecided_capacity;
    struct ng_step *steps;
    size_t n_steps, steps_capacity;
};

/* All of these: 0 or -ENOMEM. Packets that are alike go on as one. */
int ng_walk_add_flow(struct walk *walk, struct flows *flows, const struct flow *flow) _must_check_;
int ng_walk_add_flows(struct walk *walk, struct flows *flows,
                      const struct flows *more) _must_check_;
int ng_walk_add_outcome(struct walk *walk, enum ng_fate fate, const struct flow *flow) _must_check_;
int ng_walk_add_undecided(struct walk *walk, const struct ng_op *op, uint32_t rule,
                          const char *what, struct ng_region region) _must_check_;
/* Something happens to a flow; `rule` and `chain` as in struct ng_step. */
int ng_walk_record(struct walk *walk, enum ng_effect effect, uint32_t chain, uint32_t rule,
                   unsigned depth, const struct flow *flow) _must_check_;
/* A decision was made about `region` that may also not have been made. */
int ng_walk_doubt(struct walk *walk, struct ng_region region) _must_check_;
/* Nobody tells `what`, for all of these. */
int ng_walk_leave_open(struct walk *walk, const char *what, const struct flows *flows) _must_check_;
int ng_walk_drop(struct walk *walk, struct flow flow, uint32_t rule, uint32_t chain) _must_check_;

/* For whom nothing is certain from here on. */
int ng_walk_anything(struct walk *walk, const struct ng_op *op, uint32_t rule, const char *what,
                     const struct flow *flow) _must_check_;

/* rules.c: runs a chain (-E2BIG beside -ENOMEM: it would cost too much); who is accepted goes to
 * walk->accepted, who comes to its end or returns to `returned`, who is dropped to the outcomes. */
int ng_run_chain(struct walk *walk, uint32_t chain, struct flow flow, unsigned depth,
                 struct flows *returned) _must_check_;

/* base_chain.c: runs those that have their turn together over all flows; who passes stays in
 * `flows`. 0, -ENOMEM or -E2BIG. */
int ng_run_base_chains(struct walk *walk, const uint32_t *chains, size_t count,
                       struct flows *flows) _must_check_;

/* translate.c: destination NAT and redirection. They end their chain; the packet goes on
 * translated, in as many ways as it may be. */
struct nat_site {
    enum ng_effect effect;
    uint32_t rule;
    unsigned depth;
    const struct ng_op *op;
};
int ng_translate(struct walk *walk, const struct nat_site *site, const struct ng_nat *nat,
                 const struct flow *flow) _must_check_;
int ng_redirect(struct walk *walk, const struct nat_site *site, const struct ng_nat *ports,
                const struct flow *flow) _must_check_;

#endif
