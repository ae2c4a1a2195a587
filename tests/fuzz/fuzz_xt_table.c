/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_ruleset.h"

#include <linux/netfilter/x_tables.h>

/* A table of iptables-legacy, whose name is at its beginning; before it a byte for the family. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
    char name[XT_TABLE_MAXNAMELEN + 1] = {0};
    if (len_bytes == 0)
        return 0;
    struct ng_xt_table table = {
        .family = bytes[0] & 1 ? NG_IP6 : NG_IP4,
        .name = name,
        .bytes = bytes + 1,
        .len_bytes = len_bytes - 1,
    };
    memcpy(name, table.bytes,
           table.len_bytes < XT_TABLE_MAXNAMELEN ? table.len_bytes : XT_TABLE_MAXNAMELEN);
    const struct ng_world world = {.nft = {.read = true}, .xt_tables = &table, .n_xt_tables = 1};
    try_ruleset(&world);
    return 0;
}
