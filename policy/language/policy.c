/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files to one policy. The sections are read across all files in the order in which they
 * build on one another: a rule may use a zone or group of a later file. */
#include "policy/language/alerts.h"
#include "policy/language/built_in.h"
#include "policy/language/exceptions.h"
#include "policy/language/segregation.h"
#include "policy/language/usage.h"
#include "policy/language/words.h"

#include <errno.h>
#include <string.h>

#define LANGUAGE_VERSION 1

enum section {
    VERSION,
    MODE,
    DEFAULTS,
    ZONES,
    PORTS,
    RULES,
    DEFAULT,
    SEGREGATION,
    USAGE,
    EXCEPTIONS,
    ALERTS,
    N_SECTIONS,
};

static const char *const section_names[N_SECTIONS] = {
    [VERSION] = "version",   [MODE] = "mode",
    [DEFAULTS] = "defaults", [ZONES] = "zones",
    [PORTS] = "ports",       [RULES] = "rules",
    [DEFAULT] = "default",   [SEGREGATION] = "segregation",
    [USAGE] = "usage",       [EXCEPTIONS] = "exceptions",
    [ALERTS] = "alerts",
};

struct file {
    const struct ng_node *sections[N_SECTIONS];
};

struct reader {
    struct ng_arena *scratch; /* trees: gone when the policy is made */
    struct ng_policy *policy;
    struct file *files;
    size_t n_files;
    struct ng_rule_defaults defaults;
    struct ng_zone_list zones;
    struct ng_names names;
    struct ng_usage_list usage;
    struct ng_rule_list rules;
    struct ng_segregation_list segregations;
    struct ng_exception_list exceptions;
    struct ng_alerts_list alerts;
    struct ng_faults *faults;
};

/* -- files to sections --------------------------------------------------------------- */

static void check_version(const struct ng_node *node, struct ng_faults *faults) {
    char found[NG_FOUND_TEXT];

    if (node->type != NG_NODE_NUMBER || node->number != LANGUAGE_VERSION)
        ng_node_fault(faults, node, -EINVAL,
                      "expected %d for 'version', the policy language this netguard reads, "
                      "found %s",
                      LANGUAGE_VERSION, ng_node_found(node, found));
}

/* What could not be read may have been zones, groups or rules. */
static void names_are_missing(struct reader *reader) {
    reader->zones.incomplete = true;
    reader->names.incomplete = true;
    ng_port_groups_may_be_more(reader->rules.groups);
}

/* The first file must say in which version of the language it is written; the ones that add
 * to it may, and may be empty. */
static void read_file(struct reader *reader, const struct ng_policy_text *text, bool first,
                      struct file *file) {
    const struct ng_node *root = NULL;
    int whole = ng_tree_parse(reader->scratch, text, &root, reader->faults);
    if (root) {
        int known = ng_read_mapping(root, "a policy", section_names, N_SECTIONS, file->sections,
                                    reader->faults);
        if (known == 0 && first && !file->sections[VERSION])
            ng_node_fault(reader->faults, root, -EINVAL,
                          "the policy does not say its version; expected 'version: %d'",
                          LANGUAGE_VERSION);
        whole = whole < 0 ? whole : known;
    } else if (whole == 0 && first) {
        ng_fault_add(reader->faults, -EINVAL, text->name, 1, 1,
                     "the policy is empty; expected at least 'version: %d'", LANGUAGE_VERSION);
    }
    if (whole < 0)
        names_are_missing(reader);
    if (file->sections[VERSION])
        check_version(file->sections[VERSION], reader->faults);
}

