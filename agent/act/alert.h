/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_ALERT_H
#define NETGUARD_ACT_ALERT_H

/* What the daemon tells people who are not looking: one fact, in words and as fields, whatever way
 * it goes out by. */

#include "netguard/life.h"

/* Each has a MESSAGE_ID in the journal, for ever, and an entry in its catalog
 * (packaging/netguard.catalog). */
enum ng_alert_kind {
    NG_ALERT_FINDING_OPENED, /* the first seven in the order of enum ng_change */
    NG_ALERT_FINDING_CHANGED,
    NG_ALERT_FINDING_BLOCKED,
    NG_ALERT_FINDING_EXCEPTED,
    NG_ALERT_FINDING_EXPIRED,
    NG_ALERT_FINDING_RESOLVED,
    NG_ALERT_FINDING_REMINDED,
    NG_ALERT_REACH_CHANGED,  /* others changed the firewall, and who gets where with it */
    NG_ALERT_GUARD_REPAIRED, /* others took the guard away or changed it, and it was put back */
    NG_ALERT_GUARD_FAILED,   /* it is not as it should be */
    NG_ALERT_GUARD_REGAINED, /* it is again */
    NG_ALERT_KNOCKS,         /* somebody was kept out, summed up */
    NG_ALERT_SIGHT_LOST,     /* an engine, or a part of the kernel, tells nothing any more */
    NG_ALERT_SIGHT_REGAINED,
    NG_ALERT_RELOAD_FAILED, /* the policy stays as it was */
    NG_ALERT_RELOADED,
    NG_ALERT_FOLDED, /* more than are told one by one: how many were left out */
    NG_ALERT_KINDS,
};

struct ng_alert_field {
    const char *name;  /* as the journal has it: "NETGUARD_RULE", "CONTAINER_NAME" */
    const char *value; /* valid UTF-8, with any character in it */
};

enum {
    NG_ALERT_FIELDS = 24,
};

/* Texts are borrowed. */
struct ng_alert {
    enum ng_alert_kind kind;
    enum ng_severity severity; /* of a resolved finding the one that it had */
    int64_t time_s;
    const char *message; /* one line */
    /* What it is about, the same text each time that it is told of, changed or over; NULL: a single
     * event. */
    const char *key;
    bool over; /* what `key` stands for is over with this: resolved, regained */
    struct ng_alert_field fields[NG_ALERT_FIELDS]; /* without those that are above */
    size_t n_fields;
};

const char *ng_alert_kind_text(enum ng_alert_kind kind);  /* "finding-opened" … */
const char *ng_alert_message_id(enum ng_alert_kind kind); /* 32 hex digits */
/* LOG_CRIT … LOG_INFO of syslog.h. */
int ng_alert_priority(const struct ng_alert *alert);

/* NULL: it has no such field. */
const char *ng_alert_field(const struct ng_alert *alert, const char *name);
/* A value that is NULL adds none; one that has no room is left out. */
void ng_alert_add(struct ng_alert *alert, const char *name, const char *value);

/* Of a finding; its texts are the record's, or in `arena`. 0 or -ENOMEM. */
int ng_alert_of_news(const struct ng_news *news, int64_t time_s, struct ng_arena *arena,
                     struct ng_alert *ret_alert) _must_check_;

/* {"schema":"netguard.alert/1","host","time","kind","severity","message","key","over", and the
 * fields with their names in lower case and without "netguard_"} on one line; malloc'ed. NULL: out
 * of memory. */
char *ng_alert_json(const struct ng_alert *alert) _must_check_;

#endif
