/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/command/lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Reads more behind what is there; 0 also at the end of the input. */
static int fill(struct ng_lines *lines, void (*before_wait)(void)) {
    ssize_t n;

    memmove(lines->bytes, lines->bytes + lines->start, lines->end - lines->start);
    lines->end -= lines->start;
    lines->start = 0;
    before_wait();
    do
        n = read(lines->fd, lines->bytes + lines->end, sizeof(lines->bytes) - lines->end);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    lines->ended = n == 0;
    lines->end += (size_t)n;
    return 0;
}

/* Finds the end of the line that begins at `start`; false: it is not there yet. */
static bool find_end(const struct ng_lines *lines, size_t *ret_len) {
    size_t len = lines->end - lines->start;
    const char *newline = len ? memchr(lines->bytes + lines->start, '\n', len) : NULL;

    if (!newline && !(lines->ended && len))
        return false;
    *ret_len = newline ? (size_t)(newline - lines->bytes) - lines->start : len;
    return true;
}

int ng_lines_next(struct ng_lines *lines, void (*before_wait)(void), const char **ret_line,
                  size_t *ret_len_bytes) {
    for (;;) {
        size_t len;

        if (find_end(lines, &len)) {
            bool rest = lines->skipping;

            *ret_line = lines->bytes + lines->start;
            *ret_len_bytes = len;
            lines->start += len < lines->end - lines->start ? len + 1 : len;
            lines->skipping = false;
            if (rest)
                continue;
            return len > NG_LINE_MAX ? -E2BIG : 1;
        }
        if (lines->ended)
            return 0;
        if (lines->skipping || lines->end - lines->start > NG_LINE_MAX) {
            bool first = !lines->skipping;

            lines->start = lines->end;
            lines->skipping = true;
            if (first)
                return -E2BIG;
        }
        int r = fill(lines, before_wait);
        if (r < 0)
            return r;
    }
}
