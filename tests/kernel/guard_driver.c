/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guard_driver   installs guards that are made up, by commands on its standard input:
 *
 *     open [FD]               close [keep]
 *     install SAMPLE OWNER    remove              look           compare SAMPLE OWNED
 *     text SAMPLE FILE        rules FILE          predict SAMPLE FILE
 *     before COMMAND          runs it before the next transaction is sent; `each` before each one
 *     lose                    the answers to the next transaction are lost
 *     fail ERROR              sending the next transaction fails once, and receiving its answers
 *     small                   the socket has as little room for answers as can be
 *     forge FROM TO           in the next transaction these bytes (in hexadecimal) stand for those
 *
 * SAMPLE is NAME:NUMBER, see make(); OWNER is none, own or persist. Each command is answered by
 * lines of which the last begins with "ok" or "error". */

#include <errno.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/act/guard_table.h"
#include "agent/act/guard_text.h"
#include "agent/observe/nft_dump.h"
#include "agent/observe/ruleset_decode.h"
#include "tests/kernel/drawn_guard.h"
#include "tests/unit/fixture_guard.h"
#include "tests/unit/fixture_ops.h"

static struct ng_guard_table *table;
static struct ng_error error;

/* -- between the library and the kernel ------------------------------------------------ */

static char before[1024];
static bool each_time, lose, losing;
static int fail_sending, fail_receiving; /* errno, 0: no */
static char forged[2][64];               /* from, to: hexadecimal, of one length */
static bool answers_beside;              /* what is received is about another table */
static size_t n_sent;                    /* transactions */
static size_t n_messages, n_bytes;       /* of the last one, without its marks */

static bool fails(int *how) {
    errno = *how;
    *how = 0;
    return errno != 0;
}

static size_t bytes_of(const char *digits, uint8_t *bytes) {
    size_t len = 0;
    for (unsigned byte; sscanf(digits + 2 * len, "%2x", &byte) == 1;)
        bytes[len++] = (uint8_t)byte;
    return len;
}

static void forge(uint8_t *bytes, size_t len) {
    uint8_t from[sizeof(forged[0]) / 2], to[sizeof(from)];
    size_t n = bytes_of(forged[0], from);
    if (n == 0)
        return;
    if (bytes_of(forged[1], to) != n || !memmem(bytes, len, from, n))
        abort();
    for (uint8_t *at, *next = bytes; (at = memmem(next, len - (size_t)(next - bytes), from, n));
         next = at + n)
        memcpy(at, to, n);
    forged[0][0] = '\0';
}

ssize_t __real_sendmsg(int fd, const struct msghdr *header, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *header, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *header, int flags) {
    static const char stand_in[] = "netguard_next";
    const struct iovec *messages = &header->msg_iov[1];
    /* Of a table that is made anew: it may as well not be there. */
    bool beside = memmem(messages->iov_base, messages->iov_len, stand_in, sizeof(stand_in));
    answers_beside = beside;
    if (beside)
        return __real_sendmsg(fd, header, flags);
    if (fails(&fail_sending))
        return -1;
    forge(messages->iov_base, messages->iov_len);
    if (before[0] && system(before) != 0)
        abort();
    if (!each_time)
        before[0] = '\0';
    n_sent++;
    n_messages = 0;
    n_bytes = messages->iov_len;
    for (size_t at = 0; at < messages->iov_len; n_messages++)
        at += ((const struct nlmsghdr *)((char *)messages->iov_base + at))->nlmsg_len;
    losing = lose;
    lose = false;
    return __real_sendmsg(fd, header, flags);
}

ssize_t __real_recvmsg(int fd, struct msghdr *header, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *header, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *header, int flags) {
    if (answers_beside)
        return __real_recvmsg(fd, header, flags);
    if (flags & MSG_DONTWAIT && fails(&fail_receiving))
        return -1;
    if (!(flags & MSG_DONTWAIT) || !losing)
        return __real_recvmsg(fd, header, flags);
    while (__real_recvmsg(fd, header, flags) >= 0)
        ;
    losing = false;
    errno = ENOBUFS;
    return -1;
}

