/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_DRAWN_GUARD_H
#define NETGUARD_DRAWN_GUARD_H

/* Guards of policies and hosts that are drawn by lot, the same for a seed on every machine: what
 * the language allows, likely or not, from few values, so that zones, ports and ids meet. */

#include "netguard/guard.h"

/* Valid, as those below, until the next one is made or guard_drawn_free(). */
struct ng_guard guard_drawn(unsigned seed, struct ng_arena *arena);
/* Of a policy of so many rules, each with a range of ports of its own. */
struct ng_guard guard_of_rules(unsigned n_rules, struct ng_arena *arena);
void guard_drawn_free(void);

#endif
