/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "agent/print/table.h"
#include "netguard/catalog.h"

/* Findings about the same port that say the same of IPv4 and IPv6, or of several host
 * addresses: one block for the reader. A range of ports is one block as well. */
struct group {
    const struct ng_finding **members; /* of the first port */
    size_t count, capacity;
    unsigned length; /* ports */
    struct ng_ways ways;
};

/* Lines without repetition, in order of their first appearance. */
struct lines {
    const char **items;
    size_t count, capacity;
};

static void add_line(struct ng_sheet *sheet, struct lines *lines, const char *text) {
    for (size_t i = 0; i < lines->count; i++)
        if (strcmp(lines->items[i], text) == 0)
            return;
    const char **added =
        NG_ARENA_APPEND(sheet->layout.arena, lines->items, lines->count, lines->capacity);
    if (added)
        *added = text;
    else
        sheet->layout.failed = true;
}

static void print_lines(struct ng_sheet *sheet, const char *label, const struct lines *lines) {
    for (size_t i = 0; i < lines->count; i++)
        ng_layout_paragraph(&sheet->layout, 2, i ? "" : label, NG_STYLE_DIM, lines->items[i]);
}

/* -- grouping ------------------------------------------------------------------------ */

/* Findings are sorted by severity, subject and port, so that the members of a group lie within
 * a stretch that is alike in these. */
static bool same_stretch(const struct ng_finding *a, const struct ng_finding *b) {
    if (!a->exposure || !b->exposure)
        return a == b;
    return a->severity == b->severity && a->exposure->container == b->exposure->container &&
           a->exposure->proto == b->exposure->proto &&
           a->exposure->host_port == b->exposure->host_port && strcmp(a->subject, b->subject) == 0;
}

static bool same_group(const struct ng_finding *a, const struct ng_finding *b) {
    if (!a->exposure || !b->exposure)
        return a == b;
    return a->state == b->state && a->action == b->action &&
           a->exposure->kind == b->exposure->kind &&
           a->exposure->container_port == b->exposure->container_port &&
           strcmp(a->id, b->id) == 0 && strcmp(a->rule, b->rule) == 0;
}

static void collect(struct ng_sheet *sheet, size_t first, bool *taken, struct group *group) {
    const struct ng_finding *findings = sheet->result->findings;

    group->length = 1;
    for (size_t i = first; i < sheet->result->n_findings; i++) {
        if (!same_stretch(&findings[first], &findings[i]))
            return;
        if (taken[i] || !same_group(&findings[first], &findings[i]))
            continue;
        const struct ng_finding **member =
            NG_ARENA_APPEND(sheet->layout.arena, group->members, group->count, group->capacity);
        if (!member) {
            sheet->layout.failed = true;
            return;
        }
        *member = &findings[i];
        taken[i] = true;
        if (findings[i].exposure)
            ng_sheet_add_ways(sheet, &group->ways, findings[i].exposure, &findings[i]);
    }
}

static bool group_extends(const struct group *group, const struct group *next) {
    const struct ng_finding *a = group->members[0], *b = next->members[0];

    if (group->count != next->count || a->severity != b->severity || a->state != b->state ||
        a->action != b->action || strcmp(a->id, b->id) != 0 || strcmp(a->rule, b->rule) != 0 ||
        !a->exposure || !b->exposure)
        return false;
    for (size_t i = 0; i < group->count; i++)
        if (!ng_sheet_extends(group->members[i]->exposure, group->length,
                              next->members[i]->exposure))
            return false;
    return ng_sheet_ways_equal(&group->ways, &next->ways);
}

/* -- the parts of a block ------------------------------------------------------------ */

/* How open the finding's port is; more is worse. */
static int openness(const struct ng_finding *finding) {
    static const int order[] = {
        [NG_BLOCKED] = 0,
        [NG_UNKNOWN] = 1,
        [NG_PARTLY] = 2,
        [NG_REACHABLE] = 3,
    };
    int worst = 0;

    for (size_t i = 0; i < finding->exposure->n_reach; i++) {
        const struct ng_reach *reach = &finding->exposure->reach[i];

        if (ng_sheet_concerns(finding, reach) && order[reach->verdict] > worst)
            worst = order[reach->verdict];
    }
    return worst;
}

/* The message that speaks for the group: in what else its members differ, the block says. */
static const struct ng_finding *spokesman(const struct group *group) {
    const struct ng_finding *worst = group->members[0];

    for (size_t i = 1; i < group->count; i++)
        if (openness(group->members[i]) > openness(worst))
            worst = group->members[i];
    return worst;
}

