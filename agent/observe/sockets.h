/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_SOCKETS_H
#define NETGUARD_AGENT_OBSERVE_SOCKETS_H

/* The sockets of this network namespace that take packets from outside, and who holds them. */

#include <linux/netlink.h>

#include "agent/observe/processes.h"
#include "netguard/world.h"

/* Fills listeners of `world` and sets listeners_read; leaves both alone on failure. `processes`
 * as for ng_holders_find().
 * `ret_unsure`: of how many it could not be told whether they are bound to a link or, IPv6
 * ones, take IPv4 as well; they count as open to both. */
int ng_sockets_read(struct ng_world *world, const struct ng_processes *processes,
                    size_t *ret_unsure, struct ng_error *error) _must_check_;

/* -- the sockets of a network namespace ---------------------------------------------- */

enum ng_sockets_way {
    NG_SOCKETS_ABSENT, /* the kernel does not have the protocol */
    NG_SOCKETS_FILES,  /* /proc/PID/net: to ask sock_diag could load a module */
    NG_SOCKETS_DIAG,
};

enum {
    NG_SOCKETS_PROTOS = 3, /* TCP, UDP, SCTP */
};

/* How this machine tells of its sockets, the same in all its network namespaces. */
struct ng_sockets_ways {
    enum ng_sockets_way by_proto[NG_SOCKETS_PROTOS];
};

struct ng_socket {
    struct ng_listener listener;
    uint64_t inode; /* 0: belongs to no process */
    bool unsure;    /* v6only and link are not known */
};

/* Grows in the arena. Starts with all zeroes but the arena. */
struct ng_sockets {
    struct ng_arena *arena;
    struct ng_socket *items;
    size_t count, capacity;
};

/* Appends a socket, an IPv4 address inside an IPv6 one as what it is: such a socket takes IPv4
 * only. 0 or -ENOMEM. */
int ng_sockets_add(struct ng_sockets *sockets, struct ng_socket socket) _must_check_;

struct ng_sockets_ways ng_sockets_ways(void);

/* The same without sock_diag. */
struct ng_sockets_ways ng_sockets_files(struct ng_sockets_ways ways);

/* Appends all sockets of one network namespace, without their holders. sock_diag tells of the
 * calling thread's, the files of the one that the process with this folder in /proc is in: it is
 * for the caller to see to it that both are the same. */
int ng_sockets_collect(struct ng_sockets *sockets, const struct ng_sockets_ways *ways,
                       int process_fd, struct ng_error *error) _must_check_;

/* The same of this thread's network namespace. */
int ng_sockets_collect_own(struct ng_sockets *sockets, struct ng_error *error) _must_check_;

/* Appends the sockets that a message of sock_diag for protocol `proto` tells of; nothing for
 * one that takes nothing from outside. -EBADMSG, -ENOMEM. */
int ng_sockets_decode(struct ng_sockets *sockets, uint8_t proto,
                      const struct nlmsghdr *message) _must_check_;

#endif
