/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/observe/snapshot.h"
#include "agent/observe/world_sort.h"

/* A structure that has grown needs its new field in snapshot_shape.c, in the generator and in
 * the comparison below; then the number here. */
#ifdef __LP64__
_Static_assert(sizeof(struct ng_gap) == 16, "new field");
_Static_assert(sizeof(struct ng_warning) == 16, "new field");
_Static_assert(sizeof(struct ng_published) == 48, "new field");
_Static_assert(sizeof(struct ng_endpoint) == 80, "new field");
_Static_assert(sizeof(struct ng_link_to) == 16, "new field");
_Static_assert(sizeof(struct ng_label) == 16, "new field");
_Static_assert(sizeof(struct ng_port) == 4, "new field");
_Static_assert(sizeof(struct ng_container) == 160 && offsetof(struct ng_container, net_raw) == 157,
               "new field"); /* the last one, with room for more behind it */
_Static_assert(sizeof(struct ng_network) == 96, "new field");
_Static_assert(sizeof(struct ng_ingress_port) == 6, "new field");
_Static_assert(sizeof(struct ng_service) == 32, "new field");
_Static_assert(sizeof(struct ng_open_api) == 48, "new field");
_Static_assert(sizeof(struct ng_registry) == 8, "new field");
_Static_assert(sizeof(struct ng_engine) == 224, "new field");
_Static_assert(sizeof(struct ng_link) == 56, "new field");
_Static_assert(sizeof(struct ng_ifaddr) == 48, "new field");
_Static_assert(sizeof(struct ng_route) == 48, "new field");
_Static_assert(sizeof(struct ng_route_rule) == 144, "new field");
_Static_assert(sizeof(struct ng_listener) == 64, "new field");
_Static_assert(sizeof(struct ng_nft_dump) == 24, "new field");
_Static_assert(sizeof(struct ng_xt_table) == 32, "new field");
_Static_assert(sizeof(struct ng_ipset_dump) == 24, "new field");
_Static_assert(sizeof(struct ng_world) == 240, "new field");
#endif

/* -- a world with something in every field ------------------------------------------- */

struct dice {
    struct ng_arena *arena;
    uint64_t state;
};

static uint32_t roll(struct dice *dice) {
    dice->state ^= dice->state << 13;
    dice->state ^= dice->state >> 7;
    dice->state ^= dice->state << 17;
    return (uint32_t)(dice->state >> 16);
}

static bool flip(struct dice *dice) {
    return roll(dice) & 1;
}

/* Strings that are no friends of anyone who prints or parses them. */
static const char *text(struct dice *dice) {
    static const char *const pieces[] = {"a",
                                         "web",
                                         "-",
                                         ".",
                                         "\"",
                                         "\\",
                                         "\x1b[2J",
                                         "\x7f",
                                         "\xc2\x9b",
                                         "\n",
                                         "</x>",
                                         "\xe2\x80\xae",
                                         "\xf0\x9f\x90\xb3",
                                         "%s",
                                         " ",
                                         "\xef\xbf\xbd"};
    char buffer[64] = "";

    for (uint32_t n = roll(dice) % 8; n > 0; n--)
        strcat(buffer, pieces[roll(dice) % ARRAY_SIZE(pieces)]);
    return ng_arena_strdup(dice->arena, buffer);
}

static const char *text_or_null(struct dice *dice) {
    return flip(dice) ? text(dice) : NULL;
}

static struct ng_addr addr_of(struct dice *dice, uint8_t family) {
    struct ng_addr addr = {.family = family};

    for (int i = 0; i < 4; i++)
        addr.value = addr.value << 32 | roll(dice);
    addr.value &= ng_family_max(family);
    return addr;
}

static struct ng_addr addr(struct dice *dice) {
    return addr_of(dice, flip(dice) ? NG_IP4 : NG_IP6);
}

static struct ng_addr prefix_of(struct dice *dice, uint8_t family, uint8_t *ret_len) {
    struct ng_addr prefix = addr_of(dice, family);

    *ret_len = (uint8_t)(roll(dice) % (ng_family_bits(family) + 1));
    prefix.value &= ng_prefix_mask(family, *ret_len);
    return prefix;
}

static uint8_t proto(struct dice *dice) {
    static const uint8_t protos[] = {NG_TCP, NG_UDP, NG_SCTP};

    return protos[roll(dice) % 3];
}

static uint16_t port(struct dice *dice) {
    return (uint16_t)(1 + roll(dice) % 65535);
}

/* An array of 0 to 3 elements that `fill` fills. */
#define LIST(dice, array, count, fill)                                                             \
    do {                                                                                           \
        __typeof__(*(array)) *items_;                                                              \
        (count) = roll(dice) % 4;                                                                  \
        items_ = ng_arena_alloc((dice)->arena, (count), sizeof(*items_));                          \
        for (size_t i_ = 0; i_ < (count); i_++)                                                    \
            fill(dice, (void *)&items_[i_]);                                                       \
        (array) = items_;                                                                          \
    } while (0)

