/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_TREE_H
#define NETGUARD_LANGUAGE_TREE_H

/* A policy file as a tree of values, each with its place in the text, and the small set of
 * questions that the meaning of the language is read with. */

#include "netguard/base.h"
#include "netguard/policy.h"
#include "policy/language/faults.h"

enum ng_node_type {
    NG_NODE_NULL,
    NG_NODE_BOOL,
    NG_NODE_NUMBER, /* a whole number */
    NG_NODE_FLOAT,  /* no key takes one: only its text is kept */
    NG_NODE_TEXT,
    NG_NODE_LIST,
    NG_NODE_MAPPING,
};

struct ng_node {
    enum ng_node_type type;
    unsigned line, column; /* 1-based, column in characters */
    const char *source;    /* name of the file */
    const char *text;      /* of a scalar, as written (quotes and escapes undone); no NUL in it */
    int64_t number;        /* NUMBER; what does not fit is INT64_MIN or INT64_MAX */
    const struct ng_node *key; /* in a mapping: the key this value stands under, else NULL */
    struct ng_node **items;    /* of a LIST or MAPPING */
    size_t count, capacity;
};

/* Text to tree. YAML 1.2 core schema, less what a policy has no use for: anchors, aliases,
 * tags, merge keys and several documents are errors, as are duplicate keys. A text that says
 * nothing gives *ret_root == NULL. -EINVAL, -E2BIG over a bound, -ENOMEM; where nothing but
 * duplicate keys is wrong there is a tree all the same.
 * The tree points to nothing in `text` but its name. */
int ng_tree_parse(struct ng_arena *arena, const struct ng_policy_text *text,
                  const struct ng_node **ret_root, struct ng_faults *faults) _must_check_;

/* Type and number of a plain scalar by the core schema of YAML 1.2, chapter 10.3. */
enum ng_node_type ng_scalar_resolve(const char *text, int64_t *ret_number);

/* Checks that the bytes are UTF-8 and hold only what libyaml takes; -EINVAL with the place. */
int ng_text_check(const struct ng_policy_text *text, struct ng_faults *faults) _must_check_;

/* -- asking the tree ----------------------------------------------------------------- */

#define ng_node_fault(faults, node, code, ...)                                                     \
    ng_fault_add((faults), (code), (node)->source, (node)->line, (node)->column, __VA_ARGS__)

static inline struct ng_place ng_node_place(const struct ng_node *node) {
    return (struct ng_place){node->source, node->line, node->column};
}

/* Room for one quoted or described value, and for one "; did you mean …?". */
#define NG_FOUND_TEXT 112
#define NG_HINT_TEXT  112

/* `text` in double quotes, shortened and with everything that is not printable escaped. */
const char *ng_quote(const char *text, char buffer[static NG_FOUND_TEXT]);

/* What stands there, for "found …": a list, nothing, the number 7, "text". */
const char *ng_node_found(const struct ng_node *node, char buffer[static NG_FOUND_TEXT]);

/* "; did you mean "x"?" or "". */
const char *ng_hint(const char *text, const char *const *names, size_t count,
                    char buffer[static NG_HINT_TEXT]);

/* The names as "a, b, c or d", cut where the buffer ends. */
const char *ng_enumerate(const char *const *names, size_t count, char *buffer, size_t size_bytes);

/* Where a list is expected, one item may stand alone. */
static inline size_t ng_node_count(const struct ng_node *node) {
    return node->type == NG_NODE_LIST ? node->count : 1;
}

static inline const struct ng_node *ng_node_item(const struct ng_node *node, size_t i) {
    return node->type == NG_NODE_LIST ? node->items[i] : node;
}

/* All of these tell `faults` what is wrong, return its code and leave their result as it was. */

/* Sorts the values of a mapping by `keys`: ret_values[i] is what stands under keys[i], NULL
 * where the key is absent. A key that is not in the list is an error: what seems to be missing may
 * be meant by it, and all the others stand in ret_values. `what` names the mapping: "a rule". */
int ng_read_mapping(const struct ng_node *node, const char *what, const char *const *keys,
                    size_t n_keys, const struct ng_node **ret_values, struct ng_faults *faults);

/* How many items the list has (`what`: "'rules'"); what is no list has none, and a fault. */
size_t ng_expect_list(const struct ng_node *node, const char *what, struct ng_faults *faults);

/* One of the words; its place in the list. */
int ng_read_word(const struct ng_node *node, const char *what, const char *const *words,
                 size_t n_words, size_t *ret_index, struct ng_faults *faults);

/* Text without control characters, not empty and of bounded length, copied into the arena. */
int ng_read_text(struct ng_arena *arena, const struct ng_node *node, const char *what,
                 const char **ret_text, struct ng_faults *faults);

/* The same with empty text allowed: the value of a label may be empty. */
int ng_read_text_or_empty(struct ng_arena *arena, const struct ng_node *node, const char *what,
                          const char **ret_text, struct ng_faults *faults);

/* The name of a rule, zone or port group: letters, digits, '.', '_', '-'; 64 at most. */
int ng_read_id(struct ng_arena *arena, const struct ng_node *node, const char *what,
               const char **ret_id, struct ng_faults *faults);

/* A text for people: runs of blanks and line breaks become one space. */
int ng_read_prose(struct ng_arena *arena, const struct ng_node *node, const char *what,
                  const char **ret_text, struct ng_faults *faults);

/* One text or a list of them, at least one. */
int ng_read_texts(struct ng_arena *arena, const struct ng_node *node, const char *what,
                  struct ng_strings *ret_texts, struct ng_faults *faults);

#endif
