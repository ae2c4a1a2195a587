/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files to one policy. The sections are read across all files in the order in which they
 * build on one another: a rule may use a zone or group of a later file. */
#include "policy/language/alerts.h"
#include "policy/language/built_in.h"
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
    const char *name; /* in the policy's arena */
    const struct ng_node *sections[N_SECTIONS];
};

struct reader {
    struct ng_arena *scratch; /* trees: gone when the policy is made */
    struct ng_policy *policy;
    struct file *files;
    size_t n_files;
    struct ng_rule_defaults defaults;
    struct ng_zone_list zones;
    struct ng_usage_list usage;
    struct ng_rule_list rules;
    struct ng_alerts_list alerts;
    struct ng_error *error;
};

/* -- files to sections --------------------------------------------------------------- */

/* A section that is understood but not acted on must not look as if it were. */
static int refuse_idle_section(const struct file *file, struct ng_error *error) {
    const struct ng_node *node = file->sections[SEGREGATION];
    return node ? ng_node_error(error, node->key, -EINVAL,
                                "this version does not act on '%s' yet; remove it, nothing would "
                                "watch it",
                                section_names[SEGREGATION])
                : 0;
}

static int check_version(const struct ng_node *node, struct ng_error *error) {
    char found[NG_FOUND_TEXT];

    if (node->type != NG_NODE_NUMBER || node->number != LANGUAGE_VERSION)
        return ng_node_error(error, node, -EINVAL,
                             "expected %d for 'version', the policy language this netguard reads, "
                             "found %s",
                             LANGUAGE_VERSION, ng_node_found(node, found));
    return 0;
}

/* The first file must say in which version of the language it is written; the ones that add
 * to it may, and may be empty. */
static int read_file(struct reader *reader, const struct ng_policy_text *text, bool first,
                     struct file *file) {
    const struct ng_node *root;
    int r = ng_tree_parse(reader->scratch, text, &root, reader->error);
    if (r < 0)
        return r;
    file->name = ng_arena_strdup(reader->policy->arena, text->name);
    if (!file->name)
        return ng_error_set(reader->error, -ENOMEM, text->name, "out of memory");
    if (!root)
        return first ? ng_error_set_at(reader->error, -EINVAL, text->name, 1, 1,
                                       "the policy is empty; expected at least 'version: %d'",
                                       LANGUAGE_VERSION)
                     : 0;
    r = ng_read_mapping(root, "a policy", section_names, N_SECTIONS, file->sections, reader->error);
    if (r < 0)
        return r;
    if (file->sections[VERSION])
        r = check_version(file->sections[VERSION], reader->error);
    else if (first)
        r = ng_node_error(reader->error, root, -EINVAL,
                          "the policy does not say its version; expected 'version: %d'",
                          LANGUAGE_VERSION);
    return r < 0 ? r : refuse_idle_section(file, reader->error);
}

