/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "agent/print/table.h"

enum {
    PREFIXES_SHOWN = 6, /* of a list of sources, unless verbose */
};

const char *ng_sheet_who(struct ng_sheet *sheet, const struct ng_exposure *exposure) {
    struct ng_layout *layout = &sheet->layout;

    if (exposure->container)
        return ng_layout_escaped(layout, exposure->container->name);
    if (!exposure->process)
        return "(host)";
    return ng_layout_text(layout, "%s" NG_KEEP "(host)",
                          ng_layout_escaped(layout, exposure->process));
}

/* "[2001:db8::1]:80-89"; without an address the ports alone. */
static const char *socket_text(struct ng_layout *layout, struct ng_addr addr, unsigned port,
                               unsigned length) {
    char text[NG_ADDR_TEXT];
    const char *ports = length > 1 ? ng_layout_text(layout, "%u-%u", port, port + length - 1)
                                   : ng_layout_text(layout, "%u", port);

    if (!addr.family)
        return ports;
    ng_addr_text(addr, text);
    return ng_layout_text(layout, addr.family == NG_IP6 ? "[%s]:%s" : "%s:%s", text, ports);
}

const char *ng_sheet_binding(struct ng_sheet *sheet, const struct ng_exposure *exposure,
                             unsigned length, bool with_target) {
    static const struct ng_addr no_addr;
    struct ng_layout *layout = &sheet->layout;
    const char *proto = ng_proto_text(exposure->proto);
    bool on_host = exposure->host_port;
    const char *to =
        socket_text(layout, on_host && !with_target ? no_addr : exposure->container_addr,
                    exposure->container_port, length);

    if (!on_host)
        return ng_layout_text(layout, "%s/%s", to, proto);
    const char *at = socket_text(layout, exposure->host_addr, exposure->host_port, length);
    if (!exposure->container_port || exposure->kind == NG_KIND_HOST_NETWORK)
        return ng_layout_text(layout, "%s/%s", at, proto);
    return ng_layout_text(layout, "%s/%s ->" NG_KEEP "%s", at, proto, to);
}

const char *ng_sheet_via(struct ng_sheet *sheet, const struct ng_exposure *exposure) {
    const char *via = "";

    if (exposure->kind == NG_KIND_HOST_NETWORK)
        return "host net";
    if (exposure->kind == NG_KIND_L2)
        return "own LAN address";
    for (unsigned bit = NG_PATH_DNAT; bit <= NG_PATH_IPVS; bit <<= 1)
        if (exposure->paths & bit)
            via = ng_layout_join(&sheet->layout, via, ng_path_text((enum ng_path)bit));
    /* No router passes 127.0.0.0/8 on: whoever gets in there is a neighbour. */
    for (size_t i = 0; i < exposure->n_reach; i++)
        if (exposure->reach[i].verdict != NG_BLOCKED && ng_addr_is_loopback(exposure->host_addr))
            return ng_layout_text(&sheet->layout, "%s, on link", via);
    return via;
}

const char *ng_sheet_decider(struct ng_sheet *sheet, const struct ng_decider *decider) {
    struct ng_layout *layout = &sheet->layout;
    const char *where = ng_layout_text(layout, "%s %s", ng_layout_escaped(layout, decider->table),
                                       ng_layout_escaped(layout, decider->chain));
    const char *rule = ng_layout_escaped(layout, decider->rule);

    if (!decider->handle)
        return ng_layout_text(layout, "%s: %s", where, rule);
    return ng_layout_text(layout, "%s handle" NG_KEEP "%" PRIu64 ": %s", where, decider->handle,
                          rule);
}

const char *ng_sheet_reason(struct ng_sheet *sheet, const struct ng_reach *reach, uint8_t family) {
    if (reach->decided_by)
        return ng_sheet_decider(sheet, reach->decided_by);
    switch (reach->verdict) {
    case NG_REACHABLE:
    case NG_PARTLY:
        return ng_layout_text(&sheet->layout, "no %s rule stands in the way",
                              family == NG_IP6 ? "IPv6" : "IPv4");
    case NG_BLOCKED:
        return "no packet gets there: routing, not a rule";
    case NG_UNKNOWN:
        break;
    }
    return "it depends on what cannot be decided";
}

