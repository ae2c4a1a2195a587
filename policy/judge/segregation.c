/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/segregation.h"

#include <errno.h>
#include <string.h>

#include "netguard/catalog.h"

/* Networks that are to be apart: who is on both sides, what is published where nothing is to be,
 * and (segregation_reach.c) who gets across all the same. */

bool ng_is_gateway(const struct ng_segregation *segregation, const struct ng_container *container) {
    return ng_selector_match(segregation->gateways, segregation->n_gateways, container, NULL);
}

static bool is_named(struct ng_strings globs, const char *name) {
    for (size_t i = 0; i < globs.count; i++)
        if (ng_glob_match(globs.items[i], name))
            return true;
    return false;
}

/* -- pods ---------------------------------------------------------------------------- */

static int list_nets(struct segregating *segregating) {
    const struct ng_world *world = segregating->judgement->world;
    size_t n = 0;
    for (size_t i = 0; i < world->n_engines; i++)
        n += world->engines[i].n_networks;
    segregating->nets = ng_arena_alloc(segregating->arena, n, sizeof(*segregating->nets));
    if (!segregating->nets)
        return -ENOMEM;
    for (size_t i = 0; i < world->n_engines; i++)
        for (size_t k = 0; k < world->engines[i].n_networks; k++) {
            const struct ng_network *network = &world->engines[i].networks[k];
            /* A rootless engine's bridges are in a namespace of its own. */
            bool here = network->bridge && !world->engines[i].rootless;
            segregating->nets[segregating->n_nets++] = (struct net){
                .engine = &world->engines[i],
                .network = network,
                .bridge = here ? ng_link_named(world, network->bridge) : NULL,
            };
        }
    return 0;
}

/* Whose network namespace the container is in. */
static const struct ng_container *home_of(const struct ng_engine *engine,
                                          const struct ng_container *container) {
    const struct ng_container *home = container;
    for (unsigned joined = 0; home->network_of && joined < 8; joined++)
        for (size_t i = 0; i < engine->n_containers; i++)
            if (strcmp(engine->containers[i].id, home->network_of) == 0) {
                home = &engine->containers[i];
                break;
            }
    return home;
}

static int add_place(struct segregating *segregating, struct pod *pod, struct net *net,
                     const struct ng_endpoint *endpoint) {
    const struct pod **own =
        NG_ARENA_APPEND(segregating->arena, net->pods, net->n_pods, net->pods_capacity);
    if (!own)
        return -ENOMEM;
    *own = pod;
    pod->places[pod->n_places++] = (struct place){net, endpoint};
    return 0;
}

static int list_places(struct segregating *segregating, const struct ng_engine *engine,
                       struct pod *pod) {
    const struct ng_container *home = pod->home;
    int r = 0;
    pod->places = ng_arena_alloc(segregating->arena, home->n_endpoints, sizeof(*pod->places));
    if (!pod->places)
        return -ENOMEM;
    for (size_t i = 0; i < home->n_endpoints; i++) {
        const struct ng_network *network = ng_network_of(engine, &home->endpoints[i]);
        for (size_t k = 0; r == 0 && network && k < segregating->n_nets; k++)
            if (segregating->nets[k].network == network)
                r = add_place(segregating, pod, &segregating->nets[k], &home->endpoints[i]);
    }
    return r;
}

static int add_member(struct segregating *segregating, struct pod *pod,
                      const struct ng_container *container) {
    const struct ng_container **own =
        NG_ARENA_APPEND(segregating->arena, pod->members, pod->n_members, pod->members_capacity);
    if (!own)
        return -ENOMEM;
    *own = container;
    return 0;
}

static int list_pods_of(struct segregating *segregating, const struct ng_engine *engine) {
    struct pod **by_container =
        ng_arena_alloc(segregating->arena, engine->n_containers, sizeof(struct pod *));
    int r = by_container ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < engine->n_containers; i++) {
        const struct ng_container *container = &engine->containers[i];
        if (home_of(engine, container) != container)
            continue;
        struct pod *pod = by_container[i] = &segregating->pods[segregating->n_pods++];
        *pod = (struct pod){.home = container,
                            .on_host = strcmp(container->network_mode, "host") == 0};
        r = list_places(segregating, engine, pod);
        if (r == 0)
            r = add_member(segregating, pod, container);
    }
    for (size_t i = 0; r == 0 && i < engine->n_containers; i++) {
        struct pod *pod =
            by_container[home_of(engine, &engine->containers[i]) - engine->containers];
        if (!by_container[i] && pod)
            r = add_member(segregating, pod, &engine->containers[i]);
    }
    return r;
}

