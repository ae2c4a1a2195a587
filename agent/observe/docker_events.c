/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker_events.h"

#include "agent/observe/docker_client.h"
#include "agent/observe/docker_codec.h"
#include "agent/observe/docker_http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#define PING "/_ping"

enum {
    FIRST_DELAY_MS = 100,
    LONGEST_DELAY_MS = 5000,
    LONGEST_DELAY_HERE_MS = 400, /* where nobody listens at a socket of this machine */
    ASLEEP_DELAY_MS = 1000,
    ACCURACY_US = 1000,
    FIRST_CAPACITY = 16 * 1024,
    TURN_BYTES = 4 * 1024 * 1024, /* of one turn of the loop, in which libcurl reads 100 times */
    PATH_BYTES = 768,
    /* With the kernel's nine probes, a host that vanished is noticed in a minute. */
    KEEPALIVE_IDLE_S = 15,
    KEEPALIVE_INTERVAL_S = 5,
    /* An engine that hangs keeps its streams open: of that nothing tells but asking. */
    PING_MS = 10 * 1000,
};

enum state {
    WAITING,     /* for the next attempt */
    NEGOTIATING, /* GET /version has been asked */
    SUBSCRIBING, /* GET /events has been asked */
    FOLLOWING,
};

struct ng_docker_events {
    sd_event *loop;
    char *endpoint;
    struct ng_docker_listener listener;
    struct ng_engine_listener listening; /* the engine */

    enum state state;
    /* WAITING: for the next attempt; FOLLOWING: to ask whether it is still there; else: too late
     * for an answer. */
    sd_event_source *timer;
    unsigned delay_ms;
    uint64_t since_us;    /* FOLLOWING: CLOCK_MONOTONIC */
    struct ng_error told; /* why it was lost */

    /* One attempt. */
    CURLM *multi;
    CURL *curl;
    char curl_says[CURL_ERROR_SIZE];
    char request[32]; /* for errors: "/v1.41/events" */
    char *received;
    size_t len, capacity;
    bool too_long;
    bool accepted; /* the header has come, and is that of a stream */
    struct ng_docker_stream *stream;
    CURL *ping; /* beside the stream */
    struct ng_engine_listener ping_listening;
    char ping_says[CURL_ERROR_SIZE];
    bool pinged; /* and not yet answered */

    sd_event_source *curl_timer;
    bool unwatched; /* libcurl wants a socket watched and it cannot be */
};

