/* SPDX-License-Identifier: GPL-2.0-or-later */

/* guard_commit ELEMENTS COMMITS PROCESSES   what a change of one element costs
 *
 * Installs a guard that lets in so many ports of containers, then adds and deletes one of them by
 * turns, as a daemon does: in one long-lived process. In between runs nft so often, which adds and
 * deletes an element of the set `inet bench s` that the caller has made. Prints a line for each:
 * "commit", "add" or "delete" (by nft), and how many nanoseconds it took. */

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/act/guard_table.h"

#define ELEMENT "{ tcp . 172.18.0.1 . 80 }"

enum { PORTS_EACH = 10 }; /* of a container */

static struct ng_guard_set make_set(struct ng_arena *arena, size_t count) {
    struct ng_guard_element *elements = ng_arena_alloc(arena, count, sizeof(*elements));
    for (size_t i = 0; elements && i < count; i++) {
        elements[i].key[0].number = NG_TCP;
        elements[i].key[1].number = 0xac110002 + i / PORTS_EACH; /* 172.17.0.2 */
        elements[i].key[2].number = 80 + i % PORTS_EACH;
    }
    return (struct ng_guard_set){
        .name = "to4_public",
        .fields = {NG_GUARD_L4PROTO, NG_GUARD_DADDR4, NG_GUARD_DPORT},
        .n_fields = 3,
        .elements = elements,
        .n_elements = elements ? count : 0,
    };
}

static long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* One element comes or goes; anything else would be another figure. */
static void commit(struct ng_guard_table *table, const struct ng_guard *guard, size_t changes) {
    struct ng_error error = {0};
    size_t count = 0;
    int r = ng_guard_table_install(table, guard, NG_GUARD_OWNED, &count, &error);
    if (r < 0 || count != changes) {
        fprintf(stderr, "guard_commit: %s\n", r < 0 ? error.message : "not one change");
        exit(1);
    }
}

static void run_nft(const char *verb) {
    const char *const command[] = {"nft", verb, "element", "inet", "bench", "s", ELEMENT, NULL};
    pid_t pid;
    int status;
    int r = posix_spawnp(&pid, command[0], NULL, NULL, (char *const *)command, environ);
    if (r != 0 || waitpid(pid, &status, 0) < 0 || status != 0) {
        fprintf(stderr, "guard_commit: nft %s failed\n", verb);
        exit(1);
    }
}

int main(int argc, char **argv) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    _cleanup_(ng_guard_table_freep) struct ng_guard_table *table = NULL;
    struct ng_error error = {0};
    size_t counts[3];
    if (argc != 4) {
        fprintf(stderr, "usage: guard_commit ELEMENTS COMMITS PROCESSES\n");
        return 2;
    }
    for (size_t i = 0; i < 3; i++)
        counts[i] = strtoul(argv[i + 1], NULL, 10);
    const size_t elements = counts[0], commits = counts[1], processes = counts[2];
    struct ng_guard_set set = make_set(arena, elements);
    const struct ng_guard guard = {.sets = &set, .n_sets = 1};
    if (!set.n_elements || ng_guard_table_open(-1, &table, &error) < 0) {
        fprintf(stderr, "guard_commit: %s\n", set.n_elements ? error.message : "no elements");
        return 1;
    }
    commit(table, &guard, 1);
    for (size_t i = 0, n = 0; i < commits; i++) {
        set.n_elements = i % 2 ? elements : elements - 1;
        long long start = now_ns();
        commit(table, &guard, 1);
        printf("commit %lld\n", now_ns() - start);
        for (; n * commits < (i + 1) * processes; n++) {
            const char *verb = n % 2 ? "delete" : "add";
            start = now_ns();
            run_nft(verb);
            printf("%s %lld\n", verb, now_ns() - start);
        }
    }
    return 0;
}
