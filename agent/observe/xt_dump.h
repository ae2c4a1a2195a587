/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_XT_DUMP_H
#define NETGUARD_AGENT_OBSERVE_XT_DUMP_H

#include "netguard/world.h"

/* Fills the xt_tables of the world with those tables of iptables-legacy and ip6tables-legacy that
 * are there in this network namespace; none comes into being by that. On failure the world stays as
 * it was: -EACCES or -EPERM without CAP_NET_ADMIN, -EAGAIN when the tables kept changing, -EFBIG
 * for one beyond 256 MiB, -ENOMEM. */
int ng_xt_dump_read(struct ng_world *world, struct ng_error *error) _must_check_;

#endif
