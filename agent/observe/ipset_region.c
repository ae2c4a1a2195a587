/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/ipset_parts.h"

#include <errno.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* Which packets a lookup in a set finds, as boxes of which any may match.
 *
 * That needs work where a set has networks. The kernel tries their prefix lengths from the longest
 * to the shortest, and the first element that it meets decides, a `nomatch` one against
 * (mtype_test_cidrs of ip_set_hash_gen.h): so nested networks become disjoint intervals with one
 * outcome each. */

static const ng_u128 whole = ~(ng_u128)0;

/* How much work and how many pieces a set may make before the answer becomes a coarser one. */
enum { WORK_MAX = 1 << 20, PIECES_MAX = 256 };

/* What a lookup may come to. */
enum { MISS = 1, HIT = 2 };

/* Where the dimensions of a set stand among the columns. */
struct finding {
    struct ng_ipset *set;
    struct ng_ipset_region *region;
    bool return_nomatch, counted;
    size_t places[NG_IPSET_DIMENSIONS];
    size_t proto, icmp_type, icmp_code;
    size_t wide; /* the dimension whose intervals are put together: the network, or the first */
};

/* -- columns and boxes --------------------------------------------------------------- */

size_t ng_ipset_column(struct ng_ipset_columns *columns, struct ng_operand operand) {
    for (size_t i = 0; i < columns->count; i++)
        if (columns->operands[i].field == operand.field)
            return columns->operands[i].mask == operand.mask ? i : NG_IPSET_COLUMNS;
    if (columns->count == NG_IPSET_COLUMNS)
        return NG_IPSET_COLUMNS;
    columns->operands[columns->count] = operand;
    return columns->count++;
}

static size_t add_column(struct finding *finding, enum ng_field field, ng_u128 mask,
                         uint8_t family) {
    struct ng_operand operand = {.field = field, .mask = mask, .family = family};
    return ng_ipset_column(&finding->region->columns, operand);
}

static size_t addr_column(struct finding *finding, bool source) {
    const struct ng_ipset *set = finding->set;
    uint8_t family = set->addr_bits == 32 ? NG_IP4 : NG_IP6;
    ng_u128 rest = ng_family_max(family) & ~set->addr_mask;
    bool holes = rest & (rest + 1);
    return add_column(finding, source ? NG_FIELD_SADDR : NG_FIELD_DADDR,
                      holes ? set->addr_mask : whole, family);
}

static size_t kind_column(struct finding *finding, enum ng_ipset_kind kind, bool source) {
    switch (kind) {
    case NG_IPSET_ADDR:
    case NG_IPSET_NET:
        return addr_column(finding, source);
    case NG_IPSET_PORT:
        finding->proto = add_column(finding, NG_FIELD_L4PROTO, whole, 0);
        finding->icmp_type = add_column(finding, NG_FIELD_ICMP_TYPE, whole, 0);
        finding->icmp_code = add_column(finding, NG_FIELD_ICMP_CODE, whole, 0);
        return add_column(finding, source ? NG_FIELD_SPORT : NG_FIELD_DPORT, whole, 0);
    case NG_IPSET_BARE_PORT:
        finding->proto = add_column(finding, NG_FIELD_L4PROTO, whole, 0);
        return add_column(finding, source ? NG_FIELD_SPORT : NG_FIELD_DPORT, whole, 0);
    case NG_IPSET_MAC:
        return add_column(finding, NG_FIELD_ETHER_SADDR, whole, 0);
    case NG_IPSET_MARK:
        return add_column(finding, NG_FIELD_MARK,
                          finding->set->mark_mask == UINT32_MAX ? whole : finding->set->mark_mask,
                          0);
    case NG_IPSET_NAME:
        return add_column(finding, source ? NG_FIELD_IIFNAME : NG_FIELD_OIFNAME, whole, 0);
    case NG_IPSET_NONE:
        break;
    }
    return 0;
}

