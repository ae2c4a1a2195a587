/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_ENGINE_SOCKET_H
#define NETGUARD_AGENT_OBSERVE_ENGINE_SOCKET_H

#include "netguard/base.h"

enum ng_engine_socket {
    NG_ENGINE_SOCKET_NONE,   /* there is no such file */
    NG_ENGINE_SOCKET_ASLEEP, /* only systemd listens: to connect would start the engine */
    NG_ENGINE_SOCKET_AWAKE,  /* or not known to be asleep */
};

/* Whether an engine answers at the Unix socket `path`, found out without connecting. */
enum ng_engine_socket ng_engine_socket_look(const char *path);

/* The inode of the listening socket bound to `path` in a line of /proc/net/unix; 0: the line
 * is about another one. */
uint64_t ng_engine_socket_inode(const char *line, const char *path);

#endif
