/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_STATE_H
#define NETGUARD_ACT_STATE_H

/* What the daemon says of itself: one JSON document, "netguard.status/1", for `netguard status` and
 * whoever else wants to read it. Nobody needs it to start. */

#include <sys/types.h>

#include "agent/act/guard_table.h"
#include "netguard/life.h"

struct ng_state_engine {
    const char *endpoint;
    bool connected;
    const char *why; /* it is not; NULL: it is, or was not yet asked */
};

/* Where alerts go. */
struct ng_state_sink {
    const char *name;  /* "journal", "syslog", "webhook" */
    const char *fault; /* why they do not get there; NULL: they do */
    uint64_t waiting, lost;
};

struct ng_state_count {
    const char *name;
    uint64_t count;
};

/* Something that has happened. */
struct ng_state_event {
    int64_t time_s;
    const char *kind; /* as of alerts: "finding-opened" … */
    const char *message;
};

/* Since it began. */
struct ng_state_counters {
    uint64_t refreshes;
    uint64_t nft_changes, engine_events, link_changes, polls;
    uint64_t overruns; /* some of these were missed, and all was looked at */
};

/* Borrowed. */
struct ng_state {
    const char *version;
    pid_t pid;
    int64_t started_s, time_s;
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
    const struct ng_life *life; /* NULL: not known yet */
    const char *life_error;     /* why it is not kept for the daemon after; NULL: it is */
    size_t n_exposures;
    bool complete; /* all that could change a verdict was read */
    const struct ng_gap *gaps;
    size_t n_gaps;
    const struct ng_warning *warnings;
    size_t n_warnings;
    int64_t refresh_s; /* when the world was last looked at; 0: not yet */
    uint64_t refresh_ms;
    const struct ng_state_sink *sinks;
    size_t n_sinks;
    const struct ng_state_count *alerts; /* sent since it began, of every kind */
    size_t n_alerts;
    const struct ng_state_event *events; /* the last ones, newest last */
    size_t n_events;
    struct ng_state_counters counters;
};

/* Is it a finding of now, and not one that may only be away for a moment? */
bool ng_state_is_found(const struct ng_record *record);

/* Is there a guard that drops? */
bool ng_state_in_force(const struct ng_state *state);

/* The id of the rule whose chain counts here; NULL: it is no rule's. */
const char *ng_state_rule(const struct ng_guard_count *count);

/* $RUNTIME_DIRECTORY/status.json, which systemd sets, else that in /run/netguard; in `buffer`.
 * -ENAMETOOLONG */
int ng_state_path(char *buffer, size_t size, struct ng_error *error) _must_check_;

/* In place of the one before, which readers see until then. */
int ng_state_write(const struct ng_state *state, struct ng_error *error) _must_check_;

#endif
