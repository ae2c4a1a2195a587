/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/alert_webhook.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/act/webhook_queue.h"

static struct ng_alert opened(void) {
    struct ng_alert alert = {
        .kind = NG_ALERT_FINDING_OPENED,
        .severity = NG_HIGH,
        .time_s = 1764000000,
        .message = "redis is open",
        .key = "00112233aabbccdd",
    };
    ng_alert_add(&alert, "NETGUARD_RULE", "no-stores");
    ng_alert_add(&alert, "NETGUARD_FIX", "bind it to 127.0.0.1");
    ng_alert_add(&alert, "CONTAINER_NAME", "redis");
    return alert;
}

/* -- bodies ---------------------------------------------------------------------------- */

static json_t *body_of(const struct ng_alert *alert, enum ng_webhook_format format,
                       int64_t repeat_s) {
    char *body = ng_webhook_body(alert, format, repeat_s);
    assert_non_null(body);
    assert_null(strchr(body, '\n'));
    json_t *document = json_loads(body, 0, NULL);
    assert_non_null(document);
    free(body);
    return document;
}

#define assert_member(object, name, expected)                                                      \
    assert_string_equal(json_string_value(json_object_get((object), (name))), (expected))

static void assert_labels(const json_t *alert, const char *category, const char *severity,
                          const char *key) {
    const json_t *labels = json_object_get(alert, "labels");
    char host[HOST_NAME_MAX + 1] = "";
    gethostname(host, sizeof(host) - 1);
    assert_member(labels, "alertname", "netguard");
    assert_member(labels, "host", host);
    assert_member(labels, "category", category);
    assert_member(labels, "severity", severity);
    if (key)
        assert_member(labels, "key", key);
    else
        assert_null(json_object_get(labels, "key"));
}

static void is_the_alert_itself(void **state) {
    const struct ng_alert alert = opened();
    (void)state;
    json_t *body = body_of(&alert, NG_WEBHOOK_JSON, 0);
    assert_member(body, "schema", "netguard.alert/1");
    assert_member(body, "message", "redis is open");
    json_decref(body);
}

static void is_an_alert_of_alertmanager(void **state) {
    const struct ng_alert alert = opened();
    (void)state;
    json_t *body = body_of(&alert, NG_WEBHOOK_ALERTMANAGER, 3600);
    assert_int_equal(json_array_size(body), 1);
    const json_t *told = json_array_get(body, 0);
    const json_t *annotations = json_object_get(told, "annotations");
    assert_labels(told, "finding", "high", "00112233aabbccdd");
    assert_int_equal(json_object_size(json_object_get(told, "labels")), 7);
    assert_member(json_object_get(told, "labels"), "rule", "no-stores");
    assert_member(json_object_get(told, "labels"), "container_name", "redis");
    assert_member(annotations, "summary", "redis is open");
    assert_member(annotations, "kind", "finding-opened");
    assert_member(annotations, "fix", "bind it to 127.0.0.1");
    assert_member(told, "startsAt", "2025-11-24T16:00:00Z");
    assert_member(told, "endsAt", "2025-11-24T18:00:00Z");
    json_decref(body);
}

/* Whose tasks are named anew each time. */
static void is_known_by_its_service(void **state) {
    struct ng_alert alert = opened();
    (void)state;
    ng_alert_add(&alert, "NETGUARD_SERVICE", "shop_db");
    json_t *body = body_of(&alert, NG_WEBHOOK_ALERTMANAGER, 3600);
    const json_t *labels = json_object_get(json_array_get(body, 0), "labels");
    assert_member(labels, "service", "shop_db");
    assert_null(json_object_get(labels, "container_name"));
    json_decref(body);
}

static void assert_end(struct ng_alert alert, int64_t repeat_s, const char *end) {
    json_t *body = body_of(&alert, NG_WEBHOOK_ALERTMANAGER, repeat_s);
    assert_member(json_array_get(body, 0), "endsAt", end);
    json_decref(body);
}

static void ends_when_it_does(void **state) {
    struct ng_alert alert = opened();
    (void)state;
    assert_end(alert, 0, "2026-11-24T16:00:00Z");
    alert.kind = NG_ALERT_FINDING_BLOCKED;
    assert_end(alert, 3600, "2025-11-24T16:00:00Z");
    alert.kind = NG_ALERT_FINDING_EXCEPTED;
    assert_end(alert, 3600, "2025-11-24T16:00:00Z");
    alert.kind = NG_ALERT_FINDING_RESOLVED;
    alert.over = true;
    assert_end(alert, 3600, "2025-11-24T16:00:00Z");
    alert = (struct ng_alert){.kind = NG_ALERT_GUARD_REPAIRED, .time_s = 0, .message = "repaired"};
    assert_end(alert, 3600, "1970-01-01T00:05:00Z");
}

