/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_NFT_SET_H
#define NETGUARD_NFT_SET_H

/* Sets and maps: nft_set.c reads what the kernel tells of them, nft_reading.c understands it,
 * which it can only where a rule looks something up. */

#include "agent/observe/nft_registers.h"

enum {
    KEY_MAX_BYTES = 64, /* keys and data of an element, NFT_DATA_VALUE_MAXLEN in the kernel */
    MAX_KEY_FIELDS = 16,
};

/* An element as the kernel told it: what its bytes mean is not known yet. */
struct raw_element {
    const uint8_t *key, *key_end; /* key_end NULL: not a concatenated interval */
    const uint8_t *data;          /* of a map, as many bytes as the set says; NULL: none */
    bool interval_end, catch_all;
    bool expires;              /* has a timeout, or a limit of its own: matches or not */
    struct ng_verdict verdict; /* of a verdict map */
};

struct raw_set {
    uint32_t table;
    const char *name;
    uint32_t flags;  /* NFT_SET_… */
    uint32_t object; /* NFT_OBJECT_… that elements stand for, 0: none */
    uint32_t key_len_bytes;
    uint32_t data_len_bytes;
    uint8_t field_bytes[MAX_KEY_FIELDS]; /* of a concatenation, each padded to whole registers */
    size_t n_fields;
    bool sorted;
    bool catch_all;     /* there is such an element */
    bool adds, removes; /* packets do, by some rule */
    struct raw_element *elements;
    size_t n_elements, elements_capacity;
    struct reading *readings; /* rules that ask the same get the same answer */
};

/* One way to ask a set. */
struct reading {
    struct reading *next;
    struct raw_set *set;
    struct ng_match *match;
    struct ng_box *boxes;                /* of the match */
    const struct raw_element **elements; /* behind each box */
    bool own; /* no other rule asks the same: it has data of its own, or a mask, in the boxes */
};

/* Keys as boxes: one interval for each field among the bytes that were looked up, in the numbers of
 * the fields. What cannot be said in boxes is -EOPNOTSUPP. */
struct rows {
    struct ng_arena *arena;
    const struct value *key;
    size_t n_parts;
    struct part parts[MAX_PIECES]; /* named */
    uint8_t at[MAX_PIECES];        /* in the key */
    uint8_t shift[MAX_PIECES];
    struct ng_interval *sides; /* n_parts to a row */
    size_t n_sides, sides_capacity;
    const struct raw_element **elements; /* a row's */
    size_t n, elements_capacity;
};

/* -- nft_rows.c ----------------------------------------------------------------------------- */

int ng_rows_start(struct run *run, const struct value *key, struct rows *ret_rows) _must_check_;
/* Keys between two, field by field. `field_bytes` and `n_fields` as in struct raw_set. */
int ng_rows_add_box(struct rows *rows, const uint8_t *lo, const uint8_t *hi,
                    const struct raw_element *element, const struct raw_set *set) _must_check_;
/* Keys between two in the order of their bytes. */
int ng_rows_add_range(struct rows *rows, const uint8_t *lo, const uint8_t *hi,
                      const struct raw_element *element) _must_check_;
/* All keys. */
int ng_rows_add_any(struct rows *rows, const struct raw_element *element) _must_check_;
/* No more rows: masks that keep the leading bits of a field become intervals of the whole. */
void ng_rows_finish(struct rows *rows);
/* The test that a key is in one of the rows; `boxes` are to be filled where *ret_boxes is not NULL,
 * and a single field is listed by value else. */
int ng_rows_match(const struct rows *rows, struct ng_arena *arena, struct ng_match *ret_match,
                  struct ng_box **ret_boxes) _must_check_;

/* -- nft_set.c ------------------------------------------------------------------------------ */

int ng_decode_set(struct decoder *decoder, uint32_t table,
                  const struct nlmsghdr *message) _must_check_;
int ng_decode_set_elements(struct decoder *decoder, uint32_t table,
                           const struct nlmsghdr *message) _must_check_;
/* When all are known. -EBADMSG: one is there twice. */
int ng_sets_sort(struct decoder *decoder) _must_check_;
struct raw_set *ng_set_find(struct decoder *decoder, uint32_t table, const char *name);

/* -- nft_reading.c -------------------------------------------------------------------------- */

/* What a lookup of `key` in `set` asks. -EOPNOTSUPP where it cannot be told. */
int ng_set_read(struct run *run, struct raw_set *set, const struct value *key, bool negate,
                const struct reading **ret_reading) _must_check_;
/* The same with boxes of its own, for a rule that wants something of the elements' data. */
int ng_reading_copy(struct run *run, const struct reading *reading,
                    struct reading **ret_reading) _must_check_;
/* When all rules are known: sets that packets change say so. */
int ng_sets_finish(struct decoder *decoder) _must_check_;

#endif
