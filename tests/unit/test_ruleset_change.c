/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where rules that the kernel tells of come to stand, and what is not followed. */
#include "agent/observe/ruleset_change.h"
#include "tests/unit/fixture_nft.h"

#include <endian.h>
#include <linux/netfilter/nf_tables_compat.h>

/* The message is not yet at its end. */
static struct nlmsghdr *close_expression(const struct expression *expression, uint64_t handle) {
    mnl_attr_nest_end(expression->message, expression->data);
    mnl_attr_nest_end(expression->message, expression->element);
    mnl_attr_nest_end(expression->message, expression->list);
    mnl_attr_put_u64(expression->message, NFTA_RULE_HANDLE, htobe64(handle));
    return expression->message;
}

/* A rule of one expression without attributes. */
static struct nlmsghdr *put_rule_message(struct made *made, uint64_t handle, const char *name) {
    struct expression expression = begin_rule(made, "t", "c", name);
    return close_expression(&expression, handle);
}

static void put_rules(struct made *made, uint64_t count) {
    make_table(made, "t");
    make_chain(made, "t", "c");
    make_chain(made, "t", "d");
    for (uint64_t handle = 1; handle <= count; handle++)
        end(made, put_rule_message(made, handle, "counter"));
}

/* As the kernel tells: `position` 0 says nothing of it. */
static void added(struct made *made, uint64_t handle, uint64_t position, uint16_t flags) {
    struct nlmsghdr *message = put_rule_message(made, handle, "counter");
    if (position)
        mnl_attr_put_u64(message, NFTA_RULE_POSITION, htobe64(position));
    message->nlmsg_flags = flags;
    end(made, message);
}

static void gone(struct made *made, uint64_t handle) {
    struct nlmsghdr *message = put_rule_message(made, handle, "counter");
    message->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELRULE;
    end(made, message);
}

/* "1 2 3", or "left": after `messages`, with that many rules before, which are forgotten once they
 * have been decoded. */
static const char *follow(uint64_t count, const struct made *messages) {
    static char text[256];
    struct made dump = {.len = 0};
    struct ng_ruleset_change change;
    struct ng_error error;
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    _cleanup_(ng_ruleset_freep) struct ng_ruleset *before = NULL;
    put_rules(&dump, count);
    uint8_t *bytes = malloc(dump.len);
    assert_true(arena && bytes);
    memcpy(bytes, dump.bytes, dump.len);
    assert_int_equal(ng_arena_adopt(arena, bytes), 0);
    struct ng_world world = {.arena = arena,
                             .nft = {.bytes = bytes, .len_bytes = dump.len, .read = true}};
    assert_int_equal(ng_ruleset_decode(&world, &before, &error), 0);
    ng_ruleset_forget_rules(&world);
    assert_true(world.nft.len_bytes < dump.len || count == 0);
    int r =
        ng_ruleset_change(&world, before, (const uint8_t *)messages->bytes, messages->len, &change);
    assert_int_equal(before->n_rules, count);
    assert_int_equal(before->chains[1].first_rule, count);
    if (r < 0) {
        assert_int_equal(r, -EAGAIN);
        return "left";
    }
    const struct ng_ruleset *now = change.ruleset;
    assert_int_equal(now->chains[0].n_rules, now->n_rules);
    assert_int_equal(now->chains[1].first_rule, now->n_rules);
    text[0] = '\0';
    for (size_t i = 0; i < now->n_rules; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%llu", i ? " " : "",
                 (unsigned long long)now->rules[i].handle);
    return text;
}

static void test_places(void **state) {
    static const struct {
        uint64_t position;
        uint16_t flags;
        const char *expected;
    } cases[] = {
        {0, 0, "9 1 2 3"},
        {0, NLM_F_APPEND, "1 2 3 9"},
        {1, 0, "1 9 2 3"},
        {2, NLM_F_APPEND, "1 2 9 3"},
        {3, NLM_F_APPEND, "1 2 3 9"}, /* as older kernels tell it */
        {7, 0, "left"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct made made = {.len = 0};
        added(&made, 9, cases[i].position, cases[i].flags);
        assert_string_equal(follow(3, &made), cases[i].expected);
    }
    struct made made = {.len = 0};
    added(&made, 9, 0, 0);
    assert_string_equal(follow(0, &made), "9");
    added(&made, 9, 0, 0); /* there already */
    assert_string_equal(follow(0, &made), "left");
}

static void test_several(void **state) {
    struct made made = {.len = 0};
    (void)state;
    assert_string_equal(follow(3, &made), "1 2 3");
    gone(&made, 2);
    assert_string_equal(follow(3, &made), "1 3");
    added(&made, 8, 1, NLM_F_APPEND); /* in its place */
    assert_string_equal(follow(3, &made), "1 8 3");
    gone(&made, 8);
    gone(&made, 1);
    assert_string_equal(follow(3, &made), "3");
    gone(&made, 2); /* it is gone */
    assert_string_equal(follow(3, &made), "left");
    made.len = 0;
    gone(&made, 1);
    added(&made, 9, 0, NLM_F_APPEND); /* the last, or in place of the first */
    assert_string_equal(follow(3, &made), "left");
    made.len = 0;
    added(&made, 8, 9, 0); /* behind one that is told of later */
    added(&made, 9, 0, 0);
    assert_string_equal(follow(3, &made), "left");
}

static void test_what_is_left(void **state) {
    static const char *const names[] = {"lookup", "dynset", "objref", "flow_offload", "new"};
    struct made made;
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        made.len = 0;
        end(&made, put_rule_message(&made, 9, names[i]));
        assert_string_equal(follow(3, &made), "left");
    }
    made.len = 0;
    make_chain(&made, "t", "e");
    assert_string_equal(follow(3, &made), "left");
    made.len = 0;
    struct expression set = begin_rule(&made, "t", "c", "match");
    mnl_attr_put_strz(set.message, NFTA_MATCH_NAME, "set");
    mnl_attr_put(set.message, NFTA_MATCH_INFO, 4, "\0\0\0");
    end(&made, close_expression(&set, 9));
    assert_string_equal(follow(3, &made), "left");
    made.len = 0; /* no such chain */
    struct expression counter = begin_rule(&made, "t", "x", "counter");
    end(&made, close_expression(&counter, 9));
    assert_string_equal(follow(3, &made), "left");
    made.len = 0;
    added(&made, 9, 0, 0);
    for (size_t len = made.len; len-- > 1;) { /* torn */
        struct made torn = made;
        torn.len = len;
        assert_string_equal(follow(3, &torn), "left");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
