/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/propose.h"

#include <stdio.h>
#include <string.h>

/* Is the character at `text` written as it is? Controls, what breaks a line or turns the writing
 * direction, and what a policy may not hold are not. */
static bool is_plain(uint32_t code) {
    if (code < 0x7f)
        return code >= 0x20 && code != '"' && code != '\\';
    return code > 0xa0 && code < 0xd800 && !(code >= 0x2000 && code < 0x2070);
}

static size_t decode(const unsigned char *text, uint32_t *ret_code) {
    size_t len = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    *ret_code = len == 1 ? text[0] : text[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++)
        *ret_code = *ret_code << 6 | (text[i] & 0x3fu);
    return len;
}

const char *ng_yaml_text(struct ng_arena *arena, const char *text) {
    enum { LONGEST = sizeof("\\U0010ffff") };
    size_t len = strlen(text);
    char *quoted = ng_arena_alloc(arena, len + 1, LONGEST), *to = quoted;
    if (!quoted)
        return NULL;
    *to++ = '"';
    for (size_t at = 0; at < len;) {
        uint32_t code;
        size_t n = decode((const unsigned char *)text + at, &code);
        if (is_plain(code)) {
            memcpy(to, text + at, n);
            to += n;
        } else if (code == '"' || code == '\\') {
            *to++ = '\\';
            *to++ = (char)code;
        } else {
            to += snprintf(to, LONGEST, code > 0xffff ? "\\U%08x" : "\\u%04x", code);
        }
        at += n;
    }
    *to++ = '"';
    *to = '\0';
    return quoted;
}
