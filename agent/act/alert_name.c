/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/alert_name.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define PREFIX "NETGUARD_"

const char *ng_alert_name(const char *field, char name[static NG_ALERT_NAME]) {
    size_t len = 0;
    if (strncmp(field, PREFIX, strlen(PREFIX)) == 0)
        field += strlen(PREFIX);
    for (; field[len] && len < NG_ALERT_NAME - 1; len++)
        name[len] = (char)tolower((unsigned char)field[len]);
    name[len] = '\0';
    return name;
}
