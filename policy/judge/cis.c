/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/cis.h"

#include <errno.h>
#include <string.h>

#include "netguard/catalog.h"
#include "policy/judge/parts.h"

/* A port counts as open where somebody outside gets to it, whatever it is bound to; what is bound
 * to any address and closed by a rule is no finding. */

/* -- the policy ---------------------------------------------------------------------- */

static const enum ng_habit habits[] = {
    NG_HABIT_HOST_NETWORK,
    NG_HABIT_DEFAULT_BRIDGE,
    NG_HABIT_UNENCRYPTED_OVERLAY,
    NG_HABIT_INSECURE_REGISTRY,
};

static bool is_asked(enum ng_habit habit) {
    for (size_t i = 0; i < ARRAY_SIZE(habits); i++)
        if (habits[i] == habit)
            return true;
    return false;
}

/* Everywhere but this machine itself. */
static int list_zones(const struct ng_policy *policy, struct ng_strings *ret_zones) {
    const char **zones = ng_arena_alloc(policy->arena, policy->n_zones + 2, sizeof(*zones));
    size_t n = 0;
    if (!zones)
        return -ENOMEM;
    zones[n++] = NG_ZONE_CONTAINERS;
    for (size_t i = 0; i < policy->n_zones; i++)
        zones[n++] = policy->zones[i].id;
    zones[n++] = NG_ZONE_PUBLIC;
    *ret_zones = (struct ng_strings){zones, n};
    return 0;
}

/* 2.7 asks who may give the engine orders, from wherever. The rest of `usage:` it does not ask. */
static int make_rules(struct ng_policy *policy) {
    struct ng_rule_policy *rules =
        ng_arena_alloc(policy->arena, policy->n_rules + 1, sizeof(*rules));
    size_t n = 1;
    if (!rules)
        return -ENOMEM;
    rules[0] = (struct ng_rule_policy){
        .id = "usage.docker_api",
        .usage = NG_USAGE_DOCKER_API,
        .action = NG_ALERT,
        .severity = NG_CRITICAL,
        .reason = "no certificate is asked for, and whoever gets there is root on this machine",
    };
    for (size_t i = 0; i < policy->n_rules; i++)
        if (policy->rules[i].usage == NG_USAGE_NONE)
            rules[n++] = policy->rules[i];
    policy->rules = rules;
    policy->n_rules = n;
    return list_zones(policy, &rules[0].from);
}

int ng_policy_for_cis(struct ng_policy *policy) {
    for (size_t i = 0; i < NG_HABITS; i++) {
        struct ng_habit_policy *habit = &policy->habits[i];
        if (!habit->asked)
            *habit = (struct ng_habit_policy){.severity = policy->default_severity};
        habit->asked = is_asked((enum ng_habit)i);
    }
    /* The built-in policy does not say what is needed. */
    policy->default_action = policy->built_in ? NG_ALLOW : NG_ALERT;
    policy->n_segregations = 0;
    policy->cis = true;
    return make_rules(policy);
}

bool ng_cis_asks(const struct ng_exposure *exposure) {
    return exposure->container || exposure->role == NG_ROLE_DOCKER_API ||
           (exposure->role == NG_ROLE_DOCKER_API_TLS && exposure->unverified);
}

/* -- ports --------------------------------------------------------------------------- */

enum port_rule { PRIVILEGED, ANY_ADDRESS, SERVICE, INGRESS, SWARM };

