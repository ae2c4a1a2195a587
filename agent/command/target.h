/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_COMMAND_TARGET_H
#define NETGUARD_COMMAND_TARGET_H

/* What `explain` is asked about, as a person writes it: "6379", "53/udp", "192.0.2.1:6379/tcp",
 * "[2001:db8::1]:443", "redis", "redis:6379", "4f1c09". */

#include "netguard/explain.h"

/* -EINVAL with what is wrong, and a near name, in `error`. */
int ng_target_parse(const char *text, const struct ng_world *world,
                    struct ng_explain_target *ret_target, struct ng_error *error) _must_check_;

#endif
