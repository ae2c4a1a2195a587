/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker_nodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_BYTES = 255,
};

/* -- swarm --------------------------------------------------------------------------- */

static int read_data_path_port(const struct shape *shape, const struct place *at,
                               const json_t *swarm, uint16_t *ret_port) {
    const struct place at_cluster = {at, "Cluster", 0};
    const json_t *cluster;
    int r = shape_member(shape, at, swarm, "Cluster", JSON_OBJECT, &cluster);
    if (r < 0)
        return r;
    const json_t *port = json_object_get(cluster, "DataPathPort");
    if (!port || json_is_null(port) || (json_is_integer(port) && json_integer_value(port) == 0))
        return 0;
    return shape_port(shape, &at_cluster, cluster, "DataPathPort", ret_port);
}

static int read_node_addr(const struct shape *shape, const struct place *at, const json_t *swarm,
                          struct ng_addr *ret_addr) {
    const char *text;
    int r = shape_string(shape, at, swarm, "NodeAddr", NAME_BYTES, &text);
    if (r == 0 && !shape_parse_host(text, strlen(text), ret_addr))
        *ret_addr = (struct ng_addr){0};
    return r;
}

static int read_managers(const struct shape *shape, const struct place *at, const json_t *swarm,
                         struct ng_engine *engine) {
    const struct place at_managers = {at, "RemoteManagers", 0};
    const json_t *managers;
    struct nodes nodes = {0};
    int r = shape_member(shape, at, swarm, "RemoteManagers", JSON_ARRAY, &managers);
    for (size_t i = 0; r == 0 && i < json_array_size(managers); i++)
        r = nodes_add(shape, &(struct place){&at_managers, NULL, i}, json_array_get(managers, i),
                      "Addr", &nodes);
    return r < 0 ? r : nodes_settle(shape, &nodes, engine);
}

static int read_swarm(const struct shape *shape, const struct place *at, const json_t *document,
                      struct ng_engine *engine) {
    const struct place at_swarm = {at, "Swarm", 0};
    const json_t *swarm;
    const char *state;
    bool control;
    int r = shape_member(shape, at, document, "Swarm", JSON_OBJECT, &swarm);
    if (r < 0)
        return r;
    r = shape_string(shape, &at_swarm, swarm, "LocalNodeState", NAME_BYTES, &state);
    if (r < 0)
        return r;
    r = shape_bool(shape, &at_swarm, swarm, "ControlAvailable", &control);
    if (r < 0)
        return r;
    engine->swarm = strcmp(state, "active") == 0;
    if (!engine->swarm)
        return 0;
    engine->manager = control;
    r = read_node_addr(shape, &at_swarm, swarm, &engine->node_addr);
    if (r == 0)
        r = read_data_path_port(shape, &at_swarm, swarm, &engine->data_path_port);
    return r < 0 ? r : read_managers(shape, &at_swarm, swarm, engine);
}

/* -- security options ---------------------------------------------------------------- */

/* "name=rootless", perhaps with more after a comma; "rootless" before API 1.25. */
static bool is_option(const json_t *option, const char *name) {
    static const char key[] = "name=";
    const char *text = json_string_value(option);
    if (!text)
        return false;
    if (strncmp(text, key, sizeof(key) - 1) == 0)
        text += sizeof(key) - 1;
    size_t len = strlen(name);
    return strncmp(text, name, len) == 0 && (text[len] == '\0' || text[len] == ',');
}

static int read_security_options(const struct shape *shape, const struct place *at,
                                 const json_t *document, struct ng_engine *engine) {
    const json_t *options;
    int r = shape_member(shape, at, document, "SecurityOptions", JSON_ARRAY, &options);
    for (size_t i = 0; r == 0 && i < json_array_size(options); i++) {
        const json_t *option = json_array_get(options, i);
        engine->rootless = engine->rootless || is_option(option, "rootless");
        engine->userns = engine->userns || is_option(option, "userns");
    }
    return r;
}

