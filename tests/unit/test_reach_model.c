/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Generated rulesets: the engine, which carries sets of sources through an index, against a model
 * that runs one packet through every rule in turn. */
#include "tests/unit/fixture_model.h"
#include "tests/unit/fixture_random.h"
#include "tests/unit/fixture_reach.h"

enum {
    DECIDED = 300, /* rulesets */
    DOUBTFUL = 80,
    QUESTIONS = 12,
    SAMPLES = 24, /* sources asked the model about, per question */
};

/* -- rulesets -------------------------------------------------------------------------------- */

/* A small universe, so that rules and packets meet. */
static ng_u128 some_source(struct dice *dice) {
    return 0xcb007100 + roll(dice, 16); /* 203.0.113.0 … 15 */
}

static uint16_t some_port(struct dice *dice) {
    static const uint16_t ports[] = {0, 22, 53, 80, 1024, 8080, 65535};
    return ports[roll(dice, ARRAY_SIZE(ports))];
}

static ng_u128 some_destination(struct dice *dice) {
    static const ng_u128 destinations[] = {0xc0000201, 0x0a000001, 0xac110001, 0xac110002,
                                           0xac110003};
    return destinations[roll(dice, ARRAY_SIZE(destinations))];
}

static struct ng_interval two(ng_u128 a, ng_u128 b) {
    return a < b ? (struct ng_interval){a, b} : (struct ng_interval){b, a};
}

/* A source or its port under a mask that leaves out bits in the middle. */
static struct ng_op random_masked(struct lab *lab, struct dice *dice) {
    bool port = roll(dice, 3) == 0;
    ng_u128 mask = port ? 0xfff0 | roll(dice, 16) : 0xfffffff0 | roll(dice, 16);
    ng_u128 flip = roll(dice, 2) ? roll(dice, 16) : 0;
    struct ng_interval values =
        two(port ? some_port(dice) : some_source(dice), port ? some_port(dice) : some_source(dice));
    return masked_match(lab, port ? NG_FIELD_SPORT : NG_FIELD_SADDR, mask, flip, values.lo,
                        values.hi);
}

static struct ng_op random_fib(struct lab *lab, struct dice *dice) {
    uint8_t about = NG_FIB_SADDR | (roll(dice, 2) ? NG_FIB_IIF : 0);
    switch (roll(dice, 3)) {
    case 0:
        return fib_is(lab, NG_FIELD_FIB_OIF, about, roll(dice, 5));
    case 1:
        return fib_is(lab, NG_FIELD_FIB_PRESENT, about, roll(dice, 2));
    default:
        return fib_type(lab, NG_FIB_SADDR, 1 + roll(dice, 3));
    }
}

static struct ng_op random_connection(struct lab *lab, struct dice *dice) {
    switch (roll(dice, 6)) {
    case 0:
        return is(lab, NG_FIELD_CT_DPORT, some_port(dice));
    case 1:
        return is(lab, NG_FIELD_CT_DADDR, some_destination(dice));
    case 2:
        return is(lab, NG_FIELD_CT_REPLY_SADDR, some_destination(dice));
    case 3:
        return is(lab, NG_FIELD_CT_MARK, roll(dice, 4));
    case 4:
        return is_between(lab, NG_FIELD_CT_SADDR, 0xcb007100, some_source(dice));
    default:
        return has_bit(lab, NG_FIELD_CT_STATE, 1U << roll(dice, 7));
    }
}

