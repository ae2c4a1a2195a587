/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/alert_journal.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <time.h>

#include "agent/print/escape.h"

#define SOURCE "journal"

enum {
    ROOM = 256,
    OWN_FIELDS = 7,
    FIELDS = NG_ALERT_FIELDS + OWN_FIELDS,
    LAST_S = 1, /* for what is left at the end */
};

/* An entry, ready to be sent: "NAME=value" each. */
struct entry {
    struct entry *next;
    struct iovec fields[FIELDS];
    int n_fields;
};

struct ng_journal {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct entry *first, **last;
    size_t waiting;
    bool sends, ends;
    uint64_t lost;
    int code;
};

/* -- entries --------------------------------------------------------------------------- */

static void free_entry(struct entry *entry) {
    if (!entry)
        return;
    for (int i = 0; i < entry->n_fields; i++)
        free(entry->fields[i].iov_base);
    free(entry);
}

static bool add(struct entry *entry, const char *name, const char *value) {
    char *text;
    if (!value)
        return true;
    int len = asprintf(&text, "%s=%s", name, value);
    if (len < 0)
        return false;
    entry->fields[entry->n_fields++] = (struct iovec){text, (size_t)len};
    return true;
}

/* People read it on terminals, and journalctl shows nothing of a message that it cannot print. */
static bool add_message(struct entry *entry, const char *message) {
    const size_t size = ng_escape(NULL, 0, message) + 1;
    char *escaped = malloc(size);
    if (!escaped)
        return false;
    ng_escape(escaped, size, message);
    const bool added = add(entry, "MESSAGE", escaped);
    free(escaped);
    return added;
}

static struct entry *entry_of(const struct ng_alert *alert) {
    char priority[8];
    struct entry *entry = calloc(1, sizeof(*entry));
    snprintf(priority, sizeof(priority), "%d", ng_alert_priority(alert));
    bool whole = entry && add_message(entry, alert->message) &&
                 add(entry, "MESSAGE_ID", ng_alert_message_id(alert->kind)) &&
                 add(entry, "PRIORITY", priority) && add(entry, "SYSLOG_IDENTIFIER", "netguard") &&
                 add(entry, "NETGUARD_KIND", ng_alert_kind_text(alert->kind)) &&
                 add(entry, "NETGUARD_SEVERITY", ng_severity_text(alert->severity)) &&
                 add(entry, "NETGUARD_KEY", alert->key);
    for (size_t i = 0; whole && i < alert->n_fields; i++)
        whole = add(entry, alert->fields[i].name, alert->fields[i].value);
    if (!whole) {
        free_entry(entry);
        return NULL;
    }
    return entry;
}

/* -- the thread ------------------------------------------------------------------------ */

static struct entry *take_first(struct ng_journal *journal) {
    struct entry *entry = journal->first;
    journal->first = entry->next;
    if (!journal->first)
        journal->last = &journal->first;
    journal->waiting--;
    return entry;
}

static void *run(void *context) {
    struct ng_journal *journal = context;
    pthread_mutex_lock(&journal->mutex);
    while (true) {
        while (!journal->first && !journal->ends)
            pthread_cond_wait(&journal->changed, &journal->mutex);
        if (!journal->first)
            break;
        struct entry *entry = take_first(journal);
        journal->sends = true;
        pthread_mutex_unlock(&journal->mutex);
        int code = sd_journal_sendv(entry->fields, entry->n_fields);
        free_entry(entry);
        pthread_mutex_lock(&journal->mutex);
        journal->sends = false;
        journal->code = code;
        journal->lost += code < 0;
    }
    pthread_mutex_unlock(&journal->mutex);
    return NULL;
}

/* -------------------------------------------------------------------------------------- */

void ng_journal_send(struct ng_journal *journal, const struct ng_alert *alert) {
    struct entry *entry = entry_of(alert), *oldest = NULL;
    pthread_mutex_lock(&journal->mutex);
    if (entry && journal->waiting == ROOM)
        oldest = take_first(journal);
    journal->lost += oldest || !entry;
    if (entry) {
        *journal->last = entry;
        journal->last = &entry->next;
        journal->waiting++;
        pthread_cond_signal(&journal->changed);
    }
    pthread_mutex_unlock(&journal->mutex);
    free_entry(oldest);
}

void ng_journal_state(struct ng_journal *journal, struct ng_journal_state *ret_state) {
    pthread_mutex_lock(&journal->mutex);
    *ret_state =
        (struct ng_journal_state){journal->waiting + journal->sends, journal->lost, journal->code};
    pthread_mutex_unlock(&journal->mutex);
}

int ng_journal_new(struct ng_journal **ret_journal, struct ng_error *error) {
    struct ng_journal *journal = calloc(1, sizeof(*journal));
    if (!journal)
        return ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    journal->last = &journal->first;
    pthread_mutex_init(&journal->mutex, NULL);
    pthread_cond_init(&journal->changed, NULL);
    int r = pthread_create(&journal->thread, NULL, run, journal);
    if (r != 0) {
        free(journal);
        return ng_error_set(error, -r, SOURCE, "cannot begin a thread: %s", strerror(r));
    }
    *ret_journal = journal;
    return 0;
}

/* Whoever blocks the thread for longer keeps it: sd_journal_sendv() cannot be called off. */
void ng_journal_free(struct ng_journal *journal) {
    struct timespec until;
    if (!journal)
        return;
    pthread_mutex_lock(&journal->mutex);
    journal->ends = true;
    pthread_cond_signal(&journal->changed);
    pthread_mutex_unlock(&journal->mutex);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LAST_S;
    if (pthread_timedjoin_np(journal->thread, NULL, &until) != 0) {
        pthread_detach(journal->thread);
        return;
    }
    pthread_mutex_destroy(&journal->mutex);
    pthread_cond_destroy(&journal->changed);
    free(journal);
}

void ng_journal_freep(struct ng_journal **journal) {
    ng_journal_free(*journal);
}
