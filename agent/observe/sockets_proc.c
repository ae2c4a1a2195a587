/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/sockets_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SOURCE "sockets"

/* Each 32-bit word of the address as the machine reads it, in hex. */
static bool parse_addr(const char *hex, struct ng_addr *ret_addr) {
    size_t n_words = strlen(hex) / 8;
    uint32_t words[4];

    if (strlen(hex) != 8 && strlen(hex) != 32)
        return false;
    for (size_t i = 0; i < n_words; i++) {
        char word[9] = {0};

        memcpy(word, hex + i * 8, 8);
        words[i] = (uint32_t)strtoul(word, NULL, 16);
    }
    *ret_addr = ng_addr_from_wire(words, n_words * 4);
    return true;
}

int ng_sockets_proc_decode(struct ng_sockets *sockets, uint8_t proto, const char *line) {
    struct ng_socket socket = {.unsure = true};
    unsigned port, peer_port, state;
    unsigned long inode;
    char addr[33];

    /* sl local rem st tx:rx tr:when retrnsmt uid timeout inode */
    if (sscanf(line, " %*u: %32[0-9A-F]:%4x %*32[0-9A-F]:%4x %2x %*x:%*x %*x:%*x %*x %*u %*u %lu",
               addr, &port, &peer_port, &state, &inode) != 5 ||
        !parse_addr(addr, &socket.listener.addr))
        return 0;
    if (state != (proto == NG_UDP ? TCP_CLOSE : TCP_LISTEN) || port == 0 || peer_port != 0)
        return 0;
    socket.inode = inode;
    socket.listener.port = (uint16_t)port;
    socket.listener.proto = proto;
    return ng_sockets_add(sockets, socket);
}

int ng_sockets_proc_decode_sctp(struct ng_sockets *sockets, const char *line) {
    struct ng_socket socket = {.unsure = true, .listener = {.proto = NG_SCTP}};
    unsigned state, port;
    unsigned long inode;
    int at = 0, len, r = 0;
    char addr[64];

    /* ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS… */
    if (sscanf(line, " %*s %*s %*d %u %*d %u %*u %lu%n", &state, &port, &inode, &at) != 3 ||
        state != TCP_LISTEN || port == 0 || port > UINT16_MAX)
        return 0;
    socket.inode = inode;
    socket.listener.port = (uint16_t)port;
    while (r == 0 && sscanf(line + at, " %63s%n", addr, &len) == 1) {
        at += len;
        if (ng_addr_parse(addr, &socket.listener.addr) == 0)
            r = ng_sockets_add(sockets, socket);
    }
    return r;
}

static int read_file(struct ng_sockets *sockets, uint8_t proto, int process_fd, const char *path,
                     struct ng_error *error) {
    int fd = openat(process_fd, path, O_RDONLY | O_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    char *line = NULL;
    size_t capacity = 0;
    int r = 0;

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (!file) {
        r = -errno;
        if (fd >= 0)
            close(fd);
        return ng_error_set(error, r, SOURCE, "cannot read /proc/%s: %s", path, strerror(-r));
    }
    while (r == 0 && getline(&line, &capacity, file) > 0)
        r = proto == NG_SCTP ? ng_sockets_proc_decode_sctp(sockets, line)
                             : ng_sockets_proc_decode(sockets, proto, line);
    if (r == 0 && ferror(file))
        r = -EIO;
    free(line);
    fclose(file);
    return r < 0 ? ng_error_set(error, r, SOURCE, "cannot read /proc/%s: %s", path, strerror(-r))
                 : 0;
}

int ng_sockets_proc_read(struct ng_sockets *sockets, uint8_t proto, int process_fd,
                         struct ng_error *error) {
    int r;

    if (proto == NG_SCTP)
        return read_file(sockets, proto, process_fd, "net/sctp/eps", error);
    r = read_file(sockets, proto, process_fd, proto == NG_TCP ? "net/tcp" : "net/udp", error);
    if (r < 0)
        return r;
    return read_file(sockets, proto, process_fd, proto == NG_TCP ? "net/tcp6" : "net/udp6", error);
}

/* A copy of another process's descriptor, if it is still the socket that it was. */
static int borrow(const struct ng_holder *holder) {
    int process = (int)syscall(SYS_pidfd_open, (pid_t)holder->pid, 0);
    struct stat status;
    int fd;

    if (process < 0)
        return -errno;
    fd = (int)syscall(SYS_pidfd_getfd, process, holder->fd, 0);
    close(process);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0 || !S_ISSOCK(status.st_mode) || status.st_ino != holder->inode) {
        close(fd);
        return -ESTALE;
    }
    return fd;
}

static void settle(struct ng_socket *socket, const struct ng_holder *holder) {
    struct ng_listener *listener = &socket->listener;
    char device[IFNAMSIZ] = "";
    socklen_t device_len = sizeof(device);
    int v6only = 0;
    socklen_t v6only_len = sizeof(v6only);
    int fd = borrow(holder);

    if (fd < 0)
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &device_len) == 0 &&
        (listener->addr.family == NG_IP4 ||
         getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &v6only_len) == 0)) {
        listener->link = device_len > 0 ? if_nametoindex(device) : 0;
        listener->v6only = v6only != 0;
        socket->unsure = false;
    }
    close(fd);
}

void ng_sockets_proc_settle(struct ng_sockets *sockets, const struct ng_holder *holders,
                            size_t n_holders) {
    for (size_t i = 0; i < sockets->count; i++) {
        struct ng_socket *socket = &sockets->items[i];
        const struct ng_holder *holder;

        if (!socket->unsure)
            continue;
        holder = ng_holders_get(holders, n_holders, socket->inode);
        if (holder && holder->pid != 0)
            settle(socket, holder);
    }
}
