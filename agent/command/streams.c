/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/command/command.h"
#include "agent/print/escape.h"
#include "agent/print/print.h"

enum {
    WIDTH_MAX = 160, /* longer lines are hard to read, however wide the terminal is */
};

bool ng_stdout_color(enum ng_color when) {
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");

    if (when != NG_COLOR_AUTO)
        return when == NG_COLOR_ALWAYS;
    return isatty(STDOUT_FILENO) && !(no_color && *no_color) && terminal &&
           strcmp(terminal, "dumb") != 0;
}

unsigned ng_stdout_width(void) {
    struct winsize size;

    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return NG_TABLE_WIDTH;
    return size.ws_col > WIDTH_MAX ? WIDTH_MAX : size.ws_col;
}

void ng_diagnose(const struct ng_error *error) {
    char source[2 * sizeof(error->source)], message[2 * sizeof(error->message)];

    ng_escape(source, sizeof(source), error->source);
    ng_escape(message, sizeof(message), error->message[0] ? error->message : "unknown error");
    fputs("netguard: ", stderr);
    if (*source)
        fputs(source, stderr);
    if (error->line)
        fprintf(stderr, ":%u", error->line);
    if (error->column)
        fprintf(stderr, ":%u", error->column);
    fprintf(stderr, "%s%s\n", *source ? ": " : "", message);
}

void ng_diagnose_gaps(const struct ng_gap *gaps, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct ng_error error = {0};

        ng_error_set(&error, 0, gaps[i].source, "not seen: %s", gaps[i].reason);
        ng_diagnose(&error);
    }
}

enum ng_exit ng_finish_stdout(enum ng_exit status) {
    struct ng_error error = {0};

    /* An earlier failed write leaves its mark in the stream, but its errno is gone. */
    errno = 0;
    bool failed = fflush(stdout) != 0 || ferror(stdout);
    if (!failed)
        return status;
    ng_error_set(&error, -EIO, "stdout", "the result could not be written%s%s", errno ? ": " : "",
                 errno ? strerror(errno) : "");
    ng_diagnose(&error);
    return status == NG_EXIT_CLEAN ? NG_EXIT_INCOMPLETE : status;
}