static int list_pods(struct segregating *segregating) {
    const struct ng_world *world = segregating->judgement->world;
    size_t n = 0;
    int r = 0;
    for (size_t i = 0; i < world->n_engines; i++)
        n += world->engines[i].n_containers;
    segregating->pods = ng_arena_alloc(segregating->arena, n, sizeof(*segregating->pods));
    if (!segregating->pods)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < world->n_engines; i++)
        r = list_pods_of(segregating, &world->engines[i]);
    return r;
}

/* -- sides --------------------------------------------------------------------------- */

/* The engine itself puts every container there that is on an overlay network, or publishes. */
static bool is_the_engines(const struct ng_network *network) {
    return network->ingress || strcmp(network->name, NG_GATEWAY_BRIDGE) == 0;
}

static int side_of(const struct segregating *segregating, size_t number) {
    struct ng_strings apart = segregating->segregation->apart;
    const struct ng_network *network = segregating->nets[number].network;
    /* Nobody is on the network of this name with others. */
    if (strcmp(network->driver, "null") == 0)
        return SIDE_NONE;
    for (size_t i = 0; i < apart.count; i++)
        if (is_the_engines(network) ? strcmp(apart.items[i], network->name) == 0
                                    : ng_glob_match(apart.items[i], network->name))
            return (int)(apart.count == 1 ? number : i);
    return SIDE_NONE;
}

static void take_sides(struct segregating *segregating) {
    for (size_t i = 0; i < segregating->n_nets; i++)
        segregating->nets[i].side = side_of(segregating, i);
    for (size_t i = 0; i < segregating->n_pods; i++) {
        struct pod *pod = &segregating->pods[i];
        pod->side = SIDE_NONE;
        for (size_t k = 0; k < pod->n_places; k++) {
            int side = pod->places[k].net->side;
            if (side != SIDE_NONE && pod->side != side)
                pod->side = pod->side == SIDE_NONE ? side : SIDE_SEVERAL;
        }
        pod->outsider = NULL;
        for (size_t k = 0; k < pod->n_members && !pod->outsider; k++)
            if (!ng_is_gateway(segregating->segregation, pod->members[k]))
                pod->outsider = pod->members[k];
    }
}

/* -- on both sides ------------------------------------------------------------------- */

static const char *with_reason(struct ng_arena *arena, const struct ng_segregation *segregation,
                               const char *text) {
    return text && segregation->reason ? ng_arena_printf(arena, "%s; %s", text, segregation->reason)
                                       : text;
}

static int add(const struct segregating *segregating, const char *id,
               const struct ng_container *container, const char *message, const char *fix) {
    const struct ng_segregation *segregation = segregating->segregation;
    struct judgement *judgement = segregating->judgement;
    message = with_reason(judgement->arena, segregation, message);
    if (!message || !fix)
        return -ENOMEM;
    return ng_add_finding(judgement, (struct ng_finding){
                                         .id = id,
                                         .rule = segregation->id,
                                         .severity = segregation->severity,
                                         .action = NG_ALERT,
                                         .container = container,
                                         .about = container->name,
                                         .verdict = NG_REACHABLE,
                                         .subject = container->name,
                                         .message = message,
                                         .fix = fix,
                                     });
}

/* ", whose network namespace it shares": of a container that has joined another's. */
static const char *joined_clause(struct ng_arena *arena, const struct pod *pod,
                                 const struct ng_container *container) {
    return container == pod->home
               ? ""
               : ng_arena_printf(arena, ", as it shares the network of container %s",
                                 pod->home->name);
}

static int tell_member(const struct segregating *segregating, const struct pod *pod,
                       const struct ng_container *container) {
    struct ng_arena *arena = segregating->judgement->arena;
    const char *names = "", *joined = joined_clause(arena, pod, container);
    const struct place *last = NULL;
    for (size_t i = 0; names && i < pod->n_places; i++)
        if (pod->places[i].net->side != SIDE_NONE) {
            names = ng_arena_printf(arena, "%s%s%s", names, last ? ", " : "",
                                    pod->places[i].net->network->name);
            last = &pod->places[i];
        }
    if (!names || !joined || !last)
        return -ENOMEM;
    return add(segregating, NG_ID_SEGREGATION_MEMBER, container,
               ng_arena_printf(arena,
                               "container %s is on networks that are to be apart: %s%s, and is no "
                               "gateway",
                               container->name, names, joined),
               ng_arena_printf(arena,
                               "take it off all but one side, as with: docker network disconnect "
                               "%s %s\nor name it among the gateways of segregation %s",
                               last->net->network->name, pod->home->name,
                               segregating->segregation->id));
}

static int find_members(const struct segregating *segregating) {
    int r = 0;
    for (size_t i = 0; i < segregating->n_pods; i++) {
        const struct pod *pod = &segregating->pods[i];
        for (size_t k = 0; r == 0 && pod->side == SIDE_SEVERAL && k < pod->n_members; k++)
            if (!ng_is_gateway(segregating->segregation, pod->members[k]))
                r = tell_member(segregating, pod, pod->members[k]);
    }
    return r;
}

