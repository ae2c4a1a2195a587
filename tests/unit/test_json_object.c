/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scanner of lines against jansson, which knows JSON: they accept the same and read the same
 * from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "agent/command/json_object.h"
#include "tests/unit/fixture_random.h"

static const char *const keys[] = {"a", "iif", "é"};

static struct ng_json_member members[ARRAY_SIZE(keys)];
static struct ng_error error;

/* At the end of its own memory, so that a sanitizer sees a look beyond. */
static int read_object(const char *line, size_t len) {
    char *own = malloc(len ? len : 1);
    assert_non_null(own);
    memcpy(own, line, len);
    error = (struct ng_error){0};
    int r = ng_json_object_read(own, len, keys, ARRAY_SIZE(keys), members, &error);
    free(own);
    assert_true(r == 0 || (r == -EINVAL && error.message[0]));
    return r;
}

static void assert_member_is(const struct ng_json_member *member, const json_t *value) {
    if (!value) {
        assert_int_equal(member->kind, NG_JSON_ABSENT);
    } else if (json_is_string(value)) {
        assert_int_equal(member->kind, NG_JSON_STRING);
        assert_int_equal(member->cut, json_string_length(value) >= NG_JSON_TEXT);
        if (!member->cut)
            assert_string_equal(member->text, json_string_value(value));
        assert_true(strlen(member->text) < NG_JSON_TEXT);
    } else if (json_is_integer(value) && llabs(json_integer_value(value)) < 1000000000000000000) {
        assert_int_equal(member->kind, NG_JSON_INTEGER);
        assert_true(member->number == json_integer_value(value));
    } else {
        assert_int_equal(member->kind, NG_JSON_OTHER);
    }
}

/* What both must say of a line; jansson refuses numbers that are too large for it. */
static void compare(const char *line, size_t len) {
    json_error_t fault;
    json_t *value = json_loadb(line, len, JSON_REJECT_DUPLICATES, &fault);
    int r = read_object(line, len);
    bool too_large = !value && (json_error_code(&fault) == json_error_numeric_overflow);
    bool twice = !value && json_error_code(&fault) == json_error_duplicate_key;
    if (!too_large && !twice && (r == 0) != json_is_object(value))
        fail_msg("%.*s: %s, but jansson says %s", (int)len, line, r == 0 ? "read" : error.message,
                 value ? "read" : fault.text);
    for (size_t i = 0; r == 0 && json_is_object(value) && i < ARRAY_SIZE(keys); i++)
        assert_member_is(&members[i], json_object_get(value, keys[i]));
    json_decref(value);
}

static const char *const lines[] = {
    "{}",
    " \t{ } \r",
    "{\"a\":1}",
    "{\"a\":-0,\"iif\":0.0,\"x\":1e5}",
    "{\"a\":01}",
    "{\"a\":1.}",
    "{\"a\":1e}",
    "{\"a\":-}",
    "{\"a\":999999999999999999}",
    "{\"a\":-999999999999999999}",
    "{\"a\":\"\"}",
    "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83d\\ude00\"}",
    "{\"a\":\"\\ud800\\udc00\\udbff\\udfff\\ud7ff\\ue000\"}",
    "{\"a\":\"\\ud83d\"}",
    "{\"a\":\"\\ude00\"}",
    "{\"a\":\"\\ud83dx\"}",
    "{\"a\":\"\\x\"}",
    "{\"a\":\"\x7f\"}",
    "{\"a\":\"\x01\"}",
    "{\"a\":\"é€😀\"}",
    "{\"a\":\"\xff\"}",
    "{\"a\":\"\xc3\"}",
    "{\"é\":1}",
    "{\"\\u00e9\":1}",
    "{\"\\u0069if\":\"x\"}",
    "{\"a\":true,\"iif\":false,\"x\":null}",
    "{\"a\":tru}",
    "{\"a\":[1,[2,{\"a\":3}],\"]\"]}",
    "{\"a\":[1,]}",
    "{\"a\":[,1]}",
    "{\"a\":{\"iif\":1,\"iif\":2}}",
    "{\"a\":1,}",
    "{,}",
    "{\"a\" 1}",
    "{a:1}",
    "{\"a\":1}x",
    "{\"a\":1} {}",
    "[]",
    "\"a\"",
    "",
    "{",
    "{\"a",
    "{\"a\":",
    "{\"a\":\"",
    "{\"a\":\"\\",
    "{\"a\":\"\\u12",
    "{\"a\":[",
};

static void test_lines(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        compare(lines[i], strlen(lines[i]));
    compare("{\"a\":\"\0\"}", 9);
    compare("{\"a\":\0}", 7);
}

static void test_limits(void **state) {
    char line[4 * NG_JSON_TEXT + 2 * NG_JSON_DEPTH + 20];
    (void)state;
    for (int len = NG_JSON_TEXT - 3; len < NG_JSON_TEXT + 3; len++) {
        int n =
            snprintf(line, sizeof(line), "{\"a\":\"%0*d\",\"%0*d\":1,\"iif\":2}", len, 0, len, 0);
        compare(line, (size_t)n);
    }
    for (int depth = NG_JSON_DEPTH - 1; depth <= NG_JSON_DEPTH + 1; depth++) {
        memcpy(line, "{\"a\":", 5);
        memset(line + 5, '[', (size_t)depth);
        memset(line + 5 + depth, ']', (size_t)depth);
        line[5 + 2 * depth] = '}';
        assert_int_equal(read_object(line, (size_t)(6 + 2 * depth)),
                         depth > NG_JSON_DEPTH ? -EINVAL : 0);
    }
    /* Twice the same key, and twice one that nobody asks for. */
    assert_int_equal(read_object("{\"a\":1,\"a\":1}", 13), -EINVAL);
    assert_int_equal(read_object("{\"x\":1,\"x\":1}", 13), 0);
}

static void test_damaged_lines(void **state) {
    static const char bytes[] = "{}[]\",:\\u0e9.+-txn \xc3\xa9\xff";
    struct dice dice = {0x15};
    (void)state;
    for (unsigned round = 0; round < 60000; round++) {
        char line[300];
        const char *from = lines[roll(&dice, ARRAY_SIZE(lines))];
        size_t len = strlen(from);
        memcpy(line, from, len);
        for (unsigned i = 1 + roll(&dice, 3); i && len; i--) {
            size_t at = roll(&dice, (unsigned)len);
            if (roll(&dice, 3) == 0)
                len = at;
            else if (roll(&dice, 2) == 0)
                memmove(line + at, line + at + 1, --len - at);
            else
                line[at] = bytes[roll(&dice, sizeof(bytes) - 1)];
        }
        compare(line, len);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_damaged_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
