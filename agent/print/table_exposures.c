/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/print/table.h"

enum {
    COLUMNS = 5,
};

/* Exposures that differ in nothing but consecutive ports: `-p 7000-7010:7000-7010` is one
 * line, not eleven. */
struct run {
    const struct ng_exposure *first;
    unsigned length;
    struct ng_ways ways;
    int severity; /* the worst open finding's, -1: none */
};

static int compare_u128(ng_u128 a, ng_u128 b) {
    return (a > b) - (a < b);
}

static int compare_addrs(struct ng_addr a, struct ng_addr b) {
    return a.family != b.family ? a.family - b.family : compare_u128(a.value, b.value);
}

static int compare_text(const char *a, const char *b) {
    return strcmp(a ? a : "", b ? b : "");
}

/* Orders runs so that those which can be joined stand next to each other: by who, then by
 * what is the same within a run, then by port. Containers come before the machine itself. */
static int compare_runs(const void *left, const void *right) {
    const struct ng_exposure *a = ((const struct run *)left)->first;
    const struct ng_exposure *b = ((const struct run *)right)->first;
    int r = !a->container - !b->container;

    if (!r && a->container)
        r = strcmp(a->container->name, b->container->name);
    if (!r && a->container)
        r = compare_text(a->container->id, b->container->id);
    if (!r)
        r = compare_text(a->process, b->process);
    if (!r)
        r = a->proto - b->proto;
    if (!r)
        r = (int)a->kind - (int)b->kind;
    if (!r)
        r = a->family - b->family;
    if (!r)
        r = compare_addrs(a->host_addr, b->host_addr);
    if (!r)
        r = compare_addrs(a->container_addr, b->container_addr);
    if (!r)
        r = a->host_port - b->host_port;
    return r ? r : a->container_port - b->container_port;
}

static bool run_extends(const struct run *run, const struct run *next) {
    return ng_sheet_extends(run->first, run->length, next->first) &&
           run->severity == next->severity && ng_sheet_ways_equal(&run->ways, &next->ways);
}

/* Fills `severity` of the runs, which are still one per exposure and in the result's order. */
static void mark_findings(const struct ng_result *result, struct run *runs) {
    for (size_t i = 0; i < result->n_findings; i++) {
        const struct ng_finding *finding = &result->findings[i];

        if (!finding->exposure || finding->state != NG_OPEN)
            continue;
        struct run *run = &runs[finding->exposure - result->exposures];
        if ((int)finding->severity > run->severity)
            run->severity = (int)finding->severity;
    }
}

static size_t join_runs(struct run *runs, size_t count) {
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (kept && run_extends(&runs[kept - 1], &runs[i]))
            runs[kept - 1].length++;
        else
            runs[kept++] = runs[i];
    }
    return kept;
}

static struct run *make_runs(struct ng_sheet *sheet, size_t *ret_count) {
    const struct ng_result *result = sheet->result;
    struct run *runs = ng_arena_alloc(sheet->layout.arena, result->n_exposures, sizeof(struct run));

    if (!runs) {
        sheet->layout.failed = true;
        return NULL;
    }
    for (size_t i = 0; i < result->n_exposures; i++) {
        runs[i] = (struct run){.first = &result->exposures[i], .length = 1, .severity = -1};
        ng_sheet_add_ways(sheet, &runs[i].ways, runs[i].first, NULL);
    }
    mark_findings(result, runs);
    qsort(runs, result->n_exposures, sizeof(*runs), compare_runs);
    *ret_count = join_runs(runs, result->n_exposures);
    return runs;
}

/* -- rows ---------------------------------------------------------------------------- */

/* From where nothing gets in is worth a line only where nothing gets in at all. */
static bool way_is_shown(const struct ng_sheet *sheet, const struct ng_ways *ways,
                         const struct ng_way *way) {
    if (way->verdict != NG_BLOCKED || sheet->options->verbose)
        return true;
    for (size_t i = 0; i < ways->count; i++)
        if (ways->items[i].verdict != NG_BLOCKED)
            return false;
    return true;
}

static const char *from_text(struct ng_sheet *sheet, const struct ng_way *way) {
    struct ng_layout *layout = &sheet->layout;
    const char *from =
        ng_layout_text(layout, "%s %s", ng_layout_escaped(layout, way->zone), way->interfaces);

    if (way->verdict == NG_REACHABLE || way->verdict == NG_BLOCKED)
        return from;
    return *way->sources ? ng_layout_text(layout, "%s: %s", from, way->sources) : from;
}

static enum ng_style verdict_style(const struct run *run, enum ng_reach_verdict verdict) {
    if (verdict == NG_BLOCKED)
        return NG_STYLE_GREEN;
    if (verdict == NG_UNKNOWN)
        return NG_STYLE_MAGENTA;
    return run->severity < 0 ? NG_STYLE_PLAIN
                             : ng_sheet_severity_style((enum ng_severity)run->severity);
}

struct rows {
    struct ng_cell (*items)[COLUMNS];
    size_t count, capacity;
};

static void add_row(struct ng_sheet *sheet, struct rows *rows, const struct ng_cell *cells) {
    struct ng_cell(*row)[COLUMNS] =
        NG_ARENA_APPEND(sheet->layout.arena, rows->items, rows->count, rows->capacity);

    if (row)
        memcpy(*row, cells, sizeof(*row));
    else
        sheet->layout.failed = true;
}

