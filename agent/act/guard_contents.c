/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/guard_parts.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

/* Not in older headers: the conditions of a set that lets packets add to it (Linux 5.11). */
#define SET_EXPRESSIONS 18

struct reading {
    struct ng_guard_contents *contents;
    struct ng_arena *arena;
};

typedef int read_fn(struct reading *reading, const struct nlmsghdr *message);

static int compare_set(const void *left, const void *right) {
    const struct ng_installed_set *a = left, *b = right;
    return strcmp(a->name, b->name);
}

const struct ng_installed_set *ng_installed_set_named(const struct ng_guard_contents *contents,
                                                      const char *name) {
    const struct ng_installed_set wanted = {.name = name};
    return bsearch(&wanted, contents->sets, contents->n_sets, sizeof(wanted), compare_set);
}

static int compare_chain(const void *left, const void *right) {
    const struct ng_installed_chain *a = left, *b = right;
    return strcmp(a->name, b->name);
}

const struct ng_installed_chain *ng_installed_chain_named(const struct ng_guard_contents *contents,
                                                          const char *name) {
    const struct ng_installed_chain wanted = {.name = name};
    return bsearch(&wanted, contents->chains, contents->n_chains, sizeof(wanted), compare_chain);
}

/* -- table and chains ------------------------------------------------------------------ */

/* Written by nft for itself: a type (0: the comment), a length and a text that ends in a NUL. */
static bool is_our_comment(const struct nlattr *data) {
    const uint8_t *bytes = mnl_attr_get_payload(data);
    size_t len = mnl_attr_get_payload_len(data);
    return len >= 2 + sizeof(NG_GUARD_COMMENT) && bytes[0] == 0 &&
           bytes[1] == sizeof(NG_GUARD_COMMENT) &&
           memcmp(bytes + 2, NG_GUARD_COMMENT, sizeof(NG_GUARD_COMMENT)) == 0;
}

static int read_table(struct reading *reading, const struct nlmsghdr *message) {
    struct ng_guard_contents *contents = reading->contents;
    const struct nlattr *attributes[NFTA_TABLE_MAX + 1];
    int r = ng_attributes_of(message, sizeof(struct nfgenmsg), attributes, NFTA_TABLE_MAX);
    if (r < 0)
        return r;
    contents->present = true;
    contents->flags = ng_attribute_be32(attributes[NFTA_TABLE_FLAGS], 0);
    contents->owner = ng_attribute_be32(attributes[NFTA_TABLE_OWNER], 0);
    contents->ours =
        attributes[NFTA_TABLE_USERDATA] && is_our_comment(attributes[NFTA_TABLE_USERDATA]);
    return 0;
}

static int read_hook(const struct nlattr *nest, struct ng_installed_chain *chain) {
    const struct nlattr *attributes[NFTA_HOOK_MAX + 1];
    int r = ng_attributes_in(nest, attributes, NFTA_HOOK_MAX);
    if (r < 0)
        return r;
    uint32_t hook = ng_attribute_be32(attributes[NFTA_HOOK_HOOKNUM], UINT32_MAX);
    chain->base = true;
    chain->hook = hook == NF_INET_FORWARD ? NG_HOOK_FORWARD : NG_HOOK_INPUT;
    chain->priority = (int32_t)ng_attribute_be32(attributes[NFTA_HOOK_PRIORITY], 0);
    chain->more = chain->more || (hook != NF_INET_FORWARD && hook != NF_INET_LOCAL_IN);
    return 0;
}

