/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/act/directory.h"
#include "agent/print/escape.h"

#define SOURCE "metrics"
#define PREFIX "netguard_"

/* -- the format ------------------------------------------------------------------------ */

/* All samples of a metric follow this, in one piece. */
static void head(FILE *out, const char *name, const char *type, const char *help) {
    fprintf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name, type);
}

/* Three characters are escaped, all others stand as they are; the file has to be UTF-8. */
static void put_label_value(FILE *out, const char *text) {
    for (size_t len; *text; text += len) {
        uint32_t code;
        len = ng_char_decode(text, &code);
        if (code == NG_CHAR_INVALID)
            fputs("\xef\xbf\xbd", out); /* U+FFFD */
        else if (code == '\n')
            fputs("\\n", out);
        else if (code == '\\' || code == '"')
            fprintf(out, "\\%c", (char)code);
        else
            fwrite(text, 1, len, out);
    }
}

static void sample(FILE *out, const char *name, const char *label, const char *text,
                   uint64_t value) {
    fprintf(out, PREFIX "%s{%s=\"", name, label);
    put_label_value(out, text);
    fprintf(out, "\"} %" PRIu64 "\n", value);
}

static void put_one(FILE *out, const char *name, const char *type, const char *help,
                    uint64_t value) {
    head(out, name, type, help);
    fprintf(out, PREFIX "%s %" PRIu64 "\n", name, value);
}

/* -- what is told ---------------------------------------------------------------------- */

static void put_times(FILE *out, const struct ng_state *state) {
    head(out, "build_info", "gauge", "The version, as a label; always 1.");
    sample(out, "build_info", "version", state->version ? state->version : "", 1);
    put_one(out, "start_time_seconds", "gauge", "When the daemon began, in Unix time.",
            (uint64_t)state->started_s);
    put_one(out, "last_refresh_timestamp_seconds", "gauge",
            "When the host was last looked at, in Unix time.", (uint64_t)state->refresh_s);
    head(out, "refresh_duration_seconds", "gauge", "How long that took.");
    fprintf(out, PREFIX "refresh_duration_seconds %" PRIu64 ".%03" PRIu64 "\n",
            state->refresh_ms / 1000, state->refresh_ms % 1000);
    put_one(out, "complete", "gauge", "Whether all was seen that could change a verdict.",
            state->complete);
}

/* Every combination, so that none has to be missed. */
static void put_findings(FILE *out, const struct ng_state *state) {
    uint64_t counts[NG_CRITICAL + 1][NG_EXCEPTED + 1] = {0};
    for (size_t i = 0; state->life && i < state->life->n_records; i++) {
        const struct ng_record *record = &state->life->records[i];
        if (ng_state_is_found(record))
            counts[record->severity][record->state]++;
    }
    put_one(out, "exposures", "gauge", "Ports that can be asked for from outside.",
            state->n_exposures);
    head(out, "findings", "gauge", "What is found now.");
    for (int severity = NG_INFO; severity <= NG_CRITICAL; severity++)
        for (int one = NG_OPEN; one <= NG_EXCEPTED; one++)
            fprintf(out, PREFIX "findings{severity=\"%s\",state=\"%s\"} %" PRIu64 "\n",
                    ng_severity_text((enum ng_severity)severity),
                    ng_finding_state_text((enum ng_finding_state)one), counts[severity][one]);
}

static void put_guard(FILE *out, const struct ng_state *state) {
    const struct ng_guard_count *counts = state->installed ? state->installed->counts : NULL;
    const size_t count = state->installed ? state->installed->n_counts : 0;
    put_one(out, "guard_in_force", "gauge", "Whether the guard is installed and ours.",
            ng_state_in_force(state));
    put_one(out, "guard_fault", "gauge", "Whether the guard is not as it should be.",
            state->guard_error != NULL);
    head(out, "guard_dropped_packets_total", "counter", "Packets that a rule has dropped.");
    for (size_t i = 0; i < count; i++)
        if (ng_state_rule(&counts[i]))
            sample(out, "guard_dropped_packets_total", "rule", ng_state_rule(&counts[i]),
                   counts[i].packets);
    head(out, "guard_dropped_bytes_total", "counter", "Bytes of these packets.");
    for (size_t i = 0; i < count; i++)
        if (ng_state_rule(&counts[i]))
            sample(out, "guard_dropped_bytes_total", "rule", ng_state_rule(&counts[i]),
                   counts[i].bytes);
    put_one(out, "policy_reload_failed", "gauge",
            "Whether the policy could not be read again, and the old one stays.",
            state->policy_error != NULL);
}

static void put_alerts(FILE *out, const struct ng_state *state) {
    const struct ng_state_sink *sinks = state->sinks;
    head(out, "alerts_total", "counter", "Alerts that were sent.");
    for (size_t i = 0; i < state->n_alerts; i++)
        sample(out, "alerts_total", "kind", state->alerts[i].name, state->alerts[i].count);
    head(out, "alerts_waiting", "gauge", "Alerts that are not delivered yet.");
    for (size_t i = 0; i < state->n_sinks; i++)
        sample(out, "alerts_waiting", "sink", sinks[i].name, sinks[i].waiting);
    head(out, "alerts_lost_total", "counter", "Alerts that nobody will get.");
    for (size_t i = 0; i < state->n_sinks; i++)
        sample(out, "alerts_lost_total", "sink", sinks[i].name, sinks[i].lost);
    head(out, "sink_fault", "gauge", "Whether alerts do not get there.");
    for (size_t i = 0; i < state->n_sinks; i++)
        sample(out, "sink_fault", "sink", sinks[i].name, sinks[i].fault != NULL);
}

static void put_counters(FILE *out, const struct ng_state *state) {
    const struct ng_state_counters *counters = &state->counters;
    head(out, "engine_connected", "gauge", "Whether the engine is followed.");
    for (size_t i = 0; i < state->n_engines; i++)
        sample(out, "engine_connected", "endpoint", state->engines[i].endpoint,
               state->engines[i].connected);
    head(out, "events_total", "counter", "What has happened outside, by who told of it.");
    sample(out, "events_total", "source", "engine", counters->engine_events);
    sample(out, "events_total", "source", "link", counters->link_changes);
    sample(out, "events_total", "source", "nft", counters->nft_changes);
    sample(out, "events_total", "source", "poll", counters->polls);
    put_one(out, "overruns_total", "counter", "How often events were missed.", counters->overruns);
    put_one(out, "refreshes_total", "counter", "How often the host was looked at.",
            counters->refreshes);
}

static void put(FILE *out, const void *data) {
    const struct ng_state *state = data;
    put_times(out, state);
    put_findings(out, state);
    put_guard(out, state);
    put_alerts(out, state);
    put_counters(out, state);
}

int ng_metrics_write(const char *path, const struct ng_state *state, struct ng_error *error) {
    if (!path)
        return 0;
    int r =
        ng_file_replace(&(struct ng_file){.path = path, .mode = 0644, .put = put, .data = state});
    if (r < 0)
        return ng_error_set(error, r, SOURCE, "cannot write %s: %s", path, strerror(-r));
    return 0;
}
