/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_TRACE_H
#define NETGUARD_PRINT_TRACE_H

/* What `trace` and `reach` answer: one JSON object a line. */

#include "agent/print/json_writer.h"
#include "netguard/trace.h"

/* What is the same in every line, written once. Borrows the tracer. */
struct ng_trace_printer;
int ng_trace_printer_new(const struct ng_tracer *tracer,
                         struct ng_trace_printer **ret_printer) _must_check_;
void ng_trace_printer_free(struct ng_trace_printer *printer);
void ng_trace_printer_freep(struct ng_trace_printer **printer);

/* Of a question about one source; ends in a newline. */
void ng_print_packet(FILE *out, struct ng_trace_printer *printer,
                     const struct ng_question *question, const struct ng_trace *trace);

/* Of a question about everybody. */
void ng_print_admitted(FILE *out, struct ng_trace_printer *printer,
                       const struct ng_question *question, const struct ng_trace *trace);

/* {"error":"…"} for a line that is no question. */
void ng_print_line_error(FILE *out, const struct ng_error *error);

/* -- parts, for others that print answers -------------------------------------------- */

/* "prerouting", …; that of a routing decision is "routing". */
const char *ng_step_hook_text(const struct ng_step *step);

/* "accept", "dnat", "no-route", … */
const char *ng_effect_text(const struct ng_ruleset *ruleset, const struct ng_step *step);

/* The members of one step, without the brackets. */
void ng_json_step(struct ng_json *json, struct ng_trace_printer *printer,
                  const struct ng_question *question, const struct ng_step *step);

/* The members of an answer about everybody, without the brackets. */
void ng_json_admitted(struct ng_json *json, const struct ng_trace_printer *printer,
                      const struct ng_question *question, const struct ng_trace *trace);

#endif
