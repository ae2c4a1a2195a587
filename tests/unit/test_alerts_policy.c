/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `alerts:` of a policy: whom to tell, and of what. */
#include "tests/unit/fixture_policy.h"

static void assert_alerts(const char *text, struct ng_alerts expected) {
    char policy_bytes[2048];
    snprintf(policy_bytes, sizeof(policy_bytes), "version: 1\n%s\n", text);
    _cleanup_(ng_policy_freep) struct ng_policy *policy = parse_good(policy_bytes);
    const struct ng_alerts *alerts = &policy->alerts;
    const char *const texts[][2] = {
        {alerts->syslog_address, expected.syslog_address},
        {alerts->webhook_url, expected.webhook_url},
        {alerts->webhook_token_file, expected.webhook_token_file},
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        assert_int_equal(!texts[i][0], !texts[i][1]);
        if (texts[i][0])
            assert_string_equal(texts[i][0], texts[i][1]);
    }
    assert_int_equal(alerts->journal, expected.journal);
    assert_int_equal(alerts->syslog_facility, expected.syslog_facility);
    assert_int_equal(alerts->webhook_format, expected.webhook_format);
    assert_int_equal(alerts->min_severity, expected.min_severity);
    assert_int_equal(alerts->repeat_s, expected.repeat_s);
}

static void test_it_is_the_journal_unless_another_is_named(void **state) {
    (void)state;
    assert_alerts("", (struct ng_alerts){.journal = true});
    assert_alerts("alerts: {}", (struct ng_alerts){.journal = true});
    assert_alerts("alerts: {journal: {}}", (struct ng_alerts){.journal = true});
    assert_alerts("alerts: {min_severity: high}",
                  (struct ng_alerts){.journal = true, .min_severity = NG_HIGH});
    assert_alerts("alerts: {syslog: {}}",
                  (struct ng_alerts){.syslog_address = "local", .syslog_facility = 3});
    assert_alerts("alerts: {webhook: {url: \"http://h\"}}",
                  (struct ng_alerts){.webhook_url = "http://h"});
    assert_alerts(
        "alerts: {journal: {}, syslog: {}}",
        (struct ng_alerts){.journal = true, .syslog_address = "local", .syslog_facility = 3});

    _cleanup_(ng_policy_freep) struct ng_policy *built_in = parse_texts(NULL, 0);
    assert_true(built_in->alerts.journal);
    assert_null(built_in->alerts.syslog_address);
    assert_null(built_in->alerts.webhook_url);
}

static void test_all_of_it(void **state) {
    (void)state;
    assert_alerts("alerts:\n"
                  "  journal: {}\n"
                  "  syslog: {address: \"udp://logs.example:5514\", facility: authpriv}\n"
                  "  webhook:\n"
                  "    url: https://alerts.example:8443/hook?to=a%20b\n"
                  "    token_file: /run/credentials/netguard.service/hook\n"
                  "    format: alertmanager\n"
                  "  min_severity: medium\n"
                  "  repeat: 1h\n",
                  (struct ng_alerts){
                      .journal = true,
                      .syslog_address = "udp://logs.example:5514",
                      .syslog_facility = 10,
                      .webhook_url = "https://alerts.example:8443/hook?to=a%20b",
                      .webhook_token_file = "/run/credentials/netguard.service/hook",
                      .webhook_format = NG_WEBHOOK_ALERTMANAGER,
                      .min_severity = NG_MEDIUM,
                      .repeat_s = 3600,
                  });
}

static void test_facilities_are_those_of_rfc_5424(void **state) {
    static const struct {
        const char *word;
        uint8_t number;
    } facilities[] = {
        {"user", 1},    {"mail", 2},    {"daemon", 3},  {"auth", 4},    {"syslog", 5},
        {"lpr", 6},     {"news", 7},    {"uucp", 8},    {"cron", 9},    {"authpriv", 10},
        {"ftp", 11},    {"local0", 16}, {"local1", 17}, {"local2", 18}, {"local3", 19},
        {"local4", 20}, {"local5", 21}, {"local6", 22}, {"local7", 23},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(facilities); i++) {
        char text[64];
        snprintf(text, sizeof(text), "alerts: {syslog: {facility: %s}}", facilities[i].word);
        assert_alerts(text, (struct ng_alerts){.syslog_address = "local",
                                               .syslog_facility = facilities[i].number});
    }
}

