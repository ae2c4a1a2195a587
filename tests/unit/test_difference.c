/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netguard/difference.h"
#include "tests/unit/fixture_result.h"

static struct ng_exposure redis_with(const char *id, const struct ng_reach *reach, size_t count) {
    struct ng_exposure exposure = {
        .kind = NG_KIND_PUBLISHED,
        .family = NG_IP4,
        .proto = NG_TCP,
        .host_port = 6379,
        .container = &fixture_containers[FIXTURE_REDIS],
        .container_port = 6379,
        .reach = reach,
        .n_reach = count,
    };
    strcpy(exposure.id, id);
    return exposure;
}

static struct ng_difference *differences(struct ng_arena *arena, const struct ng_exposure *before,
                                         size_t n_before, const struct ng_exposure *after,
                                         size_t n_after, size_t expected) {
    const struct ng_result left = {.exposures = before, .n_exposures = n_before};
    const struct ng_result right = {.exposures = after, .n_exposures = n_after};
    struct ng_difference *items = NULL;
    size_t count;
    assert_int_equal(ng_difference_make(&left, &right, arena, &items, &count), 0);
    assert_int_equal(count, expected);
    return items;
}

static const struct ng_reach blocked = {
    .zone = "public", .interface = "eth0", .verdict = NG_BLOCKED};
static const struct ng_reach open_to_all = {
    .zone = "public", .interface = "eth0", .verdict = NG_REACHABLE, .sources = {fixture_all4, 1}};
static const struct ng_reach open_to_most = {.zone = "public",
                                             .interface = "eth0",
                                             .verdict = NG_PARTLY,
                                             .sources = {fixture_most4, ARRAY_SIZE(fixture_most4)}};
static const struct ng_reach open_by_ports = {.zone = "public",
                                              .interface = "eth0",
                                              .verdict = NG_PARTLY,
                                              .sources = {fixture_all4, 1},
                                              .source_ports = fixture_source_ports,
                                              .n_source_ports = 2};

static void test_verdicts_and_sources(void **state) {
    static const struct {
        const struct ng_reach *before, *after;
        bool differs, opens;
    } cases[] = {
        {&blocked, &open_to_all, true, true},        {&open_to_all, &blocked, true, false},
        {&open_to_most, &open_to_all, true, true},   {&open_to_all, &open_to_most, true, false},
        {&open_to_most, &open_by_ports, true, true}, /* whom it kept out, by some ports */
        {&open_to_all, &open_to_all, false, false},  {&blocked, &blocked, false, false},
    };
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct ng_exposure before = redis_with("a", cases[i].before, 1);
        const struct ng_exposure after = redis_with("a", cases[i].after, 1);
        const struct ng_difference *items =
            differences(arena, &before, 1, &after, 1, cases[i].differs);
        if (!cases[i].differs)
            continue;
        assert_ptr_equal(items[0].exposure, &after);
        assert_ptr_equal(items[0].before, cases[i].before);
        assert_ptr_equal(items[0].after, cases[i].after);
        assert_int_equal(items[0].opens, cases[i].opens);
    }
}

/* What comes or goes has no reach to be compared with. */
static void test_only_what_is_in_both(void **state) {
    struct ng_reach elsewhere = open_to_all;
    elsewhere.interface = "eth1";
    const struct ng_reach both[] = {open_to_all, elsewhere};
    const struct ng_exposure before[] = {redis_with("a", &blocked, 1),
                                         redis_with("b", &blocked, 1)};
    const struct ng_exposure after[] = {redis_with("b", both, 2), redis_with("c", &open_to_all, 1)};
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    (void)state;
    const struct ng_difference *items = differences(arena, before, 2, after, 2, 1);
    assert_ptr_equal(items[0].exposure, &after[0]);
    assert_string_equal(items[0].after->interface, "eth0");
    differences(arena, NULL, 0, after, 2, 0);
    differences(arena, before, 2, NULL, 0, 0);
}

/* Two of one id cannot be told apart. */
static void test_one_id_twice(void **state) {
    const struct ng_exposure before[] = {redis_with("a", &blocked, 1),
                                         redis_with("a", &open_to_all, 1)};
    const struct ng_exposure after[] = {redis_with("a", &blocked, 1)};
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    (void)state;
    differences(arena, before, 2, after, 1, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts_and_sources),
        cmocka_unit_test(test_only_what_is_in_both),
        cmocka_unit_test(test_one_id_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
