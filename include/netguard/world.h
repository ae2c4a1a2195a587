/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_WORLD_H
#define NETGUARD_WORLD_H

/* The observed world: all that was read of one host at one time, as plain data.
 *
 * Written once by agent/observe (or read back from a snapshot file), immutable after
 * that, freed at once with its arena. Every string is NUL-terminated, valid UTF-8 and
 * bounded, but still hostile (a label may hold an escape sequence): whoever prints it
 * escapes it. No string is NULL unless its comment says so. Nothing here ever holds a container's
 * environment, command line or arguments. */

#include "netguard/addr.h"

/* Something that was not read and could change a verdict. */
struct ng_gap {
    const char *source; /* "docker", "nftables", "routes", "sockets", … */
    const char *reason; /* one line: what is missing and what to do about it */
};

/* No finding, and nothing that changes a verdict, but what a person should know in time. */
struct ng_warning {
    const char *source; /* the file that it is about */
    const char *text;   /* one line: what is there, what comes of it and what to do about it */
};

/* -- what the container engine says -------------------------------------------------- */

enum ng_proto { /* IANA protocol numbers */
                NG_ICMP = 1,
                NG_TCP = 6,
                NG_UDP = 17,
                NG_ESP = 50,
                NG_ICMP6 = 58,
                NG_SCTP = 132,
};

/* A port as the engine has bound it (GET /containers/json: Ports with a PublicPort). */
struct ng_published {
    struct ng_addr host_addr; /* 0.0.0.0 or :: for any */
    uint16_t host_port;       /* never 0 */
    uint16_t container_port;
    uint8_t proto; /* enum ng_proto: TCP, UDP or SCTP */
};

/* A port of a container that is not published. */
struct ng_port {
    uint16_t port; /* never 0 */
    uint8_t proto; /* enum ng_proto: TCP, UDP or SCTP */
};

/* A container's place on one network. */
struct ng_endpoint {
    const char *network;         /* name */
    const char *network_id;      /* 64 hex digits, "" when not given */
    struct ng_addr addr4, addr6; /* family 0: none */
};

/* A legacy or user-defined `--link`: this container reaches `to` under `alias`. */
struct ng_link_to {
    const char *to; /* the other container's name */
    const char *alias;
};

struct ng_label {
    const char *key, *value;
};

/* A socket that takes packets from outside: TCP and SCTP in LISTEN, UDP unconnected. */
struct ng_listener {
    struct ng_addr addr; /* bound address; 0.0.0.0 or :: for any */
    uint16_t port;
    uint8_t proto;
    bool v6only;              /* an IPv6 socket that takes no IPv4 */
    uint32_t link;            /* bound to this device (index in its namespace), 0: any */
    uint32_t pid;             /* a process that holds it, 0: not known */
    const char *process;      /* its comm, NULL: not known */
    const char *container_id; /* of that process, from its cgroup; NULL: none or not known */
};

struct ng_container {
    const char *id;           /* 64 hex digits */
    const char *name;         /* without the leading slash */
    const char *image;        /* as the engine prints it */
    const char *service;      /* swarm service, NULL: none (label com.docker.swarm.service.name) */
    const char *stack;        /* NULL: none (label com.docker.stack.namespace) */
    const char *network_mode; /* HostConfig.NetworkMode: "default", "host", "container:<id>", … */
    const char *network_of;   /* id of the container whose network it joined, NULL: its own */
    const struct ng_label *labels; /* sorted by key */
    size_t n_labels;
    const struct ng_endpoint *endpoints; /* sorted by network name */
    size_t n_endpoints;
    const struct ng_published
        *published; /* sorted by proto, host port, family, host address, container port */
    size_t n_published;
    const struct ng_link_to *links; /* sorted by alias, then `to` */
    size_t n_links;
    const struct ng_port *exposed; /* by the image or at its start, and not published; sorted by
                                      proto, port */
    size_t n_exposed;
    /* What listens in its network namespace, if that is its own: not host networking, nor another
     * container's. Not of one process: pid 0, process and container_id NULL. */
    const struct ng_listener *listeners; /* sorted as those of the world */
    size_t n_listeners;
    bool listeners_read; /* false: not observed, which is no gap: ports are known by other ways */
    bool engine_socket;  /* a socket by which a container engine is ruled is mounted in it, or a
                            directory that holds one */
    bool capabilities_read; /* false: not asked for, or not told; then the next three say nothing */
    bool privileged;
    bool net_admin, net_raw; /* capabilities that it was given; NET_RAW Docker gives by default */
};

