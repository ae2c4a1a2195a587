/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/reach/text.h"

#include <string.h>

static const ng_u128 whole = ~(ng_u128)0;

static bool is_whole(const struct ng_operand *operand) {
    return operand->mask == whole && operand->flip == 0;
}

/* -- tests --------------------------------------------------------------------------- */

static void put_bits_or_number(struct text *text, const struct ng_operand *operand,
                               ng_u128 number) {
    bool mark = operand->field == NG_FIELD_MARK || operand->field == NG_FIELD_CT_MARK;
    bool addr = operand->field == NG_FIELD_SADDR || operand->field == NG_FIELD_DADDR;
    char buffer[NG_ADDR_TEXT];
    if (addr)
        ng_text_word(
            text,
            ng_addr_text((struct ng_addr){operand->family == NG_IP6 ? NG_IP6 : NG_IP4, number},
                         buffer));
    else if (ng_text_has_bits(operand->field))
        ng_text_bits(text, operand->field, number);
    else
        ng_text_put(text, mark ? "0x%08llx" : "0x%llx", (unsigned long long)number);
}

/* "tcp flags syn / syn,ack": of these bits, those are set. */
static void put_masked_bits(struct text *text, const struct ng_match *match, ng_u128 bits) {
    const struct ng_operand *operand = &match->operands[0];
    ng_text_word(text, match->negate ? " != " : " ");
    put_bits_or_number(text, operand, bits);
    ng_text_word(text, " / ");
    put_bits_or_number(text, operand, operand->mask);
}

/* A test under a mask: "ct state new", "meta mark & 0x000000ff == 0x00000001". */
static void put_masked(struct text *text, const struct ng_match *match) {
    const struct ng_operand *operand = &match->operands[0];
    struct ng_interval value =
        match->values.count ? match->values.intervals[0] : (struct ng_interval){0, 0};
    bool one = match->values.count == 1 && value.lo == value.hi;
    bool some = match->values.count == 1 && value.lo == 1 && value.hi == whole;
    bool none = one && value.lo == 0;
    bool bits = ng_text_has_bits(operand->field);
    if (bits && (some || none)) {
        ng_text_word(text, some == match->negate ? " ! " : " ");
        ng_text_bits(text, operand->field, operand->mask);
        return;
    }
    /* Any bit of the mask: the same as that they are not all 0. */
    bool differs = match->negate != some;
    ng_u128 number = some ? 0 : value.lo ^ operand->flip;
    if (bits) {
        put_masked_bits(text, match, number);
        return;
    }
    ng_text_word(text, " & ");
    put_bits_or_number(text, operand, operand->mask);
    ng_text_put(text, " %s ", differs ? "!=" : "==");
    put_bits_or_number(text, operand, number);
}

static void put_side(struct text *text, const struct ng_operand *operand, struct ng_interval side,
                     const struct context *context) {
    bool masked_bits = ng_text_has_bits(operand->field) && !is_whole(operand);
    if (side.lo == 0 && side.hi == whole)
        ng_text_word(text, "*");
    else if (masked_bits && side.hi == whole)
        ng_text_bits(text, operand->field, operand->mask); /* any of them */
    else
        ng_text_value(text, operand, side, context);
}

static void put_box(struct text *text, const struct ng_match *match, const struct ng_box *box,
                    const struct context *context) {
    for (size_t i = 0; i < match->n_operands; i++) {
        ng_text_word(text, i ? " . " : "");
        put_side(text, &match->operands[i], box->sides[i], context);
    }
}

