/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/alert_syslog.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/act/lookup.h"
#include "agent/act/syslog_text.h"

#define LOCAL_PATH "/dev/log"

enum {
    ROOM = 256,
    UDP_BYTES = 2048,  /* what receivers should take (RFC 5426, 3.2) */
    LONG_BYTES = 8000, /* rsyslog takes 8096 as it is set up */
    FIRST_DELAY_MS = 100,
    LONGEST_DELAY_MS = 30000,
    CONNECT_MS = 5000, /* to one address */
    ACCURACY_US = 1000,
    LOOK_UP_AGAIN_US = 5 * 60 * 1000000,
    HOST_BYTES = 256,
    /* Seconds. A receiver that vanished is noticed in half a minute while something is on its way,
     * else in a minute and a half. */
    KEEPALIVE_IDLE_S = 60,
    KEEPALIVE_INTERVAL_S = 10,
    KEEPALIVE_COUNT = 3,
    UNANSWERED_MS = 30000,
};

enum way {
    LOCAL,
    UDP,
    TCP,
};

enum state {
    IDLE, /* and nothing waits */
    LOOKING_UP,
    CONNECTING,
    CONNECTED,
    WAITING, /* for the next attempt */
};

struct message {
    char *bytes;
    size_t len;
    uint64_t end; /* once it is written: of all bytes of this connection */
};

struct ng_syslog {
    sd_event *loop;
    const char *address;
    enum way way;
    char host[HOST_BYTES], port[8];
    uint8_t facility;

    /* A ring: first those that are written and wait for the receiver's kernel to have them, then
     * those that are still to be written. */
    struct message queue[ROOM];
    size_t first, count, n_written;
    size_t offset;        /* of the first that is not written whole */
    uint64_t bytes_taken; /* by the socket */
    uint64_t lost;

    enum state state;
    int fd;
    bool stream;         /* of this machine's: each message ends with a NUL, as syslog(3) has it */
    sd_event_source *io; /* of the socket, or of the lookup */
    sd_event_source *timer;
    struct ng_lookup *lookup;
    struct addrinfo *addresses, *next;
    bool named;            /* they were looked up, */
    uint64_t looked_up_us; /* then: CLOCK_MONOTONIC */
    unsigned delay_ms;
    char why[256]; /* it does not get out; "": it does */
    char fault[HOST_BYTES + 512];
};

static int on_socket(sd_event_source *source, int fd, uint32_t ready, void *context);

/* A source of the loop's that is there can always be set. */
static void set_timer(struct ng_syslog *syslog, unsigned within_ms) {
    (void)sd_event_source_set_time_relative(syslog->timer, (uint64_t)within_ms * 1000);
    (void)sd_event_source_set_enabled(syslog->timer, SD_EVENT_ONESHOT);
}

static void stop_timer(struct ng_syslog *syslog) {
    (void)sd_event_source_set_enabled(syslog->timer, SD_EVENT_OFF);
}

static uint64_t now_us(const struct ng_syslog *syslog) {
    uint64_t now = 0;
    (void)sd_event_now(syslog->loop, CLOCK_MONOTONIC, &now);
    return now;
}

/* -- the queue ----------------------------------------------------------------------------- */

static struct message *message_at(struct ng_syslog *syslog, size_t i) {
    return &syslog->queue[(syslog->first + i) % ROOM];
}

static size_t n_waiting(const struct ng_syslog *syslog) {
    return syslog->count - syslog->n_written;
}

static void drop_first(struct ng_syslog *syslog) {
    free(message_at(syslog, 0)->bytes);
    syslog->first = (syslog->first + 1) % ROOM;
    syslog->count--;
}

/* What a socket has taken is gone, but for TCP: what the other side has not acknowledged when the
 * connection breaks is sent again. */
