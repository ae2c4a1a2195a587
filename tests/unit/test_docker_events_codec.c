/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The event stream as engines write it (tests/unit/data/docker), wherever it is cut, and as nobody
 * should. */

#include "tests/unit/fixture_events.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ONE_MIB ((size_t)1024 * 1024)
#define EVENT_WEB                                                                                  \
    "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"c1\","                       \
    "\"Attributes\":{\"image\":\"lab\",\"name\":\"web\"}}}\n"
#define TELLS_WEB "container start web c1 \n"

struct fixture {
    struct ng_docker_stream *stream;
    char told[16 * 1024]; /* a line for each event, ids by their first four digits */
    struct ng_error error;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    return f ? ng_docker_stream_new("unix:///engine", &f->stream) : -1;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    ng_docker_stream_free(f->stream);
    free(f);
    return 0;
}

static void renew(struct fixture *f) {
    ng_docker_stream_free(f->stream);
    assert_int_equal(ng_docker_stream_new("unix:///engine", &f->stream), 0);
    f->told[0] = '\0';
    f->error = (struct ng_error){0};
}

/* From memory of exactly that size, so that a sanitizer sees who reads on. */
static int feed_bytes(struct fixture *f, const char *bytes, size_t len_bytes) {
    struct ng_docker_event event;
    char *copy = malloc(len_bytes ? len_bytes : 1);
    int r;
    assert_non_null(copy);
    memcpy(copy, bytes, len_bytes);
    ng_docker_stream_feed(f->stream, copy, len_bytes);
    while ((r = ng_docker_stream_next(f->stream, &event, &f->error)) > 0) {
        size_t len = strlen(f->told);
        snprintf(f->told + len, sizeof(f->told) - len, "%s %s %.4s %.4s\n", event_words[event.kind],
                 event.name, event.id, event.container);
    }
    free(copy);
    return r;
}

static int feed(struct fixture *f, const char *text) {
    return feed_bytes(f, text, strlen(text));
}

static void tells(struct fixture *f, const char *text, const char *told) {
    renew(f);
    assert_int_equal(feed(f, text), 0);
    assert_string_equal(f->told, told);
}

static char *read_recorded(const char *engine, size_t *ret_len) {
    char path[128], *text = calloc(1, 64 * 1024);
    assert_non_null(text);
    snprintf(path, sizeof(path), "tests/unit/data/docker/%s/events.jsonl", engine);
    FILE *file = fopen(path, "re");
    if (!file)
        fail_msg("no %s", path);
    *ret_len = fread(text, 1, 64 * 1024 - 1, file);
    fclose(file);
    return text;
}

/* -- what engines write -------------------------------------------------------------- */

