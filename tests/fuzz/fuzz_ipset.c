/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/ruleset_parts.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/ipset/ip_set.h>

/* A dump of ipsets, as a snapshot file may carry it from anywhere: decoded, looked up in all ways
 * that rules do, and changed by them. */

static void check_values(struct ng_addrset set) {
    for (size_t i = 0; i < set.count; i++) {
        assert(set.intervals[i].lo <= set.intervals[i].hi);
        assert(i == 0 || set.intervals[i].lo > set.intervals[i - 1].hi);
    }
}

static void check_match(const struct ng_match *match) {
    assert(match->n_operands > 0);
    check_values(match->values);
    check_values(match->expiring);
    assert(!match->n_boxes || (!match->values.count && !match->expiring.count));
    for (size_t i = 0; i < match->n_boxes; i++)
        for (size_t k = 0; k < match->n_operands; k++)
            assert(match->boxes[i].sides[k].lo <= match->boxes[i].sides[k].hi);
}

static void look_up(struct op_list *list, uint8_t family, uint16_t index) {
    static const uint8_t flags[] = {
        0,
        IPSET_DIM_ONE_SRC,
        IPSET_DIM_ONE_SRC | IPSET_DIM_TWO_SRC | IPSET_INV_MATCH,
        IPSET_DIM_ONE_SRC | IPSET_DIM_THREE_SRC | IPSET_RETURN_NOMATCH,
    };
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        int r = i % 2 ? ng_decode_ipset_counted(list, family, index, IPSET_DIM_THREE, flags[i])
                      : ng_decode_ipset_match(list, family, index, (uint8_t)(3 - i), flags[i]);
        assert(r == 0);
        const struct ng_op *op = &list->ops[list->count - 1];
        if (op->kind == NG_OP_MATCH)
            check_match(op->match);
        else
            assert(op->kind == NG_OP_UNDECIDED && op->text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
    const struct ng_ipset_dump dump = {.bytes = bytes, .len_bytes = len_bytes, .read = true};
    struct ng_arena *arena = ng_arena_new(), *scratch = ng_arena_new();
    const struct ng_ipsets *ipsets = NULL;
    struct ng_error error = {0};
    assert(arena && scratch);
    int r = ng_ipsets_decode(scratch, &dump, &ipsets, &error);
    assert((r == 0 && ipsets) || (r == -EBADMSG && error.message[0]));
    struct op_list list = {.arena = arena, .ipsets = ipsets};
    for (uint16_t index = 0; r == 0 && index < 16; index++) {
        look_up(&list, NFPROTO_IPV4, index);
        look_up(&list, NFPROTO_IPV6, index);
        if (ng_decode_ipset_change(&list, index, index % 2) < 0)
            assert(!"out of memory");
    }
    for (size_t i = 0; i < list.count; i++)
        if (list.ops[i].kind == NG_OP_MATCH)
            check_match(list.ops[i].match);
    ng_arena_free(arena);
    ng_arena_free(scratch);
    return 0;
}
