/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_POLICY_TEXT_H
#define NETGUARD_PRINT_POLICY_TEXT_H

/* The policy in effect, as it could have been written in one file. */

#include <stdio.h>

#include "policy/language/tree.h"

/* Its files as trees, to say of single values where they come from; a file that says nothing is
 * NULL. */
struct ng_policy_trees {
    const struct ng_node *const *roots;
    size_t count;
};

/* YAML that the parser takes and that means the same, but that of a webhook's URL only the host is
 * told. Comments say where each part was written, and what a group of ports stands for. 0 or
 * -ENOMEM. */
int ng_print_policy(FILE *out, const struct ng_policy *policy,
                    const struct ng_policy_trees *trees) _must_check_;

/* The same for programs: "netguard.policy/1". */
int ng_print_policy_json(FILE *out, const struct ng_policy *policy,
                         const struct ng_policy_trees *trees) _must_check_;

/* Where the value stands that counts, the last of those under these keys (`inner` and `innermost`
 * may be NULL); without a source: it was not written. */
struct ng_place ng_place_of(const struct ng_policy_trees *trees, const char *section,
                            const char *inner, const char *innermost);

/* The ports of a rule in the words that it was written in: the matches from `from` on that one item
 * stands for. */
struct ng_port_item {
    const char *group; /* NULL: the match itself */
    const struct ng_port_match *match;
    size_t n_matches; /* of the group once */
};
struct ng_port_item ng_port_item_at(const struct ng_port_match *ports, size_t count, size_t from);
/* "443", "7000-7005/udp", "8443->443/tcp", "@any"; returns `buffer`. */
#define NG_PORT_TEXT sizeof("65535-65535->65535/sctp")
const char *ng_port_text(const struct ng_port_match *match, char buffer[static NG_PORT_TEXT]);

/* The groups that rules name and that are not built in, each once, with what they stand for. */
struct ng_port_items {
    struct ng_port_item *items;
    size_t count, capacity;
};
int ng_find_groups(struct ng_arena *arena, const struct ng_policy *policy, bool built_in,
                   struct ng_port_items *ret_groups) _must_check_;

/* Who may, of what `usage:` made a rule of; in the arena, NULL items: out of memory. */
struct ng_strings ng_zones_allowed(struct ng_arena *arena, const struct ng_policy *policy,
                                   const struct ng_rule_policy *rule);

/* "2027-01-31", the last day that an exception covers. */
#define NG_DATE_TEXT 32
const char *ng_until_text(int64_t until_s, char buffer[static NG_DATE_TEXT]);

/* "https://alerts.example/...": a path may be a secret. NULL: out of memory. */
const char *ng_url_shown(struct ng_arena *arena, const char *url);

/* "daemon" … of a number of RFC 5424. */
const char *ng_facility_text(uint8_t facility);

#endif
