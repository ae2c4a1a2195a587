/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/base.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Blocks grow with the arena, so that a small world costs one page or so and a big one
 * does not cost thousands of blocks. */
enum {
    FIRST_BLOCK = 4096,
    LARGEST_BLOCK = 1024 * 1024,
};

struct block {
    struct block *next;
    size_t used, capacity;
    alignas(max_align_t) unsigned char bytes[];
};

struct ng_arena {
    struct block *blocks; /* the one in use first */
};

struct ng_arena *ng_arena_new(void) {
    return calloc(1, sizeof(struct ng_arena));
}

void ng_arena_free(struct ng_arena *arena) {
    if (!arena)
        return;
    for (struct block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(arena);
}

void ng_arena_freep(struct ng_arena **arena) {
    ng_arena_free(*arena);
    *arena = NULL;
}

static struct block *add_block(struct ng_arena *arena, size_t at_least) {
    size_t capacity = arena->blocks ? arena->blocks->capacity * 2 : FIRST_BLOCK;
    if (capacity > LARGEST_BLOCK)
        capacity = LARGEST_BLOCK;
    /* A piece larger than a block gets one of its own behind the block in use, whose rest
     * would otherwise be lost. */
    bool oversized = at_least > capacity;
    if (oversized)
        capacity = at_least;
    if (capacity > SIZE_MAX - sizeof(struct block))
        return NULL;

    struct block *block = malloc(sizeof(*block) + capacity);
    if (!block)
        return NULL;
    block->used = 0;
    block->capacity = capacity;
    if (oversized && arena->blocks) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        block->next = arena->blocks;
        arena->blocks = block;
    }
    return block;
}

void ng_arena_reset(struct ng_arena *arena) {
    struct block *largest = arena->blocks;
    for (struct block *block = arena->blocks; block; block = block->next)
        if (block->capacity > largest->capacity)
            largest = block;
    for (struct block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        if (block != largest)
            free(block);
    }
    arena->blocks = largest;
    if (largest) {
        largest->next = NULL;
        largest->used = 0;
    }
}

void *ng_arena_alloc(struct ng_arena *arena, size_t count, size_t size_bytes) {
    size_t want;
    if (__builtin_mul_overflow(count, size_bytes, &want) || want > SIZE_MAX - alignof(max_align_t))
        return NULL;
    if (want == 0)
        want = 1;
    want = (want + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);

    struct block *block = arena->blocks;
    if (!block || block->capacity - block->used < want) {
        block = add_block(arena, want);
        if (!block)
            return NULL;
    }
    /* Cleared piece by piece: most of a block is often never asked for. */
    void *piece = memset(block->bytes + block->used, 0, want);
    block->used += want;
    return piece;
}

char *ng_arena_strndup(struct ng_arena *arena, const char *s, size_t len_bytes) {
    size_t len = strnlen(s, len_bytes);
    char *copy = ng_arena_alloc(arena, len + 1, 1);
    if (copy)
        memcpy(copy, s, len);
    return copy;
}

char *ng_arena_strdup(struct ng_arena *arena, const char *s) {
    return ng_arena_strndup(arena, s, strlen(s));
}

char *ng_arena_printf(struct ng_arena *arena, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, arguments);
    char *text = len < 0 ? NULL : ng_arena_alloc(arena, (size_t)len + 1, 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    va_end(arguments);
    return text;
}

void *ng_arena_grow(struct ng_arena *arena, void *array, size_t count, size_t *capacity,
                    size_t size_bytes) {
    if (count < *capacity)
        return array;
    size_t larger;
    if (__builtin_mul_overflow(*capacity, (size_t)2, &larger))
        return NULL;
    if (larger < 4)
        larger = 4;
    void *moved = ng_arena_alloc(arena, larger, size_bytes);
    if (!moved)
        return NULL;
    if (count)
        memcpy(moved, array, count * size_bytes);
    *capacity = larger;
    return moved;
}