static void test_addresses(void **state) {
    static const char *const addresses[] = {
        "local",
        "udp://h",
        "tcp://h.example",
        "tcp://192.0.2.1",
        "udp://h:1",
        "udp://192.0.2.1:65535",
        "tcp://[::1]",
        "tcp://[2001:db8::192.0.2.1]:6514",
        "udp://a_b-c.d:514",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        char text[128];
        snprintf(text, sizeof(text), "alerts: {syslog: {address: \"%s\"}}", addresses[i]);
        assert_alerts(text,
                      (struct ng_alerts){.syslog_address = addresses[i], .syslog_facility = 3});
    }
}

static void test_no_addresses(void **state) {
    static const char *const addresses[] = {
        "Local",      "locally",       "udp://",         "udp:h",           "h:514",
        "udp://h:",   "udp://h:0",     "udp://h:65536",  "udp://h:000514",  "udp://h:5 14",
        "udp://h:5a", "tcp://h/",      "tcp://u@h",      "tcp://::1",       "tcp://[::1",
        "tcp://[]",   "tcp://[::1]x",  "tcp://[::1]x:5", "tcp://[::1]5",    "tcp://[1.2.3.4]",
        "tcp://::1]", "tcp://x::1]",   "tcp://[::1%1]",  "tcp://300.1.1.1", "tcp://192.0.2.1.",
        "tcp://1",    "tcp://-h",      "tcp://.h",       "tls://h",         "tcp://[::1]:",
        "tcp://a b",  "tcp://[[::1]]", "tcp://\303\244",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        char text[128], expected[256];
        snprintf(text, sizeof(text), "version: 1\nalerts: {syslog: {address: \"%s\"}}",
                 addresses[i]);
        snprintf(expected, sizeof(expected),
                 "2:28: expected local, udp://HOST[:PORT] or tcp://HOST[:PORT] for 'address', an "
                 "IPv6 address in brackets");
        struct ng_policy_text one = policy_text(text);
        assert_refused(&one, 1, -EINVAL, expected);
    }
}

/* The longest name there can be, and one that is longer. */
static void test_long_names(void **state) {
    char name[300], text[400];
    (void)state;
    for (size_t len = 253; len <= 254; len++) {
        memset(name, 'a', len);
        name[len] = '\0';
        snprintf(text, sizeof(text), "version: 1\nalerts: {syslog: {address: \"udp://%s:65535\"}}",
                 name);
        struct ng_policy_text one = policy_text(text);
        _cleanup_(ng_policy_freep) struct ng_policy *policy = NULL;
        assert_int_equal(ng_policy_parse(&one, 1, &policy, NULL), len == 253 ? 0 : -EINVAL);
    }
}

static void test_times(void **state) {
    static const struct {
        const char *text;
        int64_t s;
    } times[] = {
        {"1s", 1},         {"90s", 90},        {"30m", 1800},           {"24h", 86400},
        {"7d", 7 * 86400}, {"366d", 31622400}, {"31622400s", 31622400},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        char text[64];
        snprintf(text, sizeof(text), "alerts: {repeat: %s}", times[i].text);
        assert_alerts(text, (struct ng_alerts){.journal = true, .repeat_s = times[i].s});
    }
}

