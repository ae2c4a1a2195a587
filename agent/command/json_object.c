/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/command/json_object.h"

#include <errno.h>
#include <string.h>

#include "agent/print/escape.h"

struct scanner {
    const char *start, *at, *end;
    unsigned depth;
    const char *expected; /* what was not there, once something is wrong */
};

static bool wrong(struct scanner *scanner, const char *expected) {
    if (!scanner->expected)
        scanner->expected = expected;
    return false;
}

static void skip_blanks(struct scanner *scanner) {
    while (scanner->at < scanner->end && (*scanner->at == ' ' || *scanner->at == '\t' ||
                                          *scanner->at == '\r' || *scanner->at == '\n'))
        scanner->at++;
}

static bool take(struct scanner *scanner, char c) {
    if (scanner->at == scanner->end || *scanner->at != c)
        return false;
    scanner->at++;
    return true;
}

/* -- strings ------------------------------------------------------------------------- */

/* Where a string is kept; NULL: nowhere. */
struct keeper {
    char *text;
    size_t len;
    bool cut;
};

static void keep(struct keeper *keeper, const char *bytes, size_t len) {
    if (!keeper || keeper->cut)
        return;
    if (keeper->len + len >= NG_JSON_TEXT) {
        keeper->cut = true;
        return;
    }
    memcpy(keeper->text + keeper->len, bytes, len);
    keeper->len += len;
}

static void keep_code(struct keeper *keeper, uint32_t code) {
    char bytes[4];
    size_t len;

    if (code < 0x80) {
        len = 1, bytes[0] = (char)code;
    } else if (code < 0x800) {
        len = 2, bytes[0] = (char)(0xc0 | code >> 6);
    } else if (code < 0x10000) {
        len = 3, bytes[0] = (char)(0xe0 | code >> 12);
    } else {
        len = 4, bytes[0] = (char)(0xf0 | code >> 18);
    }
    for (size_t i = 1; i < len; i++)
        bytes[i] = (char)(0x80 | (code >> (6 * (len - 1 - i)) & 0x3f));
    keep(keeper, bytes, len);
}

static bool take_hex4(struct scanner *scanner, uint32_t *ret_code) {
    uint32_t code = 0;

    for (unsigned i = 0; i < 4; i++, scanner->at++) {
        if (scanner->at == scanner->end)
            return wrong(scanner, "four hexadecimal digits");
        char c = *scanner->at, lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            code = code << 4 | (uint32_t)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            code = code << 4 | (uint32_t)(lower - 'a' + 10);
        else
            return wrong(scanner, "four hexadecimal digits");
    }
    *ret_code = code;
    return true;
}

/* Behind "\u". A text with a NUL in it is none of ours. */
static bool take_unicode(struct scanner *scanner, struct keeper *keeper) {
    uint32_t code, low;

    if (!take_hex4(scanner, &code))
        return false;
    if (code >= 0xd800 && code < 0xdc00) {
        if (!take(scanner, '\\') || !take(scanner, 'u') || !take_hex4(scanner, &low) ||
            low < 0xdc00 || low > 0xdfff)
            return wrong(scanner, "the second half of a surrogate pair");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code == 0 || (code >= 0xdc00 && code <= 0xdfff)) {
        return wrong(scanner, "a character that may stand in a text");
    }
    keep_code(keeper, code);
    return true;
}

static bool take_escape(struct scanner *scanner, struct keeper *keeper) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

    if (take(scanner, 'u'))
        return take_unicode(scanner, keeper);
    const char *found =
        scanner->at < scanner->end && *scanner->at ? strchr(from, *scanner->at) : NULL;
    if (!found)
        return wrong(scanner, "an escape of JSON");
    scanner->at++;
    keep(keeper, &to[found - from], 1);
    return true;
}

/* Is the byte a character that needs no care? */
static bool is_plain(char c) {
    return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
}

/* A character beyond ASCII, or DEL; ng_char_decode stops at the line's end as at a NUL. */
static bool take_other(struct scanner *scanner, struct keeper *keeper) {
    char bytes[5] = {0};
    size_t left = (size_t)(scanner->end - scanner->at);
    uint32_t code;

    memcpy(bytes, scanner->at, left < 4 ? left : 4);
    if ((unsigned char)*bytes < 0x20)
        return wrong(scanner, "no control character in a string");
    size_t len = ng_char_decode(bytes, &code);
    if (code == NG_CHAR_INVALID)
        return wrong(scanner, "valid UTF-8");
    keep(keeper, bytes, len);
    scanner->at += len;
    return true;
}

static bool take_string(struct scanner *scanner, struct keeper *keeper) {
    if (!take(scanner, '"'))
        return wrong(scanner, "a string");
    for (;;) {
        const char *run = scanner->at;

        while (scanner->at < scanner->end && is_plain(*scanner->at))
            scanner->at++;
        keep(keeper, run, (size_t)(scanner->at - run));
        if (take(scanner, '"'))
            return true;
        if (scanner->at == scanner->end)
            return wrong(scanner, "the end of a string");
        if (take(scanner, '\\') ? !take_escape(scanner, keeper) : !take_other(scanner, keeper))
            return false;
    }
}

/* -- other values -------------------------------------------------------------------- */

static size_t take_digits(struct scanner *scanner) {
    const char *start = scanner->at;

    while (scanner->at < scanner->end && *scanner->at >= '0' && *scanner->at <= '9')
        scanner->at++;
    return (size_t)(scanner->at - start);
}

