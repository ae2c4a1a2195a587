/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The follower in a loop of its own, against an engine that follows a script: a thread of this test
 * behind a real socket. Its clock runs as fast as a test wants. */

#include "agent/observe/docker_events.h"
#include "agent/observe/engine_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
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

/* GET /events?since= of when the engine answered to GET /version. */
#define VERSION_JSON "{\"Version\":\"28.5.1\",\"ApiVersion\":\"1.51\",\"MinAPIVersion\":\"1.24\"}"
#define DATE         "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
#define CHUNKED      "Transfer-Encoding: chunked\r\n\r\n"
#define OK           "HTTP/1.1 200 OK\r\n" DATE CHUNKED
#define EVENTS                                                                                     \
    "/v1.51/events?filters=%7B%22type%22%3A%5B%22container%22%2C%22network%22%2C%22service%22%2C"  \
    "%22node%22%2C%22daemon%22%5D%2C%22event%22%3A%5B%22create%22%2C%22start%22%2C%22die%22%2C"    \
    "%22died%22%2C%22destroy%22%2C%22remove%22%2C%22rename%22%2C%22update%22%2C%22connect%22%2C"   \
    "%22disconnect%22%2C%22reload%22%5D%7D&since=1767225600"
#define START_WEB                                                                                  \
    "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"c1\",\"Attributes\":{"       \
    "\"name\":\"web\"}}}\n"

enum then {
    KEEP,
    CLOSE,  /* the connection */
    FINISH, /* the answer, as HTTP has it, and keep the connection */
    HOLD,   /* until the client goes */
};

/* A request that must come - or none: some time passes - and what is said then. */
struct step {
    const char *path;
    const char *header; /* as it is */
    const char *chunk;  /* as one, with its length */
    enum then then;
};

/* The first request of each connection, answered well. */
#define NEGOTIATED                                                                                 \
    { "/version", OK, VERSION_JSON, FINISH }

struct fixture {
    char directory[32], path[64], endpoint[80];
    int listener;
    const struct step *steps;
    size_t n_steps;
    pthread_t thread;
    bool serving;
    _Atomic size_t next;
    char unexpected[1024];

    sd_event *loop;
    struct ng_docker_events *events;
    char told[4096]; /* a line for each call */
    char why[400];   /* the last one's */
};

/* -- what the follower is made to believe -------------------------------------------- */

int __real_sd_event_source_set_time_relative(sd_event_source *source, uint64_t us);
int __wrap_sd_event_source_set_time_relative(sd_event_source *source, uint64_t us);
int __real_sd_event_now(sd_event *loop, clockid_t clock, uint64_t *ret_us);
int __wrap_sd_event_now(sd_event *loop, clockid_t clock, uint64_t *ret_us);
enum ng_engine_socket __wrap_ng_engine_socket_look(const char *path,
                                                   struct ng_engine_listener *listener);

static unsigned times_faster;
static uint64_t ahead_us;
static enum ng_engine_socket looks;
static size_t looked; /* once for each attempt */

int __wrap_sd_event_source_set_time_relative(sd_event_source *source, uint64_t us) {
    return __real_sd_event_source_set_time_relative(source, us / times_faster);
}

int __wrap_sd_event_now(sd_event *loop, clockid_t clock, uint64_t *ret_us) {
    int r = __real_sd_event_now(loop, clock, ret_us);
    *ret_us += ahead_us;
    return r;
}

enum ng_engine_socket __wrap_ng_engine_socket_look(const char *path,
                                                   struct ng_engine_listener *listener) {
    assert_int_equal(path[0], '/');
    looked += listener != NULL;
    return looks;
}

/* -- the engine ---------------------------------------------------------------------- */

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

static void say(int peer, const struct step *step) {
    char chunk[1024] = "";
    if (step->header)
        send(peer, step->header, strlen(step->header), MSG_NOSIGNAL);
    if (step->chunk)
        snprintf(chunk, sizeof(chunk), "%zx\r\n%s\r\n", strlen(step->chunk), step->chunk);
    if (step->then == FINISH)
        strcat(chunk, "0\r\n\r\n");
    send(peer, chunk, strlen(chunk), MSG_NOSIGNAL);
}