static int read_files(struct reader *reader, const struct ng_policy_text *texts, size_t count) {
    reader->files = ng_arena_alloc(reader->scratch, count, sizeof(*reader->files));
    if (!reader->files)
        return ng_error_set(reader->error, -ENOMEM, texts[0].name, "out of memory");
    reader->n_files = count;
    for (size_t i = 0; i < count; i++) {
        int r = read_file(reader, &texts[i], i == 0, &reader->files[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* -- sections to meaning ------------------------------------------------------------- */

static int read_mode(struct reader *reader, const struct ng_node *node) {
    size_t i;
    int r = ng_read_word(node, "'mode'", ng_mode_words, NG_MODE_WORDS, &i, reader->error);
    if (r == 0)
        reader->policy->mode = (enum ng_mode)i;
    return r;
}

static int read_default(struct reader *reader, const struct ng_node *node) {
    size_t i;
    int r = ng_read_word(node, "'default'", ng_action_words, NG_ACTION_WORDS, &i, reader->error);
    if (r == 0)
        reader->policy->default_action = (enum ng_action)i;
    return r;
}

static int read_defaults(struct reader *reader, const struct ng_node *node) {
    enum { ACTION, SEVERITY, N_KEYS };
    static const char *const keys[N_KEYS] = {[ACTION] = "action", [SEVERITY] = "severity"};
    const struct ng_node *values[N_KEYS];

    int r = ng_read_mapping(node, "'defaults'", keys, N_KEYS, values, reader->error);
    if (r < 0)
        return r;
    r = values[ACTION] ? ng_read_action(values[ACTION], &reader->defaults.action, reader->error)
                       : 0;
    if (r < 0 || !values[SEVERITY])
        return r;
    return ng_read_severity(values[SEVERITY], &reader->defaults.severity, reader->error);
}

static int read_zones(struct reader *reader, const struct ng_node *node) {
    return ng_zones_add(&reader->zones, node, reader->error);
}

static int read_ports(struct reader *reader, const struct ng_node *node) {
    return ng_port_groups_add(reader->rules.groups, node, reader->error);
}

static int read_usage(struct reader *reader, const struct ng_node *node) {
    return ng_usage_add(&reader->usage, node, reader->error);
}

static int read_exceptions(struct reader *reader, const struct ng_node *node) {
    return ng_exceptions_add(&reader->rules, node, reader->error);
}

static int read_alerts(struct reader *reader, const struct ng_node *node) {
    return ng_alerts_add(&reader->alerts, node, reader->error);
}

/* One section of every file that has it, in the order of the files: so lists append and the
 * last scalar stands. */
static int read_section(struct reader *reader, enum section section,
                        int (*read)(struct reader *, const struct ng_node *)) {
    for (size_t i = 0; i < reader->n_files; i++) {
        const struct ng_node *node = reader->files[i].sections[section];
        int r = node ? read(reader, node) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

/* What 'usage' says of the engine's own ports no rule takes back. */
static int read_rules(struct reader *reader) {
    reader->rules.defaults = reader->defaults;
    int made = ng_usage_make_rules(&reader->usage, &reader->rules, reader->error);
    if (made < 0)
        return made;
    for (size_t i = 0; i < reader->n_files; i++) {
        const struct file *file = &reader->files[i];
        int r = file->sections[RULES]
                    ? ng_rules_add(&reader->rules, file->sections[RULES], file->name, reader->error)
                    : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_sections(struct reader *reader) {
    static const struct {
        enum section section;
        int (*read)(struct reader *, const struct ng_node *);
    } before_rules[] = {
        {MODE, read_mode},   {DEFAULT, read_default}, {DEFAULTS, read_defaults},
        {ZONES, read_zones}, {PORTS, read_ports},     {USAGE, read_usage},
    };

    for (size_t i = 0; i < ARRAY_SIZE(before_rules); i++) {
        int r = read_section(reader, before_rules[i].section, before_rules[i].read);
        if (r < 0)
            return r;
    }
    int r = ng_port_groups_resolve(reader->rules.groups, reader->error);
    if (r < 0)
        return r;
    r = read_rules(reader);
    if (r < 0)
        return r;
    r = read_section(reader, EXCEPTIONS, read_exceptions);
    if (r < 0)
        return r;
    r = read_section(reader, ALERTS, read_alerts);
    return r < 0 ? r : ng_alerts_finish(&reader->alerts, &reader->policy->alerts, reader->error);
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
    policy->exceptions = reader->rules.exceptions;
    policy->n_exceptions = reader->rules.n_exceptions;
}

static int read_policy(struct ng_policy *policy, struct ng_arena *scratch,
                       const struct ng_policy_text *texts, size_t count, struct ng_error *error) {
    struct reader reader = {
        .scratch = scratch,
        .policy = policy,
        .defaults = {.action = NG_ALERT, .severity = NG_HIGH},
        .zones = {.arena = policy->arena},
        .usage = {.arena = policy->arena, .zones = &reader.zones},
        .rules = {.arena = policy->arena,
                  .groups = ng_port_groups_new(policy->arena),
                  .zones = &reader.zones},
        .alerts = {.arena = policy->arena},
        .error = error,
    };
    if (!reader.rules.groups)
        return ng_error_set(error, -ENOMEM, texts[0].name, "out of memory");
    int r = read_files(&reader, texts, count);
    if (r < 0)
        return r;
    r = read_sections(&reader);
    if (r == 0)
        take_over(policy, &reader);
    return r;
}

int ng_policy_parse(const struct ng_policy_text *texts, size_t count, struct ng_policy **ret_policy,
                    struct ng_error *error) {
    bool built_in = count == 0;
    if (built_in) {
        texts = &ng_built_in_policy;
        count = 1;
    }
    _cleanup_(ng_arena_freep) struct ng_arena *scratch = ng_arena_new();
    _cleanup_(ng_policy_freep) struct ng_policy *policy = policy_new();
    if (!scratch || !policy)
        return ng_error_set(error, -ENOMEM, texts[0].name, "out of memory");
    policy->built_in = built_in;
    int r = read_policy(policy, scratch, texts, count, error);
    if (r < 0)
        return r;
    *ret_policy = TAKE_PTR(policy);
    return 0;
}

void ng_policy_free(struct ng_policy *policy) {
    if (policy)
        ng_arena_free(policy->arena);
}

void ng_policy_freep(struct ng_policy **policy) {
    ng_policy_free(*policy);
}
