/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_OBSERVE_DOCKER_CODEC_H
#define NETGUARD_OBSERVE_DOCKER_CODEC_H

/* The engine's JSON answers as plain data. Pure: bytes in, structures in an arena out.
 *
 * Shapes are those of the Docker Engine API 1.24 to 1.52 (GET /version, /info,
 * /containers/json, /networks, /services, /nodes, /networks/ID?verbose=true,
 * /containers/ID/json), and what Podman makes of them. What is read of a container or service is
 * what world.h holds and nothing else: its command line and environment are never kept, nor quoted
 * in an error.
 *
 * All return 0, -ENOMEM, -E2BIG (one object longer than any honest engine writes) or
 * -EPROTO with the place in the answer, as in
 * "GET /v1.41/containers/json: containers[3].Ports[0].PublicPort: expected a number
 * 1..65535, found a string". */

#include "netguard/world.h"

/* An answer. Decoding may rewrite `bytes` in place. */
struct ng_docker_body {
    const char *source;  /* the endpoint, for errors */
    const char *request; /* "GET /version", for errors */
    char *bytes;
    size_t len_bytes;
};

/* A version of the API: 1.41. */
struct ng_docker_api {
    unsigned major, minor;
};

struct ng_docker_version {
    const char *engine;          /* "20.10.24" */
    struct ng_docker_api newest; /* it speaks */
    struct ng_docker_api oldest; /* it still speaks */
    bool podman;
};

int ng_docker_decode_version(struct ng_arena *arena, struct ng_docker_body body,
                             struct ng_docker_version *ret_version,
                             struct ng_error *error) _must_check_;

/* The API version to speak with such an engine. -EPROTONOSUPPORT when it is too old. */
int ng_docker_negotiate(const struct ng_docker_version *version, const char *source,
                        struct ng_docker_api *ret_spoken, struct ng_error *error) _must_check_;

/* Sets what /info tells of an engine, and nothing on failure. */
int ng_docker_decode_info(struct ng_arena *arena, struct ng_docker_body body,
                          struct ng_engine *engine, struct ng_error *error) _must_check_;

/* `spoken` is the API version the list was asked for with: before 1.41 a wildcard address
 * means more (see docker_containers.c). The network mode is "" where it is not told, which is
 * then for ng_docker_decode_inspect to find out. */
int ng_docker_decode_containers(struct ng_arena *arena, struct ng_docker_body body,
                                struct ng_docker_api spoken, struct ng_container **ret_containers,
                                size_t *ret_count, struct ng_error *error) _must_check_;

/* Sets the mode and, where it is "container:<id>", whose network the container joined; `mode`
 * stays the caller's to keep. */
void ng_docker_set_network_mode(struct ng_container *container, const char *mode);

/* Adds to `container`, one of the sorted list, what only asking about it tells: links of
 * user-defined networks, its capabilities, and its network mode where that is "". */
int ng_docker_decode_inspect(struct ng_arena *arena, struct ng_docker_body body,
                             const struct ng_container *containers, size_t count,
                             struct ng_container *container, struct ng_error *error) _must_check_;

int ng_docker_decode_networks(struct ng_arena *arena, struct ng_docker_body body, bool podman,
                              const struct ng_network **ret_networks, size_t *ret_count,
                              struct ng_error *error) _must_check_;

/* Adds the network to the endpoints of the containers that are on it (/networks/ID), where their
 * list leaves it out: a swarm's tasks are on docker_gwbridge without being asked. */
int ng_docker_decode_members(struct ng_arena *arena, struct ng_docker_body body,
                             const struct ng_network *network, struct ng_container *containers,
                             size_t count, struct ng_error *error) _must_check_;

/* The services that have ports in ingress mode, and the nodes of the swarm. A manager tells them
 * each for themselves (/services, /nodes), any other node what its ingress network knows of them
 * (asked for with verbose=true): of a port no protocol, a service's stack only by its own tasks
 * among the engine's containers. Nodes are added to the engine's peers. Nothing is set on failure.
 */
int ng_docker_decode_services(struct ng_arena *arena, struct ng_docker_body body,
                              struct ng_engine *engine, struct ng_error *error) _must_check_;
int ng_docker_decode_nodes(struct ng_arena *arena, struct ng_docker_body body,
                           struct ng_engine *engine, struct ng_error *error) _must_check_;
int ng_docker_decode_ingress(struct ng_arena *arena, struct ng_docker_body body,
                             struct ng_engine *engine, struct ng_error *error) _must_check_;

/* Of an overlay network, asked with verbose=true: where this node and others have the ends of the
 * tunnels that it is made of. The others are added to the engine's peers. Nothing is set on
 * failure. */
int ng_docker_decode_overlay(struct ng_arena *arena, struct ng_docker_body body,
                             struct ng_engine *engine, struct ng_error *error) _must_check_;

/* What an error answer says, for people: its {"message": …}, else the first line of the
 * text; "" when it says nothing. Printable ASCII, never longer than `size_bytes`. */
void ng_docker_error_message(const char *bytes, size_t len_bytes, char *ret_message,
                             size_t size_bytes);

#endif
