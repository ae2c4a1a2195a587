/* SPDX-License-Identifier: GPL-2.0-or-later */
/* parse_policies: policies come in, each ended by a NUL; what is wrong with each goes out, a line
 * per fault, and then a line "end". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netguard/policy.h"

static int tell_faults(const char *bytes, size_t len_bytes) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    _cleanup_(ng_policy_freep) struct ng_policy *policy = NULL;
    const struct ng_policy_text text = {"policy", bytes, len_bytes};
    const struct ng_error *faults = NULL;
    size_t count = 0;
    int r = arena ? ng_policy_check(&text, 1, arena, &policy, &faults, &count) : -1;
    if (r < 0 && !count)
        return -1;
    for (size_t i = 0; i < count; i++)
        printf("%u:%u: %s\n", faults[i].line, faults[i].column, faults[i].message);
    puts("end");
    return 0;
}

int main(void) {
    char *text = NULL;
    size_t capacity = 0;
    ssize_t len;
    int r = 0;
    while (r == 0 && (len = getdelim(&text, &capacity, '\0', stdin)) > 0)
        r = tell_faults(text, (size_t)len - (text[len - 1] == '\0'));
    free(text);
    return r ? EXIT_FAILURE : EXIT_SUCCESS;
}
