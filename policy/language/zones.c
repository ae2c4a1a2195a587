/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Zones: where packets come from. */
#include "policy/language/zones.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ZONES 256

enum zone_key { ID, MATCH, N_ZONE_KEYS };
enum match_key { INTERFACES, SOURCES, N_MATCH_KEYS };

static const char *const zone_keys[N_ZONE_KEYS] = {[ID] = "id", [MATCH] = "match"};
static const char *const match_keys[N_MATCH_KEYS] = {
    [INTERFACES] = "interfaces", [SOURCES] = "sources"};

static const char *const built_in_zones[] = {NG_ZONE_HOST, NG_ZONE_CONTAINERS, NG_ZONE_PUBLIC};

static int no_memory(const struct ng_node *node, struct ng_error *error) {
    return ng_error_set(error, -ENOMEM, node->source, "out of memory");
}

/* -- one alternative ----------------------------------------------------------------- */

/* "10.8.0.1/16" names no network; most likely the one that this address is in is meant. */
static bool enclosing_prefix(const char *text, char ret_text[static NG_ADDR_TEXT]) {
    char address[NG_ADDR_TEXT];
    struct ng_addr addr;
    const char *slash = strchr(text, '/');

    if (!slash)
        return false;
    snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
    if (ng_addr_parse(address, &addr) < 0)
        return false;
    unsigned len = (unsigned)strtoul(slash + 1, NULL, 10);
    addr.value &= ng_prefix_mask(addr.family, len);
    ng_prefix_text(addr, len, ret_text);
    return true;
}

static int read_source(const struct ng_node *node, uint8_t *ret_family,
                       struct ng_interval *ret_interval, struct ng_error *error) {
    char found[NG_FOUND_TEXT], proposal[NG_ADDR_TEXT];
    struct ng_addr addr;
    unsigned len;

    int r = node->type == NG_NODE_TEXT ? ng_prefix_parse(node->text, &addr, &len) : -EINVAL;
    if (r == -ERANGE && enclosing_prefix(node->text, proposal))
        return ng_node_error(error, node, -EINVAL,
                             "the address bits behind the prefix length must be zero, found %s; "
                             "write %s",
                             ng_node_found(node, found), proposal);
    if (r < 0)
        return ng_node_error(error, node, -EINVAL,
                             "expected an address or prefix for 'sources', such as 10.8.0.0/16 or "
                             "\"2001:db8::/32\", found %s",
                             ng_node_found(node, found));
    ng_u128 rest = ng_family_max(addr.family) & ~ng_prefix_mask(addr.family, len);
    *ret_family = addr.family;
    *ret_interval = (struct ng_interval){.lo = addr.value, .hi = addr.value | rest};
    return 0;
}

static int read_sources(struct ng_arena *arena, const struct ng_node *node,
                        struct ng_zone_match *match, struct ng_error *error) {
    size_t count = ng_node_count(node), n4 = 0, n6 = 0;
    if (count == 0)
        return ng_node_error(error, node, -EINVAL,
                             "expected at least one prefix for 'sources', found an empty list");
    struct ng_interval *v4 = ng_arena_alloc(arena, count, sizeof(*v4));
    struct ng_interval *v6 = ng_arena_alloc(arena, count, sizeof(*v6));
    if (!v4 || !v6)
        return no_memory(node, error);
    for (size_t i = 0; i < count; i++) {
        struct ng_interval interval = {0};
        uint8_t family = 0;
        int r = read_source(ng_node_item(node, i), &family, &interval, error);
        if (r < 0)
            return r;
        if (family == NG_IP4)
            v4[n4++] = interval;
        else
            v6[n6++] = interval;
    }
    match->has_sources = true;
    if (ng_addrset_from(arena, v4, n4, &match->sources4) < 0 ||
        ng_addrset_from(arena, v6, n6, &match->sources6) < 0)
        return no_memory(node, error);
    return 0;
}

static int read_match(struct ng_arena *arena, const struct ng_node *node,
                      struct ng_zone_match *match, struct ng_error *error) {
    const struct ng_node *values[N_MATCH_KEYS];
    int r = ng_read_mapping(node, "the 'match' of a zone", match_keys, N_MATCH_KEYS, values, error);
    if (r < 0)
        return r;
    if (!values[INTERFACES] && !values[SOURCES])
        return ng_node_error(error, node, -EINVAL,
                             "an empty 'match' would take every packet; expected interfaces, "
                             "sources or both");
    r = values[INTERFACES]
            ? ng_read_texts(arena, values[INTERFACES], "'interfaces'", &match->interfaces, error)
            : 0;
    if (r < 0)
        return r;
    return values[SOURCES] ? read_sources(arena, values[SOURCES], match, error) : 0;
}

