/* SPDX-License-Identifier: GPL-2.0-or-later */
/* follow_links   a line each time that something of links, addresses or routes has changed */
#include "agent/observe/link_events.h"

#include <stdio.h>

static void changed(bool overrun, void *context) {
    (void)context;
    puts(overrun ? "overrun" : "changed");
}

int main(void) {
    static const struct ng_link_listener listener = {changed, NULL};
    _cleanup_(ng_link_events_freep) struct ng_link_events *events = NULL;
    struct ng_error error = {0};
    sd_event *loop = NULL;
    if (sd_event_new(&loop) < 0)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (ng_link_events_new(loop, &listener, &events, &error) < 0) {
        fprintf(stderr, "%s: %s\n", error.source, error.message);
        return 1;
    }
    puts("follows");
    sd_event_loop(loop);
    return 1;
}
