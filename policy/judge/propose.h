/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_JUDGE_PROPOSE_H
#define NETGUARD_JUDGE_PROPOSE_H

#include "netguard/propose.h"

/* propose_world.c: what of a proposal follows from the world alone. 0 or -ENOMEM. */
int ng_propose_zones(struct ng_proposal *proposal) _must_check_;
int ng_propose_apart(struct ng_proposal *proposal) _must_check_;

/* A glob that matches `text` and, as far as a glob can say so, nothing else; NULL: out of memory.
 */
const char *ng_glob_exactly(struct ng_arena *arena, const char *text) _must_check_;

#endif
