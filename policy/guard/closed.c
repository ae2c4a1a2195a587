/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/guard/parts.h"
#include "policy/judge/parts.h"

/* What is closed to a zone before anything is known of a container: each port that a rule names
 * which denies and blocks, whatever containers the rule is about. */

const uint8_t ng_guard_protos[PROTOS] = {[TCP] = NG_TCP, [UDP] = NG_UDP, [SCTP] = NG_SCTP};

enum {
    PORTS = UINT16_MAX + 1,
    LONG_RUN =
        64, /* ports: of a policy not many are, and of all ports there are not more than 1,000 */
};

bool ng_guard_closes(const struct ng_rule_policy *rule, const char *zone) {
    return !rule->allow && rule->action == NG_BLOCK && ng_rule_is_from(rule, zone);
}

/* Of several rules the first is told of. */
static void close_ports(uint16_t *const closed_by[static PROTOS], const struct ng_port_match *match,
                        uint16_t by) {
    unsigned lo = match->any ? 0 : match->lo, hi = match->any ? UINT16_MAX : match->hi;
    for (size_t i = 0; i < PROTOS; i++)
        for (unsigned port = lo;
             (match->any || !match->proto || match->proto == ng_guard_protos[i]) && port <= hi;
             port++)
            if (!closed_by[i][port])
                closed_by[i][port] = by;
}

bool ng_guard_next_run(const uint16_t *closed_by, unsigned *at, struct run *ret_run) {
    while (*at < PORTS && !closed_by[*at])
        (*at)++;
    if (*at == PORTS)
        return false;
    unsigned lo = *at;
    while (*at < PORTS && closed_by[*at] == closed_by[lo])
        (*at)++;
    *ret_run = (struct run){(uint16_t)lo, (uint16_t)(*at - 1), closed_by[lo]};
    return true;
}

bool ng_guard_is_long(const struct run *run) {
    return run->hi - run->lo >= LONG_RUN;
}

/* Port by port, and not as intervals: what a set of those holds comes into force after the rules
 * that ask it (nft_set_commit_update() of Linux), so that nothing would be closed for a moment when
 * the table is made anew. */
static void list_ports(struct maker *maker, const struct zone *zone, const uint16_t *closed_by,
                       struct list *list) {
    const struct ng_policy *policy = maker->result->policy;
    struct run run;
    for (unsigned at = 0; ng_guard_next_run(closed_by, &at, &run);)
        for (unsigned port = run.lo; !ng_guard_is_long(&run) && port <= run.hi; port++)
            ng_guard_add(
                maker, list,
                (struct ng_guard_element){
                    .key = {{.number = port}},
                    .chain = ng_guard_closed_chain(maker, zone, &policy->rules[run.by - 1]),
                });
}

void ng_guard_find_closed(struct maker *maker, struct zone *zone) {
    const struct ng_policy *policy = maker->result->policy;
    for (size_t i = 0; i < PROTOS; i++) {
        zone->closed_by[i] = ng_guard_alloc(maker, PORTS, sizeof(uint16_t));
        zone->engine_by[i] = ng_guard_alloc(maker, PORTS, sizeof(uint16_t));
        if (maker->error)
            return;
    }
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct ng_rule_policy *rule = &policy->rules[i];
        for (size_t k = 0; ng_guard_closes(rule, zone->id) && k < rule->n_ports; k++)
            if (!rule->ports[k].pair)
                close_ports(rule->usage ? zone->engine_by : zone->closed_by, &rule->ports[k],
                            (uint16_t)(i + 1));
    }
    for (size_t i = 0; i < PROTOS; i++) {
        list_ports(maker, zone, zone->closed_by[i], zone->ports[i]);
        list_ports(maker, zone, zone->engine_by[i], zone->engine[i]);
    }
}

static bool is_in(uint16_t *const closed_by[static PROTOS], uint8_t proto, uint16_t port) {
    for (size_t i = 0; i < PROTOS; i++)
        if (ng_guard_protos[i] == proto)
            return closed_by[i][port] != 0;
    return false;
}

bool ng_guard_is_closed(const struct zone *zone, uint8_t proto, uint16_t port) {
    return is_in(zone->closed_by, proto, port);
}

bool ng_guard_is_closed_here(const struct zone *zone, uint8_t proto, uint16_t port) {
    return is_in(zone->closed_by, proto, port) || is_in(zone->engine_by, proto, port);
}
