/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_CONTAINER_SOCKETS_H
#define NETGUARD_AGENT_OBSERVE_CONTAINER_SOCKETS_H

/* What listens inside the containers, each in its own network namespace. */

#include "netguard/world.h"

/* Fills the listeners of every container that has a network of its own and a process on this host,
 * without those bound to loopback, which nobody outside the container gets to. Containers that end
 * meanwhile, or that may not be looked into, stay unread. The calling thread stays in its network
 * namespace. 0 or -ENOMEM. */
int ng_container_sockets_read(struct ng_world *world) _must_check_;

#endif
