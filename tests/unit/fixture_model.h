/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_TESTS_FIXTURE_MODEL_H
#define NETGUARD_TESTS_FIXTURE_MODEL_H

/* A model of the kernel that runs one packet through every rule in turn. Where something cannot be
 * decided it is run once for each way it may go. It shares nothing with the engine but the
 * ruleset. */

#include <stdlib.h>

#include "tests/unit/fixture_world.h"

enum {
    MAX_CHOICES = 12,
    MAX_FATES = 1024,
};

struct packet {
    ng_u128 saddr, daddr, ct_daddr;
    uint16_t sport, dport, ct_dport;
    uint32_t mark, ct_mark;
    bool mark_known, ct_mark_known, untracked, mapped, translated, source_mapped;
    bool saddr_set, sport_set;
    uint32_t by_rule, by_chain;
};

struct fate {
    enum ng_fate fate;
    ng_u128 daddr;
    uint16_t dport;
    bool translated;
    uint32_t by_rule, by_chain;
};

struct model {
    const struct ng_world *world;
    const struct ng_ruleset *ruleset;
    const struct ng_question *question;
    enum ng_hook hook;
    int32_t priority;
    /* One run follows these choices; those after the last are taken as false. */
    bool choices[MAX_CHOICES];
    unsigned n_choices, at;
    bool too_many;
};

enum course { GO_ON, OUT, ACCEPTED, DROPPED };

static inline bool choose(struct model *model) {
    if (model->at == MAX_CHOICES) {
        model->too_many = true;
        return false;
    }
    if (model->at == model->n_choices)
        model->choices[model->n_choices++] = false;
    return model->choices[model->at++];
}

/* -- fields -------------------------------------------------------------------------- */

enum presence { THERE, NOT_THERE, NOBODY_KNOWS };

static inline bool past_conntrack(const struct model *model) {
    return model->hook != NG_HOOK_PREROUTING || model->priority >= -200;
}

static inline bool has_connection(const struct model *model, const struct packet *packet) {
    uint8_t told = model->question->ct_state;
    return past_conntrack(model) && !packet->untracked && told != 1 && told != 64;
}

static inline bool has_ports(const struct model *model) {
    return model->question->proto == NG_TCP || model->question->proto == NG_UDP;
}

/* The way back, by a walk over all routes: the table local, then main. */
static inline const struct ng_route *way_back(const struct model *model, ng_u128 addr_) {
    static const uint32_t tables[] = {255, 254};
    const struct ng_route *best = NULL;
    for (size_t t = 0; t < ARRAY_SIZE(tables) && !best; t++)
        for (size_t i = 0; i < model->world->n_routes; i++) {
            const struct ng_route *route = &model->world->routes[i];
            ng_u128 mask = ng_prefix_mask(NG_IP4, route->prefix_len);
            if (route->dst.family == NG_IP4 && route->table == tables[t] &&
                (addr_ & mask) == route->dst.value &&
                (!best || route->prefix_len > best->prefix_len))
                best = route;
        }
    return best;
}

static inline ng_u128 model_fib(const struct model *model, const struct packet *packet,
                                const struct ng_operand *of) {
    const struct ng_route *route = way_back(model, packet->saddr);
    if (of->field == NG_FIELD_FIB_TYPE)
        return route && route->table == 255 ? route->type : NG_ROUTE_UNICAST;
    bool way = route && route->type == NG_ROUTE_UNICAST &&
               (!(of->fib & NG_FIB_IIF) || route->oif == model->question->iif);
    return !way ? 0 : of->field == NG_FIELD_FIB_OIF ? route->oif : 1;
}