static struct ng_op random_boxes(struct lab *lab, struct dice *dice, bool undecided) {
    struct ng_operand by[] = {operand(NG_FIELD_SADDR), operand(NG_FIELD_DPORT),
                              operand(NG_FIELD_SPORT)};
    struct ng_interval sides[9];
    if (roll(dice, 3) == 0)
        by[0].mask = 0xfffffff0 | roll(dice, 16);
    if (roll(dice, 4) == 0)
        by[1].field = NG_FIELD_CT_MARK;
    for (unsigned i = 0; i < 9; i += 3) {
        sides[i] = two(some_source(dice), some_source(dice));
        sides[i + 1] = by[1].field == NG_FIELD_CT_MARK ? two(roll(dice, 4), roll(dice, 4))
                                                       : two(some_port(dice), some_port(dice));
        sides[i + 2] = two(some_port(dice), some_port(dice));
        if (roll(dice, 4) == 0)
            sides[i + roll(dice, 3)] = (struct ng_interval){0, lab_whole};
    }
    struct ng_match *match = box_match(lab, by, 3, sides, 3);
    match->any_of = roll(dice, 4) == 0;
    if (undecided && roll(dice, 4) == 0)
        box_of(match, 1)->expires = true;
    return match_op(lab, *match);
}

static struct ng_op random_doubt(struct lab *lab, struct dice *dice) {
    struct ng_operand other = operand(NG_FIELD_OTHER);
    struct ng_match *match;
    struct ng_op op;
    switch (roll(dice, 3)) {
    case 0:
        return UNDECIDED("limit");
    case 1:
        other.name = "meta cpu";
        return match_set(lab, other, one_interval(lab, 0, 0));
    default:
        op = is(lab, NG_FIELD_SADDR, some_source(dice));
        match = (struct ng_match *)op.match;
        match->set_name = "s";
        match->dynamic = roll(dice, 2);
        ng_u128 lo = some_source(dice);
        match->expiring = one_interval(lab, lo, lo + 3);
        return op;
    }
}

static struct ng_op random_match(struct lab *lab, struct dice *dice, bool undecided) {
    struct ng_interval side;
    struct ng_op op;
    switch (roll(dice, undecided ? 16 : 14)) {
    case 0:
        side = two(some_source(dice), some_source(dice));
        op = is_between(lab, NG_FIELD_SADDR, side.lo, side.hi);
        break;
    case 1:
        side = two(some_port(dice), some_port(dice));
        op = is_between(lab, NG_FIELD_SPORT, side.lo, side.hi);
        break;
    case 2:
    case 3:
        op = dport(lab, some_port(dice));
        break;
    case 4:
    case 5:
        op = is(lab, NG_FIELD_DADDR, some_destination(dice));
        ((struct ng_operand *)op.match->operands)->family = NG_IP4;
        break;
    case 6:
        op = is(lab, NG_FIELD_MARK, roll(dice, 4));
        break;
    case 7:
    case 8:
        op = random_connection(lab, dice);
        break;
    case 9:
        op = roll(dice, 4) ? is(lab, NG_FIELD_IIF, ETH0 + roll(dice, 2))
                           : is(lab, NG_FIELD_EXTHDR, 0);
        break;
    case 10:
        op = is(lab, NG_FIELD_L4PROTO, roll(dice, 2) ? NG_TCP : NG_UDP);
        break;
    case 11:
        op = random_boxes(lab, dice, undecided);
        break;
    case 12:
        op = random_masked(lab, dice);
        break;
    case 13:
        op = random_fib(lab, dice);
        break;
    default:
        op = random_doubt(lab, dice);
        if (op.kind == NG_OP_UNDECIDED)
            return op;
    }
    return roll(dice, 4) ? op : not(op);
}

static struct ng_verdict random_verdict(struct dice *dice, uint32_t user, uint32_t n_user) {
    struct ng_verdict verdict = {
        .kind = (enum ng_verdict_kind[]){NG_VERDICT_ACCEPT, NG_VERDICT_DROP, NG_VERDICT_RETURN,
                                         NG_VERDICT_CONTINUE, NG_VERDICT_JUMP,
                                         NG_VERDICT_GOTO}[roll(dice, n_user ? 6 : 4)]};
    if (verdict.kind == NG_VERDICT_JUMP || verdict.kind == NG_VERDICT_GOTO)
        verdict.chain = user + roll(dice, n_user);
    return verdict;
}

