/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/segregation.h"

#include "policy/reach/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Who gets from one side to another although no gateway is involved: asked once per bridge that
 * somebody sends by, destination and port, for all who are on that bridge; and destinations that no
 * rule tells apart are asked for once.
 *
 * What happens outside this kernel is not followed: ways over other hosts and their routers, and
 * what a container passes on that is itself on one side only. Different overlay networks are apart
 * by themselves; their containers meet on docker_gwbridge, which is a bridge like any other. A
 * container without an IPv6 address has none of the link either: engines switch IPv6 off for it. */

enum { BUCKETS = 1024, NO_ANSWER = -1 };

/* What is known of one port at all the addresses of a class. */
struct class_answer {
    uint8_t family;
    uint32_t class;
    struct ng_port port;
    struct passage passage;
    int next; /* of its bucket */
};

/* A bridge that somebody sends by who is on a side, and no gateway. */
struct origin {
    const struct ng_link *bridge;
    bool families[2];  /* [family == NG_IP6]: he has an address */
    int side;          /* of all of them */
    ng_u128 *hosts[2]; /* addresses of this host, as far as rules tell them apart */
    size_t n_hosts[2];
    struct opening *sidecars; /* what they get to of containers on the host's network */
    size_t n_sidecars, sidecars_capacity;
    struct class_answer *answers;
    size_t n_answers, answers_capacity;
    int *buckets;      /* of the answers, by what was asked */
    size_t first, end; /* of the openings to the pod at hand */
};

/* The ports to ask for at one address of the pod at hand. */
struct asked_address {
    const struct place *place;
    struct ng_addr addr;
    struct asked_port *ports;
    size_t n_ports;
};

struct reaching {
    struct segregating *segregating;
    const struct ng_segregation *segregation;
    struct ng_arena *scratch; /* of the pod at hand */
    struct ng_arena *asking;  /* of the question at hand */
    struct origin *origins;
    size_t n_origins;
    struct asked_address *addrs; /* of the pod at hand */
    size_t n_addrs;
    struct opening *openings; /* to it, by origin */
    size_t n_openings, openings_capacity;
};

static const uint8_t families[] = {NG_IP4, NG_IP6};

/* Is it to be kept from others, and are they to be kept from it? */
static bool takes_part(const struct pod *pod) {
    return pod->side >= 0 && pod->outsider;
}

/* -- origins ------------------------------------------------------------------------- */

static int find_origin(struct reaching *reaching, const struct ng_link *bridge) {
    for (size_t i = 0; i < reaching->n_origins; i++)
        if (reaching->origins[i].bridge == bridge)
            return (int)i;
    reaching->origins[reaching->n_origins] = (struct origin){.bridge = bridge, .side = SIDE_NONE};
    return (int)reaching->n_origins++;
}

static void send_by(struct reaching *reaching, const struct pod *pod, const struct place *place) {
    if (!place->net->bridge)
        return;
    place->net->origin = find_origin(reaching, place->net->bridge);
    struct origin *origin = &reaching->origins[place->net->origin];
    for (size_t i = 0; i < ARRAY_SIZE(families); i++)
        if (ng_endpoint_addr(place->endpoint, families[i]).family)
            origin->families[i] = true;
    if (origin->side != pod->side)
        origin->side = origin->side == SIDE_NONE ? pod->side : SIDE_SEVERAL;
}

/* A published port is asked for at each address of this host; which they are depends on the bridge
 * alone. */
static int find_hosts(struct reaching *reaching, struct origin *origin) {
    const struct judgement *judgement = reaching->segregating->judgement;
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
        const struct ng_exposure any = {.family = families[i],
                                        .host_addr = {.family = families[i]}};
        r = ng_exposure_destinations(judgement->world, judgement->engine, &any, origin->bridge,
                                     reaching->segregating->arena, &origin->hosts[i],
                                     &origin->n_hosts[i]);
    }
    return r;
}