static inline enum presence read_connection(const struct model *model, const struct packet *packet,
                                            enum ng_field field, ng_u128 *ret_value) {
    if (!has_connection(model, packet))
        return NOT_THERE;
    switch (field) {
    case NG_FIELD_CT_DADDR:
        *ret_value = packet->ct_daddr;
        return THERE;
    case NG_FIELD_CT_REPLY_SADDR:
        *ret_value = packet->translated ? packet->daddr : packet->ct_daddr;
        return THERE;
    case NG_FIELD_CT_DPORT:
        *ret_value = packet->ct_dport;
        return has_ports(model) ? THERE : NOBODY_KNOWS;
    case NG_FIELD_CT_SADDR:
        *ret_value = packet->saddr;
        return packet->saddr_set ? NOBODY_KNOWS : THERE;
    case NG_FIELD_CT_MARK:
        *ret_value = packet->ct_mark;
        return packet->ct_mark_known ? THERE : NOBODY_KNOWS;
    default:
        abort();
    }
}

static inline enum presence read_field(const struct model *model, const struct packet *packet,
                                       const struct ng_operand *of, ng_u128 *ret_value) {
    switch (of->field) {
    case NG_FIELD_SADDR:
        *ret_value = packet->saddr;
        return THERE;
    case NG_FIELD_DADDR:
        *ret_value = packet->daddr;
        return THERE;
    case NG_FIELD_SPORT:
        *ret_value = packet->sport;
        return has_ports(model) ? THERE : NOBODY_KNOWS;
    case NG_FIELD_DPORT:
        *ret_value = packet->dport;
        return has_ports(model) ? THERE : NOBODY_KNOWS;
    case NG_FIELD_L4PROTO:
        *ret_value = model->question->proto;
        return THERE;
    case NG_FIELD_IIF:
        *ret_value = model->question->iif;
        return THERE;
    case NG_FIELD_MARK:
        *ret_value = packet->mark;
        return packet->mark_known ? THERE : NOBODY_KNOWS;
    case NG_FIELD_CT_STATE:
        *ret_value = packet->untracked           ? 64
                     : !past_conntrack(model)    ? 1
                     : model->question->ct_state ? model->question->ct_state
                                                 : 8;
        return THERE;
    case NG_FIELD_FIB_TYPE:
    case NG_FIELD_FIB_OIF:
    case NG_FIELD_FIB_PRESENT:
        *ret_value = model_fib(model, packet, of);
        return THERE;
    case NG_FIELD_EXTHDR:
        return NOT_THERE;
    case NG_FIELD_OTHER:
        return NOBODY_KNOWS;
    default:
        return read_connection(model, packet, of->field, ret_value);
    }
}

/* -- tests --------------------------------------------------------------------------- */

static inline bool in_values(struct ng_addrset set, ng_u128 value) {
    for (size_t i = 0; i < set.count; i++)
        if (value >= set.intervals[i].lo && value <= set.intervals[i].hi)
            return true;
    return false;
}

/* THERE: it is decided, and `ret_matches` says how. */
static inline enum presence box_matches(const struct model *model, const struct packet *packet,
                                        const struct ng_match *match, const struct ng_box *box,
                                        bool *ret_matches) {
    enum presence presence = box->expires ? NOBODY_KNOWS : THERE;
    bool matches = true;
    for (size_t i = 0; i < match->n_operands; i++) {
        const struct ng_operand *of = &match->operands[i];
        ng_u128 value = 0;
        enum presence here = read_field(model, packet, of, &value);
        value = (value & of->mask) ^ of->flip;
        bool open = box->sides[i].lo == 0 && box->sides[i].hi == lab_whole;
        if (here == NOBODY_KNOWS && !open)
            presence = NOBODY_KNOWS;
        else if (here == NOT_THERE ? !open : value < box->sides[i].lo || value > box->sides[i].hi)
            matches = false;
    }
    *ret_matches = matches;
    return matches ? presence : THERE;
}

static inline bool lacks_field(const struct model *model, const struct packet *packet,
                               const struct ng_match *match) {
    ng_u128 value;
    for (size_t i = 0; i < match->n_operands && !match->any_of; i++)
        if (read_field(model, packet, &match->operands[i], &value) == NOT_THERE)
            return true;
    return false;
}