/* One connection; false when the script is at its end. */
static bool serve(struct fixture *f, int peer) {
    char request[2048], line[1024];
    while (f->next < f->n_steps) {
        const struct step *step = &f->steps[f->next];
        if (!step->path) {
            nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
        } else {
            if (!read_request(peer, request, sizeof(request)))
                break;
            snprintf(line, sizeof(line), "GET %s HTTP/1.1\r\n", step->path);
            if (strncmp(request, line, strlen(line)) != 0 && !f->unexpected[0])
                snprintf(f->unexpected, sizeof(f->unexpected), "%.1000s", request);
        }
        f->next++;
        say(peer, step);
        while (step->then == HOLD && recv(peer, request, sizeof(request), 0) > 0)
            ;
        if (step->then == HOLD || step->then == CLOSE)
            break;
    }
    return f->next < f->n_steps;
}

static void *run(void *context) {
    struct fixture *f = context;
    bool more = true;
    while (more) {
        int peer = accept(f->listener, NULL, NULL);
        if (peer < 0)
            break; /* stop() has shut the listener down */
        more = serve(f, peer);
        close(peer);
    }
    return NULL;
}

#define START(f, ...)                                                                              \
    static const struct step steps[] = {__VA_ARGS__};                                              \
    start(f, steps, ARRAY_SIZE(steps))

static void start(struct fixture *f, const struct step *steps, size_t n_steps) {
    f->steps = steps;
    f->n_steps = n_steps;
    f->next = 0;
    assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
    f->serving = true;
}

/* The whole script must have been followed. */
static void stop(struct fixture *f) {
    if (f->next < f->n_steps)
        shutdown(f->listener, SHUT_RDWR);
    pthread_join(f->thread, NULL);
    f->serving = false;
    assert_string_equal(f->unexpected, "");
    assert_int_equal(f->next, f->n_steps);
}

static int listen_at(struct fixture *f) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, f->path);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(f->listener, (struct sockaddr *)&address, sizeof(address)) ||
           listen(f->listener, 8);
}

static void leave(struct fixture *f) {
    close(f->listener);
    f->listener = -1;
}

/* -- the follower -------------------------------------------------------------------- */

static void tell(struct fixture *f, const char *what, const char *more) {
    size_t len = strlen(f->told);
    snprintf(f->told + len, sizeof(f->told) - len, "%s%s\n", what, more);
}

static void connected(void *context) {
    tell(context, "connected", "");
}

static void changed(const struct ng_docker_event *event, void *context) {
    tell(context, event->kind == NG_DOCKER_EVENT_CONTAINER_START ? "start " : "other ",
         event->name);
}

static void lost(int code, const struct ng_error *why, void *context) {
    struct fixture *f = context;
    assert_string_equal(why->source, f->endpoint);
    snprintf(f->why, sizeof(f->why), "%s", why->message);
    tell(f, "lost ", strerrorname_np(-code));
}

