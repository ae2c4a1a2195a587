/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Generated rulesets: the engine, which carries sets of sources through an index, against a
 * model that runs one packet through every rule in turn as the kernel does. Where something
 * cannot be decided the model is run once for each way it may go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "tests/unit/fixture_random.h"
#include "tests/unit/fixture_world.h"

enum {
    RULESETS = 400,
    QUESTIONS = 12,
    SAMPLES = 24, /* sources asked the model about, per question */
    MAX_CHOICES = 12,
    MAX_FATES = 64,
};

/* -- the model ------------------------------------------------------------------------------- */

struct packet {
    ng_u128 saddr, daddr;
    uint16_t sport, dport;
    uint32_t mark;
    bool mark_known, untracked, translated, source_mapped;
    uint32_t by_rule, by_chain;
};

struct fate {
    enum ng_fate fate;
    ng_u128 daddr;
    uint16_t dport;
    uint32_t by_rule, by_chain;
};

struct model {
    const struct ng_ruleset *ruleset;
    const struct ng_question *question;
    enum ng_hook hook;
    int32_t priority;
    /* One run follows these choices; those after the last are taken as false. */
    bool choices[MAX_CHOICES];
    unsigned n_choices, at;
    bool too_many;
};

enum course { GO_ON, OUT, ACCEPTED, DROPPED };

static bool choose(struct model *model) {
    if (model->at == MAX_CHOICES) {
        model->too_many = true;
        return false;
    }
    if (model->at == model->n_choices)
        model->choices[model->n_choices++] = false;
    return model->choices[model->at++];
}

enum presence { THERE, NOT_THERE, NOBODY_KNOWS };

static enum presence read_field(const struct model *model, const struct packet *packet,
                                enum ng_field field, ng_u128 *ret_value) {
    bool tracked = model->hook != NG_HOOK_PREROUTING || model->priority >= -200;
    switch (field) {
    case NG_FIELD_SADDR:
        *ret_value = packet->saddr;
        return THERE;
    case NG_FIELD_DADDR:
        *ret_value = packet->daddr;
        return THERE;
    case NG_FIELD_SPORT:
        *ret_value = packet->sport;
        return THERE;
    case NG_FIELD_DPORT:
        *ret_value = packet->dport;
        return THERE;
    case NG_FIELD_L4PROTO:
        *ret_value = model->question->proto;
        return THERE;
    case NG_FIELD_IIF:
        *ret_value = model->question->iif;
        return THERE;
    case NG_FIELD_MARK:
        *ret_value = packet->mark;
        return packet->mark_known ? THERE : NOBODY_KNOWS;
    case NG_FIELD_CT_STATE:
        *ret_value = packet->untracked ? 64 : tracked ? 8 : 1;
        return THERE;
    case NG_FIELD_CT_DPORT:
        *ret_value = model->question->dport;
        return packet->untracked || !tracked ? NOT_THERE : THERE;
    case NG_FIELD_EXTHDR:
        return NOT_THERE;
    case NG_FIELD_OTHER:
        return NOBODY_KNOWS;
    default:
        abort();
    }
}

static bool in_values(struct ng_addrset set, ng_u128 value) {
    for (size_t i = 0; i < set.count; i++)
        if (value >= set.intervals[i].lo && value <= set.intervals[i].hi)
            return true;
    return false;
}

/* THERE: it is decided, and `ret_matches` says how. */
static enum presence box_matches(const struct model *model, const struct packet *packet,
                                 const struct ng_match *match, const struct ng_box *box,
                                 bool *ret_matches) {
    enum presence presence = box->expires ? NOBODY_KNOWS : THERE;
    for (size_t i = 0; i < match->n_operands; i++) {
        ng_u128 value = 0;
        if (read_field(model, packet, match->operands[i].field, &value) == NOBODY_KNOWS)
            presence = NOBODY_KNOWS;
        else if (value < box->sides[i].lo || value > box->sides[i].hi) {
            *ret_matches = false;
            return THERE;
        }
    }
    *ret_matches = true;
    return presence;
}

static bool lacks_field(const struct model *model, const struct packet *packet,
                        const struct ng_match *match) {
    ng_u128 value;
    for (size_t i = 0; i < match->n_operands; i++)
        if (read_field(model, packet, match->operands[i].field, &value) == NOT_THERE)
            return true;
    return false;
}

