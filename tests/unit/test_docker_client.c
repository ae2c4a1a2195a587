/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The client against a server that follows a script: a thread of this test behind a real socket.
 * What is asked with it, and made of the answers, is in test_docker_asking.c. */

#include "agent/observe/docker_client.h"
#include "agent/observe/engine_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define OK(body)            REPLY("200 OK", body)
#define REPLY(status, body) "HTTP/1.1 " status "\r\nContent-Length: %zu\r\n\r\n" body

#define FIFTY   "01234567890123456789012345678901234567890123456789"
#define HUNDRED FIFTY FIFTY

enum then {
    KEEP,    /* the connection for the next request */
    CLOSE,   /* it after this answer */
    SILENCE, /* from here on, until the client goes */
    DRIBBLE, /* the answer, a byte every 50 ms */
};

/* One request that must come and what is said to it. A "%zu" in `reply` stands for the
 * length of what follows the first empty line. */
struct step {
    const char *path;
    const char *reply;
    enum then then;
};

struct server {
    char directory[32], path[64], endpoint[80];
    int listener;
    const struct step *steps;
    size_t n_steps;
    pthread_t thread;

    _Atomic size_t next;  /* step */
    size_t connections;   /* these are the thread's until it has ended */
    char unexpected[128]; /* the first request that did not follow the script */
};

/* What the client is made to believe. */
enum ng_engine_socket __wrap_ng_engine_socket_look(const char *path,
                                                   struct ng_engine_listener *listener);

static enum ng_engine_socket looks = NG_ENGINE_SOCKET_AWAKE;

enum ng_engine_socket __wrap_ng_engine_socket_look(const char *path,
                                                   struct ng_engine_listener *listener) {
    (void)listener;
    assert_int_equal(path[0], '/');
    return looks;
}