/* Labels tell who it is: what is resolved is what was opened. */
static void keeps_its_labels(void **state) {
    struct ng_alert alert = opened();
    (void)state;
    json_t *before = body_of(&alert, NG_WEBHOOK_ALERTMANAGER, 0);
    alert.kind = NG_ALERT_FINDING_RESOLVED;
    alert.over = true;
    alert.message = "it is closed";
    alert.fields[1].value = "something else";
    json_t *after = body_of(&alert, NG_WEBHOOK_ALERTMANAGER, 0);
    assert_int_equal(json_array_size(after), 1);
    assert_true(json_equal(json_object_get(json_array_get(before, 0), "labels"),
                           json_object_get(json_array_get(after, 0), "labels")));
    json_decref(before);
    json_decref(after);
}

/* But for the severity: what was told of under another one ends. */
static void ends_under_other_severities(void **state) {
    static const char *const severities[] = {"high", "info", "low", "medium", "critical"};
    struct ng_alert alert = opened();
    (void)state;
    alert.kind = NG_ALERT_FINDING_CHANGED;
    json_t *body = body_of(&alert, NG_WEBHOOK_ALERTMANAGER, 3600);
    assert_int_equal(json_array_size(body), ARRAY_SIZE(severities));
    for (size_t i = 0; i < ARRAY_SIZE(severities); i++) {
        const json_t *told = json_array_get(body, i);
        assert_labels(told, "finding", severities[i], "00112233aabbccdd");
        assert_member(told, "endsAt", i ? "2025-11-24T16:00:00Z" : "2025-11-24T18:00:00Z");
    }
    json_decref(body);
}

static void has_no_key_of_an_event(void **state) {
    const struct ng_alert alert = {.kind = NG_ALERT_KNOCKS, .message = "kept out"};
    (void)state;
    json_t *body = body_of(&alert, NG_WEBHOOK_ALERTMANAGER, 0);
    assert_labels(json_array_get(body, 0), "knocks", "info", NULL);
    json_decref(body);
}

static void is_a_message_of_slack(void **state) {
    struct ng_alert alert = opened();
    char expected[512], host[HOST_NAME_MAX + 1] = "";
    (void)state;
    gethostname(host, sizeof(host) - 1);
    alert.message = "<!channel> & \"x\"\n\x1b \xc3\xa4";
    snprintf(expected, sizeof(expected),
             "%s: &lt;!channel&gt; &amp; \"x\"\\x0a\\x1b \xc3\xa4\nFix: bind it to 127.0.0.1",
             host);
    json_t *body = body_of(&alert, NG_WEBHOOK_SLACK, 0);
    assert_int_equal(json_object_size(body), 1);
    assert_member(body, "text", expected);
    json_decref(body);

    alert.n_fields = 0;
    alert.message = "plain";
    snprintf(expected, sizeof(expected), "%s: plain", host);
    body = body_of(&alert, NG_WEBHOOK_SLACK, 0);
    assert_member(body, "text", expected);
    json_decref(body);
}

static void survives_hostile_names(void **state) {
    static const char name[] = "\"},{\\\n\x1b\xe2\x80\xae\xc3\xa4\xf0\x9f\x90\xb3]";
    struct ng_alert alert = opened();
    (void)state;
    alert.fields[2].value = name;
    json_t *body = body_of(&alert, NG_WEBHOOK_ALERTMANAGER, 0);
    assert_member(json_object_get(json_array_get(body, 0), "labels"), "container_name", name);
    json_decref(body);
}

/* -- the queue ------------------------------------------------------------------------- */

struct place {
    char root[64], directory[80];
    struct ng_webhook_queue *queue;
};

static int make_place(void **state) {
    struct place *place = calloc(1, sizeof(*place));
    strcpy(place->root, "/tmp/netguard-unit-XXXXXX");
    assert_non_null(mkdtemp(place->root));
    snprintf(place->directory, sizeof(place->directory), "%s/queue", place->root);
    place->queue = calloc(1, sizeof(*place->queue));
    ng_webhook_queue_open(place->queue, place->directory, NG_WEBHOOK_JSON);
    *state = place;
    return 0;
}

