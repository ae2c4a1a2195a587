/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pieces of an arena: zeroed, aligned, apart from each other, gone at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netguard/base.h"
#include "tests/unit/fixture_random.h"

static int setup(void **state) {
    *state = ng_arena_new();
    return *state ? 0 : -1;
}

static int teardown(void **state) {
    ng_arena_free(*state);
    return 0;
}

static void test_free_takes_nothing(void **state) {
    (void)state;
    struct ng_arena *none = NULL, *some = ng_arena_new();
    ng_arena_free(NULL);
    ng_arena_freep(&none);
    ng_arena_freep(&some);
    assert_null(some);
}

/* Each piece is filled with a number of its own; if two shared a byte, the later one would
 * show in the earlier, and if one were handed out used, it would not be zero. */
static void test_pieces(void **state) {
    enum { PIECES = 3000, LARGEST = 20000 };
    static struct {
        unsigned char *bytes;
        size_t len;
    } pieces[PIECES];
    struct dice dice = {0x5eed};

    for (size_t i = 0; i < PIECES; i++) {
        pieces[i].len = roll(&dice, 100) ? roll(&dice, 200) : roll(&dice, LARGEST);
        pieces[i].bytes = ng_arena_alloc(*state, pieces[i].len, 1);
        assert_non_null(pieces[i].bytes);
        assert_int_equal((uintptr_t)pieces[i].bytes % _Alignof(max_align_t), 0);
        for (size_t k = 0; k < pieces[i].len; k++)
            assert_int_equal(pieces[i].bytes[k], 0);
        memset(pieces[i].bytes, (int)(1 + i % 255), pieces[i].len);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t k = 0; k < pieces[i].len; k++)
            assert_int_equal(pieces[i].bytes[k], 1 + i % 255);
}

static void test_a_piece_larger_than_any_block(void **state) {
    enum { HUGE_BYTES = 5 * 1024 * 1024 };
    char *before = ng_arena_alloc(*state, 1, 16);
    char *large = ng_arena_alloc(*state, HUGE_BYTES, 1);
    char *after = ng_arena_alloc(*state, 1, 16);
    assert_non_null(large);
    memset(large, 1, HUGE_BYTES);
    /* The rest of the block in use is not lost to it. */
    assert_ptr_equal(after, before + 16);
}

static void test_no_elements_is_a_pointer(void **state) {
    assert_non_null(ng_arena_alloc(*state, 0, 8));
    assert_non_null(ng_arena_alloc(*state, 8, 0));
}

static void test_too_large(void **state) {
    assert_null(ng_arena_alloc(*state, SIZE_MAX / 2 + 1, 2));
    assert_null(ng_arena_alloc(*state, SIZE_MAX / 16 + 2, 16));
    assert_null(ng_arena_alloc(*state, SIZE_MAX, 1));
    assert_non_null(ng_arena_alloc(*state, 1, 1)); /* and it lives on */
}

/* All is given back but the largest block, which is handed out again, zeroed. */
static void test_reset(void **state) {
    enum { PIECE_BYTES = 100000 };
    ng_arena_reset(*state); /* nothing in it yet */
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 40; i++) {
            unsigned char *piece = ng_arena_alloc(*state, PIECE_BYTES, 1);
            assert_non_null(piece);
            for (size_t k = 0; k < PIECE_BYTES; k++)
                assert_int_equal(piece[k], 0);
            memset(piece, 0xff, PIECE_BYTES);
        }
        ng_arena_reset(*state);
    }
}

static void test_strings(void **state) {
    char source[] = "docker0", other[] = {'e', 't', 'h', '0'};
    char *copy = ng_arena_strdup(*state, source);
    source[0] = 'X';
    assert_string_equal(copy, "docker0");
    assert_string_equal(ng_arena_strdup(*state, ""), "");
    assert_string_equal(ng_arena_strndup(*state, other, sizeof(other)), "eth0");
    assert_string_equal(ng_arena_strndup(*state, "eth0", 3), "eth");
    assert_string_equal(ng_arena_strndup(*state, "eth0", 64), "eth0");
    assert_string_equal(ng_arena_strndup(*state, "", 0), "");
}

