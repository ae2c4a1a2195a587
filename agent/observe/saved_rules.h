/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_SAVED_RULES_H
#define NETGUARD_AGENT_OBSERVE_SAVED_RULES_H

/* Copies of the guard in the rules that are loaded at boot. Whoever saves the whole ruleset there
 * (`nft list ruleset >/etc/nftables.conf`) saves the guard with it, and for that the kernel or nft
 * may later refuse the whole file. */

#include "netguard/world.h"

/* For sed: leaves the guard out of what nft lists. */
#define NG_SAVED_RULES_CUT "'/^table inet netguard {/,/^}/d'"

/* Looks into `files`, NULL at the end, and whatever they include; NULL: into those that nft is
 * given at boot. What is wrong becomes a warning of the world. 0 or -ENOMEM. */
int ng_saved_rules_read(struct ng_world *world, const char *const *files) _must_check_;

#endif
