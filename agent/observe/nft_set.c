/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_parts.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

/* Keys and data of a set element: NFT_REG_SIZE * 4 in the kernel. */
enum { KEY_MAX_BYTES = 64 };

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
        .key_len_bytes = ng_attribute_be32(attributes[NFTA_SET_KEY_LEN], 0),
    };
    return set->key_len_bytes > 0 && set->key_len_bytes <= KEY_MAX_BYTES ? 0 : -EBADMSG;
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

void ng_sets_sort(struct decoder *decoder) {
    if (decoder->n_sets)
        qsort(decoder->sets, decoder->n_sets, sizeof(*decoder->sets), compare_raw_sets);
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

static int element_data(struct decoder *decoder, uint32_t table, const struct nlattr *nest,
                        struct raw_element *element) {
    const struct nlattr *attributes[NFTA_DATA_MAX + 1];
    int r = ng_attributes_in(nest, attributes, NFTA_DATA_MAX);
    if (r < 0)
        return r;
    if (attributes[NFTA_DATA_VERDICT])
        return ng_decode_verdict(decoder, table, attributes[NFTA_DATA_VERDICT], &element->verdict);
    return data_value(nest, &element->data, &element->data_len_bytes);
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
        .expires = attributes[NFTA_SET_ELEM_EXPIRATION] != NULL,
    };
    if (!element.catch_all) {
        if (!attributes[NFTA_SET_ELEM_KEY])
            return -EBADMSG;
        r = data_value(attributes[NFTA_SET_ELEM_KEY], &element.key, &element.key_len_bytes);
        if (r < 0)
            return r;
        if (element.key_len_bytes != set->key_len_bytes)
            return -EBADMSG;
    }
    if (attributes[NFTA_SET_ELEM_KEY_END]) {
        uint16_t end_len_bytes;
        r = data_value(attributes[NFTA_SET_ELEM_KEY_END], &element.key_end, &end_len_bytes);
        if (r < 0)
            return r;
        if (end_len_bytes != set->key_len_bytes)
            return -EBADMSG;
    }
    if (attributes[NFTA_SET_ELEM_DATA]) {
        r = element_data(decoder, set->table, attributes[NFTA_SET_ELEM_DATA], &element);
        if (r < 0)
            return r;
    }
    struct raw_element *own =
        NG_ARENA_APPEND(decoder->scratch, set->elements, set->n_elements, set->elements_capacity);
    if (!own)
        return -ENOMEM;
    *own = element;
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

/* -- understanding ------------------------------------------------------------------- */

/* Markers of an interval set, in the order of their keys; where an interval ends and the
 * next begins, the end comes first. */
static int compare_markers(const void *left, const void *right) {
    const struct raw_element *a = left, *b = right;
    if (a->catch_all || b->catch_all)
        return (int)a->catch_all - (int)b->catch_all;
    int order = memcmp(a->key, b->key, a->key_len_bytes);
    return order ? order : (int)b->interval_end - (int)a->interval_end;
}

/* The interval that a key stands for, one side per part. */
static void read_sides(const struct part *parts, size_t n_parts, const struct raw_element *element,
                       struct ng_interval *ret_sides) {
    for (size_t i = 0; i < n_parts; i++) {
        if (element->catch_all) {
            ret_sides[i] = (struct ng_interval){0, ~(ng_u128)0};
            continue;
        }
        const uint8_t *end = element->key_end ? element->key_end : element->key;
        ret_sides[i].lo = part_number(&parts[i], element->key + parts[i].offset_bytes);
        ret_sides[i].hi = part_number(&parts[i], end + parts[i].offset_bytes);
    }
}

static void read_nat(const struct raw_element *element, struct ng_nat *ret_nat) {
    /* An address, an address and a port (each padded to 4 bytes), or a port alone. */
    uint16_t len = element->data_len_bytes;
    struct ng_nat nat = {0};
    if (len == 4 || len == 8 || len == 16 || len == 20) {
        size_t addr_len = len >= 16 ? 16 : 4;
        nat.has_addr = true;
        nat.addr_lo = nat.addr_hi = ng_addr_from_wire(element->data, addr_len);
        if (len > addr_len) {
            nat.has_port = true;
            nat.port_lo = nat.port_hi =
                (uint16_t)ng_wire_number(element->data + addr_len, 2, false);
        }
    } else if (len == 2) {
        nat.has_port = true;
        nat.port_lo = nat.port_hi = (uint16_t)ng_wire_number(element->data, 2, false);
    }
    *ret_nat = nat;
}

/* Elements to boxes. In an interval set without concatenation each element only marks where
 * an interval begins or ends (an open last one runs to the highest key). */
static int make_boxes(struct decoder *decoder, struct raw_set *set, const struct part *parts,
                      size_t n_parts, struct ng_box **ret_boxes, size_t *ret_n_boxes) {
    bool markers = (set->flags & NFT_SET_INTERVAL) && !(set->flags & NFT_SET_CONCAT);
    /* Key ends and begins are one number only where the whole key is one field. */
    if (markers && n_parts != 1)
        return -EOPNOTSUPP;
    if (markers && set->n_elements)
        qsort(set->elements, set->n_elements, sizeof(*set->elements), compare_markers);

    struct ng_box *boxes = ng_arena_alloc(decoder->arena, set->n_elements, sizeof(*boxes));
    struct ng_interval *sides =
        ng_arena_alloc(decoder->arena, set->n_elements * n_parts, sizeof(*sides));
    if (!boxes || !sides)
        return -ENOMEM;

    size_t n = 0;
    for (size_t i = 0; i < set->n_elements; i++) {
        const struct raw_element *element = &set->elements[i];
        if (element->interval_end)
            continue;
        struct ng_interval *own = &sides[n * n_parts];
        read_sides(parts, n_parts, element, own);
        if (markers && !element->catch_all && !element->key_end) {
            const struct raw_element *next =
                i + 1 < set->n_elements && !set->elements[i + 1].catch_all ? &set->elements[i + 1]
                                                                           : NULL;
            unsigned key_bits = 8U * parts->len_bytes;
            ng_u128 last = key_bits >= 128 ? ~(ng_u128)0 : ((ng_u128)1 << key_bits) - 1;
            own->hi = next ? part_number(parts, next->key + parts->offset_bytes) - 1
                           : last << parts->shift_bits;
        }
        boxes[n] = (struct ng_box){
            .sides = own,
            .verdict = element->verdict,
            .expires = element->expires,
        };
        if (element->data)
            read_nat(element, &boxes[n].nat);
        n++;
    }
    /* The catch-all element stands for what no other matched: it goes last. */
    for (size_t i = 0; i + 1 < n; i++) {
        bool all = true;
        for (size_t side = 0; side < n_parts; side++)
            all = all && boxes[i].sides[side].lo == 0 && boxes[i].sides[side].hi == ~(ng_u128)0;
        if (all) {
            struct ng_box catch_all = boxes[i];
            memmove(&boxes[i], &boxes[i + 1], (n - i - 1) * sizeof(*boxes));
            boxes[n - 1] = catch_all;
            break;
        }
    }
    *ret_boxes = boxes;
    *ret_n_boxes = n;
    return 0;
}

static int boxes_to_set(struct decoder *decoder, const struct ng_box *boxes, size_t n_boxes,
                        bool expiring, struct ng_addrset *ret_set) {
    struct ng_interval *intervals = ng_arena_alloc(decoder->scratch, n_boxes, sizeof(*intervals));
    if (!intervals)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < n_boxes; i++)
        if (boxes[i].expires == expiring)
            intervals[n++] = boxes[i].sides[0];
    return ng_addrset_from(decoder->arena, intervals, n, ret_set);
}

