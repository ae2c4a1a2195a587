/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pages of the findings: complete, the same in the manual, and as they are printed. */
#include "tests/unit/fixture_policy.h"

#include "agent/print/catalog.h"

#define HEADER "include/netguard/catalog.h"
#define MANUAL "packaging/man/netguard-findings.md"

static size_t count_of(const char *text, const char *part) {
    size_t count = 0;
    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

/* Ids are given out in one place; what has none there does not compile. */
static void test_every_id_has_a_page(void **state) {
    size_t len, ids = 0;
    char *header = read_policy_file(HEADER, &len);
    (void)state;
    for (const char *at = header; (at = strstr(at, "\"NG")); at++) {
        char id[6];
        snprintf(id, sizeof(id), "%.5s", at + 1);
        if (!ng_catalog_find(id))
            fail_msg("%s has no page", id);
        ids++;
    }
    assert_int_equal(ids, ng_catalog_count);
    free(header);
}

static void assert_paragraph(const struct ng_catalog_page *page, const char *text) {
    size_t len = strlen(text);
    if (len < 40 || text[len - 1] != '.' || strchr(text, '\n') || strstr(text, "  "))
        fail_msg("%s: %s", page->id, text);
}

static void test_pages_are_whole(void **state) {
    (void)state;
    for (size_t i = 0; i < ng_catalog_count; i++) {
        const struct ng_catalog_page *page = &ng_catalog[i];
        if (i)
            assert_true(strcmp(ng_catalog[i - 1].id, page->id) < 0);
        assert_true(strlen(page->title) > 10 && !strchr(page->title, '.'));
        assert_paragraph(page, page->means);
        assert_paragraph(page, page->why);
        for (const char *line = page->fix; line; line = strchr(line, '\n')) {
            line += *line == '\n';
            assert_true(*line && *line != '\n' && *line != ' ');
        }
        assert_true(page->fix[strlen(page->fix) - 1] == '.');
    }
}

static void test_find(void **state) {
    (void)state;
    assert_string_equal(ng_catalog_find("NG001")->id, "NG001");
    assert_string_equal(ng_catalog_find("ng036")->id, "NG036");
    assert_string_equal(ng_catalog_find("nG010")->id, "NG010");
    assert_null(ng_catalog_find("NG999"));
    assert_null(ng_catalog_find("NG0011"));
    assert_null(ng_catalog_find("NG00"));
    assert_null(ng_catalog_find(""));
}

/* -- the manual -------------------------------------------------------------------------- */

/* Words with one space between them, and without the escapes of Markdown. */
static char *plain(const char *text) {
    char *own = calloc(1, strlen(text) + 2), *to = own;
    assert_non_null(own);
    for (; *text; text++) {
        bool space = *text == ' ' || *text == '\n';
        if (*text == '\\' || (space && to > own && to[-1] == ' '))
            continue;
        *to++ = space ? ' ' : *text;
    }
    return own;
}

static char *manual_entry(const struct ng_catalog_page *page) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    fprintf(out, "## %s: %s %s Why it matters: %s To fix it: - ", page->id, page->title,
            page->means, page->why);
    for (const char *c = page->fix; *c; c++)
        fputs(*c == '\n' ? " - " : (char[]){*c, '\0'}, out);
    if (page->cis)
        fputs(" CIS Docker Benchmark " NG_CIS_VERSION ": ", out);
    for (size_t i = 0; page->cis && page->cis[i]; i++)
        fprintf(out, "%s%s", i ? ", " : "", page->cis[i]);
    fputs(page->cis ? "." : "", out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_the_manual_says_the_same(void **state) {
    size_t len;
    char *text = read_policy_file(MANUAL, &len), *manual = plain(text);
    (void)state;
    for (size_t i = 0; i < ng_catalog_count; i++) {
        char *entry = manual_entry(&ng_catalog[i]);
        if (!strstr(manual, entry))
            fail_msg(MANUAL " does not say: %s", entry);
        free(entry);
    }
    assert_int_equal(count_of(manual, "## NG"), ng_catalog_count);
    free(manual);
    free(text);
}

/* -- as it is printed -------------------------------------------------------------------- */

static const char *const some_items[] = {"5.14", "7.2", NULL};
static const struct ng_catalog_page some_page = {
    .id = "NG000",
    .title = "a page",
    .means = "What it means takes more words than one line of forty columns holds.",
    .why = "It matters \"a lot\".",
    .fix = "Do this.\nOr that.",
    .cis = some_items,
};

static void assert_printed(const struct ng_catalog_page *page, bool json, const char *expected) {
    const struct ng_print_options options = {.width = 40};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    if (json)
        ng_print_page_json(out, page);
    else
        assert_int_equal(ng_print_page(out, page, &options), 0);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void test_for_people(void **state) {
    struct ng_catalog_page page = some_page;
    (void)state;
    assert_printed(&page, false,
                   "NG000     a page\n"
                   "\n"
                   "means     What it means takes more words\n"
                   "          than one line of forty columns\n"
                   "          holds.\n"
                   "\n"
                   "why       It matters \"a lot\".\n"
                   "\n"
                   "fix       Do this.\n"
                   "or        Or that.\n"
                   "\n"
                   "answers   5.14, 7.2 of the CIS Docker\n"
                   "          Benchmark 1.6.0\n");
    page.cis = NULL;
    page.fix = "Do this.";
    assert_printed(&page, false,
                   "NG000     a page\n"
                   "\n"
                   "means     What it means takes more words\n"
                   "          than one line of forty columns\n"
                   "          holds.\n"
                   "\n"
                   "why       It matters \"a lot\".\n"
                   "\n"
                   "fix       Do this.\n");
}

static void test_for_programs(void **state) {
    (void)state;
    assert_printed(&some_page, true,
                   "{\"schema\":\"netguard.explain/1\",\"finding\":{\"id\":\"NG000\","
                   "\"title\":\"a page\",\"means\":\"What it means takes more words than one line "
                   "of forty columns holds.\",\"why\":\"It matters \\\"a lot\\\".\","
                   "\"fix\":\"Do this.\\nOr that.\",\"cis\":[\"5.14\",\"7.2\"],"
                   "\"cis_version\":\"1.6.0\"}}\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_id_has_a_page),
        cmocka_unit_test(test_pages_are_whole),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_the_manual_says_the_same),
        cmocka_unit_test(test_for_people),
        cmocka_unit_test(test_for_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
