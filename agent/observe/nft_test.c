/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_set.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

/* -- words for what the evaluator knows no value of ---------------------------------------- */

enum { MAX_LISTED = 16, WORDS = 512 };

struct words {
    char text[WORDS];
    size_t len;
};

static void say(struct words *words, const char *format, ...) _printf_(2, 3);

static void say(struct words *words, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int n =
        vsnprintf(words->text + words->len, sizeof(words->text) - words->len, format, arguments);
    va_end(arguments);
    words->len += n < 0 ? 0 : (size_t)n;
    if (words->len >= sizeof(words->text))
        words->len = sizeof(words->text) - 1;
}

static void say_string(struct words *words, const struct part *part, ng_u128 value) {
    char string[NUMBER_BYTES + 1] = {0};
    ng_number_wire(value, false, (uint8_t *)string, part->len_bytes);
    say(words, "\"%s%s\"", string, part->len_bytes < NUMBER_BYTES ? "*" : "");
}

static void say_number(struct words *words, const struct part *part, ng_u128 value) {
    char addr[NG_ADDR_TEXT];
    unsigned long long high = (unsigned long long)(value >> 64), low = (unsigned long long)value;
    switch (part->format) {
    case FORMAT_STRING:
        say_string(words, part, value);
        return;
    case FORMAT_ADDR:
        say(words, "%s",
            ng_addr_text((struct ng_addr){part->len_bytes == 4 ? NG_IP4 : NG_IP6, value}, addr));
        return;
    case FORMAT_EXISTS:
        say(words, value ? "exists" : "missing");
        return;
    case FORMAT_HEX:
    case FORMAT_NUMBER:
        break;
    }
    if (high)
        say(words, "0x%llx%016llx", high, low);
    else
        say(words, part->format == FORMAT_HEX ? "0x%llx" : "%llu", low);
}

/* Below or above something, where there is nothing on the other side. */
static bool say_bound(struct words *words, const struct part *part, struct ng_interval value) {
    bool numbers = part->format == FORMAT_NUMBER || part->format == FORMAT_HEX;
    if (!numbers || value.lo == value.hi || (value.lo == 0 && value.hi == part_ones(part)))
        return false;
    if (value.lo != 0 && value.hi != part_ones(part))
        return false;
    say(words, value.lo == 0 ? "< " : "> ");
    say_number(words, part, value.lo == 0 ? value.hi + 1 : value.lo - 1);
    return true;
}

static void say_values(struct words *words, const struct part *part, struct ng_addrset values) {
    if (values.count == 1 && say_bound(words, part, values.intervals[0]))
        return;
    say(words, values.count == 1 ? "" : "{ ");
    for (size_t i = 0; i < values.count && i < MAX_LISTED; i++) {
        say(words, i ? ", " : "");
        say_number(words, part, values.intervals[i].lo);
        if (values.intervals[i].lo != values.intervals[i].hi) {
            say(words, "-");
            say_number(words, part, values.intervals[i].hi);
        }
    }
    if (values.count != 1)
        say(words, values.count > MAX_LISTED ? ", … }" : " }");
}

static void say_test(struct words *words, const struct part *part, struct ng_addrset values,
                     bool negate) {
    words->len = 0;
    say(words, "%s%s", part->operand.name ? part->operand.name : "?",
        negate         ? " != "
        : part->masked ? " == "
                       : " ");
    say_values(words, part, values);
}

/* -- tests ---------------------------------------------------------------------------------- */

/* What a test says about the bytes of the headers that rules read afterwards. */
static void learn(struct run *run, const struct ng_operand *operand, ng_u128 value) {
    struct said *said = &run->said;
    switch (operand->field) {
    case NG_FIELD_L4PROTO:
        said->transport = (int)value;
        break;
    case NG_FIELD_NFPROTO:
        said->family = value == NFPROTO_IPV4 ? NG_IP4 : value == NFPROTO_IPV6 ? NG_IP6 : UINT8_MAX;
        break;
    case NG_FIELD_ETHERTYPE:
        said->family = value == ETH_P_IP ? NG_IP4 : value == ETH_P_IPV6 ? NG_IP6 : UINT8_MAX;
        break;
    case NG_FIELD_IIFTYPE:
        said->link_header = said->link_header || value == ARPHRD_ETHER;
        break;
    default:
        break;
    }
}

