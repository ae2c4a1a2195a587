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
                       struct ng_interval *ret_interval, struct ng_faults *faults) {
    char found[NG_FOUND_TEXT], proposal[NG_ADDR_TEXT];
    struct ng_addr addr;
    unsigned len;

    int r = node->type == NG_NODE_TEXT ? ng_prefix_parse(node->text, &addr, &len) : -EINVAL;
    if (r == -ERANGE && enclosing_prefix(node->text, proposal))
        return ng_node_fault(faults, node, -EINVAL,
                             "the address bits behind the prefix length must be zero, found %s; "
                             "write %s",
                             ng_node_found(node, found), proposal);
    if (r < 0)
        return ng_node_fault(faults, node, -EINVAL,
                             "expected an address or prefix for 'sources', such as 10.8.0.0/16 or "
                             "\"2001:db8::/32\", found %s",
                             ng_node_found(node, found));
    ng_u128 rest = ng_family_max(addr.family) & ~ng_prefix_mask(addr.family, len);
    *ret_family = addr.family;
    *ret_interval = (struct ng_interval){.lo = addr.value, .hi = addr.value | rest};
    return 0;
}

static void read_sources(struct ng_arena *arena, const struct ng_node *node,
                         struct ng_zone_match *match, struct ng_faults *faults) {
    size_t count = ng_node_count(node), n4 = 0, n6 = 0;
    if (count == 0)
        ng_node_fault(faults, node, -EINVAL,
                      "expected at least one prefix for 'sources', found an empty list");
    struct ng_interval *v4 = ng_arena_alloc(arena, count, sizeof(*v4));
    struct ng_interval *v6 = ng_arena_alloc(arena, count, sizeof(*v6));
    for (size_t i = 0; v4 && v6 && i < count && ng_faults_go_on(faults); i++) {
        struct ng_interval interval = {0};
        uint8_t family = 0;
        if (read_source(ng_node_item(node, i), &family, &interval, faults) < 0)
            continue;
        if (family == NG_IP4)
            v4[n4++] = interval;
        else
            v6[n6++] = interval;
    }
    match->has_sources = true;
    if (!v4 || !v6 || ng_addrset_from(arena, v4, n4, &match->sources4) < 0 ||
        ng_addrset_from(arena, v6, n6, &match->sources6) < 0)
        ng_faults_no_memory(faults);
}

static void read_match(struct ng_arena *arena, const struct ng_node *node,
                       struct ng_zone_match *match, struct ng_faults *faults) {
    const struct ng_node *values[N_MATCH_KEYS];
    int r =
        ng_read_mapping(node, "the 'match' of a zone", match_keys, N_MATCH_KEYS, values, faults);
    if (r == 0 && !values[INTERFACES] && !values[SOURCES])
        ng_node_fault(faults, node, -EINVAL,
                      "an empty 'match' would take every packet; expected interfaces, "
                      "sources or both");
    if (values[INTERFACES])
        ng_read_texts(arena, values[INTERFACES], "'interfaces'", &match->interfaces, faults);
    if (values[SOURCES])
        read_sources(arena, values[SOURCES], match, faults);
}

