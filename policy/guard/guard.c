/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/guard/chain.h"
#include "policy/judge/parts.h"

#include <errno.h>
#include <string.h>

/* The table: which sets and chains there are. They follow from the policy alone, and what is known
 * of containers is in the elements of sets: so a container that comes or goes changes elements and
 * no rule.
 *
 *   forward, input            from which zone?
 *     forward_<zone>          let be: what leaves by no bridge of an engine, and replies
 *     input_<zone>            let be: replies
 *       closed_<zone>/<id>    what a rule closes; let be: known containers, known listeners
 *         rule_<id>           count, tell of it, drop
 *
 * Most packets are for ports that nothing closes: they are asked for little, and who is known is
 * asked of the others alone. */

/* By which an engine's swarm leads what it publishes on to its services. */
#define GWBRIDGE "docker_gwbridge"

enum {
    LOCAL_PORT_LO = 32768, /* the kernel's ip_local_port_range, where it is not told */
    LOCAL_PORT_HI = 60999,
};

/* -- chains of rules ------------------------------------------------------------------ */

static void add_rule_chain(struct maker *maker, const struct ng_rule_policy *rule) {
    struct chain chain = {.maker = maker, .chain = {.name = ng_guard_rule_chain(maker, rule)}};
    ng_guard_add_rule(&chain, (struct ng_guard_rule){.log = rule ? rule->id : "default"}, NULL, 0);
    ng_guard_add_rule(&chain, (struct ng_guard_rule){.counter = true, .verdict = NG_GUARD_DROP},
                      NULL, 0);
    ng_guard_hand_over(&chain);
}

/* Does it close ports of the engine, which are this machine's, and none of containers? */
static bool is_of_engine(const struct ng_rule_policy *rule) {
    return rule->usage == NG_USAGE_DOCKER_API || rule->usage == NG_USAGE_CLUSTER;
}

static bool blocks(const struct ng_rule_policy *rule) {
    return !rule->allow && rule->action == NG_BLOCK;
}

static void add_rule_chains(struct maker *maker) {
    const struct ng_policy *policy = maker->result->policy;
    for (size_t i = 0; i < policy->n_rules; i++)
        if (blocks(&policy->rules[i]))
            add_rule_chain(maker, &policy->rules[i]);
    if (policy->default_action == NG_BLOCK)
        add_rule_chain(maker, NULL);
}

/* -- chains of zones ------------------------------------------------------------------ */

/* Replies to what this machine and its containers have asked for. But of TCP only those to a port
 * that clients have: a connection that is older than its tracking, and on which the server speaks
 * first, is tracked the wrong way round. A container does not inherit the host's ports of clients:
 * every network namespace begins with the kernel's. */
static void let_replies_be(struct chain *chain, bool forwarded) {
    const struct ng_world *world = chain->maker->result->world;
    uint16_t lo = world->local_port_lo, hi = world->local_port_hi;
    if (!lo || lo > hi) {
        lo = LOCAL_PORT_LO;
        hi = LOCAL_PORT_HI;
    }
    if (forwarded && lo > LOCAL_PORT_LO)
        lo = LOCAL_PORT_LO;
    if (forwarded && hi < LOCAL_PORT_HI)
        hi = LOCAL_PORT_HI;
    ACCEPT(chain, test(NG_GUARD_REPLY), is_not(NG_GUARD_L4PROTO, NG_TCP));
    ACCEPT(chain, test(NG_GUARD_REPLY), is(NG_GUARD_L4PROTO, NG_TCP),
           between(NG_GUARD_DPORT, lo, hi));
}

/* The ports of a pair, "8443->443": both the one that is asked for and the container's. */
static void close_pairs(struct chain *chain, const struct zone *zone) {
    const struct ng_policy *policy = chain->maker->result->policy;
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct ng_rule_policy *rule = &policy->rules[i];
        for (size_t k = 0; ng_guard_closes(rule, zone->id) && k < rule->n_ports; k++) {
            const struct ng_port_match *match = &rule->ports[k];
            for (size_t p = 0; match->pair && p < PROTOS; p++)
                if (!match->proto || match->proto == ng_guard_protos[p])
                    RULE(chain, NG_GUARD_GOTO, ng_guard_closed_chain(chain->maker, zone, rule),
                         is(NG_GUARD_L4PROTO, ng_guard_protos[p]), test(NG_GUARD_ORIGINAL),
                         between(NG_GUARD_ASKED_PORT, match->lo, match->hi),
                         is(NG_GUARD_DPORT, match->to));
        }
    }
}

