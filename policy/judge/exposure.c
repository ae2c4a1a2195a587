/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void ng_hash_text(char ret_hex[static 17], const char *const *texts, size_t count) {
    uint64_t hash = NG_HASH_START;
    for (size_t i = 0; i < count; i++)
        hash = ng_hash(hash, texts[i], strlen(texts[i]) + 1);
    for (unsigned i = 16; i-- > 0; hash >>= 4)
        ret_hex[i] = "0123456789abcdef"[hash & 0xf];
    ret_hex[16] = '\0';
}

static void set_id(struct ng_exposure *exposure) {
    char addr[NG_ADDR_TEXT] = "", host_port[8], container_port[8];
    if (exposure->host_addr.family)
        ng_addr_text(exposure->host_addr, addr);
    *ng_put_decimal(host_port, exposure->host_port) = '\0';
    *ng_put_decimal(container_port, exposure->container_port) = '\0';
    const struct ng_container *container = exposure->container;
    const char *who = !container ? "" : container->service ? container->service : container->name;
    const char *texts[] = {ng_kind_text(exposure->kind),
                           ng_family_text(exposure->family),
                           ng_proto_text(exposure->proto),
                           addr,
                           host_port,
                           who,
                           container_port};
    ng_hash_text(exposure->id, texts, ARRAY_SIZE(texts));
}

int ng_add_exposure(struct judgement *judgement, struct ng_exposure exposure) {
    struct ng_exposure *own =
        NG_ARENA_APPEND(judgement->arena, judgement->exposures, judgement->n_exposures,
                        judgement->exposures_capacity);
    if (!own)
        return -ENOMEM;
    set_id(&exposure);
    *own = exposure;
    return 0;
}

/* -- published ports ----------------------------------------------------------------- */

/* The container's address of this family, else of the other: docker-proxy leads IPv6 clients to
 * IPv4 containers. One on a bridge, if it has any: there published ports lead. */
static struct ng_addr container_addr(const struct ng_engine *engine,
                                     const struct ng_container *container, uint8_t family) {
    struct ng_addr found = {0};
    unsigned best = 0;
    for (size_t i = 0; i < container->n_endpoints; i++)
        for (unsigned other = 0; other < 2; other++) {
            const struct ng_endpoint *endpoint = &container->endpoints[i];
            uint8_t own = (family == NG_IP4) != other ? NG_IP4 : NG_IP6;
            struct ng_addr addr = ng_endpoint_addr(endpoint, own);
            unsigned fits =
                addr.family ? 1 + 2 * !other + 4 * ng_is_endpoint(engine, endpoint, own, false) : 0;
            if (fits > best) {
                best = fits;
                found = addr;
            }
        }
    return found;
}

static int add_published(struct judgement *judgement, const struct ng_engine *engine,
                         const struct ng_container *container) {
    for (size_t i = 0; i < container->n_published; i++) {
        const struct ng_published *published = &container->published[i];
        int r = ng_add_exposure(judgement, (struct ng_exposure){
                                               .kind = NG_KIND_PUBLISHED,
                                               .family = published->host_addr.family,
                                               .proto = published->proto,
                                               .host_addr = published->host_addr,
                                               .host_port = published->host_port,
                                               .container = container,
                                               .container_addr = container_addr(
                                                   engine, container, published->host_addr.family),
                                               .container_port = published->container_port,
                                           });
        if (r < 0)
            return r;
    }
    return 0;
}

/* -- listening sockets --------------------------------------------------------------- */

bool ng_listener_takes(const struct ng_listener *listener, uint8_t family, uint8_t proto,
                       ng_u128 daddr, uint16_t dport, uint32_t iif) {
    if (listener->proto != proto || listener->port != dport ||
        (listener->link && listener->link != iif))
        return false;
    if (listener->addr.family == family)
        return ng_addr_is_any(listener->addr) || listener->addr.value == daddr;
    /* An IPv6 socket takes IPv4 too, unless it says otherwise. */
    return family == NG_IP4 && ng_addr_is_any(listener->addr) && !listener->v6only;
}