/* A map of source ports, its elements still without data. */
static struct ng_match *random_map(struct lab *lab) {
    const struct ng_operand by[] = {operand(NG_FIELD_SPORT)};
    const struct ng_interval sides[] = {{0, 52}, {53, 80}, {1024, 1024}};
    return box_match(lab, by, 1, sides, 3);
}

static struct ng_nat random_nat(struct dice *dice) {
    static const char *const inside[] = {"192.0.2.1", "172.17.0.2", "172.17.0.3", NULL};
    const char *to_addr = inside[roll(dice, ARRAY_SIZE(inside))];
    uint16_t port = some_port(dice);
    return nat_to(to_addr, !to_addr && !port ? 80 : port);
}

static struct ng_op random_end(struct lab *lab, struct dice *dice, bool nat, uint32_t user,
                               uint32_t n_user) {
    struct ng_match *map;
    if (nat && roll(dice, 3) == 0) {
        if (roll(dice, 3))
            return nat_op(lab, NG_OP_DNAT, random_nat(dice));
        map = random_map(lab);
        for (unsigned i = 0; i < 3; i++)
            box_of(map, i)->nat = random_nat(dice);
        return (struct ng_op){.kind = NG_OP_DNAT, .match = map};
    }
    if (roll(dice, 5))
        return (struct ng_op){.kind = NG_OP_VERDICT, .verdict = random_verdict(dice, user, n_user)};
    map = random_map(lab);
    for (unsigned i = 0; i < 3; i++)
        box_of(map, i)->verdict = random_verdict(dice, user, n_user);
    return vmap_op(map);
}

/* A value that the field may well be tested for. */
static ng_u128 some_value(struct dice *dice, enum ng_field field) {
    switch (field) {
    case NG_FIELD_SADDR:
        return some_source(dice);
    case NG_FIELD_DADDR:
        return some_destination(dice);
    case NG_FIELD_SPORT:
    case NG_FIELD_DPORT:
        return some_port(dice);
    default:
        return roll(dice, 4);
    }
}

static struct ng_op random_effect(struct lab *lab, struct dice *dice) {
    static const enum ng_field targets[] = {NG_FIELD_MARK,  NG_FIELD_MARK,  NG_FIELD_CT_MARK,
                                            NG_FIELD_SADDR, NG_FIELD_DADDR, NG_FIELD_SPORT,
                                            NG_FIELD_DPORT};
    static const enum ng_field from_[] = {NG_FIELD_MARK, NG_FIELD_CT_MARK, NG_FIELD_DPORT,
                                          NG_FIELD_SADDR};
    enum ng_field target = targets[roll(dice, ARRAY_SIZE(targets))];
    bool mark = target == NG_FIELD_MARK || target == NG_FIELD_CT_MARK;
    struct ng_operand terms[NG_ASSIGN_TERMS];
    struct ng_assign assign = {.target = target, .terms = terms};
    struct ng_match *map;
    switch (roll(dice, 8)) {
    case 0:
    case 1:
        return NOTRACK;
    case 2:
        map = random_map(lab);
        for (unsigned i = 0; i < 3; i++)
            box_of(map, i)->value = some_value(dice, target);
        assign.map = map;
        break;
    case 3:
    case 4:
        if (!mark)
            return set_field(lab, target, some_value(dice, target));
        assign.n_terms = 1 + roll(dice, 2);
        for (size_t i = 0; i < assign.n_terms; i++)
            terms[i] = (struct ng_operand){.field = from_[roll(dice, ARRAY_SIZE(from_))],
                                           .mask = 1 + roll(dice, 3),
                                           .flip = roll(dice, 2)};
        assign.constant = roll(dice, 4);
        break;
    default:
        return set_field(lab, target, some_value(dice, target));
    }
    return assign_op(lab, assign);
}

