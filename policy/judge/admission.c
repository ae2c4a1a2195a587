/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Who gets in to one exposure: one question to the engine per destination that leads to it
 * and interface it can be asked from; the outcomes that reach it against those that do not. */

/* An outcome, with whether it reaches the exposure. */
struct verdict {
    struct ng_outcome outcome;
    unsigned path; /* enum ng_path bit of the way it went; 0: not towards the exposure */
    bool in;       /* and it arrived there */
};

struct tally {
    struct ng_arena *arena; /* the judgement's scratch */
    struct trail *trail;
    struct ng_region certain, possible;
    struct verdict *verdicts;
    size_t n_verdicts, verdicts_capacity;
    struct ng_undecided *undecided;
    size_t n_undecided, undecided_capacity;
};

/* -- does an outcome get in? ----------------------------------------------------------------------
 */

static bool has_addr(const struct ng_container *container, uint8_t family, ng_u128 addr) {
    for (size_t i = 0; i < container->n_endpoints; i++) {
        struct ng_addr own = ng_endpoint_addr(&container->endpoints[i], family);
        if (own.family && own.value == addr)
            return true;
    }
    return false;
}

/* Its own address, or one that no container tells: a port of a container on an overlay network
 * is published through docker_gwbridge, and its address there stands in no list; one that
 * shares another's network tells none at all. */
static bool leads_to(const struct ng_world *world, const struct ng_container *container,
                     uint8_t family, ng_u128 addr) {
    if (has_addr(container, family, addr))
        return true;
    for (size_t i = 0; i < world->n_engines; i++)
        for (size_t k = 0; k < world->engines[i].n_containers; k++)
            if (has_addr(&world->engines[i].containers[k], family, addr))
                return false;
    return true;
}

/* The engine's daemon may hold a published port's socket without ever accepting, when
 * docker-proxy is switched off, and so does Podman's monitor of a container; the proxies themselves
 * are processes of other names. */
static bool serves(const struct ng_listener *listener) {
    return !ng_listener_is_of(listener, "dockerd") && !ng_listener_is_of(listener, "conmon");
}

/* 1 in, 0 not in, -1 cannot be told. */
static int socket_takes(const struct judgement *judgement, const struct ng_exposure *exposure,
                        const struct ng_outcome *outcome, uint32_t iif) {
    const struct ng_world *world = judgement->world;
    if (exposure->proto == NG_ESP) /* the kernel itself */
        return 1;
    if (!world->listeners_read)
        return -1;
    for (size_t i = 0; i < world->n_listeners; i++)
        if (ng_listener_takes(&world->listeners[i], exposure->family, exposure->proto,
                              outcome->daddr, outcome->dport, iif) &&
            (exposure->kind != NG_KIND_PUBLISHED || serves(&world->listeners[i])))
            return 1;
    return 0;
}

/* Past the hooks that forward, or stopped at one. */
static bool is_forwarded(const struct ng_outcome *outcome) {
    return outcome->fate == NG_FATE_FORWARDED ||
           (outcome->fate == NG_FATE_DROPPED && outcome->hook >= NG_HOOK_FORWARD);
}

/* By address translation, as the engine does it. In the ingress network IPVS takes over. */
static unsigned translated_path(const struct judgement *judgement,
                                const struct ng_exposure *exposure,
                                const struct ng_outcome *outcome) {
    bool ingress = exposure->kind == NG_KIND_INGRESS;
    if (!is_forwarded(outcome) || !outcome->translated ||
        (!ingress && outcome->dport != exposure->container_port) ||
        !leads_to(judgement->world, exposure->container, exposure->family, outcome->daddr))
        return 0;
    return ingress ? NG_PATH_DNAT | NG_PATH_IPVS : NG_PATH_DNAT;
}

