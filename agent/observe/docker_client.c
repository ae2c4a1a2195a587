/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker_client.h"

#include "agent/clock.h"
#include "agent/observe/docker_http.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

#define UNIX_SCHEME "unix://"
#define TCP_SCHEME  "tcp://"

enum {
    FIRST_CAPACITY = 64 * 1024,
    RECEIVE_BYTES = 256 * 1024, /* a long list in few system calls */
    PATH_BYTES = 256,
    /* Enough that an engine is never waited for while it could work, few enough not to crowd
     * out its other clients. */
    CONNECTIONS = 8,
    POLL_MS = 1000, /* whose turns are libcurl's own timeouts */
};

/* One request and its answer. */
struct transfer {
    struct ng_docker_client *client;
    CURL *curl; /* NULL: never needed yet */
    bool busy;
    size_t tag;
    char path[PATH_BYTES];

    char *body;
    size_t body_len, body_capacity;
    bool body_too_long, body_no_memory; /* why receive() stopped */

    char curl_says[CURL_ERROR_SIZE];
};

struct ng_docker_client {
    CURLM *multi; /* keeps the connections */
    char *endpoint;
    struct ng_docker_limits limits;
    int64_t deadline_ms; /* CLOCK_MONOTONIC */
    struct transfer transfers[CONNECTIONS];
};

struct ng_docker_connections {
    CURLSH *share;
    struct ng_engine_listener listener;
};

/* -- the endpoint -------------------------------------------------------------------- */

/* Control characters have no place in a path or a host name that ends up in messages. */
static bool is_printable_ascii(const char *text) {
    for (const char *c = text; *c; c++)
        if (*c < 0x20 || *c > 0x7e)
            return false;
    return true;
}

static int check_unix_path(const char *endpoint, const char *path, struct ng_error *error) {
    const size_t longest = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    if (path[0] != '/' || !path[1])
        return ng_error_set(
            error, -EINVAL, endpoint,
            "the socket's path must be absolute, as in unix:///var/run/docker.sock");
    if (strlen(path) > longest)
        return ng_error_set(error, -EINVAL, endpoint,
                            "the socket's path is longer than the %zu bytes a socket can have",
                            longest);
    return 0;
}

static bool is_port(const char *text) {
    size_t len = strlen(text);
    if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
        return false;
    unsigned long port = strtoul(text, NULL, 10);
    return port >= 1 && port <= 65535;
}

/* Only what a host name or address consists of: this text becomes part of a URL. */
static bool is_host(const char *text, size_t len) {
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    static const char address6[] = "0123456789abcdefABCDEF:.";
    if (len > 255)
        return false;
    if (len > 2 && text[0] == '[' && text[len - 1] == ']')
        return strspn(text + 1, address6) == len - 2;
    return len > 0 && strspn(text, name) == len;
}

static int check_tcp_address(const char *endpoint, const char *address, struct ng_error *error) {
    const char *colon = strrchr(address, ':');
    if (!colon || !is_port(colon + 1) || !is_host(address, (size_t)(colon - address)))
        return ng_error_set(error, -EINVAL, endpoint,
                            "expected a host and a port, as in tcp://192.0.2.1:2375 or "
                            "tcp://[2001:db8::1]:2375");
    return 0;
}

int ng_docker_endpoint_check(const char *endpoint, struct ng_error *error) {
    if (!is_printable_ascii(endpoint))
        return ng_error_set(error, -EINVAL, "docker",
                            "an engine's address may hold printable ASCII characters only");
    if (strncmp(endpoint, UNIX_SCHEME, strlen(UNIX_SCHEME)) == 0)
        return check_unix_path(endpoint, endpoint + strlen(UNIX_SCHEME), error);
    if (strncmp(endpoint, TCP_SCHEME, strlen(TCP_SCHEME)) == 0)
        return check_tcp_address(endpoint, endpoint + strlen(TCP_SCHEME), error);
    return ng_error_set(error, -EINVAL, endpoint, "expected unix:///path or tcp://host:port");
}

/* -- receiving ----------------------------------------------------------------------- */

