/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record of a packet's way: every step in order, for whom, and for whom not surely. */
#include "tests/unit/fixture_reach.h"

/* Each step on a line: "input 3 drop 0.0.0.0/1", deeper ones indented, doubt after "?". */
static const char *record_text(struct lab *lab, struct ng_question question) {
    static const char *const hooks[] = {[NG_HOOK_INGRESS] = "ingress",
                                        [NG_HOOK_PREROUTING] = "prerouting",
                                        [NG_HOOK_INPUT] = "input",
                                        [NG_HOOK_FORWARD] = "forward",
                                        [NG_HOOK_POSTROUTING] = "postrouting",
                                        [NG_HOOK_EGRESS] = "egress",
                                        [NG_HOOK_OUTPUT] = "output"};
    static const char *const effects[] = {
        [NG_EFFECT_CONTINUE] = "continue", [NG_EFFECT_ACCEPT] = "accept",
        [NG_EFFECT_DROP] = "drop",         [NG_EFFECT_RETURN] = "return",
        [NG_EFFECT_JUMP] = "jump",         [NG_EFFECT_GOTO] = "goto",
        [NG_EFFECT_DNAT] = "dnat",         [NG_EFFECT_REDIRECT] = "redirect",
        [NG_EFFECT_SNAT] = "snat",         [NG_EFFECT_ASSIGN] = "assign",
        [NG_EFFECT_NOTRACK] = "notrack",   [NG_EFFECT_TPROXY] = "tproxy",
        [NG_EFFECT_UNKNOWN] = "unknown",   [NG_EFFECT_TO_HOST] = "to-host",
        [NG_EFFECT_FORWARD] = "forward",   [NG_EFFECT_NO_ROUTE] = "no-route"};
    char buffer[NG_ADDR_TEXT];
    const char *text = "";
    question.record = true;
    struct ng_answer answer = lab_ask(lab, &question);
    for (size_t i = 0; i < answer.n_steps; i++) {
        const struct ng_step *step = &answer.steps[i];
        bool by_rule = step->rule != NG_NONE, routing = step->chain == NG_NONE;
        const char *who =
            routing ? "routing"
            : by_rule
                ? ng_arena_printf(lab->arena, "%u", (unsigned)lab->ruleset.rules[step->rule].handle)
                : ng_arena_printf(lab->arena, "policy-%u", step->chain);
        assert_true(routing || !by_rule || lab->ruleset.rules[step->rule].chain == step->chain);
        assert_int_equal(step->doubtful, !ng_region_empty(step->doubted));
        text = ng_arena_printf(lab->arena, "%s%*s%s %s %s %s", text, (int)(2 * step->depth), "",
                               hooks[step->hook], who, effects[step->effect],
                               region_text(lab, step->region, question.family));
        if (step->daddr != question.daddr || step->dport != question.dport)
            text = ng_arena_printf(
                lab->arena, "%s to %s:%u", text,
                ng_addr_text((struct ng_addr){question.family, step->daddr}, buffer), step->dport);
        if (step->oif)
            text = ng_arena_printf(lab->arena, "%s by %s", text, lab->links[step->oif - 1].name);
        if (step->doubtful)
            text = ng_arena_printf(lab->arena, "%s ? %s", text,
                                   region_text(lab, step->doubted, question.family));
        text = ng_arena_printf(lab->arena, "%s\n", text);
    }
    return text;
}

static const char *record_to_host(struct lab *lab) {
    return record_text(lab, question_to(ETH0, "192.0.2.1", NG_TCP, 80));
}

static void test_nothing_is_recorded_unless_asked_for(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_question question = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
    (void)state;
    RULE(lab, input, ACCEPT);
    assert_int_equal(lab_ask(lab, &question).n_steps, 0);
    question.record = true;
    assert_int_equal(lab_ask(lab, &question).n_steps, 2);
}

static void test_a_way_without_rules(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    assert_string_equal(record_to_host(lab), "prerouting routing to-host all\n");
    assert_string_equal(record_text(lab, question_to(ETH0, "172.17.0.2", NG_TCP, 80)),
                        "forward routing forward all by docker0\n");
    lab->links[ETH0 - 1].forwarding4 = false;
    assert_string_equal(record_text(lab, question_to(ETH0, "172.17.0.2", NG_TCP, 80)),
                        "prerouting routing no-route all\n");
}

