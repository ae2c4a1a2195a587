/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_set.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

/* NFTA_SET_DESC_CONCAT: the widths of the fields of a concatenation. */
static int read_fields(struct raw_set *set, const struct nlattr *desc_nest) {
    const struct nlattr *desc[NFTA_SET_DESC_MAX + 1], *field[NFTA_SET_FIELD_MAX + 1];
    const struct nlattr *nest;
    int r = ng_attributes_in(desc_nest, desc, NFTA_SET_DESC_MAX);
    if (r < 0 || !desc[NFTA_SET_DESC_CONCAT])
        return r;
    r = ng_attributes_check(desc[NFTA_SET_DESC_CONCAT]);
    if (r < 0)
        return r;
    size_t total = 0;
    mnl_attr_for_each_nested(nest, desc[NFTA_SET_DESC_CONCAT]) {
        r = ng_attributes_in(nest, field, NFTA_SET_FIELD_MAX);
        if (r < 0)
            return r;
        uint32_t len = ng_attribute_be32(field[NFTA_SET_FIELD_LEN], 0);
        if (set->n_fields == MAX_KEY_FIELDS || len > KEY_MAX_BYTES)
            return -EBADMSG;
        set->field_bytes[set->n_fields++] = (uint8_t)len;
        total += MNL_ALIGN(len);
    }
    return total <= MNL_ALIGN(set->key_len_bytes) ? 0 : -EBADMSG;
}

int ng_decode_set(struct decoder *decoder, uint32_t table, const struct nlmsghdr *message) {
    const struct nlattr *attributes[NFTA_SET_MAX + 1];
    int r = ng_attributes_of(message, sizeof(struct nfgenmsg), attributes, NFTA_SET_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attributes[NFTA_SET_NAME]);
    if (!name)
        return -EBADMSG;
    struct raw_set *set =
        NG_ARENA_APPEND(decoder->scratch, decoder->sets, decoder->n_sets, decoder->sets_capacity);
    char *own = ng_arena_strdup(decoder->arena, name);
    if (!set || !own)
        return -ENOMEM;
    *set = (struct raw_set){
        .table = table,
        .name = own,
        .flags = ng_attribute_be32(attributes[NFTA_SET_FLAGS], 0),
        .object = ng_attribute_be32(attributes[NFTA_SET_OBJ_TYPE], NFT_OBJECT_UNSPEC),
        .key_len_bytes = ng_attribute_be32(attributes[NFTA_SET_KEY_LEN], 0),
        .data_len_bytes = ng_attribute_be32(attributes[NFTA_SET_DATA_LEN], 0),
    };
    if (set->key_len_bytes == 0 || set->key_len_bytes > KEY_MAX_BYTES ||
        set->data_len_bytes > KEY_MAX_BYTES)
        return -EBADMSG;
    return attributes[NFTA_SET_DESC] ? read_fields(set, attributes[NFTA_SET_DESC]) : 0;
}

static int compare_sets(uint32_t table_a, const char *a, uint32_t table_b, const char *b) {
    if (table_a != table_b)
        return table_a < table_b ? -1 : 1;
    return strcmp(a, b);
}

static int compare_raw_sets(const void *left, const void *right) {
    const struct raw_set *a = left, *b = right;
    return compare_sets(a->table, a->name, b->table, b->name);
}

int ng_sets_sort(struct decoder *decoder) {
    if (decoder->n_sets)
        qsort(decoder->sets, decoder->n_sets, sizeof(*decoder->sets), compare_raw_sets);
    for (size_t i = 1; i < decoder->n_sets; i++)
        if (compare_raw_sets(&decoder->sets[i - 1], &decoder->sets[i]) == 0)
            return -EBADMSG;
    return 0;
}

struct raw_set *ng_set_find(struct decoder *decoder, uint32_t table, const char *name) {
    size_t lo = 0, hi = decoder->n_sets;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        struct raw_set *set = &decoder->sets[middle];
        int order = compare_sets(set->table, set->name, table, name);
        if (order == 0)
            return set;
        if (order < 0)
            lo = middle + 1;
        else
            hi = middle;
    }
    return NULL;
}

/* NFTA_SET_ELEM_KEY and its kin hold one NFTA_DATA_VALUE. */
static int data_value(const struct nlattr *nest, const uint8_t **ret_bytes, uint16_t *ret_len) {
    const struct nlattr *attributes[NFTA_DATA_MAX + 1];
    int r = ng_attributes_in(nest, attributes, NFTA_DATA_MAX);
    if (r < 0)
        return r;
    const struct nlattr *value = attributes[NFTA_DATA_VALUE];
    if (!value || mnl_attr_get_payload_len(value) > KEY_MAX_BYTES)
        return -EBADMSG;
    *ret_bytes = mnl_attr_get_payload(value);
    *ret_len = mnl_attr_get_payload_len(value);
    return 0;
}

