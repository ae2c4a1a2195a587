/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_BASE_H
#define NETGUARD_BASE_H

/* What every other header stands on: ownership helpers, errors, the arena.
 *
 * Conventions of the whole tree:
 *  - a function that can fail returns 0 or a negative errno; its results go through
 *    `ret_…` pointers that stay untouched on failure;
 *  - where a person must act, the last argument is a `struct ng_error *` owned by the
 *    caller (NULL: not interested). Filling it never allocates and never logs;
 *  - `x_free` takes NULL and half-built objects. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define _must_check_          __attribute__((warn_unused_result))
#define _printf_(text, first) __attribute__((format(printf, text, first)))
#define _cleanup_(f)          __attribute__((cleanup(f)))

/* Hands ownership on: yields the pointer and leaves NULL behind, so that a _cleanup_ of
 * the old owner does nothing. */
#define TAKE_PTR(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) *_p = &(p);                                                                  \
        __typeof__(p) _taken = *_p;                                                                \
        *_p = NULL;                                                                                \
        _taken;                                                                                    \
    })

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The digits of `value` at `to`, without a NUL; returns where they end. */
static inline char *ng_put_decimal(char *to, uint64_t value) {
    char digits[20]; /* of 2^64 - 1 */
    size_t n = 0;
    do
        digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    while (n)
        *to++ = digits[--n];
    return to;
}

/* FNV-1a, 64 bits: of NG_HASH_START and some bytes, or of what it gave and some more. */
#define NG_HASH_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t ng_hash(uint64_t so_far, const void *bytes, size_t len_bytes) {
    const uint8_t *byte = (const uint8_t *)bytes;
    for (size_t i = 0; i < len_bytes; i++)
        so_far = (so_far ^ byte[i]) * UINT64_C(0x100000001b3);
    return so_far;
}

/* -- errors -------------------------------------------------------------------------- */

struct ng_error {
    char source[160];  /* file, socket or subsystem; "" when none */
    unsigned line;     /* 1-based; 0: no place in a text */
    unsigned column;   /* 1-based, in characters; 0: none */
    char message[400]; /* one line, no final full stop, already safe to print */
};

/* Fills `error` (if not NULL; only when it is still empty, so that the first cause wins)
 * and returns `code` (a negative errno) so that a caller can `return ng_error_set(…)`. */
int ng_error_set(struct ng_error *error, int code, const char *source, const char *format, ...)
    _printf_(4, 5);

/* The same with a place in a text. */
int ng_error_set_at(struct ng_error *error, int code, const char *source, unsigned line,
                    unsigned column, const char *format, ...) _printf_(6, 7);

/* -- arena --------------------------------------------------------------------------- */

/* Memory that is handed out piece by piece and given back at once. A world, a ruleset and
 * a result each live in one. All pieces are zeroed and aligned for any type. */
struct ng_arena;

struct ng_arena *ng_arena_new(void) _must_check_; /* NULL: out of memory */
void ng_arena_free(struct ng_arena *arena);
void ng_arena_freep(struct ng_arena **arena);
/* Gives all pieces back at once and keeps memory for the next ones. */
void ng_arena_reset(struct ng_arena *arena);

/* Bytes handed out since it was made or reset. */
size_t ng_arena_used(const struct ng_arena *arena);

/* Memory of malloc's that is given back with the pieces: 0, or -ENOMEM and it stays the
 * caller's. */
int ng_arena_adopt(struct ng_arena *arena, void *memory) _must_check_;
/* Gives it back now; nothing where the arena has not adopted it. */
void ng_arena_release(struct ng_arena *arena, const void *memory);

/* NULL when memory is out or count * size overflows. count == 0 gives a valid pointer. */
void *ng_arena_alloc(struct ng_arena *arena, size_t count, size_t size_bytes) _must_check_;
char *ng_arena_strdup(struct ng_arena *arena, const char *s) _must_check_;
char *ng_arena_strndup(struct ng_arena *arena, const char *s, size_t len_bytes) _must_check_;
char *ng_arena_printf(struct ng_arena *arena, const char *format, ...) _must_check_ _printf_(2, 3);

/* Makes room for one more element in an array that grows inside an arena: doubles the
 * array (the old copy stays behind in the arena) when `count` has reached `*capacity`.
 * Returns the array, moved or not, or NULL when memory is out. */
void *ng_arena_grow(struct ng_arena *arena, void *array, size_t count, size_t *capacity,
                    size_t size_bytes) _must_check_;

/* Appends to `array` (an lvalue pointer) with `count` and `capacity` lvalues of type
 * size_t; evaluates to a pointer to the new zeroed element, or NULL. */
#define NG_ARENA_APPEND(arena, array, count, capacity)                                             \
    ({                                                                                             \
        __typeof__(array) _grown =                                                                 \
            ng_arena_grow((arena), (array), (count), &(capacity), sizeof(*(array)));               \
        if (_grown)                                                                                \
            (array) = _grown;                                                                      \
        _grown ? &(array)[(count)++] : NULL;                                                       \
    })

#endif
