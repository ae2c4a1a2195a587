/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/ipset_parts.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <stdio.h>
#include <string.h>

/* A lookup in an ipset as one operation of a rule. The answers are kept with the set: rules that
 * ask the same share them, and what a rule found out later - that packets add to the set - is
 * written into those that were given before. */

static const ng_u128 whole = ~(ng_u128)0;

/* More than this a list of sets is not taken to hold: sixteen full sets of the default size. */
enum { LIST_MAX = 1 << 20 };

static bool asks(struct ng_interval side) {
    return side.lo != 0 || side.hi != whole;
}

/* -- which packets ------------------------------------------------------------------- */

/* How many dimensions a rule has to name for the set to be looked up at all; a list needs one,
 * and each of its members its own. */
static uint8_t dimensions(const struct ng_ipset_type *type) {
    uint8_t n = type->list;
    while (n < NG_IPSET_DIMENSIONS && type->kinds[n] != NG_IPSET_NONE)
        n++;
    return n;
}

/* Sets of the other family, and those with more dimensions than the rule names, hold nothing
 * (ip_set_test of ip_set_core.c). A set without a family is for all, but for ports, which are read
 * from IPv4 and IPv6 alone. */
static bool never(const struct ng_ipset *set, const struct ng_ipset_question *question) {
    bool port = set->type->kinds[0] == NG_IPSET_BARE_PORT;
    bool ip = question->family == NFPROTO_IPV4 || question->family == NFPROTO_IPV6;
    return question->dim < dimensions(set->type) ||
           (set->family && set->family != question->family) || (port && !ip);
}

static int check_known(const struct ng_ipset *set, const char **ret_why) {
    bool addrs =
        set->type && (set->type->kinds[0] == NG_IPSET_ADDR || set->type->kinds[0] == NG_IPSET_NET);
    if (!set->type)
        *ret_why = "its type is not known";
    else if (set->strange || (addrs && !set->addr_bits))
        *ret_why = "it holds something that is not known";
    else
        return 0;
    return -EBADMSG;
}

/* Of a set that is no list. */
static int find_plain(const struct ng_ipsets *ipsets, struct ng_ipset *set,
                      const struct ng_ipset_question *question, struct ng_ipset_region *region,
                      const char **ret_why) {
    int r = ng_ipset_read(ipsets, set);
    r = r ? r : check_known(set, ret_why);
    return r ? r : ng_ipset_find(set, question->flags, question->counted, region, ret_why);
}

/* Appends the boxes of one region to another that asks for more things. */
static int merge(struct ng_ipset_region *all, const struct ng_ipset_region *region, bool expires) {
    size_t places[NG_IPSET_COLUMNS];
    for (size_t i = 0; i < region->columns.count; i++)
        places[i] = ng_ipset_column(&all->columns, region->columns.operands[i]);
    for (size_t i = 0; i < region->count; i++) {
        struct ng_ipset_box *box = ng_ipset_box_new(all);
        if (!box)
            return -ENOMEM;
        box->expires = expires || region->boxes[i].expires;
        for (size_t k = 0; k < region->columns.count; k++)
            box->sides[places[k]] = region->boxes[i].sides[k];
    }
    return 0;
}

/* The part of a list that one member is; its columns join those of the list. */
static int find_member(const struct ng_ipsets *ipsets, const char *name,
                       const struct ng_ipset_question *question, struct ng_ipset_region *region,
                       struct ng_ipset_columns *columns, const char **ret_why) {
    struct ng_ipset *member = ng_ipset_named(ipsets, name);
    if (!member || (member->type && member->type->list)) {
        *ret_why = "one of its members was not read";
        return -EBADMSG;
    }
    int r = check_known(member, ret_why);
    if (r < 0 || never(member, question))
        return r;
    r = find_plain(ipsets, member, question, region, ret_why);
    if (r < 0)
        return r;
    for (size_t i = 0; i < region->columns.count; i++)
        if (ng_ipset_column(columns, region->columns.operands[i]) == NG_IPSET_COLUMNS) {
            *ret_why = "its sets look at one thing under several masks";
            return -EOPNOTSUPP;
        }
    return 0;
}

