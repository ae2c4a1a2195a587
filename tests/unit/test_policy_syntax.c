/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is no YAML, or YAML that a policy has no use for: the exact place and words. */

#include "tests/unit/fixture_policy.h"

#include <errno.h>

static const struct bad bad_syntax[] = {
    BAD("", "1:1: the policy is empty; expected at least 'version: 1'"),
    BAD("# only a comment\n", "1:1: the policy is empty; expected at least 'version: 1'"),
    BAD("---\n", "1:1: the policy is empty; expected at least 'version: 1'"),
    BAD("version: 1\n"
        "\tmode: monitor\n",
        "2:1: a tab stands in the indentation; YAML indents with spaces only"),
    BAD("version: 1\n"
        "rules:\n"
        "\t- id: a\n",
        "3:1: a tab stands in the indentation; YAML indents with spaces only"),
    BAD("version: 1\n"
        "rules:\n"
        "  - id: a\n"
        "\tdeny: [1]\n",
        "4:1: a tab stands in the indentation; YAML indents with spaces only"),
    BAD("version: 1\n"
        "ports:\n"
        "  x:\n"
        "    - 1\n"
        "\t- 2\n",
        "5:1: a tab stands in the indentation; YAML indents with spaces only"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [@databases]}]\n",
        "2:24: a name that begins with '@' must be quoted, such as \"@databases\""),
    BAD("version: 1\n"
        "mode: `x`\n",
        "2:7: a text that begins with '`' must be quoted"),
    BAD("version: 1\n"
        "mode: %x\n",
        "2:7: a text that begins with '%' must be quoted"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80}]\n",
        "2:26: expected ',' or ']' (the list begins at line 2)"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80]\n",
        "3:1: expected ',' or '}' (the mapping begins at line 2)"),
    BAD("version: 1\n"
        "defaults: {action: alert\n"
        "rules: []\n",
        "3:6: expected ',' or '}' (the mapping begins at line 2)"),
    BAD("version: 1\n"
        "rules:\n"
        "  - id: \"abc\n"
        "    deny: [80]\n",
        "3:9: a quoted text begins here and never ends"),
    BAD("version: 1\n"
        "mode: \"a\\qb\"\n",
        "2:9: unknown escape in a double-quoted text; write '\\\\' for a backslash"),
    BAD("version: 1\n"
        "mode: monitor: x\n",
        "2:14: a ':' is not expected here; check the indentation, and quote a text that contains "
        "': '"),
    BAD("version: 1\n"
        "rules:\n"
        "  - id: a\n"
        "   deny: [80]\n",
        "4:4: expected '- ' at the indentation of its list (the list begins at line 3)"),
    BAD("version: 1\n"
        "rules:\n"
        "  - id: a\n"
        "    deny: [80]\n"
        " - id: b\n",
        "5:2: expected a key at the indentation of its mapping (the mapping begins at line 1)"),
    BAD("version: 1\n"
        "mode\n",
        "2:1: expected 'key: value', found no ':' on this line"),
    BAD("version: 1\n"
        "mode: - monitor\n",
        "2:7: a list item ('- ') is not expected here; put it on a line of its own"),
    BAD("version: 1\n"
        "  mode: monitor\n",
        "2:7: a ':' is not expected here; check the indentation, and quote a text that contains ': "
        "'"),
    BAD(" version: 1\n"
        "mode: monitor\n",
        "2:1: the policy has ended before this; check the indentation of the lines above"),
    BAD("version: 1\n"
        "mode: &m monitor\n",
        "2:7: anchors ('&name') are not part of the policy language; write the value out wherever "
        "it is needed"),
    BAD("version: 1\n"
        "mode: *m\n",
        "2:7: aliases ('*name') are not part of the policy language; write the value out, or quote "
        "a glob that begins with '*'"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: {name: *redis*}}]\n",
        "2:40: a text that begins with '*' or '&' must be quoted, such as \"*redis*\""),
    BAD("version: 1\n"
        "mode: !!str monitor\n",
        "2:7: tags ('!name') are not part of the policy language; quote the text if it begins with "
        "'!'"),
    BAD("version: 1\n"
        "mode: !x monitor\n",
        "2:7: tags ('!name') are not part of the policy language; quote the text if it begins with "
        "'!'"),
    BAD("version: 1\n"
        "mode: !z!x monitor\n",
        "2:7: tags ('!name') are not part of the policy language; quote the text if it begins with "
        "'!'"),
    BAD("version: 1\n"
        "defaults:\n"
        "  <<: {action: alert}\n",
        "3:3: merge keys ('<<') are not part of the policy language; write the keys out"),
    BAD("version: 1\n"
        "---\n"
        "version: 1\n",
        "2:1: a second document begins here; a policy file is one document"),
    BAD("version: 1\n"
        "...\n"
        "version: 1\n",
        "3:1: the policy has ended before this; check the indentation of the lines above"),
    BAD("%YAML 1.1\n"
        "---\n"
        "version: 1\n",
        "1:1: a policy is YAML 1.2, found '%YAML 1.1'; remove that line"),
    BAD("%YAML 2.0\n"
        "---\n"
        "version: 1\n",
        "1:1: a policy is YAML 1.2; remove '%YAML'"),
    BAD("%TAG ! tag:x,2000:\n"
        "---\n"
        "version: 1\n",
        "1:1: %TAG is not part of the policy language; remove that line"),
    BAD("version: 1\n"
        "mode: monitor\n"
        "mode: enforce\n",
        "3:1: duplicate key \"mode\"; it already stands at line 2"),
    BAD("{\"version\": 1, \"mode\": \"monitor\", \"version\": 1}",
        "1:35: duplicate key \"version\"; it already stands at line 1"),
    BAD("? [a, b]\n"
        ": 1\n",
        "1:3: a key must be one word, found a list; quote a text that begins with '[' or '{'"),
    BAD("{{ x }}: 1\n",
        "1:1: a key must be one word, found a mapping; quote a text that begins with '[' or '{'"),
    BAD(": 1\n",
        "1:1: expected a key at the indentation of its mapping (the mapping begins at line 1)"),
    BAD("version: 1\n"
        "mode: \"a\\0b\"\n",
        "2:7: a NUL character is not allowed in a text"),
    BAD("version: 1\n"
        "mode: \"\\e[31m\"\n",
        "2:7: expected monitor or enforce for 'mode', found \"\\x1b[31m\""),
    BAD("version: 1\n"
        "mode: \"\\x85\\u202eabc\"\n",
        "2:7: expected monitor or enforce for 'mode', found \"\\xc2\\x85\\xe2\\x80\\xaeabc\""),
    BAD("version: 1\n"
        "# caf\351\n",
        "2:6: this is not UTF-8 (byte 0xe9); save the file as UTF-8"),
    BAD("version: 1\n"
        "mode: \033[31m\n",
        "2:7: the invisible character U+001B is not allowed in a policy"),
    BAD("version: 1\r\n"
        "mode: x\000\r\n",
        "2:8: the invisible character U+0000 is not allowed in a policy"),
    BAD("version: 1\n"
        "# a\342\200\250b\n",
        "2:4: the invisible character U+2028 is not allowed in a policy"),
    BAD("# \303\274\303\274 \355\240\200\n",
        "1:6: this is not UTF-8 (byte 0xed); save the file as UTF-8"),
    BAD("version: 1\n"
        "mode: \"a\000b\"\n",
        "2:9: the invisible character U+0000 is not allowed in a policy"),
    BAD("version: 1\r"
        "mode: monitor\r",
        "1:11: a carriage return stands alone; save the file with Unix line ends"),
    BAD("\357\273\277"
        "version: 1\n"
        "version: 1\n",
        "2:1: duplicate key \"version\"; it already stands at line 1"),
    BAD("\357\273\277vrsion: 1\n",
        "1:1: unknown key \"vrsion\" in a policy; expected version, mode, defaults, zones, ports, "
        "rules, default, segregation, usage, exceptions or alerts; did you mean \"version\"?"),
    BAD("# \360\237\220\263\303\274\n"
        "version: 1\n"
        "ports: {\"\303\274\303\274\": [1], web: [2]}\n",
        "3:9: the name of a port group is 1 to 64 letters, digits, '.', '_' or '-' and begins with "
        "a letter, a digit or '_', found \"\303\274\303\274\""),
    BAD("version: 1\n"
        "ports: {web: [\"\303\274\303\274\", 1]}\n",
        "2:15: there is no port group \"\303\274\303\274\"; expected web, @any, @caches, @cluster, "
        "@databases, @docker-api, @metrics, @orchestration, @queues or @remote-admin"),
    BAD("version: 1\n"
        "ports: {\303\274: [1], b: [2]}\n",
        "2:9: the name of a port group is 1 to 64 letters, digits, '.', '_' or '-' and begins with "
        "a letter, a digit or '_', found \"\303\274\""),
    BAD("version: 1\n"
        "mode: \355\277\277\n",
        "2:7: this is not UTF-8 (byte 0xed); save the file as UTF-8"),
    BAD("version: 1\n"
        "mode: \300\200\n",
        "2:7: this is not UTF-8 (byte 0xc0); save the file as UTF-8"),
    BAD("version: 1\n"
        "mode: \364\220\200\200\n",
        "2:7: this is not UTF-8 (byte 0xf4); save the file as UTF-8"),
    BAD("version: 1\n"
        "mode: \303",
        "2:7: this is not UTF-8 (byte 0xc3); save the file as UTF-8"),
    BAD("version: 1\n"
        "mode: \302\205\n",
        "2:7: the invisible character U+0085 is not allowed in a policy"),
};

