/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/manager.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "agent/act/keeper.h"
#include "agent/act/knocks.h"
#include "agent/act/metrics.h"
#include "agent/act/state.h"
#include "agent/clock.h"
#include "agent/log.h"
#include "agent/notifier.h"
#include "agent/observe/docker_client.h"
#include "agent/observe/docker_events.h"
#include "agent/observe/link_events.h"
#include "agent/observe/nft_events.h"
#include "agent/observe/ruleset_change.h"
#include "agent/observe/unannounced.h"
#include "agent/prediction.h"
#include "agent/refresh.h"

enum {
    SOON_US = 20 * 1000,       /* between refreshes that events ask for */
    LATER_US = 1000 * 1000,    /* and those that changes of others' rules do */
    POLL_US = 2 * 1000 * 1000, /* for what nobody announces, */
    POLL_SOON_US = 100 * 1000, /* at first, after a start: who was started may listen later */
    STATE_US = 100 * 1000,     /* changes that are told of at once in status.json */
    ENGINES_MAX = 32,
    ENGINES_US = 5 * 1000 * 1000,
    /* After a look at everything the next, though nothing was told of: where there is what the
     * kernel does not announce at all, and elsewhere, should anything have been missed. No more of
     * the time is spent on that than one part of so many. */
    SLOWLY_US = 10 * 1000 * 1000,
    SELDOM_US = 300 * 1000 * 1000,
    SPARING = 100,
    /* And when an engine that is there did not tell of everything: soon, then ever more rarely. */
    RETRY_US = 1000 * 1000,
    MOST_US = 30 * 1000 * 1000,
};

/* What alerts are about that are no finding. */
#define GUARD_KEY  "guard"
#define POLICY_KEY "policy"
#define MISSED_KEY "notifications"
#define HOST_SIGHT "this host"

struct engine {
    struct manager *manager;
    const char *endpoint;
    struct ng_docker_events *events;
    struct ng_docker_connections *connections;
    bool connected;
    bool missed;         /* it is not, and should be: somebody named it, or it was there */
    struct ng_error why; /* it is not */
};

struct manager {
    const struct ng_manager_options *options;
    struct ng_law *law;
    struct ng_law *law_before; /* while another is being put in force; NULL: none is */
    sd_event *loop;
    sd_event_source *sources[10];
    size_t n_sources;

    struct engine engines[ENGINES_MAX];
    size_t n_engines;
    struct ng_nft_events *nft;
    struct ng_link_events *links;
    bool missed; /* notifications, and it was not looked at since */
    struct ng_knocks *knocks;
    uint64_t digest; /* of what nobody announces */
    sd_event_source *poll;
    uint64_t poll_us; /* till the next */
    struct ng_keeper keeper;

    struct ng_notifier *notifier;
    struct ng_state_counters counters;
    int64_t started_s;
    uint64_t started_us;

    struct ng_refresh *refresh;
    const char *asked[ENGINES_MAX]; /* by the refresh that runs: endpoints, */
    struct ng_docker_connections *connections[ENGINES_MAX];
    bool all_asked;       /* of all engines */
    uint64_t retry_us;    /* after which they were asked again; 0: they had told */
    bool reload_refused;  /* the last one */
    struct ng_view *view; /* the last */
    struct ng_view *told; /* the last in which all engines have told; NULL: none yet */
    bool other_law;       /* than it began with */
    sd_event_source *until_timer;

    sd_event_source *state_timer, *engines_timer;
    struct ng_error policy_error, guard_error, knocks_error, poll_error, state_error;
    struct ng_error metrics_error, refresh_error, warning;
    int64_t refresh_s;
    uint64_t refresh_us;
};

static int64_t now_s(void) {
    return (int64_t)time(NULL);
}

