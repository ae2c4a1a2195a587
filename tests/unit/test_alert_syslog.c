/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/alert_syslog.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/act/syslog_text.h"
#include "agent/print/escape.h"

enum {
    AUTHPRIV = 10,
    ROOMY = 8192,
};

static struct ng_alert opened(void) {
    struct ng_alert alert = {
        .kind = NG_ALERT_FINDING_OPENED,
        .severity = NG_HIGH,
        .time_s = 1764000000,
        .message = "redis is open",
        .key = "00112233aabbccdd",
    };
    ng_alert_add(&alert, "NETGUARD_RULE", "no-stores");
    ng_alert_add(&alert, "CONTAINER_NAME", "redis");
    return alert;
}

#define assert_text(made, expected)                                                                \
    do {                                                                                           \
        char *_text = (made);                                                                      \
        assert_string_equal(_text, (expected));                                                    \
        free(_text);                                                                               \
    } while (0)

static void is_rfc_5424(void **state) {
    struct ng_alert alert = opened();
    (void)state;
    assert_text(ng_syslog_text(&alert, AUTHPRIV, "web1", 42, ROOMY),
                "<83>1 2025-11-24T16:00:00Z web1 netguard 42 finding-opened "
                "[netguard@32473 severity=\"high\" key=\"00112233aabbccdd\" over=\"false\" "
                "rule=\"no-stores\" container_name=\"redis\"] redis is open");
    alert.over = true;
    alert.kind = NG_ALERT_FINDING_RESOLVED;
    assert_text(ng_syslog_text(&alert, 23, "web1", 42, ROOMY),
                "<189>1 2025-11-24T16:00:00Z web1 netguard 42 finding-resolved "
                "[netguard@32473 severity=\"high\" key=\"00112233aabbccdd\" over=\"true\" "
                "rule=\"no-stores\" container_name=\"redis\"] redis is open");
}

static void has_no_key_of_an_event(void **state) {
    const struct ng_alert alert = {.kind = NG_ALERT_KNOCKS, .time_s = 0, .message = "kept out"};
    (void)state;
    assert_text(ng_syslog_text(&alert, 0, "web1", 1, ROOMY),
                "<6>1 1970-01-01T00:00:00Z web1 netguard 1 knocks "
                "[netguard@32473 severity=\"info\"] kept out");
}

