/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_CONTAINER_SOCKETS_H
#define NETGUARD_AGENT_OBSERVE_CONTAINER_SOCKETS_H

/* What listens inside the containers, each in its own network namespace. */

#include "agent/observe/processes.h"
#include "netguard/world.h"

struct ng_container_sockets;

/* Begins to look into every container of the engine that has a network of its own and a process on
 * this host: in threads of its own, which alone enter other network namespaces. The containers
 * have to stay where they are, with their ids; what else is known of them may change. 0 or
 * -ENOMEM. */
int ng_container_sockets_begin(const struct ng_engine *engine,
                               struct ng_container_sockets **ret_sockets) _must_check_;

/* Waits for it, and fills in the containers' listeners, without those bound to loopback, which
 * nobody outside the container gets to. Containers that have ended meanwhile, or that may not be
 * looked into, stay unread. `ret_processes` are all those of this machine as they were at the
 * beginning, where there are containers. NULL-safe. 0 or -ENOMEM. */
int ng_container_sockets_end(struct ng_container_sockets *sockets, struct ng_arena *arena,
                             struct ng_processes *ret_processes) _must_check_;

#endif
