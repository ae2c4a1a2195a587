/* SPDX-License-Identifier: GPL-2.0-or-later */
/* follow_events ENDPOINT   what is told of an engine's events, a line each, until it is ended */
#include "agent/observe/docker_events.h"
#include "tests/unit/fixture_events.h"

#include <stdio.h>

static void connected(void *context) {
    (void)context;
    printf("connected\n");
}

static void changed(const struct ng_docker_event *event, void *context) {
    (void)context;
    printf("%s %s %s %s\n", event_words[event->kind], event->name, event->id, event->container);
}

static void lost(int code, const struct ng_error *why, void *context) {
    (void)context;
    printf("lost %d %s: %s\n", -code, why->source, why->message);
}

int main(int argc, char **argv) {
    static const struct ng_docker_listener listener = {connected, changed, lost, NULL};
    _cleanup_(ng_docker_events_freep) struct ng_docker_events *events = NULL;
    struct ng_error error = {0};
    sd_event *loop = NULL;
    if (argc != 2 || sd_event_new(&loop) < 0)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (ng_docker_events_new(loop, argv[1], &listener, &events, &error) < 0) {
        fprintf(stderr, "%s: %s\n", error.source, error.message);
        return 1;
    }
    sd_event_loop(loop);
    return 1;
}
