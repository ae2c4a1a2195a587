/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"

#include <errno.h>

/* Who gets from one container to another: packets that come in by the bridge that the one is on,
 * for an address that leads to the other. One question is about all who send by that bridge. */

bool ng_bridge_asks_rules(const struct ng_link *bridge, uint8_t family) {
    return family == NG_IP4 ? bridge->bridge_calls4 : bridge->bridge_calls6;
}

/* A container's own address has to be meant to the end, whatever NAT there is. */
static bool arrives(const struct ng_exposure *exposure, const struct ng_outcome *outcome,
                    unsigned path, ng_u128 daddr) {
    bool ends = outcome->fate == NG_FATE_LOCAL || outcome->fate == NG_FATE_FORWARDED;
    return ends && path && (exposure->kind != NG_KIND_DIRECT || outcome->daddr == daddr);
}

static int add_doubt(struct ng_arena *arena, const struct ng_answer *answer,
                     struct passage *passage) {
    static const char untold[] = "who listens is not known";
    struct ng_undecided *all = ng_arena_alloc(arena, answer->n_undecided + 1, sizeof(*all));
    if (!all)
        return -ENOMEM;
    for (size_t i = 0; i < answer->n_undecided; i++)
        all[i] = answer->undecided[i];
    all[answer->n_undecided] =
        (struct ng_undecided){.rule = NG_NONE, .what = untold, .region = passage->possible};
    passage->undecided = all;
    passage->n_undecided = answer->n_undecided + 1;
    return 0;
}

int ng_ask_passage(const struct judgement *judgement, const struct ng_exposure *exposure,
                   const struct ng_link *link, ng_u128 daddr, struct ng_arena *arena,
                   struct passage *ret_passage) {
    const struct ng_question question = {
        .family = exposure->family,
        .proto = exposure->proto,
        .iif = link->index,
        .daddr = daddr,
        .dport = exposure->host_port ? exposure->host_port : exposure->container_port,
    };
    struct passage passage = {0};
    struct split split = {0};
    struct ng_answer answer;
    bool untold = false;
    int r = ng_reach_ask(judgement->engine, &question, arena, &answer);
    if (r < 0)
        return r;
    passage.arrivals = ng_arena_alloc(arena, answer.n_outcomes, sizeof(*passage.arrivals));
    if (!passage.arrivals)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < answer.n_outcomes; i++) {
        const struct ng_outcome *outcome = &answer.outcomes[i];
        unsigned path;
        bool doubt = ng_outcome_path(judgement, exposure, outcome, question.iif, &path) < 0;
        bool in = arrives(exposure, outcome, path, daddr);
        untold = untold || (in && doubt);
        if (in)
            passage.arrivals[passage.n_arrivals++] = outcome;
        r = ng_split_take(arena, outcome, in, !in || doubt, &split);
    }
    passage.possible = split.in;
    passage.undecided = answer.undecided;
    passage.n_undecided = answer.n_undecided;
    if (r == 0)
        r = ng_split_certain(arena, &split, &passage.certain);
    if (r == 0 && untold)
        r = add_doubt(arena, &answer, &passage);
    if (r == 0)
        *ret_passage = passage;
    return r;
}

static bool has_source(struct ng_region region, ng_u128 source) {
    for (size_t i = 0; i < region.count; i++)
        if (ng_addrset_contains(region.bands[i].addrs, source))
            return true;
    return false;
}

enum ng_reach_verdict ng_passage_from(const struct passage *passage, ng_u128 source) {
    if (has_source(passage->certain, source))
        return NG_REACHABLE;
    return has_source(passage->possible, source) ? NG_UNKNOWN : NG_BLOCKED;
}
