/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/engine_words.h"

const char *ng_product_text(const struct ng_engine *engine) {
    return engine->podman ? "Podman" : "Docker";
}

const char *ng_role_words(const struct ng_exposure *exposure) {
    switch (exposure->role) {
    case NG_ROLE_NONE:
        break;
    case NG_ROLE_DOCKER_API:
        return "Docker API, no TLS";
    case NG_ROLE_DOCKER_API_TLS:
        return exposure->unverified ? "Docker API, TLS without client certificate"
                                    : "Docker API, TLS";
    case NG_ROLE_SWARM_MANAGEMENT:
        return "swarm management";
    case NG_ROLE_SWARM_GOSSIP:
        return "swarm gossip";
    case NG_ROLE_SWARM_DATA_PATH:
        return exposure->proto == NG_UDP ? "swarm data path" : "swarm data path, encrypted";
    }
    return "";
}
