/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/segregation.h"

#include <errno.h>
#include <string.h>

#include "netguard/catalog.h"

/* Who gets across, in words. Texts live as long as the result; NULL: out of memory. */

enum { NAMES_SHOWN = 3, HOPS_MAX = 8 };

/* -- words --------------------------------------------------------------------------- */

/* "web, app, worker and 12 more" */
static const char *names_of(struct ng_arena *arena, const struct crossing *crossing) {
    const char *text = "";
    size_t shown = crossing->n_steps <= NAMES_SHOWN + 1 ? crossing->n_steps : NAMES_SHOWN;
    for (size_t i = 0; text && i < shown; i++)
        text = ng_arena_printf(arena, "%s%s%s", text, i ? ", " : "",
                               crossing->steps[i].pod->outsider->name);
    return text && shown < crossing->n_steps
               ? ng_arena_printf(arena, "%s and %zu more", text, crossing->n_steps - shown)
               : text;
}

static bool gets_to(const struct crossing *crossing, struct ng_port port) {
    for (size_t i = 0; i < crossing->n_ports; i++)
        if (ng_port_compare(&crossing->ports[i].port, &port) == 0)
            return true;
    return false;
}

static size_t count_ports(const struct crossing *crossing, enum port_sort sort) {
    size_t n = 0;
    for (size_t i = 0; i < crossing->n_ports; i++)
        n += crossing->ports[i].sort == sort;
    return n;
}

/* With those that stand for all others, and none that is known left out. */
static int is_every_port(const struct segregating *segregating, const struct crossing *crossing,
                         bool *ret_every) {
    const struct pod *to = crossing->to;
    bool every = crossing->every_port || count_ports(crossing, PORT_OTHER) > 1;
    int r = 0;
    for (size_t i = 0; every && !crossing->every_port && i < to->n_members; i++) {
        struct ng_port *known;
        size_t n = 0;
        r = ng_known_ports(segregating->arena, to->members[i], NG_IP4, &known, &n);
        for (size_t k = 0; r == 0 && k < n; k++)
            every = every && gets_to(crossing, known[k]);
    }
    *ret_every = every;
    return r;
}

/* "at 5432/tcp, 53/udp": those that are known, else those that a rule names. */
static const char *ports_of(const struct segregating *segregating,
                            const struct crossing *crossing) {
    struct ng_arena *arena = segregating->judgement->arena;
    enum port_sort sort = count_ports(crossing, PORT_KNOWN) ? PORT_KNOWN : PORT_NAMED;
    const char *text = "";
    bool every, first = true;
    if (is_every_port(segregating, crossing, &every) < 0)
        return NULL;
    if (every)
        return crossing->every_port ? "at every port" : "at every port asked";
    if (!count_ports(crossing, sort))
        return "at ports that no rule names";
    for (size_t i = 0; text && i < crossing->n_ports; i++) {
        const struct asked_port *port = &crossing->ports[i];
        if (port->sort != sort)
            continue;
        text = ng_arena_printf(arena, "%s%s%u/%s", text, first ? "at " : ", ", port->port.port,
                               ng_proto_text(port->port.proto));
        first = false;
    }
    for (size_t i = 0; text && i < crossing->n_ports; i++)
        if (crossing->ports[i].sort == PORT_OTHER)
            text = ng_arena_printf(arena, "%s and others of %s", text,
                                   ng_proto_text(crossing->ports[i].port.proto));
    return text;
}

static const char *socket_text(struct ng_arena *arena, struct ng_addr addr, uint16_t port) {
    char text[NG_ADDR_TEXT];
    bool ip6 = addr.family == NG_IP6;
    return ng_arena_printf(arena, "%s%s%s:%u", ip6 ? "[" : "", ng_addr_text(addr, text),
                           ip6 ? "]" : "", port);
}

