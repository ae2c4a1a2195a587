/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_set.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

/* -- tables and chains --------------------------------------------------------------- */

static int table_family(uint8_t nfproto, enum ng_table_family *ret_family) {
    switch (nfproto) {
    case NFPROTO_IPV4:
        *ret_family = NG_TABLE_IP;
        return 0;
    case NFPROTO_IPV6:
        *ret_family = NG_TABLE_IP6;
        return 0;
    case NFPROTO_INET:
        *ret_family = NG_TABLE_INET;
        return 0;
    case NFPROTO_NETDEV:
        *ret_family = NG_TABLE_NETDEV;
        return 0;
    case NFPROTO_BRIDGE:
        *ret_family = NG_TABLE_BRIDGE;
        return 0;
    case NFPROTO_ARP:
        *ret_family = NG_TABLE_ARP;
        return 0;
    default:
        return -EBADMSG;
    }
}

static int compare_table(const struct ng_table *table, enum ng_table_family family,
                         const char *name) {
    if (table->family != family)
        return table->family < family ? -1 : 1;
    return strcmp(table->name, name);
}

static int compare_table_index(const void *left, const void *right, void *context) {
    const struct decoder *decoder = context;
    const struct ng_table *b = &decoder->tables[*(const uint32_t *)right];
    return compare_table(&decoder->tables[*(const uint32_t *)left], b->family, b->name);
}

/* Makes *ret_index the numbers of things in the order of `compare`. -EBADMSG: one of them is there
 * twice. */
static int make_index(struct decoder *decoder, size_t count,
                      int (*compare)(const void *left, const void *right, void *context),
                      uint32_t **ret_index) {
    uint32_t *index = ng_arena_alloc(decoder->scratch, count, sizeof(*index));
    if (!index)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        index[i] = (uint32_t)i;
    qsort_r(index, count, sizeof(*index), compare, decoder);
    for (size_t i = 1; i < count; i++)
        if (compare(&index[i - 1], &index[i], decoder) == 0)
            return -EBADMSG;
    *ret_index = index;
    return 0;
}

static int find_table(const struct decoder *decoder, const struct nlmsghdr *message,
                      const struct nlattr *name, uint32_t *ret_table) {
    const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
    enum ng_table_family family;
    const char *text = ng_attribute_text(name);
    if (!text || table_family(header->nfgen_family, &family) < 0)
        return -EBADMSG;
    size_t lo = 0, hi = decoder->n_tables;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        uint32_t index = decoder->tables_by_name[middle];
        int order = compare_table(&decoder->tables[index], family, text);
        if (order == 0) {
            *ret_table = index;
            return 0;
        }
        if (order < 0)
            lo = middle + 1;
        else
            hi = middle;
    }
    return -EBADMSG;
}

static int add_table(struct decoder *decoder, const struct nlmsghdr *message) {
    const struct nlattr *attributes[NFTA_TABLE_MAX + 1];
    const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
    enum ng_table_family family;
    int r = ng_attributes_of(message, sizeof(*header), attributes, NFTA_TABLE_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attributes[NFTA_TABLE_NAME]);
    if (!name || table_family(header->nfgen_family, &family) < 0)
        return -EBADMSG;

    struct ng_table *table = NG_ARENA_APPEND(decoder->arena, decoder->tables, decoder->n_tables,
                                             decoder->tables_capacity);
    char *own = ng_arena_strdup(decoder->arena, name);
    if (!table || !own)
        return -ENOMEM;
    *table = (struct ng_table){
        .family = family,
        .name = own,
        .dormant = ng_attribute_be32(attributes[NFTA_TABLE_FLAGS], 0) & NFT_TABLE_F_DORMANT,
    };
    return 0;
}

