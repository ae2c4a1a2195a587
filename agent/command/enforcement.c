/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/command/enforcement.h"

#include <errno.h>
#include <string.h>

#include "agent/observe/ruleset_decode.h"
#include "netguard/reach.h"

static enum ng_exit no_memory(struct ng_error *error) {
    ng_error_set(error, -ENOMEM, "", "out of memory");
    return NG_EXIT_INCOMPLETE;
}

/* The same world with the guard in its ruleset: what it comes to is for the reach engine to say,
 * as it says what is. */
static enum ng_exit predict(struct ng_enforcement *enforcement, struct ng_error *error) {
    const struct ng_view *view = enforcement->view;
    struct ng_world *world = ng_arena_alloc(view->arena, 1, sizeof(*world));

    if (!world)
        return no_memory(error);
    *world = *view->world;
    if (world->nft.read &&
        ng_guard_predict(&view->world->nft, &view->guard, view->arena, &world->nft) < 0)
        return no_memory(error);
    enforcement->then_world = world;
    if (ng_ruleset_decode(world, &enforcement->then_ruleset, error) < 0 ||
        ng_judge(world, enforcement->then_ruleset, view->law->policy, &enforcement->then_result,
                 error) < 0)
        return NG_EXIT_INCOMPLETE;
    if (ng_guard_effects(view->result, enforcement->then_result, view->arena, &enforcement->effects,
                         &enforcement->n_effects) < 0)
        return no_memory(error);
    return NG_EXIT_CLEAN;
}

enum ng_exit ng_enforcement_make(const struct ng_options *options,
                                 struct ng_enforcement *enforcement, struct ng_error *error) {
    const struct ng_guard_options how = {.armed_s = options->for_s, .cut_peers = options->force};
    struct ng_view *view;

    if (ng_law_read(options->policy, &enforcement->law, error) < 0)
        return NG_EXIT_USAGE;
    view = enforcement->view = ng_view_new(enforcement->law);
    if (!view)
        return no_memory(error);
    if (ng_load(options, &view->world, &view->ruleset, error) < 0 ||
        ng_view_conclude(view, &how, error) < 0)
        return NG_EXIT_INCOMPLETE;
    return predict(enforcement, error);
}

void ng_enforcement_free(struct ng_enforcement *enforcement) {
    ng_result_free(enforcement->then_result);
    ng_ruleset_free(enforcement->then_ruleset);
    ng_view_free(enforcement->view);
    ng_law_unref(enforcement->law);
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
int ng_enforcement_locks_out(const struct ng_enforcement *enforcement,
                             const struct ng_session *session, bool *ret_locks_out) {
    enum { ESTABLISHED = 2, ACK = 0x10 };
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    _cleanup_(ng_reach_freep) struct ng_engine_state *state = NULL;
    const struct ng_ruleset *ruleset = enforcement->then_ruleset;
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
    int r = arena ? ng_reach_new(enforcement->then_world, ruleset, &state) : -ENOMEM;

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