static bool matches(struct model *model, const struct packet *packet,
                    const struct ng_match *match) {
    if (lacks_field(model, packet, match))
        return false;
    bool certain = false, perhaps = match->dynamic;
    if (match->boxes) {
        for (size_t i = 0; i < match->n_boxes; i++) {
            bool one;
            enum presence presence = box_matches(model, packet, match, &match->boxes[i], &one);
            certain = certain || (one && presence == THERE);
            perhaps = perhaps || one;
        }
    } else {
        ng_u128 value = 0;
        const struct ng_operand *of = &match->operands[0];
        if (read_field(model, packet, of->field, &value) == NOBODY_KNOWS) {
            perhaps = true;
        } else {
            certain = in_values(match->values, (value & of->mask) ^ of->flip);
            perhaps = perhaps || in_values(match->expiring, (value & of->mask) ^ of->flip);
        }
    }
    bool found = certain || (perhaps && choose(model));
    return found != match->negate;
}

static enum course model_chain(struct model *model, uint32_t chain_, struct packet *packet);

static enum course model_verdict(struct model *model, uint32_t rule, struct ng_verdict verdict,
                                 struct packet *packet) {
    switch (verdict.kind) {
    case NG_VERDICT_CONTINUE:
        return GO_ON;
    case NG_VERDICT_ACCEPT:
        packet->by_rule = rule;
        packet->by_chain = NG_NONE;
        return ACCEPTED;
    case NG_VERDICT_DROP:
        packet->by_rule = rule;
        packet->by_chain = NG_NONE;
        return DROPPED;
    case NG_VERDICT_RETURN:
        return OUT;
    case NG_VERDICT_JUMP: {
        enum course course = model_chain(model, verdict.chain, packet);
        return course == OUT ? GO_ON : course;
    }
    case NG_VERDICT_GOTO:
        return model_chain(model, verdict.chain, packet);
    default:
        abort();
    }
}

static enum course model_nat(struct packet *packet, const struct ng_nat *nat) {
    if (nat->has_addr)
        packet->daddr = nat->addr_lo.value;
    if (nat->has_port)
        packet->dport = nat->port_lo;
    packet->translated = true;
    return ACCEPTED;
}

/* The first element that holds; NULL: none. */
static const struct ng_box *look_up(struct model *model, const struct packet *packet,
                                    const struct ng_match *match) {
    for (size_t i = 0; i < match->n_boxes; i++) {
        bool one;
        enum presence presence = box_matches(model, packet, match, &match->boxes[i], &one);
        if (one && (presence == THERE || choose(model)))
            return &match->boxes[i];
    }
    return NULL;
}

static enum course model_rule(struct model *model, uint32_t index, struct packet *packet) {
    const struct ng_rule *rule = &model->ruleset->rules[index];
    for (size_t i = 0; i < rule->n_ops; i++) {
        const struct ng_op *op = &rule->ops[i];
        const struct ng_box *box;
        switch (op->kind) {
        case NG_OP_NOTHING:
            break;
        case NG_OP_MATCH:
            if (!matches(model, packet, op->match))
                return GO_ON;
            break;
        case NG_OP_UNDECIDED:
            if (!choose(model))
                return GO_ON;
            break;
        case NG_OP_VMAP:
            if (lacks_field(model, packet, op->match))
                return GO_ON;
            box = look_up(model, packet, op->match);
            if (box)
                return model_verdict(model, index, box->verdict, packet);
            break;
        case NG_OP_VERDICT:
            return model_verdict(model, index, op->verdict, packet);
        case NG_OP_DNAT:
            return model_nat(packet, op->nat);
        case NG_OP_SNAT:
            packet->source_mapped = true;
            return ACCEPTED;
        case NG_OP_SET_MARK:
            if (!op->operand) {
                packet->mark_known = false;
            } else if (packet->mark_known || (op->operand->mask & UINT32_MAX) == 0) {
                packet->mark = (uint32_t)((packet->mark & op->operand->mask) ^ op->operand->flip);
                packet->mark_known = true;
            }
            break;
        case NG_OP_NOTRACK:
            if (model->hook == NG_HOOK_PREROUTING && model->priority < -200)
                packet->untracked = true;
            break;
        default:
            abort();
        }
    }
    return GO_ON;
}