/* include/uapi/linux/netfilter.h numbers the hooks per family. */
static int hook_of(enum ng_table_family family, uint32_t number, enum ng_hook *ret_hook) {
    static const enum ng_hook inet[] = {
        [NF_INET_PRE_ROUTING] = NG_HOOK_PREROUTING,   [NF_INET_LOCAL_IN] = NG_HOOK_INPUT,
        [NF_INET_FORWARD] = NG_HOOK_FORWARD,          [NF_INET_LOCAL_OUT] = NG_HOOK_OUTPUT,
        [NF_INET_POST_ROUTING] = NG_HOOK_POSTROUTING, [NF_INET_INGRESS] = NG_HOOK_INGRESS,
    };
    static const enum ng_hook netdev[] = {
        [NF_NETDEV_INGRESS] = NG_HOOK_INGRESS,
        [NF_NETDEV_EGRESS] = NG_HOOK_EGRESS,
    };
    /* linux/netfilter_arp.h: in, out, forward. ARP never decides about IP packets. */
    static const enum ng_hook arp[] = {NG_HOOK_INPUT, NG_HOOK_OUTPUT, NG_HOOK_FORWARD};

    const enum ng_hook *hooks = family == NG_TABLE_NETDEV ? netdev
                                : family == NG_TABLE_ARP  ? arp
                                                          : inet;
    size_t count = family == NG_TABLE_NETDEV ? ARRAY_SIZE(netdev)
                   : family == NG_TABLE_ARP  ? ARRAY_SIZE(arp)
                   : family == NG_TABLE_INET ? ARRAY_SIZE(inet)
                                             : NF_INET_INGRESS;
    if (number >= count)
        return -EBADMSG;
    *ret_hook = hooks[number];
    return 0;
}

static int add_device(struct decoder *decoder, struct ng_chain *chain, size_t *capacity,
                      const struct nlattr *attribute) {
    /* A wildcard device (since 6.17) comes without the final NUL. */
    const char *name = mnl_attr_get_payload(attribute);
    size_t len = mnl_attr_get_payload_len(attribute);
    bool wildcard = !memchr(name, '\0', len);
    char *own = ng_arena_printf(decoder->arena, "%.*s%s", (int)len, name, wildcard ? "*" : "");
    const char **devices = (const char **)chain->devices;
    const char **slot =
        own ? NG_ARENA_APPEND(decoder->arena, devices, chain->n_devices, *capacity) : NULL;
    if (!slot)
        return -ENOMEM;
    *slot = own;
    chain->devices = devices;
    return 0;
}

static int read_hook(struct decoder *decoder, struct ng_chain *chain, const struct nlattr *nest) {
    const struct nlattr *attributes[NFTA_HOOK_MAX + 1];
    int r = ng_attributes_in(nest, attributes, NFTA_HOOK_MAX);
    if (r < 0)
        return r;
    chain->base = true;
    chain->priority = (int32_t)ng_attribute_be32(attributes[NFTA_HOOK_PRIORITY], 0);
    r = hook_of(decoder->tables[chain->table].family,
                ng_attribute_be32(attributes[NFTA_HOOK_HOOKNUM], UINT32_MAX), &chain->hook);
    if (r < 0)
        return r;

    size_t capacity = 0;
    const struct nlattr *device;
    if (attributes[NFTA_HOOK_DEVS]) {
        r = ng_attributes_check(attributes[NFTA_HOOK_DEVS]);
        if (r < 0)
            return r;
        mnl_attr_for_each_nested(device, attributes[NFTA_HOOK_DEVS]) {
            r = add_device(decoder, chain, &capacity, device);
            if (r < 0)
                return r;
        }
    } else if (attributes[NFTA_HOOK_DEV]) {
        return add_device(decoder, chain, &capacity, attributes[NFTA_HOOK_DEV]);
    }
    return 0;
}