static void put_verdict(struct text *text, const struct ng_verdict *verdict,
                        const struct context *context) {
    static const char *const names[] = {
        [NG_VERDICT_CONTINUE] = "continue", [NG_VERDICT_ACCEPT] = "accept",
        [NG_VERDICT_DROP] = "drop",         [NG_VERDICT_RETURN] = "return",
        [NG_VERDICT_JUMP] = "jump",         [NG_VERDICT_GOTO] = "goto",
        [NG_VERDICT_UNKNOWN] = "?",
    };
    /* What `reject` says if it is not told what to say. */
    static const char *const rejects[] = {
        [NG_TABLE_IP] = "reject with icmp port-unreachable",
        [NG_TABLE_IP6] = "reject with icmpv6 port-unreachable",
        [NG_TABLE_INET] = "reject with icmpx port-unreachable",
        [NG_TABLE_NETDEV] = "reject with icmpx port-unreachable",
        [NG_TABLE_BRIDGE] = "reject with icmpx port-unreachable",
        [NG_TABLE_ARP] = "reject",
    };
    const char *name = verdict->text ? verdict->text : names[verdict->kind];
    if (context->in_table && strcmp(name, rejects[context->table]) == 0)
        name = "reject";
    ng_text_word(text, name);
    if (verdict->kind == NG_VERDICT_JUMP || verdict->kind == NG_VERDICT_GOTO)
        ng_text_put(text, " %s", context->ruleset->chains[verdict->chain].name);
}

static void put_nat_data(struct text *text, const struct ng_nat *nat, const char *between);

/* What a map has for an element. */
static void put_data(struct text *text, const struct ng_op *op, const struct ng_box *box,
                     const struct context *context) {
    struct ng_operand target = {.mask = whole};
    ng_text_word(text, " : ");
    if (op->kind == NG_OP_VMAP) {
        put_verdict(text, &box->verdict, context);
    } else if (op->kind == NG_OP_ASSIGN) {
        target.field = op->assign->target;
        ng_text_value(text, &target, (struct ng_interval){box->value, box->value}, context);
    } else {
        put_nat_data(text, &box->nat, " . ");
    }
}

static void put_boxes(struct text *text, const struct ng_match *match, const struct ng_op *op,
                      const struct context *context) {
    if (match->set_name) {
        ng_text_put(text, "@%s", match->set_name);
        return;
    }
    ng_text_word(text, "{ ");
    for (size_t i = 0; i < match->n_boxes && i < NG_TEXT_LISTED; i++) {
        ng_text_word(text, i ? ", " : "");
        put_box(text, match, &match->boxes[i], context);
        if (op->kind != NG_OP_MATCH)
            put_data(text, op, &match->boxes[i], context);
    }
    ng_text_put(text, "%s }", match->n_boxes > NG_TEXT_LISTED ? ", …" : "");
}

/* "ip saddr . tcp dport", "ip saddr & 255.255.255.0" */
static void put_operands(struct text *text, const struct ng_match *match,
                         const struct context *context) {
    for (size_t i = 0; i < match->n_operands; i++) {
        const struct ng_operand *operand = &match->operands[i];
        ng_text_word(text, i ? " . " : "");
        ng_text_field(text, operand, context);
        if (is_whole(operand) || ng_text_has_bits(operand->field))
            continue;
        ng_text_word(text, " & ");
        put_bits_or_number(text, operand, operand->mask);
    }
}

/* Two fields that were read at once, and are not a set: "icmp type redirect icmp code 1". */
static void put_one_box(struct text *text, const struct ng_match *match,
                        const struct context *context) {
    const char *space = "";
    for (size_t i = 0; i < match->n_operands; i++) {
        struct ng_interval side = match->boxes[0].sides[i];
        if (side.lo == 0 && side.hi == whole)
            continue;
        ng_text_word(text, space);
        ng_text_field(text, &match->operands[i], context);
        ng_text_word(text, " ");
        ng_text_value(text, &match->operands[i], side, context);
        space = " ";
    }
}

static void put_match(struct text *text, const struct ng_op *op, const struct context *context) {
    const struct ng_match *match = op->match;
    const struct ng_operand *first = &match->operands[0];
    if (op->kind == NG_OP_MATCH && match->boxes && !match->set_name && match->n_boxes == 1 &&
        !match->negate) {
        put_one_box(text, match, context);
        return;
    }
    bool by_value = match->n_operands == 1 && !match->boxes && !match->set_name;
    if (by_value && !is_whole(first)) {
        ng_text_field(text, first, context);
        put_masked(text, match);
        return;
    }
    put_operands(text, match, context);
    if (first->field == NG_FIELD_EXTHDR)
        return; /* that there is one is all that is asked */
    bool exactly = by_value && ng_text_has_bits(first->field) && match->values.count == 1 &&
                   match->values.intervals[0].lo == match->values.intervals[0].hi;
    ng_text_put(text, "%s ",
                op->kind == NG_OP_VMAP ? " vmap"
                : match->negate        ? " !="
                : exactly              ? " =="
                                       : "");
    if (by_value)
        ng_text_values(text, first, match->values, context);
    else
        put_boxes(text, match, op, context);
}