int ng_outcome_path(const struct judgement *judgement, const struct ng_exposure *exposure,
                    const struct ng_outcome *outcome, uint32_t iif, unsigned *ret_path) {
    bool at_input = outcome->fate == NG_FATE_LOCAL ||
                    (outcome->fate == NG_FATE_DROPPED && outcome->hook == NG_HOOK_INPUT);
    unsigned path = 0;
    int takes = 1;
    switch (exposure->kind) {
    case NG_KIND_L2:
        path = NG_PATH_L2;
        break;
    case NG_KIND_DIRECT: /* what is stopped before it was forwarded was on the same way */
        if (!at_input && !outcome->translated)
            path = NG_PATH_ROUTE;
        break;
    case NG_KIND_INGRESS: /* the engine's socket for it serves nobody */
        path = translated_path(judgement, exposure, outcome);
        break;
    case NG_KIND_PUBLISHED:
    case NG_KIND_HOST_NETWORK:
    case NG_KIND_HOST:
        if (at_input) {
            takes = socket_takes(judgement, exposure, outcome, iif);
            path = exposure->kind == NG_KIND_PUBLISHED ? NG_PATH_PROXY : NG_PATH_LOCAL;
        } else if (exposure->kind == NG_KIND_PUBLISHED) {
            path = translated_path(judgement, exposure, outcome);
        }
    }
    *ret_path = takes ? path : 0;
    return takes < 0 ? -1 : 0;
}

/* -- asking -------------------------------------------------------------------------- */

static int note_undecided(struct tally *tally, struct ng_undecided undecided) {
    struct ng_undecided *own = NG_ARENA_APPEND(tally->arena, tally->undecided, tally->n_undecided,
                                               tally->undecided_capacity);
    if (!own)
        return -ENOMEM;
    *own = undecided;
    return 0;
}

/* As it came, and as it was then: in between nothing changes but by NAT, and that once. */
static int leave_trail(const struct judgement *judgement, const struct ng_question *question,
                       const struct ng_answer *answer, struct trail *trail) {
    struct header header = {question->daddr, question->daddr, question->dport, question->dport};
    int r = ng_trail_add(judgement->arena, trail, header);
    for (size_t i = 0; r == 0 && i < answer->n_outcomes; i++) {
        header.daddr = answer->outcomes[i].daddr;
        header.dport = answer->outcomes[i].dport;
        trail->anywhere = trail->anywhere || answer->outcomes[i].fate == NG_FATE_ANYWHERE;
        r = ng_trail_add(judgement->arena, trail, header);
    }
    return r;
}

/* One destination: adds to the tally who gets in there. */
static int ask(const struct judgement *judgement, const struct ng_exposure *exposure,
               const struct arrival *arrival, ng_u128 daddr, struct tally *tally) {
    struct ng_question question = {
        .family = exposure->family,
        .proto = exposure->proto,
        .iif = arrival->link->index,
        .daddr = daddr,
        .dport = exposure->host_port ? exposure->host_port : exposure->container_port,
        .below_ip = exposure->kind == NG_KIND_L2,
    };
    struct ng_answer answer;
    int r = ng_reach_ask(judgement->engine, &question, tally->arena, &answer);
    if (r == 0)
        r = leave_trail(judgement, &question, &answer, tally->trail);
    if (r < 0)
        return r;

    struct split split = {0};
    struct ng_region certain;
    for (size_t i = 0; r == 0 && i < answer.n_outcomes; i++) {
        const struct ng_outcome *outcome = &answer.outcomes[i];
        unsigned path;
        bool untold = ng_outcome_path(judgement, exposure, outcome, question.iif, &path) < 0;
        struct verdict *verdict = NG_ARENA_APPEND(tally->arena, tally->verdicts, tally->n_verdicts,
                                                  tally->verdicts_capacity);
        if (!verdict)
            return -ENOMEM;
        bool arrives = outcome->fate == NG_FATE_LOCAL || outcome->fate == NG_FATE_FORWARDED;
        *verdict = (struct verdict){*outcome, path, path && arrives};
        if (untold)
            r = note_undecided(tally, (struct ng_undecided){.rule = NG_NONE,
                                                            .what = "who listens is not known",
                                                            .region = outcome->region});
        if (r == 0)
            r = ng_split_take(tally->arena, outcome, verdict->in, !verdict->in || untold, &split);
    }
    for (size_t i = 0; r == 0 && i < answer.n_undecided; i++)
        r = note_undecided(tally, answer.undecided[i]);
    if (r == 0)
        r = ng_region_union(tally->arena, tally->possible, split.in, &tally->possible);
    if (r == 0)
        r = ng_split_certain(tally->arena, &split, &certain);
    return r < 0 ? r : ng_region_union(tally->arena, tally->certain, certain, &tally->certain);
}

static bool is_link_local6(struct ng_addr addr) {
    return addr.family == NG_IP6 && addr.value >> 118 == 0x3fa; /* fe80::/10 */
}

