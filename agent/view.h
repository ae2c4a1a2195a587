/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_VIEW_H
#define NETGUARD_AGENT_VIEW_H

/* A policy, what was seen of this host, and the guard that follows from both. */

#include "agent/observe/nft_events.h"
#include "agent/observe/observe.h"
#include "agent/policy_files.h"
#include "netguard/guard.h"

/* A policy that is in force, or was when something was seen. Counted by one thread alone. */
struct ng_law {
    unsigned refs;
    struct ng_policy_files *files;
    struct ng_policy *policy;
};

/* As ng_policy_files_read() and ng_policy_parse(). */
int ng_law_read(const char *file, struct ng_law **ret_law, struct ng_error *error) _must_check_;
struct ng_law *ng_law_ref(struct ng_law *law);
void ng_law_unref(struct ng_law *law);
void ng_law_unrefp(struct ng_law **law);

struct ng_view {
    struct ng_law *law;
    struct ng_arena *arena; /* of the guard */
    struct ng_world *world;
    struct ng_ruleset *ruleset;
    struct ng_result *result;
    uint32_t
        generation; /* of the nf_tables ruleset that was judged, and by how many changes it is */
    unsigned n_followed; /* younger than the dump in `world` */
    struct ng_guard guard;
    bool engines_asked; /* all that are followed, for none is away */
    bool engines_told;  /* every engine that was asked has told of all its containers */
    uint64_t duration_us;
};

/* One in which nothing has been seen yet; NULL: out of memory. */
struct ng_view *ng_view_new(struct ng_law *law) _must_check_;
/* Once for each. On any thread: nothing but the view is touched. */
int ng_view_look(struct ng_view *view, const struct ng_observe_options *where,
                 struct ng_error *error) _must_check_;
/* Of a world and ruleset that are in the view already, the judgement and the guard. */
int ng_view_conclude(struct ng_view *view, const struct ng_guard_options *options,
                     struct ng_error *error) _must_check_;
/* Judges a change of others' rules, and nothing else anew, in a fraction of the time; the guard
 * does not depend on it. Ruleset and result of before live on until the view is freed. -EAGAIN: it
 * takes another look. */
int ng_view_follow(struct ng_view *view, const struct ng_nft_change *change,
                   struct ng_error *error) _must_check_;
/* Has the other one followed a change that had not happened when this one looked? */
bool ng_view_is_behind(const struct ng_view *view, const struct ng_view *other);
/* Was enough seen for a guard? Of a listener that was not seen it is not known that it is this
 * machine's own: what would close too much for want of knowledge is not to be installed. */
bool ng_view_suffices(const struct ng_view *view);
/* Gives back all but the world. */
void ng_view_forget_judgement(struct ng_view *view);
void ng_view_free(struct ng_view *view);
void ng_view_freep(struct ng_view **view);

#endif