int ng_add_test(struct run *run, const struct part *part, struct ng_addrset values, bool negate) {
    struct ng_operand operand = part->operand;
    struct words words;
    if (operand.field == NG_FIELD_OTHER) {
        say_test(&words, part, values, negate);
        return (part->undecoded ? ng_op_add_undecoded : ng_op_add_text)(run->list, NG_OP_UNDECIDED,
                                                                        "%s", words.text);
    }
    if (operand.field ==
        NG_FIELD_EXTHDR) { /* never there: what is asked of it stands in its name */
        say_test(&words, part, values, negate);
        operand.name = ng_arena_strdup(run->decoder->arena, words.text);
        if (!operand.name)
            return -ENOMEM;
    }
    if (!negate && values.count == 1 && values.intervals[0].lo == values.intervals[0].hi &&
        operand.mask == ~(ng_u128)0 && operand.flip == 0)
        learn(run, &operand, values.intervals[0].lo);
    return ng_op_add_match(run->list, operand, values, negate);
}

/* Something is tested that cannot be said as a test of fields. */
static int add_undecided(struct run *run, const struct value *value) {
    const char *name = "an unknown value";
    bool undecoded = false;
    for (size_t i = 0; i < value->n_pieces; i++) {
        const struct piece *piece = &value->pieces[i];
        undecoded = undecoded || (piece->content == CONTENT_FIELD && piece->part.undecoded);
        if (piece->content == CONTENT_FIELD && piece->part.operand.name)
            name = piece->part.operand.name;
        else if (piece->content == CONTENT_FOUND)
            name = "what a map has";
        else if (piece->content == CONTENT_SUM)
            name = "marks together";
    }
    return (undecoded ? ng_op_add_undecoded : ng_op_add_text)(run->list, NG_OP_UNDECIDED, "%s",
                                                              name);
}

/* Always or never, whatever the packet. */
static int add_constant(struct run *run, bool matches) {
    struct ng_operand operand = {.field = NG_FIELD_NFPROTO, .mask = ~(ng_u128)0};
    return matches ? 0 : ng_op_add_interval(run->list, operand, 1, 0, false);
}

static int add_part_test(struct run *run, const struct rows *rows, size_t part, bool negate) {
    struct ng_addrset values;
    int r =
        ng_addrset_from(run->decoder->arena, rows->n ? &rows->sides[part] : NULL, rows->n, &values);
    return r < 0 ? r : ng_add_test(run, &rows->parts[part], values, negate);
}

/* One field: shown by its values. Several: one after the other if all must be as they are said to
 * be, or else boxes. */
static int add_rows(struct run *run, struct rows *rows, bool negate) {
    if (rows->n_parts == 1)
        return add_part_test(run, rows, 0, negate);
    if (rows->n == 1 && !negate) {
        int r = 0;
        for (size_t i = 0; r == 0 && i < rows->n_parts; i++)
            r = add_part_test(run, rows, i, false);
        return r;
    }
    ng_rows_finish(rows);
    struct ng_match *match = ng_arena_alloc(run->decoder->arena, 1, sizeof(*match));
    if (!match)
        return -ENOMEM;
    int r = ng_rows_match(rows, run->decoder->arena, match, NULL);
    match->negate = negate;
    return r < 0 ? r : ng_op_add(run->list, (struct ng_op){.kind = NG_OP_MATCH, .match = match});
}

static int add_field_test(struct run *run, const struct part *field, const uint8_t *lo,
                          const uint8_t *hi, bool negate) {
    struct part part = *field;
    struct ng_addrset values;
    unsigned shift;
    int r = ng_name_part(run, &part, &shift);
    if (r == 0)
        r = ng_addrset_range(run->decoder->arena, part_number(&part, lo) >> shift,
                             part_number(&part, hi) >> shift, &values);
    return r < 0 ? r : ng_add_test(run, &part, values, negate);
}

/* Bytes between two, both included: as one value each where they are the same, and else in the
 * order of memcmp, as the kernel compares. */
static int add_between(struct run *run, size_t at, size_t len, const uint8_t *lo, const uint8_t *hi,
                       bool negate) {
    static const struct raw_set no_fields;
    struct value value;
    struct rows rows;
    int order = memcmp(lo, hi, len);
    ng_registers_read(run, at, len, &value);
    const uint8_t *bytes = ng_value_constant(&value);
    if (bytes)
        return add_constant(run,
                            (memcmp(bytes, lo, len) >= 0 && memcmp(bytes, hi, len) <= 0) != negate);
    /* Nearly all tests are of one field. */
    const struct part *field = ng_value_field(&value);
    if (field && !field->undecoded && order <= 0 && (order == 0 || !field->host_order || len == 1))
        return add_field_test(run, field, lo, hi, negate);

    int r = ng_rows_start(run, &value, &rows);
    if (r == 0 && order <= 0) /* the other way round nothing lies between */
        r = order == 0 ? ng_rows_add_box(&rows, lo, lo, NULL, &no_fields)
                       : ng_rows_add_range(&rows, lo, hi, NULL);
    return r == -EOPNOTSUPP ? add_undecided(run, &value) : r < 0 ? r : add_rows(run, &rows, negate);
}

