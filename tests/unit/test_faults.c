/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/print/faults.h"

static struct ng_error fault_at(unsigned line, unsigned column, const char *message) {
    struct ng_error fault = {0};

    (void)ng_error_set_at(&fault, 0, "p.yaml", line, column, "%s", message);
    return fault;
}

static void assert_shown(const struct ng_error *fault, const char *kind, const char *bytes,
                         size_t len_bytes, unsigned width, const char *expected) {
    struct ng_policy_text text = {.name = "p.yaml", .bytes = bytes, .len_bytes = len_bytes};
    char *shown = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&shown, &len);

    assert_non_null(out);
    ng_print_fault(out, fault, kind, bytes ? &text : NULL, width);
    fclose(out);
    assert_string_equal(shown, expected);
    free(shown);
}

#define SHOWN(fault, kind, text, width, expected)                                                  \
    assert_shown((fault), (kind), (text), sizeof(text) - 1, (width), (expected))

static void test_place(void **state) {
    struct ng_error fault = fault_at(2, 3, "no; did you mean \"yes\"?");
    (void)state;

    SHOWN(&fault, NULL, "version: 1\n- nope: x\nrest", 80,
          "p.yaml:2:3: no\n"
          "     2 | - nope: x\n"
          "       |   ^ did you mean \"yes\"?\n");
    SHOWN(&fault, "warning", "version: 1\r\n- nope: x\r\n", 80,
          "p.yaml:2:3: warning: no\n"
          "     2 | - nope: x\n"
          "       |   ^ did you mean \"yes\"?\n");
}

/* The caret stands below the character, whatever stands before it. */
static void test_columns(void **state) {
    struct ng_error fault = fault_at(1, 4, "x");
    (void)state;

    SHOWN(&fault, NULL, "日本: x", 80,
          "p.yaml:1:4: x\n"
          "     1 | 日本: x\n"
          "       |      ^\n");
    SHOWN(&fault, NULL, "a\t:\tx", 80,
          "p.yaml:1:4: x\n"
          "     1 | a       :       x\n"
          "       |          ^\n");
    SHOWN(&fault, NULL, "a\x1b[2J", 80, /* nothing of the file reaches the terminal */
          "p.yaml:1:4: x\n"
          "     1 | a\\x1b[2J\n"
          "       |       ^\n");
    SHOWN(&fault, NULL, "a\xff\0b", 80,
          "p.yaml:1:4: x\n"
          "     1 | a\\xff\\x00b\n"
          "       |          ^\n");
}

/* Only the part of a long line where the place is. */
static void test_long_line(void **state) {
    struct ng_error fault = fault_at(1, 1001, "x");
    char line[2001];
    (void)state;

    memset(line, 'a', 1000);
    memset(line + 1000, 'b', 1000);
    assert_shown(&fault, NULL, line, 2000, 12,
                 "p.yaml:1:1001: x\n"
                 "     1 | …aaaabbbbbbbb…\n"
                 "       |      ^\n");
    fault.column = 1;
    assert_shown(&fault, NULL, line, 2000, 12,
                 "p.yaml:1:1: x\n"
                 "     1 | aaaaaaaaaaaa…\n"
                 "       | ^\n");
    fault.column = 2001; /* behind the end */
    assert_shown(&fault, NULL, line, 2000, 12,
                 "p.yaml:1:2001: x\n"
                 "     1 | …bbbbbbbbbbbb\n"
                 "       |              ^\n");
}

/* What has no place, or one that is not in the text, is told without a line. */
/* A webhook's URL may be all that authorizes, and what CI prints everybody reads. */
static void test_secrets(void **state) {
    struct ng_error fault = fault_at(1, 3, "x");
    (void)state;

    SHOWN(&fault, NULL, "  url: \"https://me:s3cret@a.example:8/T0/B1?x#y\", fromat: slack", 80,
          "p.yaml:1:3: x\n"
          "     1 |   url: \"*****://**:******@*.*******:*/**/**?*#*\", fromat: *****\n"
          "       |   ^\n");
    SHOWN(&fault, NULL, "{\"tokn\": \"a,b {c|d\", \"webhook\": {url: hooks.x/é:1}}", 80,
          "p.yaml:1:3: x\n"
          "     1 | {\"tokn\": \"*,* {*|*\", \"webhook\": {url: *****.*/*:*}}\n"
          "       |   ^\n");
    SHOWN(&fault, NULL, "no: here", 80, "p.yaml:1:3: x\n     1 | no: here\n       |   ^\n");
}

static void test_no_line(void **state) {
    struct ng_error fault = fault_at(3, 1, "x; did you mean \"y\"?"), alone = {.message = "alone"};
    (void)state;

    SHOWN(&fault, NULL, "one\ntwo", 80, "p.yaml:3:1: x; did you mean \"y\"?\n");
    assert_shown(&fault, NULL, NULL, 0, 80, "p.yaml:3:1: x; did you mean \"y\"?\n");
    SHOWN(&alone, "warning", "one", 80, "warning: alone\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place),     cmocka_unit_test(test_columns),
        cmocka_unit_test(test_long_line), cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_no_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