static void close_dports(struct chain *chain, const struct list *ports, size_t proto) {
    struct ng_guard_test by_dport = vmap(ports);
    by_dport.fields[0] = NG_GUARD_DPORT;
    LOOK_UP(chain, is(NG_GUARD_L4PROTO, ng_guard_protos[proto]), by_dport);
}

/* Of long runs, for which there are no elements. */
static void close_runs(struct chain *chain, const struct zone *zone, size_t proto, bool asked) {
    const struct ng_policy *policy = chain->maker->result->policy;
    const struct ng_guard_test of_proto = is(NG_GUARD_L4PROTO, ng_guard_protos[proto]);
    struct run run;
    for (unsigned at = 0; ng_guard_next_run(zone->closed_by[proto], &at, &run);) {
        if (!ng_guard_is_long(&run))
            continue;
        const char *closed = ng_guard_closed_chain(chain->maker, zone, &policy->rules[run.by - 1]);
        if (asked)
            RULE(chain, NG_GUARD_GOTO, closed, of_proto, test(NG_GUARD_ORIGINAL),
                 between(NG_GUARD_ASKED_PORT, run.lo, run.hi));
        RULE(chain, NG_GUARD_GOTO, closed, of_proto, between(NG_GUARD_DPORT, run.lo, run.hi));
    }
}

/* By the port that was asked for, which is known of what is tracked, and by the container's. */
static void close_ports(struct chain *chain, const struct zone *zone, bool asked) {
    for (size_t i = 0; i < PROTOS; i++) {
        if (asked)
            LOOK_UP(chain, is(NG_GUARD_L4PROTO, ng_guard_protos[i]), test(NG_GUARD_ORIGINAL),
                    vmap(zone->ports[i]));
        close_dports(chain, zone->ports[i], i);
        close_runs(chain, zone, i, asked);
    }
}

/* Containers at their own addresses: whatever is not translated, or not tracked at all. What is
 * published is left to what comes behind this. */
static void close_direct(struct chain *chain, const struct zone *zone) {
    const char *closed = ng_guard_closed_chain(chain->maker, zone, zone->direct_by);
    if (!zone->by_default)
        ACCEPT(chain, test(NG_GUARD_TRANSLATED));
    for (size_t i = 0; i < PROTOS; i++)
        if (zone->by_default)
            RULE(chain, NG_GUARD_GOTO, closed, is(NG_GUARD_L4PROTO, ng_guard_protos[i]),
                 test(NG_GUARD_UNTRANSLATED));
        else
            RULE(chain, NG_GUARD_GOTO, closed, is(NG_GUARD_L4PROTO, ng_guard_protos[i]));
}

/* What `usage:` closes of this machine; a container may have the same ports. */
static void close_engine(struct chain *chain, const struct zone *zone) {
    for (size_t i = 0; i < PROTOS; i++)
        if (zone->engine[i])
            close_dports(chain, zone->engine[i], i);
    if (zone->tunnels)
        LOOK_UP(chain, vmap(zone->tunnels));
}

/* A key of five parts would be one set, but nft 1.0.6 cannot read the port that was asked for among
 * others. To split it is as exact: of one address a port leads to one container. */
static const char *add_asked_chain(struct maker *maker, const struct zone *zone) {
    const char *name = ng_guard_printf(maker, "asked_%s", zone->id);
    struct chain chain = {.maker = maker, .chain = {.name = name}};
    for (size_t i = 0; i < PROTOS; i++)
        ACCEPT(&chain, is(NG_GUARD_L4PROTO, ng_guard_protos[i]), in(zone->asked[i]));
    ng_guard_hand_over(&chain);
    return name;
}

