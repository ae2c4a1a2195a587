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

/* What is dumped: everything, or one table and what is in it. */
struct scope {
    uint8_t family;    /* NFPROTO_…; 0: all */
    const char *table; /* NULL: all */
};

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

/* Drops the messages from `start` on that are not of this table, whose name is the first attribute
 * of whatever is in it and of its own message. */
static int keep_table(struct ng_netlink_buffer *buffer, size_t start, const char *table) {
    size_t kept = start;

    while (start < buffer->len_bytes) {
        const struct nlmsghdr *message =
            (const struct nlmsghdr *)(const void *)(buffer->bytes + start);
        const struct nlattr *attrs[NFTA_TABLE_NAME + 1];
        size_t step = MNL_ALIGN((size_t)message->nlmsg_len);
        const char *name;
        int r = ng_attributes_of(message, sizeof(struct nfgenmsg), attrs, NFTA_TABLE_NAME);

        if (r < 0)
            return r;
        name = ng_attribute_text(attrs[NFTA_TABLE_NAME]);
        if (name && strcmp(name, table) == 0) {
            memmove(buffer->bytes + kept, message, step);
            kept += step;
        }
        start += step;
    }
    buffer->len_bytes = kept;
    return 0;
}

static int dump_kind(struct ng_netlink *netlink, uint16_t type, const char *what,
                     const struct scope *scope, struct ng_netlink_buffer *buffer,
                     struct ng_error *error) {
    size_t start = buffer->len_bytes;
    union request request;
    int r;

    put_request(&request, type, scope->family);
    r = ng_netlink_dump_raw(netlink, &request.message, what, buffer, LIMIT_BYTES, error);
    if (r == 0 && scope->table && keep_table(buffer, start, scope->table) < 0)
        r = ng_error_set(error, -EBADMSG, SOURCE, "cannot read %s: a message is torn", what);
    return r;
}

/* Kernels before 4.10 know no objects and before 4.16 no flowtables: then there are none. */
static int dump_newer_kind(struct ng_netlink *netlink, uint16_t type, const char *what,
                           const struct scope *scope, struct ng_netlink_buffer *buffer,
                           struct ng_error *error) {
    struct ng_error refused = {0};
    int r = dump_kind(netlink, type, what, scope, buffer, &refused);

    if (r == -EINVAL || r == -EOPNOTSUPP)
        return 0;
    return r < 0 && r != -EINTR ? ng_error_set(error, r, SOURCE, "%s", refused.message) : r;
}

/* Asks for what belongs to one set or chain: its table and its own name, which the attributes
 * of its message and of the request call by different numbers. */
struct part {
    uint16_t type;              /* of the request */
    unsigned of_table, of_name; /* attributes of the message that tells of it */
    unsigned by_table, by_name; /* attributes of the request */
    const char *what;
};

static const struct part elements_of_set = {
    .type = NFT_MSG_GETSETELEM,
    .of_table = NFTA_SET_TABLE,
    .of_name = NFTA_SET_NAME,
    .by_table = NFTA_SET_ELEM_LIST_TABLE,
    .by_name = NFTA_SET_ELEM_LIST_SET,
    .what = "set elements",
};

static const struct part rules_of_chain = {
    .type = NFT_MSG_GETRULE,
    .of_table = NFTA_CHAIN_TABLE,
    .of_name = NFTA_CHAIN_NAME,
    .by_table = NFTA_RULE_TABLE,
    .by_name = NFTA_RULE_CHAIN,
    .what = "rules",
};

static bool put_copy(union request *request, unsigned type, const struct nlattr *attribute) {
    return mnl_attr_put_check(&request->message, sizeof(*request), (uint16_t)type,
                              mnl_attr_get_payload_len(attribute), mnl_attr_get_payload(attribute));
}

static int dump_part(struct ng_netlink *netlink, const struct part *part,
                     const struct nlmsghdr *owner, struct ng_netlink_buffer *buffer,
                     struct ng_error *error) {
    const struct nfgenmsg *header = mnl_nlmsg_get_payload(owner);
    const struct nlattr *attrs[NFTA_CHAIN_NAME + 1];
    struct ng_error refused = {0};
    union request request;
    int r = ng_attributes_of(owner, sizeof(*header), attrs, NFTA_CHAIN_NAME);

    if (r < 0 || !attrs[part->of_table] || !attrs[part->of_name])
        return ng_error_set(error, -EBADMSG, SOURCE, "cannot read %s: something has no name",
                            part->what);
    put_request(&request, part->type, header->nfgen_family);
    if (!put_copy(&request, part->by_table, attrs[part->of_table]) ||
        !put_copy(&request, part->by_name, attrs[part->of_name]))
        return ng_error_set(error, -EBADMSG, SOURCE, "cannot read %s: a name is too long",
                            part->what);

    r = ng_netlink_dump_raw(netlink, &request.message, part->what, buffer, LIMIT_BYTES, &refused);
    if (r == -ENOENT)
        return -EINTR; /* the set has gone meanwhile */
    return r < 0 && r != -EINTR ? ng_error_set(error, r, SOURCE, "%s", refused.message) : r;
}

