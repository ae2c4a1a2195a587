/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_NFT_DECODE_H
#define NETGUARD_NFT_DECODE_H

#include "netguard/ruleset.h"
#include "netguard/world.h"

/* The kernel's own messages to the language of netguard/ruleset.h. No I/O.
 *
 * What an expression means is decided here; what is not understood becomes an operation
 * that says so. Attributes are read as linux/netfilter/nf_tables.h lays them out, without
 * libnftnl: it refuses a whole rule for one expression it does not know, where we want the
 * rest of the rule and the name of that expression, and it copies every attribute once.
 *
 * -EBADMSG (with a place in the dump) for messages that are torn or contradict each other,
 * -ENOMEM. */
int ng_nft_decode(const struct ng_nft_dump *dump, struct ng_ruleset **ret_ruleset,
                  struct ng_error *error) _must_check_;

#endif
