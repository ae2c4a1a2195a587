/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel runs a rule's expressions over registers; we say the same as tests of fields. Here a
 * small machine does what the kernel does, byte by byte, to random rules and packets, and what was
 * decoded must come to the same end wherever it claims to know. */
#include "tests/unit/fixture_nft.h"
#include "tests/unit/fixture_random.h"

enum { RULES = 60000, HEADER = 40, MACHINE_BYTES = 64, MAX_KEYS = 6 };

static struct dice dice;

/* -- packets --------------------------------------------------------------------------------- */

struct packet {
    uint8_t network[HEADER], transport[HEADER];
    uint32_t mark, ct_mark;
    char iifname[16];
};

/* Of few different bytes, so that tests match now and then. */
static uint8_t some_byte(void) {
    static const uint8_t bytes[] = {0, 0, 1, 2, 0x7f, 0x80, 0xff};
    return bytes[roll(&dice, ARRAY_SIZE(bytes))];
}

static void fill(void *at, size_t len) {
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)at)[i] = some_byte();
}

static struct packet some_packet(void) {
    struct packet packet = {.iifname = "eth0"};
    fill(packet.network, sizeof(packet.network));
    fill(packet.transport, sizeof(packet.transport));
    fill(&packet.mark, sizeof(packet.mark));
    fill(&packet.ct_mark, sizeof(packet.ct_mark));
    return packet;
}

static ng_u128 from_wire(const void *bytes, size_t len) {
    ng_u128 value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | ((const uint8_t *)bytes)[i];
    return value;
}

/* -- what was decoded, asked of a packet -------------------------------------------------------- */

enum answer { NO, YES, OPEN };

static bool field_value(const struct packet *packet, const struct ng_operand *operand,
                        ng_u128 *ret_value) {
    if (operand->family == NG_IP6)
        return false;
    switch (operand->field) {
    case NG_FIELD_SADDR:
        *ret_value = from_wire(packet->network + 12, 4);
        return true;
    case NG_FIELD_DADDR:
        *ret_value = from_wire(packet->network + 16, 4);
        return true;
    case NG_FIELD_L4PROTO:
        *ret_value = packet->network[9];
        return true;
    case NG_FIELD_FRAGMENT:
        *ret_value = from_wire(packet->network + 6, 2);
        return true;
    case NG_FIELD_SPORT:
        *ret_value = from_wire(packet->transport, 2);
        return true;
    case NG_FIELD_DPORT:
        *ret_value = from_wire(packet->transport + 2, 2);
        return true;
    case NG_FIELD_TCP_FLAGS:
        *ret_value = packet->transport[13];
        return true;
    case NG_FIELD_ICMP_TYPE:
        *ret_value = packet->transport[0];
        return true;
    case NG_FIELD_ICMP_CODE:
        *ret_value = packet->transport[1];
        return true;
    case NG_FIELD_MARK:
        *ret_value = packet->mark;
        return true;
    case NG_FIELD_CT_MARK:
        *ret_value = packet->ct_mark;
        return true;
    case NG_FIELD_IIFNAME:
        *ret_value = from_wire(packet->iifname, sizeof(packet->iifname));
        return true;
    case NG_FIELD_NFPROTO:
        *ret_value = NFPROTO_IPV4;
        return true;
    default:
        return false;
    }
}

static enum answer ask_box(const struct packet *packet, const struct ng_match *match,
                           const struct ng_box *box) {
    enum answer all = YES;
    for (size_t i = 0; i < match->n_operands; i++) {
        const struct ng_operand *operand = &match->operands[i];
        struct ng_interval side = box->sides[i];
        ng_u128 value;
        if (side.lo == 0 && side.hi == ~(ng_u128)0)
            continue;
        if (!field_value(packet, operand, &value)) {
            all = OPEN;
            continue;
        }
        value = (value & operand->mask) ^ operand->flip;
        if (value < side.lo || value > side.hi)
            return NO;
    }
    return all;
}

