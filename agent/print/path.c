/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/path.h"

#include <inttypes.h>
#include <string.h>

#include "agent/print/addresses.h"
#include "agent/print/trace.h"

enum {
    DEPTH_MAX = 64, /* of nested jumps: more than any kernel takes */
    COLUMNS = 3,    /* place, handle, rule */
    INDENT_HOOK = 2,
    INDENT_CHAIN = 4,
    INDENT_JUMP = 2, /* for each jump */
};

struct path {
    struct ng_layout *layout;
    const struct ng_path_options *options;
    const struct ng_ruleset *ruleset;
    const struct ng_trace *trace;
    const bool *hidden; /* per step */
    struct ng_cell *cells;
    size_t n_cells, cells_capacity;
    /* Who is still there: at each depth of jumps those whom the chain's next rule sees. */
    struct ng_region in_hand[DEPTH_MAX + 1];
    struct ng_region alive;   /* nobody has dropped them for certain */
    struct ng_region routed;  /* came to routing */
    struct ng_region doubted; /* for whom the last step was said to have happened perhaps */
    bool routed_before;
    uint32_t base; /* the base chain at hand */
};

/* -- words --------------------------------------------------------------------------- */

static struct ng_region or_nobody(struct ng_layout *layout, int r, struct ng_region region) {
    if (r == 0)
        return region;
    layout->failed = true;
    return (struct ng_region){0};
}

static struct ng_region without(struct ng_layout *layout, struct ng_region from,
                                struct ng_region taken) {
    struct ng_region rest = {0};

    return or_nobody(layout, ng_region_subtract(layout->arena, from, taken, &rest), rest);
}

static bool same_region(const struct ng_region a, const struct ng_region b) {
    if (a.count != b.count)
        return false;
    for (size_t i = 0; i < a.count; i++)
        if (a.bands[i].lo != b.bands[i].lo || a.bands[i].hi != b.bands[i].hi ||
            !ng_addrset_equal(a.bands[i].addrs, b.bands[i].addrs))
            return false;
    return true;
}

const char *ng_layout_region(struct ng_layout *layout, struct ng_region region, uint8_t family,
                             bool verbose) {
    const struct ng_port_range *ranges = NULL;
    struct ng_addrset addrs;
    size_t n_ranges = 0;

    if (ng_region_addrs(layout->arena, region, &addrs) < 0 ||
        ng_source_ports(layout->arena, region, &ranges, &n_ranges) < 0) {
        layout->failed = true;
        return "";
    }
    const char *ports = ng_layout_ports(layout, ranges, n_ranges);
    const char *sources =
        ng_layout_sources(layout, addrs, family, verbose ? SIZE_MAX : NG_PREFIXES_SHOWN);
    return *ports ? ng_layout_text(layout, "%s (source ports %s)", sources, ports) : sources;
}

static const char *chain_text(struct ng_layout *layout, const struct ng_ruleset *ruleset,
                              uint32_t index) {
    const struct ng_chain *chain = &ruleset->chains[index];
    const struct ng_table *table = &ruleset->tables[chain->table];

    return ng_layout_text(
        layout, "%s" NG_KEEP "%s" NG_KEEP "%s%s", ng_table_family_text(table->family),
        ng_layout_escaped(layout, table->name), ng_layout_escaped(layout, chain->name),
        table->legacy ? NG_KEEP "(legacy)" : "");
}

/* "handle 12"; a rule of iptables-legacy has none, but a number in its chain. */
static const char *handle_text(struct ng_layout *layout, const struct ng_ruleset *ruleset,
                               const struct ng_rule *rule) {
    bool legacy = ruleset->tables[ruleset->chains[rule->chain].table].legacy;

    return ng_layout_text(layout, "%s" NG_KEEP "%" PRIu64, legacy ? "rule" : "handle",
                          rule->handle);
}

const char *ng_layout_decisive(struct ng_layout *layout, const struct ng_ruleset *ruleset,
                               const struct ng_outcome *outcome) {
    const struct ng_rule *rule =
        outcome->by_rule == NG_NONE ? NULL : &ruleset->rules[outcome->by_rule];

    if (rule)
        return ng_layout_text(layout, "%s %s", chain_text(layout, ruleset, rule->chain),
                              handle_text(layout, ruleset, rule));
    if (outcome->by_chain == NG_NONE)
        return NULL;
    return ng_layout_text(layout, "%s, policy" NG_KEEP "%s",
                          chain_text(layout, ruleset, outcome->by_chain),
                          ruleset->chains[outcome->by_chain].policy_drop ? "drop" : "accept");
}

