/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "agent/command/command.h"
#include "agent/observe/observe.h"
#include "agent/observe/ruleset_decode.h"
#include "agent/policy_files.h"
#include "agent/print/print.h"
#include "netguard/cis.h"

static int print_result(const struct ng_result *result, const struct ng_policy_files *files,
                        const struct ng_options *options) {
    static int (*const formats[])(FILE *, const struct ng_result *,
                                  const struct ng_print_options *) = {
        [NG_FORMAT_TABLE] = ng_print_table,
        [NG_FORMAT_JSON] = ng_print_json,
    };
    struct ng_print_options looks = {
        .policy = files->summary,
        .width = ng_stdout_width(),
        .color = ng_stdout_color(options->color),
        .verbose = options->verbose,
    };

    return formats[options->format](stdout, result, &looks);
}

static enum ng_exit fail(const struct ng_error *error, enum ng_exit status) {
    ng_diagnose(error);
    return status;
}

/* The whole of netguard in one view: policy, world, ruleset, result, output, status. The
 * policy comes first, so that a mistake in it is told at once and nothing is read in vain. */
enum ng_exit ng_command_check(const struct ng_options *options) {
    _cleanup_(ng_policy_files_freep) struct ng_policy_files *files = NULL;
    _cleanup_(ng_policy_freep) struct ng_policy *policy = NULL;
    _cleanup_(ng_world_freep) struct ng_world *world = NULL;
    _cleanup_(ng_ruleset_freep) struct ng_ruleset *ruleset = NULL;
    _cleanup_(ng_result_freep) struct ng_result *result = NULL;
    struct ng_error error = {0};

    if (ng_policy_files_read(options->policy, NG_POLICY_DIRECTORY, &files, &error) < 0 ||
        ng_policy_parse(files->texts, files->count, &policy, &error) < 0)
        return fail(&error, NG_EXIT_USAGE);
    if (options->cis && ng_policy_for_cis(policy) < 0) {
        ng_error_set(&error, -ENOMEM, "--profile", "out of memory");
        return fail(&error, NG_EXIT_INCOMPLETE);
    }

    if (ng_load_for(policy, options, &world, &ruleset, &error) < 0 ||
        ng_judge(world, ruleset, policy, &result, &error) < 0)
        return fail(&error, NG_EXIT_INCOMPLETE);

    if (print_result(result, files, options) < 0) {
        ng_error_set(&error, -ENOMEM, "", "out of memory while printing the result");
        return fail(&error, NG_EXIT_INCOMPLETE);
    }
    if (options->format != NG_FORMAT_TABLE)
        ng_diagnose_gaps(result->gaps, result->n_gaps);

    if (ng_result_has_open(result, options->fail_on))
        return NG_EXIT_FINDINGS;
    return result->complete ? NG_EXIT_CLEAN : NG_EXIT_INCOMPLETE;
}
