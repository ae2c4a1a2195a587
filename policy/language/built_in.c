/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/language/built_in.h"

/* It names what hardly anyone means to publish and lets everything else pass: a check without
 * a policy must be worth reading on any machine. */
static const char text[] =
    "version: 1\n"
    "mode: monitor\n"
    "\n"
    "rules:\n"
    "  - id: no-docker-api\n"
    "    deny: [\"@docker-api\"]\n"
    "    severity: critical\n"
    "    reason: whoever reaches the Docker API is root on this machine\n"
    "  - id: no-data-stores\n"
    "    deny: [\"@databases\"]\n"
    "    severity: critical\n"
    "    reason: data stores belong on a network of their own, not on a public port\n"
    "  - id: no-cluster-control\n"
    "    deny: [\"@cluster\"]\n"
    "    severity: high\n"
    "    reason: cluster ports are for the other nodes of the cluster only\n"
    "\n"
    "default: allow\n";

const struct ng_policy_text ng_built_in_policy = {
    .name = "built-in policy",
    .bytes = text,
    .len_bytes = sizeof(text) - 1,
};
