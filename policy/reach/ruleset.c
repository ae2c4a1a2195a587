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
