/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/command/command.h"
#include "agent/manager.h"

static enum ng_exit fail(const struct ng_error *error, enum ng_exit status) {
    ng_diagnose(error);
    return status;
}

/* A policy that is not right is told of before anything is touched. */
enum ng_exit ng_command_run(const struct ng_options *options) {
    _cleanup_(ng_law_unrefp) struct ng_law *law = NULL;
    const struct ng_manager_options how = {
        .policy = options->policy,
        .endpoints = options->docker,
        .n_endpoints = options->n_docker,
    };
    struct ng_error error = {0};

    if (ng_law_read(options->policy, &law, &error) < 0)
        return fail(&error, NG_EXIT_USAGE);
    if (ng_manager_run(&how, law, &error) < 0)
        return fail(&error, NG_EXIT_INCOMPLETE);
    return NG_EXIT_CLEAN;
}
