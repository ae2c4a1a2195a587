/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/wireguard.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <string.h>

#include "agent/observe/netlink.h"

#define SOURCE "wireguard"

int ng_wireguard_decode_family(const struct nlmsghdr *message, uint16_t *ret_family) {
    const struct nlattr *attrs[CTRL_ATTR_FAMILY_NAME + 1];
    int r = ng_attributes_of(message, GENL_HDRLEN, attrs, CTRL_ATTR_FAMILY_NAME);
    const char *name = r == 0 ? ng_attribute_text(attrs[CTRL_ATTR_FAMILY_NAME]) : NULL;
    uint16_t family = r == 0 ? ng_attribute_u16(attrs[CTRL_ATTR_FAMILY_ID], 0) : 0;

    if (!name || family < GENL_MIN_ID)
        return -EBADMSG;
    if (strcmp(name, WG_GENL_NAME) != 0)
        return 1;
    *ret_family = family;
    return 0;
}

int ng_wireguard_decode_port(const struct nlmsghdr *message, uint32_t link, uint16_t *ret_port) {
    const struct nlattr *attrs[WGDEVICE_A_LISTEN_PORT + 1];
    int r = ng_attributes_of(message, GENL_HDRLEN, attrs, WGDEVICE_A_LISTEN_PORT);

    if (r < 0 || ng_attribute_u32(attrs[WGDEVICE_A_IFINDEX], 0) != link ||
        !attrs[WGDEVICE_A_LISTEN_PORT])
        return -EBADMSG;
    *ret_port = ng_attribute_u16(attrs[WGDEVICE_A_LISTEN_PORT], 0);
    return 0;
}

/* -- asking -------------------------------------------------------------------------- */

union request {
    struct nlmsghdr message;
    uint8_t room[64];
};

static void begin(union request *request, uint16_t family, uint8_t command, uint8_t version) {
    struct genlmsghdr *header;

    mnl_nlmsg_put_header(request);
    request->message.nlmsg_type = family;
    header = mnl_nlmsg_put_extra_header(&request->message, sizeof(*header));
    header->cmd = command;
    header->version = version;
}

static int take_family(const struct nlmsghdr *message, void *context) {
    int r = ng_wireguard_decode_family(message, context);

    return r < 0 ? r : 0;
}

/* 0: there is none. All families are listed, for one that is asked for by its name and is not there
 * makes the kernel look for a module. */
static int find_family(uint16_t *ret_family, struct ng_error *error) {
    _cleanup_(ng_netlink_closep) struct ng_netlink *netlink = NULL;
    union request request;
    int r = ng_netlink_open(NETLINK_GENERIC, SOURCE, &netlink, error);

    if (r < 0)
        return r;
    *ret_family = 0;
    begin(&request, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
    return ng_netlink_dump(netlink, &request.message, "families", take_family, ret_family, error);
}

/* The first message has all that is asked for, and the rest of the answer is keys. */
static int take_port(const struct nlmsghdr *message, void *context) {
    struct ng_link *link = context;
    uint16_t port;
    int r = ng_wireguard_decode_port(message, link->index, &port);

    if (r < 0)
        return r;
    link->udp_port4 = link->udp_port6 = port;
    return -ECANCELED;
}

static int read_port(uint16_t family, struct ng_link *link, struct ng_error *error) {
    _cleanup_(ng_netlink_closep) struct ng_netlink *netlink = NULL;
    struct ng_error refused = {0};
    union request request;
    int r = ng_netlink_open(NETLINK_GENERIC, SOURCE, &netlink, error);

    if (r < 0)
        return r;
    begin(&request, family, WG_CMD_GET_DEVICE, WG_GENL_VERSION);
    mnl_attr_put_u32(&request.message, WGDEVICE_A_IFINDEX, link->index);
    r = ng_netlink_dump(netlink, &request.message, "WireGuard links", take_port, link, &refused);
    /* The private key of the link and those that it shares with its peers have come with the port:
     * they must not be found in what this memory is used for next, or in a core. */
    ng_netlink_wipe(netlink);
    if (r == -ENODEV)
        return -EINTR;
    if (r == -ECANCELED || r == -EPERM)
        return 0;
    return r < 0 && r != -EINTR ? ng_error_set(error, r, SOURCE, "%s", refused.message) : r;
}

int ng_wireguard_read_ports(struct ng_link *links, size_t n_links, struct ng_error *error) {
    uint16_t family = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < n_links; i++) {
        if (!links[i].up || strcmp(links[i].kind, "wireguard") != 0)
            continue;
        if (family == 0)
            r = find_family(&family, error);
        if (r == 0 && family != 0)
            r = read_port(family, &links[i], error);
    }
    return r;
}
