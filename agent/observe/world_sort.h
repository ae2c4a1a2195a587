/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_WORLD_SORT_H
#define NETGUARD_AGENT_OBSERVE_WORLD_SORT_H

#include "netguard/world.h"

/* Puts every array of a world under construction into the order that netguard/world.h promises;
 * what is equal there stays in the order it was. 0 or -ENOMEM. */
int ng_world_sort(struct ng_world *world) _must_check_;

#endif
