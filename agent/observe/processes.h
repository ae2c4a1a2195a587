/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_PROCESSES_H
#define NETGUARD_AGENT_OBSERVE_PROCESSES_H

/* The processes of this machine at one time, by where their sockets are likely to be. Of most it
 * is enough to know that: hundreds of containers have thousands of open files. */

#include "netguard/base.h"

enum ng_process_place {
    NG_PROCESS_HERE,      /* in this network namespace */
    NG_PROCESS_ENGINE,    /* here as well: an engine, or what stays with a container */
    NG_PROCESS_ELSEWHERE, /* in another network namespace */
    NG_PROCESS_PLACES,
};

struct ng_process {
    uint32_t pid;
    enum ng_process_place place;
};

struct ng_processes {
    struct ng_process *items; /* by pid */
    size_t count, capacity;
};

/* Any of them may have ended by now, and its pid be that of another. 0 or -ENOMEM. */
int ng_processes_list(struct ng_arena *arena, struct ng_processes *ret_processes) _must_check_;

/* Its folder in /proc, or a negative errno. */
int ng_process_open(uint32_t pid) _must_check_;

/* Its name, "" where it has ended. */
void ng_process_comm(int process_fd, char *comm, size_t size);

/* Is this the name of an engine, or of what stays with a container: a shim, conmon? */
bool ng_process_is_engine(const char *comm);

#endif
