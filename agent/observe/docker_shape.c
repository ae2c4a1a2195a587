/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker_shape.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A tree takes up to fifty times the memory of its text. An honest /info has 20 KB, a
 * container 1.5 KB and 65 bytes more for each port it publishes. */
enum {
    DOCUMENT_BYTES = 1024 * 1024,
    ELEMENT_BYTES = 16 * 1024 * 1024,
    PLACE_BYTES = 160,
    FOUND_BYTES = 80,
};

/* -- errors -------------------------------------------------------------------------- */

/* "containers[3].Ports[0].PublicPort" into `text`, which starts out empty. */
static void describe_place(const struct place *at, char *text, size_t size_bytes) {
    if (at->up)
        describe_place(at->up, text, size_bytes);
    size_t len = strlen(text);
    if (at->key)
        snprintf(text + len, size_bytes - len, "%s%.64s", len ? "." : "", at->key);
    else
        snprintf(text + len, size_bytes - len, "[%zu]", at->index);
}

static void describe_found(const json_t *found, char *text, size_t size_bytes) {
    if (!found) {
        snprintf(text, size_bytes, "nothing");
        return;
    }
    switch (json_typeof(found)) {
    case JSON_OBJECT:
        snprintf(text, size_bytes, "an object");
        break;
    case JSON_ARRAY:
        snprintf(text, size_bytes, "an array");
        break;
    case JSON_STRING:
        snprintf(text, size_bytes, "the string \"%.40s\"", json_string_value(found));
        break;
    case JSON_INTEGER:
        snprintf(text, size_bytes, "the number %" JSON_INTEGER_FORMAT, json_integer_value(found));
        break;
    case JSON_REAL:
        snprintf(text, size_bytes, "a fraction");
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        snprintf(text, size_bytes, "a boolean");
        break;
    case JSON_NULL:
        snprintf(text, size_bytes, "null");
        break;
    }
}

int shape_wrong(const struct shape *shape, const struct place *at, const char *expected,
                const json_t *found) {
    char place_text[PLACE_BYTES] = "", found_text[FOUND_BYTES] = "";
    describe_place(at, place_text, sizeof(place_text));
    describe_found(found, found_text, sizeof(found_text));
    return ng_error_set(shape->error, -EPROTO, shape->body.source, "%s: %s: expected %s, found %s",
                        shape->body.request, place_text, expected, found_text);
}

static const char *type_name(json_type type) {
    return type == JSON_OBJECT ? "an object" : type == JSON_ARRAY ? "an array" : "a string";
}

/* Without jansson's own text: that quotes the answer, and the answer holds command lines. */
static int not_json(const struct shape *shape, const struct place *at, size_t offset,
                    const char *what) {
    char place_text[PLACE_BYTES] = "";
    describe_place(at, place_text, sizeof(place_text));
    return ng_error_set(shape->error, -EPROTO, shape->body.source, "%s: %s: %s at byte %zu",
                        shape->body.request, place_text, what, offset);
}

/* -- parsing ------------------------------------------------------------------------- */

/* jansson gives up on a whole text for one NUL in one key, and labels of an image are any
 * text: one image could blind netguard to its engine. Such an escape becomes that of U+FFFD,
 * which is as long. A duplicate key is no error either, for the same reason. */
static void replace_nul_escapes(char *bytes, size_t len_bytes) {
    static const char nul[] = "\\u0000", replacement[] = "\\ufffd";
    const size_t len = sizeof(nul) - 1;
    char *end = bytes + len_bytes;
    for (char *c = bytes; (c = memchr(c, '\\', (size_t)(end - c)));) {
        if ((size_t)(end - c) >= len && memcmp(c, nul, len) == 0)
            memcpy(c, replacement, len);
        if (end - c < 2)
            break;
        c += 2; /* the escaped character may be a backslash itself */
    }
}

/* One JSON value that starts at `offset`, and where it ends. */
static int parse(const struct shape *shape, const struct place *at, size_t offset, size_t max_bytes,
                 json_t **ret_value, size_t *ret_end) {
    size_t len = shape->body.len_bytes - offset;
    json_error_t cause;
    json_t *value = json_loadb(shape->body.bytes + offset, len < max_bytes ? len : max_bytes,
                               JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &cause);
    if (value) {
        *ret_value = value;
        *ret_end = offset + (size_t)cause.position;
        return 0;
    }
    size_t position = offset + (cause.position > 0 ? (size_t)cause.position : 0);
    enum json_error_code code = json_error_code(&cause);
    if (code == json_error_out_of_memory)
        return -ENOMEM;
    /* The limit may lie inside a character. */
    if (len > max_bytes &&
        (code == json_error_premature_end_of_input || code == json_error_invalid_utf8))
        return ng_error_set(shape->error, -E2BIG, shape->body.source,
                            "%s: a single object of more than %zu bytes: not read",
                            shape->body.request, max_bytes);
    return not_json(shape, at, position,
                    code == json_error_premature_end_of_input ? "the JSON is cut short"
                                                              : "no valid JSON");
}