/* -- published ----------------------------------------------------------------------- */

struct port_list {
    const char *text;
    uint16_t outer, inner; /* of the last */
    uint8_t proto;
};

/* "8080->80/tcp"; a port that is published on several addresses is told once. */
static int list_port(struct ng_arena *arena, struct port_list *list, uint16_t outer, uint16_t inner,
                     uint8_t proto) {
    if (list->outer == outer && list->inner == inner && list->proto == proto)
        return 0;
    const char *between = list->text ? ", " : "", *before = list->text ? list->text : "";
    list->text = inner && inner != outer
                     ? ng_arena_printf(arena, "%s%s%u->%u/%s", before, between, outer, inner,
                                       ng_proto_text(proto))
                     : ng_arena_printf(arena, "%s%s%u/%s", before, between, outer,
                                       ng_proto_text(proto ? proto : NG_TCP));
    list->outer = outer;
    list->inner = inner;
    list->proto = proto;
    return list->text ? 0 : -ENOMEM;
}

/* What a service publishes in ingress mode leads to its containers. */
static int list_ingress(struct ng_arena *arena, const struct ng_engine *engine,
                        const struct ng_container *container, struct port_list *list) {
    int r = 0;
    for (size_t i = 0; container->service && i < engine->n_services; i++) {
        const struct ng_service *service = &engine->services[i];
        for (size_t k = 0;
             r == 0 && strcmp(service->name, container->service) == 0 && k < service->n_ports; k++)
            r = list_port(arena, list, service->ports[k].port, service->ports[k].target,
                          service->ports[k].proto);
    }
    return r;
}

static int tell_published(const struct segregating *segregating, const struct pod *pod,
                          const struct ng_container *container, const struct net *net) {
    struct ng_arena *arena = segregating->judgement->arena;
    const char *joined = joined_clause(arena, pod, container);
    const struct ng_container *publishers[] = {pod->home, container};
    struct port_list list = {0};
    int r = joined ? 0 : -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(publishers) && (i == 0 || container != pod->home); i++) {
        for (size_t k = 0; r == 0 && k < publishers[i]->n_published; k++)
            r = list_port(arena, &list, publishers[i]->published[k].host_port,
                          publishers[i]->published[k].container_port,
                          publishers[i]->published[k].proto);
        if (r == 0)
            r = list_ingress(arena, net->engine, publishers[i], &list);
    }
    if (r < 0 || !list.text)
        return r;
    return add(segregating, NG_ID_SEGREGATION_PUBLISH, container,
               ng_arena_printf(arena,
                               "container %s publishes %s%s, and is on network %s, where nothing "
                               "is to be published",
                               container->name, list.text, joined, net->network->name),
               ng_arena_printf(arena,
                               "publish nothing of %s, and let a gateway of segregation %s stand "
                               "before it\nor take it off network %s",
                               container->name, segregating->segregation->id, net->network->name));
}

/* A gateway is what publishes for the others, and for that it has to be on their network. */
static int find_published(const struct segregating *segregating) {
    const struct ng_segregation *segregation = segregating->segregation;
    int r = 0;
    for (size_t i = 0; i < segregating->n_pods; i++) {
        const struct pod *pod = &segregating->pods[i];
        const struct net *net = NULL;
        for (size_t k = 0; k < pod->n_places && !net; k++)
            if (is_named(segregation->unpublished, pod->places[k].net->network->name))
                net = pod->places[k].net;
        for (size_t k = 0; r == 0 && net && k < pod->n_members; k++)
            if (!ng_is_gateway(segregation, pod->members[k]))
                r = tell_published(segregating, pod, pod->members[k], net);
    }
    return r;
}

/* -- all of it ----------------------------------------------------------------------- */

static int find_one(struct segregating *segregating) {
    take_sides(segregating);
    int r = find_members(segregating);
    if (r == 0)
        r = find_published(segregating);
    return r < 0 || !segregating->segregation->apart.count ? r : ng_find_crossings(segregating);
}

int ng_find_segregation(struct judgement *judgement) {
    const struct ng_policy *policy = judgement->policy;
    if (policy->n_segregations == 0)
        return 0;
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct segregating segregating = {.judgement = judgement, .arena = arena};
    bool apart = false;
    int r = arena ? list_nets(&segregating) : -ENOMEM;
    if (r == 0)
        r = list_pods(&segregating);
    for (size_t i = 0; i < policy->n_segregations; i++)
        apart = apart || policy->segregations[i].apart.count;
    if (r == 0 && apart)
        r = ng_prepare_crossings(&segregating);
    for (size_t i = 0; r == 0 && i < policy->n_segregations; i++) {
        segregating.segregation = &policy->segregations[i];
        r = find_one(&segregating);
    }
    return r;
}
