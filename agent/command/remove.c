/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/guard_table.h"
#include "agent/command/command.h"

enum ng_exit ng_command_remove(const struct ng_options *options) {
    _cleanup_(ng_guard_table_freep) struct ng_guard_table *table = NULL;
    struct ng_error error = {0};

    (void)options;
    if (ng_guard_table_open(-1, &table, &error) < 0 || ng_guard_table_remove(table, &error) < 0) {
        ng_diagnose(&error);
        return NG_EXIT_INCOMPLETE;
    }
    puts("the guard is gone");
    return NG_EXIT_CLEAN;
}
