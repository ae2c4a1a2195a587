/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TEST_FIXTURE_POLICY_H
#define NETGUARD_TEST_FIXTURE_POLICY_H

/* Policies for tests: texts that must parse, and texts that must fail in exactly one way. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netguard/policy.h"

/* Tests run in the root of the sources. */
#define POLICY_DATA "tests/unit/data/policy"

struct bad {
    const char *text;
    size_t len_bytes;
    const char *expected; /* "line:column: message" */
};

#define BAD(bad_text, bad_expected)                                                                \
    { .text = (bad_text), .len_bytes = sizeof(bad_text) - 1, .expected = (bad_expected) }

static inline struct ng_policy_text policy_text(const char *text) {
    return (struct ng_policy_text){.name = "policy.yaml", .bytes = text, .len_bytes = strlen(text)};
}

static inline struct ng_policy *parse_texts(const struct ng_policy_text *texts, size_t count) {
    struct ng_policy *policy = NULL;
    struct ng_error error = {0};

    if (ng_policy_parse(texts, count, &policy, &error) < 0)
        fail_msg("%s:%u:%u: %s", error.source, error.line, error.column, error.message);
    assert_non_null(policy);
    return policy;
}

static inline struct ng_policy *parse_good(const char *text) {
    struct ng_policy_text one = policy_text(text);
    return parse_texts(&one, 1);
}

/* All that is wrong, a line each. */
static inline const char *faults_text(struct ng_arena *arena, const struct ng_policy_text *texts,
                                      size_t count) {
    struct ng_policy *policy = NULL;
    const struct ng_error *faults = NULL;
    size_t n_faults = 0;
    char *text = ng_arena_strdup(arena, "");

    int r = ng_policy_check(texts, count, arena, &policy, &faults, &n_faults);
    assert_int_equal(r<0, n_faults> 0);
    assert_int_equal(r < 0, policy == NULL);
    for (size_t i = 0; i < n_faults; i++)
        text = ng_arena_printf(arena, "%s%s:%u:%u: %s\n", text, faults[i].source, faults[i].line,
                               faults[i].column, faults[i].message);
    ng_policy_free(policy);
    return text;
}

/* The text must fail with `code` and exactly that place and message, which is all that is told of
 * it, and leave the result alone. */
static inline void assert_refused(const struct ng_policy_text *texts, size_t count, int code,
                                  const char *expected) {
    struct ng_policy *untouched = (struct ng_policy *)&code, *policy = untouched;
    struct ng_error error = {0};
    char found[sizeof(error.message) + 32];

    int r = ng_policy_parse(texts, count, &policy, &error);
    snprintf(found, sizeof(found), "%u:%u: %s", error.line, error.column, error.message);
    assert_string_equal(found, expected);
    assert_int_equal(r, code);
    assert_ptr_equal(policy, untouched);

    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    assert_string_equal(faults_text(arena, texts, count),
                        ng_arena_printf(arena, "%s:%s\n", error.source, expected));
}

static inline char *read_policy_file(const char *path, size_t *ret_len) {
    char *text = calloc(1, 1 << 16);
    FILE *file = fopen(path, "rb");

    if (!file || !text)
        fail_msg("cannot read %s", path);
    *ret_len = fread(text, 1, (1 << 16) - 1, file);
    fclose(file);
    return text;
}

static inline void assert_all_refused(const struct bad *table, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct ng_policy_text text = {
            .name = "policy.yaml", .bytes = table[i].text, .len_bytes = table[i].len_bytes};
        assert_refused(&text, 1, -EINVAL, table[i].expected);
    }
}

#endif
