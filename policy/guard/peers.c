/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/guard/parts.h"
#include "policy/judge/parts.h"

/* Nodes of a swarm that cannot talk to each other are no swarm: two that are cut off may be what
 * the quorum stands on. */

static const struct ng_rule_policy *cluster_rule(const struct ng_policy *policy) {
    for (size_t i = 0; i < policy->n_rules; i++)
        if (policy->rules[i].usage == NG_USAGE_CLUSTER && policy->rules[i].action == NG_BLOCK)
            return &policy->rules[i];
    return NULL;
}

const char *ng_guard_cut_peers(struct maker *maker) {
    const struct ng_world *world = maker->result->world;
    const struct ng_rule_policy *rule = cluster_rule(maker->result->policy);
    const char *told = NULL;
    for (size_t i = 0; rule && i < world->n_engines; i++)
        for (size_t k = 0; k < world->engines[i].n_peers; k++) {
            struct ng_addr peer = world->engines[i].peers[k];
            const char *zone = ng_zone_kept_out(world, maker->result->policy, rule, peer);
            char text[NG_ADDR_TEXT];
            if (zone)
                told = ng_guard_printf(maker, "%s%s%s from zone %s", told ? told : "",
                                       told ? ", " : "", ng_addr_text(peer, text), zone);
        }
    if (!told)
        return NULL;
    return ng_guard_printf(maker,
                           "the swarm's ports are not closed, for this node would lose others: %s; "
                           "let `usage: cluster` name their zones",
                           told);
}
