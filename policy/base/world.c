/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/world.h"

#include <string.h>

enum {
    DATA_PATH_PORT = 4789, /* VXLAN, RFC 7348 */
};

int ng_port_compare(const void *left, const void *right) {
    const struct ng_port *a = left, *b = right;
    return a->proto != b->proto ? a->proto - b->proto : a->port - b->port;
}

int ng_endpoint_compare(const void *left, const void *right) {
    const struct ng_endpoint *a = left, *b = right;
    return strcmp(a->network, b->network);
}

const struct ng_link *ng_link_named(const struct ng_world *world, const char *name) {
    for (size_t i = 0; i < world->n_links; i++)
        if (strcmp(world->links[i].name, name) == 0)
            return &world->links[i];
    return NULL;
}

bool ng_is_engine_bridge(const struct ng_world *world, const char *name) {
    for (size_t i = 0; i < world->n_engines; i++)
        for (size_t k = 0; k < world->engines[i].n_networks; k++) {
            const char *bridge = world->engines[i].networks[k].bridge;
            if (bridge && strcmp(bridge, name) == 0)
                return true;
        }
    return false;
}

struct ng_addr ng_endpoint_addr(const struct ng_endpoint *endpoint, uint8_t family) {
    return family == NG_IP4 ? endpoint->addr4 : endpoint->addr6;
}

bool ng_listener_is_of(const struct ng_listener *listener, const char *process) {
    return listener->process && strcmp(listener->process, process) == 0;
}

bool ng_engine_owns(const struct ng_engine *engine, const struct ng_container *container) {
    /* As numbers, for pointers into different arrays may not be compared. */
    uintptr_t at = (uintptr_t)container, first = (uintptr_t)engine->containers;
    return at >= first && at < (uintptr_t)(engine->containers + engine->n_containers);
}

const struct ng_engine *ng_engine_of(const struct ng_world *world,
                                     const struct ng_container *container) {
    for (size_t i = 0; i < world->n_engines; i++)
        if (ng_engine_owns(&world->engines[i], container))
            return &world->engines[i];
    return NULL;
}

const struct ng_container *ng_container_by_id(const struct ng_world *world, const char *id) {
    for (size_t i = 0; i < world->n_engines; i++)
        for (size_t k = 0; k < world->engines[i].n_containers; k++)
            if (strcmp(world->engines[i].containers[k].id, id) == 0)
                return &world->engines[i].containers[k];
    return NULL;
}

uint16_t ng_engine_data_path_port(const struct ng_engine *engine) {
    return engine->data_path_port ? engine->data_path_port : DATA_PATH_PORT;
}

bool ng_network_is_overlay(const struct ng_network *network) {
    return strcmp(network->driver, "overlay") == 0;
}

bool ng_network_is_on_lan(const struct ng_network *network) {
    return strcmp(network->driver, "macvlan") == 0 || strcmp(network->driver, "ipvlan") == 0;
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

const struct ng_network *ng_network_of(const struct ng_engine *engine,
                                       const struct ng_endpoint *endpoint) {
    for (size_t i = 0; i < engine->n_networks; i++)
        if (is_on(endpoint, &engine->networks[i]))
            return &engine->networks[i];
    return NULL;
}

const struct ng_network *ng_network_of_addr(const struct ng_world *world,
                                            const struct ng_container *container,
                                            struct ng_addr addr) {
    const struct ng_engine *engine = ng_engine_of(world, container);
    for (size_t i = 0; engine && i < container->n_endpoints; i++) {
        const struct ng_endpoint *endpoint = &container->endpoints[i];
        if (ng_addr_equal(endpoint->addr4, addr) || ng_addr_equal(endpoint->addr6, addr))
            return ng_network_of(engine, endpoint);
    }
    return NULL;
}
