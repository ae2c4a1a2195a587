/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_POLICY_FILES_H
#define NETGUARD_POLICY_FILES_H

/* Finds and reads the policy's files. A policy decides what is allowed, so that one which
 * somebody else could have written is refused. */

#include "netguard/policy.h"

#define NG_POLICY_DIRECTORY "/etc/netguard"

struct ng_policy_files {
    struct ng_arena *arena;
    const struct ng_policy_text *texts; /* in the order in which they count */
    size_t count;                       /* 0: no file is there, the built-in policy applies */
    const char *summary;                /* the names, for people; NULL when there is no file */
};

/* `file` alone; if that is NULL `directory`/policy.yaml, if there is one, then
 * `directory`/policy.d/ *.yaml in the order of their names' bytes. -EPERM when a file or one
 * of the two directories belongs to or can be written by others than root and the caller,
 * -EFBIG above 1 MiB, -EINVAL for what is not a regular file, -ENOENT for a `file` that is
 * not there. */
int ng_policy_files_read(const char *file, const char *directory,
                         struct ng_policy_files **ret_files, struct ng_error *error) _must_check_;

void ng_policy_files_free(struct ng_policy_files *files);
void ng_policy_files_freep(struct ng_policy_files **files);

#endif
