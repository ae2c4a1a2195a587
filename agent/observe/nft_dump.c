/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_dump.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/observe/netlink.h"
#include "agent/observe/proc.h"

#define SOURCE      "nftables"
#define LIMIT_BYTES ((size_t)256 << 20)

/* How often a ruleset that changed under our eyes is read again, and how long (times the
 * number of the attempt) its writer is left alone first. */
#define ATTEMPTS 10
#define PAUSE_MS 5

/* Header, family header and two names of at most 256 bytes with their attribute headers. */
#define REQUEST_BYTES 1024

union request {
    struct nlmsghdr message;
    uint8_t room[REQUEST_BYTES];
};

static void put_request(union request *request, uint16_t type, uint8_t family) {
    struct nfgenmsg *header;

    mnl_nlmsg_put_header(request);
    request->message.nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
    header = mnl_nlmsg_put_extra_header(&request->message, sizeof(*header));
    header->nfgen_family = family;
    header->version = NFNETLINK_V0;
}

static int take_generation(const struct nlmsghdr *message, void *context) {
    const struct nlattr *attrs[NFTA_GEN_MAX + 1];
    int r = ng_attributes_of(message, sizeof(struct nfgenmsg), attrs, NFTA_GEN_MAX);

    if (r < 0 || !attrs[NFTA_GEN_ID])
        return -EBADMSG;
    *(uint32_t *)context = ntohl(ng_attribute_u32(attrs[NFTA_GEN_ID], 0));
    return 0;
}

static int read_generation(struct ng_netlink *netlink, uint32_t *ret_generation,
                           struct ng_error *error) {
    union request request;

    put_request(&request, NFT_MSG_GETGEN, AF_UNSPEC);
    return ng_netlink_get(netlink, &request.message, "the generation of the ruleset",
                          take_generation, ret_generation, error);
}

static int dump_kind(struct ng_netlink *netlink, uint16_t type, const char *what,
                     struct ng_netlink_buffer *buffer, struct ng_error *error) {
    union request request;

    put_request(&request, type, AF_UNSPEC);
    return ng_netlink_dump_raw(netlink, &request.message, what, buffer, LIMIT_BYTES, error);
}

/* Kernels before 4.10 know no objects and before 4.16 no flowtables: then there are none. */
static int dump_newer_kind(struct ng_netlink *netlink, uint16_t type, const char *what,
                           struct ng_netlink_buffer *buffer, struct ng_error *error) {
    struct ng_error refused = {0};
    int r = dump_kind(netlink, type, what, buffer, &refused);

    if (r == -EINVAL || r == -EOPNOTSUPP)
        return 0;
    return r < 0 && r != -EINTR ? ng_error_set(error, r, SOURCE, "%s", refused.message) : r;
}

static int dump_elements(struct ng_netlink *netlink, const struct nlmsghdr *set,
                         struct ng_netlink_buffer *buffer, struct ng_error *error) {
    const struct nfgenmsg *header = mnl_nlmsg_get_payload(set);
    const struct nlattr *attrs[NFTA_SET_NAME + 1];
    struct ng_error refused = {0};
    union request request;
    int r = ng_attributes_of(set, sizeof(*header), attrs, NFTA_SET_NAME);

    if (r < 0 || !attrs[NFTA_SET_TABLE] || !attrs[NFTA_SET_NAME])
        return ng_error_set(error, -EBADMSG, SOURCE, "cannot read sets: one has no name");

    put_request(&request, NFT_MSG_GETSETELEM, header->nfgen_family);
    if (!mnl_attr_put_check(&request.message, sizeof(request), NFTA_SET_ELEM_LIST_TABLE,
                            mnl_attr_get_payload_len(attrs[NFTA_SET_TABLE]),
                            mnl_attr_get_payload(attrs[NFTA_SET_TABLE])) ||
        !mnl_attr_put_check(&request.message, sizeof(request), NFTA_SET_ELEM_LIST_SET,
                            mnl_attr_get_payload_len(attrs[NFTA_SET_NAME]),
                            mnl_attr_get_payload(attrs[NFTA_SET_NAME])))
        return ng_error_set(error, -EBADMSG, SOURCE, "cannot read sets: a name is too long");

    r = ng_netlink_dump_raw(netlink, &request.message, "set elements", buffer, LIMIT_BYTES,
                            &refused);
    if (r == -ENOENT)
        return -EINTR; /* the set has gone meanwhile */
    return r < 0 && r != -EINTR ? ng_error_set(error, r, SOURCE, "%s", refused.message) : r;
}

/* The elements of every set among the messages from `start` to `end`; offsets, since the
 * buffer moves while it grows. */
