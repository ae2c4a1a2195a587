/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/table.h"

#include <errno.h>
#include <time.h>

#include "agent/print/engine_words.h"
#include "netguard/catalog.h"
#include "netguard/cis.h"

static const char *plural(struct ng_sheet *sheet, size_t count, const char *noun) {
    return ng_layout_text(&sheet->layout, "%zu %s%s", count, noun, count == 1 ? "" : "s");
}

void ng_sheet_heading(struct ng_sheet *sheet, const char *heading, size_t count) {
    struct ng_layout *layout = &sheet->layout;

    fputc('\n', layout->out);
    ng_layout_styled(layout, NG_STYLE_BOLD, heading);
    fprintf(layout->out, " (%zu)\n", count);
}

void ng_sheet_engine_heading(struct ng_sheet *sheet, const char *heading, size_t count,
                             const struct ng_engine *engine) {
    struct ng_layout *layout = &sheet->layout;

    ng_sheet_heading(sheet, heading, count);
    if (sheet->result->world->n_engines > 1)
        ng_layout_paragraph(layout, 0, "engine", NG_STYLE_DIM,
                            ng_layout_escaped(layout, engine->endpoint));
}

static void print_engine(struct ng_sheet *sheet, const struct ng_engine *engine) {
    struct ng_layout *layout = &sheet->layout;
    const char *backend = "", *swarm = "";

    if (engine->firewall_backend)
        backend = ng_layout_text(layout, ", firewall backend %s",
                                 ng_layout_escaped(layout, engine->firewall_backend));
    if (engine->swarm)
        swarm = engine->manager ? ", swarm manager" : ", swarm worker";
    ng_layout_paragraph(
        layout, 0, "engine", NG_STYLE_DIM,
        ng_layout_text(
            layout, "%s %s at %s, %s running%s%s%s%s", ng_product_text(engine),
            ng_layout_escaped(layout, engine->version), ng_layout_escaped(layout, engine->endpoint),
            plural(sheet, engine->n_containers, "container"), backend, swarm,
            engine->rootless ? ", rootless" : "", engine->userns ? ", userns-remap" : ""));
}

/* Both at once is a trap: each has its own commands, and neither's shows the other's rules. */
static void print_backends(struct ng_sheet *sheet) {
    const struct ng_strings backends = sheet->result->backends;
    bool both = backends.count > 1;

    if (backends.count == 0 || (!both && !sheet->options->verbose))
        return;
    ng_layout_paragraph(&sheet->layout, 0, "filter", both ? NG_STYLE_YELLOW : NG_STYLE_DIM,
                        both ? "nf_tables and iptables-legacy both hold rules: a packet has to "
                               "pass both"
                             : backends.items[0]);
}

static bool is_cis(const struct ng_result *result) {
    return result->policy && result->policy->cis;
}

static void print_header(struct ng_sheet *sheet) {
    const struct ng_world *world = sheet->result->world;
    struct ng_layout *layout = &sheet->layout;
    time_t when = (time_t)world->time_s;
    char text[64] = "";
    struct tm utc;

    if (gmtime_r(&when, &utc))
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &utc);
    ng_layout_paragraph(
        layout, 0, "host", NG_STYLE_DIM,
        ng_layout_text(layout, "%s, %s", ng_layout_escaped(layout, world->host), text));
    for (size_t i = 0; i < world->n_engines; i++)
        print_engine(sheet, &world->engines[i]);
    if (world->n_engines == 0)
        ng_layout_paragraph(
            layout, 0, "engine", NG_STYLE_DIM,
            world->no_engine ? ng_layout_text(layout, "no container engine found (looked for %s)",
                                              ng_layout_escaped(layout, world->no_engine))
                             : "not observed");
    print_backends(sheet);
    ng_layout_paragraph(layout, 0, "policy", NG_STYLE_DIM,
                        sheet->options->policy
                            ? ng_layout_escaped(layout, sheet->options->policy)
                            : "built-in: no data store, cluster-control or Docker API port "
                              "reachable from outside");
    if (is_cis(sheet->result))
        ng_layout_paragraph(layout, 0, "profile", NG_STYLE_DIM,
                            "CIS Docker Benchmark " NG_CIS_VERSION
                            ", what it says of networks; the policy says what is excepted");
}

/* What was looked at, what came of it, and what could not be told. */
static void print_profile(struct ng_sheet *sheet) {
    static const enum ng_style styles[] = {
        [NG_CIS_PASS] = NG_STYLE_GREEN,
        [NG_CIS_FAIL] = NG_STYLE_RED,
        [NG_CIS_UNKNOWN] = NG_STYLE_YELLOW,
    };
    enum { ITEM, VERDICT, FINDINGS, WHAT, COLUMNS };
    struct ng_layout *layout = &sheet->layout;
    const struct ng_cis_item *items;
    size_t count;

    if (!is_cis(sheet->result))
        return;
    if (ng_cis_items(sheet->result, layout->arena, &items, &count) < 0) {
        layout->failed = true;
        return;
    }
    struct ng_cell *cells = ng_arena_alloc(layout->arena, count * COLUMNS, sizeof(*cells));
    if (!cells) {
        layout->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct ng_cis_item *item = &items[i];
        struct ng_cell *row = &cells[i * COLUMNS];

        row[ITEM].text = ng_layout_text(layout, "CIS" NG_KEEP "%s", item->item);
        row[VERDICT] = (struct ng_cell){ng_cis_verdict_text(item->verdict), styles[item->verdict]};
        row[FINDINGS].text =
            item->n_findings ? ng_layout_text(layout, "%zu", item->n_findings) : "";
        row[WHAT].text =
            item->note ? ng_layout_text(layout, "%s: %s", item->what, item->note) : item->what;
    }
    ng_sheet_heading(sheet, "CIS DOCKER BENCHMARK " NG_CIS_VERSION, count);
    ng_layout_columns(layout, cells, count, COLUMNS);
}

