/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker_shape.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_BYTES = 255,
};

#define OPTION(name) "com.docker.network.bridge." name

/* Since engine 27. A mode of the future is taken for the default: what the rules really do about
 * outsiders is asked of the rules. */
static int read_gateway_mode(const struct shape *shape, const struct place *at,
                             const json_t *options, const char *option, uint8_t *ret_mode) {
    static const char *const modes[] = {
        [NG_GATEWAY_NAT] = "nat",
        [NG_GATEWAY_NAT_UNPROTECTED] = "nat-unprotected",
        [NG_GATEWAY_ROUTED] = "routed",
        [NG_GATEWAY_ISOLATED] = "isolated",
    };
    const char *mode;
    int r = shape_string(shape, at, options, option, NAME_BYTES, &mode);
    if (r < 0)
        return r;
    for (uint8_t i = 0; i < ARRAY_SIZE(modes); i++)
        if (strcmp(mode, modes[i]) == 0)
            *ret_mode = i;
    return 0;
}

/* Whether an option is set to `expected`, as Go reads booleans; anything else is neither. */
static int read_switch(const struct shape *shape, const struct place *at, const json_t *options,
                       const char *option, bool expected, bool *ret_set) {
    static const char *const words[2][6] = {
        {"false", "0", "f", "F", "False", "FALSE"},
        {"true", "1", "t", "T", "True", "TRUE"},
    };
    const char *text;
    int r = shape_string(shape, at, options, option, NAME_BYTES, &text);
    if (r < 0)
        return r;
    *ret_set = false;
    for (size_t i = 0; i < ARRAY_SIZE(words[0]); i++)
        if (strcmp(text, words[expected][i]) == 0)
            *ret_set = true;
    return 0;
}

/* The link is named in an option, or after the network's id. */
static int read_bridge(const struct shape *shape, const struct place *at, const json_t *options,
                       bool podman, struct ng_network *network) {
    const char *name;
    int r = shape_string(shape, at, options, OPTION("name"), NAME_BYTES, &name);
    if (r < 0)
        return r;
    if (name[0]) {
        network->bridge = name;
    } else if (!podman) { /* which counts its bridges up, and does not tell */
        network->bridge = ng_arena_printf(shape->arena, "br-%.12s", network->id);
        if (!network->bridge)
            return -ENOMEM;
    }
    r = read_gateway_mode(shape, at, options, OPTION("gateway_mode_ipv4"), &network->gateway4);
    if (r == 0)
        r = read_gateway_mode(shape, at, options, OPTION("gateway_mode_ipv6"), &network->gateway6);
    if (r == 0)
        r = read_switch(shape, at, options, OPTION("default_bridge"), true, &network->is_default);
    if (r == 0)
        r = read_switch(shape, at, options, OPTION("enable_icc"), false, &network->icc_off);
    return r;
}

static int read_parent(const struct shape *shape, const struct place *at, const json_t *options,
                       struct ng_network *network) {
    const char *parent;
    int r = shape_string(shape, at, options, "parent", NAME_BYTES, &parent);
    if (r == 0 && parent[0])
        network->parent = parent;
    return r;
}

/* `--opt encrypted` is an option without a value. */
static int read_encrypted(const struct shape *shape, const struct place *at, const json_t *options,
                          struct ng_network *network) {
    bool off;
    int r = read_switch(shape, at, options, "encrypted", false, &off);
    if (r == 0)
        network->encrypted = json_is_string(json_object_get(options, "encrypted")) && !off;
    return r;
}

/* The first address that the bridge has on this host. */
static int read_gateway(const struct shape *shape, const struct place *at, const json_t *object,
                        struct ng_network *network) {
    const struct place at_ipam = {at, "IPAM", 0}, at_config = {&at_ipam, "Config", 0};
    const json_t *ipam, *config;
    int r = shape_member(shape, at, object, "IPAM", JSON_OBJECT, &ipam);
    if (r == 0)
        r = shape_member(shape, &at_ipam, ipam, "Config", JSON_ARRAY, &config);
    for (size_t i = 0; r == 0 && !network->gateway.family && i < json_array_size(config); i++) {
        const struct place at_pool = {&at_config, NULL, i};
        const json_t *pool = json_array_get(config, i);
        r = shape_object(shape, &at_pool, pool);
        if (r == 0)
            r = shape_address(shape, &at_pool, pool, "Gateway", 0, &network->gateway);
    }
    return r;
}

/* Each driver knows its own options only, whatever others stand there. */
static int read_options(const struct shape *shape, const struct place *at, const json_t *object,
                        bool podman, struct ng_network *network) {
    const struct place at_options = {at, "Options", 0};
    const char *driver = network->driver;
    const json_t *options;
    int r = shape_member(shape, at, object, "Options", JSON_OBJECT, &options);
    if (r < 0)
        return r;
    if (strcmp(driver, "bridge") == 0) {
        r = read_bridge(shape, &at_options, options, podman, network);
        return r < 0 ? r : read_gateway(shape, at, object, network);
    }
    if (strcmp(driver, "macvlan") == 0 || strcmp(driver, "ipvlan") == 0)
        return read_parent(shape, &at_options, options, network);
    if (strcmp(driver, "overlay") == 0)
        return read_encrypted(shape, &at_options, options, network);
    return 0;
}

