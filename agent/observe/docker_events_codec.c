/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker_events_codec.h"

#include "agent/observe/docker_shape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_CAPACITY = 4096,
    OBJECT_BYTES = 1024 * 1024, /* all labels of a container are in each of its events */
    TEXT_BYTES = 255,
};

struct ng_docker_stream {
    const char *source;
    struct ng_arena *arena; /* the last event's texts */
    const char *next, *end; /* of what was fed: not yet read */
    char *object;           /* as much as there is of one */
    size_t len, capacity;
    size_t depth; /* of brackets; 0: between two objects */
    bool in_string, escaped;
    bool cut; /* the object's beginning was too long, and has been told of */
};

int ng_docker_stream_new(const char *source, struct ng_docker_stream **ret_stream) {
    _cleanup_(ng_docker_stream_freep) struct ng_docker_stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return -ENOMEM;
    stream->source = source;
    stream->arena = ng_arena_new();
    if (!stream->arena)
        return -ENOMEM;
    *ret_stream = TAKE_PTR(stream);
    return 0;
}

void ng_docker_stream_free(struct ng_docker_stream *stream) {
    if (!stream)
        return;
    ng_arena_free(stream->arena);
    free(stream->object);
    free(stream);
}

void ng_docker_stream_freep(struct ng_docker_stream **stream) {
    ng_docker_stream_free(*stream);
    *stream = NULL;
}

/* -- objects in the stream ----------------------------------------------------------- */

void ng_docker_stream_feed(struct ng_docker_stream *stream, const char *bytes, size_t len_bytes) {
    stream->next = bytes;
    stream->end = bytes + len_bytes;
}

static void skip_space(struct ng_docker_stream *stream) {
    while (stream->next < stream->end && memchr(" \t\r\n", *stream->next, 4))
        stream->next++;
}

/* Goes on to behind the object, if its end is there. Each byte is looked at once, wherever the
 * stream is cut; what stands between the brackets is for the decoder to see. */
static bool skip_object(struct ng_docker_stream *stream) {
    while (stream->next < stream->end) {
        char c = *stream->next++;
        if (stream->escaped)
            stream->escaped = false;
        else if (stream->in_string && c == '\\')
            stream->escaped = true;
        else if (c == '"')
            stream->in_string = !stream->in_string;
        else if (!stream->in_string && (c == '{' || c == '['))
            stream->depth++;
        else if (!stream->in_string && (c == '}' || c == ']') && --stream->depth == 0)
            return true;
    }
    return false;
}

static int append(struct ng_docker_stream *stream, const char *bytes, size_t len_bytes) {
    size_t want = stream->len + len_bytes;
    size_t capacity = stream->capacity ? stream->capacity : FIRST_CAPACITY;
    while (capacity < want)
        capacity *= 2;
    if (capacity > stream->capacity) {
        char *larger = realloc(stream->object, capacity);
        if (!larger)
            return -ENOMEM;
        stream->object = larger;
        stream->capacity = capacity;
    }
    memcpy(stream->object + stream->len, bytes, len_bytes);
    stream->len = want;
    return 0;
}

/* -- what they say ------------------------------------------------------------------- */

static const struct {
    const char *type, *action; /* NULL: any */
    enum ng_docker_event_kind kind;
} known[] = {
    {"container", "create", NG_DOCKER_EVENT_CONTAINER_CREATE},
    {"container", "start", NG_DOCKER_EVENT_CONTAINER_START},
    {"container", "die", NG_DOCKER_EVENT_CONTAINER_DIE},
    {"container", "died", NG_DOCKER_EVENT_CONTAINER_DIE},
    {"container", "destroy", NG_DOCKER_EVENT_CONTAINER_DESTROY},
    {"container", "remove", NG_DOCKER_EVENT_CONTAINER_DESTROY},
    {"container", "rename", NG_DOCKER_EVENT_CONTAINER_RENAME},
    {"container", "update", NG_DOCKER_EVENT_CONTAINER_UPDATE},
    {"network", "create", NG_DOCKER_EVENT_NETWORK_CREATE},
    {"network", "connect", NG_DOCKER_EVENT_NETWORK_CONNECT},
    {"network", "disconnect", NG_DOCKER_EVENT_NETWORK_DISCONNECT},
    {"network", "update", NG_DOCKER_EVENT_NETWORK_UPDATE},
    {"network", "destroy", NG_DOCKER_EVENT_NETWORK_DESTROY},
    {"network", "remove", NG_DOCKER_EVENT_NETWORK_DESTROY}, /* from a whole swarm */
    {"service", NULL, NG_DOCKER_EVENT_SERVICE},
    {"node", NULL, NG_DOCKER_EVENT_NODE},
    {"daemon", "reload", NG_DOCKER_EVENT_RELOAD},
};

