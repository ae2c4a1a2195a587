/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of findings as a file: the same when it is read again, and nothing else is taken for
 * it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "agent/act/directory.h"
#include "agent/act/records.h"

static const struct ng_record records[] = {
    {
        .thing = "0123456789abcdef",
        .key = "fedcba9876543210",
        .keys = "fedcba9876543210 0000000000000000",
        .id = "NG001",
        .rule = "no-stores",
        .subject = "r\303\251dis \\\"\033[31m\u202e\x7f\xf0\x9f\x98\x80",
        .message = "a\tb\nc\x01",
        .fix = "one\ntwo",
        .severity = NG_CRITICAL,
        .action = NG_BLOCK,
        .state = NG_EXCEPTED,
        .verdict = NG_UNKNOWN,
        .kind = "published",
        .proto = NG_TCP,
        .host_port = 65535,
        .container_port = 1,
        .container_id = "aa",
        .container_name = "r\303\251dis",
        .image = "redis:7",
        .service = "stack_redis",
        .engine = "unix:///run/docker.sock",
        .zones = "office, public",
        .since_s = 1795382400,
        .told_s = 1795382401,
    },
    {
        .thing = "0123456789abcdf0",
        .key = "0000000000000000",
        .keys = "",
        .id = "NG003",
        .rule = "",
        .subject = "",
        .message = "",
        .fix = "",
        .kind = "host",
        .proto = NG_ESP,
        .zones = "",
        .gone_s = NG_LIFE_GONE_BEFORE,
    },
};
static const struct ng_life some = {records, ARRAY_SIZE(records)}, none;

static char folder[] = "/tmp/netguard-records-XXXXXX";

static const char *in_folder(const char *name) {
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static char *text_of(const struct ng_life *life) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    ng_records_put(out, life);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void assert_same(const struct ng_life *life, const struct ng_life *expected) {
    char *text = text_of(life), *other = text_of(expected);
    assert_string_equal(text, other);
    free(text);
    free(other);
}

static int parse(const char *bytes, size_t len, struct ng_arena *arena, struct ng_life *ret_life,
                 struct ng_error *error) {
    char *alone = malloc(len ? len : 1); /* no byte behind it */
    assert_non_null(alone);
    memcpy(alone, bytes, len);
    int r = ng_records_parse("findings.json", alone, len, arena, ret_life, error);
    free(alone);
    return r;
}

static void assert_refused(const char *text, const char *expected) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_life life = {0};
    struct ng_error error = {0};
    assert_int_equal(parse(text, strlen(text), arena, &life, &error), -EBADMSG);
    if (!strstr(error.message, expected))
        fail_msg("\"%s\" says nothing of \"%s\"", error.message, expected);
    assert_int_equal(life.n_records, 0);
}

/* -- the document ----------------------------------------------------------------------- */

static void test_every_field_comes_back(void **state) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_life life;
    char *text = text_of(&some);
    (void)state;
    assert_int_equal(parse(text, strlen(text), arena, &life, NULL), 0);
    free(text);
    assert_int_equal(life.n_records, 2);
    /* By what is in it, and not by how it is written. */
    const struct ng_record *record = &life.records[0];
    const char *const texts[][2] = {
        {record->thing, records[0].thing},
        {record->key, records[0].key},
        {record->keys, records[0].keys},
        {record->id, records[0].id},
        {record->rule, records[0].rule},
        {record->subject, records[0].subject},
        {record->message, records[0].message},
        {record->fix, records[0].fix},
        {record->kind, records[0].kind},
        {record->container_id, records[0].container_id},
        {record->container_name, records[0].container_name},
        {record->image, records[0].image},
        {record->service, records[0].service},
        {record->engine, records[0].engine},
        {record->zones, records[0].zones},
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_string_equal(texts[i][0], texts[i][1]);
    assert_int_equal(record->severity, NG_CRITICAL);
    assert_int_equal(record->action, NG_BLOCK);
    assert_int_equal(record->state, NG_EXCEPTED);
    assert_int_equal(record->verdict, NG_UNKNOWN);
    assert_int_equal(record->proto, NG_TCP);
    assert_int_equal(record->host_port, 65535);
    assert_int_equal(record->container_port, 1);
    assert_true(record->since_s == 1795382400 && record->told_s == 1795382401);
    assert_true(record->gone_s == 0 && life.records[1].gone_s == NG_LIFE_GONE_BEFORE);
    assert_null(life.records[1].container_id);
    assert_null(life.records[1].service);
    assert_int_equal(life.records[1].host_port, 0);
    assert_int_equal(life.records[1].proto, NG_ESP);
}