/* "web (frontend, 172.18.0.2)" */
static const char *place_text(struct ng_arena *arena, const struct pod *pod,
                              const struct place *place, uint8_t family) {
    struct ng_addr addr = ng_endpoint_addr(place->endpoint, family ? family : NG_IP4);
    char text[NG_ADDR_TEXT];
    if (!addr.family)
        return ng_arena_printf(arena, "%s (%s)", pod->outsider->name, place->net->network->name);
    return ng_arena_printf(arena, "%s (%s, %s)", pod->outsider->name, place->net->network->name,
                           ng_addr_text(addr, text));
}

/* By which it is on its side. */
static const struct place *side_place(const struct pod *pod) {
    for (size_t i = 0; i < pod->n_places; i++)
        if (pod->places[i].net->side >= 0)
            return &pod->places[i];
    return NULL;
}

/* -- the way ------------------------------------------------------------------------- */

struct hops {
    struct ng_arena *arena;
    const char **items;
    size_t count;
    bool failed;
};

static void add_hop(struct hops *hops, const char *text) {
    if (!text)
        hops->failed = true;
    else if (hops->count < HOPS_MAX)
        hops->items[hops->count++] = text;
}

static bool has_source(struct ng_region region, ng_u128 source) {
    for (size_t i = 0; i < region.count; i++)
        if (ng_addrset_contains(region.bands[i].addrs, source))
            return true;
    return false;
}

static ng_u128 source_of(const struct step *step) {
    return ng_endpoint_addr(step->place->endpoint, step->opening->family).value;
}

/* How its packets get there: of several ways, the first that the engine found. */
static const struct ng_outcome *arrival_of(const struct step *step) {
    const struct passage *passage = &step->opening->passage;
    for (size_t i = 0; i < passage->n_arrivals; i++)
        if (has_source(passage->arrivals[i]->region, source_of(step)))
            return passage->arrivals[i];
    return passage->n_arrivals ? passage->arrivals[0] : NULL;
}

static const char *decider_text(struct ng_arena *arena, const struct ng_decider *decider) {
    const char *legacy = decider->legacy ? " (legacy)" : "";
    if (!decider->handle)
        return ng_arena_printf(arena, "%s %s%s: %s", decider->table, decider->chain, legacy,
                               decider->rule);
    return ng_arena_printf(arena, "%s %s%s %s %llu: %s", decider->table, decider->chain, legacy,
                           decider->legacy ? "rule" : "handle", (unsigned long long)decider->handle,
                           decider->rule);
}

static int find_decider(const struct judgement *judgement, const struct step *step,
                        const struct ng_decider **ret_decider) {
    const struct ng_outcome *arrival = arrival_of(step);
    *ret_decider = NULL;
    if (!arrival || (arrival->by_rule == NG_NONE && arrival->by_chain == NG_NONE))
        return 0;
    return ng_find_decider(judgement, arrival, ret_decider);
}

static void add_rule_hop(const struct judgement *judgement, const struct step *step,
                         struct hops *hops) {
    const struct ng_decider *decider = NULL;
    if (find_decider(judgement, step, &decider) < 0)
        hops->failed = true;
    add_hop(hops, decider ? decider_text(hops->arena, decider) : "no rule stands in the way");
}

static const char *server_text(const struct judgement *judgement, const struct step *step) {
    const struct ng_world *world = judgement->world;
    const struct ng_exposure *exposure = step->opening->exposure;
    const struct ng_outcome *arrival = arrival_of(step);
    if (exposure->kind == NG_KIND_INGRESS)
        return ng_arena_printf(judgement->arena, "service %s (ingress network)",
                               exposure->container->name);
    if (arrival && arrival->fate == NG_FATE_FORWARDED)
        return ng_arena_printf(judgement->arena, "translated to %s",
                               socket_text(judgement->arena,
                                           (struct ng_addr){exposure->family, arrival->daddr},
                                           arrival->dport));
    for (size_t i = 0; arrival && i < world->n_listeners; i++)
        if (ng_listener_takes(&world->listeners[i], exposure->family, exposure->proto,
                              arrival->daddr, arrival->dport, world->listeners[i].link) &&
            world->listeners[i].process && !ng_listener_is_of(&world->listeners[i], "dockerd"))
            return ng_arena_printf(judgement->arena, "%s on this host",
                                   world->listeners[i].process);
    return "a listener of this host";
}

