/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_OBSERVE_DOCKER_NODES_H
#define NETGUARD_OBSERVE_DOCKER_NODES_H

/* The addresses of a swarm's nodes, as several answers tell them, each its part. */

#include "agent/observe/docker_shape.h"

/* Start from a zeroed list; it lives in the shape's arena. */
struct nodes {
    struct ng_addr *addrs;
    size_t count, capacity;
};

/* A member "192.0.2.1:2377" or "192.0.2.1", if it is there and an address that a node can have:
 * engines also say "0.0.0.0", or a name. */
int nodes_add(const struct shape *shape, const struct place *at, const json_t *object,
              const char *key, struct nodes *nodes) _must_check_;

/* What an overlay network tells, `shape` with its "Services" as `services`: the nodes that are on
 * it and the addresses at which their tunnels end, this node's among them, which it also gives; it
 * is left as it was where no endpoint of the network is on this node. */
int nodes_add_overlay(const struct shape *shape, const struct place *at, const json_t *services,
                      struct nodes *nodes, struct ng_addr *ret_own) _must_check_;

/* Adds them to the engine's peers. */
int nodes_settle(const struct shape *shape, struct nodes *nodes,
                 struct ng_engine *engine) _must_check_;

#endif
