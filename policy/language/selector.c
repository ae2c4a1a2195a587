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

static int add_label(struct ng_arena *arena, struct labels *labels, const char *key,
                     const struct ng_node *value, struct ng_error *error) {
    const char *glob;

    if (value->type == NG_NODE_NULL)
        return ng_node_error(error, value, -EINVAL,
                             "expected a glob for the label, found nothing; \"*\" stands for any "
                             "value");
    int r = ng_read_text_or_empty(arena, value, "the value of a label", &glob, error);
    if (r < 0)
        return r;
    struct ng_label *label = NG_ARENA_APPEND(arena, labels->items, labels->count, labels->capacity);
    if (!label)
        return ng_error_set(error, -ENOMEM, value->source, "out of memory");
    *label = (struct ng_label){.key = key, .value = glob};
    return 0;
}

/* A label with a list of globs becomes one entry per glob, all under the same key. */
static int read_label(struct ng_arena *arena, struct labels *labels, const struct ng_node *node,
                      struct ng_error *error) {
    const char *key = ng_arena_strdup(arena, node->key->text);
    if (!key)
        return ng_error_set(error, -ENOMEM, node->source, "out of memory");
    size_t count = ng_node_count(node);
    if (count == 0)
        return ng_node_error(error, node, -EINVAL,
                             "expected at least one glob for the label, found an empty list");
    for (size_t i = 0; i < count; i++) {
        int r = add_label(arena, labels, key, ng_node_item(node, i), error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_labels(struct ng_arena *arena, const struct ng_node *node,
                       struct ng_selector *selector, struct ng_error *error) {
    char found[NG_FOUND_TEXT];
    struct labels labels = {0};

    if (node->type != NG_NODE_MAPPING || node->count == 0)
        return ng_node_error(error, node, -EINVAL,
                             "expected a mapping of label to glob for 'label', such as "
                             "{role: gateway}, found %s",
                             node->type == NG_NODE_MAPPING ? "an empty mapping"
                                                           : ng_node_found(node, found));
    for (size_t i = 0; i < node->count; i++) {
        int r = read_label(arena, &labels, node->items[i], error);
        if (r < 0)
            return r;
    }
    selector->labels = labels.items;
    selector->n_labels = labels.count;
    return 0;
}

static int read_host(struct ng_arena *arena, const struct ng_node *node,
                     struct ng_selector *selector, struct ng_error *error) {
    static const char *const host_keys[] = {"process"};
    const struct ng_node *process;

    if (node->type != NG_NODE_MAPPING) {
        char found[NG_FOUND_TEXT];
        return ng_node_error(error, node, -EINVAL,
                             "expected a mapping for 'host', found %s; {host: {process: sshd}} is "
                             "one service of this machine, {host: {}} are all of them",
                             ng_node_found(node, found));
    }
    int r = ng_read_mapping(node, "'host'", host_keys, ARRAY_SIZE(host_keys), &process, error);
    if (r < 0)
        return r;
    selector->host = true;
    return process ? ng_read_texts(arena, process, "'process'", &selector->process, error) : 0;
}

static int read_selector(struct ng_arena *arena, const struct ng_node *node,
                         struct ng_selector *selector, struct ng_error *error) {
    const struct ng_node *values[N_KEYS];
    struct ng_strings *const patterns[] = {
        [NAME] = &selector->name,   [IMAGE] = &selector->image,     [SERVICE] = &selector->service,
        [STACK] = &selector->stack, [NETWORK] = &selector->network,
    };
    static const char *const names[] = {
        [NAME] = "'name'",   [IMAGE] = "'image'",     [SERVICE] = "'service'",
        [STACK] = "'stack'", [NETWORK] = "'network'",
    };

    int r = ng_read_mapping(node, "a selector", selector_keys, N_KEYS, values, error);
    if (r < 0)
        return r;
    if (node->count == 0)
        return ng_node_error(error, node, -EINVAL,
                             "an empty selector would match every container; expected at least "
                             "one key, or {name: \"*\"} to say so");
    if (values[HOST] && node->count > 1)
        return ng_node_error(error, values[HOST]->key, -EINVAL,
                             "'host' stands alone in a selector: the machine's own services have "
                             "no name, image, network or label");
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        r = values[i] ? ng_read_texts(arena, values[i], names[i], patterns[i], error) : 0;
        if (r < 0)
            return r;
    }
    r = values[LABEL] ? read_labels(arena, values[LABEL], selector, error) : 0;
    if (r < 0)
        return r;
    return values[HOST] ? read_host(arena, values[HOST], selector, error) : 0;
}

int ng_selectors_read(struct ng_arena *arena, const struct ng_node *node, const char *what,
                      const struct ng_selector **ret_any_of, size_t *ret_count,
                      struct ng_error *error) {
    size_t count = ng_node_count(node);
    if (count == 0)
        return ng_node_error(error, node, -EINVAL,
                             "expected at least one selector for %s, found an empty list", what);
    struct ng_selector *any_of = ng_arena_alloc(arena, count, sizeof(*any_of));
    if (!any_of)
        return ng_error_set(error, -ENOMEM, node->source, "out of memory");
    for (size_t i = 0; i < count; i++) {
        int r = read_selector(arena, ng_node_item(node, i), &any_of[i], error);
        if (r < 0)
            return r;
    }
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