/* com.docker.network.bridge.gateway_mode_ipv4, …ipv6, since engine 27: who gets to the containers'
 * own addresses. What the rules really do about it is for the reach engine to say. */
enum ng_gateway_mode {
    NG_GATEWAY_NAT,             /* published ports alone, translated; the default */
    NG_GATEWAY_NAT_UNPROTECTED, /* and every port at the container's own address */
    NG_GATEWAY_ROUTED,          /* published ports at the container's own address */
    NG_GATEWAY_ISOLATED,        /* nobody: an internal network without an address of the host's */
};

struct ng_network {
    const char *id;
    const char *name;
    const char *driver;     /* "bridge", "overlay", "host", "macvlan", … */
    const char *bridge;     /* name of the bridge link on this host, NULL: has none */
    struct ng_addr gateway; /* of a bridge: its address on this host, the first that is told; family
                               0: none or not told */
    const char *parent; /* of macvlan and ipvlan: the link they stand on, NULL: none or not told */
    bool internal, ingress, attachable, ipv6;
    bool is_default;            /* the engine's default bridge */
    bool icc_off;               /* its containers may not talk to each other unless linked */
    bool encrypted;             /* of an overlay: its data path goes by ESP */
    uint8_t gateway4, gateway6; /* enum ng_gateway_mode */
};

/* A service of the swarm with ports in ingress mode: they are open on every address of every node,
 * wherever its tasks run. */
struct ng_ingress_port {
    uint8_t proto;   /* enum ng_proto: TCP, UDP or SCTP; 0: not told, as to a worker */
    uint16_t port;   /* on the nodes; never 0 */
    uint16_t target; /* in the tasks, 0: not told */
};

struct ng_service {
    const char *name;
    const char *stack;                   /* NULL: none or not told */
    const struct ng_ingress_port *ports; /* sorted by proto, port */
    size_t n_ports;
};

/* Where the engine's API answers on TCP to whoever asks: without TLS, or with TLS and without
 * asking for a certificate. */
struct ng_open_api {
    struct ng_addr addr; /* 0.0.0.0 or :: for any */
    uint16_t port;
    bool tls;
};

/* A registry, or range of them, that the engine talks to without demanding TLS: "reg:5000",
 * "10.0.0.0/8". Loopback, which every engine has so, is left out. */
struct ng_registry {
    const char *name;
};

struct ng_engine {
    const char *endpoint;          /* "unix:///var/run/docker.sock" as asked or found */
    const char *version;           /* "20.10.24" */
    const char *api_version;       /* the one spoken: "1.41" */
    const char *name;              /* /info Name */
    const char *firewall_backend;  /* /info FirewallBackend.Driver, NULL: not told */
    bool podman;                   /* Podman, by Docker's API */
    bool swarm;                    /* part of an active swarm */
    bool manager;                  /* and one of its managers */
    struct ng_addr node_addr;      /* that it tells the swarm's other nodes; family 0: none */
    struct ng_addr data_path_addr; /* at which its tunnels of overlay networks end, told only
                                      where a container of its is on one; family 0: not told */
    uint16_t data_path_port;       /* UDP, of overlay networks; 0: not told, 4789 */
    /* The swarm's other nodes as far as they are told: a manager tells all, a worker its managers
     * and who is on the ingress network; of those on an overlay network also the addresses at which
     * their tunnels end. Sorted by family and value, none twice; this node's own addresses may be
     * among them. */
    const struct ng_addr *peers;
    size_t n_peers;
    bool away; /* did not answer when it was last asked, and this is what it had told before; not
                  in a snapshot */
    bool rootless;
    bool userns;                           /* containers' root is another user of the host */
    const struct ng_container *containers; /* running ones, sorted by name, then id */
    size_t n_containers;
    const struct ng_network *networks; /* sorted by name, then id */
    size_t n_networks;
    const struct ng_service *services; /* those with ingress ports, sorted by name. A manager tells
                                          all of them, a worker those that the ingress network
                                          knows of */
    size_t n_services;
    const struct ng_open_api *open_apis; /* sorted by port, address */
    size_t n_open_apis;
    const struct ng_registry *insecure_registries; /* sorted by name */
    size_t n_insecure_registries;
};

/* -- what the kernel says ------------------------------------------------------------ */

