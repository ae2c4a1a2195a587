/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_NETLINK_H
#define NETGUARD_AGENT_OBSERVE_NETLINK_H

/* Questions to the kernel over netlink, on top of libmnl. A question is one request and all
 * the messages that answer it. Waiting is bounded, and an answer that was cut short or
 * interrupted is never handed out as a whole one. */

#include <libmnl/libmnl.h>
#include <linux/netlink.h>

#include "agent/observe/attributes.h"
#include "netguard/base.h"

struct ng_netlink;

/* Messages as received, one after the other: each 4-byte aligned and padded, nlmsg_seq and
 * nlmsg_pid zero so that the same answer is the same bytes. Owned by the caller, who starts
 * with all zeroes and frees `bytes`. */
struct ng_netlink_buffer {
    uint8_t *bytes;
    size_t len_bytes, capacity_bytes;
};

/* Called once per message of an answer; the message is not valid afterwards. A negative errno
 * is the answer's result. */
typedef int ng_netlink_each(const struct nlmsghdr *message, void *context);

/* `bus` is NETLINK_ROUTE, …; `source` names it in errors and must outlive the socket. */
int ng_netlink_open(int bus, const char *source, struct ng_netlink **ret_netlink,
                    struct ng_error *error) _must_check_;
void ng_netlink_close(struct ng_netlink *netlink);

/* Overwrites what dumps and questions have received: for answers with secrets in them. */
void ng_netlink_wipe(struct ng_netlink *netlink);
void ng_netlink_closep(struct ng_netlink **netlink);

/* Sends `request` as a dump or as a question with a single answer (its flags and sequence
 * number are set here) and calls `each` for every message of the answer. `what` names the
 * answer in errors: "cannot read <what>: …". -EINTR: the world changed meanwhile, ask again
 * from the start; `error` is then left alone. After any failure the rest of the answer may
 * still be on its way: close the socket. */
int ng_netlink_dump(struct ng_netlink *netlink, struct nlmsghdr *request, const char *what,
                    ng_netlink_each *each, void *context, struct ng_error *error) _must_check_;
int ng_netlink_get(struct ng_netlink *netlink, struct nlmsghdr *request, const char *what,
                   ng_netlink_each *each, void *context, struct ng_error *error) _must_check_;

/* A dump whose messages are appended to `buffer` as they are. -EFBIG when the buffer would
 * grow beyond `limit_bytes`. */
int ng_netlink_dump_raw(struct ng_netlink *netlink, struct nlmsghdr *request, const char *what,
                        struct ng_netlink_buffer *buffer, size_t limit_bytes,
                        struct ng_error *error) _must_check_;

/* Some questions whose answers belong together, with a socket opened for them. */
typedef int ng_netlink_attempt(void *context, struct ng_error *error);

/* Makes an attempt, and another while one ends with -EINTR because the world changed meanwhile;
 * -EAGAIN when it never stops to. `what` has no number: "<what> kept changing while …". */
int ng_netlink_settle(ng_netlink_attempt *attempt, void *context, const char *source,
                      const char *what, struct ng_error *error) _must_check_;

/* -- being told ---------------------------------------------------------------------- */

/* Of a multicast group of the bus; `later`: kernels on which netguard runs may not have it. */
struct ng_netlink_group {
    int number;
    bool later;
};

/* A socket that does not block and is told of these groups, with room for so many bytes that were
 * not read yet where that is allowed. NULL and errno: there is none. mnl_socket_close() */
struct mnl_socket *ng_netlink_listen(int bus, const struct ng_netlink_group *groups, size_t count,
                                     int room_bytes) _must_check_;

/* -- bytes to messages, without a socket --------------------------------------------- */

/* How far the answer to one question has come. */
struct ng_netlink_answer {
    uint32_t seq, portid; /* of the question; other messages are not ours */
    const char *source, *what;
    bool interrupted; /* some message said NLM_F_DUMP_INTR */
    bool done;        /* the last message has been seen */
};

/* Takes one datagram apart (`bytes` 4-byte aligned). Returns 0, the error the kernel answered
 * with, -EBADMSG for a malformed datagram, or what `each` returned. */
int ng_netlink_walk(struct ng_netlink_answer *answer, const void *bytes, size_t len_bytes,
                    ng_netlink_each *each, void *context, struct ng_error *error) _must_check_;

/* The kernel's own words about an error (`message`: NLMSG_ERROR, a whole struct nlmsgerr) as a
 * string. -ENODATA: it has none, or more than fit. */
int ng_netlink_error_text(const struct nlmsghdr *message, char *buffer, size_t size) _must_check_;

#endif