/* A list holds what any of its members holds (list_set_ktest of ip_set_list_set.c). */
static int find_in_list(const struct ng_ipsets *ipsets, struct ng_ipset *list,
                        const struct ng_ipset_question *question, struct ng_ipset_region *all,
                        const char **ret_why) {
    int r = ng_ipset_read(ipsets, list);
    r = r ? r : check_known(list, ret_why);
    if (r < 0)
        return r;
    struct ng_ipset_region *regions =
        ng_arena_alloc(ipsets->scratch, list->n_members, sizeof(*regions));
    size_t sum = 0;
    if (!regions)
        return -ENOMEM;
    for (size_t i = 0; i < list->n_members; i++) {
        regions[i].scratch = ipsets->scratch;
        r = find_member(ipsets, list->members[i].name, question, &regions[i], &all->columns,
                        ret_why);
        if (r < 0)
            return r;
        sum += regions[i].count;
        if (sum > LIST_MAX) {
            *ret_why = "it holds too much";
            return -EOPNOTSUPP;
        }
    }
    for (size_t i = 0; r == 0 && i < list->n_members; i++)
        r = merge(all, &regions[i], list->members[i].expires);
    return r;
}

/* -- boxes to a match ---------------------------------------------------------------- */

/* Columns that no box asks for are left out, but for one. */
static void drop_columns(struct ng_ipset_region *region) {
    size_t kept = 0;
    for (size_t i = 0; i < region->columns.count; i++) {
        bool asked = region->count == 0 && i == 0;
        for (size_t k = 0; !asked && k < region->count; k++)
            asked = asks(region->boxes[k].sides[i]);
        if (!asked && !(kept == 0 && i + 1 == region->columns.count))
            continue;
        region->columns.operands[kept] = region->columns.operands[i];
        for (size_t k = 0; k < region->count; k++)
            region->boxes[k].sides[kept] = region->boxes[k].sides[i];
        kept++;
    }
    region->columns.count = kept;
}

static int put_values(struct ng_arena *arena, const struct ng_ipset_region *region,
                      struct ng_match *match) {
    struct ng_interval *intervals =
        ng_arena_alloc(region->scratch, region->count, sizeof(*intervals));
    if (!intervals)
        return -ENOMEM;
    for (int expires = 0; expires <= 1; expires++) {
        size_t n = 0;
        for (size_t i = 0; i < region->count; i++)
            if (region->boxes[i].expires == expires)
                intervals[n++] = region->boxes[i].sides[0];
        int r = ng_addrset_from(arena, intervals, n, expires ? &match->expiring : &match->values);
        if (r < 0)
            return r;
    }
    return 0;
}

static int put_boxes(struct ng_arena *arena, const struct ng_ipset_region *region,
                     struct ng_match *match) {
    size_t n = region->columns.count;
    struct ng_box *boxes = ng_arena_alloc(arena, region->count, sizeof(*boxes));
    struct ng_interval *sides = ng_arena_alloc(arena, region->count * n, sizeof(*sides));
    if (!boxes || !sides)
        return -ENOMEM;
    for (size_t i = 0; i < region->count; i++) {
        memcpy(&sides[i * n], region->boxes[i].sides, n * sizeof(*sides));
        boxes[i].sides = &sides[i * n];
        boxes[i].expires = region->boxes[i].expires;
    }
    match->boxes = boxes;
    match->n_boxes = region->count;
    return 0;
}

