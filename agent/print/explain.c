/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/explain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/print/addresses.h"
#include "agent/print/engine_words.h"
#include "agent/print/layout.h"
#include "agent/print/path.h"

struct explaining {
    struct ng_layout layout;
    const struct ng_tracer *tracer;
    const struct ng_explain_options *asked;
    bool verbose;
};

/* Questions with the same answer are shown once. */
struct group {
    const struct ng_explained **items;
    size_t n_items, items_capacity;
    const char *body; /* all that is told of it */
};

struct groups {
    struct group *items;
    size_t count, capacity;
};

/* -- what is asked for --------------------------------------------------------------- */

static const char *socket_or_addr(struct ng_layout *layout, struct ng_addr addr, uint16_t port,
                                  uint8_t proto) {
    char text[NG_ADDR_TEXT];

    if (ng_proto_has_ports(proto))
        return ng_layout_text(layout, "%s/%s", ng_layout_socket(layout, addr, port, 1),
                              ng_proto_text(proto));
    return ng_layout_text(layout, "%s/%s", ng_addr_text(addr, text), ng_proto_text(proto));
}

/* A socket that was not read is none that is not there. */
static const char *absence_text(const struct explaining *explaining,
                                const struct ng_exposure *exposure) {
    if (!ng_proto_has_ports(exposure->proto))
        return "not an address of a container";
    return ng_tracer_world(explaining->tracer)->listeners_read
               ? "not published by a container, and nothing listens"
               : "not published by a container";
}

/* Of a port of the engine's own also what it is for. */
static const char *host_service_text(struct ng_layout *layout, const struct ng_exposure *exposure) {
    const char *role = ng_role_words(exposure);
    const char *who = ng_proto_has_ports(exposure->proto) ? "a socket" : "the kernel";

    if (exposure->process)
        who = ng_layout_escaped(layout, exposure->process);
    return ng_layout_text(layout, "%s of this host%s%s", who, *role ? ", " : "", role);
}

static const char *subject_text(struct explaining *explaining, const struct ng_subject *subject) {
    struct ng_layout *layout = &explaining->layout;
    const struct ng_exposure *exposure = &subject->exposure;
    const char *name =
        exposure->container ? ng_layout_escaped(layout, exposure->container->name) : NULL;
    const char *asked = socket_or_addr(
        layout, exposure->host_addr.family ? exposure->host_addr : exposure->container_addr,
        exposure->host_addr.family ? exposure->host_port : exposure->container_port,
        exposure->proto);

    switch (exposure->kind) {
    case NG_KIND_DIRECT:
        return ng_layout_text(layout, "%s: address of container %s", asked, name);
    case NG_KIND_HOST_NETWORK:
        return ng_layout_text(layout, "%s: container %s, in the host's network", asked, name);
    case NG_KIND_HOST:
        if (subject->exists)
            return ng_layout_text(layout, "%s: %s", asked, host_service_text(layout, exposure));
        return ng_layout_text(layout, "%s: %s", asked, absence_text(explaining, exposure));
    case NG_KIND_INGRESS:
        if (!exposure->container_port) /* not every node is told */
            return ng_layout_text(layout, "%s: swarm service %s", asked, name);
        return ng_layout_text(layout, "%s: port %u of swarm service %s", asked,
                              exposure->container_port, name);
    case NG_KIND_L2:
        return ng_layout_text(layout, "%s: container %s, on the LAN past this host's firewall",
                              asked, name);
    case NG_KIND_PUBLISHED:
        break;
    }
    return ng_layout_text(layout, "%s: port %u of container %s", asked, exposure->container_port,
                          name);
}

/* -- where it ends ------------------------------------------------------------------- */

static const char *host_text(struct ng_layout *layout, const struct ng_question *question,
                             const struct ng_ending *ending) {
    const struct ng_listener *listener = ending->listener;
    const char *port =
        ng_layout_text(layout, "%u/%s", ending->dport, ng_proto_text(question->proto));

    if (ending->listening == NG_LISTENING_UNTOLD)
        return ng_proto_has_ports(question->proto)
                   ? ng_layout_text(layout, "this host; what listens on port %s is not known", port)
                   : "this host";
    if (ending->listening == NG_LISTENING_NO)
        return ng_layout_text(layout, "this host, where nothing listens on port %s", port);
    const char *process =
        listener->process ? ng_layout_escaped(layout, listener->process) : "a socket";
    const char *pid =
        listener->pid ? ng_layout_text(layout, " (pid" NG_KEEP "%u)", listener->pid) : "";
    return ng_layout_text(layout, "this host, where %s%s listens on %s", process, pid,
                          ng_layout_socket(layout, listener->addr, listener->port, 1));
}

