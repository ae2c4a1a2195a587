/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/escape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "netguard/base.h"

static void assert_escaped(const char *text, const char *expected) {
    char buffer[256];

    assert_int_equal(ng_escape(buffer, sizeof(buffer), text), strlen(expected));
    assert_string_equal(buffer, expected);
}

static void test_plain_text_stays(void **state) {
    (void)state;
    assert_escaped("", "");
    assert_escaped("redis-1.web_2 C:\\x", "redis-1.web_2 C:\\x");
    assert_escaped("caf\u00e9 \u6771\u4eac \U0001f433", "caf\u00e9 \u6771\u4eac \U0001f433");
}

static void test_controls_are_escaped(void **state) {
    (void)state;
    assert_escaped("\x1b[31mred", "\\x1b[31mred");
    assert_escaped("a\nb\tc\rd\x7f", "a\\x0ab\\x09c\\x0dd\\x7f");
    assert_escaped("\xc2\x9b"
                   "31m",
                   "\\u009b31m"); /* CSI as one C1 character */
}

static void test_what_hides_or_reorders_is_escaped(void **state) {
    (void)state;
    static const char *const hostile[] = {
        "\u00ad", "\u061c", "\u180e", "\u200b", "\u200e", "\u200f", "\u2028",
        "\u2029", "\u202a", "\u202e", "\u2060", "\u2066", "\u2069", "\ufeff",
    };

    for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
        char buffer[32];

        ng_escape(buffer, sizeof(buffer), hostile[i]);
        assert_memory_equal(buffer, "\\u", 2);
        assert_int_equal(strlen(buffer), 6);
    }
    assert_escaped("\U000e0041", "\\U000e0041");
}

static void test_invalid_utf8_is_escaped_bytewise(void **state) {
    (void)state;
    assert_escaped("\xff", "\\xff");
    assert_escaped("a\xc3", "a\\xc3");                          /* cut short by the end */
    assert_escaped("\xe2\x82z", "\\xe2\\x82z");                 /* cut short by a letter */
    assert_escaped("\xc0\xaf", "\\xc0\\xaf");                   /* overlong '/' */
    assert_escaped("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* a surrogate */
    assert_escaped("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
}

static void test_cuts_between_characters(void **state) {
    (void)state;
    char buffer[8];

    assert_int_equal(ng_escape(buffer, sizeof(buffer),
                               "abc\x1b"
                               "d"),
                     8);
    assert_string_equal(buffer, "abc\\x1b");
    assert_int_equal(ng_escape(buffer, sizeof(buffer), "abcd\x1b"), 8);
    assert_string_equal(buffer, "abcd");
    /* What no longer fits ends the text, also when something shorter follows. */
    assert_int_equal(ng_escape(buffer, 4,
                               "ab\u00e9"
                               "c"),
                     5);
    assert_string_equal(buffer, "ab");
    assert_int_equal(ng_escape(NULL, 0, "abc"), 3);
}

static void test_columns(void **state) {
    (void)state;
    assert_int_equal(ng_text_columns("redis"), 5);
    assert_int_equal(ng_text_columns("caf\u00e9"), 4);
    assert_int_equal(ng_text_columns("cafe\u0301"), 4); /* a combining accent */
    assert_int_equal(ng_text_columns("\u6771\u4eac"), 4);
    assert_int_equal(ng_text_columns("\U0001f433"), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_text_stays),
        cmocka_unit_test(test_controls_are_escaped),
        cmocka_unit_test(test_what_hides_or_reorders_is_escaped),
        cmocka_unit_test(test_invalid_utf8_is_escaped_bytewise),
        cmocka_unit_test(test_cuts_between_characters),
        cmocka_unit_test(test_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
