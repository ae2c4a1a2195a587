/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/language/usage.h"
#include "policy/language/selector.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Habits come first, each at the place of its value. */
enum usage_key {
    DIRECT_ROUTING = NG_HABITS,
    DOCKER_API,
    CLUSTER,
};

_Static_assert(CLUSTER + 1 == NG_USAGE_KEYS, "all of them");

static const char *const usage_keys[NG_USAGE_KEYS] = {
    [NG_HABIT_HOST_NETWORK] = "host_network",
    [NG_HABIT_LINKS] = "links",
    [NG_HABIT_DEFAULT_BRIDGE] = "default_bridge",
    [NG_HABIT_CAPABILITIES] = "capabilities",
    [NG_HABIT_UNENCRYPTED_OVERLAY] = "unencrypted_overlay",
    [NG_HABIT_INSECURE_REGISTRY] = "insecure_registry",
    [DIRECT_ROUTING] = "direct_routing",
    [DOCKER_API] = "docker_api",
    [CLUSTER] = "cluster",
};

/* `zones: []` and `allow: []` say that nobody may. */
static bool is_nobody(const struct ng_node *node) {
    return node->type == NG_NODE_LIST && node->count == 0;
}

static void append_texts(struct ng_arena *arena, struct ng_strings *texts, struct ng_strings more,
                         struct ng_faults *faults) {
    const char **all = ng_arena_alloc(arena, texts->count + more.count, sizeof(*all));
    if (!all) {
        ng_faults_no_memory(faults);
        return;
    }
    if (texts->count)
        memcpy(all, texts->items, texts->count * sizeof(*all));
    memcpy(all + texts->count, more.items, more.count * sizeof(*all));
    *texts = (struct ng_strings){all, texts->count + more.count};
}

/* -- reading ------------------------------------------------------------------------------ */

static void add_zones(const struct ng_usage_list *list, const struct ng_node *node,
                      struct ng_strings *zones, struct ng_faults *faults) {
    struct ng_strings more;
    if (!is_nobody(node) && ng_zones_read(list->zones, node, "'zones'", &more, faults) == 0)
        append_texts(list->arena, zones, more, faults);
}

static void add_names(const struct ng_usage_list *list, const struct ng_node *node,
                      struct ng_strings *names, struct ng_faults *faults) {
    struct ng_strings more;
    if (!is_nobody(node) && ng_read_texts(list->arena, node, "'allow'", &more, faults) == 0)
        append_texts(list->arena, names, more, faults);
}

static void add_selectors(const struct ng_usage_list *list, const struct ng_node *node,
                          struct ng_way_usage *usage, struct ng_faults *faults) {
    const struct ng_selector *more = NULL;
    size_t n_more = 0;
    if (is_nobody(node) ||
        ng_selectors_read(list->arena, node, "'allow'", &more, &n_more, faults) < 0)
        return;
    struct ng_selector *all = ng_arena_alloc(list->arena, usage->n_allow + n_more, sizeof(*all));
    if (!all) {
        ng_faults_no_memory(faults);
        return;
    }
    if (usage->n_allow)
        memcpy(all, usage->allow, usage->n_allow * sizeof(*all));
    memcpy(all + usage->n_allow, more, n_more * sizeof(*all));
    usage->allow = all;
    usage->n_allow += n_more;
}

/* Who may: zones, names of what is no container, or containers. */
static void add_allowed(const struct ng_usage_list *list, enum usage_key key,
                        const struct ng_node *node, struct ng_way_usage *usage,
                        struct ng_faults *faults) {
    switch ((int)key) {
    case DOCKER_API:
    case CLUSTER:
        add_zones(list, node, &usage->zones, faults);
        break;
    case NG_HABIT_UNENCRYPTED_OVERLAY:
    case NG_HABIT_INSECURE_REGISTRY:
        add_names(list, node, &usage->allow_names, faults);
        break;
    default:
        add_selectors(list, node, usage, faults);
    }
}