/* NFTA_DATA_VALUE of an attribute. */
static int read_data(const struct nlattr *nest, const uint8_t **ret_bytes, size_t *ret_len) {
    const struct nlattr *attributes[NFTA_DATA_MAX + 1];
    if (!nest || ng_attributes_in(nest, attributes, NFTA_DATA_MAX) < 0 ||
        !attributes[NFTA_DATA_VALUE])
        return -EBADMSG;
    *ret_bytes = mnl_attr_get_payload(attributes[NFTA_DATA_VALUE]);
    *ret_len = mnl_attr_get_payload_len(attributes[NFTA_DATA_VALUE]);
    return 0;
}

/* The bytes one before (-1) or after (+1) some others. False: there are none. */
static bool beside(const uint8_t *bytes, size_t len, int step, uint8_t *ret_bytes) {
    bool carry = true;
    for (size_t i = len; i-- > 0;) {
        ret_bytes[i] = (uint8_t)(carry ? bytes[i] + step : bytes[i]);
        carry = carry && bytes[i] == (step < 0 ? 0 : 0xff);
    }
    return !carry;
}

/* "1-100" is two comparisons of the same bytes: the first is taken back for one test of both. */
static int add_up_to(struct run *run, size_t at, size_t len, const uint8_t *hi) {
    static const uint8_t lowest[REGISTERS_BYTES];
    struct at_least *from = &run->at_least;
    bool same = from->len_bytes == len && from->at == at && from->op + 1 == run->list->count;
    if (same)
        run->list->count--;
    return add_between(run, at, len, same ? from->bytes : lowest, hi, false);
}

static int add_from(struct run *run, size_t at, size_t len, const uint8_t *lo) {
    uint8_t highest[REGISTERS_BYTES];
    memset(highest, 0xff, sizeof(highest));
    size_t before = run->list->count;
    int r = add_between(run, at, len, lo, highest, false);
    run->at_least.len_bytes = 0;
    if (r < 0 || run->list->count == before)
        return r;
    run->at_least =
        (struct at_least){.at = (uint8_t)at, .len_bytes = (uint8_t)len, .op = run->list->count - 1};
    memcpy(run->at_least.bytes, lo, len);
    return 0;
}

int ng_decode_cmp(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_CMP_MAX + 1];
    uint8_t lowest[REGISTERS_BYTES] = {0}, highest[REGISTERS_BYTES], next[REGISTERS_BYTES];
    const uint8_t *bytes;
    size_t len, at;
    int r = ng_attributes_in(data, attributes, NFTA_CMP_MAX);
    if (r == 0)
        r = read_data(attributes[NFTA_CMP_DATA], &bytes, &len);
    if (r == 0)
        r = ng_register_at(attributes[NFTA_CMP_SREG], len, &at);
    if (r < 0)
        return r;
    memset(highest, 0xff, sizeof(highest));
    switch (ng_attribute_be32(attributes[NFTA_CMP_OP], UINT32_MAX)) {
    case NFT_CMP_EQ:
        return add_between(run, at, len, bytes, bytes, false);
    case NFT_CMP_NEQ:
        return add_between(run, at, len, bytes, bytes, true);
    case NFT_CMP_LT:
        return beside(bytes, len, -1, next) ? add_up_to(run, at, len, next)
                                            : add_between(run, at, len, lowest, highest, true);
    case NFT_CMP_LTE:
        return add_up_to(run, at, len, bytes);
    case NFT_CMP_GT:
        return beside(bytes, len, 1, next) ? add_from(run, at, len, next)
                                           : add_between(run, at, len, lowest, highest, true);
    case NFT_CMP_GTE:
        return add_from(run, at, len, bytes);
    default:
        return ng_op_add_undecoded(run->list, NG_OP_UNDECIDED, "an unknown comparison");
    }
}

int ng_decode_range(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_RANGE_MAX + 1];
    const uint8_t *lo, *hi;
    size_t len, hi_len, at;
    int r = ng_attributes_in(data, attributes, NFTA_RANGE_MAX);
    if (r == 0)
        r = read_data(attributes[NFTA_RANGE_FROM_DATA], &lo, &len);
    if (r == 0)
        r = read_data(attributes[NFTA_RANGE_TO_DATA], &hi, &hi_len);
    if (r == 0)
        r = len == hi_len ? ng_register_at(attributes[NFTA_RANGE_SREG], len, &at) : -EBADMSG;
    if (r < 0)
        return r;
    bool negate = ng_attribute_be32(attributes[NFTA_RANGE_OP], NFT_RANGE_EQ) == NFT_RANGE_NEQ;
    return add_between(run, at, len, lo, hi, negate);
}
