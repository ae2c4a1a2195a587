/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/ruleset.h"

#include <stdio.h>
#include <string.h>

/* The longest rule that is printed; what is longer ends in "…". */
enum { MAX_TEXT = 1024, MAX_LISTED = 16 };

struct text {
    char bytes[MAX_TEXT];
    size_t len;
    bool cut;
};

/* A word as it stands; rules are made of little else. */
static void put_word(struct text *text, const char *word) {
    size_t len = strlen(word);
    if (len >= sizeof(text->bytes) - text->len) {
        text->cut = true;
        return;
    }
    memcpy(text->bytes + text->len, word, len + 1);
    text->len += len;
}

static void put(struct text *text, const char *format, ...) _printf_(2, 3);

static void put(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t left = sizeof(text->bytes) - text->len;
    int n = vsnprintf(text->bytes + text->len, left, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= left) {
        text->bytes[text->len] = '\0';
        text->cut = true;
        return;
    }
    text->len += (size_t)n;
}

/* What the tests before have said about the packet: nft leaves out what follows from it. */
struct context {
    const char *transport; /* "tcp", "udp", …, NULL: not said */
};

static const char *transport_name(ng_u128 number) {
    switch ((unsigned)number) {
    case 1:
        return "icmp";
    case 6:
        return "tcp";
    case 17:
        return "udp";
    case 33:
        return "dccp";
    case 47:
        return "gre";
    case 50:
        return "esp";
    case 51:
        return "ah";
    case 58:
        return "ipv6-icmp";
    case 132:
        return "sctp";
    case 136:
        return "udplite";
    default:
        return NULL;
    }
}

static void put_field(struct text *text, const struct ng_operand *operand,
                      const struct context *context) {
    const char *ip = operand->family == 6 ? "ip6" : "ip";
    const char *th = context->transport ? context->transport : "th";
    switch (operand->field) {
    case NG_FIELD_SADDR:
        put(text, "%s saddr", ip);
        return;
    case NG_FIELD_DADDR:
        put(text, "%s daddr", ip);
        return;
    case NG_FIELD_SPORT:
        put(text, "%s sport", th);
        return;
    case NG_FIELD_DPORT:
        put(text, "%s dport", th);
        return;
    case NG_FIELD_ICMP_TYPE:
        put(text, "%s type", operand->family == 6 ? "icmpv6" : "icmp");
        return;
    case NG_FIELD_ICMP_CODE:
        put(text, "%s code", operand->family == 6 ? "icmpv6" : "icmp");
        return;
    case NG_FIELD_EXTHDR:
    case NG_FIELD_EXTHDR_PRESENT:
    case NG_FIELD_OTHER:
        put_word(text, operand->name ? operand->name : "?");
        return;
    default:
        break;
    }
    static const char *const names[NG_FIELD_COUNT] = {
        [NG_FIELD_L4PROTO] = "meta l4proto",
        [NG_FIELD_NFPROTO] = "meta nfproto",
        [NG_FIELD_ETHERTYPE] = "meta protocol",
        [NG_FIELD_IIF] = "iif",
        [NG_FIELD_OIF] = "oif",
        [NG_FIELD_IIFNAME] = "iifname",
        [NG_FIELD_OIFNAME] = "oifname",
        [NG_FIELD_IIFTYPE] = "iiftype",
        [NG_FIELD_OIFTYPE] = "oiftype",
        [NG_FIELD_IIFKIND] = "meta iifkind",
        [NG_FIELD_OIFKIND] = "meta oifkind",
        [NG_FIELD_MARK] = "meta mark",
        [NG_FIELD_PKTTYPE] = "meta pkttype",
        [NG_FIELD_FRAGMENT] = "ip frag-off",
        [NG_FIELD_TCP_FLAGS] = "tcp flags",
        [NG_FIELD_CT_STATE] = "ct state",
        [NG_FIELD_CT_STATUS] = "ct status",
        [NG_FIELD_CT_DIRECTION] = "ct direction",
        [NG_FIELD_CT_MARK] = "ct mark",
        [NG_FIELD_CT_SADDR] = "ct original saddr",
        [NG_FIELD_CT_DADDR] = "ct original daddr",
        [NG_FIELD_CT_SPORT] = "ct original proto-src",
        [NG_FIELD_CT_DPORT] = "ct original proto-dst",
        [NG_FIELD_CT_L4PROTO] = "ct protocol",
        [NG_FIELD_CT_EXPIRATION] = "ct expiration",
        [NG_FIELD_FIB_DADDR_TYPE] = "fib daddr type",
        [NG_FIELD_FIB_DADDR_IIF_TYPE] = "fib daddr . iif type",
    };
    put_word(text, names[operand->field] ? names[operand->field] : "?");
}

/* -- values --------------------------------------------------------------------------------------
 */

