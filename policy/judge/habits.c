/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"

#include <errno.h>
#include <string.h>

#include "netguard/catalog.h"

/* Ways to use the engine that the policy does not want, whoever gets to what port. */

/* One engine's part in one habit. */
struct asked {
    struct judgement *judgement;
    const struct ng_engine *engine;
    enum ng_habit habit;
    const struct ng_habit_policy *policy;
};

/* -- who is meant -------------------------------------------------------------------- */

/* The tasks of a service are one thing, and so is what several engines have under one name. */
static bool is_found(const struct judgement *judgement, const struct ng_finding *finding) {
    for (size_t i = 0; i < judgement->n_findings; i++) {
        const struct ng_finding *other = &judgement->findings[i];
        if (other->about && strcmp(other->id, finding->id) == 0 &&
            strcmp(other->about, finding->about) == 0)
            return true;
    }
    return false;
}

static int add(const struct asked *asked, struct ng_finding finding) {
    struct judgement *judgement = asked->judgement;
    bool may_be_found =
        judgement->world->n_engines > 1 || (finding.container && finding.container->service);
    if (!finding.about || !finding.message || !finding.fix)
        return -ENOMEM;
    if (may_be_found && is_found(judgement, &finding))
        return 0;
    finding.rule = ng_habit_rule(asked->habit);
    finding.severity = asked->policy->severity;
    finding.action = NG_ALERT;
    return ng_add_finding(judgement, finding);
}

static int add_container(const struct asked *asked, const char *id,
                         const struct ng_container *container, const char *message,
                         const char *fix) {
    return add(asked, (struct ng_finding){
                          .id = id,
                          .container = container,
                          .about = container->service ? container->service : container->name,
                          .subject = container->name,
                          .message = message,
                          .fix = fix,
                      });
}

static int add_named(const struct asked *asked, const char *id, const char *name,
                     const char *message, const char *fix) {
    return add(asked, (struct ng_finding){
                          .id = id,
                          .about = name,
                          .subject = name,
                          .message = message,
                          .fix = fix,
                      });
}

static bool may(const struct asked *asked, const struct ng_container *container) {
    return ng_selector_match(asked->policy->allow, asked->policy->n_allow, container, NULL);
}

static bool is_allowed_name(const struct asked *asked, const char *name) {
    struct ng_strings globs = asked->policy->allow_names;
    for (size_t i = 0; i < globs.count; i++)
        if (ng_glob_match(globs.items[i], name))
            return true;
    return false;
}

/* In whose network it is: its own, unless it joined another's. */
static const struct ng_container *holder_of(const struct ng_world *world,
                                            const struct ng_container *container) {
    const struct ng_container *holder = container;
    /* One may have joined another that has joined a third; in a ring nobody can. */
    for (size_t hops = 0; holder->network_of && hops < 8; hops++) {
        const struct ng_container *next = ng_container_by_id(world, holder->network_of);
        if (!next)
            break;
        holder = next;
    }
    return holder;
}

/* -- containers ---------------------------------------------------------------------- */

/* What a rootless Docker calls so is a network of its user's; Podman's is the host's. */
static bool is_on_host_network(const struct asked *asked, const struct ng_container *holder) {
    return strcmp(holder->network_mode, "host") == 0 &&
           (!asked->engine->rootless || asked->engine->podman);
}

static int find_host_network(const struct asked *asked, const struct ng_container *container) {
    struct ng_arena *arena = asked->judgement->arena;
    const struct ng_container *holder = holder_of(asked->judgement->world, container);
    if (!is_on_host_network(asked, holder))
        return 0;
    const char *by =
        holder == container ? "" : ng_arena_printf(arena, " by way of container %s", holder->name);
    if (!by)
        return -ENOMEM;
    return add_container(
        asked, NG_ID_HOST_NETWORK, container,
        ng_arena_printf(arena,
                        "container %s has the network of the host%s: it may listen at any of its "
                        "addresses, loopback too, and is apart from nobody",
                        container->name, by),
        "give it a network of its own and publish what others need: -p 127.0.0.1:PORT:PORT\n"
        "or name it in `usage: host_network: allow` if it has to see the host's own network");
}

/* "6379/tcp, 6380/tcp and 3 more" */
static const char *ports_text(struct ng_arena *arena, const struct ng_talk *talk) {
    enum { SHOWN = 4 };
    const char *text = talk->n_ports ? "" : "its ports";
    for (size_t i = 0; text && i < talk->n_ports && i < SHOWN; i++)
        text = ng_arena_printf(arena, "%s%s%u/%s", text, i ? ", " : "", talk->ports[i].port,
                               ng_proto_text(talk->ports[i].proto));
    if (text && talk->n_ports > SHOWN)
        text = ng_arena_printf(arena, "%s and %zu more", text, talk->n_ports - SHOWN);
    return text;
}

