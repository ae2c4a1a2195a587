/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker_http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define UNIX_SCHEME "unix://"
#define TCP_SCHEME  "tcp://"

enum {
    URL_BYTES = 1024,
};

const char *ng_docker_socket_path(const char *endpoint) {
    const size_t len = strlen(UNIX_SCHEME);
    return strncmp(endpoint, UNIX_SCHEME, len) == 0 ? endpoint + len : NULL;
}

/* Looked at as late as that: once a connection waits in the queue of a socket that systemd keeps,
 * the engine is started for it, even if the connection is given up. */
static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *to) {
    const struct sockaddr_un *address = (const void *)&to->addr;
    (void)purpose;
    if (to->family == AF_UNIX &&
        ng_engine_socket_look(address->sun_path, context) == NG_ENGINE_SOCKET_ASLEEP)
        return CURL_SOCKET_BAD;
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* Nothing of the caller's environment may lead a request elsewhere: no proxy, no redirect, no other
 * protocol, no signal for a name that does not resolve. */
int ng_docker_http_configure(CURL *curl, const char *endpoint, struct ng_engine_listener *listener,
                             char *curl_says, struct ng_error *error) {
    CURLcode failed = CURLE_OK;
#define SET(option, value)                                                                         \
    do {                                                                                           \
        CURLcode code = curl_easy_setopt(curl, option, value);                                     \
        if (code != CURLE_OK)                                                                      \
            failed = code;                                                                         \
    } while (0)
    SET(CURLOPT_ERRORBUFFER, curl_says);
    SET(CURLOPT_USERAGENT, "netguard");
    SET(CURLOPT_PROTOCOLS_STR, "http");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* else freeing waits for a name server that hangs */
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_UNIX_SOCKET_PATH, ng_docker_socket_path(endpoint));
    if (listener) {
        SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
        SET(CURLOPT_OPENSOCKETDATA, listener);
    }
#undef SET
    if (failed == CURLE_OK)
        return 0;
    return failed == CURLE_OUT_OF_MEMORY
               ? -ENOMEM
               : ng_error_set(error, -ENOTSUP, endpoint,
                              "libcurl cannot be set up for HTTP over sockets");
}

/* Over a unix socket the host in the URL is only a Host: header. */
int ng_docker_http_get(CURL *curl, const char *endpoint, const char *path) {
    const char *host = ng_docker_socket_path(endpoint) ? "docker" : endpoint + strlen(TCP_SCHEME);
    char url[URL_BYTES];
    snprintf(url, sizeof(url), "http://%s%s", host, path);
    return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK ? 0 : -ENOMEM;
}

static int not_connected(CURL *curl, const char *endpoint, struct ng_error *error) {
    const char *path = ng_docker_socket_path(endpoint);
    long os_errno = 0;
    if (path && ng_engine_socket_look(path, NULL) == NG_ENGINE_SOCKET_ASLEEP)
        return ng_error_set(error, -EHOSTDOWN, endpoint,
                            "the engine is stopped: to connect to its socket would start it");
    curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_errno);
    switch (os_errno) {
    case ENOENT:
    case ENOTDIR:
        return ng_error_set(error, -ENOENT, endpoint,
                            "there is no such socket: is the engine installed and running?");
    case ECONNREFUSED:
        return ng_error_set(error, -ECONNREFUSED, endpoint,
                            "nobody listens there: is the engine running?");
    case EACCES:
    case EPERM:
        return ng_error_set(error, -EACCES, endpoint,
                            "permission denied: run as root or as a member of the group docker");
    case 0: /* a unix socket whose queue is full: connect(2) says EAGAIN, libcurl nothing */
    case EAGAIN:
        return ng_error_set(error, -EAGAIN, endpoint,
                            "it accepts no connection now: the engine hangs or is overloaded");
    default:
        return ng_error_set(error, -(int)os_errno, endpoint, "cannot connect: %s",
                            strerror((int)os_errno));
    }
}

int ng_docker_http_failed(CURL *curl, CURLcode code, const char *endpoint, const char *path,
                          const char *curl_says, struct ng_error *error) {
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        return not_connected(curl, endpoint, error);
    case CURLE_COULDNT_RESOLVE_HOST:
        return ng_error_set(error, -EHOSTUNREACH, endpoint, "the host's name has no address");
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
        return ng_error_set(error, -EPROTO, endpoint, "the answer to GET %s was cut short: %s",
                            path, curl_says);
    case CURLE_OUT_OF_MEMORY: /* as well of a header beyond what libcurl takes, and so no -ENOMEM:
                                 what an engine says must not end the whole observation */
        return ng_error_set(error, -EPROTO, endpoint,
                            "no HTTP answer to GET %s: its header is too long, or out of memory",
                            path);
    default:
        return ng_error_set(error, -EPROTO, endpoint, "no HTTP answer to GET %s: %s", path,
                            curl_says[0] ? curl_says : curl_easy_strerror(code));
    }
}
