/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_OBSERVE_NFT_EVENTS_H
#define NETGUARD_OBSERVE_NFT_EVENTS_H

/* Follows what others change in nf_tables, from within an sd-event loop. */

#include <systemd/sd-event.h>

#include "netguard/base.h"

enum { NG_NFT_PROGRAM_SIZE = 16 }; /* TASK_COMM_LEN */

/* What others have changed: all that came at a time, of whole transactions. */
struct ng_nft_change {
    bool watched; /* the table that is watched over was touched, or may have been */
    bool missed;  /* something was not read: what has changed is not known, nor by whom */
    /* Of the last transaction: by whom, as the kernel's first pid namespace counts, and the name of
     * the program, which it has chosen itself: printable ASCII, other characters are '?'. 0 and "":
     * not told. */
    uint32_t pid;
    char program[NG_NFT_PROGRAM_SIZE];
    uint32_t generation;     /* of the ruleset after them, as in struct ng_nft_dump */
    uint32_t n_transactions; /* if there were no others, so many before it was as it was */
    /* NFT_MSG_NEWRULE and NFT_MSG_DELRULE, as received, one after the other; NULL: there was more
     * to it. */
    const uint8_t *rules;
    size_t rules_bytes;
};

struct ng_nft_listener {
    uint8_t family; /* NFPROTO_… of the table that is watched over */
    const char *table;
    uint32_t portid; /* of the socket whose changes are not told of; 0: none */
    void (*changed)(const struct ng_nft_change *change, void *context);
    void *context;
};

struct ng_nft_events;

int ng_nft_events_new(sd_event *loop, const struct ng_nft_listener *listener,
                      struct ng_nft_events **ret_events, struct ng_error *error) _must_check_;
void ng_nft_events_free(struct ng_nft_events *events);
void ng_nft_events_freep(struct ng_nft_events **events);

#endif
