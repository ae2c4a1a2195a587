/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The members of a step that are the same whenever it is taken: written when it is met first, as
 * a few steps make up most of what is printed. */
struct step_text {
    uint8_t hook, effect; /* of which it was written */
    uint32_t len_bytes;   /* 0: not yet */
    const char *text;
};

struct ng_trace_printer {
    const struct ng_tracer *tracer;
    struct ng_arena *arena;
    const char **chains;        /* per chain its members "table", "chain" and the key "handle" */
    struct step_text *rules;    /* per rule */
    struct step_text *policies; /* per chain */
};

/* -- made once ----------------------------------------------------------------------- */

/* What `write` writes, as a text of the printer. */
static int keep_text(struct ng_trace_printer *printer,
                     void (*write)(struct ng_json *json, const struct ng_trace_printer *printer,
                                   const void *what),
                     const void *what, const char **ret_text, size_t *ret_len) {
    char *bytes = NULL;
    size_t len;
    FILE *out = open_memstream(&bytes, &len);

    if (!out)
        return -ENOMEM;
    struct ng_json json = {.out = out};
    write(&json, printer, what);
    bool failed = fclose(out) != 0;
    const char *kept = failed ? NULL : ng_arena_strndup(printer->arena, bytes, len);
    free(bytes);
    if (!kept)
        return -ENOMEM;
    *ret_text = kept;
    *ret_len = len;
    return 0;
}

static void write_chain(struct ng_json *json, const struct ng_trace_printer *printer,
                        const void *what) {
    const struct ng_chain *chain = what;
    const struct ng_table *table = &ng_tracer_ruleset(printer->tracer)->tables[chain->table];
    char family_and_name[512];

    snprintf(family_and_name, sizeof(family_and_name), "%s %s", ng_table_family_text(table->family),
             table->name);
    ng_json_key(json, "table");
    ng_json_string(json, family_and_name);
    ng_json_key(json, "chain");
    ng_json_string(json, chain->name);
    ng_json_key(json, "handle");
}

static int write_chains(struct ng_trace_printer *printer) {
    const struct ng_ruleset *ruleset = ng_tracer_ruleset(printer->tracer);
    size_t len;
    int r = 0;

    for (size_t i = 0; r == 0 && i < ruleset->n_chains; i++)
        r = keep_text(printer, write_chain, &ruleset->chains[i], &printer->chains[i], &len);
    return r;
}

int ng_trace_printer_new(const struct ng_tracer *tracer, struct ng_trace_printer **ret_printer) {
    const struct ng_ruleset *ruleset = ng_tracer_ruleset(tracer);
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_trace_printer *printer = arena ? ng_arena_alloc(arena, 1, sizeof(*printer)) : NULL;

    if (!printer)
        return -ENOMEM;
    *printer = (struct ng_trace_printer){
        .tracer = tracer,
        .arena = arena,
        .chains = ng_arena_alloc(arena, ruleset->n_chains, sizeof(*printer->chains)),
        .rules = ng_arena_alloc(arena, ruleset->n_rules, sizeof(*printer->rules)),
        .policies = ng_arena_alloc(arena, ruleset->n_chains, sizeof(*printer->policies)),
    };
    if (!printer->chains || !printer->rules || !printer->policies || write_chains(printer) < 0)
        return -ENOMEM;
    TAKE_PTR(arena); /* it is the printer's */
    *ret_printer = printer;
    return 0;
}

void ng_trace_printer_free(struct ng_trace_printer *printer) {
    if (printer)
        ng_arena_free(printer->arena);
}

void ng_trace_printer_freep(struct ng_trace_printer **printer) {
    ng_trace_printer_free(*printer);
    *printer = NULL;
}

/* -- words --------------------------------------------------------------------------- */

