/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/guard_parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    ANSWER_BYTES = 8 << 10,    /* none repeats what it refuses */
    HEADROOM_BYTES = 64 << 10, /* what the kernel keeps around a message that is sent */
};

/* The marks that enclose a transaction. */
struct mark {
    struct nlmsghdr message;
    struct nfgenmsg header;
    struct nlattr generation_header;
    uint32_t generation;
};

static void make_mark(struct mark *mark, uint16_t type, uint32_t seq, uint32_t generation) {
    *mark = (struct mark){
        .message = {.nlmsg_len = offsetof(struct mark, generation_header),
                    .nlmsg_type = type,
                    .nlmsg_flags = NLM_F_REQUEST,
                    .nlmsg_seq = seq},
        .header = {.nfgen_family = AF_UNSPEC,
                   .version = NFNETLINK_V0,
                   .res_id = htons(NFNL_SUBSYS_NFTABLES)},
    };
    if (!generation)
        return;
    mark->message.nlmsg_len = sizeof(*mark);
    mark->generation_header =
        (struct nlattr){MNL_ATTR_HDRLEN + sizeof(generation), NFNL_BATCH_GENID};
    mark->generation = htonl(generation);
}

/* -- messages -------------------------------------------------------------------------- */

static struct nlmsghdr *message_at(const struct ng_guard_writer *writer, size_t at) {
    return (struct nlmsghdr *)(void *)(writer->buffer.bytes + at);
}

/* After `seq`; returns how many there are. What is refused is told in any case, of each message and
 * in their order: so an answer to the last one tells of all, and finds room. */
static uint32_t number_messages(struct ng_guard_writer *writer, uint32_t seq) {
    uint32_t count = 0;
    for (size_t at = 0; at < writer->buffer.len_bytes;) {
        struct nlmsghdr *message = message_at(writer, at);
        message->nlmsg_seq = seq + ++count;
        at += message->nlmsg_len;
        if (at == writer->buffer.len_bytes)
            message->nlmsg_flags |= NLM_F_ACK;
    }
    return count;
}

static const struct nlmsghdr *message_of(const struct ng_guard_writer *writer, uint32_t seq) {
    for (size_t at = 0; at < writer->buffer.len_bytes;) {
        const struct nlmsghdr *message = message_at(writer, at);
        if (message->nlmsg_seq == seq)
            return message;
        at += message->nlmsg_len;
    }
    return NULL;
}

/* The name of what a message is about, its attribute `type`. */
static const char *name_in(const struct nlmsghdr *message, unsigned type) {
    const struct nlattr *attributes[NFTA_CHAIN_NAME + 1];
    const char *name = NULL;
    if (ng_attributes_of(message, sizeof(struct nfgenmsg), attributes, NFTA_CHAIN_NAME) == 0)
        name = ng_attribute_text(attributes[type]);
    return name ? name : "?";
}

static unsigned rule_number(const struct ng_guard_writer *writer, const struct nlmsghdr *rule) {
    const char *chain = name_in(rule, NFTA_RULE_CHAIN);
    unsigned number = 0;
    for (size_t at = 0; at < writer->buffer.len_bytes;) {
        const struct nlmsghdr *message = message_at(writer, at);
        if (message->nlmsg_type == rule->nlmsg_type &&
            strcmp(name_in(message, NFTA_RULE_CHAIN), chain) == 0)
            number++;
        if (message == rule)
            break;
        at += message->nlmsg_len;
    }
    return number;
}

const char *ng_guard_message_text(const struct ng_guard_writer *writer,
                                  const struct nlmsghdr *message, char *buffer, size_t size) {
    switch (NFNL_MSG_TYPE(message->nlmsg_type)) {
    case NFT_MSG_NEWCHAIN:
        snprintf(buffer, size, "chain %s", name_in(message, NFTA_CHAIN_NAME));
        break;
    case NFT_MSG_NEWSET:
        snprintf(buffer, size, "set %s", name_in(message, NFTA_SET_NAME));
        break;
    case NFT_MSG_NEWSETELEM:
    case NFT_MSG_DELSETELEM:
        snprintf(buffer, size, "elements of set %s", name_in(message, NFTA_SET_ELEM_LIST_SET));
        break;
    case NFT_MSG_NEWRULE:
        snprintf(buffer, size, "rule %u of chain %s", rule_number(writer, message),
                 name_in(message, NFTA_RULE_CHAIN));
        break;
    case NFT_MSG_DELRULE:
        snprintf(buffer, size, "rules of chain %s", name_in(message, NFTA_RULE_CHAIN));
        break;
    default:
        snprintf(buffer, size, "table inet %s", NG_GUARD_TABLE_NAME);
    }
    return buffer;
}

/* -- the socket ------------------------------------------------------------------------ */

/* To send so much at once, beyond what anybody may ask for where we may: changing the ruleset needs
 * the same right, but for root of a user namespace. */
static void make_room(int fd, size_t len_bytes) {
    int wanted = len_bytes > INT32_MAX / 2 ? INT32_MAX / 2 : (int)len_bytes, room = 0;
    socklen_t len = sizeof(room);
    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &len) == 0 && room >= wanted)
        return;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
}

/* What has become of a transaction, as its answers come in. */
struct result {
    const struct ng_guard_writer *writer;
    struct ng_guard_outcome *outcome;
    uint32_t begin_seq, n_messages; /* whose numbers follow that of the mark before them */
    bool acknowledged;
    int code;
};

