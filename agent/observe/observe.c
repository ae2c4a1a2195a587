/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/observe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>

#include "agent/observe/bpf.h"
#include "agent/observe/container_sockets.h"
#include "agent/observe/docker.h"
#include "agent/observe/engine_socket.h"
#include "agent/observe/ipsec.h"
#include "agent/observe/ipset.h"
#include "agent/observe/links.h"
#include "agent/observe/nft_dump.h"
#include "agent/observe/proc.h"
#include "agent/observe/routes.h"
#include "agent/observe/saved_rules.h"
#include "agent/observe/sockets.h"
#include "agent/observe/traffic_control.h"
#include "agent/observe/world_sort.h"
#include "agent/observe/xt_dump.h"

/* Each part returns 0 or -ENOMEM; any other failure has become a gap. */
struct observation {
    struct ng_world *world;
    struct ng_gap *gaps;
    size_t n_gaps, gaps_capacity;
    struct ng_engine *engines;
    size_t n_engines, engines_capacity;
    struct ng_container_sockets **sockets; /* one for each engine that has been listed */
    size_t n_sockets, sockets_capacity;
    struct ng_processes processes; /* as they were when the last engine had been listed */
};

/* Takes over `reason`, a string of the world's arena, or NULL when there was no memory for it. */
static int add_gap(struct observation *observation, const char *source, const char *reason) {
    struct ng_gap *gap;

    if (!reason)
        return -ENOMEM;
    gap = NG_ARENA_APPEND(observation->world->arena, observation->gaps, observation->n_gaps,
                          observation->gaps_capacity);
    if (!gap)
        return -ENOMEM;
    *gap = (struct ng_gap){.source = source, .reason = reason};
    return 0;
}

/* A part that returned `code`: 0 and -ENOMEM stay what they are. */
static int gap_for(struct observation *observation, const char *source, int code,
                   const struct ng_error *error) {
    struct ng_arena *arena = observation->world->arena;

    if (code == 0 || code == -ENOMEM)
        return code;
    const char *message = error->message[0] ? error->message : strerror(-code);
    /* Which socket or file it was, where the name of the part does not say it. */
    bool place = error->source[0] && strcmp(error->source, source) != 0;
    return add_gap(
        observation, source,
        ng_arena_printf(arena, "%s%s%s", place ? error->source : "", place ? ": " : "", message));
}

/* -- the engine ---------------------------------------------------------------------- */

/* Its containers are looked into from when they are listed, beside all that follows: there may be
 * hundreds. */
static int begin_containers(struct observation *observation, const struct ng_engine *engine) {
    struct ng_container_sockets **place =
        NG_ARENA_APPEND(observation->world->arena, observation->sockets, observation->n_sockets,
                        observation->sockets_capacity);

    return place ? ng_container_sockets_begin(engine, place) : -ENOMEM;
}

static int end_containers(struct observation *observation, int r) {
    for (size_t i = 0; i < observation->n_sockets; i++) {
        int ended = ng_container_sockets_end(observation->sockets[i], observation->world->arena,
                                             &observation->processes);

        r = r ? r : ended;
    }
    return r;
}

static int add_engine(struct observation *observation, const struct ng_engine *engine, bool away) {
    struct ng_engine *place =
        NG_ARENA_APPEND(observation->world->arena, observation->engines, observation->n_engines,
                        observation->engines_capacity);

    if (!place)
        return -ENOMEM;
    *place = *engine;
    place->away = away;
    return 0;
}

static const struct ng_engine *engine_at(const struct ng_engine *engines, size_t count,
                                         const char *endpoint) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(engines[i].endpoint, endpoint) == 0)
            return &engines[i];
    return NULL;
}

/* Those that were told of before and not now. Last of all: nothing of them may be touched, for
 * others read it. */
