/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_OBSERVE_DOCKER_CLIENT_H
#define NETGUARD_OBSERVE_DOCKER_CLIENT_H

/* Bytes from an engine's HTTP socket, over connections that are kept: one for requests that come
 * one by one, a few for those that are asked together. Knows nothing of what the bytes mean: that
 * is docker_codec. */

#include "netguard/base.h"

struct ng_docker_limits {
    unsigned timeout_ms;   /* for everything that is asked of one engine together */
    size_t max_body_bytes; /* of one answer */
    struct ng_docker_connections *connections; /* kept for the next client, or NULL */
};

/* For one who asks an engine again and again, by one client at a time: connections outlive it, and
 * none is made to an engine that is stopped, for systemd would start it. */
struct ng_docker_connections;

int ng_docker_connections_new(struct ng_docker_connections **ret_connections) _must_check_;
void ng_docker_connections_free(struct ng_docker_connections *connections); /* NULL-safe */

#define NG_DOCKER_TIMEOUT_MS 10000
#define NG_DOCKER_BODY_BYTES ((size_t)32 * 1024 * 1024)

/* Is this the address of an engine, "unix:///path" or "tcp://host:port"? -EINVAL when not. */
int ng_docker_endpoint_check(const char *endpoint, struct ng_error *error) _must_check_;

struct ng_docker_client;

struct ng_docker_answer {
    long status; /* HTTP: 200, 404, … */
    char *bytes; /* the client's until it asks again; may be written to; not NUL-terminated */
    size_t len_bytes;
};

/* `limits` must not be NULL. The time allowed starts to run here; nothing is connected yet.
 * -EINVAL as ng_docker_endpoint_check. */
int ng_docker_client_new(const char *endpoint, const struct ng_docker_limits *limits,
                         struct ng_docker_client **ret_client, struct ng_error *error) _must_check_;
void ng_docker_client_free(struct ng_docker_client *client);
void ng_docker_client_freep(struct ng_docker_client **client);

/* GET `path` ("/version"). Any HTTP answer is a success, whatever its status. One cut short is
 * none where HTTP shows it; where it does not (no length given, or the cut is in the header)
 * what arrived is not whole JSON, which is for the codec to see.
 * Errors as ng_docker_list (docker.h) lists them. */
int ng_docker_client_get(struct ng_docker_client *client, const char *path,
                         struct ng_docker_answer *ret_answer, struct ng_error *error) _must_check_;

/* The same for several paths at a time: ask while it is not full, then take an answer, in whatever
 * order they come. Whatever ng_docker_client_take returns but -ENOMEM, `ret_tag` is set to the tag
 * of the question; it must not be called with no question open. */
bool ng_docker_client_is_full(const struct ng_docker_client *client);
int ng_docker_client_ask(struct ng_docker_client *client, const char *path, size_t tag,
                         struct ng_error *error) _must_check_;
int ng_docker_client_take(struct ng_docker_client *client, size_t *ret_tag,
                          struct ng_docker_answer *ret_answer, struct ng_error *error) _must_check_;

/* What is asked from now on has to be answered within this time, if not sooner already. */
void ng_docker_client_hurry(struct ng_docker_client *client, unsigned within_ms);

#endif
