/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/policy_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_MAX_BYTES = 1024 * 1024,
    NAMES_SHOWN = 4,
};

/* What is being put together. */
struct reading {
    struct ng_arena *arena;
    struct ng_policy_text *texts;
    size_t count, capacity;
    struct ng_error *error;
};

static void close_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
}

static void close_directory(DIR **directory) {
    if (*directory)
        closedir(*directory);
}

static int out_of_memory(struct reading *reading) {
    return ng_error_set(reading->error, -ENOMEM, "policy", "out of memory");
}

static int cannot(struct reading *reading, const char *verb, const char *name, int error_number) {
    return ng_error_set(reading->error, -error_number, name, "cannot %s: %s", verb,
                        strerror(error_number));
}

/* `status` is that of the opened file, so that nobody can exchange it afterwards. Whoever may
 * change an access control list shows up in the group bits as well. */
static int check_owner(struct reading *reading, const char *name, const struct stat *status) {
    if (status->st_uid != 0 && status->st_uid != geteuid())
        return ng_error_set(reading->error, -EPERM, name,
                            "belongs to uid %u, who could write any policy; make it root's "
                            "with chown root",
                            (unsigned)status->st_uid);
    if (status->st_mode & (S_IWGRP | S_IWOTH))
        return ng_error_set(reading->error, -EPERM, name,
                            "can be written by others than its owner (mode %04o); take that "
                            "away with chmod go-w",
                            (unsigned)(status->st_mode & 07777));
    return 0;
}

static const char *kind_of(mode_t mode) {
    return S_ISDIR(mode)                    ? "a directory"
           : S_ISFIFO(mode)                 ? "a FIFO"
           : S_ISSOCK(mode)                 ? "a socket"
           : S_ISCHR(mode) || S_ISBLK(mode) ? "a device"
                                            : "something else";
}

static int check_file(struct reading *reading, const char *name, int fd) {
    struct stat status;

    if (fstat(fd, &status) < 0)
        return cannot(reading, "read", name, errno);
    if (!S_ISREG(status.st_mode))
        return ng_error_set(reading->error, -EINVAL, name, "is %s and not a regular file",
                            kind_of(status.st_mode));
    return check_owner(reading, name, &status);
}

