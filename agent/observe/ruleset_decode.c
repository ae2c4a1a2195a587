/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/ruleset_decode.h"
#include "agent/observe/ruleset_parts.h"

#include <errno.h>

/* Rules come in the order of their chain, but nothing promises that a chain's rules come
 * in one piece: put them together without changing that order. */
static int group_rules(struct decoder *decoder, struct ng_rule **ret_rules) {
    struct ng_rule *grouped = ng_arena_alloc(decoder->arena, decoder->n_rules, sizeof(*grouped));
    size_t *next = ng_arena_alloc(decoder->scratch, decoder->n_chains, sizeof(*next));
    if (!grouped || !next)
        return -ENOMEM;
    for (size_t i = 0; i < decoder->n_rules; i++)
        decoder->chains[decoder->rules[i].chain].n_rules++;
    size_t first = 0;
    for (size_t i = 0; i < decoder->n_chains; i++) {
        decoder->chains[i].first_rule = next[i] = first;
        first += decoder->chains[i].n_rules;
    }
    for (size_t i = 0; i < decoder->n_rules; i++)
        grouped[next[decoder->rules[i].chain]++] = decoder->rules[i];
    *ret_rules = grouped;
    return 0;
}

/* The sets first, which rules of both back ends name. */
static int decode_all(struct decoder *decoder, const struct ng_world *world,
                      struct ng_error *error) {
    int r = ng_ipsets_decode(decoder->scratch, &world->ipsets, &decoder->ipsets, error);
    if (r == 0)
        r = ng_nft_decode(decoder, &world->nft, error);
    for (size_t i = 0; r == 0 && i < world->n_xt_tables; i++)
        r = ng_xt_table_decode(decoder, &world->xt_tables[i], error);
    return r;
}

/* -- labels and zones ---------------------------------------------------------------------- */

static void forget_in(const struct decoder *decoder, const struct ng_match *match) {
    for (size_t i = 0; match && i < match->n_operands; i++) {
        struct ng_operand *operand =
            (struct ng_operand *)&match->operands[i]; /* of our own arena */
        bool label = operand->field == NG_FIELD_CT_LABEL && decoder->sets_label;
        bool zone = operand->field == NG_FIELD_CT_ZONE && decoder->sets_zone;
        if (!label && !zone)
            continue;
        operand->field = NG_FIELD_OTHER;
        operand->name = label ? "ct label" : "ct zone";
    }
}

/* Nobody follows what labels and zones rules give to connections: where one does so, no rule can be
 * told what it reads of them. */
static void forget_set_fields(const struct decoder *decoder) {
    for (size_t i = 0; i < decoder->n_rules; i++)
        for (size_t k = 0; k < decoder->rules[i].n_ops; k++) {
            const struct ng_op *op = &decoder->rules[i].ops[k];
            if (op->kind == NG_OP_MATCH || op->kind == NG_OP_VMAP || op->kind == NG_OP_DNAT ||
                op->kind == NG_OP_REDIRECT)
                forget_in(decoder, op->match);
            else if (op->kind == NG_OP_ASSIGN)
                forget_in(decoder, op->assign->map);
        }
}

int ng_ruleset_decode(const struct ng_world *world, struct ng_ruleset **ret_ruleset,
                      struct ng_error *error) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    _cleanup_(ng_arena_freep) struct ng_arena *scratch = ng_arena_new();
    struct ng_ruleset *ruleset = arena ? ng_arena_alloc(arena, 1, sizeof(*ruleset)) : NULL;
    if (!scratch || !ruleset)
        return ng_error_set(error, -ENOMEM, "ruleset", "out of memory");

    struct decoder decoder = {.arena = arena, .scratch = scratch};
    struct ng_rule *rules = NULL;
    int r = decode_all(&decoder, world, error);
    if (r < 0)
        return r;
    if (decoder.sets_label || decoder.sets_zone)
        forget_set_fields(&decoder);
    r = group_rules(&decoder, &rules);
    if (r < 0)
        return ng_error_set(error, r, "ruleset", "out of memory");

    *ruleset = (struct ng_ruleset){
        .links = world->links,
        .n_links = world->n_links,
        .tables = decoder.tables,
        .n_tables = decoder.n_tables,
        .chains = decoder.chains,
        .n_chains = decoder.n_chains,
        .rules = rules,
        .n_rules = decoder.n_rules,
    };
    ruleset->arena = TAKE_PTR(arena);
    *ret_ruleset = ruleset;
    return 0;
}
