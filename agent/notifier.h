/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_NOTIFIER_H
#define NETGUARD_AGENT_NOTIFIER_H

/* Who is to know what: from each look at the world the life of findings, and from that and from
 * what the daemon itself lives through, alerts, each once. */

#include "agent/act/alerter.h"
#include "agent/act/knocks.h"
#include "agent/act/state.h"
#include "agent/view.h"

enum {
    NG_SIGHT_LOST_S = 5, /* an engine that is restarted is mostly away for less */
    /* Rules of others have come to rest when none changed for so long, */
    NG_FIREWALL_REST_S = 2,
    NG_FIREWALL_LONGEST_S = 30, /* or at the latest then; */
    NG_FIREWALL_MISSED_S = 10,  /* and what was not told of has to be looked at first */
};

struct ng_notifier_listener {
    void (*due)(void *context); /* another look is wanted: what is gone may be back */
    void *context;
};

struct ng_notifier;

/* With the findings that the daemon before knew of. `lines`: every alert is a line on stderr, also
 * where the journal has it. */
int ng_notifier_new(sd_event *loop, struct ng_law *law, bool lines,
                    const struct ng_notifier_listener *listener, struct ng_notifier **ret_notifier,
                    struct ng_error *error) _must_check_;
void ng_notifier_free(struct ng_notifier *notifier);

/* Another policy is in force: its `alerts`. On an error those of the one before stay. */
int ng_notifier_follow(struct ng_notifier *notifier, struct ng_law *law,
                       struct ng_error *error) _must_check_;

void ng_notifier_look(struct ng_notifier *notifier, const struct ng_view *view);

/* Others have changed the firewall, which `before` has not seen yet. Who gets in for that who did
 * not is told once it has come to rest, and only of what is still there then: an engine that starts
 * or stops a container writes rules, too. */
void ng_notifier_changed(struct ng_notifier *notifier, const struct ng_result *before,
                         const struct ng_nft_change *change);

/* Something that tells of the world tells nothing, for which reason, or (NULL) tells again. */
void ng_notifier_sight(struct ng_notifier *notifier, const char *what, const char *why);

/* `result`: whose door it was. */
void ng_notifier_knock(struct ng_notifier *notifier, const struct ng_knock *knock,
                       const struct ng_result *result);

void ng_notifier_send(struct ng_notifier *notifier, const struct ng_alert *alert);
/* One without fields, of now. */
void ng_notifier_say(struct ng_notifier *notifier, enum ng_alert_kind kind,
                     enum ng_severity severity, const char *key, bool over, const char *format, ...)
    _printf_(6, 7);

/* What status tells of it: life, sinks, alerts and events; borrowed until the next call of anything
 * in here. */
void ng_notifier_fill(struct ng_notifier *notifier, struct ng_state *state);

#endif
