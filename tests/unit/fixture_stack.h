/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TEST_FIXTURE_STACK_H
#define NETGUARD_TEST_FIXTURE_STACK_H

/* A stack of three tiers on two networks, with Docker's rules for it, and what a segregation of
 * the two has to say. On the host of fixture_world.h stand beside docker0:
 *
 *   br-front (172.18.0.1/16, fd18::1/64)  web .2, app .3, gateway .9
 *   br-back  (172.19.0.1/16, fd19::1/64)  db .2, cache .3, gateway .9
 *   br-tools (172.20.0.1/16)              nobody
 *
 * A container's IPv6 address ends like its IPv4 address. Everything is changed before it is
 * judged. */

#include "tests/unit/fixture_policy.h"
#include "tests/unit/fixture_world.h"

#include "netguard/catalog.h"
#include "netguard/judge.h"

enum { BR_FRONT = DOCKER0 + 1, BR_BACK, BR_TOOLS };
enum { FRONTEND, BACKEND, TOOLS, HOSTS, STACK_NETWORKS };

struct stack {
    struct lab *lab;
    struct ng_engine engine;
    struct ng_network networks[STACK_NETWORKS + 2];
    struct ng_container containers[12];
    struct ng_endpoint endpoints[12][4];
    struct ng_published published[8];
    struct ng_listener listeners[8];
    size_t n_published;
    struct ng_segregation segregation;
    struct ng_policy *policy;
    struct ng_result *result;
    /* Docker's chains, [family == NG_IP6]; user: DOCKER-USER. */
    uint32_t nat[2], filter[2], user[2], docker[2], isolation[2];
};

static inline const char *stack_id(struct stack *stack, size_t number) {
    return ng_arena_printf(stack->lab->arena, "%064zx", number + 1);
}

/* -- networks and containers ----------------------------------------------------------- */

static inline void stack_bridge(struct stack *stack, const char *name, const char *addr4,
                                const char *addr6, bool calls) {
    struct ng_link *link = lab_link(stack->lab, name, "bridge");
    link->bridge_calls4 = link->bridge_calls6 = calls;
    lab_addr(stack->lab, link->index, addr4, 16);
    if (addr6)
        lab_addr(stack->lab, link->index, addr6, 64);
}

static inline struct ng_network *stack_network(struct stack *stack, const char *name,
                                               const char *driver, const char *bridge) {
    size_t n = stack->engine.n_networks++;
    stack->networks[n] =
        (struct ng_network){.id = "", .name = name, .driver = driver, .bridge = bridge};
    return &stack->networks[n];
}

static inline struct ng_container *stack_container(struct stack *stack, const char *name) {
    size_t n = stack->engine.n_containers++;
    assert_true(n < ARRAY_SIZE(stack->containers));
    stack->containers[n] = (struct ng_container){.id = stack_id(stack, n),
                                                 .name = name,
                                                 .image = "image:1",
                                                 .network_mode = "default",
                                                 .endpoints = stack->endpoints[n]};
    return &stack->containers[n];
}

static inline struct ng_container *stack_find(struct stack *stack, const char *name) {
    for (size_t i = 0; i < stack->engine.n_containers; i++)
        if (strcmp(stack->containers[i].name, name) == 0)
            return &stack->containers[i];
    fail_msg("no container %s", name);
    return NULL;
}

static inline void stack_join(struct stack *stack, const char *name, const char *network,
                              const char *addr4, const char *addr6) {
    struct ng_container *container = stack_find(stack, name);
    size_t n = (size_t)(container - stack->containers);
    assert_true(container->n_endpoints < ARRAY_SIZE(stack->endpoints[n]));
    struct ng_endpoint *own = &stack->endpoints[n][container->n_endpoints++];
    *own = (struct ng_endpoint){.network = network, .network_id = ""};
    if (addr4)
        own->addr4 = addr(addr4);
    if (addr6)
        own->addr6 = addr(addr6);
}

static inline void stack_expose(struct stack *stack, const char *name, uint16_t port) {
    struct ng_container *container = stack_find(stack, name);
    struct ng_port *own = lab_alloc(stack->lab, 1, sizeof(*own));
    *own = (struct ng_port){port, NG_TCP};
    container->exposed = own;
    container->n_exposed = 1;
}

static inline void stack_listen(struct stack *stack, const char *own, uint16_t port,
                                const char *process, const char *container) {
    stack->listeners[stack->lab->world.n_listeners++] = (struct ng_listener){
        .addr = addr(own),
        .port = port,
        .proto = NG_TCP,
        .v6only = true,
        .process = process,
        .container_id = container ? stack_find(stack, container)->id : NULL,
    };
}

