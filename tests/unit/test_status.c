/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "agent/command/command.h"
#include "tests/unit/fixture_state.h"

/* Stands for the daemon: of the same name. */
static pid_t daemon_pid;

static int begin(void **state) {
    prctl(PR_SET_NAME, "netguard");
    daemon_pid = fork();
    if (daemon_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pause();
        _exit(0);
    }
    return daemon_pid < 0 ? -1 : make_state_directory(state);
}

static int end(void **state) {
    kill(daemon_pid, SIGKILL);
    waitpid(daemon_pid, NULL, 0);
    return remove_state_directory(state);
}

/* What goes to a stream while `status` runs. */
struct heard {
    int fd, before;
    FILE *file;
};

static void listen_to(struct heard *heard, int fd) {
    heard->fd = fd;
    heard->before = dup(fd);
    heard->file = tmpfile();
    assert_true(heard->before >= 0 && heard->file);
    assert_int_equal(dup2(fileno(heard->file), fd), fd);
}

static void stop_listening(struct heard *heard, char *text, size_t size) {
    assert_int_equal(dup2(heard->before, heard->fd), heard->fd);
    close(heard->before);
    rewind(heard->file);
    text[fread(text, 1, size - 1, heard->file)] = '\0';
    fclose(heard->file);
}

/* Its exit status; what it says is in `out` and `diagnosis`. */
static enum ng_exit status_of(const struct ng_options *options, char out[static 1 << 16],
                              char diagnosis[static 1024]) {
    struct heard streams[2];
    fflush(stdout);
    listen_to(&streams[0], STDOUT_FILENO);
    listen_to(&streams[1], STDERR_FILENO);
    enum ng_exit status = ng_command_status(options);
    fflush(stdout);
    stop_listening(&streams[0], out, 1 << 16);
    stop_listening(&streams[1], diagnosis, 1024);
    return status;
}

static void write_state(const struct ng_state *written) {
    struct ng_error error = {0};
    if (ng_state_write(written, &error) < 0)
        fail_msg("%s: %s", error.source, error.message);
}

static void assert_status(const struct ng_state *written, enum ng_severity fail_on,
                          enum ng_exit expected) {
    const struct ng_options options = {.fail_on = fail_on};
    static char out[1 << 16];
    char diagnosis[1024];
    write_state(written);
    assert_int_equal(status_of(&options, out, diagnosis), expected);
    assert_string_equal(diagnosis, "");
}

/* -- tests ----------------------------------------------------------------------------- */

#define HOSTILE_TEXT "red\\x1b[31m\"is\\\\x0a\xef\xbf\xbd\\u202e"

static void tells_people(void **state) {
    const struct ng_options options = {0};
    const struct ng_state all = state_of(daemon_pid);
    static char out[1 << 16], expected[1 << 16];
    char diagnosis[1024];
    (void)state;
    write_state(&all);
    assert_int_equal(status_of(&options, out, diagnosis), NG_EXIT_FINDINGS);
    snprintf(
        expected, sizeof(expected),
        "findings: 2 open, 1 blocked, 1 excepted\n"
        "  critical  open      port 6379 of " HOSTILE_TEXT " is open to public and office, "
        "since 2026-11-21T21:20:00Z\n"
        "  low       open      cache: port 8080 is open to public, since 2026-11-22T21:21:00Z\n"
        "  critical  blocked   db: port 5432 is open to public, since 2026-11-22T21:20:00Z\n"
        "  high      excepted  legacy: port 6379 is open to public, since "
        "2026-11-22T21:20:00Z\n"
        "daemon: runs as process %d since 2026-11-22T21:20:00Z, version 1.2.3\n"
        "policy: /etc/netguard/policy.yaml, mode enforce\n"
        "guard: in force, owned: nobody else can change it, systemd keeps it while netguard is "
        "restarted\n"
        "  to save the ruleset: nft list ruleset | sed '/^table inet netguard {/,/^}/d'; with the "
        "guard in it, it could not be loaded\n"
        "  rule 7.odd-id_x: 1 packets dropped\n"
        "  rule no-stores: 12 packets dropped\n"
        "  cannot: what it cannot do\n"
        "engine: unix:///run/docker.sock, followed\n"
        "engine: unix:///" HOSTILE_TEXT ", away: nobody is there\n"
        "seen: 7 exposures at 2026-11-22T21:21:00Z, in 1034 ms\n"
        "not seen: docker: has not answered\n"
        "warning: /etc/nftables.conf: a copy of the guard\n"
        "alerts: 2 sent, by journal, webhook\n"
        "  webhook: 3 waiting, 1 lost, refused: " HOSTILE_TEXT "\n"
        "counted: refreshes 12, events of engines 5, changes of rules 3, of links and routes 2, "
        "of listeners 4, overruns 1\n"
        "last:\n"
        "  2026-11-22T21:20:00Z  guard-repaired: others flushed it\n"
        "  2026-11-22T21:21:00Z  finding-opened: port 6379 of " HOSTILE_TEXT "\n",
        daemon_pid);
    assert_string_equal(out, expected);
    assert_string_equal(diagnosis, "");
}

