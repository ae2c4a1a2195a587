/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/layout.h"

#include <string.h>

#include "agent/print/escape.h"

enum {
    COLUMN_GAP = 2,
    COLUMN_MIN = 6,   /* no column is squeezed below this */
    COLUMN_MAX = 256, /* and none is wider than this */
};

/* ECMA-48 SGR; the eight basic colours follow the reader's own theme. */
static const char *const style_start[] = {
    [NG_STYLE_PLAIN] = "",           [NG_STYLE_BOLD] = "\033[1m",  [NG_STYLE_DIM] = "\033[2m",
    [NG_STYLE_ALARM] = "\033[1;31m", [NG_STYLE_RED] = "\033[31m",  [NG_STYLE_YELLOW] = "\033[33m",
    [NG_STYLE_GREEN] = "\033[32m",   [NG_STYLE_CYAN] = "\033[36m", [NG_STYLE_MAGENTA] = "\033[35m",
};

static const char *or_failed(struct ng_layout *layout, const char *text) {
    if (text)
        return text;
    layout->failed = true;
    return "";
}

const char *ng_layout_text(struct ng_layout *layout, const char *format, ...) {
    va_list arguments, again;

    va_start(arguments, format);
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, arguments);
    char *text = len < 0 ? NULL : ng_arena_alloc(layout->arena, (size_t)len + 1, 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    va_end(arguments);
    return or_failed(layout, text);
}

const char *ng_layout_escaped(struct ng_layout *layout, const char *text) {
    size_t len = ng_escape(NULL, 0, text);

    if (len == strlen(text)) /* an escape is always longer than what it stands for */
        return text;
    char *safe = ng_arena_alloc(layout->arena, len + 1, 1);
    if (safe)
        ng_escape(safe, len + 1, text);
    return or_failed(layout, safe);
}

const char *ng_layout_join(struct ng_layout *layout, const char *list, const char *item) {
    return *list ? ng_layout_text(layout, "%s, %s", list, item) : item;
}

bool ng_layout_joined(const char *list, const char *item) {
    size_t len = strlen(item);

    for (const char *p = list; (p = strstr(p, item)); p++)
        if ((p == list || p[-1] == ' ') && (p[len] == ',' || !p[len]))
            return true;
    return false;
}

static void spaces(struct ng_layout *layout, size_t count) {
    while (count--)
        putc_unlocked(' ', layout->out);
}

static void put(struct ng_layout *layout, enum ng_style style, const char *text, size_t len) {
    bool styled = layout->color && style != NG_STYLE_PLAIN && len;

    if (styled)
        fputs(style_start[style], layout->out);
    for (size_t i = 0; i < len; i++)
        putc_unlocked(text[i] == *NG_KEEP ? ' ' : text[i], layout->out);
    if (styled)
        fputs("\033[0m", layout->out);
}

void ng_layout_styled(struct ng_layout *layout, enum ng_style style, const char *text) {
    put(layout, style, text, strlen(text));
}

/* A piece of text that stands on one line. */
struct line {
    const char *text;
    size_t len_bytes;
    size_t columns;
};

/* Takes the next line of at most `width` columns off `*text`. Breaks at the last space that
 * leaves it short enough, within a word only when the word alone is too long, and at \n. */
static struct line next_line(const char **text, size_t width) {
    struct line whole = {.text = *text}, broken = {0};
    const char *p = *text;

    while (*p && *p != '\n') {
        uint32_t code;
        size_t len = ng_char_decode(p, &code);
        unsigned columns = ng_char_columns(code);

        if (*p == ' ')
            broken = whole;
        else if (whole.columns + columns > width && whole.len_bytes)
            break;
        p += len;
        whole.len_bytes += len;
        whole.columns += columns;
    }
    if (*p && *p != '\n' && broken.len_bytes) {
        whole = broken;
        p = whole.text + whole.len_bytes;
    }
    while (*p == ' ')
        p++;
    if (*p == '\n')
        p++;
    *text = p;
    /* Spaces that ran past the edge, or stand at the end of the text, are nobody's. */
    while (whole.len_bytes && whole.text[whole.len_bytes - 1] == ' ')
        whole.len_bytes--, whole.columns--;
    return whole;
}

