/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/observe/base64.h"
#include "agent/observe/snapshot.h"
#include "agent/observe/snapshot_shape.h"
#include "agent/observe/world_sort.h"

#define SOURCE "snapshot"

/* Every value of a document takes some hundred bytes as a tree: this many are a host with some
 * 400,000 routes, and what memory they take is bounded too. */
#define VALUES_MAX ((size_t)4 << 20)

/* Longer than anything that is observed, short enough for whoever prints it. */
#define STRING_MAX_BYTES ((size_t)64 << 10)

/* A place in the document: member `key`, or element `index` where key is NULL, of `up`. */
struct place {
    const struct place *up;
    const char *key;
    size_t index;
};

struct reader {
    struct ng_arena *arena;
    struct ng_error *error;
};

static int read_object(struct reader *reader, const struct place *place,
                       const struct ng_snapshot_shape *shape, const json_t *json, uint8_t *object);

/* -- errors -------------------------------------------------------------------------- */

static size_t print_place(const struct place *place, char *buffer, size_t size) {
    size_t len = place->up ? print_place(place->up, buffer, size) : 0;
    int n;

    if (len >= size)
        return len;
    if (!place->up)
        n = snprintf(buffer + len, size - len, "$");
    else if (place->key)
        n = snprintf(buffer + len, size - len, ".%s", place->key);
    else
        n = snprintf(buffer + len, size - len, "[%zu]", place->index);
    return len + (size_t)n;
}

static int wrong(struct reader *reader, const struct place *place, const char *what) {
    char text[160];

    (void)print_place(place, text, sizeof(text));
    return ng_error_set(reader->error, -EINVAL, SOURCE, "%s: %s", text, what);
}

static const char *type_name(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "a whole number";
    case JSON_REAL:
        return "a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        break;
    }
    return "null";
}

static int expected(struct reader *reader, const struct place *place, const char *what,
                    const json_t *found) {
    char text[120];

    snprintf(text, sizeof(text), "expected %s, found %s", what, type_name(found));
    return wrong(reader, place, text);
}

static int no_memory(struct reader *reader) {
    return ng_error_set(reader->error, -ENOMEM, SOURCE, "out of memory");
}

/* -- values -------------------------------------------------------------------------- */

static int read_string(struct reader *reader, const struct place *place, const json_t *json,
                       uint8_t *at) {
    char *text;

    if (!json_is_string(json))
        return expected(reader, place, "a string", json);
    if (json_string_length(json) > STRING_MAX_BYTES)
        return wrong(reader, place, "a string of more than 64 KiB");
    text = ng_arena_strndup(reader->arena, json_string_value(json), json_string_length(json));
    if (!text)
        return no_memory(reader);
    memcpy(at, &text, sizeof(text));
    return 0;
}

/* A string that can only be `text`; `other` says what any other means. */
static int read_constant(struct reader *reader, const struct place *place, const json_t *json,
                         const char *text, const char *other) {
    if (!json_is_string(json))
        return expected(reader, place, "a string", json);
    return strcmp(json_string_value(json), text) == 0 ? 0 : wrong(reader, place, other);
}