struct published_key {
    uint16_t port;
    uint8_t proto;
    bool ingress;
    struct ng_addr addr;
};

static int compare_published(const void *left, const void *right) {
    const struct published_key *a = left, *b = right;
    if (a->port != b->port)
        return a->port < b->port ? -1 : 1;
    return (int)a->proto - (int)b->proto;
}

struct published_list {
    struct published_key *keys; /* sorted by port, proto */
    size_t count;
};

static bool holds_ingress(const struct ng_listener *listener) {
    return !listener->process || ng_listener_is_of(listener, "dockerd");
}

/* Is this socket, at this address, the engine's own for a port that it publishes? A port that
 * is published for one family says nothing about who has it in the other; but the socket that keeps
 * a port of the swarm's from others is one for both. */
static bool is_published(const struct published_list *list, const struct ng_listener *listener,
                         struct ng_addr addr) {
    struct published_key key = {.port = listener->port, .proto = listener->proto};
    size_t lo = 0, hi = list->count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (compare_published(&list->keys[middle], &key) < 0)
            lo = middle + 1;
        else
            hi = middle;
    }
    for (; lo < list->count && compare_published(&list->keys[lo], &key) == 0; lo++)
        if (list->keys[lo].ingress ? holds_ingress(listener)
                                   : ng_addr_equal(list->keys[lo].addr, addr))
            return true;
    return false;
}

static int list_published(struct judgement *judgement, struct published_list *ret_list) {
    struct published_key *keys =
        ng_arena_alloc(judgement->arena, judgement->n_exposures, sizeof(*keys));
    if (!keys)
        return -ENOMEM;
    for (size_t i = 0; i < judgement->n_exposures; i++) {
        const struct ng_exposure *exposure = &judgement->exposures[i];
        keys[i] = (struct published_key){exposure->host_port, exposure->proto,
                                         exposure->kind == NG_KIND_INGRESS, exposure->host_addr};
    }
    if (judgement->n_exposures)
        qsort(keys, judgement->n_exposures, sizeof(*keys), compare_published);
    *ret_list = (struct published_list){keys, judgement->n_exposures};
    return 0;
}