struct ng_link {
    const char *name;
    uint32_t index;
    uint32_t master;  /* index of the bridge or bond it belongs to, 0: none */
    const char *kind; /* "bridge", "veth", "vxlan", … ; "" for plain devices */
    uint16_t type;    /* ARPHRD_… */
    /* At which the kernel itself listens for it while it is up, by IPv4 and by IPv6: of "vxlan",
     * "geneve", "bareudp" and "wireguard"; 0: it does not, or it is not told */
    uint16_t udp_port4, udp_port6;
    bool up, loopback;
    uint32_t lower;     /* index of the link it stands on, 0: none, or one of another namespace.
                           That link sees the same packets of "vlan", "macvlan", "macvtap",
                           "ipvlan" and "ipvtap", and wrapped or enciphered ones of all others */
    uint32_t group;     /* of `ip link … group` */
    uint32_t vrf_table; /* routing table of the VRF that it belongs to or is, 0: none */
    bool xdp;           /* an XDP program is attached: it may drop or pass before all rules */
    bool tc; /* a traffic control filter or tcx program judges what comes in or goes out */
    uint8_t rp_filter; /* IPv4 source validation in force, max(all, this): 0 off 1 strict 2 loose */
    bool route_localnet;           /* IPv4, all or this */
    bool accept_local;             /* IPv4, all or this: our own addresses are sources, too */
    bool src_valid_mark;           /* IPv4, all or this: source validation asks with the mark */
    bool send_redirects;           /* IPv4, all or this: sources of what goes back out where it came
                                      from are looked at more closely */
    bool forwarding4, forwarding6; /* packets arriving here are forwarded (IPv6: conf.all) */
    /* Of a bridge: what it forwards between its ports passes the IPv4, IPv6 hooks as well */
    bool bridge_calls4, bridge_calls6;
};

/* An address that this host answers at: none whose duplicate is still looked for or was found. */
struct ng_ifaddr {
    struct ng_addr addr;
    uint8_t prefix_len;
    uint32_t link; /* index */
};

enum ng_route_type { /* RTN_… of linux/rtnetlink.h, same values */
                     NG_ROUTE_UNICAST = 1,
                     NG_ROUTE_LOCAL = 2,
                     NG_ROUTE_BROADCAST = 3,
                     NG_ROUTE_ANYCAST = 4,
                     NG_ROUTE_MULTICAST = 5,
                     NG_ROUTE_BLACKHOLE = 6,
                     NG_ROUTE_UNREACHABLE = 7,
                     NG_ROUTE_PROHIBIT = 8,
                     NG_ROUTE_THROW = 9,
};

struct ng_route {
    struct ng_addr dst; /* host bits zero */
    uint8_t prefix_len;
    uint8_t type; /* enum ng_route_type */
    uint8_t scope;
    bool has_gateway;
    uint32_t table;    /* 255 local, 254 main, 253 default, others */
    uint32_t priority; /* metric, lower wins */
    uint32_t oif;      /* link index, 0: none; a multipath route is one of these per hop */
};

/* A routing rule (ip rule) as it is for packets that arrive: one that holds for none of them
 * (those of some users) has action 3, nop. Selectors that are not set are 0. */
struct ng_route_rule {
    uint8_t family;
    uint8_t action; /* FR_ACT_… of linux/fib_rules.h: 1 = to table, 8 = unreachable, … */
    bool invert;
    bool other_selectors; /* has selectors this structure does not carry (tos, tunnel id, …) */
    uint32_t priority;
    uint32_t table;  /* 0 of action 1 (l3mdev): the one of the VRF that the packet's link belongs
                        to, and where it belongs to none the rule does not hold */
    uint32_t target; /* of action 2, goto: the priority to go on at; there is a rule there */
    uint8_t proto;   /* IP protocol, 0: any */
    uint16_t sport_lo, sport_hi, dport_lo, dport_hi; /* 0 to 0: any */
    bool suppresses; /* a unicast, local, … route of the table with a prefix of at most
                        suppress_len bits is no answer; one that refuses still is */
    uint8_t suppress_len;
    uint32_t fwmark, fwmask;
    struct ng_addr src, dst; /* family 0: any */
    uint8_t src_len, dst_len;
    const char *iif, *oif; /* NULL: any */
};

/* The nf_tables ruleset in the kernel's own words: the netlink messages of the dumps of
 * tables, chains, sets, set elements, objects, flowtables and rules, one after the other, as
 * received (struct nlmsghdr, host byte order). Kept raw, so that a later netguard that understands
 * more decides an old snapshot better. */
struct ng_nft_dump {
    const uint8_t *bytes;
    size_t len_bytes;
    uint32_t generation; /* NFT_MSG_GETGEN before and after the dump */
    bool read;           /* false: not observed, `gaps` says why */
};

/* One table of iptables-legacy in the kernel's own words: struct ipt_getinfo (ip6t_getinfo), as
 * IPT_SO_GET_INFO fills it, and after it the entries of IPT_SO_GET_ENTRIES (struct ipt_entry or
 * ip6t_entry, host byte order; linux/netfilter_ipv4/ip_tables.h). */
