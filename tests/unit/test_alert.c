/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <cmocka.h>
#include <jansson.h>

#include "agent/act/alert.h"

static const char container_id[] =
    "1111111111112222222222222222222222222222222222222222222222222222";

static const struct ng_record redis = {
    .thing = "00000000000000aa",
    .key = "00000000000000bb",
    .keys = "00000000000000bb 00000000000000cc",
    .id = "NG001",
    .rule = "no-stores",
    .subject = "redis",
    .message = "port 6379/tcp of container redis is reachable from public (eth0)",
    .fix = "drop the -p",
    .severity = NG_CRITICAL,
    .action = NG_BLOCK,
    .state = NG_OPEN,
    .kind = "published",
    .proto = NG_TCP,
    .host_port = 16379,
    .container_port = 6379,
    .container_id = container_id,
    .container_name = "redis",
    .image = "redis:7",
    .zones = "public, office",
};

static struct ng_alert alert_of(struct ng_arena *arena, enum ng_change change,
                                struct ng_record record) {
    struct ng_alert alert;
    const struct ng_news news = {change, record};
    assert_int_equal(ng_alert_of_news(&news, 1791036131, arena, &alert), 0);
    return alert;
}

static void assert_field(const struct ng_alert *alert, const char *name, const char *expected) {
    const char *value = ng_alert_field(alert, name);
    if (!expected) {
        assert_null(value);
        return;
    }
    assert_non_null(value);
    assert_string_equal(value, expected);
}

/* -- findings -------------------------------------------------------------------------- */

static void test_of_a_finding(void **state) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    const struct ng_alert alert = alert_of(arena, NG_CHANGE_OPENED, redis);
    static const char *const expected[][2] = {
        {"NETGUARD_FINDING", "NG001"},
        {"NETGUARD_FINDING_KEYS", "00000000000000bb 00000000000000cc"},
        {"NETGUARD_RULE", "no-stores"},
        {"NETGUARD_ACTION", "block"},
        {"NETGUARD_STATE", "open"},
        {"NETGUARD_SUBJECT", "redis"},
        {"NETGUARD_ZONES", "public, office"},
        {"NETGUARD_EXPOSURE_KIND", "published"},
        {"NETGUARD_PROTO", "tcp"},
        {"NETGUARD_HOST_PORT", "16379"},
        {"NETGUARD_CONTAINER_PORT", "6379"},
        {"NETGUARD_SERVICE", NULL},
        {"NETGUARD_FIX", "drop the -p"},
        {"CONTAINER_ID", "111111111111"},
        {"CONTAINER_ID_FULL", container_id},
        {"CONTAINER_NAME", "redis"},
        {"IMAGE_NAME", "redis:7"},
    };
    (void)state;
    assert_int_equal(alert.kind, NG_ALERT_FINDING_OPENED);
    assert_string_equal(alert.message, "critical, opened: port 6379/tcp of container redis is "
                                       "reachable from public (eth0)");
    assert_string_equal(alert.key, redis.key);
    assert_false(alert.over);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        assert_field(&alert, expected[i][0], expected[i][1]);
}

static void test_of_the_machine_itself(void **state) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_record record = redis;
    (void)state;
    record.container_id = record.container_name = record.image = NULL;
    record.container_port = 0;
    const struct ng_alert alert = alert_of(arena, NG_CHANGE_OPENED, record);
    assert_field(&alert, "CONTAINER_ID", NULL);
    assert_field(&alert, "CONTAINER_ID_FULL", NULL);
    assert_field(&alert, "CONTAINER_NAME", NULL);
    assert_field(&alert, "IMAGE_NAME", NULL);
    assert_field(&alert, "NETGUARD_CONTAINER_PORT", NULL);
}

static void test_what_is_over_needs_no_mending(void **state) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    const struct ng_alert alert = alert_of(arena, NG_CHANGE_RESOLVED, redis);
    (void)state;
    assert_true(alert.over);
    assert_field(&alert, "NETGUARD_STATE", "resolved");
    assert_field(&alert, "NETGUARD_FIX", NULL);
}

static void test_every_change_has_its_kind(void **state) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    (void)state;
    for (enum ng_change change = NG_CHANGE_OPENED; change <= NG_CHANGE_REMINDED; change++) {
        char expected[32];
        const struct ng_alert alert = alert_of(arena, change, redis);
        snprintf(expected, sizeof(expected), "finding-%s", ng_change_text(change));
        assert_string_equal(ng_alert_kind_text(alert.kind), expected);
    }
}

/* -- how loud -------------------------------------------------------------------------- */

