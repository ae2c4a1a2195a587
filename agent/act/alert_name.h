/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_ALERT_NAME_H
#define NETGUARD_ACT_ALERT_NAME_H

enum {
    NG_ALERT_NAME = 33, /* RFC 5424 has no longer ones */
};

/* What a field of an alert is called outside of the journal: "NETGUARD_HOST_PORT" is "host_port",
 * "CONTAINER_NAME" is "container_name". Returns `name`. */
const char *ng_alert_name(const char *field, char name[static NG_ALERT_NAME]);

#endif
