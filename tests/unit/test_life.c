/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings over time: what is told of them, and that nothing is told twice or forgotten. */
#include "tests/unit/fixture_life.h"
#include "tests/unit/fixture_random.h"

#define FOUND(...) ((struct found){__VA_ARGS__})

/* One finding, or none at all. */
static struct look with(struct found found) {
    struct look look = {0};
    look_add(&look, found);
    return look;
}

static const struct look nothing;

static const char *look_at(struct story *story, int64_t now_s, struct look look) {
    story->options.now_s = now_s;
    return story_look(story, look);
}

/* -- every change ----------------------------------------------------------------------- */

static void test_opened_told_once_and_resolved(void **state) {
    _story_ story = story_new();
    const struct look open = with(FOUND(.port = 6379));
    (void)state;
    assert_string_equal(look_at(&story, 1000, open), "opened redis:6379 since 1000\n");
    assert_true(story.next_s == INT64_MAX);
    assert_string_equal(look_at(&story, 1001, open), "");
    assert_string_equal(look_at(&story, 1000000, open), "");
    assert_string_equal(look_at(&story, 1000001, nothing), "");
    assert_true(story.next_s == 1000001 + NG_LIFE_GONE_S);
    assert_string_equal(look_at(&story, 1000010, nothing), "");
    assert_true(story.next_s == 1000001 + NG_LIFE_GONE_S);
    assert_string_equal(look_at(&story, 1000011, nothing), "resolved redis:6379 since 1000\n");
    assert_int_equal(story.life.n_records, 0);
    assert_true(story.next_s == INT64_MAX);
    assert_string_equal(look_at(&story, 1000012, nothing), "");
    assert_string_equal(look_at(&story, 1000013, open), "opened redis:6379 since 1000013\n");
}

/* Whatever it was to begin with; it is as old as before until it is resolved. */
static void test_blocked_and_open_again(void **state) {
    _story_ story = story_new();
    const struct look open = with(FOUND(.port = 6379)),
                      blocked = with(FOUND(.port = 6379, .state = NG_STATE_BLOCKED));
    (void)state;
    assert_string_equal(look_at(&story, 1000, blocked), "blocked redis:6379 since 1000\n");
    assert_string_equal(look_at(&story, 1001, blocked), "");
    assert_string_equal(look_at(&story, 1002, open), "opened redis:6379 since 1000\n");
    assert_string_equal(look_at(&story, 1003, blocked), "blocked redis:6379 since 1000\n");
    assert_string_equal(look_at(&story, 1004, open), "opened redis:6379 since 1000\n");
}

static void test_excepted_and_expired(void **state) {
    _story_ story = story_new();
    const struct look open = with(FOUND(.port = 6379)),
                      excepted = with(FOUND(.port = 6379, .state = NG_EXCEPTED)),
                      blocked = with(FOUND(.port = 6379, .state = NG_STATE_BLOCKED));
    (void)state;
    assert_string_equal(look_at(&story, 1000, excepted), "excepted redis:6379 since 1000\n");
    assert_string_equal(look_at(&story, 1001, open), "expired redis:6379 since 1000\n");
    assert_string_equal(look_at(&story, 1002, excepted), "excepted redis:6379 since 1000\n");
    assert_string_equal(look_at(&story, 1003, blocked), "blocked redis:6379 since 1000\n");
    assert_string_equal(look_at(&story, 1004, nothing), "");
    assert_string_equal(look_at(&story, 1014, nothing), "resolved redis:6379 since 1000\n");
}

static void test_changed(void **state) {
    _story_ story = story_new();
    static const char changed[] = "changed redis:6379 since 1000\n";
    (void)state;
    (void)look_at(&story, 1000, with(FOUND(.port = 6379)));
    assert_string_equal(look_at(&story, 1001, with(FOUND(.port = 6379, .severity = NG_LOW))),
                        changed);
    assert_int_equal(story.news->record.severity, NG_LOW);
    assert_string_equal(look_at(&story, 1002, with(FOUND(.port = 6379, .severity = NG_LOW))), "");
    assert_string_equal(look_at(&story, 1003, with(FOUND(.port = 6379))), changed);
    assert_string_equal(
        look_at(&story, 1004, with(FOUND(.port = 6379, .zones = {"office", "public"}))), changed);
    assert_string_equal(story.news->record.zones, "office, public");
    assert_string_equal(
        look_at(&story, 1005, with(FOUND(.port = 6379, .zones = {"public", "office"}))), "");
    assert_string_equal(look_at(&story, 1006, with(FOUND(.port = 6379))), changed);
    assert_string_equal(look_at(&story, 1007, with(FOUND(.port = 6379, .verdict = NG_PARTLY))),
                        changed);
    assert_int_equal(story.life.records->verdict, NG_PARTLY);
}