static void forget_delivered(struct ng_syslog *syslog) {
    uint64_t delivered = syslog->bytes_taken;
    int unacknowledged = 0;
    if (syslog->way == TCP && ioctl(syslog->fd, SIOCOUTQ, &unacknowledged) == 0)
        delivered -= (uint64_t)unacknowledged;
    while (syslog->n_written && message_at(syslog, 0)->end <= delivered) {
        drop_first(syslog);
        syslog->n_written--;
        syslog->delay_ms = FIRST_DELAY_MS;
    }
}

/* The oldest, but for one that is half written: what follows it would be read as its end. What is
 * written whole is on its way, and most likely arrives. */
static void make_room(struct ng_syslog *syslog) {
    if (syslog->n_written) {
        drop_first(syslog);
        syslog->n_written--;
        return;
    }
    if (syslog->offset) {
        struct message *half = message_at(syslog, 0), *oldest = message_at(syslog, 1);
        const struct message kept = *half;
        *half = *oldest;
        *oldest = kept;
    }
    drop_first(syslog);
    syslog->lost++;
    if (!syslog->why[0])
        snprintf(syslog->why, sizeof(syslog->why), "it takes nothing at present");
}

static void append(struct ng_syslog *syslog, char *bytes, size_t len) {
    if (syslog->count == ROOM)
        make_room(syslog);
    *message_at(syslog, syslog->count++) = (struct message){.bytes = bytes, .len = len};
}

/* -- losing it ----------------------------------------------------------------------------- */

static void close_socket(struct ng_syslog *syslog) {
    syslog->io = sd_event_source_disable_unref(syslog->io);
    if (syslog->fd >= 0)
        close(syslog->fd);
    syslog->fd = -1;
}

static void disconnect(struct ng_syslog *syslog) {
    if (syslog->fd >= 0)
        forget_delivered(syslog);
    close_socket(syslog);
    stop_timer(syslog);
    ng_lookup_free(TAKE_PTR(syslog->lookup));
    if (syslog->addresses)
        freeaddrinfo(syslog->addresses);
    syslog->addresses = syslog->next = NULL;
    syslog->n_written = syslog->offset = 0;
    syslog->bytes_taken = 0;
    syslog->state = IDLE;
}

/* One that ends while nothing is to be sent is made again when something is. */
static void lose(struct ng_syslog *syslog, const char *why) {
    disconnect(syslog);
    if (n_waiting(syslog) == 0)
        return;
    snprintf(syslog->why, sizeof(syslog->why), "%s", why);
    syslog->state = WAITING;
    set_timer(syslog, syslog->delay_ms);
    syslog->delay_ms =
        syslog->delay_ms * 2 < LONGEST_DELAY_MS ? syslog->delay_ms * 2 : LONGEST_DELAY_MS;
}

static void lose_socket(struct ng_syslog *syslog, int code) {
    /* Told of a datagram before, which was taken. */
    const bool refused = syslog->way == UDP && code == -ECONNREFUSED;
    lose(syslog, strerror(-code));
    if (refused) {
        syslog->lost++;
        snprintf(syslog->why, sizeof(syslog->why), "%s", strerror(-code));
    }
}

/* -- sending ------------------------------------------------------------------------------- */

static void watch(struct ng_syslog *syslog, uint32_t events) {
    int r = syslog->io
                ? sd_event_source_set_io_events(syslog->io, events)
                : sd_event_add_io(syslog->loop, &syslog->io, syslog->fd, events, on_socket, syslog);
    if (r < 0)
        lose(syslog, strerror(-r));
}

/* 1: all is written; 0: the socket takes no more at present. */
static int write_messages(struct ng_syslog *syslog) {
    while (n_waiting(syslog)) {
        struct message *message = message_at(syslog, syslog->n_written);
        const size_t whole = message->len + syslog->stream;
        ssize_t len = send(syslog->fd, message->bytes + syslog->offset, whole - syslog->offset,
                           MSG_NOSIGNAL | MSG_DONTWAIT);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            return errno == EAGAIN ? 0 : -errno;
        syslog->bytes_taken += (uint64_t)len;
        syslog->offset += (size_t)len;
        if (syslog->offset < whole)
            continue;
        message->end = syslog->bytes_taken;
        syslog->offset = 0;
        syslog->n_written++;
    }
    return 1;
}