/* "CRITICAL  redis: …" with the state where it is not open. */
static void print_headline(struct ng_sheet *sheet, const struct ng_finding *finding,
                           unsigned ports) {
    static const char *const tags[] = {
        [NG_INFO] = "INFO", [NG_LOW] = "LOW",           [NG_MEDIUM] = "MEDIUM",
        [NG_HIGH] = "HIGH", [NG_CRITICAL] = "CRITICAL",
    };
    struct ng_layout *layout = &sheet->layout;
    bool open = finding->state == NG_OPEN;
    const char *text = ng_layout_escaped(layout, finding->message);

    if (!strstr(finding->message, finding->subject))
        text = ng_layout_text(layout, "%s: %s", ng_layout_escaped(layout, finding->subject), text);
    if (!open)
        text = ng_layout_text(layout, "[%s] %s", ng_finding_state_text(finding->state), text);
    if (ports > 1)
        text = ng_layout_text(layout, "%s (and the same of the next %u ports)", text, ports - 1);
    ng_layout_paragraph(layout, 0, tags[finding->severity],
                        open ? ng_sheet_severity_style(finding->severity) : NG_STYLE_DIM, text);
}

static void print_ports(struct ng_sheet *sheet, const struct group *group) {
    struct lines lines = {0};

    for (size_t i = 0; i < group->count; i++) {
        const struct ng_exposure *exposure = group->members[i]->exposure;

        add_line(sheet, &lines,
                 ng_layout_text(&sheet->layout, "%s (%s)",
                                ng_sheet_binding(sheet, exposure, group->length, true),
                                ng_sheet_how(sheet, exposure)));
    }
    print_lines(sheet, group->length > 1 ? "ports" : "port", &lines);
}

static const char *way_text(struct ng_sheet *sheet, const struct ng_way *way,
                            const char *of_family) {
    static const char *const how[] = {
        [NG_REACHABLE] = "",
        [NG_PARTLY] = "partly: ",
        [NG_BLOCKED] = "blocked",
        [NG_UNKNOWN] = "",
    };
    struct ng_layout *layout = &sheet->layout;

    return ng_layout_text(layout, "%s%s (%s): %s%s", of_family,
                          ng_layout_escaped(layout, way->zone), way->interfaces, how[way->verdict],
                          way->sources);
}

/* The family is named where the families of the group differ in who gets in. */
static void print_from(struct ng_sheet *sheet, const struct group *group) {
    struct lines lines = {0};
    bool ip4 = false, ip6 = false;

    for (size_t i = 0; i < group->ways.count; i++) {
        ip4 |= group->ways.items[i].ip4;
        ip6 |= group->ways.items[i].ip6;
    }
    for (size_t i = 0; i < group->ways.count; i++) {
        const struct ng_way *way = &group->ways.items[i];
        const char *of_family = way->ip4 ? "IPv4: " : "IPv6: ";
        bool alike = way->ip4 == ip4 && way->ip6 == ip6;

        add_line(sheet, &lines, way_text(sheet, way, alike ? "" : of_family));
    }
    print_lines(sheet, "from", &lines);
}

static void print_why(struct ng_sheet *sheet, const struct group *group) {
    struct lines why = {0}, unsure = {0};

    for (size_t i = 0; i < group->count; i++) {
        const struct ng_exposure *exposure = group->members[i]->exposure;

        for (size_t j = 0; j < exposure->n_reach; j++) {
            const struct ng_reach *reach = &exposure->reach[j];

            if (!ng_sheet_concerns(group->members[i], reach))
                continue;
            add_line(sheet, &why, ng_sheet_reason(sheet, reach, exposure->family));
            for (size_t k = 0; k < reach->unsure.count; k++)
                add_line(sheet, &unsure, ng_layout_escaped(&sheet->layout, reach->unsure.items[k]));
        }
    }
    if (group->length > 1)
        add_line(sheet, &why, "and likewise for the ports after the first");
    print_lines(sheet, "because", &why);
    print_lines(sheet, "unsure", &unsure);
}

/* What a host firewall has to do with it: once, or per family where the families differ. */
static void print_firewall(struct ng_sheet *sheet, const struct group *group, const char *name,
                           enum ng_host_firewall (*state_of)(const struct ng_exposure *)) {
    static const char *const says[] = {
        [NG_FIREWALL_ABSENT] = "",
        [NG_FIREWALL_HONOURED] = "lets it in",
        [NG_FIREWALL_BYPASSED] = "does not see it: these packets go around its rules",
    };
    struct lines alike = {0}, by_family = {0};

    for (size_t i = 0; i < group->count; i++) {
        const struct ng_exposure *exposure = group->members[i]->exposure;
        const char *text = says[state_of(exposure)];

        if (!*text)
            continue;
        add_line(sheet, &alike, text);
        add_line(sheet, &by_family,
                 ng_layout_text(&sheet->layout, "%s %s",
                                exposure->family == NG_IP4 ? "IPv4:" : "IPv6:", text));
    }
    print_lines(sheet, name, alike.count > 1 ? &by_family : &alike);
}

