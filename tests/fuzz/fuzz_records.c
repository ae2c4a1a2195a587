/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the file of findings that the daemon keeps. A refusal has a message and no records;
 * what is accepted is written and read again as the same bytes, and lives on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/act/records.h"
#include "tests/fuzz/fuzz.h"

static void require(bool condition) {
    if (!condition)
        abort();
}

static char *write_text(const struct ng_life *life, size_t *ret_len) {
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_len);

    require(out);
    ng_records_put(out, life);
    require(fclose(out) == 0);
    return text;
}

/* All of it that was told is resolved, each once, in its time. */
static void outlive(const struct ng_life *life, struct ng_arena *arena) {
    static const struct ng_result nothing;
    struct ng_life_options options = {
        .now_s = 1795382400, .repeat_s = 60, .host_seen = true, .containers_seen = true};
    struct ng_life gone;
    struct ng_news *news;
    size_t count, told = 0;

    for (size_t i = 0; i < life->n_records; i++)
        told += life->records[i].told_s != 0;
    require(ng_life_advance(life, &nothing, &options, arena, &gone, &news, &count,
                            &options.now_s) == 0);
    require(count == 0 && gone.n_records == told);
    require(ng_life_advance(&gone, &nothing, &options, arena, &gone, &news, &count,
                            &options.now_s) == 0);
    require(count == told && gone.n_records == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_life life = {0}, again;
    struct ng_error error = {0};
    char *text, *text_again;
    size_t len, len_again;
    int r = ng_records_parse("findings.json", (const char *)data, size, arena, &life, &error);

    if (r < 0) {
        require(r == -EBADMSG && life.n_records == 0);
        require(error.message[0] && !strpbrk(error.message, "\n\r\x1b"));
        return 0;
    }
    text = write_text(&life, &len);
    require(ng_records_parse("again", text, len, arena, &again, NULL) == 0);
    text_again = write_text(&again, &len_again);
    require(len == len_again && memcmp(text, text_again, len) == 0);
    free(text);
    free(text_again);
    outlive(&life, arena);
    return 0;
}
