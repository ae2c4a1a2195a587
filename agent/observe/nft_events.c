/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_events.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "agent/observe/attributes.h"

#define SOURCE "nftables"

enum {
    BUFFER_BYTES = 64 << 10,
    ROOM_BYTES = 4 << 20, /* an engine writes its rules a thousand at a time */
    DATAGRAMS = 256,      /* in one turn: others have theirs */
};

struct ng_nft_events {
    struct ng_nft_listener listener;
    struct mnl_socket *socket;
    sd_event_source *source;
    uint8_t buffer[BUFFER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* What others have changed, as far as it has been read. */
struct change {
    const struct ng_nft_listener *listener;
    bool any, watched;
};

static int take(const struct nlmsghdr *message, void *context) {
    struct change *change = context;
    const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[NFTA_TABLE_NAME + 1];
    if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
        NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_NEWGEN || /* after every transaction */
        (change->listener->portid && message->nlmsg_pid == change->listener->portid))
        return MNL_CB_OK;
    change->any = true;
    /* The table's name is the first attribute of whatever is in one. */
    if (mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
        ng_attributes_of(message, sizeof(*header), attrs, NFTA_TABLE_NAME) < 0)
        return MNL_CB_OK;
    const char *name = ng_attribute_text(attrs[NFTA_TABLE_NAME]);
    if (header->nfgen_family == change->listener->family && name &&
        strcmp(name, change->listener->table) == 0)
        change->watched = true;
    return MNL_CB_OK;
}

/* -errno of recvmsg(2); 0: there is no more. */
static int read_some(struct ng_nft_events *events, struct change *change) {
    for (unsigned i = 0; i < DATAGRAMS; i++) {
        ssize_t n = mnl_socket_recvfrom(events->socket, events->buffer, sizeof(events->buffer));
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        (void)mnl_cb_run(events->buffer, (size_t)n, 0, 0, take, change);
    }
    return 0;
}

static int on_ready(sd_event_source *source, int fd, uint32_t ready, void *context) {
    struct ng_nft_events *events = context;
    struct change change = {.listener = &events->listener};
    (void)source, (void)fd, (void)ready;
    /* Overrun, or longer than any message of the kernel's: something was missed. */
    if (read_some(events, &change) < 0)
        change.any = change.watched = true;
    if (change.any)
        events->listener.changed(change.watched, events->listener.context);
    return 0;
}

static int open_socket(struct ng_nft_events *events) {
    const int group = NFNLGRP_NFTABLES, room = ROOM_BYTES;
    events->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!events->socket || mnl_socket_bind(events->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
        mnl_socket_setsockopt(events->socket, NETLINK_ADD_MEMBERSHIP, (void *)&group,
                              sizeof(group)) < 0)
        return -errno;
    (void)setsockopt(mnl_socket_get_fd(events->socket), SOL_SOCKET, SO_RCVBUFFORCE, &room,
                     sizeof(room));
    return 0;
}

int ng_nft_events_new(sd_event *loop, const struct ng_nft_listener *listener,
                      struct ng_nft_events **ret_events, struct ng_error *error) {
    _cleanup_(ng_nft_events_freep) struct ng_nft_events *events = calloc(1, sizeof(*events));
    if (!events)
        return ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    events->listener = *listener;
    int r = open_socket(events);
    if (r == 0)
        r = sd_event_add_io(loop, &events->source, mnl_socket_get_fd(events->socket), EPOLLIN,
                            on_ready, events);
    if (r < 0)
        return ng_error_set(error, r, SOURCE, "cannot follow what others change: %s", strerror(-r));
    *ret_events = TAKE_PTR(events);
    return 0;
}

void ng_nft_events_free(struct ng_nft_events *events) {
    if (!events)
        return;
    sd_event_source_disable_unref(events->source);
    if (events->socket)
        mnl_socket_close(events->socket);
    free(events);
}

void ng_nft_events_freep(struct ng_nft_events **events) {
    ng_nft_events_free(*events);
    *events = NULL;
}
