/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "agent/command/enforcement.h"
#include "agent/print/plan.h"

static enum ng_exit refuse(struct ng_error *error, enum ng_exit status, const char *why) {
    ng_error_set(error, -EPERM, "apply", "%s", why);
    return status;
}

/* Whoever applies a policy keeps the connection that he does it by. */
static enum ng_exit check_session(const struct ng_enforcement *enforcement,
                                  struct ng_error *error) {
    char peer[NG_ADDR_TEXT], local[NG_ADDR_TEXT];
    struct ng_session session;

    if (!ng_session_find(&session) || !ng_enforcement_locks_out(enforcement, &session))
        return NG_EXIT_CLEAN;
    ng_addr_text(session.peer, peer);
    ng_addr_text(session.local, local);
    ng_error_set(error, -EPERM, "apply",
                 "the policy blocks the connection that this command comes by, from %s port %u to "
                 "%s port %u: allow it in the policy, or say --force",
                 peer, session.peer_port, local, session.local_port);
    return NG_EXIT_USAGE;
}

static enum ng_exit check(const struct ng_options *options,
                          const struct ng_enforcement *enforcement, struct ng_error *error) {
    if (enforcement->law->policy->mode != NG_ENFORCE)
        return refuse(error, NG_EXIT_USAGE,
                      "the policy's mode is monitor, which installs nothing: say `mode: enforce` "
                      "in it; `netguard plan` shows what that would do");
    if (!ng_view_suffices(enforcement->view))
        return refuse(error, NG_EXIT_INCOMPLETE,
                      "sockets, links or rules of this host could not be read (netguard check "
                      "tells why): run as root");
    return options->force ? NG_EXIT_CLEAN : check_session(enforcement, error);
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
    if (options->dry_run)
        puts("dry run: nothing was changed");
    else if (n_changes == 0)
        puts("the guard is in force as it was");
    else if (options->for_s)
        printf("the guard is in force for %u seconds; `netguard apply --confirm` keeps it\n",
               options->for_s);
    else
        puts("the guard is in force");
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