static void shows_the_worst_of_many(void **state) {
    enum { MANY = 60 };
    const struct ng_options options = {0};
    struct ng_record records[MANY];
    const struct ng_life life = {records, MANY};
    struct ng_state many = state_of(daemon_pid);
    static char out[1 << 16];
    char diagnosis[1024];
    unsigned lines = 0;
    (void)state;
    for (size_t i = 0; i < MANY; i++)
        records[i] = state_records[i + 1 == MANY ? 1 : 0];
    many.life = &life;
    write_state(&many);
    assert_int_equal(status_of(&options, out, diagnosis), NG_EXIT_FINDINGS);
    assert_non_null(strstr(out, "excepted\n  critical  open "));
    for (const char *at = out; (at = strstr(at, "\n  low ")); at++)
        lines++;
    assert_int_equal(lines, 49);
    assert_non_null(strstr(out, "\n  and 10 more: --format json has all of them\ndaemon: "));
}

/* What is open is worse than what is not seen. */
static void has_a_status_for_monitoring(void **state) {
    const struct ng_life blocked = {&state_records[2], 2};
    struct ng_state one = state_of(daemon_pid);
    (void)state;
    assert_status(&one, NG_INFO, NG_EXIT_FINDINGS);
    assert_status(&one, NG_CRITICAL, NG_EXIT_FINDINGS);
    one.complete = false;
    assert_status(&one, NG_CRITICAL, NG_EXIT_FINDINGS);
    one.life = &(struct ng_life){&state_records[0], 1}; /* low */
    assert_status(&one, NG_MEDIUM, NG_EXIT_INCOMPLETE);
    one.complete = true;
    assert_status(&one, NG_LOW, NG_EXIT_FINDINGS);
    assert_status(&one, NG_MEDIUM, NG_EXIT_CLEAN);
    one.life = &blocked;
    assert_status(&one, NG_INFO, NG_EXIT_CLEAN);
    one.guard_error = "owned by another process";
    assert_status(&one, NG_INFO, NG_EXIT_INCOMPLETE);
    one.guard_error = NULL;
    one.policy_error = "policy.yaml:2:1: unknown key";
    assert_status(&one, NG_INFO, NG_EXIT_INCOMPLETE);
}

/* What fails a health check is ended, and a finding is no reason for that. */
static void counts_as_alive_whatever_it_sees(void **state) {
    const struct ng_options options = {.alive = true};
    struct ng_state one = state_of(daemon_pid);
    static char out[1 << 16];
    char diagnosis[1024];
    (void)state;
    one.complete = false;
    one.guard_error = "owned by another process";
    write_state(&one);
    assert_int_equal(status_of(&options, out, diagnosis), NG_EXIT_CLEAN);
    assert_non_null(strstr(out, one.guard_error));
}

static void assert_no_daemon(const char *why) {
    const struct ng_options options = {.alive = true};
    static char out[1 << 16];
    char diagnosis[1024], expected[1024];
    assert_int_equal(status_of(&options, out, diagnosis), NG_EXIT_INCOMPLETE);
    assert_string_equal(out, "");
    snprintf(expected, sizeof(expected), "netguard: status: %s\n", why);
    assert_string_equal(diagnosis, expected);
}

static void says_that_no_daemon_runs(void **state) {
    struct ng_state stale = state_of(getpid());
    char why[512];
    (void)state;
    snprintf(why, sizeof(why), "no daemon runs: %s: No such file or directory",
             state_path("status.json"));
    assert_no_daemon(why);
    write_state(&stale);
    snprintf(why, sizeof(why),
             "no daemon runs: process %d, which wrote %s, is gone; what it has installed stays in "
             "force",
             getpid(), state_path("status.json"));
    assert_no_daemon(why); /* of one before that had our number */
}

static void refuses_what_no_daemon_wrote(void **state) {
    static const char *const texts[] = {"[]", "{}", "{\"schema\":\"netguard.check/1\"}",
                                        "{\"schema\":1,\"pid\":\"x\"}"};
    char why[512];
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        FILE *out = fopen(state_path("status.json"), "w");
        assert_non_null(out);
        fputs(texts[i], out);
        fclose(out);
        snprintf(why, sizeof(why), "%s is not what a daemon writes", state_path("status.json"));
        assert_no_daemon(why);
    }
}

/* Of an older daemon, or of one to come. */
static void makes_do_with_less(void **state) {
    const struct ng_options options = {0};
    static char out[1 << 16];
    char diagnosis[1024], expected[256];
    (void)state;
    FILE *file = fopen(state_path("status.json"), "w");
    assert_non_null(file);
    fprintf(file, "{\"schema\":\"netguard.status/1\",\"pid\":%d,\"new\":[{}]}", daemon_pid);
    fclose(file);
    assert_int_equal(status_of(&options, out, diagnosis), NG_EXIT_CLEAN);
    snprintf(expected, sizeof(expected),
             "daemon: runs as process %d\npolicy: built in, mode ?\nguard: not installed\n",
             daemon_pid);
    assert_string_equal(out, expected);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    static const struct CMUnitTest tests[] = {
        TEST(tells_people),
        TEST(shows_the_worst_of_many),
        TEST(has_a_status_for_monitoring),
        TEST(counts_as_alive_whatever_it_sees),
        TEST(says_that_no_daemon_runs),
        TEST(refuses_what_no_daemon_wrote),
        TEST(makes_do_with_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
