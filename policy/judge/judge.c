/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *ng_kind_text(enum ng_kind kind) {
    static const char *const texts[] = {
        [NG_KIND_PUBLISHED] = "published",
        [NG_KIND_INGRESS] = "ingress",
        [NG_KIND_HOST_NETWORK] = "host-network",
        [NG_KIND_HOST] = "host",
        [NG_KIND_DIRECT] = "direct",
        [NG_KIND_L2] = "l2",
    };
    return texts[kind];
}

const char *ng_path_text(enum ng_path one_bit) {
    switch (one_bit) {
    case NG_PATH_DNAT:
        return "dnat";
    case NG_PATH_PROXY:
        return "proxy";
    case NG_PATH_LOCAL:
        return "local";
    case NG_PATH_ROUTE:
        return "route";
    case NG_PATH_IPVS:
        return "ipvs";
    case NG_PATH_L2:
        return "l2";
    }
    return "?";
}

const char *ng_role_text(enum ng_role role) {
    static const char *const texts[] = {
        [NG_ROLE_NONE] = NULL,
        [NG_ROLE_DOCKER_API] = "docker-api",
        [NG_ROLE_DOCKER_API_TLS] = "docker-api-tls",
        [NG_ROLE_SWARM_MANAGEMENT] = "swarm-management",
        [NG_ROLE_SWARM_GOSSIP] = "swarm-gossip",
        [NG_ROLE_SWARM_DATA_PATH] = "swarm-data-path",
    };
    return texts[role];
}

const char *ng_gateway_mode_text(uint8_t mode) {
    static const char *const texts[] = {
        [NG_GATEWAY_NAT] = "nat",
        [NG_GATEWAY_NAT_UNPROTECTED] = "nat-unprotected",
        [NG_GATEWAY_ROUTED] = "routed",
        [NG_GATEWAY_ISOLATED] = "isolated",
    };
    return mode < ARRAY_SIZE(texts) ? texts[mode] : "?";
}

const char *ng_reach_verdict_text(enum ng_reach_verdict verdict) {
    static const char *const texts[] = {
        [NG_REACHABLE] = "reachable",
        [NG_PARTLY] = "partly",
        [NG_BLOCKED] = "blocked",
        [NG_UNKNOWN] = "unknown",
    };
    return texts[verdict];
}

const char *ng_host_firewall_text(enum ng_host_firewall state) {
    static const char *const texts[] = {
        [NG_FIREWALL_ABSENT] = "absent",
        [NG_FIREWALL_HONOURED] = "honoured",
        [NG_FIREWALL_BYPASSED] = "bypassed",
    };
    return texts[state];
}

const char *ng_finding_state_text(enum ng_finding_state state) {
    static const char *const texts[] = {
        [NG_OPEN] = "open",
        [NG_STATE_BLOCKED] = "blocked",
        [NG_EXCEPTED] = "excepted",
    };
    return texts[state];
}

const char *ng_proto_text(uint8_t proto) {
    switch (proto) {
    case NG_ICMP:
        return "icmp";
    case NG_TCP:
        return "tcp";
    case NG_UDP:
        return "udp";
    case NG_ESP:
        return "esp";
    case NG_ICMP6:
        return "icmp6";
    case NG_SCTP:
        return "sctp";
    default:
        return "?";
    }
}

const char *ng_family_text(uint8_t family) {
    return family == NG_IP4 ? "ip" : "ip6";
}

/* Without these parts of the world, or with a packet filter that was not read beside the one
 * that was, no answer could be trusted. */
const char *ng_blindness(const struct ng_world *world) {
    if (!world->nft.read)
        return "the nf_tables ruleset was not read";
    if (!world->links_read || !world->routes_read)
        return "links, addresses or routes were not read";
    for (size_t i = 0; i < world->n_gaps; i++)
        if (strcmp(world->gaps[i].source, "xtables") == 0)
            return "it is not known what iptables-legacy tables hold";
        else if (strcmp(world->gaps[i].source, "routes") == 0)
            return "not all routes were read";
    return NULL;
}