static bool take_number(struct scanner *scanner, struct ng_json_member *member) {
    enum { DIGITS_MAX = 18 };
    bool minus = take(scanner, '-'), whole = true;
    const char *first = scanner->at;
    size_t digits = take_digits(scanner);

    if (digits == 0 || (*first == '0' && digits > 1))
        return wrong(scanner, "a number");
    if (take(scanner, '.')) {
        whole = false;
        if (take_digits(scanner) == 0)
            return wrong(scanner, "digits behind the point");
    }
    if (take(scanner, 'e') || take(scanner, 'E')) {
        whole = false;
        if (!take(scanner, '+'))
            (void)take(scanner, '-');
        if (take_digits(scanner) == 0)
            return wrong(scanner, "digits of an exponent");
    }
    member->kind = whole && digits <= DIGITS_MAX ? NG_JSON_INTEGER : NG_JSON_OTHER;
    member->number = 0;
    for (size_t i = 0; member->kind == NG_JSON_INTEGER && i < digits; i++)
        member->number = member->number * 10 + (first[i] - '0');
    if (minus)
        member->number = -member->number;
    return true;
}

static bool take_word(struct scanner *scanner, const char *word) {
    size_t len = strlen(word);

    if ((size_t)(scanner->end - scanner->at) < len || memcmp(scanner->at, word, len) != 0)
        return wrong(scanner, "a value");
    scanner->at += len;
    return true;
}

static bool take_value(struct scanner *scanner, struct ng_json_member *member);

/* The rest of an array, or of an object that nobody asks about. */
static bool take_items(struct scanner *scanner, bool object, char bracket) {
    struct ng_json_member ignored;

    if (scanner->depth == NG_JSON_DEPTH)
        return wrong(scanner, "fewer values within values");
    scanner->depth++;
    skip_blanks(scanner);
    for (bool first = true; !take(scanner, bracket); first = false) {
        if (!first && !take(scanner, ','))
            return wrong(scanner, object ? "\",\" or \"}\"" : "\",\" or \"]\"");
        skip_blanks(scanner);
        if (object) {
            if (!take_string(scanner, NULL))
                return false;
            skip_blanks(scanner);
            if (!take(scanner, ':'))
                return wrong(scanner, "\":\"");
            skip_blanks(scanner);
        }
        if (!take_value(scanner, &ignored))
            return false;
        skip_blanks(scanner);
    }
    scanner->depth--;
    return true;
}

static bool take_value(struct scanner *scanner, struct ng_json_member *member) {
    struct keeper keeper = {.text = member->text};

    member->kind = NG_JSON_OTHER;
    switch (scanner->at < scanner->end ? *scanner->at : '\0') {
    case '"':
        if (!take_string(scanner, &keeper))
            return false;
        member->kind = NG_JSON_STRING;
        member->text[keeper.len] = '\0';
        member->cut = keeper.cut;
        return true;
    case '{':
        scanner->at++;
        return take_items(scanner, true, '}');
    case '[':
        scanner->at++;
        return take_items(scanner, false, ']');
    case 't':
        return take_word(scanner, "true");
    case 'f':
        return take_word(scanner, "false");
    case 'n':
        return take_word(scanner, "null");
    default:
        return take_number(scanner, member);
    }
}

/* -- the object ---------------------------------------------------------------------- */

static bool take_member(struct scanner *scanner, const char *const *keys, size_t n_keys,
                        struct ng_json_member *members) {
    char key[NG_JSON_TEXT];
    struct keeper keeper = {.text = key};
    struct ng_json_member ignored, *member = &ignored;

    if (!take_string(scanner, &keeper))
        return false;
    key[keeper.len] = '\0';
    for (size_t i = 0; !keeper.cut && i < n_keys; i++)
        if (strcmp(key, keys[i]) == 0)
            member = &members[i];
    if (member != &ignored && member->kind != NG_JSON_ABSENT)
        return wrong(scanner, "each key once");
    skip_blanks(scanner);
    if (!take(scanner, ':'))
        return wrong(scanner, "\":\"");
    skip_blanks(scanner);
    return take_value(scanner, member);
}

static bool take_object(struct scanner *scanner, const char *const *keys, size_t n_keys,
                        struct ng_json_member *members) {
    skip_blanks(scanner);
    if (!take(scanner, '{'))
        return wrong(scanner, "one JSON object a line, {\"iif\":…}");
    skip_blanks(scanner);
    for (bool first = true; !take(scanner, '}'); first = false) {
        if (!first && !take(scanner, ','))
            return wrong(scanner, "\",\" or \"}\"");
        skip_blanks(scanner);
        if (!take_member(scanner, keys, n_keys, members))
            return false;
        skip_blanks(scanner);
    }
    skip_blanks(scanner);
    return scanner->at == scanner->end || wrong(scanner, "nothing behind the object");
}

int ng_json_object_read(const char *line, size_t len_bytes, const char *const *keys, size_t n_keys,
                        struct ng_json_member *ret_members, struct ng_error *error) {
    struct scanner scanner = {.start = line, .at = line, .end = line + len_bytes};

    for (size_t i = 0; i < n_keys; i++)
        ret_members[i].kind = NG_JSON_ABSENT;
    if (take_object(&scanner, keys, n_keys, ret_members))
        return 0;
    return ng_error_set(error, -EINVAL, "", "at byte %zu: expected %s",
                        (size_t)(scanner.at - scanner.start) + 1, scanner.expected);
}