static int make_room(struct transfer *transfer, size_t want) {
    if (want <= transfer->body_capacity)
        return 0;
    size_t capacity = transfer->body_capacity ? transfer->body_capacity : FIRST_CAPACITY;
    while (capacity < want)
        capacity *= 2;
    char *larger = realloc(transfer->body, capacity);
    if (!larger)
        return -ENOMEM;
    transfer->body = larger;
    transfer->body_capacity = capacity;
    return 0;
}

/* libcurl's write function: taking less than was offered ends the transfer. */
static size_t receive(char *bytes, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    size_t len = size * count;
    if (len > transfer->client->limits.max_body_bytes - transfer->body_len) {
        transfer->body_too_long = true;
        return 0;
    }
    if (make_room(transfer, transfer->body_len + len) < 0) {
        transfer->body_no_memory = true;
        return 0;
    }
    memcpy(transfer->body + transfer->body_len, bytes, len);
    transfer->body_len += len;
    return len;
}

/* -- what outlives a client ----------------------------------------------------------- */

int ng_docker_connections_new(struct ng_docker_connections **ret_connections) {
    struct ng_docker_connections *connections = calloc(1, sizeof(*connections));
    if (!connections)
        return -ENOMEM;
    connections->share = curl_share_init();
    if (!connections->share || curl_share_setopt(connections->share, CURLSHOPT_SHARE,
                                                 CURL_LOCK_DATA_CONNECT) != CURLSHE_OK) {
        ng_docker_connections_free(connections);
        return -ENOMEM;
    }
    *ret_connections = connections;
    return 0;
}

void ng_docker_connections_free(struct ng_docker_connections *connections) {
    if (!connections)
        return;
    curl_share_cleanup(connections->share);
    free(connections);
}

/* -- the client ---------------------------------------------------------------------- */

static int configure(struct transfer *transfer, struct ng_error *error) {
    CURL *curl = transfer->curl;
    const struct ng_docker_client *client = transfer->client;
    struct ng_docker_connections *connections = client->limits.connections;
    if (curl_easy_setopt(curl, CURLOPT_PRIVATE, transfer) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES) != CURLE_OK)
        return -ENOMEM;
    if (connections && (curl_easy_setopt(curl, CURLOPT_SHARE, connections->share) != CURLE_OK ||
                        curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, (long)INT_MAX) != CURLE_OK))
        return -ENOMEM;
    return ng_docker_http_configure(curl, client->endpoint,
                                    connections ? &connections->listener : NULL,
                                    transfer->curl_says, error);
}

static int prepare(struct ng_docker_client *client, struct transfer *transfer,
                   struct ng_error *error) {
    if (transfer->curl)
        return 0;
    transfer->client = client;
    transfer->curl = curl_easy_init();
    if (!transfer->curl || make_room(transfer, FIRST_CAPACITY) < 0)
        return -ENOMEM;
    return configure(transfer, error);
}

int ng_docker_client_new(const char *endpoint, const struct ng_docker_limits *limits,
                         struct ng_docker_client **ret_client, struct ng_error *error) {
    int r = ng_docker_endpoint_check(endpoint, error);
    if (r < 0)
        return r;

    _cleanup_(ng_docker_client_freep) struct ng_docker_client *client = calloc(1, sizeof(*client));
    if (!client)
        return -ENOMEM;
    client->limits = *limits;
    client->deadline_ms = ng_now_ms() + limits->timeout_ms;
    client->endpoint = strdup(endpoint);
    client->multi = curl_multi_init();
    if (!client->endpoint || !client->multi)
        return -ENOMEM;
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS);
    r = prepare(client, &client->transfers[0], error);
    if (r < 0)
        return r;
    *ret_client = TAKE_PTR(client);
    return 0;
}

void ng_docker_client_free(struct ng_docker_client *client) {
    if (!client)
        return;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct transfer *transfer = &client->transfers[i];
        if (transfer->busy)
            curl_multi_remove_handle(client->multi, transfer->curl);
        curl_easy_cleanup(transfer->curl);
        free(transfer->body);
    }
    curl_multi_cleanup(client->multi);
    free(client->endpoint);
    free(client);
}

void ng_docker_client_freep(struct ng_docker_client **client) {
    ng_docker_client_free(*client);
    *client = NULL;
}

