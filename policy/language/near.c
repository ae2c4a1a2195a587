/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The name that a typo was meant to be. */
#include "policy/language/tree.h"

#include <stdio.h>
#include <string.h>

#define MAX_LEN 64

static char fold(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Insertions, deletions, substitutions and swaps of neighbours, each once per place
 * (optimal string alignment); upper and lower case are the same. Both at most MAX_LEN. */
static size_t distance(const char *a, const char *b) {
    size_t rows[3][MAX_LEN + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    size_t len_a = strlen(a), len_b = strlen(b);

    for (size_t j = 0; j <= len_b; j++) {
        before[j] = 0;
        last[j] = j;
    }
    for (size_t i = 1; i <= len_a; i++) {
        now[0] = i;
        for (size_t j = 1; j <= len_b; j++) {
            bool same = fold(a[i - 1]) == fold(b[j - 1]);
            now[j] = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + !same);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]))
                now[j] = least(now[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[len_b];
}

const char *ng_near_name(const char *text, const char *const *names, size_t count) {
    size_t len = strlen(text);
    if (len > MAX_LEN)
        return NULL;
    /* One slip in a short word, three in a long one; a third of the letters at most. */
    size_t bound = len < 6 ? 1 : len < 9 ? 2 : 3;
    const char *nearest = NULL;

    for (size_t i = 0; i < count; i++) {
        size_t name_len = strlen(names[i]);
        if (name_len > MAX_LEN || name_len > len + bound || len > name_len + bound)
            continue;
        size_t d = distance(text, names[i]);
        if (d <= bound && d < len) {
            nearest = names[i];
            bound = d > 0 ? d - 1 : 0; /* only a nearer one takes its place */
            if (d == 0)
                break;
        }
    }
    return nearest;
}

const char *ng_hint(const char *text, const char *const *names, size_t count,
                    char buffer[static NG_HINT_TEXT]) {
    const char *near = ng_near_name(text, names, count);
    buffer[0] = '\0';
    if (near)
        snprintf(buffer, NG_HINT_TEXT, "; did you mean \"%s\"?", near);
    return buffer;
}

const char *ng_enumerate(const char *const *names, size_t count, char *buffer, size_t size_bytes) {
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < count && used < size_bytes; i++) {
        const char *before = i == 0 ? "" : i + 1 == count ? " or " : ", ";
        int written = snprintf(buffer + used, size_bytes - used, "%s%s", before, names[i]);
        if (written < 0)
            break;
        used += (size_t)written;
    }
    return buffer;
}
