/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/escape.h"

#include <stdio.h>
#include <string.h>

#include "netguard/base.h"

struct code_range {
    uint32_t lo, hi;
};

/* Sorted. Unicode categories Cc, Zl, Zp and the members of Cf that hide or reorder text. */
static const struct code_range hostile[] = {
    {0x0000, 0x001f},   /* C0 controls */
    {0x007f, 0x009f},   /* DEL and C1 controls: 0x9b is CSI to some terminals */
    {0x00ad, 0x00ad},   /* soft hyphen */
    {0x034f, 0x034f},   /* combining grapheme joiner */
    {0x061c, 0x061c},   /* Arabic letter mark */
    {0x115f, 0x1160},   /* Hangul fillers */
    {0x17b4, 0x17b5},   /* Khmer inherent vowels: no picture */
    {0x180b, 0x180f},   /* Mongolian selectors and separator */
    {0x200b, 0x200f},   /* zero-width characters, direction marks */
    {0x2028, 0x202e},   /* line and paragraph separator, embeddings and overrides */
    {0x2060, 0x206f},   /* word joiner, isolates */
    {0x3164, 0x3164},   /* Hangul filler */
    {0xfe00, 0xfe0f},   /* variation selectors */
    {0xfeff, 0xfeff},   /* byte order mark */
    {0xffa0, 0xffa0},   /* halfwidth Hangul filler */
    {0xfff0, 0xfffb},   /* specials */
    {0x1d173, 0x1d17a}, /* musical controls */
    {0xe0000, 0xe0fff}, /* tags, more selectors */
};

static const struct code_range combining[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x0610, 0x061a},
    {0x064b, 0x065f}, {0x093c, 0x093c}, {0x094d, 0x094d}, {0x0e31, 0x0e31},
    {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},
    {0x20d0, 0x20ff}, {0x302a, 0x302d}, {0x3099, 0x309a}, {0xfe20, 0xfe2f},
};

/* Whole blocks of Unicode's East Asian Width W and F: near enough to keep columns straight. */
static const struct code_range wide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x2e80, 0x303e},
    {0x3041, 0xa4cf},   {0xa960, 0xa97c},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},
    {0xfe30, 0xfe6f},   {0xff01, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};

static bool in_ranges(const struct code_range *ranges, size_t count, uint32_t code) {
    for (size_t i = 0; i < count && ranges[i].lo <= code; i++)
        if (code <= ranges[i].hi)
            return true;
    return false;
}

size_t ng_char_decode(const char *text, uint32_t *ret_code) {
    const unsigned char *s = (const unsigned char *)text;
    size_t len;
    uint32_t code, least;

    *ret_code = NG_CHAR_INVALID;
    if (s[0] < 0x80) {
        *ret_code = s[0];
        return 1;
    }
    if ((s[0] & 0xe0) == 0xc0) {
        len = 2, code = s[0] & 0x1f, least = 0x80;
    } else if ((s[0] & 0xf0) == 0xe0) {
        len = 3, code = s[0] & 0x0f, least = 0x800;
    } else if ((s[0] & 0xf8) == 0xf0) {
        len = 4, code = s[0] & 0x07, least = 0x10000;
    } else {
        return 1;
    }
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) /* the final NUL too */
            return 1;
        code = code << 6 | (s[i] & 0x3f);
    }
    /* Overlong forms, surrogates and what lies beyond Unicode are not UTF-8 (RFC 3629). */
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 1;
    *ret_code = code;
    return len;
}

bool ng_char_is_hostile(uint32_t code) {
    if (code >= 0x20 && code < 0x7f)
        return false;
    return code > 0x10ffff || in_ranges(hostile, ARRAY_SIZE(hostile), code);
}

unsigned ng_char_columns(uint32_t code) {
    if (code < 0x300)
        return 1;
    if (in_ranges(combining, ARRAY_SIZE(combining), code))
        return 0;
    return in_ranges(wide, ARRAY_SIZE(wide), code) ? 2 : 1;
}

size_t ng_text_columns(const char *text) {
    size_t columns = 0;

    while (*text) {
        uint32_t code;

        text += ng_char_decode(text, &code);
        columns += ng_char_columns(code);
    }
    return columns;
}

/* One character as it is printed: `piece` has room for the longest, \U0010ffff. */
static size_t escape_char(const char *text, size_t len, uint32_t code, char piece[static 16]) {
    if (code == NG_CHAR_INVALID)
        return (size_t)snprintf(piece, 16, "\\x%02x", (unsigned char)*text);
    if (!ng_char_is_hostile(code)) {
        memcpy(piece, text, len);
        return len;
    }
    if (code < 0x80)
        return (size_t)snprintf(piece, 16, "\\x%02x", code);
    return (size_t)snprintf(piece, 16, code > 0xffff ? "\\U%08x" : "\\u%04x", code);
}

size_t ng_escape(char *buffer, size_t size_bytes, const char *text) {
    size_t whole = 0, written = 0;
    bool full = size_bytes == 0;

    while (*text) {
        char piece[16];
        uint32_t code;
        size_t len = ng_char_decode(text, &code);
        size_t piece_len = escape_char(text, len, code, piece);

        if (!full && written + piece_len < size_bytes) {
            memcpy(buffer + written, piece, piece_len);
            written += piece_len;
        } else {
            full = true;
        }
        whole += piece_len;
        text += len;
    }
    if (size_bytes)
        buffer[written] = '\0';
    return whole;
}
