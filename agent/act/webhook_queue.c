/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/webhook_queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NEW_NAME ".new"

enum {
    DIGITS = 20, /* of 2^64 - 1: names sort like numbers */
    NAME_BYTES = 64,
};

static const char *const suffixes[] = {
    [NG_WEBHOOK_JSON] = "json",
    [NG_WEBHOOK_ALERTMANAGER] = "alertmanager",
    [NG_WEBHOOK_SLACK] = "slack",
};

static const char *name_of(const struct ng_webhook_queue *queue, uint64_t number,
                           char name[static NAME_BYTES]) {
    snprintf(name, NAME_BYTES, "%0*" PRIu64 ".%s", DIGITS, number, queue->suffix);
    return name;
}

static void failed(struct ng_webhook_queue *queue, int code) {
    snprintf(queue->fault, sizeof(queue->fault), "cannot use %.80s: %s", queue->directory,
             strerror(-code));
}

/* -- the list ------------------------------------------------------------------------------ */

static void delete_file(struct ng_webhook_queue *queue, uint64_t number) {
    char name[NAME_BYTES];
    if (unlinkat(queue->directory_fd, name_of(queue, number, name), 0) < 0 && errno != ENOENT)
        failed(queue, -errno);
}

static void remove_at(struct ng_webhook_queue *queue, size_t i) {
    struct ng_webhook_entry *entry = &queue->entries[i];
    if (!entry->body)
        delete_file(queue, entry->number);
    free(entry->body);
    queue->count--;
    memmove(entry, entry + 1, (queue->count - i) * sizeof(*entry));
}

void ng_webhook_queue_remove(struct ng_webhook_queue *queue, uint64_t number) {
    for (size_t i = 0; i < queue->count; i++)
        if (queue->entries[i].number == number) {
            remove_at(queue, i);
            return;
        }
}

static void make_room(struct ng_webhook_queue *queue) {
    if (queue->count < NG_WEBHOOK_ROOM)
        return;
    remove_at(queue, queue->entries[0].number == queue->held ? 1 : 0);
    queue->lost++;
}

static void insert(struct ng_webhook_queue *queue, struct ng_webhook_entry entry) {
    make_room(queue);
    size_t i = queue->count++;
    for (; i > 0 && queue->entries[i - 1].number > entry.number; i--)
        queue->entries[i] = queue->entries[i - 1];
    queue->entries[i] = entry;
    if (entry.number > queue->last)
        queue->last = entry.number;
}

/* The time in microseconds, if no clock was set back: what comes after a restart comes after what
 * is on the disk, even while that cannot be read. */
void ng_webhook_queue_append(struct ng_webhook_queue *queue, char *body) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    insert(queue, (struct ng_webhook_entry){
                      .number = now_us > queue->last ? now_us : queue->last + 1, .body = body});
}

/* -- the directory ------------------------------------------------------------------------- */

static bool is_body(const struct stat *file) {
    return S_ISREG(file->st_mode) && file->st_size > 0 && file->st_size <= NG_WEBHOOK_BODY_BYTES;
}

static bool of_another_format(const char *suffix) {
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
        if (strcmp(suffix, suffixes[i]) == 0)
            return true;
    return false;
}

/* Made for a receiver of another kind: nobody is left who would understand it. */
static void drop_old(struct ng_webhook_queue *queue, const char *name) {
    if (unlinkat(queue->directory_fd, name, 0) == 0)
        queue->lost++;
}

static void take_file(struct ng_webhook_queue *queue, const char *name) {
    struct stat file;
    char *end;
    if (strspn(name, "0123456789") != DIGITS || name[DIGITS] != '.' ||
        fstatat(queue->directory_fd, name, &file, AT_SYMLINK_NOFOLLOW) < 0 || !is_body(&file))
        return;
    errno = 0;
    const uint64_t number = strtoull(name, &end, 10);
    if (errno || number == 0 || number == UINT64_MAX)
        return;
    if (strcmp(end + 1, queue->suffix) == 0)
        insert(queue, (struct ng_webhook_entry){.number = number});
    else if (of_another_format(end + 1))
        drop_old(queue, name);
}

