/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_SESSION_H
#define NETGUARD_ACT_SESSION_H

/* The connection through which somebody works on this machine. */

#include "netguard/addr.h"

struct ng_session {
    struct ng_addr peer, local;
    uint16_t peer_port, local_port;
    uint32_t
        link; /* index of the interface that packets of the peer come in by, as routing has it */
};

/* That of this process, or of those that have started it: the first that holds a TCP connection
 * which came in. False: there is none, as at the console or under a timer. */
bool ng_session_find(struct ng_session *ret_session);

#endif
