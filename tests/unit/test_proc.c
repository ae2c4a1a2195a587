/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/observe/proc.h"

static void text_becomes_utf8(void **state) {
#define WRONG "\xef\xbf\xbd"
    static const struct {
        const char *bytes, *text;
    } cases[] = {
        {"", ""},
        {"eth0", "eth0"},
        {"\x01\x7f", "\x01\x7f"}, /* whoever prints escapes */
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb3", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb3"},
        {"a\xff\x62", "a" WRONG "b"},
        {"\xc3", WRONG},
        {"\xe2\x82", WRONG WRONG},
        {"\xe2\x82xy", WRONG WRONG "xy"},
        {"\xc0\x80", WRONG WRONG},
        {"\xe0\x80\x80", WRONG WRONG WRONG},
        {"\xed\xa0\x80", WRONG WRONG WRONG},
        {"\xf0\x8f\xbf\xbf", WRONG WRONG WRONG WRONG},
        {"\xf4\x90\x80\x80", WRONG WRONG WRONG WRONG},
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
        {"\xf5\x80", WRONG WRONG},
    };
    struct ng_arena *arena = ng_arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(ng_proc_utf8(arena, cases[i].bytes, strlen(cases[i].bytes)),
                            cases[i].text);
    assert_string_equal(ng_proc_utf8(arena, "ab\0cd", 5), "ab");
    assert_string_equal(ng_proc_utf8(arena, "abcd", 2), "ab");
    assert_string_equal(ng_proc_utf8(arena, "\xc3\xa9", 1), WRONG);
    ng_arena_free(arena);
}

static void files_are_read_and_cut(void **state) {
    char text[64], small[4];
    int len = ng_proc_read(AT_FDCWD, "/proc/self/comm", text, sizeof(text));

    (void)state;
    assert_true(len > 4);
    assert_int_equal(strlen(text), len);
    assert_int_equal(ng_proc_read(AT_FDCWD, "/proc/self/comm", small, sizeof(small)), 3);
    assert_memory_equal(small, text, 3);
    assert_int_equal(small[3], '\0');
    assert_int_equal(ng_proc_read(AT_FDCWD, "/proc/none", text, sizeof(text)), -ENOENT);
    assert_int_equal(ng_proc_read(AT_FDCWD, "/proc", text, sizeof(text)), -EISDIR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_utf8),
        cmocka_unit_test(files_are_read_and_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
