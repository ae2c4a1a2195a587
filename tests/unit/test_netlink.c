/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/rtnetlink.h>

#include "agent/observe/netlink.h"

#define SEQ    7
#define PORTID 99
#define TYPE   RTM_NEWLINK

/* A datagram under construction, and what was heard of it. */
struct datagram {
    union {
        uint8_t bytes[4096];
        struct nlmsghdr aligned;
    };
    size_t len;
    struct ng_netlink_answer answer;
    struct ng_error error;
    unsigned heard;
    int reply; /* of the callback */
};

static void start(struct datagram *datagram) {
    memset(datagram, 0, sizeof(*datagram));
    datagram->answer =
        (struct ng_netlink_answer){.seq = SEQ, .portid = PORTID, .source = "bus", .what = "things"};
}

static struct nlmsghdr *put(struct datagram *datagram, uint16_t type, uint16_t flags,
                            const void *payload, size_t len) {
    struct nlmsghdr *message = (struct nlmsghdr *)(void *)(datagram->bytes + datagram->len);

    message->nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len);
    message->nlmsg_type = type;
    message->nlmsg_flags = flags;
    message->nlmsg_seq = SEQ;
    message->nlmsg_pid = PORTID;
    if (len > 0)
        memcpy(message + 1, payload, len);
    datagram->len += NLMSG_ALIGN(message->nlmsg_len);
    return message;
}

static int hear(const struct nlmsghdr *message, void *context) {
    struct datagram *datagram = context;

    assert_int_equal(message->nlmsg_type, TYPE);
    datagram->heard++;
    return datagram->reply;
}

static int walk(struct datagram *datagram) {
    return ng_netlink_walk(&datagram->answer, datagram->bytes, datagram->len, hear, datagram,
                           &datagram->error);
}

static void messages_up_to_the_end_are_heard(void **state) {
    struct datagram d;
    int zero = 0;

    (void)state;
    start(&d);
    put(&d, TYPE, NLM_F_MULTI, "abcde", 5); /* padded */
    put(&d, TYPE, NLM_F_MULTI, "", 0);
    put(&d, NLMSG_NOOP, 0, NULL, 0);
    assert_int_equal(walk(&d), 0);
    assert_int_equal(d.heard, 2);
    assert_false(d.answer.done);

    d.len = 0;
    put(&d, NLMSG_DONE, NLM_F_MULTI, &zero, sizeof(zero));
    put(&d, TYPE, NLM_F_MULTI, "", 0);
    assert_int_equal(walk(&d), 0);
    assert_int_equal(d.heard, 2);
    assert_true(d.answer.done);
    assert_false(d.answer.interrupted);
}

static void messages_of_another_question_are_not(void **state) {
    struct datagram d;

    (void)state;
    start(&d);
    put(&d, TYPE, 0, NULL, 0)->nlmsg_seq = SEQ - 1;
    put(&d, NLMSG_DONE, 0, NULL, 0)->nlmsg_seq = SEQ - 1;
    put(&d, NLMSG_DONE, 0, NULL, 0)->nlmsg_pid = 0;
    put(&d, TYPE, 0, NULL, 0)->nlmsg_pid = PORTID + 1;
    put(&d, TYPE, NLM_F_DUMP_INTR, NULL, 0)->nlmsg_pid = PORTID + 1;
    assert_int_equal(walk(&d), 0);
    assert_int_equal(d.heard, 0);
    assert_false(d.answer.done);
    assert_false(d.answer.interrupted);
}

static void interruption_is_remembered(void **state) {
    struct datagram d;

    (void)state;
    start(&d);
    put(&d, TYPE, NLM_F_DUMP_INTR, NULL, 0);
    put(&d, TYPE, 0, NULL, 0);
    assert_int_equal(walk(&d), 0);
    assert_true(d.answer.interrupted);
    start(&d);
    put(&d, NLMSG_DONE, NLM_F_DUMP_INTR, NULL, 0);
    assert_int_equal(walk(&d), 0);
    assert_true(d.answer.interrupted && d.answer.done);
    start(&d);
    put(&d, NLMSG_OVERRUN, 0, NULL, 0);
    assert_int_equal(walk(&d), 0);
    assert_true(d.answer.interrupted);
}