/* A source of the loop's that is there can always be set. */
static void set_timer(sd_event_source *timer, unsigned within_ms) {
    (void)sd_event_source_set_time_relative(timer, (uint64_t)within_ms * 1000);
    (void)sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

static void stop_timer(sd_event_source *timer) {
    (void)sd_event_source_set_enabled(timer, SD_EVENT_OFF);
}

static uint64_t now_us(const struct ng_docker_events *events) {
    uint64_t now = 0;
    (void)sd_event_now(events->loop, CLOCK_MONOTONIC, &now);
    return now;
}

/* -- losing it ----------------------------------------------------------------------- */

static void disconnect(struct ng_docker_events *events) {
    if (events->multi && events->curl)
        curl_multi_remove_handle(events->multi, events->curl);
    if (events->pinged)
        curl_multi_remove_handle(events->multi, events->ping);
    curl_easy_cleanup(events->ping);
    curl_easy_cleanup(events->curl);
    curl_multi_cleanup(events->multi);
    ng_docker_stream_free(events->stream);
    events->curl = events->ping = NULL;
    events->pinged = false;
    events->multi = NULL;
    events->stream = NULL;
    events->len = 0;
    events->too_long = events->accepted = events->unwatched = false;
    stop_timer(events->curl_timer);
}

/* A little less than the delay: many that follow one engine shall not all come at once. */
static unsigned spread(unsigned delay_ms) {
    unsigned char random = 0;
    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
    return delay_ms - delay_ms * random / (4 * 256);
}

/* To ask in vain at a Unix socket costs next to nothing; and until an engine that has begun is
 * followed, what it may open stays closed. */
static unsigned longest_delay(const struct ng_docker_events *events, int code) {
    bool nobody = code == -ENOENT || code == -ECONNREFUSED;
    return nobody && ng_docker_socket_path(events->endpoint) ? LONGEST_DELAY_HERE_MS
                                                             : LONGEST_DELAY_MS;
}

/* When to try again. An engine that was there for a while is soon back, one that ends each stream
 * at once is none. */
static unsigned next_delay(struct ng_docker_events *events, int code) {
    const unsigned longest_ms = longest_delay(events, code);
    const bool lasted = events->state == FOLLOWING &&
                        now_us(events) - events->since_us >= (uint64_t)LONGEST_DELAY_MS * 1000;
    if (lasted || code == -EHOSTDOWN)
        events->delay_ms = FIRST_DELAY_MS;
    if (code == -EHOSTDOWN)
        return ASLEEP_DELAY_MS;
    unsigned delay_ms = events->delay_ms < longest_ms ? events->delay_ms : longest_ms;
    events->delay_ms = delay_ms * 2 < longest_ms ? delay_ms * 2 : longest_ms;
    return spread(delay_ms);
}

static void lose(struct ng_docker_events *events, int code, struct ng_error *why) {
    if (code == -ENOMEM)
        ng_error_set(why, code, events->endpoint, "out of memory while following the engine");
    set_timer(events->timer, next_delay(events, code));
    events->state = WAITING;
    disconnect(events);
    if (strcmp(why->message, events->told.message) == 0)
        return;
    events->told = *why;
    events->listener.lost(code, why, events->listener.context);
}

/* -- asking -------------------------------------------------------------------------- */

/* libcurl's write function: taking less than was offered ends the transfer. */
static size_t receive(char *bytes, size_t size, size_t count, void *context) {
    struct ng_docker_events *events = context;
    size_t len = size * count;
    size_t capacity = events->capacity ? events->capacity : FIRST_CAPACITY;
    if (len > TURN_BYTES - events->len) {
        events->too_long = true;
        return 0;
    }
    while (capacity < events->len + len)
        capacity *= 2;
    if (capacity > events->capacity) {
        char *larger = realloc(events->received, capacity);
        if (!larger)
            return 0;
        events->received = larger;
        events->capacity = capacity;
    }
    memcpy(events->received + events->len, bytes, len);
    events->len += len;
    return len;
}

static size_t receive_header(char *line, size_t size, size_t count, void *context) {
    struct ng_docker_events *events = context;
    long status = 0;
    curl_easy_getinfo(events->curl, CURLINFO_RESPONSE_CODE, &status);
    if (line[0] == '\r' || line[0] == '\n')
        events->accepted = status == 200;
    return size * count;
}

static int ask(struct ng_docker_events *events, const char *path) {
    events->len = 0;
    events->accepted = false;
    events->curl_says[0] = '\0';
    int r = ng_docker_http_get(events->curl, events->endpoint, path);
    if (r < 0)
        return r;
    return curl_multi_add_handle(events->multi, events->curl) == CURLM_OK ? 0 : -ENOMEM;
}

/* Docker sends the header before it subscribes, so that what happens in between would be lost to
 * whoever makes its lists then: hence the events since the second of the engine's clock in which it
 * answered before. */
static void since(CURL *curl, char *text, size_t size_bytes) {
    struct curl_header *date;
    time_t seconds = -1;
    text[0] = '\0';
    if (curl_easy_header(curl, "Date", 0, CURLH_HEADER, -1, &date) == CURLHE_OK)
        seconds = curl_getdate(date->value, NULL);
    if (seconds > 0)
        snprintf(text, size_bytes, "&since=%lld", (long long)seconds);
}

static int subscribe(struct ng_docker_events *events, struct ng_docker_api api) {
    char path[PATH_BYTES], since_text[32];
    char *filters = curl_easy_escape(events->curl, NG_DOCKER_EVENTS_FILTERS, 0);
    if (!filters)
        return -ENOMEM;
    since(events->curl, since_text, sizeof(since_text));
    snprintf(events->request, sizeof(events->request), "/v%u.%u/events", api.major, api.minor);
    snprintf(path, sizeof(path), "%s?filters=%s%s", events->request, filters, since_text);
    curl_free(filters);
    curl_multi_remove_handle(events->multi, events->curl);
    events->state = SUBSCRIBING;
    return ask(events, path);
}

/* Anew for each attempt: the engine may have become another one meanwhile. */
static int negotiate(struct ng_docker_events *events, struct ng_error *why) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    const struct ng_docker_body body = {events->endpoint, "GET /version", events->received,
                                        events->len};
    struct ng_docker_version version;
    struct ng_docker_api api;
    if (!arena)
        return -ENOMEM;
    int r = ng_docker_decode_version(arena, body, &version, why);
    if (r == 0)
        r = ng_docker_negotiate(&version, events->endpoint, &api, why);
    return r < 0 ? r : subscribe(events, api);
}

