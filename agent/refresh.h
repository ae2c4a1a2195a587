/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_REFRESH_H
#define NETGUARD_AGENT_REFRESH_H

/* Looks at the world again when that is wanted: however often it is asked for, one look at a time,
 * on a thread of its own, so that an engine that hangs keeps the daemon from nothing else. */

#include <systemd/sd-event.h>

#include "agent/view.h"

struct ng_refresh_listener {
    /* One begins: by which policy, and looking where, which has to last until it is done. */
    struct ng_law *(*begins)(struct ng_observe_options *ret_where, void *context);
    /* Takes over the view, which is NULL where there is an error: then it is tried again. */
    void (*done)(struct ng_view *view, const struct ng_error *error, void *context);
    void *context;
};

struct ng_refresh;

int ng_refresh_new(sd_event *loop, const struct ng_refresh_listener *listener,
                   struct ng_refresh **ret_refresh, struct ng_error *error) _must_check_;
/* Waits for the thread. */
void ng_refresh_free(struct ng_refresh *refresh);

/* What changes from here on is seen. At once, but `apart_us` after the last one began. */
void ng_refresh_want(struct ng_refresh *refresh, uint64_t apart_us);
/* The same, `in_us` from now. */
void ng_refresh_want_in(struct ng_refresh *refresh, uint64_t in_us);

#endif
