/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_PREDICTION_H
#define NETGUARD_AGENT_PREDICTION_H

/* This host with a view's guard in force: what that comes to is for the reach engine to say, as it
 * says what is. */

#include "agent/act/session.h"
#include "agent/view.h"

struct ng_prediction {
    struct ng_world *world; /* in the view's arena, and borrows from its world */
    struct ng_ruleset *ruleset;
};

/* Starts with all zeroes; to be cleared whatever it returns. 0, -ENOMEM, -EBADMSG. */
int ng_prediction_make(const struct ng_view *view, struct ng_prediction *prediction,
                       struct ng_error *error) _must_check_;
void ng_prediction_clear(struct ng_prediction *prediction);

/* Would the guard drop packets of any of these connections, or perhaps? NULL: of none. What came in
 * by no link that was seen is left out. 0 or -ENOMEM. */
int ng_prediction_locked_out(const struct ng_prediction *prediction,
                             const struct ng_session *sessions, size_t count,
                             const struct ng_session **ret_session) _must_check_;

/* Would it cut off nobody who is logged in by ssh, perhaps to put it in force? -EPERM: it would,
 * and the message says whom; else it cannot be told. */
int ng_prediction_keeps_ssh(const struct ng_view *view, struct ng_error *error) _must_check_;

#endif