/* -- Docker's rules -------------------------------------------------------------------- */

static inline struct ng_op by(struct stack *stack, enum ng_field field, const char *bridge) {
    return named(stack->lab, field, bridge);
}

static inline struct ng_op tcp(struct stack *stack) {
    return is(stack->lab, NG_FIELD_L4PROTO, NG_TCP);
}

static const char *const stack_bridges[] = {"docker0", "br-front", "br-back", "br-tools"};

/* Of 20 to 27; per bridge what lets through what it publishes, and what goes out. */
static inline void stack_forward(struct stack *stack, unsigned ip6, uint32_t forward) {
    struct lab *lab = stack->lab;
    uint32_t stage2 = chain(lab, stack->filter[ip6], "DOCKER-ISOLATION-STAGE-2");
    RULE(lab, forward, JUMP(stack->user[ip6]));
    RULE(lab, forward, JUMP(stack->isolation[ip6]));
    for (size_t i = 0; i < ARRAY_SIZE(stack_bridges); i++) {
        const char *bridge = stack_bridges[i];
        struct ng_op in = by(stack, NG_FIELD_IIFNAME, bridge),
                     out = by(stack, NG_FIELD_OIFNAME, bridge),
                     elsewhere = not(by(stack, NG_FIELD_OIFNAME, bridge));
        RULE(lab, stack->isolation[ip6], in, elsewhere, JUMP(stage2));
        RULE(lab, stage2, out, DROP);
        RULE(lab, forward, out, JUMP(stack->docker[ip6]));
        RULE(lab, forward, in, elsewhere, ACCEPT);
        if (strcmp(bridge, "br-tools") == 0)
            RULE(lab, forward, in, out, DROP); /* no ICC */
        else
            RULE(lab, forward, in, out, ACCEPT);
    }
}

static inline void stack_rules(struct stack *stack, unsigned ip6) {
    struct lab *lab = stack->lab;
    enum ng_table_family family = ip6 ? NG_TABLE_IP6 : NG_TABLE_IP;
    uint32_t nat = table(lab, family, "nat"), filter = table(lab, family, "filter");
    uint32_t prerouting =
        base_chain(lab, nat, "PREROUTING", NG_HOOK_PREROUTING, NG_CHAIN_NAT, -100, false);
    uint32_t forward =
        base_chain(lab, filter, "FORWARD", NG_HOOK_FORWARD, NG_CHAIN_FILTER, 0, true);
    stack->filter[ip6] = filter;
    stack->nat[ip6] = chain(lab, nat, "DOCKER");
    stack->user[ip6] = chain(lab, filter, "DOCKER-USER");
    stack->docker[ip6] = chain(lab, filter, "DOCKER");
    stack->isolation[ip6] = chain(lab, filter, "DOCKER-ISOLATION-STAGE-1");
    RULE(lab, prerouting, fib_type(lab, NG_FIB_DADDR, NG_ROUTE_LOCAL), JUMP(stack->nat[ip6]));
    for (size_t i = 0; i < ARRAY_SIZE(stack_bridges); i++)
        RULE(lab, stack->nat[ip6], by(stack, NG_FIELD_IIFNAME, stack_bridges[i]), RETURN);
    stack_forward(stack, ip6, forward);
}

/* As the engine does it: DNAT for who comes by no bridge of its own, a way through forward, and a
 * proxy for the others. */
static inline void stack_publish(struct stack *stack, const char *name, uint16_t host_port,
                                 uint16_t port, bool proxy) {
    struct ng_container *container = stack_find(stack, name);
    char own[NG_ADDR_TEXT];
    ng_addr_text(container->endpoints[0].addr4, own);
    stack->published[stack->n_published] = (struct ng_published){.host_addr = addr("0.0.0.0"),
                                                                 .host_port = host_port,
                                                                 .container_port = port,
                                                                 .proto = NG_TCP};
    container->published = &stack->published[stack->n_published++];
    container->n_published = 1;
    RULE(stack->lab, stack->nat[0], tcp(stack), dport(stack->lab, host_port),
         dnat(stack->lab, own, port));
    RULE(stack->lab, stack->docker[0], to(stack->lab, own), tcp(stack), dport(stack->lab, port),
         ACCEPT);
    stack_listen(stack, "0.0.0.0", host_port, proxy ? "docker-proxy" : "dockerd", NULL);
}

