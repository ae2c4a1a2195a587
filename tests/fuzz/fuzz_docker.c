/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker_codec.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decoding may write into the bytes, so every decoder gets a copy, of the exact size. */
static struct ng_docker_body copy_of(const uint8_t *data, size_t size) {
    struct ng_docker_body body = {
        .source = "unix:///fuzz",
        .request = "GET /fuzz",
        .bytes = malloc(size ? size : 1),
        .len_bytes = size,
    };
    if (!body.bytes)
        abort();
    if (size)
        memcpy(body.bytes, data, size);
    return body;
}

/* Whoever fails says why, in one line; whoever does not says nothing. */
static void check_result(int r, const struct ng_error *error) {
    assert(r == 0 || r == -EPROTO || r == -E2BIG || r == -EPROTONOSUPPORT);
    assert((r < 0) == (error->message[0] != '\0'));
    assert(!strpbrk(error->message, "\n\r\x1b"));
}

static void check_published(const struct ng_published *published, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct ng_published *p = &published[i];
        assert(p->host_port && p->container_port);
        assert(p->proto == NG_TCP || p->proto == NG_UDP || p->proto == NG_SCTP);
        assert(p->host_addr.family == NG_IP4 || p->host_addr.family == NG_IP6);
        assert(i == 0 || p[-1].proto <= p->proto);
    }
}

static void check_containers(const struct ng_container *containers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct ng_container *c = &containers[i];
        assert(strlen(c->id) == 64);
        assert(c->name[0] && strlen(c->name) <= 255 && strlen(c->image) <= 512);
        assert(c->network_mode && c->n_labels <= 1024);
        assert(i == 0 || strcmp(c[-1].name, c->name) <= 0);
        for (size_t j = 0; j < c->n_labels; j++)
            assert(strlen(c->labels[j].key) <= 4096 && strlen(c->labels[j].value) <= 4096);
        for (size_t j = 0; j < c->n_endpoints; j++)
            assert(c->endpoints[j].network && c->endpoints[j].network_id);
        for (size_t j = 0; j < c->n_links; j++)
            assert(c->links[j].to[0] && c->links[j].alias);
        for (size_t j = 0; j < c->n_exposed; j++)
            assert(c->exposed[j].port &&
                   (j == 0 || c->exposed[j - 1].proto <= c->exposed[j].proto));
        check_published(c->published, c->n_published);
    }
}

static void fuzz_version(const uint8_t *data, size_t size) {
    struct ng_arena *arena = ng_arena_new();
    struct ng_docker_body body = copy_of(data, size);
    struct ng_docker_version version;
    struct ng_docker_api spoken;
    struct ng_error error = {0};
    int r = ng_docker_decode_version(arena, body, &version, &error);
    free(body.bytes);
    if (r == 0)
        r = ng_docker_negotiate(&version, body.source, &spoken, &error);
    check_result(r, &error);
    ng_arena_free(arena);
}

static void check_peers(const struct ng_engine *engine) {
    for (size_t i = 0; i < engine->n_peers; i++) {
        const struct ng_addr *p = &engine->peers[i];
        assert((p->family == NG_IP4 || p->family == NG_IP6) && !ng_addr_is_any(*p));
        assert(i == 0 || p[-1].family < p->family ||
               (p[-1].family == p->family && p[-1].value < p->value));
    }
}

static void fuzz_info(const uint8_t *data, size_t size) {
    struct ng_arena *arena = ng_arena_new();
    struct ng_docker_body body = copy_of(data, size);
    struct ng_engine engine = {0};
    struct ng_error error = {0};
    int r = ng_docker_decode_info(arena, body, &engine, &error);
    free(body.bytes);
    check_result(r, &error);
    assert((r == 0) == (engine.name != NULL));
    assert(!engine.manager || engine.swarm);
    check_peers(&engine);
    for (size_t i = 0; i < engine.n_open_apis; i++)
        assert(engine.open_apis[i].port && engine.open_apis[i].addr.family);
    for (size_t i = 0; i < engine.n_insecure_registries; i++)
        assert(engine.insecure_registries[i].name[0]);
    ng_arena_free(arena);
}