/* Into a chain of such a name, that is, with rules in it. */
static bool jumps_to(const struct ng_ruleset *ruleset, const struct ng_chain *chain,
                     const char *prefix) {
    for (size_t i = 0; i < chain->n_rules; i++) {
        const struct ng_rule *rule = &ruleset->rules[chain->first_rule + i];
        for (size_t k = 0; k < rule->n_ops; k++) {
            const struct ng_op *op = &rule->ops[k];
            bool jump = op->kind == NG_OP_VERDICT && (op->verdict.kind == NG_VERDICT_JUMP ||
                                                      op->verdict.kind == NG_VERDICT_GOTO);
            if (!jump)
                continue;
            const struct ng_chain *to = &ruleset->chains[op->verdict.chain];
            if (to->n_rules && strncmp(to->name, prefix, strlen(prefix)) == 0)
                return true;
        }
    }
    return false;
}

/* ufw is in force where the input chain leads into its chains ("ufw-…", "ufw6-…") and there are
 * rules in one (`ufw disable` leaves them behind empty), firewalld where its table is. */
void ng_find_host_firewalls(struct judgement *judgement) {
    const struct ng_ruleset *ruleset = judgement->ruleset;
    judgement->ufw[0] = judgement->ufw[1] = judgement->firewalld = false;
    for (size_t i = 0; i < ruleset->n_chains; i++) {
        const struct ng_chain *chain = &ruleset->chains[i];
        const struct ng_table *table = &ruleset->tables[chain->table];
        if (table->family == NG_TABLE_INET && strcmp(table->name, "firewalld") == 0 &&
            !table->dormant)
            judgement->firewalld = true;
        if (!chain->base || chain->hook != NG_HOOK_INPUT)
            continue;
        if (table->family == NG_TABLE_IP && jumps_to(ruleset, chain, "ufw-"))
            judgement->ufw[0] = true;
        if (table->family == NG_TABLE_IP6 && jumps_to(ruleset, chain, "ufw6-"))
            judgement->ufw[1] = true;
    }
}

/* -- gaps ---------------------------------------------------------------------------- */

int ng_add_gap(struct judgement *judgement, const char *source, const char *reason) {
    struct ng_gap *gap = NG_ARENA_APPEND(judgement->arena, judgement->gaps, judgement->n_gaps,
                                         judgement->gaps_capacity);
    if (!gap || !reason)
        return -ENOMEM;
    *gap = (struct ng_gap){source, reason};
    return 0;
}

/* A container on the LAN by a link that is not known here cannot be asked about. */
static int find_gaps(struct judgement *judgement) {
    const struct ng_world *world = judgement->world;
    int r = 0;
    for (size_t i = 0; r == 0 && i < world->n_gaps; i++)
        r = ng_add_gap(judgement, world->gaps[i].source, world->gaps[i].reason);
    for (size_t i = 0; i < world->n_engines; i++)
        for (size_t k = 0; r == 0 && k < world->engines[i].n_networks; k++) {
            const struct ng_network *network = &world->engines[i].networks[k];
            if (!ng_network_is_on_lan(network) || !network->parent || !world->links_read ||
                !ng_network_in_use(&world->engines[i], network) ||
                ng_link_named(world, network->parent))
                continue;
            r = ng_add_gap(judgement, "docker",
                           ng_arena_printf(judgement->arena,
                                           "network %s (%s) stands on %s, which is no link of this "
                                           "host: who gets to its containers is not told",
                                           network->name, network->driver, network->parent));
        }
    return r < 0 ? r : ng_find_habit_gaps(judgement);
}

static int compare_gaps(const void *left, const void *right) {
    const struct ng_gap *a = left, *b = right;
    int order = strcmp(a->source, b->source);
    return order ? order : strcmp(a->reason, b->reason);
}

