/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/life.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/judge/parts.h"

struct advance {
    const struct ng_life *before;
    const struct ng_result *result;
    const struct ng_life_options *options;
    struct ng_arena *arena;
    struct ng_record *records;
    size_t n_records;
    struct ng_news *news;
    size_t n_news;
    bool *seen; /* of the records before */
    int64_t next_s;
    bool no_memory;
};

const char *ng_change_text(enum ng_change change) {
    static const char *const texts[] = {
        [NG_CHANGE_OPENED] = "opened",     [NG_CHANGE_CHANGED] = "changed",
        [NG_CHANGE_BLOCKED] = "blocked",   [NG_CHANGE_EXCEPTED] = "excepted",
        [NG_CHANGE_EXPIRED] = "expired",   [NG_CHANGE_RESOLVED] = "resolved",
        [NG_CHANGE_REMINDED] = "reminded",
    };
    return texts[change];
}

/* -- memory, which is asked for once at the end whether it was there ---------------------- */

static const char *copy(struct advance *advance, const char *text) {
    const char *own = text ? ng_arena_strdup(advance->arena, text) : NULL;
    if (text && !own)
        advance->no_memory = true;
    return own;
}

static const char **texts_new(struct advance *advance, size_t count) {
    const char **texts = ng_arena_alloc(advance->arena, count, sizeof(*texts));
    if (!texts)
        advance->no_memory = true;
    return texts;
}

static const char *join(struct advance *advance, const char *const *texts, size_t count,
                        const char *between) {
    size_t size = 1, used = 0;
    for (size_t i = 0; i < count; i++)
        size += strlen(texts[i]) + strlen(between);
    char *joined = ng_arena_alloc(advance->arena, size, 1);
    if (!joined) {
        advance->no_memory = true;
        return "";
    }
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(joined + used, size - used, "%s%s", i ? between : "", texts[i]);
    return joined;
}

/* -- things: findings that are one to a person ---------------------------------------------- */

struct part {
    char thing[17];
    size_t at; /* in the result's findings: the worst first */
};

static void name_thing(const struct ng_finding *finding, char ret_hex[static 17]) {
    const struct ng_exposure *exposure = finding->exposure;
    const struct ng_container *container = finding->container;
    if (!exposure) {
        const char *const texts[] = {finding->id, finding->rule, finding->about};
        ng_hash_text(ret_hex, texts, ARRAY_SIZE(texts));
        return;
    }
    const char *name = !container ? "" : container->service ? container->service : container->name;
    char ports[32];
    snprintf(ports, sizeof(ports), "%u:%u/%u", exposure->host_port, exposure->container_port,
             exposure->proto);
    const char *const texts[] = {finding->id, finding->rule, ng_kind_text(exposure->kind), name,
                                 ports};
    ng_hash_text(ret_hex, texts, ARRAY_SIZE(texts));
}

static int compare_parts(const void *left, const void *right) {
    const struct part *a = left, *b = right;
    int order = strcmp(a->thing, b->thing);
    return order ? order : (a->at > b->at) - (a->at < b->at);
}

/* How much gets in, from the zones that it is about. */
static enum ng_reach_verdict verdict_of(const struct ng_finding *finding) {
    static const enum ng_reach_verdict worst_first[] = {NG_REACHABLE, NG_PARTLY, NG_UNKNOWN};
    const struct ng_exposure *exposure = finding->exposure;
    if (!exposure)
        return finding->verdict;
    for (size_t i = 0; i < ARRAY_SIZE(worst_first); i++)
        for (size_t k = 0; k < exposure->n_reach; k++)
            if (exposure->reach[k].verdict == worst_first[i] &&
                ng_strings_contain(finding->zones, exposure->reach[k].zone))
                return worst_first[i];
    return NG_BLOCKED;
}

/* An open one makes the thing open, a blocked one blocked, whatever the others are; of two that are
 * open it is the wider. */
static unsigned badness_of(const struct ng_finding *finding) {
    static const unsigned of_state[] = {[NG_OPEN] = 8, [NG_STATE_BLOCKED] = 4, [NG_EXCEPTED] = 0};
    static const unsigned of_verdict[] = {
        [NG_BLOCKED] = 0, [NG_UNKNOWN] = 1, [NG_PARTLY] = 2, [NG_REACHABLE] = 3};
    return of_state[finding->state] + of_verdict[verdict_of(finding)];
}

