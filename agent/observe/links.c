/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/links.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "agent/observe/netlink.h"
#include "agent/observe/proc.h"
#include "agent/observe/wireguard.h"

#define SOURCE "links"

/* The devconf arrays of IFLA_AF_SPEC are indexed by the sysctl: for IPv4 from 1 and in the array
 * from 0 (linux/ip.h), for IPv6 from 0 (linux/ipv6.h, whose headers clash with the C library's). */
#define CONF4_FORWARDING       (IPV4_DEVCONF_FORWARDING - 1)
#define CONF4_RP_FILTER        (IPV4_DEVCONF_RP_FILTER - 1)
#define CONF4_ROUTE_LOCALNET   (IPV4_DEVCONF_ROUTE_LOCALNET - 1)
#define CONF4_ACCEPT_LOCAL     (IPV4_DEVCONF_ACCEPT_LOCAL - 1)
#define CONF4_SRC_VMARK        (IPV4_DEVCONF_SRC_VMARK - 1)
#define CONF4_SEND_REDIRECTS   (IPV4_DEVCONF_SEND_REDIRECTS - 1)
#define CONF6_FORCE_FORWARDING 59 /* from 6.17 on; shorter arrays do not have it */

/* The element of a devconf array, 0 when the array is shorter. */
static uint32_t conf_value(const struct nlattr *array, size_t index) {
    const uint8_t *values;
    uint32_t value;

    if (!array || mnl_attr_get_payload_len(array) / sizeof(value) <= index)
        return 0;
    values = mnl_attr_get_payload(array);
    memcpy(&value, values + index * sizeof(value), sizeof(value));
    return value;
}

static int decode_sysctls(const struct nlattr *af_spec, const struct ng_links_all *all,
                          struct ng_link *link) {
    const struct nlattr *families[AF_INET6 + 1] = {0};
    const struct nlattr *conf4[IFLA_INET_MAX + 1] = {0};
    const struct nlattr *conf6[IFLA_INET6_MAX + 1] = {0};
    uint32_t rp_filter;
    int r = af_spec ? ng_attributes_in(af_spec, families, AF_INET6) : 0;

    if (r == 0 && families[AF_INET])
        r = ng_attributes_in(families[AF_INET], conf4, IFLA_INET_MAX);
    if (r == 0 && families[AF_INET6])
        r = ng_attributes_in(families[AF_INET6], conf6, IFLA_INET6_MAX);
    if (r < 0)
        return r;

    rp_filter = conf_value(conf4[IFLA_INET_CONF], CONF4_RP_FILTER);
    link->rp_filter = rp_filter > all->rp_filter ? (uint8_t)rp_filter : all->rp_filter;
    link->route_localnet =
        all->route_localnet || conf_value(conf4[IFLA_INET_CONF], CONF4_ROUTE_LOCALNET) != 0;
    link->accept_local =
        all->accept_local || conf_value(conf4[IFLA_INET_CONF], CONF4_ACCEPT_LOCAL) != 0;
    link->src_valid_mark =
        all->src_valid_mark || conf_value(conf4[IFLA_INET_CONF], CONF4_SRC_VMARK) != 0;
    link->send_redirects =
        all->send_redirects || conf_value(conf4[IFLA_INET_CONF], CONF4_SEND_REDIRECTS) != 0;
    link->forwarding4 = conf_value(conf4[IFLA_INET_CONF], CONF4_FORWARDING) != 0;
    /* A link's own net.ipv6 forwarding only says how it treats router advertisements. */
    link->forwarding6 =
        all->forwarding6 || conf_value(conf6[IFLA_INET6_CONF], CONF6_FORCE_FORWARDING) != 0;
    return 0;
}

