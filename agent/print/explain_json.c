/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/explain.h"

#include <errno.h>

#include "agent/print/trace.h"

struct document {
    struct ng_json json;
    const struct ng_tracer *tracer;
    struct ng_trace_printer *printer;
    struct ng_arena *arena;
    bool failed;
};

static void put_region(struct document *document, struct ng_region region, uint8_t family) {
    const struct ng_port_range *ports = NULL;
    struct ng_addrset addrs = {0};
    size_t n_ports = 0;

    if (ng_region_addrs(document->arena, region, &addrs) < 0 ||
        ng_source_ports(document->arena, region, &ports, &n_ports) < 0)
        document->failed = true;
    ng_json_key(&document->json, "sources");
    ng_json_prefixes(&document->json, addrs, family);
    ng_json_key(&document->json, "source_ports");
    ng_json_ranges(&document->json, ports, n_ports);
}

static void put_step(struct document *document, const struct ng_explained *item,
                     const struct ng_step *step) {
    const struct ng_ruleset *ruleset = ng_tracer_ruleset(document->tracer);
    struct ng_json *json = &document->json;
    const char *text = NULL;

    ng_json_open(json, '{');
    ng_json_step(json, document->printer, &item->question, step);
    if (step->chain != NG_NONE) {
        ng_json_key(json, "depth");
        ng_json_number(json, step->depth);
    }
    if (step->rule != NG_NONE) {
        text = ng_rule_text(document->arena, ruleset, &ruleset->rules[step->rule]);
        document->failed |= !text;
        ng_json_key(json, "rule");
        ng_json_string_or_null(json, text);
    }
    put_region(document, step->region, item->question.family);
    ng_json_close(json, '}');
}

static void put_item(struct document *document, const struct ng_explained *item) {
    const struct ng_trace *trace = &item->trace;
    struct ng_json *json = &document->json;

    ng_json_open(json, '{');
    ng_json_key(json, "interface");
    ng_json_string(json, item->link->name);
    ng_json_key(json, "asked");
    ng_json_addr_or_null(json, (struct ng_addr){item->question.family, item->question.daddr});
    ng_json_admitted(json, document->printer, &item->question, trace);
    ng_json_key(json, "path");
    ng_json_open(json, '[');
    for (size_t i = 0; i < trace->answer.n_steps; i++)
        put_step(document, item, &trace->answer.steps[i]);
    ng_json_close(json, ']');
    ng_json_close(json, '}');
}

static void put_port_or_null(struct ng_json *json, uint8_t proto, bool there, uint16_t port) {
    if (there && ng_proto_has_ports(proto))
        ng_json_number(json, port);
    else
        ng_json_null(json);
}

static void put_subject(struct document *document, const struct ng_subject *subject) {
    const struct ng_exposure *exposure = &subject->exposure;
    struct ng_json *json = &document->json;

    ng_json_open(json, '{');
    ng_json_key(json, "kind");
    ng_json_string(json, ng_kind_text(exposure->kind));
    ng_json_key(json, "exists");
    ng_json_bool(json, subject->exists);
    ng_json_key(json, "family");
    ng_json_string(json, ng_family_text(exposure->family));
    ng_json_key(json, "proto");
    ng_json_string(json, ng_proto_text(exposure->proto));
    ng_json_key(json, "host_addr");
    ng_json_addr_or_null(json, exposure->host_addr);
    ng_json_key(json, "host_port");
    put_port_or_null(json, exposure->proto, exposure->host_addr.family, exposure->host_port);
    ng_json_key(json, "container");
    ng_json_string_or_null(json, exposure->container ? exposure->container->name : NULL);
    ng_json_key(json, "container_addr");
    ng_json_addr_or_null(json, exposure->container_addr);
    ng_json_key(json, "container_port");
    put_port_or_null(json, exposure->proto, exposure->container, exposure->container_port);
    ng_json_key(json, "process");
    ng_json_string_or_null(json, exposure->process);
    ng_json_key(json, "ways");
    ng_json_open(json, '[');
    for (size_t i = 0; i < subject->n_items; i++)
        put_item(document, &subject->items[i]);
    ng_json_close(json, ']');
    ng_json_close(json, '}');
}

static void put_document(struct document *document, const struct ng_explanation *explanation,
                         const struct ng_explain_options *asked) {
    const struct ng_world *world = ng_tracer_world(document->tracer);
    struct ng_json *json = &document->json;

    ng_json_open(json, '{');
    ng_json_key(json, "schema");
    ng_json_string(json, "netguard.explain/1");
    ng_json_key(json, "host");
    ng_json_string(json, world->host);
    ng_json_key(json, "time");
    ng_json_time(json, world->time_s);
    ng_json_key(json, "complete");
    ng_json_bool(json, world->n_gaps == 0);
    ng_json_key(json, "gaps");
    ng_json_gaps(json, world->gaps, world->n_gaps);
    ng_json_key(json, "from");
    ng_json_addr_or_null(json, asked->from);
    ng_json_key(json, "subjects");
    ng_json_open(json, '[');
    for (size_t i = 0; i < explanation->n_subjects; i++)
        put_subject(document, &explanation->subjects[i]);
    ng_json_close(json, ']');
    ng_json_close(json, '}');
}

int ng_print_explanation_json(FILE *out, const struct ng_tracer *tracer,
                              const struct ng_explanation *explanation,
                              const struct ng_explain_options *asked,
                              const struct ng_print_options *options) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    _cleanup_(ng_trace_printer_freep) struct ng_trace_printer *printer = NULL;

    (void)options; /* a document for programs has no looks */
    if (!arena || ng_trace_printer_new(tracer, &printer) < 0)
        return -ENOMEM;
    struct document document = {
        .json = {.out = out},
        .tracer = tracer,
        .printer = printer,
        .arena = arena,
    };
    put_document(&document, explanation, asked);
    putc('\n', out);
    return document.failed ? -ENOMEM : 0;
}