/* OUT: at its end, or by return. */
static enum course model_chain(struct model *model, uint32_t chain_, struct packet *packet) {
    const struct ng_chain *of = &model->ruleset->chains[chain_];
    for (size_t i = 0; i < of->n_rules; i++) {
        enum course course = model_rule(model, (uint32_t)(of->first_rule + i), packet);
        if (course != GO_ON)
            return course;
    }
    return OUT;
}

/* Base chains stand in their running order in the rulesets that are made here. */
static enum course model_hook(struct model *model, enum ng_hook hook, struct packet *packet) {
    model->hook = hook;
    for (uint32_t i = 0; i < model->ruleset->n_chains; i++) {
        const struct ng_chain *of = &model->ruleset->chains[i];
        bool nat = of->type == NG_CHAIN_NAT;
        bool mapped = hook == NG_HOOK_PREROUTING ? packet->translated : packet->source_mapped;
        if (!of->base || of->hook != hook || (nat && (packet->untracked || mapped)))
            continue;
        model->priority = nat ? -100 : of->priority;
        enum course course = model_chain(model, i, packet);
        if (course == DROPPED)
            return DROPPED;
        if (course == OUT && of->policy_drop) {
            packet->by_rule = NG_NONE;
            packet->by_chain = i;
            return DROPPED;
        }
        if (course == OUT && !nat && packet->by_rule == NG_NONE && packet->by_chain == NG_NONE)
            packet->by_chain = i;
    }
    return ACCEPTED;
}

/* Local are this host's addresses; 172.17.0.0/16 is behind docker0; all else is not asked. */
static struct fate model_run(struct model *model, struct packet packet) {
    struct fate fate = {.fate = NG_FATE_DROPPED};
    enum course course = model_hook(model, NG_HOOK_PREROUTING, &packet);
    bool forward = packet.daddr >> 16 == 0xac11 && packet.daddr != 0xac110001;
    if (course != DROPPED) {
        packet.by_rule = packet.by_chain = NG_NONE;
        course = model_hook(model, forward ? NG_HOOK_FORWARD : NG_HOOK_INPUT, &packet);
        if (course != DROPPED && forward)
            course = model_hook(model, NG_HOOK_POSTROUTING, &packet);
        if (course != DROPPED)
            fate.fate = forward ? NG_FATE_FORWARDED : NG_FATE_LOCAL;
    }
    fate.daddr = packet.daddr;
    fate.dport = packet.dport;
    fate.by_rule = packet.by_rule;
    fate.by_chain = packet.by_chain;
    return fate;
}

static bool same_fate(const struct fate *a, const struct fate *b) {
    return a->fate == b->fate && a->daddr == b->daddr && a->dport == b->dport &&
           a->by_rule == b->by_rule && a->by_chain == b->by_chain;
}

static void add_fate(struct fate *fates, size_t *n_fates, struct fate fate) {
    for (size_t i = 0; i < *n_fates; i++)
        if (same_fate(&fates[i], &fate))
            return;
    if (*n_fates == MAX_FATES)
        fail_msg("more fates than there is room for");
    fates[(*n_fates)++] = fate;
}

/* All fates that one packet may have; false: too many choices to try. */
static bool model_fates(struct model *model, struct packet packet, struct fate *ret_fates,
                        size_t *ret_n_fates) {
    *ret_n_fates = 0;
    model->n_choices = 0;
    for (;;) {
        model->at = 0;
        model->too_many = false;
        struct fate fate = model_run(model, packet);
        if (model->too_many)
            return false;
        add_fate(ret_fates, ret_n_fates, fate);
        /* The next course: the last choice that was false becomes true. */
        model->n_choices = model->at;
        while (model->n_choices && model->choices[model->n_choices - 1])
            model->n_choices--;
        if (!model->n_choices)
            return true;
        model->choices[model->n_choices - 1] = true;
    }
}

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