static void put_bits(struct text *text, ng_u128 bits, const char *const *names, size_t count) {
    const char *separator = "";
    for (size_t i = 0; i < count; i++)
        if (bits >> i & 1 && names[i]) {
            put(text, "%s%s", separator, names[i]);
            separator = ",";
        }
    if (!*separator)
        put(text, "0x%llx", (unsigned long long)bits);
}

static void put_state_bits(struct text *text, enum ng_field field, ng_u128 bits) {
    static const char *const states[] = {"invalid", "established", "related",  "new",
                                         NULL,      NULL,          "untracked"};
    static const char *const statuses[] = {"expected",  "seen-reply", "assured",
                                           "confirmed", "snat",       "dnat"};
    static const char *const flags[] = {"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"};
    if (field == NG_FIELD_CT_STATE)
        put_bits(text, bits, states, ARRAY_SIZE(states));
    else if (field == NG_FIELD_CT_STATUS)
        put_bits(text, bits, statuses, ARRAY_SIZE(statuses));
    else
        put_bits(text, bits, flags, ARRAY_SIZE(flags));
}

static bool has_bits(enum ng_field field) {
    return field == NG_FIELD_CT_STATE || field == NG_FIELD_CT_STATUS || field == NG_FIELD_TCP_FLAGS;
}

static bool is_name(enum ng_field field) {
    return field == NG_FIELD_IIFNAME || field == NG_FIELD_OIFNAME || field == NG_FIELD_IIFKIND ||
           field == NG_FIELD_OIFKIND;
}

static bool is_addr(enum ng_field field) {
    return field == NG_FIELD_SADDR || field == NG_FIELD_DADDR || field == NG_FIELD_CT_SADDR ||
           field == NG_FIELD_CT_DADDR;
}

static void put_name(struct text *text, struct ng_interval value) {
    char name[17] = {0};
    for (unsigned i = 0; i < 16; i++)
        name[i] = (char)(value.lo >> (8 * (15 - i)));
    /* A test of the leading bytes leaves the rest open; an exact one ends in a NUL. */
    size_t len = strlen(name);
    bool prefix = len < 16 && value.lo != value.hi && (uint8_t)value.hi == 0xff &&
                  (uint8_t)(value.hi >> (8 * (15 - len))) == 0xff;
    put(text, "\"%s%s\"", name, prefix ? "*" : "");
}

static void put_addr(struct text *text, uint8_t family, struct ng_interval value) {
    char buffer[NG_ADDR_TEXT];
    struct ng_addr lo = {family, value.lo}, hi = {family, value.hi};
    if (value.lo == value.hi) {
        put_word(text, ng_addr_text(lo, buffer));
        return;
    }
    for (unsigned len = 0; len < ng_family_bits(family); len++) {
        ng_u128 rest = ng_family_max(family) ^ ng_prefix_mask(family, len);
        if ((value.lo & rest) == 0 && (value.lo | rest) == value.hi) {
            put_word(text, ng_prefix_text(lo, len, buffer));
            return;
        }
    }
    put(text, "%s-", ng_addr_text(lo, buffer));
    put_word(text, ng_addr_text(hi, buffer));
}

static void put_value(struct text *text, const struct ng_operand *operand,
                      struct ng_interval value) {
    static const char *const types[] = {"unspec",    "unicast",     "local",
                                        "broadcast", "anycast",     "multicast",
                                        "blackhole", "unreachable", "prohibit"};
    enum ng_field field = operand->field;
    bool single = value.lo == value.hi;
    if (is_name(field))
        put_name(text, value);
    else if (is_addr(field) && operand->family)
        put_addr(text, operand->family, value);
    else if ((field == NG_FIELD_L4PROTO || field == NG_FIELD_CT_L4PROTO) && single &&
             transport_name(value.lo))
        put_word(text, transport_name(value.lo));
    else if (field == NG_FIELD_NFPROTO && single)
        put_word(text, value.lo == 2 ? "ipv4" : "ipv6");
    else if (field == NG_FIELD_ETHERTYPE && single)
        put_word(text, value.lo == 0x0800 ? "ip" : value.lo == 0x86dd ? "ip6" : "other");
    else if (field == NG_FIELD_CT_DIRECTION && single)
        put_word(text, value.lo == 0 ? "original" : "reply");
    else if (has_bits(field) && single)
        put_state_bits(text, field, value.lo);
    else if ((field == NG_FIELD_FIB_DADDR_TYPE || field == NG_FIELD_FIB_DADDR_IIF_TYPE) && single &&
             value.lo < ARRAY_SIZE(types))
        put_word(text, types[value.lo]);
    else if (field == NG_FIELD_MARK || field == NG_FIELD_CT_MARK)
        put(text, "0x%llx", (unsigned long long)value.lo);
    else if (single)
        put(text, "%llu", (unsigned long long)value.lo);
    else
        put(text, "%llu-%llu", (unsigned long long)value.lo, (unsigned long long)value.hi);
}

