/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker.h"

#include "agent/observe/docker_codec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For what the lists leave open and no verdict depends on: one container whose state is locked
 * in the engine must not make everybody wait. An engine answers in half a millisecond. */
#define DETAILS_MS 2000
#define EACH_MS    2

/* A request as messages name it, and the path in it, which follows "GET ". */
struct request {
    char text[128];
};

#define METHOD "GET "

/* "/networks/", "<id>", "?verbose=true" */
static struct request request_about(struct ng_docker_api api, const char *path, const char *id,
                                    const char *rest) {
    struct request request;
    snprintf(request.text, sizeof(request.text), METHOD "/v%u.%u%s%s%s", api.major, api.minor, path,
             id, rest);
    return request;
}

static struct request request_for(struct ng_docker_api api, const char *path) {
    return request_about(api, path, "", "");
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

/* The answer as a body to decode, if it is one. */
static int body_of(const char *endpoint, const char *request, const struct ng_docker_answer *answer,
                   struct ng_docker_body *ret_body, struct ng_error *error) {
    if (answer->status != 200)
        return refused(endpoint, request, answer, error);
    *ret_body = (struct ng_docker_body){
        .source = endpoint,
        .request = request,
        .bytes = answer->bytes,
        .len_bytes = answer->len_bytes,
    };
    return 0;
}

/* The body belongs to `client` and lasts until the next request. */
static int fetch(struct ng_docker_client *client, const char *endpoint, const char *request,
                 struct ng_docker_body *ret_body, struct ng_error *error) {
    struct ng_docker_answer answer;
    int r = ng_docker_client_get(client, request + sizeof(METHOD) - 1, &answer, error);
    return r < 0 ? r : body_of(endpoint, request, &answer, ret_body, error);
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
    engine->podman = version.podman;
    engine->api_version = ng_arena_printf(arena, "%u.%u", api.major, api.minor);
    if (!engine->api_version)
        return -ENOMEM;
    *ret_api = api;
    return 0;
}

/* -- what the lists leave open ------------------------------------------------------- */

enum subject {
    SUBJECT_CONTAINER,
    SUBJECT_SERVICES, /* and on a worker what it knows of the swarm's nodes */
    SUBJECT_NODES,
    SUBJECT_GATEWAY, /* who is on docker_gwbridge */
    SUBJECT_OVERLAY, /* where tunnels between nodes end */
    SUBJECTS,
};

enum {
    JOINED_MAX = 8, /* networks of others, one after the other; an engine begins no circle */
};

struct detail {
    enum subject subject;
    struct ng_container *container;
};

struct details {
    struct ng_arena *arena;
    struct ng_docker_api api;
    struct ng_engine *engine;
    struct ng_container *containers;  /* the engine's */
    const char *ingress;              /* id of a worker's ingress network, NULL: not asked about */
    const struct ng_network *gateway; /* a swarm's docker_gwbridge */
    const struct ng_network *overlay; /* that is asked about, NULL: none */
    struct detail *about;             /* what is asked */
    size_t count;
    bool capabilities; /* of every container */
    bool needed;       /* a verdict depends on one of them */
};

/* The list does not tell the links of user-defined networks. */
static bool may_have_untold_links(const struct ng_container *container) {
    static const char *const without[] = {"bridge", "host", "none"};
    for (size_t i = 0; i < container->n_endpoints; i++) {
        bool user_defined = true;
        for (size_t k = 0; k < ARRAY_SIZE(without); k++)
            if (strcmp(container->endpoints[i].network, without[k]) == 0)
                user_defined = false;
        if (user_defined)
            return true;
    }
    return false;
}

static const struct ng_container *find_container(const struct ng_engine *engine, const char *id) {
    for (size_t i = 0; i < engine->n_containers; i++)
        if (strcmp(engine->containers[i].id, id) == 0)
            return &engine->containers[i];
    return NULL;
}

/* Itself, or because it joined such a container's network, or one's that did. */
static bool is_on_host(const struct ng_engine *engine, const struct ng_container *container) {
    for (int i = 0; container && i < JOINED_MAX; i++) {
        if (!container->network_of)
            return strcmp(container->network_mode, "host") == 0;
        container = find_container(engine, container->network_of);
    }
    return false;
}

/* An id that can stand in a path. */
static bool is_plain_id(const char *id) {
    static const char digits[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    return strlen(id) <= 64 && strspn(id, digits) == strlen(id);
}

static const struct ng_network *find_network(const struct ng_engine *engine, bool ingress) {
    for (size_t i = 0; i < engine->n_networks; i++) {
        const struct ng_network *network = &engine->networks[i];
        bool wanted = ingress ? network->ingress : strcmp(network->name, "docker_gwbridge") == 0;
        if (wanted && is_plain_id(network->id))
            return network;
    }
    return NULL;
}

/* Every one that containers here are on tells the same, the ingress network too. */
static const struct ng_network *find_overlay(const struct ng_engine *engine) {
    for (size_t i = 0; i < engine->n_networks; i++)
        if (ng_network_is_overlay(&engine->networks[i]) && is_plain_id(engine->networks[i].id) &&
            ng_network_in_use(engine, &engine->networks[i]))
            return &engine->networks[i];
    return NULL;
}

static void ask_about(struct details *details, enum subject subject,
                      struct ng_container *container) {
    details->about[details->count++] = (struct detail){subject, container};
}

static void choose_details(struct details *details) {
    const struct ng_engine *engine = details->engine;
    const struct ng_network *ingress =
        engine->swarm && !engine->manager ? find_network(engine, true) : NULL;
    details->ingress = ingress ? ingress->id : NULL;
    details->gateway = engine->swarm ? find_network(engine, false) : NULL;
    bool told = ingress && ng_network_in_use(engine, ingress);
    details->overlay = engine->swarm && !told ? find_overlay(engine) : NULL;
    if (engine->manager || ingress)
        ask_about(details, SUBJECT_SERVICES, NULL);
    if (engine->manager)
        ask_about(details, SUBJECT_NODES, NULL);
    if (details->gateway)
        ask_about(details, SUBJECT_GATEWAY, NULL);
    if (details->overlay)
        ask_about(details, SUBJECT_OVERLAY, NULL);
    for (size_t i = 0; i < engine->n_containers; i++) {
        struct ng_container *container = &details->containers[i];
        if (!container->network_mode[0])
            details->needed = true;
        else if (!details->capabilities && !is_on_host(engine, container) &&
                 !may_have_untold_links(container))
            continue;
        ask_about(details, SUBJECT_CONTAINER, container);
    }
}

static struct request detail_request(const struct details *details, const struct detail *detail) {
    if (detail->subject == SUBJECT_CONTAINER)
        return request_about(details->api, "/containers/", detail->container->id, "/json");
    if (detail->subject == SUBJECT_GATEWAY)
        return request_about(details->api, "/networks/", details->gateway->id, "");
    if (detail->subject == SUBJECT_OVERLAY)
        return request_about(details->api, "/networks/", details->overlay->id, "?verbose=true");
    if (detail->subject == SUBJECT_NODES)
        return request_for(details->api, "/nodes");
    if (details->ingress)
        return request_about(details->api, "/networks/", details->ingress, "?verbose=true");
    return request_for(details->api, "/services");
}

static int decode_detail(const struct details *details, struct ng_docker_body body,
                         const struct detail *detail, struct ng_error *error) {
    struct ng_engine *engine = details->engine;
    if (detail->subject == SUBJECT_CONTAINER)
        return ng_docker_decode_inspect(details->arena, body, details->containers,
                                        engine->n_containers, detail->container, error);
    if (detail->subject == SUBJECT_GATEWAY)
        return ng_docker_decode_members(details->arena, body, details->gateway, details->containers,
                                        engine->n_containers, error);
    if (detail->subject == SUBJECT_OVERLAY)
        return ng_docker_decode_overlay(details->arena, body, engine, error);
    if (detail->subject == SUBJECT_NODES)
        return ng_docker_decode_nodes(details->arena, body, engine, error);
    if (details->ingress)
        return ng_docker_decode_ingress(details->arena, body, engine, error);
    return ng_docker_decode_services(details->arena, body, engine, error);
}

/* Links of user-defined networks change no reach, the rules tell of ingress ports and of
 * capabilities it is said that they were not read, so that whoever does not answer about them - a
 * proxy that forbids it, a swarm without a leader - leaves names and nodes untold and no verdict in
 * doubt. How a container is networked has to be known. A container that has gone since it was
 * listed is as good as listed. */
static int take_detail(const struct details *details, struct ng_docker_client *client,
                       struct ng_error *error) {
    struct ng_error why = {0};
    struct ng_docker_answer answer;
    struct ng_docker_body body;
    size_t tag;
    int r = ng_docker_client_take(client, &tag, &answer, &why);
    if (r == -ENOMEM)
        return r;
    const struct detail *detail = &details->about[tag];
    struct request request = detail_request(details, detail);
    if (r == 0 && answer.status == 404)
        return 0;
    if (r == 0)
        r = body_of(details->engine->endpoint, request.text, &answer, &body, &why);
    if (r == 0)
        r = decode_detail(details, body, detail, &why);
    bool needed = detail->subject == SUBJECT_CONTAINER && !detail->container->network_mode[0];
    if (r == 0 || r == -ENOMEM || !needed)
        return r == -ENOMEM ? r : 0;
    return ng_error_set(error, r, why.source, "%s", why.message);
}

static int ask_details(const struct details *details, struct ng_docker_client *client,
                       struct ng_error *error) {
    size_t asked = 0, taken = 0;
    while (taken < details->count) {
        while (asked < details->count && !ng_docker_client_is_full(client)) {
            struct request request = detail_request(details, &details->about[asked]);
            int r = ng_docker_client_ask(client, request.text + sizeof(METHOD) - 1, asked++, error);
            if (r < 0)
                return r;
        }
        int r = take_detail(details, client, error);
        if (r < 0)
            return r;
        taken++;
    }
    return 0;
}

static int read_details(struct details *details, struct ng_docker_client *client,
                        struct ng_error *error) {
    details->about = calloc(details->engine->n_containers + SUBJECTS, sizeof(struct detail));
    if (!details->about)
        return -ENOMEM;
    choose_details(details);
    if (!details->needed)
        ng_docker_client_hurry(client, DETAILS_MS + EACH_MS * (unsigned)details->count);
    int r = ask_details(details, client, error);
    free(details->about);
    return r;
}

/* -- the lists ----------------------------------------------------------------------- */

struct ng_docker_visit {
    struct ng_docker_client *client;
    struct ng_engine engine;
    struct details details;
};

enum list {
    LIST_INFO,
    LIST_CONTAINERS,
    LIST_NETWORKS,
    LISTS,
};

static int decode_containers(struct ng_docker_visit *visit, struct ng_docker_body body,
                             struct ng_error *error) {
    struct ng_engine *engine = &visit->engine;
    struct ng_container *containers;
    int r = ng_docker_decode_containers(visit->details.arena, body, visit->details.api, &containers,
                                        &engine->n_containers, error);
    if (r < 0)
        return r;
    /* Its source gives every container of the list the mode "host", and no release prints it. Where
     * Docker has a network's id, it has the name again. */
    for (size_t i = 0; engine->podman && i < engine->n_containers; i++) {
        ng_docker_set_network_mode(&containers[i], "");
        for (size_t k = 0; k < containers[i].n_endpoints; k++)
            ((struct ng_endpoint *)containers[i].endpoints)[k].network_id = "";
    }
    engine->containers = visit->details.containers = containers;
    return 0;
}

static int decode_list(struct ng_docker_visit *visit, enum list list, struct ng_docker_body body,
                       struct ng_error *error) {
    struct ng_engine *engine = &visit->engine;
    if (list == LIST_INFO)
        return ng_docker_decode_info(visit->details.arena, body, engine, error);
    if (list == LIST_CONTAINERS)
        return decode_containers(visit, body, error);
    return ng_docker_decode_networks(visit->details.arena, body, engine->podman, &engine->networks,
                                     &engine->n_networks, error);
}

/* At once: each of them makes the engine look around. Of several that fail it is always the same
 * that is told of. */
static int read_lists(struct ng_docker_visit *visit, struct ng_error *error) {
    static const char *const paths[LISTS] = {"/info", "/containers/json", "/networks"};
    struct request requests[LISTS];
    struct ng_error first = {0}; /* of what has failed */
    size_t failed = LISTS;
    int result = 0;
    for (size_t i = 0; i < LISTS; i++) {
        requests[i] = request_for(visit->details.api, paths[i]);
        int r =
            ng_docker_client_ask(visit->client, requests[i].text + sizeof(METHOD) - 1, i, error);
        if (r < 0)
            return r;
    }
    for (size_t taken = 0; taken < LISTS; taken++) {
        struct ng_error why = {0};
        struct ng_docker_answer answer;
        struct ng_docker_body body = {0};
        size_t which;
        int r = ng_docker_client_take(visit->client, &which, &answer, &why);
        if (r == -ENOMEM)
            return r;
        if (r == 0)
            r = body_of(visit->engine.endpoint, requests[which].text, &answer, &body, &why);
        if (r == 0)
            r = decode_list(visit, (enum list)which, body, &why);
        if (r == 0 || which > failed)
            continue;
        failed = which;
        first = why;
        result = r;
    }
    return result == 0 ? 0 : ng_error_set(error, result, first.source, "%s", first.message);
}

static int list(struct ng_docker_visit *visit, struct ng_error *error) {
    int r =
        negotiate(visit->details.arena, visit->client, &visit->engine, &visit->details.api, error);
    return r < 0 ? r : read_lists(visit, error);
}

/* -- the whole ----------------------------------------------------------------------- */

static int no_memory(const char *endpoint, struct ng_error *error) {
    return ng_error_set(error, -ENOMEM, endpoint,
                        "out of memory while reading the engine's answers");
}

int ng_docker_list(struct ng_arena *arena, const char *endpoint,
                   const struct ng_docker_limits *limits, struct ng_docker_visit **ret_visit,
                   struct ng_error *error) {
    static const struct ng_docker_limits usual = {
        .timeout_ms = NG_DOCKER_TIMEOUT_MS,
        .max_body_bytes = NG_DOCKER_BODY_BYTES,
    };
    _cleanup_(ng_docker_visit_freep) struct ng_docker_visit *visit = calloc(1, sizeof(*visit));
    if (!visit)
        return no_memory(endpoint, error);
    int r = ng_docker_client_new(endpoint, limits ? limits : &usual, &visit->client, error);
    if (r < 0)
        return r;
    visit->engine.endpoint = ng_arena_strdup(arena, endpoint);
    visit->details = (struct details){.arena = arena, .engine = &visit->engine};
    r = visit->engine.endpoint ? list(visit, error) : -ENOMEM;
    if (r < 0)
        return r == -ENOMEM ? no_memory(endpoint, error) : r;
    *ret_visit = TAKE_PTR(visit);
    return 0;
}

const struct ng_engine *ng_docker_listed(const struct ng_docker_visit *visit) {
    return &visit->engine;
}

int ng_docker_inspect(struct ng_docker_visit *visit, bool capabilities,
                      struct ng_engine *ret_engine, struct ng_error *error) {
    visit->details.capabilities = capabilities;
    int r = read_details(&visit->details, visit->client, error);
    if (r < 0)
        return r == -ENOMEM ? no_memory(visit->engine.endpoint, error) : r;
    *ret_engine = visit->engine;
    return 0;
}

void ng_docker_visit_free(struct ng_docker_visit *visit) {
    if (visit)
        ng_docker_client_free(visit->client);
    free(visit);
}

void ng_docker_visit_freep(struct ng_docker_visit **visit) {
    ng_docker_visit_free(*visit);
    *visit = NULL;
}
