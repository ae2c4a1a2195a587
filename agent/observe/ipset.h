/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_IPSET_H
#define NETGUARD_AGENT_OBSERVE_IPSET_H

/* Reads the ipsets of this network namespace over nfnetlink. */

#include "netguard/world.h"

/* Fills `ret_dump`; its bytes live in `arena`. Without ip_set in the kernel there are none, which
 * is no error, and looking does not load it. `newest` is the protocol to speak where the kernel
 * knows it: IPSET_PROTOCOL, or an older one. Retries while sets change. -EPERM without
 * CAP_NET_ADMIN, -EFBIG over 256 MiB, … */
int ng_ipset_dump_read(struct ng_arena *arena, uint8_t newest, struct ng_ipset_dump *ret_dump,
                       struct ng_error *error) _must_check_;

#endif