/* Its words and what it is made of may be others; they are kept as they are now. */
static void test_a_container_that_is_made_anew_is_the_same(void **state) {
    _story_ story = story_new();
    (void)state;
    (void)look_at(
        &story, 1000,
        with(FOUND(.port = 6379, .id = "aa", .service = "stack_db", .message = "at 172.17.0.2")));
    assert_string_equal(look_at(&story, 1001, nothing), "");
    assert_string_equal(story.life.records->service, "stack_db");
    assert_true(story.life.records->gone_s == 1001);
    assert_string_equal(look_at(&story, 1010,
                                with(FOUND(.port = 6379, .id = "bb", .service = "stack_db",
                                           .message = "at 172.17.0.3"))),
                        "");
    assert_int_equal(story.life.records->gone_s, 0);
    assert_true(story.next_s == INT64_MAX);
    assert_string_equal(story.life.records->container_id, "bb");
    assert_string_equal(story.life.records->message, "at 172.17.0.3");
    assert_true(story.life.records->since_s == 1000);
    /* Away for as long again, and once for too long. */
    assert_string_equal(look_at(&story, 1011, nothing), "");
    assert_string_equal(look_at(&story, 1020, with(FOUND(.port = 6379, .service = "stack_db"))),
                        "");
    assert_string_equal(look_at(&story, 1021, nothing), "");
    assert_string_equal(look_at(&story, 1031, nothing), "resolved redis:6379 since 1000\n");
    assert_string_equal(look_at(&story, 1032, with(FOUND(.port = 6379, .service = "stack_db"))),
                        "opened redis:6379 since 1032\n");
}

/* As an engine takes a container down: for a moment it is to be had at its own address alone. */
static void test_what_is_published_is_waited_for(void **state) {
    _story_ story = story_new();
    const struct look published = with(FOUND(.port = 6379)),
                      direct = with(FOUND(.port = 6379, .direct = true));
    struct look other = direct;
    (void)state;
    (void)look_at(&story, 1000, published);
    assert_string_equal(look_at(&story, 1001, direct), "");
    assert_true(story.next_s == 1001 + NG_LIFE_GONE_S);
    assert_string_equal(look_at(&story, 1002, nothing), "");
    assert_string_equal(look_at(&story, 1003, published), "");
    assert_int_equal(story.life.n_records, 1);
    /* Gone for good it stands in no longer. */
    (void)look_at(&story, 1004, direct);
    assert_string_equal(look_at(&story, 1014, direct), "opened redis:6379 since 1004\n"
                                                       "resolved redis:6379 since 1000\n");
    assert_string_equal(look_at(&story, 1015, direct), "");
    /* So it does for no longer where nobody knows whether that is gone. */
    (void)look_at(&story, 1100, nothing);
    (void)look_at(&story, 1110, published);
    story.options.containers_seen = false;
    assert_string_equal(look_at(&story, 1111, direct), "");
    assert_string_equal(look_at(&story, 1120, direct), "");
    assert_string_equal(look_at(&story, 1121, direct), "opened redis:6379 since 1111\n");
    story.options.containers_seen = true;
    (void)look_at(&story, 1130, nothing);
    (void)look_at(&story, 1140, nothing);
    assert_int_equal(story.life.n_records, 0);
    (void)look_at(&story, 1000, direct);
    assert_string_equal(look_at(&story, 1015, direct), "");
    /* One that was told of before stays. */
    look_add(&other, FOUND(.port = 6379));
    assert_string_equal(look_at(&story, 1016, other), "opened redis:6379 since 1016\n");
    assert_string_equal(look_at(&story, 1017, direct), "");
    assert_string_equal(look_at(&story, 1027, direct), "resolved redis:6379 since 1016\n");
    /* Another port or container waits for nothing. */
    assert_string_equal(look_at(&story, 1028, with(FOUND(.port = 6380, .direct = true))),
                        "opened redis:6380 since 1028\n");
    assert_string_equal(
        look_at(&story, 1029, with(FOUND(.port = 6379, .name = "other", .direct = true))),
        "opened other:6379 since 1029\n");
}

