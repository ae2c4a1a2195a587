/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/notifier.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/act/records_writer.h"
#include "agent/clock.h"
#include "agent/log.h"
#include "netguard/difference.h"

#define SOURCE "alerts"

enum {
    EVENTS = 20,
    SIGHTS = 64,
    MESSAGE_BYTES = 512,
};

/* Something that tells of the world, or has stopped to. */
struct sight {
    char what[128], why[300];
    bool is_gap; /* of what was looked at, else of what is followed */
    bool lost, told;
    uint64_t since_us;
};

/* Of the firewall, by others, that have not come to rest. */
struct changes {
    struct ng_arena *arena; /* NULL: there are none */
    struct ng_result before;
    uint64_t first_us, last_us;
    uint32_t generation;               /* of the ruleset after the last */
    char program[NG_NFT_PROGRAM_SIZE]; /* of the last */
    uint32_t pid;
    char authors[160];
};

struct event {
    struct ng_state_event event;
    char message[240];
};

struct ng_notifier {
    struct ng_notifier_listener listener;
    sd_event *loop;
    sd_event_source *timer;
    bool lines;

    struct ng_law *law; /* of the alerter */
    struct ng_alerter *alerter;

    struct ng_arena *arena; /* of the life */
    struct ng_life life;
    struct ng_records_writer *writer;
    struct ng_error fault; /* of the writer, as it was told of */
    uint64_t due_us;       /* when life has to be looked at again; UINT64_MAX: never */
    bool awaited;          /* a look that was asked for */

    struct changes changes;

    struct sight sights[SIGHTS];
    size_t n_sights;

    struct event events[EVENTS]; /* a ring */
    size_t n_events;             /* ever */
    struct ng_state_event last[EVENTS];
    struct ng_state_sink sinks[NG_ALERTER_SINKS];
    struct ng_state_count counts[NG_ALERT_KINDS];
};

/* -- alerts ---------------------------------------------------------------------------- */

static void remember(struct ng_notifier *notifier, const struct ng_alert *alert) {
    struct event *event = &notifier->events[notifier->n_events++ % EVENTS];
    snprintf(event->message, sizeof(event->message), "%s", alert->message);
    event->event = (struct ng_state_event){alert->time_s, ng_alert_kind_text(alert->kind), NULL};
}

void ng_notifier_send(struct ng_notifier *notifier, const struct ng_alert *alert) {
    remember(notifier, alert);
    ng_alerter_send(notifier->alerter, alert);
}

