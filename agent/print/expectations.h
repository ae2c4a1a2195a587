/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_EXPECTATIONS_H
#define NETGUARD_PRINT_EXPECTATIONS_H

/* What holds and what does not, as TAP 13: CI systems read it, and people do. */

#include <stdio.h>

#include "netguard/expect.h"

void ng_print_expectations_head(FILE *out, size_t count);

/* The `number`th, from 1 on. 0 or -ENOMEM. */
int ng_print_expectation(FILE *out, size_t number, const struct ng_expectation *expectation,
                         const struct ng_fulfilment *fulfilment) _must_check_;

#endif
