/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/ruleset_parts.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdlib.h>
#include <string.h>

/* A table of iptables-legacy is a sequence of entries of different size: an address, interface
 * and protocol test, matches, a target. In this order:
 *
 *     for each hook          the rules of its chain, and an entry that is the policy
 *     for each chain beside  an entry whose target ERROR holds its name, its rules, a RETURN
 *     at the end             an entry with target ERROR
 *
 * Hooks and jumps name entries by their offset. The kernel has checked all this (x_tables.c,
 * ip_tables.c, ip6_tables.c); a snapshot may hold anything. */

/* ENTRY_ALIGN: struct xt_counters and the kernel's pointers in struct xt_entry_match. */
enum { ENTRY_ALIGN = 8 };

_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo) &&
                   offsetof(struct ipt_getinfo, size) == offsetof(struct ip6t_getinfo, size),
               "both families are told about in the same words");
_Static_assert(_Alignof(struct ipt_entry) == ENTRY_ALIGN, "one size of pointer and counter");
_Static_assert((int)IPT_INV_VIA_IN == (int)IP6T_INV_VIA_IN &&
                   (int)IPT_INV_VIA_OUT == (int)IP6T_INV_VIA_OUT &&
                   (int)IPT_INV_SRCIP == (int)IP6T_INV_SRCIP &&
                   (int)IPT_INV_DSTIP == (int)IP6T_INV_DSTIP &&
                   (int)IPT_INV_PROTO == (int)IP6T_INV_PROTO,
               "both families negate with the same bits");

/* What an entry says, the same for both families. */
struct entry {
    const uint8_t *bytes;
    uint32_t offset; /* in the table */
    uint16_t header_len, target_offset, next_offset;
    ng_u128 src, src_mask, dst, dst_mask;
    const char *iif, *oif; /* IFNAMSIZ bytes each */
    const unsigned char *iif_mask, *oif_mask;
    uint16_t proto; /* 0: any */
    uint8_t invflags;
    bool goes; /* instead of to jump */
    bool fragment;
    const struct xt_entry_target *target;
};

/* A chain and its entries, by number; the last one ends it and is no rule. */
struct span {
    uint32_t chain;
    size_t first, last;
};

/* The table at hand. */
struct blob {
    struct decoder *decoder;
    const char *source;
    const char *name;
    uint8_t family; /* enum ng_family */
    uint32_t table; /* index */
    struct ipt_getinfo info;
    const uint8_t *entries; /* aligned */
    uint32_t *offsets;      /* of the entries, ascending */
    size_t n_offsets;
    struct span hooks[NF_INET_NUMHOOKS];
    struct span *chains; /* those of no hook; in the order of the entries */
    size_t n_chains, chains_capacity;
    struct ng_error *error;
};

static int torn(const struct blob *blob, uint32_t offset, const char *what) {
    return ng_error_set(blob->error, -EBADMSG, blob->source, "table %s at byte %u: %s", blob->name,
                        offset, what);
}

static int no_memory(const struct blob *blob) {
    return ng_error_set(blob->error, -ENOMEM, blob->source, "out of memory");
}

/* -- entries ------------------------------------------------------------------------- */

static struct entry read_entry4(const uint8_t *bytes) {
    const struct ipt_entry *entry = (const struct ipt_entry *)bytes;
    const struct ipt_ip *ip = &entry->ip;
    return (struct entry){
        .header_len = sizeof(*entry),
        .target_offset = entry->target_offset,
        .next_offset = entry->next_offset,
        .src = ng_wire_number((const uint8_t *)&ip->src, sizeof(ip->src), false),
        .src_mask = ng_wire_number((const uint8_t *)&ip->smsk, sizeof(ip->smsk), false),
        .dst = ng_wire_number((const uint8_t *)&ip->dst, sizeof(ip->dst), false),
        .dst_mask = ng_wire_number((const uint8_t *)&ip->dmsk, sizeof(ip->dmsk), false),
        .iif = ip->iniface,
        .oif = ip->outiface,
        .iif_mask = ip->iniface_mask,
        .oif_mask = ip->outiface_mask,
        .proto = ip->proto,
        .invflags = ip->invflags,
        .goes = ip->flags & IPT_F_GOTO,
        .fragment = ip->flags & IPT_F_FRAG,
    };
}

