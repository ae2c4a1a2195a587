/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_ESCAPE_H
#define NETGUARD_PRINT_ESCAPE_H

/* Names, labels and rule comments are chosen by whoever starts a container. What they hold
 * must neither drive the reader's terminal nor forge a line of our output, so that every
 * output escapes what has no picture of its own. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Stands for a byte that is no part of valid UTF-8. */
#define NG_CHAR_INVALID UINT32_MAX

/* Reads the character at `text` (which is not the final NUL); returns its length in bytes,
 * 1 for an invalid byte. */
size_t ng_char_decode(const char *text, uint32_t *ret_code);

/* Controls, line separators, marks that turn the writing direction, and what is invisible. */
bool ng_char_is_hostile(uint32_t code);

/* Columns on a terminal: 0 for combining marks, 2 for East Asian wide characters. */
unsigned ng_char_columns(uint32_t code);
size_t ng_text_columns(const char *text);

/* Writes `text` with every hostile character as \x1b, \u202e or \U000e0001 and every invalid
 * byte as \xff. Works like snprintf: never writes more than `size_bytes`, ends with NUL if
 * that is not 0, cuts only between characters, returns the length of the whole without NUL. */
size_t ng_escape(char *buffer, size_t size_bytes, const char *text);

#endif
