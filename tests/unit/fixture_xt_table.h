/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TESTS_FIXTURE_XT_TABLE_H
#define NETGUARD_TESTS_FIXTURE_XT_TABLE_H

/* Tables of iptables-legacy put together by hand, entry after entry, as the kernel tells them:
 * xt_begin; for each hook xt_hook, its rules, xt_policy; for each other chain xt_chain, its rules
 * and a return; xt_end. What makes an entry returns its offset. */

#include "netguard/world.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdlib.h>
#include <string.h>

struct xt_build {
    struct ipt_getinfo info;
    _Alignas(8) uint8_t entries[8192];
    size_t len; /* of the entries that are handed out */
    const char *name;
    uint8_t family;
    bool hook_begun;
    uint32_t last;                                    /* entry */
    uint8_t bytes[sizeof(struct ipt_getinfo) + 8192]; /* both together */
};

static inline void xt_begin(struct xt_build *build, uint8_t family, const char *name) {
    build->family = family;
    build->name = name;
    strncpy(build->info.name, name, sizeof(build->info.name) - 1);
}

static inline struct ipt_entry *xt_entry4(struct xt_build *build, size_t at) {
    return (struct ipt_entry *)(build->entries + at);
}

static inline struct ip6t_entry *xt_entry6(struct xt_build *build, size_t at) {
    return (struct ip6t_entry *)(build->entries + at);
}

static inline uint16_t *xt_target_offset(struct xt_build *build, size_t at) {
    return build->family == NG_IP4 ? &xt_entry4(build, at)->target_offset
                                   : &xt_entry6(build, at)->target_offset;
}

static inline uint16_t *xt_next_offset(struct xt_build *build, size_t at) {
    return build->family == NG_IP4 ? &xt_entry4(build, at)->next_offset
                                   : &xt_entry6(build, at)->next_offset;
}

static inline size_t xt_entry_len(struct xt_build *build, size_t at) {
    return *xt_next_offset(build, at);
}

static inline struct xt_entry_target *xt_target_of(struct xt_build *build, size_t at) {
    return (struct xt_entry_target *)(build->entries + at + *xt_target_offset(build, at));
}

static inline size_t xt_room(struct xt_build *build, size_t size) {
    size_t at = build->len;
    if (size > sizeof(build->entries) - at)
        abort();
    build->len += size;
    build->info.size = (uint32_t)build->len;
    return at;
}

/* An entry whose matches and target are still to come. */
static inline size_t xt_open(struct xt_build *build) {
    size_t size = build->family == NG_IP4 ? sizeof(struct ipt_entry) : sizeof(struct ip6t_entry);
    size_t at = xt_room(build, size);
    *xt_target_offset(build, at) = (uint16_t)size;
    build->last = (uint32_t)at;
    build->info.num_entries++;
    return at;
}

static inline void xt_match(struct xt_build *build, size_t entry, const char *name,
                            uint8_t revision, const void *info, size_t len_bytes) {
    size_t size = XT_ALIGN(sizeof(struct xt_entry_match) + len_bytes);
    struct xt_entry_match *match = (struct xt_entry_match *)(build->entries + xt_room(build, size));
    match->u.user.match_size = (uint16_t)size;
    strcpy(match->u.user.name, name);
    match->u.user.revision = revision;
    memcpy(match->data, info, len_bytes);
    *xt_target_offset(build, entry) += (uint16_t)size;
}

static inline void xt_target(struct xt_build *build, size_t entry, const char *name,
                             uint8_t revision, const void *info, size_t len_bytes) {
    size_t size = XT_ALIGN(sizeof(struct xt_entry_target) + len_bytes);
    xt_room(build, size);
    struct xt_entry_target *target = xt_target_of(build, entry);
    target->u.user.target_size = (uint16_t)size;
    strcpy(target->u.user.name, name);
    target->u.user.revision = revision;
    if (len_bytes)
        memcpy(target->data, info, len_bytes);
    *xt_next_offset(build, entry) = (uint16_t)(*xt_target_offset(build, entry) + size);
}

/* With the standard target. */
static inline void xt_close(struct xt_build *build, size_t entry, int verdict) {
    xt_target(build, entry, XT_STANDARD_TARGET, 0, &verdict, sizeof(verdict));
}

static inline size_t xt_standard(struct xt_build *build, int verdict) {
    size_t at = xt_open(build);
    xt_close(build, at, verdict);
    return at;
}

static inline void xt_set_verdict(struct xt_build *build, size_t entry, int verdict) {
    ((struct xt_standard_target *)xt_target_of(build, entry))->verdict = verdict;
}

static inline void xt_set_goto(struct xt_build *build, size_t entry) {
    if (build->family == NG_IP4)
        xt_entry4(build, entry)->ip.flags |= IPT_F_GOTO;
    else
        xt_entry6(build, entry)->ipv6.flags |= IP6T_F_GOTO;
}

/* A rule without a target: on to the next. */
static inline void xt_through(struct xt_build *build) {
    size_t at = xt_standard(build, 0);
    xt_set_verdict(build, at, (int)(at + xt_entry_len(build, at)));
}

static inline void xt_hook(struct xt_build *build, unsigned hook) {
    build->info.valid_hooks |= 1U << hook;
    build->info.hook_entry[hook] = (uint32_t)build->len;
    build->hook_begun = true;
}

/* Of the hook at hand, or of one without rules. */
static inline void xt_policy(struct xt_build *build, unsigned hook, int verdict) {
    if (!build->hook_begun)
        xt_hook(build, hook);
    build->hook_begun = false;
    build->info.underflow[hook] = (uint32_t)xt_standard(build, -verdict - 1);
}

/* Returns where its first rule will be, which is what jumps name. */
static inline size_t xt_chain(struct xt_build *build, const char *name) {
    char errorname[XT_FUNCTION_MAXNAMELEN] = {0};
    strncpy(errorname, name, sizeof(errorname) - 1);
    xt_target(build, xt_open(build), XT_ERROR_TARGET, 0, errorname, sizeof(errorname));
    return build->len;
}

static inline void xt_end(struct xt_build *build) {
    xt_chain(build, XT_ERROR_TARGET);
}

static inline struct ng_xt_table xt_built(struct xt_build *build) {
    memcpy(build->bytes, &build->info, sizeof(build->info));
    memcpy(build->bytes + sizeof(build->info), build->entries, build->len);
    return (struct ng_xt_table){.family = build->family,
                                .name = build->name,
                                .bytes = build->bytes,
                                .len_bytes = sizeof(build->info) + build->len};
}

#endif