static void test_steps_in_their_order(void **state) {
    _lab_ lab = lab_new();
    uint32_t pre = filter_chain(lab, PREROUTING, -150, false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    uint32_t user = chain(lab, 0, "user"), target = chain(lab, 0, "target");
    (void)state;
    RULE(lab, pre, dport(lab, 80), NOTHING);
    RULE(lab, pre, dport(lab, 81), NOTHING);
    RULE(lab, pre, set_mark(lab, 0, 1));
    RULE(lab, input, from(lab, "128.0.0.0/1"), JUMP(user));
    RULE(lab, input, from(lab, "0.0.0.0/2"), ACCEPT);
    RULE(lab, user, from(lab, "192.0.0.0/2"), GOTO(target));
    RULE(lab, user, VERDICT(NG_VERDICT_CONTINUE));
    RULE(lab, target, RETURN);
    assert_string_equal(record_to_host(lab), "prerouting 1 continue all\n"
                                             "prerouting 3 assign all\n"
                                             "prerouting policy-0 accept all\n"
                                             "prerouting routing to-host all\n"
                                             "input 4 jump 128.0.0.0/1\n"
                                             "  input 6 goto 192.0.0.0/2\n"
                                             "    input 8 return 192.0.0.0/2\n"
                                             "  input 7 continue 128.0.0.0/2\n"
                                             "input 5 accept 0.0.0.0/2\n"
                                             "input policy-1 drop 64.0.0.0-255.255.255.255\n");
}

static void test_destinations_after_each_step(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    uint32_t post = nat_chain(lab, POSTROUTING, 100, false);
    (void)state;
    RULE(lab, nat, from(lab, "128.0.0.0/1"), dnat(lab, "172.17.0.2", 8080));
    RULE(lab, nat, from(lab, "0.0.0.0/2"), redirect(lab, 90));
    RULE(lab, post, MASQUERADE);
    assert_string_equal(record_to_host(lab),
                        "prerouting 1 dnat 128.0.0.0/1 to 172.17.0.2:8080\n"
                        "prerouting 2 redirect 0.0.0.0/2 to 192.0.2.1:90\n"
                        "prerouting policy-0 accept 64.0.0.0/2\n"
                        "prerouting routing to-host 64.0.0.0/2\n"
                        "forward routing forward 128.0.0.0/1 to 172.17.0.2:8080 by docker0\n"
                        "postrouting 3 snat 128.0.0.0/1 to 172.17.0.2:8080\n"
                        "prerouting routing to-host 0.0.0.0/2 to 192.0.2.1:90\n");
}

static void test_values_by_map_are_steps_of_their_own(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    const struct ng_operand by[] = {operand(NG_FIELD_SADDR)};
    const struct ng_interval sides[] = {{0, 0x3fffffff}, {0x80000000, 0xbfffffff}};
    struct ng_match *map = box_match(lab, by, 1, sides, 2);
    (void)state;
    box_of(map, 0)->value = addr("10.0.0.1").value;
    box_of(map, 1)->value = addr("10.0.0.9").value;
    RULE(lab, raw, assign_op(lab, (struct ng_assign){.target = NG_FIELD_DADDR, .map = map}), DROP);
    assert_string_equal(record_to_host(lab), "prerouting 1 assign 0.0.0.0/2 to 10.0.0.1:80\n"
                                             "prerouting 1 drop 0.0.0.0/2 to 10.0.0.1:80\n"
                                             "prerouting 1 assign 128.0.0.0/2 to 10.0.0.9:80\n"
                                             "prerouting 1 drop 128.0.0.0/2 to 10.0.0.9:80\n"
                                             "prerouting policy-0 accept 64.0.0.0/2,192.0.0.0/2\n"
                                             "prerouting routing to-host 64.0.0.0/2,192.0.0.0/2\n");
}

/* From the first decision on that may not have been made, everything is in doubt for those whom it
 * is about, and for them alone. */
static void test_doubt(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, input, from(lab, "128.0.0.0/1"), UNDECIDED("limit"), NOTHING);
    RULE(lab, input, from(lab, "192.0.0.0/2"), UNDECIDED("limit"), DROP);
    RULE(lab, input, ACCEPT);
    assert_string_equal(record_to_host(lab), "prerouting routing to-host all\n"
                                             "input 1 continue 128.0.0.0/1\n"
                                             "input 2 drop 192.0.0.0/2 ? 192.0.0.0/2\n"
                                             "input 3 accept all ? 192.0.0.0/2\n");
}

