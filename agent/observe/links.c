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

#define SOURCE   "links"
#define ATTEMPTS 10

/* The devconf arrays of IFLA_AF_SPEC are indexed by the sysctl: for IPv4 from 1 and in the array
 * from 0 (linux/ip.h), for IPv6 from 0 (linux/ipv6.h, whose headers clash with the C library's). */
#define CONF4_FORWARDING       (IPV4_DEVCONF_FORWARDING - 1)
#define CONF4_RP_FILTER        (IPV4_DEVCONF_RP_FILTER - 1)
#define CONF4_ROUTE_LOCALNET   (IPV4_DEVCONF_ROUTE_LOCALNET - 1)
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

static int decode_text(struct ng_arena *arena, const struct nlattr *attr, const char **ret_text) {
    *ret_text =
        attr ? ng_proc_utf8(arena, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr)) : "";
    return *ret_text ? 0 : -ENOMEM;
}

int ng_links_decode_link(struct ng_arena *arena, const struct nlmsghdr *message,
                         const struct ng_links_all *all, struct ng_link *ret_link) {
    const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[IFLA_XDP + 1];
    const struct nlattr *info[IFLA_INFO_KIND + 1] = {0};
    struct ng_link link = {0};
    int r;

    if (message->nlmsg_type != RTM_NEWLINK)
        return 1;
    r = ng_attributes_of(message, sizeof(*header), attrs, IFLA_XDP);
    if (r == 0 && attrs[IFLA_LINKINFO])
        r = ng_attributes_in(attrs[IFLA_LINKINFO], info, IFLA_INFO_KIND);
    if (r == 0)
        r = decode_sysctls(attrs[IFLA_AF_SPEC], all, &link);
    if (r == 0)
        r = decode_xdp(attrs[IFLA_XDP], &link.xdp);
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

static int read_sysctl(const char *path, bool required, unsigned long *ret_value,
                       struct ng_error *error) {
    char text[32];
    int r = ng_proc_read(AT_FDCWD, path, text, sizeof(text));

    if (r == -ENOENT && !required) {
        *ret_value = 0;
        return 0;
    }
    if (r < 0)
        return ng_error_set(error, r, SOURCE, "cannot read %s: %s", path, strerror(-r));
    *ret_value = strtoul(text, NULL, 10);
    return 0;
}

static int read_all(struct ng_links_all *ret_all, struct ng_error *error) {
    unsigned long rp_filter, route_localnet, forwarding6;
    int r;

    r = read_sysctl("/proc/sys/net/ipv4/conf/all/rp_filter", true, &rp_filter, error);
    if (r == 0)
        r = read_sysctl("/proc/sys/net/ipv4/conf/all/route_localnet", true, &route_localnet, error);
    if (r == 0) /* a kernel without IPv6 has none of its sysctls */
        r = read_sysctl("/proc/sys/net/ipv6/conf/all/forwarding", false, &forwarding6, error);
    if (r < 0)
        return r;
    ret_all->rp_filter = (uint8_t)rp_filter;
    ret_all->route_localnet = route_localnet != 0;
    ret_all->forwarding6 = forwarding6 != 0;
    return 0;
}

static int attempt(struct reading *reading, struct ng_error *error) {
    _cleanup_(ng_netlink_closep) struct ng_netlink *netlink = NULL;
    int r;

    reading->n_links = reading->n_ifaddrs = 0;
    r = read_all(&reading->all, error);
    if (r == 0)
        r = ng_netlink_open(NETLINK_ROUTE, SOURCE, &netlink, error);
    if (r == 0)
        r = dump_links(netlink, reading, error);
    if (r == 0)
        r = dump_addresses(netlink, reading, error);
    return r;
}

int ng_links_read(struct ng_world *world, struct ng_error *error) {
    struct reading reading = {.arena = world->arena};
    int r = -EINTR;

    for (unsigned i = 0; i < ATTEMPTS && r == -EINTR; i++)
        r = attempt(&reading, error);
    if (r == -EINTR)
        return ng_error_set(error, -EAGAIN, SOURCE,
                            "links and addresses kept changing while they were read");
    if (r < 0)
        return r;
    world->links = reading.links;
    world->n_links = reading.n_links;
    world->ifaddrs = reading.ifaddrs;
    world->n_ifaddrs = reading.n_ifaddrs;
    world->links_read = true;
    return 0;
}
