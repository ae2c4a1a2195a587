/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What is asked beside the lists, and what becomes of the answers: against a server that knows
 * them by path, on as many connections as it is asked on. */

#include "agent/observe/docker.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    MANY = 30,
    CONNECTIONS = 64,
    SLOW_MS = 20,
};

struct reply {
    const char *path; /* of one request; a '*' at its end stands for any rest */
    const char *status;
    const char *body;
    enum { AT_ONCE, SLOWLY, NEVER } when;
};

struct server {
    char directory[32], path[64], endpoint[80];
    int listener;
    const struct reply *replies; /* up to one without a path */
    pthread_t acceptor;

    pthread_mutex_t lock; /* for what follows */
    pthread_t threads[CONNECTIONS];
    int peers[CONNECTIONS];
    size_t n_connections, n_requests;
    char requests[8192]; /* their paths, a line each */
};

/* What a connection's thread starts from. */
struct connection {
    struct server *server;
    int peer;
};

static const struct reply *reply_to(const struct server *server, const char *path) {
    const struct reply *reply = server->replies;
    for (; reply->path; reply++) {
        size_t len = strlen(reply->path);
        bool any_rest = reply->path[len - 1] == '*';
        if (any_rest ? strncmp(path, reply->path, len - 1) == 0 : strcmp(path, reply->path) == 0)
            break;
    }
    return reply;
}

static bool answer(struct server *server, int peer) {
    char request[2048] = "", path[256] = "", head[160];
    size_t len = 0;
    while (!strstr(request, "\r\n\r\n")) {
        ssize_t n = recv(peer, request + len, sizeof(request) - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        request[len] = '\0';
    }
    if (sscanf(request, "GET %255s HTTP/1.1", path) != 1)
        return false;
    pthread_mutex_lock(&server->lock);
    server->n_requests++;
    snprintf(server->requests + strlen(server->requests),
             sizeof(server->requests) - strlen(server->requests), "%s\n", path);
    pthread_mutex_unlock(&server->lock);

    const struct reply *reply = reply_to(server, path);
    if (reply->path && reply->when == NEVER)
        return recv(peer, request, 1, 0) > 0;
    if (reply->path && reply->when == SLOWLY)
        nanosleep(&(struct timespec){.tv_nsec = SLOW_MS * 1000 * 1000}, NULL);
    const char *body = reply->path ? reply->body : "{\"message\":\"page not found\"}";
    snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n",
             reply->path ? reply->status : "404 Not Found", strlen(body));
    return send(peer, head, strlen(head), MSG_NOSIGNAL) > 0 &&
           (!body[0] || send(peer, body, strlen(body), MSG_NOSIGNAL) > 0);
}

static void *serve(void *context) {
    struct connection connection = *(struct connection *)context;
    free(context);
    while (answer(connection.server, connection.peer))
        ;
    return NULL;
}

static void *accept_all(void *context) {
    struct server *server = context;
    int peer;
    while ((peer = accept(server->listener, NULL, NULL)) >= 0) {
        struct connection *connection = malloc(sizeof(*connection));
        if (!connection || server->n_connections == CONNECTIONS)
            abort();
        *connection = (struct connection){server, peer};
        server->peers[server->n_connections] = peer;
        if (pthread_create(&server->threads[server->n_connections++], NULL, serve, connection))
            abort();
    }
    return NULL;
}

static int set_up(void **state) {
    struct server *server = calloc(1, sizeof(*server));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *state = server;
    if (!server)
        return -1;
    pthread_mutex_init(&server->lock, NULL);
    strcpy(server->directory, "/tmp/test-asking-XXXXXX");
    if (!mkdtemp(server->directory))
        return -1;
    snprintf(server->path, sizeof(server->path), "%s/engine.sock", server->directory);
    snprintf(server->endpoint, sizeof(server->endpoint), "unix://%s", server->path);
    strcpy(address.sun_path, server->path);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(server->listener, (struct sockaddr *)&address, sizeof(address)) ||
           listen(server->listener, CONNECTIONS);
}

static int tear_down(void **state) {
    struct server *server = *state;
    close(server->listener);
    unlink(server->path);
    rmdir(server->directory);
    pthread_mutex_destroy(&server->lock);
    free(server);
    return 0;
}