static const char *ending_text(struct explaining *explaining, const struct ng_question *question,
                               const struct ng_ending *ending) {
    struct ng_layout *layout = &explaining->layout;
    const struct ng_link *oif = ng_world_link(ng_tracer_world(explaining->tracer), ending->oif);

    if (ending->target == NG_TARGET_HOST)
        return host_text(layout, question, ending);
    const char *at = socket_or_addr(layout, (struct ng_addr){question->family, ending->daddr},
                                    ending->dport, question->proto);
    const char *by = oif ? ng_layout_escaped(layout, oif->name) : "?";
    if (ending->container)
        return ng_layout_text(layout, "container %s at %s, by %s",
                              ng_layout_escaped(layout, ending->container->name), at, by);
    return ng_layout_text(layout, "%s, by %s", at, by);
}

/* -- who gets in --------------------------------------------------------------------- */

static const char *addrs_text(struct explaining *explaining, struct ng_addrset set,
                              uint8_t family) {
    return ng_layout_sources(&explaining->layout, set, family,
                             explaining->verbose ? SIZE_MAX : NG_PREFIXES_SHOWN);
}

/* Does whoever gets in find nobody there? */
static bool nobody_listens(const struct ng_trace *trace) {
    for (size_t i = 0; i < trace->n_endings; i++)
        if (trace->endings[i].target != NG_TARGET_HOST ||
            trace->endings[i].listening != NG_LISTENING_NO)
            return false;
    return trace->n_endings > 0;
}

static const char *who_text(struct explaining *explaining, const struct ng_explained *item) {
    struct ng_layout *layout = &explaining->layout;
    const struct ng_trace *trace = &item->trace;
    const char *sources = addrs_text(explaining, trace->sources, item->question.family);
    const char *maybe = addrs_text(explaining, trace->maybe, item->question.family);
    const char *ports = ng_layout_ports(layout, trace->source_ports, trace->n_source_ports);

    if (*maybe)
        sources = ng_layout_text(layout, "%s%sperhaps %s", sources, *sources ? ", " : "", maybe);
    return *ports ? ng_layout_text(layout, "%s (source ports %s only)", sources, ports) : sources;
}

static const char *verdict_text(struct explaining *explaining, const struct ng_explained *item,
                                enum ng_style *ret_style) {
    struct ng_layout *layout = &explaining->layout;
    const struct ng_trace *trace = &item->trace;
    const char *verdict = ng_reach_verdict_text(trace->reach);

    *ret_style = trace->reach == NG_BLOCKED ? NG_STYLE_GREEN : NG_STYLE_ALARM;
    if (trace->reach == NG_BLOCKED)
        return verdict;
    if (nobody_listens(trace)) {
        *ret_style = NG_STYLE_BOLD;
        return ng_layout_text(layout, "%s, but nothing listens: %s", verdict,
                              who_text(explaining, item));
    }
    if (trace->reach == NG_UNKNOWN)
        *ret_style = NG_STYLE_YELLOW;
    return ng_layout_text(layout, "%s: %s", verdict, who_text(explaining, item));
}

/* -- what stands behind it ----------------------------------------------------------- */

static void print_line(struct explaining *explaining, const char **label, enum ng_style style,
                       const char *text) {
    ng_layout_paragraph(&explaining->layout, 2, *label, style, text);
    *label = "";
}

static bool same_decider(const struct ng_outcome *a, const struct ng_outcome *b) {
    return a->fate == b->fate && a->by_rule == b->by_rule && a->by_chain == b->by_chain;
}

/* Who ends like the outcome at `at`, decided by the same rule; and of them those for whom something
 * else is possible, too. */
static const char *decided_text(struct explaining *explaining, const struct ng_explained *item,
                                size_t at) {
    struct ng_layout *layout = &explaining->layout;
    const struct ng_answer *answer = &item->trace.answer;
    struct ng_region alike = {0}, others = {0}, certain = {0}, maybe = {0};
    int r = 0;

    for (size_t i = 0; r == 0 && i < answer->n_outcomes; i++) {
        struct ng_region *sum =
            same_decider(&answer->outcomes[at], &answer->outcomes[i]) ? &alike : &others;
        r = ng_region_union(layout->arena, *sum, answer->outcomes[i].region, sum);
    }
    if (r == 0)
        r = ng_region_subtract(layout->arena, alike, others, &certain);
    if (r == 0)
        r = ng_region_intersect(layout->arena, alike, others, &maybe);
    if (r < 0)
        layout->failed = true;
    uint8_t family = item->question.family;
    const char *text = ng_layout_region(layout, certain, family, explaining->verbose);
    return ng_region_empty(maybe)
               ? text
               : ng_layout_text(layout, "%s%sperhaps %s", text, *text ? ", " : "",
                                ng_layout_region(layout, maybe, family, explaining->verbose));
}

