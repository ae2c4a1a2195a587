/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TEST_FIXTURE_HOST_H
#define NETGUARD_TEST_FIXTURE_HOST_H

/* A host with an engine and its containers, judged; what came out, in words. */

#include "tests/unit/fixture_policy.h"
#include "tests/unit/fixture_world.h"

#include "netguard/judge.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* -- a host with an engine --------------------------------------------------------------------- */

struct host {
    struct lab *lab;
    struct ng_engine engine;
    struct ng_network network;
    struct ng_container containers[8];
    struct ng_endpoint endpoints[8];
    struct ng_published published[32];
    size_t n_published;
    struct ng_listener listeners[8];
    uint32_t nat, forward, input;
    struct ng_policy *policy;
    struct ng_result *result;
    bool shows_direct;
};

static inline struct host *host_new(const char *policy) {
    struct host *host = calloc(1, sizeof(*host));
    assert_non_null(host);
    host->lab = lab_new();
    host->network =
        (struct ng_network){.id = "", .name = "bridge", .driver = "bridge", .bridge = "docker0"};
    host->engine = (struct ng_engine){.endpoint = "unix:///var/run/docker.sock",
                                      .version = "26.1.5",
                                      .api_version = "1.45",
                                      .name = "lab",
                                      .containers = host->containers,
                                      .networks = &host->network,
                                      .n_networks = 1};
    host->lab->world.engines = &host->engine;
    host->lab->world.n_engines = 1;
    host->lab->world.listeners = host->listeners;
    host->nat = nat_chain(host->lab, NG_HOOK_PREROUTING, -100, false);
    host->forward = filter_chain(host->lab, NG_HOOK_FORWARD, 0, true);
    host->input = filter_chain(host->lab, NG_HOOK_INPUT, 0, false);
    host->policy = parse_good(policy);
    return host;
}

static inline void host_free(struct host **host) {
    ng_result_free((*host)->result);
    ng_policy_free((*host)->policy);
    lab_free((*host)->lab);
    free(*host);
}

#define _host_ _cleanup_(host_free) struct host *

/* Containers are added in the order of their names. */
static inline struct ng_container *add_container(struct host *host, const char *id,
                                                 const char *name) {
    size_t n = host->engine.n_containers++;
    char own[NG_ADDR_TEXT];
    snprintf(own, sizeof(own), "172.17.0.%zu", n + 2);
    host->endpoints[n] =
        (struct ng_endpoint){.network = "bridge", .network_id = "", .addr4 = addr(own)};
    host->containers[n] = (struct ng_container){.id = id,
                                                .name = name,
                                                .image = "image:1",
                                                .network_mode = "default",
                                                .endpoints = &host->endpoints[n],
                                                .n_endpoints = 1,
                                                .published = &host->published[host->n_published]};
    return &host->containers[n];
}

/* As the engine does: a port of the container added last, DNAT and a way through forward. */
static inline void publish(struct host *host, const char *host_addr, uint16_t host_port,
                           uint16_t container_port) {
    struct ng_container *container = &host->containers[host->engine.n_containers - 1];
    char own[NG_ADDR_TEXT];
    ng_addr_text(container->endpoints[0].addr4, own);
    host->published[host->n_published++] = (struct ng_published){.host_addr = addr(host_addr),
                                                                 .host_port = host_port,
                                                                 .container_port = container_port,
                                                                 .proto = NG_TCP};
    container->n_published++;
    if (strcmp(host_addr, "0.0.0.0") == 0)
        RULE(host->lab, host->nat, dport(host->lab, host_port),
             dnat(host->lab, own, container_port));
    else
        RULE(host->lab, host->nat, to(host->lab, host_addr), dport(host->lab, host_port),
             dnat(host->lab, own, container_port));
    RULE(host->lab, host->forward, to(host->lab, own), dport(host->lab, container_port), ACCEPT);
}

