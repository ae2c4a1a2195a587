/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_SNAPSHOT_H
#define NETGUARD_AGENT_OBSERVE_SNAPSHOT_H

/* A world as one JSON document, "netguard.snapshot/1", and back. Members are named as the
 * fields in netguard/world.h; snapshot_shape.c lists them. What is written reads back as an
 * equal world, and equal worlds are written as the same bytes. */

#include <stdio.h>

#include "netguard/world.h"

#define NG_SNAPSHOT_LIMIT_BYTES ((size_t)256 << 20)

/* The caller flushes `out` and looks whether that succeeded. -EIO, -ENOMEM. */
int ng_snapshot_write(const struct ng_world *world, FILE *out, struct ng_error *error) _must_check_;

/* Unknown members are ignored, arrays may come in any order. -EINVAL with the place in the
 * document for anything else that ng_snapshot_write() would not have written, -E2BIG beyond
 * the limit, -ENOMEM. */
int ng_snapshot_read(const char *bytes, size_t len_bytes, struct ng_world **ret_world,
                     struct ng_error *error) _must_check_;

#endif
