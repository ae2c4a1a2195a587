/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libyaml says where and what in the terms of its own scanner. The faults that people make
 * get words of ours; anything else is passed on with its place. */
#include "policy/language/syntax.h"

#include <errno.h>
#include <string.h>

enum place {
    AT_PROBLEM, /* where the scanner stopped */
    AT_CONTEXT, /* where the thing that is broken began */
};

struct translation {
    const char *problem; /* of libyaml 0.2.5 */
    enum place place;
    const char *message;
    const char *began; /* when not NULL: what began at the context's line, told after the message */
};

static const struct translation translations[] = {
    {"mapping values are not allowed in this context", AT_PROBLEM,
     "a ':' is not expected here; check the indentation, and quote a text that contains ': '",
     NULL},
    {"could not find expected ':'", AT_CONTEXT, "expected 'key: value', found no ':' on this line",
     NULL},
    {"did not find expected key", AT_PROBLEM, "expected a key at the indentation of its mapping",
     "the mapping"},
    {"did not find expected '-' indicator", AT_PROBLEM,
     "expected '- ' at the indentation of its list", "the list"},
    {"did not find expected ',' or ']'", AT_PROBLEM, "expected ',' or ']'", "the list"},
    {"did not find expected ',' or '}'", AT_PROBLEM, "expected ',' or '}'", "the mapping"},
    {"found unexpected end of stream", AT_CONTEXT, "a quoted text begins here and never ends",
     NULL},
    {"found unexpected document indicator", AT_CONTEXT,
     "a quoted text begins here and does not end before the document does", NULL},
    {"block sequence entries are not allowed in this context", AT_PROBLEM,
     "a list item ('- ') is not expected here; put it on a line of its own", NULL},
    {"block mapping entries are not allowed in this context", AT_PROBLEM,
     "a '?' key is not expected here", NULL},
    {"mapping keys are not allowed in this context", AT_PROBLEM, "a '?' key is not expected here",
     NULL},
    {"found a tab character that violates indentation", AT_PROBLEM,
     "a tab stands in the indentation; YAML indents with spaces only", NULL},
    {"found a tab character where an indentation space is expected", AT_PROBLEM,
     "a tab stands in the indentation; YAML indents with spaces only", NULL},
    {"found unknown escape character", AT_PROBLEM,
     "unknown escape in a double-quoted text; write '\\\\' for a backslash", NULL},
    {"did not find expected <document start>", AT_PROBLEM,
     "the policy has ended before this; check the indentation of the lines above", NULL},
    {"found incompatible YAML document", AT_PROBLEM, "a policy is YAML 1.2; remove '%YAML'", NULL},
    {"found undefined tag handle", AT_PROBLEM,
     "tags ('!name') are not part of the policy language; quote the text if it begins with '!'",
     NULL},
    {"did not find expected alphabetic or numeric character", AT_CONTEXT,
     "a text that begins with '*' or '&' must be quoted, such as \"*redis*\"", NULL},
    {"found unexpected ':'", AT_PROBLEM,
     "put a space after the ':' of a key; quote a text that ends with ':'", NULL},
    {"did not find expected node content", AT_PROBLEM,
     "expected a value here; quote a text that begins with ':', such as \"::1\"", NULL},
};

static const struct translation *find_translation(const char *problem) {
    for (size_t i = 0; i < ARRAY_SIZE(translations); i++)
        if (strcmp(translations[i].problem, problem) == 0)
            return &translations[i];
    return NULL;
}

/* The byte at libyaml's mark, which counts characters; 0 at the end of the text. */
static char byte_at(const struct ng_policy_text *text, size_t index) {
    size_t i = 0;
    for (; i < text->len_bytes && index > 0; index--) {
        i++;
        while (i < text->len_bytes && ((unsigned char)text->bytes[i] & 0xc0) == 0x80)
            i++;
    }
    return i < text->len_bytes ? text->bytes[i] : '\0';
}

/* "found character that cannot start any token": which one makes all the difference. */
static const char *bad_start(char c) {
    switch (c) {
    case '\t':
        return "a tab stands in the indentation; YAML indents with spaces only";
    case '@':
        return "a name that begins with '@' must be quoted, such as \"@databases\"";
    case '`':
        return "a text that begins with '`' must be quoted";
    case '%':
        return "a text that begins with '%' must be quoted";
    default:
        return "this character must be quoted";
    }
}

static int fault_at(struct ng_faults *faults, const char *source, yaml_mark_t mark,
                    const char *message) {
    return ng_fault_add(faults, -EINVAL, source, (unsigned)mark.line + 1, (unsigned)mark.column + 1,
                        "%s", message);
}

int ng_syntax_error(const yaml_parser_t *parser, const struct ng_policy_text *text,
                    struct ng_faults *faults) {
    const char *problem = parser->problem ? parser->problem : "the parser stopped";

    if (parser->error == YAML_MEMORY_ERROR)
        return ng_faults_no_memory(faults);
    if (strcmp(problem, "found character that cannot start any token") == 0)
        return fault_at(faults, text->name, parser->problem_mark,
                        bad_start(byte_at(text, parser->problem_mark.index)));

    const struct translation *known = find_translation(problem);
    yaml_mark_t mark =
        known && known->place == AT_CONTEXT ? parser->context_mark : parser->problem_mark;
    if (!known)
        return ng_fault_add(faults, -EINVAL, text->name, (unsigned)mark.line + 1,
                            (unsigned)mark.column + 1, "not valid YAML: %s", problem);
    if (!known->began)
        return fault_at(faults, text->name, mark, known->message);
    return ng_fault_add(faults, -EINVAL, text->name, (unsigned)mark.line + 1,
                        (unsigned)mark.column + 1, "%s (%s begins at line %zu)", known->message,
                        known->began, parser->context_mark.line + 1);
}
