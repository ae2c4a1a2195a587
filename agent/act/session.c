/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/session.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
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
 * found through sudo as well, which clears the environment. A terminal multiplexer's parent is
 * gone: then there is what sshd has told in SSH_CONNECTION, which is from when the multiplexer
 * began, and on its terminal it may be any login by ssh that looks at it now. */

enum {
    ANCESTORS_MAX = 64,
};

struct search {
    struct ng_arena *arena;
    struct ng_session *sessions;
    size_t count, capacity;
    bool supposed; /* what is found now is */
    int error;     /* 0 or -ENOMEM */
};

static bool is_same(const struct ng_session *a, const struct ng_session *b) {
    return ng_addr_equal(a->peer, b->peer) && ng_addr_equal(a->local, b->local) &&
           a->peer_port == b->peer_port && a->local_port == b->local_port;
}

static void add(struct search *search, const struct ng_session *session) {
    for (size_t i = 0; i < search->count; i++)
        if (is_same(&search->sessions[i], session))
            return;
    struct ng_session *own =
        NG_ARENA_APPEND(search->arena, search->sessions, search->count, search->capacity);
    if (!own) {
        search->error = -ENOMEM;
        return;
    }
    *own = *session;
    own->supposed = search->supposed;
}

/* -- processes ------------------------------------------------------------------------ */

/* Fields 4 and 7 of /proc/PID/stat; the name before them may hold anything but ends with the last
 * bracket. */
static bool read_stat(pid_t pid, int *ret_parent, int *ret_terminal) {
    char path[32], text[512];
    const char *after;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    return ng_proc_read(AT_FDCWD, path, text, sizeof(text)) > 0 && (after = strrchr(text, ')')) &&
           sscanf(after + 1, " %*c %d %*d %*d %d", ret_parent, ret_terminal) == 2;
}

/* Of a terminal that a program plays: UNIX98_PTY_SLAVE_MAJOR of linux/major.h and those after it.
 */
static bool on_pseudo_terminal(void) {
    int parent, terminal;

    return read_stat(getpid(), &parent, &terminal) && (terminal >> 8 & 0xfff) >= 136 &&
           (terminal >> 8 & 0xfff) <= 143;
}

/* The daemon or what it starts for each login: sshd, sshd-session, dropbear; not in a container. */
static bool is_of_ssh(pid_t pid) {
    char path[32], name[32];
    struct stat here, there;

    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    if (ng_proc_read(AT_FDCWD, path, name, sizeof(name)) <= 0 ||
        (strncmp(name, "sshd", 4) != 0 && strncmp(name, "dropbear", 8) != 0))
        return false;
    snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
    return stat("/proc/self/ns/net", &here) == 0 && stat(path, &there) == 0 &&
           here.st_ino == there.st_ino;
}

/* -- connections ---------------------------------------------------------------------- */

/* `ret_link`: of an address that belongs to one link, else untouched. */
static bool read_end(int (*ask)(int, struct sockaddr *, socklen_t *), int fd,
                     struct ng_addr *ret_addr, uint16_t *ret_port, uint32_t *ret_link) {
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
    if (end.in6.sin6_scope_id)
        *ret_link = end.in6.sin6_scope_id;
    if (IN6_IS_ADDR_V4MAPPED(&end.in6.sin6_addr))
        *ret_addr = (struct ng_addr){.family = NG_IP4, .value = (uint32_t)ret_addr->value};
    return true;
}

/* A TCP connection with a peer that is not this machine itself. */
static void take_socket(struct search *search, int fd) {
    struct ng_session session = {0};
    int type = 0;
    socklen_t len = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &type, &len) == 0 && type == IPPROTO_TCP &&
        read_end(getpeername, fd, &session.peer, &session.peer_port, &session.link) &&
        read_end(getsockname, fd, &session.local, &session.local_port, &session.link) &&
        !ng_addr_equal(session.peer, session.local))
        add(search, &session);
}

/* Among the files of one process, which are borrowed one by one. */
static void look_into(struct search *search, pid_t pid) {
    char path[32];
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    DIR *files;
    const struct dirent *file;

    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    files = opendir(path);
    while (files && process >= 0 && (file = readdir(files))) {
        char target[32];
        ssize_t n = readlinkat(dirfd(files), file->d_name, target, sizeof(target));
        int fd;

        if (n < 7 || memcmp(target, "socket:", 7) != 0)
            continue;
        fd = (int)syscall(SYS_pidfd_getfd, process, atoi(file->d_name), 0);
        if (fd < 0)
            continue;
        take_socket(search, fd);
        close(fd);
    }
    if (files)
        closedir(files);
    if (process >= 0)
        close(process);
}