static void fill_gap(struct dice *dice, struct ng_gap *gap) {
    *gap = (struct ng_gap){.source = text(dice), .reason = text(dice)};
}

static void fill_warning(struct dice *dice, struct ng_warning *warning) {
    *warning = (struct ng_warning){.source = text(dice), .text = text(dice)};
}

static void fill_label(struct dice *dice, struct ng_label *label) {
    *label = (struct ng_label){.key = text(dice), .value = text(dice)};
}

static void fill_endpoint(struct dice *dice, struct ng_endpoint *endpoint) {
    endpoint->network = text(dice);
    endpoint->network_id = text(dice);
    if (flip(dice))
        endpoint->addr4 = addr_of(dice, NG_IP4);
    if (flip(dice))
        endpoint->addr6 = addr_of(dice, NG_IP6);
}

static void fill_published(struct dice *dice, struct ng_published *published) {
    published->host_addr = addr(dice);
    published->host_port = port(dice);
    published->container_port = port(dice);
    published->proto = proto(dice);
}

static void fill_link_to(struct dice *dice, struct ng_link_to *link) {
    *link = (struct ng_link_to){.to = text(dice), .alias = text(dice)};
}

static void fill_port(struct dice *dice, struct ng_port *own) {
    own->port = port(dice);
    own->proto = proto(dice);
}

static void fill_listener(struct dice *dice, struct ng_listener *listener) {
    listener->addr = addr(dice);
    listener->port = port(dice);
    listener->proto = proto(dice);
    listener->v6only = flip(dice);
    listener->link = roll(dice);
    listener->pid = roll(dice);
    listener->process = text_or_null(dice);
    listener->container_id = text_or_null(dice);
}

static void fill_container(struct dice *dice, struct ng_container *container) {
    container->id = text(dice);
    container->name = text(dice);
    container->image = text(dice);
    container->service = text_or_null(dice);
    container->stack = text_or_null(dice);
    container->network_mode = text(dice);
    container->network_of = text_or_null(dice);
    LIST(dice, container->labels, container->n_labels, fill_label);
    LIST(dice, container->endpoints, container->n_endpoints, fill_endpoint);
    LIST(dice, container->published, container->n_published, fill_published);
    LIST(dice, container->links, container->n_links, fill_link_to);
    LIST(dice, container->exposed, container->n_exposed, fill_port);
    LIST(dice, container->listeners, container->n_listeners, fill_listener);
    container->listeners_read = flip(dice);
    container->engine_socket = flip(dice);
    container->capabilities_read = flip(dice);
    container->privileged = flip(dice);
    container->net_admin = flip(dice);
    container->net_raw = flip(dice);
}

static void fill_network(struct dice *dice, struct ng_network *network) {
    network->id = text(dice);
    network->name = text(dice);
    network->driver = text(dice);
    network->bridge = text_or_null(dice);
    network->internal = flip(dice);
    network->ingress = flip(dice);
    network->attachable = flip(dice);
    network->ipv6 = flip(dice);
    if (flip(dice))
        network->gateway = addr(dice);
    network->parent = text_or_null(dice);
    network->is_default = flip(dice);
    network->icc_off = flip(dice);
    network->encrypted = flip(dice);
    network->gateway4 = (uint8_t)(roll(dice) % 4);
    network->gateway6 = (uint8_t)(roll(dice) % 4);
}

static void fill_ingress_port(struct dice *dice, struct ng_ingress_port *own) {
    own->proto = flip(dice) ? proto(dice) : 0;
    own->port = port(dice);
    own->target = (uint16_t)roll(dice);
}

static void fill_service(struct dice *dice, struct ng_service *service) {
    service->name = text(dice);
    service->stack = text_or_null(dice);
    LIST(dice, service->ports, service->n_ports, fill_ingress_port);
}

static void fill_open_api(struct dice *dice, struct ng_open_api *api) {
    api->addr = addr(dice);
    api->port = (uint16_t)roll(dice);
    api->tls = flip(dice);
}

static void fill_registry(struct dice *dice, struct ng_registry *registry) {
    registry->name = text(dice);
}

static void fill_peer(struct dice *dice, struct ng_addr *peer) {
    *peer = addr(dice);
}

static void fill_engine(struct dice *dice, struct ng_engine *engine) {
    engine->endpoint = text(dice);
    engine->version = text(dice);
    engine->api_version = text(dice);
    engine->name = text(dice);
    engine->firewall_backend = text_or_null(dice);
    engine->swarm = flip(dice);
    engine->rootless = flip(dice);
    engine->podman = flip(dice);
    engine->manager = flip(dice);
    if (flip(dice))
        engine->node_addr = addr(dice);
    if (flip(dice))
        engine->data_path_addr = addr(dice);
    engine->data_path_port = (uint16_t)roll(dice);
    LIST(dice, engine->peers, engine->n_peers, fill_peer);
    engine->userns = flip(dice);
    LIST(dice, engine->containers, engine->n_containers, fill_container);
    LIST(dice, engine->networks, engine->n_networks, fill_network);
    LIST(dice, engine->services, engine->n_services, fill_service);
    LIST(dice, engine->open_apis, engine->n_open_apis, fill_open_api);
    LIST(dice, engine->insecure_registries, engine->n_insecure_registries, fill_registry);
}

