/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/trace.h"

#include "policy/judge/parts.h"
#include "policy/reach/route.h"

#include <errno.h>
#include <stdlib.h>

struct container_place {
    struct ng_addr addr;
    size_t order; /* in which the engines tell it: of several containers the first counts */
    const struct ng_container *container;
};

struct ng_tracer {
    struct ng_arena *arena;
    const struct ng_world *world;
    const struct ng_ruleset *ruleset;
    struct ng_engine_state *engine;
    const char *blind;                    /* why nothing can be decided at all, NULL: it can */
    const struct container_place *places; /* sorted by family, address, order */
    size_t n_places;
};

/* -- made ready ---------------------------------------------------------------------- */

static int compare_places(const void *left, const void *right) {
    const struct container_place *a = left, *b = right;
    if (a->addr.family != b->addr.family)
        return a->addr.family < b->addr.family ? -1 : 1;
    if (a->addr.value != b->addr.value)
        return a->addr.value < b->addr.value ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static int add_places(struct ng_tracer *tracer, const struct ng_container *container,
                      struct container_place **places, size_t *count, size_t *capacity) {
    for (size_t i = 0; i < container->n_endpoints; i++) {
        const struct ng_addr addrs[] = {container->endpoints[i].addr4,
                                        container->endpoints[i].addr6};
        for (size_t k = 0; k < ARRAY_SIZE(addrs); k++) {
            if (!addrs[k].family)
                continue;
            struct container_place *place =
                NG_ARENA_APPEND(tracer->arena, *places, *count, *capacity);
            if (!place)
                return -ENOMEM;
            *place = (struct container_place){addrs[k], *count, container};
        }
    }
    return 0;
}

static int list_places(struct ng_tracer *tracer) {
    struct container_place *places = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < tracer->world->n_engines; i++)
        for (size_t k = 0; k < tracer->world->engines[i].n_containers; k++) {
            int r = add_places(tracer, &tracer->world->engines[i].containers[k], &places, &count,
                               &capacity);
            if (r < 0)
                return r;
        }
    if (count)
        qsort(places, count, sizeof(*places), compare_places);
    tracer->places = places;
    tracer->n_places = count;
    return 0;
}

int ng_tracer_new(const struct ng_world *world, const struct ng_ruleset *ruleset,
                  struct ng_tracer **ret_tracer) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_tracer *tracer = arena ? ng_arena_alloc(arena, 1, sizeof(*tracer)) : NULL;
    if (!tracer)
        return -ENOMEM;
    *tracer = (struct ng_tracer){
        .arena = arena,
        .world = world,
        .ruleset = ruleset,
        .blind = ng_blindness(world),
    };
    int r = list_places(tracer);
    if (r == 0)
        r = ng_reach_new(world, ruleset, &tracer->engine);
    if (r < 0)
        return r;
    TAKE_PTR(arena); /* it is the tracer's */
    *ret_tracer = tracer;
    return 0;
}

void ng_tracer_free(struct ng_tracer *tracer) {
    if (!tracer)
        return;
    ng_reach_free(tracer->engine);
    ng_arena_free(tracer->arena);
}

void ng_tracer_freep(struct ng_tracer **tracer) {
    ng_tracer_free(*tracer);
    *tracer = NULL;
}

const struct ng_world *ng_tracer_world(const struct ng_tracer *tracer) {
    return tracer->world;
}

const struct ng_ruleset *ng_tracer_ruleset(const struct ng_tracer *tracer) {
    return tracer->ruleset;
}

const struct ng_engine_state *ng_tracer_engine(const struct ng_tracer *tracer) {
    return tracer->engine;
}

const struct ng_link *ng_world_link(const struct ng_world *world, uint32_t index) {
    return ng_link_find(world, index);
}

/* -- words --------------------------------------------------------------------------- */

const char *ng_target_text(enum ng_target target) {
    static const char *const texts[] = {
        [NG_TARGET_HOST] = "host",
        [NG_TARGET_CONTAINER] = "container",
        [NG_TARGET_FORWARDED] = "forwarded",
    };
    return texts[target];
}

