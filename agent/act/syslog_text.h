/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_SYSLOG_TEXT_H
#define NETGUARD_ACT_SYSLOG_TEXT_H

/* Alerts as messages for a syslog, without framing. Both are malloc'ed and no longer than
 * `limit_bytes`, which is NG_SYSLOG_LEAST or more: fields that have no room are left out whole, of
 * the message the end is. NULL: out of memory. */

#include "agent/act/alert.h"

enum {
    NG_SYSLOG_LEAST = 480, /* what every receiver takes (RFC 5426, 3.2) */
};

/* RFC 5424, for others' machines. `pid` is ours. */
char *ng_syslog_text(const struct ng_alert *alert, uint8_t facility, const char *host, int pid,
                     size_t limit_bytes) _must_check_;

/* As syslog(3) writes to /dev/log, the structured data at the end. */
char *ng_syslog_local_text(const struct ng_alert *alert, uint8_t facility, int pid,
                           size_t limit_bytes) _must_check_;

#endif
