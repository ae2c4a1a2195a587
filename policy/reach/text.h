/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TEXT_H
#define NETGUARD_TEXT_H

#include "netguard/ruleset.h"

/* A rule in nft's words: rule_text.c knows what operations look like, value_text.c what fields
 * and their values do. */

/* The longest rule that is printed; what is longer ends in "…". */
enum { NG_TEXT_MAX = 1024, NG_TEXT_LISTED = 16 };

struct text {
    char bytes[NG_TEXT_MAX];
    size_t len;
    bool cut;
};

/* What is known beside the operation: nft leaves out what follows from it. */
struct context {
    const struct ng_ruleset *ruleset;
    enum ng_table_family table;
    bool in_table;         /* an operation on its own is in none */
    const char *transport; /* said by the tests before: "tcp", "udp", …, NULL: nothing */
    uint8_t family;        /* said by them, enum ng_family; 0: nothing */
};

void ng_text_start(struct text *text);
/* A word as it stands; rules are made of little else. */
void ng_text_word(struct text *text, const char *word);
void ng_text_put(struct text *text, const char *format, ...) _printf_(2, 3);

/* "tcp", …; NULL: it has no name. */
const char *ng_transport_name(ng_u128 number);

/* "ip saddr", "tcp dport", "meta mark" */
void ng_text_field(struct text *text, const struct ng_operand *operand,
                   const struct context *context);
/* "10.0.0.0/8", "echo-request", "1024-65535" */
void ng_text_value(struct text *text, const struct ng_operand *operand, struct ng_interval value,
                   const struct context *context);
/* One of them, or "{ 22, 80 }". */
void ng_text_values(struct text *text, const struct ng_operand *operand, struct ng_addrset values,
                    const struct context *context);
/* Is the field one of bits with names: connection state and status, TCP flags? */
bool ng_text_has_bits(enum ng_field field);
/* "established,related" */
void ng_text_bits(struct text *text, enum ng_field field, ng_u128 bits);

#endif