/* -- helpers ------------------------------------------------------------------------- */

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int observe_within(struct server *server, unsigned timeout_ms, const struct reply *replies,
                          struct ng_arena *arena, struct ng_engine *engine,
                          struct ng_error *error) {
    const struct ng_docker_limits limits = {.timeout_ms = timeout_ms, .max_body_bytes = 1 << 20};
    server->replies = replies;
    server->n_connections = server->n_requests = 0;
    server->requests[0] = '\0';
    memset(engine, 0, sizeof(*engine));
    assert_int_equal(pthread_create(&server->acceptor, NULL, accept_all, server), 0);
    int r = ng_docker_observe(arena, server->endpoint, &limits, engine, error);
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->acceptor, NULL);
    for (size_t i = 0; i < server->n_connections; i++) {
        shutdown(server->peers[i], SHUT_RDWR);
        pthread_join(server->threads[i], NULL);
        close(server->peers[i]);
    }
    /* The listener has been shut down: another one for the next observation. */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    close(server->listener);
    unlink(server->path);
    strcpy(address.sun_path, server->path);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server->listener, CONNECTIONS), 0);
    return r;
}

static int observe(struct server *server, const struct reply *replies, struct ng_arena *arena,
                   struct ng_engine *engine) {
    return observe_within(server, 5000, replies, arena, engine, NULL);
}

#define VERSION "{\"Version\":\"28\",\"ApiVersion\":\"1.41\"}"
#define PODMAN  "{\"ApiVersion\":\"1.41\",\"Components\":[{\"Name\":\"Podman Engine\"}]}"
#define INFO    "{\"Name\":\"vm\"}"
#define SWARM(manager)                                                                             \
    "{\"Name\":\"vm\",\"Swarm\":{\"LocalNodeState\":\"active\",\"ControlAvailable\":" manager "}}"
#define ANSWER(p, body)                                                                            \
    { p, "200 OK", body, AT_ONCE }
#define LISTS(version, info, containers, networks)                                                 \
    ANSWER("/version", version), ANSWER("/v1.41/info", info),                                      \
        ANSWER("/v1.41/containers/json", containers), ANSWER("/v1.41/networks", networks)
#define END                                                                                        \
    { NULL, NULL, NULL, AT_ONCE }
#define ID(digit) SIXTEEN(digit) SIXTEEN(digit) SIXTEEN(digit) SIXTEEN(digit)
#define SIXTEEN(digit)                                                                             \
    digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit
#define CONTAINER(id, name, mode, network)                                                         \
    "{\"Id\":\"" id "\",\"Names\":[\"/" name                                                       \
    "\"],\"Ports\":[],\"HostConfig\":{\"NetworkMode\":\"" mode                                     \
    "\"},\"NetworkSettings\":{\"Networks\":{" network "}}}"
#define ON(network)    "\"" network "\":{\"Links\":null}"
#define LINKED         "{\"NetworkSettings\":{\"Networks\":{\"app\":{\"Links\":[\"db:store\"]}}}}"
#define INSPECT(digit) "/v1.41/containers/" ID(digit) "/json"
#define INGRESS(id)                                                                                \
    "[{\"Id\":\"" id "\",\"Name\":\"mesh\",\"Driver\":\"overlay\",\"Ingress\":true}]"

/* -- links --------------------------------------------------------------------------- */

static void only_what_the_list_leaves_open_is_asked(void **state) {
    static const struct reply replies[] = {
        LISTS(VERSION, INFO,
              "[" CONTAINER(ID("a"), "a", "default", ON("bridge")) "," CONTAINER(
                  ID("b"), "b", "host",
                  ON("host")) "," CONTAINER(ID("c"), "c", "none",
                                            ON("none")) "," CONTAINER(ID("d"), "d",
                                                                      "container:" ID("a"), "") "]",
              "[]"),
        END,
    };
    struct server *server = *state;
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_engine engine;
    assert_int_equal(observe(server, replies, arena, &engine), 0);
    assert_string_equal(server->requests,
                        "/version\n/v1.41/info\n/v1.41/containers/json\n/v1.41/networks\n");
    assert_int_equal(server->n_connections, 1);
}