static bool same_question(const struct ng_match *match, const struct part *parts, size_t n_parts,
                          bool negate) {
    if (match->n_operands != n_parts || match->negate != negate)
        return false;
    for (size_t i = 0; i < n_parts; i++) {
        const struct ng_operand *a = &match->operands[i], *b = &parts[i].operand;
        if (a->field != b->field || a->mask != b->mask || a->flip != b->flip ||
            a->family != b->family || a->field == NG_FIELD_OTHER)
            return false;
    }
    return true;
}

int ng_set_understand(struct decoder *decoder, struct raw_set *set, const struct part *parts,
                      size_t n_parts, bool negate, const struct ng_match **ret_match) {
    if (set->understood && same_question(set->understood, parts, n_parts, negate)) {
        *ret_match = set->understood;
        return 0;
    }
    for (size_t i = 0; i < n_parts; i++)
        if (parts[i].offset_bytes + parts[i].len_bytes > set->key_len_bytes)
            return -EOPNOTSUPP;

    struct ng_match *match = ng_arena_alloc(decoder->arena, 1, sizeof(*match));
    struct ng_operand *operands = ng_arena_alloc(decoder->arena, n_parts, sizeof(*operands));
    if (!match || !operands)
        return -ENOMEM;
    for (size_t i = 0; i < n_parts; i++)
        operands[i] = parts[i].operand;
    *match = (struct ng_match){
        .operands = operands,
        .n_operands = n_parts,
        .negate = negate,
        .dynamic = set->flags & NFT_SET_EVAL,
        .set_name = set->flags & NFT_SET_ANONYMOUS ? NULL : set->name,
    };

    struct ng_box *boxes;
    size_t n_boxes;
    int r = make_boxes(decoder, set, parts, n_parts, &boxes, &n_boxes);
    if (r < 0)
        return r;
    if (n_parts == 1 && !(set->flags & NFT_SET_MAP)) {
        r = boxes_to_set(decoder, boxes, n_boxes, false, &match->values);
        if (r == 0)
            r = boxes_to_set(decoder, boxes, n_boxes, true, &match->expiring);
        if (r < 0)
            return r;
    } else {
        match->boxes = boxes;
        match->n_boxes = n_boxes;
    }
    set->understood = match;
    *ret_match = match;
    return 0;
}
