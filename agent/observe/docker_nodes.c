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