static int add_chain(struct decoder *decoder, const struct nlmsghdr *message) {
    const struct nlattr *attributes[NFTA_CHAIN_MAX + 1];
    uint32_t table;
    int r = ng_attributes_of(message, sizeof(struct nfgenmsg), attributes, NFTA_CHAIN_MAX);
    if (r == 0)
        r = find_table(decoder, message, attributes[NFTA_CHAIN_TABLE], &table);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attributes[NFTA_CHAIN_NAME]);
    if (!name)
        return -EBADMSG;

    char *own = ng_arena_strdup(decoder->arena, name);
    struct ng_chain *chain = NG_ARENA_APPEND(decoder->arena, decoder->chains, decoder->n_chains,
                                             decoder->chains_capacity);
    if (!own || !chain)
        return -ENOMEM;
    *chain = (struct ng_chain){
        .table = table,
        .name = own,
        .handle = ng_attribute_be64(attributes[NFTA_CHAIN_HANDLE], 0),
    };
    if (!attributes[NFTA_CHAIN_HOOK])
        return 0;

    chain->policy_drop = ng_attribute_be32(attributes[NFTA_CHAIN_POLICY], NF_ACCEPT) == NF_DROP;
    const char *type = ng_attribute_text(attributes[NFTA_CHAIN_TYPE]);
    if (type && strcmp(type, "nat") == 0)
        chain->type = NG_CHAIN_NAT;
    else if (type && strcmp(type, "route") == 0)
        chain->type = NG_CHAIN_ROUTE;
    return read_hook(decoder, chain, attributes[NFTA_CHAIN_HOOK]);
}

static int compare_chain(const struct ng_chain *chain, uint32_t table, const char *name) {
    if (chain->table != table)
        return chain->table < table ? -1 : 1;
    return strcmp(chain->name, name);
}

static int compare_chain_index(const void *left, const void *right, void *context) {
    const struct decoder *decoder = context;
    const struct ng_chain *b = &decoder->chains[*(const uint32_t *)right];
    return compare_chain(&decoder->chains[*(const uint32_t *)left], b->table, b->name);
}

static int find_chain(const struct decoder *decoder, uint32_t table, const char *name,
                      uint32_t *ret_chain) {
    size_t lo = 0, hi = decoder->n_chains;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        uint32_t index = decoder->chains_by_name[middle];
        int order = compare_chain(&decoder->chains[index], table, name);
        if (order == 0) {
            *ret_chain = index;
            return 0;
        }
        if (order < 0)
            lo = middle + 1;
        else
            hi = middle;
    }
    return -EBADMSG;
}

int ng_decode_verdict(struct decoder *decoder, uint32_t table, const struct nlattr *data,
                      struct ng_verdict *ret_verdict) {
    const struct nlattr *attributes[NFTA_VERDICT_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_VERDICT_MAX);
    if (r < 0)
        return r;
    if (!attributes[NFTA_VERDICT_CODE])
        return -EBADMSG;
    int32_t code = (int32_t)ng_attribute_be32(attributes[NFTA_VERDICT_CODE], 0);

    struct ng_verdict verdict = {0};
    switch (code) {
    case NFT_CONTINUE:
        verdict.kind = NG_VERDICT_CONTINUE;
        break;
    case NFT_RETURN:
        verdict.kind = NG_VERDICT_RETURN;
        break;
    case NF_ACCEPT:
        verdict.kind = NG_VERDICT_ACCEPT;
        break;
    case NF_DROP:
        verdict.kind = NG_VERDICT_DROP;
        break;
    case NFT_JUMP:
    case NFT_GOTO: {
        verdict.kind = code == NFT_JUMP ? NG_VERDICT_JUMP : NG_VERDICT_GOTO;
        const char *chain = ng_attribute_text(attributes[NFTA_VERDICT_CHAIN]);
        if (!chain)
            return -EBADMSG;
        r = find_chain(decoder, table, chain, &verdict.chain);
        if (r < 0)
            return r;
        break;
    }
    default:
        /* NF_QUEUE with a queue number in the upper half, and whatever a later kernel adds. */
        verdict.kind = NG_VERDICT_UNKNOWN;
        verdict.text = (code & NF_VERDICT_MASK) == NF_QUEUE ? "queue" : "unknown verdict";
    }
    *ret_verdict = verdict;
    return 0;
}

/* -- rules --------------------------------------------------------------------------- */

