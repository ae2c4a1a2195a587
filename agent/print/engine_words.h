/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_ENGINE_WORDS_H
#define NETGUARD_PRINT_ENGINE_WORDS_H

/* What is printed of engines and their networks, in whatever form: which of it, and by what
 * words. */

#include "netguard/judge.h"

const char *ng_product_text(const struct ng_engine *engine); /* "Docker", "Podman" */

/* "swarm management", "Docker API, no TLS", …; "" for an exposure without a role. */
const char *ng_role_words(const struct ng_exposure *exposure);

uint16_t ng_engine_data_path_port(const struct ng_engine *engine);

/* Is it one of this engine's own? A service, and a container of another engine, is not. */
bool ng_engine_owns(const struct ng_engine *engine, const struct ng_container *container);

bool ng_network_is_overlay(const struct ng_network *network);
bool ng_network_is_on_lan(const struct ng_network *network); /* macvlan, ipvlan */
bool ng_network_has(const struct ng_network *network, const struct ng_container *container);

/* Is any of the engine's containers on it? */
bool ng_network_in_use(const struct ng_engine *engine, const struct ng_network *network);

/* The network on which the container has that address, NULL: not known. */
const struct ng_network *ng_network_of_addr(const struct ng_world *world,
                                            const struct ng_container *container,
                                            struct ng_addr addr);

#endif
