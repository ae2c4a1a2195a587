/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/holders.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/observe/proc.h"
#include "agent/observe/processes.h"

struct search {
    struct ng_arena *arena;
    struct ng_holder *holders;
    size_t count;
    enum ng_holder_kind enough;
    size_t unsettled; /* sockets without a holder of that kind */
};

/* What a process says about itself, read when its first socket of interest is met. */
struct process {
    int dir_fd;
    uint32_t pid;
    enum ng_holder_kind kind; /* NG_HOLDER_NONE: not yet read */
    const char *comm, *container_id;
};

static int compare_inodes(const void *a, const void *b) {
    const struct ng_holder *x = a, *y = b;

    return (x->inode > y->inode) - (x->inode < y->inode);
}

const struct ng_holder *ng_holders_get(const struct ng_holder *holders, size_t count,
                                       uint64_t inode) {
    const struct ng_holder key = {.inode = inode};

    return count ? bsearch(&key, holders, count, sizeof(key), compare_inodes) : NULL;
}

const char *ng_holders_container_id(const char *cgroup) {
    size_t run = 0;

    for (const char *at = cgroup;; at++) {
        if ((*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'f')) {
            run++;
            continue;
        }
        if (run == NG_CONTAINER_ID_LEN && !isalnum((unsigned char)*at))
            return at - run;
        if (*at == '\0')
            return NULL;
        /* A longer word that ends in 64 hex digits is no id. */
        run = isalnum((unsigned char)*at) ? NG_CONTAINER_ID_LEN + 1 : 0;
    }
}

static int read_process(struct search *search, struct process *process) {
    char text[4096];
    const char *id;

    process->kind = process->pid == 1 ? NG_HOLDER_MANAGER : NG_HOLDER_USER;
    ng_process_comm(process->dir_fd, text, sizeof(text));
    if (*text) {
        process->comm = ng_proc_utf8(search->arena, text, strlen(text));
        if (!process->comm)
            return -ENOMEM;
        if (ng_process_is_engine(process->comm))
            process->kind = NG_HOLDER_ENGINE;
    }
    if (ng_proc_read(process->dir_fd, "cgroup", text, sizeof(text)) > 0 &&
        (id = ng_holders_container_id(text))) {
        process->container_id = ng_arena_strndup(search->arena, id, NG_CONTAINER_ID_LEN);
        if (!process->container_id)
            return -ENOMEM;
    }
    return 0;
}

static int take_socket(struct search *search, struct process *process, uint64_t inode, int fd) {
    const struct ng_holder key = {.inode = inode};
    struct ng_holder *holder =
        bsearch(&key, search->holders, search->count, sizeof(key), compare_inodes);

    if (!holder || holder->kind >= search->enough)
        return 0;
    if (process->kind == NG_HOLDER_NONE) {
        int r = read_process(search, process);

        if (r < 0)
            return r;
    }
    /* Processes come in the order of their pids, so that the first of a kind is the lowest. */
    if (process->kind <= holder->kind)
        return 0;
    holder->kind = process->kind;
    holder->pid = process->pid;
    holder->fd = fd;
    holder->process = process->comm;
    holder->container_id = process->container_id;
    if (holder->kind >= search->enough)
        search->unsettled--;
    return 0;
}

/* Goes through the open files of one process; one that ends meanwhile has none. */
static int search_files(struct search *search, uint32_t pid, int process_fd) {
    struct process process = {.pid = pid, .dir_fd = process_fd};
    int fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *files = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *file;
    int r = 0;

    if (!files) {
        bool no_memory = fd >= 0 && errno == ENOMEM; /* else it has ended meanwhile */

        if (fd >= 0)
            close(fd);
        return no_memory ? -ENOMEM : 0;
    }
    while (r == 0 && search->unsettled > 0 && (file = readdir(files))) {
        static const char prefix[] = "socket:[";
        char target[64];
        ssize_t len = readlinkat(fd, file->d_name, target, sizeof(target) - 1);

        if (len < (ssize_t)sizeof(prefix) || memcmp(target, prefix, sizeof(prefix) - 1) != 0)
            continue;
        target[len] = '\0';
        r = take_socket(search, &process, strtoull(target + sizeof(prefix) - 1, NULL, 10),
                        atoi(file->d_name));
    }
    closedir(files);
    return r;
}

static int search_place(struct search *search, const struct ng_processes *processes,
                        enum ng_process_place place) {
    int r = 0;

    for (size_t i = 0; r == 0 && search->unsettled > 0 && i < processes->count; i++) {
        const struct ng_process *process = &processes->items[i];
        int fd = process->place == place ? ng_process_open(process->pid) : -ENOENT;

        if (fd < 0)
            continue;
        r = search_files(search, process->pid, fd);
        close(fd);
    }
    return r;
}

/* In the order of what most likely holds the sockets, by the fewest files. An engine and the shims
 * of its containers have thousands; and of most containers' processes none needs to be looked at,
 * but a socket may be held by one that has left the namespace it was made in. */
static int search_all(struct search *search) {
    struct ng_processes processes;
    int r = ng_processes_list(search->arena, &processes);

    for (int place = 0; r == 0 && place < NG_PROCESS_PLACES; place++)
        r = search_place(search, &processes, (enum ng_process_place)place);
    return r;
}

int ng_holders_find(struct ng_arena *arena, const struct ng_processes *processes,
                    struct ng_holder *holders, size_t count, enum ng_holder_kind enough) {
    struct search search = {.arena = arena, .holders = holders, .count = count, .enough = enough};
    int r = 0;

    if (count == 0)
        return 0;
    qsort(holders, count, sizeof(*holders), compare_inodes);
    for (size_t i = 0; i < count; i++)
        if (holders[i].inode != 0)
            search.unsettled++;
    if (processes)
        r = search_place(&search, processes, NG_PROCESS_HERE);
    return r < 0 || search.unsettled == 0 ? r : search_all(&search);
}
