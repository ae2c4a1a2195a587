/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_RULESET_DECODE_H
#define NETGUARD_RULESET_DECODE_H

#include "netguard/ruleset.h"
#include "netguard/world.h"

/* What a world holds in the kernel's own words - nf_tables, the tables of iptables-legacy, the
 * ipsets that rules name - to the language of netguard/ruleset.h. No I/O.
 *
 * What an expression means is decided here; what is not understood becomes an operation
 * that says so. Attributes are read as linux/netfilter/nf_tables.h lays them out, without
 * libnftnl: it refuses a whole rule for one expression it does not know, where we want the
 * rest of the rule and the name of that expression, and it copies every attribute once.
 *
 * -EBADMSG (with a place in the dump) for messages that are torn or contradict each other,
 * -ENOMEM. */
int ng_ruleset_decode(const struct ng_world *world, struct ng_ruleset **ret_ruleset,
                      struct ng_error *error) _must_check_;

/* `before` and, after them, one gap for each thing that no decoder understands; in `arena`.
 * 0 or -ENOMEM. */
int ng_ruleset_gaps(const struct ng_ruleset *ruleset, struct ng_arena *arena,
                    const struct ng_gap *before, size_t n_before, const struct ng_gap **ret_gaps,
                    size_t *ret_n_gaps) _must_check_;

/* The ruleset of a world that has just been observed; what is not understood joins its gaps. Errors
 * as of ng_ruleset_decode(). */
int ng_ruleset_of(struct ng_world *world, struct ng_ruleset **ret_ruleset,
                  struct ng_error *error) _must_check_;

#endif
