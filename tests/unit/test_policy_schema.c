/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The schema and the parser know the same keys and words: the parser names what it expects
 * when it meets a key that it does not know. */
#include "tests/unit/fixture_policy.h"

#include <jansson.h>

#define SCHEMA "policy/policy.schema.json"

static json_t *load_schema(void) {
    json_error_t error;
    json_t *schema = json_load_file(SCHEMA, JSON_REJECT_DUPLICATES, &error);

    if (!schema)
        fail_msg("%s:%d: %s", SCHEMA, error.line, error.text);
    return schema;
}

/* Is it one of "a, b or c"? */
static bool list_has(const char *list, const char *word) {
    size_t len = strlen(word);

    for (const char *at = list; (at = strstr(at, word)); at += len) {
        bool begins = at == list || at[-1] == ' ';
        if (begins && (at[len] == '\0' || at[len] == ',' || at[len] == ' '))
            return true;
    }
    return false;
}

static size_t list_count(const char *list) {
    size_t count = 1;

    for (const char *at = list; *at; at++)
        count += *at == ',' || strncmp(at, " or ", 4) == 0;
    return count;
}

/* What the parser expects where this policy has the key or word "zzzzzzzz". */
static void expected_at(const char *policy, const char *before, char *list, size_t size) {
    struct ng_policy_text text = policy_text(policy);
    struct ng_policy *result = NULL;
    struct ng_error error = {0};

    assert_true(ng_policy_parse(&text, 1, &result, &error) < 0);
    const char *at = strstr(error.message, before);
    if (!at)
        fail_msg("%s", error.message);
    at += strlen(before);
    const char *end = strstr(at, " for '");
    snprintf(list, size, "%.*s", (int)(end ? (size_t)(end - at) : strlen(at)), at);
}

static void assert_keys(const char *policy, const json_t *object) {
    char list[256];
    const char *key;
    json_t *value, *properties = json_object_get(object, "properties");

    expected_at(policy, "; expected ", list, sizeof(list));
    assert_int_equal(list_count(list), json_object_size(properties));
    json_object_foreach(properties, key, value) if (!list_has(list, key))
        fail_msg("the schema has \"%s\", the parser %s", key, list);
    assert_true(json_is_false(json_object_get(object, "additionalProperties")));
}

static void assert_words(const char *policy, const json_t *object) {
    char list[256];
    size_t i;
    json_t *word, *words = json_object_get(object, "enum");

    expected_at(policy, "expected ", list, sizeof(list));
    assert_int_equal(list_count(list), json_array_size(words));
    json_array_foreach(words, i, word) if (!list_has(list, json_string_value(word)))
        fail_msg("the schema has \"%s\", the parser %s", json_string_value(word), list);
}

static void test_keys(void **state) {
    json_t *schema = load_schema(), *defs = json_object_get(schema, "$defs"),
           *properties = json_object_get(schema, "properties"),
           *selector = json_object_get(defs, "selector"),
           *host = json_object_get(json_object_get(selector, "properties"), "host"),
           *alerts = json_object_get(defs, "alerts"),
           *ways_out = json_object_get(alerts, "properties");

    (void)state;
    assert_keys("zzzzzzzz: 1", schema);
    assert_keys("version: 1\ndefaults: {zzzzzzzz: 1}", json_object_get(properties, "defaults"));
    assert_keys("version: 1\nzones: [{zzzzzzzz: 1}]", json_object_get(defs, "zone"));
    assert_keys("version: 1\nzones: [{id: a, match: {zzzzzzzz: 1}}]",
                json_object_get(defs, "match"));
    assert_keys("version: 1\nrules: [{zzzzzzzz: 1}]", json_object_get(defs, "rule"));
    assert_keys("version: 1\nrules: [{id: a, deny: 1, to: {zzzzzzzz: 1}}]", selector);
    assert_keys("version: 1\nrules: [{id: a, deny: 1, to: {host: {zzzzzzzz: 1}}}]", host);
    assert_keys("version: 1\nsegregation: [{zzzzzzzz: 1}]", json_object_get(defs, "segregation"));
    assert_keys("version: 1\nusage: {zzzzzzzz: 1}", json_object_get(defs, "usage"));
    assert_keys("version: 1\nusage: {links: {zzzzzzzz: 1}}", json_object_get(defs, "habit"));
    assert_keys("version: 1\nusage: {direct_routing: {zzzzzzzz: 1}}",
                json_object_get(defs, "direct_routing"));
    assert_keys("version: 1\nusage: {cluster: {zzzzzzzz: 1}}", json_object_get(defs, "listeners"));
    assert_keys("version: 1\nexceptions: [{zzzzzzzz: 1}]", json_object_get(defs, "exception"));
    assert_keys("version: 1\nalerts: {zzzzzzzz: 1}", alerts);
    assert_keys("version: 1\nalerts: {syslog: {zzzzzzzz: 1}}", json_object_get(ways_out, "syslog"));
    assert_keys("version: 1\nalerts: {webhook: {zzzzzzzz: 1}}",
                json_object_get(ways_out, "webhook"));
    json_decref(schema);
}

static void test_words(void **state) {
    json_t *schema = load_schema(), *defs = json_object_get(schema, "$defs"),
           *properties = json_object_get(schema, "properties"),
           *alerts = json_object_get(json_object_get(defs, "alerts"), "properties"),
           *syslog = json_object_get(json_object_get(alerts, "syslog"), "properties"),
           *webhook = json_object_get(json_object_get(alerts, "webhook"), "properties");

    (void)state;
    assert_words("version: 1\nmode: zzzzzzzz", json_object_get(properties, "mode"));
    assert_words("version: 1\ndefault: zzzzzzzz", json_object_get(properties, "default"));
    assert_words("version: 1\ndefaults: {action: zzzzzzzz}", json_object_get(defs, "action"));
    assert_words("version: 1\ndefaults: {severity: zzzzzzzz}", json_object_get(defs, "severity"));
    assert_words("version: 1\nrules: [{id: a, deny: zzzzzzzz}]",
                 json_array_get(json_object_get(json_object_get(defs, "port"), "anyOf"), 2));
    assert_words("version: 1\nalerts: {min_severity: zzzzzzzz}", json_object_get(defs, "severity"));
    assert_words("version: 1\nalerts: {syslog: {facility: zzzzzzzz}}",
                 json_object_get(syslog, "facility"));
    assert_words("version: 1\nalerts: {webhook: {url: \"http://a\", format: zzzzzzzz}}",
                 json_object_get(webhook, "format"));
    json_decref(schema);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