static void look_into_ancestors(struct search *search) {
    int pid = getpid(), parent, terminal;

    for (int i = 0; pid > 1 && i < ANCESTORS_MAX; i++, pid = parent) {
        look_into(search, pid);
        if (!read_stat(pid, &parent, &terminal))
            return;
    }
}

static void look_into_ssh(struct search *search) {
    DIR *processes = opendir("/proc");
    const struct dirent *process;

    while (processes && (process = readdir(processes))) {
        pid_t pid = atoi(process->d_name);

        if (pid > 1 && is_of_ssh(pid))
            look_into(search, pid);
    }
    if (processes)
        closedir(processes);
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

static void put_addr(struct nlmsghdr *message, uint16_t type, struct ng_addr addr) {
    size_t len = ng_family_bits(addr.family) / 8;
    uint8_t wire[16];

    for (size_t i = 0; i < len; i++)
        wire[i] = (uint8_t)(addr.value >> 8 * (len - 1 - i));
    mnl_attr_put(message, type, len, wire);
}

/* By which answers go: rules of routing may tell them by our address. Where that is none of ours,
 * as a container's, it is asked without. */
static uint32_t link_to(struct ng_addr peer, const struct ng_addr *local) {
    _cleanup_(ng_netlink_closep) struct ng_netlink *netlink = NULL;
    uint8_t bits = (uint8_t)ng_family_bits(peer.family);
    uint32_t link = 0;
    union {
        struct nlmsghdr message;
        uint8_t room[128];
    } request;
    struct rtmsg *body;

    if (ng_netlink_open(NETLINK_ROUTE, "session", &netlink, NULL) < 0)
        return 0;
    mnl_nlmsg_put_header(&request);
    request.message.nlmsg_type = RTM_GETROUTE;
    body = mnl_nlmsg_put_extra_header(&request.message, sizeof(*body));
    body->rtm_family = peer.family == NG_IP6 ? AF_INET6 : AF_INET;
    body->rtm_dst_len = bits;
    put_addr(&request.message, RTA_DST, peer);
    if (local) {
        body->rtm_src_len = bits;
        put_addr(&request.message, RTA_SRC, *local);
    }
    return ng_netlink_get(netlink, &request.message, "route", take_route, &link, NULL) < 0 ? 0
                                                                                           : link;
}

static void find_link(struct ng_session *session) {
    if (!session->link)
        session->link = link_to(session->peer, &session->local);
    if (!session->link)
        session->link = link_to(session->peer, NULL);
}

/* -- all of it ------------------------------------------------------------------------ */

/* "fe80::1%eth0" */
static bool read_addr(char *text, struct ng_addr *ret_addr, uint32_t *ret_link) {
    char *zone = strchr(text, '%');

    if (zone) {
        *zone = '\0';
        *ret_link = if_nametoindex(zone + 1);
    }
    return ng_addr_parse(text, ret_addr) == 0;
}

/* "PEER PORT LOCAL PORT" */
static void look_into_environment(struct search *search) {
    const char *text = getenv("SSH_CONNECTION");
    struct ng_session session = {0};
    char peer[64], local[64];

    if (text &&
        sscanf(text, "%63s %" SCNu16 " %63s %" SCNu16, peer, &session.peer_port, local,
               &session.local_port) == 4 &&
        read_addr(peer, &session.peer, &session.link) &&
        read_addr(local, &session.local, &session.link))
        add(search, &session);
}

static int hand_over(struct search *search, struct ng_session **ret_sessions, size_t *ret_count) {
    for (size_t i = 0; i < search->count; i++)
        find_link(&search->sessions[i]);
    if (search->error < 0)
        return search->error;
    *ret_sessions = search->sessions;
    *ret_count = search->count;
    return 0;
}

int ng_sessions_by_ssh(struct ng_arena *arena, struct ng_session **ret_sessions,
                       size_t *ret_count) {
    struct search search = {.arena = arena, .supposed = true};

    look_into_ssh(&search);
    return hand_over(&search, ret_sessions, ret_count);
}

int ng_sessions_find(struct ng_arena *arena, struct ng_session **ret_sessions, size_t *ret_count) {
    struct search search = {.arena = arena};

    look_into_ancestors(&search);
    if (search.count == 0) {
        search.supposed = true;
        look_into_environment(&search);
        if (on_pseudo_terminal())
            look_into_ssh(&search);
    }
    return hand_over(&search, ret_sessions, ret_count);
}