static const struct ng_talk *find_talk(const struct judgement *judgement,
                                       const struct ng_container *from,
                                       const struct ng_link_to *link) {
    for (size_t i = 0; i < judgement->n_talks; i++) {
        const struct ng_talk *talk = &judgement->talks[i];
        if (talk->from == from && strcmp(talk->to->name, link->to) == 0 &&
            strcmp(talk->alias, link->alias) == 0)
            return talk;
    }
    return NULL;
}

static const char *link_comes_to(struct ng_arena *arena, const struct ng_talk *talk) {
    if (!talk)
        return "they share no network now";
    const char *ports = ports_text(arena, talk);
    if (!ports)
        return NULL;
    if (talk->verdict == NG_BLOCKED)
        return ng_arena_printf(arena, "on %s it does not get to %s all the same", talk->network,
                               ports);
    if (talk->verdict == NG_UNKNOWN)
        return ng_arena_printf(arena, "whether it gets to %s on %s cannot be told", ports,
                               talk->network);
    return ng_arena_printf(arena,
                           talk->opens ? "it opens %s on %s, which others do not get to"
                                       : "it is a name only, for all get to %s on %s anyway",
                           ports, talk->network);
}

static int find_links(const struct asked *asked, const struct ng_container *container) {
    struct ng_arena *arena = asked->judgement->arena;
    int r = 0;
    for (size_t i = 0; r == 0 && i < container->n_links; i++) {
        const struct ng_link_to *link = &container->links[i];
        const char *to = link_comes_to(arena, find_talk(asked->judgement, container, link));
        if (!to)
            return -ENOMEM;
        r = add(asked,
                (struct ng_finding){
                    .id = NG_ID_LINK,
                    .container = container,
                    .about = ng_arena_printf(arena, "%s -> %s as %s", container->name, link->to,
                                             link->alias),
                    .subject = container->name,
                    .message = ng_arena_printf(arena, "container %s is linked to %s as %s: %s",
                                               container->name, link->to, link->alias, to),
                    .fix = "put both on a network of their own, where containers know each other "
                           "by name, and drop the --link\n"
                           "    docker network create NAME",
                });
    }
    return r;
}

static const struct ng_network *default_bridge_of(const struct asked *asked,
                                                  const struct ng_container *container) {
    for (size_t i = 0; i < asked->engine->n_networks; i++)
        if (asked->engine->networks[i].is_default &&
            ng_network_has(&asked->engine->networks[i], container))
            return &asked->engine->networks[i];
    return NULL;
}

static int find_default_bridge(const struct asked *asked, const struct ng_container *container) {
    struct ng_arena *arena = asked->judgement->arena;
    const struct ng_container *holder = holder_of(asked->judgement->world, container);
    const struct ng_network *network = default_bridge_of(asked, holder);
    if (!network)
        return 0;
    const char *by =
        holder == container ? "" : ng_arena_printf(arena, " by way of container %s", holder->name);
    if (!by)
        return -ENOMEM;
    return add_container(
        asked, NG_ID_DEFAULT_BRIDGE, container,
        ng_arena_printf(arena, "container %s is on %s, the engine's default bridge%s, where %s",
                        container->name, network->name, by,
                        network->icc_off ? "links alone let one get to another"
                                         : "everybody gets to every port of everybody"),
        "give it a network that only those share who have to talk to it:\n"
        "    docker network create NAME; docker run --network NAME");
}

static const char *capabilities_text(const struct ng_container *container) {
    if (container->net_admin && container->net_raw)
        return "NET_ADMIN and NET_RAW: it can change the host's firewall and routes, and read and "
               "forge its packets";
    return container->net_admin
               ? "NET_ADMIN: it can change the host's firewall, addresses and routes"
               : "NET_RAW: it can read what the host sends and receives, and forge packets";
}

static int find_engine_socket(const struct asked *asked, const struct ng_container *container) {
    if (!container->engine_socket)
        return 0;
    return add_container(
        asked, NG_ID_ENGINE_SOCKET, container,
        ng_arena_printf(asked->judgement->arena,
                        "a container engine's socket is mounted in container %s: who controls it "
                        "rules that engine and all its containers%s",
                        container->name,
                        asked->engine->rootless ? "" : ", and so is root on this host"),
        "drop the mount\n"
        "or let a proxy stand between that passes on only the requests it needs");
}

