/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/world_sort.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef int compare_fn(const void *a, const void *b);

#define COMPARE(x, y) (((x) > (y)) - ((x) < (y)))

static int compare_addrs(struct ng_addr a, struct ng_addr b) {
    return a.family != b.family ? COMPARE(a.family, b.family) : COMPARE(a.value, b.value);
}

static int compare_peers(const void *a, const void *b) {
    return compare_addrs(*(const struct ng_addr *)a, *(const struct ng_addr *)b);
}

static int compare_gaps(const void *a, const void *b) {
    const struct ng_gap *x = a, *y = b;
    int c = strcmp(x->source, y->source);

    return c ? c : strcmp(x->reason, y->reason);
}

static int compare_warnings(const void *a, const void *b) {
    const struct ng_warning *x = a, *y = b;
    int c = strcmp(x->source, y->source);

    return c ? c : strcmp(x->text, y->text);
}

static int compare_xt_tables(const void *a, const void *b) {
    const struct ng_xt_table *x = a, *y = b;

    return x->family != y->family ? (x->family < y->family ? -1 : 1) : strcmp(x->name, y->name);
}

static int compare_labels(const void *a, const void *b) {
    return strcmp(((const struct ng_label *)a)->key, ((const struct ng_label *)b)->key);
}

static int compare_aliases(const void *a, const void *b) {
    return strcmp(((const struct ng_link_to *)a)->alias, ((const struct ng_link_to *)b)->alias);
}

static int compare_published(const void *a, const void *b) {
    const struct ng_published *x = a, *y = b;
    int c = COMPARE(x->proto, y->proto);

    c = c ? c : COMPARE(x->host_port, y->host_port);
    c = c ? c : compare_addrs(x->host_addr, y->host_addr);
    return c ? c : COMPARE(x->container_port, y->container_port);
}

static int compare_containers(const void *a, const void *b) {
    const struct ng_container *x = a, *y = b;
    int c = strcmp(x->name, y->name);

    return c ? c : strcmp(x->id, y->id);
}

static int compare_networks(const void *a, const void *b) {
    const struct ng_network *x = a, *y = b;
    int c = strcmp(x->name, y->name);

    return c ? c : strcmp(x->id, y->id);
}

static int compare_links(const void *a, const void *b) {
    return COMPARE(((const struct ng_link *)a)->index, ((const struct ng_link *)b)->index);
}

static int compare_ifaddrs(const void *a, const void *b) {
    const struct ng_ifaddr *x = a, *y = b;
    int c = COMPARE(x->link, y->link);

    return c ? c : compare_addrs(x->addr, y->addr);
}

static int compare_routes(const void *a, const void *b) {
    const struct ng_route *x = a, *y = b;
    int c = COMPARE(x->dst.family, y->dst.family);

    c = c ? c : COMPARE(x->table, y->table);
    c = c ? c : COMPARE(y->prefix_len, x->prefix_len);
    c = c ? c : COMPARE(x->dst.value, y->dst.value);
    return c ? c : COMPARE(x->priority, y->priority);
}

static int compare_route_rules(const void *a, const void *b) {
    const struct ng_route_rule *x = a, *y = b;
    int c = COMPARE(x->family, y->family);

    return c ? c : COMPARE(x->priority, y->priority);
}

/* The kernel lists sockets that share a port (SO_REUSEPORT) in no lasting order: the pid
 * gives them one. */
static int compare_listeners(const void *a, const void *b) {
    const struct ng_listener *x = a, *y = b;
    int c = COMPARE(x->proto, y->proto);

    c = c ? c : COMPARE(x->port, y->port);
    c = c ? c : compare_addrs(x->addr, y->addr);
    c = c ? c : COMPARE(x->link, y->link);
    return c ? c : COMPARE(x->pid, y->pid);
}

static int compare_ingress_ports(const void *a, const void *b) {
    const struct ng_ingress_port *x = a, *y = b;
    int c = COMPARE(x->proto, y->proto);

    c = c ? c : COMPARE(x->port, y->port);
    return c ? c : COMPARE(x->target, y->target);
}

