/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "agent/command/enforcement.h"
#include "agent/print/plan.h"

/* With what the kernel itself has said. Of a recorded world nothing is compared: libnftnl, by which
 * rules are, trusts what it is given. */
static int compare(const struct ng_enforcement *enforcement, struct ng_plan *plan,
                   struct ng_error *error) {
    struct ng_guard_change *changes;
    int r = ng_guard_installed_in(&enforcement->view->world->nft, enforcement->view->arena,
                                  &plan->installed, error);

    if (r < 0)
        return r;
    r = ng_guard_compare(plan->guard, &plan->installed, false, enforcement->view->arena, &changes,
                         &plan->n_changes);
    if (r < 0)
        return ng_error_set(error, r, "", "out of memory");
    plan->compared = true;
    plan->changes = changes;
    return 0;
}

/* The table, and what lies between it and what is installed; changes nothing. */
static enum ng_exit plan(const struct ng_options *options, struct ng_enforcement *enforcement,
                         struct ng_error *error) {
    static int (*const formats[])(FILE *, const struct ng_plan *) = {
        [NG_FORMAT_TABLE] = ng_print_plan,
        [NG_FORMAT_JSON] = ng_print_plan_json,
    };
    enum ng_exit status = ng_enforcement_make(options, enforcement, error);

    if (status != NG_EXIT_CLEAN)
        return status;
    struct ng_plan plan = {
        .policy = enforcement->law->policy,
        .guard = &enforcement->view->guard,
        .effects = enforcement->effects,
        .n_effects = enforcement->n_effects,
        .gaps = enforcement->view->result->gaps,
        .n_gaps = enforcement->view->result->n_gaps,
    };

    if (!options->snapshot && compare(enforcement, &plan, error) < 0)
        return NG_EXIT_INCOMPLETE;
    if (formats[options->format](stdout, &plan) < 0) {
        ng_error_set(error, -ENOMEM, "", "out of memory while printing the plan");
        return NG_EXIT_INCOMPLETE;
    }
    if (options->format != NG_FORMAT_TABLE)
        ng_diagnose_gaps(plan.gaps, plan.n_gaps);
    return enforcement->view->result->complete ? NG_EXIT_CLEAN : NG_EXIT_INCOMPLETE;
}

enum ng_exit ng_command_plan(const struct ng_options *options) {
    _cleanup_(ng_enforcement_free) struct ng_enforcement enforcement = {0};
    struct ng_error error = {0};
    enum ng_exit status = plan(options, &enforcement, &error);

    if (error.message[0])
        ng_diagnose(&error);
    return status;
}
