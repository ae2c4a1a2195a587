/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/addresses.h"
#include "agent/print/engine_words.h"
#include "agent/print/table.h"

/* What is worth knowing of an engine and its networks beside who is reached at which port. A host
 * on which nothing of this kind is going on has no notes. */

enum {
    NAMES_SHOWN = 12, /* in one note, unless verbose */
};

struct notes {
    struct ng_cell (*rows)[2];
    size_t count, capacity;
};

static void add_note(struct ng_sheet *sheet, struct notes *notes, enum ng_style style,
                     const char *subject, const char *text) {
    struct ng_cell(*row)[2] =
        NG_ARENA_APPEND(sheet->layout.arena, notes->rows, notes->count, notes->capacity);

    if (!row) {
        sheet->layout.failed = true;
        return;
    }
    (*row)[0] = (struct ng_cell){subject, style};
    (*row)[1].text = text;
}

/* -- lists of names ------------------------------------------------------------------ */

struct names {
    const char *text;
    size_t count;
};

static void add_name(struct ng_sheet *sheet, struct names *names, const char *name) {
    if (names->count++ == 0)
        names->text = name;
    else if (names->count <= NAMES_SHOWN || sheet->options->verbose)
        names->text = ng_layout_join(&sheet->layout, names->text, name);
}

static const char *names_text(struct ng_sheet *sheet, const struct names *names) {
    if (names->count <= NAMES_SHOWN || sheet->options->verbose)
        return names->text;
    return ng_layout_text(&sheet->layout, "%s and %zu more", names->text,
                          names->count - NAMES_SHOWN);
}

/* Of the containers on a network. */
static const char *names_on(struct ng_sheet *sheet, const struct ng_engine *engine,
                            const struct ng_network *network) {
    struct names names = {0};

    for (size_t i = 0; i < engine->n_containers; i++)
        if (ng_network_has(network, &engine->containers[i]))
            add_name(sheet, &names, ng_layout_escaped(&sheet->layout, engine->containers[i].name));
    return names_text(sheet, &names);
}

/* -- from where ---------------------------------------------------------------------- */

/* "public (eth0), office (wg0)": from where it is certainly reached, or perhaps. */
static const char *zones_text(struct ng_sheet *sheet, const struct ng_ways *ways, bool certain) {
    struct ng_layout *layout = &sheet->layout;
    const char *text = "";

    for (size_t i = 0; i < ways->count; i++) {
        const struct ng_way *way = &ways->items[i];
        const char *zone = ng_layout_text(layout, "%s" NG_KEEP "(%s)",
                                          ng_layout_escaped(layout, way->zone), way->interfaces);
        bool meant = way->verdict != NG_BLOCKED && (way->verdict != NG_UNKNOWN) == certain;

        /* The families may differ in which sources get in, which is not told here. */
        if (meant && !ng_layout_joined(text, zone))
            text = ng_layout_join(layout, text, zone);
    }
    return text;
}

/* ", reachable from public (eth0)" */
static const char *reachable_text(struct ng_sheet *sheet, const struct ng_ways *ways) {
    struct ng_layout *layout = &sheet->layout;
    const char *certain = zones_text(sheet, ways, true);
    const char *perhaps = zones_text(sheet, ways, false);

    if (*certain && *perhaps)
        return ng_layout_text(layout, ", reachable from %s, perhaps %s", certain, perhaps);
    if (*certain)
        return ng_layout_text(layout, ", reachable from %s", certain);
    if (*perhaps)
        return ng_layout_text(layout, ", perhaps reachable from %s", perhaps);
    return ways->count ? ", not reachable from outside" : "";
}

/* The ways to a port of the engine's own. */
static struct ng_ways ways_to(struct ng_sheet *sheet, bool (*is_meant)(enum ng_role role),
                              uint8_t proto, uint16_t port) {
    const struct ng_result *result = sheet->result;
    struct ng_ways ways = {0};

    for (size_t i = 0; i < result->n_exposures; i++) {
        const struct ng_exposure *exposure = &result->exposures[i];

        if (is_meant(exposure->role) && exposure->proto == proto && exposure->host_port == port)
            ng_sheet_add_ways(sheet, &ways, exposure, NULL);
    }
    return ways;
}

static bool is_api(enum ng_role role) {
    return role == NG_ROLE_DOCKER_API || role == NG_ROLE_DOCKER_API_TLS;
}

static bool is_data_path(enum ng_role role) {
    return role == NG_ROLE_SWARM_DATA_PATH;
}

/* -- the engine ---------------------------------------------------------------------- */

