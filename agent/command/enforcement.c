/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/command/enforcement.h"

#include <errno.h>

static enum ng_exit no_memory(struct ng_error *error) {
    ng_error_set(error, -ENOMEM, "", "out of memory");
    return NG_EXIT_INCOMPLETE;
}

static enum ng_exit predict(struct ng_enforcement *enforcement, struct ng_error *error) {
    const struct ng_view *view = enforcement->view;
    struct ng_prediction *then = &enforcement->then;

    if (ng_prediction_make(view, then, error) < 0 ||
        ng_judge(then->world, then->ruleset, view->law->policy, &enforcement->then_result, error) <
            0)
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
    if (ng_load_for(enforcement->law->policy, options, &view->world, &view->ruleset, error) < 0 ||
        ng_view_conclude(view, &how, error) < 0)
        return NG_EXIT_INCOMPLETE;
    return predict(enforcement, error);
}

void ng_enforcement_free(struct ng_enforcement *enforcement) {
    ng_result_free(enforcement->then_result);
    ng_prediction_clear(&enforcement->then);
    ng_view_free(enforcement->view);
    ng_law_unref(enforcement->law);
}
