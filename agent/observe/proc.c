/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

int ng_proc_read(int dir_fd, const char *path, char *buffer, size_t size) {
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t len = 0;
    int r = 0;

    if (fd < 0)
        return -errno;
    while (len + 1 < size) {
        ssize_t n = read(fd, buffer + len, size - 1 - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            r = -errno;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    close(fd);
    if (r < 0)
        return r;
    buffer[len] = '\0';
    return (int)len;
}

bool ng_proc_is_same(const struct stat *a, const struct stat *b) {
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* The length of the UTF-8 character at `s` (RFC 3629), 0 when there is none. */
static size_t character_len(const unsigned char *s, size_t left) {
    unsigned char lowest = 0x80, highest = 0xbf;
    size_t len;

    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (s[0] == 0xe0)
        lowest = 0xa0; /* shorter forms exist */
    else if (s[0] == 0xed)
        highest = 0x9f; /* surrogates */
    else if (s[0] == 0xf0)
        lowest = 0x90;
    else if (s[0] == 0xf4)
        highest = 0x8f; /* beyond U+10FFFF */
    if (left < len || s[1] < lowest || s[1] > highest)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    return len;
}

char *ng_proc_utf8(struct ng_arena *arena, const char *bytes, size_t len_bytes) {
    static const char replacement[] = "\xef\xbf\xbd";
    const unsigned char *s = (const unsigned char *)bytes;
    size_t len = strnlen(bytes, len_bytes), out = 0;
    char *text = ng_arena_alloc(arena, len + 1, 3);

    if (!text)
        return NULL;
    for (size_t i = 0; i < len;) {
        size_t n = character_len(s + i, len - i);

        if (n > 0) {
            memcpy(text + out, bytes + i, n);
            out += n;
            i += n;
        } else {
            memcpy(text + out, replacement, 3);
            out += 3;
            i++;
        }
    }
    return text;
}

/* Is there a line that starts with `prefix`, or one that ends with `suffix`? */
static int file_has_line(const char *path, const char *prefix, const char *suffix) {
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t capacity = 0;
    ssize_t len;
    int found = 0;

    if (!file)
        return -errno;
    while (!found && (len = getline(&line, &capacity, file)) > 0) {
        if (line[len - 1] == '\n')
            line[--len] = '\0';
        if (prefix)
            found = strncmp(line, prefix, strlen(prefix)) == 0;
        else
            found =
                (size_t)len >= strlen(suffix) && strcmp(line + len - strlen(suffix), suffix) == 0;
    }
    free(line);
    fclose(file);
    return found;
}

bool ng_proc_lacks_module(const char *name) {
    char pattern[80], path[256];
    struct utsname uts;

    snprintf(pattern, sizeof(pattern), "%s ", name);
    /* No list at all: a kernel without modules, which cannot load one either. */
    if (file_has_line("/proc/modules", pattern, NULL) != 0)
        return false;
    snprintf(path, sizeof(path), "/sys/module/%s", name);
    if (access(path, F_OK) == 0 || uname(&uts) < 0)
        return false;
    /* Where the list of what is built in cannot be read (a container), not certain. */
    snprintf(path, sizeof(path), "/lib/modules/%s/modules.builtin", uts.release);
    snprintf(pattern, sizeof(pattern), "/%s.ko", name);
    return file_has_line(path, NULL, pattern) == 0;
}
