/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_WORDS_H
#define NETGUARD_LANGUAGE_WORDS_H

/* The words for the enumerations of the policy, each at the place of its value. */

#include "netguard/policy.h"

#define NG_SEVERITY_WORDS (NG_CRITICAL + 1)
#define NG_ACTION_WORDS   (NG_BLOCK + 1)
#define NG_MODE_WORDS     (NG_ENFORCE + 1)

extern const char *const ng_severity_words[NG_SEVERITY_WORDS];
extern const char *const ng_action_words[NG_ACTION_WORDS];
extern const char *const ng_mode_words[NG_MODE_WORDS];

#endif