static int read_firewall_backend(const struct shape *shape, const struct place *at,
                                 const json_t *document, struct ng_engine *engine) {
    const struct place at_backend = {at, "FirewallBackend", 0};
    const json_t *backend;
    const char *driver;
    int r = shape_member(shape, at, document, "FirewallBackend", JSON_OBJECT, &backend);
    if (r < 0)
        return r;
    r = shape_string(shape, &at_backend, backend, "Driver", NAME_BYTES, &driver);
    if (r == 0 && driver[0])
        engine->firewall_backend = driver;
    return r;
}

/* -- registries ---------------------------------------------------------------------- */

static bool is_loopback(const char *name) {
    struct ng_addr addr;
    unsigned len_bits;
    size_t len;
    if (strchr(name, '/'))
        return ng_prefix_parse(name, &addr, &len_bits) == 0 && ng_addr_is_loopback(addr) &&
               len_bits >= (addr.family == NG_IP4 ? 8 : 128);
    const char *host = shape_host_of(name, &len);
    return shape_parse_host(host, len, &addr) && ng_addr_is_loopback(addr);
}

static int compare_registries(const void *a, const void *b) {
    const struct ng_registry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

struct registries {
    struct ng_registry *items;
    size_t count, capacity;
};

static int add_registry(const struct shape *shape, const char *name, struct registries *all) {
    if (!name[0] || is_loopback(name))
        return 0;
    struct ng_registry *registry =
        NG_ARENA_APPEND(shape->arena, all->items, all->count, all->capacity);
    if (!registry)
        return -ENOMEM;
    registry->name = shape_copy(shape, name, strlen(name), NAME_BYTES);
    return registry->name ? 0 : -ENOMEM;
}

static int read_ranges(const struct shape *shape, const struct place *at, const json_t *config,
                       struct registries *all) {
    const struct place at_ranges = {at, "InsecureRegistryCIDRs", 0};
    const json_t *ranges;
    int r = shape_member(shape, at, config, "InsecureRegistryCIDRs", JSON_ARRAY, &ranges);
    for (size_t i = 0; r == 0 && i < json_array_size(ranges); i++) {
        const json_t *range = json_array_get(ranges, i);
        r = json_is_string(range)
                ? add_registry(shape, json_string_value(range), all)
                : shape_wrong(shape, &(struct place){&at_ranges, NULL, i}, "a string", range);
    }
    return r;
}

static int read_indexes(const struct shape *shape, const struct place *at, const json_t *config,
                        struct registries *all) {
    const json_t *indexes;
    int r = shape_member(shape, at, config, "IndexConfigs", JSON_OBJECT, &indexes);
    if (r < 0)
        return r;
    json_t *borrowed = (json_t *)indexes; /* jansson's iterators take no const */
    for (void *i = json_object_iter(borrowed); r == 0 && i; i = json_object_iter_next(borrowed, i))
        if (json_is_false(json_object_get(json_object_iter_value(i), "Secure")))
            r = add_registry(shape, json_object_iter_key(i), all);
    return r;
}

static int read_registries(const struct shape *shape, const struct place *at,
                           const json_t *document, struct ng_engine *engine) {
    const struct place at_config = {at, "RegistryConfig", 0};
    struct registries all = {0};
    const json_t *config;
    size_t kept = 0;
    int r = shape_member(shape, at, document, "RegistryConfig", JSON_OBJECT, &config);
    if (r == 0)
        r = read_ranges(shape, &at_config, config, &all);
    if (r == 0)
        r = read_indexes(shape, &at_config, config, &all);
    if (r < 0)
        return r;
    if (all.count > 0)
        qsort(all.items, all.count, sizeof(*all.items), compare_registries);
    for (size_t i = 0; i < all.count; i++)
        if (kept == 0 || strcmp(all.items[kept - 1].name, all.items[i].name) != 0)
            all.items[kept++] = all.items[i];
    engine->insecure_registries = all.items;
    engine->n_insecure_registries = kept;
    return 0;
}

/* -- the engine's API on TCP --------------------------------------------------------- */

/* "… API is accessible on http://0.0.0.0:2375 without encryption. …" or "… on https://[::]:2376
 * without TLS client verification. …". What reads otherwise is another warning. */
static bool parse_open_api(const char *warning, struct ng_open_api *ret_api) {
    static const char on[] = "API is accessible on ", plain[] = "http://", tls[] = "https://";
    struct ng_open_api api = {0};
    size_t len;
    const char *text = strstr(warning, on);
    if (!text)
        return false;
    text += sizeof(on) - 1;
    if (strncmp(text, tls, sizeof(tls) - 1) == 0) {
        api.tls = true;
        text += sizeof(tls) - 1;
    } else if (strncmp(text, plain, sizeof(plain) - 1) == 0) {
        text += sizeof(plain) - 1;
    } else {
        return false;
    }
    const char *host = shape_host_of(text, &len);
    if (!shape_parse_host(host, len, &api.addr))
        return false;
    const char *port = host + len + (host[len] == ']');
    size_t digits = port[0] == ':' ? strspn(port + 1, "0123456789") : 0;
    unsigned long number = digits > 0 && digits <= 5 ? strtoul(port + 1, NULL, 10) : 0;
    if (number < 1 || number > UINT16_MAX)
        return false;
    api.port = (uint16_t)number;
    *ret_api = api;
    return true;
}

static int compare_apis(const void *a, const void *b) {
    const struct ng_open_api *x = a, *y = b;
    if (x->port != y->port)
        return x->port < y->port ? -1 : 1;
    if (x->addr.family != y->addr.family)
        return x->addr.family < y->addr.family ? -1 : 1;
    if (x->addr.value != y->addr.value)
        return x->addr.value < y->addr.value ? -1 : 1;
    return (x->tls > y->tls) - (x->tls < y->tls);
}

static int read_warnings(const struct shape *shape, const struct place *at, const json_t *document,
                         struct ng_engine *engine) {
    const json_t *warnings;
    int r = shape_member(shape, at, document, "Warnings", JSON_ARRAY, &warnings);
    if (r < 0)
        return r;
    struct ng_open_api *apis =
        ng_arena_alloc(shape->arena, json_array_size(warnings), sizeof(*apis));
    if (!apis)
        return -ENOMEM;
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const char *warning = json_string_value(json_array_get(warnings, i));
        if (warning && parse_open_api(warning, &apis[count]))
            count++;
    }
    qsort(apis, count, sizeof(*apis), compare_apis);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || compare_apis(&apis[kept - 1], &apis[i]) != 0)
            apis[kept++] = apis[i];
    engine->open_apis = apis;
    engine->n_open_apis = kept;
    return 0;
}

