/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_PRINT_H
#define NETGUARD_PRINT_PRINT_H

/* What a check prints. The result alone decides every byte: no clock, locale or terminal is
 * asked here. */

#include <stdio.h>

#include "netguard/judge.h"

struct ng_print_options {
    const char *policy; /* what the policy was read from, for people; NULL: the built-in one */
    unsigned width;     /* columns of the table; at least NG_TABLE_WIDTH_MIN is assumed */
    bool color;
    bool verbose; /* also: every rule that has a say, every source, container ids */
};

enum {
    NG_TABLE_WIDTH_MIN = 40,
    NG_TABLE_WIDTH = 80, /* where nothing else is known */
};

/* Both return 0 or -ENOMEM. Errors of writing stay in `out` (ferror) for the caller, who
 * also flushes. */
int ng_print_table(FILE *out, const struct ng_result *result,
                   const struct ng_print_options *options) _must_check_;
int ng_print_json(FILE *out, const struct ng_result *result,
                  const struct ng_print_options *options) _must_check_;

#endif
