/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_ALERT_JOURNAL_H
#define NETGUARD_ACT_ALERT_JOURNAL_H

/* Alerts as entries of the systemd journal: the fields of the alert, and MESSAGE, MESSAGE_ID,
 * PRIORITY, NETGUARD_KIND, NETGUARD_SEVERITY, NETGUARD_KEY. From a thread of their own: a journal
 * that takes nothing, for its disk is full or it is being debugged, blocks whoever writes to it. */

#include "agent/act/alert.h"

struct ng_journal;

int ng_journal_new(struct ng_journal **ret_journal, struct ng_error *error) _must_check_;
/* Waits a moment for what has not been taken. */
void ng_journal_free(struct ng_journal *journal);
void ng_journal_freep(struct ng_journal **journal);

/* A bounded number waits, of which the oldest go first. */
void ng_journal_send(struct ng_journal *journal, const struct ng_alert *alert);

struct ng_journal_state {
    size_t waiting;
    uint64_t lost;
    int code; /* -errno of the last that was not taken; 0: it was */
};

void ng_journal_state(struct ng_journal *journal, struct ng_journal_state *ret_state);

#endif