const char *ng_step_hook_text(const struct ng_step *step) {
    static const char *const hooks[NG_HOOK_COUNT] = {
        [NG_HOOK_INGRESS] = "ingress", [NG_HOOK_PREROUTING] = "prerouting",
        [NG_HOOK_INPUT] = "input",     [NG_HOOK_FORWARD] = "forward",
        [NG_HOOK_OUTPUT] = "output",   [NG_HOOK_POSTROUTING] = "postrouting",
        [NG_HOOK_EGRESS] = "egress",
    };
    return step->chain == NG_NONE ? "routing" : hooks[step->hook];
}

/* A rule that assigns sets a mark, or writes into a header. */
static const char *assignment_text(const struct ng_rule *rule) {
    for (size_t i = 0; i < rule->n_ops; i++)
        if (rule->ops[i].kind == NG_OP_ASSIGN && (rule->ops[i].assign->target == NG_FIELD_MARK ||
                                                  rule->ops[i].assign->target == NG_FIELD_CT_MARK))
            return "mark";
    return "rewrite";
}

const char *ng_effect_text(const struct ng_ruleset *ruleset, const struct ng_step *step) {
    static const char *const texts[] = {
        [NG_EFFECT_CONTINUE] = "continue", [NG_EFFECT_ACCEPT] = "accept",
        [NG_EFFECT_DROP] = "drop",         [NG_EFFECT_RETURN] = "return",
        [NG_EFFECT_JUMP] = "jump",         [NG_EFFECT_GOTO] = "goto",
        [NG_EFFECT_DNAT] = "dnat",         [NG_EFFECT_REDIRECT] = "redirect",
        [NG_EFFECT_SNAT] = "snat",         [NG_EFFECT_NOTRACK] = "notrack",
        [NG_EFFECT_TPROXY] = "tproxy",     [NG_EFFECT_UNKNOWN] = "unknown",
        [NG_EFFECT_TO_HOST] = "local",     [NG_EFFECT_FORWARD] = "forward",
        [NG_EFFECT_NO_ROUTE] = "no-route",
    };
    if (step->effect == NG_EFFECT_ASSIGN)
        return step->rule == NG_NONE ? "mark" : assignment_text(&ruleset->rules[step->rule]);
    return texts[step->effect];
}

/* -- parts --------------------------------------------------------------------------- */

/* Members that stand as they are. */
static void put_text(struct ng_json *json, const char *text) {
    ng_json_written(json, text, strlen(text));
}

/* "table", "chain", "handle" of a rule, or of a base chain's policy. */
static void put_place(struct ng_json *json, const struct ng_trace_printer *printer, uint32_t chain,
                      uint32_t rule) {
    const struct ng_ruleset *ruleset = ng_tracer_ruleset(printer->tracer);

    put_text(json, printer->chains[chain]);
    json->comma = false; /* that was a key */
    if (rule == NG_NONE)
        ng_json_null(json);
    else
        ng_json_number(json, ruleset->rules[rule].handle);
}

/* What is true of few of them. */
static void put_kind(struct ng_json *json, const struct ng_trace_printer *printer, uint32_t chain,
                     uint32_t rule) {
    const struct ng_ruleset *ruleset = ng_tracer_ruleset(printer->tracer);

    if (rule == NG_NONE)
        put_text(json, "\"policy\":true");
    if (ruleset->tables[ruleset->chains[chain].table].legacy)
        put_text(json, "\"legacy\":true");
}

static void put_link_or_null(struct ng_json *json, const struct ng_trace_printer *printer,
                             uint32_t index) {
    const struct ng_link *link =
        index ? ng_world_link(ng_tracer_world(printer->tracer), index) : NULL;

    ng_json_string_or_null(json, link ? link->name : NULL);
}

static void put_destination(struct ng_json *json, const struct ng_question *question, ng_u128 daddr,
                            uint16_t dport) {
    ng_json_key(json, "dst");
    ng_json_addr_or_null(json, (struct ng_addr){question->family, daddr});
    ng_json_key(json, "dport");
    if (ng_proto_has_ports(question->proto))
        ng_json_number(json, dport);
    else
        ng_json_null(json);
}

