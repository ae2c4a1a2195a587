/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_PROC_H
#define NETGUARD_AGENT_OBSERVE_PROC_H

/* Small files of /proc and /sys. */

#include <sys/stat.h>

#include "netguard/base.h"

/* The text of a small file, NUL-terminated, cut off where `size` ends; `dir_fd` as for
 * openat(). The number of bytes in `buffer` or a negative errno. */
int ng_proc_read(int dir_fd, const char *path, char *buffer, size_t size) _must_check_;

/* `bytes` (up to a NUL or to `len_bytes`) as a string of the arena: whatever is not valid UTF-8
 * becomes U+FFFD. Names of links and processes are bytes of anybody's choice. NULL: out of
 * memory. */
char *ng_proc_utf8(struct ng_arena *arena, const char *bytes, size_t len_bytes) _must_check_;

/* Do the two name one thing, as two links to a namespace do? */
bool ng_proc_is_same(const struct stat *a, const struct stat *b);

/* True when it is certain that the kernel has no module of this name, neither loaded nor built
 * in: then asking for what it provides would at best load it, and there is nothing to see. */
bool ng_proc_lacks_module(const char *name);

#endif