/* The digits from `from` to `to`, or -1. */
static int digits(const char *text, size_t from, size_t to) {
    int value = 0;

    for (size_t i = from; i < to; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

/* "2026-01-31T12:00:00Z", the one form that is written; -1 for any other text. */
static int64_t parse_time(const char *text) {
    static const char shape[] = "0000-00-00T00:00:00Z";
    struct tm tm = {0}, normal;
    time_t seconds;

    if (strlen(text) != sizeof(shape) - 1)
        return -1;
    for (size_t i = 0; i < sizeof(shape) - 1; i++)
        if (shape[i] != '0' ? text[i] != shape[i] : digits(text, i, i + 1) < 0)
            return -1;
    tm.tm_year = digits(text, 0, 4) - 1900;
    tm.tm_mon = digits(text, 5, 7) - 1;
    tm.tm_mday = digits(text, 8, 10);
    tm.tm_hour = digits(text, 11, 13);
    tm.tm_min = digits(text, 14, 16);
    tm.tm_sec = digits(text, 17, 19);
    normal = tm;
    seconds = timegm(&normal);
    /* The 31st of February became a day of March: no such time. */
    if (normal.tm_mon != tm.tm_mon || normal.tm_mday != tm.tm_mday ||
        normal.tm_hour != tm.tm_hour || normal.tm_min != tm.tm_min || normal.tm_sec != tm.tm_sec)
        return -1;
    return seconds;
}

static int read_time(struct reader *reader, const struct place *place, const json_t *json,
                     uint8_t *at) {
    int64_t seconds = json_is_string(json) ? parse_time(json_string_value(json)) : -1;

    if (seconds < 0)
        return wrong(reader, place, "expected a time like 2026-01-31T12:00:00Z");
    memcpy(at, &seconds, sizeof(seconds));
    return 0;
}

static int read_bool(struct reader *reader, const struct place *place, const json_t *json,
                     uint8_t *at) {
    bool value = json_is_true(json);

    if (!json_is_boolean(json))
        return expected(reader, place, "true or false", json);
    memcpy(at, &value, sizeof(value));
    return 0;
}

static int read_number(struct reader *reader, const struct place *place, const json_t *json,
                       enum ng_snapshot_kind kind, uint8_t *at) {
    json_int_t max = kind == NG_SNAPSHOT_U8    ? UINT8_MAX
                     : kind == NG_SNAPSHOT_U16 ? UINT16_MAX
                                               : (json_int_t)UINT32_MAX;
    json_int_t value = json_integer_value(json);
    char text[80];

    if (!json_is_integer(json))
        return expected(reader, place, "a whole number", json);
    if (value < 0 || value > max) {
        snprintf(text, sizeof(text), "%lld is not between 0 and %lld", (long long)value,
                 (long long)max);
        return wrong(reader, place, text);
    }
    if (kind == NG_SNAPSHOT_U8) {
        *at = (uint8_t)value;
    } else if (kind == NG_SNAPSHOT_U16) {
        uint16_t u16 = (uint16_t)value;

        memcpy(at, &u16, sizeof(u16));
    } else {
        uint32_t u32 = (uint32_t)value;

        memcpy(at, &u32, sizeof(u32));
    }
    return 0;
}

static int read_addr(struct reader *reader, const struct place *place, const json_t *json,
                     uint8_t *at) {
    struct ng_addr addr;

    if (!json_is_string(json))
        return expected(reader, place, "an address", json);
    if (ng_addr_parse(json_string_value(json), &addr) < 0)
        return wrong(reader, place, "not an IPv4 or IPv6 address");
    memcpy(at, &addr, sizeof(addr));
    return 0;
}

/* One of some words, each of which stands for a number. */
static int read_word(struct reader *reader, const struct place *place, const json_t *json,
                     const char *const words[], const uint8_t values[], const char *what,
                     uint8_t *at) {
    for (size_t i = 0; json_is_string(json) && words[i]; i++) {
        if (strcmp(json_string_value(json), words[i]) == 0) {
            *at = values[i];
            return 0;
        }
    }
    return wrong(reader, place, what);
}

static int read_proto(struct reader *reader, const struct place *place, const json_t *json,
                      uint8_t *at) {
    static const char *const words[] = {"tcp", "udp", "sctp", NULL};
    static const uint8_t values[] = {NG_TCP, NG_UDP, NG_SCTP};

    return read_word(reader, place, json, words, values, "expected \"tcp\", \"udp\" or \"sctp\"",
                     at);
}

static int read_family(struct reader *reader, const struct place *place, const json_t *json,
                       uint8_t *at) {
    static const char *const words[] = {"ip", "ip6", NULL};
    static const uint8_t values[] = {NG_IP4, NG_IP6};

    return read_word(reader, place, json, words, values, "expected \"ip\" or \"ip6\"", at);
}

static int read_bytes(struct reader *reader, const struct place *place, const json_t *json,
                      uint8_t *at, uint8_t *count_at) {
    size_t len = json_string_length(json), len_bytes;
    uint8_t *bytes;

    if (!json_is_string(json))
        return expected(reader, place, "a string", json);
    bytes = ng_arena_alloc(reader->arena, len / 4, 3);
    if (!bytes)
        return no_memory(reader);
    if (ng_base64_decode(json_string_value(json), len, bytes, &len_bytes) < 0)
        return wrong(reader, place, "not base 64");
    memcpy(at, &bytes, sizeof(bytes));
    memcpy(count_at, &len_bytes, sizeof(len_bytes));
    return 0;
}

/* -- objects ------------------------------------------------------------------------- */

static int read_list(struct reader *reader, const struct place *place, const json_t *json,
                     const struct ng_snapshot_shape *shape, uint8_t *at, uint8_t *count_at) {
    size_t count = json_array_size(json);
    uint8_t *items;

    if (!json_is_array(json))
        return expected(reader, place, "an array", json);
    items = ng_arena_alloc(reader->arena, count, shape->size_bytes);
    if (!items)
        return no_memory(reader);
    for (size_t i = 0; i < count; i++) {
        const struct place element = {.up = place, .index = i};
        int r = read_object(reader, &element, shape, json_array_get(json, i),
                            items + i * shape->size_bytes);

        if (r < 0)
            return r;
    }
    memcpy(at, &items, sizeof(items));
    memcpy(count_at, &count, sizeof(count));
    return 0;
}

static int read_field(struct reader *reader, const struct place *place,
                      const struct ng_snapshot_field *field, const json_t *json, uint8_t *object) {
    uint8_t *at = object + field->offset;

    switch (field->kind) {
    case NG_SNAPSHOT_SCHEMA:
        return read_constant(reader, place, json, NG_SNAPSHOT_SCHEMA_TEXT,
                             "not " NG_SNAPSHOT_SCHEMA_TEXT
                             ": either not a snapshot or one of a later netguard");
    case NG_SNAPSHOT_BYTE_ORDER:
        return read_constant(reader, place, json, NG_SNAPSHOT_BYTE_ORDER_TEXT,
                             "taken on a machine of the other byte order; read it on such a one");
    case NG_SNAPSHOT_STRING_OR_NULL:
        if (json_is_null(json))
            return 0;
        return read_string(reader, place, json, at);
    case NG_SNAPSHOT_STRING:
        return read_string(reader, place, json, at);
    case NG_SNAPSHOT_TIME:
        return read_time(reader, place, json, at);
    case NG_SNAPSHOT_BOOL:
        return read_bool(reader, place, json, at);
    case NG_SNAPSHOT_U8:
    case NG_SNAPSHOT_U16:
    case NG_SNAPSHOT_U32:
        return read_number(reader, place, json, field->kind, at);
    case NG_SNAPSHOT_ADDR_OR_NULL:
        if (json_is_null(json))
            return 0;
        return read_addr(reader, place, json, at);
    case NG_SNAPSHOT_ADDR:
        return read_addr(reader, place, json, at);
    case NG_SNAPSHOT_PROTO:
        return read_proto(reader, place, json, at);
    case NG_SNAPSHOT_FAMILY:
        return read_family(reader, place, json, at);
    case NG_SNAPSHOT_BYTES:
        return read_bytes(reader, place, json, at, object + field->count_offset);
    case NG_SNAPSHOT_LIST:
        return read_list(reader, place, json, field->of, at, object + field->count_offset);
    case NG_SNAPSHOT_OBJECT:
        return read_object(reader, place, field->of, json, at);
    }
    return -EINVAL;
}

/* Into `object`, which is all zeroes. */
static int read_object(struct reader *reader, const struct place *place,
                       const struct ng_snapshot_shape *shape, const json_t *json, uint8_t *object) {
    const char *fault;

    if (!json_is_object(json))
        return expected(reader, place, "an object", json);
    for (const struct ng_snapshot_field *field = shape->fields; field->name; field++) {
        const struct place member = {.up = place, .key = field->name};
        const json_t *value = json_object_get(json, field->name);
        int r = value          ? read_field(reader, &member, field, value, object)
                : field->later ? 0
                               : wrong(reader, &member, "missing");

        if (r < 0)
            return r;
    }
    fault = shape->fault ? shape->fault(object) : NULL;
    return fault ? wrong(reader, place, fault) : 0;
}

/* -- the document -------------------------------------------------------------------- */

/* How many values the document has at most, before any memory is spent on them. */
static size_t count_values(const char *bytes, size_t len_bytes) {
    bool in_string = false;
    size_t count = 1;

    for (size_t i = 0; i < len_bytes; i++) {
        char c = bytes[i];

        if (c == '"')
            in_string = !in_string;
        else if (in_string && c == '\\')
            i++;
        else if (!in_string && (c == ',' || c == '[' || c == '{'))
            count++;
    }
    return count;
}

static int parse(const char *bytes, size_t len_bytes, json_t **ret_document,
                 struct ng_error *error) {
    json_error_t fault;
    json_t *document;

    if (len_bytes > NG_SNAPSHOT_LIMIT_BYTES)
        return ng_error_set(error, -E2BIG, SOURCE, "longer than %zu MiB",
                            NG_SNAPSHOT_LIMIT_BYTES >> 20);
    if (count_values(bytes, len_bytes) > VALUES_MAX)
        return ng_error_set(error, -E2BIG, SOURCE, "more than %zu values", VALUES_MAX);
    document = json_loadb(bytes, len_bytes, JSON_REJECT_DUPLICATES, &fault);
    if (!document && json_error_code(&fault) == json_error_out_of_memory)
        return ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    if (!document)
        return ng_error_set_at(error, -EINVAL, SOURCE, (unsigned)(fault.line > 0 ? fault.line : 0),
                               (unsigned)(fault.column > 0 ? fault.column : 0), "not JSON: %s",
                               fault.text);
    *ret_document = document;
    return 0;
}

static int build(const json_t *document, struct ng_world **ret_world, struct ng_error *error) {
    struct reader reader = {.arena = ng_arena_new(), .error = error};
    const struct place root = {0};
    struct ng_world *world;
    int r;

    if (!reader.arena)
        return no_memory(&reader);
    world = ng_arena_alloc(reader.arena, 1, sizeof(*world));
    r = world ? read_object(&reader, &root, &ng_snapshot_world, document, (uint8_t *)world)
              : no_memory(&reader);
    if (r == 0 && ng_world_sort(world) < 0)
        r = no_memory(&reader);
    if (r < 0) {
        ng_arena_free(reader.arena);
        return r;
    }
    world->arena = reader.arena;
    *ret_world = world;
    return 0;
}

int ng_snapshot_read(const char *bytes, size_t len_bytes, struct ng_world **ret_world,
                     struct ng_error *error) {
    json_t *document;
    int r = parse(bytes, len_bytes, &document, error);

    if (r < 0)
        return r;
    r = build(document, ret_world, error);
    json_decref(document);
    return r;
}