static void recorded_streams_are_read(void **state) {
    static const struct {
        const char *engine, *told;
    } cases[] = {
        {"20.10-1.41", "container create web 6715 \n"
                       "network connect bridge 73f7 6715\n"
                       "container start web 6715 \n"
                       "network create app 28a2 \n"
                       "network connect app 28a2 6715\n"
                       "container rename shop 6715 \n"
                       "container update shop 6715 \n"
                       "network disconnect app 28a2 6715\n"
                       "network disconnect app 28a2 6715\n"
                       "container die shop 6715 \n"
                       "network disconnect bridge 73f7 6715\n"
                       "container destroy shop 6715 \n"
                       "network destroy app 28a2 \n"
                       "node vm qr55 \n"
                       "service api u11d \n"
                       "container create api.1.giu0tadx7wpx4o53o9n4incfj 1269 \n"
                       "network connect bridge 73f7 1269\n"
                       "container start api.1.giu0tadx7wpx4o53o9n4incfj 1269 \n"
                       "service api u11d \n"
                       "container die api.1.giu0tadx7wpx4o53o9n4incfj 1269 \n"
                       "reload vm AI4O \n"
                       "network disconnect bridge 73f7 1269\n"
                       "container destroy api.1.giu0tadx7wpx4o53o9n4incfj 1269 \n"
                       "network create ingress khw6 \n"},
        {"28.5-1.51", "container create web a1e8 \n"
                      "network connect bridge 6848 a1e8\n"
                      "container start web a1e8 \n"
                      "network create app 6007 \n"
                      "network connect app 6007 a1e8\n"
                      "container rename shop a1e8 \n"
                      "container update shop a1e8 \n"
                      "network disconnect app 6007 a1e8\n"
                      "network disconnect bridge 6848 a1e8\n"
                      "container die shop a1e8 \n"
                      "container destroy shop a1e8 \n"
                      "network destroy app 6007 \n"},
        {"podman-4.3-1.41", "container create web 32d5 \n"
                            "container start web 32d5 \n"
                            "network connect web 32d5 \n"
                            "container rename shop 32d5 \n"
                            "network disconnect shop 32d5 \n"
                            "container die shop 32d5 \n"
                            "container destroy shop 32d5 \n"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t len;
        char *text = read_recorded(cases[i].engine, &len);
        tells(*state, text, cases[i].told);
        free(text);
    }
}

/* Of 1.52: no more `status`, `id` and `from` beside the rest. */
static void the_newest_api_is_read(void **state) {
    tells(*state, EVENT_WEB, TELLS_WEB);
}

static void a_stream_may_be_cut_anywhere(void **state) {
    struct fixture *f = *state;
    size_t len;
    char *text = read_recorded("20.10-1.41", &len);
    assert_int_equal(feed(f, text), 0);
    char *whole = strdup(f->told);
    for (size_t cut = 0; cut <= len; cut++) {
        renew(f);
        assert_int_equal(feed_bytes(f, text, cut), 0);
        assert_int_equal(feed_bytes(f, text + cut, len - cut), 0);
        if (strcmp(f->told, whole) != 0)
            fail_msg("cut at %zu: %s", cut, f->told);
    }
    renew(f);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(feed_bytes(f, text + i, 1), 0);
    assert_string_equal(f->told, whole);
    free(whole);
    free(text);
}

/* An event is told of with its last byte and not with the next event's first. */
static void an_event_is_not_waited_for(void **state) {
    struct fixture *f = *state;
    const char *end = strrchr(EVENT_WEB, '}');
    size_t len = strlen(EVENT_WEB) - strlen(end);
    assert_int_equal(feed_bytes(f, EVENT_WEB, len), 0);
    assert_string_equal(f->told, "");
    assert_int_equal(feed(f, "}"), 0);
    assert_string_equal(f->told, TELLS_WEB);
}

/* Else the engine would keep to itself what the codec knows. */
static void all_that_is_known_is_asked_for(void **state) {
    static const char *const words[] = {
        "container", "network", "service", "node",   "daemon", "create",  "start",      "die",
        "died",      "destroy", "remove",  "rename", "update", "connect", "disconnect", "reload",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        char quoted[32];
        snprintf(quoted, sizeof(quoted), "\"%s\"", words[i]);
        assert_non_null(strstr(NG_DOCKER_EVENTS_FILTERS, quoted));
    }
}

static void the_rest_is_passed_over(void **state) {
    tells(*state,
          "{\"Type\":\"image\",\"Action\":\"create\"}{\"Type\":\"network\",\"Action\":\"\"}"
          "{\"Type\":\"container\",\"Action\":\"exec_create: sh\"}{\"Type\":\"plugin\"}"
          "{\"Type\":\"daemon\",\"Action\":\"start\"}" EVENT_WEB,
          TELLS_WEB);
}

/* -- what nobody should write -------------------------------------------------------- */

static void labels_are_any_text(void **state) {
    tells(*state,
          "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"c1\",\"Attributes\":{"
          "\"a\":\"}]\\\"{[\\\\\",\"b\":\"\\u0000\xff\xc3\",\"c\":[[[[{}]]]],\"\\u0000\":7,"
          "\"name\":\"sh\\u0000op\"}}}",
          "container die sh\xef\xbf\xbdop c1 \n");
}

static void long_texts_are_cut_between_characters(void **state) {
    struct fixture *f = *state;
    char text[1024] = "{\"Type\":\"service\",\"Actor\":{\"Attributes\":{\"name\":\"";
    char told[512] = "service ";
    for (size_t i = 0; i < 200; i++)
        strcat(text, "\xc3\xa9");
    for (size_t i = 0; i < 127; i++)
        strcat(told, "\xc3\xa9");
    strcat(text, "\"}}}");
    strcat(told, "  \n");
    tells(f, text, told);
}

static void what_is_no_event_is_unclear(void **state) {
    static const char *const objects[] = {
        "{}",
        "{]",
        "{\"Type\"}",
        "{\"message\":\"no\"}",
        "{\"Type\":7}",
        "{\"Type\":\"container\",\"Action\":[\"die\"]}",
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":7}",
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":{}}}",
        "{\"Type\":\"network\",\"Action\":\"create\",\"Actor\":{\"ID\":\"\xc3\"}}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
        struct fixture *f = *state;
        renew(f);
        assert_int_equal(feed(f, objects[i]), 0);
        assert_int_equal(feed(f, EVENT_WEB), 0);
        if (strcmp(f->told, "unclear   \n" TELLS_WEB) != 0)
            fail_msg("%s: %s", objects[i], f->told);
    }
}

static void garbage_ends_the_stream(void **state) {
    static const char *const garbage[] = {"x", "}", "]", "[", "\"", "7", "null", "\x1e", "\xff"};
    for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
        struct fixture *f = *state;
        renew(f);
        assert_int_equal(feed(f, EVENT_WEB), 0);
        assert_int_equal(feed(f, garbage[i]), -EPROTO);
        assert_string_equal(f->told, TELLS_WEB);
        assert_string_equal(f->error.source, "unix:///engine");
        assert_non_null(strstr(f->error.message, "something else than events"));
    }
    struct fixture *f = *state;
    renew(f);
    assert_int_equal(feed_bytes(f, "\0", 1), -EPROTO);
}

