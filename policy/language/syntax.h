/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_SYNTAX_H
#define NETGUARD_LANGUAGE_SYNTAX_H

/* What is wrong with the YAML, in words that say what to do. */

#include "netguard/policy.h"
#include "policy/language/faults.h"
#include <yaml.h>

/* Tells of a parser that has stopped on `text`; -EINVAL, or -ENOMEM. */
int ng_syntax_error(const yaml_parser_t *parser, const struct ng_policy_text *text,
                    struct ng_faults *faults);

#endif
