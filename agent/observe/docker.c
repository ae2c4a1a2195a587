/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker.h"

#include "agent/observe/docker_codec.h"

#include <errno.h>
#include <stdio.h>

/* A request as messages name it, and the path in it, which follows "GET ". */
struct request {
    char text[64];
};

#define METHOD "GET "

static struct request request_for(struct ng_docker_api api, const char *path) {
    struct request request;
    snprintf(request.text, sizeof(request.text), METHOD "/v%u.%u%s", api.major, api.minor, path);
    return request;
}

/* An answer that is not 200 as an error that repeats what the engine says about it. */
static int refused(const char *endpoint, const char *request, const struct ng_docker_answer *answer,
                   struct ng_error *error) {
    char said[160];
    ng_docker_error_message(answer->bytes, answer->len_bytes, said, sizeof(said));
    if (!said[0])
        snprintf(said, sizeof(said), "it does not say why");
    if (answer->status == 401 || answer->status == 403)
        return ng_error_set(error, -EACCES, endpoint,
                            "the engine or a proxy before it refuses %s with HTTP %ld (%s): allow "
                            "GET on /version, /info, /containers and /networks",
                            request, answer->status, said);
    return ng_error_set(error, -EPROTO, endpoint, "the engine answered %s with HTTP %ld: %s",
                        request, answer->status, said);
}

/* The body belongs to `client` and lasts until the next request. */
static int fetch(struct ng_docker_client *client, const char *endpoint, const char *request,
                 struct ng_docker_body *ret_body, struct ng_error *error) {
    struct ng_docker_answer answer;
    int r = ng_docker_client_get(client, request + sizeof(METHOD) - 1, &answer, error);
    if (r < 0)
        return r;
    if (answer.status != 200)
        return refused(endpoint, request, &answer, error);
    *ret_body = (struct ng_docker_body){
        .source = endpoint,
        .request = request,
        .bytes = answer.bytes,
        .len_bytes = answer.len_bytes,
    };
    return 0;
}

/* /version rather than /_ping, because only it says which API version is the oldest spoken;
 * and without a version in the path, because that is what it is asked for. */
static int negotiate(struct ng_arena *arena, struct ng_docker_client *client,
                     struct ng_engine *engine, struct ng_docker_api *ret_api,
                     struct ng_error *error) {
    struct ng_docker_body body;
    struct ng_docker_version version;
    struct ng_docker_api api;
    int r = fetch(client, engine->endpoint, METHOD "/version", &body, error);
    if (r < 0)
        return r;
    r = ng_docker_decode_version(arena, body, &version, error);
    if (r < 0)
        return r;
    r = ng_docker_negotiate(&version, engine->endpoint, &api, error);
    if (r < 0)
        return r;

    engine->version = version.engine;
    engine->api_version = ng_arena_printf(arena, "%u.%u", api.major, api.minor);
    if (!engine->api_version)
        return -ENOMEM;
    *ret_api = api;
    return 0;
}

static int read_info(struct ng_arena *arena, struct ng_docker_client *client,
                     struct ng_docker_api api, struct ng_engine *engine, struct ng_error *error) {
    struct request request = request_for(api, "/info");
    struct ng_docker_body body;
    struct ng_docker_info info;
    int r = fetch(client, engine->endpoint, request.text, &body, error);
    if (r < 0)
        return r;
    r = ng_docker_decode_info(arena, body, &info, error);
    if (r < 0)
        return r;

    engine->name = info.name;
    engine->firewall_backend = info.firewall_backend;
    engine->swarm = info.swarm;
    engine->rootless = info.rootless;
    return 0;
}

/* The list says all that is needed of a container, so that none is asked about one by one.
 * What it leaves out are the links of user-defined networks, which change no reachability. */
static int read_containers(struct ng_arena *arena, struct ng_docker_client *client,
                           struct ng_docker_api api, struct ng_engine *engine,
                           struct ng_error *error) {
    struct request request = request_for(api, "/containers/json");
    struct ng_docker_body body;
    int r = fetch(client, engine->endpoint, request.text, &body, error);
    if (r < 0)
        return r;
    return ng_docker_decode_containers(arena, body, api, &engine->containers, &engine->n_containers,
                                       error);
}

static int read_networks(struct ng_arena *arena, struct ng_docker_client *client,
                         struct ng_docker_api api, struct ng_engine *engine,
                         struct ng_error *error) {
    struct request request = request_for(api, "/networks");
    struct ng_docker_body body;
    int r = fetch(client, engine->endpoint, request.text, &body, error);
    if (r < 0)
        return r;
    return ng_docker_decode_networks(arena, body, &engine->networks, &engine->n_networks, error);
}

static int observe(struct ng_arena *arena, struct ng_docker_client *client,
                   struct ng_engine *engine, struct ng_error *error) {
    struct ng_docker_api api;
    int r = negotiate(arena, client, engine, &api, error);
    if (r < 0)
        return r;
    r = read_info(arena, client, api, engine, error);
    if (r < 0)
        return r;
    r = read_containers(arena, client, api, engine, error);
    if (r < 0)
        return r;
    return read_networks(arena, client, api, engine, error);
}

int ng_docker_observe(struct ng_arena *arena, const char *endpoint,
                      const struct ng_docker_limits *limits, struct ng_engine *ret_engine,
                      struct ng_error *error) {
    static const struct ng_docker_limits usual = {
        .timeout_ms = NG_DOCKER_TIMEOUT_MS,
        .max_body_bytes = NG_DOCKER_BODY_BYTES,
    };
    _cleanup_(ng_docker_client_freep) struct ng_docker_client *client = NULL;
    int r = ng_docker_client_new(endpoint, limits ? limits : &usual, &client, error);
    if (r < 0)
        return r;

    struct ng_engine engine = {.endpoint = ng_arena_strdup(arena, endpoint)};
    r = engine.endpoint ? observe(arena, client, &engine, error) : -ENOMEM;
    if (r == -ENOMEM)
        return ng_error_set(error, r, endpoint, "out of memory while reading the engine's answers");
    if (r < 0)
        return r;
    *ret_engine = engine;
    return 0;
}