static const struct ng_rule_policy port_rules[] = {
    [PRIVILEGED] = {.id = "cis.5.8",
                    .action = NG_ALERT,
                    .severity = NG_LOW,
                    .reason = "ports below 1024 are for services of the machine itself"},
    [ANY_ADDRESS] = {.id = "cis.5.14",
                     .action = NG_ALERT,
                     .severity = NG_MEDIUM,
                     .reason = "it is published on every address of this host"},
    [SERVICE] = {.id = "cis.7.2",
                 .action = NG_ALERT,
                 .severity = NG_MEDIUM,
                 .reason = "it is published on every address of this host"},
    [INGRESS] = {.id = "cis.7.2",
                 .action = NG_ALERT,
                 .severity = NG_MEDIUM,
                 .reason = "it has no address of its own"},
    [SWARM] = {.id = "cis.7.2",
               .action = NG_ALERT,
               .severity = NG_MEDIUM,
               .reason = "it listens on every address of this host"},
};

/* From everywhere outside; for SWARM, from where the other nodes cannot be meant to be. */
static int add_port(struct judgement *judgement, const struct ng_exposure *exposure, const char *id,
                    enum port_rule rule, const char *fix) {
    struct offence offence = {
        .exposure = exposure, .rule = &port_rules[rule], .id = id, .fix = fix};
    offence.reaches = ng_arena_alloc(judgement->arena, exposure->n_reach, sizeof(*offence.reaches));
    if (!offence.reaches)
        return -ENOMEM;
    for (size_t i = 0; i < exposure->n_reach; i++) {
        const char *zone = exposure->reach[i].zone;
        if (rule == SWARM ? strcmp(zone, NG_ZONE_PUBLIC) == 0
                          : strcmp(zone, NG_ZONE_CONTAINERS) != 0)
            offence.reaches[offence.n_reaches++] = &exposure->reach[i];
    }
    return offence.n_reaches ? ng_add_offence(judgement, &offence) : 0;
}

static bool is_swarm_s_own(const struct ng_exposure *exposure) {
    return exposure->role == NG_ROLE_SWARM_MANAGEMENT || exposure->role == NG_ROLE_SWARM_GOSSIP;
}

static int find_port(struct judgement *judgement, const struct ng_exposure *exposure) {
    bool ingress = exposure->kind == NG_KIND_INGRESS;
    bool published = ingress || exposure->kind == NG_KIND_PUBLISHED;
    bool any = ng_addr_is_any(exposure->host_addr);
    int r = 0;
    if (published && exposure->host_port < 1024)
        r = add_port(judgement, exposure, NG_ID_PRIVILEGED_PORT, PRIVILEGED,
                     "publish it on a port from 1024 on, and let a load balancer have the low one\n"
                     "or except it, if it is meant to be there: {rule: cis.5.8, to: …} in "
                     "`exceptions:`");
    if (r < 0)
        return r;
    if (ingress)
        return add_port(judgement, exposure, NG_ID_SERVICE_ANY_ADDRESS, INGRESS, NULL);
    if (published && any)
        return exposure->container->service
                   ? add_port(judgement, exposure, NG_ID_SERVICE_ANY_ADDRESS, SERVICE, NULL)
                   : add_port(judgement, exposure, NG_ID_ANY_ADDRESS, ANY_ADDRESS, NULL);
    if (is_swarm_s_own(exposure) && any)
        return add_port(judgement, exposure, NG_ID_CLUSTER, SWARM, NULL);
    return 0;
}

/* -- the engine ---------------------------------------------------------------------- */

static int add_machine(struct judgement *judgement, struct ng_finding finding) {
    finding.action = NG_ALERT;
    finding.about = finding.subject;
    return finding.message ? ng_add_finding(judgement, finding) : -ENOMEM;
}

/* Podman's networks are each on their own terms: it has no default bridge and no ICC. */
static int find_icc(struct judgement *judgement, const struct ng_engine *engine) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < engine->n_networks; i++) {
        const struct ng_network *network = &engine->networks[i];
        if (!network->is_default || network->icc_off)
            continue;
        bool used = ng_network_in_use(engine, network);
        r = add_machine(
            judgement,
            (struct ng_finding){
                .id = NG_ID_BRIDGE_ICC,
                .rule = "cis.2.2",
                .severity = used ? NG_MEDIUM : NG_INFO,
                .subject = network->name,
                .message =
                    ng_arena_printf(judgement->arena,
                                    "containers on %s, the engine's default bridge, get to each "
                                    "other's ports%s",
                                    network->name, used ? "" : "; none is on it now"),
                .fix = "let the engine close it: \"icc\": false in /etc/docker/daemon.json\n"
                       "or do without it: \"bridge\": \"none\"",
            });
    }
    return r;
}