/* Of a step by a rule or policy, what is the same each time. */
static void write_step(struct ng_json *json, const struct ng_trace_printer *printer,
                       const void *what) {
    const struct ng_step *step = what;

    ng_json_key(json, "hook");
    ng_json_string(json, ng_step_hook_text(step));
    if (step->chain != NG_NONE)
        put_place(json, printer, step->chain, step->rule);
    ng_json_key(json, "verdict");
    ng_json_string(json, ng_effect_text(ng_tracer_ruleset(printer->tracer), step));
    if (step->chain != NG_NONE)
        put_kind(json, printer, step->chain, step->rule);
}

static const struct step_text *find_step_text(struct ng_trace_printer *printer,
                                              const struct ng_step *step) {
    struct step_text *own =
        step->rule != NG_NONE ? &printer->rules[step->rule] : &printer->policies[step->chain];
    size_t len;

    if (own->len_bytes && own->hook == step->hook && own->effect == step->effect)
        return own;
    if (keep_text(printer, write_step, step, &own->text, &len) < 0)
        return NULL;
    own->hook = (uint8_t)step->hook;
    own->effect = (uint8_t)step->effect;
    own->len_bytes = (uint32_t)len;
    return own;
}

void ng_json_step(struct ng_json *json, struct ng_trace_printer *printer,
                  const struct ng_question *question, const struct ng_step *step) {
    const struct step_text *known = step->chain == NG_NONE ? NULL : find_step_text(printer, step);

    if (known)
        ng_json_written(json, known->text, known->len_bytes);
    else
        write_step(json, printer, step);
    if (step->effect == NG_EFFECT_FORWARD) {
        ng_json_key(json, "oif");
        put_link_or_null(json, printer, step->oif);
    }
    bool translates = step->effect == NG_EFFECT_DNAT || step->effect == NG_EFFECT_REDIRECT;
    if (translates && (step->daddr != question->daddr || step->dport != question->dport))
        put_destination(json, question, step->daddr, step->dport);
    if (step->doubtful)
        put_text(json, "\"doubtful\":true");
}

static void put_decisive(struct ng_json *json, const struct ng_trace_printer *printer,
                         const struct ng_outcome *outcome) {
    const struct ng_ruleset *ruleset = ng_tracer_ruleset(printer->tracer);

    if (!outcome || (outcome->by_rule == NG_NONE && outcome->by_chain == NG_NONE)) {
        ng_json_null(json);
        return;
    }
    uint32_t rule = outcome->by_rule;
    uint32_t chain = rule == NG_NONE ? outcome->by_chain : ruleset->rules[rule].chain;
    ng_json_open(json, '{');
    put_place(json, printer, chain, rule);
    put_kind(json, printer, chain, rule);
    ng_json_close(json, '}');
}

static void put_ending(struct ng_json *json, const struct ng_trace_printer *printer,
                       const struct ng_question *question, const struct ng_ending *ending) {
    ng_json_key(json, "to");
    ng_json_string_or_null(json, ending ? ng_target_text(ending->target) : NULL);
    if (ending) {
        put_destination(json, question, ending->daddr, ending->dport);
    } else {
        put_text(json, "\"dst\":null,\"dport\":null");
    }
    ng_json_key(json, "oif");
    put_link_or_null(json, printer, ending ? ending->oif : 0);
    ng_json_key(json, "listener");
    if (ending && ending->listening != NG_LISTENING_UNTOLD)
        ng_json_bool(json, ending->listening == NG_LISTENING_YES);
    else
        ng_json_null(json);
}

