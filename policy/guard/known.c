/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/guard/parts.h"
#include "policy/judge/parts.h"

#include <errno.h>
#include <string.h>

/* What is known of containers and listeners. A container that the policy lets be is opened by what
 * it is asked for and what it gets; a listener that it does not let be is closed by its port, and
 * one that it does is let out of what is closed. Nothing is opened that is not closed, so that the
 * table holds only what it needs. */

/* What the policy says of one exposure to one zone. */
struct say {
    bool blocks;
    const struct ng_rule_policy *rule; /* that decides; NULL: its default */
    const struct ng_port_match *port;  /* by which */
};

static struct say ask_policy(const struct ng_result *result, const struct ng_exposure *exposure,
                             const char *zone) {
    struct offence offence = {.exposure = exposure};
    bool objects = ng_policy_objects(result->policy, exposure, zone, &offence);
    return (struct say){
        .blocks = objects && ng_offence_action(result->policy, &offence) == NG_BLOCK &&
                  !ng_is_excepted(result->policy, result->world->time_s, &offence),
        .rule = offence.rule,
        .port = offence.port,
    };
}

static struct list *of_proto(struct list *const lists[static PROTOS], uint8_t proto) {
    for (size_t i = 0; i < PROTOS; i++)
        if (ng_guard_protos[i] == proto)
            return lists[i];
    return NULL;
}

/* -- containers ---------------------------------------------------------------------- */

static void open_published(struct maker *maker, struct zone *zone,
                           const struct ng_exposure *exposure, ng_u128 daddr) {
    bool ip6 = exposure->family == NG_IP6;
    struct ng_guard_value proto = {.number = exposure->proto}, addr = {.number = daddr};
    struct ng_guard_value port = {.number = exposure->container_port};
    if (ng_addr_is_any(exposure->host_addr))
        ng_guard_add(maker, zone->to[ip6], (struct ng_guard_element){.key = {proto, addr, port}});
    else
        ng_guard_add(maker, zone->bound[ip6],
                     (struct ng_guard_element){
                         .key = {proto, {.number = exposure->host_addr.value}, addr, port}});
    ng_guard_add(maker, of_proto(zone->asked, exposure->proto),
                 (struct ng_guard_element){.key = {{.number = exposure->host_port}}});
}

/* At each of its addresses on a bridge: to which of them its published ports are translated is the
 * engine's choice. */
static void open_container(struct maker *maker, struct zone *zone,
                           const struct ng_exposure *exposure) {
    const struct ng_container *container = exposure->container;
    for (size_t i = 0; i < container->n_endpoints; i++) {
        struct ng_addr addr = ng_endpoint_addr(&container->endpoints[i], exposure->family);
        if (addr.family)
            open_published(maker, zone, exposure, addr.value);
    }
}

/* Is it closed in the zone, on its way to a container, and let be by the policy? */
static bool is_to_be_opened(const struct maker *maker, const struct zone *zone,
                            const struct ng_exposure *exposure) {
    bool closed = zone->by_default || zone->direct_by ||
                  ng_guard_is_closed(zone, exposure->proto, exposure->container_port);
    return closed && !ask_policy(maker->result, exposure, zone->id).blocks;
}

static void open_direct_at(struct maker *maker, struct zone *zone,
                           const struct ng_container *container, struct ng_addr addr) {
    struct ng_port *ports;
    size_t count;
    if (ng_known_ports(maker->arena, container, addr.family, &ports, &count) < 0) {
        maker->error = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct ng_exposure exposure = {
            .kind = NG_KIND_DIRECT,
            .family = addr.family,
            .proto = ports[i].proto,
            .container = container,
            .container_addr = addr,
            .container_port = ports[i].port,
        };
        if (is_to_be_opened(maker, zone, &exposure))
            ng_guard_add(maker, zone->direct[addr.family == NG_IP6],
                         (struct ng_guard_element){.key = {{.number = ports[i].proto},
                                                           {.number = addr.value},
                                                           {.number = ports[i].port}}});
    }
}

