/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text to tree: a loop over libyaml's events with an explicit, bounded stack. libyaml knows
 * YAML 1.1's grammar, which is the same; its types are not, so they are resolved here. */
#include "policy/language/syntax.h"
#include "policy/language/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define MAX_SIZE_BYTES (1u << 20)
#define MAX_DEPTH      32
#define MAX_NODES      100000

struct level {
    struct ng_node *node;
    const struct ng_node *key; /* of a mapping: the key whose value comes next */
};

struct builder {
    struct ng_arena *arena;
    const char *source;
    struct ng_faults *faults;
    struct ng_node *root;
    struct level stack[MAX_DEPTH];
    size_t depth, n_nodes, n_documents;
    int duplicates; /* -EINVAL: there are duplicate keys */
};

static unsigned line_of(const yaml_event_t *event) {
    return (unsigned)event->start_mark.line + 1;
}

static unsigned column_of(const yaml_event_t *event) {
    return (unsigned)event->start_mark.column + 1;
}

#define event_fault(b, event, code, ...)                                                           \
    ng_fault_add((b)->faults, (code), (b)->source, line_of(event), column_of(event), __VA_ARGS__)

static int no_memory(struct builder *b) {
    return ng_faults_no_memory(b->faults);
}

static struct ng_node *node_new(struct builder *b, const yaml_event_t *event,
                                enum ng_node_type type) {
    struct ng_node *node = ng_arena_alloc(b->arena, 1, sizeof(*node));
    if (!node)
        return NULL;
    node->type = type;
    node->source = b->source;
    node->line = line_of(event);
    node->column = column_of(event);
    return node;
}

static int take_key(struct builder *b, struct level *level, const struct ng_node *key) {
    if (key->type == NG_NODE_LIST || key->type == NG_NODE_MAPPING)
        return ng_node_fault(b->faults, key, -EINVAL,
                             "a key must be one word, found %s; quote a text that begins with "
                             "'[' or '{'",
                             key->type == NG_NODE_LIST ? "a list" : "a mapping");
    if (!*key->text)
        return ng_node_fault(b->faults, key, -EINVAL, "a key is missing before ':'");
    if (strcmp(key->text, "<<") == 0)
        return ng_node_fault(b->faults, key, -EINVAL,
                             "merge keys ('<<') are not part of the policy language; "
                             "write the keys out");
    level->key = key;
    return 0;
}

/* Puts a node where it belongs: the root, the next item, the next key or that key's value. */
static int place(struct builder *b, struct ng_node *node) {
    if (++b->n_nodes > MAX_NODES)
        return ng_node_fault(b->faults, node, -E2BIG, "more than %d values in one file", MAX_NODES);
    if (b->depth == 0) {
        b->root = node;
        return 0;
    }
    struct level *level = &b->stack[b->depth - 1];
    struct ng_node *parent = level->node;
    if (parent->type == NG_NODE_MAPPING && !level->key)
        return take_key(b, level, node);

    struct ng_node **slot =
        NG_ARENA_APPEND(b->arena, parent->items, parent->count, parent->capacity);
    if (!slot)
        return no_memory(b);
    node->key = level->key;
    level->key = NULL;
    *slot = node;
    return 0;
}

static int add_scalar(struct builder *b, const yaml_event_t *event) {
    const char *value = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;

    if (memchr(value, '\0', len))
        return event_fault(b, event, -EINVAL, "a NUL character is not allowed in a text");
    struct ng_node *node = node_new(b, event, NG_NODE_TEXT);
    if (!node)
        return no_memory(b);
    node->text = ng_arena_strndup(b->arena, value, len);
    if (!node->text)
        return no_memory(b);
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        node->type = ng_scalar_resolve(node->text, &node->number);
    return place(b, node);
}

static int open_level(struct builder *b, const yaml_event_t *event, enum ng_node_type type) {
    if (b->depth == MAX_DEPTH)
        return event_fault(b, event, -E2BIG, "nested more than %d levels deep", MAX_DEPTH);
    struct ng_node *node = node_new(b, event, type);
    if (!node)
        return no_memory(b);
    int r = place(b, node);
    if (r < 0)
        return r;
    b->stack[b->depth++] = (struct level){.node = node};
    return 0;
}

static int compare_keys(const void *left, const void *right) {
    const struct ng_node *const *a = left, *const *b = right;
    int order = strcmp((*a)->key->text, (*b)->key->text);
    if (order != 0)
        return order;
    if ((*a)->key->line != (*b)->key->line)
        return (*a)->key->line < (*b)->key->line ? -1 : 1;
    return (*a)->key->column < (*b)->key->column ? -1 : 1;
}

/* Told of and no reason to stop: the tree is as good as any. */
static int tell_duplicate_keys(struct builder *b, const struct ng_node *mapping) {
    const struct ng_node **sorted = ng_arena_alloc(b->arena, mapping->count, sizeof(*sorted));
    if (!sorted)
        return no_memory(b);
    for (size_t i = 0; i < mapping->count; i++)
        sorted[i] = mapping->items[i];
    if (mapping->count > 1)
        qsort(sorted, mapping->count, sizeof(*sorted), compare_keys);

    for (size_t i = 1, first = 0; i < mapping->count; i++) {
        const struct ng_node *key = sorted[i]->key;
        char quoted[NG_FOUND_TEXT];
        if (strcmp(sorted[first]->key->text, key->text) != 0)
            first = i;
        else
            b->duplicates = ng_node_fault(b->faults, key, -EINVAL,
                                          "duplicate key %s; it already stands at line %u",
                                          ng_quote(key->text, quoted), sorted[first]->key->line);
    }
    return 0;
}