static const char *link_text(struct ng_arena *arena, const struct pod *from, const struct pod *to) {
    for (size_t i = 0; i < from->n_members; i++)
        for (size_t k = 0; k < from->members[i]->n_links; k++)
            if (strcmp(from->members[i]->links[k].to, to->home->name) == 0)
                return ng_arena_printf(arena, "link %s as %s", to->home->name,
                                       from->members[i]->links[k].alias);
    return NULL;
}

static void add_last_hop(const struct crossing *crossing, const struct step *step,
                         struct hops *hops) {
    const struct opening *opening = step->opening;
    const struct place *place = opening->place ? opening->place : side_place(crossing->to);
    const char *at = place_text(hops->arena, crossing->to, place, opening->family);
    const char *proto = ng_proto_text(opening->inner.port.proto);
    if (!at || !opening->inner.port.port)
        add_hop(hops, at);
    else if (opening->inner.sort == PORT_OTHER)
        add_hop(hops, ng_arena_printf(hops->arena, "%s, ports that no rule names (%s)", at, proto));
    else
        add_hop(hops, ng_arena_printf(hops->arena, "%s, port %u/%s", at, opening->inner.port.port,
                                      proto));
}

static void add_ways(const struct judgement *judgement, const struct crossing *crossing,
                     const struct step *step, struct hops *hops) {
    const struct opening *opening = step->opening;
    const struct net *net = step->place->net;
    const char *from = place_text(hops->arena, step->pod, step->place, opening->family);
    const char *bridge = net->bridge ? net->bridge->name : "";
    const char *link = link_text(hops->arena, step->pod, crossing->to);
    if (!from) {
        hops->failed = true;
        return;
    }
    switch (opening->way) {
    case WAY_ROUTED:
    case WAY_BRIDGED:
        add_hop(hops, ng_arena_printf(hops->arena, "%s -> %s", from, bridge));
        if (opening->free)
            add_hop(hops,
                    ng_arena_printf(hops->arena, "from port to port of %s: no rule of IP is asked",
                                    bridge));
        else
            add_rule_hop(judgement, step, hops);
        if (opening->way == WAY_BRIDGED && link)
            add_hop(hops, link);
        break;
    case WAY_PORT:
    case WAY_SIDECAR:
        add_hop(hops, ng_arena_printf(hops->arena, "%s -> %s", from,
                                      socket_text(hops->arena, opening->addr, opening->port)));
        add_rule_hop(judgement, step, hops);
        if (opening->way == WAY_SIDECAR)
            add_hop(hops, ng_arena_printf(hops->arena, "%s (sidecar, host network)",
                                          opening->exposure->container->name));
        else if (!crossing->to->on_host)
            add_hop(hops, server_text(judgement, step));
        break;
    case WAY_HOST:
        add_hop(hops, from);
        break;
    case WAY_LAN:
        add_hop(hops, ng_arena_printf(hops->arena, "%s -> %s", from, net->network->parent));
        add_hop(hops, ng_arena_printf(hops->arena,
                                      "both networks stand on %s: what passes between them there "
                                      "no rule of this host decides",
                                      net->network->parent));
    }
    add_last_hop(crossing, step, hops);
}