static struct entry read_entry6(const uint8_t *bytes) {
    const struct ip6t_entry *entry = (const struct ip6t_entry *)bytes;
    const struct ip6t_ip6 *ip = &entry->ipv6;
    struct entry read = {
        .header_len = sizeof(*entry),
        .target_offset = entry->target_offset,
        .next_offset = entry->next_offset,
        .src = ng_wire_number((const uint8_t *)&ip->src, sizeof(ip->src), false),
        .src_mask = ng_wire_number((const uint8_t *)&ip->smsk, sizeof(ip->smsk), false),
        .dst = ng_wire_number((const uint8_t *)&ip->dst, sizeof(ip->dst), false),
        .dst_mask = ng_wire_number((const uint8_t *)&ip->dmsk, sizeof(ip->dmsk), false),
        .iif = ip->iniface,
        .oif = ip->outiface,
        .iif_mask = ip->iniface_mask,
        .oif_mask = ip->outiface_mask,
        .proto = ip->flags & IP6T_F_PROTO ? ip->proto : 0,
        .invflags = ip->invflags & ~(IP6T_INV_FRAG | IP6T_INV_TOS),
        .goes = ip->flags & IP6T_F_GOTO,
    };
    /* IPv4 compares with all of the address, so that a bit beside the mask lets nothing match;
     * IPv6 compares under the mask (ipv6_masked_addr_cmp of the kernel). */
    read.src &= read.src_mask;
    read.dst &= read.dst_mask;
    return read;
}

static struct entry entry_at(const struct blob *blob, uint32_t offset) {
    const uint8_t *bytes = blob->entries + offset;
    struct entry entry = blob->family == NG_IP4 ? read_entry4(bytes) : read_entry6(bytes);
    entry.bytes = bytes;
    entry.offset = offset;
    entry.target = (const struct xt_entry_target *)(bytes + entry.target_offset);
    return entry;
}

static struct entry entry_number(const struct blob *blob, size_t number) {
    return entry_at(blob, blob->offsets[number]);
}

static bool is_target(const struct entry *entry, const char *name) {
    return strcmp(entry->target->u.user.name, name) == 0;
}

static bool is_error(const struct entry *entry) {
    return is_target(entry, XT_ERROR_TARGET);
}

/* Of an entry with the standard target: a verdict or an offset. */
static int verdict_of(const struct entry *entry) {
    return ((const struct xt_standard_target *)entry->target)->verdict;
}

static bool is_named(const char *name, size_t size) {
    return memchr(name, '\0', size) != NULL;
}

static const char *fault_of_target(const struct entry *entry) {
    const struct xt_entry_target *target = entry->target;
    size_t room = (size_t)(entry->next_offset - entry->target_offset);
    size_t size = target->u.user.target_size;
    if (size < sizeof(*target) || size > room)
        return "the target does not fit in";
    if (!is_named(target->u.user.name, sizeof(target->u.user.name)))
        return "the target's name does not end";
    if (is_target(entry, XT_STANDARD_TARGET) && size < sizeof(struct xt_standard_target))
        return "the target is cut short";
    if (!is_error(entry))
        return NULL;
    const struct xt_error_target *error = (const struct xt_error_target *)target;
    if (size < sizeof(*error) || !is_named(error->errorname, sizeof(error->errorname)))
        return "the name of the chain is cut short";
    return NULL;
}

static const char *fault_of_matches(const struct entry *entry) {
    size_t at = entry->header_len;
    while (at < entry->target_offset) {
        const struct xt_entry_match *match = (const struct xt_entry_match *)(entry->bytes + at);
        size_t left = entry->target_offset - at;
        if (left < sizeof(*match) || match->u.user.match_size < sizeof(*match) ||
            match->u.user.match_size > left || match->u.user.match_size % ENTRY_ALIGN)
            return "a match does not fit in";
        if (!is_named(match->u.user.name, sizeof(match->u.user.name)))
            return "a match's name does not end";
        at += match->u.user.match_size;
    }
    return NULL;
}

