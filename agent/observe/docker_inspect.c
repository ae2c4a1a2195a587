/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker_shape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    NAME_BYTES = 255,
    SHORT_ID = 12, /* as people copy it from the engine's lists */
};

/* -- network mode -------------------------------------------------------------------- */

/* The engine has put the id in place of a name after "container:" when the container was made. */
void ng_docker_set_network_mode(struct ng_container *container, const char *mode) {
    static const char joined[] = "container:";
    const size_t len = sizeof(joined) - 1;
    container->network_mode = mode;
    container->network_of = strncmp(mode, joined, len) == 0 ? mode + len : NULL;
}

/* Podman repeats the addresses and ports of the container whose network was joined, where Docker
 * tells of none. */
static int read_network_mode(const struct shape *shape, const struct place *at,
                             struct ng_container *container) {
    const struct place at_config = {at, "HostConfig", 0};
    struct shape config;
    json_t *mode = NULL;
    int r = shape_member_part(shape, at, "HostConfig", &config);
    if (r > 0)
        r = shape_member_document(&config, &at_config, "NetworkMode", JSON_STRING, &mode);
    if (r < 0 || !mode)
        return r;
    const char *text =
        shape_copy(shape, json_string_value(mode), json_string_length(mode), NAME_BYTES);
    json_decref(mode);
    if (!text)
        return -ENOMEM;
    ng_docker_set_network_mode(container, text);
    if (container->network_of)
        container->n_endpoints = container->n_published = container->n_exposed = 0;
    return 0;
}

/* -- links --------------------------------------------------------------------------- */

static int compare_to_name(const void *name, const void *container) {
    return strcmp(name, ((const struct ng_container *)container)->name);
}

/* The name of the container that a link means by `to`: its name, or the beginning of its id. */
static const char *name_of(const struct ng_container *containers, size_t count, const char *to) {
    const struct ng_container *found = NULL;
    const size_t len = strlen(to);
    if (len < SHORT_ID || strspn(to, "0123456789abcdef") != len ||
        bsearch(to, containers, count, sizeof(*containers), compare_to_name))
        return to;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(containers[i].id, to, len) != 0)
            continue;
        if (found)
            return to;
        found = &containers[i];
    }
    return found ? found->name : to;
}

/* "redis:cache" or "redis"; "/redis:/app/cache" as the engine itself writes it. */
static int read_link(const struct shape *shape, const char *text,
                     const struct ng_container *containers, size_t count, struct ng_link_to *link) {
    const char *to = text[0] == '/' ? text + 1 : text;
    const size_t len = strcspn(to, ":");
    const char *alias = to[len] == ':' ? to + len + 1 : to;
    if (strrchr(alias, '/'))
        alias = strrchr(alias, '/') + 1;
    to = shape_copy(shape, to, len, NAME_BYTES);
    link->alias = shape_copy(shape, alias, strlen(alias), NAME_BYTES);
    if (!to || !link->alias)
        return -ENOMEM;
    link->to = name_of(containers, count, to);
    return 0;
}

static int compare_links(const void *a, const void *b) {
    const struct ng_link_to *x = a, *y = b;
    int r = strcmp(x->alias, y->alias);
    return r ? r : strcmp(x->to, y->to);
}

static size_t count_links(const json_t *networks) {
    size_t count = 0;
    json_t *borrowed = (json_t *)networks; /* jansson's iterators take no const */
    for (void *i = json_object_iter(borrowed); i; i = json_object_iter_next(borrowed, i))
        count += json_array_size(json_object_get(json_object_iter_value(i), "Links"));
    return count;
}

/* To those that the list told of, which are the ones on the default bridge. */
static int add_links(const struct shape *shape, const struct place *at, const json_t *networks,
                     const struct ng_container *containers, size_t n_containers,
                     struct ng_container *container) {
    size_t count = container->n_links, kept = 0;
    struct ng_link_to *links =
        ng_arena_alloc(shape->arena, count + count_links(networks), sizeof(*links));
    if (!links)
        return -ENOMEM;
    if (count > 0)
        memcpy(links, container->links, count * sizeof(*links));

    json_t *borrowed = (json_t *)networks; /* jansson's iterators take no const */
    for (void *i = json_object_iter(borrowed); i; i = json_object_iter_next(borrowed, i)) {
        const struct place at_network = {at, json_object_iter_key(i), 0};
        const struct place at_links = {&at_network, "Links", 0};
        const json_t *list;
        int r =
            shape_member(shape, &at_network, json_object_iter_value(i), "Links", JSON_ARRAY, &list);
        for (size_t k = 0; r == 0 && k < json_array_size(list); k++) {
            const json_t *text = json_array_get(list, k);
            r = json_is_string(text)
                    ? read_link(shape, json_string_value(text), containers, n_containers,
                                &links[count++])
                    : shape_wrong(shape, &(struct place){&at_links, NULL, k}, "a string", text);
        }
        if (r < 0)
            return r;
    }
    qsort(links, count, sizeof(*links), compare_links);
    for (size_t i = 0; i < count; i++)
        if (links[i].to[0] && links[i].alias[0] &&
            (kept == 0 || compare_links(&links[kept - 1], &links[i]) != 0))
            links[kept++] = links[i];
    container->links = links;
    container->n_links = kept;
    return 0;
}

