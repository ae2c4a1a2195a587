/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_ALERTS_H
#define NETGUARD_LANGUAGE_ALERTS_H

/* `alerts:`: whom to tell, and of what. */

#include "policy/language/tree.h"

struct ng_alerts_list {
    struct ng_arena *arena;
    struct ng_alerts alerts;
    const struct ng_node *webhook; /* where it was first said; NULL: it was not */
    bool url_said;                 /* or something that may have been meant as one */
};

/* Adds one file's `alerts:`. The last scalar stands, each for itself. */
void ng_alerts_add(struct ng_alerts_list *list, const struct ng_node *node,
                   struct ng_faults *faults);

/* After the last file: what they come to. */
struct ng_alerts ng_alerts_finish(const struct ng_alerts_list *list, struct ng_faults *faults);

#endif