/* The length of the UTF-8 character (RFC 3629) at `s`, 0: there is none. */
static size_t character_len(const uint8_t *s, size_t left) {
    size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if ((s[0] >= 0x80 && s[0] < 0xc2) || s[0] > 0xf4 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool beyond = (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf4 && s[1] >= 0x90);
    return overlong || beyond ? 0 : len;
}

static bool is_utf8(const uint8_t *s, size_t len) {
    for (size_t i = 0, n; i < len; i += n) {
        n = character_len(s + i, len - i);
        if (n == 0)
            return false;
    }
    return true;
}

/* What the kernel keeps for nft and iptables-nft without looking: a type, a length and so many
 * bytes, again and again (libnftnl, udata.h). The comment is of type 0 and ends in a NUL; what is
 * not a text is left out. */
static int read_comment(struct decoder *decoder, const struct nlattr *data, const char **ret_text) {
    enum { UDATA_COMMENT = 0, UDATA_HEADER = 2 };
    const uint8_t *at = mnl_attr_get_payload(data);
    size_t left = mnl_attr_get_payload_len(data);
    while (left >= UDATA_HEADER && at[1] <= left - UDATA_HEADER) {
        size_t len = at[1];
        const uint8_t *text = at + UDATA_HEADER;
        if (at[0] == UDATA_COMMENT && len > 1 && memchr(text, '\0', len) == text + len - 1 &&
            is_utf8(text, len - 1)) {
            *ret_text = ng_arena_strdup(decoder->arena, (const char *)text);
            return *ret_text ? 0 : -ENOMEM;
        }
        at += UDATA_HEADER + len;
        left -= UDATA_HEADER + len;
    }
    return 0;
}

static int add_rule(struct decoder *decoder, const struct nlmsghdr *message) {
    const struct nlattr *attributes[NFTA_RULE_MAX + 1];
    uint32_t table, chain;
    int r = ng_attributes_of(message, sizeof(struct nfgenmsg), attributes, NFTA_RULE_MAX);
    if (r == 0)
        r = find_table(decoder, message, attributes[NFTA_RULE_TABLE], &table);
    if (r < 0)
        return r;
    const char *chain_name = ng_attribute_text(attributes[NFTA_RULE_CHAIN]), *comment = NULL;
    if (!chain_name)
        return -EBADMSG;
    r = find_chain(decoder, table, chain_name, &chain);
    struct op_list list = {.arena = decoder->arena, .ipsets = decoder->ipsets};
    if (r == 0 && attributes[NFTA_RULE_EXPRESSIONS])
        r = ng_decode_expressions(decoder, table, attributes[NFTA_RULE_EXPRESSIONS], &list);
    if (r == 0 && attributes[NFTA_RULE_USERDATA])
        r = read_comment(decoder, attributes[NFTA_RULE_USERDATA], &comment);
    if (r < 0)
        return r;
    decoder->sets_label = decoder->sets_label || list.sets_label;
    decoder->sets_zone = decoder->sets_zone || list.sets_zone;
    struct ng_rule *rule = NG_ARENA_APPEND(decoder->scratch, decoder->rules, decoder->n_rules,
                                           decoder->rules_capacity);
    if (!rule)
        return -ENOMEM;
    *rule = (struct ng_rule){
        .chain = chain,
        .tracks = list.tracks,
        .handle = ng_attribute_be64(attributes[NFTA_RULE_HANDLE], 0),
        .ops = list.ops,
        .n_ops = list.count,
        .comment = comment,
    };
    return 0;
}

/* -- messages ------------------------------------------------------------------------ */

typedef int (*message_fn)(struct decoder *decoder, const struct nlmsghdr *message);

static int add_set(struct decoder *decoder, const struct nlmsghdr *message) {
    const struct nlattr *attributes[NFTA_SET_MAX + 1];
    uint32_t table;
    int r = ng_attributes_of(message, sizeof(struct nfgenmsg), attributes, NFTA_SET_MAX);
    if (r == 0)
        r = find_table(decoder, message, attributes[NFTA_SET_TABLE], &table);
    return r < 0 ? r : ng_decode_set(decoder, table, message);
}

static int add_set_elements(struct decoder *decoder, const struct nlmsghdr *message) {
    const struct nlattr *attributes[NFTA_SET_ELEM_LIST_MAX + 1];
    uint32_t table;
    int r = ng_attributes_of(message, sizeof(struct nfgenmsg), attributes, NFTA_SET_ELEM_LIST_MAX);
    if (r == 0)
        r = find_table(decoder, message, attributes[NFTA_SET_ELEM_LIST_TABLE], &table);
    return r < 0 ? r : ng_decode_set_elements(decoder, table, message);
}

/* Runs `fn` over all messages of one type. */
static int each_message(struct decoder *decoder, const struct ng_nft_dump *dump, uint16_t type,
                        message_fn fn, struct ng_error *error) {
    size_t at = 0;
    while (dump->len_bytes - at >= sizeof(struct nlmsghdr)) {
        const struct nlmsghdr *message = (const struct nlmsghdr *)(dump->bytes + at);
        size_t left = dump->len_bytes - at;
        if (message->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg) ||
            message->nlmsg_len > left)
            return ng_error_set(error, -EBADMSG, "nftables",
                                "the dump is torn at byte %zu: a message claims %u of %zu bytes",
                                at, message->nlmsg_len, left);
        if (message->nlmsg_type == type) {
            int r = fn(decoder, message);
            if (r == -ENOMEM)
                return ng_error_set(error, r, "nftables", "out of memory");
            if (r < 0)
                return ng_error_set(error, r, "nftables",
                                    "the message at byte %zu of the dump (type %u) contradicts "
                                    "the rest or is torn",
                                    at, type & 0xffU);
        }
        size_t step = MNL_ALIGN(message->nlmsg_len);
        at = step > left ? dump->len_bytes : at + step;
    }
    if (at != dump->len_bytes)
        return ng_error_set(error, -EBADMSG, "nftables", "the dump ends inside a message");
    return 0;
}

