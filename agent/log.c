/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/print/escape.h"

/* Under systemd stderr is a socket of the journal's, which takes nothing while its disk is full or
 * it hangs: a line is lost then, and the daemon is not held up. */
static bool put(const char *line, size_t len_bytes) {
    ssize_t n = send(STDERR_FILENO, line, len_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == ENOTSOCK)
        n = write(STDERR_FILENO, line, len_bytes);
    return n >= 0;
}

void ng_log(const char *format, ...) {
    static unsigned lost; /* lines, since one was taken */
    char text[1024], escaped[2 * sizeof(text)], line[sizeof(escaped) + 64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ng_escape(escaped, sizeof(escaped), text);
    if (lost) {
        int len = snprintf(line, sizeof(line), "netguard: %u lines were lost\n", lost);
        if (put(line, (size_t)len))
            lost = 0;
    }
    int len = snprintf(line, sizeof(line), "netguard: %s\n", escaped);
    if (!put(line, (size_t)len))
        lost++;
}