static void put_values(struct text *text, const struct ng_operand *operand,
                       struct ng_addrset values) {
    if (values.count == 1) {
        put_value(text, operand, values.intervals[0]);
        return;
    }
    put_word(text, "{ ");
    for (size_t i = 0; i < values.count && i < MAX_LISTED; i++) {
        put_word(text, i ? ", " : "");
        put_value(text, operand, values.intervals[i]);
    }
    put(text, "%s }", values.count > MAX_LISTED ? ", …" : "");
}

/* -- operations ----------------------------------------------------------------------------------
 */

/* A test under a mask: "ct state new", "tcp flags & (syn,ack) == syn". */
static void put_masked(struct text *text, const struct ng_match *match) {
    const struct ng_operand *operand = &match->operands[0];
    struct ng_interval value =
        match->values.count ? match->values.intervals[0] : (struct ng_interval){0, 0};
    bool some = match->values.count == 1 && value.lo == 1; /* any bit of the mask */
    bool none = match->values.count == 1 && value.lo == 0 && value.hi == 0;
    if (has_bits(operand->field) && (some || none)) {
        put(text, " %s", some == match->negate ? "! " : "");
        put_state_bits(text, operand->field, operand->mask);
        return;
    }
    put_word(text, " & ");
    if (has_bits(operand->field))
        put_state_bits(text, operand->field, operand->mask);
    else
        put(text, "0x%llx", (unsigned long long)operand->mask);
    put(text, " %s ", match->negate ? "!=" : "==");
    if (has_bits(operand->field))
        put_state_bits(text, operand->field, value.lo);
    else
        put(text, "0x%llx", (unsigned long long)value.lo);
}

static void put_box(struct text *text, const struct ng_match *match, const struct ng_box *box) {
    for (size_t i = 0; i < match->n_operands; i++) {
        put_word(text, i ? " . " : "");
        if (box->sides[i].lo == 0 && box->sides[i].hi == ~(ng_u128)0)
            put_word(text, "*");
        else
            put_value(text, &match->operands[i], box->sides[i]);
    }
}

static void put_verdict(struct text *text, const struct ng_ruleset *ruleset,
                        const struct ng_verdict *verdict) {
    static const char *const names[] = {
        [NG_VERDICT_CONTINUE] = "continue", [NG_VERDICT_ACCEPT] = "accept",
        [NG_VERDICT_DROP] = "drop",         [NG_VERDICT_RETURN] = "return",
        [NG_VERDICT_JUMP] = "jump",         [NG_VERDICT_GOTO] = "goto",
        [NG_VERDICT_UNKNOWN] = "?",
    };
    put_word(text, verdict->text ? verdict->text : names[verdict->kind]);
    if (verdict->kind == NG_VERDICT_JUMP || verdict->kind == NG_VERDICT_GOTO)
        put(text, " %s", ruleset->chains[verdict->chain].name);
}

static void put_boxes(struct text *text, const struct ng_ruleset *ruleset, const struct ng_op *op) {
    const struct ng_match *match = op->match;
    if (match->set_name) {
        put(text, "@%s", match->set_name);
        return;
    }
    put_word(text, "{ ");
    for (size_t i = 0; i < match->n_boxes && i < MAX_LISTED; i++) {
        put_word(text, i ? ", " : "");
        put_box(text, match, &match->boxes[i]);
        if (op->kind == NG_OP_VMAP) {
            put_word(text, " : ");
            put_verdict(text, ruleset, &match->boxes[i].verdict);
        }
    }
    put(text, "%s }", match->n_boxes > MAX_LISTED ? ", …" : "");
}

static void put_match(struct text *text, const struct ng_ruleset *ruleset, const struct ng_op *op,
                      const struct context *context) {
    const struct ng_match *match = op->match;
    for (size_t i = 0; i < match->n_operands; i++) {
        put_word(text, i ? " . " : "");
        put_field(text, &match->operands[i], context);
    }
    const struct ng_operand *first = &match->operands[0];
    if (first->field == NG_FIELD_EXTHDR)
        return; /* that there is one is all that is asked */
    bool whole = first->mask == ~(ng_u128)0 && first->flip == 0;
    if (match->n_operands == 1 && !match->boxes && !match->set_name && !whole) {
        put_masked(text, match);
        return;
    }
    put(text, "%s ", op->kind == NG_OP_VMAP ? " vmap" : match->negate ? " !=" : "");
    if (match->boxes || match->set_name)
        put_boxes(text, ruleset, op);
    else
        put_values(text, first, match->values);
}