static int compare_services(const void *a, const void *b) {
    const struct ng_service *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int compare_open_apis(const void *a, const void *b) {
    const struct ng_open_api *x = a, *y = b;
    int c = COMPARE(x->port, y->port);

    c = c ? c : compare_addrs(x->addr, y->addr);
    return c ? c : COMPARE(x->tls, y->tls);
}

static int compare_registries(const void *a, const void *b) {
    const struct ng_registry *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static bool is_sorted(const uint8_t *items, size_t count, size_t size, compare_fn *compare) {
    for (size_t i = 1; i < count; i++)
        if (compare(items + (i - 1) * size, items + i * size) > 0)
            return false;
    return true;
}

/* Merges the sorted runs [0, half) and [half, count) of `from` into `to`. */
static void merge(const uint8_t *from, size_t half, size_t count, uint8_t *to, size_t size,
                  compare_fn *compare) {
    size_t left = 0, right = half;

    while (left < half || right < count) {
        bool take_left = right == count ||
                         (left < half && compare(from + left * size, from + right * size) <= 0);

        memcpy(to, from + (take_left ? left++ : right++) * size, size);
        to += size;
    }
}

/* A merge sort: qsort() does not keep the order of equals, and of equal routing rules the
 * first one decides. `array` belongs to the world under construction. */
static int sort(const void *array, size_t count, size_t size, compare_fn *compare) {
    uint8_t *items = (uint8_t *)array, *spare;

    if (is_sorted(items, count, size, compare))
        return 0;
    spare = malloc(count * size);
    if (!spare)
        return -ENOMEM;
    for (size_t run = 1; run < count; run *= 2) {
        for (size_t start = 0; start < count; start += 2 * run) {
            size_t n = count - start < 2 * run ? count - start : 2 * run;

            merge(items + start * size, n < run ? n : run, n, spare + start * size, size, compare);
        }
        memcpy(items, spare, count * size);
    }
    free(spare);
    return 0;
}

#define SORT(array, count, compare) sort(array, count, sizeof(*(array)), compare)

static int sort_container(const struct ng_container *container) {
    int r = SORT(container->labels, container->n_labels, compare_labels);

    r = r ? r : SORT(container->endpoints, container->n_endpoints, ng_endpoint_compare);
    r = r ? r : SORT(container->published, container->n_published, compare_published);
    r = r ? r : SORT(container->exposed, container->n_exposed, ng_port_compare);
    r = r ? r : SORT(container->listeners, container->n_listeners, compare_listeners);
    return r ? r : SORT(container->links, container->n_links, compare_aliases);
}

static int sort_engine(const struct ng_engine *engine) {
    int r = SORT(engine->containers, engine->n_containers, compare_containers);

    r = r ? r : SORT(engine->peers, engine->n_peers, compare_peers);
    r = r ? r : SORT(engine->networks, engine->n_networks, compare_networks);
    r = r ? r : SORT(engine->services, engine->n_services, compare_services);
    r = r ? r : SORT(engine->open_apis, engine->n_open_apis, compare_open_apis);
    r = r ? r
          : SORT(engine->insecure_registries, engine->n_insecure_registries, compare_registries);
    for (size_t i = 0; r == 0 && i < engine->n_services; i++)
        r = SORT(engine->services[i].ports, engine->services[i].n_ports, compare_ingress_ports);
    for (size_t i = 0; r == 0 && i < engine->n_containers; i++)
        r = sort_container(&engine->containers[i]);
    return r;
}

int ng_world_sort(struct ng_world *world) {
    int r = SORT(world->gaps, world->n_gaps, compare_gaps);

    r = r ? r : SORT(world->warnings, world->n_warnings, compare_warnings);
    r = r ? r : SORT(world->links, world->n_links, compare_links);
    r = r ? r : SORT(world->ifaddrs, world->n_ifaddrs, compare_ifaddrs);
    r = r ? r : SORT(world->routes, world->n_routes, compare_routes);
    r = r ? r : SORT(world->route_rules, world->n_route_rules, compare_route_rules);
    r = r ? r : SORT(world->listeners, world->n_listeners, compare_listeners);
    r = r ? r : SORT(world->xt_tables, world->n_xt_tables, compare_xt_tables);
    for (size_t i = 0; r == 0 && i < world->n_engines; i++)
        r = sort_engine(&world->engines[i]);
    return r;
}
