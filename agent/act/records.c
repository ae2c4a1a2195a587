/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/records.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/act/directory.h"
#include "agent/print/json_writer.h"

#define SCHEMA "netguard.findings/1"
#define NAME   "findings.json"
#define BROKEN NAME ".broken"

enum {
    /* Some ten thousand findings, each with a message and a fix of some hundred bytes. */
    FILE_BYTES_MAX = 32 << 20,
    KEY_DIGITS = 16,
    TIME_BYTES = sizeof("2026-11-22T21:20:00Z"),
};

/* -- what a record consists of ------------------------------------------------------------- */

enum kind {
    KEY, /* 16 hex digits */
    TEXT,
    TEXT_OR_NULL,
    TEXT_IF_ANY, /* or null, or not there: the field is younger than the format */
    SEVERITY,
    ACTION,
    STATE,
    VERDICT,
    PROTO, /* 0 is null, */
    PORT,  /* and so it is of these */
    TIME,
    GONE, /* a truth value */
};

static const struct field {
    const char *name;
    enum kind kind;
    size_t offset;
} fields[] = {
    {"thing", KEY, offsetof(struct ng_record, thing)},
    {"key", KEY, offsetof(struct ng_record, key)},
    {"keys", TEXT, offsetof(struct ng_record, keys)},
    {"id", TEXT, offsetof(struct ng_record, id)},
    {"rule", TEXT, offsetof(struct ng_record, rule)},
    {"subject", TEXT, offsetof(struct ng_record, subject)},
    {"message", TEXT, offsetof(struct ng_record, message)},
    {"fix", TEXT, offsetof(struct ng_record, fix)},
    {"severity", SEVERITY, offsetof(struct ng_record, severity)},
    {"action", ACTION, offsetof(struct ng_record, action)},
    {"state", STATE, offsetof(struct ng_record, state)},
    {"verdict", VERDICT, offsetof(struct ng_record, verdict)},
    {"kind", TEXT_OR_NULL, offsetof(struct ng_record, kind)},
    {"proto", PROTO, offsetof(struct ng_record, proto)},
    {"host_port", PORT, offsetof(struct ng_record, host_port)},
    {"container_port", PORT, offsetof(struct ng_record, container_port)},
    {"container_id", TEXT_OR_NULL, offsetof(struct ng_record, container_id)},
    {"container_name", TEXT_OR_NULL, offsetof(struct ng_record, container_name)},
    {"image", TEXT_OR_NULL, offsetof(struct ng_record, image)},
    {"service", TEXT_OR_NULL, offsetof(struct ng_record, service)},
    {"engine", TEXT_IF_ANY, offsetof(struct ng_record, engine)},
    {"zones", TEXT, offsetof(struct ng_record, zones)},
    {"since", TIME, offsetof(struct ng_record, since_s)},
    {"told", TIME, offsetof(struct ng_record, told_s)},
    {"gone", GONE, offsetof(struct ng_record, gone_s)},
};

/* The word for the value `number` of an enumeration; NULL: it has none. */
static const char *word_of(enum kind kind, unsigned number) {
    switch (kind) {
    case SEVERITY:
        return number <= NG_CRITICAL ? ng_severity_text((enum ng_severity)number) : NULL;
    case ACTION:
        return number <= NG_BLOCK ? ng_action_text((enum ng_action)number) : NULL;
    case STATE:
        return number <= NG_EXCEPTED ? ng_finding_state_text((enum ng_finding_state)number) : NULL;
    case VERDICT:
        return number <= NG_UNKNOWN ? ng_reach_verdict_text((enum ng_reach_verdict)number) : NULL;
    default:
        return NULL;
    }
}

/* -- writing ------------------------------------------------------------------------------- */

static void put_field(struct ng_json *json, const struct field *field,
                      const struct ng_record *record) {
    const void *at = (const char *)record + field->offset;
    ng_json_key(json, field->name);
    switch (field->kind) {
    case KEY:
    case TEXT:
    case TEXT_OR_NULL:
    case TEXT_IF_ANY:
        ng_json_string_or_null(json, *(const char *const *)at);
        break;
    case SEVERITY:
    case ACTION:
    case STATE:
    case VERDICT:
        ng_json_string(json, word_of(field->kind, *(const unsigned *)at));
        break;
    case PROTO:
        ng_json_number_or_null(json, *(const uint8_t *)at);
        break;
    case PORT:
        ng_json_number_or_null(json, *(const uint16_t *)at);
        break;
    case TIME:
        ng_json_time(json, *(const int64_t *)at);
        break;
    case GONE:
        ng_json_bool(json, *(const int64_t *)at != 0);
        break;
    }
}

void ng_records_put(FILE *out, const struct ng_life *life) {
    struct ng_json json = {.out = out};
    ng_json_open(&json, '{');
    ng_json_key(&json, "schema");
    ng_json_string(&json, SCHEMA);
    ng_json_key(&json, "findings");
    ng_json_open(&json, '[');
    for (size_t i = 0; i < life->n_records; i++) {
        ng_json_open(&json, '{');
        for (size_t k = 0; k < ARRAY_SIZE(fields); k++)
            put_field(&json, &fields[k], &life->records[i]);
        ng_json_close(&json, '}');
    }
    ng_json_close(&json, ']');
    ng_json_close(&json, '}');
    putc('\n', out);
}