static const char *fault_of_entry(const struct blob *blob, uint32_t offset) {
    size_t left = blob->info.size - offset;
    size_t header = blob->family == NG_IP4 ? sizeof(struct ipt_entry) : sizeof(struct ip6t_entry);
    if (left < header)
        return "the entry is cut short";
    struct entry entry = entry_at(blob, offset);
    if (entry.next_offset > left || entry.next_offset % ENTRY_ALIGN)
        return "the next entry is not where it may be";
    if (entry.target_offset < header || entry.target_offset % ENTRY_ALIGN ||
        entry.target_offset + sizeof(*entry.target) > entry.next_offset)
        return "the target is not where it may be";
    const char *fault = fault_of_target(&entry);
    return fault ? fault : fault_of_matches(&entry);
}

/* Every entry is looked at once, here; from then on it may be trusted. */
static int find_entries(struct blob *blob) {
    size_t size = blob->info.size, most = size / sizeof(struct ipt_entry);
    if (blob->info.num_entries > most)
        return torn(blob, 0, "there are fewer entries than it says");
    blob->offsets =
        ng_arena_alloc(blob->decoder->scratch, blob->info.num_entries, sizeof(*blob->offsets));
    if (!blob->offsets)
        return no_memory(blob);
    uint32_t at = 0;
    while (at < size) {
        const char *fault = blob->n_offsets < blob->info.num_entries
                                ? fault_of_entry(blob, at)
                                : "there are more entries than it says";
        if (fault)
            return torn(blob, at, fault);
        blob->offsets[blob->n_offsets++] = at;
        at += entry_at(blob, at).next_offset;
    }
    if (blob->n_offsets < blob->info.num_entries)
        return torn(blob, at, "there are fewer entries than it says");
    return 0;
}