/* Why it is only perhaps so; empty where it is certain. */
static int find_doubts(const struct judgement *judgement, const struct step *step,
                       struct ng_strings *ret_doubts) {
    const struct passage *passage = &step->opening->passage;
    const char **items = ng_arena_alloc(judgement->arena, passage->n_undecided, sizeof(*items));
    size_t n = 0;
    int r = items ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && step->verdict == NG_UNKNOWN && i < passage->n_undecided; i++)
        if (has_source(passage->undecided[i].region, source_of(step)))
            r = ng_undecided_text(judgement->arena, judgement->ruleset, &passage->undecided[i],
                                  &items[n++]);
    if (r == 0)
        *ret_doubts = ng_sort_texts(items, n);
    return r;
}

static int tell_path(const struct judgement *judgement, const struct crossing *crossing,
                     const struct step *step, struct ng_strings doubts,
                     struct ng_strings *ret_path) {
    struct hops hops = {.arena = judgement->arena};
    hops.items = ng_arena_alloc(judgement->arena, HOPS_MAX + doubts.count, sizeof(*hops.items));
    if (!hops.items)
        return -ENOMEM;
    add_ways(judgement, crossing, step, &hops);
    if (hops.failed)
        return -ENOMEM;
    for (size_t i = 0; i < doubts.count; i++) {
        const char *text =
            ng_arena_printf(judgement->arena, "it cannot be decided: %s", doubts.items[i]);
        if (!text)
            return -ENOMEM;
        hops.items[hops.count++] = text;
    }
    *ret_path = (struct ng_strings){hops.items, hops.count};
    return 0;
}

/* -- what to do ---------------------------------------------------------------------- */

static const char *fix_routed(const struct judgement *judgement, const struct step *step) {
    const struct ng_decider *decider = NULL;
    if (find_decider(judgement, step, &decider) < 0)
        return NULL;
    if (!decider || !decider->handle)
        return "the engine's rules that keep networks apart are missing or do not cover this way: "
               "restart the engine, so that it writes them, and see that its filtering of IPv4 and "
               "IPv6 is on";
    return ng_arena_printf(judgement->arena, "take out or narrow the rule that lets it pass: %s",
                           decider_text(judgement->arena, decider));
}

static const char *fix_of(const struct segregating *segregating, const struct crossing *crossing,
                          const struct step *step) {
    const struct judgement *judgement = segregating->judgement;
    struct ng_arena *arena = judgement->arena;
    const struct opening *opening = step->opening;
    const char *name = crossing->to->outsider->name, *id = segregating->segregation->id;
    switch (opening->way) {
    case WAY_ROUTED:
        return fix_routed(judgement, step);
    case WAY_BRIDGED:
        if (strcmp(step->place->net->network->name, NG_GATEWAY_BRIDGE) == 0)
            return "make it anew with --opt com.docker.network.bridge.enable_icc=false, which is "
                   "what the engine does by itself\n"
                   "or make overlay networks that need no way out --internal";
        return ng_arena_printf(arena, "take %s or %s off network %s", step->pod->outsider->name,
                               name, step->place->net->network->name);
    case WAY_PORT:
        if (!opening->exposure->id[0]) /* a rule's doing, and no engine's */
            return fix_routed(judgement, step);
        return ng_arena_printf(arena,
                               "do not publish port %u/%s of %s, or on an address alone that no "
                               "network of containers gets to: -p 127.0.0.1:%u:%u",
                               opening->port, ng_proto_text(opening->exposure->proto), name,
                               opening->port, opening->inner.port.port);
    case WAY_SIDECAR:
        return ng_arena_printf(arena,
                               "take %s off the host's network, or let it listen where no "
                               "container gets to (127.0.0.1)\nor name it among the gateways of "
                               "segregation %s",
                               opening->exposure->container->name, id);
    case WAY_HOST:
        return ng_arena_printf(arena, "take %s off the host's network", step->pod->outsider->name);
    case WAY_LAN:
        break;
    }
    return "put them on links that have nothing in common";
}

/* -- findings ------------------------------------------------------------------------ */

