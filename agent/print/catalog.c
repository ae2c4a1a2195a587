/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/catalog.h"

#include <errno.h>
#include <string.h>

#include "agent/print/json_writer.h"
#include "agent/print/layout.h"

static const char *cis_text(struct ng_layout *layout, const struct ng_catalog_page *page) {
    const char *items = "";

    for (size_t i = 0; page->cis[i]; i++)
        items = ng_layout_join(layout, items, page->cis[i]);
    return ng_layout_text(layout, "%s of the CIS Docker Benchmark " NG_CIS_VERSION, items);
}

int ng_print_page(FILE *out, const struct ng_catalog_page *page,
                  const struct ng_print_options *options) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();

    if (!arena)
        return -ENOMEM;
    struct ng_layout layout = {
        .out = out,
        .arena = arena,
        .width = options->width < NG_TABLE_WIDTH_MIN ? NG_TABLE_WIDTH_MIN : options->width,
        .color = options->color,
    };
    ng_layout_paragraph(&layout, 0, page->id, NG_STYLE_BOLD, page->title);
    fputc('\n', out);
    ng_layout_paragraph(&layout, 0, "means", NG_STYLE_DIM, page->means);
    fputc('\n', out);
    ng_layout_paragraph(&layout, 0, "why", NG_STYLE_DIM, page->why);
    fputc('\n', out);
    for (const char *line = page->fix; *line;) {
        size_t len = strcspn(line, "\n");

        ng_layout_paragraph(&layout, 0, line == page->fix ? "fix" : "or", NG_STYLE_DIM,
                            ng_layout_text(&layout, "%.*s", (int)len, line));
        line += len + (line[len] == '\n');
    }
    if (page->cis) {
        fputc('\n', out);
        ng_layout_paragraph(&layout, 0, "answers", NG_STYLE_DIM, cis_text(&layout, page));
    }
    return layout.failed ? -ENOMEM : 0;
}

void ng_print_page_json(FILE *out, const struct ng_catalog_page *page) {
    struct ng_json writer = {.out = out}, *json = &writer;

    ng_json_open(json, '{');
    ng_json_key(json, "schema");
    ng_json_string(json, "netguard.explain/1");
    ng_json_key(json, "finding");
    ng_json_open(json, '{');
    ng_json_key(json, "id");
    ng_json_string(json, page->id);
    ng_json_key(json, "title");
    ng_json_string(json, page->title);
    ng_json_key(json, "means");
    ng_json_string(json, page->means);
    ng_json_key(json, "why");
    ng_json_string(json, page->why);
    ng_json_key(json, "fix");
    ng_json_string(json, page->fix);
    ng_json_key(json, "cis");
    ng_json_cis(json, page);
    ng_json_key(json, "cis_version");
    ng_json_string(json, NG_CIS_VERSION);
    ng_json_close(json, '}');
    ng_json_close(json, '}');
    fputc('\n', out);
}