/* Told once, and again only where it has become another. */
static void fault(struct ng_error *told, const struct ng_error *error) {
    if (strcmp(told->message, error->message) == 0)
        return;
    *told = *error;
    if (error->message[0])
        ng_log("%s%s%s", error->source, error->source[0] ? ": " : "", error->message);
}

static void over(struct ng_error *told) {
    *told = (struct ng_error){0};
}

static bool enforces(const struct manager *manager) {
    return manager->law->policy->mode == NG_ENFORCE;
}

/* -- what it says of itself ---------------------------------------------------------- */

static const char *message_of(const struct ng_error *error) {
    return error->message[0] ? error->message : NULL;
}

static void write_state(struct manager *manager) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_state_engine engines[ENGINES_MAX];
    struct ng_guard_installed installed;
    struct ng_error error = {0}, metrics_error = {0};
    for (size_t i = 0; i < manager->n_engines; i++)
        engines[i] = (struct ng_state_engine){
            .endpoint = manager->engines[i].endpoint,
            .connected = manager->engines[i].connected,
            .why = manager->engines[i].connected ? NULL : message_of(&manager->engines[i].why),
        };
    bool seen = arena && ng_guard_table_look(manager->keeper.table, arena, &installed, NULL) == 0;
    const struct ng_view *view = manager->view;
    struct ng_state state = {
        .version = NETGUARD_VERSION,
        .pid = getpid(),
        .started_s = manager->started_s,
        .time_s = now_s(),
        .policy = manager->law->files->summary,
        .mode = manager->law->policy->mode,
        .policy_error = message_of(&manager->policy_error),
        .installed = seen ? &installed : NULL,
        .kept_by_systemd = manager->keeper.kept,
        .guard_error = message_of(&manager->guard_error),
        .knocks_error = message_of(&manager->knocks_error),
        .engines = engines,
        .n_engines = manager->n_engines,
        .limits = view->guard.limits,
        .n_exposures = view->result->n_exposures,
        .complete = view->result->complete,
        .gaps = view->result->gaps,
        .n_gaps = view->result->n_gaps,
        .warnings = view->world->warnings,
        .n_warnings = view->world->n_warnings,
        .refresh_s = manager->refresh_s,
        .refresh_ms = manager->refresh_us / 1000,
        .counters = manager->counters,
    };
    ng_notifier_fill(manager->notifier, &state);
    if (ng_state_write(&state, &error) < 0)
        fault(&manager->state_error, &error);
    else
        over(&manager->state_error);
    if (ng_metrics_write(manager->options->metrics_file, &state, &metrics_error) < 0)
        fault(&manager->metrics_error, &metrics_error);
    else
        over(&manager->metrics_error);
}

static int on_state_timer(sd_event_source *source, uint64_t time_us, void *context) {
    (void)source, (void)time_us;
    write_state(context);
    return 0;
}

/* Something of it has changed: soon, and once for all that changes meanwhile. */
static void tell(struct manager *manager) {
    int enabled = SD_EVENT_OFF;
    (void)sd_event_source_get_enabled(manager->state_timer, &enabled);
    if (enabled != SD_EVENT_OFF)
        return;
    (void)sd_event_source_set_time_relative(manager->state_timer, STATE_US);
    (void)sd_event_source_set_enabled(manager->state_timer, SD_EVENT_ONESHOT);
}

/* -- the guard ----------------------------------------------------------------------- */

static int check_sight(const struct ng_view *view, struct ng_error *error) {
    if (ng_view_suffices(view))
        return 0;
    return ng_error_set(error, -ENODATA, "guard",
                        "sockets, links or rules of this host could not be read (netguard check "
                        "tells why): it stays as it is");
}

/* Before any engine has told of its containers, those that were let in stay: by the policy that was
 * in force when they were. From then on they are known. */