static bool read_request(int peer, char *request, size_t size) {
    size_t len = 0;
    while (len + 1 < size) {
        ssize_t n = recv(peer, request + len, size - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        request[len] = '\0';
        if (strstr(request, "\r\n\r\n"))
            return true;
    }
    return false;
}

static void wait_until_gone(int peer) {
    char rest[256];
    while (recv(peer, rest, sizeof(rest), 0) > 0)
        ;
}

static void say(int peer, const struct step *step) {
    char head[256];
    const char *body = strstr(step->reply, "\r\n\r\n");
    const char *number = strstr(step->reply, "%zu");
    if (number && body) {
        body += 4;
        int len = snprintf(head, sizeof(head), "%.*s%zu%.*s", (int)(number - step->reply),
                           step->reply, strlen(body), (int)(body - number - 3), number + 3);
        assert_in_range(len, 1, sizeof(head) - 1);
        send(peer, head, (size_t)len, MSG_NOSIGNAL);
    } else {
        body = step->reply;
    }
    for (size_t i = 0; step->then == DRIBBLE && body[i]; i++) {
        if (send(peer, body + i, 1, MSG_NOSIGNAL) < 0)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    }
    if (step->then != DRIBBLE)
        send(peer, body, strlen(body), MSG_NOSIGNAL);
}

/* Answers the requests of one connection; false when the script is at its end. */
static bool serve(struct server *server, int peer) {
    char request[2048], line[128];
    while (server->next < server->n_steps && read_request(peer, request, sizeof(request))) {
        const struct step *step = &server->steps[server->next++];
        snprintf(line, sizeof(line), "GET %s HTTP/1.1\r\n", step->path);
        if (strncmp(request, line, strlen(line)) != 0 && !server->unexpected[0])
            snprintf(server->unexpected, sizeof(server->unexpected), "%.100s", request);
        say(peer, step);
        if (step->then == SILENCE)
            wait_until_gone(peer);
        if (step->then != KEEP)
            break;
    }
    return server->next < server->n_steps;
}

static void *run(void *context) {
    struct server *server = context;
    bool more = true;
    while (more) {
        int peer = accept(server->listener, NULL, NULL);
        if (peer < 0)
            break; /* stop() has shut the listener down */
        server->connections++;
        more = serve(server, peer);
        close(peer);
    }
    return NULL;
}

static void start(struct server *server, const struct step *steps, size_t n_steps) {
    server->steps = steps;
    server->n_steps = n_steps;
    server->next = server->connections = 0;
    server->unexpected[0] = '\0';
    assert_int_equal(pthread_create(&server->thread, NULL, run, server), 0);
}

/* The whole script must have been followed; then the thread ends by itself, and the listener
 * can serve another script. */
static void stop(struct server *server) {
    if (server->next < server->n_steps)
        shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    assert_string_equal(server->unexpected, "");
    assert_int_equal(server->next, server->n_steps);
}

static int set_up(void **state) {
    struct server *server = calloc(1, sizeof(*server));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *state = server;
    if (!server)
        return -1;
    strcpy(server->directory, "/tmp/test-client-XXXXXX");
    if (!mkdtemp(server->directory))
        return -1;
    snprintf(server->path, sizeof(server->path), "%s/engine.sock", server->directory);
    snprintf(server->endpoint, sizeof(server->endpoint), "unix://%s", server->path);
    strcpy(address.sun_path, server->path);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(server->listener, (struct sockaddr *)&address, sizeof(address)) ||
           listen(server->listener, 8);
}

static int tear_down(void **state) {
    struct server *server = *state;
    close(server->listener);
    unlink(server->path);
    rmdir(server->directory);
    free(server);
    return 0;
}

/* -- helpers ------------------------------------------------------------------------- */

static const struct ng_docker_limits usual = {.timeout_ms = 5000, .max_body_bytes = 1 << 20};

static int get_from(const char *endpoint, const struct ng_docker_limits *limits,
                    struct ng_error *error) {
    _cleanup_(ng_docker_client_freep) struct ng_docker_client *client = NULL;
    struct ng_docker_answer answer;
    int r = ng_docker_client_new(endpoint, limits, &client, error);
    return r < 0 ? r : ng_docker_client_get(client, "/version", &answer, error);
}

/* What one GET makes of one reply. */
static int get_reply(struct server *server, const char *reply, enum then then,
                     const struct ng_docker_limits *limits, struct ng_error *error) {
    const struct step step = {"/version", reply, then};
    start(server, &step, 1);
    int r = get_from(server->endpoint, limits, error);
    stop(server);
    return r;
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* -- the client ---------------------------------------------------------------------- */

static void endpoints_are_checked(void **state) {
    static const char *const bad[] = {
        "",
        "/var/run/docker.sock",
        "http://127.0.0.1:2375",
        "ssh://host",
        "unix://",
        "unix:///",
        "unix://relative/path",
        "unix:///tmp/\x1b[31m",
        "unix:///tmp/\xc3\xa9",
        "unix:///" HUNDRED "/12345678",
        "tcp://",
        "tcp://:2375",
        "tcp://host",
        "tcp://host:",
        "tcp://host:0",
        "tcp://host:65536",
        "tcp://host:2375/",
        "tcp://host:+80",
        "tcp://user@host:2375",
        "tcp://host/path:2375",
        "tcp://::1:2375",
        "tcp://[]:2375",
        "tcp://[::1:2375",
        "tcp://[::g]:2375",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct ng_docker_client *client = NULL;
        struct ng_error error = {0};
        int r = ng_docker_client_new(bad[i], &usual, &client, &error);
        if (r != -EINVAL || client || !error.message[0])
            fail_msg("%s: %d", bad[i], r);
    }
    static const char *const good[] = {
        "unix:///run/docker.sock",        "unix:///a b?c#d%65",    "tcp://192.0.2.1:2375",
        "tcp://node-1.example.net:65535", "tcp://[2001:db8::1]:1",
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct ng_docker_client *client = NULL;
        assert_int_equal(ng_docker_client_new(good[i], &usual, &client, NULL), 0);
        ng_docker_client_free(client);
    }
    ng_docker_client_free(NULL);
}

static void connections_outlive_their_client(void **state) {
    static const struct step steps[] = {
        {"/version", OK("1"), KEEP},
        {"/version", OK("2"), CLOSE},
        {"/version", OK("3"), CLOSE},
    };
    struct server *server = *state;
    struct ng_docker_limits limits = usual;
    assert_int_equal(ng_docker_connections_new(&limits.connections), 0);
    start(server, steps, ARRAY_SIZE(steps));
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        assert_int_equal(get_from(server->endpoint, &limits, NULL), 0);
    stop(server);
    assert_int_equal(server->connections, 2);
    ng_docker_connections_free(limits.connections);
    ng_docker_connections_free(NULL);
}

/* What has once waited in the queue of its socket has it started. */
static void an_engine_asleep_is_not_connected_to(void **state) {
    struct server *server = *state;
    struct ng_docker_limits limits = usual;
    struct ng_error error = {0};
    struct pollfd queue = {.fd = server->listener, .events = POLLIN};
    assert_int_equal(ng_docker_connections_new(&limits.connections), 0);
    looks = NG_ENGINE_SOCKET_ASLEEP;
    assert_int_equal(get_from(server->endpoint, &limits, &error), -EHOSTDOWN);
    assert_non_null(strstr(error.message, "the engine is stopped"));
    assert_int_equal(poll(&queue, 1, 0), 0);
    /* But by whoever asks for it once, as Podman's is meant to be. */
    assert_int_equal(get_reply(server, OK("1"), CLOSE, &usual, NULL), 0);
    looks = NG_ENGINE_SOCKET_AWAKE;
    assert_int_equal(get_reply(server, OK("1"), CLOSE, &limits, NULL), 0);
    ng_docker_connections_free(limits.connections);
}

static void a_missing_socket_is_told(void **state) {
    struct server *server = *state;
    struct ng_error error = {0};
    unlink(server->path);
    assert_int_equal(get_from(server->endpoint, &usual, &error), -ENOENT);
    assert_string_equal(error.source, server->endpoint);
    assert_non_null(strstr(error.message, "no such socket"));
    assert_int_equal(get_from("unix:///dev/null/docker.sock", &usual, NULL), -ENOENT);
}

static void a_deserted_socket_is_told(void **state) {
    struct server *server = *state;
    struct ng_error error = {0};
    close(server->listener);
    server->listener = -1;
    assert_int_equal(get_from(server->endpoint, &usual, &error), -ECONNREFUSED);
    assert_non_null(strstr(error.message, "nobody listens"));
}

static void a_forbidden_socket_is_told(void **state) {
    struct server *server = *state;
    struct ng_error error = {0};
    bool root = geteuid() == 0;
    chmod(server->path, 0);
    chmod(server->directory, 0755);
    if (root)
        assert_int_equal(seteuid(65534), 0);
    int r = get_from(server->endpoint, &usual, &error);
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(r, -EACCES);
    assert_non_null(strstr(error.message, "root or as a member of the group docker"));
}

static void a_full_queue_is_told(void **state) {
    struct server *server = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int waiting[32];
    size_t n = 0;
    strcpy(address.sun_path, server->path);
    do {
        assert_true(n < ARRAY_SIZE(waiting));
        waiting[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    } while (connect(waiting[n++], (struct sockaddr *)&address, sizeof(address)) == 0);
    struct ng_error error = {0};
    assert_int_equal(get_from(server->endpoint, &usual, &error), -EAGAIN);
    assert_non_null(strstr(error.message, "accepts no connection"));
    while (n > 0)
        close(waiting[--n]);
}

static void any_status_is_an_answer(void **state) {
    static const struct {
        const char *reply, *body;
        long status;
    } cases[] = {
        {OK("OK"), "OK", 200},
        {OK(""), "", 200},
        {REPLY("500 Internal Server Error", "{}"), "{}", 500},
        {"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", "", 302},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
         "abcde", 200},
        {"HTTP/1.0 200 OK\r\n\r\nto the end", "to the end", 200},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct server *server = *state;
        const struct step step = {"/version", cases[i].reply, CLOSE};
        _cleanup_(ng_docker_client_freep) struct ng_docker_client *client = NULL;
        struct ng_docker_answer answer;
        start(server, &step, 1);
        assert_int_equal(ng_docker_client_new(server->endpoint, &usual, &client, NULL), 0);
        assert_int_equal(ng_docker_client_get(client, "/version", &answer, NULL), 0);
        stop(server);
        assert_int_equal(answer.status, cases[i].status);
        assert_int_equal(answer.len_bytes, strlen(cases[i].body));
        assert_memory_equal(answer.bytes, cases[i].body, answer.len_bytes);
    }
}

static void torn_answers_are_errors(void **state) {
    static const char *const torn[] = {
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[1,2",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nde",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        "220 mail.example.net ESMTP\r\n",
        "\x15\x03\x01\x00\x02\x02\x46",
    };
    for (size_t i = 0; i < ARRAY_SIZE(torn); i++) {
        struct ng_error error = {0};
        int r = get_reply(*state, torn[i], CLOSE, &usual, &error);
        if (r != -EPROTO)
            fail_msg("%zu: %d", i, r);
        assert_non_null(strstr(error.message, "GET /version"));
    }
}

static void long_answers_are_not_read(void **state) {
    struct ng_docker_limits limits = {.timeout_ms = 5000, .max_body_bytes = 10};
    struct ng_error error = {0};
    assert_int_equal(get_reply(*state, OK("0123456789"), CLOSE, &limits, NULL), 0);
    assert_int_equal(get_reply(*state, OK("0123456789a"), CLOSE, &limits, &error), -E2BIG);
    assert_non_null(strstr(error.message, "longer than 10 bytes"));
    assert_int_equal(get_reply(*state,
                               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n",
                               CLOSE, &limits, NULL),
                     -E2BIG);
}

static void silence_ends_in_time(void **state) {
    static const struct {
        const char *reply;
        enum then then;
    } cases[] = {
        {"", SILENCE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", SILENCE},
        {OK("0123456789012345678901234567890123456789"), DRIBBLE},
    };
    struct ng_docker_limits limits = {.timeout_ms = 300, .max_body_bytes = 1000};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ng_error error = {0};
        struct server *server = *state;
        const struct step step = {"/version", cases[i].reply, cases[i].then};
        start(server, &step, 1);
        int64_t begun = now_ms();
        int r = get_from(server->endpoint, &limits, &error);
        assert_in_range(now_ms() - begun, 290, 2000);
        stop(server);
        assert_int_equal(r, -ETIMEDOUT);
        assert_non_null(strstr(error.message, "within 0.3 s"));
    }
}

/* The time is one for all requests, and not for each anew. */
static void the_deadline_is_shared(void **state) {
    struct server *server = *state;
    static const struct step steps[] = {
        {"/a", OK("0123"), DRIBBLE}, /* 200 ms */
        {"/b", OK("0123"), DRIBBLE},
    };
    struct ng_docker_limits limits = {.timeout_ms = 300, .max_body_bytes = 1000};
    _cleanup_(ng_docker_client_freep) struct ng_docker_client *client = NULL;
    struct ng_docker_answer answer;
    start(server, steps, ARRAY_SIZE(steps));
    assert_int_equal(ng_docker_client_new(server->endpoint, &limits, &client, NULL), 0);
    assert_int_equal(ng_docker_client_get(client, "/a", &answer, NULL), 0);
    assert_int_equal(ng_docker_client_get(client, "/b", &answer, NULL), -ETIMEDOUT);
    assert_int_equal(ng_docker_client_get(client, "/c", &answer, NULL), -ETIMEDOUT);
    stop(server);
}

static void a_connection_is_kept_until_closed(void **state) {
    struct server *server = *state;
    static const struct step steps[] = {{"/a", OK("0"), KEEP},
                                        {"/b", OK("0"), KEEP},
                                        {"/c", OK("0"), CLOSE},
                                        {"/d", OK("0"), KEEP}};
    _cleanup_(ng_docker_client_freep) struct ng_docker_client *client = NULL;
    struct ng_docker_answer answer;
    start(server, steps, ARRAY_SIZE(steps));
    assert_int_equal(ng_docker_client_new(server->endpoint, &usual, &client, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        assert_int_equal(ng_docker_client_get(client, steps[i].path, &answer, NULL), 0);
    stop(server);
    assert_int_equal(server->connections, 2);
}

/* Over TCP, where a proxy named in the environment would otherwise be asked. */
static void tcp_goes_past_proxies(void **state) {
    struct server *server = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    const struct step step = {"/version", OK("OK"), CLOSE};
    char endpoint[64];
    close(server->listener);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%u", ntohs(address.sin_port));

    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    start(server, &step, 1);
    assert_int_equal(get_from(endpoint, &usual, NULL), 0);
    stop(server);
    unsetenv("http_proxy");
    unsetenv("all_proxy");

    close(server->listener);
    server->listener = -1;
    assert_int_equal(get_from(endpoint, &usual, NULL), -ECONNREFUSED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(endpoints_are_checked),
        TEST(a_missing_socket_is_told),
        TEST(a_deserted_socket_is_told),
        TEST(a_forbidden_socket_is_told),
        TEST(a_full_queue_is_told),
        TEST(any_status_is_an_answer),
        TEST(torn_answers_are_errors),
        TEST(long_answers_are_not_read),
        TEST(silence_ends_in_time),
        TEST(the_deadline_is_shared),
        TEST(a_connection_is_kept_until_closed),
        TEST(connections_outlive_their_client),
        TEST(an_engine_asleep_is_not_connected_to),
        TEST(tcp_goes_past_proxies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