static enum answer ask_match(const struct packet *packet, const struct ng_match *match,
                             const struct ng_box **ret_box) {
    enum answer found = NO;
    ng_u128 value;
    *ret_box = NULL;
    for (size_t i = 0; i < match->n_boxes && found != YES; i++) {
        enum answer here = ask_box(packet, match, &match->boxes[i]);
        found = here == NO ? found : here == YES && found == OPEN ? OPEN : here;
        if (here == YES && !*ret_box)
            *ret_box = &match->boxes[i];
        if (here != NO && found == OPEN)
            break;
    }
    if (!match->boxes) {
        const struct ng_operand *operand = &match->operands[0];
        if (!field_value(packet, operand, &value))
            return OPEN;
        value = (value & operand->mask) ^ operand->flip;
        found = ng_addrset_contains(match->values, value) ? YES : NO;
    }
    return found == OPEN ? OPEN : (found == YES) != match->negate ? YES : NO;
}

static enum answer ask_assign(struct packet *packet, const struct ng_assign *assign) {
    ng_u128 value, sum = assign->constant;
    assert_int_equal(assign->target, NG_FIELD_MARK);
    if (assign->unknown)
        return OPEN;
    if (assign->map) {
        const struct ng_box *box;
        enum answer found = ask_match(packet, assign->map, &box);
        if (found == YES)
            packet->mark = (uint32_t)box->value;
        return found;
    }
    for (size_t i = 0; i < assign->n_terms; i++) {
        const struct ng_operand *term = &assign->terms[i];
        assert_true(field_value(packet, term, &value));
        sum ^= (value & term->mask) ^ term->flip;
    }
    packet->mark = (uint32_t)sum;
    return YES;
}

/* YES: the rule comes to its end, with the mark that it leaves. */
static enum answer ask_rule(struct packet *packet, const struct ng_rule *rule) {
    for (size_t i = 0; i < rule->n_ops; i++) {
        const struct ng_op *op = &rule->ops[i];
        const struct ng_box *box;
        enum answer answer = op->kind == NG_OP_MATCH    ? ask_match(packet, op->match, &box)
                             : op->kind == NG_OP_ASSIGN ? ask_assign(packet, op->assign)
                                                        : OPEN;
        if (answer != YES)
            return answer;
    }
    return YES;
}

/* -- the machine -------------------------------------------------------------------------------- */

struct set {
    char name[3];
    bool markers, ranges;
    uint32_t key_len, data_len;
    size_t n;
    uint8_t lo[MAX_KEYS][MACHINE_BYTES], hi[MAX_KEYS][MACHINE_BYTES];
    uint8_t data[MAX_KEYS][MACHINE_BYTES];
    bool end[MAX_KEYS];
};

/* The kernel's registers, the packet, and whether the rule still runs. */
struct machine {
    uint8_t bytes[MACHINE_BYTES];
    bool set[MACHINE_BYTES]; /* something was loaded */
    struct packet packet;
    bool runs;
};

static struct rule rule; /* as the decoder gets it */
static struct machine machine;
static struct packet asked; /* as it came */
static struct set sets[2];

/* A place for so many bytes, number as in the attributes. */
static size_t some_place(size_t len, uint32_t *ret_number) {
    size_t registers = (len + 3) / 4, slot = roll(&dice, 4) * 4 % (17 - registers);
    if (roll(&dice, 3) == 0)
        slot = roll(&dice, (unsigned)(17 - registers));
    *ret_number = (uint32_t)(NFT_REG32_00 + slot);
    return slot * 4;
}

/* One that was loaded. False: there is none. */
static bool loaded_place(size_t len, uint32_t *ret_number, size_t *ret_at) {
    for (unsigned tries = 0; tries < 20; tries++) {
        size_t at = some_place(len, ret_number);
        bool all = true;
        for (size_t i = 0; i < len; i++)
            all = all && machine.set[at + i];
        if (all) {
            *ret_at = at;
            return true;
        }
    }
    return false;
}

static void store(size_t at, const void *bytes_, size_t len) {
    size_t whole = (len + 3) / 4 * 4;
    memset(machine.bytes + at, 0, whole);
    memmove(machine.bytes + at, bytes_, len);
    memset(machine.set + at, 1, whole);
}