const char *ng_trace_verdict_text(enum ng_trace_verdict verdict) {
    static const char *const texts[] = {
        [NG_DELIVERED] = "delivered",
        [NG_DROPPED] = "dropped",
        [NG_TRACE_UNKNOWN] = "unknown",
    };
    return texts[verdict];
}

bool ng_proto_has_ports(uint8_t proto) {
    enum { DCCP = 33, UDPLITE = 136 }; /* IANA */
    return proto == NG_TCP || proto == NG_UDP || proto == NG_SCTP || proto == DCCP ||
           proto == UDPLITE;
}

/* -- where packets end --------------------------------------------------------------- */

static bool gets_in(const struct ng_outcome *outcome) {
    return outcome->fate == NG_FATE_LOCAL || outcome->fate == NG_FATE_FORWARDED;
}

const struct ng_container *ng_tracer_container(const struct ng_tracer *tracer,
                                               struct ng_addr addr) {
    const struct container_place wanted = {.addr = addr};
    size_t lo = 0, hi = tracer->n_places;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (compare_places(&tracer->places[middle], &wanted) < 0)
            lo = middle + 1;
        else
            hi = middle;
    }
    bool found = lo < tracer->n_places && ng_addr_equal(tracer->places[lo].addr, addr);
    return found ? tracer->places[lo].container : NULL;
}

/* The world lists them by protocol and port. */
static size_t first_listener(const struct ng_world *world, uint8_t proto, uint16_t port) {
    size_t lo = 0, hi = world->n_listeners;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        const struct ng_listener *listener = &world->listeners[middle];
        if (listener->proto < proto || (listener->proto == proto && listener->port < port))
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

static void find_listener(const struct ng_world *world, const struct ng_question *question,
                          struct ng_ending *ending) {
    uint8_t proto = question->proto;
    if (!world->listeners_read || (proto != NG_TCP && proto != NG_UDP && proto != NG_SCTP))
        return;
    ending->listening = NG_LISTENING_NO;
    for (size_t i = first_listener(world, proto, ending->dport); i < world->n_listeners; i++) {
        const struct ng_listener *listener = &world->listeners[i];
        if (listener->proto != proto || listener->port != ending->dport)
            return;
        if (ng_listener_takes(listener, question->family, proto, ending->daddr, ending->dport,
                              question->iif)) {
            ending->listening = NG_LISTENING_YES;
            ending->listener = listener;
            return;
        }
    }
}

static struct ng_ending make_ending(const struct ng_tracer *tracer,
                                    const struct ng_question *question,
                                    const struct ng_outcome *outcome) {
    struct ng_ending ending = {
        .daddr = outcome->daddr,
        .dport = outcome->dport,
        .outcome = outcome,
        .region = outcome->region,
    };
    if (outcome->fate == NG_FATE_LOCAL) {
        ending.target = NG_TARGET_HOST;
        find_listener(tracer->world, question, &ending);
        return ending;
    }
    ending.oif = outcome->oif;
    ending.container =
        ng_tracer_container(tracer, (struct ng_addr){question->family, outcome->daddr});
    ending.target = ending.container ? NG_TARGET_CONTAINER : NG_TARGET_FORWARDED;
    return ending;
}

static bool same_ending(const struct ng_ending *ending, const struct ng_outcome *outcome) {
    return (ending->target == NG_TARGET_HOST) == (outcome->fate == NG_FATE_LOCAL) &&
           ending->daddr == outcome->daddr && ending->dport == outcome->dport &&
           (ending->target == NG_TARGET_HOST || ending->oif == outcome->oif);
}

static int list_endings(const struct ng_tracer *tracer, const struct ng_question *question,
                        struct ng_arena *arena, struct ng_trace *trace) {
    struct ng_ending *endings = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < trace->answer.n_outcomes; i++) {
        const struct ng_outcome *outcome = &trace->answer.outcomes[i];
        if (!gets_in(outcome))
            continue;
        size_t k = 0;
        while (k < count && !same_ending(&endings[k], outcome))
            k++;
        if (k < count && !question->one_source) {
            int r = ng_region_union(arena, endings[k].region, outcome->region, &endings[k].region);
            if (r < 0)
                return r;
        }
        if (k < count)
            continue;
        struct ng_ending *ending = NG_ARENA_APPEND(arena, endings, count, capacity);
        if (!ending)
            return -ENOMEM;
        *ending = make_ending(tracer, question, outcome);
    }
    trace->endings = endings;
    trace->n_endings = count;
    return 0;
}

