/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/state.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "agent/act/directory.h"
#include "agent/print/json_writer.h"

#define SOURCE "status"
#define NAME   "status.json"

bool ng_state_is_found(const struct ng_record *record) {
    return !record->gone_s;
}

bool ng_state_in_force(const struct ng_state *state) {
    return state->installed &&
           (state->installed->hold == NG_GUARD_OWN || state->installed->hold == NG_GUARD_FREE);
}

const char *ng_state_rule(const struct ng_guard_count *count) {
    static const char prefix[] = "rule_";
    bool is_rule = strncmp(count->chain, prefix, strlen(prefix)) == 0;
    return is_rule ? count->chain + strlen(prefix) : NULL;
}

/* -- the document ---------------------------------------------------------------------- */

static const char *hold_text(enum ng_guard_hold hold) {
    static const char *const texts[] = {
        [NG_GUARD_ABSENT] = "absent", [NG_GUARD_FOREIGN] = "foreign", [NG_GUARD_FREE] = "free",
        [NG_GUARD_OWN] = "own",       [NG_GUARD_HELD] = "held",
    };
    return texts[hold];
}

static void put_text(struct ng_json *json, const char *key, const char *text) {
    ng_json_key(json, key);
    ng_json_string_or_null(json, text);
}

static void put_bool(struct ng_json *json, const char *key, bool value) {
    ng_json_key(json, key);
    ng_json_bool(json, value);
}

static void put_number(struct ng_json *json, const char *key, uint64_t value) {
    ng_json_key(json, key);
    ng_json_number(json, value);
}

static void put_time(struct ng_json *json, const char *key, int64_t time_s) {
    ng_json_key(json, key);
    ng_json_time(json, time_s);
}

static void put_policy(struct ng_json *json, const struct ng_state *state) {
    ng_json_key(json, "policy");
    ng_json_open(json, '{');
    put_text(json, "files", state->policy);
    put_text(json, "mode", state->mode == NG_ENFORCE ? "enforce" : "monitor");
    put_text(json, "reload_error", state->policy_error);
    ng_json_close(json, '}');
}

