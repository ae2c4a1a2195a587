/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TESTS_FIXTURE_PRINT_H
#define NETGUARD_TESTS_FIXTURE_PRINT_H

/* What tests of printed tables share. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/print/escape.h"
#include "agent/print/print.h"

static const struct ng_print_options fixture_plain = {.width = NG_TABLE_WIDTH};
static const struct ng_print_options fixture_verbose = {.width = NG_TABLE_WIDTH, .verbose = true};

/* For the caller to free. */
static inline char *fixture_print(const struct ng_result *result,
                                  const struct ng_print_options *options) {
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    assert_int_equal(ng_print_table(out, result, options), 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(strlen(text), len);
    return text;
}

static inline void assert_has(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

static inline void assert_has_not(const char *text, const char *part) {
    if (strstr(text, part))
        fail_msg("\"%s\" is in:\n%s", part, text);
}

/* No line is wider than asked for, ends in a space or holds a character that is not to be
 * printed. */
static inline void assert_tidy(const char *text, size_t width) {
    while (*text) {
        const char *end = strchr(text, '\n');

        assert_non_null(end);
        char *line = strndup(text, (size_t)(end - text));
        char safe[1024];

        assert_non_null(line);
        if (ng_text_columns(line) > width)
            fail_msg("wider than %zu: \"%s\"", width, line);
        if (*line && line[strlen(line) - 1] == ' ')
            fail_msg("ends in a space: \"%s\"", line);
        ng_escape(safe, sizeof(safe), line);
        assert_string_equal(line, safe);
        free(line);
        text = end + 1;
    }
}

#endif
