/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "agent/print/engine_words.h"
#include "agent/print/table.h"

enum {
    NAMES_SHOWN = 12, /* of the containers that expose nothing, unless verbose */
};

/* The containers that an ingress port of their service leads to. */
static void mark_tasks(const struct ng_engine *engine, const char *service, bool *exposed) {
    for (size_t i = 0; service && i < engine->n_containers; i++) {
        const char *own = engine->containers[i].service;

        exposed[i] |= own && strcmp(own, service) == 0;
    }
}

/* Which of one engine's containers an exposure speaks of. NULL when memory ran out. */
static bool *mark_exposed(struct ng_sheet *sheet, const struct ng_engine *engine) {
    const struct ng_result *result = sheet->result;
    bool *exposed = ng_arena_alloc(sheet->layout.arena, engine->n_containers, sizeof(bool));

    if (!exposed) {
        sheet->layout.failed = true;
        return NULL;
    }
    for (size_t i = 0; i < result->n_exposures; i++) {
        const struct ng_exposure *exposure = &result->exposures[i];

        if (exposure->kind == NG_KIND_INGRESS)
            mark_tasks(engine, exposure->container->service, exposed);
        else if (ng_engine_owns(engine, exposure->container))
            exposed[exposure->container - engine->containers] = true;
    }
    return exposed;
}

static const char *name_of(struct ng_sheet *sheet, const struct ng_engine *engine, const char *id) {
    for (size_t i = 0; i < engine->n_containers; i++)
        if (strcmp(engine->containers[i].id, id) == 0)
            return ng_layout_escaped(&sheet->layout, engine->containers[i].name);
    return ng_layout_text(&sheet->layout, "%.12s (not running)",
                          ng_layout_escaped(&sheet->layout, id));
}

/* Do the notes tell what comes of it? Not of a link to what is on no common network, or not
 * running. */
static bool link_is_noted(const struct ng_result *result, const struct ng_container *from,
                          const struct ng_link_to *link) {
    for (size_t i = 0; i < result->n_talks; i++)
        if (result->talks[i].from == from && strcmp(result->talks[i].to->name, link->to) == 0 &&
            strcmp(result->talks[i].alias, link->alias) == 0)
            return true;
    return false;
}

/* What is worth knowing of a container's network beside its ports; "" if nothing is. */
static const char *particulars(struct ng_sheet *sheet, const struct ng_engine *engine,
                               const struct ng_container *container) {
    struct ng_layout *layout = &sheet->layout;
    const char *text = "";

    if (strcmp(container->network_mode, "host") == 0)
        text = "uses the host's network: whatever listens in it is a port of this machine";
    if (container->network_of)
        text = ng_layout_text(layout, "shares the network of %s",
                              name_of(sheet, engine, container->network_of));
    for (size_t i = 0; i < container->n_links; i++) {
        const struct ng_link_to *link = &container->links[i];

        if (link_is_noted(sheet->result, container, link))
            continue;
        text = ng_layout_join(layout, text,
                              ng_layout_text(layout, "links to %s as %s",
                                             ng_layout_escaped(layout, link->to),
                                             ng_layout_escaped(layout, link->alias)));
    }
    return text;
}

/* The containers of which no exposure speaks, and that share nobody's network either. */
static const char *without_ports(struct ng_sheet *sheet, const struct ng_engine *engine,
                                 const bool *exposed) {
    struct ng_layout *layout = &sheet->layout;
    size_t shown = sheet->options->verbose ? SIZE_MAX : NAMES_SHOWN, count = 0;
    const char *names = "";

    for (size_t i = 0; i < engine->n_containers; i++) {
        const struct ng_container *container = &engine->containers[i];

        if (exposed[i] || container->network_of)
            continue;
        if (count++ < shown)
            names = ng_layout_join(layout, names, ng_layout_escaped(layout, container->name));
    }
    return count > shown ? ng_layout_text(layout, "%s and %zu more", names, count - shown) : names;
}

static void print_containers(struct ng_sheet *sheet, const struct ng_engine *engine,
                             const bool *exposed) {
    struct ng_layout *layout = &sheet->layout;
    struct ng_cell(*rows)[2] =
        ng_arena_alloc(layout->arena, engine->n_containers + 1, sizeof(*rows));
    size_t count = 0;

    if (!rows) {
        layout->failed = true;
        return;
    }
    for (size_t i = 0; i < engine->n_containers; i++) {
        const struct ng_container *container = &engine->containers[i];
        const char *text = particulars(sheet, engine, container);

        if (!*text)
            continue;
        rows[count][0].text = ng_layout_escaped(layout, container->name);
        rows[count++][1].text = text;
    }
    const char *names = without_ports(sheet, engine, exposed);
    if (*names) {
        rows[count][0] = (struct ng_cell){"no port", NG_STYLE_DIM};
        rows[count++][1].text = names;
    }
    if (count == 0)
        return;
    ng_sheet_engine_heading(sheet, "CONTAINERS", engine->n_containers, engine);
    ng_layout_columns(layout, *rows, count, 2);
}

void ng_sheet_containers(struct ng_sheet *sheet) {
    const struct ng_world *world = sheet->result->world;

    for (size_t i = 0; i < world->n_engines; i++) {
        bool *exposed = mark_exposed(sheet, &world->engines[i]);

        if (exposed)
            print_containers(sheet, &world->engines[i], exposed);
    }
}
