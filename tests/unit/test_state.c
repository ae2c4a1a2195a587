/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/fixture_state.h"

#define HOSTILE_JSON "red\\u001b[31m\\\"is\\\\\\n\\ufffd\\u202e"

static void assert_written(const struct ng_state *written, const char *expected) {
    struct ng_error error = {0};
    struct stat status;
    if (ng_state_write(written, &error) < 0)
        fail_msg("%s: %s", error.source, error.message);
    char *text = state_read("status.json");
    assert_string_equal(text, expected);
    free(text);
    assert_int_equal(stat(state_path("status.json"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0644);
}

static void tells_all(void **state) {
    const struct ng_state all = state_of(4242);
    (void)state;
    assert_written(
        &all,
        "{\"schema\":\"netguard.status/1\",\"version\":\"1.2.3\",\"pid\":4242,"
        "\"started\":\"2026-11-22T21:20:00Z\",\"time\":\"2026-11-22T21:21:01Z\","
        "\"policy\":{\"files\":\"/etc/netguard/policy.yaml\",\"mode\":\"enforce\","
        "\"reload_error\":null},"
        "\"guard\":{\"installed\":true,\"hold\":\"own\",\"persist\":true,\"kept_by_systemd\":true,"
        "\"error\":null,\"dropped\":[{\"rule\":\"7.odd-id_x\",\"packets\":1,\"bytes\":60},"
        "{\"rule\":\"no-stores\",\"packets\":12,\"bytes\":720}],\"knocks_error\":null,"
        "\"limits\":[\"what it cannot do\"]},"
        "\"engines\":[{\"endpoint\":\"unix:///run/docker.sock\",\"connected\":true,\"why\":null},"
        "{\"endpoint\":\"unix:///" HOSTILE_JSON
        "\",\"connected\":false,\"why\":\"nobody is there\"}],"
        "\"refresh\":{\"time\":\"2026-11-22T21:21:00Z\",\"duration_ms\":1034},"
        "\"complete\":true,\"gaps\":[{\"source\":\"docker\",\"reason\":\"has not answered\"}],"
        "\"warnings\":[{\"source\":\"/etc/nftables.conf\",\"text\":\"a copy of the guard\"}],"
        "\"exposures\":7,\"findings\":["
        "{\"id\":\"NG002\",\"key\":\"1111111111111111\",\"rule\":\"default\",\"severity\":\"low\","
        "\"state\":\"open\",\"subject\":\"cache\",\"zones\":[\"public\"],"
        "\"message\":\"port 8080 is open to public\",\"since\":\"2026-11-22T21:21:00Z\"},"
        "{\"id\":\"NG001\",\"key\":\"2222222222222222\",\"rule\":\"no-stores\","
        "\"severity\":\"critical\",\"state\":\"open\",\"subject\":\"" HOSTILE_JSON "\","
        "\"zones\":[\"public\",\"office\"],"
        "\"message\":\"port 6379 of " HOSTILE_JSON " is open to public and office\","
        "\"since\":\"2026-11-21T21:20:00Z\"},"
        "{\"id\":\"NG001\",\"key\":\"3333333333333333\",\"rule\":\"no-stores\","
        "\"severity\":\"critical\",\"state\":\"blocked\",\"subject\":\"db\","
        "\"zones\":[\"public\"],\"message\":\"db: port 5432 is open to public\","
        "\"since\":\"2026-11-22T21:20:00Z\"},"
        "{\"id\":\"NG001\",\"key\":\"4444444444444444\",\"rule\":\"no-stores\","
        "\"severity\":\"high\",\"state\":\"excepted\",\"subject\":\"legacy\","
        "\"zones\":[\"public\"],\"message\":\"legacy: port 6379 is open to public\","
        "\"since\":\"2026-11-22T21:20:00Z\"}],"
        "\"summary\":{\"open\":2,\"blocked\":1,\"excepted\":1,"
        "\"by_severity\":{\"critical\":1,\"low\":1}},\"findings_error\":null,"
        "\"alerts\":{\"sinks\":[{\"name\":\"journal\",\"fault\":null,\"waiting\":0,\"lost\":0},"
        "{\"name\":\"webhook\",\"fault\":\"refused: " HOSTILE_JSON "\",\"waiting\":3,\"lost\":1}],"
        "\"sent_total\":{\"finding-opened\":2,\"knocks\":0}},"
        "\"events\":[{\"time\":\"2026-11-22T21:20:00Z\",\"kind\":\"guard-repaired\","
        "\"message\":\"others flushed it\"},{\"time\":\"2026-11-22T21:21:00Z\","
        "\"kind\":\"finding-opened\",\"message\":\"port 6379 of " HOSTILE_JSON "\"}],"
        "\"counters\":{\"refreshes\":12,\"nft_changes\":3,\"engine_events\":5,\"link_changes\":2,"
        "\"polls\":4,\"overruns\":1}}\n");
}

static void tells_what_is_not_known(void **state) {
    const struct ng_state none = {.pid = 1};
    (void)state;
    assert_written(
        &none,
        "{\"schema\":\"netguard.status/1\",\"version\":null,\"pid\":1,"
        "\"started\":\"1970-01-01T00:00:00Z\",\"time\":\"1970-01-01T00:00:00Z\","
        "\"policy\":{\"files\":null,\"mode\":\"monitor\",\"reload_error\":null},"
        "\"guard\":{\"installed\":false,\"hold\":\"absent\",\"persist\":false,"
        "\"kept_by_systemd\":false,\"error\":null,\"dropped\":[],\"knocks_error\":null,"
        "\"limits\":[]},\"engines\":[],\"refresh\":null,\"complete\":false,\"gaps\":[],"
        "\"warnings\":[],\"exposures\":0,\"findings\":[],"
        "\"summary\":{\"open\":0,\"blocked\":0,\"excepted\":0,\"by_severity\":{}},"
        "\"findings_error\":null,\"alerts\":{\"sinks\":[],\"sent_total\":{}},\"events\":[],"
        "\"counters\":{\"refreshes\":0,\"nft_changes\":0,\"engine_events\":0,\"link_changes\":0,"
        "\"polls\":0,\"overruns\":0}}\n");
}

static void says_where_it_cannot(void **state) {
    const struct ng_state any = state_of(1);
    struct ng_error error = {0};
    char expected[256];
    (void)state;
    assert_int_equal(setenv("RUNTIME_DIRECTORY", state_path("absent"), 1), 0);
    assert_int_equal(ng_state_write(&any, &error), -ENOENT);
    snprintf(expected, sizeof(expected), "cannot write %s/status.json: No such file or directory",
             state_path("absent"));
    assert_string_equal(error.source, "status");
    assert_string_equal(error.message, expected);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tells_all, make_state_directory, remove_state_directory),
        cmocka_unit_test_setup_teardown(tells_what_is_not_known, make_state_directory,
                                        remove_state_directory),
        cmocka_unit_test_setup_teardown(says_where_it_cannot, make_state_directory,
                                        remove_state_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
