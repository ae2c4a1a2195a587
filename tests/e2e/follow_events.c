/* SPDX-License-Identifier: GPL-2.0-or-later */
/* follow_events ENDPOINT   what is told of an engine's events, a line each, until it is ended */
#include "agent/observe/docker_events.h"

#include <stdio.h>

static void connected(void *context) {
    (void)context;
    printf("connected\n");
}

static void changed(const struct ng_docker_event *event, void *context) {
    static const char *const kinds[] = {
        [NG_DOCKER_EVENT_UNCLEAR] = "unclear",
        [NG_DOCKER_EVENT_CONTAINER_CREATE] = "container create",
        [NG_DOCKER_EVENT_CONTAINER_START] = "container start",
        [NG_DOCKER_EVENT_CONTAINER_DIE] = "container die",
        [NG_DOCKER_EVENT_CONTAINER_DESTROY] = "container destroy",
        [NG_DOCKER_EVENT_CONTAINER_RENAME] = "container rename",
        [NG_DOCKER_EVENT_CONTAINER_UPDATE] = "container update",
        [NG_DOCKER_EVENT_NETWORK_CREATE] = "network create",
        [NG_DOCKER_EVENT_NETWORK_CONNECT] = "network connect",
        [NG_DOCKER_EVENT_NETWORK_DISCONNECT] = "network disconnect",
        [NG_DOCKER_EVENT_NETWORK_UPDATE] = "network update",
        [NG_DOCKER_EVENT_NETWORK_DESTROY] = "network destroy",
        [NG_DOCKER_EVENT_SERVICE] = "service",
        [NG_DOCKER_EVENT_NODE] = "node",
        [NG_DOCKER_EVENT_RELOAD] = "reload",
    };
    (void)context;
    printf("%s %s %s %s\n", kinds[event->kind], event->name, event->id, event->container);
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
