/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/log.h"

#include <stdio.h>

#include "agent/print/escape.h"

void ng_log(const char *format, ...) {
    char text[1024], escaped[2 * sizeof(text)];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ng_escape(escaped, sizeof(escaped), text);
    fprintf(stderr, "netguard: %s\n", escaped);
}
