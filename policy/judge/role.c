/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"

#include <string.h>

/* The engine's own ports: its API, and what the nodes of a swarm say to each other. */

enum {
    API_PORT = 2375,
    API_TLS_PORT = 2376,
    MANAGEMENT_PORT = 2377,
    GOSSIP_PORT = 7946,
};

static const struct ng_engine *find_swarm(const struct ng_world *world) {
    for (size_t i = 0; i < world->n_engines; i++)
        if (world->engines[i].swarm)
            return &world->engines[i];
    return NULL;
}

static const struct ng_open_api *find_open_api(const struct ng_world *world,
                                               const struct ng_listener *listener) {
    for (size_t i = 0; i < world->n_engines; i++)
        for (size_t k = 0; k < world->engines[i].n_open_apis; k++) {
            const struct ng_open_api *api = &world->engines[i].open_apis[k];
            bool any = ng_addr_is_any(api->addr) && ng_addr_is_any(listener->addr);
            if (api->port == listener->port && (any || ng_addr_equal(api->addr, listener->addr)))
                return api;
        }
    return NULL;
}

/* Of a swarm's ports who holds them is not always to be seen, and the kernel itself has the data
 * path's. */
static enum ng_role swarm_role(const struct ng_engine *swarm, const struct ng_listener *listener) {
    if (!listener->process && listener->proto == NG_UDP &&
        listener->port == ng_engine_data_path_port(swarm))
        return NG_ROLE_SWARM_DATA_PATH;
    if (listener->process && !ng_listener_is_of(listener, "dockerd"))
        return NG_ROLE_NONE;
    if (listener->port == GOSSIP_PORT)
        return NG_ROLE_SWARM_GOSSIP;
    if (swarm->manager && listener->proto == NG_TCP && listener->port == MANAGEMENT_PORT)
        return NG_ROLE_SWARM_MANAGEMENT;
    return NG_ROLE_NONE;
}

enum ng_role ng_listener_role(const struct ng_world *world, const struct ng_listener *listener,
                              bool *ret_unverified) {
    const struct ng_engine *swarm = find_swarm(world);
    const struct ng_open_api *api = find_open_api(world, listener);
    enum ng_role role = swarm ? swarm_role(swarm, listener) : NG_ROLE_NONE;
    *ret_unverified = api && api->tls;
    if (role != NG_ROLE_NONE || listener->proto != NG_TCP)
        return role;
    if (api)
        return api->tls ? NG_ROLE_DOCKER_API_TLS : NG_ROLE_DOCKER_API;
    /* The engine warns of an API that lets anybody in, since 18.09; one that does not is known by
     * its port alone, since other things of the engine listen, too (its metrics). */
    if (!ng_listener_is_of(listener, "dockerd"))
        return NG_ROLE_NONE;
    return listener->port == API_PORT       ? NG_ROLE_DOCKER_API
           : listener->port == API_TLS_PORT ? NG_ROLE_DOCKER_API_TLS
                                            : NG_ROLE_NONE;
}

enum ng_usage ng_role_usage(enum ng_role role) {
    static const enum ng_usage usages[] = {
        [NG_ROLE_NONE] = NG_USAGE_NONE,
        [NG_ROLE_DOCKER_API] = NG_USAGE_DOCKER_API,
        [NG_ROLE_DOCKER_API_TLS] = NG_USAGE_DOCKER_API,
        [NG_ROLE_SWARM_MANAGEMENT] = NG_USAGE_CLUSTER,
        [NG_ROLE_SWARM_GOSSIP] = NG_USAGE_CLUSTER,
        [NG_ROLE_SWARM_DATA_PATH] = NG_USAGE_CLUSTER,
    };
    return usages[role];
}

/* -- encrypted overlay networks ------------------------------------------------------ */

static bool has_encrypted_overlay(const struct ng_engine *engine) {
    for (size_t i = 0; i < engine->n_networks; i++)
        if (engine->networks[i].encrypted && ng_network_in_use(engine, &engine->networks[i]))
            return true;
    return false;
}

/* They come as ESP, which has no ports and no socket. */
int ng_find_encrypted_paths(struct judgement *judgement) {
    const struct ng_engine *swarm = find_swarm(judgement->world);
    if (!swarm || !has_encrypted_overlay(swarm))
        return 0;
    uint8_t family = swarm->node_addr.family ? swarm->node_addr.family : NG_IP4;
    return ng_add_exposure(judgement, (struct ng_exposure){
                                          .kind = NG_KIND_HOST,
                                          .family = family,
                                          .proto = NG_ESP,
                                          .host_addr = {.family = family},
                                          .role = NG_ROLE_SWARM_DATA_PATH,
                                      });
}