static int make_match(struct ng_arena *arena, const struct ng_ipset *set,
                      struct ng_ipset_region *region, bool negate, struct ng_match **ret_match) {
    struct ng_match *match = ng_arena_alloc(arena, 1, sizeof(*match));
    char *name = ng_arena_strdup(arena, set->name);
    drop_columns(region);
    size_t n = region->columns.count;
    struct ng_operand *operands = ng_arena_alloc(arena, n, sizeof(*operands));
    if (!match || !name || !operands)
        return -ENOMEM;
    memcpy(operands, region->columns.operands, n * sizeof(*operands));
    *match = (struct ng_match){
        .operands = operands, .n_operands = n, .negate = negate, .set_name = name};
    /* Addresses every packet has; what else it lacks is in no set, and the rule goes on. */
    bool addr = operands[0].field == NG_FIELD_SADDR || operands[0].field == NG_FIELD_DADDR;
    match->any_of = n > 1 || !addr;
    *ret_match = match;
    return n == 1 && addr ? put_values(arena, region, match) : put_boxes(arena, region, match);
}

/* -- sets that rules change ---------------------------------------------------------- */

/* Writes into an answer what has become known of its set, or of a member of it. */
static int note_change(struct ng_arena *arena, const struct ng_ipset *changed,
                       struct ng_match *match) {
    match->dynamic = true;
    if (!changed->shrinks)
        return 0;
    int r = ng_addrset_union(arena, match->values, match->expiring, &match->expiring);
    if (r < 0)
        return r;
    match->values = (struct ng_addrset){0};
    /* Ours, and not yet shown to anybody who would remember. */
    struct ng_box *boxes = (struct ng_box *)match->boxes;
    for (size_t i = 0; i < match->n_boxes; i++)
        boxes[i].expires = true;
    return 0;
}

static int note_all_changes(const struct ng_ipsets *ipsets, struct ng_arena *arena,
                            const struct ng_ipset *set, struct ng_match *match) {
    int r = set->grows ? note_change(arena, set, match) : 0;
    for (size_t i = 0; r == 0 && i < set->n_members; i++) {
        const struct ng_ipset *member = ng_ipset_named(ipsets, set->members[i].name);
        if (member && member->grows)
            r = note_change(arena, member, match);
    }
    return r;
}

/* A set that packets add to may hold anything in a moment. What is in it stays - unless packets
 * take things out, or push them out, or add them again with a timeout; then nothing is certain.
 * Whoever changes a set from outside makes another world, as whoever changes a rule does. */
static void mark_changed(struct ng_ipset *set, bool removes) {
    set->grows = true;
    set->shrinks = set->shrinks || removes || set->has_timeouts || set->evicts;
}

int ng_decode_ipset_change(struct op_list *list, uint16_t index, bool removes) {
    struct ng_ipset *set = list->ipsets ? ng_ipset_at(list->ipsets, index) : NULL;
    if (!set || (set->grows && (set->shrinks || !removes)))
        return 0;
    int r = ng_ipset_read(list->ipsets, set);
    mark_changed(set, removes);
    /* A list passes it on to its members. */
    for (size_t i = 0; i < set->n_members; i++) {
        struct ng_ipset *member = ng_ipset_named(list->ipsets, set->members[i].name);
        if (member)
            mark_changed(member, removes);
    }
    for (size_t i = 0; i < list->ipsets->n_sets; i++) {
        const struct ng_ipset *other = &list->ipsets->sets[i];
        for (struct ng_ipset_answer *answer = other->answers; answer; answer = answer->next)
            if (r == 0 && answer->match)
                r = note_all_changes(list->ipsets, list->arena, other, answer->match);
    }
    return r;
}

/* -- answers ------------------------------------------------------------------------- */

static int find(const struct ng_ipsets *ipsets, struct ng_ipset *set,
                const struct ng_ipset_question *question, struct ng_ipset_region *region,
                const char **ret_why) {
    int r = check_known(set, ret_why);
    if (r < 0)
        return r;
    if (never(set, question))
        return 0;
    return (set->type->list ? find_in_list : find_plain)(ipsets, set, question, region, ret_why);
}