static void note_open_apis(struct ng_sheet *sheet, struct notes *notes,
                           const struct ng_engine *engine) {
    struct ng_layout *layout = &sheet->layout;

    for (size_t i = 0; i < engine->n_open_apis; i++) {
        const struct ng_open_api *api = &engine->open_apis[i];
        struct ng_ways ways = ways_to(sheet, is_api, NG_TCP, api->port);

        add_note(sheet, notes, NG_STYLE_RED,
                 ng_layout_text(layout, "%s" NG_KEEP "API", ng_product_text(engine)),
                 ng_layout_text(layout, "%s %s%s: whoever gets there is root on this host",
                                ng_layout_socket(layout, api->addr, api->port, 1),
                                api->tls ? "with TLS that asks for no client certificate"
                                         : "without TLS",
                                reachable_text(sheet, &ways)));
    }
}

static void note_registries(struct ng_sheet *sheet, struct notes *notes,
                            const struct ng_engine *engine) {
    struct ng_layout *layout = &sheet->layout;
    struct names names = {0};

    for (size_t i = 0; i < engine->n_insecure_registries; i++)
        add_name(sheet, &names, ng_layout_escaped(layout, engine->insecure_registries[i].name));
    if (names.count)
        add_note(sheet, notes, NG_STYLE_YELLOW, "registries",
                 ng_layout_text(layout,
                                "no TLS demanded, so that others on the way can change images: %s",
                                names_text(sheet, &names)));
}

/* A stack file or command line may name an address in front of such a port; it counts for nothing.
 */
static void note_ingress(struct ng_sheet *sheet, struct notes *notes,
                         const struct ng_engine *engine) {
    const struct ng_result *result = sheet->result;
    struct ng_layout *layout = &sheet->layout;
    struct names names = {0};

    for (size_t i = 0; engine->swarm && i < result->n_exposures; i++) {
        const struct ng_exposure *exposure = &result->exposures[i];

        if (exposure->kind == NG_KIND_INGRESS)
            add_name(sheet, &names,
                     ng_layout_text(layout, "%u/%s" NG_KEEP "(%s)", exposure->host_port,
                                    ng_proto_text(exposure->proto), ng_sheet_who(sheet, exposure)));
    }
    if (names.count)
        add_note(sheet, notes, NG_STYLE_PLAIN, "ingress",
                 ng_layout_text(layout,
                                "open on every address of every node, whatever the stack file "
                                "says: %s",
                                names_text(sheet, &names)));
}

/* -- networks ------------------------------------------------------------------------ */

static struct names overlays(struct ng_sheet *sheet, const struct ng_engine *engine,
                             bool (*is_meant)(const struct ng_network *network)) {
    struct names names = {0};

    for (size_t i = 0; i < engine->n_networks; i++)
        if (ng_network_is_overlay(&engine->networks[i]) && is_meant(&engine->networks[i]))
            add_name(sheet, &names, ng_layout_escaped(&sheet->layout, engine->networks[i].name));
    return names;
}

static bool is_in_clear(const struct ng_network *network) {
    return !network->encrypted;
}

static bool is_attachable(const struct ng_network *network) {
    return network->attachable;
}

static void note_overlays(struct ng_sheet *sheet, struct notes *notes,
                          const struct ng_engine *engine) {
    struct ng_layout *layout = &sheet->layout;
    struct names in_clear = overlays(sheet, engine, is_in_clear);
    struct names attachable = overlays(sheet, engine, is_attachable);
    uint16_t port = ng_engine_data_path_port(engine);

    if (in_clear.count) {
        struct ng_ways ways = ways_to(sheet, is_data_path, NG_UDP, port);

        add_note(sheet, notes, NG_STYLE_YELLOW, "overlays",
                 ng_layout_text(layout, "not encrypted between nodes: %s; data path %u/udp%s",
                                names_text(sheet, &in_clear), port, reachable_text(sheet, &ways)));
    }
    if (attachable.count)
        add_note(sheet, notes, NG_STYLE_PLAIN, "attachable",
                 ng_layout_text(layout, "overlays that any container of the swarm may join: %s",
                                names_text(sheet, &attachable)));
}

static void note_gateway_mode(struct ng_sheet *sheet, struct notes *notes,
                              const struct ng_engine *engine, const struct ng_network *network,
                              enum ng_gateway_mode mode) {
    struct ng_layout *layout = &sheet->layout;
    bool of4 = network->gateway4 == mode;
    bool of6 = network->gateway6 == mode && network->ipv6;
    const char *families = of4 && of6 ? "" : of4 ? " (IPv4)" : " (IPv6)";

    if (of4 || of6)
        add_note(sheet, notes, NG_STYLE_YELLOW, ng_layout_escaped(layout, network->name),
                 ng_layout_text(layout,
                                "gateway mode %s%s: the engine leaves %s open at the containers' "
                                "own addresses: %s",
                                ng_gateway_mode_text(mode), families,
                                mode == NG_GATEWAY_ROUTED ? "published ports" : "every port",
                                names_on(sheet, engine, network)));
}