/* `user`: the chains it may jump to. */
static void fill(struct lab *lab, struct dice *dice, uint32_t to_chain, bool nat, bool undecided,
                 uint32_t user, uint32_t n_user) {
    for (unsigned n = roll(dice, 3) ? 8 + roll(dice, 12) : roll(dice, 4); n > 0; n--) {
        struct ng_op ops[7];
        size_t n_ops = 0;
        for (unsigned tests = roll(dice, 4); tests > 0; tests--)
            ops[n_ops++] = random_match(lab, dice, undecided && roll(dice, 6) == 0);
        if (roll(dice, 8) == 0) {
            ops[n_ops++] = random_effect(lab, dice);
            ops[n_ops++] = random_match(lab, dice, false);
        }
        if (n_ops == 0)
            ops[n_ops++] = NOTHING;
        else
            for (unsigned ends = roll(dice, 8) ? 1 + roll(dice, 2) : 0; ends > 0; ends--)
                ops[n_ops++] = random_end(lab, dice, nat, user, n_user);
        add_rule(lab, to_chain, ops, n_ops);
    }
}

/* Base chains first, in running order; then chains that only jump to those behind them. */
static void random_ruleset(struct lab *lab, struct dice *dice, bool undecided) {
    enum { USER = 4 };
    const struct {
        enum ng_hook hook;
        enum ng_chain_type type;
        int32_t priority;
        uint32_t table; /* of two: equal priorities, whose order nobody tells */
    } bases[] = {
        {PREROUTING, NG_CHAIN_FILTER, -300, 0}, {PREROUTING, NG_CHAIN_FILTER, -150, 0},
        {PREROUTING, NG_CHAIN_NAT, -100, 0},    {PREROUTING, NG_CHAIN_NAT, -90, 0},
        {INPUT, NG_CHAIN_FILTER, -300, 0},      {INPUT, NG_CHAIN_FILTER, 0, 0},
        {INPUT, NG_CHAIN_FILTER, 0, undecided}, {FORWARD, NG_CHAIN_FILTER, 0, 0},
        {FORWARD, NG_CHAIN_FILTER, 10, 0},      {POSTROUTING, NG_CHAIN_FILTER, 0, 0},
    };
    enum { BASES = ARRAY_SIZE(bases), TIED = 5 };
    bool rewrites = roll(dice, 2);
    table(lab, NG_TABLE_IP, "t");
    table(lab, NG_TABLE_IP, "u");
    for (size_t i = 0; i < BASES; i++) {
        base_chain(lab, bases[i].table, "base", bases[i].hook, bases[i].type, bases[i].priority,
                   roll(dice, 3) == 0);
        lab->chains[i].handle = BASES - i;
    }
    for (unsigned i = 0; i < USER; i++)
        chain(lab, 0, "user");
    /* Without it two chains that are tied would run in one order only. */
    RULE(lab, TIED, is(lab, NG_FIELD_IIF, 99), set_mark(lab, 0, 1));
    for (uint32_t i = 0; i < BASES; i++)
        fill(lab, dice, i, bases[i].type == NG_CHAIN_NAT, undecided, BASES, USER);
    for (uint32_t i = 0; i < USER; i++)
        fill(lab, dice, BASES + i, false, undecided, BASES + i + 1, USER - i - 1);
    /* One rule that writes a destination keeps every index from being used. */
    for (size_t i = 0; i < lab->ruleset.n_rules && !rewrites; i++)
        for (size_t k = 0; k < lab->rules[i].n_ops; k++) {
            struct ng_op *op = (struct ng_op *)&lab->rules[i].ops[k];
            if (op->kind == NG_OP_ASSIGN &&
                (op->assign->target == NG_FIELD_DADDR || op->assign->target == NG_FIELD_DPORT))
                *op = NOTHING;
        }
}

static void random_routes(struct lab *lab, struct dice *dice) {
    static const char *const prefixes[] = {"203.0.113.0/30", "203.0.113.8/29", "203.0.113.6/31",
                                           "203.0.113.12/30"};
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (roll(dice, 2))
            lab_route(lab, roll(dice, 3) ? NG_ROUTE_UNICAST : NG_ROUTE_BLACKHOLE, 254, prefixes[i],
                      ETH0 + roll(dice, 3));
}

