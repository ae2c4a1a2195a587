/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_TRAFFIC_CONTROL_H
#define NETGUARD_AGENT_OBSERVE_TRAFFIC_CONTROL_H

/* Traffic control (tc, tcx): what may drop, rewrite or redirect packets where a link takes them
 * in, before every rule, or sends them out, after every rule. */

#include <linux/netlink.h>

#include "netguard/world.h"

/* Sets `tc` of the links of `world`, which have been read. On failure it is set where a filter
 * was seen, and others may be there. */
int ng_traffic_control_read(struct ng_world *world, struct ng_error *error) _must_check_;

/* Where filters may hang. */
struct ng_tc_place {
    uint32_t link;   /* index */
    uint32_t parent; /* handle of the queueing discipline, or of a side of it */
    bool queue;      /* its filters sort packets into classes, unless they have actions */
};

/* The message of a queueing discipline as the places that it has for filters, at most two.
 * Others, and other messages, have none. -EBADMSG. */
int ng_traffic_control_decode_qdisc(const struct nlmsghdr *message,
                                    struct ng_tc_place ret_places[2],
                                    size_t *ret_n_places) _must_check_;

/* Whether the message is of a filter, at such a place, that may do more to packets than to sort
 * them. -EBADMSG. */
int ng_traffic_control_decode_filter(const struct nlmsghdr *message, bool queue,
                                     bool *ret_judges) _must_check_;

#endif
