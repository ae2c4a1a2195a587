/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/reach/distinct.h"

#include "policy/reach/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Addresses that neither a rule nor routing tells apart are of one class. All begin in
 * one; every test of a destination splits the classes that lie partly in what it asks for. */

/* linux/rtnetlink.h and linux/fib_rules.h: kernel ABI. */
enum { TABLE_LOCAL = 255, ACTION_TO_TABLE = 1 };

/* Room to split the classes of one family in. */
struct splitter {
    struct address_classes *classes;
    uint8_t family;
    bool *inside;     /* by address: in the set at hand */
    size_t *members;  /* by class */
    size_t *selected; /* by class: those inside */
    uint32_t *moved;  /* by class: where those inside go */
    bool any;         /* is inside */
    bool remote;      /* routing has told all apart that it treats differently */
};

/* -- splitting ----------------------------------------------------------------------- */

/* The first address that is not less. */
static size_t find_addr(const struct address_classes *classes, ng_u128 addr) {
    size_t lo = 0, hi = classes->count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (classes->addrs[middle] < addr)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

static void select_addr(struct splitter *splitter, size_t i) {
    splitter->inside[i] = splitter->any = true;
}

/* Nearly all tests are for the address of one container, and so for none of these. */
static void select_interval(struct splitter *splitter, const struct ng_operand *operand,
                            struct ng_interval interval) {
    const struct address_classes *classes = splitter->classes;
    if (operand->mask == ~(ng_u128)0 && !operand->flip) {
        for (size_t i = find_addr(classes, interval.lo);
             i < classes->count && classes->addrs[i] <= interval.hi; i++)
            select_addr(splitter, i);
        return;
    }
    for (size_t i = 0; i < classes->count; i++) {
        ng_u128 value = (classes->addrs[i] & operand->mask) ^ operand->flip;
        if (value >= interval.lo && value <= interval.hi)
            select_addr(splitter, i);
    }
}

static void split(struct splitter *splitter) {
    struct address_classes *classes = splitter->classes;
    if (!splitter->any)
        return;
    memset(splitter->members, 0, classes->count * sizeof(*splitter->members));
    memset(splitter->selected, 0, classes->count * sizeof(*splitter->selected));
    for (size_t i = 0; i < classes->count; i++) {
        splitter->members[classes->class[i]]++;
        splitter->selected[classes->class[i]] += splitter->inside[i];
    }
    uint32_t before = classes->n_classes;
    for (uint32_t k = 0; k < before; k++) {
        bool partly = splitter->selected[k] && splitter->selected[k] < splitter->members[k];
        splitter->moved[k] = partly ? classes->n_classes++ : k;
    }
    for (size_t i = 0; i < classes->count; i++)
        if (splitter->inside[i])
            classes->class[i] = splitter->moved[classes->class[i]];
    memset(splitter->inside, 0, classes->count * sizeof(*splitter->inside));
    splitter->any = false;
}

/* -- rules --------------------------------------------------------------------------- */

static bool tests_destination(enum ng_field field) {
    return field == NG_FIELD_DADDR || field == NG_FIELD_CT_DADDR ||
           field == NG_FIELD_CT_REPLY_SADDR;
}

/* By what routing says of the destination, or with the destination itself: beyond what sets tell.
 */
static bool tells_all_apart(const struct splitter *splitter, const struct ng_operand *operand) {
    bool local_type =
        operand->field == NG_FIELD_FIB_TYPE && !(operand->fib & (NG_FIB_IIF | NG_FIB_OIF));
    return operand->fib & NG_FIB_DADDR && !local_type && !splitter->remote;
}

static void split_by_operand(struct splitter *splitter, const struct ng_match *match, size_t i) {
    const struct ng_operand *operand = &match->operands[i];
    if (tells_all_apart(splitter, operand))
        splitter->classes->all_distinct = true;
    if (!tests_destination(operand->field) ||
        (operand->family && operand->family != splitter->family))
        return;
    for (size_t k = 0; k < match->values.count; k++)
        select_interval(splitter, operand, match->values.intervals[k]);
    split(splitter);
    for (size_t k = 0; k < match->expiring.count; k++)
        select_interval(splitter, operand, match->expiring.intervals[k]);
    split(splitter);
    for (size_t k = 0; k < match->n_boxes; k++) {
        select_interval(splitter, operand, match->boxes[k].sides[i]);
        split(splitter);
    }
}

/* What is translated to where it goes anyway counts as not translated, and a map of networks keeps
 * bits of the address that it replaces. */
static void split_by_nat(struct splitter *splitter, const struct ng_nat *nat) {
    static const struct ng_operand destination = {.field = NG_FIELD_DADDR, .mask = ~(ng_u128)0};
    if (!nat->has_addr || nat->addr_lo.family != splitter->family)
        return;
    if (nat->netmap)
        splitter->classes->all_distinct = true;
    select_interval(splitter, &destination,
                    (struct ng_interval){nat->addr_lo.value, nat->addr_hi.value});
    split(splitter);
}

static void split_by_match(struct splitter *splitter, const struct ng_match *match) {
    for (size_t i = 0; i < match->n_operands; i++)
        split_by_operand(splitter, match, i);
    for (size_t k = 0; k < match->n_boxes; k++)
        split_by_nat(splitter, &match->boxes[k].nat);
}

static void split_by_assign(struct splitter *splitter, const struct ng_assign *assign) {
    for (size_t i = 0; i < assign->n_terms; i++)
        if (tests_destination(assign->terms[i].field) ||
            tells_all_apart(splitter, &assign->terms[i]))
            splitter->classes->all_distinct = true;
    if (assign->map)
        split_by_match(splitter, assign->map);
}

static void split_by_op(struct splitter *splitter, const struct ng_op *op) {
    switch (op->kind) {
    case NG_OP_MATCH:
    case NG_OP_VMAP:
    case NG_OP_DNAT:
        if (op->match)
            split_by_match(splitter, op->match);
        if (op->nat)
            split_by_nat(splitter, op->nat);
        break;
    case NG_OP_REDIRECT: /* to the address of the interface, which may be the packet's own */
        splitter->classes->all_distinct = true;
        break;
    case NG_OP_ASSIGN:
        split_by_assign(splitter, op->assign);
        break;
    case NG_OP_TPROXY:
        if (op->tproxy->mark)
            split_by_assign(splitter, op->tproxy->mark);
        break;
    default:
        break;
    }
}

/* -- routing ------------------------------------------------------------------------- */

/* The rule with which every machine begins: what is local is found before all else. */
static bool asks_local_first(const struct ng_world *world, uint8_t family) {
    for (size_t i = 0; i < world->n_route_rules; i++) {
        const struct ng_route_rule *rule = &world->route_rules[i];
        if (rule->family == family)
            return rule->action == ACTION_TO_TABLE && rule->table == TABLE_LOCAL && !rule->invert &&
                   !rule->other_selectors && !rule->proto && !rule->sport_hi && !rule->dport_hi &&
                   !rule->suppresses && !rule->fwmark && !rule->fwmask && !rule->src.family &&
                   !rule->dst.family && !rule->iif && !rule->oif;
    }
    return false;
}

static void split_by_routing(struct splitter *splitter, const struct ng_world *world) {
    struct address_classes *classes = splitter->classes;
    if (!asks_local_first(world, splitter->family))
        classes->all_distinct = true;
    for (size_t i = 0; i < classes->count; i++) {
        struct ng_addr addr = {splitter->family, classes->addrs[i]};
        if (ng_addr_is_loopback(addr))
            select_addr(splitter, i);
        if (ng_route_addr_type(world, addr.family, addr.value, 0) != NG_ROUTE_LOCAL)
            classes->all_distinct = true;
    }
    split(splitter);
}

/* -- all of it ----------------------------------------------------------------------- */

static int compare_numbers(const void *left, const void *right) {
    ng_u128 a = *(const ng_u128 *)left, b = *(const ng_u128 *)right;
    return a < b ? -1 : a > b;
}

static int collect_addrs(const struct ng_world *world, struct ng_arena *arena, uint8_t family,
                         struct address_classes *classes) {
    ng_u128 *addrs = ng_arena_alloc(arena, world->n_ifaddrs, sizeof(*addrs));
    if (!addrs)
        return -ENOMEM;
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < world->n_ifaddrs; i++)
        if (world->ifaddrs[i].addr.family == family)
            addrs[n++] = world->ifaddrs[i].addr.value;
    if (n)
        qsort(addrs, n, sizeof(*addrs), compare_numbers);
    for (size_t i = 0; i < n; i++)
        if (!kept || addrs[kept - 1] != addrs[i])
            addrs[kept++] = addrs[i];
    *classes = (struct address_classes){.addrs = addrs, .count = kept, .n_classes = 1};
    classes->class = ng_arena_alloc(arena, kept, sizeof(*classes->class));
    return classes->class ? 0 : -ENOMEM;
}