static int find_columns(struct finding *finding, uint8_t flags, const char **ret_why) {
    const enum ng_ipset_kind *kinds = finding->set->type->kinds;
    for (size_t i = 0; i < NG_IPSET_DIMENSIONS && kinds[i] != NG_IPSET_NONE; i++) {
        bool source = flags & IPSET_DIM_ONE_SRC << i;
        if (kinds[i] == NG_IPSET_MAC && !source) {
            *ret_why = "kernels differ in what the destination's MAC is compared with";
            return -EOPNOTSUPP;
        }
        finding->places[i] = kind_column(finding, kinds[i], source);
        if (finding->places[i] == NG_IPSET_COLUMNS) {
            *ret_why = "its sets look at one thing under several masks";
            return -EOPNOTSUPP;
        }
    }
    return 0;
}

struct ng_ipset_box *ng_ipset_box_new(struct ng_ipset_region *region) {
    size_t n = region->columns.count;
    struct ng_ipset_box *box =
        NG_ARENA_APPEND(region->scratch, region->boxes, region->count, region->capacity);
    struct ng_interval *sides = ng_arena_alloc(region->scratch, n, sizeof(*sides));
    if (!box || !sides)
        return NULL;
    for (size_t i = 0; i < n; i++)
        sides[i].hi = whole;
    box->sides = sides;
    return box;
}

/* One column may stand for two dimensions ("src,dst,src"): then both have to hold. */
static bool narrow(struct ng_ipset_box *box, size_t column, struct ng_interval side) {
    struct ng_interval *own = &box->sides[column];
    if (side.lo > own->lo)
        own->lo = side.lo;
    if (side.hi < own->hi)
        own->hi = side.hi;
    return own->lo <= own->hi;
}

static bool narrow_to(struct ng_ipset_box *box, size_t column, ng_u128 value) {
    return narrow(box, column, (struct ng_interval){value, value});
}

/* A port with its protocol; what of a packet is the "port" is said in ip_set_getport.c. */
static bool narrow_port(const struct finding *finding, struct ng_ipset_box *box, size_t column,
                        uint8_t proto, struct ng_interval port) {
    if (!narrow_to(box, finding->proto, proto))
        return false;
    switch (proto) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
    case IPPROTO_UDPLITE:
        return narrow(box, column, port);
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return narrow_to(box, finding->icmp_type, port.lo >> 8) &&
               narrow_to(box, finding->icmp_code, port.lo & 0xff);
    default:
        return port.lo == 0;
    }
}

static int put_with_proto(const struct finding *finding, const struct ng_interval *sides,
                          uint8_t proto, bool expires) {
    const enum ng_ipset_kind *kinds = finding->set->type->kinds;
    struct ng_ipset_box *box = ng_ipset_box_new(finding->region);
    if (!box)
        return -ENOMEM;
    box->expires = expires;
    bool some = true;
    for (size_t i = 0; some && i < NG_IPSET_DIMENSIONS && kinds[i] != NG_IPSET_NONE; i++)
        some = kinds[i] == NG_IPSET_PORT || kinds[i] == NG_IPSET_BARE_PORT
                   ? narrow_port(finding, box, finding->places[i], proto, sides[i])
                   : narrow(box, finding->places[i], sides[i]);
    if (!some)
        finding->region->count--;
    return 0;
}

static int put(const struct finding *finding, const struct ng_interval *sides, uint8_t proto,
               bool expires) {
    if (finding->set->type->kinds[0] != NG_IPSET_BARE_PORT)
        return put_with_proto(finding, sides, proto, expires);
    int r = put_with_proto(finding, sides, IPPROTO_TCP, expires);
    return r ? r : put_with_proto(finding, sides, IPPROTO_UDP, expires);
}

/* What the element says when it decides; with --return-nomatch it is the other way round. */
static unsigned own_outcome(const struct finding *finding, const struct ng_ipset_element *element) {
    return element->nomatch == finding->return_nomatch ? HIT : MISS;
}

/* Is it possible that a packet that has all this goes on to other elements? */
static bool may_pass(const struct finding *finding, const struct ng_ipset_element *element) {
    return element->expires || finding->counted;
}

/* -- nested intervals of one dimension ----------------------------------------------- */

