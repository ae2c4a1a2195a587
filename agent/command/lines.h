/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_COMMAND_LINES_H
#define NETGUARD_COMMAND_LINES_H

/* Lines of input, one after the other, as they come. */

#include "netguard/base.h"

enum {
    NG_LINE_MAX = 64 * 1024, /* bytes, without the newline */
};

/* Zeroed but for `fd` before the first line is asked for. */
struct ng_lines {
    int fd;
    size_t start, end; /* of what was read and not yet handed out */
    bool skipping;     /* the rest of a line that was too long */
    bool ended;
    char bytes[4 * NG_LINE_MAX];
};

/* The next line, without its newline and not ended by NUL; it stays until the next call.
 * 1: a line, 0: no more, -E2BIG: a line was too long and is skipped, another negative errno:
 * reading failed. Whenever it may have to wait for more, `before_wait` is called first: whoever
 * asks line by line has his answers by then. */
int ng_lines_next(struct ng_lines *lines, void (*before_wait)(void), const char **ret_line,
                  size_t *ret_len_bytes) _must_check_;

#endif