/* -- what could not be decided ------------------------------------------------------- */

/* Lists what may make a difference to somebody in `doubt`; NULL: to the one packet there is. */
static int list_unsure(const struct ng_tracer *tracer, struct ng_arena *arena,
                       const struct ng_addrset *doubt, struct ng_trace *trace) {
    const struct ng_answer *answer = &trace->answer;
    const char **items = ng_arena_alloc(arena, answer->n_undecided, sizeof(*items));
    size_t n = 0;
    int r = items ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < answer->n_undecided; i++) {
        struct ng_addrset concerned = {0};
        if (doubt)
            r = ng_region_addrs(arena, answer->undecided[i].region, &concerned);
        if (r == 0 && doubt)
            r = ng_addrset_intersect(arena, concerned, *doubt, &concerned);
        if (r == 0 && (!doubt || !ng_addrset_empty(concerned)))
            r = ng_undecided_text(arena, tracer->ruleset, &answer->undecided[i], &items[n++]);
    }
    if (r == 0)
        trace->unsure = ng_sort_texts(items, n);
    return r;
}

static int conclude_blind(const struct ng_tracer *tracer, const struct ng_question *question,
                          struct ng_arena *arena, struct ng_trace *trace) {
    const char **reason = ng_arena_alloc(arena, 1, sizeof(*reason));
    if (!reason)
        return -ENOMEM;
    reason[0] = tracer->blind;
    trace->packet = NG_TRACE_UNKNOWN;
    trace->reach = NG_UNKNOWN;
    trace->unsure = (struct ng_strings){reason, 1};
    return ng_addrset_range(arena, 0, ng_family_max(question->family), &trace->maybe);
}

/* -- one packet ---------------------------------------------------------------------- */

static int conclude_packet(const struct ng_tracer *tracer, const struct ng_question *question,
                           struct ng_arena *arena, struct ng_trace *trace) {
    const struct ng_answer *answer = &trace->answer;
    bool in = false, out = false;
    for (size_t i = 0; i < answer->n_outcomes; i++) {
        bool anywhere = answer->outcomes[i].fate == NG_FATE_ANYWHERE;
        in |= anywhere || gets_in(&answer->outcomes[i]);
        out |= anywhere || !gets_in(&answer->outcomes[i]);
    }
    trace->packet = in && out ? NG_TRACE_UNKNOWN : in ? NG_DELIVERED : NG_DROPPED;
    int r = list_endings(tracer, question, arena, trace);
    if (r < 0)
        return r;
    if (trace->n_endings)
        trace->decisive = trace->endings[0].outcome;
    else if (answer->n_outcomes)
        trace->decisive = &answer->outcomes[0];
    bool doubt = trace->packet == NG_TRACE_UNKNOWN || trace->n_endings > 1;
    return doubt && answer->n_undecided ? list_unsure(tracer, arena, NULL, trace) : 0;
}

/* -- everybody ----------------------------------------------------------------------- */

static ng_u128 lowest_source(struct ng_region region) {
    ng_u128 lowest = ~(ng_u128)0;
    for (size_t i = 0; i < region.count; i++)
        if (region.bands[i].addrs.intervals[0].lo < lowest)
            lowest = region.bands[i].addrs.intervals[0].lo;
    return lowest;
}

/* Of those who get in, or where nobody may of those who do not, the outcome of the lowest
 * address. */