static void test_syntax(void **state) {
    (void)state;
    assert_all_refused(bad_syntax, ARRAY_SIZE(bad_syntax));
}

/* -- bounds -------------------------------------------------------------------------- */

static void assert_too_big(const char *bytes, size_t len, const char *expected) {
    struct ng_policy_text text = {.name = "policy.yaml", .bytes = bytes, .len_bytes = len};
    assert_refused(&text, 1, -E2BIG, expected);
}

static void test_size(void **state) {
    size_t len = (1 << 20) + 1;
    char *bytes = malloc(len);

    (void)state;
    assert_non_null(bytes);
    memset(bytes, '#', len);
    assert_too_big(bytes, len,
                   "0:0: the file has 1048577 bytes; a policy file has 1048576 at most");
    /* One byte less is a comment, and its policy merely empty. */
    struct ng_policy_text text = {.name = "policy.yaml", .bytes = bytes, .len_bytes = len - 1};
    assert_refused(&text, 1, -EINVAL, "1:1: the policy is empty; expected at least 'version: 1'");
    free(bytes);
}

static void test_depth(void **state) {
    static const char lists[] = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[";
    char text[128];

    (void)state;
    assert_int_equal(strlen(lists), 32);
    snprintf(text, sizeof(text), "%s[", lists);
    assert_too_big(text, strlen(text), "1:33: nested more than 32 levels deep");
    /* As many as are allowed: the policy fails for what it says. */
    snprintf(text, sizeof(text), "%s]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", lists);
    struct ng_policy_text whole = policy_text(text);
    assert_refused(&whole, 1, -EINVAL,
                   "1:1: expected a mapping for a policy (version, mode, defaults, zones, ports, "
                   "rules, default, segregation, usage, exceptions or alerts), found a list");
}

static void test_nodes(void **state) {
    size_t count = 100000, len = 0;
    char *text = malloc(2 * count + 8);

    (void)state;
    assert_non_null(text);
    text[len++] = '[';
    for (size_t i = 0; i < count; i++) {
        text[len++] = '1';
        text[len++] = ',';
    }
    text[len++] = ']';
    assert_too_big(text, len, "1:200000: more than 100000 values in one file");
    free(text);
}

/* Doubling groups would be 2^200 ports, and each alias of a bomb nine times the last. */
static void test_bombs(void **state) {
    size_t size = 1 << 14;
    char *text = calloc(1, size);

    (void)state;
    assert_non_null(text);
    int len = snprintf(text, size, "version: 1\nports:\n  g0: [1, 2]\n");
    for (int i = 1; i <= 200; i++)
        len += snprintf(text + len, size - (size_t)len, "  g%d: [g%d, g%d]\n", i, i - 1, i - 1);
    assert_too_big(text, (size_t)len,
                   "18:9: the rules name more than 65536 ports and ranges in all");

    struct ng_policy_text bomb = policy_text("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n");
    assert_refused(&bomb, 1, -EINVAL,
                   "1:4: anchors ('&name') are not part of the policy language; write the value "
                   "out wherever it is needed");
    free(text);
}

static void test_many(void **state) {
    size_t size = 1 << 19;
    char *text = calloc(1, size);

    (void)state;
    assert_non_null(text);
    int len = snprintf(text, size, "version: 1\nrules:\n");
    for (int i = 0; i <= 4096; i++)
        len += snprintf(text + len, size - (size_t)len, "  - {id: r%d, deny: 1}\n", i);
    assert_too_big(text, (size_t)len, "4099:5: more than 4096 rules");

    len = snprintf(text, size, "version: 1\nzones:\n");
    for (int i = 0; i <= 256; i++)
        len +=
            snprintf(text + len, size - (size_t)len, "  - {id: z%d, match: {interfaces: a}}\n", i);
    assert_too_big(text, (size_t)len, "259:5: more than 256 zones");
    free(text);
}

/* Whatever a file is cut to, it is refused or accepted, and nothing is lost or read behind. */
static void test_cut_short(void **state) {
    size_t len;
    char *whole = read_policy_file(POLICY_DATA "/supported.yaml", &len);

    (void)state;
    for (size_t cut = 0; cut <= len; cut++) {
        char *exact = malloc(cut + 1); /* a heap block of its own: reading behind it shows */
        assert_non_null(exact);
        memcpy(exact, whole, cut);
        struct ng_policy_text text = {.name = "policy.yaml", .bytes = exact, .len_bytes = cut};
        struct ng_policy *policy = NULL;
        struct ng_error error = {0};
        int r = ng_policy_parse(&text, 1, &policy, &error);
        assert_true(r == 0 || r == -EINVAL);
        assert_true((r == 0) == (policy != NULL));
        assert_true((r == 0) == (error.message[0] == '\0'));
        ng_policy_free(policy);
        free(exact);
    }
    free(whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syntax),    cmocka_unit_test(test_size),
        cmocka_unit_test(test_depth),     cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_bombs),     cmocka_unit_test(test_many),
        cmocka_unit_test(test_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