static void put_nat(struct text *text, const struct ng_nat *nat) {
    char buffer[NG_ADDR_TEXT];
    if (!nat->has_addr && !nat->has_port)
        return;
    put_word(text, " to ");
    if (nat->has_addr) {
        bool bracket = nat->addr_lo.family == NG_IP6 && nat->has_port;
        put(text, "%s%s%s", bracket ? "[" : "", ng_addr_text(nat->addr_lo, buffer),
            bracket ? "]" : "");
        if (nat->addr_lo.value != nat->addr_hi.value)
            put(text, "-%s", ng_addr_text(nat->addr_hi, buffer));
    }
    if (nat->has_port)
        put(text, ":%u", nat->port_lo);
    if (nat->has_port && nat->port_lo != nat->port_hi)
        put(text, "-%u", nat->port_hi);
}

static void put_op(struct text *text, const struct ng_ruleset *ruleset, const struct ng_op *op,
                   const struct context *context) {
    switch (op->kind) {
    case NG_OP_MATCH:
    case NG_OP_VMAP:
        put_match(text, ruleset, op, context);
        break;
    case NG_OP_VERDICT:
        put_verdict(text, ruleset, &op->verdict);
        break;
    case NG_OP_DNAT:
        put_word(text, "dnat");
        if (op->match) {
            put_word(text, " to map ");
            put_boxes(text, ruleset, op);
        } else {
            put_nat(text, op->nat);
        }
        break;
    case NG_OP_REDIRECT:
        put_word(text, "redirect");
        put_nat(text, op->nat);
        break;
    case NG_OP_SET_MARK:
        if (op->operand && (op->operand->mask & UINT32_MAX) == 0)
            put(text, "meta mark set 0x%llx", (unsigned long long)op->operand->flip);
        else if (op->operand)
            put(text, "meta mark set meta mark & 0x%llx ^ 0x%llx",
                (unsigned long long)(op->operand->mask & UINT32_MAX),
                (unsigned long long)op->operand->flip);
        else
            put_word(text, "meta mark set ct mark");
        break;
    case NG_OP_NOTRACK:
        put_word(text, "notrack");
        break;
    case NG_OP_UNDECIDED:
    case NG_OP_SNAT:
    case NG_OP_NOTHING:
    case NG_OP_UNKNOWN:
        put_word(text, op->text ? op->text : "");
        break;
    }
}

static const char *finish(struct ng_arena *arena, struct text *text) {
    while (text->len && text->bytes[text->len - 1] == ' ')
        text->bytes[--text->len] = '\0';
    return ng_arena_printf(arena, "%s%s", text->bytes, text->cut ? " …" : "");
}

/* A test of one field for one value, which later tests make plain. */
static bool single_value(const struct ng_op *op, enum ng_field field, ng_u128 *ret_value) {
    if (op->kind != NG_OP_MATCH || op->match->n_operands != 1 || op->match->boxes ||
        op->match->negate || op->match->operands[0].field != field ||
        op->match->values.count != 1 ||
        op->match->values.intervals[0].lo != op->match->values.intervals[0].hi)
        return false;
    *ret_value = op->match->values.intervals[0].lo;
    return true;
}

static bool asks_transport(const struct ng_rule *rule, size_t from) {
    for (size_t i = from; i < rule->n_ops; i++) {
        const struct ng_op *op = &rule->ops[i];
        bool tests = op->kind == NG_OP_MATCH || op->kind == NG_OP_VMAP;
        for (size_t k = 0; tests && k < op->match->n_operands; k++) {
            enum ng_field field = op->match->operands[k].field;
            if (field == NG_FIELD_SPORT || field == NG_FIELD_DPORT || field == NG_FIELD_TCP_FLAGS)
                return true;
        }
    }
    return false;
}

const char *ng_rule_text(struct ng_arena *arena, const struct ng_ruleset *ruleset,
                         const struct ng_rule *rule) {
    struct text text;
    text.len = 0, text.cut = false, text.bytes[0] = '\0'; /* not all of it needs clearing */
    struct context context = {0};
    for (size_t i = 0; i < rule->n_ops; i++) {
        const struct ng_op *op = &rule->ops[i];
        ng_u128 value;
        if (single_value(op, NG_FIELD_L4PROTO, &value) && transport_name(value)) {
            context.transport = transport_name(value);
            if (asks_transport(rule, i + 1))
                continue;
        }
        size_t before = text.len;
        put_op(&text, ruleset, op, &context);
        if (text.len > before)
            put_word(&text, " ");
    }
    return finish(arena, &text);
}

const char *ng_op_text(struct ng_arena *arena, const struct ng_ruleset *ruleset,
                       const struct ng_op *op) {
    struct text text;
    text.len = 0, text.cut = false, text.bytes[0] = '\0'; /* not all of it needs clearing */
    struct context context = {0};
    put_op(&text, ruleset, op, &context);
    return finish(arena, &text);
}
