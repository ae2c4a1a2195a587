/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* The kernel sizes the pieces of a dump after the reader's buffer, up to 32 KiB; twice that
 * holds any datagram it makes. */
#define READ_BYTES (64u << 10)

/* Room for the kernel to run ahead of us. */
#define RECEIVE_BUFFER_BYTES (1 << 20)

/* The kernel answers from within the call that asks; this long means that it never will. */
#define ANSWER_TIMEOUT_S 10

/* How often what changes under our eyes is read again. */
#define ATTEMPTS 10

struct ng_netlink {
    struct mnl_socket *socket;
    const char *source;
    uint32_t seq;
    struct ng_netlink_buffer scratch;
};

static bool switch_on(struct mnl_socket *socket, int option) {
    int one = 1;

    return mnl_socket_setsockopt(socket, option, &one, sizeof(one)) == 0;
}

int ng_netlink_open(int bus, const char *source, struct ng_netlink **ret_netlink,
                    struct ng_error *error) {
    const struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
    const int receive_bytes = RECEIVE_BUFFER_BYTES;
    _cleanup_(ng_netlink_closep) struct ng_netlink *netlink = calloc(1, sizeof(*netlink));
    int fd;

    if (!netlink)
        return ng_error_set(error, -ENOMEM, source, "out of memory");
    netlink->source = source;
    netlink->socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
    if (!netlink->socket || mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        int r = -errno;

        return ng_error_set(error, r, source, "cannot open a netlink socket: %s", strerror(-r));
    }

    fd = mnl_socket_get_fd(netlink->socket);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0) {
        int r = -errno;

        return ng_error_set(error, r, source, "cannot bound the wait on a netlink socket: %s",
                            strerror(-r));
    }
    /* These only make answers faster and errors clearer; older kernels lack some. */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    (void)switch_on(netlink->socket, NETLINK_EXT_ACK);
    (void)switch_on(netlink->socket, NETLINK_GET_STRICT_CHK);

    *ret_netlink = TAKE_PTR(netlink);
    return 0;
}

void ng_netlink_wipe(struct ng_netlink *netlink) {
    if (netlink->scratch.bytes)
        explicit_bzero(netlink->scratch.bytes, netlink->scratch.capacity_bytes);
}

void ng_netlink_close(struct ng_netlink *netlink) {
    if (!netlink)
        return;
    if (netlink->socket)
        mnl_socket_close(netlink->socket);
    free(netlink->scratch.bytes);
    free(netlink);
}

void ng_netlink_closep(struct ng_netlink **netlink) {
    ng_netlink_close(*netlink);
}

/* -- bytes to messages --------------------------------------------------------------- */

/* NLMSGERR_ATTR_MSG among the attributes that start `skip` bytes into the message. */
static int kernel_text(const struct nlmsghdr *message, size_t skip, char *buffer, size_t size) {
    const struct nlattr *attrs[NLMSGERR_ATTR_MAX + 1];
    const struct nlattr *text;
    size_t len;

    if (!(message->nlmsg_flags & NLM_F_ACK_TLVS) || skip > message->nlmsg_len ||
        ng_attributes_collect((const uint8_t *)message + skip, message->nlmsg_len - skip, attrs,
                              NLMSGERR_ATTR_MAX) < 0)
        return -ENODATA;
    text = attrs[NLMSGERR_ATTR_MSG];
    if (!text)
        return -ENODATA;
    len = strnlen(mnl_attr_get_payload(text), mnl_attr_get_payload_len(text));
    if (len == 0 || len >= size)
        return -ENODATA;
    memcpy(buffer, mnl_attr_get_payload(text), len);
    buffer[len] = '\0';
    return 0;
}

/* Unless capped, the whole request is repeated before the attributes. */
static size_t attributes_of_error(const struct nlmsghdr *message) {
    const struct nlmsgerr *body = mnl_nlmsg_get_payload(message);
    size_t at = NLMSG_HDRLEN + sizeof(*body);

    if (!(message->nlmsg_flags & NLM_F_CAPPED) && body->msg.nlmsg_len >= NLMSG_HDRLEN)
        at += MNL_ALIGN((size_t)body->msg.nlmsg_len) - NLMSG_HDRLEN;
    return at;
}

int ng_netlink_error_text(const struct nlmsghdr *message, char *buffer, size_t size) {
    return kernel_text(message, attributes_of_error(message), buffer, size);
}

static int refusal(const struct ng_netlink_answer *answer, const struct nlmsghdr *message,
                   size_t attrs_at, int code, struct ng_error *error) {
    char text[256];

    /* Interrupted and asked again by the caller: not a matter for people. */
    if (code == -EINTR)
        return code;
    if (kernel_text(message, attrs_at, text, sizeof(text)) < 0)
        text[0] = '\0';
    return ng_error_set(error, code, answer->source, "cannot read %s: %s%s%s%s%s", answer->what,
                        strerror(-code), text[0] ? " (" : "", text, text[0] ? ")" : "",
                        code == -EPERM || code == -EACCES ? "; CAP_NET_ADMIN is needed, run as root"
                                                          : "");
}