static int find_origins(struct reaching *reaching) {
    struct segregating *segregating = reaching->segregating;
    int r = 0;
    reaching->origins =
        ng_arena_alloc(segregating->arena, segregating->n_nets, sizeof(*reaching->origins));
    if (!reaching->origins)
        return -ENOMEM;
    for (size_t i = 0; i < segregating->n_nets; i++)
        segregating->nets[i].origin = NO_ORIGIN;
    for (size_t i = 0; i < segregating->n_pods; i++)
        for (size_t k = 0; takes_part(&segregating->pods[i]) && k < segregating->pods[i].n_places;
             k++)
            send_by(reaching, &segregating->pods[i], &segregating->pods[i].places[k]);
    for (size_t i = 0; r == 0 && i < reaching->n_origins; i++) {
        struct origin *origin = &reaching->origins[i];
        origin->buckets = ng_arena_alloc(segregating->arena, BUCKETS, sizeof(*origin->buckets));
        for (size_t k = 0; origin->buckets && k < BUCKETS; k++)
            origin->buckets[k] = NO_ANSWER;
        r = origin->buckets ? find_hosts(reaching, origin) : -ENOMEM;
    }
    return r;
}

/* -- ports of this host -------------------------------------------------------------- */

int ng_keep_exposure(struct segregating *segregating, struct pod *pod,
                     const struct ng_exposure *exposure) {
    const struct ng_exposure **own = NG_ARENA_APPEND(segregating->arena, pod->exposures,
                                                     pod->n_exposures, pod->exposures_capacity);
    if (!own)
        return -ENOMEM;
    *own = exposure;
    return 0;
}

static bool serves(const struct pod *pod, const struct ng_container *service) {
    for (size_t i = 0; i < pod->n_members; i++)
        if (pod->members[i]->service && service->service &&
            strcmp(pod->members[i]->service, service->service) == 0)
            return true;
    return false;
}

static struct pod *pod_of(const struct segregating *segregating,
                          const struct ng_container *container) {
    for (size_t i = 0; i < segregating->n_pods; i++)
        for (size_t k = 0; k < segregating->pods[i].n_members; k++)
            if (segregating->pods[i].members[k] == container)
                return &segregating->pods[i];
    return NULL;
}

/* Exposures are sorted by their container. */
static int deal_exposures(struct segregating *segregating) {
    const struct judgement *judgement = segregating->judgement;
    const struct ng_container *last = NULL;
    struct pod *pod = NULL;
    int r = 0;
    for (size_t i = 0; r == 0 && i < judgement->n_all; i++) {
        const struct ng_exposure *exposure = &judgement->all[i];
        if (exposure->kind == NG_KIND_INGRESS) {
            for (size_t k = 0; r == 0 && k < segregating->n_pods; k++)
                if (serves(&segregating->pods[k], exposure->container))
                    r = ng_keep_exposure(segregating, &segregating->pods[k], exposure);
            continue;
        }
        if (exposure->kind != NG_KIND_PUBLISHED && exposure->kind != NG_KIND_HOST_NETWORK)
            continue;
        if (exposure->container != last)
            pod = pod_of(segregating, last = exposure->container);
        if (pod)
            r = ng_keep_exposure(segregating, pod, exposure);
    }
    return r;
}

/* -- openings ------------------------------------------------------------------------ */

static int keep_opening(struct ng_arena *arena, const struct opening *opening,
                        struct opening **openings, size_t *count, size_t *capacity) {
    struct opening *own = NG_ARENA_APPEND(arena, *openings, *count, *capacity);
    if (!own)
        return -ENOMEM;
    *own = *opening;
    return 0;
}

static int open_up(struct reaching *reaching, const struct opening *opening) {
    if (!opening->free && ng_region_empty(opening->passage.possible))
        return 0;
    return keep_opening(reaching->scratch, opening, &reaching->openings, &reaching->n_openings,
                        &reaching->openings_capacity);
}

/* Rules of the bridge family see what passes between ports, and are not followed there. */
static bool filters_bridges(const struct ng_ruleset *ruleset) {
    for (size_t i = 0; i < ruleset->n_chains; i++) {
        const struct ng_chain *chain = &ruleset->chains[i];
        const struct ng_table *table = &ruleset->tables[chain->table];
        if (table->family == NG_TABLE_BRIDGE && !table->dormant && chain->base &&
            (chain->n_rules || chain->policy_drop))
            return true;
    }
    return false;
}

