/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a snapshot. A refusal has a message; what is accepted is written and read again
 * as the same bytes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/observe/snapshot.h"
#include "tests/fuzz/fuzz.h"

static void require(bool condition) {
    if (!condition)
        abort();
}

static char *write_text(const struct ng_world *world, size_t *ret_len) {
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_len);

    require(out && ng_snapshot_write(world, out, NULL) == 0 && fclose(out) == 0);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ng_world *world = NULL, *again = NULL;
    struct ng_error error = {0};
    char *text, *text_again;
    size_t len, len_again;
    int r = ng_snapshot_read((const char *)data, size, &world, &error);

    if (r < 0) {
        require(!world && error.message[0] && !strpbrk(error.message, "\n\r\x1b"));
        require(r == -EINVAL || r == -E2BIG);
        return 0;
    }
    text = write_text(world, &len);
    require(ng_snapshot_read(text, len, &again, NULL) == 0);
    text_again = write_text(again, &len_again);
    require(len == len_again && memcmp(text, text_again, len) == 0);
    free(text);
    free(text_again);
    ng_world_free(world);
    ng_world_free(again);
    return 0;
}
