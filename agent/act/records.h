/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_RECORDS_H
#define NETGUARD_ACT_RECORDS_H

/* The life of findings as a file, so that nothing is told of twice and nothing is forgotten when
 * the daemon is restarted: one JSON document, "netguard.findings/1". Nobody needs it to start. */

#include <stdio.h>

#include "netguard/life.h"

/* The directory of what outlives a reboot: $STATE_DIRECTORY, which systemd sets, else
 * /var/lib/netguard, made if it is not there; with `name` behind it in `buffer`. -ENAMETOOLONG */
int ng_records_path(const char *name, char *buffer, size_t size,
                    struct ng_error *error) _must_check_;

/* Texts in `arena`. No file: no records, and 0. One that is not right is moved aside, to
 * findings.json.broken, and -EBADMSG says so. One that cannot be read stays where it is. On any
 * failure `ret_life` is without records. */
int ng_records_read(struct ng_arena *arena, struct ng_life *ret_life,
                    struct ng_error *error) _must_check_;

/* What ng_records_put() has made: whole and on the disk, or the file is as it was before. Blocks
 * for as long as the disk does. */
int ng_records_write(const char *document, struct ng_error *error) _must_check_;

/* -- the document, without a file ----------------------------------------------------------- */

/* -EBADMSG with the place, where something else stands there than ng_records_put() writes, or
 * -ENOMEM. What was gone is gone since NG_LIFE_GONE_BEFORE: since when is a matter of one run. */
int ng_records_parse(const char *source, const char *bytes, size_t len_bytes,
                     struct ng_arena *arena, struct ng_life *ret_life,
                     struct ng_error *error) _must_check_;
void ng_records_put(FILE *out, const struct ng_life *life);

#endif
