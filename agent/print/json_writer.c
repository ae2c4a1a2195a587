/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/json_writer.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "agent/print/escape.h"

static void separate(struct ng_json *json) {
    if (json->comma)
        putc_unlocked(',', json->out);
    json->comma = true;
}

void ng_json_open(struct ng_json *json, char bracket) {
    separate(json);
    putc_unlocked(bracket, json->out);
    json->comma = false;
}

void ng_json_close(struct ng_json *json, char bracket) {
    putc_unlocked(bracket, json->out);
    json->comma = true;
}

void ng_json_key(struct ng_json *json, const char *key) {
    separate(json);
    putc_unlocked('"', json->out);
    for (; *key; key++) /* a call costs more than these few bytes */
        putc_unlocked(*key, json->out);
    putc_unlocked('"', json->out);
    putc_unlocked(':', json->out);
    json->comma = false;
}

void ng_json_written(struct ng_json *json, const char *text, size_t len_bytes) {
    separate(json);
    fwrite_unlocked(text, 1, len_bytes, json->out);
}

/* -- strings ------------------------------------------------------------------------- */

static void put_escaped(FILE *out, uint32_t code) {
    if (code == NG_CHAR_INVALID)
        code = 0xfffd;
    if (code == '"' || code == '\\')
        fprintf(out, "\\%c", (char)code);
    else if (code == '\n')
        fputs("\\n", out);
    else if (code > 0xffff) /* RFC 8259: as a pair of UTF-16 surrogates */
        fprintf(out, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd7c0 + (code >> 10),
                0xdc00 + (code & 0x3ff));
    else
        fprintf(out, "\\u%04" PRIx32, code);
}

/* Printable ASCII that JSON takes as it is: nearly all there ever is. */
static bool is_plain(char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void ng_json_string(struct ng_json *json, const char *text) {
    const char *start = text;

    separate(json);
    putc_unlocked('"', json->out);
    for (;;) {
        uint32_t code;

        while (is_plain(*text))
            text++;
        if (!*text)
            break;
        size_t len = ng_char_decode(text, &code);

        if (code == '"' || code == '\\' || ng_char_is_hostile(code)) {
            fwrite_unlocked(start, 1, (size_t)(text - start), json->out);
            put_escaped(json->out, code);
            start = text + len;
        }
        text += len;
    }
    fwrite_unlocked(start, 1, (size_t)(text - start), json->out);
    putc_unlocked('"', json->out);
}

void ng_json_string_or_null(struct ng_json *json, const char *text) {
    if (text)
        ng_json_string(json, text);
    else
        ng_json_null(json);
}

void ng_json_strings(struct ng_json *json, struct ng_strings strings) {
    ng_json_open(json, '[');
    for (size_t i = 0; i < strings.count; i++)
        ng_json_string(json, strings.items[i]);
    ng_json_close(json, ']');
}

/* -- other values -------------------------------------------------------------------- */

void ng_json_null(struct ng_json *json) {
    ng_json_written(json, "null", 4);
}

void ng_json_bool(struct ng_json *json, bool value) {
    ng_json_written(json, value ? "true" : "false", value ? 4 : 5);
}

void ng_json_number(struct ng_json *json, uint64_t value) {
    char digits[20]; /* of 2^64 - 1 */
    size_t at = sizeof(digits);

    separate(json);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    fwrite_unlocked(digits + at, 1, sizeof(digits) - at, json->out);
}

void ng_json_number_or_null(struct ng_json *json, uint64_t value) {
    if (value)
        ng_json_number(json, value);
    else
        ng_json_null(json);
}

void ng_json_addr_or_null(struct ng_json *json, struct ng_addr addr) {
    char text[NG_ADDR_TEXT];

    ng_json_string_or_null(json, addr.family ? ng_addr_text(addr, text) : NULL);
}

static void put_prefix(struct ng_addr prefix, unsigned len, void *context) {
    struct ng_json *json = context;
    char text[NG_ADDR_TEXT];

    ng_json_string(json, ng_prefix_text(prefix, len, text));
}

void ng_json_prefixes(struct ng_json *json, struct ng_addrset set, uint8_t family) {
    ng_json_open(json, '[');
    ng_addrset_each_prefix(set, family, put_prefix, json);
    ng_json_close(json, ']');
}

void ng_json_ranges(struct ng_json *json, const struct ng_port_range *ranges, size_t count) {
    if (!ranges) {
        ng_json_null(json);
        return;
    }
    ng_json_open(json, '[');
    for (size_t i = 0; i < count; i++) {
        ng_json_open(json, '[');
        ng_json_number(json, ranges[i].lo);
        ng_json_number(json, ranges[i].hi);
        ng_json_close(json, ']');
    }
    ng_json_close(json, ']');
}

void ng_json_cis(struct ng_json *json, const struct ng_catalog_page *page) {
    ng_json_open(json, '[');
    for (size_t i = 0; page && page->cis && page->cis[i]; i++)
        ng_json_string(json, page->cis[i]);
    ng_json_close(json, ']');
}

void ng_json_time(struct ng_json *json, int64_t time_s) {
    char text[64] = "";
    time_t when = (time_t)time_s;
    struct tm utc;

    if (gmtime_r(&when, &utc))
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    ng_json_string(json, text);
}

void ng_json_gaps(struct ng_json *json, const struct ng_gap *gaps, size_t count) {
    ng_json_open(json, '[');
    for (size_t i = 0; i < count; i++) {
        ng_json_open(json, '{');
        ng_json_key(json, "source");
        ng_json_string(json, gaps[i].source);
        ng_json_key(json, "reason");
        ng_json_string(json, gaps[i].reason);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

void ng_json_warnings(struct ng_json *json, const struct ng_warning *warnings, size_t count) {
    ng_json_open(json, '[');
    for (size_t i = 0; i < count; i++) {
        ng_json_open(json, '{');
        ng_json_key(json, "source");
        ng_json_string(json, warnings[i].source);
        ng_json_key(json, "text");
        ng_json_string(json, warnings[i].text);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}