static void test_priorities(void **state) {
    static const struct {
        enum ng_change change;
        enum ng_severity severity;
        int priority;
    } cases[] = {
        {NG_CHANGE_OPENED, NG_CRITICAL, LOG_CRIT},   {NG_CHANGE_OPENED, NG_HIGH, LOG_ERR},
        {NG_CHANGE_CHANGED, NG_MEDIUM, LOG_WARNING}, {NG_CHANGE_EXPIRED, NG_LOW, LOG_NOTICE},
        {NG_CHANGE_REMINDED, NG_INFO, LOG_INFO},     {NG_CHANGE_BLOCKED, NG_CRITICAL, LOG_NOTICE},
        {NG_CHANGE_EXCEPTED, NG_HIGH, LOG_NOTICE},   {NG_CHANGE_RESOLVED, NG_CRITICAL, LOG_NOTICE},
        {NG_CHANGE_RESOLVED, NG_INFO, LOG_INFO},
    };
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ng_record record = redis;
        record.severity = cases[i].severity;
        const struct ng_alert alert = alert_of(arena, cases[i].change, record);
        assert_int_equal(ng_alert_priority(&alert), cases[i].priority);
    }
}

/* -- kinds ----------------------------------------------------------------------------- */

/* What the id of a message is, it is for ever: collectors select by it. */
static void test_ids_are_those_of_the_catalog(void **state) {
    FILE *file = fopen("packaging/netguard.catalog", "r");
    char line[512];
    unsigned found[NG_ALERT_KINDS] = {0}, entries = 0;
    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        char id[40];
        if (sscanf(line, "-- %32[0-9a-f]", id) != 1)
            continue;
        entries++;
        for (int kind = 0; kind < NG_ALERT_KINDS; kind++)
            found[kind] += strcmp(ng_alert_message_id((enum ng_alert_kind)kind), id) == 0;
    }
    fclose(file);
    assert_int_equal(entries, NG_ALERT_KINDS);
    for (int kind = 0; kind < NG_ALERT_KINDS; kind++) {
        assert_int_equal(strlen(ng_alert_message_id((enum ng_alert_kind)kind)), 32);
        if (found[kind] != 1)
            fail_msg("%s: %u entries", ng_alert_kind_text((enum ng_alert_kind)kind), found[kind]);
    }
}

/* -- as a document --------------------------------------------------------------------- */

static void test_as_json(void **state) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_record record = redis;
    json_error_t error;
    (void)state;
    record.image = "a\"b\\c\n\x1b[31m\xe2\x80\xae";
    const struct ng_alert alert = alert_of(arena, NG_CHANGE_OPENED, record);
    char *text = ng_alert_json(&alert);
    assert_non_null(text);
    assert_null(strchr(text, '\n'));
    assert_null(strchr(text, '\x1b'));
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!document)
        fail_msg("%s in %s", error.text, text);
    static const char *const expected[][2] = {
        {"schema", "netguard.alert/1"},
        {"time", "2026-10-03T14:02:11Z"},
        {"kind", "finding-opened"},
        {"severity", "critical"},
        {"key", "00000000000000bb"},
        {"rule", "no-stores"},
        {"host_port", "16379"},
        {"container_name", "redis"},
        {"image_name", "a\"b\\c\n\x1b[31m\xe2\x80\xae"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        const char *value = json_string_value(json_object_get(document, expected[i][0]));
        assert_non_null(value);
        assert_string_equal(value, expected[i][1]);
    }
    assert_true(json_is_false(json_object_get(document, "over")));
    assert_true(json_is_string(json_object_get(document, "host")));
    json_decref(document);
    free(text);
}

static void test_fields_are_bounded(void **state) {
    struct ng_alert alert = {.kind = NG_ALERT_KNOCKS, .message = "m"};
    (void)state;
    for (int i = 0; i < NG_ALERT_FIELDS + 5; i++)
        ng_alert_add(&alert, "NETGUARD_X", "y");
    assert_int_equal(alert.n_fields, NG_ALERT_FIELDS);
    ng_alert_add(&alert, "NETGUARD_Y", NULL);
    assert_null(ng_alert_field(&alert, "NETGUARD_Y"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_a_finding),
        cmocka_unit_test(test_of_the_machine_itself),
        cmocka_unit_test(test_what_is_over_needs_no_mending),
        cmocka_unit_test(test_every_change_has_its_kind),
        cmocka_unit_test(test_priorities),
        cmocka_unit_test(test_ids_are_those_of_the_catalog),
        cmocka_unit_test(test_as_json),
        cmocka_unit_test(test_fields_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