void ng_notifier_say(struct ng_notifier *notifier, enum ng_alert_kind kind,
                     enum ng_severity severity, const char *key, bool over, const char *format,
                     ...) {
    char message[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    ng_notifier_send(notifier, &(struct ng_alert){
                                   .kind = kind,
                                   .severity = severity,
                                   .time_s = (int64_t)time(NULL),
                                   .message = message,
                                   .key = key,
                                   .over = over,
                               });
}

void ng_notifier_knock(struct ng_notifier *notifier, const struct ng_knock *knock,
                       const struct ng_result *result) {
    char source[NG_ADDR_TEXT], destination[NG_ADDR_TEXT], port[8], count[16];
    char message[MESSAGE_BYTES];
    const char *container = ng_knock_container(knock, result);
    ng_addr_text(knock->source, source);
    ng_addr_text(knock->destination, destination);
    snprintf(port, sizeof(port), "%u", knock->port);
    snprintf(count, sizeof(count), "%u", knock->count);
    snprintf(message, sizeof(message),
             "rule %s: kept %s out of %s%s%s port %s/%s, at least %s times in %d s", knock->rule,
             source, container ? container : "", container ? ", " : "", destination, port,
             ng_proto_text(knock->proto), count, NG_KNOCKS_SPAN_S);
    struct ng_alert alert = {.kind = NG_ALERT_KNOCKS,
                             .severity = NG_LOW,
                             .time_s = (int64_t)time(NULL),
                             .message = message};
    ng_alert_add(&alert, "NETGUARD_RULE", knock->rule);
    ng_alert_add(&alert, "NETGUARD_SOURCE", source);
    ng_alert_add(&alert, "NETGUARD_DESTINATION", destination);
    ng_alert_add(&alert, "NETGUARD_PORT", port);
    ng_alert_add(&alert, "NETGUARD_PROTO", ng_proto_text(knock->proto));
    ng_alert_add(&alert, "NETGUARD_COUNT", count);
    ng_alert_add(&alert, "CONTAINER_NAME", container);
    ng_notifier_send(notifier, &alert);
}

/* -- sight ----------------------------------------------------------------------------- */

static uint64_t seconds(uint64_t count) {
    return count * 1000000;
}

static void forget_changes(struct changes *changes) {
    ng_arena_free(changes->arena);
    *changes = (struct changes){0};
}

static uint64_t at_rest_us(const struct changes *changes) {
    const uint64_t quiet_us = changes->last_us + seconds(NG_FIREWALL_REST_S);
    const uint64_t latest_us = changes->first_us + seconds(NG_FIREWALL_LONGEST_S);
    return quiet_us < latest_us ? quiet_us : latest_us;
}

/* The next time that anything is due: of the life, of what has been lost for a while, or of what
 * has come to rest. */
static void set_timer(struct ng_notifier *notifier) {
    uint64_t due_us = notifier->awaited ? UINT64_MAX : notifier->due_us;
    if (notifier->changes.arena && !notifier->awaited && at_rest_us(&notifier->changes) < due_us)
        due_us = at_rest_us(&notifier->changes);
    for (size_t i = 0; i < notifier->n_sights; i++) {
        const struct sight *sight = &notifier->sights[i];
        const uint64_t told_us = sight->since_us + seconds(NG_SIGHT_LOST_S);
        if (sight->lost && !sight->told && told_us < due_us)
            due_us = told_us;
    }
    if (due_us == UINT64_MAX) {
        (void)sd_event_source_set_enabled(notifier->timer, SD_EVENT_OFF);
        return;
    }
    (void)sd_event_source_set_time(notifier->timer, due_us);
    (void)sd_event_source_set_enabled(notifier->timer, SD_EVENT_ONESHOT);
}

static void say_sight(struct ng_notifier *notifier, struct sight *sight) {
    char message[MESSAGE_BYTES], key[sizeof(sight->what) + 8];
    snprintf(key, sizeof(key), "sight:%s", sight->what);
    if (sight->lost)
        snprintf(message, sizeof(message), "%s is not seen: %s", sight->what, sight->why);
    else
        snprintf(message, sizeof(message), "%s is seen again", sight->what);
    struct ng_alert alert = {
        .kind = sight->lost ? NG_ALERT_SIGHT_LOST : NG_ALERT_SIGHT_REGAINED,
        .severity = NG_HIGH,
        .time_s = (int64_t)time(NULL),
        .message = message,
        .key = key,
        .over = !sight->lost,
    };
    ng_alert_add(&alert, "NETGUARD_SIGHT", sight->what);
    if (sight->lost)
        ng_alert_add(&alert, "NETGUARD_REASON", sight->why);
    sight->told = sight->lost;
    ng_notifier_send(notifier, &alert);
}

/* NULL: no room for another. */
static struct sight *sight_of(struct ng_notifier *notifier, const char *what, bool is_gap) {
    for (size_t i = 0; i < notifier->n_sights; i++)
        if (notifier->sights[i].is_gap == is_gap &&
            strncmp(notifier->sights[i].what, what, sizeof(notifier->sights[i].what) - 1) == 0)
            return &notifier->sights[i];
    if (notifier->n_sights == SIGHTS)
        return NULL;
    struct sight *sight = &notifier->sights[notifier->n_sights++];
    *sight = (struct sight){.is_gap = is_gap};
    snprintf(sight->what, sizeof(sight->what), "%s", what);
    return sight;
}

static void set_sight(struct ng_notifier *notifier, const char *what, bool is_gap,
                      const char *why) {
    struct sight *sight = sight_of(notifier, what, is_gap);
    if (!sight)
        return;
    if (why && !sight->lost)
        sight->since_us = ng_now_us();
    sight->lost = why != NULL;
    if (why)
        snprintf(sight->why, sizeof(sight->why), "%s", why);
    else if (sight->told)
        say_sight(notifier, sight);
}

void ng_notifier_sight(struct ng_notifier *notifier, const char *what, const char *why) {
    set_sight(notifier, what, false, why);
    set_timer(notifier);
}

static void tell_lost(struct ng_notifier *notifier) {
    const uint64_t now = ng_now_us();
    for (size_t i = 0; i < notifier->n_sights; i++) {
        struct sight *sight = &notifier->sights[i];
        if (sight->lost && !sight->told && now - sight->since_us >= seconds(NG_SIGHT_LOST_S))
            say_sight(notifier, sight);
    }
}

static const char *gap_of(const struct ng_result *result, const char *source) {
    for (size_t i = 0; i < result->n_gaps; i++)
        if (strcmp(result->gaps[i].source, source) == 0)
            return result->gaps[i].reason;
    return NULL;
}

static bool is_of_engines(const char *source) {
    return strcmp(source, NG_GAP_ENGINE) == 0 || strcmp(source, "docker") == 0;
}

/* An engine that is away was not asked, which is told of as its own sight; whether it answers is
 * known when it is there again. */
static void look_at_gaps(struct ng_notifier *notifier, const struct ng_view *view) {
    const struct ng_result *result = view->result;
    for (size_t i = 0; i < notifier->n_sights; i++) {
        const struct sight *sight = &notifier->sights[i];
        if (sight->is_gap && !gap_of(result, sight->what) &&
            (view->engines_told || !is_of_engines(sight->what)))
            set_sight(notifier, sight->what, true, NULL);
    }
    for (size_t i = 0; i < result->n_gaps; i++)
        if (view->engines_asked || !is_of_engines(result->gaps[i].source))
            set_sight(notifier, result->gaps[i].source, true,
                      gap_of(result, result->gaps[i].source));
}

/* -- the firewall ---------------------------------------------------------------------- */

static const char *name_of(const struct ng_exposure *exposure) {
    return exposure->container ? exposure->container->name
           : exposure->process ? exposure->process
                               : "this host";
}

/* "iptables, nft": a script calls one of them dozens of times. */
static void add_author(struct changes *changes, const struct ng_nft_change *change) {
    const char *program = change->program[0] ? change->program : "somebody";
    char authors[sizeof(changes->authors)];
    bool named = false;
    for (char *rest = memcpy(authors, changes->authors, sizeof(authors)), *author;
         (author = strsep(&rest, ","));)
        named = named || strcmp(author + strspn(author, " "), program) == 0;
    const size_t used = strlen(changes->authors);
    if (!named && used + strlen(program) + sizeof(", ") <= sizeof(changes->authors))
        sprintf(changes->authors + used, "%s%s", used ? ", " : "", program);
    memcpy(changes->program, program, strlen(program) + 1);
    changes->pid = change->pid;
}

void ng_notifier_changed(struct ng_notifier *notifier, const struct ng_result *before,
                         const struct ng_nft_change *change) {
    struct changes *changes = &notifier->changes;
    const uint64_t now = ng_now_us();
    if (!changes->arena) {
        *changes = (struct changes){.arena = ng_arena_new(), .first_us = now};
        if (!changes->arena || ng_difference_keep(before, changes->arena, &changes->before) < 0) {
            forget_changes(changes);
            return;
        }
    }
    changes->last_us = now + (change->missed ? seconds(NG_FIREWALL_MISSED_S) : 0);
    changes->generation = change->generation;
    add_author(changes, change);
    set_timer(notifier);
}

static void say_difference(struct ng_notifier *notifier, const struct ng_difference *first,
                           size_t others, bool opens) {
    const struct changes *changes = &notifier->changes;
    const struct ng_exposure *exposure = first->exposure;
    char message[MESSAGE_BYTES], pid[16], more[64] = "";
    if (others)
        snprintf(more, sizeof(more), "; and %zu more", others);
    snprintf(
        message, sizeof(message),
        "%s (process %u) changed the firewall, and with it who gets in: port %u/%s of %s from %s "
        "(%s) was %s, is %s%s",
        changes->authors, changes->pid,
        exposure->host_port ? exposure->host_port : exposure->container_port,
        ng_proto_text(exposure->proto), name_of(exposure), first->after->zone,
        first->after->interface, ng_reach_verdict_text(first->before->verdict),
        ng_reach_verdict_text(first->after->verdict), more);
    snprintf(pid, sizeof(pid), "%u", changes->pid);
    struct ng_alert alert = {
        .kind = NG_ALERT_REACH_CHANGED,
        .severity = opens ? NG_MEDIUM : NG_INFO,
        .time_s = (int64_t)time(NULL),
        .message = message,
    };
    ng_alert_add(&alert, "NETGUARD_CHANGED_BY", changes->program);
    ng_alert_add(&alert, "NETGUARD_CHANGED_BY_PID", pid);
    ng_alert_add(&alert, "NETGUARD_SUBJECT", name_of(exposure));
    ng_alert_add(&alert, "NETGUARD_ZONES", first->after->zone);
    if (exposure->container) {
        ng_alert_add(&alert, "CONTAINER_NAME", exposure->container->name);
        ng_alert_add(&alert, "CONTAINER_ID_FULL", exposure->container->id);
    }
    ng_notifier_send(notifier, &alert);
}

/* What the guard decides it was told to. */
static void compare(struct ng_notifier *notifier, const struct ng_result *now) {
    struct changes *changes = &notifier->changes;
    const struct ng_difference *first = NULL;
    struct ng_difference *items;
    size_t count = 0, n = 0;
    bool opens = false;
    if (ng_difference_make(&changes->before, now, changes->arena, &items, &count) < 0)
        count = 0;
    for (size_t i = 0; i < count; i++) {
        if (items[i].by_guard)
            continue;
        n++;
        if (!first || (items[i].opens && !first->opens))
            first = &items[i];
        opens = opens || items[i].opens;
    }
    if (first)
        say_difference(notifier, first, n - 1, opens);
    forget_changes(changes);
}

/* -- findings -------------------------------------------------------------------------- */

static int tell_news(struct ng_notifier *notifier, const struct ng_news *news, size_t count,
                     struct ng_arena *arena) {
    for (size_t i = 0; i < count; i++) {
        struct ng_alert alert;
        int r = ng_alert_of_news(&news[i], (int64_t)time(NULL), arena, &alert);
        if (r < 0)
            return r;
        ng_notifier_send(notifier, &alert);
    }
    return 0;
}

/* Whether anything of it is another than it was, as far as a file has to know. */
static bool has_changed(const struct ng_life *before, const struct ng_life *now, size_t n_news) {
    bool changed = n_news || before->n_records != now->n_records;
    for (size_t i = 0; !changed && i < now->n_records; i++)
        changed = before->records[i].gone_s != now->records[i].gone_s;
    return changed;
}

/* Of several engines those that are there: what their containers had open can be over. */
static int engines_seen(const struct ng_world *world, struct ng_arena *arena,
                        struct ng_strings *ret_seen) {
    const char **endpoints = ng_arena_alloc(arena, world->n_engines, sizeof(*endpoints));
    size_t n = 0;
    if (!endpoints)
        return -ENOMEM;
    for (size_t i = 0; i < world->n_engines; i++)
        if (!world->engines[i].away)
            endpoints[n++] = world->engines[i].endpoint;
    *ret_seen = (struct ng_strings){endpoints, n};
    return 0;
}

static int advance(struct ng_notifier *notifier, const struct ng_view *view) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    const bool host_seen = ng_view_suffices(view) && !ng_blindness(view->world);
    struct ng_life_options options = {
        .now_s = (int64_t)time(NULL),
        .repeat_s = notifier->law->policy->alerts.repeat_s,
        .host_seen = host_seen,
        .containers_seen = host_seen && view->engines_told,
    };
    struct ng_life now;
    struct ng_news *news;
    size_t count;
    int64_t next_s;
    int r = arena ? 0 : -ENOMEM;
    if (r == 0 && host_seen)
        r = engines_seen(view->world, arena, &options.engines_seen);
    if (r == 0)
        r = ng_life_advance(&notifier->life, view->result, &options, arena, &now, &news, &count,
                            &next_s);
    if (r == 0)
        r = tell_news(notifier, news, count, arena);
    if (r < 0)
        return r;
    bool changed = has_changed(&notifier->life, &now, count);
    ng_arena_free(notifier->arena);
    notifier->arena = TAKE_PTR(arena);
    notifier->life = now;
    notifier->due_us = next_s == INT64_MAX ? UINT64_MAX
                       : next_s <= options.now_s
                           ? ng_now_us()
                           : ng_now_us() + seconds((uint64_t)(next_s - options.now_s));
    if (changed)
        ng_records_writer_put(notifier->writer, &notifier->life);
    return 0;
}

