/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/faults.h"

#include <string.h>
#include <strings.h>

#include "agent/print/escape.h"

enum {
    TAB_COLUMNS = 8,
    PIECE_BYTES = 16, /* one character, escaped */
    GUTTER = 6,       /* digits of a line's number, at least */
};

static const char ellipsis[] = "…";

/* -- one line ------------------------------------------------------------------------- */

struct line {
    const char *bytes;
    size_t len_bytes;
};

/* The parser knows line feeds alone, whatever stands before them. False: there is no such line. */
static bool find_line(const struct ng_policy_text *text, unsigned number, struct line *ret_line) {
    const char *at = text->bytes, *end = text->bytes + text->len_bytes;

    for (unsigned line = 1; line < number; line++) {
        const char *feed = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;

        if (!feed)
            return false;
        at = feed + 1;
    }
    const char *feed = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    size_t len = (size_t)((feed ? feed : end) - at);
    if (len && at[len - 1] == '\r')
        len--;
    *ret_line = (struct line){at, len};
    return true;
}

/* One character as it is printed, at this column of the line; its length in the file. */
static size_t show_char(const struct line *line, size_t at, unsigned column,
                        char ret_piece[static PIECE_BYTES]) {
    char one[5] = "";
    uint32_t code;
    size_t left = line->len_bytes - at, most = left < sizeof(one) - 1 ? left : sizeof(one) - 1;

    memcpy(one, line->bytes + at, most);
    if (one[0] == '\t') {
        snprintf(ret_piece, PIECE_BYTES, "%*s", (int)(TAB_COLUMNS - column % TAB_COLUMNS), "");
        return 1;
    }
    if (!one[0]) {
        snprintf(ret_piece, PIECE_BYTES, "\\x00");
        return 1;
    }
    size_t len = ng_char_decode(one, &code);
    one[len] = '\0';
    ng_escape(ret_piece, PIECE_BYTES, one);
    return len;
}

/* Where on the terminal the character begins that is the `place`th of the line, from 1 on; the end
 * of the line where it has fewer. */
static unsigned column_of(const struct line *line, unsigned place) {
    char piece[PIECE_BYTES];
    unsigned column = 0;
    size_t at = 0;

    for (unsigned i = 1; i < place && at < line->len_bytes; i++) {
        at += show_char(line, at, column, piece);
        column += (unsigned)ng_text_columns(piece);
    }
    return column;
}

/* A line that may hold a secret shows its keys alone: where logs go everybody reads. */
static bool holds_secret(const struct line *line) {
    static const char *const words[] = {"url",    "webhook", "token",   "secret", "passw",
                                        "hooks.", "syslog",  "address", ":/",     ":\\/"};
    for (size_t at = 0; at < line->len_bytes; at++)
        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
            size_t len = strlen(words[i]);
            if (line->len_bytes - at >= len && strncasecmp(line->bytes + at, words[i], len) == 0)
                return true;
        }
    return false;
}

static bool is_word(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
           (unsigned char)c >= 0x80;
}

/* The end of the key that begins here; `at`: none does. */
static size_t key_end(const struct line *line, size_t at) {
    size_t end = at;
    while (end < line->len_bytes && is_word(line->bytes[end]))
        end++;
    size_t behind = end + (end < line->len_bytes && line->bytes[end] == '"');
    bool is_key = behind < line->len_bytes && line->bytes[behind] == ':' &&
                  (behind + 1 == line->len_bytes || strchr(" \t{[", line->bytes[behind + 1]));
    return is_key ? end : at;
}

/* The columns from `first` to before `last`; returns how many of them come before `caret`. */
static unsigned put_columns(FILE *out, const struct line *line, unsigned first, unsigned last,
                            unsigned caret) {
    char piece[PIECE_BYTES];
    unsigned column = 0, before = 0;
    const bool secret = holds_secret(line);
    size_t key = 0;

    for (size_t at = 0; at < line->len_bytes && column < last;) {
        if (secret && at >= key && (at == 0 || !is_word(line->bytes[at - 1])))
            key = key_end(line, at);
        bool hidden = secret && at >= key && is_word(line->bytes[at]);
        at += show_char(line, at, column, piece);
        unsigned width = (unsigned)ng_text_columns(piece);
        if (column >= first && column + width <= last) {
            for (unsigned i = 0; hidden && i < width; i++)
                putc('*', out);
            fputs(hidden ? "" : piece, out);
            before += column < caret ? width : 0;
        }
        column += width;
    }
    return before;
}

/* The line, or the part of it where the place is, and below it the caret. */
static void put_line(FILE *out, const struct line *line, const struct ng_error *fault,
                     const char *hint, unsigned width) {
    unsigned whole = column_of(line, (unsigned)line->len_bytes + 1);
    unsigned caret = column_of(line, fault->column);
    unsigned first = 0, last = whole, indent = 0;

    if (whole > width) {
        unsigned before = width / 3;
        first = caret > before ? caret - before : 0;
        last = first + width;
        if (last > whole)
            last = whole, first = whole - width;
    }
    fprintf(out, "%*u | ", GUTTER, fault->line);
    if (first) {
        fputs(ellipsis, out);
        indent++;
    }
    indent += put_columns(out, line, first, last, caret);
    fprintf(out, "%s\n%*s | ", last < whole ? ellipsis : "", GUTTER, "");
    if (fault->column)
        fprintf(out, "%*s^%s", (int)indent, "", *hint ? " " : "");
    fprintf(out, "%s\n", hint);
}

/* -- the fault ------------------------------------------------------------------------ */

/* "…; did you mean "x"?" ends many a message: it is shown below the place. */
static const char *find_hint(const char *message) {
    static const char begin[] = "; did you mean ";
    const char *found = NULL;
    size_t len = strlen(message);

    if (len == 0 || message[len - 1] != '?')
        return NULL;
    for (const char *at = message; (at = strstr(at, begin)); at++)
        found = at;
    return found;
}

void ng_print_fault(FILE *out, const struct ng_error *fault, const char *kind,
                    const struct ng_policy_text *text, unsigned width) {
    char source[2 * sizeof(fault->source)], message[2 * sizeof(fault->message)], hint[256] = "";
    struct line line = {0};
    bool shown = text && fault->line && find_line(text, fault->line, &line);

    ng_escape(source, sizeof(source), fault->source);
    ng_escape(message, sizeof(message), fault->message);
    char *end = shown ? (char *)find_hint(message) : NULL;
    if (end) {
        snprintf(hint, sizeof(hint), "%s", end + strlen("; "));
        *end = '\0';
    }
    fputs(source, out);
    if (fault->line)
        fprintf(out, ":%u", fault->line);
    if (fault->column)
        fprintf(out, ":%u", fault->column);
    fprintf(out, "%s%s%s%s\n", *source ? ": " : "", kind ? kind : "", kind ? ": " : "", message);
    if (shown)
        put_line(out, &line, fault, hint, width);
}