static void test_doubt_in_a_jump_a_map_and_nat(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    uint32_t user = chain(lab, 0, "user");
    const struct ng_operand by[] = {operand(NG_FIELD_DPORT)};
    const struct ng_interval sides[] = {{80, 80}};
    struct ng_match *map = box_match(lab, by, 1, sides, 1);
    (void)state;
    box_of(map, 0)->verdict.kind = NG_VERDICT_DROP;
    box_of(map, 0)->expires = true;
    RULE(lab, nat, from(lab, "224.0.0.0/3"), UNDECIDED("limit"), dnat(lab, "10.0.0.1", 80));
    RULE(lab, input, from(lab, "128.0.0.0/2"), UNDECIDED("limit"), JUMP(user));
    RULE(lab, input, from(lab, "64.0.0.0/2"), vmap_op(map));
    RULE(lab, user, ACCEPT);
    assert_string_equal(record_to_host(lab),
                        "prerouting 1 dnat 224.0.0.0/3 to 10.0.0.1:80 ? 224.0.0.0/3\n"
                        "prerouting policy-0 accept all ? 224.0.0.0/3\n"
                        "prerouting routing to-host all ? 224.0.0.0/3\n"
                        "input 2 jump 128.0.0.0/2 ? 128.0.0.0/2\n"
                        "  input 4 accept 128.0.0.0/2 ? 128.0.0.0/2\n"
                        "input 3 drop 64.0.0.0/2 ? 64.0.0.0/2\n"
                        "input policy-1 drop all ? 64.0.0.0-191.255.255.255,224.0.0.0/3\n"
                        "prerouting routing to-host 224.0.0.0/3 to 10.0.0.1:80 ? 224.0.0.0/3\n"
                        "input policy-1 drop 224.0.0.0/3 to 10.0.0.1:80 ? 224.0.0.0/3\n");
}

static void test_what_nobody_understands(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, input, from(lab, "128.0.0.0/2"), UNKNOWN("synproxy"));
    RULE(lab, input, from(lab, "192.0.0.0/2"),
         (struct ng_op){.kind = NG_OP_VERDICT,
                        .verdict = {.kind = NG_VERDICT_UNKNOWN, .text = "queue"}});
    RULE(lab, input, from(lab, "192.0.0.0/2"), NOTHING);
    assert_string_equal(record_to_host(lab),
                        "prerouting routing to-host all\n"
                        "input 1 unknown 128.0.0.0/2\n"
                        "input 2 unknown 192.0.0.0/2\n"
                        "input policy-0 drop 0.0.0.0-191.255.255.255 ? 128.0.0.0/2\n");
}

static void test_untracked_and_proxied(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    struct ng_tproxy to_any = {.xtables = true};
    (void)state;
    RULE(lab, raw, NOTRACK);
    RULE(lab, raw, (struct ng_op){.kind = NG_OP_TPROXY, .tproxy = &to_any, .text = "tproxy"});
    assert_string_equal(record_to_host(lab), "prerouting 1 notrack all\n"
                                             "prerouting 2 drop all\n");
    lab->world.listeners_read = false;
    assert_string_equal(record_to_host(lab), "prerouting 1 notrack all\n"
                                             "prerouting 2 tproxy all ? all\n"
                                             "prerouting routing to-host all ? all\n");
}

