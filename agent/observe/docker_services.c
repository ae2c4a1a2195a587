/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker_nodes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_BYTES = 255,
};

#define LABEL_STACK "com.docker.stack.namespace"

struct services {
    struct ng_service *items;
    size_t count, capacity;
};

/* -- ports --------------------------------------------------------------------------- */

static int compare_ports(const void *a, const void *b) {
    const struct ng_ingress_port *x = a, *y = b;
    if (x->proto != y->proto)
        return x->proto < y->proto ? -1 : 1;
    if (x->port != y->port)
        return x->port < y->port ? -1 : 1;
    return (x->target > y->target) - (x->target < y->target);
}

/* Sorted, and the same port of one protocol once. */
static size_t settle_ports(struct ng_ingress_port *ports, size_t count) {
    size_t kept = 0;
    qsort(ports, count, sizeof(*ports), compare_ports);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || ports[kept - 1].proto != ports[i].proto ||
            ports[kept - 1].port != ports[i].port)
            ports[kept++] = ports[i];
    return kept;
}

static bool is_zero(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return !value || json_is_null(value) ||
           (json_is_integer(value) && json_integer_value(value) == 0);
}

/* 1: a port in ingress mode, 0: another one. */
static int read_port(const struct shape *shape, const struct place *at, const json_t *object,
                     struct ng_ingress_port *port) {
    const char *mode;
    int r = shape_object(shape, at, object);
    if (r < 0)
        return r;
    r = shape_string(shape, at, object, "PublishMode", NAME_BYTES, &mode);
    if (r < 0)
        return r;
    /* Ingress is what no mode means, which is how engines before API 1.27 say it. */
    if ((mode[0] && strcmp(mode, "ingress") != 0) || is_zero(object, "PublishedPort"))
        return 0;
    port->proto = NG_TCP;
    if (json_object_get(object, "Protocol"))
        r = shape_proto(shape, at, object, "Protocol", &port->proto);
    if (r == 0)
        r = shape_port(shape, at, object, "PublishedPort", &port->port);
    if (r == 0 && !is_zero(object, "TargetPort"))
        r = shape_port(shape, at, object, "TargetPort", &port->target);
    return r < 0 ? r : 1;
}

static int read_endpoint(const struct shape *shape, const struct place *at, const json_t *endpoint,
                         struct ng_service *service) {
    const struct place at_ports = {at, "Ports", 0};
    const json_t *list;
    int r = shape_member(shape, at, endpoint, "Ports", JSON_ARRAY, &list);
    if (r < 0)
        return r;
    struct ng_ingress_port *ports =
        ng_arena_alloc(shape->arena, json_array_size(list), sizeof(*ports));
    if (!ports)
        return -ENOMEM;
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        r = read_port(shape, &(struct place){&at_ports, NULL, i}, json_array_get(list, i),
                      &ports[count]);
        if (r < 0)
            return r;
        count += (size_t)r;
    }
    service->ports = ports;
    service->n_ports = settle_ports(ports, count);
    return 0;
}

/* -- what a manager tells ------------------------------------------------------------ */

/* Beside the name and the labels, a spec holds the environment and the commands of the tasks. */
static int read_spec(const struct shape *shape, const struct place *at,
                     struct ng_service *service) {
    const struct place at_spec = {at, "Spec", 0};
    struct shape spec;
    json_t *name = NULL, *labels = NULL;
    int r = shape_member_part(shape, at, "Spec", &spec);
    if (r == 0)
        return shape_wrong(shape, &at_spec, "an object", NULL);
    if (r > 0)
        r = shape_member_document(&spec, &at_spec, "Name", JSON_STRING, &name);
    if (r == 0 && !name)
        r = shape_wrong(shape, &(struct place){&at_spec, "Name", 0}, "a string", NULL);
    if (r == 0)
        r = shape_member_document(&spec, &at_spec, "Labels", JSON_OBJECT, &labels);
    if (r == 0) {
        const json_t *stack = json_object_get(labels, LABEL_STACK);
        service->name =
            shape_copy(shape, json_string_value(name), json_string_length(name), NAME_BYTES);
        if (json_string_length(stack) > 0)
            service->stack =
                shape_copy(shape, json_string_value(stack), json_string_length(stack), NAME_BYTES);
        if (!service->name || (json_string_length(stack) > 0 && !service->stack))
            r = -ENOMEM;
    }
    json_decref(name);
    json_decref(labels);
    return r;
}

static int add_service(const struct shape *shape, const struct ng_service *service,
                       struct services *all) {
    struct ng_service *slot = NG_ARENA_APPEND(shape->arena, all->items, all->count, all->capacity);
    if (!slot)
        return -ENOMEM;
    *slot = *service;
    return 0;
}

static int read_service(const struct shape *shape, const struct place *at, struct services *all) {
    const struct place at_endpoint = {at, "Endpoint", 0};
    struct ng_service service = {0};
    json_t *endpoint;
    int r = shape_member_document(shape, at, "Endpoint", JSON_OBJECT, &endpoint);
    if (r < 0)
        return r;
    r = read_endpoint(shape, &at_endpoint, endpoint, &service);
    json_decref(endpoint);
    if (r < 0 || service.n_ports == 0)
        return r;
    r = read_spec(shape, at, &service);
    return r < 0 ? r : add_service(shape, &service, all);
}