static size_t skip_space(const struct shape *shape, size_t offset) {
    while (offset < shape->body.len_bytes && memchr(" \t\r\n", shape->body.bytes[offset], 4))
        offset++;
    return offset;
}

/* The byte at `offset`; a NUL, which no JSON has outside strings, at the end. */
static char peek(const struct shape *shape, size_t offset) {
    return offset < shape->body.len_bytes ? shape->body.bytes[offset] : '\0';
}

static int expect_end(const struct shape *shape, const struct place *at, size_t offset) {
    offset = skip_space(shape, offset);
    if (offset < shape->body.len_bytes)
        return not_json(shape, at, offset, "something follows the JSON");
    return 0;
}

int shape_document(const struct shape *shape, const struct place *at, json_t **ret_document) {
    json_t *document;
    size_t end;
    replace_nul_escapes(shape->body.bytes, shape->body.len_bytes);
    int r = parse(shape, at, 0, DOCUMENT_BYTES, &document, &end);
    if (r < 0)
        return r;
    r = expect_end(shape, at, end);
    if (r < 0) {
        json_decref(document);
        return r;
    }
    *ret_document = document;
    return 0;
}

/* Into the array: 1, or 0 for null. Anything else is parsed only to say what it is. */
static int list_begin(const struct shape *shape, const struct place *at, struct shape_list *list) {
    replace_nul_escapes(shape->body.bytes, shape->body.len_bytes);
    size_t offset = skip_space(shape, 0);
    if (peek(shape, offset) == '[') {
        list->offset = offset + 1;
        return 1;
    }
    json_t *document;
    int r = shape_document(shape, at, &document);
    if (r < 0)
        return r;
    if (!json_is_null(document))
        r = shape_wrong(shape, at, "an array", document);
    json_decref(document);
    return r;
}

/* To where the next element starts: 1, or 0 at the end of the list. */
static int list_step(const struct shape *shape, const struct place *at, struct shape_list *list) {
    size_t offset = skip_space(shape, list->offset);
    char c = peek(shape, offset);
    if (c == ']')
        return expect_end(shape, at, offset + 1);
    if (list->count > 0 && offset == shape->body.len_bytes)
        return not_json(shape, at, offset, "the JSON is cut short");
    if (list->count > 0 && c != ',')
        return not_json(shape, at, offset, "no valid JSON");
    list->offset = list->count > 0 ? offset + 1 : offset;
    return 1;
}

int shape_list_next(const struct shape *shape, const struct place *at, struct shape_list *list,
                    json_t **ret_element) {
    int r = list->offset ? 1 : list_begin(shape, at, list);
    if (r <= 0)
        return r;
    r = list_step(shape, at, list);
    if (r <= 0)
        return r;
    const struct place at_element = {at, NULL, list->count};
    r = parse(shape, &at_element, list->offset, ELEMENT_BYTES, ret_element, &list->offset);
    if (r < 0)
        return r;
    list->count++;
    return 1;
}

/* -- without copying ----------------------------------------------------------------- */

/* From the opening quote to behind the closing one. */
static int skip_string(const struct shape *shape, const struct place *at, size_t offset,
                       size_t *ret_end) {
    while (++offset < shape->body.len_bytes && shape->body.bytes[offset] != '"')
        if (shape->body.bytes[offset] == '\\')
            offset++;
    if (offset >= shape->body.len_bytes)
        return not_json(shape, at, shape->body.len_bytes, "the JSON is cut short");
    *ret_end = offset + 1;
    return 0;
}

/* Where the value that starts at `offset` ends. Of what is in it only strings and brackets
 * matter here: whoever wants it parses it, and the rest is nobody's. */
