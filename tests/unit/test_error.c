/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a person is told: the first cause, in one printable line, whole in its characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "netguard/base.h"

static void test_fills(void **state) {
    struct ng_error error = {0};
    (void)state;
    assert_int_equal(ng_error_set(&error, -ENOENT, "docker", "no %s on port %u", "engine", 2375U),
                     -ENOENT);
    assert_string_equal(error.source, "docker");
    assert_string_equal(error.message, "no engine on port 2375");
    assert_int_equal(error.line, 0);
    assert_int_equal(error.column, 0);
}

static void test_fills_a_place(void **state) {
    struct ng_error error = {0};
    (void)state;
    assert_int_equal(ng_error_set_at(&error, -EINVAL, "policy.yaml", 12, 7, "unknown key"),
                     -EINVAL);
    assert_string_equal(error.source, "policy.yaml");
    assert_string_equal(error.message, "unknown key");
    assert_int_equal(error.line, 12);
    assert_int_equal(error.column, 7);
}

static void test_the_first_cause_stays(void **state) {
    struct ng_error error = {0};
    (void)state;
    assert_int_equal(ng_error_set_at(&error, -EINVAL, "a", 1, 2, "first"), -EINVAL);
    assert_int_equal(ng_error_set(&error, -EIO, "b", "second"), -EIO);
    assert_string_equal(error.source, "a");
    assert_string_equal(error.message, "first");
    assert_int_equal(error.line, 1);
}

static void test_nobody_interested(void **state) {
    (void)state;
    assert_int_equal(ng_error_set(NULL, -EIO, "a", "b"), -EIO);
    assert_int_equal(ng_error_set_at(NULL, -EIO, "a", 1, 1, "b"), -EIO);
}

static void test_no_source(void **state) {
    struct ng_error error = {0};
    (void)state;
    assert_int_equal(ng_error_set(&error, -EIO, NULL, "lost"), -EIO);
    assert_string_equal(error.source, "");
}

static void test_hostile_text(void **state) {
    struct ng_error error = {0};
    (void)state;
    assert_int_equal(ng_error_set(&error, -EIO, "un\nix",
                                  "a\x1b[2Jb\r\n\tc\x7f"
                                  "d \xc3\xbc"),
                     -EIO);
    assert_string_equal(error.source, "un?ix");
    assert_string_equal(error.message, "a?[2Jb???c?d \xc3\xbc");
}

/* A message that is cut off keeps whole characters, whatever their length and place. */
static void test_bounds(void **state) {
    static const char *const characters[] = {"x", "\xc3\xbc", "\xe2\x80\xa6", "\xf0\x9f\x90\xb3"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(characters); i++)
        for (size_t shift = 0; shift < 4; shift++) {
            size_t width = strlen(characters[i]);
            char text[1024] = "";
            memset(text, '.', shift);
            while (strlen(text) + width < sizeof(text))
                strcat(text, characters[i]);
            struct ng_error error = {0};
            assert_int_equal(ng_error_set(&error, -EIO, text, "%s", text), -EIO);
            assert_int_equal((strlen(error.message) - shift) % width, 0);
            assert_int_equal((strlen(error.source) - shift) % width, 0);
            assert_true(strlen(error.message) + width >= sizeof(error.message));
            assert_true(strlen(error.source) + width >= sizeof(error.source));
            assert_memory_equal(error.message, text, strlen(error.message));
        }
}

/* Bytes that are no UTF-8 at all are left alone, and never read before the text. */
static void test_bytes_that_are_no_text(void **state) {
    struct ng_error error = {0}, lone = {0};
    (void)state;
    assert_int_equal(ng_error_set(&error, -EIO, "\x80", "\x80\x80\x80\x80\x80"), -EIO);
    assert_string_equal(error.message, "\x80\x80\x80\x80\x80");
    assert_string_equal(error.source, "\x80");
    assert_int_equal(ng_error_set(&lone, -EIO, "", "a\xc3"), -EIO);
    assert_string_equal(lone.message, "a");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills),
        cmocka_unit_test(test_fills_a_place),
        cmocka_unit_test(test_the_first_cause_stays),
        cmocka_unit_test(test_nobody_interested),
        cmocka_unit_test(test_no_source),
        cmocka_unit_test(test_hostile_text),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_bytes_that_are_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
