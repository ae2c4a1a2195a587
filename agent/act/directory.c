/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *variable, *usual;
    mode_t mode;
} directories[] = {
    [NG_DIRECTORY_RUNTIME] = {"RUNTIME_DIRECTORY", "/run/netguard", 0755},
    [NG_DIRECTORY_STATE] = {"STATE_DIRECTORY", "/var/lib/netguard", 0700},
};

static const char *named_by_systemd(enum ng_directory directory) {
    const char *named = getenv(directories[directory].variable);
    return named && *named ? named : NULL;
}

int ng_directory_path(enum ng_directory directory, const char *name, char *buffer, size_t size,
                      struct ng_error *error) {
    const char *path = named_by_systemd(directory);
    if (!path)
        path = directories[directory].usual;
    int len = (int)strcspn(path, ":"); /* a list, when a unit names several */
    if (snprintf(buffer, size, "%.*s/%s", len, path, name) >= (int)size)
        return ng_error_set(error, -ENAMETOOLONG, name, "$%s is too long",
                            directories[directory].variable);
    return 0;
}

void ng_directory_make(enum ng_directory directory) {
    if (!named_by_systemd(directory))
        (void)mkdir(directories[directory].usual, directories[directory].mode);
}

/* -- files ----------------------------------------------------------------------------- */

static int sync_directory(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 || fsync(fd) < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return r;
}

/* By a name that nobody else has: where others may write as well, what stands there is not ours. */
static int write_fresh(const char *fresh, const struct ng_file *file) {
    (void)unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file->mode);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!out) {
        int r = -errno;
        if (fd >= 0)
            close(fd);
        return r;
    }
    errno = 0;
    file->put(out, file->data);
    bool failed = fflush(out) != 0 || ferror(out);
    if (!failed && file->lasting)
        failed = fsync(fd) < 0;
    int r = !failed ? 0 : errno ? -errno : -EIO;
    if (fclose(out) != 0 && r == 0)
        r = errno ? -errno : -EIO;
    return r;
}

int ng_file_replace(const struct ng_file *file) {
    const char *slash = strrchr(file->path, '/');
    const char *name = slash ? slash + 1 : file->path;
    char directory[PATH_MAX], fresh[PATH_MAX];
    if (snprintf(directory, sizeof(directory), "%.*s", (int)(name - file->path), file->path) >=
            (int)sizeof(directory) ||
        snprintf(fresh, sizeof(fresh), "%s.%s.new", directory, name) >= (int)sizeof(fresh))
        return -ENAMETOOLONG;
    int r = write_fresh(fresh, file);
    if (r == 0 && rename(fresh, file->path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(fresh);
    else if (file->lasting)
        r = sync_directory(*directory ? directory : ".");
    return r;
}
