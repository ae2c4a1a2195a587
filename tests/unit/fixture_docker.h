/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TESTS_FIXTURE_DOCKER_H
#define NETGUARD_TESTS_FIXTURE_DOCKER_H

/* What the tests of the engine's decoders decode into. */

#include "agent/observe/docker_codec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

/* Made and freed around each test. */
struct fixture {
    struct ng_arena *arena;
    struct ng_error error;
    struct ng_container *containers;
    size_t n_containers;
    const struct ng_network *networks;
    size_t n_networks;
    struct ng_engine engine; /* what a swarm's answers are added to */
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    if (!f)
        return -1;
    f->arena = ng_arena_new();
    return f->arena ? 0 : -1;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    ng_arena_free(f->arena);
    free(f);
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

/* A body in memory of its exact size, so that a read beyond it is seen. */
static inline struct ng_docker_body body_of(const char *text, size_t len) {
    struct ng_docker_body body = {
        .source = "unix:///engine", .request = "GET /x", .len_bytes = len};
    body.bytes = malloc(len ? len : 1);
    assert_non_null(body.bytes);
    memcpy(body.bytes, text, len);
    return body;
}

/* "192.0.2.1 2001:db8::1" */
static inline void assert_peers(const struct ng_engine *engine, const char *expected) {
    char text[512] = "", addr[NG_ADDR_TEXT];
    for (size_t i = 0; i < engine->n_peers; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
                 ng_addr_text(engine->peers[i], addr));
    assert_string_equal(text, expected);
}

#endif
