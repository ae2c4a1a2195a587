/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "agent/print/addresses.h"
#include "agent/print/engine_words.h"
#include "agent/print/table.h"

const char *ng_sheet_who(struct ng_sheet *sheet, const struct ng_exposure *exposure) {
    struct ng_layout *layout = &sheet->layout;

    if (exposure->container)
        return ng_layout_escaped(layout, exposure->container->name);
    if (!exposure->process)
        return "(host)";
    return ng_layout_text(layout, "%s" NG_KEEP "(host)",
                          ng_layout_escaped(layout, exposure->process));
}

/* Where it is asked for. */
static const char *asked_text(struct ng_layout *layout, const struct ng_exposure *exposure,
                              unsigned length) {
    static const struct ng_addr no_addr;
    char text[NG_ADDR_TEXT];

    /* Of every node, and no stack file can narrow it. */
    if (exposure->kind == NG_KIND_INGRESS && exposure->family == NG_IP4)
        return ng_layout_text(layout, "*:%s",
                              ng_layout_socket(layout, no_addr, exposure->host_port, length));
    if (exposure->host_port)
        return ng_layout_socket(layout, exposure->host_addr, exposure->host_port, length);
    if (exposure->container_port)
        return ng_layout_socket(layout, exposure->container_addr, exposure->container_port, length);
    return ng_layout_text(layout, "%s", ng_addr_text(exposure->host_addr, text)); /* ESP */
}

/* "172.17.0.2:6379", where that is another place than the one asked for, else "". */
static const char *target_text(struct ng_sheet *sheet, const struct ng_exposure *exposure,
                               unsigned length, bool with_addr) {
    struct ng_layout *layout = &sheet->layout;
    struct ng_addr addr = with_addr ? exposure->container_addr : (struct ng_addr){0};

    if (!exposure->host_port || !exposure->container_port || exposure->kind == NG_KIND_HOST_NETWORK)
        return "";
    const char *target = ng_layout_socket(layout, addr, exposure->container_port, length);
    if (exposure->kind == NG_KIND_INGRESS && with_addr)
        return ng_layout_text(layout, "%s:%s", ng_sheet_who(sheet, exposure), target);
    return target;
}

const char *ng_sheet_binding(struct ng_sheet *sheet, const struct ng_exposure *exposure,
                             unsigned length, bool with_target) {
    struct ng_layout *layout = &sheet->layout;
    const char *target = target_text(sheet, exposure, length, with_target);
    const char *role = ng_role_words(exposure);

    return ng_layout_text(layout, "%s/%s%s%s%s%s", asked_text(layout, exposure, length),
                          ng_proto_text(exposure->proto), *target ? " ->" NG_KEEP : "", target,
                          *role ? " " : "", role);
}

const char *ng_sheet_via(struct ng_sheet *sheet, const struct ng_exposure *exposure) {
    const char *via = "";

    if (exposure->kind == NG_KIND_HOST_NETWORK)
        return "host net";
    if (exposure->kind == NG_KIND_L2)
        return "LAN";
    if (exposure->kind == NG_KIND_INGRESS)
        return "ingress";
    for (unsigned bit = NG_PATH_DNAT; bit <= NG_PATH_IPVS; bit <<= 1)
        if (exposure->paths & bit)
            via = ng_layout_join(&sheet->layout, via, ng_path_text((enum ng_path)bit));
    /* No router passes 127.0.0.0/8 on: whoever gets in there is a neighbour. */
    for (size_t i = 0; i < exposure->n_reach; i++)
        if (exposure->reach[i].verdict != NG_BLOCKED && ng_addr_is_loopback(exposure->host_addr))
            return ng_layout_text(&sheet->layout, "%s, on link", via);
    return via;
}

const char *ng_sheet_how(struct ng_sheet *sheet, const struct ng_exposure *exposure) {
    static const char on_lan[] = "on the LAN, past this host's firewall";
    struct ng_layout *layout = &sheet->layout;
    const struct ng_network *network;

    switch (exposure->kind) {
    case NG_KIND_INGRESS:
        return "swarm service, on every address of every node, whatever the stack file says";
    case NG_KIND_DIRECT:
        return "by route";
    case NG_KIND_L2:
        network =
            ng_network_of_addr(sheet->result->world, exposure->container, exposure->container_addr);
        if (!network || !network->parent)
            return on_lan;
        return ng_layout_text(layout, "%s: %s on %s", on_lan,
                              ng_layout_escaped(layout, network->driver),
                              ng_layout_escaped(layout, network->parent));
    default:
        return ng_sheet_via(sheet, exposure);
    }
}

const char *ng_sheet_decider(struct ng_sheet *sheet, const struct ng_decider *decider) {
    struct ng_layout *layout = &sheet->layout;
    const char *where = ng_layout_text(layout, "%s %s%s", ng_layout_escaped(layout, decider->table),
                                       ng_layout_escaped(layout, decider->chain),
                                       decider->legacy ? NG_KEEP "(legacy)" : "");
    const char *rule = ng_layout_escaped(layout, decider->rule);

    if (!decider->handle)
        return ng_layout_text(layout, "%s: %s", where, rule);
    return ng_layout_text(layout, "%s %s" NG_KEEP "%" PRIu64 ": %s", where,
                          decider->legacy ? "rule" : "handle", decider->handle, rule);
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
           first->firewalld == next->firewalld && first->role == next->role &&
           first->unverified == next->unverified &&
           port_follows(first->host_port, length, next->host_port) &&
           port_follows(first->container_port, length, next->container_port);
}

/* -- sources ------------------------------------------------------------------------- */

const char *ng_sheet_sources(struct ng_sheet *sheet, const struct ng_reach *reach, uint8_t family) {
    struct ng_layout *layout = &sheet->layout;
    size_t most = sheet->options->verbose ? SIZE_MAX : NG_PREFIXES_SHOWN;
    const char *sources = ng_layout_sources(layout, reach->sources, family, most);
    const char *maybe = ng_layout_sources(layout, reach->maybe, family, most);

    if (reach->verdict == NG_BLOCKED)
        return "";
    if (*maybe)
        sources = ng_layout_text(layout, "%s%sperhaps %s", sources, *sources ? ", " : "", maybe);
    const char *ports = ng_layout_ports(layout, reach->source_ports, reach->n_source_ports);
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
            if (!ng_layout_joined(known->interfaces, way.interfaces))
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