/* -- what is worth showing ------------------------------------------------------------ */

static bool is_policy(const struct ng_step *step) {
    return step->chain != NG_NONE && step->rule == NG_NONE;
}

/* Does the end of a base chain decide where packets go? */
static bool policy_decides(const struct ng_trace *trace, const struct ng_step *step) {
    for (size_t i = 0; i < trace->answer.n_outcomes; i++)
        if (trace->answer.outcomes[i].by_rule == NG_NONE &&
            trace->answer.outcomes[i].by_chain == step->chain)
            return true;
    return false;
}

/* Source NAT of all that gets in changes whom the container sees; of some, it is what containers
 * need to reach themselves. */
static bool maps_everybody(struct ng_layout *layout, const struct ng_trace *trace,
                           const struct ng_step *step) {
    for (size_t i = 0; i < trace->answer.n_outcomes; i++)
        if (trace->answer.outcomes[i].fate == NG_FATE_FORWARDED &&
            !ng_region_empty(without(layout, trace->answer.outcomes[i].region, step->region)))
            return false;
    return true;
}

static bool changes_nothing(struct ng_layout *layout, const struct ng_trace *trace,
                            const struct ng_step *step) {
    if (step->effect == NG_EFFECT_SNAT)
        return !maps_everybody(layout, trace, step);
    if (is_policy(step))
        return step->effect != NG_EFFECT_DROP && !policy_decides(trace, step);
    return step->effect == NG_EFFECT_CONTINUE ||
           (step->effect == NG_EFFECT_RETURN && step->depth > 0);
}

/* A jump is worth showing with all that returns in there as soon as something happens there. */
static const bool *hide_steps(struct ng_layout *layout, const struct ng_trace *trace) {
    const struct ng_answer *answer = &trace->answer;
    bool *hidden = ng_arena_alloc(layout->arena, answer->n_steps, sizeof(*hidden));

    if (!hidden) {
        layout->failed = true;
        return NULL;
    }
    for (size_t i = answer->n_steps; i-- > 0;) {
        const struct ng_step *step = &answer->steps[i];
        bool jump = step->effect == NG_EFFECT_JUMP || step->effect == NG_EFFECT_GOTO;
        bool empty = true;
        size_t end = i + 1;

        for (; end < answer->n_steps && answer->steps[end].depth > step->depth; end++)
            empty &= hidden[end];
        hidden[i] = jump ? empty : changes_nothing(layout, trace, step);
        for (size_t k = i + 1; jump && !empty && k < end; k++)
            if (answer->steps[k].effect == NG_EFFECT_RETURN)
                hidden[k] = false;
    }
    return hidden;
}

/* -- rows ---------------------------------------------------------------------------- */

static void add_cell(struct path *path, const char *text, enum ng_style style) {
    struct ng_cell *cell =
        NG_ARENA_APPEND(path->layout->arena, path->cells, path->n_cells, path->cells_capacity);

    if (cell)
        *cell = (struct ng_cell){text, style};
    else
        path->layout->failed = true;
}

static void add_row(struct path *path, const char *place, enum ng_style place_style,
                    const char *handle, const char *text, enum ng_style style) {
    add_cell(path, place, place_style);
    add_cell(path, handle, NG_STYLE_DIM);
    add_cell(path, text, style);
}

/* No line is broken at these spaces. */
static const char *indented(struct path *path, unsigned columns, const char *text) {
    char keep[2 * DEPTH_MAX];

    if (columns > sizeof(keep))
        columns = sizeof(keep);
    memset(keep, *NG_KEEP, columns);
    return ng_layout_text(path->layout, "%.*s%s", (int)columns, keep, text);
}

static enum ng_style effect_style(const struct ng_step *step) {
    if (step->doubtful || step->effect == NG_EFFECT_UNKNOWN)
        return NG_STYLE_YELLOW;
    switch (step->effect) {
    case NG_EFFECT_ACCEPT:
        return NG_STYLE_GREEN;
    case NG_EFFECT_DROP:
    case NG_EFFECT_NO_ROUTE:
        return NG_STYLE_RED;
    case NG_EFFECT_DNAT:
    case NG_EFFECT_REDIRECT:
    case NG_EFFECT_TPROXY:
        return NG_STYLE_CYAN;
    default:
        return NG_STYLE_PLAIN;
    }
}