/* Containers, by what they are asked for and what they get. */
static const char *add_known_containers(struct maker *maker, const struct zone *zone) {
    const char *asked = add_asked_chain(maker, zone);
    const char *name = ng_guard_printf(maker, "containers_%s", zone->id);
    struct chain chain = {.maker = maker, .chain = {.name = name}};
    for (size_t ip6 = 0; ip6 < 2; ip6++) {
        RULE(&chain, NG_GUARD_JUMP, asked, test(NG_GUARD_TRANSLATED), in(zone->to[ip6]));
        RULE(&chain, NG_GUARD_JUMP, asked, test(NG_GUARD_TRANSLATED), in(zone->bound[ip6]));
        ACCEPT(&chain, test(NG_GUARD_UNTRANSLATED), in(zone->direct[ip6]));
    }
    for (size_t i = 0; i < PROTOS; i++)
        ACCEPT(&chain, test(NG_GUARD_TRANSLATED), is_link(NG_GUARD_OIFNAME, GWBRIDGE),
               is(NG_GUARD_L4PROTO, ng_guard_protos[i]), in(zone->ingress[i]));
    ng_guard_hand_over(&chain);
    return name;
}

static const char *add_known_listeners(struct maker *maker, const struct zone *zone) {
    const char *name = ng_guard_printf(maker, "listeners_%s", zone->id);
    struct chain chain = {.maker = maker, .chain = {.name = name}};
    ACCEPT(&chain, in(zone->own));
    for (size_t ip6 = 0; ip6 < 2; ip6++)
        ACCEPT(&chain, in(zone->own_at[ip6]));
    ng_guard_hand_over(&chain);
    return name;
}

/* What a rule closes, for both hooks: at input a packet leaves by no interface. A container's
 * address must not pass for one at which a listener of the machine is let be. */
static void add_closed_chain(struct maker *maker, const struct zone *zone, const char *containers,
                             const char *listeners, const struct ng_rule_policy *rule) {
    const char *closed = ng_guard_closed_chain(maker, zone, rule);
    const char *drop = ng_guard_rule_chain(maker, rule);
    struct chain chain = {.maker = maker, .chain = {.name = closed}};
    if (!rule || !is_of_engine(rule)) {
        const char *name = ng_guard_printf(maker, "%s/to_container", closed);
        struct chain forwarded = {.maker = maker, .chain = {.name = name}};
        ng_guard_always(&forwarded, NG_GUARD_JUMP, containers);
        ng_guard_always(&forwarded, NG_GUARD_GOTO, drop);
        ng_guard_hand_over(&forwarded);
        RULE(&chain, NG_GUARD_GOTO, name, test(NG_GUARD_TO_BRIDGE));
    }
    ng_guard_always(&chain, NG_GUARD_JUMP, listeners);
    ng_guard_always(&chain, NG_GUARD_GOTO, drop);
    ng_guard_hand_over(&chain);
}

/* A service's own port is met only on the far side of IPVS: what closes it has to be told of the
 * port that it is published at. */
static const char *add_ingress_chain(struct maker *maker, const struct zone *zone) {
    const char *name = ng_guard_printf(maker, "ingress_%s", zone->id);
    struct chain chain = {.maker = maker, .chain = {.name = name}};
    for (size_t i = 0; i < PROTOS; i++)
        LOOK_UP(&chain, is(NG_GUARD_L4PROTO, ng_guard_protos[i]), test(NG_GUARD_ORIGINAL),
                vmap(zone->refused_ingress[i]));
    ng_guard_hand_over(&chain);
    return name;
}

static void add_closed_chains(struct maker *maker, const struct zone *zone) {
    const struct ng_policy *policy = maker->result->policy;
    const char *containers = add_known_containers(maker, zone);
    const char *listeners = add_known_listeners(maker, zone);
    for (size_t i = 0; i < policy->n_rules; i++)
        if (ng_guard_closes(&policy->rules[i], zone->id))
            add_closed_chain(maker, zone, containers, listeners, &policy->rules[i]);
    if (zone->by_default)
        add_closed_chain(maker, zone, containers, listeners, NULL);
}