static void read_files(struct reader *reader, const struct ng_policy_text *texts, size_t count) {
    struct ng_faults *faults = reader->faults;
    reader->files = ng_arena_alloc(reader->scratch, count, sizeof(*reader->files));
    faults->sources = ng_arena_alloc(reader->scratch, count, sizeof(*faults->sources));
    if (!reader->files || !faults->sources) {
        ng_faults_no_memory(faults);
        return;
    }
    for (; reader->n_files < count && ng_faults_go_on(faults); reader->n_files++) {
        size_t i = reader->n_files;
        struct ng_policy_text text = texts[i];
        text.name = ng_arena_strdup(reader->policy->arena, text.name); /* places name it */
        if (!text.name) {
            ng_faults_no_memory(faults);
            return;
        }
        faults->sources[faults->n_sources++] = text.name;
        read_file(reader, &text, i == 0, &reader->files[i]);
    }
}

/* -- sections to meaning ------------------------------------------------------------- */

static void read_mode(struct reader *reader, const struct ng_node *node) {
    size_t i;
    if (ng_read_word(node, "'mode'", ng_mode_words, NG_MODE_WORDS, &i, reader->faults) == 0)
        reader->policy->mode = (enum ng_mode)i;
}

static void read_default(struct reader *reader, const struct ng_node *node) {
    size_t i;
    if (ng_read_word(node, "'default'", ng_action_words, NG_ACTION_WORDS, &i, reader->faults) == 0)
        reader->policy->default_action = (enum ng_action)i;
}

static void read_defaults(struct reader *reader, const struct ng_node *node) {
    enum { ACTION, SEVERITY, N_KEYS };
    static const char *const keys[N_KEYS] = {[ACTION] = "action", [SEVERITY] = "severity"};
    const struct ng_node *values[N_KEYS];

    ng_read_mapping(node, "'defaults'", keys, N_KEYS, values, reader->faults);
    if (values[ACTION])
        ng_read_action(values[ACTION], &reader->defaults.action, reader->faults);
    if (values[SEVERITY])
        ng_read_severity(values[SEVERITY], &reader->defaults.severity, reader->faults);
}

static void read_zones(struct reader *reader, const struct ng_node *node) {
    ng_zones_add(&reader->zones, node, reader->faults);
}

static void read_ports(struct reader *reader, const struct ng_node *node) {
    ng_port_groups_add(reader->rules.groups, node, reader->faults);
}

static void read_usage(struct reader *reader, const struct ng_node *node) {
    ng_usage_add(&reader->usage, node, reader->faults);
}

static void read_rules(struct reader *reader, const struct ng_node *node) {
    ng_rules_add(&reader->rules, node, reader->faults);
}

static void read_segregation(struct reader *reader, const struct ng_node *node) {
    ng_segregation_add(&reader->segregations, node, reader->faults);
}

static void read_exceptions(struct reader *reader, const struct ng_node *node) {
    ng_exceptions_add(&reader->exceptions, node, reader->faults);
}

static void read_alerts(struct reader *reader, const struct ng_node *node) {
    ng_alerts_add(&reader->alerts, node, reader->faults);
}

/* One section of every file that has it, in the order of the files: so lists append and the
 * last scalar stands. */
static void read_section(struct reader *reader, enum section section,
                         void (*read)(struct reader *, const struct ng_node *)) {
    for (size_t i = 0; i < reader->n_files && ng_faults_go_on(reader->faults); i++)
        if (reader->files[i].sections[section])
            read(reader, reader->files[i].sections[section]);
}

static void read_sections(struct reader *reader) {
    read_section(reader, MODE, read_mode);
    read_section(reader, DEFAULT, read_default);
    read_section(reader, DEFAULTS, read_defaults);
    read_section(reader, ZONES, read_zones);
    read_section(reader, PORTS, read_ports);
    ng_port_groups_resolve(reader->rules.groups, reader->faults);
    reader->rules.defaults = reader->defaults;
    reader->segregations.severity = reader->defaults.severity;
    /* What 'usage' says of packets no rule takes back. */
    read_section(reader, USAGE, read_usage);
    ng_usage_finish(&reader->usage, &reader->rules, reader->policy->habits, reader->faults);
    read_section(reader, RULES, read_rules);
    read_section(reader, SEGREGATION, read_segregation);
    read_section(reader, EXCEPTIONS, read_exceptions);
    read_section(reader, ALERTS, read_alerts);
    reader->policy->alerts = ng_alerts_finish(&reader->alerts, reader->faults);
}

