/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/alert.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "agent/act/alert_name.h"
#include "agent/print/json_writer.h"

static const struct {
    const char *text, *message_id;
} kinds[NG_ALERT_KINDS] = {
    [NG_ALERT_FINDING_OPENED] = {"finding-opened", "58ace2b2bce74879a5438d32e310e211"},
    [NG_ALERT_FINDING_CHANGED] = {"finding-changed", "abcbb5c4d45c4401aaa8bfd2f3247187"},
    [NG_ALERT_FINDING_BLOCKED] = {"finding-blocked", "c86464efa9fd48d1b4bc9858fb841391"},
    [NG_ALERT_FINDING_EXCEPTED] = {"finding-excepted", "79bae379d4c8428e8caf0583ac7c000d"},
    [NG_ALERT_FINDING_EXPIRED] = {"finding-expired", "f0a4116e877a4b519f93a1904c4a1b53"},
    [NG_ALERT_FINDING_RESOLVED] = {"finding-resolved", "04499ff14f6e4d4e9032c92181b0ee54"},
    [NG_ALERT_FINDING_REMINDED] = {"finding-reminded", "305f33ea81d2400d8d62211fa803359d"},
    [NG_ALERT_REACH_CHANGED] = {"reach-changed", "0a5f0f5e1f264a21a6eaf1ea3728a5d5"},
    [NG_ALERT_GUARD_REPAIRED] = {"guard-repaired", "2b32447b226849b2ac26bc78f71c3667"},
    [NG_ALERT_GUARD_FAILED] = {"guard-failed", "287a399aaad64710b0685c9914f2cb3e"},
    [NG_ALERT_GUARD_REGAINED] = {"guard-regained", "190e847f3cdb49348b077b47f489bc61"},
    [NG_ALERT_KNOCKS] = {"knocks", "979ec00e9a17475894474afcebde1a1a"},
    [NG_ALERT_SIGHT_LOST] = {"sight-lost", "b3029bb821db42088c10d2645e53108c"},
    [NG_ALERT_SIGHT_REGAINED] = {"sight-regained", "5a080617a1c14f1eafaa8dfed2a85cff"},
    [NG_ALERT_RELOAD_FAILED] = {"reload-failed", "0297083985b845c893c675ad6d2d0952"},
    [NG_ALERT_RELOADED] = {"reload-succeeded", "02b8a0b48dd2418099cb80c53ddec207"},
    [NG_ALERT_FOLDED] = {"folded", "3c09e3f5fbe84b13a2d13efae41b03ca"},
};

const char *ng_alert_kind_text(enum ng_alert_kind kind) {
    return kinds[kind].text;
}

const char *ng_alert_message_id(enum ng_alert_kind kind) {
    return kinds[kind].message_id;
}

/* Where nothing is open there is nothing to be woken up for. */
int ng_alert_priority(const struct ng_alert *alert) {
    static const int priorities[] = {
        [NG_INFO] = LOG_INFO, [NG_LOW] = LOG_NOTICE,    [NG_MEDIUM] = LOG_WARNING,
        [NG_HIGH] = LOG_ERR,  [NG_CRITICAL] = LOG_CRIT,
    };
    const int priority = priorities[alert->severity];
    const bool closed = alert->over || alert->kind == NG_ALERT_FINDING_BLOCKED ||
                        alert->kind == NG_ALERT_FINDING_EXCEPTED;
    return closed && priority < LOG_NOTICE ? LOG_NOTICE : priority;
}

const char *ng_alert_field(const struct ng_alert *alert, const char *name) {
    for (size_t i = 0; i < alert->n_fields; i++)
        if (strcmp(alert->fields[i].name, name) == 0)
            return alert->fields[i].value;
    return NULL;
}

void ng_alert_add(struct ng_alert *alert, const char *name, const char *value) {
    if (value && alert->n_fields < NG_ALERT_FIELDS)
        alert->fields[alert->n_fields++] = (struct ng_alert_field){name, value};
}

/* -- findings -------------------------------------------------------------------------- */

static const char *port_text(struct ng_arena *arena, uint16_t port) {
    return port ? ng_arena_printf(arena, "%u", port) : NULL;
}