/* NULL: nothing is closed there. */
static const char *add_forward_chain(struct maker *maker, const struct zone *zone,
                                     const struct list *others) {
    if (!zone->by_rules && !zone->by_default)
        return NULL;
    const char *name = ng_guard_printf(maker, "forward_%s", zone->id);
    struct chain chain = {.maker = maker, .chain = {.name = name}};
    ACCEPT(&chain, test(NG_GUARD_TO_NO_BRIDGE));
    ACCEPT(&chain, in(others));
    let_replies_be(&chain, true);
    RULE(&chain, NG_GUARD_JUMP, add_ingress_chain(maker, zone), test(NG_GUARD_TRANSLATED),
         is_link(NG_GUARD_OIFNAME, GWBRIDGE));
    close_pairs(&chain, zone);
    close_ports(&chain, zone, true);
    if (zone->direct_by)
        close_direct(&chain, zone);
    if (zone->by_default)
        for (size_t i = 0; i < PROTOS; i++)
            RULE(&chain, NG_GUARD_GOTO, ng_guard_closed_chain(maker, zone, NULL),
                 is(NG_GUARD_L4PROTO, ng_guard_protos[i]));
    ng_guard_hand_over(&chain);
    return name;
}

static const char *add_input_chain(struct maker *maker, const struct zone *zone) {
    const char *name = ng_guard_printf(maker, "input_%s", zone->id);
    struct chain chain = {.maker = maker, .chain = {.name = name}};
    let_replies_be(&chain, false);
    LOOK_UP(&chain, vmap(zone->input));
    for (size_t ip6 = 0; ip6 < 2; ip6++)
        LOOK_UP(&chain, vmap(zone->input_at[ip6]));
    close_engine(&chain, zone);
    close_ports(&chain, zone, false);
    ng_guard_hand_over(&chain);
    return name;
}

static const char *const proto_names[PROTOS] = {[TCP] = "tcp", [UDP] = "udp", [SCTP] = "sctp"};

static struct list *add_port_map(struct maker *maker, const char *what, const struct zone *zone,
                                 size_t proto, enum ng_guard_field field) {
    struct list *list =
        SET(maker, ng_guard_printf(maker, "%s_%s_%s", what, proto_names[proto], zone->id), field);
    if (list)
        list->set.is_map = true;
    return list;
}

static struct list *of_policy(struct list *list) {
    if (list)
        list->set.of_policy = true;
    return list;
}

static void add_usage_sets(struct maker *maker, struct zone *zone) {
    for (size_t i = 0; i < PROTOS; i++)
        if (ng_guard_protos[i] != NG_SCTP)
            zone->engine[i] = of_policy(add_port_map(maker, "engine", zone, i, NG_GUARD_DPORT));
    zone->tunnels = SET(maker, ng_guard_printf(maker, "tunnels_%s", zone->id), NG_GUARD_NFPROTO,
                        NG_GUARD_L4PROTO);
    if (zone->tunnels)
        zone->tunnels->set.is_map = true;
}