static int skip_value(const struct shape *shape, const struct place *at, size_t offset,
                      size_t *ret_end) {
    static const char behind_scalar[] = ",]} \t\r\n";
    const size_t start = offset;
    size_t depth = 0;
    do {
        char c = peek(shape, offset);
        int r = 0;
        if (offset >= shape->body.len_bytes)
            return not_json(shape, at, offset, "the JSON is cut short");
        if (c == '"')
            r = skip_string(shape, at, offset, &offset);
        else
            offset++;
        if (r < 0)
            return r;
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && depth > 0)
            depth--;
        else if (depth == 0 && c != '"') {
            if (memchr(behind_scalar, c, sizeof(behind_scalar)))
                return not_json(shape, at, start, "no valid JSON");
            while (offset < shape->body.len_bytes &&
                   !memchr(behind_scalar, shape->body.bytes[offset], sizeof(behind_scalar)))
                offset++;
        }
    } while (depth > 0);
    *ret_end = offset;
    return 0;
}

/* The part of the body from `start` to `end` as one of its own. */
static struct shape part_of(const struct shape *shape, size_t start, size_t end) {
    struct shape part = *shape;
    part.body.bytes += start;
    part.body.len_bytes = end - start;
    return part;
}

int shape_list_next_part(const struct shape *shape, const struct place *at, struct shape_list *list,
                         struct shape *ret_element) {
    int r = list->offset ? 1 : list_begin(shape, at, list);
    if (r <= 0)
        return r;
    r = list_step(shape, at, list);
    if (r <= 0)
        return r;
    size_t start = skip_space(shape, list->offset);
    r = skip_value(shape, &(struct place){at, NULL, list->count}, start, &list->offset);
    if (r < 0)
        return r;
    *ret_element = part_of(shape, start, list->offset);
    list->count++;
    return 1;
}

struct member {
    const char *key; /* as written, escapes and all */
    size_t key_len;
    size_t value, end; /* where its value starts and ends */
};

static int skip_member(const struct shape *shape, const struct place *at, size_t offset,
                       struct member *ret_member) {
    struct member member = {.key = shape->body.bytes + offset + 1};
    if (peek(shape, offset) != '"')
        return not_json(shape, at, offset, "no valid JSON");
    int r = skip_string(shape, at, offset, &member.end);
    if (r < 0)
        return r;
    member.key_len = member.end - offset - 2;
    offset = skip_space(shape, member.end);
    if (peek(shape, offset) != ':')
        return not_json(shape, at, offset, "no valid JSON");
    member.value = skip_space(shape, offset + 1);
    r = skip_value(shape, at, member.value, &member.end);
    if (r == 0)
        *ret_member = member;
    return r;
}

int shape_member_part(const struct shape *shape, const struct place *at, const char *key,
                      struct shape *ret_value) {
    struct member member = {0};
    size_t offset = skip_space(shape, 0);
    if (peek(shape, offset) != '{')
        return not_json(shape, at, offset, "no object");
    offset = skip_space(shape, offset + 1);
    while (peek(shape, offset) != '}') {
        int r = skip_member(shape, at, offset, &member);
        if (r < 0)
            return r;
        if (member.key_len == strlen(key) && memcmp(member.key, key, member.key_len) == 0) {
            *ret_value = part_of(shape, member.value, member.end);
            return peek(ret_value, 0) != 'n'; /* null */
        }
        offset = skip_space(shape, member.end);
        if (peek(shape, offset) == ',')
            offset = skip_space(shape, offset + 1);
        else if (peek(shape, offset) != '}')
            return not_json(shape, at, offset, "no valid JSON");
    }
    return 0;
}

int shape_member_document(const struct shape *shape, const struct place *at, const char *key,
                          json_type type, json_t **ret_document) {
    const struct place at_member = {at, key, 0};
    struct shape part;
    json_t *document = NULL;
    int r = shape_member_part(shape, at, key, &part);
    if (r > 0)
        r = shape_document(&part, &at_member, &document);
    if (r < 0)
        return r;
    if (document && json_typeof(document) != type) {
        r = shape_wrong(shape, &at_member, type_name(type), document);
        json_decref(document);
        return r;
    }
    *ret_document = document;
    return 0;
}

/* -- values -------------------------------------------------------------------------- */

const char *shape_copy(const struct shape *shape, const char *text, size_t len_bytes,
                       size_t max_bytes) {
    if (len_bytes > max_bytes) {
        len_bytes = max_bytes;
        while (len_bytes > 0 && ((unsigned char)text[len_bytes] & 0xc0) == 0x80)
            len_bytes--;
    }
    return ng_arena_strndup(shape->arena, text, len_bytes);
}

int shape_object(const struct shape *shape, const struct place *at, const json_t *value) {
    return json_is_object(value) ? 0 : shape_wrong(shape, at, "an object", value);
}

static bool is_absent(const json_t *value) {
    return !value || json_is_null(value);
}

