/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_GUARD_TEXT_H
#define NETGUARD_ACT_GUARD_TEXT_H

/* The guard in the syntax of nft. All in `arena`; NULL: out of memory. */

#include "netguard/guard.h"

/* For `nft -f`: the table as a whole in place of one that is there, in syntax that nft 1.0.6 parses
 * and without the flags of who owns it. */
char *ng_guard_text(struct ng_arena *arena, const struct ng_guard *guard);

/* One element of a set as it stands between its braces: "tcp . 172.17.0.2 . 80",
 * "7000-7005 : goto rule_no-stores". */
char *ng_guard_element_text(struct ng_arena *arena, const struct ng_guard_set *set,
                            const struct ng_guard_element *element);

/* One rule as it stands in its chain. */
char *ng_guard_rule_text(struct ng_arena *arena, const struct ng_guard_rule *rule);

#endif
