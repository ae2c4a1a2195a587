/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/guard/parts.h"
#include "policy/judge/parts.h"
#include "policy/reach/route.h"

#include <errno.h>
#include <string.h>

/* The table: which sets and chains there are. They follow from the policy alone, and what is known
 * of containers is in the elements of sets: so a container that comes or goes changes elements and
 * no rule.
 *
 *   forward, input            from which zone?
 *     forward_<zone>          let be: what leaves by no bridge of an engine, and replies
 *     input_<zone>            let be: replies
 *       closed_<zone>_<id>    what a rule closes; let be: known containers, known listeners
 *         rule_<id>           count, tell of it, drop
 *
 * Most packets are for ports that nothing closes: they are asked for little, and who is known is
 * asked of the others alone. */

enum {
    PRIORITY = -1, /* just before filter, 0: whatever engines and firewalls accept there comes later
                      and a drop is final */
    LOCAL_PORT_LO = 32768, /* the kernel's ip_local_port_range, where it is not told */
    LOCAL_PORT_HI = 60999,
};

/* -- tests and rules ----------------------------------------------------------------- */

static struct ng_guard_test test(enum ng_guard_test_kind kind) {
    return (struct ng_guard_test){.kind = kind};
}

static struct ng_guard_test is(enum ng_guard_field field, ng_u128 number) {
    return (struct ng_guard_test){
        .kind = NG_GUARD_IS, .fields = {field}, .n_fields = 1, .value = {.number = number}};
}

static struct ng_guard_test is_not(enum ng_guard_field field, ng_u128 number) {
    struct ng_guard_test test = is(field, number);
    test.kind = NG_GUARD_IS_NOT;
    return test;
}

static struct ng_guard_test is_link(enum ng_guard_field field, const char *name) {
    struct ng_guard_test test = is(field, 0);
    test.value.name = name;
    return test;
}

static struct ng_guard_test between(enum ng_guard_field field, ng_u128 lo, ng_u128 hi) {
    struct ng_guard_test test = is(field, lo);
    if (lo != hi)
        test.kind = NG_GUARD_BETWEEN;
    test.end = hi;
    return test;
}

static struct ng_guard_test by_set(enum ng_guard_test_kind kind, const struct list *list) {
    struct ng_guard_test test = {.kind = kind};
    if (!list) /* memory ran out */
        return test;
    memcpy(test.fields, list->set.fields, sizeof(test.fields));
    test.n_fields = list->set.n_fields;
    test.set = list->set.name;
    return test;
}

static struct ng_guard_test in(const struct list *list) {
    return by_set(NG_GUARD_IN, list);
}

static struct ng_guard_test vmap(const struct list *list) {
    return by_set(NG_GUARD_VMAP, list);
}

/* A chain while it is filled. */
struct chain {
    struct maker *maker;
    struct ng_guard_chain chain;
    struct ng_guard_rule *rules;
    size_t count, capacity;
};

static void add_rule(struct chain *chain, struct ng_guard_rule rule,
                     const struct ng_guard_test *tests, size_t count) {
    struct maker *maker = chain->maker;
    struct ng_guard_test *own_tests = ng_guard_alloc(maker, count, sizeof(*own_tests));
    struct ng_guard_rule *own =
        NG_ARENA_APPEND(maker->arena, chain->rules, chain->count, chain->capacity);
    if (!own || !own_tests) {
        maker->error = -ENOMEM;
        return;
    }
    if (count)
        memcpy(own_tests, tests, count * sizeof(*tests));
    rule.tests = own_tests;
    rule.n_tests = count;
    *own = rule;
}

#define RULE(target, ng_verdict, target_chain, ...)                                                \
    add_rule((target), (struct ng_guard_rule){.verdict = (ng_verdict), .chain = (target_chain)},   \
             (const struct ng_guard_test[]){__VA_ARGS__},                                          \
             sizeof((const struct ng_guard_test[]){__VA_ARGS__}) / sizeof(struct ng_guard_test))
#define ACCEPT(target, ...)  RULE(target, NG_GUARD_ACCEPT, NULL, __VA_ARGS__)
#define LOOK_UP(target, ...) RULE(target, NG_GUARD_CONTINUE, NULL, __VA_ARGS__)