static void follow(struct fixture *f) {
    const struct ng_docker_listener listener = {connected, changed, lost, f};
    assert_int_equal(ng_docker_events_new(f->loop, f->endpoint, &listener, &f->events, NULL), 0);
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#define RUN_UNTIL(f, condition)                                                                    \
    for (int64_t _end = now_ms() + 8000; !(condition);) {                                          \
        assert_true(now_ms() < _end);                                                              \
        assert_true(sd_event_run((f)->loop, 5000) >= 0);                                           \
    }

static void go_on_for(struct fixture *f, int64_t ms) {
    for (int64_t end = now_ms() + ms; now_ms() < end;)
        assert_true(sd_event_run(f->loop, 5000) >= 0);
}

/* Runs until this has been told, and forgets it. */
static void tells(struct fixture *f, const char *told) {
    const int64_t end = now_ms() + 8000;
    while (strncmp(f->told, told, strlen(f->told)) == 0 && strcmp(f->told, told) != 0 &&
           now_ms() < end)
        assert_true(sd_event_run(f->loop, 100000) >= 0);
    assert_string_equal(f->told, told);
    f->told[0] = '\0';
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    if (!f)
        return -1;
    times_faster = 1;
    ahead_us = 0;
    looks = NG_ENGINE_SOCKET_AWAKE;
    looked = 0;
    strcpy(f->directory, "/tmp/test-events-XXXXXX");
    if (!mkdtemp(f->directory) || sd_event_new(&f->loop) < 0)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/engine.sock", f->directory);
    snprintf(f->endpoint, sizeof(f->endpoint), "unix://%s", f->path);
    return listen_at(f);
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    ng_docker_events_free(f->events);
    sd_event_unref(f->loop);
    if (f->serving) { /* the test has failed */
        shutdown(f->listener, SHUT_RDWR);
        pthread_join(f->thread, NULL);
    }
    close(f->listener);
    unlink(f->path);
    rmdir(f->directory);
    free(f);
    return 0;
}

/* Goes away in the middle of it: the engine sees its client go. */
static void stop_following(struct fixture *f) {
    ng_docker_events_free(f->events);
    f->events = NULL;
    stop(f);
}

/* -- the tests ----------------------------------------------------------------------- */

static void a_wrong_endpoint_is_refused(void **state) {
    struct fixture *f = *state;
    const struct ng_docker_listener listener = {connected, changed, lost, f};
    struct ng_error error = {0};
    assert_int_equal(ng_docker_events_new(f->loop, "http://x", &listener, &f->events, &error),
                     -EINVAL);
    assert_true(error.message[0]);
    ng_docker_events_free(NULL);
}

static void events_are_told(void **state) {
    struct fixture *f = *state;
    START(f, NEGOTIATED, {EVENTS, OK, START_WEB START_WEB "{\"Type\":\"node\"", KEEP},
          {NULL, NULL, ",\"Action\":\"update\"}", KEEP}, {NULL, NULL, START_WEB, HOLD});
    follow(f);
    assert_int_equal(looked, 0); /* nothing happens before the loop runs */
    tells(f, "connected\nstart web\nstart web\nother \nstart web\n");
    stop_following(f);
}

/* Whoever makes its lists before the engine has said yes may miss something. */
static void connected_means_subscribed(void **state) {
    struct fixture *f = *state;
    START(f, NEGOTIATED, {EVENTS, NULL, NULL, KEEP},
          {NULL, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", NULL, KEEP},
          {NULL, CHUNKED, NULL, HOLD});
    follow(f);
    RUN_UNTIL(f, f->next >= 3 || f->told[0])
    assert_string_equal(f->told, "");
    tells(f, "connected\n");
    stop_following(f);
}

/* Without the engine's clock there is no "since". */
static void a_date_may_be_missing(void **state) {
    struct fixture *f = *state;
    static char path[sizeof(EVENTS)];
    static const struct step version = {"/version", "HTTP/1.1 200 OK\r\n" CHUNKED, VERSION_JSON,
                                        FINISH};
    struct step steps[] = {version, {path, OK, NULL, HOLD}};
    snprintf(path, sizeof(path), "%.*s", (int)(strstr(EVENTS, "&since") - EVENTS), EVENTS);
    start(f, steps, ARRAY_SIZE(steps));
    follow(f);
    tells(f, "connected\n");
    stop_following(f);
}

static void a_lost_stream_is_found_again(void **state) {
    struct fixture *f = *state;
    START(f, NEGOTIATED, {EVENTS, OK, START_WEB "{\"Type\":", CLOSE}, /* torn */
          NEGOTIATED, {EVENTS, OK, "\"service\"}", CLOSE},            /* garbage */
          NEGOTIATED, {EVENTS, OK, START_WEB, FINISH}, NEGOTIATED, {EVENTS, OK, START_WEB, HOLD});
    follow(f);
    tells(f, "connected\nstart web\nlost ECONNRESET\n");
    assert_non_null(strstr(f->why, "was cut short"));
    tells(f, "connected\nlost EPROTO\n");
    assert_non_null(strstr(f->why, "something else than events"));
    tells(f, "connected\nstart web\nlost ECONNRESET\n");
    assert_non_null(strstr(f->why, "has ended its event stream"));
    tells(f, "connected\nstart web\n");
    stop_following(f);
}

/* An engine that is not there is told of once, and tried again and again. */
static void an_absent_engine_is_waited_for(void **state) {
    struct fixture *f = *state;
    leave(f);
    times_faster = 10;
    follow(f);
    tells(f, "lost ECONNREFUSED\n");
    RUN_UNTIL(f, looked >= 4)
    unlink(f->path);
    tells(f, "lost ENOENT\n");
    RUN_UNTIL(f, looked >= 6)
    assert_string_equal(f->told, "");
    assert_int_equal(listen_at(f), 0);
    START(f, NEGOTIATED, {EVENTS, OK, START_WEB, HOLD});
    tells(f, "connected\nstart web\n");
    stop_following(f);
}

static void wrong_answers_are_told(void **state) {
    struct fixture *f = *state;
    START(f, {"/version", "HTTP/1.1 500 No\r\n" CHUNKED, "{\"message\":\"out of luck\"}", FINISH},
          {"/version", OK, "{\"ApiVersion\":7}", FINISH},
          {"/version", OK, "{\"Version\":\"1\",\"ApiVersion\":\"1.2\"}", FINISH},
          {"/version", "220 mail.example.net ESMTP\r\n", NULL, CLOSE}, NEGOTIATED,
          {EVENTS, "HTTP/1.1 403 No\r\n" CHUNKED, "not you\n", FINISH}, NEGOTIATED,
          {EVENTS, "HTTP/1.1 200 OK\r\nCont", NULL, CLOSE}, NEGOTIATED, {EVENTS, OK, NULL, HOLD});
    times_faster = 10;
    follow(f);
    tells(f, "lost EPROTO\n");
    assert_string_equal(f->why, "the engine answered GET /version with HTTP 500: out of luck");
    tells(f, "lost EPROTO\n");
    assert_non_null(strstr(f->why, "ApiVersion"));
    tells(f, "lost EPROTONOSUPPORT\n");
    tells(f, "lost EPROTO\n");
    assert_non_null(strstr(f->why, "no HTTP answer to GET /version"));
    tells(f, "lost EACCES\n");
    assert_string_equal(f->why, "the engine answered GET /v1.51/events with HTTP 403: not you");
    tells(f, "lost EPROTO\n");
    assert_non_null(strstr(f->why, "GET /v1.51/events was cut short"));
    tells(f, "connected\n");
    stop_following(f);
}

/* To connect would start it. */
static void an_engine_asleep_is_left_alone(void **state) {
    struct fixture *f = *state;
    looks = NG_ENGINE_SOCKET_ASLEEP;
    times_faster = 10;
    START(f, NEGOTIATED, {EVENTS, OK, START_WEB, CLOSE}, NEGOTIATED, {EVENTS, OK, NULL, HOLD});
    follow(f);
    tells(f, "lost EHOSTDOWN\n");
    int64_t begun = now_ms();
    RUN_UNTIL(f, looked >= 3)
    assert_in_range(now_ms() - begun, 190, 600); /* a second each */
    assert_string_equal(f->told, "");
    assert_int_equal(f->next, 0);
    looks = NG_ENGINE_SOCKET_AWAKE;
    tells(f, "connected\nstart web\nlost ECONNRESET\n");
    looks = NG_ENGINE_SOCKET_ASLEEP; /* it was stopped */
    tells(f, "lost EHOSTDOWN\n");
    go_on_for(f, 150);
    assert_int_equal(f->next, 2);
    looks = NG_ENGINE_SOCKET_AWAKE;
    tells(f, "connected\n");
    stop_following(f);
}

static void silence_ends_in_time(void **state) {
    struct fixture *f = *state;
    START(f, {"/version", NULL, NULL, HOLD}, NEGOTIATED,
          {EVENTS, "HTTP/1.1 200 OK\r\n", NULL, HOLD}, NEGOTIATED, {EVENTS, OK, NULL, KEEP},
          {NULL, NULL, NULL, KEEP}, {NULL, NULL, START_WEB, HOLD});
    times_faster = 100; /* 10 s take 100 ms, the silence before the event is one of 5 */
    follow(f);
    tells(f, "lost ETIMEDOUT\n");
    assert_non_null(strstr(f->why, "no answer to GET /version within 10 s"));
    tells(f, "lost ETIMEDOUT\n");
    assert_non_null(strstr(f->why, "no answer to GET /v1.51/events within 10 s"));
    tells(f, "connected\nstart web\n"); /* of a stream silence is no failure */
    stop_following(f);
}

/* Its stream stays open, and it answers nobody else. */
static void an_engine_that_hangs_is_missed(void **state) {
    struct fixture *f = *state;
    START(f, NEGOTIATED, {EVENTS, OK, START_WEB, HOLD});
    times_faster = 100;
    follow(f);
    tells(f, "connected\nstart web\nlost ETIMEDOUT\n");
    assert_non_null(strstr(f->why, "no answer to GET /_ping within 10 s"));
    stop_following(f);
}

/* Attempts after 100, 200, 400, 400, … ms, each up to a quarter sooner: where nobody is there they
 * cost nothing. */
static void attempts_become_rarer(void **state) {
    struct fixture *f = *state;
    leave(f);
    times_faster = 20;
    follow(f);
    go_on_for(f, 5);
    assert_in_range(looked, 0, 2);
    go_on_for(f, 150); /* 3 s: after 0.1, 0.3, 0.7, 1.1, …, 2.7, or sooner */
    assert_in_range(looked, 4, 12); /* a busy machine is late */
    go_on_for(f, 1000); /* 20 s, of which each delay takes 0.3 to 0.4; doubled on, there were 7 */
    assert_in_range(looked, 25, 80);
}

/* An engine that was there for a while is back soon; one that hangs up at once is asked ever more
 * rarely, though each time it lets us in. */
static void a_stream_that_lasted_begins_anew(void **state) {
    struct fixture *f = *state;
    START(f, NEGOTIATED, {EVENTS, OK, NULL, CLOSE}, NEGOTIATED, {EVENTS, OK, NULL, CLOSE},
          NEGOTIATED, {EVENTS, OK, NULL, CLOSE}, NEGOTIATED, {EVENTS, OK, NULL, CLOSE}, NEGOTIATED,
          {EVENTS, OK, NULL, KEEP}, {NULL, NULL, NULL, CLOSE}, NEGOTIATED,
          {EVENTS, OK, NULL, HOLD});
    follow(f);
    int64_t begun = now_ms();
    for (size_t i = 0; i < 4; i++)
        tells(f, "connected\nlost ECONNRESET\n");
    assert_in_range(now_ms() - begun, 500, 1500); /* 100 + 200 + 400 */
    tells(f, "connected\n");
    ahead_us = 6 * 1000 * 1000;
    begun = now_ms();
    tells(f, "lost ECONNRESET\nconnected\n");
    assert_in_range(now_ms() - begun, 60, 600); /* and not 1600 */
    stop_following(f);
}

/* Over TCP nobody may say goodbye. In /proc/net/tcp timer 02 is that of keepalive. */
static void keepalive_is_on_over_tcp(void **state) {
    struct fixture *f = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    char line[256], peer[32];
    bool found = false;
    leave(f);
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(f->listener, 8), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(f->endpoint, sizeof(f->endpoint), "tcp://127.0.0.1:%u", ntohs(address.sin_port));
    snprintf(peer, sizeof(peer), "0100007F:%04X", ntohs(address.sin_port));
    START(f, NEGOTIATED, {EVENTS, OK, NULL, HOLD});
    follow(f);
    tells(f, "connected\n");
    assert_int_equal(looked, 0);
    go_on_for(f, 200); /* until all is acknowledged */
    FILE *file = fopen("/proc/net/tcp", "re");
    while (fgets(line, sizeof(line), file)) {
        char to[32];
        unsigned timer;
        if (sscanf(line, "%*s %*s %31s %*x %*x:%*x %x:", to, &timer) == 2 && !strcmp(to, peer))
            found = timer == 2;
    }
    fclose(file);
    assert_true(found);
    stop_following(f);
}

/* Whatever it is about, it can be ended. */
static void following_may_end_anytime(void **state) {
    struct fixture *f = *state;
    START(f, {"/version", OK, NULL, HOLD}, NEGOTIATED, {EVENTS, NULL, NULL, HOLD});
    follow(f);
    RUN_UNTIL(f, f->next >= 1)
    ng_docker_events_free(f->events);
    follow(f);
    RUN_UNTIL(f, f->next >= 3)
    stop_following(f);
    assert_string_equal(f->told, "");
    follow(f); /* and before it has begun; tear_down() frees it */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_wrong_endpoint_is_refused),
        TEST(events_are_told),
        TEST(connected_means_subscribed),
        TEST(a_date_may_be_missing),
        TEST(a_lost_stream_is_found_again),
        TEST(an_absent_engine_is_waited_for),
        TEST(wrong_answers_are_told),
        TEST(an_engine_asleep_is_left_alone),
        TEST(silence_ends_in_time),
        TEST(an_engine_that_hangs_is_missed),
        TEST(attempts_become_rarer),
        TEST(a_stream_that_lasted_begins_anew),
        TEST(keepalive_is_on_over_tcp),
        TEST(following_may_end_anytime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
