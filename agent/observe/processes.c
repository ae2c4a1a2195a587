/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/processes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/observe/proc.h"

bool ng_process_is_engine(const char *comm) {
    static const char *const names[] = {"dockerd", "containerd", "containerd-shim", "conmon"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(comm, names[i]) == 0)
            return true;
    return false;
}

void ng_process_comm(int process_fd, char *comm, size_t size) {
    if (ng_proc_read(process_fd, "comm", comm, size) < 0)
        *comm = '\0';
    comm[strcspn(comm, "\n")] = '\0';
}

int ng_process_open(uint32_t pid) {
    char path[32];
    int fd;

    snprintf(path, sizeof(path), "/proc/%u", pid);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Where nothing can be told of it, it is looked at with those that are here. */
static enum ng_process_place place_of(int proc_fd, const char *pid, const struct stat *here) {
    char path[32], comm[64];
    struct stat own;
    int fd;

    snprintf(path, sizeof(path), "%.16s/ns/net", pid);
    if (fstatat(proc_fd, path, &own, 0) == 0 && !ng_proc_is_same(&own, here))
        return NG_PROCESS_ELSEWHERE;
    snprintf(path, sizeof(path), "%.16s", pid);
    fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return NG_PROCESS_HERE;
    ng_process_comm(fd, comm, sizeof(comm));
    close(fd);
    return ng_process_is_engine(comm) ? NG_PROCESS_ENGINE : NG_PROCESS_HERE;
}

int ng_processes_list(struct ng_arena *arena, struct ng_processes *ret_processes) {
    struct ng_processes processes = {0};
    const struct dirent *entry;
    struct stat here = {0}; /* or all are taken to be elsewhere, where they are found, too */
    DIR *proc = opendir("/proc");
    int r = 0;

    if (!proc)
        return errno == ENOMEM ? -ENOMEM : 0;
    (void)!fstatat(dirfd(proc), "self/ns/net", &here, 0);
    while (r == 0 && (entry = readdir(proc))) {
        struct ng_process *process;

        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        process = NG_ARENA_APPEND(arena, processes.items, processes.count, processes.capacity);
        if (!process) {
            r = -ENOMEM;
            break;
        }
        process->pid = (uint32_t)strtoul(entry->d_name, NULL, 10);
        process->place = place_of(dirfd(proc), entry->d_name, &here);
    }
    closedir(proc);
    if (r == 0)
        *ret_processes = processes;
    return r;
}
