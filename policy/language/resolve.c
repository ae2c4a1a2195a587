/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plain (unquoted) scalar is: YAML 1.2.2, chapter 10.3.2 "Tag Resolution" of the core
 * schema. Everything it does not name is text, so `no`, `22:22` and `2027-01-31` are text. */
#include "policy/language/tree.h"

#include <string.h>

static bool is_one_of(const char *text, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

static int digit_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* All of `digits` in `base`. Stops counting at the largest number: whoever reads it has a
 * bound far below. */
static bool read_digits(const char *digits, int base, bool negative, int64_t *ret_number) {
    if (!*digits)
        return false;
    int64_t number = 0;
    for (; *digits; digits++) {
        int value = digit_value(*digits);
        if (value < 0 || value >= base)
            return false;
        if (__builtin_mul_overflow(number, base, &number) ||
            __builtin_add_overflow(number, value, &number))
            number = INT64_MAX;
    }
    *ret_number = number == INT64_MAX && negative ? INT64_MIN : negative ? -number : number;
    return true;
}

static bool read_number(const char *text, int64_t *ret_number) {
    if (strncmp(text, "0o", 2) == 0)
        return read_digits(text + 2, 8, false, ret_number);
    if (strncmp(text, "0x", 2) == 0)
        return read_digits(text + 2, 16, false, ret_number);
    bool sign = *text == '-' || *text == '+';
    return read_digits(text + sign, 10, *text == '-', ret_number);
}

static const char *skip_digits(const char *text) {
    while (*text >= '0' && *text <= '9')
        text++;
    return text;
}

static bool is_float(const char *text) {
    static const char *const not_numbers[] = {".nan", ".NaN", ".NAN"};
    static const char *const infinities[] = {".inf", ".Inf", ".INF"};

    if (is_one_of(text, not_numbers, ARRAY_SIZE(not_numbers)))
        return true;
    if (*text == '-' || *text == '+')
        text++;
    if (is_one_of(text, infinities, ARRAY_SIZE(infinities)))
        return true;

    const char *whole = skip_digits(text), *rest = whole;
    bool digits = whole > text;
    if (*whole == '.') {
        rest = skip_digits(whole + 1);
        digits = digits || rest > whole + 1;
    }
    if (!digits)
        return false;
    if (*rest == 'e' || *rest == 'E') {
        const char *exponent = rest + 1 + (rest[1] == '-' || rest[1] == '+');
        rest = skip_digits(exponent);
        if (rest == exponent)
            return false;
    }
    return *rest == '\0';
}

enum ng_node_type ng_scalar_resolve(const char *text, int64_t *ret_number) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE"};

    if (is_one_of(text, nulls, ARRAY_SIZE(nulls)))
        return NG_NODE_NULL;
    if (is_one_of(text, bools, ARRAY_SIZE(bools)))
        return NG_NODE_BOOL;
    if (read_number(text, ret_number))
        return NG_NODE_NUMBER;
    if (is_float(text))
        return NG_NODE_FLOAT;
    return NG_NODE_TEXT;
}
