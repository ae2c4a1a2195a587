/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "agent/observe/holders.h"
#include "agent/observe/netlink.h"
#include "agent/observe/proc.h"
#include "agent/observe/sockets_proc.h"

#define SOURCE "sockets"

int ng_sockets_add(struct ng_sockets *sockets, struct ng_socket socket) {
    struct ng_listener *listener = &socket.listener;
    struct ng_socket *place;

    /* ::ffff:0:0/96 */
    if (listener->addr.family == NG_IP6 && listener->addr.value >> 32 == 0xffff) {
        listener->addr =
            (struct ng_addr){.family = NG_IP4, .value = (uint32_t)listener->addr.value};
        listener->v6only = false;
    }
    place = NG_ARENA_APPEND(sockets->arena, sockets->items, sockets->count, sockets->capacity);
    if (!place)
        return -ENOMEM;
    *place = socket;
    return 0;
}

static struct ng_addr addr_of(const struct inet_diag_msg *body) {
    return ng_addr_from_wire(body->id.idiag_src, body->idiag_family == AF_INET ? 4 : 16);
}

/* An SCTP socket may be bound to several addresses: an array of struct sockaddr_storage. */
static int add_each_local(struct ng_sockets *sockets, struct ng_socket socket,
                          const struct nlattr *locals) {
    const uint8_t *at = mnl_attr_get_payload(locals);
    size_t count = mnl_attr_get_payload_len(locals) / sizeof(struct sockaddr_storage);
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        struct sockaddr_storage local;

        memcpy(&local, at + i * sizeof(local), sizeof(local));
        if (local.ss_family == AF_INET)
            socket.listener.addr = ng_addr_from_wire(&((struct sockaddr_in *)&local)->sin_addr, 4);
        else if (local.ss_family == AF_INET6)
            socket.listener.addr =
                ng_addr_from_wire(&((struct sockaddr_in6 *)&local)->sin6_addr, 16);
        else
            continue;
        r = ng_sockets_add(sockets, socket);
    }
    return r;
}

int ng_sockets_decode(struct ng_sockets *sockets, uint8_t proto, const struct nlmsghdr *message) {
    const struct inet_diag_msg *body = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[INET_DIAG_LOCALS + 1];
    struct ng_socket socket = {0};
    int r;

    if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY && message->nlmsg_type != TCPDIAG_GETSOCK)
        return 0;
    r = ng_attributes_of(message, sizeof(*body), attrs, INET_DIAG_LOCALS);
    if (r < 0)
        return r;
    if (body->idiag_family != AF_INET && body->idiag_family != AF_INET6)
        return 0;
    /* A UDP socket with a peer takes packets from that peer only. */
    if (body->idiag_state != (proto == NG_UDP ? TCP_CLOSE : TCP_LISTEN) ||
        body->id.idiag_sport == 0 || body->id.idiag_dport != 0)
        return 0;

    socket.inode = body->idiag_inode;
    socket.listener.addr = addr_of(body);
    socket.listener.port = ntohs(body->id.idiag_sport);
    socket.listener.proto = proto;
    socket.listener.v6only =
        body->idiag_family == AF_INET6 && ng_attribute_u8(attrs[INET_DIAG_SKV6ONLY], 0) != 0;
    socket.listener.link = body->id.idiag_if;
    if (proto == NG_SCTP && attrs[INET_DIAG_LOCALS])
        return add_each_local(sockets, socket, attrs[INET_DIAG_LOCALS]);
    return ng_sockets_add(sockets, socket);
}

/* -- asking -------------------------------------------------------------------------- */

struct reading {
    struct ng_sockets *sockets;
    struct ng_netlink *netlink; /* NULL: not open yet, or closed after a failure */
    uint8_t proto;
    size_t count_before; /* sockets there already, of other protocols */
};

static int take_socket(const struct nlmsghdr *message, void *context) {
    struct reading *reading = context;

    return ng_sockets_decode(reading->sockets, reading->proto, message);
}

union request {
    struct nlmsghdr message;
    uint8_t room[128];
};

static int dump_family(struct reading *reading, uint8_t family, struct ng_error *error) {
    union request request;
    struct inet_diag_req_v2 *body;

    mnl_nlmsg_put_header(&request);
    request.message.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    body = mnl_nlmsg_put_extra_header(&request.message, sizeof(*body));
    body->sdiag_family = family;
    body->sdiag_protocol = reading->proto;
    body->idiag_states = 1u << (reading->proto == NG_UDP ? TCP_CLOSE : TCP_LISTEN);
    return ng_netlink_dump(reading->netlink, &request.message, "sockets", take_socket, reading,
                           error);
}

/* Of both families at once, in the older way of asking, which is TCP's alone: each dump goes
 * through a table that all network namespaces share, and of those there may be hundreds. */
static int dump_tcp(struct reading *reading, struct ng_error *error) {
    union request request;
    struct inet_diag_req *body;

    mnl_nlmsg_put_header(&request);
    request.message.nlmsg_type = TCPDIAG_GETSOCK;
    body = mnl_nlmsg_put_extra_header(&request.message, sizeof(*body));
    body->idiag_states = 1u << TCP_LISTEN;
    return ng_netlink_dump(reading->netlink, &request.message, "sockets", take_socket, reading,
                           error);
}