static void put_dropped(struct ng_json *json, const struct ng_guard_installed *installed) {
    ng_json_open(json, '[');
    for (size_t i = 0; installed && i < installed->n_counts; i++) {
        const char *rule = ng_state_rule(&installed->counts[i]);
        if (!rule)
            continue;
        ng_json_open(json, '{');
        put_text(json, "rule", rule);
        put_number(json, "packets", installed->counts[i].packets);
        put_number(json, "bytes", installed->counts[i].bytes);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

static void put_guard(struct ng_json *json, const struct ng_state *state) {
    const struct ng_guard_installed *installed = state->installed;
    enum ng_guard_hold hold = installed ? installed->hold : NG_GUARD_ABSENT;
    ng_json_key(json, "guard");
    ng_json_open(json, '{');
    put_bool(json, "installed", ng_state_in_force(state));
    put_text(json, "hold", hold_text(hold));
    put_bool(json, "persist", installed && installed->persist);
    put_bool(json, "kept_by_systemd", state->kept_by_systemd);
    put_text(json, "error", state->guard_error);
    ng_json_key(json, "dropped");
    put_dropped(json, installed);
    put_text(json, "knocks_error", state->knocks_error);
    ng_json_key(json, "limits");
    ng_json_strings(json, state->limits);
    ng_json_close(json, '}');
}

static void put_engines(struct ng_json *json, const struct ng_state *state) {
    ng_json_key(json, "engines");
    ng_json_open(json, '[');
    for (size_t i = 0; i < state->n_engines; i++) {
        ng_json_open(json, '{');
        put_text(json, "endpoint", state->engines[i].endpoint);
        put_bool(json, "connected", state->engines[i].connected);
        put_text(json, "why", state->engines[i].why);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

static void put_refresh(struct ng_json *json, const struct ng_state *state) {
    ng_json_key(json, "refresh");
    if (!state->refresh_s) {
        ng_json_null(json);
        return;
    }
    ng_json_open(json, '{');
    put_time(json, "time", state->refresh_s);
    put_number(json, "duration_ms", state->refresh_ms);
    ng_json_close(json, '}');
}

/* As a list: they are joined for people. */
static void put_zones(struct ng_json *json, const char *joined) {
    static const char between[] = ", ";
    ng_json_key(json, "zones");
    ng_json_open(json, '[');
    for (const char *at = joined ? joined : ""; *at; at += strspn(at, between)) {
        size_t len = strcspn(at, between);
        char *zone = strndup(at, len);
        ng_json_string_or_null(json, zone);
        free(zone);
        at += len;
    }
    ng_json_close(json, ']');
}

static void put_finding(struct ng_json *json, const struct ng_record *record) {
    ng_json_open(json, '{');
    put_text(json, "id", record->id);
    put_text(json, "key", record->key);
    put_text(json, "rule", record->rule);
    put_text(json, "severity", ng_severity_text(record->severity));
    put_text(json, "state", ng_finding_state_text(record->state));
    put_text(json, "subject", record->subject);
    put_zones(json, record->zones);
    put_text(json, "message", record->message);
    put_time(json, "since", record->since_s);
    ng_json_close(json, '}');
}

/* Of severities those that occur, as in the document of check. */
static void put_summary(struct ng_json *json, const struct ng_life *life) {
    size_t by_state[NG_EXCEPTED + 1] = {0}, by_severity[NG_CRITICAL + 1] = {0};
    for (size_t i = 0; life && i < life->n_records; i++) {
        const struct ng_record *record = &life->records[i];
        if (!ng_state_is_found(record))
            continue;
        by_state[record->state]++;
        if (record->state == NG_OPEN)
            by_severity[record->severity]++;
    }
    ng_json_key(json, "summary");
    ng_json_open(json, '{');
    for (int one = NG_OPEN; one <= NG_EXCEPTED; one++)
        put_number(json, ng_finding_state_text((enum ng_finding_state)one), by_state[one]);
    ng_json_key(json, "by_severity");
    ng_json_open(json, '{');
    for (int one = NG_CRITICAL; one >= NG_INFO; one--)
        if (by_severity[one])
            put_number(json, ng_severity_text((enum ng_severity)one), by_severity[one]);
    ng_json_close(json, '}');
    ng_json_close(json, '}');
}

static void put_findings(struct ng_json *json, const struct ng_state *state) {
    const struct ng_life *life = state->life;
    put_number(json, "exposures", state->n_exposures);
    ng_json_key(json, "findings");
    ng_json_open(json, '[');
    for (size_t i = 0; life && i < life->n_records; i++)
        if (ng_state_is_found(&life->records[i]))
            put_finding(json, &life->records[i]);
    ng_json_close(json, ']');
    put_summary(json, life);
    put_text(json, "findings_error", state->life_error);
}

static void put_alerts(struct ng_json *json, const struct ng_state *state) {
    ng_json_key(json, "alerts");
    ng_json_open(json, '{');
    ng_json_key(json, "sinks");
    ng_json_open(json, '[');
    for (size_t i = 0; i < state->n_sinks; i++) {
        ng_json_open(json, '{');
        put_text(json, "name", state->sinks[i].name);
        put_text(json, "fault", state->sinks[i].fault);
        put_number(json, "waiting", state->sinks[i].waiting);
        put_number(json, "lost", state->sinks[i].lost);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
    ng_json_key(json, "sent_total");
    ng_json_open(json, '{');
    for (size_t i = 0; i < state->n_alerts; i++)
        put_number(json, state->alerts[i].name, state->alerts[i].count);
    ng_json_close(json, '}');
    ng_json_close(json, '}');
}

static void put_events(struct ng_json *json, const struct ng_state *state) {
    ng_json_key(json, "events");
    ng_json_open(json, '[');
    for (size_t i = 0; i < state->n_events; i++) {
        ng_json_open(json, '{');
        put_time(json, "time", state->events[i].time_s);
        put_text(json, "kind", state->events[i].kind);
        put_text(json, "message", state->events[i].message);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

static void put_counters(struct ng_json *json, const struct ng_state_counters *counters) {
    ng_json_key(json, "counters");
    ng_json_open(json, '{');
    put_number(json, "refreshes", counters->refreshes);
    put_number(json, "nft_changes", counters->nft_changes);
    put_number(json, "engine_events", counters->engine_events);
    put_number(json, "link_changes", counters->link_changes);
    put_number(json, "polls", counters->polls);
    put_number(json, "overruns", counters->overruns);
    ng_json_close(json, '}');
}

static void put(FILE *out, const void *data) {
    const struct ng_state *state = data;
    struct ng_json json = {.out = out};
    ng_json_open(&json, '{');
    put_text(&json, "schema", "netguard.status/1");
    put_text(&json, "version", state->version);
    put_number(&json, "pid", (uint64_t)state->pid);
    put_time(&json, "started", state->started_s);
    put_time(&json, "time", state->time_s);
    put_policy(&json, state);
    put_guard(&json, state);
    put_engines(&json, state);
    put_refresh(&json, state);
    put_bool(&json, "complete", state->complete);
    ng_json_key(&json, "gaps");
    ng_json_gaps(&json, state->gaps, state->n_gaps);
    ng_json_key(&json, "warnings");
    ng_json_warnings(&json, state->warnings, state->n_warnings);
    put_findings(&json, state);
    put_alerts(&json, state);
    put_events(&json, state);
    put_counters(&json, &state->counters);
    ng_json_close(&json, '}');
    putc('\n', out);
}

/* -- the file -------------------------------------------------------------------------- */

int ng_state_path(char *buffer, size_t size, struct ng_error *error) {
    return ng_directory_path(NG_DIRECTORY_RUNTIME, NAME, buffer, size, error);
}

int ng_state_write(const struct ng_state *state, struct ng_error *error) {
    char path[PATH_MAX];
    int r = ng_state_path(path, sizeof(path), error);
    if (r < 0)
        return r;
    ng_directory_make(NG_DIRECTORY_RUNTIME);
    r = ng_file_replace(&(struct ng_file){.path = path, .mode = 0644, .put = put, .data = state});
    if (r < 0)
        return ng_error_set(error, r, SOURCE, "cannot write %s: %s", path, strerror(-r));
    return 0;
}
