/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "agent/command/enforcement.h"
#include "agent/print/plan.h"

static enum ng_exit refuse(struct ng_error *error, enum ng_exit status, const char *why) {
    ng_error_set(error, -EPERM, "apply", "%s", why);
    return status;
}

static enum ng_exit refuse_session(const struct ng_session *session, struct ng_error *error) {
    char peer[NG_ADDR_TEXT], local[NG_ADDR_TEXT];

    ng_addr_text(session->peer, peer);
    ng_addr_text(session->local, local);
    ng_error_set(error, -EPERM, "apply",
                 "the policy blocks the connection that this command %s by, from %s port %u to %s "
                 "port %u: allow it in the policy, or say --force",
                 session->supposed ? "may come" : "comes", peer, session->peer_port, local,
                 session->local_port);
    return NG_EXIT_USAGE;
}

/* Whoever applies a policy keeps the connection that he does it by. */
static enum ng_exit check_sessions(const struct ng_enforcement *enforcement,
                                   struct ng_error *error) {
    const struct ng_session *locked_out;
    struct ng_session *sessions;
    size_t count;

    if (ng_sessions_find(enforcement->view->arena, &sessions, &count) < 0)
        return refuse(error, NG_EXIT_INCOMPLETE, "out of memory");
    if (ng_prediction_locked_out(&enforcement->then, sessions, count, &locked_out) < 0)
        return refuse(error, NG_EXIT_INCOMPLETE, "out of memory");
    if (locked_out)
        return refuse_session(locked_out, error);
    return NG_EXIT_CLEAN;
}

static enum ng_exit check(const struct ng_options *options,
                          const struct ng_enforcement *enforcement, struct ng_error *error) {
    if (enforcement->law->policy->mode != NG_ENFORCE)
        return refuse(error, NG_EXIT_USAGE,
                      "the policy's mode is monitor, which installs nothing: say `mode: enforce` "
                      "in it; `netguard plan` shows what that would do");
    if (!ng_view_suffices(enforcement->view)) {
        ng_diagnose_gaps(enforcement->view->result->gaps, enforcement->view->result->n_gaps);
        return refuse(error, NG_EXIT_INCOMPLETE,
                      "sockets, links or rules of this host could not be read: run as root");
    }
    if (enforcement->view->guard.withheld)
        return refuse(error, NG_EXIT_USAGE, enforcement->view->guard.withheld);
    return options->force ? NG_EXIT_CLEAN : check_sessions(enforcement, error);
}

/* Something that would have stayed: what runs out does not bring it back. */
static bool replaces_for_good(const struct ng_enforcement *enforcement) {
    struct ng_guard_installed installed;

    return ng_guard_installed_in(&enforcement->view->world->nft, enforcement->view->arena,
                                 &installed, NULL) == 0 &&
           installed.hold == NG_GUARD_FREE && !installed.armed_ms && !installed.expired;
}

static void print_result(const struct ng_options *options, const struct ng_enforcement *enforcement,
                         size_t n_changes) {
    if (options->dry_run)
        puts("dry run: nothing was changed");
    else if (options->for_s)
        printf("the guard is in force for %u seconds; `netguard apply --confirm` keeps it%s\n",
               options->for_s,
               replaces_for_good(enforcement) ? ", else nothing is in force then: the one before "
                                                "does not come back"
                                              : "");
    else if (n_changes == 0)
        puts("the guard is in force as it was");
    else
        puts("the guard is in force");
}

static enum ng_exit apply(const struct ng_options *options, struct ng_enforcement *enforcement,
                          struct ng_error *error) {
    _cleanup_(ng_guard_table_freep) struct ng_guard_table *table = NULL;
    enum ng_exit status = ng_enforcement_make(options, enforcement, error);
    size_t n_changes = 0;

    if (status == NG_EXIT_CLEAN)
        status = check(options, enforcement, error);
    if (status != NG_EXIT_CLEAN)
        return status;
    if (!options->dry_run && (ng_guard_table_open(-1, &table, error) < 0 ||
                              ng_guard_table_install(table, &enforcement->view->guard,
                                                     NG_GUARD_UNOWNED, &n_changes, error) < 0))
        return NG_EXIT_INCOMPLETE;
    ng_print_effects(stdout, "", enforcement->effects, enforcement->n_effects);
    print_result(options, enforcement, n_changes);
    return NG_EXIT_CLEAN;
}

enum ng_exit ng_command_apply(const struct ng_options *options) {
    _cleanup_(ng_enforcement_free) struct ng_enforcement enforcement = {0};
    struct ng_error error = {0};
    enum ng_exit status = apply(options, &enforcement, &error);

    if (error.message[0])
        ng_diagnose(&error);
    return status;
}
