/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ADDR_H
#define NETGUARD_ADDR_H

/* Addresses as numbers. An IPv4 or IPv6 address is one unsigned number in host byte order
 * (192.0.2.1 is 0xc0000201), so that prefixes and ranges are plain intervals. */

#include "netguard/base.h"

__extension__ typedef unsigned __int128 ng_u128;

enum ng_family {
    NG_IP4 = 4,
    NG_IP6 = 6,
};

struct ng_addr {
    uint8_t family; /* enum ng_family; 0: no address */
    ng_u128 value;  /* host byte order; IPv4 in the low 32 bits */
};

/* The longest text of an address or prefix, with the final NUL. */
#define NG_ADDR_TEXT 64

static inline unsigned ng_family_bits(uint8_t family) {
    return family == NG_IP4 ? 32 : 128;
}

/* The highest address of a family: 255.255.255.255 or ffff:…:ffff. */
ng_u128 ng_family_max(uint8_t family);

/* `len_bytes` is 4 or 16, `wire` in network byte order. */
struct ng_addr ng_addr_from_wire(const void *wire, size_t len_bytes);

/* Text to address: dotted IPv4 or RFC 4291 IPv6, nothing before or after it.
 * -EINVAL otherwise. */
int ng_addr_parse(const char *text, struct ng_addr *ret_addr) _must_check_;

/* "192.0.2.0/24" or a bare address (which is its own full prefix). Host bits that are set
 * are an error (-ERANGE), any other fault -EINVAL. */
int ng_prefix_parse(const char *text, struct ng_addr *ret_addr, unsigned *ret_len) _must_check_;

/* RFC 5952 text. Both return `buffer`. */
const char *ng_addr_text(struct ng_addr addr, char buffer[static NG_ADDR_TEXT]);
const char *ng_prefix_text(struct ng_addr addr, unsigned len, char buffer[static NG_ADDR_TEXT]);

/* A mask with the first `len` of the family's bits set. */
ng_u128 ng_prefix_mask(uint8_t family, unsigned len);

static inline bool ng_addr_equal(struct ng_addr a, struct ng_addr b) {
    return a.family == b.family && a.value == b.value;
}

/* 0.0.0.0 or :: */
static inline bool ng_addr_is_any(struct ng_addr a) {
    return a.value == 0;
}

bool ng_addr_is_loopback(struct ng_addr a); /* 127.0.0.0/8, ::1 */

/* -- sets of addresses --------------------------------------------------------------- */

struct ng_interval {
    ng_u128 lo, hi; /* both inclusive, lo <= hi */
};

/* Sorted, disjoint and never touching intervals of one family's addresses (or of ports:
 * any number up to 128 bits). Immutable once made; lives in the arena it was made in. */
struct ng_addrset {
    const struct ng_interval *intervals;
    size_t count;
};

/* All of these return 0 or -ENOMEM. The result may share memory with the arguments. */
int ng_addrset_range(struct ng_arena *arena, ng_u128 lo, ng_u128 hi,
                     struct ng_addrset *ret_set) _must_check_;
int ng_addrset_from(struct ng_arena *arena, const struct ng_interval *any_order, size_t count,
                    struct ng_addrset *ret_set) _must_check_;
int ng_addrset_union(struct ng_arena *arena, struct ng_addrset a, struct ng_addrset b,
                     struct ng_addrset *ret_set) _must_check_;
int ng_addrset_intersect(struct ng_arena *arena, struct ng_addrset a, struct ng_addrset b,
                         struct ng_addrset *ret_set) _must_check_;
int ng_addrset_subtract(struct ng_arena *arena, struct ng_addrset a, struct ng_addrset b,
                        struct ng_addrset *ret_set) _must_check_;

bool ng_addrset_contains(struct ng_addrset set, ng_u128 value);
bool ng_addrset_equal(struct ng_addrset a, struct ng_addrset b);
bool ng_addrset_subset(struct ng_addrset inner, struct ng_addrset outer);

static inline bool ng_addrset_empty(struct ng_addrset set) {
    return set.count == 0;
}

/* The shortest list of prefixes that says the same, sorted. Calls `each` per prefix. */
void ng_addrset_each_prefix(struct ng_addrset set, uint8_t family,
                            void (*each)(struct ng_addr prefix, unsigned len, void *context),
                            void *context);

#endif