static int malformed(const struct ng_netlink_answer *answer, struct ng_error *error) {
    return ng_error_set(error, -EBADMSG, answer->source,
                        "cannot read %s: the kernel's answer is malformed", answer->what);
}

/* NLMSG_ERROR: an error, or with code 0 the end of a single answer. */
static int take_error(struct ng_netlink_answer *answer, const struct nlmsghdr *message,
                      struct ng_error *error) {
    const struct nlmsgerr *body = mnl_nlmsg_get_payload(message);

    if (message->nlmsg_len < NLMSG_HDRLEN + sizeof(*body) || body->error > 0 || body->error < -4095)
        return malformed(answer, error);
    answer->done = true;
    if (body->error == 0)
        return 0;
    return refusal(answer, message, attributes_of_error(message), body->error, error);
}

/* NLMSG_DONE: the end of a dump, with the code it ended with. */
static int take_done(struct ng_netlink_answer *answer, const struct nlmsghdr *message,
                     struct ng_error *error) {
    int code = 0;

    answer->done = true;
    if (message->nlmsg_len >= NLMSG_HDRLEN + sizeof(code))
        memcpy(&code, mnl_nlmsg_get_payload(message), sizeof(code));
    if (code < -4095)
        return malformed(answer, error);
    if (code < 0)
        return refusal(answer, message, NLMSG_HDRLEN + sizeof(code), code, error);
    return 0;
}

int ng_netlink_walk(struct ng_netlink_answer *answer, const void *bytes, size_t len_bytes,
                    ng_netlink_each *each, void *context, struct ng_error *error) {
    const uint8_t *at = bytes;
    size_t left = len_bytes;

    while (left > 0 && !answer->done) {
        const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)at;
        size_t step;
        int r = 0;

        if (left < sizeof(*message) || message->nlmsg_len < sizeof(*message) ||
            message->nlmsg_len > left)
            return malformed(answer, error);
        /* Both taken before `each`, which may move the message. */
        step = MNL_ALIGN((size_t)message->nlmsg_len);
        if (step > left)
            step = left;
        at += step;
        left -= step;

        if (message->nlmsg_seq != answer->seq || message->nlmsg_pid != answer->portid)
            continue;
        if (message->nlmsg_flags & NLM_F_DUMP_INTR)
            answer->interrupted = true;
        if (message->nlmsg_type == NLMSG_ERROR)
            r = take_error(answer, message, error);
        else if (message->nlmsg_type == NLMSG_DONE)
            r = take_done(answer, message, error);
        else if (message->nlmsg_type == NLMSG_OVERRUN)
            answer->interrupted = true;
        else if (message->nlmsg_type >= NLMSG_MIN_TYPE)
            r = each(message, context);
        if (r < 0)
            return r;
    }
    return 0;
}

/* -- the socket ---------------------------------------------------------------------- */

static int make_room(struct ng_netlink_buffer *buffer) {
    size_t capacity = buffer->capacity_bytes;
    uint8_t *bytes;

    if (capacity - buffer->len_bytes >= READ_BYTES)
        return 0;
    capacity = capacity ? capacity * 2 : 2 * READ_BYTES;
    bytes = realloc(buffer->bytes, capacity);
    if (!bytes)
        return -ENOMEM;
    buffer->bytes = bytes;
    buffer->capacity_bytes = capacity;
    return 0;
}

/* One datagram into the free end of `buffer`, whose length stays as it is. */
static int receive(struct ng_netlink *netlink, const struct ng_netlink_answer *answer,
                   struct ng_netlink_buffer *buffer, size_t *ret_len, struct ng_error *error) {
    for (;;) {
        struct sockaddr_nl from = {0};
        struct iovec part;
        struct msghdr header = {
            .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1};
        ssize_t n;

        if (make_room(buffer) < 0)
            return ng_error_set(error, -ENOMEM, answer->source, "out of memory");
        part.iov_base = buffer->bytes + buffer->len_bytes;
        part.iov_len = READ_BYTES;

        n = recvmsg(mnl_socket_get_fd(netlink->socket), &header, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == ENOBUFS)
            return -EINTR;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return ng_error_set(error, -ETIMEDOUT, answer->source,
                                "cannot read %s: no answer from the kernel for %d s", answer->what,
                                ANSWER_TIMEOUT_S);
        if (n < 0) {
            int r = -errno;

            return ng_error_set(error, r, answer->source, "cannot read %s: %s", answer->what,
                                strerror(-r));
        }
        if (header.msg_flags & MSG_TRUNC)
            return ng_error_set(error, -EMSGSIZE, answer->source,
                                "cannot read %s: a message of the kernel was longer than %u bytes",
                                answer->what, READ_BYTES);
        if (header.msg_namelen != sizeof(from) || from.nl_pid != 0)
            continue; /* not from the kernel */
        *ret_len = (size_t)n;
        return 0;
    }
}

