/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_BASE64_H
#define NETGUARD_AGENT_OBSERVE_BASE64_H

/* Base 64 of RFC 4648, section 4: the plain alphabet, padded, no line breaks. The decoder
 * takes the one canonical text of some bytes and no other. */

#include "netguard/base.h"

static inline size_t ng_base64_text_len(size_t len_bytes) {
    return (len_bytes + 2) / 3 * 4;
}

/* `text` has room for ng_base64_text_len(len_bytes) characters; no NUL is added. */
void ng_base64_encode(const uint8_t *bytes, size_t len_bytes, char *text);

/* `bytes` has room for len / 4 * 3 bytes. -EINVAL, with `bytes` spoilt, for any other text. */
int ng_base64_decode(const char *text, size_t len, uint8_t *bytes,
                     size_t *ret_len_bytes) _must_check_;

#endif