static inline void listen_on(struct host *host, const char *own, uint16_t port, const char *process,
                             const char *container_id) {
    host->listeners[host->lab->world.n_listeners++] = (struct ng_listener){
        .addr = addr(own),
        .port = port,
        .proto = NG_TCP,
        .process = process,
        .container_id = container_id,
    };
}

static inline const struct ng_result *judge(struct host *host) {
    struct ng_error error = {0};
    ng_result_freep(&host->result);
    assert_int_equal(
        ng_judge(&host->lab->world, lab_ruleset(host->lab), host->policy, &host->result, &error),
        0);
    return host->result;
}

/* -- in words -------------------------------------------------------------------------------- */

/* Where packets may be forwarded to a container, it is open at its own address, too: told only
 * where that is what the test is about. */
static inline bool is_shown(const struct host *host, const struct ng_exposure *exposure) {
    return host->shows_direct || exposure->kind != NG_KIND_DIRECT;
}

/* "published tcp 0.0.0.0:8080 web:80 dnat [public eth0 reachable all]…", a line each. */
static inline const char *exposures_text(struct host *host) {
    const struct ng_result *result = judge(host);
    struct ng_arena *arena = host->lab->arena;
    const char *text = "";
    for (size_t i = 0; i < result->n_exposures; i++) {
        const struct ng_exposure *exposure = &result->exposures[i];
        char own[NG_ADDR_TEXT];
        bool at_home = exposure->kind == NG_KIND_DIRECT || exposure->kind == NG_KIND_L2;
        struct ng_addr addr = at_home ? exposure->container_addr : exposure->host_addr;
        if (!is_shown(host, exposure))
            continue;
        text = ng_arena_printf(arena, "%s%s %s %s:%u", text, ng_kind_text(exposure->kind),
                               ng_proto_text(exposure->proto), ng_addr_text(addr, own),
                               exposure->host_port);
        if (exposure->role)
            text = ng_arena_printf(arena, "%s %s%s", text, ng_role_text(exposure->role),
                                   exposure->unverified ? " unverified" : "");
        if (exposure->container)
            text = ng_arena_printf(arena, "%s %s:%u", text, exposure->container->name,
                                   exposure->container_port);
        for (unsigned bit = 1; bit <= NG_PATH_L2; bit <<= 1)
            if (exposure->paths & bit)
                text = ng_arena_printf(arena, "%s %s", text, ng_path_text(bit));
        for (size_t k = 0; k < exposure->n_reach; k++) {
            const struct ng_reach *reach = &exposure->reach[k];
            text = ng_arena_printf(arena, "%s [%s %s %s %s%s%s]", text, reach->zone,
                                   reach->interface, ng_reach_verdict_text(reach->verdict),
                                   addrs_text(host->lab, reach->sources, exposure->family),
                                   reach->maybe.count ? " maybe " : "",
                                   addrs_text(host->lab, reach->maybe, exposure->family));
        }
        text = ng_arena_printf(arena, "%s\n", text);
    }
    return text;
}

/* "NG001 no-stores critical block open redis:16379 public", a line each. */
static inline const char *findings_text(struct host *host) {
    const struct ng_result *result = judge(host);
    struct ng_arena *arena = host->lab->arena;
    const char *text = "";
    for (size_t i = 0; i < result->n_findings; i++) {
        const struct ng_finding *finding = &result->findings[i];
        text = ng_arena_printf(arena, "%s%s %s %s %s %s %s:%u", text, finding->id, finding->rule,
                               ng_severity_text(finding->severity), ng_action_text(finding->action),
                               ng_finding_state_text(finding->state), finding->subject,
                               finding->exposure->host_port);
        for (size_t k = 0; k < finding->zones.count; k++)
            text = ng_arena_printf(arena, "%s%s%s", text, k ? "," : " ", finding->zones.items[k]);
        text = ng_arena_printf(arena, "%s\n", text);
    }
    return text;
}

#define QUIET "version: 1\ndefault: allow\n"

#endif
