/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does the world do what is expected of it? "Blocked" is said of nothing that is not known to be.
 */
#include "netguard/expect.h"

#include <errno.h>
#include <string.h>

#include "policy/judge/parts.h"

/* -- what a name stands for --------------------------------------------------------------- */

static bool is_host(const struct ng_expectation *expectation) {
    return strcmp(expectation->name, NG_ZONE_HOST) == 0;
}

static bool is_named(const struct ng_container *container, const char *name) {
    return strcmp(container->name, name) == 0 ||
           (container->service && strcmp(container->service, name) == 0);
}

/* Does one of the containers of this name stand on the network of `owner`, or of the machine where
 * that is NULL? What listens there may be told of as the other's. */
static bool shares_network(const struct ng_world *world, const char *name,
                           const struct ng_container *owner) {
    for (size_t i = 0; i < world->n_engines; i++)
        for (size_t k = 0; k < world->engines[i].n_containers; k++) {
            const struct ng_container *container = &world->engines[i].containers[k];
            if (!is_named(container, name))
                continue;
            if (owner ? container->network_of && strcmp(container->network_of, owner->id) == 0
                      : strcmp(container->network_mode, "host") == 0)
                return true;
        }
    return false;
}

static bool is_target(const struct ng_world *world, const struct ng_expectation *expectation,
                      const struct ng_exposure *exposure) {
    const struct ng_container *container = exposure->container;
    if (expectation->proto && expectation->proto != exposure->proto)
        return false;
    if (is_host(expectation))
        return exposure->host_port == expectation->port;
    if (exposure->host_port != expectation->port && exposure->container_port != expectation->port)
        return false;
    return (container && is_named(container, expectation->name)) ||
           shares_network(world, expectation->name, container);
}

/* Not all that could be at the port is known. */
/* Does the match name the port? */
static bool names_port(const struct ng_match *match, uint16_t port) {
    for (size_t i = 0; i < match->values.count; i++)
        if (port >= match->values.intervals[i].lo && port <= match->values.intervals[i].hi)
            return true;
    return match->n_boxes || match->expiring.count;
}

/* Somebody's own translation, of which no engine tells: where it leads nobody was asked. */
static bool may_translate(const struct ng_rule *rule, uint16_t port) {
    bool translates = false;
    for (size_t i = 0; i < rule->n_ops; i++) {
        const struct ng_op *op = &rule->ops[i];
        translates = translates || op->kind == NG_OP_DNAT || op->kind == NG_OP_REDIRECT ||
                     op->kind == NG_OP_TPROXY;
        if (op->kind == NG_OP_MATCH && !op->match->negate && op->match->n_operands == 1 &&
            op->match->operands[0].field == NG_FIELD_DPORT && !names_port(op->match, port))
            return false;
    }
    return translates;
}

static bool is_translated(const struct ng_ruleset *ruleset, uint16_t port) {
    for (size_t i = 0; i < ruleset->n_rules; i++)
        if (may_translate(&ruleset->rules[i], port))
            return true;
    return false;
}

static const char *find_doubt(const struct ng_result *result, const struct ng_ruleset *ruleset,
                              const struct ng_expectation *expectation) {
    const struct ng_world *world = result->world;
    if (!result->complete)
        return "nothing is known to be there, but not everything was observed";
    if (is_host(expectation) && is_translated(ruleset, expectation->port))
        return "a rule that is no engine's may lead that port to somebody";
    for (size_t i = 0; !is_host(expectation) && i < result->n_exposures; i++) {
        const struct ng_exposure *exposure = &result->exposures[i];
        if (exposure->kind == NG_KIND_INGRESS && !exposure->container_port &&
            is_named(exposure->container, expectation->name))
            return "to which port of the service its published ports lead is not told here";
    }
    for (size_t i = 0; !is_host(expectation) && i < world->n_engines; i++)
        for (size_t k = 0; k < world->engines[i].n_containers; k++) {
            const struct ng_container *container = &world->engines[i].containers[k];
            bool own = !container->network_of && strcmp(container->network_mode, "host") != 0;
            if (own && !container->listeners_read &&
                (is_named(container, expectation->name) ||
                 shares_network(world, expectation->name, container)))
                return "what listens inside the container was not observed";
        }
    return NULL;
}

static bool is_service(const struct ng_engine *engine, const char *name) {
    for (size_t i = 0; i < engine->n_services; i++)
        if (strcmp(engine->services[i].name, name) == 0)
            return true;
    return false;
}

/* A slip of the pen must not look like a closed port. */
static bool is_there(const struct ng_world *world, const struct ng_expectation *expectation) {
    const char *name = expectation->name;
    for (size_t i = 0; i < world->n_engines; i++) {
        const struct ng_engine *engine = &world->engines[i];
        for (size_t k = 0; k < engine->n_containers; k++)
            if (is_named(&engine->containers[k], name))
                return true;
        if (is_service(engine, name))
            return true;
    }
    return is_host(expectation);
}

/* -- ports ---------------------------------------------------------------------------------- */

