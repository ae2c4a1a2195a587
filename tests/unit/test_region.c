/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pairs of source address and port against a bitmap: 16 addresses times 8 places for ports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "netguard/reach.h"
#include "tests/unit/fixture_random.h"

enum { ADDRS = 16, PORTS = 8, ROUNDS = 20000 };

/* Stretches of ports that together are all of them; the model has one bit per stretch. */
static const struct {
    uint16_t lo, hi;
} stretches[PORTS] = {
    {0, 0},        {1, 21},        {22, 22},       {23, 1023},
    {1024, 32767}, {32768, 65533}, {65534, 65534}, {65535, 65535},
};

struct model {
    uint16_t addrs[PORTS];
};

static int setup(void **state) {
    *state = ng_arena_new();
    return *state ? 0 : -1;
}

static int teardown(void **state) {
    ng_arena_free(*state);
    return 0;
}

static struct ng_addrset set_of(struct ng_arena *arena, uint16_t bits) {
    struct ng_interval intervals[ADDRS];
    struct ng_addrset set;
    size_t n = 0;
    for (unsigned i = 0; i < ADDRS; i++)
        if (bits >> i & 1)
            intervals[n++] = (struct ng_interval){i, i};
    assert_int_equal(ng_addrset_from(arena, intervals, n, &set), 0);
    return set;
}

/* By rectangles, some over others. */
static struct ng_region random_region(struct ng_arena *arena, struct dice *dice,
                                      struct model *ret_model) {
    struct ng_region region = {0};
    memset(ret_model, 0, sizeof(*ret_model));
    for (unsigned n = roll(dice, 5); n > 0; n--) {
        unsigned lo = roll(dice, PORTS), hi = lo + roll(dice, PORTS - lo);
        uint16_t bits = (uint16_t)(dice_next(dice) & dice_next(dice));
        struct ng_region one;
        assert_int_equal(
            ng_region_make(arena, stretches[lo].lo, stretches[hi].hi, set_of(arena, bits), &one),
            0);
        assert_int_equal(ng_region_union(arena, region, one, &region), 0);
        for (unsigned i = lo; i <= hi; i++)
            ret_model->addrs[i] |= bits;
    }
    return region;
}

static uint16_t bits_at(struct ng_region region, uint16_t port) {
    uint16_t bits = 0;
    for (size_t i = 0; i < region.count; i++)
        for (unsigned at = 0; at < ADDRS; at++)
            if (port >= region.bands[i].lo && port <= region.bands[i].hi &&
                ng_addrset_contains(region.bands[i].addrs, at))
                bits |= (uint16_t)(1 << at);
    return bits;
}

static void assert_model(struct ng_region region, const struct model *model) {
    uint16_t all = 0;
    for (unsigned i = 0; i < PORTS; i++) {
        assert_int_equal(bits_at(region, stretches[i].lo), model->addrs[i]);
        assert_int_equal(bits_at(region, stretches[i].hi), model->addrs[i]);
        all |= model->addrs[i];
    }
    assert_int_equal(ng_region_empty(region), all == 0);
    for (size_t i = 0; i < region.count; i++) {
        const struct ng_band *band = &region.bands[i];
        assert_true(band->lo <= band->hi);
        assert_false(ng_addrset_empty(band->addrs));
        assert_true(i == 0 || band->lo > band[-1].hi);
        assert_false(i > 0 && band->lo == band[-1].hi + 1 &&
                     ng_addrset_equal(band->addrs, band[-1].addrs));
    }
}

