/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/metrics.h"

#include <errno.h>

#include "tests/unit/fixture_state.h"

/* As the format escapes it: nothing that is not UTF-8, nor a line of its own. */
#define HOSTILE_LABEL "red\x1b[31m\\\"is\\\\\\n\xef\xbf\xbd\xe2\x80\xae"

static char *written(const struct ng_state *all) {
    struct ng_error error = {0};
    if (ng_metrics_write(state_path("netguard.prom"), all, &error) < 0)
        fail_msg("%s: %s", error.source, error.message);
    return state_read("netguard.prom");
}

static void tells_all(void **state) {
    const struct ng_state all = state_of(4242);
    (void)state;
    char *text = written(&all);
    assert_string_equal(
        text,
        "# HELP netguard_build_info The version, as a label; always 1.\n"
        "# TYPE netguard_build_info gauge\n"
        "netguard_build_info{version=\"1.2.3\"} 1\n"
        "# HELP netguard_start_time_seconds When the daemon began, in Unix time.\n"
        "# TYPE netguard_start_time_seconds gauge\n"
        "netguard_start_time_seconds 1795382400\n"
        "# HELP netguard_last_refresh_timestamp_seconds When the host was last looked at, in Unix "
        "time.\n"
        "# TYPE netguard_last_refresh_timestamp_seconds gauge\n"
        "netguard_last_refresh_timestamp_seconds 1795382460\n"
        "# HELP netguard_refresh_duration_seconds How long that took.\n"
        "# TYPE netguard_refresh_duration_seconds gauge\n"
        "netguard_refresh_duration_seconds 1.034\n"
        "# HELP netguard_complete Whether all was seen that could change a verdict.\n"
        "# TYPE netguard_complete gauge\n"
        "netguard_complete 1\n"
        "# HELP netguard_exposures Ports that can be asked for from outside.\n"
        "# TYPE netguard_exposures gauge\n"
        "netguard_exposures 7\n"
        "# HELP netguard_findings What is found now.\n"
        "# TYPE netguard_findings gauge\n"
        "netguard_findings{severity=\"info\",state=\"open\"} 0\n"
        "netguard_findings{severity=\"info\",state=\"blocked\"} 0\n"
        "netguard_findings{severity=\"info\",state=\"excepted\"} 0\n"
        "netguard_findings{severity=\"low\",state=\"open\"} 1\n"
        "netguard_findings{severity=\"low\",state=\"blocked\"} 0\n"
        "netguard_findings{severity=\"low\",state=\"excepted\"} 0\n"
        "netguard_findings{severity=\"medium\",state=\"open\"} 0\n"
        "netguard_findings{severity=\"medium\",state=\"blocked\"} 0\n"
        "netguard_findings{severity=\"medium\",state=\"excepted\"} 0\n"
        "netguard_findings{severity=\"high\",state=\"open\"} 0\n"
        "netguard_findings{severity=\"high\",state=\"blocked\"} 0\n"
        "netguard_findings{severity=\"high\",state=\"excepted\"} 1\n"
        "netguard_findings{severity=\"critical\",state=\"open\"} 1\n"
        "netguard_findings{severity=\"critical\",state=\"blocked\"} 1\n"
        "netguard_findings{severity=\"critical\",state=\"excepted\"} 0\n"
        "# HELP netguard_guard_in_force Whether the guard is installed and ours.\n"
        "# TYPE netguard_guard_in_force gauge\n"
        "netguard_guard_in_force 1\n"
        "# HELP netguard_guard_fault Whether the guard is not as it should be.\n"
        "# TYPE netguard_guard_fault gauge\n"
        "netguard_guard_fault 0\n"
        "# HELP netguard_guard_dropped_packets_total Packets that a rule has dropped.\n"
        "# TYPE netguard_guard_dropped_packets_total counter\n"
        "netguard_guard_dropped_packets_total{rule=\"7.odd-id_x\"} 1\n"
        "netguard_guard_dropped_packets_total{rule=\"no-stores\"} 12\n"
        "# HELP netguard_guard_dropped_bytes_total Bytes of these packets.\n"
        "# TYPE netguard_guard_dropped_bytes_total counter\n"
        "netguard_guard_dropped_bytes_total{rule=\"7.odd-id_x\"} 60\n"
        "netguard_guard_dropped_bytes_total{rule=\"no-stores\"} 720\n"
        "# HELP netguard_policy_reload_failed Whether the policy could not be read again, and the "
        "old one stays.\n"
        "# TYPE netguard_policy_reload_failed gauge\n"
        "netguard_policy_reload_failed 0\n"
        "# HELP netguard_alerts_total Alerts that were sent.\n"
        "# TYPE netguard_alerts_total counter\n"
        "netguard_alerts_total{kind=\"finding-opened\"} 2\n"
        "netguard_alerts_total{kind=\"knocks\"} 0\n"
        "# HELP netguard_alerts_waiting Alerts that are not delivered yet.\n"
        "# TYPE netguard_alerts_waiting gauge\n"
        "netguard_alerts_waiting{sink=\"journal\"} 0\n"
        "netguard_alerts_waiting{sink=\"webhook\"} 3\n"
        "# HELP netguard_alerts_lost_total Alerts that nobody will get.\n"
        "# TYPE netguard_alerts_lost_total counter\n"
        "netguard_alerts_lost_total{sink=\"journal\"} 0\n"
        "netguard_alerts_lost_total{sink=\"webhook\"} 1\n"
        "# HELP netguard_sink_fault Whether alerts do not get there.\n"
        "# TYPE netguard_sink_fault gauge\n"
        "netguard_sink_fault{sink=\"journal\"} 0\n"
        "netguard_sink_fault{sink=\"webhook\"} 1\n"
        "# HELP netguard_engine_connected Whether the engine is followed.\n"
        "# TYPE netguard_engine_connected gauge\n"
        "netguard_engine_connected{endpoint=\"unix:///run/docker.sock\"} 1\n"
        "netguard_engine_connected{endpoint=\"unix:///" HOSTILE_LABEL "\"} 0\n"
        "# HELP netguard_events_total What has happened outside, by who told of it.\n"
        "# TYPE netguard_events_total counter\n"
        "netguard_events_total{source=\"engine\"} 5\n"
        "netguard_events_total{source=\"link\"} 2\n"
        "netguard_events_total{source=\"nft\"} 3\n"
        "netguard_events_total{source=\"poll\"} 4\n"
        "# HELP netguard_overruns_total How often events were missed.\n"
        "# TYPE netguard_overruns_total counter\n"
        "netguard_overruns_total 1\n"
        "# HELP netguard_refreshes_total How often the host was looked at.\n"
        "# TYPE netguard_refreshes_total counter\n"
        "netguard_refreshes_total 12\n");
    free(text);
}