static void always(struct chain *chain, enum ng_guard_verdict verdict, const char *target) {
    add_rule(chain, (struct ng_guard_rule){.verdict = verdict, .chain = target}, NULL, 0);
}

static void hand_over(struct chain *chain) {
    struct maker *maker = chain->maker;
    struct ng_guard_chain *own =
        NG_ARENA_APPEND(maker->arena, maker->chains, maker->n_chains, maker->chains_capacity);
    if (!own) {
        maker->error = -ENOMEM;
        return;
    }
    *own = chain->chain;
    own->rules = chain->rules;
    own->n_rules = chain->count;
}

/* -- chains of rules ------------------------------------------------------------------ */

static void add_rule_chain(struct maker *maker, const struct ng_rule_policy *rule) {
    struct chain chain = {.maker = maker, .chain = {.name = ng_guard_rule_chain(maker, rule)}};
    add_rule(&chain, (struct ng_guard_rule){.log = rule ? rule->id : "default"}, NULL, 0);
    add_rule(&chain, (struct ng_guard_rule){.counter = true, .verdict = NG_GUARD_DROP}, NULL, 0);
    hand_over(&chain);
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
 * first, is tracked the wrong way round. */
static void let_replies_be(struct chain *chain) {
    const struct ng_world *world = chain->maker->result->world;
    uint16_t lo = world->local_port_lo, hi = world->local_port_hi;
    if (!lo || lo > hi) {
        lo = LOCAL_PORT_LO;
        hi = LOCAL_PORT_HI;
    }
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

/* By the port that was asked for, which is known of what is tracked, and by the container's. */
static void close_ports(struct chain *chain, const struct zone *zone, bool asked) {
    for (size_t i = 0; i < PROTOS; i++) {
        if (asked)
            LOOK_UP(chain, is(NG_GUARD_L4PROTO, ng_guard_protos[i]), test(NG_GUARD_ORIGINAL),
                    vmap(zone->ports[i]));
        struct ng_guard_test by_dport = vmap(zone->ports[i]);
        by_dport.fields[0] = NG_GUARD_DPORT;
        LOOK_UP(chain, is(NG_GUARD_L4PROTO, ng_guard_protos[i]), by_dport);
    }
}

/* A key of five parts would be one set, but nft 1.0.6 cannot read the port that was asked for among
 * others. To split it is as exact: of one address a port leads to one container. */
static const char *add_asked_chain(struct maker *maker, const struct zone *zone) {
    const char *name = ng_guard_printf(maker, "asked_%s", zone->id);
    struct chain chain = {.maker = maker, .chain = {.name = name}};
    for (size_t i = 0; i < PROTOS; i++)
        ACCEPT(&chain, is(NG_GUARD_L4PROTO, ng_guard_protos[i]), in(zone->asked[i]));
    hand_over(&chain);
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
        ACCEPT(&chain, test(NG_GUARD_TRANSLATED), is_link(NG_GUARD_OIFNAME, "docker_gwbridge"),
               is(NG_GUARD_L4PROTO, ng_guard_protos[i]), in(zone->ingress[i]));
    hand_over(&chain);
    return name;
}

static const char *add_known_listeners(struct maker *maker, const struct zone *zone) {
    const char *name = ng_guard_printf(maker, "listeners_%s", zone->id);
    struct chain chain = {.maker = maker, .chain = {.name = name}};
    ACCEPT(&chain, in(zone->own));
    for (size_t ip6 = 0; ip6 < 2; ip6++)
        ACCEPT(&chain, in(zone->own_at[ip6]));
    hand_over(&chain);
    return name;
}

/* What a rule closes, for both hooks: at input a packet leaves by no interface. A container's
 * address must not pass for one at which a listener of the machine is let be. */
static void add_closed_chain(struct maker *maker, const struct zone *zone, const char *containers,
                             const char *listeners, const struct ng_rule_policy *rule) {
    const char *closed = ng_guard_closed_chain(maker, zone, rule);
    const char *drop = ng_guard_rule_chain(maker, rule);
    const char *name = ng_guard_printf(maker, "%s_to_container", closed);
    struct chain forwarded = {.maker = maker, .chain = {.name = name}};
    struct chain chain = {.maker = maker, .chain = {.name = closed}};
    always(&forwarded, NG_GUARD_JUMP, containers);
    always(&forwarded, NG_GUARD_GOTO, drop);
    hand_over(&forwarded);
    RULE(&chain, NG_GUARD_GOTO, name, test(NG_GUARD_TO_BRIDGE));
    always(&chain, NG_GUARD_JUMP, listeners);
    always(&chain, NG_GUARD_GOTO, drop);
    hand_over(&chain);
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

static const char *add_forward_chain(struct maker *maker, const struct zone *zone,
                                     const struct list *others) {
    const char *name = ng_guard_printf(maker, "forward_%s", zone->id);
    struct chain chain = {.maker = maker, .chain = {.name = name}};
    ACCEPT(&chain, test(NG_GUARD_TO_NO_BRIDGE));
    ACCEPT(&chain, in(others));
    let_replies_be(&chain);
    close_pairs(&chain, zone);
    close_ports(&chain, zone, true);
    if (zone->by_default)
        for (size_t i = 0; i < PROTOS; i++)
            RULE(&chain, NG_GUARD_GOTO, ng_guard_closed_chain(maker, zone, NULL),
                 is(NG_GUARD_L4PROTO, ng_guard_protos[i]));
    hand_over(&chain);
    return name;
}

static const char *add_input_chain(struct maker *maker, const struct zone *zone) {
    const char *name = ng_guard_printf(maker, "input_%s", zone->id);
    struct chain chain = {.maker = maker, .chain = {.name = name}};
    let_replies_be(&chain);
    LOOK_UP(&chain, vmap(zone->input));
    for (size_t ip6 = 0; ip6 < 2; ip6++)
        LOOK_UP(&chain, vmap(zone->input_at[ip6]));
    close_ports(&chain, zone, false);
    hand_over(&chain);
    return name;
}

static void add_zone_sets(struct maker *maker, struct zone *zone) {
    static const char *const protos[PROTOS] = {[TCP] = "tcp", [UDP] = "udp", [SCTP] = "sctp"};
    const char *id = zone->id;
    for (size_t i = 0; i < PROTOS; i++) {
        zone->ports[i] =
            SET(maker, ng_guard_printf(maker, "ports_%s_%s", protos[i], id), NG_GUARD_ASKED_PORT);
        if (zone->ports[i])
            zone->ports[i]->set.is_map = zone->ports[i]->set.intervals = true;
        zone->asked[i] =
            SET(maker, ng_guard_printf(maker, "asked_%s_%s", protos[i], id), NG_GUARD_ASKED_PORT);
        zone->ingress[i] =
            SET(maker, ng_guard_printf(maker, "ingress_%s_%s", protos[i], id), NG_GUARD_ASKED_PORT);
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

/* -- from which zone? ------------------------------------------------------------------ */

static bool is_judged(const struct ng_policy *policy, const char *zone) {
    for (size_t i = 0; i < policy->n_rules; i++)
        if (ng_guard_closes(&policy->rules[i], zone))
            return true;
    return strcmp(zone, NG_ZONE_PUBLIC) == 0 && policy->default_action == NG_BLOCK;
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
    add_zone_sets(maker, zone);
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

static const struct zone *judged_zone(const struct maker *maker, const char *id) {
    for (size_t i = 0; i < maker->n_zones; i++)
        if (strcmp(maker->zones[i].id, id) == 0)
            return &maker->zones[i];
    return NULL;
}

/* "eth0", "wg*": what nft can say. Others are taken for the links that there are. */
static bool nft_knows(const char *glob) {
    size_t plain = strcspn(glob, "*?");
    return !glob[plain] || (plain > 0 && glob[plain] == '*' && !glob[plain + 1]);
}

/* From the zone, if its chain is asked; else nobody is kept out. */
static void add_way(struct chain *chain, const char *target, const struct ng_guard_test *tests,
                    size_t count) {
    add_rule(chain,
             (struct ng_guard_rule){.verdict = target ? NG_GUARD_GOTO : NG_GUARD_ACCEPT,
                                    .chain = target},
             tests, count);
}

/* `interface` NULL: whatever it comes in by. */
static void add_match(struct chain *chain, const char *target, const char *interface,
                      const struct list *const sources[static 2], bool has_sources) {
    struct ng_guard_test tests[2];
    size_t n = 0;
    if (interface)
        tests[n++] = is_link(NG_GUARD_IIFNAME, interface);
    if (!has_sources)
        add_way(chain, target, tests, n);
    for (size_t ip6 = 0; has_sources && ip6 < 2; ip6++) {
        if (!sources[ip6])
            continue;
        tests[n] = in(sources[ip6]);
        add_way(chain, target, tests, n + 1);
    }
}

static void add_interfaces(struct chain *chain, const char *target,
                           const struct ng_zone_match *match,
                           const struct list *const sources[static 2]) {
    const struct ng_world *world = chain->maker->result->world;
    if (match->interfaces.count == 0)
        add_match(chain, target, NULL, sources, match->has_sources);
    for (size_t i = 0; i < match->interfaces.count; i++) {
        const char *glob = match->interfaces.items[i];
        if (strcmp(glob, "*") == 0) {
            add_match(chain, target, NULL, sources, match->has_sources);
        } else if (nft_knows(glob)) {
            add_match(chain, target, glob, sources, match->has_sources);
        } else {
            for (size_t k = 0; k < world->n_links; k++)
                if (ng_glob_match(glob, world->links[k].name))
                    add_match(chain, target, world->links[k].name, sources, match->has_sources);
        }
    }
}

/* Each alternative of a zone has its own sets of sources, the same for both hooks. */
static const struct list *source_set(struct maker *maker, const struct ng_zone *zone, size_t at,
                                     bool ip6) {
    const struct ng_zone_match *match = &zone->matches[at];
    const struct ng_addrset addrs = ip6 ? match->sources6 : match->sources4;
    const char *name = ng_guard_printf(maker, "zone%u_%zu_%s", ip6 ? 6U : 4U, at + 1, zone->id);
    if (!match->has_sources || ng_addrset_empty(addrs) || !name)
        return NULL;
    for (size_t i = 0; i < maker->n_lists; i++)
        if (strcmp(maker->lists[i]->set.name, name) == 0)
            return maker->lists[i];
    struct list *list = SET(maker, name, ip6 ? NG_GUARD_SADDR6 : NG_GUARD_SADDR4);
    if (list)
        list->set.intervals = true;
    for (size_t i = 0; i < addrs.count; i++)
        ng_guard_add(maker, list,
                     (struct ng_guard_element){.key = {{.number = addrs.intervals[i].lo}},
                                               .end = addrs.intervals[i].hi});
    return list;
}

struct ways_in {
    const struct list *bridges, *armed;
    const char **targets; /* chain of each judged zone */
};

static const char *target_of(const struct maker *maker, const struct ways_in *ways,
                             const char *zone) {
    const struct zone *judged = judged_zone(maker, zone);
    return judged ? ways->targets[judged - maker->zones] : NULL;
}

static void add_base_chain(struct maker *maker, enum ng_hook hook, const struct ways_in *ways) {
    const struct ng_policy *policy = maker->result->policy;
    struct chain chain = {.maker = maker,
                          .chain = {.name = hook == NG_HOOK_FORWARD ? "forward" : "input",
                                    .base = true,
                                    .hook = hook,
                                    .priority = PRIORITY}};
    const struct ng_guard_test from_bridges = in(ways->bridges);
    if (ways->armed)
        ACCEPT(&chain, by_set(NG_GUARD_NOT_IN, ways->armed));
    ACCEPT(&chain, is_link(NG_GUARD_IIFNAME, "lo"));
    add_way(&chain, target_of(maker, ways, NG_ZONE_CONTAINERS), &from_bridges, 1);
    for (size_t i = 0; i < policy->n_zones; i++)
        for (size_t k = 0; k < policy->zones[i].n_matches; k++) {
            const struct list *sources[2] = {source_set(maker, &policy->zones[i], k, false),
                                             source_set(maker, &policy->zones[i], k, true)};
            add_interfaces(&chain, target_of(maker, ways, policy->zones[i].id),
                           &policy->zones[i].matches[k], sources);
        }
    const char *rest = target_of(maker, ways, NG_ZONE_PUBLIC);
    if (rest)
        always(&chain, NG_GUARD_GOTO, rest);
    hand_over(&chain);
}

/* -- bridges -------------------------------------------------------------------------- */

static bool has_ports(const struct ng_world *world, const struct ng_link *bridge) {
    for (size_t i = 0; i < world->n_links; i++)
        if (world->links[i].master == bridge->index)
            return true;
    return false;
}

/* By the names that engines give: docker0, docker_gwbridge, br-<12 hex digits of an id>. One that
 * has just been made may not be in any list yet. */
static bool is_named_by_engine(const char *name) {
    enum { ID_LEN = 12 };
    return strncmp(name, "docker", strlen("docker")) == 0 ||
           (strncmp(name, "br-", strlen("br-")) == 0 &&
            strspn(name + strlen("br-"), "0123456789abcdef") == ID_LEN &&
            strlen(name) == strlen("br-") + ID_LEN);
}

/* nft cannot read every name that an interface may have, and whoever saves the ruleset must be able
 * to load it again. */
static bool can_be_named(const char *name) {
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] > '~' || name[i] == '"')
            return false;
    return name[len - 1] != '*';
}

/* Where containers are, and the bridges of virtual machines, routers and others, which are none of
 * ours. Of a bridge without ports it is not yet known what it is for. */
static void list_bridges(struct maker *maker, struct list *engines, struct list *others) {
    const struct ng_world *world = maker->result->world;
    for (size_t i = 0; i < world->n_links; i++) {
        const struct ng_link *link = &world->links[i];
        const struct ng_guard_element element = {.key = {{.name = link->name}}};
        bool bridge = strcmp(link->kind, "bridge") == 0;
        if (bridge && !can_be_named(link->name)) {
            ng_guard_limit(maker, ng_guard_printf(maker,
                                                  "nft cannot name the bridge %s: what comes in "
                                                  "by it counts as coming from outside, and what "
                                                  "leaves by it as going to a container",
                                                  link->name));
            continue;
        }
        if (ng_leads_to_containers(world, link))
            ng_guard_add(maker, engines, element);
        else if (bridge && !ng_is_engine_bridge(world, link->name) &&
                 !is_named_by_engine(link->name) && has_ports(world, link))
            ng_guard_add(maker, others, element);
    }
}

/* -- the whole ------------------------------------------------------------------------ */

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
    list_bridges(maker, bridges, others);
    find_zones(maker);
    add_rule_chains(maker);
    ways.targets = ng_guard_alloc(maker, maker->n_zones, sizeof(*ways.targets));
    if (maker->error)
        return;
    for (size_t i = 0; i < maker->n_zones; i++)
        add_closed_chains(maker, &maker->zones[i]);
    for (size_t i = 0; i < maker->n_zones; i++)
        ways.targets[i] = add_forward_chain(maker, &maker->zones[i], others);
    add_base_chain(maker, NG_HOOK_FORWARD, &ways);
    for (size_t i = 0; i < maker->n_zones; i++)
        ways.targets[i] = add_input_chain(maker, &maker->zones[i]);
    add_base_chain(maker, NG_HOOK_INPUT, &ways);
    for (size_t i = 0; i < maker->n_lists; i++)
        ng_guard_settle(maker->lists[i]);
    for (size_t i = 0; i < maker->n_zones && !maker->error; i++)
        settle_zone(&maker->zones[i]);
}

int ng_guard_make(const struct ng_result *result, unsigned armed_s, struct ng_arena *arena,
                  struct ng_guard *ret_guard) {
    struct maker maker = {.result = result, .arena = arena};
    struct ng_guard guard = {.armed_s = armed_s};
    make(&maker, armed_s);
    ng_guard_hand_over_sets(&maker, &guard);
    if (maker.error)
        return maker.error;
    guard.chains = maker.chains;
    guard.n_chains = maker.n_chains;
    guard.limits = ng_sort_texts(maker.limits, maker.n_limits);
    *ret_guard = guard;
    return 0;
}
