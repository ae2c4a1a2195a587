/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_SNAPSHOT_SHAPE_H
#define NETGUARD_AGENT_OBSERVE_SNAPSHOT_SHAPE_H

/* Which member of the document is which field of which structure: said once, for the writer
 * and the reader. */

#include "netguard/world.h"

#define NG_SNAPSHOT_SCHEMA_TEXT "netguard.snapshot/1"

#define NG_SNAPSHOT_BYTE_ORDER_TEXT (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? "little" : "big")

enum ng_snapshot_kind {
    NG_SNAPSHOT_SCHEMA,     /* always NG_SNAPSHOT_SCHEMA_TEXT */
    NG_SNAPSHOT_BYTE_ORDER, /* always the host's: whoever reads a dump has to share it */
    NG_SNAPSHOT_STRING,
    NG_SNAPSHOT_STRING_OR_NULL,
    NG_SNAPSHOT_TIME, /* int64_t, seconds since the epoch; text of RFC 3339 in UTC */
    NG_SNAPSHOT_BOOL,
    NG_SNAPSHOT_U8, /* numbers */
    NG_SNAPSHOT_U16,
    NG_SNAPSHOT_U32,
    NG_SNAPSHOT_ADDR, /* struct ng_addr, text */
    NG_SNAPSHOT_ADDR_OR_NULL,
    NG_SNAPSHOT_PROTO,  /* uint8_t, "tcp", "udp" or "sctp" */
    NG_SNAPSHOT_FAMILY, /* uint8_t, "ip" or "ip6" */
    NG_SNAPSHOT_BYTES,  /* base 64 */
    NG_SNAPSHOT_LIST,   /* an array of objects */
    NG_SNAPSHOT_OBJECT, /* a structure within the structure */
};

struct ng_snapshot_shape;

struct ng_snapshot_field {
    const char *name; /* NULL ends the list */
    bool later;       /* not in the first snapshots: one without it is read, and it is zero */
    enum ng_snapshot_kind kind;
    size_t offset;
    size_t count_offset;                /* lists and bytes: of their number */
    const struct ng_snapshot_shape *of; /* lists and objects */
};

struct ng_snapshot_shape {
    size_t size_bytes;
    const struct ng_snapshot_field *fields;
    /* What is wrong with an object whose members are each of the right kind; NULL: nothing. */
    const char *(*fault)(const void *object);
};

extern const struct ng_snapshot_shape ng_snapshot_world;

/* Seconds of the years 1970 to 9999, which four digits can say. */
#define NG_SNAPSHOT_TIME_MAX INT64_C(253402300799)

#endif
