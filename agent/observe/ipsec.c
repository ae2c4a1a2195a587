/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/ipsec.h"

#include <errno.h>
#include <linux/xfrm.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/observe/netlink.h"

#define SOURCE "ipsec"

int ng_ipsec_decode(const struct nlmsghdr *message, bool *ret_some) {
    const struct nlattr *attrs[XFRMA_SPD_INFO + 1], *counts;
    struct xfrmu_spdinfo policies;
    int r = ng_attributes_of(message, sizeof(uint32_t), attrs, XFRMA_SPD_INFO);

    if (r < 0)
        return r;
    if (message->nlmsg_type == XFRM_MSG_NEWSADINFO && attrs[XFRMA_SAD_CNT]) {
        *ret_some = ng_attribute_u32(attrs[XFRMA_SAD_CNT], 1) > 0;
        return 0;
    }
    counts = attrs[XFRMA_SPD_INFO];
    if (message->nlmsg_type != XFRM_MSG_NEWSPDINFO || !counts ||
        mnl_attr_get_payload_len(counts) < sizeof(policies))
        return -EBADMSG;
    memcpy(&policies, mnl_attr_get_payload(counts), sizeof(policies));
    *ret_some = policies.incnt > 0 || policies.outcnt > 0 || policies.fwdcnt > 0;
    return 0;
}

/* -- asking -------------------------------------------------------------------------- */

static int take_count(const struct nlmsghdr *message, void *context) {
    return ng_ipsec_decode(message, context);
}

/* In doubt true. */
static bool any(struct ng_netlink *netlink, uint16_t type) {
    union {
        struct nlmsghdr message;
        uint8_t room[64];
    } request;
    struct ng_error refused;
    bool some = true;

    mnl_nlmsg_put_header(&request);
    request.message.nlmsg_type = type;
    mnl_nlmsg_put_extra_header(&request.message, sizeof(uint32_t));
    return ng_netlink_get(netlink, &request.message, "IPsec", take_count, &some, &refused) < 0 ||
           some;
}

/* Whether the kernel's end of that bus is there: 1, 0 or a negative errno. To open a socket of
 * one that is not there would make the kernel look for a module. */
static int bus_is_there(int bus) {
    FILE *file = fopen("/proc/net/netlink", "re");
    char line[256];
    unsigned owner;
    int r = 0, found;

    if (!file)
        return -errno;
    while (r == 0 && fgets(line, sizeof(line), file))
        r = sscanf(line, "%*s %d %u", &found, &owner) == 2 && found == bus && owner == 0;
    if (r == 0 && ferror(file))
        r = -EIO;
    fclose(file);
    return r;
}

bool ng_ipsec_present(void) {
    _cleanup_(ng_netlink_closep) struct ng_netlink *netlink = NULL;
    struct ng_error refused;
    int r = bus_is_there(NETLINK_XFRM);

    /* The other way to make associations, which has no netlink: PF_KEY. */
    if (r == 0)
        return access("/proc/net/pfkey", F_OK) == 0;
    if (r < 0 || ng_netlink_open(NETLINK_XFRM, SOURCE, &netlink, &refused) < 0)
        return true;
    return any(netlink, XFRM_MSG_GETSADINFO) || any(netlink, XFRM_MSG_GETSPDINFO);
}
