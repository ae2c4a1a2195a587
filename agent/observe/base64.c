/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/base64.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void ng_base64_encode(const uint8_t *bytes, size_t len_bytes, char *text) {
    while (len_bytes > 0) {
        size_t n = len_bytes < 3 ? len_bytes : 3;
        uint32_t group = (uint32_t)bytes[0] << 16;

        if (n > 1)
            group |= (uint32_t)bytes[1] << 8;
        if (n > 2)
            group |= bytes[2];
        *text++ = alphabet[group >> 18];
        *text++ = alphabet[group >> 12 & 63];
        *text++ = n > 1 ? alphabet[group >> 6 & 63] : '=';
        *text++ = n > 2 ? alphabet[group & 63] : '=';
        bytes += n;
        len_bytes -= n;
    }
}

static int digit(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

int ng_base64_decode(const char *text, size_t len, uint8_t *bytes, size_t *ret_len_bytes) {
    size_t padding = 0, n = 0;

    if (len % 4 != 0)
        return -EINVAL;
    while (padding < 2 && len > 0 && text[len - 1 - padding] == '=')
        padding++;

    for (size_t i = 0; i < len; i += 4) {
        size_t digits = i + 4 == len ? 4 - padding : 4;
        uint32_t group = 0;

        for (size_t k = 0; k < 4; k++) {
            int value = k < digits ? digit(text[i + k]) : 0;

            if (value < 0)
                return -EINVAL;
            group = group << 6 | (uint32_t)value;
        }
        /* Bits that a padded group has no byte for must be zero. */
        if (group & (digits == 2 ? 0xffffu : digits == 3 ? 0xffu : 0))
            return -EINVAL;
        for (size_t k = 0; k + 1 < digits; k++)
            bytes[n++] = (uint8_t)(group >> (16 - 8 * k));
    }
    *ret_len_bytes = n;
    return 0;
}