/* -- samples --------------------------------------------------------------------------- */

static void make_unknown_chain(struct made_guard *made) {
    struct ng_guard_chain *chain = guard_add_chain(made, "forward", 2);
    guard_add_rule(made, chain, NG_GUARD_REPLY, NG_GUARD_ACCEPT);
    guard_add_rule(made, chain, NG_GUARD_REPLY, NG_GUARD_JUMP);
    made->guard.chains = made->chains;
}

static void make_too_long(struct made_guard *made) {
    char *name = ng_arena_alloc(made->arena, 70000, 1);
    memset(name, 'x', 69999);
    guard_add_chain(made, name, 1);
    made->guard.chains = made->chains;
}

static struct ng_guard make(struct ng_arena *arena, char *sample) {
    struct made_guard made = {.arena = arena};
    const char *name = strtok_r(sample, ":", &sample);
    unsigned number = (unsigned)atoi(sample);
    if (strcmp(name, "drawn") == 0)
        return guard_drawn(number, arena);
    if (strcmp(name, "rules") == 0)
        return guard_of_rules(number, arena);
    if (strcmp(name, "all") == 0)
        guard_make_all(&made, number);
    else if (strcmp(name, "many") == 0)
        guard_make_many(&made, number);
    else if (strcmp(name, "armed") == 0)
        guard_make_armed(&made, number);
    else if (strcmp(name, "unknown-chain") == 0)
        make_unknown_chain(&made);
    else if (strcmp(name, "too-long") == 0)
        make_too_long(&made);
    else if (strcmp(name, "empty") != 0)
        exit(2);
    return made.guard;
}

/* -- commands -------------------------------------------------------------------------- */

static void answer(int r, const char *text) {
    if (r < 0)
        printf("error %s %s: %s\n", strerrorname_np(-r), error.source, error.message);
    else
        printf("ok%s%s\n", text[0] ? " " : "", text);
}

static void open_table(char *fd) {
    answer(ng_guard_table_open(fd ? atoi(fd) : -1, &table, &error), "");
}

static void close_table(const char *keep) {
    char text[32] = "";
    if (keep)
        snprintf(text, sizeof(text), "%d", dup(ng_guard_table_fd(table)));
    ng_guard_table_freep(&table);
    answer(0, text);
}

static void install(struct ng_arena *arena, char *sample, const char *owner) {
    const struct ng_guard guard = make(arena, sample);
    char text[128] = "";
    size_t count = 0;
    n_messages = n_bytes = n_sent = 0;
    int r = ng_guard_table_install(table, &guard,
                                   strcmp(owner, "own") == 0       ? NG_GUARD_OWNED
                                   : strcmp(owner, "persist") == 0 ? NG_GUARD_OWNED_PERSISTENT
                                                                   : NG_GUARD_UNOWNED,
                                   &count, &error);
    snprintf(text, sizeof(text), "%zu changes %zu messages %zu bytes %zu times", count, n_messages,
             n_bytes, n_sent);
    answer(r, text);
}

static void look(struct ng_arena *arena) {
    static const char *const holds[] = {"absent", "foreign", "free", "own", "held"};
    struct ng_guard_installed installed;
    char text[160] = "";
    int r = ng_guard_table_look(table, arena, &installed, &error);
    if (r == 0) {
        for (size_t i = 0; i < installed.n_counts; i++)
            printf("count %s %llu %llu\n", installed.counts[i].chain,
                   (unsigned long long)installed.counts[i].packets,
                   (unsigned long long)installed.counts[i].bytes);
        snprintf(text, sizeof(text), "%s owner=%u persist=%d armed_ms=%llu expired=%d",
                 holds[installed.hold], installed.owner_pid, installed.persist,
                 (unsigned long long)installed.armed_ms, installed.expired);
    }
    answer(r, text);
}