static void an_error_ends_and_is_named(void **state) {
    struct nlmsgerr refused = {.error = -EPERM, .msg = {.nlmsg_len = NLMSG_HDRLEN}};
    struct nlmsgerr fine = {0};
    struct datagram d;

    (void)state;
    start(&d);
    put(&d, NLMSG_ERROR, 0, &refused, sizeof(refused));
    assert_int_equal(walk(&d), -EPERM);
    assert_string_equal(d.error.source, "bus");
    assert_string_equal(d.error.message, "cannot read things: Operation not permitted; "
                                         "CAP_NET_ADMIN is needed, run as root");

    start(&d);
    put(&d, NLMSG_ERROR, 0, &fine, sizeof(fine));
    assert_int_equal(walk(&d), 0);
    assert_true(d.answer.done);

    refused.error = -EINTR;
    start(&d);
    put(&d, NLMSG_ERROR, 0, &refused, sizeof(refused));
    assert_int_equal(walk(&d), -EINTR);
    assert_string_equal(d.error.message, "");
}

/* An error with the kernel's own words, after the request it repeats, or a cut one. */
static void kernel_words_reach_the_error(void **state) {
    static const char words[] = "Invalid attribute";
    struct {
        struct nlmsgerr error;
        uint8_t request[8];
        struct nlattr attr;
        char words[sizeof(words) + 2];
    } whole = {
        .error = {.error = -EINVAL, .msg = {.nlmsg_len = NLMSG_HDRLEN + 8}},
        .attr = {.nla_len = NLA_HDRLEN + sizeof(words), .nla_type = NLMSGERR_ATTR_MSG},
    };
    struct {
        int code;
        struct nlattr attr;
        char words[sizeof(words) + 2];
    } done = {
        .code = -EBUSY,
        .attr = {.nla_len = NLA_HDRLEN + sizeof(words), .nla_type = NLMSGERR_ATTR_MSG},
    };
    struct datagram d;

    (void)state;
    memcpy(whole.words, words, sizeof(words));
    memcpy(done.words, words, sizeof(words));

    start(&d);
    put(&d, NLMSG_ERROR, NLM_F_ACK_TLVS, &whole, sizeof(whole));
    assert_int_equal(walk(&d), -EINVAL);
    assert_string_equal(d.error.message,
                        "cannot read things: Invalid argument (Invalid attribute)");

    start(&d);
    put(&d, NLMSG_DONE, NLM_F_MULTI | NLM_F_ACK_TLVS, &done, sizeof(done));
    assert_int_equal(walk(&d), -EBUSY);
    assert_non_null(strstr(d.error.message, "(Invalid attribute)"));

    /* A repeated request that claims to be longer than the message. */
    whole.error.msg.nlmsg_len = UINT32_MAX;
    start(&d);
    put(&d, NLMSG_ERROR, NLM_F_ACK_TLVS, &whole, sizeof(whole));
    assert_int_equal(walk(&d), -EINVAL);
    assert_string_equal(d.error.message, "cannot read things: Invalid argument");
}

static void torn_messages_are_refused(void **state) {
    struct datagram d;

    (void)state;
    for (uint32_t len = 0; len < 64; len++) {
        if (len == NLMSG_HDRLEN + 4)
            continue;
        start(&d);
        put(&d, TYPE, 0, "abcd", 4)->nlmsg_len = len;
        if (len >= NLMSG_HDRLEN && len < NLMSG_HDRLEN + 4) {
            d.len = len - 1;
            assert_int_equal(walk(&d), -EBADMSG);
        } else {
            assert_int_equal(walk(&d), -EBADMSG);
            assert_int_equal(d.heard, 0);
        }
        assert_non_null(strstr(d.error.message, "malformed"));
    }
    start(&d);
    put(&d, NLMSG_ERROR, 0, "ab", 2);
    assert_int_equal(walk(&d), -EBADMSG);
}