static void test_files_add_up(void **state) {
    const struct ng_policy_text texts[] = {
        policy_text("version: 1\nalerts: {webhook: {format: slack, token_file: /a}, repeat: 1h}\n"),
        policy_text("alerts: {webhook: {url: \"https://h/a\"}, syslog: {facility: local0}}\n"),
        policy_text("alerts: {syslog: {address: \"tcp://h\"}, min_severity: low, repeat: 2h}\n"),
        policy_text("alerts: {webhook: {url: \"https://h/b\"}, syslog: {}}\n"),
    };
    _cleanup_(ng_policy_freep) struct ng_policy *policy = parse_texts(texts, ARRAY_SIZE(texts));
    (void)state;
    assert_false(policy->alerts.journal);
    assert_string_equal(policy->alerts.syslog_address, "tcp://h");
    assert_int_equal(policy->alerts.syslog_facility, 16);
    assert_string_equal(policy->alerts.webhook_url, "https://h/b");
    assert_string_equal(policy->alerts.webhook_token_file, "/a");
    assert_int_equal(policy->alerts.webhook_format, NG_WEBHOOK_SLACK);
    assert_int_equal(policy->alerts.min_severity, NG_LOW);
    assert_int_equal(policy->alerts.repeat_s, 7200);

    /* Nobody says where to: told at the place where the first spoke of it. */
    const struct ng_policy_text no_urls[] = {
        texts[0],
        policy_text("alerts: {webhook: {format: json}}\n"),
    };
    assert_refused(no_urls, 2, -EINVAL,
                   "2:19: 'webhook' needs a 'url', such as https://alerts.example/hook");
}

#define A        "version: 1\nalerts: "
#define BAD_TIME "expected a time such as 90s, 30m, 1h or 7d for 'repeat', found "
#define BAD_HOST "expected HOST or HOST:PORT behind the // of 'url', an IPv6 address in brackets"
#define SECRET   "'url' holds a name or a password; put what authorizes netguard into a file "
#define BAD_CHAR "'url' holds a character that no URL has; write it as %XX"

