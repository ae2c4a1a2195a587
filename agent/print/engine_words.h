/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_ENGINE_WORDS_H
#define NETGUARD_PRINT_ENGINE_WORDS_H

/* What is printed of engines in whatever form: by what words. */

#include "netguard/judge.h"

const char *ng_product_text(const struct ng_engine *engine); /* "Docker", "Podman" */

/* "swarm management", "Docker API, no TLS", …; "" for an exposure without a role. */
const char *ng_role_words(const struct ng_exposure *exposure);

#endif
