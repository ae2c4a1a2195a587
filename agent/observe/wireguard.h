/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_WIREGUARD_H
#define NETGUARD_AGENT_OBSERVE_WIREGUARD_H

/* At which ports the kernel listens for WireGuard links (linux/wireguard.h): their sockets are no
 * process's, and the links themselves do not tell. The keys that come with the answer are never
 * looked at. */

#include <linux/netlink.h>

#include "netguard/world.h"

/* Fills in the ports of those of the links that are of kind "wireguard" and up; where there are
 * none, nothing is asked. Not told is no error: to whoever may not know, who may not change
 * the packet filter either. -EINTR: a link has gone meanwhile; `error` is then left alone. */
int ng_wireguard_read_ports(struct ng_link *links, size_t n_links,
                            struct ng_error *error) _must_check_;

/* The number of the generic netlink family, out of the message that tells of it; 1 for a message
 * that tells of another one, -EBADMSG. */
int ng_wireguard_decode_family(const struct nlmsghdr *message, uint16_t *ret_family) _must_check_;

/* The port of one link, out of the first message about it. -EBADMSG also when it is about
 * another one. */
int ng_wireguard_decode_port(const struct nlmsghdr *message, uint32_t link,
                             uint16_t *ret_port) _must_check_;

#endif
