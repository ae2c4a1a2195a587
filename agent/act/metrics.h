/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_METRICS_H
#define NETGUARD_ACT_METRICS_H

/* The same that status.json says, for Prometheus: a file in its text exposition format 0.0.4, such
 * as the textfile collector of node_exporter reads. */

#include "agent/act/state.h"

/* In place of the one before. What is written meanwhile has a name of its own beside it, which does
 * not end in ".prom". `path` NULL: nobody wants it. */
int ng_metrics_write(const char *path, const struct ng_state *state,
                     struct ng_error *error) _must_check_;

#endif