/* One row a way in; what the row above says already is left out. */
static void add_run(struct ng_sheet *sheet, struct rows *rows, const struct run *run,
                    const struct run *above) {
    bool same_who = above && above->first->container == run->first->container &&
                    compare_text(above->first->process, run->first->process) == 0;
    struct ng_cell cells[COLUMNS] = {
        {same_who ? "" : ng_sheet_who(sheet, run->first), NG_STYLE_PLAIN},
        {ng_sheet_binding(sheet, run->first, run->length, false), NG_STYLE_PLAIN},
        {"-", NG_STYLE_PLAIN},
        {"-", NG_STYLE_PLAIN},
        {ng_sheet_via(sheet, run->first), NG_STYLE_PLAIN},
    };

    for (size_t i = 0; i < run->ways.count; i++) {
        const struct ng_way *way = &run->ways.items[i];

        if (!way_is_shown(sheet, &run->ways, way))
            continue;
        cells[2].text = from_text(sheet, way);
        cells[3].text = ng_reach_verdict_text(way->verdict);
        cells[3].style = verdict_style(run, way->verdict);
        add_row(sheet, rows, cells);
        cells[0].text = cells[1].text = cells[4].text = "";
    }
    if (run->ways.count == 0)
        add_row(sheet, rows, cells);
}

/* -- details ------------------------------------------------------------------------- */

static bool decided_alone(const struct ng_reach *reach) {
    const struct ng_decider *by = reach->decided_by, *only = reach->deciders;

    return by && reach->n_deciders == 1 && by->handle == only->handle &&
           strcmp(by->table, only->table) == 0 && strcmp(by->chain, only->chain) == 0;
}

static void print_reach_details(struct ng_sheet *sheet, const struct ng_reach *reach,
                                uint8_t family) {
    struct ng_layout *layout = &sheet->layout;

    ng_layout_paragraph(layout, 4, "from", NG_STYLE_DIM,
                        ng_layout_text(layout, "%s (%s): %s %s",
                                       ng_layout_escaped(layout, reach->zone),
                                       ng_layout_escaped(layout, reach->interface),
                                       ng_reach_verdict_text(reach->verdict),
                                       ng_sheet_sources(sheet, reach, family)));
    ng_layout_paragraph(layout, 4, "because", NG_STYLE_DIM, ng_sheet_reason(sheet, reach, family));
    for (size_t i = 0; i < reach->n_deciders && !decided_alone(reach); i++)
        ng_layout_paragraph(layout, 4, i ? "" : "all rules", NG_STYLE_DIM,
                            ng_sheet_decider(sheet, &reach->deciders[i]));
    for (size_t i = 0; i < reach->unsure.count; i++)
        ng_layout_paragraph(layout, 4, i ? "" : "unsure", NG_STYLE_DIM,
                            ng_layout_escaped(layout, reach->unsure.items[i]));
}

static void print_details(struct ng_sheet *sheet, const struct ng_exposure *exposure) {
    struct ng_layout *layout = &sheet->layout;
    const struct ng_container *container = exposure->container;

    ng_layout_paragraph(layout, 2, ng_layout_text(layout, "%s ", ng_sheet_who(sheet, exposure)),
                        NG_STYLE_BOLD, ng_sheet_binding(sheet, exposure, 1, true));
    ng_layout_paragraph(
        layout, 4, "exposure", NG_STYLE_DIM,
        ng_layout_text(layout, "%s (%s)", exposure->id, ng_kind_text(exposure->kind)));
    if (container && exposure->kind != NG_KIND_INGRESS)
        ng_layout_paragraph(layout, 4, "container", NG_STYLE_DIM,
                            ng_layout_text(layout, "%s image %s",
                                           ng_layout_escaped(layout, container->id),
                                           ng_layout_escaped(layout, container->image)));
    for (size_t i = 0; i < exposure->n_reach; i++)
        print_reach_details(sheet, &exposure->reach[i], exposure->family);
}

void ng_sheet_exposures(struct ng_sheet *sheet) {
    static const struct ng_cell heading[COLUMNS] = {
        {"WHO", NG_STYLE_DIM},   {"WHAT", NG_STYLE_DIM}, {"FROM", NG_STYLE_DIM},
        {"REACH", NG_STYLE_DIM}, {"VIA", NG_STYLE_DIM},
    };
    const struct ng_result *result = sheet->result;
    struct rows rows = {0};
    size_t count = 0;

    ng_sheet_heading(sheet, "EXPOSURES", result->n_exposures);
    if (result->n_exposures == 0)
        return;
    struct run *runs = make_runs(sheet, &count);
    add_row(sheet, &rows, heading);
    for (size_t i = 0; i < count; i++)
        add_run(sheet, &rows, &runs[i], i ? &runs[i - 1] : NULL);
    ng_layout_columns(&sheet->layout, rows.items ? *rows.items : NULL, rows.count, COLUMNS);

    if (!sheet->options->verbose)
        return;
    ng_sheet_heading(sheet, "DETAILS", result->n_exposures);
    for (size_t i = 0; i < result->n_exposures; i++)
        print_details(sheet, &result->exposures[i]);
}
