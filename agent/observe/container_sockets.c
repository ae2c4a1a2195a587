/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/container_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/observe/holders.h"
#include "agent/observe/proc.h"
#include "agent/observe/sockets.h"

struct search {
    struct ng_container **containers; /* of all engines, sorted by id */
    size_t count;
    size_t unread; /* of those that have a network of their own */
    struct ng_sockets_ways ways;
    struct stat host;          /* the network namespace of this host */
    struct ng_sockets sockets; /* of one container at a time */
    int result;
};

/* -- which container a process belongs to -------------------------------------------- */

static int compare_ids(const void *a, const void *b) {
    const struct ng_container *const *x = a, *const *y = b;

    return strncmp((*x)->id, (*y)->id, NG_CONTAINER_ID_LEN);
}

static struct ng_container *container_with_id(const struct search *search, const char *id) {
    struct ng_container key = {.id = id}, *sought = &key, **found;

    found = bsearch(&sought, search->containers, search->count, sizeof(*search->containers),
                    compare_ids);
    return found ? *found : NULL;
}

/* NULL also for a process in a container inside one of ours, which has a network of its own. So
 * nothing in a container can pass for another one. */
static struct ng_container *container_of(const struct search *search, const char *cgroup) {
    struct ng_container *container = NULL;

    for (const char *id = cgroup; (id = ng_holders_container_id(id)); id += NG_CONTAINER_ID_LEN) {
        if (!container)
            container = container_with_id(search, id);
        else if (strncmp(container->id, id, NG_CONTAINER_ID_LEN) != 0)
            return NULL;
    }
    return container;
}

static bool has_own_network(const struct ng_container *container) {
    return !container->network_of && strcmp(container->network_mode, "host") != 0;
}

/* -- what listens there -------------------------------------------------------------- */

static bool is_loopback(struct ng_addr addr) {
    return addr.family == NG_IP4 ? addr.value >> 24 == 127 : addr.value == 1;
}

static int keep(struct search *search, struct ng_container *container) {
    const struct ng_sockets *sockets = &search->sockets;
    struct ng_listener *listeners =
        ng_arena_alloc(sockets->arena, sockets->count, sizeof(*listeners));
    size_t count = 0;

    if (!listeners)
        return -ENOMEM;
    for (size_t i = 0; i < sockets->count; i++)
        if (!is_loopback(sockets->items[i].listener.addr))
            listeners[count++] = sockets->items[i].listener;
    container->listeners = listeners;
    container->n_listeners = count;
    container->listeners_read = true;
    search->unread--;
    return 0;
}

static bool same_namespace(const struct stat *a, const struct stat *b) {
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static int read_container(struct search *search, struct ng_container *container, int process_fd) {
    struct ng_sockets_ways ways = search->ways;
    struct stat before, after;
    int fd = openat(process_fd, "ns/net", O_RDONLY | O_CLOEXEC);
    int r;

    if (fd < 0)
        return 0;
    if (fstat(fd, &before) < 0) {
        close(fd);
        return 0;
    }
    if (setns(fd, CLONE_NEWNET) < 0)
        ways = ng_sockets_files(ways);
    close(fd);
    search->sockets.count = 0;
    r = ng_sockets_collect(&search->sockets, &ways, process_fd, NULL);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    /* Of a process that has ended, or left, it is not known whose sockets these are. */
    if (fstatat(process_fd, "ns/net", &after, 0) < 0 || !same_namespace(&before, &after))
        return 0;
    return keep(search, container);
}

static int look_at(uint32_t pid, int process_fd, void *context) {
    struct search *search = context;
    struct ng_container *container;
    char cgroup[4096];
    struct stat own;
    int r = 0;

    (void)pid;
    /* Most processes are on the host's network, and so is the monitor of a container, which is in
     * its cgroup. */
    if (fstatat(process_fd, "ns/net", &own, 0) == 0 && same_namespace(&own, &search->host))
        return 0;
    if (ng_proc_read(process_fd, "cgroup", cgroup, sizeof(cgroup)) <= 0)
        return 0;
    container = container_of(search, cgroup);
    /* The first of its processes is the one that the engine started; a later one may have made
     * itself another network. */
    if (container && has_own_network(container) && !container->listeners_read)
        r = read_container(search, container, process_fd);
    return r ? r : search->unread == 0;
}

static void *look_at_all(void *context) {
    struct search *search = context;
    int r = ng_holders_each_process(look_at, search);

    search->result = r < 0 ? r : 0;
    return NULL;
}

/* -- the containers ------------------------------------------------------------------ */

/* The containers are const to all but those who observe them. */
static int list_containers(const struct ng_world *world, struct search *search) {
    size_t count = 0;

    for (size_t i = 0; i < world->n_engines; i++)
        count += world->engines[i].n_containers;
    search->containers = ng_arena_alloc(world->arena, count, sizeof(*search->containers));
    if (!search->containers)
        return -ENOMEM;
    for (size_t i = 0; i < world->n_engines; i++) {
        const struct ng_engine *engine = &world->engines[i];

        for (size_t k = 0; k < engine->n_containers; k++) {
            search->containers[search->count++] = (struct ng_container *)&engine->containers[k];
            search->unread += has_own_network(&engine->containers[k]);
        }
    }
    if (search->count)
        qsort(search->containers, search->count, sizeof(*search->containers), compare_ids);
    return 0;
}

int ng_container_sockets_read(struct ng_world *world) {
    struct search search = {.sockets = {.arena = world->arena}};
    pthread_t thread;
    int r = list_containers(world, &search);

    if (r < 0 || search.unread == 0)
        return r;
    if (stat("/proc/self/ns/net", &search.host) < 0)
        return 0;
    search.ways = ng_sockets_ways();
    /* Only the thread that asks for it enters another namespace: this one never comes back. */
    if (pthread_create(&thread, NULL, look_at_all, &search) != 0)
        return 0;
    pthread_join(thread, NULL);
    return search.result;
}
