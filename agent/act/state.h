/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_STATE_H
#define NETGUARD_ACT_STATE_H

/* What the daemon says of itself: one JSON document, "netguard.status/1", for `netguard status` and
 * whoever else wants to read it. Nobody needs it to start. */

#include <sys/types.h>

#include "agent/act/guard_table.h"

struct ng_state_engine {
    const char *endpoint;
    bool connected;
    const char *why; /* it is not; NULL: it is, or was not yet asked */
};

/* Borrowed. */
struct ng_state {
    pid_t pid;
    int64_t time_s;
    const char *policy; /* the names of its files; NULL: the built-in one */
    enum ng_mode mode;
    const char *policy_error;                   /* of a reload that was refused; NULL: none */
    const struct ng_guard_installed *installed; /* NULL: not known */
    bool kept_by_systemd;     /* the socket that owns the table, while the daemon is dead */
    const char *guard_error;  /* why the guard is not as it should be; NULL: it is */
    const char *knocks_error; /* why it is not known who knocks; NULL: it is */
    const struct ng_state_engine *engines;
    size_t n_engines;
    struct ng_strings limits;
    const struct ng_gap *gaps;
    size_t n_gaps;
    const struct ng_warning *warnings;
    size_t n_warnings;
    int64_t refresh_s; /* when the world was last looked at; 0: not yet */
    uint64_t refresh_ms;
};

/* $RUNTIME_DIRECTORY/status.json, which systemd sets, else that in /run/netguard; in `buffer`.
 * -ENAMETOOLONG */
int ng_state_path(char *buffer, size_t size, struct ng_error *error) _must_check_;

/* In place of the one before, which readers see until then. */
int ng_state_write(const struct ng_state *state, struct ng_error *error) _must_check_;

#endif
