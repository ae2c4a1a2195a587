/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/policy_files.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Each test has a directory of its own, which stands for /etc/netguard. */
static char directory[64];

static int make_directory(void **state) {
    (void)state;
    umask(022);
    strcpy(directory, "/tmp/netguard-test-XXXXXX");
    return mkdtemp(directory) && chmod(directory, 0755) == 0 ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static int remove_directory(void **state) {
    (void)state;
    return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Valid until the next call but one. */
static const char *path_of(const char *name) {
    static char paths[2][128];
    static unsigned turn;
    char *path = paths[turn++ % 2];

    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static void put(const char *name, const char *text) {
    FILE *out = fopen(path_of(name), "w");

    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void make(const char *name) {
    assert_int_equal(mkdir(path_of(name), 0755), 0);
}

static struct ng_policy_files *read_files(const char *file) {
    struct ng_policy_files *files = NULL;
    struct ng_error error = {0};

    if (ng_policy_files_read(file, directory, &files, &error) < 0)
        fail_msg("%s: %s", error.source, error.message);
    return files;
}

static void assert_text(const struct ng_policy_files *files, size_t i, const char *name,
                        const char *text) {
    assert_true(i < files->count);
    assert_string_equal(files->texts[i].name, path_of(name));
    assert_int_equal(files->texts[i].len_bytes, strlen(text));
    assert_memory_equal(files->texts[i].bytes, text, strlen(text));
}

static void assert_refused(const char *file, int code, const char *source, const char *part) {
    struct ng_policy_files *files = NULL;
    struct ng_error error = {0};

    assert_int_equal(ng_policy_files_read(file, directory, &files, &error), code);
    assert_null(files);
    assert_string_equal(error.source, source);
    if (!strstr(error.message, part))
        fail_msg("\"%s\" not in \"%s\"", part, error.message);
}

static void test_nothing_there(void **state) {
    (void)state;
    struct ng_policy_files *files = read_files(NULL);

    assert_int_equal(files->count, 0);
    assert_null(files->summary);
    ng_policy_files_free(files);

    struct ng_error error = {0};
    assert_int_equal(ng_policy_files_read(NULL, path_of("absent"), &files, &error), 0);
    assert_int_equal(files->count, 0);
    ng_policy_files_free(files);
}

static void test_default_places_in_order(void **state) {
    (void)state;
    make("policy.d");
    put("policy.d/20-b.yaml", "b");
    put("policy.d/10-a.yaml", "");
    put("policy.d/.hidden.yaml", "no");
    put("policy.d/backup.yaml~", "no");
    put("policy.d/readme", "no");
    put("policy.yaml", "main");
    struct ng_policy_files *files = read_files(NULL);

    assert_int_equal(files->count, 3);
    assert_text(files, 0, "policy.yaml", "main");
    assert_text(files, 1, "policy.d/10-a.yaml", "");
    assert_text(files, 2, "policy.d/20-b.yaml", "b");
    assert_non_null(strstr(files->summary, "/policy.yaml, "));
    ng_policy_files_free(files);
}

static void test_drop_ins_alone(void **state) {
    (void)state;
    make("policy.d");
    put("policy.d/x.yaml", "x");
    struct ng_policy_files *files = read_files(NULL);

    assert_int_equal(files->count, 1);
    ng_policy_files_free(files);
}

static void test_one_file_alone(void **state) {
    (void)state;
    put("policy.yaml", "main");
    put("other", "other");
    struct ng_policy_files *files = read_files(path_of("other"));

    assert_int_equal(files->count, 1);
    assert_text(files, 0, "other", "other");
    assert_string_equal(files->summary, path_of("other"));
    ng_policy_files_free(files);
    assert_refused(path_of("absent"), -ENOENT, path_of("absent"), "No such file");
}

static void test_large(void **state) {
    (void)state;
    char *text = malloc((1 << 20) + 2);

    assert_non_null(text);
    memset(text, '#', 1 << 20);
    text[1 << 20] = '\0';
    put("policy.yaml", text);
    struct ng_policy_files *files = read_files(NULL);
    assert_text(files, 0, "policy.yaml", text);
    ng_policy_files_free(files);

    strcpy(text + (1 << 20), "#");
    put("policy.yaml", text);
    assert_refused(NULL, -EFBIG, path_of("policy.yaml"), "larger than 1 MiB");
    free(text);
}

static void test_writable_by_others(void **state) {
    (void)state;
    make("policy.d");
    put("policy.yaml", "main");
    put("policy.d/x.yaml", "x");
    static const char *const names[] = {"policy.yaml", "policy.d/x.yaml", "policy.d", "."};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char source[128];
        struct stat status;

        snprintf(source, sizeof(source), "%s", *names[i] == '.' ? directory : path_of(names[i]));
        assert_int_equal(stat(source, &status), 0);
        for (mode_t bit = S_IWOTH; bit <= S_IWGRP; bit <<= 3) {
            assert_int_equal(chmod(source, (status.st_mode & 0777) | bit), 0);
            assert_refused(NULL, -EPERM, source, "chmod go-w");
        }
        assert_int_equal(chmod(source, status.st_mode & 0777), 0);
    }
    ng_policy_files_free(read_files(NULL));
}

static void test_of_somebody_else(void **state) {
    (void)state;
    put("policy.yaml", "main");
    if (chown(path_of("policy.yaml"), 12345, (gid_t)-1) < 0) {
        assert_int_equal(errno, EPERM);
        skip(); /* only root can give a file away */
    }
    assert_refused(NULL, -EPERM, path_of("policy.yaml"), "belongs to uid 12345");
}

static void test_no_regular_file(void **state) {
    (void)state;
    make("dir.yaml");
    assert_refused(path_of("dir.yaml"), -EINVAL, path_of("dir.yaml"),
                   "is a directory and not a regular file");
    assert_int_equal(mkfifo(path_of("policy.yaml"), 0600), 0);
    assert_refused(NULL, -EINVAL, path_of("policy.yaml"), "is a FIFO and not a regular file");
    assert_int_equal(unlink(path_of("policy.yaml")), 0);
    assert_int_equal(symlink("/dev/zero", path_of("policy.yaml")), 0);
    assert_refused(NULL, -EINVAL, path_of("policy.yaml"), "is a device and not a regular file");
}

static void test_link_of_somebody_else(void **state) {
    (void)state;
    put("good.yaml", "good");
    assert_int_equal(symlink("good.yaml", path_of("policy.yaml")), 0);
    struct ng_policy_files *files = read_files(NULL);
    assert_text(files, 0, "policy.yaml", "good");
    ng_policy_files_free(files);
    if (lchown(path_of("policy.yaml"), 12345, (gid_t)-1) < 0) {
        assert_int_equal(errno, EPERM);
        skip();
    }
    assert_refused(NULL, -EPERM, path_of("policy.yaml"), "is a link of uid 12345");
}

/* Between a file that is fit and one that everybody can write, while it is read. */
static void *swap_link(void *stop) {
    char good[128], bad[128], link[128];
    snprintf(good, sizeof(good), "%s/to-good", directory);
    snprintf(bad, sizeof(bad), "%s/to-bad", directory);
    snprintf(link, sizeof(link), "%s/policy.yaml", directory);
    while (!atomic_load((atomic_bool *)stop))
        if (symlink("good.yaml", good) < 0 || rename(good, link) < 0 ||
            symlink("bad.yaml", bad) < 0 || rename(bad, link) < 0)
            return stop;
    return NULL;
}

static void test_link_swapped_under_our_hands(void **state) {
    atomic_bool stop = false;
    pthread_t thread;
    void *failed;
    unsigned taken = 0, refused = 0;
    (void)state;
    put("good.yaml", "good");
    put("bad.yaml", "bad");
    assert_int_equal(chmod(path_of("bad.yaml"), 0666), 0);
    assert_int_equal(symlink("good.yaml", path_of("policy.yaml")), 0);
    assert_int_equal(pthread_create(&thread, NULL, swap_link, &stop), 0);
    for (unsigned i = 0; i < 1000000 && (taken < 200 || refused < 200); i++) {
        struct ng_policy_files *files = NULL;
        struct ng_error error = {0};
        if (ng_policy_files_read(NULL, directory, &files, &error) == 0) {
            assert_text(files, 0, "policy.yaml", "good");
            ng_policy_files_free(files);
            taken++;
        } else {
            assert_non_null(strstr(error.message, "can be written by others"));
            refused++;
        }
    }
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    assert_true(taken && refused);
}

static void test_dangling_links(void **state) {
    (void)state;
    assert_int_equal(symlink("gone", path_of("policy.yaml")), 0);
    assert_refused(NULL, -ENOENT, path_of("policy.yaml"), "cannot follow the link");
    assert_int_equal(unlink(path_of("policy.yaml")), 0);
    make("policy.d");
    assert_int_equal(symlink("gone", path_of("policy.d/x.yaml")), 0);
    assert_refused(NULL, -ENOENT, path_of("policy.d/x.yaml"), "cannot open");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_there),
        TEST(test_default_places_in_order),
        TEST(test_drop_ins_alone),
        TEST(test_one_file_alone),
        TEST(test_large),
        TEST(test_writable_by_others),
        TEST(test_of_somebody_else),
        TEST(test_no_regular_file),
        TEST(test_link_of_somebody_else),
        TEST(test_link_swapped_under_our_hands),
        TEST(test_dangling_links),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
