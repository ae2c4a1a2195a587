/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TESTS_UNIT_FIXTURE_ANSWER_H
#define NETGUARD_TESTS_UNIT_FIXTURE_ANSWER_H

/* Netlink messages as the kernel would send them. */

#include <arpa/inet.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "netguard/addr.h"

union answer {
    struct nlmsghdr message;
    uint8_t room[2048];
};

/* Begins one with a header of zeroes, which is returned. */
static inline void *begin_answer(union answer *answer, uint16_t type, size_t header_bytes) {
    memset(answer, 0, sizeof(*answer));
    mnl_nlmsg_put_header(answer);
    answer->message.nlmsg_type = type;
    return mnl_nlmsg_put_extra_header(&answer->message, header_bytes);
}

static inline void put_addr(union answer *answer, uint16_t type, int family, const char *text) {
    uint8_t wire[16];

    assert_int_equal(inet_pton(family, text, wire), 1);
    mnl_attr_put(&answer->message, type, family == AF_INET ? 4 : 16, wire);
}

static inline const char *addr_text(struct ng_addr addr) {
    static char buffer[NG_ADDR_TEXT];

    return ng_addr_text(addr, buffer);
}

#endif
