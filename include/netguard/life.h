/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LIFE_H
#define NETGUARD_LIFE_H

/* Findings over time: what has become of them since the last look, and which of it is news. Pure;
 * what is kept from one look to the next is plain data, and outlives a restart as a file
 * (agent/act/records.h). */

#include "netguard/judge.h"

/* What a person calls one thing, as it was last seen: the findings of one catalog id and rule at
 * one port of one container, or of the machine itself. A port that is open by IPv4 and by IPv6, or
 * at several addresses, is told of once; open by one of them it is open. Texts are in the arena of
 * the life that it belongs to. */
struct ng_record {
    const char *thing; /* 16 hex digits: of catalog id, rule, kind, name, protocol and ports */
    const char *key;   /* of the first of its findings when it began: what it is known by outside */
    const char *keys;  /* of all of them now, separated by spaces */
    /* Of the worst of its findings: */
    const char *id, *rule, *subject, *message, *fix;
    enum ng_severity severity;
    enum ng_action action;
    enum ng_finding_state state;
    enum ng_reach_verdict verdict;
    const char *kind; /* of the exposure: "published" …; NULL: none, and no port */
    uint8_t proto;    /* enum ng_proto; 0: none */
    uint16_t host_port, container_port; /* 0: none */
    /* NULL: of the machine itself, or not told */
    const char *container_id, *container_name, *image, *service;
    const char
        *engine;       /* endpoint of the one that told of the container; NULL: none, or not told */
    const char *zones; /* of all that are in this state, sorted: "office, public" */

    int64_t since_s; /* first found, in whatever state, or again after it was resolved */
    int64_t told_s;  /* last alert about it; 0: none yet, for it may turn out to be another's */
    int64_t gone_s;  /* 0: it is found; else no longer since, or NG_LIFE_GONE_BEFORE */
};

struct ng_life {
    const struct ng_record *records; /* sorted by `thing`, of which each is there once */
    size_t n_records;
};

enum ng_change {
    NG_CHANGE_OPENED,   /* it is new, or open again: after it was blocked it is as old as before */
    NG_CHANGE_CHANGED,  /* open from other zones, or to more or fewer there; another severity */
    NG_CHANGE_BLOCKED,  /* the guard closes it */
    NG_CHANGE_EXCEPTED, /* an exception covers it */
    NG_CHANGE_EXPIRED,  /* one did, and it is open */
    NG_CHANGE_RESOLVED, /* there is nothing to find any more */
    NG_CHANGE_REMINDED, /* still open, and told of last so long ago that it is told again */
};

const char *ng_change_text(enum ng_change change); /* "opened" … */

struct ng_news {
    enum ng_change change;
    struct ng_record record; /* as it is now; of RESOLVED, as it was */
};

struct ng_life_options {
    int64_t now_s;
    int64_t repeat_s; /* 0: never told again */
    /* What was looked at whole: what is no longer found there is gone. Else it may still be there,
     * and stays; and where the packet filter was not read, what cannot be decided for that stays as
     * it was. */
    bool host_seen, containers_seen;
    struct ng_strings
        engines_seen; /* where not all: those that have told of all their containers */
};

enum {
    /* A container that is made anew is away for a moment; its finding is not. */
    NG_LIFE_GONE_S = 10,
    /* Of a record: it was gone when it was last looked for, which now it is not. When it is again,
     * as by an engine that has come back, its containers have time to be back as well. */
    NG_LIFE_GONE_BEFORE = -1,
};

/* From `before`, which holds each thing once, and what is found now. Whatever the clock does, a
 * time in the result is none after `now_s`. The result is all in `arena` and needs neither of them.
 * `ret_next_s`: the next time at which it has to be asked again though nothing else has changed;
 * INT64_MAX: never. News of what is found by severity descending, resolved ones last. 0 or
 * -ENOMEM. */
int ng_life_advance(const struct ng_life *before, const struct ng_result *result,
                    const struct ng_life_options *options, struct ng_arena *arena,
                    struct ng_life *ret_now, struct ng_news **ret_news, size_t *ret_count,
                    int64_t *ret_next_s) _must_check_;

#endif
