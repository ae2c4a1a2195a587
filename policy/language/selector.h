/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_SELECTOR_H
#define NETGUARD_LANGUAGE_SELECTOR_H

#include "policy/language/tree.h"

/* One selector or a list of them, at least one. `what` names the key: "'to'". */
int ng_selectors_read(struct ng_arena *arena, const struct ng_node *node, const char *what,
                      const struct ng_selector **ret_any_of, size_t *ret_count,
                      struct ng_faults *faults);

#endif