static void test_a_file_of_before_there_was_the_engine_is_read(void **state) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    char *text = text_of(&some), *older;
    json_t *document = json_loads(text, 0, NULL);
    struct ng_error error = {0};
    struct ng_life life;
    size_t i;
    json_t *record;
    (void)state;
    json_array_foreach(json_object_get(document, "findings"), i, record)(void)
        json_object_del(record, "engine");
    older = json_dumps(document, 0);
    assert_int_equal(ng_records_parse("x", older, strlen(older), arena, &life, &error), 0);
    assert_int_equal(life.n_records, 2);
    assert_null(life.records[0].engine);
    json_decref(document);
    free(older);
    free(text);
}

/* Since when it is gone is a matter of one run. */
static void test_what_is_gone_is_gone_before(void **state) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_record gone = records[0];
    const struct ng_life before = {&gone, 1};
    struct ng_life life;
    (void)state;
    gone.gone_s = 1795382402;
    char *text = text_of(&before);
    assert_int_equal(parse(text, strlen(text), arena, &life, NULL), 0);
    assert_true(life.records->gone_s == NG_LIFE_GONE_BEFORE);
    free(text);
}

static void test_cut_anywhere_it_is_refused(void **state) {
    char *text = text_of(&some);
    const size_t whole = strlen(text) - 1; /* without the newline at its end */
    (void)state;
    for (size_t len = 0; len < whole; len++) {
        _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
        struct ng_life life = {0};
        struct ng_error error = {0};
        assert_int_equal(parse(text, len, arena, &life, &error), -EBADMSG);
        assert_true(error.message[0] && error.line > 0 && error.column > 0);
        assert_int_equal(life.n_records, 0);
    }
    free(text);
}

/* The document with another value in one place of its first finding. */
static void assert_refused_with(json_t *document, const char *key, json_t *value) {
    char expected[64];
    json_t *copy = json_deep_copy(document);
    json_t *first = json_array_get(json_object_get(copy, "findings"), 0);
    snprintf(expected, sizeof(expected), "findings[%d].%s: expected ",
             value && strcmp(key, "thing") == 0 && json_is_string(value) ? 1 : 0, key);
    assert_int_equal(value ? json_object_set_new(first, key, value) : json_object_del(first, key),
                     0);
    char *text = json_dumps(copy, 0);
    assert_refused(text, expected);
    free(text);
    json_decref(copy);
}

static void test_a_field_that_is_not_right_is_named(void **state) {
    char *text = text_of(&some);
    json_t *document = json_loads(text, 0, NULL), *value;
    const json_t *first = json_array_get(json_object_get(document, "findings"), 0);
    const char *key;
    void *next;
    (void)state;
    json_object_foreach_safe((json_t *)first, next, key, value) {
        if (strcmp(key, "engine") != 0)
            assert_refused_with(document, key, NULL);
        assert_refused_with(document, key, json_array());
        assert_refused_with(document, key, json_real(1.5));
        assert_refused_with(document, key, json_integer(-1));
        assert_refused_with(document, key, json_integer(65536));
    }
    assert_refused_with(document, "key", json_string("0123456789ABCDEF"));
    assert_refused_with(document, "key", json_string("0123456789abcde"));
    assert_refused_with(document, "key", json_string("0123456789abcdefx"));
    assert_refused_with(document, "message", json_null());
    assert_refused_with(document, "severity", json_string("High"));
    assert_refused_with(document, "verdict", json_string(""));
    assert_refused_with(document, "proto", json_integer(256));
    assert_refused_with(document, "host_port", json_integer(0));
    assert_refused_with(document, "since", json_string("2026-11-22 21:20:00Z"));
    assert_refused_with(document, "since", json_string("2026-13-22T21:20:00Z"));
    assert_refused_with(document, "since", json_string("1969-12-31T23:59:59Z"));
    assert_refused_with(document, "since", json_string("2026-11-22T21:20:00Z "));
    assert_refused_with(document, "since", json_string("2026-1-22T21:20:00Z"));
    assert_refused_with(document, "since", json_string("2026-1-22T21:20:00Zx"));
    /* Each once, in order. */
    assert_refused_with(document, "thing", json_string("0123456789abcdf0"));
    assert_refused_with(document, "thing", json_string("fedcba9876543210"));
    json_decref(document);
    free(text);
}

