/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_ROUTE_RULES_H
#define NETGUARD_AGENT_OBSERVE_ROUTE_RULES_H

/* The rules that choose among the routing tables (linux/fib_rules.h). */

#include <linux/netlink.h>

#include "netguard/world.h"

/* The message of a rule as one of the model; 1 with nothing returned for a message that is not
 * one, -EBADMSG, -ENOMEM. */
int ng_route_rules_decode(struct ng_arena *arena, const struct nlmsghdr *message,
                          struct ng_route_rule *ret_rule) _must_check_;

#endif
