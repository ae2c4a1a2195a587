/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/clock.h"
#include "agent/observe/ruleset_change.h"
#include "agent/observe/ruleset_decode.h"

#define SOURCE "refresh"

/* What each change leaves behind is freed with the view. */
enum { FOLLOWED_MAX = 16 };

/* -- policies -------------------------------------------------------------------------- */

int ng_law_read(const char *file, struct ng_law **ret_law, struct ng_error *error) {
    _cleanup_(ng_law_unrefp) struct ng_law *law = calloc(1, sizeof(*law));
    if (!law)
        return ng_error_set(error, -ENOMEM, "", "out of memory");
    law->refs = 1;
    int r = ng_policy_files_read(file, NG_POLICY_DIRECTORY, &law->files, error);
    if (r == 0)
        r = ng_policy_parse(law->files->texts, law->files->count, &law->policy, error);
    if (r < 0)
        return r;
    *ret_law = TAKE_PTR(law);
    return 0;
}

struct ng_law *ng_law_ref(struct ng_law *law) {
    law->refs++;
    return law;
}

void ng_law_unref(struct ng_law *law) {
    if (!law || --law->refs)
        return;
    ng_policy_free(law->policy);
    ng_policy_files_free(law->files);
    free(law);
}

void ng_law_unrefp(struct ng_law **law) {
    ng_law_unref(*law);
}

/* -- views ----------------------------------------------------------------------------- */

static bool have_told(const struct ng_world *world, const struct ng_observe_options *where) {
    for (size_t i = 0; i < world->n_gaps; i++)
        if (strcmp(world->gaps[i].source, "docker") == 0 ||
            strcmp(world->gaps[i].source, NG_GAP_ENGINE) == 0)
            return false;
    return !where->without_engines;
}

int ng_view_conclude(struct ng_view *view, const struct ng_guard_options *options,
                     struct ng_error *error) {
    int r = ng_judge(view->world, view->ruleset, view->law->policy, &view->result, error);
    if (r < 0)
        return r;
    view->generation = view->world->nft.generation;
    view->arena = ng_arena_new();
    r = view->arena ? ng_guard_make(view->result, options, view->arena, &view->guard) : -ENOMEM;
    return r < 0 ? ng_error_set(error, r, SOURCE, "out of memory") : 0;
}

bool ng_view_suffices(const struct ng_view *view) {
    return view->world->listeners_read && view->world->links_read && view->world->nft.read;
}

int ng_view_look(struct ng_view *view, const struct ng_observe_options *where,
                 struct ng_error *error) {
    const uint64_t begin_us = ng_now_us();
    int r = ng_observe(where, &view->world, error);
    if (r == 0)
        r = ng_ruleset_of(view->world, &view->ruleset, error);
    if (r == 0)
        r = ng_view_conclude(view, &(struct ng_guard_options){0}, error);
    if (r < 0)
        return r;
    view->engines_told = have_told(view->world, where);
    view->duration_us = ng_now_us() - begin_us;
    return 0;
}

int ng_view_follow(struct ng_view *view, const struct ng_nft_change *change,
                   struct ng_error *error) {
    const uint64_t begin_us = ng_now_us();
    struct ng_ruleset_change next;
    if (view->world->nft.read && !change->missed &&
        (int32_t)(change->generation - view->generation) <= 0)
        return 0; /* it was seen */
    if (!view->world->nft.read || change->watched || !change->rules ||
        view->generation + change->n_transactions != change->generation ||
        view->n_followed == FOLLOWED_MAX)
        return -EAGAIN;
    int r =
        ng_ruleset_change(view->world, view->ruleset, change->rules, change->rules_bytes, &next);
    if (r < 0)
        return r == -EAGAIN ? r : ng_error_set(error, r, SOURCE, "out of memory");
    r = ng_judge_again(view->result, next.ruleset, next.changed, next.n_changed, &view->result,
                       error);
    if (r < 0)
        return r;
    view->ruleset = next.ruleset;
    view->generation = change->generation;
    view->n_followed++;
    view->duration_us = ng_now_us() - begin_us;
    return 0;
}

bool ng_view_is_behind(const struct ng_view *view, const struct ng_view *other) {
    return other->n_followed && view->world->nft.read &&
           (int32_t)(view->generation - other->generation) < 0;
}

struct ng_view *ng_view_new(struct ng_law *law) {
    struct ng_view *view = calloc(1, sizeof(*view));
    if (view)
        view->law = ng_law_ref(law);
    return view;
}

void ng_view_forget_judgement(struct ng_view *view) {
    view->guard = (struct ng_guard){0};
    ng_result_free(TAKE_PTR(view->result));
    ng_ruleset_free(TAKE_PTR(view->ruleset));
    ng_arena_free(TAKE_PTR(view->arena));
}

void ng_view_free(struct ng_view *view) {
    if (!view)
        return;
    ng_view_forget_judgement(view);
    ng_world_free(view->world);
    ng_law_unref(view->law);
    free(view);
}

void ng_view_freep(struct ng_view **view) {
    ng_view_free(*view);
}
