/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_RULESET_CHANGE_H
#define NETGUARD_RULESET_CHANGE_H

#include "netguard/ruleset.h"
#include "netguard/world.h"

/* A ruleset of a moment ago, and what the kernel has told of since. No I/O. */
struct ng_ruleset_change {
    struct ng_ruleset *ruleset;           /* as it is now */
    const struct ng_rule *const *changed; /* rules that were added, and those that are gone */
    size_t n_changed;
};

/* `messages`: NFT_MSG_NEWRULE and NFT_MSG_DELRULE as the kernel notifies of them, in order; of
 * whole transactions that consist of nothing else. The new ruleset is what ng_ruleset_decode()
 * would make of a new dump. It shares what has not changed with the one before, in whose arena it
 * lives and which stays as it is. -EAGAIN: that cannot be told from these messages alone. -ENOMEM.
 */
int ng_ruleset_change(const struct ng_world *world, const struct ng_ruleset *before,
                      const uint8_t *messages, size_t len_bytes,
                      struct ng_ruleset_change *ret_change) _must_check_;
/* Once the world has been decoded: gives back the rules of its dump, the most of it by far, of
 * which changes need nothing. */
void ng_ruleset_forget_rules(struct ng_world *world);

#endif