enum ng_style ng_sheet_severity_style(enum ng_severity severity) {
    switch (severity) {
    case NG_CRITICAL:
        return NG_STYLE_ALARM;
    case NG_HIGH:
        return NG_STYLE_RED;
    case NG_MEDIUM:
        return NG_STYLE_YELLOW;
    case NG_LOW:
        return NG_STYLE_CYAN;
    case NG_INFO:
        break;
    }
    return NG_STYLE_PLAIN;
}

/* -- runs of ports ------------------------------------------------------------------- */

/* A port that is not there (0) stays that way through the run. */
static bool port_follows(unsigned first, unsigned length, unsigned port) {
    return first ? port == first + length : port == 0;
}

static bool same_process(const struct ng_exposure *a, const struct ng_exposure *b) {
    return a->process && b->process ? strcmp(a->process, b->process) == 0
                                    : a->process == b->process;
}

bool ng_sheet_extends(const struct ng_exposure *first, unsigned length,
                      const struct ng_exposure *next) {
    return first->container == next->container && same_process(first, next) &&
           first->proto == next->proto && first->kind == next->kind &&
           first->family == next->family && ng_addr_equal(first->host_addr, next->host_addr) &&
           ng_addr_equal(first->container_addr, next->container_addr) &&
           first->paths == next->paths && first->ufw == next->ufw &&
           first->firewalld == next->firewalld &&
           port_follows(first->host_port, length, next->host_port) &&
           port_follows(first->container_port, length, next->container_port);
}

/* -- sources ------------------------------------------------------------------------- */

struct prefix_list {
    struct ng_layout *layout;
    const char *text;
    size_t count, shown;
};

static void add_prefix(struct ng_addr prefix, unsigned len, void *context) {
    struct prefix_list *list = context;
    char text[NG_ADDR_TEXT];

    if (list->count++ >= list->shown)
        return;
    ng_prefix_text(prefix, len, text);
    list->text = ng_layout_join(list->layout, list->text, ng_layout_text(list->layout, "%s", text));
}

static struct prefix_list list_prefixes(struct ng_sheet *sheet, struct ng_addrset set,
                                        uint8_t family) {
    struct prefix_list list = {
        .layout = &sheet->layout,
        .text = "",
        .shown = sheet->options->verbose ? SIZE_MAX : PREFIXES_SHOWN,
    };

    ng_addrset_each_prefix(set, family, add_prefix, &list);
    if (list.count > list.shown)
        list.text = ng_layout_text(&sheet->layout, "%s and %zu" NG_KEEP "more", list.text,
                                   list.count - list.shown);
    return list;
}

/* What `set` leaves out of all addresses that can be a source at all: that 127.0.0.0/8 or a
 * multicast address does not get in goes without saying. */
static int left_out(struct ng_arena *arena, struct ng_addrset set, uint8_t family,
                    struct ng_addrset *ret_rest) {
    static const struct ng_interval never4[] = {
        {0, 0},
        {0x7f000000, 0x7fffffff},
        {0xe0000000, 0xefffffff},
        {0xffffffff, 0xffffffff},
    };
    static const struct ng_interval never6[] = {
        {0, 1},
        {(ng_u128)0xff << 120, ~(ng_u128)0},
    };
    struct ng_addrset never = {never4, ARRAY_SIZE(never4)};
    struct ng_addrset all;

    if (family == NG_IP6)
        never = (struct ng_addrset){never6, ARRAY_SIZE(never6)};
    int r = ng_addrset_range(arena, 0, ng_family_max(family), &all);
    if (r < 0)
        return r;
    r = ng_addrset_subtract(arena, all, never, &all);
    if (r < 0)
        return r;
    return ng_addrset_subtract(arena, all, set, ret_rest);
}

/* Says the set the shorter way: what is in it, or what is not. */
static const char *sources_text(struct ng_sheet *sheet, struct ng_addrset set, uint8_t family) {
    struct ng_layout *layout = &sheet->layout;
    struct ng_addrset rest;

    if (ng_addrset_empty(set))
        return "";
    if (left_out(layout->arena, set, family, &rest) < 0) {
        layout->failed = true;
        return "";
    }
    if (ng_addrset_empty(rest))
        return "any address";
    struct prefix_list in = list_prefixes(sheet, set, family);
    struct prefix_list out = list_prefixes(sheet, rest, family);
    return out.count < in.count ? ng_layout_text(layout, "any but %s", out.text) : in.text;
}