/* Bytes to compare with: those that are there, nearly those, or any. */
static void some_like(const uint8_t *like, uint8_t *ret_bytes, size_t len) {
    fill(ret_bytes, len);
    if (roll(&dice, 4))
        memcpy(ret_bytes, like, len);
    if (roll(&dice, 3) == 0)
        ret_bytes[roll(&dice, (unsigned)len)] = some_byte();
}

static size_t some_len(void) {
    static const size_t lens[] = {1, 2, 2, 4, 4, 4, 3, 6, 8, 8, 12, 16};
    return lens[roll(&dice, ARRAY_SIZE(lens))];
}

static void run_load(void) {
    size_t len = some_len();
    uint32_t dreg;
    if (roll(&dice, 4) == 0) {
        static const uint32_t keys[] = {NFT_META_MARK, NFT_META_L4PROTO, NFT_META_IIFNAME};
        uint32_t key = keys[roll(&dice, ARRAY_SIZE(keys))];
        len = key == NFT_META_MARK ? 4 : key == NFT_META_L4PROTO ? 1 : 16;
        size_t at = some_place(len, &dreg);
        meta(&rule, key, dreg);
        store(at,
              key == NFT_META_MARK      ? (void *)&machine.packet.mark
              : key == NFT_META_L4PROTO ? (void *)&machine.packet.network[9]
                                        : (void *)machine.packet.iifname,
              len);
        return;
    }
    size_t at = some_place(len, &dreg);
    if (roll(&dice, 6) == 0) {
        at = some_place(4, &dreg);
        ct(&rule, NFT_CT_MARK, dreg);
        store(at, &machine.packet.ct_mark, 4);
        return;
    }
    bool network = roll(&dice, 2);
    size_t offset = network ? 6 + roll(&dice, 14) : roll(&dice, 16);
    payload(&rule, network ? NFT_PAYLOAD_NETWORK_HEADER : NFT_PAYLOAD_TRANSPORT_HEADER,
            (uint32_t)offset, (uint32_t)len, dreg);
    store(at, (network ? machine.packet.network : machine.packet.transport) + offset, len);
}

static void run_immediate(void) {
    uint8_t value[16];
    uint32_t dreg;
    size_t len = some_len(), at = some_place(len, &dreg);
    fill(value, len);
    immediate(&rule, dreg, value, len);
    store(at, value, len);
}

static void run_mask(uint32_t sreg, size_t from, size_t len) {
    uint8_t mask[16], flip[16], result[16];
    uint32_t dreg;
    size_t to = some_place(len, &dreg);
    for (size_t i = 0; i < len; i++) {
        mask[i] = roll(&dice, 3) ? (roll(&dice, 2) ? 0xff : 0) : some_byte();
        flip[i] = roll(&dice, 3) ? 0 : some_byte();
        result[i] = (machine.bytes[from + i] & mask[i]) ^ flip[i];
    }
    bitwise(&rule, sreg, (uint32_t)len, NFT_BITWISE_MASK_XOR);
    number(&rule, NFTA_BITWISE_DREG, dreg); /* the last one counts */
    bytes(&rule, NFTA_BITWISE_MASK, mask, len);
    bytes(&rule, NFTA_BITWISE_XOR, flip, len);
    store(to, result, len);
}

/* Of one register: and, or, xor with another, or a shift. */
static void run_word(uint32_t sreg, size_t from) {
    enum { AND = 3, OR, XOR, SREG2 = 8 };
    uint32_t value, other, by = roll(&dice, 32), sreg2;
    size_t at2;
    memcpy(&value, machine.bytes + from, 4);
    if (roll(&dice, 2) && loaded_place(4, &sreg2, &at2)) {
        uint32_t op = AND + roll(&dice, 3);
        memcpy(&other, machine.bytes + at2, 4);
        bitwise(&rule, sreg, 4, op);
        number(&rule, SREG2, sreg2);
        value = op == AND ? value & other : op == OR ? value | other : value ^ other;
    } else {
        bool left = roll(&dice, 2);
        bitwise(&rule, sreg, 4, left ? NFT_BITWISE_LSHIFT : NFT_BITWISE_RSHIFT);
        bytes(&rule, NFTA_BITWISE_DATA, &by, 4);
        value = left ? value << by : value >> by;
    }
    store(from, &value, 4);
}

