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

struct found {
    struct ng_container *container; /* const to all but those who observe it */
    const char *id;                 /* its own: all that the thread reads of it */
    struct ng_listener *listeners;
    size_t n_listeners;
    bool read;
};

struct ng_container_sockets {
    struct ng_arena *arena; /* the thread's own */
    struct ng_processes processes;
    struct found *found; /* for each container, sorted by id */
    size_t count;
    struct ng_sockets_ways ways;
    struct ng_sockets sockets; /* of one container at a time */
    pthread_t thread;
    bool started;
    int result;
};

/* -- which container a process belongs to -------------------------------------------- */

static int compare_ids(const void *a, const void *b) {
    const struct found *x = a, *y = b;

    return strncmp(x->id, y->id, NG_CONTAINER_ID_LEN);
}

static struct found *container_with_id(const struct ng_container_sockets *search, const char *id) {
    const struct found key = {.id = id};

    return bsearch(&key, search->found, search->count, sizeof(key), compare_ids);
}

/* NULL also for a process in a container inside one of ours, which has a network of its own. So
 * nothing in a container can pass for another one. */
static struct found *container_of(const struct ng_container_sockets *search, const char *cgroup) {
    struct found *found = NULL;

    for (const char *id = cgroup; (id = ng_holders_container_id(id)); id += NG_CONTAINER_ID_LEN) {
        if (!found)
            found = container_with_id(search, id);
        else if (strncmp(found->id, id, NG_CONTAINER_ID_LEN) != 0)
            return NULL;
    }
    return found;
}

/* -- what listens there -------------------------------------------------------------- */

static bool is_loopback(struct ng_addr addr) {
    return addr.family == NG_IP4 ? addr.value >> 24 == 127 : addr.value == 1;
}

static int keep(struct ng_container_sockets *search, struct found *found) {
    const struct ng_sockets *sockets = &search->sockets;

    found->listeners = ng_arena_alloc(search->arena, sockets->count, sizeof(*found->listeners));
    if (!found->listeners)
        return -ENOMEM;
    for (size_t i = 0; i < sockets->count; i++)
        if (!is_loopback(sockets->items[i].listener.addr))
            found->listeners[found->n_listeners++] = sockets->items[i].listener;
    found->read = true;
    return 0;
}

static int read_container(struct ng_container_sockets *search, struct found *found,
                          int process_fd) {
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
    if (fstatat(process_fd, "ns/net", &after, 0) < 0 || !ng_proc_is_same(&before, &after))
        return 0;
    return keep(search, found);
}

static int look_at(struct ng_container_sockets *search, int process_fd) {
    struct found *found;
    char cgroup[4096];

    if (ng_proc_read(process_fd, "cgroup", cgroup, sizeof(cgroup)) <= 0)
        return 0;
    found = container_of(search, cgroup);
    /* The first of its processes is the one that the engine started; a later one may have made
     * itself another network. */
    return found && !found->read ? read_container(search, found, process_fd) : 0;
}

/* It never comes back to this host's network. The monitor of a container, which is in its cgroup,
 * is on that network, too. */
static void *look_at_all(void *context) {
    struct ng_container_sockets *search = context;

    search->result = ng_processes_list(search->arena, &search->processes);
    for (size_t i = 0; search->result == 0 && i < search->processes.count; i++) {
        const struct ng_process *process = &search->processes.items[i];
        int fd = process->place == NG_PROCESS_ELSEWHERE ? ng_process_open(process->pid) : -ENOENT;

        if (fd < 0)
            continue;
        search->result = look_at(search, fd);
        close(fd);
    }
    return NULL;
}

/* -- the containers ------------------------------------------------------------------ */

static int list_containers(struct ng_container_sockets *search, const struct ng_engine *engine) {
    search->found = ng_arena_alloc(search->arena, engine->n_containers, sizeof(*search->found));
    if (!search->found)
        return -ENOMEM;
    for (size_t i = 0; i < engine->n_containers; i++)
        search->found[search->count++] = (struct found){
            .container = (struct ng_container *)&engine->containers[i],
            .id = engine->containers[i].id,
        };
    if (search->count)
        qsort(search->found, search->count, sizeof(*search->found), compare_ids);
    return 0;
}

int ng_container_sockets_begin(const struct ng_engine *engine,
                               struct ng_container_sockets **ret_sockets) {
    struct ng_arena *arena = ng_arena_new();
    struct ng_container_sockets *search = arena ? ng_arena_alloc(arena, 1, sizeof(*search)) : NULL;

    if (search) {
        search->arena = search->sockets.arena = arena;
        search->ways = ng_sockets_ways();
    }
    if (!search || list_containers(search, engine) < 0) {
        ng_arena_free(arena);
        return -ENOMEM;
    }
    if (search->count > 0)
        search->started = pthread_create(&search->thread, NULL, look_at_all, search) == 0;
    *ret_sockets = search;
    return 0;
}

static bool has_own_network(const struct ng_container *container) {
    return !container->network_of && strcmp(container->network_mode, "host") != 0;
}

static int hand_over(const struct found *found, struct ng_arena *arena) {
    struct ng_container *container = found->container;
    struct ng_listener *own = ng_arena_alloc(arena, found->n_listeners, sizeof(*own));

    if (!own)
        return -ENOMEM;
    if (found->n_listeners)
        memcpy(own, found->listeners, found->n_listeners * sizeof(*own));
    container->listeners = own;
    container->n_listeners = found->n_listeners;
    container->listeners_read = true;
    return 0;
}

static int copy_processes(struct ng_arena *arena, struct ng_processes from,
                          struct ng_processes *ret_processes) {
    struct ng_process *items = ng_arena_alloc(arena, from.count, sizeof(*items));

    if (!items)
        return -ENOMEM;
    memcpy(items, from.items, from.count * sizeof(*items));
    *ret_processes = (struct ng_processes){items, from.count, from.count};
    return 0;
}

int ng_container_sockets_end(struct ng_container_sockets *search, struct ng_arena *arena,
                             struct ng_processes *ret_processes) {
    int r;

    if (!search)
        return 0;
    if (search->started)
        pthread_join(search->thread, NULL);
    r = search->result;
    if (r == 0 && search->processes.count)
        r = copy_processes(arena, search->processes, ret_processes);
    for (size_t i = 0; r == 0 && i < search->count; i++)
        if (search->found[i].read && has_own_network(search->found[i].container))
            r = hand_over(&search->found[i], arena);
    ng_arena_free(search->arena);
    return r;
}
