/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/command/command.h"
#include "agent/observe/observe.h"
#include "agent/policy_files.h"
#include "agent/print/escape.h"
#include "agent/print/faults.h"
#include "agent/print/json_writer.h"

struct checked {
    struct ng_arena *arena;
    struct ng_policy_files **files; /* one of all files of the policy, or one of each operand */
    size_t n_files;
    struct ng_policy_text *texts;
    size_t n_texts, texts_capacity;
    struct ng_policy *policy; /* NULL: there are faults */
    const struct ng_error *faults, *warnings;
    size_t n_faults, n_warnings;
    const char *unlooked; /* why nothing was compared with what runs; NULL: it was */
};

static void checked_free(struct checked *checked) {
    for (size_t i = 0; i < checked->n_files; i++)
        ng_policy_files_free(checked->files[i]);
    ng_policy_free(checked->policy);
    ng_arena_free(checked->arena);
}

/* -- the texts ------------------------------------------------------------------------ */

/* A file that cannot be read is a fault like others, without a line. */
static int add_file(struct checked *checked, const char *file, struct ng_error *error) {
    struct ng_policy_files *files;
    int r = ng_policy_files_read(file, NG_POLICY_DIRECTORY, &files, error);

    if (r < 0)
        return r;
    checked->files[checked->n_files++] = files;
    for (size_t i = 0; i < files->count; i++) {
        struct ng_policy_text *text = NG_ARENA_APPEND(checked->arena, checked->texts,
                                                      checked->n_texts, checked->texts_capacity);
        if (!text)
            return ng_error_set(error, -ENOMEM, "", "out of memory");
        *text = files->texts[i];
    }
    return 0;
}

static int read_files(struct checked *checked, const struct ng_options *options,
                      struct ng_error *error) {
    size_t count = options->n_operands ? options->n_operands : 1;
    int r = 0;

    checked->files = ng_arena_alloc(checked->arena, count, sizeof(*checked->files));
    if (!checked->files)
        return ng_error_set(error, -ENOMEM, "", "out of memory");
    for (size_t i = 0; r == 0 && i < count; i++)
        r = add_file(checked, options->n_operands ? options->operands[i] : options->policy, error);
    return r;
}

static const struct ng_policy_text *text_of(const struct checked *checked,
                                            const struct ng_error *fault) {
    for (size_t i = 0; i < checked->n_texts; i++)
        if (strncmp(checked->texts[i].name, fault->source, sizeof(fault->source) - 1) == 0)
            return &checked->texts[i];
    return NULL;
}

/* -- what is wrong with them ---------------------------------------------------------- */

static int find_faults(struct checked *checked, const struct ng_options *options) {
    struct ng_error *unread = ng_arena_alloc(checked->arena, 1, sizeof(*unread));
    int r = unread ? read_files(checked, options, unread) : -ENOMEM;

    if (r == 0)
        r = ng_policy_check(checked->texts, checked->n_texts, checked->arena, &checked->policy,
                            &checked->faults, &checked->n_faults);
    else if (r != -ENOMEM)
        checked->faults = unread, checked->n_faults = 1;
    return r == -ENOMEM ? r : 0;
}

/* As people read them: by file, line and column. */
static int compare_places(const void *left, const void *right, void *context) {
    const struct ng_error *a = left, *b = right;
    const struct ng_policy_text *text_a = text_of(context, a), *text_b = text_of(context, b);

    if (text_a != text_b)
        return text_a < text_b ? -1 : 1;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return strcmp(a->message, b->message);
}

/* Names are looked for where there is somebody to tell them all. */
static const char *find_unlooked(const struct ng_world *world) {
    for (size_t i = 0; i < world->n_gaps; i++)
        if (strcmp(world->gaps[i].source, "docker") == 0)
            return world->gaps[i].reason;
    if (world->n_engines == 0)
        return world->no_engine ? "there is no container engine" : "it holds no container engine";
    return NULL;
}

/* On this host as far as that can be seen: whoever writes a policy need not be root. */
static int find_warnings(struct checked *checked, const struct ng_options *options,
                         struct ng_error *error) {
    _cleanup_(ng_world_freep) struct ng_world *world = NULL;
    struct ng_observe_options where = {.endpoints = options->docker,
                                       .n_endpoints = options->n_docker};
    const struct ng_error *warnings;
    int r = options->snapshot ? ng_snapshot_load(options->snapshot, &world, error)
                              : ng_observe(&where, &world, error);
    if (r < 0)
        return r;
    const char *unlooked = find_unlooked(world);
    r = ng_policy_lint(checked->policy, unlooked ? NULL : world, world->time_s, checked->arena,
                       &warnings, &checked->n_warnings);
    if (r == 0 && unlooked) {
        checked->unlooked = ng_arena_strdup(checked->arena, unlooked);
        r = checked->unlooked ? 0 : -ENOMEM;
    }
    struct ng_error *sorted =
        r == 0 ? ng_arena_alloc(checked->arena, checked->n_warnings, sizeof(*sorted)) : NULL;
    if (!sorted)
        return ng_error_set(error, -ENOMEM, "", "out of memory");
    if (checked->n_warnings) {
        memcpy(sorted, warnings, checked->n_warnings * sizeof(*sorted));
        qsort_r(sorted, checked->n_warnings, sizeof(*sorted), compare_places, checked);
    }
    checked->warnings = sorted;
    return 0;
}

