/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/print/json_writer.h"

#define SOURCE    "status"
#define DIRECTORY "/run/netguard"
#define NAME      "status.json"

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

static void put_policy(struct ng_json *json, const struct ng_state *state) {
    ng_json_key(json, "policy");
    ng_json_open(json, '{');
    put_text(json, "files", state->policy);
    put_text(json, "mode", state->mode == NG_ENFORCE ? "enforce" : "monitor");
    put_text(json, "reload_error", state->policy_error);
    ng_json_close(json, '}');
}

/* The chains that drop are those of rules, rule_<id>. */
static void put_dropped(struct ng_json *json, const struct ng_guard_installed *installed) {
    static const char prefix[] = "rule_";
    ng_json_open(json, '[');
    for (size_t i = 0; installed && i < installed->n_counts; i++) {
        const struct ng_guard_count *count = &installed->counts[i];
        if (strncmp(count->chain, prefix, strlen(prefix)) != 0)
            continue;
        ng_json_open(json, '{');
        put_text(json, "rule", count->chain + strlen(prefix));
        put_number(json, "packets", count->packets);
        put_number(json, "bytes", count->bytes);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

static void put_guard(struct ng_json *json, const struct ng_state *state) {
    const struct ng_guard_installed *installed = state->installed;
    enum ng_guard_hold hold = installed ? installed->hold : NG_GUARD_ABSENT;
    ng_json_key(json, "guard");
    ng_json_open(json, '{');
    put_bool(json, "installed", hold == NG_GUARD_OWN || hold == NG_GUARD_FREE);
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
    ng_json_key(json, "time");
    ng_json_time(json, state->refresh_s);
    put_number(json, "duration_ms", state->refresh_ms);
    ng_json_close(json, '}');
}

static void put(FILE *out, const struct ng_state *state) {
    struct ng_json json = {.out = out};
    ng_json_open(&json, '{');
    put_text(&json, "schema", "netguard.status/1");
    put_number(&json, "pid", (uint64_t)state->pid);
    ng_json_key(&json, "time");
    ng_json_time(&json, state->time_s);
    put_policy(&json, state);
    put_guard(&json, state);
    put_engines(&json, state);
    put_refresh(&json, state);
    ng_json_key(&json, "gaps");
    ng_json_gaps(&json, state->gaps, state->n_gaps);
    ng_json_key(&json, "warnings");
    ng_json_warnings(&json, state->warnings, state->n_warnings);
    ng_json_close(&json, '}');
    putc('\n', out);
}

/* -- the file -------------------------------------------------------------------------- */

/* $RUNTIME_DIRECTORY is a list when a unit names several. */
static int path_in_directory(const char *name, char *buffer, size_t size, struct ng_error *error) {
    const char *directory = getenv("RUNTIME_DIRECTORY");
    if (!directory || !*directory)
        directory = DIRECTORY;
    int len = (int)strcspn(directory, ":");
    if (snprintf(buffer, size, "%.*s/%s", len, directory, name) >= (int)size)
        return ng_error_set(error, -ENAMETOOLONG, SOURCE, "$RUNTIME_DIRECTORY is too long");
    return 0;
}

int ng_state_path(char *buffer, size_t size, struct ng_error *error) {
    return path_in_directory(NAME, buffer, size, error);
}

static int fail(const char *path, int code, struct ng_error *error) {
    return ng_error_set(error, code, SOURCE, "cannot write %s: %s", path, strerror(-code));
}

static int write_file(const char *path, const struct ng_state *state) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!out) {
        int r = -errno;
        if (fd >= 0)
            close(fd);
        return r;
    }
    put(out, state);
    errno = 0;
    bool failed = ferror(out);
    failed = fclose(out) != 0 || failed;
    return !failed ? 0 : errno ? -errno : -EIO;
}

int ng_state_write(const struct ng_state *state, struct ng_error *error) {
    char path[PATH_MAX], fresh[PATH_MAX];
    int r = path_in_directory(NAME, path, sizeof(path), error);
    if (r == 0)
        r = path_in_directory("." NAME ".new", fresh, sizeof(fresh), error);
    if (r < 0)
        return r;
    if (!getenv("RUNTIME_DIRECTORY"))
        (void)mkdir(DIRECTORY, 0755);
    r = write_file(fresh, state);
    if (r == 0 && rename(fresh, path) < 0)
        r = -errno;
    return r < 0 ? fail(path, r, error) : 0;
}
