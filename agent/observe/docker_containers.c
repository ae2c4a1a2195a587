/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker_mounts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Bounds on what a container may make netguard keep. */
enum {
    NAME_BYTES = 255,
    IMAGE_BYTES = 512, /* a name of 255, a tag of 128 and a digest of 71 with their separators */
    LABEL_BYTES = 4096,
    LABELS = 1024,
    SHORT_ID = 12,
};

#define LABEL_SERVICE "com.docker.swarm.service.name"
#define LABEL_STACK   "com.docker.stack.namespace"

static int compare_numbers(unsigned a, unsigned b) {
    return (a > b) - (a < b);
}

/* -- one container ------------------------------------------------------------------- */

/* A link as the list tells it: as a further name of the container that is linked to. */
struct named_link {
    const char *from; /* the linking container's name */
    struct ng_link_to link;
};

struct containers {
    struct ng_container *items;
    size_t count, capacity;
    struct named_link *links;
    size_t n_links, links_capacity;
};

static int add_link(const struct shape *shape, const char *name, const char *to,
                    struct containers *all) {
    const char *slash = strchr(name, '/');
    struct named_link *link =
        NG_ARENA_APPEND(shape->arena, all->links, all->n_links, all->links_capacity);
    if (!link)
        return -ENOMEM;
    link->link.to = to;
    link->from = shape_copy(shape, name, (size_t)(slash - name), NAME_BYTES);
    link->link.alias = shape_copy(shape, slash + 1, strlen(slash + 1), NAME_BYTES);
    return link->from && link->link.alias ? 0 : -ENOMEM;
}

static const char *without_slash(const char *name) {
    return name[0] == '/' ? name + 1 : name;
}

/* Names: ["/redis", "/app/cache"] is a container redis, and a container app that was
 * started with --link redis:cache. The order of the two varies. */
