/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expectations: a file of sentences about what is reachable, for `netguard policy test`. */
#include "netguard/expect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netguard/catalog.h"
#include "policy/language/faults.h"
#include "policy/language/tree.h"

#define LANGUAGE_VERSION 1
#define MAX_EXPECTATIONS 10000
#define MAX_IDS          128 /* of the catalog, and `any` */

static const char any[] = "any";

static const char *const words[] = {
    [NG_EXPECT_REACHABLE] = "reachable", [NG_EXPECT_PARTLY] = "partly",
    [NG_EXPECT_BLOCKED] = "blocked",     [NG_EXPECT_UNKNOWN] = "unknown",
    [NG_EXPECT_ALLOWED] = "allowed",     [NG_EXPECT_DENIED] = "denied",
    [NG_EXPECT_EXCEPTED] = "excepted",   [NG_EXPECT_UNDECIDED] = "undecided",
    [NG_EXPECT_FINDING] = "finding",     [NG_EXPECT_NO_FINDING] = "no_finding",
};

const char *ng_expected_text(enum ng_expected expected) {
    return words[expected];
}

struct reader {
    struct ng_arena *arena;
    const struct ng_policy *policy;
    struct ng_faults *faults;
    struct ng_expectation *items;
    size_t count, capacity;
};

/* -- one sentence about a port ----------------------------------------------------------- */

/* What containers say to each other on a network of theirs passes no rule, so that "blocked" would
 * mean less than it says. */
static int read_zone(struct reader *reader, const struct ng_node *node, const char **ret_zone) {
    char found[NG_FOUND_TEXT], hint[NG_HINT_TEXT], known[200];
    const struct ng_policy *policy = reader->policy;
    const char *zone;
    size_t n = 0;
    int r = ng_read_text(reader->arena, node, "'from'", &zone, reader->faults);

    if (r < 0)
        return r;
    if (strcmp(zone, NG_ZONE_HOST) == 0 || strcmp(zone, NG_ZONE_CONTAINERS) == 0)
        return ng_node_fault(reader->faults, node, -EINVAL,
                             "'%s' cannot stand in 'from': this is about who comes from outside",
                             zone);
    const char **names = ng_arena_alloc(reader->arena, policy->n_zones + 1, sizeof(*names));
    if (!names)
        return ng_faults_no_memory(reader->faults);
    for (; n < policy->n_zones; n++)
        names[n] = policy->zones[n].id;
    names[n++] = NG_ZONE_PUBLIC;
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], zone) == 0) {
            *ret_zone = zone;
            return 0;
        }
    return ng_node_fault(reader->faults, node, -EINVAL, "the policy has no zone %s; expected %s%s",
                         ng_quote(zone, found), ng_enumerate(names, n, known, sizeof(known)),
                         ng_hint(zone, names, n, hint));
}

static int bad_target(struct reader *reader, const struct ng_node *node) {
    char found[NG_FOUND_TEXT];
    return ng_node_fault(reader->faults, node, -EINVAL,
                         "expected NAME:PORT or NAME:PORT/PROTOCOL for 'to', such as "
                         "\"redis:6379\" or \"host:53/udp\", found %s",
                         ng_node_found(node, found));
}

/* "redis:6379", "host:53/udp". No name of a container holds a colon. */
static int read_target(struct reader *reader, const struct ng_node *node,
                       struct ng_expectation *expectation) {
    static const char *const names[] = {"tcp", "udp", "sctp"};
    static const uint8_t protos[] = {NG_TCP, NG_UDP, NG_SCTP};
    const char *text, *colon;
    char *end;
    int r = ng_read_text(reader->arena, node, "'to'", &text, reader->faults);

    if (r < 0)
        return r;
    colon = strrchr(text, ':');
    if (!colon || colon == text || memchr(text, ':', (size_t)(colon - text)) || colon[1] < '1' ||
        colon[1] > '9')
        return bad_target(reader, node);
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (port > UINT16_MAX)
        return ng_node_fault(reader->faults, node, -EINVAL, "a port is 1 to 65535, found %.20s",
                             colon + 1);
    expectation->port = (uint16_t)port;
    expectation->proto = 0;
    for (size_t i = 0; *end == '/' && i < ARRAY_SIZE(names); i++)
        if (strcmp(end + 1, names[i]) == 0)
            expectation->proto = protos[i];
    if (*end && !expectation->proto)
        return bad_target(reader, node);
    expectation->name = ng_arena_strndup(reader->arena, text, (size_t)(colon - text));
    return expectation->name ? 0 : ng_faults_no_memory(reader->faults);
}

static int read_is(struct reader *reader, const struct ng_node *node, enum ng_expected *ret_is) {
    size_t i;
    int r = ng_read_word(node, "'is'", words, NG_EXPECT_FINDING, &i, reader->faults);

    if (r == 0)
        *ret_is = (enum ng_expected)i;
    return r;
}

/* -- one sentence about findings ---------------------------------------------------------- */

static int read_id(struct reader *reader, const struct ng_node *node, const char **ret_id) {
    char found[NG_FOUND_TEXT], hint[NG_HINT_TEXT];
    const char *names[MAX_IDS], *id;
    size_t n = 0;
    int r = ng_read_text(reader->arena, node, "the id of a finding", &id, reader->faults);

    if (r < 0)
        return r;
    const struct ng_catalog_page *page = ng_catalog_find(id);
    if (page || strcmp(id, any) == 0) {
        *ret_id = page ? page->id : NULL;
        return 0;
    }
    for (; n < ng_catalog_count && n < MAX_IDS - 1; n++)
        names[n] = ng_catalog[n].id;
    names[n++] = any;
    return ng_node_fault(reader->faults, node, -EINVAL,
                         "there is no finding %s; expected the id of one, such as %s, or any%s",
                         ng_quote(id, found), names[0], ng_hint(id, names, n, hint));
}