/* -- answers ------------------------------------------------------------------------- */

static int refused(const struct ng_docker_events *events, struct ng_error *why) {
    long status = 0;
    char said[160];
    curl_easy_getinfo(events->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200) /* and no end of the header, which libcurl lets pass */
        return ng_error_set(why, -EPROTO, events->endpoint, "the answer to GET %s was cut short",
                            events->request);
    ng_docker_error_message(events->received, events->len, said, sizeof(said));
    return ng_error_set(why, status == 401 || status == 403 ? -EACCES : -EPROTO, events->endpoint,
                        "the engine answered GET %s with HTTP %ld: %s", events->request, status,
                        said[0] ? said : "it does not say why");
}

static int stream_ended(const struct ng_docker_events *events, CURLcode code,
                        struct ng_error *why) {
    if (code == CURLE_OK)
        return ng_error_set(why, -ECONNRESET, events->endpoint,
                            "the engine has ended its event stream");
    return ng_error_set(why, -ECONNRESET, events->endpoint,
                        "the engine's event stream was cut short: %s", events->curl_says);
}

static int ended(struct ng_docker_events *events, CURLcode code, struct ng_error *why) {
    if (events->too_long)
        return ng_error_set(why, -E2BIG, events->endpoint,
                            "the answer to GET %s is longer than %d bytes: not read",
                            events->request, TURN_BYTES);
    if (code == CURLE_WRITE_ERROR)
        return -ENOMEM;
    if (events->state == FOLLOWING)
        return stream_ended(events, code, why);
    if (code != CURLE_OK)
        return ng_docker_http_failed(events->curl, code, events->endpoint, events->request,
                                     events->curl_says, why);
    if (!events->accepted)
        return refused(events, why);
    return negotiate(events, why);
}

static void begin(struct ng_docker_events *events) {
    set_timer(events->timer, PING_MS);
    events->state = FOLLOWING;
    events->since_us = now_us(events);
    events->told = (struct ng_error){0};
    events->listener.connected(events->listener.context);
}

static int deliver(struct ng_docker_events *events, struct ng_error *why) {
    struct ng_docker_event event;
    int r;
    ng_docker_stream_feed(events->stream, events->received, events->len);
    events->len = 0;
    while ((r = ng_docker_stream_next(events->stream, &event, why)) > 0)
        events->listener.changed(&event, events->listener.context);
    return r;
}

/* -- is it still there? -------------------------------------------------------------- */

static size_t discard(char *bytes, size_t size, size_t count, void *context) {
    (void)bytes, (void)context;
    return size * count;
}