static enum ng_host_firewall ufw_of(const struct ng_exposure *exposure) {
    return exposure->ufw;
}

static enum ng_host_firewall firewalld_of(const struct ng_exposure *exposure) {
    return exposure->firewalld;
}

/* The lines of all members' fixes. They are split here, before they are escaped. */
static void print_fix(struct ng_sheet *sheet, const struct group *group) {
    struct lines lines = {0};

    for (size_t i = 0; i < group->count; i++) {
        for (const char *line = group->members[i]->fix; *line;) {
            size_t len = strcspn(line, "\n");
            const char *copy = ng_layout_text(&sheet->layout, "%.*s", (int)len, line);

            if (len)
                add_line(sheet, &lines, ng_layout_escaped(&sheet->layout, copy));
            line += len + (line[len] == '\n');
        }
    }
    print_lines(sheet, "fix", &lines);
}

/* ", CIS 5.14, CIS 7.2" */
static const char *cis_items(struct ng_sheet *sheet, const struct ng_finding *finding) {
    const struct ng_catalog_page *page = ng_catalog_find(finding->id);
    const char *text = "";

    if (!sheet->result->policy || !sheet->result->policy->cis)
        return text;
    for (size_t i = 0; page && page->cis && page->cis[i]; i++)
        text = ng_layout_text(&sheet->layout, "%s, CIS" NG_KEEP "%s", text, page->cis[i]);
    return text;
}

static void print_rule(struct ng_sheet *sheet, const struct ng_finding *finding) {
    struct ng_layout *layout = &sheet->layout;

    ng_layout_paragraph(
        layout, 2, "policy", NG_STYLE_DIM,
        ng_layout_text(layout, "rule %s, action %s, %s%s", ng_layout_escaped(layout, finding->rule),
                       ng_action_text(finding->action), finding->id, cis_items(sheet, finding)));
}

static void print_keys(struct ng_sheet *sheet, const struct group *group) {
    struct lines lines = {0};

    for (size_t i = 0; i < group->count; i++)
        add_line(sheet, &lines,
                 group->members[i]->exposure
                     ? ng_layout_text(&sheet->layout, "%s, exposure %s", group->members[i]->key,
                                      group->members[i]->exposure->id)
                     : group->members[i]->key);
    print_lines(sheet, "key", &lines);
}

static void print_path(struct ng_sheet *sheet, const struct ng_finding *finding) {
    for (size_t i = 0; i < finding->path.count; i++)
        ng_layout_paragraph(&sheet->layout, 2, i ? "" : "path", NG_STYLE_DIM,
                            ng_layout_escaped(&sheet->layout, finding->path.items[i]));
}

static void print_group(struct ng_sheet *sheet, const struct group *group) {
    print_headline(sheet, spokesman(group), group->length);
    if (group->members[0]->exposure) {
        print_ports(sheet, group);
        print_from(sheet, group);
        print_why(sheet, group);
        print_firewall(sheet, group, "ufw", ufw_of);
        print_firewall(sheet, group, "firewalld", firewalld_of);
    }
    print_path(sheet, group->members[0]);
    print_rule(sheet, group->members[0]);
    if (sheet->options->verbose)
        print_keys(sheet, group);
    print_fix(sheet, group);
}

/* Prints each group when the next one turns out not to continue it. */
static void print_groups(struct ng_sheet *sheet, bool *taken) {
    struct group current = {0};

    for (size_t i = 0; i < sheet->result->n_findings && !sheet->layout.failed; i++) {
        struct group next = {0};

        if (taken[i])
            continue;
        collect(sheet, i, taken, &next);
        if (!next.count)
            return; /* out of memory */
        /* Verbose output names every finding by its key: no runs there. */
        if (current.count && !sheet->options->verbose && group_extends(&current, &next)) {
            current.length++;
            continue;
        }
        if (current.count) {
            print_group(sheet, &current);
            fputc('\n', sheet->layout.out);
        }
        current = next;
    }
    if (current.count)
        print_group(sheet, &current);
}

void ng_sheet_findings(struct ng_sheet *sheet) {
    const struct ng_result *result = sheet->result;
    bool *taken = ng_arena_alloc(sheet->layout.arena, result->n_findings, sizeof(bool));

    if (!taken) {
        sheet->layout.failed = true;
        return;
    }
    if (result->n_findings == 0)
        return;
    ng_sheet_heading(sheet, "FINDINGS", result->n_findings);
    print_groups(sheet, taken);
}
