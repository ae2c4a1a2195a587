/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plain scalar is: the core schema of YAML 1.2, not the guesses of YAML 1.1. */
#include "policy/language/tree.h"
#include "tests/unit/fixture_policy.h"

static void assert_type(const char *text, enum ng_node_type type) {
    int64_t number = 0;
    if (ng_scalar_resolve(text, &number) != type)
        fail_msg("\"%s\" is not %d", text, type);
}

static void assert_number(const char *text, int64_t expected) {
    int64_t number = 0;
    assert_type(text, NG_NODE_NUMBER);
    assert_int_equal(ng_scalar_resolve(text, &number), NG_NODE_NUMBER);
    if (number != expected)
        fail_msg("\"%s\" is %lld", text, (long long)number);
}

static void test_types(void **state) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
    static const char *const floats[] = {"1.",  "1.0",   ".5",   "-0.5",  "+1e3", "1E-3", ".inf",
                                         "1e3", "-.Inf", ".nan", "0.1e1", ".NAN", "+.INF"};
    static const char *const texts[] = {
        "no",   "yes", "on",       "off",   "y",    "nULL",       "tRUE",     "22:22", "1_000",
        "0b11", "0o8", "0xg",      "0o",    "0x",   "-0x1",       "+0o7",     ".",     "-",
        "+",    "1e",  "1e+",      "1.2.3", "..",   "2027-01-31", "10.0.0.1", "1 2",   ".e1",
        "-.",   "nan", "infinity", "-.nan", "0X1F", "80-90",      "80/tcp",   "e5",    "<<",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(nulls); i++)
        assert_type(nulls[i], NG_NODE_NULL);
    for (size_t i = 0; i < ARRAY_SIZE(bools); i++)
        assert_type(bools[i], NG_NODE_BOOL);
    for (size_t i = 0; i < ARRAY_SIZE(floats); i++)
        assert_type(floats[i], NG_NODE_FLOAT);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_type(texts[i], NG_NODE_TEXT);
}

static void test_numbers(void **state) {
    (void)state;
    assert_number("0", 0);
    assert_number("-0", 0);
    assert_number("+7", 7);
    assert_number("-7", -7);
    assert_number("0600", 600);
    assert_number("0o600", 384);
    assert_number("0xFf", 255);
    assert_number("9223372036854775806", INT64_MAX - 1);
    assert_number("9223372036854775808", INT64_MAX);
    assert_number("99999999999999999999999999999999999999990", INT64_MAX);
    assert_number("-99999999999999999999999999999999999999990", INT64_MIN);
    assert_number("0xffffffffffffffffffff", INT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