void ng_notifier_look(struct ng_notifier *notifier, const struct ng_view *view) {
    if (advance(notifier, view) < 0)
        ng_log(SOURCE ": out of memory: findings are looked at again with the next change");
    notifier->awaited = false;
    look_at_gaps(notifier, view);
    tell_lost(notifier);
    struct changes *changes = &notifier->changes;
    if (changes->arena && ng_now_us() >= at_rest_us(changes)) {
        if ((int32_t)(view->generation - changes->generation) >= 0 && !ng_blindness(view->world))
            compare(notifier, view->result);
        else /* it has not been looked at yet */
            changes->first_us = changes->last_us = ng_now_us();
    }
    set_timer(notifier);
}

static bool is_due(const struct ng_notifier *notifier) {
    const uint64_t now = ng_now_us();
    return now >= notifier->due_us ||
           (notifier->changes.arena && now >= at_rest_us(&notifier->changes));
}

static int on_timer(sd_event_source *source, uint64_t time_us, void *context) {
    struct ng_notifier *notifier = context;
    (void)source, (void)time_us;
    tell_lost(notifier);
    if (is_due(notifier)) {
        notifier->awaited = true;
        notifier->listener.due(notifier->listener.context);
    }
    set_timer(notifier);
    return 0;
}

/* -- what status tells ------------------------------------------------------------------ */

