/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TEST_FIXTURE_STATE_H
#define NETGUARD_TEST_FIXTURE_STATE_H

/* What a daemon has to say of itself, all of it, and a directory where it is written. */

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/act/state.h"

/* Of somebody who would like to write lines of his own. */
#define HOSTILE "red\x1b[31m\"is\\\n\xff\xe2\x80\xae"

enum {
    STARTED_S = 1795382400, /* 2026-11-22T21:20:00Z */
};

static const struct ng_record state_records[] = {
    {.key = "1111111111111111",
     .id = "NG002",
     .rule = "default",
     .subject = "cache",
     .message = "port 8080 is open to public",
     .severity = NG_LOW,
     .state = NG_OPEN,
     .zones = "public",
     .since_s = STARTED_S + 60},
    {.key = "2222222222222222",
     .id = "NG001",
     .rule = "no-stores",
     .subject = HOSTILE,
     .message = "port 6379 of " HOSTILE " is open to public and office",
     .severity = NG_CRITICAL,
     .state = NG_OPEN,
     .zones = "public, office",
     .since_s = STARTED_S - 86400},
    {.key = "3333333333333333",
     .id = "NG001",
     .rule = "no-stores",
     .subject = "db",
     .message = "db: port 5432 is open to public",
     .severity = NG_CRITICAL,
     .state = NG_STATE_BLOCKED,
     .zones = "public",
     .since_s = STARTED_S},
    {.key = "4444444444444444",
     .id = "NG001",
     .rule = "no-stores",
     .subject = "legacy",
     .message = "legacy: port 6379 is open to public",
     .severity = NG_HIGH,
     .state = NG_EXCEPTED,
     .zones = "public",
     .since_s = STARTED_S},
    {.key = "5555555555555555",
     .id = "NG001",
     .rule = "no-stores",
     .subject = "old",
     .message = "old: port 6379 is open to public",
     .severity = NG_HIGH,
     .state = NG_OPEN,
     .zones = "public",
     .since_s = STARTED_S,
     .gone_s = STARTED_S + 5},
};

/* `pid` of whoever shall have written it. */
static inline struct ng_state state_of(pid_t pid) {
    static const struct ng_life life = {state_records, ARRAY_SIZE(state_records)};
    static struct ng_guard_count counts[] = {
        {.chain = "closed_public", .packets = 9, .bytes = 999},
        {.chain = "rule_7.odd-id_x", .packets = 1, .bytes = 60},
        {.chain = "rule_no-stores", .packets = 12, .bytes = 720},
    };
    static const struct ng_guard_installed installed = {
        .hold = NG_GUARD_OWN, .persist = true, .counts = counts, .n_counts = ARRAY_SIZE(counts)};
    static const struct ng_state_engine engines[] = {
        {.endpoint = "unix:///run/docker.sock", .connected = true},
        {.endpoint = "unix:///" HOSTILE, .why = "nobody is there"},
    };
    static const char *limits[] = {"what it cannot do"};
    static const struct ng_gap gaps[] = {{"docker", "has not answered"}};
    static const struct ng_warning warnings[] = {{"/etc/nftables.conf", "a copy of the guard"}};
    static const struct ng_state_sink sinks[] = {
        {.name = "journal"},
        {.name = "webhook", .fault = "refused: " HOSTILE, .waiting = 3, .lost = 1},
    };
    static const struct ng_state_count alerts[] = {{"finding-opened", 2}, {"knocks", 0}};
    static const struct ng_state_event events[] = {
        {STARTED_S, "guard-repaired", "others flushed it"},
        {STARTED_S + 60, "finding-opened", "port 6379 of " HOSTILE},
    };
    return (struct ng_state){
        .version = "1.2.3",
        .pid = pid,
        .started_s = STARTED_S,
        .time_s = STARTED_S + 61,
        .policy = "/etc/netguard/policy.yaml",
        .mode = NG_ENFORCE,
        .installed = &installed,
        .kept_by_systemd = true,
        .engines = engines,
        .n_engines = ARRAY_SIZE(engines),
        .limits = {limits, ARRAY_SIZE(limits)},
        .life = &life,
        .n_exposures = 7,
        .complete = true,
        .gaps = gaps,
        .n_gaps = ARRAY_SIZE(gaps),
        .warnings = warnings,
        .n_warnings = ARRAY_SIZE(warnings),
        .refresh_s = STARTED_S + 60,
        .refresh_ms = 1034,
        .sinks = sinks,
        .n_sinks = ARRAY_SIZE(sinks),
        .alerts = alerts,
        .n_alerts = ARRAY_SIZE(alerts),
        .events = events,
        .n_events = ARRAY_SIZE(events),
        .counters = {.refreshes = 12,
                     .nft_changes = 3,
                     .engine_events = 5,
                     .link_changes = 2,
                     .polls = 4,
                     .overruns = 1},
    };
}

/* -- where it is written --------------------------------------------------------------- */

static char state_directory[64];

static inline const char *state_path(const char *name) {
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", state_directory, name);
    return path;
}

static inline int make_state_directory(void **state) {
    (void)state;
    umask(022);
    strcpy(state_directory, "/tmp/netguard-test-XXXXXX");
    return mkdtemp(state_directory) && setenv("RUNTIME_DIRECTORY", state_directory, 1) == 0 ? 0
                                                                                            : -1;
}

/* Nothing else is left in it. */
static inline int remove_state_directory(void **state) {
    (void)state;
    (void)unlink(state_path("status.json"));
    (void)unlink(state_path("netguard.prom"));
    return rmdir(state_directory);
}

/* Owned by the caller. */
static inline char *state_read(const char *name) {
    FILE *in = fopen(state_path(name), "r");
    assert_non_null(in);
    char *text = calloc(1, 1 << 16);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 16) - 1, in) > 0);
    fclose(in);
    return text;
}

#endif
