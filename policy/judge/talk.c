/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What links between containers come to. On most networks everybody reaches everybody, and a link
 * is a name; where a network has no ICC, links are what opens it. */

static const struct ng_container *find_named(const struct ng_engine *engine, const char *name) {
    for (size_t i = 0; i < engine->n_containers; i++)
        if (strcmp(engine->containers[i].name, name) == 0)
            return &engine->containers[i];
    return NULL;
}

/* Where two containers meet. */
struct meeting {
    const struct ng_network *network;
    const struct ng_endpoint *from, *to;
};

/* The next after `*at`, which counts pairs of their endpoints. */
static bool next_meeting(const struct ng_engine *engine, const struct ng_container *from,
                         const struct ng_container *to, size_t *at, struct meeting *ret_meeting) {
    for (size_t pairs = from->n_endpoints * to->n_endpoints; *at < pairs;) {
        const struct ng_endpoint *own = &from->endpoints[*at / to->n_endpoints];
        const struct ng_endpoint *other = &to->endpoints[(*at)++ % to->n_endpoints];
        *ret_meeting = (struct meeting){ng_network_of(engine, own), own, other};
        if (ret_meeting->network && ret_meeting->network == ng_network_of(engine, other))
            return true;
    }
    return false;
}

static bool is_taken(const struct ng_world *world, struct ng_addr addr) {
    for (size_t i = 0; i < world->n_ifaddrs; i++)
        if (ng_addr_equal(world->ifaddrs[i].addr, addr))
            return true;
    for (size_t i = 0; i < world->n_engines; i++)
        for (size_t k = 0; k < world->engines[i].n_containers; k++) {
            const struct ng_container *container = &world->engines[i].containers[k];
            for (size_t m = 0; m < container->n_endpoints; m++)
                if (ng_addr_equal(container->endpoints[m].addr4, addr) ||
                    ng_addr_equal(container->endpoints[m].addr6, addr))
                    return true;
        }
    return false;
}

/* An address next to this one that nobody has: what gets there from it, gets there from any
 * container of the network. */
static struct ng_addr stranger_to(const struct ng_world *world, struct ng_addr addr) {
    struct ng_addr stranger = addr;
    for (ng_u128 by = 1; by < UINT16_MAX; by++) {
        stranger.value = addr.value ^ by;
        if (!is_taken(world, stranger))
            break;
    }
    return stranger;
}

/* -- asking -------------------------------------------------------------------------- */

struct count {
    size_t reached, doubtful, reached_by_strangers;
};

/* One port, of one family: does the one who is linked get there from the bridge, and does a
 * stranger? */
static int ask(const struct judgement *judgement, const struct ng_link *bridge,
               const struct meeting *meeting, uint8_t family, struct ng_port port,
               struct count *count) {
    struct ng_addr from = ng_endpoint_addr(meeting->from, family);
    const struct ng_exposure there = {
        .kind = NG_KIND_DIRECT,
        .family = family,
        .proto = port.proto,
        .container_addr = ng_endpoint_addr(meeting->to, family),
        .container_port = port.port,
    };
    struct passage passage;
    int r = ng_ask_passage(judgement, &there, bridge, there.container_addr.value,
                           judgement->scratch, &passage);
    if (r < 0)
        return r;
    enum ng_reach_verdict linked = ng_passage_from(&passage, from.value);
    ng_u128 stranger = stranger_to(judgement->world, from).value;
    count->reached += linked == NG_REACHABLE;
    count->doubtful += linked == NG_UNKNOWN;
    count->reached_by_strangers += ng_passage_from(&passage, stranger) != NG_BLOCKED;
    return 0;
}

static enum ng_reach_verdict verdict_of(const struct count *count, size_t asked) {
    if (count->reached)
        return count->reached == asked ? NG_REACHABLE : NG_PARTLY;
    return count->doubtful ? NG_UNKNOWN : NG_BLOCKED;
}

