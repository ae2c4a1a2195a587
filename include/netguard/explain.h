/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_EXPLAIN_H
#define NETGUARD_EXPLAIN_H

/* Why something is reachable or not: what a person names becomes questions to the engine, and
 * the engine's own record of the way is the answer. */

#include "netguard/trace.h"

/* What is named: an address, a container or neither, and a port. */
struct ng_explain_target {
    struct ng_addr addr;                  /* family 0: none */
    const struct ng_container *container; /* NULL: none */
    bool has_port;
    uint16_t port;
    uint8_t proto; /* 0: not said */
};

struct ng_explain_options {
    struct ng_addr from;        /* family 0: everybody */
    const struct ng_link *link; /* NULL: each that leads outside */
};

/* One question and its answer. */
struct ng_explained {
    const struct ng_link *link; /* where packets come in */
    struct ng_question question;
    struct ng_trace trace; /* its `reach`, `sources` and `maybe` are filled in */
};

/* Something that can be asked for from outside, or is asked for though nothing is there: then
 * the exposure is of the host and has no process, or of kind NG_KIND_DIRECT. */
struct ng_subject {
    struct ng_exposure exposure; /* its `reach` is empty */
    bool exists;                 /* published, or a socket listens */
    const struct ng_explained *items;
    size_t n_items;
};

struct ng_explanation {
    const struct ng_subject *subjects; /* those that can be asked for at all, sorted as exposures */
    size_t n_subjects;
};

/* The explanation lives in `arena`. 0 or -ENOMEM. */
int ng_explain(const struct ng_tracer *tracer, const struct ng_explain_target *target,
               const struct ng_explain_options *options, struct ng_arena *arena,
               struct ng_explanation *ret_explanation) _must_check_;

#endif
