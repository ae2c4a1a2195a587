/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ATTRIBUTES_H
#define NETGUARD_ATTRIBUTES_H

/* The attributes of netlink messages, checked: nothing outside the message is ever read.
 * linux/netlink.h, struct nlattr. */

#include "netguard/base.h"

#include <libmnl/libmnl.h>

/* The attributes among some bytes, after a message's family header of `header_bytes`, or inside
 * a nested attribute, by type; types above `max` are left out, absent ones are NULL, of
 * repeated ones the last counts. -EBADMSG when they do not fill their place exactly. */
int ng_attributes_collect(const void *bytes, size_t len_bytes, const struct nlattr *ret_attrs[],
                          unsigned max) _must_check_;
int ng_attributes_of(const struct nlmsghdr *message, size_t header_bytes,
                     const struct nlattr *ret_attrs[], unsigned max) _must_check_;
int ng_attributes_in(const struct nlattr *nest, const struct nlattr *ret_attrs[],
                     unsigned max) _must_check_;

/* Do the attributes of a list fill their parent to the end? mnl_attr_for_each_nested stops
 * without a word where one is torn, and a rule without its last expression says something
 * else. -EBADMSG when not. */
int ng_attributes_check(const struct nlattr *list) _must_check_;

/* The value, or `absent` when there is no such attribute or it is too short for one. */
uint8_t ng_attribute_u8(const struct nlattr *attr, uint8_t absent);
uint16_t ng_attribute_u16(const struct nlattr *attr, uint16_t absent);
uint32_t ng_attribute_u32(const struct nlattr *attr, uint32_t absent);

/* The same for numbers in network order, as all of nf_tables are, of exactly that width. */
uint16_t ng_attribute_be16(const struct nlattr *attribute, uint16_t absent);
uint32_t ng_attribute_be32(const struct nlattr *attribute, uint32_t absent);
uint64_t ng_attribute_be64(const struct nlattr *attribute, uint64_t absent);

/* A NUL-terminated string inside the message, or NULL. */
const char *ng_attribute_text(const struct nlattr *attribute);

#endif