/* Whether it may write rules is asked of Docker with bridges on this host. */
static bool has_bridges(const struct ng_world *world, const struct ng_engine *engine) {
    for (size_t i = 0; !engine->podman && !engine->rootless && i < engine->n_networks; i++)
        if (engine->networks[i].bridge && ng_link_named(world, engine->networks[i].bridge))
            return true;
    return false;
}

/* By iptables its chains begin with DOCKER, by nftables it has tables of its own. */
static bool has_rules(const struct ng_ruleset *ruleset) {
    for (size_t i = 0; i < ruleset->n_chains; i++) {
        const struct ng_chain *chain = &ruleset->chains[i];
        if (strncmp(chain->name, "DOCKER", strlen("DOCKER")) == 0 ||
            strcmp(ruleset->tables[chain->table].name, "docker-bridges") == 0)
            return true;
    }
    return false;
}

static int find_engine_rules(struct judgement *judgement, const struct ng_engine *engine) {
    if (judgement->blind || !has_bridges(judgement->world, engine) || has_rules(judgement->ruleset))
        return 0;
    return add_machine(
        judgement,
        (struct ng_finding){
            .id = NG_ID_NO_ENGINE_RULES,
            .rule = "cis.2.4",
            .severity = NG_HIGH,
            .subject = engine->name,
            .message = "the engine has networks on this host and no chain in its packet filter: it "
                       "may not write rules, or they were flushed",
            .fix =
                "take \"iptables\": false out of /etc/docker/daemon.json, and restart the engine",
        });
}

static bool is_proxy(const struct ng_listener *listener) {
    return !listener->container_id && ng_listener_is_of(listener, "docker-proxy");
}

static int find_proxy(struct judgement *judgement) {
    const struct ng_world *world = judgement->world;
    size_t count = 0;
    for (size_t i = 0; i < world->n_listeners; i++)
        count += is_proxy(&world->listeners[i]);
    if (count == 0)
        return 0;
    return add_machine(
        judgement, (struct ng_finding){
                       .id = NG_ID_USERLAND_PROXY,
                       .rule = "cis.2.16",
                       .severity = NG_LOW,
                       .subject = "docker-proxy",
                       .message = ng_arena_printf(judgement->arena,
                                                  "docker-proxy takes what comes to %zu published "
                                                  "port%s, past the rules for forwarded packets",
                                                  count, count == 1 ? "" : "s"),
                       .fix = "switch it off: \"userland-proxy\": false in /etc/docker/daemon.json",
                   });
}

/* Where the node has but one address outside, everything goes by that. */
static bool has_one_address(const struct ng_world *world, const struct ng_engine *engine) {
    size_t count = 0;
    bool own = false;
    for (size_t i = 0; i < world->n_ifaddrs; i++) {
        const struct ng_ifaddr *ifaddr = &world->ifaddrs[i];
        const struct ng_link *link = NULL;
        for (size_t k = 0; k < world->n_links && !link; k++)
            if (world->links[k].index == ifaddr->link)
                link = &world->links[k];
        if (ifaddr->addr.family != engine->node_addr.family || !link ||
            !ng_leads_outside(world, link))
            continue;
        count++;
        own = own || ng_addr_equal(ifaddr->addr, engine->node_addr);
    }
    return own && count == 1;
}