static int compare_services(const void *a, const void *b) {
    const struct ng_service *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static void settle_services(const struct services *all, struct ng_engine *engine) {
    if (all->count > 0)
        qsort(all->items, all->count, sizeof(*all->items), compare_services);
    engine->services = all->items;
    engine->n_services = all->count;
}

int ng_docker_decode_services(struct ng_arena *arena, struct ng_docker_body body,
                              struct ng_engine *engine, struct ng_error *error) {
    const struct shape shape = {.arena = arena, .body = body, .error = error};
    const struct place at = {NULL, "services", 0};
    struct shape_list list = {0};
    struct services all = {0};
    struct shape element;
    int r;
    while ((r = shape_list_next_part(&shape, &at, &list, &element)) > 0) {
        r = read_service(&element, &(struct place){&at, NULL, list.count - 1}, &all);
        if (r < 0)
            return r;
    }
    if (r == 0)
        settle_services(&all, engine);
    return r;
}

/* -- what a worker tells ------------------------------------------------------------- */

/* The number after `word`, 0 when there is none. */
static uint16_t number_after(const char *text, const char *word) {
    const char *at = strstr(text, word);
    if (!at)
        return 0;
    at += strlen(word);
    at += strspn(at, ": ");
    size_t digits = strspn(at, "0123456789");
    unsigned long number = digits > 0 && digits <= 5 ? strtoul(at, NULL, 10) : 0;
    return number <= UINT16_MAX ? (uint16_t)number : 0;
}

/* "Target: 80, Publish: 8080": of what protocol is not told. */
static void read_line(const char *line, struct ng_ingress_port *ports, size_t *count) {
    struct ng_ingress_port port = {
        .port = number_after(line, "Publish"),
        .target = number_after(line, "Target"),
    };
    if (port.port != 0)
        ports[(*count)++] = port;
}

static int read_lines(const struct shape *shape, const struct place *at, const json_t *object,
                      struct ng_service *service) {
    const json_t *lines;
    int r = shape_object(shape, at, object);
    if (r < 0)
        return r;
    r = shape_member(shape, at, object, "Ports", JSON_ARRAY, &lines);
    if (r < 0)
        return r;
    struct ng_ingress_port *ports =
        ng_arena_alloc(shape->arena, json_array_size(lines), sizeof(*ports));
    if (!ports)
        return -ENOMEM;
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(lines); i++)
        if (json_is_string(json_array_get(lines, i)))
            read_line(json_string_value(json_array_get(lines, i)), ports, &count);
    service->ports = ports;
    service->n_ports = settle_ports(ports, count);
    return 0;
}

/* Where one of its tasks runs here, the container carries what the network does not tell. */
static const char *stack_of(const struct ng_engine *engine, const char *name) {
    for (size_t i = 0; i < engine->n_containers; i++) {
        const struct ng_container *container = &engine->containers[i];
        if (container->service && container->stack && strcmp(container->service, name) == 0)
            return container->stack;
    }
    return NULL;
}

static int read_by_name(const struct shape *shape, const struct place *at, const json_t *by_name,
                        const struct ng_engine *engine, struct services *all) {
    json_t *borrowed = (json_t *)by_name; /* jansson's iterators take no const */
    for (void *i = json_object_iter(borrowed); i; i = json_object_iter_next(borrowed, i)) {
        const char *name = json_object_iter_key(i);
        struct ng_service service = {0};
        int r =
            read_lines(shape, &(struct place){at, name, 0}, json_object_iter_value(i), &service);
        if (r < 0)
            return r;
        /* Containers that are no service's stand together under no name. */
        if (!name[0] || service.n_ports == 0)
            continue;
        service.name = shape_copy(shape, name, strlen(name), NAME_BYTES);
        service.stack = stack_of(engine, name);
        r = service.name ? add_service(shape, &service, all) : -ENOMEM;
        if (r < 0)
            return r;
    }
    return 0;
}

int ng_docker_decode_ingress(struct ng_arena *arena, struct ng_docker_body body,
                             struct ng_engine *engine, struct ng_error *error) {
    const struct shape shape = {.arena = arena, .body = body, .error = error};
    const struct place at = {NULL, "network", 0};
    const struct place at_services = {&at, "Services", 0};
    struct ng_addr own = engine->data_path_addr;
    struct services all = {0};
    struct nodes nodes = {0};
    json_t *by_name;
    int r = shape_member_document(&shape, &at, "Services", JSON_OBJECT, &by_name);
    if (r < 0)
        return r;
    r = read_by_name(&shape, &at_services, by_name, engine, &all);
    if (r == 0)
        r = nodes_add_overlay(&shape, &at, by_name, &nodes, &own);
    json_decref(by_name);
    if (r == 0)
        r = nodes_settle(&shape, &nodes, engine);
    if (r < 0)
        return r;
    engine->data_path_addr = own;
    settle_services(&all, engine);
    return 0;
}
