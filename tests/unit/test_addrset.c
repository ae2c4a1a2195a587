/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets of intervals against a bitmap over a small universe, at both ends of the numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "netguard/addr.h"
#include "tests/unit/fixture_random.h"

enum { UNIVERSE = 64, ROUNDS = 20000 };

/* Bit i of a model stands for the number `offset + i`. */
static ng_u128 offset;

static int setup(void **state) {
    *state = ng_arena_new();
    return *state ? 0 : -1;
}

static int teardown(void **state) {
    ng_arena_free(*state);
    return 0;
}

static uint64_t random_model(struct dice *dice) {
    uint64_t model = dice_next(dice);
    switch (roll(dice, 4)) {
    case 0:
        return 0;
    case 1: /* long runs */
        model &= dice_next(dice);
        return model | model << 1 | model << 2 | model << 3;
    case 2:
        return ~((model & dice_next(dice)) & dice_next(dice));
    default:
        return model;
    }
}

/* In pieces that overlap and touch, in no order. */
static struct ng_addrset make(struct ng_arena *arena, struct dice *dice, uint64_t model) {
    struct ng_interval pieces[4 * UNIVERSE];
    size_t n = 0;
    for (unsigned i = 0; i < UNIVERSE; i++) {
        unsigned last = i;
        if (!(model >> i & 1))
            continue;
        while (last + 1 < UNIVERSE && model >> (last + 1) & 1 && roll(dice, 4))
            last++;
        pieces[n++] = (struct ng_interval){offset + i, offset + last};
        if (roll(dice, 3) == 0)
            i = last;
    }
    for (size_t i = 0; i + 1 < n; i++) {
        size_t other = i + roll(dice, (unsigned)(n - i));
        struct ng_interval swap = pieces[i];
        pieces[i] = pieces[other];
        pieces[other] = swap;
    }
    struct ng_addrset set;
    assert_int_equal(ng_addrset_from(arena, pieces, n, &set), 0);
    return set;
}

/* The set is the model, sorted, disjoint and never touching. */
static void assert_model(struct ng_addrset set, uint64_t model) {
    uint64_t found = 0;
    for (size_t i = 0; i < set.count; i++) {
        ng_u128 lo = set.intervals[i].lo, hi = set.intervals[i].hi;
        assert_true(lo <= hi && lo >= offset && hi - offset < UNIVERSE);
        assert_true(i == 0 || lo > set.intervals[i - 1].hi + 1);
        for (ng_u128 at = lo - offset; at <= hi - offset; at++)
            found |= (uint64_t)1 << at;
    }
    assert_true(found == model);
}

static void test_algebra(void **state) {
    static const ng_u128 offsets[] = {0, 0xffffffc0, (ng_u128)1 << 64, ~(ng_u128)0 - 63};
    struct dice dice = {0xadd25e7};
    for (unsigned round = 0; round < ROUNDS; round++) {
        offset = offsets[round % ARRAY_SIZE(offsets)];
        uint64_t model_a = random_model(&dice), model_b = random_model(&dice);
        struct ng_addrset a = make(*state, &dice, model_a), b = make(*state, &dice, model_b), c;
        assert_model(a, model_a);
        assert_int_equal(ng_addrset_union(*state, a, b, &c), 0);
        assert_model(c, model_a | model_b);
        assert_int_equal(ng_addrset_intersect(*state, a, b, &c), 0);
        assert_model(c, model_a & model_b);
        assert_int_equal(ng_addrset_subtract(*state, a, b, &c), 0);
        assert_model(c, model_a & ~model_b);
        assert_model(a, model_a); /* immutable */
        assert_model(b, model_b);

        assert_int_equal(ng_addrset_equal(a, b), model_a == model_b);
        assert_int_equal(ng_addrset_subset(a, b), (model_a & ~model_b) == 0);
        assert_int_equal(ng_addrset_empty(a), model_a == 0);
        for (unsigned i = 0; i < UNIVERSE; i++)
            assert_int_equal(ng_addrset_contains(a, offset + i), model_a >> i & 1);
        assert_false(ng_addrset_contains(a, offset - 1)); /* wraps where offset is 0 */
        assert_false(ng_addrset_contains(a, offset + UNIVERSE));
    }
}

static void test_equal_to_itself_in_pieces(void **state) {
    struct dice dice = {0x1dea};
    offset = 1000;
    for (unsigned round = 0; round < 1000; round++) {
        uint64_t model = random_model(&dice);
        assert_true(ng_addrset_equal(make(*state, &dice, model), make(*state, &dice, model)));
    }
}