/* As the daemon of Docker tells of itself in the journal: the first twelve digits. */
static const char *short_id(struct ng_arena *arena, const char *id) {
    return id ? ng_arena_printf(arena, "%.12s", id) : NULL;
}

int ng_alert_of_news(const struct ng_news *news, int64_t time_s, struct ng_arena *arena,
                     struct ng_alert *ret_alert) {
    const struct ng_record *record = &news->record;
    struct ng_alert alert = {
        .kind = NG_ALERT_FINDING_OPENED + (enum ng_alert_kind)news->change,
        .severity = record->severity,
        .time_s = time_s,
        .message = ng_arena_printf(arena, "%s, %s: %s", ng_severity_text(record->severity),
                                   ng_change_text(news->change), record->message),
        .key = record->key,
        .over = news->change == NG_CHANGE_RESOLVED,
    };
    if (!alert.message)
        return -ENOMEM;
    ng_alert_add(&alert, "NETGUARD_FINDING", record->id);
    ng_alert_add(&alert, "NETGUARD_FINDING_KEYS", record->keys);
    ng_alert_add(&alert, "NETGUARD_RULE", record->rule);
    ng_alert_add(&alert, "NETGUARD_ACTION", ng_action_text(record->action));
    ng_alert_add(&alert, "NETGUARD_STATE",
                 alert.over ? "resolved" : ng_finding_state_text(record->state));
    ng_alert_add(&alert, "NETGUARD_SUBJECT", record->subject);
    ng_alert_add(&alert, "NETGUARD_ZONES", record->zones);
    ng_alert_add(&alert, "NETGUARD_EXPOSURE_KIND", record->kind);
    ng_alert_add(&alert, "NETGUARD_PROTO", record->proto ? ng_proto_text(record->proto) : NULL);
    ng_alert_add(&alert, "NETGUARD_HOST_PORT", port_text(arena, record->host_port));
    ng_alert_add(&alert, "NETGUARD_CONTAINER_PORT", port_text(arena, record->container_port));
    ng_alert_add(&alert, "NETGUARD_SERVICE", record->service);
    if (!alert.over)
        ng_alert_add(&alert, "NETGUARD_FIX", record->fix);
    ng_alert_add(&alert, "CONTAINER_ID", short_id(arena, record->container_id));
    ng_alert_add(&alert, "CONTAINER_ID_FULL", record->container_id);
    ng_alert_add(&alert, "CONTAINER_NAME", record->container_name);
    ng_alert_add(&alert, "IMAGE_NAME", record->image);
    *ret_alert = alert;
    return 0;
}

/* -- as a document --------------------------------------------------------------------- */

static void put_text(struct ng_json *json, const char *key, const char *text) {
    ng_json_key(json, key);
    ng_json_string_or_null(json, text);
}

static void put(FILE *out, const struct ng_alert *alert) {
    struct ng_json json = {.out = out};
    char host[HOST_NAME_MAX + 1] = "";
    (void)gethostname(host, sizeof(host) - 1);
    ng_json_open(&json, '{');
    put_text(&json, "schema", "netguard.alert/1");
    put_text(&json, "host", host);
    ng_json_key(&json, "time");
    ng_json_time(&json, alert->time_s);
    put_text(&json, "kind", ng_alert_kind_text(alert->kind));
    put_text(&json, "severity", ng_severity_text(alert->severity));
    put_text(&json, "message", alert->message);
    put_text(&json, "key", alert->key);
    ng_json_key(&json, "over");
    ng_json_bool(&json, alert->over);
    for (size_t i = 0; i < alert->n_fields; i++) {
        char name[NG_ALERT_NAME];
        put_text(&json, ng_alert_name(alert->fields[i].name, name), alert->fields[i].value);
    }
    ng_json_close(&json, '}');
}

char *ng_alert_json(const struct ng_alert *alert) {
    char *text = NULL;
    size_t len_bytes;
    FILE *out = open_memstream(&text, &len_bytes);
    if (!out)
        return NULL;
    put(out, alert);
    bool failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
