/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Selectors: which containers, or which services of the machine itself. */
#include "policy/language/selector.h"

#include <errno.h>
#include <string.h>

/* -- reading ------------------------------------------------------------------------- */

enum selector_key { NAME, IMAGE, SERVICE, STACK, NETWORK, LABEL, HOST, N_KEYS };

static const char *const selector_keys[N_KEYS] = {
    [NAME] = "name",       [IMAGE] = "image", [SERVICE] = "service", [STACK] = "stack",
    [NETWORK] = "network", [LABEL] = "label", [HOST] = "host",
};

struct labels {
    struct ng_label *items;
    size_t count, capacity;
};

static void add_label(struct ng_arena *arena, struct labels *labels, const char *key,
                      const struct ng_node *value, struct ng_faults *faults) {
    const char *glob = NULL;

    if (value->type == NG_NODE_NULL)
        ng_node_fault(faults, value, -EINVAL,
                      "expected a glob for the label, found nothing; \"*\" stands for any value");
    else
        ng_read_text_or_empty(arena, value, "the value of a label", &glob, faults);
    struct ng_label *label = NG_ARENA_APPEND(arena, labels->items, labels->count, labels->capacity);
    if (label)
        *label = (struct ng_label){.key = key, .value = glob};
    else
        ng_faults_no_memory(faults);
}

/* A label with a list of globs becomes one entry per glob, all under the same key. */
static void read_label(struct ng_arena *arena, struct labels *labels, const struct ng_node *node,
                       struct ng_faults *faults) {
    const char *key = ng_arena_strdup(arena, node->key->text);
    size_t count = ng_node_count(node);
    if (!key)
        ng_faults_no_memory(faults);
    if (count == 0)
        ng_node_fault(faults, node, -EINVAL,
                      "expected at least one glob for the label, found an empty list");
    for (size_t i = 0; i < count && ng_faults_go_on(faults); i++)
        add_label(arena, labels, key, ng_node_item(node, i), faults);
}

static void read_labels(struct ng_arena *arena, const struct ng_node *node,
                        struct ng_selector *selector, struct ng_faults *faults) {
    char found[NG_FOUND_TEXT];
    struct labels labels = {0};

    if (node->type != NG_NODE_MAPPING || node->count == 0) {
        ng_node_fault(faults, node, -EINVAL,
                      "expected a mapping of label to glob for 'label', such as {role: gateway}, "
                      "found %s",
                      node->type == NG_NODE_MAPPING ? "an empty mapping"
                                                    : ng_node_found(node, found));
        return;
    }
    for (size_t i = 0; i < node->count && ng_faults_go_on(faults); i++)
        read_label(arena, &labels, node->items[i], faults);
    selector->labels = labels.items;
    selector->n_labels = labels.count;
}

static void read_host(struct ng_arena *arena, const struct ng_node *node,
                      struct ng_selector *selector, struct ng_faults *faults) {
    static const char *const host_keys[] = {"process"};
    const struct ng_node *process;

    selector->host = true;
    if (node->type != NG_NODE_MAPPING) {
        char found[NG_FOUND_TEXT];
        ng_node_fault(faults, node, -EINVAL,
                      "expected a mapping for 'host', found %s; {host: {process: sshd}} is one "
                      "service of this machine, {host: {}} are all of them",
                      ng_node_found(node, found));
        return;
    }
    ng_read_mapping(node, "'host'", host_keys, ARRAY_SIZE(host_keys), &process, faults);
    if (process)
        ng_read_texts(arena, process, "'process'", &selector->process, faults);
}

