/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/act/state.h"
#include "agent/command/command.h"
#include "agent/observe/proc.h"
#include "agent/observe/saved_rules.h"
#include "agent/print/escape.h"

enum {
    FINDINGS_MAX = 50, /* for people */
};

static const char *text_of(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static json_int_t number_of(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

static bool is_true(const json_t *object, const char *key) {
    return json_is_true(json_object_get(object, key));
}

static bool is(const json_t *object, const char *key, const char *text) {
    const char *found = text_of(object, key);

    return found && strcmp(found, text) == 0;
}

static void put(const char *text) {
    size_t size = ng_escape(NULL, 0, text) + 1;
    char *escaped = malloc(size);

    if (escaped) {
        ng_escape(escaped, size, text);
        fputs(escaped, stdout);
    }
    free(escaped);
}

static void put_member(const json_t *object, const char *key) {
    const char *text = text_of(object, key);

    put(text ? text : "?");
}

/* "before text\n"; nothing where there is no text. */
static void put_line(const char *before, const char *text) {
    if (!text)
        return;
    fputs(before, stdout);
    put(text);
    putchar('\n');
}

/* -- findings ------------------------------------------------------------------------ */

/* "high      open      redis: port 6379 is open, since 2026-11-22T21:20:00Z" */
static void put_finding(const json_t *finding) {
    const char *subject = text_of(finding, "subject"), *message = text_of(finding, "message");

    printf("  %-8s  %-8s  ", text_of(finding, "severity"), text_of(finding, "state"));
    if (subject && (!message || !strstr(message, subject))) {
        put(subject);
        fputs(": ", stdout);
    }
    put_member(finding, "message");
    fputs(", since ", stdout);
    put_member(finding, "since");
    putchar('\n');
}

static size_t put_those(const json_t *findings, const char *state, const char *severity,
                        size_t room) {
    const json_t *finding;
    size_t count = 0, i;

    json_array_foreach(findings, i, finding) {
        if (count == room || !is(finding, "state", state) || !is(finding, "severity", severity))
            continue;
        put_finding(finding);
        count++;
    }
    return count;
}

/* What is open before all else, the worst first. */
static void put_sorted(const json_t *findings) {
    size_t count = 0;

    for (int state = NG_OPEN; state <= NG_EXCEPTED; state++)
        for (int severity = NG_CRITICAL; severity >= NG_INFO; severity--)
            count += put_those(findings, ng_finding_state_text((enum ng_finding_state)state),
                               ng_severity_text((enum ng_severity)severity), FINDINGS_MAX - count);
    if (json_array_size(findings) > count)
        printf("  and %zu more: --format json has all of them\n",
               json_array_size(findings) - count);
}

static void put_findings(const json_t *state) {
    const json_t *summary = json_object_get(state, "summary");

    if (!summary) /* of a daemon that does not tell yet */
        return;
    printf("findings: %" JSON_INTEGER_FORMAT " open, %" JSON_INTEGER_FORMAT
           " blocked, %" JSON_INTEGER_FORMAT " excepted\n",
           number_of(summary, "open"), number_of(summary, "blocked"),
           number_of(summary, "excepted"));
    put_sorted(json_object_get(state, "findings"));
    put_line("  not kept for the daemon after this: ", text_of(state, "findings_error"));
}

/* A severity that is not known here is as bad as any. */
static bool has_open(const json_t *state, enum ng_severity least) {
    const json_t *finding;
    size_t i;

    json_array_foreach(json_object_get(state, "findings"), i, finding) {
        const char *text = text_of(finding, "severity");
        enum ng_severity severity;

        if (is(finding, "state", ng_finding_state_text(NG_OPEN)) &&
            (!text || ng_severity_parse(text, &severity) < 0 || severity >= least))
            return true;
    }
    return false;
}

/* -- for people ---------------------------------------------------------------------- */

static const char *hold_words(const json_t *guard) {
    if (!is_true(guard, "installed"))
        return is(guard, "hold", "foreign") ? "a table of that name is somebody else's"
               : is(guard, "hold", "held")  ? "owned by another process"
                                            : "not installed";
    if (!is(guard, "hold", "own"))
        return "in force, owned by nobody: put back where others take it away";
    if (is_true(guard, "kept_by_systemd"))
        return "in force, owned: nobody else can change it, systemd keeps it while netguard is "
               "restarted";
    return "in force, owned: nobody else can change it as long as netguard runs";
}

/* The kernel refuses whatever file has a table in it that somebody owns. */
static void put_saving(const json_t *guard) {
    if (is(guard, "hold", "own"))
        puts("  to save the ruleset: nft list ruleset | sed " NG_SAVED_RULES_CUT
             "; with the guard in it, it could not be loaded");
}

static void put_guard(const json_t *guard) {
    const json_t *dropped, *limit;
    size_t i;

    printf("guard: %s\n", hold_words(guard));
    put_saving(guard);
    put_line("  fault: ", text_of(guard, "error"));
    json_array_foreach(json_object_get(guard, "dropped"), i, dropped) {
        fputs("  rule ", stdout);
        put_member(dropped, "rule");
        printf(": %" JSON_INTEGER_FORMAT " packets dropped\n", number_of(dropped, "packets"));
    }
    json_array_foreach(json_object_get(guard, "limits"), i, limit)
        put_line("  cannot: ", json_string_value(limit));
    put_line("  not told who knocks: ", text_of(guard, "knocks_error"));
}

static void put_policy(const json_t *policy) {
    const char *files = text_of(policy, "files"), *mode = text_of(policy, "mode");

    fputs("policy: ", stdout);
    put(files ? files : "built in");
    put_line(", mode ", mode ? mode : "?");
    put_line("  not reloaded: ", text_of(policy, "reload_error"));
}

static void put_engines(const json_t *engines) {
    const json_t *engine;
    size_t i;

    json_array_foreach(engines, i, engine) {
        const char *why = text_of(engine, "why");

        fputs("engine: ", stdout);
        put_member(engine, "endpoint");
        if (is_true(engine, "connected"))
            puts(", followed");
        else
            put_line(", away: ", why ? why : "not yet connected to");
    }
}

/* "label: source: what is said of it" for each. */
static void put_notes(const char *label, const json_t *notes, const char *key) {
    const json_t *note;
    size_t i;

    json_array_foreach(notes, i, note) {
        fputs(label, stdout);
        put_member(note, "source");
        fputs(": ", stdout);
        put_member(note, key);
        putchar('\n');
    }
}

static void put_seen(const json_t *state) {
    const json_t *refresh = json_object_get(state, "refresh");
    const char *time = text_of(refresh, "time");

    if (time) {
        printf("seen: %" JSON_INTEGER_FORMAT " exposures at ", number_of(state, "exposures"));
        put(time);
        printf(", in %" JSON_INTEGER_FORMAT " ms\n", number_of(refresh, "duration_ms"));
    }
    put_notes("not seen: ", json_object_get(state, "gaps"), "reason");
    put_notes("warning: ", json_object_get(state, "warnings"), "text");
}

/* "alerts: 12 sent, by journal, webhook", then what does not get out. */
static void put_alerts(const json_t *alerts) {
    const json_t *sinks = json_object_get(alerts, "sinks"), *sink, *count;
    json_int_t sent = 0;
    const char *kind;
    size_t i;

    if (!alerts)
        return;
    json_object_foreach(json_object_get(alerts, "sent_total"), kind, count) {
        sent += json_integer_value(count);
    }
    printf("alerts: %" JSON_INTEGER_FORMAT " sent", sent);
    json_array_foreach(sinks, i, sink) {
        fputs(i ? ", " : ", by ", stdout);
        put_member(sink, "name");
    }
    putchar('\n');
    json_array_foreach(sinks, i, sink) {
        const char *fault = text_of(sink, "fault");
        json_int_t waiting = number_of(sink, "waiting"), lost = number_of(sink, "lost");

        if (!fault && !waiting && !lost)
            continue;
        fputs("  ", stdout);
        put_member(sink, "name");
        printf(": %" JSON_INTEGER_FORMAT " waiting, %" JSON_INTEGER_FORMAT " lost", waiting, lost);
        put_line(fault ? ", " : "", fault ? fault : "");
    }
}

static void put_counters(const json_t *counters) {
    static const struct {
        const char *key, *words;
    } all[] = {
        {"refreshes", "refreshes"},          {"engine_events", "events of engines"},
        {"nft_changes", "changes of rules"}, {"link_changes", "of links and routes"},
        {"polls", "of listeners"},           {"overruns", "overruns"},
    };

    for (size_t i = 0; counters && i < ARRAY_SIZE(all); i++)
        printf("%s%s %" JSON_INTEGER_FORMAT "%s", i ? ", " : "counted: ", all[i].words,
               number_of(counters, all[i].key), i + 1 == ARRAY_SIZE(all) ? "\n" : "");
}

static void put_events(const json_t *events) {
    const json_t *event;
    size_t i;

    if (json_array_size(events))
        puts("last:");
    json_array_foreach(events, i, event) {
        fputs("  ", stdout);
        put_member(event, "time");
        fputs("  ", stdout);
        put_member(event, "kind");
        fputs(": ", stdout);
        put_member(event, "message");
        putchar('\n');
    }
}

static void put_daemon(const json_t *state) {
    const char *version = text_of(state, "version"), *started = text_of(state, "started");

    printf("daemon: runs as process %" JSON_INTEGER_FORMAT, number_of(state, "pid"));
    if (started) {
        fputs(" since ", stdout);
        put(started);
    }
    put_line(version ? ", version " : "", version ? version : "");
}

static void put_state(const json_t *state) {
    put_findings(state);
    put_daemon(state);
    put_policy(json_object_get(state, "policy"));
    put_guard(json_object_get(state, "guard"));
    put_engines(json_object_get(state, "engines"));
    put_seen(state);
    put_alerts(json_object_get(state, "alerts"));
    put_counters(json_object_get(state, "counters"));
    put_events(json_object_get(state, "events"));
}

/* -- the file ------------------------------------------------------------------------ */

/* Is the process the one that wrote this, or at least a netguard, and not this one? */
static bool is_alive(json_int_t pid) {
    char path[64], name[32];

    snprintf(path, sizeof(path), "/proc/%" JSON_INTEGER_FORMAT "/comm", pid);
    return pid != getpid() && ng_proc_read(AT_FDCWD, path, name, sizeof(name)) > 0 &&
           strncmp(name, "netguard", strlen("netguard")) == 0;
}

static enum ng_exit fail(struct ng_error *error) {
    ng_diagnose(error);
    return NG_EXIT_INCOMPLETE;
}

static int load(const char *path, json_t **ret_state, struct ng_error *error) {
    json_error_t wrong = {0};

    if (access(path, F_OK) < 0)
        return ng_error_set(error, -errno, "status", "no daemon runs: %s: %s", path,
                            strerror(errno));
    json_t *state = json_load_file(path, JSON_REJECT_DUPLICATES, &wrong);
    if (!state)
        return ng_error_set(error, -EBADMSG, "status", "cannot read %s: %s", path, wrong.text);
    if (!is(state, "schema", "netguard.status/1")) {
        json_decref(state);
        return ng_error_set(error, -EBADMSG, "status", "%s is not what a daemon writes", path);
    }
    *ret_state = state;
    return 0;
}

/* Of a daemon that runs. */
static enum ng_exit verdict(const json_t *state, enum ng_severity fail_on) {
    const json_t *guard = json_object_get(state, "guard"),
                 *policy = json_object_get(state, "policy");

    if (has_open(state, fail_on))
        return NG_EXIT_FINDINGS;
    if (json_is_false(json_object_get(state, "complete")) || text_of(guard, "error") ||
        text_of(policy, "reload_error"))
        return NG_EXIT_INCOMPLETE;
    return NG_EXIT_CLEAN;
}

enum ng_exit ng_command_status(const struct ng_options *options) {
    enum ng_exit status = NG_EXIT_INCOMPLETE;
    struct ng_error error = {0};
    json_t *state = NULL;
    char path[PATH_MAX];

    if (ng_state_path(path, sizeof(path), &error) < 0 || load(path, &state, &error) < 0)
        return fail(&error);
    json_int_t pid = number_of(state, "pid");
    bool alive = is_alive(pid);

    if (options->format == NG_FORMAT_JSON) {
        json_dumpf(state, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
        putchar('\n');
    } else if (alive) {
        put_state(state);
    }
    if (alive)
        status = options->alive ? NG_EXIT_CLEAN : verdict(state, options->fail_on);
    else
        ng_error_set(&error, -ESRCH, "status",
                     "no daemon runs: process %" JSON_INTEGER_FORMAT ", which wrote %s, is gone; "
                     "what it has installed stays in force",
                     pid, path);
    json_decref(state);
    return alive ? status : fail(&error);
}