/* By what serves a container's ports from outside it, or keeps them for it. */
static bool serves_containers(const struct ng_listener *listener) {
    static const char *const names[] = {
        "docker-proxy", "dockerd",      "containerd-shim", "conmon",
        "rootlesskit",  "rootlessport", "slirp4netns",     "pasta",
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (ng_listener_is_of(listener, names[i]))
            return true;
    return false;
}

/* Is it the kernel's own, for a tunnel of this host? Then nobody else can have that port: the
 * kernel binds such a socket to no address and no link. */
static bool is_of_tunnel(const struct ng_world *world, const struct ng_listener *listener) {
    if (listener->proto != NG_UDP || listener->process || listener->link ||
        !ng_addr_is_any(listener->addr))
        return false;
    for (size_t i = 0; i < world->n_links; i++) {
        const struct ng_link *link = &world->links[i];
        uint16_t port = listener->addr.family == NG_IP4 ? link->udp_port4 : link->udp_port6;
        if (link->up && port == listener->port)
            return true;
    }
    return false;
}

/* May it be a container's? */
static bool is_unidentified(const struct ng_world *world, const struct ng_listener *listener,
                            enum ng_role role) {
    return (!listener->process && !is_of_tunnel(world, listener)) || listener->container_id ||
           (!role && serves_containers(listener));
}

static int add_listener(struct judgement *judgement, const struct published_list *published,
                        const struct ng_listener *listener, struct ng_addr addr) {
    if (is_published(published, listener, addr))
        return 0;
    const struct ng_container *container =
        listener->container_id ? ng_container_by_id(judgement->world, listener->container_id)
                               : NULL;
    bool unverified = false;
    enum ng_role role =
        container ? NG_ROLE_NONE : ng_listener_role(judgement->world, listener, &unverified);
    return ng_add_exposure(
        judgement,
        (struct ng_exposure){
            .kind = container ? NG_KIND_HOST_NETWORK : NG_KIND_HOST,
            .family = addr.family,
            .proto = listener->proto,
            .host_addr = addr,
            .host_port = listener->port,
            .container = container,
            .container_port = container ? listener->port : 0,
            .process = listener->process,
            .role = role,
            .unidentified = !container && is_unidentified(judgement->world, listener, role),
            .unverified = unverified,
        });
}

static int add_listeners(struct judgement *judgement) {
    struct published_list published;
    int r = list_published(judgement, &published);
    for (size_t i = 0; r == 0 && i < judgement->world->n_listeners; i++) {
        const struct ng_listener *listener = &judgement->world->listeners[i];
        r = add_listener(judgement, &published, listener, listener->addr);
        bool both =
            listener->addr.family == NG_IP6 && ng_addr_is_any(listener->addr) && !listener->v6only;
        if (r == 0 && both)
            r = add_listener(judgement, &published, listener, (struct ng_addr){.family = NG_IP4});
    }
    return r;
}

/* -- order --------------------------------------------------------------------------- */

static int compare_exposures(const void *left, const void *right) {
    const struct ng_exposure *a = left, *b = right;
    if (!a->container != !b->container)
        return a->container ? -1 : 1;
    int order = a->container ? strcmp(a->container->name, b->container->name) : 0;
    if (order)
        return order;
    if (a->proto != b->proto)
        return a->proto < b->proto ? -1 : 1;
    /* Those that have none at the end. */
    if (a->host_port != b->host_port)
        return (uint16_t)(a->host_port - 1) < (uint16_t)(b->host_port - 1) ? -1 : 1;
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    if (a->host_addr.value != b->host_addr.value)
        return a->host_addr.value < b->host_addr.value ? -1 : 1;
    if (a->container_port != b->container_port)
        return a->container_port < b->container_port ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    /* Sockets that share a port (SO_REUSEPORT) differ in their process at most. */
    order = strcmp(a->process ? a->process : "", b->process ? b->process : "");
    return order ? order : strcmp(a->id, b->id);
}

/* Several sockets on one port, or one port told twice, are one exposure. */
/* An id tells of the service: of its replicas each is there. */
static bool is_double(const struct ng_exposure *a, const struct ng_exposure *b) {
    if (strcmp(a->id, b->id) != 0 || a->container == b->container)
        return strcmp(a->id, b->id) == 0;
    return a->container && b->container && strcmp(a->container->id, b->container->id) == 0;
}

static void drop_doubles(struct judgement *judgement) {
    size_t kept = 0;
    for (size_t i = 0; i < judgement->n_exposures; i++)
        if (kept == 0 || !is_double(&judgement->exposures[kept - 1], &judgement->exposures[i]))
            judgement->exposures[kept++] = judgement->exposures[i];
    judgement->n_exposures = kept;
}

int ng_find_exposures(struct judgement *judgement) {
    int r = 0;
    for (size_t i = 0; i < judgement->world->n_engines; i++) {
        const struct ng_engine *engine = &judgement->world->engines[i];
        for (size_t k = 0; r == 0 && k < engine->n_containers; k++)
            r = add_published(judgement, engine, &engine->containers[k]);
    }
    if (r == 0)
        r = ng_find_ingress(judgement);
    if (r == 0)
        r = add_listeners(judgement);
    if (r == 0)
        r = ng_find_encrypted_paths(judgement);
    if (r == 0)
        r = ng_find_direct(judgement);
    if (r < 0)
        return r;
    if (judgement->n_exposures)
        qsort(judgement->exposures, judgement->n_exposures, sizeof(*judgement->exposures),
              compare_exposures);
    drop_doubles(judgement);
    return 0;
}
