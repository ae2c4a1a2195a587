/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/command/answers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/command/lines.h"
#include "agent/command/question.h"

struct answering {
    const struct ng_world *world;
    const struct ng_tracer *tracer;
    struct ng_trace_printer *printer;
    struct ng_arena *scratch; /* of the line at hand */
    bool one_source;
    void (*print)(FILE *out, struct ng_trace_printer *printer, const struct ng_question *question,
                  const struct ng_trace *trace);
    uintmax_t n_lines, n_bad;
    const char *name; /* of the input, for people */
};

static bool is_blank(const char *line, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

/* 0, also for a line that is no question; -ENOMEM. */
static int answer_line(struct answering *answering, const char *line, size_t len) {
    struct ng_question question;
    struct ng_error error = {0};
    struct ng_trace trace;

    ng_arena_reset(answering->scratch);
    int r = ng_question_read(answering->world, line, len, answering->one_source, &question, &error);
    if (r == -EINVAL) {
        answering->n_bad++;
        ng_print_line_error(stdout, &error);
        return 0;
    }
    question.record = answering->one_source;
    if (r == 0)
        r = ng_trace(answering->tracer, &question, answering->scratch, &trace);
    if (r == 0)
        answering->print(stdout, answering->printer, &question, &trace);
    return r;
}

static void refuse_long_line(struct answering *answering) {
    struct ng_error error = {0};

    answering->n_lines++;
    answering->n_bad++;
    ng_error_set(&error, -E2BIG, "", "the line is longer than %d bytes", NG_LINE_MAX);
    ng_print_line_error(stdout, &error);
}

static void flush_answers(void) {
    fflush(stdout);
}

static int answer_input(struct answering *answering, struct ng_lines *lines,
                        struct ng_error *error) {
    const char *line;
    size_t len;
    int r;

    while (!ferror(stdout) && (r = ng_lines_next(lines, flush_answers, &line, &len)) != 0) {
        if (r == -E2BIG) {
            refuse_long_line(answering);
        } else if (r < 0) {
            return ng_error_set(error, r, answering->name, "cannot read: %s", strerror(-r));
        } else if (!is_blank(line, len)) {
            answering->n_lines++;
            if (answer_line(answering, line, len) < 0)
                return ng_error_set(error, -ENOMEM, "", "out of memory");
        }
    }
    return 0;
}

static int prepare(struct answering *answering, const struct ng_ruleset *ruleset,
                   struct ng_tracer **ret_tracer, struct ng_trace_printer **ret_printer,
                   struct ng_error *error) {
    int r = ng_tracer_new(answering->world, ruleset, ret_tracer);

    if (r == 0)
        r = ng_trace_printer_new(*ret_tracer, ret_printer);
    if (r < 0)
        return ng_error_set(error, r, "", "out of memory");
    answering->tracer = *ret_tracer;
    answering->printer = *ret_printer;
    return 0;
}

static void close_input(struct ng_lines **lines) {
    if (*lines && (*lines)->fd > STDERR_FILENO)
        close((*lines)->fd);
    free(*lines);
}

static int open_input(const char *path, struct ng_lines **ret_lines, struct ng_error *error) {
    struct ng_lines *lines = calloc(1, sizeof(*lines));

    if (!lines)
        return ng_error_set(error, -ENOMEM, "", "out of memory");
    lines->fd = path ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (lines->fd < 0) {
        free(lines);
        return ng_error_set(error, -errno, path, "cannot open: %s", strerror(errno));
    }
    *ret_lines = lines;
    return 0;
}

static enum ng_exit fail(const struct ng_error *error, enum ng_exit status) {
    ng_diagnose(error);
    return status;
}

static enum ng_exit conclude(const struct answering *answering) {
    struct ng_error error = {0};

    ng_diagnose_gaps(answering->world->gaps, answering->world->n_gaps);
    if (!answering->n_bad)
        return answering->world->n_gaps ? NG_EXIT_INCOMPLETE : NG_EXIT_CLEAN;
    ng_error_set(&error, -EINVAL, answering->name,
                 "%ju of %ju lines could not be answered; in their place stands {\"error\":…}",
                 answering->n_bad, answering->n_lines);
    return fail(&error, NG_EXIT_USAGE);
}

enum ng_exit ng_answer_lines(const struct ng_options *options, bool one_source,
                             void (*print)(FILE *out, struct ng_trace_printer *printer,
                                           const struct ng_question *question,
                                           const struct ng_trace *trace)) {
    _cleanup_(ng_world_freep) struct ng_world *world = NULL;
    _cleanup_(ng_ruleset_freep) struct ng_ruleset *ruleset = NULL;
    _cleanup_(ng_tracer_freep) struct ng_tracer *tracer = NULL;
    _cleanup_(ng_trace_printer_freep) struct ng_trace_printer *printer = NULL;
    _cleanup_(ng_arena_freep) struct ng_arena *scratch = ng_arena_new();
    _cleanup_(close_input) struct ng_lines *lines = NULL;
    const char *path =
        options->operand && strcmp(options->operand, "-") != 0 ? options->operand : NULL;
    struct ng_error error = {0};

    if (open_input(path, &lines, &error) < 0)
        return fail(&error, NG_EXIT_USAGE);
    if (ng_load(options, &world, &ruleset, &error) < 0)
        return fail(&error, NG_EXIT_INCOMPLETE);
    struct answering answering = {
        .world = world,
        .scratch = scratch,
        .one_source = one_source,
        .print = print,
        .name = path ? path : "stdin",
    };
    int r = scratch ? prepare(&answering, ruleset, &tracer, &printer, &error)
                    : ng_error_set(&error, -ENOMEM, "", "out of memory");
    if (r == 0)
        r = answer_input(&answering, lines, &error);
    return r < 0 ? fail(&error, NG_EXIT_INCOMPLETE) : conclude(&answering);
}
