/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Containers at their own addresses: on a bridge of this host, where whoever routes to it gets as
 * far as the rules let him, or on the LAN beside it, past the rules. */

/* -- ports --------------------------------------------------------------------------- */

/* At any address of the container that is of this family. */
static bool listens(const struct ng_container *container, const struct ng_listener *listener,
                    uint8_t family) {
    for (size_t i = 0; i < container->n_endpoints; i++) {
        struct ng_addr own = ng_endpoint_addr(&container->endpoints[i], family);
        if (own.family && ng_listener_takes(listener, family, listener->proto, own.value,
                                            listener->port, listener->link))
            return true;
    }
    return false;
}

int ng_known_ports(struct ng_arena *arena, const struct ng_container *container, uint8_t family,
                   struct ng_port **ret_ports, size_t *ret_count) {
    size_t most = container->n_exposed + container->n_published + container->n_listeners;
    struct ng_port *ports = ng_arena_alloc(arena, most, sizeof(*ports));
    if (!ports)
        return -ENOMEM;
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < container->n_exposed; i++)
        ports[n++] = container->exposed[i];
    for (size_t i = 0; i < container->n_published; i++)
        ports[n++] =
            (struct ng_port){container->published[i].container_port, container->published[i].proto};
    for (size_t i = 0; i < container->n_listeners; i++)
        if (listens(container, &container->listeners[i], family))
            ports[n++] =
                (struct ng_port){container->listeners[i].port, container->listeners[i].proto};
    if (n)
        qsort(ports, n, sizeof(*ports), ng_port_compare);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || ng_port_compare(&ports[kept - 1], &ports[i]) != 0)
            ports[kept++] = ports[i];
    *ret_ports = ports;
    *ret_count = kept;
    return 0;
}

/* -- exposures ----------------------------------------------------------------------- */

/* An address of this family on the LAN (or not). Those of an overlay network are known to other
 * nodes' containers only, in a namespace that is not this host's. */
bool ng_is_endpoint(const struct ng_engine *engine, const struct ng_endpoint *endpoint,
                    uint8_t family, bool on_lan) {
    const struct ng_network *network = ng_network_of(engine, endpoint);
    if (!ng_endpoint_addr(endpoint, family).family)
        return false;
    if (on_lan)
        return network && ng_network_is_on_lan(network);
    return !network || (!ng_network_is_on_lan(network) && !ng_network_is_overlay(network));
}

static const struct ng_endpoint *find_endpoint(const struct ng_engine *engine,
                                               const struct ng_container *container, uint8_t family,
                                               bool on_lan) {
    for (size_t i = 0; i < container->n_endpoints; i++)
        if (ng_is_endpoint(engine, &container->endpoints[i], family, on_lan))
            return &container->endpoints[i];
    return NULL;
}

int ng_direct_destinations(const struct ng_world *world, const struct ng_exposure *exposure,
                           struct ng_arena *arena, ng_u128 **ret_addrs, size_t *ret_count) {
    const struct ng_container *container = exposure->container;
    const struct ng_engine *engine = ng_engine_of(world, container);
    ng_u128 *addrs = ng_arena_alloc(arena, container->n_endpoints, sizeof(*addrs));
    size_t n = 0;
    if (!addrs)
        return -ENOMEM;
    for (size_t i = 0; engine && i < container->n_endpoints; i++)
        if (ng_is_endpoint(engine, &container->endpoints[i], exposure->family, false))
            addrs[n++] = ng_endpoint_addr(&container->endpoints[i], exposure->family).value;
    *ret_addrs = addrs;
    *ret_count = n;
    return 0;
}

static int add_ports(struct judgement *judgement, const struct ng_container *container,
                     struct ng_exposure exposure) {
    struct ng_port *ports;
    size_t count;
    int r = ng_known_ports(judgement->arena, container, exposure.family, &ports, &count);
    for (size_t i = 0; r == 0 && i < count; i++) {
        exposure.proto = ports[i].proto;
        exposure.container_port = ports[i].port;
        r = ng_add_exposure(judgement, exposure);
    }
    return r;
}

static int add_container(struct judgement *judgement, const struct ng_engine *engine,
                         const struct ng_container *container, uint8_t family, bool on_lan) {
    const struct ng_endpoint *endpoint = find_endpoint(engine, container, family, on_lan);
    if (!endpoint)
        return 0;
    struct ng_exposure exposure = {
        .kind = on_lan ? NG_KIND_L2 : NG_KIND_DIRECT,
        .family = family,
        .container = container,
        .container_addr = ng_endpoint_addr(endpoint, family),
    };
    if (on_lan) {
        const char *parent = ng_network_of(engine, endpoint)->parent;
        const struct ng_link *link = parent ? ng_link_named(judgement->world, parent) : NULL;
        if (!link) /* it stands on nothing that leads anywhere, or judge.c tells of the gap */
            return 0;
        exposure.link = link->index;
    }
    return add_ports(judgement, container, exposure);
}

/* A rootless engine's bridges are in a namespace of its own. */
int ng_find_direct(struct judgement *judgement) {
    static const uint8_t families[] = {NG_IP4, NG_IP6};
    int r = 0;
    for (size_t i = 0; i < judgement->world->n_engines; i++) {
        const struct ng_engine *engine = &judgement->world->engines[i];
        for (size_t k = 0; !engine->rootless && k < engine->n_containers; k++)
            for (size_t way = 0; r == 0 && way < 4; way++)
                r = add_container(judgement, engine, &engine->containers[k], families[way % 2],
                                  way / 2);
    }
    return r;
}

/* Does nobody get there, and not because of the guard? */
static bool is_closed(const struct ng_exposure *exposure) {
    for (size_t i = 0; i < exposure->n_reach; i++) {
        const struct ng_reach *reach = &exposure->reach[i];
        if (reach->verdict != NG_BLOCKED ||
            (reach->decided_by && strcmp(reach->decided_by->table, NG_GUARD_TABLE) == 0))
            return false;
    }
    return true;
}

int ng_leave_out_closed_ways(struct judgement *judgement) {
    const struct ng_exposure *all = judgement->all;
    size_t shown = 0;
    for (size_t i = 0; i < judgement->n_all; i++) {
        judgement->trails[i].shown = all[i].kind != NG_KIND_DIRECT || !is_closed(&all[i]);
        shown += judgement->trails[i].shown;
    }
    judgement->exposures = judgement->all;
    judgement->n_exposures = shown;
    if (shown == judgement->n_all)
        return 0;
    judgement->exposures = ng_arena_alloc(judgement->arena, shown, sizeof(*judgement->exposures));
    if (!judgement->exposures)
        return -ENOMEM;
    for (size_t i = 0, n = 0; i < judgement->n_all; i++)
        if (judgement->trails[i].shown)
            judgement->exposures[n++] = all[i];
    return 0;
}
