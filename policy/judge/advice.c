/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"
#include "policy/reach/route.h"

#include <string.h>

/* A finding in words: what is open, and what to do about it. */

const char *ng_exposure_who(const struct ng_exposure *exposure) {
    if (exposure->container)
        return exposure->container->name;
    return exposure->process ? exposure->process : "this host";
}

enum ng_reach_verdict ng_offence_verdict(const struct offence *offence) {
    enum ng_reach_verdict worst = NG_BLOCKED;
    static const int badness[] = {
        [NG_BLOCKED] = 0, [NG_UNKNOWN] = 1, [NG_PARTLY] = 2, [NG_REACHABLE] = 3};
    for (size_t i = 0; i < offence->n_reaches; i++)
        if (badness[offence->reaches[i]->verdict] > badness[worst])
            worst = offence->reaches[i]->verdict;
    return worst;
}

bool ng_is_same_port(const struct ng_exposure *a, const struct ng_exposure *b) {
    return a->container == b->container && a->family == b->family && a->proto == b->proto &&
           a->container_port == b->container_port;
}

/* -- what to say --------------------------------------------------------------------- */

static const char *from_where(struct ng_arena *arena, const struct offence *offence) {
    const char *text = "";
    for (size_t i = 0; text && i < offence->n_reaches; i++)
        text = ng_arena_printf(arena, "%s%s%s (%s)", text, i ? ", " : "", offence->reaches[i]->zone,
                               offence->reaches[i]->interface);
    return text;
}

static const char *firewall_clause(const struct ng_exposure *exposure) {
    if (exposure->ufw == NG_FIREWALL_BYPASSED)
        return "; ufw does not see this traffic";
    if (exposure->firewalld == NG_FIREWALL_BYPASSED)
        return "; firewalld lets it pass";
    return "";
}

/* "port 6379/tcp of container redis" */
static const char *what_is_open(struct ng_arena *arena, const struct ng_exposure *exposure) {
    static const char *const roles[] = {
        [NG_ROLE_NONE] = "",
        [NG_ROLE_DOCKER_API] = ", the engine's API without TLS,",
        [NG_ROLE_DOCKER_API_TLS] = ", the engine's API,",
        [NG_ROLE_SWARM_MANAGEMENT] = ", by which a swarm is managed,",
        [NG_ROLE_SWARM_GOSSIP] = ", by which the nodes of a swarm know each other,",
        [NG_ROLE_SWARM_DATA_PATH] = ", the data path of the swarm's overlay networks,",
    };
    const char *proto = ng_proto_text(exposure->proto), *name = ng_exposure_who(exposure);
    const char *role = exposure->unverified
                           ? ", the engine's API with TLS that asks for no certificate,"
                           : roles[exposure->role];
    char addr[NG_ADDR_TEXT];
    switch (exposure->kind) {
    case NG_KIND_DIRECT:
        return ng_arena_printf(arena, "port %u/%s of container %s, at its own address %s,",
                               exposure->container_port, proto, name,
                               ng_addr_text(exposure->container_addr, addr));
    case NG_KIND_L2:
        return ng_arena_printf(arena, "port %u/%s of container %s, on the LAN as %s,",
                               exposure->container_port, proto, name,
                               ng_addr_text(exposure->container_addr, addr));
    case NG_KIND_INGRESS:
        return ng_arena_printf(arena, "port %u/%s of %s%s, on every address of every node,",
                               exposure->host_port, proto,
                               exposure->container->service ? "service " : "", name);
    default:
        break;
    }
    if (exposure->proto == NG_ESP)
        return ng_arena_printf(arena, "ESP%s", role);
    if (exposure->container && exposure->container_port != exposure->host_port)
        return ng_arena_printf(arena, "port %u/%s, which leads to port %u of container %s,",
                               exposure->host_port, proto, exposure->container_port, name);
    return ng_arena_printf(arena, "port %u/%s of %s%s%s", exposure->host_port, proto,
                           exposure->container ? "container " : "", name, role);
}

/* Is the published port's container open at its own address, too? Exposures are sorted: those of
 * one container stand together, the ones without a host port behind. */
static bool has_own_address_open(const struct judgement *judgement,
                                 const struct ng_exposure *exposure) {
    const struct ng_exposure *end = judgement->exposures + judgement->n_exposures;
    if (exposure->kind != NG_KIND_PUBLISHED)
        return false;
    for (const struct ng_exposure *other = exposure + 1;
         other < end && other->container &&
         strcmp(other->container->name, exposure->container->name) == 0;
         other++)
        if (other->kind == NG_KIND_DIRECT && ng_is_same_port(other, exposure))
            return true;
    return false;
}

