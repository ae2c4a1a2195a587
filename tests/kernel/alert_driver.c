/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Sends alerts as the daemon does, from a loop: one command a line, each is answered with "ok" or
 * "error", and what there is to say. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "agent/act/alert_syslog.h"
#include "agent/act/alert_webhook.h"

static sd_event *loop;
static struct ng_syslog *syslog_sink;
static struct ng_webhook *webhook;
static char words[4][512]; /* which the sinks keep */

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void answer(int code, const struct ng_error *error) {
    if (code < 0)
        printf("error %s: %s\n", error->source, error->message);
    else
        printf("ok\n");
}

static enum ng_webhook_format format_of(const char *text) {
    return strcmp(text, "slack") == 0          ? NG_WEBHOOK_SLACK
           : strcmp(text, "alertmanager") == 0 ? NG_WEBHOOK_ALERTMANAGER
                                               : NG_WEBHOOK_JSON;
}

static const char *path_of(const char *text) {
    return strcmp(text, "-") == 0 ? NULL : text;
}

static void open_syslog(void) {
    struct ng_error error = {0};
    answer(ng_syslog_new(loop, words[0], LOG_AUTHPRIV >> 3, &syslog_sink, &error), &error);
}

static void open_webhook(void) {
    struct ng_error error = {0};
    const struct ng_webhook_options options = {
        .url = words[0],
        .format = format_of(words[1]),
        .directory = path_of(words[2]),
        .token_file = path_of(words[3]),
    };
    answer(ng_webhook_new(&options, &webhook, &error), &error);
}

static void send_one(const char *message) {
    struct ng_alert alert = {
        .kind = NG_ALERT_FINDING_OPENED,
        .severity = NG_HIGH,
        .time_s = 1764000000,
        .message = message,
        .key = "00112233aabbccdd",
    };
    ng_alert_add(&alert, "NETGUARD_RULE", "no-stores");
    ng_alert_add(&alert, "NETGUARD_FIX", "bind it to 127.0.0.1");
    ng_alert_add(&alert, "CONTAINER_NAME", "a]\"\\b\n\xc3\xa4");
    if (syslog_sink)
        ng_syslog_send(syslog_sink, &alert);
    if (webhook)
        ng_webhook_send(webhook, &alert);
}

/* "message-0000" and so on, made longer by a letter of its own; with how long that kept the loop.
 */
static void send_many(unsigned first, unsigned count, unsigned padding) {
    char message[32 + 16384];
    const double begun_ms = now_ms();
    for (unsigned i = first; i < first + count; i++) {
        int len = snprintf(message, sizeof(message), "message-%04u%s", i, padding ? " " : "");
        memset(message + len, 'a' + (int)(i % 26), padding);
        message[(size_t)len + padding] = '\0';
        send_one(message);
    }
    printf("ok %.1f\n", now_ms() - begun_ms);
}

static void tell_state(void) {
    struct ng_webhook_state state = {0};
    size_t waiting = 0;
    uint64_t lost = 0;
    const char *fault = NULL;
    if (syslog_sink) {
        ng_syslog_counts(syslog_sink, &waiting, &lost);
        fault = ng_syslog_fault(syslog_sink);
        printf("ok %zu 0 %llu %s\n", waiting, (unsigned long long)lost, fault ? fault : "");
        return;
    }
    ng_webhook_state(webhook, &state);
    printf("ok %zu %llu %llu %s\n", state.waiting, (unsigned long long)state.delivered,
           (unsigned long long)state.lost, state.fault);
}

static void close_sinks(void) {
    const double begun_ms = now_ms();
    ng_syslog_freep(&syslog_sink);
    ng_webhook_freep(&webhook);
    printf("ok %.1f\n", now_ms() - begun_ms);
}

static int on_line(sd_event_source *source, int fd, uint32_t ready, void *context) {
    char line[2048], name[32] = "";
    unsigned first, count, padding;
    (void)source, (void)fd, (void)ready, (void)context;
    if (!fgets(line, sizeof(line), stdin))
        return sd_event_exit(loop, 0);
    int n = sscanf(line, "%31s", name);
    if (strcmp(name, "syslog") == 0 && sscanf(line, "%*s %511s", words[0]) == 1)
        open_syslog();
    else if (strcmp(name, "webhook") == 0 && sscanf(line, "%*s %511s %511s %511s %511s", words[0],
                                                    words[1], words[2], words[3]) == 4)
        open_webhook();
    else if (sscanf(line, "send %u %u %u", &first, &count, &padding) == 3)
        send_many(first, count, padding);
    else if (n == 1 && strcmp(name, "state") == 0)
        tell_state();
    else if (n == 1 && strcmp(name, "close") == 0)
        close_sinks();
    else
        return sd_event_exit(loop, 2);
    fflush(stdout);
    return 0;
}

int main(void) {
    setvbuf(stdin, NULL, _IONBF, 0); /* else the loop is not woken up for what is read ahead */
    int r = sd_event_new(&loop);
    if (r >= 0)
        r = sd_event_add_io(loop, NULL, STDIN_FILENO, EPOLLIN, on_line, NULL);
    if (r >= 0)
        r = sd_event_loop(loop);
    ng_syslog_freep(&syslog_sink);
    ng_webhook_freep(&webhook);
    sd_event_unref(loop);
    return r < 0 ? 3 : r;
}