/* -- effects ------------------------------------------------------------------------- */

static void put_port_range(struct text *text, const struct ng_nat *nat) {
    ng_text_put(text, "%u", nat->port_lo);
    if (nat->port_lo != nat->port_hi)
        ng_text_put(text, "-%u", nat->port_hi);
}

/* `between` is what stands between address and port. */
static void put_nat_data(struct text *text, const struct ng_nat *nat, const char *between) {
    char buffer[NG_ADDR_TEXT];
    if (nat->has_addr) {
        bool bracket = nat->addr_lo.family == NG_IP6 && nat->has_port && *between == ':';
        ng_text_put(text, "%s%s%s", bracket ? "[" : "", ng_addr_text(nat->addr_lo, buffer),
                    bracket ? "]" : "");
        if (nat->addr_lo.value != nat->addr_hi.value)
            ng_text_put(text, "-%s", ng_addr_text(nat->addr_hi, buffer));
    }
    if (!nat->has_port)
        return;
    ng_text_word(text, nat->has_addr || *between == ':' ? between : "");
    put_port_range(text, nat);
}

/* A table of both families says which one is meant. */
static const char *family_word(const struct ng_nat *nat, const struct context *context) {
    uint8_t family = nat->has_addr ? nat->addr_lo.family : 0;
    if (!context->in_table || context->table != NG_TABLE_INET)
        return "";
    return family == NG_IP4 ? " ip" : family == NG_IP6 ? " ip6" : "";
}

static void put_nat(struct text *text, const struct ng_nat *nat, const struct context *context) {
    if (!nat->has_addr && !nat->has_port)
        return;
    ng_text_put(text, "%s to ", family_word(nat, context));
    put_nat_data(text, nat, ":");
}

/* "dnat ip to tcp dport map { 80 : 10.0.0.2 . 8080 }" */
static void put_nat_map(struct text *text, const struct ng_op *op, const struct context *context) {
    static const struct ng_nat nothing;
    const struct ng_nat *like = op->match->n_boxes ? &op->match->boxes[0].nat : &nothing;
    const char *family = family_word(like, context);
    if (like->has_addr && like->has_port)
        family = like->addr_lo.family == NG_IP6 ? " ip6" : " ip";
    ng_text_put(text, "%s to %s", family, like->has_addr || !like->has_port ? "" : ":");
    put_operands(text, op->match, context);
    ng_text_word(text, " map ");
    put_boxes(text, op->match, op, context);
}

/* The kernel keeps `(value & mask) ^ flip`; nft tells it in as few words as there are. */
static void put_computed(struct text *text, const struct ng_operand *term, ng_u128 constant,
                         const struct context *context) {
    ng_u128 all = UINT32_MAX, mask = term->mask & all;
    ng_u128 either = constant & ~mask, flip = constant & mask;
    mask |= either;
    ng_text_field(text, term, context);
    if (mask != all)
        ng_text_put(text, " & 0x%08llx", (unsigned long long)mask);
    if (flip)
        ng_text_put(text, " ^ 0x%08llx", (unsigned long long)flip);
    if (either)
        ng_text_put(text, " | 0x%08llx", (unsigned long long)either);
}

