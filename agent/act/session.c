/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/session.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/observe/netlink.h"
#include "agent/observe/proc.h"

/* Whoever has logged in by ssh is a descendant of the process that holds the connection: so it is
 * found through sudo as well, which clears the environment. Under a terminal multiplexer, whose
 * parent is gone, what sshd has told it in SSH_CONNECTION is all there is. */

enum {
    ANCESTORS_MAX = 64,
};

/* Field 4 of /proc/PID/stat; the name before it may hold anything but ends with the last bracket.
 */
static pid_t parent_of(pid_t pid) {
    char path[32], text[512];
    const char *after;
    int parent;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    if (ng_proc_read(AT_FDCWD, path, text, sizeof(text)) < 0 || !(after = strrchr(text, ')')) ||
        sscanf(after + 1, " %*c %d", &parent) != 1)
        return 0;
    return parent;
}

static bool read_end(int (*ask)(int, struct sockaddr *, socklen_t *), int fd,
                     struct ng_addr *ret_addr, uint16_t *ret_port) {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } end;
    socklen_t len = sizeof(end);

    if (ask(fd, &end.any, &len) < 0)
        return false;
    if (end.any.sa_family == AF_INET) {
        *ret_addr = ng_addr_from_wire(&end.in.sin_addr, 4);
        *ret_port = ntohs(end.in.sin_port);
        return true;
    }
    if (end.any.sa_family != AF_INET6)
        return false;
    *ret_addr = ng_addr_from_wire(&end.in6.sin6_addr, 16);
    *ret_port = ntohs(end.in6.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&end.in6.sin6_addr))
        *ret_addr = (struct ng_addr){.family = NG_IP4, .value = (uint32_t)ret_addr->value};
    return true;
}

/* A TCP connection with a peer that is not this machine itself. */
static bool is_session(int fd, struct ng_session *ret_session) {
    struct ng_session session = {0};
    int type = 0;
    socklen_t len = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &type, &len) < 0 || type != IPPROTO_TCP ||
        !read_end(getpeername, fd, &session.peer, &session.peer_port) ||
        !read_end(getsockname, fd, &session.local, &session.local_port) ||
        ng_addr_equal(session.peer, session.local))
        return false;
    *ret_session = session;
    return true;
}

/* Among the files of one process, which are borrowed one by one. */
static bool find_in(pid_t pid, struct ng_session *ret_session) {
    char path[32];
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    DIR *files;
    const struct dirent *file;
    bool found = false;

    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    files = opendir(path);
    while (files && process >= 0 && !found && (file = readdir(files))) {
        char target[32];
        ssize_t n = readlinkat(dirfd(files), file->d_name, target, sizeof(target));
        int fd;

        if (n < 7 || memcmp(target, "socket:", 7) != 0)
            continue;
        fd = (int)syscall(SYS_pidfd_getfd, process, atoi(file->d_name), 0);
        if (fd < 0)
            continue;
        found = is_session(fd, ret_session);
        close(fd);
    }
    if (files)
        closedir(files);
    if (process >= 0)
        close(process);
    return found;
}

/* -- which interface ------------------------------------------------------------------ */

static int take_route(const struct nlmsghdr *message, void *context) {
    const struct nlattr *attrs[RTA_OIF + 1];
    uint32_t *link = context;
    int r;

    if (message->nlmsg_type != RTM_NEWROUTE)
        return 0;
    r = ng_attributes_of(message, sizeof(struct rtmsg), attrs, RTA_OIF);
    if (r == 0)
        *link = ng_attribute_u32(attrs[RTA_OIF], 0);
    return r;
}

static uint32_t link_to(struct ng_addr peer) {
    _cleanup_(ng_netlink_closep) struct ng_netlink *netlink = NULL;
    bool ip6 = peer.family == NG_IP6;
    uint8_t wire[16];
    uint32_t link = 0;
    union {
        struct nlmsghdr message;
        uint8_t room[128];
    } request;
    struct rtmsg *body;

    if (ng_netlink_open(NETLINK_ROUTE, "session", &netlink, NULL) < 0)
        return 0;
    for (unsigned i = 0; i < (ip6 ? 16 : 4); i++)
        wire[i] = (uint8_t)(peer.value >> 8 * ((ip6 ? 15 : 3) - i));
    mnl_nlmsg_put_header(&request);
    request.message.nlmsg_type = RTM_GETROUTE;
    body = mnl_nlmsg_put_extra_header(&request.message, sizeof(*body));
    body->rtm_family = ip6 ? AF_INET6 : AF_INET;
    body->rtm_dst_len = ip6 ? 128 : 32;
    mnl_attr_put(&request.message, RTA_DST, ip6 ? 16 : 4, wire);
    return ng_netlink_get(netlink, &request.message, "route", take_route, &link, NULL) < 0 ? 0
                                                                                           : link;
}

/* "PEER PORT LOCAL PORT" */
static bool read_environment(struct ng_session *ret_session) {
    const char *text = getenv("SSH_CONNECTION");
    struct ng_session session = {0};
    char peer[64], local[64];

    if (!text ||
        sscanf(text, "%63s %" SCNu16 " %63s %" SCNu16, peer, &session.peer_port, local,
               &session.local_port) != 4 ||
        ng_addr_parse(peer, &session.peer) < 0 || ng_addr_parse(local, &session.local) < 0)
        return false;
    *ret_session = session;
    return true;
}

bool ng_session_find(struct ng_session *ret_session) {
    struct ng_session session;
    pid_t pid = getpid();
    bool found = false;

    for (int i = 0; !found && pid > 1 && i < ANCESTORS_MAX; i++, pid = parent_of(pid))
        found = find_in(pid, &session);
    if (!found && !read_environment(&session))
        return false;
    session.link = link_to(session.peer);
    *ret_session = session;
    return true;
}