/* -- the file ------------------------------------------------------------------------------ */

enum key { FROM, TO, IS, FINDING, NO_FINDING, ON, N_KEYS };

static const char *const keys[N_KEYS] = {
    [FROM] = "from", [TO] = "to", [IS] = "is", [FINDING] = "finding", [NO_FINDING] = "no_finding",
    [ON] = "on",
};

static bool is_about_port(const struct ng_node *const values[static N_KEYS]) {
    return values[FROM] && values[TO] && values[IS] && !values[FINDING] && !values[NO_FINDING] &&
           !values[ON];
}

static bool is_about_findings(const struct ng_node *const values[static N_KEYS]) {
    return !values[FROM] && !values[TO] && !values[IS] && !values[FINDING] != !values[NO_FINDING];
}

static void add_expectation(struct reader *reader, const struct ng_node *node) {
    const struct ng_node *values[N_KEYS];
    struct ng_expectation own = {.place = ng_node_place(node)};

    if (ng_read_mapping(node, "an expectation", keys, N_KEYS, values, reader->faults) < 0)
        return;
    if (is_about_port(values)) {
        read_zone(reader, values[FROM], &own.zone);
        read_target(reader, values[TO], &own);
        read_is(reader, values[IS], &own.is);
    } else if (is_about_findings(values)) {
        own.is = values[FINDING] ? NG_EXPECT_FINDING : NG_EXPECT_NO_FINDING;
        read_id(reader, values[FINDING] ? values[FINDING] : values[NO_FINDING], &own.id);
        if (values[ON])
            ng_read_text(reader->arena, values[ON], "'on'", &own.on, reader->faults);
    } else {
        ng_node_fault(reader->faults, node, -EINVAL,
                      "expected from, to and is in an expectation, or finding or no_finding, which "
                      "may have on");
    }
    struct ng_expectation *slot =
        NG_ARENA_APPEND(reader->arena, reader->items, reader->count, reader->capacity);
    if (slot)
        *slot = own;
    else
        ng_faults_no_memory(reader->faults);
}

/* A file that expects nothing would always hold. */
static void read_list(struct reader *reader, const struct ng_node *node) {
    size_t count = ng_expect_list(node, "'expect'", reader->faults);

    if (node->type == NG_NODE_LIST && count == 0)
        ng_node_fault(reader->faults, node, -EINVAL,
                      "expected at least one expectation, found an empty list");
    if (count > MAX_EXPECTATIONS) {
        ng_node_fault(reader->faults, node, -E2BIG, "more than %d expectations", MAX_EXPECTATIONS);
        return;
    }
    for (size_t i = 0; i < count && ng_faults_go_on(reader->faults); i++)
        add_expectation(reader, node->items[i]);
}

static void read_version(struct reader *reader, const struct ng_node *node) {
    char found[NG_FOUND_TEXT];

    if (node->type != NG_NODE_NUMBER || node->number != LANGUAGE_VERSION)
        ng_node_fault(reader->faults, node, -EINVAL, "expected %d for 'version', found %s",
                      LANGUAGE_VERSION, ng_node_found(node, found));
}

static void read_root(struct reader *reader, const struct ng_node *root) {
    enum { VERSION, EXPECT, N_SECTIONS };
    static const char *const sections[N_SECTIONS] = {[VERSION] = "version", [EXPECT] = "expect"};
    const struct ng_node *values[N_SECTIONS];

    if (ng_read_mapping(root, "a file of expectations", sections, N_SECTIONS, values,
                        reader->faults) < 0)
        return;
    if (values[VERSION])
        read_version(reader, values[VERSION]);
    else
        ng_node_fault(reader->faults, root, -EINVAL,
                      "the file does not say its version; expected 'version: %d'",
                      LANGUAGE_VERSION);
    if (values[EXPECT])
        read_list(reader, values[EXPECT]);
    else
        ng_node_fault(reader->faults, root, -EINVAL, "expected a list under 'expect'");
}

int ng_expectations_parse(const struct ng_policy_text *text, const struct ng_policy *policy,
                          struct ng_arena *arena, struct ng_expectations *ret_expectations,
                          const struct ng_error **ret_faults, size_t *ret_n_faults) {
    _cleanup_(ng_arena_freep) struct ng_arena *scratch = ng_arena_new();
    struct ng_faults faults = {.arena = arena};
    struct reader reader = {.arena = arena, .policy = policy, .faults = &faults};
    const char *name = ng_arena_strdup(arena, text->name);
    const struct ng_policy_text named = {name, text->bytes, text->len_bytes};
    const struct ng_node *root = NULL;

    if (!scratch || !name)
        return -ENOMEM;
    int r = ng_tree_parse(scratch, &named, &root, &faults);
    if (root)
        read_root(&reader, root);
    else if (r == 0)
        ng_fault_add(&faults, -EINVAL, name, 1, 1,
                     "the file is empty; expected 'version: %d' and 'expect'", LANGUAGE_VERSION);
    r = ng_faults_finish(&faults, ret_faults, ret_n_faults);
    if (r == 0)
        *ret_expectations = (struct ng_expectations){reader.items, reader.count};
    return r;
}