static inline bool matches(struct model *model, const struct packet *packet,
                           const struct ng_match *match) {
    if (lacks_field(model, packet, match))
        return false;
    bool certain = false, perhaps = match->dynamic;
    if (match->boxes) {
        for (size_t i = 0; i < match->n_boxes; i++) {
            bool one;
            enum presence presence = box_matches(model, packet, match, &match->boxes[i], &one);
            certain = certain || (one && presence == THERE);
            perhaps = perhaps || one;
        }
    } else {
        ng_u128 value = 0;
        const struct ng_operand *of = &match->operands[0];
        if (read_field(model, packet, of, &value) == NOBODY_KNOWS) {
            perhaps = true;
        } else {
            certain = in_values(match->values, (value & of->mask) ^ of->flip);
            perhaps = perhaps || in_values(match->expiring, (value & of->mask) ^ of->flip);
        }
    }
    bool found = certain || (perhaps && choose(model));
    return found != match->negate;
}

/* The first element that holds; NULL: none. */
static inline const struct ng_box *look_up(struct model *model, const struct packet *packet,
                                           const struct ng_match *match) {
    for (size_t i = 0; i < match->n_boxes; i++) {
        bool one;
        enum presence presence = box_matches(model, packet, match, &match->boxes[i], &one);
        if (one && (presence == THERE || choose(model)))
            return &match->boxes[i];
    }
    return NULL;
}

/* -- effects ------------------------------------------------------------------------- */

static inline enum course model_chain(struct model *model, uint32_t chain_, struct packet *packet);

static inline enum course model_verdict(struct model *model, uint32_t rule,
                                        struct ng_verdict verdict, struct packet *packet) {
    switch (verdict.kind) {
    case NG_VERDICT_ACCEPT:
    case NG_VERDICT_DROP:
        packet->by_rule = rule;
        packet->by_chain = NG_NONE;
        return verdict.kind == NG_VERDICT_ACCEPT ? ACCEPTED : DROPPED;
    case NG_VERDICT_RETURN:
        return OUT;
    case NG_VERDICT_JUMP: {
        enum course course = model_chain(model, verdict.chain, packet);
        return course == OUT ? GO_ON : course;
    }
    case NG_VERDICT_GOTO:
        return model_chain(model, verdict.chain, packet);
    default:
        abort();
    }
}

static inline enum course model_nat(const struct model *model, struct packet *packet,
                                    const struct ng_nat *nat) {
    ng_u128 daddr = nat->has_addr ? nat->addr_lo.value : packet->ct_daddr;
    uint16_t port = nat->has_port && has_ports(model) ? nat->port_lo : packet->ct_dport;
    packet->mapped = true;
    if (daddr != packet->ct_daddr || port != packet->ct_dport) {
        packet->translated = true;
        packet->daddr = daddr;
        packet->dport = has_ports(model) ? port : packet->dport;
    }
    return ACCEPTED;
}

static inline void write_field(const struct model *model, struct packet *packet,
                               enum ng_field target, bool known, ng_u128 value) {
    bool early = !past_conntrack(model);
    switch (target) {
    case NG_FIELD_MARK:
        packet->mark_known = known;
        packet->mark = (uint32_t)value;
        break;
    case NG_FIELD_CT_MARK:
        if (has_connection(model, packet)) {
            packet->ct_mark_known = known;
            packet->ct_mark = (uint32_t)value;
        }
        break;
    case NG_FIELD_SADDR:
        packet->saddr = value;
        packet->saddr_set = true;
        break;
    case NG_FIELD_SPORT:
        packet->sport = (uint16_t)value;
        packet->sport_set = true;
        break;
    case NG_FIELD_DADDR:
        packet->daddr = value;
        packet->ct_daddr = early ? value : packet->ct_daddr;
        break;
    case NG_FIELD_DPORT:
        packet->dport = (uint16_t)value;
        packet->ct_dport = early ? (uint16_t)value : packet->ct_dport;
        break;
    default:
        abort();
    }
}

