/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/ipset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent/observe/netlink.h"
#include "agent/observe/proc.h"

#define SOURCE      "ipsets"
#define LIMIT_BYTES ((size_t)256 << 20)

/* How often sets that changed under our eyes are read again, and how long (times the number of
 * the attempt) their writer is left alone first. */
#define ATTEMPTS 10
#define PAUSE_MS 5
/* Where only sizes changed. */
#define SIZE_ATTEMPTS 3

/* Header, family header, a name of 32 bytes and some numbers. */
union message {
    struct nlmsghdr header;
    uint8_t room[256];
};

static const struct nlmsghdr *message_at(const struct ng_netlink_buffer *buffer, size_t at) {
    return (const struct nlmsghdr *)(const void *)(buffer->bytes + at);
}

static void put_message(union message *message, enum ipset_cmd command, uint8_t protocol) {
    struct nfgenmsg *family;

    mnl_nlmsg_put_header(message);
    message->header.nlmsg_type = (uint16_t)(NFNL_SUBSYS_IPSET << 8 | (int)command);
    family = mnl_nlmsg_put_extra_header(&message->header, sizeof(*family));
    family->nfgen_family = AF_INET;
    family->version = NFNETLINK_V0;
    mnl_attr_put_u8(&message->header, IPSET_ATTR_PROTOCOL, protocol);
}

static int take_protocol(const struct nlmsghdr *message, void *context) {
    const struct nlattr *attrs[IPSET_ATTR_PROTOCOL + 1];
    int r = ng_attributes_of(message, sizeof(struct nfgenmsg), attrs, IPSET_ATTR_PROTOCOL);

    if (r < 0 || !attrs[IPSET_ATTR_PROTOCOL])
        return -EBADMSG;
    *(uint8_t *)context = ng_attribute_u8(attrs[IPSET_ATTR_PROTOCOL], 0);
    return 0;
}

static int agree_protocol(struct ng_netlink *netlink, uint8_t newest, uint8_t *ret_protocol,
                          struct ng_error *error) {
    union message request;
    uint8_t newest_there = 0;
    int r;

    put_message(&request, IPSET_CMD_PROTOCOL, newest);
    r = ng_netlink_get(netlink, &request.header, "the protocol of ipset", take_protocol,
                       &newest_there, error);
    if (r == 0)
        *ret_protocol = newest_there < newest ? newest_there : newest;
    return r;
}

/* All sets, with their elements or, when `headers` is asked for, without. */
static int list_sets(struct ng_netlink *netlink, uint8_t protocol, bool headers,
                     struct ng_netlink_buffer *buffer, struct ng_error *error) {
    union message request;

    put_message(&request, IPSET_CMD_LIST, protocol);
    if (headers)
        mnl_attr_put_u32(&request.header, IPSET_ATTR_FLAGS | NLA_F_NET_BYTEORDER,
                         htonl(IPSET_FLAG_LIST_HEADER));
    return ng_netlink_dump_raw(netlink, &request.header, "ipsets", buffer, LIMIT_BYTES, error);
}

/* -- indexes where the listing does not tell them ------------------------------------ */

/* The way of old iptables, which newer kernels know, too: a socket option. */
static int ask_index(int fd, const char *name, uint16_t *ret_index) {
    struct ip_set_req_get_set request = {
        .op = IP_SET_OP_GET_BYNAME,
        .version = IPSET_PROTOCOL_MIN,
    };
    socklen_t len = sizeof(request);

    strncpy(request.set.name, name, sizeof(request.set.name) - 1);
    if (getsockopt(fd, SOL_IP, SO_IP_SET, &request, &len) < 0)
        return -errno;
    if (request.set.index == IPSET_INVALID_ID)
        return -EINTR; /* the set has gone meanwhile */
    *ret_index = request.set.index;
    return 0;
}

static int append(struct ng_netlink_buffer *buffer, const struct nlmsghdr *message) {
    size_t len = MNL_ALIGN(message->nlmsg_len);

    if (buffer->capacity_bytes - buffer->len_bytes < len) {
        size_t capacity = 2 * buffer->capacity_bytes + len;
        uint8_t *bytes = realloc(buffer->bytes, capacity);

        if (!bytes)
            return -ENOMEM;
        buffer->bytes = bytes;
        buffer->capacity_bytes = capacity;
    }
    memcpy(buffer->bytes + buffer->len_bytes, message, len);
    buffer->len_bytes += len;
    return 0;
}

