/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_KEEPER_H
#define NETGUARD_ACT_KEEPER_H

/* The guard as the daemon holds it: owned by its socket where the kernel can do that and leave the
 * table in force without it, and the socket kept by systemd meanwhile, so that nobody else can take
 * the table away. Else unowned: then it is for the caller to see to it that it comes back. */

#include "agent/act/guard_table.h"

struct ng_keeper {
    struct ng_guard_table *table;
    uint32_t portid; /* that our changes of nf_tables are told of by */
    enum ng_guard_owner owner;
    bool restored; /* the socket is that of the daemon before */
    bool offered;  /* it has been given to systemd */
    bool kept;     /* and is kept there */
};

/* Starts with all zeroes; to be cleared whatever it returns. */
int ng_keeper_open(struct ng_keeper *keeper, struct ng_error *error) _must_check_;
void ng_keeper_clear(struct ng_keeper *keeper);

/* As ng_guard_table_install(), or ng_guard_table_extend() where not `all_known`. */
int ng_keeper_install(struct ng_keeper *keeper, const struct ng_guard *guard, bool all_known,
                      size_t *ret_count, struct ng_error *error) _must_check_;

#endif