/* Of a host that has no name, or one that would be read as two words. */
static void has_one_word_for_the_host(void **state) {
    const struct ng_alert alert = {.kind = NG_ALERT_KNOCKS, .message = "kept out"};
    static const char *const hosts[] = {"", "a b", "a\nb", "w\xc3\xa4", "\x7f"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
        assert_text(ng_syslog_text(&alert, 0, hosts[i], 1, ROOMY),
                    "<6>1 1970-01-01T00:00:00Z - netguard 1 knocks "
                    "[netguard@32473 severity=\"info\"] kept out");
}

static void is_local(void **state) {
    const struct ng_alert alert = opened();
    (void)state;
    setenv("TZ", "UTC", 1);
    assert_text(ng_syslog_local_text(&alert, AUTHPRIV, 42, ROOMY),
                "<83>Nov 24 16:00:00 netguard[42]: redis is open [netguard@32473 "
                "kind=\"finding-opened\" severity=\"high\" key=\"00112233aabbccdd\" over=\"false\" "
                "rule=\"no-stores\" container_name=\"redis\"]");
}

static void escapes_what_is_hostile(void **state) {
    struct ng_alert alert = {
        .kind = NG_ALERT_KNOCKS,
        .message = "a]\n<0>1 - - fake - - - \x1b[2J\"\\ \xe2\x80\xae \xc3\xa4 \xff",
    };
    (void)state;
    ng_alert_add(&alert, "IMAGE_NAME",
                 "\"] [x@1 y=\"z\\\n\x1b \xc3\xa4 \xe2\x80\xae \xf0\x9f\x90\xb3");
    assert_text(ng_syslog_text(&alert, 0, "web1", 1, ROOMY),
                "<6>1 1970-01-01T00:00:00Z web1 netguard 1 knocks [netguard@32473 "
                "severity=\"info\" image_name=\"\\\"\\] [x@1 y=\\\"z\\\\\\\\x0a\\\\x1b \xc3\xa4 "
                "\\\\u202e \xf0\x9f\x90\xb3\"] "
                "a]\\x0a<0>1 - - fake - - - \\x1b[2J\"\\ \\u202e \xc3\xa4 \\xff");
}

static bool is_utf8(const char *text) {
    for (uint32_t code; *text; text += ng_char_decode(text, &code)) {
        ng_char_decode(text, &code);
        if (code == NG_CHAR_INVALID)
            return false;
    }
    return true;
}

/* Whatever the limit: whole fields, then as much of the message as there is room for. */
static void is_cut_between_characters(void **state) {
    char message[4001], value[301];
    bool had_rule = false;
    struct ng_alert alert = {.kind = NG_ALERT_KNOCKS, .message = message};
    (void)state;
    for (size_t i = 0; i < sizeof(message) - 1; i += 2)
        memcpy(message + i, "\xc3\xa4", 2);
    message[sizeof(message) - 1] = '\0';
    memset(value, ']', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    ng_alert_add(&alert, "IMAGE_NAME", "small");
    ng_alert_add(&alert, "NETGUARD_RULE", value);
    for (size_t limit = NG_SYSLOG_LEAST; limit < 2500; limit += 7) {
        char *text = ng_syslog_text(&alert, 0, "web1", 1, limit);
        bool has_rule = strstr(text, " rule=\"\\]");
        assert_non_null(
            strstr(text, has_rule ? "\\]\"] \xc3\xa4" : "image_name=\"small\"] \xc3\xa4"));
        assert_true(strlen(text) <= limit && strlen(text) + 2 > limit);
        assert_true(is_utf8(text));
        assert_true(has_rule || !had_rule);
        had_rule = has_rule;
        free(text);

        text = ng_syslog_local_text(&alert, 0, 1, limit);
        assert_true(strlen(text) <= limit);
        assert_true(is_utf8(text));
        assert_int_equal(text[strlen(text) - 1], ']');
        free(text);
    }
    assert_true(had_rule);
}

static void leaves_room_for_a_short_message(void **state) {
    char value[4001];
    struct ng_alert alert = opened();
    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    ng_alert_add(&alert, "IMAGE_NAME", value);
    assert_text(ng_syslog_text(&alert, AUTHPRIV, "web1", 42, NG_SYSLOG_LEAST),
                "<83>1 2025-11-24T16:00:00Z web1 netguard 42 finding-opened "
                "[netguard@32473 severity=\"high\" key=\"00112233aabbccdd\" over=\"false\" "
                "rule=\"no-stores\" container_name=\"redis\"] redis is open");
}

static void refuses_what_is_no_address(void **state) {
    static const char *const addresses[] = {
        "",
        "remote",
        "udp:",
        "udp://",
        "udp://:514",
        "tcp://h:",
        "tcp://h:0",
        "tcp://h:65536",
        "tcp://h:1x",
        "tcp://h: 1",
        "tcp://h:+1",
        "tcp://[::1",
        "tcp://[]:1",
        "tcp://2001:db8::1",
        "tcp://[::1]1",
        "tcp://h/x",
        "http://h:514",
        "tcp://h:99999999999999999999",
        "/dev/log",
        "local:",
    };
    sd_event *loop = NULL;
    (void)state;
    assert_true(sd_event_new(&loop) >= 0);
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        struct ng_syslog *syslog = NULL;
        struct ng_error error = {0};
        assert_int_equal(ng_syslog_new(loop, addresses[i], AUTHPRIV, &syslog, &error), -EINVAL);
        assert_null(syslog);
        assert_string_equal(error.message, "not an address: expected local, udp://HOST[:PORT] or "
                                           "tcp://HOST[:PORT], an IPv6 address in brackets");
    }
    sd_event_unref(loop);
}

static void takes_addresses(void **state) {
    static const char *const addresses[] = {"local", "udp://192.0.2.1", "tcp://[2001:db8::1]",
                                            "tcp://log.example.com:6514", "udp://[::1]:1"};
    sd_event *loop = NULL;
    (void)state;
    assert_true(sd_event_new(&loop) >= 0);
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        struct ng_syslog *syslog = NULL;
        assert_int_equal(ng_syslog_new(loop, addresses[i], AUTHPRIV, &syslog, NULL), 0);
        assert_null(ng_syslog_fault(syslog));
        ng_syslog_free(syslog);
    }
    ng_syslog_free(NULL);
    sd_event_unref(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_rfc_5424),
        cmocka_unit_test(has_no_key_of_an_event),
        cmocka_unit_test(has_one_word_for_the_host),
        cmocka_unit_test(is_local),
        cmocka_unit_test(escapes_what_is_hostile),
        cmocka_unit_test(is_cut_between_characters),
        cmocka_unit_test(leaves_room_for_a_short_message),
        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(takes_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