static int read_chain(struct reading *reading, const struct nlmsghdr *message) {
    struct ng_guard_contents *contents = reading->contents;
    const struct nlattr *attributes[NFTA_CHAIN_MAX + 1];
    int r = ng_attributes_of(message, sizeof(struct nfgenmsg), attributes, NFTA_CHAIN_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attributes[NFTA_CHAIN_NAME]);
    const char *type = ng_attribute_text(attributes[NFTA_CHAIN_TYPE]);
    if (!name)
        return -EBADMSG;
    struct ng_installed_chain *chain = NG_ARENA_APPEND(
        reading->arena, contents->chains, contents->n_chains, contents->chains_capacity);
    if (!chain)
        return -ENOMEM;
    *chain = (struct ng_installed_chain){
        .name = name,
        .more = (type && strcmp(type, "filter") != 0) || attributes[NFTA_CHAIN_COUNTERS] ||
                ng_attribute_be32(attributes[NFTA_CHAIN_POLICY], NF_ACCEPT) != NF_ACCEPT ||
                ng_attribute_be32(attributes[NFTA_CHAIN_FLAGS], 0) & ~(uint32_t)NFT_CHAIN_BASE,
    };
    return attributes[NFTA_CHAIN_HOOK] ? read_hook(attributes[NFTA_CHAIN_HOOK], chain) : 0;
}

static int read_rule(struct reading *reading, const struct nlmsghdr *message) {
    const struct nlattr *attributes[NFTA_RULE_MAX + 1];
    int r = ng_attributes_of(message, sizeof(struct nfgenmsg), attributes, NFTA_RULE_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attributes[NFTA_RULE_CHAIN]);
    struct ng_installed_chain *chain =
        name ? (struct ng_installed_chain *)ng_installed_chain_named(reading->contents, name)
             : NULL;
    if (!chain)
        return -EBADMSG;
    const struct nlmsghdr **slot =
        NG_ARENA_APPEND(reading->arena, chain->rules, chain->n_rules, chain->capacity);
    if (!slot)
        return -ENOMEM;
    *slot = message;
    return 0;
}

/* -- sets and elements ----------------------------------------------------------------- */

static int read_set(struct reading *reading, const struct nlmsghdr *message) {
    struct ng_guard_contents *contents = reading->contents;
    const struct nlattr *attributes[SET_EXPRESSIONS + 1], *desc[NFTA_SET_DESC_MAX + 1] = {NULL};
    int r = ng_attributes_of(message, sizeof(struct nfgenmsg), attributes, SET_EXPRESSIONS);
    if (r == 0 && attributes[NFTA_SET_DESC])
        r = ng_attributes_in(attributes[NFTA_SET_DESC], desc, NFTA_SET_DESC_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attributes[NFTA_SET_NAME]);
    if (!name)
        return -EBADMSG;
    struct ng_installed_set *set =
        NG_ARENA_APPEND(reading->arena, contents->sets, contents->n_sets, contents->sets_capacity);
    if (!set)
        return -ENOMEM;
    *set = (struct ng_installed_set){
        .name = name,
        .shape =
            {
                .flags = ng_attribute_be32(attributes[NFTA_SET_FLAGS], 0),
                .key_type = ng_attribute_be32(attributes[NFTA_SET_KEY_TYPE], 0),
                .key_len = ng_attribute_be32(attributes[NFTA_SET_KEY_LEN], 0),
                .data_type = ng_attribute_be32(attributes[NFTA_SET_DATA_TYPE], 0),
                .size = ng_attribute_be32(desc[NFTA_SET_DESC_SIZE], 0),
                .timeout_ms = ng_attribute_be64(attributes[NFTA_SET_TIMEOUT], 0),
                .more = attributes[NFTA_SET_OBJ_TYPE] || attributes[NFTA_SET_EXPR] ||
                        attributes[SET_EXPRESSIONS],
            },
    };
    return 0;
}

static const void *value_of(const struct nlattr *nest, size_t len_bytes) {
    const struct nlattr *data[NFTA_DATA_MAX + 1];
    if (!nest || ng_attributes_in(nest, data, NFTA_DATA_MAX) < 0 || !data[NFTA_DATA_VALUE] ||
        mnl_attr_get_payload_len(data[NFTA_DATA_VALUE]) != len_bytes)
        return NULL;
    return mnl_attr_get_payload(data[NFTA_DATA_VALUE]);
}

