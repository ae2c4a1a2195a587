/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/alerter.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/act/alert_journal.h"
#include "agent/act/alert_syslog.h"
#include "agent/act/alert_webhook.h"
#include "agent/act/records.h"
#include "agent/log.h"

#define SOURCE "alerts"

struct bucket {
    double tokens;       /* alerts that may be told one by one now, */
    uint64_t counted_us; /* which is when they were counted; 0: never, and it is full */
};

struct ng_alerter {
    struct ng_alerter_options options;
    struct ng_journal *journal;
    struct ng_syslog *syslog;
    struct ng_webhook *webhook;
    char webhook_fault[sizeof(((struct ng_webhook_state *)NULL)->fault)];
    char directory[PATH_MAX]; /* of the webhook */
    uint64_t counts[NG_ALERT_KINDS];

    sd_event *loop;
    struct bucket buckets[2]; /* of all, and of knocks */
    sd_event_source *timer;
    uint64_t folded[NG_ALERT_KINDS];
    size_t n_folded;
    enum ng_severity folded_severity; /* the highest */
};

/* -- telling --------------------------------------------------------------------------- */

static void tell(struct ng_alerter *alerter, const struct ng_alert *alert) {
    if (alerter->options.lines)
        ng_log("%s: %s", ng_alert_kind_text(alert->kind), alert->message);
    if (alerter->journal)
        ng_journal_send(alerter->journal, alert);
    if (alerter->syslog)
        ng_syslog_send(alerter->syslog, alert);
    if (alerter->webhook)
        ng_webhook_send(alerter->webhook, alert);
}

/* -- folding --------------------------------------------------------------------------- */

/* "30 finding-opened, 7 finding-resolved" */
static void list_folded(const struct ng_alerter *alerter, char *buffer, size_t size) {
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < NG_ALERT_KINDS && used < size; i++)
        if (alerter->folded[i])
            used += (size_t)snprintf(buffer + used, size - used, "%s%llu %s", used ? ", " : "",
                                     (unsigned long long)alerter->folded[i],
                                     ng_alert_kind_text((enum ng_alert_kind)i));
}

static int on_timer(sd_event_source *source, uint64_t time_us, void *context) {
    struct ng_alerter *alerter = context;
    char kinds[NG_ALERT_KINDS * 32], message[sizeof(kinds) + 128], count[32];
    (void)source, (void)time_us;
    list_folded(alerter, kinds, sizeof(kinds));
    snprintf(count, sizeof(count), "%zu", alerter->n_folded);
    snprintf(message, sizeof(message), "and %s more: %s; `netguard status` lists what is open now",
             count, kinds);
    struct ng_alert alert = {
        .kind = NG_ALERT_FOLDED,
        .severity = alerter->folded_severity,
        .time_s = (int64_t)time(NULL),
        .message = message,
    };
    ng_alert_add(&alert, "NETGUARD_FOLDED", count);
    ng_alert_add(&alert, "NETGUARD_FOLDED_KINDS", kinds);
    alerter->counts[NG_ALERT_FOLDED]++;
    tell(alerter, &alert);
    memset(alerter->folded, 0, sizeof(alerter->folded));
    alerter->n_folded = 0;
    alerter->folded_severity = NG_INFO;
    return 0;
}

static void fold(struct ng_alerter *alerter, const struct ng_alert *alert) {
    if (alerter->n_folded++ == 0) {
        (void)sd_event_source_set_time_relative(alerter->timer,
                                                (uint64_t)NG_ALERTER_FOLD_S * 1000000);
        (void)sd_event_source_set_enabled(alerter->timer, SD_EVENT_ONESHOT);
    }
    alerter->folded[alert->kind]++;
    if (alert->severity > alerter->folded_severity)
        alerter->folded_severity = alert->severity;
}

static bool may_tell(struct ng_alerter *alerter, enum ng_alert_kind kind) {
    const bool knocks = kind == NG_ALERT_KNOCKS;
    const double most = knocks ? NG_ALERTER_KNOCKS_BURST : NG_ALERTER_BURST;
    struct bucket *bucket = &alerter->buckets[knocks];
    uint64_t now_us;
    (void)sd_event_now(alerter->loop, CLOCK_MONOTONIC, &now_us);
    if (bucket->counted_us)
        bucket->tokens += (double)(now_us - bucket->counted_us) / 1e6 *
                          (knocks ? NG_ALERTER_KNOCKS_PER_S : NG_ALERTER_PER_S);
    if (!bucket->counted_us || bucket->tokens > most)
        bucket->tokens = most;
    bucket->counted_us = now_us;
    if (bucket->tokens < 1)
        return false;
    bucket->tokens--;
    return true;
}

