/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/prediction.h"

#include <errno.h>
#include <string.h>

#include "agent/act/guard_table.h"
#include "agent/observe/ruleset_decode.h"
#include "netguard/reach.h"

#define SOURCE "guard"

int ng_prediction_make(const struct ng_view *view, struct ng_prediction *prediction,
                       struct ng_error *error) {
    struct ng_world *world = ng_arena_alloc(view->arena, 1, sizeof(*world));
    if (!world)
        return ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    *world = *view->world;
    int r = world->nft.read
                ? ng_guard_predict(&view->world->nft, &view->guard, view->arena, &world->nft)
                : 0;
    if (r < 0)
        return ng_error_set(error, r, SOURCE, "cannot be put into the ruleset: %s", strerror(-r));
    prediction->world = world;
    return ng_ruleset_decode(world, &prediction->ruleset, error);
}

void ng_prediction_clear(struct ng_prediction *prediction) {
    ng_ruleset_free(prediction->ruleset);
}

static bool is_of_guard(const struct ng_ruleset *ruleset, uint32_t rule) {
    if (rule == NG_NONE)
        return false;
    const struct ng_table *table =
        &ruleset->tables[ruleset->chains[ruleset->rules[rule].chain].table];

    return !table->legacy && strcmp(table->name, NG_GUARD_TABLE_NAME) == 0 &&
           strcmp(ng_table_family_text(table->family), "inet") == 0;
}

/* Packets of a connection that exists: rules that keep new ones out may come before the guard. */
static int locks_out(const struct ng_prediction *prediction, const struct ng_session *session,
                     bool *ret_locks_out) {
    enum { ESTABLISHED = 2, ACK = 0x10 };
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    _cleanup_(ng_reach_freep) struct ng_engine_state *state = NULL;
    const struct ng_ruleset *ruleset = prediction->ruleset;
    const struct ng_question question = {
        .family = session->local.family,
        .proto = NG_TCP,
        .iif = session->link,
        .daddr = session->local.value,
        .dport = session->local_port,
        .has_tcp_flags = true,
        .tcp_flags = ACK,
        .ct_state = ESTABLISHED,
        .one_source = true,
        .saddr = session->peer.value,
        .sport = session->peer_port,
    };
    struct ng_answer answer;
    int r = arena ? ng_reach_new(prediction->world, ruleset, &state) : -ENOMEM;

    if (r == 0)
        r = ng_reach_ask(state, &question, arena, &answer);
    if (r < 0)
        return r;
    *ret_locks_out = false;
    for (size_t i = 0; i < answer.n_outcomes; i++)
        if (answer.outcomes[i].fate == NG_FATE_DROPPED &&
            is_of_guard(ruleset, answer.outcomes[i].by_rule))
            *ret_locks_out = true;
    return 0;
}

int ng_prediction_locked_out(const struct ng_prediction *prediction,
                             const struct ng_session *sessions, size_t count,
                             const struct ng_session **ret_session) {
    const struct ng_session *found = NULL;
    for (size_t i = 0; i < count && !found; i++) {
        bool locked_out = false;
        int r = locks_out(prediction, &sessions[i], &locked_out);
        if (r == -ENOMEM)
            return r;
        if (r == 0 && locked_out)
            found = &sessions[i];
    }
    *ret_session = found;
    return 0;
}

int ng_prediction_keeps_ssh(const struct ng_view *view, struct ng_error *error) {
    struct ng_prediction prediction = {0};
    const struct ng_session *locked_out = NULL;
    struct ng_session *sessions;
    char peer[NG_ADDR_TEXT], local[NG_ADDR_TEXT];
    size_t count;
    int r = ng_sessions_by_ssh(view->arena, &sessions, &count);
    if (r == 0 && count)
        r = ng_prediction_make(view, &prediction, error);
    if (r == 0 && count)
        r = ng_prediction_locked_out(&prediction, sessions, count, &locked_out);
    ng_prediction_clear(&prediction);
    if (r < 0)
        return ng_error_set(error, r, "policy", "cannot tell whom it would cut off: %s",
                            strerror(-r));
    if (!locked_out)
        return 0;
    return ng_error_set(error, -EPERM, "policy",
                        "it blocks the ssh connection from %s port %u to %s port %u: allow it in "
                        "the policy, or restart netguard to put it in force all the same",
                        ng_addr_text(locked_out->peer, peer), locked_out->peer_port,
                        ng_addr_text(locked_out->local, local), locked_out->local_port);
}
