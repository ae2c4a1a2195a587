/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"
#include "policy/judge/propose.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* -- globs --------------------------------------------------------------------------- */

/* What a text of the policy may have. */
enum { GLOB_BYTES_MAX = 1000 };

/* Globs know no escapes, and a policy's texts no controls: `?` is what comes nearest. */
const char *ng_glob_exactly(struct ng_arena *arena, const char *text) {
    size_t len = strlen(text);
    bool cut = len > GLOB_BYTES_MAX;
    if (cut)
        for (len = GLOB_BYTES_MAX; ((unsigned char)text[len] & 0xc0) == 0x80; len--)
            ;
    char *glob = ng_arena_alloc(arena, len + 2, 1);
    if (!glob)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        glob[i] = (char)(c == '*' || c < 0x20 || c == 0x7f ? '?' : c);
    }
    if (cut)
        glob[len] = '*';
    return glob;
}

/* Does a glob say the name as it is? */
static bool has_exact_glob(const char *name) {
    if (!*name || strlen(name) > GLOB_BYTES_MAX)
        return false;
    for (const char *c = name; *c; c++)
        if (*c == '*' || *c == '?' || (unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return true;
}

/* -- zones --------------------------------------------------------------------------- */

/* Nobody on the internet has such an address. */
static bool is_private(struct ng_addr addr, unsigned len) {
    static const struct {
        uint8_t family, len;
        uint32_t first; /* the first 32 bits */
    } blocks[] = {
        {NG_IP4, 8, 0x0a000000},  /* 10.0.0.0/8, RFC 1918 */
        {NG_IP4, 12, 0xac100000}, /* 172.16.0.0/12 */
        {NG_IP4, 16, 0xc0a80000}, /* 192.168.0.0/16 */
        {NG_IP6, 7, 0xfc000000},  /* fc00::/7, RFC 4193 */
    };
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
        ng_u128 first = (ng_u128)blocks[i].first << (ng_family_bits(blocks[i].family) - 32);
        if (addr.family == blocks[i].family && len >= blocks[i].len &&
            (addr.value & ng_prefix_mask(addr.family, blocks[i].len)) == first)
            return true;
    }
    return false;
}

/* It says nothing about who is there: each link has some. */
static bool is_link_local(struct ng_addr addr, unsigned len) {
    ng_u128 first = addr.family == NG_IP4 ? 0xa9fe0000 : (ng_u128)0xfe80 << 112;
    unsigned own = addr.family == NG_IP4 ? 16 : 10;
    return len >= own && (addr.value & ng_prefix_mask(addr.family, own)) == first;
}

static bool is_tunnel_of_peers(const struct ng_link *link) {
    return strcmp(link->kind, "wireguard") == 0 ||
           (strcmp(link->kind, "tun") == 0 && strncmp(link->name, "tailscale", 9) == 0);
}

/* Of a tunnel whose peers are known by their keys the addresses say little; but what has the
 * internet behind it is no private network. */
static const struct ng_route *find_way_out(const struct ng_world *world,
                                           const struct ng_link *link) {
    bool tunnel = is_tunnel_of_peers(link);
    for (size_t i = 0; i < world->n_routes; i++) {
        const struct ng_route *route = &world->routes[i];
        bool inside = is_private(route->dst, route->prefix_len) ||
                      is_link_local(route->dst, route->prefix_len);
        if (route->type == NG_ROUTE_UNICAST && route->oif == link->index &&
            (tunnel ? route->prefix_len <= 1 : !inside))
            return route;
    }
    return NULL;
}

static int judge_link(struct ng_proposal *proposal, const struct ng_link *link,
                      struct ng_proposed_link *own) {
    const struct ng_world *world = proposal->world;
    const struct ng_route *out = find_way_out(world, link);
    bool tunnel = is_tunnel_of_peers(link);
    char text[NG_ADDR_TEXT];
    size_t n_private = 0;
    own->name = link->name;
    if (!world->links_read || !world->routes_read)
        own->why = "not all addresses and routes were read";
    for (size_t i = 0; !own->why && !tunnel && i < world->n_ifaddrs; i++) {
        const struct ng_ifaddr *at = &world->ifaddrs[i];
        if (at->link != link->index || is_link_local(at->addr, at->prefix_len))
            continue;
        n_private++;
        if (is_private(at->addr, at->prefix_len))
            continue;
        own->why = ng_arena_printf(proposal->arena, "it has the address %s, which is not private",
                                   ng_addr_text(at->addr, text));
        if (!own->why)
            return -ENOMEM;
    }
    if (!own->why && out) {
        own->why = ng_arena_printf(proposal->arena, "a route to %s leads through it",
                                   ng_prefix_text(out->dst, out->prefix_len, text));
        if (!own->why)
            return -ENOMEM;
    }
    if (!own->why && !tunnel && n_private == 0)
        own->why = "it has no address that would tell who is there";
    if (!own->why && !has_exact_glob(link->name))
        own->why = "its name cannot be written as a glob that matches nothing else";
    if (own->why)
        return 0;
    own->is_private = true;
    own->why = tunnel ? "a tunnel whose peers are known by their keys"
                      : "it has private addresses only, and no route leads further";
    return 0;
}

static int compare_links(const void *left, const void *right) {
    const struct ng_proposed_link *a = left, *b = right;
    return strcmp(a->name, b->name);
}

int ng_propose_zones(struct ng_proposal *proposal) {
    const struct ng_world *world = proposal->world;
    struct ng_proposed_link *links =
        ng_arena_alloc(proposal->arena, world->n_links, sizeof(*links));
    if (!links)
        return -ENOMEM;
    for (size_t i = 0; i < world->n_links; i++) {
        struct ng_proposed_link *own = &links[proposal->n_links];
        if (!ng_leads_outside(world, &world->links[i]))
            continue;
        int r = judge_link(proposal, &world->links[i], own);
        if (r < 0)
            return r;
        proposal->has_private |= own->is_private;
        proposal->n_links++;
    }
    if (proposal->n_links)
        qsort(links, proposal->n_links, sizeof(*links), compare_links);
    proposal->links = links;
    return 0;
}

/* -- networks that are apart --------------------------------------------------------- */

/* One that somebody has made, to keep containers together and others out. */
static bool is_made(const struct ng_network *network) {
    return !network->is_default && !network->ingress && strcmp(network->driver, "host") != 0 &&
           strcmp(network->driver, "null") != 0 && strcmp(network->name, "docker_gwbridge") != 0;
}

/* Is one of its containers on another one as well? */
static bool is_joined(const struct ng_engine *engine, const struct ng_network *network) {
    for (size_t i = 0; i < engine->n_containers; i++) {
        const struct ng_container *container = &engine->containers[i];
        for (size_t k = 0; ng_network_has(network, container) && k < container->n_endpoints; k++) {
            const struct ng_network *other = ng_network_of(engine, &container->endpoints[k]);
            if (other && other != network && is_made(other))
                return true;
        }
    }
    return false;
}

int ng_propose_apart(struct ng_proposal *proposal) {
    const struct ng_world *world = proposal->world;
    size_t n = 0;
    for (size_t i = 0; i < world->n_engines; i++)
        n += world->engines[i].n_networks;
    const char **apart = ng_arena_alloc(proposal->arena, n, sizeof(*apart));
    const char **joined = ng_arena_alloc(proposal->arena, n, sizeof(*joined));
    size_t n_apart = 0, n_joined = 0;
    if (!apart || !joined)
        return -ENOMEM;
    for (size_t i = 0; i < world->n_engines; i++) {
        const struct ng_engine *engine = &world->engines[i];
        for (size_t k = 0; k < engine->n_networks; k++) {
            const struct ng_network *network = &engine->networks[k];
            if (!is_made(network) || !ng_network_in_use(engine, network) ||
                !has_exact_glob(network->name))
                continue;
            if (is_joined(engine, network))
                joined[n_joined++] = network->name;
            else
                apart[n_apart++] = network->name;
        }
    }
    proposal->apart = ng_sort_texts(apart, n_apart);
    proposal->joined = ng_sort_texts(joined, n_joined);
    return 0;
}