static void add_zone_sets(struct maker *maker, struct zone *zone) {
    const char *id = zone->id;
    for (size_t i = 0; i < PROTOS; i++) {
        zone->ports[i] = of_policy(add_port_map(maker, "ports", zone, i, NG_GUARD_ASKED_PORT));
        zone->asked[i] = SET(maker, ng_guard_printf(maker, "asked_%s_%s", proto_names[i], id),
                             NG_GUARD_ASKED_PORT);
        zone->refused_ingress[i] =
            add_port_map(maker, "known_ingress", zone, i, NG_GUARD_ASKED_PORT);
        zone->ingress[i] = SET(maker, ng_guard_printf(maker, "ingress_%s_%s", proto_names[i], id),
                               NG_GUARD_ASKED_PORT);
    }
    for (size_t ip6 = 0; ip6 < 2; ip6++) {
        enum ng_guard_field daddr = ip6 ? NG_GUARD_DADDR6 : NG_GUARD_DADDR4;
        enum ng_guard_field asked = ip6 ? NG_GUARD_ASKED6 : NG_GUARD_ASKED4;
        unsigned family = ip6 ? 6 : 4;
        zone->to[ip6] = SET(maker, ng_guard_printf(maker, "to%u_%s", family, id), NG_GUARD_L4PROTO,
                            daddr, NG_GUARD_DPORT);
        zone->bound[ip6] = SET(maker, ng_guard_printf(maker, "bound%u_%s", family, id),
                               NG_GUARD_L4PROTO, asked, daddr, NG_GUARD_DPORT);
        zone->direct[ip6] = SET(maker, ng_guard_printf(maker, "direct%u_%s", family, id),
                                NG_GUARD_L4PROTO, daddr, NG_GUARD_DPORT);
        zone->own_at[ip6] = SET(maker, ng_guard_printf(maker, "own%u_%s", family, id),
                                NG_GUARD_L4PROTO, daddr, NG_GUARD_DPORT);
        zone->input_at[ip6] = SET(maker, ng_guard_printf(maker, "known%u_%s", family, id),
                                  NG_GUARD_L4PROTO, daddr, NG_GUARD_DPORT);
        zone->refused_at[ip6] = ng_guard_alloc(maker, 1, sizeof(struct list));
        if (zone->input_at[ip6])
            zone->input_at[ip6]->set.is_map = true;
    }
    zone->own = SET(maker, ng_guard_printf(maker, "own_%s", id), NG_GUARD_NFPROTO, NG_GUARD_L4PROTO,
                    NG_GUARD_DPORT);
    zone->input = SET(maker, ng_guard_printf(maker, "known_%s", id), NG_GUARD_NFPROTO,
                      NG_GUARD_L4PROTO, NG_GUARD_DPORT);
    zone->refused = ng_guard_alloc(maker, 1, sizeof(struct list));
    if (zone->input)
        zone->input->set.is_map = true;
}

/* -- zones ---------------------------------------------------------------------------- */

static bool closes_any(const struct ng_policy *policy, const char *zone, bool of_engine) {
    for (size_t i = 0; i < policy->n_rules; i++)
        if (ng_guard_closes(&policy->rules[i], zone) &&
            is_of_engine(&policy->rules[i]) == of_engine)
            return true;
    return false;
}

static const struct ng_rule_policy *direct_rule(const struct ng_policy *policy, const char *zone) {
    for (size_t i = 0; i < policy->n_rules; i++)
        if (policy->rules[i].usage == NG_USAGE_DIRECT && ng_guard_closes(&policy->rules[i], zone))
            return &policy->rules[i];
    return NULL;
}

static bool is_judged(const struct ng_policy *policy, const char *zone) {
    return closes_any(policy, zone, false) || closes_any(policy, zone, true) ||
           (strcmp(zone, NG_ZONE_PUBLIC) == 0 && policy->default_action == NG_BLOCK);
}

static void add_zone(struct maker *maker, const char *id) {
    const struct ng_policy *policy = maker->result->policy;
    if (!is_judged(policy, id))
        return;
    struct zone *zone =
        NG_ARENA_APPEND(maker->arena, maker->zones, maker->n_zones, maker->zones_capacity);
    if (!zone) {
        maker->error = -ENOMEM;
        return;
    }
    zone->id = id;
    zone->by_default = strcmp(id, NG_ZONE_PUBLIC) == 0 && policy->default_action == NG_BLOCK;
    zone->by_rules = closes_any(policy, id, false);
    zone->direct_by = direct_rule(policy, id);
    add_zone_sets(maker, zone);
    if (closes_any(policy, id, true))
        add_usage_sets(maker, zone);
    ng_guard_find_closed(maker, zone);
    ng_guard_fill(maker, zone);
}

static void find_zones(struct maker *maker) {
    const struct ng_policy *policy = maker->result->policy;
    if (is_judged(policy, NG_ZONE_HOST))
        ng_guard_limit(maker, "what this machine sends to itself (from: host) is not kept out");
    add_zone(maker, NG_ZONE_CONTAINERS);
    for (size_t i = 0; i < policy->n_zones; i++)
        add_zone(maker, policy->zones[i].id);
    add_zone(maker, NG_ZONE_PUBLIC);
}

/* -- the whole ------------------------------------------------------------------------ */

/* What is always so; measured by tests/e2e/window.py. */
static void tell_limits(struct maker *maker) {
    ng_guard_limit(maker, "a port of this host that no rule names, behind docker-proxy or on the "
                          "host's network, is closed when its container is seen: mostly some 30 ms "
                          "after its start, up to a second on a busy machine");
    ng_guard_limit(maker, "who takes over address and port of an allowed container before the "
                          "engine tells of it is let in in its place");
}