static bool find_kind(const char *type, const char *action, enum ng_docker_event_kind *ret_kind) {
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (strcmp(known[i].type, type) != 0 ||
            (known[i].action && strcmp(known[i].action, action) != 0))
            continue;
        *ret_kind = known[i].kind;
        return true;
    }
    return false;
}

/* Leaves what stands at `ret_text` where it is missing. */
static int read_text(const struct shape *shape, const struct place *at, const char *key,
                     const char **ret_text) {
    json_t *value = NULL;
    int r = shape_member_document(shape, at, key, JSON_STRING, &value);
    if (r < 0 || !value)
        return r;
    const char *text =
        shape_copy(shape, json_string_value(value), json_string_length(value), TEXT_BYTES);
    json_decref(value);
    if (!text)
        return -ENOMEM;
    *ret_text = text;
    return 0;
}

static int read_actor(const struct shape *event_shape, const struct place *at,
                      struct ng_docker_event *event) {
    const struct place at_actor = {at, "Actor", 0}, at_attributes = {&at_actor, "Attributes", 0};
    struct shape actor, attributes;
    int r = shape_member_part(event_shape, at, "Actor", &actor);
    if (r <= 0)
        return r;
    r = read_text(&actor, &at_actor, "ID", &event->id);
    if (r < 0)
        return r;
    r = shape_member_part(&actor, &at_actor, "Attributes", &attributes);
    if (r <= 0)
        return r;
    r = read_text(&attributes, &at_attributes, "name", &event->name);
    if (r < 0 || (event->kind != NG_DOCKER_EVENT_NETWORK_CONNECT &&
                  event->kind != NG_DOCKER_EVENT_NETWORK_DISCONNECT))
        return r;
    return read_text(&attributes, &at_attributes, "container", &event->container);
}

static int unclear(struct ng_docker_event *ret_event) {
    *ret_event = (struct ng_docker_event){NG_DOCKER_EVENT_UNCLEAR, "", "", ""};
    return 1;
}

/* 1, or 0 where it is of no interest. */
static int decode(struct ng_docker_stream *stream, struct ng_docker_event *ret_event) {
    const struct place at = {NULL, "event", 0};
    const struct shape shape = {
        .arena = stream->arena,
        .body = {stream->source, "GET /events", stream->object, stream->len},
    };
    struct ng_docker_event event = {.id = "", .name = "", .container = ""};
    const char *type = "", *action = "";
    ng_arena_reset(stream->arena);
    int r = read_text(&shape, &at, "Type", &type);
    if (r == 0)
        r = read_text(&shape, &at, "Action", &action);
    if (r == 0 && type[0] && !find_kind(type, action, &event.kind))
        return 0;
    if (r == 0 && type[0])
        r = read_actor(&shape, &at, &event);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return unclear(ret_event);
    *ret_event = event;
    return 1;
}

int ng_docker_stream_next(struct ng_docker_stream *stream, struct ng_docker_event *ret_event,
                          struct ng_error *error) {
    for (;;) {
        if (stream->depth == 0)
            skip_space(stream);
        if (stream->next == stream->end)
            return 0;
        if (stream->depth == 0 && *stream->next != '{')
            return ng_error_set(error, -EPROTO, stream->source,
                                "the engine's event stream holds something else than events");
        const char *begin = stream->next;
        bool whole = skip_object(stream);
        size_t len = (size_t)(stream->next - begin);
        if (len > OBJECT_BYTES - stream->len) {
            stream->len = 0;
            stream->cut = !whole;
            return unclear(ret_event);
        }
        int r = append(stream, begin, len);
        if (r < 0)
            return r;
        if (!whole)
            return 0;
        r = stream->cut ? 0 : decode(stream, ret_event);
        stream->len = 0;
        stream->cut = false;
        if (r != 0)
            return r;
    }
}