static int make_splitter(struct ng_arena *arena, struct address_classes *classes, uint8_t family,
                         struct splitter *ret_splitter) {
    size_t n = classes->count;
    *ret_splitter = (struct splitter){
        .classes = classes,
        .family = family,
        .inside = ng_arena_alloc(arena, n, sizeof(bool)),
        .members = ng_arena_alloc(arena, n, sizeof(size_t)),
        .selected = ng_arena_alloc(arena, n, sizeof(size_t)),
        .moved = ng_arena_alloc(arena, n, sizeof(uint32_t)),
    };
    return ret_splitter->inside && ret_splitter->members && ret_splitter->selected &&
                   ret_splitter->moved
               ? 0
               : -ENOMEM;
}

static void split_by_rules(struct splitter *splitter, const struct ng_ruleset *ruleset) {
    for (size_t i = 0; i < ruleset->n_rules && !splitter->classes->all_distinct; i++)
        for (size_t k = 0; k < ruleset->rules[i].n_ops; k++)
            split_by_op(splitter, &ruleset->rules[i].ops[k]);
}

int ng_classes_make(struct ng_arena *arena, const struct ng_world *world,
                    const struct ng_ruleset *ruleset, uint8_t family,
                    struct address_classes *ret_classes) {
    struct splitter splitter;
    int r = collect_addrs(world, arena, family, ret_classes);
    if (r == 0)
        r = make_splitter(arena, ret_classes, family, &splitter);
    if (r < 0)
        return r;
    split_by_routing(&splitter, world);
    split_by_rules(&splitter, ruleset);
    return 0;
}

