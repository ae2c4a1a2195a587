/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/observe/base64.h"
#include "agent/observe/snapshot.h"
#include "agent/observe/snapshot_shape.h"

/* All of these return a new reference, or NULL when memory is out. */
static json_t *write_object(const struct ng_snapshot_shape *shape, const void *object);

static json_t *write_text(const char *text) {
    return text ? json_string(text) : json_null();
}

static json_t *write_addr(const uint8_t *at) {
    char text[NG_ADDR_TEXT];
    struct ng_addr addr;

    memcpy(&addr, at, sizeof(addr));
    return addr.family ? json_string(ng_addr_text(addr, text)) : json_null();
}

static json_t *write_time(const uint8_t *at) {
    char text[sizeof("1970-01-01T00:00:00Z")];
    int64_t seconds;
    time_t time_s;
    struct tm tm;

    memcpy(&seconds, at, sizeof(seconds));
    time_s = (time_t)(seconds < 0                      ? 0
                      : seconds > NG_SNAPSHOT_TIME_MAX ? NG_SNAPSHOT_TIME_MAX
                                                       : seconds);
    gmtime_r(&time_s, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_string(text);
}

static json_t *write_bytes(const uint8_t *at, size_t len_bytes) {
    size_t text_len = ng_base64_text_len(len_bytes);
    char *text = malloc(text_len + 1);
    json_t *value;
    void *bytes;

    if (!text)
        return NULL;
    memcpy(&bytes, at, sizeof(bytes));
    ng_base64_encode(bytes, len_bytes, text);
    value = json_stringn_nocheck(text, text_len);
    free(text);
    return value;
}

static json_t *write_list(const struct ng_snapshot_shape *shape, const uint8_t *at, size_t count) {
    json_t *list = json_array();
    const uint8_t *items;

    memcpy(&items, at, sizeof(items));
    for (size_t i = 0; list && i < count; i++) {
        if (json_array_append_new(list, write_object(shape, items + i * shape->size_bytes)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *write_number(const uint8_t *at, enum ng_snapshot_kind kind) {
    uint16_t u16;
    uint32_t u32;

    if (kind == NG_SNAPSHOT_U8)
        return json_integer(*at);
    if (kind == NG_SNAPSHOT_U16) {
        memcpy(&u16, at, sizeof(u16));
        return json_integer(u16);
    }
    memcpy(&u32, at, sizeof(u32));
    return json_integer(u32);
}

static const char *proto_text(uint8_t proto) {
    return proto == NG_TCP ? "tcp" : proto == NG_UDP ? "udp" : "sctp";
}

static json_t *write_field(const struct ng_snapshot_field *field, const uint8_t *object) {
    const uint8_t *at = object + field->offset;
    size_t count = 0;
    char *text;

    switch (field->kind) {
    case NG_SNAPSHOT_SCHEMA:
        return json_string(NG_SNAPSHOT_SCHEMA_TEXT);
    case NG_SNAPSHOT_BYTE_ORDER:
        return json_string(NG_SNAPSHOT_BYTE_ORDER_TEXT);
    case NG_SNAPSHOT_STRING:
    case NG_SNAPSHOT_STRING_OR_NULL:
        memcpy(&text, at, sizeof(text));
        return write_text(text);
    case NG_SNAPSHOT_TIME:
        return write_time(at);
    case NG_SNAPSHOT_BOOL:
        return json_boolean(*at);
    case NG_SNAPSHOT_U8:
    case NG_SNAPSHOT_U16:
    case NG_SNAPSHOT_U32:
        return write_number(at, field->kind);
    case NG_SNAPSHOT_ADDR:
    case NG_SNAPSHOT_ADDR_OR_NULL:
        return write_addr(at);
    case NG_SNAPSHOT_PROTO:
        return json_string(proto_text(*at));
    case NG_SNAPSHOT_FAMILY:
        return json_string(*at == NG_IP4 ? "ip" : "ip6");
    case NG_SNAPSHOT_BYTES:
        memcpy(&count, object + field->count_offset, sizeof(count));
        return write_bytes(at, count);
    case NG_SNAPSHOT_LIST:
        memcpy(&count, object + field->count_offset, sizeof(count));
        return write_list(field->of, at, count);
    case NG_SNAPSHOT_OBJECT:
        return write_object(field->of, at);
    }
    return NULL;
}

static json_t *write_object(const struct ng_snapshot_shape *shape, const void *object) {
    json_t *json = json_object();

    for (const struct ng_snapshot_field *field = shape->fields; json && field->name; field++) {
        if (json_object_set_new_nocheck(json, field->name, write_field(field, object)) < 0) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

static int put(const char *text, size_t len, void *out) {
    return fwrite(text, 1, len, out) == len ? 0 : -1;
}

int ng_snapshot_write(const struct ng_world *world, FILE *out, struct ng_error *error) {
    json_t *document = write_object(&ng_snapshot_world, world);
    int r;

    if (!document)
        return ng_error_set(error, -ENOMEM, "snapshot", "out of memory");
    /* In ASCII alone, so that no name in it does anything to a terminal. */
    r = json_dump_callback(document, put, out, JSON_INDENT(1) | JSON_ENSURE_ASCII);
    json_decref(document);
    if (r < 0 || fputc('\n', out) == EOF)
        return ng_error_set(error, -EIO, "snapshot", "cannot write the snapshot");
    return 0;
}