/* Elements that differ in the wide dimension alone stand together, outer networks before those
 * in them; equal ones keep their order. */
struct sort_key {
    const struct ng_ipset_element *element;
    size_t wide;
};

static int compare_sides(struct ng_interval a, struct ng_interval b) {
    if (a.lo != b.lo)
        return a.lo < b.lo ? -1 : 1;
    return (a.hi < b.hi) - (a.hi > b.hi);
}

static int compare_groups(const struct ng_ipset_element *a, const struct ng_ipset_element *b,
                          size_t wide) {
    if (a->proto != b->proto)
        return a->proto < b->proto ? -1 : 1;
    for (size_t i = 0; i < NG_IPSET_DIMENSIONS; i++) {
        int order = i == wide ? 0 : compare_sides(a->sides[i], b->sides[i]);
        if (order)
            return order;
    }
    return 0;
}

static int compare_wide(const void *left, const void *right) {
    const struct sort_key *a = left, *b = right;
    int order = compare_sides(a->element->sides[a->wide], b->element->sides[b->wide]);
    return order ? order : (a->element > b->element) - (a->element < b->element);
}

static int compare_keys(const void *left, const void *right) {
    const struct sort_key *a = left, *b = right;
    int order = compare_groups(a->element, b->element, a->wide);
    return order ? order : compare_wide(left, right);
}

/* Elements with the same interval: the lookup comes to all of them at once. */
struct node {
    const struct sort_key *first;
    size_t count;
};

/* Where interfaces are asked for, a network whose elements are all for others ends the lookup, too
 * (`multi` of ip_set_hash_gen.h). Those for a bridge's port may or may not do so, as hashes fall;
 * so may one that has expired. `beyond` is what the next shorter prefix comes to. */
static unsigned node_outcome(const struct finding *finding, struct node node,
                             const struct ng_interval *name, unsigned beyond) {
    unsigned outcome = 0;
    bool others = false, certain_others = false;
    for (size_t i = 0; i < node.count; i++) {
        const struct ng_ipset_element *element = node.first[i].element;
        struct ng_interval own = name ? element->sides[1] : (struct ng_interval){0, whole};
        if (name && (element->physdev || own.lo > name->lo || own.hi < name->hi)) {
            others = true;
            certain_others = certain_others || (!element->physdev && !element->expires);
            continue;
        }
        outcome |= own_outcome(finding, element);
        if (!may_pass(finding, element))
            return outcome;
    }
    if (certain_others && !outcome)
        return MISS;
    return outcome | beyond | (others ? MISS : 0);
}

struct open_node {
    ng_u128 hi;
    unsigned outcome;
};

struct sweep {
    const struct finding *finding;
    const struct ng_ipset_element *group;
    const struct ng_interval *name;
    struct open_node *open;
    size_t depth, capacity;
    ng_u128 cursor;
    bool at_end; /* the cursor is past the highest value */
    struct ng_interval run;
    unsigned run_outcome; /* 0: there is none */
};

static int end_run(struct sweep *sweep) {
    struct ng_interval sides[NG_IPSET_DIMENSIONS];
    unsigned outcome = sweep->run_outcome;
    sweep->run_outcome = 0;
    if (!(outcome & HIT))
        return 0;
    memcpy(sides, sweep->group->sides, sizeof(sides));
    sides[sweep->finding->wide] = sweep->run;
    if (sweep->name)
        sides[1] = *sweep->name;
    return put(sweep->finding, sides, sweep->group->proto, outcome & MISS);
}

/* From the cursor up to `hi` all packets come to `outcome`. */
static int advance(struct sweep *sweep, ng_u128 hi, unsigned outcome) {
    int r = 0;
    if (sweep->at_end || sweep->cursor > hi)
        return 0;
    if (sweep->run_outcome == outcome && sweep->run.hi + 1 == sweep->cursor) {
        sweep->run.hi = hi;
    } else {
        r = end_run(sweep);
        sweep->run = (struct ng_interval){sweep->cursor, hi};
        sweep->run_outcome = outcome;
    }
    sweep->cursor = hi + 1;
    sweep->at_end = hi == whole;
    return r;
}