static void run_bitwise(void) {
    size_t len = some_len(), from;
    uint32_t sreg;
    if (roll(&dice, 3) == 0 && loaded_place(4, &sreg, &from))
        run_word(sreg, from);
    else if (loaded_place(len, &sreg, &from))
        run_mask(sreg, from, len);
}

static void run_byteorder(void) {
    size_t size = 2U << roll(&dice, 3), len = size * (1 + roll(&dice, 2)), at;
    uint8_t result[16];
    uint32_t reg;
    if (!loaded_place(len, &reg, &at))
        return;
    for (size_t i = 0; i < len; i++)
        result[i] = machine.bytes[at + i / size * size + size - 1 - i % size];
    expression(&rule, "byteorder");
    number(&rule, NFTA_BYTEORDER_SREG, reg);
    number(&rule, NFTA_BYTEORDER_DREG, reg);
    number(&rule, NFTA_BYTEORDER_LEN, (uint32_t)len);
    number(&rule, NFTA_BYTEORDER_SIZE, (uint32_t)size);
    memcpy(machine.bytes + at, result, len);
}

static void run_cmp(void) {
    size_t len = some_len(), at;
    uint8_t value[16];
    uint32_t reg, op = roll(&dice, 2) ? roll(&dice, 2) : roll(&dice, 6);
    if (!loaded_place(len, &reg, &at))
        return;
    some_like(machine.bytes + at, value, len);
    cmp(&rule, reg, op, value, len);
    int order = memcmp(machine.bytes + at, value, len);
    bool holds[] = {[NFT_CMP_EQ] = order == 0,
                    [NFT_CMP_NEQ] = order != 0,
                    [NFT_CMP_LT] = order<0, [NFT_CMP_LTE] = order <= 0, [NFT_CMP_GT] = order> 0,
                    [NFT_CMP_GTE] = order >= 0};
    machine.runs = machine.runs && holds[op];
}

static void run_range(void) {
    size_t len = some_len(), at;
    uint8_t lo[16], hi[16];
    uint32_t reg, op = roll(&dice, 2);
    if (!loaded_place(len, &reg, &at))
        return;
    some_like(machine.bytes + at, lo, len);
    some_like(machine.bytes + at, hi, len);
    expression(&rule, "range");
    number(&rule, NFTA_RANGE_SREG, reg);
    number(&rule, NFTA_RANGE_OP, op);
    bytes(&rule, NFTA_RANGE_FROM_DATA, lo, len);
    bytes(&rule, NFTA_RANGE_TO_DATA, hi, len);
    bool in = memcmp(machine.bytes + at, lo, len) >= 0 && memcmp(machine.bytes + at, hi, len) <= 0;
    machine.runs = machine.runs && in == (op == NFT_RANGE_EQ);
}

/* The index of the element, or -1. */
static int find_element(const struct set *set, const uint8_t *key) {
    int found = -1;
    for (size_t i = 0; i < set->n; i++) {
        if (set->markers) { /* in order: the last marker before the key */
            if (memcmp(set->lo[i], key, set->key_len) <= 0)
                found = set->end[i] ? -1 : (int)i;
            continue;
        }
        bool in = true;
        for (size_t at = 0; at < set->key_len; at += 4) { /* fields of one register each */
            size_t len = set->key_len - at < 4 ? set->key_len - at : 4;
            in = in && memcmp(key + at, set->lo[i] + at, len) >= 0 &&
                 memcmp(key + at, set->hi[i] + at, len) <= 0;
        }
        if (in && found < 0)
            found = (int)i;
    }
    return found;
}