/* -- the policy ---------------------------------------------------------------------- */

static struct ng_policy *policy_new(void) {
    struct ng_arena *arena = ng_arena_new();
    struct ng_policy *policy = arena ? ng_arena_alloc(arena, 1, sizeof(*policy)) : NULL;
    if (!policy) {
        ng_arena_free(arena);
        return NULL;
    }
    policy->arena = arena;
    policy->mode = NG_MONITOR;
    policy->default_action = NG_ALERT;
    return policy;
}

static void take_over(struct ng_policy *policy, const struct reader *reader) {
    policy->default_severity = reader->defaults.severity;
    policy->zones = reader->zones.zones;
    policy->n_zones = reader->zones.count;
    policy->rules = reader->rules.rules;
    policy->n_rules = reader->rules.n_rules;
    policy->segregations = reader->segregations.items;
    policy->n_segregations = reader->segregations.count;
    policy->exceptions = reader->exceptions.items;
    policy->n_exceptions = reader->exceptions.count;
}

static void read_policy(struct ng_policy *policy, struct ng_arena *scratch,
                        const struct ng_policy_text *texts, size_t count,
                        struct ng_faults *faults) {
    struct reader reader = {
        .scratch = scratch,
        .policy = policy,
        .defaults = {.action = NG_ALERT, .severity = NG_HIGH},
        .zones = {.arena = policy->arena},
        .names = {.arena = policy->arena},
        .usage = {.arena = policy->arena, .zones = &reader.zones, .names = &reader.names},
        .rules = {.arena = policy->arena,
                  .groups = ng_port_groups_new(policy->arena),
                  .zones = &reader.zones,
                  .names = &reader.names},
        .segregations = {.arena = policy->arena, .names = &reader.names},
        .exceptions = {.arena = policy->arena, .names = &reader.names},
        .alerts = {.arena = policy->arena},
        .faults = faults,
    };
    if (!reader.rules.groups) {
        ng_faults_no_memory(faults);
        return;
    }
    ng_names_add_cis(&reader.names, faults);
    read_files(&reader, texts, count);
    read_sections(&reader);
    take_over(policy, &reader);
}

int ng_policy_check(const struct ng_policy_text *texts, size_t count, struct ng_arena *arena,
                    struct ng_policy **ret_policy, const struct ng_error **ret_faults,
                    size_t *ret_n_faults) {
    bool built_in = count == 0;
    _cleanup_(ng_arena_freep) struct ng_arena *scratch = ng_arena_new();
    _cleanup_(ng_policy_freep) struct ng_policy *policy = policy_new();
    struct ng_faults faults = {.arena = arena};
    if (!scratch || !policy)
        return -ENOMEM;
    policy->built_in = built_in;
    read_policy(policy, scratch, built_in ? &ng_built_in_policy : texts, built_in ? 1 : count,
                &faults);
    int r = ng_faults_finish(&faults, ret_faults, ret_n_faults);
    *ret_policy = r < 0 ? NULL : TAKE_PTR(policy);
    return r;
}

int ng_policy_parse(const struct ng_policy_text *texts, size_t count, struct ng_policy **ret_policy,
                    struct ng_error *error) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_policy *policy = NULL;
    const struct ng_error *faults = NULL;
    size_t n_faults = 0;
    int r = arena ? ng_policy_check(texts, count, arena, &policy, &faults, &n_faults) : -ENOMEM;
    if (r == -ENOMEM)
        return ng_error_set(error, r, count ? texts[0].name : NULL, "out of memory");
    if (r < 0 && error && !error->message[0])
        *error = faults[0];
    if (r == 0)
        *ret_policy = policy;
    return r;
}

void ng_policy_free(struct ng_policy *policy) {
    if (policy)
        ng_arena_free(policy->arena);
}

void ng_policy_freep(struct ng_policy **policy) {
    ng_policy_free(*policy);
}
