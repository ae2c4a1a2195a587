/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/command/command.h"

static const struct ng_command check = {
    .name = "check",
    .help = "Checks.",
    .options = NG_OPTION_POLICY | NG_OPTION_DOCKER | NG_OPTION_SNAPSHOT | NG_OPTION_FORMAT |
               NG_OPTION_FAIL_ON | NG_OPTION_COLOR | NG_OPTION_VERBOSE | NG_OPTION_PROFILE,
};
static const struct ng_command run = {
    .name = "run",
    .help = "Guards.",
    .options = NG_OPTION_POLICY | NG_OPTION_FOREGROUND | NG_OPTION_METRICS_FILE,
};
static const struct ng_command snapshot = {
    .name = "snapshot",
    .help = "Records.",
    .options = NG_OPTION_DOCKER | NG_OPTION_OUTPUT,
};
static const struct ng_command policy_check = {
    .name = "policy check",
    .help = "Checks.",
    .options = NG_OPTION_POLICY | NG_OPTION_SNAPSHOT,
    .operand = "[FILE...]",
};

enum {
    WORDS_MAX = 8,
};

/* `line` is split at its spaces; what it gives stays valid until the next call. */
static int parse(const struct ng_command *command, const char *line, struct ng_options *options,
                 struct ng_error *error) {
    static char copy[256];
    char *words[WORDS_MAX + 1] = {NULL};
    int count = 0;

    assert_true(strlen(line) < sizeof(copy));
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word && count < WORDS_MAX; word = strtok(NULL, " "))
        words[count++] = word;
    return ng_options_parse(command, count, words, options, error);
}

static struct ng_options parsed(const struct ng_command *command, const char *line) {
    struct ng_options options;
    struct ng_error error = {0};

    if (parse(command, line, &options, &error) < 0)
        fail_msg("%s: %s", error.source, error.message);
    return options;
}

static void assert_refused(const struct ng_command *command, const char *line, const char *source,
                           const char *message) {
    struct ng_options options = {.verbose = true};
    struct ng_error error = {0};

    assert_int_equal(parse(command, line, &options, &error), -EINVAL);
    assert_string_equal(error.source, source);
    assert_string_equal(error.message, message);
    assert_true(options.verbose); /* untouched */
}

static void test_defaults(void **state) {
    (void)state;
    struct ng_options options = parsed(&check, "check");

    assert_null(options.policy);
    assert_int_equal(options.n_docker, 0);
    assert_null(options.snapshot);
    assert_null(options.output);
    assert_int_equal(options.format, NG_FORMAT_TABLE);
    assert_int_equal(options.fail_on, NG_INFO);
    assert_int_equal(options.color, NG_COLOR_AUTO);
    assert_false(options.verbose || options.help || options.version);
}

static void test_every_option(void **state) {
    (void)state;
    struct ng_options options =
        parsed(&check, "check --policy p.yaml --snapshot=- --format json --fail-on=high "
                       "--verbose");

    assert_string_equal(options.policy, "p.yaml");
    assert_string_equal(options.snapshot, "-");
    assert_int_equal(options.format, NG_FORMAT_JSON);
    assert_int_equal(options.fail_on, NG_HIGH);
    assert_true(options.verbose);

    assert_false(options.cis);
    assert_true(parsed(&check, "check --profile cis").cis);
    options = parsed(&check, "check --docker unix:///run/d.sock --color never --fail-on any");
    assert_int_equal(options.n_docker, 1);
    assert_string_equal(options.docker[0], "unix:///run/d.sock");
    assert_int_equal(options.color, NG_COLOR_NEVER);
    assert_int_equal(options.fail_on, NG_INFO);

    options = parsed(&snapshot, "snapshot --docker tcp://192.0.2.1:2375 --output w.json");
    assert_string_equal(options.docker[0], "tcp://192.0.2.1:2375");
    assert_string_equal(options.output, "w.json");

    options = parsed(&run, "run --metrics-file netguard.prom");
    assert_string_equal(options.metrics_file, "netguard.prom");
    assert_false(options.foreground);
    assert_true(parsed(&run, "run --foreground").foreground);
}

static void test_several_engines(void **state) {
    static char name[] = "check", first[] = "--docker=unix:///a", last[] = "--docker=unix:///b";
    char *words[NG_ENGINES_MAX + 3] = {name};
    struct ng_options options;
    struct ng_error error = {0};
    int count = 1;

    (void)state;
    options = parsed(&check, "check --docker unix:///a --docker=tcp://h:1 --docker unix:///a");
    assert_int_equal(options.n_docker, 3);
    assert_string_equal(options.docker[0], "unix:///a");
    assert_string_equal(options.docker[1], "tcp://h:1");
    assert_string_equal(options.docker[2], "unix:///a");

    for (int i = 0; i < NG_ENGINES_MAX; i++)
        words[count++] = first;
    assert_int_equal(ng_options_parse(&check, count, words, &options, &error), 0);
    assert_int_equal(options.n_docker, NG_ENGINES_MAX);
    words[count++] = last;
    assert_int_equal(ng_options_parse(&check, count, words, &options, &error), -EINVAL);
    assert_string_equal(error.source, "--docker");
    assert_string_equal(error.message, "is given more than 32 times");
}