/* Who gets to each of them. */
static int decide_all(struct judgement *judgement) {
    judgement->all = judgement->exposures;
    judgement->n_all = judgement->n_exposures;
    judgement->trails =
        ng_arena_alloc(judgement->arena, judgement->n_all, sizeof(*judgement->trails));
    if (!judgement->trails)
        return -ENOMEM;
    int r = ng_find_traits(judgement->engine, judgement->arena, &judgement->traits);
    for (size_t i = 0; r == 0 && i < judgement->n_all; i++) {
        judgement->trails[i].container_addr = judgement->all[i].container_addr;
        r = ng_decide_reach(judgement, &judgement->all[i], &judgement->trails[i]);
    }
    return r < 0 ? r : ng_leave_out_closed_ways(judgement);
}

static int judge(struct judgement *judgement) {
    ng_find_host_firewalls(judgement);
    int r = find_gaps(judgement);
    if (r == 0)
        r = ng_find_arrivals(judgement);
    if (r == 0)
        r = ng_find_exposures(judgement);
    if (r == 0)
        r = decide_all(judgement);
    if (r == 0)
        r = ng_find_talks(judgement);
    if (r == 0)
        r = ng_find_findings(judgement);
    if (r == 0 && judgement->n_gaps)
        qsort(judgement->gaps, judgement->n_gaps, sizeof(*judgement->gaps), compare_gaps);
    return r;
}

int ng_conclude(struct judgement *judgement, struct ng_result **ret_result) {
    struct ng_result *result = ng_arena_alloc(judgement->arena, 1, sizeof(*result));
    struct judgement *kept = ng_arena_alloc(judgement->arena, 1, sizeof(*kept));
    struct ng_strings backends;
    if (!result || !kept)
        return -ENOMEM;
    int r = ng_find_backends(judgement->arena, judgement->ruleset, &backends);
    if (r < 0)
        return r;
    *kept = *judgement;
    kept->scratch = NULL;
    kept->deciders = NULL;
    kept->ruleset = NULL;
    kept->engine = NULL;
    *result = (struct ng_result){
        .arena = judgement->arena,
        .world = judgement->world,
        .policy = judgement->policy,
        .complete = judgement->n_gaps == 0,
        .gaps = judgement->gaps,
        .n_gaps = judgement->n_gaps,
        .backends = backends,
        .exposures = judgement->exposures,
        .n_exposures = judgement->n_exposures,
        .talks = judgement->talks,
        .n_talks = judgement->n_talks,
        .findings = judgement->findings,
        .n_findings = judgement->n_findings,
        .judgement = kept,
    };
    *ret_result = result;
    return 0;
}

int ng_judge(const struct ng_world *world, const struct ng_ruleset *ruleset,
             const struct ng_policy *policy, struct ng_result **ret_result,
             struct ng_error *error) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    _cleanup_(ng_arena_freep) struct ng_arena *scratch = ng_arena_new();
    _cleanup_(ng_reach_freep) struct ng_engine_state *engine = NULL;
    const struct ng_decider **deciders =
        arena ? ng_arena_alloc(arena, ruleset->n_rules, sizeof(const struct ng_decider *)) : NULL;
    int r = scratch && deciders ? ng_reach_new(world, ruleset, &engine) : -ENOMEM;
    struct judgement judgement = {
        .arena = arena,
        .scratch = scratch,
        .deciders = deciders,
        .world = world,
        .ruleset = ruleset,
        .policy = policy,
        .engine = engine,
        .blind = ng_blindness(world),
    };
    if (r == 0)
        r = judge(&judgement);
    if (r == 0)
        r = ng_conclude(&judgement, ret_result);
    if (r < 0)
        return ng_error_set(error, r, "judge", "out of memory");
    (void)TAKE_PTR(arena);
    return 0;
}

void ng_result_free(struct ng_result *result) {
    if (result)
        ng_arena_free(result->arena);
}

void ng_result_freep(struct ng_result **result) {
    ng_result_free(*result);
    *result = NULL;
}

bool ng_result_has_open(const struct ng_result *result, enum ng_severity least) {
    for (size_t i = 0; i < result->n_findings; i++)
        if (result->findings[i].state == NG_OPEN && result->findings[i].severity >= least)
            return true;
    return false;
}