static int doubt_passage(struct ng_arena *arena, struct passage *passage) {
    struct ng_undecided *undecided = ng_arena_alloc(arena, 1, sizeof(*undecided));
    if (!undecided)
        return -ENOMEM;
    *undecided = (struct ng_undecided){.rule = NG_NONE,
                                       .what = "rules of the bridge family between its ports",
                                       .region = passage->possible};
    passage->certain = (struct ng_region){0};
    passage->undecided = undecided;
    passage->n_undecided = 1;
    return 0;
}

static int everybody(struct ng_arena *arena, uint8_t family, struct passage *passage) {
    struct ng_addrset all;
    int r = ng_addrset_range(arena, 0, ng_family_max(family), &all);
    if (r == 0)
        r = ng_region_make(arena, 0, UINT16_MAX, all, &passage->possible);
    passage->certain = passage->possible;
    return r;
}

/* To one port of a pod at its own address. */
static int ask_port(const struct reaching *reaching, const struct origin *origin,
                    const struct asked_port *asked, const struct opening *opening,
                    struct ng_arena *arena, struct passage *ret_passage) {
    const struct judgement *judgement = reaching->segregating->judgement;
    const struct ng_exposure there = {
        .kind = NG_KIND_DIRECT,
        .family = opening->family,
        .proto = asked->port.proto,
        .container_addr = opening->addr,
        .container_port = asked->port.port,
    };
    struct passage passage = {0};
    int r = opening->free ? everybody(arena, opening->family, &passage)
                          : ng_ask_passage(judgement, &there, origin->bridge, opening->addr.value,
                                           arena, &passage);
    if (r == 0 && opening->way == WAY_BRIDGED && filters_bridges(judgement->ruleset))
        r = doubt_passage(arena, &passage);
    if (r == 0)
        *ret_passage = passage;
    return r;
}

/* The same. Most answers are that nobody gets through, and nothing is kept of them. */
static int ask_and_keep(const struct reaching *reaching, const struct origin *origin,
                        const struct asked_port *asked, const struct opening *opening,
                        struct ng_arena *arena, struct passage *ret_passage) {
    struct passage passage = {0};
    int r = ask_port(reaching, origin, asked, opening, reaching->asking, &passage);
    bool through = !ng_region_empty(passage.possible);
    ng_arena_reset(reaching->asking);
    if (r < 0 || !through) {
        *ret_passage = (struct passage){0};
        return r;
    }
    return ask_port(reaching, origin, asked, opening, arena, ret_passage);
}

static int *bucket_of(const struct origin *origin, const struct class_answer *answer) {
    uint64_t hash = ng_hash(NG_HASH_START, &answer->class, sizeof(answer->class));
    hash = ng_hash(hash, &answer->port.port, sizeof(answer->port.port));
    return &origin->buckets[(hash ^ answer->port.proto ^ answer->family) % BUCKETS];
}

/* The same, once for all that are of the address's class. */
static int ask_class(const struct reaching *reaching, struct origin *origin,
                     const struct asked_port *asked, const struct opening *opening,
                     struct passage *ret_passage) {
    const struct segregating *segregating = reaching->segregating;
    bool ip6 = opening->family == NG_IP6;
    uint32_t class = ng_class_of(&segregating->classes[ip6], opening->addr.value);
    if (class == UINT32_MAX || segregating->class_sizes[ip6][class] == 1)
        return ask_and_keep(reaching, origin, asked, opening, reaching->scratch, ret_passage);
    struct class_answer wanted = {.family = opening->family, .class = class, .port = asked->port};
    int *bucket = bucket_of(origin, &wanted);
    for (int i = *bucket; i != NO_ANSWER; i = origin->answers[i].next) {
        const struct class_answer *answer = &origin->answers[i];
        if (answer->class == class && answer->family == opening->family &&
            ng_port_compare(&answer->port, &asked->port) == 0) {
            *ret_passage = answer->passage;
            return 0;
        }
    }
    struct class_answer *own = NG_ARENA_APPEND(segregating->arena, origin->answers,
                                               origin->n_answers, origin->answers_capacity);
    if (!own)
        return -ENOMEM;
    wanted.next = *bucket;
    *bucket = (int)origin->n_answers - 1;
    int r = ask_and_keep(reaching, origin, asked, opening, segregating->arena, &wanted.passage);
    *own = wanted;
    *ret_passage = wanted.passage;
    return r;
}