static int decode_xdp(const struct nlattr *nest, bool *ret_attached) {
    const struct nlattr *attrs[IFLA_XDP_MAX + 1] = {0};
    int r = nest ? ng_attributes_in(nest, attrs, IFLA_XDP_MAX) : 0;

    if (r == 0)
        *ret_attached =
            ng_attribute_u8(attrs[IFLA_XDP_ATTACHED], XDP_ATTACHED_NONE) != XDP_ATTACHED_NONE;
    return r;
}

/* `data` of a bridge: each may have the switch that all have. */
static int decode_bridge(const struct nlattr *data, const struct ng_links_all *all,
                         struct ng_link *link) {
    const struct nlattr *attrs[IFLA_BR_NF_CALL_IP6TABLES + 1] = {0};
    int r = data ? ng_attributes_in(data, attrs, IFLA_BR_NF_CALL_IP6TABLES) : 0;

    if (r < 0 || !all->bridge_netfilter)
        return r;
    link->bridge_calls4 =
        all->bridge_calls4 || ng_attribute_u8(attrs[IFLA_BR_NF_CALL_IPTABLES], 0) != 0;
    link->bridge_calls6 =
        all->bridge_calls6 || ng_attribute_u8(attrs[IFLA_BR_NF_CALL_IP6TABLES], 0) != 0;
    return 0;
}

/* `data` of a VRF, or of a link as a part of one, where the attribute has the same number. */
static int decode_vrf(const struct nlattr *data, struct ng_link *link) {
    const struct nlattr *attrs[IFLA_VRF_TABLE + 1] = {0};
    int r = data ? ng_attributes_in(data, attrs, IFLA_VRF_TABLE) : 0;

    if (r == 0)
        link->vrf_table = ng_attribute_u32(attrs[IFLA_VRF_TABLE], 0);
    return r;
}

static bool is_kind(const struct nlattr *kind, const char *name) {
    const char *text = ng_attribute_text(kind);

    return text && strcmp(text, name) == 0;
}

/* What only links of some kinds have; `info`: the attributes of IFLA_LINKINFO. */
static int decode_kind(const struct nlattr *const info[], const struct ng_links_all *all,
                       struct ng_link *link) {
    int r = 0;

    if (is_kind(info[IFLA_INFO_KIND], "bridge"))
        r = decode_bridge(info[IFLA_INFO_DATA], all, link);
    if (r == 0 && is_kind(info[IFLA_INFO_KIND], "vrf"))
        r = decode_vrf(info[IFLA_INFO_DATA], link);
    if (r == 0 && is_kind(info[IFLA_INFO_SLAVE_KIND], "vrf"))
        r = decode_vrf(info[IFLA_INFO_SLAVE_DATA], link);
    return r;
}

/* Tunnels over UDP and the attributes of their data: the port, what says that they take packets of
 * both families (true, or a flag), and what says that they take those of IPv6 and not of IPv4. */
static const struct {
    const char *kind;
    uint16_t port, both, six[2];
} tunnels[] = {
    {"vxlan", IFLA_VXLAN_PORT, IFLA_VXLAN_COLLECT_METADATA, {IFLA_VXLAN_GROUP6, IFLA_VXLAN_LOCAL6}},
    {"geneve", IFLA_GENEVE_PORT, IFLA_GENEVE_COLLECT_METADATA, {IFLA_GENEVE_REMOTE6}},
    {"bareudp", IFLA_BAREUDP_PORT, IFLA_BAREUDP_UNSPEC, {IFLA_BAREUDP_PORT}}, /* both by one */
};

/* `info`: as above. */
static int decode_tunnel(const struct nlattr *const info[], struct ng_link *link) {
    const struct nlattr *attrs[IFLA_VXLAN_COLLECT_METADATA + 1] = {0};
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(tunnels); i++) {
        if (!info[IFLA_INFO_DATA] || !is_kind(info[IFLA_INFO_KIND], tunnels[i].kind))
            continue;
        r = ng_attributes_in(info[IFLA_INFO_DATA], attrs, IFLA_VXLAN_COLLECT_METADATA);

        const struct nlattr *told = attrs[tunnels[i].both];
        uint16_t port = ng_attribute_be16(attrs[tunnels[i].port], 0);
        bool both = ng_attribute_u8(told, told != NULL);
        bool six = attrs[tunnels[i].six[0]] || attrs[tunnels[i].six[1]];

        link->udp_port4 = both || !six ? port : 0;
        link->udp_port6 = both || six ? port : 0;
    }
    return r;
}