/* One kind of part of every set or chain among the messages from `start` to `end`; offsets,
 * since the buffer moves while it grows. */
static int dump_parts(struct ng_netlink *netlink, const struct part *part, size_t start, size_t end,
                      struct ng_netlink_buffer *buffer, struct ng_error *error) {
    while (start < end) {
        const struct nlmsghdr *owner =
            (const struct nlmsghdr *)(const void *)(buffer->bytes + start);
        int r;

        start += MNL_ALIGN((size_t)owner->nlmsg_len);
        r = dump_part(netlink, part, owner, buffer, error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int dump_all(struct ng_netlink *netlink, const struct scope *scope,
                    struct ng_netlink_buffer *buffer, struct ng_error *error) {
    size_t chains_start, sets_start, sets_end;
    int r;

    r = dump_kind(netlink, NFT_MSG_GETTABLE, "tables", scope, buffer, error);
    if (r < 0 || buffer->len_bytes == 0)
        return r; /* all else lives in tables */
    chains_start = buffer->len_bytes;
    r = dump_kind(netlink, NFT_MSG_GETCHAIN, "chains", scope, buffer, error);
    if (r < 0)
        return r;
    sets_start = buffer->len_bytes;
    r = dump_kind(netlink, NFT_MSG_GETSET, "sets", scope, buffer, error);
    if (r < 0)
        return r;
    sets_end = buffer->len_bytes;
    r = dump_parts(netlink, &elements_of_set, sets_start, sets_end, buffer, error);
    if (r < 0)
        return r;
    r = dump_newer_kind(netlink, NFT_MSG_GETOBJ, "stateful objects", scope, buffer, error);
    if (r < 0)
        return r;
    r = dump_newer_kind(netlink, NFT_MSG_GETFLOWTABLE, "flowtables", scope, buffer, error);
    if (r < 0)
        return r;
    /* Chain by chain: for each of the pieces that a dump comes in, the kernel walks from the
     * beginning to where the last one ended, and that is less of a way within one chain than
     * through all rules. The order is that of one dump. */
    return dump_parts(netlink, &rules_of_chain, chains_start, sets_start, buffer, error);
}

/* One attempt: 0, -EINTR when the ruleset changed meanwhile, -ENOPROTOOPT when the kernel has
 * no nf_tables. */
static int attempt(const struct scope *scope, struct ng_netlink_buffer *buffer,
                   uint32_t *ret_generation, struct ng_error *error) {
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

    r = dump_all(netlink, scope, buffer, error);
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

static int read_settled(const struct scope *scope, struct ng_netlink_buffer *buffer,
                        uint32_t *ret_generation, struct ng_error *error) {
    for (unsigned i = 1; i <= ATTEMPTS; i++) {
        const struct timespec pause = {.tv_nsec = (long)i * PAUSE_MS * 1000000};
        int r = attempt(scope, buffer, ret_generation, error);

        if (r != -EINTR)
            return r;
        buffer->len_bytes = 0;
        (void)nanosleep(&pause, NULL);
    }
    return ng_error_set(error, -EAGAIN, SOURCE,
                        "the ruleset never settled: it changed during each of %d readings",
                        ATTEMPTS);
}

static int read_scope(const struct scope *scope, struct ng_arena *arena,
                      struct ng_nft_dump *ret_dump, struct ng_error *error) {
    struct ng_netlink_buffer buffer = {0};
    struct ng_nft_dump dump = {.read = true};
    int r = 0;

    /* Opening the bus and asking would load both modules where they are not yet there. */
    if (!ng_proc_lacks_module("nfnetlink") && !ng_proc_lacks_module("nf_tables"))
        r = read_settled(scope, &buffer, &dump.generation, error);
    if (r == -ENOPROTOOPT)
        r = 0;
    /* As it is: a copy of a large ruleset would cost as much as parsing it. */
    if (r == 0 && ng_arena_adopt(arena, buffer.bytes) < 0)
        r = ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    if (r < 0) {
        free(buffer.bytes);
        return r;
    }
    dump.bytes = buffer.bytes;
    dump.len_bytes = buffer.len_bytes;
    *ret_dump = dump;
    return 0;
}

int ng_nft_dump_read(struct ng_arena *arena, struct ng_nft_dump *ret_dump, struct ng_error *error) {
    return read_scope(&(struct scope){.family = AF_UNSPEC}, arena, ret_dump, error);
}

int ng_nft_dump_read_table(struct ng_arena *arena, uint8_t family, const char *table,
                           struct ng_nft_dump *ret_dump, struct ng_error *error) {
    return read_scope(&(struct scope){.family = family, .table = table}, arena, ret_dump, error);
}