/* Of all sources at once, a value made of the source is none that is followed. */
static inline bool is_followed(const struct model *model, const struct packet *packet,
                               enum ng_field field) {
    return model->question->one_source || !((field == NG_FIELD_SADDR && !packet->saddr_set) ||
                                            (field == NG_FIELD_SPORT && !packet->sport_set));
}

static inline bool model_assign(struct model *model, struct packet *packet,
                                const struct ng_assign *assign) {
    ng_u128 value = assign->constant;
    bool known = !assign->unknown;
    if (assign->map) {
        const struct ng_box *box =
            lacks_field(model, packet, assign->map) ? NULL : look_up(model, packet, assign->map);
        if (box)
            write_field(model, packet, assign->target, true, box->value);
        return box;
    }
    for (size_t i = 0; i < assign->n_terms; i++) {
        const struct ng_operand *term = &assign->terms[i];
        ng_u128 part = 0;
        enum presence presence = read_field(model, packet, term, &part);
        if (presence == NOT_THERE)
            return false;
        known = known && presence == THERE && is_followed(model, packet, term->field);
        value ^= (part & term->mask) ^ term->flip;
    }
    write_field(model, packet, assign->target, known, known ? value : 0);
    return true;
}

static inline enum course model_rule(struct model *model, uint32_t index, struct packet *packet) {
    const struct ng_rule *rule = &model->ruleset->rules[index];
    for (size_t i = 0; i < rule->n_ops; i++) {
        const struct ng_op *op = &rule->ops[i];
        const struct ng_box *box;
        switch (op->kind) {
        case NG_OP_NOTHING:
            break;
        case NG_OP_MATCH:
            if (!matches(model, packet, op->match))
                return GO_ON;
            break;
        case NG_OP_UNDECIDED:
            if (!choose(model))
                return GO_ON;
            break;
        case NG_OP_VMAP:
            if (lacks_field(model, packet, op->match))
                return GO_ON;
            box = look_up(model, packet, op->match);
            if (!box || box->verdict.kind != NG_VERDICT_CONTINUE)
                return box ? model_verdict(model, index, box->verdict, packet) : GO_ON;
            break;
        case NG_OP_VERDICT:
            if (op->verdict.kind != NG_VERDICT_CONTINUE)
                return model_verdict(model, index, op->verdict, packet);
            break;
        case NG_OP_DNAT:
            box = op->match && !lacks_field(model, packet, op->match)
                      ? look_up(model, packet, op->match)
                      : NULL;
            if (op->match && !box)
                return GO_ON;
            return model_nat(model, packet, box ? &box->nat : op->nat);
        case NG_OP_SNAT:
            packet->source_mapped = true;
            return ACCEPTED;
        case NG_OP_ASSIGN:
            if (!model_assign(model, packet, op->assign))
                return GO_ON;
            break;
        case NG_OP_NOTRACK:
            packet->untracked |= !has_connection(model, packet);
            break;
        default:
            abort();
        }
    }
    return GO_ON;
}

/* OUT: at its end, or by return. */
static inline enum course model_chain(struct model *model, uint32_t chain_, struct packet *packet) {
    const struct ng_chain *of = &model->ruleset->chains[chain_];
    for (size_t i = 0; i < of->n_rules; i++) {
        enum course course = model_rule(model, (uint32_t)(of->first_rule + i), packet);
        if (course != GO_ON)
            return course;
    }
    return OUT;
}

/* -- hooks --------------------------------------------------------------------------- */

