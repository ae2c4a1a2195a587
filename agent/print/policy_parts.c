/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a policy says in both of its forms, for people and for programs. */
#include "agent/print/policy_text.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* -- where it was written --------------------------------------------------------------- */

static const struct ng_node *find_value(const struct ng_node *node, const char *key) {
    for (size_t i = 0; node && node->type == NG_NODE_MAPPING && i < node->count; i++)
        if (strcmp(node->items[i]->key->text, key) == 0)
            return node->items[i];
    return NULL;
}

struct ng_place ng_place_of(const struct ng_policy_trees *trees, const char *section,
                            const char *inner, const char *innermost) {
    for (size_t i = trees->count; i-- > 0;) {
        const struct ng_node *node = find_value(trees->roots[i], section);

        if (inner)
            node = find_value(node, inner);
        if (innermost)
            node = find_value(node, innermost);
        if (node)
            return ng_node_place(node->key);
    }
    return (struct ng_place){0};
}

/* -- ports ------------------------------------------------------------------------------ */

static bool is_same_group(const char *a, const char *b) {
    return a && b && strcmp(a, b) == 0;
}

static bool is_same_match(const struct ng_port_match *a, const struct ng_port_match *b) {
    return a->any == b->any && a->pair == b->pair && a->proto == b->proto && a->lo == b->lo &&
           a->hi == b->hi && a->to == b->to;
}

/* A group that stands in a list several times in a row gives its matches several times. */
static bool repeats(const struct ng_port_match *matches, size_t count, size_t period) {
    for (size_t i = period; i < count; i++)
        if (!is_same_match(&matches[i], &matches[i - period]))
            return false;
    return count % period == 0;
}

struct ng_port_item ng_port_item_at(const struct ng_port_match *ports, size_t count, size_t from) {
    struct ng_port_item item = {.group = ports[from].group, .match = &ports[from], .n_matches = 1};
    size_t end = from;

    if (!item.group)
        return item;
    while (end < count && is_same_group(item.group, ports[end].group))
        end++;
    while (!repeats(&ports[from], end - from, item.n_matches))
        item.n_matches++;
    return item;
}

const char *ng_port_text(const struct ng_port_match *match, char buffer[static NG_PORT_TEXT]) {
    static const char *const protos[] = {[NG_TCP] = "/tcp", [NG_UDP] = "/udp", [NG_SCTP] = "/sctp"};
    char range[sizeof("-65535")] = "", to[sizeof("->65535")] = "";

    if (match->any)
        return "@any";
    if (match->hi != match->lo)
        snprintf(range, sizeof(range), "-%u", match->hi);
    if (match->pair)
        snprintf(to, sizeof(to), "->%u", match->to);
    snprintf(buffer, NG_PORT_TEXT, "%u%s%s%s", match->lo, range, to,
             match->proto ? protos[match->proto] : "");
    return buffer;
}

static int add_group(struct ng_arena *arena, struct ng_port_item item,
                     struct ng_port_items *groups) {
    for (size_t i = 0; i < groups->count; i++)
        if (is_same_group(groups->items[i].group, item.group))
            return 0;
    struct ng_port_item *slot =
        NG_ARENA_APPEND(arena, groups->items, groups->count, groups->capacity);
    if (!slot)
        return -ENOMEM;
    *slot = item;
    return 0;
}

/* @any says itself what it is. */
static bool is_wanted(const struct ng_port_item *item, bool built_in) {
    return item->group && (item->group[0] == '@') == built_in &&
           !(item->match->any && item->group[0] == '@');
}

int ng_find_groups(struct ng_arena *arena, const struct ng_policy *policy, bool built_in,
                   struct ng_port_items *ret_groups) {
    struct ng_port_items groups = {0};

    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct ng_rule_policy *rule = &policy->rules[i];

        for (size_t k = 0; k < rule->n_ports;) {
            struct ng_port_item item = ng_port_item_at(rule->ports, rule->n_ports, k);
            int r = is_wanted(&item, built_in) ? add_group(arena, item, &groups) : 0;

            if (r < 0)
                return r;
            k += item.n_matches;
        }
    }
    *ret_groups = groups;
    return 0;
}

/* -- words ------------------------------------------------------------------------------ */

struct ng_strings ng_zones_allowed(struct ng_arena *arena, const struct ng_policy *policy,
                                   const struct ng_rule_policy *rule) {
    const char **zones = ng_arena_alloc(arena, policy->n_zones + 2, sizeof(*zones));
    size_t n = 0;

    for (size_t i = 0; zones && i < policy->n_zones + 2; i++) {
        const char *zone = i == 0                 ? NG_ZONE_CONTAINERS
                           : i <= policy->n_zones ? policy->zones[i - 1].id
                                                  : NG_ZONE_PUBLIC;
        if (!rule || !ng_strings_contain(rule->from, zone))
            zones[n++] = zone;
    }
    return (struct ng_strings){zones, n};
}

const char *ng_until_text(int64_t until_s, char buffer[static NG_DATE_TEXT]) {
    time_t last = (time_t)until_s - 1;
    struct tm day;

    if (!gmtime_r(&last, &day) || strftime(buffer, NG_DATE_TEXT, "%Y-%m-%d", &day) == 0)
        buffer[0] = '\0';
    return buffer;
}

const char *ng_url_shown(struct ng_arena *arena, const char *url) {
    size_t scheme = (size_t)(strstr(url, "://") - url) + strlen("://");
    size_t host = strcspn(url + scheme, "/?#");

    if (strcmp(url + scheme + host, "") == 0)
        return url;
    return ng_arena_printf(arena, "%.*s/...", (int)(scheme + host), url);
}

const char *ng_facility_text(uint8_t facility) {
    static const char *const names[] = {
        "kern",   "user",   "mail",     "daemon", "auth",   "syslog", "lpr",    "news",
        "uucp",   "cron",   "authpriv", "ftp",    "ntp",    "audit",  "alert",  "clock",
        "local0", "local1", "local2",   "local3", "local4", "local5", "local6", "local7",
    };

    return facility < ARRAY_SIZE(names) ? names[facility] : "daemon";
}