static bool told_before(const struct ng_answer *answer, size_t at) {
    for (size_t i = 0; i < at; i++)
        if (same_decider(&answer->outcomes[i], &answer->outcomes[at]))
            return true;
    return false;
}

/* Who admits or refuses whom: each that has a say once. */
static void print_deciders(struct explaining *explaining, const struct ng_explained *item,
                           bool in) {
    struct ng_layout *layout = &explaining->layout;
    const struct ng_answer *answer = &item->trace.answer;
    const char *label = in ? "let in" : "stopped";

    for (size_t i = 0; i < answer->n_outcomes; i++) {
        const struct ng_outcome *outcome = &answer->outcomes[i];
        bool passes = outcome->fate == NG_FATE_LOCAL || outcome->fate == NG_FATE_FORWARDED;

        if (outcome->fate == NG_FATE_ANYWHERE || passes != in || told_before(answer, i))
            continue;
        const char *by = ng_layout_decisive(layout, ng_tracer_ruleset(explaining->tracer), outcome);
        if (!by)
            by = in ? "no rule stands in the way" : "routing, not a rule";
        print_line(explaining, &label, in ? NG_STYLE_DIM : NG_STYLE_RED,
                   ng_layout_text(layout, "%s: %s", decided_text(explaining, item, i), by));
    }
}

static void print_endings(struct explaining *explaining, const struct ng_explained *item) {
    struct ng_layout *layout = &explaining->layout;
    const struct ng_trace *trace = &item->trace;
    const char *label = "ends at";

    for (size_t i = 0; i < trace->n_endings; i++) {
        const char *text = ending_text(explaining, &item->question, &trace->endings[i]);

        if (trace->n_endings > 1)
            text = ng_layout_text(layout, "%s: %s",
                                  ng_layout_region(layout, trace->endings[i].region,
                                                   item->question.family, explaining->verbose),
                                  text);
        print_line(explaining, &label, NG_STYLE_DIM, text);
    }
}

static void print_body(struct explaining *explaining, const struct ng_explained *item) {
    struct ng_layout *layout = &explaining->layout;
    const struct ng_trace *trace = &item->trace;
    const char *label = "unsure";
    struct ng_path_options options = {
        .tracer = explaining->tracer,
        .question = &item->question,
        .verbose = explaining->verbose,
    };
    struct ng_addr from = explaining->asked->from;
    ng_u128 lowest = from.family ? from.value : 0;
    ng_u128 highest = from.family ? from.value : ng_family_max(item->question.family);

    if (ng_addrset_range(layout->arena, lowest, highest, &options.who) < 0)
        layout->failed = true;
    ng_layout_path(layout, &options, trace);
    print_deciders(explaining, item, false);
    print_deciders(explaining, item, true);
    print_endings(explaining, item);
    for (size_t i = 0; i < trace->unsure.count; i++)
        print_line(explaining, &label, NG_STYLE_YELLOW,
                   ng_layout_escaped(layout, trace->unsure.items[i]));
}

/* -- groups -------------------------------------------------------------------------- */

/* The body as a text, to be compared and printed later. */
static const char *body_text(struct explaining *explaining, const struct ng_explained *item) {
    struct ng_layout *layout = &explaining->layout;
    FILE *out = layout->out;
    char *bytes = NULL;
    size_t len;
    const char *text = NULL;

    layout->out = open_memstream(&bytes, &len);
    if (layout->out) {
        print_body(explaining, item);
        if (fclose(layout->out) == 0)
            text = ng_arena_strndup(layout->arena, bytes, len);
        free(bytes);
    }
    layout->out = out;
    if (!text)
        layout->failed = true;
    return text ? text : "";
}

static void add_item(struct explaining *explaining, struct groups *groups,
                     const struct ng_explained *item) {
    struct ng_layout *layout = &explaining->layout;
    const char *body = body_text(explaining, item);
    struct group *group = NULL;

    for (size_t i = 0; i < groups->count && !group; i++)
        if (groups->items[i].items[0]->trace.reach == item->trace.reach &&
            strcmp(groups->items[i].body, body) == 0)
            group = &groups->items[i];
    if (!group)
        group = NG_ARENA_APPEND(layout->arena, groups->items, groups->count, groups->capacity);
    const struct ng_explained **own =
        group ? NG_ARENA_APPEND(layout->arena, group->items, group->n_items, group->items_capacity)
              : NULL;
    if (!own) {
        layout->failed = true;
        return;
    }
    group->body = body;
    *own = item;
}

