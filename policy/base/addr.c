/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

ng_u128 ng_family_max(uint8_t family) {
    return family == NG_IP4 ? UINT32_MAX : ~(ng_u128)0;
}

ng_u128 ng_prefix_mask(uint8_t family, unsigned len) {
    unsigned bits = ng_family_bits(family);
    if (len == 0)
        return 0;
    ng_u128 max = ng_family_max(family);
    return len >= bits ? max : max ^ (max >> len);
}

struct ng_addr ng_addr_from_wire(const void *wire, size_t len_bytes) {
    const uint8_t *bytes = wire;
    struct ng_addr addr = {.family = len_bytes == 4 ? NG_IP4 : NG_IP6};
    for (size_t i = 0; i < len_bytes; i++)
        addr.value = addr.value << 8 | bytes[i];
    return addr;
}

static void to_wire(struct ng_addr addr, uint8_t wire[static 16]) {
    size_t len = addr.family == NG_IP4 ? 4 : 16;
    for (size_t i = len; i-- > 0; addr.value >>= 8)
        wire[i] = (uint8_t)addr.value;
}

int ng_addr_parse(const char *text, struct ng_addr *ret_addr) {
    uint8_t wire[16];
    if (inet_pton(AF_INET, text, wire) == 1)
        *ret_addr = ng_addr_from_wire(wire, 4);
    else if (inet_pton(AF_INET6, text, wire) == 1)
        *ret_addr = ng_addr_from_wire(wire, 16);
    else
        return -EINVAL;
    return 0;
}

int ng_prefix_parse(const char *text, struct ng_addr *ret_addr, unsigned *ret_len) {
    char part[NG_ADDR_TEXT];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof(part))
        return -EINVAL;
    memcpy(part, text, len);
    part[len] = '\0';

    struct ng_addr addr;
    int r = ng_addr_parse(part, &addr);
    if (r < 0)
        return r;

    unsigned prefix_len = ng_family_bits(addr.family);
    if (slash) {
        /* Digits only, no sign, no leading zero: "/024" is somebody's mistake. */
        const char *digit = slash + 1;
        if (!*digit || (digit[0] == '0' && digit[1]) || strlen(digit) > 3)
            return -EINVAL;
        unsigned value = 0;
        for (; *digit; digit++) {
            if (*digit < '0' || *digit > '9')
                return -EINVAL;
            value = value * 10 + (unsigned)(*digit - '0');
        }
        if (value > prefix_len)
            return -EINVAL;
        prefix_len = value;
    }
    if (addr.value & ~ng_prefix_mask(addr.family, prefix_len))
        return -ERANGE;
    *ret_addr = addr;
    *ret_len = prefix_len;
    return 0;
}

/* Nearly all addresses that are printed are these, and inet_ntop takes its time. */
static const char *text4(uint32_t value, char buffer[static NG_ADDR_TEXT]) {
    char *end = buffer;
    for (unsigned shift = 24;; shift -= 8) {
        end = ng_put_decimal(end, value >> shift & 0xff);
        *end++ = shift ? '.' : '\0';
        if (!shift)
            return buffer;
    }
}

const char *ng_addr_text(struct ng_addr addr, char buffer[static NG_ADDR_TEXT]) {
    if (addr.family == NG_IP4)
        return text4((uint32_t)addr.value, buffer);
    uint8_t wire[16];
    to_wire(addr, wire);
    /* RFC 5952 section 5 asks for dotted quads where a well-known prefix embeds IPv4, which
     * inet_ntop does for ::ffff:0:0/96, but it does so for the deprecated ::/96 as well. */
    bool compatible = addr.value >> 32 == 0 && addr.value > UINT16_MAX;
    if (compatible)
        snprintf(buffer, NG_ADDR_TEXT, "::%x:%x", (unsigned)(addr.value >> 16 & 0xffff),
                 (unsigned)(addr.value & 0xffff));
    else
        inet_ntop(AF_INET6, wire, buffer, NG_ADDR_TEXT);
    return buffer;
}

const char *ng_prefix_text(struct ng_addr addr, unsigned len, char buffer[static NG_ADDR_TEXT]) {
    ng_addr_text(addr, buffer);
    char *end = buffer + strlen(buffer);
    *end++ = '/';
    *ng_put_decimal(end, len) = '\0';
    return buffer;
}

bool ng_addr_is_loopback(struct ng_addr a) {
    return a.family == NG_IP4 ? a.value >> 24 == 127 : a.family == NG_IP6 && a.value == 1;
}