static int remove_place(void **state) {
    struct place *place = *state;
    char command[128];
    ng_webhook_queue_close(place->queue);
    snprintf(command, sizeof(command), "rm -rf %s", place->root);
    assert_int_equal(system(command), 0);
    free(place->queue);
    free(place);
    return 0;
}

static void reopen(struct place *place, enum ng_webhook_format format) {
    ng_webhook_queue_close(place->queue);
    ng_webhook_queue_open(place->queue, place->directory, format);
}

static void append(struct place *place, const char *body) {
    ng_webhook_queue_append(place->queue, strdup(body));
    ng_webhook_queue_store(place->queue);
}

static void assert_first(struct place *place, const char *expected) {
    char *body = NULL;
    assert_int_equal(ng_webhook_queue_load(place->queue, &body), 0);
    assert_string_equal(body, expected);
    free(body);
    ng_webhook_queue_remove(place->queue, place->queue->entries[0].number);
}

static size_t n_files(const struct place *place) {
    DIR *directory = opendir(place->directory);
    const struct dirent *file;
    size_t n = 0;
    assert_non_null(directory);
    while ((file = readdir(directory)))
        n += file->d_name[0] != '.' || !strcmp(file->d_name, ".new");
    closedir(directory);
    return n;
}

static const char *path_in(const struct place *place, const char *name) {
    static char path[192];
    snprintf(path, sizeof(path), "%s/%s", place->directory, name);
    return path;
}