/* -- the whole ----------------------------------------------------------------------- */

static int read_info(const struct shape *shape, const struct place *at, const json_t *document,
                     struct ng_engine *engine) {
    static int (*const parts[])(const struct shape *, const struct place *, const json_t *,
                                struct ng_engine *) = {
        read_swarm, read_security_options, read_firewall_backend, read_registries, read_warnings,
    };
    int r = shape_object(shape, at, document);
    if (r < 0)
        return r;
    if (!json_is_string(json_object_get(document, "Name")))
        return shape_wrong(shape, &(struct place){at, "Name", 0}, "a string",
                           json_object_get(document, "Name"));
    r = shape_string(shape, at, document, "Name", NAME_BYTES, &engine->name);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++)
        r = parts[i](shape, at, document, engine);
    return r;
}

int ng_docker_decode_info(struct ng_arena *arena, struct ng_docker_body body,
                          struct ng_engine *engine, struct ng_error *error) {
    const struct shape shape = {.arena = arena, .body = body, .error = error};
    const struct place at = {NULL, "info", 0};
    struct ng_engine read = *engine;
    json_t *document;
    int r = shape_document(&shape, &at, &document);
    if (r < 0)
        return r;
    r = read_info(&shape, &at, document, &read);
    json_decref(document);
    if (r == 0)
        *engine = read;
    return r;
}
