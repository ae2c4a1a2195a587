/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_FAULTS_H
#define NETGUARD_PRINT_FAULTS_H

/* What is wrong with a text, shown at its place as compilers do:
 *
 *   policy.yaml:7:5: unknown key "sevrity" in a rule; expected id, allow, …
 *     7 |     sevrity: high
 *       |     ^ did you mean "severity"? */

#include <stdio.h>

#include "netguard/policy.h"

enum {
    NG_FAULT_WIDTH_MIN = 40, /* of the lines that are shown */
};

/* `text` is the file that it is in, NULL where that could not be read; `kind` stands before the
 * message: "warning", or NULL. A line longer than `width` is cut around the place. */
void ng_print_fault(FILE *out, const struct ng_error *fault, const char *kind,
                    const struct ng_policy_text *text, unsigned width);

#endif