static void run_lookup(void) {
    const struct set *set = &sets[roll(&dice, ARRAY_SIZE(sets))];
    uint32_t reg, dreg;
    size_t at, to;
    if (!loaded_place(set->key_len, &reg, &at))
        return;
    int found = find_element(set, machine.bytes + at);
    bool negate = !set->data_len && roll(&dice, 3) == 0;
    expression(&rule, "lookup");
    mnl_attr_put_strz(rule.at.message, NFTA_LOOKUP_SET, set->name);
    number(&rule, NFTA_LOOKUP_SREG, reg);
    number(&rule, NFTA_LOOKUP_FLAGS, negate ? NFT_LOOKUP_F_INV : 0);
    machine.runs = machine.runs && (found >= 0) != negate;
    if (!set->data_len)
        return;
    to = some_place(set->data_len, &dreg);
    number(&rule, NFTA_LOOKUP_DREG, dreg);
    store(to, found >= 0 ? set->data[found] : machine.bytes, set->data_len);
}

static void run_set_mark(void) {
    uint32_t reg;
    size_t at;
    if (!loaded_place(4, &reg, &at))
        return;
    meta_set(&rule, NFT_META_MARK, reg);
    if (machine.runs)
        memcpy(&machine.packet.mark, machine.bytes + at, 4);
}

/* -- random sets --------------------------------------------------------------------------------- */

static void sort_markers(struct set *set) {
    for (size_t i = 0; i < set->n; i++)
        for (size_t k = i + 1; k < set->n; k++)
            if (memcmp(set->lo[k], set->lo[i], set->key_len) < 0) {
                uint8_t swap[MACHINE_BYTES];
                memcpy(swap, set->lo[i], sizeof(swap));
                memcpy(set->lo[i], set->lo[k], sizeof(swap));
                memcpy(set->lo[k], swap, sizeof(swap));
            }
    size_t kept = 0; /* no two at one place: where an interval ends another may begin, but that is
                        tried by hand */
    for (size_t i = 0; i < set->n; i++)
        if (kept == 0 || memcmp(set->lo[kept - 1], set->lo[i], set->key_len) != 0)
            memmove(set->lo[kept++], set->lo[i], sizeof(set->lo[i]));
    set->n = kept;
}

/* Keys that are in the packet's headers, or nearly. */
static void some_keys(struct set *set) {
    for (size_t i = 0; i < set->n; i++) {
        size_t at = roll(&dice, 16);
        const uint8_t *header =
            roll(&dice, 2) ? machine.packet.network + at : machine.packet.transport + at;
        some_like(header, set->lo[i], set->key_len);
        memcpy(set->hi[i], set->lo[i], set->key_len);
        if (set->ranges)
            set->hi[i][roll(&dice, set->key_len)] = 0xff;
        fill(set->data[i], set->data_len);
        set->end[i] = roll(&dice, 2);
    }
}

static struct nlattr *begin_element(struct nlmsghdr *message, const struct set *set,
                                    struct nlattr **ret_element) {
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, "t");
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set->name);
    struct nlattr *list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
    *ret_element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
    return list;
}