static int install(struct manager *manager, const struct ng_view *view, size_t *ret_count,
                   struct ng_error *error) {
    int r = check_sight(view, error);
    if (r == 0)
        r = ng_keeper_install(&manager->keeper, &view->guard,
                              manager->told || view->engines_told || manager->other_law, ret_count,
                              error);
    if (r == 0 && *ret_count) {
        ng_log("guard: %zu %s, in force", *ret_count, *ret_count == 1 ? "change" : "changes");
        /* Of our own changes we are not told, and what they come to is to be judged, too. */
        ng_refresh_want_in(manager->refresh, LATER_US);
    }
    return r;
}

static int take_away(struct manager *manager, struct ng_error *error) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_guard_installed installed;
    if (!arena)
        return ng_error_set(error, -ENOMEM, "guard", "out of memory");
    int r = ng_guard_table_look(manager->keeper.table, arena, &installed, error);
    if (r < 0 || installed.hold == NG_GUARD_ABSENT || installed.hold == NG_GUARD_FOREIGN)
        return r;
    r = ng_guard_table_remove(manager->keeper.table, error);
    if (r == 0)
        ng_log("guard: taken away, for the policy's mode is monitor");
    return r;
}

static void fault_of_guard(struct manager *manager, const struct ng_error *error) {
    if (strcmp(manager->guard_error.message, error->message) == 0)
        return;
    manager->guard_error = *error;
    ng_notifier_say(manager->notifier, NG_ALERT_GUARD_FAILED, NG_CRITICAL, GUARD_KEY, false,
                    "the guard is not as it should be: %s", error->message);
}

/* How much of it was another than it should be. */
static size_t enforce(struct manager *manager, const struct ng_view *view) {
    struct ng_error error = {0};
    size_t count = 0;
    int r = enforces(manager) ? install(manager, view, &count, &error) : take_away(manager, &error);
    if (r < 0) {
        fault_of_guard(manager, &error);
    } else if (manager->guard_error.message[0]) {
        over(&manager->guard_error);
        ng_notifier_say(manager->notifier, NG_ALERT_GUARD_REGAINED, NG_CRITICAL, GUARD_KEY, true,
                        "the guard is as it should be again");
    }
    return count;
}

/* Told when there is one, or it has become another. */
static void warn(struct manager *manager, const struct ng_world *world) {
    struct ng_error warning = {0};
    if (world->n_warnings)
        ng_error_set(&warning, 0, world->warnings[0].source, "%s", world->warnings[0].text);
    fault(&manager->warning, &warning);
}

/* -- refreshes ----------------------------------------------------------------------- */

static void want(struct manager *manager, uint64_t apart_us) {
    ng_refresh_want(manager->refresh, apart_us);
}

/* Only engines that are followed are asked: those that are away would be waited for, or started.
 * One that is being stopped still tells of its containers' end, and takes no new connection. */
static struct ng_law *on_begins(struct ng_observe_options *ret_where, void *context) {
    struct manager *manager = context;
    size_t n = 0;
    for (size_t i = 0; i < manager->n_engines; i++)
        if (manager->engines[i].connected) {
            manager->connections[n] = manager->engines[i].connections;
            manager->asked[n++] = manager->engines[i].endpoint;
        }
    manager->all_asked = n == manager->n_engines;
    *ret_where = (struct ng_observe_options){
        .endpoints = manager->asked,
        .n_endpoints = n,
        .connections = manager->connections,
        .capabilities = manager->law->policy->habits[NG_HABIT_CAPABILITIES].asked,
        .without_engines = n == 0,
        .told = manager->told ? manager->told->world : NULL,
    };
    return manager->law;
}

/* For the next time that an exception ends. */
static void set_until(struct manager *manager) {
    const struct ng_policy *policy = manager->law->policy;
    const int64_t now = now_s();
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < policy->n_exceptions; i++)
        if (policy->exceptions[i].until_s > now && policy->exceptions[i].until_s < next)
            next = policy->exceptions[i].until_s;
    if (next == INT64_MAX) {
        (void)sd_event_source_set_enabled(manager->until_timer, SD_EVENT_OFF);
        return;
    }
    (void)sd_event_source_set_time(manager->until_timer, (uint64_t)next * 1000000);
    (void)sd_event_source_set_enabled(manager->until_timer, SD_EVENT_ONESHOT);
}