/* Who gets in by one way gets in: the most open of all that there are. */
static void test_reach(const struct ng_result *result, const struct ng_ruleset *ruleset,
                       const struct ng_expectation *expectation, struct ng_fulfilment *fulfilment) {
    static const int openness[] = {
        [NG_BLOCKED] = 0, [NG_UNKNOWN] = 1, [NG_PARTLY] = 2, [NG_REACHABLE] = 3};
    const struct ng_reach *most = NULL;
    size_t n_targets = 0;

    for (size_t i = 0; i < result->n_exposures; i++) {
        const struct ng_exposure *exposure = &result->exposures[i];
        if (!is_target(result->world, expectation, exposure))
            continue;
        n_targets++;
        for (size_t k = 0; k < exposure->n_reach; k++)
            if (strcmp(exposure->reach[k].zone, expectation->zone) == 0 &&
                (!most || openness[exposure->reach[k].verdict] > openness[most->verdict]))
                most = &exposure->reach[k];
    }
    enum ng_reach_verdict verdict = most ? most->verdict : NG_BLOCKED;
    if (most) {
        fulfilment->by = most->decided_by;
        if (verdict == NG_UNKNOWN && most->unsure.count)
            fulfilment->remark = most->unsure.items[0];
    } else {
        const char *doubt =
            n_targets && result->complete ? NULL : find_doubt(result, ruleset, expectation);
        fulfilment->remark = doubt       ? doubt
                             : n_targets ? "no packet comes from there"
                                         : "nothing is there to reach";
        verdict = doubt ? NG_UNKNOWN : NG_BLOCKED;
    }
    fulfilment->found = ng_reach_verdict_text(verdict);
    fulfilment->holds = verdict == (enum ng_reach_verdict)expectation->is;
}

static enum ng_expected policy_verdict(const struct ng_result *result,
                                       const struct ng_exposure *exposure, const char *zone,
                                       const char **ret_rule) {
    struct offence offence = {.exposure = exposure};
    bool objects = ng_policy_objects(result->policy, exposure, zone, &offence);
    bool by_default = !offence.rule && exposure->container && strcmp(zone, NG_ZONE_PUBLIC) == 0;

    *ret_rule = offence.rule ? offence.rule->id : by_default ? "default" : NULL;
    if (objects)
        return ng_is_excepted(result->policy, result->world->time_s, &offence) ? NG_EXPECT_EXCEPTED
                                                                               : NG_EXPECT_DENIED;
    return offence.rule || by_default ? NG_EXPECT_ALLOWED : NG_EXPECT_UNDECIDED;
}

/* Of all ways to the port, or it does not hold. */
static void test_policy(const struct ng_result *result, const struct ng_expectation *expectation,
                        struct ng_fulfilment *fulfilment) {
    fulfilment->found = "not exposed";
    fulfilment->remark = "nothing is there to judge";
    for (size_t i = 0; i < result->n_exposures; i++) {
        const struct ng_exposure *exposure = &result->exposures[i];
        if (!is_target(result->world, expectation, exposure))
            continue;
        enum ng_expected verdict =
            policy_verdict(result, exposure, expectation->zone, &fulfilment->rule);
        fulfilment->found = ng_expected_text(verdict);
        fulfilment->remark = NULL;
        fulfilment->holds = verdict == expectation->is;
        if (!fulfilment->holds)
            return;
    }
}

/* -- findings -------------------------------------------------------------------------------- */

static const struct ng_finding *find_finding(const struct ng_result *result,
                                             const struct ng_expectation *expectation) {
    for (size_t i = 0; i < result->n_findings; i++) {
        const struct ng_finding *finding = &result->findings[i];
        if (finding->state == NG_OPEN &&
            (!expectation->id || strcmp(finding->id, expectation->id) == 0) &&
            (!expectation->on || strcmp(finding->subject, expectation->on) == 0))
            return finding;
    }
    return NULL;
}

static int test_finding(const struct ng_result *result, const struct ng_expectation *expectation,
                        struct ng_arena *arena, struct ng_fulfilment *fulfilment) {
    const struct ng_finding *finding = find_finding(result, expectation);

    fulfilment->holds = !finding == (expectation->is == NG_EXPECT_NO_FINDING);
    fulfilment->found = "no such finding";
    if (!finding)
        return 0;
    fulfilment->rule = finding->rule;
    fulfilment->found = ng_arena_printf(arena, "%s: %s", finding->id, finding->message);
    return fulfilment->found ? 0 : -ENOMEM;
}

int ng_expectation_test(const struct ng_result *result, const struct ng_ruleset *ruleset,
                        const struct ng_expectation *expectation, struct ng_arena *arena,
                        struct ng_fulfilment *ret_fulfilment) {
    struct ng_fulfilment fulfilment = {0};
    int r = 0;

    if (expectation->is >= NG_EXPECT_FINDING)
        r = test_finding(result, expectation, arena, &fulfilment);
    else if (!is_there(result->world, expectation))
        fulfilment.found = "no container or service of that name";
    else if (expectation->is >= NG_EXPECT_ALLOWED)
        test_policy(result, expectation, &fulfilment);
    else
        test_reach(result, ruleset, expectation, &fulfilment);
    if (r == 0)
        *ret_fulfilment = fulfilment;
    return r;
}
