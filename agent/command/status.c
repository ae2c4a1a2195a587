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

static const char *text_of(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static bool is_true(const json_t *object, const char *key) {
    return json_is_true(json_object_get(object, key));
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

/* "before text after\n"; nothing where there is no text. */
static void put_line(const char *before, const char *text, const char *after) {
    if (!text)
        return;
    fputs(before, stdout);
    put(text);
    puts(after);
}

/* -- for people ---------------------------------------------------------------------- */

static const char *hold_words(const json_t *guard) {
    const char *hold = text_of(guard, "hold");

    if (!is_true(guard, "installed"))
        return hold && strcmp(hold, "foreign") == 0 ? "a table of that name is somebody else's"
               : hold && strcmp(hold, "held") == 0  ? "owned by another process"
                                                    : "not installed";
    if (!hold || strcmp(hold, "own") != 0)
        return "in force, owned by nobody: put back where others take it away";
    if (is_true(guard, "kept_by_systemd"))
        return "in force, owned: nobody else can change it, systemd keeps it while netguard is "
               "restarted";
    return "in force, owned: nobody else can change it as long as netguard runs";
}

/* The kernel refuses whatever file has a table in it that somebody owns. */
static void put_saving(const json_t *guard) {
    const char *hold = text_of(guard, "hold");

    if (hold && strcmp(hold, "own") == 0)
        puts("  to save the ruleset: nft list ruleset | sed " NG_SAVED_RULES_CUT
             "; with the guard in it, it could not be loaded");
}

static void put_guard(const json_t *guard) {
    const json_t *dropped, *limit;
    size_t i;

    printf("guard: %s\n", hold_words(guard));
    put_saving(guard);
    put_line("  fault: ", text_of(guard, "error"), "");
    json_array_foreach(json_object_get(guard, "dropped"), i, dropped) {
        json_int_t packets = json_integer_value(json_object_get(dropped, "packets"));

        fputs("  rule ", stdout);
        put(text_of(dropped, "rule") ? text_of(dropped, "rule") : "?");
        printf(": %" JSON_INTEGER_FORMAT " packets dropped\n", packets);
    }
    json_array_foreach(json_object_get(guard, "limits"), i, limit)
        put_line("  cannot: ", json_string_value(limit), "");
    put_line("  not told who knocks: ", text_of(guard, "knocks_error"), "");
}

static void put_policy(const json_t *policy) {
    const char *files = text_of(policy, "files"), *mode = text_of(policy, "mode");

    fputs("policy: ", stdout);
    put(files ? files : "built in");
    put_line(", mode ", mode ? mode : "?", "");
    put_line("  not reloaded: ", text_of(policy, "reload_error"), "");
}

static void put_engines(const json_t *engines) {
    const json_t *engine;
    size_t i;

    json_array_foreach(engines, i, engine) {
        const char *endpoint = text_of(engine, "endpoint"), *why = text_of(engine, "why");

        fputs("engine: ", stdout);
        put(endpoint ? endpoint : "?");
        if (is_true(engine, "connected"))
            puts(", followed");
        else
            put_line(", away: ", why ? why : "not yet connected to", "");
    }
}

/* "label: source: what is said of it" for each. */
static void put_notes(const char *label, const json_t *notes, const char *key) {
    const json_t *note;
    size_t i;

    json_array_foreach(notes, i, note) {
        const char *source = text_of(note, "source"), *text = text_of(note, key);

        fputs(label, stdout);
        put(source ? source : "?");
        put_line(": ", text ? text : "?", "");
    }
}

static void put_rest(const json_t *state) {
    const json_t *refresh = json_object_get(state, "refresh");
    const char *time = text_of(refresh, "time");

    if (time) {
        fputs("seen: ", stdout);
        put(time);
        printf(", in %" JSON_INTEGER_FORMAT " ms\n",
               json_integer_value(json_object_get(refresh, "duration_ms")));
    }
    put_notes("not seen: ", json_object_get(state, "gaps"), "reason");
    put_notes("warning: ", json_object_get(state, "warnings"), "text");
}

/* -- the file ------------------------------------------------------------------------ */

/* Is the process the one that wrote this, or at least a netguard? */
static bool is_alive(json_int_t pid) {
    char path[64], name[32];

    snprintf(path, sizeof(path), "/proc/%" JSON_INTEGER_FORMAT "/comm", pid);
    return ng_proc_read(AT_FDCWD, path, name, sizeof(name)) > 0 &&
           strncmp(name, "netguard", strlen("netguard")) == 0;
}

static enum ng_exit fail(struct ng_error *error) {
    ng_diagnose(error);
    return NG_EXIT_INCOMPLETE;
}

enum ng_exit ng_command_status(const struct ng_options *options) {
    struct ng_error error = {0};
    json_error_t wrong;
    char path[PATH_MAX];
    json_t *state;

    if (ng_state_path(path, sizeof(path), &error) < 0)
        return fail(&error);
    if (access(path, F_OK) < 0) {
        ng_error_set(&error, -errno, "status", "no daemon runs: %s: %s", path, strerror(errno));
        return fail(&error);
    }
    state = json_load_file(path, JSON_REJECT_DUPLICATES, &wrong);
    if (!state) {
        ng_error_set(&error, -EBADMSG, "status", "cannot read %s: %s", path, wrong.text);
        return fail(&error);
    }
    json_int_t pid = json_integer_value(json_object_get(state, "pid"));
    bool alive = is_alive(pid);

    if (options->format == NG_FORMAT_JSON) {
        json_dumpf(state, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
        putchar('\n');
    } else if (alive) {
        printf("daemon: runs as process %" JSON_INTEGER_FORMAT "\n", pid);
        put_policy(json_object_get(state, "policy"));
        put_guard(json_object_get(state, "guard"));
        put_engines(json_object_get(state, "engines"));
        put_rest(state);
    }
    json_decref(state);
    if (alive)
        return NG_EXIT_CLEAN;
    ng_error_set(&error, -ESRCH, "status",
                 "no daemon runs: process %" JSON_INTEGER_FORMAT
                 ", which wrote %s, is gone; what it "
                 "has installed stays in force",
                 pid, path);
    return fail(&error);
}