static void links_are_asked_over_a_few_connections(void **state) {
    static const struct reply inspect = {"/v1.41/containers/*", "200 OK", LINKED, SLOWLY};
    struct server *server = *state;
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_engine engine;
    char *list = ng_arena_printf(arena, "[");
    for (int i = 0; i < MANY; i++)
        list = ng_arena_printf(arena,
                               "%s%s{\"Id\":\"%064x\",\"Names\":[\"/c%02d\"],\"Ports\":[],"
                               "\"HostConfig\":{\"NetworkMode\":\"app\"},"
                               "\"NetworkSettings\":{\"Networks\":{\"bridge\":{},\"app\":{}}}}",
                               list, i ? "," : "", i, i);
    list = ng_arena_printf(arena, "%s]", list);
    const struct reply replies[] = {LISTS(VERSION, INFO, list, "[]"), inspect, END};
    int64_t begun = now_ms();
    assert_int_equal(observe(server, replies, arena, &engine), 0);
    assert_in_range(now_ms() - begun, SLOW_MS * MANY / 8, SLOW_MS * MANY - 1);
    assert_int_equal(engine.n_containers, MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(engine.containers[i].n_links, 1);
        assert_string_equal(engine.containers[i].links[0].to, "db");
    }
    assert_int_equal(server->n_requests, 4 + MANY);
    assert_in_range(server->n_connections, 2, 8);
}

#define TWO                                                                                        \
    "[" CONTAINER(ID("a"), "a", "app", ON("app")) "," CONTAINER(ID("b"), "b", "app", ON("app")) "]"

/* Whatever is the matter with one answer, all else is as it would be. */
static void links_may_remain_untold(void **state) {
    static const struct reply cases[] = {
        {INSPECT("a"), "403 Forbidden", "{\"message\":\"no\"}", AT_ONCE},
        {INSPECT("a"), "404 Not Found", "{\"message\":\"No such container\"}", AT_ONCE},
        {INSPECT("a"), "500 Oops", "", AT_ONCE},
        {INSPECT("a"), "200 OK", "", AT_ONCE},
        {INSPECT("a"), "200 OK", "<html>", AT_ONCE},
        {INSPECT("a"), "200 OK", "{\"NetworkSettings\":{\"Networks\":{\"n\":{\"Links\":7}}}}",
         AT_ONCE},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct reply replies[] = {LISTS(VERSION, INFO, TWO, "[]"), cases[i],
                                        ANSWER(INSPECT("b"), LINKED), END};
        _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
        struct ng_engine engine;
        assert_int_equal(observe(*state, replies, arena, &engine), 0);
        assert_int_equal(engine.n_containers, 2);
        assert_int_equal(engine.containers[0].n_links, 0);
        assert_int_equal(engine.containers[1].n_links, 1);
    }
}

/* As a container does whose state is locked in the engine. */
static void silence_about_one_ends_soon(void **state) {
    static const struct reply replies[] = {LISTS(VERSION, INFO, TWO, "[]"),
                                           {INSPECT("a"), "", "", NEVER},
                                           ANSWER(INSPECT("b"), LINKED),
                                           END};
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_engine engine;
    int64_t begun = now_ms();
    assert_int_equal(observe_within(*state, 60000, replies, arena, &engine, NULL), 0);
    assert_in_range(now_ms() - begun, 1900, 10000);
    assert_int_equal(engine.containers[0].n_links, 0);
    assert_int_equal(engine.containers[1].n_links, 1);
}

/* -- swarm --------------------------------------------------------------------------- */

#define SERVICES "[{\"Spec\":{\"Name\":\"web\"},\"Endpoint\":{\"Ports\":[{\"PublishedPort\":80}]}}]"
#define MESH     "{\"Services\":{\"api\":{\"Ports\":[\"Target: 1, Publish: 81\"]}}}"

