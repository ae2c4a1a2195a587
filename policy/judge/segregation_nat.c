/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/segregation.h"

#include <errno.h>

/* Ports that a rule leads to a container and of which no engine tells: somebody's own DNAT is a way
 * from network to network like a published port. */

enum { PORT_LAST = UINT16_MAX };

static const uint8_t protos[] = {NG_TCP, NG_UDP, NG_SCTP};

/* A rule's translation, of packets for some addresses and ports. */
struct leading {
    const struct ng_nat *nat;
    uint8_t family, proto; /* 0: every one */
    ng_u128 from, to;      /* addresses that are asked for, inclusive */
    struct ng_interval ports;
};

static bool is_told(const struct pod *pod, const struct ng_exposure *exposure) {
    for (size_t i = 0; i < pod->n_exposures; i++) {
        const struct ng_exposure *own = pod->exposures[i];
        if (own->family == exposure->family && own->proto == exposure->proto &&
            own->host_port == exposure->host_port &&
            own->container_port == exposure->container_port &&
            (ng_addr_is_any(own->host_addr) || ng_addr_equal(own->host_addr, exposure->host_addr)))
            return true;
    }
    return false;
}

static int add_port(struct segregating *segregating, struct pod *pod, struct ng_exposure exposure) {
    if (!exposure.host_port || is_told(pod, &exposure))
        return 0;
    struct ng_exposure *own = ng_arena_alloc(segregating->arena, 1, sizeof(*own));
    if (!own)
        return -ENOMEM;
    *own = exposure;
    return ng_keep_exposure(segregating, pod, own);
}

/* Where the rule leaves the port as it is: those that the container has, and one more. */
static int add_kept_ports(struct segregating *segregating, struct pod *pod,
                          const struct leading *leading, struct ng_exposure exposure) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < pod->n_members; i++) {
        struct ng_port *known;
        size_t n = 0;
        r = ng_known_ports(segregating->arena, pod->members[i], exposure.family, &known, &n);
        for (size_t k = 0; r == 0 && k < n; k++)
            if (known[k].proto == exposure.proto && known[k].port >= leading->ports.lo &&
                known[k].port <= leading->ports.hi) {
                exposure.host_port = exposure.container_port = known[k].port;
                r = add_port(segregating, pod, exposure);
            }
    }
    exposure.host_port = exposure.container_port = (uint16_t)leading->ports.hi;
    exposure.unidentified = true; /* it stands for others */
    return r < 0 ? r : add_port(segregating, pod, exposure);
}

static int lead_to(struct segregating *segregating, struct pod *pod, struct ng_addr addr,
                   const struct leading *leading) {
    const struct ng_nat *nat = leading->nat;
    bool anywhere = leading->from == 0 && leading->to >= ng_family_max(addr.family);
    struct ng_exposure exposure = {
        .kind = NG_KIND_PUBLISHED,
        .family = addr.family,
        .host_addr = {.family = addr.family, .value = anywhere ? 0 : leading->from},
        .container = pod->home,
        .container_addr = addr,
    };
    int r = 0;
    if (nat->netmap && !anywhere)
        exposure.host_addr.value += addr.value - nat->addr_lo.value;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(protos); i++) {
        exposure.proto = protos[i];
        if (leading->proto ? leading->proto != protos[i] : protos[i] == NG_SCTP)
            continue;
        exposure.host_port = (uint16_t)leading->ports.lo;
        exposure.container_port = nat->port_lo;
        r = nat->has_port ? add_port(segregating, pod, exposure)
                          : add_kept_ports(segregating, pod, leading, exposure);
    }
    return r;
}

static int lead(struct segregating *segregating, const struct leading *leading) {
    const struct ng_nat *nat = leading->nat;
    int r = 0;
    for (size_t i = 0; r == 0 && nat->has_addr && i < segregating->n_pods; i++)
        for (size_t k = 0; r == 0 && k < segregating->pods[i].n_places; k++) {
            const struct ng_endpoint *endpoint = segregating->pods[i].places[k].endpoint;
            struct ng_addr addr = ng_endpoint_addr(endpoint, nat->addr_lo.family);
            if (addr.family && addr.value >= nat->addr_lo.value && addr.value <= nat->addr_hi.value)
                r = lead_to(segregating, &segregating->pods[i], addr, leading);
        }
    return r;
}

/* The ports that the rule confines itself to, one interval at a time. */
static int lead_ports(struct segregating *segregating, const struct ng_rule *rule,
                      struct leading leading) {
    bool confined = false;
    int r = 0;
    for (size_t i = 0; r == 0 && i < rule->n_ops; i++) {
        const struct ng_op *op = &rule->ops[i];
        if (op->kind != NG_OP_MATCH || op->match->negate || op->match->n_operands != 1 ||
            !ng_tests_port(&op->match->operands[0]))
            continue;
        for (size_t k = 0; r == 0 && k < op->match->values.count; k++) {
            confined = true;
            leading.ports = op->match->values.intervals[k];
            r = lead(segregating, &leading);
        }
    }
    return r < 0 || confined ? r : lead(segregating, &leading);
}

static int lead_by_map(struct segregating *segregating, const struct ng_rule *rule,
                       const struct ng_match *map, struct leading leading) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < map->n_boxes; i++) {
        struct leading own = leading;
        bool has_port = false;
        own.nat = &map->boxes[i].nat;
        for (size_t k = 0; k < map->n_operands; k++) {
            struct ng_interval side = map->boxes[i].sides[k];
            if (ng_tests_addr(&map->operands[k]))
                own.from = side.lo, own.to = side.hi;
            if (ng_tests_port(&map->operands[k]))
                own.ports = side, has_port = true;
        }
        r = has_port ? lead(segregating, &own) : lead_ports(segregating, rule, own);
    }
    return r;
}

int ng_follow_translation(struct segregating *segregating, const struct ng_rule *rule,
                          const struct ng_op *op, const struct named_port *named) {
    struct leading leading = {
        .nat = op->nat,
        .proto = named->proto,
        .from = named->from,
        .to = named->to,
        .ports = {.lo = 1, .hi = PORT_LAST},
    };
    if (op->match && op->match->n_boxes)
        return lead_by_map(segregating, rule, op->match, leading);
    return op->nat ? lead_ports(segregating, rule, leading) : 0;
}