void ng_layout_paragraph(struct ng_layout *layout, unsigned indent, const char *label,
                         enum ng_style label_style, const char *text) {
    size_t start = indent + NG_LAYOUT_LABEL, label_columns = ng_text_columns(label);
    size_t gap = label_columns < NG_LAYOUT_LABEL ? NG_LAYOUT_LABEL - label_columns : 1;

    spaces(layout, indent);
    ng_layout_styled(layout, label_style, label);
    spaces(layout, gap);
    for (bool first = true; first || *text; first = false) {
        size_t at = first ? indent + label_columns + gap : start;
        struct line line =
            next_line(&text, layout->width > at + COLUMN_MIN ? layout->width - at : COLUMN_MIN);

        if (!first)
            spaces(layout, start);
        put(layout, NG_STYLE_PLAIN, line.text, line.len_bytes);
        putc_unlocked('\n', layout->out);
    }
}

struct column {
    size_t width;
    size_t word;                     /* its longest word: narrower, and words are broken */
    size_t at_least[COLUMN_MAX + 1]; /* how many cells are that wide or wider */
};

static size_t longest_word(const char *text) {
    size_t longest = 0, columns = 0;

    for (; *text && *text != '\n'; columns = *text == ' ' ? 0 : columns) {
        uint32_t code;

        text += ng_char_decode(text, &code);
        columns += ng_char_columns(code);
        if (columns > longest)
            longest = columns;
    }
    return longest;
}

static void measure(const struct ng_cell *cells, size_t rows, size_t columns, size_t which,
                    struct column *column) {
    *column = (struct column){0};
    for (size_t row = 0; row < rows; row++) {
        const char *text = cells[row * columns + which].text;
        size_t width = ng_text_columns(text), word = longest_word(text);

        if (width > COLUMN_MAX)
            width = COLUMN_MAX;
        if (word > COLUMN_MAX)
            word = COLUMN_MAX;
        column->width = width > column->width ? width : column->width;
        column->word = word > column->word ? word : column->word;
        column->at_least[width]++;
    }
    for (size_t width = COLUMN_MAX; width > 0; width--)
        column->at_least[width - 1] += column->at_least[width];
}

/* Narrows the column where that wraps the fewest cells, of several the widest; false when no
 * column may become narrower. */
static bool narrow_one(struct column *columns, size_t count, bool break_words) {
    struct column *best = NULL;

    for (size_t i = 0; i < count; i++) {
        struct column *column = &columns[i];

        if (column->width <= (break_words ? COLUMN_MIN : column->word))
            continue;
        size_t wraps = column->at_least[column->width];
        size_t least = best ? best->at_least[best->width] : SIZE_MAX;
        if (wraps < least || (wraps == least && column->width > best->width))
            best = column;
    }
    if (best)
        best->width--;
    return best;
}

static void fit_widths(const struct ng_layout *layout, struct column *columns, size_t count) {
    size_t sum = COLUMN_GAP * (count - 1);

    for (size_t i = 0; i < count; i++)
        sum += columns[i].width;
    while (sum > layout->width && narrow_one(columns, count, false))
        sum--;
    while (sum > layout->width && narrow_one(columns, count, true))
        sum--;
}

/* Prints one row, over as many lines as its tallest cell needs. */
static void print_row(struct ng_layout *layout, const struct ng_cell *row,
                      const struct column *columns, size_t count) {
    const char *rest[NG_LAYOUT_COLUMNS_MAX];
    bool more = true;

    for (size_t i = 0; i < count; i++)
        rest[i] = row[i].text;
    while (more) {
        size_t owed = 0; /* spaces not yet printed, so that no line ends in one */

        more = false;
        for (size_t i = 0; i < count; i++) {
            struct line line = next_line(&rest[i], columns[i].width);

            if (line.len_bytes) {
                spaces(layout, owed);
                put(layout, row[i].style, line.text, line.len_bytes);
                owed = 0;
            }
            owed += columns[i].width -
                    (line.columns < columns[i].width ? line.columns : columns[i].width) +
                    COLUMN_GAP;
            more |= *rest[i] != '\0';
        }
        putc_unlocked('\n', layout->out);
    }
}

void ng_layout_columns(struct ng_layout *layout, const struct ng_cell *cells, size_t rows,
                       size_t columns) {
    struct column measured[NG_LAYOUT_COLUMNS_MAX];

    for (size_t i = 0; i < columns; i++)
        measure(cells, rows, columns, i, &measured[i]);
    fit_widths(layout, measured, columns);
    for (size_t row = 0; row < rows; row++)
        print_row(layout, cells + row * columns, measured, columns);
}
