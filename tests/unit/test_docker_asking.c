/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What an engine is asked, and what becomes of the answers: against a server that knows them by
 * path, on as many connections as it is asked on. */

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
    enum {
        AT_ONCE,
        SLOWLY,
        NEVER,
        AND_CLOSE,     /* the connection after it */
        RAW_AND_CLOSE, /* `body` is all that is sent, with what it has of a header */
    } how;
};

struct server {
    char directory[32], path[64], endpoint[80];
    int listener;
    const struct reply *replies; /* up to one without a path */
    bool capabilities;           /* are wanted */
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
    if (reply->how == NEVER)
        return recv(peer, request, 1, 0) > 0;
    if (reply->how == RAW_AND_CLOSE) {
        send(peer, reply->body, strlen(reply->body), MSG_NOSIGNAL);
        return false;
    }
    if (reply->how == SLOWLY)
        nanosleep(&(struct timespec){.tv_nsec = SLOW_MS * 1000 * 1000}, NULL);
    const char *body = reply->path ? reply->body : "{\"message\":\"page not found\"}";
    snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n",
             reply->path ? reply->status : "404 Not Found", strlen(body));
    return send(peer, head, strlen(head), MSG_NOSIGNAL) > 0 &&
           (!body[0] || send(peer, body, strlen(body), MSG_NOSIGNAL) > 0) &&
           reply->how != AND_CLOSE;
}

