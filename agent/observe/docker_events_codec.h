/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_OBSERVE_DOCKER_EVENTS_CODEC_H
#define NETGUARD_OBSERVE_DOCKER_EVENTS_CODEC_H

/* The stream of GET /events - one JSON object after another, cut anywhere - as plain data. Pure.
 *
 * Shapes are those of the Docker Engine API 1.24 to 1.52, and what Podman makes of them. Of an
 * event's attributes, which hold all labels of its container, two are read. */

#include "netguard/base.h"

/* What is asked for: all that is told apart below. Not so `exec_create` and its like, which are
 * many where containers have health checks, and whose action is a command line. The engine passes
 * over names that it does not know; "died" and "remove" are Podman's for "die" and "destroy". */
#define NG_DOCKER_EVENTS_FILTERS                                                                   \
    "{\"type\":[\"container\",\"network\",\"service\",\"node\",\"daemon\"],"                       \
    "\"event\":[\"create\",\"start\",\"die\",\"died\",\"destroy\",\"remove\",\"rename\","          \
    "\"update\",\"connect\",\"disconnect\",\"reload\"]}"

enum ng_docker_event_kind {
    NG_DOCKER_EVENT_UNCLEAR, /* one that could not be read: anything may have changed */
    NG_DOCKER_EVENT_CONTAINER_CREATE,
    NG_DOCKER_EVENT_CONTAINER_START,
    NG_DOCKER_EVENT_CONTAINER_DIE,
    NG_DOCKER_EVENT_CONTAINER_DESTROY,
    NG_DOCKER_EVENT_CONTAINER_RENAME,
    NG_DOCKER_EVENT_CONTAINER_UPDATE,
    NG_DOCKER_EVENT_NETWORK_CREATE,
    NG_DOCKER_EVENT_NETWORK_CONNECT,
    NG_DOCKER_EVENT_NETWORK_DISCONNECT,
    NG_DOCKER_EVENT_NETWORK_UPDATE, /* in a swarm */
    NG_DOCKER_EVENT_NETWORK_DESTROY,
    NG_DOCKER_EVENT_SERVICE,
    NG_DOCKER_EVENT_NODE,
    NG_DOCKER_EVENT_RELOAD, /* the engine has read its configuration again */
};

/* Every text is valid UTF-8 of at most 255 bytes, "" where it is not told. */
struct ng_docker_event {
    enum ng_docker_event_kind kind;
    const char *id;        /* of the container, network, service, … */
    const char *name;      /* of the same */
    const char *container; /* NETWORK_CONNECT, NETWORK_DISCONNECT: the id of whom */
};

struct ng_docker_stream;

/* `source` is the endpoint, for errors, and has to outlive the stream. 0 or -ENOMEM. */
int ng_docker_stream_new(const char *source, struct ng_docker_stream **ret_stream) _must_check_;
void ng_docker_stream_free(struct ng_docker_stream *stream);
void ng_docker_stream_freep(struct ng_docker_stream **stream);

/* The next bytes of the stream, which stay the caller's and have to last until
 * ng_docker_stream_next() gives 0: only then may more be fed. */
void ng_docker_stream_feed(struct ng_docker_stream *stream, const char *bytes, size_t len_bytes);

/* 1 and the next event that is one of the above, whose texts last until the next call; 0: more
 * bytes are needed. An object that is no event, or longer than any honest one (1 MiB), is UNCLEAR
 * and costs no more than its bytes: it must not be that a container's labels end the stream.
 * -EPROTO: something else than an object; there is no going on from there. -ENOMEM. */
int ng_docker_stream_next(struct ng_docker_stream *stream, struct ng_docker_event *ret_event,
                          struct ng_error *error) _must_check_;

#endif