/* By one of the pod's addresses: ports that no rule tells apart are asked for once. */
static int open_address(struct reaching *reaching, struct origin *origin,
                        const struct asked_address *address) {
    const struct asked_port *ports = address->ports;
    size_t n = address->n_ports;
    struct opening opening = {
        .way = address->place->net->bridge == origin->bridge ? WAY_BRIDGED : WAY_ROUTED,
        .family = address->addr.family,
        .addr = address->addr,
        .place = address->place,
    };
    int r = 0;
    opening.free =
        opening.way == WAY_BRIDGED && !ng_bridge_asks_rules(origin->bridge, opening.family);
    struct passage *passages = ng_arena_alloc(reaching->scratch, n, sizeof(*passages));
    if (!passages)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < n; i++)
        if (ports[i].like == i)
            r = ask_class(reaching, origin, &ports[i], &opening, &passages[i]);
    for (size_t i = 0; r == 0 && i < n; i++) {
        opening.inner = ports[i];
        opening.port = ports[i].port.port;
        opening.passage = passages[ports[i].like];
        r = open_up(reaching, &opening);
    }
    return r;
}

/* Every address of this host by which a port of it may be asked for from the bridge. */
static int open_exposure(struct reaching *reaching, const struct origin *origin,
                         const struct ng_exposure *exposure, struct ng_arena *arena,
                         struct opening **openings, size_t *count, size_t *capacity) {
    const struct judgement *judgement = reaching->segregating->judgement;
    bool ip6 = exposure->family == NG_IP6, any = ng_addr_is_any(exposure->host_addr);
    struct opening opening = {
        .way = WAY_PORT,
        .family = exposure->family,
        .addr = exposure->host_addr,
        .port = exposure->host_port,
        .exposure = exposure,
        .inner = {.port = {exposure->container_port ? exposure->container_port
                                                    : exposure->host_port,
                           exposure->proto},
                  .sort = exposure->unidentified ? PORT_OTHER : PORT_KNOWN},
    };
    int r = 0;
    for (size_t i = 0; r == 0 && origin->families[ip6] && i < (any ? origin->n_hosts[ip6] : 1);
         i++) {
        if (any)
            opening.addr.value = origin->hosts[ip6][i];
        r = ng_ask_passage(judgement, exposure, origin->bridge, opening.addr.value, arena,
                           &opening.passage);
        if (r == 0 && !ng_region_empty(opening.passage.possible))
            r = keep_opening(arena, &opening, openings, count, capacity);
    }
    return r;
}

/* From a container on the host's network to every other: that is the host's own way. */
static bool is_near(const struct pod *pod) {
    bool near = pod->on_host;
    for (size_t i = 0; i < pod->n_places; i++)
        near = near || pod->places[i].net->bridge;
    return near;
}

static int open_sidecars(struct reaching *reaching, const struct origin *origin,
                         const struct pod *pod) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < origin->n_sidecars; i++)
        if (!pod->on_host ||
            pod_of(reaching->segregating, origin->sidecars[i].exposure->container) != pod)
            r = open_up(reaching, &origin->sidecars[i]);
    return r;
}

static int open_origin(struct reaching *reaching, struct origin *origin, const struct pod *pod) {
    int r = 0;
    origin->first = reaching->n_openings;
    for (size_t i = 0; r == 0 && i < reaching->n_addrs; i++)
        if (origin->families[reaching->addrs[i].addr.family == NG_IP6])
            r = open_address(reaching, origin, &reaching->addrs[i]);
    for (size_t i = 0; r == 0 && i < pod->n_exposures; i++)
        r = open_exposure(reaching, origin, pod->exposures[i], reaching->scratch,
                          &reaching->openings, &reaching->n_openings, &reaching->openings_capacity);
    if (r == 0 && is_near(pod))
        r = open_sidecars(reaching, origin, pod);
    origin->end = reaching->n_openings;
    return r;
}

static bool is_sidecar(const struct reaching *reaching, const struct ng_exposure *exposure) {
    return exposure->kind == NG_KIND_HOST_NETWORK &&
           !ng_is_gateway(reaching->segregation, exposure->container);
}