static void test_other_documents_are_refused(void **state) {
    static const char *const cases[][2] = {
        {"", "near end of file"},
        {"null", "'[' or '{' expected"},
        {"[]", "its schema is not \"netguard.findings/1\""},
        {"{}", "its schema is not \"netguard.findings/1\""},
        {"{\"schema\":\"netguard.findings/2\",\"findings\":[]}", "its schema is not"},
        {"{\"schema\":\"netguard.findings/1\"}", "findings: expected a list"},
        {"{\"schema\":\"netguard.findings/1\",\"findings\":{}}", "findings: expected a list"},
        {"{\"schema\":\"netguard.findings/1\",\"findings\":[1]}", "findings[0].thing: expected"},
        {"{\"schema\":\"netguard.findings/1\",\"schema\":\"\",\"findings\":[]}", "duplicate"},
        {"{\"schema\":\"netguard.findings/1\",\"findings\":[]}x", "end of file expected"},
        {"{\"schema\":\"a\\u0000\",\"findings\":[]}", "NUL"},
        {"{\"schema\":\"\377\",\"findings\":[]}", "unable to decode"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_refused(cases[i][0], cases[i][1]);

    /* Deeper than anybody's stack. */
    char *deep = malloc(100001);
    assert_non_null(deep);
    memset(deep, '[', 100000);
    deep[100000] = '\0';
    assert_refused(deep, "depth");
    free(deep);
}

/* -- the file ------------------------------------------------------------------------------ */

static int make_folder(void **state) {
    char list[128];
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    /* As a unit that names two of them. */
    snprintf(list, sizeof(list), "%s:/nonexistent", folder);
    return setenv("STATE_DIRECTORY", list, 1);
}

static int remove_folder(void **state) {
    (void)state;
    (void)unlink(in_folder("findings.json"));
    (void)unlink(in_folder("findings.json.broken"));
    return rmdir(folder);
}

static void put_file(const char *text) {
    FILE *out = fopen(in_folder("findings.json"), "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static int write_life(const struct ng_life *life, struct ng_error *error) {
    char *text = text_of(life);
    int r = ng_records_write(text, error);
    free(text);
    return r;
}

static void assert_read(const struct ng_life *expected) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_life life;
    struct ng_error error = {0};
    if (ng_records_read(arena, &life, &error) < 0)
        fail_msg("%s", error.message);
    assert_same(&life, expected);
}

static void assert_moved_aside(const char *why) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_life life = some;
    struct ng_error error = {0};
    assert_int_equal(ng_records_read(arena, &life, &error), -EBADMSG);
    assert_int_equal(life.n_records, 0);
    if (!strstr(error.message, why) || !strstr(error.message, "moved to findings.json.broken"))
        fail_msg("%s", error.message);
    assert_int_equal(access(in_folder("findings.json"), F_OK), -1);
    assert_int_equal(access(in_folder("findings.json.broken"), F_OK), 0);
    assert_read(&none);
}

static void test_written_and_read(void **state) {
    struct stat status;
    (void)state;
    assert_read(&none); /* there is no file */
    assert_int_equal(write_life(&some, NULL), 0);
    assert_read(&some);
    assert_int_equal(stat(in_folder("findings.json"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(write_life(&none, NULL), 0);
    assert_read(&none);
    assert_int_equal(access(in_folder(".findings.json.new"), F_OK), -1);
}

static void test_what_is_broken_is_moved_aside(void **state) {
    (void)state;
    put_file("{\"schema\":\"netguard.findings/1\",\"findings\":[\n");
    assert_moved_aside("end of file");
    put_file("");
    assert_moved_aside("end of file");
    assert_int_equal(mkfifo(in_folder("findings.json"), 0600), 0);
    assert_moved_aside("it is no regular file");
    (void)unlink(in_folder("findings.json.broken"));
    put_file("");
    assert_int_equal(truncate(in_folder("findings.json"), ((off_t)32 << 20) + 1), 0);
    assert_moved_aside("it is larger than 32 MiB");
}

/* What others have put there is not followed, and stays. */
static void test_a_link_is_not_followed(void **state) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_life life = some;
    struct ng_error error = {0};
    (void)state;
    (void)unlink(in_folder("findings.json"));
    assert_int_equal(symlink("/dev/null", in_folder("findings.json")), 0);
    assert_int_equal(ng_records_read(arena, &life, &error), -ELOOP);
    assert_int_equal(life.n_records, 0);
    assert_non_null(strstr(error.message, "cannot be read"));
    /* The one that is written takes its place. */
    assert_int_equal(write_life(&some, NULL), 0);
    assert_read(&some);
}

/* A disk that is full is one that takes no more of a file. */
static void test_where_it_does_not_fit_the_old_one_stays(void **state) {
    struct rlimit before, small;
    struct ng_error error = {0};
    (void)state;
    assert_int_equal(write_life(&some, NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int r = write_life(&some, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(r, -EFBIG);
    assert_string_equal(error.message, "cannot be written: File too large");
    assert_string_equal(error.source, in_folder("findings.json"));
    assert_int_equal(access(in_folder(".findings.json.new"), F_OK), -1);
    assert_read(&some);
}

static void test_where_nobody_may_write(void **state) {
    char *usual = strdup(getenv("STATE_DIRECTORY")), name[5000];
    struct ng_error error = {0};
    char path[64];
    (void)state;
    assert_int_equal(setenv("STATE_DIRECTORY", "/proc", 1), 0);
    assert_true(write_life(&some, &error) < 0);
    assert_non_null(strstr(error.message, "cannot be written: "));
    assert_read(&none);
    assert_int_equal(setenv("STATE_DIRECTORY", "/nonexistent/netguard", 1), 0);
    assert_int_equal(write_life(&some, NULL), -ENOENT);
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(setenv("STATE_DIRECTORY", name, 1), 0);
    assert_int_equal(write_life(&some, NULL), -ENAMETOOLONG);
    assert_int_equal(ng_records_path("webhook", path, sizeof(path), NULL), -ENAMETOOLONG);
    assert_int_equal(setenv("STATE_DIRECTORY", usual, 1), 0);
    assert_int_equal(ng_records_path("webhook", path, sizeof(path), NULL), 0);
    assert_string_equal(path, in_folder("webhook"));
    free(usual);
}

static void put_x(FILE *out, const void *data) {
    (void)data;
    putc('x', out);
}

/* In the directory of the process, and over what somebody else has left there. */
static void test_a_file_by_a_name_alone(void **state) {
    const struct ng_file file = {.path = "x", .mode = 0644, .lasting = true, .put = put_x};
    char *here = getcwd(NULL, 0);
    (void)state;
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(symlink("elsewhere", ".x.new"), 0);
    assert_int_equal(ng_file_replace(&file), 0);
    assert_int_equal(access("x", F_OK), 0);
    assert_int_equal(access("elsewhere", F_OK), -1);
    assert_int_equal(unlink("x"), 0);
    assert_int_equal(chdir(here), 0);
    free(here);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_comes_back),
        cmocka_unit_test(test_a_file_of_before_there_was_the_engine_is_read),
        cmocka_unit_test(test_what_is_gone_is_gone_before),
        cmocka_unit_test(test_cut_anywhere_it_is_refused),
        cmocka_unit_test(test_a_field_that_is_not_right_is_named),
        cmocka_unit_test(test_other_documents_are_refused),
        cmocka_unit_test(test_written_and_read),
        cmocka_unit_test(test_what_is_broken_is_moved_aside),
        cmocka_unit_test(test_a_link_is_not_followed),
        cmocka_unit_test(test_where_it_does_not_fit_the_old_one_stays),
        cmocka_unit_test(test_where_nobody_may_write),
        cmocka_unit_test(test_a_file_by_a_name_alone),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