static void what_the_listener_returns_is_returned(void **state) {
    struct datagram d;

    (void)state;
    start(&d);
    put(&d, TYPE, 0, NULL, 0);
    put(&d, TYPE, 0, NULL, 0);
    d.reply = -ENOMEM;
    assert_int_equal(walk(&d), -ENOMEM);
    assert_int_equal(d.heard, 1);
}

static void attributes_fill_their_place(void **state) {
    struct {
        struct nlattr first;
        uint32_t value;
        struct nlattr second;
        uint8_t byte, padding[3];
        struct nlattr beyond;
    } attrs = {
        .first = {.nla_len = 8, .nla_type = 1 | NLA_F_NESTED},
        .value = 0x01020304,
        .second = {.nla_len = 5, .nla_type = 2},
        .byte = 9,
        .beyond = {.nla_len = 4, .nla_type = 77},
    };
    const struct nlattr *found[4];

    (void)state;
    assert_int_equal(ng_attributes_collect(&attrs, sizeof(attrs), found, 3), 0);
    assert_int_equal(ng_attribute_u32(found[1], 0), 0x01020304);
    assert_int_equal(ng_attribute_u8(found[2], 0), 9);
    assert_int_equal(ng_attribute_u32(found[2], 42), 42);
    assert_int_equal(ng_attribute_u16(found[2], 42), 42);
    assert_int_equal(ng_attribute_u16(found[3], 43), 43);
    assert_int_equal(ng_attribute_be16(found[1], 44), 44); /* of another width */
    assert_null(found[0]);
    assert_null(found[3]);
    assert_int_equal(ng_attribute_u32(found[3], 43), 43);

    /* The padding of the last attribute may be cut, the attribute not. */
    assert_int_equal(ng_attributes_collect(&attrs, 13, found, 3), 0);
    assert_int_equal(ng_attributes_collect(&attrs, 12, found, 3), -EBADMSG);
    assert_int_equal(ng_attributes_collect(&attrs, 10, found, 3), -EBADMSG);
    attrs.first.nla_len = 3;
    assert_int_equal(ng_attributes_collect(&attrs, sizeof(attrs), found, 3), -EBADMSG);
    assert_int_equal(ng_attributes_collect(&attrs, 0, found, 3), 0);
}

/* -- against the kernel -------------------------------------------------------------- */

static int count(const struct nlmsghdr *message, void *context) {
    (void)message;
    ++*(unsigned *)context;
    return 0;
}

static struct nlmsghdr *ask_for(uint8_t room[static 64], uint16_t type) {
    struct nlmsghdr *request = mnl_nlmsg_put_header(room);

    request->nlmsg_type = type;
    mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
    return request;
}

static void the_kernel_answers(void **state) {
    _Alignas(struct nlmsghdr) uint8_t room[64];
    struct ng_netlink_buffer buffer = {0};
    struct ng_netlink *netlink = NULL;
    struct ng_error error = {0};
    unsigned links = 0, raw = 0;

    (void)state;
    assert_int_equal(ng_netlink_open(NETLINK_ROUTE, "links", &netlink, &error), 0);
    assert_int_equal(
        ng_netlink_dump(netlink, ask_for(room, RTM_GETLINK), "links", count, &links, &error), 0);
    assert_true(links > 0);
    assert_int_equal(
        ng_netlink_dump_raw(netlink, ask_for(room, RTM_GETLINK), "links", &buffer, 1 << 20, &error),
        0);
    for (size_t at = 0; at < buffer.len_bytes; raw++) {
        const struct nlmsghdr *message = (const void *)(buffer.bytes + at);

        assert_int_equal(message->nlmsg_type, RTM_NEWLINK);
        assert_int_equal(message->nlmsg_seq, 0);
        assert_int_equal(message->nlmsg_pid, 0);
        at += NLMSG_ALIGN(message->nlmsg_len);
    }
    assert_int_equal(raw, links);
    free(buffer.bytes);
    ng_netlink_close(netlink);
}