/* -- the comparison -------------------------------------------------------------------------- */

static bool in_region(struct ng_region region, ng_u128 saddr, uint16_t sport) {
    for (size_t i = 0; i < region.count; i++)
        if (sport >= region.bands[i].lo && sport <= region.bands[i].hi)
            return in_values(region.bands[i].addrs, saddr);
    return false;
}

static struct packet first_packet(const struct ng_question *question, ng_u128 saddr,
                                  uint16_t sport) {
    return (struct packet){.saddr = saddr,
                           .sport = sport,
                           .daddr = question->daddr,
                           .dport = question->dport,
                           .ct_daddr = question->daddr,
                           .ct_dport = question->dport,
                           .mark = question->mark,
                           .mark_known = true,
                           .ct_mark_known = true,
                           .by_rule = NG_NONE,
                           .by_chain = NG_NONE};
}

/* What the engine says of one source. */
static size_t engine_fates(const struct ng_answer *answer, ng_u128 saddr, uint16_t sport,
                           struct fate *ret_fates) {
    size_t n = 0;
    for (size_t i = 0; i < answer->n_outcomes; i++) {
        const struct ng_outcome *outcome = &answer->outcomes[i];
        if (in_region(outcome->region, saddr, sport))
            add_fate(ret_fates, &n,
                     (struct fate){outcome->fate, outcome->daddr, outcome->dport,
                                   outcome->translated, outcome->by_rule, outcome->by_chain});
    }
    return n;
}

static size_t count_common(const struct fate *a, size_t n_a, const struct fate *b, size_t n_b) {
    size_t common = 0;
    for (size_t i = 0; i < n_a; i++)
        for (size_t k = 0; k < n_b; k++)
            common += same_fate(&a[i], &b[k]);
    return common;
}

/* The model against `answer` for one source; false: it has too many choices to try. */
static bool compare_source(struct lab *lab, const struct ng_question *question,
                           const struct ng_answer *answer, ng_u128 saddr, uint16_t sport) {
    struct model model = {.world = &lab->world, .ruleset = &lab->ruleset, .question = question};
    struct fate expected[MAX_FATES], found[MAX_FATES];
    size_t n_expected;
    if (!model_fates(&model, first_packet(question, saddr, sport), expected, &n_expected))
        return false;
    size_t n_found = engine_fates(answer, saddr, sport, found);
    size_t common = count_common(expected, n_expected, found, n_found);
    if (common != n_expected || common != n_found)
        fail_msg("%ssource %x:%u to %x:%u/%u: %zu fates by the model, %zu by the engine, %zu alike",
                 question->one_source ? "one " : "", (unsigned)saddr, sport,
                 (unsigned)question->daddr, question->dport, question->proto, n_expected, n_found,
                 common);
    return true;
}

/* Asked about alone, a source has no fate that it does not have among all. */
static void compare_one_source(struct lab *lab, struct ng_question question,
                               const struct ng_answer *all, ng_u128 saddr, uint16_t sport) {
    struct fate among_all[MAX_FATES], alone[MAX_FATES];
    struct ng_answer answer;
    question.one_source = true;
    question.saddr = saddr;
    question.sport = sport;
    assert_int_equal(ng_reach_ask(lab->engine, &question, lab->arena, &answer), 0);
    compare_source(lab, &question, &answer, saddr, sport);
    size_t n_all = engine_fates(all, saddr, sport, among_all);
    size_t n_alone = engine_fates(&answer, saddr, sport, alone);
    assert_true(n_alone > 0);
    assert_int_equal(count_common(alone, n_alone, among_all, n_all), n_alone);
}

static bool same_outcome(struct lab *lab, const struct ng_outcome *a, const struct ng_outcome *b) {
    struct ng_region more, less;
    assert_int_equal(ng_region_subtract(lab->arena, a->region, b->region, &more), 0);
    assert_int_equal(ng_region_subtract(lab->arena, b->region, a->region, &less), 0);
    return ng_region_empty(more) && ng_region_empty(less) && a->fate == b->fate &&
           a->daddr == b->daddr && a->dport == b->dport && a->by_rule == b->by_rule &&
           a->by_chain == b->by_chain;
}

