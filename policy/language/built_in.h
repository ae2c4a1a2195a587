/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_BUILT_IN_H
#define NETGUARD_LANGUAGE_BUILT_IN_H

#include "netguard/policy.h"

/* What applies where no policy file is. Written in the language itself, so that it can be
 * shown, copied and changed. */
extern const struct ng_policy_text ng_built_in_policy;

#endif