/* The link that `attrs` name as the one below; not the other end of a pair, nor one that is in
 * another namespace, where the number means something else. */
static uint32_t decode_lower(const struct nlattr *const attrs[], const struct nlattr *kind,
                             int index) {
    static const char *const pairs[] = {"veth", "netkit", "vxcan"};
    uint32_t lower = ng_attribute_u32(attrs[IFLA_LINK], 0);

    if (attrs[IFLA_LINK_NETNSID] || lower == (uint32_t)index)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
        if (is_kind(kind, pairs[i]))
            return 0;
    return lower;
}

static int decode_text(struct ng_arena *arena, const struct nlattr *attr, const char **ret_text) {
    *ret_text =
        attr ? ng_proc_utf8(arena, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr)) : "";
    return *ret_text ? 0 : -ENOMEM;
}

int ng_links_decode_link(struct ng_arena *arena, const struct nlmsghdr *message,
                         const struct ng_links_all *all, struct ng_link *ret_link) {
    const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[IFLA_XDP + 1];
    const struct nlattr *info[IFLA_INFO_SLAVE_DATA + 1] = {0};
    struct ng_link link = {0};
    int r;

    if (message->nlmsg_type != RTM_NEWLINK)
        return 1;
    r = ng_attributes_of(message, sizeof(*header), attrs, IFLA_XDP);
    if (r == 0 && attrs[IFLA_LINKINFO])
        r = ng_attributes_in(attrs[IFLA_LINKINFO], info, IFLA_INFO_SLAVE_DATA);
    if (r == 0)
        r = decode_sysctls(attrs[IFLA_AF_SPEC], all, &link);
    if (r == 0)
        r = decode_xdp(attrs[IFLA_XDP], &link.xdp);
    if (r == 0)
        r = decode_kind(info, all, &link);
    /* The socket of one that has come from another namespace has stayed there. */
    if (r == 0 && !attrs[IFLA_LINK_NETNSID])
        r = decode_tunnel(info, &link);
    if (r < 0)
        return r;
    if (!attrs[IFLA_IFNAME] || header->ifi_index <= 0)
        return -EBADMSG;

    r = decode_text(arena, attrs[IFLA_IFNAME], &link.name);
    if (r == 0)
        r = decode_text(arena, info[IFLA_INFO_KIND], &link.kind);
    if (r < 0)
        return r;
    link.index = (uint32_t)header->ifi_index;
    link.master = ng_attribute_u32(attrs[IFLA_MASTER], 0);
    link.lower = decode_lower(attrs, info[IFLA_INFO_KIND], header->ifi_index);
    link.group = ng_attribute_u32(attrs[IFLA_GROUP], 0);
    link.type = header->ifi_type;
    link.up = header->ifi_flags & IFF_UP;
    link.loopback = header->ifi_flags & IFF_LOOPBACK;
    *ret_link = link;
    return 0;
}