/* While an engine comes or goes, its containers' ports seem to be this machine's. */
static void test_whose_it_is_is_waited_for(void **state) {
    _story_ story = story_new();
    const struct look whose = with(FOUND(.port = 6379, .name = "", .unidentified = true)),
                      ours = with(FOUND(.port = 6379, .name = ""));
    (void)state;
    assert_string_equal(look_at(&story, 1000, whose), "");
    assert_true(story.next_s == 1000 + NG_LIFE_GONE_S);
    assert_string_equal(look_at(&story, 1009, whose), "");
    assert_string_equal(look_at(&story, 1010, whose), "opened sshd:6379 since 1000\n");
    assert_string_equal(look_at(&story, 1011, whose), "");
    assert_string_equal(look_at(&story, 1012, nothing), "");
    assert_string_equal(look_at(&story, 1022, nothing), "resolved sshd:6379 since 1000\n");
    /* Gone before it was told of, or known meanwhile. */
    assert_string_equal(look_at(&story, 1030, whose), "");
    assert_string_equal(look_at(&story, 1035, nothing), "");
    assert_int_equal(story.life.n_records, 0);
    assert_string_equal(look_at(&story, 1040, whose), "");
    assert_string_equal(look_at(&story, 1045, ours), "opened sshd:6379 since 1040\n");
    assert_string_equal(look_at(&story, 1046, whose), "");
}

/* Back, and not as it was. */
static void test_back_in_another_state(void **state) {
    _story_ story = story_new();
    (void)state;
    (void)look_at(&story, 1000, with(FOUND(.port = 6379, .state = NG_STATE_BLOCKED)));
    (void)look_at(&story, 1001, nothing);
    assert_string_equal(look_at(&story, 1002, with(FOUND(.port = 6379))),
                        "opened redis:6379 since 1000\n");
}

static void test_reminded(void **state) {
    _story_ story = story_new();
    const struct look open = with(FOUND(.port = 6379)),
                      blocked = with(FOUND(.port = 6379, .state = NG_STATE_BLOCKED));
    (void)state;
    story.options.repeat_s = 60;
    (void)look_at(&story, 1000, open);
    assert_true(story.next_s == 1060);
    assert_string_equal(look_at(&story, 1059, open), "");
    assert_true(story.next_s == 1060);
    assert_string_equal(look_at(&story, 1061, open), "reminded redis:6379 since 1000\n");
    assert_true(story.next_s == 1121);
    assert_string_equal(look_at(&story, 1100, with(FOUND(.port = 6379, .severity = NG_LOW))),
                        "changed redis:6379 since 1000\n");
    assert_true(story.next_s == 1160); /* told of just now */
    assert_string_equal(look_at(&story, 1101, blocked), "blocked redis:6379 since 1000\n");
    assert_true(story.next_s == INT64_MAX);
    assert_string_equal(look_at(&story, 9000, blocked), "");
    assert_string_equal(look_at(&story, 9001, open), "opened redis:6379 since 1000\n");
    /* Gone in between, it is not told of; nor is the time for it lost. */
    assert_string_equal(look_at(&story, 9060, nothing), "");
    assert_string_equal(look_at(&story, 9062, open), "reminded redis:6379 since 1000\n");
}

/* -- findings that are one to a person ---------------------------------------------------- */

static void test_one_port_at_several_addresses_is_told_of_once(void **state) {
    _story_ story = story_new();
    struct look both = {0};
    const struct found any4 = FOUND(.port = 80, .address = "0.0.0.0", .zones = {"public"}),
                       one4 = FOUND(.port = 80, .address = "192.0.2.1", .zones = {"office"});
    (void)state;
    look_add(&both, any4);
    look_add(&both, one4);
    assert_string_equal(look_at(&story, 1000, both), "opened redis:80 since 1000\n");
    assert_string_equal(story.life.records->zones, "office, public");
    assert_string_equal(story.life.records->keys, "0000005000000000 00000050c0000201");
    assert_string_equal(story.life.records->key, "0000005000000000");
    /* What is left of it is the same thing, by the name that it has outside. */
    assert_string_equal(look_at(&story, 1001, with(one4)), "changed redis:80 since 1000\n");
    assert_string_equal(story.life.records->key, "0000005000000000");
    assert_string_equal(story.life.records->keys, "00000050c0000201");
    assert_string_equal(look_at(&story, 1002, nothing), "");
    assert_string_equal(look_at(&story, 1012, nothing), "resolved redis:80 since 1000\n");
}

