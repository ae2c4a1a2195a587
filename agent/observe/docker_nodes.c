/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker_nodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    ADDRESS_BYTES = 255,
};

static int add_addr(const struct shape *shape, struct ng_addr addr, struct nodes *nodes) {
    struct ng_addr *slot =
        NG_ARENA_APPEND(shape->arena, nodes->addrs, nodes->count, nodes->capacity);
    if (!slot)
        return -ENOMEM;
    *slot = addr;
    return 0;
}

int nodes_add(const struct shape *shape, const struct place *at, const json_t *object,
              const char *key, struct nodes *nodes) {
    struct ng_addr addr;
    const char *text;
    size_t len;
    int r = shape_object(shape, at, object);
    if (r == 0)
        r = shape_string(shape, at, object, key, ADDRESS_BYTES, &text);
    if (r < 0)
        return r;
    /* Without a port, the colons of an IPv6 address are its own. */
    if (!shape_parse_host(text, strlen(text), &addr)) {
        const char *host = shape_host_of(text, &len);
        if (!shape_parse_host(host, len, &addr))
            return 0;
    }
    return ng_addr_is_any(addr) ? 0 : add_addr(shape, addr, nodes);
}

static int compare_addrs(const void *a, const void *b) {
    const struct ng_addr *x = a, *y = b;
    if (x->family != y->family)
        return x->family < y->family ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

int nodes_settle(const struct shape *shape, struct nodes *nodes, struct ng_engine *engine) {
    size_t kept = 0;
    for (size_t i = 0; i < engine->n_peers; i++) {
        int r = add_addr(shape, engine->peers[i], nodes);
        if (r < 0)
            return r;
    }
    if (nodes->count > 0)
        qsort(nodes->addrs, nodes->count, sizeof(*nodes->addrs), compare_addrs);
    for (size_t i = 0; i < nodes->count; i++)
        if (kept == 0 || !ng_addr_equal(nodes->addrs[kept - 1], nodes->addrs[i]))
            nodes->addrs[kept++] = nodes->addrs[i];
    engine->peers = nodes->addrs;
    engine->n_peers = kept;
    return 0;
}

/* -- what a manager tells ------------------------------------------------------------ */

/* A node's description lists what the machine has and its engine's certificates. */
static int read_member(const struct shape *node, const struct place *at, const char *key,
                       struct nodes *nodes) {
    json_t *member = NULL;
    int r = shape_member_document(node, at, key, JSON_OBJECT, &member);
    if (r == 0 && member)
        r = nodes_add(node, &(struct place){at, key, 0}, member, "Addr", nodes);
    json_decref(member);
    return r;
}

int ng_docker_decode_nodes(struct ng_arena *arena, struct ng_docker_body body,
                           struct ng_engine *engine, struct ng_error *error) {
    const struct shape shape = {.arena = arena, .body = body, .error = error};
    const struct place at = {NULL, "nodes", 0};
    struct shape_list list = {0};
    struct nodes nodes = {0};
    struct shape node;
    int r;
    while ((r = shape_list_next_part(&shape, &at, &list, &node)) > 0) {
        const struct place at_node = {&at, NULL, list.count - 1};
        r = read_member(&node, &at_node, "Status", &nodes);
        if (r == 0)
            r = read_member(&node, &at_node, "ManagerStatus", &nodes);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : nodes_settle(&shape, &nodes, engine);
}

/* -- what an overlay network tells --------------------------------------------------- */

static int read_peers(const struct shape *shape, const struct place *at, struct nodes *nodes) {
    const struct place at_peers = {at, "Peers", 0};
    json_t *peers = NULL;
    int r = shape_member_document(shape, at, "Peers", JSON_ARRAY, &peers);
    for (size_t i = 0; r == 0 && i < json_array_size(peers); i++)
        r = nodes_add(shape, &(struct place){&at_peers, NULL, i}, json_array_get(peers, i), "IP",
                      nodes);
    json_decref(peers);
    return r;
}

/* The network's endpoints on this node are listed apart. */
static bool is_own(const json_t *members, const json_t *task) {
    const json_t *id = json_object_get(task, "EndpointID");
    json_t *borrowed = (json_t *)members; /* jansson's iterators take no const */
    if (!json_is_string(id))
        return false;
    for (void *i = json_object_iter(borrowed); i; i = json_object_iter_next(borrowed, i))
        if (json_equal(json_object_get(json_object_iter_value(i), "EndpointID"), id))
            return true;
    return false;
}

/* Where the tunnel to a task ends is the one thing that the API tells of `--data-path-addr`. */
static int read_task(const struct shape *shape, const struct place *at, const json_t *task,
                     const json_t *members, struct nodes *nodes, struct ng_addr *own) {
    const struct place at_info = {at, "Info", 0};
    const size_t count = nodes->count;
    const json_t *info;
    int r = shape_object(shape, at, task);
    if (r == 0)
        r = shape_member(shape, at, task, "Info", JSON_OBJECT, &info);
    if (r < 0 || !info)
        return r;
    r = nodes_add(shape, &at_info, info, "Host IP", nodes);
    if (r == 0 && nodes->count > count && !own->family && is_own(members, task))
        *own = nodes->addrs[count];
    return r;
}

static int read_tasks(const struct shape *shape, const struct place *at, const json_t *services,
                      const json_t *members, struct nodes *nodes, struct ng_addr *own) {
    json_t *borrowed = (json_t *)services; /* jansson's iterators take no const */
    int r = 0;
    for (void *i = json_object_iter(borrowed); r == 0 && i;
         i = json_object_iter_next(borrowed, i)) {
        const struct place at_service = {at, json_object_iter_key(i), 0};
        const struct place at_tasks = {&at_service, "Tasks", 0};
        const json_t *tasks;
        r = shape_object(shape, &at_service, json_object_iter_value(i));
        if (r == 0)
            r = shape_member(shape, &at_service, json_object_iter_value(i), "Tasks", JSON_ARRAY,
                             &tasks);
        for (size_t k = 0; r == 0 && k < json_array_size(tasks); k++)
            r = read_task(shape, &(struct place){&at_tasks, NULL, k}, json_array_get(tasks, k),
                          members, nodes, own);
    }
    return r;
}

int nodes_add_overlay(const struct shape *shape, const struct place *at, const json_t *services,
                      struct nodes *nodes, struct ng_addr *ret_own) {
    const struct place at_services = {at, "Services", 0};
    struct ng_addr own = {0};
    json_t *members = NULL;
    int r = read_peers(shape, at, nodes);
    if (r == 0)
        r = shape_member_document(shape, at, "Containers", JSON_OBJECT, &members);
    if (r == 0)
        r = read_tasks(shape, &at_services, services, members, nodes, &own);
    json_decref(members);
    if (r == 0 && own.family)
        *ret_own = own;
    return r;
}

int ng_docker_decode_overlay(struct ng_arena *arena, struct ng_docker_body body,
                             struct ng_engine *engine, struct ng_error *error) {
    const struct shape shape = {.arena = arena, .body = body, .error = error};
    const struct place at = {NULL, "network", 0};
    struct ng_addr own = engine->data_path_addr;
    struct nodes nodes = {0};
    json_t *services = NULL;
    int r = shape_member_document(&shape, &at, "Services", JSON_OBJECT, &services);
    if (r == 0)
        r = nodes_add_overlay(&shape, &at, services, &nodes, &own);
    json_decref(services);
    if (r == 0)
        r = nodes_settle(&shape, &nodes, engine);
    if (r == 0)
        engine->data_path_addr = own;
    return r;
}
