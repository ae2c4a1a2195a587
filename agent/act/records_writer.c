/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/records_writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SOURCE "findings.json"

enum {
    LAST_S = 1, /* for what is left at the end */
    SLOW_S = 5, /* a disk that takes longer is said to */
};

struct ng_records_writer {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    char *next;     /* the document to be written; NULL: none waits */
    time_t begun_s; /* CLOCK_MONOTONIC, when the one that is being written was; 0: none is */
    struct ng_error fault;
    bool ends, ended;
    bool alone; /* nobody waits for the thread */
};

static struct timespec now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time;
}

static void destroy(struct ng_records_writer *writer) {
    pthread_mutex_destroy(&writer->mutex);
    pthread_cond_destroy(&writer->changed);
    free(writer);
}

/* -- the thread ------------------------------------------------------------------------ */

static void write_next(struct ng_records_writer *writer) {
    char *document = TAKE_PTR(writer->next);
    struct ng_error fault = {0};
    writer->begun_s = now().tv_sec;
    pthread_mutex_unlock(&writer->mutex);
    (void)!ng_records_write(document, &fault);
    free(document);
    pthread_mutex_lock(&writer->mutex);
    writer->begun_s = 0;
    writer->fault = fault;
}

static void *run(void *context) {
    struct ng_records_writer *writer = context;
    pthread_mutex_lock(&writer->mutex);
    while (true) {
        while (!writer->next && !writer->ends)
            pthread_cond_wait(&writer->changed, &writer->mutex);
        if (!writer->next)
            break;
        write_next(writer);
    }
    writer->ended = true;
    const bool alone = writer->alone;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->mutex);
    if (alone)
        destroy(writer);
    return NULL;
}

/* -------------------------------------------------------------------------------------- */

/* NULL: out of memory. */
static char *document_of(const struct ng_life *life) {
    char *document = NULL;
    size_t len;
    FILE *out = open_memstream(&document, &len);
    if (!out)
        return NULL;
    ng_records_put(out, life);
    const bool failed = ferror(out);
    if (fclose(out) == 0 && !failed)
        return document;
    free(document);
    return NULL;
}

void ng_records_writer_put(struct ng_records_writer *writer, const struct ng_life *life) {
    char *document = document_of(life), *older = NULL;
    pthread_mutex_lock(&writer->mutex);
    if (document) {
        older = writer->next;
        writer->next = document;
        pthread_cond_signal(&writer->changed);
    } else {
        writer->fault = (struct ng_error){0};
        ng_error_set(&writer->fault, -ENOMEM, SOURCE, "cannot be written: out of memory");
    }
    pthread_mutex_unlock(&writer->mutex);
    free(older);
}

void ng_records_writer_fault(struct ng_records_writer *writer, struct ng_error *ret_fault) {
    struct ng_error slow = {0};
    ng_error_set(&slow, -ETIMEDOUT, SOURCE, "is not written yet: its disk is slow, or hangs");
    pthread_mutex_lock(&writer->mutex);
    const bool is_slow = writer->begun_s && now().tv_sec - writer->begun_s > SLOW_S;
    *ret_fault = is_slow ? slow : writer->fault;
    pthread_mutex_unlock(&writer->mutex);
}

int ng_records_writer_new(struct ng_records_writer **ret_writer, struct ng_error *error) {
    struct ng_records_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->changed, NULL);
    int r = pthread_create(&writer->thread, NULL, run, writer);
    if (r != 0) {
        destroy(writer);
        return ng_error_set(error, -r, SOURCE, "cannot begin a thread: %s", strerror(r));
    }
    *ret_writer = writer;
    return 0;
}

/* A disk that blocks the thread for longer keeps it: fsync() cannot be called off. What it works on
 * is its own then. */
void ng_records_writer_free(struct ng_records_writer *writer) {
    if (!writer)
        return;
    struct timespec until = now();
    until.tv_sec += LAST_S;
    pthread_mutex_lock(&writer->mutex);
    writer->ends = true;
    pthread_cond_signal(&writer->changed);
    for (int r = 0; !writer->ended && r == 0;)
        r = pthread_cond_clockwait(&writer->changed, &writer->mutex, CLOCK_MONOTONIC, &until);
    const bool alone = writer->alone = !writer->ended;
    if (alone)
        pthread_detach(writer->thread);
    pthread_mutex_unlock(&writer->mutex);
    if (alone)
        return;
    pthread_join(writer->thread, NULL);
    destroy(writer);
}