static void test_open_by_one_of_them_it_is_open(void **state) {
    static const struct {
        enum ng_finding_state a, b, both;
    } cases[] = {
        {NG_OPEN, NG_STATE_BLOCKED, NG_OPEN},
        {NG_OPEN, NG_EXCEPTED, NG_OPEN},
        {NG_STATE_BLOCKED, NG_EXCEPTED, NG_STATE_BLOCKED},
    };
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
        _story_ story = story_new();
        struct look look = {0};
        const enum ng_finding_state a = cases[i / 2].a, b = cases[i / 2].b;
        look_add(&look, FOUND(.port = 80, .address = "0.0.0.0", .state = i % 2 ? b : a));
        look_add(&look, FOUND(.port = 80, .address = "192.0.2.1", .state = i % 2 ? a : b));
        (void)story_look(&story, look);
        assert_int_equal(story.n_news, 1);
        assert_int_equal(story.life.records->state, cases[i / 2].both);
    }
}

/* The wider of two ways tells, wherever it stands, and from those zones alone that are open. */
static void test_the_wider_way_tells(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        _story_ story = story_new();
        struct look look = {0};
        const struct found ways[] = {
            FOUND(.port = 80, .address = "0.0.0.0", .verdict = NG_PARTLY, .message = "some"),
            FOUND(.port = 80, .address = "192.0.2.1", .verdict = NG_REACHABLE, .message = "all")};
        look_add(&look, ways[i]);
        look_add(&look, ways[!i]);
        look_add(&look, FOUND(.port = 80, .address = "192.0.2.2", .zones = {"office"},
                              .state = NG_STATE_BLOCKED));
        (void)story_look(&story, look);
        assert_string_equal(story.news->record.message, "all");
        assert_int_equal(story.news->record.verdict, NG_REACHABLE);
        assert_string_equal(story.news->record.zones, "public");
    }
}

static void test_news_stand_in_order(void **state) {
    _story_ story = story_new();
    struct look first = {0}, second = {0};
    (void)state;
    look_add(&first, FOUND(.port = 1, .name = "a"));
    look_add(&first, FOUND(.port = 2, .name = "b", .severity = NG_LOW));
    (void)look_at(&story, 1000, first);
    (void)look_at(&story, 1001, nothing);
    look_add(&second, FOUND(.port = 3, .name = "d", .severity = NG_LOW));
    look_add(&second, FOUND(.port = 4, .name = "c", .severity = NG_LOW));
    look_add(&second, FOUND(.port = 5, .name = "e", .severity = NG_HIGH));
    assert_string_equal(look_at(&story, 1011, second), "opened e:5 since 1011\n"
                                                       "opened c:4 since 1011\n"
                                                       "opened d:3 since 1011\n"
                                                       "resolved a:1 since 1000\n"
                                                       "resolved b:2 since 1000\n");
}

/* -- what is not looked at ---------------------------------------------------------------- */

static struct look container_and_host(void) {
    struct look both = {0};
    look_add(&both, FOUND(.port = 80));
    look_add(&both, FOUND(.port = 22, .name = ""));
    return both;
}

static void test_containers_of_an_engine_that_is_away_stay(void **state) {
    _story_ story = story_new();
    (void)state;
    (void)look_at(&story, 1000, container_and_host());
    story.options.containers_seen = false;
    assert_string_equal(look_at(&story, 1001, nothing), "");
    assert_true(story.next_s == 1011);
    assert_string_equal(look_at(&story, 1011, nothing), "resolved sshd:22 since 1000\n");
    assert_true(story.next_s == INT64_MAX);
    assert_string_equal(look_at(&story, 9000, nothing), "");
    assert_int_equal(story.life.n_records, 1);
    /* The engine is back, its containers a moment later. */
    story.options.containers_seen = true;
    assert_string_equal(look_at(&story, 9001, nothing), "");
    assert_true(story.next_s == 9011);
    assert_string_equal(look_at(&story, 9005, with(FOUND(.port = 80))), "");
    /* Or they are not. */
    assert_string_equal(look_at(&story, 9006, nothing), "");
    assert_string_equal(look_at(&story, 9016, nothing), "resolved redis:80 since 1000\n");
}