static int remember_engines(struct observation *observation, const struct ng_world *told) {
    int r = 0;

    for (size_t i = 0; told && r == 0 && i < told->n_engines; i++)
        if (!engine_at(observation->engines, observation->n_engines, told->engines[i].endpoint))
            r = add_engine(observation, &told->engines[i], true);
    observation->world->engines = observation->engines;
    observation->world->n_engines = observation->n_engines;
    return r;
}

/* `asked` for by whoever wants the world, and not found where one usually is. */
static int observe_engine_at(struct observation *observation,
                             const struct ng_observe_options *options, const char *endpoint,
                             bool asked, struct ng_docker_connections *connections) {
    _cleanup_(ng_docker_visit_freep) struct ng_docker_visit *visit = NULL;
    struct ng_world *world = observation->world;
    struct ng_error error = {0};
    struct ng_engine engine;
    const struct ng_docker_limits limits = {
        .timeout_ms = NG_DOCKER_TIMEOUT_MS,
        .max_body_bytes = NG_DOCKER_BODY_BYTES,
        .connections = connections,
    };
    int r = ng_docker_list(world->arena, endpoint, &limits, &visit, &error);

    if (r == 0)
        r = begin_containers(observation, ng_docker_listed(visit));
    if (r == 0)
        r = ng_docker_inspect(visit, options->capabilities, &engine, &error);
    if (r == 0)
        return add_engine(observation, &engine, false);
    /* Whoever did not ask for an engine may not have one, but its socket's file be left. */
    if (!asked && (r == -ENOENT || r == -ECONNREFUSED)) {
        world->no_engine = ng_arena_strdup(world->arena, endpoint);
        return world->no_engine ? 0 : -ENOMEM;
    }
    const struct ng_world *told = asked ? options->told : NULL;
    bool known = told && engine_at(told->engines, told->n_engines, endpoint);
    return gap_for(observation, known ? NG_GAP_ENGINE : "docker", r, &error);
}

/* Where an engine usually listens. */
static int find_engine(struct observation *observation, const struct ng_observe_options *options) {
    static const char *const paths[] = {"/run/docker.sock", "/var/run/docker.sock"};
    struct ng_world *world = observation->world;
    const char *endpoint;

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        enum ng_engine_socket state = ng_engine_socket_look(paths[i], NULL);

        if (state == NG_ENGINE_SOCKET_NONE)
            continue;
        endpoint = ng_arena_printf(world->arena, "unix://%s", paths[i]);
        if (!endpoint)
            return -ENOMEM;
        if (state == NG_ENGINE_SOCKET_AWAKE)
            return observe_engine_at(observation, options, endpoint, false, NULL);
        world->no_engine = ng_arena_printf(
            world->arena, "%s, where systemd would start it on the first connection", endpoint);
        return world->no_engine ? 0 : -ENOMEM;
    }
    world->no_engine = "unix:///run/docker.sock";
    return 0;
}

/* The same socket may be told by two paths: /var/run is /run. */
static bool same_endpoint(const char *a, const char *b) {
    static const char scheme[] = "unix://";
    const size_t len = sizeof(scheme) - 1;
    struct stat x, y;

    if (strcmp(a, b) == 0)
        return true;
    return strncmp(a, scheme, len) == 0 && strncmp(b, scheme, len) == 0 && stat(a + len, &x) == 0 &&
           stat(b + len, &y) == 0 && ng_proc_is_same(&x, &y);
}

static int observe_engines(struct observation *observation,
                           const struct ng_observe_options *options) {
    int r = 0;

    if (options->n_endpoints == 0 && !options->without_engines)
        r = find_engine(observation, options);
    for (size_t i = 0; r == 0 && i < options->n_endpoints; i++) {
        bool again = false;

        for (size_t k = 0; k < i; k++)
            again = again || same_endpoint(options->endpoints[k], options->endpoints[i]);
        if (!again)
            r = observe_engine_at(observation, options, options->endpoints[i], true,
                                  options->connections ? options->connections[i] : NULL);
    }
    observation->world->engines = observation->engines;
    observation->world->n_engines = observation->n_engines;
    return r;
}