static int find_sidecars(struct reaching *reaching) {
    const struct judgement *judgement = reaching->segregating->judgement;
    int r = 0;
    for (size_t i = 0; i < reaching->n_origins; i++) {
        struct origin *origin = &reaching->origins[i];
        for (size_t k = 0; r == 0 && k < judgement->n_all; k++)
            if (is_sidecar(reaching, &judgement->all[k]))
                r = open_exposure(reaching, origin, &judgement->all[k],
                                  reaching->segregating->arena, &origin->sidecars,
                                  &origin->n_sidecars, &origin->sidecars_capacity);
        for (size_t k = 0; k < origin->n_sidecars; k++) {
            origin->sidecars[k].way = WAY_SIDECAR;
            origin->sidecars[k].inner.port.port = 0;
        }
    }
    return r;
}

/* -- crossings ----------------------------------------------------------------------- */

static bool is_better(enum ng_reach_verdict verdict, const struct opening *opening,
                      const struct step *than) {
    if (!than->opening || verdict != than->verdict)
        return !than->opening || verdict == NG_REACHABLE;
    return opening->inner.sort < than->opening->inner.sort;
}

static int note_port(struct reaching *reaching, const struct asked_port *port,
                     struct crossing *crossing) {
    if (!port->port.port) {
        crossing->every_port = true;
        return 0;
    }
    for (size_t i = 0; i < crossing->n_ports; i++)
        if (ng_port_compare(&crossing->ports[i].port, &port->port) == 0)
            return 0;
    struct asked_port *own = NG_ARENA_APPEND(reaching->scratch, crossing->ports, crossing->n_ports,
                                             crossing->ports_capacity);
    if (!own)
        return -ENOMEM;
    *own = *port;
    return 0;
}

/* fe80::42:acff:fe00:2. Of IPv6 a container has an address of the link as well, that nobody tells
 * of; no rule tells one from another. */
static ng_u128 link_local(void) {
    return ng_link_local6().lo | 0x0042acfffe000002;
}

static enum ng_reach_verdict get_through(const struct opening *opening, const struct place *place) {
    struct ng_addr own = ng_endpoint_addr(place->endpoint, opening->family);
    if (!own.family)
        return NG_BLOCKED;
    enum ng_reach_verdict verdict = ng_passage_from(&opening->passage, own.value);
    if (verdict == NG_REACHABLE || own.family == NG_IP4)
        return verdict;
    enum ng_reach_verdict local = ng_passage_from(&opening->passage, link_local());
    return local == NG_BLOCKED ? verdict : local;
}

static int cross_from(struct reaching *reaching, const struct place *place, struct step *step,
                      struct crossing *crossing) {
    const struct origin *origin =
        place->net->origin == NO_ORIGIN ? NULL : &reaching->origins[place->net->origin];
    int r = 0;
    for (size_t i = origin ? origin->first : 0; r == 0 && origin && i < origin->end; i++) {
        const struct opening *opening = &reaching->openings[i];
        enum ng_reach_verdict verdict = get_through(opening, place);
        if (verdict == NG_BLOCKED)
            continue;
        if (is_better(verdict, opening, step))
            *step = (struct step){step->pod, place, opening, verdict};
        r = note_port(reaching, &opening->inner, crossing);
    }
    return r;
}

/* A VLAN stands on a trunk, whose other VLANs a router beside this host may join. */
static const char *trunk_of(const struct ng_world *world, const char *parent) {
    const struct ng_link *link = ng_link_named(world, parent);
    while (link && strcmp(link->kind, "vlan") == 0 && ng_link_find(world, link->lower))
        link = ng_link_find(world, link->lower);
    return link ? link->name : parent;
}

static int cross_by(struct reaching *reaching, enum way way, const struct place *from,
                    const struct place *to, enum ng_reach_verdict verdict, struct step *step,
                    struct crossing *crossing) {
    struct opening *opening = ng_arena_alloc(reaching->scratch, 1, sizeof(*opening));
    if (!opening)
        return -ENOMEM;
    *opening = (struct opening){.way = way, .free = true, .place = to};
    if (is_better(verdict, opening, step))
        *step = (struct step){step->pod, from, opening, verdict};
    return note_port(reaching, &opening->inner, crossing);
}