/* One of two is away: of the other it is known what has ended. */
static void test_containers_of_an_engine_that_is_there_end(void **state) {
    static const char *const there[] = {"unix:///two"};
    struct look both = {0};
    _story_ story = story_new();
    (void)state;
    look_add(&both, FOUND(.name = "one", .port = 80));
    look_add(&both, FOUND(.name = "two", .port = 80, .engine = there[0]));
    look_add(&both, FOUND(.name = "", .port = 22));
    (void)look_at(&story, 1000, both);
    story.options.containers_seen = false;
    story.options.engines_seen = (struct ng_strings){there, 1};
    assert_string_equal(look_at(&story, 1001, nothing), "");
    assert_string_equal(look_at(&story, 1011, nothing),
                        "resolved sshd:22 since 1000\nresolved two:80 since 1000\n");
    assert_int_equal(story.life.n_records, 1);
    assert_string_equal(story.life.records->engine, "unix:///one");
    story.options.containers_seen = true;
    (void)look_at(&story, 1100, nothing);
    assert_string_equal(look_at(&story, 1110, nothing), "resolved one:80 since 1000\n");
}

/* The containers stop, then the engine; when it is back they have as long as ever. */
static void test_what_was_gone_before_has_its_time_again(void **state) {
    _story_ story = story_new();
    (void)state;
    (void)look_at(&story, 1000, with(FOUND(.port = 80)));
    (void)look_at(&story, 1001, nothing);
    story.options.containers_seen = false;
    assert_string_equal(look_at(&story, 1002, nothing), "");
    assert_true(story.life.records->gone_s == NG_LIFE_GONE_BEFORE);
    assert_true(story.next_s == INT64_MAX);
    story.options.containers_seen = true;
    assert_string_equal(look_at(&story, 1100, nothing), "");
    assert_true(story.next_s == 1110);
    assert_string_equal(look_at(&story, 1109, with(FOUND(.port = 80))), "");
}

static void test_the_host_that_is_not_looked_at_stays(void **state) {
    _story_ story = story_new();
    (void)state;
    (void)look_at(&story, 1000, container_and_host());
    story.options.host_seen = false;
    (void)look_at(&story, 1001, nothing);
    assert_string_equal(look_at(&story, 1011, nothing), "resolved redis:80 since 1000\n");
    assert_int_equal(story.life.n_records, 1);
    /* What is found there is news all the same. */
    struct look other = {0};
    look_add(&other, FOUND(.port = 23, .name = ""));
    assert_string_equal(look_at(&story, 1012, other), "opened sshd:23 since 1012\n");
}

/* Without the rules nothing can be decided; that is no news of what was known, and no answer about
 * what was not. */
static void test_what_cannot_be_decided_blindly_stays_as_it_was(void **state) {
    _story_ story = story_new();
    const struct look blocked = with(FOUND(.port = 80, .state = NG_STATE_BLOCKED)),
                      unknown = with(FOUND(.port = 80, .verdict = NG_UNKNOWN));
    (void)state;
    (void)look_at(&story, 1000, blocked);
    (void)look_at(&story, 1001, nothing);
    story.options.host_seen = story.options.containers_seen = false;
    assert_string_equal(look_at(&story, 1002, unknown), "");
    assert_int_equal(story.life.records->state, NG_STATE_BLOCKED);
    assert_int_equal(story.life.records->gone_s, 0);
    assert_string_equal(look_at(&story, 1003, with(FOUND(.port = 80))),
                        "opened redis:80 since 1000\n");
    assert_string_equal(look_at(&story, 1004, with(FOUND(.port = 81, .verdict = NG_UNKNOWN))),
                        "opened redis:81 since 1004\n");
    story.options.host_seen = story.options.containers_seen = true;
    assert_string_equal(look_at(&story, 1005, unknown), "changed redis:80 since 1000\n");
}

/* -- the clock ------------------------------------------------------------------------------ */

