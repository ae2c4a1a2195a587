/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/observe/xt_dump.h"

#include <errno.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* A kernel whose tables change just when they are read: its list of tables and its answers to
 * getsockopt() are made here (the linker's --wrap). */

static struct {
    const char *list;       /* NULL: no such file */
    const char *gone;       /* listed, and not there when asked for */
    unsigned info, entries; /* questions so far */
    unsigned grown_until;   /* these first answers with entries come too late: another size */
    unsigned swapped_until; /* up to this question for info, each answer is another */
    uint32_t size;          /* of the entries */
    int error;              /* of every question */
} kernel;

int __wrap_ng_proc_read(int dir_fd, const char *path, char *buffer, size_t size);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);

int __wrap_ng_proc_read(int dir_fd, const char *path, char *buffer, size_t size) {
    (void)dir_fd;
    if (!kernel.list || strcmp(path, "/proc/net/ip_tables_names") != 0)
        return -ENOENT;
    return snprintf(buffer, size, "%s", kernel.list);
}

static int answer_info(struct ipt_getinfo *info) {
    kernel.info++;
    if (kernel.gone && strcmp(info->name, kernel.gone) == 0)
        return ENOENT;
    info->valid_hooks = 1;
    info->size = kernel.size;
    if (kernel.info <= kernel.swapped_until)
        info->underflow[0] = kernel.info;
    return 0;
}

static int answer_entries(struct ipt_get_entries *entries, socklen_t len) {
    kernel.entries++;
    if (kernel.entries <= kernel.grown_until)
        return EAGAIN;
    assert_int_equal(entries->size, kernel.size);
    assert_int_equal(len, sizeof(*entries) + entries->size);
    memset(entries->entrytable, entries->name[0], entries->size);
    return 0;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len) {
    (void)fd;
    assert_int_equal(level, 0); /* IPPROTO_IP */
    errno = kernel.error;
    if (!errno)
        errno = name == IPT_SO_GET_INFO ? answer_info(value) : answer_entries(value, *len);
    return errno ? -1 : 0;
}

static struct ng_world *world_new(void) {
    struct ng_arena *arena = ng_arena_new();
    struct ng_world *world = arena ? ng_arena_alloc(arena, 1, sizeof(*world)) : NULL;
    assert_non_null(world);
    world->arena = arena;
    return world;
}

#define _world_ _cleanup_(ng_world_freep) struct ng_world *

static void assert_table(const struct ng_xt_table *table, const char *name) {
    assert_int_equal(table->family, NG_IP4);
    assert_string_equal(table->name, name);
    assert_int_equal(table->len_bytes, sizeof(struct ipt_getinfo) + kernel.size);
    assert_string_equal((const char *)table->bytes, name);
    for (size_t i = sizeof(struct ipt_getinfo); i < table->len_bytes; i++)
        assert_int_equal(table->bytes[i], name[0]);
}

static void read_both(struct ng_world *world) {
    struct ng_error error = {0};
    if (ng_xt_dump_read(world, &error) < 0)
        fail_msg("%s: %s", error.source, error.message);
    assert_int_equal(world->n_xt_tables, 2);
    assert_table(&world->xt_tables[0], "raw");
    assert_table(&world->xt_tables[1], "filter");
}

static void test_two_tables(void **state) {
    (void)state;
    _world_ world = world_new();
    memset(&kernel, 0, sizeof(kernel));
    kernel.list = "raw\nfilter\n";
    kernel.size = 40;
    read_both(world);
    assert_int_equal(kernel.entries, 2);
}

/* Where nothing is listed nothing is asked: to ask would create it. */
static void test_nothing_listed(void **state) {
    (void)state;
    static const char *const lists[] = {NULL, ""};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        _world_ world = world_new();
        memset(&kernel, 0, sizeof(kernel));
        kernel.list = lists[i];
        assert_int_equal(ng_xt_dump_read(world, NULL), 0);
        assert_int_equal(world->n_xt_tables, 0);
        assert_int_equal(kernel.info + kernel.entries, 0);
    }
}

/* A table that grows between the two questions is asked for again. */
static void test_table_that_grows(void **state) {
    (void)state;
    _world_ world = world_new();
    memset(&kernel, 0, sizeof(kernel));
    kernel.list = "raw\nfilter\n";
    kernel.size = 16;
    kernel.grown_until = 2;
    read_both(world);
    assert_int_equal(kernel.entries, 4);
}

/* One that was replaced by another of the same size, too. */
static void test_table_that_is_swapped(void **state) {
    (void)state;
    _world_ world = world_new();
    memset(&kernel, 0, sizeof(kernel));
    kernel.list = "raw\nfilter\n";
    kernel.swapped_until = 2;
    read_both(world);
    assert_int_equal(kernel.entries, 4);
    const struct ipt_getinfo *info = (const struct ipt_getinfo *)world->xt_tables[0].bytes;
    assert_int_equal(info->underflow[0], 0);
}

static void assert_fails(int code, const char *why) {
    _world_ world = world_new();
    struct ng_error error = {0};
    assert_int_equal(ng_xt_dump_read(world, &error), code);
    assert_int_equal(world->n_xt_tables, 0);
    assert_null(world->xt_tables);
    if (!strstr(error.message, why))
        fail_msg("\"%s\" does not say \"%s\"", error.message, why);
}

static void test_failures(void **state) {
    (void)state;
    memset(&kernel, 0, sizeof(kernel));
    kernel.list = "filter\n";
    kernel.grown_until = UINT32_MAX;
    assert_fails(-EAGAIN, "never settled");
    assert_int_equal(kernel.entries, 10);

    memset(&kernel, 0, sizeof(kernel));
    kernel.list = "filter\n";
    kernel.error = EPERM;
    assert_fails(-EPERM, "table filter: Operation not permitted; CAP_NET_ADMIN is needed");

    memset(&kernel, 0, sizeof(kernel));
    kernel.list = "filter\n";
    kernel.size = (256U << 20) + 1;
    assert_fails(-EFBIG, "table filter");
    assert_int_equal(kernel.entries, 0);

    /* Listed for ever, and never there. */
    memset(&kernel, 0, sizeof(kernel));
    kernel.list = "raw\nfilter\n";
    kernel.gone = "filter";
    assert_fails(-EAGAIN, "never settled");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_tables),       cmocka_unit_test(test_nothing_listed),
        cmocka_unit_test(test_table_that_grows), cmocka_unit_test(test_table_that_is_swapped),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
