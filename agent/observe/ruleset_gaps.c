/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/ruleset_decode.h"

#include <errno.h>
#include <string.h>

/* More different things that are not understood than a person wants to read of. */
enum { KINDS_MAX = 32 };

/* One thing that no decoder knows, and the rules that have it. */
struct unknown {
    const char *text;
    const struct ng_rule *first;
    size_t rules;
};

static struct unknown *find(struct unknown *unknown, size_t count, const char *text) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(unknown[i].text, text) == 0)
            return &unknown[i];
    return NULL;
}

static size_t collect(const struct ng_ruleset *ruleset, struct unknown unknown[static KINDS_MAX]) {
    size_t n = 0;
    for (size_t i = 0; i < ruleset->n_rules; i++) {
        const struct ng_rule *rule = &ruleset->rules[i];
        for (size_t k = 0; k < rule->n_ops; k++) {
            const struct ng_op *op = &rule->ops[k];
            if (!op->undecoded)
                continue;
            const char *text = op->text ? op->text : "an expression";
            struct unknown *same = find(unknown, n, text);
            if (same)
                same->rules++;
            else if (n < KINDS_MAX)
                unknown[n++] = (struct unknown){text, rule, 1};
        }
    }
    return n;
}

int ng_ruleset_gaps(const struct ng_ruleset *ruleset, struct ng_arena *arena,
                    const struct ng_gap *before, size_t n_before, const struct ng_gap **ret_gaps,
                    size_t *ret_n_gaps) {
    struct unknown unknown[KINDS_MAX];
    size_t n = collect(ruleset, unknown);
    struct ng_gap *gaps = ng_arena_alloc(arena, n_before + n, sizeof(*gaps));
    if (!gaps)
        return -ENOMEM;
    if (n_before)
        memcpy(gaps, before, n_before * sizeof(*gaps));
    for (size_t i = 0; i < n; i++) {
        const struct ng_chain *chain = &ruleset->chains[unknown[i].first->chain];
        const struct ng_table *table = &ruleset->tables[chain->table];
        gaps[n_before + i] = (struct ng_gap){
            .source = "ruleset",
            .reason = ng_arena_printf(
                arena, "%s is not understood: %zu rules have it, first %s %s %s %s %llu",
                unknown[i].text, unknown[i].rules, ng_table_family_text(table->family), table->name,
                chain->name, table->legacy ? "rule" : "handle",
                (unsigned long long)unknown[i].first->handle),
        };
        if (!gaps[n_before + i].reason)
            return -ENOMEM;
    }
    *ret_gaps = gaps;
    *ret_n_gaps = n_before + n;
    return 0;
}

int ng_ruleset_of(struct ng_world *world, struct ng_ruleset **ret_ruleset, struct ng_error *error) {
    _cleanup_(ng_ruleset_freep) struct ng_ruleset *ruleset = NULL;
    int r = ng_ruleset_decode(world, &ruleset, error);
    if (r < 0)
        return r;
    /* What was read and is not understood is missing as much as what was not read. */
    r = ng_ruleset_gaps(ruleset, world->arena, world->gaps, world->n_gaps, &world->gaps,
                        &world->n_gaps);
    if (r < 0)
        return ng_error_set(error, r, "ruleset", "out of memory");
    *ret_ruleset = TAKE_PTR(ruleset);
    return 0;
}
