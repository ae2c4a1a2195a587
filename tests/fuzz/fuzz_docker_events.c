/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as an engine's event stream, at once and in pieces whose sizes follow from the bytes:
 * it must not matter. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/observe/docker_events_codec.h"
#include "tests/fuzz/fuzz.h"

struct told {
    size_t count;
    uint64_t hash;
    int result;
};

static void require(bool condition) {
    if (!condition)
        abort();
}

static void add_text(struct told *told, const char *text) {
    require(text && strlen(text) <= 255);
    do
        told->hash = (told->hash ^ (uint8_t)*text) * 0x100000001b3u;
    while (*text++);
}

/* From memory of exactly that size. */
static int feed(struct ng_docker_stream *stream, const uint8_t *data, size_t size,
                struct told *told) {
    struct ng_docker_event event;
    struct ng_error error = {0};
    char *bytes = malloc(size ? size : 1);
    int r;
    require(bytes);
    if (size)
        memcpy(bytes, data, size);
    ng_docker_stream_feed(stream, bytes, size);
    while ((r = ng_docker_stream_next(stream, &event, &error)) > 0) {
        require(event.kind <= NG_DOCKER_EVENT_RELOAD);
        told->count++;
        told->hash += event.kind;
        add_text(told, event.id);
        add_text(told, event.name);
        add_text(told, event.container);
    }
    require(r == 0 || r == -EPROTO);
    require((r < 0) == (error.message[0] != '\0'));
    free(bytes);
    return r;
}

static struct told read_stream(const uint8_t *data, size_t size, bool in_pieces) {
    struct ng_docker_stream *stream;
    struct told told = {0};
    require(ng_docker_stream_new("unix:///fuzz", &stream) == 0);
    for (size_t at = 0; at < size && told.result == 0;) {
        size_t len = in_pieces ? 1 + (size_t)data[at] % 32 : size;
        if (len > size - at)
            len = size - at;
        told.result = feed(stream, data + at, len, &told);
        at += len;
    }
    ng_docker_stream_free(stream);
    return told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct told whole = read_stream(data, size, false), pieces = read_stream(data, size, true);
    require(whole.count == pieces.count && whole.hash == pieces.hash &&
            whole.result == pieces.result);
    return 0;
}