static void compare(struct ng_arena *arena, char *sample, const char *owned) {
    static const char *const kinds[] = {"table", "chain", "add", "delete"};
    const struct ng_guard guard = make(arena, sample);
    struct ng_guard_installed installed;
    struct ng_guard_change *changes;
    size_t count;
    char text[32] = "";
    int r = ng_guard_table_look(table, arena, &installed, &error);
    if (r == 0)
        r = ng_guard_compare(&guard, &installed, atoi(owned), arena, &changes, &count);
    for (size_t i = 0; r == 0 && i < count; i++)
        printf("%s %s %s\n", kinds[changes[i].kind], changes[i].name ? changes[i].name : "-",
               changes[i].text ? changes[i].text : "-");
    if (r == 0)
        snprintf(text, sizeof(text), "%zu", count);
    answer(r, text);
}

static void write_file(const char *path, const char *text) {
    FILE *file = text ? fopen(path, "w") : NULL;
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        exit(3);
    answer(0, "");
}

/* The ruleset as the decoder understands it, `guard` in it if there is one. */
static void write_rules(struct ng_arena *arena, const struct ng_guard *guard, const char *path) {
    _cleanup_(ng_ruleset_freep) struct ng_ruleset *ruleset = NULL;
    struct ng_world world = {0};
    int r = ng_nft_dump_read(arena, &world.nft, &error);
    if (r == 0 && guard)
        r = ng_guard_predict(&world.nft, guard, arena, &world.nft);
    if (r == 0)
        r = ng_ruleset_decode(&world, &ruleset, &error);
    if (r < 0) {
        answer(r, "");
        return;
    }
    char *text = in_words(ruleset);
    write_file(path, text);
    free(text);
}

static void run(struct ng_arena *arena, char *line) {
    const char *name = strtok_r(line, " ", &line);
    char *first =
        strcmp(name, "before") && strcmp(name, "each") ? strtok_r(NULL, " ", &line) : line;
    struct ng_guard guard;
    error = (struct ng_error){0};
    if (strcmp(name, "open") == 0) {
        open_table(first);
    } else if (strcmp(name, "close") == 0) {
        close_table(first);
    } else if (strcmp(name, "install") == 0) {
        install(arena, first, line);
    } else if (strcmp(name, "remove") == 0) {
        answer(ng_guard_table_remove(table, &error), "");
    } else if (strcmp(name, "look") == 0) {
        look(arena);
    } else if (strcmp(name, "compare") == 0) {
        compare(arena, first, line);
    } else if (strcmp(name, "text") == 0) {
        guard = make(arena, first);
        write_file(line, ng_guard_text(arena, &guard));
    } else if (strcmp(name, "rules") == 0) {
        write_rules(arena, NULL, first);
    } else if (strcmp(name, "predict") == 0) {
        guard = make(arena, first);
        write_rules(arena, &guard, line);
    } else if (strcmp(name, "before") == 0 || strcmp(name, "each") == 0) {
        snprintf(before, sizeof(before), "%s", first);
        each_time = strcmp(name, "each") == 0;
        answer(0, "");
    } else if (strcmp(name, "lose") == 0) {
        lose = true;
        answer(0, "");
    } else if (strcmp(name, "fail") == 0) {
        fail_sending = fail_receiving = strcmp(first, "EINTR") == 0 ? EINTR : ENOBUFS;
        answer(0, "");
    } else if (strcmp(name, "small") == 0) {
        const int one = 1; /* for the kernel to make what it can of it */
        (void)setsockopt(ng_guard_table_fd(table), SOL_SOCKET, SO_RCVBUF, &one, sizeof(one));
        answer(0, "");
    } else if (strcmp(name, "forge") == 0) {
        snprintf(forged[0], sizeof(forged[0]), "%s", first);
        snprintf(forged[1], sizeof(forged[1]), "%s", line);
        answer(0, "");
    } else {
        exit(2);
    }
    fflush(stdout);
}

int main(void) {
    char line[2048];
    while (fgets(line, sizeof(line), stdin)) {
        _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
        line[strcspn(line, "\n")] = '\0';
        run(arena, line);
    }
    ng_guard_table_freep(&table);
    guard_drawn_free();
    return 0;
}
