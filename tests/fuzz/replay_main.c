/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Runs a fuzz target over every file of a corpus, as an ordinary test: what once broke it
 * stays mended. A crash or a sanitizer's report fails it, and so does an empty corpus. */

static int run_file(const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return -errno;
    size_t len = 0, capacity = 4096, n;
    uint8_t *bytes = malloc(capacity);
    while (bytes && (n = fread(bytes + len, 1, capacity - len, file)) > 0) {
        len += n;
        if (len == capacity) {
            uint8_t *larger = realloc(bytes, capacity * 2);
            if (!larger)
                free(bytes);
            bytes = larger;
            capacity *= 2;
        }
    }
    fclose(file);
    if (!bytes)
        return -ENOMEM;
    LLVMFuzzerTestOneInput(bytes, len);
    free(bytes);
    return 0;
}

int main(int argc, char **argv) {
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        int r = run_file(argv[1], entry->d_name);
        if (r < 0) {
            fprintf(stderr, "%s/%s: %s\n", argv[1], entry->d_name, strerror(-r));
            closedir(folder);
            return 1;
        }
        count++;
    }
    closedir(folder);
    printf("%u inputs replayed\n", count);
    return count ? 0 : 1;
}