/* What is written down changes nothing, and is about nobody who was not there. */
static void compare_recorded(struct lab *lab, struct ng_question question,
                             const struct ng_answer *answer) {
    struct ng_answer recorded;
    struct ng_region rest;
    question.record = true;
    assert_int_equal(ng_reach_ask(lab->engine, &question, lab->arena, &recorded), 0);
    assert_int_equal(answer->n_steps, 0);
    assert_int_equal(answer->n_undecided, recorded.n_undecided);
    assert_int_equal(answer->n_outcomes, recorded.n_outcomes);
    for (size_t i = 0; i < answer->n_outcomes; i++)
        assert_true(same_outcome(lab, &answer->outcomes[i], &recorded.outcomes[i]));
    for (size_t i = 0; i < recorded.n_steps; i++) {
        const struct ng_step *step = &recorded.steps[i];
        assert_int_equal(ng_region_subtract(lab->arena, step->doubted, step->region, &rest), 0);
        assert_true(ng_region_empty(rest) && !ng_region_empty(step->region));
        assert_int_equal(step->doubtful, !ng_region_empty(step->doubted));
    }
}

/* How many packets were compared; those of too many choices are not. */
static unsigned compare(struct lab *lab, struct dice *dice, const struct ng_question *question) {
    struct ng_answer answer = lab_ask(lab, question);
    unsigned compared = 0;
    if (answer.outcomes[0].fate == NG_FATE_ANYWHERE) /* more ways than it tries */
        return 0;
    compare_recorded(lab, *question, &answer);
    for (unsigned n = 0; n < SAMPLES; n++) {
        ng_u128 saddr = roll(dice, 8) ? some_source(dice) : 0x01020304;
        uint16_t sport = (uint16_t)(some_port(dice) + roll(dice, 2));
        compared += compare_source(lab, question, &answer, saddr, sport);
        if (n % 4 == 0)
            compare_one_source(lab, *question, &answer, saddr, sport);
    }
    return compared;
}

static struct ng_question random_question(struct dice *dice) {
    static const uint8_t protos[] = {NG_TCP, NG_TCP, NG_UDP, NG_UDP, 47};
    static const uint8_t states[] = {0, 0, 0, 0, 0, 0, 1, 64};
    return (struct ng_question){.family = NG_IP4,
                                .proto = protos[roll(dice, ARRAY_SIZE(protos))],
                                .iif = ETH0 + roll(dice, 2),
                                .daddr = some_destination(dice),
                                .dport = some_port(dice),
                                .mark = roll(dice, 4) ? 0 : roll(dice, 4),
                                .ct_state = states[roll(dice, ARRAY_SIZE(states))]};
}

static unsigned compare_rulesets(unsigned count, bool undecided, uint64_t seed) {
    struct dice dice = {seed};
    unsigned compared = 0;
    for (unsigned n = 0; n < count; n++) {
        _lab_ lab = lab_new();
        random_routes(lab, &dice);
        random_ruleset(lab, &dice, undecided);
        for (unsigned k = 0; k < QUESTIONS; k++) {
            struct ng_question question = random_question(&dice);
            if (!undecided && question.proto == 47)
                question.proto = NG_TCP; /* its ports are a matter of doubt */
            compared += compare(lab, &dice, &question);
        }
    }
    return compared;
}

static void test_decided(void **state) {
    (void)state;
    assert_true(compare_rulesets(DECIDED, false, 0x1ce1ce) >
                DECIDED * QUESTIONS * SAMPLES * 9 / 10);
}

static void test_with_doubt(void **state) {
    (void)state;
    assert_true(compare_rulesets(DOUBTFUL, true, 0xd0b7) > DOUBTFUL * QUESTIONS * SAMPLES / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decided),
        cmocka_unit_test(test_with_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
