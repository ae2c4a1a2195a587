/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_OBSERVE_UNANNOUNCED_H
#define NETGUARD_OBSERVE_UNANNOUNCED_H

/* What matters to the guard and no event tells of: which sockets of this network namespace take
 * packets from outside. Cheap enough to be looked at every other second. */

#include "netguard/guard.h"

/* A number that is another one as soon as any of it is. UDP sockets at ports from `client_lo` to
 * `client_hi` (0 to 0: none) that the guard does not close are left out: they are those of clients,
 * and come and go. */
int ng_unannounced_digest(const struct ng_guard *guard, uint16_t client_lo, uint16_t client_hi,
                          uint64_t *ret_digest, struct ng_error *error) _must_check_;

#endif