static void test_a_clock_that_is_set_back(void **state) {
    _story_ story = story_new();
    const struct look open = with(FOUND(.port = 6379));
    (void)state;
    story.options.repeat_s = 60;
    (void)look_at(&story, 100000, open);
    assert_string_equal(look_at(&story, 1000, open), "");
    assert_true(story.life.records->since_s == 1000 && story.life.records->told_s == 1000);
    assert_true(story.next_s == 1060);
    assert_string_equal(look_at(&story, 1060, open), "reminded redis:6379 since 1000\n");
    assert_string_equal(look_at(&story, 1061, open), "");

    /* While it is gone: its time begins anew, and ends. */
    assert_string_equal(look_at(&story, 2000, nothing), "");
    assert_string_equal(look_at(&story, 500, nothing), "");
    assert_true(story.next_s == 510 && story.life.records->since_s == 500);
    assert_string_equal(look_at(&story, 509, nothing), "");
    assert_string_equal(look_at(&story, 510, nothing), "resolved redis:6379 since 500\n");
}

/* -- any sequence ----------------------------------------------------------------------------- */

enum {
    THINGS = 6, /* the last two are the machine's own */
    STEPS = 4000,
};

/* What is known of one thing, and found of it now. */
struct known {
    bool known, found;
    struct found now, before;
    int64_t told_s, gone_s; /* gone_s: in sight and gone since; -1: it is not */
};

static struct found drawn(struct dice *dice, unsigned thing) {
    static const char *const names[THINGS] = {"a", "b", "c", "d", "", ""};
    struct found found = {
        .port = (uint16_t)(1 + thing),
        .name = names[thing],
        .id = roll(dice, 2) ? "aa" : "bb",
        .state = roll(dice, 3),
        .severity = roll(dice, 4) ? NG_HIGH : NG_LOW,
        .verdict = roll(dice, 4) ? NG_REACHABLE : NG_PARTLY,
        .zones = {roll(dice, 4) ? "public" : "office"},
    };
    return found;
}

static bool is_other(const struct found *a, const struct found *b) {
    return a->severity != b->severity || strcmp(a->zones[0], b->zones[0]) != 0 ||
           (a->state != NG_STATE_BLOCKED && a->verdict != b->verdict);
}

/* What has to be told of it, in words; "": nothing. */
static const char *due(const struct known *thing, const struct ng_life_options *options,
                       bool seen) {
    static const char *const begins[] = {
        [NG_OPEN] = "opened", [NG_STATE_BLOCKED] = "blocked", [NG_EXCEPTED] = "excepted"};
    const int64_t now_s = options->now_s;
    if (!thing->found)
        return thing->known && seen && thing->gone_s >= 0 && now_s - thing->gone_s >= NG_LIFE_GONE_S
                   ? "resolved"
                   : "";
    if (!thing->known)
        return begins[thing->now.state];
    if (thing->now.state != thing->before.state)
        return thing->now.state == NG_OPEN && thing->before.state == NG_EXCEPTED
                   ? "expired"
                   : begins[thing->now.state];
    if (is_other(&thing->now, &thing->before))
        return "changed";
    return thing->now.state == NG_OPEN && options->repeat_s &&
                   now_s - thing->told_s >= options->repeat_s
               ? "reminded"
               : "";
}

static const struct ng_news *news_of(const struct story *story, unsigned thing) {
    const struct ng_news *own = NULL;
    for (size_t i = 0; i < story->n_news; i++)
        if (story->news[i].record.host_port == 1 + thing) {
            assert_null(own);
            own = &story->news[i];
        }
    return own;
}

static const struct ng_record *record_at(const struct story *story, unsigned thing) {
    const struct ng_record *own = NULL;
    for (size_t i = 0; i < story->life.n_records; i++)
        if (story->life.records[i].host_port == 1 + thing) {
            assert_null(own);
            own = &story->life.records[i];
        }
    return own;
}

static void check_record(const struct known *thing, const struct ng_record *record,
                         const struct ng_life_options *options, bool seen) {
    assert_int_equal(record != NULL, thing->known);
    if (!record)
        return;
    if (thing->found || seen)
        assert_int_equal(record->gone_s == 0, thing->found);
    assert_true(record->since_s <= options->now_s && record->told_s == thing->told_s &&
                record->gone_s <= options->now_s);
    if (!thing->found)
        return;
    assert_int_equal(record->state, thing->now.state);
    assert_int_equal(record->severity, thing->now.severity);
    assert_string_equal(record->zones, thing->now.zones[0]);
    if (record->container_id)
        assert_string_equal(record->container_id, thing->now.id);
}

