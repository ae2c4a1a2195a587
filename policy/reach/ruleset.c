/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/ruleset.h"

void ng_ruleset_free(struct ng_ruleset *ruleset) {
    if (ruleset)
        ng_arena_free(ruleset->arena);
}

void ng_ruleset_freep(struct ng_ruleset **ruleset) {
    ng_ruleset_free(*ruleset);
    *ruleset = NULL;
}

const char *ng_table_family_text(enum ng_table_family family) {
    static const char *const texts[] = {
        [NG_TABLE_IP] = "ip",         [NG_TABLE_IP6] = "ip6",       [NG_TABLE_INET] = "inet",
        [NG_TABLE_NETDEV] = "netdev", [NG_TABLE_BRIDGE] = "bridge", [NG_TABLE_ARP] = "arp",
    };
    return texts[family];
}

bool ng_op_demands(const struct ng_op *op, enum ng_field field, ng_u128 *ret_value) {
    if (op->kind != NG_OP_MATCH)
        return false;
    const struct ng_match *match = op->match;
    if (match->n_operands != 1 || match->boxes || match->negate || match->dynamic ||
        match->expiring.count || match->values.count != 1 || match->operands[0].field != field ||
        match->operands[0].mask != ~(ng_u128)0 || match->operands[0].flip ||
        match->values.intervals[0].lo != match->values.intervals[0].hi)
        return false;
    *ret_value = match->values.intervals[0].lo;
    return true;
}