static int on_until(sd_event_source *source, uint64_t time_us, void *context) {
    struct manager *manager = context;
    (void)source, (void)time_us;
    ng_log("policy: an exception has ended");
    want(manager, 0);
    set_until(manager);
    return 0;
}

/* What a repair puts back, and what engines that are away have told. */
static void keep_view(struct manager *manager, struct ng_view *view) {
    struct ng_view *before = manager->view, *told = manager->told;
    ng_ruleset_forget_rules(view->world);
    manager->view = view;
    if (view->engines_told)
        manager->told = view;
    if (told != manager->told && told != before)
        ng_view_free(told);
    if (before != manager->told)
        ng_view_free(before);
    else
        ng_view_forget_judgement(before);
}

/* Whom to tell is the policy's, too. */
static void follow_law(struct manager *manager) {
    struct ng_error error = {0};
    if (ng_notifier_follow(manager->notifier, manager->law, &error) < 0)
        ng_log("%s: %s; alerts go where they went before", error.source, error.message);
}

/* A policy that was read, and what becomes of it. */
static void end_reload(struct manager *manager) {
    if (!manager->law_before)
        return;
    ng_law_unref(TAKE_PTR(manager->law_before));
    follow_law(manager);
    ng_notifier_say(manager->notifier, NG_ALERT_RELOADED,
                    manager->reload_refused ? NG_HIGH : NG_INFO, POLICY_KEY, true,
                    "policy: read again, mode %s", enforces(manager) ? "enforce" : "monitor");
    manager->reload_refused = false;
    (void)sd_notify(0, "READY=1\nSTATUS=the policy was read again and is in force");
}

static void refuse_reload(struct manager *manager, const struct ng_error *why) {
    over(&manager->policy_error);
    manager->policy_error = *why;
    manager->reload_refused = true;
    ng_notifier_say(manager->notifier, NG_ALERT_RELOAD_FAILED, NG_HIGH, POLICY_KEY, false,
                    "policy: not reloaded, the old one stays: %s", why->message);
    (void)sd_notifyf(0, "READY=1\nSTATUS=the policy was not reloaded, the old one stays: %s",
                     why->message);
}

/* Is the policy that was read put in force? Else the old one is again. */
static bool accept_reload(struct manager *manager, const struct ng_view *view) {
    struct ng_error error = {0};
    if (!manager->law_before || !enforces(manager) || ng_prediction_keeps_ssh(view, &error) == 0)
        return true;
    ng_law_unref(manager->law);
    manager->law = TAKE_PTR(manager->law_before);
    refuse_reload(manager, &error);
    set_until(manager);
    return false;
}

/* What containers have open looks like this host's own as long as no engine has told of them. */
static void notify(struct manager *manager, const struct ng_view *view) {
    if (manager->told || ng_now_us() - manager->started_us >= ENGINES_US)
        ng_notifier_look(manager->notifier, view);
}

static void on_due(void *context) {
    struct manager *manager = context;
    want(manager, 0);
}

static int on_engines_timer(sd_event_source *source, uint64_t time_us, void *context) {
    (void)source, (void)time_us;
    on_due(context);
    return 0;
}

/* More was told of than there was room for; all is looked at anew. */
static void tell_missed(struct manager *manager, const char *what) {
    manager->counters.overruns++;
    if (manager->missed)
        return;
    manager->missed = true;
    ng_notifier_say(manager->notifier, NG_ALERT_SIGHT_LOST, NG_LOW, MISSED_KEY, false,
                    "notifications of %s came faster than they were read: all is looked at anew",
                    what);
}

