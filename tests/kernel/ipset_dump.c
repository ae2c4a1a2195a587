/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ipset_dump PROTOCOL   the ipsets of this network namespace as netguard reads them, raw, from a
 *                       kernel that speaks no newer protocol of ipset than this */
#include "agent/observe/ipset.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_ipset_dump dump = {0};
    struct ng_error error = {0};
    if (!arena || argc != 2)
        return 2;
    if (ng_ipset_dump_read(arena, (uint8_t)atoi(argv[1]), &dump, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    return fwrite(dump.bytes, 1, dump.len_bytes, stdout) == dump.len_bytes ? 0 : 1;
}
