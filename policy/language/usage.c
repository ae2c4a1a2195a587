/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/language/usage.h"
#include "policy/language/words.h"

#include <errno.h>
#include <string.h>

enum usage_key {
    HOST_NETWORK,
    LINKS,
    DEFAULT_BRIDGE,
    DIRECT_ROUTING,
    DOCKER_API,
    CLUSTER,
    UNENCRYPTED_OVERLAY,
    INSECURE_REGISTRY,
    N_USAGES,
};

static const char *const usage_keys[N_USAGES] = {
    [HOST_NETWORK] = "host_network",
    [LINKS] = "links",
    [DEFAULT_BRIDGE] = "default_bridge",
    [DIRECT_ROUTING] = "direct_routing",
    [DOCKER_API] = "docker_api",
    [CLUSTER] = "cluster",
    [UNENCRYPTED_OVERLAY] = "unencrypted_overlay",
    [INSECURE_REGISTRY] = "insecure_registry",
};

/* -- reading --------------------------------------------------------------------------- */

static int no_memory(const struct ng_node *node, struct ng_error *error) {
    return ng_error_set(error, -ENOMEM, node->source, "out of memory");
}

/* `zones: []` says that nobody may. */
static int add_zones(const struct ng_usage_list *list, const struct ng_node *node,
                     struct ng_strings *zones, struct ng_error *error) {
    struct ng_strings more;
    if (node->type == NG_NODE_LIST && node->count == 0)
        return 0;
    int r = ng_zones_read(list->zones, node, "'zones'", &more, error);
    if (r < 0)
        return r;
    const char **all = ng_arena_alloc(list->arena, zones->count + more.count, sizeof(*all));
    if (!all)
        return no_memory(node, error);
    if (zones->count)
        memcpy(all, zones->items, zones->count * sizeof(*all));
    memcpy(all + zones->count, more.items, more.count * sizeof(*all));
    *zones = (struct ng_strings){all, zones->count + more.count};
    return 0;
}

static int add_listeners(const struct ng_usage_list *list, const struct ng_node *node,
                         const char *what, struct ng_listeners_usage *usage,
                         struct ng_error *error) {
    enum { ZONES, ACTION, SEVERITY, N_KEYS };
    static const char *const keys[N_KEYS] = {
        [ZONES] = "zones", [ACTION] = "action", [SEVERITY] = "severity"};
    const struct ng_node *values[N_KEYS];

    int r = ng_read_mapping(node, what, keys, N_KEYS, values, error);
    if (r < 0)
        return r;
    if (!usage->place)
        usage->place = node;
    usage->has_action = usage->has_action || values[ACTION];
    usage->has_severity = usage->has_severity || values[SEVERITY];
    if (values[ZONES])
        r = add_zones(list, values[ZONES], &usage->zones, error);
    if (r == 0 && values[ACTION])
        r = ng_read_action(values[ACTION], &usage->action, error);
    if (r == 0 && values[SEVERITY])
        r = ng_read_severity(values[SEVERITY], &usage->severity, error);
    return r;
}

/* What is understood but not acted on must not look as if it were. */
static int refuse_idle(const struct ng_node *const values[static N_USAGES],
                       struct ng_error *error) {
    for (size_t i = 0; i < N_USAGES; i++)
        if (values[i] && i != DOCKER_API && i != CLUSTER)
            return ng_node_error(error, values[i]->key, -EINVAL,
                                 "this version does not act on '%s' of 'usage' yet; remove it, "
                                 "nothing would watch it",
                                 usage_keys[i]);
    return 0;
}

int ng_usage_add(struct ng_usage_list *list, const struct ng_node *node, struct ng_error *error) {
    const struct ng_node *values[N_USAGES];

    int r = ng_read_mapping(node, "'usage'", usage_keys, N_USAGES, values, error);
    if (r == 0)
        r = refuse_idle(values, error);
    if (r == 0 && values[DOCKER_API])
        r = add_listeners(list, values[DOCKER_API], "'docker_api'", &list->docker_api, error);
    if (r == 0 && values[CLUSTER])
        r = add_listeners(list, values[CLUSTER], "'cluster'", &list->cluster, error);
    return r;
}

/* -- rules ----------------------------------------------------------------------------- */

/* Every zone but this machine and those that may. */
static int zones_but(const struct ng_usage_list *list, struct ng_strings allowed,
                     struct ng_strings *ret_from) {
    const char **from = ng_arena_alloc(list->arena, list->zones->count + 2, sizeof(*from));
    size_t n = 0;
    if (!from)
        return -ENOMEM;
    if (!ng_strings_contain(allowed, NG_ZONE_CONTAINERS))
        from[n++] = NG_ZONE_CONTAINERS;
    for (size_t i = 0; i < list->zones->count; i++)
        if (!ng_strings_contain(allowed, list->zones->zones[i].id))
            from[n++] = list->zones->zones[i].id;
    if (!ng_strings_contain(allowed, NG_ZONE_PUBLIC))
        from[n++] = NG_ZONE_PUBLIC;
    *ret_from = (struct ng_strings){from, n};
    return 0;
}

static int make_rule(const struct ng_usage_list *list, const struct ng_listeners_usage *usage,
                     struct ng_rule_policy rule, struct ng_rule_list *rules,
                     struct ng_error *error) {
    if (!usage->place)
        return 0;
    rule.action = usage->has_action ? usage->action : rules->defaults.action;
    if (usage->has_severity)
        rule.severity = usage->severity;
    rule.place = (struct ng_place){usage->place->source, usage->place->line, usage->place->column};
    int r = zones_but(list, usage->zones, &rule.from);
    if (r == 0 && rule.from.count)
        r = ng_rules_append(rules, &rule);
    return r < 0 ? no_memory(usage->place, error) : 0;
}

int ng_usage_make_rules(const struct ng_usage_list *list, struct ng_rule_list *rules,
                        struct ng_error *error) {
    static const struct ng_port_match api_ports[] = {
        {.proto = NG_TCP, .lo = 2375, .hi = 2376},
    };
    static const struct ng_port_match cluster_ports[] = {
        {.proto = NG_TCP, .lo = 2377, .hi = 2377}, /* management */
        {.proto = NG_TCP, .lo = 7946, .hi = 7946}, /* gossip */
        {.proto = NG_UDP, .lo = 7946, .hi = 7946},
        {.proto = NG_UDP, .lo = 4789, .hi = 4789}, /* data path, unless told otherwise */
    };
    const struct ng_rule_policy docker_api = {
        .id = NG_USAGE_ID_PREFIX "docker_api",
        .usage = NG_USAGE_DOCKER_API,
        .ports = api_ports,
        .n_ports = ARRAY_SIZE(api_ports),
        .severity = NG_CRITICAL,
        .reason = "whoever reaches the Docker API is root on this machine",
    };
    const struct ng_rule_policy cluster = {
        .id = NG_USAGE_ID_PREFIX "cluster",
        .usage = NG_USAGE_CLUSTER,
        .ports = cluster_ports,
        .n_ports = ARRAY_SIZE(cluster_ports),
        .severity = NG_HIGH,
        .reason = "cluster ports are for the other nodes of the cluster only",
    };
    int r = make_rule(list, &list->docker_api, docker_api, rules, error);
    return r < 0 ? r : make_rule(list, &list->cluster, cluster, rules, error);
}