static int append_index(int fd, size_t at, struct ng_netlink_buffer *buffer) {
    const struct nlmsghdr *listed = message_at(buffer, at);
    const struct nlattr *attrs[IPSET_ATTR_TYPENAME + 1];
    const char *name;
    union message told;
    uint16_t index;
    int r = ng_attributes_of(listed, sizeof(struct nfgenmsg), attrs, IPSET_ATTR_TYPENAME);

    if (r < 0 || !attrs[IPSET_ATTR_TYPENAME]) /* more elements of the set before */
        return r;
    name = ng_attribute_text(attrs[IPSET_ATTR_SETNAME]);
    if (!name || strlen(name) >= IPSET_MAXNAMELEN)
        return -EBADMSG;
    r = ask_index(fd, name, &index);
    if (r < 0)
        return r;
    put_message(&told, IPSET_CMD_GET_BYNAME, IPSET_PROTOCOL_MIN);
    mnl_attr_put_strz(&told.header, IPSET_ATTR_SETNAME, name);
    mnl_attr_put_u16(&told.header, IPSET_ATTR_INDEX | NLA_F_NET_BYTEORDER, htons(index));
    return append(buffer, &told.header);
}

static int append_indexes(struct ng_netlink_buffer *buffer, struct ng_error *error) {
    size_t end = buffer->len_bytes;
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    int r = fd < 0 ? -errno : 0;

    for (size_t at = 0; r == 0 && at < end;) {
        /* Before the buffer moves. */
        size_t next = at + MNL_ALIGN((size_t)message_at(buffer, at)->nlmsg_len);

        r = append_index(fd, at, buffer);
        at = next;
    }
    if (fd >= 0)
        close(fd);
    return r < 0 && r != -EINTR
               ? ng_error_set(error, r, SOURCE, "cannot read the index of an ipset: %s",
                              strerror(-r))
               : r;
}

/* -- reading ------------------------------------------------------------------------- */

/* The first message of each set tells who it is: name, type, index and, of a hash in newer
 * kernels, a number of its own. */
struct identity {
    const struct nlattr *attrs[IPSET_ATTR_INDEX + 1];
    const struct nlattr *initval;
    size_t len_bytes; /* of the message, up to the elements */
};

static int read_identity(const struct nlmsghdr *message, struct identity *ret_identity) {
    const struct nlattr *header[IPSET_ATTR_INITVAL + 1] = {0};
    struct identity *own = ret_identity;
    int r = ng_attributes_of(message, sizeof(struct nfgenmsg), own->attrs, IPSET_ATTR_INDEX);

    if (r == 0 && own->attrs[IPSET_ATTR_DATA])
        r = ng_attributes_in(own->attrs[IPSET_ATTR_DATA], header, IPSET_ATTR_INITVAL);
    own->initval = header[IPSET_ATTR_INITVAL];
    own->len_bytes = message->nlmsg_len;
    if (own->attrs[IPSET_ATTR_ADT])
        own->len_bytes =
            (size_t)((const uint8_t *)own->attrs[IPSET_ATTR_ADT] - (const uint8_t *)message);
    return r;
}

static bool same_attribute(const struct nlattr *a, const struct nlattr *b) {
    return a && b ? a->nla_len == b->nla_len && memcmp(a, b, a->nla_len) == 0 : a == b;
}

/* 0: the same set; -EAGAIN: perhaps another one; -EINTR: another one. */
static int compare_set(const struct nlmsghdr *before, const struct nlmsghdr *listed) {
    static const uint16_t kinds[] = {IPSET_ATTR_SETNAME, IPSET_ATTR_TYPENAME, IPSET_ATTR_INDEX};
    struct identity a, b;
    int r = read_identity(before, &a);

    r = r ? r : read_identity(listed, &b);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (!same_attribute(a.attrs[kinds[i]], b.attrs[kinds[i]]))
            return -EINTR;
    if (!same_attribute(a.initval, b.initval))
        return -EINTR;
    /* Without that number the sizes are all that tells which set it is. */
    return a.initval || (a.len_bytes == b.len_bytes &&
                         memcmp(before + 1, listed + 1, a.len_bytes - sizeof(*before)) == 0)
               ? 0
               : -EAGAIN;
}

/* Is the listing of the sets that were there before it? */
static int compare_sets(const struct ng_netlink_buffer *before,
                        const struct ng_netlink_buffer *listed) {
    size_t at = 0, end = listed->len_bytes;
    int result = 0;

    for (size_t k = 0; k < end; k += MNL_ALIGN((size_t)message_at(listed, k)->nlmsg_len)) {
        const struct nlattr *attrs[IPSET_ATTR_TYPENAME + 1];
        int r = ng_attributes_of(message_at(listed, k), sizeof(struct nfgenmsg), attrs,
                                 IPSET_ATTR_TYPENAME);

        if (r < 0)
            return r;
        if (!attrs[IPSET_ATTR_TYPENAME]) /* more of the same set */
            continue;
        r = at < before->len_bytes ? compare_set(message_at(before, at), message_at(listed, k))
                                   : -EINTR;
        if (r < 0 && r != -EAGAIN)
            return r;
        result = r < 0 ? r : result;
        at += MNL_ALIGN((size_t)message_at(before, at)->nlmsg_len);
    }
    return at == before->len_bytes ? result : -EINTR;
}