static int close_level(struct builder *b) {
    const struct ng_node *node = b->stack[--b->depth].node;
    return node->type == NG_NODE_MAPPING ? tell_duplicate_keys(b, node) : 0;
}

static int start_document(struct builder *b, const yaml_event_t *event) {
    const yaml_version_directive_t *version = event->data.document_start.version_directive;

    if (b->n_documents++ > 0)
        return event_fault(b, event, -EINVAL,
                           "a second document begins here; a policy file is one document");
    if (version && version->minor != 2)
        return event_fault(b, event, -EINVAL,
                           "a policy is YAML 1.2, found '%%YAML %d.%d'; remove that line",
                           version->major, version->minor);
    return 0;
}

static int refuse_decoration(struct builder *b, const yaml_event_t *event,
                             const yaml_char_t *anchor, const yaml_char_t *tag) {
    if (anchor)
        return event_fault(b, event, -EINVAL,
                           "anchors ('&name') are not part of the policy language; "
                           "write the value out wherever it is needed");
    if (tag)
        return event_fault(b, event, -EINVAL,
                           "tags ('!name') are not part of the policy language; "
                           "quote the text if it begins with '!'");
    return 0;
}

static int take_event(struct builder *b, const yaml_event_t *event) {
    int r;

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return start_document(b, event);
    case YAML_ALIAS_EVENT:
        return event_fault(b, event, -EINVAL,
                           "aliases ('*name') are not part of the policy language; "
                           "write the value out, or quote a glob that begins with '*'");
    case YAML_SCALAR_EVENT:
        r = refuse_decoration(b, event, event->data.scalar.anchor, event->data.scalar.tag);
        return r < 0 ? r : add_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        r = refuse_decoration(b, event, event->data.sequence_start.anchor,
                              event->data.sequence_start.tag);
        return r < 0 ? r : open_level(b, event, NG_NODE_LIST);
    case YAML_MAPPING_START_EVENT:
        r = refuse_decoration(b, event, event->data.mapping_start.anchor,
                              event->data.mapping_start.tag);
        return r < 0 ? r : open_level(b, event, NG_NODE_MAPPING);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_level(b);
    default: /* stream start and end, document end: nothing to keep */
        return 0;
    }
}

static int read_events(struct builder *b, yaml_parser_t *parser,
                       const struct ng_policy_text *text) {
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return ng_syntax_error(parser, text, b->faults);
        bool end = event.type == YAML_STREAM_END_EVENT;
        int r = take_event(b, &event);
        yaml_event_delete(&event);
        if (r < 0 || end)
            return r;
    }
}

/* Tag directives have no use without tags, and libyaml compares each with all before it: a
 * file of them would take seconds. Nothing else in a policy begins a line like that. */
static int refuse_tag_directives(const struct ng_policy_text *text, struct ng_faults *faults) {
    const char *line = text->bytes, *end = text->bytes + text->len_bytes;

    for (unsigned number = 1; line; number++) {
        if (end - line >= 4 && memcmp(line, "%TAG", 4) == 0)
            return ng_fault_add(faults, -EINVAL, text->name, number, 1,
                                "%%TAG is not part of the policy language; remove that line");
        line = memchr(line, '\n', (size_t)(end - line));
        line = line ? line + 1 : NULL;
    }
    return 0;
}

/* An editor on Windows may have put a byte order mark before the text: it is no character
 * of it, and columns do not count it. */
static struct ng_policy_text without_mark(struct ng_policy_text text) {
    if (text.len_bytes >= 3 && memcmp(text.bytes, "\xef\xbb\xbf", 3) == 0) {
        text.bytes += 3;
        text.len_bytes -= 3;
    }
    return text;
}

int ng_tree_parse(struct ng_arena *arena, const struct ng_policy_text *given,
                  const struct ng_node **ret_root, struct ng_faults *faults) {
    if (given->len_bytes > MAX_SIZE_BYTES)
        return ng_fault_add(faults, -E2BIG, given->name, 0, 0,
                            "the file has %zu bytes; a policy file has %u at most",
                            given->len_bytes, MAX_SIZE_BYTES);
    if (given->len_bytes == 0) {
        *ret_root = NULL;
        return 0;
    }
    struct ng_policy_text text = without_mark(*given);
    int r = ng_text_check(&text, faults);
    if (r < 0)
        return r;
    r = refuse_tag_directives(&text, faults);
    if (r < 0)
        return r;

    struct builder b = {.arena = arena, .source = text.name, .faults = faults};
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return no_memory(&b);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.bytes, text.len_bytes);
    r = read_events(&b, &parser, &text);
    yaml_parser_delete(&parser);
    if (r < 0)
        return r;
    /* "---" alone, or a file of comments, is an empty document or none. */
    *ret_root = b.root && b.root->type == NG_NODE_NULL ? NULL : b.root;
    return b.duplicates;
}