static void test_algebra(void **state) {
    struct dice dice = {0x2e9104};
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct model model_a, model_b, both, common, rest;
        struct ng_region a = random_region(*state, &dice, &model_a), c;
        struct ng_region b = random_region(*state, &dice, &model_b);
        uint16_t all = 0;
        for (unsigned i = 0; i < PORTS; i++) {
            both.addrs[i] = model_a.addrs[i] | model_b.addrs[i];
            common.addrs[i] = model_a.addrs[i] & model_b.addrs[i];
            rest.addrs[i] = model_a.addrs[i] & (uint16_t)~model_b.addrs[i];
            all |= model_a.addrs[i];
        }
        assert_model(a, &model_a);
        assert_int_equal(ng_region_union(*state, a, b, &c), 0);
        assert_model(c, &both);
        assert_int_equal(ng_region_intersect(*state, a, b, &c), 0);
        assert_model(c, &common);
        assert_int_equal(ng_region_subtract(*state, a, b, &c), 0);
        assert_model(c, &rest);
        assert_model(a, &model_a);

        struct ng_addrset addrs;
        assert_int_equal(ng_region_addrs(*state, a, &addrs), 0);
        for (unsigned i = 0; i < ADDRS; i++)
            assert_int_equal(ng_addrset_contains(addrs, i), all >> i & 1);
        if (round % 1000 == 999) { /* memory is for a question, not for a million */
            ng_arena_free(*state);
            *state = ng_arena_new();
        }
    }
}

enum { SHARED = 6, SINGLE_PORTS = 256 };

/* Single ports, whose addresses are one of a few sets that lie in memory once; 0 is none. */
static struct ng_region of_shared_sets(struct ng_arena *arena, struct dice *dice,
                                       const struct ng_addrset *sets, uint8_t *ret_which) {
    struct ng_band *bands = ng_arena_alloc(arena, SINGLE_PORTS, sizeof(*bands));
    struct ng_region region = {.bands = bands};
    assert_non_null(bands);
    for (unsigned port = 0; port < SINGLE_PORTS; port++) {
        unsigned which = roll(dice, SHARED);
        if (port && which == ret_which[port - 1]) /* neighbours differ */
            which = (which + 1) % SHARED;
        ret_which[port] = (uint8_t)which;
        if (which)
            bands[region.count++] = (struct ng_band){(uint16_t)port, (uint16_t)port, sets[which]};
    }
    return region;
}

/* Thousands of bands that take turns between a few sets, as a mask on ports makes them. */
static void test_bands_that_share_sets(void **state) {
    static const uint16_t bits[SHARED] = {0, 0x0001, 0x00ff, 0xff00, 0x0ff0, 0xffff};
    struct ng_addrset sets[SHARED];
    struct dice dice = {0x5e75};
    for (unsigned i = 0; i < SHARED; i++)
        sets[i] = set_of(*state, bits[i]);
    for (unsigned round = 0; round < 20; round++) {
        uint8_t of_a[SINGLE_PORTS], of_b[SINGLE_PORTS];
        struct ng_region a = of_shared_sets(*state, &dice, sets, of_a), both, common, rest;
        struct ng_region b = of_shared_sets(*state, &dice, sets, of_b);
        uint16_t all = 0;
        assert_int_equal(ng_region_union(*state, a, b, &both), 0);
        assert_int_equal(ng_region_intersect(*state, a, b, &common), 0);
        assert_int_equal(ng_region_subtract(*state, a, b, &rest), 0);
        for (unsigned port = 0; port < SINGLE_PORTS; port++) {
            uint16_t x = bits[of_a[port]], y = bits[of_b[port]];
            assert_int_equal(bits_at(both, (uint16_t)port), x | y);
            assert_int_equal(bits_at(common, (uint16_t)port), x & y);
            assert_int_equal(bits_at(rest, (uint16_t)port), x & (uint16_t)~y);
            all |= x;
        }
        struct ng_addrset addrs;
        assert_int_equal(ng_region_addrs(*state, a, &addrs), 0);
        for (unsigned i = 0; i < ADDRS; i++)
            assert_int_equal(ng_addrset_contains(addrs, i), all >> i & 1);
    }
}

static void test_nothing(void **state) {
    struct ng_region region = {.count = 99};
    assert_int_equal(ng_region_make(*state, 0, 10, (struct ng_addrset){0}, &region), 0);
    assert_true(ng_region_empty(region));
    region.count = 99;
    assert_int_equal(ng_region_make(*state, 10, 9, set_of(*state, 1), &region), 0);
    assert_true(ng_region_empty(region));
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_algebra),
        TEST(test_bands_that_share_sets),
        TEST(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