static void fill_link(struct dice *dice, struct ng_link *link) {
    link->name = text(dice);
    link->index = roll(dice) | 1;
    link->master = roll(dice);
    link->kind = text(dice);
    link->type = (uint16_t)roll(dice);
    link->udp_port4 = (uint16_t)roll(dice);
    link->udp_port6 = (uint16_t)roll(dice);
    link->up = flip(dice);
    link->loopback = flip(dice);
    link->lower = roll(dice);
    link->group = roll(dice);
    link->vrf_table = roll(dice);
    link->xdp = flip(dice);
    link->tc = flip(dice);
    link->rp_filter = (uint8_t)roll(dice);
    link->route_localnet = flip(dice);
    link->accept_local = flip(dice);
    link->src_valid_mark = flip(dice);
    link->send_redirects = flip(dice);
    link->forwarding4 = flip(dice);
    link->forwarding6 = flip(dice);
    link->bridge_calls4 = flip(dice);
    link->bridge_calls6 = flip(dice);
}

static void fill_ifaddr(struct dice *dice, struct ng_ifaddr *ifaddr) {
    ifaddr->addr = addr(dice);
    ifaddr->prefix_len = (uint8_t)(roll(dice) % (ng_family_bits(ifaddr->addr.family) + 1));
    ifaddr->link = roll(dice);
}

static void fill_route(struct dice *dice, struct ng_route *route) {
    route->dst = prefix_of(dice, flip(dice) ? NG_IP4 : NG_IP6, &route->prefix_len);
    route->type = (uint8_t)roll(dice);
    route->scope = (uint8_t)roll(dice);
    route->has_gateway = flip(dice);
    route->table = roll(dice);
    route->priority = roll(dice);
    route->oif = roll(dice);
}

static void fill_route_rule(struct dice *dice, struct ng_route_rule *rule) {
    rule->family = flip(dice) ? NG_IP4 : NG_IP6;
    rule->action = (uint8_t)roll(dice);
    rule->invert = flip(dice);
    rule->other_selectors = flip(dice);
    rule->priority = roll(dice) % 2; /* equal ones keep their order */
    rule->table = roll(dice);
    rule->target = roll(dice);
    rule->proto = (uint8_t)roll(dice);
    rule->sport_lo = port(dice);
    rule->sport_hi = port(dice);
    rule->dport_lo = port(dice);
    rule->dport_hi = port(dice);
    rule->suppresses = flip(dice);
    rule->suppress_len = (uint8_t)roll(dice);
    rule->fwmark = roll(dice);
    rule->fwmask = roll(dice);
    if (flip(dice))
        rule->src = prefix_of(dice, rule->family, &rule->src_len);
    if (flip(dice))
        rule->dst = prefix_of(dice, rule->family, &rule->dst_len);
    rule->iif = text_or_null(dice);
    rule->oif = text_or_null(dice);
}

static const uint8_t *some_bytes(struct dice *dice, size_t *ret_len) {
    uint8_t *bytes;

    *ret_len = roll(dice) % 100;
    bytes = ng_arena_alloc(dice->arena, *ret_len, 1);
    for (size_t i = 0; i < *ret_len; i++)
        bytes[i] = (uint8_t)roll(dice);
    return bytes;
}

static void fill_nft(struct dice *dice, struct ng_nft_dump *nft) {
    nft->bytes = some_bytes(dice, &nft->len_bytes);
    nft->generation = roll(dice);
    nft->read = flip(dice);
}

static void fill_xt_table(struct dice *dice, struct ng_xt_table *table) {
    table->family = flip(dice) ? NG_IP4 : NG_IP6;
    table->name = text(dice);
    table->bytes = some_bytes(dice, &table->len_bytes);
}

static struct ng_world *generate(uint64_t seed) {
    struct dice dice = {.arena = ng_arena_new(), .state = (seed + 1) * 0x9e3779b97f4a7c15u};
    struct ng_world *world = ng_arena_alloc(dice.arena, 1, sizeof(*world));

