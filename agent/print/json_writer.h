/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_JSON_WRITER_H
#define NETGUARD_PRINT_JSON_WRITER_H

/* A JSON document is written as it goes, not built as a tree first: two thousand exposures then
 * cost no memory and little time. */

#include <stdio.h>

#include "netguard/catalog.h"
#include "netguard/judge.h"

struct ng_json {
    FILE *out;
    bool comma; /* before the next value or key */
};

void ng_json_open(struct ng_json *json, char bracket);
void ng_json_close(struct ng_json *json, char bracket);

/* Keys are ours and need no escaping. */
void ng_json_key(struct ng_json *json, const char *key);

/* Members that were written before, as they stand; no bracket around them. */
void ng_json_written(struct ng_json *json, const char *text, size_t len_bytes);

/* Escapes more than JSON asks for: people read these documents on terminals too. */
void ng_json_string(struct ng_json *json, const char *text);
void ng_json_string_or_null(struct ng_json *json, const char *text);
void ng_json_strings(struct ng_json *json, struct ng_strings strings);
void ng_json_null(struct ng_json *json);
void ng_json_bool(struct ng_json *json, bool value);
void ng_json_number(struct ng_json *json, uint64_t value);
void ng_json_number_or_null(struct ng_json *json, uint64_t value); /* 0 is null */
void ng_json_addr_or_null(struct ng_json *json, struct ng_addr addr);
void ng_json_prefixes(struct ng_json *json, struct ng_addrset set, uint8_t family);
void ng_json_ranges(struct ng_json *json, const struct ng_port_range *ranges, size_t count);
void ng_json_cis(struct ng_json *json, const struct ng_catalog_page *page); /* its items, or [] */
void ng_json_time(struct ng_json *json, int64_t time_s);
void ng_json_gaps(struct ng_json *json, const struct ng_gap *gaps, size_t count);
void ng_json_warnings(struct ng_json *json, const struct ng_warning *warnings, size_t count);

#endif
