/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Globs, and which containers and services a selector means. */
#include "tests/unit/fixture_policy.h"

#include <time.h>

static void test_glob(void **state) {
    static const struct {
        const char *glob, *text;
        bool matches;
    } table[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"redis", "redis", true},
        {"redis", "redis-1", false},
        {"redis", "Redis", false},
        {"*", "", true},
        {"*", "anything/at:all", true},
        {"**", "", true},
        {"?", "", false},
        {"?", "a", true},
        {"?", "ab", false},
        {"?", "\xc3\xbc", true},
        {"??", "\xc3\xbc", false},
        {"*??", "\xc3\xbc", false},
        {"?*", "\xf0\x9f\x90\xb3", true},
        {"*redis*", "my-redis-1", true},
        {"*redis*", "my-redi", false},
        {"redis*", "redis", true},
        {"*:7", "redis:7", true},
        {"*:7", "redis:7.2", false},
        {"a*b*c", "aXbYc", true},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "acb", false},
        {"a*ab", "aab", true},
        {"*ab*ab", "ab", false},
        {"wg?", "wg0", true},
        {"[ab]", "a", false},
        {"[ab]", "[ab]", true},
        {"\\*", "*", false},
        {"\\*", "\\x", true},
        {"a*", "b", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (ng_glob_match(table[i].glob, table[i].text) != table[i].matches)
            fail_msg("\"%s\" and \"%s\"", table[i].glob, table[i].text);
}

/* With a try of all ways this would outlive the machine. */
static void test_glob_with_many_stars(void **state) {
    char glob[401], text[2001];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(glob); i += 2)
        memcpy(glob + i, "*a", 2);
    glob[sizeof(glob) - 1] = '\0';
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    clock_t start = clock();
    assert_true(ng_glob_match(glob, text));
    text[sizeof(text) - 2] = 'b';
    assert_false(ng_glob_match(glob, text));
    assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
}

/* -- selectors ----------------------------------------------------------------------- */

static const struct ng_label labels[] = {
    {"com.example.tier", "backend"},
    {"empty", ""},
    {"role", "gateway"},
};

static const struct ng_endpoint endpoints[] = {
    {.network = "backend_net"},
    {.network = "frontend_net"},
};

static const struct ng_container container = {
    .id = "0123",
    .name = "shop-redis-1",
    .image = "redis:7",
    .service = "shop_redis",
    .labels = labels,
    .n_labels = ARRAY_SIZE(labels),
    .endpoints = endpoints,
    .n_endpoints = ARRAY_SIZE(endpoints),
};

/* Does `to: <selector>` mean the container above? */
static bool matches(const char *selector, const struct ng_container *of, const char *process) {
    char text[512];

    snprintf(text, sizeof(text), "version: 1\nrules: [{id: a, deny: 1, to: %s}]\n", selector);
    struct ng_policy *policy = parse_good(text);
    bool result = ng_selector_match(policy->rules[0].to, policy->rules[0].n_to, of, process);
    ng_policy_free(policy);
    return result;
}

static void test_container(void **state) {
    static const struct {
        const char *selector;
        bool matches;
    } table[] = {
        {"{name: shop-redis-1}", true},
        {"{name: \"shop-*\"}", true},
        {"{name: shop}", false},
        {"{name: [x, \"*redis*\"]}", true},
        {"{image: \"redis:*\"}", true},
        {"{image: redis}", false},
        {"{service: shop_redis}", true},
        {"{stack: \"*\"}", false}, /* it is in no stack */
        {"{network: frontend_net}", true},
        {"{network: [\"back*\"]}", true},
        {"{network: bridge}", false},
        {"{label: {role: gateway}}", true},
        {"{label: {role: \"gate*\"}}", true},
        {"{label: {role: [x, gateway]}}", true},
        {"{label: {role: [gateway, x]}}", true},
        {"{label: {role: [x, y]}}", false},
        {"{label: {role: gateway, com.example.tier: frontend}}", false},
        {"{label: {role: gateway, com.example.tier: [frontend, backend]}}", true},
        {"{label: {com.example.tier: [frontend, backend], role: [x, y]}}", false},
        {"{label: {absent: \"*\"}}", false},
        {"{label: {empty: \"\"}}", true},
        {"{label: {role: \"\"}}", false},
        {"{name: \"*\", image: \"redis:*\", network: \"*net\", label: {role: \"*\"}}", true},
        {"{name: \"*\", image: \"nginx:*\"}", false},
        {"[{name: x}, {image: \"redis:*\"}]", true},
        {"[{name: x}, {image: y}]", false},
        {"{host: {}}", false},
        {"{host: {process: \"*\"}}", false},
        {"[{host: {}}, {name: \"*\"}]", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (matches(table[i].selector, &container, NULL) != table[i].matches)
            fail_msg("%s", table[i].selector);
}

static void test_container_with_nothing(void **state) {
    const struct ng_container bare = {.id = "", .name = "bare", .image = ""};

    (void)state;
    assert_true(matches("{name: bare}", &bare, NULL));
    assert_true(matches("{image: \"*\"}", &bare, NULL));
    assert_false(matches("{service: \"*\"}", &bare, NULL));
    assert_false(matches("{network: \"*\"}", &bare, NULL));
    assert_false(matches("{label: {role: \"*\"}}", &bare, NULL));
}

static void test_host(void **state) {
    (void)state;
    assert_true(matches("{host: {}}", NULL, "sshd"));
    assert_true(matches("{host: {}}", NULL, NULL));
    assert_true(matches("{host: {process: sshd}}", NULL, "sshd"));
    assert_true(matches("{host: {process: [x, \"ssh*\"]}}", NULL, "sshd"));
    assert_false(matches("{host: {process: sshd}}", NULL, "nginx"));
    /* Not known which process: none that a name could mean. */
    assert_false(matches("{host: {process: \"*\"}}", NULL, NULL));
    assert_false(matches("{name: \"*\"}", NULL, "sshd"));
    assert_true(matches("[{name: \"*\"}, {host: {}}]", NULL, "sshd"));
    /* A container's process does not make its port a service of the machine. */
    assert_false(matches("{host: {process: sshd}}", &container, "sshd"));
}

static void test_none(void **state) {
    (void)state;
    assert_false(ng_selector_match(NULL, 0, &container, NULL));
    assert_false(ng_selector_match(NULL, 0, NULL, "sshd"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glob),      cmocka_unit_test(test_glob_with_many_stars),
        cmocka_unit_test(test_container), cmocka_unit_test(test_container_with_nothing),
        cmocka_unit_test(test_host),      cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
