/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/unannounced.h"

#include <errno.h>

#include "agent/observe/sockets.h"

#define SOURCE "poll"

static uint64_t hash_socket(const struct ng_socket *socket) {
    const uint64_t parts[] = {
        socket->listener.addr.family,
        (uint64_t)socket->listener.addr.value,
        (uint64_t)(socket->listener.addr.value >> 64),
        socket->listener.port,
        socket->listener.proto,
        socket->listener.v6only,
        socket->listener.link,
        socket->inode,
    };
    return ng_hash(NG_HASH_START, parts, sizeof(parts));
}

/* To anybody, whatever the protocol. */
static bool closes(const struct ng_guard *guard, uint16_t port) {
    for (size_t i = 0; i < guard->n_sets; i++) {
        const struct ng_guard_set *set = &guard->sets[i];
        for (size_t k = 0; set->is_map && set->intervals && k < set->n_elements; k++)
            if (port >= set->elements[k].key[0].number && port <= set->elements[k].end)
                return true;
    }
    return false;
}

/* The digest adds up what each socket comes to, so that their order does not matter. */
static int add_sockets(const struct ng_guard *guard, uint16_t client_lo, uint16_t client_hi,
                       uint64_t *digest, struct ng_error *error) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_sockets sockets = {.arena = arena};
    if (!arena)
        return ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    int r = ng_sockets_collect_own(&sockets, error);
    for (size_t i = 0; r == 0 && i < sockets.count; i++) {
        const struct ng_listener *listener = &sockets.items[i].listener;
        if (listener->proto != NG_UDP || listener->port < client_lo || listener->port > client_hi ||
            closes(guard, listener->port))
            *digest += hash_socket(&sockets.items[i]);
    }
    return r;
}

int ng_unannounced_digest(const struct ng_guard *guard, uint16_t client_lo, uint16_t client_hi,
                          uint64_t *ret_digest, struct ng_error *error) {
    uint64_t digest = 0;
    int r = add_sockets(guard, client_lo, client_hi, &digest, error);
    if (r == 0)
        *ret_digest = digest;
    return r;
}