/* By which address the data goes is told where a container is on an overlay network. */
static bool is_one_plane(const struct ng_world *world, const struct ng_engine *engine) {
    if (!engine->swarm || !engine->node_addr.family)
        return false;
    return engine->data_path_addr.family ? ng_addr_equal(engine->data_path_addr, engine->node_addr)
                                         : has_one_address(world, engine);
}

static int find_one_plane(struct judgement *judgement, const struct ng_engine *engine) {
    char addr[NG_ADDR_TEXT];
    if (!is_one_plane(judgement->world, engine))
        return 0;
    return add_machine(
        judgement,
        (struct ng_finding){
            .id = NG_ID_ONE_PLANE,
            .rule = "cis.7.9",
            .severity = NG_LOW,
            .subject = engine->name,
            .message = ng_arena_printf(judgement->arena,
                                       "the swarm's management and the data of its overlay "
                                       "networks both go by %s",
                                       ng_addr_text(engine->node_addr, addr)),
            .fix = "give the nodes a second network, and let them join with --advertise-addr on "
                   "one and --data-path-addr on the other",
        });
}

const char *const ng_cis_rules[] = {
    "cis.2.2", "cis.2.4", "cis.2.16", "cis.5.8", "cis.5.14", "cis.7.2", "cis.7.9",
};
const size_t ng_cis_rules_count = ARRAY_SIZE(ng_cis_rules);

int ng_find_cis(struct judgement *judgement) {
    const struct ng_world *world = judgement->world;
    int r = find_proxy(judgement);
    for (size_t i = 0; r == 0 && i < judgement->n_exposures; i++)
        r = find_port(judgement, &judgement->exposures[i]);
    for (size_t i = 0; r == 0 && i < world->n_engines; i++) {
        r = find_icc(judgement, &world->engines[i]);
        if (r == 0)
            r = find_engine_rules(judgement, &world->engines[i]);
        if (r == 0)
            r = find_one_plane(judgement, &world->engines[i]);
    }
    return r;
}

/* -- what it came to ----------------------------------------------------------------- */

const char *ng_cis_verdict_text(enum ng_cis_verdict verdict) {
    static const char *const texts[] = {
        [NG_CIS_PASS] = "pass",
        [NG_CIS_FAIL] = "fail",
        [NG_CIS_UNKNOWN] = "unknown",
    };
    return texts[verdict];
}

/* Is the port of this exposure held by nobody knows whom? */
static bool is_held_by_unknown(const struct ng_world *world, const struct ng_exposure *exposure) {
    for (size_t i = 0; i < world->n_listeners; i++)
        if (!world->listeners[i].process && world->listeners[i].proto == exposure->proto &&
            world->listeners[i].port == exposure->host_port)
            return true;
    return false;
}

static bool is_of_docker(const struct ng_world *world, const struct ng_exposure *exposure) {
    const struct ng_engine *engine =
        exposure->container ? ng_engine_of(world, exposure->container) : NULL;
    return exposure->kind == NG_KIND_PUBLISHED && engine && !engine->podman;
}

static bool has_docker(const struct ng_world *world) {
    for (size_t i = 0; i < world->n_engines; i++)
        if (!world->engines[i].podman)
            return true;
    return false;
}

/* With docker-proxy switched off the engine has the sockets of published ports, or nobody has. */
static const char *proxy_doubt(const struct ng_result *result) {
    bool published = false;
    if (!has_docker(result->world))
        return NULL;
    for (size_t i = 0; i < result->n_exposures; i++) {
        if (!is_of_docker(result->world, &result->exposures[i]))
            continue;
        published = true;
        if (is_held_by_unknown(result->world, &result->exposures[i]))
            return "who holds the sockets of published ports is not known";
    }
    return published ? NULL
                     : "nothing is published: whether a docker-proxy would serve it cannot be told";
}

/* No network but Docker's own can be called so; a snapshot that is older than the question does not
 * say that it is the default. */
