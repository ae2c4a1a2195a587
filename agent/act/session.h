/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_SESSION_H
#define NETGUARD_ACT_SESSION_H

/* The connections through which somebody works on this machine. */

#include "netguard/addr.h"
#include "netguard/base.h"

struct ng_session {
    struct ng_addr peer, local;
    uint16_t peer_port, local_port;
    uint32_t link; /* index of the interface that packets of the peer come in by, as routing has it;
                      0: it does not say */
    bool supposed; /* it may be another one */
};

/* The TCP connections that this process holds, or who has started it. Where there are none, the one
 * that SSH_CONNECTION tells of and, under a terminal multiplexer, those of all who are logged in by
 * ssh. None at all: as at the console or under a timer. Not found are connections that end before
 * the process that serves them: at a proxy of this machine, or of the engine in front of a
 * container; and what is no TCP, as mosh. 0 or -ENOMEM. */
int ng_sessions_find(struct ng_arena *arena, struct ng_session **ret_sessions,
                     size_t *ret_count) _must_check_;

/* Those of all who are logged in by ssh, whoever asks: TCP connections of sshd and what it has
 * started. 0 or -ENOMEM. */
int ng_sessions_by_ssh(struct ng_arena *arena, struct ng_session **ret_sessions,
                       size_t *ret_count) _must_check_;

#endif