static struct ng_finding finding_of(const struct segregating *segregating) {
    return (struct ng_finding){
        .id = NG_ID_SEGREGATION_REACH,
        .rule = segregating->segregation->id,
        .severity = segregating->segregation->severity,
        .action = NG_ALERT,
        .verdict = NG_UNKNOWN,
    };
}

/* The one to show: for certain rather than perhaps, and at a port that is known. */
static const struct step *best_step(const struct crossing *crossing) {
    const struct step *best = &crossing->steps[0];
    for (size_t i = 1; i < crossing->n_steps; i++) {
        const struct step *step = &crossing->steps[i];
        bool surer = step->verdict == NG_REACHABLE && best->verdict != NG_REACHABLE;
        if (surer || (step->verdict == best->verdict &&
                      step->opening->inner.sort < best->opening->inner.sort))
            best = step;
    }
    return best;
}

static const char *message_of(const struct segregating *segregating,
                              const struct crossing *crossing, const struct step *best,
                              struct ng_strings doubts) {
    struct ng_arena *arena = segregating->judgement->arena;
    const char *names = names_of(arena, crossing), *ports = ports_of(segregating, crossing);
    const char *reason = segregating->segregation->reason;
    const char *gets = best->verdict != NG_REACHABLE ? "may get"
                       : crossing->n_steps == 1      ? "gets"
                                                     : "get";
    if (!names || !ports)
        return NULL;
    const char *who =
        crossing->n_steps == 1
            ? ng_arena_printf(arena, "container %s of network %s", names,
                              crossing->from->network->name)
            : ng_arena_printf(arena, "%zu containers of network %s (%s)", crossing->n_steps,
                              crossing->from->network->name, names);
    if (!who)
        return NULL;
    return ng_arena_printf(
        arena, "%s %s to container %s of network %s %s, with no gateway in between%s%s%s%s", who,
        gets, crossing->to->outsider->name, side_place(crossing->to)->net->network->name, ports,
        doubts.count ? "; it cannot be decided: " : "", doubts.count ? doubts.items[0] : "",
        reason ? "; " : "", reason ? reason : "");
}

int ng_tell_crossing(const struct segregating *segregating, const struct crossing *crossing) {
    struct judgement *judgement = segregating->judgement;
    const struct step *best = best_step(crossing);
    const struct ng_container *to = crossing->to->outsider;
    struct ng_finding finding = finding_of(segregating);
    struct ng_strings doubts;
    int r = find_doubts(judgement, best, &doubts);
    if (r == 0)
        r = tell_path(judgement, crossing, best, doubts, &finding.path);
    if (r < 0)
        return r;
    finding.verdict = best->verdict;
    finding.container = to;
    finding.subject = to->name;
    finding.about =
        ng_arena_printf(judgement->arena, "%s -> %s", crossing->from->network->name, to->name);
    finding.message = message_of(segregating, crossing, best, doubts);
    finding.fix = fix_of(segregating, crossing, best);
    if (!finding.about || !finding.message || !finding.fix)
        return -ENOMEM;
    return ng_add_finding(judgement, finding);
}

int ng_tell_untold(const struct segregating *segregating, const char *about, const char *reason) {
    struct judgement *judgement = segregating->judgement;
    const char **path = ng_arena_alloc(judgement->arena, 1, sizeof(*path));
    struct ng_finding finding = finding_of(segregating);
    if (!path)
        return -ENOMEM;
    path[0] = reason;
    finding.about = about;
    finding.subject = *about ? about : segregating->segregation->id;
    finding.message = ng_arena_printf(
        judgement->arena,
        "who gets from one side of segregation %s to another%s%s cannot be told: %s",
        segregating->segregation->id, *about ? " by network " : "", about, reason);
    finding.fix =
        "netguard has to see rules, links and listeners where the engine has its bridges: "
        "run it as root, in that network namespace";
    finding.path = (struct ng_strings){path, 1};
    return finding.message ? ng_add_finding(judgement, finding) : -ENOMEM;
}
