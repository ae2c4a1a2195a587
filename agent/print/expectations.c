/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/expectations.h"

#include <errno.h>

#include "agent/print/escape.h"
#include "netguard/propose.h"

/* In a description `#` would begin a directive. */
static void put_text(FILE *out, const char *text) {
    char escaped[512];

    ng_escape(escaped, sizeof(escaped), text);
    for (const char *c = escaped; *c; c++) {
        if (*c == '#')
            fputc('\\', out);
        fputc(*c, out);
    }
}

static void put_sentence(FILE *out, const struct ng_expectation *expectation) {
    if (expectation->is >= NG_EXPECT_FINDING) {
        fprintf(out, "there is %s ", expectation->is == NG_EXPECT_FINDING ? "a" : "no");
        fprintf(out, expectation->id ? "finding %s" : "finding", expectation->id);
        if (expectation->on) {
            fputs(" on ", out);
            put_text(out, expectation->on);
        }
        return;
    }
    fputs("from ", out);
    put_text(out, expectation->zone);
    fputs(", ", out);
    put_text(out, expectation->name);
    fprintf(out, ":%u", expectation->port);
    if (expectation->proto)
        fprintf(out, "/%s", ng_proto_text(expectation->proto));
    fprintf(out, " is %s%s", ng_expected_text(expectation->is),
            expectation->is == NG_EXPECT_PARTLY ? " reachable" : "");
}

/* One line of the YAML block; NULL text: none. */
static int put_line(FILE *out, struct ng_arena *arena, const char *key, const char *text) {
    const char *quoted = text ? ng_yaml_text(arena, text) : NULL;

    if (quoted)
        fprintf(out, "  %s: %s\n", key, quoted);
    return quoted || !text ? 0 : -ENOMEM;
}

static const char *decider_text(struct ng_arena *arena, const struct ng_decider *by) {
    return by->handle ? ng_arena_printf(arena, "%s %s %s %llu: %s", by->table, by->chain,
                                        by->legacy ? "rule" : "handle",
                                        (unsigned long long)by->handle, by->rule)
                      : ng_arena_printf(arena, "%s %s: %s", by->table, by->chain, by->rule);
}

static int put_details(FILE *out, const struct ng_expectation *expectation,
                       const struct ng_fulfilment *fulfilment) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_place at = expectation->place;
    const char *place =
        arena ? ng_arena_printf(arena, "%s:%u:%u", at.source, at.line, at.column) : NULL;
    const char *by = arena && fulfilment->by ? decider_text(arena, fulfilment->by) : NULL;

    if (!place || (fulfilment->by && !by))
        return -ENOMEM;
    fputs("  ---\n", out);
    int r = put_line(out, arena, "found", fulfilment->found);
    if (r == 0)
        r = put_line(out, arena, "because", fulfilment->remark);
    if (r == 0)
        r = put_line(out, arena, "decided by", by);
    if (r == 0)
        r = put_line(out, arena, "rule of the policy", fulfilment->rule);
    if (r == 0)
        r = put_line(out, arena, "expected at", place);
    fputs("  ...\n", out);
    return r;
}

void ng_print_expectations_head(FILE *out, size_t count) {
    fprintf(out, "TAP version 13\n1..%zu\n", count);
}

int ng_print_expectation(FILE *out, size_t number, const struct ng_expectation *expectation,
                         const struct ng_fulfilment *fulfilment) {
    fprintf(out, "%s %zu - ", fulfilment->holds ? "ok" : "not ok", number);
    put_sentence(out, expectation);
    if (fulfilment->holds && fulfilment->remark) {
        fputs(" (", out);
        put_text(out, fulfilment->remark);
        fputc(')', out);
    }
    fputc('\n', out);
    return fulfilment->holds ? 0 : put_details(out, expectation, fulfilment);
}