/* A raw dump gathers messages at the end of the buffer they were received into. */
struct gathering {
    struct ng_netlink_buffer *buffer;
    size_t limit_bytes;
};

/* Moves a message down to where the last one ended; most are there already. */
static int gather(const struct nlmsghdr *message, void *context) {
    struct gathering *gathering = context;
    struct ng_netlink_buffer *buffer = gathering->buffer;
    uint8_t *to = buffer->bytes + buffer->len_bytes;
    size_t len = message->nlmsg_len;
    size_t padded = MNL_ALIGN(len);
    struct nlmsghdr *kept;

    if (padded > gathering->limit_bytes - buffer->len_bytes)
        return -EFBIG;
    if ((const uint8_t *)message != to)
        memmove(to, message, len);
    memset(to + len, 0, padded - len);
    kept = (struct nlmsghdr *)(void *)to;
    kept->nlmsg_seq = 0;
    kept->nlmsg_pid = 0;
    buffer->len_bytes += padded;
    return 0;
}

static int ask(struct ng_netlink *netlink, struct nlmsghdr *request, unsigned flags,
               const char *what, struct ng_netlink_buffer *buffer, ng_netlink_each *each,
               void *context, struct ng_error *error) {
    struct ng_netlink_answer answer = {
        .seq = ++netlink->seq,
        .portid = mnl_socket_get_portid(netlink->socket),
        .source = netlink->source,
        .what = what,
    };

    request->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    request->nlmsg_seq = answer.seq;
    if (mnl_socket_sendto(netlink->socket, request, request->nlmsg_len) < 0) {
        int r = -errno;

        return ng_error_set(error, r, netlink->source, "cannot ask for %s: %s", what, strerror(-r));
    }

    while (!answer.done) {
        size_t len = 0;
        int r = receive(netlink, &answer, buffer, &len, error);

        if (r == 0)
            r = ng_netlink_walk(&answer, buffer->bytes + buffer->len_bytes, len, each, context,
                                error);
        if (r == -ENOMEM || r == -EBADMSG) /* of `each`, which has no words for it */
            (void)ng_error_set(error, r, netlink->source, "cannot read %s: %s", what, strerror(-r));
        if (r < 0)
            return r;
    }
    return answer.interrupted ? -EINTR : 0;
}

int ng_netlink_dump(struct ng_netlink *netlink, struct nlmsghdr *request, const char *what,
                    ng_netlink_each *each, void *context, struct ng_error *error) {
    return ask(netlink, request, NLM_F_DUMP, what, &netlink->scratch, each, context, error);
}

int ng_netlink_get(struct ng_netlink *netlink, struct nlmsghdr *request, const char *what,
                   ng_netlink_each *each, void *context, struct ng_error *error) {
    return ask(netlink, request, NLM_F_ACK, what, &netlink->scratch, each, context, error);
}

int ng_netlink_dump_raw(struct ng_netlink *netlink, struct nlmsghdr *request, const char *what,
                        struct ng_netlink_buffer *buffer, size_t limit_bytes,
                        struct ng_error *error) {
    struct gathering gathering = {.buffer = buffer, .limit_bytes = limit_bytes};
    int r = ask(netlink, request, NLM_F_DUMP, what, buffer, gather, &gathering, error);

    if (r == -EFBIG)
        return ng_error_set(error, r, netlink->source, "cannot read %s: more than %zu MiB", what,
                            limit_bytes >> 20);
    return r;
}

int ng_netlink_settle(ng_netlink_attempt *attempt, void *context, const char *source,
                      const char *what, struct ng_error *error) {
    int r = -EINTR;

    for (unsigned i = 0; i < ATTEMPTS && r == -EINTR; i++)
        r = attempt(context, error);
    if (r == -EINTR)
        return ng_error_set(error, -EAGAIN, source, "%s kept changing while they were read", what);
    return r;
}

/* -- being told ------------------------------------------------------------------------ */

static int join(struct mnl_socket *socket, const struct ng_netlink_group *groups, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, (void *)&groups[i].number,
                                  sizeof(groups[i].number)) < 0 &&
            !groups[i].later)
            return -1;
    return 0;
}

struct mnl_socket *ng_netlink_listen(int bus, const struct ng_netlink_group *groups, size_t count,
                                     int room_bytes) {
    struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!socket)
        return NULL;
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 || join(socket, groups, count) < 0) {
        const int code = errno;
        mnl_socket_close(socket);
        errno = code;
        return NULL;
    }
    (void)setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &room_bytes,
                     sizeof(room_bytes));
    return socket;
}
