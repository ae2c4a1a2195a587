/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_NFT_DUMP_H
#define NETGUARD_AGENT_OBSERVE_NFT_DUMP_H

#include "netguard/world.h"

/* The whole nf_tables ruleset of this network namespace at one generation, all families. A
 * kernel without nf_tables has an empty one. -EPERM without CAP_NET_ADMIN, -EAGAIN when the
 * ruleset kept changing, -EFBIG beyond 256 MiB, -ENOMEM. */
int ng_nft_dump_read(struct ng_arena *arena, struct ng_nft_dump *ret_dump,
                     struct ng_error *error) _must_check_;

/* The same of one table (`family`: NFPROTO_…) and what is in it; nothing when there is none. */
int ng_nft_dump_read_table(struct ng_arena *arena, uint8_t family, const char *table,
                           struct ng_nft_dump *ret_dump, struct ng_error *error) _must_check_;

#endif
