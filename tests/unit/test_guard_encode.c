/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard as messages of nf_tables, and taken out of them again: without a kernel. */
#include "tests/unit/fixture_nft.h"

#include "agent/act/guard_parts.h"
#include "tests/unit/fixture_guard.h"

#define TO4 NG_GUARD_L4PROTO, NG_GUARD_DADDR4, NG_GUARD_DPORT

static struct ng_arena *arena;

static int make_arena(void **state) {
    (void)state;
    arena = ng_arena_new();
    return arena ? 0 : -1;
}

static int free_arena(void **state) {
    (void)state;
    ng_arena_freep(&arena);
    return 0;
}

static struct ng_guard all(uint64_t seed) {
    struct made_guard made = {.arena = arena};
    guard_make_all(&made, seed);
    return made.guard;
}

static struct ng_guard many(size_t count) {
    struct made_guard made = {.arena = arena};
    guard_make_many(&made, count);
    return made.guard;
}

static struct ng_guard armed(unsigned armed_s) {
    struct made_guard made = {.arena = arena};
    guard_make_armed(&made, armed_s);
    return made.guard;
}

/* What the kernel would tell of the guard alone. */
static struct ng_nft_dump dump_of(const struct ng_guard *guard) {
    struct ng_nft_dump dump = {.read = true};
    assert_int_equal(ng_guard_predict(&dump, guard, arena, &dump), 0);
    return dump;
}

static char *words_of(struct ng_nft_dump dump) {
    struct ng_ruleset *ruleset;
    struct ng_error error = {0};
    if (decode(dump.bytes, dump.len_bytes, &ruleset, &error) < 0)
        fail_msg("%s", error.message);
    char *words = in_words(ruleset);
    ng_ruleset_free(ruleset);
    return words;
}

/* -- to the decoder -------------------------------------------------------------------- */

static void test_decodes(void **state) {
    (void)state;
    static const struct ng_guard_element elements[] = {
        {.key = {{.number = NG_TCP}, {.number = 0xac110002}, {.number = 80}}}};
    static const struct ng_guard_element ports[] = {
        {.key = {{.number = 80}}, .end = 80, .chain = "rule_r"},
        {.key = {{.number = 81}}, .end = 90, .chain = "rule_r"},
        {.key = {{.number = 60000}}, .end = 65535, .chain = "rule_r"}};
    static const struct ng_guard_set sets[] = {
        {.name = "ports",
         .fields = {NG_GUARD_DPORT},
         .n_fields = 1,
         .intervals = true,
         .is_map = true,
         .elements = ports,
         .n_elements = ARRAY_SIZE(ports)},
        {.name = "to4", .fields = {TO4}, .n_fields = 3, .elements = elements, .n_elements = 1}};
    static const struct ng_guard_test to[] = {
        {.kind = NG_GUARD_TRANSLATED},
        {.kind = NG_GUARD_IN, .fields = {TO4}, .n_fields = 3, .set = "to4"}};
    static const struct ng_guard_test from[] = {
        {.kind = NG_GUARD_IS,
         .fields = {NG_GUARD_IIFNAME},
         .n_fields = 1,
         .value = {.name = "wg*"}},
        {.kind = NG_GUARD_VMAP, .fields = {NG_GUARD_DPORT}, .n_fields = 1, .set = "ports"}};
    static const struct ng_guard_rule drop[] = {{.log = "netguard r "},
                                                {.counter = true, .verdict = NG_GUARD_DROP}};
    static const struct ng_guard_rule rules[] = {
        {.tests = to, .n_tests = 2, .verdict = NG_GUARD_ACCEPT}, {.tests = from, .n_tests = 2}};
    static const struct ng_guard_chain chains[] = {{.name = "rule_r", .rules = drop, .n_rules = 2},
                                                   {.name = "forward",
                                                    .base = true,
                                                    .hook = NG_HOOK_FORWARD,
                                                    .priority = -1,
                                                    .rules = rules,
                                                    .n_rules = 2}};
    const struct ng_guard guard = {.sets = sets, .n_sets = 2, .chains = chains, .n_chains = 2};
    char *words = words_of(dump_of(&guard));
    assert_string_equal(words, "inet netguard rule_r 1\n"
                               "    5\n"
                               "        undecided 'limit rate 10/second burst 20 packets'\n"
                               "        nothing 'log prefix \"netguard r \" group 4789'\n"
                               "    6\n"
                               "        nothing\n"
                               "        verdict drop\n"
                               "inet netguard forward 2\n"
                               "    7 tracks\n"
                               "        match ct-status&20 not 0\n"
                               "        match nfproto 2\n"
                               "        match l4proto . daddr/4 . dport @to4 (6 . ac110002 . 50)\n"
                               "        verdict accept\n"
                               "    8\n"
                               "        match iifname 77670000000000000000000000000000-"
                               "7767ffffffffffffffffffffffffffff\n"
                               "        vmap dport @ports (50 : goto rule_r) (51-5a : goto rule_r) "
                               "(ea60-ffff : goto rule_r)\n");
    free(words);
}