int ng_exposure_destinations(const struct ng_world *world, const struct ng_engine_state *engine,
                             const struct ng_exposure *exposure, const struct ng_link *link,
                             struct ng_arena *arena, ng_u128 **ret_addrs, size_t *ret_count) {
    if (exposure->kind == NG_KIND_DIRECT && !exposure->host_addr.family)
        return ng_direct_destinations(world, exposure, arena, ret_addrs, ret_count);
    ng_u128 *addrs = ng_arena_alloc(arena, world->n_ifaddrs + 1, sizeof(*addrs));
    if (!addrs)
        return -ENOMEM;
    *ret_addrs = addrs;
    if (!exposure->host_addr.family || !ng_addr_is_any(exposure->host_addr)) {
        addrs[0] =
            exposure->host_addr.family ? exposure->host_addr.value : exposure->container_addr.value;
        *ret_count = 1;
        return 0;
    }
    /* The interface's own first: the answer for them is the one to show. */
    size_t n = 0;
    for (unsigned pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < world->n_ifaddrs; i++) {
            const struct ng_ifaddr *ifaddr = &world->ifaddrs[i];
            bool own = ifaddr->link == link->index;
            if (ifaddr->addr.family == exposure->family && own == (pass == 0) &&
                (own || !is_link_local6(ifaddr->addr)))
                addrs[n++] = ifaddr->addr.value;
        }
    *ret_count = ng_reach_distinct(engine, exposure->family, addrs, n);
    return 0;
}

/* -- deciders ------------------------------------------------------------------------ */

static bool decided(const struct ng_outcome *outcome) {
    return outcome->by_rule != NG_NONE || outcome->by_chain != NG_NONE;
}

static int make_decider(const struct judgement *judgement, const struct ng_outcome *outcome,
                        struct ng_decider *decider) {
    const struct ng_ruleset *ruleset = judgement->ruleset;
    const struct ng_rule *rule =
        outcome->by_rule == NG_NONE ? NULL : &ruleset->rules[outcome->by_rule];
    const struct ng_chain *chain = &ruleset->chains[rule ? rule->chain : outcome->by_chain];
    const struct ng_table *table = &ruleset->tables[chain->table];
    *decider = (struct ng_decider){
        .table = ng_arena_printf(judgement->arena, "%s %s", ng_table_family_text(table->family),
                                 table->name),
        .chain = chain->name,
        .handle = rule ? rule->handle : 0,
        .rule = rule                 ? ng_rule_text(judgement->arena, ruleset, rule)
                : chain->policy_drop ? "policy drop"
                                     : "policy accept",
        .legacy = table->legacy,
    };
    return decider->table && decider->rule ? 0 : -ENOMEM;
}

/* Rules are put in words once, however many exposures they decide. */
int ng_find_decider(const struct judgement *judgement, const struct ng_outcome *outcome,
                    const struct ng_decider **ret_decider) {
    bool rule = outcome->by_rule != NG_NONE;
    if (rule && judgement->deciders[outcome->by_rule]) {
        *ret_decider = judgement->deciders[outcome->by_rule];
        return 0;
    }
    struct ng_decider *own = ng_arena_alloc(judgement->arena, 1, sizeof(*own));
    int r = own ? make_decider(judgement, outcome, own) : -ENOMEM;
    if (r < 0)
        return r;
    if (rule)
        judgement->deciders[outcome->by_rule] = own;
    *ret_decider = own;
    return 0;
}

static int compare_deciders(const void *left, const void *right) {
    const struct ng_decider *a = left, *b = right;
    int order = strcmp(a->table, b->table);
    if (order == 0)
        order = a->legacy - b->legacy;
    if (order == 0)
        order = strcmp(a->chain, b->chain);
    return order ? order : a->handle < b->handle ? -1 : a->handle > b->handle;
}

/* Of those who come from the zone, does this outcome concern any? */
static int concerns(struct tally *tally, struct ng_region region, struct ng_addrset zone,
                    bool *ret_concerns) {
    struct ng_addrset addrs;
    int r = ng_region_addrs(tally->arena, region, &addrs);
    if (r == 0)
        r = ng_addrset_intersect(tally->arena, addrs, zone, &addrs);
    if (r == 0)
        *ret_concerns = !ng_addrset_empty(addrs);
    return r;
}

/* The outcome of the lowest address: of those who get in, or where nobody does of those who
 * are dropped. */
