/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"

#include <errno.h>
#include <string.h>

/* Ports of a swarm's services in ingress mode: open on every address of every node, whatever the
 * stack file says of addresses. Managers are told of all services, workers of some or none; but
 * each node has the rules that lead packets to the ingress network, and its engine holds a socket
 * for each port so that nobody else takes it. */

static const char ingress_chain[] = "DOCKER-INGRESS";

static bool is_known(const struct judgement *judgement, uint8_t proto, uint16_t port) {
    for (size_t i = 0; i < judgement->n_exposures; i++)
        if (judgement->exposures[i].kind == NG_KIND_INGRESS &&
            judgement->exposures[i].proto == proto && judgement->exposures[i].host_port == port)
            return true;
    return false;
}

/* A service stands in the place of its containers, of which this host may have none. */
static const struct ng_container *make_service(struct ng_arena *arena, const char *name,
                                               const char *stack) {
    static const struct ng_endpoint on_ingress = {.network = "ingress", .network_id = ""};
    struct ng_container *container = ng_arena_alloc(arena, 1, sizeof(*container));
    if (container)
        *container = (struct ng_container){
            .id = "",
            .name = name ? name : "a service of the swarm",
            .image = "",
            .service = name,
            .stack = stack,
            .network_mode = "",
            .endpoints = &on_ingress,
            .n_endpoints = 1,
        };
    return container;
}

static int add_port(struct judgement *judgement, const struct ng_container *service, uint8_t proto,
                    uint16_t port, uint16_t target) {
    if (is_known(judgement, proto, port))
        return 0;
    if (!service)
        return -ENOMEM;
    return ng_add_exposure(judgement, (struct ng_exposure){
                                          .kind = NG_KIND_INGRESS,
                                          .family = NG_IP4, /* the mesh has no other */
                                          .proto = proto,
                                          .host_addr = {.family = NG_IP4},
                                          .host_port = port,
                                          .container = service,
                                          .container_port = target,
                                      });
}

/* A rule that leads a port into the mesh: "tcp dport 8080 dnat to 172.18.0.2:8080" */
struct way {
    uint8_t proto;
    uint16_t port;
};

static bool is_way(const struct ng_rule *rule, struct way *ret_way) {
    bool translates = false;
    ng_u128 value;
    *ret_way = (struct way){0};
    for (size_t i = 0; i < rule->n_ops; i++) {
        translates |= rule->ops[i].kind == NG_OP_DNAT;
        if (ng_op_demands(&rule->ops[i], NG_FIELD_L4PROTO, &value))
            ret_way->proto = (uint8_t)value;
        else if (ng_op_demands(&rule->ops[i], NG_FIELD_DPORT, &value))
            ret_way->port = (uint16_t)value;
    }
    return translates && ret_way->proto && ret_way->port;
}

static int find_ways(const struct judgement *judgement, struct way **ret_ways, size_t *ret_count) {
    const struct ng_ruleset *ruleset = judgement->ruleset;
    struct way *ways = NULL, way;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; ruleset && i < ruleset->n_chains; i++) {
        const struct ng_chain *chain = &ruleset->chains[i];
        for (size_t k = 0; strcmp(chain->name, ingress_chain) == 0 && k < chain->n_rules; k++) {
            if (!is_way(&ruleset->rules[chain->first_rule + k], &way))
                continue;
            struct way *own = NG_ARENA_APPEND(judgement->arena, ways, count, capacity);
            if (!own)
                return -ENOMEM;
            *own = way;
        }
    }
    *ret_ways = ways;
    *ret_count = count;
    return 0;
}

/* What a worker is told leaves the protocol out: it is that of the rules for the port. */
static int add_told_port(struct judgement *judgement, const struct ng_container *service,
                         const struct ng_ingress_port *port, const struct way *ways, size_t count) {
    bool found = port->proto != 0;
    int r = found ? add_port(judgement, service, port->proto, port->port, port->target) : 0;
    for (size_t i = 0; r == 0 && !port->proto && i < count; i++)
        if (ways[i].port == port->port) {
            r = add_port(judgement, service, ways[i].proto, port->port, port->target);
            found = true;
        }
    return r < 0 || found ? r : add_port(judgement, service, NG_TCP, port->port, port->target);
}

static int add_service(struct judgement *judgement, const struct ng_service *service,
                       const struct way *ways, size_t count) {
    const struct ng_container *own = make_service(judgement->arena, service->name, service->stack);
    int r = 0;
    for (size_t i = 0; r == 0 && i < service->n_ports; i++)
        r = add_told_port(judgement, own, &service->ports[i], ways, count);
    return r;
}

int ng_find_ingress(struct judgement *judgement) {
    const struct ng_world *world = judgement->world;
    struct way *ways = NULL;
    size_t count = 0;
    int r = find_ways(judgement, &ways, &count);
    for (size_t i = 0; i < world->n_engines; i++)
        for (size_t k = 0; r == 0 && k < world->engines[i].n_services; k++)
            r = add_service(judgement, &world->engines[i].services[k], ways, count);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = add_port(judgement, make_service(judgement->arena, NULL, NULL), ways[i].proto,
                     ways[i].port, 0);
    return r;
}