static void test_takes_the_place_of_what_is_there(void **state) {
    (void)state;
    const struct ng_guard guard = all(1), other = all(2);
    const struct ng_nft_dump first = dump_of(&guard);
    struct ng_nft_dump second;
    assert_int_equal(ng_guard_predict(&first, &other, arena, &second), 0);
    char *words = words_of(second), *expected = words_of(dump_of(&other));
    assert_string_equal(words, expected);
    free(words);
    free(expected);
}

/* What others have written is there byte by byte. */
static void test_leaves_the_rest(void **state) {
    (void)state;
    const struct ng_guard guard = all(1);
    size_t len;
    uint8_t *bytes = read_file("docker", ".dump", &len);
    const struct ng_nft_dump dump = {.bytes = bytes, .len_bytes = len, .read = true};
    struct ng_nft_dump with, again;
    assert_int_equal(ng_guard_predict(&dump, &guard, arena, &with), 0);
    assert_true(with.len_bytes > len);
    assert_memory_equal(with.bytes, bytes, len);
    assert_int_equal(ng_guard_predict(&with, &guard, arena, &again), 0);
    assert_int_equal(again.len_bytes, with.len_bytes);
    assert_memory_equal(again.bytes, with.bytes, with.len_bytes);
    const struct ng_nft_dump torn = {.bytes = bytes, .len_bytes = len - 4, .read = true};
    assert_int_equal(ng_guard_predict(&torn, &guard, arena, &with), -EBADMSG);
    free(bytes);
}

/* -- to the comparison ----------------------------------------------------------------- */

static struct ng_guard_installed installed(struct ng_nft_dump dump) {
    struct ng_guard_contents *contents;
    assert_int_equal(ng_guard_contents_read(&dump, arena, &contents), 0);
    assert_true(contents->present && contents->ours);
    return (struct ng_guard_installed){.hold = NG_GUARD_FREE, .contents = contents};
}

static size_t n_steps(const struct ng_guard *guard, struct ng_nft_dump dump) {
    const struct ng_guard_installed there = installed(dump);
    struct ng_guard_step *steps;
    size_t count;
    assert_int_equal(ng_guard_steps(guard, &there, NG_GUARD_UNOWNED, arena, &steps, &count), 0);
    return count;
}

static void test_is_what_it_was_made_of(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        const struct ng_guard guard = all(seed), other = all(seed + 1);
        assert_int_equal(n_steps(&guard, dump_of(&guard)), 0);
        assert_true(n_steps(&other, dump_of(&guard)) > 1);
    }
    const struct ng_guard runs_out = armed(60), sooner = armed(5);
    assert_int_equal(n_steps(&sooner, dump_of(&runs_out)), 0);
    assert_int_equal(installed(dump_of(&sooner)).contents->armed_ms, 5000);
}

/* A message that is cut short or changed is a fault or a difference, and never a crash; but for
 * rules, where libnftnl believes the kernel. */