static void test_whole(void **state) {
    const struct ng_interval halves[] = {{(ng_u128)1 << 127, ~(ng_u128)0},
                                         {0, ((ng_u128)1 << 127) - 1}};
    struct ng_addrset whole, joined, rest;
    assert_int_equal(ng_addrset_range(*state, 0, ~(ng_u128)0, &whole), 0);
    assert_int_equal(ng_addrset_from(*state, halves, 2, &joined), 0);
    assert_true(ng_addrset_equal(whole, joined));
    assert_int_equal(ng_addrset_subtract(*state, whole, joined, &rest), 0);
    assert_true(ng_addrset_empty(rest));
    assert_int_equal(ng_addrset_from(*state, NULL, 0, &rest), 0);
    assert_true(ng_addrset_empty(rest));
}

/* -- prefixes ------------------------------------------------------------------------ */

struct prefixes {
    ng_u128 covered_until; /* the next address that is not yet listed */
    struct ng_addrset set;
    uint8_t family;
    size_t count;
    uint64_t model; /* of addresses from `offset` on */
};

static void take_prefix(struct ng_addr addr, unsigned len, void *context) {
    struct prefixes *prefixes = context;
    ng_u128 size_less_1 = ng_family_max(prefixes->family) ^ ng_prefix_mask(prefixes->family, len);
    assert_int_equal(addr.family, prefixes->family);
    assert_true((addr.value & size_less_1) == 0);
    assert_true(prefixes->count == 0 || addr.value >= prefixes->covered_until);
    for (ng_u128 i = 0; i <= size_less_1; i++)
        prefixes->model |= (uint64_t)1 << (addr.value - offset + i);
    prefixes->covered_until = addr.value + size_less_1 + 1;
    prefixes->count++;
}

/* How many aligned blocks a model needs at least: whole, or both halves apart. */
static size_t fewest(uint64_t model, unsigned at, unsigned size) {
    uint64_t block = (size == 64 ? ~(uint64_t)0 : ((uint64_t)1 << size) - 1) << at;
    if ((model & block) == block)
        return 1;
    if ((model & block) == 0)
        return 0;
    return fewest(model, at, size / 2) + fewest(model, at + size / 2, size / 2);
}

static void test_prefixes(void **state) {
    static const struct {
        uint8_t family;
        ng_u128 offset;
    } places[] = {
        {NG_IP4, 0}, {NG_IP4, 0xffffffc0},       {NG_IP4, 0x0a000000},
        {NG_IP6, 0}, {NG_IP6, ~(ng_u128)0 - 63},
    };
    struct dice dice = {0x9ef1e5};
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint8_t family = places[round % ARRAY_SIZE(places)].family;
        offset = places[round % ARRAY_SIZE(places)].offset;
        uint64_t model = random_model(&dice);
        struct prefixes prefixes = {.family = family};
        ng_addrset_each_prefix(make(*state, &dice, model), family, take_prefix, &prefixes);
        assert_true(prefixes.model == model);
        assert_int_equal(prefixes.count, fewest(model, 0, 64));
    }
}

static void print_prefix(struct ng_addr addr, unsigned len, void *context) {
    char one[NG_ADDR_TEXT];
    strcat(context, ng_prefix_text(addr, len, one));
    strcat(context, " ");
}

static void test_prefixes_of_large_sets(void **state) {
    static const struct {
        uint8_t family;
        ng_u128 lo, hi;
        const char *text;
    } table[] = {
        {NG_IP4, 0, UINT32_MAX, "0.0.0.0/0 "},
        {NG_IP6, 0, ~(ng_u128)0, "::/0 "},
        {NG_IP4, 1, 7, "0.0.0.1/32 0.0.0.2/31 0.0.0.4/30 "},
        {NG_IP4, 0x80000000, UINT32_MAX, "128.0.0.0/1 "},
        {NG_IP4, 0x7fffffff, 0x80000000, "127.255.255.255/32 128.0.0.0/32 "},
        {NG_IP6, (ng_u128)1 << 127, ~(ng_u128)0, "8000::/1 "},
    };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char text[1024] = "";
        struct ng_addrset set;
        assert_int_equal(ng_addrset_range(*state, table[i].lo, table[i].hi, &set), 0);
        ng_addrset_each_prefix(set, table[i].family, print_prefix, text);
        assert_string_equal(text, table[i].text);
    }
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_algebra),  TEST(test_equal_to_itself_in_pieces), TEST(test_whole),
        TEST(test_prefixes), TEST(test_prefixes_of_large_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