static int make_answer(const struct ng_ipsets *ipsets, struct ng_arena *arena, struct ng_ipset *set,
                       struct ng_ipset_answer *answer) {
    const struct ng_ipset_question *question = &answer->question;
    struct ng_ipset_region region = {.scratch = ipsets->scratch};
    struct ng_match *match = NULL;
    int r = find(ipsets, set, question, &region, &answer->why);
    if (r == -EBADMSG || r == -EOPNOTSUPP) {
        answer->undecoded = r == -EBADMSG;
        return 0;
    }
    if (r == 0 && region.columns.count == 0) {
        /* Nothing is ever found; the question has to be about something nevertheless. */
        uint8_t family = question->family == NFPROTO_IPV6 ? NG_IP6 : NG_IP4;
        (void)ng_ipset_column(
            &region.columns,
            (struct ng_operand){.field = NG_FIELD_SADDR, .mask = whole, .family = family});
    }
    r = r ? r : make_match(arena, set, &region, question->flags & IPSET_INV_MATCH, &match);
    r = r ? r : note_all_changes(ipsets, arena, set, match);
    /* Before Linux 4.16 what is not in the set has counters, too: two zeroes. */
    if (r == 0 && question->counted && match->negate)
        match->dynamic = true;
    answer->match = match;
    return r;
}

static bool same_question(const struct ng_ipset_question *a, const struct ng_ipset_question *b) {
    return a->family == b->family && a->dim == b->dim && a->flags == b->flags &&
           a->counted == b->counted;
}

static int find_answer(struct op_list *list, struct ng_ipset *set,
                       const struct ng_ipset_question *question,
                       const struct ng_ipset_answer **ret_answer) {
    struct ng_ipset_answer *answer = set->answers;
    while (answer && !same_question(&answer->question, question))
        answer = answer->next;
    if (!answer) {
        answer = ng_arena_alloc(list->ipsets->scratch, 1, sizeof(*answer));
        if (!answer)
            return -ENOMEM;
        answer->question = *question;
        int r = make_answer(list->ipsets, list->arena, set, answer);
        if (r < 0)
            return r;
        answer->next = set->answers;
        set->answers = answer;
    }
    *ret_answer = answer;
    return 0;
}

static int add_undecided(struct op_list *list, const char *name, const char *why, bool undecoded) {
    struct ng_op op = {.kind = NG_OP_UNDECIDED, .undecoded = undecoded};
    op.text = ng_arena_printf(list->arena, "set @%s (%s)", name, why);
    return op.text ? ng_op_add(list, op) : -ENOMEM;
}

static int decode(struct op_list *list, uint16_t index, struct ng_ipset_question question) {
    static const uint8_t known = IPSET_INV_MATCH | IPSET_DIM_ONE_SRC | IPSET_DIM_TWO_SRC |
                                 IPSET_DIM_THREE_SRC | IPSET_RETURN_NOMATCH;
    struct ng_ipset *set = list->ipsets ? ng_ipset_at(list->ipsets, index) : NULL;
    const struct ng_ipset_answer *answer;
    char number[16];
    /* What no set looks at makes no other question. */
    question.flags &= known;
    if (question.dim > NG_IPSET_DIMENSIONS)
        question.dim = NG_IPSET_DIMENSIONS;
    if (!set) {
        snprintf(number, sizeof(number), "%u", index);
        return add_undecided(list, number, list->ipsets ? "it was not there" : "not read", true);
    }
    /* In an inet table it is the packet that has a family. iptables makes none. */
    if (question.family == NFPROTO_INET)
        return add_undecided(list, set->name, "asked from an inet table", false);
    int r = find_answer(list, set, &question, &answer);
    if (r < 0)
        return r;
    if (!answer->match)
        return add_undecided(list, set->name, answer->why, answer->undecoded);
    return ng_op_add(list, (struct ng_op){.kind = NG_OP_MATCH, .match = answer->match});
}

int ng_decode_ipset_match(struct op_list *list, uint8_t family, uint16_t index, uint8_t dim,
                          uint8_t flags) {
    return decode(list, index, (struct ng_ipset_question){family, dim, flags, false});
}

int ng_decode_ipset_counted(struct op_list *list, uint8_t family, uint16_t index, uint8_t dim,
                            uint8_t flags) {
    return decode(list, index, (struct ng_ipset_question){family, dim, flags, true});
}