static size_t fill_events(struct ng_notifier *notifier) {
    const size_t n = notifier->n_events < EVENTS ? notifier->n_events : EVENTS;
    for (size_t i = 0; i < n; i++) {
        const struct event *event = &notifier->events[(notifier->n_events - n + i) % EVENTS];
        notifier->last[i] = event->event;
        notifier->last[i].message = event->message;
    }
    return n;
}

/* Told once, and again only where it has become another. */
static void look_at_writer(struct ng_notifier *notifier) {
    struct ng_error fault;
    ng_records_writer_fault(notifier->writer, &fault);
    if (fault.message[0] && strcmp(fault.message, notifier->fault.message) != 0)
        ng_log("%s: %s", fault.source, fault.message);
    notifier->fault = fault;
}

void ng_notifier_fill(struct ng_notifier *notifier, struct ng_state *state) {
    const uint64_t *counts = ng_alerter_counts(notifier->alerter);
    look_at_writer(notifier);
    state->life = &notifier->life;
    state->life_error = notifier->fault.message[0] ? notifier->fault.message : NULL;
    state->events = notifier->last;
    state->n_events = fill_events(notifier);
    state->n_sinks = ng_alerter_sinks(notifier->alerter, notifier->sinks);
    state->sinks = notifier->sinks;
    for (size_t i = 0; i < NG_ALERT_KINDS; i++)
        notifier->counts[i] =
            (struct ng_state_count){ng_alert_kind_text((enum ng_alert_kind)i), counts[i]};
    state->alerts = notifier->counts;
    state->n_alerts = NG_ALERT_KINDS;
}