static void add_way(const struct ng_usage_list *list, enum usage_key key,
                    const struct ng_node *node, struct ng_way_usage *usage,
                    struct ng_faults *faults) {
    enum { ALLOWED, ACTION, SEVERITY, N_KEYS };
    const char *const keys[N_KEYS] = {
        [ALLOWED] = key >= DOCKER_API ? "zones" : "allow",
        [ACTION] = "action",
        [SEVERITY] = "severity",
    };
    const struct ng_node *values[N_KEYS];
    char what[32];

    snprintf(what, sizeof(what), "'%s'", usage_keys[key]);
    ng_read_mapping(node, what, keys, N_KEYS, values, faults);
    if (!usage->place)
        usage->place = node;
    usage->has_action = usage->has_action || values[ACTION];
    usage->has_severity = usage->has_severity || values[SEVERITY];
    if (values[ALLOWED])
        add_allowed(list, key, values[ALLOWED], usage, faults);
    if (values[ACTION] && (size_t)key < NG_HABITS)
        ng_read_alert(values[ACTION], "there is no packet to block here; alert is what there is",
                      faults);
    else if (values[ACTION])
        ng_read_action(values[ACTION], &usage->action, faults);
    if (values[SEVERITY])
        ng_read_severity(values[SEVERITY], &usage->severity, faults);
}

void ng_usage_add(struct ng_usage_list *list, const struct ng_node *node,
                  struct ng_faults *faults) {
    const struct ng_node *values[NG_USAGE_KEYS];

    if (ng_read_mapping(node, "'usage'", usage_keys, NG_USAGE_KEYS, values, faults) < 0)
        list->names->incomplete = true;
    for (size_t i = 0; i < NG_USAGE_KEYS; i++)
        if (values[i])
            add_way(list, (enum usage_key)i, values[i], &list->ways[i], faults);
}

/* -- what it comes to ---------------------------------------------------------------------- */

/* Every zone but this machine and those that may. */
static struct ng_strings zones_but(const struct ng_usage_list *list, struct ng_strings allowed,
                                   struct ng_faults *faults) {
    const char **from = ng_arena_alloc(list->arena, list->zones->count + 2, sizeof(*from));
    size_t n = 0;
    if (!from) {
        ng_faults_no_memory(faults);
        return (struct ng_strings){0};
    }
    if (!ng_strings_contain(allowed, NG_ZONE_CONTAINERS))
        from[n++] = NG_ZONE_CONTAINERS;
    for (size_t i = 0; i < list->zones->count; i++)
        if (!ng_strings_contain(allowed, list->zones->zones[i].id))
            from[n++] = list->zones->zones[i].id;
    if (!ng_strings_contain(allowed, NG_ZONE_PUBLIC))
        from[n++] = NG_ZONE_PUBLIC;
    return (struct ng_strings){from, n};
}

/* A deny, unless everybody may. */
static void make_rule(const struct ng_usage_list *list, enum usage_key key,
                      struct ng_rule_policy rule, struct ng_rule_list *rules,
                      struct ng_faults *faults) {
    const struct ng_way_usage *usage = &list->ways[key];
    rule.action = usage->has_action ? usage->action : rules->defaults.action;
    if (usage->has_severity)
        rule.severity = usage->severity;
    rule.place = ng_node_place(usage->place);
    if (rule.from.count)
        ng_rules_append(rules, &rule, faults);
}

static void make_docker_api_rule(const struct ng_usage_list *list, struct ng_rule_list *rules,
                                 struct ng_faults *faults) {
    static const struct ng_port_match ports[] = {
        {.proto = NG_TCP, .lo = 2375, .hi = 2376},
    };
    const struct ng_rule_policy rule = {
        .id = NG_USAGE_ID_PREFIX "docker_api",
        .usage = NG_USAGE_DOCKER_API,
        .ports = ports,
        .n_ports = ARRAY_SIZE(ports),
        .from = zones_but(list, list->ways[DOCKER_API].zones, faults),
        .severity = NG_CRITICAL,
        .reason = "whoever reaches the Docker API is root on this machine",
    };
    make_rule(list, DOCKER_API, rule, rules, faults);
}