const char *ng_finding_message(const struct judgement *judgement, const struct offence *offence) {
    struct ng_arena *arena = judgement->arena;
    static const char *const how[] = {
        [NG_REACHABLE] = "is reachable from",
        [NG_PARTLY] = "is reachable by some sources from",
        [NG_UNKNOWN] = "may be reachable (it cannot be decided) from",
        [NG_BLOCKED] = "is blocked from",
    };
    const struct ng_exposure *exposure = offence->exposure;
    const char *from = from_where(arena, offence);
    const char *what = what_is_open(arena, exposure);
    /* Why it matters: in the rule's own words, else by the group that lists the port. */
    const char *reason = offence->rule ? offence->rule->reason : NULL;
    const char *group = offence->port && !reason ? offence->port->group : NULL;
    if (!what || !from)
        return NULL;
    const char *link =
        ng_addr_is_loopback(exposure->host_addr) ? ", by neighbours on the link" : "";
    const char *direct =
        has_own_address_open(judgement, exposure)
            ? "; so is the container's own address, for neighbours that route to it"
            : "";
    return ng_arena_printf(
        arena, "%s %s %s%s%s%s%s%s%s%s%s", what, how[ng_offence_verdict(offence)], from, link,
        firewall_clause(exposure), direct, group ? "; it is one of " : "", group ? group : "",
        !offence->rule ? "; no rule allows it" : "", reason ? "; " : "", reason ? reason : "");
}

/* -- what to do ---------------------------------------------------------------------- */

static const char *port_flag(struct ng_arena *arena, const struct ng_exposure *exposure) {
    return ng_arena_printf(arena, "-p 127.0.0.1:%u:%u%s%s", exposure->host_port,
                           exposure->container_port, exposure->proto == NG_TCP ? "" : "/",
                           exposure->proto == NG_TCP ? "" : ng_proto_text(exposure->proto));
}

static const char *guard_line(const struct judgement *judgement, const struct offence *offence,
                              enum ng_action action) {
    const struct ng_policy *policy = judgement->policy;
    if (ng_offence_verdict(offence) == NG_BLOCKED)
        return "until then the guard keeps it closed";
    if (action == NG_BLOCK && policy->mode == NG_ENFORCE)
        return "the policy says block, and the guard does not: `netguard apply` puts it in force";
    if (action == NG_BLOCK)
        return "the policy says block, but its mode is monitor: with `mode: enforce` in it, "
               "`netguard apply` closes the port";
    const char *where = policy->built_in ? "a policy of your own"
                        : offence->rule  ? offence->rule->id
                                         : "the policy's default";
    return ng_arena_printf(
        judgement->arena,
        "or let the guard close the port: `action: block` in %s%s, `mode: "
        "enforce`, and `netguard apply`",
        !policy->built_in && offence->rule && !offence->rule->usage ? "rule " : "", where);
}

/* Lines are what a fix consists of: a name that breaks one must not add its own. */
static const char *who_in_line(struct ng_arena *arena, const struct ng_exposure *exposure) {
    char *name = ng_arena_strdup(arena, ng_exposure_who(exposure));
    for (char *c = name; c && (c = strchr(c, '\n'));)
        *c = '?';
    return name;
}

static const char *fix_published(struct ng_arena *arena, const struct offence *offence) {
    const struct ng_exposure *exposure = offence->exposure;
    const char *flag = port_flag(arena, exposure), *name = who_in_line(arena, exposure);
    if (!flag || !name)
        return NULL;
    if (ng_addr_is_loopback(exposure->host_addr))
        return ng_arena_printf(
            arena,
            "neighbours on the link get in by sending to 127.0.0.1 through this host, "
            "which engines before 28 do not stop: upgrade the engine\n"
            "or drop the -p and let the containers that need it share a network with %s",
            name);
    return ng_arena_printf(
        arena,
        "%s\n"
        "    %s\n"
        "or drop the -p: containers that share a network with %s reach it without",
        ng_addr_is_any(exposure->host_addr)
            ? "publish it on one address only, not on all of them:"
            : "publish it on an address that only those who need it reach:",
        flag, name);
}

static const char *fix_socket(struct ng_arena *arena, const struct offence *offence) {
    const struct ng_exposure *exposure = offence->exposure;
    const char *name = who_in_line(arena, exposure);
    if (!name)
        return NULL;
    const char *alternative =
        exposure->kind == NG_KIND_HOST_NETWORK
            ? "\nor give the container a network of its own in place of --net host"
            : "";
    const char *command = "";
    if (exposure->ufw != NG_FIREWALL_ABSENT) /* else it would change nothing */
        command = ng_arena_printf(arena, ": ufw deny %u/%s", exposure->host_port,
                                  ng_proto_text(exposure->proto));
    if (!command)
        return NULL;
    return ng_arena_printf(arena,
                           "let %s listen on 127.0.0.1 or a private address only\n"
                           "or close it in the host's firewall, which sees this traffic%s%s",
                           name, command, alternative);
}

