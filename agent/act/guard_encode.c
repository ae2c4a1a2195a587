/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/guard_parts.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>
#include <string.h>

/* What nft knows a key by: its own numbers of types, those of a concatenation six bits each, and
 * the byte order of a key that is no concatenation. Kernel and lookup do without. */
static const struct {
    uint8_t type;
    uint8_t byte_order;
} nft_keys[] = {
    [NG_GUARD_NFPROTO] = {2, 0},  [NG_GUARD_IIFNAME] = {41, 1}, [NG_GUARD_OIFNAME] = {41, 1},
    [NG_GUARD_SADDR4] = {7, 2},   [NG_GUARD_SADDR6] = {8, 2},   [NG_GUARD_DADDR4] = {7, 2},
    [NG_GUARD_DADDR6] = {8, 2},   [NG_GUARD_ASKED4] = {7, 2},   [NG_GUARD_ASKED6] = {8, 2},
    [NG_GUARD_L4PROTO] = {12, 0}, [NG_GUARD_DPORT] = {13, 2},   [NG_GUARD_ASKED_PORT] = {13, 2},
};

enum {
    NFT_TYPE_BITS = 6,
    /* User data of nft: type, length, value (libnftnl, udata.h). */
    UDATA_TABLE_COMMENT = 0,
    UDATA_SET_KEY_BYTE_ORDER = 0,
    UDATA_ELEMENT_FLAGS = 1,
    ELEMENT_OPEN = 1, /* an interval without an end: it reaches to the last key */
    /* A list is an attribute, which takes 64 KiB; the longest element is about 500 bytes. */
    LIST_BYTES = 60 << 10,
};

/* -- keys ------------------------------------------------------------------------------ */

bool ng_guard_field_is_name(enum ng_guard_field field) {
    return field == NG_GUARD_IIFNAME || field == NG_GUARD_OIFNAME;
}

size_t ng_guard_value_bytes(enum ng_guard_field field, struct ng_guard_value value,
                            uint8_t *bytes) {
    size_t len = ng_guard_field_len(field);
    if (ng_guard_field_is_name(field)) {
        size_t given = strnlen(value.name, len);
        memcpy(bytes, value.name, given);
        memset(bytes + given, 0, len - given);
    } else {
        for (size_t i = len; i-- > 0; value.number >>= 8)
            bytes[i] = (uint8_t)value.number;
    }
    return len;
}

/* The fields of a concatenation begin at registers of four bytes. */
static size_t key_bytes(const struct ng_guard_set *set, const struct ng_guard_value *key,
                        uint8_t *bytes) {
    size_t at = 0;
    memset(bytes, 0, NG_GUARD_KEY_BYTES);
    for (size_t i = 0; i < set->n_fields; i++) {
        size_t len = ng_guard_value_bytes(set->fields[i], key[i], bytes + at);
        at += set->n_fields > 1 ? MNL_ALIGN(len) : len;
    }
    return at;
}

struct ng_guard_shape ng_guard_shape(const struct ng_guard_set *set) {
    struct ng_guard_shape shape = {
        .flags = (set->intervals ? NFT_SET_INTERVAL : 0) | (set->is_map ? NFT_SET_MAP : 0) |
                 (set->timeout ? NFT_SET_TIMEOUT : 0),
        .data_type = set->is_map ? NFT_DATA_VERDICT : 0,
    };
    for (size_t i = 0; i < set->n_fields; i++) {
        size_t len = ng_guard_field_len(set->fields[i]);
        shape.key_type = shape.key_type << NFT_TYPE_BITS | nft_keys[set->fields[i]].type;
        shape.key_len += (uint32_t)(set->n_fields > 1 ? MNL_ALIGN(len) : len);
    }
    return shape;
}

/* -- elements -------------------------------------------------------------------------- */

static void put_verdict(struct ng_guard_writer *writer, const char *chain) {
    size_t data = ng_guard_nest(writer, NFTA_SET_ELEM_DATA);
    size_t verdict = ng_guard_nest(writer, NFTA_DATA_VERDICT);
    ng_guard_put_be32(writer, NFTA_VERDICT_CODE, (uint32_t)NFT_GOTO);
    ng_guard_put_text(writer, NFTA_VERDICT_CHAIN, chain);
    ng_guard_nest_end(writer, verdict);
    ng_guard_nest_end(writer, data);
}

