/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_OBSERVE_DOCKER_H
#define NETGUARD_OBSERVE_DOCKER_H

/* What a container engine says about itself: version, running containers, networks. */

#include "agent/observe/docker_client.h"
#include "netguard/world.h"

struct ng_docker_visit;

/* Asks the engine at `endpoint` ("unix:///path" or "tcp://host:port") for its lists; everything
 * that it says lives in `arena`. `limits` NULL: NG_DOCKER_TIMEOUT_MS, NG_DOCKER_BODY_BYTES.
 *
 * -EINVAL          `endpoint` is neither of the two forms
 * -ENOENT          no socket at that path
 * -ECONNREFUSED    a socket, but nobody listens on it
 * -EACCES          not permitted to connect, or the engine refuses to answer
 * -EAGAIN          too many wait for the engine to accept them already
 * -EHOSTUNREACH    the host's name has no address
 * -ETIMEDOUT       not done within limits->timeout_ms
 * -EPROTO          an answer cut short, of the wrong shape, or an HTTP error
 * -E2BIG           an answer longer than limits->max_body_bytes
 * -EPROTONOSUPPORT an engine too old to be understood
 * -ENOMEM, and what else connect(2) may say. */
int ng_docker_list(struct ng_arena *arena, const char *endpoint,
                   const struct ng_docker_limits *limits, struct ng_docker_visit **ret_visit,
                   struct ng_error *error) _must_check_;

/* What is known by then: all of its containers and networks, whose place in memory stays. */
const struct ng_engine *ng_docker_listed(const struct ng_docker_visit *visit);

/* Asks for what the lists leave open, of every container for its `capabilities` where these are
 * wanted, and gives the whole, which outlives the visit. Errors as above. */
int ng_docker_inspect(struct ng_docker_visit *visit, bool capabilities,
                      struct ng_engine *ret_engine, struct ng_error *error) _must_check_;

void ng_docker_visit_free(struct ng_docker_visit *visit); /* NULL-safe */
void ng_docker_visit_freep(struct ng_docker_visit **visit);

#endif