static int read_directory(struct ng_webhook_queue *queue) {
    int fd = fcntl(queue->directory_fd, F_DUPFD_CLOEXEC, 0);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *file;
    if (!directory) {
        int r = -errno;
        if (fd >= 0)
            close(fd);
        return r;
    }
    while ((file = readdir(directory)))
        take_file(queue, file->d_name);
    closedir(directory);
    return 0;
}

/* Of two that had it at once both would post what is in it. */
static int own_directory(struct ng_webhook_queue *queue) {
    if (flock(queue->directory_fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    return read_directory(queue);
}

/* Once it can be had, which may be later than at the start. */
static int open_directory(struct ng_webhook_queue *queue) {
    if (queue->directory_fd >= 0)
        return 0;
    if (mkdir(queue->directory, 0700) < 0 && errno != EEXIST)
        return -errno;
    queue->directory_fd = open(queue->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (queue->directory_fd < 0)
        return -errno;
    int r = own_directory(queue);
    if (r < 0) {
        close(queue->directory_fd);
        queue->directory_fd = -1;
    }
    return r;
}

void ng_webhook_queue_open(struct ng_webhook_queue *queue, const char *directory,
                           enum ng_webhook_format format) {
    *queue = (struct ng_webhook_queue){
        .directory = directory,
        .suffix = suffixes[format],
        .directory_fd = -1,
    };
    int r = directory ? open_directory(queue) : 0;
    if (r < 0)
        failed(queue, r);
}

void ng_webhook_queue_close(struct ng_webhook_queue *queue) {
    for (size_t i = 0; i < queue->count; i++)
        free(queue->entries[i].body);
    queue->count = 0;
    if (queue->directory_fd >= 0)
        close(queue->directory_fd);
    queue->directory_fd = -1;
}

/* -- files --------------------------------------------------------------------------------- */

static int write_whole(int fd, const char *bytes, size_t len) {
    while (len) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes += n;
        len -= (size_t)n;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

static int write_file(struct ng_webhook_queue *queue, struct ng_webhook_entry *entry) {
    char name[NAME_BYTES];
    int fd = openat(queue->directory_fd, NEW_NAME,
                    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int r = write_whole(fd, entry->body, strlen(entry->body));
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && renameat(queue->directory_fd, NEW_NAME, queue->directory_fd,
                           name_of(queue, entry->number, name)) < 0)
        r = -errno;
    if (r < 0)
        (void)unlinkat(queue->directory_fd, NEW_NAME, 0);
    return r;
}

void ng_webhook_queue_store(struct ng_webhook_queue *queue) {
    if (!queue->directory)
        return;
    const bool anew = queue->directory_fd < 0;
    int r = open_directory(queue);
    bool written = false;
    for (size_t i = 0; r == 0 && i < queue->count; i++) {
        struct ng_webhook_entry *entry = &queue->entries[i];
        if (!entry->body)
            continue;
        r = write_file(queue, entry);
        if (r < 0)
            break;
        free(TAKE_PTR(entry->body));
        written = true;
    }
    if (written && fsync(queue->directory_fd) < 0)
        r = -errno;
    if (r < 0)
        failed(queue, r);
    else if (written || anew)
        queue->fault[0] = '\0';
}

static int read_body(int fd, char **ret_body) {
    struct stat file;
    size_t len = 0;
    if (fstat(fd, &file) < 0)
        return -errno;
    if (!is_body(&file))
        return -EBADMSG;
    char *body = calloc(1, (size_t)file.st_size + 1);
    if (!body)
        return -ENOMEM;
    while (len < (size_t)file.st_size) {
        ssize_t n = read(fd, body + len, (size_t)file.st_size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int r = n < 0 ? -errno : -EBADMSG;
            free(body);
            return r;
        }
        len += (size_t)n;
    }
    *ret_body = body;
    return 0;
}

int ng_webhook_queue_load(struct ng_webhook_queue *queue, char **ret_body) {
    const struct ng_webhook_entry *entry = queue->entries;
    char name[NAME_BYTES];
    if (queue->count == 0)
        return -EAGAIN;
    if (entry->body) {
        char *body = strdup(entry->body);
        if (!body)
            return -ENOMEM;
        *ret_body = body;
        return 0;
    }
    int fd = openat(queue->directory_fd, name_of(queue, entry->number, name),
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ELOOP ? -EBADMSG : -errno;
    int r = read_body(fd, ret_body);
    close(fd);
    return r;
}