static void test_gnu_habits(void **state) {
    (void)state;
    assert_int_equal(parsed(&check, "check --form json").format, NG_FORMAT_JSON);
    assert_int_equal(parsed(&check, "check --color never --color always").color,
                     NG_COLOR_ALWAYS); /* the last one counts */
    assert_true(parsed(&check, "check --help what").help);
    assert_true(parsed(&snapshot, "snapshot --version").version);
}

static void test_wrong_values(void **state) {
    (void)state;
    assert_refused(&check, "check --format jsn", "--format",
                   "found \"jsn\", expected table or json; did you mean \"json\"?");
    assert_refused(&check, "check --color yes", "--color",
                   "found \"yes\", expected auto, always or never");
    assert_refused(&check, "check --profile cs", "--profile",
                   "found \"cs\", expected cis; did you "
                   "mean \"cis\"?");
    assert_refused(&run, "run --profile cis", "run", "unknown option \"--profile\"");
    assert_refused(&check, "check --fail-on hihg", "--fail-on",
                   "found \"hihg\", expected info, low, medium, high, critical or any; did you "
                   "mean \"high\"?");
    assert_refused(&check, "check --docker /run/docker.sock", "--docker",
                   "found \"/run/docker.sock\": expected unix:///path or tcp://host:port");
    assert_refused(&check, "check --docker unix://", "--docker",
                   "found \"unix://\": the socket's path must be absolute, as in "
                   "unix:///var/run/docker.sock");
    assert_refused(&check, "check --docker tcp://host", "--docker",
                   "found \"tcp://host\": expected a host and a port, as in "
                   "tcp://192.0.2.1:2375 or tcp://[2001:db8::1]:2375");
    assert_refused(&check, "check --policy=", "", "--policy: its value is empty");
    assert_refused(&check, "check --format \x1b[31m", "--format",
                   "found \"\\x1b[31m\", expected table or json");
}

static void test_wrong_options(void **state) {
    (void)state;
    assert_refused(&check, "check --polcy=x", "check",
                   "unknown option \"--polcy\"; did you mean --policy?");
    assert_refused(&check, "check --output x", "check", "unknown option \"--output\"");
    assert_refused(&check, "check --zzz", "check", "unknown option \"--zzz\"");
    assert_refused(&check, "check --policy", "check", "--policy needs a value");
    assert_refused(&check, "check --verbose=1", "check", "--verbose takes no value");
    assert_refused(&check, "check --foreground", "check", "unknown option \"--foreground\"");
    assert_refused(&run, "run --foreground=yes", "run", "--foreground takes no value");
    assert_refused(&check, "check -v", "check",
                   "there are no one-letter options, but \"-v\" was found");
    assert_refused(&check, "check redis", "check", "unexpected argument \"redis\"");
    assert_refused(&check, "check --snapshot w.json --docker unix:///x", "--snapshot",
                   "a recorded world holds its engines already: leave out --docker");
}

/* The help names the command's options, and no other command's. */
static void test_several_operands(void **state) {
    (void)state;
    struct ng_options options = parsed(&policy_check, "check a.yaml --snapshot - b.yaml");

    assert_int_equal(options.n_operands, 2);
    assert_string_equal(options.operands[0], "a.yaml");
    assert_string_equal(options.operands[1], "b.yaml");
    assert_int_equal(parsed(&policy_check, "check --snapshot -").n_operands, 0);
    assert_refused(&policy_check, "check --policy p.yaml a.yaml", "--policy",
                   "is one policy and \"a.yaml\" another: leave one of them out");
}

static void test_help(void **state) {
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    ng_options_help(out, &snapshot);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text,
                        "Usage: netguard snapshot [OPTION]...\n\nRecords.\n\nOptions:\n"
                        "  --docker ENDPOINT     a container engine: unix:///path or "
                        "tcp://host:port; may be\n"
                        "                        given several times (default: the local Docker "
                        "socket, if\n"
                        "                        there is one)\n"
                        "  --output FILE         write there instead of to stdout; only its owner "
                        "may read it\n"
                        "  --help                print this help\n"
                        "  --version             print the version\n");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),         cmocka_unit_test(test_every_option),
        cmocka_unit_test(test_several_engines),  cmocka_unit_test(test_gnu_habits),
        cmocka_unit_test(test_wrong_values),     cmocka_unit_test(test_wrong_options),
        cmocka_unit_test(test_several_operands), cmocka_unit_test(test_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
