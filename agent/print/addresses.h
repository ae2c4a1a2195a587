/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_ADDRESSES_H
#define NETGUARD_PRINT_ADDRESSES_H

/* Addresses, ports and sets of them in words, for people. */

#include "agent/print/layout.h"
#include "netguard/judge.h"

enum {
    NG_PREFIXES_SHOWN = 6, /* of a list of sources, unless all are asked for */
};

/* "[2001:db8::1]:80-89"; without an address (family 0) the `length` ports from `port` on alone. */
const char *ng_layout_socket(struct ng_layout *layout, struct ng_addr addr, unsigned port,
                             unsigned length);

/* The shorter way to say a set of sources: what is in it, or what is not: "10.0.0.0/8", "any but
 * 10.0.0.0/8", "any address"; at most `most` prefixes are listed. "" for none. */
const char *ng_layout_sources(struct ng_layout *layout, struct ng_addrset set, uint8_t family,
                              size_t most);

/* "53, 1024-65535" */
const char *ng_layout_ports(struct ng_layout *layout, const struct ng_port_range *ranges,
                            size_t count);

#endif
