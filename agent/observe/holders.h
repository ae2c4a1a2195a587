/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_HOLDERS_H
#define NETGUARD_AGENT_OBSERVE_HOLDERS_H

/* Which process holds a socket, found by the open files in /proc. */

#include "agent/observe/processes.h"

enum {
    NG_CONTAINER_ID_LEN = 64, /* hex digits */
};

/* What kind of process holds a socket; the higher, the more it is the one that uses it. */
enum ng_holder_kind {
    NG_HOLDER_NONE,    /* not found, or not permitted to see */
    NG_HOLDER_MANAGER, /* pid 1, which opens sockets for services it starts on demand */
    NG_HOLDER_ENGINE, /* dockerd, which from 28 on opens the sockets of its docker-proxies, and what
                         stays with a container: conmon, which keeps ports for it, and shims */
    NG_HOLDER_USER,
};

struct ng_holder {
    uint64_t inode; /* of the socket asked about; 0: none */
    enum ng_holder_kind kind;
    uint32_t pid;             /* 0: NG_HOLDER_NONE */
    int fd;                   /* the descriptor's number in that process */
    const char *process;      /* its comm, NULL: not known */
    const char *container_id; /* 64 hex digits from its cgroup, NULL: none or not known */
};

/* Fills in who holds each socket and sorts `holders` by inode. Of several processes that hold
 * a socket the highest kind counts, then one of this network namespace, then the lowest pid; the
 * search ends when every socket has a holder of kind `enough`. `processes` as they were shortly
 * before, for those are looked at first; NULL: not known. Never reads a command line or an
 * environment. 0 or -ENOMEM. */
int ng_holders_find(struct ng_arena *arena, const struct ng_processes *processes,
                    struct ng_holder *holders, size_t count,
                    enum ng_holder_kind enough) _must_check_;

/* In `holders` as sorted by ng_holders_find(); NULL: not there. */
const struct ng_holder *ng_holders_get(const struct ng_holder *holders, size_t count,
                                       uint64_t inode);

/* The container of a process with this /proc/PID/cgroup text: the first run of exactly 64 hex
 * digits in a path; NULL: none. The result points into `cgroup`. */
const char *ng_holders_container_id(const char *cgroup);

#endif
