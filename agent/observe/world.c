/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/world.h"

void ng_world_free(struct ng_world *world) {
    if (world)
        ng_arena_free(world->arena);
}

void ng_world_freep(struct ng_world **world) {
    ng_world_free(*world);
}
