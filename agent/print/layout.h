/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_LAYOUT_H
#define NETGUARD_PRINT_LAYOUT_H

/* Text in lines of a bounded width, for people: words, labelled paragraphs, aligned columns.
 * Widths are counted in terminal columns, colours do not count. */

#include <stdio.h>

#include "netguard/base.h"

enum ng_style {
    NG_STYLE_PLAIN,
    NG_STYLE_BOLD,
    NG_STYLE_DIM,
    NG_STYLE_ALARM, /* bold red */
    NG_STYLE_RED,
    NG_STYLE_YELLOW,
    NG_STYLE_GREEN,
    NG_STYLE_CYAN,
    NG_STYLE_MAGENTA,
};

struct ng_layout {
    FILE *out;
    struct ng_arena *arena; /* holds the texts made here */
    unsigned width;
    bool color;
    bool failed; /* memory ran out: what is printed is not to be trusted */
};

/* Printed as a space at which no line is broken. Escaped text never holds it. */
#define NG_KEEP "\x01"

/* Where the text of a labelled paragraph begins. */
enum {
    NG_LAYOUT_LABEL = 10,
};

/* Text in the layout's arena; "" (and `failed`) when memory ran out, so that callers need not
 * check each piece. ng_layout_escaped makes `text` safe to print. */
const char *ng_layout_text(struct ng_layout *layout, const char *format, ...) _printf_(2, 3);
const char *ng_layout_escaped(struct ng_layout *layout, const char *text);

/* `list` with `item` after a comma, or `item` alone if the list is "". */
const char *ng_layout_join(struct ng_layout *layout, const char *list, const char *item);

/* Is `item` one of those that were joined? */
bool ng_layout_joined(const char *list, const char *item);

void ng_layout_styled(struct ng_layout *layout, enum ng_style style, const char *text);

/* "label     text", the text wrapped and its further lines indented as the first. A label of
 * "" continues the paragraph before. */
void ng_layout_paragraph(struct ng_layout *layout, unsigned indent, const char *label,
                         enum ng_style label_style, const char *text);

struct ng_cell {
    const char *text;
    enum ng_style style;
};

enum {
    NG_LAYOUT_COLUMNS_MAX = 8,
};

/* `cells` are `rows` times `columns`, row by row. Columns give way, where that wraps the
 * fewest cells, until a line fits; words are broken last. */
void ng_layout_columns(struct ng_layout *layout, const struct ng_cell *cells, size_t rows,
                       size_t columns);

#endif