static int element_data(struct decoder *decoder, const struct raw_set *set,
                        const struct nlattr *nest, struct raw_element *element) {
    const struct nlattr *attributes[NFTA_DATA_MAX + 1];
    uint16_t len;
    int r = ng_attributes_in(nest, attributes, NFTA_DATA_MAX);
    if (r < 0)
        return r;
    if (attributes[NFTA_DATA_VERDICT])
        return ng_decode_verdict(decoder, set->table, attributes[NFTA_DATA_VERDICT],
                                 &element->verdict);
    r = data_value(nest, &element->data, &len);
    return r < 0 ? r : len == set->data_len_bytes ? 0 : -EBADMSG;
}

/* Some expressions that an element has of its own decide whether it matches. */
static bool limits(const struct nlattr *expression) {
    static const char *const limiting[] = {"limit", "quota", "connlimit"};
    const struct nlattr *attributes[NFTA_EXPR_MAX + 1];
    if (ng_attributes_in(expression, attributes, NFTA_EXPR_MAX) < 0)
        return true;
    const char *name = ng_attribute_text(attributes[NFTA_EXPR_NAME]);
    for (size_t i = 0; name && i < ARRAY_SIZE(limiting); i++)
        if (strcmp(name, limiting[i]) == 0)
            return true;
    return name == NULL;
}

static bool is_limited(const struct nlattr *attributes[]) {
    const struct nlattr *list = attributes[NFTA_SET_ELEM_EXPRESSIONS], *expression;
    if (attributes[NFTA_SET_ELEM_EXPR] && limits(attributes[NFTA_SET_ELEM_EXPR]))
        return true;
    if (!list)
        return false;
    if (ng_attributes_check(list) < 0)
        return true;
    mnl_attr_for_each_nested(expression, list) {
        if (limits(expression))
            return true;
    }
    return false;
}

static int element_key(const struct raw_set *set, const struct nlattr *nest,
                       const uint8_t **ret_key) {
    uint16_t len;
    int r = nest ? data_value(nest, ret_key, &len) : -EBADMSG;
    return r < 0 ? r : len == set->key_len_bytes ? 0 : -EBADMSG;
}

static int add_element(struct decoder *decoder, struct raw_set *set, const struct nlattr *nest) {
    const struct nlattr *attributes[NFTA_SET_ELEM_MAX + 1];
    int r = ng_attributes_in(nest, attributes, NFTA_SET_ELEM_MAX);
    if (r < 0)
        return r;
    uint32_t flags = ng_attribute_be32(attributes[NFTA_SET_ELEM_FLAGS], 0);
    struct raw_element element = {
        .interval_end = flags & NFT_SET_ELEM_INTERVAL_END,
        .catch_all = flags & NFT_SET_ELEM_CATCHALL,
        .expires = attributes[NFTA_SET_ELEM_EXPIRATION] || is_limited(attributes),
    };
    if (!element.catch_all)
        r = element_key(set, attributes[NFTA_SET_ELEM_KEY], &element.key);
    if (r == 0 && attributes[NFTA_SET_ELEM_KEY_END])
        r = element_key(set, attributes[NFTA_SET_ELEM_KEY_END], &element.key_end);
    if (r == 0 && attributes[NFTA_SET_ELEM_DATA])
        r = element_data(decoder, set, attributes[NFTA_SET_ELEM_DATA], &element);
    else if (r == 0 && (set->flags & NFT_SET_MAP) && !element.interval_end)
        r = -EBADMSG; /* there is nothing behind it */
    if (r < 0)
        return r;
    struct raw_element *own =
        NG_ARENA_APPEND(decoder->scratch, set->elements, set->n_elements, set->elements_capacity);
    if (!own)
        return -ENOMEM;
    *own = element;
    set->catch_all = set->catch_all || element.catch_all;
    return 0;
}

int ng_decode_set_elements(struct decoder *decoder, uint32_t table,
                           const struct nlmsghdr *message) {
    const struct nlattr *attributes[NFTA_SET_ELEM_LIST_MAX + 1];
    int r = ng_attributes_of(message, sizeof(struct nfgenmsg), attributes, NFTA_SET_ELEM_LIST_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attributes[NFTA_SET_ELEM_LIST_SET]);
    struct raw_set *set = name ? ng_set_find(decoder, table, name) : NULL;
    if (!set)
        return -EBADMSG;
    const struct nlattr *list = attributes[NFTA_SET_ELEM_LIST_ELEMENTS];
    if (!list)
        return 0;
    r = ng_attributes_check(list);
    if (r < 0)
        return r;
    const struct nlattr *element;
    mnl_attr_for_each_nested(element, list) {
        r = add_element(decoder, set, element);
        if (r < 0)
            return r;
    }
    return 0;
}