/* -- the kernel ---------------------------------------------------------------------- */

/* What links do that is not decided. */
static int add_link_gaps(struct observation *observation) {
    struct ng_world *world = observation->world;
    int r = 0;

    for (size_t i = 0; r == 0 && i < world->n_links; i++) {
        const struct ng_link *link = &world->links[i];

        if (link->xdp)
            r = add_gap(observation, "xdp",
                        ng_arena_printf(world->arena,
                                        "xdp on %s: a program may drop or pass packets before "
                                        "every rule; not decided",
                                        link->name));
        if (r == 0 && link->tc)
            r = add_gap(observation, "tc",
                        ng_arena_printf(world->arena,
                                        "tc on %s: a filter or program may drop, rewrite or "
                                        "redirect packets before or after every rule; not decided",
                                        link->name));
    }
    return r;
}

static int observe_links(struct observation *observation) {
    struct ng_error error = {0};
    int r = ng_links_read(observation->world, &error);

    if (r < 0)
        return gap_for(observation, "links", r, &error);
    r = gap_for(observation, "tc", ng_traffic_control_read(observation->world, &error), &error);
    return r < 0 ? r : add_link_gaps(observation);
}

/* Programs on netfilter hooks, which no dump of the rules tells of. */
static int observe_bpf(struct observation *observation) {
    struct ng_arena *arena = observation->world->arena;
    size_t count = 0;
    int r = ng_bpf_netfilter(&count);

    if (r < 0)
        return add_gap(observation, "bpf",
                       ng_arena_printf(arena,
                                       "cannot tell whether BPF programs are attached to the "
                                       "packet filter: %s%s",
                                       strerror(-r), r == -EPERM ? "; run as root" : ""));
    if (count == 0)
        return 0;
    return add_gap(observation, "bpf",
                   ng_arena_printf(arena,
                                   "%zu BPF programs are attached to the packet filter, of this or "
                                   "another network namespace: they may drop packets; not decided",
                                   count));
}

static int observe_routes(struct observation *observation) {
    struct ng_world *world = observation->world;
    struct ng_error error = {0};
    size_t left_out = 0;
    int r = ng_routes_read(world, &left_out, &error);

    if (r < 0 || left_out == 0)
        return gap_for(observation, "routes", r, &error);
    return add_gap(observation, "routes",
                   ng_arena_printf(world->arena,
                                   "%zu routes that hold only for some sources or types of "
                                   "service are left out",
                                   left_out));
}

/* Podman tells no names of its bridges, but what address each has here. */
static void find_bridges(struct ng_world *world) {
    for (size_t i = 0; i < world->n_engines; i++)
        for (size_t k = 0; k < world->engines[i].n_networks; k++) {
            struct ng_network *network = (struct ng_network *)&world->engines[i].networks[k];

            if (!network->bridge && strcmp(network->driver, "bridge") == 0 &&
                network->gateway.family && !world->engines[i].rootless)
                network->bridge = ng_links_bridge_with(world, network->gateway);
        }
}

static int observe_sockets(struct observation *observation) {
    struct ng_world *world = observation->world;
    struct ng_error error = {0};
    size_t unsure = 0;
    int r = ng_sockets_read(world, &observation->processes, &unsure, &error);

    if (r < 0 || unsure == 0)
        return gap_for(observation, "sockets", r, &error);
    return add_gap(observation, "sockets",
                   ng_arena_printf(world->arena,
                                   "of %zu sockets it is not known whether they take IPv4 as well "
                                   "as IPv6 and packets of every link; they are taken to (run as "
                                   "root, or load inet_diag, tcp_diag and udp_diag)",
                                   unsure));
}

static int observe_nft(struct observation *observation) {
    struct ng_world *world = observation->world;
    struct ng_error error = {0};
    int r = ng_nft_dump_read(world->arena, &world->nft, &error);

    return gap_for(observation, "nftables", r, &error);
}