static const char *rule_text(struct path *path, const struct ng_step *step) {
    struct ng_layout *layout = path->layout;

    if (is_policy(step))
        return step->effect == NG_EFFECT_DROP ? "policy drop" : "policy accept";
    const char *text =
        ng_rule_text(layout->arena, path->ruleset, &path->ruleset->rules[step->rule]);
    if (!text)
        layout->failed = true;
    return text ? ng_layout_escaped(layout, text) : "";
}

/* -- who ----------------------------------------------------------------------------- */

/* Ends the chain for whom it happens, so that its next rule does not see them? */
static bool leaves_chain(const struct ng_step *step) {
    switch (step->effect) {
    case NG_EFFECT_CONTINUE:
    case NG_EFFECT_JUMP:
    case NG_EFFECT_ASSIGN:
    case NG_EFFECT_NOTRACK:
    case NG_EFFECT_UNKNOWN:
        return false;
    default:
        return true;
    }
}

static const char *region_text(struct path *path, struct ng_region region) {
    return ng_layout_region(path->layout, region, path->options->question->family,
                            path->options->verbose);
}

/* Where a step concerns some of those who are there, tells whom, and who is left; and for whom it
 * may not have happened, once for all that follows from that. */
static void note_split(struct path *path, const struct ng_step *step, struct ng_region there) {
    struct ng_layout *layout = path->layout;
    const char *text = "";
    bool some = !same_region(step->region, there);
    bool doubt = step->doubtful && !same_region(step->doubted, path->doubted);
    bool all_doubted = doubt && same_region(step->doubted, step->region);

    if (some)
        text = ng_layout_text(layout, "%sfor %s", all_doubted ? "perhaps " : "",
                              region_text(path, step->region));
    else if (all_doubted)
        text = "perhaps";
    struct ng_region rest = without(layout, there, step->region);
    if (some && !all_doubted && leaves_chain(step) && !ng_region_empty(rest))
        text = ng_layout_text(layout, "%s; left: %s", text, region_text(path, rest));
    if (doubt && !all_doubted)
        text = ng_layout_text(layout, "%s%sperhaps for %s", text, *text ? "; " : "",
                              region_text(path, step->doubted));
    path->doubted = step->doubted;
    if (*text)
        add_row(path, "", NG_STYLE_PLAIN, "", ng_layout_text(layout, "(%s)", text),
                NG_STYLE_YELLOW);
}

/* Follows who is where, as the engine has told it. */
static void follow(struct path *path, const struct ng_step *step) {
    struct ng_layout *layout = path->layout;
    unsigned depth = step->depth < DEPTH_MAX ? step->depth : DEPTH_MAX - 1;
    struct ng_region certain = without(layout, step->region, step->doubted);

    if (step->effect == NG_EFFECT_DROP || step->effect == NG_EFFECT_NO_ROUTE)
        path->alive = without(layout, path->alive, certain);
    if (step->effect == NG_EFFECT_JUMP || step->effect == NG_EFFECT_GOTO)
        path->in_hand[depth + 1] = step->region;
    if (!leaves_chain(step))
        return;
    /* Who returns goes on in the chain that jumped; whoever else leaves has left that one, too. */
    unsigned from = step->effect == NG_EFFECT_RETURN || step->effect == NG_EFFECT_GOTO ? depth : 0;
    for (unsigned i = from; i <= depth; i++)
        path->in_hand[i] = without(layout, path->in_hand[i], certain);
}

/* -- steps --------------------------------------------------------------------------- */

static const char *destination_text(struct path *path, const struct ng_step *step) {
    const struct ng_question *question = path->options->question;
    struct ng_addr addr = {question->family, step->daddr};
    char text[NG_ADDR_TEXT];

    if (ng_proto_has_ports(question->proto))
        return ng_layout_socket(path->layout, addr, step->dport, 1);
    return ng_layout_text(path->layout, "%s", ng_addr_text(addr, text));
}

static bool is_translated(const struct ng_question *question, const struct ng_step *step) {
    return step->daddr != question->daddr || step->dport != question->dport;
}

