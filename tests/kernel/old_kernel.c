/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Beside a netguard that is linked with --wrap: it sees a kernel whose tables do not outlive their
 * owner, as those before Linux 6.9; and a date that is AHEAD_S seconds ahead, if the environment
 * says so. */
#include "agent/act/guard_table.h"

#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-event.h>
#include <time.h>

/* -- the kernel ------------------------------------------------------------------------- */

typedef int change(struct ng_guard_table *table, const struct ng_guard *guard,
                   enum ng_guard_owner owner, size_t *ret_count, struct ng_error *error);
change __real_ng_guard_table_install, __wrap_ng_guard_table_install;
change __real_ng_guard_table_extend, __wrap_ng_guard_table_extend;

static int refuse(struct ng_error *error) {
    return ng_error_set(error, -EOPNOTSUPP, "test", "this kernel is old");
}

int __wrap_ng_guard_table_install(struct ng_guard_table *table, const struct ng_guard *guard,
                                  enum ng_guard_owner owner, size_t *ret_count,
                                  struct ng_error *error) {
    return owner == NG_GUARD_OWNED_PERSISTENT
               ? refuse(error)
               : __real_ng_guard_table_install(table, guard, owner, ret_count, error);
}

int __wrap_ng_guard_table_extend(struct ng_guard_table *table, const struct ng_guard *guard,
                                 enum ng_guard_owner owner, size_t *ret_count,
                                 struct ng_error *error) {
    return owner == NG_GUARD_OWNED_PERSISTENT
               ? refuse(error)
               : __real_ng_guard_table_extend(table, guard, owner, ret_count, error);
}

/* -- the date --------------------------------------------------------------------------- */

int __real_clock_gettime(clockid_t clock, struct timespec *ret_now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_now);
time_t __wrap_time(time_t *ret_now);
int __real_sd_event_source_set_time(sd_event_source *source, uint64_t time_us);
int __wrap_sd_event_source_set_time(sd_event_source *source, uint64_t time_us);

static int64_t ahead_s(void) {
    const char *text = getenv("AHEAD_S");
    return text ? atoll(text) : 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_now) {
    int r = __real_clock_gettime(clock, ret_now);
    if (r == 0 && clock == CLOCK_REALTIME)
        ret_now->tv_sec += ahead_s();
    return r;
}

time_t __wrap_time(time_t *ret_now) {
    struct timespec now = {0};
    (void)__wrap_clock_gettime(CLOCK_REALTIME, &now);
    if (ret_now)
        *ret_now = now.tv_sec;
    return now.tv_sec;
}

/* The kernel's timers go by its own clock. */
int __wrap_sd_event_source_set_time(sd_event_source *source, uint64_t time_us) {
    clockid_t clock = CLOCK_MONOTONIC;
    if (sd_event_source_get_time_clock(source, &clock) == 0 && clock == CLOCK_REALTIME)
        time_us -= (uint64_t)ahead_s() * 1000000;
    return __real_sd_event_source_set_time(source, time_us);
}