static int first_outcome(struct tally *tally, bool in, struct ng_addrset zone,
                         const struct ng_outcome **ret_outcome) {
    const struct ng_outcome *first = NULL;
    ng_u128 lowest = 0;
    for (size_t i = 0; i < tally->n_verdicts; i++) {
        const struct verdict *verdict = &tally->verdicts[i];
        if (verdict->in != in || (!in && verdict->outcome.fate != NG_FATE_DROPPED))
            continue;
        struct ng_addrset addrs;
        int r = ng_region_addrs(tally->arena, verdict->outcome.region, &addrs);
        if (r == 0)
            r = ng_addrset_intersect(tally->arena, addrs, zone, &addrs);
        if (r < 0)
            return r;
        if (!ng_addrset_empty(addrs) && (!first || addrs.intervals[0].lo < lowest)) {
            first = &verdict->outcome;
            lowest = addrs.intervals[0].lo;
        }
    }
    *ret_outcome = first;
    return 0;
}

static int list_deciders(const struct judgement *judgement, struct tally *tally,
                         const struct arrival *arrival, bool ip6, struct ng_reach *reach) {
    bool any_in = !ng_addrset_empty(reach->sources) || !ng_addrset_empty(reach->maybe);
    const struct ng_outcome *first;
    int r = first_outcome(tally, any_in, arrival->sources[ip6], &first);
    if (r < 0)
        return r;
    if (first && decided(first)) {
        r = ng_find_decider(judgement, first, &reach->decided_by);
        if (r < 0)
            return r;
    }

    struct ng_decider *all = ng_arena_alloc(judgement->arena, tally->n_verdicts, sizeof(*all));
    if (!all)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < tally->n_verdicts; i++) {
        const struct ng_outcome *outcome = &tally->verdicts[i].outcome;
        /* Who admits matters where packets get in, who drops everywhere. */
        bool relevant =
            decided(outcome) && (tally->verdicts[i].in || outcome->fate == NG_FATE_DROPPED);
        if (relevant)
            r = concerns(tally, outcome->region, arrival->sources[ip6], &relevant);
        for (size_t k = 0; relevant && k < i; k++)
            relevant = tally->verdicts[k].outcome.by_rule != outcome->by_rule ||
                       tally->verdicts[k].outcome.by_chain != outcome->by_chain;
        const struct ng_decider *decider;
        if (r == 0 && relevant)
            r = ng_find_decider(judgement, outcome, &decider);
        if (r < 0)
            return r;
        if (relevant)
            all[n++] = *decider;
    }
    if (n)
        qsort(all, n, sizeof(*all), compare_deciders);
    reach->deciders = all;
    reach->n_deciders = n;
    return 0;
}

/* -- what could not be decided ------------------------------------------------------- */

static int list_unsure(const struct judgement *judgement, struct tally *tally,
                       struct ng_reach *reach) {
    if (ng_addrset_empty(reach->maybe) || tally->n_undecided == 0)
        return 0;
    const char **items = ng_arena_alloc(judgement->arena, tally->n_undecided, sizeof(*items));
    if (!items)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < tally->n_undecided; i++) {
        bool relevant = false;
        int r = concerns(tally, tally->undecided[i].region, reach->maybe, &relevant);
        if (r == 0 && relevant)
            r = ng_undecided_text(judgement->arena, judgement->ruleset, &tally->undecided[i],
                                  &items[n++]);
        if (r < 0)
            return r;
    }
    reach->unsure = ng_sort_texts(items, n);
    return 0;
}

/* -- one arrival --------------------------------------------------------------------- */

static int copy_set(struct ng_arena *arena, struct ng_addrset set, struct ng_addrset *ret_set) {
    return ng_addrset_from(arena, set.intervals, set.count, ret_set);
}

static int conclude(const struct judgement *judgement, struct tally *tally,
                    const struct arrival *arrival, bool ip6, struct ng_reach *reach) {
    struct admitted admitted;
    int r = ng_weigh(tally->arena, tally->certain, tally->possible, arrival->sources[ip6],
                     arrival->routable[ip6], &admitted);
    if (r == 0)
        r = copy_set(judgement->arena, admitted.sources, &reach->sources);
    if (r == 0)
        r = copy_set(judgement->arena, admitted.maybe, &reach->maybe);
    if (r == 0)
        r = ng_source_ports(judgement->arena, admitted.certain, &reach->source_ports,
                            &reach->n_source_ports);
    reach->verdict = admitted.verdict;
    if (r == 0)
        r = list_deciders(judgement, tally, arrival, ip6, reach);
    return r < 0 ? r : list_unsure(judgement, tally, reach);
}

