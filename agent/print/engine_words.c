/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/engine_words.h"

#include <string.h>

enum {
    DATA_PATH_PORT = 4789, /* where the engine tells none */
};

const char *ng_product_text(const struct ng_engine *engine) {
    return engine->podman ? "Podman" : "Docker";
}

const char *ng_role_words(const struct ng_exposure *exposure) {
    switch (exposure->role) {
    case NG_ROLE_NONE:
        break;
    case NG_ROLE_DOCKER_API:
        return "Docker API, no TLS";
    case NG_ROLE_DOCKER_API_TLS:
        return exposure->unverified ? "Docker API, TLS without client certificate"
                                    : "Docker API, TLS";
    case NG_ROLE_SWARM_MANAGEMENT:
        return "swarm management";
    case NG_ROLE_SWARM_GOSSIP:
        return "swarm gossip";
    case NG_ROLE_SWARM_DATA_PATH:
        return exposure->proto == NG_UDP ? "swarm data path" : "swarm data path, encrypted";
    }
    return "";
}

uint16_t ng_engine_data_path_port(const struct ng_engine *engine) {
    return engine->data_path_port ? engine->data_path_port : DATA_PATH_PORT;
}

bool ng_engine_owns(const struct ng_engine *engine, const struct ng_container *container) {
    /* As numbers, for pointers into different arrays may not be compared. */
    uintptr_t at = (uintptr_t)container, first = (uintptr_t)engine->containers;

    return at >= first && at < (uintptr_t)(engine->containers + engine->n_containers);
}

bool ng_network_is_overlay(const struct ng_network *network) {
    return strcmp(network->driver, "overlay") == 0;
}

bool ng_network_is_on_lan(const struct ng_network *network) {
    return !network->internal &&
           (strcmp(network->driver, "macvlan") == 0 || strcmp(network->driver, "ipvlan") == 0);
}

static bool is_on(const struct ng_endpoint *endpoint, const struct ng_network *network) {
    return *endpoint->network_id ? strcmp(endpoint->network_id, network->id) == 0
                                 : strcmp(endpoint->network, network->name) == 0;
}

bool ng_network_has(const struct ng_network *network, const struct ng_container *container) {
    for (size_t i = 0; i < container->n_endpoints; i++)
        if (is_on(&container->endpoints[i], network))
            return true;
    return false;
}

bool ng_network_in_use(const struct ng_engine *engine, const struct ng_network *network) {
    for (size_t i = 0; i < engine->n_containers; i++)
        if (ng_network_has(network, &engine->containers[i]))
            return true;
    return false;
}

static const struct ng_network *find_network(const struct ng_engine *engine,
                                             const struct ng_endpoint *endpoint) {
    for (size_t i = 0; i < engine->n_networks; i++)
        if (is_on(endpoint, &engine->networks[i]))
            return &engine->networks[i];
    return NULL;
}

const struct ng_network *ng_network_of_addr(const struct ng_world *world,
                                            const struct ng_container *container,
                                            struct ng_addr addr) {
    for (size_t i = 0; i < world->n_engines; i++) {
        if (!ng_engine_owns(&world->engines[i], container))
            continue;
        for (size_t k = 0; k < container->n_endpoints; k++) {
            const struct ng_endpoint *endpoint = &container->endpoints[k];

            if (ng_addr_equal(endpoint->addr4, addr) || ng_addr_equal(endpoint->addr6, addr))
                return find_network(&world->engines[i], endpoint);
        }
    }
    return NULL;
}
