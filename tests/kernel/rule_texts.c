/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rule_texts SNAPSHOT   every rule of a recorded world, one a line: its handle, its text */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/command/command.h"

int main(int argc, char *argv[]) {
    struct ng_options options = {.snapshot = argc == 2 ? argv[1] : "-"};
    struct ng_world *world = NULL;
    struct ng_ruleset *ruleset = NULL;
    struct ng_error error = {0};
    struct ng_arena *arena = ng_arena_new();

    if (!arena || ng_load(&options, &world, &ruleset, &error) < 0) {
        ng_diagnose(&error);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < ruleset->n_rules; i++) {
        const char *text = ng_rule_text(arena, ruleset, &ruleset->rules[i]);

        printf("%" PRIu64 " %s\n", ruleset->rules[i].handle, text ? text : "?");
    }
    ng_ruleset_free(ruleset);
    ng_world_free(world);
    ng_arena_free(arena);
    return EXIT_SUCCESS;
}