/* Whose link it is says where it leads, now and a moment later. */
static int check_link(struct reading *reading, int at, const char *path, const char *name) {
    struct stat status;

    if (fstatat(at, path, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return cannot(reading, "read", name, errno);
    if (S_ISLNK(status.st_mode) && status.st_uid != 0 && status.st_uid != geteuid())
        return ng_error_set(reading->error, -EPERM, name,
                            "is a link of uid %u, who could lead it anywhere; make it root's "
                            "with chown -h root",
                            (unsigned)status.st_uid);
    return 0;
}

/* Reads to the end rather than what fstat promised: a file may grow meanwhile. */
static int read_text(struct reading *reading, const char *name, int fd,
                     struct ng_policy_text *ret_text) {
    char *bytes = NULL;
    size_t len = 0, capacity = 0;

    for (;;) {
        if (len == capacity) {
            char *larger = ng_arena_alloc(reading->arena, capacity ? capacity * 4 : 16384, 1);

            if (!larger)
                return out_of_memory(reading);
            if (len)
                memcpy(larger, bytes, len);
            bytes = larger;
            capacity = capacity ? capacity * 4 : 16384;
        }
        ssize_t n = read(fd, bytes + len, capacity - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cannot(reading, "read", name, errno);
        if (n == 0)
            break;
        len += (size_t)n;
        if (len > FILE_MAX_BYTES)
            return ng_error_set(reading->error, -EFBIG, name,
                                "is larger than 1 MiB, which no policy is");
    }
    *ret_text = (struct ng_policy_text){.name = name, .bytes = bytes, .len_bytes = len};
    return 0;
}

/* `path` is relative to the directory `at`, `name` is what messages call it. -ENOENT leaves
 * the error empty: only the caller knows whether the file has to be there. */
static int read_file(struct reading *reading, int at, const char *path, const char *name) {
    /* O_NONBLOCK: a FIFO in the place of the file must not hang us. */
    _cleanup_(close_fd) int fd = openat(at, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct ng_policy_text text;

    if (fd < 0 && errno == ENOENT)
        return -ENOENT;
    if (fd < 0)
        return cannot(reading, "open", name, errno);
    const char *kept_name = ng_arena_strdup(reading->arena, name);
    if (!kept_name)
        return out_of_memory(reading);
    int r = check_link(reading, at, path, name);
    if (r < 0)
        return r;
    r = check_file(reading, name, fd);
    if (r < 0)
        return r;
    r = read_text(reading, kept_name, fd, &text);
    if (r < 0)
        return r;
    struct ng_policy_text *added =
        NG_ARENA_APPEND(reading->arena, reading->texts, reading->count, reading->capacity);
    if (!added)
        return out_of_memory(reading);
    *added = text;
    return 0;
}

/* -- the default places -------------------------------------------------------------- */

/* -ENOENT (error left empty) when it is not there. Whoever can write the directory can put
 * another file in the place of ours. */
static int open_directory(struct reading *reading, int at, const char *path, const char *name,
                          int *ret_fd) {
    _cleanup_(close_fd) int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat status;

    if (fd < 0 && errno == ENOENT)
        return -ENOENT;
    if (fd < 0)
        return cannot(reading, "open", name, errno);
    if (fstat(fd, &status) < 0)
        return cannot(reading, "read", name, errno);
    int r = check_owner(reading, name, &status);
    if (r < 0)
        return r;
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* What an editor leaves behind (.x.yaml.swp, x.yaml~) is no policy. */
static bool is_policy_name(const char *name) {
    size_t len = strlen(name);

    return name[0] != '.' && len > strlen(".yaml") &&
           strcmp(name + len - strlen(".yaml"), ".yaml") == 0;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list_names(struct reading *reading, DIR *directory, const char *name,
                      const char ***ret_names, size_t *ret_count) {
    const char **names = NULL;
    size_t count = 0, capacity = 0;
    struct dirent *entry;

    while (errno = 0, (entry = readdir(directory))) {
        if (!is_policy_name(entry->d_name))
            continue;
        const char *copy = ng_arena_strdup(reading->arena, entry->d_name);
        const char **added = NG_ARENA_APPEND(reading->arena, names, count, capacity);
        if (!copy || !added)
            return out_of_memory(reading);
        *added = copy;
    }
    if (errno)
        return cannot(reading, "read", name, errno);
    if (count)
        qsort(names, count, sizeof(*names), compare_names);
    *ret_names = names;
    *ret_count = count;
    return 0;
}

static int read_drop_ins(struct reading *reading, int at, const char *parent) {
    const char *name = ng_arena_printf(reading->arena, "%s/policy.d", parent);
    const char **names = NULL;
    size_t count = 0;

    if (!name)
        return out_of_memory(reading);
    _cleanup_(close_fd) int fd = -1;
    int r = open_directory(reading, at, "policy.d", name, &fd);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    _cleanup_(close_directory) DIR *directory = fdopendir(fd);
    if (!directory)
        return cannot(reading, "read", name, errno);
    fd = -1; /* the stream's now */
    r = list_names(reading, directory, name, &names, &count);
    for (size_t i = 0; r == 0 && i < count; i++) {
        const char *path = ng_arena_printf(reading->arena, "%s/%s", name, names[i]);

        if (!path)
            return out_of_memory(reading);
        r = read_file(reading, dirfd(directory), names[i], path);
        if (r == -ENOENT) /* a dangling link, or gone since: not as the operator meant it */
            return cannot(reading, "open", path, ENOENT);
    }
    return r;
}

static int read_default(struct reading *reading, const char *directory) {
    _cleanup_(close_fd) int fd = -1;
    const char *name = ng_arena_printf(reading->arena, "%s/policy.yaml", directory);

    if (!name)
        return out_of_memory(reading);
    int r = open_directory(reading, AT_FDCWD, directory, directory, &fd);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = read_file(reading, fd, "policy.yaml", name);
    if (r == -ENOENT && faccessat(fd, "policy.yaml", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return cannot(reading, "follow the link", name, ENOENT);
    if (r < 0 && r != -ENOENT)
        return r;
    return read_drop_ins(reading, fd, directory);
}

/* -- the whole ----------------------------------------------------------------------- */

static int summarize(struct reading *reading, const char **ret_summary) {
    size_t more = reading->count > NAMES_SHOWN ? reading->count - NAMES_SHOWN : 0;
    const char *summary = reading->count ? reading->texts[0].name : NULL;

    for (size_t i = 1; summary && i < reading->count - more; i++)
        summary = ng_arena_printf(reading->arena, "%s, %s", summary, reading->texts[i].name);
    if (summary && more)
        summary = ng_arena_printf(reading->arena, "%s and %zu more", summary, more);
    if (reading->count && !summary)
        return out_of_memory(reading);
    *ret_summary = summary;
    return 0;
}

int ng_policy_files_read(const char *file, const char *directory,
                         struct ng_policy_files **ret_files, struct ng_error *error) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct reading reading = {.arena = arena, .error = error};
    const char *summary = NULL;
    int r;

    if (!arena)
        return out_of_memory(&reading);
    if (file) {
        r = read_file(&reading, AT_FDCWD, file, file);
        if (r == -ENOENT)
            r = cannot(&reading, "open", file, ENOENT);
    } else {
        r = read_default(&reading, directory);
    }
    if (r < 0)
        return r;
    r = summarize(&reading, &summary);
    if (r < 0)
        return r;
    struct ng_policy_files *files = ng_arena_alloc(arena, 1, sizeof(*files));
    if (!files)
        return out_of_memory(&reading);
    *files = (struct ng_policy_files){
        .arena = TAKE_PTR(arena),
        .texts = reading.texts,
        .count = reading.count,
        .summary = summary,
    };
    *ret_files = files;
    return 0;
}

void ng_policy_files_free(struct ng_policy_files *files) {
    if (files)
        ng_arena_free(files->arena);
}

void ng_policy_files_freep(struct ng_policy_files **files) {
    ng_policy_files_free(*files);
    *files = NULL;
}