/* The chain that an element of a verdict map sends to, NULL: something else. */
static const char *goto_of(const struct nlattr *nest) {
    const struct nlattr *data[NFTA_DATA_MAX + 1], *verdict[NFTA_VERDICT_MAX + 1];
    if (ng_attributes_in(nest, data, NFTA_DATA_MAX) < 0 || !data[NFTA_DATA_VERDICT] ||
        ng_attributes_in(data[NFTA_DATA_VERDICT], verdict, NFTA_VERDICT_MAX) < 0 ||
        (int32_t)ng_attribute_be32(verdict[NFTA_VERDICT_CODE], 0) != NFT_GOTO)
        return NULL;
    return ng_attribute_text(verdict[NFTA_VERDICT_CHAIN]);
}

/* An element that no guard has makes the whole set such a one. */
static int read_element(struct reading *reading, struct ng_installed_set *set,
                        const struct nlattr *nest) {
    const struct nlattr *attributes[NFTA_SET_ELEM_MAX + 1];
    int r = ng_attributes_in(nest, attributes, NFTA_SET_ELEM_MAX);
    if (r < 0)
        return r;
    uint32_t flags = ng_attribute_be32(attributes[NFTA_SET_ELEM_FLAGS], 0);
    struct ng_installed_element element = {
        .key = value_of(attributes[NFTA_SET_ELEM_KEY], set->shape.key_len),
        .end = flags & NFT_SET_ELEM_INTERVAL_END,
    };
    if (attributes[NFTA_SET_ELEM_DATA])
        element.chain = goto_of(attributes[NFTA_SET_ELEM_DATA]);
    bool has_chain = set->shape.flags & NFT_SET_MAP && !element.end;
    bool has_timeout = set->shape.flags & NFT_SET_TIMEOUT;
    if (!element.key || flags & ~(uint32_t)NFT_SET_ELEM_INTERVAL_END ||
        has_chain != (element.chain != NULL) || attributes[NFTA_SET_ELEM_KEY_END] ||
        attributes[NFTA_SET_ELEM_EXPR] || attributes[NFTA_SET_ELEM_EXPRESSIONS] ||
        has_timeout != (attributes[NFTA_SET_ELEM_EXPIRATION] != NULL)) {
        set->shape.more = true;
        return 0;
    }
    if (has_timeout) {
        /* One that has not gone yet has a while to live, be it less than the clock tells. */
        uint64_t left_ms = ng_attribute_be64(attributes[NFTA_SET_ELEM_EXPIRATION], 0);
        left_ms = left_ms ? left_ms : 1;
        if (left_ms > reading->contents->armed_ms)
            reading->contents->armed_ms = left_ms;
    }
    struct ng_installed_element *own =
        NG_ARENA_APPEND(reading->arena, set->elements, set->n_elements, set->capacity);
    if (!own)
        return -ENOMEM;
    *own = element;
    return 0;
}

static int read_elements(struct reading *reading, const struct nlmsghdr *message) {
    const struct nlattr *attributes[NFTA_SET_ELEM_LIST_MAX + 1], *nest;
    int r = ng_attributes_of(message, sizeof(struct nfgenmsg), attributes, NFTA_SET_ELEM_LIST_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attributes[NFTA_SET_ELEM_LIST_SET]);
    struct ng_installed_set *set =
        name ? (struct ng_installed_set *)ng_installed_set_named(reading->contents, name) : NULL;
    const struct nlattr *list = attributes[NFTA_SET_ELEM_LIST_ELEMENTS];
    if (!set)
        return -EBADMSG;
    if (!list)
        return 0;
    r = ng_attributes_check(list);
    if (r < 0)
        return r;
    mnl_attr_for_each_nested(nest, list) {
        r = read_element(reading, set, nest);
        if (r < 0)
            return r;
    }
    return 0;
}

static int compare_element(const void *left, const void *right, void *context) {
    const struct ng_installed_element *a = left, *b = right;
    const size_t *key_len = context;
    int order = memcmp(a->key, b->key, *key_len);
    return order ? order : (int)b->end - (int)a->end;
}

/* -- messages -------------------------------------------------------------------------- */

static int read_more(struct reading *reading, const struct nlmsghdr *message) {
    (void)message;
    reading->contents->more = true;
    return 0;
}