void ng_alerter_send(struct ng_alerter *alerter, const struct ng_alert *alert) {
    if (alert->severity < alerter->options.alerts->min_severity)
        return;
    alerter->counts[alert->kind]++;
    /* Who was told that something is open is told that it is not: whatever there is of that. */
    if ((alert->over && alert->key) || may_tell(alerter, alert->kind))
        tell(alerter, alert);
    else
        fold(alerter, alert);
}

/* -- how it goes ----------------------------------------------------------------------- */

static struct ng_state_sink journal_sink(struct ng_alerter *alerter) {
    struct ng_journal_state state;
    ng_journal_state(alerter->journal, &state);
    const char *fault = state.waiting > 1 ? "it takes nothing at present"
                        : state.code < 0  ? strerrordesc_np(-state.code)
                                          : NULL;
    return (struct ng_state_sink){"journal", fault, state.waiting, state.lost};
}

static struct ng_state_sink syslog_sink(struct ng_alerter *alerter) {
    struct ng_state_sink sink = {"syslog", ng_syslog_fault(alerter->syslog), 0, 0};
    ng_syslog_counts(alerter->syslog, &sink.waiting, &sink.lost);
    return sink;
}

static struct ng_state_sink webhook_sink(struct ng_alerter *alerter) {
    struct ng_webhook_state state;
    ng_webhook_state(alerter->webhook, &state);
    memcpy(alerter->webhook_fault, state.fault, sizeof(state.fault));
    return (struct ng_state_sink){"webhook", state.fault[0] ? alerter->webhook_fault : NULL,
                                  state.waiting, state.lost};
}

size_t ng_alerter_sinks(struct ng_alerter *alerter,
                        struct ng_state_sink ret_sinks[static NG_ALERTER_SINKS]) {
    size_t n = 0;
    if (alerter->journal)
        ret_sinks[n++] = journal_sink(alerter);
    if (alerter->syslog)
        ret_sinks[n++] = syslog_sink(alerter);
    if (alerter->webhook)
        ret_sinks[n++] = webhook_sink(alerter);
    return n;
}

const uint64_t *ng_alerter_counts(const struct ng_alerter *alerter) {
    return alerter->counts;
}

/* -------------------------------------------------------------------------------------- */

/* Where there is no place for what waits, it waits in memory. */
static int open_webhook(struct ng_alerter *alerter, struct ng_error *error) {
    const struct ng_alerts *alerts = alerter->options.alerts;
    struct ng_error no_place = {0};
    const bool lasts =
        ng_records_path("webhook", alerter->directory, sizeof(alerter->directory), &no_place) == 0;
    const struct ng_webhook_options options = {
        .url = alerts->webhook_url,
        .token_file = alerts->webhook_token_file,
        .format = alerts->webhook_format,
        .directory = lasts ? alerter->directory : NULL,
        .repeat_s = alerts->repeat_s,
    };
    return ng_webhook_new(&options, &alerter->webhook, error);
}

static int open_sinks(struct ng_alerter *alerter, struct ng_error *error) {
    const struct ng_alerts *alerts = alerter->options.alerts;
    int r = 0;
    if (alerts->journal)
        r = ng_journal_new(&alerter->journal, error);
    if (r == 0 && alerts->syslog_address)
        r = ng_syslog_new(alerter->loop, alerts->syslog_address, alerts->syslog_facility,
                          &alerter->syslog, error);
    if (r == 0 && alerts->webhook_url)
        r = open_webhook(alerter, error);
    return r;
}

int ng_alerter_new(sd_event *loop, const struct ng_alerter_options *options,
                   struct ng_alerter **ret_alerter, struct ng_error *error) {
    _cleanup_(ng_alerter_freep) struct ng_alerter *alerter = calloc(1, sizeof(*alerter));
    if (!alerter)
        return ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    alerter->options = *options;
    alerter->loop = sd_event_ref(loop);
    int r =
        sd_event_add_time_relative(loop, &alerter->timer, CLOCK_MONOTONIC, 0, 0, on_timer, alerter);
    if (r >= 0)
        r = sd_event_source_set_enabled(alerter->timer, SD_EVENT_OFF);
    if (r < 0)
        return ng_error_set(error, r, SOURCE, "cannot be prepared: %s", strerror(-r));
    r = open_sinks(alerter, error);
    if (r < 0)
        return r;
    *ret_alerter = TAKE_PTR(alerter);
    return 0;
}

/* What is folded at the end is told of, not lost. */
void ng_alerter_free(struct ng_alerter *alerter) {
    if (!alerter)
        return;
    if (alerter->n_folded)
        (void)on_timer(NULL, 0, alerter);
    sd_event_source_disable_unref(alerter->timer);
    ng_journal_free(alerter->journal);
    ng_syslog_free(alerter->syslog);
    ng_webhook_free(alerter->webhook);
    sd_event_unref(alerter->loop);
    free(alerter);
}

void ng_alerter_freep(struct ng_alerter **alerter) {
    ng_alerter_free(*alerter);
}