/* Whom routing refuses, and where it is not sure. */
static void test_routing(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    assert_string_equal(record_text(lab, question_to(ETH0, "fd00::2", NG_TCP, 80)),
                        "prerouting routing no-route fe80::/10\n"
                        "forward routing forward " NOT_LINK_LOCAL " by docker0\n");
    lab_route(lab, NG_ROUTE_UNICAST, 254, "172.17.0.0/16", ETH1); /* another hop */
    assert_string_equal(record_text(lab, question_to(ETH0, "172.17.0.2", NG_TCP, 80)),
                        "forward routing forward all by docker0 ? all\n"
                        "forward routing forward all by eth1 ? all\n");
    assert_string_equal(record_text(lab, question_to(ETH0, "224.0.0.9", NG_UDP, 80)),
                        "prerouting routing no-route all ? all\n"
                        "prerouting routing to-host all ? all\n");
}

static void test_ports_of_a_bridge(void **state) {
    _lab_ lab = lab_new();
    uint32_t egress = device_chain(lab, NG_HOOK_EGRESS, "veth1", false);
    (void)state;
    lab_link(lab, "veth1", "veth")->master = DOCKER0;
    RULE(lab, egress, from(lab, "128.0.0.0/1"), DROP);
    assert_string_equal(record_text(lab, question_to(ETH0, "172.17.0.2", NG_TCP, 80)),
                        "forward routing forward all by docker0\n"
                        "egress 1 drop 128.0.0.0/1 ? 128.0.0.0/1\n"
                        "egress policy-0 accept 0.0.0.0/1 ? 0.0.0.0/1\n");
}

/* Of chains whose order nobody tells, one order is written down, in doubt. */
static void test_ties(void **state) {
    _lab_ lab = lab_new();
    uint32_t a =
        base_chain(lab, table(lab, NG_TABLE_INET, "a"), "a", INPUT, NG_CHAIN_FILTER, 0, false);
    uint32_t b =
        base_chain(lab, table(lab, NG_TABLE_INET, "b"), "b", INPUT, NG_CHAIN_FILTER, 0, false);
    uint32_t later = filter_chain(lab, INPUT, 1, false);
    (void)state;
    RULE(lab, a, set_mark(lab, 0, 1));
    RULE(lab, b, is(lab, NG_FIELD_MARK, 1), DROP);
    RULE(lab, later, ACCEPT);
    const char *text = record_to_host(lab);
    assert_non_null(strstr(text, "input 1 assign all"));
    assert_null(strstr(strstr(text, "input 1 assign all") + 1, "input 1 assign all"));
    assert_non_null(strstr(text, "input 1 assign all ? all")); /* perhaps, or later */
    assert_non_null(strstr(text, "input 3 accept all ? all"));
}

static void test_a_loop_is_recorded_as_far_as_it_is_followed(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    uint32_t user = chain(lab, 0, "user");
    struct ng_question question = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
    (void)state;
    RULE(lab, input, JUMP(user));
    RULE(lab, user, JUMP(user));
    question.record = true;
    struct ng_answer answer = lab_ask(lab, &question);
    assert_int_equal(answer.n_steps, 1 + 1 + 128);
    assert_int_equal(answer.steps[129].depth, 128);
}

static void test_beside_conntrack(void **state) {
    _lab_ lab = lab_new();
    uint32_t own = filter_chain(lab, PREROUTING, -200, false);
    uint32_t input = filter_chain(lab, INPUT, 0, false);
    (void)state;
    RULE(lab, own, has_bit(lab, NG_FIELD_CT_STATE, 9), set_mark(lab, 0, 1));
    RULE(lab, input, ACCEPT);
    assert_string_equal(record_to_host(lab), "prerouting 1 assign all ? all\n"
                                             "prerouting policy-0 accept all ? all\n"
                                             "prerouting routing to-host all ? all\n"
                                             "input 2 accept all ? all\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_recorded_unless_asked_for),
        cmocka_unit_test(test_a_way_without_rules),
        cmocka_unit_test(test_steps_in_their_order),
        cmocka_unit_test(test_destinations_after_each_step),
        cmocka_unit_test(test_values_by_map_are_steps_of_their_own),
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_doubt_in_a_jump_a_map_and_nat),
        cmocka_unit_test(test_what_nobody_understands),
        cmocka_unit_test(test_untracked_and_proxied),
        cmocka_unit_test(test_routing),
        cmocka_unit_test(test_ports_of_a_bridge),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_beside_conntrack),
        cmocka_unit_test(test_a_loop_is_recorded_as_far_as_it_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