/* Sets have no generation, and two of them may change places (`ipset swap` is how lists are
 * replaced) between the listing of the one and of the other. So it has to be of the sets that were
 * where they were at one moment. Elements that come and go one by one are let be: each that was
 * listed was there. */
static int list_settled(struct ng_netlink *netlink, uint8_t protocol,
                        struct ng_netlink_buffer *buffer, struct ng_error *error) {
    struct ng_netlink_buffer before = {0};
    int r = list_sets(netlink, protocol, true, &before, error), settled = 0;

    r = r ? r : list_sets(netlink, protocol, false, buffer, error);
    if (r == 0) {
        settled = compare_sets(&before, buffer);
        if (settled == -EBADMSG)
            r = ng_error_set(error, settled, SOURCE, "cannot read ipsets: a message is malformed");
    }
    if (r == 0 && settled != -EINTR && protocol < IPSET_PROTOCOL)
        r = append_indexes(buffer, error);
    free(before.bytes);
    return r ? r : settled;
}

/* One attempt: 0, -EAGAIN when elements changed meanwhile, -EINTR when sets did or the answer is
 * not whole, -ENOPROTOOPT when the kernel has no ipsets. */
static int attempt(uint8_t newest, struct ng_netlink_buffer *buffer, struct ng_error *error) {
    _cleanup_(ng_netlink_closep) struct ng_netlink *netlink = NULL;
    struct ng_error refused = {0};
    uint8_t protocol = 0;
    int r = ng_netlink_open(NETLINK_NETFILTER, SOURCE, &netlink, &refused);

    r = r ? r : agree_protocol(netlink, newest, &protocol, &refused);
    /* There is no such bus, or nothing of that kind behind it. */
    if (r == -EPROTONOSUPPORT || r == -EINVAL || r == -EOPNOTSUPP)
        return -ENOPROTOOPT;
    if (r < 0 && r != -EINTR)
        return ng_error_set(error, r, SOURCE, "%s", refused.message);
    return r ? r : list_settled(netlink, protocol, buffer, error);
}

static int read_settled(uint8_t newest, struct ng_netlink_buffer *buffer, struct ng_error *error) {
    for (unsigned i = 1; i <= ATTEMPTS; i++) {
        const struct timespec pause = {.tv_nsec = (long)i * PAUSE_MS * 1000000};
        int r = attempt(newest, buffer, error);

        /* A set that packets fill, or somebody's list of bans, never rests: take what was seen. */
        if (r == -EAGAIN && i >= SIZE_ATTEMPTS)
            return 0;
        if (r != -EINTR && r != -EAGAIN)
            return r;
        buffer->len_bytes = 0;
        (void)nanosleep(&pause, NULL);
    }
    return ng_error_set(error, -EAGAIN, SOURCE,
                        "the ipsets never settled: they changed during each of %d readings",
                        ATTEMPTS);
}

static int keep(struct ng_arena *arena, const struct ng_netlink_buffer *buffer,
                struct ng_ipset_dump *ret_dump, struct ng_error *error) {
    struct ng_ipset_dump dump = {.len_bytes = buffer->len_bytes, .read = true};
    uint8_t *bytes = ng_arena_alloc(arena, dump.len_bytes, 1);

    if (!bytes)
        return ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    if (dump.len_bytes)
        memcpy(bytes, buffer->bytes, dump.len_bytes);
    dump.bytes = bytes;
    *ret_dump = dump;
    return 0;
}

int ng_ipset_dump_read(struct ng_arena *arena, uint8_t newest, struct ng_ipset_dump *ret_dump,
                       struct ng_error *error) {
    struct ng_netlink_buffer buffer = {0};
    int r = -ENOPROTOOPT;

    /* Opening the bus and asking would load both modules where they are not yet there. */
    if (!ng_proc_lacks_module("nfnetlink") && !ng_proc_lacks_module("ip_set"))
        r = read_settled(newest, &buffer, error);
    if (r == 0 || r == -ENOPROTOOPT)
        r = keep(arena, &buffer, ret_dump, error);
    free(buffer.bytes);
    return r;
}