static const struct ng_finding *worst_of(const struct advance *advance, const struct part *parts,
                                         size_t count) {
    const struct ng_finding *findings = advance->result->findings, *worst = &findings[parts->at];
    for (size_t k = 1; k < count; k++)
        if (badness_of(&findings[parts[k].at]) > badness_of(worst))
            worst = &findings[parts[k].at];
    return worst;
}

static int compare_texts(const void *left, const void *right) {
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

/* Sorted: which of the findings is the first says nothing. */
static const char *zones_of(struct advance *advance, const struct part *parts, size_t count,
                            enum ng_finding_state state) {
    const struct ng_finding *findings = advance->result->findings;
    size_t most = 0, n = 0, distinct = 0;
    for (size_t k = 0; k < count; k++)
        most += findings[parts[k].at].zones.count;
    const char **zones = texts_new(advance, most);
    if (!zones)
        return "";
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < findings[parts[k].at].zones.count; i++)
            if (findings[parts[k].at].state == state)
                zones[n++] = findings[parts[k].at].zones.items[i];
    if (n)
        qsort(zones, n, sizeof(*zones), compare_texts);
    for (size_t i = 0; i < n; i++)
        if (distinct == 0 || strcmp(zones[i], zones[distinct - 1]) != 0)
            zones[distinct++] = zones[i];
    return join(advance, zones, distinct, ", ");
}

static const char *keys_of(struct advance *advance, const struct part *parts, size_t count) {
    const char **keys = texts_new(advance, count);
    if (!keys)
        return "";
    for (size_t k = 0; k < count; k++)
        keys[k] = advance->result->findings[parts[k].at].key;
    return join(advance, keys, count, " ");
}

/* -- records ------------------------------------------------------------------------------- */

static int compare_records(const void *left, const void *right) {
    const struct ng_record *a = left, *b = right;
    return strcmp(a->thing, b->thing);
}

static const struct ng_record *record_before(const struct advance *advance, const char *thing) {
    const struct ng_record wanted = {.thing = thing};
    return advance->before->n_records
               ? bsearch(&wanted, advance->before->records, advance->before->n_records,
                         sizeof(wanted), compare_records)
               : NULL;
}

/* The port of a service is open on every node: it is of no one engine. */
static const char *engine_of(const struct ng_world *world, const struct ng_container *container) {
    for (size_t i = 0; i < world->n_engines; i++) {
        const struct ng_engine *engine = &world->engines[i];
        if (engine->n_containers && container >= engine->containers &&
            container < engine->containers + engine->n_containers)
            return engine->endpoint;
    }
    return NULL;
}

static struct ng_record record_of(struct advance *advance, const struct part *parts, size_t count) {
    const struct ng_finding *finding = worst_of(advance, parts, count);
    static const struct ng_exposure none = {0};
    const struct ng_exposure *exposure = finding->exposure ? finding->exposure : &none;
    const struct ng_container *container = finding->container;
    return (struct ng_record){
        .thing = copy(advance, parts->thing),
        .key = copy(advance, advance->result->findings[parts->at].key),
        .keys = keys_of(advance, parts, count),
        .id = copy(advance, finding->id),
        .rule = copy(advance, finding->rule),
        .subject = copy(advance, finding->subject),
        .message = copy(advance, finding->message),
        .fix = copy(advance, finding->fix),
        .severity = finding->severity,
        .action = finding->action,
        .state = finding->state,
        .verdict = verdict_of(finding),
        .kind = finding->exposure ? copy(advance, ng_kind_text(exposure->kind)) : NULL,
        .proto = exposure->proto,
        .host_port = exposure->host_port,
        .container_port = exposure->container_port,
        .container_id = container ? copy(advance, container->id) : NULL,
        .container_name = container ? copy(advance, container->name) : NULL,
        .image = container ? copy(advance, container->image) : NULL,
        .service = container ? copy(advance, container->service) : NULL,
        .engine = container ? copy(advance, engine_of(advance->result->world, container)) : NULL,
        .zones = zones_of(advance, parts, count, finding->state),
    };
}