static int ping(struct ng_docker_events *events, struct ng_error *why) {
    int r = 0;
    if (!events->ping) {
        events->ping = curl_easy_init();
        if (!events->ping ||
            curl_easy_setopt(events->ping, CURLOPT_WRITEFUNCTION, discard) != CURLE_OK)
            return -ENOMEM;
        r = ng_docker_http_configure(events->ping, events->endpoint, &events->ping_listening,
                                     events->ping_says, why);
    }
    if (r == 0)
        r = ng_docker_http_get(events->ping, events->endpoint, PING);
    if (r < 0)
        return r;
    if (curl_multi_add_handle(events->multi, events->ping) != CURLM_OK)
        return -ENOMEM;
    events->pinged = true;
    set_timer(events->timer, NG_DOCKER_TIMEOUT_MS);
    return 0;
}

/* Whatever it said. */
static int answered_ping(struct ng_docker_events *events, CURLcode code, struct ng_error *why) {
    curl_multi_remove_handle(events->multi, events->ping);
    events->pinged = false;
    if (code != CURLE_OK)
        return ng_docker_http_failed(events->ping, code, events->endpoint, PING, events->ping_says,
                                     why);
    set_timer(events->timer, PING_MS);
    return 0;
}

/* What has come of the turn that libcurl had. Outside of its callbacks, where no handle of its may
 * be freed. */
static int progress(struct ng_docker_events *events, struct ng_error *why) {
    int left, r = 0;
    if (events->state == SUBSCRIBING && events->accepted)
        begin(events);
    if (events->state == FOLLOWING)
        r = deliver(events, why);
    for (const CURLMsg *message;
         r == 0 && (message = curl_multi_info_read(events->multi, &left));) {
        if (message->easy_handle != events->ping)
            return ended(events, message->data.result, why);
        r = answered_ping(events, message->data.result, why);
    }
    return r;
}

/* -- libcurl in the loop ------------------------------------------------------------- */

static void turn(struct ng_docker_events *events, curl_socket_t fd, int ready) {
    struct ng_error why = {0};
    int running;
    int r = curl_multi_socket_action(events->multi, fd, ready, &running) == CURLM_OK
                ? progress(events, &why)
                : -ENOMEM;
    if (r == 0 && events->unwatched)
        r = -ENOMEM;
    if (r < 0)
        lose(events, r, &why);
}

