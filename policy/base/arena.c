/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/base.h"

#include <errno.h>
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
    size_t touched; /* what lies behind was never handed out and is still zero */
    alignas(max_align_t) unsigned char bytes[];
};

/* Memory of others that goes with the arena. */
struct adopted {
    struct adopted *next;
    void *memory;
};

struct ng_arena {
    struct block *blocks; /* the one in use first */
    struct adopted *adopted;
    size_t handed_out; /* bytes since the last reset */
};

struct ng_arena *ng_arena_new(void) {
    return calloc(1, sizeof(struct ng_arena));
}

static void free_adopted(struct ng_arena *arena) {
    for (const struct adopted *one = arena->adopted; one; one = one->next)
        free(one->memory);
    arena->adopted = NULL;
}

void ng_arena_free(struct ng_arena *arena) {
    if (!arena)
        return;
    free_adopted(arena); /* the list of it stands in the blocks */
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

    /* Large blocks come fresh from the kernel, and so zeroed without any work of ours. */
    struct block *block = calloc(1, sizeof(*block) + capacity);
    if (!block)
        return NULL;
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

size_t ng_arena_used(const struct ng_arena *arena) {
    return arena->handed_out;
}

void ng_arena_reset(struct ng_arena *arena) {
    arena->handed_out = 0;
    free_adopted(arena);
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

static size_t round_up(size_t len) {
    return (len + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

static void take(struct block *block, size_t want) {
    block->used += want;
    if (block->used > block->touched)
        block->touched = block->used;
}

void *ng_arena_alloc(struct ng_arena *arena, size_t count, size_t size_bytes) {
    size_t want;
    if (__builtin_mul_overflow(count, size_bytes, &want) || want > SIZE_MAX - alignof(max_align_t))
        return NULL;
    want = round_up(want ? want : 1);

    struct block *block = arena->blocks;
    if (!block || block->capacity - block->used < want) {
        block = add_block(arena, want);
        if (!block)
            return NULL;
    }
    /* After a reset cleared piece by piece: most of a block is often never asked for again. */
    void *piece = block->bytes + block->used;
    if (block->used < block->touched)
        memset(piece, 0, want < block->touched - block->used ? want : block->touched - block->used);
    take(block, want);
    arena->handed_out += want;
    return piece;
}

int ng_arena_adopt(struct ng_arena *arena, void *memory) {
    struct adopted *one = ng_arena_alloc(arena, 1, sizeof(*one));
    if (!one)
        return -ENOMEM;
    *one = (struct adopted){arena->adopted, memory};
    arena->adopted = one;
    return 0;
}

void ng_arena_release(struct ng_arena *arena, const void *memory) {
    for (struct adopted *one = arena->adopted; one; one = one->next)
        if (one->memory == memory) {
            free(one->memory);
            one->memory = NULL;
            return;
        }
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

/* Written where it is to stand; only what does not fit there is written twice. */
char *ng_arena_printf(struct ng_arena *arena, const char *format, ...) {
    struct block *block = arena->blocks;
    size_t room = block ? block->capacity - block->used : 0;
    char *text = room ? (char *)block->bytes + block->used : NULL;
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int len = vsnprintf(text, room, format, arguments);
    if (len >= 0 && round_up((size_t)len + 1) <= room) {
        take(block, round_up((size_t)len + 1));
    } else {
        if (room) /* as much as there was room for */
            block->touched = block->capacity;
        text = len < 0 ? NULL : ng_arena_alloc(arena, (size_t)len + 1, 1);
        if (text)
            vsnprintf(text, (size_t)len + 1, format, again);
    }
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