static const char *fix_direct(const struct judgement *judgement, const struct offence *offence) {
    struct ng_arena *arena = judgement->arena;
    const struct ng_exposure *exposure = offence->exposure;
    const struct ng_network *network =
        ng_network_of_addr(judgement->world, exposure->container, exposure->container_addr);
    uint8_t mode = !network                     ? NG_GATEWAY_NAT
                   : exposure->family == NG_IP4 ? network->gateway4
                                                : network->gateway6;
    const char *name = who_in_line(arena, exposure);
    if (!name)
        return NULL;
    if (mode != NG_GATEWAY_NAT)
        return ng_arena_printf(arena,
                               "network %s is in gateway mode %s, which opens its containers' own "
                               "addresses: let it be nat and publish what others need\n"
                               "or drop in DOCKER-USER what comes from outside for %s",
                               network->name, ng_gateway_mode_text(mode), name);
    return ng_arena_printf(arena,
                           "whoever routes to the network of %s gets past what is published: let "
                           "the policy of FORWARD be drop, or drop there what comes from outside\n"
                           "or upgrade the engine: from 28 on it closes its containers' own "
                           "addresses",
                           name);
}

static const char *fix_on_lan(const struct judgement *judgement, const struct offence *offence) {
    struct ng_arena *arena = judgement->arena;
    const struct ng_exposure *exposure = offence->exposure;
    const struct ng_link *link = ng_link_find(judgement->world, exposure->link);
    const char *name = who_in_line(arena, exposure);
    if (!name)
        return NULL;
    return ng_arena_printf(
        arena,
        "%s stands on the LAN itself: neither this host's ip, ip6 and inet rules see its packets "
        "nor would a guard in them\n"
        "let it listen for those only who need it, or give it a bridge network and publish the "
        "port\n"
        "or drop the port in a netdev chain at the ingress of %s",
        name, link ? link->name : "its link");
}

static const char *fix_ingress(struct ng_arena *arena, const struct offence *offence) {
    const struct ng_exposure *exposure = offence->exposure;
    return ng_arena_printf(
        arena,
        "an ingress port has no address: a stack file's 127.0.0.1: before it changes nothing\n"
        "publish it in mode host, on nodes that those who need it reach: --publish "
        "mode=host,published=%u,target=%u\n"
        "or drop it: services that share an overlay network reach each other without",
        exposure->host_port,
        exposure->container_port ? exposure->container_port : exposure->host_port);
}

static const char *fix_role(struct ng_arena *arena, const struct ng_exposure *exposure) {
    switch (exposure->role) {
    case NG_ROLE_DOCKER_API:
    case NG_ROLE_DOCKER_API_TLS:
        return "drop the -H tcp:// of the engine and use its socket, over ssh from elsewhere: "
               "docker -H ssh://host\n"
               "or let it listen on a private address and demand certificates: --tlsverify";
    case NG_ROLE_SWARM_DATA_PATH:
        return "let the swarm's data path use a private network: docker swarm join "
               "--data-path-addr\n"
               "or let the host's firewall admit the other nodes only";
    default:
        return ng_arena_printf(arena,
                               "let the swarm use a private network: docker swarm init|join "
                               "--advertise-addr and --listen-addr\n"
                               "or let the host's firewall admit the other nodes only to port "
                               "%u/%s",
                               exposure->host_port, ng_proto_text(exposure->proto));
    }
}

static const char *fix_text(const struct judgement *judgement, const struct offence *offence) {
    struct ng_arena *arena = judgement->arena;
    switch (offence->exposure->kind) {
    case NG_KIND_PUBLISHED:
        return fix_published(arena, offence);
    case NG_KIND_INGRESS:
        return fix_ingress(arena, offence);
    case NG_KIND_DIRECT:
        return fix_direct(judgement, offence);
    case NG_KIND_L2:
        return fix_on_lan(judgement, offence);
    default:
        return offence->exposure->role ? fix_role(arena, offence->exposure)
                                       : fix_socket(arena, offence);
    }
}

const char *ng_finding_fix(const struct judgement *judgement, const struct offence *offence,
                           enum ng_action action) {
    struct ng_arena *arena = judgement->arena;
    const struct ng_exposure *exposure = offence->exposure;
    const char *text = fix_text(judgement, offence);
    const struct ng_rule_policy *rule = offence->rule;
    bool guarded = exposure->container || action == NG_BLOCK || (rule && rule->usage);
    if (!guarded || exposure->kind == NG_KIND_L2 || offence->id || !text)
        return text;
    const char *guard = guard_line(judgement, offence, action);
    return guard ? ng_arena_printf(arena, "%s\n%s", text, guard) : NULL;
}