static const struct list *add_armed(struct maker *maker) {
    struct list *armed = SET(maker, "armed", NG_GUARD_NFPROTO);
    if (armed)
        armed->set.timeout = true;
    ng_guard_add(maker, armed, (struct ng_guard_element){.key = {{.number = NG_GUARD_IPV4}}});
    ng_guard_add(maker, armed, (struct ng_guard_element){.key = {{.number = NG_GUARD_IPV6}}});
    return armed;
}

static void settle_zone(struct zone *zone) {
    ng_guard_settle(zone->refused);
    ng_guard_leave_out(zone->own, zone->refused);
    for (size_t ip6 = 0; ip6 < 2; ip6++) {
        ng_guard_settle(zone->refused_at[ip6]);
        ng_guard_leave_out(zone->own_at[ip6], zone->refused_at[ip6]);
    }
}

static void make(struct maker *maker, unsigned armed_s) {
    struct list *bridges = SET(maker, "bridges", NG_GUARD_IIFNAME);
    struct list *others = SET(maker, "others", NG_GUARD_OIFNAME);
    struct ways_in ways = {.bridges = bridges, .armed = armed_s ? add_armed(maker) : NULL};
    if (maker->error)
        return;
    ng_guard_list_bridges(maker, bridges, others);
    find_zones(maker);
    if (maker->n_zones)
        tell_limits(maker);
    add_rule_chains(maker);
    ways.targets = ng_guard_alloc(maker, maker->n_zones, sizeof(*ways.targets));
    if (maker->error)
        return;
    for (size_t i = 0; i < maker->n_zones; i++)
        add_closed_chains(maker, &maker->zones[i]);
    for (size_t i = 0; i < maker->n_zones; i++)
        ways.targets[i] = add_forward_chain(maker, &maker->zones[i], others);
    ng_guard_add_base_chain(maker, NG_HOOK_FORWARD, &ways);
    for (size_t i = 0; i < maker->n_zones; i++)
        ways.targets[i] = add_input_chain(maker, &maker->zones[i]);
    ng_guard_add_base_chain(maker, NG_HOOK_INPUT, &ways);
    for (size_t i = 0; i < maker->n_lists; i++)
        ng_guard_settle(maker->lists[i]);
    for (size_t i = 0; i < maker->n_zones && !maker->error; i++)
        settle_zone(&maker->zones[i]);
}

/* The same policy, by which the swarm's ports are told of and not closed. */
static const struct ng_policy *without_cluster(struct maker *maker,
                                               const struct ng_policy *policy) {
    struct ng_policy *own = ng_guard_alloc(maker, 1, sizeof(*own));
    struct ng_rule_policy *rules = ng_guard_alloc(maker, policy->n_rules, sizeof(*rules));
    if (maker->error)
        return policy;
    memcpy(rules, policy->rules, policy->n_rules * sizeof(*rules));
    for (size_t i = 0; i < policy->n_rules; i++)
        if (rules[i].usage == NG_USAGE_CLUSTER)
            rules[i].action = NG_ALERT;
    *own = *policy;
    own->rules = rules;
    return own;
}

int ng_guard_make(const struct ng_result *result, const struct ng_guard_options *options,
                  struct ng_arena *arena, struct ng_guard *ret_guard) {
    struct ng_result judged = *result;
    struct maker maker = {.result = &judged, .arena = arena};
    struct ng_guard guard = {.armed_s = options->armed_s};
    guard.withheld = options->cut_peers ? NULL : ng_guard_cut_peers(&maker);
    if (guard.withheld) {
        ng_guard_limit(&maker, guard.withheld);
        judged.policy = without_cluster(&maker, result->policy);
    }
    make(&maker, options->armed_s);
    ng_guard_hand_over_sets(&maker, &guard);
    if (maker.error)
        return maker.error;
    guard.chains = maker.chains;
    guard.n_chains = maker.n_chains;
    guard.limits = ng_sort_texts(maker.limits, maker.n_limits);
    *ret_guard = guard;
    return 0;
}
