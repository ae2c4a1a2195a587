/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/guard_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int ng_guard_predict(const struct ng_nft_dump *dump, const struct ng_guard *guard,
                     struct ng_arena *arena, struct ng_nft_dump *ret_dump) {
    _cleanup_(ng_guard_writer_clear) struct ng_guard_writer writer = {.numbered = true};
    ng_guard_write(&writer, guard, 0);
    if (writer.error < 0)
        return writer.error;
    size_t room = MNL_ALIGN(dump->len_bytes) + writer.buffer.len_bytes;
    uint8_t *bytes = ng_arena_alloc(arena, room, 1);
    if (!bytes)
        return -ENOMEM;

    const struct nlmsghdr *message;
    size_t at = 0, len = 0;
    int r;
    while ((r = ng_guard_next_message(dump, &at, &message)) > 0) {
        if (ng_guard_has_message(message))
            continue;
        memcpy(bytes + len, message, message->nlmsg_len);
        len += MNL_ALIGN(message->nlmsg_len);
    }
    if (r < 0)
        return r;
    memcpy(bytes + len, writer.buffer.bytes, writer.buffer.len_bytes);
    *ret_dump = *dump;
    ret_dump->bytes = bytes;
    ret_dump->len_bytes = len + writer.buffer.len_bytes;
    return 0;
}
