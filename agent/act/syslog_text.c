/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/syslog_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/act/alert_name.h"
#include "agent/print/escape.h"

/* 32473 is the enterprise number that RFC 5612 sets aside for examples: netguard has none of its
 * own, and without one the name would have to be registered with IANA. */
#define SD_ID "netguard@32473"

struct text {
    char *bytes;
    size_t len, room; /* without the NUL */
};

static bool new_text(struct text *text, size_t limit_bytes) {
    *text = (struct text){.bytes = malloc(limit_bytes + 1), .room = limit_bytes};
    return text->bytes;
}

/* For what always has room. */
static void put_start(struct text *text, const char *start) {
    const size_t len = strlen(start);
    memcpy(text->bytes + text->len, start, len + 1);
    text->len += len;
}

static bool put_char(struct text *text, char c) {
    if (text->len == text->room)
        return false;
    text->bytes[text->len++] = c;
    return true;
}

/* RFC 5424, 6.3.3, on top of our own escapes. */
static bool put_value(struct text *text, const char *value) {
    bool whole = true;
    for (size_t len; whole && *value; value += len) {
        char one[8], piece[16];
        uint32_t code;
        len = ng_char_decode(value, &code);
        snprintf(one, sizeof(one), "%.*s", (int)len, value);
        ng_escape(piece, sizeof(piece), one);
        for (const char *c = piece; whole && *c; c++)
            whole = (!strchr("\"\\]", *c) || put_char(text, '\\')) && put_char(text, *c);
    }
    return whole;
}

static void put_param(struct text *text, const char *name, const char *value) {
    const size_t start = text->len;
    bool whole = value && put_char(text, ' ');
    while (whole && *name)
        whole = put_char(text, *name++);
    whole = whole && put_char(text, '=') && put_char(text, '"') && put_value(text, value) &&
            put_char(text, '"');
    if (!whole)
        text->len = start;
}

static void put_params(struct text *text, const struct ng_alert *alert) {
    char name[NG_ALERT_NAME];
    put_param(text, "severity", ng_severity_text(alert->severity));
    put_param(text, "key", alert->key);
    if (alert->key)
        put_param(text, "over", alert->over ? "true" : "false");
    for (size_t i = 0; i < alert->n_fields; i++)
        put_param(text, ng_alert_name(alert->fields[i].name, name), alert->fields[i].value);
}

/* Up to `room` bytes of it. */
static void put_message(struct text *text, const char *message, size_t room) {
    ng_escape(text->bytes + text->len, room + 1, message);
    text->len += strlen(text->bytes + text->len);
}

static unsigned pri_of(const struct ng_alert *alert, uint8_t facility) {
    return facility * 8u + (unsigned)ng_alert_priority(alert);
}

/* PRINTUSASCII of RFC 5424, or NILVALUE. */
static const char *host_text(const char *host) {
    for (const char *c = host; *c; c++)
        if (*c <= ' ' || *c > '~')
            return "-";
    return *host ? host : "-";
}

/* No byte order mark before the message, though MSG-UTF8 has one: rsyslog leaves it in the file,
 * and what looks for a message at its start does not find it. */
char *ng_syslog_text(const struct ng_alert *alert, uint8_t facility, const char *host, int pid,
                     size_t limit_bytes) {
    const size_t message_len = ng_escape(NULL, 0, alert->message);
    const size_t of_message = message_len < limit_bytes / 2 ? message_len : limit_bytes / 2;
    const time_t when = (time_t)alert->time_s;
    char start[256], time_text[32] = "-";
    struct text text;
    struct tm utc;
    if (!new_text(&text, limit_bytes))
        return NULL;
    if (gmtime_r(&when, &utc))
        strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    snprintf(start, sizeof(start), "<%u>1 %s %.64s netguard %d %s [" SD_ID, pri_of(alert, facility),
             time_text, host_text(host), pid, ng_alert_kind_text(alert->kind));
    put_start(&text, start);
    text.room = limit_bytes - strlen("] ") - of_message;
    put_params(&text, alert);
    put_start(&text, "] ");
    put_message(&text, alert->message, limit_bytes - text.len);
    return text.bytes;
}

/* What comes by /dev/log is read as syslog(3) writes it: rsyslog's imuxsock and systemd-journald
 * take the version of RFC 5424 for the program's name, and all that follows for the message. */
char *ng_syslog_local_text(const struct ng_alert *alert, uint8_t facility, int pid,
                           size_t limit_bytes) {
    const time_t when = (time_t)alert->time_s;
    char start[64], time_text[32] = "";
    struct text text;
    struct tm local;
    if (!new_text(&text, limit_bytes))
        return NULL;
    if (localtime_r(&when, &local))
        strftime(time_text, sizeof(time_text), "%b %e %H:%M:%S", &local);
    snprintf(start, sizeof(start), "<%u>%s netguard[%d]: ", pri_of(alert, facility), time_text,
             pid);
    put_start(&text, start);
    put_message(&text, alert->message, limit_bytes / 2);
    put_start(&text, " [" SD_ID);
    text.room = limit_bytes - strlen("]");
    put_param(&text, "kind", ng_alert_kind_text(alert->kind));
    put_params(&text, alert);
    put_start(&text, "]");
    return text.bytes;
}