int ng_guard_next_message(const struct ng_nft_dump *dump, size_t *at,
                          const struct nlmsghdr **ret_message) {
    size_t left = dump->len_bytes - *at;
    if (left == 0)
        return 0;
    const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)(dump->bytes + *at);
    if (left < sizeof(*message) || message->nlmsg_len > left ||
        message->nlmsg_len < NLMSG_HDRLEN + sizeof(struct nfgenmsg))
        return -EBADMSG;
    size_t step = MNL_ALIGN((size_t)message->nlmsg_len);
    *at += step < left ? step : left;
    *ret_message = message;
    return 1;
}

bool ng_guard_is_owned_table(const struct nlmsghdr *message, const char *name, uint32_t portid) {
    const struct nlattr *attributes[NFTA_TABLE_MAX + 1];
    if (NFNL_MSG_TYPE(message->nlmsg_type) != NFT_MSG_NEWTABLE ||
        ng_attributes_of(message, sizeof(struct nfgenmsg), attributes, NFTA_TABLE_MAX) < 0)
        return false;
    const char *own = ng_attribute_text(attributes[NFTA_TABLE_NAME]);
    return own && strcmp(own, name) == 0 && attributes[NFTA_TABLE_OWNER] &&
           ng_attribute_be32(attributes[NFTA_TABLE_OWNER], 0) == portid;
}

/* The first attribute of all of them is the table's name. */
bool ng_guard_has_message(const struct nlmsghdr *message) {
    const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attributes[NFTA_TABLE_NAME + 1];
    if (header->nfgen_family != NFPROTO_INET ||
        ng_attributes_of(message, sizeof(*header), attributes, NFTA_TABLE_NAME) < 0)
        return false;
    const char *name = ng_attribute_text(attributes[NFTA_TABLE_NAME]);
    return name && strcmp(name, NG_GUARD_TABLE_NAME) == 0;
}

static int each_message(struct reading *reading, const struct ng_nft_dump *dump, uint16_t type,
                        read_fn *read) {
    const struct nlmsghdr *message;
    size_t at = 0;
    int r;
    while ((r = ng_guard_next_message(dump, &at, &message)) > 0) {
        if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | type) ||
            !ng_guard_has_message(message))
            continue;
        r = read(reading, message);
        if (r < 0)
            return r;
    }
    return r;
}

int ng_guard_contents_read(const struct ng_nft_dump *dump, struct ng_arena *arena,
                           struct ng_guard_contents **ret_contents) {
    struct ng_guard_contents *contents = ng_arena_alloc(arena, 1, sizeof(*contents));
    if (!contents)
        return -ENOMEM;
    struct reading reading = {.contents = contents, .arena = arena};
    contents->generation = dump->generation;
    int r = each_message(&reading, dump, NFT_MSG_NEWTABLE, read_table);
    if (r == 0)
        r = each_message(&reading, dump, NFT_MSG_NEWCHAIN, read_chain);
    if (r == 0)
        r = each_message(&reading, dump, NFT_MSG_NEWSET, read_set);
    if (r < 0)
        return r;
    if (contents->n_chains)
        qsort(contents->chains, contents->n_chains, sizeof(*contents->chains), compare_chain);
    if (contents->n_sets)
        qsort(contents->sets, contents->n_sets, sizeof(*contents->sets), compare_set);

    r = each_message(&reading, dump, NFT_MSG_NEWSETELEM, read_elements);
    if (r == 0)
        r = each_message(&reading, dump, NFT_MSG_NEWRULE, read_rule);
    if (r == 0)
        r = each_message(&reading, dump, NFT_MSG_NEWOBJ, read_more);
    if (r == 0)
        r = each_message(&reading, dump, NFT_MSG_NEWFLOWTABLE, read_more);
    if (r < 0)
        return r;
    for (size_t i = 0; i < contents->n_sets; i++) {
        struct ng_installed_set *set = &contents->sets[i];
        size_t key_len = set->shape.key_len;
        if (set->n_elements)
            qsort_r(set->elements, set->n_elements, sizeof(*set->elements), compare_element,
                    &key_len);
    }
    *ret_contents = contents;
    return 0;
}