static void tell_regained(struct manager *manager) {
    if (!manager->missed)
        return;
    manager->missed = false;
    ng_notifier_say(manager->notifier, NG_ALERT_SIGHT_REGAINED, NG_LOW, MISSED_KEY, true,
                    "all has been looked at since notifications were missed");
}

/* Of iptables-legacy and of ipsets nobody is told when they change. */
static uint64_t next_look_us(struct manager *manager, const struct ng_view *view) {
    const struct ng_world *world = view->world;
    if (view->engines_asked && !view->engines_told) {
        const uint64_t retry_us = 2 * manager->retry_us;
        manager->retry_us = retry_us < RETRY_US  ? RETRY_US
                            : retry_us < MOST_US ? retry_us
                                                 : MOST_US;
        return view->duration_us + manager->retry_us;
    }
    manager->retry_us = 0;
    const uint64_t least_us = world->n_xt_tables || world->ipsets.len_bytes ? SLOWLY_US : SELDOM_US;
    const uint64_t sparing_us = view->duration_us * SPARING;
    return sparing_us > least_us ? sparing_us : least_us;
}

static void on_refreshed(struct ng_view *view, const struct ng_error *error, void *context) {
    struct manager *manager = context;
    if (!view) {
        fault(&manager->refresh_error, error);
        ng_notifier_sight(manager->notifier, HOST_SIGHT, error->message);
    } else if (view->law != manager->law || /* a policy that was in force when it began */
               ng_view_is_behind(view, manager->view)) {
        ng_view_free(view);
        want(manager, 0);
    } else if (!accept_reload(manager, view)) {
        ng_view_free(view);
        want(manager, 0);
    } else {
        over(&manager->refresh_error);
        ng_notifier_sight(manager->notifier, HOST_SIGHT, NULL);
        view->engines_asked = manager->all_asked;
        view->engines_told = view->engines_told && manager->all_asked;
        manager->other_law = manager->other_law || manager->law_before;
        manager->refresh_s = view->world->time_s;
        manager->refresh_us = view->duration_us;
        manager->counters.refreshes++;
        (void)enforce(manager, view);
        warn(manager, view->world);
        keep_view(manager, view);
        end_reload(manager);
        notify(manager, view);
        tell_regained(manager);
        want(manager, next_look_us(manager, view));
    }
    tell(manager);
}

static void set_poll(struct manager *manager, uint64_t within_us) {
    manager->poll_us = within_us < POLL_US ? within_us : POLL_US;
    (void)sd_event_source_set_time_relative(manager->poll, manager->poll_us);
    (void)sd_event_source_set_enabled(manager->poll, SD_EVENT_ONESHOT);
}

/* -- engines ------------------------------------------------------------------------- */

static void on_connected(void *context) {
    struct engine *engine = context;
    engine->connected = true;
    engine->missed = true;
    ng_log("engine %s: followed", engine->endpoint);
    ng_notifier_sight(engine->manager->notifier, engine->endpoint, NULL);
    want(engine->manager, SOON_US);
}

static void on_changed(const struct ng_docker_event *event, void *context) {
    struct engine *engine = context;
    (void)event;
    engine->manager->counters.engine_events++;
    want(engine->manager, SOON_US);
    set_poll(engine->manager, POLL_SOON_US);
}

static void on_lost(int code, const struct ng_error *why, void *context) {
    struct engine *engine = context;
    (void)code;
    engine->connected = false;
    engine->why = *why;
    ng_log("engine %s: away, what it has open stays open: %s", engine->endpoint, why->message);
    if (engine->missed)
        ng_notifier_sight(engine->manager->notifier, engine->endpoint, why->message);
    tell(engine->manager);
}

/* As ng_observe() finds it; one may come later. */
static const char *usual_endpoint(void) {
    bool elsewhere =
        access("/run/docker.sock", F_OK) < 0 && access("/var/run/docker.sock", F_OK) == 0;
    return elsewhere ? "unix:///var/run/docker.sock" : "unix:///run/docker.sock";
}