static void step(struct story *story, struct known things[static THINGS], struct look look) {
    const struct ng_life_options *options = &story->options;
    const int64_t now_s = options->now_s;
    (void)story_look(story, look);
    for (unsigned i = 0; i < THINGS; i++) {
        struct known *thing = &things[i];
        const bool seen = i < 4 ? options->containers_seen : options->host_seen;
        const struct ng_news *news = news_of(story, i);
        thing->told_s = thing->told_s < now_s ? thing->told_s : now_s;
        if (thing->gone_s > now_s || (thing->gone_s >= 0 && !seen))
            thing->gone_s = -1;
        assert_string_equal(news ? ng_change_text(news->change) : "", due(thing, options, seen));
        if (news)
            thing->told_s = now_s;
        if (news && !thing->known)
            assert_true(news->record.since_s == now_s);
        if (thing->found)
            thing->gone_s = -1;
        else if (seen && thing->gone_s < 0)
            thing->gone_s = now_s;
        thing->known = thing->found || (thing->known && !(news && news->record.gone_s));
        thing->before = thing->found ? thing->now : thing->before;
        check_record(thing, record_at(story, i), options, seen);
    }
    assert_true(story->next_s > now_s);
}

/* Asked again before its time nothing is news; at its time something is. */
static void check_next(struct story *story, struct known things[static THINGS], struct look look) {
    const int64_t next_s = story->next_s;
    step(story, things, look);
    assert_int_equal(story->n_news, 0);
    assert_true(story->next_s == next_s);
    if (next_s == INT64_MAX)
        return;
    story->options.now_s = next_s - 1;
    step(story, things, look);
    assert_int_equal(story->n_news, 0);
    story->options.now_s = next_s;
    step(story, things, look);
    assert_true(story->n_news > 0);
}

static void test_any_sequence(void **state) {
    struct dice dice = {20261122};
    size_t told[NG_CHANGE_REMINDED + 1] = {0};
    (void)state;
    for (unsigned round = 0; round < 10; round++) {
        _story_ story = story_new();
        struct known things[THINGS] = {0};
        story.options.now_s = 1000000;
        story.options.repeat_s = round % 2 ? 7 + round * 5 : 0;
        for (unsigned i = 0; i < STEPS / 10; i++) {
            struct look look = {0};
            for (unsigned k = 0; k < THINGS; k++) {
                things[k].found = roll(&dice, 5) > 1;
                if (roll(&dice, 3) == 0 || !things[k].now.port)
                    things[k].now = drawn(&dice, k);
                if (things[k].found)
                    look_add(&look, things[k].now);
            }
            story.options.containers_seen = roll(&dice, 4) > 0;
            story.options.host_seen = roll(&dice, 6) > 0;
            story.options.now_s += roll(&dice, 20) ? roll(&dice, 9) : -(int64_t)roll(&dice, 5000);
            step(&story, things, look);
            for (size_t k = 0; k < story.n_news; k++)
                told[story.news[k].change]++;
            if (roll(&dice, 3) == 0)
                check_next(&story, things, look);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(told); i++)
        assert_true(told[i] > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opened_told_once_and_resolved),
        cmocka_unit_test(test_blocked_and_open_again),
        cmocka_unit_test(test_excepted_and_expired),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_a_container_that_is_made_anew_is_the_same),
        cmocka_unit_test(test_what_is_published_is_waited_for),
        cmocka_unit_test(test_whose_it_is_is_waited_for),
        cmocka_unit_test(test_back_in_another_state),
        cmocka_unit_test(test_reminded),
        cmocka_unit_test(test_one_port_at_several_addresses_is_told_of_once),
        cmocka_unit_test(test_open_by_one_of_them_it_is_open),
        cmocka_unit_test(test_the_wider_way_tells),
        cmocka_unit_test(test_news_stand_in_order),
        cmocka_unit_test(test_containers_of_an_engine_that_is_away_stay),
        cmocka_unit_test(test_containers_of_an_engine_that_is_there_end),
        cmocka_unit_test(test_what_was_gone_before_has_its_time_again),
        cmocka_unit_test(test_the_host_that_is_not_looked_at_stays),
        cmocka_unit_test(test_what_cannot_be_decided_blindly_stays_as_it_was),
        cmocka_unit_test(test_a_clock_that_is_set_back),
        cmocka_unit_test(test_any_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