static int observe_xtables(struct observation *observation) {
    struct ng_error error = {0};
    int r = ng_xt_dump_read(observation->world, &error);

    return gap_for(observation, "xtables", r, &error);
}

/* After the rules: a set that one of them names stays where it is. */
static int observe_ipsets(struct observation *observation) {
    struct ng_world *world = observation->world;
    struct ng_error error = {0};
    int r = ng_ipset_dump_read(world->arena, IPSET_PROTOCOL, &world->ipsets, &error);

    /* Without the extension no rule can ask. */
    if (r < 0 && r != -ENOMEM && ng_proc_lacks_module("xt_set"))
        return 0;
    return gap_for(observation, "ipsets", r, &error);
}

/* What is either so or not, and never a gap. */
static void observe_settings(struct ng_world *world) {
    char loose[8], ports[32];
    int r = ng_proc_read(AT_FDCWD, "/proc/sys/net/netfilter/nf_conntrack_tcp_loose", loose,
                         sizeof(loose));

    /* Without the file there is no connection tracking, and nothing strict about it. */
    world->conntrack_strict = r > 0 && strcmp(loose, "0\n") == 0;
    world->ipsec = ng_ipsec_present();
    if (ng_proc_read(AT_FDCWD, "/proc/sys/net/ipv4/ip_local_port_range", ports, sizeof(ports)) >
            0 &&
        sscanf(ports, "%" SCNu16 " %" SCNu16, &world->local_port_lo, &world->local_port_hi) != 2)
        world->local_port_lo = world->local_port_hi = 0;
}

static int observe_host(struct ng_world *world) {
    struct timespec now;
    struct utsname uts;

    if (uname(&uts) < 0 || clock_gettime(CLOCK_REALTIME, &now) < 0)
        return -errno;
    world->time_s = now.tv_sec;
    world->host = ng_proc_utf8(world->arena, uts.nodename, sizeof(uts.nodename));
    return world->host ? 0 : -ENOMEM;
}

/* Links first: a bridge that is there by then is told of by the engine that has made it, and is
 * somebody else's if none does. Then the engines: what they have started by then has its rules and
 * sockets. */
static int observe_all(struct observation *observation, const struct ng_observe_options *options) {
    struct ng_world *world = observation->world;
    int r = observe_host(world);

    r = r ? r : observe_links(observation);
    r = r ? r : observe_engines(observation, options);
    r = r ? r : observe_routes(observation);
    r = r ? r : observe_nft(observation);
    r = r ? r : observe_bpf(observation);
    observe_settings(world);
    r = r ? r : observe_xtables(observation);
    r = r ? r : observe_ipsets(observation);
    r = r ? r : ng_saved_rules_read(world, NULL);
    r = end_containers(observation, r);
    r = r ? r : observe_sockets(observation);
    if (r < 0)
        return r;
    find_bridges(world);
    observation->world->gaps = observation->gaps;
    observation->world->n_gaps = observation->n_gaps;
    r = ng_world_sort(observation->world);
    return r ? r : remember_engines(observation, options->told);
}

int ng_observe(const struct ng_observe_options *options, struct ng_world **ret_world,
               struct ng_error *error) {
    struct ng_arena *arena = ng_arena_new();
    struct observation observation = {0};
    int r;

    if (!arena)
        return ng_error_set(error, -ENOMEM, "observe", "out of memory");
    observation.world = ng_arena_alloc(arena, 1, sizeof(*observation.world));
    if (observation.world) {
        observation.world->arena = arena;
        r = observe_all(&observation, options);
    } else {
        r = -ENOMEM;
    }
    if (r < 0) {
        ng_arena_free(arena);
        return ng_error_set(error, r, "observe", "cannot observe this host: %s", strerror(-r));
    }
    *ret_world = observation.world;
    return 0;
}
