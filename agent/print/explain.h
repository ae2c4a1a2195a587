/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_EXPLAIN_H
#define NETGUARD_PRINT_EXPLAIN_H

/* What `explain` prints. */

#include "agent/print/print.h"
#include "netguard/explain.h"

/* Both return 0 or -ENOMEM, and leave errors of writing in `out`. */
int ng_print_explanation(FILE *out, const struct ng_tracer *tracer,
                         const struct ng_explanation *explanation,
                         const struct ng_explain_options *asked,
                         const struct ng_print_options *options) _must_check_;
int ng_print_explanation_json(FILE *out, const struct ng_tracer *tracer,
                              const struct ng_explanation *explanation,
                              const struct ng_explain_options *asked,
                              const struct ng_print_options *options) _must_check_;

#endif