static int read_matches(struct ng_arena *arena, const struct ng_node *node, struct ng_zone *zone,
                        struct ng_error *error) {
    size_t count = ng_node_count(node);
    if (count == 0)
        return ng_node_error(error, node, -EINVAL,
                             "expected at least one alternative for 'match', found an empty list");
    struct ng_zone_match *matches = ng_arena_alloc(arena, count, sizeof(*matches));
    if (!matches)
        return no_memory(node, error);
    for (size_t i = 0; i < count; i++) {
        int r = read_match(arena, ng_node_item(node, i), &matches[i], error);
        if (r < 0)
            return r;
    }
    zone->matches = matches;
    zone->n_matches = count;
    return 0;
}

/* -- zones --------------------------------------------------------------------------- */

static const struct ng_zone *find_zone(const struct ng_zone_list *list, const char *id) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->zones[i].id, id) == 0)
            return &list->zones[i];
    return NULL;
}

static bool is_built_in(const char *id) {
    for (size_t i = 0; i < ARRAY_SIZE(built_in_zones); i++)
        if (strcmp(built_in_zones[i], id) == 0)
            return true;
    return false;
}

static int read_zone_id(const struct ng_zone_list *list, const struct ng_node *zone,
                        const struct ng_node *node, const char **ret_id, struct ng_error *error) {
    if (!node)
        return ng_node_error(error, zone, -EINVAL, "a zone needs an 'id'");
    int r = ng_read_id(list->arena, node, "the id of a zone", ret_id, error);
    if (r < 0)
        return r;
    if (is_built_in(*ret_id))
        return ng_node_error(error, node, -EINVAL, "the zone '%s' is built in; choose another id",
                             *ret_id);
    if (find_zone(list, *ret_id))
        return ng_node_error(error, node, -EINVAL,
                             "there is already a zone '%s'; write its alternatives in one 'match'",
                             *ret_id);
    return 0;
}

static int add_zone(struct ng_zone_list *list, const struct ng_node *node, struct ng_error *error) {
    const struct ng_node *values[N_ZONE_KEYS];
    struct ng_zone zone = {0};

    int r = ng_read_mapping(node, "a zone", zone_keys, N_ZONE_KEYS, values, error);
    if (r < 0)
        return r;
    r = read_zone_id(list, node, values[ID], &zone.id, error);
    if (r < 0)
        return r;
    if (!values[MATCH])
        return ng_node_error(error, node, -EINVAL,
                             "the zone '%s' needs a 'match', such as "
                             "[{interfaces: [\"eth1\"]}]",
                             zone.id);
    r = read_matches(list->arena, values[MATCH], &zone, error);
    if (r < 0)
        return r;
    if (list->count == MAX_ZONES)
        return ng_node_error(error, node, -E2BIG, "more than %d zones", MAX_ZONES);
    struct ng_zone *slot = NG_ARENA_APPEND(list->arena, list->zones, list->count, list->capacity);
    if (!slot)
        return no_memory(node, error);
    *slot = zone;
    return 0;
}

int ng_zones_add(struct ng_zone_list *list, const struct ng_node *node, struct ng_error *error) {
    int r = ng_expect_list(node, "'zones'", error);
    for (size_t i = 0; r == 0 && i < node->count; i++)
        r = add_zone(list, node->items[i], error);
    return r;
}

static int check_zone(const struct ng_zone_list *list, const struct ng_node *node, const char *what,
                      const char *id, struct ng_error *error) {
    char found[NG_FOUND_TEXT], hint[NG_HINT_TEXT], known[160];
    const char *names[MAX_ZONES + 2];
    size_t n = 0;

    if (strcmp(id, NG_ZONE_HOST) == 0)
        return ng_node_error(error, node, -EINVAL,
                             "'host' cannot stand in %s: what this machine sends to itself is "
                             "not judged",
                             what);
    if (is_built_in(id) || find_zone(list, id))
        return 0;
    for (size_t i = 0; i < list->count; i++)
        names[n++] = list->zones[i].id;
    names[n++] = NG_ZONE_CONTAINERS;
    names[n++] = NG_ZONE_PUBLIC;
    return ng_node_error(error, node, -EINVAL, "there is no zone %s; expected %s%s",
                         ng_quote(id, found), ng_enumerate(names, n, known, sizeof(known)),
                         ng_hint(id, names, n, hint));
}

int ng_zones_read(const struct ng_zone_list *list, const struct ng_node *node, const char *what,
                  struct ng_strings *ret_zones, struct ng_error *error) {
    struct ng_strings zones;
    int r = ng_read_texts(list->arena, node, what, &zones, error);
    for (size_t i = 0; r == 0 && i < zones.count; i++)
        r = check_zone(list, ng_node_item(node, i), what, zones.items[i], error);
    if (r == 0)
        *ret_zones = zones;
    return r;
}
