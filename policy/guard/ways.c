/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/guard/chain.h"
#include "policy/judge/parts.h"

#include <string.h>

/* From which zone does a packet come, and which bridges are an engine's? */

enum {
    PRIORITY = -1, /* just before filter, 0: whatever engines and firewalls accept there comes later
                      and a drop is final */
    FEW_SOURCES = 32, /* prefixes and ranges of one alternative of a zone */
};

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
    ng_guard_add_rule(chain,
                      (struct ng_guard_rule){.verdict = target ? NG_GUARD_GOTO : NG_GUARD_ACCEPT,
                                             .chain = target},
                      tests, count);
}

/* Who comes from one alternative of a zone, of one family. */
struct sources {
    enum ng_guard_field field;
    const struct ng_addrset *addrs; /* of few; else */
    const struct list *set;         /* the same for both hooks; NULL: nobody */
};

/* Those of `tests` and from there. */
static void add_sources(struct chain *chain, const char *target, struct ng_guard_test *tests,
                        size_t n, const struct sources *sources) {
    if (sources->set) {
        tests[n] = in(sources->set);
        add_way(chain, target, tests, n + 1);
    }
    for (size_t i = 0; sources->addrs && i < sources->addrs->count; i++) {
        const struct ng_interval *interval = &sources->addrs->intervals[i];
        tests[n] = between(sources->field, interval->lo, interval->hi);
        add_way(chain, target, tests, n + 1);
    }
}

/* `interface` NULL: whatever it comes in by; `sources` NULL: whoever. */
static void add_match(struct chain *chain, const char *target, const char *interface,
                      const struct sources *sources) {
    struct ng_guard_test tests[2];
    size_t n = 0;
    if (interface)
        tests[n++] = is_link(NG_GUARD_IIFNAME, interface);
    if (!sources)
        add_way(chain, target, tests, n);
    for (size_t ip6 = 0; sources && ip6 < 2; ip6++)
        add_sources(chain, target, tests, n, &sources[ip6]);
}

static void add_interfaces(struct chain *chain, const char *target,
                           const struct ng_zone_match *match, const struct sources *sources) {
    const struct ng_world *world = chain->maker->result->world;
    if (match->interfaces.count == 0)
        add_match(chain, target, NULL, sources);
    for (size_t i = 0; i < match->interfaces.count; i++) {
        const char *glob = match->interfaces.items[i];
        if (strcmp(glob, "*") == 0) {
            add_match(chain, target, NULL, sources);
        } else if (nft_knows(glob)) {
            add_match(chain, target, glob, sources);
        } else {
            for (size_t k = 0; k < world->n_links; k++)
                if (ng_glob_match(glob, world->links[k].name))
                    add_match(chain, target, world->links[k].name, sources);
        }
    }
}

static const struct list *source_set(struct maker *maker, const char *name,
                                     enum ng_guard_field field, const struct ng_addrset *addrs) {
    for (size_t i = 0; name && i < maker->n_lists; i++)
        if (strcmp(maker->lists[i]->set.name, name) == 0)
            return maker->lists[i];
    struct list *list = SET(maker, name, field);
    if (list)
        list->set.intervals = list->set.of_policy = true;
    for (size_t i = 0; i < addrs->count; i++)
        ng_guard_add(maker, list,
                     (struct ng_guard_element){.key = {{.number = addrs->intervals[i].lo}},
                                               .end = addrs->intervals[i].hi});
    return list;
}

/* A set of intervals comes into force after the rules that ask it (see list_ports()), so that for a
 * moment everybody in it is from the next zone: that is for those that are too many for rules. */
static struct sources sources_of(struct maker *maker, const struct ng_zone *zone, size_t at,
                                 bool ip6) {
    const struct ng_zone_match *match = &zone->matches[at];
    const struct ng_addrset *addrs = ip6 ? &match->sources6 : &match->sources4;
    enum ng_guard_field field = ip6 ? NG_GUARD_SADDR6 : NG_GUARD_SADDR4;
    if (addrs->count <= FEW_SOURCES)
        return (struct sources){.field = field, .addrs = addrs};
    const char *name = ng_guard_printf(maker, "zone%u_%zu_%s", ip6 ? 6U : 4U, at + 1, zone->id);
    return (struct sources){.field = field, .set = source_set(maker, name, field, addrs)};
}

static const char *target_of(const struct maker *maker, const struct ways_in *ways,
                             const char *zone) {
    const struct zone *judged = judged_zone(maker, zone);
    return judged ? ways->targets[judged - maker->zones] : NULL;
}

void ng_guard_add_base_chain(struct maker *maker, enum ng_hook hook, const struct ways_in *ways) {
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
            const struct ng_zone_match *match = &policy->zones[i].matches[k];
            const struct sources sources[2] = {sources_of(maker, &policy->zones[i], k, false),
                                               sources_of(maker, &policy->zones[i], k, true)};
            add_interfaces(&chain, target_of(maker, ways, policy->zones[i].id), match,
                           match->has_sources ? sources : NULL);
        }
    const char *rest = target_of(maker, ways, NG_ZONE_PUBLIC);
    if (rest)
        ng_guard_always(&chain, NG_GUARD_GOTO, rest);
    ng_guard_hand_over(&chain);
}

/* -- bridges -------------------------------------------------------------------------- */

static bool engines_have_told(const struct ng_world *world) {
    for (size_t i = 0; i < world->n_gaps; i++)
        if (strcmp(world->gaps[i].source, "docker") == 0)
            return false;
    return world->n_engines > 0;
}

/* Of a bridge without ports it is not yet known what it is for; and of one with a veth pair, on
 * which a container may hang, not before the engines have told of their networks: to let it be is
 * to open it. */
static bool is_known_to_be_of_others(const struct ng_world *world, const struct ng_link *bridge) {
    bool ports = false, pairs = false;
    for (size_t i = 0; i < world->n_links; i++) {
        if (world->links[i].master != bridge->index)
            continue;
        ports = true;
        pairs = pairs || strcmp(world->links[i].kind, "veth") == 0;
    }
    return ports && (!pairs || engines_have_told(world));
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

void ng_guard_list_bridges(struct maker *maker, struct list *engines, struct list *others) {
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
                 !is_named_by_engine(link->name) && is_known_to_be_of_others(world, link))
            ng_guard_add(maker, others, element);
    }
}