/* Root in a rootless engine's container is a user outside, whatever it may do inside. */
static int find_capabilities(const struct asked *asked, const struct ng_container *container) {
    struct ng_arena *arena = asked->judgement->arena;
    const struct ng_container *holder = holder_of(asked->judgement->world, container);
    int r = find_engine_socket(asked, container);
    if (r < 0 || asked->engine->rootless || !container->capabilities_read)
        return r;
    if (container->privileged)
        return add_container(
            asked, NG_ID_PRIVILEGED, container,
            ng_arena_printf(arena,
                            "container %s is privileged: it can undo every rule of the host's "
                            "firewall, and be root on it",
                            container->name),
            "drop --privileged and grant what it needs: --cap-add, --device\n"
            "or name it in `usage: capabilities: allow`");
    if (!is_on_host_network(asked, holder) || !(container->net_admin || container->net_raw))
        return 0;
    return add_container(asked, NG_ID_NETWORK_CAPABILITY, container,
                         ng_arena_printf(arena, "container %s has the network of the host with %s",
                                         container->name, capabilities_text(container)),
                         "drop what it does not need: --cap-drop NET_RAW, no --cap-add NET_ADMIN\n"
                         "or give it a network of its own in place of --net host");
}

/* -- networks and registries --------------------------------------------------------- */

static int find_overlays(const struct asked *asked) {
    struct ng_arena *arena = asked->judgement->arena;
    const struct ng_engine *engine = asked->engine;
    int r = 0;
    for (size_t i = 0; r == 0 && i < engine->n_networks; i++) {
        const struct ng_network *network = &engine->networks[i];
        if (!ng_network_is_overlay(network) || network->encrypted ||
            is_allowed_name(asked, network->name))
            continue;
        r = add_named(
            asked, NG_ID_UNENCRYPTED_OVERLAY, network->name,
            ng_arena_printf(arena,
                            "overlay network %s is not encrypted: %s goes between the nodes in the "
                            "clear, by UDP %u",
                            network->name,
                            network->ingress ? "what clients say to the swarm's published ports"
                                             : "what its containers say to each other",
                            ng_engine_data_path_port(engine)),
            network->ingress
                ? "take the services that publish ports away, then make it anew:\n"
                  "    docker network rm ingress\n"
                  "    docker network create --driver overlay --ingress --opt encrypted ingress\n"
                  "or let the nodes talk by a network that nobody else is on"
                : "make it anew: docker network create --driver overlay --opt encrypted NAME\n"
                  "or let the nodes talk by a network that nobody else is on");
    }
    return r;
}

static int find_registries(const struct asked *asked) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < asked->engine->n_insecure_registries; i++) {
        const char *name = asked->engine->insecure_registries[i].name;
        if (!is_allowed_name(asked, name))
            r = add_named(asked, NG_ID_INSECURE_REGISTRY, name,
                          ng_arena_printf(asked->judgement->arena,
                                          "the engine does not demand TLS of registry %s: whoever "
                                          "is on the way can put other images in place",
                                          name),
                          "give the registry a certificate, and the engine its CA in "
                          "/etc/docker/certs.d/REGISTRY/ca.crt\n"
                          "then drop it from insecure-registries in /etc/docker/daemon.json");
    }
    return r;
}

/* -- all of them --------------------------------------------------------------------- */

typedef int of_container(const struct asked *asked, const struct ng_container *container);

static int find_containers(const struct asked *asked, of_container *find) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < asked->engine->n_containers; i++)
        if (!may(asked, &asked->engine->containers[i]))
            r = find(asked, &asked->engine->containers[i]);
    return r;
}

static int find_habit(const struct asked *asked) {
    switch (asked->habit) {
    case NG_HABIT_HOST_NETWORK:
        return find_containers(asked, find_host_network);
    case NG_HABIT_LINKS:
        return find_containers(asked, find_links);
    case NG_HABIT_DEFAULT_BRIDGE:
        return find_containers(asked, find_default_bridge);
    case NG_HABIT_CAPABILITIES:
        return find_containers(asked, find_capabilities);
    case NG_HABIT_UNENCRYPTED_OVERLAY:
        return find_overlays(asked);
    case NG_HABIT_INSECURE_REGISTRY:
        return find_registries(asked);
    case NG_HABITS:
        break;
    }
    return 0;
}

/* -- by what address the nodes of a swarm talk --------------------------------------- */