static int read_network(const struct shape *shape, const struct place *at, const json_t *object,
                        bool podman, struct ng_network *network) {
    const struct {
        const char *key;
        const char **text;
    } strings[] = {
        {"Id", &network->id},
        {"Name", &network->name},
        {"Driver", &network->driver},
    };
    const struct {
        const char *key;
        bool *flag;
    } flags[] = {
        {"Internal", &network->internal},
        {"Ingress", &network->ingress},
        {"Attachable", &network->attachable},
        {"EnableIPv6", &network->ipv6},
    };
    int r = shape_object(shape, at, object);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        if (!json_is_string(json_object_get(object, strings[i].key)))
            return shape_wrong(shape, &(struct place){at, strings[i].key, 0}, "a string",
                               json_object_get(object, strings[i].key));
        r = shape_string(shape, at, object, strings[i].key, NAME_BYTES, strings[i].text);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        r = shape_bool(shape, at, object, flags[i].key, flags[i].flag);
        if (r < 0)
            return r;
    }
    /* Podman calls its default network so in this list, and by its own name everywhere else. */
    if (podman && strcmp(network->name, "bridge") == 0)
        network->name = "podman";
    return read_options(shape, at, object, podman, network);
}

static int compare_networks(const void *a, const void *b) {
    const struct ng_network *x = a, *y = b;
    int r = strcmp(x->name, y->name);
    return r ? r : strcmp(x->id, y->id);
}

int ng_docker_decode_networks(struct ng_arena *arena, struct ng_docker_body body, bool podman,
                              const struct ng_network **ret_networks, size_t *ret_count,
                              struct ng_error *error) {
    const struct shape shape = {.arena = arena, .body = body, .error = error};
    const struct place at = {NULL, "networks", 0};
    struct ng_network *networks = NULL;
    size_t count = 0, capacity = 0;
    struct shape_list list = {0};
    json_t *element;
    int r;
    while ((r = shape_list_next(&shape, &at, &list, &element)) > 0) {
        struct ng_network *network = NG_ARENA_APPEND(arena, networks, count, capacity);
        r = network ? read_network(&shape, &(struct place){&at, NULL, list.count - 1}, element,
                                   podman, network)
                    : -ENOMEM;
        json_decref(element);
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    if (count > 0)
        qsort(networks, count, sizeof(*networks), compare_networks);
    *ret_networks = networks;
    *ret_count = count;
    return 0;
}

/* -- who is on a network ------------------------------------------------------------- */

/* "172.18.0.3/16"; family 0: none. */
static int read_member_addr(const struct shape *shape, const struct place *at, const json_t *member,
                            const char *key, struct ng_addr *ret_addr) {
    struct ng_addr addr;
    char own[NG_ADDR_TEXT];
    const char *text;
    int r = shape_string(shape, at, member, key, NAME_BYTES, &text);
    size_t len = r < 0 ? 0 : strcspn(text, "/");
    if (r < 0 || len == 0)
        return r;
    snprintf(own, sizeof(own), "%.*s", (int)len, text);
    if (len >= sizeof(own) || ng_addr_parse(own, &addr) < 0)
        return shape_wrong(shape, &(struct place){at, key, 0}, "an address and its prefix length",
                           json_object_get(member, key));
    *ret_addr = addr;
    return 0;
}

static bool is_on(const struct ng_container *container, const char *network) {
    for (size_t i = 0; i < container->n_endpoints; i++)
        if (strcmp(container->endpoints[i].network, network) == 0)
            return true;
    return false;
}

static int add_endpoint(const struct shape *shape, struct ng_container *container,
                        struct ng_endpoint endpoint) {
    const size_t n = container->n_endpoints;
    struct ng_endpoint *endpoints = ng_arena_alloc(shape->arena, n + 1, sizeof(*endpoints));
    if (!endpoints)
        return -ENOMEM;
    if (n)
        memcpy(endpoints, container->endpoints, n * sizeof(*endpoints));
    endpoints[n] = endpoint;
    qsort(endpoints, n + 1, sizeof(*endpoints), ng_endpoint_compare);
    container->endpoints = endpoints;
    container->n_endpoints = n + 1;
    return 0;
}

static int read_member(const struct shape *shape, const struct place *at, const json_t *member,
                       const struct ng_network *network, struct ng_container *container) {
    struct ng_endpoint endpoint = {.network = network->name, .network_id = network->id};
    int r = shape_object(shape, at, member);
    if (r == 0)
        r = read_member_addr(shape, at, member, "IPv4Address", &endpoint.addr4);
    if (r == 0)
        r = read_member_addr(shape, at, member, "IPv6Address", &endpoint.addr6);
    if (r < 0 || is_on(container, network->name))
        return r;
    return add_endpoint(shape, container, endpoint);
}

int ng_docker_decode_members(struct ng_arena *arena, struct ng_docker_body body,
                             const struct ng_network *network, struct ng_container *containers,
                             size_t count, struct ng_error *error) {
    const struct shape shape = {.arena = arena, .body = body, .error = error};
    const struct place at = {NULL, "network", 0}, at_members = {&at, "Containers", 0};
    json_t *document;
    const json_t *members;
    int r = shape_document(&shape, &at, &document);
    if (r < 0)
        return r;
    r = shape_object(&shape, &at, document);
    if (r == 0)
        r = shape_member(&shape, &at, document, "Containers", JSON_OBJECT, &members);
    for (size_t i = 0; r == 0 && i < count; i++) {
        const json_t *member = json_object_get(members, containers[i].id);
        if (member)
            r = read_member(&shape, &(struct place){&at_members, containers[i].id, 0}, member,
                            network, &containers[i]);
    }
    json_decref(document);
    return r;
}