static void *serve(void *context) {
    struct connection connection = *(struct connection *)context;
    free(context);
    while (answer(connection.server, connection.peer))
        ;
    shutdown(connection.peer, SHUT_RDWR); /* whoever joins this thread closes it */
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

/* The engine must be untouched unless it is 0. */
static int observe_within(struct server *server, unsigned timeout_ms, const struct reply *replies,
                          struct ng_arena *arena, struct ng_engine *engine,
                          struct ng_error *error) {
    const struct ng_docker_limits limits = {.timeout_ms = timeout_ms, .max_body_bytes = 1 << 20};
    server->replies = replies;
    server->n_connections = server->n_requests = 0;
    server->requests[0] = '\0';
    *engine = (struct ng_engine){.n_networks = 99};
    assert_int_equal(pthread_create(&server->acceptor, NULL, accept_all, server), 0);
    _cleanup_(ng_docker_visit_freep) struct ng_docker_visit *visit = NULL;
    struct ng_engine listed = {0};
    int r = ng_docker_list(arena, server->endpoint, &limits, &visit, error);
    if (r == 0) {
        listed = *ng_docker_listed(visit);
        r = ng_docker_inspect(visit, server->capabilities, engine, error);
    }
    ng_docker_visit_freep(&visit); /* and its connections */
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

    if (r < 0)
        assert_true(engine->n_networks == 99 && !engine->endpoint && !engine->version);
    else
        assert_true(engine->containers == listed.containers && engine->networks == listed.networks);
    return r;
}

static int observe(struct server *server, const struct reply *replies, struct ng_arena *arena,
                   struct ng_engine *engine) {
    return observe_within(server, 5000, replies, arena, engine, NULL);
}

/* Each of these lines, once and in any order: they are asked at once. */
static bool are_lines_of(const char *requests, const char *lines) {
    size_t len = strlen(lines);
    for (const char *line = lines; *line; line = strchr(line, '\n') + 1) {
        char one[256];
        snprintf(one, sizeof(one), "%.*s", (int)(strchr(line, '\n') + 1 - line), line);
        if (!strstr(requests, one))
            return false;
    }
    return strlen(requests) == len;
}

/* The lists are asked at once and come in any order; nothing else is asked before they are there.
 * Their connections are kept for `rest`. */
static void assert_asked(const struct server *server, const char *rest) {
    static const char *const lists[] = {"/v1.41/info\n", "/v1.41/containers/json\n",
                                        "/v1.41/networks\n"};
    size_t len = strlen("/version\n");
    assert_int_equal(strncmp(server->requests, "/version\n", len), 0);
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        assert_non_null(strstr(server->requests, lists[i]));
        len += strlen(lists[i]);
    }
    if (!are_lines_of(server->requests + len, rest))
        fail_msg("asked: %s\n  expected: %s", server->requests + len, rest);
    size_t most = 0;
    for (const char *line = rest; *line; line = strchr(line, '\n') + 1)
        most++;
    assert_in_range(server->n_connections, 1, most > ARRAY_SIZE(lists) ? most : ARRAY_SIZE(lists));
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
#define TWO                                                                                        \
    "[" CONTAINER(ID("a"), "a", "app", ON("app")) "," CONTAINER(ID("b"), "b", "app", ON("app")) "]"
#define NODES    "[{\"Status\":{\"Addr\":\"192.0.2.9\"}}]"
#define SERVICES "[{\"Spec\":{\"Name\":\"web\"},\"Endpoint\":{\"Ports\":[{\"PublishedPort\":80}]}}]"

/* -- the lists ----------------------------------------------------------------------- */

#define REDIS                                                                                      \
    "[{\"Id\":\"" ID(                                                                              \
        "a") "\",\"Names\":[\"/redis\"],\"HostConfig\":{\"NetworkMode\":\"default\"},"             \
             "\"Ports\":[{\"IP\":\"0.0.0.0\",\"PrivatePort\":6379,\"PublicPort\":6379,\"Type\":"   \
             "\"tcp\"}]}]"
#define APP "[{\"Id\":\"" ID("a") "\",\"Name\":\"app\",\"Driver\":\"bridge\"}]"

/* The lists are slow, so that they have to be asked at once to be on several connections. */
static void an_engine_is_observed(void **state) {
    static const struct reply replies[] = {ANSWER("/version", VERSION),
                                           {"/v1.41/info", "200 OK", INFO, SLOWLY},
                                           {"/v1.41/containers/json", "200 OK", REDIS, SLOWLY},
                                           {"/v1.41/networks", "200 OK", APP, SLOWLY},
                                           END};
    struct server *server = *state;
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_engine engine;
    assert_int_equal(observe(server, replies, arena, &engine), 0);
    assert_asked(server, "");
    assert_in_range(server->n_connections, 2, 3);
    assert_string_equal(engine.endpoint, server->endpoint);
    assert_string_equal(engine.version, "28");
    assert_string_equal(engine.api_version, "1.41");
    assert_string_equal(engine.name, "vm");
    assert_int_equal(engine.n_containers, 1);
    assert_string_equal(engine.containers[0].name, "redis");
    assert_int_equal(engine.containers[0].published[0].host_port, 6379);
    assert_int_equal(engine.n_networks, 1);
    assert_string_equal(engine.networks[0].bridge, "br-aaaaaaaaaaaa");
}

static void closed_connections_are_opened_again(void **state) {
    static const struct reply replies[] = {
        {"/version", "200 OK", "{\"ApiVersion\":\"1.60\",\"MinAPIVersion\":\"1.55\"}", AND_CLOSE},
        {"/v1.55/info", "200 OK", SWARM("true"), AND_CLOSE},
        {"/v1.55/containers/json", "200 OK", "null", AND_CLOSE},
        {"/v1.55/networks", "200 OK", "[]", AND_CLOSE},
        {"/v1.55/services", "200 OK", SERVICES, AND_CLOSE},
        {"/v1.55/nodes", "200 OK", NODES, AND_CLOSE},
        END};
    struct server *server = *state;
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_engine engine;
    assert_int_equal(observe(server, replies, arena, &engine), 0);
    assert_int_equal(server->n_requests, 6);
    assert_int_equal(server->n_connections, 6);
    assert_string_equal(engine.api_version, "1.55");
    assert_int_equal(engine.n_containers + engine.n_networks, 0);
    assert_int_equal(engine.n_services, 1);
    assert_int_equal(engine.n_peers, 1);
}

static void bad_answers_are_told(void **state) {
    static const struct {
        struct reply reply;
        int result;
        const char *message;
    } cases[] = {
        {ANSWER("/version", "{\"ApiVersion\":\"1.18\"}"), -EPROTONOSUPPORT, "is too old"},
        {{"/version", "400 Bad Request", "Client sent an HTTP request to an HTTPS server.\n",
          AT_ONCE},
         -EPROTO,
         "the engine answered GET /version with HTTP 400: Client sent an HTTP request to"},
        {{"/version", "302 Found", "", AT_ONCE}, -EPROTO, "HTTP 302: it does not say why"},
        {{"/v1.41/info", "403 Forbidden", "{\"message\":\"plugin says no\"}", AT_ONCE},
         -EACCES,
         "refuses GET /v1.41/info with HTTP 403 (plugin says no)"},
        {ANSWER("/v1.41/info", "[]"), -EPROTO, "GET /v1.41/info: info: expected an object"},
        {{"/v1.41/containers/json", "500 Oops", "{\"message\":\"layer \\u001b gone\"}", AT_ONCE},
         -EPROTO,
         "the engine answered GET /v1.41/containers/json with HTTP 500: layer ? gone"},
        {ANSWER("/v1.41/containers/json", "[{}]"), -EPROTO,
         "GET /v1.41/containers/json: containers[0].Id: expected 64 hex digits"},
        {ANSWER("/v1.41/networks", "{\"message\":\"x\"}"), -EPROTO, "networks: expected an array"},
        {{"/v1.41/networks", "", "HTTP/1.1 200 OK\r\nContent-Le", RAW_AND_CLOSE},
         -EPROTO,
         "GET /v1.41/networks: networks: the JSON is cut short at byte 0"},
        {{"/v1.41/networks", "", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[", RAW_AND_CLOSE},
         -EPROTO,
         "GET /v1.41/networks was cut short"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        /* The first that fits is given. */
        const struct reply replies[] = {cases[i].reply, LISTS(VERSION, INFO, TWO, "[]"), END};
        struct server *server = *state;
        _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
        struct ng_engine engine;
        struct ng_error error = {0};
        assert_int_equal(observe_within(server, 5000, replies, arena, &engine, &error),
                         cases[i].result);
        if (!strstr(error.message, cases[i].message))
            fail_msg("expected: %s\n  gave: %s", cases[i].message, error.message);
        assert_string_equal(error.source, server->endpoint);
        if (strcmp(cases[i].reply.path, "/version") == 0)
            assert_string_equal(server->requests, "/version\n");
        else
            assert_asked(server, "");
    }
}

/* Whichever of the lists fail and whichever answer comes last, and be it a good one. */
static void of_bad_answers_the_first_list_is_told(void **state) {
    static const struct {
        struct reply good, bad;
        int result;
    } lists[] = {
        {ANSWER("/v1.41/info", INFO), {"/v1.41/info", "403 Forbidden", "", AT_ONCE}, -EACCES},
        {ANSWER("/v1.41/containers/json", TWO), ANSWER("/v1.41/containers/json", "{}"), -EPROTO},
        {ANSWER("/v1.41/networks", "[]"), {"/v1.41/networks", "401 No", "", AT_ONCE}, -EACCES},
    };
    for (unsigned failing = 1; failing < 1 << ARRAY_SIZE(lists); failing++)
        for (size_t last = 0; last < ARRAY_SIZE(lists); last++) {
            struct reply replies[] = {ANSWER("/version", VERSION), END, END, END, END};
            size_t first = ARRAY_SIZE(lists);
            for (size_t i = ARRAY_SIZE(lists); i-- > 0;) {
                bool fails = failing & 1U << i;
                first = fails ? i : first;
                replies[1 + i] = fails ? lists[i].bad : lists[i].good;
            }
            replies[1 + last].how = SLOWLY;

            struct server *server = *state;
            _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
            struct ng_engine engine;
            struct ng_error error = {0};
            assert_int_equal(observe_within(server, 5000, replies, arena, &engine, &error),
                             lists[first].result);
            if (!strstr(error.message, lists[first].bad.path))
                fail_msg("expected: %s\n  gave: %s", lists[first].bad.path, error.message);
            assert_asked(server, "");
        }
}

/* -- capabilities -------------------------------------------------------------------- */

#define ONE(digit, mode, on) CONTAINER(ID(digit), digit, mode, on)
#define JOINED(digit, other) ONE(digit, "container:" ID(other), "")
#define FIVE                                                                                       \
    ONE("a", "default", ON("bridge"))                                                              \
    "," ONE("b", "host", ON("host")) "," ONE("c", "none",                                          \
                                             ON("none")) "," JOINED("d", "a") "," JOINED("e", "b")
#define ROUND       JOINED("f", "0") "," JOINED("1", "2") "," JOINED("2", "1") /* by no engine */
#define ADMIN       "{\"HostConfig\":{\"Privileged\":false,\"CapAdd\":[\"NET_ADMIN\"]}}"
#define LINE(digit) INSPECT(digit) "\n"

/* Those on the host's network, unless all are wanted. */
static void only_what_the_list_leaves_open_is_asked(void **state) {
    static const struct {
        const char *list, *asked, *read;
        bool capabilities;
    } cases[] = {
        {"[" FIVE "]", LINE("b") LINE("e"), "-b--e", false},
        {"[" FIVE "]", LINE("a") LINE("b") LINE("c") LINE("d") LINE("e"), "ab--e", true},
        {"[" ROUND "]", "", "---", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct reply replies[] = {LISTS(VERSION, INFO, cases[i].list, "[]"),
                                        {INSPECT("c"), "404 Not Found", "{}", AT_ONCE},
                                        {INSPECT("d"), "403 Forbidden", "no", AT_ONCE},
                                        ANSWER("/v1.41/containers/*", ADMIN),
                                        END};
        struct server *server = *state;
        _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
        struct ng_engine engine;
        char read[8] = "";
        server->capabilities = cases[i].capabilities;
        assert_int_equal(observe(server, replies, arena, &engine), 0);
        assert_asked(server, cases[i].asked);
        for (size_t k = 0; k < engine.n_containers; k++) {
            const struct ng_container *container = &engine.containers[k];
            assert_int_equal(container->net_admin, container->capabilities_read);
            read[k] = container->capabilities_read ? container->name[0] : '-';
        }
        assert_string_equal(read, cases[i].read);
    }
}

/* -- links --------------------------------------------------------------------------- */

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

#define MESH                                                                                       \
    "{\"Peers\":[{\"IP\":\"192.0.2.8\"}],"                                                         \
    "\"Services\":{\"api\":{\"Ports\":[\"Target: 1, Publish: 81\"]}}}"

static void services_and_nodes_are_asked_of_who_knows_them(void **state) {
    static const char both[] = "/v1.41/services\n/v1.41/nodes\n",
                      mesh[] = "/v1.41/networks/x1?verbose=true\n";
    static const struct {
        const char *info, *networks, *asked, *service;
        uint8_t last_of_peer;
    } cases[] = {
        {SWARM("true"), INGRESS("x1"), both, "web", 9},  {SWARM("true"), "[]", both, "web", 9},
        {SWARM("false"), INGRESS("x1"), mesh, "api", 8}, {SWARM("false"), "[]", "", NULL, 0},
        {SWARM("false"), INGRESS("../x1"), "", NULL, 0}, /* not to become part of a path */
        {SWARM("false"), INGRESS("x1?"), "", NULL, 0},   {INFO, INGRESS("x1"), "", NULL, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct reply replies[] = {LISTS(VERSION, cases[i].info, "[]", cases[i].networks),
                                        ANSWER("/v1.41/services", SERVICES),
                                        ANSWER("/v1.41/nodes", NODES),
                                        ANSWER("/v1.41/networks/x1?verbose=true", MESH), END};
        struct server *server = *state;
        _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
        struct ng_engine engine;
        assert_int_equal(observe(server, replies, arena, &engine), 0);
        assert_asked(server, cases[i].asked);
        assert_int_equal(engine.n_services, cases[i].service != NULL);
        if (cases[i].service)
            assert_string_equal(engine.services[0].name, cases[i].service);
        assert_int_equal(engine.n_peers, cases[i].last_of_peer != 0);
        if (cases[i].last_of_peer)
            assert_int_equal(engine.peers[0].value & 0xff, cases[i].last_of_peer);
    }
}

#define NETWORK(id, name, driver, more)                                                            \
    "{\"Id\":\"" id "\",\"Name\":\"" name "\",\"Driver\":\"" driver "\"" more "}"
#define GWBRIDGE           NETWORK("g1", "docker_gwbridge", "bridge", "")
#define BACKEND            NETWORK("o1", "backend", "overlay", "")
#define OTHER              NETWORK("o2", "app", "overlay", "")
#define UNUSED             NETWORK("o0", "aside", "overlay", "")
#define ROUTING            NETWORK("x1", "mesh", "overlay", ",\"Ingress\":true")
#define ON_ID(network, id) "\"" network "\":{\"NetworkID\":\"" id "\"}"
#define TASKS(on)          "[" CONTAINER(ID("a"), "a", "backend", on) "]"
#define BY_ID(id)          "/v1.41/networks/" id
#define DETAILED                                                                                   \
    "{\"Containers\":{\"" ID("a") "\":{\"IPv4Address\":\"172.18.0.3/16\",\"EndpointID\":\"e\"}},"  \
                                  "\"Services\":{\"web\":{\"Tasks\":[{\"EndpointID\":\"e\","       \
                                  "\"Info\":{\"Host IP\":\"192.0.2.7\"}}]}}}"
#define VERBOSE "?verbose=true\n"
#define MANAGER "/v1.41/services\n/v1.41/nodes\n"
/* What the networks of a swarm tell of its tasks here: asked where there are some, and once. */
static void networks_of_tasks_are_asked(void **state) {
    static const struct {
        const char *info, *containers, *networks, *asked, *data_path;
        size_t n_endpoints; /* of the first container */
    } cases[] = {
        {SWARM("true"), TASKS(ON_ID("backend", "o1")), "[" GWBRIDGE "," BACKEND "," UNUSED "]",
         MANAGER BY_ID("g1") "\n" BY_ID("o1") VERBOSE LINE("a"), "192.0.2.7", 2},
        {SWARM("false"), TASKS(ON_ID("backend", "o1")), "[" BACKEND "," OTHER "," ROUTING "]",
         BY_ID("x1") VERBOSE BY_ID("o1") VERBOSE LINE("a"), "192.0.2.7", 1},
        {SWARM("false"), TASKS(ON_ID("backend", "o1") "," ON_ID("mesh", "x1")),
         "[" BACKEND "," ROUTING "]", BY_ID("x1") VERBOSE LINE("a"), "192.0.2.7", 2},
        {SWARM("true"), "[" ONE("a", "none", ON("none")) "]", "[" GWBRIDGE "," BACKEND "]",
         MANAGER BY_ID("g1") "\n", NULL, 2},
        {INFO, TASKS(ON_ID("backend", "o1")), "[" GWBRIDGE "," BACKEND "]", LINE("a"), NULL, 1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct reply replies[] = {
            LISTS(VERSION, cases[i].info, cases[i].containers, cases[i].networks),
            ANSWER("/v1.41/networks/*", DETAILED),
            ANSWER("/v1.41/services", SERVICES),
            ANSWER("/v1.41/nodes", NODES),
            ANSWER(INSPECT("a"), "{}"),
            END};
        struct server *server = *state;
        _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
        struct ng_engine engine;
        char addr[NG_ADDR_TEXT];
        assert_int_equal(observe(server, replies, arena, &engine), 0);
        assert_asked(server, cases[i].asked);
        assert_int_equal(engine.data_path_addr.family, cases[i].data_path ? NG_IP4 : 0);
        if (cases[i].data_path)
            assert_string_equal(ng_addr_text(engine.data_path_addr, addr), cases[i].data_path);
        assert_int_equal(engine.containers[0].n_endpoints, cases[i].n_endpoints);
    }
}

static void services_and_nodes_may_remain_untold(void **state) {
    static const struct {
        const char *status, *body;
        int how;
    } cases[] = {
        {"503 Service Unavailable", "{\"message\":\"no leader\"}", AT_ONCE},
        {"403 Forbidden", "", AT_ONCE},
        {"404 Not Found", "", AT_ONCE},
        {"200 OK", "{}", AT_ONCE},
        {"", "", NEVER},
    };
    static const char *const paths[] = {"/v1.41/services", "/v1.41/nodes"};
    for (size_t i = 0; i < ARRAY_SIZE(cases) * ARRAY_SIZE(paths); i++) {
        const char *untold = paths[i % ARRAY_SIZE(paths)];
        struct reply bad = {untold, cases[i / 2].status, cases[i / 2].body, cases[i / 2].how};
        const struct reply replies[] = {
            LISTS(VERSION, SWARM("true"), TWO, "[]"), bad,
            ANSWER("/v1.41/services", SERVICES),      ANSWER("/v1.41/nodes", NODES),
            ANSWER("/v1.41/containers/*", LINKED),    END};
        _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
        struct ng_engine engine;
        assert_int_equal(observe_within(*state, 400, replies, arena, &engine, NULL), 0);
        assert_int_equal(engine.n_services, untold != paths[0]);
        assert_int_equal(engine.n_peers, untold != paths[1]);
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
        TEST(an_engine_is_observed),
        TEST(closed_connections_are_opened_again),
        TEST(bad_answers_are_told),
        TEST(of_bad_answers_the_first_list_is_told),
        TEST(only_what_the_list_leaves_open_is_asked),
        TEST(links_are_asked_over_a_few_connections),
        TEST(links_may_remain_untold),
        TEST(silence_about_one_ends_soon),
        TEST(services_and_nodes_are_asked_of_who_knows_them),
        TEST(networks_of_tasks_are_asked),
        TEST(services_and_nodes_may_remain_untold),
        TEST(podman_is_asked_for_network_modes),
        TEST(a_network_mode_has_to_be_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
