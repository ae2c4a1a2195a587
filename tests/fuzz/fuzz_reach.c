/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/made_host.h"

/* The engine on a host and a ruleset made of the bytes. Whatever they are: every source has some
 * fate, what is said of everybody contains what is said of each single source, recording changes
 * nothing, and the algebra that carries the sets is one. */

enum {
    QUESTIONS = 2,
    SOURCES = 5, /* of each question asked about alone */
    /* A question that the engine gives up on may take a second with sanitizers, and one of its
     * kind is enough. */
    COSTLY_BYTES = 4 << 20,
    QUESTION_BYTES = 64,
};

struct source {
    ng_u128 addr;
    uint16_t port;
};

/* -- regions ------------------------------------------------------------------------- */

static bool holds(struct ng_region region, struct source source) {
    for (size_t i = 0; i < region.count; i++)
        if (region.bands[i].lo <= source.port && source.port <= region.bands[i].hi)
            return ng_addrset_contains(region.bands[i].addrs, source.addr);
    return false;
}

/* Sorted, disjoint, as few as can be, and never empty. */
static void check_region(struct ng_region region, uint8_t family) {
    assert(!ng_region_empty(region));
    for (size_t i = 0; i < region.count; i++) {
        const struct ng_band *band = &region.bands[i], *last = i ? band - 1 : NULL;
        assert(band->lo <= band->hi && !ng_addrset_empty(band->addrs));
        assert(!last || last->hi < band->lo);
        assert(!last || last->hi + 1 != band->lo || !ng_addrset_equal(last->addrs, band->addrs));
        for (size_t k = 0; k < band->addrs.count; k++) {
            struct ng_interval one = band->addrs.intervals[k];
            assert(one.lo <= one.hi && one.hi <= ng_family_max(family));
            assert(k == 0 || band->addrs.intervals[k - 1].hi + 1 < one.lo);
        }
    }
}

static bool equal(struct lab *lab, struct ng_region a, struct ng_region b) {
    struct ng_region left, right;
    if (ng_region_subtract(lab->arena, a, b, &left) < 0 ||
        ng_region_subtract(lab->arena, b, a, &right) < 0)
        abort();
    return ng_region_empty(left) && ng_region_empty(right);
}

static void check_algebra(struct lab *lab, struct ng_region a, struct ng_region b,
                          struct source source) {
    struct ng_region both, either, rest, again;
    if (ng_region_intersect(lab->arena, a, b, &both) < 0 ||
        ng_region_union(lab->arena, a, b, &either) < 0 ||
        ng_region_subtract(lab->arena, a, b, &rest) < 0 ||
        ng_region_union(lab->arena, rest, both, &again) < 0)
        abort();
    assert(holds(both, source) == (holds(a, source) && holds(b, source)));
    assert(holds(either, source) == (holds(a, source) || holds(b, source)));
    assert(holds(rest, source) == (holds(a, source) && !holds(b, source)));
    assert(equal(lab, again, a));
    if (ng_region_intersect(lab->arena, rest, b, &again) < 0)
        abort();
    assert(ng_region_empty(again));
}

/* -- one answer ---------------------------------------------------------------------- */

static struct ng_region covered(struct lab *lab, const struct ng_answer *answer) {
    struct ng_region all = {0};
    for (size_t i = 0; i < answer->n_outcomes; i++)
        if (ng_region_union(lab->arena, all, answer->outcomes[i].region, &all) < 0)
            abort();
    return all;
}

/* Everybody, or the one: with a port, where the protocol has ports. */
static struct ng_region asked(struct lab *lab, const struct ng_question *question) {
    bool one = question->one_source;
    bool ports =
        question->proto == NG_TCP || question->proto == NG_UDP || question->proto == NG_SCTP;
    ng_u128 lo = one ? question->saddr : 0;
    ng_u128 hi = one ? question->saddr : ng_family_max(question->family);
    struct ng_region all;
    if (ng_region_make(lab->arena, one && ports ? question->sport : 0,
                       one && ports ? question->sport : UINT16_MAX, one_interval(lab, lo, hi),
                       &all) < 0)
        abort();
    return all;
}

static void check_steps(const struct ng_ruleset *ruleset, const struct ng_answer *answer,
                        uint8_t family) {
    for (size_t i = 0; i < answer->n_steps; i++) {
        const struct ng_step *step = &answer->steps[i];
        check_region(step->region, family);
        assert(step->chain == NG_NONE || step->chain < ruleset->n_chains);
        assert(step->rule == NG_NONE || step->rule < ruleset->n_rules);
        assert(step->hook < NG_HOOK_COUNT && step->effect <= NG_EFFECT_NO_ROUTE);
    }
}

