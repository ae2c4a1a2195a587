/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_OBSERVE_DOCKER_MOUNTS_H
#define NETGUARD_OBSERVE_DOCKER_MOUNTS_H

/* What a container sees of its host's files, as far as it matters: whoever gets at the socket of an
 * engine may start a container with every right, read-only mount or not. */

#include "agent/observe/docker_shape.h"

/* Whether one of a container's mounts is such a socket, or a directory that holds one: known by
 * their usual names, and that of the engine that tells by the endpoint it is asked at. A path is
 * taken as it reads: links in it are of a file system that need not be this one. */
int mounts_read(const struct shape *shape, const struct place *at, const json_t *container,
                bool *ret_engine_socket);

#endif