/* -- reading ------------------------------------------------------------------------------- */

struct reader {
    const char *source;
    struct ng_arena *arena;
    struct ng_error *error;
    size_t index; /* of the record that is read */
};

static int wrong(const struct reader *reader, const struct field *field, const char *expected) {
    return ng_error_set(reader->error, -EBADMSG, reader->source, "findings[%zu].%s: expected %s",
                        reader->index, field->name, expected);
}

static int read_text(const struct reader *reader, const struct field *field, const json_t *value,
                     const char **ret_text) {
    if (!json_is_string(value))
        return wrong(reader, field, "a text");
    const char *text = ng_arena_strdup(reader->arena, json_string_value(value));
    if (!text)
        return ng_error_set(reader->error, -ENOMEM, reader->source, "out of memory");
    *ret_text = text;
    return 0;
}

static int read_key(const struct reader *reader, const struct field *field, const json_t *value,
                    const char **ret_key) {
    const char *key = json_string_value(value);
    if (!key || json_string_length(value) != KEY_DIGITS ||
        strspn(key, "0123456789abcdef") != KEY_DIGITS)
        return wrong(reader, field, "16 hex digits");
    return read_text(reader, field, value, ret_key);
}

static int read_word(const struct reader *reader, const struct field *field, const json_t *value,
                     unsigned *ret_number) {
    const char *word = json_string_value(value), *known;
    for (unsigned i = 0; word && (known = word_of(field->kind, i)); i++)
        if (strcmp(word, known) == 0) {
            *ret_number = i;
            return 0;
        }
    return wrong(reader, field, "one of the words for it");
}

static int read_number(const struct reader *reader, const struct field *field, const json_t *value,
                       json_int_t most, json_int_t *ret_number) {
    const json_int_t number = json_integer_value(value); /* 0 of what is none */
    if (number < 1 || number > most)
        return wrong(reader, field, "a number in its range");
    *ret_number = number;
    return 0;
}

/* RFC 3339, UTC, as it is written: so no time is before 1970 or after 9999. */
static int read_time(const struct reader *reader, const struct field *field, const json_t *value,
                     int64_t *ret_time_s) {
    const char *text = json_string_value(value);
    struct tm time = {0};
    const char *end = text && json_string_length(value) == TIME_BYTES - 1
                          ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &time)
                          : NULL;
    int64_t time_s = end && !*end ? (int64_t)timegm(&time) : -1;
    if (time_s < 0)
        return wrong(reader, field, "a time like \"2026-11-22T21:20:00Z\"");
    *ret_time_s = time_s;
    return 0;
}

static int read_field(const struct reader *reader, const struct field *field, const json_t *value,
                      struct ng_record *record) {
    void *at = (char *)record + field->offset;
    json_int_t number = 0;
    int r = 0;
    switch (field->kind) {
    case KEY:
        return read_key(reader, field, value, at);
    case TEXT_OR_NULL:
    case TEXT_IF_ANY:
        return json_is_null(value) ? 0 : read_text(reader, field, value, at);
    case TEXT:
        return read_text(reader, field, value, at);
    case SEVERITY:
    case ACTION:
    case STATE:
    case VERDICT:
        return read_word(reader, field, value, at);
    case PROTO:
        r = json_is_null(value) ? 0 : read_number(reader, field, value, UINT8_MAX, &number);
        *(uint8_t *)at = (uint8_t)number;
        return r;
    case PORT:
        r = json_is_null(value) ? 0 : read_number(reader, field, value, UINT16_MAX, &number);
        *(uint16_t *)at = (uint16_t)number;
        return r;
    case TIME:
        return read_time(reader, field, value, at);
    case GONE:
        if (!json_is_boolean(value))
            return wrong(reader, field, "a truth value");
        *(int64_t *)at = json_is_true(value) ? NG_LIFE_GONE_BEFORE : 0;
        return 0;
    }
    return -EBADMSG;
}

static int read_records(struct reader *reader, const json_t *findings, struct ng_life *ret_life) {
    const size_t n = json_array_size(findings);
    struct ng_record *records = ng_arena_alloc(reader->arena, n, sizeof(*records));
    if (!records)
        return ng_error_set(reader->error, -ENOMEM, reader->source, "out of memory");
    for (size_t i = 0; i < n; i++) {
        reader->index = i;
        for (size_t k = 0; k < ARRAY_SIZE(fields); k++) {
            /* What is no object has no members. */
            const json_t *value = json_object_get(json_array_get(findings, i), fields[k].name);
            if (!value && fields[k].kind == TEXT_IF_ANY)
                continue;
            int r = value ? read_field(reader, &fields[k], value, &records[i])
                          : wrong(reader, &fields[k], "a value, found none");
            if (r < 0)
                return r;
        }
        if (i > 0 && strcmp(records[i - 1].thing, records[i].thing) >= 0)
            return wrong(reader, &fields[0], "more than that of the one before");
    }
    *ret_life = (struct ng_life){records, n};
    return 0;
}