static void test_survives_other_bytes(void **state) {
    (void)state;
    struct made_guard chance = {.random = 4711};
    const struct ng_guard guard = all(3);
    for (size_t i = 0; i < guard.n_chains; i++)
        ((struct ng_guard_chain *)guard.chains)[i].n_rules = 0;
    const struct ng_nft_dump dump = dump_of(&guard);
    uint8_t *bytes = ng_arena_alloc(arena, dump.len_bytes, 1);
    for (unsigned i = 0; i < 2000; i++) {
        _cleanup_(ng_arena_freep) struct ng_arena *own = ng_arena_new();
        struct ng_guard_contents *contents;
        struct ng_guard_step *steps;
        size_t count;
        memcpy(bytes, dump.bytes, dump.len_bytes);
        for (unsigned k = 0; k < 3; k++)
            bytes[guard_random(&chance, dump.len_bytes)] = (uint8_t)guard_random(&chance, 256);
        const struct ng_nft_dump changed = {.bytes = bytes, .len_bytes = dump.len_bytes};
        if (ng_guard_contents_read(&changed, own, &contents) < 0)
            continue;
        const struct ng_guard_installed there = {.hold = NG_GUARD_FREE, .contents = contents};
        assert_int_equal(ng_guard_steps(&guard, &there, NG_GUARD_UNOWNED, own, &steps, &count), 0);
    }
}

/* -- limits ---------------------------------------------------------------------------- */

static void test_lists_are_split(void **state) {
    (void)state;
    const struct ng_guard guard = many(10000);
    const struct ng_nft_dump dump = dump_of(&guard);
    size_t n_lists = 0;
    for (size_t at = 0; at < dump.len_bytes;) {
        const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)(dump.bytes + at);
        assert_true(message->nlmsg_len < UINT16_MAX);
        n_lists += NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_NEWSETELEM;
        at += message->nlmsg_len;
    }
    assert_true(n_lists > 5 && n_lists < 50);
    assert_int_equal(n_steps(&guard, dump), 0);
}

static void test_too_long(void **state) {
    (void)state;
    char *name = ng_arena_alloc(arena, 70000, 1);
    memset(name, 'x', 69999);
    const struct ng_guard_test test = {.kind = NG_GUARD_REPLY};
    struct ng_guard_test *tests = ng_arena_alloc(arena, 100, sizeof(*tests));
    for (size_t i = 0; i < 100; i++)
        tests[i] = test;
    const struct ng_guard_rule rules[] = {
        {.log = name}, {.verdict = NG_GUARD_GOTO, .chain = name}, {.tests = tests, .n_tests = 100}};
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        const struct ng_guard_chain chain = {.name = "c", .rules = &rules[i], .n_rules = 1};
        const struct ng_guard guard = {.chains = &chain, .n_chains = 1};
        struct ng_nft_dump dump = {0};
        assert_int_equal(ng_guard_predict(&dump, &guard, arena, &dump), -E2BIG);
    }
    const struct ng_guard_chain chain = {.name = name};
    const struct ng_guard guard = {.chains = &chain, .n_chains = 1};
    struct ng_nft_dump dump = {0};
    assert_int_equal(ng_guard_predict(&dump, &guard, arena, &dump), -E2BIG);
}

/* -- the kernel's words ---------------------------------------------------------------- */

static void test_error_text(void **state) {
    (void)state;
    for (unsigned capped = 0; capped < 2; capped++) {
        union {
            struct nlmsghdr message;
            char bytes[256];
        } answer = {0};
        char text[64];
        struct nlmsghdr *message = mnl_nlmsg_put_header(answer.bytes);
        struct nlmsgerr *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
        message->nlmsg_type = NLMSG_ERROR;
        message->nlmsg_flags = (uint16_t)(NLM_F_ACK_TLVS | (capped ? NLM_F_CAPPED : 0));
        body->error = -EINVAL;
        body->msg.nlmsg_len = NLMSG_HDRLEN + 8;
        if (!capped)
            mnl_nlmsg_put_extra_header(message, 8);
        mnl_attr_put_strz(message, NLMSGERR_ATTR_MSG, "no such thing");
        assert_int_equal(ng_netlink_error_text(message, text, sizeof(text)), 0);
        assert_string_equal(text, "no such thing");
        message->nlmsg_flags = 0;
        assert_int_equal(ng_netlink_error_text(message, text, sizeof(text)), -ENODATA);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_decodes, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(test_takes_the_place_of_what_is_there, make_arena,
                                        free_arena),
        cmocka_unit_test_setup_teardown(test_leaves_the_rest, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(test_is_what_it_was_made_of, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(test_survives_other_bytes, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(test_lists_are_split, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(test_too_long, make_arena, free_arena),
        cmocka_unit_test(test_error_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
