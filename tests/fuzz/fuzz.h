/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_FUZZ_H
#define NETGUARD_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* The entry point that libFuzzer calls; always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

#endif