/* Of one class are only those that the same routes and routing rules hold for. */
static void split_by_prefix(struct splitter *splitter, struct ng_addr dst, unsigned len) {
    static const struct ng_operand whole = {.field = NG_FIELD_DADDR, .mask = ~(ng_u128)0};
    ng_u128 mask = ng_prefix_mask(dst.family, len), rest = ng_family_max(dst.family) ^ mask;
    select_interval(splitter, &whole,
                    (struct ng_interval){dst.value & mask, (dst.value & mask) | rest});
    split(splitter);
}

int ng_classes_make_remote(struct ng_arena *arena, const struct ng_world *world,
                           const struct ng_ruleset *ruleset, uint8_t family, const ng_u128 *addrs,
                           size_t count, struct address_classes *ret_classes) {
    struct splitter splitter;
    *ret_classes = (struct address_classes){.addrs = addrs, .count = count, .n_classes = 1};
    ret_classes->class = ng_arena_alloc(arena, count, sizeof(*ret_classes->class));
    int r = ret_classes->class ? make_splitter(arena, ret_classes, family, &splitter) : -ENOMEM;
    if (r < 0)
        return r;
    splitter.remote = true;
    for (size_t i = 0; i < world->n_routes; i++)
        if (world->routes[i].dst.family == family)
            split_by_prefix(&splitter, world->routes[i].dst, world->routes[i].prefix_len);
    for (size_t i = 0; i < world->n_route_rules; i++)
        if (world->route_rules[i].family == family && world->route_rules[i].dst.family)
            split_by_prefix(&splitter, world->route_rules[i].dst, world->route_rules[i].dst_len);
    split_by_rules(&splitter, ruleset);
    return 0;
}

uint32_t ng_class_of(const struct address_classes *classes, ng_u128 addr) {
    size_t at = find_addr(classes, addr);
    bool known = at < classes->count && classes->addrs[at] == addr && !classes->all_distinct;
    return known ? classes->class[at] : UINT32_MAX;
}

size_t ng_classes_distinct(const struct address_classes *classes, ng_u128 *addrs, size_t count) {
    if (classes->all_distinct)
        return count;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t class = ng_class_of(classes, addrs[i]);
        bool seen = false;
        for (size_t k = 0; class != UINT32_MAX && k < kept && !seen; k++)
            seen = ng_class_of(classes, addrs[k]) == class;
        if (!seen)
            addrs[kept++] = addrs[i];
    }
    return kept;
}
