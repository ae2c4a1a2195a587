/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_TABLE_H
#define NETGUARD_PRINT_TABLE_H

/* The parts of the table for people, and what they share. */

#include "agent/print/layout.h"
#include "agent/print/print.h"

struct ng_sheet {
    struct ng_layout layout;
    const struct ng_result *result;
    const struct ng_print_options *options;
};

/* "redis", "sshd (host)"; escaped. */
const char *ng_sheet_who(struct ng_sheet *sheet, const struct ng_exposure *exposure);

/* "0.0.0.0:6379/tcp -> 172.17.0.2:6379", without the target's address "0.0.0.0:6379/tcp ->
 * 6379"; of `length` exposures with consecutive ports from this one on "0.0.0.0:7000-7010/tcp
 * -> …". What a port of the engine's own is for follows: "0.0.0.0:2377/tcp swarm management". */
const char *ng_sheet_binding(struct ng_sheet *sheet, const struct ng_exposure *exposure,
                             unsigned length, bool with_target);

/* Does `next` differ from the `length` exposures from `first` on in nothing but its ports, and
 * are these the next ones? (How both are reached is not compared.) */
bool ng_sheet_extends(const struct ng_exposure *first, unsigned length,
                      const struct ng_exposure *next);

/* "dnat", "proxy", "host net", … */
const char *ng_sheet_via(struct ng_sheet *sheet, const struct ng_exposure *exposure);

/* The same where there is room to explain: "by route", "on the LAN, past this host's firewall: …"
 */
const char *ng_sheet_how(struct ng_sheet *sheet, const struct ng_exposure *exposure);

/* Who gets in: "any address", "any but 10.0.0.0/8", "10.8.0.0/16, perhaps 10.9.0.0/16",
 * "any address (source ports 53 only)"; "" if blocked. */
const char *ng_sheet_sources(struct ng_sheet *sheet, const struct ng_reach *reach, uint8_t family);

/* Does the finding speak of this way in? */
bool ng_sheet_concerns(const struct ng_finding *finding, const struct ng_reach *reach);

/* Ways in from one zone that are alike on several interfaces. */
struct ng_way {
    const char *zone;       /* as in the result, not escaped */
    const char *interfaces; /* "eth0, wg0"; escaped */
    enum ng_reach_verdict verdict;
    const char *sources; /* as ng_sheet_sources has it */
    bool ip4, ip6;       /* which families these ways are of */
};

struct ng_ways {
    struct ng_way *items;
    size_t count, capacity;
};

/* Adds the ways to `exposure` that `finding` speaks of (NULL: all), merged with those that
 * are already there. */
void ng_sheet_add_ways(struct ng_sheet *sheet, struct ng_ways *ways,
                       const struct ng_exposure *exposure, const struct ng_finding *finding);

bool ng_sheet_ways_equal(const struct ng_ways *a, const struct ng_ways *b);

/* "ip filter DOCKER handle 12: …"; escaped. The reason also puts into words that no rule
 * decided. */
const char *ng_sheet_decider(struct ng_sheet *sheet, const struct ng_decider *decider);
const char *ng_sheet_reason(struct ng_sheet *sheet, const struct ng_reach *reach, uint8_t family);

enum ng_style ng_sheet_severity_style(enum ng_severity severity);

void ng_sheet_heading(struct ng_sheet *sheet, const char *heading, size_t count);

/* Of what is one engine's; tells whose where there are several. */
void ng_sheet_engine_heading(struct ng_sheet *sheet, const char *heading, size_t count,
                             const struct ng_engine *engine);

void ng_sheet_findings(struct ng_sheet *sheet);
void ng_sheet_exposures(struct ng_sheet *sheet);
void ng_sheet_containers(struct ng_sheet *sheet);
void ng_sheet_notes(struct ng_sheet *sheet);

#endif