static void send_waiting(struct ng_syslog *syslog) {
    int r = write_messages(syslog);
    if (r < 0) {
        lose_socket(syslog, r);
        return;
    }
    forget_delivered(syslog);
    if (r > 0)
        syslog->why[0] = '\0';
    watch(syslog, r > 0 ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

/* -- connecting ---------------------------------------------------------------------------- */

static void set_up(struct ng_syslog *syslog, int fd) {
    const int options[][2] = {
        {TCP_NODELAY, 1},
        {TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {TCP_KEEPCNT, KEEPALIVE_COUNT},
        {TCP_USER_TIMEOUT, UNANSWERED_MS},
    };
    const int on = 1;
    if (syslog->way != TCP)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        (void)setsockopt(fd, IPPROTO_TCP, options[i][0], &options[i][1], sizeof(options[i][1]));
}

static int connect_to(struct ng_syslog *syslog, int family, int type,
                      const struct sockaddr *address, socklen_t len) {
    syslog->fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (syslog->fd < 0)
        return -errno;
    set_up(syslog, syslog->fd);
    if (connect(syslog->fd, address, len) == 0)
        return 0;
    int r = -errno;
    if (r != -EINPROGRESS)
        close_socket(syslog);
    return r;
}

static void connected(struct ng_syslog *syslog) {
    stop_timer(syslog);
    syslog->state = CONNECTED;
    send_waiting(syslog);
}

/* The next address that does not refuse at once. */
static void connect_next(struct ng_syslog *syslog, int code) {
    while (syslog->next) {
        const struct addrinfo *to = syslog->next;
        syslog->next = to->ai_next;
        code = connect_to(syslog, to->ai_family, to->ai_socktype, to->ai_addr, to->ai_addrlen);
        if (code == 0) {
            connected(syslog);
            return;
        }
        if (code == -EINPROGRESS) {
            syslog->state = CONNECTING;
            set_timer(syslog, CONNECT_MS);
            watch(syslog, EPOLLOUT);
            return;
        }
    }
    lose_socket(syslog, code);
}

static void connect_local(struct ng_syslog *syslog) {
    const struct sockaddr_un to = {AF_UNIX, LOCAL_PATH};
    const struct sockaddr *address = (const struct sockaddr *)&to;
    syslog->stream = false;
    int r = connect_to(syslog, AF_UNIX, SOCK_DGRAM, address, sizeof(to));
    if (r == -EPROTOTYPE) {
        syslog->stream = true;
        r = connect_to(syslog, AF_UNIX, SOCK_STREAM, address, sizeof(to));
    }
    if (r == 0)
        connected(syslog);
    else
        lose_socket(syslog, r);
}

static void use_addresses(struct ng_syslog *syslog, struct addrinfo *addresses) {
    syslog->addresses = syslog->next = addresses;
    connect_next(syslog, -EADDRNOTAVAIL);
}

static int on_looked_up(sd_event_source *source, int fd, uint32_t ready, void *context) {
    struct ng_syslog *syslog = context;
    struct addrinfo *addresses;
    (void)source, (void)fd, (void)ready;
    syslog->io = sd_event_source_disable_unref(syslog->io);
    int code = ng_lookup_take(syslog->lookup, &addresses);
    ng_lookup_free(TAKE_PTR(syslog->lookup));
    if (code == 0)
        use_addresses(syslog, addresses);
    else
        lose(syslog, gai_strerror(code));
    return 0;
}

static void look_up(struct ng_syslog *syslog) {
    int r = ng_lookup_new(syslog->host, syslog->port, syslog->way == UDP ? SOCK_DGRAM : SOCK_STREAM,
                          &syslog->lookup);
    if (r == 0)
        r = sd_event_add_io(syslog->loop, &syslog->io, ng_lookup_fd(syslog->lookup), EPOLLIN,
                            on_looked_up, syslog);
    if (r < 0) {
        lose(syslog, strerror(-r));
        return;
    }
    syslog->state = LOOKING_UP;
    syslog->looked_up_us = now_us(syslog);
}

/* An address needs nobody to be asked. */
static void begin(struct ng_syslog *syslog) {
    const struct addrinfo hints = {
        .ai_socktype = syslog->way == UDP ? SOCK_DGRAM : SOCK_STREAM,
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
    };
    struct addrinfo *addresses;
    if (syslog->way == LOCAL) {
        connect_local(syslog);
        return;
    }
    syslog->named = getaddrinfo(syslog->host, syslog->port, &hints, &addresses) != 0;
    if (syslog->named)
        look_up(syslog);
    else
        use_addresses(syslog, addresses);
}

/* A connection tells when its receiver has moved elsewhere, a datagram does not. */
static bool may_have_moved(const struct ng_syslog *syslog) {
    return syslog->way == UDP && syslog->named &&
           now_us(syslog) - syslog->looked_up_us >= LOOK_UP_AGAIN_US;
}

static void advance(struct ng_syslog *syslog) {
    if (syslog->state == CONNECTED && may_have_moved(syslog))
        disconnect(syslog);
    if (syslog->state == CONNECTED)
        send_waiting(syslog);
    else if (syslog->state == IDLE && n_waiting(syslog))
        begin(syslog);
}

/* -- events -------------------------------------------------------------------------------- */

/* A syslog does not answer: what can be read is an error, or the end. */
static int look_for_end(const struct ng_syslog *syslog) {
    const bool ends = syslog->way == TCP || syslog->stream;
    char scratch[512];
    ssize_t len;
    do
        len = recv(syslog->fd, scratch, sizeof(scratch), MSG_DONTWAIT);
    while (len > 0);
    if (len == 0)
        return ends ? -ECONNRESET : 0;
    return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

static int on_socket(sd_event_source *source, int fd, uint32_t ready, void *context) {
    struct ng_syslog *syslog = context;
    socklen_t len = sizeof(int);
    int code = 0;
    (void)source;
    if (syslog->state == CONNECTING) {
        (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len);
        if (code == 0) {
            connected(syslog);
            return 0;
        }
        close_socket(syslog);
        connect_next(syslog, -code);
        return 0;
    }
    code = ready & (EPOLLIN | EPOLLERR | EPOLLHUP) ? look_for_end(syslog) : 0;
    if (code == 0 && ready & EPOLLHUP)
        code = -ECONNRESET;
    if (code < 0)
        lose_socket(syslog, code);
    else if (ready & EPOLLOUT)
        send_waiting(syslog);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t time_us, void *context) {
    struct ng_syslog *syslog = context;
    (void)source, (void)time_us;
    if (syslog->state == CONNECTING) {
        close_socket(syslog);
        connect_next(syslog, -ETIMEDOUT);
        return 0;
    }
    syslog->state = IDLE;
    advance(syslog);
    return 0;
}

/* -------------------------------------------------------------------------------------------- */

/* "192.0.2.1", "192.0.2.1:514", "[2001:db8::1]:514", "log.example.com" */
static bool split_address(const char *text, const char *port, struct ng_syslog *syslog) {
    const bool bracket = text[0] == '[';
    const char *end = bracket ? strchr(text++, ']') : text + strcspn(text, ":");
    const size_t len = end ? (size_t)(end - text) : 0;
    char *rest;
    if (len == 0 || len >= HOST_BYTES || memchr(text, '/', len))
        return false;
    memcpy(syslog->host, text, len);
    end += bracket;
    if (*end == ':')
        port = end + 1;
    else if (*end)
        return false;
    const unsigned long number = strtoul(port, &rest, 10);
    if (*port < '0' || *port > '9' || *rest || number == 0 || number > UINT16_MAX)
        return false;
    snprintf(syslog->port, sizeof(syslog->port), "%lu", number);
    return true;
}

static bool read_address(const char *address, struct ng_syslog *syslog) {
    static const char udp[] = "udp://", tcp[] = "tcp://";
    if (strcmp(address, "local") == 0) {
        syslog->way = LOCAL;
        return true;
    }
    if (strncmp(address, udp, strlen(udp)) == 0) {
        syslog->way = UDP;
        return split_address(address + strlen(udp), "514", syslog);
    }
    syslog->way = TCP;
    return strncmp(address, tcp, strlen(tcp)) == 0 &&
           split_address(address + strlen(tcp), "601", syslog);
}

int ng_syslog_new(sd_event *loop, const char *address, uint8_t facility,
                  struct ng_syslog **ret_syslog, struct ng_error *error) {
    _cleanup_(ng_syslog_freep) struct ng_syslog *syslog = calloc(1, sizeof(*syslog));
    if (!syslog)
        return ng_error_set(error, -ENOMEM, "syslog", "out of memory");
    syslog->fd = -1;
    syslog->address = address;
    syslog->facility = facility;
    syslog->delay_ms = FIRST_DELAY_MS;
    if (!read_address(address, syslog))
        return ng_error_set(error, -EINVAL, "syslog",
                            "not an address: expected local, udp://HOST[:PORT] or "
                            "tcp://HOST[:PORT], an IPv6 address in brackets");
    syslog->loop = sd_event_ref(loop);
    int r = sd_event_add_time_relative(loop, &syslog->timer, CLOCK_MONOTONIC, 0, ACCURACY_US,
                                       on_timer, syslog);
    if (r < 0)
        return ng_error_set(error, r, "syslog", "cannot be prepared: %s", strerror(-r));
    stop_timer(syslog);
    *ret_syslog = TAKE_PTR(syslog);
    return 0;
}

void ng_syslog_free(struct ng_syslog *syslog) {
    if (!syslog)
        return;
    disconnect(syslog);
    while (syslog->count)
        drop_first(syslog);
    sd_event_source_disable_unref(syslog->timer);
    sd_event_unref(syslog->loop);
    free(syslog);
}

void ng_syslog_freep(struct ng_syslog **syslog) {
    ng_syslog_free(*syslog);
    *syslog = NULL;
}

static char *make_message(const struct ng_syslog *syslog, const struct ng_alert *alert,
                          size_t *ret_len) {
    char host[HOST_NAME_MAX + 1] = "", *text, *framed;
    if (syslog->way == LOCAL) {
        text = ng_syslog_local_text(alert, syslog->facility, getpid(), LONG_BYTES);
        *ret_len = text ? strlen(text) : 0;
        return text;
    }
    (void)gethostname(host, sizeof(host) - 1);
    text = ng_syslog_text(alert, syslog->facility, host, getpid(),
                          syslog->way == UDP ? UDP_BYTES : LONG_BYTES);
    *ret_len = text ? strlen(text) : 0;
    if (!text || syslog->way == UDP)
        return text;
    int len = asprintf(&framed, "%zu %s", *ret_len, text);
    free(text);
    *ret_len = (size_t)len;
    return len < 0 ? NULL : framed;
}

void ng_syslog_send(struct ng_syslog *syslog, const struct ng_alert *alert) {
    size_t len;
    char *bytes = make_message(syslog, alert, &len);
    if (!bytes) {
        syslog->lost++;
        return;
    }
    append(syslog, bytes, len);
    advance(syslog);
}

const char *ng_syslog_fault(struct ng_syslog *syslog) {
    if (!syslog->why[0])
        return NULL;
    snprintf(syslog->fault, sizeof(syslog->fault), "%s: %s",
             syslog->way == LOCAL ? LOCAL_PATH : syslog->address, syslog->why);
    return syslog->fault;
}

void ng_syslog_counts(const struct ng_syslog *syslog, size_t *ret_waiting, uint64_t *ret_lost) {
    *ret_waiting = n_waiting(syslog);
    *ret_lost = syslog->lost;
}
