/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_DIRECTORY_H
#define NETGUARD_ACT_DIRECTORY_H

/* The daemon's own directories, and files that are there whole or not at all. */

#include <stdio.h>
#include <sys/types.h>

#include "netguard/base.h"

enum ng_directory {
    NG_DIRECTORY_RUNTIME, /* $RUNTIME_DIRECTORY, which systemd sets, else /run/netguard */
    NG_DIRECTORY_STATE,   /* $STATE_DIRECTORY, else /var/lib/netguard: outlives a reboot */
};

/* `name` in it, in `buffer`; nothing is made. -ENAMETOOLONG */
int ng_directory_path(enum ng_directory directory, const char *name, char *buffer, size_t size,
                      struct ng_error *error) _must_check_;

/* Makes it where nobody else has to; where it cannot, whoever writes into it will say so. */
void ng_directory_make(enum ng_directory directory);

struct ng_file {
    const char *path;
    mode_t mode;  /* before the umask */
    bool lasting; /* it is on the disk before anybody sees it, so that a power cut costs neither
                     the old one nor the new */
    void (*put)(FILE *out, const void *data);
    const void *data;
};

/* In place of the one before, which readers see until then, and which stays on failure: a negative
 * errno. */
int ng_file_replace(const struct ng_file *file) _must_check_;

#endif