int ng_links_decode_address(const struct nlmsghdr *message, struct ng_ifaddr *ret_ifaddr) {
    const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[IFA_LOCAL + 1];
    const struct nlattr *addr;
    size_t len_bytes;
    int r;

    if (message->nlmsg_type != RTM_NEWADDR)
        return 1;
    r = ng_attributes_of(message, sizeof(*header), attrs, IFA_LOCAL);
    if (r < 0)
        return r;
    if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6)
        return 1;
    /* Nobody answers at an address while others are asked whether they have it, or when one has:
     * its local route is not there (RFC 4862, 5.4; of an optimistic one it is, RFC 4429). */
    if (header->ifa_family == AF_INET6 && header->ifa_flags & IFA_F_TENTATIVE &&
        !(header->ifa_flags & IFA_F_OPTIMISTIC))
        return 1;
    /* On a point-to-point link IFA_ADDRESS is the other end; IFA_LOCAL is always ours. */
    addr = attrs[IFA_LOCAL] ? attrs[IFA_LOCAL] : attrs[IFA_ADDRESS];
    len_bytes = header->ifa_family == AF_INET ? 4 : 16;
    if (!addr || mnl_attr_get_payload_len(addr) != len_bytes ||
        header->ifa_prefixlen > len_bytes * 8)
        return -EBADMSG;
    *ret_ifaddr = (struct ng_ifaddr){
        .addr = ng_addr_from_wire(mnl_attr_get_payload(addr), len_bytes),
        .prefix_len = header->ifa_prefixlen,
        .link = header->ifa_index,
    };
    return 0;
}

/* -- asking -------------------------------------------------------------------------- */

struct reading {
    struct ng_arena *arena;
    struct ng_links_all all;
    struct ng_link *links;
    size_t n_links, links_capacity;
    struct ng_ifaddr *ifaddrs;
    size_t n_ifaddrs, ifaddrs_capacity;
};

static int take_link(const struct nlmsghdr *message, void *context) {
    struct reading *reading = context;
    struct ng_link link, *place;
    int r = ng_links_decode_link(reading->arena, message, &reading->all, &link);

    if (r != 0)
        return r < 0 ? r : 0;
    place =
        NG_ARENA_APPEND(reading->arena, reading->links, reading->n_links, reading->links_capacity);
    if (!place)
        return -ENOMEM;
    *place = link;
    return 0;
}

static int take_address(const struct nlmsghdr *message, void *context) {
    struct reading *reading = context;
    struct ng_ifaddr ifaddr, *place;
    int r = ng_links_decode_address(message, &ifaddr);

    if (r != 0)
        return r < 0 ? r : 0;
    place = NG_ARENA_APPEND(reading->arena, reading->ifaddrs, reading->n_ifaddrs,
                            reading->ifaddrs_capacity);
    if (!place)
        return -ENOMEM;
    *place = ifaddr;
    return 0;
}