static struct ng_op random_match(struct lab *lab, struct dice *dice, bool undecided) {
    struct ng_interval side;
    struct ng_op op;
    switch (roll(dice, undecided ? 14 : 11)) {
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
        side.lo = some_destination(dice);
        op = is(lab, NG_FIELD_DADDR, side.lo);
        ((struct ng_operand *)op.match->operands)->family = NG_IP4;
        break;
    case 6:
        op = is(lab, NG_FIELD_MARK, roll(dice, 4));
        break;
    case 7:
        op = has_bit(lab, NG_FIELD_CT_STATE, 1U << roll(dice, 7));
        break;
    case 8:
        op = roll(dice, 2) ? is(lab, NG_FIELD_EXTHDR, 0)
                           : is(lab, NG_FIELD_CT_DPORT, some_port(dice));
        break;
    case 9:
        op = is(lab, roll(dice, 2) ? NG_FIELD_IIF : NG_FIELD_L4PROTO, 2 + 4 * roll(dice, 2));
        break;
    case 10: {
        const struct ng_operand by[] = {operand(NG_FIELD_SADDR), operand(NG_FIELD_DPORT),
                                        operand(NG_FIELD_SPORT)};
        struct ng_interval sides[9];
        for (unsigned i = 0; i < 9; i += 3) {
            sides[i] = two(some_source(dice), some_source(dice));
            sides[i + 1] = two(some_port(dice), some_port(dice));
            sides[i + 2] = two(some_port(dice), some_port(dice));
        }
        op = match_op(lab, *box_match(lab, by, 3, sides, 3));
        if (undecided && roll(dice, 4) == 0)
            box_of((struct ng_match *)op.match, 1)->expires = true;
        break;
    }
    case 11:
        return UNDECIDED("limit");
    case 12: {
        struct ng_operand other = operand(NG_FIELD_OTHER);
        other.name = "meta skuid";
        op = match_set(lab, other, one_interval(lab, 0, 0));
        break;
    }
    default:
        op = is(lab, NG_FIELD_SADDR, some_source(dice));
        ((struct ng_match *)op.match)->set_name = "s";
        ((struct ng_match *)op.match)->dynamic = roll(dice, 2);
        side.lo = some_source(dice);
        ((struct ng_match *)op.match)->expiring = one_interval(lab, side.lo, side.lo + 3);
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

static struct ng_op random_end(struct lab *lab, struct dice *dice, bool nat, uint32_t user,
                               uint32_t n_user) {
    static const char *const inside[] = {"192.0.2.1", "172.17.0.2", "172.17.0.3", NULL};
    if (nat && roll(dice, 3) == 0) {
        const char *to_addr = inside[roll(dice, ARRAY_SIZE(inside))];
        uint16_t port = some_port(dice);
        return dnat(lab, to_addr, !to_addr && !port ? 80 : port);
    }
    if (roll(dice, 5))
        return (struct ng_op){.kind = NG_OP_VERDICT, .verdict = random_verdict(dice, user, n_user)};
    const struct ng_operand by[] = {operand(NG_FIELD_SPORT)};
    const struct ng_interval sides[] = {{0, 52}, {53, 80}, {1024, 1024}};
    struct ng_match *map = box_match(lab, by, 1, sides, 3);
    for (unsigned i = 0; i < 3; i++)
        box_of(map, i)->verdict = random_verdict(dice, user, n_user);
    return vmap_op(map);
}

/* `user`: the chains it may jump to. */
static void fill(struct lab *lab, struct dice *dice, uint32_t to_chain, bool nat, bool undecided,
                 uint32_t user, uint32_t n_user) {
    for (unsigned n = roll(dice, 3) ? 8 + roll(dice, 12) : roll(dice, 4); n > 0; n--) {
        struct ng_op ops[6];
        size_t n_ops = 0;
        for (unsigned tests = roll(dice, 4); tests > 0; tests--)
            ops[n_ops++] = random_match(lab, dice, undecided && roll(dice, 6) == 0);
        if (roll(dice, 8) == 0) {
            uint32_t mask = roll(dice, 2) ? 0 : 1 + roll(dice, 2);
            ops[n_ops++] = roll(dice, 3) == 0 ? NOTRACK : set_mark(lab, mask, roll(dice, 4));
            ops[n_ops++] = random_match(lab, dice, false);
        }
        if (n_ops == 0)
            ops[n_ops++] = NOTHING;
        else if (roll(dice, 8))
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
    } bases[] = {
        {NG_HOOK_PREROUTING, NG_CHAIN_FILTER, -300}, {NG_HOOK_PREROUTING, NG_CHAIN_FILTER, -150},
        {NG_HOOK_PREROUTING, NG_CHAIN_NAT, -100},    {NG_HOOK_PREROUTING, NG_CHAIN_NAT, -90},
        {NG_HOOK_INPUT, NG_CHAIN_FILTER, -300},      {NG_HOOK_INPUT, NG_CHAIN_FILTER, 0},
        {NG_HOOK_FORWARD, NG_CHAIN_FILTER, 0},       {NG_HOOK_FORWARD, NG_CHAIN_FILTER, 10},
        {NG_HOOK_POSTROUTING, NG_CHAIN_FILTER, 0},
    };
    enum { BASES = ARRAY_SIZE(bases) };
    table(lab, NG_TABLE_IP, "t");
    for (size_t i = 0; i < BASES; i++)
        base_chain(lab, 0, "base", bases[i].hook, bases[i].type, bases[i].priority,
                   roll(dice, 3) == 0);
    for (unsigned i = 0; i < USER; i++)
        chain(lab, 0, "user");
    for (uint32_t i = 0; i < BASES; i++)
        fill(lab, dice, i, bases[i].type == NG_CHAIN_NAT, undecided, BASES, USER);
    for (uint32_t i = 0; i < USER; i++)
        fill(lab, dice, BASES + i, false, undecided, BASES + i + 1, USER - i - 1);
}

/* -- the comparison -------------------------------------------------------------------------- */

static bool in_region(struct ng_region region, ng_u128 saddr, uint16_t sport) {
    for (size_t i = 0; i < region.count; i++)
        if (sport >= region.bands[i].lo && sport <= region.bands[i].hi)
            return in_values(region.bands[i].addrs, saddr);
    return false;
}

/* How many packets were compared; those of too many choices are not. */
static unsigned compare(struct lab *lab, struct dice *dice, const struct ng_question *question) {
    struct ng_answer answer = lab_ask(lab, question);
    struct model model = {.ruleset = &lab->ruleset, .question = question};
    unsigned compared = 0;
    for (unsigned n = 0; n < SAMPLES; n++) {
        struct packet packet = {.saddr = roll(dice, 8) ? some_source(dice) : 0x01020304,
                                .sport = (uint16_t)(some_port(dice) + roll(dice, 2)),
                                .daddr = question->daddr,
                                .dport = question->dport,
                                .mark_known = true,
                                .by_rule = NG_NONE,
                                .by_chain = NG_NONE};
        struct fate expected[MAX_FATES], found[MAX_FATES];
        size_t n_expected, n_found = 0;
        if (!model_fates(&model, packet, expected, &n_expected))
            continue;
        for (size_t i = 0; i < answer.n_outcomes; i++) {
            const struct ng_outcome *outcome = &answer.outcomes[i];
            if (in_region(outcome->region, packet.saddr, packet.sport))
                add_fate(found, &n_found,
                         (struct fate){outcome->fate, outcome->daddr, outcome->dport,
                                       outcome->by_rule, outcome->by_chain});
        }
        size_t common = 0;
        for (size_t i = 0; i < n_expected; i++)
            for (size_t k = 0; k < n_found; k++)
                common += same_fate(&expected[i], &found[k]);
        if (common != n_expected || common != n_found)
            fail_msg("source %x:%u to %x:%u: %zu fates by the model, %zu by the engine, %zu alike",
                     (unsigned)packet.saddr, packet.sport, (unsigned)question->daddr,
                     question->dport, n_expected, n_found, common);
        compared++;
    }
    return compared;
}

static unsigned compare_rulesets(bool undecided, uint64_t seed) {
    struct dice dice = {seed};
    unsigned compared = 0;
    for (unsigned n = 0; n < RULESETS; n++) {
        _lab_ lab = lab_new();
        random_ruleset(lab, &dice, undecided);
        for (unsigned k = 0; k < QUESTIONS; k++) {
            const struct ng_question question = {.family = NG_IP4,
                                                 .proto = roll(&dice, 2) ? NG_TCP : NG_UDP,
                                                 .iif = ETH0,
                                                 .daddr = some_destination(&dice),
                                                 .dport = some_port(&dice)};
            compared += compare(lab, &dice, &question);
        }
    }
    return compared;
}

static void test_decided(void **state) {
    (void)state;
    assert_int_equal(compare_rulesets(false, 0x1ce1ce), RULESETS * QUESTIONS * SAMPLES);
}

static void test_with_doubt(void **state) {
    (void)state;
    assert_true(compare_rulesets(true, 0xd0b7) > RULESETS * QUESTIONS * SAMPLES / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decided),
        cmocka_unit_test(test_with_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
