/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TESTS_FIXTURE_LIFE_H
#define NETGUARD_TESTS_FIXTURE_LIFE_H

/* What is found at one look, made by hand, and the life of findings over several. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netguard/life.h"

enum {
    LOOK_FINDINGS = 8,
};

/* At a port; by default a critical one that everybody reaches, of the container "redis". */
struct found {
    uint16_t port;
    const char *name; /* "": the machine's own */
    bool direct;      /* at the container's own address */
    bool unidentified;
    const char *id, *service; /* of the container */
    const char *engine;       /* its endpoint; default: "unix:///one" */
    const char *address;
    enum ng_finding_state state;
    enum ng_severity severity;
    enum ng_reach_verdict verdict; /* of an open one */
    const char *zones[3];
    const char *message;
};

struct look {
    struct ng_container containers[LOOK_FINDINGS];
    struct ng_engine engines[LOOK_FINDINGS]; /* with one container each */
    struct ng_world world;
    struct ng_reach reaches[LOOK_FINDINGS][3];
    struct ng_exposure exposures[LOOK_FINDINGS];
    struct ng_finding findings[LOOK_FINDINGS];
    const char *zones[LOOK_FINDINGS][3];
    struct ng_result result;
};

static inline void look_add(struct look *look, struct found found) {
    const size_t i = look->result.n_findings++;
    struct ng_exposure *exposure = &look->exposures[i];
    struct ng_finding *finding = &look->findings[i];
    const char *name = found.name ? found.name : "redis";
    assert_in_range(i, 0, LOOK_FINDINGS - 1);
    look->containers[i] = (struct ng_container){.id = found.id ? found.id : "aa",
                                                .name = name,
                                                .image = "image:1",
                                                .service = found.service};
    look->engines[i] = (struct ng_engine){
        .endpoint = found.engine ? found.engine : "unix:///one",
        .n_containers = 1,
    };
    *exposure = (struct ng_exposure){
        .kind = !*name         ? NG_KIND_HOST
                : found.direct ? NG_KIND_DIRECT
                               : NG_KIND_PUBLISHED,
        .family = NG_IP4,
        .proto = NG_TCP,
        .host_port = found.port,
        .unidentified = found.unidentified,
        .container = *name ? &look->containers[i] : NULL,
        .container_port = *name ? found.port : 0,
        .reach = look->reaches[i],
    };
    if (found.address)
        assert_int_equal(ng_addr_parse(found.address, &exposure->host_addr), 0);
    *finding = (struct ng_finding){
        .id = *name ? "NG001" : "NG003",
        .rule = "no-stores",
        .severity = found.severity ? found.severity : NG_CRITICAL,
        .action = NG_ALERT,
        .state = found.state,
        .exposure = exposure,
        .container = exposure->container,
        .subject = *name ? name : "sshd",
        .message = found.message ? found.message : "it is open",
        .fix = "close it",
    };
    /* As the judge makes it: of what is exposed, and never of a container's id. */
    snprintf(finding->key, sizeof(finding->key), "%08x%08x", found.port,
             (unsigned)exposure->host_addr.value);
    if (!found.zones[0])
        found.zones[0] = "public";
    for (size_t k = 0; k < 3 && found.zones[k]; k++) {
        look->zones[i][k] = found.zones[k];
        look->reaches[i][k] = (struct ng_reach){
            .zone = found.zones[k],
            .interface = "eth0",
            .verdict = found.state == NG_STATE_BLOCKED ? NG_BLOCKED : found.verdict,
        };
        finding->zones.count = exposure->n_reach = k + 1;
    }
    finding->zones.items = look->zones[i];
    look->result.findings = look->findings;
}

/* -- over time --------------------------------------------------------------------------- */

struct story {
    struct ng_arena *arena;
    struct ng_life life;
    struct ng_news *news;
    size_t n_news;
    int64_t next_s;
    struct ng_life_options options;
    char text[1024];
};

#define _story_ _cleanup_(story_free) struct story

static inline struct story story_new(void) {
    return (struct story){
        .arena = ng_arena_new(),
        .options = {.now_s = 1000, .host_seen = true, .containers_seen = true},
    };
}

static inline void story_free(struct story *story) {
    ng_arena_free(story->arena);
}

/* What has become news: "opened redis:6379 since 1000\n"; what it was made from is gone then. */
static inline const char *story_look(struct story *story, struct look look) {
    struct look *alone = malloc(sizeof(*alone));
    struct ng_arena *arena = ng_arena_new();
    size_t used = 0;
    assert_true(alone && arena);
    *alone = (struct look){0};
    for (size_t i = 0; i < look.result.n_findings; i++) {
        alone->containers[i] = look.containers[i];
        alone->engines[i] = look.engines[i];
        alone->engines[i].containers = &alone->containers[i];
        memcpy(alone->reaches[i], look.reaches[i], sizeof(look.reaches[i]));
        memcpy(alone->zones[i], look.zones[i], sizeof(look.zones[i]));
        alone->exposures[i] = look.exposures[i];
        alone->exposures[i].reach = alone->reaches[i];
        if (look.exposures[i].container)
            alone->exposures[i].container = &alone->containers[i];
        alone->findings[i] = look.findings[i];
        alone->findings[i].exposure = &alone->exposures[i];
        alone->findings[i].container = alone->exposures[i].container;
        alone->findings[i].zones.items = alone->zones[i];
    }
    alone->result = (struct ng_result){
        .world = &alone->world, .findings = alone->findings, .n_findings = look.result.n_findings};
    alone->world =
        (struct ng_world){.engines = alone->engines, .n_engines = look.result.n_findings};
    assert_int_equal(ng_life_advance(&story->life, &alone->result, &story->options, arena,
                                     &story->life, &story->news, &story->n_news, &story->next_s),
                     0);
    free(alone);
    ng_arena_free(story->arena);
    story->arena = arena;
    story->text[0] = '\0';
    for (size_t i = 0; i < story->n_news; i++) {
        const struct ng_record *record = &story->news[i].record;
        used += (size_t)snprintf(story->text + used, sizeof(story->text) - used,
                                 "%s %s:%u since %lld\n", ng_change_text(story->news[i].change),
                                 record->subject, record->host_port, (long long)record->since_s);
        assert_in_range(used, 0, sizeof(story->text) - 1);
    }
    return story->text;
}

#endif