static void read_selector(struct ng_arena *arena, const struct ng_node *node,
                          struct ng_selector *selector, struct ng_faults *faults) {
    const struct ng_node *values[N_KEYS];
    struct ng_strings *const patterns[] = {
        [NAME] = &selector->name,   [IMAGE] = &selector->image,     [SERVICE] = &selector->service,
        [STACK] = &selector->stack, [NETWORK] = &selector->network,
    };
    static const char *const names[] = {
        [NAME] = "'name'",   [IMAGE] = "'image'",     [SERVICE] = "'service'",
        [STACK] = "'stack'", [NETWORK] = "'network'",
    };

    int r = ng_read_mapping(node, "a selector", selector_keys, N_KEYS, values, faults);
    if (r == 0 && node->count == 0)
        ng_node_fault(faults, node, -EINVAL,
                      "an empty selector would match every container; expected at least one key, "
                      "or {name: \"*\"} to say so");
    if (values[HOST] && node->count > 1)
        ng_node_fault(faults, values[HOST]->key, -EINVAL,
                      "'host' stands alone in a selector: the machine's own services have no "
                      "name, image, network or label");
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
        if (values[i])
            ng_read_texts(arena, values[i], names[i], patterns[i], faults);
    if (values[LABEL])
        read_labels(arena, values[LABEL], selector, faults);
    if (values[HOST])
        read_host(arena, values[HOST], selector, faults);
}

int ng_selectors_read(struct ng_arena *arena, const struct ng_node *node, const char *what,
                      const struct ng_selector **ret_any_of, size_t *ret_count,
                      struct ng_faults *faults) {
    size_t count = ng_node_count(node);
    if (count == 0)
        return ng_node_fault(faults, node, -EINVAL,
                             "expected at least one selector for %s, found an empty list", what);
    struct ng_selector *any_of = ng_arena_alloc(arena, count, sizeof(*any_of));
    if (!any_of)
        return ng_faults_no_memory(faults);
    for (size_t i = 0; i < count && ng_faults_go_on(faults); i++)
        read_selector(arena, ng_node_item(node, i), &any_of[i], faults);
    *ret_any_of = any_of;
    *ret_count = count;
    return 0;
}

/* -- matching ------------------------------------------------------------------------ */

/* A pattern never matches what is not there or not known. */
static bool any_matches(struct ng_strings globs, const char *text) {
    for (size_t i = 0; text && i < globs.count; i++)
        if (ng_glob_match(globs.items[i], text))
            return true;
    return false;
}

static bool asked_matches(struct ng_strings globs, const char *text) {
    return globs.count == 0 || any_matches(globs, text);
}

static bool network_matches(struct ng_strings globs, const struct ng_container *container) {
    for (size_t i = 0; i < container->n_endpoints; i++)
        if (any_matches(globs, container->endpoints[i].network))
            return true;
    return globs.count == 0;
}

static const char *label_value(const struct ng_container *container, const char *key) {
    for (size_t i = 0; i < container->n_labels; i++)
        if (strcmp(container->labels[i].key, key) == 0)
            return container->labels[i].value;
    return NULL;
}

/* Entries of one key stand together (see read_label) and are alternatives; the keys are
 * conditions that must all hold. */
static bool labels_match(const struct ng_selector *selector, const struct ng_container *container) {
    for (size_t i = 0; i < selector->n_labels;) {
        const char *key = selector->labels[i].key, *value = label_value(container, key);
        bool matched = false;
        for (; i < selector->n_labels && strcmp(selector->labels[i].key, key) == 0; i++)
            matched = matched || (value && ng_glob_match(selector->labels[i].value, value));
        if (!matched)
            return false;
    }
    return true;
}

static bool container_matches(const struct ng_selector *selector,
                              const struct ng_container *container) {
    return asked_matches(selector->name, container->name) &&
           asked_matches(selector->image, container->image) &&
           asked_matches(selector->service, container->service) &&
           asked_matches(selector->stack, container->stack) &&
           network_matches(selector->network, container) && labels_match(selector, container);
}

bool ng_selector_match(const struct ng_selector *any_of, size_t count,
                       const struct ng_container *container, const char *process) {
    for (size_t i = 0; i < count; i++) {
        const struct ng_selector *selector = &any_of[i];
        if (selector->host != !container)
            continue;
        if (container ? container_matches(selector, container)
                      : asked_matches(selector->process, process))
            return true;
    }
    return false;
}