    world->arena = dice.arena;
    world->host = text(&dice);
    world->time_s = (int64_t)(((uint64_t)roll(&dice) << 8 | roll(&dice)) % 253402300800);
    LIST(&dice, world->gaps, world->n_gaps, fill_gap);
    LIST(&dice, world->warnings, world->n_warnings, fill_warning);
    world->no_engine = text_or_null(&dice);
    LIST(&dice, world->engines, world->n_engines, fill_engine);
    LIST(&dice, world->links, world->n_links, fill_link);
    LIST(&dice, world->ifaddrs, world->n_ifaddrs, fill_ifaddr);
    LIST(&dice, world->routes, world->n_routes, fill_route);
    LIST(&dice, world->route_rules, world->n_route_rules, fill_route_rule);
    LIST(&dice, world->listeners, world->n_listeners, fill_listener);
    world->links_read = flip(&dice);
    world->routes_read = flip(&dice);
    world->listeners_read = flip(&dice);
    fill_nft(&dice, &world->nft);
    LIST(&dice, world->xt_tables, world->n_xt_tables, fill_xt_table);
    world->ipsets.bytes = some_bytes(&dice, &world->ipsets.len_bytes);
    world->ipsets.read = flip(&dice);
    world->ipsec = flip(&dice);
    world->conntrack_strict = flip(&dice);
    world->local_port_lo = (uint16_t)roll(&dice);
    world->local_port_hi = (uint16_t)roll(&dice);
    assert_int_equal(ng_world_sort(world), 0);
    return world;
}

/* -- equal in every field ------------------------------------------------------------ */

static void same_text(const char *a, const char *b) {
    if (a && b)
        assert_string_equal(a, b);
    else
        assert_true(a == b);
}

static void same_addr(struct ng_addr a, struct ng_addr b) {
    assert_true(ng_addr_equal(a, b));
}

