/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_COMMAND_ANSWERS_H
#define NETGUARD_COMMAND_ANSWERS_H

/* What `trace` and `reach` share: a question on each line of input, an answer on each line of
 * output. */

#include "agent/command/command.h"
#include "agent/print/trace.h"

enum ng_exit ng_answer_lines(const struct ng_options *options, bool one_source,
                             void (*print)(FILE *out, struct ng_trace_printer *printer,
                                           const struct ng_question *question,
                                           const struct ng_trace *trace));

#endif
