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

#include "agent/observe/attributes.h"
#include "agent/observe/netlink.h"

#define SOURCE "nftables"

enum {
    BUFFER_BYTES = 64 << 10,
    RULES_BYTES = 16 << 10, /* more at a time are no few rules */
    ROOM_BYTES = 4 << 20,   /* an engine writes its rules a thousand at a time */
    DATAGRAMS = 256,        /* in one turn: others have theirs */
};

struct ng_nft_events {
    struct ng_nft_listener listener;
    struct mnl_socket *socket;
    sd_event_source *source;
    struct ng_nft_change change; /* as far as it has been read */
    bool begun;                  /* a transaction, whose end has not been read */
    uint8_t buffer[BUFFER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
    uint8_t rules[RULES_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
};

static void begin_change(struct ng_nft_events *events) {
    events->change = (struct ng_nft_change){.rules = events->rules};
}

/* Each transaction ends so. */
static void take_generation(struct ng_nft_events *events, const struct nlmsghdr *message) {
    struct ng_nft_change *change = &events->change;
    const struct nlattr *attrs[NFTA_GEN_MAX + 1];
    if (ng_attributes_of(message, sizeof(struct nfgenmsg), attrs, NFTA_GEN_MAX) < 0 ||
        !attrs[NFTA_GEN_ID]) {
        change->missed = true;
        return;
    }
    const char *program = ng_attribute_text(attrs[NFTA_GEN_PROC_NAME]);
    events->begun = false;
    change->generation = ng_attribute_be32(attrs[NFTA_GEN_ID], 0);
    change->n_transactions++;
    change->pid = ng_attribute_be32(attrs[NFTA_GEN_PROC_PID], 0);
    memset(change->program, 0, sizeof(change->program));
    for (size_t i = 0; program && program[i] && i < sizeof(change->program) - 1; i++)
        change->program[i] = program[i] >= ' ' && program[i] <= '~' ? program[i] : '?';
}

static void keep_rule(struct ng_nft_events *events, const struct nlmsghdr *message) {
    struct ng_nft_change *change = &events->change;
    const size_t type = NFNL_MSG_TYPE(message->nlmsg_type), len = MNL_ALIGN(message->nlmsg_len);
    if ((type != NFT_MSG_NEWRULE && type != NFT_MSG_DELRULE) ||
        len > sizeof(events->rules) - change->rules_bytes)
        change->rules = NULL;
    if (!change->rules)
        return;
    memcpy(events->rules + change->rules_bytes, message, message->nlmsg_len);
    change->rules_bytes += len;
}

static int take(const struct nlmsghdr *message, void *context) {
    struct ng_nft_events *events = context;
    const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[NFTA_TABLE_NAME + 1];
    const struct ng_nft_listener *listener = &events->listener;
    if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
        (listener->portid && message->nlmsg_pid == listener->portid))
        return MNL_CB_OK;
    if (NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_NEWGEN) {
        take_generation(events, message);
        return MNL_CB_OK;
    }
    events->begun = true;
    keep_rule(events, message);
    /* The table's name is the first attribute of whatever is in one. */
    if (mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
        ng_attributes_of(message, sizeof(*header), attrs, NFTA_TABLE_NAME) < 0)
        return MNL_CB_OK;
    const char *name = ng_attribute_text(attrs[NFTA_TABLE_NAME]);
    if (header->nfgen_family == listener->family && name && strcmp(name, listener->table) == 0)
        events->change.watched = true;
    return MNL_CB_OK;
}

/* -errno of recvmsg(2); 0: there is no more. */
static int read_some(struct ng_nft_events *events) {
    for (unsigned i = 0; i < DATAGRAMS; i++) {
        ssize_t n = mnl_socket_recvfrom(events->socket, events->buffer, sizeof(events->buffer));
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        (void)mnl_cb_run(events->buffer, (size_t)n, 0, 0, take, events);
    }
    return 0;
}

/* The end of a transaction is a datagram of its own, and right behind it. */
static int on_ready(sd_event_source *source, int fd, uint32_t ready, void *context) {
    struct ng_nft_events *events = context;
    struct ng_nft_change *change = &events->change;
    (void)source, (void)fd, (void)ready;
    /* Overrun, or longer than any message of the kernel's. */
    if (read_some(events) < 0)
        change->missed = true;
    if (change->missed) {
        change->watched = true;
        change->rules = NULL;
        change->pid = 0;
        change->program[0] = '\0';
        events->begun = false;
    }
    if (events->begun || (!change->missed && !change->n_transactions))
        return 0;
    events->listener.changed(change, events->listener.context);
    begin_change(events);
    return 0;
}

int ng_nft_events_new(sd_event *loop, const struct ng_nft_listener *listener,
                      struct ng_nft_events **ret_events, struct ng_error *error) {
    static const struct ng_netlink_group group = {NFNLGRP_NFTABLES, false};
    _cleanup_(ng_nft_events_freep) struct ng_nft_events *events = calloc(1, sizeof(*events));
    if (!events)
        return ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    events->listener = *listener;
    begin_change(events);
    events->socket = ng_netlink_listen(NETLINK_NETFILTER, &group, 1, ROOM_BYTES);
    int r = events->socket ? 0 : -errno;
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
