/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_OBSERVE_NFT_EVENTS_H
#define NETGUARD_OBSERVE_NFT_EVENTS_H

/* Follows what others change in nf_tables, from within an sd-event loop. */

#include <systemd/sd-event.h>

#include "netguard/base.h"

struct ng_nft_listener {
    uint8_t family; /* NFPROTO_… of the table that is watched over */
    const char *table;
    uint32_t portid; /* of the socket whose changes are not told of; 0: none */
    /* Once for all that came at a time. `watched`: that table was touched, or what was touched is
     * not known. */
    void (*changed)(bool watched, void *context);
    void *context;
};

struct ng_nft_events;

int ng_nft_events_new(sd_event *loop, const struct ng_nft_listener *listener,
                      struct ng_nft_events **ret_events, struct ng_error *error) _must_check_;
void ng_nft_events_free(struct ng_nft_events *events);
void ng_nft_events_freep(struct ng_nft_events **events);

#endif