static void put_assign(struct text *text, const struct ng_op *op, const struct context *context) {
    const struct ng_assign *assign = op->assign;
    struct ng_operand target = {.field = assign->target, .mask = whole};
    const struct ng_operand *last = NULL;
    ng_u128 constant = assign->constant;
    ng_text_field(text, &target, context);
    ng_text_word(text, " set ");
    if (assign->unknown) {
        ng_text_word(text, "?");
        return;
    }
    if (assign->map) {
        put_operands(text, assign->map, context);
        ng_text_word(text, " map ");
        put_boxes(text, assign->map, op, context);
        return;
    }
    for (size_t i = 0; i < assign->n_terms; i++) {
        const struct ng_operand *term = &assign->terms[i];
        constant ^= term->flip;
        if ((term->mask & UINT32_MAX) == 0)
            continue;
        if (last) {
            put_computed(text, last, 0, context);
            ng_text_word(text, " ^ ");
        }
        last = term;
    }
    if (last)
        put_computed(text, last, constant, context);
    else
        ng_text_value(text, &target, (struct ng_interval){constant, constant}, context);
}

static void put_op(struct text *text, const struct ng_op *op, const struct context *context) {
    switch (op->kind) {
    case NG_OP_MATCH:
    case NG_OP_VMAP:
        put_match(text, op, context);
        break;
    case NG_OP_VERDICT:
        put_verdict(text, &op->verdict, context);
        break;
    case NG_OP_DNAT:
    case NG_OP_REDIRECT:
        ng_text_word(text, op->kind == NG_OP_DNAT ? "dnat" : "redirect");
        if (op->match)
            put_nat_map(text, op, context);
        else
            put_nat(text, op->nat, context);
        break;
    case NG_OP_ASSIGN:
        put_assign(text, op, context);
        break;
    case NG_OP_TPROXY:
        ng_text_word(text, "tproxy");
        if (!op->tproxy->to.has_addr && context->family)
            ng_text_word(text, context->family == NG_IP4 ? " ip" : " ip6");
        put_nat(text, &op->tproxy->to, context);
        break;
    case NG_OP_NOTRACK:
        ng_text_word(text, "notrack");
        break;
    case NG_OP_UNDECIDED:
    case NG_OP_SNAT:
    case NG_OP_NOTHING:
    case NG_OP_UNKNOWN:
        ng_text_word(text, op->text ? op->text : "");
        break;
    }
}

/* -- what goes without saying --------------------------------------------------------- */

/* A test of one whole field for one value, which later tests make plain. */
static bool single_value(const struct ng_op *op, enum ng_field field, ng_u128 *ret_value) {
    if (op->kind != NG_OP_MATCH || op->match->n_operands != 1 || op->match->boxes ||
        op->match->negate || op->match->operands[0].field != field ||
        !is_whole(&op->match->operands[0]) || op->match->values.count != 1 ||
        op->match->values.intervals[0].lo != op->match->values.intervals[0].hi)
        return false;
    *ret_value = op->match->values.intervals[0].lo;
    return true;
}

static const struct ng_match *match_of(const struct ng_op *op) {
    switch (op->kind) {
    case NG_OP_MATCH:
    case NG_OP_VMAP:
    case NG_OP_DNAT:
    case NG_OP_REDIRECT:
        return op->match;
    case NG_OP_ASSIGN:
        return op->assign->map;
    default:
        return NULL;
    }
}

/* Does a later operation of the rule ask for something that `implies` it? */
static bool asked_later(const struct ng_rule *rule, size_t from,
                        bool (*implies)(const struct ng_operand *operand, ng_u128 value),
                        ng_u128 value) {
    for (size_t i = from; i < rule->n_ops; i++) {
        const struct ng_match *match = match_of(&rule->ops[i]);
        for (size_t k = 0; match && k < match->n_operands; k++)
            if (implies(&match->operands[k], value))
                return true;
    }
    return false;
}

static bool implies_transport(const struct ng_operand *operand, ng_u128 proto) {
    switch (operand->field) {
    case NG_FIELD_SPORT:
    case NG_FIELD_DPORT:
        return true;
    case NG_FIELD_TCP_FLAGS:
        return proto == 6;
    case NG_FIELD_ICMP_TYPE:
    case NG_FIELD_ICMP_CODE:
        return proto == 1 || proto == 58;
    default:
        return false;
    }
}

/* nft keeps what was written of the connection apart from what it is about. */
static bool implies_family(const struct ng_operand *operand, ng_u128 family) {
    bool connection = operand->field >= NG_FIELD_CT_STATE && operand->field <= NG_FIELD_CT_ZONE;
    return !connection && operand->family == family;
}

