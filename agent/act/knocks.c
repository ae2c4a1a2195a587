/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/knocks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "agent/observe/attributes.h"
#include "agent/observe/netlink.h"
#include "agent/observe/proc.h"

#define SOURCE "knocks"

enum {
    BUFFER_BYTES = 64 << 10,
    ROOM_BYTES = 1 << 20,
    DATAGRAMS = 64,   /* in one turn: others have theirs */
    COPY_BYTES = 128, /* of each packet: its headers */
    FLUSH_CS = 20,    /* hundredths of a second that the kernel collects */
    ANSWER_TIMEOUT_MS = 1000,
    DIFFERENT = 256, /* told apart in one span: a scan is one, not thousands of lines */
};

struct ng_knocks {
    struct ng_knocks_listener listener;
    struct mnl_socket *socket;
    uint32_t seq;
    sd_event_source *source, *timer;
    struct ng_knock items[DIFFERENT];
    size_t count;
    uint8_t buffer[BUFFER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* -- a packet -------------------------------------------------------------------------- */

static uint16_t be16_at(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* Source and destination port stand in the first four bytes of TCP, UDP and SCTP alike. */
static void read_port(const uint8_t *header, size_t left, struct ng_knock *knock) {
    if ((knock->proto == NG_TCP || knock->proto == NG_UDP || knock->proto == NG_SCTP) && left >= 4)
        knock->port = be16_at(header + 2);
}

static int read_ip4(const uint8_t *packet, size_t len, struct ng_knock *knock) {
    size_t header_len = len ? (size_t)(packet[0] & 0xf) * 4 : 0;
    if (len < sizeof(struct iphdr) || header_len < sizeof(struct iphdr))
        return -EBADMSG;
    knock->source = ng_addr_from_wire(packet + offsetof(struct iphdr, saddr), 4);
    knock->destination = ng_addr_from_wire(packet + offsetof(struct iphdr, daddr), 4);
    knock->proto = packet[offsetof(struct iphdr, protocol)];
    if (header_len < len && (be16_at(packet + offsetof(struct iphdr, frag_off)) & IP_OFFMASK) == 0)
        read_port(packet + header_len, len - header_len, knock);
    return 0;
}

static bool is_extension(uint8_t next) {
    return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS;
}

static int read_ip6(const uint8_t *packet, size_t len, struct ng_knock *knock) {
    size_t at = sizeof(struct ip6_hdr);
    if (len < at)
        return -EBADMSG;
    uint8_t next = packet[offsetof(struct ip6_hdr, ip6_nxt)];
    knock->source = ng_addr_from_wire(packet + offsetof(struct ip6_hdr, ip6_src), 16);
    knock->destination = ng_addr_from_wire(packet + offsetof(struct ip6_hdr, ip6_dst), 16);
    while (is_extension(next) && len - at >= 8) { /* RFC 8200: next header, length in 8 bytes */
        size_t extension_len = ((size_t)packet[at + 1] + 1) * 8;
        next = packet[at];
        if (extension_len > len - at)
            break;
        at += extension_len;
    }
    knock->proto = next;
    read_port(packet + at, len - at, knock);
    return 0;
}

int ng_knock_decode(const struct nlmsghdr *message, struct ng_knock *ret_knock) {
    const struct nlattr *attrs[NFULA_PREFIX + 1];
    struct ng_knock knock = {.count = 1};
    if (message->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
        mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg) ||
        ng_attributes_of(message, sizeof(struct nfgenmsg), attrs, NFULA_PREFIX) < 0 ||
        !attrs[NFULA_PAYLOAD])
        return -EBADMSG;
    const char *prefix = ng_attribute_text(attrs[NFULA_PREFIX]);
    const uint8_t *packet = mnl_attr_get_payload(attrs[NFULA_PAYLOAD]);
    size_t len = mnl_attr_get_payload_len(attrs[NFULA_PAYLOAD]);
    if (!prefix || strlen(prefix) >= sizeof(knock.rule) || len == 0)
        return -EBADMSG;
    strcpy(knock.rule, prefix);
    int r = packet[0] >> 4 == 4   ? read_ip4(packet, len, &knock)
            : packet[0] >> 4 == 6 ? read_ip6(packet, len, &knock)
                                  : -EBADMSG;
    if (r == 0)
        *ret_knock = knock;
    return r;
}

static bool has_address(const struct ng_container *container, struct ng_addr addr) {
    for (size_t i = 0; i < container->n_endpoints; i++)
        if (ng_addr_equal(container->endpoints[i].addr4, addr) ||
            ng_addr_equal(container->endpoints[i].addr6, addr))
            return true;
    return false;
}

static bool is_at(const struct ng_exposure *exposure, const struct ng_knock *knock) {
    return exposure->host_port == knock->port && exposure->proto == knock->proto &&
           exposure->family == knock->destination.family &&
           (ng_addr_is_any(exposure->host_addr) ||
            ng_addr_equal(exposure->host_addr, knock->destination));
}

const char *ng_knock_container(const struct ng_knock *knock, const struct ng_result *result) {
    for (size_t i = 0; i < result->n_exposures; i++) {
        const struct ng_exposure *exposure = &result->exposures[i];
        if (exposure->container &&
            (is_at(exposure, knock) || has_address(exposure->container, knock->destination)))
            return exposure->container->name;
    }
    return NULL;
}

/* -- summing up ------------------------------------------------------------------------ */

static bool is_same(const struct ng_knock *a, const struct ng_knock *b) {
    return strcmp(a->rule, b->rule) == 0 && ng_addr_equal(a->source, b->source) &&
           ng_addr_equal(a->destination, b->destination) && a->proto == b->proto &&
           a->port == b->port;
}

static void add(struct ng_knocks *knocks, const struct ng_knock *knock) {
    for (size_t i = 0; i < knocks->count; i++)
        if (is_same(&knocks->items[i], knock)) {
            knocks->items[i].count++;
            return;
        }
    if (knocks->count == DIFFERENT) /* which the rules' counters tell of all the same */
        return;
    if (knocks->count == 0) {
        (void)sd_event_source_set_time_relative(knocks->timer,
                                                (uint64_t)NG_KNOCKS_SPAN_S * 1000000);
        (void)sd_event_source_set_enabled(knocks->timer, SD_EVENT_ONESHOT);
    }
    knocks->items[knocks->count++] = *knock;
}

static int on_timer(sd_event_source *source, uint64_t time_us, void *context) {
    struct ng_knocks *knocks = context;
    (void)source, (void)time_us;
    for (size_t i = 0; i < knocks->count; i++)
        knocks->listener.knocked(&knocks->items[i], knocks->listener.context);
    knocks->count = 0;
    return 0;
}

static int take(const struct nlmsghdr *message, void *context) {
    struct ng_knock knock;
    if (ng_knock_decode(message, &knock) == 0)
        add(context, &knock);
    return MNL_CB_OK;
}

/* What was lost in an overrun is counted by the rules. */
static int on_ready(sd_event_source *source, int fd, uint32_t ready, void *context) {
    struct ng_knocks *knocks = context;
    (void)source, (void)fd, (void)ready;
    for (unsigned i = 0; i < DATAGRAMS; i++) {
        ssize_t n = mnl_socket_recvfrom(knocks->socket, knocks->buffer, sizeof(knocks->buffer));
        if (n < 0)
            break;
        (void)mnl_cb_run(knocks->buffer, (size_t)n, 0, 0, take, knocks);
    }
    knocks->listener.came(knocks->listener.context);
    return 0;
}

/* -- the socket ------------------------------------------------------------------------ */

static int await_answer(struct ng_knocks *knocks) {
    struct pollfd wait = {.fd = mnl_socket_get_fd(knocks->socket), .events = POLLIN};
    int r = poll(&wait, 1, ANSWER_TIMEOUT_MS);
    if (r <= 0)
        return r < 0 ? -errno : -ETIMEDOUT;
    ssize_t n = mnl_socket_recvfrom(knocks->socket, knocks->buffer, sizeof(knocks->buffer));
    if (n < 0 || mnl_cb_run(knocks->buffer, (size_t)n, knocks->seq,
                            mnl_socket_get_portid(knocks->socket), NULL, NULL) < 0)
        return -errno;
    return 0;
}

/* In one message all that the kernel shall do: bind, how much of a packet, how long to collect. */
static int bind_group(struct ng_knocks *knocks) {
    const struct nfulnl_msg_config_cmd bind = {.command = NFULNL_CFG_CMD_BIND};
    const struct nfulnl_msg_config_mode mode = {.copy_range = htonl(COPY_BYTES),
                                                .copy_mode = NFULNL_COPY_PACKET};
    struct nlmsghdr *message = mnl_nlmsg_put_header(knocks->buffer);
    message->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    message->nlmsg_seq = ++knocks->seq;
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->nfgen_family = AF_UNSPEC;
    header->version = NFNETLINK_V0;
    header->res_id = htons(NG_GUARD_LOG_GROUP);
    mnl_attr_put(message, NFULA_CFG_CMD, sizeof(bind), &bind);
    mnl_attr_put(message, NFULA_CFG_MODE, sizeof(mode), &mode);
    mnl_attr_put_u32(message, NFULA_CFG_TIMEOUT, htonl(FLUSH_CS));
    if (mnl_socket_sendto(knocks->socket, message, message->nlmsg_len) < 0)
        return -errno;
    return await_answer(knocks);
}

static int open_socket(struct ng_knocks *knocks) {
    knocks->socket = ng_netlink_listen(NETLINK_NETFILTER, NULL, 0, ROOM_BYTES);
    return knocks->socket ? bind_group(knocks) : -errno;
}

/* Who listens to our group; 0: nobody. Lines of: group, netlink port id, … */
static unsigned other_listener(void) {
    char text[4096];
    if (ng_proc_read(AT_FDCWD, "/proc/self/net/netfilter/nfnetlink_log", text, sizeof(text)) <= 0)
        return 0;
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        unsigned group, portid;
        if (sscanf(line, "%u %u", &group, &portid) == 2 && group == NG_GUARD_LOG_GROUP)
            return portid;
    }
    return 0;
}

static int refused(int code, struct ng_error *error) {
    unsigned portid = code == -EPERM || code == -EBUSY ? other_listener() : 0;
    if (portid)
        return ng_error_set(error, -EBUSY, SOURCE,
                            "cannot listen to NFLOG group %d: process %u listens to it",
                            NG_GUARD_LOG_GROUP, portid);
    return ng_error_set(error, code, SOURCE, "cannot listen to NFLOG group %d: %s",
                        NG_GUARD_LOG_GROUP, strerror(-code));
}

int ng_knocks_new(sd_event *loop, const struct ng_knocks_listener *listener,
                  struct ng_knocks **ret_knocks, struct ng_error *error) {
    _cleanup_(ng_knocks_freep) struct ng_knocks *knocks = calloc(1, sizeof(*knocks));
    if (!knocks)
        return ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    knocks->listener = *listener;
    int r = open_socket(knocks);
    if (r == 0)
        r = sd_event_add_io(loop, &knocks->source, mnl_socket_get_fd(knocks->socket), EPOLLIN,
                            on_ready, knocks);
    if (r >= 0)
        r = sd_event_add_time_relative(loop, &knocks->timer, CLOCK_MONOTONIC, 0, 0, on_timer,
                                       knocks);
    if (r >= 0)
        r = sd_event_source_set_enabled(knocks->timer, SD_EVENT_OFF);
    if (r < 0)
        return refused(r, error);
    *ret_knocks = TAKE_PTR(knocks);
    return 0;
}

void ng_knocks_free(struct ng_knocks *knocks) {
    if (!knocks)
        return;
    sd_event_source_disable_unref(knocks->source);
    sd_event_source_disable_unref(knocks->timer);
    if (knocks->socket)
        mnl_socket_close(knocks->socket);
    free(knocks);
}

void ng_knocks_freep(struct ng_knocks **knocks) {
    ng_knocks_free(*knocks);
}
