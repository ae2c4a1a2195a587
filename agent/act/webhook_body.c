/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/alert_webhook.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/act/alert_name.h"
#include "agent/print/escape.h"
#include "agent/print/json_writer.h"

enum {
    EVENT_S = 5 * 60,           /* how long a single event stands */
    FOREVER_S = 365 * 24 * 3600 /* what is told of once and stays open */
};

static void put_text(struct ng_json *json, const char *key, const char *text) {
    if (!text)
        return;
    ng_json_key(json, key);
    ng_json_string(json, text);
}

static void put_time(struct ng_json *json, const char *key, int64_t time_s) {
    ng_json_key(json, key);
    ng_json_time(json, time_s);
}

/* -- Alertmanager ---------------------------------------------------------------------- */

/* "finding-opened" and "finding-resolved" are one thing there: "finding". */
static void put_category(struct ng_json *json, enum ng_alert_kind kind) {
    char category[32];
    const char *text = ng_alert_kind_text(kind);
    snprintf(category, sizeof(category), "%.*s", (int)strcspn(text, "-"), text);
    put_text(json, "category", category);
}

/* Alertmanager knows an alert by its labels: of what `key` stands for they stay the same as long as
 * it is open. Only the severity may change, by which people have their alerts routed: put_others()
 * ends what was told of under another one. All else are annotations, of which the last count. A
 * single event has no key: what is told of again within its time is the same one, going on. */
static void put_labels(struct ng_json *json, const struct ng_alert *alert, const char *host,
                       enum ng_severity severity) {
    ng_json_key(json, "labels");
    ng_json_open(json, '{');
    put_text(json, "alertname", "netguard");
    put_text(json, "host", host);
    put_category(json, alert->kind);
    put_text(json, "severity", ng_severity_text(severity));
    put_text(json, "key", alert->key);
    put_text(json, "rule", ng_alert_field(alert, "NETGUARD_RULE"));
    /* The task of a service is another container each time. */
    const char *service = ng_alert_field(alert, "NETGUARD_SERVICE");
    put_text(json, service ? "service" : "container_name",
             service ? service : ng_alert_field(alert, "CONTAINER_NAME"));
    ng_json_close(json, '}');
}

static void put_annotations(struct ng_json *json, const struct ng_alert *alert) {
    char name[NG_ALERT_NAME];
    ng_json_key(json, "annotations");
    ng_json_open(json, '{');
    put_text(json, "summary", alert->message);
    put_text(json, "kind", ng_alert_kind_text(alert->kind));
    for (size_t i = 0; i < alert->n_fields; i++)
        put_text(json, ng_alert_name(alert->fields[i].name, name), alert->fields[i].value);
    ng_json_close(json, '}');
}

static void put_alert(struct ng_json *json, const struct ng_alert *alert, const char *host,
                      enum ng_severity severity, int64_t end_s) {
    ng_json_open(json, '{');
    put_labels(json, alert, host, severity);
    put_annotations(json, alert);
    put_time(json, "startsAt", alert->time_s);
    put_time(json, "endsAt", end_s);
    ng_json_close(json, '}');
}

static bool may_have_changed_severity(enum ng_alert_kind kind) {
    return kind >= NG_ALERT_FINDING_CHANGED && kind <= NG_ALERT_FINDING_EXPIRED;
}

/* Nobody is told of the end of what never was. */
static void put_others(struct ng_json *json, const struct ng_alert *alert, const char *host) {
    for (enum ng_severity other = NG_INFO; other <= NG_CRITICAL; other++)
        if (other != alert->severity)
            put_alert(json, alert, host, other, alert->time_s);
}

/* What the guard closes or an exception covers is nothing to be called for. */
static int64_t end_of(const struct ng_alert *alert, int64_t repeat_s) {
    if (alert->over || alert->kind == NG_ALERT_FINDING_BLOCKED ||
        alert->kind == NG_ALERT_FINDING_EXCEPTED)
        return alert->time_s;
    if (!alert->key)
        return alert->time_s + EVENT_S;
    return alert->time_s + (repeat_s ? 2 * repeat_s : FOREVER_S);
}

static void put_alertmanager(FILE *out, const struct ng_alert *alert, const char *host,
                             int64_t repeat_s) {
    struct ng_json json = {.out = out};
    ng_json_open(&json, '[');
    put_alert(&json, alert, host, alert->severity, end_of(alert, repeat_s));
    if (may_have_changed_severity(alert->kind))
        put_others(&json, alert, host);
    ng_json_close(&json, ']');
}

/* -- Slack ----------------------------------------------------------------------------- */

/* What would be a link, a mention or a control there is none. */
static void put_slack_text(FILE *out, const char *text) {
    for (size_t len; *text; text += len) {
        char one[8], piece[16];
        uint32_t code;
        len = ng_char_decode(text, &code);
        snprintf(one, sizeof(one), "%.*s", (int)len, text);
        ng_escape(piece, sizeof(piece), one);
        fputs(*text == '&' ? "&amp;" : *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : piece, out);
    }
}

static char *slack_text(const struct ng_alert *alert, const char *host) {
    const char *fix = ng_alert_field(alert, "NETGUARD_FIX");
    char *text = NULL;
    size_t len_bytes;
    FILE *out = open_memstream(&text, &len_bytes);
    if (!out)
        return NULL;
    put_slack_text(out, host);
    fputs(": ", out);
    put_slack_text(out, alert->message);
    if (fix) {
        fputs("\nFix: ", out);
        put_slack_text(out, fix);
    }
    bool failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}

static bool put_slack(FILE *out, const struct ng_alert *alert, const char *host) {
    struct ng_json json = {.out = out};
    char *text = slack_text(alert, host);
    if (!text)
        return false;
    ng_json_open(&json, '{');
    put_text(&json, "text", text);
    ng_json_close(&json, '}');
    free(text);
    return true;
}

/* -------------------------------------------------------------------------------------- */

char *ng_webhook_body(const struct ng_alert *alert, enum ng_webhook_format format,
                      int64_t repeat_s) {
    char host[HOST_NAME_MAX + 1] = "", *body = NULL;
    size_t len_bytes;
    bool whole = true;
    if (format == NG_WEBHOOK_JSON)
        return ng_alert_json(alert);
    FILE *out = open_memstream(&body, &len_bytes);
    if (!out)
        return NULL;
    (void)gethostname(host, sizeof(host) - 1);
    if (format == NG_WEBHOOK_SLACK)
        whole = put_slack(out, alert, host);
    else
        put_alertmanager(out, alert, host, repeat_s);
    whole = !ferror(out) && whole;
    if (fclose(out) != 0 || !whole) {
        free(body);
        return NULL;
    }
    return body;
}
