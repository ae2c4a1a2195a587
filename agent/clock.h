/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_CLOCK_H
#define NETGUARD_AGENT_CLOCK_H

/* How long things take: a clock that nobody sets. */

#include <stdint.h>
#include <time.h>

static inline uint64_t ng_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline int64_t ng_now_ms(void) {
    return (int64_t)(ng_now_us() / 1000);
}

#endif
