/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines as they come: in pieces, too long, without an end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/command/lines.h"

static unsigned waits;

static void count_wait(void) {
    waits++;
}

static struct ng_lines *lines_of(int fd) {
    struct ng_lines *lines = calloc(1, sizeof(*lines));
    assert_non_null(lines);
    lines->fd = fd;
    return lines;
}

static void close_lines(struct ng_lines *lines) {
    close(lines->fd);
    free(lines);
}

static struct ng_lines *lines_in(const char *bytes, size_t len) {
    int fd = memfd_create("lines", MFD_CLOEXEC);
    assert_true(fd >= 0);
    while (len) {
        ssize_t n = write(fd, bytes, len);
        assert_true(n > 0);
        bytes += n;
        len -= (size_t)n;
    }
    lseek(fd, 0, SEEK_SET);
    return lines_of(fd);
}

static void assert_line(struct ng_lines *lines, const char *expected) {
    const char *line;
    size_t len;
    assert_int_equal(ng_lines_next(lines, count_wait, &line, &len), 1);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(line, expected, len);
}

static void assert_result(struct ng_lines *lines, int expected) {
    const char *line;
    size_t len;
    assert_int_equal(ng_lines_next(lines, count_wait, &line, &len), expected);
}

static void test_lines(void **state) {
    struct ng_lines *lines = lines_in("a\n\nbc\nlast", 10);
    (void)state;
    assert_line(lines, "a");
    assert_line(lines, "");
    assert_line(lines, "bc");
    assert_line(lines, "last");
    assert_result(lines, 0);
    assert_result(lines, 0);
    close_lines(lines);
    lines = lines_in("", 0);
    assert_result(lines, 0);
    close_lines(lines);
}

/* Whoever asks line by line has his answer before more is waited for. */
static void test_a_dialogue(void **state) {
    int fds[2];
    (void)state;
    assert_int_equal(pipe(fds), 0);
    struct ng_lines *lines = lines_of(fds[0]);
    assert_int_equal(write(fds[1], "one\ntw", 6), 6);
    waits = 0;
    assert_line(lines, "one");
    assert_int_equal(waits, 1);
    assert_int_equal(write(fds[1], "o\n", 2), 2);
    assert_line(lines, "two");
    assert_int_equal(waits, 2);
    close(fds[1]);
    assert_result(lines, 0);
    close_lines(lines);
}

/* The longest line there may be, and one byte more, in one piece and in several. */
static void test_long_lines(void **state) {
    enum { MOST = 6 * NG_LINE_MAX };
    static const size_t lens[] = {NG_LINE_MAX,         NG_LINE_MAX + 1,    2 * NG_LINE_MAX,
                                  4 * NG_LINE_MAX - 1, 4 * NG_LINE_MAX,    4 * NG_LINE_MAX + 1,
                                  5 * NG_LINE_MAX,     5 * NG_LINE_MAX + 7};
    char *bytes = calloc(1, MOST + 20);
    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
        memcpy(bytes, "first\n", 6);
        memset(bytes + 6, 'x', lens[i]);
        memcpy(bytes + 6 + lens[i], "\nafter\n", 7);
        struct ng_lines *lines = lines_in(bytes, lens[i] + 13);
        assert_line(lines, "first");
        assert_result(lines, lens[i] > NG_LINE_MAX ? -E2BIG : 1);
        assert_line(lines, "after");
        assert_result(lines, 0);
        close_lines(lines);
        /* The same without an end. */
        lines = lines_in(bytes, lens[i] + 6);
        assert_line(lines, "first");
        assert_result(lines, lens[i] > NG_LINE_MAX ? -E2BIG : 1);
        assert_result(lines, 0);
        close_lines(lines);
    }
    free(bytes);
}

static void test_a_descriptor_that_fails(void **state) {
    struct ng_lines *lines = lines_of(-1);
    (void)state;
    assert_result(lines, -EBADF);
    free(lines);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_a_dialogue),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_a_descriptor_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