static int on_socket(sd_event_source *source, int fd, uint32_t ready, void *context) {
    (void)source;
    turn(context, fd,
         (ready & EPOLLIN ? CURL_CSELECT_IN : 0) | (ready & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
             (ready & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
    return 0;
}

static int on_curl_timer(sd_event_source *source, uint64_t time_us, void *context) {
    (void)source, (void)time_us;
    turn(context, CURL_SOCKET_TIMEOUT, 0);
    return 0;
}

static int watch(CURL *curl, curl_socket_t fd, int what, void *context, void *of_socket) {
    struct ng_docker_events *events = context;
    sd_event_source *source = of_socket;
    const uint32_t wanted =
        (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    int r;
    (void)curl;
    if (what == CURL_POLL_REMOVE) {
        sd_event_source_disable_unref(source);
        curl_multi_assign(events->multi, fd, NULL);
        return 0;
    }
    if (source) {
        r = sd_event_source_set_io_events(source, wanted);
    } else {
        r = sd_event_add_io(events->loop, &source, fd, wanted, on_socket, events);
        if (r >= 0)
            curl_multi_assign(events->multi, fd, source);
    }
    if (r < 0)
        events->unwatched = true;
    return 0;
}

static int set_curl_timer(CURLM *multi, long within_ms, void *context) {
    struct ng_docker_events *events = context;
    (void)multi;
    if (within_ms < 0)
        stop_timer(events->curl_timer);
    else
        set_timer(events->curl_timer, (unsigned)within_ms);
    return 0;
}

/* -- attempts ------------------------------------------------------------------------ */

static int attempt(struct ng_docker_events *events, struct ng_error *why) {
    events->multi = curl_multi_init();
    events->curl = curl_easy_init();
    if (!events->multi || !events->curl || ng_docker_stream_new(events->endpoint, &events->stream))
        return -ENOMEM;
    int r = ng_docker_http_configure(events->curl, events->endpoint, &events->listening,
                                     events->curl_says, why);
    if (r < 0)
        return r;
    if (curl_easy_setopt(events->curl, CURLOPT_WRITEFUNCTION, receive) != CURLE_OK ||
        curl_easy_setopt(events->curl, CURLOPT_WRITEDATA, events) != CURLE_OK ||
        curl_easy_setopt(events->curl, CURLOPT_HEADERFUNCTION, receive_header) != CURLE_OK ||
        curl_easy_setopt(events->curl, CURLOPT_HEADERDATA, events) != CURLE_OK ||
        curl_easy_setopt(events->curl, CURLOPT_TCP_KEEPALIVE, 1L) != CURLE_OK ||
        curl_easy_setopt(events->curl, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S) != CURLE_OK ||
        curl_easy_setopt(events->curl, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL_S) !=
            CURLE_OK ||
        curl_multi_setopt(events->multi, CURLMOPT_SOCKETFUNCTION, watch) != CURLM_OK ||
        curl_multi_setopt(events->multi, CURLMOPT_SOCKETDATA, events) != CURLM_OK ||
        curl_multi_setopt(events->multi, CURLMOPT_TIMERFUNCTION, set_curl_timer) != CURLM_OK ||
        curl_multi_setopt(events->multi, CURLMOPT_TIMERDATA, events) != CURLM_OK)
        return -ENOMEM;
    snprintf(events->request, sizeof(events->request), "/version");
    events->state = NEGOTIATING;
    set_timer(events->timer, NG_DOCKER_TIMEOUT_MS);
    return ask(events, events->request);
}

static int on_timer(sd_event_source *source, uint64_t time_us, void *context) {
    struct ng_docker_events *events = context;
    struct ng_error why = {0};
    int r;
    (void)source, (void)time_us;
    if (events->state == WAITING)
        r = attempt(events, &why);
    else if (events->state == FOLLOWING && !events->pinged)
        r = ping(events, &why);
    else
        r = ng_error_set(&why, -ETIMEDOUT, events->endpoint,
                         "no answer to GET %s within %d s: the engine is starting, hangs or is "
                         "overloaded",
                         events->pinged ? PING : events->request, NG_DOCKER_TIMEOUT_MS / 1000);
    if (r < 0)
        lose(events, r, &why);
    return 0;
}

int ng_docker_events_new(sd_event *loop, const char *endpoint,
                         const struct ng_docker_listener *listener,
                         struct ng_docker_events **ret_events, struct ng_error *error) {
    int r = ng_docker_endpoint_check(endpoint, error);
    if (r < 0)
        return r;
    _cleanup_(ng_docker_events_freep) struct ng_docker_events *events = calloc(1, sizeof(*events));
    if (!events)
        return -ENOMEM;
    events->listener = *listener;
    events->delay_ms = FIRST_DELAY_MS;
    events->loop = sd_event_ref(loop);
    events->endpoint = strdup(endpoint);
    if (!events->endpoint)
        return -ENOMEM;
    r = sd_event_add_time_relative(loop, &events->timer, CLOCK_MONOTONIC, 0, ACCURACY_US, on_timer,
                                   events);
    if (r < 0)
        return r;
    r = sd_event_add_time_relative(loop, &events->curl_timer, CLOCK_MONOTONIC, 0, ACCURACY_US,
                                   on_curl_timer, events);
    if (r < 0)
        return r;
    stop_timer(events->curl_timer);
    *ret_events = TAKE_PTR(events);
    return 0;
}

void ng_docker_events_free(struct ng_docker_events *events) {
    if (!events)
        return;
    disconnect(events);
    sd_event_source_disable_unref(events->timer);
    sd_event_source_disable_unref(events->curl_timer);
    sd_event_unref(events->loop);
    free(events->received);
    free(events->endpoint);
    free(events);
}

void ng_docker_events_freep(struct ng_docker_events **events) {
    ng_docker_events_free(*events);
    *events = NULL;
}