static void tells_of_faults(void **state) {
    const struct ng_guard_installed held = {.hold = NG_GUARD_HELD};
    struct ng_state faulty = state_of(4242);
    (void)state;
    faulty.complete = false;
    faulty.guard_error = "owned by another process";
    faulty.policy_error = "policy.yaml:2:1";
    faulty.installed = &held;
    char *text = written(&faulty);
    assert_non_null(strstr(text, "\nnetguard_complete 0\n"));
    assert_non_null(strstr(text, "\nnetguard_guard_fault 1\n"));
    assert_non_null(strstr(text, "\nnetguard_guard_in_force 0\n"));
    assert_non_null(strstr(text, "\nnetguard_policy_reload_failed 1\n"));
    free(text);
}

static void is_written_only_where_asked_for(void **state) {
    const struct ng_state any = state_of(1);
    struct ng_error error = {0};
    char expected[256];
    (void)state;
    assert_int_equal(ng_metrics_write(NULL, &any, &error), 0);
    assert_int_equal(ng_metrics_write(state_path("absent/netguard.prom"), &any, &error), -ENOENT);
    snprintf(expected, sizeof(expected), "cannot write %s: No such file or directory",
             state_path("absent/netguard.prom"));
    assert_string_equal(error.source, "metrics");
    assert_string_equal(error.message, expected);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tells_all, make_state_directory, remove_state_directory),
        cmocka_unit_test_setup_teardown(tells_of_faults, make_state_directory,
                                        remove_state_directory),
        cmocka_unit_test_setup_teardown(is_written_only_where_asked_for, make_state_directory,
                                        remove_state_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