static void services_are_asked_of_who_knows_them(void **state) {
    static const struct {
        const char *info, *networks, *asked, *service;
    } cases[] = {
        {SWARM("true"), INGRESS("x1"), "/v1.41/services\n", "web"},
        {SWARM("true"), "[]", "/v1.41/services\n", "web"},
        {SWARM("false"), INGRESS("x1"), "/v1.41/networks/x1?verbose=true\n", "api"},
        {SWARM("false"), "[]", "", NULL},
        {SWARM("false"), INGRESS("../x1"), "", NULL}, /* not to become part of a path */
        {SWARM("false"), INGRESS("x1?"), "", NULL},
        {INFO, INGRESS("x1"), "", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct reply replies[] = {LISTS(VERSION, cases[i].info, "[]", cases[i].networks),
                                        ANSWER("/v1.41/services", SERVICES),
                                        ANSWER("/v1.41/networks/x1?verbose=true", MESH), END};
        struct server *server = *state;
        _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
        struct ng_engine engine;
        assert_int_equal(observe(server, replies, arena, &engine), 0);
        const char *rest = strstr(server->requests, "/v1.41/networks\n");
        assert_non_null(rest);
        assert_string_equal(rest + strlen("/v1.41/networks\n"), cases[i].asked);
        assert_int_equal(server->n_connections, 1);
        assert_int_equal(engine.n_services, cases[i].service != NULL);
        if (cases[i].service)
            assert_string_equal(engine.services[0].name, cases[i].service);
    }
}

static void services_may_remain_untold(void **state) {
    static const struct reply cases[] = {
        {"/v1.41/services", "503 Service Unavailable", "{\"message\":\"no leader\"}", AT_ONCE},
        {"/v1.41/services", "403 Forbidden", "", AT_ONCE},
        {"/v1.41/services", "404 Not Found", "", AT_ONCE},
        {"/v1.41/services", "200 OK", "{}", AT_ONCE},
        {"/v1.41/services", "", "", NEVER},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct reply replies[] = {LISTS(VERSION, SWARM("true"), TWO, "[]"), cases[i],
                                        ANSWER("/v1.41/containers/*", LINKED), END};
        _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
        struct ng_engine engine;
        assert_int_equal(observe_within(*state, 400, replies, arena, &engine, NULL), 0);
        assert_int_equal(engine.n_services, 0);
        assert_int_equal(engine.containers[1].n_links, 1);
    }
}

/* -- Podman -------------------------------------------------------------------------- */

#define PODMAN_LIST                                                                                \
    "[{\"Id\":\"" ID("a") "\",\"Ports\":[]},{\"Id\":\"" ID(                                        \
        "b") "\",\"Ports\":[],\"HostConfig\":{\"NetworkMode\":\"host\"}}]"

/* Its list tells of no container how it is networked. */
static void podman_is_asked_for_network_modes(void **state) {
    static const struct reply replies[] = {
        LISTS(PODMAN, INFO, PODMAN_LIST, "[]"),
        ANSWER(INSPECT("a"), "{\"HostConfig\":{\"NetworkMode\":\"host\"}}"),
        ANSWER(INSPECT("b"), "{\"HostConfig\":{\"NetworkMode\":\"container:" ID("a") "\"}}"), END};
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_engine engine;
    assert_int_equal(observe(*state, replies, arena, &engine), 0);
    assert_true(engine.podman);
    assert_string_equal(engine.containers[0].network_mode, "host");
    assert_string_equal(engine.containers[1].network_of, ID("a"));
}

static void a_network_mode_has_to_be_told(void **state) {
    static const struct {
        struct reply reply;
        int result;
        const char *message;
    } cases[] = {
        {{INSPECT("a"), "404 Not Found", "{}", AT_ONCE}, 0, ""},
        {{INSPECT("a"), "200 OK", "{}", AT_ONCE}, 0, ""},
        {{INSPECT("a"), "403 Forbidden", "no", AT_ONCE},
         -EACCES,
         "refuses GET /v1.41/containers/aaaaaaaa"},
        {{INSPECT("a"), "500 Oops", "no", AT_ONCE}, -EPROTO, "with HTTP 500: no"},
        {{INSPECT("a"), "200 OK", "[]", AT_ONCE}, -EPROTO, "container: no object"},
        {{INSPECT("a"), "", "", NEVER}, -ETIMEDOUT, "within 0.4 s"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct reply replies[] = {
            LISTS(PODMAN, INFO, PODMAN_LIST, "[]"), cases[i].reply,
            ANSWER(INSPECT("b"), "{\"HostConfig\":{\"NetworkMode\":\"none\"}}"), END};
        _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
        struct ng_engine engine;
        struct ng_error error = {0};
        assert_int_equal(observe_within(*state, 400, replies, arena, &engine, &error),
                         cases[i].result);
        if (!strstr(error.message, cases[i].message) || !cases[i].message[0] != !error.message[0])
            fail_msg("expected: %s\n  gave: %s", cases[i].message, error.message);
        if (cases[i].result == 0)
            assert_string_equal(engine.containers[0].network_mode, "");
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(only_what_the_list_leaves_open_is_asked),
        TEST(links_are_asked_over_a_few_connections),
        TEST(links_may_remain_untold),
        TEST(silence_about_one_ends_soon),
        TEST(services_are_asked_of_who_knows_them),
        TEST(services_may_remain_untold),
        TEST(podman_is_asked_for_network_modes),
        TEST(a_network_mode_has_to_be_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