#define SAME(field)      assert_true(a->field == b->field)
#define SAME_TEXT(field) same_text(a->field, b->field)
#define SAME_ADDR(field) same_addr(a->field, b->field)
#define SAME_LIST(field, compare)                                                                  \
    do {                                                                                           \
        assert_int_equal(a->n_##field, b->n_##field);                                              \
        for (size_t i_ = 0; i_ < a->n_##field; i_++)                                               \
            compare(&a->field[i_], &b->field[i_]);                                                 \
    } while (0)

static void same_gap(const struct ng_gap *a, const struct ng_gap *b) {
    SAME_TEXT(source);
    SAME_TEXT(reason);
}

static void same_warning(const struct ng_warning *a, const struct ng_warning *b) {
    SAME_TEXT(source);
    SAME_TEXT(text);
}

static void same_label(const struct ng_label *a, const struct ng_label *b) {
    SAME_TEXT(key);
    SAME_TEXT(value);
}

static void same_endpoint(const struct ng_endpoint *a, const struct ng_endpoint *b) {
    SAME_TEXT(network);
    SAME_TEXT(network_id);
    SAME_ADDR(addr4);
    SAME_ADDR(addr6);
}

static void same_published(const struct ng_published *a, const struct ng_published *b) {
    SAME_ADDR(host_addr);
    SAME(host_port);
    SAME(container_port);
    SAME(proto);
}

static void same_link_to(const struct ng_link_to *a, const struct ng_link_to *b) {
    SAME_TEXT(to);
    SAME_TEXT(alias);
}

static void same_port(const struct ng_port *a, const struct ng_port *b) {
    SAME(port);
    SAME(proto);
}

static void same_listener(const struct ng_listener *a, const struct ng_listener *b) {
    SAME_ADDR(addr);
    SAME(port);
    SAME(proto);
    SAME(v6only);
    SAME(link);
    SAME(pid);
    SAME_TEXT(process);
    SAME_TEXT(container_id);
}

static void same_container(const struct ng_container *a, const struct ng_container *b) {
    SAME_TEXT(id);
    SAME_TEXT(name);
    SAME_TEXT(image);
    SAME_TEXT(service);
    SAME_TEXT(stack);
    SAME_TEXT(network_mode);
    SAME_TEXT(network_of);
    SAME_LIST(labels, same_label);
    SAME_LIST(endpoints, same_endpoint);
    SAME_LIST(published, same_published);
    SAME_LIST(links, same_link_to);
    SAME_LIST(exposed, same_port);
    SAME_LIST(listeners, same_listener);
    SAME(listeners_read);
    SAME(engine_socket);
    SAME(capabilities_read);
    SAME(privileged);
    SAME(net_admin);
    SAME(net_raw);
}

static void same_network(const struct ng_network *a, const struct ng_network *b) {
    SAME_TEXT(id);
    SAME_TEXT(name);
    SAME_TEXT(driver);
    SAME_TEXT(bridge);
    SAME(internal);
    SAME(ingress);
    SAME(attachable);
    SAME(ipv6);
    SAME_ADDR(gateway);
    SAME_TEXT(parent);
    SAME(is_default);
    SAME(icc_off);
    SAME(encrypted);
    SAME(gateway4);
    SAME(gateway6);
}

static void same_ingress_port(const struct ng_ingress_port *a, const struct ng_ingress_port *b) {
    SAME(proto);
    SAME(port);
    SAME(target);
}

static void same_service(const struct ng_service *a, const struct ng_service *b) {
    SAME_TEXT(name);
    SAME_TEXT(stack);
    SAME_LIST(ports, same_ingress_port);
}

static void same_open_api(const struct ng_open_api *a, const struct ng_open_api *b) {
    SAME_ADDR(addr);
    SAME(port);
    SAME(tls);
}

static void same_registry(const struct ng_registry *a, const struct ng_registry *b) {
    SAME_TEXT(name);
}

static void same_peer(const struct ng_addr *a, const struct ng_addr *b) {
    assert_true(ng_addr_equal(*a, *b));
}

static void same_engine(const struct ng_engine *a, const struct ng_engine *b) {
    SAME_TEXT(endpoint);
    SAME_TEXT(version);
    SAME_TEXT(api_version);
    SAME_TEXT(name);
    SAME_TEXT(firewall_backend);
    SAME(swarm);
    SAME(rootless);
    SAME(podman);
    SAME(manager);
    SAME_ADDR(node_addr);
    SAME_ADDR(data_path_addr);
    SAME(data_path_port);
    SAME_LIST(peers, same_peer);
    SAME(userns);
    SAME_LIST(containers, same_container);
    SAME_LIST(networks, same_network);
    SAME_LIST(services, same_service);
    SAME_LIST(open_apis, same_open_api);
    SAME_LIST(insecure_registries, same_registry);
}

static void same_link(const struct ng_link *a, const struct ng_link *b) {
    SAME_TEXT(name);
    SAME(index);
    SAME(master);
    SAME_TEXT(kind);
    SAME(type);
    SAME(udp_port4);
    SAME(udp_port6);
    SAME(up);
    SAME(loopback);
    SAME(xdp);
    SAME(rp_filter);
    SAME(route_localnet);
    SAME(lower);
    SAME(group);
    SAME(tc);
    SAME(accept_local);
    SAME(src_valid_mark);
    SAME(send_redirects);
    SAME(forwarding4);
    SAME(forwarding6);
    SAME(vrf_table);
    SAME(bridge_calls4);
    SAME(bridge_calls6);
}

static void same_ifaddr(const struct ng_ifaddr *a, const struct ng_ifaddr *b) {
    SAME_ADDR(addr);
    SAME(prefix_len);
    SAME(link);
}

static void same_route(const struct ng_route *a, const struct ng_route *b) {
    SAME_ADDR(dst);
    SAME(prefix_len);
    SAME(type);
    SAME(scope);
    SAME(has_gateway);
    SAME(table);
    SAME(priority);
    SAME(oif);
}

static void same_route_rule(const struct ng_route_rule *a, const struct ng_route_rule *b) {
    SAME(family);
    SAME(action);
    SAME(invert);
    SAME(other_selectors);
    SAME(target);
    SAME(proto);
    SAME(sport_lo);
    SAME(sport_hi);
    SAME(dport_lo);
    SAME(dport_hi);
    SAME(suppresses);
    SAME(suppress_len);
    SAME(priority);
    SAME(table);
    SAME(fwmark);
    SAME(fwmask);
    SAME_ADDR(src);
    SAME_ADDR(dst);
    SAME(src_len);
    SAME(dst_len);
    SAME_TEXT(iif);
    SAME_TEXT(oif);
}

static void same_xt_table(const struct ng_xt_table *a, const struct ng_xt_table *b) {
    SAME(family);
    SAME_TEXT(name);
    SAME(len_bytes);
    assert_memory_equal(a->bytes, b->bytes, a->len_bytes);
}

static void same_world(const struct ng_world *a, const struct ng_world *b) {
    SAME_TEXT(host);
    SAME(time_s);
    SAME_LIST(gaps, same_gap);
    SAME_LIST(warnings, same_warning);
    SAME_TEXT(no_engine);
    SAME_LIST(engines, same_engine);
    SAME_LIST(links, same_link);
    SAME_LIST(ifaddrs, same_ifaddr);
    SAME_LIST(routes, same_route);
    SAME_LIST(route_rules, same_route_rule);
    SAME_LIST(listeners, same_listener);
    SAME(links_read);
    SAME(routes_read);
    SAME(listeners_read);
    SAME(nft.generation);
    SAME(nft.read);
    SAME(nft.len_bytes);
    assert_memory_equal(a->nft.bytes, b->nft.bytes, a->nft.len_bytes);
    SAME_LIST(xt_tables, same_xt_table);
    SAME(ipsets.read);
    SAME(ipsets.len_bytes);
    assert_memory_equal(a->ipsets.bytes, b->ipsets.bytes, a->ipsets.len_bytes);
    SAME(ipsec);
    SAME(conntrack_strict);
    SAME(local_port_lo);
    SAME(local_port_hi);
}

/* -- tests --------------------------------------------------------------------------- */

static char *write_text(const struct ng_world *world) {
    char *document = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&document, &len);
    struct ng_error error = {0};

    assert_int_equal(ng_snapshot_write(world, out, &error), 0);
    fclose(out);
    return document;
}

static void what_is_written_reads_back(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct ng_world *world = generate(seed), *back = NULL;
        struct ng_error error = {0};
        char *document = write_text(world), *again;

        if (ng_snapshot_read(document, strlen(document), &back, &error) < 0)
            fail_msg("seed %d: %s", (int)seed, error.message);
        same_world(world, back);
        again = write_text(back);
        assert_string_equal(document, again);
        free(document);
        free(again);
        ng_world_free(world);
        ng_world_free(back);
    }
}