/* -- the stack ------------------------------------------------------------------------- */

static inline struct stack *stack_new(void) {
    static const char *const sides[] = {"frontend", "backend"};
    struct stack *stack = calloc(1, sizeof(*stack));
    assert_non_null(stack);
    stack->lab = lab_new();
    stack->engine = (struct ng_engine){.endpoint = "unix:///var/run/docker.sock",
                                       .version = "20.10.24",
                                       .api_version = "1.41",
                                       .name = "lab",
                                       .containers = stack->containers,
                                       .networks = stack->networks};
    stack->lab->world.engines = &stack->engine;
    stack->lab->world.n_engines = 1;
    stack->lab->world.listeners = stack->listeners;
    stack_bridge(stack, "br-front", "172.18.0.1", "fd18::1", true);
    stack_bridge(stack, "br-back", "172.19.0.1", "fd19::1", true);
    stack_bridge(stack, "br-tools", "172.20.0.1", NULL, true);
    stack_network(stack, "frontend", "bridge", "br-front");
    stack_network(stack, "backend", "bridge", "br-back");
    stack_network(stack, "tools", "bridge", "br-tools");
    stack_network(stack, "host", "host", NULL);
    static const struct {
        const char *name, *network, *addr4, *addr6;
        uint16_t port;
    } members[] = {
        {"app", "frontend", "172.18.0.3", "fd18::3", 8080},
        {"cache", "backend", "172.19.0.3", "fd19::3", 6379},
        {"db", "backend", "172.19.0.2", "fd19::2", 5432},
        {"gateway", "frontend", "172.18.0.9", "fd18::9", 443},
        {"web", "frontend", "172.18.0.2", "fd18::2", 80},
    };
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        stack_container(stack, members[i].name);
        stack_join(stack, members[i].name, members[i].network, members[i].addr4, members[i].addr6);
        stack_expose(stack, members[i].name, members[i].port);
    }
    stack_join(stack, "gateway", "backend", "172.19.0.9", "fd19::9");
    stack_rules(stack, 0);
    stack_rules(stack, 1);

    static const char *const gateway[] = {"gateway"};
    static const struct ng_selector gateways = {.name = {gateway, 1}};
    stack->segregation = (struct ng_segregation){.id = "tiers",
                                                 .apart = {sides, 2},
                                                 .gateways = &gateways,
                                                 .n_gateways = 1,
                                                 .unpublished = {&sides[1], 1},
                                                 .severity = NG_HIGH};
    stack->policy = parse_good("version: 1\ndefault: allow\n");
    stack->policy->segregations = &stack->segregation;
    stack->policy->n_segregations = 1;
    return stack;
}

static inline void stack_free(struct stack **stack) {
    ng_result_free((*stack)->result);
    ng_policy_free((*stack)->policy);
    lab_free((*stack)->lab);
    free(*stack);
}

#define _stack_ _cleanup_(stack_free) struct stack *

/* -- in words -------------------------------------------------------------------------- */

static inline const struct ng_result *stack_judge(struct stack *stack) {
    struct ng_error error = {0};
    ng_result_freep(&stack->result);
    assert_int_equal(ng_judge(&stack->lab->world, lab_ruleset(stack->lab), stack->policy,
                              &stack->result, &error),
                     0);
    return stack->result;
}

/* "NG022 frontend -> db reachable", a line each. */
static inline const char *stack_findings(struct stack *stack) {
    const struct ng_result *result = stack_judge(stack);
    const char *text = "";
    for (size_t i = 0; i < result->n_findings; i++)
        text = ng_arena_printf(stack->lab->arena, "%s%s %s %s\n", text, result->findings[i].id,
                               result->findings[i].about,
                               ng_reach_verdict_text(result->findings[i].verdict));
    return text;
}

static inline const struct ng_finding *stack_finding(struct stack *stack, const char *about) {
    for (size_t i = 0; i < stack->result->n_findings; i++)
        if (strcmp(stack->result->findings[i].about, about) == 0)
            return &stack->result->findings[i];
    fail_msg("no finding about %s", about);
    return NULL;
}

/* The hops of the way, one after the other with "; " in between. */
static inline const char *stack_path(struct stack *stack, const char *about) {
    const struct ng_finding *finding = stack_finding(stack, about);
    const char *text = "";
    for (size_t i = 0; i < finding->path.count; i++)
        text = ng_arena_printf(stack->lab->arena, "%s%s%s", text, i ? "; " : "",
                               finding->path.items[i]);
    return text;
}

#endif