static bool implies_ethernet(const struct ng_operand *operand, ng_u128 type) {
    (void)type;
    return operand->field == NG_FIELD_ETHER_SADDR || operand->field == NG_FIELD_ETHER_DADDR;
}

static bool begins(const char *text, const char *with) {
    return text && strncmp(text, with, strlen(with)) == 0;
}

/* Is there an operation that only one family knows? */
static bool acts_on_family(const struct ng_rule *rule, size_t from, uint8_t family) {
    for (size_t i = from; i < rule->n_ops; i++) {
        const struct ng_op *op = &rule->ops[i];
        const struct ng_nat *nat = op->kind == NG_OP_DNAT ? op->nat : NULL;
        if (op->kind == NG_OP_TPROXY || (nat && nat->has_addr && nat->addr_lo.family == family))
            return true;
        if (op->kind == NG_OP_VERDICT &&
            begins(op->verdict.text,
                   family == NG_IP4 ? "reject with icmp " : "reject with icmpv6 "))
            return true;
        if (begins(op->text, family == NG_IP4 ? "ip " : "ip6 "))
            return true;
    }
    return false;
}

/* The family that a test lets pass, 0: it is no such test. */
static uint8_t family_of(const struct ng_op *op) {
    ng_u128 value;
    if (single_value(op, NG_FIELD_NFPROTO, &value))
        return value == 2 ? NG_IP4 : value == 10 ? NG_IP6 : 0;
    if (single_value(op, NG_FIELD_ETHERTYPE, &value))
        return value == 0x0800 ? NG_IP4 : value == 0x86dd ? NG_IP6 : 0;
    return 0;
}

/* nft leaves out what a later part of the rule says anyway. */
static bool goes_without_saying(const struct ng_rule *rule, size_t at) {
    enum { ETHERNET = 1 }; /* ARPHRD_ETHER */
    const struct ng_op *op = &rule->ops[at];
    ng_u128 value;
    if (single_value(op, NG_FIELD_L4PROTO, &value))
        return ng_transport_name(value) && op->match->operands[0].family == 0 &&
               asked_later(rule, at + 1, implies_transport, value);
    if (single_value(op, NG_FIELD_IIFTYPE, &value))
        return value == ETHERNET && asked_later(rule, at + 1, implies_ethernet, value);
    uint8_t family = family_of(op);
    return family && (asked_later(rule, at + 1, implies_family, family) ||
                      acts_on_family(rule, at + 1, family));
}

/* -- rules --------------------------------------------------------------------------- */

static const char *finish(struct ng_arena *arena, struct text *text) {
    while (text->len && text->bytes[text->len - 1] == ' ')
        text->bytes[--text->len] = '\0';
    return ng_arena_printf(arena, "%s%s", text->bytes, text->cut ? " …" : "");
}

const char *ng_rule_text(struct ng_arena *arena, const struct ng_ruleset *ruleset,
                         const struct ng_rule *rule) {
    struct text text;
    struct context context = {
        .ruleset = ruleset,
        .table = ruleset->tables[ruleset->chains[rule->chain].table].family,
        .in_table = true,
    };
    ng_text_start(&text);
    for (size_t i = 0; i < rule->n_ops; i++) {
        const struct ng_op *op = &rule->ops[i];
        ng_u128 value;
        if (single_value(op, NG_FIELD_L4PROTO, &value) && ng_transport_name(value))
            context.transport = ng_transport_name(value);
        if (family_of(op))
            context.family = family_of(op);
        if (goes_without_saying(rule, i))
            continue;
        size_t before = text.len;
        put_op(&text, op, &context);
        if (text.len > before)
            ng_text_word(&text, " ");
    }
    if (rule->comment)
        ng_text_put(&text, "comment \"%s\"", rule->comment);
    return finish(arena, &text);
}

const char *ng_op_text(struct ng_arena *arena, const struct ng_ruleset *ruleset,
                       const struct ng_op *op) {
    struct text text;
    struct context context = {.ruleset = ruleset};
    ng_text_start(&text);
    put_op(&text, op, &context);
    return finish(arena, &text);
}