static int dump_links(struct ng_netlink *netlink, struct reading *reading, struct ng_error *error) {
    union {
        struct nlmsghdr message;
        uint8_t room[128];
    } request;

    mnl_nlmsg_put_header(&request);
    request.message.nlmsg_type = RTM_GETLINK;
    mnl_nlmsg_put_extra_header(&request.message, sizeof(struct ifinfomsg));
    /* The counters are most of the answer, and not asked for. */
    mnl_attr_put_u32(&request.message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    return ng_netlink_dump(netlink, &request.message, "links", take_link, reading, error);
}

static int dump_addresses(struct ng_netlink *netlink, struct reading *reading,
                          struct ng_error *error) {
    union {
        struct nlmsghdr message;
        uint8_t room[128];
    } request;

    mnl_nlmsg_put_header(&request);
    request.message.nlmsg_type = RTM_GETADDR;
    mnl_nlmsg_put_extra_header(&request.message, sizeof(struct ifaddrmsg));
    return ng_netlink_dump(netlink, &request.message, "addresses", take_address, reading, error);
}

/* A kernel without IPv6, or with no br_netfilter loaded, has none of its sysctls. */
static int read_sysctl(const char *path, unsigned long *ret_value, bool *ret_present,
                       struct ng_error *error) {
    char text[32];
    int r = ng_proc_read(AT_FDCWD, path, text, sizeof(text));

    if (r < 0 && r != -ENOENT)
        return ng_error_set(error, r, SOURCE, "cannot read %s: %s", path, strerror(-r));
    *ret_present = r >= 0;
    *ret_value = r < 0 ? 0 : strtoul(text, NULL, 10);
    return 0;
}

static int read_all(struct ng_links_all *ret_all, struct ng_error *error) {
    enum {
        RP_FILTER,
        LOCALNET,
        ACCEPT_LOCAL,
        SRC_VALID_MARK,
        REDIRECTS,
        FORWARDING6,
        BRIDGE4,
        BRIDGE6,
        ALL
    };
    static const char *const paths[] = {
        [RP_FILTER] = "/proc/sys/net/ipv4/conf/all/rp_filter",
        [LOCALNET] = "/proc/sys/net/ipv4/conf/all/route_localnet",
        [ACCEPT_LOCAL] = "/proc/sys/net/ipv4/conf/all/accept_local",
        [SRC_VALID_MARK] = "/proc/sys/net/ipv4/conf/all/src_valid_mark",
        [REDIRECTS] = "/proc/sys/net/ipv4/conf/all/send_redirects",
        [FORWARDING6] = "/proc/sys/net/ipv6/conf/all/forwarding",
        [BRIDGE4] = "/proc/sys/net/bridge/bridge-nf-call-iptables",
        [BRIDGE6] = "/proc/sys/net/bridge/bridge-nf-call-ip6tables",
    };
    unsigned long values[ALL];
    bool present[ALL];

    for (size_t i = 0; i < ALL; i++) {
        int r = read_sysctl(paths[i], &values[i], &present[i], error);

        if (r < 0)
            return r;
    }
    if (!present[RP_FILTER])
        return ng_error_set(error, -ENOENT, SOURCE, "there is no %s: mount /proc with its sys",
                            paths[RP_FILTER]);
    *ret_all = (struct ng_links_all){
        .rp_filter = (uint8_t)values[RP_FILTER],
        .route_localnet = values[LOCALNET] != 0,
        .accept_local = values[ACCEPT_LOCAL] != 0,
        .src_valid_mark = values[SRC_VALID_MARK] != 0,
        .send_redirects = values[REDIRECTS] != 0,
        .forwarding6 = values[FORWARDING6] != 0,
        .bridge_netfilter = present[BRIDGE4],
        .bridge_calls4 = values[BRIDGE4] != 0,
        .bridge_calls6 = values[BRIDGE6] != 0,
    };
    return 0;
}

static int attempt(void *context, struct ng_error *error) {
    struct reading *reading = context;
    _cleanup_(ng_netlink_closep) struct ng_netlink *netlink = NULL;
    int r;

    reading->n_links = reading->n_ifaddrs = 0;
    r = read_all(&reading->all, error);
    if (r == 0)
        r = ng_netlink_open(NETLINK_ROUTE, SOURCE, &netlink, error);
    if (r == 0)
        r = dump_links(netlink, reading, error);
    if (r == 0)
        r = ng_wireguard_read_ports(reading->links, reading->n_links, error);
    if (r == 0)
        r = dump_addresses(netlink, reading, error);
    return r;
}

int ng_links_read(struct ng_world *world, struct ng_error *error) {
    struct reading reading = {.arena = world->arena};
    int r = ng_netlink_settle(attempt, &reading, SOURCE, "links and addresses", error);

    if (r < 0)
        return r;
    world->links = reading.links;
    world->n_links = reading.n_links;
    world->ifaddrs = reading.ifaddrs;
    world->n_ifaddrs = reading.n_ifaddrs;
    world->links_read = true;
    return 0;
}

const char *ng_links_bridge_with(const struct ng_world *world, struct ng_addr addr) {
    for (size_t i = 0; i < world->n_ifaddrs; i++)
        for (size_t k = 0; ng_addr_equal(world->ifaddrs[i].addr, addr) && k < world->n_links; k++)
            if (world->links[k].index == world->ifaddrs[i].link &&
                strcmp(world->links[k].kind, "bridge") == 0)
                return world->links[k].name;
    return NULL;
}
