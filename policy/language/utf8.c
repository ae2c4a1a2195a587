/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bytes of a policy before any grammar: UTF-8, printable, and with line breaks that every
 * editor counts like we do. libyaml would find the same faults, but names no line. */
#include "policy/language/tree.h"

#include <errno.h>

/* Decodes one character of at most `len` bytes (RFC 3629: shortest form, no surrogates).
 * Its length in bytes, 0 when it is none. */
static size_t decode(const unsigned char *bytes, size_t len, uint32_t *ret_char) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = bytes[0];
    size_t need = lead < 0x80   ? 1
                  : lead < 0xc2 ? 0
                  : lead < 0xe0 ? 2
                  : lead < 0xf0 ? 3
                  : lead < 0xf5 ? 4
                                : 0;
    if (need == 0 || need > len)
        return 0;
    uint32_t c = need == 1 ? lead : lead & (0x7fu >> need);
    for (size_t i = 1; i < need; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (bytes[i] & 0x3fu);
    }
    if (c < least[need] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret_char = c;
    return need;
}

/* The printable set of YAML 1.2.2, chapter 5.1, less U+0085, U+2028 and U+2029: YAML 1.1, and
 * with it libyaml, takes them for line breaks, editors do not. */
static bool is_allowed(uint32_t c) {
    if (c < 0x20)
        return c == '\t' || c == '\n' || c == '\r';
    if (c < 0xa0)
        return c < 0x7f;
    return c != 0x2028 && c != 0x2029 && c != 0xfffe && c != 0xffff;
}

int ng_text_check(const struct ng_policy_text *text, struct ng_faults *faults) {
    const unsigned char *bytes = (const unsigned char *)text->bytes;
    unsigned line = 1, column = 1;

    for (size_t i = 0; i < text->len_bytes;) {
        uint32_t c;
        size_t len = decode(bytes + i, text->len_bytes - i, &c);
        if (len == 0)
            return ng_fault_add(faults, -EINVAL, text->name, line, column,
                                "this is not UTF-8 (byte 0x%02x); save the file as UTF-8",
                                bytes[i]);
        if (!is_allowed(c))
            return ng_fault_add(faults, -EINVAL, text->name, line, column,
                                "the invisible character U+%04X is not allowed in a policy", c);
        i += len;
        if (c == '\r' && (i == text->len_bytes || bytes[i] != '\n'))
            return ng_fault_add(faults, -EINVAL, text->name, line, column,
                                "a carriage return stands alone; save the file with Unix line "
                                "ends");
        line += c == '\n';
        column = c == '\n' ? 1 : column + 1;
    }
    return 0;
}
