/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/engine_socket.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/observe/holders.h"

/* __SO_ACCEPTCON of linux/net.h: the socket listens. */
#define LISTENS 0x10000u

uint64_t ng_engine_socket_inode(const char *line, const char *path) {
    unsigned long flags, inode;
    char bound_to[128], real[PATH_MAX];

    /* Num RefCount Protocol Flags Type St Inode Path */
    if (sscanf(line, " %*[^:]: %*x %*x %lx %*x %*x %lu %127s", &flags, &inode, bound_to) != 3 ||
        !(flags & LISTENS))
        return 0;
    if (strcmp(bound_to, path) == 0)
        return inode;
    /* /run and /var/run are one directory, and either may be how it was bound. */
    return bound_to[0] == '/' && strcmp(strrchr(bound_to, '/'), strrchr(path, '/')) == 0 &&
                   realpath(bound_to, real) && strcmp(real, path) == 0
               ? inode
               : 0;
}

static uint64_t find_inode(const char *path) {
    FILE *file = fopen("/proc/net/unix", "re");
    char *line = NULL;
    size_t capacity = 0;
    uint64_t inode = 0;

    if (!file)
        return 0;
    while (inode == 0 && getline(&line, &capacity, file) > 0)
        inode = ng_engine_socket_inode(line, path);
    free(line);
    fclose(file);
    return inode;
}

/* Another process of this pid does not have that socket. */
static bool still_listens(const struct ng_engine_listener *listener) {
    char path[64], expected[64], found[64];

    snprintf(path, sizeof(path), "/proc/%u/fd/%d", listener->pid, listener->fd);
    snprintf(expected, sizeof(expected), "socket:[%" PRIu64 "]", listener->inode);
    ssize_t len = readlink(path, found, sizeof(found));
    return len == (ssize_t)strlen(expected) && memcmp(found, expected, (size_t)len) == 0;
}

enum ng_engine_socket ng_engine_socket_look(const char *path, struct ng_engine_listener *listener) {
    enum ng_engine_socket state = NG_ENGINE_SOCKET_AWAKE;
    struct ng_holder holder = {0};
    struct ng_arena *arena;
    char real[PATH_MAX];

    if (access(path, F_OK) < 0)
        return NG_ENGINE_SOCKET_NONE;
    if (listener && listener->pid && still_listens(listener))
        return state;
    if (!realpath(path, real))
        return state;
    holder.inode = find_inode(real);
    arena = holder.inode ? ng_arena_new() : NULL;
    if (!arena)
        return state;
    if (ng_holders_find(arena, NULL, &holder, 1, NG_HOLDER_ENGINE) == 0 &&
        holder.kind == NG_HOLDER_MANAGER && holder.process &&
        strcmp(holder.process, "systemd") == 0)
        state = NG_ENGINE_SOCKET_ASLEEP;
    else if (listener && holder.pid)
        *listener =
            (struct ng_engine_listener){.inode = holder.inode, .pid = holder.pid, .fd = holder.fd};
    ng_arena_free(arena);
    return state;
}