static void print_gaps(struct ng_sheet *sheet) {
    const struct ng_result *result = sheet->result;
    struct ng_layout *layout = &sheet->layout;

    if (result->n_gaps == 0)
        return;
    ng_sheet_heading(sheet, "NOT SEEN", result->n_gaps);
    for (size_t i = 0; i < result->n_gaps; i++)
        ng_layout_paragraph(layout, 0, ng_layout_escaped(layout, result->gaps[i].source),
                            NG_STYLE_YELLOW, ng_layout_escaped(layout, result->gaps[i].reason));
}

static void print_warnings(struct ng_sheet *sheet) {
    const struct ng_world *world = sheet->result->world;
    struct ng_layout *layout = &sheet->layout;

    if (world->n_warnings == 0)
        return;
    ng_sheet_heading(sheet, "WARNINGS", world->n_warnings);
    for (size_t i = 0; i < world->n_warnings; i++)
        ng_layout_paragraph(layout, 0, ng_layout_escaped(layout, world->warnings[i].source),
                            NG_STYLE_ALARM, ng_layout_escaped(layout, world->warnings[i].text));
}

/* -- the last lines: what it comes to ------------------------------------------------ */

static const char *by_severity(struct ng_sheet *sheet) {
    size_t counts[NG_CRITICAL + 1] = {0};
    const char *text = "";

    for (size_t i = 0; i < sheet->result->n_findings; i++)
        if (sheet->result->findings[i].state == NG_OPEN)
            counts[sheet->result->findings[i].severity]++;
    for (int severity = NG_CRITICAL; severity >= NG_INFO; severity--)
        if (counts[severity])
            text = ng_layout_join(&sheet->layout, text,
                                  ng_layout_text(&sheet->layout, "%zu %s", counts[severity],
                                                 ng_severity_text((enum ng_severity)severity)));
    return text;
}

static size_t count_state(const struct ng_result *result, enum ng_finding_state state) {
    size_t count = 0;

    for (size_t i = 0; i < result->n_findings; i++)
        count += result->findings[i].state == state;
    return count;
}

static const struct ng_finding *first_open(const struct ng_result *result) {
    const struct ng_finding *finding = result->findings;

    while (finding->state != NG_OPEN)
        finding++;
    return finding;
}

static void print_summary(struct ng_sheet *sheet) {
    static const enum ng_finding_state others[] = {NG_STATE_BLOCKED, NG_EXCEPTED};
    const struct ng_result *result = sheet->result;
    struct ng_layout *layout = &sheet->layout;
    size_t open = count_state(result, NG_OPEN);
    const char *text = "no open finding";

    if (open)
        text = ng_layout_text(layout, "%s (%s)", plural(sheet, open, "open finding"),
                              by_severity(sheet));
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        size_t count = count_state(result, others[i]);

        if (count)
            text =
                ng_layout_text(layout, "%s, %zu %s", text, count, ng_finding_state_text(others[i]));
    }
    fputc('\n', layout->out);
    ng_layout_paragraph(
        layout, 0, "result", open ? NG_STYLE_ALARM : NG_STYLE_BOLD,
        ng_layout_text(layout, "%s in %s", text, plural(sheet, result->n_exposures, "exposure")));
    if (!result->complete)
        ng_layout_paragraph(layout, 0, "", NG_STYLE_PLAIN,
                            "incomplete: not everything could be read, so more may be open "
                            "than is listed");
    if (open)
        ng_layout_paragraph(
            layout, 0, "help", NG_STYLE_DIM,
            ng_layout_text(layout, "what a finding means: netguard" NG_KEEP "explain" NG_KEEP "%s",
                           first_open(result)->id));
}

int ng_print_table(FILE *out, const struct ng_result *result,
                   const struct ng_print_options *options) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();

    if (!arena)
        return -ENOMEM;
    struct ng_sheet sheet = {
        .layout = {.out = out,
                   .arena = arena,
                   .width =
                       options->width < NG_TABLE_WIDTH_MIN ? NG_TABLE_WIDTH_MIN : options->width,
                   .color = options->color},
        .result = result,
        .options = options,
    };
    print_header(&sheet);
    ng_sheet_findings(&sheet);
    print_profile(&sheet);
    ng_sheet_exposures(&sheet);
    ng_sheet_containers(&sheet);
    ng_sheet_notes(&sheet);
    print_gaps(&sheet);
    print_warnings(&sheet);
    print_summary(&sheet);
    return sheet.layout.failed ? -ENOMEM : 0;
}
