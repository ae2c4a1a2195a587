/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_COMMAND_QUESTION_H
#define NETGUARD_COMMAND_QUESTION_H

/* One line of JSON becomes a question to the engine. Bytes to model: nothing is read or written
 * here. */

#include "netguard/reach.h"

/* `one_source`: the packet has a source, which the line must name (`trace`); else the question
 * is about everybody (`reach`), and a source in it is ignored like any other key. -EINVAL;
 * `error` then has the key as its source, "" for the whole line. */
int ng_question_read(const struct ng_world *world, const char *line, size_t len_bytes,
                     bool one_source, struct ng_question *ret_question,
                     struct ng_error *error) _must_check_;

/* "tcp", "icmpv6", … or a number from 0 to 255; -EINVAL. */
int ng_proto_parse(const char *text, uint8_t *ret_proto) _must_check_;

/* NULL for one without a name. */
const char *ng_proto_name(uint8_t proto);

/* The link of that name which is up, or an error that tells near names. */
int ng_interface_find(const struct ng_world *world, const char *name,
                      const struct ng_link **ret_link, struct ng_error *error) _must_check_;

#endif
