/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/base.h"

#include <stdio.h>
#include <string.h>

/* A message may quote what a container or a file said: keep it to one printable line here,
 * once, instead of at each of the places that print an error. Bytes of UTF-8 pass. */
static void make_printable(char *text) {
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
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