/* -- beginning and end ------------------------------------------------------------------ */

/* Is what we write to stderr in the journal, as an entry without fields? systemd.exec(5) */
static bool log_is_journal(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

static bool is_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool are_equal(const struct ng_alerts *a, const struct ng_alerts *b) {
    return a->journal == b->journal && is_text(a->syslog_address, b->syslog_address) &&
           a->syslog_facility == b->syslog_facility && is_text(a->webhook_url, b->webhook_url) &&
           is_text(a->webhook_token_file, b->webhook_token_file) &&
           a->webhook_format == b->webhook_format && a->min_severity == b->min_severity &&
           a->repeat_s == b->repeat_s;
}

/* One that tells the same goes on, with what waits in it. */
int ng_notifier_follow(struct ng_notifier *notifier, struct ng_law *law, struct ng_error *error) {
    const struct ng_alerter_options options = {
        .alerts = &law->policy->alerts,
        .lines = notifier->lines || !law->policy->alerts.journal || !log_is_journal(),
    };
    struct ng_alerter *alerter;
    if (notifier->alerter && are_equal(&notifier->law->policy->alerts, &law->policy->alerts))
        return 0;
    int r = ng_alerter_new(notifier->loop, &options, &alerter, error);
    if (r < 0)
        return r;
    ng_alerter_free(notifier->alerter);
    ng_law_unref(notifier->law);
    notifier->alerter = alerter;
    notifier->law = ng_law_ref(law);
    return 0;
}

static void read_records(struct ng_notifier *notifier) {
    struct ng_error error = {0};
    if (ng_records_read(notifier->arena, &notifier->life, &error) == 0)
        return;
    notifier->life = (struct ng_life){0};
    ng_log("%s: %s", error.source, error.message);
}

int ng_notifier_new(sd_event *loop, struct ng_law *law, bool lines,
                    const struct ng_notifier_listener *listener, struct ng_notifier **ret_notifier,
                    struct ng_error *error) {
    struct ng_notifier *notifier = calloc(1, sizeof(*notifier));
    if (!notifier)
        return ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    notifier->listener = *listener;
    notifier->loop = sd_event_ref(loop);
    notifier->lines = lines;
    notifier->due_us = UINT64_MAX;
    notifier->arena = ng_arena_new();
    int r = notifier->arena ? sd_event_add_time(loop, &notifier->timer, CLOCK_MONOTONIC, 0, 1000,
                                                on_timer, notifier)
                            : -ENOMEM;
    if (r >= 0)
        r = sd_event_source_set_enabled(notifier->timer, SD_EVENT_OFF);
    if (r < 0)
        ng_error_set(error, r, SOURCE, "cannot be prepared: %s", strerror(-r));
    if (r >= 0)
        r = ng_notifier_follow(notifier, law, error);
    if (r >= 0)
        r = ng_records_writer_new(&notifier->writer, error);
    if (r < 0) {
        ng_notifier_free(notifier);
        return r;
    }
    read_records(notifier);
    *ret_notifier = notifier;
    return 0;
}

void ng_notifier_free(struct ng_notifier *notifier) {
    if (!notifier)
        return;
    sd_event_source_disable_unref(notifier->timer);
    forget_changes(&notifier->changes);
    ng_records_writer_free(notifier->writer);
    ng_alerter_free(notifier->alerter);
    ng_law_unref(notifier->law);
    ng_arena_free(notifier->arena);
    sd_event_unref(notifier->loop);
    free(notifier);
}
