/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/link_events.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "agent/observe/attributes.h"
#include "agent/observe/links.h"
#include "agent/observe/netlink.h"
#include "agent/observe/routes.h"

#define SOURCE "links"

enum {
    BUFFER_BYTES = 64 << 10,
    ROOM_BYTES = 1 << 20, /* a dozen messages for each container that starts */
    DATAGRAMS = 256,      /* in one turn: others have theirs */
    PLACES = 512,
};

/* What was last said of a thing. Two that share a place drive each other out, and are told of once
 * more than they need be. */
struct place {
    uint64_t thing, said;
};

struct ng_link_events {
    struct ng_link_listener listener;
    struct mnl_socket *socket;
    sd_event_source *source;
    struct place places[PLACES];
    uint8_t buffer[BUFFER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* -- what is new ----------------------------------------------------------------------- */

static uint64_t hash_attribute(uint64_t so_far, const struct nlattr *attr) {
    return attr ? ng_hash(so_far, attr, attr->nla_len) : ng_hash(so_far, "", 1);
}

static void forget(struct ng_link_events *events) {
    memset(events->places, 0, sizeof(events->places));
}

static bool is_news(struct ng_link_events *events, uint64_t thing, uint64_t said) {
    struct place *place = &events->places[thing % PLACES];
    if (place->thing == thing && place->said == said)
        return false;
    *place = (struct place){thing, said};
    return true;
}

static bool link_is_news(struct ng_link_events *events, const struct nlmsghdr *message) {
    /* What all links have in common is not known here, and told of by NETCONF. */
    static const struct ng_links_all all = {.bridge_netfilter = true};
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_link link;
    if (!arena || ng_links_decode_link(arena, message, &all, &link) != 0)
        return true;
    uint64_t said = ng_hash(NG_HASH_START, link.name, strlen(link.name) + 1);
    said = ng_hash(said, link.kind, strlen(link.kind));
    link.name = link.kind = NULL;
    const uint32_t thing[] = {RTM_NEWLINK, link.index};
    return is_news(events, ng_hash(NG_HASH_START, thing, sizeof(thing)),
                   ng_hash(said, &link, sizeof(link)));
}

static bool address_is_news(struct ng_link_events *events, const struct nlmsghdr *message) {
    const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[IFA_LOCAL + 1];
    struct ng_ifaddr ifaddr;
    if (ng_attributes_of(message, sizeof(*header), attrs, IFA_LOCAL) < 0)
        return true;
    const uint32_t parts[] = {RTM_NEWADDR, header->ifa_family, header->ifa_prefixlen,
                              header->ifa_index};
    uint64_t thing = ng_hash(NG_HASH_START, parts, sizeof(parts));
    thing = hash_attribute(thing, attrs[IFA_LOCAL]);
    thing = hash_attribute(thing, attrs[IFA_ADDRESS]);
    /* In use, or not yet. */
    return is_news(events, thing, (uint64_t)ng_links_decode_address(message, &ifaddr));
}

static bool route_is_news(struct ng_link_events *events, const struct nlmsghdr *message) {
    const struct rtmsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[RTA_TABLE + 1];
    struct ng_route route;
    uint32_t nexthop;
    if (ng_attributes_of(message, sizeof(*header), attrs, RTA_TABLE) < 0)
        return true;
    const uint32_t parts[] = {RTM_NEWROUTE, header->rtm_family, header->rtm_dst_len,
                              header->rtm_src_len, header->rtm_tos};
    uint64_t thing = ng_hash(NG_HASH_START, parts, sizeof(parts)), said = NG_HASH_START;
    thing = hash_attribute(thing, attrs[RTA_TABLE]);
    thing = hash_attribute(thing, attrs[RTA_DST]);
    thing = hash_attribute(thing, attrs[RTA_SRC]);
    thing = hash_attribute(thing, attrs[RTA_PRIORITY]);
    for (size_t hop = 0; ng_routes_decode_route(message, hop, &route, &nexthop) == 0; hop++) {
        const uint32_t way[] = {route.type, route.scope, route.has_gateway, route.oif, nexthop};
        said = ng_hash(said, way, sizeof(way));
    }
    return is_news(events, thing, said);
}

/* A bridge's own view of its ports, of which the link itself has told, and routes out of a cache.
 */
static bool is_of_no_interest(const struct nlmsghdr *message) {
    const size_t len = mnl_nlmsg_get_payload_len(message);
    const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
    const struct rtmsg *route = mnl_nlmsg_get_payload(message);
    switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        return len >= sizeof(*link) && link->ifi_family == AF_BRIDGE;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        return len >= sizeof(*route) && route->rtm_flags & RTM_F_CLONED;
    default:
        return false;
    }
}

/* Whatever goes is rarer than what comes again, so that all may be forgotten with it: what is made
 * anew is news. */
static bool message_is_news(struct ng_link_events *events, const struct nlmsghdr *message) {
    switch (message->nlmsg_type) {
    case RTM_NEWLINK:
        return link_is_news(events, message);
    case RTM_NEWADDR:
        return address_is_news(events, message);
    case RTM_NEWROUTE:
        return route_is_news(events, message);
    case RTM_DELLINK:
    case RTM_DELADDR:
    case RTM_DELROUTE:
        forget(events);
        return true;
    default:
        return true;
    }
}

/* -- the socket ------------------------------------------------------------------------ */

struct batch {
    struct ng_link_events *events;
    bool changed;
};

static int take(const struct nlmsghdr *message, void *context) {
    struct batch *batch = context;
    if (!is_of_no_interest(message) && message_is_news(batch->events, message))
        batch->changed = true;
    return MNL_CB_OK;
}

/* -errno of recvmsg(2); 0: there is no more. */
static int read_some(struct batch *batch) {
    struct ng_link_events *events = batch->events;
    for (unsigned i = 0; i < DATAGRAMS; i++) {
        ssize_t n = mnl_socket_recvfrom(events->socket, events->buffer, sizeof(events->buffer));
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        (void)mnl_cb_run(events->buffer, (size_t)n, 0, 0, take, batch);
    }
    return 0;
}

static int on_ready(sd_event_source *source, int fd, uint32_t ready, void *context) {
    struct ng_link_events *events = context;
    struct batch batch = {.events = events};
    (void)source, (void)fd, (void)ready;
    bool overrun = read_some(&batch) < 0;
    if (overrun)
        forget(events);
    if (overrun || batch.changed)
        events->listener.changed(overrun, events->listener.context);
    return 0;
}

static const struct ng_netlink_group groups[] = {
    {RTNLGRP_LINK, false},       {RTNLGRP_IPV4_IFADDR, false}, {RTNLGRP_IPV6_IFADDR, false},
    {RTNLGRP_IPV4_ROUTE, false}, {RTNLGRP_IPV6_ROUTE, false},  {RTNLGRP_IPV4_RULE, false},
    {RTNLGRP_IPV6_RULE, false},  {RTNLGRP_IPV4_NETCONF, true}, {RTNLGRP_IPV6_NETCONF, true},
    {RTNLGRP_NEXTHOP, true},
};

int ng_link_events_new(sd_event *loop, const struct ng_link_listener *listener,
                       struct ng_link_events **ret_events, struct ng_error *error) {
    _cleanup_(ng_link_events_freep) struct ng_link_events *events = calloc(1, sizeof(*events));
    if (!events)
        return ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    events->listener = *listener;
    events->socket = ng_netlink_listen(NETLINK_ROUTE, groups, ARRAY_SIZE(groups), ROOM_BYTES);
    int r = events->socket ? 0 : -errno;
    if (r == 0)
        r = sd_event_add_io(loop, &events->source, mnl_socket_get_fd(events->socket), EPOLLIN,
                            on_ready, events);
    if (r < 0)
        return ng_error_set(error, r, SOURCE, "cannot follow links, addresses and routes: %s",
                            strerror(-r));
    *ret_events = TAKE_PTR(events);
    return 0;
}

void ng_link_events_free(struct ng_link_events *events) {
    if (!events)
        return;
    sd_event_source_disable_unref(events->source);
    if (events->socket)
        mnl_socket_close(events->socket);
    free(events);
}

void ng_link_events_freep(struct ng_link_events **events) {
    ng_link_events_free(*events);
    *events = NULL;
}