static void check_answer(struct lab *lab, const struct ng_question *question,
                         const struct ng_answer *answer) {
    const struct ng_ruleset *ruleset = &lab->ruleset;
    for (size_t i = 0; i < answer->n_outcomes; i++) {
        const struct ng_outcome *outcome = &answer->outcomes[i];
        check_region(outcome->region, question->family);
        assert(outcome->by_rule == NG_NONE || outcome->by_rule < ruleset->n_rules);
        assert(outcome->by_chain == NG_NONE || outcome->by_chain < ruleset->n_chains);
        assert(outcome->fate <= NG_FATE_ANYWHERE && outcome->hook < NG_HOOK_COUNT);
    }
    for (size_t i = 0; i < answer->n_undecided; i++) {
        const struct ng_undecided *undecided = &answer->undecided[i];
        check_region(undecided->region, question->family);
        assert(undecided->what || undecided->op);
        assert(undecided->rule == NG_NONE || undecided->rule < ruleset->n_rules);
        if (undecided->op && !ng_op_text(lab->arena, ruleset, undecided->op))
            abort();
    }
    assert(equal(lab, covered(lab, answer), asked(lab, question)));
    check_steps(ruleset, answer, question->family);
}

static struct ng_answer answer_of(struct lab *lab, const struct ng_question *question) {
    struct ng_answer answer;
    if (ng_reach_ask(lab->engine, question, lab->arena, &answer) < 0)
        abort();
    check_answer(lab, question, &answer);
    return answer;
}

/* -- one answer against another ------------------------------------------------------ */

/* Alike but for whom it is about. */
static bool same_end(const struct ng_outcome *a, const struct ng_outcome *b) {
    return a->fate == b->fate && a->hook == b->hook && a->daddr == b->daddr &&
           a->dport == b->dport && a->translated == b->translated && a->oif == b->oif &&
           a->by_rule == b->by_rule && a->by_chain == b->by_chain;
}

static void check_recorded(struct lab *lab, struct ng_question question,
                           const struct ng_answer *plain) {
    question.record = true;
    struct ng_answer recorded = answer_of(lab, &question);
    assert(recorded.n_outcomes == plain->n_outcomes);
    assert(recorded.n_undecided == plain->n_undecided);
    for (size_t i = 0; i < plain->n_outcomes; i++) {
        assert(same_end(&recorded.outcomes[i], &plain->outcomes[i]));
        assert(equal(lab, recorded.outcomes[i].region, plain->outcomes[i].region));
    }
}

/* Refused for what it is: nothing that a question about everybody tells. */
static bool refused(const struct ng_outcome *outcome) {
    return outcome->fate == NG_FATE_NO_ROUTE;
}

static bool foretold(const struct ng_answer *everybody, const struct ng_outcome *outcome,
                     struct source source) {
    for (size_t i = 0; i < everybody->n_outcomes; i++) {
        const struct ng_outcome *told = &everybody->outcomes[i];
        if (holds(told->region, source) &&
            (told->fate == NG_FATE_ANYWHERE || same_end(told, outcome)))
            return true;
    }
    return false;
}

static void check_single(struct lab *lab, struct ng_question question,
                         const struct ng_answer *everybody, struct source source) {
    question.one_source = true;
    question.saddr = source.addr;
    question.sport = source.port;
    struct ng_answer alone = answer_of(lab, &question);
    for (size_t i = 0; i < alone.n_outcomes; i++)
        assert(refused(&alone.outcomes[i]) || foretold(everybody, &alone.outcomes[i], source));
}

/* Addresses that are told to be alike get the same answer. */
static void check_distinct(struct lab *lab, struct ng_question question,
                           const struct ng_answer *answer, ng_u128 other) {
    ng_u128 addrs[] = {question.daddr, other}, own = question.daddr;
    if (ng_reach_distinct(lab->engine, question.family, addrs, 2) == 2)
        return;
    question.daddr = other;
    struct ng_answer same = answer_of(lab, &question);
    assert(same.n_outcomes == answer->n_outcomes);
    for (size_t i = 0; i < same.n_outcomes; i++) {
        struct ng_outcome here = same.outcomes[i];
        if (here.daddr == other && answer->outcomes[i].daddr == own)
            here.daddr = own;
        assert(same_end(&here, &answer->outcomes[i]));
        assert(equal(lab, here.region, answer->outcomes[i].region));
    }
}