static int follow(struct manager *manager, const char *endpoint, struct ng_error *error) {
    struct engine *engine = &manager->engines[manager->n_engines++];
    const struct ng_docker_listener listener = {on_connected, on_changed, on_lost, engine};
    engine->manager = manager;
    engine->endpoint = endpoint;
    engine->missed = manager->options->n_endpoints != 0;
    int r = ng_docker_connections_new(&engine->connections);
    if (r < 0)
        return ng_error_set(error, r, endpoint, "out of memory");
    return ng_docker_events_new(manager->loop, endpoint, &listener, &engine->events, error);
}

/* Nothing is connected to before the loop runs. */
static int follow_engines(struct manager *manager, struct ng_error *error) {
    const struct ng_manager_options *options = manager->options;
    int r = 0;
    if (options->n_endpoints == 0)
        return follow(manager, usual_endpoint(), error);
    for (size_t i = 0; r == 0 && i < options->n_endpoints && i < ENGINES_MAX; i++)
        r = follow(manager, options->endpoints[i], error);
    return r;
}

/* -- what changes otherwise ------------------------------------------------------------ */

/* Our table at once, and as it was: nothing has to be looked at for that. */
static void repair(struct manager *manager, const struct ng_nft_change *change) {
    const size_t count = enforce(manager, manager->view);
    if (count && enforces(manager))
        ng_notifier_say(manager->notifier, NG_ALERT_GUARD_REPAIRED, NG_HIGH, NULL, false,
                        "%s (process %u) changed the guard or took it away: put back, %zu %s",
                        change->program[0] ? change->program : "somebody", change->pid, count,
                        count == 1 ? "change" : "changes");
}

/* A few rules are judged at once, and the whole is looked at later all the same. */
static void on_nft_changed(const struct ng_nft_change *change, void *context) {
    struct manager *manager = context;
    struct ng_error error = {0};
    manager->counters.nft_changes++;
    if (change->missed)
        tell_missed(manager, "nf_tables");
    /* While another policy waits to be put in force, the guard is that of the one before. */
    if (change->watched && (manager->view->law == manager->law ||
                            (manager->view->law->policy->mode == NG_ENFORCE && enforces(manager))))
        repair(manager, change);
    ng_notifier_changed(manager->notifier, manager->view->result, change);
    tell(manager);
    if (manager->view->law != manager->law || ng_view_follow(manager->view, change, &error) < 0) {
        want(manager, LATER_US);
        return;
    }
    notify(manager, manager->view);
    ng_refresh_want_in(manager->refresh, LATER_US);
}

/* Interfaces, addresses and routes. */
static void on_links_changed(bool overrun, void *context) {
    struct manager *manager = context;
    manager->counters.link_changes++;
    if (overrun)
        tell_missed(manager, "links and routes");
    want(manager, SOON_US);
}

static void on_knock_came(void *context) {
    tell(context); /* the counters of the rules have changed */
}

static void on_knocked(const struct ng_knock *knock, void *context) {
    struct manager *manager = context;
    ng_notifier_knock(manager->notifier, knock, manager->view->result);
}

static int on_poll(sd_event_source *source, uint64_t time_us, void *context) {
    struct manager *manager = context;
    const struct ng_world *world = manager->view->world;
    struct ng_error error = {0};
    uint64_t digest = 0;
    (void)source, (void)time_us;
    if (ng_unannounced_digest(&manager->view->guard, world->local_port_lo, world->local_port_hi,
                              &digest, &error) < 0)
        fault(&manager->poll_error, &error);
    else
        over(&manager->poll_error);
    if (digest != manager->digest) {
        manager->counters.polls++;
        want(manager, SOON_US);
    }
    manager->digest = digest;
    set_poll(manager, 2 * manager->poll_us);
    return 0;
}