const char *ng_sheet_sources(struct ng_sheet *sheet, const struct ng_reach *reach, uint8_t family) {
    struct ng_layout *layout = &sheet->layout;
    const char *sources = sources_text(sheet, reach->sources, family);
    const char *maybe = sources_text(sheet, reach->maybe, family);

    if (reach->verdict == NG_BLOCKED)
        return "";
    if (*maybe)
        sources = ng_layout_text(layout, "%s%sperhaps %s", sources, *sources ? ", " : "", maybe);
    const char *ports = "";
    for (size_t i = 0; i < reach->n_source_ports; i++) {
        const struct ng_port_range *range = &reach->source_ports[i];

        ports = ng_layout_join(layout, ports,
                               range->lo == range->hi
                                   ? ng_layout_text(layout, "%u", range->lo)
                                   : ng_layout_text(layout, "%u-%u", range->lo, range->hi));
    }
    if (!*ports)
        return sources;
    return ng_layout_text(layout, "%s (source ports %s only)", sources, ports);
}

/* -- ways in ------------------------------------------------------------------------- */

bool ng_sheet_concerns(const struct ng_finding *finding, const struct ng_reach *reach) {
    if (reach->verdict == NG_BLOCKED && finding->state != NG_STATE_BLOCKED)
        return false;
    for (size_t i = 0; i < finding->zones.count; i++)
        if (strcmp(finding->zones.items[i], reach->zone) == 0)
            return true;
    return false;
}

static bool way_equal(const struct ng_way *a, const struct ng_way *b) {
    return a->verdict == b->verdict && strcmp(a->zone, b->zone) == 0 &&
           strcmp(a->sources, b->sources) == 0;
}

/* The like of a way among those from `first` on. */
static struct ng_way *find_way(struct ng_ways *ways, size_t first, const struct ng_way *like) {
    for (size_t i = first; i < ways->count; i++)
        if (way_equal(&ways->items[i], like))
            return &ways->items[i];
    return NULL;
}

bool ng_sheet_ways_equal(const struct ng_ways *a, const struct ng_ways *b) {
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!way_equal(&a->items[i], &b->items[i]) ||
            strcmp(a->items[i].interfaces, b->items[i].interfaces) != 0)
            return false;
    return true;
}

/* Folds the ways from `first` on into earlier ones that are the same on the same interfaces:
 * two exposures reached alike. */
static void fold_ways(struct ng_ways *ways, size_t first) {
    size_t kept = first;

    for (size_t i = first; i < ways->count; i++) {
        struct ng_way *way = &ways->items[i], *same = NULL;

        for (size_t k = 0; k < first && !same; k++)
            if (way_equal(&ways->items[k], way) &&
                strcmp(ways->items[k].interfaces, way->interfaces) == 0)
                same = &ways->items[k];
        if (same) {
            same->ip4 |= way->ip4;
            same->ip6 |= way->ip6;
        } else {
            ways->items[kept++] = *way;
        }
    }
    ways->count = kept;
}

/* Is `item` one of the comma-separated words of `list`? */
static bool list_has(const char *list, const char *item) {
    size_t len = strlen(item);

    for (const char *p = list; (p = strstr(p, item)); p++)
        if ((p == list || p[-1] == ' ') && (p[len] == ',' || !p[len]))
            return true;
    return false;
}

void ng_sheet_add_ways(struct ng_sheet *sheet, struct ng_ways *ways,
                       const struct ng_exposure *exposure, const struct ng_finding *finding) {
    struct ng_layout *layout = &sheet->layout;
    size_t first = ways->count;

    for (size_t i = 0; i < exposure->n_reach; i++) {
        const struct ng_reach *reach = &exposure->reach[i];

        if (finding && !ng_sheet_concerns(finding, reach))
            continue;
        struct ng_way way = {
            .zone = reach->zone,
            .interfaces = ng_layout_escaped(layout, reach->interface),
            .verdict = reach->verdict,
            .sources = ng_sheet_sources(sheet, reach, exposure->family),
            .ip4 = exposure->family == NG_IP4,
            .ip6 = exposure->family == NG_IP6,
        };
        struct ng_way *known = find_way(ways, first, &way);
        if (known) {
            if (!list_has(known->interfaces, way.interfaces))
                known->interfaces = ng_layout_join(layout, known->interfaces, way.interfaces);
            continue;
        }
        struct ng_way *added =
            NG_ARENA_APPEND(layout->arena, ways->items, ways->count, ways->capacity);
        if (added)
            *added = way;
        else
            layout->failed = true;
    }
    fold_ways(ways, first);
}