static void make_set(struct set *set, unsigned index) {
    static const uint32_t concats[] = {4, 8, 12}, plain[] = {1, 2, 4, 8};
    *set = (struct set){.name = {'s', (char)('0' + index), '\0'}};
    set->markers = roll(&dice, 3) == 0;
    set->ranges = !set->markers && roll(&dice, 2);
    set->key_len = set->ranges ? concats[roll(&dice, 3)] : plain[roll(&dice, 4)];
    set->data_len = roll(&dice, 3) ? 0 : 4;
    set->n = roll(&dice, MAX_KEYS + 1);
    some_keys(set);
    if (set->markers)
        sort_markers(set);

    uint32_t flags = set->markers  ? NFT_SET_INTERVAL
                     : set->ranges ? NFT_SET_INTERVAL | NFT_SET_CONCAT
                                   : 0;
    struct nlmsghdr *message = begin(&rule.made, NFT_MSG_NEWSET);
    mnl_attr_put_strz(message, NFTA_SET_TABLE, "t");
    mnl_attr_put_strz(message, NFTA_SET_NAME, set->name);
    mnl_attr_put_u32(message, NFTA_SET_FLAGS, htonl(flags | (set->data_len ? NFT_SET_MAP : 0)));
    mnl_attr_put_u32(message, NFTA_SET_KEY_LEN, htonl(set->key_len));
    mnl_attr_put_u32(message, NFTA_SET_DATA_LEN, htonl(set->data_len));
    struct nlattr *desc = mnl_attr_nest_start(message, NFTA_SET_DESC);
    struct nlattr *concat = mnl_attr_nest_start(message, NFTA_SET_DESC_CONCAT);
    for (uint32_t at = 0; set->ranges && at < set->key_len; at += 4) {
        struct nlattr *field = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
        mnl_attr_put_u32(message, NFTA_SET_FIELD_LEN, htonl(4));
        mnl_attr_nest_end(message, field);
    }
    mnl_attr_nest_end(message, concat);
    mnl_attr_nest_end(message, desc);
    end(&rule.made, message);

    for (size_t i = 0; i < set->n; i++) {
        struct nlattr *element, *list;
        bool is_end = set->markers && set->end[i];
        message = begin(&rule.made, NFT_MSG_NEWSETELEM);
        list = begin_element(message, set, &element);
        mnl_attr_put_u32(message, NFTA_SET_ELEM_FLAGS,
                         htonl(is_end ? NFT_SET_ELEM_INTERVAL_END : 0));
        put_value(message, NFTA_SET_ELEM_KEY, set->lo[i], set->key_len);
        if (set->ranges)
            put_value(message, NFTA_SET_ELEM_KEY_END, set->hi[i], set->key_len);
        if (set->data_len && !is_end)
            put_value(message, NFTA_SET_ELEM_DATA, set->data[i], set->data_len);
        mnl_attr_nest_end(message, element);
        mnl_attr_nest_end(message, list);
        end(&rule.made, message);
    }
}

/* -- rules ---------------------------------------------------------------------------------------- */

static void some_rule(void) {
    static void (*const steps[])(void) = {run_load,    run_load,      run_load,   run_immediate,
                                          run_bitwise, run_byteorder, run_cmp,    run_cmp,
                                          run_range,   run_lookup,    run_lookup, run_set_mark};
    uint8_t ip4 = NFPROTO_IPV4;
    start(&rule);
    memset(machine.set, 0, sizeof(machine.set));
    asked = machine.packet = some_packet();
    machine.runs = true;
    for (unsigned i = 0; i < ARRAY_SIZE(sets); i++)
        make_set(&sets[i], i);
    meta(&rule, NFT_META_NFPROTO, NFT_REG32_15);
    cmp(&rule, NFT_REG32_15, NFT_CMP_EQ, &ip4, 1);
    store(MACHINE_BYTES - 4, &ip4, 1);
    for (unsigned i = 0, n = 2 + roll(&dice, 9); i < n; i++)
        steps[roll(&dice, ARRAY_SIZE(steps))]();
    close_rule(&rule);
}

static void test_machine(void **state) {
    size_t known = 0, matched = 0;
    (void)state;
    for (unsigned seed = 1; seed <= RULES; seed++) {
        struct ng_ruleset *ruleset = NULL;
        struct ng_error error = {0};
        dice.state = seed * 0x9e3779b97f4a7c15ULL;
        some_rule();
        if (decode((const uint8_t *)rule.made.bytes, rule.made.len, &ruleset, &error) < 0)
            fail_msg("seed %u: %s", seed, error.message);
        enum answer answer = ask_rule(&asked, &ruleset->rules[0]);
        bool wrong = answer != OPEN && (answer == YES) != machine.runs;
        if (answer == YES && asked.mark != machine.packet.mark)
            wrong = true;
        if (wrong) {
            char *words = in_words(ruleset);
            fail_msg("seed %u: the machine says %d, mark %x; not so\n%smark %x", seed, machine.runs,
                     machine.packet.mark, words, asked.mark);
        }
        known += answer != OPEN;
        matched += answer == YES;
        ng_ruleset_free(ruleset);
    }
    assert_true(known > RULES / 2);
    assert_true(matched > RULES / 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_machine)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