static int read_links(const struct shape *shape, const struct place *at,
                      const struct ng_container *containers, size_t count,
                      struct ng_container *container) {
    const struct place at_settings = {at, "NetworkSettings", 0};
    const struct place at_networks = {&at_settings, "Networks", 0};
    struct shape settings;
    json_t *networks = NULL;
    int r = shape_member_part(shape, at, "NetworkSettings", &settings);
    if (r > 0)
        r = shape_member_document(&settings, &at_settings, "Networks", JSON_OBJECT, &networks);
    if (r == 0)
        r = add_links(shape, &at_networks, networks, containers, count, container);
    json_decref(networks);
    return r;
}

/* -- capabilities -------------------------------------------------------------------- */

/* A list of them, each with or without its prefix and in any case: as it was written by whoever
 * started the container. */
struct capabilities {
    bool all, net_admin, net_raw;
};

static void add_capability(const char *text, struct capabilities *list) {
    static const char prefix[] = "CAP_";
    if (strncasecmp(text, prefix, sizeof(prefix) - 1) == 0)
        text += sizeof(prefix) - 1;
    list->all = list->all || strcasecmp(text, "ALL") == 0;
    list->net_admin = list->net_admin || strcasecmp(text, "NET_ADMIN") == 0;
    list->net_raw = list->net_raw || strcasecmp(text, "NET_RAW") == 0;
}

static int read_list(const struct shape *config, const struct place *at, const char *key,
                     struct capabilities *list) {
    const struct place at_list = {at, key, 0};
    json_t *array = NULL;
    int r = shape_member_document(config, at, key, JSON_ARRAY, &array);
    for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        if (json_is_string(item))
            add_capability(json_string_value(item), list);
        else
            r = shape_wrong(config, &(struct place){&at_list, NULL, i}, "a string", item);
    }
    json_decref(array);
    return r;
}

/* 1, or 0 where it is not told. */
static int read_privileged(const struct shape *config, const struct place *at, bool *ret_is) {
    struct shape value;
    json_t *document;
    const struct place at_value = {at, "Privileged", 0};
    int r = shape_member_part(config, at, "Privileged", &value);
    if (r <= 0)
        return r;
    r = shape_document(&value, &at_value, &document);
    if (r < 0)
        return r;
    if (json_is_boolean(document))
        *ret_is = json_is_true(document);
    else
        r = shape_wrong(config, &at_value, "true or false", document);
    json_decref(document);
    return r < 0 ? r : 1;
}

/* As engines add it all up. Podman does it otherwise, and tells what would come to the same. */
static bool is_given(bool by_default, bool added, bool all_added, bool dropped, bool all_dropped) {
    if (all_added)
        return !dropped;
    return added || (by_default && !dropped && !all_dropped);
}

static int read_capabilities(const struct shape *shape, const struct place *at,
                             struct ng_container *container) {
    const struct place at_config = {at, "HostConfig", 0};
    struct capabilities add = {0}, drop = {0};
    struct shape config;
    bool privileged = false;
    int r = shape_member_part(shape, at, "HostConfig", &config);
    if (r > 0)
        r = read_privileged(&config, &at_config, &privileged);
    if (r <= 0)
        return r;
    r = read_list(&config, &at_config, "CapAdd", &add);
    if (r == 0)
        r = read_list(&config, &at_config, "CapDrop", &drop);
    if (r < 0)
        return r;
    container->capabilities_read = true;
    container->privileged = privileged;
    container->net_admin =
        privileged || is_given(false, add.net_admin, add.all, drop.net_admin, drop.all);
    container->net_raw = privileged || is_given(true, add.net_raw, add.all, drop.net_raw, drop.all);
    return 0;
}

/* -- the whole ----------------------------------------------------------------------- */

int ng_docker_decode_inspect(struct ng_arena *arena, struct ng_docker_body body,
                             const struct ng_container *containers, size_t count,
                             struct ng_container *container, struct ng_error *error) {
    const struct shape shape = {.arena = arena, .body = body, .error = error};
    const struct place at = {NULL, "container", 0};
    struct ng_container read = *container;
    int r = read_links(&shape, &at, containers, count, &read);
    if (r == 0 && !read.network_mode[0])
        r = read_network_mode(&shape, &at, &read);
    if (r == 0)
        r = read_capabilities(&shape, &at, &read);
    if (r == 0)
        *container = read;
    return r;
}
