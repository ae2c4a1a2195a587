/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_SOCKETS_PROC_H
#define NETGUARD_AGENT_OBSERVE_SOCKETS_PROC_H

/* Listening sockets by the files in /proc/PID/net: for kernels without sock_diag, for those where
 * it is a module that is not loaded, since looking must load none, and for network namespaces
 * that may not be entered. These files do not tell
 * whether a socket is bound to a link or takes only IPv6. */

#include "agent/observe/holders.h"
#include "agent/observe/sockets.h"

/* Appends all sockets of a protocol in the network namespace that the process with this folder
 * in /proc is in. A protocol that the kernel does not have has none. */
int ng_sockets_proc_read(struct ng_sockets *sockets, uint8_t proto, int process_fd,
                         struct ng_error *error) _must_check_;

/* Asks the sockets themselves, through the processes that hold them, for what the files do
 * not tell. Those it cannot ask stay unsure. */
void ng_sockets_proc_settle(struct ng_sockets *sockets, const struct ng_holder *holders,
                            size_t n_holders);

/* Appends the socket in a line of /proc/PID/net/{tcp,tcp6,udp,udp6}, or the ones in a line of
 * /proc/PID/net/sctp/eps; nothing for a line that is none. 0 or -ENOMEM. */
int ng_sockets_proc_decode(struct ng_sockets *sockets, uint8_t proto,
                           const char *line) _must_check_;
int ng_sockets_proc_decode_sctp(struct ng_sockets *sockets, const char *line) _must_check_;

#endif
