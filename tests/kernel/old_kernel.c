/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Beside a netguard that is linked with --wrap: it sees a kernel whose tables do not outlive their
 * owner, as those before Linux 6.9. */
#include "agent/act/guard_table.h"

#include <errno.h>

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
