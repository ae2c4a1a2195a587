/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/base.h"

#include <stdio.h>
#include <string.h>

/* A message may quote what a container or a file said: keep it to one line that does nothing
 * to a terminal here, once, instead of at each of the places that print an error. Control
 * characters go, the 8-bit ones (U+0080 to U+009F, C2 80 to C2 9F in UTF-8) with them, and
 * what turns the direction of text (U+200E/F, U+202A to U+202E, U+2066 to U+2069, U+061C). */
static void make_printable(char *text) {
    for (unsigned char *c = (unsigned char *)text; *c; c++) {
        bool control = *c < 0x20 || *c == 0x7f;
        bool control8 = *c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f;
        bool turns2 = *c == 0xd8 && c[1] == 0x9c;
        bool turns3 =
            *c == 0xe2 &&
            ((c[1] == 0x80 && (c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xaa && c[2] <= 0xae))) ||
             (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
        size_t len = control ? 1 : control8 || turns2 ? 2 : turns3 ? 3 : 0;
        if (len == 0)
            continue;
        memset(c, '?', len);
        c += len - 1;
    }
}

/* Drops the torn UTF-8 sequence that a bounded copy can leave at the end. */
static void trim_torn_utf8(char *text) {
    size_t len = strlen(text), back = 0;
    while (back < 4 && back < len && ((unsigned char)text[len - 1 - back] & 0xc0) == 0x80)
        back++;
    if (back == len || back == 4)
        return;
    unsigned char lead = (unsigned char)text[len - 1 - back];
    size_t want = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    if (want > back)
        text[len - 1 - back] = '\0';
}

static int set_v(struct ng_error *error, int code, const char *source, unsigned line,
                 unsigned column, const char *format, va_list arguments) _printf_(6, 0);

static int set_v(struct ng_error *error, int code, const char *source, unsigned line,
                 unsigned column, const char *format, va_list arguments) {
    if (!error || error->message[0])
        return code;
    snprintf(error->source, sizeof(error->source), "%s", source ? source : "");
    error->line = line;
    error->column = column;
    vsnprintf(error->message, sizeof(error->message), format, arguments);
    make_printable(error->source);
    make_printable(error->message);
    trim_torn_utf8(error->source);
    trim_torn_utf8(error->message);
    return code;
}

int ng_error_set(struct ng_error *error, int code, const char *source, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int r = set_v(error, code, source, 0, 0, format, arguments);
    va_end(arguments);
    return r;
}

int ng_error_set_at(struct ng_error *error, int code, const char *source, unsigned line,
                    unsigned column, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int r = set_v(error, code, source, line, column, format, arguments);
    va_end(arguments);
    return r;
}
