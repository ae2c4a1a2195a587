/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_ALERTER_H
#define NETGUARD_ACT_ALERTER_H

/* Every alert by every way that the policy names. Of very many at a time the first are told one by
 * one, the rest as one that says how many there were. */

#include <systemd/sd-event.h>

#include "agent/act/alert.h"
#include "agent/act/state.h"

enum {
    NG_ALERTER_BURST = 200, /* told at once, where nothing was told of for a while */
    NG_ALERTER_PER_S = 10,  /* and from then on */
    /* Of who knocks, which strangers bring about, and must not crowd out the rest. */
    NG_ALERTER_KNOCKS_BURST = 50,
    NG_ALERTER_KNOCKS_PER_S = 1,
    NG_ALERTER_FOLD_S = 10, /* over which what is beyond that is summed up */
    NG_ALERTER_SINKS = 3,
};

struct ng_alerter_options {
    const struct ng_alerts *alerts; /* has to outlive it */
    bool lines;                     /* each alert as a line of the log, too */
};

struct ng_alerter;

int ng_alerter_new(sd_event *loop, const struct ng_alerter_options *options,
                   struct ng_alerter **ret_alerter, struct ng_error *error) _must_check_;
void ng_alerter_free(struct ng_alerter *alerter);
void ng_alerter_freep(struct ng_alerter **alerter);

/* Those below the policy's least severity are dropped. Never blocks. */
void ng_alerter_send(struct ng_alerter *alerter, const struct ng_alert *alert);

/* Faults stand until the next call. */
size_t ng_alerter_sinks(struct ng_alerter *alerter,
                        struct ng_state_sink ret_sinks[static NG_ALERTER_SINKS]);
/* How many of each kind were told since it began, or folded. */
const uint64_t *ng_alerter_counts(const struct ng_alerter *alerter);

#endif