static void a_limit_is_kept(void **state) {
    _Alignas(struct nlmsghdr) uint8_t room[64];
    struct ng_netlink_buffer buffer = {0};
    struct ng_netlink *netlink = NULL;
    struct ng_error error = {0};

    (void)state;
    assert_int_equal(ng_netlink_open(NETLINK_ROUTE, "links", &netlink, &error), 0);
    assert_int_equal(
        ng_netlink_dump_raw(netlink, ask_for(room, RTM_GETLINK), "links", &buffer, 64, &error),
        -EFBIG);
    assert_non_null(strstr(error.message, "more than"));
    assert_true(buffer.len_bytes <= 64);
    free(buffer.bytes);
    ng_netlink_close(netlink);
}

static void the_kernel_refuses_in_words(void **state) {
    _Alignas(struct nlmsghdr) uint8_t room[64];
    struct ng_netlink *netlink = NULL;
    struct nlmsghdr *request = ask_for(room, RTM_GETLINK);
    struct ng_error error = {0};
    unsigned heard = 0;

    (void)state;
    ((struct ifinfomsg *)mnl_nlmsg_get_payload(request))->ifi_index = INT32_MAX;
    assert_int_equal(ng_netlink_open(NETLINK_ROUTE, "links", &netlink, &error), 0);
    assert_int_equal(ng_netlink_get(netlink, request, "a link", count, &heard, &error), -ENODEV);
    assert_string_equal(error.source, "links");
    assert_non_null(strstr(error.message, "cannot read a link: No such device"));
    assert_int_equal(heard, 0);
    ng_netlink_close(netlink);
}

/* -- trying again -------------------------------------------------------------------- */

struct attempts {
    unsigned made, interrupted;
    int then; /* what the one after those returns */
};

static int make_attempt(void *context, struct ng_error *error) {
    struct attempts *attempts = context;

    if (attempts->made++ < attempts->interrupted)
        return -EINTR;
    return attempts->then < 0 ? ng_error_set(error, attempts->then, "source", "words") : 0;
}

static void what_was_interrupted_is_tried_again(void **state) {
    struct attempts attempts = {.interrupted = 3};
    struct ng_error error = {0};

    (void)state;
    assert_int_equal(ng_netlink_settle(make_attempt, &attempts, "s", "things", &error), 0);
    assert_int_equal(attempts.made, 4);

    attempts = (struct attempts){.interrupted = 3, .then = -EPERM};
    assert_int_equal(ng_netlink_settle(make_attempt, &attempts, "s", "things", &error), -EPERM);
    assert_int_equal(attempts.made, 4);
    assert_string_equal(error.message, "words");

    attempts = (struct attempts){.interrupted = UINT_MAX};
    error = (struct ng_error){0};
    assert_int_equal(ng_netlink_settle(make_attempt, &attempts, "s", "things", &error), -EAGAIN);
    assert_string_equal(error.source, "s");
    assert_string_equal(error.message, "things kept changing while they were read");
    assert_in_range(attempts.made, 4, 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_up_to_the_end_are_heard),
        cmocka_unit_test(messages_of_another_question_are_not),
        cmocka_unit_test(interruption_is_remembered),
        cmocka_unit_test(an_error_ends_and_is_named),
        cmocka_unit_test(kernel_words_reach_the_error),
        cmocka_unit_test(torn_messages_are_refused),
        cmocka_unit_test(what_the_listener_returns_is_returned),
        cmocka_unit_test(attributes_fill_their_place),
        cmocka_unit_test(the_kernel_answers),
        cmocka_unit_test(a_limit_is_kept),
        cmocka_unit_test(the_kernel_refuses_in_words),
        cmocka_unit_test(what_was_interrupted_is_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