static const struct ng_rule_policy *cluster_rule(const struct ng_policy *policy) {
    for (size_t i = 0; i < policy->n_rules; i++)
        if (policy->rules[i].usage == NG_USAGE_CLUSTER)
            return &policy->rules[i];
    return NULL;
}

/* Peers in the zones that they may not come from. */
struct outside {
    const char **zones;
    size_t n_zones;
    const char *peers; /* "192.0.2.2 (public), …" */
};

static int list_outside(const struct judgement *judgement, const struct ng_rule_policy *rule,
                        const struct ng_engine *engine, struct outside *ret_outside) {
    struct outside outside = {
        .zones = ng_arena_alloc(judgement->arena, engine->n_peers, sizeof(*outside.zones)),
        .peers = "",
    };
    for (size_t i = 0; outside.zones && outside.peers && i < engine->n_peers; i++) {
        char text[NG_ADDR_TEXT];
        const char *zone =
            ng_zone_kept_out(judgement->world, judgement->policy, rule, engine->peers[i]);
        if (!zone)
            continue;
        outside.peers =
            ng_arena_printf(judgement->arena, "%s%s%s (%s)", outside.peers,
                            *outside.peers ? ", " : "", ng_addr_text(engine->peers[i], text), zone);
        outside.zones[outside.n_zones++] = zone;
    }
    if (!outside.zones || !outside.peers)
        return -ENOMEM;
    *ret_outside = outside;
    return 0;
}

static int find_cluster_address(struct judgement *judgement, const struct ng_rule_policy *rule,
                                const struct ng_engine *engine) {
    struct outside outside;
    char own[NG_ADDR_TEXT] = "an address that is not told";
    int r = list_outside(judgement, rule, engine, &outside);
    if (r < 0 || outside.n_zones == 0)
        return r;
    if (engine->node_addr.family)
        ng_addr_text(engine->node_addr, own);
    struct ng_finding finding = {
        .id = NG_ID_CLUSTER_ADDRESS,
        .rule = rule->id,
        .severity = rule->severity,
        .action = NG_ALERT,
        .about = engine->name,
        .subject = engine->name,
        .zones = ng_sort_texts(outside.zones, outside.n_zones),
        .message = ng_arena_printf(
            judgement->arena,
            "this node advertises %s to the swarm, and other nodes talk to it by way of zones that "
            "are not for the cluster: %s",
            own, outside.peers),
        .fix = "let the nodes join again with addresses of the private network: docker swarm join "
               "--advertise-addr and --data-path-addr\n"
               "or name the zones in `usage: cluster: zones`, if they are private",
    };
    return finding.message ? ng_add_finding(judgement, finding) : -ENOMEM;
}

int ng_find_habits(struct judgement *judgement) {
    const struct ng_rule_policy *cluster = cluster_rule(judgement->policy);
    int r = 0;
    for (size_t i = 0; i < judgement->world->n_engines; i++) {
        struct asked asked = {.judgement = judgement, .engine = &judgement->world->engines[i]};
        for (asked.habit = 0; r == 0 && asked.habit < NG_HABITS; asked.habit++) {
            asked.policy = &judgement->policy->habits[asked.habit];
            if (asked.policy->asked)
                r = find_habit(&asked);
        }
        if (r == 0 && cluster && asked.engine->swarm)
            r = find_cluster_address(judgement, cluster, asked.engine);
    }
    return r;
}

/* -- what is not known --------------------------------------------------------------- */

int ng_find_habit_gaps(struct judgement *judgement) {
    const struct ng_habit_policy *policy = &judgement->policy->habits[NG_HABIT_CAPABILITIES];
    const struct ng_container *first = NULL;
    size_t count = 0;
    for (size_t i = 0; policy->asked && i < judgement->world->n_engines; i++) {
        const struct ng_engine *engine = &judgement->world->engines[i];
        const struct asked asked = {.policy = policy};
        for (size_t k = 0; !engine->rootless && k < engine->n_containers; k++) {
            const struct ng_container *container = &engine->containers[k];
            if (container->capabilities_read || may(&asked, container))
                continue;
            first = first ? first : container;
            count++;
        }
    }
    if (!first)
        return 0;
    const char *more =
        count > 1 ? ng_arena_printf(judgement->arena, " and %zu more", count - 1) : "";
    return !more ? -ENOMEM
                 : ng_add_gap(judgement, "docker",
                              ng_arena_printf(judgement->arena,
                                              "capabilities of container %s%s were not told, "
                                              "which the policy's usage.capabilities asks for",
                                              first->name, more));
}
