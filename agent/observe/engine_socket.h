/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_ENGINE_SOCKET_H
#define NETGUARD_AGENT_OBSERVE_ENGINE_SOCKET_H

#include "netguard/base.h"

enum ng_engine_socket {
    NG_ENGINE_SOCKET_NONE,   /* there is no such file */
    NG_ENGINE_SOCKET_ASLEEP, /* only systemd listens: to connect would start the engine */
    NG_ENGINE_SOCKET_AWAKE,  /* or not known to be asleep */
};

/* Who was found to listen, so that he is found again without going through all processes. {0}:
 * nobody. */
struct ng_engine_listener {
    uint64_t inode; /* of the socket */
    uint32_t pid;
    int fd; /* of that process */
};

/* Whether an engine answers at the Unix socket `path`, found out without connecting. Whoever asks
 * about one path often keeps `listener` for it; else NULL. */
enum ng_engine_socket ng_engine_socket_look(const char *path, struct ng_engine_listener *listener);

/* The inode of the listening socket bound to `path` in a line of /proc/net/unix; 0: the line
 * is about another one. */
uint64_t ng_engine_socket_inode(const char *line, const char *path);

#endif