static int read_names(const struct shape *shape, const struct place *at, const json_t *object,
                      struct ng_container *container, struct containers *all) {
    const struct place at_names = {at, "Names", 0};
    const json_t *names, *item;
    const char *own = "";
    int r = shape_member(shape, at, object, "Names", JSON_ARRAY, &names);
    if (r < 0)
        return r;
    for (size_t i = 0; i < json_array_size(names); i++) {
        item = json_array_get(names, i);
        if (!json_is_string(item))
            return shape_wrong(shape, &(struct place){&at_names, NULL, i}, "a string", item);
        const char *name = without_slash(json_string_value(item));
        if (!own[0] && !strchr(name, '/'))
            own = name;
    }
    /* A container that is being removed can be without a name; its id is one then. */
    container->name = own[0] ? shape_copy(shape, own, strlen(own), NAME_BYTES)
                             : shape_copy(shape, container->id, SHORT_ID, NAME_BYTES);
    if (!container->name)
        return -ENOMEM;

    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = without_slash(json_string_value(json_array_get(names, i)));
        r = strchr(name, '/') ? add_link(shape, name, container->name, all) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int compare_labels(const void *a, const void *b) {
    const struct ng_label *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static int read_label_text(const struct shape *shape, const json_t *labels, const char *key,
                           const char **ret_text) {
    const char *text = json_string_value(json_object_get(labels, key));
    *ret_text = text && text[0] ? shape_copy(shape, text, strlen(text), NAME_BYTES) : NULL;
    return text && text[0] && !*ret_text ? -ENOMEM : 0;
}

static int copy_labels(const struct shape *shape, struct ng_label *labels, size_t count) {
    for (size_t i = 0; i < count; i++) {
        labels[i].key = shape_copy(shape, labels[i].key, strlen(labels[i].key), LABEL_BYTES);
        labels[i].value = shape_copy(shape, labels[i].value, strlen(labels[i].value), LABEL_BYTES);
        if (!labels[i].key || !labels[i].value)
            return -ENOMEM;
    }
    return 0;
}

static int read_labels(const struct shape *shape, const struct place *at, const json_t *object,
                       struct ng_container *container) {
    const struct place at_labels = {at, "Labels", 0};
    const json_t *labels;
    int r = shape_member(shape, at, object, "Labels", JSON_OBJECT, &labels);
    if (r < 0)
        return r;
    struct ng_label *list =
        ng_arena_alloc(shape->arena, json_object_size(labels), sizeof(struct ng_label));
    if (!list)
        return -ENOMEM;

    size_t count = 0;
    json_t *borrowed = (json_t *)labels; /* jansson's iterators take no const */
    for (void *i = json_object_iter(borrowed); i; i = json_object_iter_next(borrowed, i)) {
        const json_t *value = json_object_iter_value(i);
        list[count].key = json_object_iter_key(i);
        if (!json_is_string(value))
            return shape_wrong(shape, &(struct place){&at_labels, list[count].key, 0}, "a string",
                               value);
        list[count++].value = json_string_value(value);
    }
    qsort(list, count, sizeof(*list), compare_labels);
    container->labels = list;
    container->n_labels = count < LABELS ? count : LABELS;
    r = copy_labels(shape, list, container->n_labels);
    if (r < 0)
        return r;

    /* From the answer and not from the list just made, which is cut at LABELS. */
    r = read_label_text(shape, labels, LABEL_SERVICE, &container->service);
    return r < 0 ? r : read_label_text(shape, labels, LABEL_STACK, &container->stack);
}

static int compare_addrs(struct ng_addr a, struct ng_addr b) {
    int r = compare_numbers(a.family, b.family);
    return r ? r : (a.value > b.value) - (a.value < b.value);
}

static int compare_published(const void *a, const void *b) {
    const struct ng_published *x = a, *y = b;
    int r = compare_numbers(x->proto, y->proto);
    if (r == 0)
        r = compare_numbers(x->host_port, y->host_port);
    if (r == 0)
        r = compare_addrs(x->host_addr, y->host_addr);
    return r ? r : compare_numbers(x->container_port, y->container_port);
}

/* Any image may expose what it likes: what is no port of a protocol that has ports is left out. */
static void read_exposed(const struct shape *shape, const struct place *at, const json_t *port,
                         struct ng_port *list, size_t *count) {
    struct shape untold = *shape;
    struct ng_port exposed;
    untold.error = NULL;
    if (shape_port(&untold, at, port, "PrivatePort", &exposed.port) == 0 &&
        shape_proto(&untold, at, port, "Type", &exposed.proto) == 0)
        list[(*count)++] = exposed;
}

/* Appends to `list` one or two elements. Two, when one entry stands for both families:
 *  - no address at all: the engine binds 0.0.0.0 and [::];
 *  - 0.0.0.0 from an engine before API 1.41 (20.10), which did not list the two apart while
 *    its docker-proxy listened on [::], IPv4 included. */
static int read_published(const struct shape *shape, const struct place *at, const json_t *port,
                          bool any_is_both, struct ng_published *list, size_t *count) {
    struct ng_published published = {0};
    int r = shape_port(shape, at, port, "PublicPort", &published.host_port);
    if (r < 0)
        return r;
    r = shape_port(shape, at, port, "PrivatePort", &published.container_port);
    if (r < 0)
        return r;
    r = shape_proto(shape, at, port, "Type", &published.proto);
    if (r < 0)
        return r;
    r = shape_address(shape, at, port, "IP", 0, &published.host_addr);
    if (r < 0)
        return r;

    struct ng_addr given = published.host_addr;
    bool both =
        given.family == 0 || (any_is_both && given.family == NG_IP4 && ng_addr_is_any(given));
    if (both)
        published.host_addr = (struct ng_addr){.family = NG_IP4};
    list[(*count)++] = published;
    if (both) {
        published.host_addr.family = NG_IP6;
        list[(*count)++] = published;
    }
    return 0;
}

/* A port without a public one is exposed only; the engine leaves the number out. */
static bool has_public_port(const json_t *port) {
    const json_t *public = json_object_get(port, "PublicPort");
    return public && !json_is_null(public) &&
           !(json_is_integer(public) && json_integer_value(public) == 0);
}

static void settle_published(struct ng_container *container, struct ng_published *list,
                             size_t count) {
    size_t kept = 0;
    qsort(list, count, sizeof(*list), compare_published);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || compare_published(&list[kept - 1], &list[i]) != 0)
            list[kept++] = list[i];
    container->published = list;
    container->n_published = kept;
}

/* After the published ones: with gateway mode "routed" in one family, a port is in both. */
static int settle_exposed(const struct shape *shape, struct ng_container *container,
                          struct ng_port *list, size_t count) {
    const size_t n_published = container->n_published;
    struct ng_port *published = ng_arena_alloc(shape->arena, n_published, sizeof(*published));
    size_t kept = 0;
    if (!published)
        return -ENOMEM;
    for (size_t i = 0; i < n_published; i++)
        published[i] = (struct ng_port){.port = container->published[i].container_port,
                                        .proto = container->published[i].proto};
    qsort(published, n_published, sizeof(*published), ng_port_compare);
    qsort(list, count, sizeof(*list), ng_port_compare);
    for (size_t i = 0; i < count; i++)
        if ((kept == 0 || ng_port_compare(&list[kept - 1], &list[i]) != 0) &&
            !bsearch(&list[i], published, n_published, sizeof(*published), ng_port_compare))
            list[kept++] = list[i];
    container->exposed = list;
    container->n_exposed = kept;
    return 0;
}

static int read_ports(const struct shape *shape, const struct place *at, const json_t *object,
                      bool any_is_both, struct ng_container *container) {
    const struct place at_ports = {at, "Ports", 0};
    const json_t *ports;
    /* Null is how the engine writes "none"; without the key nothing is known. */
    if (!json_object_get(object, "Ports"))
        return shape_wrong(shape, &at_ports, "an array or null", NULL);
    int r = shape_member(shape, at, object, "Ports", JSON_ARRAY, &ports);
    if (r < 0)
        return r;
    struct ng_published *published =
        ng_arena_alloc(shape->arena, json_array_size(ports) * 2, sizeof(*published));
    struct ng_port *exposed =
        ng_arena_alloc(shape->arena, json_array_size(ports), sizeof(*exposed));
    if (!published || !exposed)
        return -ENOMEM;

    size_t n_published = 0, n_exposed = 0;
    for (size_t i = 0; i < json_array_size(ports); i++) {
        const struct place at_port = {&at_ports, NULL, i};
        const json_t *port = json_array_get(ports, i);
        r = shape_object(shape, &at_port, port);
        if (r == 0 && has_public_port(port))
            r = read_published(shape, &at_port, port, any_is_both, published, &n_published);
        else if (r == 0)
            read_exposed(shape, &at_port, port, exposed, &n_exposed);
        if (r < 0)
            return r;
    }
    settle_published(container, published, n_published);
    return settle_exposed(shape, container, exposed, n_exposed);
}

static int read_endpoint(const struct shape *shape, const struct place *at, const char *network,
                         const json_t *object, struct ng_endpoint *endpoint) {
    int r = shape_object(shape, at, object);
    if (r < 0)
        return r;
    endpoint->network = shape_copy(shape, network, strlen(network), NAME_BYTES);
    if (!endpoint->network)
        return -ENOMEM;
    r = shape_string(shape, at, object, "NetworkID", NAME_BYTES, &endpoint->network_id);
    if (r < 0)
        return r;
    r = shape_address(shape, at, object, "IPAddress", NG_IP4, &endpoint->addr4);
    if (r < 0)
        return r;
    return shape_address(shape, at, object, "GlobalIPv6Address", NG_IP6, &endpoint->addr6);
}

static int read_endpoints(const struct shape *shape, const struct place *at, const json_t *object,
                          struct ng_container *container) {
    const struct place at_settings = {at, "NetworkSettings", 0};
    const struct place at_networks = {&at_settings, "Networks", 0};
    const json_t *settings, *networks;
    int r = shape_member(shape, at, object, "NetworkSettings", JSON_OBJECT, &settings);
    if (r < 0)
        return r;
    r = shape_member(shape, &at_settings, settings, "Networks", JSON_OBJECT, &networks);
    if (r < 0)
        return r;
    struct ng_endpoint *list =
        ng_arena_alloc(shape->arena, json_object_size(networks), sizeof(*list));
    if (!list)
        return -ENOMEM;

    size_t count = 0;
    json_t *borrowed = (json_t *)networks; /* jansson's iterators take no const */
    for (void *i = json_object_iter(borrowed); i; i = json_object_iter_next(borrowed, i)) {
        const char *network = json_object_iter_key(i);
        r = read_endpoint(shape, &(struct place){&at_networks, network, 0}, network,
                          json_object_iter_value(i), &list[count++]);
        if (r < 0)
            return r;
    }
    qsort(list, count, sizeof(*list), ng_endpoint_compare);
    container->endpoints = list;
    container->n_endpoints = count;
    return 0;
}

/* "" where it is not told, which nothing may be concluded from. */
static int read_network_mode(const struct shape *shape, const struct place *at,
                             const json_t *object, struct ng_container *container) {
    const struct place at_config = {at, "HostConfig", 0};
    const json_t *config;
    const char *mode;
    int r = shape_member(shape, at, object, "HostConfig", JSON_OBJECT, &config);
    if (r == 0)
        r = shape_string(shape, &at_config, config, "NetworkMode", NAME_BYTES, &mode);
    if (r == 0)
        ng_docker_set_network_mode(container, mode);
    return r;
}

static int read_container(const struct shape *shape, const struct place *at, const json_t *object,
                          bool any_is_both, struct containers *all) {
    struct ng_container container = {0};
    int r = shape_object(shape, at, object);
    if (r < 0)
        return r;
    r = shape_id(shape, at, object, "Id", &container.id);
    if (r < 0)
        return r;
    r = read_names(shape, at, object, &container, all);
    if (r < 0)
        return r;
    r = shape_string(shape, at, object, "Image", IMAGE_BYTES, &container.image);
    if (r < 0)
        return r;
    r = read_network_mode(shape, at, object, &container);
    if (r < 0)
        return r;
    r = read_labels(shape, at, object, &container);
    if (r < 0)
        return r;
    r = read_endpoints(shape, at, object, &container);
    if (r < 0)
        return r;
    r = read_ports(shape, at, object, any_is_both, &container);
    if (r < 0)
        return r;
    r = mounts_read(shape, at, object, &container.engine_socket);
    if (r < 0)
        return r;

    struct ng_container *slot =
        NG_ARENA_APPEND(shape->arena, all->items, all->count, all->capacity);
    if (!slot)
        return -ENOMEM;
    *slot = container;
    return 0;
}

/* -- all containers ------------------------------------------------------------------ */

static int compare_containers(const void *a, const void *b) {
    const struct ng_container *x = a, *y = b;
    int r = strcmp(x->name, y->name);
    return r ? r : strcmp(x->id, y->id);
}

static int compare_named_links(const void *a, const void *b) {
    const struct named_link *x = a, *y = b;
    int r = strcmp(x->from, y->from);
    if (r == 0)
        r = strcmp(x->link.alias, y->link.alias);
    return r ? r : strcmp(x->link.to, y->link.to);
}

/* Hands each container the links that name it. Both lists are sorted by name, so one walk
 * along them does; links of a container that does not run fall between. */
static int attach_links(const struct shape *shape, struct containers *all) {
    struct ng_link_to *links =
        ng_arena_alloc(shape->arena, all->n_links, sizeof(struct ng_link_to));
    if (!links)
        return -ENOMEM;
    size_t next = 0;
    for (size_t i = 0; i < all->count; i++) {
        struct ng_container *container = &all->items[i];
        while (next < all->n_links && strcmp(all->links[next].from, container->name) < 0)
            next++;
        container->links = &links[next];
        for (; next < all->n_links && strcmp(all->links[next].from, container->name) == 0; next++)
            links[next] = all->links[next].link;
        container->n_links = (size_t)(&links[next] - container->links);
    }
    return 0;
}

static int read_all(const struct shape *shape, bool any_is_both, struct containers *all) {
    const struct place at = {NULL, "containers", 0};
    struct shape_list list = {0};
    json_t *element;
    int r;
    while ((r = shape_list_next(shape, &at, &list, &element)) > 0) {
        r = read_container(shape, &(struct place){&at, NULL, list.count - 1}, element, any_is_both,
                           all);
        json_decref(element);
        if (r < 0)
            return r;
    }
    return r;
}

int ng_docker_decode_containers(struct ng_arena *arena, struct ng_docker_body body,
                                struct ng_docker_api spoken, struct ng_container **ret_containers,
                                size_t *ret_count, struct ng_error *error) {
    const struct shape shape = {.arena = arena, .body = body, .error = error};
    struct containers all = {0};
    int r = read_all(&shape, spoken.major == 1 && spoken.minor < 41, &all);
    if (r < 0)
        return r;
    if (all.count > 0) {
        qsort(all.items, all.count, sizeof(*all.items), compare_containers);
        if (all.n_links > 0)
            qsort(all.links, all.n_links, sizeof(*all.links), compare_named_links);
        r = attach_links(&shape, &all);
        if (r < 0)
            return r;
    }
    *ret_containers = all.items;
    *ret_count = all.count;
    return 0;
}
