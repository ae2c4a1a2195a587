/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/refresh.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SOURCE "refresh"

enum {
    AGAIN_US = 1000 * 1000, /* after one that failed */
    ACCURACY_US = 1000,
};

struct ng_refresh {
    struct ng_refresh_listener listener;
    sd_event *loop;
    sd_event_source *timer, *source;
    bool wanted; /* another one, at `due_us` */
    uint64_t due_us, begun_us;

    int ended_fd; /* readable once the thread is at its end */
    pthread_t thread;
    bool runs;
    /* The thread's, as long as it runs: */
    struct ng_view *view;
    struct ng_observe_options where;
    struct ng_error error;
    int result;
};

/* -- the thread ------------------------------------------------------------------------ */

static void *run(void *context) {
    struct ng_refresh *refresh = context;
    const uint64_t one = 1;
    refresh->result = ng_view_look(refresh->view, &refresh->where, &refresh->error);
    (void)!write(refresh->ended_fd, &one, sizeof(one));
    return NULL;
}

static int begin(struct ng_refresh *refresh) {
    struct ng_law *law = refresh->listener.begins(&refresh->where, refresh->listener.context);
    refresh->view = ng_view_new(law);
    if (!refresh->view)
        return -ENOMEM;
    int r = pthread_create(&refresh->thread, NULL, run, refresh);
    if (r != 0) {
        ng_view_free(TAKE_PTR(refresh->view));
        return -r;
    }
    refresh->runs = true;
    return 0;
}

static struct ng_view *wait_for_it(struct ng_refresh *refresh) {
    (void)pthread_join(refresh->thread, NULL);
    refresh->runs = false;
    return TAKE_PTR(refresh->view);
}

/* -- when ------------------------------------------------------------------------------ */

static void set_timer(struct ng_refresh *refresh) {
    if (!refresh->wanted || refresh->runs)
        return;
    (void)sd_event_source_set_time(refresh->timer, refresh->due_us);
    (void)sd_event_source_set_enabled(refresh->timer, SD_EVENT_ONESHOT);
}

static void want_at(struct ng_refresh *refresh, uint64_t due_us) {
    if (refresh->wanted && refresh->due_us <= due_us)
        return;
    refresh->wanted = true;
    refresh->due_us = due_us;
    set_timer(refresh);
}

void ng_refresh_want(struct ng_refresh *refresh, uint64_t apart_us) {
    want_at(refresh, refresh->begun_us + apart_us);
}

void ng_refresh_want_in(struct ng_refresh *refresh, uint64_t in_us) {
    uint64_t now_us = 0;
    (void)sd_event_now(refresh->loop, CLOCK_MONOTONIC, &now_us);
    want_at(refresh, now_us + in_us);
}

static int on_timer(sd_event_source *source, uint64_t time_us, void *context) {
    struct ng_refresh *refresh = context;
    (void)source, (void)time_us;
    if (refresh->runs)
        return 0;
    refresh->wanted = false;
    refresh->error = (struct ng_error){0};
    (void)sd_event_now(refresh->loop, CLOCK_MONOTONIC, &refresh->begun_us);
    int r = begin(refresh);
    if (r < 0) {
        ng_error_set(&refresh->error, r, SOURCE, "cannot be begun: %s", strerror(-r));
        ng_refresh_want(refresh, AGAIN_US);
        refresh->listener.done(NULL, &refresh->error, refresh->listener.context);
    }
    return 0;
}

static int on_ended(sd_event_source *source, int fd, uint32_t ready, void *context) {
    struct ng_refresh *refresh = context;
    uint64_t count;
    (void)source, (void)ready;
    if (read(fd, &count, sizeof(count)) < 0 || !refresh->runs)
        return 0;
    _cleanup_(ng_view_freep) struct ng_view *view = wait_for_it(refresh);
    if (refresh->result < 0)
        ng_refresh_want(refresh, AGAIN_US);
    set_timer(refresh);
    refresh->listener.done(refresh->result < 0 ? NULL : TAKE_PTR(view), &refresh->error,
                           refresh->listener.context);
    return 0;
}

/* -------------------------------------------------------------------------------------- */

static int prepare(struct ng_refresh *refresh) {
    refresh->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (refresh->ended_fd < 0)
        return -errno;
    int r = sd_event_add_io(refresh->loop, &refresh->source, refresh->ended_fd, EPOLLIN, on_ended,
                            refresh);
    /* A change that was told of before it ended is followed first: then both know of it. */
    if (r >= 0)
        r = sd_event_source_set_priority(refresh->source, SD_EVENT_PRIORITY_NORMAL + 1);
    if (r >= 0)
        r = sd_event_add_time(refresh->loop, &refresh->timer, CLOCK_MONOTONIC, 0, ACCURACY_US,
                              on_timer, refresh);
    if (r >= 0)
        r = sd_event_source_set_enabled(refresh->timer, SD_EVENT_OFF);
    return r < 0 ? r : 0;
}

int ng_refresh_new(sd_event *loop, const struct ng_refresh_listener *listener,
                   struct ng_refresh **ret_refresh, struct ng_error *error) {
    struct ng_refresh *refresh = calloc(1, sizeof(*refresh));
    if (!refresh)
        return ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    refresh->listener = *listener;
    refresh->loop = sd_event_ref(loop);
    int r = prepare(refresh);
    if (r < 0) {
        ng_refresh_free(refresh);
        return ng_error_set(error, r, SOURCE, "cannot be prepared: %s", strerror(-r));
    }
    *ret_refresh = refresh;
    return 0;
}

void ng_refresh_free(struct ng_refresh *refresh) {
    if (!refresh)
        return;
    if (refresh->runs)
        ng_view_free(wait_for_it(refresh));
    sd_event_source_disable_unref(refresh->source);
    sd_event_source_disable_unref(refresh->timer);
    sd_event_unref(refresh->loop);
    if (refresh->ended_fd >= 0)
        close(refresh->ended_fd);
    free(refresh);
}