/* Where in the message that it refuses the kernel has found fault; 0: it does not say. */
static uint32_t offset_in(const struct nlmsghdr *answer) {
    const struct nlattr *attributes[NLMSGERR_ATTR_OFFS + 1];
    const size_t at = NLMSG_HDRLEN + sizeof(struct nlmsgerr);
    if (!(answer->nlmsg_flags & NLM_F_CAPPED) || !(answer->nlmsg_flags & NLM_F_ACK_TLVS) ||
        ng_attributes_collect((const uint8_t *)answer + at, answer->nlmsg_len - at, attributes,
                              NLMSGERR_ATTR_OFFS) < 0)
        return 0;
    return ng_attribute_u32(attributes[NLMSGERR_ATTR_OFFS], 0);
}

/* The name of the expression of a rule that begins there; NULL: none does. */
static const char *expression_at(const struct nlmsghdr *rule, uint32_t offset) {
    const struct nlattr *expression = (const void *)((const uint8_t *)rule + offset);
    const struct nlattr *attributes[NFTA_EXPR_NAME + 1];
    if (NFNL_MSG_TYPE(rule->nlmsg_type) != NFT_MSG_NEWRULE || offset < NLMSG_HDRLEN ||
        offset > rule->nlmsg_len || !mnl_attr_ok(expression, (int)(rule->nlmsg_len - offset)) ||
        ng_attributes_in(expression, attributes, NFTA_EXPR_NAME) < 0)
        return NULL;
    return ng_attribute_text(attributes[NFTA_EXPR_NAME]);
}

/* Where the batch as a whole is refused, the marks are answered. */
static void take_answer(struct result *result, const struct nlmsghdr *message) {
    const struct nlmsgerr *body = mnl_nlmsg_get_payload(message);
    uint32_t place = message->nlmsg_seq - result->begin_seq;
    if (message->nlmsg_type != NLMSG_ERROR || message->nlmsg_len < NLMSG_HDRLEN + sizeof(*body) ||
        place > result->n_messages + 1)
        return;
    if (place == result->n_messages)
        result->acknowledged = true;
    if (body->error >= 0 || result->code < 0)
        return;
    struct ng_guard_outcome *outcome = result->outcome;
    result->code = body->error;
    outcome->failed = message_of(result->writer, message->nlmsg_seq);
    if (outcome->failed)
        outcome->expression = expression_at(outcome->failed, offset_in(message));
    if (ng_netlink_error_text(message, outcome->text, sizeof(outcome->text)) < 0)
        outcome->text[0] = '\0';
}

/* All answers have come when the call that sends returns, since the kernel gives them within it.
 * NULL: from before, and not wanted. */
static int take_answers(int fd, struct result *result) {
    union {
        struct nlmsghdr message;
        uint8_t bytes[ANSWER_BYTES];
    } answer;
    for (;;) {
        struct sockaddr_nl from = {0};
        struct iovec part = {&answer, sizeof(answer)};
        struct msghdr header = {
            .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1};
        ssize_t n = recvmsg(fd, &header, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (n < 0 && errno != ENOBUFS)
            return -errno;
        if (n < 0 || !result || header.msg_namelen != sizeof(from) || from.nl_pid != 0)
            continue; /* lost, from before, or not from the kernel */
        int left = (int)n;
        for (const struct nlmsghdr *message = &answer.message; mnl_nlmsg_ok(message, left);
             message = mnl_nlmsg_next(message, &left))
            take_answer(result, message);
    }
}

static int send_all(int fd, struct iovec parts[static 3]) {
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct msghdr header = {
        .msg_name = &kernel, .msg_namelen = sizeof(kernel), .msg_iov = parts, .msg_iovlen = 3};
    ssize_t n;
    do
        n = sendmsg(fd, &header, 0);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

int ng_guard_commit(int fd, uint32_t *seq, uint32_t generation, struct ng_guard_writer *writer,
                    struct ng_guard_outcome *ret_outcome) {
    struct ng_guard_outcome outcome = {0};
    struct mark begin, end;
    if (writer->error < 0)
        return writer->error;

    uint32_t begin_seq = ++*seq;
    make_mark(&begin, NFNL_MSG_BATCH_BEGIN, begin_seq, generation);
    uint32_t n_messages = number_messages(writer, begin_seq);
    *seq += n_messages;
    make_mark(&end, NFNL_MSG_BATCH_END, ++*seq, 0);
    struct iovec parts[] = {{&begin, begin.message.nlmsg_len},
                            {writer->buffer.bytes, writer->buffer.len_bytes},
                            {&end, end.message.nlmsg_len}};
    struct result result = {
        .writer = writer,
        .outcome = &outcome,
        .begin_seq = begin_seq,
        .n_messages = n_messages,
    };

    make_room(fd, writer->buffer.len_bytes + HEADROOM_BYTES);
    int r = take_answers(fd, NULL);
    if (r == 0)
        r = send_all(fd, parts);
    if (r == 0)
        r = take_answers(fd, &result);
    if (r < 0)
        return r;
    *ret_outcome = outcome;
    if (result.code == -ERESTART || result.code == -EINTR || result.code == -EAGAIN)
        return -EAGAIN;
    if (result.code < 0)
        return result.code;
    return result.acknowledged ? 0 : -EAGAIN;
}