/* Containers at their own addresses, whether others' rules let anybody get there or not: who asks
 * that of the exposures is told one thing with the guard in force and another without it. */
static void open_direct(struct maker *maker, struct zone *zone) {
    static const uint8_t families[] = {NG_IP4, NG_IP6};
    const struct ng_world *world = maker->result->world;
    for (size_t i = 0; i < world->n_engines; i++) {
        const struct ng_engine *engine = &world->engines[i];
        for (size_t k = 0; !engine->rootless && k < engine->n_containers; k++)
            for (size_t e = 0; e < engine->containers[k].n_endpoints; e++)
                for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
                    const struct ng_container *container = &engine->containers[k];
                    const struct ng_endpoint *endpoint = &container->endpoints[e];
                    if (ng_is_endpoint(engine, endpoint, families[f], false))
                        open_direct_at(maker, zone, container,
                                       ng_endpoint_addr(endpoint, families[f]));
                }
    }
}

/* -- listeners ----------------------------------------------------------------------- */

static struct ng_guard_element listener(const struct ng_exposure *exposure, const char *chain) {
    struct ng_guard_value proto = {.number = exposure->proto},
                          port = {.number = exposure->host_port};
    struct ng_guard_value any = {.number =
                                     exposure->family == NG_IP6 ? NG_GUARD_IPV6 : NG_GUARD_IPV4};
    struct ng_guard_value one = {.number = exposure->host_addr.value};
    if (ng_addr_is_any(exposure->host_addr))
        return (struct ng_guard_element){.key = {any, proto, port}, .chain = chain};
    return (struct ng_guard_element){.key = {proto, one, port}, .chain = chain};
}

static void open_listener(struct maker *maker, struct zone *zone,
                          const struct ng_exposure *exposure) {
    bool any = ng_addr_is_any(exposure->host_addr);
    ng_guard_add(maker, any ? zone->own : zone->own_at[exposure->family == NG_IP6],
                 listener(exposure, NULL));
}

static void close_listener(struct maker *maker, struct zone *zone,
                           const struct ng_exposure *exposure, const struct ng_rule_policy *rule) {
    bool any = ng_addr_is_any(exposure->host_addr), ip6 = exposure->family == NG_IP6;
    ng_guard_add(maker, any ? zone->refused : zone->refused_at[ip6], listener(exposure, NULL));
    if (!ng_guard_is_closed_here(zone, exposure->proto, exposure->host_port))
        ng_guard_add(maker, any ? zone->input : zone->input_at[ip6],
                     listener(exposure, ng_guard_rule_chain(maker, rule)));
}

/* -- exposures ----------------------------------------------------------------------- */

static bool listens_here(const struct ng_exposure *exposure) {
    return exposure->kind == NG_KIND_PUBLISHED || exposure->kind == NG_KIND_HOST_NETWORK ||
           exposure->kind == NG_KIND_HOST;
}

static bool has_port(const struct ng_exposure *exposure) {
    return exposure->proto == NG_TCP || exposure->proto == NG_UDP || exposure->proto == NG_SCTP;
}

/* By number, and of whatever service: that is the operator's word for what the kernel serves by
 * itself, as NFS, and nobody is seen to hold. */
static bool is_vouched_for(const struct say *say) {
    if (!say->rule || !say->rule->allow || !say->port || say->port->any)
        return false;
    for (size_t i = 0; i < say->rule->n_to; i++)
        if (say->rule->to[i].host && say->rule->to[i].process.count == 0)
            return true;
    return false;
}

