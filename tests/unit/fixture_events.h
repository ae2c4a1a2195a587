/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TEST_FIXTURE_EVENTS_H
#define NETGUARD_TEST_FIXTURE_EVENTS_H

/* What an engine's events are called where they are told. */

#include "agent/observe/docker_events_codec.h"

static const char *const event_words[] = {
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

#endif
