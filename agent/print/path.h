/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_PATH_H
#define NETGUARD_PRINT_PATH_H

/* The way of packets through the hooks, for people: rule by rule, as the engine has recorded it. */

#include "agent/print/layout.h"
#include "netguard/trace.h"

struct ng_path_options {
    const struct ng_tracer *tracer;
    const struct ng_question *question;
    struct ng_addrset who; /* about whom the question is */
    bool verbose;          /* also what has changed nothing */
};

void ng_layout_path(struct ng_layout *layout, const struct ng_path_options *options,
                    const struct ng_trace *trace);

/* "10.0.0.0/8", "any address (source ports 53)"; "" for nobody. */
const char *ng_layout_region(struct ng_layout *layout, struct ng_region region, uint8_t family,
                             bool verbose);

/* "ip filter DOCKER handle 12", "ip filter INPUT, policy drop"; NULL where no rule decided. */
const char *ng_layout_decisive(struct ng_layout *layout, const struct ng_ruleset *ruleset,
                               const struct ng_outcome *outcome);

#endif
