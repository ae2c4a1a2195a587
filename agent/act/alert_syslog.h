/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_ALERT_SYSLOG_H
#define NETGUARD_ACT_ALERT_SYSLOG_H

/* Alerts as messages with structured data (syslog_text.h): to the machine's own syslog, by UDP
 * (RFC 5426) or by TCP with octet counting (RFC 6587), from within an sd-event loop that none of it
 * blocks. */

#include <systemd/sd-event.h>

#include "agent/act/alert.h"

struct ng_syslog;

/* `address`, which must outlive it, as in struct ng_alerts. Nothing is connected to yet, and no
 * name is looked up. -EINVAL: no such address. */
int ng_syslog_new(sd_event *loop, const char *address, uint8_t facility,
                  struct ng_syslog **ret_syslog, struct ng_error *error) _must_check_;
void ng_syslog_free(struct ng_syslog *syslog);
void ng_syslog_freep(struct ng_syslog **syslog);

/* Now, or as soon as somebody takes it: a bounded number waits, of which the oldest go first. */
void ng_syslog_send(struct ng_syslog *syslog, const struct ng_alert *alert);

/* Why alerts do not get out; NULL: they do. Until the next call. */
const char *ng_syslog_fault(struct ng_syslog *syslog);

/* `ret_lost`: since it began, of what waited as the oldest where there was no more room, and of
 * datagrams that were refused. */
void ng_syslog_counts(const struct ng_syslog *syslog, size_t *ret_waiting, uint64_t *ret_lost);

#endif