/* -- signals --------------------------------------------------------------------------- */

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *context) {
    struct manager *manager = context;
    struct ng_law *law = NULL;
    struct ng_error error = {0};
    (void)source, (void)info;
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, ng_now_us());
    if (ng_law_read(manager->options->policy, &law, &error) < 0) {
        struct ng_error where = {0};
        char place[32] = "";
        if (error.line)
            snprintf(place, sizeof(place), ":%u:%u", error.line, error.column);
        ng_error_set(&where, -EINVAL, "policy", "%s%s: %s", error.source, place, error.message);
        refuse_reload(manager, &where);
    } else {
        over(&manager->policy_error);
        if (manager->law_before)
            ng_law_unref(manager->law);
        else
            manager->law_before = manager->law;
        manager->law = law;
        set_until(manager);
        want(manager, 0);
    }
    tell(manager);
    return 0;
}

static int on_end(sd_event_source *source, const struct signalfd_siginfo *info, void *context) {
    struct manager *manager = context;
    (void)info;
    (void)sd_notify(0, "STOPPING=1");
    ng_log(enforces(manager) ? "ends; the guard stays in force" : "ends");
    return sd_event_exit(sd_event_source_get_event(source), 0);
}

/* -- beginning ------------------------------------------------------------------------- */

static sd_event_source **new_source(struct manager *manager) {
    return &manager->sources[manager->n_sources++];
}

static int add_timer(struct manager *manager, clockid_t clock, sd_event_time_handler_t handler,
                     sd_event_source **ret_source) {
    sd_event_source **source = new_source(manager);
    int r = sd_event_add_time(manager->loop, source, clock, 0, 1000, handler, manager);
    if (r < 0)
        return r;
    *ret_source = *source;
    return sd_event_source_set_enabled(*source, SD_EVENT_OFF);
}

static int add_signal(struct manager *manager, int number, sd_event_signal_handler_t handler) {
    return sd_event_add_signal(manager->loop, new_source(manager), number, handler, manager);
}

static int prepare_loop(struct manager *manager) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
        return -errno;
    int r = sd_event_new(&manager->loop);
    if (r >= 0)
        r = add_signal(manager, SIGTERM, on_end);
    if (r >= 0)
        r = add_signal(manager, SIGINT, on_end);
    if (r >= 0)
        r = add_signal(manager, SIGHUP, on_reload);
    if (r >= 0)
        r = add_timer(manager, CLOCK_MONOTONIC, on_state_timer, &manager->state_timer);
    if (r >= 0)
        r = add_timer(manager, CLOCK_REALTIME, on_until, &manager->until_timer);
    if (r >= 0)
        r = add_timer(manager, CLOCK_MONOTONIC, on_engines_timer, &manager->engines_timer);
    if (r >= 0)
        r = add_timer(manager, CLOCK_MONOTONIC, on_poll, &manager->poll);
    if (r >= 0)
        set_poll(manager, POLL_SOON_US);
    if (r >= 0)
        r = sd_event_set_watchdog(manager->loop, true);
    return r < 0 ? r : 0;
}

/* What is known without any engine, in force before one is connected to. */
static int install_first(struct manager *manager, struct ng_error *error) {
    const struct ng_observe_options alone = {.without_engines = true};
    size_t count = 0;
    manager->view = ng_view_new(manager->law);
    if (!manager->view)
        return ng_error_set(error, -ENOMEM, "", "out of memory");
    int r = ng_view_look(manager->view, &alone, error);
    if (r < 0)
        return r;
    manager->refresh_s = manager->view->world->time_s;
    manager->refresh_us = manager->view->duration_us;
    warn(manager, manager->view->world);
    if (enforces(manager))
        return install(manager, manager->view, &count, error);
    (void)enforce(manager, manager->view);
    return 0;
}