static void document_is_plain_ascii(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct ng_world *world = generate(seed);
        char *document = write_text(world);

        for (const char *c = document; *c; c++)
            assert_true((*c >= 0x20 && *c <= 0x7f) || *c == '\n');
        free(document);
        ng_world_free(world);
    }
}

/* One element in every array, no surprises. */
static const char minimal[] =
    "{\"schema\":\"netguard.snapshot/1\",\"host\":\"h\",\"time\":\"2024-02-29T23:59:59Z\","
    "\"gaps\":[{\"source\":\"docker\",\"reason\":\"r\"}],\"no_engine\":null,"
    "\"engines\":[{\"endpoint\":\"e\",\"version\":\"20\",\"api_version\":\"1.41\",\"name\":\"n\","
    "\"firewall_backend\":null,\"swarm\":false,\"rootless\":false,"
    "\"containers\":[{\"id\":\"c\",\"name\":\"web\",\"image\":\"i\",\"service\":null,"
    "\"stack\":null,\"network_mode\":\"bridge\",\"network_of\":null,"
    "\"labels\":[{\"key\":\"k\",\"value\":\"v\"}],"
    "\"endpoints\":[{\"network\":\"b\",\"network_id\":\"\",\"addr4\":\"172.17.0.2\","
    "\"addr6\":null}],"
    "\"published\":[{\"host_addr\":\"0.0.0.0\",\"host_port\":6379,\"container_port\":1,"
    "\"proto\":\"tcp\"}],\"links\":[{\"to\":\"t\",\"alias\":\"a\"}]}],"
    "\"networks\":[{\"id\":\"n\",\"name\":\"b\",\"driver\":\"bridge\",\"bridge\":\"docker0\","
    "\"internal\":false,\"ingress\":false,\"attachable\":false,\"ipv6\":false,"
    "\"routed\":false}]}],"
    "\"links_read\":true,"
    "\"links\":[{\"name\":\"lo\",\"index\":1,\"master\":0,\"kind\":\"\",\"type\":772,\"up\":true,"
    "\"loopback\":true,\"xdp\":false,\"rp_filter\":2,\"route_localnet\":false,"
    "\"forwarding4\":false,\"forwarding6\":true}],"
    "\"addresses\":[{\"addr\":\"127.0.0.1\",\"prefix_len\":8,\"link\":1}],"
    "\"routes_read\":true,"
    "\"routes\":[{\"dst\":\"10.0.0.0\",\"prefix_len\":16,\"type\":1,\"scope\":0,"
    "\"has_gateway\":true,\"table\":4294967295,\"priority\":0,\"oif\":1}],"
    "\"route_rules\":[{\"family\":\"ip\",\"action\":1,\"invert\":false,\"other_selectors\":false,"
    "\"priority\":32766,\"table\":254,\"fwmark\":0,\"fwmask\":0,\"src\":\"10.1.0.0\",\"dst\":null,"
    "\"src_len\":24,\"dst_len\":0,\"iif\":\"lo\",\"oif\":null}],"
    "\"listeners_read\":true,"
    "\"listeners\":[{\"addr\":\"::\",\"port\":22,\"proto\":\"tcp\",\"v6only\":true,\"link\":0,"
    "\"pid\":7,\"process\":\"sshd\",\"container_id\":null}],"
    "\"nftables\":{\"generation\":3,\"read\":true,\"byte_order\":\"little\",\"dump\":\"AAEC\"}}";

static void documents_are_what_they_say(void **state) {
    struct ng_world *world = NULL;
    struct ng_error error = {0};

    (void)state;
    assert_int_equal(ng_snapshot_read(minimal, strlen(minimal), &world, &error), 0);
    assert_string_equal(world->host, "h");
    assert_int_equal(world->time_s, 1709251199);
    assert_null(world->no_engine);
    assert_int_equal(world->engines[0].containers[0].published[0].host_port, 6379);
    assert_int_equal(world->engines[0].containers[0].endpoints[0].addr4.value, 0xac110002);
    assert_int_equal(world->routes[0].table, UINT32_MAX);
    assert_int_equal(world->route_rules[0].src_len, 24);
    assert_int_equal(world->listeners[0].addr.family, NG_IP6);
    assert_int_equal(world->nft.len_bytes, 3);
    assert_memory_equal(world->nft.bytes, "\0\1\2", 3);
    ng_world_free(world);
}