static void put_ways(struct ng_json *json, const struct ng_trace_printer *printer,
                     const struct ng_question *question, const struct ng_trace *trace) {
    if (trace->n_endings < 2)
        return;
    ng_json_key(json, "ways");
    ng_json_open(json, '[');
    for (size_t i = 0; i < trace->n_endings; i++) {
        const struct ng_ending *ending = &trace->endings[i];

        ng_json_open(json, '{');
        put_ending(json, printer, question, ending);
        if (!question->one_source) {
            ng_json_key(json, "sources");
            ng_json_prefixes(json, ending->sources, question->family);
            ng_json_key(json, "maybe");
            ng_json_prefixes(json, ending->maybe, question->family);
        }
        ng_json_key(json, "by");
        put_decisive(json, printer, ending->outcome);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

/* -- lines --------------------------------------------------------------------------- */

static void put_path(struct ng_json *json, struct ng_trace_printer *printer,
                     const struct ng_question *question, const struct ng_answer *answer) {
    ng_json_key(json, "path");
    ng_json_open(json, '[');
    for (size_t i = 0; i < answer->n_steps; i++) {
        if (answer->steps[i].effect == NG_EFFECT_CONTINUE)
            continue;
        ng_json_open(json, '{');
        ng_json_step(json, printer, question, &answer->steps[i]);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

/* A dropped packet has come as far as `decisive` tells. */
static void put_dropped(struct ng_json *json, const struct ng_question *question,
                        const struct ng_outcome *outcome) {
    put_text(json, "\"to\":null");
    put_destination(json, question, outcome ? outcome->daddr : question->daddr,
                    outcome ? outcome->dport : question->dport);
    put_text(json, "\"oif\":null,\"listener\":null");
}

void ng_print_packet(FILE *out, struct ng_trace_printer *printer,
                     const struct ng_question *question, const struct ng_trace *trace) {
    struct ng_json json = {.out = out};

    ng_json_open(&json, '{');
    ng_json_key(&json, "verdict");
    ng_json_string(&json, ng_trace_verdict_text(trace->packet));
    if (trace->n_endings)
        put_ending(&json, printer, question, &trace->endings[0]);
    else
        put_dropped(&json, question, trace->decisive);
    ng_json_key(&json, "by");
    put_decisive(&json, printer, trace->decisive);
    put_path(&json, printer, question, &trace->answer);
    ng_json_key(&json, "unsure");
    ng_json_strings(&json, trace->unsure);
    put_ways(&json, printer, question, trace);
    ng_json_close(&json, '}');
    putc_unlocked('\n', out);
}

void ng_json_admitted(struct ng_json *json, const struct ng_trace_printer *printer,
                      const struct ng_question *question, const struct ng_trace *trace) {
    ng_json_key(json, "verdict");
    ng_json_string(json, ng_reach_verdict_text(trace->reach));
    put_ending(json, printer, question, trace->n_endings ? &trace->endings[0] : NULL);
    ng_json_key(json, "sources");
    ng_json_prefixes(json, trace->sources, question->family);
    ng_json_key(json, "maybe");
    ng_json_prefixes(json, trace->maybe, question->family);
    ng_json_key(json, "source_ports");
    ng_json_ranges(json, trace->source_ports, trace->n_source_ports);
    ng_json_key(json, "by");
    put_decisive(json, printer, trace->decisive);
    ng_json_key(json, "unsure");
    ng_json_strings(json, trace->unsure);
    put_ways(json, printer, question, trace);
}

void ng_print_admitted(FILE *out, struct ng_trace_printer *printer,
                       const struct ng_question *question, const struct ng_trace *trace) {
    struct ng_json json = {.out = out};

    ng_json_open(&json, '{');
    ng_json_admitted(&json, printer, question, trace);
    ng_json_close(&json, '}');
    putc_unlocked('\n', out);
}

void ng_print_line_error(FILE *out, const struct ng_error *error) {
    char text[sizeof(error->source) + sizeof(error->message) + 4];
    struct ng_json json = {.out = out};

    snprintf(text, sizeof(text), "%s%s%s", error->source, error->source[0] ? ": " : "",
             error->message);
    ng_json_open(&json, '{');
    ng_json_key(&json, "error");
    ng_json_string(&json, text);
    ng_json_close(&json, '}');
    putc_unlocked('\n', out);
}
