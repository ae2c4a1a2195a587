/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/explain.h"

#include "policy/judge/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct explaining {
    const struct ng_tracer *tracer;
    const struct ng_explain_target *target;
    const struct ng_explain_options *options;
    struct ng_arena *arena;
    const struct ng_exposure *exposures; /* all there are */
    size_t n_exposures;
    struct ng_subject *subjects;
    size_t n_subjects, subjects_capacity;
};

/* -- what is meant ------------------------------------------------------------------- */

static int add_subject(struct explaining *explaining, struct ng_exposure exposure, bool exists) {
    struct ng_subject *subject =
        NG_ARENA_APPEND(explaining->arena, explaining->subjects, explaining->n_subjects,
                        explaining->subjects_capacity);
    if (!subject)
        return -ENOMEM;
    *subject = (struct ng_subject){.exposure = exposure, .exists = exists};
    return 0;
}

static bool proto_fits(const struct ng_explain_target *target, uint8_t proto) {
    return target->proto == 0 || target->proto == proto;
}

static bool covers(const struct ng_exposure *exposure, struct ng_addr addr) {
    return exposure->host_addr.family == addr.family &&
           (ng_addr_is_any(exposure->host_addr) || ng_addr_equal(exposure->host_addr, addr));
}

/* Is this exposure among what is meant? */
static bool is_meant(const struct ng_explain_target *target, const struct ng_exposure *exposure) {
    bool own_addr = exposure->kind == NG_KIND_L2;
    /* A container's own addresses on this host are asked about whether anybody gets there or not.
     */
    if (!proto_fits(target, exposure->proto) || exposure->kind == NG_KIND_DIRECT)
        return false;
    if (target->addr.family && own_addr)
        return exposure->container_port == target->port &&
               ng_addr_equal(exposure->container_addr, target->addr);
    if (target->addr.family)
        return exposure->host_port == target->port && covers(exposure, target->addr);
    if (target->container && exposure->container != target->container)
        return false;
    return !target->has_port || exposure->host_port == target->port ||
           exposure->container_port == target->port;
}

static int add_exposures(struct explaining *explaining) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < explaining->n_exposures; i++) {
        struct ng_exposure exposure = explaining->exposures[i];
        if (!is_meant(explaining->target, &exposure))
            continue;
        if (explaining->target->addr.family && exposure.kind != NG_KIND_L2)
            exposure.host_addr = explaining->target->addr;
        r = add_subject(explaining, exposure, true);
    }
    return r;
}

/* Where two sockets or an exposed port and a socket are at one address, the same packets come to
 * both: TCP is what is meant if nothing else is said, and other protocols where it is not there. */
static void keep_one_protocol(struct explaining *explaining) {
    size_t kept = 0;
    bool tcp = false;
    for (size_t i = 0; i < explaining->n_subjects; i++)
        tcp |= explaining->subjects[i].exposure.proto == NG_TCP;
    for (size_t i = 0; tcp && i < explaining->n_subjects; i++)
        if (explaining->subjects[i].exposure.proto == NG_TCP)
            explaining->subjects[kept++] = explaining->subjects[i];
    if (tcp)
        explaining->n_subjects = kept;
}

/* -- a container's own addresses ----------------------------------------------------- */

static int add_own(struct explaining *explaining, const struct ng_container *container,
                   struct ng_addr addr, uint16_t port, uint8_t proto) {
    if (!addr.family)
        return 0;
    return add_subject(explaining,
                       (struct ng_exposure){
                           .kind = NG_KIND_DIRECT,
                           .family = addr.family,
                           .proto = proto,
                           .container = container,
                           .container_addr = addr,
                           .container_port = port,
                       },
                       false);
}

/* The like of port and protocol among the ports published before. */
static bool seen_before(const struct ng_container *container, size_t before) {
    for (size_t i = 0; i < before; i++)
        if (container->published[i].container_port == container->published[before].container_port &&
            container->published[i].proto == container->published[before].proto)
            return true;
    return false;
}

static int add_own_port(struct explaining *explaining, uint16_t port, uint8_t proto) {
    const struct ng_container *container = explaining->target->container;
    int r = 0;
    for (size_t i = 0; r == 0 && i < container->n_endpoints; i++) {
        r = add_own(explaining, container, container->endpoints[i].addr4, port, proto);
        if (r == 0)
            r = add_own(explaining, container, container->endpoints[i].addr6, port, proto);
    }
    return r;
}

static int add_own_addresses(struct explaining *explaining) {
    const struct ng_explain_target *target = explaining->target;
    const struct ng_container *container = target->container;
    int r = 0;
    bool asked = false;
    for (size_t i = 0; r == 0 && i < container->n_published; i++) {
        const struct ng_published *published = &container->published[i];
        bool meant = !target->has_port || published->container_port == target->port ||
                     published->host_port == target->port;
        if (!meant || !proto_fits(target, published->proto) || seen_before(container, i))
            continue;
        asked = true;
        r = add_own_port(explaining, published->container_port, published->proto);
    }
    if (r == 0 && !asked && target->has_port)
        r = add_own_port(explaining, target->port, target->proto ? target->proto : NG_TCP);
    return r;
}

/* -- where nothing is ---------------------------------------------------------------- */