static void note_lan(struct ng_sheet *sheet, struct notes *notes, const struct ng_engine *engine,
                     const struct ng_network *network) {
    struct ng_layout *layout = &sheet->layout;

    add_note(sheet, notes, NG_STYLE_YELLOW, ng_layout_escaped(layout, network->name),
             ng_layout_text(layout,
                            "%s%s%s: on the LAN, past this host's firewall; the guard will not "
                            "block them: %s",
                            network->driver, network->parent ? " on " : "",
                            network->parent ? ng_layout_escaped(layout, network->parent) : "",
                            names_on(sheet, engine, network)));
}

static void note_default_bridge(struct ng_sheet *sheet, struct notes *notes,
                                const struct ng_engine *engine, const struct ng_network *network) {
    struct ng_layout *layout = &sheet->layout;

    add_note(sheet, notes, NG_STYLE_PLAIN, ng_layout_escaped(layout, network->name),
             ng_layout_text(layout, "the default bridge, where %s: %s",
                            network->icc_off ? "links alone open ports (ICC is off)"
                                             : "each gets to all ports of the others",
                            names_on(sheet, engine, network)));
}

static void note_networks(struct ng_sheet *sheet, struct notes *notes,
                          const struct ng_engine *engine) {
    for (size_t i = 0; i < engine->n_networks; i++) {
        const struct ng_network *network = &engine->networks[i];

        if (!ng_network_in_use(engine, network))
            continue;
        note_gateway_mode(sheet, notes, engine, network, NG_GATEWAY_ROUTED);
        note_gateway_mode(sheet, notes, engine, network, NG_GATEWAY_NAT_UNPROTECTED);
        if (ng_network_is_on_lan(network) && !network->internal)
            note_lan(sheet, notes, engine, network);
        if (network->is_default)
            note_default_bridge(sheet, notes, engine, network);
    }
}

/* -- links --------------------------------------------------------------------------- */

static const char *ports_text(struct ng_sheet *sheet, const struct ng_talk *talk) {
    struct ng_layout *layout = &sheet->layout;
    struct names names = {0};

    for (size_t i = 0; i < talk->n_ports; i++)
        add_name(sheet, &names,
                 ng_layout_text(layout, "%u/%s", talk->ports[i].port,
                                ng_proto_text(talk->ports[i].proto)));
    return names.count ? names_text(sheet, &names) : "its ports";
}

/* Whether it changes who gets where, which is what a reader takes a link for. */
static const char *link_text(struct ng_sheet *sheet, const struct ng_talk *talk) {
    struct ng_layout *layout = &sheet->layout;
    const char *ports = ports_text(sheet, talk);
    const char *some = talk->verdict == NG_PARTLY ? "some of " : "";

    if (talk->verdict == NG_BLOCKED)
        return ng_layout_text(layout, "names only, and does not get to %s", ports);
    if (talk->verdict == NG_UNKNOWN)
        return ng_layout_text(layout, "not known whether it gets to %s", ports);
    if (talk->opens)
        return ng_layout_text(layout, "opens %s%s, which ICC off closes for others", some, ports);
    return ng_layout_text(layout, "names only: all on the network reach %s%s anyway", some, ports);
}

static void note_links(struct ng_sheet *sheet, struct notes *notes,
                       const struct ng_engine *engine) {
    struct ng_layout *layout = &sheet->layout;

    for (size_t i = 0; i < sheet->result->n_talks; i++) {
        const struct ng_talk *talk = &sheet->result->talks[i];

        if (!ng_engine_owns(engine, talk->from))
            continue;
        add_note(sheet, notes, NG_STYLE_PLAIN, "link",
                 ng_layout_text(layout, "%s -> %s as %s on %s: %s",
                                ng_layout_escaped(layout, talk->from->name),
                                ng_layout_escaped(layout, talk->to->name),
                                ng_layout_escaped(layout, talk->alias),
                                ng_layout_escaped(layout, talk->network), link_text(sheet, talk)));
    }
}

void ng_sheet_notes(struct ng_sheet *sheet) {
    const struct ng_world *world = sheet->result->world;

    for (size_t i = 0; i < world->n_engines; i++) {
        const struct ng_engine *engine = &world->engines[i];
        struct notes notes = {0};

        note_open_apis(sheet, &notes, engine);
        note_registries(sheet, &notes, engine);
        note_overlays(sheet, &notes, engine);
        note_ingress(sheet, &notes, engine);
        note_networks(sheet, &notes, engine);
        note_links(sheet, &notes, engine);
        if (notes.count == 0)
            continue;
        ng_sheet_engine_heading(sheet, "NOTES", notes.count, engine);
        ng_layout_columns(&sheet->layout, *notes.rows, notes.count, 2);
    }
}