static const struct ng_outcome *find_decisive(const struct ng_trace *trace) {
    const struct ng_outcome *best = NULL;
    for (size_t i = 0; i < trace->answer.n_outcomes; i++) {
        const struct ng_outcome *outcome = &trace->answer.outcomes[i];
        bool candidate = trace->n_endings ? gets_in(outcome) : outcome->fate != NG_FATE_NO_ROUTE;
        if (candidate && (!best || lowest_source(outcome->region) < lowest_source(best->region)))
            best = outcome;
    }
    return best;
}

/* Who ends at one place for certain: for whom nothing else is possible. */
static int weigh_ending(const struct ng_answer *answer, struct ng_arena *arena,
                        struct ng_ending *ending) {
    struct ng_region certain = ending->region, doubtful;
    int r = 0;
    for (size_t i = 0; r == 0 && i < answer->n_outcomes; i++)
        if (!gets_in(&answer->outcomes[i]) || !same_ending(ending, &answer->outcomes[i]))
            r = ng_region_subtract(arena, certain, answer->outcomes[i].region, &certain);
    if (r == 0)
        r = ng_region_addrs(arena, certain, &ending->sources);
    if (r == 0)
        r = ng_region_subtract(arena, ending->region, certain, &doubtful);
    return r < 0 ? r : ng_region_addrs(arena, doubtful, &ending->maybe);
}

/* Everybody, and those of them whom routing lets in. */
static int find_everybody(const struct ng_tracer *tracer, const struct ng_question *question,
                          struct ng_arena *arena, struct ng_addrset *ret_everybody,
                          struct ng_addrset *ret_routable) {
    bool ip6 = question->family == NG_IP6;
    struct ng_addrset everybody[2], routable[2];
    int r = ng_addrset_range(arena, 0, ng_family_max(NG_IP4), &everybody[0]);
    if (r == 0)
        r = ng_addrset_range(arena, 0, ng_family_max(NG_IP6), &everybody[1]);
    if (r == 0)
        r = ng_routable_sources(tracer->world, ng_link_find(tracer->world, question->iif), arena,
                                everybody, routable);
    if (r < 0)
        return r;
    *ret_everybody = everybody[ip6];
    *ret_routable = routable[ip6];
    return 0;
}

/* `source` NULL: of everybody. */
static int weigh(const struct ng_tracer *tracer, const struct ng_question *question,
                 const ng_u128 *source, struct ng_arena *arena, struct ng_trace *trace) {
    const struct ng_answer *answer = &trace->answer;
    struct split split = {0};
    struct ng_region certain;
    struct ng_addrset who, routable;
    struct admitted admitted;
    int r = source ? ng_addrset_range(arena, *source, *source, &who)
                   : find_everybody(tracer, question, arena, &who, &routable);
    if (r == 0 && source)
        routable = who;
    for (size_t i = 0; r == 0 && i < answer->n_outcomes; i++) {
        bool in = gets_in(&answer->outcomes[i]);
        r = ng_split_take(arena, &answer->outcomes[i], in, !in, &split);
    }
    if (r == 0)
        r = ng_split_certain(arena, &split, &certain);
    if (r == 0)
        r = ng_weigh(arena, certain, split.in, who, routable, &admitted);
    if (r < 0)
        return r;
    trace->reach = admitted.verdict;
    trace->sources = admitted.sources;
    trace->maybe = admitted.maybe;
    return ng_source_ports(arena, admitted.certain, &trace->source_ports, &trace->n_source_ports);
}

static int conclude_reach(const struct ng_tracer *tracer, const struct ng_question *question,
                          const ng_u128 *source, struct ng_arena *arena, struct ng_trace *trace) {
    int r = weigh(tracer, question, source, arena, trace);
    if (r == 0)
        r = list_endings(tracer, question, arena, trace);
    struct ng_addrset doubt = trace->maybe;
    for (size_t i = 0; r == 0 && i < trace->n_endings; i++) {
        struct ng_ending *ending = (struct ng_ending *)&trace->endings[i];
        r = weigh_ending(&trace->answer, arena, ending);
        if (r == 0)
            r = ng_addrset_union(arena, doubt, ending->maybe, &doubt);
    }
    if (r < 0)
        return r;
    trace->decisive = find_decisive(trace);
    return trace->answer.n_undecided ? list_unsure(tracer, arena, &doubt, trace) : 0;
}