static struct ng_record copy_of(struct advance *advance, const struct ng_record *record) {
    struct ng_record own = *record;
    const char **const texts[] = {
        &own.thing,   &own.key,     &own.keys,   &own.id,    &own.rule,         &own.subject,
        &own.message, &own.fix,     &own.kind,   &own.zones, &own.container_id, &own.container_name,
        &own.image,   &own.service, &own.engine,
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        *texts[i] = copy(advance, *texts[i]);
    return own;
}

/* -- news ---------------------------------------------------------------------------------- */

static void tell(struct advance *advance, enum ng_change change, struct ng_record *record) {
    record->told_s = advance->options->now_s;
    advance->news[advance->n_news++] = (struct ng_news){change, *record};
}

static void look_again_at(struct advance *advance, int64_t time_s) {
    if (time_s < advance->next_s)
        advance->next_s = time_s;
}

static enum ng_change change_into(const struct ng_record *before, enum ng_finding_state state) {
    if (state == NG_STATE_BLOCKED)
        return NG_CHANGE_BLOCKED;
    if (state == NG_EXCEPTED)
        return NG_CHANGE_EXCEPTED;
    return before && before->state == NG_EXCEPTED ? NG_CHANGE_EXPIRED : NG_CHANGE_OPENED;
}

/* What lies in the future was noted before the clock was set back. */
static int64_t earlier(int64_t time_s, int64_t now_s) {
    return time_s < now_s ? time_s : now_s;
}

/* Of what was not looked at whole it is not known that it is another than it was. */
static bool may_be_as_before(const struct advance *advance, const struct ng_record *record) {
    return !advance->options->host_seen && record->state == NG_OPEN &&
           record->verdict == NG_UNKNOWN;
}

/* A port that may be a container's, whose engine has not told of it or has forgotten it a moment
 * ago: when that has come to rest it is known whose it is. */
static bool is_unidentified(const struct ng_finding *finding) {
    return finding->exposure && finding->exposure->unidentified;
}

/* A container's own address is told of only where its port is not published. While an engine takes
 * a container down or makes it anew, the port is not for a moment. */
static bool stands_in(const struct advance *advance, const struct ng_finding *finding) {
    const struct ng_exposure *exposure = finding->exposure;
    if (!exposure || exposure->kind != NG_KIND_DIRECT)
        return false;
    for (size_t i = 0; i < advance->before->n_records; i++) {
        const struct ng_record *gone = &advance->before->records[i];
        if (!advance->seen[i] && gone->container_name &&
            strcmp(gone->container_name, exposure->container->name) == 0 &&
            gone->container_port == exposure->container_port && gone->proto == exposure->proto &&
            strcmp(gone->rule, finding->rule) == 0)
            return true;
    }
    return false;
}

/* Found, and perhaps not for long: told of if it stays. */
static bool is_waited_for(const struct advance *advance, const struct part *parts, size_t count,
                          const struct ng_record *record) {
    const struct ng_finding *finding = worst_of(advance, parts, count);
    return (is_unidentified(finding) || stands_in(advance, finding)) &&
           advance->options->now_s - record->since_s < NG_LIFE_GONE_S;
}

static void take_thing(struct advance *advance, const struct part *parts, size_t count) {
    const struct ng_life_options *options = advance->options;
    const struct ng_record *before = record_before(advance, parts->thing);
    struct ng_record *record = &advance->records[advance->n_records++];
    *record = record_of(advance, parts, count);
    record->since_s = options->now_s;
    if (before) {
        if (may_be_as_before(advance, record)) {
            *record = copy_of(advance, before);
            record->gone_s = 0;
        }
        record->since_s = earlier(before->since_s, options->now_s);
        record->told_s = earlier(before->told_s, options->now_s);
        record->key = copy(advance, before->key);
    }
    if (advance->no_memory)
        return;

    /* Not the message: it also tells of addresses, which a container changes when it is made anew,
     * and of interfaces. */
    bool other =
        before && (strcmp(before->zones, record->zones) != 0 ||
                   before->verdict != record->verdict || before->severity != record->severity);
    bool repeats = record->state == NG_OPEN && options->repeat_s;
    const bool untold = !before || !before->told_s;
    if (untold && is_waited_for(advance, parts, count, record)) {
        look_again_at(advance, record->since_s + NG_LIFE_GONE_S);
        return;
    }
    if (untold || before->state != record->state)
        tell(advance, change_into(untold ? NULL : before, record->state), record);
    else if (other)
        tell(advance, NG_CHANGE_CHANGED, record);
    else if (repeats && options->now_s - record->told_s >= options->repeat_s)
        tell(advance, NG_CHANGE_REMINDED, record);
    if (repeats)
        look_again_at(advance, record->told_s + options->repeat_s);
}

/* Was all looked at that could tell of it? */
static bool is_looked_for(const struct advance *advance, const struct ng_record *record) {
    const struct ng_life_options *options = advance->options;
    if (!record->container_name)
        return options->host_seen;
    return options->containers_seen ||
           (record->engine && ng_strings_contain(options->engines_seen, record->engine));
}

static bool is_gone_for_good(const struct advance *advance, const struct ng_record *record) {
    const struct ng_life_options *options = advance->options;
    return is_looked_for(advance, record) && record->gone_s > 0 &&
           record->gone_s <= options->now_s && options->now_s - record->gone_s >= NG_LIFE_GONE_S;
}

/* What is not found any more: for good, if it stays so for a while. */
static void take_leave(struct advance *advance, const struct ng_record *before) {
    const struct ng_life_options *options = advance->options;
    const bool seen = is_looked_for(advance, before);
    if (!before->told_s) /* nobody knows of it */
        return;
    struct ng_record record = copy_of(advance, before);
    record.since_s = earlier(before->since_s, options->now_s);
    record.told_s = earlier(before->told_s, options->now_s);
    if (!seen) {
        if (record.gone_s)
            record.gone_s = NG_LIFE_GONE_BEFORE;
    } else if (record.gone_s <= 0 || record.gone_s > options->now_s) {
        record.gone_s = options->now_s;
    } else if (is_gone_for_good(advance, before)) {
        tell(advance, NG_CHANGE_RESOLVED, &record);
        return;
    }
    advance->records[advance->n_records++] = record;
    if (seen)
        look_again_at(advance, record.gone_s + NG_LIFE_GONE_S);
}

static int prepare(struct advance *advance) {
    size_t before = advance->before->n_records, most = before + advance->result->n_findings;
    advance->records = ng_arena_alloc(advance->arena, most, sizeof(*advance->records));
    advance->news = ng_arena_alloc(advance->arena, most, sizeof(*advance->news));
    advance->seen = ng_arena_alloc(advance->arena, before, sizeof(*advance->seen));
    return advance->records && advance->news && advance->seen ? 0 : -ENOMEM;
}

static int take_findings(struct advance *advance) {
    const size_t n = advance->result->n_findings;
    struct part *parts = ng_arena_alloc(advance->arena, n, sizeof(*parts));
    if (!parts)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        name_thing(&advance->result->findings[i], parts[i].thing);
        parts[i].at = i;
    }
    if (n)
        qsort(parts, n, sizeof(*parts), compare_parts);
    for (size_t i = 0; i < n; i++) {
        const struct ng_record *before = record_before(advance, parts[i].thing);
        if (before)
            advance->seen[before - advance->before->records] = true;
    }
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && strcmp(parts[end].thing, parts[i].thing) == 0;)
            end++;
        take_thing(advance, parts + i, end - i);
    }
    return 0;
}

