/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/policy.h"

static const char *next_char(const char *text) {
    do
        text++;
    while (((unsigned char)*text & 0xc0) == 0x80);
    return text;
}

/* When a later part does not fit, only the last `*` may take one character more: an earlier
 * one that took more could only leave less for what follows. So the time is bounded by the
 * product of the two lengths, however many stars there are. */
bool ng_glob_match(const char *glob, const char *text) {
    const char *star = NULL, *star_text = NULL;

    while (*text) {
        if (*glob == '*') {
            star = ++glob;
            star_text = text;
        } else if (*glob == '?') {
            glob++;
            text = next_char(text);
        } else if (*glob == *text) {
            glob++;
            text++;
        } else if (star) {
            glob = star;
            text = star_text = next_char(star_text);
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}