static int dump_all_elements(struct ng_netlink *netlink, size_t start, size_t end,
                             struct ng_netlink_buffer *buffer, struct ng_error *error) {
    while (start < end) {
        const struct nlmsghdr *set = (const struct nlmsghdr *)(const void *)(buffer->bytes + start);
        int r;

        start += MNL_ALIGN((size_t)set->nlmsg_len);
        r = dump_elements(netlink, set, buffer, error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int dump_all(struct ng_netlink *netlink, struct ng_netlink_buffer *buffer,
                    struct ng_error *error) {
    size_t sets_start, sets_end;
    int r;

    r = dump_kind(netlink, NFT_MSG_GETTABLE, "tables", buffer, error);
    if (r < 0 || buffer->len_bytes == 0)
        return r; /* all else lives in tables */
    r = dump_kind(netlink, NFT_MSG_GETCHAIN, "chains", buffer, error);
    if (r < 0)
        return r;
    sets_start = buffer->len_bytes;
    r = dump_kind(netlink, NFT_MSG_GETSET, "sets", buffer, error);
    if (r < 0)
        return r;
    sets_end = buffer->len_bytes;
    r = dump_all_elements(netlink, sets_start, sets_end, buffer, error);
    if (r < 0)
        return r;
    r = dump_newer_kind(netlink, NFT_MSG_GETOBJ, "stateful objects", buffer, error);
    if (r < 0)
        return r;
    r = dump_newer_kind(netlink, NFT_MSG_GETFLOWTABLE, "flowtables", buffer, error);
    if (r < 0)
        return r;
    return dump_kind(netlink, NFT_MSG_GETRULE, "rules", buffer, error);
}

/* One attempt: 0, -EINTR when the ruleset changed meanwhile, -ENOPROTOOPT when the kernel has
 * no nf_tables. */
static int attempt(struct ng_netlink_buffer *buffer, uint32_t *ret_generation,
                   struct ng_error *error) {
    _cleanup_(ng_netlink_closep) struct ng_netlink *netlink = NULL;
    struct ng_error refused = {0};
    uint32_t before, after;
    int r;

    r = ng_netlink_open(NETLINK_NETFILTER, SOURCE, &netlink, &refused);
    if (r == -EPROTONOSUPPORT)
        return -ENOPROTOOPT;
    if (r == 0) {
        r = read_generation(netlink, &before, &refused);
        /* nfnetlink answers EINVAL for a subsystem it does not have. */
        if (r == -EINVAL || r == -EOPNOTSUPP)
            return -ENOPROTOOPT;
    }
    if (r < 0)
        return r == -EINTR ? r : ng_error_set(error, r, SOURCE, "%s", refused.message);

    r = dump_all(netlink, buffer, error);
    if (r < 0)
        return r;
    r = read_generation(netlink, &after, error);
    if (r < 0)
        return r;
    if (before != after)
        return -EINTR;
    *ret_generation = after;
    return 0;
}

static int read_settled(struct ng_netlink_buffer *buffer, uint32_t *ret_generation,
                        struct ng_error *error) {
    for (unsigned i = 1; i <= ATTEMPTS; i++) {
        const struct timespec pause = {.tv_nsec = (long)i * PAUSE_MS * 1000000};
        int r = attempt(buffer, ret_generation, error);

        if (r != -EINTR)
            return r;
        buffer->len_bytes = 0;
        (void)nanosleep(&pause, NULL);
    }
    return ng_error_set(error, -EAGAIN, SOURCE,
                        "the ruleset never settled: it changed during each of %d readings",
                        ATTEMPTS);
}

int ng_nft_dump_read(struct ng_arena *arena, struct ng_nft_dump *ret_dump, struct ng_error *error) {
    struct ng_netlink_buffer buffer = {0};
    struct ng_nft_dump dump = {.read = true};
    uint8_t *kept = NULL;
    int r = 0;

    /* Opening the bus and asking would load both modules where they are not yet there. */
    if (!ng_proc_lacks_module("nfnetlink") && !ng_proc_lacks_module("nf_tables"))
        r = read_settled(&buffer, &dump.generation, error);
    if (r == 0 || r == -ENOPROTOOPT) {
        kept = ng_arena_alloc(arena, buffer.len_bytes, 1);
        r = kept ? 0 : ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    }
    if (r == 0) {
        if (buffer.len_bytes > 0)
            memcpy(kept, buffer.bytes, buffer.len_bytes);
        dump.bytes = kept;
        dump.len_bytes = buffer.len_bytes;
        *ret_dump = dump;
    }
    free(buffer.bytes);
    return r;
}