int ng_trace(const struct ng_tracer *tracer, const struct ng_question *question,
             struct ng_arena *arena, struct ng_trace *ret_trace) {
    struct ng_trace trace = {0};
    int r;
    if (tracer->blind) {
        r = conclude_blind(tracer, question, arena, &trace);
    } else {
        r = ng_reach_ask(tracer->engine, question, arena, &trace.answer);
        if (r == 0)
            r = question->one_source ? conclude_packet(tracer, question, arena, &trace)
                                     : conclude_reach(tracer, question, NULL, arena, &trace);
    }
    if (r == 0)
        *ret_trace = trace;
    return r;
}

/* -- everybody's answer for one of them ----------------------------------------------- */

/* Keeps of `items` those that concern somebody in `who`, and says it of them alone. */
#define NARROW(arena, type, items, count, who)                                                     \
    ({                                                                                             \
        type *_own = ng_arena_alloc((arena), (count), sizeof(*_own));                              \
        size_t _kept = 0;                                                                          \
        int _r = _own ? 0 : -ENOMEM;                                                               \
        for (size_t _i = 0; _r == 0 && _i < (count); _i++) {                                       \
            _own[_kept] = (items)[_i];                                                             \
            _r = ng_region_intersect((arena), (items)[_i].region, (who), &_own[_kept].region);     \
            _kept += _r == 0 && !ng_region_empty(_own[_kept].region);                              \
        }                                                                                          \
        (items) = _own;                                                                            \
        (count) = _kept;                                                                           \
        _r;                                                                                        \
    })

static int narrow(struct ng_arena *arena, ng_u128 source, struct ng_answer *answer) {
    struct ng_addrset addr;
    struct ng_region who;
    int r = ng_addrset_range(arena, source, source, &addr);
    if (r == 0)
        r = ng_region_make(arena, 0, UINT16_MAX, addr, &who);
    if (r == 0)
        r = NARROW(arena, struct ng_outcome, answer->outcomes, answer->n_outcomes, who);
    if (r == 0)
        r = NARROW(arena, struct ng_undecided, answer->undecided, answer->n_undecided, who);
    if (r == 0)
        r = NARROW(arena, struct ng_step, answer->steps, answer->n_steps, who);
    for (size_t i = 0; r == 0 && i < answer->n_steps; i++) {
        struct ng_step *step = (struct ng_step *)&answer->steps[i];
        r = ng_region_intersect(arena, step->doubted, who, &step->doubted);
        step->doubtful = !ng_region_empty(step->doubted);
    }
    return r;
}

/* Does IP refuse the source itself, whatever the rules say? Answers about everybody leave that
 * out of account. */
static bool is_refused(const struct ng_answer *answer) {
    for (size_t i = 0; i < answer->n_outcomes; i++)
        if (answer->outcomes[i].fate != NG_FATE_NO_ROUTE)
            return false;
    return answer->n_outcomes > 0;
}

int ng_trace_from(const struct ng_tracer *tracer, const struct ng_question *question,
                  ng_u128 source, struct ng_arena *arena, struct ng_trace *ret_trace) {
    enum { SOME_PORT = 40000 }; /* routing does not care */
    struct ng_question one = *question;
    struct ng_trace trace = {0};
    if (tracer->blind)
        return ng_trace(tracer, question, arena, ret_trace);
    one.one_source = true;
    one.saddr = source;
    one.sport = SOME_PORT;
    int r = ng_reach_ask(tracer->engine, &one, arena, &trace.answer);
    if (r == 0 && !is_refused(&trace.answer)) {
        r = ng_reach_ask(tracer->engine, question, arena, &trace.answer);
        if (r == 0)
            r = narrow(arena, source, &trace.answer);
    }
    if (r == 0)
        r = conclude_reach(tracer, question, &source, arena, &trace);
    if (r == 0)
        *ret_trace = trace;
    return r;
}