/* -- in words ------------------------------------------------------------------------- */

static void put_count(FILE *out, size_t count, const char *what) {
    fprintf(out, "%zu %s%s", count, what, count == 1 ? "" : "s");
}

static void put_names(FILE *out, const struct checked *checked, const struct ng_options *options) {
    char name[512];

    for (size_t i = 0; i < options->n_operands; i++) {
        ng_escape(name, sizeof(name), options->operands[i]);
        fprintf(out, "%s%s", i ? ", " : "", name);
    }
    if (options->n_operands)
        return;
    const char *summary = options->policy ? options->policy : NG_POLICY_DIRECTORY;
    if (checked->n_files)
        summary = checked->files[0]->summary ? checked->files[0]->summary : "built-in policy";
    ng_escape(name, sizeof(name), summary);
    fputs(name, out);
}

static void put_summary(FILE *out, const struct checked *checked,
                        const struct ng_options *options) {
    size_t rules = 0;

    put_names(out, checked, options);
    fputs(": ", out);
    if (checked->n_faults) {
        put_count(out, checked->n_faults, "fault");
        fputc('\n', out);
        return;
    }
    for (size_t i = 0; i < checked->policy->n_rules; i++)
        rules += checked->policy->rules[i].usage == NG_USAGE_NONE;
    fputs("valid; ", out);
    put_count(out, rules, "rule");
    fputs(", ", out);
    put_count(out, checked->policy->n_zones, "zone");
    fputs(", ", out);
    put_count(out, checked->policy->n_exceptions, "exception");
    fputs("; ", out);
    put_count(out, checked->n_warnings, "warning");
    fputc('\n', out);
}

static void put_table(FILE *out, const struct checked *checked, const struct ng_options *options) {
    unsigned width = ng_stdout_width();

    for (size_t i = 0; i < checked->n_faults; i++)
        ng_print_fault(out, &checked->faults[i], NULL, text_of(checked, &checked->faults[i]),
                       width);
    for (size_t i = 0; i < checked->n_warnings; i++)
        ng_print_fault(out, &checked->warnings[i], "warning",
                       text_of(checked, &checked->warnings[i]), width);
    put_summary(out, checked, options);
}

/* -- for programs --------------------------------------------------------------------- */

static void put_faults(struct ng_json *json, const struct ng_error *faults, size_t count) {
    ng_json_open(json, '[');
    for (size_t i = 0; i < count; i++) {
        ng_json_open(json, '{');
        ng_json_key(json, "file");
        ng_json_string_or_null(json, *faults[i].source ? faults[i].source : NULL);
        ng_json_key(json, "line");
        ng_json_number_or_null(json, faults[i].line);
        ng_json_key(json, "column");
        ng_json_number_or_null(json, faults[i].column);
        ng_json_key(json, "message");
        ng_json_string(json, faults[i].message);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

static void put_json(FILE *out, const struct checked *checked) {
    struct ng_json json = {.out = out};

    ng_json_open(&json, '{');
    ng_json_key(&json, "schema");
    ng_json_string(&json, "netguard.policy-check/1");
    ng_json_key(&json, "valid");
    ng_json_bool(&json, checked->n_faults == 0);
    ng_json_key(&json, "faults");
    put_faults(&json, checked->faults, checked->n_faults);
    ng_json_key(&json, "warnings");
    put_faults(&json, checked->warnings, checked->n_warnings);
    ng_json_key(&json, "names_checked");
    ng_json_bool(&json, checked->policy && !checked->unlooked);
    ng_json_close(&json, '}');
    fputc('\n', out);
}

/* -- the command ---------------------------------------------------------------------- */

static enum ng_exit check(struct checked *checked, const struct ng_options *options,
                          struct ng_error *error) {
    checked->arena = ng_arena_new();
    if (!checked->arena || find_faults(checked, options) < 0) {
        ng_error_set(error, -ENOMEM, "", "out of memory");
        return NG_EXIT_INCOMPLETE;
    }
    if (checked->policy && find_warnings(checked, options, error) < 0)
        return NG_EXIT_INCOMPLETE;
    if (options->format == NG_FORMAT_JSON)
        put_json(stdout, checked);
    else
        put_table(stdout, checked, options);
    if (checked->unlooked)
        ng_error_set(error, 0, "policy check",
                     "names of containers and networks were not looked for: %s", checked->unlooked);
    return checked->n_faults ? NG_EXIT_USAGE : NG_EXIT_CLEAN;
}

enum ng_exit ng_command_policy_check(const struct ng_options *options) {
    _cleanup_(checked_free) struct checked checked = {0};
    struct ng_error error = {0};
    enum ng_exit status = check(&checked, options, &error);

    if (error.message[0])
        ng_diagnose(&error);
    return status;
}
