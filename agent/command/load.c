/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/command/command.h"
#include "agent/observe/observe.h"
#include "agent/observe/ruleset_decode.h"

int ng_load_for(const struct ng_policy *policy, const struct ng_options *options,
                struct ng_world **ret_world, struct ng_ruleset **ret_ruleset,
                struct ng_error *error) {
    _cleanup_(ng_world_freep) struct ng_world *world = NULL;
    _cleanup_(ng_ruleset_freep) struct ng_ruleset *ruleset = NULL;
    const struct ng_observe_options where = {
        .endpoints = options->docker,
        .n_endpoints = options->n_docker,
        .capabilities = policy && policy->habits[NG_HABIT_CAPABILITIES].asked,
    };

    int r = options->snapshot ? ng_snapshot_load(options->snapshot, &world, error)
                              : ng_observe(&where, &world, error);
    if (r == 0)
        r = ng_ruleset_of(world, &ruleset, error);
    if (r < 0)
        return r;
    *ret_world = TAKE_PTR(world);
    *ret_ruleset = TAKE_PTR(ruleset);
    return 0;
}

int ng_load(const struct ng_options *options, struct ng_world **ret_world,
            struct ng_ruleset **ret_ruleset, struct ng_error *error) {
    return ng_load_for(NULL, options, ret_world, ret_ruleset, error);
}