/* As the answer about the first container of an answer that is a list, and of one of our own. */
static void fuzz_inspect(struct ng_arena *arena, const uint8_t *data, size_t size,
                         struct ng_container *containers, size_t count) {
    struct ng_docker_body body = copy_of(data, size);
    struct ng_error error = {0};
    int r = ng_docker_decode_inspect(arena, body, containers, count, &containers[0], &error);
    free(body.bytes);
    check_result(r, &error);
    check_containers(containers, count);
}

static void fuzz_containers(const uint8_t *data, size_t size, struct ng_docker_api spoken) {
    static char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct ng_container own = {.id = id, .name = "own", .image = "", .network_mode = ""};
    struct ng_arena *arena = ng_arena_new();
    struct ng_docker_body body = copy_of(data, size);
    struct ng_container *containers;
    size_t count = 0;
    struct ng_error error = {0};
    int r = ng_docker_decode_containers(arena, body, spoken, &containers, &count, &error);
    free(body.bytes); /* nothing decoded may point into it */
    check_result(r, &error);
    if (r == 0)
        check_containers(containers, count);
    if (count > 0)
        fuzz_inspect(arena, data, size, containers, count);
    fuzz_inspect(arena, data, size, &own, 1);
    ng_arena_free(arena);
}

static void fuzz_networks(const uint8_t *data, size_t size, bool podman) {
    struct ng_arena *arena = ng_arena_new();
    struct ng_docker_body body = copy_of(data, size);
    const struct ng_network *networks;
    size_t count = 0;
    struct ng_error error = {0};
    int r = ng_docker_decode_networks(arena, body, podman, &networks, &count, &error);
    free(body.bytes);
    check_result(r, &error);
    for (size_t i = 0; i < count; i++) {
        assert(networks[i].id && networks[i].name && networks[i].driver);
        assert(i == 0 || strcmp(networks[i - 1].name, networks[i].name) <= 0);
    }
    ng_arena_free(arena);
}

/* The protocol is told by a manager alone. */
static void check_services(const struct ng_engine *engine, bool manager) {
    for (size_t i = 0; i < engine->n_services; i++) {
        const struct ng_service *s = &engine->services[i];
        assert(s->name && strlen(s->name) <= 255 && s->n_ports > 0);
        assert(i == 0 || strcmp(s[-1].name, s->name) <= 0);
        for (size_t j = 0; j < s->n_ports; j++) {
            assert(s->ports[j].port && (s->ports[j].proto != 0) == manager);
            assert(j == 0 || s->ports[j - 1].proto <= s->ports[j].proto);
        }
    }
}

typedef int decode_fn(struct ng_arena *, struct ng_docker_body, struct ng_engine *,
                      struct ng_error *);

/* Of a swarm in which one other node is known already. */
static void fuzz_swarm(const uint8_t *data, size_t size, decode_fn *decode) {
    static const struct ng_addr known = {.family = NG_IP4, .value = 0xc0000201};
    struct ng_arena *arena = ng_arena_new();
    struct ng_docker_body body = copy_of(data, size);
    struct ng_engine engine = {.peers = &known, .n_peers = 1};
    struct ng_error error = {0};
    int r = decode(arena, body, &engine, &error);
    free(body.bytes);
    check_result(r, &error);
    assert(engine.n_peers > 0 && (r == 0 || engine.peers == &known));
    check_peers(&engine);
    check_services(&engine, decode == ng_docker_decode_services);
    ng_arena_free(arena);
}

static void fuzz_error_message(const uint8_t *data, size_t size) {
    struct ng_docker_body body = copy_of(data, size);
    char said[32];
    ng_docker_error_message(body.bytes, size, said, sizeof(said));
    for (const char *c = said; *c; c++)
        assert(*c >= 0x20 && *c <= 0x7e);
    free(body.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_version(data, size);
    fuzz_info(data, size);
    fuzz_containers(data, size, (struct ng_docker_api){1, 24});
    fuzz_containers(data, size, (struct ng_docker_api){1, 52});
    fuzz_networks(data, size, false);
    fuzz_networks(data, size, true);
    fuzz_swarm(data, size, ng_docker_decode_services);
    fuzz_swarm(data, size, ng_docker_decode_nodes);
    fuzz_swarm(data, size, ng_docker_decode_ingress);
    fuzz_swarm(data, size, ng_docker_decode_overlay);
    fuzz_error_message(data, size);
    return 0;
}