static const struct {
    uint8_t number;
    const char *module; /* which answers for it in sock_diag */
} protos[NG_SOCKETS_PROTOS] = {
    {NG_TCP, "tcp_diag"},
    {NG_UDP, "udp_diag"},
    {NG_SCTP, "sctp_diag"},
};

struct ng_sockets_ways ng_sockets_ways(void) {
    struct ng_sockets_ways ways = {0};
    bool sctp = access("/proc/net/sctp/eps", F_OK) == 0;
    bool asked = !ng_proc_lacks_module("inet_diag");

    for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
        if (protos[i].number == NG_SCTP && !sctp)
            continue;
        ways.by_proto[i] =
            asked && !ng_proc_lacks_module(protos[i].module) ? NG_SOCKETS_DIAG : NG_SOCKETS_FILES;
    }
    return ways;
}

struct ng_sockets_ways ng_sockets_files(struct ng_sockets_ways ways) {
    for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
        if (ways.by_proto[i] == NG_SOCKETS_DIAG)
            ways.by_proto[i] = NG_SOCKETS_FILES;
    return ways;
}

static int read_diag(void *context, struct ng_error *error) {
    static const uint8_t families[] = {AF_INET, AF_INET6};
    struct reading *reading = context;
    int r = 0;

    reading->sockets->count = reading->count_before;
    if (!reading->netlink)
        r = ng_netlink_open(NETLINK_SOCK_DIAG, SOURCE, &reading->netlink, error);
    if (r == 0 && reading->proto == NG_TCP)
        r = dump_tcp(reading, error);
    for (size_t i = 0; r == 0 && reading->proto != NG_TCP && i < ARRAY_SIZE(families); i++)
        r = dump_family(reading, families[i], error);
    if (r < 0) {
        ng_netlink_close(reading->netlink);
        reading->netlink = NULL;
    }
    return r;
}

static int read_proto(struct reading *reading, enum ng_sockets_way way, int process_fd,
                      struct ng_error *error) {
    struct ng_error refused = {0};
    int r;

    if (way == NG_SOCKETS_FILES)
        return ng_sockets_proc_read(reading->sockets, reading->proto, process_fd, error);
    reading->count_before = reading->sockets->count;
    r = ng_netlink_settle(read_diag, reading, SOURCE, "sockets", &refused);
    if (r == -ENOENT || r == -EPROTONOSUPPORT || r == -EOPNOTSUPP || r == -EINVAL) {
        reading->sockets->count = reading->count_before;
        return ng_sockets_proc_read(reading->sockets, reading->proto, process_fd, error);
    }
    return r < 0 ? ng_error_set(error, r, SOURCE, "%s", refused.message) : 0;
}

int ng_sockets_collect(struct ng_sockets *sockets, const struct ng_sockets_ways *ways,
                       int process_fd, struct ng_error *error) {
    struct reading reading = {.sockets = sockets};
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(protos); i++) {
        reading.proto = protos[i].number;
        if (ways->by_proto[i] != NG_SOCKETS_ABSENT)
            r = read_proto(&reading, ways->by_proto[i], process_fd, error);
    }
    ng_netlink_close(reading.netlink);
    return r;
}

int ng_sockets_collect_own(struct ng_sockets *sockets, struct ng_error *error) {
    const struct ng_sockets_ways ways = ng_sockets_ways();
    int process_fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int r;

    if (process_fd < 0) {
        r = -errno;
        return ng_error_set(error, r, SOURCE, "cannot open /proc/self: %s", strerror(-r));
    }
    r = ng_sockets_collect(sockets, &ways, process_fd, error);
    close(process_fd);
    return r;
}

/* -- who holds them ------------------------------------------------------------------ */

static int attribute(struct ng_sockets *sockets, const struct ng_processes *processes) {
    struct ng_holder *holders =
        ng_arena_alloc(sockets->arena, sockets->count, sizeof(struct ng_holder));
    int r;

    if (!holders)
        return -ENOMEM;
    for (size_t i = 0; i < sockets->count; i++)
        holders[i].inode = sockets->items[i].inode;
    r = ng_holders_find(sockets->arena, processes, holders, sockets->count, NG_HOLDER_USER);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sockets->count; i++) {
        struct ng_socket *socket = &sockets->items[i];
        const struct ng_holder *holder = ng_holders_get(holders, sockets->count, socket->inode);

        if (!holder || holder->pid == 0)
            continue;
        socket->listener.pid = holder->pid;
        socket->listener.process = holder->process;
        socket->listener.container_id = holder->container_id;
    }
    ng_sockets_proc_settle(sockets, holders, sockets->count);
    return 0;
}

int ng_sockets_read(struct ng_world *world, const struct ng_processes *processes,
                    size_t *ret_unsure, struct ng_error *error) {
    struct ng_sockets sockets = {.arena = world->arena};
    struct ng_listener *listeners;
    size_t unsure = 0;
    int r;

    r = ng_sockets_collect_own(&sockets, error);
    if (r < 0)
        return r;

    listeners = ng_arena_alloc(world->arena, sockets.count, sizeof(*listeners));
    r = listeners ? attribute(&sockets, processes) : -ENOMEM;
    if (r < 0)
        return ng_error_set(error, r, SOURCE, "out of memory");
    for (size_t i = 0; i < sockets.count; i++) {
        listeners[i] = sockets.items[i].listener;
        unsure += sockets.items[i].unsure;
    }
    world->listeners = listeners;
    world->n_listeners = sockets.count;
    world->listeners_read = true;
    *ret_unsure = unsure;
    return 0;
}