static int close_below(struct sweep *sweep, const ng_u128 *lo) {
    int r = 0;
    while (r == 0 && sweep->depth > 0) {
        const struct open_node *top = &sweep->open[sweep->depth - 1];
        if (lo && top->hi >= *lo)
            break;
        r = advance(sweep, top->hi, top->outcome);
        sweep->depth--;
    }
    return r;
}

static int open_one(struct sweep *sweep, struct node node, struct ng_interval side) {
    int r = close_below(sweep, &side.lo);
    unsigned beyond = sweep->depth ? sweep->open[sweep->depth - 1].outcome : MISS;
    if (r == 0 && side.lo > 0 && sweep->depth)
        r = advance(sweep, side.lo - 1, beyond);
    if (r < 0)
        return r;
    sweep->cursor = side.lo;
    struct open_node *own = NG_ARENA_APPEND(sweep->finding->region->scratch, sweep->open,
                                            sweep->depth, sweep->capacity);
    if (!own)
        return -ENOMEM;
    own->hi = side.hi;
    own->outcome = node_outcome(sweep->finding, node, sweep->name, beyond);
    return 0;
}

/* `keys`: one group. */
static int sweep_group(const struct finding *finding, const struct sort_key *keys, size_t count,
                       const struct ng_interval *name) {
    struct sweep sweep = {.finding = finding, .group = keys[0].element, .name = name};
    size_t wide = finding->wide;
    int r = 0;
    for (size_t i = 0, n; r == 0 && i < count; i += n) {
        struct ng_interval side = keys[i].element->sides[wide];
        for (n = 1; i + n < count && !compare_sides(side, keys[i + n].element->sides[wide]); n++)
            ;
        r = open_one(&sweep, (struct node){&keys[i], n}, side);
    }
    r = r ? r : close_below(&sweep, NULL);
    return r ? r : end_run(&sweep);
}

static struct sort_key *sorted(const struct finding *finding,
                               int (*compare)(const void *, const void *)) {
    const struct ng_ipset *set = finding->set;
    struct sort_key *keys =
        ng_arena_alloc(finding->region->scratch, set->n_elements, sizeof(*keys));
    if (!keys)
        return NULL;
    for (size_t i = 0; i < set->n_elements; i++)
        keys[i] = (struct sort_key){&set->elements[i], finding->wide};
    if (set->n_elements)
        qsort(keys, set->n_elements, sizeof(*keys), compare);
    return keys;
}

static int find_in_groups(const struct finding *finding) {
    const struct sort_key *keys = sorted(finding, compare_keys);
    int r = keys ? 0 : -ENOMEM;
    for (size_t i = 0, n; r == 0 && i < finding->set->n_elements; i += n) {
        for (n = 1; i + n < finding->set->n_elements &&
                    !compare_groups(keys[i].element, keys[i + n].element, finding->wide);
             n++)
            ;
        r = sweep_group(finding, &keys[i], n, NULL);
    }
    return r;
}

/* Too much to be exact about: whoever some element lets match may match. */
static int put_coarsely(const struct finding *finding) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < finding->set->n_elements; i++) {
        const struct ng_ipset_element *element = &finding->set->elements[i];
        if (own_outcome(finding, element) == HIT && !element->physdev)
            r = put(finding, element->sides, element->proto, true);
    }
    return r;
}

/* -- networks behind interfaces ------------------------------------------------------ */

static int compare_numbers(const void *left, const void *right) {
    ng_u128 a = *(const ng_u128 *)left, b = *(const ng_u128 *)right;
    return (a > b) - (a < b);
}