static void write_file(const struct place *place, const char *name, const char *content) {
    FILE *file = fopen(path_in(place, name), "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static void outlives_a_restart(void **state) {
    struct place *place = *state;
    struct stat file;
    char name[64];
    append(place, "one");
    append(place, "two");
    assert_null(place->queue->entries[0].body);
    assert_int_equal(stat(place->directory, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0700);
    snprintf(name, sizeof(name), "%020llu.json",
             (unsigned long long)place->queue->entries[0].number);
    assert_int_equal(stat(path_in(place, name), &file), 0);
    assert_int_equal(file.st_mode & 07777, 0600);
    reopen(place, NG_WEBHOOK_JSON);
    append(place, "three");
    assert_int_equal(place->queue->count, 3);
    assert_first(place, "one");
    assert_first(place, "two");
    assert_first(place, "three");
    assert_int_equal(n_files(place), 0);
    assert_int_equal(place->queue->lost, 0);
    assert_string_equal(place->queue->fault, "");
}

/* On a reload the next one begins before the one before it has ended. */
static void is_used_by_one_at_a_time(void **state) {
    struct place *place = *state;
    struct ng_webhook_queue *next = malloc(sizeof(*next));
    assert_non_null(next);
    append(place, "one");
    ng_webhook_queue_open(next, place->directory, NG_WEBHOOK_JSON);
    ng_webhook_queue_append(next, strdup("two"));
    ng_webhook_queue_store(next);
    assert_int_equal(next->count, 1);
    assert_non_null(strstr(next->fault, "busy"));
    ng_webhook_queue_close(place->queue);
    ng_webhook_queue_store(next);
    assert_int_equal(next->count, 2);
    assert_string_equal(next->fault, "");
    ng_webhook_queue_close(next);
    free(next);
    reopen(place, NG_WEBHOOK_JSON);
    assert_first(place, "one");
    assert_first(place, "two");
}

/* Also where the clock was set back. */
static void comes_after_what_is_there(void **state) {
    struct place *place = *state;
    write_file(place, "09999999999999999999.json", "of tomorrow");
    reopen(place, NG_WEBHOOK_JSON);
    append(place, "now");
    assert_first(place, "of tomorrow");
    assert_first(place, "now");
}

static void loses_the_oldest(void **state) {
    struct place *place = *state;
    char body[16];
    place->queue->directory = NULL; /* a thousand files take their time */
    for (unsigned i = 0; i < NG_WEBHOOK_ROOM + 3; i++) {
        snprintf(body, sizeof(body), "%u", i);
        ng_webhook_queue_append(place->queue, strdup(body));
        if (i == 1)
            place->queue->held = place->queue->entries[0].number;
    }
    assert_int_equal(place->queue->count, NG_WEBHOOK_ROOM);
    assert_int_equal(place->queue->lost, 3);
    assert_first(place, "0");
    assert_first(place, "4");
}

static void leaves_alone_what_is_not_its_own(void **state) {
    static const char *const names[] = {
        "README",
        ".hidden",
        "1.json",
        "00000000000000000001.txt",
        "00000000000000000002.json~",
        "0000000000000000000x.json",
        "99999999999999999999.json",
        "00000000000000000000.json",
        "000000000000000000001.json",
    };
    struct place *place = *state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        write_file(place, names[i], "not ours");
    write_file(place, "00000000000000000003.json", ""); /* broken */
    assert_int_equal(mkdir(path_in(place, "00000000000000000004.json"), 0700), 0);
    assert_int_equal(symlink("/etc/passwd", path_in(place, "00000000000000000005.json")), 0);
    assert_int_equal(mkfifo(path_in(place, "00000000000000000006.json"), 0600), 0);
    write_file(place, "00000000000000000007.json", "ours");
    reopen(place, NG_WEBHOOK_JSON);
    assert_int_equal(place->queue->count, 1);
    assert_first(place, "ours");
    assert_int_equal(n_files(place), ARRAY_SIZE(names) - 1 + 4);
    assert_int_equal(place->queue->lost, 0);
}

static void forgets_what_another_receiver_was_to_have(void **state) {
    struct place *place = *state;
    append(place, "[]");
    reopen(place, NG_WEBHOOK_SLACK);
    assert_int_equal(place->queue->count, 0);
    assert_int_equal(place->queue->lost, 1);
    assert_int_equal(n_files(place), 0);
}

static void says_what_has_no_body_any_more(void **state) {
    struct place *place = *state;
    char *body = NULL, name[64];
    append(place, "one");
    append(place, "two");
    snprintf(name, sizeof(name), "%020llu.json",
             (unsigned long long)place->queue->entries[0].number);
    assert_int_equal(unlink(path_in(place, name)), 0);
    assert_int_equal(ng_webhook_queue_load(place->queue, &body), -EBADMSG);
    assert_int_equal(mkfifo(path_in(place, name), 0600), 0);
    assert_int_equal(ng_webhook_queue_load(place->queue, &body), -EBADMSG);
    ng_webhook_queue_remove(place->queue, place->queue->entries[0].number);
    assert_first(place, "two");
    assert_string_equal(place->queue->fault, "");
}

/* A directory that is none yet, and then is. */
static void waits_in_memory(void **state) {
    struct place *place = *state;
    char expected[160];
    ng_webhook_queue_close(place->queue);
    assert_int_equal(rmdir(place->directory), 0);
    assert_int_equal(close(open(place->directory, O_CREAT | O_WRONLY, 0600)), 0);
    ng_webhook_queue_open(place->queue, place->directory, NG_WEBHOOK_JSON);
    append(place, "one");
    snprintf(expected, sizeof(expected), "cannot use %s: Not a directory", place->directory);
    assert_string_equal(place->queue->fault, expected);
    assert_string_equal(place->queue->entries[0].body, "one");
    assert_int_equal(unlink(place->directory), 0);
    append(place, "two");
    assert_string_equal(place->queue->fault, "");
    assert_int_equal(n_files(place), 2);
    reopen(place, NG_WEBHOOK_JSON);
    assert_first(place, "one");
    assert_first(place, "two");
}

/* -------------------------------------------------------------------------------------- */

static void refuses_what_is_no_url(void **state) {
    static const char *const urls[] = {
        "",         "example.com", "ftp://example.com/", "file:///etc/passwd",
        "https://", "http://a b/", "unix:///run/x"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        const struct ng_webhook_options options = {.url = urls[i]};
        struct ng_webhook *webhook = NULL;
        struct ng_error error = {0};
        assert_int_equal(ng_webhook_new(&options, &webhook, &error), -EINVAL);
        assert_null(webhook);
        assert_string_equal(error.message, "not a URL of http:// or https://");
    }
    ng_webhook_free(NULL);
}

#define with_place(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_alert_itself),
        cmocka_unit_test(is_an_alert_of_alertmanager),
        cmocka_unit_test(is_known_by_its_service),
        cmocka_unit_test(ends_when_it_does),
        cmocka_unit_test(keeps_its_labels),
        cmocka_unit_test(ends_under_other_severities),
        cmocka_unit_test(has_no_key_of_an_event),
        cmocka_unit_test(is_a_message_of_slack),
        cmocka_unit_test(survives_hostile_names),
        with_place(outlives_a_restart),
        with_place(is_used_by_one_at_a_time),
        with_place(comes_after_what_is_there),
        with_place(loses_the_oldest),
        with_place(leaves_alone_what_is_not_its_own),
        with_place(forgets_what_another_receiver_was_to_have),
        with_place(says_what_has_no_body_any_more),
        with_place(waits_in_memory),
        cmocka_unit_test(refuses_what_is_no_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