int ng_records_parse(const char *source, const char *bytes, size_t len_bytes,
                     struct ng_arena *arena, struct ng_life *ret_life, struct ng_error *error) {
    struct reader reader = {.source = source, .arena = arena, .error = error};
    json_error_t fault;
    json_t *document = json_loadb(bytes, len_bytes, JSON_REJECT_DUPLICATES, &fault);
    if (!document && json_error_code(&fault) == json_error_out_of_memory)
        return ng_error_set(error, -ENOMEM, source, "out of memory");
    if (!document)
        return ng_error_set_at(error, -EBADMSG, source, fault.line > 0 ? (unsigned)fault.line : 1,
                               fault.column > 0 ? (unsigned)fault.column : 1, "%s", fault.text);
    const char *schema = json_string_value(json_object_get(document, "schema"));
    const json_t *findings = json_object_get(document, "findings");
    int r;
    if (!schema || strcmp(schema, SCHEMA) != 0)
        r = ng_error_set(error, -EBADMSG, source, "its schema is not \"" SCHEMA "\"");
    else if (!json_is_array(findings))
        r = ng_error_set(error, -EBADMSG, source, "findings: expected a list");
    else
        r = read_records(&reader, findings, ret_life);
    json_decref(document);
    return r;
}

/* -- the file ------------------------------------------------------------------------------ */

int ng_records_path(const char *name, char *buffer, size_t size, struct ng_error *error) {
    ng_directory_make(NG_DIRECTORY_STATE);
    return ng_directory_path(NG_DIRECTORY_STATE, name, buffer, size, error);
}

static void free_bytes(char **bytes) {
    free(*bytes);
}

/* -EBADMSG: what stands there is no file of ours. */
static int load(const char *path, int fd, char **ret_bytes, size_t *ret_len,
                struct ng_error *error) {
    struct stat status;
    if (fstat(fd, &status) < 0)
        return ng_error_set(error, -errno, path, "cannot be read: %s", strerror(errno));
    if (!S_ISREG(status.st_mode))
        return ng_error_set(error, -EBADMSG, path, "it is no regular file");
    if (status.st_size > FILE_BYTES_MAX)
        return ng_error_set(error, -EBADMSG, path, "it is larger than %d MiB",
                            FILE_BYTES_MAX >> 20);
    size_t size = (size_t)status.st_size, len = 0;
    _cleanup_(free_bytes) char *bytes = malloc(size + 1);
    if (!bytes)
        return ng_error_set(error, -ENOMEM, path, "out of memory");
    while (len < size) {
        ssize_t n = read(fd, bytes + len, size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ng_error_set(error, -errno, path, "cannot be read: %s", strerror(errno));
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *ret_bytes = TAKE_PTR(bytes);
    *ret_len = len;
    return 0;
}

static int read_file(const char *path, struct ng_arena *arena, struct ng_life *ret_life,
                     struct ng_error *error) {
    _cleanup_(free_bytes) char *bytes = NULL;
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return ng_error_set(error, -errno, path, "cannot be read: %s", strerror(errno));
    int r = load(path, fd, &bytes, &len, error);
    close(fd);
    return r < 0 ? r : ng_records_parse(path, bytes, len, arena, ret_life, error);
}

/* What was wrong, and what has become of it. */
static int move_aside(const char *path, const struct ng_error *fault, struct ng_error *error) {
    char aside[PATH_MAX];
    int r = ng_directory_path(NG_DIRECTORY_STATE, BROKEN, aside, sizeof(aside), error);
    if (r < 0)
        return r;
    bool moved = rename(path, aside) == 0;
    return ng_error_set_at(error, -EBADMSG, path, fault->line, fault->column,
                           "%s; %s, and what is found is told of anew", fault->message,
                           moved ? "it was moved to " BROKEN : "it cannot be moved aside");
}

int ng_records_read(struct ng_arena *arena, struct ng_life *ret_life, struct ng_error *error) {
    char path[PATH_MAX];
    struct ng_error fault = {0};
    *ret_life = (struct ng_life){0};
    int r = ng_records_path(NAME, path, sizeof(path), error);
    if (r < 0)
        return r;
    r = read_file(path, arena, ret_life, &fault);
    if (r == -EBADMSG)
        return move_aside(path, &fault, error);
    return r < 0 ? ng_error_set(error, r, fault.source, "%s", fault.message) : 0;
}

static void put_document(FILE *out, const void *document) {
    (void)!fputs(document, out);
}

int ng_records_write(const char *document, struct ng_error *error) {
    char path[PATH_MAX];
    int r = ng_records_path(NAME, path, sizeof(path), error);
    if (r < 0)
        return r;
    const struct ng_file file = {
        .path = path, .mode = 0600, .lasting = true, .put = put_document, .data = document};
    r = ng_file_replace(&file);
    return r < 0 ? ng_error_set(error, r, path, "cannot be written: %s", strerror(-r)) : 0;
}