/* Where names begin and where they have ended: between two of these all are alike. */
static int find_edges(const struct finding *finding, ng_u128 **ret_edges, size_t *ret_count) {
    const struct ng_ipset *set = finding->set;
    ng_u128 *edges = ng_arena_alloc(finding->region->scratch, 2 * set->n_elements, sizeof(*edges));
    size_t n = 0, kept = 0;
    if (!edges)
        return -ENOMEM;
    for (size_t i = 0; i < set->n_elements; i++) {
        struct ng_interval name = set->elements[i].sides[1];
        if (set->elements[i].physdev || name.lo > name.hi)
            continue;
        edges[n++] = name.lo;
        if (name.hi != whole)
            edges[n++] = name.hi + 1;
    }
    if (n)
        qsort(edges, n, sizeof(*edges), compare_numbers);
    for (size_t i = 0; i < n; i++)
        if (!kept || edges[kept - 1] != edges[i])
            edges[kept++] = edges[i];
    *ret_edges = edges;
    *ret_count = kept;
    return 0;
}

/* For each kind of interface names, the networks as a packet of that interface finds them. */
static int find_by_name(const struct finding *finding) {
    const struct ng_ipset *set = finding->set;
    ng_u128 *edges;
    size_t n_edges;
    int r = find_edges(finding, &edges, &n_edges);
    if (r < 0)
        return r;
    if (n_edges * set->n_elements > WORK_MAX)
        return put_coarsely(finding);
    const struct sort_key *keys = sorted(finding, compare_wide);
    if (!keys)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < n_edges; i++) {
        struct ng_interval name = {edges[i], i + 1 < n_edges ? edges[i + 1] - 1 : whole};
        r = sweep_group(finding, keys, set->n_elements, &name);
    }
    return r;
}

/* -- pairs of networks --------------------------------------------------------------- */

/* What is left of one element where others may decide before it. */
struct piece {
    struct ng_interval first, last; /* of the two networks */
    bool expires;
};

struct pieces {
    struct piece *pieces; /* PIECES_MAX */
    size_t count;
    bool too_many;
};

static void add_piece(struct pieces *pieces, struct ng_interval first, struct ng_interval last,
                      bool expires) {
    if (first.lo > first.hi || last.lo > last.hi)
        return;
    if (pieces->count == PIECES_MAX) {
        pieces->too_many = true;
        return;
    }
    pieces->pieces[pieces->count++] = (struct piece){first, last, expires};
}

static bool meet(struct ng_interval a, struct ng_interval b, struct ng_interval *ret_common) {
    ret_common->lo = a.lo > b.lo ? a.lo : b.lo;
    ret_common->hi = a.hi < b.hi ? a.hi : b.hi;
    return ret_common->lo <= ret_common->hi;
}

/* Below and above the middle, if anything is there; 0 and the highest number have no neighbour. */
static struct ng_interval below(struct ng_interval side, struct ng_interval middle) {
    return middle.lo == side.lo ? (struct ng_interval){1, 0}
                                : (struct ng_interval){side.lo, middle.lo - 1};
}

static struct ng_interval above(struct ng_interval side, struct ng_interval middle) {
    return middle.hi == side.hi ? (struct ng_interval){1, 0}
                                : (struct ng_interval){middle.hi + 1, side.hi};
}

/* Takes the networks of an element out of all pieces; an element that may be gone only puts them
 * in doubt. */
static void cut(const struct pieces *from, const struct ng_ipset_element *element, bool doubtful,
                size_t last, struct pieces *to) {
    to->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        const struct piece *piece = &from->pieces[i];
        struct ng_interval first_in, last_in;
        if (!meet(piece->first, element->sides[0], &first_in) ||
            !meet(piece->last, element->sides[last], &last_in)) {
            add_piece(to, piece->first, piece->last, piece->expires);
            continue;
        }
        add_piece(to, below(piece->first, first_in), piece->last, piece->expires);
        add_piece(to, above(piece->first, first_in), piece->last, piece->expires);
        add_piece(to, first_in, below(piece->last, last_in), piece->expires);
        add_piece(to, first_in, above(piece->last, last_in), piece->expires);
        if (doubtful)
            add_piece(to, first_in, last_in, true);
    }
}

/* The lookup tries the lengths of the first network, and for each those of the second. */
static bool precedes(const struct ng_ipset_element *a, const struct ng_ipset_element *b,
                     size_t last) {
    return a->lens[0] != b->lens[0] ? a->lens[0] > b->lens[0] : a->lens[last] > b->lens[last];
}