/* ICMP goes by another number in IPv6. */
static uint8_t proto_of(const struct ng_explain_target *target, uint8_t family) {
    if (target->proto == NG_ICMP || target->proto == NG_ICMP6)
        return family == NG_IP4 ? NG_ICMP : NG_ICMP6;
    return target->proto ? target->proto : NG_TCP;
}

static int add_destination(struct explaining *explaining, struct ng_addr addr) {
    const struct ng_explain_target *target = explaining->target;
    const struct ng_container *container = ng_tracer_container(explaining->tracer, addr);
    uint8_t proto = proto_of(target, addr.family);
    if (container)
        return add_own(explaining, container, addr, target->port, proto);
    return add_subject(explaining,
                       (struct ng_exposure){
                           .kind = NG_KIND_HOST,
                           .family = addr.family,
                           .proto = proto,
                           .host_addr = addr,
                           .host_port = target->port,
                       },
                       false);
}

static int find_subjects(struct explaining *explaining) {
    const struct ng_explain_target *target = explaining->target;
    int r = add_exposures(explaining);
    if (r == 0 && target->container)
        return add_own_addresses(explaining);
    if (r == 0 && target->addr.family && !target->proto)
        keep_one_protocol(explaining);
    if (r < 0 || explaining->n_subjects)
        return r;
    if (target->addr.family)
        return add_destination(explaining, target->addr);
    r = add_destination(explaining, (struct ng_addr){.family = NG_IP4});
    return r < 0 ? r : add_destination(explaining, (struct ng_addr){.family = NG_IP6});
}

/* -- asking -------------------------------------------------------------------------- */

static int ask(const struct explaining *explaining, struct ng_subject *subject,
               const struct ng_link *link, ng_u128 daddr, size_t *capacity) {
    enum { ECHO_REQUEST = 8, ECHO_REQUEST6 = 128 }; /* RFC 792, RFC 4443 */
    const struct ng_exposure *exposure = &subject->exposure;
    struct ng_explained *items = (struct ng_explained *)subject->items;
    struct ng_explained *item =
        NG_ARENA_APPEND(explaining->arena, items, subject->n_items, *capacity);
    if (!item)
        return -ENOMEM;
    subject->items = items;
    item->link = link;
    item->question = (struct ng_question){
        .family = exposure->family,
        .proto = exposure->proto,
        .iif = link->index,
        .daddr = daddr,
        .dport = exposure->host_port ? exposure->host_port : exposure->container_port,
        .icmp_type = exposure->family == NG_IP4 ? ECHO_REQUEST : ECHO_REQUEST6,
        .below_ip = exposure->kind == NG_KIND_L2,
        .record = true,
    };
    if (explaining->options->from.family)
        return ng_trace_from(explaining->tracer, &item->question, explaining->options->from.value,
                             explaining->arena, &item->trace);
    return ng_trace(explaining->tracer, &item->question, explaining->arena, &item->trace);
}

static int ask_on_link(const struct explaining *explaining, struct ng_subject *subject,
                       const struct ng_link *link, size_t *capacity) {
    struct ng_exposure asked = subject->exposure;
    ng_u128 *addrs;
    size_t n;
    if (asked.kind == NG_KIND_DIRECT)
        asked.host_addr = asked.container_addr;
    int r = ng_exposure_destinations(ng_tracer_world(explaining->tracer),
                                     ng_tracer_engine(explaining->tracer), &asked, link,
                                     explaining->arena, &addrs, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = ask(explaining, subject, link, addrs[i], capacity);
    return r;
}

static int ask_everywhere(const struct explaining *explaining, struct ng_subject *subject) {
    const struct ng_world *world = ng_tracer_world(explaining->tracer);
    const struct ng_explain_options *options = explaining->options;
    size_t capacity = 0;
    int r = 0;
    if (options->from.family && options->from.family != subject->exposure.family)
        return 0;
    if (options->link)
        return ask_on_link(explaining, subject, options->link, &capacity);
    for (size_t i = 0; r == 0 && i < world->n_links; i++)
        if (ng_leads_outside(world, &world->links[i]) &&
            ng_comes_in_by(world, &subject->exposure, &world->links[i]))
            r = ask_on_link(explaining, subject, &world->links[i], &capacity);
    return r;
}

int ng_explain(const struct ng_tracer *tracer, const struct ng_explain_target *target,
               const struct ng_explain_options *options, struct ng_arena *arena,
               struct ng_explanation *ret_explanation) {
    struct judgement judgement = {.arena = arena, .world = ng_tracer_world(tracer)};
    struct explaining explaining = {
        .tracer = tracer,
        .target = target,
        .options = options,
        .arena = arena,
    };
    int r = ng_find_exposures(&judgement);
    explaining.exposures = judgement.exposures;
    explaining.n_exposures = judgement.n_exposures;
    if (r == 0)
        r = find_subjects(&explaining);
    size_t kept = 0;
    for (size_t i = 0; r == 0 && i < explaining.n_subjects; i++) {
        r = ask_everywhere(&explaining, &explaining.subjects[i]);
        if (explaining.subjects[i].n_items)
            explaining.subjects[kept++] = explaining.subjects[i];
    }
    if (r < 0)
        return r;
    *ret_explanation = (struct ng_explanation){explaining.subjects, kept};
    return 0;
}