static inline enum course model_base_chain(struct model *model, uint32_t index,
                                           struct packet *packet) {
    const struct ng_chain *of = &model->ruleset->chains[index];
    bool nat = of->type == NG_CHAIN_NAT;
    bool mapped = of->hook == NG_HOOK_PREROUTING ? packet->mapped : packet->source_mapped;
    model->priority = nat ? -100 : of->priority;
    if (nat && (mapped || !has_connection(model, packet)))
        return ACCEPTED;
    enum course course = model_chain(model, index, packet);
    if (course == OUT && of->policy_drop) {
        packet->by_rule = NG_NONE;
        packet->by_chain = index;
        return DROPPED;
    }
    if (course == OUT && !nat && packet->by_rule == NG_NONE && packet->by_chain == NG_NONE)
        packet->by_chain = index;
    return course == DROPPED ? DROPPED : ACCEPTED;
}

/* Base chains stand in their running order; two neighbours of equal priority in two tables run in
 * any. */
static inline enum course model_hook(struct model *model, enum ng_hook hook,
                                     struct packet *packet) {
    enum course course = ACCEPTED;
    model->hook = hook;
    for (uint32_t i = 0; i < model->ruleset->n_chains && course != DROPPED; i++) {
        const struct ng_chain *of = &model->ruleset->chains[i], *next = of + 1;
        if (!of->base || of->hook != hook)
            continue;
        bool tied = i + 1 < model->ruleset->n_chains && next->base && next->hook == hook &&
                    next->type == of->type && next->priority == of->priority &&
                    next->table != of->table;
        bool swapped = tied && choose(model);
        course = model_base_chain(model, swapped ? i + 1 : i, packet);
        if (tied && course != DROPPED)
            course = model_base_chain(model, swapped ? i : i + 1, packet);
        i += tied;
    }
    return course;
}

/* Local are this host's addresses; 172.17.0.0/16 is behind docker0; all else is not asked. */
static inline struct fate model_run(struct model *model, struct packet packet) {
    struct fate fate = {.fate = NG_FATE_DROPPED};
    enum course course = model_hook(model, NG_HOOK_PREROUTING, &packet);
    bool forward = packet.daddr >> 16 == 0xac11 && packet.daddr != 0xac110001;
    if (course != DROPPED) {
        packet.by_rule = packet.by_chain = NG_NONE;
        course = model_hook(model, forward ? NG_HOOK_FORWARD : NG_HOOK_INPUT, &packet);
        if (course != DROPPED && forward)
            course = model_hook(model, NG_HOOK_POSTROUTING, &packet);
        if (course != DROPPED)
            fate.fate = forward ? NG_FATE_FORWARDED : NG_FATE_LOCAL;
    }
    fate.daddr = packet.daddr;
    fate.dport = packet.dport;
    fate.translated = packet.translated;
    fate.by_rule = packet.by_rule;
    fate.by_chain = packet.by_chain;
    return fate;
}

/* -- all that may become of a packet -------------------------------------------------- */

static inline bool same_fate(const struct fate *a, const struct fate *b) {
    return a->fate == b->fate && a->daddr == b->daddr && a->dport == b->dport &&
           a->translated == b->translated && a->by_rule == b->by_rule && a->by_chain == b->by_chain;
}

static inline void add_fate(struct fate *fates, size_t *n_fates, struct fate fate) {
    for (size_t i = 0; i < *n_fates; i++)
        if (same_fate(&fates[i], &fate))
            return;
    if (*n_fates == MAX_FATES)
        abort();
    fates[(*n_fates)++] = fate;
}

/* All fates that one packet may have; false: too many choices to try. */
static inline bool model_fates(struct model *model, struct packet packet, struct fate *ret_fates,
                               size_t *ret_n_fates) {
    *ret_n_fates = 0;
    model->n_choices = 0;
    for (;;) {
        model->at = 0;
        model->too_many = false;
        struct fate fate = model_run(model, packet);
        if (model->too_many)
            return false;
        add_fate(ret_fates, ret_n_fates, fate);
        /* The next course: the last choice that was false becomes true. */
        model->n_choices = model->at;
        while (model->n_choices && model->choices[model->n_choices - 1])
            model->n_choices--;
        if (!model->n_choices)
            return true;
        model->choices[model->n_choices - 1] = true;
    }
}

#endif
