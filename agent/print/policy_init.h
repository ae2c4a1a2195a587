/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_POLICY_INIT_H
#define NETGUARD_PRINT_POLICY_INIT_H

#include <stdio.h>

#include "netguard/propose.h"

/* A policy file with comments. 0 or -ENOMEM. */
int ng_print_proposal(FILE *out, const struct ng_proposal *proposal) _must_check_;

#endif