static int timed_out(const struct transfer *transfer, struct ng_error *error) {
    const struct ng_docker_limits *limits = &transfer->client->limits;
    return ng_error_set(error, -ETIMEDOUT, transfer->client->endpoint,
                        "no complete answer to GET %s: the engine did not answer everything within "
                        "%u.%u s; it hangs or is overloaded",
                        transfer->path, limits->timeout_ms / 1000, limits->timeout_ms % 1000 / 100);
}

static int transfer_failed(const struct transfer *transfer, CURLcode code, struct ng_error *error) {
    const char *endpoint = transfer->client->endpoint, *path = transfer->path;
    if (transfer->body_too_long)
        return ng_error_set(error, -E2BIG, endpoint,
                            "the answer to GET %s is longer than %zu bytes: not read", path,
                            transfer->client->limits.max_body_bytes);
    if (transfer->body_no_memory)
        return -ENOMEM;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return timed_out(transfer, error);
    return ng_docker_http_failed(transfer->curl, code, endpoint, path, transfer->curl_says, error);
}

bool ng_docker_client_is_full(const struct ng_docker_client *client) {
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (!client->transfers[i].busy)
            return false;
    return true;
}

void ng_docker_client_hurry(struct ng_docker_client *client, unsigned within_ms) {
    int64_t deadline_ms = ng_now_ms() + within_ms;
    if (deadline_ms < client->deadline_ms)
        client->deadline_ms = deadline_ms;
}

int ng_docker_client_ask(struct ng_docker_client *client, const char *path, size_t tag,
                         struct ng_error *error) {
    struct transfer *transfer = client->transfers;
    while (transfer->busy)
        transfer++;
    int r = prepare(client, transfer, error);
    if (r < 0)
        return r;

    /* No time left is an answer that comes too late, 0 would be time without end. */
    int64_t left_ms = client->deadline_ms - ng_now_ms();
    snprintf(transfer->path, sizeof(transfer->path), "%s", path);
    transfer->tag = tag;
    transfer->body_len = 0;
    transfer->body_too_long = transfer->body_no_memory = false;
    transfer->curl_says[0] = '\0';
    if (ng_docker_http_get(transfer->curl, client->endpoint, path) < 0 ||
        curl_easy_setopt(transfer->curl, CURLOPT_TIMEOUT_MS, left_ms > 0 ? (long)left_ms : 1L) !=
            CURLE_OK ||
        curl_multi_add_handle(client->multi, transfer->curl) != CURLM_OK)
        return -ENOMEM;
    transfer->busy = true;
    return 0;
}

static int answer_of(struct transfer *transfer, CURLcode code, struct ng_docker_answer *ret_answer,
                     struct ng_error *error) {
    if (code != CURLE_OK)
        return transfer_failed(transfer, code, error);
    long status = 0;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    *ret_answer = (struct ng_docker_answer){
        .status = status,
        .bytes = transfer->body,
        .len_bytes = transfer->body_len,
    };
    return 0;
}

int ng_docker_client_take(struct ng_docker_client *client, size_t *ret_tag,
                          struct ng_docker_answer *ret_answer, struct ng_error *error) {
    for (;;) {
        int running, left;
        if (curl_multi_perform(client->multi, &running) != CURLM_OK)
            return -ENOMEM;
        const CURLMsg *message = curl_multi_info_read(client->multi, &left);
        if (message) {
            const CURLcode code = message->data.result;
            struct transfer *transfer;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
            curl_multi_remove_handle(client->multi, transfer->curl);
            transfer->busy = false;
            *ret_tag = transfer->tag;
            return answer_of(transfer, code, ret_answer, error);
        }
        if (curl_multi_poll(client->multi, NULL, 0, POLL_MS, NULL) != CURLM_OK)
            return -ENOMEM;
    }
}

int ng_docker_client_get(struct ng_docker_client *client, const char *path,
                         struct ng_docker_answer *ret_answer, struct ng_error *error) {
    size_t only;
    int r = ng_docker_client_ask(client, path, 0, error);
    return r < 0 ? r : ng_docker_client_take(client, &only, ret_answer, error);
}
