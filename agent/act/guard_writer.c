/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/guard_parts.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 16 << 10 };

void ng_guard_writer_clear(struct ng_guard_writer *writer) {
    free(writer->buffer.bytes);
    *writer = (struct ng_guard_writer){0};
}

const char *ng_guard_table_of(const struct ng_guard_writer *writer) {
    return writer->table ? writer->table : NG_GUARD_TABLE_NAME;
}

static int make_room(struct ng_netlink_buffer *buffer, size_t len_bytes) {
    size_t capacity = buffer->capacity_bytes ? buffer->capacity_bytes : FIRST_BYTES;
    while (capacity - buffer->len_bytes < len_bytes)
        if (__builtin_mul_overflow(capacity, 2, &capacity))
            return -ENOMEM;
    if (capacity == buffer->capacity_bytes)
        return 0;
    uint8_t *bytes = realloc(buffer->bytes, capacity);
    if (!bytes)
        return -ENOMEM;
    buffer->bytes = bytes;
    buffer->capacity_bytes = capacity;
    return 0;
}

void *ng_guard_extend(struct ng_guard_writer *writer, size_t len_bytes) {
    struct ng_netlink_buffer *buffer = &writer->buffer;
    if (writer->error == 0)
        writer->error = make_room(buffer, len_bytes);
    if (writer->error < 0)
        return NULL;
    uint8_t *end = buffer->bytes + buffer->len_bytes;
    memset(end, 0, len_bytes);
    buffer->len_bytes += len_bytes;
    struct nlmsghdr *message = (struct nlmsghdr *)(void *)(buffer->bytes + writer->message);
    message->nlmsg_len = (uint32_t)(buffer->len_bytes - writer->message);
    return end;
}

void ng_guard_begin(struct ng_guard_writer *writer, uint16_t type, uint16_t flags) {
    size_t at = writer->buffer.len_bytes;
    if (writer->error == 0)
        writer->message = at;
    if (!ng_guard_extend(writer, NLMSG_HDRLEN + sizeof(struct nfgenmsg)))
        return;
    struct nlmsghdr *message = (struct nlmsghdr *)(void *)(writer->buffer.bytes + at);
    message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
    message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
    header->nfgen_family = NFPROTO_INET;
    header->version = NFNETLINK_V0;
}

void ng_guard_put(struct ng_guard_writer *writer, uint16_t type, const void *data,
                  size_t len_bytes) {
    if (len_bytes > UINT16_MAX - sizeof(struct nlattr)) {
        writer->error = writer->error ? writer->error : -E2BIG;
        return;
    }
    struct nlattr *attribute = ng_guard_extend(writer, MNL_ATTR_HDRLEN + MNL_ALIGN(len_bytes));
    if (!attribute)
        return;
    attribute->nla_type = type;
    attribute->nla_len = (uint16_t)(MNL_ATTR_HDRLEN + len_bytes);
    memcpy(mnl_attr_get_payload(attribute), data, len_bytes);
}

void ng_guard_put_text(struct ng_guard_writer *writer, uint16_t type, const char *text) {
    ng_guard_put(writer, type, text, strlen(text) + 1);
}

void ng_guard_put_be32(struct ng_guard_writer *writer, uint16_t type, uint32_t value) {
    value = htobe32(value);
    ng_guard_put(writer, type, &value, sizeof(value));
}

void ng_guard_put_be64(struct ng_guard_writer *writer, uint16_t type, uint64_t value) {
    value = htobe64(value);
    ng_guard_put(writer, type, &value, sizeof(value));
}

size_t ng_guard_nest(struct ng_guard_writer *writer, uint16_t type) {
    size_t at = writer->buffer.len_bytes;
    ng_guard_put(writer, (uint16_t)(type | NLA_F_NESTED), "", 0);
    return at;
}

void ng_guard_nest_end(struct ng_guard_writer *writer, size_t nest) {
    size_t len = writer->buffer.len_bytes - nest;
    if (writer->error < 0)
        return;
    if (len > UINT16_MAX) {
        writer->error = -E2BIG;
        return;
    }
    struct nlattr *attribute = (struct nlattr *)(void *)(writer->buffer.bytes + nest);
    attribute->nla_len = (uint16_t)len;
}