static int watch_rules(struct manager *manager, struct ng_error *error) {
    const struct ng_nft_listener listener = {
        .family = NFPROTO_INET,
        .table = NG_GUARD_TABLE_NAME,
        .portid = manager->keeper.portid,
        .changed = on_nft_changed,
        .context = manager,
    };
    return ng_nft_events_new(manager->loop, &listener, &manager->nft, error);
}

static int watch_links(struct manager *manager, struct ng_error *error) {
    const struct ng_link_listener listener = {on_links_changed, manager};
    return ng_link_events_new(manager->loop, &listener, &manager->links, error);
}

/* Who knocks is good to know, and no more. */
static void listen_to_knocks(struct manager *manager) {
    const struct ng_knocks_listener listener = {on_knock_came, on_knocked, manager};
    struct ng_error error = {0};
    if (ng_knocks_new(manager->loop, &listener, &manager->knocks, &error) < 0)
        fault(&manager->knocks_error, &error);
}

static int begin(struct manager *manager, struct ng_error *error) {
    const struct ng_refresh_listener listener = {on_begins, on_refreshed, manager};
    const struct ng_notifier_listener notified = {on_due, manager};
    manager->started_s = now_s();
    manager->started_us = ng_now_us();
    int r = prepare_loop(manager);
    if (r < 0)
        return ng_error_set(error, r, "loop", "cannot be prepared: %s", strerror(-r));
    r = ng_notifier_new(manager->loop, manager->law, manager->options->foreground, &notified,
                        &manager->notifier, error);
    if (r == 0)
        r = ng_refresh_new(manager->loop, &listener, &manager->refresh, error);
    if (r == 0)
        r = ng_keeper_open(&manager->keeper, error);
    if (r == 0)
        r = watch_rules(manager, error);
    if (r == 0)
        r = watch_links(manager, error);
    if (r == 0)
        r = follow_engines(manager, error);
    if (r == 0)
        r = install_first(manager, error);
    if (r < 0)
        return r;
    listen_to_knocks(manager);
    set_until(manager);
    (void)sd_event_source_set_time_relative(manager->engines_timer, ENGINES_US);
    (void)sd_event_source_set_enabled(manager->engines_timer, SD_EVENT_ONESHOT);
    write_state(manager);
    ng_log("mode %s, policy %s", enforces(manager) ? "enforce" : "monitor",
           manager->law->files->summary ? manager->law->files->summary : "built in");
    (void)sd_notify(0, "READY=1");
    return 0;
}

static void end(struct manager *manager) {
    ng_notifier_free(manager->notifier); /* first: a refresh may wait for an engine that hangs */
    ng_refresh_free(manager->refresh);
    for (size_t i = 0; i < manager->n_engines; i++) {
        ng_docker_events_free(manager->engines[i].events);
        ng_docker_connections_free(manager->engines[i].connections);
    }
    ng_knocks_free(manager->knocks);
    ng_link_events_free(manager->links);
    ng_nft_events_free(manager->nft);
    ng_keeper_clear(&manager->keeper);
    if (manager->told != manager->view)
        ng_view_free(manager->told);
    ng_view_free(manager->view);
    ng_law_unref(manager->law_before);
    ng_law_unref(manager->law);
    for (size_t i = 0; i < manager->n_sources; i++)
        sd_event_source_disable_unref(manager->sources[i]);
    sd_event_unref(manager->loop);
    free(manager);
}

int ng_manager_run(const struct ng_manager_options *options, struct ng_law *law,
                   struct ng_error *error) {
    struct manager *manager = calloc(1, sizeof(*manager));
    if (!manager)
        return ng_error_set(error, -ENOMEM, "", "out of memory");
    manager->options = options;
    manager->law = ng_law_ref(law);
    int r = begin(manager, error);
    if (r == 0)
        r = sd_event_loop(manager->loop);
    if (r < 0)
        ng_error_set(error, r, "loop", "has ended: %s", strerror(-r));
    end(manager);
    return r;
}