static void read_matches(struct ng_arena *arena, const struct ng_node *node, struct ng_zone *zone,
                         struct ng_faults *faults) {
    size_t count = ng_node_count(node);
    if (count == 0)
        ng_node_fault(faults, node, -EINVAL,
                      "expected at least one alternative for 'match', found an empty list");
    struct ng_zone_match *matches = ng_arena_alloc(arena, count, sizeof(*matches));
    if (!matches)
        ng_faults_no_memory(faults);
    for (size_t i = 0; matches && i < count && ng_faults_go_on(faults); i++)
        read_match(arena, ng_node_item(node, i), &matches[i], faults);
    zone->matches = matches;
    zone->n_matches = count;
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

/* The zone is there for those who name it, whatever else is wrong with it. */
static void read_zone_id(struct ng_zone_list *list, const struct ng_node *node, const char **ret_id,
                         struct ng_faults *faults) {
    if (ng_read_id(list->arena, node, "the id of a zone", ret_id, faults) < 0) {
        list->incomplete = true;
        return;
    }
    if (is_built_in(*ret_id))
        ng_node_fault(faults, node, -EINVAL, "the zone '%s' is built in; choose another id",
                      *ret_id);
    if (find_zone(list, *ret_id))
        ng_node_fault(faults, node, -EINVAL,
                      "there is already a zone '%s'; write its alternatives in one 'match'",
                      *ret_id);
}

static void add_zone(struct ng_zone_list *list, const struct ng_node *node,
                     struct ng_faults *faults) {
    const struct ng_node *values[N_ZONE_KEYS];
    struct ng_zone zone = {.id = "", .place = ng_node_place(node)};

    int r = ng_read_mapping(node, "a zone", zone_keys, N_ZONE_KEYS, values, faults);
    list->incomplete = list->incomplete || !values[ID];
    if (r == 0 && !values[ID])
        ng_node_fault(faults, node, -EINVAL, "a zone needs an 'id'");
    if (r == 0 && !values[MATCH])
        ng_node_fault(faults, node, -EINVAL,
                      "a zone needs a 'match', such as [{interfaces: [\"eth1\"]}]");
    if (values[ID])
        read_zone_id(list, values[ID], &zone.id, faults);
    if (values[MATCH])
        read_matches(list->arena, values[MATCH], &zone, faults);
    if (find_zone(list, zone.id)) /* which has been told */
        return;
    struct ng_zone *slot = NG_ARENA_APPEND(list->arena, list->zones, list->count, list->capacity);
    if (slot)
        *slot = zone;
    else
        ng_faults_no_memory(faults);
}

void ng_zones_add(struct ng_zone_list *list, const struct ng_node *node, struct ng_faults *faults) {
    size_t count = ng_expect_list(node, "'zones'", faults);
    list->incomplete = list->incomplete || node->type != NG_NODE_LIST;
    for (size_t i = 0; i < count && ng_faults_go_on(faults); i++) {
        if (list->count == MAX_ZONES) {
            ng_node_fault(faults, node->items[i], -E2BIG, "more than %d zones", MAX_ZONES);
            return;
        }
        add_zone(list, node->items[i], faults);
    }
}

static void check_zone(const struct ng_zone_list *list, const struct ng_node *node,
                       const char *what, const char *id, struct ng_faults *faults) {
    char found[NG_FOUND_TEXT], hint[NG_HINT_TEXT], known[160];
    const char *names[MAX_ZONES + 2];
    size_t n = 0;

    if (strcmp(id, NG_ZONE_HOST) == 0)
        ng_node_fault(faults, node, -EINVAL,
                      "'host' cannot stand in %s: what this machine sends to itself is not judged",
                      what);
    if (is_built_in(id) || find_zone(list, id) || list->incomplete)
        return;
    for (size_t i = 0; i < list->count; i++)
        names[n++] = list->zones[i].id;
    names[n++] = NG_ZONE_CONTAINERS;
    names[n++] = NG_ZONE_PUBLIC;
    ng_node_fault(faults, node, -EINVAL, "there is no zone %s; expected %s%s", ng_quote(id, found),
                  ng_enumerate(names, n, known, sizeof(known)), ng_hint(id, names, n, hint));
}

int ng_zones_read(const struct ng_zone_list *list, const struct ng_node *node, const char *what,
                  struct ng_strings *ret_zones, struct ng_faults *faults) {
    int r = ng_read_texts(list->arena, node, what, ret_zones, faults);
    for (size_t i = 0; r == 0 && i < ret_zones->count && ng_faults_go_on(faults); i++)
        check_zone(list, ng_node_item(node, i), what, ret_zones->items[i], faults);
    return r;
}