/* Ways that no rule of this host has a say in. */
static int cross_beside(struct reaching *reaching, const struct place *place, struct step *step,
                        struct crossing *crossing) {
    const struct ng_world *world = reaching->segregating->judgement->world;
    const struct ng_network *own = place->net->network;
    const struct pod *to = crossing->to;
    int r = 0;
    if (step->pod->on_host && is_near(to))
        r = cross_by(reaching, WAY_HOST, place, NULL, NG_REACHABLE, step, crossing);
    for (size_t i = 0; r == 0 && i < to->n_places && own->parent; i++) {
        const struct ng_network *network = to->places[i].net->network;
        if (network->parent && ng_network_is_on_lan(own) && ng_network_is_on_lan(network) &&
            strcmp(trunk_of(world, own->parent), trunk_of(world, network->parent)) == 0)
            r = cross_by(reaching, WAY_LAN, place, &to->places[i], NG_UNKNOWN, step, crossing);
    }
    return r;
}

static int cross(struct reaching *reaching, const struct net *net, const struct pod *to) {
    struct segregating *segregating = reaching->segregating;
    struct crossing crossing = {.from = net, .to = to};
    int r = 0;
    for (size_t i = 0; r == 0 && i < net->n_pods; i++) {
        struct step step = {.pod = net->pods[i]};
        if (!takes_part(step.pod))
            continue;
        for (size_t k = 0; r == 0 && k < step.pod->n_places; k++) {
            r = cross_from(reaching, &step.pod->places[k], &step, &crossing);
            if (r == 0)
                r = cross_beside(reaching, &step.pod->places[k], &step, &crossing);
        }
        if (r < 0 || !step.opening)
            continue;
        struct step *own = NG_ARENA_APPEND(reaching->scratch, crossing.steps, crossing.n_steps,
                                           crossing.steps_capacity);
        if (!own)
            return -ENOMEM;
        *own = step;
    }
    return r < 0 || !crossing.n_steps ? r : ng_tell_crossing(segregating, &crossing);
}

/* Its addresses on bridges of this host, which do not depend on who asks for them. */
static int list_addrs(struct reaching *reaching, const struct pod *pod) {
    int r = 0;
    reaching->n_addrs = 0;
    reaching->addrs = ng_arena_alloc(reaching->scratch, pod->n_places * ARRAY_SIZE(families),
                                     sizeof(*reaching->addrs));
    if (!reaching->addrs)
        return -ENOMEM;
    for (size_t i = 0; i < pod->n_places; i++)
        for (size_t k = 0; r == 0 && k < ARRAY_SIZE(families); k++) {
            const struct place *place = &pod->places[i];
            struct ng_addr addr = ng_endpoint_addr(place->endpoint, families[k]);
            if (!addr.family || !place->net->bridge)
                continue;
            struct asked_address *own = &reaching->addrs[reaching->n_addrs++];
            *own = (struct asked_address){.place = place, .addr = addr};
            r = ng_list_asked_ports(reaching->segregating, pod, addr, reaching->scratch,
                                    &own->ports, &own->n_ports);
        }
    return r;
}

static int cross_to(struct reaching *reaching, const struct pod *to) {
    const struct segregating *segregating = reaching->segregating;
    ng_arena_reset(reaching->scratch);
    reaching->openings = NULL;
    reaching->n_openings = reaching->openings_capacity = 0;
    int r = list_addrs(reaching, to);
    for (size_t i = 0; r == 0 && i < reaching->n_origins; i++) {
        struct origin *origin = &reaching->origins[i];
        origin->first = origin->end = reaching->n_openings;
        if (origin->side != to->side) /* else all who send by it are on the pod's own side */
            r = open_origin(reaching, origin, to);
    }
    for (size_t i = 0; r == 0 && i < segregating->n_nets; i++)
        if (segregating->nets[i].side >= 0 && segregating->nets[i].side != to->side)
            r = cross(reaching, &segregating->nets[i], to);
    return r;
}

/* -- what cannot be told ------------------------------------------------------------- */

