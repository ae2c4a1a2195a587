/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_WEBHOOK_QUEUE_H
#define NETGUARD_ACT_WEBHOOK_QUEUE_H

/* What waits to be posted, in order: a file each, and in memory while it cannot be written. For one
 * thread, which may have to wait for the disk. */

#include "netguard/policy.h"

enum {
    NG_WEBHOOK_ROOM = 1000,
    NG_WEBHOOK_BODY_BYTES = 1024 * 1024,
};

struct ng_webhook_entry {
    uint64_t number; /* ascending; the name of its file */
    char *body;      /* NULL: in its file */
};

struct ng_webhook_queue {
    const char *directory; /* NULL: in memory only */
    const char *suffix;    /* of its files, after the format of their bodies */
    int directory_fd;
    struct ng_webhook_entry entries[NG_WEBHOOK_ROOM];
    size_t count;
    uint64_t last;   /* number */
    uint64_t held;   /* number of one that is not to be dropped; 0: none */
    uint64_t lost;   /* for want of room, or as what cannot be posted any more */
    char fault[160]; /* why it is not on the disk; "": it is */
};

/* What is in `directory`, which has to outlive it, is in the queue; files that are none of its own
 * stay where they are and count for nothing. */
void ng_webhook_queue_open(struct ng_webhook_queue *queue, const char *directory,
                           enum ng_webhook_format format);
/* What has a file keeps it. */
void ng_webhook_queue_close(struct ng_webhook_queue *queue);

/* Takes over `body`, malloc'ed. On the disk it is after ng_webhook_queue_store(). */
void ng_webhook_queue_append(struct ng_webhook_queue *queue, char *body);
void ng_webhook_queue_store(struct ng_webhook_queue *queue);

/* The body of the oldest, which is to be freed. -EBADMSG: it has none any more. -EAGAIN on an empty
 * queue, -ENOMEM, and why its file cannot be read at present. */
int ng_webhook_queue_load(struct ng_webhook_queue *queue, char **ret_body) _must_check_;
/* The one of this number is done with. */
void ng_webhook_queue_remove(struct ng_webhook_queue *queue, uint64_t number);

#endif