/* What may be a container's stays closed; where it may be the kernel's, that is told. */
static void open_here(struct maker *maker, struct zone *zone, const struct ng_exposure *exposure,
                      const struct say *say) {
    if (!exposure->unidentified || (!exposure->process && is_vouched_for(say)))
        open_listener(maker, zone, exposure);
    else if (!exposure->process)
        ng_guard_limit(
            maker, ng_guard_printf(maker,
                                   "port %u/%s of this host stays closed to zone %s: who "
                                   "holds it is not known; if it is a service of the "
                                   "machine's own, a rule can say so: {id: …, allow: "
                                   "[%u/%s], to: {host: {}}, from: [%s]}",
                                   exposure->host_port, ng_proto_text(exposure->proto), zone->id,
                                   exposure->host_port, ng_proto_text(exposure->proto), zone->id));
}

static void open_exposure(struct maker *maker, struct zone *zone,
                          const struct ng_exposure *exposure, const struct say *say) {
    bool here = ng_guard_is_closed_here(zone, exposure->proto, exposure->host_port);
    bool host = ng_guard_is_closed(zone, exposure->proto, exposure->host_port);
    bool inner = ng_guard_is_closed(zone, exposure->proto, exposure->container_port);
    bool closed = host || inner || zone->by_default;
    if (listens_here(exposure) && here)
        open_here(maker, zone, exposure, say);
    if (exposure->kind == NG_KIND_INGRESS && closed)
        ng_guard_add(maker, of_proto(zone->ingress, exposure->proto),
                     (struct ng_guard_element){.key = {{.number = exposure->host_port}}});
    if (exposure->kind == NG_KIND_PUBLISHED && closed)
        open_container(maker, zone, exposure);
}

static void close_exposure(struct maker *maker, struct zone *zone,
                           const struct ng_exposure *exposure, const struct ng_rule_policy *rule) {
    if (listens_here(exposure))
        close_listener(maker, zone, exposure, rule);
    if (exposure->kind == NG_KIND_INGRESS &&
        !ng_guard_is_closed(zone, exposure->proto, exposure->host_port))
        ng_guard_add(maker, of_proto(zone->refused_ingress, exposure->proto),
                     (struct ng_guard_element){.key = {{.number = exposure->host_port}},
                                               .chain = ng_guard_rule_chain(maker, rule)});
    if (exposure->kind == NG_KIND_L2)
        ng_guard_limit(maker, ng_guard_printf(maker,
                                              "%s is on the LAN by a network of driver macvlan or "
                                              "ipvlan, past this host's packet filter: it cannot "
                                              "be blocked here",
                                              exposure->container->name));
}

/* Of the machine's own tunnels it cannot be told apart. */
static void close_tunnels(struct maker *maker, struct zone *zone,
                          const struct ng_exposure *exposure, const struct ng_rule_policy *rule) {
    for (unsigned ip6 = 0; ip6 < 2; ip6++)
        ng_guard_add(
            maker, zone->tunnels,
            (struct ng_guard_element){.key = {{.number = ip6 ? NG_GUARD_IPV6 : NG_GUARD_IPV4},
                                              {.number = exposure->proto}},
                                      .chain = ng_guard_rule_chain(maker, rule)});
    ng_guard_limit(maker, ng_guard_printf(maker,
                                          "ESP from zone %s is kept out for the sake of encrypted "
                                          "overlay networks; so is that of IPsec tunnels of this "
                                          "machine's own",
                                          zone->id));
}

void ng_guard_fill(struct maker *maker, struct zone *zone) {
    const struct ng_result *result = maker->result;
    for (size_t i = 0; i < result->n_exposures; i++) {
        const struct ng_exposure *exposure = &result->exposures[i];
        struct say say = ask_policy(result, exposure, zone->id);
        if (exposure->proto == NG_ESP && say.blocks)
            close_tunnels(maker, zone, exposure, say.rule);
        if (!has_port(exposure))
            continue;
        if (say.blocks)
            close_exposure(maker, zone, exposure, say.rule);
        else
            open_exposure(maker, zone, exposure, &say);
    }
    open_direct(maker, zone);
}
