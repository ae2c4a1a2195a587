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
    const char *id;                 /* its own: all that the threads read of it */
    uint32_t pid;                   /* of its first process, 0: none seen */
    struct ng_listener *listeners;
    size_t n_listeners;
    bool read;
};

struct ng_container_sockets;

/* Reads one container after the other, each in its network. Another may do the same beside it. */
struct reader {
    struct ng_container_sockets *search;
    struct ng_arena *arena;    /* its own */
    struct ng_sockets sockets; /* of one container at a time */
    pthread_t thread;
    bool started;
    int result;
};

enum {
    READERS = 2, /* with more of them they wait for each other in the kernel */
};

struct ng_container_sockets {
    struct ng_arena *arena; /* of the first reader, too */
    struct found *found;    /* for each container, sorted by id */
    size_t count;
    _Atomic size_t next; /* of them, to be read */
    struct ng_processes processes;
    struct ng_sockets_ways ways;
    struct reader readers[READERS];
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

static int keep(struct reader *reader, struct found *found) {
    const struct ng_sockets *sockets = &reader->sockets;

    found->listeners = ng_arena_alloc(reader->arena, sockets->count, sizeof(*found->listeners));
    if (!found->listeners)
        return -ENOMEM;
    for (size_t i = 0; i < sockets->count; i++)
        if (!is_loopback(sockets->items[i].listener.addr))
            found->listeners[found->n_listeners++] = sockets->items[i].listener;
    found->read = true;
    return 0;
}

static int read_container(struct reader *reader, struct found *found, int process_fd) {
    struct ng_sockets_ways ways = reader->search->ways;
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
    reader->sockets.count = 0;
    r = ng_sockets_collect(&reader->sockets, &ways, process_fd, NULL);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    /* Of a process that has ended, or left, it is not known whose sockets these are. */
    if (fstatat(process_fd, "ns/net", &after, 0) < 0 || !ng_proc_is_same(&before, &after))
        return 0;
    return keep(reader, found);
}

/* It never comes back to this host's network. */
static void *read_containers(void *context) {
    struct reader *reader = context;
    struct ng_container_sockets *search = reader->search;
    size_t i;

    while (reader->result == 0 && (i = search->next++) < search->count) {
        struct found *found = &search->found[i];
        int fd = found->pid ? ng_process_open(found->pid) : -ENOENT;

        if (fd < 0)
            continue;
        reader->result = read_container(reader, found, fd);
        close(fd);
    }
    return NULL;
}

/* The first of a container's processes is the one that the engine started; a later one may have
 * made itself another network. Its monitor, which is in its cgroup, is on this host's. */
static void find_processes(struct ng_container_sockets *search) {
    for (size_t i = 0; i < search->processes.count; i++) {
        const struct ng_process *process = &search->processes.items[i];
        int fd = process->place == NG_PROCESS_ELSEWHERE ? ng_process_open(process->pid) : -ENOENT;
        struct found *found;
        char cgroup[4096];

        if (fd < 0)
            continue;
        if (ng_proc_read(fd, "cgroup", cgroup, sizeof(cgroup)) > 0 &&
            (found = container_of(search, cgroup)) && !found->pid)
            found->pid = process->pid;
        close(fd);
    }
}

static void *look_at_all(void *context) {
    struct ng_container_sockets *search = context;
    struct reader *others = search->readers + 1;

    search->readers[0].result = ng_processes_list(search->arena, &search->processes);
    if (search->readers[0].result == 0)
        find_processes(search);
    for (size_t i = 0; i < READERS - 1; i++)
        others[i].started = others[i].arena && pthread_create(&others[i].thread, NULL,
                                                              read_containers, &others[i]) == 0;
    read_containers(&search->readers[0]);
    for (size_t i = 0; i < READERS - 1; i++)
        if (others[i].started)
            pthread_join(others[i].thread, NULL);
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
        search->arena = arena;
        search->ways = ng_sockets_ways();
    }
    if (!search || list_containers(search, engine) < 0) {
        ng_arena_free(arena);
        return -ENOMEM;
    }
    for (size_t i = 0; i < READERS; i++) {
        struct reader *reader = &search->readers[i];

        *reader = (struct reader){.search = search, .arena = i ? ng_arena_new() : arena};
        reader->sockets.arena = reader->arena;
    }
    if (search->count > 0)
        search->readers[0].started =
            pthread_create(&search->readers[0].thread, NULL, look_at_all, search) == 0;
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
    int r = 0;

    if (!search)
        return 0;
    if (search->readers[0].started)
        pthread_join(search->readers[0].thread, NULL);
    for (size_t i = 0; i < READERS; i++)
        r = r ? r : search->readers[i].result;
    if (r == 0 && search->processes.count)
        r = copy_processes(arena, search->processes, ret_processes);
    for (size_t i = 0; r == 0 && i < search->count; i++)
        if (search->found[i].read && has_own_network(search->found[i].container))
            r = hand_over(&search->found[i], arena);
    for (size_t i = 1; i < READERS; i++)
        ng_arena_free(search->readers[i].arena);
    ng_arena_free(search->arena);
    return r;
}
