/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_KNOCKS_H
#define NETGUARD_ACT_KNOCKS_H

/* Who has knocked at what the guard keeps closed: what its rules log (NG_GUARD_LOG_GROUP), from
 * within an sd-event loop. The kernel tells of a few per second and rule (guard.h), so that how
 * often is "at least". */

#include <linux/netlink.h>
#include <systemd/sd-event.h>

#include "netguard/guard.h"

enum {
    NG_KNOCKS_SPAN_S = 10, /* over which the knocks of one source at one door are summed up */
    NG_KNOCK_RULE = 128,   /* NF_LOG_PREFIXLEN of the kernel */
};

struct ng_knock {
    char rule[NG_KNOCK_RULE]; /* id of the policy's rule that drops */
    struct ng_addr source, destination;
    uint8_t proto;
    uint16_t port; /* of the destination, as it is after translation; 0: has none */
    unsigned count;
};

struct ng_knocks_listener {
    void (*came)(void *context);                                  /* one, just now */
    void (*knocked)(const struct ng_knock *knock, void *context); /* at the end of each span */
    void *context;
};

struct ng_knocks;

/* -EBUSY: another program listens to the group, the message tells which; -EOPNOTSUPP, -EINVAL,
 * -EPROTONOSUPPORT: the kernel has no nfnetlink_log. */
int ng_knocks_new(sd_event *loop, const struct ng_knocks_listener *listener,
                  struct ng_knocks **ret_knocks, struct ng_error *error) _must_check_;
void ng_knocks_free(struct ng_knocks *knocks);
void ng_knocks_freep(struct ng_knocks **knocks);

/* A message of nfnetlink_log as one knock; -EBADMSG: it is none. */
int ng_knock_decode(const struct nlmsghdr *message, struct ng_knock *ret_knock) _must_check_;

/* Whose door it was: the name of the container that has this address, or this port of the host;
 * NULL: nobody's that is known. */
const char *ng_knock_container(const struct ng_knock *knock, const struct ng_result *result);

#endif