static const struct bad bad_alerts[] = {
    BAD("version: 1\nalerts:\n",
        "2:8: expected a mapping for 'alerts' (journal, syslog, webhook, min_severity or repeat), "
        "found nothing"),
    BAD(A "[journal]\n",
        "2:9: expected a mapping for 'alerts' (journal, syslog, webhook, min_severity or repeat), "
        "found a list"),
    BAD(A "{sylog: {}}\n",
        "2:10: unknown key \"sylog\" in 'alerts'; expected journal, syslog, webhook, min_severity "
        "or repeat; did you mean \"syslog\"?"),
    BAD(A "{journal: true}\n",
        "2:19: expected {} for 'journal', which has no keys, found the truth value true"),
    BAD(A "{journal: }\n", "2:19: expected {} for 'journal', which has no keys, found nothing"),
    BAD(A "{journal: {facility: daemon}}\n",
        "2:19: expected {} for 'journal', which has no keys, found a mapping"),
    BAD(A "{syslog: local}\n",
        "2:18: expected a mapping for 'syslog' (address or facility), found \"local\""),
    BAD(A "{syslog: {adress: local}}\n",
        "2:19: unknown key \"adress\" in 'syslog'; expected address or facility; did you mean "
        "\"address\"?"),
    BAD(A "{syslog: {address: 514}}\n",
        "2:28: expected text for 'address', found the number 514; put it in quotes"),
    BAD(A "{syslog: {facility: deamon}}\n",
        "2:29: expected user, mail, daemon, auth, syslog, lpr, news, uucp, cron, authpriv, ftp, "
        "local0, local1, local2, local3, local4, local5, local6 or local7 for 'facility', found "
        "\"deamon\"; did you mean \"daemon\"?"),
    BAD(A "{syslog: {facility: 3}}\n",
        "2:29: expected user, mail, daemon, auth, syslog, lpr, news, uucp, cron, authpriv, ftp, "
        "local0, local1, local2, local3, local4, local5, local6 or local7 for 'facility', found "
        "the number 3"),
    BAD(A "{webhook: {}}\n", "2:19: 'webhook' needs a 'url', such as https://alerts.example/hook"),
    BAD(A "{webhook: {url: \"https://h\", token: x}}\n",
        "2:38: unknown key \"token\" in 'webhook'; expected url, token_file or format"),
    BAD(A "{webhook: {url: \"https://h\", token_file: hook}}\n",
        "2:50: expected a path that begins with / for 'token_file', found \"hook\""),
    BAD(A "{webhook: {url: \"https://h\", format: slak}}\n",
        "2:46: expected json, alertmanager or slack for 'format', found \"slak\"; did you mean "
        "\"slack\"?"),
    BAD(A "{webhook: {url: \"ftp://h\"}}\n",
        "2:25: expected a URL that begins with https:// or http:// for 'url'"),
    BAD(A "{webhook: {url: \"\"}}\n", "2:25: 'url' is empty; expected at least one character"),
    BAD(A "{webhook: {url: [https]}}\n", "2:25: expected text for 'url', found a list"),
    BAD(A "{webhook: {url: \"https://\"}}\n", "2:25: " BAD_HOST),
    BAD(A "{webhook: {url: \"https://h:0/\"}}\n", "2:25: " BAD_HOST),
    BAD(A "{webhook: {url: \"https:///a\"}}\n", "2:25: " BAD_HOST),
    BAD(A "{webhook: {url: \"https://::1/\"}}\n", "2:25: " BAD_HOST),
    BAD(A "{webhook: {url: \"https://h:443x?a\"}}\n", "2:25: " BAD_HOST),
    BAD(A "{webhook: {url: \"https://me:secret@h/\"}}\n",
        "2:25: " SECRET "and name that in 'token_file'"),
    BAD(A "{webhook: {url: \"https://me@h?a\"}}\n",
        "2:25: " SECRET "and name that in 'token_file'"),
    BAD(A "{webhook: {url: \"https://h\\\\@other/\"}}\n", "2:25: " BAD_CHAR),
    BAD(A "{webhook: {url: \"https://me:secret@h/\\n\"}}\n", "2:25: " BAD_CHAR),
    BAD(A "{webhook: {url: \"https://h/a b\"}}\n", "2:25: " BAD_CHAR),
    BAD(A "{webhook: {url: \"https://h/\303\244\"}}\n", "2:25: " BAD_CHAR),
    BAD(A "{min_severity: hi}\n",
        "2:24: expected info, low, medium, high or critical for 'min_severity', found \"hi\""),
    BAD(A "{repeat: 3600}\n", "2:18: " BAD_TIME "the number 3600"),
    BAD(A "{repeat: h}\n", "2:18: " BAD_TIME "\"h\""),
    BAD(A "{repeat: 0s}\n", "2:18: " BAD_TIME "\"0s\""),
    BAD(A "{repeat: 01h}\n", "2:18: " BAD_TIME "\"01h\""),
    BAD(A "{repeat: 1w}\n", "2:18: " BAD_TIME "\"1w\""),
    BAD(A "{repeat: 1h30m}\n", "2:18: " BAD_TIME "\"1h30m\""),
    BAD(A "{repeat: 1 h}\n", "2:18: " BAD_TIME "\"1 h\""),
    BAD(A "{repeat: -1h}\n", "2:18: " BAD_TIME "\"-1h\""),
    BAD(A "{repeat: \"\"}\n", "2:18: " BAD_TIME "\"\""),
    BAD(A "{repeat: {}}\n", "2:18: " BAD_TIME "a mapping"),
    BAD(A "{repeat: 367d}\n", "2:18: expected at most 366d for 'repeat', found \"367d\""),
    BAD(A "{repeat: 31622401s}\n", "2:18: expected at most 366d for 'repeat', found \"31622401s\""),
    BAD(A "{repeat: 99999999999999999999d}\n",
        "2:18: expected at most 366d for 'repeat', found \"99999999999999999999d\""),
};

static void test_mistakes_are_told(void **state) {
    (void)state;
    assert_all_refused(bad_alerts, ARRAY_SIZE(bad_alerts));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_the_journal_unless_another_is_named),
        cmocka_unit_test(test_all_of_it),
        cmocka_unit_test(test_facilities_are_those_of_rfc_5424),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_no_addresses),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_files_add_up),
        cmocka_unit_test(test_mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
