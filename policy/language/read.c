/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Typed questions to the tree: each either answers or fails with what was found and what was
 * expected, at its place. */
#include "policy/language/tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_TEXT_BYTES 1024
#define MAX_ID_BYTES   64

static size_t char_len(const char *text) {
    size_t len = 1;
    while (((unsigned char)text[len] & 0xc0) == 0x80)
        len++;
    return len;
}

/* U+0080…U+009F, and the characters that reorder or break a line: an error message must look
 * on the terminal like what it says. */
static bool is_treacherous(const unsigned char *c) {
    if (c[0] == 0xc2)
        return c[1] < 0xa0;
    if (c[0] != 0xe2)
        return false;
    return (c[1] == 0x80 && c[2] >= 0xa8 && c[2] <= 0xae) ||
           (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9);
}

const char *ng_quote(const char *text, char buffer[static NG_FOUND_TEXT]) {
    static const size_t room = NG_FOUND_TEXT - sizeof("…\"") - sizeof("\\xff\\xff\\xff");
    size_t used = 0;

    buffer[used++] = '"';
    while (*text && used < room) {
        size_t len = char_len(text);
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f || is_treacherous((const unsigned char *)text)) {
            for (size_t i = 0; i < len; i++)
                used += (size_t)snprintf(buffer + used, NG_FOUND_TEXT - used, "\\x%02x",
                                         (unsigned char)text[i]);
        } else {
            memcpy(buffer + used, text, len);
            used += len;
        }
        text += len;
    }
    snprintf(buffer + used, NG_FOUND_TEXT - used, "%s\"", *text ? "…" : "");
    return buffer;
}

const char *ng_node_found(const struct ng_node *node, char buffer[static NG_FOUND_TEXT]) {
    switch (node->type) {
    case NG_NODE_NULL:
        return "nothing";
    case NG_NODE_LIST:
        return node->count == 0 ? "an empty list" : "a list";
    case NG_NODE_MAPPING:
        return "a mapping";
    case NG_NODE_BOOL:
        snprintf(buffer, NG_FOUND_TEXT, "the truth value %s", node->text);
        return buffer;
    case NG_NODE_NUMBER:
    case NG_NODE_FLOAT:
        snprintf(buffer, NG_FOUND_TEXT, "the number %.40s%s", node->text,
                 strlen(node->text) > 40 ? "…" : "");
        return buffer;
    case NG_NODE_TEXT:
        break;
    }
    return ng_quote(node->text, buffer);
}

static size_t find_key(const char *text, const char *const *keys, size_t n_keys) {
    size_t i = 0;
    while (i < n_keys && strcmp(text, keys[i]) != 0)
        i++;
    return i;
}

static int unknown_key(const struct ng_node *key, const char *what, const char *const *keys,
                       size_t n_keys, struct ng_faults *faults) {
    char quoted[NG_FOUND_TEXT], hint[NG_HINT_TEXT], known[200];
    return ng_node_fault(faults, key, -EINVAL, "unknown key %s in %s; expected %s%s",
                         ng_quote(key->text, quoted), what,
                         ng_enumerate(keys, n_keys, known, sizeof(known)),
                         ng_hint(key->text, keys, n_keys, hint));
}

int ng_read_mapping(const struct ng_node *node, const char *what, const char *const *keys,
                    size_t n_keys, const struct ng_node **ret_values, struct ng_faults *faults) {
    char found[NG_FOUND_TEXT], known[200];
    int r = 0;

    for (size_t i = 0; i < n_keys; i++)
        ret_values[i] = NULL;
    if (node->type != NG_NODE_MAPPING)
        return ng_node_fault(faults, node, -EINVAL, "expected a mapping for %s (%s), found %s",
                             what, ng_enumerate(keys, n_keys, known, sizeof(known)),
                             ng_node_found(node, found));
    for (size_t i = 0; i < node->count && ng_faults_go_on(faults); i++) {
        size_t k = find_key(node->items[i]->key->text, keys, n_keys);
        if (k == n_keys)
            r = unknown_key(node->items[i]->key, what, keys, n_keys, faults);
        else
            ret_values[k] = node->items[i];
    }
    return r;
}

size_t ng_expect_list(const struct ng_node *node, const char *what, struct ng_faults *faults) {
    char found[NG_FOUND_TEXT];

    if (node->type == NG_NODE_LIST)
        return node->count;
    ng_node_fault(faults, node, -EINVAL, "expected a list for %s, found %s", what,
                  ng_node_found(node, found));
    return 0;
}

