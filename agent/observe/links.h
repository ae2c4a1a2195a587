/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_LINKS_H
#define NETGUARD_AGENT_OBSERVE_LINKS_H

/* Links with the sysctls that decide delivery on them, and the addresses of this host. */

#include <linux/netlink.h>

#include "netguard/world.h"

/* Fills links and addresses of `world` and sets links_read; leaves all three alone on failure.
 * What a link inherits from net.*.conf.all is already counted in. `tc` is left off: see
 * traffic_control.h. */
int ng_links_read(struct ng_world *world, struct ng_error *error) _must_check_;

/* The bridge that has this address, by name; NULL: none. Of links and addresses as they were read.
 */
const char *ng_links_bridge_with(const struct ng_world *world, struct ng_addr addr);

/* net.ipv{4,6}.conf.all and net.bridge: what holds for every link whatever its own setting is
 * (linux/inetdevice.h, IN_DEV_MAXCONF and IN_DEV_ORCONF). */
struct ng_links_all {
    uint8_t rp_filter;
    bool route_localnet, accept_local, src_valid_mark, send_redirects, forwarding6;
    bool bridge_netfilter; /* br_netfilter is there: without it no bridge's own switch counts */
    bool bridge_calls4, bridge_calls6;
};

/* The message of a link or address as one of the model; 1 with nothing returned for a message
 * that is not one, or an address that is not yet in use, -EBADMSG, -ENOMEM. */
int ng_links_decode_link(struct ng_arena *arena, const struct nlmsghdr *message,
                         const struct ng_links_all *all, struct ng_link *ret_link) _must_check_;
int ng_links_decode_address(const struct nlmsghdr *message,
                            struct ng_ifaddr *ret_ifaddr) _must_check_;

#endif