static const char *routing_text(struct path *path, const struct ng_step *step) {
    struct ng_layout *layout = path->layout;
    const struct ng_link *oif = ng_world_link(ng_tracer_world(path->options->tracer), step->oif);
    const char *to = is_translated(path->options->question, step)
                         ? ng_layout_text(layout, "%s: ", destination_text(path, step))
                         : "";

    if (step->effect == NG_EFFECT_TO_HOST)
        return ng_layout_text(layout, "%sto this machine", to);
    if (step->effect == NG_EFFECT_FORWARD)
        return ng_layout_text(layout, "%sout by %s", to,
                              oif ? ng_layout_escaped(layout, oif->name) : "?");
    return ng_layout_text(layout, "%srefused: no way there, or none back to the source", to);
}

static void add_routing(struct path *path, const struct ng_step *step) {
    if (!path->routed_before)
        path->routed = path->alive;
    path->routed_before = true;
    add_row(path, indented(path, INDENT_HOOK, "routing"), NG_STYLE_DIM, "",
            routing_text(path, step), effect_style(step));
    note_split(path, step, path->routed);
    path->alive = step->effect == NG_EFFECT_NO_ROUTE
                      ? without(path->layout, path->routed, step->region)
                      : step->region;
    path->base = NG_NONE;
}

/* Where to, unless the rule says it in so many words. */
static void note_translation(struct path *path, const struct ng_step *step, const char *rule) {
    const char *destination = destination_text(path, step);

    if ((step->effect != NG_EFFECT_DNAT && step->effect != NG_EFFECT_REDIRECT) ||
        !is_translated(path->options->question, step) || strstr(rule, destination))
        return;
    add_row(path, "", NG_STYLE_PLAIN, "", ng_layout_text(path->layout, "(now to %s)", destination),
            NG_STYLE_CYAN);
}

static bool shows_hook(const struct path *path, size_t at) {
    const struct ng_step *steps = path->trace->answer.steps;

    for (size_t i = at; i-- > 0;) {
        if (steps[i].chain == NG_NONE || steps[i].hook != steps[at].hook)
            return true;
        if (!path->hidden[i])
            return false;
    }
    return true;
}

static void add_rule(struct path *path, size_t at) {
    const struct ng_step *step = &path->trace->answer.steps[at];
    struct ng_layout *layout = path->layout;
    unsigned depth = step->depth < DEPTH_MAX ? step->depth : DEPTH_MAX - 1;

    if (shows_hook(path, at))
        add_row(path, indented(path, INDENT_HOOK, ng_step_hook_text(step)), NG_STYLE_DIM, "", "",
                NG_STYLE_PLAIN);
    const char *place = step->depth
                            ? ng_layout_escaped(layout, path->ruleset->chains[step->chain].name)
                            : chain_text(layout, path->ruleset, step->chain);
    const char *handle =
        is_policy(step) ? ""
                        : handle_text(layout, path->ruleset, &path->ruleset->rules[step->rule]);
    const char *text = rule_text(path, step);
    add_row(path, indented(path, INDENT_CHAIN + INDENT_JUMP * depth, place), NG_STYLE_PLAIN, handle,
            text, effect_style(step));
    note_split(path, step, path->in_hand[depth]);
    note_translation(path, step, text);
}

static void add_step(struct path *path, size_t at) {
    const struct ng_step *step = &path->trace->answer.steps[at];

    if (step->chain == NG_NONE) {
        add_routing(path, step);
        return;
    }
    if (step->depth == 0 && step->chain != path->base) {
        path->base = step->chain;
        path->in_hand[0] = path->alive;
    }
    if (!path->hidden[at])
        add_rule(path, at);
    follow(path, step);
}

void ng_layout_path(struct ng_layout *layout, const struct ng_path_options *options,
                    const struct ng_trace *trace) {
    struct path path = {
        .layout = layout,
        .options = options,
        .ruleset = ng_tracer_ruleset(options->tracer),
        .trace = trace,
        .hidden = hide_steps(layout, trace),
        .base = NG_NONE,
    };

    if (options->verbose)
        path.hidden = ng_arena_alloc(layout->arena, trace->answer.n_steps, sizeof(*path.hidden));
    if (!path.hidden ||
        ng_region_make(layout->arena, 0, UINT16_MAX, options->who, &path.alive) < 0) {
        layout->failed = true;
        return;
    }
    for (size_t i = 0; i < trace->answer.n_steps; i++)
        add_step(&path, i);
    ng_layout_columns(layout, path.cells, path.n_cells / COLUMNS, COLUMNS);
}
