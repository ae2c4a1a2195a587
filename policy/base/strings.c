/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/policy.h"

#include <string.h>

bool ng_strings_contain(struct ng_strings strings, const char *text) {
    for (size_t i = 0; i < strings.count; i++)
        if (strcmp(strings.items[i], text) == 0)
            return true;
    return false;
}