static int compare_offsets(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

/* The number of the entry that begins there. */
static bool find_entry(const struct blob *blob, uint32_t offset, size_t *ret_number) {
    if (blob->n_offsets == 0)
        return false;
    const uint32_t *found =
        bsearch(&offset, blob->offsets, blob->n_offsets, sizeof(*blob->offsets), compare_offsets);
    if (found)
        *ret_number = (size_t)(found - blob->offsets);
    return found;
}

static bool all_zero(const void *bytes, size_t len) {
    const uint8_t *byte = bytes;
    size_t i = 0;
    while (i < len && byte[i] == 0)
        i++;
    return i == len;
}

/* Policies and the ends of chains ask for nothing. */
static bool is_unconditional(const struct entry *entry) {
    return entry->target_offset == entry->header_len && entry->src == 0 && entry->src_mask == 0 &&
           entry->dst == 0 && entry->dst_mask == 0 && all_zero(entry->iif_mask, IFNAMSIZ) &&
           all_zero(entry->oif_mask, IFNAMSIZ) && entry->proto == 0 && entry->invflags == 0 &&
           !entry->fragment && is_target(entry, XT_STANDARD_TARGET);
}

/* -- chains -------------------------------------------------------------------------- */

struct known_table {
    const char *name;
    int32_t priority;
    enum ng_chain_type type;
};

/* enum nf_ip_hook_priorities of linux/netfilter_ipv4.h; nat's depend on the hook. What the
 * kernel can be told when it loads the module - raw before the defragmentation of packets -
 * changes nothing for a first packet. */
static const struct known_table known_tables[] = {
    {"filter", 0, NG_CHAIN_FILTER}, {"mangle", -150, NG_CHAIN_FILTER}, {"nat", 0, NG_CHAIN_NAT},
    {"raw", -300, NG_CHAIN_FILTER}, {"security", 50, NG_CHAIN_FILTER},
};

static const struct known_table *find_known(const char *name) {
    for (size_t i = 0; i < ARRAY_SIZE(known_tables); i++)
        if (strcmp(known_tables[i].name, name) == 0)
            return &known_tables[i];
    return NULL;
}

static int add_table(struct blob *blob) {
    struct decoder *decoder = blob->decoder;
    struct ng_table *table = NG_ARENA_APPEND(decoder->arena, decoder->tables, decoder->n_tables,
                                             decoder->tables_capacity);
    char *name = ng_arena_strdup(decoder->arena, blob->name);
    if (!table || !name)
        return no_memory(blob);
    *table = (struct ng_table){
        .family = blob->family == NG_IP4 ? NG_TABLE_IP : NG_TABLE_IP6,
        .name = name,
        .legacy = true,
    };
    blob->table = (uint32_t)(decoder->n_tables - 1);
    return 0;
}

static int add_chain(struct blob *blob, const struct ng_chain *chain, uint32_t *ret_chain) {
    struct decoder *decoder = blob->decoder;
    struct ng_chain *own = NG_ARENA_APPEND(decoder->arena, decoder->chains, decoder->n_chains,
                                           decoder->chains_capacity);
    char *name = ng_arena_strdup(decoder->arena, chain->name);
    if (!own || !name)
        return no_memory(blob);
    *own = *chain;
    own->name = name;
    *ret_chain = (uint32_t)(decoder->n_chains - 1);
    return 0;
}

static struct ng_chain base_chain(const struct blob *blob, unsigned hook) {
    static const struct {
        enum ng_hook hook;
        const char *name;
    } hooks[NF_INET_NUMHOOKS] = {
        [NF_INET_PRE_ROUTING] = {NG_HOOK_PREROUTING, "PREROUTING"},
        [NF_INET_LOCAL_IN] = {NG_HOOK_INPUT, "INPUT"},
        [NF_INET_FORWARD] = {NG_HOOK_FORWARD, "FORWARD"},
        [NF_INET_LOCAL_OUT] = {NG_HOOK_OUTPUT, "OUTPUT"},
        [NF_INET_POST_ROUTING] = {NG_HOOK_POSTROUTING, "POSTROUTING"},
    };
    const struct known_table *known = find_known(blob->name);
    struct ng_chain chain = {
        .table = blob->table,
        .name = hooks[hook].name,
        .base = true,
        .hook = hooks[hook].hook,
        .type = known ? known->type : NG_CHAIN_FILTER,
        /* Where it runs that is not known: it may change a packet before all others see it. */
        .priority = known ? known->priority : INT32_MIN,
    };
    if (chain.type == NG_CHAIN_NAT)
        chain.priority = hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_OUT ? -100 : 100;
    else if (hook == NF_INET_LOCAL_OUT && strcmp(blob->name, "mangle") == 0)
        chain.type = NG_CHAIN_ROUTE;
    return chain;
}

/* The chain of a hook, from where the kernel enters it to its policy. */
static int add_hook(struct blob *blob, unsigned hook) {
    struct span *span = &blob->hooks[hook];
    uint32_t from = blob->info.hook_entry[hook], to = blob->info.underflow[hook];
    if (!find_entry(blob, from, &span->first) || !find_entry(blob, to, &span->last) || from > to)
        return torn(blob, from, "the chain of a hook does not begin and end with an entry");
    for (size_t i = span->first; i <= span->last; i++) {
        struct entry entry = entry_number(blob, i);
        if (is_error(&entry))
            return torn(blob, entry.offset, "the chain of a hook runs into another");
    }
    struct entry policy = entry_number(blob, span->last);
    int verdict = is_unconditional(&policy) ? verdict_of(&policy) : 0;
    if (verdict != -NF_ACCEPT - 1 && verdict != -NF_DROP - 1)
        return torn(blob, to, "the policy is neither accept nor drop");
    struct ng_chain chain = base_chain(blob, hook);
    chain.policy_drop = verdict == -NF_DROP - 1;
    return add_chain(blob, &chain, &span->chain);
}

static int add_hooks(struct blob *blob) {
    if (blob->info.valid_hooks >> NF_INET_NUMHOOKS)
        return torn(blob, 0, "it has hooks that there are not");
    int r = 0;
    for (unsigned hook = 0; r == 0 && hook < NF_INET_NUMHOOKS; hook++)
        if (blob->info.valid_hooks >> hook & 1)
            r = add_hook(blob, hook);
    return r;
}

/* The chain whose name is told by entry `at`; `next` tells that of another, or is the end. */
static int add_named(struct blob *blob, size_t at, size_t next) {
    struct entry head = entry_number(blob, at), tail = entry_number(blob, next - 1);
    if (next == at + 1 || !is_unconditional(&tail) || verdict_of(&tail) != XT_RETURN)
        return torn(blob, head.offset, "the chain does not end");
    struct span *span = NG_ARENA_APPEND(blob->decoder->scratch, blob->chains, blob->n_chains,
                                        blob->chains_capacity);
    if (!span)
        return no_memory(blob);
    span->first = at + 1;
    span->last = next - 1;
    const struct xt_error_target *target = (const struct xt_error_target *)head.target;
    const struct ng_chain chain = {.table = blob->table, .name = target->errorname};
    return add_chain(blob, &chain, &span->chain);
}

static int add_chains(struct blob *blob) {
    size_t head = SIZE_MAX;
    for (size_t i = 0; i < blob->n_offsets; i++) {
        struct entry entry = entry_number(blob, i);
        if (!is_error(&entry))
            continue;
        int r = head == SIZE_MAX ? 0 : add_named(blob, head, i);
        if (r < 0)
            return r;
        head = i;
    }
    if (head == SIZE_MAX || head != blob->n_offsets - 1)
        return torn(blob, blob->info.size, "the last entry is missing");
    return 0;
}

static int compare_first(const void *key, const void *span) {
    size_t a = *(const size_t *)key, b = ((const struct span *)span)->first;
    return a < b ? -1 : a > b;
}

/* -- rules --------------------------------------------------------------------------- */

static int test_addr(struct op_list *list, uint8_t family, enum ng_field which, ng_u128 addr,
                     ng_u128 mask, bool negate) {
    if (addr == 0 && mask == 0 && !negate)
        return 0;
    const struct ng_operand operand = {.field = which, .mask = mask, .family = family};
    return ng_op_add_interval(list, operand, addr, addr, negate);
}

static int test_interface(struct op_list *list, enum ng_field which, const char *name,
                          const unsigned char *mask, bool negate) {
    if (all_zero(mask, IFNAMSIZ) && !negate)
        return 0;
    const struct ng_operand operand = {.field = which,
                                       .mask = ng_wire_number(mask, IFNAMSIZ, false)};
    ng_u128 value = ng_wire_number((const uint8_t *)name, IFNAMSIZ, false) & operand.mask;
    return ng_op_add_interval(list, operand, value, value, negate);
}

/* "-f" wants a fragment that is not the first, "! -f" any other packet. Negated without being
 * asked for it never holds: all of an offset is less than what it is compared with. */
static int test_fragment(struct op_list *list, const struct entry *entry) {
    bool negate = entry->invflags & IPT_INV_FRAG;
    if (!entry->fragment && !negate)
        return 0;
    const struct ng_operand operand = {
        .field = NG_FIELD_FRAGMENT, .mask = 0x1fff, .family = NG_IP4};
    return ng_op_add_interval(list, operand, 0, entry->fragment ? 0 : UINT16_MAX,
                              !(entry->fragment && negate));
}

/* In the order of ip_packet_match and ip6_packet_match of the kernel. */
static int add_tests(const struct blob *blob, const struct entry *entry, struct op_list *list) {
    uint8_t invert = entry->invflags;
    int r = test_addr(list, blob->family, NG_FIELD_SADDR, entry->src, entry->src_mask,
                      invert & IPT_INV_SRCIP);
    r = r ? r
          : test_addr(list, blob->family, NG_FIELD_DADDR, entry->dst, entry->dst_mask,
                      invert & IPT_INV_DSTIP);
    r = r ? r
          : test_interface(list, NG_FIELD_IIFNAME, entry->iif, entry->iif_mask,
                           invert & IPT_INV_VIA_IN);
    r = r ? r
          : test_interface(list, NG_FIELD_OIFNAME, entry->oif, entry->oif_mask,
                           invert & IPT_INV_VIA_OUT);
    if (r == 0 && entry->proto) {
        const struct ng_operand proto = {.field = NG_FIELD_L4PROTO, .mask = ~(ng_u128)0};
        r = ng_op_add_interval(list, proto, entry->proto, entry->proto, invert & IPT_INV_PROTO);
    }
    return r ? r : test_fragment(list, entry);
}

static int add_matches(const struct entry *entry, uint8_t nfproto, struct op_list *list) {
    int r = 0;
    for (size_t at = entry->header_len; r == 0 && at < entry->target_offset;) {
        const struct xt_entry_match *match = (const struct xt_entry_match *)(entry->bytes + at);
        r = ng_decode_xt_match(list, nfproto, match->u.user.name, match->u.user.revision,
                               match->data, match->u.user.match_size - sizeof(*match));
        at += match->u.user.match_size;
    }
    return r;
}

static int add_verdict(struct op_list *list, const struct ng_verdict verdict) {
    return ng_op_add(list, (struct ng_op){.kind = NG_OP_VERDICT, .verdict = verdict});
}

/* To another entry by offset. iptables jumps to the beginning of a chain that has a name, and
 * a rule without a target goes on to the next one. The kernel takes any entry. */
static int add_jump(const struct blob *blob, const struct entry *entry, struct op_list *list) {
    uint32_t to = (uint32_t)verdict_of(entry);
    if (to == entry->offset + entry->next_offset)
        return 0;
    size_t number;
    if (!find_entry(blob, to, &number))
        return torn(blob, entry->offset, "it jumps to where no entry begins");
    const struct span *span = blob->n_chains ? bsearch(&number, blob->chains, blob->n_chains,
                                                       sizeof(*span), compare_first)
                                             : NULL;
    if (!span)
        return ng_op_add(list, (struct ng_op){.kind = NG_OP_UNKNOWN,
                                              .undecoded = true,
                                              .text = "jump into the middle of a chain"});
    return add_verdict(list, (struct ng_verdict){
                                 .kind = entry->goes ? NG_VERDICT_GOTO : NG_VERDICT_JUMP,
                                 .chain = span->chain,
                             });
}

static int add_standard(const struct blob *blob, const struct entry *entry, struct op_list *list) {
    int verdict = verdict_of(entry);
    if (verdict > 0)
        return add_jump(blob, entry, list);
    switch (verdict) {
    case -NF_ACCEPT - 1:
        return add_verdict(list, (struct ng_verdict){.kind = NG_VERDICT_ACCEPT});
    case -NF_DROP - 1:
        return add_verdict(list, (struct ng_verdict){.kind = NG_VERDICT_DROP});
    case XT_RETURN:
        return add_verdict(list, (struct ng_verdict){.kind = NG_VERDICT_RETURN});
    case -NF_QUEUE - 1:
        return add_verdict(list, (struct ng_verdict){.kind = NG_VERDICT_UNKNOWN, .text = "queue"});
    default:
        return torn(blob, entry->offset, "there is no such verdict");
    }
}

static int add_target(const struct blob *blob, const struct entry *entry, uint8_t nfproto,
                      struct op_list *list) {
    const struct xt_entry_target *target = entry->target;
    if (is_target(entry, XT_STANDARD_TARGET))
        return add_standard(blob, entry, list);
    return ng_decode_xt_target(list, nfproto, target->u.user.name, target->u.user.revision,
                               target->data, target->u.user.target_size - sizeof(*target));
}

static int add_rule(const struct blob *blob, uint32_t chain, uint64_t number,
                    const struct op_list *list) {
    struct decoder *decoder = blob->decoder;
    struct ng_rule *rule = NG_ARENA_APPEND(decoder->scratch, decoder->rules, decoder->n_rules,
                                           decoder->rules_capacity);
    if (!rule)
        return -ENOMEM;
    *rule = (struct ng_rule){
        .chain = chain,
        .handle = number,
        .ops = list->ops,
        .n_ops = list->count,
        .tracks = list->tracks,
    };
    return 0;
}

static int add_entry(const struct blob *blob, const struct entry *entry, uint32_t chain,
                     uint64_t number) {
    uint8_t nfproto = blob->family == NG_IP4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
    struct op_list list = {.arena = blob->decoder->arena, .ipsets = blob->decoder->ipsets};
    int r = add_tests(blob, entry, &list);
    r = r ? r : add_matches(entry, nfproto, &list);
    r = r ? r : add_target(blob, entry, nfproto, &list);
    r = r ? r : add_rule(blob, chain, number, &list);
    blob->decoder->sets_label |= list.sets_label;
    blob->decoder->sets_zone |= list.sets_zone;
    if (r == -ENOMEM)
        return no_memory(blob);
    /* An extension that contradicts itself. */
    return r < 0 ? torn(blob, entry->offset, "a match or target is torn") : 0;
}

static int add_rules(const struct blob *blob, const struct span *span) {
    int r = 0;
    for (size_t i = span->first; r == 0 && i < span->last; i++) {
        struct entry entry = entry_number(blob, i);
        r = add_entry(blob, &entry, span->chain, i - span->first + 1);
    }
    return r;
}

/* A module that is not the kernel's own may hook its table in anywhere, for any purpose. */
static int add_doubt(const struct blob *blob, const struct span *span) {
    struct op_list list = {.arena = blob->decoder->arena};
    const struct ng_op doubt = {
        .kind = NG_OP_UNKNOWN, .undecoded = true, .text = "table of an unknown kind"};
    int r = ng_op_add(&list, doubt);
    r = r ? r : add_rule(blob, span->chain, 1, &list);
    return r < 0 ? no_memory(blob) : 0;
}

/* -- the table ----------------------------------------------------------------------- */

static int read_info(struct blob *blob, const struct ng_xt_table *table) {
    if (table->len_bytes < sizeof(blob->info))
        return torn(blob, 0, "it is cut short");
    memcpy(&blob->info, table->bytes, sizeof(blob->info));
    size_t size = table->len_bytes - sizeof(blob->info);
    if (strncmp(blob->info.name, table->name, sizeof(blob->info.name)) != 0)
        return torn(blob, 0, "it has another name within");
    if (blob->info.size != size)
        return torn(blob, 0, "it is not as long as it says");
    uint8_t *entries = ng_arena_alloc(blob->decoder->scratch, 1, size);
    if (!entries)
        return no_memory(blob);
    memcpy(entries, table->bytes + sizeof(blob->info), size);
    blob->entries = entries;
    return 0;
}

int ng_xt_table_decode(struct decoder *decoder, const struct ng_xt_table *table,
                       struct ng_error *error) {
    struct blob blob = {
        .decoder = decoder,
        .source = table->family == NG_IP4 ? "iptables-legacy" : "ip6tables-legacy",
        .name = table->name,
        .family = table->family,
        .error = error,
    };
    int r = read_info(&blob, table);
    r = r ? r : find_entries(&blob);
    r = r ? r : add_table(&blob);
    r = r ? r : add_hooks(&blob);
    r = r ? r : add_chains(&blob);
    bool known = find_known(table->name);
    for (unsigned hook = 0; r == 0 && hook < NF_INET_NUMHOOKS; hook++)
        if (blob.info.valid_hooks >> hook & 1)
            r = known ? add_rules(&blob, &blob.hooks[hook]) : add_doubt(&blob, &blob.hooks[hook]);
    for (size_t i = 0; r == 0 && i < blob.n_chains; i++)
        r = add_rules(&blob, &blob.chains[i]);
    return r;
}
