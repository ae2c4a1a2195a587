/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_OBSERVE_DOCKER_HTTP_H
#define NETGUARD_OBSERVE_DOCKER_HTTP_H

/* What all requests to an engine have in common: the way there, and why there was no answer. */

#include "agent/observe/engine_socket.h"

#include <curl/curl.h>

/* The path of an endpoint "unix://PATH"; NULL: it is "tcp://…". */
const char *ng_docker_socket_path(const char *endpoint);

/* Sets what holds for every request to `endpoint`, which is one as ng_docker_endpoint_check() has
 * it. `curl_says` (CURL_ERROR_SIZE) is the caller's and outlives `curl`. `listener` NULL: connect
 * even where that would start an engine which is stopped; else its last listener, {0} at first,
 * and outlives `curl` as well. -ENOMEM, -ENOTSUP. */
int ng_docker_http_configure(CURL *curl, const char *endpoint, struct ng_engine_listener *listener,
                             char *curl_says, struct ng_error *error) _must_check_;

/* The next request is GET `path`. -ENOMEM. */
int ng_docker_http_get(CURL *curl, const char *endpoint, const char *path) _must_check_;

/* Why GET `path` got no answer, for whoever has to make one possible: `code` is what `curl` ended
 * with, and neither CURLE_OK nor one that the caller's own functions or timeout brought about.
 * Errors as ng_docker_list() (docker.h) lists them. */
int ng_docker_http_failed(CURL *curl, CURLcode code, const char *endpoint, const char *path,
                          const char *curl_says, struct ng_error *error);

#endif