/* -- questions ----------------------------------------------------------------------- */

/* Where two sets meet things go wrong: at the ends of what the answer tells. */
static struct source make_source(struct feed *feed, uint8_t family,
                                 const struct ng_answer *answer) {
    struct source source = {make_addr(feed, family).value, make_port(feed)};
    if (answer->n_outcomes && rarely(feed, 2)) {
        struct ng_region region =
            answer->outcomes[choose(feed, (unsigned)answer->n_outcomes)].region;
        const struct ng_band *band = &region.bands[choose(feed, (unsigned)region.count)];
        struct ng_interval one = band->addrs.intervals[choose(feed, (unsigned)band->addrs.count)];
        source.addr = rarely(feed, 2) ? one.hi : one.lo;
        source.port = rarely(feed, 2) ? band->hi : band->lo;
    }
    return source;
}

static struct ng_question make_question(struct feed *feed) {
    uint8_t family = rarely(feed, 3) ? NG_IP6 : NG_IP4;
    static const uint8_t protos[] = {NG_TCP, NG_UDP, NG_ICMP, NG_ICMP6, NG_SCTP, 47};
    struct ng_question question = {
        .family = family,
        .proto = protos[choose(feed, ARRAY_SIZE(protos))],
        .iif = (const uint32_t[]){ETH0, ETH1, DOCKER0, LO}[choose(feed, 4)],
        .daddr = make_addr(feed, family).value,
        .dport = make_port(feed),
        .icmp_type = (uint8_t)choose(feed, 16),
        .has_tcp_flags = rarely(feed, 8),
        .has_smac = rarely(feed, 4),
        .mark = rarely(feed, 4) ? choose(feed, 4) : 0,
    };
    if (question.has_tcp_flags)
        question.tcp_flags = (uint8_t)choose(feed, 64);
    if (question.has_smac)
        question.smac = choose(feed, 4);
    if (rarely(feed, 8))
        question.ct_state = (const uint8_t[]){8, 1, 2, 4, 64}[choose(feed, 5)];
    return question;
}

static void try_question(struct lab *lab, struct feed *feed) {
    struct ng_question question = make_question(feed);
    struct ng_answer answer = answer_of(lab, &question);
    if (ng_arena_used(lab->arena) > COSTLY_BYTES)
        return;
    check_recorded(lab, question, &answer);
    for (size_t i = 0; i < SOURCES; i++) {
        struct source source = make_source(feed, question.family, &answer);
        check_single(lab, question, &answer, source);
        if (answer.n_outcomes > 1)
            check_algebra(lab, answer.outcomes[0].region,
                          answer.outcomes[answer.n_outcomes - 1].region, source);
    }
    const struct ng_ifaddr *ifaddrs = lab->world.ifaddrs;
    size_t a = choose(feed, (unsigned)lab->world.n_ifaddrs);
    size_t b = choose(feed, (unsigned)lab->world.n_ifaddrs);
    if (ifaddrs[a].addr.family == question.family && ifaddrs[b].addr.family == question.family) {
        question.daddr = ifaddrs[a].addr.value;
        answer = answer_of(lab, &question);
        check_distinct(lab, question, &answer, ifaddrs[b].addr.value);
    }
}

static void try_in_own_arena(struct lab *lab, struct feed *feed) {
    struct ng_arena *of_ruleset = lab->arena;
    lab->arena = ng_arena_new();
    if (!lab->arena)
        abort();
    try_question(lab, feed);
    ng_arena_free(lab->arena);
    lab->arena = of_ruleset;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
    struct feed feed = {bytes, len_bytes};
    _lab_ lab = lab_new();
    make_host(lab, &feed);
    /* Questions first: whatever follows of the bytes then is the ruleset's. */
    struct feed questions = feed;
    for (size_t i = 0; i < QUESTION_BYTES; i++)
        (void)choose(&feed, 256);
    const struct ng_ruleset *ruleset = make_ruleset(lab, &feed);
    if (ng_reach_new(&lab->world, ruleset, &lab->engine) < 0)
        abort();
    for (size_t i = 0; i < ruleset->n_rules; i++)
        if (!ng_rule_text(lab->arena, ruleset, &ruleset->rules[i]))
            abort();
    questions.left = questions.left < QUESTION_BYTES ? questions.left : QUESTION_BYTES;
    for (size_t i = 0; i < QUESTIONS; i++)
        try_in_own_arena(lab, &questions);
    return 0;
}
