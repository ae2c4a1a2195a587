/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_RECORDS_WRITER_H
#define NETGUARD_ACT_RECORDS_WRITER_H

/* The life of findings, kept from a thread of its own: until a file is on the disk, a disk that is
 * busy or hangs blocks whoever waits for it. */

#include "agent/act/records.h"

struct ng_records_writer;

int ng_records_writer_new(struct ng_records_writer **ret_writer,
                          struct ng_error *error) _must_check_;
/* Waits a moment for what is not on the disk yet. */
void ng_records_writer_free(struct ng_records_writer *writer);

/* In place of what was put before and has not been begun. Never waits for the disk. */
void ng_records_writer_put(struct ng_records_writer *writer, const struct ng_life *life);

/* Why the last is not on the disk; without a message: it is, or is on its way. */
void ng_records_writer_fault(struct ng_records_writer *writer, struct ng_error *ret_fault);

#endif