#define NFT_TYPE(message) ((uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | (message)))

static int index_error(int r, const char *what, struct ng_error *error) {
    if (r == -ENOMEM)
        return ng_error_set(error, r, "nftables", "out of memory");
    return r < 0 ? ng_error_set(error, r, "nftables", "the dump has the same %s twice", what) : 0;
}

static int decode_tables(struct decoder *decoder, const struct ng_nft_dump *dump,
                         struct ng_error *error) {
    int r = each_message(decoder, dump, NFT_TYPE(NFT_MSG_NEWTABLE), add_table, error);
    if (r == 0)
        r = index_error(
            make_index(decoder, decoder->n_tables, compare_table_index, &decoder->tables_by_name),
            "table", error);
    return r;
}

static int decode_chains(struct decoder *decoder, const struct ng_nft_dump *dump,
                         struct ng_error *error) {
    int r = each_message(decoder, dump, NFT_TYPE(NFT_MSG_NEWCHAIN), add_chain, error);
    if (r == 0)
        r = index_error(
            make_index(decoder, decoder->n_chains, compare_chain_index, &decoder->chains_by_name),
            "chain", error);
    return r;
}

static int decode_sets(struct decoder *decoder, const struct ng_nft_dump *dump,
                       struct ng_error *error) {
    int r = each_message(decoder, dump, NFT_TYPE(NFT_MSG_NEWSET), add_set, error);
    if (r == 0)
        r = index_error(ng_sets_sort(decoder), "set", error);
    if (r == 0)
        r = each_message(decoder, dump, NFT_TYPE(NFT_MSG_NEWSETELEM), add_set_elements, error);
    return r;
}

/* What refers to something comes after it: rules after the sets they look into, verdict
 * maps after the chains they jump to. */
int ng_nft_decode(struct decoder *decoder, const struct ng_nft_dump *dump, struct ng_error *error) {
    int r = decode_tables(decoder, dump, error);
    if (r == 0)
        r = decode_chains(decoder, dump, error);
    if (r == 0)
        r = decode_sets(decoder, dump, error);
    if (r == 0)
        r = each_message(decoder, dump, NFT_TYPE(NFT_MSG_NEWRULE), add_rule, error);
    return r < 0 ? r : index_error(ng_sets_finish(decoder), "set", error);
}