struct ng_xt_table {
    uint8_t family;   /* enum ng_family */
    const char *name; /* "filter", "nat", … */
    const uint8_t *bytes;
    size_t len_bytes;
};

/* The ipsets in the kernel's own words: the netlink messages that answer IPSET_CMD_LIST. They tell
 * each set's index, which is what rules know it by; a kernel that does not (protocol 6, before
 * Linux 4.20) is asked in the old way, and that answer stands after them as the message of
 * IPSET_CMD_GET_BYNAME that a newer kernel would send (linux/netfilter/ipset/ip_set.h). */
struct ng_ipset_dump {
    const uint8_t *bytes;
    size_t len_bytes;
    bool read; /* false: not observed; `gaps` says why, if a rule could ask */
};

struct ng_world {
    struct ng_arena *arena; /* owns everything below and the world itself */
    const char *host;       /* nodename */
    int64_t time_s;         /* of the observation, seconds since the epoch, UTC */

    const struct ng_gap *gaps; /* sorted by source, reason */
    size_t n_gaps;
    const struct ng_warning *warnings; /* sorted by source, text */
    size_t n_warnings;
    const char *no_engine; /* where an engine was looked for and not found, NULL: one was found or
                              asked for */

    const struct ng_engine *engines;
    size_t n_engines;

    const struct ng_link *links; /* sorted by index */
    size_t n_links;
    const struct ng_ifaddr *ifaddrs; /* sorted by link, family, address */
    size_t n_ifaddrs;
    const struct ng_route
        *routes; /* sorted by family, table, prefix length descending, dst, priority */
    size_t n_routes;
    const struct ng_route_rule *route_rules; /* sorted by family, priority */
    size_t n_route_rules;
    const struct ng_listener *listeners; /* sorted by proto, port, family, address, link */
    size_t n_listeners;
    bool links_read, routes_read, listeners_read; /* false: not observed, `gaps` says why */

    struct ng_nft_dump nft;
    const struct ng_xt_table *xt_tables; /* sorted by family, name */
    size_t n_xt_tables;
    struct ng_ipset_dump ipsets;
    bool ipsec;            /* packets may come out of IPsec: there are security associations */
    bool conntrack_strict; /* net.netfilter.nf_conntrack_tcp_loose is off: only a SYN begins a
                              connection */
    /* net.ipv4.ip_local_port_range, inclusive: where clients of this host have their ports; 0 to 0:
     * not told */
    uint16_t local_port_lo, local_port_hi;
};

/* -- asked of it ------------------------------------------------------------------------ */

const struct ng_link *ng_link_named(const struct ng_world *world, const char *name);

/* Is any engine's network on the bridge of this name? */
bool ng_is_engine_bridge(const struct ng_world *world, const char *name);

/* Its address of one family; family 0: none. */
struct ng_addr ng_endpoint_addr(const struct ng_endpoint *endpoint, uint8_t family);

/* Is it known to be held by a process of this name? */
bool ng_listener_is_of(const struct ng_listener *listener, const char *process);

/* Is it one of this engine's own? A service, and a container of another engine, is not. */
bool ng_engine_owns(const struct ng_engine *engine, const struct ng_container *container);
const struct ng_engine *ng_engine_of(const struct ng_world *world,
                                     const struct ng_container *container);
const struct ng_container *ng_container_by_id(const struct ng_world *world, const char *id);
uint16_t ng_engine_data_path_port(const struct ng_engine *engine);

bool ng_network_is_overlay(const struct ng_network *network);
bool ng_network_is_on_lan(const struct ng_network *network); /* macvlan, ipvlan */
bool ng_network_has(const struct ng_network *network, const struct ng_container *container);
/* Is any of the engine's containers on it? */
bool ng_network_in_use(const struct ng_engine *engine, const struct ng_network *network);
/* By its id, where the endpoint tells one; NULL: the engine tells of no such network. */
const struct ng_network *ng_network_of(const struct ng_engine *engine,
                                       const struct ng_endpoint *endpoint);
/* The one on which the container has that address; NULL: not known. */
const struct ng_network *ng_network_of_addr(const struct ng_world *world,
                                            const struct ng_container *container,
                                            struct ng_addr addr);

/* The order in which containers list them; for qsort(). */
int ng_port_compare(const void *left, const void *right);     /* of struct ng_port */
int ng_endpoint_compare(const void *left, const void *right); /* of struct ng_endpoint */

void ng_world_free(struct ng_world *world); /* NULL-safe */
void ng_world_freep(struct ng_world **world);

#endif
