/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/saved_rules.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "netguard/guard.h"

#define COMMENT "\tcomment \"" NG_GUARD_COMMENT "\"\n"
#define SETS    "\tset others {\n\t\ttype ifname\n\t\telements = { \"}\", \"br0\" }\n\t}\n"
#define COPY    "table inet netguard {\n" COMMENT SETS "}\n"
#define REFUSED "while netguard runs, the kernel refuses the whole file"
#define LOST    "that no nft can read"

/* Each test has a directory of its own, which stands for /etc. */
static char directory[64];
static struct ng_world world;

static int make_directory(void **state) {
    (void)state;
    strcpy(directory, "/tmp/netguard-test-XXXXXX");
    world = (struct ng_world){.arena = ng_arena_new()};
    return mkdtemp(directory) && world.arena ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static int remove_directory(void **state) {
    (void)state;
    ng_arena_free(world.arena);
    return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char *path_of(const char *name) {
    char *path = ng_arena_printf(world.arena, "%s/%s", directory, name);

    assert_non_null(path);
    return path;
}

/* Each @ in the text stands for the directory. */
static void put_bytes(const char *name, const char *bytes, size_t len_bytes) {
    FILE *out = fopen(path_of(name), "w");

    assert_non_null(out);
    for (size_t i = 0; i < len_bytes; i++)
        assert_true(bytes[i] == '@' ? fputs(directory, out) >= 0 : fputc(bytes[i], out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void put(const char *name, const char *text) {
    put_bytes(name, text, strlen(text));
}

static void look(const char *name) {
    const char *const files[] = {path_of(name), NULL};

    assert_int_equal(ng_saved_rules_read(&world, files), 0);
}

static void assert_warning(size_t i, const char *name, const char *part) {
    assert_true(i < world.n_warnings);
    assert_string_equal(world.warnings[i].source, path_of(name));
    if (!strstr(world.warnings[i].text, part))
        fail_msg("\"%s\" not in \"%s\"", part, world.warnings[i].text);
}

static void test_copies(void **state) {
    static const struct {
        const char *text, *part; /* NULL: no warning */
    } cases[] = {
        {COPY, REFUSED},
        {COPY, "in line 1 "},
        {"#!/usr/sbin/nft -f\n\nflush ruleset\n" COPY, "in line 4 "},
        {"table ip filter {\n\tchain x {\n\t}\n}\n" COPY "table ip nat {\n}\n", "in line 5 "},
        {"table inet netguard { # progname netguard\n\tflags owner\n" COMMENT "\n" SETS "}\n",
         REFUSED},
        {"table inet netguard {\n\tflags owner,persist\n" COMMENT "}\n", REFUSED},
        {"table inet netguard {\n\tflags persist\n" COMMENT "}\n", REFUSED},
        {"table inet netguard {\n\tflags \n" COMMENT "}\n", LOST},
        {"table inet netguard {\n\tflags\n" COMMENT "}\n", LOST},
        {"add table inet netguard {\n" COMMENT "}\n", REFUSED},
        {"create table inet netguard { comment \"" NG_GUARD_COMMENT "\"; }\n", REFUSED},
        {"table\tinet  \\\n netguard{comment \"" NG_GUARD_COMMENT "\"}", "in line 1 "},
        {"flush ruleset; " COPY, REFUSED},
        {"# a \" and a {\n" COPY, REFUSED},
        {"define x = \"a\nb\"\n" COPY, "in line 3 "},
        {"table inet netguard {\n# }\n" COMMENT "}\n", REFUSED},
        /* others' */
        {"", NULL},
        {"flush ruleset\n", NULL},
        {"table inet netguard {\n" SETS "}\n", NULL},
        {"table inet netguard {\n\tcomment \"mine\"\n}\n", NULL},
        {"table ip netguard {\n" COMMENT "}\n", NULL},
        {"table inet netguard2 {\n" COMMENT "}\n", NULL},
        {"table inet filter {\n\tflags\n" COMMENT "}\n", NULL},
        {"table inet netguard {\n\tset x {\n\t\ttype mark\n\t" COMMENT "\t}\n}\n", NULL},
        {"table inet netguard {\n}\ntable inet other {\n" COMMENT "}\n", NULL},
        /* not there any more */
        {"#" COPY, NULL},
        {"# table inet netguard {\n#" COMMENT "# }\n", NULL},
        {"table inet netguard\ndelete table inet netguard\n", NULL},
        /* torn */
        {"table inet netguard {\n" COMMENT, NULL},
        {"table inet netguard {\n\tcomment \"made by", NULL},
        {"}}}}\n" COPY, REFUSED},
        {"table inet netguard", NULL},
        {"\\", NULL},
        {"include", NULL},
        {"include \"", NULL},
        {"include \"\"\n", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        put("nftables.conf", cases[i].text);
        look("nftables.conf");
        if (world.n_warnings != (cases[i].part != NULL))
            fail_msg("%zu warnings of:\n%s", world.n_warnings, cases[i].text);
        if (cases[i].part)
            assert_warning(0, "nftables.conf", cases[i].part);
    }
}

/* Where the copy stands as nft lists it, it can be cut out by a command that does no harm. */
static void test_advice(void **state) {
    (void)state;
    put("a", COPY);
    look("a");
    assert_warning(0, "a",
                   ng_arena_printf(world.arena, "take it out: sed -i %s %s", NG_SAVED_RULES_CUT,
                                   path_of("a")));
    put("a", "flush ruleset; " COPY);
    look("a");
    assert_warning(0, "a", "take it out");
    assert_null(strstr(world.warnings[0].text, "sed"));
    put("a", "add " COPY);
    look("a");
    assert_null(strstr(world.warnings[0].text, "sed"));
}

static void test_includes(void **state) {
    (void)state;
    put("main", "flush ruleset\ninclude \"@/rules/*.nft\"\ninclude \"@/none\"\n");
    assert_int_equal(mkdir(path_of("rules"), 0755), 0);
    assert_int_equal(mkdir(path_of("rules/directory.nft"), 0755), 0);
    put("rules/1.nft", "table ip filter {\n\tinclude \"@/deep\"\n}\n");
    put("rules/2.nft", "# nothing");
    put("rules/3.nft", COPY);
    put("rules/4", COPY);                                              /* does not match */
    put("deep", "\n" COPY "include \"@/main\"\ninclude \"@/deep\"\n"); /* and round again */
    look("main");
    assert_int_equal(world.n_warnings, 2);
    assert_warning(0, "deep", "in line 2 ");
    assert_warning(1, "rules/3.nft", "in line 1 ");
    put("main", "#include \"@/deep\"\ntable ip x { comment \"include\"; include @/deep\n}\n");
    look("main");
    assert_int_equal(world.n_warnings, 0);
}

static void test_what_is_no_file(void **state) {
    (void)state;
    look("nothing");
    assert_int_equal(world.n_warnings, 0);
    look(".");
    assert_int_equal(world.n_warnings, 0);
    put("file", "");
    look("file/below");
    assert_int_equal(world.n_warnings, 0);
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    look("fifo");
    assert_int_equal(world.n_warnings, 1);
    assert_warning(0, "fifo", "cannot be read, and may hold a copy of the guard: not a regular");
    assert_int_equal(symlink("round", path_of("round")), 0);
    look("round");
    assert_warning(0, "round", "symbolic links");
    put("link", COPY);
    assert_int_equal(unlink(path_of("fifo")), 0);
    assert_int_equal(symlink("link", path_of("fifo")), 0);
    look("fifo");
    assert_warning(0, "fifo", REFUSED);
}

static void test_bounds(void **state) {
    char name[32];

    (void)state;
    put("large", COPY);
    assert_int_equal(truncate(path_of("large"), 33 << 20), 0); /* sparse */
    look("large");
    assert_warning(0, "large", "too much is included");
    /* A chain of files: only so many as nft itself would follow. */
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "chain%d", i);
        put(name, i == 16   ? ng_arena_printf(world.arena, COPY "include \"@/chain%d\"\n", i + 1)
                  : i == 17 ? COPY
                            : ng_arena_printf(world.arena, "include \"@/chain%d\"\n", i + 1));
    }
    look("chain0");
    assert_int_equal(world.n_warnings, 1);
    assert_warning(0, "chain16", REFUSED);
    /* Many: an end to it, which is told. */
    assert_int_equal(mkdir(path_of("many"), 0755), 0);
    for (int i = 0; i < 520; i++) {
        snprintf(name, sizeof(name), "many/%03d", i);
        put(name, "");
    }
    put("all", "include \"@/many/*\"\n");
    look("all");
    assert_int_equal(world.n_warnings, 520 - 511);
    assert_warning(0, "many/511", "too much is included");
}

/* Whatever the bytes are, there is an end to them. */
static void test_any_bytes(void **state) {
    static const char pieces[][24] = {"table", "inet",    "netguard", "{",       "}",
                                      "\"",    "#",       "\n",       "\\",      ";",
                                      " ",     "include", "flags",    "comment", "\xff"};
    uint32_t dice = 1;
    char text[512];

    (void)state;
    for (int round = 0; round < 500; round++) {
        size_t len = 0;
        while (len + sizeof(pieces[0]) < sizeof(text)) {
            dice = dice * 1664525 + 1013904223;
            const char *piece = pieces[(dice >> 16) % ARRAY_SIZE(pieces)];
            memcpy(text + len, piece, strlen(piece) + 1);
            len += strlen(piece) + ((dice >> 28) == 0); /* and now and then a NUL */
        }
        put_bytes("any", text, len);
        look("any");
    }
}

static void test_names_of_any_bytes(void **state) {
    (void)state;
    put("\xff", COPY);
    look("\xff");
    assert_int_equal(world.n_warnings, 1);
    assert_non_null(strstr(world.warnings[0].source, "\xef\xbf\xbd"));
    assert_null(strchr(world.warnings[0].source, '\xff'));
    assert_null(strchr(world.warnings[0].text, '\xff'));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_copies),
        TEST(test_advice),
        TEST(test_includes),
        TEST(test_what_is_no_file),
        TEST(test_bounds),
        TEST(test_any_bytes),
        TEST(test_names_of_any_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
