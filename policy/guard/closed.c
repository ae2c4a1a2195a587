/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/guard/parts.h"
#include "policy/judge/parts.h"

/* What is closed to a zone before anything is known of a container: each port that a rule names
 * which denies and blocks, whatever containers the rule is about. */

const uint8_t ng_guard_protos[PROTOS] = {[TCP] = NG_TCP, [UDP] = NG_UDP, [SCTP] = NG_SCTP};

enum {
    PORTS = UINT16_MAX + 1,
};

bool ng_guard_closes(const struct ng_rule_policy *rule, const char *zone) {
    return !rule->allow && rule->action == NG_BLOCK && ng_rule_is_from(rule, zone);
}

/* Of several rules the first is told of. */
static void close_ports(struct zone *zone, const struct ng_port_match *match, uint16_t by) {
    unsigned lo = match->any ? 0 : match->lo, hi = match->any ? UINT16_MAX : match->hi;
    for (size_t i = 0; i < PROTOS; i++)
        for (unsigned port = lo;
             (match->any || !match->proto || match->proto == ng_guard_protos[i]) && port <= hi;
             port++)
            if (!zone->closed_by[i][port])
                zone->closed_by[i][port] = by;
}

static void list_ports(struct maker *maker, const struct zone *zone, size_t proto) {
    const struct ng_policy *policy = maker->result->policy;
    const uint16_t *by = zone->closed_by[proto];
    for (unsigned lo = 0, hi; lo < PORTS; lo = hi + 1) {
        hi = lo;
        while (hi + 1 < PORTS && by[hi + 1] == by[lo])
            hi++;
        if (by[lo])
            ng_guard_add(
                maker, zone->ports[proto],
                (struct ng_guard_element){
                    .key = {{.number = lo}},
                    .end = hi,
                    .chain = ng_guard_closed_chain(maker, zone, &policy->rules[by[lo] - 1]),
                });
    }
}

void ng_guard_find_closed(struct maker *maker, struct zone *zone) {
    const struct ng_policy *policy = maker->result->policy;
    for (size_t i = 0; i < PROTOS; i++)
        if (!(zone->closed_by[i] = ng_guard_alloc(maker, PORTS, sizeof(uint16_t))))
            return;
    for (size_t i = 0; i < policy->n_rules; i++)
        for (size_t k = 0;
             ng_guard_closes(&policy->rules[i], zone->id) && k < policy->rules[i].n_ports; k++)
            if (!policy->rules[i].ports[k].pair)
                close_ports(zone, &policy->rules[i].ports[k], (uint16_t)(i + 1));
    for (size_t i = 0; i < PROTOS; i++)
        list_ports(maker, zone, i);
}

bool ng_guard_is_closed(const struct zone *zone, uint8_t proto, uint16_t port) {
    for (size_t i = 0; i < PROTOS; i++)
        if (ng_guard_protos[i] == proto)
            return zone->closed_by[i][port] != 0;
    return false;
}
