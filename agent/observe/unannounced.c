/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/unannounced.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "agent/observe/netlink.h"
#include "agent/observe/sockets.h"

#define SOURCE "poll"

/* FNV-1a, 64 bits. The digest adds up what each thing comes to, so that their order does not
 * matter. */
static uint64_t hash(uint64_t so_far, const void *bytes, size_t len_bytes) {
    const uint8_t *byte = bytes;
    for (size_t i = 0; i < len_bytes; i++)
        so_far = (so_far ^ byte[i]) * UINT64_C(0x100000001b3);
    return so_far;
}

static const uint64_t start = UINT64_C(0xcbf29ce484222325);

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
    return hash(start, parts, sizeof(parts));
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

static int add_link(const struct nlmsghdr *message, void *context) {
    const struct ifinfomsg *body = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[IFLA_LINKINFO + 1], *info[IFLA_INFO_KIND + 1] = {0};
    uint64_t *digest = context;
    if (message->nlmsg_type != RTM_NEWLINK)
        return 0;
    int r = ng_attributes_of(message, sizeof(*body), attrs, IFLA_LINKINFO);
    if (r == 0 && attrs[IFLA_LINKINFO])
        r = ng_attributes_in(attrs[IFLA_LINKINFO], info, IFLA_INFO_KIND);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attrs[IFLA_IFNAME]);
    const char *kind = ng_attribute_text(info[IFLA_INFO_KIND]);
    const uint32_t master = ng_attribute_u32(attrs[IFLA_MASTER], 0);
    const bool bridge = kind && strcmp(kind, "bridge") == 0;
    if (!bridge && !master) /* which container's interface it is says its listing */
        return 0;
    uint64_t link = hash(start, &body->ifi_index, sizeof(body->ifi_index));
    link = hash(link, &master, sizeof(master));
    *digest += hash(link, name ? name : "", name ? strlen(name) : 0);
    return 0;
}

static int dump_links(void *context, struct ng_error *error) {
    _cleanup_(ng_netlink_closep) struct ng_netlink *netlink = NULL;
    uint64_t *links = context;
    union {
        struct nlmsghdr message;
        uint8_t room[128];
    } request;
    *links = 0;
    int r = ng_netlink_open(NETLINK_ROUTE, SOURCE, &netlink, error);
    if (r < 0)
        return r;
    mnl_nlmsg_put_header(&request);
    request.message.nlmsg_type = RTM_GETLINK;
    mnl_nlmsg_put_extra_header(&request.message, sizeof(struct ifinfomsg));
    mnl_attr_put_u32(&request.message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    return ng_netlink_dump(netlink, &request.message, "links", add_link, links, error);
}

int ng_unannounced_digest(const struct ng_guard *guard, uint16_t client_lo, uint16_t client_hi,
                          uint64_t *ret_digest, struct ng_error *error) {
    uint64_t sockets = 0, links = 0;
    int r = add_sockets(guard, client_lo, client_hi, &sockets, error);
    if (r == 0)
        r = ng_netlink_settle(dump_links, &links, SOURCE, "links", error);
    if (r < 0)
        return r;
    *ret_digest = hash(sockets, &links, sizeof(links));
    return 0;
}
