/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_ALERT_WEBHOOK_H
#define NETGUARD_ACT_ALERT_WEBHOOK_H

/* Alerts by HTTP POST, in order, from a thread of their own: what waits for its receiver waits in a
 * directory, a file each, and outlives a restart. The caller is never blocked. */

#include "agent/act/alert.h"

struct ng_webhook_options {
    const char *url, *token_file; /* as in struct ng_alerts; have to outlive it */
    enum ng_webhook_format format;
    const char *directory; /* where they wait: made if it is not there. NULL: in memory only */
    int64_t repeat_s;      /* as in struct ng_alerts: how long what is open has to be remembered */
};

struct ng_webhook;

int ng_webhook_new(const struct ng_webhook_options *options, struct ng_webhook **ret_webhook,
                   struct ng_error *error) _must_check_;
/* What is not delivered yet stays where it waits; a delivery that is under way is given up. */
void ng_webhook_free(struct ng_webhook *webhook);
void ng_webhook_freep(struct ng_webhook **webhook);

void ng_webhook_send(struct ng_webhook *webhook, const struct ng_alert *alert);

struct ng_webhook_state {
    size_t waiting;
    uint64_t delivered, lost; /* since it began: lost where more waited than there is room for, or
                                 the receiver refused it for good */
    /* Why the last did not get through, or what waits is not on the disk. "": it did, and is.
     * Without secrets. */
    char fault[432];
};

void ng_webhook_state(struct ng_webhook *webhook, struct ng_webhook_state *ret_state);

/* What is posted, one JSON document; malloc'ed. NULL: out of memory. */
char *ng_webhook_body(const struct ng_alert *alert, enum ng_webhook_format format,
                      int64_t repeat_s) _must_check_;

#endif
