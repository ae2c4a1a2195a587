/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_COMMAND_JSON_OBJECT_H
#define NETGUARD_COMMAND_JSON_OBJECT_H

/* One JSON object (RFC 8259) on one line, of which a few members are wanted. Nothing is allocated
 * and nothing is kept but those: a hundred thousand lines a second are read. */

#include "netguard/base.h"

enum ng_json_kind {
    NG_JSON_ABSENT,
    NG_JSON_STRING,
    NG_JSON_INTEGER, /* of at most 18 digits */
    NG_JSON_OTHER,
};

enum {
    NG_JSON_TEXT = 128,  /* longest string that is kept whole, with its NUL */
    NG_JSON_DEPTH = 128, /* of values within values */
};

struct ng_json_member {
    enum ng_json_kind kind;
    int64_t number;          /* of an INTEGER */
    char text[NG_JSON_TEXT]; /* of a STRING, NUL-ended; cut where it is longer */
    bool cut;
};

/* Fills a member for each of the keys. -EINVAL with the place (in bytes, from 1) in `error` where
 * the line is no object, or holds one of the keys twice. */
int ng_json_object_read(const char *line, size_t len_bytes, const char *const *keys, size_t n_keys,
                        struct ng_json_member *ret_members, struct ng_error *error) _must_check_;

#endif