static const char *default_bridge_doubt(const struct ng_result *result) {
    const struct ng_world *world = result->world;
    for (size_t i = 0; i < world->n_engines; i++)
        for (size_t k = 0; !world->engines[i].podman && k < world->engines[i].n_networks; k++) {
            const struct ng_network *network = &world->engines[i].networks[k];
            if (!network->is_default && strcmp(network->name, "bridge") == 0)
                return "which network is the default bridge was not told";
        }
    return NULL;
}

static const char *needed_ports_doubt(const struct ng_result *result) {
    return result->policy->built_in ? "the built-in policy does not say which ports are needed"
                                    : NULL;
}

static const char *one_plane_doubt(const struct ng_result *result) {
    for (size_t i = 0; i < result->world->n_engines; i++)
        if (result->world->engines[i].swarm && !result->world->engines[i].data_path_addr.family)
            return "by which address the overlay networks' data goes was not told";
    return NULL;
}

static const struct {
    const char *item, *what;
    const char *(*doubt)(const struct ng_result *result); /* why there may be more than is found */
} items[] = {
    {"2.2", "containers on the default bridge are kept from each other", default_bridge_doubt},
    {"2.4", "the engine may write its rules", NULL},
    {"2.5", "no registry without TLS", NULL},
    {"2.7", "the engine's API asks for certificates", NULL},
    {"2.16", "no userland proxy", proxy_doubt},
    {"5.8", "no port below 1024 published", NULL},
    {"5.9", "no port open that is not needed", needed_ports_doubt},
    {"5.10", "no container on the host's network", NULL},
    {"5.14", "published ports are bound to one address", NULL},
    {"5.30", "no container on the default bridge", default_bridge_doubt},
    {"7.2", "the swarm's services are bound to one address", NULL},
    {"7.3", "overlay networks are encrypted", NULL},
    {"7.9", "the swarm's management and data go apart", one_plane_doubt},
};

static bool answers(const struct ng_finding *finding, const char *item) {
    const struct ng_catalog_page *page = ng_catalog_find(finding->id);
    for (size_t i = 0; page && page->cis && page->cis[i]; i++)
        if (strcmp(page->cis[i], item) == 0)
            return true;
    return false;
}

/* Does what it is about hold for certain? */
static bool is_certain(const struct ng_finding *finding) {
    return finding->verdict == NG_REACHABLE || finding->verdict == NG_PARTLY;
}

static const char *general_doubt(const struct ng_result *result) {
    if (result->world->n_engines == 0)
        return "no container engine was observed";
    return result->complete ? NULL : "not everything could be observed";
}

static struct ng_cis_item weigh_item(const struct ng_result *result, size_t at) {
    struct ng_cis_item item = {.item = items[at].item, .what = items[at].what};
    bool certain = false;
    for (size_t i = 0; i < result->n_findings; i++) {
        const struct ng_finding *finding = &result->findings[i];
        if (finding->state != NG_OPEN || !answers(finding, item.item))
            continue;
        item.n_findings++;
        certain = certain || is_certain(finding);
    }
    const char *doubt = general_doubt(result);
    if (!doubt && item.n_findings)
        doubt = "whether anybody gets there cannot be decided";
    if (!doubt && items[at].doubt)
        doubt = items[at].doubt(result);
    item.verdict = certain ? NG_CIS_FAIL : doubt ? NG_CIS_UNKNOWN : NG_CIS_PASS;
    item.note = item.verdict == NG_CIS_UNKNOWN ? doubt : NULL;
    return item;
}

int ng_cis_items(const struct ng_result *result, struct ng_arena *arena,
                 const struct ng_cis_item **ret_items, size_t *ret_count) {
    struct ng_cis_item *own = ng_arena_alloc(arena, ARRAY_SIZE(items), sizeof(*own));
    if (!own)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(items); i++)
        own[i] = weigh_item(result, i);
    *ret_items = own;
    *ret_count = ARRAY_SIZE(items);
    return 0;
}
