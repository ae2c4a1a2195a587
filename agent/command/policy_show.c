/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "agent/command/command.h"
#include "agent/policy_files.h"
#include "agent/print/policy_text.h"
#include "policy/language/built_in.h"

/* Once more as trees: where a single value was written is nothing that a policy keeps. */
static int read_trees(struct ng_arena *arena, const struct ng_policy_text *texts, size_t count,
                      struct ng_policy_trees *ret_trees) {
    const struct ng_node **roots = ng_arena_alloc(arena, count, sizeof(*roots));
    struct ng_faults faults = {.arena = arena};
    int r = roots ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < count; i++)
        r = ng_tree_parse(arena, &texts[i], &roots[i], &faults);
    *ret_trees = (struct ng_policy_trees){roots, count};
    return r;
}

static int show(const struct ng_options *options, const struct ng_policy *policy,
                const struct ng_policy_files *files) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_policy_trees trees;
    int r = arena ? read_trees(arena, policy->built_in ? &ng_built_in_policy : files->texts,
                               policy->built_in ? 1 : files->count, &trees)
                  : -ENOMEM;

    if (r < 0)
        return r;
    return options->format == NG_FORMAT_JSON ? ng_print_policy_json(stdout, policy, &trees)
                                             : ng_print_policy(stdout, policy, &trees);
}

enum ng_exit ng_command_policy_show(const struct ng_options *options) {
    _cleanup_(ng_policy_files_freep) struct ng_policy_files *files = NULL;
    _cleanup_(ng_policy_freep) struct ng_policy *policy = NULL;
    struct ng_error error = {0};

    if (ng_policy_files_read(options->policy, NG_POLICY_DIRECTORY, &files, &error) < 0 ||
        ng_policy_parse(files->texts, files->count, &policy, &error) < 0) {
        ng_diagnose(&error);
        return NG_EXIT_USAGE;
    }
    if (show(options, policy, files) < 0) {
        ng_error_set(&error, -ENOMEM, "", "out of memory");
        ng_diagnose(&error);
        return NG_EXIT_INCOMPLETE;
    }
    return NG_EXIT_CLEAN;
}