static void make_cluster_rule(const struct ng_usage_list *list, struct ng_rule_list *rules,
                              struct ng_faults *faults) {
    static const struct ng_port_match ports[] = {
        {.proto = NG_TCP, .lo = 2377, .hi = 2377}, /* management */
        {.proto = NG_TCP, .lo = 7946, .hi = 7946}, /* gossip */
        {.proto = NG_UDP, .lo = 7946, .hi = 7946},
        {.proto = NG_UDP, .lo = 4789, .hi = 4789}, /* data path, unless told otherwise */
    };
    const struct ng_rule_policy rule = {
        .id = NG_USAGE_ID_PREFIX "cluster",
        .usage = NG_USAGE_CLUSTER,
        .ports = ports,
        .n_ports = ARRAY_SIZE(ports),
        .from = zones_but(list, list->ways[CLUSTER].zones, faults),
        .severity = NG_HIGH,
        .reason = "cluster ports are for the other nodes of the cluster only",
    };
    make_rule(list, CLUSTER, rule, rules, faults);
}

/* Neighbours have no business at addresses that only this machine needs to know; what containers
 * say to each other is no matter of routes. */
static void make_direct_rules(const struct ng_usage_list *list, struct ng_rule_list *rules,
                              struct ng_faults *faults) {
    static const char *const containers[] = {NG_ZONE_CONTAINERS};
    const struct ng_way_usage *usage = &list->ways[DIRECT_ROUTING];
    const struct ng_rule_policy rule = {
        .id = NG_USAGE_ID_PREFIX "direct_routing",
        .usage = NG_USAGE_DIRECT,
        .from = zones_but(list, (struct ng_strings){containers, ARRAY_SIZE(containers)}, faults),
        .severity = NG_HIGH,
        .reason = "whoever routes to a container's own address passes by what is published",
    };
    const struct ng_rule_policy allow = {
        .id = NG_USAGE_ID_PREFIX "direct_routing.allow",
        .allow = true,
        .usage = NG_USAGE_DIRECT,
        .from = rule.from,
        .to = usage->allow,
        .n_to = usage->n_allow,
        .place = ng_node_place(usage->place),
    };
    if (usage->n_allow)
        ng_rules_append(rules, &allow, faults);
    make_rule(list, DIRECT_ROUTING, rule, rules, faults);
}

static void make_habit(const struct ng_way_usage *usage, enum ng_habit habit,
                       struct ng_habit_policy *ret_habit) {
    static const enum ng_severity severities[NG_HABITS] = {
        [NG_HABIT_HOST_NETWORK] = NG_MEDIUM,        [NG_HABIT_LINKS] = NG_LOW,
        [NG_HABIT_DEFAULT_BRIDGE] = NG_LOW,         [NG_HABIT_CAPABILITIES] = NG_HIGH,
        [NG_HABIT_UNENCRYPTED_OVERLAY] = NG_MEDIUM, [NG_HABIT_INSECURE_REGISTRY] = NG_MEDIUM,
    };
    *ret_habit = (struct ng_habit_policy){
        .asked = true,
        .severity = usage->has_severity ? usage->severity : severities[habit],
        .allow = usage->allow,
        .n_allow = usage->n_allow,
        .allow_names = usage->allow_names,
        .place = ng_node_place(usage->place),
    };
}

void ng_usage_finish(const struct ng_usage_list *list, struct ng_rule_list *rules,
                     struct ng_habit_policy ret_habits[static NG_HABITS],
                     struct ng_faults *faults) {
    for (size_t i = 0; i < NG_USAGE_KEYS; i++) {
        if (!list->ways[i].place)
            continue;
        struct ng_name name = {.what = "rule", .place = ng_node_place(list->ways[i].place)};
        name.id = ng_arena_printf(list->arena, NG_USAGE_ID_PREFIX "%s", usage_keys[i]);
        if (!name.id)
            ng_faults_no_memory(faults);
        else
            ng_names_add(list->names, name, faults);
        if (i < NG_HABITS)
            make_habit(&list->ways[i], (enum ng_habit)i, &ret_habits[i]);
    }
    if (list->ways[DIRECT_ROUTING].place)
        make_direct_rules(list, rules, faults);
    if (list->ways[DOCKER_API].place)
        make_docker_api_rule(list, rules, faults);
    if (list->ways[CLUSTER].place)
        make_cluster_rule(list, rules, faults);
}