int shape_member(const struct shape *shape, const struct place *at, const json_t *object,
                 const char *key, json_type type, const json_t **ret_value) {
    const json_t *value = json_object_get(object, key);
    if (is_absent(value))
        value = NULL;
    else if (json_typeof(value) != type)
        return shape_wrong(shape, &(struct place){at, key, 0}, type_name(type), value);
    *ret_value = value;
    return 0;
}

int shape_string(const struct shape *shape, const struct place *at, const json_t *object,
                 const char *key, size_t max_bytes, const char **ret_text) {
    const json_t *value = json_object_get(object, key);
    if (!is_absent(value) && !json_is_string(value))
        return shape_wrong(shape, &(struct place){at, key, 0}, "a string", value);
    const char *text = "";
    if (json_string_length(value) > 0) {
        text = shape_copy(shape, json_string_value(value), json_string_length(value), max_bytes);
        if (!text)
            return -ENOMEM;
    }
    *ret_text = text;
    return 0;
}

int shape_bool(const struct shape *shape, const struct place *at, const json_t *object,
               const char *key, bool *ret_value) {
    const json_t *value = json_object_get(object, key);
    if (!is_absent(value) && !json_is_boolean(value))
        return shape_wrong(shape, &(struct place){at, key, 0}, "true or false", value);
    *ret_value = json_is_true(value);
    return 0;
}

int shape_id(const struct shape *shape, const struct place *at, const json_t *object,
             const char *key, const char **ret_id) {
    const json_t *value = json_object_get(object, key);
    if (json_string_length(value) != 64 ||
        strspn(json_string_value(value), "0123456789abcdefABCDEF") != 64)
        return shape_wrong(shape, &(struct place){at, key, 0}, "64 hex digits", value);
    const char *id = shape_copy(shape, json_string_value(value), 64, 64);
    if (!id)
        return -ENOMEM;
    *ret_id = id;
    return 0;
}

int shape_port(const struct shape *shape, const struct place *at, const json_t *object,
               const char *key, uint16_t *ret_port) {
    const json_t *value = json_object_get(object, key);
    json_int_t number = json_integer_value(value);
    if (number < 1 || number > UINT16_MAX)
        return shape_wrong(shape, &(struct place){at, key, 0}, "a number 1..65535", value);
    *ret_port = (uint16_t)number;
    return 0;
}

int shape_proto(const struct shape *shape, const struct place *at, const json_t *object,
                const char *key, uint8_t *ret_proto) {
    const json_t *value = json_object_get(object, key);
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    if (strcmp(text, "tcp") == 0)
        *ret_proto = NG_TCP;
    else if (strcmp(text, "udp") == 0)
        *ret_proto = NG_UDP;
    else if (strcmp(text, "sctp") == 0)
        *ret_proto = NG_SCTP;
    else
        return shape_wrong(shape, &(struct place){at, key, 0}, "tcp, udp or sctp", value);
    return 0;
}

int shape_address(const struct shape *shape, const struct place *at, const json_t *object,
                  const char *key, uint8_t family, struct ng_addr *ret_addr) {
    const json_t *value = json_object_get(object, key);
    struct ng_addr addr = {0};
    bool absent = is_absent(value) || (json_is_string(value) && json_string_length(value) == 0);
    if (!absent && (!json_is_string(value) || ng_addr_parse(json_string_value(value), &addr) < 0 ||
                    (family && addr.family != family)))
        return shape_wrong(shape, &(struct place){at, key, 0},
                           family == NG_IP4   ? "an IPv4 address"
                           : family == NG_IP6 ? "an IPv6 address"
                                              : "an IP address",
                           value);
    *ret_addr = addr;
    return 0;
}

/* -- addresses in texts -------------------------------------------------------------- */

const char *shape_host_of(const char *text, size_t *ret_len) {
    if (text[0] == '[') {
        *ret_len = strcspn(text + 1, "]");
        return text + 1;
    }
    *ret_len = strcspn(text, ":/ \t\r\n");
    return text;
}

bool shape_parse_host(const char *host, size_t len, struct ng_addr *ret_addr) {
    char text[NG_ADDR_TEXT];
    if (len == strlen("localhost") && strncmp(host, "localhost", len) == 0) {
        host = "127.0.0.1";
        len = strlen(host);
    }
    const char *zone = memchr(host, '%', len);
    if (zone)
        len = (size_t)(zone - host);
    if (len >= sizeof(text))
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    return ng_addr_parse(text, ret_addr) == 0;
}
