/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/command/command.h"
#include "agent/observe/observe.h"

static void close_file(FILE **file) {
    if (*file && *file != stdin)
        fclose(*file);
}

static void free_text(char **text) {
    free(*text);
}

static int cannot(const char *verb, const char *name, int error_number, struct ng_error *error) {
    return ng_error_set(error, -error_number, name, "cannot %s: %s", verb, strerror(error_number));
}

/* -- reading ------------------------------------------------------------------------- */

static int read_whole(FILE *in, const char *name, char **ret_bytes, size_t *ret_len,
                      struct ng_error *error) {
    _cleanup_(free_text) char *bytes = NULL;
    size_t len = 0, capacity = 0;

    while (!feof(in)) {
        if (len == capacity) {
            size_t larger = capacity ? capacity * 2 : (size_t)1 << 16;
            char *moved = realloc(bytes, larger);

            if (!moved)
                return ng_error_set(error, -ENOMEM, name, "out of memory after %zu bytes", len);
            bytes = moved;
            capacity = larger;
        }
        len += fread(bytes + len, 1, capacity - len, in);
        if (ferror(in))
            return cannot("read", name, errno, error);
        if (len > NG_SNAPSHOT_LIMIT_BYTES)
            return ng_error_set(error, -E2BIG, name, "is larger than %zu MiB, which no snapshot is",
                                NG_SNAPSHOT_LIMIT_BYTES >> 20);
    }
    *ret_bytes = TAKE_PTR(bytes);
    *ret_len = len;
    return 0;
}

int ng_snapshot_load(const char *path, struct ng_world **ret_world, struct ng_error *error) {
    bool from_stdin = strcmp(path, "-") == 0;
    const char *name = from_stdin ? "stdin" : path;
    _cleanup_(close_file) FILE *in = from_stdin ? stdin : fopen(path, "re");
    _cleanup_(free_text) char *bytes = NULL;
    size_t len = 0;

    if (!in)
        return cannot("open", name, errno, error);
    int r = read_whole(in, name, &bytes, &len, error);
    if (r < 0)
        return r;
    if (len == 0)
        return ng_error_set(error, -EINVAL, name,
                            "is empty; expected what netguard snapshot writes");
    r = ng_snapshot_read(bytes, len, ret_world, error);
    if (r < 0) /* the reader knows the place, but not the file */
        snprintf(error->source, sizeof(error->source), "%s", name);
    return r;
}

/* -- writing ------------------------------------------------------------------------- */

static int write_to(FILE *out, const char *name, const struct ng_world *world,
                    struct ng_error *error) {
    int r = ng_snapshot_write(world, out, error);

    if (r < 0)
        return r;
    if (fflush(out) != 0 || fsync(fileno(out)) < 0)
        return cannot("write", name, errno, error);
    return 0;
}

/* Renaming over a device or a pipe would replace it by a file. */
static int check_target(const char *path, struct ng_error *error) {
    struct stat status;

    if (lstat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return ng_error_set(
            error, -EINVAL, path,
            "is there and not a regular file; leave out --output and use > instead");
    return 0;
}

/* Under another name first, so that whoever reads `path` meets the old snapshot or the whole
 * new one. mkostemp makes it with mode 0600: a snapshot tells an attacker much. */
static int write_file(const char *path, const struct ng_world *world, struct ng_error *error) {
    _cleanup_(free_text) char *temporary = NULL;
    _cleanup_(close_file) FILE *out = NULL;

    int r = check_target(path, error);
    if (r < 0)
        return r;
    if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
        temporary = NULL;
        return ng_error_set(error, -ENOMEM, path, "out of memory");
    }
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return cannot("create a file beside it", path, errno, error);
    out = fdopen(fd, "w");
    if (!out) {
        close(fd);
        r = cannot("write", temporary, errno, error);
    } else {
        r = write_to(out, temporary, world, error);
    }
    if (r == 0 && rename(temporary, path) < 0)
        r = cannot("rename the new snapshot to this name", path, errno, error);
    if (r < 0)
        unlink(temporary);
    return r;
}

enum ng_exit ng_command_snapshot(const struct ng_options *options) {
    _cleanup_(ng_world_freep) struct ng_world *world = NULL;
    struct ng_observe_options where = {
        .endpoints = options->docker, .n_endpoints = options->n_docker, .capabilities = true};
    struct ng_error error = {0};

    int r = ng_observe(&where, &world, &error);
    if (r == 0 && options->output)
        r = write_file(options->output, world, &error);
    else if (r == 0)
        r = ng_snapshot_write(world, stdout, &error);
    if (r < 0) {
        ng_diagnose(&error);
        return NG_EXIT_INCOMPLETE;
    }
    ng_diagnose_gaps(world->gaps, world->n_gaps);
    return world->n_gaps ? NG_EXIT_INCOMPLETE : NG_EXIT_CLEAN;
}