static int put_pair(const struct finding *finding, const struct sort_key *keys, size_t count,
                    size_t which, size_t last, struct pieces rooms[static 2]) {
    const struct ng_ipset_element *element = keys[which].element;
    struct ng_interval sides[NG_IPSET_DIMENSIONS];
    size_t now = 0;
    memcpy(sides, element->sides, sizeof(sides));
    rooms[0].count = 0;
    rooms[0].too_many = rooms[1].too_many = false;
    add_piece(&rooms[0], sides[0], sides[last], may_pass(finding, element));
    for (size_t i = 0; i < count; i++) {
        const struct ng_ipset_element *other = keys[i].element;
        if (own_outcome(finding, other) != MISS || !precedes(other, element, last))
            continue;
        cut(&rooms[now], other, may_pass(finding, other), last, &rooms[1 - now]);
        now = 1 - now;
    }
    if (rooms[0].too_many || rooms[1].too_many)
        return put(finding, sides, element->proto, true);
    int r = 0;
    for (size_t i = 0; r == 0 && i < rooms[now].count; i++) {
        sides[0] = rooms[now].pieces[i].first;
        sides[last] = rooms[now].pieces[i].last;
        r = put(finding, sides, element->proto, rooms[now].pieces[i].expires);
    }
    return r;
}

static bool same_port(const struct ng_ipset_element *a, const struct ng_ipset_element *b,
                      size_t last) {
    return a->proto == b->proto && (last == 1 || !compare_sides(a->sides[1], b->sides[1]));
}

static int compare_ports(const void *left, const void *right) {
    const struct ng_ipset_element *a = ((const struct sort_key *)left)->element;
    const struct ng_ipset_element *b = ((const struct sort_key *)right)->element;
    if (a->proto != b->proto)
        return a->proto < b->proto ? -1 : 1;
    int order = compare_sides(a->sides[1], b->sides[1]);
    return order ? order : (a > b) - (a < b);
}

static int find_in_pairs(const struct finding *finding, size_t last) {
    const struct ng_ipset *set = finding->set;
    const struct sort_key *keys = sorted(finding, compare_ports);
    struct piece *room = ng_arena_alloc(finding->region->scratch, 2 * PIECES_MAX, sizeof(*room));
    if (!keys || !room)
        return -ENOMEM;
    struct pieces rooms[2] = {{.pieces = room}, {.pieces = room + PIECES_MAX}};
    size_t work = 0;
    int r = 0;
    for (size_t i = 0, n; r == 0 && i < set->n_elements; i += n) {
        size_t misses = 0;
        for (n = 0;
             i + n < set->n_elements && same_port(keys[i].element, keys[i + n].element, last); n++)
            misses += own_outcome(finding, keys[i + n].element) == MISS;
        work += misses ? n * n : 0;
        if (work > WORK_MAX)
            return put_coarsely(finding);
        for (size_t k = i; r == 0 && k < i + n; k++)
            if (own_outcome(finding, keys[k].element) == HIT)
                r = put_pair(finding, &keys[i], misses ? n : 0, k - i, last, rooms);
    }
    return r;
}

/* -- the lookup ---------------------------------------------------------------------- */

int ng_ipset_find(struct ng_ipset *set, uint8_t flags, bool counted, struct ng_ipset_region *region,
                  const char **ret_why) {
    const enum ng_ipset_kind *kinds = set->type->kinds;
    struct finding finding = {.set = set, .region = region, .counted = counted};
    size_t n_nets = 0, last = 0;
    int r = find_columns(&finding, flags, ret_why);
    if (r < 0)
        return r;
    for (size_t i = 0; i < NG_IPSET_DIMENSIONS; i++)
        if (kinds[i] == NG_IPSET_NET) {
            n_nets++;
            last = i;
        }
    finding.return_nomatch = n_nets && flags & IPSET_RETURN_NOMATCH;
    finding.wide = last;
    if (n_nets == 2)
        return find_in_pairs(&finding, last);
    if (kinds[1] == NG_IPSET_NAME)
        return find_by_name(&finding);
    return find_in_groups(&finding);
}