/* On a side, with containers, and not a sort of network that could be asked about. */
static const char *why_untold(const struct net *net) {
    const struct ng_network *network = net->network;
    if (net->engine->rootless)
        return "the networks of a rootless engine are in a namespace of its own";
    bool told = net->bridge || ng_network_is_overlay(network) || ng_network_is_on_lan(network) ||
                strcmp(network->driver, "host") == 0;
    return told ? NULL : "it has no bridge on this host that is known";
}

static int tell_untold(const struct segregating *segregating) {
    const struct ng_world *world = segregating->judgement->world;
    bool listening = false;
    int r = 0;
    for (size_t i = 0; r == 0 && i < segregating->n_nets; i++) {
        const struct net *net = &segregating->nets[i];
        const char *why = net->side >= 0 ? why_untold(net) : NULL;
        if (why && ng_network_in_use(net->engine, net->network))
            r = ng_tell_untold(segregating, net->network->name, why);
    }
    for (size_t i = 0; i < segregating->n_pods; i++)
        listening = listening || segregating->pods[i].on_host;
    if (r == 0 && listening && !world->listeners_read)
        r = ng_tell_untold(segregating, "", "what listens on this host was not read");
    return r;
}

/* -- all of it ----------------------------------------------------------------------- */

static int compare_addrs(const void *left, const void *right) {
    ng_u128 a = *(const ng_u128 *)left, b = *(const ng_u128 *)right;
    return a < b ? -1 : a > b;
}

static int find_classes(struct segregating *segregating, bool ip6) {
    const struct judgement *judgement = segregating->judgement;
    struct address_classes *classes = &segregating->classes[ip6];
    uint8_t family = ip6 ? NG_IP6 : NG_IP4;
    size_t most = 0, n = 0, kept = 0;
    for (size_t i = 0; i < segregating->n_pods; i++)
        most += segregating->pods[i].n_places;
    ng_u128 *addrs = ng_arena_alloc(segregating->arena, most, sizeof(*addrs));
    uint32_t *sizes = ng_arena_alloc(segregating->arena, most + 1, sizeof(*sizes));
    if (!addrs || !sizes)
        return -ENOMEM;
    for (size_t i = 0; i < segregating->n_pods; i++)
        for (size_t k = 0; k < segregating->pods[i].n_places; k++) {
            const struct place *place = &segregating->pods[i].places[k];
            if (ng_endpoint_addr(place->endpoint, family).family)
                addrs[n++] = ng_endpoint_addr(place->endpoint, family).value;
        }
    if (n)
        qsort(addrs, n, sizeof(*addrs), compare_addrs);
    for (size_t i = 0; i < n; i++)
        if (!kept || addrs[kept - 1] != addrs[i])
            addrs[kept++] = addrs[i];
    int r = ng_classes_make_remote(segregating->arena, judgement->world, judgement->ruleset, family,
                                   addrs, kept, classes);
    for (size_t i = 0; r == 0 && i < kept; i++)
        sizes[classes->class[i]]++;
    segregating->class_sizes[ip6] = sizes;
    return r;
}

int ng_prepare_crossings(struct segregating *segregating) {
    if (segregating->judgement->blind)
        return 0;
    int r = deal_exposures(segregating);
    if (r == 0)
        r = ng_find_named_ports(segregating);
    for (unsigned ip6 = 0; r == 0 && ip6 < 2; ip6++)
        r = find_classes(segregating, ip6);
    return r;
}

int ng_find_crossings(struct segregating *segregating) {
    _cleanup_(ng_arena_freep) struct ng_arena *asking = ng_arena_new();
    struct reaching reaching = {
        .segregating = segregating,
        .segregation = segregating->segregation,
        .scratch = segregating->judgement->scratch,
        .asking = asking,
    };
    int r = 0;
    if (!asking)
        return -ENOMEM;
    if (segregating->judgement->blind)
        return ng_tell_untold(segregating, "", segregating->judgement->blind);
    r = tell_untold(segregating);
    if (r == 0)
        r = find_origins(&reaching);
    if (r == 0)
        r = find_sidecars(&reaching);
    for (size_t i = 0; r == 0 && i < segregating->n_pods; i++)
        if (takes_part(&segregating->pods[i]))
            r = cross_to(&reaching, &segregating->pods[i]);
    return r;
}