static char *replaced(const char *what, const char *with) {
    const char *at = strstr(minimal, what);
    char *document;

    assert_non_null(at);
    document = malloc(sizeof(minimal) + strlen(with));
    sprintf(document, "%.*s%s%s", (int)(at - minimal), minimal, with, at + strlen(what));
    return document;
}

static void wrong_documents_are_refused(void **state) {
    static const struct {
        const char *what, *with, *message;
    } cases[] = {
        {"snapshot/1", "snapshot/2", "$.schema: not netguard.snapshot/1"},
        {"\"host\":\"h\",", "", "$.host: missing"},
        {"\"host\":\"h\"", "\"host\":null", "$.host: expected a string, found null"},
        {"02-29", "02-30", "$.time: expected a time like"},
        {"23:59:59", "23:59:60", "$.time: expected a time like"},
        {"59:59Z", "59:59+00:00", "$.time: expected a time like"},
        {"2024-", "-024-", "$.time: expected a time like"},
        {"2024-", "1969-", "$.time: expected a time like"},
        {"{\"source\"", "7,{\"source\"", "$.gaps[0]: expected an object, found a whole number"},
        {"6379", "65536",
         "$.engines[0].containers[0].published[0].host_port: 65536 is not between 0 and 65535"},
        {"6379", "-1", "host_port: -1 is not between"},
        {"6379", "1.5", "host_port: expected a whole number, found a fraction"},
        {"6379", "\"6379\"", "host_port: expected a whole number, found a string"},
        {"6379", "0", "published[0]: host_port is 0"},
        {"\"proto\":\"tcp\"}]", "\"proto\":\"icmp\"}]", "proto: expected \"tcp\", \"udp\" or"},
        {"\"172.17.0.2\"", "\"::1\"", "endpoints[0]: addr4 is an IPv6 address"},
        {"\"addr6\":null", "\"addr6\":\"1.2.3.4\"", "endpoints[0]: addr6 is an IPv4 address"},
        {"\"172.17.0.2\"", "\"172.17.0.2/16\"", "addr4: not an IPv4 or IPv6 address"},
        {"\"index\":1", "\"index\":0", "$.links[0]: index is 0"},
        {"\"index\":1", "\"index\":4294967296", "$.links[0].index: 4294967296 is not between"},
        {"\"rp_filter\":2", "\"rp_filter\":256", "$.links[0].rp_filter: 256 is not between"},
        {"\"up\":true", "\"up\":1", "$.links[0].up: expected true or false, found a whole number"},
        {"\"prefix_len\":8", "\"prefix_len\":33", "$.addresses[0]: prefix_len is longer"},
        {"\"prefix_len\":16", "\"prefix_len\":4", "$.routes[0]: dst is more than prefix_len"},
        {"\"prefix_len\":16", "\"prefix_len\":64", "$.routes[0]: prefix_len is longer"},
        {"\"family\":\"ip\"", "\"family\":\"ip6\"", "$.route_rules[0]: src or dst is of another"},
        {"\"family\":\"ip\"", "\"family\":\"arp\"", "$.route_rules[0].family: expected \"ip\""},
        {"\"src_len\":24", "\"src_len\":8", "$.route_rules[0]: src or dst is longer"},
        {"\"src_len\":24", "\"src_len\":33", "$.route_rules[0]: src_len or dst_len is longer"},
        {"\"dst_len\":0", "\"dst_len\":1", "$.route_rules[0]: a prefix length without"},
        {"\"port\":22", "\"port\":0", "$.listeners[0]: port is 0"},
        {"little", "big", "$.nftables.byte_order: taken on a machine of the other byte order"},
        {"AAEC", "AAE", "$.nftables.dump: not base 64"},
        {"AAEC", "AA=C", "$.nftables.dump: not base 64"},
        {"{\"generation\":3", "[{\"generation\":3", "not JSON"},
        {"\"host\":\"h\"", "\"host\":\"h\",\"host\":\"i\"", "not JSON: duplicate object key"},
        {"\"host\":\"h\"", "\"host\":\"a\\u0000b\"", "not JSON"},
        {"\"host\":\"h\"", "\"host\":\"\xff\"", "not JSON"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *document = replaced(cases[i].what, cases[i].with);
        struct ng_world *world = NULL;
        struct ng_error error = {0};

        assert_int_equal(ng_snapshot_read(document, strlen(document), &world, &error), -EINVAL);
        if (!strstr(error.message, cases[i].message))
            fail_msg("\"%s\" does not say \"%s\"", error.message, cases[i].message);
        assert_null(world);
        free(document);
    }
}

static void a_syntax_error_has_a_place(void **state) {
    static const char document[] = "{\n \"schema\": \"netguard.snapshot/1\",\n \"host\": }\n";
    struct ng_world *world = NULL;
    struct ng_error error = {0};

    (void)state;
    assert_int_equal(ng_snapshot_read(document, strlen(document), &world, &error), -EINVAL);
    assert_int_equal(error.line, 3);
    assert_string_equal(error.source, "snapshot");
}

static void every_cut_is_refused(void **state) {
    (void)state;
    for (size_t len = 0; len < strlen(minimal); len++) {
        struct ng_world *world = NULL;
        struct ng_error error = {0};

        assert_int_equal(ng_snapshot_read(minimal, len, &world, &error), -EINVAL);
        assert_true(error.message[0] != '\0');
    }
}

static void unknown_members_are_ignored(void **state) {
    char *document = replaced("\"host\":\"h\"", "\"later\":{\"x\":[1,2]},\"host\":\"h\"");
    struct ng_world *world = NULL;
    struct ng_error error = {0};

    (void)state;
    assert_int_equal(ng_snapshot_read(document, strlen(document), &world, &error), 0);
    assert_string_equal(world->host, "h");
    ng_world_free(world);
    free(document);
}

static void arrays_come_out_sorted(void **state) {
    char *document = replaced("\"gaps\":[", "\"gaps\":[{\"source\":\"z\",\"reason\":\"\"},");
    struct ng_world *world = NULL;
    struct ng_error error = {0};

    (void)state;
    assert_int_equal(ng_snapshot_read(document, strlen(document), &world, &error), 0);
    assert_string_equal(world->gaps[0].source, "docker");
    assert_string_equal(world->gaps[1].source, "z");
    ng_world_free(world);
    free(document);
}

/* Of routing rules with one priority the first decides. */
static void equal_rules_keep_their_order(void **state) {
    static const uint32_t priorities[] = {5, 3, 5, 3, 1, 5, 3}, sorted[] = {4, 1, 3, 6, 0, 2, 5};
    struct ng_route_rule rules[ARRAY_SIZE(priorities)] = {0};
    struct ng_world world = {.route_rules = rules, .n_route_rules = ARRAY_SIZE(rules)};

    (void)state;
    for (uint32_t i = 0; i < ARRAY_SIZE(rules); i++)
        rules[i] = (struct ng_route_rule){.family = NG_IP4, .priority = priorities[i], .table = i};
    assert_int_equal(ng_world_sort(&world), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        assert_int_equal(rules[i].table, sorted[i]);
}

/* A long document of one character between brackets. */
static char *filled(size_t len, char first, const char *repeat) {
    char *document = malloc(len + 1);

    assert_non_null(document);
    for (size_t i = 0; i < len; i++)
        document[i] = repeat[i % strlen(repeat)];
    document[0] = first;
    document[len] = '\0';
    return document;
}

static void what_is_too_much_is_refused_first(void **state) {
    struct ng_world *world = NULL;
    struct ng_error error = {0};
    char *document = filled((size_t)10 << 20, '[', "0,");

    (void)state;
    assert_int_equal(ng_snapshot_read(document, strlen(document), &world, &error), -E2BIG);
    assert_non_null(strstr(error.message, "more than 4194304 values"));
    free(document);

    error = (struct ng_error){0};
    document = filled(NG_SNAPSHOT_LIMIT_BYTES + 1, '"', "a");
    assert_int_equal(ng_snapshot_read(document, NG_SNAPSHOT_LIMIT_BYTES + 1, &world, &error),
                     -E2BIG);
    assert_non_null(strstr(error.message, "longer than 256 MiB"));
    free(document);

    error = (struct ng_error){0};
    document = filled((size_t)1 << 20, '[', "[");
    assert_int_equal(ng_snapshot_read(document, strlen(document), &world, &error), -EINVAL);
    free(document);
}

static void a_string_is_bounded(void **state) {
    char *value = filled((64 << 10) + 3, '"', "a"), *document;
    struct ng_world *world = NULL;
    struct ng_error error = {0};

    (void)state;
    value[(64 << 10) + 2] = '"';
    document = replaced("\"h\"", value);
    assert_int_equal(ng_snapshot_read(document, strlen(document), &world, &error), -EINVAL);
    assert_non_null(strstr(error.message, "$.host: a string of more than 64 KiB"));
    free(document);
    free(value);
}

static void a_full_disk_is_an_error(void **state) {
    struct ng_world *world = generate(1);
    struct ng_error error = {0};
    FILE *full = fopen("/dev/full", "w");

    (void)state;
    assert_non_null(full);
    setvbuf(full, NULL, _IONBF, 0);
    assert_int_equal(ng_snapshot_write(world, full, &error), -EIO);
    fclose(full);
    ng_world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(document_is_plain_ascii),
        cmocka_unit_test(documents_are_what_they_say),
        cmocka_unit_test(wrong_documents_are_refused),
        cmocka_unit_test(a_syntax_error_has_a_place),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(unknown_members_are_ignored),
        cmocka_unit_test(arrays_come_out_sorted),
        cmocka_unit_test(equal_rules_keep_their_order),
        cmocka_unit_test(what_is_too_much_is_refused_first),
        cmocka_unit_test(a_string_is_bounded),
        cmocka_unit_test(a_full_disk_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