int ng_read_word(const struct ng_node *node, const char *what, const char *const *words,
                 size_t n_words, size_t *ret_index, struct ng_faults *faults) {
    char found[NG_FOUND_TEXT], hint[NG_HINT_TEXT] = "", known[200];

    if (node->type == NG_NODE_TEXT) {
        size_t i = find_key(node->text, words, n_words);
        if (i < n_words) {
            *ret_index = i;
            return 0;
        }
        ng_hint(node->text, words, n_words, hint);
    }
    return ng_node_fault(faults, node, -EINVAL, "expected %s for %s, found %s%s",
                         ng_enumerate(words, n_words, known, sizeof(known)), what,
                         ng_node_found(node, found), hint);
}

static int expect_text(const struct ng_node *node, const char *what, struct ng_faults *faults) {
    char found[NG_FOUND_TEXT];

    switch (node->type) {
    case NG_NODE_TEXT:
        break;
    case NG_NODE_BOOL:
    case NG_NODE_NUMBER:
    case NG_NODE_FLOAT:
        return ng_node_fault(faults, node, -EINVAL,
                             "expected text for %s, found %s; put it in quotes", what,
                             ng_node_found(node, found));
    default:
        return ng_node_fault(faults, node, -EINVAL, "expected text for %s, found %s", what,
                             ng_node_found(node, found));
    }
    if (strlen(node->text) > MAX_TEXT_BYTES)
        return ng_node_fault(faults, node, -E2BIG, "%s has more than %d bytes", what,
                             MAX_TEXT_BYTES);
    return 0;
}

static int copy_text(struct ng_arena *arena, const struct ng_node *node, const char **ret_text,
                     struct ng_faults *faults) {
    char *text = ng_arena_strdup(arena, node->text);
    if (!text)
        return ng_faults_no_memory(faults);
    *ret_text = text;
    return 0;
}

int ng_read_text_or_empty(struct ng_arena *arena, const struct ng_node *node, const char *what,
                          const char **ret_text, struct ng_faults *faults) {
    char found[NG_FOUND_TEXT];
    int r = expect_text(node, what, faults);
    if (r < 0)
        return r;
    for (const char *c = node->text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return ng_node_fault(faults, node, -EINVAL, "%s holds a control character: %s", what,
                                 ng_quote(node->text, found));
    return copy_text(arena, node, ret_text, faults);
}

int ng_read_text(struct ng_arena *arena, const struct ng_node *node, const char *what,
                 const char **ret_text, struct ng_faults *faults) {
    if (node->type == NG_NODE_TEXT && !*node->text)
        return ng_node_fault(faults, node, -EINVAL, "%s is empty; expected at least one character",
                             what);
    return ng_read_text_or_empty(arena, node, what, ret_text, faults);
}

static bool is_id(const char *text) {
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return len > 0 && len <= MAX_ID_BYTES && !text[len] && text[0] != '-' && text[0] != '.';
}

int ng_read_id(struct ng_arena *arena, const struct ng_node *node, const char *what,
               const char **ret_id, struct ng_faults *faults) {
    char found[NG_FOUND_TEXT];
    int r = expect_text(node, what, faults);
    if (r < 0)
        return r;
    if (!is_id(node->text))
        return ng_node_fault(faults, node, -EINVAL,
                             "%s is 1 to %d letters, digits, '.', '_' or '-' and begins with a "
                             "letter, a digit or '_', found %s",
                             what, MAX_ID_BYTES, ng_node_found(node, found));
    return copy_text(arena, node, ret_id, faults);
}

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

int ng_read_prose(struct ng_arena *arena, const struct ng_node *node, const char *what,
                  const char **ret_text, struct ng_faults *faults) {
    int r = expect_text(node, what, faults);
    if (r < 0)
        return r;
    char *text = ng_arena_strdup(arena, node->text);
    if (!text)
        return ng_faults_no_memory(faults);
    char *to = text;
    for (const char *from = node->text; *from; from++) {
        if (!is_blank(*from))
            *to++ = *from;
        else if (to > text && to[-1] != ' ')
            *to++ = ' ';
    }
    if (to > text && to[-1] == ' ')
        to--;
    *to = '\0';
    if (to == text)
        return ng_node_fault(faults, node, -EINVAL, "%s is empty; expected at least one word",
                             what);
    *ret_text = text;
    return 0;
}

int ng_read_texts(struct ng_arena *arena, const struct ng_node *node, const char *what,
                  struct ng_strings *ret_texts, struct ng_faults *faults) {
    size_t count = ng_node_count(node);
    if (count == 0)
        return ng_node_fault(faults, node, -EINVAL,
                             "expected at least one text for %s, found an empty list", what);
    const char **items = ng_arena_alloc(arena, count, sizeof(*items));
    if (!items)
        return ng_faults_no_memory(faults);
    int r = 0;
    for (size_t i = 0; i < count && ng_faults_go_on(faults); i++)
        if (ng_read_text(arena, ng_node_item(node, i), what, &items[i], faults) < 0)
            r = -EINVAL;
    if (r == 0)
        *ret_texts = (struct ng_strings){.items = items, .count = count};
    return r;
}