static int decide(const struct judgement *judgement, const struct meeting *meeting,
                  struct ng_talk *talk) {
    const struct ng_link *bridge =
        meeting->network->bridge ? ng_link_named(judgement->world, meeting->network->bridge) : NULL;
    uint8_t family = meeting->from->addr4.family && meeting->to->addr4.family ? NG_IP4 : NG_IP6;
    struct count count = {0};
    int r = 0;
    ng_arena_reset(judgement->scratch);
    talk->verdict = NG_UNKNOWN; /* on a network without a bridge of this host */
    if (judgement->blind || !bridge)
        return 0;
    talk->verdict = NG_REACHABLE;
    if (!ng_bridge_asks_rules(bridge, family))
        return 0;
    for (size_t i = 0; r == 0 && i < talk->n_ports; i++)
        r = ask(judgement, bridge, meeting, family, talk->ports[i], &count);
    talk->verdict = talk->n_ports ? verdict_of(&count, talk->n_ports) : NG_UNKNOWN;
    talk->opens = count.reached > count.reached_by_strangers;
    return r;
}

/* -- all of them --------------------------------------------------------------------- */

/* Of networks that both are on the one where they get farthest, and need no link for it. */
static bool is_better(const struct ng_talk *talk, const struct ng_talk *than) {
    static const int reach[] = {
        [NG_BLOCKED] = 0, [NG_UNKNOWN] = 1, [NG_PARTLY] = 2, [NG_REACHABLE] = 3};
    if (!than->network || talk->verdict != than->verdict)
        return !than->network || reach[talk->verdict] > reach[than->verdict];
    return than->opens && !talk->opens;
}

static int meet(const struct judgement *judgement, const struct meeting *meeting,
                struct ng_talk *talk) {
    uint8_t family = meeting->to->addr4.family ? NG_IP4 : NG_IP6;
    struct ng_port *ports;
    int r = ng_known_ports(judgement->arena, talk->to, family, &ports, &talk->n_ports);
    talk->ports = ports;
    talk->network = meeting->network->name;
    return r < 0 ? r : decide(judgement, meeting, talk);
}

static int add_talk(struct judgement *judgement, const struct ng_engine *engine,
                    const struct ng_container *from, const struct ng_link_to *link) {
    const struct ng_container *to = find_named(engine, link->to);
    struct ng_talk best = {0};
    struct meeting meeting;
    size_t at = 0;
    int r = 0;
    while (r == 0 && to && next_meeting(engine, from, to, &at, &meeting)) {
        struct ng_talk talk = {.from = from, .to = to, .alias = link->alias};
        r = meet(judgement, &meeting, &talk);
        if (r == 0 && is_better(&talk, &best))
            best = talk;
    }
    if (r < 0 || !best.network)
        return r;
    struct ng_talk *own = NG_ARENA_APPEND(judgement->arena, judgement->talks, judgement->n_talks,
                                          judgement->talks_capacity);
    if (!own)
        return -ENOMEM;
    *own = best;
    return 0;
}

static int compare_talks(const void *left, const void *right) {
    const struct ng_talk *a = left, *b = right;
    int order = strcmp(a->from->name, b->from->name);
    if (order == 0)
        order = strcmp(a->to->name, b->to->name);
    if (order == 0)
        order = strcmp(a->network, b->network);
    return order ? order : strcmp(a->alias, b->alias);
}

int ng_find_talks(struct judgement *judgement) {
    int r = 0;
    for (size_t i = 0; i < judgement->world->n_engines; i++) {
        const struct ng_engine *engine = &judgement->world->engines[i];
        for (size_t k = 0; k < engine->n_containers; k++)
            for (size_t m = 0; r == 0 && m < engine->containers[k].n_links; m++)
                r = add_talk(judgement, engine, &engine->containers[k],
                             &engine->containers[k].links[m]);
    }
    if (judgement->n_talks)
        qsort(judgement->talks, judgement->n_talks, sizeof(*judgement->talks), compare_talks);
    return r;
}
