/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of findings, kept by a thread: the newest wins, and a disk that hangs or is full holds
 * nobody up and is told of. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/act/records_writer.h"

enum {
    SYNCS = 2, /* of a document: the file and its directory */
    PATIENCE_S = 10,
    MS = 1000 * 1000, /* in ns */
};

static char folder[] = "/tmp/netguard-writer-XXXXXX";

/* The disk, as the test wants it. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool hangs;
    int code; /* errno of what it does; 0: it works */
    unsigned n_syncs;
} disk = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0, 0};

static int ahead_s; /* the clock */
static bool no_memory;

int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    (void)fd;
    pthread_mutex_lock(&disk.mutex);
    disk.n_syncs++;
    pthread_cond_broadcast(&disk.changed);
    while (disk.hangs)
        pthread_cond_wait(&disk.changed, &disk.mutex);
    const int code = disk.code;
    pthread_mutex_unlock(&disk.mutex);
    errno = code;
    return code ? -1 : 0;
}

int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time) {
    int r = __real_clock_gettime(clock, ret_time);
    ret_time->tv_sec += ahead_s;
    return r;
}

FILE *__real_open_memstream(char **ret_bytes, size_t *ret_len);
FILE *__wrap_open_memstream(char **ret_bytes, size_t *ret_len);
FILE *__wrap_open_memstream(char **ret_bytes, size_t *ret_len) {
    return no_memory ? NULL : __real_open_memstream(ret_bytes, ret_len);
}

static void set_disk(bool hangs, int code) {
    pthread_mutex_lock(&disk.mutex);
    disk.hangs = hangs;
    disk.code = code;
    disk.n_syncs = 0;
    pthread_cond_broadcast(&disk.changed);
    pthread_mutex_unlock(&disk.mutex);
}

static void await_syncs(unsigned count) {
    struct timespec until;
    int r = 0;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &until), 0);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&disk.mutex);
    while (disk.n_syncs < count && r == 0)
        r = pthread_cond_timedwait(&disk.changed, &disk.mutex, &until);
    pthread_mutex_unlock(&disk.mutex);
    assert_int_equal(r, 0);
}

static void wait_a_bit(void) {
    (void)nanosleep(&(struct timespec){.tv_nsec = MS}, NULL);
}

static struct ng_records_writer *new_writer(void) {
    struct ng_records_writer *writer = NULL;
    set_disk(false, 0);
    assert_int_equal(ng_records_writer_new(&writer, NULL), 0);
    return writer;
}

/* A life of one finding, which is told by its key. */
static void put(struct ng_records_writer *writer, const char *key) {
    const struct ng_record record = {
        .thing = "0123456789abcdef",
        .key = key,
        .keys = "",
        .id = "NG001",
        .rule = "",
        .subject = "",
        .message = "",
        .fix = "",
        .kind = "published",
        .proto = NG_TCP,
        .zones = "",
    };
    ng_records_writer_put(writer, &(struct ng_life){&record, 1});
}

static bool is_kept(const char *key) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_life life;
    return ng_records_read(arena, &life, NULL) == 0 && life.n_records == 1 &&
           strcmp(life.records[0].key, key) == 0;
}

static void await_fault(struct ng_records_writer *writer, const char *message) {
    struct ng_error fault;
    for (int i = 0; i < PATIENCE_S * 1000; i++) {
        ng_records_writer_fault(writer, &fault);
        if (strcmp(fault.message, message) == 0)
            return;
        wait_a_bit();
    }
    fail_msg("\"%s\" and not \"%s\"", fault.message, message);
}

/* -- tests ------------------------------------------------------------------------------- */

static void test_what_is_pending_is_written_at_the_end(void **state) {
    (void)state;
    struct ng_records_writer *writer = new_writer();
    put(writer, "0000000000000001");
    ng_records_writer_free(writer);
    assert_true(is_kept("0000000000000001"));
    ng_records_writer_free(new_writer()); /* nothing was */
    assert_true(is_kept("0000000000000001"));
    ng_records_writer_free(NULL);
}

static void test_the_newest_wins(void **state) {
    (void)state;
    struct ng_records_writer *writer = new_writer();
    set_disk(true, 0);
    put(writer, "0000000000000002");
    await_syncs(1);
    put(writer, "0000000000000003");
    put(writer, "0000000000000004");
    set_disk(false, 0);
    ng_records_writer_free(writer);
    assert_true(is_kept("0000000000000004"));
    assert_int_equal(disk.n_syncs, 2 * SYNCS - 1); /* the one that hung, and the newest */
}

/* Nobody ends the hanging before put and free have come back; what they left is kept when the disk
 * works again. */
static void test_a_disk_that_hangs_holds_nobody_up(void **state) {
    struct ng_error fault;
    (void)state;
    struct ng_records_writer *writer = new_writer();
    set_disk(true, 0);
    put(writer, "0000000000000005");
    await_syncs(1);
    put(writer, "0000000000000006");
    ng_records_writer_fault(writer, &fault);
    assert_string_equal(fault.message, "");
    ahead_s = 10;
    ng_records_writer_fault(writer, &fault);
    ahead_s = 0;
    assert_string_equal(fault.message, "is not written yet: its disk is slow, or hangs");
    ng_records_writer_free(writer);
    assert_false(is_kept("0000000000000006"));
    set_disk(false, 0);
    await_syncs(2 * SYNCS - 1);
    assert_true(is_kept("0000000000000006"));
}

static void test_a_fault_is_told_until_it_is_over(void **state) {
    char path[128];
    struct ng_error fault;
    (void)state;
    struct ng_records_writer *writer = new_writer();
    ng_records_writer_fault(writer, &fault);
    assert_string_equal(fault.message, "");
    set_disk(false, ENOSPC);
    put(writer, "0000000000000007");
    await_fault(writer, "cannot be written: No space left on device");
    ng_records_writer_fault(writer, &fault);
    snprintf(path, sizeof(path), "%s/findings.json", folder);
    assert_string_equal(fault.source, path);
    assert_false(is_kept("0000000000000007"));
    set_disk(false, EIO);
    put(writer, "0000000000000008");
    await_fault(writer, "cannot be written: Input/output error");
    set_disk(false, 0);
    put(writer, "0000000000000009");
    await_fault(writer, "");
    assert_true(is_kept("0000000000000009"));
    ahead_s = 10; /* nor is it slow, when there is nothing to do */
    await_fault(writer, "");
    ahead_s = 0;
    no_memory = true;
    put(writer, "000000000000000a");
    no_memory = false;
    await_fault(writer, "cannot be written: out of memory");
    ng_records_writer_free(writer);
    assert_true(is_kept("0000000000000009"));
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? setenv("STATE_DIRECTORY", folder, 1) : -1;
}

static int remove_folder(void **state) {
    char path[128];
    (void)state;
    snprintf(path, sizeof(path), "%s/findings.json", folder);
    (void)unlink(path);
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_pending_is_written_at_the_end),
        cmocka_unit_test(test_the_newest_wins),
        cmocka_unit_test(test_a_disk_that_hangs_holds_nobody_up),
        cmocka_unit_test(test_a_fault_is_told_until_it_is_over),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
