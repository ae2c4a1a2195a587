/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <malloc.h>

#include "agent/command/command.h"
#include "agent/manager.h"

static enum ng_exit fail(const struct ng_error *error, enum ng_exit status) {
    ng_diagnose(error);
    return status;
}

/* What is as large as this goes back to the kernel when it is freed. The C library would raise the
 * limit to whatever has been freed, and then keep what each look at the world leaves. */
enum { LARGE_BYTES = 64 * 1024 };

/* A policy that is not right is told of before anything is touched. */
enum ng_exit ng_command_run(const struct ng_options *options) {
    _cleanup_(ng_law_unrefp) struct ng_law *law = NULL;
    const struct ng_manager_options how = {
        .policy = options->policy,
        .endpoints = options->docker,
        .n_endpoints = options->n_docker,
        .foreground = options->foreground,
        .metrics_file = options->metrics_file,
    };
    struct ng_error error = {0};

    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    if (ng_law_read(options->policy, &law, &error) < 0)
        return fail(&error, NG_EXIT_USAGE);
    if (ng_manager_run(&how, law, &error) < 0)
        return fail(&error, NG_EXIT_INCOMPLETE);
    return NG_EXIT_CLEAN;
}
