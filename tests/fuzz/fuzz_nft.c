/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_ruleset.h"

/* A dump of nf_tables. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
    const struct ng_world world = {
        .nft = {.bytes = bytes, .len_bytes = len_bytes, .read = true},
    };
    try_ruleset(&world);
    return 0;
}