static void test_printf(void **state) {
    char long_text[10000];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_string_equal(ng_arena_printf(*state, "%s:%u", "::1", 80U), "::1:80");
    assert_string_equal(ng_arena_printf(*state, "%s", ""), "");
    char *printed = ng_arena_printf(*state, "<%s>", long_text);
    assert_int_equal(strlen(printed), sizeof(long_text) + 1);
    assert_int_equal(printed[sizeof(long_text)], '>');
}

static void test_append(void **state) {
    struct ng_arena *arena = *state;
    uint32_t *numbers = NULL;
    size_t count = 0, capacity = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t *slot = NG_ARENA_APPEND(arena, numbers, count, capacity);
        assert_non_null(slot);
        assert_int_equal(*slot, 0);
        assert_ptr_equal(slot, &numbers[i]);
        *slot = i;
        assert_true(count <= capacity);
    }
    assert_int_equal(count, 1000);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(numbers[i], i);
}

static void test_grow_too_large(void **state) {
    size_t capacity = SIZE_MAX / 2 + 1;
    assert_null(ng_arena_grow(*state, NULL, capacity, &capacity, 1));
    assert_int_equal(capacity, SIZE_MAX / 2 + 1);
}

/* Texts are written where they stand: they must not run into what comes after, nor leave behind
 * something that a later piece shows. */
static void test_texts_and_pieces_in_turns(void **state) {
    static const char dots[] = "................................................................";
    struct dice dice = {0x7e97};
    for (unsigned round = 0; round < 3; round++, ng_arena_reset(*state)) {
        for (unsigned i = 0; i < 2000; i++) {
            /* The second is longer than the second block: it goes behind the first, whose rest
             * serves the next. */
            int len = i == 1 ? 9000 : (int)roll(&dice, roll(&dice, 50) ? 60 : 9000);
            char *text = ng_arena_printf(*state, "%u:%*s%s", i, len, "", dots);
            unsigned char *piece = ng_arena_alloc(*state, 1 + roll(&dice, 40), 1);
            assert_non_null(text);
            assert_non_null(piece);
            assert_int_equal(*piece, 0);
            *piece = 0xff;
            assert_int_equal(strtoul(text, NULL, 10), i);
            assert_string_equal(text + strlen(text) - strlen(dots), dots);
        }
    }
}

/* The sanitizer tells of memory that is freed twice or never. */
static void test_adopted(void **state) {
    for (unsigned round = 0; round < 2; round++) {
        char *memory = malloc(100);
        assert_non_null(memory);
        assert_int_equal(ng_arena_adopt(*state, memory), 0);
        memset(memory, 1, 100);
        assert_int_equal(ng_arena_adopt(*state, NULL), 0);
        memory = malloc(100);
        assert_non_null(memory);
        assert_int_equal(ng_arena_adopt(*state, memory), 0);
        ng_arena_release(*state, memory);
        ng_arena_release(*state, *state);
        if (round == 0)
            ng_arena_reset(*state);
    }
}

static void test_decimal(void **state) {
    (void)state;
    static const uint64_t numbers[] = {0, 9, 10, 255, 65535, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        char text[32], expected[32];
        *ng_put_decimal(text, numbers[i]) = '\0';
        snprintf(expected, sizeof(expected), "%llu", (unsigned long long)numbers[i]);
        assert_string_equal(text, expected);
    }
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_free_takes_nothing),
        TEST(test_pieces),
        TEST(test_a_piece_larger_than_any_block),
        TEST(test_no_elements_is_a_pointer),
        TEST(test_too_large),
        TEST(test_reset),
        TEST(test_strings),
        TEST(test_printf),
        TEST(test_append),
        TEST(test_grow_too_large),
        TEST(test_texts_and_pieces_in_turns),
        TEST(test_adopted),
        cmocka_unit_test(test_decimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
