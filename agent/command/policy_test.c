/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "agent/command/command.h"
#include "agent/observe/ruleset_decode.h"
#include "agent/policy_files.h"
#include "agent/print/expectations.h"
#include "agent/print/faults.h"
#include "netguard/expect.h"

struct trial {
    struct ng_arena *arena;
    struct ng_policy_files *policy_files, *files;
    struct ng_policy *policy;
    struct ng_expectations expectations;
    struct ng_world *world;
    struct ng_ruleset *ruleset;
    struct ng_result *result;
};

static void trial_free(struct trial *trial) {
    ng_result_free(trial->result);
    ng_ruleset_freep(&trial->ruleset);
    ng_world_free(trial->world);
    ng_policy_free(trial->policy);
    ng_policy_files_free(trial->files);
    ng_policy_files_free(trial->policy_files);
    ng_arena_free(trial->arena);
}

/* Its faults are shown on stderr: TAP has no words for them. */
static int read_expectations(struct trial *trial, const char *file, struct ng_error *error) {
    const struct ng_error *faults;
    size_t n_faults = 0;
    int r = ng_policy_files_read(file, NG_POLICY_DIRECTORY, &trial->files, error);

    if (r < 0)
        return r;
    r = ng_expectations_parse(&trial->files->texts[0], trial->policy, trial->arena,
                              &trial->expectations, &faults, &n_faults);
    if (r == -ENOMEM)
        return ng_error_set(error, r, "", "out of memory");
    for (size_t i = 0; i < n_faults; i++)
        ng_print_fault(stderr, &faults[i], NULL, &trial->files->texts[0], ng_stdout_width());
    return r;
}

static int read_all(struct trial *trial, const struct ng_options *options, struct ng_error *error) {
    trial->arena = ng_arena_new();
    if (!trial->arena)
        return ng_error_set(error, -ENOMEM, "", "out of memory");
    int r = ng_policy_files_read(options->policy, NG_POLICY_DIRECTORY, &trial->policy_files, error);
    if (r == 0)
        r = ng_policy_parse(trial->policy_files->texts, trial->policy_files->count, &trial->policy,
                            error);
    return r < 0 ? r : read_expectations(trial, options->operand, error);
}

static int print(const struct trial *trial, size_t *ret_n_failed) {
    size_t failed = 0;

    ng_print_expectations_head(stdout, trial->expectations.count);
    for (size_t i = 0; i < trial->expectations.count; i++) {
        const struct ng_expectation *expectation = &trial->expectations.items[i];
        struct ng_fulfilment fulfilment;
        int r = ng_expectation_test(trial->result, trial->ruleset, expectation, trial->arena,
                                    &fulfilment);

        if (r == 0)
            r = ng_print_expectation(stdout, i + 1, expectation, &fulfilment);
        if (r < 0)
            return r;
        failed += !fulfilment.holds;
    }
    *ret_n_failed = failed;
    return 0;
}

static enum ng_exit test(struct trial *trial, const struct ng_options *options,
                         struct ng_error *error) {
    size_t n_failed = 0;

    if (read_all(trial, options, error) < 0)
        return NG_EXIT_USAGE;
    if (ng_load(options, &trial->world, &trial->ruleset, error) < 0 ||
        ng_judge(trial->world, trial->ruleset, trial->policy, &trial->result, error) < 0)
        return NG_EXIT_INCOMPLETE;
    if (print(trial, &n_failed) < 0) {
        ng_error_set(error, -ENOMEM, "", "out of memory");
        return NG_EXIT_INCOMPLETE;
    }
    ng_diagnose_gaps(trial->result->gaps, trial->result->n_gaps);
    if (n_failed)
        return NG_EXIT_FINDINGS;
    return trial->result->complete ? NG_EXIT_CLEAN : NG_EXIT_INCOMPLETE;
}

enum ng_exit ng_command_policy_test(const struct ng_options *options) {
    _cleanup_(trial_free) struct trial trial = {0};
    struct ng_error error = {0};
    enum ng_exit status = test(&trial, options, &error);

    if (error.message[0])
        ng_diagnose(&error);
    return status;
}