/* An event with a label of so many bytes. */
static char *long_event(size_t label_len) {
    static const char begin[] = "{\"Type\":\"service\",\"Actor\":{\"Attributes\":{\"a\":\"";
    static const char end[] = "\",\"name\":\"long\"}}}";
    char *text = malloc(sizeof(begin) + label_len + sizeof(end));
    assert_non_null(text);
    memcpy(text, begin, sizeof(begin) - 1);
    memset(text + sizeof(begin) - 1, 'x', label_len);
    memcpy(text + sizeof(begin) - 1 + label_len, end, sizeof(end));
    return text;
}

/* In pieces of `step` bytes. */
static void long_event_tells(struct fixture *f, size_t label_len, size_t step, const char *told) {
    char *text = long_event(label_len);
    size_t len = strlen(text);
    renew(f);
    for (size_t at = 0; at < len; at += step)
        assert_int_equal(feed_bytes(f, text + at, len - at < step ? len - at : step), 0);
    assert_int_equal(feed(f, EVENT_WEB), 0);
    assert_string_equal(f->told, told);
    free(text);
}

/* Byte by byte is where a decoder that looks at all of it again takes minutes. */
static void long_events_are_told_of(void **state) {
    static const size_t steps[] = {1, 16 * 1024, 16 * ONE_MIB};
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        long_event_tells(*state, ONE_MIB - 1024, steps[i], "service long  \n" TELLS_WEB);
        long_event_tells(*state, ONE_MIB, steps[i], "unclear   \n" TELLS_WEB);
    }
}

/* Whoever never comes to an end does not make us blind. */
static void an_endless_object_is_told_of_again(void **state) {
    struct fixture *f = *state;
    char *some = malloc(ONE_MIB / 2);
    assert_non_null(some);
    memset(some, '{', ONE_MIB / 2);
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(feed_bytes(f, some, ONE_MIB / 2), 0);
    assert_string_equal(f->told, "unclear   \nunclear   \nunclear   \n");
    free(some);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(recorded_streams_are_read),
        TEST(the_newest_api_is_read),
        TEST(a_stream_may_be_cut_anywhere),
        TEST(an_event_is_not_waited_for),
        TEST(all_that_is_known_is_asked_for),
        TEST(the_rest_is_passed_over),
        TEST(labels_are_any_text),
        TEST(long_texts_are_cut_between_characters),
        TEST(what_is_no_event_is_unclear),
        TEST(garbage_ends_the_stream),
        TEST(long_events_are_told_of),
        TEST(an_endless_object_is_told_of_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