/* " to 192.0.2.1, 10.0.0.1": what is asked for by the link of the item at `at`, where that does
 * not go without saying. */
static const char *destinations_text(struct ng_layout *layout, const struct ng_subject *subject,
                                     const struct group *group, size_t at) {
    const char *text = "";

    if (!subject->exposure.host_addr.family || !ng_addr_is_any(subject->exposure.host_addr))
        return "";
    for (size_t i = at; i < group->n_items; i++) {
        const struct ng_explained *item = group->items[i];
        char addr[NG_ADDR_TEXT];

        if (item->link == group->items[at]->link)
            text =
                ng_layout_join(layout, text,
                               ng_layout_text(layout, "%s",
                                              ng_addr_text((struct ng_addr){item->question.family,
                                                                            item->question.daddr},
                                                           addr)));
    }
    return ng_layout_text(layout, " to %s", text);
}

/* "eth0, wg0 to 192.0.2.1; eth1 to 10.0.0.1": the items of one link stand together. */
static const char *ways_text(struct ng_layout *layout, const struct ng_subject *subject,
                             const struct group *group) {
    const char *ways = "", *links = "", *destinations = "";

    for (size_t i = 0; i < group->n_items; i++) {
        const struct ng_link *link = group->items[i]->link;

        if (i && link == group->items[i - 1]->link)
            continue;
        const char *own = destinations_text(layout, subject, group, i);
        if (*links && strcmp(own, destinations) != 0) {
            ways = ng_layout_text(layout, "%s%s%s; ", ways, links, destinations);
            links = "";
        }
        links = ng_layout_join(layout, links, ng_layout_escaped(layout, link->name));
        destinations = own;
    }
    return ng_layout_text(layout, "%s%s%s", ways, links, destinations);
}

static void print_group(struct explaining *explaining, const struct ng_subject *subject,
                        const struct group *group) {
    struct ng_layout *layout = &explaining->layout;
    enum ng_style style;
    const char *verdict = verdict_text(explaining, group->items[0], &style);

    ng_layout_paragraph(layout, 0, "comes in", NG_STYLE_DIM, ways_text(layout, subject, group));
    ng_layout_paragraph(layout, 0, "verdict", style, verdict);
    fputs(group->body, layout->out);
}

/* Nobody outside asks for an address that leads nowhere but to himself; it is worth a word only
 * where a rule makes of it more than that. */
static bool goes_without_saying(const struct ng_subject *subject, const struct ng_explained *item) {
    struct ng_addr asked = {item->question.family, item->question.daddr};

    return subject->exposure.host_addr.family && ng_addr_is_any(subject->exposure.host_addr) &&
           ng_addr_is_loopback(asked) && item->trace.reach == NG_BLOCKED;
}

static void print_subject(struct explaining *explaining, const struct ng_subject *subject) {
    struct ng_layout *layout = &explaining->layout;
    struct groups groups = {0};

    ng_layout_styled(layout, NG_STYLE_BOLD, subject_text(explaining, subject));
    putc('\n', layout->out);
    for (size_t i = 0; i < subject->n_items; i++)
        if (explaining->verbose || !goes_without_saying(subject, &subject->items[i]))
            add_item(explaining, &groups, &subject->items[i]);
    for (size_t i = 0; i < groups.count; i++) {
        if (i)
            putc('\n', layout->out);
        print_group(explaining, subject, &groups.items[i]);
    }
}

int ng_print_explanation(FILE *out, const struct ng_tracer *tracer,
                         const struct ng_explanation *explanation,
                         const struct ng_explain_options *asked,
                         const struct ng_print_options *options) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();

    if (!arena)
        return -ENOMEM;
    struct explaining explaining = {
        .layout = {.out = out,
                   .arena = arena,
                   .width =
                       options->width < NG_TABLE_WIDTH_MIN ? NG_TABLE_WIDTH_MIN : options->width,
                   .color = options->color},
        .tracer = tracer,
        .asked = asked,
        .verbose = options->verbose,
    };
    for (size_t i = 0; i < explanation->n_subjects; i++) {
        if (i)
            putc('\n', out);
        print_subject(&explaining, &explanation->subjects[i]);
    }
    return explaining.layout.failed ? -ENOMEM : 0;
}