/* Elements of one set in as many messages as they need. */
struct list {
    struct ng_guard_writer *writer;
    const struct ng_guard_set *set;
    uint16_t type;    /* NFT_MSG_NEWSETELEM or NFT_MSG_DELSETELEM */
    unsigned armed_s; /* of a set with timeouts */
    bool open;        /* a message has been begun, with the list: */
    size_t nest;
};

static void end_list(struct list *list) {
    if (list->open)
        ng_guard_nest_end(list->writer, list->nest);
    list->open = false;
}

static void begin_list(struct list *list) {
    struct ng_guard_writer *writer = list->writer;
    bool full = list->open && writer->buffer.len_bytes - list->nest > LIST_BYTES;
    if (full)
        end_list(list);
    if (list->open)
        return;
    ng_guard_begin(writer, list->type, list->type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);
    ng_guard_put_text(writer, NFTA_SET_ELEM_LIST_TABLE, ng_guard_table_of(writer));
    ng_guard_put_text(writer, NFTA_SET_ELEM_LIST_SET, list->set->name);
    list->nest = ng_guard_nest(writer, NFTA_SET_ELEM_LIST_ELEMENTS);
    list->open = true;
}

/* `element`: of what is more than a key; NULL: the end of an interval. */
static void put_key(struct list *list, const struct ng_guard_value *key,
                    const struct ng_guard_element *element, bool open) {
    struct ng_guard_writer *writer = list->writer;
    const struct ng_guard_set *set = list->set;
    bool added = list->type == NFT_MSG_NEWSETELEM;
    uint8_t bytes[NG_GUARD_KEY_BYTES];
    size_t len = key_bytes(set, key, bytes);
    begin_list(list);

    size_t nest = ng_guard_nest(writer, NFTA_LIST_ELEM);
    if (!element)
        ng_guard_put_be32(writer, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
    size_t value = ng_guard_nest(writer, NFTA_SET_ELEM_KEY);
    ng_guard_put(writer, NFTA_DATA_VALUE, bytes, len);
    ng_guard_nest_end(writer, value);
    if (element && added && set->is_map)
        put_verdict(writer, element->chain);
    if (element && added && list->armed_s && set->timeout) {
        /* What is left of it is told by a dump, and means the same when it is written. */
        ng_guard_put_be64(writer, NFTA_SET_ELEM_TIMEOUT, list->armed_s * UINT64_C(1000));
        ng_guard_put_be64(writer, NFTA_SET_ELEM_EXPIRATION, list->armed_s * UINT64_C(1000));
    }
    if (open && added) {
        struct {
            uint8_t type, len;
            uint32_t flags; /* host order */
        } __attribute__((packed)) mark = {UDATA_ELEMENT_FLAGS, sizeof(mark.flags), ELEMENT_OPEN};
        ng_guard_put(writer, NFTA_SET_ELEM_USERDATA, &mark, sizeof(mark));
    }
    ng_guard_nest_end(writer, nest);
}

static void put_element(struct list *list, const struct ng_guard_element *element) {
    const struct ng_guard_set *set = list->set;
    ng_u128 last = ~(ng_u128)0 >> (128 - 8 * ng_guard_field_len(set->fields[0]));
    bool open = set->intervals && element->end == last;
    put_key(list, element->key, element, open);
    if (set->intervals && !open)
        put_key(list, &(struct ng_guard_value){.number = element->end + 1}, NULL, false);
}

/* With what a set of intervals begins, unless its first one begins at 0. */
static void put_marker(struct list *list) {
    put_key(list, &(struct ng_guard_value){.number = 0}, NULL, false);
}

static bool begins_with_marker(const struct ng_guard_set *set) {
    return set->intervals && set->n_elements && set->elements[0].key[0].number != 0;
}

static void write_elements(struct ng_guard_writer *writer, const struct ng_guard_set *set,
                           unsigned armed_s) {
    struct list list = {
        .writer = writer, .set = set, .type = NFT_MSG_NEWSETELEM, .armed_s = armed_s};
    if (begins_with_marker(set))
        put_marker(&list);
    for (size_t i = 0; i < set->n_elements; i++)
        put_element(&list, &set->elements[i]);
    end_list(&list);
}

static void write_flush_set(struct ng_guard_writer *writer, const struct ng_guard_set *set) {
    ng_guard_begin(writer, NFT_MSG_DELSETELEM, 0);
    ng_guard_put_text(writer, NFTA_SET_ELEM_LIST_TABLE, ng_guard_table_of(writer));
    ng_guard_put_text(writer, NFTA_SET_ELEM_LIST_SET, set->name);
}

/* -- table, chains, sets --------------------------------------------------------------- */

uint32_t ng_guard_table_flags(enum ng_guard_owner owner) {
    switch (owner) {
    case NG_GUARD_OWNED:
        return NFT_TABLE_F_OWNER;
    case NG_GUARD_OWNED_PERSISTENT:
        return NFT_TABLE_F_OWNER | NG_GUARD_TABLE_F_PERSIST;
    default:
        return 0;
    }
}

void ng_guard_write_table(struct ng_guard_writer *writer, uint32_t flags) {
    static const struct {
        uint8_t type, len;
        char text[sizeof(NG_GUARD_COMMENT)];
    } comment = {UDATA_TABLE_COMMENT, sizeof(NG_GUARD_COMMENT), NG_GUARD_COMMENT};
    ng_guard_begin(writer, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    ng_guard_put_text(writer, NFTA_TABLE_NAME, ng_guard_table_of(writer));
    ng_guard_put_be32(writer, NFTA_TABLE_FLAGS, flags);
    ng_guard_put(writer, NFTA_TABLE_USERDATA, &comment, sizeof(comment));
}

void ng_guard_write_table_removal(struct ng_guard_writer *writer) {
    ng_guard_begin(writer, NFT_MSG_DELTABLE, 0);
    ng_guard_put_text(writer, NFTA_TABLE_NAME, ng_guard_table_of(writer));
}

static void write_chain(struct ng_guard_writer *writer, const struct ng_guard_chain *chain) {
    ng_guard_begin(writer, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    ng_guard_put_text(writer, NFTA_CHAIN_TABLE, ng_guard_table_of(writer));
    ng_guard_put_text(writer, NFTA_CHAIN_NAME, chain->name);
    if (writer->numbered)
        ng_guard_put_be64(writer, NFTA_CHAIN_HANDLE, ++writer->handle);
    if (!chain->base)
        return;
    size_t hook = ng_guard_nest(writer, NFTA_CHAIN_HOOK);
    ng_guard_put_be32(writer, NFTA_HOOK_HOOKNUM,
                      chain->hook == NG_HOOK_FORWARD ? NF_INET_FORWARD : NF_INET_LOCAL_IN);
    ng_guard_put_be32(writer, NFTA_HOOK_PRIORITY, (uint32_t)chain->priority);
    ng_guard_nest_end(writer, hook);
    ng_guard_put_text(writer, NFTA_CHAIN_TYPE, "filter");
    ng_guard_put_be32(writer, NFTA_CHAIN_POLICY, NF_ACCEPT);
}

/* `id`: the kernel wants one, though nobody asks for the set by it. */
static void write_set(struct ng_guard_writer *writer, const struct ng_guard_set *set, uint32_t id) {
    const struct ng_guard_shape shape = ng_guard_shape(set);
    const struct {
        uint8_t type, len;
        uint32_t order; /* host order */
    } __attribute__((packed)) byte_order = {
        UDATA_SET_KEY_BYTE_ORDER,
        sizeof(byte_order.order),
        set->n_fields == 1 ? nft_keys[set->fields[0]].byte_order : 0,
    };
    ng_guard_begin(writer, NFT_MSG_NEWSET, NLM_F_CREATE);
    ng_guard_put_text(writer, NFTA_SET_TABLE, ng_guard_table_of(writer));
    ng_guard_put_text(writer, NFTA_SET_NAME, set->name);
    if (writer->numbered)
        ng_guard_put_be64(writer, NFTA_SET_HANDLE, ++writer->handle);
    ng_guard_put_be32(writer, NFTA_SET_FLAGS, shape.flags);
    ng_guard_put_be32(writer, NFTA_SET_KEY_TYPE, shape.key_type);
    ng_guard_put_be32(writer, NFTA_SET_KEY_LEN, shape.key_len);
    if (set->is_map)
        ng_guard_put_be32(writer, NFTA_SET_DATA_TYPE, shape.data_type);
    ng_guard_put_be32(writer, NFTA_SET_ID, id);
    ng_guard_put(writer, NFTA_SET_USERDATA, &byte_order, sizeof(byte_order));
}

static void write_rules(struct ng_guard_writer *writer, const struct ng_guard_chain *chain) {
    for (size_t i = 0; i < chain->n_rules; i++)
        ng_guard_write_rule(writer, chain->name, &chain->rules[i]);
}

static void write_flush_chain(struct ng_guard_writer *writer, const struct ng_guard_chain *chain) {
    ng_guard_begin(writer, NFT_MSG_DELRULE, 0);
    ng_guard_put_text(writer, NFTA_RULE_TABLE, ng_guard_table_of(writer));
    ng_guard_put_text(writer, NFTA_RULE_CHAIN, chain->name);
}

/* What is named comes before what names it. */
void ng_guard_write(struct ng_guard_writer *writer, const struct ng_guard *guard, uint32_t flags) {
    ng_guard_write_table(writer, flags);
    for (size_t i = 0; i < guard->n_chains; i++)
        write_chain(writer, &guard->chains[i]);
    for (size_t i = 0; i < guard->n_sets; i++)
        write_set(writer, &guard->sets[i], (uint32_t)i + 1);
    for (size_t i = 0; i < guard->n_sets; i++)
        write_elements(writer, &guard->sets[i], guard->armed_s);
    for (size_t i = 0; i < guard->n_chains; i++)
        write_rules(writer, &guard->chains[i]);
}

/* -- what has changed ------------------------------------------------------------------ */

/* Those of one set: what goes, then what comes, for an element that is changed does both. */
static void write_element_steps(struct ng_guard_writer *writer, const struct ng_guard_set *set,
                                bool has_marker, const struct ng_guard_step *steps, size_t count) {
    struct list gone = {.writer = writer, .set = set, .type = NFT_MSG_DELSETELEM};
    struct list made = {.writer = writer, .set = set, .type = NFT_MSG_NEWSETELEM};
    bool wants_marker = begins_with_marker(set);
    for (size_t i = 0; i < count; i++)
        if (steps[i].kind == NG_CHANGE_DELETE)
            put_element(&gone, steps[i].element);
    if (has_marker && !wants_marker)
        put_marker(&gone);
    end_list(&gone);
    if (!has_marker && wants_marker)
        put_marker(&made);
    for (size_t i = 0; i < count; i++)
        if (steps[i].kind == NG_CHANGE_ADD)
            put_element(&made, steps[i].element);
    end_list(&made);
}

void ng_guard_write_steps(struct ng_guard_writer *writer, const struct ng_guard *guard,
                          const struct ng_guard_contents *contents,
                          const struct ng_guard_step *steps, size_t count) {
    for (size_t i = 0, n = 1; i < count; i += n, n = 1) {
        const struct ng_guard_set *set = steps[i].set;
        if (!set) {
            write_flush_chain(writer, steps[i].chain);
            write_rules(writer, steps[i].chain);
            continue;
        }
        while (i + n < count && steps[i + n].set == set)
            n++;
        if (!set->timeout) {
            const struct ng_installed_set *found = ng_installed_set_named(contents, set->name);
            bool has_marker = found->n_elements && found->elements[0].end;
            write_element_steps(writer, set, has_marker, &steps[i], n);
        }
    }
    /* Always made anew, so that they last as long as if they were new; and one that went between
     * the look and now is not missed. */
    for (size_t i = 0; i < guard->n_sets; i++)
        if (guard->sets[i].timeout) {
            write_flush_set(writer, &guard->sets[i]);
            write_elements(writer, &guard->sets[i], guard->armed_s);
        }
}