/* Nothing can be said: everyone may get in. */
static int conclude_blind(const struct judgement *judgement, const struct arrival *arrival,
                          bool ip6, struct ng_reach *reach) {
    const char **reason = ng_arena_alloc(judgement->arena, 1, sizeof(*reason));
    if (!reason)
        return -ENOMEM;
    reason[0] = judgement->blind;
    reach->verdict = NG_UNKNOWN;
    reach->maybe = arrival->sources[ip6];
    reach->unsure = (struct ng_strings){reason, 1};
    return 0;
}

/* -- host firewalls ------------------------------------------------------------------ */

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Admitted by a rule of ufw's own chains? */
static bool ufw_admits(const struct judgement *judgement, const struct ng_outcome *outcome) {
    if (outcome->by_rule == NG_NONE)
        return false;
    const struct ng_rule *rule = &judgement->ruleset->rules[outcome->by_rule];
    return starts_with(judgement->ruleset->chains[rule->chain].name, "ufw");
}

static void judge_firewalls(const struct judgement *judgement, const struct tally *tally,
                            struct ng_exposure *exposure) {
    for (size_t i = 0; i < tally->n_verdicts; i++) {
        const struct verdict *verdict = &tally->verdicts[i];
        if (!verdict->in)
            continue;
        if (exposure->ufw != NG_FIREWALL_ABSENT && !ufw_admits(judgement, &verdict->outcome))
            exposure->ufw = NG_FIREWALL_BYPASSED;
        /* firewalld lets every packet pass that somebody else has translated. */
        if (exposure->firewalld != NG_FIREWALL_ABSENT && verdict->outcome.translated)
            exposure->firewalld = NG_FIREWALL_BYPASSED;
    }
}

/* -- one exposure -------------------------------------------------------------------- */

static int tally_link(const struct judgement *judgement, struct ng_exposure *exposure,
                      const struct arrival *arrival, struct tally *tally) {
    ng_u128 *addrs;
    size_t n;
    int r = ng_exposure_destinations(judgement->world, judgement->engine, exposure, arrival->link,
                                     tally->arena, &addrs, &n);
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = ask(judgement, exposure, arrival, addrs[i], tally);
        /* Of several addresses the one that somebody gets to is the one to tell. */
        if (exposure->kind == NG_KIND_DIRECT && !ng_region_empty(tally->possible)) {
            exposure->container_addr.value = addrs[i];
            break;
        }
    }
    for (size_t i = 0; r == 0 && i < tally->n_verdicts; i++)
        exposure->paths |= tally->verdicts[i].path;
    if (r == 0)
        judge_firewalls(judgement, tally, exposure);
    return r;
}

int ng_decide_reach(struct judgement *judgement, struct ng_exposure *exposure,
                    struct trail *trail) {
    bool ip6 = exposure->family == NG_IP6;
    struct ng_reach *reach =
        ng_arena_alloc(judgement->arena, judgement->n_arrivals, sizeof(*reach));
    if (!reach)
        return -ENOMEM;
    ng_arena_reset(judgement->scratch);
    exposure->ufw = judgement->ufw[ip6] ? NG_FIREWALL_HONOURED : NG_FIREWALL_ABSENT;
    exposure->firewalld = judgement->firewalld ? NG_FIREWALL_HONOURED : NG_FIREWALL_ABSENT;

    size_t n = 0;
    for (size_t i = 0; i < judgement->n_arrivals; i++) {
        const struct arrival *arrival = &judgement->arrivals[i];
        if (ng_addrset_empty(arrival->sources[ip6]) ||
            !ng_is_asked_from(judgement->policy, exposure, arrival->zone) ||
            !ng_comes_in_by(judgement->world, exposure, arrival->link))
            continue;
        struct ng_reach *own = &reach[n++];
        *own = (struct ng_reach){.zone = arrival->zone, .interface = arrival->link->name};
        int r;
        if (judgement->blind) {
            r = conclude_blind(judgement, arrival, ip6, own);
        } else {
            struct tally tally = {.arena = judgement->scratch, .trail = trail};
            r = tally_link(judgement, exposure, arrival, &tally);
            if (r == 0)
                r = conclude(judgement, &tally, arrival, ip6, own);
        }
        if (r < 0)
            return r;
    }
    exposure->reach = reach;
    exposure->n_reach = n;
    return 0;
}