/* The worst first, and what is over last. */
static int compare_news(const void *left, const void *right) {
    const struct ng_news *a = left, *b = right;
    bool a_over = a->change == NG_CHANGE_RESOLVED, b_over = b->change == NG_CHANGE_RESOLVED;
    if (a_over != b_over)
        return a_over ? 1 : -1;
    if (a->record.severity != b->record.severity)
        return a->record.severity > b->record.severity ? -1 : 1;
    int order = strcmp(a->record.subject, b->record.subject);
    return order ? order : strcmp(a->record.thing, b->record.thing);
}

int ng_life_advance(const struct ng_life *before, const struct ng_result *result,
                    const struct ng_life_options *options, struct ng_arena *arena,
                    struct ng_life *ret_now, struct ng_news **ret_news, size_t *ret_count,
                    int64_t *ret_next_s) {
    struct advance advance = {.before = before,
                              .result = result,
                              .options = options,
                              .arena = arena,
                              .next_s = INT64_MAX};
    int r = prepare(&advance);
    if (r < 0)
        return r;
    r = take_findings(&advance);
    if (r < 0)
        return r;
    for (size_t i = 0; i < before->n_records; i++)
        if (!advance.seen[i])
            take_leave(&advance, &before->records[i]);
    if (advance.no_memory)
        return -ENOMEM;
    if (advance.n_news)
        qsort(advance.news, advance.n_news, sizeof(*advance.news), compare_news);
    if (advance.n_records)
        qsort(advance.records, advance.n_records, sizeof(*advance.records), compare_records);
    *ret_now = (struct ng_life){advance.records, advance.n_records};
    *ret_news = advance.news;
    *ret_count = advance.n_news;
    *ret_next_s = advance.next_s;
    return 0;
}
